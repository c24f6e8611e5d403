"""Shared links: laws of queues, limits that are the engine without them, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.stats

import amsim as am

pytestmark = pytest.mark.filterwarnings("ignore:.*is directed:amsim.GuaranteeWarning")
PATTERNS = am.patterns.random(4, 24, seed=0)
CUES = am.patterns.corrupt(PATTERNS[:2], flip=0.2, seed=1)
TANH = am.dense_am(PATTERNS, hidden=am.Tanh(0.1), visible=am.Tanh())
NETWORKS = {
    "tanh": TANH,
    "softmax": am.dense_am(PATTERNS, hidden=am.Softmax(0.5)),
    "entmax": am.dense_am(PATTERNS, hidden=am.Entmax(1.5, 0.5)),
    "sign": am.dense_am(PATTERNS, hidden=am.Sign(), visible=am.Tanh()),
}


def run(net: am.Network, timing: am.Timing, **settings: Any) -> am.Trajectory:
    given = {"t1": 6.0, "until": None, "seed": 3, **settings}
    kept = {k: given.pop(k) for k in ("quantum", "normaliser", "announce") if k in given}
    solver = am.EventDriven(kept.pop("quantum", 0.02), timing, record_events=True, **kept)
    return am.simulate(net, CUES, solver=solver, **given)


def same_bits(ours: am.Trajectory, theirs: am.Trajectory, groups: int = 1) -> None:
    assert ours.events is not None and theirs.events is not None
    assert ours.events.tobytes() == theirs.events.tobytes()
    for name in theirs.final:
        assert ours[name].tobytes() == theirs[name].tobytes()
    assert ours.settle_times.tobytes() == theirs.settle_times.tobytes()
    for name in ("drops", "staleness", "register_error", "synaptic_operations"):
        assert ours.stats[name].tolist() == theirs.stats[name].tolist()
    # Each group of receivers notices for itself that a message was overtaken.
    assert ours.stats["late"].tolist() >= theirs.stats["late"].tolist()
    assert (ours.stats["late"] <= groups * theirs.stats["late"]).all()


# Limits.

TIMINGS = {
    "at once": {},
    "delays": {"delay": {"visible": 0.1, "hidden": 0.03}, "jitter": 0.2, "drop": 0.1},
    "zeros": {"delay": 0.1, "drop": 0.2, "on_drop": "zero", "heartbeat": 0.5},
    "latest": {"jitter": scipy.stats.expon(scale=0.1), "arrival": "latest", "tau_spread": 0.2},
    "poisson": {"clock": am.Poisson(20.0), "heartbeat": 0.3},
    "periodic": {"clock": am.Periodic(0.05, jitter=0.02), "delay": 0.05, "drop": 0.1},
    "by link": {"scope": "link", "jitter": 0.1, "drop": 0.1},
}


@pytest.mark.filterwarnings("ignore:tau_spread gives:amsim.GuaranteeWarning")
@pytest.mark.parametrize("case", TIMINGS)
@pytest.mark.parametrize("net", NETWORKS)
def test_links_without_limits_are_no_links(case: str, net: str) -> None:
    timing: dict[str, Any] = TIMINGS[case]
    plain = run(NETWORKS[net], am.Timing(**timing))
    free = run(NETWORKS[net], am.Timing(**timing, fabric=am.Fabric()))
    same_bits(free, plain)


def test_settling_inputs_and_normalisers_without_limits() -> None:
    jumps = am.PiecewiseConstant([0.0, 2.0], [np.zeros(24), 0.3 * PATTERNS[1]])
    for settings in (
        {"until": am.Settled(1e-4), "t1": 100.0},
        {"until": am.Settled(1e-4), "t1": 100.0, "inputs": jumps},
        {"clamp": np.arange(12), "announce": "ahead", "until": am.Settled(1e-4), "t1": 100.0},
    ):
        timing = {"delay": 0.2, "jitter": 0.1}
        same_bits(
            run(TANH, am.Timing(**timing, fabric=am.Fabric()), **settings),  # type: ignore[arg-type]
            run(TANH, am.Timing(**timing), **settings),
        )  # type: ignore[arg-type]
    soft = NETWORKS["softmax"]
    same_bits(run(soft, am.Timing(delay=0.1, fabric=am.Fabric()), normaliser="neuron"),
              run(soft, am.Timing(delay=0.1), normaliser="neuron"))  # fmt: skip


@pytest.mark.parametrize("groups", ["in order", "scattered"])
@pytest.mark.parametrize("route", ["bus", "tree", "mesh"])
def test_groups_alone_change_nothing(groups: str, route: str) -> None:
    visible = np.arange(24) // 5
    if groups == "scattered":
        visible = np.random.default_rng(0).permutation(visible)
    fabric = am.Fabric({"visible": visible, "hidden": [0, 1, 2, 0]}, route=route)  # type: ignore[arg-type]
    timing = {"delay": 0.1, "jitter": 0.1, "drop": 0.1}
    free, plain = (run(TANH, am.Timing(**timing, fabric=f)) for f in (fabric, None))  # type: ignore[arg-type]
    same_bits(free, plain, groups=5)


def test_a_huge_bandwidth_is_none() -> None:
    fast = am.Link(1e80, fifo=3)
    fabric = am.Fabric(out=fast, hop=fast, into=fast)
    same_bits(run(TANH, am.Timing(delay=0.1, fabric=fabric)), run(TANH, am.Timing(delay=0.1)))


def test_latencies_add_up_to_a_delay() -> None:
    fabric = am.Fabric(out=am.Link(latency=0.125), hop=am.Link(latency=0.25))
    ours = run(TANH, am.Timing(fabric=fabric))
    same_bits(ours, run(TANH, am.Timing(delay=0.375)))


# Laws of queues.


def poisson(load: float, links: dict[str, am.Link], messages: float = 1.5e5) -> am.Trajectory:
    """Units that say the same at random times, over links that serve one message a unit of time."""
    units = 5
    silent = am.Directed(np.zeros((1, units)), source="senders", target="sink")
    net = am.Network(
        {"senders": am.Layer(units, am.Identity()), "sink": am.Layer(1, am.Identity())}, [silent]
    )
    timing = am.Timing(
        clock=am.Poisson(load / units), heartbeat=1e-9, fabric=am.Fabric(**links)  # type: ignore[arg-type]
    )  # fmt: skip
    states = {"senders": np.ones(units), "sink": np.zeros(1)}
    return am.simulate(
        net, states, solver=am.EventDriven(1e3, timing),
        t1=messages / load, until=None, seed=5,
    )  # fmt: skip


def standard_error(load: float, messages: float) -> float:
    """Of the mean wait in M/M/1, from its autocorrelation (Daley 1968)."""
    spread = load * (2 + 5 * load - 4 * load**2 + load**3) / (1 - load) ** 4
    return math.sqrt(spread / messages)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
@pytest.mark.parametrize("spread", [0.0, 0.5, 1.0])
def test_waits_are_those_of_pollaczek_and_khinchine(load: float, spread: float) -> None:
    traj = poisson(load, {"hop": am.Link(1.0, spread=spread)})
    wait = load * (1 + spread**2) / (2 * (1 - load))
    error = standard_error(load, 1.5e5) * (1 + spread**2) / 2
    assert traj.stats["link_mean_wait"]["bus"] == pytest.approx(wait, abs=3.5 * error)
    busy = 3.5 * math.sqrt(load / 1.5e5) * 1.5
    assert traj.stats["link_utilisation"]["bus"] == pytest.approx(load, abs=busy)


@pytest.mark.parametrize(
    ("places", "spread", "loss"),
    [
        (1, 0.0, lambda rho: rho / (1 + rho)),
        (1, 1.0, lambda rho: rho / (1 + rho)),
        (2, 0.0, lambda rho: 1 - 1 / (math.exp(-rho) + rho)),
        (4, 1.0, lambda rho: (1 - rho) * rho**4 / (1 - rho**5)),
    ],
)
def test_losses_are_those_of_erlang(places: int, spread: float, loss: Any) -> None:
    for load in (0.5, 1.5):
        link = am.Link(1.0, fifo=places, on_full="drop", spread=spread)
        traj = poisson(load, {"hop": link}, 8e4)
        lost = traj.stats["link_dropped"]["bus"] / traj.stats["link_arrived"]["bus"]
        assert lost == pytest.approx(loss(load), abs=0.008)
        assert traj.stats["link_most"]["bus"] == places


def test_servers_in_series() -> None:
    """Burke: what leaves M/M/1 is Poisson again. Equal constant services never wait twice."""
    random = am.Link(1.0, spread=1.0)
    traj = poisson(0.6, {"out": random, "hop": random})
    for name in ("out senders", "bus"):
        error = 3.5 * standard_error(0.6, 1.5e5)
        assert traj.stats["link_mean_wait"][name] == pytest.approx(1.5, abs=error)
    constant = am.Link(1.0)
    traj = poisson(0.8, {"out": constant, "hop": constant}, 2e4)
    assert traj.stats["link_mean_wait"]["out senders"] > 1.0
    assert traj.stats["link_mean_wait"]["bus"] < 1e-9


def waits(load: float, spread: float, messages: int) -> tuple[Any, Any, am.Trajectory]:
    """Times from sending to reading, and of sending: units that send one message each.

    A quick unit reads them, and passes the middle between two targets ln 2 of its time constants
    after it has read.
    """
    rng, t1, fast = np.random.default_rng(0), messages / load, 0.005
    at = np.sort(rng.uniform(0.0, t1, messages))  # Poisson, given how many there are
    layers = {
        "senders": am.Layer(messages, am.Sign(), tau=t1, bias=1.0),
        "reader": am.Layer(1, am.Identity(), tau=fast),
    }
    net = am.Network(
        layers, [am.Directed(np.ones((1, messages)), source="senders", target="reader")]
    )
    timing = am.Timing(fabric=am.Fabric(hop=am.Link(1.0, spread=spread)))
    traj = am.simulate(
        net, {"senders": 1 - np.exp(at / t1), "reader": [-float(messages)]},
        solver=am.EventDriven(1.0, timing, record_events=True), t1=2 * t1, until=None, seed=1,
    )  # fmt: skip
    events = traj.events
    assert events is not None
    read = events[(events.layer == "reader") & ((events.value + messages) % 2 == 1)].time
    sent = events[events.layer == "senders"].time
    assert len(read) == len(sent) == messages
    return read - fast * math.log(2) - sent, sent, traj


@pytest.mark.parametrize(("spread", "error"), [(0.0, 0.04), (0.5, 0.09)])
def test_the_variance_of_waits(spread: float, error: float) -> None:
    """lambda E[S^3] / 3 (1 - rho) + wait^2, and that of the service.

    The standard error is that of variances of twelve seeds.
    """
    load = 0.6
    took, sent, traj = waits(load, spread, 80_000)
    if not spread:  # each leaves 1 after the one before, or after it has come
        n = np.arange(len(sent))
        left = n + 1 + np.maximum.accumulate(sent - n)
        np.testing.assert_allclose(took, left - sent, rtol=0, atol=1e-6)
    assert took.mean() == pytest.approx(traj.stats["link_mean_wait"]["bus"] + 1.0, abs=0.01)
    cube = np.polynomial.Polynomial([1 - spread, spread])  # of an exponential time
    third = sum(c * math.factorial(k) for k, c in enumerate((cube**3).coef))
    wait = load * (1 + spread**2) / (2 * (1 - load))
    variance = load * third / (3 * (1 - load)) + wait**2 + spread**2
    assert took.var() == pytest.approx(variance, abs=3.5 * error)


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_units_with_one_message_each_wait_as_in_machine_repair(spread: float) -> None:
    """Response = N / throughput - pause; with exponential services p_n ~ N! / (N - n)! (l S)^n.

    A unit changes its output when it hears itself over the bus, and says so at its next tick.
    """
    units, rate, t1 = 5, 0.3, 80_000.0
    net = am.Network(
        {"a": am.Layer(units, am.Sign(), tau=1e-6)},
        [am.Directed(-np.eye(units), source="a", target="a")],
    )
    timing = am.Timing(clock=am.Poisson(rate), fabric=am.Fabric(hop=am.Link(1.0, spread=spread)))
    traj = am.simulate(net, {"a": -np.ones(units)}, solver=am.EventDriven(0.5, timing),
                       t1=t1, until=None, seed=2)  # fmt: skip
    served = int(traj.stats["link_served"]["bus"])
    response = traj.stats["link_mean_wait"]["bus"] + 1.0
    error = 4 / rate / math.sqrt(served)
    assert response == pytest.approx(units * t1 / served - 1 / rate, abs=error)
    assert traj.stats["link_most"]["bus"] == units
    if spread:
        n = np.arange(units + 1)
        p = np.array([math.perm(units, int(k)) * rate**k for k in n])
        busy = 1 - 1 / p.sum()
        assert traj.stats["link_utilisation"]["bus"] == pytest.approx(busy, abs=0.008)


def test_messages_at_one_time_wait_for_each_other() -> None:
    """The k-th of N that come together waits (k - 1) / bandwidth."""
    net = am.Network(
        {"many": am.Layer(10, am.Tanh()), "one": am.Layer(1, am.Identity())},
        [am.Directed(np.ones((1, 10)), source="many", target="one")],
    )
    for link, wait, delay in ((am.Link(100.0), 0.045, 0.0), (am.Link(100.0, 0.5), 0.045, 0.5)):
        timing = am.Timing(fabric=am.Fabric(hop=link))
        solver = am.EventDriven(0.9, timing)
        traj = am.simulate(
            net, {"many": np.zeros(10), "one": [0.0]}, inputs={"many": 5.0}, solver=solver,
            times=[0.0, 1.0], until=None,
        )  # fmt: skip
        assert traj.stats["link_mean_wait"]["bus"] == pytest.approx(wait, rel=1e-12)
        assert traj.stats["staleness"] == pytest.approx(0.1 + delay, rel=1e-12)


@pytest.mark.parametrize("on_full", ["wait", "drop", "coalesce"])
@pytest.mark.parametrize("per", ["message", "listener"])
def test_messages_are_conserved_and_obey_little(on_full: Any, per: Any) -> None:
    """At any time, in overload: what came is gone, lost or there; its times are the integral."""
    link = am.Link(60.0, 0.01, fifo=3, on_full=on_full, spread=0.5, per=per)
    fabric = am.Fabric({"visible": np.arange(24) % 3, "hidden": [0, 1, 2, 3]}, link, link, link,
                       route="mesh", multicast=False)  # fmt: skip
    for t1 in (0.05, 0.7, 3.0):
        traj = run(TANH, am.Timing(fabric=fabric, heartbeat=0.3), t1=t1)
        stats = {k: np.array(list(traj.stats[f"link_{k}"].values())) for k in (
            "arrived", "served", "dropped", "coalesced", "inside", "mean_number", "time_spent",
            "utilisation", "blocked",
        )}  # fmt: skip
        gone = sum(stats[k] for k in ("served", "dropped", "coalesced", "inside"))
        assert (stats["arrived"] == gone).all() and stats["arrived"].sum() >= 10
        np.testing.assert_allclose(stats["mean_number"] * t1, stats["time_spent"], rtol=1e-12)
        assert (stats["utilisation"] + stats["blocked"] <= 1 + 1e-12).all()
        first = sum(n for k, n in traj.stats["link_arrived"].items() if k.startswith("out"))
        assert (first == sum(traj.stats["messages"].values())).all()


# What overload does.


def test_links_that_wait_or_coalesce_end_with_what_was_said() -> None:
    """At rest registers are right, but for what was dropped."""
    for load in (30.0, 300.0):
        error = {}
        for on_full in ("wait", "coalesce", "drop"):
            fifo = 2 if on_full != "coalesce" else None
            link = am.Link(load, fifo=fifo, on_full=on_full)  # type: ignore[arg-type]
            timing = am.Timing(fabric=am.Fabric(out=link))
            traj = run(TANH, timing, until=am.Settled(1e-5), t1=1000.0)
            assert traj.status == "settled"
            assert sum(traj.stats["link_inside"].values()).max() == 0
            error[on_full] = traj.stats["register_error"].max()
        assert max(error["wait"], error["coalesce"]) <= 0.02 * (1 + 1e-9)
        assert error["drop"] > 0.05


def test_a_cue_does_not_settle_while_news_are_under_way() -> None:
    """The queue lasts for much longer than any message travels without one."""
    slow = am.Timing(fabric=am.Fabric(hop=am.Link(2.0)))
    traj = run(TANH, slow, until=am.Settled(1e-3), t1=1e4, quantum=0.1)
    assert traj.status == "settled"
    assert (traj.settle_times >= sum(traj.stats["messages"].values()) / 2.0).all()
    assert (traj.stats["register_error"] <= 0.1 * (1 + 1e-9)).all()
    naive = run(TANH, slow, until=am.Settled(1e-3, naive=True), t1=1e4, quantum=0.1)
    assert (naive.settle_times < traj.settle_times).all()


def test_a_bus_that_is_overloaded_delays_more_and_more() -> None:
    traj = poisson(2.0, {"hop": am.Link(1.0)}, 2000)
    assert traj.stats["link_inside"]["bus"] == pytest.approx(1000, abs=150)
    assert traj.stats["link_mean_wait"]["bus"] == pytest.approx(250, rel=0.2)


def test_copies_part_where_their_ways_do() -> None:
    """A row of three groups: multicast uses the first wire once, copies by the sender twice."""
    net = am.Network(
        {"one": am.Layer(1, am.Tanh()), "two": am.Layer(2, am.Identity())},
        [am.Directed(np.ones((2, 1)), source="one", target="two")],
    )
    for multicast, wire, encoder in ((True, 1, 0.25), (False, 2, 0.5)):
        fabric = am.Fabric({"one": 0, "two": [1, 2]}, am.Link(4.0), am.Link(50.0), am.Link(50.0),
                           route="mesh", columns=3, multicast=multicast)  # fmt: skip
        solver = am.EventDriven(0.9, am.Timing(fabric=fabric))
        traj = am.simulate(net, {"one": [0.0], "two": [0.0, 0.0]}, inputs={"one": 5.0},
                           solver=solver, t1=1.0, until=None)  # fmt: skip
        counts = {k: int(n) for k, n in traj.stats["link_served"].items()}
        assert counts == {"out 0": 1, "x 0>1": wire, "into 1": 1, "x 1>2": 1, "into 2": 1}
        assert traj.stats["link_utilisation"]["out 0"] == encoder


def test_a_cue_alone_has_the_bits_that_it_has_in_a_batch() -> None:
    link = am.Link(80.0, fifo=4, spread=1.0)
    solver = am.EventDriven(0.02, am.Timing(jitter=0.1, fabric=am.Fabric(out=link, hop=link)))
    both = am.simulate(TANH, CUES, solver=solver, t1=3.0, until=None, seed=2)
    for i in range(2):
        alone = am.simulate(TANH, CUES[i], solver=solver, t1=3.0, until=None, seed=2)
        assert alone.final["visible"].tobytes() == both.final["visible"][i].tobytes()
        assert alone.stats["link_mean_wait"]["bus"] == both.stats["link_mean_wait"]["bus"][i]
    other = am.simulate(TANH, CUES, solver=solver, t1=3.0, until=None, seed=4)
    assert other.final["visible"].tobytes() != both.final["visible"].tobytes()


def all_at_once(scale: float, clock: str) -> am.Trajectory:
    """Queues, copies, faults, drift and shared noise of messages; every time is times `scale`."""
    link = am.Link(80.0 / scale, 0.02 * scale, fifo=3, on_full="coalesce", spread=0.5)
    slow = am.dense_am(PATTERNS, hidden=am.Tanh(0.1), visible=am.Tanh(),
                       tau_visible=scale, tau_hidden=0.1 * scale)  # fmt: skip
    timing = am.Timing(
        delay=0.3 * scale, jitter=0.1 * scale, heartbeat=scale, refractory=0.06 * scale,
        arrival="latest", tau_spread=0.2, quantum_spread=0.2,
        common_jitter=am.CommonJitter(0.2 * scale, scale), bursts=am.Bursts(scale, 0.4 * scale),
        drift=am.Drift(scale * np.array([0.7, 1.9]), tau=[1.5, 0.8], delay=[2.0, 0.5]),
        faults=[
            am.Fault("silent", units={"visible": [1, 5]}, at=0.5 * scale),
            am.Fault("stuck", units={"hidden": [2]}, at=scale, value=0.4),
            am.Fault("babbling", units={"visible": [7]}, at=scale, rate=5.0 / scale),
            am.Fault("dead", links=["out 2"], at=2.5 * scale),
        ],
        clock={
            "none": None,
            "barrier": am.Barrier(0.05 * scale, 0.01 * scale),
            "domains": am.Periodic(0.05 * scale, drift=0.1, per="group", latch=True),
        }[clock],
        fabric=am.Fabric({"visible": np.arange(24) % 3, "hidden": [0, 1, 2, 3]}, link, link, link,
                         route="mesh"),
    )  # fmt: skip
    return run(slow, timing, t1=4.0 * scale)


@pytest.mark.parametrize("clock", ["none", "barrier", "domains"])
def test_a_run_at_half_the_speed_has_the_same_bits(clock: str) -> None:
    """Times have no unit: nothing in the engine knows a second. Powers of two do not round."""
    ours, slow = (all_at_once(scale, clock) for scale in (1.0, 2.0))
    assert ours.events is not None and slow.events is not None and len(ours.events) > 100
    assert (2 * ours.events.time == slow.events.time).all()
    assert (ours.events.value == slow.events.value).all()
    for name in ours.final:
        assert (ours.final[name] == slow.final[name]).all()
    for what in ("arrived", "dropped", "coalesced"):  # units say one thing at a barrier
        count = sum(n.sum() for n in ours.stats[f"link_{what}"].values())
        assert count > 0 or (clock, what) == ("barrier", "coalesced")
        for name, counts in ours.stats[f"link_{what}"].items():
            assert (counts == slow.stats[f"link_{what}"][name]).all()


# What is refused.

BAD = {
    "Link: bandwidth": lambda: am.Link(0.0),
    "Link: bandwidth must be > 0": lambda: am.Link(-math.inf),
    "Link: latency": lambda: am.Link(latency=-1.0),
    "Link: fifo must be a whole number": lambda: am.Link(1.0, fifo=0),
    "Link: fifo needs a bandwidth": lambda: am.Link(fifo=3),
    "Link: spread needs a bandwidth": lambda: am.Link(spread=0.5),
    "Link: on_full must be": lambda: am.Link(on_full="lose"),  # type: ignore[arg-type]
    "Link: per must be": lambda: am.Link(per="bit"),  # type: ignore[arg-type]
    "Fabric: out must be": lambda: am.Fabric(out=1.0),  # type: ignore[arg-type]
    r"Fabric: hop\['x'\]": lambda: am.Fabric(hop={"x": 1}),  # type: ignore[dict-item]
    "hop names a link 'buz'; the route has 'bus'": lambda: am.Fabric(hop={"buz": SLOW}),
    "hop names a link 'x 0-1'": lambda: am.Fabric(hop={"x 0-1": SLOW}, route="mesh"),
    "the route has 'w 1', 'v'": lambda: am.Fabric(hop={"u": SLOW}, route={(0, 1): ["w 1", "v"]}),
    "Fabric: route must be": lambda: am.Fabric(route="star"),  # type: ignore[arg-type]
    "must be a sequence of names": lambda: am.Fabric(route={(0, 1): "wire"}),
    "uses a link twice": lambda: am.Fabric(route={(0, 1): ["w", "w"]}),
    "a pair of groups": lambda: am.Fabric(route={0: ["w"]}),  # type: ignore[dict-item]
    "Fabric: columns is for": lambda: am.Fabric(columns=3),
    "must be whole numbers": lambda: am.Fabric({"visible": [0.5, 1.0]}),
    "must lie from 0": lambda: am.Fabric({"visible": [-1, 1]}),
    "Fabric: groups must be a mapping": lambda: am.Fabric([0, 1]),  # type: ignore[arg-type]
    "Timing: fabric": lambda: am.Timing(fabric="bus"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("message", BAD)
def test_bad_arguments_are_refused(message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        BAD[message]()


SLOW = am.Link(5.0, fifo=1)
UNFIT = {
    "names a layer 'deep'": am.Fabric({"visible": 0, "hidden": 1, "deep": 2}),
    "says nothing of layer 'hidden'": am.Fabric({"visible": 0}),
    "has shape": am.Fabric({"visible": [0, 1], "hidden": 1}),
    "route has no way": am.Fabric({"visible": 0, "hidden": 1}, route={(0, 1): ["w"]}),
    "needs 3 links at once": am.Fabric(
        {"visible": 0, "hidden": [1, 2, 3, 0]}, hop=SLOW, route="mesh", columns=2, multicast=False
    ),
    "wait for each other for ever": am.Fabric(
        {"visible": 0, "hidden": 1}, am.Link(5.0), am.Link(5.0, fifo=1),
        route={(0, 1): ["a", "b"], (1, 0): ["b", "a"]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("message", UNFIT)
def test_fabrics_that_do_not_fit_are_refused(message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(TANH, am.Timing(fabric=UNFIT[message]))


def test_two_state_units_refuse_a_fabric() -> None:
    memory = am.binary.BinaryMemory(PATTERNS)
    clocked = am.Timing(clock=am.Poisson(1.0), fabric=am.Fabric())
    with pytest.raises(ValueError, match="a fabric is not for two-state units"):
        memory.recall(PATTERNS, timing=clocked)


def test_shares_that_waited_are_looked_at_at_once() -> None:
    """A unit of a softmax that got its place has levels again, which it may reach at once."""
    patterns = am.patterns.random(10, 32, seed=0)
    net = am.dense_am(patterns)
    cue = -am.patterns.corrupt(patterns[0], flip=0.2, seed=1)
    fabric = am.Fabric.chip("loihi1", tau=1e-4)
    solver = am.EventDriven({"visible": 0.02, "hidden": 1e-3}, am.Timing(fabric=fabric))
    run = am.simulate(net, cue, solver=solver, t1=0.5)  # asserts that messages keep apart
    assert run.stats["held_back"] > 0
