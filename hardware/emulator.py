"""The schedule of a plan in NumPy, for many cues: the same integers as a chip, on any machine.

Products with the weights are done in float32. That is exact: the plan keeps every partial sum
of outputs below 2**23, so that one of their changes is below 2**24, up to which float32 holds all
whole numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .graphs.job import GraphJob
from .graphs.machine import GraphMachine
from .graphs.plan import GraphPlan
from .plan import Integers, Job, Plan
from .schedule import CONNECTIONS, STARTS, STATES, Interpreter
from .trace import Trace

# Elementary operations for which NumPy takes some hundredths of a second: from there on, compiled.
_WORTH_COMPILING = 1 << 23


class Machine(Interpreter):
    """All units of a plan for B cues, advanced step by step.

    Attributes
    ----------
    values : dict of str to ndarray of int
        Signals of `hardware.schedule` by name, (B, D), (B, K) or (B, 1). They are replaced in each
        step, not changed.
    messages : dict of str to ndarray of int (B,)
        Messages that were sent, by what they are counted as.
    """

    values: dict[str, Integers]

    def __init__(self, plan: Plan, job: Job) -> None:
        self.plan, self.job = plan, job
        self.rows = plan.weights.astype(np.float32)
        self.columns = np.ascontiguousarray(self.rows.T)
        values = {signal: getattr(job, name).copy() for signal, name in STARTS.items()}
        for signal, like in (("sent", job.visible), ("total", job.hidden), ("p", job.hidden)):
            values[signal] = np.zeros(like.shape, np.int64)
        self.values = values
        names = set().union(*(turn.functions for turn in set(plan.schedule)))
        functions = {name: attrgetter(name)(plan) for name in names}
        super().__init__(plan.schedule, values, functions, self._received(), self._inputs_of)
        self.count = len(job.visible)
        kinds = dict.fromkeys(turn.counted for turn in plan.schedule)
        self.messages = {kind: np.zeros(len(job.visible), np.int64) for kind in kinds}

    def step(self, t: int) -> None:
        super().step(t)
        sent, counts = self.values[self.turn.sends], self.messages[self.turn.counted]
        # Of few cues, several times faster than np.count_nonzero with an axis.
        counts += (
            np.count_nonzero(sent) if len(counts) == 1 else np.add.reduce(sent.astype(bool), axis=1)
        )

    def signal(self, name: str) -> Integers:
        """A state or a message of the step that was done last, (B, n)."""
        if name in STATES:
            return self.values[STATES[name]]
        population = name.removesuffix("_out")
        if population == self.turn.population:
            return self.values[self.turn.sends]
        return np.zeros_like(self.values[STATES[population]])

    def state(self) -> tuple[Integers, ...]:
        """Everything that the next period depends on; `total` is W sent, and c_hidden is c."""
        values = self.values
        return values["v"], values["sent"], values["h"], values["c"], values["p"]

    def resume(self) -> None:
        """Go on with a period after `state` alone was brought to its beginning."""
        values = self.values
        values["total"], values["c_hidden"] = product(values["sent"], self.columns), values["c"]
        self.send("p")

    def final(self) -> dict[str, Integers]:
        """The states by name."""
        populations = {turn.population for turn in self.period}
        return {name: self.values[signal] for name, signal in STATES.items() if name in populations}

    def _received(self) -> dict[str, Callable[[Any, Any], Integers]]:
        sums: dict[str, Callable[[Any], Integers]] = {
            "W": lambda m: product(m, self.columns),
            "W^T": lambda p: product(p, self.rows),
            "1^T": lambda e: np.add.reduce(e, axis=1, keepdims=True),
            "1": lambda c: c,
        }

        def through(name: str) -> Callable[[Any, Any], Integers]:
            state = self.values[STATES[CONNECTIONS[name][1]]]
            nothing, sums_of = np.zeros(state.shape, np.int64), sums[name]

            def received(message: Integers | None, before: Integers | None) -> Integers:
                found = nothing if message is None else sums_of(message)
                return found if before is None else before + found

            return received

        return {name: through(name) for name in sums}

    def _inputs_of(self, period: int) -> dict[str, Integers]:
        job = self.job
        return {
            "input_visible": _row(job.input_visible, period),
            "input_hidden": _row(job.input_hidden, period),
        }


def emulate(plan: Plan | GraphPlan, job: Job | GraphJob, record: tuple[str, ...] = ()) -> Trace:
    """Run a job; see `hardware.run`, which prepares it and decodes the result."""
    start = time.perf_counter()
    machine = machine_of(plan, job)
    whole = job.steps // plan.period
    if record:
        signals, settled = _recorded(machine, record)
    else:
        settled = _until_rest(machine, whole)
        rest = range(whole * plan.period, job.steps)
        if rest:
            machine.resume()
        for t in rest:
            machine.step(t)
        signals = {}
    return Trace(
        final=machine.final(),
        signals=signals,
        messages=machine.messages,
        steps=job.steps,
        settled=settled,
        seconds={"build": 0.0, "run": time.perf_counter() - start},
    )


def machine_of(plan: Plan | GraphPlan, job: Job | GraphJob) -> Machine | GraphMachine:
    """What carries out the schedule of a plan."""
    if isinstance(plan, GraphPlan):
        assert isinstance(job, GraphJob)
        return GraphMachine(plan, job)
    assert isinstance(job, Job)
    return Machine(plan, job)


def _recorded(
    machine: Machine | GraphMachine, record: tuple[str, ...]
) -> tuple[dict[str, Integers], Integers]:
    """Signals after every step of the job, and `settled` as in `_until_rest`."""
    signals: dict[str, list[Integers]] = {name: [] for name in record}
    length, before = machine.plan.period, machine.state()
    moving = np.zeros(machine.count, np.int64)  # first period without a change
    for t in range(machine.job.steps):
        machine.step(t)
        for name in record:
            signals[name].append(machine.signal(name))
        period, phase = divmod(t, length)
        if phase == length - 1:
            moving[_moved(before, machine.state(), period)] = period + 1
            before = machine.state()
    settled = np.where(moving < machine.job.steps // length, moving * length, -1)
    return {name: np.array(rows) for name, rows in signals.items()}, settled


def _until_rest(machine: Machine | GraphMachine, periods: int) -> Integers:
    """Run whole periods; those after everything came to rest are counted, not computed.

    Returns
    -------
    settled : ndarray of int (B,)
        Steps after which nothing of a cue changed any more, -1 where something still did.
    """
    period_steps = machine.plan.period
    if _terms(machine) >= _WORTH_COMPILING:
        return _compiled_until_rest(machine, periods)
    moving = np.zeros(machine.count, np.int64)  # first period without a change
    for period in range(periods):
        before = machine.state()
        counted = {kind: count.copy() for kind, count in machine.messages.items()}
        for t in range(period * period_steps, (period + 1) * period_steps):
            machine.step(t)
        moves = _moved(before, machine.state(), period)
        moving[moves] = period + 1
        if not moves.any() and period >= machine.job.driven:
            for kind, count in machine.messages.items():
                count += (periods - 1 - period) * (count - counted[kind])
            break
    return np.where(moving < periods, moving * period_steps, -1)


def _moved(
    before: tuple[Integers, ...], after: tuple[Integers, ...], period: int
) -> NDArray[np.bool_]:
    """Cues that changed in a period. In period 0 states are held: it may only look like rest."""
    changed = [np.any(a != b, axis=1) for a, b in zip(before, after, strict=True)]
    return np.asarray(np.any(changed, axis=0) | (period == 0))


def _terms(machine: Machine | GraphMachine) -> int:
    """A rough number of elementary operations."""
    units = sum(layer.size for layer in machine.plan.network.layers.values())
    return machine.job.steps * machine.count * units * 32


def _compiled_until_rest(machine: Machine | GraphMachine, periods: int) -> Integers:
    if isinstance(machine, GraphMachine):
        from . import compiled_graphs

        return compiled_graphs.until_rest(machine, periods)
    from .compiled import until_rest

    return until_rest(machine, periods)


def product(left: Integers, weights: NDArray[np.float32]) -> Integers:
    """Compute left @ weights, exactly, for sums that the plan has bounded."""
    return (left.astype(np.float32) @ weights).astype(np.int64)


def _row(inputs: Integers, period: int) -> Integers:
    row: Integers = inputs[min(period, len(inputs) - 1)]
    return row
