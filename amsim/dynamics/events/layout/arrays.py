"""The arrays of a network: what the event engines read, and never write.

A population is a layer, or one copy of it: units that share a last axis. A projection is one
direction of a synapse between two populations. Units are numbered through the whole network, layer
by layer; normaliser neurons come last.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ....compiled.bundle import bundle

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Records = NDArray[Any]

POPULATION = np.dtype(
    [
        ("start", np.int64),  # its units
        ("stop", np.int64),
        ("kind", np.int64),  # its row in the table of neurons
        ("parameter", np.float64),
        ("alpha", np.float64),
        ("least", np.float64),  # range of the outputs
        ("most", np.float64),
        ("quantum", np.float64),
        ("leak", np.float64),
        ("rate", np.float64),  # of its units; NaN if they have several
        ("fastest", np.float64),  # the largest rate
        ("normaliser", np.int64),  # the unit that follows its sum, or -1
        ("outgoing", np.int64),  # the first of its projections, or -1
    ],
    align=True,
)
PROJECTION = np.dtype(
    [
        ("source", np.int64),  # populations
        ("target", np.int64),
        ("following", np.int64),  # the next projection of the same source, or -1
        ("weights", np.int64),  # position of the first; a row per sender; -1 for a normaliser's
        ("largest", np.float64),  # absolute weight
        ("delay", np.int64),  # position of the first delay, and strides by sender and receiver
        ("delay_sender", np.int64),
        ("delay_receiver", np.int64),
        ("register", np.int64),  # position of the first register, and strides likewise
        ("register_sender", np.int64),
        ("register_receiver", np.int64),
    ],
    align=True,
)
UNIT_CONSTANTS = np.dtype(
    [
        ("population", np.int64),
        ("rate", np.float64),  # leak / tau
        ("quantum", np.float64),
        ("clock", np.int64),  # number of its clock, which others may share,
        ("phase", np.float64),  # first tick,
        ("period", np.float64),  # and time between ticks
    ],
    align=True,
)
RULES = np.dtype(
    [
        ("link", np.bool_),  # whether every link has its own packet
        ("latest", np.bool_),  # whether the last arrival wins
        ("zero", np.bool_),  # whether a receiver notices a loss, and reads 0
        ("ahead", np.bool_),  # whether messages carry half a quantum more
        ("clocked", np.bool_),
        ("tolerance", np.float64),  # of residuals at rest, 0 if no cue ends before the time limit
        ("drop", np.float64),
        ("heartbeat", np.float64),  # infinite without
        ("poisson", np.float64),  # rate of looks, 0 for periodic clocks
        ("tick_jitter", np.float64),
        ("resync", np.int64),  # ticks after which clocks are set anew,
        ("resync_time", np.float64),  # and the time for that
        ("slot", np.float64),  # length of a slot of noise, infinite without noise
        ("transit", np.float64),  # after which no message is on its way any more
        ("limit", np.int64),  # messages
        ("fan", np.int64),  # packets of one message
        ("seed_jitter", np.uint64),
        ("seed_drop", np.uint64),
        ("seed_tick", np.uint64),
    ],
    align=True,
)
# A link of one receiver for runs in windows; its weight by the leak of the receiver.
LINK = np.dtype([("delay", np.float64), ("weight", np.float64)])


@bundle
class Layout(NamedTuple):
    """One network with its timing, for all cues."""

    populations: Records  # of POPULATION
    projections: Records  # of PROJECTION
    rules: Records  # (1,) of RULES
    units: Records  # of UNIT_CONSTANTS
    weights: Floats
    delays: Floats
    jitter: Floats  # empty, the largest one, or quantiles
    links: Records  # of LINK, by projection, receiver and sender; empty without windows
