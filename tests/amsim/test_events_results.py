"""What an event-driven run returns, and how it ends; another simulator on the same network."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats

import amsim as am
from amsim.dynamics.events import distance_bound
from amsim.dynamics.events import run as engine_run

XI = np.sin(np.arange(1, 13)).reshape(3, 4)
CUE = np.array([0.5, -0.2, 0.9, 0.1])


def network(**options: Any) -> am.Network:
    return am.dense_am(
        XI, visible=am.Tanh(), hidden=am.Tanh(1.5), bias_visible=[0.3, -0.2, 0.1, 0.0], **options
    )


def test_recorded_states_are_exact_between_events() -> None:
    """A grid of times does not change the run, and every state lies on its exponential."""
    fine, coarse = np.linspace(0, 3, 301), [0.0, 1.5, 3.0]
    solver = am.EventDriven(0.05, am.Timing(delay=0.1), record_events=True)
    every = am.simulate(network(), CUE, solver=solver, times=fine, until=None)
    some = am.simulate(network(), CUE, solver=solver, times=coarse, until=None)
    assert (every.events == some.events).all()
    for name in ("visible", "hidden"):
        np.testing.assert_allclose(every[name][[0, 150, 300]], some[name], rtol=0, atol=1e-14)
    # Visible units hear only from the hidden ones: in between, x - target decays.
    changes = np.sort(every.events.time[every.events.layer == "hidden"]) + 0.1
    for a in range(0, 296):
        if not ((changes > fine[a]) & (changes < fine[a + 4])).any():
            x0, x1, x2 = every["visible"][[a, a + 2, a + 4]]
            decay = math.exp(fine[a] - fine[a + 2])
            np.testing.assert_allclose(x2 - x1, decay * (x1 - x0), atol=1e-12)


def test_times_statuses_and_stats_have_the_shape_of_what_happened() -> None:
    cues = np.stack([CUE, -CUE, 0.1 * CUE]).reshape(3, 1, 4)
    traj = am.simulate(network(), cues, solver=am.EventDriven(0.01, record_events=True))
    assert traj.status == "settled"
    assert traj.times[-1] == traj.settle_times.max()
    assert traj["visible"].shape == (len(traj.times), 3, 1, 4)
    assert traj.stats["messages"]["hidden"].shape == (3, 1)
    total = sum(int(traj.stats["messages"][name].sum()) for name in ("visible", "hidden"))
    assert total == len(traj.events)
    by_hand = np.where(traj.events.layer == "visible", 3, 4).sum()
    assert traj.stats["synaptic_operations"].sum() == by_hand
    for cue in range(3):
        last = traj.events.time[traj.events.cue == cue].max()
        assert traj.stats["last_message"][cue, 0] == last
    residual = network().force(traj.final)
    assert np.abs(residual["visible"]).max() < 4 * 0.01 * np.abs(XI).sum()


def test_clamped_units_stay_and_do_not_send() -> None:
    clamp = [True, False, False, True]
    solver = am.EventDriven(0.01, am.Timing(delay=0.1, heartbeat=0.5), record_events=True)
    traj = am.simulate(network(), CUE, solver=solver, clamp=clamp, t1=6.0, until=None)
    assert (traj["visible"][:, [0, 3]] == CUE[[0, 3]]).all()
    sent = traj.events[traj.events.layer == "visible"]
    assert set(sent.unit.tolist()) == {1, 2}
    exact = am.simulate(network(), CUE, clamp=clamp, until=am.Settled(1e-9)).final
    assert np.abs(traj.final["visible"] - exact["visible"]).max() < 0.02


@pytest.mark.filterwarnings("ignore:clamp splits a group")
@pytest.mark.parametrize("normaliser", ["exact", "neuron"])
def test_clamped_softmax_units(normaliser: Any) -> None:
    net = am.dense_am(XI, hidden=am.Softmax(1.0))
    clamp = {"hidden": [1]}
    solver = am.EventDriven(1e-3, normaliser=normaliser)
    traj = am.simulate(net, CUE, solver=solver, clamp=clamp)
    exact = am.simulate(net, CUE, clamp=clamp, until=am.Settled(1e-9)).final
    assert traj.final["hidden"][1] == exact["hidden"][1]
    assert np.abs(traj.final["visible"] - exact["visible"]).max() < 6e-3


def test_inputs_are_added_to_the_bias() -> None:
    drive = {"visible": np.array([0.5, 0.0, -0.5, 0.2])}
    traj = am.simulate(network(), CUE, inputs=drive, solver=am.EventDriven(1e-3))
    exact = am.simulate(network(), CUE, inputs=drive)
    assert np.abs(traj.final["visible"] - exact.final["visible"]).max() < 5e-3


def test_layers_of_copies_share_their_weights() -> None:
    net = am.Network(
        {"x": am.Layer((2, 4), am.Tanh()), "y": am.Layer((2, 3), am.Softmax(2.0), tau=0.3)},
        [am.Dense(XI, between=("y", "x"))],
    )
    start = {"x": np.stack([CUE, -CUE]), "y": np.zeros((2, 3))}
    solver = am.EventDriven(1e-2, am.Timing(delay=0.05))
    both = am.simulate(net, start, solver=solver, times=[2.0], until=None)
    single = am.Network(
        {"x": am.Layer(4, am.Tanh()), "y": am.Layer(3, am.Softmax(2.0), tau=0.3)},
        [am.Dense(XI, between=("y", "x"))],
    )
    for copy in range(2):
        alone = am.simulate(
            single, {n: x[copy] for n, x in start.items()}, solver=solver, times=[2.0], until=None
        )
        np.testing.assert_allclose(both["x"][0, copy], alone["x"][0], atol=1e-12)


def test_a_layer_on_itself() -> None:
    weights = np.array([[0.0, 0.8, -0.3], [0.8, 0.0, 0.4], [-0.3, 0.4, 0.0]])
    net = am.Network(
        {"x": am.Layer(3, am.Tanh(2.0), bias=0.1)}, [am.Dense(weights, ("x", "x"), "w")]
    )
    times = [0.5, 2.0]
    exact = am.simulate(net, [0.3, -0.2, 0.1], times=times, until=None)
    traj = am.simulate(net, [0.3, -0.2, 0.1], times=times, until=None, solver=am.EventDriven(1e-4))
    assert np.abs(traj["x"] - exact["x"]).max() < 1e-3


# Ends


def test_a_runaway_ends_with_what_was_reached() -> None:
    net = am.Network({"x": am.Layer(1, am.Identity())}, [am.Dense([[2.0]], ("x", "x"), "w")])
    solver = am.EventDriven(1e-3, max_events=5000, record_events=True)
    traj = am.simulate(net, [1.0], solver=solver)
    assert traj.status == "max_events"
    assert "max_events" in traj.message and "larger quantum" in traj.message
    assert len(traj.events) == 5000
    # dx/dt = x, but that the unit hears of itself in steps.
    assert traj.times[-1] == pytest.approx(math.log(6.0), rel=1e-2)
    assert traj.final["x"][0] == pytest.approx(6.0, abs=1e-9)


def test_a_runaway_ends_before_deliveries_on_their_way_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One message by link is as many deliveries as it has receivers."""
    net = am.dense_am(np.ones((50, 50)), visible=am.Identity(), hidden=am.Identity())
    timing = am.Timing(delay=5.0, jitter=0.1, scope="link", arrival="latest")  # not in windows
    solver = am.EventDriven(1e-3, timing, max_events=4000, record_events=True)
    monkeypatch.setattr(engine_run, "ON_THE_WAY", 20_000)
    flooded = am.simulate(net, np.ones(50), solver=solver)
    assert flooded.status == "max_events" and "deliveries on their way" in flooded.message
    # All deliveries were in the queue when it was full, and there was no room for 50 more.
    assert 20_000 - 150 <= 50 * len(flooded.events) <= 20_000
    monkeypatch.setattr(engine_run, "ON_THE_WAY", 1 << 20)
    sent = am.simulate(net, np.ones(50), solver=solver)
    assert len(sent.events) == 4000 and "deliveries on their way" not in sent.message
    assert (sent.events[: len(flooded.events)] == flooded.events).all()


