"""When to read and when to stop: promises are kept in simulation, and none is made elsewhere."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import amsim as am
from amsim.stability import analyse, find, radius, reach, readout, t_read

Array = npt.NDArray[Any]


def tanh_pair(gain: float, tau: float = 0.5) -> am.Network:
    """Weights of both signs, rho = gain^2 at the origin."""
    weights = np.array([[1.0, -0.6, 0.3], [0.2, 0.5, 0.9]])
    size = np.abs(weights)
    weights *= gain / np.sqrt(np.linalg.eigvals(size @ size.T).real.max())
    return am.dense_am(weights, visible=am.Tanh(), hidden=am.Tanh(), tau_hidden=tau)


def test_where_every_distance_is_within_reach_one_has_to_be_given() -> None:
    """One memory has no gain: v' = xi - v, from any distance."""
    net = am.dense_am(np.ones((1, 4)))
    report = analyse(net, np.ones(4))
    assert reach(report) == np.inf
    assert t_read(report, 0.01, 1.0, distance=2.0) == pytest.approx(np.log(200), rel=1e-6)
    with pytest.raises(ValueError, match="distance"):
        t_read(report, 0.01, 1.0)


@pytest.mark.parametrize(("tau", "staleness"), [(0.5, 0.0), (0.1, 1.0), (2.0, 5.0)])
def test_the_rate_is_that_of_the_closed_form(tau: float, staleness: float) -> None:
    """(1 - lambda tau_v) (1 - lambda tau_h) e^(-2 lambda B) = rho, in the limit of a small box."""
    report = analyse(tanh_pair(0.8, tau), np.zeros(3))
    near, far = (t_read(report, margin, staleness, distance=1e-3) for margin in (1e-5, 1e-9))
    rate = np.log(1e4) / (far - near)
    closed = am.theory.timing.uniform_delay_rate(report.rho, 1.0, tau, 2 * staleness)
    assert rate == pytest.approx(closed, rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_the_promise_is_kept(seed: int, method_of_steps: Callable[..., Array]) -> None:
    """Random delays of all links up to B, corner starts: at t_read every unit is within m."""
    rng = np.random.default_rng(seed)
    net, step = tanh_pair(0.85), 0.1
    report = analyse(net, np.zeros(3))
    margin, distance, most = 0.02, 0.8, 10
    time = t_read(report, margin, most * step, distance=distance)
    assert 5 < time < 200
    weights = np.asarray(net.synapses[0].weights)  # type: ignore[attr-defined]
    down, up = (rng.integers(1, most + 1, shape) for shape in ((2, 3), (3, 2)))
    lags = np.unique(np.concatenate([down.ravel(), up.ravel()]))

    def velocity(x: Array, *late: Array) -> Array:
        v = sum(weights.T * (up == k) @ np.tanh(past[3:]) for k, past in zip(lags, late))
        h = sum(weights * (down == k) @ np.tanh(past[:3]) for k, past in zip(lags, late))
        return np.concatenate([v - x[:3], (h - x[3:]) / 0.5])

    start = distance * rng.choice([-1.0, 1.0], 3)
    x = np.concatenate([start, weights @ np.tanh(start)])
    run = method_of_steps(velocity, x, list(step * lags), time + 20.0, step)
    late = np.abs(run[int(np.ceil(time / step)) :, :3])
    assert late.max() <= margin
    # Not by much more than it needs: an uninformative bound would pass as well.
    first = np.flatnonzero(np.abs(run[:, :3]).max(axis=1) > margin)[-1] * step
    assert time < 8 * first


def test_memories_under_the_event_engine() -> None:
    """Delays, loss and jitter; the pattern is read off in time."""
    stored = am.patterns.random(5, 32, seed=0)
    net = am.dense_am(stored, hidden=am.Softmax(1.0))
    report = analyse(net, am.simulate(net, stored[2]).final)
    distance = 0.9 * reach(report)
    cue = stored[2] + distance * np.random.default_rng(0).choice([-1.0, 1.0], 32)
    timing = am.Timing(delay=0.4, jitter=0.2, scope="link")
    solver = am.EventDriven(1e-3, timing)
    time = t_read(report, 0.3, 0.7, distance=distance)
    traj = am.simulate(net, cue, t1=time + 3, times=np.linspace(time, time + 3, 7), until=None,
                       solver=solver, seed=1)  # fmt: skip
    assert np.abs(traj["visible"] - report.states["visible"]).max() < 0.3 + 0.05
    assert traj.stats["staleness"] <= 0.7


def test_more_margin_is_earlier_and_more_staleness_later() -> None:
    report = analyse(tanh_pair(0.8), np.zeros(3))
    times = [t_read(report, m, b, distance=0.5) for m, b in ((0.2, 0), (0.1, 0), (0.1, 1))]
    assert times == sorted(times) and times[0] > 0
    assert t_read(report, 10.0, 1.0, distance=0.5) == 0.0


def test_reach_is_below_the_certified_radius() -> None:
    stored = am.patterns.random(10, 64, seed=0)
    for beta in (0.5, 1.0, 4.0):
        net = am.dense_am(stored, hidden=am.Softmax(beta))
        report = analyse(net, stored[0])
        assert 0.1 < reach(report) <= radius(net, stored[0])
    assert reach(analyse(tanh_pair(0.9), np.zeros(3))) == np.inf


def test_no_promise_where_rho_exceeds_one() -> None:
    """sigma < 1 < rho."""
    weights = 0.6 * np.array([[1.0, 1.0], [1.0, -1.0]])
    report = analyse(am.dense_am(weights, visible=am.Tanh(), hidden=am.Tanh()), np.zeros(2))
    assert report.sigma < 1 < report.rho
    assert reach(report) == 0.0
    assert t_read(report, 0.1, 0.0) == t_read(report, 0.1, 0.0, distance=0.01) == np.inf


def test_no_promise_beyond_the_reach() -> None:
    stored = am.patterns.random(5, 32, seed=0)
    report = analyse(am.dense_am(stored, hidden=am.Softmax(1.0)), stored[0])
    assert t_read(report, 0.1, 0.0, distance=1.01 * reach(report)) == np.inf
    assert np.isfinite(t_read(report, 0.1, 0.0, distance=0.99 * reach(report)))
    assert np.isfinite(t_read(report, 0.1, 0.0))


def test_three_layers_with_mixed_tau(method_of_steps: Callable[..., Array]) -> None:
    """A chain and a self-connection, one delay: the error at t_read is within the margin."""
    rng = np.random.default_rng(3)
    low, high = 0.2 * rng.normal(size=(2, 3)), 0.2 * rng.normal(size=(2, 2))
    own = np.array([[0.0, -0.2, 0.1], [-0.2, 0.0, 0.2], [0.1, 0.2, 0.0]])
    tau = np.array([0.5, 1.0, 2.0, 0.3, 0.3, 1.0, 4.0])
    net = am.Network(
        {
            "visible": am.Layer(3, am.Tanh(), tau=tau[:3]),
            "middle": am.Layer(2, am.Tanh(), tau=tau[3:5]),
            "top": am.Layer(2, am.Tanh(), tau=tau[5:]),
        },
        [
            am.Dense(low, between=("middle", "visible")),
            am.Dense(high, between=("top", "middle")),
            am.Dense(own, between=("visible", "visible")),
        ],
    )
    report = analyse(net, {name: np.zeros(x.shape) for name, x in net.layers.items()})
    assert report.rho < 1
    time = t_read(report, 0.01, 0.5, distance=0.3)

    def velocity(x: Array, late: Array) -> Array:
        g = np.tanh(late)
        drive = [
            g[3:5] @ low + own @ g[:3], low @ g[:3] + g[5:] @ high, high @ g[3:5]
        ]  # fmt: skip
        return np.asarray((np.concatenate(drive) - x) / tau)

    start = np.array([0.3, -0.3, 0.3, 0.0, 0.0, 0.0, 0.0])
    run = method_of_steps(velocity, start, [0.5], time + 5, 0.05)
    assert np.abs(run[int(np.ceil(time / 0.05)) :, :3]).max() <= 0.01


def test_matrix_free_weights_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    report = analyse(tanh_pair(0.8), np.zeros(3))
    dense = t_read(report, 0.01, 1.0, distance=0.5)
    monkeypatch.setattr(readout, "DENSE", 0)
    assert t_read(report, 0.01, 1.0, distance=0.5) == pytest.approx(dense, rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"margin": 0.0, "staleness": 1.0}, "margin"),
        ({"margin": 0.1, "staleness": -1.0}, "staleness"),
        ({"margin": 0.1, "staleness": 0.0, "distance": np.nan}, "distance"),
        ({"margin": 0.1, "staleness": 0.0, "layer": "nowhere"}, "nowhere"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    report = analyse(tanh_pair(0.5), np.zeros(3))
    with pytest.raises(ValueError, match=message):
        t_read(report, **arguments)


# Settled(certified=True)


SOLVERS = {
    "exponential": None,
    "RK45": "RK45",
    "fixed point": am.FixedPoint(),
    "events": am.EventDriven(1e-3),
}


@pytest.mark.parametrize("solver", SOLVERS)
def test_certified_runs_are_as_close_as_they_say(solver: str) -> None:
    stored = am.patterns.random(4, 24, seed=0)
    net = am.dense_am(stored, hidden=am.Softmax(1.0))
    cues = am.patterns.corrupt(stored, flip=0.1, seed=1).reshape(2, 2, 24)
    until = am.Settled(1e-3, certified=True)
    traj = am.simulate(net, cues, solver=SOLVERS[solver], until=until)
    bounds = traj.stats["distance_bound"]
    assert bounds.shape == (2, 2)
    for index in np.ndindex(2, 2):
        final = {name: x[index] for name, x in traj.final.items()}
        rest = find(net, final).states["visible"]
        assert np.abs(final["visible"] - rest).max() <= bounds[index]
    assert (bounds <= 1e-3).all()
    assert f"4 proven to be within {bounds.max():.2g} of rest" in traj.message


def test_a_quantum_that_is_too_coarse_is_named() -> None:
    """What stays below the quantum is not sent, so that the state stops short of rest."""
    net = tanh_pair(0.7)
    until = am.Settled(1e-4, certified=True)
    traj = am.simulate(net, [0.9, -0.5, 0.3], solver=am.EventDriven(0.05), until=until)
    bound = traj.stats["distance_bound"]
    rest = find(net, traj.final).states["visible"]
    assert 1e-4 < np.abs(traj.final["visible"] - rest).max() <= bound < 0.5
    assert f"1 only within {bound:.2g}" in traj.message and "quantum" in traj.message


def test_certified_with_inputs() -> None:
    net = tanh_pair(0.7)
    inputs = {"hidden": [[0.3, -0.2], [-2.0, 0.1]]}
    cues = np.array([[0.4, 0.0, 0.0], [0.4, 0.0, 1.0]])
    traj = am.simulate(net, cues, inputs=inputs, until=am.Settled(1e-4, certified=True))
    longer = am.simulate(net, cues, inputs=inputs, until=am.Settled(1e-12))
    distance = np.abs(traj.final["visible"] - longer.final["visible"]).max(axis=1)
    bounds = traj.stats["distance_bound"]
    assert (distance <= bounds).all() and (bounds <= 1e-4).all()


@pytest.mark.parametrize("gain", [0.5, 0.9, 0.95])
def test_a_slow_network_runs_until_it_is_near(gain: float) -> None:
    """The residual is (1 - gain) times the distance: residuals alone stop too early."""
    net = am.Network({"x": am.Layer(1, am.Identity())}, [am.Dense(np.array([[gain]]), ("x", "x"))])
    early = am.simulate(net, [5.0], until=am.Settled(1e-3))
    assert float(early.final["x"][0]) > 0.9e-3 / (1 - gain) / 2
    traj = am.simulate(net, [5.0], until=am.Settled(1e-3, certified=True))
    assert traj.status == "settled"
    assert 0 < float(traj.final["x"][0]) <= traj.stats["distance_bound"] <= 1e-3


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), flip=st.floats(0, 0.4), beta=st.floats(0.05, 2.0))
def test_proven_distances_hold(seed: int, flip: float, beta: float) -> None:
    """Memories that merge and memories that do not; cues near and far."""
    xi = np.random.default_rng(seed).normal(size=(5, 8))
    net = am.dense_am(xi, hidden=am.Softmax(beta))
    cues = am.patterns.corrupt(xi, flip=flip, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", am.GuaranteeWarning)
        traj = am.simulate(net, cues, until=am.Settled(1e-3, certified=True))
    bounds = traj.stats["distance_bound"]
    longer = am.simulate(net, traj.final, until=am.Settled(1e-11)).final["visible"]
    distance = np.abs(traj.final["visible"] - longer).max(axis=1)
    assert (distance <= bounds + 1e-9).all()
    assert ((bounds <= 1e-3) | np.isinf(bounds)).all() or "only within" in traj.message


def test_no_proof_is_a_warning_and_infinite() -> None:
    """Settled on the saddle between two memories."""
    net = am.dense_am([[1.0, 0.0], [-1.0, 0.0]], hidden=am.Softmax(2.0))
    with pytest.warns(am.GuaranteeWarning, match="1 of 1 settled"):
        traj = am.simulate(net, [0.0, 0.5], until=am.Settled(certified=True))
    assert traj.stats["distance_bound"] == np.inf
    assert "1 without a proof: no contraction around" in traj.message


def test_a_run_that_does_not_settle_has_no_bound() -> None:
    traj = am.simulate(tanh_pair(0.7), np.ones(3), t1=0.1, until=am.Settled(certified=True))
    assert traj.status == "time_limit"
    assert traj.stats["distance_bound"] == np.inf


def test_saved_with_the_trajectory(tmp_path: Any) -> None:
    traj = am.simulate(tanh_pair(0.7), np.ones((2, 3)), until=am.Settled(certified=True))
    loaded = am.Trajectory.load(traj.save(tmp_path / "run.npz"))
    saved = loaded.stats["distance_bound"]
    np.testing.assert_array_equal(saved, traj.stats["distance_bound"])


def test_what_cannot_be_certified_is_said_before_the_run() -> None:
    rest = am.Settled(certified=True)
    three = am.Network(
        {name: am.Layer(1, am.Tanh()) for name in "abc"},
        [am.MultiBody(np.ones((1, 1, 1)), between=("a", "b", "c"))],
    )
    with pytest.raises(ValueError, match="Dense"):
        am.simulate(three, {name: [0.1] for name in "abc"}, until=rest)
    for options in ({"inputs": lambda t: np.full(3, t)}, {"clamp": [0]}):
        with pytest.raises(ValueError, match="constant inputs"):
            am.simulate(tanh_pair(0.5), np.ones(3), until=rest, **options)
    with pytest.raises(ValueError, match="naive"):
        am.Settled(certified=True, naive=True)


def test_times_and_distances_come_from_a_report() -> None:
    net = am.dense_am(am.patterns.random(3, 32, seed=0))
    for ask in (lambda: t_read(net, 0.1, 0.0), lambda: reach(net)):  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="report must be what analyse"):
            ask()


