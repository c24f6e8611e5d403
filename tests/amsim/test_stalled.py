"""Runs that cannot get there say so: what slides along a jump, what no step is short enough for."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import amsim as am

SOLVERS: list[Any] = [
    am.ExponentialIntegrator(),
    *(am.ScipyODE(m, max_steps=300) for m in ("RK45", "DOP853", "LSODA")),
    *(am.ScipyODE(m) for m in ("Radau", "BDF")),  # find no step that is short enough
]
REACHED = math.log(1.5)  # from 0.5, x' = -x - 1 is at 0


def inhibited(lagrangian: am.Lagrangian, size: int = 2) -> am.Network:
    """Units that inhibit themselves: tau x' = -x - g(x), and slide along x = 0 with Sign."""
    layer = am.Layer(size, lagrangian)
    return am.Network({"visible": layer}, [am.Dense(-np.eye(size), between=("visible", "visible"))])


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: getattr(s, "method", "exponential"))
def test_a_unit_that_slides_is_named(solver: Any, tmp_path: Path) -> None:
    """The second unit reaches its jump; the first is clamped."""
    net = inhibited(am.Sign())
    traj = am.simulate(net, [0.3, 0.5], solver=solver, clamp=[True, False], t1=100.0)
    assert traj.status == "stalled"
    assert "1 of 1 cues stalled, by t = 0.4" in traj.message
    assert "unit 1 of layer 'visible' (Sign)" in traj.message and "Tanh" in traj.message
    assert traj.times[-1] == pytest.approx(REACHED, abs=0.01)
    assert traj.final["visible"] == pytest.approx([0.3, 0.0], abs=1e-5)
    assert am.Trajectory.load(traj.save(tmp_path / "stalled")).message == traj.message


def test_cues_beside_it_go_on() -> None:
    """An input of 3 keeps the unit away from its jump, at x = 3 - 1."""
    traj = am.simulate(inhibited(am.Sign(), 1), [[0.5], [0.5]], inputs=[[0.0], [3.0]])
    assert traj.statuses.tolist() == ["stalled", "settled"]
    assert "1 of 2 cues stalled, by t = 0.4" in traj.message
    assert traj.final["visible"][1] == pytest.approx(2.0, abs=1e-6)


def test_coarse_steps_get_through() -> None:
    """The remedy that the message names: within a larger tolerance the unit stays at its jump."""
    net, solver, times = inhibited(am.Sign(), 1), am.ExponentialIntegrator(1e-3), [0.2, 0.5, 1.0]
    traj = am.simulate(net, [0.5], solver=solver, times=times, until=None)
    assert traj.status == "time_limit"
    exact = [1.5 * math.exp(-0.2) - 1, 0.0, 0.0]
    np.testing.assert_allclose(traj["visible"][:, 0], exact, rtol=0, atol=1e-3)


@pytest.mark.parametrize("beta", [10.0, 100.0, 1000.0])
def test_steep_units_that_inhibit_themselves_settle(beta: float) -> None:
    """Steps at the border of what is stable would keep them near rest for good."""
    traj = am.simulate(inhibited(am.Tanh(beta)), [0.5, -0.3])
    assert traj.status == "settled"
    assert traj.stats["rhs"] < 1000
    np.testing.assert_allclose(traj.final["visible"], 0.0, atol=1e-6 / beta)


def test_messages_without_end_are_named() -> None:
    net = inhibited(am.Sign(), 1)
    traj = am.simulate(net, [0.5], solver=am.EventDriven(max_events=1000))
    assert traj.status == "max_events"
    assert traj.times[-1] == pytest.approx(REACHED)
    assert "unit 0 of layer 'visible' (Sign)" in traj.message and "delay" in traj.message
    delayed = am.EventDriven(timing=am.Timing(delay=0.1), max_events=1000)
    assert am.simulate(net, [0.5], solver=delayed, t1=5.0).times[-1] == 5.0


@pytest.mark.parametrize("solver", [am.ExponentialIntegrator, am.ScipyODE])
def test_too_many_steps_of_smooth_units(solver: Any) -> None:
    net = am.dense_am(np.eye(3), hidden=am.Softmax(4.0))
    traj = am.simulate(net, [0.5, 0.4, 0.1], solver=solver(max_steps=10))
    assert traj.status == "stalled"
    assert "max_steps" in traj.message and "Radau" in traj.message
    assert "jump of the" not in traj.message
    assert am.simulate(net, [0.5, 0.4, 0.1], solver=solver(max_steps=10_000)).status == "settled"
    with pytest.raises(ValueError, match="max_steps must be a whole number"):
        solver(max_steps=0)
    with pytest.raises(TypeError, match="max_steps must be a whole number"):
        solver(max_steps=1e3)


