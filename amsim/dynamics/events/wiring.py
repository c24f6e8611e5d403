"""From a network and its timing to the constant arrays of the engine."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import GuaranteeWarning
from ...lagrangians import (
    Exponential,
    Identity,
    Lagrangian,
    RectifiedPower,
    ReLU,
    Sigmoid,
    Sign,
    Softmax,
    Tanh,
)  # fmt: skip
from ...network import Network
from ...synapses import Dense
from . import draws, neurons
from .delays import Link, all_delays, jitter_of
from .options import EventDriven
from .state import POPULATION, PROJECTION, RULES, Floats, Ints, Records
from .timing import Periodic, Poisson, Timing


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
    _check(network, options)
    timing, layers = options.timing, dict(_slices(network))
    rows = _population_rows(network, options, layers)
    rate = _rates(network, timing, seed, rows, options)
    populations = _populations(rows, rate)
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


def _check(network: Network, options: EventDriven) -> None:
    for name, layer in network.layers.items():
        if layer.algebraic:
            raise ValueError(
                f"EventDriven: layer {name!r} has tau = 0; asynchronous units need time to "
                f"integrate their messages: give it a small tau > 0"
            )
        if layer.leak == 0:
            raise ValueError(
                f"EventDriven: layer {name!r} has no leak; use an ODE solver, or leak > 0"
            )
        _neuron(name, layer.lagrangian, options)
    for synapse in network.synapses:
        if not isinstance(synapse, Dense):
            raise ValueError(
                f"EventDriven: synapse {synapse.name!r} is a {type(synapse).__name__}; messages "
                f"add up on Dense synapses only: use an ODE solver, or Dense"
            )
    if isinstance(options.quantum, Mapping):
        _check_names("quantum", options.quantum, network)
        for name in network.layers:
            if name not in options.quantum:
                raise ValueError(f"EventDriven: quantum says nothing of layer {name!r}; add it")


def _check_names(what: str, names: Mapping[Any, Any], network: Network) -> None:
    for name in names:
        if name not in network.layers:
            raise ValueError(
                f"EventDriven: {what} names a layer {name!r}; the network has "
                f"{', '.join(network.layers)}"
            )


def _neuron(name: str, lagrangian: Lagrangian, options: EventDriven) -> tuple[int, float]:
    """Code and parameter of a Lagrangian."""
    match lagrangian:
        case Identity():
            return neurons.IDENTITY, 1.0
        case Tanh(beta):
            return neurons.TANH, beta
        case Sigmoid(beta):
            return neurons.SIGMOID, beta
        case Sign():
            return neurons.SIGN, 1.0
        case ReLU():
            return neurons.RECTIFIED, 1.0
        case RectifiedPower(n):
            return neurons.RECTIFIED, n - 1
        case Exponential(beta):
            return neurons.EXPONENTIAL, beta
        case Softmax(beta):
            shared = options.normaliser == "exact"
            return (neurons.SOFTMAX if shared else neurons.SHARE), beta
    raise ValueError(
        f"EventDriven: layer {name!r} is {type(lagrangian).__name__}, whose next message is not "
        f"known in closed form; use Identity, Tanh, Sigmoid, Sign, ReLU, RectifiedPower, "
        f"Exponential or Softmax, or an ODE solver"
    )


def _slices(network: Network) -> Iterator[tuple[str, slice]]:
    start = 0
    for name, layer in network.layers.items():
        yield name, slice(start, start + layer.size)
        start += layer.size


@dataclass
class _Row:
    """One population."""

    start: int
    stop: int
    kind: int
    parameter: float
    quantum: float
    leak: float
    normaliser: int = -1  # unit
    normaliser_row: int = -1


def _population_rows(
    network: Network, options: EventDriven, layers: dict[str, slice]
) -> list[_Row]:
    """Copies of all layers, then the normalisers."""
    rows: list[_Row] = []
    units = sum(layer.size for layer in network.layers.values())
    for name, layer in network.layers.items():
        kind, parameter = _neuron(name, layer.lagrangian, options)
        width = layer.shape[-1]
        for start in range(layers[name].start, layers[name].stop, width):
            quantum = options.quantum_of(name)
            rows.append(_Row(start, start + width, kind, parameter, quantum, layer.leak))
    shares = [row for row in rows if row.kind == neurons.SHARE]
    for index, row in enumerate(shares):
        unit = units + index
        row.normaliser, row.normaliser_row = unit, len(rows)
        quantum = row.quantum / row.parameter
        rows.append(_Row(unit, unit + 1, neurons.NORMALISER, 1.0, quantum, 1.0))
    return rows


def _rates(
    network: Network, timing: Timing, seed: int, rows: list[_Row], options: EventDriven
) -> Floats:
    """Rates of decay of all units."""
    tau = np.concatenate([np.ravel(layer.tau) for layer in network.layers.values()])
    leak = np.concatenate([np.full(layer.size, layer.leak) for layer in network.layers.values()])
    if timing.tau_spread:
        from scipy.special import ndtri

        tau = tau * np.exp(timing.tau_spread * ndtri(draws.uniform(seed, draws.TAU, len(tau))))
        if any(row.kind in (neurons.SOFTMAX, neurons.SHARE) for row in rows):
            warnings.warn(
                "tau_spread gives the units of a softmax group unequal tau: the energy may rise "
                "and mixed states may lose their stability",
                GuaranteeWarning,
                stacklevel=6,
            )
    normalisers = sum(row.kind == neurons.NORMALISER for row in rows)
    return np.concatenate([leak / tau, np.full(normalisers, 1.0 / options.normaliser_tau)])


def _populations(rows: list[_Row], rate: Floats) -> Records:
    populations = np.zeros(len(rows), POPULATION)
    for p, row in enumerate(rows):
        part = rate[row.start : row.stop]
        for name in ("start", "stop", "kind", "parameter", "quantum", "leak", "normaliser"):
            populations[p][name] = getattr(row, name)
        populations[p]["rate"] = part[0] if np.ptp(part) == 0 else np.nan
        populations[p]["fastest"] = part.max()
        populations[p]["scan"] = row.stop
    populations["first"] = populations["due"] = np.inf
    return populations


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
