"""Timing: what is accepted, and that draws depend on nothing but seed, unit, message and link."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats

import amsim as am
from amsim.compiled import draws
from amsim.dynamics.brian.links import links_of, timed
from amsim.dynamics.build_problem import build_problem
from amsim.dynamics.events.layout import lay_out
from amsim.stability.delays import link_delays
from amsim.stability.linear import Linearisation

NET = am.dense_am(np.sign(np.sin(np.arange(1, 13)).reshape(3, 4)), hidden=am.Tanh())
CUE = [0.5, -0.2, 0.9, 0.1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"delay": -0.1}, "delay must not be negative"),
        ({"delay": np.nan}, "delay"),
        ({"delay": []}, "delay"),
        ({"delay": "long"}, "scipy.stats"),
        ({"delay": scipy.stats.norm(1, 1)}, "reaches down to -inf"),
        ({"delay": {"visible": -1.0}}, "delay"),
        ({"jitter": -1.0}, "jitter"),
        ({"jitter": scipy.stats.norm()}, "jitter"),
        ({"drop": 1.0}, "< 1"),
        ({"drop": -0.1}, "drop"),
        ({"on_drop": "forget"}, "'hold' or 'zero'"),
        ({"scope": "unit"}, "'broadcast' or 'link'"),
        ({"arrival": "first"}, "'timestamp' or 'latest'"),
        ({"heartbeat": 0.0}, "heartbeat"),
        ({"tau_spread": -0.1}, "tau_spread"),
        ({"clock": 3.0}, "Periodic"),
    ],
)
def test_bad_values_name_themselves(options: dict[str, Any], words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words.replace("'", ".")):
        am.Timing(**options)


@pytest.mark.parametrize(
    ("clock", "words"),
    [
        (lambda: am.Poisson(0.0), "rate"),
        (lambda: am.Periodic(-1.0), "period"),
        (lambda: am.Periodic(1.0, drift=1.0), "drift"),
        (lambda: am.Periodic(1.0, drift=0.5, jitter=0.6), "shortest period"),
    ],
)
def test_bad_clocks_name_themselves(clock: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        clock()


@pytest.mark.parametrize(
    ("delay", "scope", "words"),
    [
        (np.ones(5), "broadcast", "one delay per unit"),
        (np.ones((3, 4)), "broadcast", "scope='link'"),
        ({"visible": np.ones(3)}, "broadcast", "the layer has shape"),
        ({"nowhere": 1.0}, "broadcast", "nowhere"),
        ({("visible", "hidden"): np.ones((3, 4))}, "link", "one row per sending"),
        ({("visible", "hidden"): np.ones((4, 3))}, "broadcast", "scope='link'"),
    ],
)
def test_delays_that_do_not_fit_the_network(delay: Any, scope: Any, words: str) -> None:
    solver = am.EventDriven(0.1, am.Timing(delay=delay, scope=scope))
    with pytest.raises(ValueError, match=words):
        am.simulate(NET, CUE, solver=solver)


def test_numbers_are_uniform_and_streams_independent() -> None:
    u = draws.uniform(7, draws.JITTER, 20_000)
    assert scipy.stats.kstest(u, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(u[1:], u[:-1])[0, 1]) < 0.03
    other = draws.uniform(7, draws.DROP, 20_000)
    assert abs(np.corrcoef(u, other)[0, 1]) < 0.03
    assert (draws.uniform(7, draws.JITTER, 5, first=3) == u[3:8]).all()
    assert not (draws.uniform(8, draws.JITTER, 5) == u[:5]).any()


def delays(timing: am.Timing, seed: int = 0) -> Any:
    return lay_out(NET, am.EventDriven(timing=timing), seed, 0.0).delays


def test_frozen_delays_follow_their_distribution() -> None:
    net = am.dense_am(np.ones((60, 50)))
    law = scipy.stats.gamma(2.0, scale=0.1)
    drawn = lay_out(net, am.EventDriven(timing=am.Timing(law, scope="link")), 3, 0.0).delays
    assert drawn.shape == (2 * 60 * 50,)
    assert len(np.unique(drawn)) == len(drawn)
    assert scipy.stats.kstest(drawn, law.cdf).pvalue > 1e-3
    assert delays(am.Timing(law)).shape == (7,)


def test_arrays_of_delays_go_to_their_links() -> None:
    per_unit = np.arange(7.0)
    assert (delays(am.Timing(per_unit)) == [4, 5, 6, 0, 1, 2, 3]).all()  # hidden, then visible
    table = np.arange(12.0).reshape(3, 4)
    both = np.concatenate([table.ravel(), table.T.ravel()])
    assert (delays(am.Timing(table, scope="link")) == both).all()
    named = {("hidden", "visible"): table, "visible": 0.5}
    assert (delays(am.Timing(named, scope="link")) == [*table.ravel(), *[0.5]]).all()


def events(cues: Any, seed: int, **timing: Any) -> Any:
    solver = am.EventDriven(0.05, am.Timing(**timing), record_events=True)
    return am.simulate(NET, cues, solver=solver, t1=4.0, until=None, seed=seed).events


NOISY: list[dict[str, Any]] = [
    {"delay": scipy.stats.uniform(0, 0.5), "jitter": 0.2, "drop": 0.1, "heartbeat": 1.0},
    {"delay": 0.1, "jitter": scipy.stats.expon(scale=0.1), "scope": "link", "drop": 0.2},
    {"clock": am.Poisson(50.0), "tau_spread": 0.2, "jitter": 0.1},
    {"clock": am.Periodic(0.03, drift=0.1, jitter=0.01), "delay": 0.1},
]


@pytest.mark.parametrize("timing", NOISY)
def test_events_depend_on_the_seed_and_not_on_the_batch(timing: dict[str, Any]) -> None:
    cues = np.array([CUE, [-0.3, 0.4, 0.2, 0.8], [1.0, 1.0, -1.0, 0.0]])
    batch = events(cues, 5, **timing)
    for cue in (0, 2):
        alone = events(cues[cue], 5, **timing)
        ours = batch[batch.cue == cue]
        assert len(alone) > 20
        for name in ("time", "layer", "unit", "value"):
            assert (alone[name] == ours[name]).all()
    other = events(cues[0], 6, **timing)
    alone = events(cues[0], 5, **timing)
    assert len(other) != len(alone) or (other.time != alone.time).any()


def test_a_cue_rounds_as_it_does_alone() -> None:
    """Products of a batch of cues are rounded differently, which may move events by 1e-14."""
    stored = am.patterns.random(4, 24, seed=0) / 24
    net = am.dense_am(stored, visible=am.Tanh(2.0), hidden=am.RectifiedPower(3))
    cues = np.stack([np.cos(np.arange(24) + b) for b in range(3)])
    solver = am.EventDriven(0.01, record_events=True)
    batch = am.simulate(net, cues, inputs={"visible": 0.1 * cues}, solver=solver, t1=5.0)
    for b in range(3):
        inputs = {"visible": 0.1 * cues[b]}
        alone = am.simulate(net, cues[b], inputs=inputs, solver=solver, t1=5.0)
        assert len(alone.events) > 500
        assert (batch.events.time[batch.events.cue == b] == alone.events.time).all()


def test_messages_leave_at_the_ticks_of_periodic_clocks() -> None:
    clock = am.Periodic(0.1, drift=0.2)
    sent = events(CUE, 9, clock=clock)
    units = lay_out(NET, am.EventDriven(timing=am.Timing(clock=clock)), 9, 0.0).units
    unit = np.where(sent.layer == "visible", 0, 4) + sent.unit
    phase, period = units["phase"], units["period"]
    assert (abs(period - 0.1) <= 0.02).all() and np.ptp(period) > 0
    ticks = (sent.time - phase[unit]) / period[unit]
    np.testing.assert_allclose(ticks, np.rint(ticks), atol=1e-9)


def test_poisson_looks_have_the_rate() -> None:
    """A unit that has always moved by a quantum sends at every look."""
    net = am.Network({"x": am.Layer(20, am.Identity())}, [])
    solver = am.EventDriven(1e-12, am.Timing(clock=am.Poisson(30.0)), record_events=True)
    sent = am.simulate(net, np.ones(20), solver=solver, t1=10.0, until=None, seed=2).events
    gaps = np.concatenate([np.diff(sent.time[sent.unit == i]) for i in range(20)])
    assert scipy.stats.kstest(gaps, scipy.stats.expon(scale=1 / 30).cdf).pvalue > 1e-3


def test_the_drop_rate_is_the_probability() -> None:
    solver = am.EventDriven(1e-3, am.Timing(drop=0.3, scope="link"))
    traj = am.simulate(NET, CUE, solver=solver, t1=5.0, until=None)
    lost, arrived = int(traj.stats["drops"]), int(traj.stats["synaptic_operations"])
    assert lost + arrived > 5000
    share = lost / (lost + arrived)
    assert abs(share - 0.3) < 4 * np.sqrt(0.21 / (lost + arrived))


def test_staleness_is_the_delay_and_grows_with_losses() -> None:
    def staleness(**timing: Any) -> float:
        solver = am.EventDriven(0.01, am.Timing(**timing))
        traj = am.simulate(NET, CUE, solver=solver, t1=4.0, until=None)
        return float(traj.stats["staleness"])

    assert staleness(delay=0.25) == pytest.approx(0.25)
    assert 0.25 < staleness(delay=0.25, jitter=0.1) <= 0.35 + 1e-12
    assert staleness(delay=0.25, drop=0.5) > 0.26


def test_a_pair_of_layers_is_source_and_target_everywhere() -> None:
    """In the event engine and Brian2, which shares its delays, and in the theory of stability."""
    net = am.dense_am(am.patterns.random(3, 4, seed=0), hidden=am.Softmax(1.0))
    rng = np.random.default_rng(0)
    delay = {("visible", "hidden"): rng.random((4, 3)), ("hidden", "visible"): rng.random((3, 4))}
    problem, _ = build_problem(net, np.ones(4))
    links = links_of(problem)
    options = am.Brian2(solver="events", timing=am.Timing(delay=delay, scope="link"))
    _, by_link = timed(problem, options, links)
    rest = {"visible": np.zeros(4), "hidden": np.zeros(3)}
    theory = link_delays(Linearisation(net, rest), delay)
    assert len(links) == len(theory) == 2
    for link, found in zip(links, by_link, strict=True):
        pair = link.source, link.target
        np.testing.assert_array_equal(found[0], delay[pair])
        np.testing.assert_array_equal(theory[pair].T, delay[pair])
