"""Exponential Heun steps with noise, compiled.

Every column obeys  dx = (-rate x + gain N(t, x)) dt + noise.  The decay is integrated exactly, with
the noise that it smooths, and the drive N is taken to change linearly from its value at the state
to that at a prediction (Cox & Matthews 2002, ETD2RK, with additive noise). For rate 0 this is the
method of Heun, of weak order 2 for such noise (Kloeden & Platen 1992, section 15.1).
"""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..compiled.bundle import bundle
from ..compiled.jit import compiled, inner
from ..compiled.normal import normal
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
    jolt: Floats  # (B, M) what noise adds in this step
    colour: Floats  # (B, M) coloured noise now, (B, 0) if it is white
    shade: Floats  # (B, M) coloured noise at the beginning of the last step
    root: Floats  # (B, M) root of the temperature, 0 for columns without noise
    held: NDArray[np.bool_]  # (B, M) columns that keep their value
    unit: NDArray[np.uint64]  # (M,) number of the unit that a column belongs to
    place: NDArray[np.uint64]  # (B,) of the cue in the batch of the user
    limit: Floats  # (B,) |x| beyond which a cue has diverged
    taken: Ints  # (B,) steps so far
    decay: Floats  # (M,) what one step leaves of the state; this and the rest hold for its length
    whole: Floats  # (M,) change of the state by a constant drive of 1
    late: Floats  # (M,) that by a drive that rises from 0 to 1
    kick: Floats  # (M,) standard deviation of the jolt at temperature 1, of what colour leaves
    carry: Floats  # (M,) change of the state by coloured noise that is 1 now
    swing: Floats  # (M,) part of the jolt that goes with the new coloured noise
    fade: Floats  # (M,) what one step leaves of the coloured noise
    fresh: Floats  # (M,) standard deviation of what comes to it, at temperature 1


@inner
def _draw(path, key, b):
    """The jolts of a cue in the step that `key` stands for; the coloured noise moves on."""
    own, width = mixed(key, path.place[b]), path.x.shape[1]
    coloured = path.colour.shape[1] > 0
    for j in range(width):
        root = path.root[b, j]
        if root == 0.0:
            path.jolt[b, j] = 0.0
            continue
        jolt = path.kick[j] * normal(own, np.uint64(2) * path.unit[j])
        if coloured:
            now = path.shade[b, j] = path.colour[b, j]
            rest = root * normal(own, np.uint64(2) * path.unit[j] + np.uint64(1))
            path.colour[b, j] = path.fade[j] * now + path.fresh[j] * rest
            path.jolt[b, j] = path.carry[j] * now + path.swing[j] * rest + root * jolt
        else:
            path.jolt[b, j] = root * jolt


@inner
def _predict(path, key, b):
    """path.new of a cue, by the drive `first`."""
    _draw(path, key, b)
    for j in range(path.x.shape[1]):
        new = path.decay[j] * path.x[b, j] + path.whole[j] * path.first[b, j] + path.jolt[b, j]
        path.new[b, j] = path.x[b, j] if path.held[b, j] else new


@inner
def _correct(path, b):
    """Move a cue on, by both drives; False, and no move, where it has diverged."""
    for j in range(path.x.shape[1]):
        if not path.held[b, j]:
            path.new[b, j] += path.late[j] * (path.second[b, j] - path.first[b, j])
        if not abs(path.new[b, j]) < path.limit[b]:
            return False
    for j in range(path.x.shape[1]):
        path.before[b, j] = path.x[b, j]
        path.x[b, j] = path.new[b, j]
    path.taken[b] += 1
    return True


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
    return left


# Memories on Identity features: columns are the features v, where memories have a tau their
# followers y, and what memories have beside Xi y + b; see `two_layer`.


@inner
def _show(state, b, memories, steps):
    """Put the state of a cue where the compiled drive reads it."""
    seen = steps.new.shape[1]
    for j in range(seen):
        steps.new[b, j] = state[b, j]
    for k in range(memories.offset.shape[1]):
        memories.offset[b, k] = state[b, seen + k]


@inner
def _take(state, drive, b, work):
    """Keep the drive of a cue; followers are driven by the features, the rest by noise alone."""
    units = work.drive.shape[1]
    for j in range(units):
        drive[b, j] = work.drive[b, j]
    if state.shape[1] > units:
        for j in range(units):
            drive[b, units + j] = state[b, j]


# One loop for every kind of memory units, so that none compiles the code of the others.


@compiled
def softmax_walk(path, keys, memories, steps, work, cues, size):
    """Steps for memory units that share a softmax; how many cues go on.

    Parameters
    ----------
    path : Path
    keys : uint64 (S,)
        Of the random numbers of each step.
    memories, steps, work : Memories, Steps, Work
        Of the compiled drive, which reads `steps.new` and writes `work.drive`.
    cues, size : int64 (B,), int
        The first `size` of these run.
    """
    for s in range(len(keys)):
        for place in range(size):
            _show(path.x, cues[place], memories, steps)
        softmax_force(memories, steps, cues, size, work)
        for place in range(size):
            _take(path.x, path.first, cues[place], work)
            _predict(path, keys[s], cues[place])
            _show(path.new, cues[place], memories, steps)
        softmax_force(memories, steps, cues, size, work)
        for place in range(size):
            _take(path.new, path.second, cues[place], work)
        size = _correct_all(path, cues, size)
        if size == 0:
            break
    return size


@compiled
def entmax_walk(path, keys, memories, steps, work, cues, size):
    """Steps for memory units that share a threshold; how many cues go on.

    Parameters
    ----------
    path : Path
    keys : uint64 (S,)
        Of the random numbers of each step.
    memories, steps, work : Memories, Steps, Work
        Of the compiled drive, which reads `steps.new` and writes `work.drive`.
    cues, size : int64 (B,), int
        The first `size` of these run.
    """
    for s in range(len(keys)):
        for place in range(size):
            _show(path.x, cues[place], memories, steps)
        entmax_force(memories, steps, cues, size, work)
        for place in range(size):
            _take(path.x, path.first, cues[place], work)
            _predict(path, keys[s], cues[place])
            _show(path.new, cues[place], memories, steps)
        entmax_force(memories, steps, cues, size, work)
        for place in range(size):
            _take(path.new, path.second, cues[place], work)
        size = _correct_all(path, cues, size)
        if size == 0:
            break
    return size


@compiled
def local_walk(path, keys, memories, steps, work, cues, size):
    """Steps for memory units with an output of their own each; how many cues go on.

    Parameters
    ----------
    path : Path
    keys : uint64 (S,)
        Of the random numbers of each step.
    memories, steps, work : Memories, Steps, Work
        Of the compiled drive, which reads `steps.new` and writes `work.drive`.
    cues, size : int64 (B,), int
        The first `size` of these run.
    """
    for s in range(len(keys)):
        for place in range(size):
            _show(path.x, cues[place], memories, steps)
        local_force(memories, steps, cues, size, work)
        for place in range(size):
            _take(path.x, path.first, cues[place], work)
            _predict(path, keys[s], cues[place])
            _show(path.new, cues[place], memories, steps)
        local_force(memories, steps, cues, size, work)
        for place in range(size):
            _take(path.new, path.second, cues[place], work)
        size = _correct_all(path, cues, size)
        if size == 0:
            break
    return size


def walk_of(kind: int) -> Any:
    """The compiled loop for memory units of a kind."""
    return {SOFTMAX: softmax_walk, ENTMAX: entmax_walk}.get(kind, local_walk)
