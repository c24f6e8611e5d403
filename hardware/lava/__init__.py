"""The integer network in Lava: processes to wire, and a session that cannot hang."""

from hardware.lava.session import LavaError, LavaTimeoutError, Session

__all__ = ["LavaError", "LavaTimeoutError", "Session"]
