"""How old what is received over shared links can be: what each link adds at most.

A unit sends when its output has moved by a quantum. What its receivers hold is wrong by more than
the quantum no longer than that message, or a newer one of the unit, needs to arrive.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ....network import Network
from ..layout import lay_out
from ..options import EventDriven
from .arrays import COALESCE, UNLIMITED, WAIT, Ways
from .ways import lay_ways

_ROUNDING = 1 + 1e-9


@dataclass(frozen=True)
class Ages:
    """What `ages` finds.

    Attributes
    ----------
    most : float
        The largest age, in the unit of tau; inf where there is no bound.
    assumed : tuple of str
        Links of which something is assumed that they do not do, and why there is no bound.
    """

    most: float
    assumed: tuple[str, ...]


def ages(network: Network, options: EventDriven) -> Ages:
    """The largest age of what units receive over the fabric of a timing without losses.

    - A link that waits, with P places, is left within P services and holds. A hold is the time
      until there is a place in the next link: one departure there for each that may stand in line,
      which are the links and units before it.
    - A link that coalesces has one slot for each unit and way. If it has as many places, and one
      more, no message is lost, and one is served, or a newer one in its place, after the present
      service and one of each slot.
    - Of all other links the latter is assumed.

    Raises
    ------
    ValueError
        As `simulate` does for networks, delays and fabrics that do not fit.
    """
    layout = lay_out(network, options, 0, 0.0)
    _, ways, names = lay_ways(network, layout, options.timing, 0, False)
    links = _Links(ways, names)
    transit = float(layout.rules[0]["transit"])
    return Ages((links.longest() + transit) * _ROUNDING, links.assumed())


class _Links:
    """Bounds for every server."""

    def __init__(self, ways: Ways, names: list[str]) -> None:
        self.ways, self.names = ways, names
        self.units = np.bincount(ways.units["root"], minlength=len(ways.roots))
        servers = ways.servers
        self.service, self.slots = np.zeros(len(servers)), np.zeros(len(servers), np.int64)
        self.round = np.zeros(len(servers))  # one service of each slot
        self.latency = np.zeros(len(servers))
        # Servers and units before each, with how many places they may ask for at one time.
        self.before: list[dict[int, int]] = [{} for _ in servers]
        self.asking = np.bincount(
            ways.roots["entry"][ways.roots["entry"] >= 0],
            weights=self.units[ways.roots["entry"] >= 0],
            minlength=len(servers),
        )
        for r in range(len(ways.roots)):
            for node, latency in self._children(ways.roots[r]):
                self._count(r, node, latency)
        self._holds: dict[int, float] = {}

    def _children(self, start: np.void) -> Iterator[tuple[int, float]]:
        for child, latency in self.ways.edges[start["first"] : start["last"]]:
            if child >= 0:
                yield int(child), float(latency)

    def _count(self, root: int, n: int, latency: float) -> None:
        node = self.ways.nodes[n]
        s, units = int(node["server"]), int(self.units[root])
        time = float(self.ways.servers["service"][s] * node["work"])
        self.service[s] = max(self.service[s], time)
        self.slots[s] += units
        self.round[s] += units * time
        self.latency[s] = max(self.latency[s], latency)
        asked: dict[int, int] = {}
        for child, late in self._children(node):
            below = int(self.ways.nodes["server"][child])
            asked[below] = asked.get(below, 0) + 1
            self._count(root, child, late)
        for below, count in asked.items():
            self.before[below][s] = max(self.before[below].get(s, 0), count)

    def _waits(self, s: int) -> bool:
        server = self.ways.servers[s]
        return bool(server["on_full"] == WAIT and server["places"] < UNLIMITED)

    def _coalesces(self, s: int) -> bool:
        server = self.ways.servers[s]
        return bool(server["on_full"] == COALESCE and server["places"] > self.slots[s])

    def _line(self, s: int) -> float:
        """How long one waits for a place."""
        asking = float(self.asking[s]) + sum(self.before[s].values())
        return float(asking * (self.latency[s] + self.service[s] + self._hold(s)))

    def _hold(self, s: int) -> float:
        """How long a message that was served may have to stay; ways have no circles."""
        if s not in self._holds:
            after = [t for t, before in enumerate(self.before) if s in before and self._waits(t)]
            self._holds[s] = max((self._line(t) for t in after), default=0.0)
        return self._holds[s]

    def _through(self, s: int) -> float:
        """How long a message, or a newer one in its place, is in a server."""
        if self.ways.servers["spread"][s] > 0:
            return np.inf
        if self._waits(s):
            places = int(self.ways.servers["places"][s])
            return float(places * (self.service[s] + self._hold(s)))
        more = (int(self.slots[s]) + 1) * self._hold(s)
        return float(self.service[s] + self.round[s] + more)

    def longest(self) -> float:
        """From when a unit wants to send until all its receivers have read it."""
        roots = self.ways.roots
        return max(
            self._below(root) + (self._line(int(root["entry"])) if root["entry"] >= 0 else 0.0)
            for root in roots
        )

    def _below(self, start: np.void) -> float:
        longest = 0.0
        for child, latency in self.ways.edges[start["first"] : start["last"]]:
            further = 0.0
            if child >= 0:
                node = self.ways.nodes[child]
                further = self._through(int(node["server"])) + self._below(node)
            longest = max(longest, float(latency) + further)
        return longest

    def assumed(self) -> tuple[str, ...]:
        """What is assumed of links."""
        servers = self.ways.servers
        random = [x for x, s in zip(self.names, servers, strict=True) if s["spread"] > 0]
        told = []
        if random:
            told.append(f"times of service have no bound ({_some(random)}; spread > 0)")
        slots = [
            x for s, x in enumerate(self.names)
            if not (self._waits(s) or self._coalesces(s) or servers["spread"][s] > 0)
        ]  # fmt: skip
        if slots:
            told.append(
                f"one slot per unit: a message that waits in a link is replaced by a newer one of "
                f"its unit, and none is dropped ({_some(slots)} of this fabric may do otherwise)"
            )
        return tuple(told)


def _some(names: list[str]) -> str:
    more = len(names) - 3
    return ", ".join(map(repr, names[:3])) + (f" and {more} more" if more > 0 else "")
