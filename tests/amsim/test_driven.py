"""Runs that begin at a time of the user's, and that go on from another one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import amsim as am

STORED = am.patterns.random(4, 24, seed=0)
CUES = am.patterns.corrupt(STORED, flip=0.2, seed=1)
NET = am.dense_am(STORED, hidden=am.Softmax(0.2))
PULSE = am.PiecewiseConstant([0.7, 1.3], [0.5 * STORED[1], 0 * STORED[1]])


def wave(time: float) -> Any:
    return 0.3 * np.sin(time) * STORED[2]


@pytest.mark.parametrize("inputs", [None, PULSE, wave], ids=["free", "pulse", "wave"])
@pytest.mark.parametrize("solver", [None, "RK45", am.ExponentialHeun(0.01)])
@pytest.mark.parametrize("cues", [CUES[0], CUES.reshape(2, 2, -1)], ids=["one", "batch"])
def test_two_halves_are_the_whole(inputs: Any, solver: Any, cues: Any) -> None:
    given: dict[str, Any] = dict(until=None, solver=solver, inputs=inputs, clamp=[0, 3])
    whole = am.simulate(NET, cues, times=[0.0, 1.0, 1.5, 2.0], **given)
    half = am.simulate(NET, cues, t1=1.0, **given)
    rest = am.simulate(NET, half, times=[1.0, 1.5, 2.0], **given)
    for name, near in (("visible", 2e-6), ("hidden", 3e-5)):
        np.testing.assert_allclose(rest[name], whole[name][1:], rtol=0, atol=near)
        np.testing.assert_allclose(rest[name][0], half.final[name], rtol=0, atol=1e-13)
    assert not np.ptp(rest["visible"][..., [0, 3]], axis=0).any()
    np.testing.assert_allclose(rest.energy, whole.energy[1:], rtol=1e-4)
    assert rest.times.tolist() == [1.0, 1.5, 2.0] and (rest.end_times == 2.0).all()


def test_a_path_with_noise_goes_on_as_it_would_have() -> None:
    given: dict[str, Any] = dict(noise=0.1, inputs=PULSE, seed=3, solver=am.ExponentialHeun())
    whole = am.simulate(NET, CUES, t1=2.0, **given)
    rest = am.simulate(NET, am.simulate(NET, CUES, t1=1.0, **given), t1=2.0, **given)
    np.testing.assert_allclose(rest.final["visible"], whole.final["visible"], rtol=0, atol=1e-12)
    free = am.Network({"x": am.Layer(400, am.Identity())}, [])
    first, second = (
        am.simulate(free, np.zeros(400), t0=t0, t1=t0 + 1, noise=0.1).final["x"] for t0 in (0, 1)
    )
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.2  # not the same noise again


def test_settled_cues_go_on_from_rest_and_move_with_a_new_input() -> None:
    rest = am.simulate(NET, CUES)
    later = am.simulate(NET, rest)
    assert later.status == "settled" and later.times[0] == rest.times[-1]
    np.testing.assert_allclose(later.final["visible"], rest.final["visible"], rtol=0, atol=1e-5)
    moved = am.simulate(NET, rest, inputs=2.0 * STORED[0])
    assert (moved.overlap(STORED)[-1, :, 0] > 0.9).all()


@pytest.mark.parametrize("solver", [None, "RK45", am.EventDriven(1e-2, record_events=True)])
@pytest.mark.parametrize("t0", [-3.0, 5.0, 1e6])
def test_the_clock_begins_at_t0(solver: Any, t0: float) -> None:
    shifted = am.PiecewiseConstant(t0 + PULSE.times, PULSE.values)
    plain = am.simulate(NET, CUES[0], t1=9.0, inputs=PULSE, solver=solver)
    late = am.simulate(NET, CUES[0], t0=t0, t1=t0 + 9.0, inputs=shifted, solver=solver)
    near = dict(rtol=0, atol=1e-8 if abs(t0) < 10 else 1e-5)
    np.testing.assert_allclose(late.times - t0, plain.times, **near)
    np.testing.assert_allclose(late["visible"], plain["visible"], **near)
    np.testing.assert_allclose(late.end_times - t0, plain.end_times, **near)
    if plain.events is not None:
        np.testing.assert_allclose(late.events.time - t0, plain.events.time, **near)
        assert late.stats["last_message"] == pytest.approx(late.events.time[-1])


def test_the_end_of_each_cue_is_kept_in_a_file(tmp_path: Any) -> None:
    traj = am.simulate(NET, CUES, t0=2.0)
    np.testing.assert_array_equal(traj.end_times, traj.settle_times)
    loaded = am.Trajectory.load(traj.save(tmp_path / "run"))
    np.testing.assert_array_equal(loaded.end_times, traj.end_times)
    assert am.simulate(NET, loaded).times[0] == traj.times[-1]


def half() -> am.Trajectory:
    return am.simulate(NET, CUES, t1=1.0, until=None)


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (lambda: am.simulate(NET, half(), t0=1.0), "t0 is the last time of the trajectory"),
        (lambda: am.simulate(NET, half(), t1=0.5), "t1 must be a finite number > 1"),
        (lambda: am.simulate(NET, half(), times=[0.5, 2.0]), "from t0 = 1 on"),
        (lambda: am.simulate(NET, half(), solver=am.EventDriven()), "EventDriven.*on their way"),
        (lambda: am.simulate(NET, half(), solver="brian2"), "brian2.*on their way"),
        (lambda: am.simulate(am.dense_am(STORED[:2]), half()), "the trajectory has layers"),
        (
            lambda: am.simulate(NET, am.simulate(NET, CUES, solver=am.FixedPoint())),
            "the trajectory counts updates",
        ),
        (lambda: am.simulate(NET, CUES, t0=3.0, solver=am.FixedPoint()), "^FixedPoint: updates"),
        (lambda: am.simulate(NET, CUES, t0=np.nan), "^t0 must be"),
        (lambda: am.simulate(NET, CUES, t0="1"), "^t0 must be"),
        (lambda: am.simulate(NET, CUES, t0=1.0, t1=1.0), "^t1 must be"),
    ],
)
def test_what_has_no_beginning_is_refused(run: Any, why: str) -> None:
    with pytest.raises((TypeError, ValueError), match=why):
        run()


def test_cues_that_stand_at_different_times_do_not_go_on() -> None:
    net = am.Network({"x": am.Layer(1, am.Identity())}, [am.Dense([[9.0]], between=("x", "x"))])
    ended = am.simulate(net, [[1.0], [0.0]], t1=9.0, until=None)
    assert ended.statuses.tolist() == ["diverged", "time_limit"]
    with pytest.raises(ValueError, match="cannot go on as a whole: 1 of 2 cues diverged"):
        am.simulate(net, ended, t1=10.0)
