"""Validation of the arguments of `BinaryMemory`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks
from .energies import Identity, Log, LogSumExp, Scaling, Separation

Signs = NDArray[np.int8]
ORDERS = ("random", "sweep", "parallel")
MOST_UNITS = int(np.iinfo(np.uint16).max)  # agreements are counted in 16 bits


def memories(patterns: ArrayLike) -> Signs:
    """Patterns (K, D) as int8."""
    stored = signs(patterns, "patterns")
    if stored.ndim != 2:
        raise ValueError(f"patterns have shape {stored.shape}; give (memories, units)")
    if stored.shape[1] > MOST_UNITS:
        raise ValueError(
            f"patterns have {stored.shape[1]} units; at most {MOST_UNITS} are supported"
        )
    return stored


def packed(rows: Signs, multiple: int) -> NDArray[np.uint8]:
    """Rows of signs as bits, lowest first, filled up with zeros to a multiple."""
    padded = np.zeros((len(rows), -(-rows.shape[1] // multiple) * multiple), dtype=bool)
    padded[:, : rows.shape[1]] = rows > 0
    return np.packbits(padded, axis=1, bitorder="little")


def order(given: str | ArrayLike, size: int) -> tuple[NDArray[np.int64], bool, bool]:
    """The units of a sweep, whether they change all at once, and whether to shuffle them."""
    if isinstance(given, str):
        checks.choice("order", given, ORDERS, " or an array of units")
        return np.arange(size), given == "parallel", given == "random"
    units = checks.plain("order", given)
    if units.ndim != 1 or units.size == 0 or units.dtype.kind not in "iu":
        raise ValueError(
            f"order must be a non-empty list of units (integers), got dtype {units.dtype} and "
            f"shape {units.shape}"
        )
    if units.min() < 0 or units.max() >= size:
        raise ValueError(f"order names units outside 0 to {size - 1}")
    return units.astype(np.int64), False, False


def clamped(given: ArrayLike | None, size: int) -> NDArray[np.bool_]:
    """Mask (D,) of the units that never change."""
    if given is None:
        return np.zeros(size, bool)
    mask = checks.units("clamp", given, (size,))
    if mask.shape != (size,):
        raise ValueError(
            f"clamp has shape {mask.shape}, the memories have {size} units: a binary memory clamps "
            f"the same units in all cues; recall them one at a time"
        )
    return mask


def check_function(what: str, part: Any) -> None:
    """Raise TypeError unless the part is a separation or similarity."""
    if isinstance(part, type) or not (hasattr(part, "value") and hasattr(part, "derivative")):
        raise TypeError(
            f"{what} must be an object with value and derivative, such as Power(3) or Dot(), "
            f"got {checks.shown(part)}"
        )


def scaling(separation: Separation, chosen: Scaling | None) -> Scaling:
    """Q: the chosen one, or the default of the separation."""
    if isinstance(separation, LogSumExp):
        if chosen is not None:
            raise ValueError("LogSumExp brings its own logarithm; combine scaling with Exponential")
        return Log(separation.beta)
    if chosen is None:
        return Identity()
    if not isinstance(chosen, (Identity, Log)):
        raise TypeError(
            f"scaling must be binary.Identity() or binary.Log(), got {checks.shown(chosen)}"
        )
    return chosen


def signs(rows: ArrayLike, what: str) -> Signs:
    """Rows of -1 and +1 as int8."""
    array = checks.real(what, rows)
    if array.ndim == 0 or array.size == 0:
        raise ValueError(f"{what} have shape {array.shape}; give at least one row of units")
    if np.count_nonzero(np.abs(array) == 1) < array.size:
        raise ValueError(
            f"{what} must be -1 and +1; map bits b to 2 b - 1, and give masked units a value"
        )
    return array.astype(np.int8)


def check_alone(what: str, **others: tuple[Any, Any]) -> None:
    """Raise ValueError if an argument that `what` replaces is not at its default."""
    for name, (value, default) in others.items():
        if not (isinstance(value, type(default)) and value == default):
            raise ValueError(f"{what} takes the place of {name}; leave {name} out")
