"""`Softmax`, `LayerNorm` and `Spherical`: groups of units that share a normaliser."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .. import checks
from .base import Array, Bounds, Lagrangian, Tempered, box, direction, floats, require
from .numerics import (
    bend,
    eye,
    fold_others,
    log_sum_of_others,
    logistic,
    nearest,
    outer,
    outward,
    slack,
)
from .simplex import SimplexLagrangian


@dataclass(frozen=True)
class Softmax(Tempered, SimplexLagrangian):
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

    def value(self, x: npt.ArrayLike) -> Array:
        x = floats(x)
        peak = x.max(axis=-1, keepdims=True)
        total = np.sum(np.exp(self.beta * (x - peak)), axis=-1, keepdims=True)
        return np.asarray(peak + np.log(total) / self.beta)[..., 0]

    def activation(self, x: npt.ArrayLike) -> Array:
        x = floats(x)
        weight = np.exp(self.beta * (x - x.max(axis=-1, keepdims=True)))
        return np.asarray(weight / weight.sum(axis=-1, keepdims=True))

    def _weights(self, x: Array) -> Array:
        return self.activation(x)

    def _weight_bounds(self, active: Bounds) -> Bounds:
        return active

    def response_bound(self, box: Bounds, active: Bounds, u: Array) -> Array:
        """By 1 - p, which the bounds know better than sums of the other p."""
        low, high = active
        error = slack(u) + 16 * np.finfo(u.dtype).eps
        own: Array = high * u
        whole = own.sum(axis=-1, keepdims=True)
        moved: Array = np.subtract(whole * (1 + error), own, out=own)
        moved += (1 - low) * u
        moved *= self.beta * high
        return self._upward(moved)

    def activation_bounds(self, lo: npt.ArrayLike, hi: npt.ArrayLike) -> Bounds:
        """Exact up to rounding: p_i is largest at hi_i with every other unit at lo."""
        lo, hi = box(lo, hi)
        peak = hi.max(axis=-1, keepdims=True)
        least, most = self.beta * (lo - peak), self.beta * (hi - peak)
        down, up = self._log_odds(least, most, -1), self._log_odds(most, least, 1)
        low, high = outward(logistic(down), logistic(up))
        # Below the smallest normal number rounding is absolute: there, [0, tiny] holds p.
        tiny = np.finfo(low.dtype).tiny
        return np.where(low < tiny, 0, low), np.clip(high, tiny, 1)

    def slope_bounds(self, lo: npt.ArrayLike, hi: npt.ArrayLike) -> Bounds:
        """The range of beta p (1 - p) over the bounds of p."""
        low, high = self.activation_bounds(lo, hi)
        most = nearest(0.5, low, high)
        least = np.minimum(low * (1 - low), high * (1 - high))
        return outward(self.beta * least, self.beta * most * (1 - most))

    @staticmethod
    def _log_odds(own: Array, others: Array, sign: int) -> Array:
        """log p_i / (1 - p_i) with unit i at `own`, the rest at `others`; rounded by `sign`."""
        rest = log_sum_of_others(others)
        return np.asarray(own - rest + sign * slack(own) * (1 + np.abs(own) + np.abs(rest)))


class NormLagrangian(Lagrangian):
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
        x = floats(x)
        _, norm, gain = self._polar(x)
        return np.asarray((gain * norm)[..., 0] + np.sum(self._offset(x) * x, axis=-1))

    def activation(self, x: npt.ArrayLike) -> Array:
        x = floats(x)
        c, _, gain = self._polar(x)
        return gain * c + self._offset(x)

    def hessian(self, x: npt.ArrayLike) -> Array:
        c, norm, gain = self._polar(floats(x))
        return gain / norm[..., None] * (self._project(eye(c)) - outer(c))

    def hessian_product(self, x: npt.ArrayLike, u: npt.ArrayLike) -> Array:
        x = floats(x)
        u = direction(x, u)
        c, norm, gain = self._polar(x)
        along: Array = np.sum(c * u, axis=-1, keepdims=True)
        return gain / norm * (self._project(u) - c * along)

    def activation_bounds(self, lo: npt.ArrayLike, hi: npt.ArrayLike) -> Bounds:
        lo, hi = box(lo, hi)
        gain, eps, share = self._constants(lo.shape[-1])
        own_lo, own_hi, rest_lo, rest_hi = self._own_and_rest(lo, hi)
        least = own_lo / np.sqrt(own_lo**2 + np.where(own_lo < 0, rest_lo, rest_hi) + eps)
        most = own_hi / np.sqrt(own_hi**2 + np.where(own_hi > 0, rest_lo, rest_hi) + eps)
        low, high = outward(least, most, slack(lo))
        reach, offset = gain * math.sqrt(share), self._offset(lo)
        return reach * low + offset, reach * high + offset

    def slope_bounds(self, lo: npt.ArrayLike, hi: npt.ArrayLike) -> Bounds:
        lo, hi = box(lo, hi)
        gain, eps, share = self._constants(lo.shape[-1])
        own_lo, own_hi, rest_lo, rest_hi = self._own_and_rest(lo, hi)
        near, far = nearest(0, own_lo, own_hi) ** 2, np.maximum(own_lo**2, own_hi**2)
        rest_lo, rest_hi = rest_lo + eps, rest_hi + eps
        low = np.minimum(bend(far, rest_lo), bend(far, rest_hi))
        high = bend(near, np.clip(2 * near, rest_lo, rest_hi))
        # `hessian` subtracts c_i^2 from k, so its error scales with 1 / s, not with the slope.
        blur = slack(lo) / np.sqrt(near + rest_lo)
        return gain * (share * low - blur), gain * (share * high + blur)

    def _polar(self, x: Array) -> tuple[Array, Array, float]:
        """The direction c, shape (..., n), the norm s, shape (..., 1), and the gain."""
        gain, eps, _ = self._constants(x.shape[-1])
        projected = self._project(x)
        norm = np.sqrt(np.sum(projected * projected, axis=-1, keepdims=True) + eps)
        return projected / norm, norm, gain


@dataclass(frozen=True)
class LayerNorm(NormLagrangian):
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
        require(self, "gamma", "eps")
        delta = checks.array("LayerNorm: delta", self.delta, empty=False, largest=checks.LARGEST)
        if delta.ndim > 1:
            raise ValueError(
                f"LayerNorm: delta has shape {delta.shape}; use a number or one per unit"
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
        n, relative = lo.shape[-1], slack(lo)
        root = math.sqrt(max(n - 1, 1) / n)
        radius = (hi - lo) / 2
        centre = self._project(lo + radius)
        # What rounding may shift: the mean carries the error of the largest input.
        blur = relative * np.max(np.maximum(np.abs(lo), np.abs(hi)), axis=-1, keepdims=True)
        reach = (1 - 2 / n) * radius + radius.mean(axis=-1, keepdims=True) + blur
        # w - e is the squared distance of the other units from their own mean. Its root is a
        # seminorm, so the box moves it by at most the norm of the radii.
        square = np.sum(centre * centre, axis=-1, keepdims=True)
        spread, error = square - (centre / root) ** 2, relative * square
        shift = np.sqrt(fold_others(np.add, radius * radius, 0.0)) + math.sqrt(n) * blur
        closest = np.maximum(np.sqrt(np.maximum(spread - error, 0)) - shift, 0)
        furthest = np.sqrt(np.maximum(spread + error, 0)) + shift
        return (centre - reach) / root, (centre + reach) / root, closest**2, furthest**2


@dataclass(frozen=True)
class Spherical(NormLagrangian):
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

    odd = True
    eps: float = 1e-5

    def __post_init__(self) -> None:
        require(self, "eps")

    def _constants(self, n: int) -> tuple[float, float, float]:
        return 1.0, self.eps, 1.0

    def _project(self, x: Array) -> Array:
        return x

    def _own_and_rest(self, lo: Array, hi: Array) -> tuple[Array, Array, Array, Array]:
        least, most = nearest(0, lo, hi) ** 2, np.maximum(lo * lo, hi * hi)
        return lo, hi, fold_others(np.add, least, 0.0), fold_others(np.add, most, 0.0)
