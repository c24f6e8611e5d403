"""Equations of layers in Brian2's language, and checks of what Brian2 can run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ...lagrangians import Lagrangian
from ...network import Layer, Network
from ...neurons import named, neuron
from ...synapses import Pairwise
from ..events.timing import Timing
from ..inputs import Drive
from ..problem import Problem
from .options import Brian2

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def output(name: str, lagrangian: Lagrangian) -> str:
    """g of a state x; c belongs to a group of shares: the logarithm of a sum, or a threshold."""
    row = neuron(lagrangian)
    if row is None or not row.brian2:
        raise ValueError(
            f"Brian2: layer {name!r} is {type(lagrangian).__name__}, which is not written in "
            f"Brian2's equations; use {named('brian2')}, or ExponentialIntegrator()"
        )
    return row.brian2


def equations(layer: Layer, sources: Sequence[str], *, clamped: bool, events: bool) -> str:
    """State and drive of a layer; `sources` are the summed variables of its synapses."""
    lines = ["drive : 1" if events else f"drive = {' + '.join(sources) or '0'} : 1", "g : 1"]
    if not events:
        lines += [f"{source} : 1" for source in sources]
    if layer.leak:
        lines.append("I : 1")
    if layer.algebraic:
        lines.insert(0, f"x = I + {_over('drive', layer.leak)} : 1")
    else:
        force = "drive" if events else "(1.5*drive - 0.5*before)"
        lines.insert(0, f"dx/dt = {_velocity(force, layer.leak, clamped)} : 1")
        lines.append("tau : second (constant)")
        lines += ["sent : 1"] if events else ["before : 1"]
        lines += ["free : 1 (constant)", "held : 1 (constant)"] if clamped else []
    row = neuron(layer.lagrangian)
    if row is not None and row.brian2_sums:
        lines.append("c : 1 (linked)")
    return "\n".join(lines)


def _velocity(force: str, leak: float, clamped: bool) -> str:
    """dx/dt; a clamped unit relaxes to the value that it has."""
    if leak == 0:
        return f"free*{force}/tau" if clamped else f"{force}/tau"
    goal = f"I + {_over(force, leak)}"
    goal = f"free*({goal}) + (1 - free)*held" if clamped else goal
    return f"{'' if leak == 1 else f'{leak!r}*'}({goal} - x)/tau"


def _over(force: str, leak: float) -> str:
    return force if leak == 1 else f"{force}/{leak!r}"


def check(problem: Problem, options: Brian2) -> None:
    """Raise ValueError for what has no counterpart in Brian2."""
    network, events = problem.network, options.solver == "events"
    for name, layer in network.layers.items():
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"Brian2: layer {name!r} has a name that is none in Brian2; rename it with "
                f"letters, digits and underscores"
            )
        output(name, layer.lagrangian)
        if events:
            _check_sends(name, layer)
    for synapse in network.synapses:
        if not isinstance(synapse, Pairwise):
            raise ValueError(
                f"Brian2: synapse {synapse.name!r} is a {type(synapse).__name__}; only Dense "
                f"and Directed are sums over links: use one of these, or ExponentialIntegrator()"
            )
    if problem.unforeseen:
        raise ValueError(
            "Brian2: an input depends on time by a function; use am.PiecewiseConstant(times, "
            "values), or ExponentialIntegrator()"
        )
    for name, value in problem.inputs.items():
        if isinstance(value, Drive) and network.layers[name].algebraic:
            raise ValueError(
                f"Brian2: the input of layer {name!r} jumps, and its tau is 0: others would see it "
                f"a step late: give it a small tau > 0, or use ExponentialIntegrator()"
            )
    _check_timing(options.timing or Timing(), events)
    if events and isinstance(options.quantum, Mapping):
        _check_quantum(options.quantum, network)


def _check_sends(name: str, layer: Layer) -> None:
    if layer.algebraic:
        raise ValueError(
            f"Brian2: layer {name!r} has tau = 0; units need time to integrate their messages: "
            f"give it a small tau > 0, or use solver='ode'"
        )
    if layer.leak == 0:
        raise ValueError(f"Brian2: layer {name!r} has no leak; use solver='ode', or leak > 0")


def _check_timing(timing: Timing, events: bool) -> None:
    absent = {
        "jitter": 0.0,
        "drop": 0.0,
        "heartbeat": None,
        "clock": None,
        "fabric": None,
        "faults": (),
    }
    delayed = not (isinstance(timing.delay, (int, float)) and timing.delay == 0)
    if not events:
        for name, there in (("delay", delayed), ("tau_spread", timing.tau_spread != 0)):
            if there:
                raise ValueError(
                    f"Brian2: timing has {name}, but solver='ode' sends no messages (Brian2 sums "
                    f"outputs without delay): use solver='events'"
                )
    for name, value in absent.items():
        if getattr(timing, name) != value:
            raise ValueError(
                f"Brian2: timing has {name}={getattr(timing, name)!r}, which its synapses do not "
                f"have; leave it out, or use EventDriven(timing=...)"
            )


def _check_quantum(quantum: Mapping[str, float], network: Network) -> None:
    for name in {*quantum, *network.layers}:
        if name not in network.layers or name not in quantum:
            raise ValueError(
                f"Brian2: quantum has layers {', '.join(quantum)}, the network "
                f"{', '.join(network.layers)}; give one number for each"
            )
