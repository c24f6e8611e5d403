"""Compiled update loops of binary recall: one unit after another, or all at once."""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import numpy as np

from ..compiled.jit import allocating, inlined
from .kernels import (
    agreements,
    choose_band,
    exact_sign,
    field,
    heated_state,
    log_odds,
    new_fields,
    next_state,
    uniform,
    update_agreements,
    update_fields,
)

SETTLED, CYCLE, SWEEP_LIMIT = range(3)


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


@allocating
def one_by_one(memories, values, table, heat, states, seeds, agree, staleness, sweeps, log,
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
    agree : uint16 (K,)
        Working memory.
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
    size = states.shape[1]
    fields = new_fields(len(agree), size)
    # Taking arrays out of tuples costs more than a check: once is enough.
    columns, masks, even, both = memories.columns, memories.masks, fields.even, fields.both
    pairs, sums = fields.table, fields.sums
    listed = np.zeros(size, np.bool_)
    for i in order:
        listed[i] = True
    needed = listed.sum()
    answer, stamp, view = np.empty(size), np.full(size, -1), np.empty(size, np.int8)
    pending, units = np.empty(max(staleness, 1), np.int64), order.copy()
    logged = version = 0
    for b in range(len(states)):
        state, generator = states[b], seeds[b : b + 1]
        agreements(memories.bits, state, agree)
        choose_band(table, agree, fields)
        for i in range(size):
            view[i] = state[i]
        for k in range(len(order)):
            units[k] = order[k]
        pending.fill(-1)
        code, fresh, moved, waiting, checks, flips = SWEEP_LIMIT, 0, True, 0, 0, 0
        for _ in range(sweeps):
            if random:
                _shuffle(units, generator)
            for i in units:
                if moved:
                    if table.banded:
                        choose_band(table, agree, fields)
                    update_fields(agree, pairs, both, even, sums)
                    version, fresh, moved = version + 1, 0, False
                if stamp[i] != version:
                    h = field(masks, i, view[i], even, sums)
                    if heat is not None:
                        h = log_odds(columns, i, view[i], h, agree, values, heat, sums)
                    elif abs(h) <= sums[2]:
                        h = exact_sign(columns, i, view[i], agree, table)
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


@allocating
def all_at_once(memories, values, table, heat, states, seeds, agree, staleness, sweeps, log,
                units, results):  # fmt: skip
    """Check all units in every sweep against the state of `staleness` sweeps ago.

    Ends when the last states are equal (settled) or equal to as many earlier ones (a cycle). The
    earlier ones are kept from sweep 1, 2, 4, 8, ... (Brent 1980), so that any period is found.

    Parameters
    ----------
    memories, values, table, heat, states, seeds, agree, log, results
        As in `one_by_one`.
    staleness : int
        In sweeps.
    sweeps : int
        The most that a cue gets.
    units : int64 (N,)
        Those that may change.
    """
    size, depth = states.shape[1], staleness + 1
    fields = new_fields(len(agree), size)
    columns, masks, even, both = memories.columns, memories.masks, fields.even, fields.both
    pairs, sums = fields.table, fields.sums
    history = np.empty((depth, size), np.int8)
    logged = 0
    for b in range(len(states)):
        state, generator = states[b], seeds[b : b + 1]
        for j in range(depth):
            for i in range(size):  # numba needs seconds to compile an assignment of slices
                history[j, i] = state[i]
        kept, kept_at, keep_next = history.copy(), 0, 1
        code, period, sweep = SWEEP_LIMIT, 0, 0
        flips, quiet = 0, staleness  # before the first sweep nothing moved
        while code == SWEEP_LIMIT and sweep < sweeps:
            sweep += 1
            view = history[sweep % depth]  # the oldest; it is overwritten once it was read
            agreements(memories.bits, view, agree)
            if table.banded or sweep == 1:
                choose_band(table, agree, fields)
            update_fields(agree, pairs, both, even, sums)
            before = flips
            for k in range(len(units)):
                i = units[k]
                h = field(masks, i, view[i], even, sums)
                if heat is not None:
                    odds = log_odds(columns, i, view[i], h, agree, values, heat, sums)
                    new = heated_state(odds, generator)
                else:
                    if abs(h) <= sums[2]:
                        h = exact_sign(columns, i, view[i], agree, table)
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
                kept, kept_at, keep_next = history.copy(), sweep, 2 * sweep
        results[b, 0], results[b, 1] = code, period
        results[b, 2], results[b, 3] = sweep * len(units), flips
