"""The directed links of a network, each with its delays by `Timing`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...synapses import Array, Pairwise
from ..problem import Problem
from .options import Brian2


@dataclass(frozen=True)
class Link:
    """One direction of a synapse: weights (senders, receivers), shared by all copies."""

    name: str
    source: str
    target: str
    weights: Array

    @property
    def sum(self) -> str:
        """The variable of the target that holds the sum."""
        return f"from_{self.name}"


def links_of(problem: Problem) -> list[Link]:
    """Every direction of every synapse, in the order of the event engine."""
    found: list[Link] = []
    for source, target, weights in _directions(problem):
        name = f"{source}_to_{target}"
        same = sum(link.source == source and link.target == target for link in found)
        found.append(Link(f"{name}_{same + 1}" if same else name, source, target, weights))
    return found


def _directions(problem: Problem) -> Iterator[tuple[str, str, Array]]:
    for synapse in problem.network.synapses:
        assert isinstance(synapse, Pairwise)
        for source, target, weights in synapse.directions():
            yield source, target, weights.astype(np.float64)


def timed(
    problem: Problem, options: Brian2, links: list[Link]
) -> tuple[dict[str, Array], list[Array]]:
    """tau by layer, and delays (copies, senders, receivers) by link, as the event engine has."""
    from ..events.layout import lay_out
    from ..events.layout.populations import unit_slices
    from ..events.options import EventDriven

    assert options.timing is not None
    network = problem.network
    layout = lay_out(network, EventDriven(1.0, options.timing), problem.seed, tolerance=0.0)
    tau, rate = {}, layout.units["rate"]
    for name, part in unit_slices(network).items():
        layer = network.layers[name]
        tau[name] = (layer.leak / rate[part]).reshape(layer.shape)
    rows, delays = iter(layout.projections), []
    for link in links:
        senders, receivers = np.ogrid[: link.weights.shape[0], : link.weights.shape[1]]
        copies = network.layers[link.source].size // len(senders)
        delays.append(
            np.array(
                [
                    layout.delays[
                        row["delay"]
                        + senders * row["delay_sender"]
                        + receivers * row["delay_receiver"]
                    ]
                    for _, row in zip(range(copies), rows, strict=False)
                ]
            )
        )
    return tau, delays
