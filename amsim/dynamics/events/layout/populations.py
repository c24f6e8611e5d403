"""Populations of a network: its layers, or their copies, and what the engines refuse."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from .... import neurons
from ....compiled import draws
from ....errors import GuaranteeWarning
from ....lagrangians import Lagrangian
from ....network import Network
from ....neurons import Neuron
from ....synapses import Pairwise
from ..options import EventDriven
from ..timing import Timing
from .arrays import POPULATION, Floats, Records


def unit_slices(network: Network) -> dict[str, slice]:
    """The units of each layer."""
    start, found = 0, {}
    for name, layer in network.layers.items():
        found[name] = slice(start, start + layer.size)
        start += layer.size
    return found


def check(network: Network, options: EventDriven) -> None:
    """Raise ValueError where the engines cannot run a network."""
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
        if not isinstance(synapse, Pairwise):
            raise ValueError(
                f"EventDriven: synapse {synapse.name!r} is a {type(synapse).__name__}; messages "
                f"add up on Dense and Directed synapses only: use an ODE solver, or one of these"
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


def populations_of(network: Network, options: EventDriven) -> Records:
    """Copies of all layers, then the normalisers; without rates."""
    rows = []
    for name, part in unit_slices(network).items():
        layer = network.layers[name]
        neuron, width = _neuron(name, layer.lagrangian, options), layer.shape[-1]
        for start in range(part.start, part.stop, width):
            rows.append(_population(start, width, neuron, options.quantum_of(name), layer.leak))
    unit = sum(layer.size for layer in network.layers.values())
    for share in [row for row in rows if row["kind"] == neurons.SHARE]:
        quantum = share["quantum"] / share["parameter"]
        rows.append(_population(unit, 1, Neuron(neurons.NORMALISER), quantum, 1.0))
        share["normaliser"] = unit
        unit += 1
    return np.array(rows, POPULATION)


def _population(start: int, width: int, neuron: Neuron, quantum: float, leak: float) -> Records:
    row = np.zeros((), POPULATION)
    row["start"], row["stop"] = start, start + width
    for name in ("kind", "parameter", "alpha", "least", "most"):
        row[name] = getattr(neuron, name)
    row["quantum"], row["leak"], row["normaliser"] = quantum, leak, -1
    return row


def set_rates(populations: Records, network: Network, options: EventDriven, seed: int) -> Floats:
    """Rates of decay of all units; those of populations are noted in their rows."""
    timing: Timing = options.timing
    kinds = populations["kind"]
    tau = np.concatenate([np.ravel(layer.tau) for layer in network.layers.values()])
    leak = np.concatenate([np.full(layer.size, layer.leak) for layer in network.layers.values()])
    if timing.tau_spread:
        from scipy.special import ndtri

        tau = tau * np.exp(timing.tau_spread * ndtri(draws.uniform(seed, draws.TAU, len(tau))))
        if np.isin(kinds, (*neurons.GROUPS, neurons.SHARE)).any():
            warnings.warn(
                "tau_spread gives the units of a group unequal tau: the energy may rise "
                "and mixed states may lose their stability",
                GuaranteeWarning,
                stacklevel=5,
            )
    normalisers = int(np.sum(kinds == neurons.NORMALISER))
    rate: Floats = np.concatenate([leak / tau, np.full(normalisers, 1.0 / options.normaliser_tau)])
    note_rates(populations, rate)
    return rate


def note_rates(populations: Records, rate: Floats) -> None:
    """Note the rates of units in the rows of their populations."""
    for population in populations:
        part = rate[population["start"] : population["stop"]]
        population["rate"] = part[0] if np.ptp(part) == 0 else np.nan
        population["fastest"] = part.max()
