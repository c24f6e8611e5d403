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

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
Bounds = tuple[Array, Array]


class Lagrangian(ABC):
    """A convex function of a layer's state, with its first two derivatives.

    Attributes
    ----------
    separable : bool
        Whether L is a sum over units, so that the Hessian is diagonal.
    bounded : bool
        Whether the activation stays bounded over all inputs.
    """

    separable: ClassVar[bool]
    bounded: ClassVar[bool]

    @abstractmethod
    def value(self, x: npt.ArrayLike) -> Array:
        """L(x): shape (..., n) -> (...)."""

    @abstractmethod
    def activation(self, x: npt.ArrayLike) -> Array:
        """g(x) = dL/dx: shape (..., n) -> (..., n)."""

    @abstractmethod
    def hessian(self, x: npt.ArrayLike) -> Array:
        """H(x) = dg/dx, symmetric and positive semidefinite: shape (..., n) -> (..., n, n)."""

    @abstractmethod
    def hessian_product(self, x: npt.ArrayLike, u: npt.ArrayLike) -> Array:
        """H(x) @ u without forming H: shapes (..., n), (..., n) -> (..., n)."""

    @abstractmethod
    def activation_bounds(self, lo: npt.ArrayLike, hi: npt.ArrayLike) -> Bounds:
        """Bounds on ``activation(x)`` over the box lo <= x <= hi, rounded outwards.

        Parameters
        ----------
        lo, hi : array_like, shape (..., n)
            The corners of a finite box.

        Returns
        -------
        lo, hi : ndarray, shape (..., n)
            They contain every value that `activation` can return in the box.

        Raises
        ------
        ValueError
            If the shapes differ, a bound is not finite, or lo > hi somewhere.
        """

    @abstractmethod
    def slope_bounds(self, lo: npt.ArrayLike, hi: npt.ArrayLike) -> Bounds:
        """Bounds on the DIAGONAL of ``hessian(x)`` over a box; as `activation_bounds`."""


class _SeparableLagrangian(Lagrangian):
    """L(x) = sum_i l(x_i), from the elementwise l, l' (non-decreasing) and l''."""

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
        return np.asarray(np.sum(self._density(_floats(x)), axis=-1))

    def activation(self, x: npt.ArrayLike) -> Array:
        return self._activation(_floats(x))

    def slope(self, x: npt.ArrayLike) -> Array:
        """The diagonal of the Hessian: shape (..., n) -> (..., n)."""
        return self._slope(_floats(x))

    def hessian(self, x: npt.ArrayLike) -> Array:
        slope = self.slope(x)
        return slope[..., None] * _eye(slope)

    def hessian_product(self, x: npt.ArrayLike, u: npt.ArrayLike) -> Array:
        return self.slope(x) * _floats(u)

    def activation_bounds(self, lo: npt.ArrayLike, hi: npt.ArrayLike) -> Bounds:
        lo, hi = _box(lo, hi)
        low, high = _outward(self._activation(lo), self._activation(hi))
        return np.clip(low, *self._range), np.clip(high, *self._range)

    def slope_bounds(self, lo: npt.ArrayLike, hi: npt.ArrayLike) -> Bounds:
        lo, hi = _box(lo, hi)
        ends = self._slope(lo), self._slope(hi)
        # The peak at 0, if there is one; a monotone slope lies between its ends here as well.
        peak = self._slope(_nearest(0, lo, hi))
        return _outward(np.minimum(*ends), np.maximum(peak, np.maximum(*ends)))


@dataclass(frozen=True)
class _Tempered:
    """The parameter beta: an inverse temperature, finite and > 0."""

    beta: float = 1.0

    def __post_init__(self) -> None:
        _require(self, "beta")


@dataclass(frozen=True)
class Identity(_SeparableLagrangian):
    """Linear neurons: L = x.x / 2, g = x, H = I (arXiv:2008.06996).

    Examples
    --------
    >>> float(Identity().value([3.0, 4.0]))
    12.5
    """

    bounded = False

    def _density(self, x: Array) -> Array:
        return x * x / 2

    def _activation(self, x: Array) -> Array:
        return x.copy()

    def _slope(self, x: Array) -> Array:
        return np.ones_like(x)


