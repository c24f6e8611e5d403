"""The exponential integrator against closed forms, other code paths and tight references."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from scipy.special import softmax

import amsim as am
from amsim.dynamics import run as general_path
from amsim.dynamics.problem import Problem
from amsim.dynamics.two_layer import TwoLayerRun

Array = npt.NDArray[Any]

# Tight tolerances, and such that only what is integrated exactly can come out exact.
TIGHT = am.ExponentialIntegrator(rtol=1e-10, atol=1e-12)
LOOSE = am.ExponentialIntegrator(rtol=1e-3, atol=1e-3)
TIMES = np.array([0.0, 1e-4, 0.01, 0.3, 1.0, 2.5, 10.0])

steep = pytest.mark.filterwarnings("ignore::amsim.errors.GuaranteeWarning")


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the compiled path was taken, one entry per run."""
    taken: list[bool] = []
    applies = TwoLayerRun.applies

    def watched(problem: Problem) -> bool:
        taken.append(applies(problem))
        return taken[-1]

    monkeypatch.setattr(TwoLayerRun, "applies", staticmethod(watched))
    return taken


@pytest.fixture
def precisions(monkeypatch: pytest.MonkeyPatch) -> list[type]:
    """Precision of the products that steps took: float32, if so, comes before float64."""
    taken: list[type] = []
    steps_of_all = TwoLayerRun.steps_of_all

    def watched(self: TwoLayerRun, count: int) -> int:
        precision = (self.narrow if self.single else self.wide).query.dtype.type
        if taken[-1:] != [precision]:
            taken.append(precision)
        return steps_of_all(self, count)

    monkeypatch.setattr(TwoLayerRun, "steps_of_all", watched)
    return taken


