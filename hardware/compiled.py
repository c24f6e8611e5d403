"""The schedule in compiled loops; the same integers as `emulator.Machine`.

The functions of `hardware.kernels` are compiled from their own code, so that the arithmetic still
stands in one place. Products with the weights skip what is silent, in float32, which is exact (see
`emulator`).
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from amsim.compiled.bundle import bundle
from amsim.compiled.jit import announced, compiled, inner, inner_inlined
from amsim.compiled.products import LANES, TOGETHER, sum_of_group, sum_of_one

from . import kernels
from .plan import TANH_BITS as _TANH_BITS
from .plan import Integers, Plan
from .schedule import KINDS

if TYPE_CHECKING:
    from .emulator import Machine

_KINDS = ("identity", "tanh", "sign")
_CHUNK = 2e9  # multiply-adds between two looks at Ctrl-C
_BLOCK = 64  # cues at a time, a multiple of those whose products are computed together


def _compiled(name: str) -> Any:
    """A copy of a function of `kernels` that lives in this module, compiled.

    numba's cache finds functions by their module, so they have to live in one that can be
    imported.
    """
    function = getattr(kernels, name)
    return inner_inlined(FunctionType(function.__code__, globals(), name))


# What the kernels refer to: their constants and, by the same names, each other.
globals().update({name: value for name, value in vars(kernels).items() if type(value) is int})
sign, shift_round, scale, decay = map(_compiled, ("sign", "shift_round", "scale", "decay"))
relax, delta, exp2, log2 = map(_compiled, ("relax", "delta", "exp2", "log2"))
tanh, power, boltzmann, log_sum = map(_compiled, ("tanh", "power", "boltzmann", "log_sum"))


@bundle
class Features(NamedTuple):
    """Numbers of the feature units; see `hardware.units.Visible`."""

    kind: int
    gain: int
    mantissa: int
    shift: int
    saturation: int
    level: int
    threshold: int


@bundle
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


@bundle
class _Block(NamedTuple):
    """Working memory for n cues at a time, D features and K memories."""

    cues: Integers  # (n,) those that move, by number
    moves: Integers  # (n,) numbers that changed in the period
    sent: Integers  # (n, 4) messages of the period, by `KINDS`
    targets: Integers  # (n, D) of the features; then their outputs
    logits: Integers  # (n, K) targets of the memories; then logits, and messages
    from_features: NDArray[np.float32]  # (n, D) messages
    from_memories: NDArray[np.float32]  # (n, K)
    at_features: NDArray[np.float32]  # (n, D or LANES) their sums
    at_memories: NDArray[np.float32]  # (n, K or LANES)
    total: NDArray[np.float32]  # (n, K or LANES) of all that arrived
    listed: Integers  # (D or K,) who sends in a group


def _block(cues: int, memories: int, features: int) -> _Block:
    size = -(-min(_BLOCK, cues) // TOGETHER) * TOGETHER
    exact, single = ((size,), np.int64), np.float32
    wide = [max(LANES, units) for units in (features, memories)]
    return _Block(
        np.zeros(*exact), np.zeros(*exact), np.zeros((size, len(KINDS)), np.int64),
        np.zeros((size, features), np.int64), np.zeros((size, memories), np.int64),
        np.zeros((size, features), single), np.zeros((size, memories), single),
        np.zeros((size, wide[0]), single), np.zeros((size, wide[1]), single),
        np.zeros((size, wide[1]), single), np.zeros(max(features, memories), np.int64),
    )  # fmt: skip


def _wide(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weights with as many columns as a vector has numbers, filled up with zeros."""
    return np.pad(weights, ((0, 0), (0, max(0, LANES - weights.shape[1]))))


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
    batch = len(job.visible)
    counts, moving = np.zeros((batch, len(KINDS)), np.int64), np.zeros(batch, np.int64)
    rows, columns = _wide(machine.rows), _wide(machine.columns)
    # As many cues at a time as take some tenths of a second, so that Ctrl-C is noticed.
    most = int(_CHUNK / (periods * rows.size)) if periods else batch
    size = min(batch, max(1, most // TOGETHER) * TOGETHER)
    block = _block(size, *plan.units)

    def arguments(cues: slice) -> tuple[Any, ...]:
        # To numba, arrays that are read-only are of another type, as are those in another order.
        return (
            *(each[cues] for each in (*machine.state(), counts, moving)),
            rows,
            columns,
            visible.bias.copy(),
            np.ascontiguousarray(visible.decay * ~job.clamped[cues]),
            hidden.bias.copy(),
            hidden.decay[None].copy(),
            *(each[:, cues].copy() for each in (job.input_visible, job.input_hidden)),
            features(plan),
            memories(plan),
            block,
        )

    first = arguments(slice(0, size))
    with announced("the emulator", _recall, *first, 0):
        _recall(*first, 0)  # compiled, or loaded, by a recall of no periods
    for start in range(0, batch, size):
        _recall(*arguments(slice(start, start + size)), periods)
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


@compiled
def _recall(  # type: ignore[no-untyped-def]
    v, sent, h, c, output, counts, moving, rows, columns, bias_v, leak_v, bias_h, leak_h,
    input_v, input_h, features, memories, block, periods,
):  # fmt: skip
    """Recall cues block by block.

    Parameters
    ----------
    v, sent, h, c, output : arrays of int64 (B, D), (B, D), (B, K), (B, 1), (B, K)
        The states of `hardware.schedule`, output being p; changed in place.
    counts : array of int64 (B, 4)
        Messages by `KINDS`; they are added.
    moving : array of int64 (B,)
        Becomes the first period in which nothing changed.
    rows, columns : arrays of float32 (K, D), (D, K)
        W and W^T, at least LANES wide.
    bias_v, bias_h : arrays of int64 (D,), (K,)
    leak_v, leak_h : arrays of int64 (B, D), (1, K)
        12-bit mantissas; 0 for a clamped feature.
    input_v, input_h : arrays of int64 (T, B, D), (T, B, K)
        Inputs of period k in row min(k, T - 1).
    features : Features
    memories : Memories
    block : _Block
    periods : int
    """
    driven = max(len(input_v), len(input_h)) - 1
    total, from_memories, sent_now = block.total, block.from_memories, block.sent
    at_memories, g, logit, moves = block.at_memories, block.targets, block.logits, block.moves
    for start in range(0, len(v), len(block.cues)):
        running = min(len(block.cues), len(v) - start)
        for i in range(running):
            block.cues[i] = start + i
        for i in range(len(total)):
            for k in range(total.shape[1]):
                total[i, k] = 0
            for k in range(from_memories.shape[1]):
                from_memories[i, k] = 0
        for period in range(periods):
            held, cues = period == 0, block.cues[:running]
            for i in range(running):
                moves[i] = sent_now[i, 0] = sent_now[i, 1] = sent_now[i, 2] = sent_now[i, 3] = 0
            _add_up(from_memories, running, rows, block.listed, block.at_features)
            drive = input_v[min(period, len(input_v) - 1)]
            _drive(cues, block.at_features, features.gain, bias_v, drive, g)
            if not held:
                move(cues, v, g, leak_v, moves)
            outputs(cues, v, features, g)
            threshold = features.threshold
            send_changes(cues, g, sent, threshold, block.from_features, moves, sent_now)
            _add_up(block.from_features, running, columns, block.listed, at_memories)
            for i in range(running):
                for k in range(total.shape[1]):
                    total[i, k] += at_memories[i, k]
            drive = input_h[min(period, len(input_h) - 1)]
            _drive(cues, total, np.int64(0), bias_h, drive, logit)
            if not held:
                move(cues, h, logit, leak_h, moves)
            if memories.rounds > 0:
                _softmax(cues, h, c, memories, logit, moves, sent_now)
            else:
                powers(cues, h, memories, logit)
            _send(cues, logit, output, from_memories, moves, sent_now)
            left = 0
            for i in range(running):
                b = cues[i]
                _count(counts, b, sent_now, i, np.int64(1))
                if moves[i] > 0 or held:
                    moving[b] = period + 1
                elif period >= driven:
                    _count(counts, b, sent_now, i, periods - 1 - period)
                    continue
                cues[left] = b
                for k in range(total.shape[1]):
                    total[left, k] = total[i, k]
                for k in range(from_memories.shape[1]):
                    from_memories[left, k] = from_memories[i, k]
                left += 1
            running = left
            if running == 0:
                break


@inner
def _count(counts, b, sent, i, times):  # type: ignore[no-untyped-def]
    for kind in range(counts.shape[1]):
        counts[b, kind] += times * sent[i, kind]


@inner
def _add_up(messages, cues, weights, listed, sums):  # type: ignore[no-untyped-def]
    """Set sums to messages @ weights for so many cues, without what is silent."""
    start = 0
    while start < cues:
        together = TOGETHER if cues - start > 1 else 1
        used = 0
        for j in range(messages.shape[1]):
            for i in range(start, min(start + together, cues)):
                if messages[i, j] != 0:
                    listed[used] = j
                    used += 1
                    break
        if together == 1:
            sum_of_one(weights, 0, weights, listed, used, messages, start, sums)
        else:
            sum_of_group(weights, 0, weights, listed, used, messages, start, sums)
        start += together


# The functions below go over all cues of a block, each in loops over few arrays: the compiler makes
# no vectors of loops over many, and a call for one cue alone costs as much as its work.
@inner
def _drive(cues, sums, gain, bias, inputs, targets):  # type: ignore[no-untyped-def]
    for i, b in enumerate(cues):
        for k in range(len(bias)):
            targets[i, k] = (np.int64(sums[i, k]) << gain) + bias[k] + inputs[b, k]


@inner
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


@inner
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


@inner
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


@inner
def powers(cues, h, n, logit):  # type: ignore[no-untyped-def]
    """f of memories without a softmax."""
    for i, b in enumerate(cues):
        for k in range(h.shape[1]):
            base = scale(max(h[b, k], 0), n.mantissa, n.shift)
            logit[i, k] = shift_round(power(base, n.power), n.down)


@inner
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
            total, sent = np.int64(0), 0
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


@inner
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
