"""Arguments of public callables: answers, or refusals in our words, at random and one by one."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import amsim as am
import hardware as hw

PATTERNS = am.patterns.random(4, 16, seed=0)
BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "fuzz_arguments.py"


def fuzz() -> ModuleType:
    """The command as a module."""
    spec = importlib.util.spec_from_file_location("fuzz_arguments", BENCHMARK)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_arguments"] = module
    spec.loader.exec_module(module)
    return module


def test_random_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command = fuzz()
    outcomes = [command.outcome(*command.draw(1, number)) for number in range(400)]
    refused = [x for x in outcomes if x.kind != "answer"]
    crashed = [x for x in refused if x.kind == "crash"]
    assert not crashed
    own = sum(x.kind == "own words" for x in refused)
    assert own > 0.98 * len(refused)
    assert os.getcwd() == str(tmp_path)


def test_every_public_callable_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert fuzz().without_recipe() == []


def test_networks_plans_and_states_are_asked_for_in_words() -> None:
    net, plan = am.dense_am(PATTERNS), hw.compile(am.dense_am(PATTERNS))
    loss, events = am.learning.SquaredError("visible", PATTERNS), hw.Events([0.1], [2], [0.5])
    labels = am.learning.CrossEntropy("visible", [0, 1, 2, 3], units=[0, 20])
    traj = am.simulate(net, PATTERNS[0])
    wrong: Any = object()
    for call, words in (
        (lambda: am.learning.gradient(wrong, PATTERNS, loss), "net must be a Network"),
        (lambda: am.recall_on_chip(wrong, PATTERNS, PATTERNS, am.Fabric()), "net must be"),
        (lambda: am.Mismatch(bias=0.1).of(wrong), "network must be a Network"),
        (lambda: traj.continued(wrong), "network must be a Network"),
        (lambda: traj.nearest(PATTERNS, layer=wrong), "layer must be text"),
        (lambda: am.plot.raster(wrong), "traj must be what simulate returns"),
        (lambda: loss.value(wrong), "states must be a mapping"),
        (lambda: loss.value({}), "states have no layer 'visible'"),
        (lambda: loss.value({"visible": np.ones((4, 3))}), "does not fit"),
        (lambda: labels.gradient({"visible": PATTERNS}), "not among the 16 units"),
        (lambda: am.learning.SquaredError("visible", 1.0, units=np.array(2)), "units must be"),
        (lambda: am.learning.train(net, PATTERNS, loss, validate=wrong), "validate must be"),
        (lambda: events.integers(wrong, 9), "plan must be"),
        (lambda: events.integers(plan, 2**40), "what arrives would have"),
        (lambda: events.by_period(plan, "visible", wrong), "steps must be"),
        (lambda: hw.Events.from_integers(plan, [[1]], wrong), "layer must be"),
        (lambda: hw.Events.read_aer("x.npz", wrong, unit=1.0, charge=1.0), "shape must be"),
        (lambda: hw.run(plan, PATTERNS, record=np.array("visible")), "record must be"),
    ):
        with pytest.raises((TypeError, ValueError), match=words):
            call()


def test_a_recording_of_one_event_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "one.npz", x=[3], y=[1], t=[2_000_000], p=[0])
    events = hw.Events.read_aer(tmp_path / "one.npz", (2, 4), unit=1.0, charge=0.5)
    assert (events.times, events.units, events.values) == ([2.0], [7], [-0.5])


def test_separated_beta_of_extremes() -> None:
    beta = am.theory.capacity.separated_beta
    for scale in (1e-45, 1e45):  # the separation goes as the square of the length
        assert beta(64.0 * scale**2, 10, 8.0 * scale) * scale**2 == pytest.approx(
            beta(64.0, 10, 8.0)
        )
    assert beta(64.0, 10, 1e-300) == 0.0  # the square of the length underflows


# Data that would be read as something else


def test_masked_complex_and_boolean_data_are_refused() -> None:
    masked = np.ma.masked_array(PATTERNS[0], mask=np.arange(16) < 8)
    for call in (
        lambda: am.patterns.overlap(masked, PATTERNS),
        lambda: am.patterns.overlap(PATTERNS[0] + 5j, PATTERNS),
        lambda: am.patterns.overlap(np.zeros(16, "datetime64[s]"), PATTERNS),
        lambda: am.patterns.overlap(["1"] * 16, PATTERNS),
        lambda: am.patterns.corrupt(PATTERNS + 5j),
        lambda: am.patterns.corrupt(PATTERNS > 0, flip=1.0),
        lambda: am.models.attention(PATTERNS + 5j, PATTERNS, PATTERNS),
        lambda: am.dense_am(np.ma.masked_array(PATTERNS, mask=PATTERNS > 0)),
        lambda: am.simulate(am.dense_am(PATTERNS), masked),
        lambda: hw.run(hw.compile(am.dense_am(PATTERNS)), masked),
    ):
        with pytest.raises(TypeError, match=r"masked|real numbers"):
            call()


def test_objects_are_not_tested_for_truth() -> None:
    for call in (
        lambda: am.dense_am(PATTERNS, hidden=""),  # type: ignore[arg-type]
        lambda: am.dense_am(PATTERNS, visible=0),  # type: ignore[arg-type]
        lambda: am.Settled(certified="no"),  # type: ignore[arg-type]
        lambda: am.models.model_a(PATTERNS, hidden=0),  # type: ignore[arg-type]
        lambda: am.simulate(am.dense_am(PATTERNS), PATTERNS[0], seed=None),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError):
            call()


def test_zeros_and_ones_are_no_mask() -> None:
    net = am.dense_am([[1.0, -1.0, 1.0, -1.0]])
    with pytest.raises(ValueError, match="pass them as booleans"):
        am.simulate(net, [1.0, -1.0, 1.0, 1.0], clamp=[0, 1, 1, 0])
    free = am.simulate(net, [1.0, -1.0, 1.0, 1.0], clamp=[])
    np.testing.assert_array_equal(
        free.final["visible"], am.simulate(net, [1.0, -1.0, 1.0, 1.0]).final["visible"]
    )


def test_seeds_are_one_rule() -> None:
    net, cue = am.dense_am(PATTERNS), PATTERNS[0]
    solver = am.EventDriven(1e-2, am.Timing(delay=0.1, jitter=0.5))

    def run(seed: object) -> np.ndarray:
        traj = am.simulate(net, cue, solver=solver, seed=seed, t1=2.0)  # type: ignore[arg-type]
        return traj.final["visible"]

    for seed in (3, np.random.SeedSequence(3)):
        np.testing.assert_array_equal(run(seed), run(seed))
        for draw in (
            lambda seed: am.patterns.random(2, 9, seed),
            lambda seed: am.patterns.corrupt(PATTERNS, flip=0.3, noise=0.1, seed=seed),
            lambda seed: am.models.diffusion_memory(PATTERNS).draw(3, 0.5, seed),
            lambda seed: (
                am.models.random_feature_memory(PATTERNS, 1.0, n_features=5, seed=seed).omega
            ),
        ):
            np.testing.assert_array_equal(draw(seed), draw(seed))
    rng = np.random.default_rng(3)
    assert (am.patterns.random(2, 9, rng) != am.patterns.random(2, 9, rng)).any()


# Counts and extremes


@pytest.mark.parametrize("number", [2**63, 10**30])
def test_counts_that_no_run_reaches_are_refused(number: int) -> None:
    plan, memory = hw.compile(am.dense_am(PATTERNS)), am.binary.BinaryMemory(PATTERNS)
    for call in (
        lambda: am.EventDriven(max_events=number),
        lambda: hw.run(plan, PATTERNS, steps=number),
        lambda: memory.recall(PATTERNS, max_sweeps=number),
        lambda: memory.recall(PATTERNS, staleness=number),
        lambda: am.models.clustering.recall(PATTERNS, PATTERNS, beta=1.0, steps=number),
        lambda: am.stability.delay_spectrum(plan.network, PATTERNS[0], 0.1, count=number),
    ):
        with pytest.raises(ValueError, match=r"must be a whole number from 1 to|0 to"):
            call()


@pytest.mark.parametrize("clock", [am.Poisson(1e30), am.Periodic(1e-30)])
def test_clocks_that_never_end_are_refused(clock: am.Poisson | am.Periodic) -> None:
    solver = am.EventDriven(timing=am.Timing(clock=clock))
    with pytest.raises(ValueError, match=r"more than 1e\+06 ticks within the smallest tau"):
        am.simulate(am.dense_am(PATTERNS), PATTERNS[0], solver=solver)


@pytest.mark.parametrize("size", [1e-300, 1e300, 1e200])
def test_extremes_have_an_answer_or_a_range(size: float) -> None:
    def answer(call: object) -> None:
        try:
            value, said = call(), ""  # type: ignore[operator]
        except (ValueError, TypeError) as error:
            value, said = 0.0, str(error)
        assert not said or any(word in said for word in ("1e", "range", "bits", "finite"))
        assert np.isfinite(np.asarray(value, dtype=float)).all()

    net = am.dense_am(PATTERNS)
    for call in (
        lambda: hw.compile(am.dense_am(PATTERNS * size, hidden=am.Softmax(1.0))).weight_scale,
        lambda: am.models.circle_radius(size),
        lambda: am.models.circle_energy(1.0, size),
        lambda: am.models.attention(PATTERNS * size, PATTERNS * size, PATTERNS),
        lambda: am.patterns.overlap(PATTERNS * size, PATTERNS),
        lambda: am.patterns.corrupt(PATTERNS, noise=size),
        lambda: am.simulate(
            am.dense_am(PATTERNS, tau_visible=size, tau_hidden=size), PATTERNS[0]
        ).final["visible"],
        lambda: am.simulate(net, PATTERNS[0] * size).final["visible"],
        lambda: am.Softmax(size).value(PATTERNS[0]),
        lambda: am.Exponential(size).activation(PATTERNS[0]),
        *(
            lambda part=part: am.binary.BinaryMemory(PATTERNS, part(size)).recall(PATTERNS).final
            for part in (am.binary.Exponential, am.binary.LogSumExp)
        ),
    ):
        answer(call)


# Small inconsistencies


def test_numpy_scalars_are_numbers(tmp_path: Path) -> None:
    plan = hw.compile(am.dense_am(PATTERNS), weight_bits=np.int64(8), dt=np.float32(0.05))
    plan.save(tmp_path / "plan.json")
    assert type(plan.weight_bits) is int
    assert hw.Plan.load(tmp_path / "plan.json") == plan
    with pytest.raises(TypeError, match=r"weight_bits must be a whole number .* got 8\.0"):
        hw.compile(am.dense_am(PATTERNS), weight_bits=8.0)  # type: ignore[arg-type]


def test_the_overlap_of_an_only_layer_needs_no_name() -> None:
    net = am.Network({"v": am.Layer(16, am.Tanh())}, [])
    assert am.simulate(net, PATTERNS[0]).overlap(PATTERNS).shape[-1] == 4


def test_an_array_has_no_layer_in_energy() -> None:
    with pytest.raises(TypeError, match="states must be a mapping of layer names"):
        am.dense_am(PATTERNS).energy(PATTERNS[0])  # type: ignore[arg-type]


def test_a_path_needs_a_name() -> None:
    plan = hw.compile(am.dense_am(PATTERNS))
    with pytest.raises(ValueError, match="path must be a path with a name"):
        hw.export.nir(plan, "", lossy="metadata")


# Weights


def test_weights_of_a_layer_with_itself_are_symmetric() -> None:
    for make in (
        lambda: am.Dense([[0.0, 1.0], [0.0, 0.0]], between=("x", "x")),
        lambda: am.Dense(np.array([[0, 1], [2, 0]], np.int8), between=("x", "x")),
        lambda: am.MultiBody([[0.0, 1.0], [0.0, 0.0]], between=("x", "x")),
        lambda: am.MultiBody(np.arange(8.0).reshape(2, 2, 2), between=("x", "y", "x")),
    ):
        with pytest.raises(ValueError, match="must be symmetric"):
            make()
    patterns = np.random.default_rng(0).normal(size=(500, 40))
    rounded = sum(np.outer(row, 1.1 * row) for row in patterns)
    am.Dense(rounded, between=("x", "x"))
    am.Dense(rounded.astype(np.float32), between=("x", "x"))
    with pytest.raises(ValueError, match=r"\(W \+ W\.T\) / 2"):
        am.Dense(rounded + 1e-6 * np.tri(40), between=("x", "x"))
