"""Weights of the exponential Adams steps against exact arithmetic; steps against closed forms."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from numpy.polynomial import Polynomial
from scipy.integrate import quad

import amsim as am
from amsim.dynamics import adams
from amsim.dynamics.build_problem import build_problem
from amsim.dynamics.problem import Problem
from amsim.dynamics.run import Run, segments_of

Array = npt.NDArray[Any]

EPS = 2.0**-52
# Forwards and backwards lose some digits where they meet, at z = 10.
ROUNDING = 1e-12
ORDERS = range(1, adams.MAX_ORDER + 1)
DECADES = np.geomspace(1e-9, 1e3, 49)
EVEN = np.arange(adams.HISTORY + 1.0)
# Steps that grow by up to GROWTH or shrink by down to SHRINK.
UNEVEN = np.concatenate([[0.0], np.cumsum(2.0 ** np.array([1, -2, 0, 2, -1, 1, 0, -2, 1, 2]))])
every_grid = pytest.mark.parametrize("nodes", [EVEN, UNEVEN], ids=["even", "uneven"])


@pytest.fixture(autouse=True)
def digits() -> Iterator[None]:
    """Enough for recurrences that lose some ninety digits at z = 1e-9."""
    with localcontext() as context:
        context.prec = 250
        yield


def exact_moments(z: Decimal, count: int) -> list[Decimal]:
    """Integrals over s in [0, 1] of exp(-z (1 - s)) s^p."""
    if z == 0:
        return [1 / Decimal(p + 1) for p in range(count)]
    found = [(1 - (-z).exp()) / z]
    for p in range(1, count):
        found.append((1 - p * found[-1]) / z)
    return found


def times_node(polynomial: list[Decimal], node: Decimal) -> list[Decimal]:
    """Coefficients of (s + node) times a polynomial."""
    shifted = [Decimal(0), *polynomial]
    return [a + node * b for a, b in zip(shifted, [*polynomial, Decimal(0)], strict=True)]


def newton_basis(nodes: Array, order: int) -> list[list[Decimal]]:
    """prod_{i<j} (s + nodes[i]) for j <= order."""
    found = [[Decimal(1)]]
    for node in nodes[:order]:
        found.append(times_node(found[-1], Decimal(float(node))))
    return found


def exact_newton(z: Decimal, basis: list[list[Decimal]]) -> list[Decimal]:
    powers = exact_moments(z, len(basis[-1]))
    return [sum(c * m for c, m in zip(row, powers, strict=False)) for row in basis]  # type: ignore[misc]


def exact_follower(
    rate: float, gain: float, lag: float, h: float, nodes: Array, order: int
) -> tuple[list[Decimal], Decimal]:
    """Weights of the drive in the follower, and that of the old state."""
    r, g, a, step = Decimal(rate), Decimal(gain), Decimal(lag), Decimal(h)
    basis = newton_basis(nodes, order)
    if r == a:
        kernel = [[-c for c in times_node(row, Decimal(-1))] for row in basis]  # (1 - s) P_j(s)
        weights = exact_newton(r * step, kernel)
        through = a * step * (-r * step).exp()
        return [g * a * step ** (j + 2) * w for j, w in enumerate(weights)], through
    both = zip(exact_newton(r * step, basis), exact_newton(a * step, basis), strict=True)
    weights = [g * a / (a - r) * step ** (j + 1) * (x - y) for j, (x, y) in enumerate(both)]
    return weights, a * ((-r * step).exp() - (-a * step).exp()) / (a - r)


def worst(found: Any, exact: list[Decimal]) -> float:
    """Largest relative error."""
    pairs = zip(found[: len(exact)], exact, strict=True)
    return max(abs(float((Decimal(float(x)) - true) / true)) for x, true in pairs)


# Weights


@pytest.mark.parametrize("count", range(1, adams.HISTORY + 2))
def test_moments(count: int) -> None:
    """Also on both sides of every whole z: at z = count the direction changes."""
    out = np.zeros(adams.HISTORY + 2)
    edges = np.arange(1.0, 13.0)
    both_sides = [*edges, *np.nextafter(edges, 0.0), *np.nextafter(edges, 99.0)]
    for z in [0.0, *DECADES, *both_sides]:
        adams.moments(z, count, out)
        assert worst(out, exact_moments(Decimal(float(z)), count)) <= ROUNDING, z


@pytest.mark.parametrize("z", [1e-6, 0.3, 5.0, 40.0])
def test_weights_by_quadrature(z: float) -> None:
    """By a route that shares nothing with the recurrences, the exact ones included."""
    out, order = np.zeros(adams.HISTORY + 2), adams.MAX_ORDER
    adams.newton_weights(z, UNEVEN, order, adams.new_scratch(1, 1), out)
    for j in range(order + 1):
        numeric, _ = quad(
            lambda s, j=j: np.exp(-z * (1 - s)) * np.prod(s + UNEVEN[:j]), 0, 1, epsrel=1e-12
        )
        assert out[j] == pytest.approx(numeric, rel=1e-11)


@every_grid
@pytest.mark.parametrize("order", [*ORDERS, adams.MAX_ORDER + 1])
def test_newton_weights(order: int, nodes: Array) -> None:
    out, scratch = np.zeros(adams.HISTORY + 2), adams.new_scratch(1, 1)
    basis = newton_basis(nodes, order)
    for z in DECADES:
        adams.newton_weights(z, nodes, order, scratch, out)
        assert worst(out, exact_newton(Decimal(float(z)), basis)) <= ROUNDING, z


@every_grid
@pytest.mark.parametrize("order", [1, 4, adams.MAX_ORDER])
def test_state_weights(order: int, nodes: Array) -> None:
    """The drive with divided differences d_j adds gain h^(j+1) times the integral of P_j."""
    out, scratch, gain, h = np.zeros(adams.HISTORY + 2), adams.new_scratch(1, 1), 1.7, 0.37
    basis = newton_basis(nodes, order)
    for z in DECADES[::4]:
        rate = z / h
        keep = adams.state_weights(rate, gain, h, nodes, order, scratch, out)
        exact = exact_newton(Decimal(rate) * Decimal(h), basis)
        power = [Decimal(gain) * Decimal(h) ** (j + 1) for j in range(order + 1)]
        assert worst(out, [p * x for p, x in zip(power, exact, strict=True)]) <= ROUNDING, z
        assert keep == pytest.approx(np.exp(-z), rel=1e-12)


RATIOS = [0.0, 1e-12, 1e-9, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1.0, 9.0, 999.0]


@every_grid
@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["faster", "slower"])
@pytest.mark.parametrize("ratio", RATIOS)
def test_follower_weights(ratio: float, sign: float, nodes: Array) -> None:
    """Equal, nearly equal and very different rates of a unit and its follower.

    The limit for nearly equal ones is off by (difference h)^2 / 24 at most, relative; beside it,
    the difference of two integrals has lost as many digits as they agree in.
    """
    out, scratch, gain, h = np.zeros(adams.HISTORY + 2), adams.new_scratch(1, 1), 1.7, 0.37
    for z in DECADES[::4]:
        rate = z / h
        lag = rate * (1 + ratio) if sign > 0 else rate / (1 + ratio)
        apart = abs(lag - rate) * h
        allowed = 1e-11 + (4 * EPS * (1 + z) / apart if apart > 1e-4 else apart**2 / 24)
        assert allowed < 1e-8
        for order in (1, 4, adams.MAX_ORDER):
            adams.state_weights(rate, gain, h, nodes, order, scratch, out)
            keep, through = adams.follower_weights(rate, gain, lag, h, nodes, order, scratch, out)
            exact, exact_through = exact_follower(rate, gain, lag, h, nodes, order)
            assert worst(out, exact) <= allowed, (z, order)
            # exp(-rate h) itself has the relative error EPS rate h, and vanishes in the end.
            error = abs(float(Decimal(float(through)) - exact_through))
            assert error <= (allowed + 2 * EPS * z) * float(exact_through) + 1e-300, (z, order)
            assert keep == pytest.approx(np.exp(-lag * h), rel=1e-12)


# Steps

LEAK, TAU = 0.8, np.array([0.6, 0.6, 0.02, 0.02, 0.02])  # two units, then three
RATES, GAINS = LEAK / TAU, 1.0 / TAU
PAST = 1.0 - np.cumsum([0.0, 0.1, 0.03, 0.2, 0.08, 0.1, 0.02, 0.15, 0.05, 0.1])
H, T1 = 0.17, 10.0


def drives_of_degree(degree: int) -> list[Polynomial]:
    rng = np.random.default_rng(degree)
    return [Polynomial(rng.normal(size=degree + 1)) for _ in TAU]


def divided_differences(past: Array, values: Array) -> Array:
    """Rows N[t_0, ..., t_j] of values (T, N) at the times `past`."""
    table, rows = values.copy(), [values[0]]
    for j in range(1, len(past)):
        table = (table[:-1] - table[1:]) / (past[:-j] - past[j:])[:, None]
        rows.append(table[0])
    return np.array(rows)


def begin(drives: list[Polynomial], order: int, lag: float, times: Any = (9.0,)) -> Run:
    """One cue at t = 1 that knows `order` values of its drive; with followers unless lag is 0."""
    net = am.Network({"x": am.Layer(5, am.Identity(), tau=TAU, leak=LEAK)}, [])
    problem = Problem(
        network=net,
        given={"x": np.zeros((1, 5))},
        clamped={},
        inputs={},
        t1=T1,
        times=np.asarray(times),
        explicit=True,
        tolerance=0.0,
    )
    run = Run(problem, 0.0, 1e9, 10_000)
    segments = segments_of(net.layers.values(), np.zeros((1, 1), bool), lag)
    run.begin(np.linspace(-1, 2, 10 if lag else 5)[None], segments)
    values = np.array([[p(t) for p in drives] for t in PAST[:order]])
    run.steps.dd[0, :order] = divided_differences(PAST[:order], values)
    run.steps.past[0, :order] = PAST[:order]
    run.steps.scale[:] = 1.0
    cue = run.steps.cues[0]
    cue["h"], cue["order"], cue["known"] = H, order, order
    cue["floor"] = cue["limit"] = np.inf
    cue["status"] = adams.RUNNING
    run.outputs = np.full((1, len(times), run.steps.x.shape[1]), np.nan)
    return run


def stationary(drive: Polynomial, rate: float, gain: float) -> Polynomial:
    """The polynomial q with q' + rate q = gain N."""
    q = np.zeros(len(drive.coef) + 1)
    for i in reversed(range(len(drive.coef))):
        q[i] = (gain * drive.coef[i] - (i + 1) * q[i + 1]) / rate
    return Polynomial(q[:-1])


