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

from ..checks import aligned
from ..compiled.bits import STRIDE, count_ones, masked_sum
from ..compiled.bundle import bundle
from ..compiled.draws import STEP
from ..compiled.jit import compiled, inlined, inner, inner_vectorised
from ..compiled.streams import mixed
from .energies import Floats
from .tables import BAND, FieldTable, Table

# Single precision sums over so many memories; their sums are in double precision.
BLOCK = 16 * STRIDE
# Hence the largest error of a field, in terms of the sum of the sizes of its terms: these are
# rounded, or computed with 15 roundings, pass through less than BLOCK additions in the sums and,
# counted twice, through 22 in the product.
ERROR = (BLOCK + 64) * 2.0**-24
# Fields below this share of the sum of their terms are ties. The terms have 100 bits.
TIE = 2.0**-80

_ONE, _ELEVEN = np.uint64(1), np.uint64(11)

for kind in (Table, FieldTable):
    bundle(kind)


@bundle
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


@bundle
class Fields(NamedTuple):
    """Agreements of the memories with a state, and what the fields of all units follow from."""

    agree: NDArray[np.uint16]  # (K,) units in which a memory equals the state
    even: NDArray[np.float32]  # (K,) filled up with zeros to STRIDE
    both: NDArray[np.float32]  # (2 K,) even and odd by turns: one look-up finds both
    both_found: NDArray[np.int64]  # (K,) the same memory
    table: NDArray[np.float32]  # (2 D + 2,) the same over agreements, in the current band
    table_read: NDArray[np.int64]  # (D + 1,) the same memory
    sums: Floats  # (4,) sum of even, sum of odd, largest rounding error of a field, band
    counts: NDArray[np.int64]  # (D + 1,) working memory, as are the next two
    flipped: NDArray[np.uint16]  # (K,)
    words: NDArray[np.uint64]  # (words of 64 units,)


