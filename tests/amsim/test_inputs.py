"""Inputs that change in time: closed forms, solvers against each other, and nothing is missed."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.linalg import expm

import amsim as am

Array = npt.NDArray[Any]
SEED = 11
RNG = np.random.default_rng(SEED)
PATTERNS = am.patterns.random(4, 16, seed=0)
WEIGHTS = RNG.normal(size=(3, 4)) * 0.3
TAU = 0.5

# Solvers with the accuracy that they have on these problems.
ODE: dict[str, Any] = {
    "default": (None, 3e-6),
    "tight": (am.ExponentialIntegrator(1e-9, 1e-12), 3e-9),
    "RK45": ("RK45", 1e-7),
    "DOP853": ("DOP853", 1e-7),
    "Radau": (am.ScipyODE("Radau", 1e-6, 1e-8), 3e-5),
    "BDF": (am.ScipyODE("BDF", 1e-6, 1e-8), 1e-4),
    "LSODA": ("LSODA", 1e-6),
}
unbounded = pytest.mark.filterwarnings("ignore::amsim.errors.GuaranteeWarning")
every_solver = pytest.mark.parametrize(("solver", "error"), ODE.values(), ids=ODE)


def memory(**options: Any) -> am.Network:
    return am.dense_am(PATTERNS, **{"hidden": am.Softmax(1.0), **options})


def linear() -> am.Network:
    """Both layers linear: expm solves it."""
    return am.dense_am(WEIGHTS, hidden=am.Identity(), tau_hidden=TAU)


def closed_form(start: Array, jumps: Array, rows: Array, times: Array) -> Array:
    """Features of `linear` with the rows (J, 4) of an input from each of the jumps on."""
    rate = np.block([[-np.eye(4), WEIGHTS.T], [WEIGHTS / TAU, -np.eye(3) / TAU]])
    edges = np.concatenate([[0.0], jumps[jumps > 0]])
    rest = {}
    x = np.concatenate([start, WEIGHTS @ start])
    found = np.empty((len(times), 4))
    for k, edge in enumerate(edges):
        row = np.searchsorted(jumps, edge, side="right") - 1
        drive = np.zeros(7)
        drive[:4] = rows[row] if row >= 0 else 0.0
        rest[k] = -np.linalg.solve(rate, drive)
        stop = edges[k + 1] if k + 1 < len(edges) else np.inf
        for i in np.flatnonzero((times >= edge) & (times < stop)):
            found[i] = (rest[k] + expm(rate * (times[i] - edge)) @ (x - rest[k]))[:4]
        if np.isfinite(stop):
            x = rest[k] + expm(rate * (stop - edge)) @ (x - rest[k])
    return found


def square(jumps: Array, rows: Array) -> Callable[[float], Array]:
    """A piecewise constant input as a function that nobody knows."""
    held = am.PiecewiseConstant(jumps, rows)
    return lambda t: held(t)


# Values


def test_a_value_holds_from_its_time_on() -> None:
    held = am.PiecewiseConstant([1.0, 2.0], [[3.0, 4.0], [5.0, 6.0]])
    for time, value in (
        (0.0, 0),
        (0.999, 0),
        (1.0, [3, 4]),
        (1.999, [3, 4]),
        (2.0, [5, 6]),
        (9e9, [5, 6]),
    ):
        np.testing.assert_array_equal(held(time), np.broadcast_to(value, 2))


def test_it_owns_its_arrays_and_can_be_pickled() -> None:
    times, values = np.array([0.0, 1.0]), np.array([1.0, 2.0])
    held = am.PiecewiseConstant(times, values)
    times[:], values[:] = 7.0, 7.0
    copy = pickle.loads(pickle.dumps(held))
    for one in (held, copy):
        assert (one.times.tolist(), one.values.tolist()) == ([0.0, 1.0], [1.0, 2.0])
        with pytest.raises(ValueError, match="read-only"):
            one.values[0] = 3.0
    assert held != copy


@pytest.mark.parametrize(
    ("times", "values", "words"),
    [
        ([], [], "one or more"),
        ([1.0, 1.0], [0, 0], "increasing"),
        ([2.0, 1.0], [0, 0], "increasing"),
        ([0.0, np.nan], [0, 0], "finite"),
        ([0.0, np.inf], [0, 0], "finite"),
        ([[0.0]], [0], "1 axis"),
        ([0.0, 1.0], [0.0], "a row for each of the 2 times"),
        (0.0, 1.0, "1 axis"),
        ([0.0], 1.0, "a row for each"),
        ([0.0], [np.nan], "finite"),
        ([0.0], [1j], "complex"),
        ([0.0], ["a"], "text"),
        (np.ma.masked_array([0.0], [True]), [1.0], "masked"),
    ],
)
def test_bad_pieces_are_refused(times: Any, values: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        am.PiecewiseConstant(times, values)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"inputs": am.PiecewiseConstant([0.0], [[1.0, 2.0]])}, r"shape \(2,\).*\(16,\)"),
        ({"inputs": {"nobody": am.PiecewiseConstant([0.0], [1.0])}}, "nobody"),
        ({"breakpoints": [1.0]}, "breakpoints is for inputs that are functions"),
        ({"inputs": 1.0, "max_step": 1.0}, "max_step is for inputs that are functions"),
        ({"inputs": lambda t: 0.0, "breakpoints": [np.nan]}, "breakpoints must be finite"),
        ({"inputs": lambda t: 0.0, "max_step": 0.0}, "max_step must be"),
        ({"inputs": lambda t: 0.0, "solver": am.EventDriven()}, "PiecewiseConstant"),
        ({"inputs": lambda t: 0.0, "solver": am.FixedPoint()}, "last value"),
        (
            {"inputs": am.PiecewiseConstant([0.0], [1.0]), "solver": am.FixedPoint()},
            "last value",
        ),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        am.simulate(memory(), PATTERNS[0], **options)


# Exact where the jumps are known


@every_solver
def test_pieces_of_a_linear_network_have_a_closed_form(solver: Any, error: float) -> None:
    jumps = np.array([-1.0, 0.4, 1.7, 1.7 + 1e-9, 3.0])
    rows, start = RNG.normal(size=(5, 4)), RNG.normal(size=4)
    times = np.array([0.0, 0.1, 0.4, 0.41, 1.7, 2.0, 3.0, 5.0])
    exact = closed_form(start, jumps, rows, times)
    for options in (
        {"inputs": am.PiecewiseConstant(jumps, rows)},
        {"inputs": square(jumps, rows), "breakpoints": jumps},
        {"inputs": square(jumps, rows)},
    ):
        traj = am.simulate(linear(), start, times=times, until=None, solver=solver, **options)
        assert traj.status == "time_limit"
        # Where a jump is not announced its place is found by the error of the steps.
        unknown = 30 if len(options) == 1 else 1
        np.testing.assert_allclose(traj["visible"], exact, rtol=0, atol=error * unknown)


def test_which_side_of_a_jump_a_function_is_closed_on_does_not_matter() -> None:
    ends = []
    for drive in (lambda t: 5.0 * (t >= 0.3), lambda t: 5.0 * (t > 0.3)):
        for point in (0.3, 0.1 + 0.2):
            traj = am.simulate(
                linear(), np.ones(4), inputs=drive, breakpoints=[point], t1=2.0, until=None
            )
            ends.append(traj.final["visible"])
    for end in ends[1:]:
        np.testing.assert_allclose(end, ends[0], rtol=0, atol=1e-12)


@unbounded
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_all_solvers_agree_on_random_pieces(seed: int) -> None:
    rng = np.random.default_rng(seed)
    jumps = np.sort(rng.random(rng.integers(1, 5))) * 6 - 1
    if not (np.diff(jumps) > 1e-3).all():
        return
    hidden = [am.Softmax(1.0), am.Tanh(0.3), am.Sigmoid(2.0)][rng.integers(3)]
    weights = rng.normal(size=(4, 6)) * 0.4
    net = am.dense_am(weights, hidden=hidden, tau_hidden=[0.0, 0.1, 1.0][rng.integers(3)])
    layers = {"visible": 6, "hidden": 4}
    chosen = [name for name in layers if rng.random() < 0.7] or ["visible"]
    batch = (2,) if rng.random() < 0.5 else ()
    inputs = {
        name: am.PiecewiseConstant(jumps, rng.normal(size=(len(jumps), *batch, layers[name])))
        for name in chosen
    }
    cues, times = rng.normal(size=(*batch, 6)), np.linspace(0, 6, 13)
    clamp = rng.random(6) < 0.3
    found = [
        am.simulate(net, cues, inputs=inputs, times=times, until=None, clamp=clamp, solver=solver)
        for solver in (None, am.ScipyODE("DOP853", 1e-9, 1e-11))
    ]
    for name in layers:
        scale = 1 + np.abs(found[1][name]).max()
        np.testing.assert_allclose(found[0][name], found[1][name], rtol=0, atol=2e-5 * scale)
    np.testing.assert_array_equal(
        found[0]["visible"][..., clamp],
        np.broadcast_to(cues, found[0]["visible"].shape)[..., clamp],
    )


def test_cues_have_their_own_inputs_and_batches_change_nothing() -> None:
    rows = 3 * RNG.normal(size=(2, 3, 2, 16))
    held = am.PiecewiseConstant([0.5, 2.0], rows)
    cues = RNG.normal(size=(3, 2, 16))
    traj = am.simulate(memory(), cues, inputs=held, t1=4.0, until=None)
    assert traj["visible"].shape == (len(traj.times), 3, 2, 16)
    one = am.simulate(
        memory(), cues[1, 1], inputs=am.PiecewiseConstant([0.5, 2.0], rows[:, 1, 1]), t1=4.0,
        until=None,
    )  # fmt: skip
    np.testing.assert_allclose(one.final["visible"], traj.final["visible"][1, 1], rtol=0, atol=1e-5)


def test_an_algebraic_layer_jumps_with_its_input() -> None:
    """h = Xi v + b + input: at a jump the record has the value after it."""
    net = memory(tau_hidden=0.0)
    held = am.PiecewiseConstant([1.0], [[1.0, -2.0, 0.5, 3.0]])
    times = np.array([0.5, 1.0, 1.5])
    for solver in (None, "RK45"):
        traj = am.simulate(
            net, PATTERNS[0], inputs={"hidden": held}, times=times, until=None, solver=solver
        )
        expected = traj["visible"] @ PATTERNS.T + np.array([held(t) for t in times])
        np.testing.assert_allclose(traj["hidden"], expected, rtol=0, atol=1e-12)
        energy = [
            net.energy({"visible": v}, {"hidden": held(t)})
            for v, t in zip(traj["visible"], times, strict=True)
        ]
        np.testing.assert_allclose(traj.energy, energy, rtol=1e-12)


@unbounded
def test_a_cue_that_diverges_keeps_its_end_while_others_go_on() -> None:
    """x' = -x + x^2: it goes to infinity from beyond 1."""
    net = am.Network(
        {
            "visible": am.Layer(1, am.Identity()),
            "hidden": am.Layer(1, am.RectifiedPower(3), tau=0.0),
        },
        [am.Dense([[1.0]], between=("hidden", "visible"))],
    )
    held = am.PiecewiseConstant([3.0, 4.0], [[-0.1], [0.0]])
    traj = am.simulate(net, [[0.5], [1.5]], inputs=held, t1=60.0)
    assert traj.statuses.tolist() == ["settled", "diverged"]
    assert traj.settle_times[0] > 4.0
    np.testing.assert_array_equal(traj["visible"][-1], traj.final["visible"])
    alone = am.simulate(net, [0.5], inputs=held, times=traj.times[:-1], t1=60.0)
    np.testing.assert_allclose(traj["visible"][:-1, 0], alone["visible"], rtol=0, atol=1e-6)


