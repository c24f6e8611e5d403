"""Noise in the state: laws that are known in closed form, orders, and what is drawn for whom."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from functools import cache
from typing import Any

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import scipy.optimize
import scipy.stats
from scipy import sparse
from scipy.sparse.linalg import expm_multiply

import amsim as am
from amsim.compiled import draws
from amsim.compiled.normal import normals
from amsim.dynamics import heun_runs
from amsim.dynamics.heun_coefficients import Rates, colours
from amsim.dynamics.noise import Disturbance

TAU = np.array([0.5, 1.0, 2.0])


def free(tau: Any = TAU, leak: float = 1.0) -> am.Network:
    return am.Network({"x": am.Layer(np.size(tau), am.Identity(), tau=tau, leak=leak)}, [])


def double_well(beta: float = 3.0) -> am.Network:
    """E(x) = x^2 / 2 - log(2 cosh(beta x)) / beta."""
    return am.dense_am([[1.0], [-1.0]], hidden=am.Softmax(beta), tau_hidden=0.0)


def well_energy(x: Any, beta: float = 3.0) -> Any:
    return x**2 / 2 - np.logaddexp(beta * x, -beta * x) / beta


def numbers(step_begins: float, cues: int, units: int, seed: int) -> Any:
    """The white noise of a step (cues, units), drawn as the solver says that it does."""
    places = np.arange(cues, dtype=np.uint64)
    (key,) = Disturbance(np.zeros(0), 0.0, seed, places).keys(np.array([step_begins]), draws.NOISE)
    drawn = np.empty((cues, units))
    normals(key, places, drawn)
    return drawn


def test_normal_numbers_are_normal() -> None:
    drawn = np.empty((4, 50_000))
    normals(draws.stream(3, draws.NOISE), np.arange(4, dtype=np.uint64), drawn)
    for row in drawn:
        assert scipy.stats.kstest(row, "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(drawn) - np.eye(4)).max() < 5 / np.sqrt(50_000)


@pytest.mark.parametrize("rate", [0.0, 1e-6, 0.04, 0.99, 1.01, 7.0])
def test_moves_are_integrals_of_what_is_left(rate: float) -> None:
    """Of drives that are 1, s and s^2, with s from 0 to 1 in the step."""
    gain, length = 0.7, 1.3
    rates = Rates(np.array([rate]), np.array([gain]))
    found = [*rates.moves(length), rates.curved(length), rates.variance(length)]
    exact = [np.exp(-rate * length)]
    for power in range(3):
        exact.append(gain * length * scipy.integrate.quad(
            lambda s, power=power: s**power * np.exp(-rate * length * (1 - s)), 0, 1, epsabs=1e-13
        )[0])  # fmt: skip
    squared = scipy.integrate.quad(lambda age: np.exp(-2 * rate * age), 0, length, epsabs=1e-13)
    np.testing.assert_allclose(np.ravel(found), [*exact, 2 * gain * squared[0]], rtol=1e-10)


@pytest.mark.parametrize("correlation", [0.4, 2.0, 40.0])
@pytest.mark.parametrize("length", [0.003, 0.1, 0.4])
def test_a_step_of_coloured_noise_has_the_law_of_its_linear_system(
    correlation: float, length: float
) -> None:
    """Covariances of state and colour by exponentials of matrices (Van Loan 1978)."""
    tau, leak = np.array([0.5, 1.0, 2.0, 1.0]), np.array([1.0, 1.0, 0.3, 0.0])
    found = colours(Rates(leak / tau, 1 / tau), correlation, length)
    for i, (t, decay) in enumerate(zip(tau, leak, strict=True)):
        across = np.array([[-decay / t, 1 / t], [0.0, -1 / correlation]])
        kick = np.diag([0.0, 2 * t / correlation**2])
        loan = scipy.linalg.expm(np.block([[-across, kick], [0 * across, across.T]]) * length)
        left, law = loan[2:, 2:].T, loan[2:, 2:].T @ loan[:2, 2:]
        root = np.array([[found.kick[i], found.swing[i]], [0.0, found.fresh[i]]])
        moved = np.array([found.carry[i], found.fade[i]])
        np.testing.assert_allclose(moved, left[:, 1], rtol=1e-9)
        spread = np.sqrt(np.diag(law))
        law /= np.outer(spread, spread)
        np.testing.assert_allclose(root @ root.T / np.outer(spread, spread), law, atol=1e-6)


def test_normal_numbers_are_pairs_of_box_and_muller() -> None:
    key, half, places = draws.stream(3, draws.NOISE), 5000, np.arange(2, dtype=np.uint64)
    drawn = np.empty((2, 2 * half + 1))
    normals(key, places, drawn)
    for row, own in zip(drawn, draws.mixed(np.full(2, key), places), strict=True):
        bits = draws.mixed(own, np.arange(half + 1, dtype=np.uint64))
        radius = np.sqrt(-2.0 * np.log(((bits >> np.uint64(32)) + 0.5) / 2**32))
        angle = 2 * np.pi * (((bits & np.uint64(2**32 - 1)) + 0.5) / 2**32 - 0.5)
        exact = radius * np.array([np.cos(angle), np.sin(angle)])
        exact = np.append(exact[:, :half], exact[0, half])
        np.testing.assert_allclose(row, exact, rtol=0, atol=3e-11)


@pytest.mark.parametrize("step", [0.05, 0.5])
@pytest.mark.parametrize("leak", [1.0, 2.0])
def test_white_noise_on_a_leak_is_exact_for_any_step(step: float, leak: float) -> None:
    times, temperature, cues = np.arange(0.0, 6.0, 0.75), 0.3, 6000
    traj = am.simulate(
        free(leak=leak), np.zeros((cues, 3)), noise=temperature, times=times, seed=1,
        solver=am.ExponentialHeun(step),
    )  # fmt: skip
    now, later = np.meshgrid(times, times, indexing="ij")
    for unit, tau in enumerate(TAU):
        x = traj["x"][..., unit]
        variance = temperature / leak
        exact = variance * np.exp(-leak * np.abs(now - later) / tau)
        exact -= variance * np.exp(-leak * (now + later) / tau)  # which began at 0
        assert np.abs(x @ x.T / cues - exact).max() < 5 * variance * np.sqrt(2 / cues)


def test_within_a_step_a_path_goes_as_the_noise_would() -> None:
    times, cues = np.array([0.03, 0.11, 0.2, 0.24, 0.4]), 20_000
    traj = am.simulate(
        free(), np.zeros((cues, 3)), noise=1.0, times=times, solver=am.ExponentialHeun(0.2)
    )
    now, later = np.meshgrid(times, times, indexing="ij")
    for unit, tau in enumerate(TAU):
        x = traj["x"][..., unit]
        exact = np.exp(-np.abs(now - later) / tau) - np.exp(-(now + later) / tau)
        spread = np.sqrt((np.outer(np.diag(exact), np.diag(exact)) + exact**2) / cues)
        assert np.abs((x @ x.T / cues - exact) / spread).max() < 4


@pytest.mark.parametrize("step", [0.05, 0.4])
def test_coloured_noise_on_a_leak_is_exact_for_any_step(step: float) -> None:
    correlation, temperature = 0.5, 0.3
    traj = am.simulate(
        free(), np.zeros((6000, 3)), noise=am.Noise(temperature, correlation=correlation),
        times=np.arange(16.0, 20.0, 0.8), seed=2, solver=am.ExponentialHeun(step),
    )  # fmt: skip
    for unit, tau in enumerate(TAU):
        x = traj["x"][..., unit]
        lag = 0.8 * np.arange(len(x))
        # The stationary covariance of two leaks in a row; tau = c is their limit.
        ahead = 1.0 / tau
        after = 1.0 / (correlation * (1 + 1e-7))
        exact = temperature * after / (after**2 - ahead**2)
        exact = exact * (after * np.exp(-ahead * lag) - ahead * np.exp(-after * lag))
        bound = 5 * exact[0] * np.sqrt(2 / x.shape[1])
        assert np.abs(x[0] @ x.T / x.shape[1] - exact).max() < bound


def test_coloured_noise_goes_on_where_an_input_jumps() -> None:
    noise = am.Noise(0.3, correlation=0.5)
    times = np.linspace(0.0, 4.0, 9)
    start = np.zeros((2, 3))
    plain = am.simulate(free(), start, noise=noise, times=times)
    jump = am.PiecewiseConstant([0.0, 2.0], [0.0, 0.0])
    driven = am.simulate(free(), start, noise=noise, times=times, inputs=jump)
    np.testing.assert_allclose(driven["x"], plain["x"], rtol=0, atol=1e-12)


def coupled() -> tuple[am.Network, Any]:
    weights = np.array([[0.3, 0.5, -0.2], [0.5, 0.0, 0.3], [-0.2, 0.3, -0.6]])
    net = am.Network(
        {"x": am.Layer(3, am.Identity(), tau=TAU)}, [am.Dense(weights, between=("x", "x"))]
    )
    return net, weights


def stationary_covariance(step: float) -> Any:
    """That of the steps which the solver really takes, found from one of them for many cues."""
    net, _ = coupled()
    solver = am.ExponentialHeun(step)
    still = am.simulate(net, np.eye(3), noise=0.0, t1=step, times=[step], solver=solver)
    a = still.final["x"].T
    moved = am.simulate(net, np.zeros((9, 3)), noise=1.0, times=[step], solver=solver, seed=7)
    b = np.linalg.lstsq(numbers(0.0, 9, 3, seed=7), moved.final["x"], rcond=None)[0].T
    return scipy.linalg.solve_discrete_lyapunov(a, b @ b.T)


def test_variances_have_order_two_in_the_step() -> None:
    _, weights = coupled()
    exact = np.linalg.inv(np.eye(3) - weights)  # of exp(-E / T) at T = 1, whatever the tau
    errors = [np.abs(stationary_covariance(h) - exact).max() for h in (0.1, 0.05, 0.025)]
    assert errors[0] < 0.01 * exact.max()
    assert 3.5 < errors[0] / errors[1] < 4.5 and 3.7 < errors[1] / errors[2] < 4.3


def adams_step(step: float, coupling: Any, tau: Any) -> tuple[Any, Any]:
    """A step of Adams on dx = (-x + coupling x) dt / tau + noise, written down anew.

    As matrices on the state and the last two drives, and on the numbers that are drawn.
    """
    size, one = len(tau), np.eye(len(tau))
    s, weight = np.polynomial.legendre.leggauss(20)
    s, weight = 0.5 * (s + 1), 0.5 * weight * step
    fades = np.exp(-step * (1 - s) / tau[:, None]) / tau[:, None] * weight
    whole, late, curve = (np.diag((fades * f).sum(axis=1)) for f in (s**0, s, s * (s - 1) / 2))
    decay = np.diag(np.exp(-step / tau))
    kick = np.diag(np.sqrt(-np.expm1(-2 * step / tau)))
    ahead = np.hstack([decay, whole + late, -late])  # of x, the last drive, and the one before
    drive = coupling @ ahead
    first, before = (np.hstack([i * one for i in row]) for row in ([0, 1, 0], [0, 0, 1]))
    bend = drive - 2 * first + before
    new = ahead + late @ bend + curve @ bend
    moved = np.vstack([kick + (late + curve) @ coupling @ kick, coupling @ kick, 0 * one])
    return np.vstack([new, drive, first]), moved[:, :size]


def test_steps_of_adams_are_what_they_are_said_to_be() -> None:
    net, weights = coupled()
    step, cues = 0.2, 3
    solver = am.ExponentialAdams(step)
    traj = am.simulate(
        net, np.ones((cues, 3)), noise=0.5, times=step * np.arange(6), solver=solver, seed=4
    )
    matrix, moved = adams_step(step, weights, TAU)
    drawn = [np.sqrt(0.5) * numbers(step * k, cues, 3, seed=4) for k in range(5)]
    # The first step is one of Heun.
    left, whole, late = Rates(1 / TAU, 1 / TAU).moves(step)
    x = traj["x"][0]
    first = x @ weights
    predicted = left * x + whole * first + np.sqrt(-np.expm1(-2 * step / TAU)) * drawn[0]
    second = predicted @ weights
    state = np.hstack([predicted + late * (second - first), second, first])
    for k in range(1, 6):
        np.testing.assert_allclose(traj["x"][k], state[:, :3], rtol=0, atol=1e-12)
        state = state @ matrix.T + (drawn[k] @ moved.T if k < 5 else 0)
    assert traj.stats["rhs_per_cue"].tolist() == [6] * cues


def test_variances_of_adams_have_order_two_in_the_step() -> None:
    _, weights = coupled()
    exact = np.linalg.inv(np.eye(3) - weights)
    errors = []
    for step in (0.25, 0.05, 0.025, 0.0125):
        matrix, moved = adams_step(step, weights, TAU)
        found = scipy.linalg.solve_discrete_lyapunov(matrix, moved @ moved.T)[:3, :3]
        errors.append(np.abs(found - exact).max())
    assert errors[0] < 0.005 * exact.max()  # the default step
    assert 3.5 < errors[1] / errors[2] < 4.5 and 3.7 < errors[2] / errors[3] < 4.3


@pytest.mark.parametrize("strength", [-16.0, -4.0, -1.0, 0.5, 0.9])
def test_the_default_step_of_adams_follows_the_coupling(strength: float) -> None:
    net = am.Network(
        {"x": am.Layer(1, am.Identity())}, [am.Dense([[strength]], between=("x", "x"))]
    )
    traj = am.simulate(net, [1.0], noise=0.1, t1=0.5)
    wanted = 0.25 / (1 + 0.75 * abs(strength))
    assert traj.stats["accepted"] == np.ceil(0.5 / wanted)
    matrix, moved = adams_step(wanted, np.array([[strength]]), np.ones(1))
    found = scipy.linalg.solve_discrete_lyapunov(matrix, moved @ moved.T)[0, 0]
    assert found == pytest.approx(1 / (1 - strength), rel=0.005)


def test_steps_that_are_too_long_for_the_coupling_warn() -> None:
    net = am.Network({"x": am.Layer(1, am.Identity())}, [am.Dense([[-1.8]], between=("x", "x"))])
    start = np.zeros((50, 1))
    with pytest.warns(RuntimeWarning, match=r"steps of 0.28 .* pass a shorter step"):
        am.simulate(net, start, noise=0.1, times=[40.0], solver=am.ExponentialAdams(0.28))
    am.simulate(net, start, noise=0.1, times=[40.0], solver=am.ExponentialAdams(0.1))


def test_without_noise_adams_has_order_three() -> None:
    net = am.dense_am(STORED, hidden=am.Softmax(0.3), tau_hidden=0.5)
    exact = am.simulate(net, CUES, t1=2.0, until=None).final["visible"]
    errors = []
    for step in (0.1, 0.05):
        solver = am.ExponentialAdams(step)
        still = am.simulate(net, CUES, t1=2.0, solver=solver, until=None)
        errors.append(np.abs(still.final["visible"] - exact).max())
    assert 6.0 < errors[0] / errors[1] < 11.0


def test_paths_have_order_one_in_the_step() -> None:
    """With the jolts of long steps put together from those of short ones."""
    net, fine = double_well(), 0.005
    rng, cues = np.random.default_rng(0), 400
    jolts = np.sqrt(0.2 * -np.expm1(-2 * fine)) * rng.standard_normal((320, cues, 1))
    ends = []
    for together in (1, 8, 16, 32):
        decay = np.exp(-fine * np.arange(together)[::-1])[:, None, None]
        sums = np.array([(decay * part).sum(axis=0) for part in np.split(jolts, 320 // together)])
        x = np.full((cues, 1), 0.1)
        left, whole, late = Rates(np.ones(1), np.ones(1)).moves(fine * together)
        for jolt in sums:
            first = net.force({"visible": x})["visible"] + x
            new = left * x + whole * first + jolt
            x = new + late * (net.force({"visible": new})["visible"] + new - first)
        ends.append(x)
    errors = [np.sqrt(np.mean((x - ends[0]) ** 2)) for x in ends[1:]]
    assert errors[2] / errors[1] > 1.7 and errors[1] / errors[0] > 1.7


def test_the_density_of_a_double_well_is_that_of_gibbs() -> None:
    start = np.where(np.arange(3000) % 2, 1.0, -1.0)[:, None]  # no need to wait for escapes
    traj = am.simulate(double_well(), start, noise=0.15, times=[5.0])
    grid = np.linspace(-4, 4, 4001)
    weight = np.exp(-well_energy(grid) / 0.15)
    cumulated = scipy.integrate.cumulative_trapezoid(weight, grid, initial=0.0)
    found = scipy.stats.kstest(
        traj.final["visible"][:, 0], lambda x: np.interp(x, grid, cumulated / cumulated[-1])
    )
    assert found.pvalue > 1e-3


def relaxation_rate(temperature: float) -> float:
    """The least rate of the Fokker-Planck equation of the double well, by finite differences."""
    grid = np.linspace(-2.5, 2.5, 1001)
    h = grid[1] - grid[0]
    between = np.exp(-well_energy(grid[:-1] + h / 2) / temperature)
    there = np.exp(-well_energy(grid) / temperature)
    links = temperature * between / h**2
    diagonal = (np.append(links, 0) + np.insert(links, 0, 0)) / there
    off = -links / np.sqrt(there[1:] * there[:-1])
    return float(
        scipy.linalg.eigh_tridiagonal(diagonal, off, select="i", select_range=(0, 1))[0][1]
    )


def test_escapes_have_the_rate_of_kramers() -> None:
    beta, temperature, cues = 3.0, 0.07, 4000
    rates = [relaxation_rate(t) / 2 for t in (temperature, temperature / 2)]  # each way
    bottom = scipy.optimize.brentq(lambda x: x - np.tanh(beta * x), 0.5, 1.5)
    curved = 1 - beta / np.cosh(beta * bottom) ** 2, beta - 1  # at the bottom, and at the top
    height = well_energy(0.0) - well_energy(bottom)
    for t, rate, near in zip((temperature, temperature / 2), rates, (0.2, 0.1), strict=True):
        kramers = np.sqrt(curved[0] * curved[1]) / (2 * np.pi) * np.exp(-height / t)
        assert kramers == pytest.approx(rate, rel=near)  # the limit of high walls
    times = np.array([3.0, 60.0])
    traj = am.simulate(double_well(), np.full((cues, 1), bottom), noise=temperature, times=times)
    mean = np.sign(traj["visible"][..., 0]).mean(axis=1)
    seen = -np.log(mean[1] / mean[0]) / (times[1] - times[0]) / 2
    error = np.sqrt((1 - mean[1] ** 2) / cues) / mean[1] / (2 * (times[1] - times[0]))
    assert abs(seen - rates[0]) < 4 * error < 0.2 * rates[0]


@cache
def changed_sides(start: float, temperature: float, time: float) -> float:
    """Share of units with one memory of Sign below 0, by the equation of Fokker and Planck."""
    grid = np.linspace(-4.0, 4.0, 801)
    energy, h = grid**2 / 2 - np.abs(grid), grid[1] - grid[0]
    push = np.exp(-np.diff(energy) / (2 * temperature))
    up, down = temperature / h**2 * push, temperature / h**2 / push
    stay = -np.append(up, 0) - np.insert(down, 0, 0)
    flow = sparse.diags([up, stay, down], [-1, 0, 1], format="csr")
    begin = (np.arange(801) == np.argmin(np.abs(grid - start))).astype(float)
    law = expm_multiply(time * flow, begin)
    return float(law[:400].sum() + law[400] / 2)


@pytest.mark.parametrize(
    ("solver", "most"),
    [(am.ExponentialAdams(), 0.5), (am.ExponentialAdams(0.02), 0.1), (am.ExponentialHeun(), 0.25)],
)
def test_an_output_that_jumps_needs_short_steps(
    solver: am.ExponentialAdams | am.ExponentialHeun, most: float
) -> None:
    # One memory, of float64: its steps are compiled for other tests, too.
    memory = am.dense_am([[1.0 + 1e-12]], hidden=am.Sign(), tau_hidden=0.0)
    start = np.full((10000, 1), 0.2)
    told = pytest.warns(RuntimeWarning, match=f"Sign jumped .* as {type(solver).__name__}")
    with nullcontext() if solver.step else told:
        traj = am.simulate(memory, start, noise=0.1, times=[2.0], solver=solver)
    share = (traj.final["visible"] < 0).mean()
    assert share == pytest.approx(changed_sides(0.2, 0.1, 2.0), rel=most)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # where nothing jumps
        am.simulate(memory, start[:100], noise=1e-4, times=[2.0], solver=solver)
        driven = am.simulate(
            memory, -start[:1], inputs=2.0, t1=2.0, until=None, solver=am.ExponentialHeun()
        )
    assert driven.final["visible"] > 0  # a jump that no noise makes


@pytest.mark.filterwarnings("ignore:ExponentialAdams. outputs of Sign jumped:RuntimeWarning")
def test_units_that_jump_and_hear_each_other_have_steps_of_a_length_that_ends() -> None:
    """Their slope at 0 has no limit: steps by it were of a length of 1e-7."""
    pair = am.Dense([[0.0, 1.0], [1.0, 0.0]], between=("visible", "visible"))
    net = am.Network({"visible": am.Layer(2, am.Sign())}, [pair])
    start, late = np.full((8000, 2), 0.2), []
    for solver in (am.ExponentialAdams(), am.ExponentialAdams(0.01)):
        traj = am.simulate(net, start, noise=0.1, times=[2.0], solver=solver)
        assert traj.stats["rhs_per_cue"].max() <= 210
        late.append((traj.final["visible"] ** 2).mean())
    assert late[0] == pytest.approx(late[1], rel=0.03)


def test_a_diffusion_memory_is_sampled_at_fixed_tau() -> None:
    data = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 1.5]])
    memory = am.models.diffusion_memory(data)
    tau = 0.6
    traj = am.simulate(
        memory.network(tau), np.repeat(data, 700, axis=0), noise=1 / memory.beta(tau), times=[15.0]
    )
    x = traj.final["visible"]
    # The density is the mean of Gaussians of variance sigma^2 tau around the data.
    covariance = np.cov(data.T, bias=True) + tau * np.eye(2)
    assert np.abs(x.mean(axis=0) - data.mean(axis=0)).max() < 5 * np.sqrt(1.5 / len(x))
    assert np.abs(np.cov(x.T) - covariance).max() < 5 * np.sqrt(2 / len(x)) * covariance.max()
    # Posterior shares of the data are 1/3 on the average, whatever x.
    shares = am.Softmax(memory.beta(tau)).activation(-((x[:, None] - data) ** 2).sum(-1) / 2)
    assert np.abs(shares.mean(axis=0) - 1 / 3).max() < 5 * 0.5 / np.sqrt(len(x))


STORED = am.patterns.random(4, 24, seed=0)
CUES = am.patterns.corrupt(STORED, flip=0.2, seed=1)


@pytest.mark.parametrize(
    ("hidden", "scale"), [(am.Softmax(0.3), 1.0), (am.Tanh(0.15), 0.8), (am.Entmax(1.5, 0.3), 1.0)]
)
@pytest.mark.parametrize("tau", [0.2, 0.0])
@pytest.mark.parametrize("correlation", [0.0, 0.3])
def test_compiled_steps_are_those_in_numpy(
    hidden: Any, scale: float, tau: float, correlation: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memories of bytes and of floats."""
    net = am.dense_am(scale * STORED, hidden=hidden, tau_hidden=tau)
    start = {"visible": CUES, "hidden": 0.3 * CUES @ STORED.T} if tau else CUES

    def run() -> Any:
        return am.simulate(
            net, start, t1=1.03, seed=5, clamp=np.arange(5), noise=am.Noise(0.1, correlation),
            inputs=am.PiecewiseConstant([0.5], [0.3]), solver=am.ExponentialAdams(0.1),
        )  # fmt: skip

    compiled = run()
    monkeypatch.setattr(heun_runs.TwoLayerRun, "applies", staticmethod(lambda problem: False))
    plain = run()
    for name in compiled:
        np.testing.assert_allclose(compiled[name], plain[name], rtol=0, atol=1e-6)
    assert not np.ptp(compiled["visible"][..., :5], axis=0).any()
    np.testing.assert_array_equal(compiled.final["hidden"], compiled["hidden"][-1])


