"""Gradients of the energy by the parameters of a network's layers and synapses."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import amsim as am

Array = npt.NDArray[Any]


@pytest.mark.parametrize("hidden", [am.Softmax(1.5), am.RectifiedPower(3)], ids=repr)
@pytest.mark.parametrize("tau", [0.0, 0.1])
def test_a_gradient_step_on_the_memories_lowers_the_energy_of_a_pattern(
    hidden: am.Lagrangian, tau: float
) -> None:
    rng = np.random.default_rng(0)
    xi, pattern = rng.normal(size=(5, 8)) / 2, rng.choice([-1.0, 1.0], 8)
    net = am.dense_am(xi, visible=am.Tanh(), hidden=hidden, tau_hidden=tau)
    states = {"visible": pattern}
    if tau:
        states["hidden"] = xi @ np.tanh(pattern)
    before = net.energy(states)
    step = 1e-3 * net.parameter_gradient(states)["hidden-visible"]["weights"]
    learnt = am.dense_am(xi - step, visible=am.Tanh(), hidden=hidden, tau_hidden=tau)
    predicted = -1e3 * np.sum(step**2)
    assert predicted < -1e-4
    np.testing.assert_allclose(learnt.energy(states) - before, predicted, rtol=1e-2)


def test_parameter_gradients_hold_for_algebraic_layers() -> None:
    """The hidden layer follows the weights, and the energy does not notice to first order."""
    rng = np.random.default_rng(1)
    xi, states = rng.normal(size=(3, 4)), {"visible": rng.normal(size=(2, 4))}

    def energy(weights: Array) -> float:
        net = am.dense_am(weights, hidden=am.Softmax(2.0), tau_hidden=0.0, bias_hidden=0.3)
        return float(net.energy(states).sum())

    net = am.dense_am(xi, hidden=am.Softmax(2.0), tau_hidden=0.0, bias_hidden=0.3)
    gradient = net.parameter_gradient(states)["hidden-visible"]["weights"]
    for index in np.ndindex(xi.shape):
        step = np.zeros(xi.shape)
        step[index] = 1e-5
        slope = (energy(xi + step) - energy(xi - step)) / 2e-5
        np.testing.assert_allclose(gradient[index], slope, rtol=1e-6, atol=1e-9)


def test_parameter_gradients_have_the_names_of_the_layers_and_synapses() -> None:
    rng = np.random.default_rng(2)
    net = am.models.energy_transformer(
        rng.normal(size=(2, 3, 6)), rng.normal(size=(2, 3, 6)), rng.normal(size=(8, 6)), n_tokens=4
    )
    gradient = net.parameter_gradient({"tokens": rng.normal(size=(5, 4, 6))})
    shapes = {name: {k: x.shape for k, x in part.items()} for name, part in gradient.items()}
    assert shapes == {
        "tokens": {},
        "attention": {"keys": (2, 3, 6), "queries": (2, 3, 6), "beta": ()},
        "hopfield": {"weights": (8, 6), "bias": (8,)},
    }