# Nothing is stepped over


def test_a_pulse_long_after_rest() -> None:
    def pulse(t: float) -> Array:
        return -20 * PATTERNS[0] * (50 <= t < 60)

    times = np.linspace(0, 60, 121)
    exact = am.simulate(
        memory(), PATTERNS[0], times=times, until=None,
        inputs=am.PiecewiseConstant([50.0, 60.0], [-20 * PATTERNS[0], 0 * PATTERNS[0]]),
        solver=am.ScipyODE("DOP853", 1e-10, 1e-12),
    )["visible"]  # fmt: skip
    assert np.abs(exact - PATTERNS[0]).max() > 21.9
    for solver in (None, "RK45"):
        traj = am.simulate(
            memory(), PATTERNS[0], inputs=pulse, times=times, until=None, solver=solver
        )
        np.testing.assert_allclose(traj["visible"], exact, rtol=0, atol=1e-4)


@settings(max_examples=12, deadline=None)
@example(348)  # the jump is at an output time, where a very short step ends
@given(st.integers(0, 2**32 - 1))
def test_no_pulse_that_an_output_time_sees_is_stepped_over(seed: int) -> None:
    """x' = -x + a in a pulse, however narrow, and however long the rest before: closed form."""
    rng = np.random.default_rng(seed)
    net = am.Network({"x": am.Layer(1, am.Identity(), tau=10 ** rng.uniform(-1, 1))}, [])
    tau = float(np.max(net.layers["x"].tau))
    times = np.unique(rng.uniform(0, 100 * tau, rng.integers(3, 9)))
    seen = times[rng.integers(len(times) - 1)]
    width, size = 10 ** rng.uniform(-2, 1) * tau, 10 ** rng.uniform(0, 2)
    start = seen - width * rng.choice([0.0, rng.random()])
    solver = [None, "RK45"][rng.integers(2)]
    traj = am.simulate(
        net, [0.0], inputs=lambda t: size * (start <= t < start + width), times=times,
        until=None, solver=solver,
    )  # fmt: skip
    on = np.clip(times - max(start, 0.0), 0.0, start + width - max(start, 0.0))
    off = np.clip(times - start - width, 0.0, None)
    exact = size * -np.expm1(-on / tau) * np.exp(-off / tau)
    np.testing.assert_allclose(traj["x"][:, 0], exact, rtol=0, atol=1e-4 * size)


