"""A cue has the same bits alone and in a batch, and whatever ran before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import amsim as am
import hardware as hw

PATTERNS = am.patterns.random(6, 24, seed=1)
CUES = am.patterns.corrupt(np.tile(PATTERNS, (4, 1)), flip=0.2, seed=2)
LARGE = am.patterns.random(500, 256, seed=1)
SOME = np.arange(0, 24, 5)


def starts() -> dict[str, Any]:
    hidden = np.zeros((len(CUES), 6))
    hidden[3] = 1.0  # one cue whose memories start elsewhere
    return {"visible": CUES, "hidden": hidden}


def one_of(given: Any, i: int) -> Any:
    if isinstance(given, dict):
        return {name: state[i] for name, state in given.items()}
    return given[i]


def unlike() -> np.ndarray[Any, Any]:
    """Cues of a large memory; one is too large for products in single precision."""
    cues = am.patterns.corrupt(LARGE[:20], flip=0.2, seed=2)
    cues[7] *= 50
    return np.asarray(cues)


def apart() -> tuple[am.Network, np.ndarray[Any, Any]]:
    """A memory and its cues, in numbers whose sums round."""
    rng = np.random.default_rng(3)
    return am.dense_am(rng.normal(size=(6, 24)), hidden=am.Softmax(0.5)), rng.normal(size=(24, 24))


ROUNDED, NOISY = apart()

CASES: dict[str, tuple[am.Network, Any, dict[str, Any]]] = {
    "to rest": (am.dense_am(PATTERNS, hidden=am.Softmax(0.5)), CUES, {}),
    "recorded": (
        am.dense_am(PATTERNS, hidden=am.Softmax(0.5)),
        CUES,
        {"times": np.linspace(0, 3, 7), "until": None},
    ),
    "starts of the memories": (am.dense_am(PATTERNS, hidden=am.Softmax(0.5)), starts(), {}),
    "features that follow": (ROUNDED, {"hidden": NOISY[:, :6]}, {}),
    "missing units": (ROUNDED, NOISY, {"missing": np.arange(24) < 9}),
    "single precision": (am.dense_am(LARGE, hidden=am.Softmax(0.05)), unlike(), {}),
    "events": (
        am.dense_am(PATTERNS, hidden=am.Softmax(0.5)),
        CUES,
        {"solver": am.EventDriven(1e-2), "seed": 3},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_alone_and_in_a_batch(case: str) -> None:
    network, cues, settings = CASES[case]
    together = am.simulate(network, cues, **settings)
    for i in SOME if case != "single precision" else (0, 7, 12):
        alone = am.simulate(network, one_of(cues, i), **settings)
        np.testing.assert_array_equal(alone.final["visible"], together.final["visible"][i])
        # Memory states are read by one matrix product, whose rounding depends on its shape.
        np.testing.assert_allclose(
            alone.final["hidden"], together.final["hidden"][i], rtol=1e-12, atol=1e-12
        )
    again = am.simulate(network, cues, **settings)
    for name in together.final:
        np.testing.assert_array_equal(again.final[name], together.final[name])


def test_integers_alone_and_in_a_batch() -> None:
    plan = hw.compile(am.dense_am(PATTERNS, hidden=am.Softmax(0.5)))
    together = hw.run(plan, CUES)
    for i in SOME:
        alone = hw.run(plan, CUES[i])
        for name in together.final:
            np.testing.assert_array_equal(alone.final[name], together.final[name][i])