def test_ctrl_c_keeps_what_was_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    original = engine_run.loop.run_events

    def impatient(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 40:
            raise KeyboardInterrupt
        return original(*arguments)

    impatient.signatures = original.signatures  # type: ignore[attr-defined]
    monkeypatch.setattr(engine_run.loop, "run_events", impatient)
    traj = am.simulate(network(), np.stack([CUE, -CUE]), solver=am.EventDriven(0.01))
    assert traj.status == "interrupted"
    assert traj.statuses.tolist() == ["interrupted", "interrupted"]
    assert 0 < traj.times[-1] < 10
    assert np.isfinite(traj.final["visible"]).all()
    assert (traj.final["visible"][1] == -CUE).all()


def test_oscillations_reach_the_time_limit() -> None:
    net = am.Network({"x": am.Layer(1, am.Tanh(4.0))}, [am.Dense([[-1.0]], ("x", "x"), "w")])
    solver = am.EventDriven(0.05, am.Timing(delay=3.0))
    traj = am.simulate(net, [0.5], solver=solver, t1=60.0)
    assert traj.status == "time_limit"
    assert "oscillation" in traj.message


def test_silence_before_the_first_message_is_not_rest() -> None:
    """A network that waits for news looks settled; the rule waits for as long as they travel."""
    net = am.Network(
        {"x": am.Layer(1, am.Identity()), "y": am.Layer(1, am.Identity(), tau=0.01)},
        [am.Dense([[0.5]], ("y", "x"))],
    )
    start = {"x": [1.0], "y": [0.0]}
    traj = am.simulate(net, start, solver=am.EventDriven(1e-4, am.Timing(delay=200.0)), t1=1e5)
    assert traj.status == "settled"
    assert traj.settle_times > 200.0
    assert abs(float(traj.final["x"][0])) < 1e-2


@pytest.mark.parametrize("quantum", [1e-2, 1e-3])
def test_the_distance_of_a_settled_state_is_bounded(quantum: float) -> None:
    net = am.dense_am(XI / 4, visible=am.Tanh(), hidden=am.Tanh(), bias_visible=0.2)
    tolerance = 1e-5
    exact = am.simulate(net, CUE, until=am.Settled(1e-10)).final
    solver = am.EventDriven(quantum, am.Timing(delay=0.3, jitter=0.1))
    traj = am.simulate(net, CUE, solver=solver, until=am.Settled(tolerance))
    bound = distance_bound(net, traj.final, residual=tolerance, register_error=quantum)
    for name in net.layers:
        distance = np.abs(traj.final[name] - exact[name])
        assert (distance <= bound[name]).all()
        assert np.isfinite(bound[name]).all()
        assert bound[name].max() < 60 * quantum


def test_a_softmax_memory_has_a_bound_at_rest() -> None:
    patterns = am.patterns.random(4, 32, seed=0)
    net = am.dense_am(patterns, hidden=am.Softmax(0.5))
    exact = am.simulate(net, patterns[1], until=am.Settled(1e-11)).final
    traj = am.simulate(net, patterns[1], solver=am.EventDriven(1e-3))
    bound = distance_bound(net, traj.final, residual=1e-6, register_error=1e-3)
    for name in net.layers:
        assert (np.abs(traj.final[name] - exact[name]) <= bound[name]).all()
        assert np.isfinite(bound[name]).all()


def test_the_bound_of_sign_units_ends_where_one_may_turn() -> None:
    """v = tanh(h), h = sign(v) rests at tanh(1), or at 0 where nothing decides."""
    net = am.dense_am(np.eye(2), visible=am.Sign(), hidden=am.Tanh(), tau_hidden=1.0)
    until = am.Settled(1e-4, certified=True)
    sure = am.simulate(net, [1.0, -0.5], solver=am.EventDriven(1e-3), until=until)
    assert "1 proven" in sure.message
    bound = distance_bound(net, sure.final, residual=1e-4, register_error=1e-3)["visible"]
    error = np.abs(sure.final["visible"] - np.tanh(1.0) * np.array([1.0, -1.0]))
    assert (error <= bound).all() and (bound < 2e-3).all()
    with pytest.warns(am.GuaranteeWarning, match="no distance to a fixed point is proven"):
        unsure = am.simulate(net, [1.0, 0.0], solver=am.EventDriven(1e-3), until=until)
    wide = distance_bound(net, unsure.final, residual=1e-4, register_error=1e-3)["visible"]
    assert wide[1] > 0.7  # it may still go to tanh(1)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"residual": math.nan}, ValueError, "residual"),
        ({"register_error": -1.0}, ValueError, "register_error"),
        ({"residual": "small"}, TypeError, "residual"),
    ],
)
def test_bounds_of_nothing_are_refused(options: Any, error: Any, words: str) -> None:
    states = am.simulate(network(), CUE, solver=am.EventDriven(0.1), t1=1.0).final
    with pytest.raises(error, match=words):
        distance_bound(network(), states, **options)
    with pytest.raises(ValueError, match="hidden"):
        distance_bound(network(), {"visible": CUE})


