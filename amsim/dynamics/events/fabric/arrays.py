"""The arrays of shared links: `Ways`, which a run only reads, and `Traffic`, which it writes.

The ways of a group's messages are a tree. Its nodes are servers; an edge leads to the next server,
or to a part, which is a projection to the receivers of one group. Links that serve nobody (their
bandwidth has no end) are no nodes: edges have their latency.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiled.bundle import bundle
from ..layout.arrays import Floats, Ints, Records

WAIT, DROP, COALESCE = range(3)
POLICIES = ("wait", "drop", "coalesce")
UNLIMITED = 2**62

SERVER = np.dtype(
    [
        ("service", np.float64),  # mean time
        ("spread", np.float64),  # and the share of it that is exponential
        ("places", np.int64),
        ("on_full", np.int64),
    ],
    align=True,
)
NODE = np.dtype(
    [
        ("server", np.int64),
        ("work", np.float64),  # services of one message
        ("first", np.int64),  # its edges, to last - 1
        ("last", np.int64),
        ("table", np.int64),  # of its units in `Traffic.table`, or -1
    ],
    align=True,
)
EDGE = np.dtype([("child", np.int64), ("latency", np.float64)])  # a node, or -1 - part
# Where the messages of a population's units in one group begin.
ROOT = np.dtype(
    [
        ("first", np.int64),  # its edges
        ("last", np.int64),
        ("entry", np.int64),  # the server for which its units wait, or -1
    ],
    align=True,
)
PART = np.dtype(
    [
        ("projection", np.int64),
        ("number", np.int64),  # among the parts of its projection: the place of its registers
        ("first", np.int64),  # runs of its receivers
        ("last", np.int64),
        ("group", np.int64),  # of its receivers
        ("hears", np.int64),  # a unit with the clock at whose ticks they read, or one of these two
    ],
    align=True,
)
AT_ONCE, AT_BARRIERS = -1, -2
RUN_OF_UNITS = np.dtype([("first", np.int64), ("last", np.int64)])  # counted in the population
UNIT_WAY = np.dtype(
    [
        ("root", np.int64),
        ("rank", np.int64),  # its number among those of the root
        ("group", np.int64),
        ("refractory", np.float64),  # time after a message
    ],
    align=True,
)
WAY_RULES = np.dtype(
    [
        ("room", np.int64),  # packets and slots that one event may need
        ("table", np.int64),  # entries of `Traffic.table`
        ("counts", np.bool_),  # whether news under way keep a cue from settling
        ("step", np.float64),  # shortest time between barriers, 0 without
        ("overhead", np.float64),  # from the last arrival to the barrier
        ("seed", np.uint64),  # of times of service,
        ("seed_fault", np.uint64),  # of what babblers say,
        ("seed_common", np.uint64),  # of common jitter
        ("seed_burst", np.uint64),  # and of bursts of loss
        ("correlation", np.float64),  # time of common jitter
        ("correlated", np.bool_),  # whether groups share jitter or losses
        ("common_into", np.bool_),  # whether it is that of the receivers' group
        ("good", np.float64),  # mean times in both states, 0 without bursts
        ("bad", np.float64),
        ("drop_good", np.float64),
        ("drop_bad", np.float64),
        ("bursts_into", np.bool_),
    ],
    align=True,
)

SERVER_STATE = np.dtype(
    [
        ("head", np.int64),  # slots of its messages; the first one is served
        ("tail", np.int64),
        ("count", np.int64),  # messages in it,
        ("held", np.int64),  # and with those that come for sure
        ("first", np.int64),  # slots of those that wait for a place
        ("last", np.int64),
        ("waiting", np.int64),
        ("dead", np.bool_),
        ("blocked", np.bool_),  # served, but there is no place where it should go
        ("arrived", np.int64),
        ("started", np.int64),
        ("served", np.int64),
        ("dropped", np.int64),
        ("coalesced", np.int64),
        ("most", np.int64),  # messages in it at one time
        ("changed", np.float64),  # when `count` changed,
        ("area", np.float64),  # and its integral until then
        ("ends", np.float64),  # of the present service
        ("busy", np.float64),  # times of service that began,
        ("wait", np.float64),  # and of waiting for them
        ("sojourn", np.float64),  # of messages that are gone
        ("stopped", np.float64),  # time for which it was blocked
    ],
    align=True,
)
SLOT = np.dtype(
    [
        ("message", np.int64),
        ("node", np.int64),  # where it is, or where it goes; of a unit that waits, the unit
        ("next", np.int64),  # slot in the same line, or of the free ones
        ("parent", np.int64),  # slot of the message that is blocked by this one; -1: a unit waits
        ("left", np.int64),  # copies of it that have no place yet
        ("latency", np.float64),  # of the edge to its node
        ("arrived", np.float64),
    ],
    align=True,
)
# A unit that waits for a place, or for the end of its refractory time: what levels it had, and
# where its output went.
HELD = np.dtype(
    [
        ("waiting", np.bool_),
        ("resting", np.bool_),
        ("up", np.float64),
        ("down", np.float64),
        ("direction", np.float64),
        ("mute", np.bool_),  # it has failed, and has no levels;
        ("stuck", np.bool_),  # what it says last is not its output, but
        ("value", np.float64),
    ],
    align=True,
)
# What fails: a unit or a server, and the value that it says, or its rate.
FAULT = np.dtype(
    [("kind", np.int64), ("at", np.float64), ("which", np.int64), ("value", np.float64)], align=True
)
SILENT, STUCK, BABBLING, DEAD = range(4)
# Of every message: its number among those of its unit, and whether it is news.
MARK = np.dtype([("number", np.int64), ("news", np.bool_)], align=True)
# Jitter and loss that a group has now.
GROUP = np.dtype(
    [
        ("common", np.float64),
        ("redrawn", np.float64),  # when it will be drawn anew,
        ("redraws", np.int64),  # and how often it was
        ("bad", np.bool_),
        ("switches", np.float64),  # when it leaves this state,
        ("switched", np.int64),  # and how often it came to one
    ],
    align=True,
)
TALLY = np.dtype(
    [
        ("news", np.int64),  # packets with news, and units that wait to tell some
        ("since", np.float64),  # when the last news will have arrived if nobody waits
        ("free", np.int64),  # first free slot, or -1,
        ("used", np.int64),  # slots that were ever used,
        ("slots", np.int64),  # and that are in use
        ("requests", np.int64),  # units that had to wait
        ("under_way", np.int64),  # what the next barrier waits for: packets, and units' looks
        ("first", np.int64),  # slots of what has arrived since the last barrier
        ("last", np.int64),
        ("announced", np.bool_),  # whether the next one is in the queue
        ("began", np.float64),  # when the last one was
        ("barriers", np.int64),
        ("longest", np.float64),  # of the steps before them,
        ("needed", np.float64),  # the time until all had arrived, with overhead: now, sum, largest
        ("delivery", np.float64),
        ("delivery_longest", np.float64),
    ],
    align=True,
)
# What a packet is besides a look of a unit: the end of a service, a way between two servers, a
# fault, a message of a babbler, a barrier, or the end of a refractory time.
SERVED, ON_A_LINK, FAILS, BABBLE, BARRIER, RESTED = -3, -4, -5, -6, -7, -8


@bundle
class Ways(NamedTuple):
    """Who serves the messages of whom; the same for all cues."""

    servers: Records  # of SERVER
    nodes: Records  # of NODE
    edges: Records  # of EDGE
    roots: Records  # of ROOT
    parts: Records  # of PART
    runs: Records  # of RUN_OF_UNITS
    units: Records  # of UNIT_WAY
    faults: Records  # of FAULT
    common: Floats  # jitter: empty, the largest one, or quantiles
    rules: Records  # (1,) of WAY_RULES


@bundle
class Traffic(NamedTuple):
    """What is under way in one cue."""

    servers: Records  # of SERVER_STATE
    slots: Records  # of SLOT
    table: Ints  # by node and unit: the slot of its message that waits there, or -1
    held: Records  # of HELD, by unit
    marks: Records  # of MARK, by message
    groups: Records  # of GROUP
    tally: Records  # (1,) of TALLY
