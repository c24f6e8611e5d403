"""A binary heap of packets, ordered by (time, order), so that ties are deterministic. Compiled."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

from ....compiled.jit import inner


@inner
def _before(time, order, packet):
    return time < packet.time or (time == packet.time and order < packet.order)


@inner
def push(state, time, what, index, unit, lost):
    """Add a packet; the arguments after `state` are the fields of PACKET."""
    queue, run = state.queue, state.run[0]
    k, order = run.packets, run.order
    run.packets += 1
    run.order += 1
    while k > 0:
        parent = (k - 1) >> 1
        if not _before(time, order, queue[parent]):
            break
        queue[k] = queue[parent]
        k = parent
    queue[k].time, queue[k].order, queue[k].what = time, order, what
    queue[k].index, queue[k].unit, queue[k].lost = index, unit, lost


@inner
def pop(state):
    """Remove the first packet; read it before."""
    queue, run = state.queue, state.run[0]
    run.packets -= 1
    size, k = run.packets, 0
    time, order = queue[size].time, queue[size].order
    while 2 * k + 1 < size:
        child = 2 * k + 1
        if child + 1 < size and _before(
            queue[child + 1].time, queue[child + 1].order, queue[child]
        ):
            child += 1
        if _before(time, order, queue[child]):
            break
        queue[k] = queue[child]
        k = child
    queue[k] = queue[size]
