"""The plan in NumPy, batched over cues: the same integers as a chip, on any machine.

Products with the weights are done in float32. That is exact: the plan keeps every partial sum
below 2**23, and float32 holds all whole numbers up to 2**24.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from . import kernels
from .plan import Integers, Job, Plan
from .trace import Trace

# Elementary operations from which compiling (once, then cached) beats NumPy.
_WORTH_COMPILING = 1 << 31


class Machine:
    """All units of a plan for B cues, advanced step by step.

    Attributes
    ----------
    v, sent : ndarray of int (B, D)
    h : ndarray of int (B, K)
    c : ndarray of int (B, 1)
        The normaliser's.
    out : dict of str to ndarray of int
        What each population sends in this step, "visible", "hidden", "normaliser".
    messages : dict of str to ndarray of int (B,)
    """

    def __init__(self, plan: Plan, job: Job) -> None:
        self.plan, self.job = plan, job
        self.rows = plan.weights.astype(np.float32)
        self.columns = np.ascontiguousarray(self.rows.T)
        self.v, self.h, self.c = job.visible.copy(), job.hidden.copy(), job.log_sum.copy()
        self.sent = np.zeros_like(self.v)
        self.logit = np.zeros_like(self.h)
        self.heard = self.c.copy()  # the memories' copy of c
        self.output = np.zeros_like(self.h)  # p or f, kept until the features read it
        self.in_round = np.zeros_like(self.h)
        self.messages = {name: np.zeros(len(self.v), np.int64) for name in _senders(plan)}
        self.out: dict[str, Integers] = {}

    def step(self, t: int) -> None:
        """Step t of the schedule in `hardware.plan`."""
        period, phase = divmod(t, self.plan.period)
        self.out = {}
        if phase == 0:
            self._features(period)
        elif self.plan.normaliser is None:
            self._memories(period)
            self._send("hidden", "hidden", self.plan.hidden.output(self.h))
            self.output = self.out["hidden"]
        elif phase % 2 == 0:
            self._normaliser(first=phase == 2)
        else:
            self._softmax(period, phase)

    def signal(self, name: str) -> Integers:
        """A state or a message of the step that was done last, (B, n)."""
        states = {"visible": self.v, "hidden": self.h, "normaliser": self.c}
        if name in states:
            return states[name]
        population = name.removesuffix("_out")
        return self.out.get(population, np.zeros_like(states[population]))

    def state(self) -> tuple[Integers, ...]:
        """Everything that the next period depends on; the arrays are replaced, not changed."""
        return self.v, self.sent, self.h, self.c, self.output

    def final(self) -> dict[str, Integers]:
        """The states by name."""
        softmax = self.plan.normaliser is not None
        states = {"visible": self.v, "hidden": self.h}
        return {**states, "normaliser": self.c} if softmax else states

    def _features(self, period: int) -> None:
        visible = self.plan.visible
        if period > 0:
            arriving = product(self.output, self.rows)
            target = (
                (arriving << visible.gain) + visible.bias + _row(self.job.input_visible, period)
            )
            moved = kernels.relax(self.v, target, visible.decay)
            self.v = np.where(self.job.clamped, self.v, moved)
        message = kernels.delta(visible.output(self.v), self.sent, visible.threshold)
        self.sent = self.sent + message
        self._send("visible", "visible", message)

    def _memories(self, period: int) -> None:
        hidden = self.plan.hidden
        if period > 0:
            total = product(self.sent, self.columns)
            target = total + hidden.bias + _row(self.job.input_hidden, period)
            self.h = kernels.relax(self.h, target, hidden.decay)

    def _softmax(self, period: int, phase: int) -> None:
        normaliser = self.plan.normaliser
        assert normaliser is not None
        if phase == 1:
            self._memories(period)
            self.logit = self.plan.hidden.logit(self.h)
            self.heard = self.heard + normaliser.headroom
        else:
            self.heard = self.c
        if phase < self.plan.period - 1:
            self.in_round = normaliser.message(self.logit, self.heard)
            self._send("hidden", "rounds", self.in_round)
        else:
            self.output = normaliser.probability(self.logit, self.heard)
            self._send("hidden", "hidden", self.output)

    def _normaliser(self, *, first: bool) -> None:
        normaliser = self.plan.normaliser
        assert normaliser is not None
        c = self.c + normaliser.headroom if first else self.c
        self.c = normaliser.update(c, self.in_round.sum(axis=1, keepdims=True))
        self._send("normaliser", "normaliser", self.c)

    def _send(self, population: str, kind: str, message: Integers) -> None:
        self.out[population] = message
        self.messages[kind] += np.count_nonzero(message, axis=1)


def emulate(plan: Plan, job: Job, record: tuple[str, ...] = ()) -> Trace:
    """Run a job; see `hardware.run`, which prepares it and decodes the result."""
    start = time.perf_counter()
    machine = Machine(plan, job)
    whole = job.steps // plan.period
    if record:
        signals, settled = _recorded(machine, record)
    else:
        settled = _until_rest(machine, whole)
        for t in range(whole * plan.period, job.steps):
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


def _recorded(machine: Machine, record: tuple[str, ...]) -> tuple[dict[str, Integers], Integers]:
    """Signals after every step of the job, and `settled` as in `_until_rest`."""
    signals: dict[str, list[Integers]] = {name: [] for name in record}
    length, before = machine.plan.period, machine.state()
    moving = np.zeros(len(machine.v), np.int64)  # first period without a change
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


def _until_rest(machine: Machine, periods: int) -> Integers:
    """Run whole periods; those after everything came to rest are counted, not computed.

    Returns
    -------
    settled : ndarray of int (B,)
        Steps after which nothing of a cue changed any more, -1 where something still did.
    """
    job, period_steps = machine.job, machine.plan.period
    if _terms(machine.plan, job) >= _WORTH_COMPILING:
        from .compiled import until_rest

        return until_rest(machine, periods)
    driven = max(len(job.input_visible), len(job.input_hidden)) - 1
    moving = np.zeros(len(machine.v), np.int64)  # first period without a change
    for period in range(periods):
        before = machine.state()
        counted = {kind: count.copy() for kind, count in machine.messages.items()}
        for t in range(period * period_steps, (period + 1) * period_steps):
            machine.step(t)
        moves = _moved(before, machine.state(), period)
        moving[moves] = period + 1
        if not moves.any() and period >= driven:
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


def _terms(plan: Plan, job: Job) -> int:
    """A rough number of elementary operations."""
    return job.steps * len(job.visible) * sum(plan.units) * 32


def product(left: Integers, weights: NDArray[np.float32]) -> Integers:
    """Compute left @ weights, exactly, for sums that the plan has bounded."""
    return (left.astype(np.float32) @ weights).astype(np.int64)


def _senders(plan: Plan) -> tuple[str, ...]:
    kinds = ("visible", "hidden")
    return kinds if plan.normaliser is None else (*kinds, "rounds", "normaliser")


def _row(inputs: Integers, period: int) -> Integers:
    row: Integers = inputs[min(period, len(inputs) - 1)]
    return row
