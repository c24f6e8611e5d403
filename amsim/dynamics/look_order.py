"""The order of looks at tracked steps, compiled."""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math

import numpy as np

from ..compiled.jit import compiled, inner

# Of a number of parts, for rounding.
_SAME = 1e-9


@inner
def _add(looks, times, n, cue, time, row, source):
    """Write down a look, if there is room; how many there are.

    Parameters
    ----------
    looks, times : ndarray
        As `in_order` makes them.
    n : int
        How many there were.
    cue, time, row, source : int, float, int, int
        Of the look.
    """
    if n < times.shape[1]:
        looks[0, n], looks[1, n], looks[2, n] = cue, row, source
        times[0, n] = time
    if source < times.shape[1]:
        looks[3, source] = cue
        times[1, source] = time
    return n + 1


@inner
def _parts(gap, near, far):
    """How many parts a gap between two looks falls into."""
    return max(2, math.ceil(gap / far - _SAME)) if gap > near else 1


@inner
def _rows_by_cue(track, since, upto, first, rows):
    """Rows of the track, those of a cue one after the other; those of cue b begin at first[b]."""
    for b in range(len(first)):
        first[b] = 0
    for row in range(since, upto):
        first[track[row].cue + 2] += 1
    for b in range(2, len(first)):
        first[b] += first[b - 1]
    for row in range(since, upto):  # first[b + 1] moves on from the first row of cue b to its last
        b = track[row].cue
        rows[first[b + 1]] = row
        first[b + 1] += 1


@compiled
def in_order(track, since, upto, written, reached, recorded, near, far, room, looks, times):
    """Ends of steps, recorded times, and looks between these, by cue and then by time.

    Returns how many there are, of which there may be too many, and how many of them are rows or
    recorded times.

    Parameters
    ----------
    track : (R,) records of the type adams.TRACK
    since, upto : int
        The rows that are looked at.
    written, reached : int64 (B,)
        Recorded times of each cue that were looked at before, and that there are now.
    recorded : float64 (T,)
    near, far : float
        Looks further apart than the first have one in between, and none are further apart than
        the second.
    room : int64 (B + 2 + rows,)
        Working memory.
    looks : int64 (4, n)
        Becomes the cue of each; the row of the track, whose step it lies in; its number among the
        rows, the recorded times by cue, and the looks in between, in turn; and their cues by these
        numbers.
    times : float64 (2, n)
        Become theirs, in that order and by these numbers.
    """
    batch, ends = len(written), upto - since
    first, by_cue = room[: batch + 2], room[batch + 2 :]
    _rows_by_cue(track, since, upto, first, by_cue)
    seen = ends
    for b in range(batch):
        seen += reached[b] - written[b]
    n, noted, between = 0, ends, seen
    for b in range(batch):
        m, before = written[b], np.inf
        for row in by_cue[first[b] : first[b + 1]]:
            end = track[row].time
            while True:
                ended = m == reached[b] or recorded[m] > end
                time = end if ended else recorded[m]
                gap = time - before
                parts = _parts(gap, near, far)
                for part in range(1, parts):
                    moment = before + gap * part / parts
                    n = _add(looks, times, n, b, moment, row, between)
                    between += 1
                source = row - since if ended else noted
                n = _add(looks, times, n, b, time, row, source)
                before = time
                if ended:
                    break
                m, noted = m + 1, noted + 1
    return n, seen