def closed_form(drives: list[Polynomial], x: Array, lag: float, time: float) -> Array:
    """States, and followers if any, a time after t = 1."""
    states, followers = [], []
    for i, (drive, rate, gain) in enumerate(zip(drives, RATES, GAINS, strict=True)):
        q = stationary(drive(Polynomial([1.0, 1.0])), rate, gain)
        free = x[i] - q(0.0)
        states.append(q(time) + free * np.exp(-rate * time))
        if lag:
            s = stationary(q, lag, lag)
            # (exp(-rate t) - exp(-lag t)) / (lag - rate), also where they nearly coincide.
            apart = (lag - rate) * time
            lagged = np.exp(-rate * time) * time * (-np.expm1(-apart) / apart if apart else 1.0)
            rest = (x[len(drives) + i] - s(0.0)) * np.exp(-lag * time)
            followers.append(s(time) + free * lag * lagged + rest)
    return np.array(states + followers)


def advance(run: Run, drives: Array, atol: float = 1e9, t1: float = T1) -> bool:
    """Predict, correct with these drives, and accept the step or not."""
    cues, accepted = predict(run), run.steps.cues[0]["accepted"]
    adams.finish_running(
        run.steps, run.segments, cues, 1, drives, 0.0, atol, 0.0, t1, run.problem.times,
        run.outputs, run.scratch,
    )  # fmt: skip
    return bool(run.steps.cues[0]["accepted"] > accepted)