def test_a_path_depends_on_seed_and_place_alone() -> None:
    net = am.dense_am(STORED, hidden=am.Softmax(0.3))

    def path(cues: Any, times: Any, **given: Any) -> Any:
        return am.simulate(net, cues, noise=0.1, times=times, **given)["visible"]

    all_, fewer = path(CUES, [0.5, 1.0, 1.5]), path(CUES[:2], [0.123, 0.5, 1.5])
    np.testing.assert_array_equal(fewer[1:], all_[[0, 2], :2])
    np.testing.assert_array_equal(path(CUES[0], [1.5]), all_[2:, 0])
    assert (path(CUES, [1.5], seed=1) != all_[2]).any()
    same = path(np.repeat(CUES[:1], 2, axis=0), [1.0])
    assert (same[0, 0] != same[0, 1]).any()
    sequence = np.random.SeedSequence(3)
    np.testing.assert_array_equal(
        path(CUES, [1.0], seed=sequence), path(CUES, [1.0], seed=sequence)
    )


def test_noise_by_unit_and_by_cue() -> None:
    amplitudes = np.array([0.0, 0.1, 0.4])
    traj = am.simulate(free(np.ones(3)), np.zeros((4000, 3)), noise={"x": amplitudes}, t1=8.0)
    assert not traj["x"][..., 0].any()
    np.testing.assert_allclose(traj.final["x"].var(axis=0)[1:], amplitudes[1:], rtol=0.12)
    by_cue = np.array([[0.0], [0.1]])
    traj = am.simulate(free(), np.zeros((2, 3)), noise={"x": by_cue}, t1=1.0)
    assert not traj.final["x"][0].any() and traj.final["x"][1].all()


