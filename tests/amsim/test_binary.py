"""Binary memories: known values, large numbers, heat, seeds, and refusals."""

from __future__ import annotations

import math
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import amsim as am
from amsim.binary import (
    BinaryMemory,
    Dot,
    Exponential,
    Gaussian,
    Identity,
    Log,
    LogSumExp,
    Power,
    SquaredDistance,
)

Array = npt.NDArray[Any]


def all_states(size: int) -> Array:
    return 2 * (np.arange(2**size)[:, None] >> np.arange(size) & 1) - 1


# Known values


def test_hopfield_energy_of_one_memory() -> None:
    memory = BinaryMemory(np.ones((1, 100)))
    state = np.ones(100)
    assert memory.energy(state) == -5000.0
    state[3] = -1
    assert memory.energy(state) == -4802.0


def test_xor_needs_three_body_terms() -> None:
    xi = np.array([(a, b, a * b) for a in (-1, 1) for b in (-1, 1)])
    states = all_states(3)
    assert_array_equal(BinaryMemory(xi, Power(2)).energy(states) * 2, np.full(8, -12.0))  # F = x^2
    energy = BinaryMemory(xi, Power(3)).energy(states) * 3  # F = x^3
    assert_array_equal(energy, -24.0 * states.prod(1))


def test_hamming_code() -> None:
    words, states = am.patterns.hamming(7, 4), all_states(7)
    assert_array_equal(BinaryMemory(words, Power(2)).energy(states), np.full(128, -56.0))
    rectified = BinaryMemory(words, Power(3, rectified=True))
    distance = (7 - (states @ words.T).max(1)) / 2
    expected = np.where(distance == 0, -350 / 3, -70.0)
    assert_allclose(rectified.energy(states), expected, rtol=1e-15)
    assert_allclose(expected.min(), -116.6667, rtol=0, atol=5e-5)
    nearest = words[(states @ words.T).argmax(1)]
    for separation in (Power(3, rectified=True), Power(4), Exponential(1.0), LogSumExp(0.5)):
        recall = BinaryMemory(words, separation).recall(states)
        assert_array_equal(recall.final, nearest)
        assert_array_equal(recall.flips, distance)  # at most the bit in error
    kept = BinaryMemory(words, Power(2)).recall(states)
    assert_array_equal(kept.final, states)


def test_gradient_rule_errs_for_cubes() -> None:
    """Eight memories (1, 1, 1, -1) and one (-1, 1, 1, 1), unit 0 of the state (1, 1, 1, 1)."""
    xi = np.array([[1, 1, 1, -1]] * 8 + [[-1, 1, 1, 1]])
    state, flipped = np.ones(4), np.array([-1, 1, 1, 1])
    memory = BinaryMemory(xi, Power(3))
    assert memory.energy(flipped) - memory.energy(state) == pytest.approx(8 / 3, rel=1e-14)
    for rule in ("flip", "difference"):
        assert_array_equal(memory.recall(state, rule=rule, order=[0]).final, state)
    assert_array_equal(memory.recall(state, rule="gradient", order=[0]).final, flipped)
    for separation in (Power(2), Exponential(1.0)):
        memory = BinaryMemory(xi, separation)
        finals = [memory.recall(state, rule=rule, order=[0]).final for rule in ("flip", "gradient")]
        assert_array_equal(*finals)


def test_exponential_memory_holds_2_to_the_half_size() -> None:
    """D = 20, K = 2^10: at most 3 % of the memories have a flip that lowers the energy."""
    xi = am.patterns.random(1024, 20, seed=0)
    assert len(np.unique(xi, axis=0)) > 1015
    moved = BinaryMemory(xi, Exponential(1.0)).recall(xi, order="sweep").flips > 0
    assert moved.mean() <= 0.03


