"""The autoencoding memory: its gradient, its network, and what it completes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.impute import SimpleImputer
from sklearn.utils.estimator_checks import check_estimator

import amsim as am
from amsim.estimators import AssociativeAutoencoder
from amsim.estimators.memories import _completion

IRIS = load_iris().data
GAPS = np.where(np.random.default_rng(0).random(IRIS.shape) < 0.25, np.nan, IRIS)


def fitted(**options: Any) -> AssociativeAutoencoder:
    return AssociativeAutoencoder(6, 2.0, random_state=0, **options).fit(GAPS)


def test_scikit_learn_accepts_it() -> None:
    check_estimator(AssociativeAutoencoder(2, train=2))


def test_the_gradient_is_that_of_the_loss() -> None:
    rng = np.random.default_rng(0)
    points, memories, step = (rng.normal(size=(n, 3)) for n in (7, 4, 4))
    known = rng.random(points.shape) < 0.8
    shown = known & (rng.random(points.shape) < 0.7)

    def loss(size: float) -> tuple[float, Any]:
        return _completion(points, known, shown, memories + size * step, 1.3)

    slope = (loss(1e-5)[0] - loss(-1e-5)[0]) / 2e-5
    assert np.sum(loss(0.0)[1] * step) == pytest.approx(slope, rel=1e-8)


def test_training_completes_better_than_samples_and_means_do() -> None:
    missing = np.isnan(GAPS)

    def error(completed: Any) -> float:
        return float(np.mean((completed - IRIS)[missing] ** 2))

    trained, written = error(fitted().complete(GAPS)), error(fitted(train=0).complete(GAPS))
    assert trained < 0.8 * written
    assert trained < 0.2 * error(SimpleImputer().fit_transform(GAPS))
    np.testing.assert_array_equal(fitted().complete(GAPS)[~missing], IRIS[~missing])


def test_its_network_completes_and_gives_back_the_same() -> None:
    model = fitted(train=3)
    start = am.simulate(model.network(), GAPS, missing="nan", solver=am.FixedPoint(1), until=None)[
        "visible"
    ][0]
    np.testing.assert_allclose(start, model.complete(GAPS), rtol=1e-10)
    once = am.simulate(model.network(), IRIS, solver=am.FixedPoint(1), until=None)
    np.testing.assert_allclose(
        once.final["visible"], model.inverse_transform(model.transform(IRIS)), rtol=1e-10
    )


def test_the_score_is_minus_what_was_trained_where_nothing_is_hidden() -> None:
    model = fitted(hidden=0.0, train=20)
    assert model.score(GAPS) == pytest.approx(-model.loss_, rel=1e-12)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"n_memories": 9}, "n_memories=9 must be at most"),
        ({"hidden": 1.0}, "hidden must be"),
        ({"beta": 0.0, "train": 1}, "beta must be"),
        ({"train": -1}, "train must be"),
    ],
    ids=["memories", "hidden", "beta", "train"],
)
def test_what_does_not_fit_is_refused(options: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        AssociativeAutoencoder(**{"n_memories": 2, **options}).fit(np.eye(4))


def test_codes_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must be \(n, 6\)"):
        fitted(train=0).inverse_transform(np.ones((2, 5)))
