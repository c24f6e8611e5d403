"""Separable Lagrangians: sums over units, each with an activation of its own state."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from .base import Array, Bounds, Lagrangian, Tempered, box, direction, floats, require
from .numerics import eye, largest_exponent, logistic, logistic_slope, nearest, outward


class SeparableLagrangian(Lagrangian):
    """L(x) = sum_i l(x_i), from the elementwise l, l' (non-decreasing) and l''.

    Everything but `bounded` follows from the three elementwise functions. They get arrays that
    `floats` has checked, and return new arrays of the same shape and precision. Beside the rules of
    `Lagrangian`:

    1. `_slope` is monotone, or has its only peak at 0: bounds on it are taken from the ends of an
       interval and from its point next to 0. For any other shape override `slope_bounds`.
    2. `_activation` and `_slope` are exact to 4 units in the last place; else override `_error`,
       the relative error by which bounds are widened (`Tempered` does, for functions of beta x).
    3. If the activation is bounded, `_range` has its least and largest value, to which its bounds
       are clipped.
    """

    separable = True
    _range: ClassVar[tuple[float, float]] = (-math.inf, math.inf)

    @abstractmethod
    def _density(self, x: Array) -> Array:
        """l(x), elementwise."""

    @abstractmethod
    def _activation(self, x: Array) -> Array:
        """l'(x), elementwise."""

    @abstractmethod
    def _slope(self, x: Array) -> Array:
        """l''(x), elementwise; monotone, or single-peaked at 0."""

    def value(self, x: npt.ArrayLike) -> Array:
        return np.asarray(np.sum(self._density(floats(x)), axis=-1))

    def activation(self, x: npt.ArrayLike) -> Array:
        return self._activation(floats(x))

    def slope(self, x: npt.ArrayLike) -> Array:
        """The diagonal of the Hessian: shape (..., n) -> (..., n)."""
        return self._slope(floats(x))

    def hessian(self, x: npt.ArrayLike) -> Array:
        slope = self.slope(x)
        return slope[..., None] * eye(slope)

    def hessian_product(self, x: npt.ArrayLike, u: npt.ArrayLike) -> Array:
        x = floats(x)
        return self.slope(x) * direction(x, u)

    def magnitude_product(self, x: npt.ArrayLike, u: npt.ArrayLike) -> Array:
        return self.hessian_product(x, u)

    def response_bound(self, box: Bounds, active: Bounds, u: Array) -> Array:
        """|H| u from above for all states in a box, u >= 0; `active` are its outputs."""
        return self.slope_bounds(*box)[1] * u * (1 + 2 * float(np.finfo(u.dtype).eps))

    def activation_bounds(self, lo: npt.ArrayLike, hi: npt.ArrayLike) -> Bounds:
        lo, hi = box(lo, hi)
        error = self._error(lo, hi)
        low, high = outward(self._activation(lo), self._activation(hi), error)
        return np.clip(low, *self._range), np.clip(high, *self._range)

    def slope_bounds(self, lo: npt.ArrayLike, hi: npt.ArrayLike) -> Bounds:
        lo, hi = box(lo, hi)
        ends = self._slope(lo), self._slope(hi)
        # The peak at 0, if there is one; a monotone slope lies between its ends here as well.
        peak = self._slope(nearest(0, lo, hi))
        error = self._error(lo, hi)
        return outward(np.minimum(*ends), np.maximum(peak, np.maximum(*ends)), error)

    def _error(self, lo: Array, hi: Array) -> Array:
        """Relative error of l' and l'' at the ends: elementwise functions round by a few units."""
        return np.full_like(lo, 4 * np.finfo(lo.dtype).eps)


@dataclass(frozen=True)
class Identity(SeparableLagrangian):
    """Linear neurons: L = x.x / 2, g = x, H = I (arXiv:2008.06996).

    Examples
    --------
    >>> float(Identity().value([3.0, 4.0]))
    12.5
    """

    bounded = False
    odd = True

    def _density(self, x: Array) -> Array:
        return x * x / 2

    def _activation(self, x: Array) -> Array:
        return x.copy()

    def _slope(self, x: Array) -> Array:
        return np.ones_like(x)


