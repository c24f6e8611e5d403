"""Working memory of the engine in windows; see `window_loop`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .... import neurons
from ....compiled.bundle import bundle
from ..layout import Layout
from ..layout.arrays import Floats, Ints, Records
from .state import CROWDED, FLOODED, FULL, State
from .window_group import GROUP_CELLS
from .window_loop import SPARE
from .window_unit import CELLS, CLOSED

_ROOM = 16  # messages per unit and window
_ARRIVALS = 1 << 14  # of one unit, handled at once
_LONGEST = 16.0  # window, in units of the smallest tau: a gap then has not grown beyond e^16

# A message on its way, or an arrival, whose time becomes exp(rate (t - begun)).
FLIGHT = np.dtype([("time", np.float64), ("change", np.float64)])
# What decides, with a link, when such a message arrives, and its position.
FATE = np.dtype(
    [("value", np.float64), ("jitter", np.uint64), ("drop", np.uint64), ("index", np.int64)]
)
# Counted in its population; `flights` is where its first message would be, if that and the others
# that are gone were still on their way.
SENDER = np.dtype([("unit", np.int64), ("flights", np.int64), ("gone", np.int64)])
# Of each unit: messages that have arrived everywhere, or nowhere; where its others begin in
# `flights`, where the next one goes, and where its room ends.
SENDING = np.dtype(
    [("gone", np.int64), ("first", np.int64), ("cursor", np.int64), ("stop", np.int64)]
)
OUT = np.dtype(
    [
        ("time", np.float64),
        ("value", np.float64),
        ("unit", np.int64),
        ("news", np.bool_),  # whether its output has moved by a quantum: no heartbeat
    ],
    align=True,
)
# The changes of a cell, those times e, absolute changes, and the last of the arrivals or -1.
SUM = np.dtype(
    [("total", np.float64), ("moment", np.float64), ("size", np.float64), ("last", np.int64)]
)
WINDOW = np.dtype(
    [
        ("width", np.float64),  # the smallest delay, or less
        ("widest", np.float64),  # that one may be which begins without messages on their way
        ("longest", np.float64),  # delay with its jitter
        ("end", np.float64),
        ("now", np.float64),  # the time up to which `unit` has come
        ("unit", np.int64),  # whose turn it is; CLOSED while no window is open
        ("leaving", np.int64),  # messages in `out`
        ("oldest", np.int64),  # message that may be on its way,
        ("listed", np.int64),  # and the first that is not in `flights` yet
        ("gathered", np.int64),  # units of a group whose arrivals are here,
        ("count", np.int64),  # how many these are,
        ("cells", np.int64),  # into how many cells they were put,
        ("cell", np.int64),  # the one that comes next, or CLOSED while units are gathered,
        ("done", np.int64),  # arrivals of that cell that are done,
        ("halted", np.bool_),  # and whether some are not, for want of room
    ],
    align=True,
)


@bundle
class Windows(NamedTuple):
    """Messages on their way, and working memory."""

    received: NDArray[np.int32]  # number of the last message that has arrived, by link
    held: Floats  # its value; empty if all messages arrive in the order in which they were sent
    before: NDArray[np.int32]  # both, for one unit and all `senders`, before its last arrivals
    held_before: Floats
    senders: Records  # with messages on their way, by projection,
    slots: Ints  # which begin here
    flights: Records  # by sender, each ended by one that never arrives
    fates: Records
    sending: Records
    arrivals: Records  # of one unit, or one group
    sums: Records  # of these, by cells, where they are of a unit,
    before_in_cell: NDArray[np.int32]  # and which came before in the same cell, or -1
    placed: Records  # by cells, where they are of a group; this and the next are empty without
    owners: Ints  # the units at which `arrivals` and `placed` arrive
    placed_owners: Ints
    ends: Ints  # of the cells
    order: Ints
    out: Records  # messages of this window
    window: Records  # (1,) of WINDOW


def begin_windows(layout: Layout, state: State) -> Windows:
    """Working memory for one cue."""
    units, populations = len(state.units), layout.populations
    width = populations["stop"] - populations["start"]
    sources = layout.projections["source"]
    room = max(_ARRIVALS, 2 * units * len(sources))
    window = np.zeros(1, WINDOW)
    window["widest"] = _LONGEST / populations["fastest"].max()
    window["width"] = min(layout.delays.min(), window["widest"][0])
    window["longest"] = layout.delays.max() + layout.jitter.max(initial=0.0)
    window["unit"] = window["cell"] = CLOSED
    owned = room if np.isin(populations["kind"], neurons.GROUPS).any() else 0
    uncertain = layout.rules["drop"][0] > 0 or len(layout.jitter) > 0
    flights = 2 * len(state.messages) + (SPARE + 2) * units
    return Windows(
        received=np.zeros(len(layout.links), np.int32),
        held=_by_receiver(layout, state.units["first"]) if uncertain else np.zeros(0),
        before=np.zeros(width[sources].sum(), np.int32),
        held_before=np.zeros(width[sources].sum()),
        senders=np.zeros(width[sources].sum(), SENDER),
        slots=np.zeros(len(sources) + 1, np.int64),
        flights=np.zeros(flights, FLIGHT),
        fates=np.zeros(flights, FATE),
        sending=np.zeros(units, SENDING),
        arrivals=np.zeros(room, FLIGHT),
        sums=np.zeros(CELLS, SUM),
        before_in_cell=np.zeros(room, np.int32),
        placed=np.zeros(owned, FLIGHT),
        owners=np.zeros(owned, np.int64),
        placed_owners=np.zeros(owned, np.int64),
        ends=np.zeros(GROUP_CELLS, np.int64),
        order=np.zeros(max(room, _ROOM * units), np.int64),
        out=np.zeros(_ROOM * units, OUT),
        window=window,
    )


def grown(windows: Windows, ended: int) -> Windows:
    """Room for twice as many messages, in this window or on their way, or arrivals."""
    names = {
        CROWDED: ("order", "out"),
        FULL: ("flights", "fates"),
        FLOODED: ("arrivals", "before_in_cell", "placed", "owners", "placed_owners", "order"),
    }
    parts = {name: getattr(windows, name) for name in names[ended]}
    return windows._replace(**{name: longer(part, len(part)) for name, part in parts.items()})


def longer(array: NDArray[Any], more: int) -> NDArray[Any]:
    """An array with so many zeros behind it, which take no memory before something is written."""
    found = np.zeros(len(array) + more, array.dtype)
    found[: len(array)] = array
    return found


def _by_receiver(layout: Layout, outputs: Floats) -> Floats:
    """What a link would hold if it knew the output of its sender, as `links` are ordered."""
    parts = []
    for projection in layout.projections:
        source, target = (layout.populations[projection[end]] for end in ("source", "target"))
        part = outputs[source["start"] : source["stop"]]
        parts.append(np.tile(part, target["stop"] - target["start"]))
    return np.concatenate(parts)


def settle_registers(layout: Layout, state: State, windows: Windows) -> None:
    """Write what the registers hold: the last message of each sender that has arrived."""
    messages, number = state.messages[: state.run["messages"][0]], state.units["number"]
    # Of each unit, its output at t = 0 and then its messages.
    start = np.cumsum(number + 1) - number - 1
    units = np.concatenate([np.arange(len(number)), messages["unit"]])
    values = np.concatenate([state.units["first"], messages["value"]])
    values = values[np.argsort(units, kind="stable")]
    for projection in layout.projections:
        source, target = (layout.populations[projection[end]] for end in ("source", "target"))
        shape = target["stop"] - target["start"], source["stop"] - source["start"]
        part = slice(projection["register"], projection["register"] + shape[0] * shape[1])
        received = windows.received[part].reshape(shape)
        last = start[source["start"] : source["stop"]] + received
        state.registers["value"][part] = values[last].T.ravel()
