"""Steps in plain Python: the same as the compiled ones, up to rounding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import amsim as am
from amsim.compiled.jit import compiled
from amsim.dynamics import interpreted, run

SEED = 3
PATTERNS = am.patterns.random(6, 24, seed=SEED)
CUES = am.patterns.corrupt(PATTERNS[:3], flip=0.2, seed=SEED)


def memory(**settings: Any) -> am.Network:
    return am.dense_am(PATTERNS, **{"hidden": am.Softmax(0.5), **settings})


def three_layers() -> am.Network:
    rng = np.random.default_rng(SEED)
    return am.Network(
        {
            "visible": am.Layer(24, am.Tanh(), tau=np.linspace(0.5, 2.0, 24)),
            "middle": am.Layer(10, am.Sigmoid(), tau=0.3),
            "top": am.Layer(4, am.Softmax(2.0), tau=0.1),
        },
        [
            am.Dense(0.2 * rng.standard_normal((10, 24)), between=("middle", "visible")),
            am.Dense(0.3 * rng.standard_normal((4, 10)), between=("top", "middle")),
        ],
    )


def start_of_memories() -> dict[str, Any]:
    return {"visible": CUES, "hidden": np.ones((3, 6))}


CASES: dict[str, Callable[[], am.Trajectory]] = {
    "softmax": lambda: am.simulate(memory(), CUES),
    "algebraic memories": lambda: am.simulate(memory(tau_hidden=0.0), CUES),
    "memories with a start": lambda: am.simulate(memory(), start_of_memories()),
    "nearly equal rates": lambda: am.simulate(memory(tau_hidden=1.0 + 1e-7), CUES),
    "separable": lambda: am.simulate(memory(hidden=am.Tanh(0.1)), CUES, t1=5.0),
    "rectified": lambda: am.simulate(memory(hidden=am.RectifiedPower(2.5)), 0.01 * CUES, t1=1.0),
    "clamped": lambda: am.simulate(memory(), CUES, clamp=[0, 5]),
    "entmax": lambda: am.simulate(memory(hidden=am.Entmax(1.5, 0.5)), CUES),
    "sparsemax": lambda: am.simulate(memory(hidden=am.Entmax(2.0, 0.1), tau_hidden=0.0), CUES),
    "recorded": lambda: am.simulate(memory(), CUES, times=[0.0, 0.1, 0.5, 3.0], until=None),
    "general": lambda: am.simulate(three_layers(), CUES),
    "driven": lambda: am.simulate(memory(), CUES, inputs=lambda t: np.sin(t), t1=3.0),
    "diverging": lambda: am.simulate(memory(hidden=am.RectifiedPower(4)), 10.0 * CUES),
}


@pytest.fixture
def choose(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    def chosen(plain: bool) -> None:
        monkeypatch.setattr(run, "_LOADED", set())
        monkeypatch.setattr(run, "preferred", lambda *_: plain)
        monkeypatch.setattr(run, "exhausted", lambda *_: False)

    return chosen


@pytest.mark.filterwarnings("ignore::amsim.errors.GuaranteeWarning")
@pytest.mark.parametrize("case", CASES)
def test_interpreted_steps_equal_compiled_ones(case: str, choose: Callable[[bool], None]) -> None:
    choose(True)
    plain = CASES[case]()
    choose(False)
    fast = CASES[case]()
    np.testing.assert_array_equal(plain.statuses, fast.statuses)
    np.testing.assert_allclose(
        plain.stats["rhs_per_cue"], fast.stats["rhs_per_cue"], rtol=0.02, atol=2
    )
    times = min(len(plain.times), len(fast.times)) - 1  # the last one is where the run ended
    for name in fast:
        # Rounding moves the steps a little, and with them what is left of the error, 1e-6.
        np.testing.assert_allclose(plain[name][:times], fast[name][:times], rtol=1e-7, atol=1e-7)


def test_compiled_code_takes_over_in_the_midst(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def exhausted(steps: int, work: float) -> bool:
        asked.append(steps)
        return True

    monkeypatch.setattr(run, "_LOADED", set())
    monkeypatch.setattr(run, "preferred", lambda *_: True)
    monkeypatch.setattr(run, "exhausted", exhausted)
    monkeypatch.setattr(run, "_SLOW_CHUNK", 7)
    mixed = am.simulate(memory(), CUES)
    assert asked == [21]  # seven steps of three cues, and no more
    monkeypatch.setattr(run, "preferred", lambda *_: False)
    np.testing.assert_allclose(
        mixed.final["visible"], am.simulate(memory(), CUES).final["visible"], atol=1e-7
    )


class TestChoice:
    """Which code a run begins with."""

    @pytest.fixture(autouse=True)
    def fresh(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(interpreted, "_taken", 0.0)

    @pytest.fixture
    def function(self) -> Any:
        """Compiled never, in this process or before."""
        return compiled(lambda x: x)

    def test_small_jobs_do_not_wait(self, function: Any) -> None:
        assert interpreted.preferred(function, (1.0,), 1e4, 8)

    def test_large_jobs_compile(self, function: Any) -> None:
        assert not interpreted.preferred(function, (1.0,), 1e4, 1000)
        assert not interpreted.preferred(function, (1.0,), 1e9, 1)

    def test_many_small_jobs_compile(self, function: Any) -> None:
        jobs = 0
        while interpreted.preferred(function, (1.0,), 1e4, 8):
            interpreted.exhausted(400, 1e4)
            jobs += 1
        assert 5 < jobs < 20
        assert interpreted.exhausted(2000, 1e4)

    def test_compiled_code_is_used_for_the_types_that_it_has(self, function: Any) -> None:
        function(1.0)
        assert not interpreted.preferred(function, (1.0,), 1e4, 8)
        assert interpreted.preferred(function, (1,), 1e4, 8)

    def test_without_numba_all_runs_are_interpreted(self) -> None:
        assert interpreted.preferred(lambda: None, (), 1e9, 1000)
