"""The drive of features by their memories, M(y) = Xi^T f(Xi y + b), in one compiled pass.

A block of memories is read once for both products, unless directed synapses have other weights for
the second. Integer memories are read as int8. Products may
be float32; states, times, normalisers and sums over blocks of memories are float64.
"""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..compiled.bundle import bundle
from ..compiled.jit import compiled, inner, inner_elementwise, inner_vectorised
from ..compiled.neurons import activation, share, threshold
from ..compiled.products import (
    ROWS,
    TOGETHER,
    products_of_group,
    products_of_one,
    sum_of_group,
    sum_of_one,
)
from ..compiled.vectors import exponential, larger
from ..neurons import ENTMAX, SOFTMAX
from .adams import NONE, QUIET, Floats, finish_running, predict_running

BLOCK = 64  # memories per block: their rows stay in the cache between both products


@bundle
class Memories(NamedTuple):
    """What the drive is made of."""

    weights: NDArray[Any]  # (K, W) int8, float32 or float64; W = D, or more with zeros behind
    back: NDArray[Any]  # (K, W) of their type, weights onto the features; (0, W) if they are those
    bias: Floats  # (K,)
    kind: int  # of `neurons`
    parameter: float  # beta, or the exponent of a rectified power
    alpha: float  # of a group
    skip: float  # softmax weights below this share of the largest are zero
    rate: float  # 1 / tau of the memory units, 0 where they are algebraic
    offset: Floats  # (B, K) what decays at that rate in their state, (B, 0) for nothing
    external: Floats  # (B, D) input of the features; of those that are clamped their value
    clamped: NDArray[np.bool_]  # (B, D) features that keep their value, (B, 0) for none


@bundle
class Work(NamedTuple):
    """Working memory; the first six have the precision of the products.

    Running cues have a place in the order that they are listed in, and in a group of four a line.
    """

    query: NDArray[Any]  # (B or more, W) by place, whole groups
    block: NDArray[Any]  # (BLOCK, W) memories as floats, (0, W) if they are of that type
    back: NDArray[Any]  # likewise of the weights onto the features, (0, W) if there are none
    logits: NDArray[Any]  # (TOGETHER, BLOCK or more) by line
    shares: NDArray[Any]  # (TOGETHER, BLOCK) activations, 0 for rows that do not count
    sums: NDArray[Any]  # (TOGETHER, W)
    states: Floats  # (TOGETHER, K) of groups whose threshold comes before any output; else (., 0)
    every: NDArray[np.int64]  # (BLOCK,) 0, 1, 2, ...
    rows: NDArray[np.int64]  # (BLOCK,) those that count
    peak: Floats  # (B,) largest logit so far, by place
    total: Floats  # (B,) normaliser so far, by place
    level: Floats  # (TOGETHER,) threshold of a group of units, by line
    decay: Floats  # (B,) e^(-t / tau) of the offset
    drive: Floats  # (B, D)


