"""The compiled engine against a plain one: a heap, one register per link, nothing clever."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import scipy.stats

import amsim as am
from amsim.compiled import draws
from amsim.dynamics.events import run as engine_run
from amsim.dynamics.events.engine.state import CROWDED, FLOODED
from amsim.dynamics.events.layout import build, lay_out

ACTIVATIONS: dict[type, tuple[Any, Any]] = {
    am.Identity: (lambda n, x: x, lambda n, y: y),
    am.Tanh: (
        lambda n, x: math.tanh(n.beta * x),
        lambda n, y: math.atanh(y) / n.beta if -1 < y < 1 else math.copysign(math.inf, y),
    ),
    am.Sigmoid: (
        lambda n, x: 1 / (1 + math.exp(-n.beta * x)),
        lambda n, y: (
            math.log(y / (1 - y)) / n.beta if 0 < y < 1 else math.copysign(math.inf, y - 0.5)
        ),
    ),
    am.RectifiedPower: (
        lambda n, x: max(x, 0) ** (n.n - 1),
        lambda n, y: y ** (1 / (n.n - 1)) if y >= 0 else -math.inf,
    ),
    am.Exponential: (
        lambda n, x: math.exp(n.beta * x),
        lambda n, y: math.log(y) / n.beta if y > 0 else -math.inf,
    ),
}


def draw(seed: int, purpose: int, unit: int, number: int, link: int) -> float:
    """The random number of one message on one link."""
    key = np.array([draws.stream(seed, purpose)])
    for counter in (unit, number, link):
        key = draws.mixed(key, np.array([counter], np.uint64))
    return float(draws.unit_interval(key)[0])


@dataclass
class Unit:
    """A leaky unit: x moves towards `target` with rate 1 / tau."""

    layer: str
    index: int
    kind: Any
    tau: float
    target: float
    x: float
    since: float = 0.0
    said: float = 0.0
    sent: float = 0.0
    number: int = 0
    links: list[Any] = field(default_factory=list)

    def at(self, t: float) -> float:
        return self.target + (self.x - self.target) * math.exp((self.since - t) / self.tau)

    def read(self, t: float, change: float) -> None:
        self.x, self.since = self.at(t), t
        self.target += change

    def next_crossing(self, quantum: float) -> float:
        """The time at which the output has moved by a quantum."""
        _, inverse = ACTIVATIONS[type(self.kind)]
        direction = 1 if self.target > self.x else -1
        level = inverse(self.kind, self.said + direction * quantum)
        if direction * (self.target - level) <= 0:
            return math.inf
        ratio = (self.target - self.x) / (self.target - level)
        return self.since + self.tau * math.log(max(ratio, 1.0))


def reference(
    network: am.Network, states: dict[str, Any], quantum: float, timing: am.Timing, seed: int,
    t1: float,
) -> tuple[list[Any], dict[str, Any]]:  # fmt: skip
    """Messages (time, layer, unit, value) up to t1, and the states then; without clocks."""
    layout = lay_out(network, am.EventDriven(quantum, timing), seed, False)
    units: dict[str, list[Unit]] = {}
    outputs = network.activations(states)
    force = network.force(states)
    first = 0
    for name, layer in network.layers.items():
        taus = layer.leak / layout.units["rate"][first : first + layer.size]
        units[name] = [
            Unit(name, i, layer.lagrangian, taus[i] / layer.leak,
                 states[name][i] + force[name][i] / layer.leak, states[name][i],
                 said=outputs[name][i])
            for i in range(layer.size)
        ]  # fmt: skip
        first += layer.size
    registers: dict[Any, list[float]] = {}
    sides = [(s, forward) for s in network.synapses for forward in (True, False)]
    for q, (synapse, forward) in enumerate(sides):
        ends = synapse.between if forward else synapse.between[::-1]
        weights = synapse.weights if forward else synapse.weights.T
        place = layout.projections[q]
        for j, sender in enumerate(units[ends[0]]):
            for i, receiver in enumerate(units[ends[1]]):
                delay = layout.delays[
                    place["delay"] + j * place["delay_sender"] + i * place["delay_receiver"]
                ]
                weight = weights[j, i] / network.layers[ends[1]].leak
                sender.links.append((q, i, receiver, weight, float(delay)))
                registers[q, j, i] = [sender.said, -1]
    everyone = [unit for group in units.values() for unit in group]
    queue: list[Any] = []
    events, order, serial = [], 0, 0
    beats = {id(u): timing.heartbeat or math.inf for u in everyone}
    while True:
        sender = min(everyone, key=lambda u: u.next_crossing(quantum))
        crossing = sender.next_crossing(quantum)
        beat = min(everyone, key=lambda u: beats[id(u)])
        arrival = queue[0][0] if queue else math.inf
        now = min(crossing, arrival, beats[id(beat)])
        if now > t1:
            break
        if arrival <= now:
            _, _, q, j, i, receiver, weight, value, number, lost = heapq.heappop(queue)
            register = registers[q, j, i]
            if number < register[1] and timing.arrival == "timestamp":
                continue
            value = 0.0 if lost else value
            receiver.read(now, weight * (value - register[0]))
            register[:] = [value, number]
            continue
        if crossing <= beats[id(beat)]:
            direction = 1 if sender.target > sender.at(now) else -1
            sender.said += direction * quantum
            sender.x, sender.since = sender.at(now), now
        else:
            sender = beat
            sender.said = ACTIVATIONS[type(sender.kind)][0](sender.kind, sender.at(now))
        beats[id(sender)] = now + (timing.heartbeat or math.inf)
        sender.sent, sender.number = now, sender.number + 1
        events.append((now, sender.layer, sender.index, sender.said))
        number = everyone.index(sender)
        for q, i, receiver, weight, delay in sender.links:
            link = (q << 32) + (i + 1 if timing.scope == "link" else 0)
            key = (number, sender.number, link)
            extra = float(timing.jitter) * draw(seed, draws.JITTER, *key)
            lost = draw(seed, draws.DROP, *key) < timing.drop
            if not lost or timing.on_drop == "zero":
                order += 1
                packet = (q, sender.index, i, receiver, weight, sender.said, serial, lost)
                heapq.heappush(queue, (now + delay + extra, order, *packet))
        serial += 1
    final = {n: np.array([u.at(t1) for u in group]) for n, group in units.items()}
    return events, final


def three_layers() -> am.Network:
    rng = np.random.default_rng(5)
    return am.Network(
        {
            "a": am.Layer(4, am.Identity(), tau=0.7, bias=0.1),
            "b": am.Layer(3, am.Tanh(2.0), tau=[0.3, 0.4, 0.5], leak=1.5),
            "c": am.Layer(2, am.Sigmoid(3.0)),
        },
        [
            am.Dense(rng.normal(size=(3, 4)) / 2, between=("b", "a")),
            am.Dense(rng.normal(size=(2, 3)), between=("c", "b")),
        ],
    )


def two_layers(visible: am.Lagrangian, hidden: am.Lagrangian) -> am.Network:
    rng = np.random.default_rng(3)
    return am.dense_am(rng.normal(size=(3, 5)) / 2, visible=visible, hidden=hidden)


NETWORKS = {
    "tanh": lambda: two_layers(am.Tanh(1.5), am.Tanh()),
    "power": lambda: two_layers(am.Tanh(), am.RectifiedPower(3)),
    "exponential": lambda: two_layers(am.Sigmoid(2.0), am.Exponential(0.5)),
    "three": three_layers,
}
TIMINGS = {
    "none": am.Timing(),
    "uniform": am.Timing(delay=0.2),
    "units": am.Timing(delay=scipy.stats.uniform(0.05, 0.3)),
    "jitter": am.Timing(delay=0.05, jitter=0.4),
    "latest": am.Timing(delay=0.05, jitter=0.4, arrival="latest"),
    "links": am.Timing(delay=scipy.stats.uniform(0.05, 0.6), scope="link"),
    "lossy links": am.Timing(delay=0.1, jitter=0.3, drop=0.3, heartbeat=0.9, scope="link"),
    "zero on loss": am.Timing(delay=0.1, drop=0.3, on_drop="zero", heartbeat=0.7),
    "spread": am.Timing(delay=0.1, tau_spread=0.3),
}


@pytest.mark.parametrize("timing", TIMINGS)
@pytest.mark.parametrize("kind", NETWORKS)
def test_every_message_and_the_final_states_agree(kind: str, timing: str) -> None:
    network, quantum, t1 = NETWORKS[kind](), 0.07, 2.0
    rng = np.random.default_rng(11)
    states = {n: rng.normal(size=layer.shape) for n, layer in network.layers.items()}
    expected, final = reference(network, states, quantum, TIMINGS[timing], 4, t1)
    solver = am.EventDriven(quantum, TIMINGS[timing], record_events=True)
    traj = am.simulate(network, states, solver=solver, times=[t1], until=None, seed=4)
    assert len(expected) > 30
    assert len(traj.events) == len(expected)
    # Equal times: order among them may differ where rounding decides.
    ours = sorted((round(float(e.time), 9), e.layer, int(e.unit), float(e.value))
                  for e in traj.events)  # fmt: skip
    theirs = sorted((round(e[0], 9), *e[1:]) for e in expected)
    for mine, other in zip(ours, theirs):
        assert mine[1:3] == other[1:3]
        np.testing.assert_allclose((mine[0], mine[3]), (other[0], other[3]), atol=2e-9)
    for name in network.layers:
        np.testing.assert_allclose(traj[name][-1], final[name], atol=1e-9)


IN_WINDOWS = {
    "constant": am.Timing(delay=scipy.stats.uniform(0.05, 0.5), scope="link"),
    "jitter": am.Timing(delay=scipy.stats.uniform(0.05, 0.2), jitter=0.5, scope="link"),
    "loss": am.Timing(delay=0.05, jitter=scipy.stats.expon(0, 0.1), drop=0.6, scope="link"),
    "heartbeat": am.Timing(delay=0.3, drop=0.2, heartbeat=0.07, scope="link"),
}


HIDDEN = [am.RectifiedPower(3), am.Softmax(4.0), am.Entmax(1.5, 1.0)]


@pytest.mark.parametrize("hidden", HIDDEN, ids=repr)
@pytest.mark.parametrize("timing", IN_WINDOWS)
@pytest.mark.parametrize("quantum", [0.3, 0.01])
def test_windows_give_the_events_of_the_queue(
    quantum: float, timing: str, hidden: am.Lagrangian, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Delays by link can be run in windows; the engine for all timings is the reference."""
    patterns = am.patterns.random(30, 24, seed=2)
    net = am.dense_am(patterns / 24**0.5, visible=am.Tanh(2.0), hidden=hidden, tau_hidden=0.3)
    cues = am.patterns.corrupt(patterns[:2], flip=0.25, seed=1)
    solver = am.EventDriven(quantum, IN_WINDOWS[timing], record_events=True)

    def run() -> am.Trajectory:
        return am.simulate(net, cues, solver=solver, times=[0.2, 3.0], until=None, seed=8)

    chosen: list[bool] = []
    original = build.runs_in_windows
    monkeypatch.setattr(
        build, "runs_in_windows", lambda layout: chosen.append(original(layout)) or True
    )
    fast = run()
    monkeypatch.setattr(build, "runs_in_windows", lambda layout: False)
    slow = run()
    few = quantum > 0.1 and timing != "heartbeat"  # messages in a window: it would not pay
    assert chosen == [not few]
    assert len(fast.events) == len(slow.events) > 60
    # Unit by unit: messages closer than rounding may change places.
    mine, theirs = (
        run.events[
            np.lexsort((run.events.time, *(run.events[n] for n in ("unit", "layer", "cue"))))
        ]
        for run in (fast, slow)
    )
    for name in ("layer", "unit", "cue"):
        assert (mine[name] == theirs[name]).all()
    np.testing.assert_allclose(mine.time, theirs.time, atol=1e-10)
    np.testing.assert_allclose(mine.value, theirs.value, atol=1e-10)
    for name in net.layers:
        np.testing.assert_allclose(fast[name], slow[name], atol=1e-10)
    for name in ("last_message", "staleness", "register_error"):
        np.testing.assert_allclose(fast.stats[name], slow.stats[name], atol=1e-9)
    for name in ("synaptic_operations", "drops", "late"):
        np.testing.assert_array_equal(fast.stats[name], slow.stats[name])


