"""The emulator against plain Python integers, against itself compiled, and its results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import amsim as am
import hardware as hw
from hardware import emulator, exact, random_plans
from hardware.emulator import Machine
from hardware.run import prepare

PATTERNS = 2 * am.patterns.digits_gray(20)[:, 8:40] - 1
CUES = np.clip(PATTERNS[:6] + np.random.default_rng(0).normal(0, 0.3, (6, 32)), -1, 1)
NETWORKS = {
    "softmax": am.dense_am(PATTERNS, hidden=am.Softmax(2.0)),
    "euclidean": am.dense_am(PATTERNS, hidden=am.Softmax(2.0), similarity="euclidean"),
    "tanh power": am.dense_am(
        PATTERNS, visible=am.Tanh(0.05), hidden=am.RectifiedPower(3), bias_visible=0.1
    ),
    "sign": am.dense_am(PATTERNS, visible=am.Sign(), hidden=am.Softmax(1.0)),
    "identity relu": am.dense_am(PATTERNS * 0.03, hidden=am.ReLU(), bias_hidden=0.1),
}


@pytest.fixture(params=NETWORKS)
def plan(request: pytest.FixtureRequest) -> hw.Plan:
    return hw.compile(NETWORKS[request.param], cue_limit=1.0)


def same(one: hw.Result, other: hw.Result) -> None:
    assert one.integers.keys() == other.integers.keys()
    for name, state in one.integers.items():
        np.testing.assert_array_equal(state, other.integers[name])
    for name, count in one.messages.items():
        np.testing.assert_array_equal(count, other.messages[name])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_bit_exact_against_plain_integers(seed: int) -> None:
    """Random kinds, widths, options and inputs; every state and message of every step."""
    rng = np.random.default_rng(seed)
    try:
        plan = random_plans.plan(rng, random_plans.network(rng))
    except hw.RangeError:
        return
    cues = random_plans.hard_cues(rng, plan, 2)
    inputs = random_plans.jumping_inputs(rng, plan, 2)
    clamp = rng.random((2, plan.units[1])) < 0.2
    job, _ = prepare(plan, cues, steps=4 * plan.period + 3, clamp=clamp, inputs=inputs)
    machine = Machine(plan, job)
    recalls = [exact.recall(plan, job, cue) for cue in range(2)]
    for t in range(job.steps):
        machine.step(t)
        now = {name: machine.signal(name) for name in ("visible", "hidden", "normaliser")}
        sent = machine.signal(f"{machine.turn.population}_out")
        for cue, recall in enumerate(recalls):
            assert now["visible"][cue].tolist() == recall.v[t]
            assert now["hidden"][cue].tolist() == recall.h[t]
            assert sent[cue].tolist() == recall.out[t]
            if plan.normaliser:
                assert now["normaliser"][cue, 0] == recall.c[t]


def test_compiled_loops_give_the_same(plan: hw.Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"steps": 30 * plan.period + 1, "clamp": [0, 3]}
    in_numpy = hw.run(plan, CUES, **options)
    monkeypatch.setattr(emulator, "_WORTH_COMPILING", 0)
    compiled = hw.run(plan, CUES, **options)
    same(in_numpy, compiled)
    np.testing.assert_array_equal(in_numpy.settled, compiled.settled)


@pytest.mark.parametrize("units", [(3, 5), (17, 15)])
def test_compiled_loops_of_fewer_units_than_a_vector_has_numbers(
    units: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    patterns = np.random.default_rng(0).choice([-1.0, 1.0], units)
    plan = hw.compile(am.dense_am(patterns, hidden=am.Softmax(0.3)), cue_limit=1.0)
    cues = np.random.default_rng(1).choice([-1.0, 1.0], (7, units[1]))
    in_numpy = hw.run(plan, cues, steps=40 * plan.period)
    monkeypatch.setattr(emulator, "_WORTH_COMPILING", 0)
    same(in_numpy, hw.run(plan, cues, steps=40 * plan.period))


def test_compiled_blocks_of_cues_with_inputs_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """More cues than a block; they come to rest one by one."""
    plan = hw.compile(NETWORKS["softmax"], cue_limit=1.0, input_limits={"visible": 0.5})
    rng = np.random.default_rng(2)
    cues = np.clip(PATTERNS[np.arange(150) % 20] + rng.normal(0, 0.4, (150, 32)), -1, 1)
    pushes = rng.uniform(-0.5, 0.5, (150, 32))
    options: dict[str, Any] = {
        "steps": 350 * plan.period,
        "clamp": rng.random((150, 32)) < 0.1,
        "inputs": {"visible": pushes},
    }
    in_numpy = hw.run(plan, cues, **options)
    monkeypatch.setattr(emulator, "_WORTH_COMPILING", 0)
    compiled = hw.run(plan, cues, **options)
    same(in_numpy, compiled)
    np.testing.assert_array_equal(in_numpy.settled, compiled.settled)
    settled = in_numpy.settled
    assert settled is not None
    assert len(np.unique(settled)) > 10


def test_cues_clamped_alike_or_each_in_its_own_way_run_the_same_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another order of an array in memory would compile everything anew."""
    from hardware.compiled import _recall

    monkeypatch.setattr(emulator, "_WORTH_COMPILING", 0)
    plan = hw.compile(NETWORKS["softmax"], cue_limit=1.0)
    each = np.random.default_rng(2).random(CUES.shape) < 0.1
    for clamp in (None, [0, 3], each):
        hw.run(plan, CUES, steps=plan.period, clamp=clamp)
    assert len(_recall.overloads) == 1