@dataclass(frozen=True)
class Tanh(_Tempered, _SeparableLagrangian):
    """Graded spins: L = (1/beta) sum log cosh(beta x), g = tanh(beta x), H = beta sech^2(beta x).

    Source: Hopfield 1984, written as a Lagrangian in arXiv:2008.06996.

    Examples
    --------
    >>> round(float(Tanh(beta=2.0).value([-1.0, 0.5, 2.0])), 7)
    2.5329859
    """

    bounded = True
    _range = (-1.0, 1.0)

    def _density(self, x: Array) -> Array:
        # log cosh z = |z| + log(1 + exp(-2|z|)) - log 2: cosh itself would overflow.
        size: Array = np.abs(x)
        tail: Array = np.log1p(np.exp(-2 * self.beta * size)) - math.log(2)
        return size + tail / self.beta

    def _activation(self, x: Array) -> Array:
        return np.asarray(np.tanh(self.beta * x))

    def _slope(self, x: Array) -> Array:
        return 4 * self.beta * _logistic_slope(2 * self.beta * x)


@dataclass(frozen=True)
class Sigmoid(_Tempered, _SeparableLagrangian):
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
        return _logistic(self.beta * x)

    def _slope(self, x: Array) -> Array:
        return self.beta * _logistic_slope(self.beta * x)


@dataclass(frozen=True)
class ReLU(_SeparableLagrangian):
    """Rectified neurons: L = relu(x).relu(x) / 2, g = relu(x), H = [x > 0] (0 at the kink).

    Source: arXiv:2008.06996; arXiv:2507.06211.

    Examples
    --------
    >>> print(ReLU().activation([-1.0, 0.5, 2.0]))
    [0.  0.5 2. ]
    """

    bounded = False

    def _density(self, x: Array) -> Array:
        return self._activation(x) ** 2 / 2

    def _activation(self, x: Array) -> Array:
        return np.asarray(np.maximum(x, 0))

    def _slope(self, x: Array) -> Array:
        return (x > 0).astype(x.dtype)


@dataclass(frozen=True)
class RectifiedPower(_SeparableLagrangian):
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

    def __post_init__(self) -> None:
        _require(self, "n", at_least=2)

    def _rectified(self, x: Array) -> Array:
        return np.clip(x, 0, math.exp(_largest_exponent(x) / self.n))

    def _density(self, x: Array) -> Array:
        return self._rectified(x) ** self.n / self.n

    def _activation(self, x: Array) -> Array:
        return self._rectified(x) ** (self.n - 1)

    def _slope(self, x: Array) -> Array:
        # The mask matters for n = 2, where 0 ** 0 = 1.
        return (x > 0) * ((self.n - 1) * self._rectified(x) ** (self.n - 2))


@dataclass(frozen=True)
class Exponential(_Tempered, _SeparableLagrangian):
    """Exponential memories: L = (1/beta) sum exp(beta x), g = exp(beta x), H = beta exp(beta x).

    Source: Demircigil et al. 2017; arXiv:2008.06996. beta x is held at 600 (75 in float32): a
    diverging run then ends with a status, not with inf.

    Examples
    --------
    >>> print(Exponential().activation([0.0, 1.0]).round(4))
    [1.     2.7183]
    """

    bounded = False

    def _density(self, x: Array) -> Array:
        return self._activation(x) / self.beta

    def _activation(self, x: Array) -> Array:
        return np.asarray(np.exp(np.minimum(self.beta * x, _largest_exponent(x))))

    def _slope(self, x: Array) -> Array:
        return self.beta * self._activation(x)


