"""Errors of rounded weights, messages of a leak, and the price of coarse messages."""

import numpy as np
import pytest

from experiments import precision


@pytest.fixture(scope="module")
def data():
    return precision.run(weight_bits=(2, 8), quantum=(0.0, 0.8), rounding=("nearest",), memories=20)


def test_claims(data):
    claims = {claim.text.partition(" (")[0]: claim for claim in precision.judge(data)}
    # The largest error is beyond the weights' part: states round, too.
    largest = claims["largest error over half a weight step"]
    assert 1 < largest.measured < 1.05
    assert largest.holds is False
    for bits in (2, 8):
        median = claims[f"{bits} bits: median error over half a weight step"].measured
        assert 0.94 < median < 1
    messages = claims["quantum = 0.8: messages of features over the leak's"]
    assert messages.measured == pytest.approx(1, abs=0.05)


def test_basins_need_bits_and_errors_halve_with_each(data):
    basin = data.same_basin.mean(("quantum", "repeat"))
    assert basin.sel(weight_bits=2) < 0.8 < basin.sel(weight_bits=8)
    steps = data.step.sel(quantum=0.0, rounding="nearest", repeat=0)
    # Steps are the range over 2^(bits - 1) - 1 levels of one sign.
    assert float(steps.sel(weight_bits=2) / steps.sel(weight_bits=8)) == pytest.approx(127)
    assert data.error.std("quantum").max() < 0.05 * data.error.mean()


def test_a_coarse_quantum_saves_messages_of_features_and_costs_energy(data):
    fine, coarse = (data.sel(weight_bits=8, quantum=q, repeat=0) for q in (0.0, 0.8))
    assert coarse.feature_messages < 0.05 * fine.feature_messages
    assert coarse.steps > 2 * fine.steps
    assert coarse.energy > 2 * fine.energy
    assert fine.static_energy > 0.8 * fine.energy


def test_roundings():
    found = precision.run(
        weight_bits=(2,), quantum=(0.0,), rounding=("nearest", "stochastic", "learned"), memories=40
    )
    claims = {claim.text.partition(" (")[0]: claim for claim in precision.judge(found)}
    assert claims["2 bits, stochastic: error of similarities over independent"].holds
    assert claims["2 bits, learned: recalled, less those of nearest"].measured > 0.1
    assert precision.draw(found).axes[0].get_ylabel() == "cues (%)"


def test_similarity_errors():
    exact, cues = np.array([[0.5, 1.0]]), np.array([[1.0, 5.0], [3.0, 0.0]])
    # Off by 1/2 in the first feature; independent roundings have 1/4 there.
    found = precision.similarity_errors(cues, np.array([[1.0, 1.0]]), exact)
    assert found == pytest.approx([1.0])


def test_messages_of_a_leak():
    # From 1 to 0 in steps of 1/2: 1, then 0.5, 0.25 and so on, announced from 0.3 on.
    sent = precision.messages_of_leak(np.array([[1.0]]), np.array([[0.0]]), 0.5, 0.3)
    # Said: 1, 0.5, 0.125.
    assert sent.tolist() == [3]
    still = precision.messages_of_leak(np.array([[0.2, 1.0]]), np.array([[0.2, 1.0]]), 0.5, 0.3)
    assert still.tolist() == [1]


def test_figure(data):
    figure = precision.draw(data)
    assert figure.axes[3].get_ylabel() == "energy (µJ)"
