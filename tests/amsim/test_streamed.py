"""Memories in a file: never copied, read once a step for all cues, and recalled as those in RAM."""

from __future__ import annotations

import os
import pickle
import platform
import subprocess
import sys
import tracemalloc
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info

import amsim as am
from amsim.checks import is_mapped
from amsim.dynamics import streamed
from amsim.dynamics.build_problem import build_problem
from amsim.dynamics.streamed import StreamedRun

COUNT, UNITS, CUES = 20_000, 8, 19  # more than a part of memories, and than a group of cues


def stored(kind: str, count: int = COUNT, units: int = UNITS) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(7)
    patterns = rng.choice([-1.0, 1.0], (count, units))
    return (
        patterns if kind == "int8" else patterns + 0.1 * rng.normal(size=patterns.shape)
    ).astype(kind)


@pytest.fixture
def mapped(tmp_path: Any) -> Any:
    def make(patterns: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.npy"  # one that is mapped must stay
        np.save(path, patterns)
        return np.load(path, mmap_mode="r")

    return make


def memory(patterns: Any, tau: float = 0.1) -> am.Network:
    return am.dense_am(patterns, hidden=am.Softmax(16 / UNITS), tau_hidden=tau)


def cues(patterns: Any, count: int = CUES) -> Any:
    return am.patterns.corrupt(patterns[:count].astype(float), noise=0.3, seed=0)


# Tolerances below what the compiled drive leaves out of a softmax.
TIGHT = am.ExponentialIntegrator(rtol=1e-10, atol=1e-12)
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "clamped": {"clamp": np.arange(UNITS) < 3},
    "driven": {"inputs": np.linspace(-1, 1, UNITS)},
    "jumping": {"inputs": am.PiecewiseConstant([1.0, 2.0], [np.ones(UNITS), np.zeros(UNITS)])},
}


@pytest.mark.parametrize("tau", [0.0, 0.1])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_file_is_recalled_as_an_array(mapped: Any, options: Any, tau: float) -> None:
    """Double precision: an independent route to the same steps."""
    patterns = stored("float64", 700)
    ours, other = memory(mapped(patterns), tau), memory(patterns, tau)
    found = am.simulate(ours, cues(patterns), t1=20.0, until=None, solver=TIGHT, **options)
    exact = am.simulate(other, cues(patterns), t1=20.0, until=None, solver=TIGHT, **options)
    for layer in ("visible", "hidden"):
        np.testing.assert_allclose(found[layer], exact[layer], rtol=0, atol=1e-8)
    np.testing.assert_array_equal(found.codes, exact.codes)


@pytest.mark.parametrize("kind", ["int8", "float32"])
def test_compact_files(mapped: Any, kind: str) -> None:
    """Products in float32 first, in float64 at the end."""
    patterns = stored(kind)
    found = am.simulate(memory(mapped(patterns)), cues(patterns))
    exact = am.simulate(memory(patterns), cues(patterns))
    assert found.status == exact.status == "settled"
    np.testing.assert_allclose(found.final["visible"], exact.final["visible"], rtol=0, atol=2e-6)
    residual = memory(patterns).force(dict(found.final))
    assert max(np.abs(force).max() for force in residual.values()) <= 1e-6


def test_memories_that_start_elsewhere(mapped: Any) -> None:
    patterns = stored("float64", 300)
    start = {"visible": cues(patterns, 3), "hidden": np.linspace(-1, 1, 900).reshape(3, 300)}
    found = am.simulate(memory(mapped(patterns)), start, t1=10.0, solver=TIGHT)
    exact = am.simulate(memory(patterns), start, t1=10.0, solver=TIGHT)
    np.testing.assert_allclose(found["hidden"], exact["hidden"], rtol=0, atol=1e-9)


