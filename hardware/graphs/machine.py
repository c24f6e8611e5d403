"""The schedule of a `GraphPlan` in NumPy, for many cues."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .job import GraphJob
from .plan import GraphPlan, Units
from .turns import StepInterpreter, kinds

Integers = NDArray[np.int64]


class GraphMachine(StepInterpreter):
    """All units of a plan for B cues, advanced step by step.

    Products with the weights are done in float32, which is exact: sums stay below 2**23, so that
    their changes are below 2**24.

    Attributes
    ----------
    values : dict of str to ndarray of int
        Signals of `hardware.graphs.turns` by name, (B, n). They are replaced, not changed.
    messages : dict of str to ndarray of int (B,)
        Messages that were sent, by what they are counted as.
    """

    values: dict[str, Integers]

    def __init__(self, plan: GraphPlan, job: GraphJob) -> None:
        self.plan, self.job = plan, job
        values = {name: rows.copy() for name, rows in job.start.items()}
        self.count = len(next(iter(values.values())))
        for name, units in plan.layers.items():
            nothing = np.zeros((self.count, units.size), np.int64)
            values |= {f"{name}.sent": nothing, f"{name}.m": nothing}
        for each in plan.projections:
            size = plan.layers[each.target].size
            values[f"{each.name}.total"] = np.zeros((self.count, size), np.int64)
        self._sums_of = self._sums()
        super().__init__(plan.schedule, values, functions(plan), self._sums_of, self._driven)
        self.messages = {kind: np.zeros(self.count, np.int64) for kind in kinds(plan)}

    def step(self, t: int) -> None:
        super().step(t)
        for turn in self.now:
            if turn.sends:
                self.messages[turn.counted] += np.count_nonzero(self.values[turn.sends], axis=1)

    def signal(self, name: str) -> Integers:
        """A state or a message of the step that was done last, (B, n)."""
        layer, _, part = name.removesuffix("_out").partition(".")
        if not name.endswith("_out"):
            return self.values[f"{layer}.c" if part else f"{layer}.x"]
        for turn in self.now:
            if turn.counted == name.removesuffix("_out"):
                return self.values[turn.sends]
        like = self.values[f"{layer}.c" if part == "normaliser" else f"{layer}.x"]
        return np.zeros_like(like)

    def state(self) -> tuple[Integers, ...]:
        """Everything that the next period depends on; sums are those of what was sent."""
        parts = ("x", "sent", "c")
        names = (f"{name}.{part}" for name in self.plan.layers for part in parts)
        return tuple(self.values[name] for name in names if name in self.values)

    def resume(self) -> None:
        """Go on with the next period after `state` alone was brought to its beginning."""
        for each in self.plan.projections:
            through, size = self._sums_of[each.name], self.plan.layers[each.target].size
            nothing = np.zeros((self.count, size), np.int64)
            self.values[f"{each.name}.total"] = through(self.values[f"{each.source}.sent"], nothing)
        self._under_way = [{} for _ in self._under_way]

    def final(self) -> dict[str, Integers]:
        """The states by name."""
        found = {name: self.values[f"{name}.x"] for name in self.plan.layers}
        for name, units in self.plan.layers.items():
            if units.normaliser is not None:
                found[f"{name}.normaliser"] = self.values[f"{name}.c"]
        return found

    def _sums(self) -> dict[str, Callable[[Any, Any], Integers]]:
        found = {}
        for each in self.plan.projections:
            columns = np.ascontiguousarray(each.weights.T.astype(np.float32))
            found[each.name] = _through(columns)
        for name, units in self.plan.layers.items():
            if units.normaliser is not None:
                found[f"{name}.ones"] = _summed
                found[f"{name}.one"] = _passed
        return found

    def _driven(self, period: int) -> dict[str, Integers]:
        return {
            f"{name}.input": rows[min(period, len(rows) - 1)]
            for name, rows in self.job.inputs.items()
        }


def functions(plan: GraphPlan) -> dict[str, Callable[..., Integers]]:
    """The functions of the turns, in NumPy."""
    found: dict[str, Callable[..., Integers]] = {}
    for name, units in plan.layers.items():
        found[f"{name}.gather"] = _gather(plan, name)
        found |= {f"{name}.{each}": getattr(units, each) for each in _of(units)}
        if units.normaliser is not None:
            of = ("rise", "exponential", "probability", "log_sum")
            found |= {f"{name}.{each}": getattr(units.normaliser, each) for each in of}
    return found


def _of(units: Units) -> tuple[str, ...]:
    last = ("change",) if units.normaliser is None else ("difference", "logit")
    return ("relax", "add", *last)


def _gather(plan: GraphPlan, name: str) -> Callable[..., Integers]:
    projections = plan.onto(name)

    def gather(x: Integers, *totals: Integers) -> Integers:
        drive = np.zeros_like(x)
        for each, total in zip(projections, totals, strict=True):
            drive = drive + each.scaled(total)
        return drive

    return gather


def _through(columns: NDArray[np.float32]) -> Callable[[Any, Any], Integers]:
    def received(message: Integers | None, before: Integers) -> Integers:
        if message is None or not message.any():
            return before
        return before + (message.astype(np.float32) @ columns).astype(np.int64)

    return received


def _summed(e: Integers, _: None) -> Integers:
    return np.asarray(np.add.reduce(e, axis=1, keepdims=True))


def _passed(c: Integers, _: None) -> Integers:
    return c
