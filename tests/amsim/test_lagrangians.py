"""Lagrangians: derivatives, interval images, closed forms, and safety at extreme inputs."""

from __future__ import annotations

import math
import pickle
import warnings
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amsim.lagrangians import (
    Entmax,
    Exponential,
    Identity,
    Lagrangian,
    LayerNorm,
    RectifiedPower,
    ReLU,
    SeparableLagrangian,
    Sigmoid,
    Sign,
    SignedPower,
    Softmax,
    Spherical,
    Tanh,
)
from amsim.lagrangians.base import Tempered

Array = npt.NDArray[np.floating[Any]]

# eps = 0.1 keeps the curvature of the two norms within reach of a finite difference.
SMOOTH: list[Lagrangian] = [
    Identity(),
    Tanh(),
    Tanh(beta=2.0),
    Sigmoid(beta=0.5),
    ReLU(),
    RectifiedPower(2),
    RectifiedPower(3),
    RectifiedPower(4.5),
    SignedPower(4),
    Exponential(beta=0.7),
    Softmax(),
    Softmax(beta=3.0),
    Entmax(alpha=1.2),
    Entmax(alpha=1.25, beta=2.0),
    LayerNorm(gamma=1.5, delta=0.3, eps=0.1),
    Spherical(eps=0.1),
]
STEEP: list[Lagrangian] = [
    Tanh(beta=50.0),
    Sigmoid(beta=50.0),
    RectifiedPower(2.5),
    RectifiedPower(40),
    SignedPower(2.5),
    SignedPower(6),
    Exponential(beta=20.0),
    Softmax(beta=100.0),
    Entmax(),
    Entmax(alpha=1.001),
    Entmax(alpha=1.8, beta=3.0),
    Entmax(alpha=2.0, beta=2.5),
    LayerNorm(),
    Spherical(),
]
ALL = SMOOTH + STEEP
COUPLED = (Softmax, Entmax, LayerNorm, Spherical)

every = pytest.mark.parametrize("lagrangian", ALL, ids=repr)
smooth = pytest.mark.parametrize("lagrangian", SMOOTH, ids=repr)
seeds = st.integers(0, 2**32 - 1)
shapes = st.sampled_from([(1,), (2,), (5,), (3, 4), (2, 1, 3), (0, 3)])