def test_scaling_keeps_every_flip() -> None:
    xi, cues = am.patterns.random(40, 24, seed=0), am.patterns.random(50, 24, seed=1)
    plain = BinaryMemory(xi, Exponential(0.4)).recall(cues, seed=2, record=True)
    scaled = BinaryMemory(xi, Exponential(0.4), scaling=Log(0.4)).recall(cues, seed=2, record=True)
    joined = BinaryMemory(xi, LogSumExp(0.4)).recall(cues, seed=2, record=True)
    for other in (scaled, joined):
        assert_array_equal(plain.events.unit, other.events.unit)
        assert_array_equal(plain.events.check, other.events.check)
    # Q(sum exp / beta) against Q(sum exp): a constant.
    assert_allclose(scaled.energy - joined.energy, math.log(0.4) / 0.4, rtol=1e-10)
    assert_allclose(scaled.energy, -np.log(-plain.energy) / 0.4, rtol=1e-13)


def test_flips_are_about_the_initial_distance() -> None:
    """Below capacity nearly every flip is a needed one."""
    xi = am.patterns.random(100, 200, seed=0)
    cues = am.patterns.corrupt(xi, flip=0.2, seed=1)
    recall = BinaryMemory(xi, Power(3)).recall(cues)
    assert_array_equal(recall.final, xi)
    assert 40 <= recall.flips.mean() < 40.5


def test_stale_reads_raise_the_energy_and_recall_the_same() -> None:
    xi = am.patterns.random(60, 100, seed=0)
    cues = am.patterns.corrupt(xi[:40], flip=0.25, seed=1)
    memory = BinaryMemory(xi, Power(3))
    flips = []
    for staleness in (0, 50, 100):
        recall = memory.recall(cues, staleness=staleness, record=True, seed=2)
        assert_array_equal(recall.final, xi[:40])
        assert (np.diff(recall.energy, axis=0) > 0).any() == (staleness > 0)
        flips.append(recall.flips.sum())
    assert flips[0] < flips[1] < flips[2] < 1.3 * flips[0]


# Similarities


def test_similarities_by_definition() -> None:
    xi, states = am.patterns.random(5, 6, seed=1), all_states(6)
    square = ((states[:, None] - xi) ** 2).sum(-1)
    for similarity, separation, expected in (
        (Dot(), Power(3), (states @ xi.T) ** 3 / 3),
        (SquaredDistance(), Power(1), -square),
        (SquaredDistance(), Exponential(0.3), np.exp(-0.3 * square) / 0.3),
        (Gaussian(1.7), Power(2), np.exp(-square / (2 * 1.7**2)) ** 2 / 2),
        (Gaussian(1.7), Exponential(2.0), np.exp(2 * np.exp(-square / (2 * 1.7**2))) / 2),
    ):
        memory = BinaryMemory(xi, separation, similarity=similarity)
        energy = memory.energy(states)
        assert_allclose(energy, -expected.sum(1), rtol=1e-13)
        ends = memory.recall(states, order="sweep")
        neighbours = np.array([memory.energy(ends.final * np.where(np.arange(6) == i, -1, 1))
                               for i in range(6)])  # fmt: skip
        assert (neighbours >= memory.energy(ends.final) - 1e-12 * abs(energy).max()).all()


@pytest.mark.parametrize("similarity", [Dot(), SquaredDistance(), Gaussian(2.0)], ids=repr)
@pytest.mark.parametrize("separation", [Power(1), Power(1, rectified=True), Power(4),
                                        Power(3, rectified=True), Exponential(0.7),
                                        LogSumExp(0.2)], ids=repr)  # fmt: skip
def test_derivatives(separation: Any, similarity: Any) -> None:
    step = Decimal("1e-6")
    for overlap in (-6, -2, 4, 8):
        x = similarity.value(overlap, 8)
        slope = (separation.value(x + step) - separation.value(x - step)) / (2 * step)
        if x != 0:  # the kink of relu, which a distance of 0 meets
            assert math.isclose(separation.derivative(x), slope, rel_tol=1e-9, abs_tol=1e-9)
        by_overlap = (similarity.value(overlap + step, 8) - similarity.value(overlap - step, 8)) / (
            2 * step
        )
        assert math.isclose(similarity.derivative(overlap, 8), by_overlap, rel_tol=1e-9)


