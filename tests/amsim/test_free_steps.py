"""Steps with noise whose lengths each cue chooses: coefficients, laws, and what paths depend on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg

import amsim as am
from amsim.compiled import draws
from amsim.compiled.normal import normals
from amsim.dynamics import heun_runs, noise_moves, noise_runs
from amsim.dynamics.noise import Disturbance

STORED = am.patterns.random(4, 24, seed=0)
CUES = am.patterns.corrupt(STORED, flip=0.2, seed=1)
NET = am.dense_am(STORED, hidden=am.Softmax(0.3), tau_hidden=0.4)


def chain(rate: float, lag: float) -> Any:
    """d(v, y) = A (v, y) dt for N = 0."""
    return np.array([[-rate, 0.0], [lag, -lag]])


def exact_moves(rate: float, lag: float, time: float) -> Any:
    """By exponentials of matrices: of what is driven, and of the covariance (Van Loan 1978)."""
    driven = np.zeros((4, 4))  # v, y, and the powers 1 and s of the drive
    driven[:2, :2] = chain(rate, lag)
    driven[0, 2] = rate
    driven[2, 3] = 1.0 / time
    moved = scipy.linalg.expm(driven * time)
    left = moved[:2, :2]
    if max(rate, lag) * time > 5.0:  # by what is left of the stationary law
        rest = scipy.linalg.solve_continuous_lyapunov(chain(rate, lag), -np.diag([2 * rate, 0.0]))
        covariance = rest - left @ rest @ left.T
    else:
        loan = np.zeros((4, 4))
        loan[:2, :2], loan[2:, 2:] = -chain(rate, lag), chain(rate, lag).T
        loan[0, 2] = 2.0 * rate
        found = scipy.linalg.expm(loan * time)
        covariance = found[2:, 2:].T @ found[:2, 2:]
    whole, rise = moved[:2, 2:].T
    return np.array(
        [left[0, 0], left[1, 1], left[1, 0], whole[0], rise[0], whole[1], rise[1],
         covariance[0, 0], covariance[0, 1], covariance[1, 1]]
    )  # fmt: skip


RATES = [(1.0, 0.0), (1.0, 2.0), (1.0, 1.0), (0.3, 0.300001), (2.0, 0.01), (1.0, 20.0)]


@pytest.mark.parametrize(("rate", "lag"), RATES)
@pytest.mark.parametrize("time", [0.01, 0.2, 1.0, 2.5])
def test_moves_are_those_of_the_linear_system(rate: float, lag: float, time: float) -> None:
    found = np.empty(noise_moves.MOVES)
    noise_moves.moves(rate, lag, time, found)
    np.testing.assert_allclose(found, exact_moves(rate, lag, time), rtol=1e-9, atol=1e-13)


def test_moves_of_short_times_lose_no_digits() -> None:
    """To the first order they are powers of the time."""
    found, time, lag = np.empty(noise_moves.MOVES), 1e-9, 2.0
    noise_moves.moves(1.0, lag, time, found)
    near = [1, 1, lag * time, time, time / 2, lag * time**2 / 2, lag * time**2 / 6,
            2 * time, lag * time**2, 2 * lag**2 * time**3 / 3]  # fmt: skip
    np.testing.assert_allclose(found, near, rtol=1e-8)


@pytest.mark.parametrize(("rate", "lag"), RATES)
@pytest.mark.parametrize(("before", "behind"), [(0.3, 0.7), (0.01, 1.5), (1.0, 0.02)])
def test_bridges_are_conditional_normal_laws(
    rate: float, lag: float, before: float, behind: float
) -> None:
    first, second = np.empty((2, noise_moves.MOVES))
    noise_moves.moves(rate, lag, before, first)
    noise_moves.moves(rate, lag, behind, second)
    found = np.empty(noise_moves.BRIDGE)
    noise_moves.bridge(first, second, found)

    def parts(time: float) -> tuple[Any, Any]:
        m = exact_moves(rate, lag, time)
        return np.array([[m[0], 0.0], [m[2], m[1]]]), np.array([[m[7], m[8]], [m[8], m[9]]])

    (to, passed), (on, later) = parts(before), parts(behind)
    end = on @ passed @ on.T + later
    pull = passed @ on.T @ np.linalg.pinv(end)
    keep, law = to - pull @ on @ to, passed - pull @ on @ passed
    np.testing.assert_allclose(found[:4], keep.ravel(), rtol=0, atol=1e-7)
    np.testing.assert_allclose(found[4:8], pull.ravel(), rtol=0, atol=1e-7)
    root = np.array([[found[8], 0.0], [found[9], found[10]]])
    np.testing.assert_allclose(root @ root.T, law, rtol=0, atol=1e-10)


def test_states_at_any_time_have_the_exact_law() -> None:
    """One memory: the drive is constant, and steps are long; its state follows with noise too."""
    tau, tau_hidden, warm, warm_hidden = 0.8, 0.5, 0.3, 0.2
    net = am.dense_am([[1.0]], hidden=am.Softmax(1.0), tau_visible=tau, tau_hidden=tau_hidden)
    times, cues = np.array([0.03, 0.2, 0.24, 0.9, 1.0, 2.3, 2.35, 6.1]), 20_000
    traj = am.simulate(
        net, np.ones((cues, 1)), noise={"visible": warm, "hidden": warm_hidden}, times=times, seed=3
    )
    assert traj.stats["rhs_per_cue"].max() < 12
    x = np.concatenate([traj["visible"], traj["hidden"]], axis=2) - 1.0
    across = np.array([[-1 / tau, 0.0], [1 / tau_hidden, -1 / tau_hidden]])
    kick = np.diag([2 * warm / tau, 2 * warm_hidden / tau_hidden])
    rest = scipy.linalg.solve_continuous_lyapunov(across, -kick)
    for i, now in enumerate(times):
        for j, later in enumerate(times[i:], i):
            from_zero = scipy.linalg.expm(across * now)
            here = rest - from_zero @ rest @ from_zero.T
            exact = here @ scipy.linalg.expm(across * (later - now)).T
            there = scipy.linalg.expm(across * later)
            final = rest - there @ rest @ there.T
            spread = np.sqrt((np.outer(np.diag(here), np.diag(final)) + exact**2) / cues)
            assert np.abs((x[i].T @ x[j] / cues - exact) / spread).max() < 4.5


def well(beta: float, tau_hidden: float = 0.0, copies: int = 1) -> am.Network:
    stored = np.repeat([[1.0], [-1.0]], copies, axis=0)
    return am.dense_am(stored, hidden=am.Softmax(beta), tau_hidden=tau_hidden)


def escape_rate(beta: float, temperature: float) -> float:
    """The least rate of the Fokker-Planck equation of the double well, by finite differences."""

    def energy(x: Any) -> Any:
        return x**2 / 2 - np.logaddexp(beta * x, -beta * x) / beta

    grid = np.linspace(-2.5, 2.5, 2001)
    h, bottom = grid[1] - grid[0], energy(grid).min()
    there = np.exp((bottom - energy(grid)) / temperature)
    links = temperature * np.exp((bottom - energy(grid[:-1] + h / 2)) / temperature) / h**2
    diagonal = (np.append(links, 0) + np.insert(links, 0, 0)) / there
    off = -links / np.sqrt(there[1:] * there[:-1])
    rates = scipy.linalg.eigh_tridiagonal(diagonal, off, select="i", select_range=(0, 1))[0]
    return float(rates[1] / 2)


@pytest.mark.parametrize(
    ("beta", "temperature", "copies"), [(3.0, 0.1, 1), (10.0, 0.15, 1), (2.0, 0.1, 200)]
)
def test_steep_memories_are_left_at_the_exact_rate(
    beta: float, temperature: float, copies: int
) -> None:
    """Also where no memory leads, since there are many that are alike."""
    cues, times, net = 8000, np.array([3.0, 13.0]), well(beta, copies=copies)
    traj = am.simulate(net, np.ones((cues, 1)), noise=temperature, times=times, seed=2)
    mean = np.sign(traj["visible"][..., 0]).mean(axis=1)
    seen = -np.log(mean[1] / mean[0]) / (times[1] - times[0]) / 2
    error = np.sqrt((1 - mean[1] ** 2) / cues) / mean[1] / (times[1] - times[0]) / 2
    rate = escape_rate(beta, temperature)
    assert abs(seen - rate) < 3 * error + 0.05 * rate < 0.2 * rate


def test_choosing_lengths_does_not_move_means() -> None:
    """Lengths go with the noise that was; a parabola through three drives is off by 1.6 % here."""
    beta, temperature, cues = 1.5, 0.05, 20_000
    times = np.arange(16.0, 36.1, 4.0)
    traj = am.simulate(well(beta), np.full((cues, 1), 0.8), noise=temperature, times=times, seed=7)
    grid = np.linspace(-2.5, 2.5, 2001)
    energy = grid**2 / 2 - np.logaddexp(beta * grid, -beta * grid) / beta
    weight = np.exp((energy.min() - energy) / temperature)
    exact = (weight * grid**2).sum() / weight.sum()
    found = (traj["visible"] ** 2).mean(axis=(0, 2))
    assert abs(found.mean() / exact - 1.0) < 0.005 + 3 * found.std() / np.sqrt(cues) / exact < 0.013


@pytest.mark.parametrize("tau_hidden", [0.0, 0.4])
def test_without_noise_steps_are_of_the_differential_equation(
    tau_hidden: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they are chosen, and, where all have one length, of order 2 in it."""
    stored = am.patterns.random(100, 64, seed=0)
    cues = am.patterns.corrupt(stored[:8], flip=0.3, seed=1)
    net = am.dense_am(stored, hidden=am.Softmax(12 / 64), tau_hidden=tau_hidden)
    times = np.linspace(0.0, 6.0, 25)
    exact = am.simulate(
        net, cues, times=times, until=None, solver=am.ExponentialIntegrator(rtol=1e-9, atol=1e-11)
    )["visible"]

    def error() -> float:
        cold = am.simulate(net, cues, times=times, noise=0.0)["visible"]
        return float(np.abs(cold - exact).max())

    assert error() < 0.005
    monkeypatch.setattr(noise_runs, "_STEEP", 1e3)
    errors = []
    for length in (0.125, 0.0625, 0.03125):
        monkeypatch.setattr(noise_runs, "_FIRST", length)
        monkeypatch.setattr(noise_runs, "_LONGEST", length)
        errors.append(error())
    assert errors[0] / errors[1] > 3.0 and errors[1] / errors[2] > 3.5, errors


