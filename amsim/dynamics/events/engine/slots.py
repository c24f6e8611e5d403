"""Noise in the state, slot by slot. Compiled.

In a slot of length h the noise is a constant input. It moves a state by what white or coloured
noise adds in so long to a unit with its leak, a normal number of known variance: at the ends of
slots the law is exact for any h. Levels are reached as under any other input.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ....compiled.bundle import bundle
from ....compiled.jit import compiled, inner
from ....compiled.normal import draw_row
from ....compiled.streams import mixed
from ....neurons import GROUPS
from ..layout.arrays import Floats, Ints
from .leak import find_crossings, rebase, sends_at_levels, shorten_wait
from .loop import run_events
from .state import BUSY, STOPPED
from .window_loop import run_windows


@bundle
class Slots(NamedTuple):
    """The noise of one cue with N units; coefficients have a row for each length of a slot."""

    begins: Floats  # (S + 1,) of the slots; infinity comes last
    rows: Ints  # (S,) of their coefficients
    keys: NDArray[np.uint64]  # (S,) of their random numbers
    place: NDArray[np.uint64]  # (1,) of the cue in the batch of the user
    root: Floats  # (N,) root of the temperature
    over: Floats  # input that moves the state by 1 within a slot; the others are those of `Path`
    kick: Floats
    carry: Floats
    swing: Floats
    fade: Floats
    fresh: Floats
    colour: Floats  # (N,) coloured noise now, (0,) if it is white
    push: Floats  # (N,) the input now
    change: Floats  # (N,) by which it has just changed
    farthest: Floats  # (N,) the largest so far
    number: Ints  # (1,) of the slot that begins next
    numbers: Floats  # (2, N) random ones, for the jolts and for the colour


@inner
def _jolt(slots, row, i):
    """What noise adds to unit i in a slot; coloured noise moves on."""
    root = slots.root[i]
    jolt = root * slots.kick[row, i] * slots.numbers[0, i]
    if len(slots.colour) > 0:
        now, rest = slots.colour[i], root * slots.numbers[1, i]
        slots.colour[i] = slots.fade[row, i] * now + slots.fresh[row, i] * rest
        jolt += slots.carry[row, i] * now + slots.swing[row, i] * rest
    return jolt


@inner
def _move_targets(layout, state, slots, p):
    """The targets of a population move with the noise."""
    population, t, largest = layout.populations[p], state.run[0].now, 0.0
    stop = min(population.stop, len(slots.root))  # normalisers have no noise
    for i in range(population.start, stop):
        largest = max(largest, abs(slots.change[i]))
    if largest == 0.0:
        return
    rebase(layout, state, p, t)
    elapsed = t - state.populations[p].base
    for i in range(population.start, stop):
        if slots.change[i] != 0.0:
            state.target[i] += slots.change[i]
            state.gap[i] += slots.change[i] * math.exp(elapsed * layout.units[i].rate)
    if sends_at_levels(layout, p):
        find_crossings(layout, state, p)
    elif population.kind in GROUPS and not layout.rules[0].clocked:
        shorten_wait(layout, state, p, t, largest)


@inner
def begin_slot(layout, state, slots):
    """Draw what noise adds in the slot that begins now."""
    number = slots.number[0]
    own, row = mixed(slots.keys[number], slots.place[0]), slots.rows[number]
    draw_row(own, 0, slots.numbers, 0)
    if len(slots.colour) > 0:
        draw_row(own, len(slots.root), slots.numbers, 1)
    for i in range(len(slots.root)):
        if slots.root[i] > 0.0:
            push = _jolt(slots, row, i) * slots.over[row, i]
            slots.change[i], slots.push[i] = push - slots.push[i], push
            slots.farthest[i] = max(slots.farthest[i], abs(push))
    for p in range(len(layout.populations)):
        _move_targets(layout, state, slots, p)
    state.run[0].steps += len(slots.root)
    slots.number[0] = number + 1


@compiled
def run_noisy_events(layout, state, slots, stop, effort):
    """Events up to time `stop` with noise, as `run_events`."""
    run, ended = state.run[0], STOPPED
    limit = run.operations + run.steps + effort
    while ended == STOPPED:
        begin = slots.begins[slots.number[0]]
        left = limit - run.operations - run.steps
        if left < 0 <= effort:
            return BUSY
        ended = run_events(layout, state, min(stop, begin), left)
        if ended == STOPPED:
            if begin > stop:
                return STOPPED
            begin_slot(layout, state, slots)
    return ended


@compiled
def run_noisy_windows(layout, state, windows, slots, stop, effort):
    """Events up to time `stop` with noise, as `run_windows`."""
    run, ended = state.run[0], STOPPED
    limit = run.operations + run.steps + effort
    while ended == STOPPED:
        begin = slots.begins[slots.number[0]]
        left = limit - run.operations - run.steps
        if left < 0 <= effort:
            return BUSY
        ended = run_windows(layout, state, windows, min(stop, begin), left)
        if ended == STOPPED:
            if begin > stop:
                return STOPPED
            begin_slot(layout, state, slots)
    return ended