@dataclass(frozen=True)
class Tanh(Tempered, SeparableLagrangian):
    """Graded spins: L = (1/beta) sum log cosh(beta x), g = tanh(beta x), H = beta sech^2(beta x).

    Source: Hopfield 1984, written as a Lagrangian in arXiv:2008.06996.

    Examples
    --------
    >>> round(float(Tanh(beta=2.0).value([-1.0, 0.5, 2.0])), 7)
    2.5329859
    """

    bounded = True
    odd = True
    _range = (-1.0, 1.0)

    def _density(self, x: Array) -> Array:
        # log cosh z = |z| + log(1 + exp(-2|z|)) - log 2: cosh itself would overflow.
        size: Array = np.abs(x)
        tail: Array = np.log1p(np.exp(-2 * self.beta * size)) - math.log(2)
        return size + tail / self.beta

    def _activation(self, x: Array) -> Array:
        return np.asarray(np.tanh(self.beta * x))

    def _slope(self, x: Array) -> Array:
        return 4 * self.beta * logistic_slope(2 * self.beta * x)


@dataclass(frozen=True)
class Sigmoid(Tempered, SeparableLagrangian):
    """Rates in (0, 1): L = (1/beta) sum log(1 + exp(beta x)), g = s(beta x), H = beta s (1 - s).

    s is the logistic function. Source: HAMUX; arXiv:2507.06211.

    Examples
    --------
    >>> round(float(Sigmoid(beta=2.0).value([-1.0, 0.5, 2.0])), 7)
    2.7291698
    """

    bounded = True
    _range = (0.0, 1.0)

    def _density(self, x: Array) -> Array:
        return np.asarray(np.logaddexp(0.0, self.beta * x)) / self.beta

    def _activation(self, x: Array) -> Array:
        return logistic(self.beta * x)

    def _slope(self, x: Array) -> Array:
        return self.beta * logistic_slope(self.beta * x)


@dataclass(frozen=True)
class Sign(SeparableLagrangian):
    """Two-state neurons: L = sum |x|, g = sign(x) (0 at 0), H = 0 (unbounded at the kink).

    Source: model A of arXiv:2008.06996. The limit of `Tanh(beta)` for large beta, which has
    derivatives. x . g - L is 0, so that the layer has no energy of its own.

    Examples
    --------
    >>> print(Sign().activation([-3.0, 0.0, 0.5]))
    [-1.  0.  1.]
    """

    bounded = True
    odd = True
    _range = (-1.0, 1.0)

    def _density(self, x: Array) -> Array:
        return np.asarray(np.abs(x))

    def _activation(self, x: Array) -> Array:
        return np.asarray(np.sign(x))

    def _slope(self, x: Array) -> Array:
        return np.zeros_like(x)

    def activation_bounds(self, lo: npt.ArrayLike, hi: npt.ArrayLike) -> Bounds:
        # Closed: a unit that rests at 0, or crosses it, may send any value between -1 and 1.
        lo, hi = box(lo, hi)
        return np.where(lo > 0, 1, -1).astype(lo.dtype), np.where(hi < 0, -1, 1).astype(lo.dtype)

    def slope_bounds(self, lo: npt.ArrayLike, hi: npt.ArrayLike) -> Bounds:
        lo, hi = box(lo, hi)
        steep = (lo <= 0) & (hi >= 0)
        return np.zeros_like(lo), np.where(steep, np.inf, 0).astype(lo.dtype)


@dataclass(frozen=True)
class ReLU(SeparableLagrangian):
    """Rectified neurons: L = relu(x).relu(x) / 2, g = relu(x), H = [x > 0] (0 at the kink).

    Source: arXiv:2008.06996; arXiv:2507.06211.

    Examples
    --------
    >>> print(ReLU().activation([-1.0, 0.5, 2.0]))
    [0.  0.5 2. ]
    """

    bounded = False

    @property
    def kinked(self) -> bool:
        return True

    def _density(self, x: Array) -> Array:
        return self._activation(x) ** 2 / 2

    def _activation(self, x: Array) -> Array:
        return np.asarray(np.maximum(x, 0))

    def _slope(self, x: Array) -> Array:
        return (x > 0).astype(x.dtype)


