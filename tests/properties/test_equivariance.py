"""Results do not depend on the order of memories, signs, the batch, or the solver."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import amsim as am

Array = npt.NDArray[Any]

seeds = st.integers(0, 2**32 - 1)
RTOL, ATOL = 1e-8, 1e-11
METHODS = ["RK45", "DOP853", "Radau", "BDF", "LSODA"]


def solvers_at(rtol: float, atol: float) -> list[Any]:
    scipy = [am.ScipyODE(name, rtol=rtol, atol=atol) for name in METHODS]
    return [am.ExponentialIntegrator(rtol=rtol, atol=atol), *scipy]


SOLVERS = solvers_at(RTOL, ATOL)
EXACT = SOLVERS[0]
UPDATES = [am.FixedPoint(), am.GradientDescent(0.2, 500)]  # which have no times


def name_of(solver: Any) -> str:
    return str(getattr(solver, "method", type(solver).__name__))


every_solver = pytest.mark.parametrize("solver", SOLVERS, ids=name_of)


def reference() -> am.Network:
    """xi[mu, i] = sin(1 + 2 mu + 3 i + mu i), softmax memories at beta = 2."""
    mu, i = np.arange(4)[:, None], np.arange(5)
    return am.dense_am(np.sin(1 + 2 * mu + 3 * i + mu * i), hidden=am.Softmax(2.0))


def three_layers() -> am.Network:
    """Every layer has a tau array where that is allowed."""
    rng = np.random.default_rng(1)
    return am.Network(
        layers={
            "visible": am.Layer(5, am.Identity(), tau=[0.3, 0.5, 1.0, 2.0, 3.0], bias=0.1),
            "middle": am.Layer(4, am.Tanh(1.5), tau=[0.05, 0.1, 0.2, 0.4]),
            "top": am.Layer(3, am.Softmax(2.0), tau=0.8, leak=0.5, bias=[0.2, 0.0, -0.2]),
        },
        synapses=[
            am.Dense(rng.normal(size=(4, 5)) / 2, between=("middle", "visible")),
            am.Dense(rng.normal(size=(3, 4)) / 2, between=("top", "middle")),
        ],
    )


def cues(net: am.Network, count: int) -> dict[str, Array]:
    rng = np.random.default_rng(2)
    return {name: rng.normal(size=(count, *x.shape)) for name, x in net.dynamic.items()}


def tolerance(traj: am.Trajectory, solver: Any, name: str) -> float:
    """Error of one layer that the solver's tolerances allow.

    Ours holds at every output time, relative to the layer. SciPy's hold for one step, for the root
    mean square over all units of the batch: the errors of all steps may add up in one unit.
    """
    error = RTOL * float(np.abs(traj[name]).max()) + ATOL
    if solver is EXACT:
        return error
    units = sum(x[0].size for x in traj.values())
    return float(error * np.sqrt(units) * traj.stats["accepted"])


# Symmetries


@settings(deadline=None, max_examples=10)
@given(seed=seeds, beta=st.floats(0.5, 8.0), tau=st.sampled_from([0.0, 0.1, 2.0]))
def test_permuted_memories_permute_their_units_and_nothing_else(
    seed: int, beta: float, tau: float
) -> None:
    rng = np.random.default_rng(seed)
    xi, v, h = rng.normal(size=(6, 4)), rng.normal(size=(2, 4)), rng.normal(size=(2, 6))
    bias, order, times = rng.normal(size=6), rng.permutation(6), [0.0, 0.1, 1.0, 10.0]

    def run(rows: Array) -> am.Trajectory:
        net = am.dense_am(xi[rows], hidden=am.Softmax(beta), tau_hidden=tau, bias_hidden=bias[rows])
        start = {"visible": v, "hidden": h[:, rows]}
        return am.simulate(net, start, times=times, until=None, solver=EXACT)

    plain, permuted = run(np.arange(6)), run(order)
    for name, expected in (("visible", plain["visible"]), ("hidden", plain["hidden"][..., order])):
        error = 2 * tolerance(plain, EXACT, name)
        np.testing.assert_allclose(permuted[name], expected, rtol=0, atol=error)


@pytest.mark.parametrize("solver", [None, UPDATES[1]], ids=["default", "descent"])
@pytest.mark.parametrize("visible", [am.Identity(), am.Tanh(1.5)], ids=repr)
@pytest.mark.parametrize("tau_hidden", [0.0, 0.3])
@settings(deadline=None, max_examples=5)
@given(seed=seeds, unit=st.integers(0, 4))
def test_the_sign_of_a_feature_carries_through(
    solver: Any, visible: am.Lagrangian, tau_hidden: float, seed: int, unit: int
) -> None:
    """Flipped in all patterns, biases and cues it flips in the result, to the last bit."""
    rng = np.random.default_rng(seed)
    xi, bias, v = rng.normal(size=(6, 5)), rng.normal(size=5), rng.normal(size=(3, 5))
    sign = np.ones(5)
    sign[unit] = -1.0

    def run(sign: Array) -> am.Trajectory:
        net = am.dense_am(
            sign * xi,
            visible=visible,
            hidden=am.Softmax(2.0),
            bias_visible=sign * bias,
            tau_visible=[0.5, 1.0, 1.5, 2.0, 2.5],
            tau_hidden=tau_hidden,
        )
        return am.simulate(net, sign * v, t1=5.0, solver=solver)

    plain, flipped = run(np.ones(5)), run(sign)
    np.testing.assert_array_equal(flipped.times, plain.times)
    np.testing.assert_array_equal(flipped["visible"], sign * plain["visible"])
    np.testing.assert_array_equal(flipped["hidden"], plain["hidden"])
    np.testing.assert_array_equal(flipped.energy, plain.energy)


@pytest.mark.parametrize("dtype", [np.int8, np.float32])
def test_the_type_of_the_patterns_does_not_matter(dtype: type) -> None:
    patterns = am.patterns.random(20, 16, seed=0)
    start = am.patterns.corrupt(patterns[:4], flip=0.2, seed=1)
    wide, narrow = (
        am.simulate(
            am.dense_am(xi, hidden=am.Softmax(1.0)), start, times=[0.0, 0.3, 3.0], until=None,
            solver=EXACT,
        )
        for xi in (patterns, patterns.astype(dtype))
    )  # fmt: skip
    for name in wide:
        error = 2 * tolerance(wide, EXACT, name)
        np.testing.assert_allclose(narrow[name], wide[name], rtol=0, atol=error)


def test_time_constants_set_the_unit_of_time() -> None:
    """All tau times c: the same states at times c t."""
    xi = np.random.default_rng(3).normal(size=(4, 3))
    start, times = np.array([0.5, -1.0, 2.0]), np.array([0.0, 0.2, 1.0, 5.0])

    def run(c: float) -> am.Trajectory:
        net = am.dense_am(xi, tau_visible=[c, 2 * c, 3 * c], tau_hidden=0.4 * c)
        return am.simulate(net, start, times=c * times, until=None, solver=EXACT)

    plain, slow = run(1.0), run(1000.0)
    for name in plain:
        error = 2 * tolerance(plain, EXACT, name)
        np.testing.assert_allclose(slow[name], plain[name], rtol=0, atol=error)


# The batch


@every_solver
@pytest.mark.parametrize("build", [reference, three_layers])
def test_a_batch_equals_its_cues_one_by_one(build: Any, solver: Any) -> None:
    net = build()
    states, times = cues(net, 2), [0.0, 0.1, 1.0, 3.0]
    together = am.simulate(net, states, times=times, until=None, solver=solver)
    assert together.energy.shape == (4, 2)
    for cue in range(2) if solver is EXACT else [1]:
        own = {name: x[cue] for name, x in states.items()}
        alone = am.simulate(net, own, times=times, until=None, solver=solver)
        for name in net.layers:
            error = tolerance(together, solver, name) + tolerance(alone, solver, name)
            np.testing.assert_allclose(together[name][:, cue], alone[name], rtol=0, atol=error)


@pytest.mark.parametrize("build", [reference, three_layers])
def test_a_batch_settles_like_its_cues_one_by_one(build: Any) -> None:
    """Two states of residual 1e-8 near one attractor; and each cue keeps its own clock."""
    net = build()
    states, until = cues(net, 5), am.Settled(1e-8)
    together = am.simulate(net, states, until=until, t1=500.0)
    assert together.status == "settled"
    for cue in range(5):
        own = {name: x[cue] for name, x in states.items()}
        alone = am.simulate(net, own, until=until, t1=500.0)
        assert alone.status == together.statuses[cue] == "settled"
        assert together.settle_times[cue] == pytest.approx(alone.settle_times, rel=0.05)
        # A residual r leaves the state within |J^-1 T^-1| r of rest, in each of the two runs.
        rest = {name: x for name, x in alone.final.items() if name in net.dynamic}
        tau = np.concatenate([np.ravel(layer.tau) for layer in net.dynamic.values()])
        reach = np.abs(np.linalg.inv(net.jacobian(rest) * tau[:, None])).sum(axis=1)
        difference = net.pack({n: together.final[n][cue] for n in net.dynamic}) - net.pack(rest)
        assert (np.abs(difference) <= 2.1 * 1e-8 * reach).all()


@pytest.mark.parametrize("solver", UPDATES, ids=name_of)
def test_updates_of_a_batch_equal_those_one_by_one(solver: Any) -> None:
    net = reference()
    starts = cues(net, 4)["visible"]
    together = am.simulate(net, starts, solver=solver)
    assert together.status == "settled"
    for cue in range(4):
        alone = am.simulate(net, starts[cue], solver=solver)
        assert together.settle_times[cue] == alone.settle_times
        final = together.final["visible"][cue]
        np.testing.assert_allclose(final, alone.final["visible"], rtol=1e-12, atol=1e-14)


def pick(value: Any, cue: int) -> Any:
    """The part of one cue, of an array (B, ...) or a function returning one."""
    return (lambda t: value(t)[cue]) if callable(value) else value[cue]


AMPLITUDE = np.array([[0.0], [1.0], [-2.0]])
INPUTS: dict[str, Mapping[str, Any]] = {
    "constant": {"visible": AMPLITUDE * np.linspace(-1, 1, 5)},
    "constant for both layers": {
        "visible": AMPLITUDE * np.linspace(-1, 1, 5),
        "hidden": AMPLITUDE * np.array([1.0, 0.0, -1.0, 0.5]),
    },
    "driven": {"visible": lambda t: AMPLITUDE * np.sin(t + np.arange(5))},
    "driven and constant": {
        "visible": lambda t: np.ones((3, 1)) * np.sin(t + np.arange(5)),
        "hidden": AMPLITUDE * np.array([1.0, 0.0, -1.0, 0.5]),
    },
}


@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("solver", [EXACT, SOLVERS[2]], ids=["exponential", "DOP853"])
def test_every_cue_has_its_own_inputs_and_clamps(solver: Any, inputs: Mapping[str, Any]) -> None:
    """Of the first cue nothing is clamped."""
    net, times = reference(), [0.0, 0.5, 2.0, 5.0]
    states = cues(net, 3)
    masks = np.eye(3, 5, -1, dtype=bool)
    together = am.simulate(
        net, states, times=times, until=None, solver=solver, inputs=inputs, clamp=masks
    )
    for cue in range(3):
        alone = am.simulate(
            net,
            {name: x[cue] for name, x in states.items()},
            times=times,
            until=None,
            solver=solver,
            inputs={name: pick(value, cue) for name, value in inputs.items()},
            clamp=masks[cue],
        )
        for name in net.layers:
            error = tolerance(together, solver, name) + tolerance(alone, solver, name)
            np.testing.assert_allclose(together[name][:, cue], alone[name], rtol=0, atol=error)
        np.testing.assert_allclose(together.energy[:, cue], alone.energy, rtol=1e-6, atol=1e-6)


def test_a_batch_driven_by_a_function_goes_on_to_its_end() -> None:
    """What the function does later nobody knows, also where one cue rests from the start."""
    net = reference()
    states = {"visible": np.stack([np.zeros(5), np.ones(5), -np.ones(5)])}
    rest = am.simulate(net, states["visible"][0], until=am.Settled(1e-9)).final["visible"]
    states["visible"][0] = rest

    def fading(t: float) -> Array:
        return AMPLITUDE * np.exp(-t) * np.ones(5)

    traj = am.simulate(net, states["visible"], inputs=fading, t1=100.0)
    assert traj.statuses.tolist() == ["settled"] * 3
    assert traj.settle_times.tolist() == [100.0] * 3
    np.testing.assert_allclose(traj.final["visible"][0], rest, rtol=0, atol=1e-5)


# The solver


@cache
def truth_of(build: Any) -> am.Trajectory:
    return by_solver(build(), am.ScipyODE("DOP853", rtol=1e-12, atol=1e-14))


def by_solver(net: am.Network, solver: Any) -> am.Trajectory:
    times = [0.0, 0.05, 0.5, 2.0, 10.0, 30.0]
    return am.simulate(net, cues(net, 2), times=times, until=None, solver=solver)


@every_solver
@pytest.mark.parametrize("build", [reference, three_layers])
def test_all_solvers_agree(build: Any, solver: Any) -> None:
    """Each is within its tolerance of DOP853 at rtol = 1e-12."""
    truth, traj = truth_of(build), by_solver(build(), solver)
    for name in truth:
        worst = np.abs(traj[name] - truth[name]).max()
        assert worst <= tolerance(traj, solver, name), name


def slow_networks() -> list[tuple[am.Network, Array]]:
    """Networks with slow modes, a batch of starts each."""
    found = []
    for seed in (0, 1, 5):
        rng = np.random.default_rng(seed)
        xi, start = rng.normal(size=(6, 5)), rng.normal(size=(5, 5))
        for tau in (1.0, [0.05, 0.1, 0.5, 1.0, 3.0]):
            found.append((am.dense_am(xi, hidden=am.Softmax(1.0), tau_visible=tau), start))
    return found


slow = pytest.mark.parametrize("case", range(6))


@cache
def by_tight_steps(case: int) -> am.Trajectory:
    """Often while it moves, and long after."""
    net, start = slow_networks()[case]
    times = [*np.linspace(0.5, 300.0, 600), 500.0, 700.0, 1000.0]
    tight = am.ScipyODE("LSODA", rtol=1e-11, atol=1e-13)
    return am.simulate(net, start, times=times, until=None, solver=tight)


@slow
def test_a_network_at_rest_stays_there(case: int) -> None:
    """Long after, the error is still below the default rtol max |x| + atol."""
    (net, start), truth = slow_networks()[case], by_tight_steps(case)
    late = {name: truth[name][truth.times >= 300.0] for name in net.layers}
    assert np.abs(net.pack(net.force({n: late[n][0] for n in net.dynamic}))).max() < 1e-8
    traj = am.simulate(net, start, times=[300.0, 500.0, 700.0, 1000.0], until=None)
    for name in net.layers:
        allowed = 1e-6 * np.abs(late[name]).max(axis=(0, 2)) + 1e-9
        assert (np.abs(traj[name] - late[name]).max(axis=-1) <= allowed).all(), name


@slow
def test_a_network_that_comes_to_rest_is_found_settled(case: int) -> None:
    """At most three times later than by tight steps, since steps at rest are long."""
    (net, start), truth = slow_networks()[case], by_tight_steps(case)
    moving = np.abs(net.pack(net.force({n: truth[n] for n in net.dynamic}))).max(axis=(1, 2)) > 1e-8
    rest = truth.times[int(np.flatnonzero(moving)[-1]) + 1]
    traj = am.simulate(net, start, until=am.Settled(1e-8), t1=3 * float(rest))
    assert traj.status == "settled"


@pytest.mark.parametrize("solver", [*solvers_at(1e-9, 1e-12), UPDATES[1]], ids=name_of)
def test_all_solvers_settle_in_the_same_place(solver: Any) -> None:
    net = reference()
    start = np.cos(np.arange(5))
    traj = am.simulate(net, start, solver=solver, until=am.Settled(1e-8))
    point = am.simulate(net, start, solver=am.FixedPoint(), until=am.Settled(1e-13))
    assert traj.status == point.status == "settled"
    rest = {name: point.final[name] for name in net.dynamic}
    tau = np.concatenate([np.ravel(layer.tau) for layer in net.dynamic.values()])
    reach = np.abs(np.linalg.inv(net.jacobian(rest) * tau[:, None])).sum(axis=1)
    difference = net.pack(dict(traj.final)) - net.pack(rest)
    assert (np.abs(difference) <= 1.1e-8 * reach).all()