def test_smooth_functions_cost_no_more_than_their_steps() -> None:
    """Looking into steps refuses few of those that are accurate."""
    traj = am.simulate(linear(), np.ones(4), inputs=np.sin, times=[20.0], until=None)
    assert traj.stats["rejected"] < 0.2 * traj.stats["accepted"] < 60


def test_max_step_bounds_the_steps() -> None:
    def pulse(t: float) -> float:
        return 10.0 * (40.0 <= t < 40.05)

    exact = 10 * -np.expm1(-0.05) * np.exp(-0.45)
    net = am.Network({"x": am.Layer(1, am.Identity())}, [])
    for solver in (None, "RK45"):
        traj = am.simulate(
            net, [0.0], inputs=pulse, times=[40.5], max_step=0.1, until=None, solver=solver
        )
        np.testing.assert_allclose(traj["x"][-1], exact, rtol=1e-4)


# Settling


ALL = {**{name: solver for name, (solver, _) in ODE.items()}, "events": am.EventDriven(0.02)}


@pytest.mark.parametrize("solver", ALL.values(), ids=ALL)
def test_nothing_settles_before_the_last_jump(solver: Any) -> None:
    held = am.PiecewiseConstant([30.0], [20 * PATTERNS[1]])
    traj = am.simulate(memory(), PATTERNS[0], inputs=held, solver=solver, until=am.Settled(1e-4))
    assert traj.status == "settled"
    assert 30.0 < traj.settle_times < 60.0
    np.testing.assert_allclose(traj.final["visible"], 21 * PATTERNS[1], rtol=0, atol=0.1)