def test_there_is_no_bound_where_the_network_does_not_contract() -> None:
    net = am.dense_am(3 * XI, hidden=am.ReLU())
    bound = distance_bound(net, {"visible": np.zeros(4), "hidden": np.zeros(3)})
    assert np.isinf(bound["visible"]).all()


# What is refused


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: am.dense_am(XI, tau_hidden=0), "tau = 0.*small tau"),
        (lambda: am.dense_am(XI, visible=am.LayerNorm()), "LayerNorm.*closed form"),
        (
            lambda: am.Network(
                {"visible": am.Layer(2, am.Tanh()), "y": am.Layer(2, am.Tanh())},
                [am.MultiBody(np.ones((2, 2)), ("visible", "y"))],
            ),
            "MultiBody.*Dense",
        ),
        (lambda: am.Network({"visible": am.Layer(2, am.Tanh(), leak=0.0)}, []), "no leak"),
    ],
)
def test_networks_that_events_cannot_run(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        am.simulate(make(), np.zeros(make().layers["visible"].shape), solver=am.EventDriven())


def test_other_input_that_is_refused() -> None:
    with pytest.raises(ValueError, match="depends on time"):
        am.simulate(network(), CUE, inputs=lambda t: [t] * 4, solver=am.EventDriven())
    for options in ({"quantum": 0.0}, {"max_events": 0}, {"announce": "x"}, {"normaliser": "y"}):
        with pytest.raises(ValueError, match=next(iter(options))):
            am.EventDriven(**options)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="max_events must be a whole number"):
        am.EventDriven(max_events=True)
    with pytest.raises(TypeError, match="record_events must be True or False, got 'yes'"):
        am.EventDriven(record_events="yes")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="freeze"):
        am.Timing(delay=scipy.stats.uniform)
    with pytest.raises(ValueError, match="says nothing of layer 'hidden'"):
        am.simulate(network(), CUE, solver=am.EventDriven({"visible": 0.1}))
    with pytest.raises(ValueError, match="seed"):
        am.simulate(network(), CUE, solver=am.EventDriven(), seed=-1)
    solver = am.EventDriven(0.1, am.Timing(tau_spread=0.1))
    with pytest.warns(am.GuaranteeWarning, match="unequal tau"):
        am.simulate(am.dense_am(XI), CUE, solver=solver, t1=1.0)


