"""Numbers of the chip: multipliers, leaks and biases as integers."""

from __future__ import annotations

import math

import numpy as np

from . import kernels, ranges
from .errors import RangeError
from .spec import Floats
from .units import MANTISSA_BITS, MOST_SHIFT, Integers


def mantissa_of(ratio: float) -> tuple[int, int]:
    """(mantissa, shift) with mantissa / 2**shift close to ratio and at most it by 2**-15."""
    shift = MANTISSA_BITS - 1 - math.floor(math.log2(ratio))
    if shift < 0:
        raise too_wide("multiplier of a state", ratio * 2.0**8)
    shift = min(shift, MOST_SHIFT)
    return math.floor(ratio * 2.0**shift), shift


def multiplier(ratio: float) -> tuple[int, int]:
    """(mantissa, shift) with mantissa / 2**shift as close to ratio as 16 bits allow."""
    mantissa, shift = mantissa_of(ratio)
    nearest = round(ratio * 2.0**shift)
    return (nearest, shift) if nearest < 1 << MANTISSA_BITS else (mantissa, shift)


def decay_mantissas(layer: str, tau: Floats, dt: float) -> Integers:
    """Mantissas of the leak over one period, 4096 for algebraic units."""
    with np.errstate(over="ignore"):  # of damaged files: a leak within less than any period
        share = -np.expm1(-dt / np.maximum(tau, 1e-300))
    mantissas: Integers = np.rint(share * (1 << kernels.DECAY_BITS)).astype(np.int64)
    if mantissas.min() < 1:
        needed = math.ceil(math.log2(1 / float(share.min())))
        raise RangeError(
            f"decay of {layer}", needed, kernels.DECAY_BITS, f"take dt above {dt:g}, or smaller tau"
        )
    return mantissas


def whole(values: Floats, scale: float) -> Integers:
    """Values in integers per unit, to the nearest."""
    return np.rint(np.clip(values * scale, -(2.0**52), 2.0**52)).astype(np.int64)


def too_wide(signal: str, largest: float) -> RangeError:
    """The error for a signal that would have to be as large as this."""
    bits = math.ceil(math.log2(max(largest, 1.0))) + 1
    return RangeError(signal, bits, 24, ranges.COARSER)
