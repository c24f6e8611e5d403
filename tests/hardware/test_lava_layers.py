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
from hardware.graphs.job import prepare
from hardware.lava import LavaError

pytestmark = pytest.mark.timeout(120)
BACKENDS = ("lava", "lava-fused")
RNG = np.random.default_rng(0)
NETWORKS = {
    "transformer": am.models.analog_transformer(
        am.patterns.random(3, 8, seed=0) / 4, 0.2 * RNG.standard_normal((4, 8)), beta=8.0
    ),
    "chain": am.models.hierarchical_memory(
        [0.5 * RNG.standard_normal((5, 6)), 0.5 * RNG.standard_normal((3, 5))],
        [am.Tanh(0.8), am.Softmax(2.0), am.Softmax(2.0)],
        tau=[1.0, 0.5, 0.0],
    ),
    "directed": am.models.sequence_memory(am.patterns.random(3, 8, seed=1)),
}


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
@pytest.mark.parametrize("name", NETWORKS)
def test_every_signal_of_every_step(name: str, backend: str) -> None:
    plan = hw.compile(NETWORKS[name], input_limits={"visible": 0.1})
    assert_same(plan, 0, 20 * plan.period + 2, backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_random_graphs(backend: str) -> None:
    """`benchmarks/graphs.py --backends emulator lava lava-fused` compares 500."""
    compared = seed = 0
    while compared < 4:
        seed, rng = seed + 1, np.random.default_rng(seed)
        try:
            plan = random_plans.graph_plan(rng, random_plans.graph(rng))
        except hw.RangeError:
            continue
        if plan.period < 40:
            assert_same(plan, seed, 3 * plan.period + 1, backend)
            compared += 1


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", ["tanh", "softmax"])
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


def test_a_state_beyond_its_bounds_ends_the_graph_with_its_name() -> None:
    plan = hw.compile(NETWORKS["transformer"])
    job, _ = prepare(plan, np.zeros((1, 8)), steps=20)
    start: dict[str, Any] = job.start | {"memories.x": job.start["memories.x"] + (1 << 24)}
    wild = type(job)(start=start, inputs=job.inputs, steps=job.steps)
    with pytest.raises(LavaError, match="x of memories left its bounds in step 1"):
        hw.lava.run_graph(plan, wild, backend="lava")
    assert multiprocessing.active_children() == []


def test_what_takes_two_layers_says_so() -> None:
    plan = hw.compile(NETWORKS["transformer"])
    with pytest.raises(hw.MappingError, match=r"hardware\.lava\.build takes plans of features"):
        hw.lava.build(plan, np.zeros(8))
    with pytest.raises(hw.BackendUnavailable, match="'lava' and 'lava-fused'"):
        hw.run(plan, np.zeros(8), backend="lava-float")