def test_stopping_at_rest_changes_nothing(plan: hw.Plan) -> None:
    steps = 400 * plan.period
    stopped = hw.run(plan, CUES[:2], steps=steps)
    assert stopped.settled is not None and (stopped.settled > 0).all()
    recorded = hw.run(plan, CUES[:2], steps=steps, record=["visible"])
    same(stopped, recorded)
    moves = np.any(np.diff(recorded.states("visible"), axis=0) != 0, axis=-1)
    for cue, settled in enumerate(stopped.settled):
        assert not moves[settled:, cue].any()


def test_batch_does_not_matter(plan: hw.Plan) -> None:
    together = hw.run(plan, CUES.reshape(2, 3, -1), steps=300)
    for i, cue in enumerate(CUES):
        alone = hw.run(plan, cue, steps=300)
        for name, state in alone.integers.items():
            np.testing.assert_array_equal(state, together.integers[name][i // 3, i % 3])


def test_symmetric_networks_recall_symmetrically() -> None:
    """Rounding is odd: what the negated cue does is the negative of what the cue does."""
    plan = hw.compile(am.dense_am(am.patterns.random(4, 32, seed=0), hidden=am.Softmax(0.2)))
    mirrored = hw.compile(am.dense_am(-am.patterns.random(4, 32, seed=0), hidden=am.Softmax(0.2)))
    cue = np.random.default_rng(1).uniform(-1, 1, 32)
    one = hw.run(plan, cue, steps=500).integers["visible"]
    other = hw.run(mirrored, -cue, steps=500).integers["visible"]
    np.testing.assert_array_equal(one, -other)


def test_recall_is_that_of_the_ode() -> None:
    network = NETWORKS["softmax"]
    result = hw.run(hw.compile(network), CUES)
    final = am.simulate(network, CUES).final
    np.testing.assert_allclose(result.final["visible"], final["visible"], rtol=0, atol=1e-3)
    np.testing.assert_allclose(result.final["hidden"], final["hidden"], rtol=0, atol=1e-2)


def test_clamped_features_complete_the_others() -> None:
    network = NETWORKS["softmax"]
    mask = np.arange(32) < 16
    cue = np.where(mask, PATTERNS[3], 0.0)
    plan = hw.compile(network)
    result = hw.run(plan, cue, clamp=mask)
    ode = am.simulate(network, cue, clamp=mask)
    np.testing.assert_allclose(result.final["visible"], ode.final["visible"], rtol=0, atol=2e-3)
    start = np.rint(cue * plan.visible.scale).astype(int)
    np.testing.assert_array_equal(result.integers["visible"][mask], start[mask])


def test_driven_inputs_follow_the_ode() -> None:
    network = NETWORKS["identity relu"]
    rest = am.simulate(network, np.zeros(32), inputs=0.5).final["visible"]
    plan = hw.compile(network, cue_limit=1.0, input_limits={"visible": 1.0})
    constant = hw.run(plan, np.zeros(32), inputs={"visible": 0.5}).final["visible"]
    np.testing.assert_allclose(constant, rest, rtol=0, atol=1e-3)
    late = hw.run(
        plan, np.zeros(32), inputs={"visible": lambda t: np.full(32, 0.5 * (t >= 2.0))}
    ).final["visible"]
    np.testing.assert_allclose(late, rest, rtol=0, atol=1e-3)
    wave = hw.run(
        plan,
        np.zeros(32),
        steps=plan.period * 100,
        inputs={"visible": lambda t: np.full(32, np.sin(t))},
    )
    ode = am.simulate(
        network,
        np.zeros(32),
        until=None,
        times=[100 * plan.dt],
        inputs=lambda t: np.full(32, np.sin(t)),
    )
    # First order in dt: the input is held for a period.
    np.testing.assert_allclose(
        wave.final["visible"], ode.final["visible"], rtol=0, atol=2 * plan.dt
    )


def test_a_quantum_saves_messages_and_stays_close() -> None:
    network = NETWORKS["softmax"]
    fine = hw.run(hw.compile(network), CUES)
    coarse = hw.run(hw.compile(network, quantum=0.02), CUES)
    assert (coarse.messages["visible"] < fine.messages["visible"] / 3).all()
    np.testing.assert_allclose(coarse.final["visible"], fine.final["visible"], rtol=0, atol=0.1)


def test_records_messages_that_explain_the_states() -> None:
    plan = hw.compile(NETWORKS["softmax"])
    record = hw.run(plan, CUES[:2], steps=200, record=["visible", "visible_out", "hidden_out"])
    assert record.states("visible").shape == (200, 2, 32)
    sent = record.states("visible_out").sum(axis=0)
    last = record.states("visible")[-1]
    np.testing.assert_array_equal(sent, plan.visible.output(last))
    nonzero = (record.states("visible_out") != 0).sum(axis=(0, 2))
    np.testing.assert_array_equal(nonzero, record.messages["visible"])
    with pytest.raises(ValueError, match="'hidden' was not recorded"):
        record.states("hidden")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cues": np.ones(31)}, r"cue has shape \(31,\), layer 'visible' has shape \(32,\)"),
        ({"cues": np.ones((0, 32))}, "the batch is empty"),
        ({"cues": np.full(32, np.nan)}, "NaN or infinity"),
        ({"cues": np.full(32, 2.0)}, r"cue needs 24 bits.*compile\(..., cue_limit=2\)"),
        ({"steps": 0}, "steps must be a whole number"),
        ({"steps": 1.5}, "steps must be a whole number from 1 to 1000000000, got 1.5"),
        ({"steps": np.nan}, "steps must be a whole number from 1 to 1000000000, got nan"),
        ({"steps": "ten"}, "steps must be a whole number from 1 to 1000000000, got 'ten'"),
        ({"record": "energy"}, "record must be .* got 'energy'"),
        ({"clamp": [32]}, "clamp must lie between -32 and 31"),
        ({"clamp": np.ones(31, bool)}, r"clamp has shape \(31,\)"),
        ({"inputs": {"visible": 1.0}}, r"input of visible.*input_limits=\{'visible': 1\}"),
        ({"inputs": {"deep": 1.0}}, "inputs names 'deep'"),
    ],
)
def test_bad_input_is_named(options: dict[str, Any], message: str) -> None:
    plan = hw.compile(NETWORKS["softmax"])
    with pytest.raises((TypeError, ValueError), match=message):
        hw.run(plan, **{"cues": CUES[0], **options})


