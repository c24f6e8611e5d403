"""Everything that runs a plan computes what its schedule says, step by step.

The reference is the interpreter of the schedule in Python's integers (`hardware.exact`). The same
comparison is made with schedules that were changed: it has to notice, for every executor.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import amsim as am
import hardware as hw
from hardware import compiled, emulator, exact, random_plans, schedule
from hardware.jobs import prepare
from hardware.plan import Job
from hardware.schedule import Compute, Receive, Turn

Trace = dict[str, Any]
Run = Callable[[hw.Plan, Job], Trace]
PERIODS = 4
DIGITS = am.patterns.digits(20, seed=0)
OPTIONS: dict[str, Any] = {"cue_limit": 1.0, "input_limits": {"visible": 0.2, "hidden": 0.02}}
SOFTMAX = am.dense_am(DIGITS / 8, hidden=am.Softmax(8.0), tau_hidden=0.2, bias_visible=0.05)
POWER = am.dense_am(DIGITS / 8, visible=am.Tanh(0.5), hidden=am.RectifiedPower(3), tau_hidden=0.2)
# In the first two every round counts: c changes in both, and with it which memories are silent.
PLANS = {
    "softmax": hw.compile(SOFTMAX, dt=0.02, **OPTIONS),
    "power": hw.compile(POWER, dt=0.02, **OPTIONS),
}
MORE_PLANS = PLANS | {"many rounds": hw.compile(SOFTMAX, dt=0.5, **OPTIONS)}


def with_schedule(plan: hw.Plan, turns: tuple[Turn, ...]) -> hw.Plan:
    """A plan whose numbers follow another schedule."""
    other = copy.copy(plan)
    other.__dict__["schedule"] = turns
    return other


def job_of(plan: hw.Plan, seed: int = 0, cues: int = 2) -> Job:
    """Hard cues, clamped features, jumping inputs; a memory starts beside the place of its rest."""
    rng = np.random.default_rng(seed)
    job, _ = prepare(
        plan,
        random_plans.hard_cues(rng, plan, cues) / 2,
        steps=PERIODS * plan.period + 1,
        clamp=rng.random((cues, plan.units[1])) < 0.2,
        inputs=random_plans.jumping_inputs(rng, plan, cues),
    )
    return replace(job, hidden=job.hidden - 16 * np.sign(job.hidden))


def names(plan: hw.Plan) -> tuple[str, ...]:
    return tuple(
        name for name in schedule.SIGNALS if plan.normaliser or not name.startswith("normaliser")
    )


def by_interpreter(plan: hw.Plan, job: Job) -> Trace:
    """Every signal after every step (T, B, n), and what was sent, in Python's integers."""
    rows = {name: [] for name in names(plan)}
    counts = {turn.counted: [0] * len(job.visible) for turn in plan.schedule}
    recalls = [exact.recall(plan, job, cue) for cue in range(len(job.visible))]
    sizes = {"visible": plan.units[1], "hidden": plan.units[0], "normaliser": 1}
    for t in range(job.steps):
        turn = plan.schedule[t % plan.period]
        now = {"visible": [r.v[t] for r in recalls], "hidden": [r.h[t] for r in recalls]}
        now["normaliser"] = [[r.c[t]] for r in recalls]
        for name, size in sizes.items():
            now[f"{name}_out"] = [[0] * size for _ in recalls]
        now[f"{turn.population}_out"] = [r.out[t] for r in recalls]
        for cue, recall in enumerate(recalls):
            counts[turn.counted][cue] += sum(x != 0 for x in recall.out[t])
        for name in rows:
            rows[name].append(now[name])
    return {name: np.array(found) for name, found in (rows | counts_named(counts)).items()}


def counts_named(messages: Any) -> Trace:
    return {f"messages of {kind}": np.array(count) for kind, count in messages.items()}


def by_emulator(plan: hw.Plan, job: Job) -> Trace:
    trace = emulator.emulate(plan, job, names(plan))
    return {**trace.signals, **counts_named(trace.messages)}


def by_compiled_loops(plan: hw.Plan, job: Job) -> Trace:
    """They tell states and counts at the end of periods: one recall for each number of them."""
    found: dict[str, list[Any]] = {}
    for periods in range(1, PERIODS + 1):
        whole = replace(job, steps=periods * plan.period)
        machine = emulator.Machine(plan, whole)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(emulator, "_WORTH_COMPILING", 0)
            emulator._until_rest(machine, periods)
        machine.resume()
        machine.step(whole.steps)  # the features' turn, from what the loops leave under way
        for name in names(plan):
            found.setdefault(name, []).append(machine.signal(name))
        for kind, count in counts_named(machine.messages).items():
            found.setdefault(kind, []).append(count)
    return {name: np.array(rows) for name, rows in found.items()}


