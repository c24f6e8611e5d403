"""Normal random numbers by counter, in compiled code: a row of them for each stream of `draws`."""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math

import numpy as np

from .draws import STEP
from .jit import compiled, inlined, inner_elementwise
from .streams import mixed
from .vectors import cosine, logarithm, sine, whole

_SHARE = 2.0**-32
_LOW = np.uint64(2**32 - 1)
_32 = np.uint64(32)


@inlined
def _pair(bits):
    """Two independent standard normal numbers from 64 random bits (Box & Muller 1958).

    Half of the bits give the radius, which ends at 6.8 with them, and half the angle: its sine and
    cosine come from those of a quarter of it, which lies within pi / 4.
    """
    radius = math.sqrt(-2.0 * logarithm((whole(bits >> _32) + 0.5) * _SHARE))
    quarter = (whole(bits & _LOW) + (0.5 - 2.0**31)) * (0.5 * math.pi * _SHARE)
    s, c = sine(quarter), cosine(quarter)
    s, c = 2.0 * s * c, 1.0 - 2.0 * s * s
    return radius * (1.0 - 2.0 * s * s), radius * (2.0 * s * c)


@inner_elementwise
def pairs(key, first, out, row, half):
    """out[row, i] and out[row, half + i]: the pair of counter first + i, for i < half."""
    place = key + np.uint64(first) * STEP  # of a counter that goes on by additions alone
    for i in range(np.uint64(half)):
        one, other = _pair(mixed(place, np.uint64(0)))
        place += STEP
        out[row, i] = one
        out[row, np.uint64(half) + i] = other


@inner_elementwise
def draw_row(key, first, out, row):
    """out[row]: the standard normal numbers of a stream from a counter on.

    A pair fills one entry of either half: entries depend on the length of the row.
    """
    half = out.shape[1] // 2
    pairs(key, first, out, row, half)
    if out.shape[1] % 2 == 1:
        out[row, 2 * half] = _pair(mixed(key, np.uint64(first) + np.uint64(half)))[0]


@compiled
def normals(key, places, out):
    """out[b, j]: a standard normal number for unit j of the cue that stands at places[b]."""
    for b in range(out.shape[0]):
        draw_row(mixed(key, places[b]), 0, out, b)
