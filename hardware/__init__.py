"""Networks as integers: planned for a chip, proven to fit, run bit by bit.

>>> import amsim as am
>>> import hardware as hw
"""

from .backends import BackendUnavailable, Trace
from .chips import CHIPS, Chip, Limit
from .errors import LimitError, MappingError, RangeError
from .plan import Job, Plan
from .planner import compile
from .run import Result, run

__all__ = [
    "CHIPS",
    "BackendUnavailable",
    "Chip",
    "Job",
    "Limit",
    "LimitError",
    "MappingError",
    "Plan",
    "RangeError",
    "Result",
    "Trace",
    "compile",
    "run",
]