def test_distance_is_the_dot_product_at_twice_beta() -> None:
    xi, cues = am.patterns.random(30, 20, seed=0), am.patterns.random(20, 20, seed=1)
    near = BinaryMemory(xi, LogSumExp(0.3), similarity=SquaredDistance())
    dot = BinaryMemory(xi, LogSumExp(0.6))
    assert_allclose(near.energy(cues), 2 * dot.energy(cues) + 2 * 20, rtol=1e-12)
    for rule in ("flip", "gradient"):
        assert_array_equal(near.recall(cues, rule=rule).final, dot.recall(cues, rule=rule).final)


# Large numbers


def integer_signs(xi: Array, state: Array, n: int) -> list[int]:
    """The value each unit wants under F = x^n, in integers of any size."""
    overlaps = [int(x) for x in xi @ state]
    wanted = []
    for i, s in enumerate(state):
        field = sum(
            int(row[i]) * ((x - int(row[i] * s) + 1) ** n - (x - int(row[i] * s) - 1) ** n)
            for row, x in zip(xi, overlaps)
        )
        wanted.append((field > 0) - (field < 0))
    return wanted


@pytest.mark.parametrize(("size", "n"), [(2304, 30), (784, 3), (300, 4), (64, 101), (40, 2)])
def test_decisions_are_those_of_integers(size: int, n: int) -> None:
    rng = np.random.default_rng(size)
    xi = rng.choice([-1, 1], (6, size))
    xi = np.concatenate([xi, -xi[:1], xi[1:2]])  # with cancelling rows
    for state in (xi[2] * rng.choice([1, -1], size, p=[0.8, 0.2]), rng.choice([-1, 1], size)):
        want = np.array(integer_signs(xi, state, n))
        memory = BinaryMemory(xi, Power(n))
        final = memory.recall(state, order="parallel", max_sweeps=1).final
        assert_array_equal(final, np.where(want == 0, state, want))
        exact = Fraction(-sum(int(x) ** n for x in xi @ state), n)
        assert memory.energy(state) == pytest.approx(float(exact), rel=1e-15)


def decisions(memory: BinaryMemory, rule: str, states: Array) -> list[Array]:
    """Where recalls end after few checks and many, and how many flips it took."""
    recalls = [memory.recall(states, rule=rule, max_sweeps=n, seed=3) for n in (1, 20)]
    return [part for recall in recalls for part in (recall.final, recall.flips, recall.checks)]


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("rule", ["flip", "gradient"])
def test_fields_of_small_powers_are_cubics_of_the_agreement(rule: str, n: int) -> None:
    """Many memories and random states, where fields are small and ties are common."""
    memory = BinaryMemory(am.patterns.random(1100, 65, seed=n), Power(n))
    states = am.patterns.random(20, 65, seed=0)
    found = decisions(memory, rule, states)
    ((gradient, table),) = memory._field_tables.items()
    x = np.arange(66.0)[:, None] - 32.5
    even, odd = np.asarray(x ** np.arange(4) @ table.cubics.T.astype(np.float64)).T
    # F(y + 1) - F(y - 1) or dF/dy at the overlaps y = 2 x -+ 1 without the unit.
    below, above = (
        y ** (n - 1) if gradient else ((y + 1) ** n - (y - 1) ** n) / n
        for y in (2 * x[1:-1, 0] - 1, 2 * x[1:-1, 0] + 1)
    )
    assert_allclose(even[1:-1], (below + above) / 2, rtol=1e-6, atol=1e-9)
    assert_allclose(odd[1:-1], (above - below) / 2, rtol=1e-6, atol=1e-9)
    memory._field_tables[gradient] = table._replace(cubics=table.cubics[:0])
    for one, other in zip(found, decisions(memory, rule, states), strict=True):
        assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("separation", "similarity", "options"),
    [
        (Power(3, rectified=True), Dot(), {}),  # 0 on one side
        (Power(5), Dot(), {}),
        (Power(3), SquaredDistance(), {}),  # powers of a distance, whose terms cancel
        (Power(3), Dot(), {"self_terms": True}),  # 0 in the middle
        (Exponential(0.1), Dot(), {}),
    ],
    ids=repr,
)
def test_other_fields_stand_in_tables(separation: Any, similarity: Any, options: Any) -> None:
    memory = BinaryMemory(np.ones((1, 64)), separation, similarity=similarity, **options)
    assert not len(memory._fields("gradient").cubics)


