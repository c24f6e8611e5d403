"""Sums of weighted messages, by BLAS and in compiled loops, are those of whole numbers."""

import numpy as np
import pytest

from hardware.lava.sums import Sums, compiled_for


@pytest.mark.parametrize("shape", [(7, 30), (300, 260), (1, 1)])
@pytest.mark.parametrize("batch", [(), (1,), (3,)])
def test_sums_are_exact(shape, batch):
    rng = np.random.default_rng(0)
    weights = rng.integers(-127, 128, shape).astype(np.int8)
    sums = Sums(weights)
    for share in (1.0, 0.5, 0.02):
        messages = rng.integers(1, 200, (*batch, shape[1])) * (rng.random(shape[1]) < share)
        messages[..., 0] = -5
        found = sums(messages.astype(np.int32))
        np.testing.assert_array_equal(found, messages @ weights.T.astype(np.int64))


def test_silence_costs_no_product():
    assert Sums(np.ones((2, 3), np.int8))(np.zeros(3, np.int32)) is None


def test_only_many_weights_are_compiled():
    assert compiled_for(np.zeros((100, 64), np.int8)) is None
    assert compiled_for(np.zeros((1000, 256), np.int8)) is not None