@pytest.fixture(autouse=True)
def strict_floats() -> Iterator[None]:
    """Overflow, invalid values and every warning are errors; underflow to 0 is fine."""
    with np.errstate(all="raise", under="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def off_kink(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Points at least 0.05 away from the kink of the rectified classes."""
    x = rng.normal(size=shape)
    return np.asarray(x + 0.05 * np.sign(x))


def derivative(function: Callable[[Array], Array], x: Array, direction: Array) -> Array:
    """Central difference of fourth order: errors of about 1e-11 here."""
    h = 1e-3

    def slope(step: float) -> Array:
        forward, back = function(x + step * direction), function(x - step * direction)
        return np.asarray((forward - back) / (2 * step))

    return np.asarray((4 * slope(h) - slope(2 * h)) / 3)


# Derivatives


@smooth
@settings(deadline=None, max_examples=12)
@given(seed=seeds, shape=shapes)
def test_activation_is_the_gradient_of_the_value(
    lagrangian: Lagrangian, seed: int, shape: tuple[int, ...]
) -> None:
    x = off_kink(np.random.default_rng(seed), shape)
    assert lagrangian.value(x).shape == shape[:-1]
    assert lagrangian.activation(x).shape == shape
    for i, unit in enumerate(np.eye(shape[-1])):
        expected = derivative(lagrangian.value, x, unit)
        np.testing.assert_allclose(lagrangian.activation(x)[..., i], expected, rtol=1e-7, atol=1e-8)


@smooth
@settings(deadline=None, max_examples=12)
@given(seed=seeds, shape=shapes)
def test_hessian_is_the_derivative_of_the_activation(
    lagrangian: Lagrangian, seed: int, shape: tuple[int, ...]
) -> None:
    x = off_kink(np.random.default_rng(seed), shape)
    assert lagrangian.hessian(x).shape == (*shape, shape[-1])
    for i, unit in enumerate(np.eye(shape[-1])):
        expected = derivative(lagrangian.activation, x, unit)
        np.testing.assert_allclose(lagrangian.hessian(x)[..., i], expected, rtol=1e-7, atol=1e-8)


@every
@settings(deadline=None, max_examples=12)
@given(seed=seeds, shape=shapes)
def test_hessian_is_symmetric_positive_semidefinite_and_agrees_with_its_product(
    lagrangian: Lagrangian, seed: int, shape: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(seed)
    x, u = off_kink(rng, shape), rng.normal(size=shape)
    hessian = lagrangian.hessian(x)
    np.testing.assert_array_equal(hessian, np.swapaxes(hessian, -1, -2))
    if hessian.size:
        eigenvalues = np.linalg.eigvalsh(hessian)
        # The terms of a full Hessian cancel: their rounding is relative to the steepest slope.
        steepest = np.max(lagrangian.slope_bounds(np.full(3, -9.0), np.full(3, 9.0))[1])
        assert eigenvalues.min() >= (0.0 if lagrangian.separable else -1e-14 * steepest)
    product = np.einsum("...ij,...j->...i", hessian, u)
    scale = 1 + np.max(np.abs(hessian), initial=0.0)
    np.testing.assert_allclose(
        lagrangian.hessian_product(x, u) / scale, product / scale, atol=1e-13
    )


@every
def test_separable_means_a_diagonal_hessian(lagrangian: Lagrangian) -> None:
    hessian = lagrangian.hessian(np.array([-0.4, 0.3, 0.7]))
    off_diagonal = hessian - np.diag(np.diag(hessian))
    assert lagrangian.separable == (not off_diagonal.any())
    assert lagrangian.separable != isinstance(lagrangian, COUPLED)


@every
def test_a_batch_equals_its_rows(lagrangian: Lagrangian) -> None:
    rng = np.random.default_rng(3)
    x, u = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 3, 4))
    whole: list[Array] = [
        lagrangian.value(x),
        lagrangian.activation(x),
        lagrangian.hessian(x),
        lagrangian.hessian_product(x, u),
        *lagrangian.activation_bounds(x, x + np.abs(u)),
        *lagrangian.slope_bounds(x, x + np.abs(u)),
    ]
    for i in np.ndindex(2, 3):
        row: list[Array] = [
            lagrangian.value(x[i]),
            lagrangian.activation(x[i]),
            lagrangian.hessian(x[i]),
            lagrangian.hessian_product(x[i], u[i]),
            *lagrangian.activation_bounds(x[i], x[i] + np.abs(u[i])),
            *lagrangian.slope_bounds(x[i], x[i] + np.abs(u[i])),
        ]
        for batch, single in zip(whole, row):
            np.testing.assert_allclose(batch[i], single, rtol=1e-14, atol=1e-14)


# Closed forms


@pytest.mark.parametrize(
    ("lagrangian", "value", "legendre"),
    [
        (Identity(), 2.625, 2.625),
        (Tanh(beta=2.0), 2.5329859, 0.8104974),
        (Sigmoid(beta=2.0), 2.7291698, -0.5188159),
        (Softmax(beta=2.0), 2.0254729, -0.1035110),
        (ReLU(), 2.125, 2.125),
        (RectifiedPower(2), 2.125, 2.125),
        (RectifiedPower(3), 2.7083333, 5.4166667),
    ],
    ids=repr,
)
def test_known_values(lagrangian: Lagrangian, value: float, legendre: float) -> None:
    x = np.array([-1.0, 0.5, 2.0])
    assert float(lagrangian.value(x)) == pytest.approx(value, abs=5.1e-8)
    energy = x @ lagrangian.activation(x) - lagrangian.value(x)
    assert float(energy) == pytest.approx(legendre, abs=5.1e-8)


def test_norms_against_their_definitions() -> None:
    x, delta = np.array([-1.0, 0.5, 2.0]), np.array([0.1, 0.2, 0.3])
    layernorm = LayerNorm(gamma=2.0, delta=delta, eps=0.01)
    deviation = math.sqrt(np.var(x) + 0.01)
    assert float(layernorm.value(x)) == pytest.approx(3 * 2.0 * deviation + delta @ x, rel=1e-14)
    np.testing.assert_allclose(
        layernorm.activation(x), 2.0 * (x - x.mean()) / deviation + delta, rtol=1e-14
    )
    assert float(Spherical(eps=0.75).value(x)) == pytest.approx(math.sqrt(6.0), rel=1e-15)
    np.testing.assert_allclose(Spherical(eps=0.75).activation(x), x / math.sqrt(6.0), rtol=1e-15)


def test_exponential_is_the_exponential() -> None:
    x = np.array([-1.0, 0.5, 2.0])
    assert float(Exponential(2.0).value(x)) == pytest.approx(np.exp(2 * x).sum() / 2, rel=1e-15)
    np.testing.assert_allclose(Exponential(2.0).slope(x), 2 * np.exp(2 * x), rtol=1e-15)


