"""Compiled products with differences of weights."""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import numpy as np

from ..compiled.jit import reordered


@reordered
def difference_product(weights, back, winner, radius):
    """|W - W_w| r, one winner w per row; the weights are (sources, targets) if `back`."""
    out = np.zeros((len(radius), weights.shape[1 if back else 0]))
    for row in range(len(radius)):
        w = winner[row]
        if back:
            for i in range(weights.shape[0]):
                own = np.float64(weights[i, w])
                for target in range(weights.shape[1]):
                    out[row, target] += abs(np.float64(weights[i, target]) - own) * radius[row, i]
        else:
            for target in range(weights.shape[0]):
                total = 0.0
                for i in range(weights.shape[1]):
                    moved = abs(np.float64(weights[target, i]) - np.float64(weights[w, i]))
                    total += moved * radius[row, i]
                out[row, target] = total
    return out
