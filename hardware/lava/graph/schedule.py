"""Which step of which recall a step of Lava is, and where its results go."""

from typing import Any

import numpy as np
from lava.magma.core.model.py.model import PyLoihiProcessModel

from hardware.lava.shared_job import SharedJob
from hardware.plan import Plan


class Population(PyLoihiProcessModel):  # type: ignore[misc]
    """A model that follows the schedule of a plan.

    Attributes
    ----------
    step : int
        Steps since the recall started.
    turn, period : int
        ``step`` modulo (the phase of the plan; Lava has a `phase` of its own) and divided by the
        steps of a period.
    rows : slice
        The cues of this recall.
    """

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.plan: Plan = proc_params["plan"]
        self.shared: SharedJob = proc_params["job"]
        self._generation = -1
        self._origin = 0

    def begin(self) -> bool:
        """Find out which step this is; return whether a recall starts with it."""
        shared = self.shared
        if shared.generation != self._generation:
            self._generation = shared.generation
            self._origin = self.time_step
        since = self.time_step - self._origin
        group = min(since // shared.steps, shared.groups - 1)
        self.step = since - group * shared.steps
        self.period, self.turn = divmod(self.step, self.plan.period)
        self.rows = slice(group * shared.batch, (group + 1) * shared.batch)
        return self.step == 0

    def start_value(self, name: str, like: Any) -> Any:
        """A part of the job for the cues of this recall, in the shape of a Var."""
        return getattr(self.shared.job, name)[self.rows].reshape(like.shape)

    def drive(self, name: str, like: Any) -> Any:
        """Driven input of this period."""
        rows = getattr(self.shared.job, name)
        return rows[min(self.period, len(rows) - 1), self.rows].reshape(like.shape)

    def note(self, name: str, state: Any, message: Any, kind: str = "") -> None:
        """Keep the state and the message of this step if they are wanted; count the message.

        Parameters
        ----------
        name
            The layer.
        kind
            What the message counts as; its layer by default.
        """
        shared, batch = self.shared, self.shared.batch
        if self.step >= shared.steps - 1:
            shared.final[name][self.rows] = state.reshape(batch, -1)
        if self.step >= shared.steps:
            return
        for signal, value in ((name, state), (f"{name}_out", message)):
            if signal in shared.signals:
                shared.signals[signal][self.step, self.rows] = value.reshape(batch, -1)
        if message.any():
            sent = np.count_nonzero(message.reshape(batch, -1), axis=1)
            shared.messages[kind or name][self.rows] += sent