def test_a_vector_delta_enters_value_and_activation_only() -> None:
    x, delta = np.array([[0.3, -1.0], [2.0, 0.1]]), np.array([5.0, -7.0])
    plain, shifted = LayerNorm(), LayerNorm(delta=delta)
    np.testing.assert_allclose(shifted.value(x), plain.value(x) + x @ delta, rtol=1e-14)
    np.testing.assert_allclose(shifted.activation(x), plain.activation(x) + delta, rtol=1e-14)
    np.testing.assert_array_equal(shifted.hessian(x), plain.hessian(x))


def sparsemax(x: Array) -> Array:
    """By sorting: the support is the longest prefix whose last entry is above its threshold."""
    ordered = np.sort(x)[::-1]
    thresholds = (np.cumsum(ordered) - 1) / np.arange(1, x.size + 1)
    return np.asarray(np.maximum(x - thresholds[np.flatnonzero(ordered > thresholds)[-1]], 0))


def entmax_15(x: Array) -> Array:
    """By sorting, and a quadratic equation for each prefix (Peters et al. 2019, algorithm 2)."""
    ordered, count = np.sort(x / 2)[::-1], np.arange(1, x.size + 1)
    mean = np.cumsum(ordered) / count
    spread = np.cumsum(ordered**2) - count * mean**2
    thresholds = mean - np.sqrt(np.maximum((1 - spread) / count, 0))
    last = np.flatnonzero(thresholds <= ordered)[-1]
    return np.asarray(np.maximum(x / 2 - thresholds[last], 0) ** 2)


@settings(deadline=None, max_examples=40)
@given(seed=seeds, n=st.integers(1, 40), beta=st.floats(0.05, 20.0))
def test_entmax_against_sorting(seed: int, n: int, beta: float) -> None:
    x = np.random.default_rng(seed).normal(size=n)
    for alpha, by_sorting in ((2.0, sparsemax), (1.5, entmax_15)):
        p = Entmax(alpha, beta).activation(x)
        np.testing.assert_allclose(p, by_sorting(beta * x), atol=1e-13)
        assert p.sum() == pytest.approx(1.0, rel=1e-15)


@settings(deadline=None, max_examples=40)
@given(seed=seeds, n=st.integers(2, 10), alpha=st.floats(1.05, 2.0))
def test_entmax_is_where_its_value_is_largest(seed: int, n: int, alpha: float) -> None:
    rng = np.random.default_rng(seed)
    x, beta = rng.normal(size=n), float(rng.uniform(0.2, 5))
    entmax = Entmax(alpha, beta)

    def payoff(p: Array) -> Array:
        entropy = np.sum(p - p**alpha, axis=-1) / (alpha * (alpha - 1))
        return np.asarray(p @ x + entropy / beta)

    best = payoff(entmax.activation(x))
    assert float(entmax.value(x)) == pytest.approx(float(best), abs=1e-12)
    others = rng.dirichlet(np.full(n, 0.5), 50)
    mixed = 0.99 * entmax.activation(x) + 0.01 * others
    assert (payoff(np.concatenate([others, mixed])) <= best + 1e-14).all()


@settings(deadline=None, max_examples=40)
@given(seed=seeds, alpha=st.sampled_from([1.5, 2.0]), beta=st.floats(0.2, 5.0))
def test_entmax_has_derivatives_off_its_kinks(seed: int, alpha: float, beta: float) -> None:
    rng = np.random.default_rng(seed)
    x, u, step = rng.normal(size=6), rng.normal(size=6), 1e-5
    entmax = Entmax(alpha, beta)
    ends = [x + step * u, x - step * u]
    change = (entmax.value(ends[0]) - entmax.value(ends[1])) / (2 * step)
    assert float(change) == pytest.approx(float(entmax.activation(x) @ u), abs=1e-4 * beta)
    if ((entmax.activation(ends[0]) > 0) != (entmax.activation(ends[1]) > 0)).any():
        return  # a kink in between
    moved = (entmax.activation(ends[0]) - entmax.activation(ends[1])) / (2 * step)
    np.testing.assert_allclose(moved, entmax.hessian_product(x, u), atol=1e-4 * beta)