def test_without_temperature_steps_are_those_of_the_differential_equation() -> None:
    net = am.dense_am(STORED, hidden=am.Softmax(0.3), tau_hidden=0.2)
    exact = am.simulate(net, CUES, t1=2.0, until=None).final["visible"]
    errors = []
    for step in (0.1, 0.05):
        solver = am.ExponentialHeun(step)
        still = am.simulate(net, CUES, t1=2.0, solver=solver, until=None)
        errors.append(np.abs(still.final["visible"] - exact).max())
        cold = am.simulate(net, CUES, t1=2.0, solver=solver, noise=0.0)
        np.testing.assert_array_equal(cold.final["visible"], still.final["visible"])
    assert 3.0 < errors[0] / errors[1] < 5.0


def test_a_run_with_noise_says_so() -> None:
    traj = am.simulate(double_well(), [1.0], noise=0.1, t1=3.0)
    assert traj.status == "time_limit" and np.isnan(traj.settle_times)
    assert traj.message.startswith("ran to t = 3 with noise")
    assert len(traj.times) == 201


def test_what_grows_ends() -> None:
    net = am.Network({"x": am.Layer(1, am.Identity())}, [am.Dense([[40.0]], between=("x", "x"))])
    traj = am.simulate(net, [[1.0], [0.0]], noise={"x": [[0.1], [0.0]]}, t1=9.0)
    assert traj.statuses.tolist() == ["diverged", "time_limit"]
    assert np.isfinite(traj["x"]).all() and traj.times[-1] == 9.0


