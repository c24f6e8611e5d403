"""`seed`, `record`, `inputs` and `clamp` mean the same in all runs: the table of conventions.md."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

import amsim as am
import experiments
import hardware as hw
from experiments.runner.experiment import Experiment

PATTERNS = am.patterns.random(3, 16, seed=0)
CUES = am.patterns.corrupt(PATTERNS, flip=0.2, seed=1)
MASK = np.arange(16) < 5
EACH = np.array([MASK, ~MASK, MASK])  # another one for each cue
PULSE = am.PiecewiseConstant([0.0, 1.0], [0.5, 0.0])
TIMING = am.Timing(jitter=0.1, drop=0.1, heartbeat=2.0)


@cache
def network() -> am.Network:
    return am.dense_am(PATTERNS, hidden=am.Softmax(1.0))


@cache
def plan() -> hw.Plan:
    return hw.compile(network(), input_limits={"visible": 1.0, "hidden": 1.0})


def ode(**given: Any) -> Any:
    return am.simulate(network(), CUES, t1=50.0, **given).final["visible"]


def events(**given: Any) -> Any:
    solver = am.EventDriven(quantum=0.05, timing=TIMING)
    return am.simulate(network(), CUES[0], solver=solver, **given).final["visible"]


def binary(**given: Any) -> Any:
    return am.binary.BinaryMemory(PATTERNS).recall(CUES, **given).final


def chip(**given: Any) -> Any:
    return hw.run(plan(), CUES, **given).final["visible"]


def place(**given: Any) -> Any:
    placement = hw.place(plan(), **given)
    return np.array([placement.n_cores])


def experiment(**given: Any) -> Any:
    data = experiments.find("capacity").run(repeats=1, **given)
    return data["error"].values


RUNS = {
    "seed": [events, binary, place, experiment],
    "record": [ode, binary, chip],
    "inputs": [ode, events, chip],
    "clamp": [ode, events, binary, chip],
}


def every(argument: str) -> Any:
    return pytest.mark.parametrize("run", RUNS[argument], ids=lambda run: run.__name__)


@every("seed")
def test_a_seed_is_a_number_a_sequence_or_a_generator(run: Callable[..., Any]) -> None:
    first = run(seed=3)
    np.testing.assert_array_equal(run(seed=np.int64(3)), first)
    for make in (np.random.SeedSequence, np.random.default_rng):
        np.testing.assert_array_equal(run(seed=make(5)), run(seed=make(5)))
    if run is not place:  # whose answer is one number here
        assert (run(seed=4) != first).any()


@every("seed")
@pytest.mark.parametrize("wrong", [None, True, 1.5, "1", -1])
def test_another_seed_is_refused(run: Callable[..., Any], wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^seed must be"):
        run(seed=wrong)


@every("clamp")
def test_clamped_units_keep_the_value_of_the_cue(run: Callable[..., Any]) -> None:
    by_mask = run(clamp=MASK)
    cues = CUES[0] if by_mask.ndim == 1 else CUES
    tolerance = 0.5 / plan().visible.scale if run is chip else 0.0  # its states are integers
    np.testing.assert_allclose(by_mask[..., MASK], cues[..., MASK], rtol=0, atol=tolerance)
    assert (run()[..., MASK] != by_mask[..., MASK]).any()
    np.testing.assert_array_equal(run(clamp=np.flatnonzero(MASK)), by_mask)
    if run is not binary:
        np.testing.assert_array_equal(run(clamp={"visible": MASK}), by_mask)


@pytest.mark.parametrize("run", [ode, chip])
def test_a_mask_may_differ_by_cue(run: Callable[..., Any]) -> None:
    found = run(clamp=EACH)
    for cue, mask in enumerate(EACH):
        np.testing.assert_allclose(found[cue], run(clamp=mask)[cue], rtol=0, atol=1e-6)


@every("clamp")
@pytest.mark.parametrize(
    "wrong", [[1.5], "visible", [99], [0, 0], MASK.astype(int), MASK[:3], {"nowhere": MASK}]
)
def test_another_clamp_is_refused(run: Callable[..., Any], wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^clamp"):
        run(clamp=wrong)


def test_one_mask_for_all_cues_of_a_binary_memory() -> None:
    with pytest.raises(ValueError, match=r"^clamp has shape .*the same units in all cues"):
        binary(clamp=EACH)


def test_memories_of_a_plan_are_not_clamped() -> None:
    with pytest.raises(ValueError, match=r"^clamp names 'hidden'"):
        chip(clamp={"hidden": [0]})


@every("inputs")
@pytest.mark.parametrize("given", [0.3, 0.3 * PATTERNS[0], PULSE, lambda time: 0.3 * (time < 1)])
def test_inputs_come_by_layer_or_alone(run: Callable[..., Any], given: Any) -> None:
    if run is events and inspect.isfunction(given):  # nobody tells it when that changes
        with pytest.raises(ValueError, match=r"^EventDriven: .*input"):
            run(inputs=given)
        return
    found = run(inputs=given)
    np.testing.assert_array_equal(run(inputs={"visible": given}), found)
    assert (found != run()).any()


def test_inputs_are_the_same_on_a_chip() -> None:
    given = {"visible": 0.4 * PATTERNS[1], "hidden": [0.0, 0.5, 0.0]}
    np.testing.assert_allclose(chip(inputs=given), ode(inputs=given), atol=0.02)


@every("inputs")
@pytest.mark.parametrize("wrong", ["strong", [1.0, 2.0], [None] * 16, {"nowhere": 0.1}])
def test_other_inputs_are_refused(run: Callable[..., Any], wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^inputs?\b"):
        run(inputs=wrong)


@every("record")
@pytest.mark.parametrize("wrong", [None, 1, "everything", np.array([True, False])])
def test_another_record_is_refused(run: Callable[..., Any], wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^record"):
        run(record=wrong)


def test_a_record_is_all_or_what_is_named() -> None:
    assert hw.run(plan(), CUES, record=True).states("hidden").shape == (plan().steps, 3, 3)
    assert hw.run(plan(), CUES, record="hidden_out").states("hidden_out").any()
    recall = am.binary.BinaryMemory(PATTERNS).recall(CUES, record=True)
    assert len(recall.events.unit) == recall.flips.sum()


def test_no_run_has_an_argument_of_another_meaning() -> None:
    has = {
        am.simulate: {"seed", "record", "inputs", "clamp"},
        am.binary.BinaryMemory.recall: {"seed", "record", "clamp"},
        hw.run: {"record", "inputs", "clamp"},
        hw.lava.build: {"record", "inputs", "clamp"},
        hw.export.brian2: {"seed", "inputs", "clamp"},
        hw.compare: set(),
        hw.place: {"seed"},
        Experiment.run: {"seed"},
    }
    for function, arguments in has.items():
        assert RUNS.keys() & inspect.signature(function).parameters.keys() == arguments
