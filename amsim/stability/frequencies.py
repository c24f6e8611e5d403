"""Stability under constant delays of any length, from one pass through the network.

A root s = i w under delays d has y = e^(-i w d) H Delta(w) (C / leak) y, with H the Hessians, C the
links, and Delta = 1 / (1 + i w tau / leak). A network that is stable without delays stays so if no
such y exists at any frequency: roots move continuously with the delays, none comes from infinity
(Delta vanishes there but for algebraic layers, which do not act on each other), and so the first
that could grow would have to cross the axis. What a sweep over frequencies excludes it excludes for
intervals of them: between two frequencies each entry of Delta moves along an arc of a circle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .boxes import EPS
from .enclosures import accuracy, hessian_error
from .linear import Complex, Floats, Linearisation
from .structured import Matrix, best_phases, best_scales, norm_below_one, proven_below_one

LARGEST = 400  # units, for singular values of matrices of all of them, some hundred times
LARGEST_SWEEP = 150
_INTERVALS = 300
_ROOM = 0.9  # a norm below it leaves room for an interval of frequencies
_WHOLE = np.pi / 2  # of the angles whose tangents are w times the longest tau / leak


@dataclass(frozen=True, eq=False)
class OnePass:
    """H, C / leak and tau / leak of a network at a fixed point, with what floats leave open.

    Attributes
    ----------
    linear : Linearisation
    error : ndarray (units, units)
        How far H at the true fixed point may be from `linear.hessian`, entry by entry.
    """

    linear: Linearisation
    error: Floats

    @classmethod
    def of(cls, linear: Linearisation) -> OnePass | None:
        """None where some layer's Hessian has no bounds."""
        error = hessian_error(linear, accuracy(linear))
        return None if error is None else cls(linear, error)

    @cached_property
    def links(self) -> Floats:
        """C / leak."""
        return np.asarray(self.linear.coupling / self.linear.leak[:, None])

    @cached_property
    def magnitudes(self) -> Floats:
        """|C| / leak, parallel synapses one by one."""
        return np.asarray(self.linear.links / self.linear.leak[:, None])

    @property
    def _rounding(self) -> float:
        return 2 * (self.linear.size + 16) * EPS

    def rho_below_one(self) -> bool:
        """Whether P = |C| |H| / leak has a spectral radius below 1: P u < u for some u > 0."""
        gain = self.magnitudes @ (np.abs(self.linear.hessian) + self.error)
        try:
            u = np.linalg.solve(np.eye(len(gain)) - gain, np.ones(len(gain)))
        except np.linalg.LinAlgError:
            return False
        return bool((u > 0).all() and (gain @ u * (1 + 2 * self._rounding) < u).all())

    def rho_above_one(self) -> bool:
        """Whether it is above 1: P u > u on the support of some u >= 0."""
        gain = self.magnitudes @ np.maximum(np.abs(self.linear.hessian) - self.error, 0.0)
        values, vectors = np.linalg.eig(gain)
        u = np.abs(vectors[:, np.abs(values).argmax()])
        u[u < 1e-9 * u.max()] = 0.0
        live = u > 0
        return bool(((gain @ u)[live] > u[live] * (1 + 2 * self._rounding)).all())

    def sigma_bounds(self) -> tuple[float, float]:
        """Bounds on sigma where links are symmetric: it grows with H as a quadratic form."""
        spread = np.diag(self.error.sum(axis=1))
        low, high = (self._sigma(self.linear.hessian + sign * spread) for sign in (-1, 1))
        room = 8 * self._rounding
        return max(low - room * high, 0.0), high * (1 + room)

    def _sigma(self, hessian: Floats) -> float:
        values, vectors = np.linalg.eigh(hessian)
        root = (vectors * np.sqrt(np.maximum(values, 0.0))).T / np.sqrt(self.linear.leak)
        return float(np.abs(np.linalg.eigvalsh(root @ self.linear.coupling @ root.T)).max() ** 2)

    def links_bear_all(self) -> bool:
        """Whether scalings prove stability under all constant delays of links, and all taus."""
        return _scales_prove(
            [self.linear.hessian, self.magnitudes], [self.error, 4 * EPS * self.magnitudes]
        )

    def units_bear_all(self) -> bool:
        """The same of delays of units; of all taus if groups have one each, else of the present."""
        if self.even:
            matrix, error = self._product(np.ones(self.linear.size), np.zeros(self.linear.size))
            return _scales_prove([matrix], [error])
        # Between H and the links, Delta commutes with scales: a proof for all taus.
        if _scales_prove(
            [self.linear.hessian, self.links], [self.error, 4 * EPS * self.magnitudes]
        ):
            return True
        return self.linear.size <= LARGEST_SWEEP and self._sweep(_scaling)

    def one_delay_bears_all(self) -> bool:
        """Whether a sweep proves stability under any one delay of all messages."""
        return self.linear.size <= LARGEST_SWEEP and self._sweep(_contracting)

    @cached_property
    def even(self) -> bool:
        """Whether each group has one tau, so that Delta and H commute."""
        layers = self.linear.network.layers.values()
        return all(x.lagrangian.separable or not np.ptp(x.tau) for x in layers)

    def response(self, angle: float) -> Complex:
        """Delta at w = tan(angle) / max(tau / leak)."""
        times = self.linear.tau / self.linear.leak
        cosine = np.cos(angle)
        return np.asarray(cosine / (cosine + 1j * np.sin(angle) * times / times.max()))

    def _product(self, delta: Any, radius: Floats) -> tuple[Matrix, Floats]:
        """H Delta C / leak, and how far it may be off for the true H and Delta within a radius."""
        hessian, size = self.linear.hessian, self.magnitudes  # sums of parallel synapses round
        off = self.error * (np.abs(delta) + radius) + self._rounding * np.abs(hessian)
        return (hessian * delta) @ self.links, off @ size * (1 + self._rounding)

    def _sweep(self, change: Callable[[Matrix], tuple[Matrix, Matrix] | None]) -> bool:
        """Whether H Delta C / leak is below 1 at all frequencies, in norms of a change of basis.

        `change` gives the basis V and about its inverse for one frequency, or None.
        """
        open_intervals = [(0.0, _WHOLE)]
        basis: tuple[Matrix, Matrix] | None = None
        for _ in range(_INTERVALS):
            if not open_intervals:
                return True
            low, high = open_intervals.pop()
            if basis is not None and self._below_one(low, high, *basis):
                continue
            middle = (low + high) / 2
            basis = change(self._product(self.response(middle), 0 * self.linear.tau)[0])
            if basis is None:
                return False
            if not self._below_one(low, high, *basis):
                open_intervals += [(low, middle), (middle, high)]
        return False

    def _below_one(self, low: float, high: float, basis: Matrix, inverse: Matrix) -> bool:
        centre = self.response((low + high) / 2)
        ends = [np.abs(self.response(end) - centre) for end in (low, high)]
        radius = np.maximum(*ends) + 8 * EPS
        matrix, error = self._product(centre, radius)
        left, right = np.abs(basis), np.abs(inverse)
        # V^-1 = Y (V Y)^-1: what Y is off by enlarges the norm.
        identity = np.eye(len(basis))
        off = np.linalg.norm(basis @ inverse - identity) + 2 * self._rounding * np.linalg.norm(
            left @ right
        )
        if not off < 0.5:
            return False
        moved = (np.abs(basis @ self.linear.hessian) * radius) @ np.abs(self.links @ inverse)
        rounding = 4 * self._rounding * (np.abs(matrix) + error)
        # The products in `moved` round as well.
        rounding += self._rounding * (np.abs(self.linear.hessian) * radius) @ np.abs(self.links)
        error = moved * (1 + 4 * self._rounding) + left @ (error + rounding) @ right
        return norm_below_one(basis @ matrix @ inverse / (1 - off), error * (1 + 1e-9) / (1 - off))


