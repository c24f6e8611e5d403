"""Shared links against a plain simulator: a heap of callbacks, lists of packets, nothing clever."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import amsim as am


class Unit:
    """A leaky tanh unit: x moves towards `target` with rate 1 / tau."""

    def __init__(self, layer: str, index: int, tau: float, x: float, target: float) -> None:
        self.layer, self.index, self.tau, self.target = layer, index, tau, target
        self.x, self.since, self.said, self.sent = x, 0.0, math.tanh(x), 0.0
        self.waits = False

    def at(self, t: float) -> float:
        return self.target + (self.x - self.target) * math.exp((self.since - t) / self.tau)

    def read(self, t: float, change: float) -> None:
        self.x, self.since = self.at(t), t
        self.target += change

    def crossing(self, quantum: float) -> float:
        """When the output has moved by a quantum."""
        direction = 1 if self.target > self.x else -1
        output = self.said + direction * quantum
        if self.waits or not -1 < output < 1:
            return math.inf
        level = math.atanh(output)
        if direction * (self.target - level) <= 0:
            return math.inf
        return self.since + self.tau * math.log(
            max((self.target - self.x) / (self.target - level), 1.0)
        )


@dataclass
class Message:
    """A unit and what it says; its number orders messages of a unit."""

    unit: Unit
    value: float
    number: int


@dataclass
class Packet:
    """A message with the ways that it has still to go: for each group, the links before it."""

    message: Message
    ways: list[tuple[int, list[str]]]


@dataclass
class Server:
    """A link; `line` holds what is in it, `door` what waits for a place."""

    name: str
    link: am.Link
    line: list[Packet] = field(default_factory=list)
    door: list[Callable[[], None]] = field(default_factory=list)
    coming: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(WHAT, 0))
    waited: float = 0.0
    came: dict[int, float] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        if self.link.on_full == "wait" and self.door:
            return True
        return self.link.fifo is not None and len(self.line) + self.coming >= self.link.fifo


WHAT = ("arrived", "served", "dropped", "coalesced")


class Simulator:
    """Units, registers, servers and a heap."""

    def __init__(self, net: am.Network, states: Any, quantum: float, timing: am.Timing) -> None:
        self.net, self.quantum, self.timing, self.fabric = net, quantum, timing, timing.fabric
        outputs, force = net.activations(states), net.force(states)
        self.units = {
            name: [
                Unit(name, i, float(np.broadcast_to(layer.tau, layer.shape)[i]),
                     states[name][i], states[name][i] + force[name][i])
                for i in range(layer.size)
            ]
            for name, layer in net.layers.items()
        }  # fmt: skip
        self.weights: dict[tuple[str, str], Any] = {}
        for synapse in net.synapses:
            a, b = synapse.between
            self.weights[b, a] = synapse.weights.T
            self.weights[a, b] = synapse.weights
        self.held = {
            (unit.layer, unit.index, to): [np.tanh(states[unit.layer][unit.index])]
            * net.layers[to].size
            for unit in self.everyone
            for to in net.layers
            if (unit.layer, to) in self.weights
        }
        assert outputs
        self.newest: dict[Any, int] = {}
        self.servers: dict[str, Server] = {}
        self.now, self.serial, self.heap = 0.0, 0, []  # type: float, int, list[Any]
        self.events: list[tuple[float, str, int, float]] = []

    @property
    def everyone(self) -> list[Unit]:
        return [unit for group in self.units.values() for unit in group]

    # What happens when.

    def later(self, delay: float, call: Callable[..., None], *args: Any) -> None:
        heapq.heappush(self.heap, (self.now + delay, self.serial, call, args))
        self.serial += 1

    def run(self, t1: float) -> None:
        beat = self.timing.heartbeat
        for unit in self.everyone:
            if beat is not None:
                self.later(beat, self.beat, unit)
        while True:
            sender = min(self.everyone, key=lambda u: u.crossing(self.quantum))
            crossing = sender.crossing(self.quantum)
            arrival = self.heap[0][0] if self.heap else math.inf
            if min(crossing, arrival) > t1:
                break
            if arrival <= crossing:
                self.now, _, call, args = heapq.heappop(self.heap)
                call(*args)
            else:
                self.now = crossing
                self.ask(sender, 1 if sender.target > sender.at(crossing) else -1)
        self.now = t1

    def beat(self, unit: Unit) -> None:
        beat = self.timing.heartbeat
        assert beat is not None
        last = unit.sent
        if unit.waits:
            last = self.now
        elif self.now - unit.sent >= beat * (1 - 1e-12):
            last = self.now
            self.later(last + beat - self.now, self.beat, unit)
            self.ask(unit, 0)
            return
        self.later(last + beat - self.now, self.beat, unit)

    # Units.

    def group(self, layer: str, i: int) -> int:
        groups = self.fabric.groups
        if groups is None:
            return list(self.net.layers).index(layer)
        return int(np.broadcast_to(groups[layer], self.net.layers[layer].shape)[i])

    def ways(self, unit: Unit) -> list[tuple[int, list[str]]]:
        found: dict[int, list[str]] = {}
        a = self.group(unit.layer, unit.index)
        for source, to in self.weights:
            if source == unit.layer:
                for b in sorted({self.group(to, i) for i in range(self.net.layers[to].size)}):
                    found[b] = [f"out {a}", *self.between(a, b), f"into {b}"]
        return list(found.items())

    def between(self, a: int, b: int) -> list[str]:
        if self.fabric.route == "bus":
            return ["bus"]
        if a == b:
            return []
        if self.fabric.route == "mesh":
            width, names = self.fabric.columns, []
            while a % width != b % width:
                c = a + (1 if b % width > a % width else -1)
                names.append(f"x {a}>{c}")
                a = c
            while a != b:
                c = a + (width if b > a else -width)
                names.append(f"y {a}>{c}")
                a = c
            return names
        if self.fabric.route == "tree":
            up, down, level = [], [], 0
            while a != b:
                up.append(f"up {level}.{a}")
                down.insert(0, f"down {level}.{b}")
                a, b, level = a // 2, b // 2, level + 1
            return up + down
        return list(self.fabric.route[a, b])

    def ask(self, unit: Unit, direction: int) -> None:
        """The unit sends now, or stands at the door of the only link that makes it wait."""
        first = [self.first_server(path) for _, path in self.ways(unit)]
        if first[0] is not None and all(s is first[0] for s in first):
            server = first[0]
            if server.link.on_full == "wait" and server.link.fifo is not None:
                if server.full:
                    unit.waits = True
                    server.door.append(lambda: self.say(unit, unit.at, server))
                    return
                server.coming += 1
        value = (
            math.tanh(unit.at(self.now)) if not direction else unit.said + direction * self.quantum
        )
        self.say(unit, value, None)

    def first_server(self, path: list[str]) -> Server | None:
        for name in path:
            if self.server(name).link.serves:
                return self.server(name)
        return None

    def say(self, unit: Unit, value: Any, at: Server | None) -> None:
        unit.waits = False
        if at is not None:
            at.coming += 1
            value = math.tanh(unit.at(self.now))
        unit.said, unit.sent = value, self.now
        self.events.append((self.now, unit.layer, unit.index, value))
        packet = Packet(Message(unit, value, len(self.events)), self.ways(unit))
        self.split(packet, 0.0, None, True)

    # Links.

    def server(self, name: str) -> Server:
        if name not in self.servers:
            kind = name.split(" ")[0]
            link = {"out": self.fabric.out, "into": self.fabric.into}.get(kind)
            if link is None:
                hop = self.fabric.hop
                link = hop if isinstance(hop, am.Link) else hop.get(name, hop.get(kind, am.Link()))
            self.servers[name] = Server(name, link)
        return self.servers[name]

    def split(self, packet: Packet, latency: float, parent: Any, start: bool) -> int:
        """Send copies where the ways part; how many of them have to wait for a place."""
        waiting = 0
        bundles: dict[Any, list[tuple[int, list[str]]]] = {}
        for b, path in packet.ways:
            name = path[0] if path else None
            apart = not self.fabric.multicast and not (start and path and path[0][:3] == "out")
            bundles.setdefault((name, b) if apart or name is None else name, []).append((b, path))
        for ways in bundles.values():
            if not ways[0][1]:
                self.deliver_later(packet.message, ways[0][0], latency)
                continue
            server = self.server(ways[0][1][0])
            copy = Packet(packet.message, [(b, path[1:]) for b, path in ways])
            if not server.link.serves:
                waiting += self.split(copy, latency + server.link.latency, parent, False)
            else:
                waiting += self.approach(server, copy, latency, parent)
        return waiting

    def approach(self, server: Server, packet: Packet, latency: float, parent: Any) -> int:
        if server.link.on_full == "wait" and parent is not None:
            if server.full:
                server.door.append(lambda: self.enter_at_last(server, packet, latency, parent))
                return 1
            server.coming += 1
        if latency > 0:
            self.later(latency, self.enter, server, packet)
        else:
            self.enter(server, packet)
        return 0

    def enter_at_last(self, server: Server, packet: Packet, latency: float, parent: Any) -> None:
        server.coming += 1
        if latency > 0:
            self.later(latency, self.enter, server, packet)
        else:
            self.enter(server, packet)
        parent[1] -= 1
        if parent[1] == 0:
            self.leave(parent[0])

    def enter(self, server: Server, packet: Packet) -> None:
        server.counts["arrived"] += 1
        if server.link.on_full == "wait":
            if server.coming:
                server.coming -= 1
        elif server.link.on_full == "coalesce":
            groups = [b for b, _ in packet.ways]
            for k, other in enumerate(server.line):
                same = other.message.unit is packet.message.unit
                if k > 0 and same and [b for b, _ in other.ways] == groups:
                    server.line[k] = packet
                    server.came[id(packet)] = self.now
                    server.counts["coalesced"] += 1
                    return
        if server.link.on_full != "wait" and server.full:
            server.counts["dropped"] += 1
            return
        server.line.append(packet)
        server.came[id(packet)] = self.now
        if len(server.line) == 1:
            self.start(server)

    def start(self, server: Server) -> None:
        packet = server.line[0]
        server.waited += self.now - server.came[id(packet)]
        work = 1
        if server.link.per == "listener":
            unit = packet.message.unit
            work = sum(
                self.group(to, i) in [b for b, _ in packet.ways]
                for source, to in self.weights if source == unit.layer
                for i in range(self.net.layers[to].size)
            )  # fmt: skip
        elif server.name[:3] == "out" and not self.fabric.multicast:
            work = len(packet.ways)
        self.later(work / server.link.bandwidth, self.served, server)

    def served(self, server: Server) -> None:
        blocked = [server, 0]
        blocked[1] = self.split(server.line[0], server.link.latency, blocked, False)
        if blocked[1] == 0:
            self.leave(server)

    def leave(self, server: Server) -> None:
        server.line.pop(0)
        server.counts["served"] += 1
        if server.line:
            self.start(server)
        if server.door and len(server.line) + server.coming < (server.link.fifo or math.inf):
            server.door.pop(0)()

    # Receivers.

    def deliver_later(self, message: Message, group: int, latency: float) -> None:
        delay = self.timing.delay
        delay = delay.get(message.unit.layer, 0.0) if isinstance(delay, dict) else delay
        for source, to in self.weights:
            if source == message.unit.layer:
                members = [i for i in range(self.net.layers[to].size) if self.group(to, i) == group]
                if members:
                    self.later(latency + delay, self.read, message, to, members)

    def read(self, message: Message, to: str, members: list[int]) -> None:
        unit = message.unit
        key = (unit.layer, unit.index, to, members[0])
        if message.number < self.newest.get(key, 0):
            return
        self.newest[key] = message.number
        held = self.held[unit.layer, unit.index, to]
        for i in members:
            weight = self.weights[unit.layer, to][unit.index, i]
            self.units[to][i].read(self.now, weight * (message.value - held[i]))
            held[i] = message.value


def random_link(rng: np.random.Generator, fast: float, **fixed: Any) -> am.Link:
    given = {
        "bandwidth": math.inf if rng.random() < 0.2 else fast * float(rng.uniform(0.3, 3.0)),
        "latency": float(rng.choice([0.0, rng.uniform(0, 0.1)])),
        "fifo": None if rng.random() < 0.3 else int(rng.integers(1, 5)),
        "on_full": str(rng.choice(["wait", "drop", "coalesce"])),
        "per": str(rng.choice(["message", "message", "listener"])),
        **fixed,
    }
    if given["bandwidth"] == math.inf:
        given["fifo"] = None
    return am.Link(**given)


def random_case(number: int) -> tuple[am.Network, Any, am.Timing]:
    """A network of tanh units, its states, and a fabric of any kind."""
    rng = np.random.default_rng([7, number])
    n, m = int(rng.integers(3, 7)), int(rng.integers(2, 6))
    lateral = rng.normal(size=(n, n))
    np.fill_diagonal(lateral, 0.0)
    synapses = [am.Dense(rng.normal(size=(m, n)), between=("hidden", "visible"))]
    if rng.random() < 0.4:
        synapses.append(am.Dense((lateral + lateral.T) / 2, between=("visible", "visible")))
    net = am.Network(
        {"visible": am.Layer(n, am.Tanh(), tau=1.0), "hidden": am.Layer(m, am.Tanh(), tau=0.6)},
        synapses,
    )
    states = {"visible": rng.normal(size=n), "hidden": rng.normal(size=m)}
    route = ["bus", "tree", "mesh", "paths"][number % 4]
    count = 5
    paths = {
        (a, b): [f"wire {min(a, b)}", f"wire {5 + max(a, b)}"]
        for a in range(count) for b in range(count) if a != b
    }  # fmt: skip
    fabric = am.Fabric(
        groups={"visible": rng.integers(0, count, n), "hidden": rng.integers(0, count, m)},
        # A unit cannot wait for several links at once: an encoder stands before them.
        out=random_link(rng, 60.0, bandwidth=float(rng.uniform(30, 150))),
        hop={"x": random_link(rng, 60.0), "y": random_link(rng, 60.0)}
        if route == "mesh" else random_link(rng, 80.0),
        into=random_link(rng, 60.0),
        route=paths if route == "paths" else route,  # type: ignore[arg-type]
        columns=3 if route == "mesh" else None,
        multicast=bool(rng.random() < 0.6),
    )  # fmt: skip
    heartbeat = 0.4 if rng.random() < 0.3 else None
    delay = {"visible": 0.05, "hidden": float(rng.uniform(0, 0.3))}
    return net, states, am.Timing(delay=delay, heartbeat=heartbeat, fabric=fabric)


@pytest.mark.parametrize("number", range(24))
def test_every_message_and_every_count_agree(number: int) -> None:
    net, states, timing = random_case(number)
    quantum = 0.03
    plain = Simulator(net, states, quantum, timing)
    plain.run(2.0)
    solver = am.EventDriven(quantum, timing, record_events=True)
    traj = am.simulate(net, states, solver=solver, t1=2.0, until=None)
    found = [(e.time, e.layer, int(e.unit), e.value) for e in traj.events]
    assert len(found) > 20
    assert len(found) == len(plain.events)
    for ours, theirs in zip(found, plain.events, strict=True):
        assert ours[1:3] == theirs[1:3]
        np.testing.assert_allclose([ours[0], ours[3]], [theirs[0], theirs[3]], rtol=0, atol=1e-9)
    for what in WHAT:
        counts = {name: int(x) for name, x in traj.stats[f"link_{what}"].items() if x}
        assert counts == {
            name: s.counts[what] for name, s in plain.servers.items() if s.counts[what]
        }
    for name, wait in traj.stats["link_mean_wait"].items():
        server = plain.servers.get(name)
        started = server and (server.counts["served"] + bool(server.line))
        if server is not None and started:
            assert wait * started == pytest.approx(server.waited, abs=1e-8)
    for name, layer in plain.units.items():
        final = [unit.at(2.0) for unit in layer]
        np.testing.assert_allclose(traj.final[name], final, rtol=0, atol=1e-9)


def test_the_random_cases_try_everything() -> None:
    seen = {what: 0 for what in (*WHAT, "held_back")}
    for number in range(24):
        net, states, timing = random_case(number)
        traj = am.simulate(net, states, solver=am.EventDriven(0.03, timing), t1=2.0, until=None)
        for what in WHAT:
            seen[what] += int(sum(traj.stats[f"link_{what}"].values()))
        seen["held_back"] += int(traj.stats["held_back"])
    assert min(seen.values()) > 100, seen
