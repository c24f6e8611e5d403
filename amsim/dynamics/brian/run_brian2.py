"""One simulation in Brian2, for `simulate`."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import numpy as np

from ...progress import Progress
from ...synapses import Array
from ..interpolation import cubic
from ..problem import (
    BLOW_UP,
    DIVERGED,
    INTERRUPTED,
    SETTLED,
    TIME_LIMIT,
    Problem,
    Solution,
    recorded_times,
)  # fmt: skip
from .build import build, spread
from .install import numpy_target, require_brian2
from .options import Brian2

_CHECK_EVERY = 10  # steps between two looks at whether cues have settled


def solve(problem: Problem, options: Brian2) -> Solution:
    """Run all cues as one network of Brian2."""
    b2 = require_brian2()
    if b2.get_device() is not import_module("brian2.devices.device").runtime_device:
        raise ValueError(
            "Brian2: simulate runs it in this process, but its device is a standalone one: call "
            "brian2.set_device('runtime') before, or build a standalone program from "
            "hardware.export.brian2(network, ...)"
        )
    with numpy_target(b2):
        run = _Run(problem, options, b2)
        run.run()
        return run.solution()


class _Run:
    """Called by Brian2 after every step; `codes` says INTERRUPTED until a cue has ended."""

    def __init__(self, problem: Problem, options: Brian2, b2: Any) -> None:
        self.problem, self.b2, self.dt = problem, b2, options.step(problem.network)
        self.events = options.solver == "events"
        self.model = build(problem, options)
        self.arrays = {name: self.model.groups[name].variables for name in problem.network.dynamic}
        self.x = self.initial = problem.network.pack(problem.initial)
        self.fixed = problem.clamped_units()
        self.tau = np.concatenate([np.ravel(self.model.tau[n]) for n in problem.network.dynamic])
        self.limit = BLOW_UP * (1.0 + float(np.abs(self.x).max()))
        self.last = math.ceil(problem.t1 / self.dt * (1 - 1e-12))
        self.steps, self.time = 0, 0.0
        self.rows = [self.x] * int(np.searchsorted(problem.times, 0.0, side="right"))
        self.codes = np.full(problem.batch, INTERRUPTED)
        self.ends, self.quiet_since = np.zeros(problem.batch), np.full(problem.batch, np.nan)
        self.sent, self.sent_last = self.read("sent") if self.events else self.x, self.ends.copy()
        self.lag = np.zeros(problem.batch)
        self.wait = 0.0 if problem.naive else self.model.transit + self.dt
        self.inputs = problem.inputs_at(0.0)
        # A jump counts from the first step that begins no earlier; at its end, the last one.
        self.jumps = np.ceil(problem.breakpoints / self.dt * (1 - 1e-12)).astype(np.int64)
        self.progress = Progress(problem.t1, problem.batch, problem.deadline)

    def run(self) -> None:
        """All steps."""
        self.model.network.add(
            self.b2.NetworkOperation(self.after_step, clock=self.model.clock, when="end")
        )
        try:
            with np.errstate(all="ignore"):
                self.model.network.run(self.last * self.dt * self.b2.second, namespace={})
        except KeyboardInterrupt:
            pass  # reported as a status: what was reached is not lost
        finally:
            self.progress.close()

    def after_step(self) -> None:
        """Record, and end the run where there is nothing more to do."""
        problem = self.problem
        self.steps += 1
        before, since = self.x, self.time
        x, time = self.read("x"), self.steps * self.dt
        x[self.fixed] = self.initial[self.fixed]
        if not np.abs(x).max() < self.limit:
            if problem.tolerance:
                self.check_settled()  # the last look is some steps old
            self.end(DIVERGED)
            return
        wanted = problem.times[len(self.rows) :]
        wanted = wanted[wanted <= min(time, problem.t1)]
        if len(wanted) or self.steps == self.last:
            ends = before, self.velocity(since, before), x, self.velocity(time, x)
            self.rows += [_between(ends, since, time, moment) for moment in wanted]
            if self.steps == self.last:
                x, time = _between(ends, since, time, problem.t1), problem.t1
        self.x, self.time = x, time
        self.ends[:] = time
        if self.events:
            self.note_sent()
        self.set_inputs()
        if problem.tolerance and (self.steps % _CHECK_EVERY == 0 or self.steps == self.last):
            self.check_settled()
            if not np.isnan(self.quiet_since).any():
                self.end(SETTLED)
        if self.steps == self.last and (self.codes == INTERRUPTED).any():
            self.end(TIME_LIMIT)
        self.progress.update(time, int(np.sum(np.isnan(self.quiet_since))))

    def set_inputs(self) -> None:
        """Let the inputs of the next step be those of its beginning."""
        if not len(self.jumps):
            return
        passed = int(np.searchsorted(self.jumps, self.steps, side="right"))
        if not passed or self.jumps[passed - 1] != self.steps:
            return
        self.inputs = self.problem.inputs_at(float(self.problem.breakpoints[passed - 1]))
        for name, value in self.inputs.items():
            layer, group = self.problem.network.layers[name], self.model.groups[name]
            if layer.leak:
                group.I = spread(self.problem, name, layer.bias + value)

    def velocity(self, time: float, x: Array) -> Array:
        """dx/dt."""
        return np.asarray(self.force(time, x) / self.tau)

    def note_sent(self) -> None:
        """Note which cues sent something, and how far the messages trail the outputs."""
        sent = self.read("sent")
        self.sent_last[(sent != self.sent).any(axis=1)] = self.time
        self.sent = sent
        for name, arrays in self.arrays.items():
            error = np.abs(arrays["g"].get_value() - arrays["sent"].get_value())
            largest = error.reshape(self.problem.batch, -1).max(axis=1) / self.model.quanta[name]
            self.lag = np.maximum(self.lag, largest)

    def check_settled(self) -> None:
        """Note which cues are at rest, with nothing on its way."""
        if self.steps < self.jumps.max(initial=0):
            return
        residual = np.abs(self.force(self.time, self.x)).max(axis=1)
        quiet = residual <= self.problem.tolerance
        if self.events:
            quiet &= self.time - self.sent_last >= self.wait
        # The batch goes on together: a cue may leave a saddle where it seemed to rest.
        self.quiet_since = np.where(quiet, np.fmin(self.quiet_since, self.time), np.nan)

    def force(self, time: float, x: Array) -> Array:
        """tau dx/dt (B, N); with events, of what has arrived by now."""
        problem = self.problem
        if not self.events:
            return problem.force(time, x, self.inputs)
        network, states = problem.network, problem.network.unpack(x)
        inputs, parts = self.inputs, {}
        for name, layer in network.dynamic.items():
            external = layer.bias + inputs.get(name, 0.0)
            drive = self.arrays[name]["drive"].get_value().reshape(states[name].shape)
            parts[name] = layer.leak * (external - states[name]) + drive
        return np.where(self.fixed, 0.0, network.pack(parts))

    def end(self, code: int) -> None:
        """Settle the cues that are at rest, and give the others this status."""
        quiet = ~np.isnan(self.quiet_since)
        self.codes[:] = np.where(quiet, SETTLED, code)
        self.ends[quiet] = self.quiet_since[quiet]
        self.model.network.stop()

    def read(self, variable: str) -> Array:
        """A variable of all dynamic layers, (B, N)."""
        values = [arrays[variable].get_value() for arrays in self.arrays.values()]
        rows = [value.reshape(len(self.x), -1) for value in values]
        return np.concatenate(rows, axis=1)

    def solution(self) -> Solution:
        """Assemble the record; after the end every row holds the last state."""
        problem = self.problem
        finished = bool((self.codes <= TIME_LIMIT).all())
        times = recorded_times(problem.times, problem.explicit, finished, self.time)
        rows = [*self.rows[: len(times)], *[self.x] * (len(times) - len(self.rows))]
        if times[-1] >= self.time:
            rows[-1] = self.x
        return Solution(
            times=times,
            record=problem.reader(times, np.array(rows)),
            final=problem.reader(np.array([self.time]), self.x[None]),
            codes=self.codes,
            ends=self.ends,
            rhs=np.full(problem.batch, self.steps, np.int64),
            accepted=self.steps,
            rejected=0,
            stats={"messages": self.messages(), "lag": self.lag} if self.events else {},
            smooth=not self.events,
        )

    def messages(self) -> dict[str, Array]:
        """Messages of each cue by layer."""
        return {
            name: self._count(f"{name}_rise") + self._count(f"{name}_fall")
            for name in self.problem.network.dynamic
        }

    def _count(self, monitor: str) -> Array:
        counts = np.asarray(self.model.network[monitor].count)
        return np.asarray(counts.reshape(self.problem.batch, -1).sum(axis=1))


def _between(
    ends: tuple[Array, Array, Array, Array], start: float, stop: float, time: float
) -> Array:
    """The cubic through states and slopes at both ends of a step."""
    return cubic(*ends, stop - start, (time - start) / (stop - start))