def test_steps_are_what_they_are_said_to_be() -> None:
    """The first four, written down anew, with lengths that are counted in right-hand sides."""
    net, seed, shortest = well(2.0), 5, 2.0**-4
    ends = []
    for last in np.arange(1, 33) * shortest / 2:
        traj = am.simulate(net, [[0.4]], noise=0.05, times=[last], seed=seed)
        ends.append((last, int(traj.stats["rhs"]) - 1))
    ends = [max(last for last, steps in ends if steps == n) for n in (1, 2, 3, 4)]
    traj = am.simulate(net, [[0.4]], noise=0.05, times=ends, seed=seed)

    noise = Disturbance(np.zeros(0), 0.0, seed, np.zeros(1, np.uint64))
    (key,) = noise.keys(np.zeros(1), draws.NOISE)
    x, now, before, drives = 0.4, 0.0, None, []
    drives.append(np.tanh(2.0 * x))
    for end, found in zip(ends, traj["visible"][:, 0, 0], strict=True):
        length = end - now
        unit = 0.25 / 2**noise_runs._SHORT
        step_key = draws.mixed(np.array([key]), np.array([round(now / unit)], np.uint64))[0]
        drawn = np.empty((1, 1))
        normals(step_key, np.zeros(1, np.uint64), drawn)
        m = exact_moves(1.0, 0.0, length)
        slope = 0.0 if before is None else (drives[-1] - drives[-2]) * length / before
        x = m[0] * x + m[3] * drives[-1] + m[4] * slope + np.sqrt(0.05 * m[7]) * drawn[0, 0]
        new = np.tanh(2.0 * x)
        x += m[4] * (new - drives[-1] - slope)
        drives.append(new)
        assert found == pytest.approx(x, abs=1e-9)
        now, before = end, length


