"""Models A, B and C, and the modern Hopfield network."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import logsumexp

import amsim as am
from amsim.models import model_a, model_b, model_c, modern_hopfield

Array = npt.NDArray[Any]


def reference() -> Array:
    mu, i = np.arange(4)[:, None], np.arange(5)
    return np.sin(1 + 2 * mu + 3 * i + mu * i)


CUE = np.cos(np.arange(5))


def test_model_a_is_the_dense_memory_of_two_state_units() -> None:
    """E = -sum F(xi . sign v), over all 16 states; plain numbers for three patterns."""
    patterns = am.patterns.random(3, 4, seed=0)
    signs = np.array(np.meshgrid(*[[-1.0, 1.0]] * 4)).reshape(4, -1).T
    states = signs * np.random.default_rng(1).uniform(0.1, 3.0, signs.shape)
    for n in (2, 3, 4):
        net = model_a(patterns, am.RectifiedPower(n), tau_hidden=0.0)
        expected = -np.sum(np.maximum(signs @ patterns.T, 0) ** n / n, axis=-1)
        np.testing.assert_allclose(net.energy({"visible": states}), expected, rtol=1e-13)
    net = model_a(patterns, am.Exponential(), tau_hidden=0.0)
    expected = -np.exp(signs @ patterns.T).sum(axis=-1)
    np.testing.assert_allclose(net.energy({"visible": states}), expected, rtol=1e-13)


def test_hidden_layer_of_the_three_models_in_time() -> None:
    """The equations of motion, written out."""
    xi, tau, h = reference(), (1.5, 0.2), np.array([0.3, -0.2, 0.1, 0.7])
    softmax = np.exp(0.7 * h) / np.exp(0.7 * h).sum()
    cube = np.maximum(h, 0) ** 2
    cases = [
        (model_a(xi, tau_visible=1.5, tau_hidden=0.2), np.sign(CUE), cube),
        (model_b(xi, 0.7, tau_visible=1.5, tau_hidden=0.2), CUE, softmax),
        (model_c(xi, tau_visible=1.5, tau_hidden=0.2), CUE / np.linalg.norm(CUE), cube),
    ]
    for net, g, f in cases:
        velocity = net.velocity({"visible": CUE, "hidden": h})
        np.testing.assert_allclose(velocity["visible"], (xi.T @ f - CUE) / tau[0], rtol=1e-11)
        np.testing.assert_allclose(velocity["hidden"], (xi @ g - h) / tau[1], rtol=1e-11)


def test_model_c_sees_the_direction_only() -> None:
    net = model_c(reference(), tau_hidden=0.0)
    energies = net.energy({"visible": np.array([CUE, 5 * CUE, 0.01 * CUE])})
    overlaps = reference() @ (CUE / np.linalg.norm(CUE))
    expected = -np.sum(np.maximum(overlaps, 0) ** 3) / 3
    np.testing.assert_allclose(energies, expected, rtol=1e-7)


@pytest.mark.parametrize("model", [model_a, model_b, model_c])
def test_the_three_models_recall(model: Any) -> None:
    patterns = am.patterns.random(4, 64, seed=2)
    cues = am.patterns.corrupt(patterns, flip=0.15, seed=3)
    net = model(patterns)
    assert net.lost_guarantees == ()
    traj = am.simulate(net, cues)
    assert traj.status == "settled"
    assert np.diagonal(np.sign(traj.final["visible"]) @ patterns.T).tolist() == [64.0] * 4
    scale = np.abs(traj.energy).max()
    assert (np.diff(traj.energy, axis=0) <= 1e-6 * scale).all()


def test_modern_hopfield_energy_and_updates() -> None:
    xi = reference()
    net = modern_hopfield(xi, 2.0)
    states = np.random.default_rng(4).normal(size=(6, 5))
    expected = np.sum(states**2, axis=-1) / 2 - logsumexp(2.0 * states @ xi.T, axis=-1) / 2.0
    np.testing.assert_allclose(net.energy({"visible": states}), expected, rtol=1e-12)
    first = am.simulate(net, CUE, solver=am.FixedPoint(1), until=None)["visible"][-1]
    known = [0.63648842, 0.26043653, 0.12145378, -0.12239409, -0.22559572]
    np.testing.assert_allclose(first, known, rtol=0, atol=5e-9)
    # The differential equation ends where the updates do.
    last = am.simulate(net, CUE, until=am.Settled(1e-10), solver="DOP853").final["visible"]
    known = [0.82758453, -0.72765951, 0.64374526, -0.52619289, 0.39850811]
    np.testing.assert_allclose(last, known, rtol=0, atol=5e-9)


def test_default_temperature_is_that_of_a_transformer() -> None:
    assert modern_hopfield(np.ones((2, 16))).layers["hidden"].lagrangian == am.Softmax(0.25)


def test_a_softmax_group_updated_unit_by_unit_climbs() -> None:
    """Two logits (1, 1) at bias 0: setting the first alone to 0 raises x . p - log sum exp(x)."""
    net = am.Network({"x": am.Layer(2, am.Softmax())}, [])
    before, after = net.energy({"x": np.array([[1.0, 1.0], [0.0, 1.0]])})
    assert after - before == pytest.approx(0.1109441, rel=0, abs=5e-8)


@pytest.mark.parametrize("patterns", [[], 3.0, np.ones((2, 0))], ids=repr)
def test_patterns_without_units_are_refused(patterns: Any) -> None:
    with pytest.raises(ValueError, match="patterns must have shape"):
        modern_hopfield(patterns)
