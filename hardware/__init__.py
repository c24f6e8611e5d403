"""Networks as integers: planned for a chip, proven to fit, run bit by bit.

>>> import amsim as am
>>> import hardware as hw
"""

from amsim.siblings import adopt

adopt(__name__)

from . import export, lava
from .backends import BackendUnavailable
from .chips import CHIPS, Chip, Limit, System
from .compare import Comparison, compare, compare_bit_widths
from .cost import Estimate, estimate
from .cost_table import CostRow, CostTable, compare_costs
from .errors import LimitError, MappingError, NotPublicError, RangeError
from .events import Events
from .graphs.plan import GraphPlan
from .integers import Integers
from .placement import GraphPlacement, Placement, place
from .plan import Job, Plan
from .planner import compile
from .run import Result, run
from .trace import Trace
from .validate import Validation, validate

__all__ = [
    "CHIPS",
    "BackendUnavailable",
    "Chip",
    "Comparison",
    "CostRow",
    "CostTable",
    "Estimate",
    "Events",
    "GraphPlacement",
    "GraphPlan",
    "Integers",
    "Job",
    "Limit",
    "LimitError",
    "MappingError",
    "NotPublicError",
    "Placement",
    "Plan",
    "RangeError",
    "Result",
    "System",
    "Trace",
    "Validation",
    "compare",
    "compare_bit_widths",
    "compare_costs",
    "compile",
    "estimate",
    "export",
    "lava",
    "place",
    "run",
    "validate",
]


def __dir__() -> list[str]:
    return __all__