def test_states_at_edges_do_not_depend_on_other_times() -> None:
    def path(cues: Any, times: Any, **given: Any) -> Any:
        return am.simulate(NET, cues, noise=0.05, times=times, seed=4, **given)

    edges = np.arange(0.0, 8.1, 0.25)
    all_ = path(CUES, edges)
    others = path(CUES[:3], np.unique(np.append(edges[::5], np.linspace(0.01, 3.3, 30))))
    kept = np.isin(others.times, edges)
    np.testing.assert_array_equal(others["visible"][kept], all_["visible"][::5, :3])
    np.testing.assert_allclose(others["hidden"][kept], all_["hidden"][::5, :3], rtol=0, atol=1e-12)
    alone = path(CUES[0], [7.0])  # ends within a step of the others
    np.testing.assert_array_equal(alone.final["visible"], all_["visible"][28, 0])
    np.testing.assert_allclose(alone.final["hidden"], all_["hidden"][28, 0], rtol=0, atol=1e-12)
    assert (path(CUES, edges, t0=0.0)["visible"] == all_["visible"]).all()


def test_clamped_features_stay_to_the_bit() -> None:
    traj = am.simulate(NET, CUES, noise=0.1, t1=3.03, clamp=[0, 5], inputs=0.2 * STORED)
    kept = traj["visible"][..., [0, 5]]
    np.testing.assert_array_equal(kept, np.broadcast_to(CUES[:, [0, 5]], kept.shape))
    moved = np.delete(traj["visible"], [0, 5], axis=-1)
    assert np.ptp(moved, axis=0).all()


