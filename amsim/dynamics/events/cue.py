"""One cue: where it starts, how its inputs jump, and its arrays at t = 0."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ... import neurons
from ...network import Network
from ..problem import Problem
from .engine.state import MESSAGE, PACKET, POPULATION_STATE, REGISTER, RUN, UNIT, State
from .layout import Layout
from .layout.arrays import Floats
from .layout.populations import unit_slices


def starts(problem: Problem) -> Iterator[tuple[Floats, Floats, Floats]]:
    """State, target and clamped state (NaN where free) of every cue."""
    network = problem.network
    for b in range(problem.batch):
        alone = problem.select(np.array([b]))  # products of a batch would be rounded differently
        force = network.unchecked_force(alone.initial, alone.inputs_at(0.0))
        target = {n: x + force[n] / network.layers[n].leak for n, x in alone.initial.items()}
        x, fixed = network.pack(alone.initial)[0], alone.clamped_units()[0]
        yield x, network.pack(target)[0], np.where(fixed, x, np.nan)


def jumps_of(problem: Problem, cue: int) -> Floats:
    """By how much the inputs of a cue jump at every breakpoint, (J, units)."""
    alone, layers = problem.select(np.array([cue])), problem.network.layers
    values = []
    for time in (0.0, *problem.breakpoints):
        inputs = alone.inputs_at(time)
        parts = {n: inputs.get(n, np.zeros((1, *layer.shape))) for n, layer in layers.items()}
        values.append(problem.network.pack(parts)[0])
    return np.diff(np.array(values), axis=0)


def begin_state(
    network: Network, layout: Layout, x: Floats, target: Floats, fixed: Floats
) -> State:
    """The arrays of a cue at t = 0, from what `starts` yields; normalisers know their sums."""
    count, populations = len(layout.units), np.zeros(len(layout.populations), POPULATION_STATE)
    states = np.concatenate([x, np.zeros(count - len(x))])
    populations["first"] = populations["due"] = np.inf
    populations["scan"] = layout.populations["stop"]
    for p in np.flatnonzero(layout.populations["normaliser"] >= 0):
        population = layout.populations[p]
        part = states[population["start"] : population["stop"]]
        beta, peak = population["parameter"], part.max()
        z = peak + np.log(np.exp(beta * (part - peak)).sum()) / beta
        states[population["normaliser"]] = populations["shift"][p] = z
    goals = np.concatenate([target, states[len(x) :]])
    units, rules, run = np.zeros(count, UNIT), layout.rules[0], np.zeros(1, RUN)
    outputs = outputs_in(network, layout, populations["shift"], states)
    values = registers_of(layout, outputs)
    registers = np.zeros(len(values), REGISTER)
    registers["value"], registers["last_received"] = values, -1
    units["fixed"] = np.concatenate([fixed, np.full(count - len(x), np.nan)])
    units["last_sent"], units["first"], units["latest"] = states, outputs, -1
    run["check"] = rules["transit"] if rules["tolerance"] > 0 else np.inf
    run["last_message"] = np.nan
    return State(
        populations=populations,
        units=units,
        target=goals,
        gap=goals - states,
        low=np.full(count, -np.inf),
        high=np.full(count, np.inf),
        crossing=np.full(count, np.inf),
        scratch=np.zeros(count),
        registers=registers,
        queue=np.zeros(1024 + count + int(rules["fan"]), PACKET),
        messages=np.zeros(1024 + 16 * count, MESSAGE),
        run=run,
    )


def states_in(layout: Layout, state: State) -> Floats:
    """States of all units now, those of normalisers last."""
    base = state.populations["base"][layout.units["population"]]
    decay = np.exp((base - state.run["now"]) * layout.units["rate"])
    fixed = state.units["fixed"]
    return np.where(np.isnan(fixed), state.target - state.gap * decay, fixed)


def outputs_in(network: Network, layout: Layout, shift: Floats, states: Floats) -> Floats:
    """Outputs of all units in given states; `shift` as in `State.populations`."""
    outputs = states.copy()
    for name, part in unit_slices(network).items():
        layer = network.layers[name]
        outputs[part] = layer.lagrangian.activation(states[part].reshape(layer.shape)).ravel()
    for p in np.flatnonzero(layout.populations["kind"] == neurons.SHARE):
        share = layout.populations[p]
        part = slice(share["start"], share["stop"])
        outputs[part] = np.exp(np.minimum(share["parameter"] * (states[part] - shift[p]), 600.0))
    return outputs


def registers_of(layout: Layout, outputs: Floats) -> Floats:
    """What every register would hold if it knew the outputs."""
    parts, populations = [np.zeros(0)], layout.populations
    for projection in layout.projections:
        source = populations[projection["source"]]
        part = outputs[source["start"] : source["stop"]]
        parts.append(np.repeat(part, projection["register_sender"]))
    return np.concatenate(parts)
