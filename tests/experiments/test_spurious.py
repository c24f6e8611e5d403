"""Minima of points on a circle: memories, merged ones, and the noise of a density."""

import numpy as np
import pytest

import amsim as am
from experiments import spurious


@pytest.fixture(scope="module")
def data():
    return spurious.run(beta=(5.0, 20.0), memories=(2, 4, 8, 16, 128), repeats=4)


def test_claims(data):
    claims = spurious.judge(data)
    assert len([claim for claim in claims if claim.predicted is not None]) == 8
    assert not [c for c in claims if c.holds is False and "radius" not in c.text]
    most = {claim.text.split()[-2]: claim.measured for claim in claims[8:]}
    assert most["memorised"] < most["spurious"] < most["generalised"] == 128


def test_minima_of_nine_points_over_beta():
    # In steps of the golden angle, which spread evenly.
    points = spurious.on_circle(np.arange(9) * np.pi * (3 - np.sqrt(5)))
    betas = (0.5, 1, 2, 3, 5, 10, 20, 40, 100)
    found = [spurious.minima_of(points, float(beta))["minima"] for beta in betas]
    assert found == [1, 1, 3, 4, 4, 8, 9, 9, 9]


@pytest.mark.parametrize("beta", [5.0, 50.0])
def test_two_points_merge_at_the_distance_of_the_theory(beta):
    distance = np.sqrt(2 / beta)
    for factor, minima in ((0.98, 1), (1.02, 2)):
        half = factor * distance / 2
        assert spurious.minima_of(np.array([[half, 0.0], [-half, 0.0]]), beta)["minima"] == minima


def test_expected_share_of_kept_points_counts_gaps():
    rng = np.random.default_rng(0)
    angles = np.sort(rng.uniform(0, 2 * np.pi, (4000, 12)), axis=1)
    gaps = np.diff(angles, axis=1, append=angles[:, :1] + 2 * np.pi)
    wide = gaps > np.sqrt(2 / 20.0)
    share = (wide & np.roll(wide, 1, axis=1)).mean()
    assert spurious.expected_kept(20.0, 12) == pytest.approx(share, abs=0.01)


def test_variation_of_one_point():
    # beta |x - xi|^2 = beta (1 + R^2 - 2 R cos): its standard deviation is sqrt(2) beta R.
    radius = am.models.circle_radius(3.0)
    found = spurious.variation(np.array([[1.0, 0.0]]), 3.0)
    assert found == pytest.approx(np.sqrt(2) * 3.0 * radius)


def test_figure(data):
    figure = spurious.draw(data)
    assert [ax.get_ylabel() for ax in figure.axes] == [
        "minima", "points (%)", "standard deviation of β E", "samples (%)",
    ]  # fmt: skip
