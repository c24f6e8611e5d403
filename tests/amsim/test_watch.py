"""Crossings, callbacks and limits of the wall clock, against closed forms and whole runs."""

from __future__ import annotations

import copy
import gc
import weakref
from typing import Any

import numpy as np
import pytest

import amsim as am
from amsim.dynamics import watch as watching
from amsim.dynamics.roots import FEW, KNOWN, MANY, roots

DECAY = am.Network({"x": am.Layer(2, am.Identity(), tau=[1.0, 0.5])}, [])
START = np.array([[1.0, 1.0], [2.0, 1.0], [0.4, 4.0]])
SOLVERS = [None, "RK45", am.ExponentialHeun(0.01)]
STORED = am.patterns.random(4, 24, seed=0)
CUES = am.patterns.corrupt(STORED, flip=0.2, seed=1)
NET = am.dense_am(STORED, hidden=am.Softmax(0.2))
MASK = np.arange(24) < 3


def below_half(time: float, states: Any) -> float:
    return float(states["x"][0] - 0.5)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("t0", [0.0, -2.0])
def test_crossings_are_found_where_they_are(solver: Any, t0: float) -> None:
    traj = am.simulate(
        DECAY, START, t0=t0, t1=t0 + 9.0, watch={"half": below_half}, solver=solver, until=None
    )
    exact = t0 + np.log(START[:2, 0] / 0.5)
    found = traj.crossings
    assert found.name.tolist() == ["half"] * 2 and found.cue.tolist() == [0, 1]
    np.testing.assert_allclose(found.time, exact, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.x[:, 0], 0.5, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.x[:, 1], START[:2, 1] * (0.5 / START[:2, 0]) ** 2, atol=1e-6)
    np.testing.assert_array_equal(traj.stats["first_crossing"]["half"], [*found.time, np.nan])
    assert (traj.end_times == t0 + 9.0).all() and traj.status == "time_limit"


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_terminal_crossing_ends_a_cue(solver: Any) -> None:
    small = am.Watch(lambda time, states: states["x"][1] - np.exp(-1), terminal=True)
    traj = am.simulate(
        DECAY, START, watch={"small": small, "half": below_half}, solver=solver, until=None,
        times=np.arange(0.0, 9.0, 0.4),
    )  # fmt: skip
    exact = 0.5 * np.log(START[:, 1] * np.e)
    assert traj.statuses.tolist() == ["stopped"] * 3
    assert traj.message == "3 of 3 cues stopped, by t = 1.193, as watch or callback asked"
    np.testing.assert_allclose(traj.end_times, exact, rtol=0, atol=1e-6)
    np.testing.assert_allclose(traj.final["x"][:, 1], np.exp(-1), rtol=0, atol=1e-12)
    assert traj.times[-1] == traj.end_times.max() and len(traj.times) == 4
    np.testing.assert_array_equal(traj["x"][-1], traj.final["x"])
    for cue, end in enumerate(traj.end_times):
        times = np.minimum(traj.times, end)[:, None]
        moved = START[cue] * np.exp(-times / [1.0, 0.5])
        np.testing.assert_allclose(traj["x"][:, cue], moved, rtol=0, atol=1e-6)
    assert (traj.crossings.name == "small").all()  # halves come later


def test_directions() -> None:
    turn = am.PiecewiseConstant([0.0, 3.0], [[1.0, 0.0], [0.0, 0.0]])
    both = lambda time, states: states["x"][0] - 0.5  # noqa: E731
    watch = {
        "any": both, "up": am.Watch(both, direction=1), "down": am.Watch(both, direction=-1)
    }  # fmt: skip
    traj = am.simulate(DECAY, [0.0, 0.0], watch=watch, inputs=turn, t1=9.0)
    exact = [np.log(2.0), 3.0 + np.log(2 * -np.expm1(-3.0))]
    found = traj.crossings
    for name, times in (("any", exact), ("up", exact[:1]), ("down", exact[1:])):
        np.testing.assert_allclose(found.time[found.name == name], times, rtol=0, atol=1e-6)