@dataclass(frozen=True)
class RectifiedPower(SeparableLagrangian):
    """Polynomial memories: L = sum relu(x)^n / n, g = relu(x)^(n-1), H = (n-1) relu(x)^(n-2).

    H is 0 for x <= 0. Source: Krotov & Hopfield 2016; arXiv:2008.06996. x is held at the point
    where relu(x)^n reaches exp(600) (exp(75) in float32): a diverging run then ends with a
    status, not with inf.

    Parameters
    ----------
    n : float
        The power, finite and >= 2; it need not be whole.

    Examples
    --------
    >>> print(RectifiedPower(3).activation([-1.0, 0.5, 2.0]))
    [0.   0.25 4.  ]
    """

    n: float
    bounded = False

    @property
    def growth(self) -> float:
        return 1 - 1 / self.n

    @property
    def kinked(self) -> bool:
        return self.n < 3

    def __post_init__(self) -> None:
        require(self, "n", at_least=2)

    def _rectified(self, x: Array) -> Array:
        return np.clip(x, 0, math.exp(largest_exponent(x) / self.n))

    def _density(self, x: Array) -> Array:
        return self._rectified(x) ** self.n / self.n

    def _activation(self, x: Array) -> Array:
        return self._rectified(x) ** (self.n - 1)

    def _slope(self, x: Array) -> Array:
        # The mask matters for n = 2, where 0 ** 0 = 1.
        return (x > 0) * ((self.n - 1) * self._rectified(x) ** (self.n - 2))


@dataclass(frozen=True)
class SignedPower(SeparableLagrangian):
    """Signed polynomial memories: L = sum |x|^n / n, g = sign(x) |x|^(n-1), H = (n-1) |x|^(n-2).

    For even n the separation x^(n-1) of two-state memories (Krotov & Hopfield 2016) and of their
    sequences (Chaudhry et al. 2023, arXiv:2306.04532), which tells a pattern from its negative;
    x^2 and other even powers fall for x < 0, and are no activations. |x| is held at the point where
    |x|^n reaches exp(600) (exp(75) in float32), as in `RectifiedPower`.

    Parameters
    ----------
    n : float
        The power, finite and >= 2; it need not be whole.

    Examples
    --------
    >>> print(SignedPower(4).activation([-2.0, 0.5, 2.0]))
    [-8.     0.125  8.   ]
    """

    n: float
    bounded = False
    odd = True

    @property
    def growth(self) -> float:
        return 1 - 1 / self.n

    def __post_init__(self) -> None:
        require(self, "n", at_least=2)

    def _size(self, x: Array) -> Array:
        return np.asarray(np.minimum(np.abs(x), math.exp(largest_exponent(x) / self.n)))

    def _density(self, x: Array) -> Array:
        return np.asarray(self._size(x) ** self.n / self.n)

    def _activation(self, x: Array) -> Array:
        return np.asarray(np.copysign(self._size(x) ** (self.n - 1), x))

    def _slope(self, x: Array) -> Array:
        return np.asarray((self.n - 1) * self._size(x) ** (self.n - 2))

    def slope_bounds(self, lo: npt.ArrayLike, hi: npt.ArrayLike) -> Bounds:
        lo, hi = box(lo, hi)
        largest = np.maximum(self._slope(lo), self._slope(hi))
        return outward(self._slope(nearest(0, lo, hi)), largest, self._error(lo, hi))


@dataclass(frozen=True)
class Exponential(Tempered, SeparableLagrangian):
    """Exponential memories: L = (1/beta) sum exp(beta x), g = exp(beta x), H = beta exp(beta x).

    Source: Demircigil et al. 2017; arXiv:2008.06996. beta x is held at 600 (75 in float32): a
    diverging run then ends with a status, not with inf.

    Examples
    --------
    >>> print(Exponential().activation([0.0, 1.0]).round(4))
    [1.     2.7183]
    """

    bounded = False

    @property
    def growth(self) -> float:
        return 1.0

    def _density(self, x: Array) -> Array:
        return self._activation(x) / self.beta

    def _activation(self, x: Array) -> Array:
        return np.asarray(np.exp(np.minimum(self.beta * x, largest_exponent(x))))

    def _slope(self, x: Array) -> Array:
        return self.beta * self._activation(x)
