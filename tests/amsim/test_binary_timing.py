"""Binary units with clocks and messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.stats
from numpy.testing import assert_allclose, assert_array_equal

import amsim as am
from amsim.binary import BinaryMemory, Exponential, Power
from amsim.binary.clock_schedule import Schedule, schedule

Array = npt.NDArray[Any]

TIMINGS = {
    "prompt": am.Timing(clock=am.Poisson(2.0)),
    "delay": am.Timing(clock=am.Poisson(2.0), delay=0.7),
    "delays": am.Timing(clock=am.Periodic(0.5, drift=0.1), delay=np.linspace(0, 3, 10)),
    "overtaking": am.Timing(clock=am.Poisson(2.0), jitter=4.0),
    "latest": am.Timing(clock=am.Poisson(2.0), jitter=4.0, arrival="latest"),
    "loss": am.Timing(clock=am.Poisson(2.0), delay=0.3, drop=0.4),
    "heartbeat": am.Timing(clock=am.Poisson(2.0), delay=scipy.stats.uniform(0, 1), drop=0.5,
                           heartbeat=1.0),
    "latest heartbeat": am.Timing(clock=am.Periodic(0.5, jitter=0.3), jitter=5.0, drop=0.2,
                                  heartbeat=0.8, arrival="latest"),
}  # fmt: skip


def wants(xi: Array, view: Array, i: int, rule: str) -> int:
    """Sign of the field of a unit for F = x^3, in integers."""
    without = xi @ view - xi[:, i] * view[i]
    if rule == "gradient":
        return int(np.sign((xi[:, i] * without**2).sum()))
    return int(np.sign(((without + xi[:, i]) ** 3 - (without - xi[:, i]) ** 3).sum()))


def simulate(xi: Array, cue: Array, plan: Schedule, rule: str) -> tuple[Array, list[Any]]:
    """By definition: a list of messages, of which those that have come are read in order."""
    state, view = cue.copy(), cue.copy()
    mail: list[Any] = []
    newest, sent, flips = np.full(len(cue), -np.inf), np.zeros(len(cue)), []
    for check, (i, now) in enumerate(zip(plan.unit, plan.time)):
        for message in sorted(message for message in mail if message[0] <= now):
            mail.remove(message)
            _, left, j, value = message
            if not plan.newest or left > newest[j]:
                newest[j], view[j] = left, value
        want = wants(xi, view, i, rule)
        flip = want not in (0, state[i])
        if flip:
            state[i] = want
            flips.append((check, i))
        if flip or now - sent[i] >= plan.heartbeat:
            sent[i] = now
            mail.append((plan.arrival[check], now, i, state[i]))
    return state, flips


@pytest.mark.parametrize("rule", ["flip", "gradient"])
@pytest.mark.parametrize("timing", TIMINGS.values(), ids=TIMINGS)
def test_every_flip_happens_when_it_should(timing: am.Timing, rule: str) -> None:
    xi = am.patterns.random(4, 10, seed=0).astype(int)
    cues = am.patterns.random(12, 10, seed=1).astype(int)
    memory, plan = BinaryMemory(xi, Power(3)), schedule(timing, 10, 20, 5)
    recall = memory.recall(cues, rule=rule, timing=timing, max_sweeps=20, seed=5, record=True)
    events = recall.events
    for b, cue in enumerate(cues):
        final, flips = simulate(xi, cue, plan, rule)
        mine = events.cue == b
        assert list(zip(events.check[mine], events.unit[mine])) == flips
        assert_array_equal(recall.final[b], final)
    assert_array_equal(recall.times, plan.time[: recall.checks.max()])
    settled = recall.statuses == "settled"
    assert (np.isnan(recall.settle_times) == ~settled).all()
    assert settled.any()
    assert_array_equal(recall.energy[-1], memory.energy(recall.final))


def test_without_delay_it_is_an_order_of_checks() -> None:
    xi = am.patterns.random(30, 40, seed=0)
    cues = am.patterns.random(20, 40, seed=1)
    timing = TIMINGS["prompt"]
    memory = BinaryMemory(xi, Exponential(0.3))
    timed = memory.recall(cues, timing=timing, seed=3, record=True)
    units = schedule(timing, 40, 100, 3).unit
    listed = memory.recall(cues, order=units, max_sweeps=1, record=True)
    assert timed.status == "settled"
    for name in ("cue", "check", "unit"):
        assert_array_equal(getattr(timed.events, name), getattr(listed.events, name))
    assert (np.diff(timed.energy, axis=0) <= 0).all()


def test_heartbeats_repair_losses() -> None:
    """With them a settled state is one in which no unit would flip; without, it need not be."""
    xi, cues = am.patterns.random(12, 40, seed=0), am.patterns.random(60, 40, seed=1)
    memory, clock = BinaryMemory(xi, Power(3)), am.Poisson(1.0)

    def moves(timing: am.Timing) -> Array:
        end = memory.recall(cues, timing=timing, max_sweeps=400, seed=2)
        assert end.status == "settled"
        return memory.recall(end.final, order="sweep").flips

    assert moves(am.Timing(clock=clock, delay=0.2, drop=0.5)).sum() > 0
    assert moves(am.Timing(clock=clock, delay=0.2, drop=0.5, heartbeat=5.0)).sum() == 0


def test_heated_clocks_sample_boltzmann() -> None:
    """The mean energy of 3000 cues after 20 ticks of each unit, within 5 standard errors."""
    memory = BinaryMemory(am.patterns.random(2, 6, seed=5))
    states = 2 * (np.arange(64)[:, None] >> np.arange(6) & 1) - 1
    energy = memory.energy(states)
    weight = np.exp(-energy / 8.0)
    weight /= weight.sum()
    end = memory.recall(
        np.ones((3000, 6)), timing=TIMINGS["prompt"], temperature=8.0, max_sweeps=20, seed=1
    )
    spread = np.sqrt((weight @ energy**2 - (weight @ energy) ** 2) / 3000)
    assert abs(memory.energy(end.final).mean() - weight @ energy) < 5 * spread


def test_poisson_ticks() -> None:
    short, long = (schedule(TIMINGS["prompt"], 50, sweeps, 1) for sweeps in (40, 80))
    assert_array_equal(short.time, long.time[: len(short.time)])
    assert_array_equal(short.unit, long.unit[: len(short.unit)])
    assert (np.diff(long.time) > 0).all()
    assert long.time[-1] <= 40.0
    # 50 units at rate 2 for a time of 40: 4000 ticks, in the mean 80 a unit, gaps exponential.
    assert abs(len(long.time) - 4000) < 5 * np.sqrt(4000)
    gaps = np.concatenate([np.diff(long.time[long.unit == i]) for i in range(50)])
    assert scipy.stats.kstest(gaps, scipy.stats.expon(scale=0.5).cdf).pvalue > 1e-3


def test_periodic_ticks() -> None:
    clock = am.Periodic(0.5, drift=0.2, jitter=0.1)
    plan = schedule(am.Timing(clock=clock, delay=0.25), 30, 60, 1)
    assert_allclose(plan.arrival, plan.time + 0.25)
    periods = []
    for i in range(30):
        ticks = plan.time[plan.unit == i]
        periods.append(np.polyfit(np.arange(len(ticks)), ticks, 1)[0])
        straight = ticks[0] + periods[-1] * np.arange(len(ticks))
        assert np.abs(ticks - straight).max() < 0.1 + 1e-3 * len(ticks)
        assert 0 <= ticks[0] < 0.6 + 0.1
    assert 0.4 - 1e-3 < min(periods) < 0.43
    assert 0.57 < max(periods) < 0.6 + 1e-3


@pytest.mark.parametrize(
    ("timing", "word"),
    [
        (am.Timing(), "needs a clock"),
        (am.Timing(clock=am.Poisson(1.0), scope="link"), "scope"),
        (am.Timing(clock=am.Poisson(1.0), delay={"visible": 1.0}), "one array"),
        (am.Timing(clock=am.Poisson(1.0), delay=[1.0, 2.0]), "3 units"),
        (am.Timing(clock=am.Poisson(1.0), drop=0.1, on_drop="zero"), "on_drop"),
        (am.Timing(clock=am.Poisson(1.0), tau_spread=0.1), "tau_spread"),
    ],
)
def test_what_two_state_units_do_not_have(timing: am.Timing, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        BinaryMemory([[1, -1, 1]]).recall([1, 1, 1], timing=timing)


def test_a_clock_takes_the_place_of_an_order() -> None:
    memory = BinaryMemory([[1, -1, 1]])
    for options in ({"order": "sweep"}, {"order": [0, 1]}, {"staleness": 2}):
        with pytest.raises(ValueError, match="timing takes the place"):
            memory.recall([1, 1, 1], timing=TIMINGS["prompt"], **options)
    with pytest.raises(TypeError, match="timing must be"):
        memory.recall([1, 1, 1], timing=2.0)  # type: ignore[arg-type]
    assert memory.recall([1, 1, 1], order="sweep").time_label == "sweeps"