def test_quanta_by_layer() -> None:
    solver = am.EventDriven({"visible": 0.1, "hidden": 0.003}, record_events=True)
    sent = am.simulate(network(), CUE, solver=solver, t1=5.0, until=None).events
    for name, quantum in (("visible", 0.1), ("hidden", 0.003)):
        for unit in range(3):
            own = sent.value[(sent.layer == name) & (sent.unit == unit)]
            np.testing.assert_allclose(np.abs(np.diff(own)), quantum, rtol=1e-6)


def test_files_keep_messages_and_counts(tmp_path: Path) -> None:
    solver = am.EventDriven(0.05, am.Timing(delay=0.1), record_events=True)
    traj = am.simulate(network(), np.stack([CUE, -CUE]), solver=solver)
    loaded = am.Trajectory.load(traj.save(tmp_path / "events.npz"))
    assert (loaded.events == traj.events).all()
    assert loaded.events.layer[0] == traj.events.layer[0]
    assert (loaded.stats["messages"]["hidden"] == traj.stats["messages"]["hidden"]).all()
    assert loaded.status == traj.status


def test_the_raster_shows_every_message() -> None:
    solver = am.EventDriven(0.05, record_events=True)
    traj = am.simulate(network(), np.stack([CUE, -CUE]), solver=solver, t1=4.0)
    axes = traj.plot_raster(cue=1).axes[0]
    drawn = sum(len(points.get_offsets()) for points in axes.collections)
    assert drawn == (traj.events.cue == 1).sum()
    silent = am.simulate(network(), CUE, solver=am.EventDriven(0.05), t1=4.0)
    with pytest.raises(ValueError, match="record_events=True"):
        silent.plot_raster()


