"""When products in float32 serve: they take half the time, and errors of shares stay small."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..lagrangians import Lagrangian, Softmax
from ..network import Network
from ..synapses import Array
from .inputs import Drive
from .loops import Loop
from .problem import Problem

# They are worth their code from this number of weights on.
LARGE = 100_000
# The error of a logit grows with its size, and with it that of the shares of similar memories.
_LOGIT = 50.0

Part = TypeVar("Part")


def in_float32(problem: Problem) -> Problem:
    """The problem with all its numbers in float32: the forces on such states are of that type.

    Raises
    ------
    ValueError
        If a number is too large for it.
    """
    network = problem.network
    layers = {name: _rounded(layer) for name, layer in network.layers.items()}
    inputs: dict[str, Array | Drive] = {
        name: as_float32(f"inputs of {name!r}", x) for name, x in problem.inputs_at(0.0).items()
    }
    rounded = Network(layers, [_rounded(synapse) for synapse in network.synapses])
    return replace(problem, network=rounded, inputs=inputs)


def as_float32(what: str, array: Array) -> Array:
    """The array in float32, or ValueError where a number is too large for that."""
    with np.errstate(over="ignore"):
        found = array.astype(np.float32)
    if np.isinf(found).any():
        raise ValueError(f"dtype: {what} has numbers too large for float32: leave dtype out")
    return np.asarray(found)


def _rounded(part: Part) -> Part:
    """A layer, a Lagrangian or a synapse with arrays in float32."""
    found = copy.copy(part)
    for name, value in vars(part).items():
        if isinstance(value, np.ndarray) and value.dtype == np.float64:
            value = as_float32(name, value)
        elif isinstance(value, Lagrangian):
            value = _rounded(value)
        object.__setattr__(found, name, value)
    return found


def float32_serves(problem: Problem, loop: Loop, least: int = LARGE) -> NDArray[np.bool_]:
    """Of which cues, (B,): a softmax averages many memories, and logits stay small enough.

    Weights in float64 have digits that float32 has not, and fewer than `least` are not worth it.
    """
    softmax = problem.network.layers[loop.hidden].lagrangian
    if type(softmax) is not Softmax or loop.weights.size < least or not loop.is_compact:
        return np.zeros(problem.batch, bool)
    return np.asarray(softmax.beta * _largest_states(problem, loop) <= _LOGIT)


def _largest_states(problem: Problem, loop: Loop) -> Array:
    """How large memory states get, roughly: features are as at the start, driven, or a memory."""
    layers, hidden, visible = problem.network.layers, loop.hidden, loop.visible
    state = problem.given[visible] if visible in problem.given else problem.initial[visible]
    start = np.abs(state).max(axis=1)
    driven, other = (problem.network.once(_largest_biases)[name] for name in (visible, hidden))
    if visible in problem.inputs:
        external = layers[visible].bias + problem.inputs_at(0.0)[visible]
        driven = np.abs(external).max(axis=-1)
    features = np.maximum(start, loop.largest_back + driven)
    units = layers[visible].size
    if hidden in problem.given:  # what is left of the start beside the features, if anything is
        rest = np.abs(problem.given[hidden] - layers[hidden].bias).max(axis=1)
        other = other + rest
        features = features + np.where(rest > 0, start, 0.0)
    return np.asarray(units * loop.largest * features + other)


def _largest_biases(network: Network) -> dict[str, Array]:
    """The largest |bias| of each layer."""
    return {name: np.abs(layer.bias).max() for name, layer in network.layers.items()}
