"""Roots of delayed dynamics by collocation: the generator on Chebyshev points of the history.

The state is the piece of history u(t + theta), -d <= theta <= 0, held by its values at M + 1
points. Its derivative in time is that in theta, and at theta = 0 what the network says. With
E = diag(tau) in that place and the identity elsewhere, the roots s are eigenvalues of
A phi = s E phi, here found from those of (A - shift E)^-1 E, which algebraic layers (tau = 0) do
not disturb.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..synapses import Array
from .delays import DelayedNetwork
from .linear import Floats, krylov

Complex = NDArray[np.complex128]

_LARGEST_DENSE = 1500  # numbers in a piece of history up to which all eigenvalues are computed
_STORED = 5e7  # numbers in all matrices together
_MOST_POINTS = 200
_MOST_COUNTED = 40  # roots that are resolved together
_SHIFTS = 12
# |1 / (s - shift)| relative to the largest, below which s is the infinite root.
_INFINITE_ROOT = 1e-10


class Collocation:
    """Approximate roots of a delayed network.

    Parameters
    ----------
    system : DelayedNetwork
    count : int
        How many of the rightmost roots have to be resolved.
    """

    def __init__(self, system: DelayedNetwork, count: int) -> None:
        self.system, self.count = system, count
        turns = system.longest * system.highest_frequency(0.0)
        order = 16 + 2 * min(count, _MOST_COUNTED) + 0.55 * turns
        if not order <= _MOST_POINTS:
            fit = (_MOST_POINTS - 16 - 2 * min(count, _MOST_COUNTED)) / max(0.55 * turns, 1e-300)
            raise ValueError(
                f"a delay of {system.longest:.3g} is too long for these time constants: roots may "
                f"turn {turns / 2 / np.pi:.3g} times in it; up to {fit * system.longest:.3g} is "
                f"resolved, and any delay if all are one and all time constants are, or those of "
                f"each of two layers; verdicts of analyse(net, state) hold for all delays"
            )
        self.order = int(order)
        self.points, self.derivative = _chebyshev(self.order, system.longest)
        matrices = len(system.distinct) if system.few else self.order + 1
        size = system.linear.size
        if matrices * size**2 > _STORED:
            raise ValueError(
                f"{len(system.distinct)} different delays on the links of {size} units are too "
                f"many: round the delays to at most 8 values, or take a smaller network"
            )
        if system.few:
            self.terms = [(a, _interpolation(self.points, np.array(-d))) for d, a in system.terms]
        else:
            self.terms = [(self._at_point(j), row) for j, row in enumerate(np.eye(self.order + 1))]

    def _at_point(self, j: int) -> Floats:
        """What the value at one point contributes, interpolated to the delays of the links."""
        matrix: Floats = self.system.weighted(lambda d: _interpolation(self.points, -d)[j])
        return matrix

    def roots(self) -> Complex:
        """Approximate roots with imaginary parts >= 0 (or nearly), by descending real part."""
        shift = self.system.rightmost_possible() + 0.05 / float(self.system.linear.tau.max())
        size = (self.order + 1) * self.system.linear.size
        found = self._all(shift, size) if size <= _LARGEST_DENSE else self._along(shift, size)
        upper = found[found.imag > -1e-9]
        return upper[np.argsort(-upper.real, kind="stable")]

    def _all(self, shift: float, size: int) -> Complex:
        inverses = np.linalg.eigvals(self._inverse(shift)(np.eye(size)))
        return _unshifted(shift, inverses)

    def _along(self, right: float, size: int) -> Complex:
        """Roots nearest to points on a vertical line, up to where no rightmost root can lie."""
        found = np.zeros(0, np.complex128)
        height, wanted = 0.0, max(2 * self.count, 20)
        for _ in range(_SHIFTS):
            shift = complex(right, height) if height else right
            kind = np.complex128 if height else np.float64
            inverses, _ = krylov(self._inverse(shift), size, "LM", min(wanted, size - 2), kind)
            near = _unshifted(shift, inverses)
            reach = float(np.abs(near - shift).max())
            old = found[:, None]
            found = np.concatenate([found, near[(np.abs(near - old) > 1e-6).all(axis=0)]])
            best = np.sort(found.real)[-min(self.count, len(found))]
            covered = np.sqrt(max(reach**2 - (right - best) ** 2, (0.2 * reach) ** 2))
            if height + covered > self.system.highest_frequency(float(found.real.max())):
                break
            height += 1.8 * covered
        return found

    def _inverse(self, shift: complex) -> Callable[[Array], Array]:
        """Product (A - shift E)^-1 E psi for histories psi ((M + 1) N,) or ((M + 1) N, k)."""
        from scipy.linalg import lu_factor, lu_solve

        linear = self.system.linear
        inner = self.derivative[1:, 1:] - shift * np.eye(self.order)
        back = np.linalg.inv(inner)
        decay = np.concatenate([[1.0], -back @ self.derivative[1:, 0]])
        now: Any = np.diag(-linear.leak - shift * linear.tau)
        for matrix, row in self.terms:
            now = now + (row @ decay) * matrix
        factors = lu_factor(now)

        def product(history: Array) -> Array:
            psi = history.reshape(self.order + 1, linear.size, -1)
            rest = np.einsum("ij,jnk->ink", back, psi[1:])
            right = linear.tau[:, None] * psi[0]
            for matrix, row in self.terms:
                if row[1:].any():
                    right = right - matrix @ np.einsum("j,jnk->nk", row[1:], rest)
            first = lu_solve(factors, right)
            phi = decay[:, None, None] * first
            phi[1:] += rest
            return np.asarray(phi.reshape(history.shape))

        return product


def _unshifted(shift: complex, inverses: Array) -> Complex:
    """s from 1 / (s - shift), without the infinite ones."""
    sizes = np.abs(inverses)
    return np.asarray(shift + 1 / inverses[sizes > _INFINITE_ROOT * sizes.max()], np.complex128)


def _chebyshev(order: int, length: float) -> tuple[Floats, Floats]:
    """Points on [-length, 0], from 0 down, and the matrix of the derivative (Trefethen 2000)."""
    angles = np.pi * np.arange(order + 1) / order
    x = np.cos(angles)
    ends = np.ones(order + 1)
    ends[[0, -1]] = 2.0
    sign = ends * (-1.0) ** np.arange(order + 1)
    gap = x[:, None] - x + np.eye(order + 1)
    matrix = np.outer(sign, 1 / sign) / gap
    matrix -= np.diag(matrix.sum(axis=1))
    return length * (x - 1) / 2, 2 / length * matrix


def _interpolation(points: Floats, at: Floats) -> Floats:
    """Weights (M + 1, *shape) that give a polynomial at `at` from its values at the points."""
    sign = (-1.0) ** np.arange(len(points))
    sign[[0, -1]] /= 2
    gap = at - points.reshape(-1, *([1] * at.ndim))
    exact = np.abs(gap) < 1e-14 * (1 + np.abs(points[-1]))
    terms = sign.reshape(gap.shape[:1] + (1,) * at.ndim) / np.where(exact, 1.0, gap)
    terms = np.where(exact.any(axis=0), exact, terms)
    return np.asarray(terms / terms.sum(axis=0))
