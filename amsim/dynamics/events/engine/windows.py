"""Working memory of the engine in windows; see `window_loop`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .... import neurons
from ....compiled.bundle import bundle
from ....compiled.vectors import WIDTH
from ..layout import Layout
from ..layout.arrays import Floats, Ints, Records
from .state import CROWDED, FLOODED, FULL, State
from .window_group import BLOCK, GROUP_CELLS, MANY_ARRIVALS
from .window_loop import SPARE
from .window_unit import CELLS, CLOSED

_ROOM = 16  # messages per unit and window
_ARRIVALS = 1 << 14  # of one unit, handled at once
_LONGEST = 16.0  # window, in units of the smallest tau: a gap then has not grown beyond e^16

# Counted in its population; `flights` is where its first message would be among those on their
# way, if that and the others that are gone still were.
SENDER = np.dtype([("unit", np.int64), ("flights", np.int64), ("gone", np.int64)])
# Of each unit: messages that have arrived everywhere, or nowhere; where its others begin among
# those on their way, where the next one goes, and where its room ends.
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
# An arrival at a unit of a group.
PLACED = np.dtype([("time", np.float64), ("change", np.float64), ("unit", np.int64)])
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
        ("room", np.int64),  # arrivals that are kept; those beyond overwrite each other
        ("gathered", np.int64),  # units of a group whose arrivals are here,
        ("count", np.int64),  # how many these are,
        ("blocks", np.int64),  # into how many blocks of units,
        ("cells", np.int64),  # and cells of each, they were put,
        ("cell", np.int64),  # the one that comes next, or CLOSED while units are gathered,
        ("arrivals", np.int64),  # in that cell,
        ("done", np.int64),  # those that are done,
        ("halted", np.bool_),  # and whether some are not, for want of room
    ],
    align=True,
)


@bundle
class Windows(NamedTuple):
    """Messages on their way, and working memory."""

    received: NDArray[np.int32]  # number of the last message that has arrived, by link
    held: Floats  # its value; empty if no messages are lost
    before: NDArray[np.int32]  # both, for one unit and all `senders`, before its last arrivals
    held_before: Floats
    senders: Records  # with messages on their way, by projection,
    slots: Ints  # which begin here
    flights: Floats  # when messages left, by sender, each ended by one that never arrives,
    changes: Floats  # what they change,
    indices: Ints  # their positions,
    jitters: NDArray[np.uint64]  # and keys, where messages may overtake each other or are lost
    losses: NDArray[np.uint64]
    late: Floats  # (WIDTH,) how much later than by their delays messages arrive
    ages: Floats  # (WIDTH,) the largest, when they arrived, of messages that overtake, in no order
    sending: Records
    arrivals: Floats  # at one unit, or one group, by unit: times, which become
    arriving: Floats  # exp(rate (t - begun)); and changes
    sums: Records  # of these, by cells, where they are of a unit,
    before_in_cell: NDArray[np.int32]  # and which came before in the same cell, or -1
    placed: Records  # by cells, where they are of a group; empty without groups
    stops: Ints  # where the arrivals of each of its units end
    ends: Ints  # where those of each cell end in `placed`, by blocks of units
    sizes: Floats  # sums of absolute changes in a cell
    keys: Floats  # by which `order` is sorted
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
    window["room"] = room
    most, owned = room, 0  # memory that nothing is written to costs nothing
    if np.isin(populations["kind"], neurons.GROUPS).any():
        most = owned = max(room, min(2 * MANY_ARRIVALS, 8 * len(layout.links)))
    lossy = layout.rules["drop"][0] > 0
    uncertain = lossy or len(layout.jitter) > 0
    flights = 2 * len(state.messages) + (SPARE + 2) * units + WIDTH
    keys = max(most, _ROOM * units)
    return Windows(
        received=np.zeros(len(layout.links), np.int32),
        held=_by_receiver(layout, state.units["first"]) if lossy else np.zeros(0),
        before=np.zeros(width[sources].sum(), np.int32),
        held_before=np.zeros(width[sources].sum()),
        senders=np.zeros(width[sources].sum(), SENDER),
        slots=np.zeros(len(sources) + 1, np.int64),
        flights=np.zeros(flights),
        changes=np.zeros(flights),
        indices=np.zeros(flights, np.int64),
        jitters=np.zeros(flights if uncertain else 0, np.uint64),
        losses=np.zeros(flights if lossy else 0, np.uint64),
        late=np.zeros(WIDTH),
        ages=np.zeros(WIDTH),
        sending=np.zeros(units, SENDING),
        arrivals=np.zeros(most + WIDTH),
        arriving=np.zeros(most + WIDTH),
        sums=np.zeros(CELLS, SUM),
        before_in_cell=np.zeros(most, np.int32),
        placed=np.zeros(owned, PLACED),
        stops=np.zeros(units, np.int64),
        ends=np.zeros((owned // BLOCK + 1, GROUP_CELLS + 1), np.int64),
        sizes=np.zeros(GROUP_CELLS),
        keys=np.zeros(keys),
        order=np.zeros(keys, np.int64),
        out=np.zeros(_ROOM * units, OUT),
        window=window,
    )


def grown(windows: Windows, ended: int) -> Windows:
    """Room for twice as many messages, in this window or on their way, or arrivals."""
    names = {
        CROWDED: ("out", "keys", "order"),
        FULL: ("flights", "changes", "indices", "jitters", "losses"),
        FLOODED: ("arrivals", "arriving", "before_in_cell", "placed", "ends", "keys", "order"),
    }[ended]
    if ended == FLOODED:
        windows.window["room"] *= 2
        if windows.window["room"][0] <= len(windows.before_in_cell):
            return windows
    if ended == CROWDED and 2 * len(windows.out) <= len(windows.order):
        names = names[:1]
    parts = {name: getattr(windows, name) for name in names}
    return windows._replace(**{name: longer(part, len(part)) for name, part in parts.items()})


def longer(array: NDArray[Any], more: int) -> NDArray[Any]:
    """An array with so many zeros behind it, which take no memory before something is written."""
    found = np.zeros((len(array) + more, *array.shape[1:]), array.dtype)
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