@pytest.mark.parametrize("solver", [None, am.EventDriven(1e9)], ids=["heun", "events"])
def test_states_that_noise_makes_large_have_not_diverged(solver: Any) -> None:
    """A linear network scales: at a temperature of 1e18 T states are 1e9 times as large."""
    unit = am.Network({"x": am.Layer(4, am.Identity())}, [])
    large = am.simulate(unit, np.zeros(4), noise=1e20, t1=3.0, times=[3.0], solver=solver)
    assert large.status == "time_limit"
    plain = am.simulate(unit, np.zeros(4), noise=1.0, t1=3.0, times=[3.0])
    if solver is None:
        np.testing.assert_allclose(large.final["x"], 1e10 * plain.final["x"], rtol=1e-12)


def test_interrupted_cues_keep_what_was_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(self: Any, reached: float, running: int) -> None:
        if reached > 0.5:
            raise KeyboardInterrupt

    monkeypatch.setattr(heun_runs.Progress, "update", stop)
    monkeypatch.setattr(heun_runs, "_CHUNK", 1.0)
    traj = am.simulate(free(), np.ones((2, 3)), noise=0.1, times=[0.1, 0.5, 0.7, 1.0])
    assert traj.status == "interrupted"
    assert 0.5 < traj.times[-1] < 1.0
    np.testing.assert_array_equal(traj["x"][-1], traj.final["x"])


