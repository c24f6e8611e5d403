"""Simulation of recall over time: `simulate` and its solvers."""

from .brian import Brian2
from .cells import Cells
from .events import (
    Barrier,
    Bursts,
    CommonJitter,
    Drift,
    EventDriven,
    Fabric,
    Fault,
    Link,
    Periodic,
    Poisson,
    Timing,
)
from .exponential import ExponentialIntegrator
from .fixed_point import FixedPoint
from .gradient_descent import GradientDescent
from .halting import Settled
from .heun import ExponentialAdams, ExponentialHeun
from .inputs import PiecewiseConstant
from .noise import Noise
from .scipy_ode import ScipyODE
from .simulate import simulate
from .steady import SteadyState, steady_state
from .trajectory import Trajectory
from .watch import Watch

__all__ = [
    "Barrier",
    "Brian2",
    "Bursts",
    "Cells",
    "CommonJitter",
    "Drift",
    "EventDriven",
    "ExponentialAdams",
    "ExponentialHeun",
    "ExponentialIntegrator",
    "Fabric",
    "Fault",
    "FixedPoint",
    "GradientDescent",
    "Link",
    "Noise",
    "Periodic",
    "PiecewiseConstant",
    "Poisson",
    "ScipyODE",
    "Settled",
    "SteadyState",
    "Timing",
    "Trajectory",
    "Watch",
    "simulate",
    "steady_state",
]


def __dir__() -> list[str]:
    return __all__
