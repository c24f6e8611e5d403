"""From cues to the integers that a backend starts from."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amsim import checks

from . import given as reading
from .emulator import product
from .given import MOST_STEPS, Clamp, Floats, Inputs
from .plan import Integers, Job, Plan, require_plan
from .schedule import SIGNALS, STATES

__all__ = ["MOST_STEPS", "Clamp", "Floats", "Inputs", "prepare", "signals"]

_LAYERS = ("visible", "hidden")


def prepare(
    plan: Plan,
    cues: ArrayLike,
    *,
    steps: int | None = None,
    clamp: Clamp | None = None,
    inputs: Inputs | None = None,
) -> tuple[Job, tuple[int, ...]]:
    """The integers that a backend starts from, and the batch axes; arguments as in `run`."""
    require_plan(plan, "hardware.jobs.prepare")
    size = plan.units[1]
    values, batch = reading.cue(cues, size, "visible")
    steps = plan.steps if steps is None else checks.count("steps", steps, at_most=MOST_STEPS)
    remedy = f"compile(..., cue_limit={np.abs(values).max():.4g})"
    limit = int(plan.visible.limit.min())
    visible = reading.integers("cue", values, plan.visible.scale, limit, remedy)
    given = reading.by_layer("inputs", inputs, _LAYERS)
    drive = {x: reading.driven(plan, x, given.get(x), batch, steps) for x in _LAYERS}
    sent = plan.visible.change(visible, np.zeros_like(visible))
    columns = np.ascontiguousarray(plan.weights.T.astype(np.float32))
    hidden = product(sent, columns) + plan.hidden.bias + drive["hidden"][0]
    return (
        Job(
            visible=visible,
            hidden=hidden,
            log_sum=_log_sum(plan, hidden),
            clamped=_clamped(clamp, batch, size),
            input_visible=drive["visible"],
            input_hidden=drive["hidden"],
            steps=steps,
        ),
        batch,
    )


def _clamped(clamp: Clamp | None, batch: tuple[int, ...], size: int) -> NDArray[np.bool_]:
    """Mask (B, D)."""
    given = reading.by_layer("clamp", clamp, _LAYERS)
    if "hidden" in given:
        raise ValueError("clamp names 'hidden'; a plan clamps features, 'visible', alone")
    if not given:
        return np.zeros((math.prod(batch), size), bool)
    mask = checks.units("clamp", given["visible"], (size,))
    return np.array(reading.broadcast("clamp", mask, (*batch, size))).reshape(-1, size)


def signals(plan: Plan, record: bool | Iterable[str]) -> tuple[str, ...]:
    """The names of the signals that `record` chooses."""
    softmax = plan.normaliser is not None
    states = [name for name in STATES if softmax or name != "normaliser"]
    names = reading.names(record, SIGNALS, states)
    for name in names:
        if name.startswith("normaliser") and not softmax:
            raise ValueError(f"record names {name!r}; this plan has no normaliser")
    return tuple(dict.fromkeys(names))


def _log_sum(plan: Plan, hidden: Integers) -> Integers:
    """c at the start: the log-sum, found by the normaliser's own rounds from above."""
    normaliser = plan.normaliser
    if normaliser is None:
        return np.zeros((len(hidden), 1), np.int64)
    logit = plan.hidden.logit(hidden)
    above = (plan.units[0] - 1).bit_length() << normaliser.logit_bits
    c: Integers = logit.max(axis=1, keepdims=True) + above
    for _ in range(3):
        c = normaliser.log_sum(c, normaliser.exponential(logit, c).sum(axis=1, keepdims=True))
    return c
