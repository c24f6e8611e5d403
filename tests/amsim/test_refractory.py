"""Refractory times and quanta that differ: closed forms of ramps, and limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import amsim as am

PATTERNS = am.patterns.random(3, 24, seed=0)
SLOW = 1e4  # units of this tau rise by slope * SLOW (1 - exp(-t / SLOW))
CUE = am.patterns.corrupt(PATTERNS[0], flip=0.2, seed=1)
NETWORKS = {
    "tanh": am.dense_am(PATTERNS, hidden=am.Tanh(0.1), visible=am.Tanh()),
    "softmax": am.dense_am(PATTERNS, hidden=am.Softmax(0.5)),
    "entmax": am.dense_am(PATTERNS, hidden=am.Entmax(1.5, 0.5)),
}


def run(net: str, timing: am.Timing, **settings: Any) -> am.Trajectory:
    given = {"t1": 4.0, "until": None, "seed": 3, **settings}
    solver = am.EventDriven(0.02, timing, record_events=True)
    return am.simulate(NETWORKS[net], CUE, solver=solver, **given)


def alone(timing: am.Timing, slopes: Any, quantum: float, t1: float, **more: Any) -> Any:
    """Events of units without synapses, whose outputs rise with these slopes."""
    slopes = np.asarray(slopes, float)
    net = am.Network({"x": am.Layer(len(slopes), am.Identity(), tau=SLOW, bias=SLOW * slopes)}, [])
    solver = am.EventDriven(quantum, timing, record_events=True)
    traj = am.simulate(net, np.zeros(len(slopes)), solver=solver, t1=t1, until=None, **more)
    assert traj.events is not None
    return traj.events


@pytest.mark.parametrize("net", NETWORKS)
def test_a_time_shorter_than_any_interval_changes_nothing(net: str) -> None:
    timing: dict[str, Any] = {"delay": 0.1, "jitter": 0.1, "heartbeat": 0.7}
    ours = run(net, am.Timing(**timing, refractory=1e-9), until=am.Settled(1e-3), t1=100.0)
    plain = run(net, am.Timing(**timing), until=am.Settled(1e-3), t1=100.0)
    assert ours.events is not None and plain.events is not None
    assert ours.events.tobytes() == plain.events.tobytes()
    assert ours.settle_times == plain.settle_times
    assert ours.final["visible"].tobytes() == plain.final["visible"].tobytes()


def test_a_ramp_sends_as_often_as_it_may() -> None:
    """Every max(q / slope, t_r) from the first message on, what the output is then."""
    slopes, quantum, rest = np.array([0.1, 0.3, 0.5, 2.0]), 0.1, 0.25
    events = alone(am.Timing(refractory={"x": rest}), slopes, quantum, 6.0)
    for i, slope in enumerate(slopes):
        own = events[events.unit == i]
        k = np.arange(len(own))
        levels = -SLOW * np.log1p(-quantum * (k + 1) / (slope * SLOW))
        times = levels if quantum / slope > rest else levels[0] + rest * k
        assert len(own) == int((6.0 - levels[0]) / max(quantum / slope, rest) + 1 - 1e-2)
        np.testing.assert_allclose(own.time, times, rtol=1e-9)
        np.testing.assert_allclose(own.value, -slope * SLOW * np.expm1(-times / SLOW), rtol=1e-9)


def test_demand_at_random_times() -> None:
    """A unit that wants to send at the rate r sends at r / (1 + r t_r)."""
    rate, rest, units, t1 = 5.0, 0.3, 100, 200.0
    timing = am.Timing(clock=am.Poisson(rate), heartbeat=1e-9, refractory=rest)
    events = alone(timing, np.zeros(units), 1.0, t1)
    expected = units * t1 * rate / (1 + rate * rest)
    # Intervals are t_r and an exponential time: their variance is 1 / r^2.
    deviation = np.sqrt(units * t1 / (rest + 1 / rate) ** 3) / rate
    assert abs(len(events) - expected) < 4 * deviation
    for i in range(5):
        assert np.diff(events.time[events.unit == i]).min() >= rest


def test_what_has_gone_back_is_not_said() -> None:
    """A pulse moves the output by more than a quantum, and back within the refractory time."""
    net = am.Network({"x": am.Layer(1, am.Identity())}, [])
    pulse = am.PiecewiseConstant([0.0, 0.2, 0.5], [[3.0], [-2.0], [0.5]])
    for rest, messages in ((0.0, 3), (1.0, 1)):
        timing = am.Timing(refractory=rest, fabric=am.Fabric())
        solver = am.EventDriven(0.3, timing, record_events=True)
        traj = am.simulate(net, np.zeros(1), inputs={"x": pulse}, solver=solver)
        assert traj.status == "settled" and traj.events is not None
        assert len(traj.events) == messages, traj.events
        assert traj.events.value[0] == pytest.approx(0.3)


def test_what_a_unit_is_stuck_at_does_not_wait() -> None:
    """It is said at the fault, however short ago the unit has sent, and nothing after it."""

    def sent(*faults: am.Fault) -> Any:
        events = run(
            "softmax", am.Timing(refractory=0.05, fabric=am.Fabric(), faults=faults)
        ).events
        assert events is not None
        return events[events.layer == "visible"]

    moment, _, unit, *_ = sent()[9]
    soon = float(moment) + 1e-5
    failing = sent(am.Fault("stuck", units={"visible": [int(unit)]}, at=soon, value=0.3))
    last = failing[failing.unit == unit][-2:]
    np.testing.assert_array_equal(last.time, [moment, soon])
    assert last.value[1] == 0.3


def test_recall_with_refractory_units_settles() -> None:
    timing = am.Timing(refractory=0.2, delay=0.05, fabric=am.Fabric(hop=am.Link(200.0, fifo=4)))
    for net in NETWORKS:
        traj = run(net, timing, until=am.Settled(1e-4), t1=200.0)
        assert traj.status == "settled" and traj.stats["register_error"] <= 0.02 * (1 + 1e-9)
        events = traj.events
        assert events is not None
        for i in range(24):
            own = events.time[(events.layer == "visible") & (events.unit == i)]
            assert (np.diff(own) >= 0.2 * (1 - 1e-12)).all()


def test_quanta_of_units_are_log_normal() -> None:
    spread, units, quantum = 0.2, 1500, 0.01
    events = alone(am.Timing(quantum_spread=spread), np.ones(units), quantum, 0.05)
    first = np.full(units, np.nan)
    first[events.unit[::-1]] = events.time[::-1]
    z = np.log(first / quantum) / spread
    assert abs(z.mean()) < 4 / np.sqrt(units) and abs(z.std() - 1) < 4 / np.sqrt(2 * units)
    again = alone(am.Timing(quantum_spread=spread), np.ones(units), quantum, 0.05, seed=1)
    assert abs(again.time[0] - events.time[0]) > 1e-6


def test_all_engines_know_the_quanta_of_units() -> None:
    timing: dict[str, Any] = {"delay": 0.3, "scope": "link", "quantum_spread": 0.3}
    windows = run("tanh", am.Timing(**timing))
    fabric = run("tanh", am.Timing(**timing, fabric=am.Fabric()))
    assert windows.events is not None and fabric.events is not None
    order = np.lexsort((windows.events.unit, windows.events.layer, windows.events.time.round(9)))
    other = np.lexsort((fabric.events.unit, fabric.events.layer, fabric.events.time.round(9)))
    np.testing.assert_allclose(
        windows.events.time[order], fabric.events.time[other], rtol=0, atol=1e-9
    )
    traj = run("tanh", am.Timing(quantum_spread=0.3), until=am.Settled(1e-6), t1=200.0)
    assert traj.status == "settled" and traj.stats["register_error"] <= 0.02 * np.exp(0.3 * 3)


def test_what_does_not_fit_is_refused() -> None:
    for wrong, message in (
        (lambda: am.Timing(refractory=-1.0), "Timing: refractory"),
        (lambda: am.Timing(refractory={"v": [-1.0]}), "must not be negative"),
        (lambda: run("tanh", am.Timing(refractory={"v": 1.0})), "names a layer 'v'"),
        (lambda: run("tanh", am.Timing(refractory={"visible": [1.0, 2.0]})), "shape"),
        (lambda: am.Timing(quantum_spread=-0.1), "Timing: quantum_spread"),
    ):
        with pytest.raises(ValueError, match=message):
            wrong()
