"""What is recorded of some units, and by functions, is what the full record has."""

from __future__ import annotations

import pickle
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import amsim as am

PATTERNS = am.patterns.random(3, 16, seed=0)
NET = am.dense_am(PATTERNS, hidden=am.Softmax(0.3), tau_hidden=0.1)
CUES = am.patterns.corrupt(np.tile(PATTERNS, (7, 1)), flip=0.2, seed=1)[:20].reshape(2, 10, 16)
States = dict[str, npt.NDArray[np.float64]]


def overlaps(time: float, states: States) -> npt.NDArray[np.float64]:
    return am.patterns.overlap(states["visible"], PATTERNS)


RECORD: dict[str, Any] = {
    "visible": slice(2, 6),
    "hidden": [2, 0],
    "overlap": overlaps,
    "clock": lambda time, states: time,
    "energy": lambda time, states: NET.energy(states),
}
RUNS: dict[str, dict[str, Any]] = {
    "default": {},
    "other beginning": {"t0": -1.0},
    "times": {"times": np.linspace(0.0, 30.0, 50)},
    "workers": {"workers": 2},
    "SciPy": {"solver": "RK45"},
    "updates": {"solver": am.FixedPoint(20)},
    "descent": {"solver": am.GradientDescent(0.1, 12), "until": None},
    "events": {"solver": am.EventDriven(0.1), "t1": 1.0},
    "noise": {"noise": 0.1, "t1": 1.0},
    "watched": {"watch": {"up": lambda time, states: states["visible"][0]}},
    "called": {"callback": lambda time, states: time > 5.0},
    "proven": {"until": am.Settled(1e-3, certified=True)},
}


def same(part: am.Trajectory, full: am.Trajectory) -> None:
    assert_array_equal(part.times, full.times)
    assert list(part) == list(RECORD)
    assert_array_equal(part["visible"], full["visible"][..., 2:6])
    assert_array_equal(part["hidden"], full["hidden"][..., [2, 0]])
    assert_allclose(part["overlap"], full.overlap(PATTERNS), atol=1e-14)
    assert_allclose(part["energy"], full.energy, atol=1e-12)
    expected = np.broadcast_to(full.times[:, None, None], part["clock"].shape)
    if full.time_label != "updates":
        assert_array_equal(part["clock"], expected)
    for name, states in full.final.items():
        assert_array_equal(part.final[name], states)
    assert part.message == full.message


@pytest.mark.filterwarnings("ignore:for .* no distance:amsim.errors.GuaranteeWarning")
@pytest.mark.parametrize("name", RUNS)
def test_all_solvers_record_what_the_full_record_has(name: str) -> None:
    full = am.simulate(NET, CUES, **RUNS[name])
    same(am.simulate(NET, CUES, record=RECORD, **RUNS[name]), full)


def test_inputs_that_jump() -> None:
    inputs = am.PiecewiseConstant([2.0], [0.1 * PATTERNS[0]])
    full = am.simulate(NET, CUES, inputs=inputs)
    part = am.simulate(NET, CUES, inputs=inputs, record=RECORD)
    assert_array_equal(part["visible"], full["visible"][..., 2:6])
    assert_allclose(part["overlap"], full.overlap(PATTERNS), atol=1e-14)


