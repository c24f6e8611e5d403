"""Jitter and loss that groups share: their laws, and limits that are plain jitter and loss."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest

import amsim as am

pytestmark = pytest.mark.filterwarnings("ignore:.*is directed:amsim.GuaranteeWarning")
PATTERNS = am.patterns.random(3, 24, seed=0)
NET = am.dense_am(PATTERNS, hidden=am.Tanh(0.1), visible=am.Tanh())
CUE = am.patterns.corrupt(PATTERNS[0], flip=0.2, seed=1)
PAIRS, PERIOD, TICKS, FAST = 120, 0.25, 320, 0.02
At = Literal["out", "into"]


def chains(at: At, per_group: int, ramp: bool, **timing: Any) -> am.Trajectory:
    """Pairs of a sender that says its output at every tick, and a quick unit that follows it."""
    forward = am.Directed(np.eye(PAIRS), source="a", target="b", name="forward")
    slow = {"tau": 1e6, "bias": 1e6} if ramp else {}
    layers = {
        "a": am.Layer(PAIRS, am.Identity(), **slow),
        "b": am.Layer(PAIRS, am.Identity(), tau=FAST),
    }
    own = np.arange(PAIRS) // per_group
    groups = {"a": own, "b": PAIRS} if at == "out" else {"a": PAIRS, "b": own}
    given = am.Timing(
        clock=am.Periodic(PERIOD, skew=0.0), heartbeat=1e-9, fabric=am.Fabric(groups), **timing
    )
    value = np.zeros(PAIRS) if ramp else np.ones(PAIRS)
    return am.simulate(
        am.Network(layers, [forward]), {"a": value, "b": np.ones(PAIRS)},
        solver=am.EventDriven(1e6, given), inputs=None if ramp else {"a": np.ones(PAIRS)},
        times=PERIOD * np.arange(1, TICKS + 1), until=None, seed=4,
    )  # fmt: skip


def correlation(signal: Any, lag: int) -> float:
    centred = signal - signal.mean()
    return float((centred[lag:] * centred[: len(signal) - lag]).mean() / centred.var())


@pytest.mark.parametrize("at", ["out", "into"])
def test_bursts_have_the_law_of_gilbert_and_elliott(at: At) -> None:
    """What was lost reads as 0, so that the follower of each sender shows each loss."""
    good, bad = 3.0, 1.0
    bursts = am.Bursts(good, bad, drop_good=0.05, drop_bad=0.9, at=at)
    traj = chains(at, 2, False, bursts=bursts, on_drop="zero")
    lost = np.asarray(traj["b"][1:] < 0.5, dtype=float)
    assert np.all((traj["b"][1:] < 1e-3) | (traj["b"][1:] > 1 - 1e-3))
    w = bad / (good + bad)
    spread = w * (1 - w) * (0.9 - 0.05) ** 2
    assert lost.mean() == pytest.approx((1 - w) * 0.05 + w * 0.9, abs=0.02)
    for lag in (1, 2, 4):
        shared = spread * np.exp(-lag * PERIOD * (1 / good + 1 / bad))
        assert correlation(lost, lag) == pytest.approx(shared / lost.var(), abs=0.03)
    # Both units of a group share the state; units of two groups share nothing.
    one, other = lost[:, ::2], lost[:, 1::2]
    within, across = ((a * b).mean() - lost.mean() ** 2
                      for a, b in ((one, other), (one, np.roll(other, 1, axis=1))))  # fmt: skip
    assert within == pytest.approx(spread, abs=0.015)
    assert across == pytest.approx(0.0, abs=0.01)


def test_lengths_of_bursts_are_exponential() -> None:
    traj = chains("out", 1, False, bursts=am.Bursts(4.0, 1.0), on_drop="zero")
    lost = traj["b"][1:] < 0.5
    starts = lost[1:-12] & ~lost[:-13]
    for ticks in (1, 2, 4, 8):
        longer = np.all([lost[1 + k : len(lost) - 12 + k] for k in range(ticks + 1)], axis=0)
        share = (starts & longer).sum() / starts.sum()
        # Nothing but the whole burst is lost, and ticks see it from its first one on; a burst that
        # ends and begins anew between two ticks looks like one.
        stay = 0.2 + 0.8 * np.exp(-PERIOD * 1.25)
        assert share == pytest.approx(stay**ticks, abs=0.03)


def travel_times(traj: am.Trajectory) -> Any:
    """Of each message, from the states of the follower at both ends of its period."""
    x, fade = np.asarray(traj["b"]), np.exp(-PERIOD / FAST)
    said = np.asarray(traj["a"])
    old, new = said[:-2], said[1:-1]  # what it reads before and after a tick
    rest = x[2:] - new - (x[1:-1] - old) * fade
    return PERIOD + FAST * np.log(rest / (old - new))


@pytest.mark.parametrize("at", ["out", "into"])
def test_common_jitter_is_shared_and_lasts(at: At) -> None:
    """Correlation exp(-t / T) var(common) / (var(common) + var(own)), and 0 between groups."""
    common, own = 0.15, 0.08
    shared = am.CommonJitter(common, correlation=1.5, at=at)
    took = travel_times(chains(at, 2, True, jitter=own, common_jitter=shared))
    assert took.min() >= -1e-6 and took.max() <= common + own + 1e-6
    assert took.max() > 0.95 * (common + own)
    variance, part = (common**2 + own**2) / 12, common**2 / (common**2 + own**2)
    assert took.mean() == pytest.approx((common + own) / 2, abs=0.002)
    assert took.var() == pytest.approx(variance, rel=0.03)
    for lag in (1, 3, 6):
        expected = part * np.exp(-lag * PERIOD / 1.5)
        assert correlation(took, lag) == pytest.approx(expected, abs=0.03)
    centred = took - took.mean()
    one, other = centred[:, ::2], centred[:, 1::2]
    apart = (one * np.roll(other, 1, axis=1)).mean() / variance
    assert (one * other).mean() / variance == pytest.approx(part, abs=0.03)
    assert apart == pytest.approx(0.0, abs=0.03)


def test_common_jitter_that_lasts_is_one_longer_delay() -> None:
    """How long follows from a ramp that the same path delays; a recall then has equal events.

    The ramp tells it to 1e-9, which crossings of a level make larger. That one correction of it
    explains all differences gives the longer delay to rounding.
    """
    forever = am.CommonJitter(0.2, correlation=1e9)
    took = travel_times(chains("out", PAIRS, True, common_jitter=forever))
    longer = float(took.mean())
    assert np.ptp(took) < 1e-9 and 0.0 < longer < 0.2
    one = am.Fabric({"visible": 24 * [0], "hidden": 3 * [0]})

    def run(delay: float, **timing: Any) -> am.Trajectory:
        given = am.Timing(delay=delay, fabric=one, **timing)
        solver = am.EventDriven(0.02, given, record_events=True)
        return am.simulate(NET, CUE, solver=solver, t1=6.0, until=None, seed=4)

    def times(traj: am.Trajectory) -> Any:
        assert traj.events is not None
        return traj.events.time

    shared = run(0.1, common_jitter=forever)
    near = times(run(0.1 + longer))
    by_delay = (times(run(0.1 + longer + 1e-6)) - near) / 1e-6
    missing = float((times(shared) - near) @ by_delay / (by_delay @ by_delay))
    assert abs(missing) < 1e-9
    constant = run(0.1 + longer + missing)
    np.testing.assert_allclose(times(shared), times(constant), rtol=0, atol=1e-13)
    np.testing.assert_allclose(shared.final["visible"], constant.final["visible"], atol=1e-13)
    assert np.abs(shared.final["visible"] - run(0.1).final["visible"]).max() > 1e-6


def test_limits_are_jitter_and_loss() -> None:
    def run(**timing: Any) -> Any:
        solver = am.EventDriven(0.02, am.Timing(delay=0.1, **timing), record_events=True)
        traj = am.simulate(NET, CUE, solver=solver, t1=6.0, until=None, seed=3)
        assert traj.events is not None
        return traj.events.tobytes(), traj.final["visible"].tobytes(), int(traj.stats["drops"])

    plain = run(drop=0.2)
    assert run(bursts=am.Bursts(3.0, 1.0, drop_good=0.2, drop_bad=0.2)) == plain
    assert run(drop=0.2, common_jitter=am.CommonJitter(0.0, 1.0)) == plain


def test_what_does_not_fit_is_refused() -> None:
    for wrong, message in (
        (lambda: am.Bursts(0.0, 1.0), "Bursts: good"),
        (lambda: am.Bursts(1.0, 1.0, drop_bad=1.5), "Bursts: drop_bad"),
        (lambda: am.CommonJitter(-0.1, 1.0), "CommonJitter: jitter"),
        (lambda: am.Timing(drop=0.1, bursts=am.Bursts(1.0, 1.0)), "leave drop out"),
    ):
        with pytest.raises(ValueError, match=message):
            wrong()
    with pytest.raises(TypeError, match="Timing: bursts"):
        am.Timing(bursts=0.1)  # type: ignore[arg-type]
    often = am.Timing(common_jitter=am.CommonJitter(0.1, 1e-9))
    with pytest.raises(ValueError, match="correlation of common_jitter"):
        am.simulate(NET, CUE, solver=am.EventDriven(0.02, often))