def test_a_function_sees_the_time_and_every_layer() -> None:
    seen = {}

    def function(time: float, states: Any) -> float:
        seen.update({name: state.shape for name, state in states.items()})
        return time - 7.25

    net = am.dense_am(STORED, hidden=am.Softmax(0.2), tau_hidden=0.0)
    traj = am.simulate(net, CUES.reshape(2, 2, -1), watch={"time": function}, t0=5.0, t1=9.0,
                       until=None)  # fmt: skip
    assert seen == {"visible": (24,), "hidden": (4,)}
    np.testing.assert_allclose(traj.crossings.time, 7.25, rtol=0, atol=1e-12)
    assert traj.stats["first_crossing"]["time"].shape == (2, 2)
    at = traj.crossings
    np.testing.assert_allclose(at.hidden, at.visible @ STORED.T, rtol=0, atol=1e-12)


def test_watching_changes_a_run_by_less_than_its_tolerance() -> None:
    plain = am.simulate(NET, CUES)
    watched = am.simulate(NET, CUES, watch={"never": lambda time, states: 1.0})
    assert watched.status == "settled" and not len(watched.crossings)
    np.testing.assert_allclose(watched.final["visible"], plain.final["visible"], rtol=0, atol=1e-5)
    noisy = [
        am.simulate(NET, CUES, noise=0.1, t1=3.0, **given).final["visible"]
        for given in ({}, {"watch": {"never": lambda time, states: 1.0}})
    ]
    np.testing.assert_allclose(noisy[0], noisy[1], rtol=0, atol=1e-9)  # the same path


def test_decisions_of_a_noisy_unit() -> None:
    """Mean first passage of Brownian motion with drift to a level: level / drift."""
    net = am.Network({"x": am.Layer(1, am.Identity(), tau=1e4, bias=1e4)}, [])
    reached = am.Watch(lambda time, states: states["x"][0] - 1.0, terminal=True)
    traj = am.simulate(
        net, np.zeros((300, 1)), noise=500.0, watch={"decided": reached}, times=[5.0],
        solver=am.ExponentialHeun(0.02),
    )  # fmt: skip
    decided = traj.stats["first_crossing"]["decided"]
    assert (traj.statuses == "stopped").all()
    # Variance of the time: 2 T / tau level / drift^3 = 0.1; steps see a path only at their ends.
    assert decided.mean() == pytest.approx(1.0, abs=4 * np.sqrt(0.1 / 300) + 0.03)
    assert decided.var() == pytest.approx(0.1, rel=0.4)


@pytest.mark.parametrize("size", [1.0, 1e-320, 1.7e308, np.inf])
def test_crossings_of_numbers_of_any_size(size: float) -> None:
    """With noise they are found on a straight line between two looks, a step apart."""
    watch = {"a": lambda time, states: size if time > 0.995 else -size}
    solver = am.ExponentialHeun(0.01)
    traj = am.simulate(DECAY, START[0], noise=0.1, t1=2.0, watch=watch, solver=solver)
    assert traj.stats["first_crossing"]["a"] == pytest.approx(0.995, abs=1e-9)


def test_a_callback_sees_recorded_times_and_may_stop() -> None:
    seen: list[float] = []

    def stop(time: float, states: Any) -> bool:
        seen.append(time)
        np.testing.assert_allclose(
            states["x"], START * np.exp(-np.outer([time], [1, 2])), atol=1e-6
        )
        return time > 2.0

    times = np.arange(0.0, 9.0, 0.5)
    traj = am.simulate(DECAY, START, callback=stop, times=times)
    assert seen == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5] == traj.times.tolist()
    assert traj.status == "stopped" and (traj.end_times == 2.5).all()
    np.testing.assert_allclose(traj.final["x"], START * np.exp([-2.5, -5.0]), rtol=0, atol=1e-6)
    ran = am.simulate(DECAY, START, callback=lambda time, states: None, times=times)
    assert ran.status == "time_limit" and len(ran.times) == len(times)


@pytest.mark.parametrize("solver", [None, "RK45"])
@pytest.mark.parametrize("times", [None, np.arange(0.0, 40.0, 4.0)], ids=["default", "given"])
@pytest.mark.parametrize("terminal", [False, True])
def test_a_callback_sees_every_recorded_time(solver: Any, times: Any, terminal: bool) -> None:
    """Also the last, where all have come to rest or were stopped, and those after it."""
    seen: list[float] = []
    watch = {"half": am.Watch(below_half, terminal=terminal)}
    traj = am.simulate(
        DECAY, START, solver=solver, times=times, t1=100.0, until=am.Settled(1e-3), watch=watch,
        callback=lambda time, states: seen.append(time),
    )  # fmt: skip
    assert seen == traj.times.tolist()
    assert traj.status == ("stopped" if terminal else "settled")


