"""Asynchronous recall: units that leak between events and send when their output has moved."""

from .chips import CLOCKS, FABRICS
from .clocks import Barrier, Periodic, Poisson
from .correlated import Bursts, CommonJitter
from .drift import Drift
from .faults import Fault
from .links import Fabric, Link
from .options import EventDriven
from .settling import distance_bound
from .timing import Timing

__all__ = [
    "CLOCKS",
    "FABRICS",
    "Barrier",
    "Bursts",
    "CommonJitter",
    "Drift",
    "EventDriven",
    "Fabric",
    "Fault",
    "Link",
    "Periodic",
    "Poisson",
    "Timing",
    "distance_bound",
]
