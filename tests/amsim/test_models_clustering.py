"""ClAM's recursion, loss and gradient, and class scores."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.spatial.distance import cdist
from scipy.special import logsumexp, softmax

from amsim.models.clustering import class_scores, loss, loss_and_gradient, recall

Array = npt.NDArray[Any]
RNG = np.random.default_rng(0)
X, RHO = RNG.normal(size=(7, 3)), RNG.normal(size=(4, 3))
MASK = RNG.random((7, 3)) < 0.5


def written_out(mask: Array | None) -> Array:
    """Three steps with alpha 0.4 and beta 0.8, point by point."""
    out = []
    for number, point in enumerate(X):
        hidden = np.ones(3) if mask is None else mask[number].astype(float)
        x = point.copy() if mask is None else np.where(mask[number], 0.0, point)
        for _ in range(3):
            p = softmax([-0.8 * np.sum((rho - x) ** 2) for rho in RHO])
            x = x + 0.4 * hidden * sum(w * (rho - x) for w, rho in zip(p, RHO))
        out.append(x)
    return np.array(out)


@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
def test_recursion_loss_and_gradient(mask: Array | None) -> None:
    options: dict[str, Any] = {"beta": 0.8, "alpha": 0.4, "steps": 3, "mask": mask}
    expected = written_out(mask)
    np.testing.assert_allclose(recall(X, RHO, **options), expected, rtol=1e-12, atol=1e-14)
    # Known entries are not touched, so that their difference is 0.
    value, gradient = loss_and_gradient(X, RHO, **options)
    assert value == pytest.approx(np.sum((expected - X) ** 2), rel=1e-12)
    assert loss(X, RHO, **options) == value
    for index in np.ndindex(RHO.shape):
        step = np.zeros_like(RHO)
        step[index] = 1e-5
        slope = (loss(X, RHO + step, **options) - loss(X, RHO - step, **options)) / 2e-5
        assert gradient[index] == pytest.approx(slope, rel=1e-6, abs=1e-7)


def test_hidden_entries_do_not_leak() -> None:
    options: dict[str, Any] = {"beta": 0.8, "steps": 2, "mask": MASK}
    other = np.where(MASK, 99.0, X)
    np.testing.assert_array_equal(recall(X, RHO, **options), recall(other, RHO, **options))


def test_k_means_is_the_limit_on_iris() -> None:
    """beta to infinity, one step of alpha 1: the sum of squares of k-means, 78.851441."""
    from sklearn.cluster import KMeans
    from sklearn.datasets import load_iris

    data = load_iris().data
    means = KMeans(3, n_init=5, random_state=0).fit(data)
    assert means.inertia_ == pytest.approx(78.851441, rel=0, abs=5e-7)
    value = loss(data, means.cluster_centers_, beta=1e6)
    assert value == pytest.approx(78.851441, rel=0, abs=5e-7)


def test_class_scores_are_sums_over_the_class() -> None:
    labels = np.array(["b", "a", "b", "c"])
    scores, classes = class_scores(X, RHO, labels, beta=1.3)
    assert classes.tolist() == ["a", "b", "c"]
    for c, name in enumerate("abc"):
        squares = np.sum((X[:, None] - RHO[labels == name]) ** 2, axis=-1)
        np.testing.assert_allclose(scores[:, c], logsumexp(-1.3 * squares, axis=1), rtol=1e-12)


@pytest.mark.parametrize(("beta", "correct"), [(5.0, 770), (20.0, 767), (200.0, 767)])
def test_digits_are_classified_without_training(beta: float, correct: int) -> None:
    """First 1000 scans as memories, the other 797 as cues; 767 is the nearest neighbour."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    data, labels = digits.data / 16, digits.target
    scores, classes = class_scores(data[1000:], data[:1000], labels[:1000], beta=beta)
    assert np.sum(classes[scores.argmax(axis=1)] == labels[1000:]) == correct
    if beta >= 20:
        squares = cdist(data[1000:], data[:1000], "sqeuclidean")
        assert np.sum(labels[:1000][squares.argmin(axis=1)] == labels[1000:]) == correct


def test_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"points have shape \(7, 3\), memories \(4, 2\)"):
        recall(X, RHO[:, :2], beta=1.0)
    with pytest.raises(ValueError, match="NaN"):
        recall(np.full((1, 3), np.nan), RHO, beta=1.0)
    with pytest.raises(ValueError, match=r"labels have shape \(3,\), there are 4 memories"):
        class_scores(X, RHO, [0, 1, 2], beta=1.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"beta": -1.0}, "beta must be .*got -1.0"),
        ({"alpha": math.nan}, "alpha must be .*got nan"),
        ({"alpha": -1.0}, "alpha must be .*got -1.0"),
        ({"steps": -1}, "steps must be .*got -1"),
        ({"steps": 1.5}, "steps must be .*got 1.5"),
        ({"mask": [True, False]}, r"mask has shape \(2,\)"),
        ({"mask": [True, math.nan, False]}, "mask must be booleans"),
    ],
)
def test_options_are_named(options: dict[str, Any], words: str) -> None:
    for function in (recall, loss):
        with pytest.raises((TypeError, ValueError), match=words):
            function(X, RHO, **{"beta": 1.0, **options})


@pytest.mark.parametrize("beta", [-1.0, 0.0, math.nan])
def test_classes_need_a_positive_beta(beta: float) -> None:
    with pytest.raises(ValueError, match="beta must be"):
        class_scores(X, RHO, [0, 1, 2, 2], beta=beta)
