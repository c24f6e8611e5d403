"""Compiled building blocks of binary recall: agreements, fields from tables, exact decisions, heat.

A check costs one product of K int8 with K float32, or nothing if the field is known since the last
flip; a flip costs some passes over K numbers. Single precision decides a check only where its
rounding cannot matter: closer calls are decided from the exact histogram of the terms.
"""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..compiled.bits import STRIDE, count_ones, masked_sum
from ..compiled.draws import STEP
from ..compiled.jit import allocating, inlined, vectorised
from ..compiled.streams import mixed
from .energies import Floats
from .tables import BAND

# Single precision sums over so many memories; their sums are in double precision.
BLOCK = 16 * STRIDE
# Hence the largest error of a field, in terms of the sum of the sizes of its terms: these are
# rounded, pass through less than BLOCK additions in the sums and, counted twice, through 22 in the
# product.
ERROR = (BLOCK + 64) * 2.0**-24
# Fields below this share of the sum of their terms are ties. The terms have 100 bits.
TIE = 2.0**-80

_ONE, _ELEVEN = np.uint64(1), np.uint64(11)


class Memories(NamedTuple):
    """The memories three times: as bytes by units, as bits by memories, as bits by units."""

    columns: NDArray[np.int8]  # (D, K), -1 and +1
    bits: NDArray[np.uint64]  # (K, words of 64 units)
    masks: NDArray[np.uint16]  # (D, words of 16 memories), filled up with zeros to STRIDE


class Heat(NamedTuple):
    """How a field turns into log odds of +1: gain * field, over sum F if Q is a logarithm."""

    gain: float  # contains the temperature
    logarithmic: bool
    gradient: bool


class Fields(NamedTuple):
    """What the fields of all units follow from; valid for the agreements last weighed."""

    even: NDArray[np.float32]  # (K,) filled up with zeros to STRIDE
    both: NDArray[np.float32]  # (2 K,) even and odd by turns: one look-up finds both
    table: NDArray[np.float32]  # (2 D + 2,) the same over agreements, in the current band
    sums: Floats  # (4,) sum of even, sum of odd, largest rounding error of a field, band


@inlined
def uniform(generator):
    """A random number in [0, 1) (splitmix64; Steele, Lea and Flood 2014)."""
    bits = mixed(generator[0], _ONE)
    generator[0] += STEP
    return np.float64(bits >> _ELEVEN) * 2.0**-53


@allocating
def agreements(bits, state, agree):
    """agree[mu] = number of units in which memory mu equals the state."""
    words = np.zeros(bits.shape[1], np.uint64)
    for i in range(len(state)):
        if state[i] > 0:
            words[i >> 6] |= np.uint64(1) << np.uint64(i & 63)
    for mu in range(len(agree)):
        differ = np.uint64(0)
        for w in range(len(words)):
            differ += count_ones(bits[mu, w] ^ words[w])  # type: ignore[call-arg]
        agree[mu] = len(state) - np.int64(differ)


@vectorised
def update_agreements(columns, i, new, agree):
    """Update the agreements for unit i, which becomes `new` and was -new."""
    for mu in range(len(agree)):
        agree[mu] += agree.dtype.type(new * columns[i, mu])


@vectorised
def _look_up(agree, table, out):
    for mu in range(len(agree)):
        out[mu] = table[agree[mu]]