@dataclass(frozen=True)
class Softmax(_Tempered, Lagrangian):
    """Competing memories: L = (1/beta) log sum exp(beta x), g = p = softmax(beta x).

    H = beta (diag p - p p^T), which is flat along (1, ..., 1). Source: arXiv:2008.06996; with
    linear visible neurons this is attention (Ramsauer et al. 2021).

    Examples
    --------
    >>> round(float(Softmax(beta=2.0).value([-1.0, 0.5, 2.0])), 7)
    2.0254729
    >>> low, high = Softmax().activation_bounds([-1.0, 0.0], [1.0, 0.0])
    >>> print(low.round(4), high.round(4))
    [0.2689 0.2689] [0.7311 0.7311]
    """

    separable = False
    bounded = True

    def value(self, x: npt.ArrayLike) -> Array:
        x = _floats(x)
        peak = x.max(axis=-1, keepdims=True)
        total = np.sum(np.exp(self.beta * (x - peak)), axis=-1, keepdims=True)
        return np.asarray(peak + np.log(total) / self.beta)[..., 0]

    def activation(self, x: npt.ArrayLike) -> Array:
        x = _floats(x)
        weight = np.exp(self.beta * (x - x.max(axis=-1, keepdims=True)))
        return np.asarray(weight / weight.sum(axis=-1, keepdims=True))

    def hessian(self, x: npt.ArrayLike) -> Array:
        p = self.activation(x)
        return self.beta * (p[..., None] * _eye(p) - _outer(p))

    def hessian_product(self, x: npt.ArrayLike, u: npt.ArrayLike) -> Array:
        p, u = self.activation(x), _floats(u)
        mean: Array = np.sum(p * u, axis=-1, keepdims=True)
        return self.beta * p * (u - mean)

    def activation_bounds(self, lo: npt.ArrayLike, hi: npt.ArrayLike) -> Bounds:
        """Exact up to rounding: p_i is largest at hi_i with every other unit at lo."""
        lo, hi = _box(lo, hi)
        peak = hi.max(axis=-1, keepdims=True)
        least, most = self.beta * (lo - peak), self.beta * (hi - peak)
        down, up = self._log_odds(least, most, -1), self._log_odds(most, least, 1)
        low, high = _outward(_logistic(down), _logistic(up))
        # Below the smallest normal number rounding is absolute: there, [0, tiny] holds p.
        tiny = np.finfo(low.dtype).tiny
        return np.where(low < tiny, 0, low), np.clip(high, tiny, 1)

    def slope_bounds(self, lo: npt.ArrayLike, hi: npt.ArrayLike) -> Bounds:
        """The range of beta p (1 - p) over the bounds of p."""
        low, high = self.activation_bounds(lo, hi)
        most = _nearest(0.5, low, high)
        least = np.minimum(low * (1 - low), high * (1 - high))
        return _outward(self.beta * least, self.beta * most * (1 - most))

    @staticmethod
    def _log_odds(own: Array, others: Array, sign: int) -> Array:
        """log p_i / (1 - p_i) with unit i at `own`, the rest at `others`; rounded by `sign`."""
        rest = _fold_others(np.logaddexp, others, -float(np.finfo(others.dtype).max) / 8)
        return np.asarray(own - rest + sign * _slack(own) * (1 + np.abs(own) + np.abs(rest)))


