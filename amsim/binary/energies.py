"""The parts of a binary memory's energy E = -Q[sum_mu F(S[xi_mu, s])].

A similarity S compares a memory with the state, a separation F makes the best match stand out, a
scaling Q is monotone and changes units only (Krotov, Hoover, Ram and Pham, arXiv:2507.06211,
chapter 2; Hoover et al. 2024, arXiv:2410.24153). For rows of -1 and +1, every similarity that does
not depend on where the units differ is a function of the overlap xi . s, an integer.

All are evaluated in `decimal`, once for each of the D + 1 overlaps: recall reads tables.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .. import checks

Floats = NDArray[np.float64]


class Separation(Protocol):
    """What `BinaryMemory` takes as F: a function of the similarity, and its derivative."""

    def value(self, x: Decimal) -> Decimal:
        """F(x)."""

    def derivative(self, x: Decimal) -> Decimal:
        """dF/dx; only the gradient rule reads it."""


class Similarity(Protocol):
    """What `BinaryMemory` takes as S: a function of the overlap xi . s, and its derivative."""

    def value(self, overlap: int, size: int) -> Decimal:
        """S of two rows of `size` units."""

    def derivative(self, overlap: int, size: int) -> Decimal:
        """dS/d(overlap); only the gradient rule reads it."""


@dataclass(frozen=True)
class Power:
    """F(x) = x^n / n, or relu(x)^n / n.

    With n = 2 the Hopfield network (Hopfield 1982), with larger n the dense associative memory
    (Krotov and Hopfield 2016, arXiv:1606.01164).

    Parameters
    ----------
    n : int
        At least 1.
    rectified : bool, default False
        Whether negative overlaps count nothing.

    Examples
    --------
    >>> from amsim import binary
    >>> binary.BinaryMemory([[1, 1, 1]], separation=binary.Power(3)).energy([1, 1, 1])
    -9.0
    """

    n: int
    rectified: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", checks.count("Power: n", self.n, at_most=10**9))
        object.__setattr__(self, "rectified", checks.flag("Power: rectified", self.rectified))

    def value(self, x: Decimal) -> Decimal:
        """F(x)."""
        return self._base(x) ** self.n / self.n

    def derivative(self, x: Decimal) -> Decimal:
        """dF/dx = x^(n - 1); 0 where it is rectified."""
        if self.n == 1:
            return Decimal(0 if self.rectified and x <= 0 else 1)
        return self._base(x) ** (self.n - 1)

    def _base(self, x: Decimal) -> Decimal:
        return max(x, Decimal(0)) if self.rectified else x


@dataclass(frozen=True)
class Exponential:
    """F(x) = exp(beta x) / beta (Demircigil et al. 2017, arXiv:1702.01929, with beta = 1).

    The factor 1 / beta is that of the Lagrangian of the same name. The energy of many units can
    exceed floating point (it is then -inf); recall does not, and `LogSumExp` has the same flips.
    """

    beta: float = 1.0

    def __post_init__(self) -> None:
        _keep(self, "beta", 1e-30, 1e9)

    def value(self, x: Decimal) -> Decimal:
        """F(x)."""
        return self.derivative(x) / Decimal(self.beta)

    def derivative(self, x: Decimal) -> Decimal:
        """dF/dx = exp(beta x)."""
        return (Decimal(self.beta) * x).exp()


@dataclass(frozen=True)
class LogSumExp:
    """F(x) = exp(beta x) together with Q(x) = log(x) / beta.

    E = -(1/beta) log sum_mu exp(beta S_mu), the energy of `Softmax` memories.
    """

    beta: float = 1.0

    def __post_init__(self) -> None:
        _keep(self, "beta", 1e-30, 1e9)

    def value(self, x: Decimal) -> Decimal:
        """F(x)."""
        return (Decimal(self.beta) * x).exp()

    def derivative(self, x: Decimal) -> Decimal:
        """dF/dx = beta exp(beta x)."""
        return Decimal(self.beta) * self.value(x)


@dataclass(frozen=True)
class Dot:
    """S = xi . s."""

    def value(self, overlap: int, size: int) -> Decimal:
        """S of two rows."""
        return Decimal(overlap)

    def derivative(self, overlap: int, size: int) -> Decimal:
        """1."""
        return Decimal(1)


@dataclass(frozen=True)
class SquaredDistance:
    """S = -|xi - s|^2 = 2 xi . s - 2 D, which is -4 times the Hamming distance."""

    def value(self, overlap: int, size: int) -> Decimal:
        """S of two rows."""
        return Decimal(2 * (overlap - size))

    def derivative(self, overlap: int, size: int) -> Decimal:
        """2."""
        return Decimal(2)


@dataclass(frozen=True)
class Gaussian:
    """The kernel S = exp(-|xi - s|^2 / (2 width^2)).

    Parameters
    ----------
    width : float
        In units of the Euclidean distance; opposite rows are 2 sqrt(D) apart.
    """

    width: float

    def __post_init__(self) -> None:
        _keep(self, "width", 1e-6, 1e10)

    def value(self, overlap: int, size: int) -> Decimal:
        """S of two rows."""
        return ((overlap - size) / Decimal(self.width) ** 2).exp()

    def derivative(self, overlap: int, size: int) -> Decimal:
        """S / width^2."""
        return self.value(overlap, size) / Decimal(self.width) ** 2


@dataclass(frozen=True)
class Identity:
    """Q(x) = x."""

    def of_scaled(self, mantissa: Floats, exponent: NDArray[np.int64]) -> Floats:
        """Q(mantissa 2^exponent)."""
        with np.errstate(over="ignore"):
            return np.asarray(np.ldexp(mantissa, exponent))


@dataclass(frozen=True)
class Log:
    """Q(x) = log(x) / beta, for separations that are positive.

    Decisions do not depend on Q at temperature 0; it sets the units of the energy, and with them
    of the temperature.
    """

    beta: float = 1.0

    def __post_init__(self) -> None:
        _keep(self, "beta", 1e-100, 1e100)

    def of_scaled(self, mantissa: Floats, exponent: NDArray[np.int64]) -> Floats:
        """Q(mantissa 2^exponent)."""
        if (mantissa <= 0).any():
            raise ValueError(
                "Log: sum F is not positive, it has no logarithm; take Identity() as scaling"
            )
        return np.asarray((np.log(mantissa) + exponent * math.log(2.0)) / self.beta)


Scaling = Identity | Log


def _keep(owner: object, name: str, least: float, most: float) -> None:
    """Check a parameter, and keep it as a float.

    Its range is what 50 digits and the exponents of `decimal` can tell apart for the most units.
    """
    what = f"{type(owner).__name__}: {name}"
    found = checks.number(what, getattr(owner, name), at_least=least, at_most=most)
    object.__setattr__(owner, name, found)
