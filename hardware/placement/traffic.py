"""Messages between units and between cores."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..plan import Plan, require_plan
from ..run import Result
from .split import Rates

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Counts:
    """Messages that each unit sends in a recall, mean over the cues.

    Attributes
    ----------
    visible : ndarray (D,)
        From features to all memories.
    hidden : ndarray (K,)
        p or f, from memories to all features.
    rounds : ndarray (K,)
        From memories to the normaliser.
    normaliser : float
        From the normaliser to all memories.
    """

    visible: Floats
    hidden: Floats
    rounds: Floats
    normaliser: float

    @property
    def rates(self) -> Rates:
        """Of a unit on average, in the order of the attributes."""
        means = (float(x.mean()) for x in (self.visible, self.hidden, self.rounds))
        feature, memory, rounds = means
        return feature, memory, rounds, self.normaliser


def dense(plan: Plan) -> Counts:
    """What would be sent if no unit were ever silent on its turn."""
    memories, features = plan.units
    periods = plan.steps // plan.period
    turns = Counter(turn.counted for turn in plan.schedule)
    return Counts(
        visible=np.full(features, float(periods * turns["visible"])),
        hidden=np.full(memories, float(periods * turns["hidden"])),
        rounds=np.full(memories, float(periods * turns["rounds"])),
        normaliser=float(periods * turns["normaliser"]),
    )


def of_run(run: Result) -> Counts:
    """What was sent in a run; unit by unit where its messages were recorded, else evenly."""
    plan = require_plan(run.plan, "hardware.place")
    memories, features = plan.units
    mean = {name: float(np.mean(count)) for name, count in run.messages.items()}
    signals = run.trace.signals
    visible = np.full(features, mean["visible"] / features)
    hidden = np.full(memories, mean["hidden"] / memories)
    rounds = np.full(memories, mean.get("rounds", 0.0) / memories)
    if "visible_out" in signals:
        visible = _sent(signals["visible_out"])
    if "hidden_out" in signals:
        out = signals["hidden_out"]
        to_features = np.array([turn.counted == "hidden" for turn in plan.schedule])
        last = np.resize(to_features, len(out))
        hidden, rounds = _sent(out[last]), _sent(out[~last])
    return Counts(visible, hidden, rounds, mean.get("normaliser", 0.0))


def _sent(messages: Integers) -> Floats:
    """Messages (T, B, n) that are not 0, mean over the cues, (n,)."""
    return np.asarray(np.count_nonzero(messages, axis=0).mean(axis=0))


def between_cores(
    counts: Counts, visible: Integers, hidden: Integers, normaliser: int | None, cores: int
) -> dict[str, Floats]:
    """Messages from core to core, (n, n), by kind: one for each core that holds listeners.

    Parameters
    ----------
    counts : Counts
    visible, hidden : ndarray of int (D,), (K,)
        The core of every unit.
    normaliser : int or None
    cores : int
    """

    def sent(core: Integers, count: Floats) -> Floats:
        return np.asarray(np.bincount(core, count, cores), dtype=np.float64)

    def holds(core: Integers) -> Floats:
        return (np.bincount(core, minlength=cores) > 0).astype(np.float64)

    features, memories = holds(visible), holds(hidden)
    alone = np.zeros(cores)
    if normaliser is not None:
        alone[normaliser] = 1.0
    return {
        "visible": sent(visible, counts.visible)[:, None] * memories,
        "hidden": sent(hidden, counts.hidden)[:, None] * features,
        "rounds": sent(hidden, counts.rounds)[:, None] * alone,
        "normaliser": (counts.normaliser * alone)[:, None] * memories,
    }
