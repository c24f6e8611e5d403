"""From a network and its timing to the constant arrays of the engine."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...compiled import draws
from ...network import Network
from ...synapses import Dense
from .delays import Link, all_delays, jitter_of
from .options import EventDriven
from .populations import check, population_rows, populations_of, rates
from .state import PROJECTION, RULES, Floats, Ints, Records
from .timing import Periodic, Poisson, Timing

_MOST_TICKS = 1e6


@dataclass(eq=False)
class Wiring:
    """What all cues share; see `state` for the arrays."""

    network: Network
    layers: dict[str, slice]  # their units
    populations: Records
    projections: Records
    outgoing: Ints
    rules: Records
    rate: Floats  # of all units; normalisers come last
    phase: Floats
    period: Floats
    weights: Floats
    delays: Floats
    jitter: Floats
    registers: int

    @property
    def units(self) -> int:
        """Number of units, without normalisers."""
        return sum(layer.size for layer in self.network.layers.values())


def wire(
    network: Network, options: EventDriven, seed: int, settles: bool, naive: bool = False
) -> Wiring:
    """Lay out a network; raises ValueError where the engine cannot run it."""
    check(network, options)
    _check_clock(network, options.timing)
    timing, layers = options.timing, dict(_slices(network))
    rows = population_rows(network, options, layers)
    rate = rates(network, timing, seed, rows, options)
    populations = populations_of(rows, rate)
    links, weights = _links(network)
    links += [
        Link(row.normaliser_row, p, -1, 0.0) for p, row in enumerate(rows) if row.normaliser >= 0
    ]
    delays, places = all_delays(network, options, layers, links, populations, seed)
    jitter = jitter_of(timing)
    transit = 0.0 if naive else float(delays.max(initial=0.0) + jitter.max(initial=0.0))
    projections, registers = _projections(links, places, populations, timing)
    outgoing = sorted(range(len(links)), key=lambda q: (links[q].source, q))
    sources = [links[q].source for q in outgoing]
    populations["outgoing"] = np.searchsorted(sources, np.arange(len(rows)), side="left")
    populations["beyond"] = np.searchsorted(sources, np.arange(len(rows)), side="right")
    clock, count = timing.clock, len(rate)
    period, drift = (clock.period, clock.drift) if isinstance(clock, Periodic) else (0.0, 0.0)
    spread = 2 * draws.uniform(seed, draws.DRIFT, count) - 1
    return Wiring(
        network=network,
        layers=layers,
        populations=populations,
        projections=projections,
        outgoing=np.array(outgoing, np.int64),
        rules=_rules(options, seed, settles, transit, _fan(links, populations, timing)),
        rate=rate,
        phase=period * draws.uniform(seed, draws.PHASE, count),
        period=period * (1 + drift * spread),
        weights=weights,
        delays=delays,
        jitter=jitter,
        registers=registers,
    )


def _check_clock(network: Network, timing: Timing) -> None:
    """Raise ValueError for clocks that tick so often that a run has no end."""
    clock = timing.clock
    if clock is None:
        return
    often = clock.rate if isinstance(clock, Poisson) else 1 / clock.period
    fastest = min(float(layer.tau.min()) for layer in network.layers.values())
    if often * fastest > _MOST_TICKS:
        what = "rate" if isinstance(clock, Poisson) else "1 / period"
        raise ValueError(
            f"Timing: {what} of the clock is {often:.3g}, more than {_MOST_TICKS:g} ticks within "
            f"the smallest tau ({fastest:g}); such units look all the time: leave the clock out"
        )


def _rules(options: EventDriven, seed: int, settles: bool, transit: float, fan: int) -> Records:
    timing, rules = options.timing, np.zeros(1, RULES)
    clock = timing.clock
    for name, value in {
        "link": timing.scope == "link",
        "latest": timing.arrival == "latest",
        "zero": timing.on_drop == "zero",
        "ahead": options.announce == "ahead",
        "clocked": clock is not None,
        "settles": settles,
        "drop": timing.drop,
        "heartbeat": math.inf if timing.heartbeat is None else timing.heartbeat,
        "poisson": clock.rate if isinstance(clock, Poisson) else 0.0,
        "tick_jitter": clock.jitter if isinstance(clock, Periodic) else 0.0,
        "transit": transit,
        "limit": options.max_events,
        "fan": fan,
        "seed_jitter": draws.stream(seed, draws.JITTER),
        "seed_drop": draws.stream(seed, draws.DROP),
        "seed_tick": draws.stream(seed, draws.TICK),
    }.items():
        rules[name] = value
    return rules


def _slices(network: Network) -> Iterator[tuple[str, slice]]:
    start = 0
    for name, layer in network.layers.items():
        yield name, slice(start, start + layer.size)
        start += layer.size


def _links(network: Network) -> tuple[list[Link], Floats]:
    """Projections of all synapses, and their weights one after the other."""
    blocks: list[NDArray[Any]] = []
    links: list[Link] = []
    begin = _first_populations(network)
    place = number = 0
    for synapse in network.synapses:
        assert isinstance(synapse, Dense)
        a, b = synapse.between
        matrices = [synapse.weights, synapse.weights.T]
        if a == b:
            matrices = [(synapse.weights.astype(np.float64) + synapse.weights.T) / 2]
        for index, matrix in enumerate(matrices):
            ends = (a, b) if index == 0 else (b, a)
            blocks.append(matrix)
            for copy in range(math.prod(network.layers[a].shape[:-1])):
                source, target = begin[ends[0]] + copy, begin[ends[1]] + copy
                links.append(Link(source, target, place, synapse.largest, ends, number))
                number += matrix.size
            place += matrix.size
    weights, place = np.empty(place), 0
    for block in blocks:
        weights[place : place + block.size].reshape(block.shape)[...] = block
        place += block.size
    return links, weights


def _first_populations(network: Network) -> dict[str, int]:
    first, found = 0, {}
    for name, layer in network.layers.items():
        found[name] = first
        first += math.prod(layer.shape[:-1])
    return found


def _projections(
    links: list[Link], places: list[tuple[int, int, int]], populations: Records, timing: Timing
) -> tuple[Records, int]:
    """The projections, and the number of their registers."""
    width = populations["stop"] - populations["start"]
    projections, registers = np.zeros(len(links), PROJECTION), 0
    for q, (link, place) in enumerate(zip(links, places, strict=True)):
        single = timing.scope == "link" and link.weights >= 0
        receivers = int(width[link.target]) if single else 1
        for name in ("source", "target", "weights", "largest"):
            projections[q][name] = getattr(link, name)
        for name, value in zip(("delay", "delay_sender", "delay_receiver"), place, strict=True):
            projections[q][name] = value
        projections[q]["register"] = registers
        projections[q]["register_sender"] = receivers
        projections[q]["register_receiver"] = int(single)
        registers += int(width[link.source]) * receivers
    return projections, registers


def _fan(links: list[Link], populations: Records, timing: Timing) -> int:
    """The largest number of packets of one message."""
    width = populations["stop"] - populations["start"]
    packets = np.zeros(len(populations), np.int64)
    for link in links:
        size = width[link.target]
        packets[link.source] += size if timing.scope == "link" and link.weights >= 0 else 1
    return int(packets.max(initial=0))
