"""The two-layer form of a network, or why it has none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amsim import Dense, Lagrangian, Layer, Network
from amsim.neurons import Neuron, named, neuron

from .errors import MappingError

Floats = NDArray[np.float64]
MOST_POWER = 64  # the exponent n - 1 of RectifiedPower(n)


@dataclass(frozen=True, eq=False)
class TwoLayer:
    """tau_v dv/dt = Xi^T f(h) + a - v,  tau_h dh/dt = Xi g(v) + b - h.

    Attributes
    ----------
    network : Network
    patterns : ndarray (K, D)
    visible, hidden : Layer
        With tau, bias and Lagrangian.
    visible_kind : str
        "identity", "tanh" or "sign".
    hidden_kind : str
        "softmax" or "power".
    beta, visible_beta : float
        Of the softmax and of tanh features; 0 for others.
    exponent : int
        n - 1 of a rectified power; 1 for softmax.
    """

    network: Network
    patterns: Floats
    visible: Layer
    hidden: Layer
    visible_kind: str
    hidden_kind: str
    beta: float
    visible_beta: float
    exponent: int


def is_two_layers(network: Network) -> bool:
    """Whether a network is of features and memories, joined by one Dense synapse."""
    if set(network.layers) != {"visible", "hidden"} or len(network.synapses) != 1:
        return False
    (synapse,) = network.synapses
    rows = [neuron(network.layers[name].lagrangian) for name in ("visible", "hidden")]
    known = all(row is not None for row in rows) and bool(rows[0].feature and rows[1].memory)  # type: ignore[union-attr]
    return known and isinstance(synapse, Dense) and set(synapse.between) == set(network.layers)


def read(network: Network) -> TwoLayer:
    """Find features and memories.

    Raises
    ------
    TypeError
        If it is no network.
    MappingError
        If it has another form; the message names the part.
    """
    if not isinstance(network, Network):
        raise TypeError(f"network must be an amsim.Network, got {type(network).__name__}")
    if set(network.layers) != {"visible", "hidden"}:
        raise MappingError(
            f"layers {', '.join(network.layers)}: only networks of one layer 'visible' and one "
            f"layer 'hidden' can be mapped (am.dense_am builds them)"
        )
    visible, hidden = network.layers["visible"], network.layers["hidden"]
    for name, layer in network.layers.items():
        check_layer(name, layer)
    feature, memory = _feature(visible.lagrangian), _memory(hidden.lagrangian)
    return TwoLayer(
        network=network,
        patterns=_patterns(network),
        visible=visible,
        hidden=hidden,
        visible_kind=feature.feature,
        hidden_kind=memory.memory,
        beta=memory.parameter if memory.memory == "softmax" else 0.0,
        visible_beta=feature.parameter if feature.feature == "tanh" else 0.0,
        exponent=memory.exponent,
    )


def check_layer(name: str, layer: Layer) -> None:
    """Raise MappingError for a layer with other axes or another leak than a chip has."""
    if len(layer.shape) != 1:
        raise MappingError(f"layer {name!r} has shape {layer.shape}: only one axis can be mapped")
    if layer.leak != 1:
        raise MappingError(f"layer {name!r} has leak {layer.leak:g}: only leak 1 can be mapped")


def _patterns(network: Network) -> Floats:
    if len(network.synapses) != 1:
        names = ", ".join(synapse.name for synapse in network.synapses) or "none"
        raise MappingError(f"synapses {names}: exactly one Dense synapse can be mapped")
    (synapse,) = network.synapses
    if not isinstance(synapse, Dense):
        raise MappingError(
            f"synapse {synapse.name!r} is a {type(synapse).__name__}: only Dense can be mapped"
        )
    if set(synapse.between) != {"visible", "hidden"}:
        raise MappingError(
            f"synapse {synapse.name!r} is between {synapse.between}: only a synapse between "
            f"'hidden' and 'visible' can be mapped"
        )
    weights = np.asarray(synapse.weights, dtype=np.float64)
    if not np.isfinite(weights).all():
        raise ValueError(f"the weights of synapse {synapse.name!r} contain NaN or infinity")
    return weights if synapse.between == ("hidden", "visible") else weights.T


def _feature(lagrangian: Lagrangian) -> Neuron:
    row = neuron(lagrangian)
    if row is None or not row.feature:
        raise MappingError(f"features {lagrangian!r} cannot be mapped; {named('feature')} can")
    return row


def _memory(lagrangian: Lagrangian) -> Neuron:
    row = neuron(lagrangian)
    if row is None or not row.memory or row.exponent > MOST_POWER:
        raise MappingError(
            f"memories {lagrangian!r} cannot be mapped; {named('memory')} can, with whole n up to "
            f"{MOST_POWER + 1}"
        )
    return row
