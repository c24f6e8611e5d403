"""Random-feature memories: known mean and spread, constant size, gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import logsumexp

import amsim as am
from amsim.models import random_feature_memory

Array = npt.NDArray[Any]
RNG = np.random.default_rng(0)
DATA, X = 0.5 * RNG.normal(size=(12, 3)), 0.5 * RNG.normal(size=(5, 3))


def exact(x: Array, data: Array, beta: float) -> Array:
    squares = np.sum((x[..., None, :] - data) ** 2, axis=-1)
    return np.asarray(-logsumexp(-beta / 2 * squares, axis=-1) / beta)


@pytest.mark.parametrize("kernel", ["sincos", "expexp"])
def test_energy_is_the_product_with_the_summed_features(kernel: Any) -> None:
    """The features written out, at a given omega."""
    omega, beta = RNG.normal(size=(40, 3)), 1.7
    memory = random_feature_memory(DATA, beta, omega=omega, kernel=kernel)

    def phi(x: Array) -> Array:
        angle = math.sqrt(beta) * x @ omega.T
        if kernel == "sincos":
            return np.concatenate([np.cos(angle), np.sin(angle)], axis=-1) / math.sqrt(40)
        scale = np.exp(-beta * np.sum(x**2, axis=-1, keepdims=True)) / math.sqrt(80)
        return np.concatenate([np.exp(angle), np.exp(-angle)], axis=-1) * scale

    total = phi(DATA).sum(axis=0)
    np.testing.assert_allclose(memory.memory * math.exp(memory.scale), total, rtol=1e-12)
    np.testing.assert_allclose(memory.energy(X), -np.log(phi(X) @ total) / beta, rtol=1e-11)


@pytest.mark.parametrize("kernel", ["sincos", "expexp"])
def test_force_is_minus_the_gradient(kernel: Any) -> None:
    memory, h = random_feature_memory(DATA, 1.3, n_features=300, kernel=kernel), 1e-5
    for unit in np.eye(3):
        slope = (memory.energy(X + h * unit) - memory.energy(X - h * unit)) / (2 * h)
        np.testing.assert_allclose(memory.force(X) @ unit, -slope, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kernel", ["sincos", "expexp"])
def test_error_falls_as_the_root_of_the_number_of_features(kernel: Any) -> None:
    """At the same beta as the exact network; rms over 30 draws of the directions."""
    network = am.dense_am(DATA, hidden=am.Softmax(1.0), similarity="euclidean", tau_hidden=0.0)
    target = network.energy({"visible": X})
    np.testing.assert_allclose(target, exact(X, DATA, 1.0), rtol=1e-10)
    errors = [
        np.sqrt(
            np.mean(
                [
                    (
                        random_feature_memory(
                            DATA, 1.0, n_features=count, kernel=kernel, seed=seed
                        ).energy(X)
                        - target
                    )
                    ** 2
                    for seed in range(30)
                ]
            )
        )
        for count in (50, 800)
    ]
    assert errors[1] < 0.1
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.35)


@pytest.mark.parametrize("distance", [0.3, 1.0, 2.0])
def test_spread_of_one_memory_is_the_known_one(distance: float) -> None:
    """sin-cos: the kernel k has standard deviation (1 - k^2) / sqrt(2 Y)."""
    count, draws, beta = 50, 3000, 1.5
    kernel = math.exp(-beta / 2 * distance**2)
    found = []
    for seed in range(draws):
        memory = random_feature_memory([[0.0, 0.0]], beta, n_features=count, seed=seed)
        phi = np.concatenate(
            [f(math.sqrt(beta) * memory.omega @ [distance, 0.0]) for f in (np.cos, np.sin)]
        ) / math.sqrt(count)
        found.append(phi @ memory.memory * math.exp(memory.scale))
    spread = (1 - kernel**2) / math.sqrt(2 * count)
    assert np.mean(found) == pytest.approx(kernel, rel=0, abs=4 * spread / math.sqrt(draws))
    assert np.std(found) == pytest.approx(spread, rel=5 / math.sqrt(2 * draws))


def test_size_does_not_grow_with_the_memories() -> None:
    sizes = [
        random_feature_memory(RNG.normal(size=(count, 3)), 1.0, n_features=7).memory.shape
        for count in (1, 10, 1000)
    ]
    assert sizes == [(14,)] * 3


def test_distant_memories_do_not_underflow() -> None:
    """exp(-beta |xi|^2) is exp(-1e4) here; close by, the energy is still that of one memory."""
    data = np.full((1, 2), 50.0)
    memory = random_feature_memory(data, 2.0, n_features=20000, kernel="expexp")
    assert np.isfinite(memory.energy(data)).all()


def test_where_the_sum_is_negative_the_energy_is_infinite() -> None:
    memory = random_feature_memory([[0.0]], 1.0, omega=[[1.0]])
    energy = memory.energy([[0.0], [np.pi]])
    assert energy.tolist() == [0.0, math.inf]
    assert np.isnan(memory.force([[np.pi]])).all()


def test_directions_come_from_the_seed_alone() -> None:
    few = random_feature_memory(DATA, 1.0, n_features=5, seed=3)
    many = random_feature_memory(DATA[:2], 2.0, n_features=9, seed=3)
    np.testing.assert_array_equal(many.omega[:5], few.omega)
    assert np.abs(random_feature_memory(DATA, 1.0, n_features=5, seed=4).omega - few.omega).max()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "either"),
        ({"n_features": 3, "omega": np.ones((2, 3))}, "either"),
        ({"n_features": 0}, "n_features must be"),
        ({"n_features": 2.5}, "whole number"),
        ({"omega": np.ones((2, 4))}, "3 units"),
        ({"omega": np.ones((0, 3))}, "omega has shape"),
        ({"omega": np.full((2, 3), np.nan)}, "omega must be finite"),
        ({"n_features": 3, "kernel": "cos"}, "'cos'"),
        ({"n_features": 3, "beta": -1.0}, "beta"),
        ({"n_features": 3, "data": [1.0]}, "shape"),
    ],
)
def test_bad_input_is_named(options: dict[str, Any], words: str) -> None:
    arguments = {"data": DATA, "beta": 1.0, **options}
    with pytest.raises((TypeError, ValueError), match=words):
        random_feature_memory(arguments.pop("data"), arguments.pop("beta"), **arguments)


def test_states_have_to_be_finite() -> None:
    with pytest.raises(ValueError, match="NaN or infinity"):
        random_feature_memory(DATA, 1.0, n_features=5).energy([0.0, np.inf, 1.0])
