"""Stability of recall under delays and asynchrony: fixed points, spectra, certificates."""

from .basins import radius, radius_bound
from .bifurcation import Bifurcation, bifurcation
from .certificates import Certificate, certify
from .critical import critical_delay, critical_tau
from .energy_staleness import energy_staleness
from .fixed_points import Classification, Equilibrium, classify, find, find_all
from .loss import LossBound, loss_bound
from .lyapunov import LyapunovBasin, lyapunov_basin, lyapunov_radius
from .read_times import read_time
from .readout import distance_to_rest, reach, t_read
from .schedules import Attack
from .spectrum import delay_spectrum
from .stability_report import StabilityReport, analyse
from .staleness_limits import StalenessLimits, largest_staleness
from .verdicts import Verdict

__all__ = [
    "Attack",
    "Bifurcation",
    "Certificate",
    "Classification",
    "Equilibrium",
    "LossBound",
    "LyapunovBasin",
    "StabilityReport",
    "StalenessLimits",
    "Verdict",
    "analyse",
    "bifurcation",
    "certify",
    "classify",
    "critical_delay",
    "critical_tau",
    "delay_spectrum",
    "distance_to_rest",
    "energy_staleness",
    "find",
    "find_all",
    "largest_staleness",
    "loss_bound",
    "lyapunov_basin",
    "lyapunov_radius",
    "radius",
    "radius_bound",
    "reach",
    "read_time",
    "t_read",
]


def __dir__() -> list[str]:
    return __all__