class _NormLagrangian(Lagrangian):
    """L = a s + delta.x with s = sqrt(|P x|^2 + e) and P a projection: a smoothed (semi)norm.

    With the direction c = P x / s: g = a c + delta, H = (a / s) (P - c c^T). Since P is 1 or
    centring, c_i = sqrt(k) t / sqrt(t^2 + w) and H_ii = a k w / (t^2 + w)^(3/2), where k = P_ii,
    t = (P x)_i / sqrt(k), and w = s^2 - t^2 belongs to the other units.
    """

    separable = False
    bounded = True

    @abstractmethod
    def _constants(self, n: int) -> tuple[float, float, float]:
        """The gain a, the smoothing e, and k, for n units."""

    @abstractmethod
    def _project(self, x: Array) -> Array:
        """P x."""

    @abstractmethod
    def _own_and_rest(self, lo: Array, hi: Array) -> tuple[Array, Array, Array, Array]:
        """Lower and upper bounds on t, then on w - e, over a box."""

    def _offset(self, x: Array) -> Array:
        """delta, in the precision of x."""
        return np.zeros((), dtype=x.dtype)

    def value(self, x: npt.ArrayLike) -> Array:
        x = _floats(x)
        _, norm, gain = self._polar(x)
        return np.asarray((gain * norm)[..., 0] + np.sum(self._offset(x) * x, axis=-1))

    def activation(self, x: npt.ArrayLike) -> Array:
        x = _floats(x)
        c, _, gain = self._polar(x)
        return gain * c + self._offset(x)

    def hessian(self, x: npt.ArrayLike) -> Array:
        c, norm, gain = self._polar(_floats(x))
        return gain / norm[..., None] * (self._project(_eye(c)) - _outer(c))

    def hessian_product(self, x: npt.ArrayLike, u: npt.ArrayLike) -> Array:
        c, norm, gain = self._polar(_floats(x))
        u = _floats(u)
        along: Array = np.sum(c * u, axis=-1, keepdims=True)
        return gain / norm * (self._project(u) - c * along)

    def activation_bounds(self, lo: npt.ArrayLike, hi: npt.ArrayLike) -> Bounds:
        lo, hi = _box(lo, hi)
        gain, eps, share = self._constants(lo.shape[-1])
        own_lo, own_hi, rest_lo, rest_hi = self._own_and_rest(lo, hi)
        least = own_lo / np.sqrt(own_lo**2 + np.where(own_lo < 0, rest_lo, rest_hi) + eps)
        most = own_hi / np.sqrt(own_hi**2 + np.where(own_hi > 0, rest_lo, rest_hi) + eps)
        low, high = _outward(least, most, _slack(lo))
        reach, offset = gain * math.sqrt(share), self._offset(lo)
        return reach * low + offset, reach * high + offset

    def slope_bounds(self, lo: npt.ArrayLike, hi: npt.ArrayLike) -> Bounds:
        lo, hi = _box(lo, hi)
        gain, eps, share = self._constants(lo.shape[-1])
        own_lo, own_hi, rest_lo, rest_hi = self._own_and_rest(lo, hi)
        near, far = _nearest(0, own_lo, own_hi) ** 2, np.maximum(own_lo**2, own_hi**2)
        rest_lo, rest_hi = rest_lo + eps, rest_hi + eps
        low = np.minimum(_bend(far, rest_lo), _bend(far, rest_hi))
        high = _bend(near, np.clip(2 * near, rest_lo, rest_hi))
        # `hessian` subtracts c_i^2 from k, so its error scales with 1 / s, not with the slope.
        blur = _slack(lo) / np.sqrt(near + rest_lo)
        return gain * (share * low - blur), gain * (share * high + blur)

    def _polar(self, x: Array) -> tuple[Array, Array, float]:
        """The direction c, shape (..., n), the norm s, shape (..., 1), and the gain."""
        gain, eps, _ = self._constants(x.shape[-1])
        projected = self._project(x)
        norm = np.sqrt(np.sum(projected * projected, axis=-1, keepdims=True) + eps)
        return projected / norm, norm, gain


