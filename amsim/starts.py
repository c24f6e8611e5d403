"""Initial states of layers that follow from the given ones."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from .network import Network
from .synapses import Array


def algebraic_start(
    network: Network, known: Mapping[str, Array], inputs: Mapping[str, Array]
) -> dict[str, Array]:
    """Give every layer its stationary value for the known ones, outwards through the synapses.

    A layer takes the forces of the synapses whose other layers have a state by then.
    """
    states = {name: known[name] for name in network.layers if name in known}
    for names in start_order(network, states):
        active = {n: network.layers[n].lagrangian.activation(x) for n, x in states.items()}
        for name in names:
            layer = network.layers[name]
            if layer.leak == 0:
                raise ValueError(
                    f"layer {name!r} has no leak and so no algebraic value: "
                    f"give its initial state in a dict of states"
                )
            force = network.synaptic_force(name, active) / layer.leak
            states[name] = layer.bias + inputs.get(name, 0.0) + force
    return states


def start_order(network: Network, known: Collection[str]) -> Iterator[list[str]]:
    """The layers that are not known, in groups, in the order in which they get a start.

    A group reads, at its turn, the layers that are known or in groups before it, and no others.
    """
    placed = set(known)
    while missing := [name for name in network.layers if name not in placed]:
        names = [name for name in missing if _is_forced(network, name, placed)] or missing
        yield names
        placed.update(names)


def _is_forced(network: Network, name: str, placed: set[str]) -> bool:
    """Whether some synapse acts on this layer with what is placed."""
    return any(
        synapse.between[slot] == name and placed.issuperset(read)
        for synapse in network.synapses
        for slot, read in synapse.dependencies()
    )