def at_the_ends(plan: hw.Plan, job: Job, interpret: Run = by_interpreter) -> Trace:
    """What `by_compiled_loops` can tell, by an interpreter."""
    found: dict[str, list[Any]] = {}
    for periods in range(1, PERIODS + 1):
        trace = interpret(plan, replace(job, steps=periods * plan.period + 1))
        for name, rows in trace.items():
            found.setdefault(name, []).append(rows if name.startswith("messages") else rows[-1])
    return {name: np.array(rows) for name, rows in found.items()}


def at_the_ends_in_numpy(plan: hw.Plan, job: Job) -> Trace:
    return at_the_ends(plan, job, by_emulator)


def by_lava(backend: str, compiled: bool) -> Run:
    def run(plan: hw.Plan, job: Job) -> Trace:
        with pytest.MonkeyPatch.context() as patch:
            if compiled:
                patch.setattr("amsim.hardware.lava.sums._WORTH_COMPILING", 0)
            trace = hw.lava.run(plan, job, names(plan), backend=backend)
        return {**trace.signals, **counts_named(trace.messages)}

    return run


EXECUTORS: dict[str, tuple[Run, Run]] = {  # and what tells the same of the schedule
    "emulator": (by_emulator, by_interpreter),
    "compiled loops": (by_compiled_loops, at_the_ends),
    "lava": (by_lava("lava", compiled=False), by_interpreter),
    "lava, compiled units": (by_lava("lava", compiled=True), by_interpreter),
    "lava-fused": (by_lava("lava-fused", compiled=False), by_interpreter),
}


def differences(one: Trace, other: Trace) -> list[str]:
    assert one.keys() == other.keys()
    return [name for name in one if not np.array_equal(one[name], other[name])]


@cache
def told(interpret: Run, kind: str, seed: int, cues: int) -> Trace:
    """What several executors are compared with."""
    plan = MORE_PLANS[kind]
    return interpret(plan, job_of(plan, seed, cues))


@pytest.mark.parametrize("kind", MORE_PLANS)
@pytest.mark.parametrize("executor", EXECUTORS)
def test_every_signal_of_every_step(executor: str, kind: str) -> None:
    plan, (run, reference) = MORE_PLANS[kind], EXECUTORS[executor]
    for seed, cues in ((0, 2), (1, 1)):
        found = run(plan, job_of(plan, seed, cues))
        assert differences(found, told(reference, kind, seed, cues)) == []


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_random_plans(seed: int) -> None:
    rng = np.random.default_rng(seed)
    try:
        plan = random_plans.plan(rng, random_plans.network(rng))
    except hw.RangeError:
        return
    job = job_of(plan, seed)
    for executor in ("emulator", "compiled loops"):
        run, reference = EXECUTORS[executor]
        assert differences(run(plan, job), reference(plan, job)) == []


def mutants(turns: tuple[Turn, ...]) -> dict[str, tuple[Turn, ...]]:
    """Schedules with one change each.

    A signal that arrives a step late, is added or not, is computed in another period; an operation
    that is left out; two operations in the other order, if one reads what the other sets.
    """
    found = {}
    for phase, turn in enumerate(turns):
        for place, operation in enumerate(turn.operations):
            before, after = turn.operations[:place], turn.operations[place + 1 :]
            changes: dict[str, tuple[Receive | Compute, ...]] = {"left out": ()}
            if isinstance(operation, Receive):
                changes["late"] = (replace(operation, delay=2),)
                changes["adds"] = (replace(operation, adds=not operation.adds),)
            elif operation.first_period:
                changes["not held"] = (replace(operation, first_period=0),)
            else:
                changes["held"] = (replace(operation, first_period=2),)
            for name, changed in changes.items():
                operations = (*before, *changed, *after)
                found[f"step {phase}: {operation}, {name}"] = with_operations(
                    turns, phase, operations
                )
            if after and depend(operation, after[0]):
                operations = (*before, after[0], operation, *after[1:])
                found[f"step {phase}: {operation}, after the next"] = with_operations(
                    turns, phase, operations
                )
    return found


def with_operations(
    turns: tuple[Turn, ...], phase: int, operations: tuple[Receive | Compute, ...]
) -> tuple[Turn, ...]:
    turn = replace(turns[phase], operations=operations)
    return (*turns[:phase], turn, *turns[phase + 1 :])


