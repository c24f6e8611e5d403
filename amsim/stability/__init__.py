"""What timing can and cannot break: fixed points, delays, certified basins."""

from .basins import radius, radius_bound
from .certificates import Certificate, certify
from .critical import critical_delay, critical_tau
from .fixed_points import Classification, Equilibrium, classify, find, find_all
from .spectrum import delay_spectrum

__all__ = [
    "Certificate",
    "Classification",
    "Equilibrium",
    "certify",
    "classify",
    "critical_delay",
    "critical_tau",
    "delay_spectrum",
    "find",
    "find_all",
    "radius",
    "radius_bound",
]