def on_general_path(run: Callable[[], am.Trajectory]) -> am.Trajectory:
    """The same run with all states, forces evaluated in NumPy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TwoLayerRun, "applies", staticmethod(lambda problem: False))
        return run()


def residuals(net: am.Network, traj: am.Trajectory) -> Array:
    """Largest |tau dx/dt| of each cue in its final state."""
    forces = net.force({name: traj.final[name] for name in net.dynamic}).items()
    batch = traj.statuses.shape
    parts = [np.abs(force).reshape(*batch, -1).max(axis=-1) for _, force in forces]
    return np.asarray(np.max(parts, axis=0))


def check_settled(net: am.Network, traj: am.Trajectory, limit: float = 1e-6) -> None:
    """Every cue that says "settled" is at rest within `limit`; forces round at 1e-13."""
    settled = traj.statuses == "settled"
    assert (residuals(net, traj)[settled] <= limit + 1e-13).all(), residuals(net, traj)
    assert np.array_equal(np.isfinite(traj.settle_times), settled)


# Closed forms


def test_leak_and_bias_are_exact() -> None:
    """x = b + (x0 - b) exp(-leak t / tau) at any tolerance."""
    tau, bias, leak = np.array([1e-3, 0.1, 0.1, 7.0]), np.array([0.5, -1.0, 0.0, 2.0]), 0.8
    net = am.Network({"x": am.Layer(4, am.Identity(), tau=tau, bias=bias, leak=leak)}, [])
    start = np.array([[1.0, 2.0, -3.0, 4.0], [0.0, 1e3, 1.0, -1.0]])
    traj = am.simulate(net, start, times=TIMES, until=None, solver=LOOSE)
    expected = bias + (start - bias) * np.exp(-leak * TIMES[:, None, None] / tau)
    np.testing.assert_allclose(traj["x"], expected, rtol=1e-12, atol=1e-12)


TAUS_NEAR_ONE = [1e-3, 0.1, 1.0, 1.0 - 1e-9, 1.0 + 1e-9, 1.0 + 1e-6, 1.0 - 1e-5, 1.0 + 1e-3, 3.0]


@pytest.mark.parametrize("given", [False, True], ids=["algebraic start", "hidden given"])
@pytest.mark.parametrize("tau", [0.0, *TAUS_NEAR_ONE])
def test_a_single_memory_attracts_exactly(tau: float, given: bool, compiled: list[bool]) -> None:
    """p = 1 always: v = xi + (v0 - xi) e^-t, and h is its convolution, at any tolerance.

    tau h' = xi.v + b - h gives, with d = xi.(v0 - xi) and c = |xi|^2 + b,
    h = c + (h0 - c) e^(-t/tau) + d (e^-t - e^(-t/tau)) / (1 - tau).
    """
    xi, start, bias, t = np.array([0.5, -1.0, 2.0]), np.array([3.0, 1.0, -1.0]), 0.7, TIMES
    net = am.dense_am(xi[None], hidden=am.Softmax(2.0), tau_hidden=tau, bias_hidden=bias)
    states = {"visible": start, **({"hidden": np.array([-4.0])} if given else {})}
    traj = am.simulate(net, states, times=t, until=None, solver=LOOSE)
    assert compiled == [True]
    v = xi + (start - xi) * np.exp(-t)[:, None]
    np.testing.assert_allclose(traj["visible"], v, rtol=1e-12, atol=1e-12)
    if tau == 0.0:
        np.testing.assert_allclose(traj["hidden"][:, 0], v @ xi + bias, rtol=1e-12)
        return
    c, d, rate = xi @ xi + bias, xi @ (start - xi), 1.0 / tau
    h0 = -4.0 if given else xi @ start + bias
    x = (1.0 - tau) / tau * t
    share = np.divide(-np.expm1(-x), x, out=np.ones_like(x), where=x != 0)
    convolved = rate * t * np.exp(-t) * share
    h = c + (h0 - c) * np.exp(-rate * t) + d * convolved
    # The compiled weights of nearly equal rates are good to 1e-8.
    np.testing.assert_allclose(traj["hidden"][:, 0], h, rtol=0, atol=1e-8 * np.abs(h).max())
    np.testing.assert_allclose(traj["hidden"][0, 0], h0, rtol=1e-14)


LINEAR = 0.3 * np.random.default_rng(0).normal(size=(4, 3))


def linear_solution(
    weights: Array, taus: tuple[Any, Any], biases: tuple[Array, Array], start: Array, times: Array
) -> Array:
    """(v, h) of tau_v v' = W^T h + a - v, tau_h h' = W v + b - h, by the matrix exponential."""
    count, units = weights.shape
    tau = np.concatenate([np.broadcast_to(taus[0], units), np.broadcast_to(taus[1], count)])
    matrix = np.block([[-np.eye(units), weights.T], [weights, -np.eye(count)]]) / tau[:, None]
    rest = np.linalg.solve(matrix, -np.concatenate(biases) / tau)
    return np.array([rest + expm(matrix * t) @ (start - rest) for t in times])


@pytest.mark.parametrize(("rtol", "solver"), [(1e-6, None), (1e-10, TIGHT)])
@pytest.mark.parametrize("similarity", ["dot", "euclidean"])
@pytest.mark.parametrize("tau_visible", [1.0, [0.05, 1.0, 3.0]], ids=["even", "uneven"])
@pytest.mark.parametrize("tau_hidden", [0.01, 0.3, 1.0, 1.0 + 1e-7, 5.0])
def test_linear_layers_follow_the_matrix_exponential(
    tau_hidden: float, tau_visible: Any, similarity: Any, rtol: float, solver: Any,
    compiled: list[bool],
) -> None:  # fmt: skip
    a, b = np.array([0.5, 0.0, -1.0]), np.array([1.0, -2.0, 0.3, 0.0])
    net = am.dense_am(
        LINEAR, hidden=am.Identity(), tau_visible=tau_visible, tau_hidden=tau_hidden,
        bias_visible=a, bias_hidden=b, similarity=similarity,
    )  # fmt: skip
    if similarity == "euclidean":
        b = b - np.sum(LINEAR**2, axis=1) / 2
    v, h = np.array([2.0, -1.0, 0.0]), np.array([0.0, 3.0, -1.0, 0.5])
    for hidden in (None, h):
        given = {"visible": v} if hidden is None else {"visible": v, "hidden": hidden}
        traj = am.simulate(net, given, times=TIMES, until=None, solver=solver)
        start = np.concatenate([v, LINEAR @ v + b if hidden is None else hidden])
        exact = linear_solution(LINEAR, (tau_visible, tau_hidden), (a, b), start, TIMES)
        for name, part in (("visible", exact[:, :3]), ("hidden", exact[:, 3:])):
            error = np.abs(traj[name] - part).max()
            # Local errors add up in the slowest mode, of rate (1 - 0.67^2).
            assert error <= 3 * rtol * np.abs(part).max(), name
    assert compiled == [True, True]


def test_memories_may_stand_in_either_slot(compiled: list[bool]) -> None:
    """With a cue for what is then the layer of memories; the features start algebraically."""
    a, b = np.array([0.5, 0.0, -1.0]), np.array([1.0, -2.0, 0.3, 0.0])
    net = am.Network(
        {
            "visible": am.Layer(3, am.Identity(), bias=a),
            "hidden": am.Layer(4, am.Identity(), tau=0.2, bias=b),
        },
        [am.Dense(LINEAR.T, between=("visible", "hidden"))],
    )
    v = np.array([2.0, -1.0, 0.0])
    traj = am.simulate(net, v, times=TIMES, until=None, solver=TIGHT)
    exact = linear_solution(LINEAR, (1.0, 0.2), (a, b), np.concatenate([v, LINEAR @ v + b]), TIMES)
    np.testing.assert_allclose(traj["visible"], exact[:, :3], rtol=0, atol=1e-9)
    np.testing.assert_allclose(traj["hidden"], exact[:, 3:], rtol=0, atol=1e-9)
    assert compiled == [True]


def test_algebraic_linear_memories() -> None:
    net = am.dense_am(LINEAR, hidden=am.Identity(), tau_hidden=0.0)
    v = np.array([2.0, -1.0, 0.0])
    traj = am.simulate(net, v, times=TIMES, until=None, solver=TIGHT)
    matrix = LINEAR.T @ LINEAR - np.eye(3)
    exact = np.array([expm(matrix * t) @ v for t in TIMES])
    np.testing.assert_allclose(traj["visible"], exact, rtol=0, atol=1e-9)
    np.testing.assert_allclose(traj["hidden"], exact @ LINEAR.T, rtol=0, atol=1e-9)


# The compiled path against the general one


HIDDEN = [
    am.Softmax(1.5),
    am.Entmax(1.3, 2.0),
    am.Entmax(1.5),
    am.Entmax(2.0),
    am.Tanh(1.5),
    am.Sigmoid(2.0),
    am.ReLU(),
    am.RectifiedPower(3),
    am.RectifiedPower(2.5),
    am.Exponential(0.5),
    am.Identity(),
]


@steep
@pytest.mark.parametrize("weights", ["float64", "int8"])
@pytest.mark.parametrize("tau", [0.0, 0.05, 1.0])
@pytest.mark.parametrize("hidden", HIDDEN, ids=repr)
def test_compiled_path_equals_the_general_one(
    hidden: am.Lagrangian, tau: float, weights: str, compiled: list[bool]
) -> None:
    """Five cues (a group of four and one), memory states given, biases, inputs, clamps.

    The memories stay on one side of 0, where some activations have a kink.
    """
    rng = np.random.default_rng(1)
    xi, times = 0.15 * rng.normal(size=(7, 5)), [0.0, 0.02, 0.1, 0.5]
    if weights == "int8":
        xi, times = np.eye(7, 5, dtype=np.int8) - np.eye(7, 5, 2, dtype=np.int8), [0.0, 0.02, 0.15]
    bias = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0])
    net = am.dense_am(
        xi, hidden=hidden, tau_hidden=tau, tau_visible=[0.5, 0.5, 1.0, 2.0, 2.0],
        bias_visible=0.1 * rng.normal(size=5), bias_hidden=bias,
    )  # fmt: skip
    states = {"visible": 0.1 * rng.normal(size=(5, 5))}
    if tau:
        states["hidden"] = bias + rng.uniform(-0.2, 0.2, size=(5, 7))

    def run() -> am.Trajectory:
        return am.simulate(
            net, states, times=times, until=None, solver=TIGHT, clamp=np.eye(5, dtype=bool),
            inputs=np.array([0.1, 0.0, -0.2, 0.3, 0.0]),
        )  # fmt: skip

    fast, slow = run(), on_general_path(run)
    assert compiled == [True]
    assert (slow["hidden"] * bias > 0).all()
    for name in net.layers:
        error = 2 * (1e-10 * np.abs(slow[name]).max() + 1e-12)
        np.testing.assert_allclose(fast[name], slow[name], rtol=0, atol=error)
        np.testing.assert_allclose(fast.final[name], slow.final[name], rtol=0, atol=error)
    np.testing.assert_allclose(fast.energy, slow.energy, rtol=1e-8, atol=1e-8)


def test_states_of_memories_may_be_given_at_rest_for_some_cues_only() -> None:
    """Groups of cues whose memories start at their bias, and groups whose do not, in one batch."""
    xi = am.patterns.random(7, 12, seed=0)
    net = am.dense_am(xi, hidden=am.Softmax(0.5), tau_hidden=0.4, bias_hidden=0.2)
    hidden = np.full((40, 7), 0.2)
    hidden[20:24] = np.random.default_rng(0).normal(size=(4, 7))
    states = {"visible": np.random.default_rng(1).normal(size=(40, 12)), "hidden": hidden}

    def run() -> am.Trajectory:
        return am.simulate(net, states, times=[0.0, 0.1, 1.0, 2.0], until=None, solver=TIGHT)

    fast, slow = run(), on_general_path(run)
    np.testing.assert_allclose(fast["hidden"][0], hidden, rtol=0, atol=1e-14)
    for name in net.layers:
        error = 2 * (1e-10 * np.abs(slow[name]).max() + 1e-12)
        np.testing.assert_allclose(fast[name], slow[name], rtol=0, atol=error)


NOT_COMPILED: dict[str, dict[str, Any]] = {
    "nonlinear features": {"visible": am.Tanh()},
    "uneven memories": {"hidden": am.Tanh(), "tau_hidden": [0.1, 0.1, 0.1, 0.2]},
    "no code for the memories": {"hidden": am.Spherical(eps=0.1)},
}


@pytest.mark.parametrize("settings", NOT_COMPILED.values(), ids=NOT_COMPILED)
def test_other_networks_take_the_general_path(
    settings: dict[str, Any], compiled: list[bool]
) -> None:
    net = am.dense_am(LINEAR, **settings)
    traj = am.simulate(net, np.ones(3), times=TIMES, until=None)
    assert compiled == [False]
    tight = am.ScipyODE("DOP853", rtol=1e-11, atol=1e-13)
    truth = am.simulate(net, np.ones(3), times=TIMES, until=None, solver=tight)
    for name in net.layers:
        error = 1e-6 * np.abs(truth[name]).max() + 1e-9
        np.testing.assert_allclose(traj[name], truth[name], rtol=0, atol=error)


# Accuracy


def half_state_solution(
    xi: Array, beta: float, tau: float, start: Array, times: Array
) -> tuple[Array, Array]:
    """v and h = Xi y of  v' = Xi^T softmax(beta Xi y) - v,  tau y' = v - y,  by DOP853."""
    weights, units = np.asarray(xi, np.float64), xi.shape[1]

    def velocity(_: float, state: Array) -> Array:
        v, y = state[:units], state[units:]
        return np.concatenate([weights.T @ softmax(beta * (weights @ y)) - v, (v - y) / tau])

    both = np.concatenate([start, start])
    found = solve_ivp(velocity, (0, times[-1]), both, "DOP853", times, rtol=1e-12, atol=1e-13)
    assert found.success
    return found.y[:units].T, found.y[units:].T @ weights.T


def memories(kind: str, count: int, units: int) -> Array:
    if kind == "int8":
        return am.patterns.random(count, units, seed=1)
    xi = np.random.default_rng(0).uniform(-1.7, 1.7, size=(count, units))
    return xi.astype(np.float32) if kind == "float32" else xi


# Sizes and beta of memories between which the state hesitates; the last has float32 products.
SIZES = [(64, 10, 0.1), (64, 100, 0.1), (256, 400, 0.05)]
# Every tau with memories of bytes, and every type of them with one tau.
KINDS = [*((tau, "int8") for tau in (1.0, 0.1, 0.01, 0.001)), (0.1, "float64"), (0.1, "float32")]


@pytest.mark.parametrize(("tau", "kind"), KINDS)
@pytest.mark.parametrize(("units", "count", "beta"), SIZES)
def test_default_tolerance_is_kept_in_few_steps(
    tau: float, units: int, count: int, beta: float, kind: str, precisions: list[type]
) -> None:
    xi = memories(kind, count, units)
    start = am.patterns.corrupt(np.asarray(xi[0], np.float64), flip=0.2, seed=2)
    times = np.concatenate([[0.0], np.geomspace(1e-3, 6.0, 40)])
    net = am.dense_am(xi, hidden=am.Softmax(beta), tau_hidden=tau)
    traj = am.simulate(net, start, times=times, until=None)
    assert traj.stats["rhs"] <= 80
    single = units == 256 and kind != "float64"
    assert precisions == [np.float32 if single else np.float64]
    if tau < 0.01:  # the reference takes steps of this size
        times = times[times < 2.0]
    truth = dict(zip(net.layers, half_state_solution(xi, beta, tau, start, times), strict=True))
    for name, exact in truth.items():
        error = np.abs(traj[name][: len(times)] - exact).max()
        assert error <= 3e-6 * np.abs(exact).max(), name


@pytest.mark.parametrize(
    ("rtol", "count", "precision"),
    [(1e-5, 1000, np.float32), (9e-6, 1000, np.float64), (1e-5, 700, np.float64)],
)
def test_medium_networks_have_float32_products_at_larger_tolerances(
    rtol: float, count: int, precision: type, precisions: list[type]
) -> None:
    """From 50 000 weights on; logits up to 48, of memories some of which are alike."""
    xi = am.patterns.digits(count, seed=0)
    start = am.patterns.corrupt(xi[0], flip=0.25, seed=1)
    times = np.concatenate([[0.0], np.geomspace(1e-3, 6.0, 40)])
    net = am.dense_am(xi, hidden=am.Softmax(0.75), tau_hidden=0.1)
    solver = am.ExponentialIntegrator(rtol)
    traj = am.simulate(net, start, times=times, until=None, solver=solver)
    assert precisions == [precision]
    exact, _ = half_state_solution(xi, 0.75, 0.1, start, times)
    assert np.abs(traj["visible"] - exact).max() <= 3 * rtol * np.abs(exact).max()


@pytest.mark.parametrize("units", [256, 784])
def test_float32_products_keep_the_tolerance_between_similar_memories(units: int) -> None:
    """Pairs of memories that differ in two units: large logits whose small difference matters."""
    half = am.patterns.random(500, units, seed=1)
    other = half.copy()
    other[:, :2] *= -1
    xi = np.concatenate([half, other])
    start = half[0].copy()
    start[:2] *= 0.3
    start[2 : units // 8] *= -1
    times, beta = np.concatenate([[0.0], np.geomspace(1e-3, 6.0, 40)]), 0.8
    net = am.dense_am(xi, hidden=am.Softmax(beta), tau_hidden=0.1)
    traj = am.simulate(net, start, times=times, until=None)
    exact, _ = half_state_solution(xi, beta, 0.1, start, times)
    assert np.abs(traj["visible"] - exact).max() <= 3e-6 * np.abs(exact).max()
    assert traj.stats["rhs"] <= 80


@pytest.mark.parametrize(("begin", "precision"), [(0.0, np.float32), (0.1, np.float64)])
def test_memories_that_begin_at_their_bias_are_as_large_as_features_make_them(
    begin: float, precision: type, precisions: list[type]
) -> None:
    """Others have what is left of their start besides: logits up to 77 in place of 38."""
    xi = am.patterns.random(400, 256, seed=1)
    net = am.dense_am(xi, hidden=am.Softmax(0.15), tau_hidden=0.1)
    cue = am.patterns.corrupt(xi[0], flip=0.25, seed=2)
    start = {"visible": cue, "hidden": np.full(400, begin)}
    times = np.array([0.0, 0.1, 1.0, 4.0])
    traj = am.simulate(net, start, times=times, until=None)
    assert precisions == [precision]
    tight = am.ScipyODE("DOP853", rtol=1e-12, atol=1e-13)
    truth = am.simulate(net, start, times=times, until=None, solver=tight)
    for name in net.layers:
        assert np.abs(traj[name] - truth[name]).max() <= 3e-6 * np.abs(truth[name]).max()


@pytest.mark.parametrize("seed", range(2))
def test_default_tolerance_is_kept_across_kinks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    xi = 0.4 * rng.normal(size=(20, 10))
    xi /= 1.1 * np.linalg.norm(xi, 2)
    net = am.dense_am(xi, hidden=am.ReLU(), tau_hidden=1.0, bias_visible=rng.normal(size=10))
    start, times = rng.normal(size=(3, 10)), np.linspace(0.0, 8.0, 33)
    traj = am.simulate(net, start, times=times, until=None)
    tight = am.ScipyODE("DOP853", rtol=1e-12, atol=1e-13)
    truth = am.simulate(net, start, times=times, until=None, solver=tight)
    assert (np.sign(truth["hidden"]).min(axis=0) < np.sign(truth["hidden"]).max(axis=0)).any()
    for name in net.layers:
        assert np.abs(traj[name] - truth[name]).max() <= 3e-6 * np.abs(truth[name]).max(), name


@pytest.mark.parametrize("rtol", [1e-3, 1e-4, 1e-5, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11])
def test_the_error_is_the_tolerance(rtol: float) -> None:
    """Below it, and not by so much that the work is wasted."""
    xi = am.patterns.random(100, 64, seed=1)
    start = am.patterns.corrupt(xi[0], flip=0.2, seed=2)
    times = np.linspace(0.0, 8.0, 60)
    net = am.dense_am(xi, hidden=am.Softmax(0.1), tau_hidden=0.1)
    solver = am.ExponentialIntegrator(rtol=rtol, atol=1e-3 * rtol)
    traj = am.simulate(net, start, times=times, until=None, solver=solver)
    exact, _ = half_state_solution(xi, 0.1, 0.1, start, times)
    error = np.abs(traj["visible"] - exact).max() / np.abs(exact).max()
    assert 1e-3 * rtol <= error <= 2 * rtol


def test_tight_tolerances_take_more_steps_but_not_many() -> None:
    """The order rises with the accuracy: a method of order 1 or 2 would take thousands."""
    xi = am.patterns.random(100, 64, seed=1)
    start = am.patterns.corrupt(xi[0], flip=0.2, seed=2)
    net = am.dense_am(xi, hidden=am.Softmax(0.1))
    work = [
        am.simulate(
            net, start, t1=8.0, until=None, solver=am.ExponentialIntegrator(rtol, 1e-3 * rtol)
        ).stats["rhs"]
        for rtol in (1e-3, 1e-6, 1e-9, 1e-12)
    ]
    assert work == sorted(work)
    assert work[-1] <= 300


# The batch


@pytest.mark.parametrize("given", [False, True], ids=["cues", "states"])
def test_forty_cues_equal_their_own_runs(given: bool) -> None:
    """Two groups of sixteen and eight; as cues settle, remainders of one to three run."""
    xi = am.patterns.random(100, 64, seed=0)
    net = am.dense_am(xi, hidden=am.Softmax(0.2))
    states = {"visible": am.patterns.corrupt(xi[:40], flip=0.25, noise=0.3, seed=1)}
    if given:
        states["hidden"] = np.random.default_rng(0).normal(size=(40, 100))
    times = [0.0, 0.05, 0.5, 2.0, 5.0, 10.0]
    together = am.simulate(net, states, times=times, t1=1000.0)
    assert together.status == "settled"
    assert (together.statuses == "settled").all()
    assert together.settle_times.shape == (40,)
    assert together.stats["rhs"] == together.stats["rhs_per_cue"].sum()
    check_settled(net, together)
    for cue in range(40):
        own = {name: x[cue] for name, x in states.items()}
        alone = am.simulate(net, own, times=times, t1=1000.0)
        for name in net.layers:
            scale = np.abs(alone[name]).max()
            np.testing.assert_allclose(
                together[name][:, cue], alone[name], rtol=0, atol=1e-6 * scale
            )
        assert together.settle_times[cue] == pytest.approx(alone.settle_times, rel=0.05)
        own_work = together.stats["rhs_per_cue"][cue], alone.stats["rhs"]
        assert own_work[0] == pytest.approx(own_work[1], rel=0.1)


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 5, 15, 16, 17, 18, 35])
def test_every_size_of_a_batch(batch: int) -> None:
    xi = am.patterns.random(70, 20, seed=0)
    net = am.dense_am(xi, hidden=am.Softmax(0.3))
    cues = am.patterns.corrupt(xi[:35], flip=0.2, noise=0.1, seed=1)
    run = am.simulate(net, cues[:batch], times=[0.0, 0.5, 3.0], until=None)
    full = am.simulate(net, cues, times=[0.0, 0.5, 3.0], until=None)
    scale = np.abs(full["visible"]).max()
    np.testing.assert_allclose(
        run["visible"], full["visible"][:, :batch], rtol=0, atol=1e-6 * scale
    )


# Settling


def digit_cues() -> tuple[am.Network, Array]:
    patterns = am.patterns.digits(100, seed=0)
    net = am.dense_am(patterns, hidden=am.Softmax(0.5))
    return net, am.patterns.corrupt(patterns, flip=0.2, seed=1)


@pytest.mark.parametrize("tolerance", [1e-3, 1e-6, 1e-8])
def test_settled_means_at_rest(tolerance: float) -> None:
    """The slowest of these cues has a residual of 3e-11 at t = 50."""
    net, cues = digit_cues()
    traj = am.simulate(net, cues[7:20], until=am.Settled(tolerance))
    assert traj.status == "settled"
    check_settled(net, traj, tolerance)


@pytest.mark.parametrize("tolerance", [1e-10, 1e-11, 1e-12])
@pytest.mark.parametrize("beta", [0.38, 0.4])
def test_settled_means_at_rest_for_all_memories(beta: float, tolerance: float) -> None:
    """Also where each memory has a small share of the softmax, but there are many."""
    xi = am.patterns.random(200, 64, seed=0)
    net = am.dense_am(xi, hidden=am.Softmax(beta))
    cues = am.patterns.corrupt(xi[:4], flip=0.1, seed=1)
    check_settled(net, am.simulate(net, cues, until=am.Settled(tolerance)), tolerance)


SLOW = [None, "RK45", "DOP853", "Radau", "BDF", "LSODA"]


@pytest.mark.parametrize("solver", SLOW, ids=str)
def test_a_slow_mixture_is_not_called_settled_too_early(solver: Any) -> None:
    net, cues = digit_cues()
    traj = am.simulate(net, cues[6], solver=solver)
    assert traj.status == "settled"
    assert traj.settle_times > 200  # other cues take about 15
    check_settled(net, traj)


def test_a_slow_mixture_under_updates() -> None:
    """By its own criterion: the first update that moves no unit by more than the tolerance."""
    net, cues = digit_cues()
    traj = am.simulate(net, cues[6], solver=am.FixedPoint(record=True))
    assert traj.status == "settled"
    moves = [np.abs(np.diff(traj[name], axis=0)).max(axis=-1) for name in net.layers]
    largest = np.max(moves, axis=0)
    assert largest[-1] <= 1e-6 < largest[-2]
    assert traj.settle_times == traj.times[-1] == len(largest)


@pytest.mark.parametrize("solver", SLOW, ids=str)
@pytest.mark.parametrize("t1", [9.0, 15.0])
def test_a_cue_near_a_saddle_is_settled_or_goes_on_but_not_both(solver: Any, t1: float) -> None:
    """It is at rest within the tolerance at first; another cue keeps the batch going."""
    patterns = np.array([[1.0, 1.0, -1.0, -1.0], [1.0, -1.0, 1.0, -1.0]])
    net = am.dense_am(patterns, hidden=am.Softmax(2.0))
    cues = np.array([[1.0, 1e-7, -1e-7, -1.0], [3.0, 0.3, -0.5, -2.0]])
    check_settled(net, am.simulate(net, cues, solver=solver, t1=t1))


def large(scale: float = 1.0) -> tuple[am.Network, Array]:
    """A network whose products are float32 until its state is near rest."""
    xi = am.patterns.random(400, 256, seed=0)
    net = am.dense_am((scale * xi).astype(np.float32), hidden=am.Softmax(0.15 / scale**2))
    return net, scale * am.patterns.corrupt(xi[:5], flip=0.2, seed=1)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-6, 1e-10])
@pytest.mark.parametrize("scale", [1.0, 0.3, 30.0])
def test_settled_means_at_rest_with_float32_products(
    scale: float, tolerance: float, precisions: list[type]
) -> None:
    net, cues = large(scale)
    traj = am.simulate(net, cues, until=am.Settled(tolerance))
    assert traj.status == "settled"
    assert precisions == [np.float32, np.float64]
    assert (residuals(net, traj) <= tolerance + 1e-10 * scale).all()


@pytest.mark.parametrize("t1", [10.0, 12.0, 12.5, 13.0, 14.0, 16.0, 20.0])
def test_float32_products_may_end_anywhere(t1: float, precisions: list[type]) -> None:
    """Also where the last step brings the state as near to rest as float32 can tell."""
    net, cues = large()
    traj = am.simulate(net, cues, t1=t1)
    assert precisions[0] == np.float32
    assert set(traj.statuses) <= {"settled", "time_limit"}
    assert traj.times[-1] == (t1 if traj.status == "time_limit" else np.max(traj.settle_times))
    check_settled(net, traj)
    assert (traj.statuses == "settled").tolist() == (residuals(net, traj) <= 1e-6).tolist()


def test_an_interruption_settles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C between the float32 and the float64 part of a run."""
    net, cues = large()

    def interrupt(self: TwoLayerRun) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(TwoLayerRun, "refine", interrupt)
    traj = am.simulate(net, cues, until=am.Settled(1e-12))
    assert (residuals(net, traj) > 1e-11).any()
    assert traj.status == "interrupted"
    check_settled(net, traj, 1e-12)


