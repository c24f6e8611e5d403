"""What real chips add to timing: small runs of six experiments agree with what is predicted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import experiments
from experiments import bus_quantum, mismatch, noise_floor

SMALL: dict[str, dict[str, Any]] = {
    "bus_quantum": {"star": 0.1, "ratio": (0.25, 1.0, 4.0), "repeats": 2},
    "shared_losses": {"features": (16, 64), "runs": 8, "repeats": 2},
    "free_clocks": {"period": 2.0, "skew": (0.0, 1.0), "pairs": 64, "repeats": 2},
    "mismatch": {"amount": (0.2,), "repeats": 3},
    "noise_floor": {"ratio": (1.0, 3.0), "units": 50, "repeats": 3},
    "weight_drift": {"beta": (0.5,), "age": (20.0, 86400.0), "repeats": 3},
}
REFUTED = {  # these are what the experiments found
    "bus_quantum": {"over q / 2"},
    "free_clocks": {"any gap"},
    "mismatch": {"beyond as many flipped"},
}


@pytest.mark.parametrize("name", SMALL)
def test_a_small_run_finds_what_is_predicted(name: str) -> None:
    experiment = experiments.find(name)
    data = experiment.run(**SMALL[name])
    assert data.attrs.get("failed", 0) == 0
    claims = experiment.judge(data)
    odd = REFUTED.get(name, set())
    wrong = [
        claim.text for claim in claims
        if claim.holds is False and not any(each in claim.text for each in odd)
    ]  # fmt: skip
    assert wrong == [] and any(claim.holds for claim in claims)
    assert all(axes.get_ylabel() for axes in experiment.draw(data).axes)
    single = data.isel({axis: [0] for axis in experiment.parameters if axis in data.dims})
    experiment.judge(single.where(single.repeat > 5))
    experiment.draw(single)


def test_arrivals_are_those_of_a_queue_served_in_turn() -> None:
    sent, now, expected = np.sort(np.random.default_rng(0).uniform(0, 1, 50)), 0.0, []
    for each in sent:
        now = max(now, each) + 0.03
        expected.append(now)
    np.testing.assert_allclose(bus_quantum.queued(sent, 0.03), expected, rtol=1e-12)


def test_choices_and_cuts_are_those_of_draws() -> None:
    rng = np.random.default_rng(0)
    stored = rng.choice([-1.0, 1.0], (6, 20))
    cue = stored[:2] * np.where(np.arange(20) < 7, -1, 1)
    factors = np.maximum(1 + 0.8 * rng.standard_normal((10_000, 6, 20)), 0)
    assert mismatch.cut(0.8) == pytest.approx((factors.mean(), factors.std()), rel=4e-3)
    similar = np.einsum("nkd,kd,cd->nck", factors, stored, cue)
    shares = [(similar[:, k].argmax(axis=1) == k).mean() for k in range(2)]
    assert mismatch.choices(cue, stored, 0.8) == pytest.approx(np.mean(shares), abs=0.02)


def test_rates_are_those_of_a_chain_in_short_steps() -> None:
    """Of the same walk on a grid of states, by its stationary distribution."""
    quantum, points = 2.0, 60  # grid points in a quantum
    x = np.arange(-3 * points, 3 * points + 1) * quantum / points
    width = quantum / points
    up, down = (1 / width**2 - sign * x / (2 * width) for sign in (1, -1))
    levels = np.arange(-2, 3) * points + 3 * points
    generator = np.zeros((5, len(x), 5, len(x)))
    for k, level in enumerate(levels):
        for i in range(max(level - points + 1, 1), min(level + points, len(x) - 1)):
            for to, speed in ((i + 1, up[i]), (i - 1, down[i])):
                new = k + (to - level) // points if abs(to - level) == points else k
                inside = 0 <= new < 5
                generator[k, i, new if inside else k, to if inside else i] += speed
                generator[k, i, k, i] -= speed
    flat = generator.reshape(5 * len(x), -1)
    kept = np.flatnonzero(flat.any(axis=1))
    flat = flat[np.ix_(kept, kept)]
    system = np.vstack([flat.T[:-1], np.ones(len(kept))])
    share = np.linalg.solve(system, np.r_[np.zeros(len(kept) - 1), 1.0])
    of, at = kept // len(x), kept % len(x)
    sent = sum(
        share[(of == k) & (at == level + points - 1)].sum() * up[level + points - 1]
        + share[(of == k) & (at == level - points + 1)].sum() * down[level - points + 1]
        for k, level in enumerate(levels)
        if 0 < k < 4
    )
    assert noise_floor.rate(quantum, 0.0) == pytest.approx(float(sent), rel=0.01)