def test_states_that_are_watched_are_a_dict_however_they_are_read() -> None:
    """They are computed when they are asked for."""
    seen: list[float] = []

    def copied(time: float, states: Any) -> float:
        ways = dict(states), {**states}, dict(states.items()), states.copy(), states | {}
        values = dict(zip(states, states.values(), strict=True))
        for way in (*ways, values, {name: states.get(name) for name in states}):
            assert list(way) == ["visible", "hidden"]
            np.testing.assert_allclose(way["hidden"], STORED @ way["visible"], rtol=0, atol=1e-12)
        assert "array([]" not in repr(states)
        assert states.get("other") is None and "other" not in states and len(states) == 2
        seen.append(time)
        return time - 0.05

    net = am.dense_am(STORED, hidden=am.Softmax(0.2), tau_hidden=0.0)
    am.simulate(net, CUES[0], t1=0.2, until=None, watch={"copied": copied})
    assert seen


def test_what_was_stopped_is_said_beside_what_did_not_settle() -> None:
    watch = {"half": am.Watch(below_half, terminal=True)}
    traj = am.simulate(DECAY, START[:2], t1=0.8, watch=watch)
    assert sorted(traj.statuses) == ["stopped", "time_limit"]
    assert traj.message.startswith("1 of 2 cues did not settle by t = 0.8, ")
    assert traj.message.endswith("; 1 of 2 cues stopped, by t = 0.6931, as watch or callback asked")


def test_a_callback_ends_what_comes_later() -> None:
    watch = {"half": am.Watch(below_half, terminal=True)}
    traj = am.simulate(
        DECAY, START, watch=watch, callback=lambda time, states: time >= 1.0, times=[0.0, 1.0, 5.0]
    )
    np.testing.assert_allclose(traj.end_times, [np.log(2.0), 1.0, 1.0], rtol=0, atol=1e-6)
    assert traj.crossings.cue.tolist() == [0]


@pytest.mark.parametrize("solver", [None, "RK45", am.ExponentialHeun(0.1), am.EventDriven(1e-9),
                                    am.FixedPoint(10**9)])  # fmt: skip
