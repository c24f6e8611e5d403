"""Which step of which recall a step of Lava is, and where its results go."""

from typing import Any

import numpy as np

from hardware.lava.shared_job import SharedJob
from hardware.plan import Plan


class Recall:
    """The schedule of a plan, as one population follows it.

    What changes in every step stands here and not in the process model, where Lava looks at every
    assignment.

    Attributes
    ----------
    step : int
        Steps since the recall started.
    turn, period : int
        `step` modulo and divided by the steps of a period: the phase of the plan, and the number
        of the period.
    rows : slice
        The cues of this recall.
    """

    def __init__(self, plan: Plan, shared: SharedJob) -> None:
        self.shared = shared
        self.length = plan.period
        self.step = self.turn = self.period = 0
        self.rows = slice(0, shared.batch)
        self._generation = -1
        self._origin = 0
        self._drive: Any = None

    def begin(self, time_step: int) -> bool:
        """Find out which step this is; return whether a recall starts with it."""
        starts = self._enter(time_step, self.shared.steps)
        self.period, self.turn = divmod(self.step, self.length)
        return starts

    def _enter(self, time_step: int, steps: int) -> bool:
        """Set `step` and `rows`, for recalls of so many steps."""
        shared = self.shared
        if shared.generation != self._generation:
            self._generation = shared.generation
            self._origin = time_step
        since = time_step - self._origin + shared.skipped
        group = min(since // steps, shared.groups - 1)
        self.step = since - group * steps
        if self.step == 0:
            self.rows = slice(group * shared.batch, (group + 1) * shared.batch)
            self._drive = None
        return self.step == 0

    def start_value(self, name: str, like: Any) -> Any:
        """A part of the job for the cues of this recall, in the shape of a Var."""
        return getattr(self.shared.job, name)[self.rows].reshape(like.shape)

    def drive(self, name: str, bias: Any, like: Any) -> Any:
        """Driven input of this period, and the bias."""
        rows = getattr(self.shared.job, name)
        if self._drive is None or len(rows) > 1:
            now = rows[min(self.period, len(rows) - 1), self.rows]
            self._drive = bias + now.reshape(like.shape)
        return self._drive

    def moved(self, name: str, before: Any, after: Any) -> None:
        """Remember which cues' states changed in this period, unless it will be cut short."""
        if self.period >= self.shared.steps // self.length:
            return
        changed = before != after
        if np.count_nonzero(changed):  # faster than any()
            moving = self.shared.moving[name][self.rows]
            rows = changed.reshape(len(moving), -1).any(axis=1) if len(moving) > 1 else 0
            moving[rows] = self.period + 1

    def note(self, name: str, state: Any, message: Any = None, kind: str = "") -> None:
        """Keep the state and the message of this step if they are wanted; count the message.

        Parameters
        ----------
        name
            The layer.
        message
            None if the units are silent.
        kind
            What the message counts as; its layer by default.
        """
        shared, batch = self.shared, self.shared.batch
        if self.step >= shared.steps - 1:
            shared.final[name][self.rows] = state.reshape(batch, -1)
        if self.step >= shared.steps:
            return
        if name in shared.signals:
            shared.signals[name][self.step, self.rows] = state.reshape(batch, -1)
        if message is None:
            return
        rows = message.reshape(batch, -1)
        if shared.signals and f"{name}_out" in shared.signals:
            shared.signals[f"{name}_out"][self.step, self.rows] = rows
        # Without an axis, NumPy counts ten times faster.
        count = np.count_nonzero(rows, axis=1) if batch > 1 else np.count_nonzero(rows)
        shared.messages[kind or name][self.rows] += count
