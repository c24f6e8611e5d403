"""Errors of gradients by nudged phases, and the powers that are read off them."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from experiments import nudges


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    return nudges.run(nudge=(0.02, 0.04), repeats=3)


def test_the_equation_has_the_predicted_powers(data: xr.Dataset) -> None:
    np.testing.assert_allclose(nudges.slopes(data, "centred", "nudge"), 2, atol=0.02)
    np.testing.assert_allclose(nudges.slopes(data, "one-sided", "nudge"), 1, atol=0.05)


def test_events_are_off_by_quanta_over_the_nudge(data: xr.Dataset) -> None:
    events = data.error.sel(phases="events")
    assert float(nudges.slopes(data, "events", "nudge").mean()) == pytest.approx(-1, abs=0.4)
    assert float(nudges.slopes(data, "events", "quantum").mean()) == pytest.approx(1, abs=0.4)
    share = events * data.nudge / data.quantum
    assert float(share.min()) > 0.5 and float(share.max()) < 30


def test_no_claim_of_the_toy_run_is_refuted(data: xr.Dataset) -> None:
    claims = nudges.judge(data)
    assert len(claims) == 4 and all(claim.holds is not False for claim in claims)


def test_the_figure_names_its_axes(data: xr.Dataset) -> None:
    (ax,) = nudges.draw(data).axes
    assert ax.get_xlabel() == "nudge" and "gradient" in ax.get_ylabel()


def test_unknown_phases_are_an_error() -> None:
    with pytest.raises(ValueError, match="'one-sided'"):
        nudges.measure(
            seed=np.random.SeedSequence(0), phases="of the moon", nudge=0.1, quantum=1e-3, units=2
        )