def test_an_input_that_jumps_without_a_word() -> None:
    """At tolerances near rounding no step over the jump is short enough."""
    solver = am.ExponentialIntegrator(rtol=1e-13, atol=1e-13)
    net = am.Network({"visible": am.Layer(1, am.Identity())}, [])
    options: Any = {"solver": solver, "t1": 1.0}
    traj = am.simulate(net, [0.0], inputs=lambda t: [1e6 * (t > 0.3)], **options)
    assert traj.status == "stalled" and "breakpoints" in traj.message
    traj = am.simulate(net, [0.0], inputs=lambda t: [1e6 * (t > 0.3)], breakpoints=[0.3], **options)
    assert traj.status != "stalled"
    traj = am.simulate(net, [0.0], inputs=lambda t: [1.0 * (t > 0.3)], **options)
    assert traj.status == "time_limit"
    np.testing.assert_allclose(traj["visible"][-1], -np.expm1(-0.7), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("late", "max_step"), [(500.3, None), (1e4, 10.0)])
def test_an_input_that_jumps_late_and_far(late: float, max_step: float | None) -> None:
    """Steps may be as short as the rounding of such times."""
    net = am.Network({"visible": am.Layer(1, am.Identity())}, [])
    traj = am.simulate(
        net, [0.0], inputs=lambda t: [100.0 * (t >= late)], times=[late, late + 5], until=None,
        max_step=max_step,
    )  # fmt: skip
    exact = [[0.0], [-100 * np.expm1(-5.0)]]
    np.testing.assert_allclose(traj["visible"], exact, rtol=0, atol=1e-7)


# What runs away


def excited(lagrangian: am.Lagrangian, tau: float = 1.0) -> am.Network:
    """A unit that excites itself: tau x' = -x + g(x)."""
    layer = am.Layer(1, lagrangian, tau=tau)
    return am.Network({"visible": layer}, [am.Dense([[1.0]], between=("visible", "visible"))])


def ends(net: am.Network, cue: Any, solver: Any, **options: Any) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("ignore", am.GuaranteeWarning)
        return list(am.simulate(net, cue, solver=solver, **options).statuses)


@pytest.mark.parametrize(
    ("beta", "tau", "solver"),
    [(b, tau, None) for b in (0.3, 3.0, 30.0) for tau in (1e-6, 1.0, 1e6)]
    + [(3.0, 1.0, "RK45"), (3.0, 1.0, "BDF"), (0.3, 1e6, "RK45")],
)
def test_states_that_leave_all_numbers_have_diverged(beta: float, tau: float, solver: Any) -> None:
    """x' = exp(beta x) ends at a time t*, at x = -log(beta (t* - t)) / beta: steps vanish there
    while x is some tens, on every processor."""
    net = excited(am.Exponential(beta), tau)
    assert ends(net, [[4.0 / beta + 2.0]], solver, t1=10.0 * tau) == ["diverged"]


@pytest.mark.parametrize("hidden", [*map(am.RectifiedPower, (3, 5, 9, 30, 100)),
                                    *map(am.Exponential, (0.5, 3.0, 30.0))], ids=repr)  # fmt: skip
def test_whichever_comes_first(hidden: am.Lagrangian) -> None:
    """Slow growth passes the limit of states, fast growth lets steps vanish before."""
    net = am.dense_am([[1.0, 1.0], [1.0, -1.0]], visible=am.ReLU(), hidden=hidden)
    assert ends(net, [[3.0, 0.5], [-9.0, -9.0]], None)[0] == "diverged"
    assert ends(excited(hidden), [[3.0]], None) == ["diverged"]


def test_late_runaways() -> None:
    """Where x' = w exp(x) - x almost rests it takes a time of 4442, and rounding hides more: steps
    vanish while the force is 4e6."""
    layers = {"visible": am.Layer(1, am.Exponential())}
    synapse = am.Dense([[(1 + 1e-6) / math.e]], between=("visible", "visible"))
    net = am.Network(layers, [synapse])
    solver = am.ExponentialIntegrator(1e-9, 1e-9)
    assert ends(net, [[0.0]], solver, t1=1e4, until=None) == ["diverged"]


def test_starts_beyond_the_largest_outputs() -> None:
    """exp(600) stands for all that is larger; a rest that follows from that is none."""
    for solver in (None, "RK45", "BDF"):
        assert ends(excited(am.Exponential()), [[650.0]], solver) == ["diverged"]


def test_beside_jumps_nothing_runs_away() -> None:
    """Not where a crossing makes other units much faster, nor at jumps of large inputs."""
    layers = {"visible": am.Layer(2, am.Sign())}
    for weight in (1.0, 1e6, 1e12):
        synapse = am.Directed([[-1.0, 0.0], [weight, 0.0]], source="visible", target="visible")
        assert ends(am.Network(layers, [synapse]), [[0.5, 0.1]], None, t1=5.0) == ["stalled"]
    strict = am.ExponentialIntegrator(rtol=1e-13, atol=1e-13)
    one = am.Network({"visible": am.Layer(1, am.Identity())}, [])
    for size in (1e6, 1e12, 1e30):
        jump: Any = lambda t, size=size: [size * (t > 0.3)]  # noqa: E731
        assert ends(one, [[0.0]], strict, inputs=jump, t1=1.0) == ["stalled"]


def test_an_error_of_an_input_is_its_own() -> None:
    def fails(time: float) -> list[float]:
        if time > 0.5:
            raise ValueError("no data after 0.5")
        return [0.0]

    with pytest.raises(ValueError, match=r"no data after 0\.5"):
        ends(excited(am.Tanh()), [[0.1]], "RK45", inputs=fails)
