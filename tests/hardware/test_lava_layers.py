"""Networks of any layers in Lava compute the integers of the emulator."""

from __future__ import annotations

import multiprocessing
from typing import Any

import numpy as np
import pytest

import amsim as am
import hardware as hw
from hardware import random_plans
from hardware.graphs import turns
from hardware.graphs.plan import KINDS
from hardware.lava import LavaError

pytestmark = pytest.mark.timeout(120)
BACKENDS = ("lava", "lava-fused")
RNG = np.random.default_rng(0)
LAYERS = {
    "visible": am.Layer(6, am.Tanh(0.8)),
    "parts": am.Layer(5, am.Softmax(2.0), tau=0.5),
    "more": am.Layer(3, am.Sigmoid(2.0), tau=0.7),
    "top": am.Layer(3, am.Softmax(2.0), tau=0.0),
    "powers": am.Layer(2, am.RectifiedPower(3), tau=0.3),
    "signs": am.Layer(2, am.Sign()),
    "line": am.Layer(2, am.Identity(), tau=0.2),
}
DENSE = [("parts", "visible"), ("more", "visible"), ("top", "parts"), ("more", "more")]
DIRECTED = [("visible", "powers"), ("visible", "signs"), ("powers", "top"), ("signs", "line")]


def weights(target: str, source: str) -> Any:
    """Random ones; symmetric within a layer."""
    found = 0.5 * RNG.standard_normal((LAYERS[target].size, LAYERS[source].size))
    return found + found.T if target == source else found


# Every kind of unit, in a star, a chain, a loop and a line of one-way weights.
NETWORK = am.Network(
    LAYERS,
    [am.Dense(weights(*pair), between=pair) for pair in DENSE]
    + [am.Directed(weights(b, a), source=a, target=b) for a, b in DIRECTED],
)


def assert_same(plan: hw.GraphPlan, seed: int, steps: int, backend: str) -> None:
    rng = np.random.default_rng(seed)
    clamp = {name: rng.random((2, units.size)) < 0.2 for name, units in plan.layers.items()}
    names = turns.signals(plan)
    one, other = (
        hw.run(
            plan,
            random_plans.graph_cues(np.random.default_rng(seed), plan, 2),
            steps=steps,
            clamp=clamp,
            inputs=random_plans.jumping_inputs(np.random.default_rng(seed), plan, 2),
            record=names,
            backend=each,
        )
        for each in ("emulator", backend)
    )
    for name in names:
        np.testing.assert_array_equal(one.states(name), other.states(name), err_msg=name)
    for name in one.integers:
        np.testing.assert_array_equal(one.integers[name], other.integers[name], err_msg=name)
    for kind in one.messages:
        np.testing.assert_array_equal(one.messages[kind], other.messages[kind], err_msg=kind)
    np.testing.assert_array_equal(one.settled, other.settled)
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_signal_of_every_step(backend: str) -> None:
    """`benchmarks/graphs.py --backends emulator lava lava-fused` compares random networks."""
    plan = hw.compile(NETWORK, input_limits={"visible": 0.1})
    assert {units.kind for units in plan.layers.values()} == set(KINDS)
    assert_same(plan, 0, 8 * plan.period + 2, backend)


