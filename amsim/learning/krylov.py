"""GMRES for many systems at once: every cue has its own Krylov space, products are shared."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..synapses import Array

_RESTART = 40
_CYCLES = 25
_TINY = 1e-300


def solve(
    product: Callable[[Array], Array], right: Array, tolerance: float, cycles: int = _CYCLES
) -> tuple[Array, Array]:
    """Solve A_b u_b = right_b for B systems that are given by their product.

    Parameters
    ----------
    product : callable
        Rows u (B, N) to the rows A_b u_b.
    right : ndarray (B, N)
    tolerance : float
        Of the residual, relative to the right side, in the Euclidean norm.
    cycles : int
        Restarts, each of 40 products at most.

    Returns
    -------
    solution : ndarray (B, N)
    residuals : ndarray (B,)
        Relative; above the tolerance where there is no solution, or it was not found.

    References
    ----------
    Saad & Schultz 1986, "GMRES".
    """
    size = np.linalg.norm(right, axis=1)
    scale = np.where(size > 0, size, 1.0)
    found, rest = np.zeros_like(right), right.copy()
    left = size / scale
    for _ in range(cycles):
        if not (left > tolerance).any():
            break
        change = _cycle(product, rest, tolerance * scale)
        found += change
        rest = right - product(found)
        before, left = left, np.linalg.norm(rest, axis=1) / scale
        if not (left < 0.9 * before)[left > tolerance].any():
            break  # a singular system, or rounding
    return found, left


def _cycle(product: Callable[[Array], Array], rest: Array, goal: Array) -> Array:
    """The best change within a Krylov space."""
    batch, units = rest.shape
    size = np.linalg.norm(rest, axis=1)
    basis = np.zeros((batch, _RESTART + 1, units))
    basis[:, 0] = rest / np.where(size > 0, size, 1.0)[:, None]
    upper = np.zeros((batch, _RESTART + 1, _RESTART))
    turns = np.zeros((batch, _RESTART, 2))
    sides = np.zeros((batch, _RESTART + 1))
    sides[:, 0] = size
    count = 0
    for k in range(min(_RESTART, units)):
        count = k + 1
        new = product(basis[:, k])
        column = np.zeros((batch, _RESTART + 1))
        for _ in range(2):  # twice is enough: the basis stays orthogonal to rounding
            part = np.matmul(basis[:, :count], new[..., None])[..., 0]
            new = new - np.matmul(part[:, None], basis[:, :count])[:, 0]
            column[:, :count] += part
        length = np.linalg.norm(new, axis=1)
        ended = length <= 1e-14 * np.linalg.norm(column, axis=1)
        column[:, count] = np.where(ended, 0.0, length)
        basis[:, count] = np.where(ended[:, None], 0.0, new / np.maximum(length, _TINY)[:, None])
        _turn(column, turns, sides, k)
        upper[:, :, k] = column
        if (np.abs(sides[:, count]) <= goal).all():
            break
    weights = _back_substitute(upper[:, :count, :count], sides[:, :count])
    return np.asarray(np.matmul(weights[:, None], basis[:, :count])[:, 0])


def _turn(column: Array, turns: Array, sides: Array, k: int) -> None:
    """Givens rotations: those of before, and one that removes the entry below the diagonal."""
    for j in range(k):
        c, s = turns[:, j].T
        above, below = column[:, j].copy(), column[:, j + 1].copy()
        column[:, j], column[:, j + 1] = c * above + s * below, c * below - s * above
    radius = np.hypot(column[:, k], column[:, k + 1])
    safe = np.where(radius > 0, radius, 1.0)
    c = np.where(radius > 0, column[:, k] / safe, 1.0)
    s = column[:, k + 1] / safe
    turns[:, k, 0], turns[:, k, 1] = c, s
    column[:, k], column[:, k + 1] = radius, 0.0
    sides[:, k + 1] = -s * sides[:, k]
    sides[:, k] = c * sides[:, k]


def _back_substitute(upper: Array, sides: Array) -> Array:
    weights = np.zeros_like(sides)
    for k in range(sides.shape[1] - 1, -1, -1):
        known = np.sum(upper[:, k, k + 1 :] * weights[:, k + 1 :], axis=1)
        diagonal = upper[:, k, k]
        flat = diagonal == 0
        weights[:, k] = np.where(flat, 0.0, (sides[:, k] - known) / np.where(flat, 1.0, diagonal))
    return weights
