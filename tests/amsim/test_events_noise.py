"""Noise in event-driven runs: its law, and that it leaves everything else as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats

import amsim as am
from amsim.dynamics.events.layout import build


def alone() -> am.Network:
    """Units of every kind, several time constants and leaks, and no synapse."""
    layers = {
        "x": am.Layer(3, am.Identity(), tau=[1.0, 0.5, 2.0], bias=0.3),
        "y": am.Layer(2, am.Tanh(), leak=2.0),
        "s": am.Layer(3, am.Softmax(2.0), tau=0.7),
        "e": am.Layer(3, am.Entmax(1.5, 1.0)),
    }
    return am.Network(layers, [])


def memory(hidden: Any) -> am.Network:
    patterns = am.patterns.random(4, 10, seed=2) / 10**0.5
    return am.dense_am(patterns, visible=am.Tanh(2.0), hidden=hidden, tau_hidden=0.5)


TIMINGS = {
    "none": am.Timing(),
    "windows": am.Timing(0.1, scope="link"),
    "links": am.Timing(scipy.stats.uniform(0.0, 0.4), scope="link", drop=0.2, arrival="latest"),
    "bus": am.Timing(0.05, fabric=am.Fabric(hop=am.Link(bandwidth=500.0))),
    "clock": am.Timing(0.05, clock=am.Periodic(0.03), heartbeat=0.5),
}
COLOURED = am.Noise({"x": 0.4, "s": [0.1, 0.2, 0.0]}, correlation=0.3)


@pytest.mark.parametrize("noise", [0.3, COLOURED], ids=["white", "coloured"])
@pytest.mark.parametrize("timing", TIMINGS)
def test_units_without_synapses_go_the_way_of_exponential_heun(noise: Any, timing: str) -> None:
    """Which is exact on them, in the law and, with the same numbers, in the path."""
    net = alone()
    start = {name: np.full((2, *layer.shape), 0.5) for name, layer in net.layers.items()}
    # White noise also where no slot ends: 0.43 and 0.45 lie in one, the first and last are short.
    times = [0.25, 0.43, 0.45, 0.9, 1.0] if noise == 0.3 else [0.2, 0.9, 1.0]
    options: dict[str, Any] = {"noise": noise, "times": times, "t0": 0.05, "t1": 1.02, "seed": 4}
    solver = am.EventDriven(0.05, TIMINGS[timing], noise_step=0.1)
    events = am.simulate(net, start, solver=solver, **options)
    steps = am.simulate(net, start, solver=am.ExponentialHeun(0.1), **options)
    for name in net.layers:
        np.testing.assert_allclose(events[name], steps[name], atol=1e-12)
        np.testing.assert_allclose(events.final[name], steps.final[name], atol=1e-12)
    assert sum(int(count.sum()) for count in events.stats["messages"].values()) > 20
    assert "no rest" in events.message


def test_the_variance_and_the_autocorrelation_of_a_leaky_unit() -> None:
    """An Ornstein-Uhlenbeck process at all times, for slots as long as tau."""
    temperature, tau, units = 0.6, 2.0, 20_000
    net = am.Network({"x": am.Layer(units, am.Identity(), tau=tau, leak=1.5)}, [])
    solver = am.EventDriven(100.0, noise_step=tau)
    times = np.array([0.7, 6.0, 7.0, 7.5, 8.0, 11.0])
    found = am.simulate(
        net, np.zeros(units), solver=solver, noise=temperature, times=times, seed=1
    )["x"]
    rate, variance = 1.5 / tau, temperature / 1.5
    grown = variance * -np.expm1(-2 * rate * times)
    # Of a covariance of normal numbers, 4 standard deviations.
    for i, earlier in enumerate(times):
        for j in range(i, len(times)):
            expected = grown[i] * np.exp(-rate * (times[j] - earlier))
            spread = np.sqrt((grown[i] * grown[j] + expected**2) / units)
            assert abs((found[i] * found[j]).mean() - expected) < 4 * spread
    assert scipy.stats.kstest(found[3] / np.sqrt(grown[3]), "norm").pvalue > 0.01


def test_coupled_units_have_the_density_of_gibbs() -> None:
    """Pairs of Identity units: the covariance is T / (1 - W), by messages as by steps."""
    pairs, coupling, temperature = 250, 0.6, 0.5
    weights = np.kron(np.eye(pairs), [[0.0, coupling], [coupling, 0.0]])
    net = am.Network({"x": am.Layer(2 * pairs, am.Identity())}, [am.Dense(weights, ("x", "x"))])
    times = np.arange(8.0, 25.0, 4.0)
    expected = temperature * np.linalg.inv(np.eye(2) - weights[:2, :2])
    for solver in (am.EventDriven(0.15, noise_step=0.1), am.ExponentialHeun(0.1)):
        traj = am.simulate(
            net, np.zeros(2 * pairs), solver=solver, noise=temperature, times=times, seed=2
        )
        x = traj["x"].reshape(-1, 2)
        # Times are 1.6 slowest relaxations apart, and count as if apart: 5 %, of which 3 are taken.
        np.testing.assert_allclose(x.T @ x / len(x), expected, atol=0.12)


def test_a_network_goes_the_way_of_exponential_heun_with_small_quanta() -> None:
    """The same jolts of the state: what differs are messages and the steps."""
    net = memory(am.Softmax(3.0))
    start = np.tanh(np.arange(10.0))
    errors = []
    for quantum, step in ((0.1, 0.1), (0.01, 0.01)):
        options: dict[str, Any] = {"noise": 0.05, "times": [1.0, 2.0, 3.0], "seed": 5}
        solver = am.EventDriven(quantum, noise_step=step)
        events = am.simulate(net, start, solver=solver, **options)
        steps = am.simulate(net, start, solver=am.ExponentialHeun(step), **options)
        errors.append(np.abs(events["visible"] - steps["visible"]).max())
    assert errors[1] < 0.2 * errors[0] < 0.05


@pytest.mark.parametrize("noise", [0.0, {"visible": 0.0}, am.Noise(0.0, correlation=1.0)], ids=str)
@pytest.mark.parametrize("timing", TIMINGS)
def test_without_temperature_it_is_the_same_run(noise: Any, timing: str) -> None:
    net, start = memory(am.Softmax(3.0)), np.ones((2, 10))
    solver = am.EventDriven(0.01, TIMINGS[timing], record_events=True)
    quiet = am.simulate(net, start, solver=solver, until=None, times=[0.5, 3.0])
    runs = [am.simulate(net, start, solver=solver, noise=noise, times=[0.5, 3.0])]
    if noise == 0.0:  # also where only the other cue has noise
        warm = {"visible": [[0.0], [0.1]]}
        runs.append(am.simulate(net, start, solver=solver, noise=warm, times=[0.5, 3.0]))
        assert (runs[1]["visible"][-1, 1] != quiet["visible"][-1, 1]).all()
    for run in runs:
        for name in net.layers:
            np.testing.assert_array_equal(run[name][:, 0], quiet[name][:, 0])
        first = (each.events[each.events.cue == 0] for each in (run, quiet))
        np.testing.assert_array_equal(*first)


@pytest.mark.parametrize("noise", [0.1, am.Noise(0.1, correlation=0.5)], ids=str)
def test_paths_depend_on_the_seed_and_the_place_alone(noise: Any) -> None:
    net, start = memory(am.Tanh()), np.tanh(np.arange(30.0)).reshape(3, 10)
    solver = am.EventDriven(0.01, am.Timing(0.1), record_events=True)
    options: dict[str, Any] = {"solver": solver, "noise": noise, "t1": 2.0}
    batch = am.simulate(net, start, times=[0.31, 2.0], seed=3, **options)
    single = am.simulate(net, start[0], times=[2.0], seed=3, **options)
    np.testing.assert_array_equal(batch.final["visible"][0], single.final["visible"])
    for name in ("time", "unit", "value"):  # asking for more times changes no message
        mine = batch.events[batch.events.cue == 0][name]
        np.testing.assert_array_equal(mine, single.events[name])
    other = am.simulate(net, start, times=[2.0], seed=4, **options)
    assert (other.final["visible"] != batch.final["visible"]).all()
    same = am.simulate(net, np.tile(start[0], (2, 1)), times=[2.0], seed=3, **options)
    assert (same.final["visible"][0] != same.final["visible"][1]).all()


@pytest.mark.parametrize("hidden", [am.Tanh(), am.Softmax(3.0), am.Entmax(1.5, 1.0)], ids=repr)
@pytest.mark.parametrize("jitter", [0.0, 0.2])
def test_windows_and_the_queue_take_the_same_noise(
    hidden: Any, jitter: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, runs = memory(hidden), []
    timing = am.Timing(0.07, scope="link", jitter=jitter, heartbeat=0.4)
    for windows in (True, False):
        monkeypatch.setattr(build, "runs_in_windows", lambda layout, windows=windows: windows)
        solver = am.EventDriven(0.03, timing, record_events=True)
        start = np.tanh(np.arange(10.0))
        runs.append(am.simulate(net, start, solver=solver, noise=0.1, times=[0.5, 2.0], seed=1))
    fast, slow = runs
    assert len(fast.events) == len(slow.events) > 300
    for name in net.layers:
        np.testing.assert_allclose(fast[name], slow[name], atol=1e-9)


def test_clamped_units_and_inputs_that_jump_stay_what_they_are() -> None:
    net = alone()
    start = {name: np.full(layer.shape, 0.5) for name, layer in net.layers.items()}
    jumps = am.PiecewiseConstant([0.0, 0.33], [[0.0, 0.0], [1.0, -1.0]])
    options: dict[str, Any] = {
        "noise": 0.2, "times": [0.4, 1.0], "seed": 4, "inputs": {"y": jumps}, "clamp": {"x": [1]},
    }  # fmt: skip
    solver = am.EventDriven(0.05, noise_step=0.1)
    traj = am.simulate(net, start, solver=solver, **options)
    del options["inputs"]
    still = am.simulate(net, start, solver=solver, **options)
    assert (traj["x"][:, 1] == 0.5).all()
    moved = (traj["y"] - still["y"])[:, 0]
    np.testing.assert_allclose(moved, -np.expm1(-2 * np.array([0.07, 0.67])), atol=1e-12)


@pytest.mark.parametrize(
    ("options", "noise", "t1", "words"),
    [
        ({"noise_step": 0.3}, 0.1, 1.0, "noise_step must be at most the smallest tau, 0.1, got"),
        (
            {"noise_step": 0.09},
            am.Noise(0.1, correlation=0.05),
            1.0,
            "smallest correlation time of the noise, 0.05",
        ),
        ({"noise_step": 1e-9}, 0.1, 1.0, "more than 1e\\+08 slots of noise"),
        ({"noise_step": 0.0}, 0.1, 1.0, "EventDriven: noise_step"),
    ],
)
def test_slots_that_are_refused(options: Any, noise: Any, t1: float, words: str) -> None:
    net = am.dense_am(am.patterns.random(2, 4, seed=0))
    with pytest.raises(ValueError, match=words):
        am.simulate(net, np.ones(4), solver=am.EventDriven(**options), noise=noise, t1=t1)


def test_noise_does_not_settle() -> None:
    net = am.dense_am(am.patterns.random(2, 4, seed=0))
    with pytest.raises(ValueError, match="does not settle; leave until out"):
        am.simulate(
            net, np.ones(4), solver=am.EventDriven(), noise=0.1, t1=1.0, until=am.Settled(1e-3)
        )