def new_fields(count: int, size: int) -> Fields:
    """Room for the fields of `count` memories of `size` units."""
    both, table = np.empty(2 * count, np.float32), np.empty(2 * size + 2, np.float32)
    even = aligned((-(-count // STRIDE) * STRIDE,), np.float32)
    even[count:] = 0.0
    return Fields(
        np.empty(count, np.uint16), even,
        both, both.view(np.int64), table, table.view(np.int64), np.array([np.nan] * 4),
        np.empty(size + 1, np.int64), np.empty(count, np.uint16),
        np.empty(-(-size // 64), np.uint64),
    )  # fmt: skip


@inlined
def uniform(generator):
    """A random number in [0, 1) (splitmix64; Steele, Lea and Flood 2014)."""
    bits = mixed(generator[0], _ONE)
    generator[0] += STEP
    return np.float64(bits >> _ELEVEN) * 2.0**-53


@inner
def agreements(bits, state, fields):
    """Set the agreements to those with the state."""
    agree, words = fields.agree, fields.words
    for w in range(len(words)):
        words[w] = 0
    for i in range(len(state)):
        if state[i] > 0:
            words[i >> 6] |= np.uint64(1) << np.uint64(i & 63)
    for mu in range(len(agree)):
        differ = np.uint64(0)
        for w in range(len(words)):
            differ += count_ones(bits[mu, w] ^ words[w])  # type: ignore[call-arg]
        agree[mu] = len(state) - np.int64(differ)


@inner_vectorised
def update_agreements(columns, i, new, agree):
    """Update the agreements for unit i, which becomes `new` and was -new."""
    for mu in range(len(agree)):
        agree[mu] += agree.dtype.type(new * columns[i, mu])


@inner_vectorised
def _look_up(agree, table, out):
    for mu in range(len(agree)):
        out[mu] = table[agree[mu]]


@inner_vectorised
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


@inner_vectorised
def _compute_even(agree, centre, cubics, even):
    """Set `even` by its cubic; sums as of `_split_even`."""
    p0, p1, p2, p3 = cubics[0, 0], cubics[0, 1], cubics[0, 2], cubics[0, 3]
    q0, q1, q2, q3 = cubics[1, 0], cubics[1, 1], cubics[1, 2], cubics[1, 3]
    first = second = even_size = odd_size = np.float32(0)  # one sum of sizes would wait for itself
    for mu in range(len(agree)):
        x = np.float32(agree[mu]) - centre
        a = ((p3 * x + p2) * x + p1) * x + p0
        b = ((q3 * x + q2) * x + q1) * x + q0
        even[mu] = a
        first += a
        second += b
        even_size += abs(a)
        odd_size += abs(b)
    return first, second, even_size + odd_size


@inner
def choose_band(table, fields):
    """Scale the tables by the highest band that occurs; what is beyond it is not read."""
    row, agree, pairs = table.row, fields.agree, fields.table
    top = row[agree[0]]
    for mu in range(1, len(agree)):
        top = max(top, row[agree[mu]])
    if top == fields.sums[3]:
        return
    fields.sums[3] = top
    even, odd = table.even, table.odd
    for a in range(len(row)):
        factor = 2.0 ** (BAND * min(row[a] - top, 0))
        pairs[2 * a] = even[a] * factor
        pairs[2 * a + 1] = odd[a] * factor


@inner
def update_fields(table, fields, heat):
    """Bring the fields up to the agreements, in the band that was chosen.

    Where a field counts by more than its sign, cubics would change its last digits.
    """
    agree, both, even, sums = fields.agree, fields.both, fields.even, fields.sums
    cubics, centre = table.cubics, np.float32(0.5 * (len(table.row) - 1))
    computed = heat is None and len(cubics) > 0
    if not computed:
        _look_up(agree, fields.table_read, fields.both_found)
    even_sum = odd_sum = size = 0.0
    for start in range(0, len(agree), BLOCK):
        stop = start + BLOCK
        if computed:
            first, second, third = _compute_even(agree[start:stop], centre, cubics, even[start:])
        else:
            first, second, third = _split_even(both[2 * start : 2 * stop], even[start:])
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


@inner
def exact_sum(counts, table):
    """sum counts * table in twice double precision, the sum of the sizes, and their band."""
    row, high, low = table.row, table.hi, table.lo
    top, found = np.int64(0), False
    for a in range(len(high)):
        if counts[a] != 0 and (not found or row[a] > top):
            top, found = row[a], True
    hi, lo, size = 0.0, 0.0, 0.0
    for a in range(len(high)):
        if counts[a] == 0:
            continue
        factor = counts[a] * 2.0 ** (BAND * (row[a] - top))
        p, e = _two_product(factor, high[a])
        hi, f = _two_sum(hi, p)
        lo += f + (e + factor * low[a])
        size += abs(p)
    return hi, lo, size, top


@inner
def exact_sign(columns, i, s, fields, table):
    """Sign of the field from the histogram of its terms; 0 is a tie.

    Terms that occur as often with + as with - cancel as integers. What is left is summed in twice
    double precision.
    """
    agree, counts = fields.agree, fields.counts
    for a in range(len(counts)):
        counts[a] = 0
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


@inner
def value_sum(values, agree, counts):
    """sum_mu F as a number and its band; `counts` is working memory."""
    for a in range(len(counts)):
        counts[a] = 0
    for mu in range(len(agree)):
        counts[agree[mu]] += 1
    hi, lo, _, top = exact_sum(counts, values)
    return hi + lo, top


@inner
def log_odds(columns, i, s, h, fields, values, heat):
    """log p(s_i = +1) - log p(s_i = -1) of the heat bath at field h.

    Parameters
    ----------
    columns : int8 (D, K)
        Units of the memories.
    i, s : int
        The unit, and its state as the field reads it.
    h : float
        Its field.
    fields : Fields
    values : Table
        Of F.
    heat : Heat
    """
    here = fields.sums[3]  # the band of the field
    if not heat.logarithmic:
        return heat.gain * h * math.exp(min(BAND * here * math.log(2.0), 600.0))
    agree, flipped = fields.agree, fields.flipped
    total, band = value_sum(values, agree, fields.counts)
    if heat.gradient:
        return heat.gain * h / total * math.exp(BAND * (here - band) * math.log(2.0))
    for mu in range(len(agree)):
        flipped[mu] = agree[mu]
    update_agreements(columns, i, -s, flipped)
    other, other_band = value_sum(values, flipped, fields.counts)
    return heat.gain * s * (math.log(total / other) + BAND * (band - other_band) * math.log(2.0))


@inlined
def next_state(answer, s):
    """The state of a unit with the field `answer` that was s."""
    return s if answer == 0.0 else (1 if answer > 0.0 else -1)


@inlined
def heated_state(odds, generator):
    """A random state with these log odds."""
    return 1 if uniform(generator) * (1.0 + math.exp(-odds)) < 1.0 else -1


@compiled
def energies(memories, states, values, fields, total, band):
    """Set total and band (B,) to sum F of every state and its band."""
    for b in range(len(states)):
        agreements(memories.bits, states[b], fields)
        total[b], band[b] = value_sum(values, fields.agree, fields.counts)


@compiled
def energies_along(memories, state, units, values, fields, total, band):
    """The same of a state and after each flip, one by one.

    Parameters
    ----------
    memories : Memories
    state : int8 (D,)
        Changes.
    units : int64 (F,)
        Which flip, in this order.
    values : Table
        Of F.
    fields : Fields
        Working memory.
    total, band : float64 (F + 1,), int64 (F + 1,)
        Are set.
    """
    agreements(memories.bits, state, fields)
    for k in range(len(units) + 1):
        if k > 0:
            state[units[k - 1]] = -state[units[k - 1]]
            update_agreements(memories.columns, units[k - 1], state[units[k - 1]], fields.agree)
        total[k], band[k] = value_sum(values, fields.agree, fields.counts)
