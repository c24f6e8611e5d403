"""When products in float32 serve: they take half the time, and errors of shares stay small."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..lagrangians import Softmax
from ..synapses import Array
from .loops import Loop
from .problem import Problem

# They are worth their code from this number of weights on.
_LARGE = 100_000
# The error of a logit grows with its size, and with it that of the shares of similar memories.
_LOGIT = 50.0


def float32_serves(problem: Problem, loop: Loop) -> NDArray[np.bool_]:
    """Of which cues, (B,): a softmax averages many memories, and logits stay small enough.

    Weights in float64 have digits that float32 has not.
    """
    softmax = problem.network.layers[loop.hidden].lagrangian
    if type(softmax) is not Softmax or loop.weights.size < _LARGE or not loop.is_compact:
        return np.zeros(problem.batch, bool)
    return np.asarray(softmax.beta * _largest_states(problem, loop) <= _LOGIT)


def _largest_states(problem: Problem, loop: Loop) -> Array:
    """How large memory states get, roughly: features are as at the start, driven, or a memory."""
    layers, hidden, visible = problem.network.layers, loop.hidden, loop.visible
    state = problem.given[visible] if visible in problem.given else problem.initial[visible]
    start = np.abs(state).max(axis=1)
    driven = layers[visible].bias + problem.inputs_at(0.0).get(visible, np.zeros(1))
    features = np.maximum(start, loop.largest_back + np.abs(driven).max(axis=-1))
    units = layers[visible].size
    other = np.asarray(np.abs(layers[hidden].bias).max())
    if hidden in problem.given:  # what is left of the start beside the features
        other = other + np.abs(problem.given[hidden] - layers[hidden].bias).max(axis=1)
        features = features + start
    return np.asarray(units * loop.largest * features + other)
