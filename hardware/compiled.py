"""The emulator in compiled loops, for large batches; the same integers as `emulator.Machine`.

The functions of `hardware.kernels` are compiled from their own code, so that the arithmetic still
stands in one place. Products with the weights skip what is silent, in float32, which is exact
(see `emulator`).
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba import njit

from . import kernels
from .plan import TANH_BITS as _TANH_BITS
from .plan import Integers

if TYPE_CHECKING:
    from .emulator import Machine

_KINDS = ("identity", "tanh", "sign")


def _compiled(name: str) -> Any:
    """A copy of a function of `kernels` that lives in this module, compiled.

    numba's cache finds functions by their module, so they have to live in one that can be
    imported.
    """
    function = getattr(kernels, name)
    return njit(FunctionType(function.__code__, globals(), name))


# What the kernels refer to: their constants and, by the same names, each other.
globals().update({name: value for name, value in vars(kernels).items() if type(value) is int})
sign, shift_round, scale, decay = map(_compiled, ("sign", "shift_round", "scale", "decay"))
relax, delta, exp2, log2 = map(_compiled, ("relax", "delta", "exp2", "log2"))
tanh, power, boltzmann, log_sum = map(_compiled, ("tanh", "power", "boltzmann", "log_sum"))


class _Features(NamedTuple):
    kind: int
    gain: int
    mantissa: int
    shift: int
    saturation: int
    level: int
    threshold: int


class _Memories(NamedTuple):
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

    Returns
    -------
    settled : ndarray of int (B,)
        Steps after which nothing of a cue changed any more, -1 where something still did.
    """
    plan, job = machine.plan, machine.job
    visible, hidden, n = plan.visible, plan.hidden, plan.normaliser
    rounds = (n.rounds, n.headroom, n.floor, n.logit_bits, n.sum_bits, n.p_bits) if n else (0,) * 6
    counts = np.zeros((len(machine.v), 4), np.int64)
    moving = _recall(
        machine.v,
        machine.sent,
        machine.h,
        machine.c,
        machine.output,
        counts,
        machine.rows,
        machine.columns,
        visible.bias,
        visible.decay * ~job.clamped,
        hidden.bias,
        hidden.decay,
        job.input_visible,
        job.input_hidden,
        _Features(
            _KINDS.index(visible.kind),
            visible.gain,
            visible.mantissa,
            visible.shift,
            visible.saturation,
            visible.level,
            visible.threshold,
        ),
        _Memories(hidden.mantissa, hidden.shift, hidden.power, hidden.down, *rounds),
        periods,
    )
    machine.heard = machine.c
    for kind, count in zip(("visible", "hidden", "rounds", "normaliser"), counts.T, strict=True):
        if kind in machine.messages:
            machine.messages[kind] += count
    return np.where(moving < periods, moving * plan.period, -1)


@njit(cache=True, nogil=True)
def _recall(  # type: ignore[no-untyped-def]
    v, sent, h, c, output, counts, rows, columns, bias_v, leak_v, bias_h, leak_h,
    input_v, input_h, features, memories, periods,
):  # fmt: skip
    """Recall every cue by itself; returns the first period in which nothing changed."""
    driven = max(len(input_v), len(input_h)) - 1
    moving = np.zeros(len(v), np.int64)
    total = np.zeros(h.shape[1], np.float32)
    arriving = np.zeros(v.shape[1], np.float32)
    messages = np.zeros(v.shape[1], np.int64)
    logit = np.zeros(h.shape[1], np.int64)
    sent_now = np.zeros(4, np.int64)
    for b in range(len(v)):
        total[:] = 0
        for period in range(periods):
            sent_now[:] = 0
            held = period == 0
            changed = _advance_features(
                v[b], sent[b], output[b], total, arriving, messages, sent_now, rows, columns,
                bias_v, leak_v[b], input_v[min(period, len(input_v) - 1), b], features, held,
            )  # fmt: skip
            changed |= _advance_memories(
                h[b], c[b], output[b], total, logit, sent_now, bias_h, leak_h,
                input_h[min(period, len(input_h) - 1), b], memories, held,
            )  # fmt: skip
            counts[b] += sent_now
            if changed or held:
                moving[b] = period + 1
            elif period >= driven:
                counts[b] += (periods - 1 - period) * sent_now
                break
    return moving


# A product and a sum in one instruction: nothing is rounded, so that nothing changes.
@njit(cache=True, nogil=True, fastmath={"contract"})
def _advance_features(  # type: ignore[no-untyped-def]
    v, sent, output, total, arriving, messages, counts, rows, columns, bias, leak, inputs, n, held
):  # fmt: skip
    arriving[:] = 0
    for k in range(len(output)):
        if output[k] != 0:
            message = np.float32(output[k])
            for i in range(len(arriving)):
                arriving[i] += message * rows[k, i]
    moving = 0 if held else 1
    moves = 0
    for i in range(len(v)):
        target = (np.int64(arriving[i]) << n.gain) + bias[i] + inputs[i]
        moved = relax(v[i], target, leak[i] * moving)
        moves += moved != v[i]
        v[i] = moved
    for i in range(len(v)):
        if n.kind == 0:
            g = scale(v[i], n.mantissa, n.shift)
        elif n.kind == 1:
            octaves = scale(min(abs(v[i]), n.saturation), n.mantissa, n.shift)
            g = sign(v[i]) * scale(tanh(octaves, _TANH_BITS), n.level, 16)
        else:
            g = n.level * sign(v[i])
        messages[i] = delta(g, sent[i], n.threshold)
    for i in range(len(v)):
        if messages[i] != 0:
            moves += 1
            counts[0] += 1
            sent[i] += messages[i]
            message = np.float32(messages[i])
            for k in range(len(total)):
                total[k] += message * columns[i, k]
    return moves > 0


@njit(cache=True, nogil=True)
def _advance_memories(  # type: ignore[no-untyped-def]
    h, c, output, total, logit, counts, bias, leak, inputs, n, held
):  # fmt: skip
    moving = 0 if held else 1
    moves = 0
    for k in range(len(h)):
        target = np.int64(total[k]) + bias[k] + inputs[k]
        moved = relax(h[k], target, leak[k] * moving)
        moves += moved != h[k]
        h[k] = moved
        logit[k] = scale(moved if n.rounds > 0 else max(moved, 0), n.mantissa, n.shift)
    if n.rounds > 0:
        c_before = c[0]
        c[0] = _normalise(logit, c[0] + n.headroom, counts, n)
        moves += c[0] != c_before
    differ, sent = 0, 0
    log_sum_now = c[0]
    for k in range(len(h)):
        if n.rounds == 0:
            message = shift_round(power(logit[k], n.power), n.down)
        else:
            message = boltzmann(logit[k], log_sum_now, n.logit_bits, n.p_bits)
        differ += message != output[k]
        output[k] = message
        sent += message != 0
    counts[1] += sent
    return moves + differ > 0


@njit(cache=True, nogil=True)
def _normalise(logit, c, counts, n):  # type: ignore[no-untyped-def]
    for _ in range(n.rounds):
        total, sent = 0, 0
        for k in range(len(logit)):
            message = boltzmann(logit[k], c, n.logit_bits, n.sum_bits)
            total += message
            sent += message != 0
        c = log_sum(c, total, n.logit_bits, n.sum_bits, n.floor)
        counts[2] += sent
        counts[3] += c != 0
    return c
