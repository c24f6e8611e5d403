"""Replays of stored sequences against the formula, and against theory."""

import numpy as np
import pytest

import amsim as am
from amsim.theory import capacity
from experiments import sequence_capacity


@pytest.fixture(scope="module")
def data():
    return sequence_capacity.run()


def test_claims(data):
    claims = sequence_capacity.judge(data)
    assert len(claims) == 17
    assert all(claim.holds for claim in claims)


def test_the_scaling_is_that_of_the_order(data):
    # At equal loads, the sequences of x^2 are as much longer than those of x as the theory says.
    lengths = data.sel(load=4.0).mean("repeat").length
    ratio = capacity.sequence_capacity(60, 3) / capacity.sequence_capacity(60, 2)
    assert float(lengths.sel(separation="x^2") / lengths.sel(separation="x")) == pytest.approx(
        ratio, rel=0.05
    )
    assert float(data.whole.sel(load=4.0).mean()) == 0


def test_steps_before_the_first_error():
    seed = np.random.SeedSequence(3)
    found = sequence_capacity.measure(
        seed=seed, separation="x", load=4.0, units=30, units_exponential=12
    )
    stored = am.patterns.random(int(found["length"]), 30, int(seed.generate_state(1)[0]))
    state, steps = stored[0], 0
    weights = np.roll(stored, -1, axis=0).T @ stored
    own = np.einsum("mi,mi->i", np.roll(stored, -1, axis=0), stored)
    while True:
        field = weights @ state - own * state
        state = np.where(field == 0, state, np.sign(field))
        if not (state == stored[(steps + 1) % len(stored)]).all():
            break
        steps += 1
    assert found["steps"] == steps < found["length"]


def test_figure(data):
    figure = sequence_capacity.draw(data)
    assert [ax.get_xlabel() for ax in figure.axes] == 2 * ["patterns / capacity"]


def test_exp_replays_a_sequence_whose_patterns_differ_enough():
    """Draw by draw: one error in each pair that is alike where successors differ, and no other."""
    for repeat in range(8):
        seed = np.random.SeedSequence(0, spawn_key=(repeat,))
        found = sequence_capacity.measure(
            seed=seed, separation="exp", load=1.0, units=60, units_exponential=12
        )
        stored = am.patterns.random(int(found["length"]), 12, int(seed.generate_state(1)[0]))
        following = np.roll(stored, -1, axis=0)
        differ = (stored[:, None] != stored).astype(int)
        others = differ.sum(axis=2, keepdims=True) - differ
        alike = (others == 0) & (following[:, None] != following)
        assert found["wrong"] == alike[np.triu_indices(len(stored), 1)].sum()
        assert found["whole"] == float(not alike.any())


def test_an_unknown_separation_is_refused():
    with pytest.raises(ValueError, match=r"choose from x, x\^2, x\^3, exp"):
        sequence_capacity.theory("cosh", 1.0, 12)
