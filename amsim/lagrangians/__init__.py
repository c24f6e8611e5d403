"""Lagrangians: the neurons of an energy-based associative memory.

A layer's Lagrangian ``L(x)`` fixes its output ``g = dL/dx`` and, through the Legendre term
``x . g - L``, its share of the energy. The energy descends while the Hessian ``H = dg/dx`` is
positive semidefinite, so every Lagrangian here is convex.

All methods act on the LAST axis; leading axes are batches. float32 stays float32, every other
real type becomes float64. Nothing overflows for inputs up to at least 1e6 in magnitude.

References
----------
Krotov & Hopfield, "Large associative memory problem in neurobiology and machine learning",
ICLR 2021, arXiv:2008.06996.
Hoover, Chau, Strobelt & Krotov, "A universal abstraction for hierarchical Hopfield networks"
(HAMUX), 2022.
Krotov, Hoover, Ram & Pham, "Modern methods in associative memory", 2025, arXiv:2507.06211.
"""

from .base import Array, Bounds, Lagrangian
from .entmax import Entmax
from .group import LayerNorm, Softmax, Spherical
from .separable import (
    Exponential,
    Identity,
    RectifiedPower,
    ReLU,
    SeparableLagrangian,
    Sigmoid,
    Sign,
    SignedPower,
    Tanh,
)
from .simplex import SimplexLagrangian

__all__ = [
    "Array",
    "Bounds",
    "Entmax",
    "Exponential",
    "Identity",
    "Lagrangian",
    "LayerNorm",
    "ReLU",
    "RectifiedPower",
    "SeparableLagrangian",
    "Sigmoid",
    "Sign",
    "SignedPower",
    "SimplexLagrangian",
    "Softmax",
    "Spherical",
    "Tanh",
]


def __dir__() -> list[str]:
    return __all__
