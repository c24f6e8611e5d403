"""Chains of layers, and recall through the middle one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import amsim as am
from amsim.gallery.hierarchy import part_whole_network, parts_of_digits
from amsim.models import hierarchical_memory

Array = npt.NDArray[Any]


def test_chain_has_the_equations_of_its_layers() -> None:
    rng = np.random.default_rng(0)
    low, high = rng.normal(size=(4, 3)), rng.normal(size=(2, 4))
    lagrangians = [am.Identity(), am.Sigmoid(2.0), am.Softmax(3.0)]
    net = hierarchical_memory([low, high], lagrangians, tau=[1.0, 0.5, 0.1])
    v, h, z = rng.normal(size=3), rng.normal(size=4), rng.normal(size=2)
    states = {"visible": v, "hidden1": h, "hidden2": z}
    g, p = 1 / (1 + np.exp(-2 * h)), np.exp(3 * z) / np.exp(3 * z).sum()
    velocity = net.velocity(states)
    np.testing.assert_allclose(velocity["visible"], low.T @ g - v, rtol=1e-12)
    np.testing.assert_allclose(velocity["hidden1"], (low @ v + high.T @ p - h) / 0.5, rtol=1e-12)
    np.testing.assert_allclose(velocity["hidden2"], (high @ g - z) / 0.1, rtol=1e-12)
    energy = v @ v / 2 + h @ g - np.log1p(np.exp(2 * h)).sum() / 2 + z @ p
    energy += -np.log(np.exp(3 * z).sum()) / 3 - g @ low @ v - p @ high @ g
    np.testing.assert_allclose(net.energy(states), energy, rtol=1e-12)
    traj = am.simulate(net, states)
    assert traj.status == "settled"
    assert (np.diff(traj.energy) <= 1e-6).all()


def test_recall_goes_through_the_middle_layer() -> None:
    """A missing quarter of a digit follows from the others by way of the wholes, or not at all."""
    digits, parts, wholes = parts_of_digits(10)
    cues = digits.copy()
    hidden = np.arange(10)[:, None] % 4 == np.arange(4)
    cues[hidden] = 0.0
    traj = am.simulate(part_whole_network(parts, wholes), cues)
    assert traj.status == "settled"
    np.testing.assert_array_equal(np.sign(traj.final["visible"]), digits)
    assert (np.diff(traj.energy, axis=0) <= 1e-6 * np.abs(traj.energy).max()).all()
    whole = traj.final["wholes"][:, 0].argmax(axis=-1)
    np.testing.assert_array_equal(whole, np.arange(10))
    # The middle layer names the parts.
    np.testing.assert_array_equal(traj.final["parts"].argmax(axis=-1), wholes)
    # Without the top layer the missing part stays a mixture of all.
    alone = am.simulate(part_whole_network(parts, wholes, coupling=0.0), cues)
    right = np.mean(np.sign(alone.final["visible"][hidden]) == digits[hidden])
    assert right < 0.8


@pytest.mark.parametrize(
    ("weights", "count", "tau", "words"),
    [
        ([], 1, 1.0, "0 weights"),
        ([np.ones((2, 3))], 3, 1.0, "need 2 lagrangians"),
        ([np.ones((2, 3))], 2, [1.0], "got 2 and 1"),
        ([np.ones(3)], 2, 1.0, "matrices"),
        ([np.ones((2, 3)), np.ones((2, 3))], 3, 1.0, "must match"),
    ],
)
def test_layers_have_to_fit(weights: Any, count: int, tau: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        hierarchical_memory(weights, [am.Tanh()] * count, tau=tau)


def test_one_time_constant_may_be_a_numpy_number() -> None:
    net = hierarchical_memory([np.eye(2)], [am.Tanh()] * 2, tau=np.float32(0.5))
    assert [float(np.max(layer.tau)) for layer in net.layers.values()] == [0.5, 0.5]
