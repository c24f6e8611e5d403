"""From cues to the integers that a backend starts from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amsim import PiecewiseConstant, checks

from .emulator import product
from .errors import RangeError
from .plan import Integers, Job, Plan, require_plan
from .schedule import SIGNALS, STATES

# Times that are this near to the beginning of a period, in periods, are meant to be that.
_ROUNDING = 1e-9
Floats = NDArray[np.float64]
MOST_STEPS = 10**9
Input = ArrayLike | Callable[[float], ArrayLike]
Inputs = Mapping[str, Input] | Input
Clamp = Mapping[str, ArrayLike] | ArrayLike


def prepare(
    plan: Plan,
    cues: ArrayLike,
    *,
    steps: int | None = None,
    clamp: Clamp | None = None,
    inputs: Inputs | None = None,
) -> tuple[Job, tuple[int, ...]]:
    """The integers that a backend starts from, and the batch axes; arguments as in `run`."""
    require_plan(plan)
    size = plan.units[1]
    values, batch = _cues(cues, size)
    steps = plan.steps if steps is None else checks.count("steps", steps, at_most=MOST_STEPS)
    periods = -(-steps // plan.period)
    remedy = f"compile(..., cue_limit={np.abs(values).max():.4g})"
    limit = int(plan.visible.limit.min())
    visible = _integers("cue", values, plan.visible.scale, limit, remedy)
    given = _by_layer("inputs", inputs)
    drive = {
        name: _driven(plan, name, given.get(name), batch, periods) for name in ("visible", "hidden")
    }
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


def _cues(cues: ArrayLike, size: int) -> tuple[Floats, tuple[int, ...]]:
    array = checks.array("cue", cues, largest=checks.LARGEST)
    if array.ndim == 0 or array.shape[-1] != size:
        raise ValueError(f"cue has shape {array.shape}, layer 'visible' has shape ({size},)")
    if array.size == 0:
        raise ValueError(f"the batch is empty: the cue has shape {array.shape}")
    return array.reshape(-1, size), array.shape[:-1]


def _integers(what: str, values: Floats, scale: float, limit: int, remedy: str) -> Integers:
    """Values as integers, at most `limit` in size."""
    largest = float(np.abs(values).max()) * scale
    if largest > limit + 0.5:
        bits = int(np.ceil(largest)).bit_length() + 1
        # Bits whose whole range is allowed, so that fewer are there than needed in any case.
        raise RangeError(what, bits, (int(limit) + 1).bit_length(), remedy)
    integers: Integers = np.rint(values * scale).astype(np.int64)
    return integers


def _clamped(clamp: Clamp | None, batch: tuple[int, ...], size: int) -> NDArray[np.bool_]:
    """Mask (B, D)."""
    given = _by_layer("clamp", clamp)
    if "hidden" in given:
        raise ValueError("clamp names 'hidden'; a plan clamps features, 'visible', alone")
    if not given:
        return np.zeros((math.prod(batch), size), bool)
    mask = checks.units("clamp", given["visible"], (size,))
    return np.array(_broadcast("clamp", mask, (*batch, size))).reshape(-1, size)


def _broadcast(what: str, array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise ValueError(f"{what} has shape {array.shape}, the states have shape {shape}") from None


def _by_layer(what: str, given: Any) -> dict[str, Any]:
    """A mapping of layer names; what comes without a name is for the features."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        return {"visible": given}
    for name in given:
        if name not in ("visible", "hidden"):
            raise ValueError(f"{what} names {name!r}; the layers are visible, hidden")
    return dict(given)


def signals(plan: Plan, record: bool | Iterable[str]) -> tuple[str, ...]:
    """The names of the signals that `record` chooses."""
    softmax = plan.normaliser is not None
    if isinstance(record, (bool, np.bool_)):
        names = [name for name in STATES if softmax or name != "normaliser"] if record else []
    else:
        checks.instance("record", record, Iterable, "True, False, or names of signals")
        names = [record] if isinstance(record, str) else list(record)
    for name in names:
        checks.choice("record", name, SIGNALS)
        if name.startswith("normaliser") and not softmax:
            raise ValueError(f"record names {name!r}; this plan has no normaliser")
    return tuple(dict.fromkeys(names))


def _driven(plan: Plan, name: str, given: Any, batch: tuple[int, ...], periods: int) -> Integers:
    """Inputs of one layer as integers (T, B, n), T = 1 if they are constant."""
    layer = getattr(plan, name)
    shape = (*batch, len(layer.bias))
    what = f"input of {name}"
    if given is None:
        rows = [np.zeros(shape)]
    elif isinstance(given, PiecewiseConstant):
        rows = _held(given, plan.dt, periods)
    elif callable(given):
        rows = [checks.array(what, given(period * plan.dt)) for period in range(periods)]
    else:
        rows = [checks.array(what, given)]
    full = np.array([_broadcast(what, row, shape) for row in rows])
    remedy = f"compile(..., input_limits={{{name!r}: {np.abs(full).max():.4g}}})"
    integers = _integers(what, full, layer.scale, layer.input_limit, remedy)
    return integers.reshape(len(rows), -1, shape[-1])


def _held(given: PiecewiseConstant, dt: float, periods: int) -> list[Floats]:
    """The rows of an input that jumps: it counts from the first period that begins no earlier."""
    begins = np.ceil(given.times / dt - _ROUNDING * np.maximum(1.0, np.abs(given.times / dt)))
    used = min(max(int(min(begins[-1], periods)), 0) + 1, periods)
    current = np.searchsorted(begins, np.arange(used), side="right") - 1
    return [given.values[k] if k >= 0 else np.zeros_like(given.values[0]) for k in current]


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
