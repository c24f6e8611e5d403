"""Products of messages with weights of one byte, in compiled loops."""

from __future__ import annotations

from typing import Any

import numpy as np

from amsim.compiled.jit import allocating


@allocating
def products(messages: Any, weights: Any) -> Any:
    """Sums (B, n_out) of messages (B, n_in) times weights (n_in, n_out), in int32.

    The planner keeps every partial sum below 2**23.
    """
    sums = np.zeros((len(messages), weights.shape[1]), np.int32)
    for b in range(len(messages)):
        for i in range(len(weights)):
            message = messages[b, i]
            if message != 0:
                for k in range(weights.shape[1]):
                    sums[b, k] += message * np.int32(weights[i, k])
    return sums
