"""`Entmax`: groups of units with sparse shares."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from .. import checks
from .base import Array, Bounds, box, floats, require
from .numerics import outward, slack
from .simplex import SimplexLagrangian

Indices = npt.NDArray[np.intp]
_CHUNK = 1 << 20  # entries of the corners of boxes that are held at a time


@dataclass(frozen=True)
class Entmax(SimplexLagrangian):
    r"""Sparse competition: g = p = entmax_alpha(beta x), between softmax and sparsemax.

    .. math:: L(x) = \max_p\; x \cdot p + \frac1\beta \sum_i \frac{p_i - p_i^\alpha}
        {\alpha (\alpha - 1)}, \qquad
        p_i = [(\alpha - 1) (\beta x_i - \tau) + 1]_+^{1 / (\alpha - 1)}

    over p >= 0 with sum 1, where tau makes the sum 1. Units far enough below the largest one are
    exactly 0; one that is ahead of all others by 1 / ((alpha - 1) beta) is exactly 1.
    H = beta (diag s - s s^T / sum s) with s_i = p_i^(2 - alpha), 0 where p_i is.

    With linear visible neurons this is a sparse modern Hopfield network, which retrieves patterns
    exactly (Santos et al. 2024, arXiv:2411.08590). Source: Martins & Astudillo 2016,
    arXiv:1602.02068 (alpha = 2, sparsemax); Peters, Niculae & Martins 2019, arXiv:1905.05702.

    Parameters
    ----------
    alpha : float, default 1.5
        1 < alpha <= 2: the larger, the sparser. As it tends to 1, `Softmax` is the limit.
    beta : float, default 1.0
        Inverse temperature, finite and > 0.

    Raises
    ------
    TypeError, ValueError
        If a parameter is no number, or out of range.

    Examples
    --------
    >>> print(Entmax(alpha=2.0).activation([1.0, 0.5, -1.0]))
    [0.75 0.25 0.  ]
    >>> print(Entmax().activation([1.0, 0.5, -1.0]).round(4))
    [0.674 0.326 0.   ]
    >>> print(Entmax().activation([3.0, 0.5, -1.0]))
    [1. 0. 0.]
    """

    alpha: float = 1.5
    beta: float = 1.0
    tempered: ClassVar[bool] = True

    def __post_init__(self) -> None:
        least = math.nextafter(1.0, 2.0)
        alpha = checks.number("Entmax: alpha", self.alpha, at_least=least, at_most=2.0)
        object.__setattr__(self, "alpha", alpha)
        require(self, "beta")

    @property
    def kinked(self) -> bool:
        return self.alpha >= 1.5  # as `RectifiedPower(n)` with n - 1 = 1 / (alpha - 1)

    def value(self, x: npt.ArrayLike) -> Array:
        x, p = floats(x), self.activation(x)
        peak, order = x.max(axis=-1, keepdims=True), self.alpha - 1
        # p - p^alpha, without cancellation as alpha tends to 1.
        entropy = -p * np.expm1(order * np.log(np.where(p > 0, p, 1))) / (self.alpha * order)
        terms = p * (x - peak) + entropy / self.beta
        return np.asarray(peak + terms.sum(axis=-1, keepdims=True))[..., 0]

    def activation(self, x: npt.ArrayLike) -> Array:
        p = self._power(self._above(floats(x)))
        return np.asarray(p / p.sum(axis=-1, keepdims=True))

    def activation_bounds(self, lo: npt.ArrayLike, hi: npt.ArrayLike) -> Bounds:
        """Exact up to rounding: p_i is largest at hi_i with every other unit at lo."""
        below, above = self._above_bounds(*box(lo, hi))
        low, high = self._rounded(self._power(below), self._power(above))
        # Below the smallest normal number rounding is absolute: there, [0, tiny] holds p.
        tiny = np.finfo(low.dtype).tiny
        high = np.where(self._inside(above), np.clip(high, tiny, 1), 0)
        return np.where(low < tiny, 0, low), high

    def slope_bounds(self, lo: npt.ArrayLike, hi: npt.ArrayLike) -> Bounds:
        """The range of beta s r / (s + r), with r the sum of the other s: it rises with both."""
        below, above = self._above_bounds(*box(lo, hi))
        low, high = self._rounded(self._slope(below), self._slope(above))
        tiny = np.finfo(low.dtype).tiny  # powers smaller than that come out as 0
        inside = self._inside(above)
        high = np.where(inside, np.maximum(high, tiny), high)
        lowest, highest = outward(self._diagonal(low), self._diagonal(high), slack(low))
        return np.where(low < tiny, 0, lowest), np.where(inside, np.maximum(highest, tiny), highest)

    @staticmethod
    def _rounded(low: Array, high: Array) -> Bounds:
        """Powers rounded outwards: their error grows with their exponent; sums of p are near 1."""

        def error(p: Array) -> Array:
            eps = float(np.finfo(p.dtype).eps)
            return np.asarray(4 * eps * np.abs(np.log(np.where(p > 0, p, 1))) + 2 * slack(p))

        return low * (1 - error(low)), high * (1 + error(high))

    def _inside(self, u: Array) -> Array:
        """Where the output of a unit u above the threshold is not 0."""
        return np.asarray((self.alpha - 1) * u > -1)

    def _exponential(self, u: Array, power: float) -> Array:
        """[1 + (alpha - 1) u]_+^(power / (alpha - 1)), which tends to exp(power u)."""
        order, inside = self.alpha - 1, self._inside(u)
        logarithm = np.log1p(order * np.where(inside, u, 0)) / order
        return np.asarray(np.where(inside, np.exp(power * logarithm), 0).astype(u.dtype))

    def _power(self, u: Array) -> Array:
        """p of units that are u above the threshold."""
        return self._exponential(u, 1.0)

    def _slope(self, u: Array) -> Array:
        """s = dp/du, p^(2 - alpha)."""
        return self._exponential(u, 2.0 - self.alpha)

    def _weights(self, x: Array) -> Array:
        return self._slope(self._above(x))

    def _weight_bounds(self, active: Bounds) -> Bounds:
        low, high = (np.where(p > 0, p ** (2 - self.alpha), 0) for p in active)
        return outward(low, high)

    def _above(self, x: Array) -> Array:
        """beta x - tau.

        The norm (sum [..]_+^q)^(1/q), q = 1 / (alpha - 1), is convex and falls with tau: Newton's
        method for "it is 1" rises to tau from 0, where the largest unit alone has that norm.
        """
        order = self.alpha - 1
        y = self.beta * (x - x.max(axis=-1, keepdims=True))
        tau = np.zeros_like(y[..., :1])
        while True:
            total = self._power(y - tau).sum(axis=-1, keepdims=True)
            fall = self._slope(y - tau).sum(axis=-1, keepdims=True)
            step = -total * np.expm1(-order * np.log(total)) / (order * fall)
            moved = np.where(total - 1 > slack(x), tau + step, tau)
            if not np.any(moved > tau):
                return np.asarray(y - tau)
            tau = moved.astype(x.dtype)

    def _above_bounds(self, lo: Array, hi: Array) -> Bounds:
        """Bounds on beta x_i - tau, for exact arithmetic and for that of `_above`."""
        shape, (lo, hi) = lo.shape, (np.reshape(x, (-1, lo.shape[-1])) for x in (lo, hi))
        (below, down), (above, up) = self._alone(lo, hi), self._alone(hi, lo)
        return np.reshape(below - down, shape), np.reshape(above + up, shape)

    def _alone(self, own: Array, others: Array) -> tuple[Array, Array]:
        """beta x_i - tau of each unit i at `own` with all others at `others`, and its error.

        Where that of the larger of both states leaves the output 0, it stands for both.
        """
        u = self._above(others)
        u = np.maximum(u, u + self.beta * (own - others))
        live = self._inside(u + self._error(u)) & (own != others)
        for rows, units in self._pieces(live):
            corners, every = others[rows], np.arange(len(rows))
            corners[every, units] = own[rows, units]
            u[rows, units] = self._above(corners)[every, units]
        return u, self._error(u)

    @staticmethod
    def _error(u: Array) -> Array:
        """Error of beta x_i - tau.

        tau is wrong by no more than the sum of shares is, as that falls with tau at least as fast
        as it is large: sum s >= sum p. Wrong are the last step, the terms, by a few eps
        s (|beta x| + tau) + p (1 + |log p|) each, and their summation; |s u| and |p log p| are at
        most 1, and tau at most log n.
        """
        n, eps = u.shape[-1], float(np.finfo(u.dtype).eps)
        size = 1 + math.log(n)
        return np.asarray(eps * (32 * n * size + 8 * (np.abs(u) + size)))

    @staticmethod
    def _pieces(live: Array) -> Iterator[tuple[Indices, Indices]]:
        """Indices of rows and units that are True, so many at a time that corners stay small."""
        rows, units = np.nonzero(live)
        size = max(1, _CHUNK // max(1, live.shape[-1]))
        for start in range(0, len(rows), size):
            yield rows[start : start + size], units[start : start + size]