@pytest.mark.parametrize("solver", ["RK45", "brian2", am.ExponentialIntegrator(), am.FixedPoint(),
                                    am.ScipyODE()])  # fmt: skip
def test_other_solvers_refuse_noise_by_name(solver: Any) -> None:
    name = solver if isinstance(solver, str) else type(solver).__name__
    with pytest.raises(ValueError, match=f"^noise: {name} draws none"):
        am.simulate(free(), np.zeros(3), noise=0.1, t1=1.0, solver=solver)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"noise": -1.0}, "temperature must be"),
        ({"noise": np.nan}, "temperature must be"),
        ({"noise": "warm"}, "temperature must be"),
        ({"noise": True}, "temperature must be"),
        ({"noise": {"y": 0.1}}, "noise names a layer 'y'"),
        ({"noise": {"x": [0.1, 0.2]}}, r"shape \(2,\)"),
        ({"noise": {"x": [-0.1, 0.2, 0.0]}}, "must not be negative"),
        ({"noise": {"x": [np.nan] * 3}}, "finite"),
        ({"noise": 0.1, "until": am.Settled()}, "does not settle"),
        ({"noise": 0.1, "t1": None}, "give t1"),
        ({"noise": 0.1, "solver": am.ExponentialHeun(0.7)}, "at most the smallest tau, 0.5"),
        ({"noise": am.Noise(0.1, 0.01), "solver": am.ExponentialHeun(0.1)}, "correlation time"),
        ({"solver": am.ExponentialHeun()}, "until=None"),
    ],
)
def test_bad_noise_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises((TypeError, ValueError), match=why):
        am.simulate(free(), np.zeros(3), **{"t1": 1.0, **given})


@pytest.mark.parametrize("wrong", [-0.1, np.inf, "1", 1e-200])
def test_bad_correlations_and_steps_are_refused(wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^Noise: correlation"):
        am.Noise(0.1, correlation=wrong)
    with pytest.raises((TypeError, ValueError), match=r"^ExponentialHeun: step"):
        am.ExponentialHeun(wrong)


def test_layers_without_a_state_have_no_noise() -> None:
    with pytest.raises(ValueError, match=r"^noise: layer 'hidden' has tau = 0"):
        am.simulate(double_well(), [0.0], noise={"hidden": 0.1}, t1=1.0)
