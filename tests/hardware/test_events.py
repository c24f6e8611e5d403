"""Events that arrive in any step: none is lost, whatever sends them, and what fits is proven."""

from __future__ import annotations

import importlib.util
import multiprocessing
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import amsim as am
import hardware as hw

ROOT = Path(__file__).parents[2]
RECORDING = ROOT / "docs" / "retina.npz"


def retina() -> ModuleType:
    """benchmarks/retina.py."""
    spec = importlib.util.spec_from_file_location("retina", ROOT / "benchmarks" / "retina.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def two_layers(limit: float = 20.0) -> hw.Plan:
    """One memory of four features: p is 1, and v relaxes to the memory."""
    net = am.dense_am([[0.5, -0.5, 0.5, 0.5]], hidden=am.Softmax(1.0))
    limits = {"visible": limit, "hidden": limit}
    plan = hw.compile(net, input_limits=limits)
    assert isinstance(plan, hw.Plan)
    return plan


def chain(limit: float = 20.0) -> hw.GraphPlan:
    """The last of its layers has its turn in the middle of a period."""
    net = am.models.hierarchical_memory(
        [np.eye(2) / 2, [[1.0, 0.5]]], [am.Tanh(), am.Tanh(), am.Softmax(2.0)], tau=[1.0, 1.0, 0.5]
    )
    plan = hw.compile(net, input_limits=dict.fromkeys(net.layers, limit))
    assert isinstance(plan, hw.GraphPlan)
    return plan


PLANS: Mapping[str, Any] = {"two layers": two_layers(), "chain": chain()}


def test_an_event_moves_a_unit_by_its_charge_over_tau() -> None:
    """Events of a leak, in closed form; each counts within one period of its time."""
    plan, rng = PLANS["two layers"], np.random.default_rng(0)
    times, units = rng.uniform(0, 3, 40), rng.integers(0, 4, 40)
    values = rng.uniform(-0.2, 0.2, 40)
    events = hw.Events(times, units, values)
    periods = 100
    end = (periods - 1) * plan.dt  # the first period holds the states
    found = hw.run(plan, np.zeros(4), inputs=events, steps=periods * plan.period).final["visible"]
    rest = np.array([0.5, -0.5, 0.5, 0.5]) * -np.expm1(-end)
    exact, counted = rest.copy(), rest.copy()
    np.add.at(exact, units, values * np.exp(times - end))
    # Spread over the period in which they happen.
    ends = plan.dt * (np.floor(times / plan.dt) + 1)
    spread = values / plan.dt * -np.expm1(-plan.dt)
    np.add.at(counted, units, spread * np.exp(ends - end))
    np.testing.assert_allclose(found, counted, atol=2e-3)
    sizes = np.zeros(4)
    np.add.at(sizes, units, np.abs(values) * np.exp(times - end))
    assert (np.abs(found - exact) <= plan.dt * sizes + 2e-3).all()


@pytest.mark.parametrize("layer", ["visible", "hidden", "hidden1", "hidden2"])
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_what_arrives_between_turns_adds_up(layer: str, seed: int) -> None:
    """By_period against steps that are counted one by one."""
    rng = np.random.default_rng(seed)
    plan = PLANS["two layers" if layer == "hidden" else rng.choice(["two layers", "chain"])]
    plan = PLANS["chain"] if layer not in plan.layers else plan
    size, steps = plan.network.layers[layer].size, 12 * plan.period
    arriving = rng.integers(-9, 10, (steps - plan.period, size)) * (rng.random((1, size)) < 0.7)
    events = hw.Events.from_integers(plan, arriving, layer)
    rows = events.by_period(plan, layer, steps)
    waiting, expected = np.zeros(size, int), np.zeros((14, size), int)
    for step, now in enumerate(arriving):
        waiting = waiting + now
        period, phase = divmod(step, plan.period)
        if phase == plan.begins[layer] and period > 0:
            expected[period], waiting = waiting, 0 * waiting
    expected[len(arriving) // plan.period] += waiting
    np.testing.assert_array_equal(rows, expected[: len(rows)])
    assert not expected[len(rows) :].any()
    assert not rows[-1].any()
    again = events.integers(plan, steps, layer)
    again[1] += again[0]
    arriving[1] += arriving[0]  # nobody has a turn between them
    np.testing.assert_array_equal(again[1 : len(arriving)], arriving[1:])


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_the_largest_input_suffices_and_is_needed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    dt, count = 0.05, int(rng.integers(1, 60))
    times = np.round(rng.uniform(0, 1, count), int(rng.integers(2, 6)))
    values = rng.choice([-1.0, 1.0], count) * rng.uniform(0.1, 1, count)
    events = hw.Events(times, rng.integers(0, 4, count), values)
    largest = events.largest(dt)
    # A window of one period that begins with each event, by brute force.
    sizes = [
        np.abs(values[(events.units == u) & (times >= t) & (times <= t + dt * (1 + 1e-9))]).sum()
        for t, u in zip(times, events.units, strict=True)
    ]
    assert largest == pytest.approx(max(sizes) / dt)
    plan = PLANS["two layers"]
    scale = plan.visible.scale
    rows = np.abs(events.by_period(_with_limit(plan, 1 << 40), "visible", 1000))
    assert rows.max() <= np.ceil(largest * scale)
    # Of a layer whose first turn is late, with what arrives until the second one.
    begins = float(rng.choice([0.3, 1.0]))
    first = times <= dt * (1 + begins)
    at_first = np.bincount(events.units[first], np.abs(values[first]), minlength=1).max()
    assert events.largest(dt, begins) == pytest.approx(max(*sizes, at_first) / dt)


def test_a_late_turn_takes_more_the_first_time() -> None:
    net, dt = PLANS["chain"].network, 0.05

    def made(limit: float) -> hw.GraphPlan:
        plan = hw.compile(net, dt=dt, input_limits={"hidden1": limit})
        assert isinstance(plan, hw.GraphPlan)
        return plan

    tight = made(0.3 / dt)
    begins = tight.begins["hidden1"] / tight.period
    # At the start, and in the last step before the layer has its second turn.
    last = (1 + begins - 0.5 / tight.period) * dt
    events = hw.Events([0.0, last], [0, 0], [0.3, 0.3])
    assert events.largest(dt) == pytest.approx(0.3 / dt)
    with pytest.raises(hw.RangeError, match=r"Events.largest\(dt, 1\) for any layer"):
        events.by_period(tight, "hidden1", 9 * tight.period)
    wide = made(events.largest(dt, begins))
    assert events.by_period(wide, "hidden1", 9 * wide.period).any()


def _with_limit(plan: Any, limit: int) -> Any:
    from dataclasses import replace

    return replace(plan, visible=replace(plan.visible, input_limit=limit))


@pytest.mark.parametrize("name", PLANS)
def test_more_than_the_plan_was_made_for_is_refused(name: str) -> None:
    plan = PLANS[name]
    most = 20 * plan.dt
    cue = np.zeros(plan.network.layers["visible"].size)
    fits = hw.Events([0.3, 0.301], [1, 1], [0.6 * most, -0.4 * most])
    hw.run(plan, cue, inputs=fits, steps=100 * plan.period)
    # The order of arrival is not part of the proof, so that sizes count.
    beyond = hw.Events([0.3, 0.301], [1, 1], [0.6 * most, -0.5 * most])
    remedy = r"events of visible in a period needs .*'visible': 22\}\); Events.largest"
    with pytest.raises(hw.RangeError, match=remedy):
        hw.run(plan, cue, inputs=beyond)
    with pytest.raises(ValueError, match=r"at 2, counts in step \d+, and the run has"):
        hw.run(plan, cue, inputs=hw.Events([2.0], [0], [0.1]), steps=10 * plan.period)
    with pytest.raises(ValueError, match="an event of 1e-09 is lost in the rounding: layer"):
        hw.run(plan, cue, inputs=hw.Events([1.0], [0], [1e-9]))
    with pytest.raises(ValueError, match="an event is of unit 7, layer 'visible' has"):
        hw.run(plan, cue, inputs=hw.Events([1.0], [7], [0.1]))


@pytest.mark.parametrize("count", [2048, 4096])  # 2**63 and 2**64, were each cut to 2**52
def test_sums_beyond_integers_are_refused(count: int) -> None:
    plan = PLANS["two layers"]
    many = hw.Events(np.zeros(count), np.zeros(count, int), np.full(count, 1e12))
    with pytest.raises(hw.RangeError, match=r"events of visible in a period needs \d+ bits"):
        many.by_period(plan, "visible", 100)
    with pytest.raises(hw.RangeError, match=r"events of visible in a step needs \d+ bits, there"):
        many.integers(plan, 100)


def test_times_beyond_any_run_are_refused() -> None:
    late = hw.Events([1e30], [0], [0.1])
    with pytest.raises(ValueError, match=r"at 1e\+30 comes after 2\*\*52 steps"):
        late.integers(PLANS["two layers"], 100)
    with pytest.raises(ValueError, match=r"at 1e\+30 comes after 2\*\*52 steps"):
        late.by_period(PLANS["chain"], "hidden1", 100)


def test_no_events_are_no_input() -> None:
    plan = PLANS["two layers"]
    nothing = hw.Events([], [], [])
    assert nothing.largest(0.1) == 0.0
    steps = 3 * plan.period
    results = (hw.run(plan, np.zeros(4), inputs=x, steps=steps) for x in (nothing, None))
    one, other = (result.integers for result in results)
    np.testing.assert_array_equal(one["visible"], other["visible"])


@pytest.mark.parametrize(
    ("times", "units", "values", "message"),
    [
        ([0.1], [0], [1.0, 2.0], "lists of one length"),
        ([-0.1], [0], [1.0], "times must not be negative"),
        ([np.inf], [0], [1.0], "times must be finite"),
        ([0.1], [-1], [1.0], "units must be whole numbers from 0"),
        ([0.1], [0.5], [1.0], "units must be whole numbers from 0"),
        ([0.1], np.array([2**64 - 1], np.uint64), [1.0], r"units must be below 2\*\*63, got 1844"),
    ],
)
def test_events_that_are_none(times: Any, units: Any, values: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        hw.Events(times, units, values)


# A recording


def test_the_recording_is_what_its_command_writes_and_is_recalled() -> None:
    made = retina()
    with np.load(RECORDING) as file:
        for name, expected in made.record().items():
            np.testing.assert_array_equal(file[name], expected)
    events = hw.Events.read_aer(RECORDING, (8, 8), unit=made.UNIT, charge=made.CHARGE)
    stored = am.patterns.digits(made.DIGITS, seed=0)
    net = am.dense_am(stored, hidden=am.Softmax(beta=0.5))
    plan = hw.compile(net, dt=0.1, input_limits={"visible": events.largest(0.1)})
    for inputs, recalled in ((events, True), (None, False)):
        steps = 50 * plan.period
        final = hw.run(plan, np.zeros(64), inputs=inputs, steps=steps).final["visible"]
        overlaps = am.patterns.overlap(final, stored)
        assert bool(overlaps[made.SHOWN] > 0.99) is recalled


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.array([8])}, "outside of 8 rows and 8 columns"),
        ({"p": np.array([2])}, "p must be 1 for ON"),
        ({"t": np.array([1, 2])}, "different lengths"),
        ({"t": np.array([0.5])}, "'t' is .* not a list of whole numbers"),
        ({"y": None}, "it lacks 'y'"),
    ],
)
def test_damaged_recordings(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    arrays = {name: np.array([1]) for name in "xytp"} | change
    path = tmp_path / "events.npz"
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(ValueError, match=message):
        hw.Events.read_aer(path, (8, 8), unit=0.01, charge=1.0)


# In Lava


@pytest.mark.timeout(120)
@pytest.mark.parametrize("backend", ["lava", "lava-fused"])
def test_a_population_of_spikes_and_a_retina_drive_a_memory_to_the_same_bits(backend: str) -> None:
    """Spikes and graded events reach the port in any step; what arrives is kept by a sink."""
    hw.lava.require_lava()
    from lava.proc.dense.process import Dense
    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.io.source import RingBuffer as Source
    from lava.proc.lif.process import LIF

    made = retina()
    events = hw.Events.read_aer(RECORDING, (8, 8), unit=made.UNIT, charge=made.CHARGE)
    stored = am.patterns.digits(6, seed=0)
    net = am.dense_am(stored, hidden=am.Softmax(beta=0.2))
    plan = hw.compile(net, dt=0.2, input_limits={"visible": 8.0})
    assert isinstance(plan, hw.Plan)
    spiking = np.zeros((64, 3), int)
    spiking[np.arange(64), np.arange(64) % 3] = 100 * stored[2]
    fused = backend == "lava-fused"
    periods = 7
    length = periods if fused else periods * plan.period
    seen = events.integers(plan, periods * plan.period)
    if fused:  # a step of Lava is a period
        seen = seen.reshape(periods, plan.period, 64).sum(axis=1)
    neurons = LIF(shape=(3,), bias_mant=[40, 55, 90], vth=2, du=4095, dv=0)
    synapses, pixels = Dense(weights=spiking, weight_exp=10), Source(data=seen.T)
    heard = [Sink(shape=(64,), buffer=length) for _ in range(2)]
    memory = hw.lava.build(plan, np.zeros(64), steps=periods * plan.period)
    neurons.s_out.connect(synapses.s_in)
    pixels.s_out.connect(memory.a_in)
    synapses.a_out.connect(memory.a_in)
    pixels.s_out.connect(heard[0].a_in)
    synapses.a_out.connect(heard[1].a_in)
    with hw.lava.Session(memory, hw.lava.config(backend)) as session:
        session.run(length)
        final = memory.v.get()
        of_pixels, of_neurons = (sink.data.get().astype(int).T for sink in heard)
    assert np.count_nonzero(of_pixels) > 100
    assert np.count_nonzero(of_neurons) > 100
    arriving = of_pixels + of_neurons
    steps = np.zeros((periods * plan.period, 64), int)
    steps[:: plan.period if fused else 1] = arriving
    both = hw.Events.from_integers(plan, steps[: 1 - plan.period])
    expected = hw.run(plan, np.zeros(64), inputs=both, steps=periods * plan.period)
    np.testing.assert_array_equal(final, expected.integers["visible"])
    # Of both together, neither alone.
    scaled = final / plan.visible.scale
    alone = hw.run(plan, np.zeros(64), inputs=events, steps=periods * plan.period)
    assert np.abs(scaled).max() > 0.5
    assert np.abs(scaled - alone.final["visible"]).max() > 0.1
    assert multiprocessing.active_children() == []