@pytest.mark.parametrize("alpha", [math.nextafter(1.0, 2.0), 1 + 1e-12, 1 + 1e-6])
def test_entmax_tends_to_softmax(alpha: float) -> None:
    x = np.random.default_rng(0).normal(size=(3, 50))
    entmax, softmax = Entmax(alpha, 4.0), Softmax(4.0)
    # log1p(a u) / a - u is a u^2 / 2, for the smallest share and the threshold.
    near = 1e-12 + (alpha - 1) * float(np.log(softmax.activation(x).min())) ** 2
    np.testing.assert_allclose(entmax.activation(x), softmax.activation(x), rtol=near)
    np.testing.assert_allclose(entmax.value(x), softmax.value(x), rtol=near)
    np.testing.assert_allclose(entmax.hessian(x), softmax.hessian(x), rtol=near, atol=near)


@pytest.mark.parametrize("alpha", [1.1, 1.5, 2.0])
def test_entmax_is_one_hot_from_its_margin_on(alpha: float) -> None:
    margin = 1 / ((alpha - 1) * 3.0)
    entmax, rest = Entmax(alpha, 3.0), np.linspace(-2, 0, 7)
    ahead = np.append(rest, 1.001 * margin)
    np.testing.assert_array_equal(entmax.activation(ahead), np.eye(8)[7])
    assert not entmax.hessian(ahead).any()
    low, high = entmax.activation_bounds(ahead - 4e-4 * margin, ahead + 4e-4 * margin)
    np.testing.assert_array_equal(high[:7], 0.0)
    assert low[7] == pytest.approx(1.0, abs=1e-12) and high[7] == 1.0
    assert entmax.activation(np.append(rest, 0.9 * margin))[7] < 1.0


@given(seed=seeds, shift=st.floats(-1e3, 1e3), beta=st.floats(0.1, 10.0))
def test_softmax_is_shift_covariant(seed: int, shift: float, beta: float) -> None:
    x = np.random.default_rng(seed).normal(size=(3, 5))
    softmax = Softmax(beta)
    np.testing.assert_allclose(softmax.value(x + shift), softmax.value(x) + shift, atol=1e-12)
    np.testing.assert_allclose(softmax.activation(x + shift), softmax.activation(x), rtol=1e-10)
    np.testing.assert_allclose(softmax.activation(x).sum(axis=-1), 1.0, rtol=1e-14)


def test_a_large_common_offset_is_no_variance_for_layernorm() -> None:
    offset = np.array([1e6 + 0.1] * 7)
    for x in (offset, offset.astype(np.float32)):
        assert not LayerNorm().activation(x).any()


@pytest.mark.parametrize("beta", [0.5, 8.0])
def test_tails_keep_their_relative_precision(beta: float) -> None:
    # 1 - tanh^2 or p (1 - p), computed as written, would be 0 or noise here.
    slope = Tanh(beta).slope([30.0 / beta])
    np.testing.assert_allclose(slope, 4 * beta * math.exp(-60.0), rtol=1e-13)
    rate = Sigmoid(beta).activation([-50.0 / beta])
    np.testing.assert_allclose(rate, math.exp(-50.0), rtol=1e-13)


# Interval images


def random_box(rng: np.random.Generator) -> tuple[Array, Array]:
    """Boxes from tiny to huge, far off or not, some sides flat, some corners on the kink at 0."""
    n = int(rng.integers(1, 7))
    offset = 10.0 ** rng.uniform(0, 5) * (rng.random() < 0.3)
    centre = offset + rng.normal(size=n) * 10.0 ** rng.uniform(-2, 2)
    radius = 10.0 ** rng.uniform(-6, 1.5, size=n) * rng.integers(0, 2, size=n)
    lo, hi = centre - radius, centre + radius
    at_zero = rng.random(n) < 0.1
    return np.where(at_zero & (lo < 0), np.minimum(0.0, hi), lo), hi


def points_in(rng: np.random.Generator, lo: Array, hi: Array) -> Array:
    """Uniform points, corners, and points with some units at corners."""
    part = rng.random((60, lo.size))
    part[20:40] = part[20:40] > 0.5
    part[40:] = np.where(rng.random((20, lo.size)) < 0.5, part[40:], part[40:] > 0.5)
    return np.clip(lo + part * (hi - lo), lo, hi)


@every
@settings(deadline=None, max_examples=20)
@given(seed=seeds, single=st.booleans())
def test_interval_images_contain_every_point_of_the_box(
    lagrangian: Lagrangian, seed: int, single: bool
) -> None:
    rng = np.random.default_rng(seed)
    lo, hi = random_box(rng)
    if single:
        lo, hi = (np.sort([lo.astype(np.float32), hi.astype(np.float32)], axis=0))[:2]
    x = points_in(rng, lo, hi).astype(lo.dtype)
    g = lagrangian.activation(x)
    slope = np.diagonal(lagrangian.hessian(x), axis1=-2, axis2=-1)
    low, high = lagrangian.activation_bounds(lo, hi)
    assert np.all(low <= g) and np.all(g <= high)
    low, high = lagrangian.slope_bounds(lo, hi)
    assert np.all(low <= slope) and np.all(slope <= high)


