"""Working memory of the engine in windows; see `window_loop`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ....compiled.bundle import bundle
from ..layout import Layout
from ..layout.arrays import Ints, Records
from .state import CROWDED, State
from .window_unit import CELLS, CLOSED

_ROOM = 16  # messages per unit and window
_ARRIVALS = 1 << 14  # of one unit, handled at once

# A message on its way, or an arrival; their time is exp(rate t) with the rate of the receivers.
FLIGHT = np.dtype([("time", np.float64), ("change", np.float64)])
# Counted in its population; `flights` is where its first message would be, if that had not gone.
SENDER = np.dtype([("unit", np.int64), ("flights", np.int64)])
# Of each unit: messages that have arrived everywhere, and where its next one goes in `flights`.
SENDING = np.dtype([("gone", np.int64), ("cursor", np.int64)])
OUT = np.dtype([("time", np.float64), ("value", np.float64), ("unit", np.int64)])
WINDOW = np.dtype(
    [
        ("width", np.float64),  # the smallest delay
        ("longest", np.float64),  # delay
        ("end", np.float64),
        ("now", np.float64),  # exp(rate (t - begun)) up to which `unit` has come
        ("unit", np.int64),  # whose turn it is; CLOSED while no window is open
        ("leaving", np.int64),  # messages in `out`
        ("oldest", np.int64),  # message that may be on its way
    ],
    align=True,
)


@bundle
class Windows(NamedTuple):
    """Messages on their way, and working memory."""

    received: NDArray[np.int32]  # messages that have arrived, by link
    before: NDArray[np.int32]  # the same, for one unit and all `senders`, before its last arrivals
    senders: Records  # with messages on their way, by projection,
    slots: Ints  # which begin here
    flights: Records  # by sender, ended by one that never arrives
    sending: Records
    arrivals: Records  # of one unit,
    placed: Records  # and by cells
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
    window["width"], window["longest"] = layout.delays.min(), layout.delays.max()
    window["now"], window["unit"] = 1.0, CLOSED
    return Windows(
        received=np.zeros(len(layout.links), np.int32),
        before=np.zeros(width[sources].sum(), np.int32),
        senders=np.zeros(width[sources].sum(), SENDER),
        slots=np.zeros(len(sources) + 1, np.int64),
        flights=np.zeros(2 * len(state.messages) * len(sources), FLIGHT),
        sending=np.zeros(units, SENDING),
        arrivals=np.zeros(room, FLIGHT),
        placed=np.zeros(room, FLIGHT),
        ends=np.zeros(CELLS, np.int64),
        order=np.zeros(max(room, _ROOM * units), np.int64),
        out=np.zeros(_ROOM * units, OUT),
        window=window,
    )


def grown(windows: Windows, ended: int) -> Windows:
    """Room for twice as many messages, in this window or on their way."""
    names = ("order", "out") if ended == CROWDED else ("flights",)
    parts = {name: getattr(windows, name) for name in names}
    return windows._replace(
        **{name: np.concatenate([part, np.zeros_like(part)]) for name, part in parts.items()}
    )


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
