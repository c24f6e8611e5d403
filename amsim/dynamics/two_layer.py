"""The fast path: memories joined to identity features, compiled as one loop.

With one tau for all memory units, their state is  h = Xi y + b + (h(0) - Xi y(0) - b) e^(-t/tau)
where  tau dy/dt = v - y:  y has as many entries as the features, and follows them exactly. What
remains to be evaluated is the drive  M(y) = Xi^T f(Xi y + b + ...),  in one pass over the memories.
Integer memories are read as int8. Products may be float32; states, times, normalisers and sums over
blocks of memories are float64.
"""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .adams import (
    SETTLED, Floats, compiled, finish_running, predict_running, residual, vectorised,
)  # fmt: skip

SOFTMAX, IDENTITY, TANH, SIGMOID, POWER, EXPONENTIAL = range(6)
BLOCK = 64  # memories per block: their rows stay in the cache between both products
GROUP = 4  # cues that share one reading of the memories


class Memories(NamedTuple):
    """The constant part of the drive."""

    weights: NDArray[Any]  # (K, D) int8, float32 or float64
    bias: Floats  # (K,)
    kind: int
    parameter: float  # beta, or the exponent of POWER
    skip: float  # softmax weights below this share of the largest are zero


class Work(NamedTuple):
    """Working memory; `query` and `block` have the precision of the products."""

    query: NDArray[Any]  # (B, D)
    block: NDArray[Any]  # (D,)
    logits: NDArray[Any]  # (GROUP, BLOCK)
    rows: NDArray[np.int64]  # (BLOCK,)
    shares: Floats  # (BLOCK,)
    peak: Floats  # (B,) largest logit so far
    total: Floats  # (B,) normaliser so far
    decay: Floats  # (B,) e^(-t / tau) of the initial memory state
    drive: Floats  # (B, D)


@vectorised
def _project_one(weights, first, count, query, out):
    """out[i] = weights[first + i] . query."""
    for i in range(count):
        row = weights[first + i]
        total = query.dtype.type(0)
        for j in range(len(query)):
            total += query.dtype.type(row[j]) * query[j]
        out[i] = total


@vectorised
def _project_four(weights, first, count, q0, q1, q2, q3, out):
    """The same for four queries, reading the weights once."""
    for i in range(count):
        row = weights[first + i]
        s0 = s1 = s2 = s3 = q0.dtype.type(0)
        for j in range(len(q0)):
            w = q0.dtype.type(row[j])
            s0 += w * q0[j]
            s1 += w * q1[j]
            s2 += w * q2[j]
            s3 += w * q3[j]
        out[0, i], out[1, i], out[2, i], out[3, i] = s0, s1, s2, s3


@vectorised
def _weighted_rows(weights, rows, shares, count, out):
    """out = sum_i shares[i] weights[rows[i]] over `count` rows, four at a time."""
    kind = out.dtype.type
    for j in range(len(out)):
        out[j] = kind(0)
    for i in range(0, count - count % 4, 4):
        r0, r1 = weights[rows[i]], weights[rows[i + 1]]
        r2, r3 = weights[rows[i + 2]], weights[rows[i + 3]]
        s0, s1 = kind(shares[i]), kind(shares[i + 1])
        s2, s3 = kind(shares[i + 2]), kind(shares[i + 3])
        for j in range(len(out)):
            out[j] += (s0 * kind(r0[j]) + s1 * kind(r1[j])) + (
                s2 * kind(r2[j]) + s3 * kind(r3[j])
            )
    for i in range(count - count % 4, count):
        row, share = weights[rows[i]], kind(shares[i])
        for j in range(len(out)):
            out[j] += share * kind(row[j])


@compiled
def _scalar_activation(kind, parameter, x):
    """f(x) of a separable memory unit; saturates as the Lagrangians do."""
    if kind == IDENTITY:
        return x
    if kind == TANH:
        return math.tanh(parameter * x)
    if kind == SIGMOID:
        return 1.0 / (1.0 + math.exp(min(-parameter * x, 600.0)))
    if kind == EXPONENTIAL:
        return math.exp(min(parameter * x, 600.0))
    if x <= 0.0:
        return 0.0
    if parameter == 1.0:
        return x
    return math.exp(min(parameter * math.log(x), 600.0))


@compiled
def _softmax_block(memories, first, count, logits, work, b):
    """Fold one block of logits into peak, total and drive of cue b."""
    peak, used = work.peak[b], 0
    for i in range(count):
        logits[i] *= memories.parameter
        peak = max(peak, logits[i])
    if peak > work.peak[b]:
        factor = math.exp(work.peak[b] - peak)
        work.total[b] *= factor
        for j in range(work.drive.shape[1]):
            work.drive[b, j] *= factor
        work.peak[b] = peak
    for i in range(count):
        distance = np.float64(logits[i]) - peak
        if distance > -50.0:
            share = math.exp(distance)
            work.total[b] += share
            if share > memories.skip:
                work.rows[used], work.shares[used] = first + i, share
                used += 1
    return used


