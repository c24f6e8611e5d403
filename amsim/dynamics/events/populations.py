"""Populations: the layers of a network, or their copies, as the engine knows them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ... import neurons
from ...compiled import draws
from ...errors import GuaranteeWarning
from ...lagrangians import Lagrangian
from ...network import Network
from ...neurons import Neuron
from ...synapses import Dense
from .options import EventDriven
from .state import POPULATION, Floats, Records
from .timing import Timing


def check(network: Network, options: EventDriven) -> None:
    """Raise ValueError where the engine cannot run a network."""
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


def _neuron(name: str, lagrangian: Lagrangian, options: EventDriven) -> Neuron:
    """The row of a layer's Lagrangian; a softmax without exact sums is one of shares."""
    row = neurons.neuron(lagrangian)
    if row is None:
        raise ValueError(
            f"EventDriven: layer {name!r} is {type(lagrangian).__name__}, whose next message is "
            f"not known in closed form; use {neurons.named('kind')}, or an ODE solver"
        )
    if row.kind in neurons.GROUPS and options.normaliser != "exact":
        if row.kind != neurons.SOFTMAX:
            raise ValueError(
                f"EventDriven: layer {name!r} is {type(lagrangian).__name__}, which has a "
                f"threshold and no sum that a unit could follow; use normaliser='exact', or Softmax"
            )
        return replace(row, kind=neurons.SHARE, most=math.inf)
    return row


@dataclass
class Row:
    """One population."""

    start: int
    stop: int
    neuron: Neuron
    quantum: float
    leak: float
    normaliser: int = -1  # unit
    normaliser_row: int = -1


def population_rows(network: Network, options: EventDriven, layers: dict[str, slice]) -> list[Row]:
    """Copies of all layers, then the normalisers."""
    rows: list[Row] = []
    units = sum(layer.size for layer in network.layers.values())
    for name, layer in network.layers.items():
        neuron = _neuron(name, layer.lagrangian, options)
        width = layer.shape[-1]
        for start in range(layers[name].start, layers[name].stop, width):
            quantum = options.quantum_of(name)
            rows.append(Row(start, start + width, neuron, quantum, layer.leak))
    shares = [row for row in rows if row.neuron.kind == neurons.SHARE]
    for index, row in enumerate(shares):
        unit = units + index
        row.normaliser, row.normaliser_row = unit, len(rows)
        quantum = row.quantum / row.neuron.parameter
        rows.append(Row(unit, unit + 1, Neuron(neurons.NORMALISER), quantum, 1.0))
    return rows


def rates(
    network: Network, timing: Timing, seed: int, rows: list[Row], options: EventDriven
) -> Floats:
    """Rates of decay of all units."""
    tau = np.concatenate([np.ravel(layer.tau) for layer in network.layers.values()])
    leak = np.concatenate([np.full(layer.size, layer.leak) for layer in network.layers.values()])
    if timing.tau_spread:
        from scipy.special import ndtri

        tau = tau * np.exp(timing.tau_spread * ndtri(draws.uniform(seed, draws.TAU, len(tau))))
        if any(row.neuron.kind in (*neurons.GROUPS, neurons.SHARE) for row in rows):
            warnings.warn(
                "tau_spread gives the units of a group unequal tau: the energy may rise "
                "and mixed states may lose their stability",
                GuaranteeWarning,
                stacklevel=5,
            )
    normalisers = sum(row.neuron.kind == neurons.NORMALISER for row in rows)
    return np.concatenate([leak / tau, np.full(normalisers, 1.0 / options.normaliser_tau)])


def populations_of(rows: list[Row], rate: Floats) -> Records:
    """The array that the engine works on."""
    populations = np.zeros(len(rows), POPULATION)
    for p, row in enumerate(rows):
        part = rate[row.start : row.stop]
        for name in ("start", "stop", "quantum", "leak", "normaliser"):
            populations[p][name] = getattr(row, name)
        for name in ("kind", "parameter", "alpha", "least", "most"):
            populations[p][name] = getattr(row.neuron, name)
        populations[p]["rate"] = part[0] if np.ptp(part) == 0 else np.nan
        populations[p]["fastest"] = part.max()
        populations[p]["scan"] = row.stop
    populations["first"] = populations["due"] = np.inf
    return populations
