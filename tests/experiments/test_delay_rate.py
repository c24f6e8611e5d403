"""1 / lambda over the delay, by events and by roots."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import amsim as am
from experiments import delay_rate


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    return delay_rate.run(sigma=(0.4, 0.7), delay=(0.0, 10.0, 20.0), repeats=1)


def test_both_routes_give_the_rate_of_the_closed_form(data: xr.Dataset) -> None:
    for sigma in data.sigma.values:
        for delay in data.delay.values:
            theory = am.theory.timing.uniform_delay_rate(sigma, 1.0, 1.0, delay)
            unit = data.sel(sigma=sigma, delay=delay, repeat=0)
            assert float(unit.rate) == pytest.approx(theory, rel=0.01)
            assert float(unit.root) == pytest.approx(theory, rel=1e-9)


def test_claims(data: xr.Dataset) -> None:
    claims = delay_rate.judge(data)
    assert claims[0].holds and all(claim.holds is not False for claim in claims)
    slopes = [claim.measured for claim in claims if "slope" in claim.text]
    assert slopes == pytest.approx([1, 1], rel=0.01)


def test_the_line_is_wrong_without_delay(data: xr.Dataset) -> None:
    """1 / (1 - sqrt sigma) against 2 / ln(1 / sigma)."""
    worst = delay_rate.judge(data)[-1]
    assert worst.measured == pytest.approx(np.log(1 / 0.4) / 2 / (1 - np.sqrt(0.4)), rel=0.01)


def test_the_memory_has_the_gain_that_is_asked_for() -> None:
    stored = am.patterns.random(4, 16, seed=3)
    net, rest, mode = delay_rate.memory_with_gain(stored, 0.5, 1.0)
    report = am.stability.analyse(net, rest)
    assert report.sigma == pytest.approx(0.5, abs=1e-6)
    assert np.linalg.norm(mode) == pytest.approx(1)


def test_a_gain_that_no_memory_has_is_an_error() -> None:
    with pytest.raises(ValueError, match="lost before its gain"):
        delay_rate.memory_with_gain(am.patterns.random(3, 4, seed=1), 1.2, 1.0)


def test_the_figure_names_its_axes(data: xr.Dataset) -> None:
    left, right = delay_rate.draw(data).axes
    assert "units of τ" in left.get_xlabel() and "1/λ" in left.get_ylabel()
    assert "relative" in right.get_ylabel()