def test_a_clamped_unit_does_not_keep_a_cue_from_settling() -> None:
    net, cues = digit_cues()
    traj = am.simulate(net, cues[:3], clamp=[0, 1, 2])
    assert traj.status == "settled"
    force = net.force(traj.final)
    assert np.abs(force["hidden"]).max() <= 1e-6
    assert np.abs(force["visible"][:, 3:]).max() <= 1e-6 < np.abs(force["visible"]).max()


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("jumps", [True, False])
@pytest.mark.parametrize("hidden", [True, False])
def test_a_cue_has_the_same_bits_alone_and_in_a_batch(
    whole: bool, jumps: bool, hidden: bool
) -> None:
    """Also where memories have a start of their own, and where a run begins anew at a jump."""
    rng = np.random.default_rng(0)
    patterns = rng.choice([-1.0, 1.0], (9, 20)) if whole else rng.normal(size=(9, 20))
    net = am.dense_am(patterns, hidden=am.Softmax(0.3), tau_hidden=0.5)
    cues, memories = rng.normal(size=(7, 20)), rng.normal(size=(7, 9))
    values = rng.normal(size=(2, 7, 20))

    def run(some: slice) -> am.Trajectory:
        states = {"visible": cues[some]} | ({"hidden": memories[some]} if hidden else {})
        inputs = am.PiecewiseConstant([0.5, 1.5], values[:, some]) if jumps else None
        return am.simulate(net, states, inputs=inputs, times=[0.0, 1.0, 3.0], until=None)

    together = run(slice(None))
    for b in range(7):
        alone = run(slice(b, b + 1))
        np.testing.assert_array_equal(alone["visible"][:, 0], together["visible"][:, b])
        np.testing.assert_array_equal(alone.final["hidden"][0], together.final["hidden"][b])


