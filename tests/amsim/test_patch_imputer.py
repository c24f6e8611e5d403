"""The Energy Transformer that completes patches: what it shows, hides, learns and keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.utils.estimator_checks import check_estimator

import amsim as am
from amsim.estimators import EnergyTransformerImputer
from amsim.estimators.transformer import _rounds

DIGITS = am.patterns.digits(6, seed=0)
HIDDEN = np.arange(6)[:, None] % 4 == np.arange(4)
GAPS = (
    am.models.from_patches(np.repeat(HIDDEN, 16, axis=1).astype(float).reshape(6, 4, 16), (8, 8, 1))
    > 0
)
CUES = np.where(GAPS.reshape(6, 64), np.nan, DIGITS)


def imputer(**options: Any) -> EnergyTransformerImputer:
    return EnergyTransformerImputer((8, 8), 4, **{"random_state": 0, **options})


def test_scikit_learn_accepts_it() -> None:
    check_estimator(EnergyTransformerImputer(heads=1, n_memories=4, epochs=1))


def test_hidden_patches_come_back_without_a_wrong_pixel() -> None:
    model = imputer(epochs=40).fit(DIGITS)
    assert model.losses_[-1] < 0.05 * model.losses_[0]
    completed = model.transform(CUES)
    np.testing.assert_array_equal(np.sign(completed), DIGITS)
    known = ~np.isnan(CUES)
    np.testing.assert_array_equal(completed[known], CUES[known])


def test_each_patch_is_hidden_once_in_an_epoch() -> None:
    hidden = _rounds(5, 7, 3, np.random.RandomState(0)).reshape(5, 3, 7)
    assert (hidden.sum(axis=1) == 1).all()
    assert (hidden.sum(axis=2) == [3, 3, 1]).all()


def test_what_is_missing_is_not_seen() -> None:
    model = imputer(epochs=1).fit(DIGITS)
    whole = model.transform(np.where(np.isnan(CUES), np.nan, 3 * DIGITS))
    one = CUES.copy()
    one[np.isnan(CUES) & (np.arange(64) != 0)] = 7.0  # its patch stays missing for one NaN
    assert np.isnan(one[0, 0])
    assert model.transform(one)[0, 0] == model.transform(CUES)[0, 0] != whole[0, 0]


def test_images_with_gaps_are_not_trained_on() -> None:
    gaps = np.concatenate([DIGITS, CUES])
    one, other = imputer(epochs=2).fit(gaps), imputer(epochs=2).fit(DIGITS)
    np.testing.assert_array_equal(one.transform(CUES), other.transform(CUES))


@pytest.mark.parametrize(
    ("options", "images", "word"),
    [
        ({"shape": (4, 8)}, DIGITS, "are not n_features=64 pixels"),
        ({"patch": 3}, DIGITS, "multiples of size=3"),
        ({"patch": 8}, DIGITS, "there must be two or more"),
        ({"masked": 1.0}, DIGITS, "masked must be"),
        ({}, CUES, "NaN in every image"),
    ],
    ids=["shape", "patch", "one patch", "masked", "gaps"],
)
def test_what_does_not_fit_is_refused(options: dict[str, Any], images: Any, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        imputer().set_params(**options).fit(images)
