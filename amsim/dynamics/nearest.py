"""`Nearest`: the stored patterns that cues ended at, and whether these are the stored ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..display import fields_repr
from ..network import Network
from ..synapses import Array, Manhattan, Pairwise, project
from .problem import Problem

# Of a pattern's length: memories that are as near to it as this are the same.
_ALIKE = 1e-6


@dataclass(frozen=True, eq=False)
class Nearest:
    """The stored patterns that cues ended at; from `Trajectory.nearest`.

    Attributes
    ----------
    index : ndarray of int (*batch)
        Which of the patterns.
    sign : ndarray of int (*batch)
        -1 where a cue ended at the negative of that pattern, which memories with an odd activation
        hold as well; else 1.
    pattern : ndarray (*batch, D)
        With its sign.
    similarity : ndarray (*batch)
        To that, as the network measures it.
    margin : ndarray (*batch)
        By how much the similarity exceeds that of the second; infinite for a single pattern.
    """

    index: NDArray[np.int64]
    sign: NDArray[np.int64]
    pattern: Array
    similarity: Array
    margin: Array

    __repr__ = fields_repr


def nearest(states: Array, patterns: Array, *, odd: bool) -> Nearest:
    """The patterns (K, D) of the memories with the largest states (*batch, K).

    If their activation is odd, that of the largest size, with its sign.
    """
    similar = np.abs(states) if odd else states
    index = np.argmax(similar, axis=-1)
    best = np.max(similar, axis=-1)
    others = np.where(np.arange(len(patterns)) == index[..., None], -np.inf, similar)
    own = np.take_along_axis(states, index[..., None], axis=-1)
    sign = np.where((own < 0) & odd, -1, 1)
    return Nearest(index, sign[..., 0], sign * patterns[index], best, best - others.max(axis=-1))


def odd_layers(problem: Problem) -> list[str]:
    """Layers of which the negative state gives the negative output."""
    return [name for name in problem.network.once(_odd) if name not in problem.inputs]


def _odd(network: Network) -> list[str]:
    layers = network.layers.items()
    return [name for name, layer in layers if layer.lagrangian.odd and not layer.bias.any()]


def check_stored(network: Network, layer: str, xi: Array, found: NDArray[np.int64]) -> None:
    """Raise ValueError if a pattern that was found points less along its own weights than others.

    Weights may be scaled, deviate, or be a pseudo-inverse.
    """
    weights = _stored_rows(network, layer)
    if weights is None:
        return
    lengths = np.sqrt(np.einsum("kd,kd->k", weights, weights, dtype=np.float64))
    along = project(xi[found], weights) / np.where(lengths > 0, lengths, 1.0)
    own = along[np.arange(len(found)), found]
    room = _ALIKE * np.linalg.norm(xi[found], axis=1)
    wrong = (own < -room) | (own < along.max(axis=1) - room)
    if wrong.any():
        raise ValueError(
            f"pattern {found[np.argmax(wrong)]} is not what the network stores in this place: pass "
            f"all patterns that it stores, in its order and with their signs"
        )


def _stored_rows(network: Network, layer: str) -> Array | None:
    """The weights (K, D) by which a layer of memories sees the features, where there are some."""
    for synapse in network.synapses:
        if isinstance(synapse, Manhattan) and synapse.between == (layer, "visible"):
            return synapse.memories
        if isinstance(synapse, Pairwise):
            for source, target, weights in synapse.directions():
                if (source, target) == ("visible", layer):
                    return weights.T
    return None