@pytest.mark.parametrize(
    ("kind", "backend"), [("tanh", "lava"), ("softmax", "lava"), ("softmax", "lava-fused")]
)
def test_a_run_ends_where_nothing_moves(
    kind: str, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the states and counts of all steps, in the middle of a period; inputs jump before."""
    asked = []
    run = hw.lava.Session.run
    monkeypatch.setattr(hw.lava.Session, "run", lambda self, n: asked.append(n) or run(self, n))
    net = {
        "tanh": am.Network(
            {"x": am.Layer(2, am.Tanh(0.7))}, [am.Dense([[0, 0.5], [0.5, 0]], between=("x", "x"))]
        ),
        "softmax": am.models.hierarchical_memory(
            [np.eye(2), np.eye(2)], [am.Tanh(), am.Softmax(2.0), am.Tanh()], tau=[0.1, 0.1, 0.1]
        ),
    }[kind]
    (first, *_) = net.layers
    plan = hw.compile(net, dt=0.5, input_limits={first: 0.1})
    given = {
        "steps": 3001 * plan.period - plan.period // 2,
        "inputs": am.PiecewiseConstant([0.0, 10.0], [[0.1, 0.0], [0.0, 0.1]]),
    }
    cues = np.array([[0.4, -0.3], [0.2, 0.1]])
    one, other = (hw.run(plan, cues, backend=each, **given) for each in ("emulator", backend))
    assert one.status == "settled"
    np.testing.assert_array_equal(one.settled, other.settled)
    for name, state in one.integers.items():
        np.testing.assert_array_equal(other.integers[name], state, err_msg=name)
    for name, count in one.messages.items():
        np.testing.assert_array_equal(other.messages[name], count, err_msg=name)
    assert sum(asked) * (plan.period if "fused" in backend else 1) < 200 * plan.period


@pytest.mark.parametrize("backend", BACKENDS)
def test_spikes_and_graded_input_at_the_ports_of_layers(backend: str) -> None:
    """In any step, to the bits of the emulator; a state that is set beyond its bounds ends it."""
    hw.lava.require_lava()
    from lava.proc.dense.process import Dense
    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.io.source import RingBuffer as Source
    from lava.proc.lif.process import LIF

    net = am.models.hierarchical_memory(
        [np.eye(2) / 2, [[1.0, 0.5]]], [am.Tanh(), am.Tanh(), am.Softmax(2.0)], tau=[1.0, 1.0, 0.5]
    )
    plan = hw.compile(net, input_limits=dict.fromkeys(net.layers, 20.0))
    periods = 7
    length = periods * (1 if backend == "lava-fused" else plan.period)
    stride = periods * plan.period // length
    graph = hw.lava.build(plan, [0.5, -0.2], steps=periods * plan.period)
    graded = np.random.default_rng(0).integers(-9000, 9000, (2, length))
    graded[:, -plan.period // stride :] = 0
    neurons = LIF(shape=(3,), bias_mant=[40, 55, 90], vth=2, du=4095, dv=0)
    synapses = Dense(weights=np.array([[100, 50, -100], [2, 4, 6]]), weight_exp=6)
    source = Source(data=graded)
    heard, sent = Sink(shape=(2,), buffer=length), Sink(shape=(2,), buffer=length)
    source.s_out.connect(graph.visible_in)
    neurons.s_out.connect(synapses.s_in)
    synapses.a_out.connect(graph.hidden1_in)
    synapses.a_out.connect(heard.a_in)
    graph.hidden1_out.connect(sent.a_in)
    states = {}
    with hw.lava.Session(graph, hw.lava.config(backend)) as session:
        session.run(length)
        for name in plan.layers:
            states[name] = getattr(graph, f"{name}_x").get()
        of_neurons, of_hidden1 = heard.data.get().astype(int), sent.data.get()
        graph.hidden1_x.set(np.full(2, 1 << 24))
        with pytest.raises(LavaError, match=rf"x of hidden1 left its bounds in step {length + 1}"):
            session.run(1)
    assert multiprocessing.active_children() == []
    assert np.count_nonzero(of_neurons) > length / 2
    arriving = np.zeros((2, periods * plan.period, 2), int)
    arriving[:, ::stride] = graded.T, of_neurons.T
    last = (periods - 1) * plan.period + plan.begins["hidden1"]
    given = {
        "visible": hw.Events.from_integers(plan, arriving[0], "visible"),
        # What comes after its last turn does not count.
        "hidden1": hw.Events.from_integers(plan, arriving[1, : last + 1], "hidden1"),
    }
    steps = periods * plan.period
    expected = hw.run(plan, [0.5, -0.2], inputs=given, steps=steps, record="hidden1_out")
    for name, state in states.items():
        np.testing.assert_array_equal(state, expected.integers[name], err_msg=name)
    rows = expected.states("hidden1_out").reshape(length, -1, 2).sum(axis=1)
    np.testing.assert_array_equal(of_hidden1.T, rows)
    assert np.count_nonzero(rows) > periods / 2
    alone = hw.run(plan, [0.5, -0.2], inputs={"visible": given["visible"]}, steps=steps)
    assert (alone.integers["hidden1"] != states["hidden1"]).all()


def test_groups_of_cues_are_for_two_layers() -> None:
    plan = hw.compile(NETWORK)
    with pytest.raises(ValueError, match="leave it out, and all cues of a GraphPlan"):
        hw.lava.build(plan, np.zeros((2, 6)), batch=1)
    with pytest.raises(hw.BackendUnavailable, match="'lava' and 'lava-fused'"):
        hw.run(plan, np.zeros(6), backend="lava-float")


def test_parts_that_are_not_connected() -> None:
    """Two pairs and a layer of its own, which Lava would leave out."""
    layers = {name: am.Layer(2, am.Tanh(), bias=0.1) for name in "abcde"}
    pairs = [am.Dense(weights("line", "line"), between=pair) for pair in (("b", "a"), ("d", "c"))]
    limits = {"a": 1.0, "c": 1.0, "e": 1.0}
    plan = hw.compile(am.Network(layers, pairs), cue_limit=limits)
    cues = {"a": [0.3, 0.1], "c": [0.2, -0.3], "e": [0.5, 0.1]}
    one, other = (
        hw.run(plan, cues, steps=6 * plan.period, backend=each) for each in ("emulator", "lava")
    )
    for name, state in one.integers.items():
        assert state.all()
        np.testing.assert_array_equal(other.integers[name], state, err_msg=name)
    for kind, count in one.messages.items():
        np.testing.assert_array_equal(other.messages[kind], count, err_msg=kind)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", ["two layers", "any layers"])
def test_what_several_processes_send_to_a_port_adds_up_beyond_int32(
    kind: str, backend: str
) -> None:
    hw.lava.require_lava()
    from lava.proc.io.source import RingBuffer as Source

    net = am.dense_am(np.eye(2))
    if kind == "any layers":
        net = am.models.hierarchical_memory([np.eye(2)], [am.Tanh(), am.Tanh()])
    plan = hw.compile(net, input_limits=dict.fromkeys(net.layers, 0.1))
    process = hw.lava.build(plan, np.zeros(2))
    port = process.a_in if kind == "two layers" else process.visible_in
    for _ in range(2):
        Source(data=np.full((2, 3), 2**31 - 1)).s_out.connect(port)
    with (
        pytest.raises(LavaError, match=f"driven input of {2**32 - 2} in step 1 is beyond"),
        hw.lava.Session(process, hw.lava.config(backend)) as session,
    ):
        session.run(2)