def depend(one: Receive | Compute, other: Receive | Compute) -> bool:
    """Whether one reads what the other sets."""
    return any(
        isinstance(reader, Compute) and setter.signal in reader.of
        for reader, setter in ((one, other), (other, one))
    )


@cache
def expected_of_mutants(interpret: Run, kind: str) -> dict[str, Trace]:
    """By the change; none where it needs a signal that is not there yet."""
    plan, found = PLANS[kind], {}
    for name, turns in mutants(plan.schedule).items():
        with suppress(KeyError):
            found[name] = interpret(with_schedule(plan, turns), job_of(plan, cues=4))
    return found


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
@pytest.mark.parametrize("kind", PLANS)
@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_change_of_the_schedule_is_noticed(executor: str, kind: str) -> None:
    """The comparison above can fail: with each changed schedule it does, for each executor.

    The changed ones are carried out in NumPy, where what overflows goes on.
    """
    plan, (run, _) = PLANS[kind], EXECUTORS[executor]
    interpret = by_emulator if run is not by_compiled_loops else at_the_ends_in_numpy
    found = run(plan, job_of(plan, cues=4))
    assert differences(found, told(interpret, kind, 0, 4)) == []
    changed = expected_of_mutants(interpret, kind)
    assert [name for name, trace in changed.items() if not differences(found, trace)] == []
    assert len(changed) >= {"softmax": 40, "power": 16}[kind]


@pytest.mark.parametrize("kind", PLANS)
def test_both_interpreters_follow_a_changed_schedule(kind: str) -> None:
    plan = PLANS[kind]
    job = job_of(plan)
    followed = 0
    for turns in mutants(plan.schedule).values():
        changed = with_schedule(plan, turns)
        try:
            expected = by_interpreter(changed, job)
        except (exact.Overflow, KeyError):
            continue
        assert differences(by_emulator(changed, job), expected) == []
        followed += 1
    assert followed > 10


@pytest.mark.parametrize("rounds", [0, 1, 2, 5])
def test_periods(rounds: int) -> None:
    turns = schedule.turns(rounds)
    assert len(turns) == 2 * rounds + 2
    sent = [turn.sends for turn in turns]
    assert sent == ["m", *["e", "c"] * rounds, "p"]
    for i, turn in enumerate(turns):
        for operation in turn.operations:
            if isinstance(operation, Receive):
                # What is received was sent in the step before, by the other end.
                source, target = schedule.CONNECTIONS[operation.through]
                assert (turns[i - 1].population, turn.population) == (source, target)
                assert turns[i - 1].sends == operation.message
            else:
                part = operation.function.partition(".")[0]
                assert part == turn.population or (turn.population, part) == (
                    "hidden",
                    "normaliser",
                )


def test_the_table_is_the_schedule() -> None:
    plan = PLANS["softmax"]
    text = schedule.table(plan.schedule)
    assert text.count("send ") == plan.period
    for turn in plan.schedule:
        for operation in turn.operations:
            assert str(operation) in text


def test_some_cues_at_a_time_end_in_the_same_integers(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that Ctrl-C is noticed between them."""
    patterns = am.patterns.random(6, 32, seed=0)
    net = am.dense_am(patterns, hidden=am.Softmax(0.5))
    plan = hw.compile(net, input_limits={"visible": 0.01})
    cues = am.patterns.corrupt(np.tile(patterns, (10, 1)), flip=0.1, seed=1)
    inputs = {"visible": 0.01 * np.tile(patterns, (10, 1))}
    monkeypatch.setattr(emulator, "_WORTH_COMPILING", 0)
    whole = hw.run(plan, cues, inputs=inputs)
    calls = []
    monkeypatch.setattr(compiled, "_CHUNK", 1.0)
    real = compiled._recall
    monkeypatch.setattr(compiled, "_recall", lambda *given: [calls.append(1), real(*given)])
    monkeypatch.setattr(compiled, "announced", lambda *_: nullcontext())
    parts = hw.run(plan, cues, inputs=inputs)
    assert len(calls) == 1 + 60 // 4
    for name, integers in whole.integers.items():
        np.testing.assert_array_equal(parts.integers[name], integers)
    np.testing.assert_array_equal(parts.settle_times, whole.settle_times)
    for kind, count in whole.stats["messages"].items():
        np.testing.assert_array_equal(parts.stats["messages"][kind], count)
