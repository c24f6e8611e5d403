"""What a network of layers is made of, or why it cannot be mapped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amsim import Dense, Directed, Layer, Network
from amsim.neurons import Neuron, named, neuron

from ..errors import MappingError
from ..spec import MOST_POWER, Floats, check_layer

# Of `amsim.neurons`, by the name of the column that says that a chip has such units.
_CHIP = "chip"


@dataclass(frozen=True, eq=False)
class Link:
    """One direction of a synapse.

    Attributes
    ----------
    name : str
    source, target : str
    synapse : int
        Its place in the network.
    turned : bool
        Whether rows of the synapse's weights are units of the source.
    """

    name: str
    source: str
    target: str
    synapse: int
    turned: bool


@dataclass(frozen=True, eq=False)
class Graph:
    """A network that can be mapped.

    Attributes
    ----------
    network : Network
    neurons : dict of str to Neuron
        What a chip knows of each layer.
    links : tuple of Link
    weights : tuple of ndarray
        Of each synapse.
    """

    network: Network
    neurons: dict[str, Neuron]
    links: tuple[Link, ...]
    weights: tuple[Floats, ...]


def read(network: Network) -> Graph:
    """Find layers and links.

    Raises
    ------
    MappingError
        If a part cannot be mapped; the message names it.
    """
    neurons = {name: _neuron(name, layer) for name, layer in network.layers.items()}
    if not network.synapses:
        raise MappingError(
            f"layers {', '.join(network.layers)} have no synapses: there is nothing to map"
        )
    links: list[Link] = []
    for place, synapse in enumerate(network.synapses):
        for source, target, turned in _directions(synapse):
            name = f"{source}->{target}"
            same = sum(each.name.partition("#")[0] == name for each in links)
            name = f"{name}#{same + 1}" if same else name
            links.append(Link(name, source, target, place, turned))
    weights = tuple(
        np.asarray(each.weights, np.float64)  # type: ignore[attr-defined]
        for each in network.synapses
    )
    return Graph(network, neurons, tuple(links), weights)


@dataclass(frozen=True)
class Storing:
    """The layer whose units store patterns as the weights of a synapse.

    Attributes
    ----------
    layer : str
    turned : bool
        Whether the patterns are columns.
    """

    layer: str
    turned: bool


def storing(graph: Graph, synapse: object) -> Storing | None:
    """Who stores patterns in a synapse: softmax or rectified units that hear other layers by it."""
    for _, target, turned in _directions(synapse):
        rows, columns = synapse.between  # type: ignore[attr-defined]
        if rows != columns and graph.neurons[target].chip in ("softmax", "power"):
            return Storing(target, turned)
    return None


def _directions(synapse: object) -> list[tuple[str, str, bool]]:
    """(source, target, turned) of every way that messages go."""
    if isinstance(synapse, Directed):
        return [(synapse.source, synapse.target, False)]
    if not isinstance(synapse, Dense):
        raise MappingError(
            f"synapse {synapse.name!r} is a {type(synapse).__name__}: "  # type: ignore[attr-defined]
            f"only Dense and Directed can be mapped"
        )
    rows, columns = synapse.between
    if rows == columns:
        return [(rows, rows, False)]
    return [(columns, rows, False), (rows, columns, True)]


def _neuron(name: str, layer: Layer) -> Neuron:
    if any(sign in name for sign in (".", "->", "#", "/")) or name.endswith("_out"):
        raise MappingError(
            f"layer {name!r}: signals of a plan are named after layers and '.', '->', '#', '/' or "
            f"'_out'; give it another name"
        )
    check_layer(name, layer)
    row = neuron(layer.lagrangian)
    if row is None or not row.chip or row.exponent > MOST_POWER:
        raise MappingError(
            f"layer {name!r} has {layer.lagrangian!r}, which cannot be mapped; {named(_CHIP)} can, "
            f"powers with whole n up to {MOST_POWER + 1}"
        )
    return row