def test_distance_of_a_layer_of_any_name() -> None:
    weights = am.Dense([[0.2, 0.1], [0.1, 0.2]], between=("x", "x"))
    net = am.Network({"x": am.Layer(2, am.Tanh())}, [weights])
    distance = am.stability.distance_to_rest(net, [0.1, 0.1])
    assert 0.1 <= distance < 0.2
    assert distance == am.stability.distance_to_rest(net, {"x": [0.1, 0.1]})
    with pytest.raises(ValueError, match="no layer 'x'"):
        am.stability.distance_to_rest(net, {"y": [0.1, 0.1]})


def test_boxes_beyond_the_range_of_floats_are_no_error() -> None:
    """Doubled distances drive exponential units out of range long before the search ends."""
    net = am.Network(
        {"visible": am.Layer(1, am.Tanh()), "hidden": am.Layer(1, am.Exponential(0.3)),
         "last": am.Layer(1, am.Identity())},
        [am.Dense([[0.1]], ("hidden", "visible")), am.Dense([[0.1]], ("last", "hidden"))],
    )  # fmt: skip
    with pytest.warns(am.GuaranteeWarning, match="grow faster than the leak"):
        final = am.simulate(net, [0.1], until=am.Settled(1e-12)).final
    report = analyse(net, final)
    assert 0 < reach(report) < 1e3


def test_a_staleness_of_any_length_has_a_time() -> None:
    """The rate of so late a network is ln(1 / rho) / 2B, whatever the time constants."""
    report = analyse(tanh_pair(0.8), np.zeros(3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        near, far = (t_read(report, m, 1e20, distance=1e-3) for m in (1e-5, 1e-9))
    assert far - near == pytest.approx(np.log(1e4) * 2e20 / np.log(1 / report.rho), rel=1e-5)