def _scales_prove(factors: Sequence[Matrix], errors: Sequence[Floats]) -> bool:
    if best_phases(factors, drawn=1)[1] > 1:  # no scales do
        return False
    scales, product = best_scales(factors)
    return product < 1 and proven_below_one(factors, errors, scales)


def _scaling(matrix: Matrix) -> tuple[Matrix, Matrix] | None:
    """Diagonal S, and its inverse, with |S A S^-1| well below 1 where that is possible."""
    (scale,), product = best_scales([matrix], goal=_ROOM)
    return (np.diag(scale), np.diag(1 / scale)) if product < 1 else None


def _contracting(matrix: Matrix) -> tuple[Matrix, Matrix] | None:
    """V, and its inverse, with |V A V^-1| < 1; None if the spectral radius is not below 1.

    V^* V = P solves P = 1 + (A / c)^* P (A / c), which is positive for c above the radius.
    """
    from scipy.linalg import solve_discrete_lyapunov

    radius = float(np.abs(np.linalg.eigvals(matrix)).max())
    if not radius < 1 - 1e-6:
        return None
    scale = (1 + radius) / 2
    try:
        form = solve_discrete_lyapunov((matrix / scale).conj().T, np.eye(len(matrix)))
        basis = np.linalg.cholesky((form + form.conj().T) / 2).conj().T
        return basis, np.linalg.inv(basis)
    except np.linalg.LinAlgError:
        return None
