"""The arrays that the compiled engine works on.

Few arrays with many rows or fields: each array that is passed between compiled functions costs
seconds of compilation.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Records = NDArray[Any]

# Rows of `Engine.units`, for x(t) = TARGET - GAP exp(-RATE (t - base)).
(
    TARGET,
    GAP,
    RATE,
    FIXED,  # state of a clamped unit, NaN where it is free
    LOW,  # states (ENTMAX: heights above the threshold) at which the next message leaves,
    HIGH,
    DOWN,  # and the outputs there
    UP,
    KEY,  # when: exp(RATE (t - base)), or t itself if the population has several rates
    SAID,  # state at the last message
    SENT,  # its time
    PHASE,  # of a periodic clock
    PERIOD,
    SHARE,  # working memory of groups
    UNIT_ROWS,
) = range(15)

# Rows of `Engine.ranks`.
OWNER, LATEST, NUMBER, RANK_ROWS = range(4)  # population; last message or -1; messages so far

# A population is a layer, or one copy of it. A projection has one contiguous row per sender.
POPULATION = np.dtype(
    [
        ("start", np.int64),
        ("stop", np.int64),
        ("kind", np.int64),
        ("parameter", np.float64),
        ("alpha", np.float64),
        ("least", np.float64),  # range of the outputs
        ("most", np.float64),
        ("quantum", np.float64),
        ("leak", np.float64),
        ("rate", np.float64),  # NaN if the units have several
        ("fastest", np.float64),
        ("base", np.float64),
        ("first", np.float64),  # smallest key
        ("due", np.float64),  # when a unit may send
        ("shift", np.float64),  # of LOW and HIGH: what a SHARE hears from its normaliser
        ("scan", np.int64),  # the next unit to look at after a shift
        ("normaliser", np.int64),  # its unit, or -1
        ("budget", np.float64),  # GROUPS: change of log-odds or u that cannot lead to a message,
        ("speed", np.float64),  # the largest rate of such a change,
        ("since", np.float64),  # and when that was so
        ("outgoing", np.int64),  # first of its projections in `Engine.outgoing`,
        ("beyond", np.int64),  # and where they end
    ],
    align=True,
)
PROJECTION = np.dtype(
    [
        ("source", np.int64),
        ("target", np.int64),
        ("weights", np.int64),  # position of the first row, -1 for the shift by a normaliser
        ("largest", np.float64),  # absolute weight
        ("delay", np.int64),  # position of the first delay, and strides by sender and receiver
        ("delay_sender", np.int64),
        ("delay_receiver", np.int64),
        ("register", np.int64),  # position of the first register, and its strides
        ("register_sender", np.int64),
        ("register_receiver", np.int64),
    ],
    align=True,
)
RULES = np.dtype(
    [
        ("link", np.bool_),  # whether every link has its own packet
        ("latest", np.bool_),  # whether the last arrival wins
        ("zero", np.bool_),  # whether a receiver notices a loss, and reads 0
        ("ahead", np.bool_),  # whether messages announce half a quantum further
        ("clocked", np.bool_),
        ("settles", np.bool_),
        ("drop", np.float64),
        ("heartbeat", np.float64),  # infinite without
        ("poisson", np.float64),  # rate of looks, 0 for periodic clocks
        ("tick_jitter", np.float64),
        ("transit", np.float64),  # after which no message is on its way any more
        ("limit", np.int64),  # messages
        ("fan", np.int64),  # packets of one message
        ("seed_jitter", np.uint64),
        ("seed_drop", np.uint64),
        ("seed_tick", np.uint64),
    ],
    align=True,
)
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

# Entries of `Engine.clock`, and of `Engine.counts`.
NOW, CHECK, SENT_LAST, STALENESS = range(4)
MESSAGES, PACKETS, ORDER, OPERATIONS, DROPS, LATE = range(6)
# Why a call of the engine returns.
STOPPED, QUIET, MANY, BUSY, FULL = range(5)


class Engine(NamedTuple):
    """One cue."""

    units: Floats  # (UNIT_ROWS, N)
    ranks: Ints  # (RANK_ROWS, N)
    populations: Records  # of POPULATION
    projections: Records  # of PROJECTION
    outgoing: Ints  # projections by source
    rules: Records  # (1,) of RULES
    weights: Floats
    delays: Floats
    jitter: Floats  # empty, the largest one, or quantiles
    register: Floats  # what receivers read,
    heard: Ints  # and the index of that message
    queue: Records  # of PACKET, a binary heap
    messages: Records  # of MESSAGE
    clock: Floats
    counts: Ints