@smooth
@settings(deadline=None, max_examples=12)
@given(seed=seeds)
def test_interval_images_of_a_point_are_its_values(lagrangian: Lagrangian, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(3, 5))
    slope = np.diagonal(lagrangian.hessian(x), axis1=-2, axis2=-1)
    atol = 0.0 if lagrangian.separable else 1e-12
    for bound in lagrangian.activation_bounds(x, x):
        np.testing.assert_allclose(bound, lagrangian.activation(x), rtol=1e-14, atol=atol)
    for bound in lagrangian.slope_bounds(x, x):
        np.testing.assert_allclose(bound, slope, rtol=1e-14, atol=atol)


@settings(deadline=None, max_examples=40)
@given(seed=seeds, beta=st.floats(0.1, 20.0))
def test_softmax_bounds_are_attained(seed: int, beta: float) -> None:
    rng = np.random.default_rng(seed)
    lo, hi = rng.normal(size=6), np.zeros(6)
    hi = lo + rng.exponential(size=6)
    low, high = Softmax(beta).activation_bounds(lo, hi)
    for i, unit in enumerate(np.eye(6, dtype=bool)):
        largest = Softmax(beta).activation(np.where(unit, hi, lo))[i]
        smallest = Softmax(beta).activation(np.where(unit, lo, hi))[i]
        np.testing.assert_allclose([low[i], high[i]], [smallest, largest], rtol=1e-11)


@settings(deadline=None, max_examples=40)
@given(seed=seeds, alpha=st.floats(1.05, 2.0), beta=st.floats(0.1, 20.0))
def test_entmax_bounds_are_attained(seed: int, alpha: float, beta: float) -> None:
    rng = np.random.default_rng(seed)
    lo = rng.normal(size=6)
    hi = lo + rng.exponential(size=6)
    entmax = Entmax(alpha, beta)
    low, high = entmax.activation_bounds(lo, hi)
    for i, unit in enumerate(np.eye(6, dtype=bool)):
        largest = entmax.activation(np.where(unit, hi, lo))[i]
        smallest = entmax.activation(np.where(unit, lo, hi))[i]
        np.testing.assert_allclose([low[i], high[i]], [smallest, largest], atol=1e-12)