def test_the_wall_clock_ends_a_run(solver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("run", "heun_runs"):
        monkeypatch.setattr(f"amsim.dynamics.{module}._CHUNK", 1e3)
    inputs = np.sin if solver is None else None
    traj = am.simulate(
        DECAY, [1.0, 1.0], t1=1e5, wall_limit=1e-9, solver=solver, until=None, inputs=inputs
    )
    assert traj.status == "interrupted"
    assert traj.message.endswith("the wall_limit of 1e-09 s is over")
    enough = am.simulate(DECAY, START, t1=1.0, wall_limit=1e3, until=None)
    assert enough.status == "time_limit" and "wall" not in enough.message


def test_crossings_are_kept_in_files_and_copies(tmp_path: Any) -> None:
    traj = am.simulate(DECAY, START, watch={"half": am.Watch(below_half, terminal=True)}, t1=5.0)
    for again in (am.Trajectory.load(traj.save(tmp_path / "run")), copy.deepcopy(traj)):
        np.testing.assert_array_equal(again.crossings, traj.crossings)
        np.testing.assert_array_equal(again.crossings.x, traj.crossings.x)
        assert again.statuses.tolist() == traj.statuses.tolist()
    table = traj.to_dataframe()
    np.testing.assert_array_equal(
        table["first_crossing_half"], traj.stats["first_crossing"]["half"]
    )
    assert traj.to_xarray()["crossing_time"].shape == traj.crossings.shape


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"watch": below_half}, "watch must be a mapping"),
        ({"watch": {"a": 3}}, "function must be"),
        ({"watch": {"a": am.Watch(int)}}, "time and states, .* got the class int"),
        ({"callback": dict}, "time and states, .* got the class dict"),
        ({"watch": {3: below_half}}, "a name in watch must be text"),
        ({"watch": {"a": lambda time: 0.0}}, "argument"),
        ({"watch": {"a": lambda time, states: states["x"]}}, "must return a number"),
        ({"watch": {"a": lambda time, states: None}}, "must return a number"),
        ({"watch": {"a": lambda time, states: time > 0.5}}, "a number that crosses 0"),
        ({"watch": {"a": lambda time, states: np.nan}}, "returned NaN"),
        ({"watch": {"a": am.Watch(lambda t, s: s["x"], vectorised=True)}}, r"\d+ numbers, \(n,\)"),
        ({"callback": 3}, "callback must be"),
        ({"callback": lambda time, states: np.nan}, "returns must be True or False"),
        ({"callback": lambda time, states: "no"}, "returns must be True or False"),
        ({"callback": lambda time, states: states["x"] > 1}, "returns must be True or False"),
        ({"wall_limit": 0.0}, "wall_limit must be"),
        ({"wall_limit": "1"}, "wall_limit must be"),
        ({"watch": {"a": below_half}, "solver": am.EventDriven()}, "does not run in pieces"),
        ({"watch": {"a": below_half}, "solver": "brian2"}, "does not run in pieces"),
        ({"callback": print, "solver": am.FixedPoint()}, "does not run in pieces"),
        ({"callback": print, "solver": am.GradientDescent()}, "does not run in pieces"),
        ({"callback": print, "noise": am.Noise(0.1, correlation=0.5)}, "coloured noise"),
        ({"callback": print, "until": am.Settled(certified=True)}, "certified"),
    ],
)
def test_bad_watches_are_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises((TypeError, ValueError), match=why):
        am.simulate(DECAY, START, **{"t1": 1.0, **given})


@pytest.mark.parametrize("given", [{"direction": 2}, {"direction": 0.5}, {"terminal": "no"},
                                   {"vectorised": 1.5}])  # fmt: skip
def test_bad_options_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^Watch: "):
        am.Watch(below_half, **given)
    assert watching.checked_watches(None, DECAY) == {}


def test_a_jump_of_an_input_is_a_crossing_for_algebraic_layers() -> None:
    """Both sides of the jump belong to different pieces of the run."""
    patterns = am.patterns.random(6, 40, seed=1)
    net = am.dense_am(patterns, hidden=am.Softmax(0.4), tau_hidden=0.0)
    shown = am.PiecewiseConstant([5.0], [50 * np.eye(6)[1]])
    watch = am.Watch(lambda time, states: states["hidden"][1] - 25, terminal=True)
    traj = am.simulate(net, patterns[0], inputs={"hidden": shown}, watch={"up": watch}, t1=10.0)
    assert traj.status == "stopped"
    assert traj.stats["first_crossing"]["up"] == 5.0


@pytest.mark.parametrize("solver", [None, "RK45"])
def test_crossings_do_not_depend_on_what_an_input_becomes(solver: Any) -> None:
    """Algebraic layers have the state that the input gave them in the run, whenever it is read."""
    net, strength = am.dense_am(STORED, hidden=am.Softmax(0.2), tau_hidden=0.0), [1.0]

    def pushed(time: float) -> Any:
        return np.full(4, strength[0] * np.sin(time))

    watch = {"first": lambda time, states: states["visible"].mean() - 0.02 * np.cos(3 * time)}
    traj = am.simulate(
        net, CUES, inputs={"hidden": pushed}, t1=6.0, watch=watch, solver=solver, until=None
    )
    strength[0] = -5.0
    found = traj.crossings
    states = found.visible @ STORED.T + np.sin(found.time)[:, None]
    assert len(found)
    np.testing.assert_allclose(found.hidden, states, rtol=0, atol=1e-12)


def test_a_function_of_whole_numbers_is_dated_at_its_jump() -> None:
    net = am.Network({"x": am.Layer(1, am.Identity())}, [])
    watch = am.Watch(lambda time, states: float(states["x"][0] < 0.5) - 1.0)
    traj = am.simulate(net, {"x": [1.0]}, watch={"half": watch}, t1=5.0, until=None)
    assert abs(traj.stats["first_crossing"]["half"] - np.log(2)) < 1e-5


