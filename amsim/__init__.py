"""amsim: dense associative memories as physical, asynchronous systems.

Store patterns, recall them as coupled differential equations, and see what timing does.

>>> import amsim as am
>>> patterns = am.patterns.random(5, 64, seed=0)
>>> net = am.dense_am(patterns, hidden=am.Softmax(beta=0.5))
>>> cue = am.patterns.corrupt(patterns[0], flip=0.2, seed=1)
>>> traj = am.simulate(net, cue)
>>> traj.status
'settled'
>>> print(f"{traj.overlap(patterns)[-1, 0]:.3f}")
1.000
"""

from importlib import import_module
from types import ModuleType

from . import binary, learning, models, patterns, plot, siblings, stability, theory
from .dynamics import (
    Brian2,
    EventDriven,
    ExponentialHeun,
    ExponentialIntegrator,
    FixedPoint,
    GradientDescent,
    Noise,
    Periodic,
    PiecewiseConstant,
    Poisson,
    ScipyODE,
    Settled,
    Timing,
    Trajectory,
    Watch,
    simulate,
)
from .errors import GuaranteeWarning, MissingDependencyError
from .lagrangians import (
    Entmax,
    Exponential,
    Identity,
    Lagrangian,
    LayerNorm,
    RectifiedPower,
    ReLU,
    Sigmoid,
    Sign,
    Softmax,
    Spherical,
    Tanh,
)
from .models import dense_am
from .network import Layer, Network
from .results import RunResult
from .suggestion import BetaSuggestion, suggest_beta
from .synapses import (
    Attention,
    Convolution,
    Dense,
    Directed,
    Epanechnikov,
    HyperSynapse,
    Manhattan,
    Memories,
    MultiBody,
)

__version__ = "0.1.0"

__all__ = [
    "Attention",
    "BetaSuggestion",
    "Brian2",
    "Convolution",
    "Dense",
    "Directed",
    "Entmax",
    "Epanechnikov",
    "EventDriven",
    "Exponential",
    "ExponentialHeun",
    "ExponentialIntegrator",
    "FixedPoint",
    "GradientDescent",
    "GuaranteeWarning",
    "HyperSynapse",
    "Identity",
    "Lagrangian",
    "Layer",
    "LayerNorm",
    "Manhattan",
    "Memories",
    "MissingDependencyError",
    "MultiBody",
    "Network",
    "Noise",
    "Periodic",
    "PiecewiseConstant",
    "Poisson",
    "ReLU",
    "RectifiedPower",
    "RunResult",
    "ScipyODE",
    "Settled",
    "Sigmoid",
    "Sign",
    "Softmax",
    "Spherical",
    "Tanh",
    "Timing",
    "Trajectory",
    "Watch",
    "binary",
    "dense_am",
    "learning",
    "models",
    "patterns",
    "plot",
    "simulate",
    "stability",
    "suggest_beta",
    "theory",
]


def __getattr__(name: str) -> ModuleType:
    """Import what costs scikit-learn, and the packages beside this one, when they are asked for."""
    if name in ("estimators", *siblings.NAMES):
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """What is public, so that completion shows no more."""
    return sorted([*__all__, "__version__", "estimators", *siblings.NAMES])