@settings(deadline=None, max_examples=40)
@given(seed=seeds)
def test_spherical_bounds_are_attained(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lo = rng.normal(size=4)
    hi = lo + rng.exponential(size=4)
    inner, outer = np.clip(0, lo, hi), np.where(-lo > hi, lo, hi)
    low, high = Spherical().activation_bounds(lo, hi)
    for i, unit in enumerate(np.eye(4, dtype=bool)):
        top = np.where(unit, hi, inner if hi[i] > 0 else outer)
        bottom = np.where(unit, lo, inner if lo[i] < 0 else outer)
        attained = [Spherical().activation(bottom)[i], Spherical().activation(top)[i]]
        np.testing.assert_allclose([low[i], high[i]], attained, rtol=1e-12)


@pytest.mark.parametrize("lagrangian", [Tanh(2.0), Sigmoid(2.0)], ids=repr)
def test_slope_bounds_hold_the_peak_at_zero(lagrangian: Tanh | Sigmoid) -> None:
    low, high = lagrangian.slope_bounds([-1.0], [3.0])
    np.testing.assert_allclose(high, lagrangian.slope([0.0]), rtol=1e-14)
    np.testing.assert_allclose(low, lagrangian.slope([3.0]), rtol=1e-14)


def test_softmax_slope_bounds_hold_the_peak_at_one_half() -> None:
    low, high = Softmax(2.0).slope_bounds([-1.0, 0.0], [3.0, 0.0])
    np.testing.assert_allclose(high, 0.5, rtol=1e-14)
    p = 1 / (1 + math.exp(-6.0))
    np.testing.assert_allclose(low, 2 * p * (1 - p), rtol=1e-11)


@pytest.mark.parametrize("n", [1, 2, 3, 10])
def test_layernorm_range_is_sharp(n: int) -> None:
    one_hot = 1e6 * np.eye(n)[0]
    limit = 1.5 * math.sqrt(n - 1)
    layernorm = LayerNorm(gamma=1.5, delta=-2.0)
    assert float(layernorm.activation(one_hot)[0]) == pytest.approx(-2.0 + limit, abs=1e-9)
    low, high = layernorm.activation_bounds(np.full(n, -1e6), np.full(n, 1e6))
    np.testing.assert_allclose(low, -2.0 - limit, atol=1e-9)
    np.testing.assert_allclose(high, -2.0 + limit, atol=1e-9)


@settings(deadline=None, max_examples=40)
@given(seed=seeds, n=st.integers(2, 12))
def test_layernorm_bounds_are_tight_to_first_order(seed: int, n: int) -> None:
    # To first order g_i varies by sum_j |H_ij| r_j; the plain quotient of the intervals of
    # x_i - mean and of s, which forgets that they vary together, is the yardstick from above.
    rng = np.random.default_rng(seed)
    x, radius = rng.normal(size=n), 1e-4 * rng.random(n)
    layernorm = LayerNorm(eps=0.1)
    low, high = layernorm.activation_bounds(x - radius, x + radius)
    exact = np.abs(layernorm.hessian(x)) @ radius
    s, own = math.sqrt(np.var(x) + 0.1), (1 - 2 / n) * radius + radius.mean()
    quotient = own / s + np.abs(x - x.mean()) / s**2 * np.linalg.norm(radius) / math.sqrt(n)
    assert np.all(high - low >= 2 * exact * (1 - 1e-2))
    assert np.all(high - low <= 2 * quotient * (1 + 1e-2))
    if n == 2:
        np.testing.assert_allclose(high - low, 2 * exact, rtol=1e-2)


def test_softmax_bounds_hold_subnormal_values() -> None:
    x = np.random.default_rng(1).normal(size=(50, 300)) - 25.0
    x[:, 0] = 0.0
    softmax = Softmax(beta=30.0)
    g = softmax.activation(x)
    assert np.any((g > 0) & (g < np.finfo(np.float64).tiny))
    low, high = softmax.activation_bounds(x, x)
    assert np.all(low <= g) and np.all(g <= high)


@every
def test_odd_tells_whether_the_activation_changes_its_sign_with_the_state(
    lagrangian: Lagrangian,
) -> None:
    x = np.array([0.3, -1.7, 2.2])
    mirrored = np.array_equal(lagrangian.activation(-x), -lagrangian.activation(x))
    # A layer norm is odd or not by its delta; it says no, and nobody loses by that.
    assert lagrangian.odd == mirrored or isinstance(lagrangian, LayerNorm)


@every
def test_bounded_tells_whether_the_activation_has_a_limit(lagrangian: Lagrangian) -> None:
    limit = float(np.max(np.abs(lagrangian.activation(np.array([1e6, -1e6, 0.0])))))
    assert lagrangian.bounded == (limit < 10.0)


@every
def test_boxes_are_checked(lagrangian: Lagrangian) -> None:
    for bounds in (lagrangian.activation_bounds, lagrangian.slope_bounds):
        with pytest.raises(ValueError, match=r"lo exceeds hi at index \(1,\): 2.0 > 1.0"):
            bounds([0.0, 2.0], [0.0, 1.0])
        with pytest.raises(ValueError, match=r"lo has shape \(2,\), hi has shape \(3,\)"):
            bounds([0.0, 2.0], [0.0, 1.0, 2.0])
        with pytest.raises(ValueError, match="not finite"):
            bounds([0.0, math.nan], [0.0, 1.0])
        with pytest.raises(ValueError, match="not finite"):
            bounds([0.0, 1.0], [0.0, math.inf])


# Extreme inputs and precision

EXTREME = [
    [1e6, 1e6, 1e6],
    [-1e6, -1e6, -1e6],
    [1e6, -1e6, 0.0],
    [1e6, 1e6, -1e6],
    [0.0, 0.0, 0.0],
    [1e-300, -1e-300, 0.0],
    [1e6],
    [-1e6],
]


@every
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_extreme_inputs_stay_finite_and_sound(
    lagrangian: Lagrangian, dtype: type[np.floating[Any]]
) -> None:
    for x in EXTREME:
        point = np.array(x, dtype=dtype)
        u = np.linspace(-1, 1, point.size).astype(dtype)
        activation, hessian = lagrangian.activation(point), lagrangian.hessian(point)
        results: list[Array] = [
            lagrangian.value(point), activation, hessian, lagrangian.hessian_product(point, u)
        ]  # fmt: skip
        wide = np.full_like(point, -1e6), np.full_like(point, 1e6)
        for box in ((point, point), wide, (wide[0], point), (point, wide[1])):
            images = lagrangian.activation_bounds(*box), lagrangian.slope_bounds(*box)
            for (low, high), inner in zip(images, (activation, np.diagonal(hessian))):
                assert np.all(low <= inner) and np.all(inner <= high), (x, box)
                results += [low, high]
        for result in results:
            assert np.all(np.isfinite(result)), x
            assert result.dtype == dtype, x


@every
def test_other_types_become_float64(lagrangian: Lagrangian) -> None:
    assert lagrangian.value([1, 2]).dtype == np.float64
    assert lagrangian.activation(np.array([1, 2], dtype=np.float16)).dtype == np.float64
    with pytest.raises(TypeError):
        lagrangian.activation(np.array([1j, 2]))
    with pytest.raises(ValueError, match=r"the state has shape \(\); it needs units"):
        lagrangian.activation(1.0)


@every
def test_inputs_are_not_changed_or_returned(lagrangian: Lagrangian) -> None:
    x = np.array([-1.0, 0.5, 2.0])
    for result in (lagrangian.activation(x), *lagrangian.activation_bounds(x, x)):
        assert not np.shares_memory(result, x)
    np.testing.assert_array_equal(x, [-1.0, 0.5, 2.0])


def test_a_numpy_parameter_does_not_promote_float32() -> None:
    x = np.ones(3, dtype=np.float32)
    beta: Any = np.float64(2.0)
    assert Tanh(beta).activation(x).dtype == np.float32
    assert type(Tanh(beta).beta) is float
    assert LayerNorm(delta=np.ones(3)).activation(x).dtype == np.float32


# Parameters


@pytest.mark.parametrize("cls", [Tanh, Sigmoid, Exponential, Softmax, Entmax])
@pytest.mark.parametrize("beta", [0.0, -1.0, math.inf, math.nan])
def test_beta_is_positive_and_finite(cls: Callable[..., Lagrangian], beta: float) -> None:
    with pytest.raises(ValueError, match=r"beta must be a finite number >= 1e-100") as caught:
        cls(beta=beta)
    assert cls.__name__ in str(caught.value) and repr(beta) in str(caught.value)


@pytest.mark.parametrize(
    ("cls", "parameters", "message"),
    [
        (RectifiedPower, {"n": 1.9}, r"RectifiedPower: n must be a finite number >= 2 .*got 1.9"),
        (
            RectifiedPower,
            {"n": math.inf},
            r"RectifiedPower: n must be a finite number >= 2 .*got inf",
        ),
        (Entmax, {"alpha": 1.0}, r"Entmax: alpha must be .*<= 2.*got 1.0"),
        (Entmax, {"alpha": 2.5}, r"Entmax: alpha must be .*<= 2.*got 2.5"),
        (LayerNorm, {"gamma": 0.0}, r"LayerNorm: gamma must be .*got 0.0"),
        (LayerNorm, {"eps": 0}, r"LayerNorm: eps must be .*got 0"),
        (LayerNorm, {"delta": math.nan}, r"LayerNorm: delta must be finite"),
        (LayerNorm, {"delta": [[1.0]]}, r"LayerNorm: delta has shape \(1, 1\)"),
        (Spherical, {"eps": -1.0}, r"Spherical: eps must be .*got -1.0"),
    ],
)
def test_other_parameters_are_checked(
    cls: Callable[..., Lagrangian], parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        cls(**parameters)


def test_a_parameter_must_be_a_number() -> None:
    with pytest.raises(TypeError, match=r"Tanh: beta must be a finite number .*got '2'"):
        Tanh(beta="2")  # type: ignore[arg-type]


def test_delta_must_fit_the_layer() -> None:
    with pytest.raises(ValueError, match=r"delta has shape \(2,\), x has shape \(4, 3\)"):
        LayerNorm(delta=[1.0, 2.0]).activation(np.zeros((4, 3)))


@every
def test_lagrangians_are_values(lagrangian: Lagrangian) -> None:
    copy = pickle.loads(pickle.dumps(lagrangian))
    assert copy == lagrangian and hash(copy) == hash(lagrangian)


def test_two_state_neurons() -> None:
    x = np.array([[-2.0, 0.0, 1e-9]])
    assert Sign().value(x) == [2.0 + 1e-9]
    np.testing.assert_array_equal(Sign().activation(x), [[-1.0, 0.0, 1.0]])
    np.testing.assert_array_equal(Sign().hessian(x), np.zeros((1, 3, 3)))
    np.testing.assert_allclose(Tanh(1e12).activation(x), Sign().activation(x), atol=1e-12)
    lo, hi = np.array([-2.0, -1.0, 0.5]), np.array([-1.0, 1.0, 2.0])
    low, high = Sign().activation_bounds(lo, hi)
    np.testing.assert_allclose((low, high), [[-1.0, -1.0, 1.0], [-1.0, 1.0, 1.0]], rtol=1e-14)
    # No slope holds for a box around the kink.
    np.testing.assert_array_equal(Sign().slope_bounds(lo, hi), [[0, 0, 0], [0, np.inf, 0]])


def test_dataclass_behaviour() -> None:
    layernorm = LayerNorm(delta=np.array([1.0, 2.0]))
    assert layernorm == LayerNorm(delta=[1, 2]) and hash(layernorm) == hash(LayerNorm(delta=[1, 2]))
    assert replace(layernorm, gamma=2.0).delta == (1.0, 2.0)
    assert len({Tanh(), Sigmoid(), Tanh()}) == 2
    with pytest.raises(FrozenInstanceError):
        Tanh().beta = 2.0  # type: ignore[misc]
    with pytest.raises(TypeError):
        Lagrangian()  # type: ignore[abstract]


SHARES = [Softmax(3.0), Entmax(1.1), Entmax(1.5, 2.0), Entmax(2.0)]


@pytest.mark.parametrize("lagrangian", SHARES, ids=repr)
@settings(deadline=None, max_examples=40)
@given(seed=seeds)
def test_responses_of_shares_are_bounded_over_a_box(lagrangian: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lo, hi = random_box(rng)
    u = rng.random(lo.size)
    bound = lagrangian.response_bound((lo, hi), lagrangian.activation_bounds(lo, hi), u)
    x = points_in(rng, lo, hi)
    exact = np.abs(lagrangian.hessian(x)) @ u
    assert np.all(exact <= bound + 1e-12)
    product = lagrangian.magnitude_product(x, u)
    np.testing.assert_allclose(product, exact, rtol=1e-7, atol=1e-13)


@pytest.mark.parametrize("lagrangian", SHARES, ids=repr)
def test_products_of_shares_do_not_cancel_at_a_stored_memory(lagrangian: Any) -> None:
    depth = 20.0 if isinstance(lagrangian, Softmax) else 0.999 / (lagrangian.alpha - 1)
    x = np.array([0.0, -0.999 * depth, -depth]) / lagrangian.beta
    s = lagrangian._weights(x)
    expected = lagrangian.beta * s[0] * (s[1] + s[2]) / s.sum()
    ones = np.array([1.0, 0.0, 0.0])
    for product in (lagrangian.magnitude_product(x, ones), lagrangian.hessian_product(x, ones)):
        assert float(product[0]) == pytest.approx(expected, rel=1e-13, abs=0.0)


def test_a_parameter_may_not_hide_a_method() -> None:
    """Networks and solvers would work, and the first that asks for the slope would not."""
    for name in ("slope", "kinked", "value"):
        with pytest.raises(TypeError, match=f"Leaky: the parameter '{name}' would hide the method"):
            type(
                "Leaky",
                (Tempered, SeparableLagrangian),
                {"__annotations__": {name: float}, name: 0.1},
            )


@pytest.mark.parametrize("lagrangian", [each for each in ALL if each.separable], ids=repr)
def test_a_jump_of_the_slope_is_said(lagrangian: SeparableLagrangian) -> None:
    """`kinked` against the slopes on both sides of many points, for sums over units."""
    at = np.concatenate([[0.0], np.linspace(-2.1, 2.1, 43)])
    near = 1e-9
    jump = np.abs(lagrangian.slope(at + near) - lagrangian.slope(at - near))
    size = np.maximum(lagrangian.slope(at + near), lagrangian.slope(at - near))
    assert (jump > 1e-3 * np.maximum(size, 1e-3)).any() == lagrangian.kinked


def test_slope_bounds_hold_what_underflows() -> None:
    """1 - 0.01 * 99.95 to the power of 99 is 1e-327, which floats do not have, and not 0."""
    for state, most in ((-99.95, 1e-300), (-100.5, 0.0)):  # beyond -100 the output is 0
        x = np.array([0.0, state])
        low, high = Entmax(1.01, 1.0).slope_bounds(x, x)
        assert low[1] == 0.0
        assert high[1] <= most and (high[1] > 0) == (most > 0)


@pytest.mark.parametrize("lagrangian", [Tanh(), Softmax(), Entmax(), LayerNorm()])
def test_vectors_of_another_length_are_refused(lagrangian: Lagrangian) -> None:
    for product in (lagrangian.hessian_product, lagrangian.magnitude_product):
        with pytest.raises(ValueError, match=r"u has shape \(2,\), the state has shape \(3,\)"):
            product([1.0, 2.0, 3.0], [1.0, 2.0])