def new_work(memories: Memories, precision: type, drive: Floats) -> Work:
    """Working memory for products in float32 or float64, whose results stand in `drive`."""
    batch, weights = len(drive), memories.weights
    count, width = weights.shape
    copied = weights.dtype != precision
    whole = count if memories.kind == ENTMAX else 0
    return Work(
        query=np.zeros((-(-batch // TOGETHER) * TOGETHER, width), precision),
        block=np.zeros((BLOCK if copied else 0, width), precision),
        back=np.zeros((BLOCK if copied and len(memories.back) else 0, width), precision),
        logits=np.zeros((TOGETHER, BLOCK + ROWS), precision),
        shares=np.zeros((TOGETHER, BLOCK), precision),
        sums=np.zeros((TOGETHER, width), precision),
        states=np.zeros((TOGETHER, whole)),
        every=np.arange(BLOCK),
        rows=np.zeros(BLOCK, np.int64),
        peak=np.zeros(batch),
        total=np.zeros(batch),
        level=np.zeros(TOGETHER),
        decay=np.zeros(batch),
        drive=drive,
    )


# Loops over entries that stand side by side. They count in unsigned integers, see `adams`.


@inner_elementwise
def _copy(weights, first, count, block):
    """block[i] = weights[first + i]."""
    for i in range(np.uint64(count)):
        for j in range(np.uint64(block.shape[1])):
            block[i, j] = weights[np.uint64(first) + i, j]


@inner
def _fetch(memories, first, count, work):
    """Copy one block of memories, for a group of cues."""
    _copy(memories.weights, first, min(count, len(work.block)), work.block)
    _copy(memories.back, first, min(count, len(work.back)), work.back)


@inner_elementwise
def _ask(state, b, shift, query, place):
    """query[place] = state[b, shift:]."""
    ahead = np.uint64(shift)
    for j in range(np.uint64(state.shape[1]) - ahead):
        query[place, j] = state[b, ahead + j]


@inner_elementwise
def _add(values, line, out, b):
    """out[b] += values[line]."""
    for j in range(np.uint64(out.shape[1])):
        out[b, j] += values[line, j]


@inner_elementwise
def _scale(out, b, factor):
    """out[b] *= factor."""
    for j in range(np.uint64(out.shape[1])):
        out[b, j] *= factor


@inner_elementwise
def _shift(logits, line, count, values, first, factor):
    """logits[line, i] += factor values[first + i]."""
    for i in range(np.uint64(count)):
        logits[line, i] += factor * values[np.uint64(first) + i]


@inner_vectorised
def _multiply(logits, line, count, beta):
    """logits[line] *= beta; their largest, and their sum, which a NaN does not leave finite."""
    kind = logits.dtype.type
    scale, largest, total = kind(beta), kind(-np.inf), kind(0)
    for i in range(np.uint64(count)):
        value = scale * logits[line, i]
        logits[line, i] = value
        total += value
        largest = larger(largest, value)
    return largest, total


@inner_elementwise
def _exponentials(logits, line, count, peak, shares):
    """shares[line] = exp(logits[line] - peak)."""
    for i in range(np.uint64(count)):
        shares[line, i] = exponential(logits[line, i] - peak)


@inner_vectorised
def _leave_out(shares, line, count, skip):
    """Set shares that are not larger than `skip` to 0; the sum before, and how many stay."""
    kind = shares.dtype.type
    least, none, one, total, used = kind(skip), kind(0), kind(1), kind(0), kind(0)
    for i in range(np.uint64(count)):
        value = shares[line, i]
        stays = value > least
        total += value
        shares[line, i] = value if stays else none
        used += one if stays else none
    return total, np.int64(used)


@inner
def _list(shares, line, count, rows):
    """Put the rows whose shares are not 0 into `rows`; their number."""
    used = np.uint64(0)
    for i in range(np.uint64(count)):  # without a branch, which would often be guessed wrong
        rows[used] = i
        used += np.uint64(shares[line, i] != 0.0)
    return np.int64(used)


@inner
def _softmax_block(memories, count, line, place, b, work):
    """Turn one block of logits into shares, and fold them into peak and total; how many count."""
    peak, drive = work.peak, work.drive
    largest, shown = _multiply(work.logits, line, count, memories.parameter)
    if largest > peak[place]:
        factor = math.exp(peak[place] - largest)
        work.total[place] *= factor
        _scale(drive, b, factor)
        peak[place] = largest
    _exponentials(work.logits, line, count, work.logits.dtype.type(peak[place]), work.shares)
    total, used = _leave_out(work.shares, line, count, memories.skip)
    # The sum is 0 in place of NaN where a logit is: vector maxima and exponentials do not keep it.
    work.total[place] += total if math.isfinite(shown) else np.nan
    return used


@inner
def _local_block(memories, count, line, work):
    """Turn one block of states of separable memory units into outputs; how many count."""
    used = 0
    for i in range(count):
        output = activation(memories.kind, memories.parameter, np.float64(work.logits[line, i]))
        work.shares[line, i] = output
        if output != 0.0:
            used += 1
    return used


@inner
def _states(memories, first, count, cues, size, start, work):
    """States h of one block of memory units, for the group of cues that begins at `start`.

    Parameters
    ----------
    memories : Memories
    first, count : int
        The block: its first memory, and how many.
    cues, size : int64 (C,), int
        The first `size` of these run.
    start : int
        Place of the first cue of the group.
    work : Work
    """
    weights, offset, logits = memories.weights, memories.offset, work.logits
    if size == 1:
        products_of_one(weights, first, work.block, count, work.query, start, logits)
    else:
        products_of_group(weights, first, work.block, count, work.query, start, logits)
    for line in range(min(TOGETHER, size - start)):
        b = cues[start + line]
        _shift(logits, line, count, memories.bias, first, 1.0)
        if offset.shape[1] > 0:
            _shift(logits, line, count, offset[b], first, work.decay[b])


@inner
def _add_block(memories, first, count, cues, size, start, used, work):
    """Add the memories of a block, by their shares, to the drives of a group of cues.

    `used` counts the shares that are not 0. Left out or not, these change no bit.

    Parameters
    ----------
    memories : Memories
    first, count : int
        The block: its first memory, and how many.
    cues, size : int64 (C,), int
        The first `size` of these run.
    start : int
        Place of the first cue of the group.
    used : int
    work : Work
    """
    weights, block, shares, sums = memories.weights, work.block, work.shares, work.sums
    if len(memories.back) > 0:
        weights, block = memories.back, work.back
    together = size > 1 and used > count
    if together:
        sum_of_group(weights, first, block, work.every, count, shares, 0, sums)
    lines = min(TOGETHER, size - start)
    rows, some = work.every, count
    for line in range(lines):
        if not together:
            if used < lines * count:
                rows, some = work.rows, _list(shares, line, count, work.rows)
            if some == 0:
                continue
            sum_of_one(weights, first, block, rows, some, shares, line, sums)
        _add(sums, line, work.drive, cues[start + line])


@inner
def _begin(memories, steps, cues, size, work):
    """Ask for the drive of the listed cues at steps.new: the features, or followers if any."""
    state = steps.new
    seen = state.shape[1] - memories.external.shape[1]  # 0: algebraic memories see the features
    for place in range(size):
        b = cues[place]
        work.decay[b] = math.exp(-memories.rate * steps.cues[b].time)
        _ask(state, b, seen, work.query, place)
        work.peak[place], work.total[place] = -np.inf, 0.0
        for j in range(work.drive.shape[1]):
            work.drive[b, j] = 0.0


@inner
def _end(memories, steps, cues, size, work):
    """Add what drives the features besides."""
    state, external, clamped = steps.new, memories.external, memories.clamped
    for place in range(size):
        b = cues[place]
        _add(external, b, work.drive, b)
        for j in range(clamped.shape[1]):
            if clamped[b, j]:  # not the drive of its own state: that would let it drift
                work.drive[b, j] = state[b, j] = external[b, j]


@inner
def _attend(memories, cues, size, work):
    """Add memories that share a softmax to the drives of the listed cues, not yet normalised."""
    for first in range(0, len(memories.bias), BLOCK):
        count = min(BLOCK, len(memories.bias) - first)
        if size > 1:
            _fetch(memories, first, count, work)
        for start in range(0, size, TOGETHER):
            _states(memories, first, count, cues, size, start, work)
            used = NONE
            for line in range(min(TOGETHER, size - start)):
                place = start + line
                used += _softmax_block(memories, count, line, place, cues[place], work)
            if used > 0:
                _add_block(memories, first, count, cues, size, start, used, work)


@inner
def softmax_force(memories, steps, cues, size, work):
    """work.drive of the listed cues, where memory units share a softmax."""
    _begin(memories, steps, cues, size, work)
    _attend(memories, cues, size, work)
    for place in range(size):
        _scale(work.drive, cues[place], 1.0 / work.total[place])
    _end(memories, steps, cues, size, work)


@inner
def local_force(memories, steps, cues, size, work):
    """work.drive of the listed cues, where each memory unit has an output of its own."""
    _begin(memories, steps, cues, size, work)
    for first in range(0, len(memories.bias), BLOCK):
        count = min(BLOCK, len(memories.bias) - first)
        if size > 1:
            _fetch(memories, first, count, work)
        for start in range(0, size, TOGETHER):
            _states(memories, first, count, cues, size, start, work)
            used = NONE
            for line in range(min(TOGETHER, size - start)):
                used += _local_block(memories, count, line, work)
            if used > 0:
                _add_block(memories, first, count, cues, size, start, used, work)
    _end(memories, steps, cues, size, work)


@inner
def _entmax_block(memories, first, count, line, place, work):
    """Outputs of one block of a group with a threshold: their sum, and how many are not 0."""
    total, used = 0.0, 0
    for i in range(count):
        above = memories.parameter * (work.states[line, first + i] - work.peak[place])
        output, _ = share(memories.kind, memories.alpha, above - work.level[line])
        work.shares[line, i] = output
        total += output
        if output != 0.0:
            used += 1
    return total, used


@inner
def entmax_force(memories, steps, cues, size, work):
    """work.drive of the listed cues, where memory units share a threshold, which sees all states.

    By two passes over the memories for each group of cues.
    """
    _begin(memories, steps, cues, size, work)
    for start in range(0, size, TOGETHER):
        members = min(TOGETHER, size - start)
        for first in range(0, len(memories.bias), BLOCK):
            count = min(BLOCK, len(memories.bias) - first)
            if size > 1:
                _fetch(memories, first, count, work)
            _states(memories, first, count, cues, size, start, work)
            for line in range(members):
                for i in range(count):
                    work.states[line, first + i] = work.logits[line, i]
        for line in range(members):
            place = start + line
            work.peak[place], work.level[line] = threshold(
                memories.kind, memories.alpha, memories.parameter, work.states[line]
            )
        for first in range(0, len(memories.bias), BLOCK):
            count, used = min(BLOCK, len(memories.bias) - first), NONE
            for line in range(members):
                place = start + line
                total, some = _entmax_block(memories, first, count, line, place, work)
                work.total[place] += total
                used += some
            if used > 0:
                if size > 1:
                    _fetch(memories, first, count, work)
                _add_block(memories, first, count, cues, size, start, used, work)
    for place in range(size):
        _scale(work.drive, cues[place], 1.0 / work.total[place])
    _end(memories, steps, cues, size, work)


@inner_vectorised
def _furthest(change, count, offset, b, first, decay):
    """Largest |change[0, i] - decay offset[b, first + i]|, and the sum as in `_multiply`."""
    largest: Any = 0.0
    total: Any = 0.0
    for i in range(np.uint64(count)):
        value: Any = np.float64(change[0, i])
        if offset.shape[1] > 0:
            value -= decay * offset[b, np.uint64(first) + i]
        largest = larger(largest, abs(value))
        total += abs(value)
    return largest, total


@inner
def _memory_residual(memories, state, b, work):
    """Largest |tau dh/dt| of the memory units, |Xi (v - y) - decay offset|."""
    units, worst = memories.external.shape[1], 0.0
    if state.shape[1] == units:  # algebraic memory units have none
        return worst
    for j in range(units):
        work.query[0, j] = state[b, j] - state[b, units + j]
    for first in range(0, len(memories.bias), BLOCK):
        count = min(BLOCK, len(memories.bias) - first)
        products_of_one(memories.weights, first, work.block, count, work.query, 0, work.logits)
        largest, total = _furthest(work.logits, count, memories.offset, b, first, work.decay[b])
        if not math.isfinite(total):
            return np.nan
        worst = max(worst, largest)
    return worst


@inner
def _see_memories(memories, steps, cues, size, work):
    """How far memory units are from rest, for the listed cues that are quiet."""
    for place in range(size):
        b = cues[place]
        if steps.cues[b].status == QUIET:
            steps.cues[b].beside = _memory_residual(memories, steps.x, b, work)


# Memories of which others hold or read the rest.


@compiled
def softmax_part(memories, steps, cues, size, work):
    """What these memories add to the softmax of the listed cues: peak, total and drive of `work`.

    A cue has the same bits whatever other cues are listed.
    """
    _begin(memories, steps, cues, size, work)
    _attend(memories, cues, size, work)


@compiled
def residual_part(memories, steps, cues, size, work):
    """work.peak: the largest |tau dh/dt| of these memories, for the listed cues."""
    for place in range(size):
        b = cues[place]
        work.decay[b] = math.exp(-memories.rate * steps.cues[b].time)
        work.peak[place] = _memory_residual(memories, steps.x, b, work)


# One loop for every kind of memory units, so that none compiles the code of the others.


@compiled
def softmax_sweep(
    steps, segments, memories, rtol, atol, tolerance, t1, times, outputs, scratch, narrow, wide,
    exact, cues, sweeps,
):  # fmt: skip
    """`sweep` where memory units share a softmax.

    Parameters
    ----------
    steps, segments : Steps, Segments
    memories : Memories
    rtol, atol : float
        Tolerances of a step.
    tolerance : float
        Of what has settled; 0 if nothing settles.
    t1 : float
        The end of the run.
    times, outputs : float64 (T,), float64 (B, T, X)
        Output times, and the states there.
    scratch : Scratch
    narrow, wide : Work
        For products in the precision of the recall, and in float64.
    exact : bool
        Whether all products are in float64.
    cues : int64 (B,)
        Begins with those that run, after each step.
    sweeps : int
        The most steps.
    """
    size = len(cues)
    for _ in range(sweeps):
        size = predict_running(steps, segments, scratch, cues)
        if size == 0:
            break
        if exact:
            softmax_force(memories, steps, cues, size, wide)
            _see_memories(memories, steps, cues, size, wide)
        else:
            softmax_force(memories, steps, cues, size, narrow)
        finish_running(
            steps, segments, cues, size, wide.drive, rtol, atol, tolerance, t1, times, outputs,
            scratch,
        )  # fmt: skip
    return size


@compiled
def entmax_sweep(
    steps, segments, memories, rtol, atol, tolerance, t1, times, outputs, scratch, narrow, wide,
    exact, cues, sweeps,
):  # fmt: skip
    """`sweep` where memory units share a threshold.

    Parameters
    ----------
    steps, segments : Steps, Segments
    memories : Memories
    rtol, atol : float
        Tolerances of a step.
    tolerance : float
        Of what has settled; 0 if nothing settles.
    t1 : float
        The end of the run.
    times, outputs : float64 (T,), float64 (B, T, X)
        Output times, and the states there.
    scratch : Scratch
    narrow, wide : Work
        For products in the precision of the recall, and in float64.
    exact : bool
        Whether all products are in float64.
    cues : int64 (B,)
        Begins with those that run, after each step.
    sweeps : int
        The most steps.
    """
    size = len(cues)
    for _ in range(sweeps):
        size = predict_running(steps, segments, scratch, cues)
        if size == 0:
            break
        entmax_force(memories, steps, cues, size, wide)
        _see_memories(memories, steps, cues, size, wide)
        finish_running(
            steps, segments, cues, size, wide.drive, rtol, atol, tolerance, t1, times, outputs,
            scratch,
        )  # fmt: skip
    return size


@compiled
def local_sweep(
    steps, segments, memories, rtol, atol, tolerance, t1, times, outputs, scratch, narrow, wide,
    exact, cues, sweeps,
):  # fmt: skip
    """`sweep` where each memory unit has an output of its own.

    Parameters
    ----------
    steps, segments : Steps, Segments
    memories : Memories
    rtol, atol : float
        Tolerances of a step.
    tolerance : float
        Of what has settled; 0 if nothing settles.
    t1 : float
        The end of the run.
    times, outputs : float64 (T,), float64 (B, T, X)
        Output times, and the states there.
    scratch : Scratch
    narrow, wide : Work
        For products in the precision of the recall, and in float64.
    exact : bool
        Whether all products are in float64.
    cues : int64 (B,)
        Begins with those that run, after each step.
    sweeps : int
        The most steps.
    """
    size = len(cues)
    for _ in range(sweeps):
        size = predict_running(steps, segments, scratch, cues)
        if size == 0:
            break
        local_force(memories, steps, cues, size, wide)
        _see_memories(memories, steps, cues, size, wide)
        finish_running(
            steps, segments, cues, size, wide.drive, rtol, atol, tolerance, t1, times, outputs,
            scratch,
        )  # fmt: skip
    return size


_SWEEPS = {SOFTMAX: softmax_sweep, ENTMAX: entmax_sweep}


def sweep_of(kind: int) -> Any:
    """The compiled loop for memory units of a kind."""
    return _SWEEPS.get(kind, local_sweep)


def sweep(steps: Any, segments: Any, memories: Memories, *arguments: Any) -> int:
    """Up to `sweeps` steps of every running cue; how many cues still run.

    Parameters
    ----------
    steps, segments, scratch
        Of `adams`.
    memories : Memories
    rtol, atol : float
        Error per step.
    tolerance, t1, times, outputs
        When cues end, and their record.
    narrow, wide : Work
        For products until a cue is near rest, and beyond; they share their drives.
    exact : bool
        Whether products are `wide`. Cues then settle by all layers, by the features alone before.
    cues : ndarray of int (B,)
        Room for the list of those that run.
    sweeps : int
    """
    running: int = sweep_of(memories.kind)(steps, segments, memories, *arguments)
    return running