@pytest.mark.parametrize("name", ["identity relu", "softmax"])
def test_jumps_of_inputs_fall_on_periods(name: str) -> None:
    """As a function that is asked at each period, and as constant inputs one after the other."""
    network = NETWORKS[name]
    plan = hw.compile(network, cue_limit=1.0, input_limits={"visible": 1.0, "hidden": 1.0})
    rng, units = np.random.default_rng(7), plan.units[1]
    # As a user adds them up: multiples of dt but for rounding, and one between two periods.
    steps = np.cumsum(np.full(40, plan.dt))
    times = np.array([steps[2], steps[9], steps[20] + 0.4 * plan.dt])
    begins = [3, 10, 22]
    rows = rng.uniform(-1, 1, (3, 2, units))
    held = am.PiecewiseConstant(times, rows)
    late = am.PiecewiseConstant([5 * plan.dt, 1e9], [0.5, -0.5])  # the second is never reached
    cues, count = rng.uniform(-1, 1, (2, units)), 40 * plan.period

    def asked(t: float) -> Any:
        period = round(t / plan.dt)
        number = sum(begin <= period for begin in begins)
        return rows[number - 1] if number else np.zeros((2, units))

    def asked_late(t: float) -> Any:
        return np.full(plan.units[0], 0.5 * (round(t / plan.dt) >= 5))

    found, expected = (
        hw.run(plan, cues, steps=count, record=True, inputs=inputs)
        for inputs in (
            {"visible": held, "hidden": late},
            {"visible": asked, "hidden": asked_late},
        )
    )
    for signal in ("visible", "hidden"):
        np.testing.assert_array_equal(found.states(signal), expected.states(signal))
    job, _ = prepare(plan, cues, steps=count, inputs={"visible": held})
    assert len(job.input_visible) == begins[-1] + 1
    alone = hw.run(plan, cues, steps=count, record=True, inputs={"visible": held})
    for cue in range(2):
        recall = exact.recall(plan, job, cue)
        np.testing.assert_array_equal(alone.states("visible")[:, cue], recall.v)
        np.testing.assert_array_equal(alone.states("hidden")[:, cue], recall.h)


def test_jumps_follow_the_ode() -> None:
    """Only the step of the chip's schedule is between them, not the time of the jumps."""
    network = NETWORKS["identity relu"]
    plan = hw.compile(network, cue_limit=1.0, input_limits={"visible": 1.0})
    jumps = plan.dt * np.array([0, 30, 60])
    rows = np.array([0.5, -1.0, 0.2])
    held = am.PiecewiseConstant(jumps, rows)
    chip = hw.run(plan, np.zeros(32), steps=90 * plan.period, inputs={"visible": held})
    ode = am.simulate(network, np.zeros(32), inputs=held, times=[90 * plan.dt], until=None)
    np.testing.assert_allclose(
        chip.final["visible"], ode.final["visible"], rtol=0, atol=2 * plan.dt
    )
