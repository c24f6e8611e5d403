"""Runs that never rest: the level and the power of the test for a trend, and what says why."""

from __future__ import annotations

import numpy as np
import pytest

import amsim as am

PATTERNS = am.patterns.random(3, 24, seed=0)
NET = am.dense_am(PATTERNS, hidden=am.Tanh(0.1), visible=am.Tanh())
CUE = am.patterns.corrupt(PATTERNS[0], flip=0.2, seed=1)


def autoregressive(runs: int, length: int, correlation: float, seed: int) -> np.ndarray:
    """Stationary processes (length, runs) with this correlation time."""
    fade, rng = np.exp(-1 / correlation), np.random.default_rng(seed)
    x = np.empty((length, runs))
    x[0] = rng.standard_normal(runs)
    for k in range(1, length):
        x[k] = fade * x[k - 1] + np.sqrt(1 - fade**2) * rng.standard_normal(runs)
    return x


def test_a_stationary_run_is_rejected_as_often_as_said() -> None:
    runs, level = 200, 0.05
    x = autoregressive(runs, 2000, 3.0, 0)
    rejected = sum(not am.steady_state(x[:, i], level=level).steady for i in range(runs))
    # Kendall's tau is discrete, so that the level is kept from below.
    assert 0.01 * runs < rejected < level * runs + 3 * np.sqrt(level * runs)
    # All series together: one answer, as often wrong.
    many = [am.steady_state(x[:, i : i + 10], level=level).steady for i in range(0, runs, 10)]
    assert sum(many) >= 20 - 1 - 3


def test_a_run_that_relaxes_is_not_steady() -> None:
    x, t = autoregressive(20, 2000, 3.0, 1), np.arange(2000)[:, None]
    slow = x + 3.0 * np.exp(-t / 1000.0)
    found = [am.steady_state(slow[:, i]) for i in range(20)]
    assert not any(each.steady for each in found)
    assert all(each.trend < -0.4 for each in found)
    # One series among many that are stationary.
    mixed = x.copy()
    mixed[:, 7] = slow[:, 7]
    report = am.steady_state(mixed)
    assert not report.steady and report.trend.argmin() == 7 and report.means.shape == (20, 20)


def test_windows_that_are_too_short_reject_more_and_show_it() -> None:
    x = autoregressive(100, 2000, 300.0, 2)
    found = [am.steady_state(x[:, i], level=0.05) for i in range(100)]
    assert sum(not each.steady for each in found) > 20
    assert np.mean([each.correlation for each in found]) > 2 / np.sqrt(20)


def test_constants_are_steady_and_what_does_not_fit_is_refused() -> None:
    report = am.steady_state(np.ones((40, 2)))
    assert report.steady and report.p_value == 1.0
    for wrong in ({"values": np.ones(19)}, {"values": np.ones(40), "windows": 7},
                  {"values": np.ones(40), "level": 0.0}, {"values": 3.0}):  # fmt: skip
        with pytest.raises(ValueError, match="steady_state"):
            am.steady_state(**wrong)  # type: ignore[arg-type]


def test_what_cannot_settle_says_why() -> None:
    def message(timing: am.Timing, t1: float) -> str:
        solver = am.EventDriven(0.02, timing)
        traj = am.simulate(NET, CUE, solver=solver, t1=t1, until=am.Settled(1e-3))
        assert traj.status == "time_limit"
        return str(traj.message)

    babble = am.Fault("babbling", units={"visible": [0]}, rate=400.0, at=1.0)
    bus = am.Fabric(hop=am.Link(100.0))
    barrier = am.Timing(clock=am.Barrier(0.1), fabric=bus, faults=[babble])
    assert "waited for a barrier that did not come" in message(barrier, 20.0)
    late = am.Fault("silent", units={"visible": [0]}, at=500.0)
    assert "could not settle before the last fault" in message(am.Timing(faults=[late]), 200.0)
    slow = am.Timing(fabric=am.Fabric(hop=am.Link(5.0)))
    assert "had news under way" in message(slow, 3.0)
    with pytest.raises(ValueError, match="does not come to rest"):
        am.simulate(NET, CUE, solver=am.EventDriven(0.02), noise=0.1)