@dataclass(frozen=True)
class LayerNorm(_NormLagrangian):
    """Layer normalisation: L = n gamma sqrt(var + eps) + delta.x, with var = mean (x - mean)^2.

    With S = sqrt(var + eps) and z = (x - mean) / S: g = gamma z + delta, hence
    |g - delta| <= gamma sqrt(n - 1), and H = (gamma / S) (I - (1 1^T + z z^T) / n).
    Source: HAMUX; Hoover et al., "Energy Transformer", 2023; arXiv:2507.06211.

    Parameters
    ----------
    gamma : float
        Gain, finite and > 0 (a negative gain would make L concave).
    delta : float or array_like, shape (n,)
        Offset, finite. Kept as a float or a tuple, so that equality and hash work.
    eps : float
        Added to the variance, finite and > 0.

    Examples
    --------
    >>> print(LayerNorm().activation([1.0, 2.0, 4.0]).round(4))
    [-1.069  -0.2673  1.3363]
    """

    gamma: float = 1.0
    delta: npt.ArrayLike = 0.0
    eps: float = 1e-5

    def __post_init__(self) -> None:
        _require(self, "gamma", "eps")
        delta = np.asarray(self.delta, dtype=np.float64)
        if delta.ndim > 1 or not np.all(np.isfinite(delta)):
            raise ValueError(
                f"LayerNorm: delta is {self.delta!r}; use a finite number or a finite 1-D array"
            )
        object.__setattr__(self, "delta", tuple(delta.tolist()) if delta.ndim else float(delta))

    def _constants(self, n: int) -> tuple[float, float, float]:
        return math.sqrt(n) * self.gamma, n * self.eps, 1 - 1 / n

    def _project(self, x: Array) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        # Again: the rounding of a large mean must not pass for a variance.
        return np.asarray(centred - centred.mean(axis=-1, keepdims=True))

    def _offset(self, x: Array) -> Array:
        delta = np.asarray(self.delta, dtype=x.dtype)
        if delta.ndim and delta.shape != x.shape[-1:]:
            raise ValueError(
                f"LayerNorm: delta has shape {delta.shape}, x has shape {x.shape}; "
                "give delta one entry per unit of the last axis, or a single number"
            )
        return delta

    def _own_and_rest(self, lo: Array, hi: Array) -> tuple[Array, Array, Array, Array]:
        n, slack = lo.shape[-1], _slack(lo)
        root = math.sqrt(max(n - 1, 1) / n)
        radius = (hi - lo) / 2
        centre = self._project(lo + radius)
        # What rounding may shift: the mean carries the error of the largest input.
        blur = slack * np.max(np.maximum(np.abs(lo), np.abs(hi)), axis=-1, keepdims=True)
        reach = (1 - 2 / n) * radius + radius.mean(axis=-1, keepdims=True) + blur
        # w - e is the squared distance of the other units from their own mean. Its root is a
        # seminorm, so the box moves it by at most the norm of the radii.
        square = np.sum(centre * centre, axis=-1, keepdims=True)
        spread, error = square - (centre / root) ** 2, slack * square
        shift = np.sqrt(_fold_others(np.add, radius * radius, 0.0)) + math.sqrt(n) * blur
        nearest = np.maximum(np.sqrt(np.maximum(spread - error, 0)) - shift, 0)
        farthest = np.sqrt(np.maximum(spread + error, 0)) + shift
        return (centre - reach) / root, (centre + reach) / root, nearest**2, farthest**2


@dataclass(frozen=True)
class Spherical(_NormLagrangian):
    """Normalisation to the sphere: L = s = sqrt(x.x + eps), g = x / s, H = (I - g g^T) / s.

    Its interval images are exact up to rounding. Source: HAMUX; arXiv:2507.06211.

    Parameters
    ----------
    eps : float
        Softens the origin, where the direction is undefined; finite and > 0.

    Examples
    --------
    >>> print(Spherical().activation([3.0, 4.0]).round(4))
    [0.6 0.8]
    """

    eps: float = 1e-5

    def __post_init__(self) -> None:
        _require(self, "eps")

    def _constants(self, n: int) -> tuple[float, float, float]:
        return 1.0, self.eps, 1.0

    def _project(self, x: Array) -> Array:
        return x

    def _own_and_rest(self, lo: Array, hi: Array) -> tuple[Array, Array, Array, Array]:
        least, most = _nearest(0, lo, hi) ** 2, np.maximum(lo * lo, hi * hi)
        return lo, hi, _fold_others(np.add, least, 0.0), _fold_others(np.add, most, 0.0)


# Parameters and inputs


