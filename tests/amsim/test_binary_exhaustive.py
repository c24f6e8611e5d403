"""Binary recall against brute force: all states of up to 8 units, every rule, order and delay."""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import amsim as am
from amsim import binary

Array = npt.NDArray[Any]

# F and its derivative, times n; integers stay exact.
POWERS = {
    binary.Power(1): (lambda x: x, lambda x: np.ones_like(x)),
    binary.Power(2): (lambda x: x**2, lambda x: 2 * x),
    binary.Power(3): (lambda x: x**3, lambda x: 3 * x**2),
    binary.Power(3, rectified=True): (lambda x: np.maximum(x, 0) ** 3,
                                      lambda x: 3 * np.maximum(x, 0) ** 2),
    binary.Power(4): (lambda x: x**4, lambda x: 4 * x**3),
}  # fmt: skip
EXPONENTIALS = {
    binary.Exponential(1.0): (np.exp, np.exp),
    binary.LogSumExp(0.3): (lambda x: np.exp(0.3 * x), lambda x: np.exp(0.3 * x)),
}
FUNCTIONS: dict[Any, Any] = {**POWERS, **EXPONENTIALS}
RULES = ["flip", "difference", "gradient", "gradient with self"]
SIZES = [(1, 1), (2, 3), (3, 4), (5, 4), (6, 7), (8, 5)]


def all_states(size: int) -> Array:
    return np.array(list(itertools.product([-1, 1], repeat=size)))


def memories(size: int, count: int) -> Array:
    """Some random rows, the last one twice."""
    rows = np.random.default_rng([size, count]).choice([-1, 1], (count, size))
    return np.concatenate([rows, rows[-1:]])


@cache
def signs(size: int, count: int, separation: Any, rule: str) -> Array:
    """The value each unit of each state wants, 0 for none: (states, units)."""
    xi, states = memories(size, count), all_states(size)
    value, slope = FUNCTIONS[separation]
    wanted = np.zeros_like(states)
    for i in range(xi.shape[1]):
        up, down = states.copy(), states.copy()
        up[:, i], down[:, i] = 1, -1
        if rule in ("flip", "difference"):
            plus, minus = value(up @ xi.T), value(down @ xi.T)
        else:
            without = (up + down) // 2
            read = states if rule.endswith("self") else without
            force = xi[:, i] * slope(read @ xi.T)
            plus, minus = force, 0 * force
        difference = plus.sum(1) - minus.sum(1)
        scale = np.abs(plus).sum(1) + np.abs(minus).sum(1)
        tie = 0 if separation in POWERS else 1e-12  # integers cancel exactly, floats do not
        wanted[:, i] = np.where(np.abs(difference) <= tie * scale, 0, np.sign(difference))
    return wanted


def look_up(wanted: Array, states: Array) -> Array:
    """Rows of `wanted` for a batch of states."""
    return wanted[(states > 0) @ (1 << np.arange(states.shape[-1])[::-1])]


def one_by_one(wanted: Array, cues: Array, order: Array, staleness: int, sweeps: int) -> Any:
    """Final states, and which check flipped which cue, by the definition."""
    past, flips = [cues], []
    for check, i in enumerate(np.tile(order, sweeps)):
        want = look_up(wanted, past[max(check - staleness, 0)])[:, i]
        state = past[-1].copy()
        flips.append((want != 0) & (want != state[:, i]))
        state[flips[-1], i] *= -1
        past.append(state)
    return past[-1], np.array(flips)


def in_parallel(wanted: Array, cues: Array, staleness: int, sweeps: int) -> Array:
    """States before the first and after every sweep: (sweeps + 1, cues, units)."""
    past = [cues]
    for sweep in range(sweeps):
        want = look_up(wanted, past[max(sweep - staleness, 0)])
        past.append(np.where(want == 0, past[-1], want))
    return np.array(past)


def build(xi: Array, separation: Any, rule: str) -> tuple[binary.BinaryMemory, str]:
    memory = binary.BinaryMemory(xi, separation, self_terms=rule.endswith("self"))
    return memory, rule.split()[0]


