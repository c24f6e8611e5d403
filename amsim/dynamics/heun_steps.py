"""Steps of one length with noise, compiled: those of Heun, and those of Adams.

Every column obeys  dx = (-rate x + gain N(t, x)) dt + noise.  The decay is integrated exactly, with
the noise that it smooths. In a step of Heun the drive N changes linearly from its value at the
state to that at a prediction (Cox & Matthews 2002, ETD2RK, with additive noise). For rate 0 this is
the method of Heun, of weak order 2 for such noise (Kloeden & Platen 1992, section 15.1).

A step of Adams has one new drive, at the prediction. Its first drive is that at the prediction of
the step before; the prediction goes on with the slope of N in that step, and the correction takes
the parabola through all three. What is old in this differs from the drive at the state by a term of
order 3/2 in the step, whose mean is of order 2: that leaves the weak order at 2.
"""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..compiled.bundle import bundle
from ..compiled.jit import compiled, inner, inner_elementwise, inner_vectorised
from ..compiled.normal import draw_row
from ..compiled.streams import mixed
from ..neurons import ENTMAX, SOFTMAX
from .memory_force import entmax_force, local_force, softmax_force

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@bundle
class Path(NamedTuple):
    """Everything that moves, one row per cue; a column is a unit, or a part of the state of one."""

    x: Floats  # (B, M) state
    before: Floats  # (B, M) that at the beginning of the last step
    new: Floats  # (B, M) state proposed
    first: Floats  # (B, M) drive at the beginning
    second: Floats  # (B, M) drive at the prediction
    slope: Floats  # (B, M) change of the drive that the prediction goes on with, 0 for Heun
    bend: Floats  # (B, M) second difference of the drive in this step, 0 for Heun
    jolt: Floats  # (B, M) what noise adds in this step
    colour: Floats  # (B, M) coloured noise now, (B, 0) if it is white
    shade: Floats  # (B, M) coloured noise at the beginning of the last step
    root: Floats  # (B, M) root of the temperature, 0 for columns without noise
    held: NDArray[np.bool_]  # (B, M) columns that keep their value
    unit: NDArray[np.uint64]  # (M,) number of the unit that a column belongs to
    place: NDArray[np.uint64]  # (B,) of the cue in the batch of the user
    limit: Floats  # (B,) |x| beyond which a cue has diverged
    taken: Ints  # (B,) steps so far
    bent: Floats  # (B,) sum of the squares of what the bend has moved units with noise by
    jolted: Floats  # (B,) sum of the squares of their jolts
    within: Floats  # (B, M) what white noise has added up to the last look within a step
    numbers: Floats  # (2, N) random ones of all units, for the jolts and for the colour
    noisy: NDArray[np.bool_]  # (1,) whether there is any noise
    reuse: NDArray[np.bool_]  # (1,) whether the last drive serves the next step
    known: NDArray[np.bool_]  # (1,) whether there is one, of a step of this length
    decay: Floats  # (M,) what one step leaves of the state; this and the rest hold for its length
    whole: Floats  # (M,) change of the state by a constant drive of 1
    late: Floats  # (M,) that by a drive that rises from 0 to 1
    curve: Floats  # (M,) that by s (s - 1) / 2, s from 0 to 1
    kick: Floats  # (M,) standard deviation of the jolt at temperature 1, of what colour leaves
    carry: Floats  # (M,) change of the state by coloured noise that is 1 now
    swing: Floats  # (M,) part of the jolt that goes with the new coloured noise
    fade: Floats  # (M,) what one step leaves of the coloured noise
    fresh: Floats  # (M,) standard deviation of what comes to it, at temperature 1


@bundle
class Looks(NamedTuple):
    """Output times within steps of one length, and what is recorded there."""

    states: Floats  # (T, all cues, M)
    ahead: int  # cues before these
    step: Ints  # (T,) steps that are over before the one that a look lies in; -1 at the beginning
    share: Floats  # (T,) of that step, 1 at its end
    row: Ints  # (T,) of the coefficients, -1 at the end of a step
    table: Floats  # (7, C, L) coefficients of a look with white noise, see `_bridge`
    kind: Ints  # (M,) columns of the table
    now: Floats  # (7, M) the coefficients in use
    rate: Floats  # (M,) of the decay,
    gain: Floats  # (M,) and of the drive
    keys: NDArray[np.uint64]  # (T,) of the random numbers
    length: float  # of the steps
    next: Ints  # (1,) the look that comes next


