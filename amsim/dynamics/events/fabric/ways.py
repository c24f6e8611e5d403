"""From a `Fabric` and a network to the ways of messages: trees of servers, as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from .... import checks
from ....compiled import draws
from ....network import Network
from ..clocks import Barrier, Periodic
from ..faults import KINDS
from ..layout import Layout
from ..layout.arrays import Floats, Ints, Records
from ..layout.delays import jitter_of
from ..layout.populations import unit_slices
from ..layout.rules import set_clocks
from ..links import Fabric, Link
from ..timing import Timing
from .arrays import (
    AT_BARRIERS,
    AT_ONCE,
    EDGE,
    FAULT,
    NODE,
    PART,
    POLICIES,
    ROOT,
    RUN_OF_UNITS,
    SERVER,
    UNIT_WAY,
    UNLIMITED,
    WAY_RULES,
    Ways,
)
from .routes import check_no_circle, hops


@dataclass
class _Node:
    """A server on the way of the messages of one root, and where they go from there."""

    server: int
    work: float
    units: int
    edges: list[tuple[_Node | int, float]] = field(default_factory=list)
    children: dict[tuple[str, ...], _Node] = field(default_factory=dict)


class _Builder:
    """Trees of servers, root by root."""

    def __init__(self, network: Network, layout: Layout, timing: Timing) -> None:
        fabric = timing.fabric or Fabric()
        self.layout, self.fabric, self.timing = layout, fabric, timing
        self.group, self.labels = _groups(network, layout, fabric)
        self.names: dict[str, int] = {}
        self.links: list[Link] = []
        self.parts: list[tuple[int, int, int, int, int, int]] = []
        self.runs: list[tuple[int, int]] = []
        self.listeners: list[int] = []  # of each part
        self.projections = layout.projections.copy()
        self.of: dict[tuple[int, int], int] = {}  # part of a projection and a group
        for q in range(len(self.projections)):
            self._share_out(q)

    def _share_out(self, q: int) -> None:
        """Parts of a projection, by the groups of its receivers."""
        projection = self.projections[q]
        target = self.layout.populations[projection["target"]]
        group = self.group[target["start"] : target["stop"]]
        groups = np.unique(group)
        if projection["weights"] < 0:
            group, groups = np.full(len(group), -1), np.array([-1])
        for number, g in enumerate(groups):
            members = np.flatnonzero(group == g)
            breaks = np.flatnonzero(np.diff(members) > 1)
            firsts = members[np.concatenate([[0], breaks + 1])]
            lasts = members[np.concatenate([breaks, [len(members) - 1]])] + 1
            first = len(self.runs)
            self.runs += [(int(a), int(b)) for a, b in zip(firsts, lasts, strict=True)]
            self.of[q, int(g)] = len(self.parts)
            hears = AT_ONCE
            clock = self.timing.clock
            if isinstance(clock, Barrier) and g >= 0:
                hears = AT_BARRIERS
            elif isinstance(clock, Periodic) and clock.latch and g >= 0:
                hears = int(target["start"] + members[0])
            self.parts.append((q, number, first, len(self.runs), int(g), hears))
            self.listeners.append(len(members))

    def server(self, name: str, link: Link) -> int:
        """The server of this name."""
        if name not in self.names:
            self.names[name] = len(self.links)
            self.links.append(link)
        return self.names[name]

    def path(self, a: int, b: int) -> list[tuple[str, Link]]:
        """What lies between a unit of group a and those of group b."""
        fabric = self.fabric
        between = [(name, fabric.link(name)) for name in hops(fabric, len(self.labels), a, b)]
        return [(f"out {self.labels[a]}", fabric.out), *between,
                (f"into {self.labels[b]}", fabric.into)]  # fmt: skip

    def root(self, p: int, a: int, units: int) -> _Node:
        """The tree of the messages of a population's units in one group; its root serves nobody."""
        reached: dict[int, list[int]] = {}
        q = int(self.layout.populations[p]["outgoing"])
        while q >= 0:
            target = self.layout.populations[self.projections["target"][q]]
            direct = self.projections["weights"][q] < 0
            group = self.group[target["start"] : target["stop"]]
            for b in [-1] if direct else np.unique(group):
                reached.setdefault(int(b), []).append(self.of[q, int(b)])
            q = int(self.projections["following"][q])
        root = _Node(-1, 0.0, units)
        for b, parts in reached.items():
            listeners = sum(self.listeners[c] for c in parts)
            path = [] if b < 0 else self.path(a, b)
            node, latency = self._down(root, path, b, listeners)
            node.edges += [(c, latency) for c in parts]
        return root

    def _down(
        self, node: _Node, path: list[tuple[str, Link]], b: int, listeners: int
    ) -> tuple[_Node, float]:
        """Go along a path, with new nodes where there are none; the latency after the last one."""
        latency, units = 0.0, node.units
        key: tuple[str, ...] = ()
        for depth, (name, link) in enumerate(path):
            key = (*key, name)
            if depth == 1 and not self.fabric.multicast:
                key = (f"to {b}", *key)  # copies part at the encoder
            if link.serves:
                if key not in node.children:
                    child = _Node(self.server(name, link), 0.0, units)
                    node.children[key] = child
                    node.edges.append((child, latency))
                node, latency, key = node.children[key], 0.0, ()
                if link.per == "listener":
                    node.work += listeners
                elif node.work == 0.0 or (depth == 0 and not self.fabric.multicast):
                    node.work += 1.0
            latency += link.latency
        return node, latency