@vectorised
def _split_even(both, even):
    """Take what is even out of `both`; the sums of even, of odd, and of their sizes."""
    first = second = size = np.float32(0)
    for mu in range(len(both) // 2):
        a, b = both[2 * mu], both[2 * mu + 1]
        even[mu] = a
        first += a
        second += b
        size += abs(a) + abs(b)
    return first, second, size


@inlined
def new_fields(count, size):
    """Room for the fields of `count` memories of `size` units."""
    return Fields(
        np.zeros(-(-count // STRIDE) * STRIDE, np.float32), np.empty(2 * count, np.float32),
        np.empty(2 * size + 2, np.float32), np.full(4, np.nan),
    )  # fmt: skip


@allocating
def choose_band(table, agree, fields):
    """Scale the tables by the highest band that occurs; what is beyond it is not read."""
    row = table.row
    top = row[agree[0]]
    for mu in range(1, len(agree)):
        top = max(top, row[agree[mu]])
    if top == fields.sums[3]:
        return
    fields.sums[3] = top
    for a in range(len(row)):
        factor = 2.0 ** (BAND * min(row[a] - top, 0))
        fields.table[2 * a] = table.even[a] * factor
        fields.table[2 * a + 1] = table.odd[a] * factor


@allocating
def update_fields(agree, table, both, even, sums):
    """Bring the fields up to the agreements, in the band that was chosen."""
    _look_up(agree, table.view(np.int64), both.view(np.int64))
    even_sum = odd_sum = size = 0.0
    for start in range(0, len(agree), BLOCK):
        first, second, third = _split_even(both[2 * start : 2 * (start + BLOCK)], even[start:])
        even_sum += first
        odd_sum += second
        size += third
    sums[0], sums[1], sums[2] = even_sum, odd_sum, ERROR * size


@inlined
def field(masks, i, s, even, sums):
    """The field of unit i with state s in units of 2^(BAND band), up to sums[2]."""
    total, start = 0.0, 0
    while start < len(even):
        stop = min(start + BLOCK, len(even))
        total += masked_sum(masks, i, even, start, stop)  # type: ignore[call-arg]
        start = stop
    return 2.0 * total - sums[0] - s * sums[1]


@inlined
def _two_sum(a, b):
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


@inlined
def _two_product(a, b):
    p = a * b
    t = 134217729.0 * a
    a1 = t - (t - a)
    t = 134217729.0 * b
    b1 = t - (t - b)
    return p, ((a1 * b1 - p) + a1 * (b - b1) + (a - a1) * b1) + (a - a1) * (b - b1)


@allocating
def exact_sum(counts, table):
    """sum counts * table in twice double precision, the sum of the sizes, and their band."""
    top, found = np.int64(0), False
    for a in range(len(counts)):
        if counts[a] != 0 and (not found or table.row[a] > top):
            top, found = table.row[a], True
    hi, lo, size = 0.0, 0.0, 0.0
    for a in range(len(counts)):
        if counts[a] == 0:
            continue
        factor = counts[a] * 2.0 ** (BAND * (table.row[a] - top))
        p, e = _two_product(factor, table.hi[a])
        hi, f = _two_sum(hi, p)
        lo += f + (e + factor * table.lo[a])
        size += abs(p)
    return hi, lo, size, top


@allocating
def exact_sign(columns, i, s, agree, table):
    """Sign of the field from the histogram of its terms; 0 is a tie.

    Terms that occur as often with + as with - cancel as integers. What is left is summed in twice
    double precision.
    """
    counts = np.zeros(len(table.terms.hi), np.int64)
    for mu in range(len(agree)):
        if columns[i, mu] == s:
            counts[np.int64(agree[mu]) - table.offset] += 1
        else:
            counts[np.int64(agree[mu])] -= 1
    hi, lo, size, _ = exact_sum(counts, table.terms)
    total = hi + lo
    if abs(total) <= TIE * size:
        return 0.0
    return s * math.copysign(1.0, total)


@allocating
def value_sum(values, agree):
    """sum_mu F as a number and its band."""
    counts = np.zeros(len(values.hi), np.int64)
    for mu in range(len(agree)):
        counts[agree[mu]] += 1
    hi, lo, _, top = exact_sum(counts, values)
    return hi + lo, top


@allocating
def log_odds(columns, i, s, h, agree, values, heat, sums):
    """log p(s_i = +1) - log p(s_i = -1) of the heat bath at field h.

    Parameters
    ----------
    columns : int8 (D, K)
        Units of the memories.
    i, s : int
        The unit, and its state as the field reads it.
    h : float
        Its field.
    agree : uint16 (K,)
        Agreements of the memories with the state.
    values : Table
        Of F.
    heat : Heat
    sums : float64 (4,)
        `Fields.sums`, for the band of the field.
    """
    if not heat.logarithmic:
        return heat.gain * h * math.exp(min(BAND * sums[3] * math.log(2.0), 600.0))
    total, band = value_sum(values, agree)
    if heat.gradient:
        return heat.gain * h / total * math.exp(BAND * (sums[3] - band) * math.log(2.0))
    flipped = agree.copy()
    update_agreements(columns, i, -s, flipped)
    other, other_band = value_sum(values, flipped)
    return heat.gain * s * (math.log(total / other) + BAND * (band - other_band) * math.log(2.0))


@inlined
def next_state(answer, s):
    """The state of a unit with the field `answer` that was s."""
    return s if answer == 0.0 else (1 if answer > 0.0 else -1)


@inlined
def heated_state(odds, generator):
    """A random state with these log odds."""
    return 1 if uniform(generator) * (1.0 + math.exp(-odds)) < 1.0 else -1


@allocating
def energies(memories, states, values, agree):
    """sum F of every state and its band."""
    total, band = np.empty(len(states)), np.empty(len(states), np.int64)
    for b in range(len(states)):
        agreements(memories.bits, states[b], agree)
        total[b], band[b] = value_sum(values, agree)
    return total, band


@allocating
def energies_along(memories, cue, units, values, agree):
    """The same of a cue and after each flip of `units`, one by one."""
    total, band = np.empty(len(units) + 1), np.empty(len(units) + 1, np.int64)
    state = cue.copy()
    agreements(memories.bits, state, agree)
    for k in range(len(units) + 1):
        if k > 0:
            state[units[k - 1]] = -state[units[k - 1]]
            update_agreements(memories.columns, units[k - 1], state[units[k - 1]], agree)
        total[k], band[k] = value_sum(values, agree)
    return total, band