def test_steep_exponentials_neither_overflow_nor_vanish() -> None:
    xi = am.patterns.random(50, 2304, seed=0)
    cues = am.patterns.corrupt(xi[:3], flip=0.3, seed=1)
    for beta in (1.0, 50.0):
        memory = BinaryMemory(xi, LogSumExp(beta))
        recall = memory.recall(cues, record=True)
        assert_array_equal(recall.final, xi[:3])
        assert_allclose(recall.energy[-1], -2304.0, rtol=1e-14)
        # One memory counts: each needed flip lowers E by 2, and there are no others.
        assert_array_equal(recall.flips, np.full(3, 691))
        steps = np.diff(recall.energy, axis=0)
        assert_allclose(steps[steps != 0], -2.0, rtol=1e-9)
    plain = BinaryMemory(xi, Exponential(1.0))
    assert np.isneginf(plain.energy(xi[0]))
    assert_array_equal(plain.recall(cues).final, xi[:3])


def test_far_from_all_memories_still_decides() -> None:
    """From the opposite of a single memory every term is tiny, and still counts."""
    memory = BinaryMemory(np.ones((1, 900)), Exponential(2.0))
    recall = memory.recall(-np.ones(900))
    assert_array_equal(recall.final, np.ones(900))
    assert recall.flips == 900


def test_close_calls_are_not_lost_to_rounding() -> None:
    """A difference of 1 in 10^9 decides, and with it removed there is a tie."""
    rows = [[1] + [1] * 999, [-1] + [1] * 999, [1] + [1] * 500 + [-1] * 499]
    state = np.ones(1000)
    state[0] = -1
    memory = BinaryMemory(rows, Power(3))
    assert_array_equal(memory.recall(state, order=[0]).final, np.ones(1000))
    assert_array_equal(BinaryMemory(rows[:2], Power(3)).recall(state, order=[0]).final, state)


# Heat


@pytest.mark.parametrize("order", ["random", "sweep"])
@pytest.mark.parametrize(
    "separation", [Power(2), Power(3, rectified=True), LogSumExp(0.5)], ids=repr
)
def test_heat_bath_samples_boltzmann(separation: Any, order: str) -> None:
    """Frequencies of 4 units after 30 sweeps of 8000 cues, within 5 standard errors."""
    memory = BinaryMemory(am.patterns.random(2, 4, seed=5), separation)
    states = all_states(4)
    energy = memory.energy(states)
    temperature = 0.7 * float(np.ptp(energy))
    weight = np.exp(-(energy - energy.min()) / temperature)
    weight /= weight.sum()
    count = 8000
    recall = memory.recall(
        np.ones((count, 4)), temperature=temperature, order=order, max_sweeps=30, seed=1
    )
    assert recall.status == "sweep_limit"
    seen = np.bincount(((recall.final > 0) @ (1 << np.arange(4))).astype(int), minlength=16)
    spread = np.sqrt(weight * (1 - weight) / count)
    assert (np.abs(seen / count - weight) < 5 * spread).all()
    assert weight.max() > 3 * weight.min()


def test_gradient_rule_heated() -> None:
    """For n = 2 the gradient rule has the odds of the flip rule; for softmax those of LSE."""
    xi, cue = am.patterns.random(3, 6, seed=0), np.ones((4000, 6))
    for separation, slope in (
        (Power(2), lambda x: x),
        (LogSumExp(0.4), lambda x: np.exp(0.4 * x) / np.exp(0.4 * (xi @ np.ones(6))).sum()),
    ):
        memory = BinaryMemory(xi, separation)
        field = xi[:, 2] @ slope(xi @ np.ones(6) - xi[:, 2])
        recall = memory.recall(cue, rule="gradient", order=[2], temperature=1.5, max_sweeps=1)
        expected = 1 / (1 + math.exp(-2 * field / 1.5))
        spread = math.sqrt(expected * (1 - expected) / 4000)
        assert abs((recall.final[:, 2] > 0).mean() - expected) < 5 * spread


