"""What is given for a run, as integers: cues, inputs, clamps and what to record."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amsim import PiecewiseConstant, checks

from .errors import RangeError
from .events import Events
from .plan import AnyPlan

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Input = ArrayLike | Callable[[float], ArrayLike] | Events
Inputs = Mapping[str, Input] | Input
Clamp = Mapping[str, ArrayLike] | ArrayLike

MOST_STEPS = 10**9  # of a run
# Times that are this near to the beginning of a period, in periods, are meant to be that.
_ROUNDING = 1e-9


def cue(values: ArrayLike, size: int, layer: str) -> tuple[Floats, tuple[int, ...]]:
    """States of a layer (B, size), and the batch axes."""
    array = checks.array("cue", values, largest=checks.LARGEST)
    if array.ndim == 0 or array.shape[-1] != size:
        raise ValueError(f"cue has shape {array.shape}, layer {layer!r} has shape ({size},)")
    if array.size == 0:
        raise ValueError(f"the batch is empty: the cue has shape {array.shape}")
    return array.reshape(-1, size), array.shape[:-1]


def integers(what: str, values: Floats, scale: float, limit: int, remedy: str) -> Integers:
    """Values as integers, at most `limit` in size."""
    largest = float(np.abs(values).max()) * scale
    if largest > limit + 0.5:
        bits = int(np.ceil(largest)).bit_length() + 1
        # Bits whose whole range is allowed, so that fewer are there than needed in any case.
        raise RangeError(what, bits, (int(limit) + 1).bit_length(), remedy)
    return np.rint(values * scale).astype(np.int64)


def broadcast(what: str, array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """An array with the axes of the states."""
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise ValueError(f"{what} has shape {array.shape}, the states have shape {shape}") from None


def by_layer(what: str, given: Any, layers: Sequence[str]) -> dict[str, Any]:
    """A mapping of layer names; what comes without a name is for the first of the layers."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        return {layers[0]: given}
    for name in given:
        if name not in layers:
            raise ValueError(f"{what} names {name!r}; the layers are {', '.join(layers)}")
    return dict(given)


def names(record: bool | Iterable[str], every: Sequence[str], states: Sequence[str]) -> list[str]:
    """The signals that `record` chooses; True means the states."""
    if isinstance(record, (bool, np.bool_)):
        return list(states) if record else []
    checks.instance("record", record, Iterable, "True, False, or names of signals")
    if isinstance(record, np.ndarray) and not record.ndim:
        raise TypeError(f"record must be names of signals, got {checks.shown(record)}")
    chosen = [record] if isinstance(record, str) else list(record)
    for name in chosen:
        checks.choice("record", name, tuple(every))
    return chosen


def driven(plan: AnyPlan, name: str, given: Any, batch: tuple[int, ...], steps: int) -> Integers:
    """Inputs of one layer as integers (T, B, n), T = 1 if they are constant.

    Parameters
    ----------
    plan : Plan or GraphPlan
    name : str
        Of the layer.
    given
        None, an array, a `PiecewiseConstant`, a function of the time or `Events`.
    batch : tuple of int
    steps : int
        Of the run.
    """
    what, units = f"input of {name}", plan.layers[name]
    shape = (*batch, plan.network.layers[name].size)
    periods = -(-steps // plan.period)
    if isinstance(given, Events):
        rows_of_all = given.by_period(plan, name, steps)[:, None]
        return np.repeat(rows_of_all, math.prod(batch), axis=1)
    if given is None:
        rows = [np.zeros(shape)]
    elif isinstance(given, PiecewiseConstant):
        rows = _held(given, plan.dt, periods)
    elif callable(given):
        rows = [checks.array(what, given(period * plan.dt)) for period in range(periods)]
    else:
        rows = [checks.array(what, given)]
    full = np.array([broadcast(what, row, shape) for row in rows])
    remedy = f"compile(..., input_limits={{{name!r}: {np.abs(full).max():.4g}}})"
    found = integers(what, full, units.scale, units.input_limit, remedy)
    return found.reshape(len(rows), -1, shape[-1])


def _held(given: PiecewiseConstant, dt: float, periods: int) -> list[Floats]:
    """The rows of an input that jumps: it counts from the first period that begins no earlier."""
    begins = np.ceil(given.times / dt - _ROUNDING * np.maximum(1.0, np.abs(given.times / dt)))
    used = min(max(int(min(begins[-1], periods)), 0) + 1, periods)
    current = np.searchsorted(begins, np.arange(used), side="right") - 1
    return [given.values[k] if k >= 0 else np.zeros_like(given.values[0]) for k in current]
