"""Servers: messages come, wait, are served and go on. Compiled.

Every server keeps its messages in a line of slots, and has one packet in the queue: the end of the
present service. So memory is bounded by what is under way.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math

import numpy as np

from ....compiled.jit import inner
from ....compiled.streams import mixed, unit_interval
from ....neurons import GROUPS, SHARE, SIGN
from ..engine.clocks import next_tick_after
from ..engine.groups import log_sum_exp
from ..engine.leak import find_crossing, receive, sends_at_levels, state_at
from ..engine.loop import moved
from ..engine.queue import push
from ..engine.sending import keys_of_message, output, place_levels, travel, write_message
from ..engine.state import ALL
from .arrays import COALESCE, ON_A_LINK, RESTED, SERVED, WAIT
from .correlated import correlated


@inner
def note(layout, state, traffic, index, change):
    """There are more or fewer packets of message `index`."""
    traffic.tally[0].under_way += change
    note_news(state, traffic, index, change)


@inner
def note_news(state, traffic, index, change):
    """Fewer or more are to read message `index`; a cue may settle without news."""
    tally, run = traffic.tally[0], state.run[0]
    if traffic.marks[index].news:
        tally.news += change
        if tally.news > 0:
            run.check = np.inf
        else:
            run.check = max(run.now, tally.since)


@inner
def take_slot(traffic):
    """A slot that is free; there is room for it."""
    tally = traffic.tally[0]
    tally.slots += 1
    k = tally.free
    if k >= 0:
        tally.free = traffic.slots[k].next
    else:
        k = tally.used
        tally.used += 1
    traffic.slots[k].next = -1
    traffic.slots[k].left = 0
    return k


@inner
def free_slot(traffic, k):
    """Slot k is not used any more."""
    tally = traffic.tally[0]
    tally.slots -= 1
    traffic.slots[k].next = tally.free
    tally.free = k


@inner
def _count(state, server, change):
    """The number of messages in a server changes."""
    now = state.run[0].now
    server.area += server.count * (now - server.changed)
    server.changed = now
    server.count += change
    server.most = max(server.most, server.count)


@inner
def _service(state, ways, traffic, n, index):
    """How long the server of node n serves a message."""
    node, message = ways.nodes[n], state.messages[index]
    server = ways.servers[node.server]
    mean = server.service * node.work
    if server.spread == 0.0:
        return mean
    number = np.uint64(traffic.marks[index].number)
    key = mixed(mixed(ways.rules[0].seed, np.uint64(message.unit)), number)
    u = unit_interval(mixed(key, np.uint64(n)))
    return mean * ((1.0 - server.spread) - server.spread * math.log(u))


@inner
def _start(state, ways, traffic, s):
    """Serve the first message of server s."""
    server, now = traffic.servers[s], state.run[0].now
    slot = traffic.slots[server.head]
    node = ways.nodes[slot.node]
    if node.table >= 0:  # a newer message does not take its place any more
        traffic.table[node.table + ways.units[state.messages[slot.message].unit].rank] = -1
    time = _service(state, ways, traffic, slot.node, slot.message)
    server.started += 1
    server.wait += now - slot.arrived
    server.busy += time
    server.ends = now + time
    push(state, server.ends, SERVED, 0, s, False)


@inner
def enter(layout, state, ways, traffic, n, index):
    """A message comes to the server of node n; where senders wait, a place is kept for it."""
    node, now = ways.nodes[n], state.run[0].now
    rules, server = ways.servers[node.server], traffic.servers[node.server]
    server.arrived += 1
    place = -1
    if server.dead:
        server.dropped += 1
        server.held -= 1
        note(layout, state, traffic, index, -1)
        return
    if rules.on_full == COALESCE:
        place = node.table + ways.units[state.messages[index].unit].rank
        if traffic.table[place] >= 0:
            slot = traffic.slots[traffic.table[place]]
            older = slot.message
            server.coalesced += 1
            server.sojourn += now - slot.arrived
            slot.message, slot.arrived = index, now
            note(layout, state, traffic, older, -1)
            return
    if rules.on_full != WAIT and server.count >= rules.places:
        server.dropped += 1
        note(layout, state, traffic, index, -1)
        return
    _count(state, server, 1)
    k = take_slot(traffic)
    slot = traffic.slots[k]
    slot.message, slot.node, slot.arrived = index, n, now
    if place >= 0:
        traffic.table[place] = k
    if server.count == 1:
        server.head = server.tail = k
        _start(state, ways, traffic, node.server)
    else:
        traffic.slots[server.tail].next = k
        server.tail = k


@inner
def _go(layout, state, ways, traffic, n, index, latency):
    """A message goes to node n.

    Parameters
    ----------
    layout, state, ways, traffic : bundles of arrays
    n, index : int
        A node, and a message.
    latency : float
        On the way to it.
    """
    note(layout, state, traffic, index, 1)
    if latency > 0.0:
        push(state, state.run[0].now + latency, ON_A_LINK, index, n, False)
    else:
        enter(layout, state, ways, traffic, n, index)


@inner
def is_full(ways, traffic, s):
    """Whether one has to wait for a place of server s."""
    server = traffic.servers[s]
    return not server.dead and (server.waiting > 0 or server.held >= ways.servers[s].places)


@inner
def _wait_for(traffic, s, index, n, parent, latency):
    """Stand in line for a place of server s."""
    server, k = traffic.servers[s], take_slot(traffic)
    slot = traffic.slots[k]
    slot.message, slot.node, slot.parent, slot.latency = index, n, parent, latency
    if server.waiting == 0:
        server.first = k
    else:
        traffic.slots[server.last].next = k
    server.last = k
    server.waiting += 1


@inner
def _deliver_later(layout, state, ways, traffic, c, index, latency):
    """What comes after the last link: delay, jitter and loss, as without a fabric.

    Parameters
    ----------
    layout, state, ways, traffic : bundles of arrays
    c, index : int
        A part, and a message.
    latency : float
        On the way to it.
    """
    part, rules, message = ways.parts[c], layout.rules[0], state.messages[index]
    q, left = part.projection, state.run[0].now + latency
    own_jitter, own_drop = keys_of_message(layout, message.unit, traffic.marks[index].number)
    heard = layout.projections[q].weights >= 0
    each, drop, common = rules.link and heard, rules.drop, 0.0
    if ways.rules[0].correlated and heard:
        senders, now = ways.units[message.unit].group, state.run[0].now
        drop, common = correlated(ways, traffic, part.group, senders, drop, now)
    for r in range(part.first, part.last if each else part.first + 1):
        first, last = ALL, 0
        if each:
            first, last = ways.runs[r].first, ways.runs[r].last
        for receiver in range(first, last):
            arrival, lost = travel(layout, message, q, receiver, own_jitter, own_drop, left, drop)
            arrival += common
            if lost and (each or part.number == 0 or ways.rules[0].bursts_into):
                state.run[0].drops += 1
            if not lost or rules.zero:
                if part.hears >= 0:
                    arrival = next_tick_after(layout, part.hears, arrival)
                note(layout, state, traffic, index, 1)
                push(state, arrival, c, index, receiver, lost)


@inner
def forward(layout, state, ways, traffic, e, index, parent):
    """A message takes edge e; False if it has to wait, in the place of slot `parent`.

    Parameters
    ----------
    layout, state, ways, traffic : bundles of arrays
    e, index : int
        An edge, and a message.
    parent : int
        Slot of the message in the link before; -1 where a place is kept, or a unit sends.
    """
    edge = ways.edges[e]
    if edge.child < 0:
        c = -1 - edge.child
        _deliver_later(layout, state, ways, traffic, c, index, edge.latency)
        return True
    s = ways.nodes[edge.child].server
    if parent >= 0 and ways.servers[s].on_full == WAIT:
        if is_full(ways, traffic, s):
            note(layout, state, traffic, index, 1)
            _wait_for(traffic, s, index, edge.child, parent, edge.latency)
            return False
        traffic.servers[s].held += 1
    _go(layout, state, ways, traffic, edge.child, index, edge.latency)
    return True


@inner
def say(layout, state, ways, traffic, i, value, direction, news):
    """Unit i sends its output `value` now; where senders wait, a place is kept for it.

    Parameters
    ----------
    layout, state, ways, traffic : bundles of arrays
    i : int
        The unit.
    value, direction : float
        Its output, and where that moves.
    news : bool
        Whether no cue may settle before it is read.
    """
    p, run = layout.units[i].population, state.run[0]
    index = write_message(layout, state, i, value, direction)
    mark = traffic.marks[index]
    mark.number, mark.news = state.units[i].number, news and ways.rules[0].counts
    if mark.news:
        traffic.tally[0].since = run.now + layout.rules[0].transit
    root = ways.roots[ways.units[i].root]
    note(layout, state, traffic, index, 1)
    for e in range(root.first, root.last):
        forward(layout, state, ways, traffic, e, index, -1)
    note(layout, state, traffic, index, -1)
    population = layout.populations[p]
    if sends_at_levels(layout, p) and state.populations[p].scan == population.stop:
        find_crossing(layout, state, p, i)
    if population.kind == SHARE:
        state.units[i].last_sent = state_at(layout, state, i, run.now)
        z = population.normaliser
        receive(layout, state, z, log_sum_exp(layout, state, p) - state.target[z])


@inner
def _take_levels(layout, state, i):
    """Unit i has no levels at which it would send."""
    p, unit = layout.units[i].population, state.units[i]
    unit.up, unit.down = np.inf, -np.inf
    state.high[i], state.low[i] = np.inf, -np.inf
    if sends_at_levels(layout, p) and state.populations[p].scan == layout.populations[p].stop:
        find_crossing(layout, state, p, i)


@inner
def _hold(layout, state, ways, traffic, i, direction, entry):
    """Unit i has to wait for a place: it has no levels until then.

    Parameters
    ----------
    layout, state, ways, traffic : bundles of arrays
    i : int
        The unit.
    direction : float
        Where its output moves.
    entry : int
        The server.
    """
    unit, held = state.units[i], traffic.held[i]
    held.waiting, held.up, held.down, held.direction = True, unit.up, unit.down, direction
    _take_levels(layout, state, i)
    _wait_for(traffic, entry, -1, i, -1, 0.0)
    traffic.tally[0].requests += 1
    traffic.tally[0].under_way += 1
    if ways.rules[0].counts:
        traffic.tally[0].news += 1
        state.run[0].check = np.inf


@inner
def _rest(layout, state, ways, traffic, i):
    """Unit i may not send yet: it has no levels until then; ticks and heartbeats come again."""
    unit, held = state.units[i], traffic.held[i]
    held.resting, held.up, held.down = True, unit.up, unit.down
    _take_levels(layout, state, i)
    push(state, unit.sent_at + ways.units[i].refractory, RESTED, 0, i, False)
    if ways.rules[0].counts:
        traffic.tally[0].news += 1
        state.run[0].check = np.inf


@inner
def end_rest(layout, state, ways, traffic, i):
    """Unit i may send again: whether its output has moved meanwhile, and what it is."""
    p, held, tally = layout.units[i].population, traffic.held[i], traffic.tally[0]
    held.resting = False
    if ways.rules[0].counts:
        tally.news -= 1
        if tally.news == 0:
            state.run[0].check = max(state.run[0].now, tally.since)
    if held.mute:
        return False, 0.0, 0.0
    state.units[i].up, state.units[i].down = held.up, held.down
    place_levels(layout, state, i)
    value, direction = moved(layout, state, i, state.run[0].now)
    if direction == 0.0 and layout.populations[p].kind in GROUPS:
        state.populations[p].due = state.run[0].now
    elif direction == 0.0 and state.populations[p].scan == layout.populations[p].stop:
        find_crossing(layout, state, p, i)
    return direction != 0.0, value, direction


@inner
def ask_to_say(layout, state, ways, traffic, i, value, direction):
    """Unit i wants to send: it does so now, or when there is a place.

    Parameters
    ----------
    layout, state, ways, traffic : bundles of arrays
    i : int
        The unit.
    value, direction : float
        Its output, and where that moves.
    """
    unit, entry = state.units[i], ways.roots[ways.units[i].root].entry
    rest = ways.units[i].refractory
    if rest > 0.0 and unit.latest >= 0 and state.run[0].now < unit.sent_at + rest:
        if direction != 0.0 and not layout.rules[0].clocked:
            _rest(layout, state, ways, traffic, i)
        return
    if entry >= 0:
        if is_full(ways, traffic, entry):
            _hold(layout, state, ways, traffic, i, direction, entry)
            return
        traffic.servers[entry].held += 1
    say(layout, state, ways, traffic, i, value, direction, direction != 0.0)


@inner
def _say_at_last(layout, state, ways, traffic, i):
    """Unit i got a place, and says what its output is now."""
    held, tally = traffic.held[i], traffic.tally[0]
    held.waiting = False
    value, direction = output(layout, state, i, state.run[0].now), 0.0
    if held.stuck:
        value = held.value
    elif layout.populations[layout.units[i].population].kind == SIGN:
        direction = held.direction if value == 0.0 else math.copysign(1.0, value)
        value = direction
    elif value >= held.up:
        direction = 1.0
    elif value <= held.down:
        direction = -1.0
    say(layout, state, ways, traffic, i, value, direction, True)
    tally.under_way -= 1
    p = layout.units[i].population
    if layout.populations[p].kind in GROUPS:  # its next look was for the others alone
        state.populations[p].due = state.run[0].now
    if held.mute:
        _take_levels(layout, state, i)
    if ways.rules[0].counts:
        tally.news -= 1
        if tally.news == 0:
            state.run[0].check = max(state.run[0].now, tally.since)


@inner
def _grant(layout, state, ways, traffic, s):
    """A place of server s is free: who waits for it? Returns a server that is unblocked, or -1."""
    server = traffic.servers[s]
    if server.waiting == 0 or (server.held >= ways.servers[s].places and not server.dead):
        return -1
    k = server.first
    slot = traffic.slots[k]
    index, n, latency, parent = slot.message, slot.node, slot.latency, slot.parent
    server.first = slot.next
    server.waiting -= 1
    server.held += 1
    free_slot(traffic, k)
    if parent < 0:
        _say_at_last(layout, state, ways, traffic, n)
        return -1
    _go(layout, state, ways, traffic, n, index, latency)
    note(layout, state, traffic, index, -1)
    above = traffic.slots[parent]
    above.left -= 1
    return ways.nodes[above.node].server if above.left == 0 else -1


@inner
def _leave(layout, state, ways, traffic, s):
    """The first message of server s is gone; its place may let others go on."""
    while s >= 0:
        server = traffic.servers[s]
        k = server.head
        now = state.run[0].now
        _count(state, server, -1)
        server.sojourn += now - traffic.slots[k].arrived
        server.stopped += now - server.ends
        server.served += 1
        server.held -= 1
        server.blocked = False
        server.head = traffic.slots[k].next
        free_slot(traffic, k)
        if server.count > 0:
            _start(state, ways, traffic, s)
        s = _grant(layout, state, ways, traffic, s)


@inner
def end_service(layout, state, ways, traffic, s):
    """Server s has served its first message, which goes on if there are places for it."""
    server = traffic.servers[s]
    if server.dead:  # what was served is gone
        return
    k = server.head
    slot = traffic.slots[k]
    index, node = slot.message, ways.nodes[slot.node]
    for e in range(node.first, node.last):
        if not forward(layout, state, ways, traffic, e, index, k):
            traffic.slots[k].left += 1
    note(layout, state, traffic, index, -1)
    if traffic.slots[k].left > 0:
        server.blocked = True
    else:
        _leave(layout, state, ways, traffic, s)


@inner
def mute(layout, state, ways, traffic, i):
    """Unit i sends nothing any more, but what waits for a place."""
    traffic.held[i].mute = True
    _take_levels(layout, state, i)


@inner
def stick(layout, state, ways, traffic, i, value):
    """Unit i says `value`, and then nothing.

    Parameters
    ----------
    layout, state, ways, traffic : bundles of arrays
    i : int
    value : float
    """
    held, entry = traffic.held[i], ways.roots[ways.units[i].root].entry
    held.mute = held.stuck = True
    held.value = value
    if held.waiting:
        return
    if entry >= 0:
        if is_full(ways, traffic, entry):
            _hold(layout, state, ways, traffic, i, 0.0, entry)
            return
        traffic.servers[entry].held += 1
    say(layout, state, ways, traffic, i, value, 0.0, True)
    _take_levels(layout, state, i)


@inner
def kill(layout, state, ways, traffic, s):
    """Server s loses what is in it, and all that comes; nobody waits for it any more."""
    server, now = traffic.servers[s], state.run[0].now
    if server.dead:
        return
    server.dead = True
    k = server.head if server.count > 0 else -1
    if k >= 0 and server.blocked:  # it was served, and only its copies have to get away
        server.tail = k
        k = traffic.slots[k].next
        traffic.slots[server.tail].next = -1
    elif k >= 0:
        server.busy -= server.ends - now
        server.ends = now
    while k >= 0:
        slot = traffic.slots[k]
        node, following, index = ways.nodes[slot.node], slot.next, slot.message
        if node.table >= 0:
            traffic.table[node.table + ways.units[state.messages[index].unit].rank] = -1
        _count(state, server, -1)
        server.sojourn += now - slot.arrived
        server.dropped += 1
        server.held -= 1
        note(layout, state, traffic, index, -1)
        free_slot(traffic, k)
        k = following
    while server.waiting > 0:
        _leave(layout, state, ways, traffic, _grant(layout, state, ways, traffic, s))
