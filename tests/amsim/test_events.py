"""The event-driven solver against closed forms, the differential equation and delay theory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq

import amsim as am
from amsim.dynamics.events import run as engine_run
from amsim.dynamics.events.bounds import inter_event_bounds, messages_keep_apart
from amsim.dynamics.events.engine.state import MESSAGE
from amsim.dynamics.events.layout import Layout, lay_out

MU, UNIT = np.arange(4)[:, None], np.arange(5)
XI = np.sin(1 + 2 * MU + 3 * UNIT + MU * UNIT)
ACCURATE = am.ExponentialIntegrator(rtol=1e-11, atol=1e-12)


def s1(**options: Any) -> am.Network:
    return am.dense_am(XI, hidden=options.pop("hidden", am.Softmax(2.0)), **options)


S1_START = {"visible": np.cos(UNIT), "hidden": np.zeros(4)}

GROUPS = (am.Softmax(2.0), am.Entmax(1.3, 2.0), am.Entmax(1.5, 2.0), am.Entmax(2.0, 2.0))


def three_layers() -> am.Network:
    rng = np.random.default_rng(1)
    return am.Network(
        {
            "v": am.Layer(6, am.Identity(), bias=0.2),
            "h": am.Layer(4, am.Tanh(1.5), tau=0.4),
            "top": am.Layer(3, am.Softmax(1.0), tau=0.2),
        },
        [
            am.Dense(rng.normal(size=(4, 6)) / 2, between=("h", "v")),
            am.Dense(rng.normal(size=(3, 4)) / 2, between=("top", "h")),
        ],
    )


# Single units


@pytest.mark.parametrize(
    ("kind", "inverse"),
    [
        (am.Identity(), lambda y: y),
        (am.Tanh(2.0), lambda y: np.arctanh(y) / 2),
        (am.Sigmoid(3.0), lambda y: np.log(y / (1 - y)) / 3),
        (am.ReLU(), lambda y: y),
        (am.RectifiedPower(3), np.sqrt),
        (am.Exponential(0.5), lambda y: np.log(y) / 0.5),
    ],
)
@pytest.mark.parametrize("ends", [(0.2, 1.503), (1.503, 0.2)])
def test_a_leaky_unit_sends_at_the_times_of_the_closed_form(
    kind: Any, inverse: Any, ends: Any
) -> None:
    start, goal, tau, quantum = *ends, 0.7, 0.01
    net = am.Network({"x": am.Layer(1, kind, tau=tau, bias=goal)}, [])
    solver = am.EventDriven(quantum, record_events=True)
    sent = am.simulate(net, [start], solver=solver, t1=50.0, until=None).events
    first, last = (float(kind.activation([x])[0]) for x in ends)
    direction = np.sign(last - first)
    count = math.floor(abs(last - first) / quantum * (1 - 1e-12))
    levels = first + direction * quantum * np.arange(1, count + 1)
    states = inverse(levels)
    assert len(sent) == count
    np.testing.assert_allclose(sent.value, levels, rtol=0, atol=1e-12)
    times = tau * np.log((goal - start) / (goal - states))
    np.testing.assert_allclose(sent.time, times, rtol=1e-9)


def test_messages_are_not_closer_than_the_inter_event_bound() -> None:
    """delta tau / (2 l R): l bounds the slope of the output, R input and state."""
    quantum, net = 1e-3, s1(visible=am.Tanh(), hidden=am.Tanh(2.0))
    solver = am.EventDriven(quantum, record_events=True)
    sent = am.simulate(net, S1_START, solver=solver, t1=20.0, until=None).events
    for layer, tau, slope, weights in (("visible", 1.0, 1.0, XI), ("hidden", 0.1, 2.0, XI.T)):
        reach = max(1.0, float(np.abs(weights).sum(axis=0).max()))
        for unit in range(4):
            times = sent.time[(sent.layer == layer) & (sent.unit == unit)]
            assert len(times) > 10
            assert np.diff(times).min() >= quantum * tau / (2 * slope * reach)


def test_messages_that_come_too_close_are_noticed() -> None:
    """Every run asserts the bound; here the second message of a unit is moved to the first."""
    problem_net = am.Network({"x": am.Layer(2, am.Tanh(), bias=1.0)}, [])
    solver = am.EventDriven(1e-2)
    layout = lay_out(problem_net, solver, 0, True)
    messages = np.zeros(3, MESSAGE)
    messages["time"], messages["value"] = [0.1, 0.2, 0.3], [0.01, 0.01, 0.02]
    messages["unit"], messages["previous"] = [0, 1, 0], [-1, -1, 0]
    start = (np.zeros(2), np.ones(2), np.zeros(2))
    assert messages_keep_apart(layout, messages, *start)
    messages["time"][0] = messages["time"][2] - 0.004
    assert not messages_keep_apart(layout, messages, *start)
    np.testing.assert_allclose(inter_event_bounds(layout, messages, *start), 0.005)


def test_ties_are_in_the_order_of_units() -> None:
    net = am.Network({"x": am.Layer(5, am.Identity(), bias=1.0)}, [])
    solver = am.EventDriven(0.25, record_events=True)
    sent = am.simulate(net, np.zeros(5), solver=solver, t1=5.0, until=None).events
    assert sent.unit.tolist() == [0, 1, 2, 3, 4] * 3
    assert len(np.unique(sent.time)) == 3


def test_a_target_that_is_a_level_is_not_reached() -> None:
    """And its neighbours send as if it were not there."""
    weights = np.array([[0.0], [0.125]])
    net = am.Network(
        {"x": am.Layer(2, am.Identity(), bias=[0.5, -0.125]), "s": am.Layer(1, am.Identity())},
        [am.Dense(weights, between=("x", "s"))],
    )
    solver = am.EventDriven(0.25, record_events=True)
    start = {"x": [0.75, 2.0], "s": [2.0]}
    sent = am.simulate(net, start, solver=solver, t1=20.0, until=None).events
    assert not ((sent.layer == "x") & (sent.unit == 0)).any()
    x, target, last, count = 2.0, 0.125, 0.0, 0
    for event in sent:
        x, last = target + (x - target) * math.exp(last - event.time), event.time
        if event.layer == "s":
            target = 0.125 * event.value - 0.125
        else:
            count += 1
            assert x == pytest.approx(event.value, rel=1e-12)
    assert count > 6


def test_sign_units_send_when_they_turn() -> None:
    net = am.Network({"x": am.Layer(1, am.Sign(), bias=-1.0)}, [])
    solver = am.EventDriven(0.5, record_events=True)
    sent = am.simulate(net, [3.0], solver=solver, t1=9.0, until=None).events
    assert sent.value.tolist() == [-1.0]
    np.testing.assert_allclose(sent.time, [np.log(4.0)], rtol=1e-12)


# Without delays: the differential equation


@pytest.mark.parametrize("announce", ["output", "ahead"])
@pytest.mark.parametrize(
    ("make", "start", "quanta"),
    [
        (s1, S1_START, [1e-1, 1e-2, 1e-3, 1e-4, 1e-5]),
        (lambda: s1(visible=am.Tanh(2.0), hidden=am.Tanh(3.0)), S1_START, [1e-1, 1e-3, 1e-5]),
        (three_layers, {"v": np.cos(np.arange(6.0))}, [1e-1, 1e-2, 1e-3, 1e-4]),
    ],
)
def test_the_error_falls_linearly_with_the_quantum(
    make: Any, start: Any, quanta: Any, announce: Any
) -> None:
    network, times = make(), [0.3, 1.0, 2.0]
    exact = am.simulate(network, start, times=times, until=None, solver=ACCURATE)
    errors = []
    quanta = quanta if announce == "output" else quanta[:-1]
    for quantum in quanta:
        solver = am.EventDriven(quantum, announce=announce)
        traj = am.simulate(network, start, times=times, until=None, solver=solver)
        errors.append(max(np.abs(traj[name] - exact[name]).max() for name in network.layers))
    constants = np.array(errors) / quanta
    assert constants.max() < 25
    slope = np.log10(errors[0] / errors[-1]) / np.log10(quanta[0] / quanta[-1])
    # Ahead, errors of both signs cancel while outputs move: it is not worse than linear.
    assert 0.9 < slope < (1.1 if announce == "output" else math.inf)


def test_digits_are_recalled_with_a_linear_error() -> None:
    patterns = am.patterns.digits(10, seed=0)
    net = am.dense_am(patterns, hidden=am.Softmax(0.2))
    cue, times = am.patterns.corrupt(patterns[1], flip=0.2, seed=1), [5.0]
    exact = am.simulate(net, cue, times=times, until=None, solver=ACCURATE)
    quanta, errors = np.array([1e-1, 1e-2, 1e-3, 1e-4]), []
    for quantum in quanta:
        solver = am.EventDriven(quantum)
        traj = am.simulate(net, cue, times=times, until=None, solver=solver)
        errors.append(np.abs(traj["visible"] - exact["visible"]).max())
    constants = errors / quanta
    assert constants.max() / constants.min() < 2
    assert 0.9 < np.polyfit(np.log(quanta), np.log(errors), 1)[0] < 1.1


def test_announcing_ahead_is_more_accurate_at_the_same_number_of_messages() -> None:
    times = np.linspace(0.2, 8.0, 20)
    exact = am.simulate(s1(), S1_START, times=times, until=None, solver=ACCURATE)
    error, count = {}, {}
    for announce in ("output", "ahead"):
        solver = am.EventDriven(1e-3, announce=announce)
        traj = am.simulate(s1(), S1_START, times=times, until=None, solver=solver)
        error[announce] = np.sqrt(np.mean((traj["visible"] - exact["visible"]) ** 2))
        count[announce] = sum(int(n) for n in traj.stats["messages"].values())
    assert abs(count["ahead"] / count["output"] - 1) < 0.05
    assert error["ahead"] < error["output"] / 2


def test_smooth_units_send_no_more_than_their_outputs_move() -> None:
    """Every message stands for a quantum of movement, whatever sign memories do."""
    stored = am.patterns.random(60, 40, seed=0)
    cue = am.patterns.corrupt(stored[0], flip=0.25, seed=1) * np.linspace(0.5, 1.5, 40)
    net = am.dense_am(stored / 40**0.5, visible=am.Tanh(), hidden=am.Sign(), tau_hidden=1.0)
    solver = am.EventDriven(0.003)
    traj = am.simulate(net, cue, times=np.linspace(0, 4, 2001), until=None, solver=solver)
    moved = np.abs(np.diff(np.tanh(traj["visible"]), axis=0)).sum(axis=0) / 0.003
    sent = int(traj.stats["messages"]["visible"])
    assert sent <= moved.sum() + 1e-6
    assert sent >= 0.9 * moved.sum()  # less than a quantum is left over where an output turns
    assert 0 < traj.stats["messages"]["hidden"] < 60


def test_networks_of_signs_are_exact_at_any_quantum() -> None:
    """Small steps of a clock converge to the events, with first order."""
    stored = am.patterns.random(60, 40, seed=0)
    cue = am.patterns.corrupt(stored[0], flip=0.25, seed=1) * np.linspace(0.5, 1.5, 40)
    net = am.dense_am(stored / 40**0.5, visible=am.Sign(), hidden=am.Sign(), tau_hidden=1.0)
    coarse, fine = (
        am.simulate(net, cue, times=[1.0, 2.0], until=None, solver=am.EventDriven(q))
        for q in (0.5, 1e-3)
    )
    np.testing.assert_allclose(coarse["visible"], fine["visible"], rtol=0, atol=1e-12)
    sent = [sum(map(int, run.stats["messages"].values())) for run in (coarse, fine)]
    assert sent[0] == sent[1] > 5
    errors = []
    for step in (1e-2, 1e-3, 2e-4):
        now, decay = {"visible": cue, "hidden": stored / 40**0.5 @ np.sign(cue)}, np.exp(-step)
        for _ in range(round(2 / step)):
            force = net.unchecked_force(now)
            now = {n: x + force[n] * (1 - decay) for n, x in now.items()}
        errors.append(float(np.abs(now["visible"] - fine["visible"][-1]).max()))
    assert errors[1] < 0.3 * errors[0] and errors[2] < 0.4 * errors[1] and errors[2] < 1e-3


@pytest.mark.parametrize("quantum", [3e-2, 1e-3])
def test_the_rest_state_obeys_the_ultimate_bound(quantum: float) -> None:
    """|v - v*| <= (I - |Xi|'F|Xi|G)^-1 (|Xi|' delta_f + |Xi|'F|Xi| delta_g), rho < 1."""
    xi = XI / 3
    net = am.dense_am(xi, visible=am.Tanh(), hidden=am.Tanh(1.2), bias_visible=0.3)
    rest = am.simulate(net, np.cos(UNIT), solver=ACCURATE, until=am.Settled(1e-11)).final["visible"]
    traj = am.simulate(net, np.cos(UNIT), solver=am.EventDriven(quantum))
    assert traj.status == "settled"
    absolute, slope = np.abs(xi), 1.2  # of the memories; that of the features is at most 1
    gain = slope * absolute.T @ absolute
    assert np.abs(np.linalg.eigvals(gain)).max() < 1
    heard = quantum * (absolute.T.sum(axis=1) + gain.sum(axis=1))
    bound = np.linalg.solve(np.eye(5) - gain, heard + 1e-6)
    assert (np.abs(traj.final["visible"] - rest) <= bound).all()
    assert np.abs(traj.final["visible"] - rest).max() > 1e-3 * bound.max()  # and is not idle


@pytest.mark.filterwarnings("ignore::amsim.errors.GuaranteeWarning")
@pytest.mark.parametrize("spread", [0.0, 0.2], ids=["one tau", "several"])
@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_units_of_groups_send_exactly_at_their_levels(group: Any, spread: float) -> None:
    quantum, net = 0.02, s1(hidden=group)
    timing = am.Timing(delay=0.3, tau_spread=spread)
    solver = am.EventDriven(quantum, timing, record_events=True)
    sent = am.simulate(net, S1_START, solver=solver, t1=12.0, until=None).events
    hidden = sent[sent.layer == "hidden"]
    assert len(hidden) > 50
    times = np.unique(np.concatenate([hidden.time, np.linspace(0.01, 12.0, 400)]))
    traj = am.simulate(net, S1_START, solver=solver, times=times, until=None)
    share = group.activation(traj["hidden"])
    for event in hidden:
        value = share[np.searchsorted(times, event.time), event.unit]
        assert abs(value - event.value) < (1e-8 if spread else 1e-10)
    for unit in range(4):
        said, own = np.full(len(times), share[0, unit] * 0 + 0.25), hidden[hidden.unit == unit]
        for time, value in zip(own.time, own.value):
            said[times >= time] = value
        assert np.abs(share[:, unit] - said).max() <= quantum * (1 + 1e-9) + 1e-8 * (spread > 0)


@pytest.mark.parametrize("group", GROUPS[1:], ids=repr)
def test_entmax_memories_approach_the_ode_with_the_quantum(group: Any) -> None:
    net, times = s1(hidden=group), np.linspace(0.0, 6.0, 25)
    ode = am.simulate(net, S1_START, times=times, until=None, solver=ACCURATE)
    errors = []
    for quantum in (1e-3, 1e-4):
        solver = am.EventDriven(quantum, announce="ahead")
        traj = am.simulate(net, S1_START, times=times, until=None, solver=solver)
        errors.append(max(float(np.abs(traj[n] - ode[n]).max()) for n in net.layers))
    assert errors[0] < 0.05 and errors[1] < 0.2 * errors[0]


def test_entmax_has_no_sum_for_a_normaliser() -> None:
    with pytest.raises(ValueError, match=r"'hidden' is Entmax, which has a threshold and no sum"):
        am.simulate(s1(hidden=am.Entmax()), S1_START, solver=am.EventDriven(normaliser="neuron"))


# With delays: theory


def growth_rate(t: Any, x: Any) -> float:
    return float(np.polyfit(t, np.log(np.abs(x)), 1)[0])


@pytest.mark.parametrize(("delay", "tau_h"), [(0.0, 0.1), (0.5, 0.1), (2.0, 1.0)])
def test_the_rate_of_approach_under_uniform_delay(delay: float, tau_h: float) -> None:
    """The rightmost root is real: (1 - l tau_v)(1 - l tau_h) e^(-l D) = sigma, D = 2 delay."""
    sigma = 0.6
    net = am.dense_am(
        [[math.sqrt(sigma)]], visible=am.Identity(), hidden=am.Identity(), tau_hidden=tau_h
    )
    rate = brentq(
        lambda s: (1 - s) * (1 - s * tau_h) * math.exp(-2 * s * delay) - sigma,
        0.0,
        min(1.0, 1 / tau_h),
    )
    times = np.linspace(6.0, 6.0 + 3 / rate, 60)
    solver = am.EventDriven(1e-5, am.Timing(delay=delay), announce="ahead")
    traj = am.simulate(net, [1.0], times=times, until=None, solver=solver)
    assert growth_rate(times, traj["visible"][:, 0]) == pytest.approx(-rate, rel=0.01)


def amplitude_grows(net: am.Network, start: Any, delay: float, period: float) -> bool:
    """Whether late swings are larger than early ones; quanta are small against both."""
    early, late = 6 * period + np.linspace(0, 2 * period, 80), 16 * period
    times = np.concatenate([early, late + early - early[0]])
    solver = am.EventDriven(1e-3, am.Timing(delay=delay), announce="ahead")
    traj = am.simulate(net, start, times=times, until=None, solver=solver)
    swing = np.abs(traj["v"][:, 0])
    return bool(swing[80:].max() > swing[:80].max())


def critical_delay(net: am.Network, start: Any, guess: float, period: float) -> float:
    low, high = 0.9 * guess, 1.1 * guess
    assert not amplitude_grows(net, start, low, period)
    assert amplitude_grows(net, start, high, period)
    for _ in range(6):
        middle = (low + high) / 2
        if amplitude_grows(net, start, middle, period):
            high = middle
        else:
            low = middle
    return (low + high) / 2


def test_the_delay_at_which_negative_feedback_oscillates() -> None:
    """Marcus & Westervelt 1989: d_c = arccos(-1/b) / sqrt(b^2 - 1)."""
    b = 2.0
    net = am.Network(
        {"v": am.Layer(1, am.Identity())}, [am.Dense([[-b]], between=("v", "v"), name="w")]
    )
    exact = math.acos(-1 / b) / math.sqrt(b * b - 1)
    found = critical_delay(net, [1.0], exact, 2 * math.pi / math.sqrt(b * b - 1))
    assert found == pytest.approx(exact, rel=0.01)


def test_per_link_delays_make_a_frustrated_network_oscillate() -> None:
    """Xi = a [[1, 1], [1, -1]]: sigma = 2 a^2 < 1, rho = 4 a^2 > 1."""
    a = 0.62
    net = am.dense_am(
        a * np.array([[1.0, 1.0], [1.0, -1.0]]),
        visible=am.Tanh(),
        hidden=am.Tanh(),
        tau_hidden=1.0,
    )
    slow = np.array([[0.0, 0.0], [0.0, 20.0]])
    links = am.Timing(
        delay={("hidden", "visible"): slow, ("visible", "hidden"): slow}, scope="link"
    )
    times = np.linspace(1500.0, 1700.0, 100)

    def swing(timing: am.Timing) -> float:
        solver = am.EventDriven(2e-3, timing)
        traj = am.simulate(net, [0.5, -0.4], times=times, until=None, solver=solver)
        return float(np.abs(traj["visible"]).max())

    assert swing(links) > 0.1
    assert swing(am.Timing(delay={"visible": [0.0, 20.0], "hidden": [0.0, 20.0]})) < 0.02
    assert swing(am.Timing(delay=20.0)) < 0.02


def test_losses_leave_an_offset_that_a_heartbeat_removes() -> None:
    cue, quantum = np.cos(UNIT), 1e-3
    exact = am.simulate(s1(), cue, solver=ACCURATE).final["visible"]

    def offset(**timing: Any) -> float:
        solver = am.EventDriven(quantum, am.Timing(scope="link", drop=0.8, **timing))
        traj = am.simulate(s1(), cue, solver=solver, t1=120.0, until=None, seed=3)
        return float(np.abs(traj.final["visible"] - exact).max())

    assert offset() > 5 * quantum
    assert offset(heartbeat=5.0) < 2 * quantum


@pytest.mark.parametrize(("factor", "stable"), [(0.7, True), (1.15, False)])
def test_a_lagging_normaliser_destabilises_beyond_its_threshold(
    factor: float, stable: bool
) -> None:
    """tau_z < (4 - k + sqrt(k^2 + 8 k)) / (4 (k - 1)) with k = beta |xi|^2 and p near 1."""
    k = 4.0
    threshold = (4 - k + math.sqrt(k * k + 8 * k)) / (4 * (k - 1))
    net = am.dense_am(
        2.0 * np.eye(2), hidden=am.Softmax(1.0), tau_hidden=1.0, bias_hidden=[0.0, -30.0]
    )
    solver = am.EventDriven(
        1e-3,
        normaliser="neuron",
        normaliser_tau=factor * threshold,
        announce="ahead",
        max_events=100_000,
    )
    traj = am.simulate(net, [2.02, 0.0], times=np.linspace(0, 40, 81), until=None, solver=solver)
    late = np.abs(traj["visible"][-20:, 0] - 2.0).max()
    assert late < 0.01 if stable else late > 0.1


def test_a_normaliser_neuron_that_is_fast_gives_softmax() -> None:
    times = [1.0, 3.0, 8.0]
    exact = am.simulate(s1(), S1_START, times=times, until=None, solver=ACCURATE)
    solver = am.EventDriven(1e-4, normaliser="neuron", normaliser_tau=1e-3)
    traj = am.simulate(s1(), S1_START, times=times, until=None, solver=solver)
    assert np.abs(traj["visible"] - exact["visible"]).max() < 2e-3
    assert int(traj.stats["messages"]["hidden normaliser"]) > 100


def test_the_delay_at_which_antisymmetric_layers_oscillate(monkeypatch: pytest.MonkeyPatch) -> None:
    """D_c = (pi - 2 atan sqrt(kappa - 1)) / sqrt(kappa - 1), D = 2 delay around the loop."""
    kappa = 2.0

    def antisymmetric(*arguments: Any) -> Layout:
        layout = lay_out(*arguments)
        layout.weights[0] *= -1  # from "w" to "v"; no energy has such a pair of forces
        return layout

    monkeypatch.setattr(engine_run, "lay_out", antisymmetric)
    net = am.Network(
        {"v": am.Layer(1, am.Identity()), "w": am.Layer(1, am.Identity())},
        [am.Dense([[math.sqrt(kappa)]], between=("w", "v"))],
    )
    exact = (math.pi - 2 * math.atan(math.sqrt(kappa - 1))) / math.sqrt(kappa - 1) / 2
    found = critical_delay(net, {"v": [1.0], "w": [0.0]}, exact, 2 * math.pi)
    assert found == pytest.approx(exact, rel=0.01)