def overlap(time: Any, states: Any) -> Any:
    return states["visible"] @ STORED[1] / 24 - 0.7


@pytest.mark.parametrize(
    "given",
    [
        {"solver": None},
        {"solver": "RK45"},
        {"noise": 0.05},
        {"callback": lambda time, states: False},
    ],
    ids=["steps", "RK45", "noise", "callback"],
)
def test_one_call_for_many_looks_finds_the_same(given: dict[str, Any]) -> None:
    """The product differs in its last bits."""
    found = [
        am.simulate(
            NET, CUES, t1=8.0, until=None, clamp=MASK, **given,
            watch={"a": am.Watch(overlap, terminal=True, vectorised=vectorised)},
        )
        for vectorised in (False, True)
    ]  # fmt: skip
    assert len(found[0].crossings)
    np.testing.assert_array_equal(found[1].crossings.cue, found[0].crossings.cue)
    np.testing.assert_allclose(found[1].crossings.time, found[0].crossings.time, rtol=1e-12)
    np.testing.assert_allclose(found[1].end_times, found[0].end_times, rtol=1e-12)


def test_steps_that_are_watched_are_those_of_a_plain_run() -> None:
    """To the bit, also in threads; a crossing has the state that a record of that time has."""
    cues = am.patterns.corrupt(np.repeat(STORED, 5, axis=0), flip=0.2, seed=1)
    times = np.arange(0.0, 8.0)
    watch = {"a": am.Watch(overlap, vectorised=True)}
    plain = am.simulate(NET, cues, until=None, clamp=MASK, times=times)
    run = am.simulate(NET, cues, until=None, clamp=MASK, times=times, watch=watch, workers=2)
    np.testing.assert_array_equal(run["visible"], plain["visible"])
    np.testing.assert_array_equal(run.stats["rhs"], plain.stats["rhs"])
    found = run.crossings
    at = am.simulate(NET, cues, until=None, clamp=MASK, times=np.unique([*found.time, 8.0]))
    assert len(found) >= 5
    for each in found:
        row = np.searchsorted(at.times, each.time)
        np.testing.assert_allclose(each.visible, at["visible"][row, each.cue], atol=1e-12)
        np.testing.assert_allclose(each.hidden, at["hidden"][row, each.cue], atol=1e-12)
        assert overlap(0.0, {"visible": each.visible}) == pytest.approx(0.0, abs=1e-13)