def predict(run: Run) -> Array:
    """With what all runs share, which has been compiled before."""
    cues = np.zeros(1, np.int64)
    assert adams.predict_running(run.steps, run.segments, run.scratch, cues) == 1
    return cues


every_lag = pytest.mark.parametrize("lag", [0.0, 2.0, RATES[0], RATES[0] + 1e-7, RATES[-1], 300.0])


@every_lag
@pytest.mark.parametrize("order", ORDERS)
def test_prediction_is_exact_below_its_order(order: int, lag: float) -> None:
    """k values of the drive determine a polynomial of degree k - 1."""
    drives = drives_of_degree(order - 1)
    run = begin(drives, order, lag)
    predict(run)
    ahead = [p(1.0 + H) for p in drives]
    np.testing.assert_allclose(run.steps.used[0], ahead, rtol=1e-10, atol=1e-10)
    exact = closed_form(drives, run.steps.x[0], lag, H)
    np.testing.assert_allclose(run.steps.new[0], exact, rtol=1e-10, atol=1e-10)


@every_lag
@pytest.mark.parametrize("order", ORDERS)
def test_step_is_exact_up_to_its_order(order: int, lag: float) -> None:
    """With the drive at the new time the degree may be k; so for states between, and afterwards."""
    drives = drives_of_degree(order)
    times = 1.0 + H * np.array([0.2, 0.9, 1.0, 1.1])
    run = begin(drives, order, lag, times)
    steps, cue, start = run.steps, run.steps.cues[0], run.steps.x[0].copy()
    assert advance(run, np.array([[p(1.0 + H) for p in drives]]))
    for time, state in zip(times[:3], run.outputs[0], strict=False):
        exact = closed_form(drives, start, lag, time - 1.0)
        np.testing.assert_allclose(state, exact, rtol=1e-10, atol=1e-10)
    assert cue["written"] == 3
    assert np.isnan(run.outputs[0, 3]).all()
    exact = closed_form(drives, start, lag, H)
    np.testing.assert_allclose(steps.x[0], exact, rtol=1e-10, atol=1e-10)
    assert steps.past[0, 0] == 1.0 + H
    assert cue["known"] == order + 1
    values = np.array([[p(t) for p in drives] for t in steps.past[0, : order + 1]])
    expected = divided_differences(steps.past[0, : order + 1], values)
    np.testing.assert_allclose(steps.dd[0, : order + 1], expected, rtol=1e-7, atol=1e-7)

    # The next step, from the history that the first one left.
    cue["order"], cue["h"], cue["written"] = order, H / 3, len(times)
    after = 1.0 + H + H / 3
    assert advance(run, np.array([[p(after) for p in drives]]))
    exact = closed_form(drives, start, lag, after - 1.0)
    np.testing.assert_allclose(steps.x[0], exact, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("order", ORDERS)
def test_a_step_whose_error_is_too_large_is_refused(order: int) -> None:
    """A drive of degree k + 1 is beyond the formulas of k and k + 1 values; both must see it."""
    drives = drives_of_degree(order + 1)
    ahead = np.array([[p(1.0 + H) for p in drives]])
    assert advance(begin(drives, order, 0.0), ahead.copy(), atol=100.0)
    run = begin(drives, order, 0.0)
    steps, cue = run.steps, run.steps.cues[0]
    before = steps.x.copy(), steps.past.copy(), steps.dd.copy()
    assert not advance(run, ahead.copy(), atol=1e-9)
    for now, then in zip((steps.x, steps.past, steps.dd), before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert cue["h"] < H
    assert cue["rejected"] == 1
    assert cue["accepted"] == 0
    assert cue["status"] == adams.RUNNING


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("unit", range(5))
def test_a_drive_that_is_no_number_is_noticed(bad: float, unit: int) -> None:
    """In every unit, whatever vector units make of it; again and again until the cue gives up."""
    run = begin(drives_of_degree(1), 1, 2.0)
    before, cue = run.steps.x.copy(), run.steps.cues[0]
    drive = np.ones((1, 5))
    drive[0, unit] = bad
    for _ in range(1000):
        assert not advance(run, drive.copy())
        if cue["status"] == adams.DIVERGED:
            break
    assert cue["status"] == adams.DIVERGED
    np.testing.assert_array_equal(run.steps.x, before)


def test_the_last_step_ends_at_t1() -> None:
    t1 = 1.0 + H
    run = begin(drives_of_degree(1), 1, 0.0, [t1])
    assert advance(run, np.ones((1, 5)), t1=t1)
    assert run.steps.cues[0]["status"] == adams.TIME_LIMIT
    assert run.steps.past[0, 0] == t1
    np.testing.assert_allclose(run.outputs[0, 0], run.steps.x[0], rtol=1e-12)


def test_a_state_beyond_its_limit_has_diverged() -> None:
    run = begin(drives_of_degree(0), 1, 0.0)
    run.steps.cues[0]["limit"] = 1e3
    assert advance(run, np.full((1, 5), 1e5), atol=1e9)
    assert run.steps.cues[0]["status"] == adams.DIVERGED


def test_chosen_times_do_not_compile_the_loop_anew() -> None:
    """Arrays that may be written to have another type than others: all times are of theirs."""
    net = am.Network({"v": am.Layer(3, am.Identity())}, [])
    pulse = am.PiecewiseConstant([0.0, 5.0], np.zeros((2, 3)))
    options: list[dict[str, Any]] = [{}, {"times": [0.0, 10.0]}, {"inputs": {"v": pulse}}]
    for more in options:
        assert build_problem(net, np.zeros(3), t1=10.0, **more)[0].times.flags.writeable


@pytest.mark.parametrize(
    ("beside", "status"),
    [(0.0, adams.SETTLED), (1.0, adams.RUNNING), (np.nan, adams.RUNNING)],
)
def test_a_residual_that_is_no_number_settles_nothing(beside: float, status: int) -> None:
    """That of memories beside the state is NaN where their products are not finite."""
    net = am.Network({"v": am.Layer(3, am.Identity())}, [])
    run = Run(build_problem(net, np.zeros(3), t1=10.0)[0], 1e-6, 1e-9, 1000)
    run.steps.cues["status"], run.steps.cues["beside"] = adams.QUIET, beside
    drives = np.zeros_like(run.steps.used)
    adams._look(run.steps, run.segments, 0, drives, 1e-6, 10.0)
    assert run.steps.cues["status"][0] == status