def test_cold_limit_of_heat() -> None:
    xi = am.patterns.random(5, 40, seed=0)
    cues = am.patterns.corrupt(xi, flip=0.2, seed=1)
    for separation in (Power(3), LogSumExp(1.0)):
        memory = BinaryMemory(xi, separation)
        cold = memory.recall(cues, order="sweep", max_sweeps=3)
        cool = memory.recall(cues, order="sweep", max_sweeps=3, temperature=1e-3)
        assert_array_equal(cold.final, cool.final)


# Seeds, batches, records


def test_cues_do_not_depend_on_the_batch() -> None:
    xi, cues = am.patterns.random(30, 20, seed=0), am.patterns.random(6, 20, seed=1)
    memory = BinaryMemory(xi, Power(3))
    for options in ({}, {"temperature": 30.0, "max_sweeps": 4}, {"staleness": 3}):
        all_six = memory.recall(cues, seed=7, record=True, **options)
        two = memory.recall(cues[:2], seed=7, record=True, **options)
        assert_array_equal(all_six.final[:2], two.final)
        assert_array_equal(all_six.events.unit[all_six.events.cue < 2], two.events.unit)
        again = memory.recall(cues.reshape(2, 3, 20), seed=7, **options)
        assert_array_equal(again.final.reshape(6, 20), all_six.final)
        assert again.flips.shape == again.statuses.shape == (2, 3)
    other = memory.recall(cues, seed=8, record=True)
    assert not np.array_equal(other.events.unit, memory.recall(cues, record=True).events.unit)


def test_one_cue_has_no_batch_axis() -> None:
    xi = am.patterns.random(4, 30, seed=0)
    recall = BinaryMemory(xi).recall(xi[0], record=True)
    assert recall.final.shape == (30,)
    assert recall.statuses.shape == () == recall.flips.shape
    assert recall.energy.shape == (int(recall.checks) + 1,)


def test_units_that_an_order_leaves_out_keep_their_value() -> None:
    xi = am.patterns.random(4, 30, seed=0)
    cue = am.patterns.corrupt(xi[0], flip=0.3, seed=1)
    recall = BinaryMemory(xi, Power(3)).recall(cue, order=np.arange(10, 30))
    assert_array_equal(recall.final[:10], cue[:10])
    assert_array_equal(recall.final[10:], xi[0, 10:])


def test_energy_needs_a_record() -> None:
    recall = BinaryMemory([[1, -1]]).recall([1, 1])
    with pytest.raises(ValueError, match="record=True"):
        _ = recall.energy


def test_inputs_are_left_alone() -> None:
    xi, order = am.patterns.random(4, 30, seed=0), np.arange(30)
    cue = am.patterns.corrupt(xi[0], flip=0.3, seed=1)
    kept = cue.copy()
    BinaryMemory(xi).recall(cue.astype(np.int8), order=order)
    assert_array_equal(cue, kept)
    assert_array_equal(order, np.arange(30))


def test_a_memory_is_built_without_the_compiler() -> None:
    code = (
        "import sys, amsim as am; am.binary.BinaryMemory([[1, -1]]); am.theory.capacity.k_max(9, 2)"
        "; sys.exit('numba' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Refusals


@pytest.mark.parametrize(
    ("patterns", "error"),
    [
        ([[1, 0]], ValueError), ([1, -1], ValueError), ([], ValueError),
        ([[1.0, math.nan]], ValueError), ([["a"]], TypeError), ([[True, False]], TypeError),
        ([[1, -1], [1]], ValueError),
    ],
)  # fmt: skip
def test_patterns_must_be_signs(patterns: Any, error: Any) -> None:
    with pytest.raises(error, match="patterns"):
        BinaryMemory(patterns)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"rule": "hebb"}, "rule"), ({"order": "best"}, "order"), ({"order": [0, 9]}, "order"),
        ({"order": []}, "order"), ({"order": [0.5]}, "order"), ({"staleness": -1}, "staleness"),
        ({"max_sweeps": 0}, "max_sweeps"), ({"temperature": -1.0}, "temperature"),
        ({"temperature": math.nan}, "temperature"), ({"seed": -1}, "seed"),
    ],
)  # fmt: skip
def test_options_are_checked(options: Any, word: str) -> None:
    with pytest.raises((TypeError, ValueError), match=word):
        BinaryMemory([[1, -1, 1]]).recall([1, 1, 1], **options)


