"""The schedule in compiled loops, for large batches; the same integers as `emulator.Machine`.

The functions of `hardware.kernels` are compiled from their own code, so that the arithmetic still
stands in one place. Products with the weights are of matrices, or skip what is silent, in float32,
which is exact (see `emulator`).
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from amsim.compiled.jit import allocating, announced, reordered

from . import kernels
from .plan import TANH_BITS as _TANH_BITS
from .plan import Integers, Plan
from .schedule import KINDS

if TYPE_CHECKING:
    from .emulator import Machine

_KINDS = ("identity", "tanh", "sign")
_BLOCK = 64  # cues at a time
# Products of matrices are as fast as loops that leave out all but one message in so many.
_SPARSE = 6


def _compiled(name: str) -> Any:
    """A copy of a function of `kernels` that lives in this module, compiled.

    numba's cache finds functions by their module, so they have to live in one that can be
    imported.
    """
    function = getattr(kernels, name)
    return allocating(FunctionType(function.__code__, globals(), name))


# What the kernels refer to: their constants and, by the same names, each other.
globals().update({name: value for name, value in vars(kernels).items() if type(value) is int})
sign, shift_round, scale, decay = map(_compiled, ("sign", "shift_round", "scale", "decay"))
relax, delta, exp2, log2 = map(_compiled, ("relax", "delta", "exp2", "log2"))
tanh, power, boltzmann, log_sum = map(_compiled, ("tanh", "power", "boltzmann", "log_sum"))


class Features(NamedTuple):
    """Numbers of the feature units; see `hardware.units.Visible`."""

    kind: int
    gain: int
    mantissa: int
    shift: int
    saturation: int
    level: int
    threshold: int


class Memories(NamedTuple):
    """Numbers of the memory units and their normaliser; see `hardware.units`."""

    mantissa: int
    shift: int
    power: int
    down: int
    rounds: int  # 0 for rectified powers
    headroom: int
    floor: int
    logit_bits: int
    sum_bits: int
    p_bits: int


def until_rest(machine: Machine, periods: int) -> Integers:
    """Advance a new machine by whole periods, every cue until it is at rest.

    Only its `state` is that of the last period; before another step it has to `resume`.

    Returns
    -------
    settled : ndarray of int (B,)
        Steps after which nothing of a cue changed any more, -1 where something still did.
    """
    plan, job = machine.plan, machine.job
    visible, hidden = plan.visible, plan.hidden
    counts = np.zeros((len(job.visible), len(KINDS)), np.int64)
    arguments = (
        *machine.state(),
        counts,
        machine.rows,
        machine.columns,
        visible.bias.copy(),  # to numba, arrays that are read-only are of another type
        np.ascontiguousarray(visible.decay * ~job.clamped),  # as are those in another order
        hidden.bias.copy(),
        hidden.decay[None].copy(),
        job.input_visible,
        job.input_hidden,
        features(plan),
        memories(plan),
    )
    with announced("the emulator", _recall, *arguments, 0):
        _recall(*arguments, 0)  # compiled, or loaded, by a recall of no periods
    moving = _recall(*arguments, periods)
    for kind, count in zip(KINDS, counts.T, strict=True):
        if kind in machine.messages:
            machine.messages[kind] += count
    return np.where(moving < periods, moving * plan.period, -1)


def features(plan: Plan) -> Features:
    """What compiled loops know of the feature units, besides arrays."""
    n = plan.visible
    kind = _KINDS.index(n.kind)
    return Features(kind, n.gain, n.mantissa, n.shift, n.saturation, n.level, n.threshold)


def memories(plan: Plan) -> Memories:
    """What compiled loops know of the memory units, besides arrays."""
    hidden, n = plan.hidden, plan.normaliser
    rounds = (n.rounds, n.headroom, n.floor, n.logit_bits, n.sum_bits, n.p_bits) if n else (0,) * 6
    return Memories(hidden.mantissa, hidden.shift, hidden.power, hidden.down, *rounds)


@allocating
def _recall(  # type: ignore[no-untyped-def]
    v, sent, h, c, output, counts, rows, columns, bias_v, leak_v, bias_h, leak_h,
    input_v, input_h, features, memories, periods,
):  # fmt: skip
    """Recall cues block by block; returns the first period in which nothing changed, (B,).

    Parameters
    ----------
    v, sent, h, c, output : arrays of int64 (B, D), (B, D), (B, K), (B, 1), (B, K)
        The states of `hardware.schedule`, output being p; changed in place.
    counts : array of int64 (B, 4)
        Messages by `KINDS`; they are added.
    rows, columns : arrays of float32 (K, D), (D, K)
        W and W^T.
    bias_v, bias_h : arrays of int64 (D,), (K,)
    leak_v, leak_h : arrays of int64 (B, D), (1, K)
        12-bit mantissas; 0 for a clamped feature.
    input_v, input_h : arrays of int64 (T, B, D), (T, B, K)
        Inputs of period k in row min(k, T - 1).
    features : Features
    memories : Memories
    periods : int
    """
    driven = max(len(input_v), len(input_h)) - 1
    moving = np.zeros(len(v), np.int64)
    size = min(_BLOCK, len(v))
    g = np.zeros((size, v.shape[1]), np.int64)
    logit = np.zeros((size, h.shape[1]), np.int64)
    from_features = np.zeros((size, v.shape[1]), np.float32)
    from_memories = np.zeros((size, h.shape[1]), np.float32)
    at_features = np.zeros((size, v.shape[1]), np.float32)
    at_memories = np.zeros((size, h.shape[1]), np.float32)
    total = np.zeros((size, h.shape[1]), np.float32)
    moves = np.zeros(size, np.int64)
    sent_now = np.zeros((size, 4), np.int64)
    for start in range(0, len(v), size):
        cues = np.arange(start, min(start + size, len(v)), dtype=np.int64)  # those that move
        total[:] = 0
        from_memories[:] = 0
        for period in range(periods):
            held = period == 0
            moves[:] = 0
            sent_now[:] = 0
            _products(from_memories[: len(cues)], rows, at_features)
            drive = input_v[min(period, len(input_v) - 1)]
            _drive(cues, at_features, features.gain, bias_v, drive, g)
            if not held:
                move(cues, v, g, leak_v, moves)
            outputs(cues, v, features, g)
            send_changes(cues, g, sent, features.threshold, from_features, moves, sent_now)
            _products(from_features[: len(cues)], columns, at_memories)
            total += at_memories
            drive = input_h[min(period, len(input_h) - 1)]
            _drive(cues, total, 0, bias_h, drive, logit)
            if not held:
                move(cues, h, logit, leak_h, moves)
            if memories.rounds > 0:
                _softmax(cues, h, c, memories, logit, moves, sent_now)
            else:
                powers(cues, h, memories, logit)
            _send(cues, logit, output, from_memories, moves, sent_now)
            left = 0
            for i, b in enumerate(cues):
                counts[b] += sent_now[i]
                if moves[i] > 0 or held:
                    moving[b] = period + 1
                elif period >= driven:
                    counts[b] += (periods - 1 - period) * sent_now[i]
                    continue
                cues[left] = b
                total[left] = total[i]
                from_memories[left] = from_memories[i]
                left += 1
            cues = cues[:left]
            if left == 0:
                break
    return moving


# A product and a sum in one instruction: nothing is rounded, so that nothing changes.
@reordered
def _products(messages, weights, sums):  # type: ignore[no-untyped-def]
    """Set sums to messages @ weights, without what is silent if much is."""
    if np.count_nonzero(messages) * _SPARSE > messages.size:
        np.dot(messages, weights, sums[: len(messages)])
        return
    sums[:] = 0
    for i in range(len(messages)):
        for j in range(messages.shape[1]):
            message = messages[i, j]
            if message != 0:
                for k in range(sums.shape[1]):
                    sums[i, k] += message * weights[j, k]


# The functions below go over all cues of a block, each in loops over few arrays: the compiler makes
# no vectors of loops over many, and a call for one cue alone costs as much as its work.
@allocating
def _drive(cues, sums, gain, bias, inputs, targets):  # type: ignore[no-untyped-def]
    for i, b in enumerate(cues):
        for k in range(len(bias)):
            targets[i, k] = (np.int64(sums[i, k]) << gain) + bias[k] + inputs[b, k]


@allocating
def move(cues, states, targets, leak, moves):  # type: ignore[no-untyped-def]
    """States towards their targets."""
    for i, b in enumerate(cues):
        row = b if len(leak) > 1 else 0
        count = 0
        for k in range(states.shape[1]):
            moved = relax(states[b, k], targets[i, k], leak[row, k])
            count += moved != states[b, k]
            states[b, k] = moved
        moves[i] += count


@allocating
def outputs(cues, v, n, g):  # type: ignore[no-untyped-def]
    """g of features."""
    for i, b in enumerate(cues):
        if n.kind == 0:
            for d in range(v.shape[1]):
                g[i, d] = scale(v[b, d], n.mantissa, n.shift)
        elif n.kind == 1:
            for d in range(v.shape[1]):
                octaves = scale(min(abs(v[b, d]), n.saturation), n.mantissa, n.shift)
                g[i, d] = sign(v[b, d]) * scale(tanh(octaves, _TANH_BITS), n.level, 16)
        else:
            for d in range(v.shape[1]):
                g[i, d] = n.level * sign(v[b, d])


@allocating
def send_changes(cues, g, sent, threshold, messages, moves, counts):  # type: ignore[no-untyped-def]
    """Messages of features.

    Parameters
    ----------
    cues : array of int64 (n,)
        Rows of `sent` that the rows of the other arrays belong to.
    g : array of int64 (n, D)
        Outputs.
    sent : array of int64 (B, D)
        Changed in place.
    threshold : int
    messages : array (n, D)
        Set.
    moves : array of int64 (n,)
        Numbers that changed; those of the messages are added.
    counts : array of int64 (n, 4)
        Messages by `KINDS`; the first is set.
    """
    for i, b in enumerate(cues):
        count = 0
        for d in range(sent.shape[1]):
            message = delta(g[i, d], sent[b, d], threshold)
            messages[i, d] = message
            sent[b, d] += message
            count += message != 0
        moves[i] += count
        counts[i, 0] = count


@allocating
def powers(cues, h, n, logit):  # type: ignore[no-untyped-def]
    """f of memories without a softmax."""
    for i, b in enumerate(cues):
        for k in range(h.shape[1]):
            base = scale(max(h[b, k], 0), n.mantissa, n.shift)
            logit[i, k] = shift_round(power(base, n.power), n.down)


@allocating
def _softmax(cues, h, c, n, logit, moves, counts):  # type: ignore[no-untyped-def]
    """The rounds of the normaliser.

    Parameters
    ----------
    cues : array of int64 (n,)
        Rows of h and c that the rows of the other arrays belong to.
    h : array of int64 (B, K)
    c : array of int64 (B, 1)
        Changed in place.
    n : Memories
    logit : array of int64 (n, K)
        Set to p.
    moves : array of int64 (n,)
        Numbers that changed; c is added.
    counts : array of int64 (n, 4)
        Messages by `KINDS`; the last two are added.
    """
    for i, b in enumerate(cues):
        for k in range(h.shape[1]):
            logit[i, k] = scale(h[b, k], n.mantissa, n.shift)
        now = c[b, 0] + n.headroom
        for _ in range(n.rounds):
            total, sent = 0, 0
            for k in range(h.shape[1]):
                message = boltzmann(logit[i, k], now, n.logit_bits, n.sum_bits)
                total += message
                sent += message != 0
            now = log_sum(now, total, n.logit_bits, n.sum_bits, n.floor)
            counts[i, 2] += sent
            counts[i, 3] += now != 0
        moves[i] += now != c[b, 0]
        c[b, 0] = now
        for k in range(h.shape[1]):
            logit[i, k] = boltzmann(logit[i, k], now, n.logit_bits, n.p_bits)


@allocating
def _send(cues, now, output, messages, moves, counts):  # type: ignore[no-untyped-def]
    for i, b in enumerate(cues):
        changed, sent = 0, 0
        for k in range(output.shape[1]):
            changed += now[i, k] != output[b, k]
            sent += now[i, k] != 0
            output[b, k] = now[i, k]
            messages[i, k] = now[i, k]
        moves[i] += changed
        counts[i, 1] = sent