@pytest.mark.parametrize("times", [None, [100.0]])
def test_looks_are_no_further_apart_than_half_a_tau(
    times: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At rest steps are much longer; what goes back and forth within one is found all the same."""
    monkeypatch.setattr("amsim.dynamics.track._NUMBERS", 1)  # a look after every step
    wave = am.Watch(lambda times, states: np.sin(times), vectorised=True)
    seen: list[float] = []
    note = am.Watch(lambda time, states: seen.append(time) or 1.0)
    traj = am.simulate(
        DECAY, START[0], t1=100.0, times=times, until=None, watch={"a": wave, "b": note}
    )
    np.testing.assert_allclose(traj.crossings.time, np.pi * np.arange(1, 32), rtol=1e-13)
    assert np.diff(np.sort(seen)).max() <= 0.5 + 1e-9 and traj.stats["accepted"] < 100


def looks_at(function: Any, *times: Any) -> Any:
    """Times and values of the last looks, as far as there are any."""
    looks = np.full((len(times[0]), 2, KNOWN), np.nan)
    for back, time in enumerate(times[::-1]):
        looks[:, :, -1 - back] = np.stack([time, function(time)], axis=1)
    return looks


@pytest.mark.parametrize("shares", [FEW, MANY], ids=["few", "many"])
@pytest.mark.parametrize("beyond", [0.3, 1e-9, 0.0])
@pytest.mark.parametrize("before", [(), (-1.5,), (-1.7, -1.6), (-9.0, -1.001)])
def test_roots(before: tuple[float, ...], beyond: float, shares: Any) -> None:
    """Of smooth functions, steps and cusps, on the side that counts as crossed."""
    functions = [
        lambda x: x - beyond, lambda x: np.expm1(40 * (x - beyond)),
        lambda x: np.sign(x - beyond) or 1e-300, lambda x: np.cbrt(x - beyond),
    ]  # fmt: skip

    def values(x: Any, which: Any) -> Any:
        return np.array([functions[k](place) for k, place in zip(which, x, strict=True)])

    every = np.arange(4)
    times = [np.full(4, time) for time in (*before, -1.0, 1.0)]
    looks = looks_at(lambda x: values(x, every), *times)
    found = roots(values, looks, shares)
    np.testing.assert_allclose(found, beyond, rtol=1e-13, atol=5e-14)
    assert (values(found, every) >= 0).all()


def test_a_crossing_by_a_jump_has_the_state_of_that_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the run goes on for long, and its steps are forgotten."""
    monkeypatch.setattr("amsim.dynamics.track._NUMBERS", 1)
    layers = {"x": am.Layer(1, am.Identity()), "y": am.Layer(1, am.Identity(), tau=0.0)}
    net = am.Network(layers, [am.Dense([[0.5]], between=("x", "y"))])
    given = {"inputs": {"y": am.PiecewiseConstant([0.0, 2.0], [[0.0], [3.0]])}, "until": None}
    up = am.Watch(lambda times, states: states["y"][:, 0] - 2.0, direction=1, vectorised=True)
    traj = am.simulate(net, {"x": [1.0]}, **given, watch={"up": up}, times=[30.0])
    at = am.simulate(net, {"x": [1.0]}, **given, times=[2.0])
    assert traj.crossings.time.tolist() == [2.0]
    np.testing.assert_allclose(traj.crossings.x[0], at["x"][0], rtol=0, atol=1e-6)


def test_states_that_are_watched_may_be_taken_out() -> None:
    """What was not read yet is read then."""

    def taken(time: float, states: Any) -> float:
        with pytest.raises(KeyError, match="other"):
            states["other"]
        states["mine"] = np.ones(1)
        assert states.setdefault("hidden", None).shape == (4,) and len(states) == 3
        assert list(states) == ["visible", "hidden", "mine"]
        del states["hidden"]
        assert "hidden" not in states and states != {}
        with pytest.raises(KeyError, match="hidden"):
            states["hidden"]
        assert states.pop("other", 3) == 3 and "visible" in states
        state = states.pop("visible")
        assert state.shape == (24,) and "visible" not in states
        states["visible"] = 2.0 * state
        return float(states["visible"][0]) - 2.0 * float(state[0]) + 1.0

    traj = am.simulate(NET, CUES[0], t1=0.2, until=None, watch={"taken": taken})
    assert not len(traj.crossings)


@pytest.mark.parametrize("vectorised", [False, True])
def test_states_that_are_watched_can_be_kept_and_not_changed(
    vectorised: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are those of the run: what was kept stays, also where its steps are forgotten."""
    monkeypatch.setattr("amsim.dynamics.track._NUMBERS", 1)
    seen: list[tuple[Any, Any]] = []

    def kept(time: Any, states: Any) -> Any:
        seen.append((states["visible"], states["visible"].copy()))
        with pytest.raises(ValueError, match="read-only"):
            states["visible"][0] = 9.0
        return time - 100.0

    am.simulate(NET, CUES, t1=9.0, until=None, watch={"a": am.Watch(kept, vectorised=vectorised)})
    for state, then in seen:
        np.testing.assert_array_equal(state, then)


def test_states_of_a_callback_may_be_changed() -> None:
    def spoil(time: float, states: Any) -> None:
        states["visible"] *= 0.0

    plain, spoiled = (am.simulate(NET, CUES, callback=given) for given in (None, spoil))
    np.testing.assert_array_equal(plain["visible"], spoiled["visible"])


def test_what_was_reached_before_the_wall_clock_was_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("amsim.dynamics.run._CHUNK", 16.0)  # four steps
    watch = {"early": lambda time, states: time - 1e-4}
    traj = am.simulate(DECAY, [1.0, 1.0], wall_limit=1e-9, watch=watch, until=None, t1=9.0)
    assert traj.status == "interrupted" and 1e-4 < traj.end_times < 9.0
    np.testing.assert_allclose(traj.crossings.time, 1e-4, rtol=1e-12)


def test_a_watched_run_frees_its_memory_at_once() -> None:
    """Without a search for garbage: that of a few runs may be gigabytes."""

    class Half:
        def __call__(self, time: float, states: Any) -> float:
            return below_half(time, states)

    gc.disable()
    try:
        function = Half()
        lives = weakref.ref(function)
        traj = am.simulate(DECAY, START, watch={"half": am.Watch(function)}, t1=9.0)
        assert len(traj.crossings) == 2 and lives() is function
        del function, traj
        assert lives() is None
    finally:
        gc.enable()


class Counted:
    """A function, and how often it was called."""

    def __init__(self, function: Any) -> None:
        self.function, self.calls = function, 0

    def __call__(self, places: Any, which: Any) -> Any:
        self.calls += 1
        return self.function(places)


def test_few_calls_find_a_crossing() -> None:
    """Of a smooth function, and of one that is 0 at a place where it is asked."""
    for function in (lambda x: np.exp(-x) - 0.5, lambda x: x - 0.75, lambda x: x - 0.8):
        for start, stop, shares, calls in ((0, 1, FEW, 3), (0, 1, MANY, 3), (0.6, 0.82, MANY, 2)):
            counted = Counted(function)
            roots(counted, looks_at(function, np.array([start]), np.array([stop])), shares)
            assert counted.calls <= calls


@pytest.mark.parametrize("shares", [FEW, MANY], ids=["few", "many"])
def test_looks_before_spare_a_call(shares: Any) -> None:
    """Where they are of before a jump of an input, or not there, one call more may be needed."""
    for function, calls in ((lambda x: np.exp(-x) - 0.9, 2), (lambda x: x - 0.11, 1)):
        for first, second in ((-0.2, -0.1), (np.nan, -0.1), (0.0, 0.0)):
            places = [np.array([time]) for time in (first, second, 0.0, 0.2)]
            looks = looks_at(function, *places)
            if first == 0.0:
                looks[:, 1, :2] = 9.0
            counted = Counted(function)
            (found,) = roots(counted, looks, shares)
            assert counted.calls <= calls + (first != -0.2)
            assert function(found) == pytest.approx(0.0, abs=5e-15)


def test_no_guess_beside_a_turning_point() -> None:
    """There the inverse interpolation of all looks is anywhere."""
    function = lambda x: 1.0 - 9.0 * (x - 0.1) ** 2  # noqa: E731
    places = [np.array([time]) for time in (-0.1, 0.0, 0.3, 0.6)]
    counted = Counted(function)
    (found,) = roots(counted, looks_at(function, *places))
    assert counted.calls <= 4
    assert found == pytest.approx(0.1 + 1.0 / 3.0, abs=1e-14)


@pytest.mark.parametrize("terminal", [False, True])
def test_crossings_do_not_depend_on_how_often_a_run_is_looked_at(
    terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cues make different numbers of steps between two looks."""
    cues = np.concatenate([CUES, 0.1 * CUES[:3], 20.0 * CUES])
    watch = {
        "a": am.Watch(overlap, terminal=terminal),
        "b": lambda time, states: states["hidden"][0] - 5.0,
        "c": lambda time, states: np.sin(3.0 * time),
    }
    found = []
    for numbers in (1 << 20, 4000, 1):
        monkeypatch.setattr("amsim.dynamics.track._NUMBERS", numbers)
        found.append(am.simulate(NET, cues, t1=12.0, until=None, watch=watch))
    for run in found[1:]:
        np.testing.assert_array_equal(run.crossings, found[0].crossings)
        np.testing.assert_array_equal(run.end_times, found[0].end_times)
        np.testing.assert_array_equal(run["hidden"], found[0]["hidden"])
    assert len(found[0].crossings) > 40


@pytest.mark.parametrize("option", ["watch", "callback"])
def test_an_iterator_that_ends_in_a_function_is_an_error_of_the_function(option: str) -> None:
    """It was taken for the end of the run, whose rest the function never saw."""
    answers = iter([1.0] * 3 if option == "watch" else [False] * 3)

    def ends(time: float, states: Any) -> Any:
        return next(answers)

    given: dict[str, Any] = {option: {"a": ends} if option == "watch" else ends}
    net = am.dense_am(am.patterns.random(3, 16, seed=0))
    with pytest.raises(StopIteration):
        am.simulate(net, np.ones(16), t1=5.0, **given)
