"""The schedule of a `GraphPlan` in compiled loops; the same integers as `GraphMachine`.

Layers that take their turns in the same steps are not connected, so that in whole periods each of
them can do everything that is its own, one after the other, and hand on its message at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from amsim.compiled.bundle import bundle
from amsim.compiled.jit import announced, compiled, inner

from .compiled import boltzmann, delta, log_sum, power, relax, scale, shift_round, sign, tanh
from .graphs.plan import KINDS
from .graphs.turns import stages
from .units import TANH_BITS as _TANH_BITS

if TYPE_CHECKING:
    from .graphs.machine import GraphMachine

Integers = NDArray[np.int64]
_CHUNK = 2e9  # multiply-adds between two looks at Ctrl-C
_TANH, _SIGN, _SIGMOID, _POWER, _SOFTMAX = range(1, 6)  # places in `KINDS`
# Columns of the table of layers.
_START, _SIZE, _KIND, _MANTISSA, _SHIFT, _SATURATION, _LEVEL, _EXPONENT, _DOWN = range(9)
_THRESHOLD, _LOGIT_BITS, _SUM_BITS, _P_BITS, _ROUNDS, _HEADROOM, _FLOOR = range(9, 16)
_ROWS, _FIRST = 16, 17  # of the inputs: how many, and where they begin
# Columns of the table of projections; the sum and the weights of each begin somewhere.
_SOURCE, _TARGET, _BY, _DOWN_BY, _SUM, _WEIGHTS = range(6)


@bundle
class _Graph(NamedTuple):
    """A plan and what drives it, in arrays; L layers of N units, P projections."""

    layers: Integers  # (L, 18)
    projections: Integers  # (P, 6)
    order: Integers  # (L,) layers by their turns
    weights: NDArray[np.float32]  # of each projection, (sources, targets), one after the other
    bias: Integers  # (N,)
    inputs: Integers  # of each layer, (T, B, n), one after the other


@bundle
class _Work(NamedTuple):
    """Working memory for one cue."""

    total: NDArray[np.float32]  # the sums of all projections, one after the other
    logits: Integers  # (largest n,) targets, then logits, then outputs
    sent: Integers  # (3 L,) messages of a period: of the layer, in rounds, of the normaliser


def until_rest(machine: GraphMachine, periods: int) -> Integers:
    """Advance a new machine by whole periods, every cue until it is at rest.

    Only its `state` is that of the last period; before another step it has to `resume`.

    Returns
    -------
    settled : ndarray of int (B,)
        Steps after which nothing of a cue changed any more, -1 where something still did.
    """
    plan, job, batch = machine.plan, machine.job, machine.count
    graph, values = _arrays(machine), machine.values
    x, sent = (
        np.concatenate([values[f"{name}.{part}"] for name in plan.layers], axis=1)
        for part in ("x", "sent")
    )
    c = np.zeros((batch, len(plan.layers)), np.int64)
    for place, name in enumerate(plan.layers):
        if f"{name}.c" in values:
            c[:, place] = values[f"{name}.c"][:, 0]
    decay = np.concatenate([units.decay for units in plan.layers.values()])
    clamped = np.concatenate([job.start[f"{name}.clamped"] for name in plan.layers], axis=1)
    leak = decay * ~clamped
    counts, moving = np.zeros((batch, 3 * len(plan.layers)), np.int64), np.zeros(batch, np.int64)
    work = _Work(
        np.zeros(sum(plan.layers[each.target].size for each in plan.projections), np.float32),
        np.zeros(max(units.size for units in plan.layers.values()), np.int64),
        np.zeros(counts.shape[1], np.int64),
    )
    state = x, sent, c, counts, moving, leak
    with announced("the emulator", _recall, *state, graph, work, 0, 0, 0, job.driven):
        _recall(*state, graph, work, 0, 0, 0, job.driven)  # compiled, or loaded
    # As many cues at a time as take some tenths of a second, so that Ctrl-C is noticed.
    size = max(1, int(_CHUNK / (max(periods, 1) * max(graph.weights.size, x.shape[1]))))
    for start in range(0, batch, size):
        stop = min(start + size, batch)
        _recall(*state, graph, work, start, stop, periods, job.driven)
    _put_back(machine, x, sent, c, counts)
    return np.where(moving < periods, moving * plan.period, -1)


def _put_back(
    machine: GraphMachine, x: Integers, sent: Integers, c: Integers, counts: Integers
) -> None:
    """States and counts of a machine after its last whole period."""
    start, values = 0, machine.values
    for place, (name, units) in enumerate(machine.plan.layers.items()):
        part = np.s_[:, start : start + units.size]
        values[f"{name}.x"], values[f"{name}.sent"] = x[part].copy(), sent[part].copy()
        if units.normaliser is not None:
            values[f"{name}.c"] = values[f"{name}.c_known"] = c[:, [place]]
        for kind, of in enumerate((name, f"{name}.rounds", f"{name}.normaliser")):
            if of in machine.messages:
                machine.messages[of] += counts[:, 3 * place + kind]
        start += units.size


def _arrays(machine: GraphMachine) -> _Graph:
    plan, inputs = machine.plan, machine.job.inputs
    places = {name: place for place, name in enumerate(plan.layers)}
    layers = np.zeros((len(places), 18), np.int64)
    start = first = 0
    for place, (name, units) in enumerate(plan.layers.items()):
        n, rows = units.normaliser, inputs[name]
        of_softmax = (
            (n.logit_bits, n.sum_bits, n.p_bits, n.rounds, n.headroom, n.floor) if n else (0,) * 6
        )
        layers[place] = (
            start, units.size, KINDS.index(units.kind), units.mantissa, units.shift,
            units.saturation, units.level, units.power, units.down, units.threshold, *of_softmax,
            len(rows), first,
        )  # fmt: skip
        start, first = start + units.size, first + rows.size
    projections = np.zeros((len(plan.projections), 6), np.int64)
    total = weights = 0
    for place, each in enumerate(plan.projections):
        ends = places[each.source], places[each.target]
        projections[place] = *ends, each.mantissa, each.shift, total, weights
        total, weights = total + len(each.weights), weights + each.weights.size
    return _Graph(
        layers,
        projections,
        np.array([places[name] for group in stages(plan) for name in group]),
        np.concatenate([each.weights.T.ravel() for each in plan.projections]).astype(np.float32),
        np.concatenate([units.bias for units in plan.layers.values()]),
        np.concatenate([rows.ravel() for rows in inputs.values()]),
    )


@compiled
def _recall(  # type: ignore[no-untyped-def]
    x, sent, c, counts, moving, leak, graph, work, first, last, periods, driven
):
    """Recall cues, one after the other.

    Parameters
    ----------
    x, sent : arrays of int64 (B, N)
        States and what has been sent, of all layers; changed in place.
    c : array of int64 (B, L)
        Of the normalisers; changed in place.
    counts : array of int64 (B, 3 L)
        Messages of each layer, in its rounds and of its normaliser; they are added.
    moving : array of int64 (B,)
        Becomes the first period in which nothing changed.
    leak : array of int64 (B, N)
        12-bit mantissas; 0 for a clamped unit.
    graph : _Graph
    work : _Work
    first, last : int
        Cues of this call.
    periods : int
    driven : int
        Periods after which the inputs no longer change.
    """
    for b in range(first, last):
        for i in range(len(work.total)):
            work.total[i] = 0
        for period in range(periods):
            moves = np.int64(0)
            for place in graph.order:
                moves += _turns(x[b], sent[b], c[b], leak[b], graph, work, place, b, len(x), period)
            for i in range(len(work.sent)):
                counts[b, i] += work.sent[i]
            if moves > 0 or period == 0:
                moving[b] = period + 1
            elif period >= driven:
                for i in range(len(work.sent)):
                    counts[b, i] += (periods - 1 - period) * work.sent[i]
                break


@inner
def _turns(x, sent, c, leak, graph, work, place, b, batch, period):  # type: ignore[no-untyped-def]
    """All turns of a layer in a period; returns how many numbers changed.

    Parameters
    ----------
    x, sent, leak : arrays of int64 (N,)
    c : array of int64 (L,)
    graph : _Graph
    work : _Work
    place : int
        Of the layer.
    b, batch : int
        The cue, and how many there are.
    period : int
    """
    n, logits = graph.layers[place], work.logits
    moves = np.int64(0)
    if period > 0:
        moves += _move(x, leak, graph, work, place, b, batch, period)
    for kind in range(3):
        work.sent[3 * place + kind] = 0
    if n[_KIND] == _SOFTMAX:
        moves += _softmax(x, c, n, place, work)
    else:
        _outputs(x, n, logits)
    for i in range(n[_SIZE]):
        message = delta(logits[i], sent[n[_START] + i], n[_THRESHOLD])
        sent[n[_START] + i] += message
        logits[i] = message
        work.sent[3 * place] += message != 0
    if work.sent[3 * place] > 0:
        _deliver(graph, work, place)
    return moves + work.sent[3 * place]


@inner
def _move(x, leak, graph, work, place, b, batch, period):  # type: ignore[no-untyped-def]
    """States towards their targets; arguments as of `_turns`.

    Parameters
    ----------
    x, leak, graph, work, place, b, batch, period
    """
    n, target = graph.layers[place], work.logits
    size, start = n[_SIZE], n[_START]
    row = n[_FIRST] + (min(period, n[_ROWS] - 1) * batch + b) * size
    for i in range(size):
        target[i] = graph.bias[start + i] + graph.inputs[row + i]
    for each in graph.projections:
        if each[_TARGET] == place:
            for i in range(size):
                total = np.int64(work.total[each[_SUM] + i])
                target[i] += scale(total, each[_BY], each[_DOWN_BY])
    moves = np.int64(0)
    for i in range(size):
        moved = relax(x[start + i], target[i], leak[start + i])
        moves += moved != x[start + i]
        x[start + i] = moved
    return moves


@inner
def _outputs(x, n, g):  # type: ignore[no-untyped-def]
    """Outputs of units that are no softmax."""
    start, kind = n[_START], n[_KIND]
    for i in range(n[_SIZE]):
        state = x[start + i]
        if kind == _SIGN:
            g[i] = n[_LEVEL] * sign(state)
        elif kind == _POWER:
            base = scale(max(state, 0), n[_MANTISSA], n[_SHIFT])
            g[i] = shift_round(power(base, n[_EXPONENT]), n[_DOWN])
        elif kind in (_TANH, _SIGMOID):
            octaves = scale(min(abs(state), n[_SATURATION]), n[_MANTISSA], n[_SHIFT])
            size = sign(state) * tanh(octaves, _TANH_BITS)
            if kind == _TANH:
                g[i] = scale(size, n[_LEVEL], 16)
            else:
                g[i] = scale((1 << 16) + size, n[_LEVEL], 17)
        else:
            g[i] = scale(state, n[_MANTISSA], n[_SHIFT])


@inner
def _softmax(x, c, n, place, work):  # type: ignore[no-untyped-def]
    """The rounds of a normaliser; the logits become p. Returns whether c changed."""
    logits, start = work.logits, n[_START]
    for i in range(n[_SIZE]):
        logits[i] = scale(x[start + i], n[_MANTISSA], n[_SHIFT])
    now = c[place] + n[_HEADROOM]
    for _ in range(n[_ROUNDS]):
        total = np.int64(0)
        for i in range(n[_SIZE]):
            message = boltzmann(logits[i], now, n[_LOGIT_BITS], n[_SUM_BITS])
            total += message
            work.sent[3 * place + 1] += message != 0
        now = log_sum(now, total, n[_LOGIT_BITS], n[_SUM_BITS], n[_FLOOR])
        work.sent[3 * place + 2] += now != 0
    changed = now != c[place]
    c[place] = now
    for i in range(n[_SIZE]):
        logits[i] = boltzmann(logits[i], now, n[_LOGIT_BITS], n[_P_BITS])
    return np.int64(changed)


@inner
def _deliver(graph, work, place):  # type: ignore[no-untyped-def]
    """Add the messages of a layer to the sums of its projections; float32 holds them exactly."""
    size = graph.layers[place, _SIZE]
    for each in graph.projections:
        if each[_SOURCE] == place:
            width = graph.layers[each[_TARGET], _SIZE]
            total = work.total[each[_SUM] : each[_SUM] + width]
            for i in range(size):
                message = np.float32(work.logits[i])
                if message != 0:
                    first = each[_WEIGHTS] + i * width
                    weights = graph.weights[first : first + width]
                    for j in range(width):
                        total[j] += message * weights[j]
