"""The integer network in Lava: processes to wire, and a session that cannot hang."""

from .backend import build, config, run, run_graph
from .float_recall_steps import float_steps
from .install import require_lava
from .self_test import self_test
from .session import LavaError, LavaTimeoutError, Session

__all__ = [
    "LavaError",
    "LavaTimeoutError",
    "Session",
    "build",
    "config",
    "float_steps",
    "require_lava",
    "run",
    "run_graph",
    "self_test",
]


def __dir__() -> list[str]:
    return __all__
