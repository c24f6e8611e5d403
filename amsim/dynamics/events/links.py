"""`Link` and `Fabric`: what units share on the way of their messages, as data."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ... import checks
from ...devices import Figure
from ...display import fields_repr
from .chips import FABRICS

MOST_GROUPS = 65536
Route = Literal["bus", "tree", "mesh"]
_NAMES = {  # of links between groups, or their first words
    "bus": ("bus", "'bus'"),
    "tree": (r"(up|down)( \d+\.\d+)?", "'up' and 'down', such as 'up 0.3'"),
    "mesh": (r"[xy]( \d+>\d+)?", "'x' and 'y', such as 'x 0>1'"),
}


class Placed(Protocol):
    """What is used of a placement of units on cores, such as `hardware.place` finds."""

    @property
    def groups(self) -> Mapping[str, ArrayLike]:
        """The core of every unit, by layer; cores are counted router by router, in rows."""

    @property
    def columns(self) -> int:
        """Routers in a row."""

    @property
    def per_router(self) -> int:
        """Cores at a router."""


@dataclass(frozen=True)
class Link:
    """What serves messages one after the other: an encoder, a wire, a router, a decoder.

    Parameters
    ----------
    bandwidth : float, default infinite
        Messages per unit of time. A message is served for 1 / bandwidth; those that come meanwhile
        wait, in the order in which they came.
    latency : float, default 0.0
        Further travel time, after service; messages overlap in it.
    fifo : int, optional
        Places, that of the message in service among them. By default there is no end of them.
    on_full : {"wait", "drop", "coalesce"}, default "wait"
        What happens to a message that finds all places taken. "wait": it keeps its place in the
        link before, which it blocks; a unit that has to wait sends the output that it has when it
        gets a place. "drop": it is lost, and its sender does not know. "coalesce": as "drop", but
        whether places are taken or not, a message takes over the place of an older one by the same
        unit that still waits there.
    spread : float, default 0.0
        Standard deviation of the time of service over its mean, at most 1: a constant time
        (1 - spread) / bandwidth and an exponential one with the mean spread / bandwidth.
    per : {"message", "listener"}, default "message"
        Whether a message is served once, or once for each unit that will read it.

    Raises
    ------
    ValueError, TypeError
        If a value is not usable.

    Examples
    --------
    >>> import amsim as am
    >>> am.Link(bandwidth=100.0, fifo=16, on_full="drop")
    Link(bandwidth=100.0, latency=0.0, fifo=16, on_full='drop', spread=0.0, per='message')
    """

    bandwidth: float = math.inf
    latency: float = 0.0
    fifo: int | None = None
    on_full: Literal["wait", "drop", "coalesce"] = "wait"
    spread: float = 0.0
    per: Literal["message", "listener"] = "message"

    def __post_init__(self) -> None:
        checks.choice("Link: on_full", self.on_full, ("wait", "drop", "coalesce"))
        checks.choice("Link: per", self.per, ("message", "listener"))
        latency = checks.number("Link: latency", self.latency, at_least=0.0, at_most=checks.LARGEST)
        spread = checks.number("Link: spread", self.spread, at_least=0.0, at_most=1.0)
        fifo = None if self.fifo is None else checks.count("Link: fifo", self.fifo)
        for name, value in (("latency", latency), ("spread", spread), ("fifo", fifo)):
            object.__setattr__(self, name, value)
        if isinstance(self.bandwidth, (float, np.floating)) and math.isinf(self.bandwidth):
            if not self.bandwidth > 0:
                raise ValueError("Link: bandwidth must be > 0, got -inf")
            object.__setattr__(self, "bandwidth", math.inf)
            if fifo is not None or spread:
                name = "fifo" if fifo is not None else "spread"
                raise ValueError(
                    f"Link: {name} needs a bandwidth: without one no message is ever served or "
                    f"waits; pass bandwidth=, or leave {name} out"
                )
            return
        what = "Link: bandwidth"
        bandwidth = checks.number(
            what, self.bandwidth, at_least=checks.SMALLEST, at_most=checks.LARGEST
        )
        object.__setattr__(self, "bandwidth", bandwidth)

    @property
    def serves(self) -> bool:
        """Whether messages take time there, so that others may have to wait."""
        return self.bandwidth < math.inf


@dataclass(frozen=True, eq=False)
class Fabric:
    """Links that groups of units share: delays grow with load.

    A message goes through the encoder of its sender's group, through links between groups, and
    through the decoder of each group that holds receivers. Delay, jitter and loss of the `Timing`
    come after that.

    Parameters
    ----------
    groups : mapping of layer names to array_like of int, optional
        The group of every unit, such as its core or chip; one number for a whole layer. By default
        each layer is a group.
    out : Link
        Encoder of a group, which all messages of its units go through.
    hop : Link, or mapping of names to Link
        Links between groups. A mapping has a link for each name, or for its first word ("x" for
        the link "x 0>1"); what it leaves out is free, and what no route
        has is refused.
    into : Link
        Decoder of a group, for all messages to its units.
    route : {"bus", "tree", "mesh"}, or mapping of (group, group) to sequences of names
        "bus": one link, "bus", for all messages, also within a group. "tree": a binary tree over
        the groups, with the links "up LEVEL.NODE" and "down LEVEL.NODE". "mesh": groups row by row
        in a rectangle with `columns`; a message goes along its row, then along its column ("x A>B",
        "y A>B"). A mapping says which links lie between two groups; one that it leaves out is
        refused when a message needs it. But for the bus, messages within a group use no hop.
    columns : int, optional
        Width of the mesh; by default the next square.
    per_router : int, default 1
        Groups at one node of the tree or of the mesh: cores of a tile.
    multicast : bool, default True
        Whether one message is copied where the ways to its receivers part, or at its sender: then
        the encoder serves it for as long as all copies take.

    Raises
    ------
    ValueError, TypeError
        If a value is not usable. What depends on the network is checked by `simulate`.

    Notes
    -----
    Copies by receiving group; units of a group read a message at one time (or each by its own
    `Timing.delay`, with scope="link"). See docs/fabric.md.

    Examples
    --------
    >>> import amsim as am
    >>> bus = am.Fabric(hop=am.Link(bandwidth=200.0))
    >>> net = am.dense_am(am.patterns.random(4, 32, seed=0), hidden=am.Tanh(0.1), visible=am.Tanh())
    >>> cue = am.patterns.corrupt(am.patterns.random(4, 32, seed=0)[0], flip=0.2, seed=1)
    >>> solver = am.EventDriven(0.02, am.Timing(fabric=bus))
    >>> traj = am.simulate(net, cue, solver=solver)
    >>> arrived, served = traj.stats["link_arrived"]["bus"], traj.stats["link_served"]["bus"]
    >>> traj.status, bool(arrived == served)
    ('settled', True)
    """

    groups: Mapping[str, ArrayLike] | None = None
    out: Link = Link()
    hop: Link | Mapping[str, Link] = Link()
    into: Link = Link()
    route: Route | Mapping[tuple[int, int], Sequence[str]] = "bus"
    columns: int | None = None
    multicast: bool = True
    per_router: int = 1

    __repr__ = fields_repr

    def __post_init__(self) -> None:
        for name in ("out", "into"):
            checks.instance(f"Fabric: {name}", getattr(self, name), Link, "Link(...)")
        object.__setattr__(self, "multicast", checks.flag("Fabric: multicast", self.multicast))
        object.__setattr__(self, "route", _route(self.route))
        object.__setattr__(self, "hop", _hop(self.hop, self.route))
        if self.groups is not None:
            object.__setattr__(self, "groups", _groups(self.groups))
        per_router = checks.count("Fabric: per_router", self.per_router, at_most=MOST_GROUPS)
        object.__setattr__(self, "per_router", per_router)
        if self.columns is not None:
            if self.route != "mesh":
                raise ValueError('Fabric: columns is for route="mesh"; leave it out')
            columns = checks.count("Fabric: columns", self.columns, at_most=MOST_GROUPS)
            object.__setattr__(self, "columns", columns)

    @classmethod
    def chip(
        cls,
        name: str,
        *,
        tau: float,
        groups: Mapping[str, ArrayLike] | None = None,
        columns: int | None = None,
        placement: Placed | None = None,
        **given: Any,
    ) -> Fabric:
        """The links of a chip, as far as they are published.

        Parameters
        ----------
        name : {"loihi1", "loihi2", "spinnaker1", "spinnaker2", "brainscales2", "neurogrid", \
"dynapse"}
        tau : float
            Seconds in the unit of time, which is that of the network's tau.
        groups : mapping of layer names to array_like of int, optional
            The core (or chip) of every unit.
        columns : int, optional
            Width of the mesh of routers.
        placement : what `hardware.place` returns, optional
            In place of groups and columns: cores and routers of this placement. For chips whose
            groups are cores.
        **given
            Other numbers than those of ``amsim.dynamics.events.FABRICS[name]``, under their names
            there, times in seconds; those that nobody published have to be given.

        Returns
        -------
        Fabric

        Raises
        ------
        ValueError
            If there is no such chip or number, or one is needed that nobody published.

        Notes
        -----
        Each number has a source, and says whether it is assumed. A Loihi waits for a barrier after
        each step, which is not part of this.

        Examples
        --------
        >>> import amsim as am
        >>> fabric = am.Fabric.chip("loihi1", tau=1e-5)
        >>> print(round(fabric.out.bandwidth), fabric.into.per)
        333 listener
        >>> from amsim.dynamics.events import FABRICS
        >>> FABRICS["loihi1"]["places"].basis
        'code'
        """
        chip = FABRICS[checks.choice("Fabric.chip: name", name, tuple(FABRICS))]
        seconds = checks.number("Fabric.chip: tau", tau, at_least=checks.SMALLEST,
                                at_most=checks.LARGEST)  # fmt: skip
        for each in given:
            if each not in chip:
                raise ValueError(
                    f"Fabric.chip: {name} has no number {each!r}; there are {', '.join(chip)}"
                )
        if placement is not None:
            groups, columns, given["per_router"] = _placed(name, chip, placement, groups, columns)
        value = {each: given.get(each, figure.value) for each, figure in chip.items()}
        missing = [each for each in chip if value[each] is None]
        if missing:
            raise ValueError(
                f"Fabric.chip: of {name} nobody published {', '.join(missing)}; measure or assume "
                f"them, in seconds: {', '.join(f'{each}=...' for each in missing)}"
            )

        def link(time: str, latency: str = "", **more: Any) -> Link:
            what = f"Fabric.chip: {time}"
            service = checks.number(what, value[time], at_least=checks.SMALLEST,
                                    at_most=checks.LARGEST)  # fmt: skip
            late = checks.number(f"Fabric.chip: {latency}", value[latency], at_least=0.0) if (
                latency) else 0.0  # fmt: skip
            full = {"fifo": value["places"], "on_full": value["on_full"], **more}
            return Link(seconds / service, late / seconds, **full)

        hop: Link | dict[str, Link]
        if "hop_latency" in chip:
            hop = link("hop_time", "hop_latency")
        else:
            hop = {axis: link("hop_time", f"{axis}_latency") for axis in ("x", "y")}
        places = value.get("into_places", value["places"])
        return cls(
            groups,
            link("out_time"),
            hop,
            link("into_time", per=value["into_per"], fifo=places),
            route=value["route"],
            columns=columns,
            multicast=value["multicast"],
            per_router=value["per_router"],
        )

    def link(self, name: str) -> Link:
        """The link between groups of this name."""
        if isinstance(self.hop, Link):
            return self.hop
        return self.hop.get(name, self.hop.get(name.split(" ")[0], Link()))


def _placed(
    name: str, chip: Mapping[str, Figure], placement: Any, groups: Any, columns: Any
) -> tuple[Mapping[str, ArrayLike], int, int]:
    """Groups, columns and cores of a router, from a placement."""
    if groups is not None or columns is not None:
        raise ValueError("Fabric.chip: a placement has groups and columns; leave these out")
    if chip["per_router"].unit != "cores":
        raise ValueError(
            f"Fabric.chip: groups of {name} are chips, not cores: pass groups= in place of a "
            f"placement"
        )
    if not all(hasattr(placement, each) for each in ("groups", "columns", "per_router")):
        raise TypeError(
            f"Fabric.chip: placement must be what hardware.place returns, got "
            f"{checks.shown(placement)}"
        )
    return placement.groups, placement.columns, placement.per_router


def _hop(hop: Any, route: Route | Mapping[tuple[int, int], Sequence[str]]) -> Any:
    """A link, or links by names that there are."""
    if not isinstance(hop, Mapping):
        checks.instance("Fabric: hop", hop, Link, "Link(...) or a mapping of names to them")
        return hop
    for name, link in hop.items():
        checks.text("Fabric: a name in hop", name)
        checks.instance(f"Fabric: hop[{name!r}]", link, Link, "Link(...)")
        if isinstance(route, str):
            pattern, there = _NAMES[route]
            known = re.fullmatch(pattern, name) is not None
        else:
            names = dict.fromkeys(each for path in route.values() for each in path)
            known = name in names or name in {each.split(" ")[0] for each in names}
            there = ", ".join(map(repr, list(names)[:20])) or "no links"
        if not known:
            raise ValueError(f"Fabric: hop names a link {name!r}; the route has {there}")
    return dict(hop)


def _route(route: Any) -> Any:
    if not isinstance(route, Mapping):
        more = ", or a mapping of (group, group) to names of links"
        return checks.choice("Fabric: route", route, ("bus", "tree", "mesh"), more)
    paths = {}
    for ends, names in route.items():
        if not (isinstance(ends, tuple) and len(ends) == 2):
            raise TypeError(
                f"Fabric: route has the key {checks.shown(ends)}; use a pair of groups, (0, 1)"
            )
        a, b = (
            checks.count("Fabric: a group in route", end, at_least=0, at_most=MOST_GROUPS)
            for end in ends
        )
        if isinstance(names, str):
            raise TypeError(
                f"Fabric: route[{a}, {b}] must be a sequence of names, such as [{names!r}]"
            )
        path = tuple(checks.text(f"Fabric: a link in route[{a}, {b}]", name) for name in names)
        if len(set(path)) < len(path):
            raise ValueError(f"Fabric: route[{a}, {b}] uses a link twice: {', '.join(path)}")
        paths[a, b] = path
    return paths


def _groups(groups: Any) -> dict[str, NDArray[np.int64]]:
    if not isinstance(groups, Mapping):
        raise TypeError(
            f"Fabric: groups must be a mapping of layer names to the group of every unit, "
            f"got {checks.shown(groups)}"
        )
    found = {}
    for layer, given in groups.items():
        what = f"Fabric: groups of layer {checks.text('Fabric: a layer in groups', layer)!r}"
        array = checks.plain(what, given)
        if array.dtype.kind not in "iu" or not array.size:
            raise TypeError(f"{what} must be whole numbers >= 0, got {checks.shown(given)}")
        if array.min() < 0 or array.max() >= MOST_GROUPS:
            raise ValueError(
                f"{what} must lie from 0 to {MOST_GROUPS - 1}, got {array.min()} to {array.max()}"
            )
        found[layer] = checks.owned(array.astype(np.int64))
    return found
