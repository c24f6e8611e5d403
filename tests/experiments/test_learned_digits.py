"""Digits learned before and through faults: small runs, and what a fault is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

import amsim as am
from experiments import learned_digits

SMALL: dict[str, Any] = {"samples": 60, "held": 40, "memories": 20, "epochs": 2, "repeats": 2}


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    return learned_digits.run(fault=("none", "mismatch", "bits"), **SMALL)


def test_without_a_fault_before_and_through_are_one(data: xr.Dataset) -> None:
    part = data.accuracy.sel(fault="none")
    np.testing.assert_array_equal(part.sel(trained="before"), part.sel(trained="through"))
    assert float(part.min()) > 0.5


def test_faults_change_what_is_recalled(data: xr.Dataset) -> None:
    never = data.accuracy.sel(trained="never")
    assert bool((never.sel(fault="mismatch") != never.sel(fault="none")).any())
    assert float(data.left_out.sel(trained="never").max()) == 0


def test_mismatch_is_a_network_with_other_weights() -> None:
    net = am.dense_am(am.patterns.random(3, 8, seed=0), hidden=am.Softmax(0.5))
    factors = np.linspace(0.8, 1.2, 24).reshape(3, 8)
    cue = np.ones((1, 8))
    wrong = learned_digits.Mismatch(factors, am.FixedPoint(), am.Settled(1e-9))
    found = wrong.settle(net, {"visible": cue}, clamp={}, inputs={}).final["visible"]
    stored = factors * am.patterns.random(3, 8, seed=0)
    there = am.dense_am(stored, hidden=am.Softmax(0.5))
    exact = am.simulate(there, cue, solver=am.FixedPoint(), until=am.Settled(1e-9))
    np.testing.assert_allclose(found, exact.final["visible"])


def test_claims_compare_the_ways_of_training(data: xr.Dataset) -> None:
    texts = [claim.text for claim in learned_digits.judge(data)]
    assert len(texts) == 3 * 3 + 1
    assert any("beyond that of learning before it" in text for text in texts)


def test_the_figure_names_its_axes(data: xr.Dataset) -> None:
    (ax,) = learned_digits.draw(data).axes
    assert ax.get_xlabel() == "fault" and "%" in ax.get_ylabel()


def test_unknown_faults_are_an_error() -> None:
    rest = {k: x for k, x in learned_digits._TOY.items() if k not in ("fault", "repeats")}
    with pytest.raises(ValueError, match="fault is one of"):
        learned_digits.measure(
            seed=np.random.SeedSequence(0), fault="rust", **{**rest, "trained": "never"}
        )
