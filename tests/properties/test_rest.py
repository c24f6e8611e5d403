"""What is said to have settled is at rest: every free unit of every layer, whatever the solver."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import amsim as am

Array = npt.NDArray[Any]

BOUNDED = [am.Tanh(1.5), am.Sigmoid(2.0), am.Softmax(2.0), am.Spherical(eps=0.1)]
ANY = [*BOUNDED, am.Identity(), am.ReLU(), am.RectifiedPower(2.5)]
# Weights of integers are kept as bytes, and have products of their own.
WEIGHTS = ["normal", "integers", "large"]
SOLVERS: dict[str, Any] = {
    "exponential": None,
    "tight": am.ExponentialIntegrator(rtol=1e-9),
    "loose": am.ExponentialIntegrator(rtol=1e-3),
    "RK45": "RK45",
    "LSODA": "LSODA",
    "map": am.FixedPoint(),
}


def weights_of(rng: np.random.Generator, kind: str, shape: tuple[int, int]) -> Array:
    if kind == "integers":
        return rng.choice([-1, 1], size=shape)
    return rng.normal(size=shape) * (20.0 if kind == "large" else 0.5)


@st.composite
def recalls(draw: st.DrawFn) -> tuple[am.Network, dict[str, Any], float]:
    """A chain of two to four layers and how to run it; unbounded layers only meet bounded ones."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(2, 4))
    kind = draw(st.sampled_from(WEIGHTS))
    layers: dict[str, am.Layer] = {}
    for i in range(count):
        name = "visible" if i == 0 else f"x{i}"
        size = int(rng.integers(1, 12))
        lagrangian = draw(st.sampled_from(BOUNDED if i % 2 else ANY))
        # Two neighbours cannot both follow at once.
        algebraic = i % 2 == 1 and draw(st.booleans())
        tau = 0.0 if algebraic else float(rng.choice([0.1, 1.0, 3.0]))
        bias = 0.3 * rng.normal(size=size)
        layers[name] = am.Layer(size, lagrangian, tau, bias, float(rng.choice([0.5, 1.0, 1.0])))
    names = list(layers)
    synapses = [
        am.Dense(weights_of(rng, kind, (layers[b].size, layers[a].size)), between=(b, a))
        for a, b in itertools.pairwise(names)
    ]
    free = [name for name, layer in layers.items() if not layer.algebraic]
    given_states = {
        name: 2.0 * rng.normal(size=(3, layers[name].size))
        for name in free
        if name == "visible" or draw(st.booleans())
    }
    clamp = {
        name: rng.random(layers[name].size) < rng.choice([0.3, 0.9])
        for name in free
        if draw(st.booleans())
    }
    inputs = {"visible": rng.normal(size=layers["visible"].size)} if draw(st.booleans()) else None
    options = {"cue_or_states": given_states, "clamp": clamp, "inputs": inputs, "t1": 30.0}
    return am.Network(layers, synapses), options, draw(st.sampled_from([1e-3, 1e-6, 1e-10]))


def distances(
    network: am.Network, traj: am.Trajectory, options: dict[str, Any]
) -> tuple[Array, Array]:
    """Bounds on the largest |tau dx/dt| of the free units of each cue, from the equations."""
    outputs = {
        name: x.lagrangian.activation(traj.final[name]) for name, x in network.layers.items()
    }
    drive = {name: np.zeros(x.shape) for name, x in traj.final.items()}
    rounding = {name: np.abs(x) for name, x in traj.final.items()}
    for synapse in network.synapses:
        assert isinstance(synapse, am.Dense)
        weights = synapse.weights.astype(float)
        b, a = synapse.between
        for target, source, matrix in ((b, a, weights), (a, b, weights.T)):
            drive[target] = drive[target] + outputs[source] @ matrix.T
            rounding[target] = rounding[target] + np.abs(outputs[source]) @ np.abs(matrix.T)
    least, most = np.zeros(3), np.zeros(3)
    for name, layer in network.layers.items():
        external = layer.bias + (options["inputs"] or {}).get(name, 0.0)
        residual = np.abs(drive[name] + layer.leak * (external - traj.final[name]))
        error = 1e-13 * (1.0 + rounding[name])
        free = ~options["clamp"].get(name, np.zeros(layer.size, bool))
        least = np.maximum(least, np.where(free, residual - error, 0.0).max(axis=1))
        most = np.maximum(most, np.where(free, residual + error, 0.0).max(axis=1))
    return least, most


def assert_rest(network: am.Network, options: dict[str, Any], tolerance: float, solver: Any) -> int:
    """The number of cues that settled, all of which are at rest."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", am.GuaranteeWarning)
        traj = am.simulate(network, **options, solver=solver, until=am.Settled(tolerance))
    settled = traj.statuses == "settled"
    least, most = distances(network, traj, options)
    assert (least[settled] <= tolerance).all()
    assert (most[traj.statuses == "time_limit"] > tolerance).all()
    for name, mask in options["clamp"].items():
        np.testing.assert_array_equal(
            traj.final[name][:, mask], traj[name][0][:, mask], err_msg="a clamped unit moved"
        )
    if not settled.all():
        assert traj.status != "settled"
        assert "did not settle" in traj.message or "diverged" in traj.message
    return int(settled.sum())


@pytest.mark.parametrize("solver", SOLVERS)
@given(recall=recalls())
@settings(max_examples=10, deadline=None)
def test_what_settled_is_at_rest(
    solver: str, recall: tuple[am.Network, dict[str, Any], float]
) -> None:
    assert_rest(*recall, SOLVERS[solver])


@pytest.mark.parametrize("tau", [0.1, 0.0])
@pytest.mark.parametrize("tolerance", [1e-6, 1e-12])
def test_labels_beside_clamped_pixels_come_to_rest(tau: float, tolerance: float) -> None:
    """A drive that followed the state of clamped units let them drift, and memories with them."""
    rng = np.random.default_rng(1)
    weights = np.hstack([0.5 * rng.normal(size=(32, 64)), 0.4 * rng.normal(size=(32, 10))])
    network = am.dense_am(weights, hidden=am.Softmax(4.0), tau_hidden=tau)
    cues = np.hstack([rng.random((3, 64)), np.zeros((3, 10))])
    clamp = {"visible": np.arange(74) < 64}
    options = {"cue_or_states": {"visible": cues}, "clamp": clamp, "inputs": None}
    assert assert_rest(network, options, tolerance, None) == 3


@pytest.mark.parametrize("clamped", [0, 700])
@pytest.mark.parametrize("drive", [0.0, 300.0])
def test_large_memories_whose_products_are_in_single_precision(clamped: int, drive: float) -> None:
    """Inputs can make features, and with them the errors of products, as large as they like."""
    patterns = am.patterns.random(130, 784, seed=0)
    network = am.dense_am(patterns, hidden=am.Softmax(0.05))
    cues = am.patterns.corrupt(patterns[:3], flip=0.2, seed=1)
    options = {
        "cue_or_states": {"visible": cues},
        "clamp": {"visible": np.arange(784) < clamped},
        "inputs": {"visible": drive * patterns[5]},
    }
    assert assert_rest(network, options, 1e-9, None) == 3


def test_updates_leave_no_layer_behind() -> None:
    """Updates halve the features; the memories had not seen the last step, 20 times as large."""
    network = am.dense_am([[20.0]], hidden=am.Tanh(1 / 800), tau_hidden=0.1)
    traj = am.simulate(network, [1.0], solver=am.FixedPoint())
    assert traj.status == "settled"
    assert max(abs(force).max() for force in network.force(traj.final).values()) <= 1e-6
