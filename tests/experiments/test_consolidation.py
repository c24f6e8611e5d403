"""Memories of samples and of prototypes: what training makes, and the load where it turns."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from experiments import consolidation


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    return consolidation.run(samples=(1, 2, 4), units=48, prototypes=3, repeats=4)


def test_one_sample_for_each_memory_is_kept(data: xr.Dataset) -> None:
    assert float(data.to_sample.sel(samples=1).max()) < 1e-3


def test_distances_are_those_of_means_of_samples(data: xr.Dataset) -> None:
    laws = consolidation.laws(data.samples.values, float(data.flip))
    for name, expected in laws.items():
        found = data[name].mean("repeat").transpose("samples").values
        np.testing.assert_allclose(found[1:], expected[1:], atol=0.08)


def test_the_load_of_the_turn_is_read_off_lines_over_its_inverse() -> None:
    loads = np.array([1, 2, 3, 4])
    laws = consolidation.laws(loads, 0.15)
    made = xr.Dataset(
        {name: (("samples", "repeat"), np.tile(laws[name], (2, 1)).T) for name in laws},
        coords={"samples": loads},
    )
    np.testing.assert_allclose(consolidation.crossing(made), 2 * 0.85 / 0.7)
    made["to_prototype"] = made.to_prototype + 1.0
    assert np.isnan(consolidation.crossing(made)).all()


def test_the_figure_names_its_axes(data: xr.Dataset) -> None:
    (ax,) = consolidation.draw(data).axes
    assert "load" in ax.get_xlabel() and "squared distance" in ax.get_ylabel()
