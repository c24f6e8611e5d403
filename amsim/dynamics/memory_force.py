"""The drive of features by their memories, M(y) = Xi^T f(Xi y + b), in one compiled pass.

A block of memories is read once for both products. Integer memories are read as int8. Products may
be float32; states, times, normalisers and sums over blocks of memories are float64.
"""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..compiled.jit import compiled, inlined, vectorised
from ..compiled.neurons import activation, share, threshold
from ..neurons import ENTMAX, SOFTMAX
from .adams import QUIET, Floats, finish_running, predict_running

BLOCK = 64  # memories per block: their rows stay in the cache between both products
GROUP = 4  # cues that share one reading of the memories


class Memories(NamedTuple):
    """What the drive is made of."""

    weights: NDArray[Any]  # (K, D) int8, float32 or float64
    bias: Floats  # (K,)
    kind: int  # of `neurons`
    parameter: float  # beta, or the exponent of a rectified power
    alpha: float  # of a group
    skip: float  # softmax weights below this share of the largest are zero
    rate: float  # 1 / tau of the memory units, 0 where they are algebraic
    offset: Floats  # (B, K) what decays at that rate in their state, (B, 0) for nothing
    external: Floats  # (B, D) input of the features; of those that are clamped their value
    clamped: NDArray[np.bool_]  # (B, D) features that keep their value, (B, 0) for none


class Work(NamedTuple):
    """Working memory; `query` and `block` have the precision of the products."""

    query: NDArray[Any]  # (B, D)
    block: NDArray[Any]  # (GROUP, D)
    logits: NDArray[Any]  # (GROUP, BLOCK)
    shares: NDArray[Any]  # (GROUP, BLOCK) activations, 0 for rows that do not count
    states: Floats  # (GROUP, K) of groups whose threshold comes before any output; else (GROUP, 0)
    rows: NDArray[np.int64]  # (BLOCK,)
    used: NDArray[np.int64]  # (GROUP,) how many do
    peak: Floats  # (B,) largest logit so far
    total: Floats  # (B,) normaliser so far
    decay: Floats  # (B,) e^(-t / tau) of the offset
    drive: Floats  # (B, D)


@vectorised
def _project_one(weights, first, count, query, b, out, c):
    """out[c, i] = weights[first + i] . query[b]."""
    for i in range(count):
        total = query.dtype.type(0)
        for j in range(query.shape[1]):
            total += query.dtype.type(weights[first + i, j]) * query[b, j]
        out[c, i] = total


@vectorised
def _project_four(weights, first, count, query, cues, g, out):
    """The same for the cues g to g + 3 of the list, reading the weights once."""
    b0, b1, b2, b3 = cues[g], cues[g + 1], cues[g + 2], cues[g + 3]
    for i in range(count):
        s0 = s1 = s2 = s3 = query.dtype.type(0)
        for j in range(query.shape[1]):
            w = query.dtype.type(weights[first + i, j])
            s0 += w * query[b0, j]
            s1 += w * query[b1, j]
            s2 += w * query[b2, j]
            s3 += w * query[b3, j]
        out[0, i], out[1, i], out[2, i], out[3, i] = s0, s1, s2, s3


@vectorised
def _weighted_rows(weights, first, count, work, c):
    """work.block[c] = sum_i shares[c, i] weights[first + i] over the rows that count."""
    shares, rows, out, used = work.shares, work.rows, work.block, 0
    kind, units = out.dtype.type, out.shape[1]
    for i in range(count):
        if shares[c, i] != 0.0:
            rows[used] = i
            used += 1
    for j in range(units):
        out[c, j] = kind(0)
    for i in range(0, used - used % 4, 4):
        r0, r1, r2, r3 = rows[i], rows[i + 1], rows[i + 2], rows[i + 3]
        s0, s1, s2, s3 = shares[c, r0], shares[c, r1], shares[c, r2], shares[c, r3]
        for j in range(units):
            out[c, j] += (s0 * kind(weights[first + r0, j]) + s1 * kind(weights[first + r1, j])) + (
                s2 * kind(weights[first + r2, j]) + s3 * kind(weights[first + r3, j])
            )
    for i in range(used - used % 4, used):
        row = rows[i]
        for j in range(units):
            out[c, j] += shares[c, row] * kind(weights[first + row, j])


