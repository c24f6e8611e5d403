"""Sums of weighted messages, exact, for a connection that computes them in every step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..plan import Plan

# Weights from which compiled loops are worth their import: they read one byte a weight, a product
# of matrices four, and a connection finds its weights in memory more often than in a cache.
_WORTH_COMPILING = 1 << 16
# Weights of silent units are left out of a product if at most one unit in so many sends.
_SPARSE = 4


class Sums:
    """Messages (..., n_in) to sums (..., n_out), or None if all are silent.

    Parameters
    ----------
    weights : ndarray of int8 (n_out, n_in)
    """

    def __init__(self, weights: NDArray[np.int8]) -> None:
        self._compiled = compiled_for(weights)
        kind = np.float32 if self._compiled is None else np.int8
        self._factors = np.ascontiguousarray(weights.T.astype(kind))

    def __call__(self, messages: Any) -> Any:
        factors = self._factors
        count = np.count_nonzero(messages)
        if count == 0:
            return None
        if self._compiled is not None:
            sums = self._compiled(messages.reshape(-1, len(factors)), factors)
            return sums.reshape(*messages.shape[:-1], -1)
        # The planner keeps partial sums below 2**23, so that float32 products are exact.
        if _SPARSE * count <= len(factors):
            sending = np.flatnonzero(messages.reshape(-1, len(factors)).any(axis=0))
            sums = messages[..., sending].astype(np.float32) @ factors[sending]
        else:
            sums = messages.astype(np.float32) @ factors
        return sums.astype(np.int32)


def compiled_for(weights: Any) -> Any:
    """The compiled loops, ready to be called, if they are worth it for these weights.

    Called before the processes of a graph are forked, it saves each of them the import.
    """
    if np.size(weights) < _WORTH_COMPILING:
        return None
    from .compiled_sums import products

    products(np.zeros((1, 1), np.int32), np.zeros((1, 1), np.int8))
    return products


def compiled_units(plan: Plan) -> Any:
    """What `compiled_for` is for the products, for the turns of features and memories."""
    if np.size(plan.weights) < _WORTH_COMPILING:
        return None
    from .compiled_units import CompiledUnits

    units = CompiledUnits(plan)
    count, size = plan.units
    h, v = np.zeros(count, np.int64), np.zeros(size, np.int64)
    units.features(v, v, v.astype(np.int32), v, plan.visible.decay, True)
    units.memories(h, h, h, h.astype(np.int32), h, plan.hidden.decay, True)
    units.message(h, h[:1], 14)
    units.log_sum(0, 1)
    return units
