"""Which beta: the bounds of the field against their conditions, and the sweep against recalls."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq

import amsim as am
from amsim.theory import capacity

PATTERNS = am.patterns.random(12, 32, seed=0)


@pytest.mark.parametrize(
    ("apart", "count", "length"),
    [(64.0, 10, 8.0), (1.0, 500, 3.0), (1e-6, 2, 1e6), (1e-100, 2, 1e100)],
)
def test_patterns_are_separated_from_the_bound_on(apart: float, count: int, length: float) -> None:
    beta = capacity.separated_beta(apart, count, length)

    def needed(beta: float) -> float:
        return 2 / (beta * count) + math.log(2 * (count - 1) * count * beta * length**2) / beta

    assert needed(beta) == pytest.approx(apart, rel=1e-9)
    for more in (1.01, 2.0, 100.0):
        assert needed(more * beta) < apart
    assert needed(0.99 * beta) > apart


def test_bounds_at_their_ends() -> None:
    assert capacity.separated_beta(5.0, 1, 1.0) == 0.0
    assert capacity.separated_beta(0.0, 3, 1.0) == math.inf
    assert capacity.separated_beta(-1.0, 3, 1.0) == math.inf
    assert capacity.separated_beta(4.0, 2, 1e-3) == 0.0  # short patterns: for every beta
    assert capacity.retrieval_beta(10, 1) == 0.0
    assert capacity.retrieval_beta(10, round(math.exp(5.01))) == math.inf
    assert capacity.retrieval_beta(10, 148) == pytest.approx(1.0, abs=0.03)
    with pytest.raises(TypeError, match=r"count is 2\.5"):
        capacity.separated_beta(1.0, 2.5, 1.0)  # type: ignore[arg-type]


def test_random_patterns_are_retrieved_from_the_threshold_on() -> None:
    """The typical pattern holds half of the weight there."""
    units, count = 400, 1000
    xi = np.random.default_rng(0).normal(size=(count, units))
    products = xi @ xi.T

    def weight(beta: float) -> float:
        own = np.diag(am.Softmax(beta).activation(products))
        return float(np.median(own))

    beta = capacity.retrieval_beta(units, count)
    assert weight(0.85 * beta) < 0.3
    assert weight(1.15 * beta) > 0.7


def test_the_suggestion_is_the_smallest_beta_with_the_most_hits() -> None:
    found = am.suggest_beta(PATTERNS, damage={"flip": 0.2}, seed=3)
    assert found.beta == found.betas[np.argmax(found.hits)]
    assert found.hits.max() == 1.0
    assert found.hits[0] == 0.0
    cues = am.patterns.corrupt(PATTERNS, flip=0.2, seed=3)
    again = am.suggest_beta(PATTERNS, cues)
    np.testing.assert_array_equal(again.hits, found.hits)
    assert found.separated is not None
    assert found.retrieval is not None
    assert found.retrieval < found.beta < found.separated
    # A recall at that beta does what is said of it.
    net = am.dense_am(PATTERNS, hidden=am.Softmax(found.beta), tau_hidden=0.0)
    ends = am.simulate(net, cues).final["visible"]
    assert np.linalg.norm(ends - PATTERNS, axis=1).max() < 0.1 * 32**0.5 * 2


@pytest.mark.parametrize("similarity", ["dot", "euclidean"])
def test_another_unit_of_patterns_changes_beta_by_its_square_alone(similarity: Any) -> None:
    damage, unit = {"flip": 0.2}, 4.0
    found = am.suggest_beta(PATTERNS, damage=damage, similarity=similarity)
    scaled = am.suggest_beta(unit * PATTERNS, damage=damage, similarity=similarity)
    np.testing.assert_array_equal(scaled.hits, found.hits)
    np.testing.assert_allclose(scaled.betas * unit**2, found.betas, rtol=1e-12)
    for name in ("beta", "separated", "retrieval"):
        one, other = getattr(found, name), getattr(scaled, name)
        assert one is other is None or other * unit**2 == pytest.approx(one, rel=1e-12)


def test_a_hit_ends_within_a_share_of_the_distance_to_the_nearest_other_pattern() -> None:
    """Of 1 and -1, which are 2 apart, states rest where x = tanh(beta x)."""
    rest = brentq(lambda x: np.tanh(1.5 * x) - x, 0.5, 1.0)
    share, options = (1 - rest) / 2, {"damage": {}, "betas": [1.5]}
    found = am.suggest_beta([[1.0], [-1.0]], accuracy=share + 0.001, **options)
    assert found.hits.tolist() == [1.0]
    with pytest.raises(ValueError, match="no beta"):
        am.suggest_beta([[1.0], [-1.0]], accuracy=share - 0.001, **options)


def test_inpainting_wants_the_similarity_of_what_is_known() -> None:
    """Gray digits with half of the image missing: products prefer the digits with much ink."""
    digits, missing = am.patterns.digits_gray(60), np.arange(64) < 32
    best = {}
    for kind in ("dot", "euclidean", "cosine"):
        found = am.suggest_beta(
            digits, digits, similarity=kind, betas=[2.0, 20.0, 200.0],
            missing=missing, clamp=~missing if kind != "cosine" else None,
        )  # fmt: skip
        best[kind] = found.hits.max()
    assert best["euclidean"] == 1.0
    assert best["cosine"] > 0.9
    assert best["dot"] < 0.5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "either cues or damage"),
        ({"cues": PATTERNS, "damage": {}}, "either cues or damage"),
        ({"damage": 0.2}, "damage must be a mapping"),
        ({"damage": {"blur": 1.0}}, "blur"),
        ({"cues": PATTERNS[:3]}, "give a cue of every pattern"),
        ({"cues": np.full((12, 32), np.nan)}, "NaN"),
        ({"damage": {"mask": 1.0}, "betas": [1e-3]}, "no beta recalls a cue"),
        ({"damage": {}, "accuracy": 0.0}, "accuracy"),
        ({"damage": {}, "betas": []}, "betas"),
        ({"damage": {}, "betas": [-1.0]}, "beta must be"),
        ({"damage": {}, "similarity": "l1"}, "similarity must be"),
        ({"damage": {}, "speed": 1}, "speed"),
    ],
)
def test_what_cannot_be_tried_is_refused(options: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        am.suggest_beta(PATTERNS, **options)
    with pytest.raises(ValueError, match="pattern 0 is the same as another"):
        am.suggest_beta(PATTERNS[[0, 1, 0]], damage={})


def test_the_figure_shows_the_sweep_and_the_bounds() -> None:
    found = am.suggest_beta(PATTERNS, damage={"flip": 0.2}, betas=[0.01, 0.1, 1.0])
    (ax,) = found.plot().axes
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), found.hits)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert [label.split(":")[0] for label in labels] == [
        "measured", "suggested", "random patterns retrieved", "all separated",
    ]  # fmt: skip


def test_damage_that_is_unknown_is_named() -> None:
    with pytest.raises(ValueError, match=r"a name in damage.*flip"):
        am.suggest_beta(am.patterns.random(3, 16, seed=0), damage={"flop": 0.1})
