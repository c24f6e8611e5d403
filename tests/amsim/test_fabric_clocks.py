"""Barriers and clock domains: plain loops, lengths of steps, drifts and what is read at ticks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import amsim as am

pytestmark = pytest.mark.filterwarnings("ignore:.*is directed:amsim.GuaranteeWarning")
PATTERNS = am.patterns.random(3, 24, seed=0)
NET = am.dense_am(PATTERNS, hidden=am.Tanh(0.1), visible=am.Tanh())
CUE = am.patterns.corrupt(PATTERNS[0], flip=0.2, seed=1)
STEP, TAU = 0.0625, {"visible": 1.0, "hidden": 0.1}


def run(timing: am.Timing, quantum: float = 0.02, **settings: Any) -> am.Trajectory:
    given = {"t1": 6.0, "until": None, "seed": 3, **settings}
    solver = am.EventDriven(quantum, timing, record_events=True)
    return am.simulate(NET, CUE, solver=solver, **given)


# Barriers.


def steps(count: int, quantum: float) -> list[tuple[float, str, int, float]]:
    """Messages at barriers that are STEP apart, by a loop over them."""
    weights = {("visible", "hidden"): PATTERNS, ("hidden", "visible"): PATTERNS.T}
    slope = {"visible": 1.0, "hidden": 0.1}
    x = {"visible": CUE.astype(float), "hidden": PATTERNS @ np.tanh(CUE)}
    said = {name: np.tanh(slope[name] * x[name]) for name in x}
    heard, found = {n: v.copy() for n, v in said.items()}, []
    for k in range(1, count + 1):
        for (source, to), matrix in weights.items():
            goal = matrix @ heard[source]
            x[to] = goal + (x[to] - goal) * np.exp(-STEP / TAU[to])
        heard = {name: values.copy() for name, values in said.items()}
        for name in ("visible", "hidden"):
            output = np.tanh(slope[name] * x[name])
            for i in np.flatnonzero(abs(output - said[name]) >= quantum):
                said[name][i] = output[i]
                found.append((k * STEP, name, int(i), float(output[i])))
    return found


def test_a_barrier_is_a_loop_of_steps() -> None:
    traj = run(am.Timing(clock=am.Barrier(STEP)))
    expected = steps(96, 0.02)
    assert traj.events is not None and len(expected) > 200
    assert [tuple(e)[:3] for e in traj.events.tolist()] == [e[:3] for e in expected]
    np.testing.assert_allclose(traj.events.value, [e[3] for e in expected], rtol=0, atol=1e-12)
    assert traj.stats["barriers"] == 96 and traj.stats["step_longest"] == STEP


def test_the_more_is_sent_the_longer_a_step() -> None:
    """Each step takes max(step, messages / bandwidth + latency + delay + overhead)."""
    bus = am.Fabric(hop=am.Link(100.0, latency=0.01))
    clock = am.Barrier(STEP, overhead=0.02)
    traj = run(am.Timing(delay=0.03, clock=clock, fabric=bus))
    assert traj.events is not None
    times, counts = np.unique(traj.events.time, return_counts=True)
    lengths = np.maximum(STEP, counts / 100.0 + 0.01 + 0.03 + 0.02)
    empty = (np.diff(times) - lengths[:-1]) / STEP  # steps in which nothing was sent
    np.testing.assert_allclose(empty, np.round(empty), rtol=0, atol=1e-9)
    assert (empty > -1e-9).all() and (lengths > STEP).sum() > 10
    assert traj.stats["step_longest"] == pytest.approx(lengths.max())
    assert traj.stats["delivery_longest"] == pytest.approx(lengths.max())
    short = am.Barrier(1e-3, overhead=0.02)
    least = run(am.Timing(clock=short)).stats
    assert least["delivery_mean"] == pytest.approx(0.02)
    assert least["step_mean"] == pytest.approx(0.02)


def test_barriers_wait_for_senders_that_wait_and_not_for_what_is_lost() -> None:
    clock, until = am.Barrier(STEP), {"until": am.Settled(1e-4), "t1": 200.0}
    narrow = am.Fabric(hop=am.Link(100.0, fifo=1))
    waits = run(am.Timing(clock=clock, fabric=narrow), **until)
    assert waits.status == "settled" and waits.stats["held_back"] > 50
    assert waits.stats["register_error"] <= 0.02 * (1 + 1e-9)
    # One after the other: the longest step is that of all messages between two barriers.
    assert waits.events is not None and waits.stats["step_longest"] > 2 * STEP
    dead = am.Fault("dead", links=["bus"], at=0.5)
    lost = run(am.Timing(clock=clock, fabric=narrow, faults=[dead]))
    assert lost.stats["barriers"] > 80 and lost.stats["link_dropped"]["bus"] > 0


def test_a_barrier_that_never_comes() -> None:
    babble = am.Fault("babbling", units={"visible": [0]}, rate=400.0, at=1.0)
    bus = am.Fabric(hop=am.Link(100.0))
    traj = run(am.Timing(clock=am.Barrier(STEP), fabric=bus, faults=[babble]),
               until=am.Settled(1e-3), t1=20.0)  # fmt: skip
    assert traj.status == "time_limit" and traj.stats["barriers"] < 20


# Clocks of groups.

GROUPS = {"visible": np.arange(24) // 8, "hidden": 3}


def test_limits_of_clocks_of_groups() -> None:
    alone = {"visible": np.arange(24), "hidden": np.arange(24, 27)}
    clock = am.Periodic(0.05, drift=0.1, jitter=0.02)
    own = run(am.Timing(delay=0.1, clock=clock))
    groups = am.Timing(delay=0.1, clock=replace(clock, per="group"), fabric=am.Fabric(alone))
    clock = am.Periodic(0.05, drift=0.005)
    free, late = (run(am.Timing(clock=c)) for c in (clock, replace(clock, resync=6.5)))
    for ours, theirs in ((run(groups), own), (late, free)):
        assert ours.events is not None and theirs.events is not None
        assert ours.events.tobytes() == theirs.events.tobytes()
    # Clocks in step, whose groups read at ticks, are a barrier of steps that are equally long.
    together = run(am.Timing(clock=am.Periodic(STEP, skew=0.0, per="group", latch=True)))
    barrier = run(am.Timing(clock=am.Barrier(STEP)))
    assert together.events is not None and barrier.events is not None
    assert together.events.time.tobytes() == barrier.events.time.tobytes()
    assert together.events.unit.tobytes() == barrier.events.unit.tobytes()
    np.testing.assert_allclose(together.events.value, barrier.events.value, rtol=0, atol=1e-12)


def ticks_of(traj: am.Trajectory, layer: str, unit: int) -> Any:
    assert traj.events is not None
    return traj.events[(traj.events.layer == layer) & (traj.events.unit == unit)]


def test_clocks_of_groups_drift_apart() -> None:
    """Units that send at every tick show the clocks: one phase and one period for a group."""
    clock = am.Periodic(0.01, drift=0.05, skew=0.5, per="group")
    timing = {"heartbeat": 1e-9, "fabric": am.Fabric(GROUPS)}
    traj = run(am.Timing(clock=clock, **timing), quantum=1e3)  # type: ignore[arg-type]
    times = [ticks_of(traj, "visible", 8 * g).time for g in range(3)]
    for g, ticks in enumerate(times):
        period = ticks[1] - ticks[0]
        assert ticks[0] <= 0.005 and abs(period / 0.01 - 1) <= 0.05
        np.testing.assert_allclose(ticks, ticks[0] + period * np.arange(len(ticks)), atol=1e-9)
        for i in range(8):
            assert ticks_of(traj, "visible", 8 * g + i).time.tobytes() == ticks.tobytes()
    a, b, _ = times
    slips = 6.0 * abs(1 / (a[1] - a[0]) - 1 / (b[1] - b[0]))  # one for each period over drift
    assert slips > 2 and abs(abs(len(a) - len(b)) - slips) <= 1
    # Set anew every 10 periods: each clock ticks at its phase again, and drifts from there.
    again = run(am.Timing(clock=replace(clock, resync=0.1), **timing), quantum=1e3)  # type: ignore[arg-type]
    for g, free in enumerate(times):
        ticks, k = ticks_of(again, "visible", 8 * g).time, np.arange(600)
        expected = free[0] + k // 10 * 0.1 + k % 10 * (free[1] - free[0])
        np.testing.assert_allclose(ticks, expected[expected <= 6.0], rtol=0, atol=1e-9)


def test_messages_are_read_at_the_next_tick_of_the_receivers() -> None:
    """A leaky unit whose output is its state, from the ticks at which it and its sender spoke."""
    forward = am.Directed(np.array([[2.0]]), source="a", target="b")
    net = am.Network({n: am.Layer(1, am.Identity()) for n in ("a", "b")}, [forward])
    clock = am.Periodic(0.1, drift=0.3, jitter=0.02, per="group", latch=True)
    solver = am.EventDriven(
        1e3, am.Timing(clock=clock, heartbeat=1e-9, delay=0.13), record_events=True
    )
    start = {"a": [1.0], "b": [0.0]}
    traj = am.simulate(net, start, solver=solver, t1=3.0, until=None, seed=2)
    sent, ticks = ticks_of(traj, "a", 0), ticks_of(traj, "b", 0)
    assert len(sent) > 20 and len(sent) != len(ticks)
    read = ticks.time[np.minimum(np.searchsorted(ticks.time, sent.time + 0.13, side="right"),
                                 len(ticks) - 1)]  # fmt: skip
    x, now, register = 0.0, 0.0, 1.0
    for t, value in zip(ticks.time, ticks.value, strict=True):
        x = 2 * register + (x - 2 * register) * np.exp(now - t)
        assert value == pytest.approx(x, abs=1e-12)
        come = np.flatnonzero((read == t) & (sent.time + 0.13 < t))
        register, now = (sent.value[come[-1]] if len(come) else register), t


def test_recall_over_clock_domains_settles() -> None:
    clock = am.Periodic(0.05, drift=0.01, per="group", latch=True, resync=1.0)
    bus = am.Fabric(GROUPS, hop=am.Link(2000.0, fifo=4))
    traj = run(am.Timing(clock=clock, fabric=bus), until=am.Settled(1e-4), t1=200.0)
    assert traj.status == "settled"
    assert traj.stats["register_error"] <= 0.02 * (1 + 1e-9)


def test_clocks_that_do_not_fit_are_refused() -> None:
    for wrong, message in (
        (lambda: am.Periodic(0.1, latch=True), 'per="group"'),
        (lambda: am.Periodic(0.1, skew=1.5), "Periodic: skew"),
        (lambda: am.Periodic(0.1, resync=0.25), "whole number of periods"),
        (lambda: am.Periodic(0.1, drift=0.2, resync=1.0), "miss a tick"),
        (lambda: am.Barrier(0.0), "Barrier: step"),
        (lambda: am.Barrier(0.1, overhead=-1.0), "Barrier: overhead"),
        (lambda: run(am.Timing(clock=am.Barrier(1e-9))), "1 / step of the clock"),
    ):
        with pytest.raises(ValueError, match=message):
            wrong()
    memory = am.binary.BinaryMemory(PATTERNS, am.binary.Power(3))
    for clock in (am.Barrier(0.1), am.Periodic(0.1, per="group")):
        with pytest.raises(ValueError, match="is not for two-state units"):
            memory.recall(CUE, timing=am.Timing(clock=clock))
