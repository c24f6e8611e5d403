"""Gradients of losses on settled states, against finite differences and closed forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import hypothesis.strategies as st
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings

import amsim as am
from amsim.errors import SettlingWarning
from amsim.learning import CrossEntropy, SquaredError, gradient
from amsim.learning.krylov import solve

Array = npt.NDArray[Any]
Tree = dict[str, dict[str, Array]]
EXACT = am.Settled(1e-12)


def direction(net: am.Network, seed: int) -> Tree:
    """Changes of all parameters that a loss can depend on; symmetric within a layer."""
    rng = np.random.default_rng(seed)
    tree: Tree = {}
    within = {x.name for x in net.synapses if not x.directed and len({*x.between}) == 1}
    for name, part in net.parameters().items():
        tree[name] = {k: rng.normal(size=x.shape) for k, x in part.items() if k != "tau"}
        if name in within and "weights" in tree[name] and tree[name]["weights"].shape[0] > 1:
            square = tree[name]["weights"]
            if square.shape[0] == square.shape[-1]:
                tree[name]["weights"] = (square + square.T) / 2
    return tree


def slope(net: am.Network, along: Tree, settled_loss: Any) -> float:
    """Central difference of a function of the network, of fourth order."""

    def moved(step: float) -> float:
        here = net.parameters()
        tree = {n: {k: here[n][k] + step * x for k, x in part.items()} for n, part in along.items()}
        return float(settled_loss(net.with_parameters(tree)))

    near, far = (moved(h) - moved(-h) for h in (1e-4, 2e-4))
    return (8 * near - far) / 12e-4


def inner(one: Tree, other: Tree) -> float:
    return float(sum(np.sum(one[n][k] * x) for n, part in other.items() for k, x in part.items()))


def settled_loss(loss: Any, cue: Any, clamp: Any = None, solver: Any = None) -> Any:
    def value(net: am.Network) -> float:
        traj = am.simulate(net, cue, clamp=clamp, until=EXACT, solver=solver)
        assert traj.status == "settled"
        return float(np.sum(loss.value(traj.final)))

    return value


def check(net: am.Network, cue: Any, loss: Any, clamp: Any = None, solver: Any = None) -> None:
    found = gradient(net, cue, loss, clamp=clamp, until=EXACT, solver=solver)
    assert found.status == "settled"
    assert found.residuals.max() < 1e-9
    along = direction(net, 7)
    expected = slope(net, along, settled_loss(loss, cue, clamp, solver))
    size = np.sqrt(inner(found.parameters, found.parameters) * inner(along, along))
    assert abs(inner(found.parameters, along) - expected) <= 1e-6 * (abs(expected) + 1e-2 * size)


UNITS = [
    am.Identity(), am.Tanh(1.3), am.Sigmoid(2.0), am.Softmax(1.5), am.Entmax(1.2, 1.0),
    am.LayerNorm(0.5), am.Spherical(0.7),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::amsim.errors.GuaranteeWarning")  # of directed synapses
@settings(max_examples=8, deadline=None)
@given(
    visible=st.sampled_from(UNITS), hidden=st.sampled_from(UNITS),
    sizes=st.tuples(st.integers(2, 5), st.integers(2, 5)), batch=st.integers(1, 3),
    tau=st.sampled_from([0.0, 0.3]), leaks=st.tuples(*[st.sampled_from([1.0, 1.6])] * 2),
    clamped=st.integers(0, 1), within=st.booleans(), directed=st.booleans(),
    seed=st.integers(0, 2**20),
)  # fmt: skip
def test_implicit_gradients_are_those_of_the_settled_loss(
    visible: am.Lagrangian, hidden: am.Lagrangian, sizes: tuple[int, int], batch: int, tau: float,
    leaks: tuple[float, float], clamped: int, within: bool, directed: bool, seed: int,
) -> None:  # fmt: skip
    rng = np.random.default_rng(seed)
    units, memories = sizes

    def weights(*shape: int) -> Array:
        drawn = rng.normal(size=shape)
        return 0.35 * drawn / np.linalg.norm(drawn, 2)

    square = weights(units, units)
    synapses: list[am.HyperSynapse] = [am.Dense(weights(memories, units))]
    if within:
        synapses.append(am.Dense((square + square.T) / 2, ("visible", "visible")))
    if directed:
        synapses.append(am.Directed(square, source="visible", target="visible", name="turn"))
    net = am.Network(
        {
            "visible": am.Layer(units, visible, bias=rng.normal(size=units), leak=leaks[0]),
            "hidden": am.Layer(memories, hidden, tau, bias=rng.normal(size=memories),
                               leak=leaks[1]),
        },
        synapses,
    )  # fmt: skip
    # A group is clamped as a whole or not at all.
    clamp = np.arange(units) < (clamped if visible.separable else 0)
    loss = SquaredError("visible", rng.normal(size=(batch, units - 1)), slice(1, None))
    check(net, rng.normal(size=(batch, units)), loss, clamp, am.FixedPoint(10_000))


def other_networks() -> dict[str, am.Network]:
    rng = np.random.default_rng(3)
    token = am.Layer((3, 4), am.Tanh(), bias=rng.normal(size=(3, 4)))
    return {
        "attention and memories": am.Network(
            {"visible": token},
            [
                am.Attention(*rng.normal(size=(2, 2, 3, 4)) / 4, ("visible", "visible")),
                am.Memories(rng.normal(size=(5, 4)) / 4, am.Softmax(2.0), bias=0.3),
            ],
        ),
        "three bodies": am.Network(
            {
                "visible": am.Layer(3, am.Tanh(), bias=[0.5, -0.4, 0.9]),
                "y": am.Layer(2, am.Sigmoid(), 0.5), "z": am.Layer(4, am.Softmax(), 0.0),
            },
            [am.MultiBody(rng.normal(size=(3, 2, 4)) / 2, ("visible", "y", "z"))],
        ),
        "windows": am.Network(
            {"hidden": am.Layer((2, 3), am.Softmax(), 0.2), "visible": am.Layer((4, 1), am.Tanh())},
            [am.Convolution(rng.normal(size=(3, 2, 1)) / 3, stride=2)],
        ),
        "chain": am.Network(
            {n: am.Layer(k, am.Tanh(), 0.5) for n, k in (("visible", 3), ("a", 5), ("b", 2))},
            [
                am.Dense(rng.normal(size=(5, 3)) / 4, ("a", "visible")),
                am.Dense(rng.normal(size=(2, 5)) / 4, ("b", "a")),
                am.Dense(rng.normal(size=(2, 3)) / 4, ("b", "visible")),
            ],
        ),
        "cosine": am.dense_am(rng.normal(size=(3, 4)), similarity="cosine", hidden=am.Softmax(2.0)),
    }  # fmt: skip


@pytest.mark.parametrize("name", other_networks())
def test_implicit_gradients_hold_for_every_synapse(name: str) -> None:
    net = other_networks()[name]
    shape = net.layers["visible"].shape
    cue = np.random.default_rng(4).normal(size=(2, *shape))
    check(net, cue, SquaredError("visible", 0.3), solver=am.FixedPoint(100_000))


def test_splitting_a_group_is_exact_too() -> None:
    rng = np.random.default_rng(5)
    net = am.Network(
        {"visible": am.Layer(4, am.Softmax(2.0), bias=rng.normal(size=4)),
         "hidden": am.Layer(3, am.Tanh(), 0.2)},
        [am.Dense(rng.normal(size=(3, 4)) / 2)],
    )  # fmt: skip
    with pytest.warns(am.GuaranteeWarning, match="splits a group"):
        check(net, rng.normal(size=4), SquaredError("visible", 0.0), [True, False, False, False],
              am.FixedPoint(10_000))  # fmt: skip


def pair(seed: int = 0, gain: float = 0.5) -> tuple[am.Network, Array, Array]:
    """A smooth network, its cues, and the mask of its six clamped units of nine."""
    rng = np.random.default_rng(seed)
    net = am.Network(
        {"visible": am.Layer(9, am.Tanh(0.9), bias=0.1), "hidden": am.Layer(4, am.Tanh(), 0.1)},
        [am.Dense(gain * rng.normal(size=(4, 9)))],
    )
    return net, rng.normal(size=(3, 9)), np.arange(9) < 6


LOSS = SquaredError("visible", np.linspace(-0.5, 0.5, 9).reshape(3, 3), units=slice(6, 9))


def test_the_default_run_settles_well_enough() -> None:
    """With the ODE and default options: 1e-6 of central differences of the settled loss."""
    net, cues, clamp = pair()
    found = gradient(net, cues, LOSS, clamp=clamp)
    along = direction(net, 1)
    expected = slope(net, along, settled_loss(LOSS, cues, clamp, am.FixedPoint(10_000)))
    assert inner(found.parameters, along) == pytest.approx(expected, rel=1e-6)
    assert found.loss == pytest.approx(float(LOSS.value(found.states).sum()))


def test_a_linear_network_has_a_closed_form() -> None:
    """x = b + W x, L = |x - t|^2 / 2: dL/db = (1 - W)^-1 (x - t), dL/dW = sym(dL/db x^T)."""
    rng = np.random.default_rng(6)
    w = rng.normal(size=(70, 70))
    w = (w + w.T) / 50
    net = am.Network(
        {"x": am.Layer(70, am.Identity(), bias=rng.normal(size=70))}, [am.Dense(w, ("x", "x"))]
    )
    found = gradient(net, np.zeros(70), SquaredError("x", 1.0), solver=am.FixedPoint(10_000))
    x = np.linalg.solve(np.eye(70) - w, net.layers["x"].bias)
    back = np.linalg.solve(np.eye(70) - w, x - 1)
    np.testing.assert_allclose(found.parameters["x"]["bias"], back, rtol=1e-7)
    np.testing.assert_allclose(found.inputs["x"], back, rtol=1e-7)
    outer = np.outer(back, x)
    np.testing.assert_allclose(found.parameters["x-x"]["weights"], (outer + outer.T) / 2, rtol=1e-6,
                               atol=1e-9)  # fmt: skip


def relative(one: Tree, other: Tree) -> float:
    gap = {n: {k: x - other[n][k] for k, x in part.items()} for n, part in one.items()}
    return float(np.sqrt(inner(gap, gap) / inner(other, other)))


def nudged(nudge: float, **options: Any) -> Tree:
    net, cues, clamp = pair()
    options = {"solver": am.FixedPoint(10_000), "until": EXACT, **options}
    return gradient(
        net, cues, LOSS, clamp=clamp, method="equilibrium_propagation", nudge=nudge, **options
    ).parameters


def test_equilibrium_propagation_is_off_by_the_nudge_squared() -> None:
    net, cues, clamp = pair()
    exact = gradient(net, cues, LOSS, clamp=clamp, solver=am.FixedPoint(10_000), until=EXACT)
    off = [relative(nudged(nudge), exact.parameters) for nudge in (0.02, 0.002, 0.0002)]
    np.testing.assert_allclose([off[0] / off[1], off[1] / off[2]], 100, rtol=0.1)
    assert off[2] < 1e-6
    one = [relative(nudged(n, centred=False), exact.parameters) for n in (0.002, 0.0002)]
    assert one[0] / one[1] == pytest.approx(10, rel=0.1)


def test_any_solver_runs_the_phases() -> None:
    reference = nudged(0.05)
    assert relative(nudged(0.05, solver=None, until=am.Settled(1e-9)), reference) < 1e-6
    timing = am.Timing(delay=0.1, jitter=0.2, drop=0.05, heartbeat=1.0)
    options = {"solver": am.EventDriven(1e-3, timing), "until": am.Settled(1e-2)}
    found = nudged(0.1, **options)
    assert relative(found, nudged(0.1)) < 0.1
    assert relative(found, nudged(0.1, **options)) == 0


def test_the_contrastive_gradient_is_that_of_the_difference_of_energies() -> None:
    net, cues, clamp = pair(1)
    found = gradient(net, cues, LOSS, clamp=clamp, method="contrastive", until=EXACT,
                     solver=am.FixedPoint(10_000))  # fmt: skip
    taught = cues.copy()
    taught[:, 6:] = LOSS.target

    def energies(net: am.Network) -> float:
        ends = [
            am.simulate(net, start, clamp=held, until=EXACT, solver=am.FixedPoint(10_000)).final
            for start, held in ((taught, np.ones(9, bool)), (cues, clamp))
        ]
        return float(np.sum(net.energy(ends[0]) - net.energy(ends[1])))

    along = direction(net, 2)
    assert inner(found.parameters, along) == pytest.approx(slope(net, along, energies), rel=1e-6)


class Everything:
    """A loss that reads all layers."""

    def value(self, states: Mapping[str, Array]) -> Array:
        return np.sum([np.sin(x).sum(axis=-1) for x in states.values()], axis=0)

    def gradient(self, states: Mapping[str, Array]) -> dict[str, Array]:
        return {name: np.cos(x) for name, x in states.items()}


@pytest.mark.parametrize("solver", [am.FixedPoint(3), am.GradientDescent(0.3, 4)], ids=repr)
@pytest.mark.parametrize("tau", [0.0, 0.1])
def test_unrolled_gradients_are_those_of_what_the_updates_end_with(solver: Any, tau: float) -> None:
    net, cues, clamp = pair(2)
    layers = {"visible": net.layers["visible"],
              "hidden": am.Layer(4, am.Softmax(2.0), tau, leak=1.3)}  # fmt: skip
    net = am.Network(layers, net.synapses)
    start: Mapping[str, Array] = {"visible": cues}
    if tau:
        start = {**start, "hidden": np.ones((3, 4))}
    every, clamps = Everything(), {"visible": clamp}
    found = gradient(net, start, every, clamp=clamps, method="unrolled", solver=solver)
    assert found.status == "stopped"

    def loss(net: am.Network) -> float:
        traj = am.simulate(net, start, clamp=clamps, solver=solver, until=None)
        return float(np.sum(every.value(traj.final)))

    assert found.loss == pytest.approx(loss(net), rel=1e-12)
    along = direction(net, 3)
    assert inner(found.parameters, along) == pytest.approx(slope(net, along, loss), rel=1e-6)


@pytest.mark.parametrize("tau", [0.0, 0.4])
def test_the_adjoint_of_a_trajectory_is_that_of_where_it_ends(tau: float) -> None:
    """Also by tau, on which no rest depends."""
    rng = np.random.default_rng(0)
    visible = am.Layer(3, am.Tanh(1.2), [0.8, 1.2, 1.0])
    hidden = am.Layer(2, am.Tanh(2.0), [tau, 0.7 if tau else 0.0], leak=1.3)
    net = am.Network({"visible": visible, "hidden": hidden}, [am.Dense(rng.normal(size=(2, 3)))])
    start = {"visible": rng.normal(size=(2, 3)), **({"hidden": np.ones((2, 2))} if tau else {})}
    loss, end = SquaredError("visible", 0.5), {"t1": 0.8, "clamp": {"visible": [0]}}
    solver = am.ScipyODE("DOP853", rtol=1e-11, atol=1e-12)
    found = gradient(net, start, loss, method="unrolled", solver=solver, **end)

    def settled(net: am.Network) -> float:
        traj = am.simulate(net, start, solver=solver, until=None, times=[0.0, 0.8], **end)
        return float(loss.value(traj.final).sum())

    along = {n: {k: rng.normal(size=x.shape) for k, x in part.items()} for n, part in
             found.parameters.items()}  # fmt: skip
    assert "tau" in along["visible"]
    assert found.loss == pytest.approx(settled(net), rel=1e-9)
    assert inner(found.parameters, along) == pytest.approx(slope(net, along, settled), rel=1e-6)
    by_default = gradient(net, start, loss, method="unrolled", **end)
    assert relative(by_default.parameters, found.parameters) < 1e-4


def test_chains_have_the_likelihood_gradient_of_a_gaussian() -> None:
    """E = |v - a|^2 / 2 - v.Wv / 2 at T: the mean m = (1 - W)^-1 a, the covariance T (1 - W)^-1."""
    weights, temperature, rng = np.array([[0.3, 0.2], [0.2, -0.4]]), 0.5, np.random.default_rng(0)
    layer = am.Layer(2, am.Identity(), bias=[0.5, -1.0])
    net = am.Network({"x": layer}, [am.Dense(weights, ("x", "x"))])
    data = rng.normal(size=(50, 2)) + 1.0
    covariance = temperature * np.linalg.inv(np.eye(2) - weights)
    mean = covariance @ layer.bias / temperature
    chains: Any = data[rng.integers(50, size=4000)]
    for _ in range(3):  # they begin far from the law, and go on
        found = am.learning.chain_gradient(
            net, data, chains, temperature=temperature, t1=2.0, step=0.1, seed=rng
        )
        chains = found.chains
    by_bias = (mean - data.mean(axis=0)) / temperature
    second = covariance + np.outer(mean, mean) - data.T @ data / 50
    np.testing.assert_allclose(found.parameters["x"]["bias"], by_bias, atol=0.06)
    np.testing.assert_allclose(found.parameters["x-x"]["weights"], second, atol=0.12)
    assert np.abs(by_bias).min() > 0.8 and np.abs(second).min() > 0.2


@pytest.mark.parametrize(
    ("layers", "data", "message"),
    [
        ({"x": am.Layer(2, am.Tanh())}, [[0.0, 1.0]], "are not distributed as exp"),
        ({"x": am.Layer(2, am.Identity())}, [[0.0]], r"must be \(n, \*\(2,\)\)"),
        ({"x": am.Layer(1, am.Identity()), "y": am.Layer(1, am.Identity())}, [[0.0]], "a mapping"),
        ({"x": am.Layer(1, am.Identity())}, {"y": [[0.0]]}, "has states of y, not of x"),
    ],
    ids=range(4),
)
def test_chains_refuse_what_has_no_such_law(layers: Any, data: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        am.learning.chain_gradient(am.Network(layers, []), data, data, temperature=1.0, t1=1.0)


def test_many_updates_give_the_implicit_gradient() -> None:
    net, cues, clamp = pair()
    options: dict[str, Any] = {"clamp": clamp, "solver": am.FixedPoint(200)}
    exact = gradient(net, cues, LOSS, **options, until=EXACT)
    assert relative(gradient(net, cues, LOSS, **options, method="unrolled").parameters,
                    exact.parameters) < 1e-9  # fmt: skip


def test_cross_entropy_and_losses_of_users_agree_with_finite_differences() -> None:
    net, cues, clamp = pair(4, 0.2)
    entropy = CrossEntropy("visible", [0, 2, 1], units=[6, 7, 8])
    check(net, cues, entropy, clamp, am.FixedPoint(10_000))

    class Length:
        def value(self, states: Mapping[str, Array]) -> float:
            return float(np.sum(states["hidden"] ** 3))

        def gradient(self, states: Mapping[str, Array]) -> dict[str, Array]:
            return {"hidden": 3 * states["hidden"] ** 2}

    check(net, cues, Length(), clamp, am.FixedPoint(10_000))
    nudged = gradient(net, cues, Length(), clamp=clamp, method="equilibrium_propagation",
                      nudge=1e-4, until=EXACT, solver=am.FixedPoint(10_000))  # fmt: skip
    exact = gradient(net, cues, Length(), clamp=clamp, until=EXACT, solver=am.FixedPoint(10_000))
    assert relative(nudged.parameters, exact.parameters) < 1e-5


@pytest.mark.parametrize("method", ["implicit", "equilibrium_propagation", "contrastive"])
def test_cues_that_diverge_are_left_out_and_said(method: str) -> None:
    net = am.Network(
        {"visible": am.Layer(1, am.Identity()), "hidden": am.Layer(1, am.RectifiedPower(3), 0.1)},
        [am.Dense([[0.5]])],
    )
    loss = SquaredError("visible", [[0.2], [0.0], [0.1]])
    cues = np.array([[1.0], [90.0], [0.5]])
    with pytest.warns(am.GuaranteeWarning), pytest.warns(SettlingWarning, match="2 of 3 cues"):
        found = gradient(net, cues, loss, method=method)
    assert found.statuses.tolist() == ["settled", "diverged", "settled"]
    assert found.status == "diverged"
    assert found.used.tolist() == [True, False, True]
    with pytest.warns(am.GuaranteeWarning):
        alone = gradient(net, cues[[0, 2]], SquaredError("visible", [[0.2], [0.1]]), method=method)
    for name, part in found.parameters.items():
        for key, value in part.items():
            np.testing.assert_allclose(value, alone.parameters[name][key], rtol=1e-6, atol=1e-12)
    assert found.loss == pytest.approx(alone.loss)


@pytest.mark.parametrize(
    "how",
    [{"solver": am.FixedPoint(60)}, {"solver": am.GradientDescent(0.3, 30)}, {"t1": 3.0}],
    ids=["updates", "steps", "trajectory"],
)
@pytest.mark.filterwarnings("ignore::amsim.errors.GuaranteeWarning")  # of a flow without bound
def test_cues_that_diverge_are_left_out_of_unrolled_gradients(how: Any) -> None:
    layers = {"visible": am.Layer(1, am.Identity()), "hidden": am.Layer(1, am.RectifiedPower(3), 0)}
    net = am.Network(layers, [am.Dense([[0.5]])])
    cues, targets = np.array([[1.0], [90.0], [0.5]]), np.array([[0.2], [0.0], [0.1]])
    with pytest.warns(SettlingWarning, match="2 of 3 cues"):
        found = gradient(net, cues, SquaredError("visible", targets), method="unrolled", **how)
    assert found.statuses.tolist() == ["stopped", "diverged", "stopped"]
    rest = [0, 2]
    alone = gradient(
        net, cues[rest], SquaredError("visible", targets[rest]), method="unrolled", **how
    )
    assert found.loss == pytest.approx(alone.loss)
    assert inner(alone.parameters, alone.parameters) > 0
    assert relative(found.parameters, alone.parameters) < 1e-6
    with pytest.warns(SettlingWarning, match="0 of 1 cues"):
        gone = gradient(net, cues[[1]], SquaredError("visible", 0.0), method="unrolled", **how)
    assert inner(gone.parameters, gone.parameters) == gone.loss == 0


@pytest.mark.parametrize("method", ["implicit", "equilibrium_propagation", "unrolled"])
def test_losses_without_a_number_or_of_another_shape_are_refused(method: str) -> None:
    class Given:
        def __init__(self, value: float, slope: Any) -> None:
            self.numbers, self.slope = value, slope

        def value(self, states: Mapping[str, Array]) -> float:
            return self.numbers

        def gradient(self, states: Mapping[str, Array]) -> dict[str, Array]:
            return {"visible": self.slope(states["visible"])}

    net, cues, clamp = pair()
    options: Any = {"clamp": clamp, "method": method, "solver": am.FixedPoint(100)}
    for loss, message in (
        (Given(np.nan, np.zeros_like), "loss.value is NaN"),
        (Given(0.0, lambda x: np.full_like(x, np.nan)), "loss.gradient of layer 'visible' is NaN"),
        (Given(0.0, lambda x: np.zeros(x.shape[::-1])), r"has shape \(9, 3\), its states \(3, 9\)"),
    ):
        with pytest.raises(ValueError, match=message):
            gradient(net, cues, loss, **options)


def test_no_linear_system_is_trusted_at_a_bifurcation() -> None:
    """x = x + b with b = 0: every state rests, and no derivative exists."""
    net = am.Network({"x": am.Layer(2, am.Identity())}, [am.Dense(np.eye(2), ("x", "x"))])
    with pytest.warns(SettlingWarning, match="bifurcation"):
        found = gradient(net, [1.0, 2.0], SquaredError("x", 0.0))
    assert found.status == "unsolved"
    assert not found.used.any() and found.loss == 0


def test_gradients_of_cues_add_up() -> None:
    net, cues, clamp = pair()
    whole = gradient(net, cues.reshape(1, 3, 9), SquaredError("visible", LOSS.target, slice(6, 9)),
                     clamp=clamp)  # fmt: skip
    assert whole.losses.shape == (1, 3)
    single = [
        gradient(net, cues[i], SquaredError("visible", LOSS.target[i], slice(6, 9)), clamp=clamp)
        for i in range(3)
    ]
    total = sum(x.parameters["hidden-visible"]["weights"] for x in single)
    np.testing.assert_allclose(
        whole.parameters["hidden-visible"]["weights"], total, rtol=1e-6, atol=1e-9
    )


def test_systems_larger_than_a_krylov_space_are_solved_and_singular_ones_are_not() -> None:
    rng = np.random.default_rng(8)
    matrices = np.eye(150) + rng.normal(size=(3, 150, 150)) / 25
    right = rng.normal(size=(3, 150))
    right[1] = 0.0
    found, left = solve(lambda u: np.einsum("bij,bj->bi", matrices, u), right, 1e-12)
    np.testing.assert_allclose(found, np.linalg.solve(matrices, right[..., None])[..., 0],
                               rtol=1e-8, atol=1e-10)  # fmt: skip
    assert left.max() < 1e-11
    assert solve(lambda u: u * [1.0, 0.0], np.ones((1, 2)), 1e-12)[1][0] > 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "magic"}, "method must be 'implicit'"),
        ({"nudge": 0.1}, "nudge is for method='equilibrium_propagation'"),
        ({"method": "equilibrium_propagation", "nudge": 0.0}, "nudge must be"),
        ({"method": "unrolled"}, r"solver=FixedPoint\(k\) or"),
        ({"method": "unrolled", "t1": 1.0, "solver": am.EventDriven()}, "an ODE solver to t1"),
        ({"method": "unrolled", "t1": 1.0}, "start of hidden follows"),
        ({"method": "unrolled", "solver": am.GradientDescent(0.1, 2)}, "start of hidden"),
        ({"inputs": lambda time: time}, "inputs must be constant"),
        ({"loss": SquaredError("x", 0.0)}, "SquaredError names a layer 'x'"),
        ({"loss": SquaredError("visible", np.zeros(5))}, r"shape \(5,\); it must fit \(3, 9\)"),
        ({"loss": SquaredError("visible", 0.0, [11])}, "between -9 and 8"),
        ({"loss": SquaredError("visible", 0.0, slice(9, None))}, "none of layer"),
        ({"loss": CrossEntropy("visible", 3, slice(6, 9))}, "labels must be below 3"),
        ({"loss": CrossEntropy("visible", 0), "method": "contrastive"}, "clamps targets"),
        ({"loss": CrossEntropy("visible", [0.0, 1.0, 1.0], slice(6, 9))}, r"astype\(int\)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(options: dict[str, Any], message: str) -> None:
    net, cues, clamp = pair()
    with pytest.raises(ValueError, match=message):
        gradient(net, cues, **{"loss": LOSS, "clamp": clamp, **options})


def test_losses_are_objects_with_value_and_gradient() -> None:
    net, cues, _ = pair()
    for wrong in (None, SquaredError, lambda states: 0.0):
        with pytest.raises(TypeError, match="loss must be"):
            gradient(net, cues, wrong)  # type: ignore[arg-type]


def test_no_nudge_where_there_is_no_energy_or_no_slope() -> None:
    net, cues, _ = pair()
    turn = am.Directed(0.1 * np.ones((9, 9)), source="visible", target="visible")
    directed = am.Network(net.layers, [*net.synapses, turn])
    for method in ("equilibrium_propagation", "contrastive"):
        with pytest.raises(ValueError, match="directed, and there is no energy"):
            gradient(directed, cues, SquaredError("visible", 0.0), method=method)
    shares = am.dense_am(am.patterns.random(3, 9, seed=0), hidden=am.Softmax(0.3))
    with pytest.raises(ValueError, match="Softmax of layer 'hidden'"):
        gradient(
            shares, cues, SquaredError("hidden", 0.0), method="equilibrium_propagation",
            solver=am.FixedPoint(),
        )  # fmt: skip
    steps = am.Network({"x": am.Layer(2, am.ReLU())}, [])
    with pytest.raises(ValueError, match="flat where the loss is read"):
        gradient(steps, [1.0, 1.0], SquaredError("x", [1.0, 2.0]), inputs={"x": [-1.0, 1.0]},
                 method="equilibrium_propagation", solver=am.FixedPoint())  # fmt: skip
