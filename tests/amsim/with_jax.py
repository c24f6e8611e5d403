"""Tests of recall in JAX, which `test_interop.py` runs in a process of their own."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import optax
import pytest

import amsim as am

RNG = np.random.default_rng(0)
CLAMP = np.arange(5) < 3
CUES = RNG.normal(size=(2, 5))
EXACT = am.Settled(1e-12)
SOLVER = am.FixedPoint(10_000)


def network() -> am.Network:
    return am.dense_am(
        np.random.default_rng(1).normal(size=(4, 5)) / 2, visible=am.Tanh(), hidden=am.Softmax(2.0)
    )


def test_jax_differentiates_a_recall() -> None:
    jax.config.update("jax_enable_x64", True)
    net, loss = network(), am.learning.SquaredError("visible", 0.5)
    recall = am.interop.jax.recall(net, clamp=CLAMP, solver=SOLVER, until=EXACT)

    def objective(parameters: Any, cue: Any) -> Any:
        return jax.numpy.sum((recall(parameters, cue)["visible"] - 0.5) ** 2) / 2

    exact = am.learning.gradient(net, CUES, loss, clamp=CLAMP, solver=SOLVER, until=EXACT)
    value, found = jax.jit(jax.value_and_grad(objective))(net.parameters(), CUES)
    assert float(value) == pytest.approx(exact.loss, rel=1e-12)
    for name, part in exact.parameters.items():
        for key, expected in part.items():
            np.testing.assert_allclose(found[name][key], expected, rtol=1e-9, atol=1e-14)
    by_cue = jax.grad(objective, argnums=1)(net.parameters(), CUES)
    assert by_cue[:, CLAMP].any() and not by_cue[:, ~CLAMP].any()


def test_optax_trains_as_it_is() -> None:
    loss = am.learning.SquaredError("visible", 0.5 * np.ones((2, 2)), units=[3, 4])
    found = am.learning.train(
        network(), CUES, loss, clamp=CLAMP, solver=SOLVER, epochs=30, optimiser=optax.adam(0.05)
    )
    assert found.losses[-1] < 0.2 * found.losses[0]