def test_states_must_fit() -> None:
    memory = BinaryMemory([[1, -1, 1]])
    with pytest.raises(ValueError, match=r"states have shape \(2,\), the memories have 3 units"):
        memory.recall([1, 1])
    with pytest.raises(ValueError, match="masked"):
        memory.energy([1, 0, 1])
    with pytest.raises(TypeError, match="staleness"):
        memory.recall([1, 1, 1], staleness=1.5)  # type: ignore[arg-type]


def test_parts_are_checked() -> None:
    with pytest.raises(ValueError, match="n must be a whole number from 1"):
        Power(0)
    with pytest.raises(TypeError, match="whole number"):
        Power(2.5)  # type: ignore[arg-type]
    for part in (Exponential, LogSumExp, Gaussian, Log):
        with pytest.raises(ValueError, match="must be a finite number >= "):
            part(-1.0)
    with pytest.raises(TypeError, match="separation"):
        BinaryMemory([[1]], Power)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="scaling"):
        BinaryMemory([[1]], scaling=Power(2))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="own logarithm"):
        BinaryMemory([[1]], LogSumExp(), scaling=Identity())
    with pytest.raises(ValueError, match="not positive"):
        BinaryMemory([[1, 1, 1]], Power(3), scaling=Log()).energy([-1, -1, -1])


# Interruption


@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("order", ["random", "parallel"])
def test_ctrl_c_keeps_the_cues_that_have_ended(
    monkeypatch: pytest.MonkeyPatch, order: str, record: bool
) -> None:
    """Those are as in the whole run, the others as given; the same where only one more came."""
    from amsim.binary import loops
    from amsim.binary import memory as module

    memory = BinaryMemory(am.patterns.random(4, 24, seed=1))
    cues = am.patterns.corrupt(am.patterns.random(4, 24, seed=1), flip=0.2, seed=2)
    options: dict[str, Any] = {"order": order, "record": record, "seed": 5}
    whole = memory.recall(cues, **options)
    monkeypatch.setattr(module, "_CHECKS", 1)  # a cue at a time
    name = "all_at_once" if order == "parallel" else "one_by_one"
    for fails, kept in ((3, 2), (1, 0)):
        calls, real = iter(range(1, 100)), getattr(loops, name)

        def interrupted(*given: Any, calls: Any = calls, real: Any = real, at: int = fails) -> None:
            if next(calls) == at:
                raise KeyboardInterrupt
            real(*given)

        with monkeypatch.context() as patch:
            patch.setattr(loops, name, interrupted)
            part = memory.recall(cues, **options)
        assert part.statuses.tolist() == [*whole.statuses[:kept], *["interrupted"] * (4 - kept)]
        assert part.message.startswith(f"interrupted: {kept} of 4 cues have ended, {4 - kept} were")
        assert_array_equal(part.final[:kept], whole.final[:kept])
        assert_array_equal(part.final[kept:], cues[kept:])
        assert_array_equal(part.settle_times, [*whole.settle_times[:kept], *[np.nan] * (4 - kept)])
        if record:
            length = len(part.energy)
            assert_array_equal(part.energy[:, :kept], whole.energy[:length, :kept])
            assert_array_equal(part.energy[:, kept:], np.tile(whole.energy[0, kept:], (length, 1)))
            assert_array_equal(part.events.unit, whole.events.unit[whole.events.cue < kept])