@pytest.mark.filterwarnings("ignore::amsim.errors.GuaranteeWarning")
def test_more_messages_than_a_window_has_room_for_may_be_lost_in_a_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those before it arrive with the first one that is not lost: no shorter window parts them."""
    monkeypatch.setattr(engine_run.windows, "_ARRIVALS", 1)  # room for 4
    synapse = am.Directed([[1.0]], source="x", target="y")
    layers = {"x": am.Layer(1, am.Identity(), bias=1.0), "y": am.Layer(1, am.Tanh())}
    net = am.Network(layers, [synapse])
    solver = am.EventDriven(1e-3, am.Timing(0.7, scope="link", drop=0.98), record_events=True)

    def run(by_window: bool) -> am.Trajectory:
        monkeypatch.setattr(build, "runs_in_windows", lambda layout: by_window)
        return am.simulate(net, {"x": [0.0], "y": [0.0]}, solver=solver, times=[3.0], until=None)

    fast, slow = run(True), run(False)
    assert fast.stats["drops"] == slow.stats["drops"] > 800
    assert fast.stats["synaptic_operations"] == slow.stats["synaptic_operations"] > 4
    assert fast.events.unit.tolist() == slow.events.unit.tolist()
    np.testing.assert_allclose(fast.events.time, slow.events.time, atol=1e-12)
    np.testing.assert_allclose(fast.final["y"], slow.final["y"], atol=1e-12)


def looks_per_delivery(
    quantum: float, timing: am.Timing, monkeypatch: pytest.MonkeyPatch, *, windows: bool | None
) -> float:
    """How many things an engine looks at for every message that comes to a unit."""
    counted: list[float] = []
    finish, chosen = engine_run.Run.finish, build.runs_in_windows

    def count(run: Any) -> None:
        numbers = run.state.run[0]
        counted.append(float(numbers["steps"] + numbers["operations"]))
        finish(run)

    rng = np.random.default_rng(0)
    synapse = am.Directed(0.2 * rng.normal(size=(6, 6)), source="x", target="x")
    net = am.Network({"x": am.Layer(6, am.Tanh(), bias=0.5)}, [synapse])
    solver = am.EventDriven(quantum, timing)
    with monkeypatch.context() as patch:
        patch.setattr(engine_run.Run, "finish", count)
        if windows is not None:
            patch.setattr(build, "runs_in_windows", lambda layout: chosen(layout) or windows)
        traj = am.simulate(net, {"x": rng.normal(size=6)}, solver=solver, t1=8.0, until=None)
    return counted[0] / float(traj.stats["synaptic_operations"])


@pytest.mark.filterwarnings("ignore::amsim.errors.GuaranteeWarning")
def test_windows_do_not_look_at_messages_again_that_are_on_their_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Many short windows during the longest delay: twice the messages are twice the work."""
    timing = am.Timing(delay=scipy.stats.uniform(0.005, 2.0), drop=0.1, scope="link")
    looks = [looks_per_delivery(q, timing, monkeypatch, windows=True) for q in (4e-5, 2e-5, 1e-5)]
    assert max(looks) < 1.1 * min(looks) < 4.0