@vectorised
def _weighted_four(weights, first, count, work):
    """work.block[c] = sum_i shares[c, i] weights[first + i] for four cues, over pairs of rows."""
    shares, out = work.shares, work.block
    kind, units = out.dtype.type, out.shape[1]
    for j in range(units):
        out[0, j] = out[1, j] = out[2, j] = out[3, j] = kind(0)
    for i in range(0, count, 2):
        other = min(i + 1, count - 1)  # the last of an odd number stands for two
        scale = kind(1.0 if other > i else 0.5)
        a0, a1, a2, a3 = shares[0, i], shares[1, i], shares[2, i], shares[3, i]
        b0, b1, b2, b3 = shares[0, other], shares[1, other], shares[2, other], shares[3, other]
        for j in range(units):
            v = scale * kind(weights[first + i, j])
            w = scale * kind(weights[first + other, j])
            out[0, j] += a0 * v + b0 * w
            out[1, j] += a1 * v + b1 * w
            out[2, j] += a2 * v + b2 * w
            out[3, j] += a3 * v + b3 * w


@inlined
def _softmax_block(memories, count, c, work, b):
    """Fold one block of logits into peak, total and drive of cue b."""
    logits, shares, peak, used = work.logits, work.shares, work.peak[b], 0
    for i in range(count):
        logits[c, i] *= memories.parameter
        peak = max(peak, logits[c, i])
    if peak > work.peak[b]:
        factor = math.exp(work.peak[b] - peak)
        work.total[b] *= factor
        for j in range(work.drive.shape[1]):
            work.drive[b, j] *= factor
        work.peak[b] = peak
    for i in range(count):
        distance = np.float64(logits[c, i]) - peak
        shares[c, i] = 0.0
        if distance > -50.0:
            share = math.exp(distance)
            work.total[b] += share
            if share > memories.skip:
                shares[c, i] = share
                used += 1
    work.used[c] = used


@inlined
def _local_block(memories, count, c, work):
    """Activations of one block of separable memory units."""
    used = 0
    for i in range(count):
        state = np.float64(work.logits[c, i])
        share = activation(memories.kind, memories.parameter, state)
        work.shares[c, i] = share
        if share != 0.0:
            used += 1
    work.used[c] = used


@inlined
def _logits(memories, first, count, cues, g, members, work):
    """States h of one block of memory units for the cues g to g + members - 1 of the list."""
    weights, offset, query, out = memories.weights, memories.offset, work.query, work.logits
    if members == GROUP:
        _project_four(weights, first, count, query, cues, g, out)
    for c in range(members):
        b = cues[g + c]
        if members < GROUP:
            _project_one(weights, first, count, query, b, out, c)
        for i in range(count):
            out[c, i] += memories.bias[first + i]
        if offset.shape[1] > 0:
            for i in range(count):
                out[c, i] += work.decay[b] * offset[b, first + i]


@inlined
def _entmax_group(memories, cues, g, members, work):
    """Drives of the cues g to g + members - 1 of the list, by a group with a threshold."""
    kind, alpha, beta = memories.kind, memories.alpha, memories.parameter
    for first in range(0, len(memories.bias), BLOCK):
        count = min(BLOCK, len(memories.bias) - first)
        _logits(memories, first, count, cues, g, members, work)
        for c in range(members):
            for i in range(count):
                work.states[c, first + i] = work.logits[c, i]
    for c in range(members):
        b, states, total = cues[g + c], work.states[c], 0.0
        peak, tau = threshold(kind, alpha, beta, states)
        for first in range(0, len(memories.bias), BLOCK):
            count, some = min(BLOCK, len(memories.bias) - first), False
            for i in range(count):
                output, _ = share(kind, alpha, beta * (states[first + i] - peak) - tau)
                work.shares[c, i] = output
                total += output
                some |= output > 0.0
            if some:
                _weighted_rows(memories.weights, first, count, work, c)
                for j in range(work.drive.shape[1]):
                    work.drive[b, j] += work.block[c, j]
        for j in range(work.drive.shape[1]):
            work.drive[b, j] /= total