def _require(owner: object, *names: str, at_least: float = 0.0) -> None:
    """Check parameters of a frozen dataclass: finite, > 0 and >= at_least.

    Keep them as Python floats, since a NumPy float64 scalar would promote float32 states.
    """
    rule = f">= {at_least:g}" if at_least else "> 0"
    for name in names:
        value = getattr(owner, name)
        message = f"{type(owner).__name__}: {name} is {value!r}; use a finite number {rule}"
        if not isinstance(value, (int, float, np.integer, np.floating)):
            raise TypeError(message)
        if not (math.isfinite(value) and value > 0 and value >= at_least):
            raise ValueError(message)
        object.__setattr__(owner, name, float(value))


def _floats(x: npt.ArrayLike) -> Array:
    """x as float32 (if it is) or float64, with at least one unit on the last axis."""
    array = np.asarray(x)
    if array.dtype != np.float32:
        array = array.astype(np.float64, casting="same_kind", copy=False)
    if array.ndim == 0 or array.shape[-1] == 0:
        raise ValueError(f"the state has shape {array.shape}; it needs units on its last axis")
    return array


def _box(lo: npt.ArrayLike, hi: npt.ArrayLike) -> Bounds:
    low, high = _floats(lo), _floats(hi)
    if low.shape != high.shape:
        raise ValueError(f"lo has shape {low.shape}, hi has shape {high.shape}; make them equal")
    if not (np.all(np.isfinite(low)) and np.all(np.isfinite(high))):
        raise ValueError("the box has a bound that is not finite; give every unit finite bounds")
    if not np.all(low <= high):
        unit = tuple(int(i) for i in np.argwhere(low > high)[0])
        raise ValueError(f"lo exceeds hi at index {unit}: {low[unit]} > {high[unit]}; swap them")
    return low, high


# Elementwise functions and small algebra


def _largest_exponent(x: Array) -> float:
    """Where exponents saturate: well inside the range, so that sums and products fit too."""
    return 75.0 if x.dtype == np.float32 else 600.0


def _logistic(z: Array) -> Array:
    small = np.exp(-np.abs(z))
    return np.asarray(np.where(z >= 0, 1, small) / (1 + small))


def _logistic_slope(z: Array) -> Array:
    small = np.exp(-np.abs(z))
    return np.asarray(small / (1 + small) ** 2)


def _eye(x: Array) -> Array:
    return np.eye(x.shape[-1], dtype=x.dtype)


def _outer(x: Array) -> Array:
    return x[..., :, None] * x[..., None, :]


def _fold_others(ufunc: np.ufunc, x: Array, identity: float) -> Array:
    """Fold of all units but the i-th, for each i; no cancellation as in (total - x_i)."""
    before, after = np.full_like(x, identity), np.full_like(x, identity)
    before[..., 1:] = ufunc.accumulate(x[..., :-1], axis=-1)
    after[..., :-1] = ufunc.accumulate(x[..., :0:-1], axis=-1)[..., ::-1]
    return np.asarray(ufunc(before, after))


# Interval images


def _nearest(point: float, lo: Array, hi: Array) -> Array:
    """The point of [lo, hi] nearest to `point`; np.clip(point, ...) would promote float32."""
    return np.asarray(np.maximum(lo, np.minimum(hi, point)))


def _slack(x: Array) -> float:
    """A generous relative rounding error of a sum over the last axis."""
    return float(8 * x.shape[-1] * np.finfo(x.dtype).eps)


def _outward(lo: Array, hi: Array, relative: float | None = None) -> Bounds:
    """Widen by a few units in the last place: elementwise functions round no worse."""
    step = 4 * float(np.finfo(lo.dtype).eps) if relative is None else relative
    return lo - step * np.abs(lo), hi + step * np.abs(hi)


def _bend(square: Array, rest: Array) -> Array:
    """w / (t^2 + w)^(3/2): decreasing in t^2, single-peaked in w at w = 2 t^2."""
    return np.asarray(rest / (square + rest) ** 1.5)
