"""A job, and what comes of it, in memory that the processes of a graph share."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amsim import checks

from ..jobs import MOST_STEPS
from ..plan import Job, Plan
from ..schedule import KINDS, SIGNALS
from .workers import shared_array


class SharedJob:
    """Where recalls start, what drives them, and their results.

    The N cues of the job are recalled in groups of `batch`: after `job.steps` steps of a graph
    the next group starts, in the graph, without a new compilation. Numbers are in the integers of
    the plan and exact: 24 bits fit a float32, in which signals are kept.

    Parameters
    ----------
    plan : Plan
    job : Job
    record : tuple of str
        Signals to keep in every step.
    batch : int, optional
        Cues that one run of the graph holds, a divisor of N; all by default.
    flat : bool
        Ports and Vars have no batch axis; needs ``batch == 1``.
    periods : int
        Periods that a fused process does in a step of Lava.

    Attributes
    ----------
    final : dict of str to shared ndarray of float64 (N, n)
    signals : dict of str to shared ndarray of float32 (T, N, n)
    messages : dict of str to shared ndarray of int64 (N,)
    moving : dict of str to shared ndarray of int64 (N,)
        Periods after which the states of a population no longer changed.
    """

    def __init__(
        self,
        plan: Plan,
        job: Job,
        record: tuple[str, ...] = (),
        *,
        batch: int | None = None,
        flat: bool = False,
        periods: int = 1,
    ) -> None:
        count = len(job.visible)
        self.batch = count if batch is None else batch
        if self.batch < 1 or count % self.batch:
            raise ValueError(f"batch must divide the {count} cues, got {batch}")
        if flat and self.batch != 1:
            raise ValueError(f"flat needs a batch of 1, got {self.batch}")
        periods = checks.count("periods", periods, at_most=MOST_STEPS)
        unknown = [name for name in record if name not in SIGNALS]
        if unknown:
            raise ValueError(f"cannot record {unknown[0]!r}; one of {', '.join(SIGNALS)}")
        memories, features = plan.units
        sizes = {"visible": features, "hidden": memories, "normaliser": 1}
        self.steps = job.steps
        self.flat = flat
        self.periods = periods
        self.groups = count // self.batch
        self.job = Job(**{field.name: _shared(getattr(job, field.name)) for field in fields(Job)})
        self.final = {name: shared_array((count, size)) for name, size in sizes.items()}
        self.signals = {
            name: shared_array((job.steps, count, sizes[name.removesuffix("_out")]), np.float32)
            for name in record
        }
        self.messages = {name: shared_array((count,), np.int64) for name in KINDS}
        self.moving = {name: shared_array((count,), np.int64) for name in sizes}
        # Generation and skipped, as a memoryview: read in every step, five times faster than NumPy.
        self.marks = shared_array((2,), np.int64).data

    @property
    def skipped(self) -> int:
        """Steps that are counted as done without being done, since nothing moves any more."""
        return int(self.marks[1])

    @skipped.setter
    def skipped(self, steps: int) -> None:
        self.marks[1] = steps

    @property
    def generation(self) -> int:
        """Number of jobs loaded so far."""
        return int(self.marks[0])

    def shape(self, size: int) -> tuple[int, ...]:
        """Shape of a port or Var of so many units."""
        return (size,) if self.flat else (self.batch, size)

    def load(self, job: Job) -> None:
        """Put another job of the same shapes in place; it starts with the next step.

        Raises
        ------
        ValueError
            If a shape, or the number of steps, is another.
        """
        for field in fields(Job):
            new, old = getattr(job, field.name), getattr(self.job, field.name)
            if np.shape(new) != np.shape(old) or (field.name == "steps" and new != old):
                raise ValueError(
                    f"the job's {field.name} has shape {np.shape(new)} (value {new!r:.40}), this "
                    f"graph was built for {np.shape(old)} ({old!r:.40}); build another"
                )
        for field in fields(Job):
            old = getattr(self.job, field.name)
            if isinstance(old, np.ndarray):
                old[...] = getattr(job, field.name)
        for counts in (*self.messages.values(), *self.moving.values()):
            counts[...] = 0
        self.skipped = 0
        self.marks[0] += 1


def _shared(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    copy: NDArray[Any] = shared_array(value.shape, value.dtype)
    copy[...] = value
    return copy
