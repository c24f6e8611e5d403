"""Loss with a probability: bounds against a game over all senders and losses, and event runs."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import amsim as am
from amsim.stability import certify, loss_bound
from amsim.stability.loss import old_message


def worst(drop: float, heartbeat: int, delay: int, staleness: int, until: int) -> float:
    """The chance of too large an age with the cleverest sender, in ticks; all losses are counted.

    At each tick it may send, and has to after `heartbeat` ticks; it knows which copies were lost.
    What is used is too old between the age of the last copy that arrived and the next one's arrival
    if copies that are not lost lie farther apart than staleness - delay.
    """

    @cache
    def chance(now: int, silent: int, since: int) -> float:
        if now - since >= until - staleness:  # whatever follows, it is used until the end
            return 0.0
        if since > staleness - delay:
            return 1.0
        lost = chance(now + 1, 1, since + 1)
        sends = drop * lost + (1 - drop) * chance(now + 1, 1, 1)
        if silent == heartbeat:
            return sends
        return max(sends, chance(now + 1, silent + 1, since + 1))

    return chance(1, 1, 1)


@pytest.mark.parametrize("drop", [0.1, 0.5, 0.9])
def test_no_sender_beats_the_bound(drop: float) -> None:
    """Every strategy on a grid, every pattern of losses."""
    ratios = []
    for heartbeat in (1, 2, 4):
        for delay in (0, 1, 3):
            for staleness in range(delay + 1, delay + 14, 3):
                for until in (staleness + 1, staleness + 9, 40):
                    bound = old_message(drop, heartbeat, delay, staleness, until)
                    exact = worst(drop, heartbeat, delay, staleness, until)
                    assert exact <= bound
                    if 0 < bound < 0.5:
                        ratios.append(bound / exact)
    assert np.median(ratios) < 10  # and it is not far above the cleverest


def test_nothing_is_too_old_before_the_staleness_has_passed() -> None:
    assert old_message(0.5, 1.0, 0.0, 5.0, 4.9) == 0.0
    assert 0 < old_message(0.5, 1.0, 0.0, 5.0, 5.1) < 1
    assert old_message(0.5, 1.0, 5.0, 5.0, 6.0) == 1.0  # a message travels for as long


def test_lost_copies_by_hand() -> None:
    """Of length 3.5 holds 3 heartbeats, from any of 4.9 / 0.5 points, rounded up."""
    assert old_message(0.1, 1.0, 0.5, 4.0, 8.9) == pytest.approx(10 * 0.1**3, rel=1e-12)
    assert old_message(0.9, 1.0, 0.5, 4.0, 4.9) == pytest.approx(0.9**2, rel=1e-12)
    assert old_message(0.1, 1.0, 0.5, 4.0, 8.9) > 10 * 0.1**3  # outwards


@pytest.fixture(scope="module")
def recall() -> Any:
    patterns = am.patterns.random(6, 32, seed=0)
    net = am.dense_am(patterns)
    rest = am.simulate(net, patterns[0], until=am.Settled(1e-11)).final
    return net, am.patterns.corrupt(patterns[0], flip=0.25, seed=1), rest


@pytest.mark.parametrize("scope", ["link", "broadcast"])
def test_runs_with_losses_fail_no_more_often(recall: Any, scope: Any) -> None:
    """None of 30 runs fails: with a confidence of 95 %, less than a tenth of them do."""
    net, cue, rest = recall
    drop, heartbeat, delay = 0.25, 0.05, 0.05
    bound = loss_bound(net, cue, rest, drop, heartbeat, delay, scope, staleness=0.6)
    assert bound.failure < 0.02
    assert (bound.failure > 0) == (scope == "link")  # in broadcast any age will do
    assert bound.links == (2 * 6 * 32 if scope == "link" else 6 + 32)
    timing = am.Timing(delay=0.03, jitter=0.02, drop=drop, heartbeat=heartbeat, scope=scope)
    failed = 0
    for seed in range(30):
        solver = am.EventDriven(0.02, timing)
        run = am.simulate(net, cue, solver=solver, until=None, times=[4.0], seed=seed)
        failed += np.abs(run.final["visible"] - rest["visible"]).max() > 0.1
        assert run.stats["drops"] > 0
    assert failed == 0


def test_bounds_of_a_batch(recall: Any) -> None:
    net, cue, rest = recall
    easy = am.patterns.corrupt(net.synapses[0].weights[0], flip=0.05, seed=0)
    found = loss_bound(net, [easy, cue, -cue], rest, 0.2, 0.05, 0.05, staleness=0.5)
    assert found.failure[0] == 0 and found.time[0] == 0  # any age will do
    assert 0 < found.failure[1] < 1
    assert found.failure[2] == 1 and found.staleness.tolist() == [0.5, 0.5, 0]
    assert certify(net, cue, rest, staleness=0.5).time == found.time[1]
    worse = loss_bound(net, cue, rest, 0.4, 0.05, 0.05, staleness=0.5)
    assert worse.failure > found.failure[1]
    best = loss_bound(net, [easy, cue], rest, 0.2, 0.05, 0.05)
    assert best.staleness[0] == np.inf and 0.5 < best.staleness[1] < 4
    assert best.failure[0] == 0 and best.failure[1] < found.failure[1]


def test_links_without_weight_lose_nothing() -> None:
    net = am.Network(
        {"visible": am.Layer(3, am.Tanh())},
        [am.Directed([[0, 0.1, 0], [0, 0, 0], [0.1, 0.1, 0]], source="visible", target="visible")],
    )
    zero = np.zeros(3)
    assert loss_bound(net, zero, zero, 0.1, 1.0, 0.1, staleness=1.0).links == 3
    assert loss_bound(net, zero, zero, 0.1, 1.0, 0.1, "broadcast", staleness=1.0).links == 2


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ({"drop": 1.0}, ValueError, "drop"),
        ({"heartbeat": 0.0}, ValueError, "heartbeat"),
        ({"delay": -1.0}, ValueError, "delay"),
        ({"staleness": 0.05}, ValueError, "longer|larger"),
        ({"cue": None}, TypeError, "cue is None"),
    ],
)
def test_bad_arguments(recall: Any, wrong: Any, error: type[Exception], words: str) -> None:
    net, cue, rest = recall
    given = {"cue": cue, "target": rest, "drop": 0.1, "heartbeat": 0.1, "delay": 0.1}
    with pytest.raises(error, match=words):
        loss_bound(net, **{**given, **wrong})
