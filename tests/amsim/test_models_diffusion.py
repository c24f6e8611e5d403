"""Diffusion as an associative memory: energy, score, minima, the way back, kinds of samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import logsumexp

import amsim as am
from amsim.models import (
    circle_energy,
    circle_radius,
    classify_samples,
    diffusion_memory,
    transition,
)

Array = npt.NDArray[Any]
DIGITS = 5e-9


def example(sigma: float = 0.7) -> tuple[Any, Array]:
    rng = np.random.default_rng(0)
    return diffusion_memory(rng.normal(size=(6, 3)), sigma), rng.normal(size=(2, 4, 3))


def ring(count: int) -> Array:
    angle = 2 * np.pi * np.arange(count) / count
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


@pytest.mark.parametrize("tau", [0.01, 0.5, 3.0])
def test_energy_is_minus_twice_the_variance_times_the_log_of_the_sum(tau: float) -> None:
    memory, x = example()
    squares = np.sum((x[..., None, :] - memory.data) ** 2, axis=-1)
    width = 2 * tau * 0.7**2
    expected = -width * logsumexp(-squares / width, axis=-1)
    np.testing.assert_allclose(memory.energy(x, tau), expected, rtol=1e-12)
    # The network's energy has the other factor.
    network = memory.network(tau)
    np.testing.assert_allclose(2 * network.energy({"visible": x}), expected, rtol=1e-10, atol=1e-12)
    assert network.layers["hidden"].lagrangian == am.Softmax(memory.beta(tau))
    force = network.force({"visible": x})["visible"]
    np.testing.assert_allclose(memory.score(x, tau), force * memory.beta(tau), rtol=1e-9, atol=1e-9)


def test_score_is_the_gradient_of_the_log_density() -> None:
    memory, x = example()
    tau, h = 0.4, 1e-5

    def log_density(x: Array) -> Array:
        return -memory.energy(x, tau) / (2 * tau * 0.7**2)

    for unit in np.eye(3):
        slope = (log_density(x + h * unit) - log_density(x - h * unit)) / (2 * h)
        np.testing.assert_allclose(memory.score(x, tau) @ unit, slope, rtol=1e-7, atol=1e-7)


def test_density_of_the_score_obeys_the_heat_equation() -> None:
    """d log p / dtau = (sigma^2 / 2) (div score + |score|^2) - D / (2 tau) + ... in one dimension.

    The energy leaves the normaliser (2 pi s^2)^(-1/2) out, which is put back here.
    """
    memory, x = diffusion_memory([[-0.5], [0.3], [1.1]], 0.9), np.array([[0.2]])
    tau, h = 0.3, 1e-4

    def log_density(x: Array, tau: float) -> Array:
        square = tau * 0.9**2
        return -memory.energy(x, tau) / (2 * square) - math.log(2 * math.pi * square) / 2

    slope = (log_density(x, tau + h) - log_density(x, tau - h)) / (2 * h)
    score = memory.score(x, tau)[..., 0]
    divergence = (memory.score(x + h, tau) - memory.score(x - h, tau))[..., 0] / (2 * h)
    np.testing.assert_allclose(slope, 0.9**2 / 2 * (divergence + score**2), rtol=1e-5)


# Minima


def test_two_memories_merge_where_the_variance_is_their_squared_distance() -> None:
    """The midpoint of two memories at +-a is a minimum iff a^2 <= s^2, beta a^2 <= 1/2."""
    for a in (0.5, 1.0, 2.0):
        memory = diffusion_memory([[a], [-a]])
        for tau, count in ((0.99 * a**2, 2), (1.01 * a**2, 1)):
            assert len(memory.minima(tau, starts=[[a], [-a], [0.0]])) == count
            assert memory.beta(tau) / 2 == pytest.approx(1 / (2 * tau))
        np.testing.assert_allclose(memory.minima(1.01 * a**2), 0, atol=1e-8)


@pytest.mark.parametrize(
    ("beta", "count"),
    [(0.5, 1), (1, 1), (2, 3), (3, 4), (5, 4), (10, 8), (20, 9), (40, 9), (100, 9)],
)
def test_minima_of_nine_points_on_a_spiral_of_angles(beta: float, count: int) -> None:
    """Points at angles k pi (3 - sqrt 5) on the circle; beta of exp(-beta d^2)."""
    angle = np.arange(9) * np.pi * (3 - math.sqrt(5))
    memory = diffusion_memory(np.stack([np.cos(angle), np.sin(angle)], axis=-1))
    tau = 1 / (2 * beta)
    minima = memory.minima(tau)
    assert len(minima) == count
    # From everywhere else too.
    grid = np.stack(np.meshgrid(*[np.linspace(-1.1, 1.1, 12)] * 2), axis=-1).reshape(-1, 2)
    found = memory.minima(tau, starts=grid)
    near = np.linalg.norm(found[:, None] - minima, axis=-1) < 1e-6
    assert near.shape == (count, count)
    assert (near.sum(axis=0) == 1).all()
    np.testing.assert_allclose(memory.score(minima, tau), 0, atol=1e-8)
    assert (np.diff(memory.energy(minima, tau)) >= -1e-12).all()


# The circle


def test_known_values_of_the_circle() -> None:
    assert circle_energy(1.0, 20.0) == pytest.approx(0.13801066, rel=0, abs=DIGITS)
    assert circle_radius(20.0) == pytest.approx(0.98725638, rel=0, abs=DIGITS)
    assert [circle_radius(beta) for beta in (0.1, 0.9, 1.0)] == [0.0] * 3
    # R^2 = 2 (beta - 1) / beta^3 + ... just above the transition.
    assert circle_radius(1.0001) == pytest.approx(math.sqrt(2e-4), rel=1e-3)


@pytest.mark.parametrize("beta", [0.5, 2.0, 20.0])
def test_the_circle_is_the_limit_of_many_data(beta: float) -> None:
    """The mean over evenly spaced data converges faster than any power."""
    memory, tau = diffusion_memory(ring(200)), 1 / (2 * beta)
    radii = np.array([0.0, 0.4, 0.9, 1.0, 1.5])
    x = radii[:, None] * [math.cos(0.3), math.sin(0.3)]
    energy = memory.energy(x, tau) + math.log(200) / beta
    np.testing.assert_allclose(energy, circle_energy(radii, beta), rtol=1e-11, atol=1e-12)
    radius = circle_radius(beta)
    step = memory.denoise([[radius, 0.0]], tau)
    np.testing.assert_allclose(step, [[radius, 0.0]], atol=1e-9)


# The way back


def test_both_ways_back_are_exact_for_one_datum() -> None:
    """x - xi shrinks as sqrt(tau); the diffusion bridge has variance s^2 u (tau - u) / tau at u."""
    memory, x = diffusion_memory([[0.5, -1.0]], 0.8), np.array([[2.0, 1.0]])
    path = memory.reverse_ode(x, [4.0, 1.0, 0.01])
    np.testing.assert_allclose(path[1], 0.5 * x + 0.5 * memory.data, rtol=1e-12)
    np.testing.assert_allclose(path[2], 0.05 * x + 0.95 * memory.data, rtol=1e-12)
    last = memory.reverse_sde(np.repeat(x, 4000, axis=0), [4.0, 2.0, 1.0], seed=1)[-1]
    mean, deviation = last.mean(axis=0), last.std(axis=0)
    expected = 0.8 * math.sqrt(1 * 3 / 4)
    np.testing.assert_allclose(mean, (0.25 * x + 0.75 * memory.data)[0], atol=4 * expected / 63)
    np.testing.assert_allclose(deviation, expected, rtol=4 / math.sqrt(8000))


def test_probability_flow_converges_with_second_order() -> None:
    memory, x = diffusion_memory([[-1.0], [0.2], [1.0]]), np.array([[0.4], [-0.3], [2.0]])
    ends = [memory.reverse_ode(x, np.geomspace(4.0, 0.25, n + 1))[-1] for n in (16, 32, 64, 1024)]
    errors = [np.abs(end - ends[-1]).max() for end in ends[:-1]]
    assert errors[0] / errors[1] > 3.3
    assert errors[1] / errors[2] > 3.3
    assert errors[2] < 1e-3


def test_probability_flow_keeps_the_quantiles_of_one_dimension() -> None:
    """The flow is monotone: the share of p_tau below x is the same all along the path."""
    from scipy.special import ndtr

    memory, x = diffusion_memory([[-1.0], [0.5]]), np.array([[-2.0], [0.1], [1.0]])
    taus = np.geomspace(2.0, 0.05, 400)
    path = memory.reverse_ode(x, taus)

    def share(x: Array, tau: float) -> Array:
        return ndtr((x - memory.data[:, 0]) / math.sqrt(tau)).mean(axis=-1)

    np.testing.assert_allclose(share(path[-1], 0.05), share(x, 2.0), atol=1e-4)


def test_samples_of_the_way_back_are_the_data() -> None:
    memory = diffusion_memory([[-1.0, 0.0], [1.0, 0.0], [1.0, 2.0]])
    start = memory.draw(600, 25.0, seed=3)
    end = memory.reverse_sde(start, np.geomspace(25.0, 1e-3, 200), seed=4)[-1]
    distance = np.linalg.norm(end[:, None] - memory.data, axis=-1)
    assert (distance.min(axis=1) < 5 * math.sqrt(1e-3)).all()
    shares = np.bincount(distance.argmin(axis=1), minlength=3) / 600
    np.testing.assert_allclose(shares, 1 / 3, atol=4 * math.sqrt(2 / 9 / 600))


def test_random_numbers_belong_to_the_sample() -> None:
    memory, x = example()[0], np.zeros((5, 3))
    taus = [1.0, 0.5, 0.1]
    few, many = memory.reverse_sde(x[:2], taus, seed=7), memory.reverse_sde(x, taus, seed=7)
    np.testing.assert_array_equal(many[:, :2], few)
    assert np.abs(memory.reverse_sde(x, taus, seed=8) - many).max() > 0.01
    assert np.unique(many[-1], axis=0).shape == (5, 3)


# Kinds of samples


def test_kinds_of_samples() -> None:
    samples = [[0.0, 0.0], [0.009, 0.0], [1.0, 0.0], [1.0, 0.009], [3.0, 0.0]]
    kinds = classify_samples(samples, [[0.0, 0.0], [5.0, 5.0]], 0.01)
    assert kinds.tolist() == ["memorised"] * 2 + ["spurious"] * 2 + ["generalised"]


def test_memories_turn_into_spurious_minima_and_then_into_the_circle() -> None:
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 4000)
    data = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    shares = transition(data, [2, 32, 4000], width=0.1, distance=1e-3, samples=60)
    total = shares["memorised"] + shares["spurious"] + shares["generalised"]
    np.testing.assert_allclose(total, 1, rtol=1e-12)
    assert shares["memorised"][0] == 1.0
    assert shares["spurious"][1] > 0.5
    assert shares["generalised"][2] > 0.5
    assert shares["memorised"][2] == 0.0


def test_sizes_may_be_an_array() -> None:
    shares = transition(np.eye(2), np.array([1, 2]), width=0.1, distance=1e-3, samples=4)
    assert shares["memorised"].tolist() == [1.0, 1.0]


def test_radius_for_many_data_approaches_the_circle() -> None:
    """R = I1 / I0 = 1 - 1 / (4 beta) to leading order, where I0 itself exceeds every float."""
    for beta in (1e4, 1e10):
        assert circle_radius(beta) == pytest.approx(1 - 1 / (4 * beta), rel=0, abs=1 / beta**1.5)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: diffusion_memory([1.0, 2.0]), "(2,)"),
        (lambda: diffusion_memory([[np.nan]]), "finite"),
        (lambda: diffusion_memory([[1.0]], sigma=0.0), "sigma"),
        (lambda: diffusion_memory([[1.0]]).energy([1.0, 2.0], 1.0), "(2,)"),
        (lambda: diffusion_memory([[1.0]]).energy([1.0], 0.0), "tau must be"),
        (lambda: diffusion_memory([[1.0]]).score([np.nan], 1.0), "NaN"),
        (lambda: diffusion_memory([[1.0]]).score([np.inf], 1.0), "finite"),
        (lambda: diffusion_memory([[1.0]]).score([1e200], 1.0), "1e"),
        (lambda: diffusion_memory([[1.0]]).minima(1.0, starts=[1.0]), "starts must have 2 axes"),
        (lambda: diffusion_memory([[1.0]]).draw(0, 1.0, seed=0), "count must be"),
        (lambda: diffusion_memory([[1.0]]).reverse_sde(1.0, [1.0, 0.5], seed=0), "shape ()"),
        (lambda: classify_samples([1.0], [[1.0]], 0.1), "(number, units)"),
        (lambda: classify_samples([[np.nan]], [[1.0]], 0.1), "NaN"),
        (lambda: classify_samples([[1.0]], [[1.0]], -0.1), "distance must be"),
        (lambda: transition([[1.0]], [1.5], width=1.0, distance=0.1), "sizes must be a"),
        (lambda: transition([[1.0]], [], width=1.0, distance=0.1), "sizes must be a"),
        (lambda: transition([[1.0]], [1], width=1.0, distance=0.1, shifts=-1), "shifts must be"),
        (lambda: circle_energy(1.0, -1.0), "beta must be"),
        (lambda: transition([[1.0]], [2], width=1.0, distance=0.1), "from 1 to 1"),
        (lambda: circle_radius(-1.0), "beta must be"),
        (lambda: diffusion_memory([[1.0]]).reverse_ode([1.0], [1.0, 0.0]), "decreasing positive"),
        (lambda: diffusion_memory([[1.0]]).reverse_ode([1.0], [1.0, 2.0]), "decreasing positive"),
    ],
)
def test_bad_input_is_named(call: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=r".") as caught:
        call()
    assert words in str(caught.value)
