"""Unequal time constants: harmless in separable layers, a Hopf point in a Softmax group."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import amsim as am
from experiments import heterogeneous_tau


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    return heterogeneous_tau.run(beta=(2.5, 3.0), ratio=(1.0, 1.5, 2.0, 2.5, 3.0))


def test_every_prediction_holds(data: xr.Dataset) -> None:
    claims = heterogeneous_tau.judge(data)
    assert all(claim.holds for claim in claims if claim.predicted is not None)
    hopf = [claim.measured for claim in claims if "Hopf" in claim.text]
    assert hopf == pytest.approx([2.4793, 2.0746], rel=0.005)


@pytest.mark.parametrize("beta", [1.5, 2.0, 3.0, 3.9])
def test_the_closed_form_is_the_root_of_the_jacobian(beta: float) -> None:
    net, rest = heterogeneous_tau._network("mixture", beta, 1.0, 0)
    critical = am.stability.critical_tau(net, rest, "hidden", 0)
    assert heterogeneous_tau.hopf(beta) == pytest.approx(critical, rel=1e-9)


def test_a_mixture_without_enough_gain_has_no_hopf_point() -> None:
    net, rest = heterogeneous_tau._network("mixture", 0.9, 1.0, 0)
    assert am.stability.critical_tau(net, rest, "hidden", 0) == np.inf
    assert heterogeneous_tau.hopf(0.9) == np.inf


@pytest.mark.filterwarnings("ignore::amsim.errors.GuaranteeWarning")
@pytest.mark.parametrize("group", ["separable", "stored", "mixture"])
def test_measured_growth_is_that_of_the_jacobian(data: xr.Dataset, group: str) -> None:
    seed = int(np.random.SeedSequence(0, spawn_key=(0,)).generate_state(1)[0])
    net, start = heterogeneous_tau._network(group, 3.0, 2.5, seed)
    rest = am.stability.find(net, start).states
    fastest = np.linalg.eigvals(net.jacobian(rest)).real.max()
    measured = float(data.growth.sel(group=group, beta=3.0, ratio=2.5)[0])
    assert measured == pytest.approx(fastest, abs=2e-4)


def test_only_the_mixture_swings_and_only_beyond_its_hopf_point(data: xr.Dataset) -> None:
    swings = data.sel(beta=3.0).isel(repeat=0).swing
    assert (swings.sel(group=["separable", "stored"]) < 1e-5).all()
    assert (swings.sel(group="mixture", ratio=[1.0, 1.5]) < 1e-4).all()
    assert (swings.sel(group="mixture", ratio=[2.5, 3.0]) > 1).all()


def test_an_unknown_group_is_an_error() -> None:
    with pytest.raises(ValueError, match="'separable', 'stored' or 'mixture'"):
        heterogeneous_tau.measure(
            seed=np.random.SeedSequence(0), group="layernorm", beta=2.0, ratio=2.0
        )


def test_the_figure_names_its_axes(data: xr.Dataset) -> None:
    axes = heterogeneous_tau.draw(data).axes
    assert len(axes) == 3 and all(ax.get_xlabel() and ax.get_ylabel() for ax in axes)
