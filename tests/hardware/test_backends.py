"""Backends that are there, that are not, and that others bring."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, EntryPoints

import numpy as np
import pytest

import amsim as am
import hardware as hw
from hardware import backends
from hardware.plan import Job

PLAN = hw.compile(am.dense_am(am.patterns.random(3, 16, seed=0)))
CUE = am.patterns.random(1, 16, seed=1)[0]


def private_chip(plan: hw.Plan, job: Job, record: tuple[str, ...]) -> hw.Trace:
    """What somebody's package would do with a chip."""
    final = {"visible": job.visible, "hidden": job.hidden, "normaliser": job.log_sum}
    return hw.Trace(final=final, signals={}, messages={}, steps=job.steps)


def register(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    point = EntryPoint(name="our-board", value=value, group="amsim.backends")
    monkeypatch.setattr(backends, "entry_points", lambda group: EntryPoints([point]))


def test_an_absent_backend_says_what_to_do() -> None:
    with pytest.raises(hw.BackendUnavailable, match=r"entry point in the group 'amsim\.backends'"):
        hw.run(PLAN, CUE, backend="loihi2")


def test_a_registered_backend_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "our_package", sys.modules[__name__])
    register(monkeypatch, "our_package:private_chip")
    result = hw.run(PLAN, CUE, backend="our-board", steps=7)
    assert result.backend == "our-board"
    assert result.steps == 7
    assert result.verified_on_hardware is False
    assert result.settled is None
    np.testing.assert_allclose(result.final["visible"], CUE, atol=1 / PLAN.visible.scale)


@pytest.mark.parametrize("value", ["package_that_is_not_there:run", "sys:function_that_is_not"])
def test_a_registered_backend_that_is_broken_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    register(monkeypatch, value)
    with pytest.raises(hw.BackendUnavailable, match="reinstall the package"):
        hw.run(PLAN, CUE, backend="our-board")


def test_no_result_pretends_to_be_from_a_chip() -> None:
    result = hw.run(PLAN, CUE, steps=10)
    assert result.verified_on_hardware is False
    assert "verified_on_hardware=False" in repr(result)
    assert "verified_on_hardware: false" in PLAN.report()


@pytest.mark.parametrize("size", [1.5, 2.0, 50.0])
def test_a_cue_beyond_the_plan_needs_more_bits_than_there_are(size: float) -> None:
    with pytest.raises(hw.RangeError) as raised:
        hw.run(PLAN, size * CUE)
    assert raised.value.signal == "cue"
    assert raised.value.bits is not None
    assert raised.value.bits > raised.value.available


@pytest.mark.parametrize(
    "use", [lambda p: hw.run(p, [1.0]), hw.validate, lambda p: hw.compare(p, [1.0])]
)
def test_what_is_no_plan_is_refused(use: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match=r"plan must be a hardware\.Plan, got int"):
        use(3)
