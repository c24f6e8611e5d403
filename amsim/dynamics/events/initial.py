"""The engine of a cue at t = 0."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ... import neurons
from ..problem import Problem
from . import state
from .state import Engine, Floats, Records
from .wiring import Wiring


def starts(problem: Problem) -> Iterator[tuple[Floats, Floats, Floats]]:
    """State, target and clamped state (NaN where free) of every cue."""
    network = problem.network
    for b in range(problem.batch):
        alone = problem.select(np.array([b]))  # products of a batch would be rounded differently
        force = network.unchecked_force(alone.initial, alone.inputs_at(0.0))
        target = {n: x + force[n] / network.layers[n].leak for n, x in alone.initial.items()}
        x, fixed = network.pack(alone.initial)[0], alone.clamped_units()[0]
        yield x, network.pack(target)[0], np.where(fixed, x, np.nan)


def jumps_of(problem: Problem, units: int, cue: int) -> Floats:
    """By how much the inputs of a cue jump at every breakpoint, (J, units)."""
    alone, layers = problem.select(np.array([cue])), problem.network.layers
    values = np.zeros((1 + len(problem.breakpoints), units))
    for row, time in enumerate([0.0, *problem.breakpoints]):
        inputs = alone.inputs_at(time)
        parts = {n: inputs.get(n, np.zeros((1, *layer.shape))) for n, layer in layers.items()}
        values[row] = problem.network.pack(parts)[0]
    return np.diff(values, axis=0)


def begin_engine(wiring: Wiring, x: Floats, target: Floats, fixed: Floats) -> Engine:
    """The engine of one cue at t = 0."""
    populations, rules, count = wiring.populations.copy(), wiring.rules, len(wiring.rate)
    states = np.concatenate([x, np.zeros(count - len(x))])
    for population in populations[populations["normaliser"] >= 0]:
        part = states[population["start"] : population["stop"]]
        beta, peak = population["parameter"], part.max()
        states[population["normaliser"]] = peak + np.log(np.exp(beta * (part - peak)).sum()) / beta
    shifted = populations["normaliser"] >= 0
    populations["shift"][shifted] = states[populations["normaliser"][shifted]]
    goals = np.concatenate([target, states[len(x) :]])
    units = np.zeros((state.UNIT_ROWS, count))
    for row, values in {
        state.TARGET: goals,
        state.GAP: goals - states,
        state.RATE: wiring.rate,
        state.FIXED: np.concatenate([fixed, np.full(count - len(x), np.nan)]),
        state.LOW: -np.inf,
        state.HIGH: np.inf,
        state.KEY: np.inf,
        state.SAID: states,
        state.PHASE: wiring.phase,
        state.PERIOD: wiring.period,
    }.items():
        units[row] = values
    ranks = np.zeros((state.RANK_ROWS, count), np.int64)
    ranks[state.OWNER] = np.repeat(
        np.arange(len(populations)), populations["stop"] - populations["start"]
    )
    ranks[state.LATEST] = -1
    check = rules["transit"][0] if rules["settles"][0] else np.inf
    return Engine(
        units=units,
        ranks=ranks,
        populations=populations,
        projections=wiring.projections,
        outgoing=wiring.outgoing,
        rules=rules,
        weights=wiring.weights,
        delays=wiring.delays,
        jitter=wiring.jitter,
        register=registers_of(wiring, outputs_in(wiring, populations, states)),
        heard=np.full(wiring.registers, -1),
        queue=np.zeros(1024 + count + int(rules["fan"][0]), state.PACKET),
        messages=np.zeros(1024 + 16 * count, state.MESSAGE),
        clock=np.array([0.0, check, np.nan, 0.0]),
        counts=np.zeros(6, np.int64),
    )


def outputs_in(wiring: Wiring, populations: Records, states: Floats) -> Floats:
    """Outputs of all units in given states."""
    outputs = states.copy()
    for name, part in wiring.layers.items():
        layer = wiring.network.layers[name]
        x = states[part].reshape(layer.shape)
        outputs[part] = layer.lagrangian.activation(x).ravel()
    for share in populations[populations["kind"] == neurons.SHARE]:
        part = slice(share["start"], share["stop"])
        outputs[part] = np.exp(
            np.minimum(share["parameter"] * (states[part] - share["shift"]), 600.0)
        )
    return outputs


def registers_of(wiring: Wiring, outputs: Floats) -> Floats:
    """What every register would hold if it knew the outputs."""
    parts, populations = [np.zeros(0)], wiring.populations
    for projection in wiring.projections:
        source, target = populations[projection["source"]], populations[projection["target"]]
        receivers = target["stop"] - target["start"] if projection["register_receiver"] else 1
        parts.append(np.repeat(outputs[source["start"] : source["stop"]], receivers))
    return np.concatenate(parts)
