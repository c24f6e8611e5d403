"""The builder of Brian2 networks: a group per layer, `Synapses` for each direction, monitors.

Everything has one clock and is computed in this order, so that at the start of a step all
variables belong to the same time:

1. sums of the synapses on dynamic layers, of outputs g at the start of the step
2. states x, over one step; messages that arrive change `drive` later in the step
3. normalisers of groups of shares, as c += log(sum exp(beta x - c)) for a softmax, then outputs g
4. the same for algebraic layers: sums, normalisers, outputs
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...lagrangians import Sign, Softmax
from ...network import Layer
from ...neurons import SOFTMAX, Neuron, neuron
from ...synapses import Array
from ..problem import Problem
from .equations import check, equations, output
from .install import numpy_target, require_brian2
from .links import Link, links_of, timed
from .options import Brian2

# Orders within the slot "groups"; a synapse sums one before the order of its target.
_DYNAMIC, _ALGEBRAIC, _NORMALISER, _OUTPUT = 0, 10, 3, 4


@dataclass
class Model:
    """What was built.

    Attributes
    ----------
    network : brian2.Network
    clock : brian2.Clock
        Of everything.
    groups : dict of str to brian2.NeuronGroup
        By layer; unit u of cue b is number b * size + u.
    quanta : dict of str to float
        By layer; empty unless units send events.
    tau : dict of str to ndarray
        By layer, with the spread of the timing.
    transit : float
        Largest delay.
    """

    network: Any
    clock: Any
    groups: dict[str, Any] = field(default_factory=dict)
    quanta: dict[str, float] = field(default_factory=dict)
    tau: dict[str, Array] = field(default_factory=dict)
    transit: float = 0.0


def build(
    problem: Problem, options: Brian2, *, unit: Any = None, record: float | None = None
) -> Model:
    """Write a problem, all its cues at once, as one network of Brian2.

    Parameters
    ----------
    problem : Problem
    options : Brian2
    unit : brian2.Quantity, optional
        What one unit of tau is; 1 second by default.
    record : float, optional
        Time between the records of the states, in the unit of tau; not recorded by default.
    """
    check(problem, options)
    b2 = require_brian2()
    with numpy_target(b2):
        return _Builder(problem, options, b2, unit).build(record)


class _Builder:
    def __init__(self, problem: Problem, options: Brian2, b2: Any, unit: Any) -> None:
        self.problem, self.options, self.b2 = problem, options, b2
        self.network, self.events = problem.network, options.solver == "events"
        self.unit = b2.second if unit is None else unit
        inputs = problem.inputs_at(0.0)
        self.inputs = {n: np.asarray(layer.bias) for n, layer in self.network.layers.items()}
        self.inputs |= {name: self.inputs[name] + value for name, value in inputs.items()}
        self.states = self.network.complete(problem.initial, inputs)
        self.active = self.network.activations(self.states, inputs)
        self.links = links_of(problem)
        _check_names(problem, self.links)
        self.clock = b2.Clock(options.step(self.network) * self.unit)
        self.model = Model(b2.Network(), self.clock)
        layers = self.network.layers.items()
        self.model.tau = {name: np.asarray(layer.tau) for name, layer in layers}
        self.delays: list[Array] = [np.zeros(()) for _ in self.links]
        if self.events:
            self.model.quanta = {name: self.quantum(name, layer) for name, layer in layers}
        if self.events and options.timing is not None:
            self.model.tau, self.delays = timed(problem, options, self.links)

    def build(self, record: float | None) -> Model:
        """Add everything."""
        for name, layer in self.network.layers.items():
            self.add_layer(name, layer)
        for link, delay in zip(self.links, self.delays, strict=True):
            self.add_link(link, delay)
            self.model.transit = max(self.model.transit, float(delay.max()))
        for name in self.network.layers:
            self.add_monitors(name, record)
        return self.model

    def add_layer(self, name: str, layer: Layer) -> None:
        """A group in its initial state."""
        base = _ALGEBRAIC if layer.algebraic else _DYNAMIC
        clamped = name in self.problem.clamped and bool(self.problem.clamped[name].any())
        sources = [link.sum for link in self.links if link.target == name]
        quantum = self.model.quanta.get(name)
        group = self.b2.NeuronGroup(
            self.problem.batch * layer.size,
            equations(layer, sources, clamped=clamped, events=self.events),
            # Without leak nothing on the right-hand side moves within a step.
            method="exact" if layer.leak else "euler",
            events={"rise": f"g >= sent + {quantum!r}", "fall": f"g <= sent - {quantum!r}"}
            if self.events
            else {},
            clock=self.clock,
            order=base,
            name=name,
            namespace={},
        )
        self.model.groups[name] = group
        self.model.network.add(group)
        row = neuron(layer.lagrangian)
        if row is not None and row.brian2_sums:
            self.add_normaliser(name, layer, row, base)
        self.set_start(name, layer, group, clamped)
        update = f"g = {output(name, layer.lagrangian)}"
        if self.events:
            group.run_on_event("rise", f"sent += {quantum!r}")
            group.run_on_event("fall", f"sent -= {quantum!r}")
        elif not layer.algebraic:
            update += "\nbefore = drive"
        group.run_regularly(update, when="groups", order=base + _OUTPUT)

    def set_start(self, name: str, layer: Layer, group: Any, clamped: bool) -> None:
        """Give every variable its value at t = 0."""
        group.g = self.spread(name, self.active[name])
        for link in self.links if not self.events else ():
            if link.target == name:
                setattr(group, link.sum, self.arriving(link, self.active).ravel())
        if layer.leak:
            group.I = self.spread(name, self.inputs[name])
        if layer.algebraic:
            return
        group.x = self.spread(name, self.states[name])
        group.tau = self.spread(name, self.model.tau[name]) * self.unit
        if self.events:
            group.drive = self.drive(name, self.active)
            group.sent = self.spread(name, self.active[name])
        else:
            group.before = self.drive(name, self.earlier())
        if clamped:
            group.free = self.spread(name, ~self.problem.clamped[name]).astype(float)
            group.held = self.spread(name, self.states[name])

    def add_normaliser(self, name: str, layer: Layer, row: Neuron, base: int) -> None:
        """One unit per group of shares, with its c: the logarithm of a sum, or a threshold."""
        groups = self.states[name].reshape(-1, layer.shape[-1])
        sums = [text.partition("_post")[0] for text in row.brian2_sums]
        normaliser = self.b2.NeuronGroup(
            len(groups),
            "\n".join(f"{each} : 1" for each in (*sums, "c")),
            clock=self.clock,
            order=base + _NORMALISER,
            name=f"{name}_normaliser",
            namespace={},
        )
        normaliser.c = [_normaliser_at(row, x) for x in groups]
        normaliser.run_regularly(row.brian2_normaliser, when="groups", order=base + _NORMALISER)
        group = self.model.groups[name]
        units = np.arange(groups.size)
        total = self.b2.Synapses(
            group,
            normaliser,
            "\n".join(f"{text} : 1 (summed)" for text in row.brian2_sums),
            clock=self.clock,
            name=f"{name}_sum",
            namespace={},
        )
        total.connect(i=units, j=units // groups.shape[1])
        group.c = self.b2.linked_var(normaliser, "c", index=units // groups.shape[1])
        self.model.network.add(normaliser, total)

    def add_link(self, link: Link, delay: Array) -> None:
        """Synapses in one direction, copy by copy."""
        source, target = self.model.groups[link.source], self.model.groups[link.target]
        uniform = float(np.ptp(delay)) == 0.0
        options: dict[str, Any] = {"model": f"w : 1\n{link.sum}_post = w*g_pre : 1 (summed)"}
        if self.events:
            quantum = self.model.quanta[link.source]
            options = {
                "model": "w : 1",
                "on_pre": {
                    "rise": f"drive_post += w*{quantum!r}",
                    "fall": f"drive_post -= w*{quantum!r}",
                },
                "on_event": {"rise": "rise", "fall": "fall"},
            }
            if uniform:
                late = float(delay.max()) * self.unit
                options["delay"] = {"rise": late, "fall": late}
        synapses = self.b2.Synapses(
            source, target, clock=self.clock, name=link.name, namespace={}, **options
        )
        senders, receivers = link.weights.shape
        copies = len(source) // senders
        grid = np.indices((copies, senders, receivers)).reshape(3, -1)
        synapses.connect(i=grid[0] * senders + grid[1], j=grid[0] * receivers + grid[2])
        synapses.w = np.tile(link.weights.ravel(), copies)
        if not uniform:
            each = np.broadcast_to(delay, (self.problem.batch, *delay.shape)).ravel()
            synapses.rise.delay = synapses.fall.delay = each * self.unit
        self.model.network.add(synapses)

    def add_monitors(self, name: str, record: float | None) -> None:
        """States at regular times, and messages: all if anything is recorded, else their number."""
        group = self.model.groups[name]
        if record is not None:
            same = math.isclose(record, self.options.step(self.network))
            when = {"clock": self.clock} if same else {"dt": record * self.unit}
            self.model.network.add(
                self.b2.StateMonitor(group, "x", record=True, name=f"{name}_states", **when)
            )
        for event in ("rise", "fall") if self.events else ():
            self.model.network.add(
                self.b2.EventMonitor(
                    group, event, record=record is not None, name=f"{name}_{event}"
                )
            )

    def quantum(self, name: str, layer: Layer) -> float:
        """Of a message; -1, 0 and 1 are a quantum apart for Sign units."""
        return 1.0 if isinstance(layer.lagrangian, Sign) else self.options.quantum_of(name)

    def spread(self, name: str, values: Array) -> Array:
        return spread(self.problem, name, values)

    def drive(self, name: str, active: Mapping[str, Array]) -> Array:
        """The sum of all links on a layer, one number per unit of the group."""
        size = self.problem.batch * self.network.layers[name].size
        parts = [self.arriving(link, active) for link in self.links if link.target == name]
        return np.asarray(np.sum([np.zeros(size), *(part.ravel() for part in parts)], axis=0))

    def arriving(self, link: Link, active: Mapping[str, Array]) -> Array:
        """What a link brings."""
        return np.asarray(active[link.source] @ link.weights)

    def earlier(self) -> dict[str, Array]:
        """Outputs one step before the start: the first step is then as exact as the others."""
        problem, x = self.problem, self.network.pack(self.problem.initial)
        tau = np.concatenate([np.ravel(layer.tau) for layer in self.network.dynamic.values()])
        x = x - self.options.step(self.network) * problem.force(0.0, x) / tau
        return self.network.activations(self.network.unpack(x), problem.inputs_at(0.0))


def spread(problem: Problem, name: str, values: Array) -> Array:
    """Values (B, *shape), or less, one per unit of a group."""
    shape = (problem.batch, *problem.network.layers[name].shape)
    return np.broadcast_to(values, shape).ravel()


def _check_names(problem: Problem, links: list[Link]) -> None:
    """Raise ValueError if an object that comes with a layer would have the name of another."""
    layers = problem.network.layers
    kinds = ("states", "rise", "fall", "normaliser", "sum")
    extra = [link.name for link in links] + [f"{n}_{kind}" for n in layers for kind in kinds]
    for name, count in Counter([*layers, *extra]).items():
        if count > 1:
            raise ValueError(
                f"Brian2: layers {', '.join(layers)} give two objects the name {name!r}; rename "
                f"a layer"
            )


def _normaliser_at(row: Neuron, x: Array) -> float:
    """c of a group in the states x."""
    from ...compiled.neurons import threshold  # which imports numba

    if row.kind == SOFTMAX:
        return float(row.parameter * Softmax(row.parameter).value(x))
    peak, tau = threshold(row.kind, row.alpha, row.parameter, x)
    return float(row.parameter * peak + tau)