# Loops over columns count in unsigned integers, see `adams`.


@inner_elementwise
def _white(path, b):
    """path.jolt of a cue by white noise."""
    for j in range(np.uint64(path.x.shape[1])):
        number = path.numbers[np.uint64(0), path.unit[j]]
        path.jolt[b, j] = path.root[b, j] * (path.kick[j] * number)


@inner_elementwise
def _coloured(path, b):
    """path.jolt of a cue by coloured noise, which moves on."""
    for j in range(np.uint64(path.x.shape[1])):
        root, now = path.root[b, j], path.colour[b, j]
        rest = root * path.numbers[np.uint64(1), path.unit[j]]
        jolt = root * (path.kick[j] * path.numbers[np.uint64(0), path.unit[j]])
        path.shade[b, j] = now
        path.colour[b, j] = path.fade[j] * now + path.fresh[j] * rest
        path.jolt[b, j] = path.carry[j] * now + path.swing[j] * rest + jolt


@inner
def _draw(path, key, b):
    """The jolts of a cue in the step that `key` stands for."""
    if not path.noisy[0]:
        return
    own = mixed(key, path.place[b])
    draw_row(own, 0, path.numbers, 0)
    if path.colour.shape[1] > 0:
        draw_row(own, path.numbers.shape[1], path.numbers, 1)
        _coloured(path, b)
    else:
        _white(path, b)


@inner
def _predict(path, key, b):
    """path.new of a cue, by the last drive, `second`, which becomes the first one."""
    _draw(path, key, b)
    known = path.known[0]
    for j in range(np.uint64(path.x.shape[1])):
        drive = path.second[b, j]
        slope = drive - path.first[b, j] if known else 0.0
        path.first[b, j], path.slope[b, j] = drive, slope
        new = path.decay[j] * path.x[b, j] + path.whole[j] * drive
        new = new + path.late[j] * slope + path.jolt[b, j]
        path.new[b, j] = path.x[b, j] if path.held[b, j] else new


@inner
def _move(path, b):
    """path.new of a cue by all drives; how many columns have diverged."""
    known, lost = path.known[0], 0
    for j in range(np.uint64(path.x.shape[1])):
        rest = path.second[b, j] - path.first[b, j] - path.slope[b, j]
        path.bend[b, j] = rest if known else 0.0
        new = path.new[b, j] + path.late[j] * rest + path.curve[j] * path.bend[b, j]
        path.new[b, j] = path.new[b, j] if path.held[b, j] else new
        lost += 0 if abs(path.new[b, j]) < path.limit[b] else 1
    return lost


@inner_elementwise
def _arrive(path, b):
    for j in range(np.uint64(path.x.shape[1])):
        path.before[b, j] = path.x[b, j]
        path.x[b, j] = path.new[b, j]


@inner_vectorised
def _measure(path, b):
    """Of the driven columns with noise: sums of the squares of what bend and jolt move.

    Steps that foresee no change of the drive bend by all of it.
    """
    bent = jolted = 0.0
    for j in range(np.uint64(path.x.shape[1])):
        counts = path.root[b, j] > 0.0 and path.first[b, j] != 0.0
        move = path.curve[j] * (path.second[b, j] - path.first[b, j] - path.slope[b, j])
        bent += move * move if counts else 0.0
        jolted += path.jolt[b, j] * path.jolt[b, j] if counts else 0.0
    return bent, jolted


@inner
def _correct(path, b):
    """Move a cue on, by all drives; False, and no move, where it has diverged."""
    if _move(path, b) > 0:
        return False
    _arrive(path, b)
    if path.known[0] or not path.reuse[0]:
        bent, jolted = _measure(path, b)
        path.bent[b] += bent
        path.jolted[b] += jolted
    path.taken[b] += 1
    return True


@inner_elementwise
def _hold(path, looks, n, b):
    """Record a cue as it is."""
    place = np.uint64(looks.ahead + b)
    for j in range(np.uint64(path.x.shape[1])):
        looks.states[n, place, j] = path.x[b, j]


