"""Weights (D, D) of patterns (K, D), by the rules of Hebb, Storkey and the pseudo-inverse."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks

Floats = NDArray[np.float64]


def patterns_of(patterns: ArrayLike) -> Floats:
    """Finite patterns (K, D)."""
    stored = checks.array("patterns", patterns, largest=checks.LARGEST)
    if stored.ndim != 2 or stored.size == 0:
        raise ValueError(
            f"patterns must have shape (patterns, units), got {stored.shape}; flatten images, and "
            f"put a single pattern in a list"
        )
    checks.room("the weights", stored.shape[1], stored.shape[1])
    return np.asarray(stored, np.float64)


def hebbian_weights(patterns: ArrayLike) -> Floats:
    """W = (1/D) sum_mu xi xi^T without its diagonal (Hopfield 1982)."""
    stored = patterns_of(patterns)
    return _without_diagonal(stored.T @ stored / stored.shape[1])


def pseudo_inverse_weights(patterns: ArrayLike) -> Floats:
    """The projection on the span of the patterns (Personnaz, Guyon and Dreyfus 1985)."""
    stored = patterns_of(patterns)
    projection = np.linalg.pinv(stored) @ stored
    return np.asarray((projection + projection.T) / 2)


def storkey_weights(patterns: ArrayLike) -> Floats:
    """Each pattern in turn corrects what the fields of those before it do to it.

    W_ij += (xi_i xi_j - xi_i h_ji - h_ij xi_j) / D, with the field h_ij = sum_k W_ik xi_k over all
    k but i and j, of the W before (Storkey 1997).
    """
    stored = patterns_of(patterns)
    units = stored.shape[1]
    weights = np.zeros((units, units))
    for xi in stored:
        own = np.diag(weights) * xi
        field = (weights @ xi - own)[:, None] - weights * xi
        np.fill_diagonal(field, weights @ xi - own)
        change = np.outer(xi, xi) - xi[:, None] * field.T - field * xi
        weights += change / units
    return _without_diagonal(weights)


def _without_diagonal(weights: Floats) -> Floats:
    np.fill_diagonal(weights, 0.0)
    return np.asarray((weights + weights.T) / 2)
