"""The arrays of one cue, which the event engines write; those of its network are a `Layout`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiled.bundle import bundle
from ..layout.arrays import Floats, Records

# How units of a population move: x(t) = target - gap exp(-rate (t - base)).
POPULATION_STATE = np.dtype(
    [
        ("base", np.float64),
        ("first", np.float64),  # smallest of `State.crossing`
        ("due", np.float64),  # when a unit may send
        ("shift", np.float64),  # of low and high: what a SHARE reads from its normaliser
        ("scan", np.int64),  # the next unit to look at after a shift
        ("budget", np.float64),  # GROUPS: change of log-odds or u that cannot lead to a message,
        ("speed", np.float64),  # the largest rate of such a change,
        ("since", np.float64),  # and when that was so
    ],
    align=True,
)
UNIT = np.dtype(
    [
        ("fixed", np.float64),  # state if it is clamped, NaN if it is free
        ("down", np.float64),  # outputs at which the next message leaves
        ("up", np.float64),
        ("last_sent", np.float64),  # state at its last message,
        ("sent_at", np.float64),  # and when that was
        ("first", np.float64),  # output at t = 0
        ("latest", np.int64),  # position of its last message, or -1
        ("number", np.int64),  # of its messages so far
    ],
    align=True,
)
# What receivers read from a sender, and the position of that message, or -1.
REGISTER = np.dtype([("value", np.float64), ("last_received", np.int64)])
# A message on its way, or the next look of a unit at its output.
PACKET = np.dtype(
    [
        ("time", np.float64),  # when it arrives
        ("order", np.int64),  # of equal times the first one comes first
        ("what", np.int64),  # a projection, or TICK or BEAT
        ("index", np.int64),  # of the message; the number of a tick
        ("unit", np.int64),  # the one that receives, counted in its population, or ALL; or looks
        ("lost", np.bool_),
    ],
    align=True,
)
TICK, BEAT = -1, -2
ALL = -1
# Every message that was sent; `previous` is the one before by the same unit, or -1.
MESSAGE = np.dtype(
    [
        ("time", np.float64),
        ("value", np.float64),
        ("unit", np.int64),
        ("previous", np.int64),
    ]
)
RUN = np.dtype(
    [
        ("now", np.float64),
        ("check", np.float64),  # when the cue may have settled
        ("last_message", np.float64),  # its time
        ("staleness", np.float64),
        ("messages", np.int64),  # numbers so far
        ("packets", np.int64),
        ("order", np.int64),  # of the next packet
        ("operations", np.int64),
        ("steps", np.int64),  # what an engine has looked at: its cost, up to a factor
        ("drops", np.int64),
        ("late", np.int64),
        ("begun", np.bool_),  # whether levels are set
    ],
    align=True,
)

# Why a call of an engine returns.
STOPPED, QUIET, MANY, BUSY, FULL, CROWDED, FLOODED = range(7)


@bundle
class State(NamedTuple):
    """One cue; arrays that vector instructions go through stand by themselves."""

    populations: Records  # of POPULATION_STATE
    units: Records  # of UNIT
    target: Floats  # by unit
    gap: Floats
    low: Floats  # states (ENTMAX: heights above the threshold) at which the next message leaves,
    high: Floats
    crossing: Floats  # when: exp(rate (t - base)), or t itself if the population has several rates
    scratch: Floats
    registers: Records  # of REGISTER
    queue: Records  # of PACKET, a binary heap
    messages: Records  # of MESSAGE
    run: Records  # (1,) of RUN
