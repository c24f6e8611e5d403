"""Phases of learning on the integers of a plan."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import amsim as am
import hardware as hw

PATTERNS = am.patterns.random(4, 16, seed=0)
SHOWN = np.arange(16) < 12
LOSS = am.learning.SquaredError("visible", 0.5 * PATTERNS[:, 12:], units=slice(12, 16))


def network() -> am.Network:
    return am.dense_am(PATTERNS + 0.1, hidden=am.Softmax(0.3))


def found(solver: Any, **options: Any) -> am.learning.LossGradient:
    return am.learning.gradient(
        network(), PATTERNS, LOSS, clamp=SHOWN, method="equilibrium_propagation", nudge=0.5,
        solver=solver, **options,
    )  # fmt: skip


def test_the_gradient_is_that_of_the_equation_but_for_rounding() -> None:
    exact = found(None).parameters["hidden-visible"]["weights"]
    off = {}
    for bits in (8, 4):
        weights = found(hw.Integers(bits)).parameters["hidden-visible"]["weights"]
        off[bits] = np.linalg.norm(weights - exact) / np.linalg.norm(exact)
    assert off[8] < 0.02 < off[4] < 0.5


def test_integers_that_still_move_are_left_out() -> None:
    with pytest.warns(am.errors.SettlingWarning, match="step_limit"):
        short = found(hw.Integers(steps=8))
    assert short.status == "step_limit" and not short.used.any()
    assert not any(x.any() for part in short.parameters.values() for x in part.values())


def test_what_a_plan_cannot_do_is_refused() -> None:
    with pytest.raises(ValueError, match="weight_bits"):
        hw.Integers(9)
    with pytest.raises(hw.MappingError, match="'hidden' is clamped"):
        hw.Integers().settle(
            network(), {"visible": PATTERNS}, clamp={"hidden": np.ones((4, 4), bool)}, inputs={}
        )
    with pytest.raises(hw.MappingError, match="starts from layer 'visible'"):
        hw.Integers().settle(network(), {"hidden": np.ones((4, 4))}, clamp={}, inputs={})