@pytest.mark.parametrize("solver", [None, "RK45", "LSODA"])
def test_functions_settle_at_t1_or_not_at_all(solver: Any) -> None:
    for late in (10.0, 29.0):
        traj = am.simulate(
            memory(), PATTERNS[0], inputs=lambda t, late=late: 20 * PATTERNS[1] * (t >= late),
            t1=30.0, solver=solver, until=am.Settled(1e-5),
        )  # fmt: skip
        assert traj.times[-1] == 30.0
        assert traj.status == ("settled" if late == 10.0 else "time_limit")
        if traj.status == "settled":
            assert traj.settle_times == 30.0


def test_jumps_beyond_the_end_do_not_count() -> None:
    held = am.PiecewiseConstant([0.0, 100.0], [0 * PATTERNS[0], 20 * PATTERNS[1]])
    traj = am.simulate(memory(), PATTERNS[0], inputs=held, t1=50.0)
    plain = am.simulate(memory(), PATTERNS[0], t1=50.0)
    assert traj.settle_times == plain.settle_times < 50.0
    np.testing.assert_array_equal(traj.final["visible"], plain.final["visible"])


def test_a_proof_is_about_the_last_input() -> None:
    held = am.PiecewiseConstant([2.0, 5.0], [5 * PATTERNS[1], 0.3 * PATTERNS[0]])
    traj = am.simulate(memory(), PATTERNS[0], inputs=held, until=am.Settled(1e-5, certified=True))
    assert traj.stats["distance_bound"] <= 1e-5
    rest = am.simulate(memory(), PATTERNS[1], inputs=0.3 * PATTERNS[0], until=am.Settled(1e-9))
    distance = np.abs(traj.final["visible"] - rest.final["visible"]).max()
    assert distance <= traj.stats["distance_bound"]


