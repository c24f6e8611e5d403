"""The energy descends where theory says so, rises where the guarantee is lost, and says which."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import amsim as am

Array = npt.NDArray[Any]
States = dict[str, Array]

SEPARABLE = [
    am.Identity(),
    am.Tanh(1.5),
    am.Sigmoid(2.0),
    am.ReLU(),
    am.RectifiedPower(2.5),
    am.Exponential(0.5),
]
# All of these are bounded, and so hold in check whatever they are joined to.
GROUPS = [am.Softmax(2.0), am.LayerNorm(eps=0.1), am.Spherical(eps=0.1)]
BOUNDED = [am.Tanh(1.5), am.Sigmoid(2.0), *GROUPS]

seeds = st.integers(0, 2**32 - 1)
RTOL, ATOL = 1e-9, 1e-12


def time_constants(
    rng: np.random.Generator, lagrangian: am.Lagrangian, shape: tuple[int, ...]
) -> Array:
    """One tau for each unit, from 0.1 to 5; for groups one for each group."""
    if not lagrangian.separable:
        shape = (*shape[:-1], 1)
    return np.asarray(0.1 * 50 ** rng.uniform(size=shape))


@st.composite
def networks(draw: st.DrawFn) -> tuple[am.Network, States]:
    """Two to four layers of two copies in a chain, with biases; PSD Hessians and legal taus.

    Unbounded layers only meet bounded ones.
    """
    rng = np.random.default_rng(draw(seeds))
    kinds = [draw(st.sampled_from(BOUNDED if i % 2 else [*SEPARABLE, *GROUPS])) for i in range(4)]
    kinds = kinds[: draw(st.integers(2, 4))]
    layers = {}
    for i, kind in enumerate(kinds):
        shape = (2, int(rng.integers(2, 5)))
        layers[f"x{i}"] = am.Layer(
            shape,
            kind,
            tau=time_constants(rng, kind, shape),
            bias=0.5 * rng.normal(size=shape),
            leak=float(rng.choice([0.5, 1.0])),
        )
    synapses = [
        am.Dense(
            rng.normal(size=(layers[f"x{i}"].shape[-1], layers[f"x{i + 1}"].shape[-1])),
            between=(f"x{i}", f"x{i + 1}"),
        )
        for i in range(len(kinds) - 1)
    ]
    # Off the kinks of the rectified kinds, where the slope of the energy jumps.
    normal = {name: rng.normal(size=(3, *layer.shape)) for name, layer in layers.items()}
    states = {name: x + 0.3 * np.sign(x) for name, x in normal.items()}
    return am.Network(layers, synapses), states


def dissipation(net: am.Network, states: Mapping[str, Array]) -> Array:
    """dE/dt = -sum (dx/dt)^T H T dx/dt, shape (*batch), with T the time constants."""
    velocity, force = net.velocity(states), net.force(states)
    total: Array = np.zeros(())
    for name, layer in net.dynamic.items():
        moved = layer.lagrangian.hessian_product(states[name], force[name])
        axes = tuple(range(-len(layer.shape), 0))
        total = total - np.sum(velocity[name] * moved, axis=axes)
    return total


def slack(net: am.Network, traj: am.Trajectory) -> Array:
    """How far the energy is off for errors of rtol max |x| + atol in the states: (T, *batch)."""
    states = {name: traj[name] for name in net.dynamic}
    force = net.force(states)
    total: Array = np.zeros(())
    for name, layer in net.dynamic.items():
        axes = tuple(range(-len(layer.shape), 0))
        gradient = layer.lagrangian.hessian_product(states[name], force[name])
        error = RTOL * np.abs(states[name]).max(axis=(0, *axes)) + ATOL
        total = total + error * np.abs(gradient).sum(axis=axes)
    size = sum(np.abs(energy) for energy in net.energy_tree(states).values())
    return np.asarray(total + 100 * np.finfo(np.float64).eps * size)


# Descent


@settings(deadline=None, max_examples=30)
@given(given_=networks())
def test_dissipation_is_the_slope_of_the_energy_and_never_positive(
    given_: tuple[am.Network, States],
) -> None:
    net, states = given_
    assert net.lost_guarantees == ()
    rate = dissipation(net, states)
    assert (rate <= 0).all()
    x, v = net.pack(states), net.pack(net.velocity(states))
    # One fourth-order difference along the flow, in the unit of the smallest tau.
    unit = min(float(np.min(layer.tau)) for layer in net.layers.values())
    h = 3e-4 * unit

    def slope(step: float) -> Array:
        forward, back = net.energy(net.unpack(x + step * v)), net.energy(net.unpack(x - step * v))
        return np.asarray((forward - back) / (2 * step))

    difference = (4 * slope(h) - slope(2 * h)) / 3
    assert (np.abs(difference - rate) <= 1e-7 * (1 + np.abs(rate))).all()


@settings(deadline=None, max_examples=8)
@given(given_=networks())
def test_energy_never_rises_along_a_simulation(given_: tuple[am.Network, States]) -> None:
    net, states = given_
    solver = am.ExponentialIntegrator(rtol=RTOL, atol=ATOL)
    traj = am.simulate(net, states, t1=20.0, until=None, solver=solver)
    assert traj.status == "time_limit"
    error = slack(net, traj)
    assert (np.diff(traj.energy, axis=0) <= error[1:] + error[:-1]).all()
    assert (traj.energy[-1] < traj.energy[0]).all()


@pytest.mark.parametrize("lagrangian", [am.Identity(), am.Tanh(), am.Sigmoid()], ids=repr)
@settings(deadline=None, max_examples=5)
@given(seed=seeds)
def test_separable_layers_descend_with_algebraic_memories(
    lagrangian: am.Lagrangian, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    net = am.dense_am(
        rng.normal(size=(5, 4)),
        visible=lagrangian,
        hidden=am.Softmax(3.0),
        tau_visible=0.1 * 50 ** rng.uniform(size=4),
        tau_hidden=0.0,
    )
    states = {"visible": rng.normal(size=(6, 4))}
    assert (dissipation(net, states) <= 0).all()
    solver = am.ExponentialIntegrator(rtol=RTOL, atol=ATOL)
    traj = am.simulate(net, states, t1=20.0, until=None, solver=solver)
    error = slack(net, traj)
    assert (np.diff(traj.energy, axis=0) <= error[1:] + error[:-1]).all()


# Where it is lost: groups with unequal tau


def mixed(tau_hidden: float | list[float], beta: float = 0.5) -> am.Network:
    """One feature and the memories +1 and -1."""
    return am.dense_am([[1.0], [-1.0]], hidden=am.Softmax(beta), tau_hidden=tau_hidden)


def test_energy_rises_where_the_memories_of_a_softmax_have_unequal_tau() -> None:
    """The feature is at rest; the two memories want to fall by almost the same.

    dE/dt = -beta p q (r1 - r2) (f1 - f2) with forces f and rates r = f / tau: positive when the
    slower memory has the larger force.
    """
    beta, taus, h = 0.5, np.array([10.0, 1.0]), np.array([-1.0, -0.8])
    p = np.exp(beta * h) / np.exp(beta * h).sum()
    v = p[0] - p[1]
    force = np.array([v, -v]) - h
    rate = force / taus
    expected = -beta * p[0] * p[1] * (rate[0] - rate[1]) * (force[0] - force[1])
    assert expected > 0.005
    states = {"visible": np.array([v]), "hidden": h}

    net = mixed([10.0, 1.0], beta)
    np.testing.assert_allclose(dissipation(net, states), expected, rtol=1e-12)
    with pytest.warns(am.GuaranteeWarning, match=r"'hidden' \(Softmax\) has unequal tau"):
        traj = am.simulate(net, states, times=[0.0, 0.05, 0.1], until=None)
    rise = np.diff(traj.energy)
    assert (rise > 0.5 * 0.05 * expected).all()

    even = mixed(10.0, beta)
    assert dissipation(even, states) < 0
    traj = am.simulate(even, states, times=[0.0, 0.05, 0.1], until=None)
    assert (np.diff(traj.energy) < 0).all()


def test_unequal_tau_costs_the_mixed_state_its_stability() -> None:
    """One feature between the memories 3 and 2, both at weight 1/2; beta = 2, so sigma = 1/2.

    With c = beta (3 - 2) / 4 and t the time constant of the memory 2, else 1, the rates s obey
    t s^3 + (1 + 2 t) s^2 + (2 + 2 c + t (1 - 3 c)) s + 1 - c = 0: a pair crosses the imaginary
    axis (Hopf) where (1 + 2 t) (3 - t / 2) = t / 2, that is t = (5 + sqrt 37) / 2.
    """
    middle = {"visible": np.array([2.5]), "hidden": np.zeros(2)}

    def rightmost(slow: float, other: float = 1.0) -> complex:
        net = am.dense_am(
            [[3.0], [2.0]],
            hidden=am.Softmax(2.0),
            tau_hidden=[other, slow],
            bias_hidden=[-7.5, -5.0],
        )
        assert np.abs(net.pack(net.velocity(middle))).max() < 1e-15
        roots = np.linalg.eigvals(net.jacobian(middle))
        return complex(roots[np.argmax(roots.real)])

    critical = (5 + np.sqrt(37)) / 2
    assert rightmost(0.999 * critical).real < 0 < rightmost(1.001 * critical).real
    frequency = np.sqrt((3 - critical / 2) / critical)
    assert abs(rightmost(critical).imag) == pytest.approx(frequency, rel=1e-9)
    for common in (0.1, critical, 100.0):
        assert rightmost(common, common).real < 0


@pytest.mark.parametrize("lagrangian", [am.Softmax(), am.LayerNorm(), am.Spherical()], ids=repr)
def test_only_unequal_tau_within_a_group_is_warned_of(lagrangian: am.Lagrangian) -> None:
    name = type(lagrangian).__name__

    def lost(tau: Any) -> tuple[str, ...]:
        return am.Network({"x": am.Layer((2, 3), lagrangian, tau=tau)}, []).lost_guarantees

    assert lost(2.0) == lost([[1.0], [5.0]]) == lost(np.full(3, 0.1)) == ()
    for tau in ([1.0, 1.0, 2.0], [[1.0, 1.0, 1.0], [1.0, 1.0, 1.1]]):
        (message,) = lost(tau)
        assert "'x'" in message
        assert name in message
        assert "give the group one tau" in message


def test_separable_layers_may_have_any_tau() -> None:
    for lagrangian in SEPARABLE:
        net = am.Network({"x": am.Layer(3, lagrangian, tau=[0.1, 1.0, 10.0])}, [])
        assert net.lost_guarantees == ()


# Where it is lost: no lower bound

STEEP = [am.RectifiedPower(3), am.RectifiedPower(2.1), am.Exponential()]
LOOSE = [am.Identity(), am.ReLU(), am.RectifiedPower(2), am.Exponential()]


def lost(layers: dict[str, am.Layer], synapse: am.HyperSynapse) -> tuple[str, ...]:
    return am.Network(layers, [synapse]).lost_guarantees


@pytest.mark.parametrize("hidden", STEEP, ids=repr)
@pytest.mark.parametrize("visible", LOOSE, ids=repr)
def test_steep_memories_of_unbounded_features_are_warned_of(
    hidden: am.Lagrangian, visible: am.Lagrangian
) -> None:
    net = am.dense_am([[1.0, -1.0]], visible=visible, hidden=hidden)
    (message,) = net.lost_guarantees
    for word in ("'hidden-visible'", "'hidden'", "'visible'", "no lower bound", "Tanh"):
        assert word in message
    with pytest.warns(am.GuaranteeWarning, match="no lower bound"):
        am.simulate(net, [0.0, 0.0], t1=1e-3)


@pytest.mark.parametrize("hidden", STEEP, ids=repr)
@pytest.mark.parametrize("visible", BOUNDED, ids=repr)
def test_steep_memories_of_bounded_features_are_not(
    hidden: am.Lagrangian, visible: am.Lagrangian
) -> None:
    net = am.dense_am([[1.0, -1.0]], visible=visible, hidden=hidden)
    assert net.lost_guarantees == ()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        am.simulate(net, [0.0, 0.0], t1=1e-3)


def test_products_of_more_activations_are_judged_by_their_growth() -> None:
    """|g|^q pays for a product of n activations while n / q <= 1; Identity and ReLU have q = 2."""
    x, y = am.Layer(2, am.Identity()), am.Layer(2, am.Tanh())
    steep = am.Layer(2, am.RectifiedPower(3))
    cube = np.ones((2, 2, 2))
    assert lost({"x": x}, am.Dense(np.eye(2), between=("x", "x"))) == ()
    assert lost({"x": x, "y": y}, am.MultiBody(cube, between=("x", "x", "y"))) == ()
    assert lost({"y": y, "s": steep}, am.MultiBody(cube, between=("y", "y", "s"))) == ()
    assert len(lost({"x": x}, am.MultiBody(cube, between=("x", "x", "x")))) == 1
    assert len(lost({"s": steep}, am.Dense(np.eye(2), between=("s", "s")))) == 1
    assert len(lost({"y": y, "s": steep}, am.MultiBody(cube, between=("y", "s", "s")))) == 1
    free = am.Layer(2, am.Identity(), leak=0.0)
    assert len(lost({"f": free, "y": y}, am.Dense(np.eye(2), between=("f", "y")))) == 1


def test_the_energy_has_no_lower_bound_where_the_warning_says_so() -> None:
    """Along a ray of three-body or steep activations it falls without end; else it rises."""

    def along(layers: dict[str, am.Layer], synapse: am.HyperSynapse) -> Array:
        net = am.Network(layers, [synapse])
        sizes = np.array([[1e2], [1e3], [1e4]])
        return net.energy({name: sizes for name in layers})

    one = am.Layer(1, am.Identity())
    spin, steep = am.Layer(1, am.Tanh()), am.Layer(1, am.RectifiedPower(3))
    cube = am.MultiBody([[[1.0]]], between=("x", "x", "x"))
    assert (np.diff(along({"x": one}, cube)) < 0).all()
    # The state x of RectifiedPower(3) gives g = x^2: x^2 |v| against 2 x^3 / 3 + v^2 / 2.
    net = am.dense_am([[1.0]], hidden=am.RectifiedPower(3))
    x = np.array([[1e2], [1e3], [1e4]])
    assert (np.diff(net.energy({"visible": x**2, "hidden": x})) < 0).all()
    assert (np.diff(along({"y": spin, "s": steep}, am.Dense([[1.0]], ("y", "s")))) > 0).all()


# Divergence


@pytest.mark.parametrize("hidden", [am.RectifiedPower(3), am.RectifiedPower(8), am.Exponential()])
@pytest.mark.parametrize("visible", [am.Identity(), am.ReLU()], ids=repr)
@pytest.mark.parametrize("solver", [None, "RK45", "LSODA", am.FixedPoint()])
def test_divergence_is_a_status_and_all_arrays_stay_finite(
    hidden: am.Lagrangian, visible: am.Lagrangian, solver: Any
) -> None:
    net = am.dense_am([[1.0, 1.0], [1.0, -1.0]], visible=visible, hidden=hidden)
    cues = np.array([[3.0, 0.5], [0.0, 0.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("ignore", am.GuaranteeWarning)
        traj = am.simulate(net, cues, solver=solver)
        energy = traj.energy
    assert traj.status == "diverged"
    assert traj.statuses[0] == "diverged"
    assert "bound an activation" in traj.message
    assert np.isnan(traj.settle_times[0])
    assert len(traj.times) == len(traj["visible"]) == len(traj["hidden"]) == len(energy)
    for array in (traj.times, energy, *traj.values(), *traj.final.values()):
        assert np.isfinite(array).all()
