"""Starts that contradict the cue live on for times that grow exponentially with the delay."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from experiments import history


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    return history.run(delay=(0.0, 3.0, 4.0, 5.0), repeats=5)


def test_every_prediction_holds(data: xr.Dataset) -> None:
    claims = history.judge(data)
    judged = [claim for claim in claims if claim.predicted is not None]
    assert len(judged) == 3 and all(claim.holds for claim in judged)


def test_random_starts_cost_more_than_round_trips(data: xr.Dataset) -> None:
    """Round trips would make the time grow by 12 / 8 from a delay of 3 to one of 5."""
    median = data.time.median("repeat")
    ratio = median.sel(delay=5.0) / median.sel(delay=3.0)
    assert float(ratio.sel(start="random")) > 4
    assert float(ratio.sel(start="consistent")) < 12 / 8 + 0.1


def test_consistent_starts_are_never_slower(data: xr.Dataset) -> None:
    median = data.time.median("repeat")
    assert (median.sel(start="consistent") <= median).all()


def test_an_unknown_start_is_an_error() -> None:
    with pytest.raises(ValueError, match="'consistent', 'zero', 'random'"):
        history.measure(
            seed=np.random.SeedSequence(0),
            start="late",
            delay=1.0,
            beta=0.3,
            features=8,
            memories=2,
        )


def test_the_figure_names_its_axes(data: xr.Dataset) -> None:
    left, right = history.draw(data).axes
    assert "settle" in left.get_ylabel() and "%" in right.get_ylabel()
    assert left.get_xlabel() == right.get_xlabel() != ""