# Events


@pytest.mark.parametrize(
    "timing",
    [am.Timing(), am.Timing(delay=0.01, scope="link"), am.Timing(clock=am.Periodic(0.01))],
    ids=["at once", "windows", "clocks"],
)
@pytest.mark.parametrize("hidden", [am.Tanh(1.0), am.ReLU()], ids=["tanh", "relu"])
def test_events_follow_the_ode_through_jumps(hidden: Any, timing: am.Timing) -> None:
    """Errors fall with the quantum; delays and clocks of 0.01 add some of their own."""
    rng = np.random.default_rng(SEED)
    net = am.dense_am(0.3 * rng.normal(size=(4, 6)), hidden=hidden)
    held = am.PiecewiseConstant([0.0, 0.7, 2.0], rng.normal(size=(3, 2, 6)))
    cues, times = rng.normal(size=(2, 6)), np.linspace(0, 4, 9)
    exact = am.simulate(net, cues, inputs=held, times=times, until=None)
    found = am.simulate(
        net, cues, inputs=held, times=times, until=None, solver=am.EventDriven(1e-4, timing)
    )
    error = 5e-4 if timing == am.Timing() else 0.05
    for name in net.layers:
        np.testing.assert_allclose(found[name], exact[name], rtol=0, atol=error)


def test_without_synapses_events_are_exact() -> None:
    """x' = -x + I: only rounding is left, at jumps that are no output times as well."""
    net = am.Network({"x": am.Layer(2, am.Tanh(), tau=[1.0, 0.3])}, [])
    jumps, rows = np.array([0.25, 1.1]), np.array([[1.0, -2.0], [0.5, 3.0]])
    times = np.array([0.1, 0.25, 0.8, 2.0])
    traj = am.simulate(
        net, [0.3, 0.4], inputs=am.PiecewiseConstant(jumps, rows), times=times, until=None,
        solver=am.EventDriven(),
    )  # fmt: skip
    x, exact, tau = np.array([0.3, 0.4]), [], np.array([1.0, 0.3])
    edges, goals = [0.0, *jumps, np.inf], [np.zeros(2), *rows]
    for k, goal in enumerate(goals):
        inside = times[(times >= edges[k]) & (times < edges[k + 1])]
        exact += [goal + (x - goal) * np.exp(-(t - edges[k]) / tau) for t in inside]
        x = goal + (x - goal) * np.exp(-(edges[k + 1] - edges[k]) / tau)
    np.testing.assert_allclose(traj["x"], exact, rtol=0, atol=1e-14)


# Ends of times


@pytest.mark.parametrize("step", [0.1, 0.01, 1 / 3, 0.7])
@pytest.mark.parametrize("solver", [None, "RK45", am.EventDriven()])
def test_sums_of_steps_may_miss_t1_by_rounding(step: float, solver: Any) -> None:
    for count in (3, 30, 97):
        sums, t1 = np.cumsum(np.full(count, step)), step * count
        traj = am.simulate(memory(), PATTERNS[0], times=sums, t1=t1, until=None, solver=solver)
        np.testing.assert_array_equal(traj.times, sums)
        assert traj.status == "time_limit"
    with pytest.raises(ValueError, match="beyond t1"):
        am.simulate(memory(), PATTERNS[0], times=[1.0 + 1e-9], t1=1.0)


def test_numbers_beside_arrays_are_rows() -> None:
    mixed = am.PiecewiseConstant([0.0, 1.0, 2.0], [0.0, [1.0, 2.0], 3.0])
    np.testing.assert_array_equal(mixed.values, [[0, 0], [1, 2], [3, 3]])
    with pytest.raises(ValueError, match="rows of one length"):
        am.PiecewiseConstant([0.0, 1.0], [[1.0, 2.0], [1.0, 2.0, 3.0]])