def test_chunks_of_one_step_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    net, cues = digit_cues()
    whole = am.simulate(net, cues[:5], t1=30.0)
    monkeypatch.setattr(general_path, "_CHUNK", 1.0)
    pieces = am.simulate(net, cues[:5], t1=30.0)
    np.testing.assert_array_equal(pieces["visible"], whole["visible"])
    assert pieces.stats["rhs"] == whole.stats["rhs"]


# Validation


@pytest.mark.parametrize("value", [0.0, -1e-6, 1e-14, np.nan, np.inf])
def test_rtol_is_checked(value: float) -> None:
    with pytest.raises(ValueError, match=r"ExponentialIntegrator: rtol must be .* >= 1e-13"):
        am.ExponentialIntegrator(rtol=value)


@pytest.mark.parametrize("value", [0.0, -1e-9, np.nan, np.inf])
def test_atol_is_checked(value: float) -> None:
    with pytest.raises(ValueError, match=r"ExponentialIntegrator: atol must be .* >= 1e-300"):
        am.ExponentialIntegrator(atol=value)
    for name in ("rtol", "atol"):
        with pytest.raises(ValueError, match=f"ScipyODE: {name} must be .* >= 1e-100"):
            am.ScipyODE("RK45", **{name: value})


@pytest.mark.parametrize("value", ["1e-6", None, [1e-6]])
def test_tolerances_are_numbers(value: Any) -> None:
    for name in ("rtol", "atol"):
        with pytest.raises(
            TypeError, match=f"ExponentialIntegrator: {name} must be a finite number"
        ):
            am.ExponentialIntegrator(**{name: value})
        with pytest.raises(TypeError, match=f"ScipyODE: {name} must be a finite number"):
            am.ScipyODE("RK45", **{name: value})
    with pytest.raises(TypeError, match="Settled: tolerance must be a finite number > 0"):
        am.Settled(value)


@pytest.mark.parametrize("value", [0, -1, 1.5, 3.0, None, "10"])
def test_max_updates_is_checked(value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="max_updates must be a whole number"):
        am.FixedPoint(value)


@pytest.mark.parametrize("value", [0.0, -1e-6, np.nan, np.inf])
def test_tolerance_is_checked(value: float) -> None:
    with pytest.raises(ValueError, match="until=None"):
        am.Settled(value)
