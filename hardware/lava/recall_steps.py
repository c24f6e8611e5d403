"""The step of a recall that a step of Lava stands for, and where its results are kept."""

from typing import Any

import numpy as np

from ..plan import Plan
from .shared_job import SharedJob

BEYOND_THE_PLAN = (
    "a memory unit's logit is far above c: a Var was set, or an input arrived, beyond what the "
    "plan was made for (cue_limit, input_limits)"
)


class RecallSteps:
    """Which turn of `Plan.schedule` it is, as one population follows it.

    What changes in every step stands here and not in the process model, where Lava looks at every
    assignment.

    Attributes
    ----------
    step : int
        Steps since the recall started.
    phase, period : int
        `step` modulo and divided by the steps of a period: the step within the period, and the
        number of the period.
    turn : Turn
        Whose turn it is.
    rows : slice
        The cues of this recall.
    """

    def __init__(self, plan: Plan, shared: SharedJob) -> None:
        self.shared = shared
        self.schedule = plan.schedule
        self.length = len(self.schedule)
        self.step = self.phase = self.period = 0
        self.turn = self.schedule[0]
        self.rows = slice(0, shared.batch)
        self._group = 0
        self._generation = -1
        self._origin = 0
        self._last = shared.steps - 1
        self._keeps_signals = bool(shared.signals)
        self._counts: dict[str, Any] = {}
        self._drive: Any = None

    def begin(self, time_step: int) -> bool:
        """Find out which step this is; return whether a recall starts with it."""
        starts = self._enter(time_step, self.shared.steps)
        self.period, self.phase = divmod(self.step, self.length)
        self.turn = self.schedule[self.phase]
        return starts

    def _enter(self, time_step: int, steps: int) -> bool:
        """Set `step` and `rows`, for recalls of so many steps."""
        shared = self.shared
        generation, skipped = shared.marks
        if generation != self._generation:
            self._generation = generation
            self._origin = time_step
            self._group = 0
        step = time_step - self._origin + skipped - self._group * steps
        if step >= steps and self._group < shared.groups - 1:
            self._group += 1
            step -= steps
        self.step = step
        if step:
            return False
        self.rows = slice(self._group * shared.batch, (self._group + 1) * shared.batch)
        self._counts = {kind: counts[self.rows] for kind, counts in shared.messages.items()}
        self._drive = None
        return True

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

    def mark_changed(self, name: str, changed: Any) -> None:
        """Remember which cues changed in this period, unless it will be cut short.

        Parameters
        ----------
        changed
            Not 0 where something changed, in the shape of a Var.
        """
        if self.period < self.shared.steps // self.length and np.count_nonzero(changed):
            moving = self.shared.moving[name][self.rows]
            rows = changed.reshape(len(moving), -1).any(axis=1) if len(moving) > 1 else 0
            moving[rows] = self.period + 1

    def record(self, name: str, state: Any, message: Any = None, kind: str = "") -> None:
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
        if self.step >= self._last:
            self.shared.final[name][self.rows] = state.reshape(self.shared.batch, -1)
            if self.step > self._last:
                return
        if self._keeps_signals:
            self._keep(name, state)
        if message is None:
            return
        if self._keeps_signals:
            self._keep(f"{name}_out", message)
        counts = self._counts[kind or name]
        if len(counts) == 1:  # without an axis, NumPy counts ten times faster
            counts[0] += np.count_nonzero(message)
        else:
            counts += np.count_nonzero(message.reshape(len(counts), -1), axis=1)

    def _keep(self, name: str, values: Any) -> None:
        shared = self.shared
        if name in shared.signals:
            shared.signals[name][self.step, self.rows] = values.reshape(shared.batch, -1)