@inner
def _take_coefficients(looks, row):
    for q in range(looks.now.shape[0]):
        for j in range(looks.now.shape[1]):
            looks.now[q, j] = looks.table[q, row, looks.kind[j]]


@inner_elementwise
def _bridge(path, looks, n, b):
    """Record a cue within its last step: white noise is drawn between what is known of it.

    That is what it had added at the last look in this step, and what it added in the whole step.
    """
    keep, pull, spread = np.uint64(0), np.uint64(1), np.uint64(2)
    decay, whole, rise, curve = np.uint64(3), np.uint64(4), np.uint64(5), np.uint64(6)
    place = np.uint64(looks.ahead + b)
    for j in range(np.uint64(path.x.shape[1])):
        number = path.numbers[np.uint64(0), path.unit[j]]
        known = looks.now[keep, j] * path.within[b, j] + looks.now[pull, j] * path.jolt[b, j]
        jolt = known + path.root[b, j] * (looks.now[spread, j] * number)
        path.within[b, j] = jolt
        first = path.first[b, j]
        smooth = looks.now[decay, j] * path.before[b, j] + looks.now[whole, j] * first
        smooth = smooth + looks.now[rise, j] * (path.second[b, j] - first)
        state = smooth + looks.now[curve, j] * path.bend[b, j] + jolt
        looks.states[n, place, j] = path.x[b, j] if path.held[b, j] else state


@inner_elementwise
def _cubic(path, looks, n, b):
    """Record a cue within its last step with coloured noise, on the cubic through both ends."""
    share, length, place = looks.share[n], looks.length, np.uint64(looks.ahead + b)
    for j in range(np.uint64(path.x.shape[1])):
        before, now, gain, rate = path.before[b, j], path.x[b, j], looks.gain[j], looks.rate[j]
        slope = gain * (path.first[b, j] + path.shade[b, j]) - rate * before
        to = gain * (path.second[b, j] + path.colour[b, j]) - rate * now
        way, left = now - before, 1.0 - share
        bends = left * (length * slope - way) + share * (way - length * to)
        state = before + share * way + share * left * bends
        looks.states[n, place, j] = now if path.held[b, j] else state


@inner
def _look_up_to(path, looks, step, cues, size):
    """Record what lies before the end of this step; the first `size` of the cues still run."""
    while looks.next[0] < len(looks.step) and looks.step[looks.next[0]] <= step:
        n = looks.next[0]
        looks.next[0] += 1
        for b in range(path.x.shape[0]):
            _hold(path, looks, n, b)
        row = looks.row[n]
        if row < 0:
            continue
        if path.colour.shape[1] > 0:
            for place in range(size):
                _cubic(path, looks, n, cues[place])
            continue
        _take_coefficients(looks, row)
        for place in range(size):
            b = cues[place]
            if path.noisy[0]:
                draw_row(mixed(looks.keys[n], path.place[b]), 0, path.numbers, 0)
            _bridge(path, looks, n, b)


@compiled
def look(path, looks, step, cues, size):
    """As `_look_up_to`, for callers from Python."""
    _look_up_to(path, looks, step, cues, size)


@compiled
def predict(path, key, cues, size):
    """Propose the state at the end of a step for the first `size` of the cues."""
    for place in range(size):
        _predict(path, key, cues[place])


@compiled
def correct(path, cues, size):
    """End the step; those that go on come first in `cues`, and their number is returned."""
    return _correct_all(path, cues, size)


@inner
def _correct_all(path, cues, size):
    left = 0
    for place in range(size):
        b = cues[place]
        if _correct(path, b):
            cues[left] = b
            left += 1
    path.known[0] = path.reuse[0]
    return left


# Memories on Identity features: columns are the features v, where memories have a tau their
# followers y, and what memories have beside Xi y + b; see `two_layer`.


@inner_elementwise
def _show(state, b, memories, steps):
    """Put the state of a cue where the compiled drive reads it."""
    seen = np.uint64(steps.new.shape[1])
    for j in range(seen):
        steps.new[b, j] = state[b, j]
    for k in range(np.uint64(memories.offset.shape[1])):
        memories.offset[b, k] = state[b, seen + k]


