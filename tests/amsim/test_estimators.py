"""The scikit-learn estimators, by scikit-learn's own checks and by known results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_iris
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import amsim as am
from amsim.estimators import AssociativeClassifier, AssociativeClusterer
from amsim.models import clustering


@pytest.mark.parametrize(
    "estimator",
    [
        AssociativeClusterer(n_init=1),
        AssociativeClusterer(3, beta=2.0, steps=3, n_init=2, max_iter=20),
        AssociativeClassifier(),
        AssociativeClassifier(train=2, n_memories=2),
    ],
    ids=repr,
)
def test_scikit_learn_accepts_the_estimator(estimator: Any) -> None:
    check_estimator(estimator)


def test_clusters_reach_the_optimum_of_k_means_at_large_beta() -> None:
    data = load_iris().data
    model = AssociativeClusterer(3, beta=1e4, random_state=0).fit(data)
    assert model.loss_ == pytest.approx(78.851441, rel=0, abs=1e-4)
    means = KMeans(3, n_init=5, random_state=0).fit(data)
    assert adjusted_rand_score(model.labels_, means.labels_) == 1.0
    assert -model.score(data) == pytest.approx(model.loss_, rel=1e-12)
    np.testing.assert_array_equal(model.predict(data), model.labels_)


def test_the_loss_is_stationary_in_the_memories() -> None:
    data = load_iris().data
    model = AssociativeClusterer(3, beta=2.0, steps=3, alpha=0.5, random_state=0).fit(data)
    options: dict[str, Any] = {"beta": 2.0, "steps": 3, "alpha": 0.5}
    value, gradient = clustering.loss_and_gradient(data, model.cluster_centers_, **options)
    assert value == pytest.approx(model.loss_, rel=1e-12)
    _, start = clustering.loss_and_gradient(data, data[[0, 60, 120]], **options)
    assert np.abs(gradient).max() < 1e-3 * np.abs(start).max()


def test_clusters_depend_on_the_seed_alone() -> None:
    data = load_iris().data
    fits = [AssociativeClusterer(3, random_state=1, n_init=1).fit(data) for _ in range(2)]
    np.testing.assert_array_equal(fits[0].cluster_centers_, fits[1].cluster_centers_)


@pytest.mark.parametrize(("beta", "correct"), [(5.0, 770), (20.0, 767)])
def test_classifier_on_digits(beta: float, correct: int) -> None:
    digits = load_digits()
    data, labels = digits.data / 16, digits.target
    model = AssociativeClassifier(beta).fit(data[:1000], labels[:1000])
    assert model.score(data[1000:], labels[1000:]) == pytest.approx(correct / 797, rel=1e-12)
    share = model.predict_proba(data[1000:])
    np.testing.assert_allclose(share.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(share.argmax(axis=1), model.predict(data[1000:]))


def test_training_halves_the_errors_of_few_memories() -> None:
    data, labels = load_digits(return_X_y=True)
    data = data / 16
    scores = [
        AssociativeClassifier(5.0, train=train, n_memories=5, random_state=0)
        .fit(data[:1000], labels[:1000])
        .score(data[1000:], labels[1000:])
        for train in (0, 20)
    ]
    assert 1 - scores[1] < 0.55 * (1 - scores[0]) < 0.06


def test_the_gradient_of_the_class_loss_is_that_of_its_value() -> None:
    rng = np.random.default_rng(0)
    points, memories, step = (rng.normal(size=(n, 3)) for n in (7, 5, 5))
    targets, labels = ["a", "b", "c", "c", "a", "b", "b"], ["b", "c", "a", "b", "c"]

    def loss(size: float) -> tuple[float, Any]:
        at = memories + size * step
        return clustering.class_loss_and_gradient(points, targets, at, labels, beta=1.3)

    slope = (loss(1e-5)[0] - loss(-1e-5)[0]) / 2e-5
    assert np.sum(loss(0.0)[1] * step) == pytest.approx(slope, rel=1e-8)
    scores, classes = clustering.class_scores(points, memories, labels, beta=1.3)
    right = scores[range(7), np.searchsorted(classes, targets)]
    assert loss(0.0)[0] == pytest.approx(np.mean(np.log(np.exp(scores).sum(axis=1)) - right))
    with pytest.raises(ValueError, match=r"targets must have shape \(7,\)"):
        clustering.class_loss_and_gradient(points, ["d"] * 7, memories, labels, beta=1.0)


def test_the_network_of_a_classifier_attends_as_the_classifier_does() -> None:
    data, labels = load_iris(return_X_y=True)
    model = AssociativeClassifier(2.0, train=5, n_memories=3, random_state=0).fit(data, labels)
    net = model.network()
    ended = am.simulate(net, data, clamp=np.ones(4, bool), solver=am.FixedPoint(), until=None)
    shares = net.activations(ended.final)["hidden"]
    by_class = np.stack([shares[:, model.labels_ == c].sum(axis=1) for c in model.classes_], axis=1)
    np.testing.assert_allclose(by_class, model.predict_proba(data), rtol=1e-10, atol=1e-14)


def test_labels_may_be_python_objects() -> None:
    data, numbers = load_iris(return_X_y=True)
    words = np.array(["setosa", "versicolor", "virginica"])
    model = AssociativeClassifier(beta=3.0).fit(data, words[numbers].astype(object))
    expected = words[AssociativeClassifier(beta=3.0).fit(data, numbers).predict(data)]
    assert model.predict(data).tolist() == expected.tolist()


def test_classifier_works_in_a_pipeline() -> None:
    data, labels = load_iris(return_X_y=True)
    model = make_pipeline(StandardScaler(), AssociativeClassifier(beta=3.0))
    assert cross_val_score(model, data, labels, cv=5).mean() > 0.93


@pytest.mark.parametrize(
    ("options", "error", "word"),
    [
        ({"n_clusters": "a"}, TypeError, "n_clusters must be .* got 'a'"),
        ({"n_clusters": 2.5}, TypeError, r"n_clusters must be .* got 2\.5"),
        ({"n_clusters": 2, "n_init": 0}, ValueError, "n_init must be .* got 0"),
        ({"n_clusters": 2, "max_iter": -1}, ValueError, "max_iter must be .* got -1"),
        ({"n_clusters": 2, "beta": -1.0}, ValueError, "beta must be .* got -1.0"),
    ],
)
def test_parameters_of_clusterers_are_named(options: dict[str, Any], error: Any, word: str) -> None:
    with pytest.raises(error, match=word):
        AssociativeClusterer(**options).fit(np.eye(4))


@pytest.mark.parametrize(
    ("options", "error", "word"),
    [
        ({"train": True}, TypeError, "train must be .* got True"),
        ({"beta": "a"}, TypeError, "beta must be a finite number .* got 'a'"),
        ({"train": -1}, ValueError, "train must be .* got -1"),
        ({"n_memories": 0}, ValueError, "n_memories must be .* got 0"),
        ({"beta": -1.0, "train": 1}, ValueError, "beta must be .* got -1.0"),
    ],
)
def test_parameters_of_a_classifier_are_named(
    options: dict[str, Any], error: Any, word: str
) -> None:
    with pytest.raises(error, match=word):
        AssociativeClassifier(**options).fit(np.eye(4), [0, 0, 1, 1])
