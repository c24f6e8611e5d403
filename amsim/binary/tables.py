"""Tables of F and of fields over the number of agreeing units, for exact decisions in recall.

With a = 0..D units of a memory equal to the state, the overlap is 2a - D. A unit i with state s_i
decides by the sign of a field h_i, and ties keep the state. With x'_mu the overlap without unit i,

    flip, difference     h_i = sum_mu xi_mu,i P(x'_mu),  P(x) = F(S(x + 1)) - F(S(x - 1))
    gradient             h_i = sum_mu xi_mu,i f(x'_mu),  f = dF/d(overlap)
    gradient, with self  h_i = sum_mu xi_mu,i f(x_mu)

A memory that agrees with unit i contributes s_i match[a], another one -s_i miss[a], and with
match = even - odd, miss = even + odd

    h_i = sum_mu xi_mu,i even[a_mu] - s_i sum_mu odd[a_mu],

in which nothing but xi_mu,i depends on the unit: one product of a column with a vector. Of small
powers even and odd are cubics of a, and computing these takes less time than looking them up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .energies import Floats, Separation, Similarity

DIGITS = 50
# Values are stored as value / 2^(BAND row), so that neither exp(D) nor D^n leaves the range of
# floating point, single precision included.
BAND = 64
POWERS = 4  # of a cubic
# A cubic serves if it is as close as this to its terms: little beside a rounding.
_CLOSE = 2.0**-26
_LOG = math.log2(10.0)
_CONTEXT = Context(prec=DIGITS, Emin=MIN_EMIN, Emax=MAX_EMAX)


class Table(NamedTuple):
    """A function of an integer: value = (hi + lo) 2^(BAND row)."""

    row: NDArray[np.int64]
    hi: Floats
    lo: Floats


class FieldTable(NamedTuple):
    """What the field of a unit is summed from."""

    row: NDArray[np.int64]  # (D + 1,) band of the larger of |match| and |miss|
    even: NDArray[np.float32]  # (D + 1,)
    odd: NDArray[np.float32]  # (D + 1,)
    terms: Table  # the same in double precision twice: match[a] is at a - offset, miss[a] at a
    offset: int  # 1: overlaps without the unit itself; 0: with it
    banded: bool  # whether there is more than one band
    # Of even and odd as cubics of a - D/2, lowest power first; (0, POWERS) where they are none.
    cubics: NDArray[np.float32]


def value_table(separation: Separation, similarity: Similarity, size: int) -> Table:
    """F(S) over a = 0..D."""
    with localcontext(_CONTEXT):
        return _table(_values(separation, similarity, size))


def field_table(
    separation: Separation, similarity: Similarity, size: int, *, gradient: bool, self_terms: bool
) -> FieldTable:
    """Tables of the field under a rule."""
    offset = 0 if gradient and self_terms else 1
    with localcontext(_CONTEXT):
        if gradient:
            overlaps = range(-size + offset, size - offset + 1, 2)
            terms = [_slope(separation, similarity, x, size) for x in overlaps]
        else:
            values = _values(separation, similarity, size)
            terms = [after - before for before, after in pairwise(values)]
        # At the ends only one of the two occurs; with the other equal to it, odd is 0.
        match = [terms[max(a - offset, 0)] for a in range(size + 1)]
        miss = [terms[min(a, len(terms) - 1)] for a in range(size + 1)]
        row = _rows([max(p, q, key=abs) for p, q in zip(match, miss, strict=True)])
        banded = bool((row != row[0]).any())
        cubics = np.empty((0, POWERS), np.float32)
        if not banded and size > 2 * POWERS:
            cubics = _cubics(*(np.array(_scaled(x, row), np.float64) for x in (match, miss)))
        even = [(p + q) / 2 for p, q in zip(match, miss, strict=True)]
        odd = [(q - p) / 2 for p, q in zip(match, miss, strict=True)]
        return FieldTable(
            row, _single(even, row), _single(odd, row), _table(terms), offset, banded, cubics
        )


def _cubics(match: Floats, miss: Floats) -> NDArray[np.float32]:
    """Coefficients of even and odd, if they are cubics whose terms do not cancel.

    Rounded to single precision, each value is then off by at most 15 roundings of |even| + |odd|.
    """
    size = np.maximum(np.abs(match), np.abs(miss))  # |even| + |odd|
    none, inner = np.empty((0, POWERS), np.float32), slice(1, -1)
    if not size.all():
        return none
    # Relative to their size: cubics grow by orders of magnitude.
    powers = (np.arange(len(size)) - (len(size) - 1) / 2)[:, None] ** np.arange(POWERS)
    relative = powers / size[:, None]
    scale = np.linalg.norm(relative, axis=0)
    wanted = np.stack([match + miss, miss - match], axis=1) / 2 / size[:, None]
    found = np.linalg.lstsq(relative[inner] / scale, wanted[inner], rcond=None)[0] / scale[:, None]
    even, odd = (powers @ found).T
    # At the ends only one of the two occurs.
    off = np.maximum(
        np.abs(even + odd - miss)[:-1] / size[:-1], np.abs(even - odd - match)[1:] / size[1:]
    )
    if off.max() > _CLOSE or (np.abs(relative) @ np.abs(found)).sum(axis=1).max() > 2.0:
        return none
    return np.ascontiguousarray(found.T, np.float32)


def _values(separation: Separation, similarity: Similarity, size: int) -> list[Decimal]:
    overlaps = range(-size, size + 1, 2)
    return [separation.value(similarity.value(x, size)) for x in overlaps]


def _slope(separation: Separation, similarity: Similarity, overlap: int, size: int) -> Decimal:
    slope = separation.derivative(similarity.value(overlap, size))
    return slope * similarity.derivative(overlap, size)


def _table(values: Sequence[Decimal]) -> Table:
    row = _rows(values)
    scaled = _scaled(values, row)
    hi = [float(value) for value in scaled]
    lo = [float(value - Decimal(high)) for value, high in zip(scaled, hi, strict=True)]
    return Table(row, np.array(hi), np.array(lo))


def _single(values: Sequence[Decimal], row: NDArray[np.int64]) -> NDArray[np.float32]:
    return np.array([float(value) for value in _scaled(values, row)], dtype=np.float32)


def _rows(values: Sequence[Decimal]) -> NDArray[np.int64]:
    """Band of each value: value / 2^(BAND row) is in [1/2, 20 2^BAND). Zeros are in the lowest."""
    rows = [math.floor(value.adjusted() * _LOG / BAND) if value else None for value in values]
    lowest = min((row for row in rows if row is not None), default=0)
    return np.array([lowest if row is None else row for row in rows], dtype=np.int64)


def _scaled(values: Sequence[Decimal], row: NDArray[np.int64]) -> list[Decimal]:
    factor = {r: Decimal(2) ** (-BAND * r) for r in set(row.tolist())}
    return [value * factor[r] for value, r in zip(values, row.tolist(), strict=True)]