@pytest.mark.filterwarnings("ignore::amsim.errors.GuaranteeWarning")
@pytest.mark.parametrize("quantum", [1e-2, 1e-4])
@pytest.mark.parametrize("least", [0.0, 1e-5, 3e-3, 0.1])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"heartbeat": 5.0, "drop": 0.3},
        {"jitter": 0.4},
        {"jitter": scipy.stats.expon(0, 0.1), "drop": 0.3},
    ],
    ids=["plain", "losses", "jitter", "long jitter and losses"],
)
def test_no_delays_by_link_cost_much_more_than_a_queue(
    quantum: float, least: float, options: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A delivery through the queue takes as long as some tens of looks at a link."""
    timing = am.Timing(delay=scipy.stats.uniform(least, 2.0), scope="link", **options)
    assert looks_per_delivery(quantum, timing, monkeypatch, windows=None) < 40


def test_a_silence_is_one_long_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long after the last message, units are not looked at as often as messages may travel."""
    counted: list[int] = []
    finish = engine_run.Run.finish

    def count(run: Any) -> None:
        counted.append(int(run.state.run["steps"][0]))
        finish(run)

    monkeypatch.setattr(engine_run.Run, "finish", count)
    net = am.dense_am(am.patterns.random(3, 8, seed=2) / 8, hidden=am.Softmax(2.0))
    timing, units, t1 = am.Timing(delay=0.05, scope="link"), 11, 3000.0
    am.simulate(net, np.ones(8), solver=am.EventDriven(0.01, timing), times=[t1], until=None)
    assert counted[0] < 0.1 * units * t1 / 0.05


@pytest.mark.parametrize("hidden", [am.Tanh(), am.Softmax(1.0)], ids=repr)
def test_more_messages_in_a_window_than_it_has_room_for(
    hidden: am.Lagrangian, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Units that were quiet for long windows wake up; room grows while a window is open."""
    net = am.dense_am(
        0.66 * np.array([[1.0, 1.0], [1.0, -1.0]]),
        visible=am.Tanh(),
        hidden=hidden,
        tau_hidden=1.0,
    )
    solver = am.EventDriven(2e-3, am.Timing(10.0, scope="link"))
    start = {"visible": [0.5, -0.35], "hidden": [-0.3, 0.45]}
    reasons: list[int] = []
    original = engine_run.windows.grown

    def grow(windows: Any, ended: int) -> Any:
        reasons.append(ended)
        return original(windows, ended)

    monkeypatch.setattr(engine_run.windows, "grown", grow)
    monkeypatch.setattr(engine_run.windows, "_ARRIVALS", 20)  # windows in parts, too
    monkeypatch.setattr(engine_run.windows, "_ROOM", 4)
    fast = am.simulate(net, start, solver=solver, times=[20.0, 60.0], until=None)
    monkeypatch.setattr(build, "runs_in_windows", lambda layout: False)
    slow = am.simulate(net, start, solver=solver, times=[20.0, 60.0], until=None)
    assert CROWDED in reasons and (FLOODED in reasons) == isinstance(hidden, am.Softmax)
    assert sum(fast.stats["messages"].values()) > 300
    for name in net.layers:
        np.testing.assert_allclose(fast[name], slow[name], atol=1e-10)
        assert fast.stats["messages"][name] == slow.stats["messages"][name]
    assert fast.stats["synaptic_operations"] == slow.stats["synaptic_operations"]


@pytest.mark.parametrize("hidden", [am.Softmax(0.06), am.Entmax(beta=0.05)], ids=repr)
def test_so_many_arrivals_that_a_group_sorts_them_in_parts(
    hidden: am.Lagrangian, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The memories speak, too."""
    patterns = am.patterns.random(120, 64, seed=8)
    net = am.dense_am(patterns, visible=am.Tanh(), hidden=hidden, tau_hidden=0.7)
    cue = am.patterns.corrupt(patterns[0], flip=0.35, seed=1)
    timing = am.Timing(delay=scipy.stats.uniform(0.1, 0.3), scope="link")
    solver = am.EventDriven({"visible": 0.002, "hidden": 2e-5}, timing)
    blocks: list[int] = []
    settle = engine_run.windows.settle_registers

    def look(layout: Any, state: Any, windows: Any) -> None:
        blocks.append(int(windows.window["blocks"][0]))
        settle(layout, state, windows)

    monkeypatch.setattr(engine_run.windows, "settle_registers", look)
    fast = am.simulate(net, cue, solver=solver, times=[0.5], until=None)
    monkeypatch.setattr(build, "runs_in_windows", lambda layout: False)
    slow = am.simulate(net, cue, solver=solver, times=[0.5], until=None)
    assert blocks[0] > 2
    assert fast.stats["messages"]["hidden"] > 10
    for name in net.layers:
        np.testing.assert_allclose(fast[name], slow[name], atol=1e-9)
        assert fast.stats["messages"][name] == slow.stats["messages"][name]
    assert fast.stats["synaptic_operations"] == slow.stats["synaptic_operations"]