# Another simulator


def test_brian2_finds_the_same_messages_and_states() -> None:
    """Send-on-delta as two events per unit, a quantum up and a quantum down, on a grid of dt."""
    brian2 = pytest.importorskip("brian2", reason="Brian2 does not install everywhere")
    quantum, delay, dt, t1 = 0.05, 0.2, 1e-3, 1.5
    solver = am.EventDriven(quantum, am.Timing(delay=delay), record_events=True)
    traj = am.simulate(network(), CUE, solver=solver, times=[0.0, t1], until=None)

    brian2.prefs.codegen.target = "numpy"
    second, groups, monitors = brian2.second, {}, {}
    for name, beta, tau in (("visible", 1.0, 1.0), ("hidden", 1.5, 0.1)):
        group = brian2.NeuronGroup(
            len(traj[name][0]),
            f"""dx/dt = (target - x) / ({tau} * second) : 1
            target : 1
            said : 1""",
            events={
                "rise": f"tanh({beta} * x) >= said + {quantum}",
                "fall": f"tanh({beta} * x) <= said - {quantum}",
            },
            method="exact",
            dt=dt * second,
        )
        group.run_on_event("rise", f"said += {quantum}")
        group.run_on_event("fall", f"said -= {quantum}")
        group.x = traj[name][0]
        group.said = np.tanh(beta * traj[name][0])
        groups[name] = group
        monitors[name] = [brian2.EventMonitor(group, event) for event in ("rise", "fall")]
    groups["visible"].target = [0.3, -0.2, 0.1, 0.0] + XI.T @ np.asarray(groups["hidden"].said)
    groups["hidden"].target = XI @ np.asarray(groups["visible"].said)
    links = []
    for source, target, weights in (("visible", "hidden", XI.T), ("hidden", "visible", XI)):
        link = brian2.Synapses(
            groups[source],
            groups[target],
            "w : 1",
            on_pre={
                "rise": f"target_post += w * {quantum}",
                "fall": f"target_post -= w * {quantum}",
            },
            on_event={"rise": "rise", "fall": "fall"},
            delay={"rise": delay * second, "fall": delay * second},
            dt=dt * second,
        )
        link.connect()
        link.w = weights.ravel()
        links.append(link)
    every = [monitor for pair in monitors.values() for monitor in pair]
    brian2.Network(*groups.values(), *links, *every).run(t1 * second)

    for name, group in groups.items():
        assert np.abs(np.asarray(group.x) - traj[name][-1]).max() < 20 * dt
        theirs = np.sort(np.concatenate([np.asarray(m.t / second) for m in monitors[name]]))
        ours = np.sort(traj.events.time[traj.events.layer == name])
        assert len(ours) > 10 and abs(len(ours) - len(theirs)) <= 1
        both = min(len(ours), len(theirs))
        assert np.abs(ours[:both] - theirs[:both]).max() < 20 * dt
