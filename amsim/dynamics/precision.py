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


def averages(problem: Problem, loop: Loop, weights: Array) -> bool:
    """Whether many memories are averaged by a softmax, so that errors of products stay small.

    `weights` are those that are read: float64 ones have digits that float32 has not.
    """
    softmax = type(problem.network.layers[loop.hidden].lagrangian) is Softmax
    return softmax and weights.dtype != np.float64 and weights.size >= _LARGE


def small_logits(problem: Problem, loop: Loop, beta: float) -> NDArray[np.bool_]:
    """Of which cues the logits stay small enough, (B,)."""
    return np.asarray(beta * _largest_states(problem, loop) <= _LOGIT)


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