def test_lengths_follow_the_steepness_of_the_drive() -> None:
    one = am.dense_am(STORED[:1], hidden=am.Softmax(0.3), tau_hidden=0.4)
    few = am.simulate(one, CUES[:1], noise=0.05, t1=20.0).stats["rhs"]
    some = am.simulate(NET, CUES[:1], noise=0.05, t1=20.0).stats["rhs"]
    steep = am.simulate(well(200.0), [[0.0]], noise=0.5, t1=20.0).stats["rhs"]
    assert 11 <= few < 20 <= some < 60 < 1000 < steep


@pytest.mark.parametrize("beta", [1e4, 1e10])
def test_a_step_that_would_be_too_short_is_not_chosen(beta: float) -> None:
    """Beyond some steepness steps have one length, a quarter of tau."""
    traj = am.simulate(well(beta), np.zeros((50, 1)), noise=0.1, times=[2.0])
    assert traj.stats["accepted"] == 50 * 8


def test_noise_of_memories_alone() -> None:
    net = am.dense_am(STORED, hidden=am.Softmax(0.3), tau_hidden=0.5)
    traj = am.simulate(
        net, np.repeat(STORED[:1], 3000, axis=0), noise={"hidden": 0.2}, times=[1.0, 3.0]
    )
    spread = traj["hidden"][-1].var(axis=0)
    np.testing.assert_allclose(spread, 0.2 * (1 - np.exp(-2 * 3.0 / 0.5)), rtol=0.15)


def test_features_get_of_fast_memory_noise_what_steps_of_one_length_give() -> None:
    """The drive is flat and noisy: it changes as fast as memories do."""
    net, start = well(0.5, tau_hidden=0.05), np.zeros((4000, 1))
    given: Any = {"noise": {"visible": 0.01, "hidden": 10.0}, "times": np.linspace(4.0, 10.0, 7)}
    chosen = am.simulate(net, start, seed=1, **given)["visible"].var()
    fixed = am.simulate(net, start, seed=2, solver=am.ExponentialAdams(0.01), **given)
    assert abs(chosen / fixed["visible"].var() - 1.0) < 0.06


def test_noise_of_memories_shortens_steps_of_its_cues_alone() -> None:
    net = am.dense_am(STORED, hidden=am.Softmax(0.05), tau_hidden=0.02)
    noise: Any = {"visible": 0.05, "hidden": np.array([[0.0], [0.5], [0.0]])}
    edges = np.arange(0.0, 4.1, 0.25)
    both = am.simulate(net, CUES[:3], noise=noise, times=edges, seed=4)
    rhs = both.stats["rhs_per_cue"]
    assert rhs[1] == 4.0 / 0.0078125 + 1 > 5 * rhs[[0, 2]].max()
    quiet = am.simulate(net, CUES[0], noise={"visible": 0.05}, times=edges, seed=4)
    np.testing.assert_array_equal(both["visible"][:, 0], quiet["visible"])


@pytest.mark.parametrize("kind", [np.int8, np.float64])
def test_the_scatter_of_memories_is_the_largest_eigenvalue(kind: type) -> None:
    rng = np.random.default_rng(0)
    centres = 3 * rng.standard_normal((3, 8))
    stored: Any = np.round(np.repeat(centres, 40, axis=0) + rng.standard_normal((120, 8))).astype(
        kind
    )
    (synapse,) = am.dense_am(stored, hidden=am.Softmax(1.0)).synapses
    assert isinstance(synapse, am.Dense)
    largest = np.linalg.eigvalsh(120 * np.cov(stored.T, bias=True))[-1]
    assert synapse.scatter == pytest.approx(largest, rel=0.01)
    (alone,) = am.dense_am(stored[:1], hidden=am.Softmax(1.0)).synapses
    assert isinstance(alone, am.Dense) and alone.scatter == pytest.approx(0.0, abs=1e-9)


def test_interrupted_cues_keep_what_was_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(self: Any, reached: float, running: int) -> None:
        if reached > 0.5:
            raise KeyboardInterrupt

    monkeypatch.setattr(heun_runs.Progress, "update", stop)
    monkeypatch.setattr(noise_runs, "_CHUNK", 1.0)
    traj = am.simulate(NET, CUES, noise=0.1, times=[0.1, 0.5, 0.7, 9.0])
    assert traj.status == "interrupted"
    assert 0.5 < traj.times[-1] < 9.0
    np.testing.assert_array_equal(traj["visible"][-1], traj.final["visible"])


def test_what_has_no_bounds_has_diverged() -> None:
    """A force that is not finite ends a cue where it was."""
    huge = np.full((1, 1), 1e100)
    net = am.dense_am(huge, hidden=am.Softmax(1.0), tau_hidden=0.0)
    traj = am.simulate(net, [[1.0]], noise=0.1, t1=3.0)
    assert traj.status == "diverged" and np.isfinite(traj["visible"]).all()