@pytest.mark.parametrize("separation", FUNCTIONS, ids=repr)
def test_energy_of_all_states(separation: Any) -> None:
    for size, count in SIZES:
        xi, states = memories(size, count), all_states(size)
        total = FUNCTIONS[separation][0](states @ xi.T).sum(1)
        if isinstance(separation, binary.Power):
            total = total / separation.n
        if isinstance(separation, binary.LogSumExp):
            total = np.log(total) / separation.beta
        energy = binary.BinaryMemory(xi, separation).energy(states)
        assert_allclose(energy, -total, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("separation", FUNCTIONS, ids=repr)
def test_units_in_a_given_order(separation: Any, rule: str) -> None:
    """Every flip happens at the same check as by definition, also with repeated units."""
    for size, count in SIZES:
        xi, states = memories(size, count), all_states(size)
        wanted = signs(size, count, separation, rule)
        memory, name = build(xi, separation, rule)
        some = np.random.default_rng(size).integers(size, size=size + 1)
        for order, given, staleness in (
            (np.arange(size), "sweep", 0), (some, some, 0), (some, some, 1), (some, some, 7),
        ):  # fmt: skip
            recall = memory.recall(
                states, rule=name, order=given, staleness=staleness, max_sweeps=12, record=True
            )
            final, flips = one_by_one(wanted, states, order, staleness, 12)
            assert_array_equal(recall.final, final)
            assert_array_equal(recall.flips, flips.sum(0))
            events = recall.events
            cue, check = np.nonzero(flips.T)
            assert_array_equal(events.cue, cue)
            assert_array_equal(events.check, check)
            assert_array_equal(events.unit, np.tile(order, 12)[check])
            settled = recall.statuses == "settled"
            rest = look_up(wanted, final) * final
            assert (rest[settled][:, order] >= 0).all()
            assert (recall.checks[~settled] == 12 * len(order)).all()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("separation", FUNCTIONS, ids=repr)
def test_units_in_random_order(separation: Any, rule: str) -> None:
    """Each flip is one that the rule asks for, and at rest no unit wants another value."""
    for size, count in SIZES[2:]:
        xi, states = memories(size, count), all_states(size)
        wanted = signs(size, count, separation, rule)
        memory, name = build(xi, separation, rule)
        recall = memory.recall(states, rule=name, seed=size, record=True)
        events, now = recall.events, states.copy()
        for cue, unit in zip(events.cue, events.unit):
            assert look_up(wanted, now[cue])[unit] == -now[cue, unit]
            now[cue, unit] *= -1
        assert_array_equal(now, recall.final)
        settled = recall.statuses == "settled"
        if name != "gradient":
            assert settled.all()
        rest = look_up(wanted, now) * now
        assert (rest[settled] >= 0).all()


@pytest.mark.parametrize("staleness", [0, 1, 2])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("separation", FUNCTIONS, ids=repr)
def test_all_units_at_once(separation: Any, rule: str, staleness: int) -> None:
    """Same states in every sweep; cycles are found, with their period."""
    for size, count in SIZES:
        xi, states = memories(size, count), all_states(size)
        wanted = signs(size, count, separation, rule)
        memory, name = build(xi, separation, rule)
        recall = memory.recall(
            states, rule=name, order="parallel", staleness=staleness, record=True
        )
        assert set(recall.statuses) <= {"settled", "cycle"}
        sweeps, period = recall.checks // size, recall.period
        past = in_parallel(wanted, states, staleness, int((sweeps + period).max()))
        time = np.arange(len(past))[:, None]
        ran = time <= sweeps
        assert_array_equal(recall.final, past[sweeps, np.arange(len(states))])
        changed = (past[1:] != past[:-1]).sum(axis=2)
        assert_array_equal(recall.flips, (changed * ran[1:]).sum(axis=0))
        rows = int(sweeps.max()) + 1
        energy = np.where(ran, memory.energy(past), 0.0)[:rows]
        assert_allclose(np.where(ran[:rows], recall.energy[:rows], 0.0), energy, rtol=1e-14)
        # The period is the smallest shift that maps the end of the run onto itself.
        for shift in range(1, int(period.max()) + 1):
            same = (past[shift:] == past[:-shift]).all(axis=2)
            within = (time >= sweeps - staleness) & (time + shift <= sweeps + period)
            repeats = (same | ~within[:-shift]).all(axis=0)
            assert repeats[period == shift].all() and not repeats[period > shift].any()
        assert_array_equal(recall.statuses == "settled", period == 1)


@pytest.mark.parametrize("separation", FUNCTIONS, ids=repr)
def test_energy_never_rises_one_by_one(separation: Any) -> None:
    for size, count in SIZES[2:]:
        memory, states = binary.BinaryMemory(memories(size, count), separation), all_states(size)
        recall = memory.recall(states, seed=3, record=True)
        assert recall.status == "settled"
        assert (np.diff(recall.energy, axis=0) <= 0).all()
        assert_array_equal(recall.energy[-1], memory.energy(recall.final))
        # A flip lowers the energy: ties were kept.
        for b in range(len(states)):
            flips = recall.events.check[recall.events.cue == b]
            assert (np.diff(recall.energy[:, b])[flips] < 0).all()


@pytest.mark.parametrize("staleness", [0, 2])
@pytest.mark.parametrize("separation", [binary.Power(2), binary.Power(4), binary.Exponential(0.5),
                                        binary.Power(3, rectified=True)], ids=repr)  # fmt: skip
def test_gradient_rule_with_self_terms_descends_in_parallel(
    separation: Any, staleness: int
) -> None:
    """For convex F; a delay makes interleaved copies, each of which descends."""
    for size, count in SIZES:
        memory = binary.BinaryMemory(memories(size, count), separation, self_terms=True)
        recall = memory.recall(
            all_states(size), rule="gradient", order="parallel", staleness=staleness, record=True
        )
        step = recall.energy[staleness + 1 :] - recall.energy[: -staleness - 1]
        assert (step <= 0).all()
        assert recall.status == "settled"


def test_a_delay_makes_interleaved_copies() -> None:
    xi = am.patterns.random(9, 12, seed=4)
    memory = binary.BinaryMemory(xi, binary.Power(3))
    cues = am.patterns.random(20, 12, seed=5)
    prompt = memory.recall(cues, order="parallel", max_sweeps=5)
    late = memory.recall(cues, order="parallel", max_sweeps=5 * 4, staleness=3)
    assert_array_equal(prompt.final, late.final)


def test_parallel_difference_rule_has_two_cycles() -> None:
    xi = am.patterns.random(10, 30, seed=0)
    cues = am.patterns.random(100, 30, seed=1)
    recall = binary.BinaryMemory(xi).recall(cues, rule="difference", order="parallel")
    assert recall.status == "cycle"
    assert set(recall.period.tolist()) == {1, 2}
    assert "parallel" in recall.message