def test_bits_depend_neither_on_the_batch_nor_on_the_workers(
    mapped: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor on where the memories are, if they are large."""
    monkeypatch.setattr(streamed, "_PART", 1 << 15)  # five parts
    patterns = stored("int8")
    net, given = memory(mapped(patterns)), cues(patterns)
    every = am.simulate(net, given, t1=2.0, times=[1.0, 2.0])
    both = am.simulate(net, given, t1=2.0, times=[1.0, 2.0], workers=3)
    np.testing.assert_array_equal(every["visible"], both["visible"])
    for b in (0, CUES - 1):
        alone = am.simulate(net, given[b], t1=2.0, times=[1.0, 2.0], workers=2)
        np.testing.assert_array_equal(alone["visible"], every["visible"][:, b])
    monkeypatch.setattr(streamed, "_LARGE", 1)
    inside = am.simulate(memory(patterns), given, t1=2.0, times=[1.0, 2.0], workers=2)
    np.testing.assert_array_equal(inside["visible"], every["visible"])


def test_one_pass_serves_all_cues(mapped: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[int] = []
    each = StreamedRun.each_part

    def counted(run: StreamedRun, part: Any) -> Any:
        passes.append(len(run.steps.x))
        return each(run, part)

    monkeypatch.setattr(StreamedRun, "each_part", counted)
    patterns = stored("float64", 300)
    traj = am.simulate(memory(mapped(patterns), 0.0), cues(patterns), t1=5.0)
    assert set(passes) == {CUES}
    assert len(passes) <= int(traj.stats["rhs_per_cue"].max()) + 1 < traj.stats["rhs"] / 10


@pytest.mark.parametrize("tau", [0.0, 0.1], ids=["algebraic", "slow"])
@pytest.mark.parametrize("solver", [None, am.FixedPoint(3)], ids=["ode", "updates"])
def test_no_second_copy(mapped: Any, solver: Any, tau: float) -> None:
    """Nor a state of each memory and cue, unless it is asked for."""
    patterns = stored("float32", 400_000)
    file = mapped(patterns)
    given = cues(patterns, 12)
    am.simulate(memory(mapped(stored("float32", 500))), given, t1=0.01)  # compiled by now
    tracemalloc.start()
    net = am.dense_am(file, hidden=am.Softmax(1.0), tau_hidden=tau)
    start = tracemalloc.get_traced_memory()[1]
    traj = am.simulate(net, given, t1=0.01, until=None, solver=solver)
    assert np.isfinite(traj["visible"][-1]).all()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.shares_memory(net.synapses[0].weights, file)
    own = 8 * len(patterns)  # bytes of one number a memory: bias, tau, what describes a layer
    assert start < 4 * own + 2e7 and peak < 8 * own + 4e7 < patterns.nbytes * 6


def test_what_is_kept_and_what_is_copied(mapped: Any, tmp_path: Any) -> None:
    patterns = stored("float32", 50)
    file = mapped(patterns)
    assert is_mapped(file) and is_mapped(file[3:]) and not is_mapped(patterns)
    for mode in ("r+", "c"):
        writable = np.load(tmp_path / "0.npy", mmap_mode=mode)
        assert not np.shares_memory(memory(writable).synapses[0].weights, writable)
    for other in (file[::2], file.T.reshape(50, UNITS), file.astype(np.float16)):
        net = memory(other)
        assert not is_mapped(net.synapses[0].weights)
        np.testing.assert_array_equal(net.synapses[0].weights, other)
    weights = memory(file).synapses[0].weights
    with pytest.raises(ValueError, match="read-only"):
        weights[0, 0] = 2.0
    again = pickle.loads(pickle.dumps(memory(file)))
    np.testing.assert_array_equal(again.synapses[0].weights, patterns)


def test_bad_numbers_far_back_are_found(mapped: Any) -> None:
    patterns = stored("float32", 300_000)
    patterns[-1, -1] = np.nan
    with pytest.raises(ValueError, match="must be finite"):
        memory(mapped(patterns))
    patterns = stored("float64", 300_000)
    patterns[-1, -1] = 1e200
    with pytest.raises(ValueError, match="rescale"):
        memory(mapped(patterns))


def test_the_bar_says_how_fast_it_reads(mapped: Any) -> None:
    patterns = stored("float64", 30)
    problem, _ = build_problem(memory(mapped(patterns)), patterns[0], t1=1.0)
    run = StreamedRun(problem, 1e-6, 1e-9, 100)
    run.outputs = np.empty((1, 200, 2 * UNITS))
    run.prepare()
    run.sweep(3)
    assert run.besides().startswith(", 3 passes at ")


@pytest.mark.parametrize("solver", [None, am.FixedPoint()], ids=["ode", "updates"])
def test_single_precision_throughout(mapped: Any, solver: Any) -> None:
    """As near to rest as was asked for, and as far from float64 as float32 is."""
    patterns = stored("float64")
    net = memory(mapped(patterns))
    until = am.Settled(1e-4)
    found = am.simulate(net, cues(patterns), solver=solver, until=until, dtype="float32")
    exact = am.simulate(net, cues(patterns), solver=am.FixedPoint())
    assert found.status == "settled"
    apart = np.abs(found.final["visible"] - exact.final["visible"]).max()
    assert 1e-9 < apart < 2e-4
    residual = net.force(dict(found.final))
    assert max(np.abs(force).max() for force in residual.values()) <= 1.1e-4


def test_what_single_precision_does_not_serve_is_refused(mapped: Any) -> None:
    patterns = stored("int8")
    net = memory(mapped(patterns))
    for options, words in (
        ({}, "until=Settled"),
        ({"solver": "RK45"}, "has float64 alone"),
        ({"until": None, "solver": TIGHT}, "rtol is 1e-10"),
        ({"until": None, "dtype": "int8"}, "must be 'float32' or 'float64'"),
        ({"until": None, "inputs": lambda t: np.zeros(UNITS)}, "constant inputs"),
    ):
        with pytest.raises(ValueError, match=words):
            am.simulate(net, cues(patterns), **{"dtype": np.float32, **options})


ELSEWHERE = """
import sys, numpy as np, amsim as am
from threadpoolctl import threadpool_info
print([found["architecture"] for found in threadpool_info() if found["user_api"] == "blas"][0])
net = am.dense_am(np.load(sys.argv[1], mmap_mode="r"), hidden=am.Softmax(2.0), tau_hidden=0.1)
cues = np.random.default_rng(0).normal(size=(16, net.layers["visible"].size))
every = am.simulate(net, cues, t1=1.0, until=None, dtype="float32")["visible"]
for b in (0, 15):  # kernels for Haswell treat the last four of sixteen rows as others
    alone = am.simulate(net, cues[b], t1=1.0, until=None, dtype="float32")["visible"]
    print(np.array_equal(alone, every[:, b]))
"""


def test_bits_with_the_kernels_of_another_processor(tmp_path: Any) -> None:
    """OpenBLAS chooses its kernels by the processor, and they tile rows in their own ways."""
    blas = [found for found in threadpool_info() if found["user_api"] == "blas"]
    if platform.machine() not in ("x86_64", "AMD64") or blas[0]["internal_api"] != "openblas":
        pytest.skip("other kernels can be asked for in OpenBLAS on x86 alone")
    np.save(tmp_path / "patterns.npy", stored("float64", 500))
    command = [sys.executable, "-c", ELSEWHERE, str(tmp_path / "patterns.npy")]
    found = subprocess.run(
        command, env=os.environ | {"OPENBLAS_CORETYPE": "Haswell"}, capture_output=True, text=True
    )
    assert found.stdout.split() == ["Haswell", "True", "True"], found.stderr