@pytest.mark.parametrize("after", [0, 1, 2])
def test_an_interrupted_run(after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from amsim.dynamics.two_layer import TwoLayerRun

    real = TwoLayerRun.prepare
    monkeypatch.setattr("amsim.dynamics.two_layer._TOGETHER", 8)

    def runs() -> Iterator[am.Trajectory]:
        for record in (RECORD, True):
            calls = iter(range(9))

            def prepare(run: TwoLayerRun, calls: Iterator[int] = calls) -> float:
                if next(calls) == after:
                    raise KeyboardInterrupt
                return real(run)

            monkeypatch.setattr(TwoLayerRun, "prepare", prepare)
            yield am.simulate(NET, CUES, record=record)

    part, full = runs()
    assert full.status == "interrupted"
    same(part, full)


def test_files_copies_and_tables_have_what_was_recorded(tmp_path: Path) -> None:
    traj = am.simulate(NET, CUES, record=RECORD)
    copies = am.Trajectory.load(traj.save(tmp_path / "a.npz")), pickle.loads(pickle.dumps(traj))
    for copy in copies:
        assert list(copy) == list(RECORD)
        for name in RECORD:
            assert_array_equal(copy[name], traj[name])
        assert_array_equal(copy.nearest(PATTERNS).index, traj.nearest(PATTERNS).index)
        assert_array_equal(copy.select([3])["overlap"][:, 0], traj["overlap"][:, 0, 3])
    assert_array_equal(traj.select([3])["hidden"][:, 0], traj["hidden"][:, 0, 3])
    data = traj.to_xarray()
    assert data["visible_recorded"].values.tolist() == [2, 3, 4, 5]
    assert data["hidden_recorded"].values.tolist() == [2, 0]
    assert data["overlap"].dims == ("time", "cue_0", "cue_1", "overlap_unit")
    assert data["final_visible"].shape == CUES.shape
    assert_array_equal(data["energy"].values, traj["energy"])
    on = am.simulate(NET, traj, t1=float(traj.times[-1]) + 1.0, record="hidden")
    assert on["hidden"].shape == (len(on.times), 2, 10, 3)


def test_the_memory_is_that_of_the_record() -> None:
    times = np.linspace(0.0, 20.0, 1001)
    cues = np.tile(CUES.reshape(20, 16), (16, 1))  # 320 cues: 82 MB if all is kept
    am.simulate(NET, cues[:2])
    tracemalloc.start()
    traj = am.simulate(NET, cues, times=times, record={"visible": [0]})
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert traj["visible"].shape == (1001, 320, 1)
    assert most < 20e6


def test_what_was_not_recorded_is_said() -> None:
    traj = am.simulate(NET, CUES, record=("visible",))
    assert traj["visible"].shape == (len(traj.times), 2, 10, 16)
    assert dict(am.simulate(NET, CUES, record=False)) == {}
    for call, words in (
        (lambda: traj["hidden"], "'hidden' was not recorded"),
        (lambda: traj.energy, "record={'energy': lambda time, states"),
        (lambda: traj.plot(), "energies need all states"),
        (lambda: traj(1.0), "records of some states"),
    ):
        with pytest.raises((KeyError, ValueError), match=words):
            call()


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"visble": slice(3)}, "names a layer 'visble'"),
        ("memory", "names a layer 'memory'"),
        ({"visible": []}, "chooses no unit"),
        ({"visible": [16]}, "between -16 and 15"),
        ({"visible": [1, 1]}, "different indices"),
        ({"visible": np.ones(3, bool)}, r"mask of shape \(3,\), the layer has \(16,\)"),
        ({"visible": overlaps}, "needs a name of its own"),
        ({"a": lambda time, states: "b"}, "what 'a' returns must be real numbers"),
        ({"a": lambda time, states: np.ones(1 + (time > 0))}, r"\(2,\) at t = .*\(1,\) before"),
        (3, "record must be True, names of layers, or a mapping"),
        ({3: overlaps}, "a function needs a name"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_recorded_is_refused(record: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        am.simulate(NET, CUES, record=record)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"record": {"a": lambda states: 0.0}}, TypeError, "record: 'a' must be a function"),
        ({"watch": {"a": lambda states: 0.0}}, TypeError, "watch: 'a' must be a function of time"),
        ({"callback": lambda states: 0.0}, TypeError, "callback must be a function of time and"),
        ({"solver": am.ExponentialHeun}, TypeError, r"class ExponentialHeun: pass Expo"),
        (
            {"solver": am.ExponentialHeun, "noise": 0.1, "t1": 1.0}, TypeError,
            "solver is the class ExponentialHeun",
        ),
    ],
    ids=["record", "watch", "callback", "solver", "noise"],
)  # fmt: skip
def test_arguments_that_are_nearly_right_name_the_remedy(
    options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        am.simulate(NET, CUES, **options)


def test_nan_in_a_cue_names_what_takes_it() -> None:
    with pytest.raises(ValueError, match="cue has 2 values that are NaN: missing='nan' takes them"):
        am.simulate(NET, [np.nan, np.nan, *CUES[0, 0, 2:]])


def test_one_breakpoint_may_be_a_number() -> None:
    options: dict[str, Any] = {"inputs": lambda time: float(time > 1.0), "t1": 2.0, "until": None}
    one = am.simulate(NET, CUES[0, 0], breakpoints=1.0, **options)
    same = am.simulate(NET, CUES[0, 0], breakpoints=[1.0], **options)
    assert_array_equal(one["visible"], same["visible"])
