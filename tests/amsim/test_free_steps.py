"""Steps with noise whose lengths each cue chooses: coefficients, laws, and what paths depend on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from scipy import sparse
from scipy.sparse.linalg import eigs

import amsim as am
from amsim.compiled import draws
from amsim.compiled.normal import normals
from amsim.dynamics import heun_runs, noise_moves, noise_runs
from amsim.dynamics.noise import Disturbance

STORED = am.patterns.random(4, 24, seed=0)
CUES = am.patterns.corrupt(STORED, flip=0.2, seed=1)
NET = am.dense_am(STORED, hidden=am.Softmax(0.3), tau_hidden=0.4)


def chain(rates: Any) -> Any:
    """d z = A z dt: every link follows the one before."""
    return np.diag(rates[1:], -1) - np.diag(rates)


def exact_moves(rates: Any, strength: float, time: float) -> Any:
    """By exponentials of matrices: of what is driven, and of the covariance (Van Loan 1978)."""
    size, a = len(rates), chain(rates)
    driven = np.zeros((3 * size, 3 * size))  # links, and the powers 1 and s of drives of each
    driven[:size, :size], driven[:size, size : 2 * size] = a, np.diag(rates)
    driven[size : 2 * size, 2 * size :] = np.eye(size) / time
    left, whole, rise = np.split(scipy.linalg.expm(driven * time)[:size], 3, axis=1)
    kick = np.zeros((size, size))
    kick[0, 0] = strength
    if max(rates) * time > 5.0:  # by what is left of the stationary law
        rest = scipy.linalg.solve_continuous_lyapunov(a, -kick)
        return left, rest - left @ rest @ left.T, whole, rise
    loan = scipy.linalg.expm(np.block([[-a, kick], [np.zeros_like(a), a.T]]) * time)
    return left, loan[size:, size:].T @ loan[:size, size:], whole, rise


def found_moves(rates: Any, strength: float, time: float) -> Any:
    size = len(rates)
    out = np.empty((noise_moves.MOVES, size, size))
    noise_moves.moves(
        np.array(rates, float), strength, time, np.empty((noise_moves.ROOM, size, size)), out
    )
    return out


RATES = [(1.0,), (1.0, 2.0), (1.0, 1.0), (0.3, 0.300001), (2.0, 0.01), (1.0, 20.0),
         (4.0, 1.0, 2.0), (0.1, 1.0, 1.0), (500.0, 1.0, 0.2), (1.0, 1.0, 1.0)]  # fmt: skip


@pytest.mark.parametrize("rates", RATES)
@pytest.mark.parametrize("time", [0.01, 0.2, 1.0, 2.5])
def test_moves_are_those_of_the_linear_system(rates: Any, time: float) -> None:
    found = found_moves(rates, 1.7, time)
    np.testing.assert_allclose(found, exact_moves(rates, 1.7, time), rtol=1e-9, atol=1e-13)


def test_moves_of_short_times_lose_no_digits() -> None:
    """To the first order they are powers of the time."""
    time, lag = 1e-9, 2.0
    left, law, whole, rise = found_moves([1.0, lag], 2.0, time)
    np.testing.assert_allclose(left, [[1.0, 0.0], [lag * time, 1.0]], rtol=1e-8)
    crossed = lag * time**2
    late = 2 * lag * crossed * time / 3
    np.testing.assert_allclose(law, [[2 * time, crossed], [crossed, late]], rtol=1e-8)
    np.testing.assert_allclose(whole, [[time, 0.0], [crossed / 2, lag * time]], rtol=1e-8)
    np.testing.assert_allclose(rise, [[time / 2, 0.0], [crossed / 6, lag * time / 2]], rtol=1e-8)


@pytest.mark.parametrize("rates", RATES)
@pytest.mark.parametrize(("before", "behind"), [(0.3, 0.7), (0.01, 1.5), (1.0, 0.02)])
def test_bridges_are_conditional_normal_laws(rates: Any, before: float, behind: float) -> None:
    size, share = len(rates), before / (before + behind)
    room, out = np.empty((noise_moves.ROOM, size, size)), np.empty((noise_moves.BRIDGE, size, size))
    ahead, after = found_moves(rates, 2.0, before), found_moves(rates, 2.0, behind)
    noise_moves.bridge(ahead, after, share, 0, 0.0, room, out)
    keep, pull, whole, rise, root = out
    # Joint law of links at both moments, given them at the first of all.
    to, passed, *driven = exact_moves(rates, 2.0, before)
    on, later, *driven_on = exact_moves(rates, 2.0, behind)
    # A drive moves the look as it does without noise, where the end is where that leads to.
    steady, rising = driven[0], share * driven[1]
    both = on @ rising + share * driven_on[0] + (1 - share) * driven_on[1]
    np.testing.assert_allclose(whole + pull @ (on @ steady + driven_on[0]), steady, atol=1e-9)
    np.testing.assert_allclose(rise + pull @ both, rising, atol=1e-9)
    with_end, end = passed @ on.T, on @ passed @ on.T + later
    scale = np.sqrt(np.outer(1 / np.diag(passed), np.diag(end)))
    np.testing.assert_allclose(keep + pull @ on @ to, to, rtol=0, atol=1e-10)
    np.testing.assert_allclose(scale * (pull @ end - with_end) / end, 0, rtol=0, atol=1e-5)
    law = passed - pull @ end @ pull.T
    spread = np.sqrt(np.outer(np.diag(passed), np.diag(passed)))
    np.testing.assert_allclose(root @ root.T / spread, law / spread, rtol=0, atol=1e-7)


@pytest.mark.parametrize("rates", [rates for rates in RATES if len(rates) > 1])
@pytest.mark.parametrize("blur", [0.0, 0.01, 1.0])
def test_bridges_from_a_mean_of_the_colour_to_the_next_one(rates: Any, blur: float) -> None:
    """With the last number links have their law, and without it the colour has its mean."""
    size = len(rates)
    room, out = np.empty((noise_moves.ROOM, size, size)), np.empty((noise_moves.BRIDGE, size, size))
    ahead, after = found_moves(rates, 2.0, 0.3), found_moves(rates, 2.0, 0.2)
    noise_moves.bridge(ahead, after, 0.6, 0, 0.0, room, out)
    keep, root = out[noise_moves.KEEP], out[noise_moves.DRAW]
    law = root @ root.T + blur * np.outer(keep[:, 0], keep[:, 0])
    known = out[: noise_moves.DRAW].copy()
    left = noise_moves.bridge(ahead, after, 0.6, 1, blur, room, out)
    np.testing.assert_array_equal(out[: noise_moves.DRAW], known)
    scale, root = np.sqrt(np.outer(np.diag(law), np.diag(law))), out[noise_moves.DRAW]
    np.testing.assert_allclose(root @ root.T / scale, law / scale, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(root[1:, -1], 0.0)
    scaled = law / scale
    gain = np.linalg.solve(scaled[1:, 1:], scaled[1:, 0])
    assert left == pytest.approx(law[0, 0] * (1.0 - gain @ scaled[1:, 0]), rel=1e-5)
    mean = root[1:, :-1].T @ (gain / np.sqrt(np.diag(law)[1:])) * np.sqrt(law[0, 0])
    np.testing.assert_allclose(root[0, :-1], mean, rtol=0, atol=1e-7 * np.sqrt(law[0, 0]))


def test_near_an_end_a_bridge_is_as_narrow_as_it_should_be() -> None:
    """Of noise alone, without decay, it is known: before behind / (before + behind)."""
    for near in (1e-3, 1e-6, 1e-9):
        out, room = np.empty((noise_moves.BRIDGE, 1, 1)), np.empty((noise_moves.ROOM, 1, 1))
        small, share = [1e-12], 1.0 / (1.0 + near)
        ahead, after = found_moves(small, 1.0, 1.0), found_moves(small, 1.0, near)
        noise_moves.bridge(ahead, after, share, 0, 0.0, room, out)
        assert out[noise_moves.DRAW, 0, 0] ** 2 == pytest.approx(near / (1.0 + near), rel=1e-9)


def coloured(across: Any, tau: Any, temperature: Any, correlation: float) -> tuple[Any, Any]:
    """Rates and kicks of a linear system and of the coloured noise that drives it."""
    n, c = len(tau), correlation
    across = np.block([[across, np.diag(1 / tau)], [np.zeros((n, n)), -np.eye(n) / c]])
    return across, np.diag(np.append(np.zeros(n), 2 * temperature * tau / c**2))


def covariance(across: Any, kick: Any, begin: Any, time: float) -> Any:
    """Of the states of a linear system a time after they had another."""
    rest = scipy.linalg.solve_continuous_lyapunov(across, -kick)
    left = scipy.linalg.expm(across * time)
    return rest - left @ (rest - begin) @ left.T


@pytest.mark.parametrize("correlation", [0.0, 0.05, 0.8, 3.0])
@pytest.mark.parametrize(("tau_hidden", "jumps"), [(0.5, []), (0.02, []), (0.5, [0.95, 2.3])])
def test_states_at_any_time_have_the_exact_law(
    correlation: float, tau_hidden: float, jumps: list[float]
) -> None:
    """One memory: the drive is constant, and steps are long; its state follows with noise too.

    Where an input jumps (by nothing), steps begin anew, and coloured noise goes on.
    """
    tau, warm, warm_hidden = np.array([0.8, 0.8, 2.0]), np.array([0.3, 0.0, 0.1]), 0.2
    times, cues = np.array([0.03, 0.2, 0.24, 0.9, 1.0, 2.3, 2.35, 6.1]), 5000
    noise = am.Noise({"visible": warm, "hidden": warm_hidden}, correlation)
    stored, start = np.ones((1, 3)), np.ones((cues, 3))
    net = am.dense_am(stored, hidden=am.Softmax(1.0), tau_visible=tau, tau_hidden=tau_hidden)
    inputs: Any = {"inputs": am.PiecewiseConstant(jumps, np.zeros(len(jumps)))} if jumps else {}
    traj = am.simulate(net, start, noise=noise, times=times, seed=3, **inputs)
    x = np.concatenate([traj["visible"] - 1.0, traj["hidden"] - 3.0], axis=2)
    assert traj.stats["rhs_per_cue"].max() < 25
    # States of three features and the memory, and the colour of each.
    own, t = np.append(tau, tau_hidden), np.append(warm, warm_hidden)
    across = np.diag(-1 / own)
    across[3, :3] = 1 / tau_hidden
    kick, begin = np.diag(2 * t / own), np.zeros((4, 4))
    if correlation:
        c = correlation
        across, kick = coloured(across, own, t, c)
        begin = np.diag(np.append(np.zeros(4), t * own / c))

    def law(time: float) -> Any:
        return covariance(across, kick, begin, time)

    joint = np.zeros((len(times), 4, len(times), 4))
    for i, now in enumerate(times):
        for j, later in enumerate(times[i:], i):
            exact = (law(now) @ scipy.linalg.expm(across * (later - now)).T)[:4, :4]
            joint[i, :, j], joint[j, :, i] = exact, exact.T
            spread = np.outer(np.diag(law(now))[:4], np.diag(law(later))[:4]) + exact**2
            spread = np.maximum(spread, 0.0)  # of the unit without noise: a rounding below
            off = np.abs(x[i].T @ x[j] / cues - exact)
            assert (off <= 4.7 * np.sqrt(spread / cues) + 1e-12).all(), (now, later)
    # All together, without the unit without noise: independent numbers of variance 1.
    moved = np.tile([True, False, True, True], len(times))
    root = np.linalg.cholesky(joint.reshape(len(moved), -1)[np.ix_(moved, moved)])
    states = x.transpose(0, 2, 1).reshape(len(moved), cues)[moved]
    whitened = scipy.linalg.solve_triangular(root, states, lower=True)
    assert abs(np.mean(whitened**2) - 1.0) < 4.0 * np.sqrt(2.0 / whitened.size)


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
    ("beta", "temperature", "copies"), [(3.0, 0.1, 1), (10.0, 0.15, 1), (2.0, 0.1, 50)]
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


def coloured_escape_rate(beta: float, temperature: float, correlation: float) -> float:
    """The same with coloured noise, by Hermite functions of its colour."""
    grid, levels = np.linspace(-2.2, 2.2, 161), 12
    ones = np.ones(len(grid) - 1) / 2 / (grid[1] - grid[0])
    slope = sparse.diags([-ones, ones], [-1, 1])
    ladder = sparse.diags(np.sqrt(np.arange(1.0, levels)), 1)
    kicks = np.sqrt(temperature / correlation) * sparse.kron(ladder + ladder.T, slope)
    drift = sparse.kron(sparse.eye(levels), slope @ sparse.diags(np.tanh(beta * grid) - grid))
    decay = sparse.kron(sparse.diags(np.arange(levels) / correlation), sparse.eye(len(grid)))
    rates = eigs((kicks + drift + decay).tocsc(), 2, sigma=-1e-3, return_eigenvectors=False)
    return float(rates.real.max() / 2)


def test_memories_are_left_at_the_exact_rate_with_coloured_noise() -> None:
    cues, times = 4000, np.array([3.0, 13.0])
    noise = am.Noise(0.2, 0.5)
    traj = am.simulate(well(3.0), np.ones((cues, 1)), noise=noise, times=times, seed=1)
    mean = np.sign(traj["visible"][..., 0]).mean(axis=1)
    span = 2 * (times[1] - times[0])
    seen = -np.log(mean[1] / mean[0]) / span
    error = np.sqrt((1 - mean[1] ** 2) / cues) / mean[1] / span
    rate = coloured_escape_rate(3.0, 0.2, 0.5)
    assert abs(seen - rate) < 3 * error + 0.04 * rate < 0.2 * rate


@pytest.mark.parametrize("correlation", [0.0, 0.6])
@pytest.mark.parametrize("tau_hidden", [0.3, 2.0])
def test_linear_memories_have_the_covariance_of_lyapunov(
    correlation: float, tau_hidden: float
) -> None:
    """Features and memories with noise of several strengths, and features of several tau."""
    stored, cues = np.array([[0.6, 0.5, -0.2], [-0.3, 0.5, 0.6]]), 3000
    tau = np.array([0.5, 1.0, 1.5])
    net = am.dense_am(stored, hidden=am.Identity(), tau_visible=tau, tau_hidden=tau_hidden)
    warm, warm_hidden = np.array([0.3, 0.0, 0.1]), np.array([0.1, 0.4])
    noise = am.Noise({"visible": warm, "hidden": warm_hidden}, correlation)
    times = np.linspace(5.0, 35.0, 13)
    traj = am.simulate(net, np.zeros((cues, 3)), noise=noise, times=times, seed=3)
    x = np.concatenate([traj["visible"], traj["hidden"]], axis=2).reshape(-1, 5)
    own, t = np.append(tau, [tau_hidden] * 2), np.append(warm, warm_hidden)
    coupling = np.block([[np.zeros((3, 3)), stored.T], [stored, np.zeros((2, 2))]])
    across, kick = (coupling - np.eye(5)) / own[:, None], np.diag(2 * t / own)
    begin = np.zeros((5, 5))
    if correlation:
        across, kick = coloured(across, own, t, correlation)
        begin = np.diag(np.append(np.zeros(5), t * own / correlation))
    exact = np.mean([covariance(across, kick, begin, time)[:5, :5] for time in times], axis=0)
    scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    # 39,000 states, some of them alike: a standard error below 1 % of a variance.
    np.testing.assert_allclose(x.T @ x / len(x) / scale, exact / scale, rtol=0, atol=0.045)


def test_choosing_lengths_does_not_move_means() -> None:
    """Lengths go with the noise that was; a parabola through three drives is off by 1.6 % here."""
    beta, temperature, cues = 1.5, 0.05, 12_000
    times = np.arange(8.0, 32.1, 1.0)
    traj = am.simulate(well(beta), np.full((cues, 1), 0.8), noise=temperature, times=times, seed=7)
    grid = np.linspace(-2.5, 2.5, 2001)
    energy = grid**2 / 2 - np.logaddexp(beta * grid, -beta * grid) / beta
    weight = np.exp((energy.min() - energy) / temperature)
    exact = (weight * grid**2).sum() / weight.sum()
    found = (traj["visible"] ** 2).mean(axis=(0, 2))  # of each cue
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
        left, law, whole, rise = (m.item() for m in exact_moves([1.0], 2.0, length))
        slope = 0.0 if before is None else (drives[-1] - drives[-2]) * length / before
        x = left * x + whole * drives[-1] + rise * slope + np.sqrt(0.05 * law) * drawn[0, 0]
        new = np.tanh(2.0 * x)
        x += rise * (new - drives[-1] - slope)
        drives.append(new)
        assert found == pytest.approx(x, abs=1e-9)
        now, before = end, length


@pytest.mark.parametrize("correlation", [0.0, 0.4])
@pytest.mark.parametrize(
    ("hidden", "scale"), [(am.Softmax(0.3), 1.0), (am.Tanh(0.15), 0.8), (am.Entmax(1.5, 0.3), 1.0)]
)
def test_states_at_edges_do_not_depend_on_other_times(
    hidden: Any, scale: float, correlation: float
) -> None:
    """Memories of bytes and of floats."""
    net = am.dense_am(scale * STORED, hidden=hidden, tau_hidden=0.4)
    noise = am.Noise(0.05, correlation)

    def path(cues: Any, times: Any, **given: Any) -> Any:
        return am.simulate(net, cues, noise=noise, times=times, seed=4, **given)

    edges = np.arange(0.0, 17.0)
    all_ = path(CUES, edges)
    others = path(CUES[:3], np.unique(np.append(edges[::5], np.linspace(0.01, 13.3, 120))))
    kept = np.isin(others.times, edges)
    np.testing.assert_array_equal(others["visible"][kept], all_["visible"][::5, :3])
    np.testing.assert_allclose(others["hidden"][kept], all_["hidden"][::5, :3], rtol=0, atol=1e-12)
    alone = path(CUES[0], [7.0])  # ends within a step of the others
    np.testing.assert_array_equal(alone.final["visible"], all_["visible"][7, 0])
    np.testing.assert_allclose(alone.final["hidden"], all_["hidden"][7, 0], rtol=0, atol=1e-12)
    assert (path(CUES, edges, t0=-0.0)["visible"] == all_["visible"]).all()


@pytest.mark.parametrize("correlation", [0.0, 0.4])
def test_what_earlier_runs_have_found_changes_nothing(correlation: float) -> None:
    """More durations than are kept, and runs at the same time."""
    noise = am.Noise(0.05, correlation)
    even, uneven = np.linspace(0.0, 8.0, 41), np.sort(np.random.default_rng(0).uniform(0, 8, 700))

    def path(times: Any) -> Any:
        return am.simulate(NET, CUES, noise=noise, times=times, seed=4)["visible"]

    shelf, alone = NET.once(noise_runs._shelf), []
    for times in (even, uneven):
        shelf.clear()
        alone.append(path(times))
    with ThreadPoolExecutor(3) as pool:
        for _ in range(3):
            found = pool.map(path, [even, uneven, even, uneven])
            for one, expected in zip(found, 2 * alone, strict=True):
                np.testing.assert_array_equal(one, expected)
    assert 0 < len(shelf) <= 2


@pytest.mark.parametrize("correlation", [0.0, 0.4])
@pytest.mark.parametrize("tau_hidden", [0.0, 0.4])
def test_clamped_features_stay_to_the_bit(tau_hidden: float, correlation: float) -> None:
    net = am.dense_am(STORED, hidden=am.Softmax(0.3), tau_hidden=tau_hidden)
    noise = am.Noise(0.1, correlation)
    traj = am.simulate(net, CUES, noise=noise, t1=3.03, clamp=[0, 5], inputs=0.2 * STORED)
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


@pytest.mark.parametrize("correlation", [0.0, 0.1])
def test_features_get_of_fast_memory_noise_what_is_due(correlation: float) -> None:
    """The drive is flat and noisy: it changes as fast as memories do.

    It is so flat that it is proportional to the difference of the two memories.
    """
    beta, lag, cold, hot = 0.02, 0.05, 1e-5, 10.0
    noise = am.Noise({"visible": cold, "hidden": hot}, correlation)
    traj = am.simulate(
        well(beta, lag), np.zeros((2000, 1)), noise=noise, times=np.linspace(4.0, 10.0, 7), seed=1
    )
    own, t = np.array([1.0, lag]), np.array([cold, 2 * hot])  # the difference has twice the noise
    across = np.array([[-1.0, beta / 2], [2 / lag, -1 / lag]])
    kick = np.diag(2 * t / own)
    if correlation:
        across, kick = coloured(across, own, t, correlation)
    exact = scipy.linalg.solve_continuous_lyapunov(across, -kick)[0, 0]
    assert abs(traj["visible"].var() / exact - 1.0) < 0.06


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
    net = am.dense_am(huge, hidden=am.Identity(), tau_hidden=0.0)
    traj = am.simulate(net, [[1.0]], noise=0.1, t1=3.0)
    assert traj.status == "diverged" and np.isfinite(traj["visible"]).all()