def lay_ways(
    network: Network, layout: Layout, timing: Timing, seed: int, counts: bool
) -> tuple[Layout, Ways, list[str]]:
    """The ways of all messages, and a layout with a register for each part of their receivers.

    Parameters
    ----------
    network : Network
    layout : Layout
    timing : Timing
        With a fabric, or faults, or both.
    seed : int
        Of times of service, and of faults.
    counts : bool
        Whether news under way keep a cue from settling.

    Returns
    -------
    layout : Layout
    ways : Ways
    names : list of str
        Of the servers.
    """
    builder = _Builder(network, layout, timing)
    units = np.zeros(len(layout.units), UNIT_WAY)
    roots: list[_Node] = []
    for p, population in enumerate(layout.populations):
        part = slice(population["start"], population["stop"])
        for a in np.unique(builder.group[part]):
            members = population["start"] + np.flatnonzero(builder.group[part] == a)
            units["root"][members], units["rank"][members] = len(roots), np.arange(len(members))
            units["group"][members] = a
            roots.append(builder.root(p, int(a), len(members)))
    units["refractory"] = _refractory(network, timing, len(units))
    ways = _Arrays(builder, roots).ways(units, seed, counts, layout)
    ways = ways._replace(faults=_faults(network, timing, list(builder.names)))
    layout = _with_registers(layout, builder)
    if isinstance(timing.clock, Periodic) and timing.clock.per == "group":
        layout = layout._replace(units=layout.units.copy())
        set_clocks(layout.units, builder.group, timing, seed)
    return layout, ways, list(builder.names)


