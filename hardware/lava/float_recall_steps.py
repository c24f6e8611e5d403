"""Steps of the float models: several exchanges of messages in each period.

Exchange 0 tells the memories where the features are, as period 0 of the plan does. Every later
period has `EXCHANGES`, evenly spaced in time; those of the first begin with smaller ones, since a
method that looks back has nothing to look back to.

An exchange takes the turns of `hardware.schedule` with one round of the normaliser, each a step of
Lava: 4 with softmax memories and 2 with others.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from amsim import checks

from ..jobs import MOST_STEPS
from ..plan import Plan
from ..schedule import Turn, turns
from .recall_steps import RecallSteps
from .shared_job import SharedJob

EXCHANGES = 8
_SMALL = 3  # before the first even one, at 1/8, 1/4 and 1/2 of its time


class FloatRecallSteps(RecallSteps):
    """Which exchange of which recall a step of Lava is, and where its results go.

    Attributes
    ----------
    exchange : int
        Number of the exchange.
    period : int
        Period of the plan that the exchange belongs to.
    turn : Turn
        Whose turn it is in the exchange.
    """

    def __init__(self, plan: Plan, shared: SharedJob) -> None:
        super().__init__(plan, shared)
        self.exchange = 0
        self._turns = _turns(plan)
        self._steps = float_steps(plan, shared.steps)
        self._opens = True  # whether this is the first exchange of a period

    def begin(self, time_step: int) -> bool:
        """Find out which step this is; return whether a recall starts with it."""
        starts = self._enter(time_step, self._steps)
        self.exchange, self.phase = divmod(self.step, len(self._turns))
        self.turn = self._turns[self.phase]
        before, self.period = self.period, _period(self.exchange)
        if self.phase == 0:
            self._opens = starts or self.period != before
        return starts

    def keep(self, name: str, state: Any) -> None:
        """Keep a state; that of the last exchange of a period stands for the period."""
        shared = self.shared
        if self.step >= self._steps:
            return
        rows = state.reshape(shared.batch, -1)
        shared.final[name][self.rows] = rows
        if name in shared.signals:
            first = self.period * self.length
            shared.signals[name][first : first + self.length, self.rows] = rows

    def keep_message(self, name: str, message: Any, *, adds: bool = False) -> None:
        """Keep a message, and count it.

        It stands in the step of the plan's period in which such a message is sent last.

        Parameters
        ----------
        adds
            Whether the messages of a period add up; else the last stands for the period.
        """
        self.count(name, message)
        shared = self.shared
        phase = max(i for i, turn in enumerate(self.schedule) if turn.counted == name)
        step = self.period * self.length + phase
        if f"{name}_out" in shared.signals and step < shared.steps and self.step < self._steps:
            sent = shared.signals[f"{name}_out"][step, self.rows]
            earlier = sent if adds and not self._opens else 0
            sent[...] = earlier + message.reshape(shared.batch, -1)

    def count(self, kind: str, message: Any) -> None:
        """Count what is not 0."""
        if self.step < self._steps:
            rows = message.reshape(self.shared.batch, -1)
            self.shared.messages[kind][self.rows] += np.count_nonzero(rows, axis=1)


def moment(exchange: int) -> float:
    """When an exchange takes place, in distances between the even ones."""
    even = exchange - _SMALL
    return max(even, 2.0 ** min(even - 1, 0)) if exchange > 0 else 0.0


def float_steps(plan: Plan, steps: int | None = None) -> int:
    """Steps of Lava that the float model takes for a recall of so many steps of the plan.

    Parameters
    ----------
    plan : Plan
    steps : int, optional
        `plan.steps` by default. Periods are done to their end.
    """
    steps = plan.steps if steps is None else checks.count("steps", steps, at_most=MOST_STEPS)
    later = -(-steps // plan.period) - 1  # periods after period 0
    exchanges = 1 + (_SMALL + EXCHANGES * later if later else 0)
    return exchanges * len(_turns(plan))


def _period(exchange: int) -> int:
    return max(1, -(-(exchange - _SMALL) // EXCHANGES)) if exchange > 0 else 0


def _turns(plan: Plan) -> tuple[Turn, ...]:
    """The turns of an exchange."""
    return turns(0 if plan.normaliser is None else 1)