@inner_elementwise
def _take(state, drive, b, work):
    """Keep the drive of a cue; followers are driven by the features, the rest by noise alone."""
    units = np.uint64(work.drive.shape[1])
    for j in range(units):
        drive[b, j] = work.drive[b, j]
    if state.shape[1] > units:
        for j in range(units):
            drive[b, units + j] = state[b, j]


# One loop for every kind of memory units, so that none compiles the code of the others.


@compiled
def softmax_walk(path, keys, done, looks, memories, steps, work, cues, size):
    """Steps for memory units that share a softmax; how many cues go on.

    Parameters
    ----------
    path : Path
    keys : uint64 (S,)
        Of the random numbers of each step.
    done : int
        Steps of this length before.
    looks : Looks
    memories, steps, work : Memories, Steps, Work
        Of the compiled drive, which reads `steps.new` and writes `work.drive`.
    cues, size : int64 (B,), int
        The first `size` of these run.
    """
    for s in range(len(keys)):
        if not path.known[0]:
            for place in range(size):
                _show(path.x, cues[place], memories, steps)
            softmax_force(memories, steps, cues, size, work)
            for place in range(size):
                _take(path.x, path.second, cues[place], work)
        for place in range(size):
            _predict(path, keys[s], cues[place])
            _show(path.new, cues[place], memories, steps)
        softmax_force(memories, steps, cues, size, work)
        for place in range(size):
            _take(path.new, path.second, cues[place], work)
        size = _correct_all(path, cues, size)
        _look_up_to(path, looks, done + s, cues, size)
        if size == 0:
            break
    return size


@compiled
def entmax_walk(path, keys, done, looks, memories, steps, work, cues, size):
    """Steps for memory units that share a threshold; how many cues go on.

    Parameters
    ----------
    path : Path
    keys : uint64 (S,)
        Of the random numbers of each step.
    done : int
        Steps of this length before.
    looks : Looks
    memories, steps, work : Memories, Steps, Work
        Of the compiled drive, which reads `steps.new` and writes `work.drive`.
    cues, size : int64 (B,), int
        The first `size` of these run.
    """
    for s in range(len(keys)):
        if not path.known[0]:
            for place in range(size):
                _show(path.x, cues[place], memories, steps)
            entmax_force(memories, steps, cues, size, work)
            for place in range(size):
                _take(path.x, path.second, cues[place], work)
        for place in range(size):
            _predict(path, keys[s], cues[place])
            _show(path.new, cues[place], memories, steps)
        entmax_force(memories, steps, cues, size, work)
        for place in range(size):
            _take(path.new, path.second, cues[place], work)
        size = _correct_all(path, cues, size)
        _look_up_to(path, looks, done + s, cues, size)
        if size == 0:
            break
    return size


@compiled
def local_walk(path, keys, done, looks, memories, steps, work, cues, size):
    """Steps for memory units with an output of their own each; how many cues go on.

    Parameters
    ----------
    path : Path
    keys : uint64 (S,)
        Of the random numbers of each step.
    done : int
        Steps of this length before.
    looks : Looks
    memories, steps, work : Memories, Steps, Work
        Of the compiled drive, which reads `steps.new` and writes `work.drive`.
    cues, size : int64 (B,), int
        The first `size` of these run.
    """
    for s in range(len(keys)):
        if not path.known[0]:
            for place in range(size):
                _show(path.x, cues[place], memories, steps)
            local_force(memories, steps, cues, size, work)
            for place in range(size):
                _take(path.x, path.second, cues[place], work)
        for place in range(size):
            _predict(path, keys[s], cues[place])
            _show(path.new, cues[place], memories, steps)
        local_force(memories, steps, cues, size, work)
        for place in range(size):
            _take(path.new, path.second, cues[place], work)
        size = _correct_all(path, cues, size)
        _look_up_to(path, looks, done + s, cues, size)
        if size == 0:
            break
    return size


def walk_of(kind: int) -> Any:
    """The compiled loop for memory units of a kind."""
    return {SOFTMAX: softmax_walk, ENTMAX: entmax_walk}.get(kind, local_walk)
