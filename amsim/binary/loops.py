"""Compiled update loops of binary recall: one unit after another, or all at once."""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..compiled.bundle import bundle
from ..compiled.jit import compiled, inlined
from .energies import Floats
from .kernels import (
    agreements,
    choose_band,
    exact_sign,
    field,
    heated_state,
    log_odds,
    next_state,
    uniform,
    update_agreements,
    update_fields,
)

SETTLED, CYCLE, SWEEP_LIMIT = range(3)


@bundle
class Units(NamedTuple):
    """Working memory of `one_by_one` for D units."""

    answer: Floats  # (D,) the fields last worked out,
    stamp: NDArray[np.int64]  # (D,) and when that was, by a count of changes
    shown: NDArray[np.int8]  # (D,) what the others read
    turns: NDArray[np.int64]  # (N,) the units of a sweep
    pending: NDArray[np.int64]  # (staleness,) units whose flips nobody sees yet


def new_units(size: int, count: int, staleness: int) -> Units:
    """Room for `size` units, `count` of them in a sweep."""
    return Units(
        np.empty(size), np.zeros(size, np.int64), np.empty(size, np.int8),
        np.empty(count, np.int64), np.empty(max(staleness, 1), np.int64),
    )  # fmt: skip


@inlined
def _same_window(history, t, kept, kept_at):
    """Whether the last states, newest first, are those of an earlier time."""
    depth, same = len(history), True
    for j in range(depth):
        new, old = history[(t - j) % depth], kept[(kept_at - j) % depth]
        for i in range(len(new)):
            same &= new[i] == old[i]
    return same


@inlined
def _shuffle(order, generator):
    for k in range(len(order) - 1, 0, -1):
        j = np.int64(uniform(generator) * (k + 1))
        order[k], order[j] = order[j], order[k]


@compiled
def one_by_one(memories, values, table, heat, states, seeds, fields, units, staleness, sweeps, log,
               order, random, results):  # fmt: skip
    """Check one unit after another.

    What a unit would do is known until something changes that it reads; once all are known to rest,
    the cue has settled.

    Parameters
    ----------
    memories : Memories
    values, table : Table
        Of F, and of the fields of the rule, over agreeing units.
    heat : Heat or None
        None decides by the sign of the field.
    states : int8 (B, D)
        The cues; become the final states.
    seeds : uint64 (B,)
        Of each cue's random numbers; change.
    fields : Fields
        Working memory, as are the units.
    units : Units
    staleness : int
        A check reads the other units as they were so many checks ago.
    sweeps : int
        The most that a cue gets.
    log : int64 (F, 2)
        Becomes check and unit of the first F flips.
    order : int64 (N,)
        Units to check in a sweep.
    random : bool
        Whether every sweep has an order of its own.
    results : int64 (B, 4)
        Become code, period, checks and flips of each cue.
    """
    # Taking arrays out of tuples costs more than a check: once is enough.
    columns, masks, even, sums = memories.columns, memories.masks, fields.even, fields.sums
    agree, banded = fields.agree, table.banded
    answer, stamp, view = units.answer, units.stamp, units.shown
    turns, pending = units.turns, units.pending
    size, needed, logged, version = states.shape[1], 0, 0, 1
    for i in order:  # each once, however often it is named
        needed += stamp[i] == 0
        stamp[i] = -1
    for b in range(len(states)):
        state, generator = states[b], seeds[b : b + 1]
        agreements(memories.bits, state, fields)
        choose_band(table, fields)
        for i in range(size):
            view[i] = state[i]
        for k in range(len(order)):
            turns[k] = order[k]
        for k in range(len(pending)):
            pending[k] = -1
        code, fresh, moved, waiting, checks, flips = SWEEP_LIMIT, 0, True, 0, 0, 0
        for _ in range(sweeps):
            if random:
                _shuffle(turns, generator)
            for i in turns:
                if moved:
                    if banded:
                        choose_band(table, fields)
                    update_fields(table, fields, heat)
                    version, fresh, moved = version + 1, 0, False
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
                seen = -1  # the unit whose flip becomes visible after this check
                if new != state[i]:
                    seen, state[i] = i, new
                    if logged < len(log):
                        log[logged, 0], log[logged, 1] = checks, i
                        logged += 1
                    flips += 1
                    waiting += 1
                if staleness > 0:
                    seen, pending[checks % staleness] = pending[checks % staleness], seen
                if seen >= 0:
                    view[seen] = -view[seen]
                    update_agreements(columns, seen, view[seen], agree)
                    waiting -= 1
                    moved = True
                checks += 1
                if heat is None and fresh == needed and waiting == 0 and not moved:
                    code = SETTLED
                    break
            if code == SETTLED:
                break
        results[b, 0], results[b, 1] = code, code == SETTLED
        results[b, 2], results[b, 3] = checks, flips


@compiled
def all_at_once(memories, values, table, heat, states, seeds, fields, past, staleness, sweeps, log,
                units, results):  # fmt: skip
    """Check all units in every sweep against the state of `staleness` sweeps ago.

    Ends when the last states are equal (settled) or equal to as many earlier ones (a cycle). The
    earlier ones are kept from sweep 1, 2, 4, 8, ... (Brent 1980), so that any period is found.

    Parameters
    ----------
    memories, values, table, heat, states, seeds, fields, log, results
        As in `one_by_one`.
    past : int8 (2, staleness + 1, D)
        Working memory.
    staleness : int
        In sweeps.
    sweeps : int
        The most that a cue gets.
    units : int64 (N,)
        Those that may change.
    """
    size, depth = states.shape[1], staleness + 1
    columns, masks, even, sums = memories.columns, memories.masks, fields.even, fields.sums
    history, kept = past[0], past[1]
    logged = 0
    for b in range(len(states)):
        state, generator = states[b], seeds[b : b + 1]
        for j in range(depth):
            for i in range(size):  # numba needs seconds to compile an assignment of slices
                history[j, i] = kept[j, i] = state[i]
        kept_at, keep_next = 0, 1
        code, period, sweep = SWEEP_LIMIT, 0, 0
        flips, quiet = 0, staleness  # before the first sweep nothing moved
        while code == SWEEP_LIMIT and sweep < sweeps:
            sweep += 1
            view = history[sweep % depth]  # the oldest; it is overwritten once it was read
            agreements(memories.bits, view, fields)
            if table.banded or sweep == 1:
                choose_band(table, fields)
            update_fields(table, fields, heat)
            before = flips
            for k in range(len(units)):
                i = units[k]
                h = field(masks, i, view[i], even, sums)
                if heat is not None:
                    odds = log_odds(columns, i, view[i], h, fields, values, heat)
                    new = heated_state(odds, generator)
                else:
                    if abs(h) <= sums[2]:
                        h = exact_sign(columns, i, view[i], fields, table)
                    new = next_state(h, state[i])
                if new != state[i]:
                    state[i] = new
                    if logged < len(log):
                        log[logged, 0], log[logged, 1] = (sweep - 1) * len(units) + k, i
                        logged += 1
                    flips += 1
            for i in range(size):
                view[i] = state[i]
            if heat is not None:
                continue
            quiet = quiet + 1 if flips == before else 0
            if quiet == depth:
                code, period = SETTLED, 1
            elif _same_window(history, sweep, kept, kept_at):
                code, period = CYCLE, sweep - kept_at
            elif sweep == keep_next:
                for j in range(depth):
                    for i in range(size):
                        kept[j, i] = history[j, i]
                kept_at, keep_next = sweep, 2 * sweep
        results[b, 0], results[b, 1] = code, period
        results[b, 2], results[b, 3] = sweep * len(units), flips
