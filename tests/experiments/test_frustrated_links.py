"""A late negative link oscillates, late units do not, and who else does."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import amsim as am
from experiments import frustrated_links


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    return frustrated_links.run(rho=(0.9, 1.44), delay=(8.0, 10.0, 12.0), repeats=2)


def test_every_prediction_holds(data: xr.Dataset) -> None:
    claims = frustrated_links.judge(data)
    judged = [claim for claim in claims if claim.predicted is not None]
    assert len(judged) == 4 and all(claim.holds is not False for claim in judged)
    (found,) = (claim.measured for claim in judged if "critical" in claim.text)
    assert found == pytest.approx(10.694, rel=0.02)


@pytest.mark.parametrize("rho", [1.01, 1.2, 1.44, 1.75, 1.95])
def test_the_closed_form_is_what_a_sweep_of_frequencies_finds(rho: float) -> None:
    tanh = am.Tanh()
    weights = np.sqrt(rho) / 2 * np.array([[1.0, 1.0], [1.0, -1.0]])
    net = am.dense_am(weights, visible=tanh, hidden=tanh, tau_hidden=1.0)
    masks = {("hidden", "visible"): weights < 0, ("visible", "hidden"): weights < 0}
    swept = am.stability.critical_delay(net, [0.0, 0.0], masks)
    assert frustrated_links.critical_delay(rho) == pytest.approx(swept, rel=1e-9)


def test_below_rho_1_no_delay_is_critical() -> None:
    assert frustrated_links.critical_delay(0.99) == np.inf


def test_events_and_roots_agree_on_who_grows(data: xr.Dataset) -> None:
    fixed = data.sel(late=["negative link", "unit"])
    assert ((fixed.growth > 0) == (fixed.unstable == 1)).all()
    assert int(fixed.unstable.isel(repeat=0).sum()) == 1  # the negative link, rho = 1.44, delay 12


def test_only_the_late_negative_link_swings(data: xr.Dataset) -> None:
    swing = data.swing.isel(repeat=0)
    assert float(swing.sel(late="negative link", rho=1.44, delay=12.0)) > 0.5
    assert (swing.sel(late=["unit", "jitter"]) < 0.05).all()
    assert (swing.sel(rho=0.9) < 0.05).all()


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match="'negative link', 'unit'"):
        frustrated_links.measure(seed=np.random.SeedSequence(0), late="mail", rho=1.2, delay=5.0)


def test_the_figure_names_its_axes(data: xr.Dataset) -> None:
    axes = frustrated_links.draw(data).axes
    assert len(axes) == 3 and all(ax.get_xlabel() and ax.get_ylabel() for ax in axes)
