"""Numbers that are known from closed forms, or were computed once by other means."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

import amsim as am

Array = npt.NDArray[Any]

# Half a unit of the eighth digit.
DIGITS = 5e-9
SEEDS = st.integers(0, 2**32 - 1)


def reference(memories: int = 4, features: int = 5) -> Array:
    """The reference memories xi[mu, i] = sin(1 + 2 mu + 3 i + mu i), without random numbers."""
    mu, i = np.arange(memories)[:, None], np.arange(features)
    return np.sin(1 + 2 * mu + 3 * i + mu * i)


CUE = np.cos(np.arange(5))


# Modern Hopfield network


def test_one_update_of_the_modern_hopfield_network() -> None:
    net = am.dense_am(reference(), hidden=am.Softmax(2.0))
    traj = am.simulate(net, CUE, solver=am.FixedPoint(1), until=None)
    assert traj.times.tolist() == [0.0, 1.0]
    expected = [0.63648842, 0.26043653, 0.12145378, -0.12239409, -0.22559572]
    np.testing.assert_allclose(traj["visible"][-1], expected, rtol=0, atol=DIGITS)


def test_fixed_point_of_the_modern_hopfield_network() -> None:
    net = am.dense_am(reference(), hidden=am.Softmax(2.0))
    traj = am.simulate(net, CUE, solver=am.FixedPoint(), until=am.Settled(1e-12))
    assert traj.status == "settled"
    expected = [0.82758453, -0.72765951, 0.64374526, -0.52619289, 0.39850811]
    np.testing.assert_allclose(traj.final["visible"], expected, rtol=0, atol=DIGITS)


def test_updates_are_attention() -> None:
    """v <- Xi^T softmax(beta Xi v), exactly as often as asked."""
    xi, beta, v = reference(), 2.0, CUE
    net = am.dense_am(xi, hidden=am.Softmax(beta))
    visible = am.simulate(net, CUE, solver=am.FixedPoint(6, record=True), until=None)["visible"]
    assert len(visible) == 7
    for update in visible:
        np.testing.assert_allclose(update, v, rtol=1e-12, atol=1e-14)
        weight = np.exp(beta * xi @ v)
        v = xi.T @ (weight / weight.sum())


# Two layers in time


@pytest.mark.parametrize(
    "solver",
    [
        am.ExponentialIntegrator(rtol=1e-11, atol=1e-12),
        am.ScipyODE("DOP853", rtol=1e-11, atol=1e-12),
        am.ScipyODE("Radau", rtol=1e-10, atol=1e-12),
        am.ScipyODE("LSODA", rtol=1e-11, atol=1e-12),
    ],
    ids=["exponential", "DOP853", "Radau", "LSODA"],
)
def test_energy_of_the_two_layer_network_over_time(solver: Any) -> None:
    net = am.dense_am(reference(), hidden=am.Softmax(2.0), tau_visible=1.0, tau_hidden=0.1)
    start = {"visible": CUE, "hidden": np.zeros(4)}
    traj = am.simulate(net, start, times=[0.0, 1.0, 20.0], until=None, solver=solver)
    assert traj.energy[0] == pytest.approx(0.8756791742, rel=0, abs=5e-11)
    np.testing.assert_allclose(traj.energy[1:], [-0.59269186, -1.10600053], rtol=0, atol=DIGITS)


@pytest.mark.parametrize(("tau_hidden", "ratio"), [(0.1, 1.00), (0.01, 1.09), (0.001, 1.10)])
def test_lag_of_the_memories_costs_their_share_of_tau(tau_hidden: float, ratio: float) -> None:
    """max |v - v_reduced| over units and times is tau_hidden / tau_visible times this.

    Both networks start from the cue, the memories at their algebraic value. The maximum is broad,
    at t = 3.2 to 3.5.
    """
    solver = am.ExponentialIntegrator(rtol=1e-10, atol=1e-12)
    times = np.linspace(0.0, 20.0, 2001)
    visible = [
        am.simulate(
            am.dense_am(reference(), hidden=am.Softmax(2.0), tau_hidden=tau),
            CUE, times=times, until=None, solver=solver,
        )["visible"]
        for tau in (tau_hidden, 0.0)
    ]  # fmt: skip
    largest = np.abs(visible[0] - visible[1]).max()
    assert largest / tau_hidden == pytest.approx(ratio, rel=0, abs=0.005)


every_solver = pytest.mark.parametrize(
    "solver",
    [None, "RK45", "DOP853", "Radau", "BDF", "LSODA", am.FixedPoint()],
    ids=lambda solver: str(solver or "default").split("(")[0],
)


@every_solver
def test_units_without_synapses_decay_to_their_bias(solver: Any) -> None:
    """x(t) = I + (x(0) - I) exp(-leak t / tau)."""
    tau, leak, bias = np.array([0.1, 1.0, 3.0]), 0.5, np.array([0.5, -1.0, 2.0])
    net = am.Network({"x": am.Layer(3, am.Tanh(), tau=tau, bias=bias, leak=leak)}, [])
    start, times = np.array([[1.0, 2.0, 3.0], [-1.0, 0.0, 1.0]]), np.array([0.0, 0.3, 1.0, 4.0])
    if isinstance(solver, am.FixedPoint):
        final = am.simulate(net, start, solver=solver).final["x"]
        np.testing.assert_array_equal(final, np.broadcast_to(bias, (2, 3)))
        return
    traj = am.simulate(net, start, times=times, until=None, solver=solver)
    expected = bias + (start - bias) * np.exp(-leak * times[:, None, None] / tau)
    # SciPy's default tolerances hold for one step and the root mean square over the 6 units.
    error = 1e-8 * 3 + 1e-10
    error = 1e-6 * 3 if solver is None else traj.stats["accepted"] * math.sqrt(6) * error
    np.testing.assert_allclose(traj["x"], expected, rtol=0, atol=error)


@every_solver
@pytest.mark.parametrize("visible", [am.Identity(), am.Tanh()], ids=repr)
def test_clamped_units_keep_their_value(visible: am.Lagrangian, solver: Any) -> None:
    net = am.dense_am(reference(), visible=visible, hidden=am.Softmax(2.0), tau_visible=0.7)
    cues = np.array([CUE, -CUE])
    clamp = np.array([[True, False, False, True, False], [False, False, True, False, False]])
    traj = am.simulate(net, cues, clamp=clamp, t1=5.0, until=None, solver=solver)
    assert np.abs(traj["visible"][-1] - cues)[~clamp].min() > 1e-3
    for state in (*traj["visible"], traj.final["visible"]):
        np.testing.assert_array_equal(state[clamp], cues[clamp])


# Energies


@pytest.mark.parametrize(
    ("lagrangian", "energy"),
    [
        (am.Tanh(2.0), 0.8104974),
        (am.Sigmoid(2.0), -0.5188159),
        (am.Softmax(2.0), -0.1035110),
        (am.RectifiedPower(3), 5.4166667),
        (am.Identity(), 2.625),
    ],
    ids=repr,
)
def test_energy_of_a_single_layer(lagrangian: am.Lagrangian, energy: float) -> None:
    """x . g - L, here to seven digits; the bias I adds -I . g, and the leak scales all of it."""
    x, bias = np.array([-1.0, 0.5, 2.0]), np.array([0.3, -0.7, 1.1])
    plain = am.Network({"x": am.Layer(3, lagrangian)}, [])
    assert plain.energy({"x": x}) == pytest.approx(energy, rel=0, abs=5e-8)
    biased = am.Network({"x": am.Layer(3, lagrangian, bias=bias, leak=0.5)}, [])
    expected = 0.5 * (plain.energy({"x": x}) - bias @ lagrangian.activation(x))
    np.testing.assert_allclose(biased.energy({"x": x}), expected, rtol=1e-13)
    driven = am.Network({"x": am.Layer(3, lagrangian, leak=0.5)}, [])
    np.testing.assert_allclose(driven.energy({"x": x}, {"x": bias}), expected, rtol=1e-13)


def distance_energy(v: Array, xi: Array, beta: float) -> Array:
    """-(1/beta) log sum exp(-beta |v - xi|^2)."""
    square = np.sum((v[..., None, :] - xi) ** 2, axis=-1)
    return np.asarray(-logsumexp(-beta * square, axis=-1) / beta)


@settings(deadline=None, max_examples=50)
@given(seed=SEEDS, beta=st.floats(0.1, 30.0))
def test_euclidean_similarity_gives_the_distance_energy(seed: int, beta: float) -> None:
    """With exp(-beta d^2 / 2), so that exp(-beta d^2) is twice the energy at twice the beta."""
    rng = np.random.default_rng(seed)
    count, units = rng.integers(1, 7, 2)
    xi, v = rng.normal(size=(count, units)), rng.normal(size=(3, units))

    def network(beta: float) -> am.Network:
        hidden = am.Softmax(beta)
        return am.dense_am(xi, hidden=hidden, similarity="euclidean", tau_hidden=0.0)

    close: dict[str, float] = {"rtol": 1e-11, "atol": 1e-12}
    half = -logsumexp(-beta / 2 * np.sum((v[:, None] - xi) ** 2, axis=-1), axis=-1) / beta
    np.testing.assert_allclose(network(beta).energy({"visible": v}), half, **close)
    twice = 2 * network(2 * beta).energy({"visible": v})
    np.testing.assert_allclose(twice, distance_energy(v, xi, beta), **close)

    # The gradient is the mean distance, weighted by the softmax of -beta d^2 / 2.
    weight = -beta / 2 * np.sum((v[:, None] - xi) ** 2, axis=-1)
    weight = np.exp(weight - logsumexp(weight, axis=-1, keepdims=True))
    gradient = np.sum(weight[..., None] * (v[:, None] - xi), axis=1)
    force = network(beta).force({"visible": v})["visible"]
    np.testing.assert_allclose(-force, gradient, **close)


def test_bias_of_the_euclidean_network_adds_to_the_given_one() -> None:
    xi = reference()
    net = am.dense_am(xi, similarity="euclidean", bias_hidden=[1.0, 2.0, 3.0, 4.0])
    expected = np.array([1.0, 2.0, 3.0, 4.0]) - np.sum(xi**2, axis=1) / 2
    np.testing.assert_allclose(net.layers["hidden"].bias, expected, rtol=1e-14)


# Recall


@pytest.mark.parametrize(("beta", "size"), [(1.0, 0.91880579), (2.0, 0.99865226)])
def test_xor_by_recall(beta: float, size: float) -> None:
    """Clamp two features of the memories (a, b, ab), read the third.

    With softmax memories and linear features the third obeys
    u = tanh(beta u + log cosh(2 beta) / 2), times the sign a b.
    """
    signs = [(a, b) for a in (1.0, -1.0) for b in (1.0, -1.0)]
    memories = np.array([(a, b, a * b) for a, b in signs])
    cues = np.array([(a, b, 0.0) for a, b in signs])
    net = am.dense_am(memories, hidden=am.Softmax(beta))
    solver = am.ExponentialIntegrator(rtol=1e-10, atol=1e-12)
    traj = am.simulate(net, cues, clamp=[0, 1], until=am.Settled(1e-11), solver=solver)
    assert traj.status == "settled"
    final = traj.final["visible"]
    u = np.ones(4)
    for _ in range(200):
        u = np.tanh(beta * u + math.log(math.cosh(2 * beta)) / 2)
    assert u[0] == pytest.approx(size, rel=0, abs=DIGITS)
    # A residual of 1e-11, over 1 - beta (1 - u^2) > 0.8.
    np.testing.assert_allclose(final[:, 2], memories[:, 2] * u, rtol=0, atol=1e-10)


def test_harder_cues_take_more_updates() -> None:
    """From (1 - a) xi_0 + a xi_1 the features are at rest after 1, 3 and 4 updates.

    That is the first update which moves no feature by more than 1e-6. `FixedPoint` also waits for
    the memories, which see the features of the update before.
    """
    xi = reference()
    net = am.dense_am(xi, hidden=am.Softmax(8.0))
    cues = np.array([(1 - a) * xi[0] + a * xi[1] for a in (0.0, 0.3, 0.49)])
    visible = am.simulate(net, cues, solver=am.FixedPoint(10, record=True), until=None)["visible"]
    change = np.abs(np.diff(visible, axis=0)).max(axis=-1)
    assert (1 + np.argmax(change <= 1e-6, axis=0)).tolist() == [1, 3, 4]
    traj = am.simulate(net, cues, solver=am.FixedPoint(), until=am.Settled(1e-6))
    taken = traj.settle_times
    assert taken.tolist() == traj.stats["rhs_per_cue"].tolist()
    assert taken[0] < taken[1] < taken[2]
    assert ((taken >= [1, 3, 4]) & (taken <= [2, 4, 5])).all()