@inlined
def memory_force(memories, cues, size, work):
    """work.drive[b] = Xi^T f(Xi query[b] + bias + decay[b] offset[b]) for the cues listed."""
    softmax, units = memories.kind == SOFTMAX, work.drive.shape[1]
    for c in range(size):
        b = cues[c]
        work.peak[b], work.total[b] = -np.inf, 0.0
        for j in range(units):
            work.drive[b, j] = 0.0
    for g in range(0, size, GROUP):
        members = min(GROUP, size - g)
        if memories.kind == ENTMAX:
            _entmax_group(memories, cues, g, members, work)
            continue
        for first in range(0, len(memories.bias), BLOCK):
            count = min(BLOCK, len(memories.bias) - first)
            _logits(memories, first, count, cues, g, members, work)
            used = 0
            for c in range(members):
                if softmax:
                    _softmax_block(memories, count, c, work, cues[g + c])
                else:
                    _local_block(memories, count, c, work)
                used += work.used[c]
            together = members == GROUP and used > 2 * count
            if together:
                _weighted_four(memories.weights, first, count, work)
            for c in range(members):
                if work.used[c] > 0:
                    if not together:
                        _weighted_rows(memories.weights, first, count, work, c)
                    b = cues[g + c]
                    for j in range(units):
                        work.drive[b, j] += work.block[c, j]
    if softmax:
        for c in range(size):
            b = cues[c]
            share = 1.0 / work.total[b]
            for j in range(units):
                work.drive[b, j] *= share


@inlined
def evaluate(memories, steps, cues, size, work):
    """work.drive of the listed cues at steps.new: the features, and their followers if any."""
    state, external, clamped = steps.new, memories.external, memories.clamped
    units = external.shape[1]
    seen = state.shape[1] - units  # 0: the memory units are algebraic and see the features
    for c in range(size):
        b = cues[c]
        work.decay[b] = math.exp(-memories.rate * steps.cues[b].time)
        for j in range(units):
            work.query[b, j] = state[b, seen + j]
    memory_force(memories, cues, size, work)
    for c in range(size):
        b = cues[c]
        for j in range(units):
            work.drive[b, j] += external[b, j]
        for j in range(clamped.shape[1]):
            if clamped[b, j]:  # not the drive of its own state: that would let it drift
                work.drive[b, j] = state[b, j] = external[b, j]


@inlined
def _memory_residual(memories, state, b, work):
    """Largest |tau dh/dt| of the memory units, |Xi (v - y) - decay offset|."""
    units, offset, change = work.query.shape[1], memories.offset, work.logits
    largest: Any = 0.0
    if state.shape[1] == units:  # algebraic memory units have none
        return largest
    for j in range(units):
        work.query[b, j] = state[b, j] - state[b, units + j]
    for first in range(0, len(memories.bias), BLOCK):
        count = min(BLOCK, len(memories.bias) - first)
        _project_one(memories.weights, first, count, work.query, b, change, 0)
        for i in range(count):
            value = np.float64(change[0, i])
            if offset.shape[1] > 0:
                value -= work.decay[b] * offset[b, first + i]
            largest = max(largest, abs(value))
    return largest


@compiled
def sweep(
    steps, segments, memories, rtol, atol, tolerance, exact, t1, times, outputs, scratch, work,
    cues, sweeps,
):  # fmt: skip
    """Up to `sweeps` steps of every running cue; how many cues still run.

    Cues settle by all layers if `exact`, by the features alone otherwise.
    """
    size = len(cues)
    for _ in range(sweeps):
        size = predict_running(steps, segments, scratch, cues)
        if size == 0:
            break
        evaluate(memories, steps, cues, size, work)
        for c in range(size):
            b = cues[c]
            if exact and steps.cues[b].status == QUIET:
                steps.cues[b].beside = _memory_residual(memories, steps.x, b, work)
        finish_running(
            steps, segments, cues, size, work.drive, rtol, atol, tolerance, t1, times, outputs,
            scratch,
        )  # fmt: skip
    return size
