"""How far the integers are from the differential equation."""

from __future__ import annotations

import numpy as np
import pytest

import amsim as am
import hardware as hw
from hardware import figures
from hardware.compare import rounded_network
from hardware.float_schedule import float_schedule

GRAY = am.patterns.digits_gray(100)
# Centred and scaled: not a whole multiple of anything, so that rounding the weights costs.
SCALED = (GRAY - GRAY.mean(axis=0)) / GRAY.std()


def damaged(patterns: np.ndarray, seed: int = 0) -> np.ndarray:
    """30 % of the features replaced by anything in the range."""
    rng = np.random.default_rng(seed)
    noise = rng.uniform(patterns.min(), patterns.max(), patterns.shape)
    return np.where(rng.random(patterns.shape) < 0.3, noise, patterns)


@pytest.mark.parametrize("beta", [1.0, 2.0])
@pytest.mark.parametrize("patterns", [2 * GRAY - 1, SCALED], ids=["gray", "scaled"])
def test_hundred_digits_at_eight_bits(patterns: np.ndarray, beta: float) -> None:
    comparison = hw.compare(
        hw.compile(am.dense_am(patterns, hidden=am.Softmax(beta))), damaged(patterns)
    )
    good = comparison.good
    assert comparison.same_basin.mean() >= 0.99
    assert good.mean() >= 0.95
    assert np.median(comparison.total[good]) <= np.abs(patterns).max() / 127
    assert comparison.rounded[good].max() <= 1e-3


def test_causes_add_up() -> None:
    plan = hw.compile(am.dense_am(SCALED[:20], hidden=am.Softmax(2.0)), quantum=0.02)
    comparison = hw.compare(plan, damaged(SCALED[:20]))
    assert (comparison.total <= sum(comparison.by_cause.values()) + 1e-12).all()
    assert (comparison.by_cause["quantum"] > 0).any()
    # Half a weight step where one memory is recalled.
    assert np.median(comparison.by_cause["weights"]) <= 0.5 / plan.weight_scale * 1.01
    assert "verified_on_hardware: false" in comparison.report()


def test_a_state_far_from_the_ode_is_no_recall() -> None:
    """Two bits turn the memories into others."""
    network = am.dense_am(2 * GRAY[:40] - 1, hidden=am.Softmax(2.0))
    (two, eight) = hw.compare_bit_widths(network, damaged(2 * GRAY[:40] - 1), widths=(2, 8))
    assert two.same_basin.mean() < 0.7
    assert eight.same_basin.mean() >= 0.97
    assert two.rounded[two.good].max(initial=0) <= 1e-3


def test_rounded_weights_are_those_of_the_plan() -> None:
    plan = hw.compile(am.dense_am(SCALED[:5]), weight_bits=4)
    (synapse,) = rounded_network(plan).synapses
    assert isinstance(synapse, am.Dense)
    np.testing.assert_array_equal(synapse.weights * plan.weight_scale, plan.weights)


def test_the_schedule_approaches_the_ode_with_dt() -> None:
    """On the way the distance to the ODE is below a share of dt; at the end there is none."""
    network = am.dense_am(2 * GRAY[:10] - 1, hidden=am.Softmax(0.5), tau_hidden=1.0)
    cue = damaged(2 * GRAY[:10] - 1)[0]
    ode = am.simulate(network, cue, times=[1.6, 200.0], until=None)["visible"]
    for dt in (0.4, 0.1, 0.025):
        plan = hw.compile(network, dt=dt)
        on_the_way = float_schedule(plan, cue, round(1.6 / dt))
        assert np.abs(on_the_way - ode[0]).max() < 0.1 * dt
        assert np.abs(float_schedule(plan, cue, round(200 / dt)) - ode[1]).max() < 1e-6
    assert np.abs(ode[1] - ode[0]).max() > 0.1


def test_figures_have_labelled_axes() -> None:
    network = am.dense_am(SCALED[:5], hidden=am.Softmax(2.0))
    comparisons = hw.compare_bit_widths(network, damaged(SCALED[:5]), widths=(4, 8))
    figure = figures.bit_widths(comparisons)
    assert [ax.get_xlabel() for ax in figure.axes] == ["weight bits"] * 2
    causes = comparisons[0].plot().axes[0]
    names = [label.get_text() for label in causes.get_xticklabels()]
    assert names == ["all", "weights", "schedule", "state", "quantum"]