@compiled
def _local_block(memories, first, count, logits, work):
    """Activations of one block of separable memory units; how many are not zero."""
    used = 0
    for i in range(count):
        share = _scalar_activation(memories.kind, memories.parameter, np.float64(logits[i]))
        if share != 0.0:
            work.rows[used], work.shares[used] = first + i, share
            used += 1
    return used


@compiled
def _logits(memories, offset, decay, first, count, group, size, work):
    """States h of one block of memory units for up to GROUP cues."""
    q, out = work.query, work.logits
    if size == GROUP:
        _project_four(
            memories.weights, first, count,
            q[group[0]], q[group[1]], q[group[2]], q[group[3]], out,
        )  # fmt: skip
    for c in range(size):
        b = group[c]
        if size < GROUP:
            _project_one(memories.weights, first, count, q[b], out[c])
        for i in range(count):
            out[c, i] += memories.bias[first + i]
            if offset.shape[0] > 0:
                out[c, i] += decay[b] * offset[b, first + i]


@compiled
def memory_force(memories, offset, decay, cues, size, work):
    """work.drive[b] = Xi^T f(Xi query[b] + bias + decay[b] offset[b]) for the cues listed."""
    softmax, width = memories.kind == SOFTMAX, work.drive.shape[1]
    for g in range(0, size, GROUP):
        group, members = cues[g : g + GROUP], min(GROUP, size - g)
        for c in range(members):
            b = group[c]
            work.peak[b], work.total[b] = -np.inf, 0.0
            for j in range(width):
                work.drive[b, j] = 0.0
        for first in range(0, len(memories.bias), BLOCK):
            count = min(BLOCK, len(memories.bias) - first)
            _logits(memories, offset, decay, first, count, group, members, work)
            for c in range(members):
                b = group[c]
                if softmax:
                    used = _softmax_block(memories, first, count, work.logits[c], work, b)
                else:
                    used = _local_block(memories, first, count, work.logits[c], work)
                if used > 0:
                    _weighted_rows(memories.weights, work.rows, work.shares, used, work.block)
                    for j in range(width):
                        work.drive[b, j] += work.block[j]
        for c in range(members):
            b = group[c]
            for j in range(width):
                work.drive[b, j] /= work.total[b] if softmax else 1.0


@compiled
def evaluate(memories, offset, rate, external, clamped, state, past, lead, cues, size, work):
    """work.drive of the listed cues at `state`: the features, and their followers if any.

    The time of cue b is past[b, 0] + lead[b].
    """
    units = external.shape[1]
    seen = state.shape[1] - units  # 0: the memory units are algebraic and see the features
    for c in range(size):
        b = cues[c]
        work.decay[b] = math.exp(-rate * (past[b, 0] + lead[b]))
        for j in range(units):
            work.query[b, j] = state[b, seen + j]
    memory_force(memories, offset, work.decay, cues, size, work)
    for c in range(size):
        b = cues[c]
        for j in range(units):
            work.drive[b, j] += external[b, j]
        for j in range(clamped.shape[1]):
            if clamped[b, j]:
                work.drive[b, j] = state[b, j]


@compiled
def _settled(memories, offset, segments, state, b, tolerance, memory_tolerance, work):
    """Whether every layer's |tau dx/dt| is within tolerance, given the drive there.

    That of the memory units is |Xi (v - y) - decay offset|.
    """
    units = work.query.shape[1]
    if not residual(segments, work.drive[b], state[b]) <= tolerance:
        return False
    if state.shape[1] == units:
        return True
    for j in range(units):
        work.query[b, j] = state[b, j] - state[b, units + j]
    change = work.logits[0]
    for first in range(0, len(memories.bias), BLOCK):
        count = min(BLOCK, len(memories.bias) - first)
        _project_one(memories.weights, first, count, work.query[b], change)
        for i in range(count):
            value = np.float64(change[i])
            if offset.shape[0] > 0:
                value -= work.decay[b] * offset[b, first + i]
            if not abs(value) <= memory_tolerance:
                return False
    return True


@compiled
def sweep(
    steps, segments, memories, offset, rate, external, clamped,
    rtol, atol, limit, tolerance, memory_tolerance, t1, times, outputs, scratch, work,
    cues, lead, sweeps,
):  # fmt: skip
    """Up to `sweeps` steps of every running cue; how many cues still run."""
    size = len(cues)
    for _ in range(sweeps):
        size = predict_running(steps, segments, scratch, cues, lead)
        if size == 0:
            break
        evaluate(
            memories, offset, rate, external, clamped, steps.new, steps.past, lead, cues, size,
            work,
        )  # fmt: skip
        quiet = finish_running(
            steps, segments, cues, size, work.drive, rtol, atol, limit, tolerance, t1, times,
            outputs, scratch,
        )  # fmt: skip
        if quiet > 0:
            for c in range(quiet):
                lead[cues[c]] = 0.0
            evaluate(
                memories, offset, rate, external, clamped, steps.x, steps.past, lead, cues, quiet,
                work,
            )  # fmt: skip
        for c in range(quiet):
            b = cues[c]
            steps.cues[b].evaluated += 1
            if _settled(
                memories, offset, segments, steps.x, b, tolerance, memory_tolerance, work
            ):
                steps.cues[b].status = SETTLED
    return size
