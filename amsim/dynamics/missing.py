"""Cues with missing units: they start at what the memories make of the known ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..checks import shown
from ..lagrangians import Spherical
from ..models.two_layer import own_bias
from ..network import Network
from ..patterns import Similarity, similarity
from ..synapses import Array, Dense, Manhattan, project_back_each, project_each


def complete(
    network: Network,
    cues: Array,
    missing: NDArray[np.bool_],
    inputs: Mapping[str, Array],
) -> Array:
    """Features (B, D) with missing units at their stationary value for the known ones.

    The similarity of the memories leaves the missing units out, on both sides. The bits of a cue do
    not depend on the others.

    Raises
    ------
    ValueError
        If the network is none of `dense_am` without a bias of its memories.
    """
    kind, patterns = stored(network)
    visible, hidden = network.layers["visible"], network.layers["hidden"]
    g = cues if kind == "cosine" else visible.lagrangian.activation(cues)
    if kind == "dot":
        known = project_each(np.where(missing, 0.0, g), patterns)
    else:
        each = zip(g, missing, strict=True)
        known = np.stack([similarity(x, patterns, kind, missing=gone) for x, gone in each])
    if kind == "euclidean":  # h of the network lacks what all memories have in common
        known = known + np.sum(np.where(missing, 0.0, g) ** 2, axis=-1, keepdims=True) / 2
    share = hidden.lagrangian.activation(known + inputs.get("hidden", 0.0))
    if kind == "manhattan":
        return np.where(missing, _medians(share, patterns), cues)
    drive = project_back_each(share, patterns) + visible.bias + inputs.get("visible", 0.0)
    return np.where(missing, drive, cues)


def stored(network: Network) -> tuple[Similarity, Array]:
    """The similarity of a two-layer memory, and its patterns (K, D)."""
    if network.layers.keys() == {"visible", "hidden"} and len(network.synapses) == 1:
        (synapse,) = network.synapses
        bias = np.asarray(network.layers["hidden"].bias)
        features = network.layers["visible"].lagrangian
        if isinstance(synapse, Manhattan) and not bias.any():
            return "manhattan", synapse.memories
        if isinstance(synapse, Dense) and synapse.between == ("hidden", "visible"):
            if isinstance(features, Spherical) and not bias.any():
                return "cosine", synapse.weights
            if features.separable and not bias.any():
                return "dot", synapse.weights
            if features.separable and np.array_equal(bias, own_bias(synapse.weights)):
                return "euclidean", synapse.weights
    raise ValueError(
        f"missing: needs a two-layer memory of dense_am without bias_hidden, to know what its "
        f"similarity is, got {shown(network)}: give all units a start"
    )


def _medians(share: Array, patterns: Array) -> Array:
    """The weighted median of each unit over the patterns, (B, D)."""
    order = np.argsort(patterns, axis=0)
    sums = np.cumsum(share[:, order], axis=1)  # (B, K, D)
    middle = np.argmax(sums >= sums[:, -1:] / 2, axis=1)
    values = np.take_along_axis(patterns, order, axis=0)
    return np.take_along_axis(values, middle, axis=0)
