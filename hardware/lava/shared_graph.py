"""A job of a `GraphPlan`, and what comes of it, in memory that the processes of a graph share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from amsim import checks

from ..graphs.job import GraphJob
from ..graphs.plan import GraphPlan
from ..graphs.turns import kinds
from ..jobs import MOST_STEPS
from ..trace import Trace
from .workers import shared_array


class SharedGraph:
    """Where recalls start, what drives them, and their results.

    Parameters
    ----------
    plan : GraphPlan
    job : GraphJob
    record : tuple of str
        Signals to keep in every step.
    flat : bool
        Ports and Vars have no batch axis; needs one cue.
    periods : int
        Periods that a fused process does in a step of Lava.

    Attributes
    ----------
    final : dict of str to shared ndarray of int64 (B, n)
    signals : dict of str to shared ndarray of int32 (T, B, n)
    messages : dict of str to shared ndarray of int64 (B,)
    moving : dict of str to shared ndarray of int64 (B,)
        Periods after which a population no longer changed.
    """

    def __init__(
        self,
        plan: GraphPlan,
        job: GraphJob,
        record: tuple[str, ...] = (),
        *,
        flat: bool = False,
        periods: int = 1,
    ) -> None:
        self.periods = checks.count("periods", periods, at_most=MOST_STEPS)
        self.plan, self.job, self.flat = plan, job, flat
        self.count = len(next(iter(job.start.values())))
        sizes = {name: units.size for name, units in plan.layers.items()}
        sizes |= {f"{name}.normaliser": 1 for name, u in plan.layers.items() if u.normaliser}
        self.final = {n: shared_array((self.count, size), np.int64) for n, size in sizes.items()}
        self.signals = {
            name: shared_array((job.steps, self.count, _size(name, sizes)), np.int32)
            for name in record
        }
        self.messages = {kind: shared_array((self.count,), np.int64) for kind in kinds(plan)}
        self.moving = {name: shared_array((self.count,), np.int64) for name in sizes}
        # The steps that are skipped, as a memoryview: read in every step, faster than NumPy.
        self._marks = shared_array((1,), np.int64).data

    def shape(self, size: int) -> tuple[int, ...]:
        """Shape of a port or Var of so many units."""
        return (size,) if self.flat else (self.count, size)

    @property
    def skipped(self) -> int:
        """Steps that are counted as done without being done, since nothing moves any more."""
        return int(self._marks[0])

    @skipped.setter
    def skipped(self, steps: int) -> None:
        self._marks[0] = steps

    def keep(self, step: int, name: str, state: Any, message: Any, counted: str) -> None:
        """Keep the state of a population after a step, and its message, which is None if silent.

        Parameters
        ----------
        counted : str
            What the message counts as.
        """
        if step >= self.job.steps:
            return
        if step == self.job.steps - 1:
            self.final[name][...] = state
        if name in self.signals:
            self.signals[name][step] = state
        if message is not None:
            self.messages[counted] += np.count_nonzero(message, axis=1)
            if f"{counted}_out" in self.signals:
                self.signals[f"{counted}_out"][step] = message

    def mark(self, period: int, name: str, changed: NDArray[np.bool_]) -> None:
        """Remember which cues of a population changed in a period that will not be cut short."""
        if period < self.job.steps // self.plan.period:
            self.moving[name][changed | (period == 0)] = period + 1

    def trace(self, seconds: dict[str, float]) -> Trace:
        """What a backend returns."""
        length, steps = self.plan.period, self.job.steps
        moving = np.max(list(self.moving.values()), axis=0)
        return Trace(
            final={name: state.copy() for name, state in self.final.items()},
            signals={name: rows.astype(np.int64) for name, rows in self.signals.items()},
            messages={kind: count.copy() for kind, count in self.messages.items()},
            steps=steps,
            seconds=seconds,
            settled=np.where(moving < steps // length, moving * length, -1),
        )


def _size(name: str, sizes: dict[str, int]) -> int:
    population = name.removesuffix("_out")
    return sizes.get(population) or sizes[population.removesuffix(".rounds")]
