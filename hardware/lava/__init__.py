"""The integer network in Lava: processes to wire, and a session that cannot hang."""

from hardware.lava.backend import build, config, run
from hardware.lava.float_recall import float_steps
from hardware.lava.install import require_lava
from hardware.lava.session import LavaError, LavaTimeoutError, Session

__all__ = [
    "LavaError",
    "LavaTimeoutError",
    "Session",
    "build",
    "config",
    "float_steps",
    "require_lava",
    "run",
]