class _Arrays:
    """Trees as arrays."""

    def __init__(self, builder: _Builder, roots: list[_Node]) -> None:
        self.builder = builder
        self.nodes: list[tuple[int, float, int, int, int]] = []
        self.edges: list[tuple[int, float]] = []
        self.table = 0
        self.flows: set[tuple[int, int]] = set()
        self.roots = [self._root(root) for root in roots]

    def _root(self, root: _Node) -> tuple[int, int, int]:
        first, last = self._place(root)
        children = [child for child, _ in root.edges if isinstance(child, _Node)]
        waits = [c for c in children if self.builder.links[c.server].on_full == "wait"]
        limited = [c for c in waits if self.builder.links[c.server].fifo is not None]
        if limited and len(children) > 1:
            names = list(self.builder.names)
            listed = ", ".join(names[c.server] for c in children[:4])
            raise ValueError(
                f"Fabric: a unit would wait for a place of {names[limited[0].server]!r} while its "
                f"message needs {len(children)} links at once ({listed}, ...): give the encoder a "
                f"bandwidth, out=Link(bandwidth=...), or let the links drop or coalesce"
            )
        return first, last, limited[0].server if limited else -1

    def _place(self, node: _Node) -> tuple[int, int]:
        """Lay out the edges of a node, then what is below."""
        first = len(self.edges)
        self.edges += [(0, 0.0)] * len(node.edges)
        for e, (child, latency) in enumerate(node.edges, first):
            if not isinstance(child, _Node):
                self.edges[e] = (-1 - child, latency)
                continue
            if self.builder.links[child.server].on_full == "wait" and node.server >= 0:
                self.flows.add((node.server, child.server))
            table = -1
            if self.builder.links[child.server].on_full == "coalesce":
                table = self.table
                self.table += child.units
            n = len(self.nodes)
            self.nodes.append((0, 0.0, 0, 0, 0))
            edges = self._place(child)
            self.nodes[n] = (child.server, child.work, *edges, table)
            self.edges[e] = (n, latency)
        return first, first + len(node.edges)

    def ways(self, units: Records, seed: int, counts: bool, layout: Layout) -> Ways:
        """All arrays."""
        builder = self.builder
        check_no_circle(self.flows, list(builder.names))
        rules = np.zeros(1, WAY_RULES)
        rules["counts"], rules["seed"] = counts, draws.stream(seed, draws.SERVICE)
        rules["seed_fault"] = draws.stream(seed, draws.FAULT)
        rules["table"] = self.table
        timing = builder.timing
        _set_correlated(rules, timing, seed)
        ways = Ways(
            servers=np.array([_server(link) for link in builder.links], SERVER),
            nodes=np.array(self.nodes, NODE),
            edges=np.array(self.edges, EDGE),
            roots=np.array(self.roots, ROOT),
            parts=np.array(builder.parts, PART),
            runs=np.array(builder.runs, RUN_OF_UNITS),
            units=units,
            common=jitter_of(timing.common_jitter) if timing.common_jitter else np.zeros(0),
            faults=np.zeros(0, FAULT),
            rules=rules,
        )
        rules["room"] = 2 * _fan(ways, builder, bool(layout.rules[0]["link"])) + 8
        if isinstance(timing.clock, Barrier):
            rules["step"], rules["overhead"] = timing.clock.step, timing.clock.overhead
            rules["room"] += len(units)  # all of them look
        return ways


def _set_correlated(rules: Records, timing: Timing, seed: int) -> None:
    """What messages of a group share."""
    rules["seed_common"] = draws.stream(seed, draws.COMMON)
    rules["seed_burst"] = draws.stream(seed, draws.BURST)
    rules["correlated"] = timing.common_jitter is not None or timing.bursts is not None
    if timing.common_jitter is not None:
        rules["correlation"] = timing.common_jitter.correlation
        rules["common_into"] = timing.common_jitter.at == "into"
    if timing.bursts is not None:
        for name in ("good", "bad", "drop_good", "drop_bad"):
            rules[name] = getattr(timing.bursts, name)
        rules["bursts_into"] = timing.bursts.at == "into"


def _below(ways: Ways, start: Records) -> Iterator[int]:
    waiting = [(int(start["first"]), int(start["last"]))]
    while waiting:
        for child in ways.edges["child"][slice(*waiting.pop())]:
            if child >= 0:
                yield int(child)
                waiting.append((int(ways.nodes["first"][child]), int(ways.nodes["last"][child])))


def _fan(ways: Ways, builder: _Builder, each: bool) -> int:
    """What one event may put on its way at most: all copies of a message, and a chain of grants."""
    largest = 0
    for root in ways.roots:
        starts = [root, *(ways.nodes[n] for n in _below(ways, root))]
        size = 0
        for start in starts:
            children = ways.edges["child"][start["first"] : start["last"]]
            size += sum(
                builder.listeners[-1 - c] if c < 0 and each else 1 for c in children.tolist()
            )
        largest = max(largest, size + len(starts))
    return largest


