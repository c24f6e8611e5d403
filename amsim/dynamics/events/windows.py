"""What the engine in windows works on; see `window_loop`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ... import neurons
from .state import MESSAGES, NUMBER, Engine, Floats, Ints, Records
from .window_unit import CELLS, CLOSED, CROWDED, SAVED
from .wiring import Wiring

_LARGEST = 600.0  # exponent of rate times delay
_ROOM = 16  # messages per unit and window
_ARRIVALS = 1 << 14  # of one unit, handled at once
# Going through all links in every window has to pay, against a queue of single messages; about
# 0.1 / quantum of them pass each link while a unit relaxes.
_SHORTEST = 0.05  # delay, in units of tau times the quantum

# A message on its way, or an arrival; their time is exp(rate t) with the rate of the receivers.
FLIGHT = np.dtype([("time", np.float64), ("change", np.float64)])
LINK = np.dtype([("factor", np.float64), ("weight", np.float64)])  # factor = exp(rate delay)
# Counted in its population; `flights` is where its first message would be, if that had not gone.
SENDER = np.dtype([("unit", np.int64), ("flights", np.int64)])
OUT = np.dtype([("time", np.float64), ("value", np.float64), ("unit", np.int64)])


class Windows(NamedTuple):
    """Links and working memory."""

    links: Records  # by receiver, then sender
    heard: NDArray[np.int32]  # messages that have arrived, by link
    before: NDArray[np.int32]  # the same, for one unit and all `senders`, before its last arrivals
    senders: Records  # with messages on their way, by projection,
    slots: Ints  # which begin here
    flights: Records  # by sender, ended by one that never arrives
    cursor: Ints
    gone: Ints  # messages of each unit that have arrived everywhere
    first: Floats  # outputs at t = 0
    arrivals: Records  # of one unit,
    placed: Records  # and by cells
    ends: Ints  # of the cells
    order: Ints
    out: Records  # messages of this window
    saved: Floats
    numbers: Ints
    spans: Floats


def applies(wiring: Wiring) -> bool:
    """Whether a network can be run in windows: see the conditions in the module's docstring."""
    rules, populations = wiring.rules[0], wiring.populations
    simple = rules["link"] and not (rules["clocked"] or rules["drop"] or len(wiring.jitter))
    kinds = populations["kind"]
    crossing = ~np.isin(kinds, (*neurons.GROUPS, neurons.SHARE, neurons.NORMALISER))
    shared = np.isfinite(populations["rate"])
    if not (simple and np.isinf(rules["heartbeat"]) and crossing.all() and shared.all()):
        return False
    fastest = populations["fastest"].max()
    shortest = _SHORTEST * populations["quantum"].min() / fastest
    reach = fastest * wiring.delays.max(initial=0.0)
    return bool(len(wiring.delays) and wiring.delays.min() > shortest and reach < _LARGEST)


def links_by_receiver(wiring: Wiring) -> Records:
    """Weights and delays of all links."""
    parts = [np.zeros(0, LINK)]
    for projection in wiring.projections:
        source, target = (wiring.populations[projection[end]] for end in ("source", "target"))
        senders, receivers = (p["stop"] - p["start"] for p in (source, target))
        place = projection["delay"] + np.add.outer(
            projection["delay_receiver"] * np.arange(receivers),
            projection["delay_sender"] * np.arange(senders),
        )
        begin, part = projection["weights"], np.zeros((receivers, senders), LINK)
        weights = wiring.weights[begin : begin + part.size].reshape(senders, receivers)
        part["weight"] = weights.T / target["leak"]
        part["factor"] = np.exp(target["rate"] * wiring.delays[place])
        parts.append(part.ravel())
    return np.concatenate(parts)


def begin_windows(wiring: Wiring, engine: Engine, links: Records, first: Floats) -> Windows:
    """Working memory for one cue; `first` are the outputs at t = 0."""
    units, populations = engine.units.shape[1], wiring.populations
    width = populations["stop"] - populations["start"]
    sources = wiring.projections["source"]
    room = max(_ARRIVALS, 2 * units * len(wiring.projections))
    return Windows(
        links=links,
        heard=np.zeros(len(links), np.int32),
        before=np.zeros(width[sources].sum(), np.int32),
        senders=np.zeros(width[sources].sum(), SENDER),
        slots=np.zeros(len(sources) + 1, np.int64),
        flights=np.zeros(2 * len(engine.messages) * len(sources), FLIGHT),
        cursor=np.zeros(units, np.int64),
        gone=np.zeros(units, np.int64),
        first=first,
        arrivals=np.zeros(room, FLIGHT),
        placed=np.zeros(room, FLIGHT),
        ends=np.zeros(CELLS, np.int64),
        order=np.zeros(max(room, _ROOM * units), np.int64),
        out=np.zeros(_ROOM * units, OUT),
        saved=np.zeros(len(SAVED)),
        numbers=np.array([CLOSED, 0, 0]),
        spans=np.array([wiring.delays.min(), wiring.delays.max(), 0.0, 1.0]),
    )


def grown(windows: Windows, ended: int) -> Windows:
    """Room for twice as many messages, in this window or on their way."""
    names = ("order", "out") if ended == CROWDED else ("flights",)
    parts = {name: getattr(windows, name) for name in names}
    return windows._replace(
        **{name: np.concatenate([part, np.zeros_like(part)]) for name, part in parts.items()}
    )


def settle_registers(wiring: Wiring, engine: Engine, windows: Windows) -> None:
    """Write what the registers hold: the last message of each sender that has arrived."""
    messages, number = engine.messages[: engine.counts[MESSAGES]], engine.ranks[NUMBER]
    # Of each unit, its output at t = 0 and then its messages.
    start = np.cumsum(number + 1) - number - 1
    units = np.concatenate([np.arange(len(number)), messages["unit"]])
    said = np.concatenate([windows.first, messages["value"]])[np.argsort(units, kind="stable")]
    for projection in wiring.projections:
        source, target = (wiring.populations[projection[end]] for end in ("source", "target"))
        shape = target["stop"] - target["start"], source["stop"] - source["start"]
        part = slice(projection["register"], projection["register"] + shape[0] * shape[1])
        heard = windows.heard[part].reshape(shape)
        engine.register[part] = said[start[source["start"] : source["stop"]] + heard].T.ravel()
