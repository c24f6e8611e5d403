"""Time constants and delays that change: closed forms of single units, and runs in two parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import amsim as am

pytestmark = pytest.mark.filterwarnings("ignore:.*is directed:amsim.GuaranteeWarning")
PATTERNS = am.patterns.random(3, 24, seed=0)
CUE = am.patterns.corrupt(PATTERNS[0], flip=0.2, seed=1)
NETWORKS = {
    "tanh": am.dense_am(PATTERNS, hidden=am.Tanh(0.1), visible=am.Tanh()),
    "softmax": am.dense_am(PATTERNS, hidden=am.Softmax(0.5)),
    "entmax": am.dense_am(PATTERNS, hidden=am.Entmax(1.5, 0.5)),
    "sign": am.dense_am(PATTERNS, hidden=am.Tanh(0.1), visible=am.Sign()),
}


def run(net: str, timing: am.Timing, **settings: Any) -> am.Trajectory:
    given = {"t1": 4.0, "until": None, "seed": 3, **settings}
    solver = am.EventDriven(0.02, timing, record_events=True)
    return am.simulate(NETWORKS[net], CUE, solver=solver, **given)


@pytest.mark.parametrize("fabric", [None, am.Fabric()], ids=["general", "fabric"])
@pytest.mark.parametrize("net", NETWORKS)
def test_factors_of_one_change_nothing(net: str, fabric: am.Fabric | None) -> None:
    times = [0.3, 1.0, 2.5]
    drift = am.Drift(times, tau=np.ones(3), delay={"visible": np.ones((3, 24))})
    timing: dict[str, Any] = {"delay": 0.1, "jitter": 0.1, "fabric": fabric}
    ours, plain = run(net, am.Timing(**timing, drift=drift)), run(net, am.Timing(**timing))
    assert ours.events is not None and plain.events is not None
    assert ours.events.tobytes() == plain.events.tobytes()
    assert ours.final["visible"].tobytes() == plain.final["visible"].tobytes()


def test_a_leak_is_exact_through_all_changes() -> None:
    """x(t) = exp(-integral of dt / tau(t)) without inputs, for factors by unit."""
    net = am.Network({"x": am.Layer(3, am.Identity(), tau=[1.0, 2.0, 0.5])}, [])
    times, rng = np.array([0.5, 0.8, 2.0]), np.random.default_rng(0)
    factors = rng.uniform(0.3, 3.0, (3, 3))
    when = np.array([0.4, 0.5, 1.3, 2.0, 3.0])
    timing = am.Timing(drift=am.Drift(times, tau={"x": factors}))
    solver = am.EventDriven(0.1, timing, record_events=True)
    traj = am.simulate(net, np.ones(3), solver=solver, times=when, until=None)
    tau = np.array([1.0, 2.0, 0.5]) * np.vstack([np.ones(3), factors])
    edges = np.concatenate([[0.0], times, [np.inf]])
    spent = np.clip(when[:, None] - edges[:-1], 0.0, np.diff(edges))
    exact = np.exp(-(spent @ (1 / tau)))
    # Recorded times begin with 0.
    np.testing.assert_allclose(traj["x"][-len(when) :], exact, rtol=1e-12)
    # And each message leaves when the output has moved by a quantum.
    assert traj.events is not None and len(traj.events) > 15
    for event in traj.events:
        age = np.clip(event.time - edges[:-1], 0.0, np.diff(edges))
        assert np.exp(-(age @ (1 / tau[:, event.unit]))) == pytest.approx(event.value, abs=1e-12)


@pytest.mark.parametrize("net", NETWORKS)
def test_all_slower_is_time_that_passes_more_slowly(net: str) -> None:
    """From t = 1 on all constants are twice as long: events are stretched, and else the same."""
    plain = run(net, am.Timing(), t1=3.0)
    slow = run(net, am.Timing(drift=am.Drift([1.0], tau=[2.0])), t1=5.0)
    assert plain.events is not None and slow.events is not None
    later = np.where(plain.events.time > 1.0, 2 * plain.events.time - 1.0, plain.events.time)
    assert (plain.events.time > 1.0).sum() > (0 if net == "sign" else 10)
    np.testing.assert_allclose(slow.events.time, later, rtol=0, atol=1e-9)
    assert (slow.events.unit == plain.events.unit).all()
    np.testing.assert_allclose(slow.final["visible"], plain.final["visible"], rtol=0, atol=1e-9)


@pytest.mark.parametrize("scope", ["broadcast", "link"])
def test_messages_keep_the_delay_with_which_they_left(scope: Any) -> None:
    """Arrival times from the states of a quick follower; two senders, of which one changes."""
    forward = am.Directed(np.eye(2), source="a", target="b")
    net = am.Network(
        {"a": am.Layer(2, am.Identity(), tau=1e6, bias=1e6),
         "b": am.Layer(2, am.Identity(), tau=0.05)},
        [forward],
    )  # fmt: skip
    factors = np.array([[1.0, 3.0], [1.0, 0.5]])
    timing = am.Timing(
        delay=0.1, scope=scope, clock=am.Periodic(0.25, skew=0.0), heartbeat=1e-9,
        drift=am.Drift([1.0, 2.0], delay={"a": factors}),
    )  # fmt: skip
    when = 0.25 * np.arange(1, 14)
    traj = am.simulate(
        net, {"a": np.zeros(2)}, solver=am.EventDriven(1e6, timing), times=when, until=None
    )
    x, said = np.asarray(traj["b"])[-13:], np.asarray(traj["a"])[-13:]
    for unit, delays in ((0, [0.1, 0.1, 0.1]), (1, [0.1, 0.3, 0.05])):
        for k in range(1, 12):
            sent, register = when, said[:, unit]
            delay = np.where(sent <= 1.0, delays[0], np.where(sent <= 2.0, delays[1], delays[2]))
            value = x[k, unit]
            moments = [(s + d, r) for s, d, r in zip(sent, delay, register, strict=True)]
            heard = [r for t, r in moments if t <= when[k]]
            now, held = when[k], max(heard, default=0.0)
            for t, r in sorted(m for m in moments if when[k] < m[0] <= when[k + 1]):
                value = held + (value - held) * np.exp(-(t - now) / 0.05)
                now, held = t, max(held, r)
            value = held + (value - held) * np.exp(-(when[k + 1] - now) / 0.05)
            assert value == pytest.approx(x[k + 1, unit], abs=1e-9)


def test_a_cue_settles_as_without_drift() -> None:
    drift = am.Drift(np.arange(0.5, 20.0, 0.5), tau=np.exp(0.3 * np.sin(np.arange(0.5, 20.0, 0.5))))
    timing = am.Timing(delay=0.2, jitter=0.1, drift=drift)
    traj = run("tanh", timing, until=am.Settled(1e-4), t1=500.0)
    plain = run("tanh", am.Timing(delay=0.2, jitter=0.1), until=am.Settled(1e-4), t1=500.0)
    assert traj.status == "settled" and abs(traj.settle_times - plain.settle_times) < 5.0
    assert traj.stats["register_error"] <= 0.02 * (1 + 1e-9)
    np.testing.assert_allclose(traj.final["visible"], plain.final["visible"], atol=1.0)


def test_what_does_not_fit_is_refused() -> None:
    for wrong, message in (
        (lambda: am.Drift([1.0, 1.0], tau=[1.0, 2.0]), "increasing"),
        (lambda: am.Drift([0.0], tau=[1.0]), "> 0"),
        (lambda: am.Drift([1.0]), "nothing changes"),
        (lambda: am.Drift([1.0], tau=[0.0]), "factors from"),
        (lambda: am.Drift([1.0], delay=[1.0, 2.0]), "there are 1 times"),
        (lambda: run("tanh", am.Timing(drift=am.Drift([1.0], tau={"v": [2.0]}))), "layer 'v'"),
        (lambda: run("tanh", am.Timing(drift=am.Drift([1.0], tau={"visible": [[2.0]]}))), "shape"),
        (lambda: run("tanh", am.Timing(drift=am.Drift([1.0], tau=[2.0])), noise=0.1), "slots"),
    ):
        with pytest.raises(ValueError, match=message):
            wrong()