def test_ctrl_c_while_energies_are_computed_leaves_out_these_cues(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second one leaves no energies of cues that were not reached."""
    from amsim.binary import kernels
    from amsim.binary import memory as module

    memory = BinaryMemory(am.patterns.random(4, 24, seed=1))
    cues = am.patterns.corrupt(am.patterns.random(4, 24, seed=1), flip=0.2, seed=2)
    whole = memory.recall(cues, record=True)
    monkeypatch.setattr(module, "_CHECKS", 1)  # a cue at a time
    for again in (False, True):
        calls, real = iter(range(8)), kernels.energies_along

        def interrupted(
            *given: Any, calls: Any = calls, real: Any = real, again: bool = again
        ) -> None:
            call = next(calls)
            if call == 2 or (again and call == 4):
                raise KeyboardInterrupt
            real(*given)

        with monkeypatch.context() as patch:
            patch.setattr(kernels, "energies_along", interrupted)
            part = memory.recall(cues, record=True)
        assert part.statuses.tolist() == ["settled", "settled", "interrupted", "interrupted"]
        assert_array_equal(part.final, [*whole.final[:2], *cues[2:]])
        length = len(part.energy)
        assert_array_equal(part.energy[:, :2], whole.energy[:length, :2])
        first = np.full(2, np.nan) if again else whole.energy[0, 2:]
        assert_array_equal(part.energy[:, 2:], np.tile(first, (length, 1)))


@pytest.mark.parametrize("order", ["random", "parallel"])
def test_a_record_with_too_little_room_is_made_again(
    order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from amsim.binary import replay

    memory = BinaryMemory(am.patterns.random(4, 24, seed=1))
    cues = am.patterns.random(7, 24, seed=2)
    options: dict[str, Any] = {"order": order, "temperature": 30.0, "max_sweeps": 20, "seed": 3}
    whole = memory.recall(cues, record=True, **options)
    monkeypatch.setattr(replay, "_ROOM", 0)
    again = memory.recall(cues, record=True, **options)
    assert whole.flips.max() > 48  # more than there is room for at first
    for name in ("final", "flips", "energy"):
        assert_array_equal(getattr(again, name), getattr(whole, name))
    for name in ("cue", "check", "unit"):
        assert_array_equal(getattr(again.events, name), getattr(whole.events, name))
    assert_array_equal(whole.final, memory.recall(cues, **options).final)


# Clamped units


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"order": "sweep"},
        {"order": "parallel", "rule": "gradient"},
        {"order": np.arange(30)[::-1]},
        {"timing": am.Timing(clock=am.Poisson(1.0), delay=0.2)},
    ],
    ids=repr,
)
def test_the_other_units_settle_around_clamped_ones(how: dict[str, Any]) -> None:
    patterns = am.patterns.random(3, 30, seed=0)
    memory = BinaryMemory(patterns, Power(3), self_terms=True)
    cues = am.patterns.random(20, 30, seed=1)
    clamped = np.arange(30) % 3 == 0
    recall = memory.recall(cues, clamp=clamped, record=True, **how)
    assert recall.status == "settled"
    assert_array_equal(recall.final[:, clamped], cues[:, clamped])
    assert (memory.recall(cues, **how).final[:, clamped] != cues[:, clamped]).any()
    assert not clamped[recall.events.unit].any()
    energy = memory.energy(recall.final)
    assert_allclose(recall.energy[-1], energy)
    if "rule" in how:
        fields = (recall.final @ patterns.T) ** 2 @ patterns
        assert (fields * recall.final >= 0)[:, ~clamped].all()
        return
    for unit in np.flatnonzero(~clamped):  # none of them would go down by a flip
        flipped = recall.final.copy()
        flipped[:, unit] *= -1
        assert (memory.energy(flipped) >= energy - 1e-9).all()


def test_clamped_units_are_those_that_an_order_leaves_out() -> None:
    memory = BinaryMemory(am.patterns.random(3, 30, seed=0))
    cues = am.patterns.random(4, 30, seed=1)
    clamp, rest = memory.recall(cues, clamp=range(9), order="sweep"), np.arange(9, 30)
    order = memory.recall(cues, order=rest)
    assert_array_equal(clamp.final, order.final)
    assert_array_equal(clamp.checks, order.checks)
    with pytest.raises(ValueError, match=r"^clamp leaves no unit"):
        memory.recall(cues, clamp=np.arange(9, 30), order=rest)
