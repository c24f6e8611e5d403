"""Counter-based random numbers: the same in any order and for any number of workers.

The finaliser of SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number
generators") maps a counter to 64 well mixed bits. The functions work on NumPy arrays;
`streams` has them for scalars in compiled code.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# What is drawn: every purpose has a stream of its own.
(
    TAU, DELAY, JITTER, DROP, PHASE, DRIFT, TICK, NOISE, COLOUR, BRIDGE, SERVICE, FAULT, MISMATCH,
    COMMON, BURST, QUANTUM,
) = range(16)  # fmt: skip

STEP = np.uint64(0x9E3779B97F4A7C15)
FIRST = np.uint64(0xBF58476D1CE4E5B9)
SECOND = np.uint64(0x94D049BB133111EB)
_30, _27, _31, _12 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(12)
_UNIT = 2.0**-52  # with 52 bits and a half, neither 0 nor 1 comes up


def mixed(key, counter):
    """64 bits for an entry of a stream; all arguments are uint64, or arrays of them."""
    bits = key + counter * STEP
    bits = (bits ^ (bits >> _30)) * FIRST
    bits = (bits ^ (bits >> _27)) * SECOND
    return bits ^ (bits >> _31)


def unit_interval(bits):
    """A number strictly between 0 and 1."""
    return ((bits >> _12) + 0.5) * _UNIT


@lru_cache(maxsize=64)
def stream(seed: int, purpose: int) -> np.uint64:
    """The key of one purpose."""
    # Arrays, since NumPy warns when a product of scalars wraps.
    key, one = np.array([seed % 2**64], np.uint64), np.ones(1, np.uint64)
    return np.uint64(mixed(mixed(key, one), one * np.uint64(purpose + 1))[0])


def streams(seed: int, purpose: int, numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The keys of some numbered streams of one purpose."""
    return np.asarray(mixed(stream(seed, purpose), numbers))


def uniform(seed: int, purpose: int, size: int, first: int = 0):
    """`size` numbers strictly between 0 and 1, from entry `first` of a stream on."""
    counter = np.arange(first, first + size, dtype=np.uint64)
    return unit_interval(mixed(stream(seed, purpose), counter))
