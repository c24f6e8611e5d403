"""Compiled binary recall in continuous time: clocked units that exchange messages."""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..compiled.bundle import bundle
from ..compiled.jit import compiled, inlined
from .clock_schedule import Schedule
from .energies import Floats
from .kernels import (
    agreements,
    choose_band,
    exact_sign,
    field,
    heated_state,
    log_odds,
    next_state,
    update_agreements,
    update_fields,
)
from .loops import SETTLED, SWEEP_LIMIT

bundle(Schedule)


@bundle
class Units(NamedTuple):
    """Working memory of `at_ticks` for D units and T ticks."""

    answer: Floats  # (D,) the fields last worked out,
    stamp: NDArray[np.int64]  # (D,) and when that was, by a count of changes
    shown: NDArray[np.int8]  # (D,) what the others read
    latest: NDArray[np.int64]  # (D,) tick at which the last message that counts was sent
    sent_at: Floats  # (D,) when a unit sent its last message
    flying: NDArray[np.int64]  # (D, 2) messages on their way with -1, and with +1
    first: NDArray[np.int64]  # (T,) the first message of a bucket,
    follow: NDArray[np.int64]  # (T,) and the next one after a message
    sent: NDArray[np.int8]  # (T,) what a message says


def new_units(size: int, ticks: int) -> Units:
    """Room for `size` units and so many ticks."""
    return Units(
        np.empty(size), np.full(size, -1), np.empty(size, np.int8), np.empty(size, np.int64),
        np.empty(size), np.empty((size, 2), np.int64), np.empty(ticks, np.int64),
        np.empty(ticks, np.int64), np.empty(ticks, np.int8),
    )  # fmt: skip


@inlined
def _enqueue(first, follow, bucket, tick, arrival):
    """Put a message into its bucket, which is sorted by the time of arrival."""
    previous, k = -1, first[bucket]
    while k >= 0 and arrival[k] <= arrival[tick]:
        previous, k = k, follow[k]
    follow[tick] = k
    if previous >= 0:
        follow[previous] = tick
    else:
        first[bucket] = tick


@compiled
def at_ticks(
    memories, values, table, heat, states, seeds, fields, units, log, schedule, free, results
):
    """Check one unit at every tick; it reads what has arrived from the others.

    A unit sends its state when it changes, and at the first tick after a heartbeat of silence. The
    message is named by its tick. It is put into the bucket of the first tick at which it counts.
    A cue has settled when all units are known to rest, and neither the messages on their way nor a
    heartbeat will tell anything new.

    Parameters
    ----------
    memories, values, table, heat, states, seeds, fields, log, results
        As in `loops.one_by_one`.
    units : Units
        Working memory.
    schedule : Schedule
        The ticks, and when the messages that are sent at them arrive.
    free : int
        Units that have ticks: the others are clamped.
    """
    size, ticks = states.shape[1], len(schedule.unit)
    unit, time, arrival = schedule.unit, schedule.time, schedule.arrival
    columns, masks, even, sums = memories.columns, memories.masks, fields.even, fields.sums
    agree, banded = fields.agree, table.banded
    heartbeat, newest = schedule.heartbeat, schedule.newest
    answer, stamp, view, latest = units.answer, units.stamp, units.shown, units.latest
    sent_at, flying, sent = units.sent_at, units.flying, units.sent
    first, follow = units.first, units.follow
    logged = version = 0
    for b in range(len(states)):
        state, generator = states[b], seeds[b : b + 1]
        agreements(memories.bits, state, fields)
        choose_band(table, fields)
        for i in range(size):
            view[i], latest[i], sent_at[i] = state[i], -1, 0.0
            flying[i, 0] = flying[i, 1] = 0
        for tick in range(ticks):
            first[tick] = -1
        code, fresh, moved = SWEEP_LIMIT, 0, True
        travelling = outdated = differing = 0  # messages, outdated ones, and units seen wrongly
        checks = flips = 0
        for tick in range(ticks):
            k = first[tick]
            while k >= 0:
                j = unit[k]
                travelling -= 1
                outdated -= sent[k] != state[j]
                flying[j, int(sent[k] > 0)] -= 1
                if not (newest and k < latest[j]):
                    latest[j] = k
                    if view[j] != sent[k]:
                        view[j] = sent[k]
                        differing += 1 if view[j] != state[j] else -1
                        update_agreements(columns, j, view[j], agree)
                        moved = True
                k = follow[k]
            if moved:
                if banded:
                    choose_band(table, fields)
                update_fields(table, fields, heat)
                version, fresh, moved = version + 1, 0, False
            i = unit[tick]
            if stamp[i] != version:
                h = field(masks, i, view[i], even, sums)
                if heat is not None:
                    h = log_odds(columns, i, view[i], h, fields, values, heat)
                elif abs(h) <= sums[2]:
                    h = exact_sign(columns, i, view[i], fields, table)
                answer[i], stamp[i] = h, version
                fresh += 1
            if heat is None:
                new = next_state(answer[i], state[i])
            else:
                new = heated_state(answer[i], generator)
            sends = time[tick] - sent_at[i] >= heartbeat
            if new != state[i]:
                state[i], sends = new, True
                differing += 1 if view[i] != new else -1
                outdated += flying[i, int(new < 0)] - flying[i, int(new > 0)]
                flips += 1
                if logged < len(log):
                    log[logged, 0], log[logged, 1] = checks, i
                    logged += 1
            checks += 1
            if sends:
                sent_at[i], sent[tick] = time[tick], state[i]
                if arrival[tick] < np.inf:
                    travelling += 1
                    flying[i, int(sent[tick] > 0)] += 1
                    bucket = max(tick + 1, np.searchsorted(time, arrival[tick]))
                    if bucket < ticks:
                        _enqueue(first, follow, bucket, tick, arrival)
            elif (
                heat is None
                and fresh == free
                and outdated == 0
                and (differing == 0 or (travelling == 0 and heartbeat == np.inf))
            ):
                code = SETTLED
                break
        results[b, 0], results[b, 1] = code, code == SETTLED
        results[b, 2], results[b, 3] = checks, flips