def _server(link: Link) -> tuple[float, float, int, int]:
    places = UNLIMITED if link.fifo is None else link.fifo
    return 1.0 / link.bandwidth, link.spread, places, POLICIES.index(link.on_full)


def _with_registers(layout: Layout, builder: _Builder) -> Layout:
    """Broadcasts have a register for each part of their receivers, links each their own."""
    if layout.rules[0]["link"]:
        return layout
    projections, populations, place = builder.projections, layout.populations, 0
    parts = np.bincount([q for q, *_ in builder.parts], minlength=len(projections))
    for projection, count in zip(projections, parts, strict=True):
        source = populations[projection["source"]]
        projection["register"] = place
        projection["register_sender"], projection["register_receiver"] = count, 1
        place += int(source["stop"] - source["start"]) * int(count)
    return layout._replace(projections=projections)


def _refractory(network: Network, timing: Timing, count: int) -> Floats:
    """The refractory time of every unit; normalisers have none."""
    slices, times, given = unit_slices(network), np.zeros(count), timing.refractory
    if not isinstance(given, Mapping):
        given = dict.fromkeys(slices, np.asarray(given))
    for name, values in given.items():
        if name not in slices:
            raise ValueError(
                f"Timing: refractory names a layer {name!r}; the network has {', '.join(slices)}"
            )
        array, shape = np.asarray(values, np.float64), network.layers[name].shape
        if array.ndim and array.shape != shape:
            raise ValueError(
                f"Timing: refractory of layer {name!r} has shape {array.shape}, the layer has "
                f"shape {shape}; give one number, or one for each unit"
            )
        times[slices[name]] = array.ravel()
    return times


def _faults(network: Network, timing: Timing, names: list[str]) -> Records:
    """A row for each unit or link that fails."""
    slices, rows = unit_slices(network), []
    for fault in timing.faults:
        kind, value = KINDS.index(fault.kind), fault.value or fault.rate or 0.0
        for layer, chosen in (fault.units or {}).items():
            if layer not in slices:
                raise ValueError(
                    f"Fault: units names a layer {layer!r}; the network has {', '.join(slices)}"
                )
            what = f"Fault: units of layer {layer!r}"
            shape = network.layers[layer].shape
            mask = checks.units(what, chosen, shape)
            if mask.shape != shape:
                raise ValueError(
                    f"{what} is a mask of shape {mask.shape}, the layer has shape {shape}; give "
                    f"one boolean for each unit, or indices"
                )
            which = slices[layer].start + np.flatnonzero(mask)
            rows += [(kind, fault.at, int(i), value) for i in which]
        for name in fault.links or ():
            if name not in names:
                raise ValueError(
                    f"Fault: no link {name!r} has a bandwidth that messages share; there are "
                    f"{', '.join(map(repr, names[:20])) or 'none'}"
                )
            rows.append((kind, fault.at, names.index(name), 0.0))
    return np.array(rows, FAULT)


def _groups(network: Network, layout: Layout, fabric: Fabric) -> tuple[Ints, list[str]]:
    """The group of every unit, -1 of normalisers, and names of the groups."""
    group = np.full(len(layout.units), -1)
    slices = unit_slices(network)
    if fabric.groups is None:
        for number, part in enumerate(slices.values()):
            group[part] = number
        return group, list(slices)
    for name in fabric.groups:
        if name not in slices:
            raise ValueError(
                f"Fabric: groups names a layer {name!r}; the network has {', '.join(slices)}"
            )
    for name, part in slices.items():
        if name not in fabric.groups:
            raise ValueError(f"Fabric: groups says nothing of layer {name!r}; add it")
        given, shape = np.asarray(fabric.groups[name]), network.layers[name].shape
        if given.ndim and given.shape != shape:
            raise ValueError(
                f"Fabric: groups of layer {name!r} has shape {given.shape}, the layer has shape "
                f"{shape}; give one group per unit, or one number for all"
            )
        group[part] = given.ravel() if given.ndim else given
    return group, [str(g) for g in range(int(group.max()) + 1)]
