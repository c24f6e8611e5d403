"""`traj(t)`: states between recorded times."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import amsim as am

STORED = am.patterns.random(4, 24, seed=0)
CUES = am.patterns.corrupt(STORED, flip=0.2, seed=1)
NET = am.dense_am(STORED, hidden=am.Softmax(0.2))
PULSE = am.PiecewiseConstant([2.7, 3.3], [0.5 * STORED[1], 0 * STORED[1]])


def wave(time: float) -> Any:
    return 0.3 * np.sin(time) * STORED[2]


@pytest.mark.parametrize("inputs", [None, PULSE], ids=["free", "pulse"])
def test_states_at_default_times_are_right_to_their_ten_thousandth(inputs: Any) -> None:
    given: dict[str, Any] = dict(t0=2.0, t1=22.0, inputs=inputs)
    traj = am.simulate(NET, CUES.reshape(2, 2, -1), **given)
    times = np.sort(np.random.default_rng(0).uniform(2.0, traj.times[-1], 30))
    exact = am.simulate(
        NET, CUES.reshape(2, 2, -1), **given, times=times, until=None,
        solver=am.ScipyODE("DOP853", 1e-10, 1e-12),
    )  # fmt: skip
    found = traj(times)
    for name in found:
        assert found[name].shape == exact[name].shape
        error = np.abs(found[name] - exact[name]).max()
        assert error < 3e-4 * np.abs(exact[name]).max()


def test_twice_the_times_have_a_sixteenth_of_the_error() -> None:
    unit = am.Network({"x": am.Layer(1, am.Identity())}, [])
    errors = []
    for count in (11, 21):
        traj = am.simulate(unit, [1.0], times=np.linspace(0, 4, count), until=None)
        asked = np.linspace(0.0, 4.0, 301)
        errors.append(np.abs(traj(asked)["x"][:, 0] - np.exp(-asked)).max())
    assert errors[0] < 0.4**4 / 384 * 1.01  # h^4 / 384 of the fourth derivative
    assert 12 < errors[0] / errors[1] < 18


def test_recorded_times_have_their_bits_and_cues_that_ended_stay() -> None:
    traj = am.simulate(NET, CUES)
    for row in (0, 7, len(traj.times) - 1):
        np.testing.assert_array_equal(traj(traj.times[row])["visible"], traj["visible"][row])
    first = int(np.argmin(traj.end_times))
    late = (traj.end_times[first] + traj.times[-1]) / 2
    np.testing.assert_allclose(
        traj(late)["visible"][first], traj.final["visible"][first], rtol=0, atol=1e-14
    )


def test_functions_need_times_as_near_as_their_steps() -> None:
    coarse = am.simulate(NET, CUES, inputs=wave, t1=20.0)
    with pytest.raises(ValueError, match="at most 1 apart"):
        coarse(11.3)
    fine = am.simulate(NET, CUES, inputs=wave, times=np.arange(0, 20.1, 0.25))
    exact = am.simulate(NET, CUES, inputs=wave, times=[11.3], until=None).final["visible"]
    np.testing.assert_allclose(fine(11.3)["visible"], exact, rtol=0, atol=1e-3)


def test_what_is_not_known_is_refused(tmp_path: Any) -> None:
    plain = am.simulate(NET, CUES[0], t1=4.0)
    for time in (-0.1, 4.1, [[1.0]], "soon", np.nan, []):
        with pytest.raises((TypeError, ValueError), match=r"^time must"):
            plain(time)
    jumps = am.simulate(NET, CUES[0], inputs=PULSE, times=[0.0, 2.0, 4.0])
    with pytest.raises(ValueError, match=r"jumps at t = 2.7, .* record that time"):
        jumps(3.0)
    unknown = [
        am.simulate(NET, CUES[0], noise=0.1, t1=4.0),
        am.simulate(NET, CUES[0], solver=am.EventDriven(1e-2), t1=4.0),
        am.simulate(NET, CUES[0], solver=am.FixedPoint()),
        copy.copy(plain),
        am.Trajectory.load(plain.save(tmp_path / "run")),
    ]
    for traj in unknown:
        with pytest.raises(ValueError, match=r"^between recorded times nothing is known"):
            traj(1.0)
