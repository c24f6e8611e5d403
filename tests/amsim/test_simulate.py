"""What `simulate` takes, refuses and returns, with every solver."""

from __future__ import annotations

import time
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import amsim as am
from amsim.dynamics import fixed_point, memory_force
from amsim.dynamics import run as exponential_run
from amsim.dynamics.two_layer import TwoLayerRun

Array = npt.NDArray[Any]

METHODS = ["RK45", "DOP853", "Radau", "BDF", "LSODA"]
ODE_SOLVERS = [None, *METHODS]

every_ode_solver = pytest.mark.parametrize("solver", ODE_SOLVERS, ids=str)
every_solver = pytest.mark.parametrize(
    "solver",
    [*ODE_SOLVERS, am.FixedPoint(), am.GradientDescent(0.2, 500)],
    ids=lambda solver: str(solver).split("(")[0],
)
# For what holds whatever the tolerance: implicit methods take long to keep theirs.
IMPLICIT = ("Radau", "BDF")
ROUGH = [am.ScipyODE(x, rtol=1e-4, atol=1e-6) if x in IMPLICIT else x for x in ODE_SOLVERS]
every_rough_ode_solver = pytest.mark.parametrize("solver", ROUGH, ids=map(str, ODE_SOLVERS))
every_rough_solver = pytest.mark.parametrize(
    "solver",
    [*ROUGH, am.FixedPoint(), am.GradientDescent(0.2, 500)],
    ids=[*map(str, ODE_SOLVERS), "FixedPoint", "GradientDescent"],
)
UPDATES = (am.FixedPoint, am.GradientDescent)  # whose times are counts


def memory() -> am.Network:
    """xi[mu, i] = sin(1 + 2 mu + 3 i + mu i), softmax memories at beta = 2."""
    mu, i = np.arange(4)[:, None], np.arange(5)
    return am.dense_am(np.sin(1 + 2 * mu + 3 * i + mu * i), hidden=am.Softmax(2.0))


def linear(tau: Any = 1.0, bias: Any = 0.0, size: int = 3) -> am.Network:
    """One layer without synapses."""
    return am.Network({"x": am.Layer(size, am.Identity(), tau=tau, bias=bias)}, [])


def two_layers(**leaks: float) -> am.Network:
    """Two dynamic layers, none of them called visible."""
    return am.Network(
        {
            "a": am.Layer(3, am.Identity(), leak=leaks.get("a", 1.0)),
            "b": am.Layer(2, am.Tanh(), tau=0.3, leak=leaks.get("b", 1.0)),
        },
        [am.Dense(0.3 * np.arange(6.0).reshape(2, 3), between=("b", "a"))],
    )


CUE = np.cos(np.arange(5))
CUES = np.array([CUE, -CUE, 0.5 * CUE])


# What is refused


BAD_CUES: dict[str, tuple[Any, type[Exception], list[str]]] = {
    "too short": (np.ones(4), ValueError, ["cue has shape (4,)", "'visible' has shape (5,)"]),
    "transposed": (np.ones((5, 3)), ValueError, ["(5, 3)", "(5,)", "in front"]),
    "a number": (1.0, ValueError, ["cue has shape ()"]),
    "NaN": ([1, 2, np.nan, 4, 5], ValueError, ["cue has 1 values that are NaN", "missing"]),
    "infinity": ([1, 2, -np.inf, 4, 5], ValueError, ["cue must be finite, but contains NaN"]),
    "huge": ([1, 2, 1e150, 4, 5], ValueError, ["cue", "rescale"]),
    "a string": ("hello", TypeError, ["cue must be real numbers"]),
    "strings": (list("abcde"), TypeError, ["cue must be real numbers"]),
    "complex": (1j * np.ones(5), TypeError, ["cue must be real numbers", "complex"]),
    "None": (None, TypeError, ["cue must be real numbers"]),
    "empty batch": (np.ones((0, 5)), ValueError, ["batch is empty", "(0, 5)"]),
    "empty in one axis": (np.ones((3, 0, 5)), ValueError, ["batch is empty", "(3, 0, 5)"]),
    "empty mapping": ({}, ValueError, ["empty mapping"]),
    "unknown layer": ({"v": CUE}, ValueError, ["'v'", "visible, hidden"]),
    "state of a layer": (
        {"visible": CUE, "hidden": np.ones(3)},
        ValueError,
        ["state of layer 'hidden' has shape (3,)", "(4,)"],
    ),
    "different batches": (
        {"visible": CUES, "hidden": np.ones((2, 4))},
        ValueError,
        ["different batch axes", "(3,)", "(2,)"],
    ),
}


@pytest.mark.parametrize(("cue", "error", "words"), BAD_CUES.values(), ids=BAD_CUES)
def test_cues_that_do_not_fit(cue: Any, error: type[Exception], words: list[str]) -> None:
    with pytest.raises(error) as caught:
        am.simulate(memory(), cue)
    for word in words:
        assert word in str(caught.value)


BAD_SETTINGS: dict[str, tuple[dict[str, Any], type[Exception], list[str]]] = {
    # times
    "unsorted": ({"times": [0, 2, 1]}, ValueError, ["times must be increasing"]),
    "repeated": ({"times": [0, 1, 1]}, ValueError, ["times must be increasing"]),
    "negative time": ({"times": [-1, 1]}, ValueError, ["not negative"]),
    "beyond t1": ({"times": [0, 5], "t1": 2}, ValueError, ["times go to 5", "t1 = 2"]),
    "no times": ({"times": []}, ValueError, ["times must not be empty"]),
    "one number": ({"times": 3.0}, ValueError, ["times must have 1 axis"]),
    "a table of times": ({"times": [[0, 1]]}, ValueError, ["times must have 1 axis"]),
    "NaN in times": ({"times": [0, np.nan]}, ValueError, ["times must be finite", "NaN"]),
    "endless times": ({"times": [0, np.inf]}, ValueError, ["times must be finite", "infinity"]),
    "only the start": ({"times": [0.0]}, ValueError, ["times end at 0"]),
    "t1 zero": ({"t1": 0}, ValueError, ["t1 must be a finite number > 0", "0"]),
    "t1 negative": ({"t1": -1.0}, ValueError, ["t1 must be a finite number > 0", "-1.0"]),
    "t1 NaN": ({"t1": np.nan}, ValueError, ["t1 must be a finite number > 0", "nan"]),
    "t1 infinite": ({"t1": np.inf}, ValueError, ["t1 must be a finite number > 0", "inf"]),
    # solver and until
    "unknown solver": (
        {"solver": "RK54"},
        ValueError,
        ["solver must be", "'RK54'", *METHODS, "brian2"],
    ),
    "solver class": ({"solver": am.FixedPoint}, TypeError, ["pass FixedPoint()"]),
    "solver number": ({"solver": 5}, TypeError, ["solver must be a name", "5"]),
    "until number": ({"until": 1e-6}, TypeError, ["Settled(...) or None", "1e-06"]),
    "until class": ({"until": am.Settled}, TypeError, ["Settled(...) or None"]),
    # clamp
    "index too large": ({"clamp": [0, 5]}, ValueError, ["'visible'", "between -5 and 4"]),
    "index too small": ({"clamp": [-6]}, ValueError, ["between -5 and 4"]),
    "float index": ({"clamp": [0.0, 1.0]}, TypeError, ["whole numbers", "float64"]),
    "string index": ({"clamp": ["0"]}, TypeError, ["whole numbers", "text"]),
    "mask too short": ({"clamp": [True] * 4}, ValueError, ["clamp of layer", "(4,)", "(5,)"]),
    "mask of other batch": (
        {"clamp": np.ones((2, 5), bool)},
        ValueError,
        ["clamp of layer 'visible'", "(2, 5)"],
    ),
    "clamp of unknown layer": ({"clamp": {"v": [0]}}, ValueError, ["clamp names a layer 'v'"]),
    # inputs
    "input too short": ({"inputs": np.ones(4)}, ValueError, ["input of layer 'visible'", "(4,)"]),
    "input of other batch": ({"inputs": np.ones((2, 5))}, ValueError, ["input of layer", "(2, 5)"]),
    "input NaN": ({"inputs": [0, 0, np.nan, 0, 0]}, ValueError, ["input of layer", "NaN"]),
    "input infinite": ({"inputs": {"hidden": np.inf}}, ValueError, ["'hidden'", "infinity"]),
    "callable too short": (
        {"inputs": lambda t: np.ones(4)},
        ValueError,
        ["input of layer 'visible'", "(4,)"],
    ),
    "callable NaN": ({"inputs": {"hidden": lambda t: np.nan}}, ValueError, ["'hidden'", "NaN"]),
    "input of unknown layer": ({"inputs": {"v": 1.0}}, ValueError, ["inputs names a layer 'v'"]),
    "updates have no time": (
        {"inputs": lambda t: np.sin(t), "solver": am.FixedPoint()},
        ValueError,
        ["FixedPoint", "depends on time", "ODE solver"],
    ),
}


@pytest.mark.parametrize(("settings", "error", "words"), BAD_SETTINGS.values(), ids=BAD_SETTINGS)
def test_settings_that_do_not_fit(
    settings: dict[str, Any], error: type[Exception], words: list[str]
) -> None:
    with pytest.raises(error) as caught:
        am.simulate(memory(), CUE, **settings)
    for word in words:
        assert word in str(caught.value)


@every_rough_ode_solver
def test_an_input_that_fails_later_says_so(solver: Any) -> None:
    with pytest.raises(ValueError, match=r"input of layer .visible. must be finite"):
        am.simulate(memory(), CUE, inputs=lambda t: np.nan if t > 0.5 else 0.0, solver=solver)


def test_algebraic_layers_cannot_be_clamped() -> None:
    net = am.dense_am(np.eye(3, 5), tau_hidden=0.0)
    with pytest.raises(ValueError, match="'hidden' has tau = 0 and cannot be clamped"):
        am.simulate(net, CUE, clamp={"hidden": [0]})


def test_a_bare_array_needs_a_layer() -> None:
    for settings in ({}, {"clamp": [0]}, {"inputs": 1.0}):
        cue = {"a": np.ones(3)} if settings else np.ones(3)
        with pytest.raises(ValueError, match=r"no layer is named 'visible'.*from a, b"):
            am.simulate(two_layers(), cue, **settings)


def test_a_layer_without_leak_needs_a_state() -> None:
    net = two_layers(b=0.0)
    with pytest.raises(ValueError, match=r"layer 'b' has no leak.*initial state"):
        am.simulate(net, {"a": np.ones(3)})
    assert am.simulate(net, {"a": np.ones(3), "b": np.zeros(2)}, t1=1.0).times[-1] == 1.0
    with pytest.raises(ValueError, match="FixedPoint: layer 'b' has no leak"):
        am.simulate(net, {"a": np.ones(3), "b": np.zeros(2)}, solver=am.FixedPoint())


def test_networks_only() -> None:
    with pytest.raises(TypeError, match="network must be a Network, got an array of shape"):
        am.simulate(np.eye(3), np.ones(3))  # type: ignore[arg-type]


# Cues


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.float32])
def test_cues_of_other_types(dtype: type) -> None:
    cue = np.array([1, 0, 1, 1, 0])
    plain = am.simulate(memory(), cue.astype(np.float64), t1=1.0)
    np.testing.assert_array_equal(
        am.simulate(memory(), cue.astype(dtype), t1=1.0)["visible"], plain["visible"]
    )


def test_a_cue_for_the_only_dynamic_layer() -> None:
    """It need not be called visible."""
    net = am.Network(
        {"pixels": am.Layer(3, am.Identity()), "memory": am.Layer(2, am.Tanh(), tau=0.0)},
        [am.Dense(np.ones((2, 3)), between=("memory", "pixels"))],
    )
    named = am.simulate(net, {"pixels": [1.0, 0.0, 2.0]}, t1=1.0)
    bare = am.simulate(net, [1.0, 0.0, 2.0], t1=1.0, clamp=[], inputs=0.0)
    assert list(bare) == ["pixels", "memory"]
    np.testing.assert_allclose(bare["pixels"], named["pixels"], rtol=1e-14)
    np.testing.assert_allclose(bare["memory"][0], [3.0, 3.0], rtol=1e-14)


@every_rough_solver
def test_layers_that_are_left_out_start_algebraically(solver: Any) -> None:
    """h(0) = W v(0) + b + input, and v(0) = W^T f(h(0)) + a."""
    net, w = memory(), memory().synapses[0].weights  # type: ignore[attr-defined]
    inputs = {"hidden": np.array([0.0, 0.1, 0.2, 0.3])}
    for cue in (CUE, {"visible": CUE}):
        traj = am.simulate(net, cue, t1=1.0, inputs=inputs, solver=solver)
        np.testing.assert_allclose(traj["hidden"][0], w @ CUE + inputs["hidden"], rtol=1e-14)
    hidden = np.array([1.0, 0.0, -1.0, 0.5])
    traj = am.simulate(net, {"hidden": hidden}, t1=1.0, solver=solver)
    # Within a record the memories follow from the features: a sum that may cancel to 0.
    np.testing.assert_allclose(traj["hidden"][0], hidden, rtol=1e-14, atol=1e-15)
    weight = np.exp(2 * hidden) / np.exp(2 * hidden).sum()
    np.testing.assert_allclose(traj["visible"][0], w.T @ weight, rtol=1e-14)


@every_solver
def test_a_state_given_for_an_algebraic_layer_is_ignored(solver: Any) -> None:
    net = am.dense_am(np.eye(2, 5), tau_hidden=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        given = am.simulate(
            net, {"visible": CUE, "hidden": np.ones(2)}, times=[0.0, 1.0], solver=solver
        )
        states = dict(given)
    plain = am.simulate(net, CUE, times=[0.0, 1.0], solver=solver)
    for name in net.layers:
        np.testing.assert_array_equal(states[name], plain[name])
        assert np.isfinite(states[name]).all()


# Clamps


@every_rough_solver
def test_indices_equal_a_mask(solver: Any) -> None:
    mask = np.array([True, False, False, False, True])
    runs = [
        am.simulate(memory(), CUES, clamp=clamp, t1=1.0, solver=solver)
        for clamp in (mask, [0, 4], [-1, 0], np.array([4, 0], np.uint8), {"visible": mask})
    ]
    for traj in runs:
        assert (traj["visible"][..., mask] == CUES[:, mask]).all()
        np.testing.assert_array_equal(traj["visible"], runs[0]["visible"])


@every_rough_ode_solver
def test_clamped_memories_of_layers_with_several_axes(solver: Any) -> None:
    """Indices count through the flattened layer; masks may differ from cue to cue."""
    net = am.Network(
        {
            "tokens": am.Layer((2, 3), am.Identity()),
            "memory": am.Layer((2, 4), am.Softmax(2.0), tau=0.2),
        },
        [am.Dense(np.cos(np.arange(12.0)).reshape(4, 3), between=("memory", "tokens"))],
    )
    start = np.sin(np.arange(18.0)).reshape(3, 2, 3)
    clamp = {"tokens": [0, 5], "memory": np.arange(24).reshape(3, 2, 4) % 5 == 0}
    with pytest.warns(am.GuaranteeWarning, match="clamp splits a group of layer 'memory'"):
        traj = am.simulate(net, {"tokens": start}, clamp=clamp, t1=4.0, solver=solver)
    tokens = np.zeros((2, 3), bool)
    tokens[0, 0] = tokens[1, 2] = True
    for name, mask in (("tokens", np.broadcast_to(tokens, (3, 2, 3))), ("memory", clamp["memory"])):
        first = traj[name][0]
        for state in (*traj[name], traj.final[name]):
            np.testing.assert_array_equal(state[mask], first[mask])
        assert (np.abs(traj[name][-1] - first)[~mask] > 1e-6).all()


def test_clamping_part_of_a_group_costs_the_descent() -> None:
    """Two logits without bias: x_2 goes to 0, and dE/dt = p_1 p_2 F_2 (F_1 - F_2) with F = -x."""
    net = am.Network({"x": am.Layer(2, am.Softmax())}, [])
    with pytest.warns(am.GuaranteeWarning, match=r"clamp splits a group of layer 'x' \(Softmax\)"):
        traj = am.simulate(net, {"x": [-2.0, -1.0]}, clamp={"x": [0]}, times=[0.0, 1e-4, 10.0])
    p = 1 / (1 + np.exp([1.0, -1.0]))
    slope = (traj.energy[1] - traj.energy[0]) / 1e-4
    assert slope == pytest.approx(p[0] * p[1], rel=1e-3)
    # Whole groups, and units that share no normaliser, keep the proof: no warning.
    tokens = am.Network({"x": am.Layer((2, 2), am.LayerNorm())}, [])
    am.simulate(tokens, {"x": np.eye(2)}, clamp={"x": [0, 1]}, t1=1.0)
    am.simulate(memory(), CUES, clamp=[0], t1=1.0)


@every_solver
def test_all_units_clamped(solver: Any) -> None:
    everything = np.ones(5, bool)
    traj = am.simulate(memory(), CUES, clamp=everything, solver=solver, t1=100.0)
    assert traj.status == "settled"
    np.testing.assert_array_equal(traj["visible"], np.broadcast_to(CUES, traj["visible"].shape))


# Inputs


@every_solver
@pytest.mark.parametrize("layer", ["visible", "hidden"])
def test_a_constant_input_is_a_bias(layer: str, solver: Any) -> None:
    size = memory().layers[layer].size
    value = np.linspace(-0.3, 0.5, size)
    plain = memory()
    xi = plain.synapses[0].weights  # type: ignore[attr-defined]
    biased = am.dense_am(xi, hidden=am.Softmax(2.0), **{f"bias_{layer}": value})  # type: ignore[arg-type]
    given = {} if isinstance(solver, UPDATES) else {"times": [0.0, 0.2, 1.0, 5.0]}
    by_input = am.simulate(plain, CUES, inputs={layer: value}, solver=solver, **given)  # type: ignore[arg-type]
    by_bias = am.simulate(biased, CUES, solver=solver, **given)  # type: ignore[arg-type]
    for name in plain.layers:
        np.testing.assert_allclose(by_input[name], by_bias[name], rtol=0, atol=3e-6)
    np.testing.assert_allclose(by_input.energy, by_bias.energy, rtol=0, atol=1e-5)


TAU, OMEGA = np.array([0.1, 1.0, 4.0]), 3.0


def sine_response(start: Array, amplitude: Array, times: Array) -> Array:
    """tau x' = A sin(w t) - x."""
    t = times.reshape(-1, *[1] * start.ndim)
    q = OMEGA * TAU
    forced = amplitude * (np.sin(OMEGA * t) - q * np.cos(OMEGA * t)) / (1 + q**2)
    return (start + amplitude * q / (1 + q**2)) * np.exp(-t / TAU) + forced


TIMES = np.array([0.0, 0.01, 0.5, 1.0, 3.0, 5.0])


@every_ode_solver
@pytest.mark.parametrize("batched", [False, True], ids=["one cue", "batch"])
def test_a_sine_drives_a_layer(batched: bool, solver: Any) -> None:
    """For one cue, and for a batch whose inputs differ."""
    start, amplitude = np.array([1.0, -1.0, 2.0]), np.array([1.0, 2.0, 3.0])
    if batched:
        start = np.array([start, -start, 0 * start])
        amplitude = np.array([[1.0], [0.0], [-2.0]]) * amplitude
    drive: Any = lambda t: amplitude * np.sin(OMEGA * t)  # noqa: E731
    inputs = {"x": drive} if batched else drive
    traj = am.simulate(linear(TAU), start, inputs=inputs, times=TIMES, until=None, solver=solver)
    exact = sine_response(start, amplitude, TIMES)
    np.testing.assert_allclose(traj["x"], exact, rtol=0, atol=1e-6 * np.abs(exact).max())
    assert traj.status == "time_limit"


@every_ode_solver
def test_an_input_that_is_a_polynomial_in_time(solver: Any) -> None:
    """x' = t^2 - x: x = t^2 - 2 t + 2 + (x0 - 2) e^-t."""
    t, start = TIMES[:, None], np.array([1.0, -1.0, 2.0])
    exact = t**2 - 2 * t + 2 + (start - 2) * np.exp(-t)
    traj = am.simulate(
        linear(), start, inputs=lambda s: s * s, times=TIMES, until=None, solver=solver
    )
    np.testing.assert_allclose(traj["x"], exact, rtol=0, atol=1e-6 * np.abs(exact).max())


def test_the_energy_has_the_input_of_its_time() -> None:
    """E = (x - I) . x - x.x / 2 = x.x / 2 - I(t) . x."""
    amplitude = np.array([[1.0], [0.0], [-2.0]]) * np.ones(3)

    def drive(t: float) -> Array:
        return amplitude * np.sin(OMEGA * t)

    traj = am.simulate(linear(TAU), np.ones((3, 3)), inputs=drive, times=TIMES, until=None)
    x = traj["x"]
    external = np.array([drive(t) for t in TIMES])
    expected = np.sum(x * x, axis=-1) / 2 - np.sum(external * x, axis=-1)
    np.testing.assert_allclose(traj.energy, expected, rtol=1e-12, atol=1e-12)


# Times


@every_rough_ode_solver
def test_explicit_times_are_all_returned(solver: Any) -> None:
    """Also those after the cues have settled, at which their states hold."""
    times = np.array([0.5, 2.0, 30.0, 500.0, 1000.0])
    traj = am.simulate(memory(), CUES, times=times, solver=solver)
    assert traj.status == "settled"
    np.testing.assert_array_equal(traj.times, times)
    assert (traj.settle_times < 500.0).all()
    for name in traj:
        assert traj[name].shape[:2] == (5, 3)
        np.testing.assert_array_equal(traj[name][3], traj[name][4])
        np.testing.assert_array_equal(traj[name][4], traj.final[name])
    assert traj.energy.shape == (5, 3)


@every_rough_ode_solver
def test_default_times_end_where_the_last_cue_settles(solver: Any) -> None:
    traj = am.simulate(memory(), CUES, solver=solver)
    assert traj.status == "settled"
    assert traj.times[0] == 0.0
    assert (np.diff(traj.times) > 0).all()
    assert 5.0 < traj.times[-1] < 100.0
    assert traj.times[-1] >= np.max(traj.settle_times)
    np.testing.assert_array_equal(traj["visible"][0], CUES)
    for name in traj:
        np.testing.assert_array_equal(traj[name][-1], traj.final[name])
    if solver is None:
        assert traj.times[-1] == np.max(traj.settle_times)
        for cue, end in enumerate(traj.settle_times):
            held = traj["visible"][traj.times >= end, cue]
            np.testing.assert_array_equal(held, np.broadcast_to(held[-1], held.shape))


@every_rough_ode_solver
def test_default_times_resolve_the_fastest_layer(solver: Any) -> None:
    traj = am.simulate(memory(), CUE, t1=7.0, solver=solver, until=None)
    assert traj.times[0] == 0.0
    assert traj.times[-1] == 7.0
    assert traj.times[1] == pytest.approx(0.01 * 0.1)
    ratios = traj.times[2:] / traj.times[1:-1]
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-9)
    assert ratios[0] < 1.3


@every_rough_ode_solver
def test_without_until_a_run_goes_to_t1(solver: Any) -> None:
    for settings in ({"t1": 8.0}, {"t1": 8.0, "times": [1.0, 2.0]}, {"times": [8.0]}):
        traj = am.simulate(memory(), CUE, until=None, solver=solver, **settings)  # type: ignore[arg-type]
        assert traj.status == "time_limit"
        assert traj.message == "ran to t = 8 as asked (until=None)"
        assert np.isnan(traj.settle_times)
    assert traj.times.tolist() == [8.0]
    np.testing.assert_array_equal(traj["visible"][-1], traj.final["visible"])


@every_ode_solver
def test_the_final_state_belongs_to_t1(solver: Any) -> None:
    traj = am.simulate(linear(), np.ones(3), times=[1.0, 2.0], t1=5.0, until=None, solver=solver)
    assert traj.times.tolist() == [1.0, 2.0]
    np.testing.assert_allclose(traj["x"][-1], np.exp(-2.0), rtol=1e-6)
    np.testing.assert_allclose(traj.final["x"], np.exp(-5.0), rtol=1e-5)


def test_a_tiny_t1() -> None:
    traj = am.simulate(memory(), CUE, t1=1e-12, until=None)
    assert traj.times.tolist() == [0.0, 1e-12]
    np.testing.assert_allclose(traj["visible"][1], CUE, rtol=1e-10)


@every_ode_solver
def test_time_limit_tells_the_remedy(solver: Any) -> None:
    traj = am.simulate(memory(), CUES, t1=1.0, solver=solver)
    assert traj.status == "time_limit"
    assert traj.statuses.tolist() == ["time_limit"] * 3
    assert traj.times[-1] == 1.0
    assert np.isnan(traj.settle_times).all()
    for word in (
        "3 of 3 cues did not settle by t = 1",
        "larger t1",
        "until=Settled(...)",
        "plot()",
    ):
        assert word in traj.message


# Divergence


@every_solver
def test_a_linear_network_with_large_weights_diverges(solver: Any) -> None:
    """v' = W^T h - v with W = 3: growth at rate 2, from 1 to the limit of 1e9 or so by t = 11.

    A second cue is at rest at 0.
    """
    net = am.dense_am([[3.0]], hidden=am.Identity(), tau_hidden=1.0)
    assert net.lost_guarantees == ()
    cues = np.array([[1.0], [0.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        traj = am.simulate(net, cues, solver=solver)
        energy = traj.energy
    assert traj.status == "diverged"
    assert traj.statuses[0] == "diverged"
    assert "1 of 2 cues diverged" in traj.message
    assert np.isnan(traj.settle_times[0])
    for array in (traj.times, energy, *traj.values(), *traj.final.values()):
        assert np.isfinite(array).all()
    assert len(traj.times) == len(traj["visible"]) == len(energy)
    last = {am.FixedPoint: 50, am.GradientDescent: 70}.get(type(solver), 20.0)
    assert traj.times[-1] <= last
    np.testing.assert_array_equal(traj["visible"][-1], traj.final["visible"])
    assert (traj["visible"][:, 1] == 0).all()
    if not isinstance(solver, UPDATES):
        # From h(0) = 3 v(0): v = 2 e^(2 t) - e^(-4 t), as far as the record goes.
        inside = traj.times[:-1]
        exact = 2 * np.exp(2 * inside) - np.exp(-4 * inside)
        np.testing.assert_allclose(traj["visible"][:-1, 0, 0], exact, rtol=1e-5)
        assert 1e5 < traj.final["visible"][0, 0] < 1e15


@every_rough_ode_solver
def test_the_record_of_a_diverged_run_ends_there(solver: Any) -> None:
    net = am.dense_am([[1.0, 1.0]], hidden=am.RectifiedPower(3))
    times = np.array([0.0, 0.001, 1.0, 50.0, 1000.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("ignore", am.GuaranteeWarning)
        traj = am.simulate(net, [3.0, 1.0], times=times, solver=solver)
    assert traj.status == "diverged"
    assert traj.times[:2].tolist() == [0.0, 0.001]
    assert traj.times[-1] < 50.0
    assert len(traj["visible"]) == len(traj["hidden"]) == len(traj.times)
    np.testing.assert_array_equal(traj["visible"][-1], traj.final["visible"])


def test_lost_guarantees_are_warned_of() -> None:
    net = am.dense_am([[0.1, 0.1]], hidden=am.RectifiedPower(3))
    with pytest.warns(am.GuaranteeWarning, match="no lower bound") as caught:
        am.simulate(net, [0.1, 0.1], t1=1.0)
    assert caught[0].filename == __file__


# Ctrl-C


def presses(after: int) -> Callable[[float], float]:
    """An input of 0 that is interrupted on being asked once more."""
    left = [after]

    def drive(t: float) -> float:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return 0.0

    return drive


def caught(run: Callable[[], am.Trajectory]) -> am.Trajectory:
    """Ctrl-C must not get past `simulate`; it would end the whole test session."""
    try:
        return run()
    except KeyboardInterrupt:
        pytest.fail("KeyboardInterrupt came out of simulate")


def check_interrupted(traj: am.Trajectory, whole: am.Trajectory) -> None:
    """The record is the beginning of the whole one; it ends with the last state."""
    assert traj.status == "interrupted"
    assert traj.message == (
        f"interrupted: 0 of 1 cues had settled, 1 were under way, by t = {traj.times[-1]:.4g}"
    )
    assert 0 < traj.times[-1] < whole.times[-1]
    assert len(traj.times) == len(traj["visible"]) == len(traj["hidden"]) == len(traj.energy)
    np.testing.assert_array_equal(traj.times[:-1], whole.times[: len(traj.times) - 1])
    for name in traj:
        np.testing.assert_array_equal(traj[name][:-1], whole[name][: len(traj.times) - 1])
        np.testing.assert_array_equal(traj[name][-1], traj.final[name])


@every_ode_solver
@pytest.mark.parametrize("times", [None, np.linspace(0.0, 4.0, 9)], ids=["default", "explicit"])
def test_an_interrupted_run_keeps_what_it_reached(times: Any, solver: Any) -> None:
    settings: dict[str, Any] = {"times": times, "t1": 4.0, "until": None, "solver": solver}
    whole = am.simulate(memory(), CUE, inputs=lambda t: 0.0, **settings)
    traj = caught(lambda: am.simulate(memory(), CUE, inputs=presses(70), **settings))
    # The input is asked again for the energy; that must not be interrupted.
    traj.__dict__["energy"] = whole.energy[: len(traj.times)]
    assert len(traj.times) >= 2
    check_interrupted(traj, whole)


@pytest.mark.parametrize("times", [None, np.linspace(0.0, 20.0, 201)], ids=["default", "explicit"])
def test_interrupted_compiled_run(times: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two chunks of steps, here of one step; 20 cues are two groups."""
    cues = np.tile(CUE, (20, 1)) * np.linspace(0.5, 1.5, 20)[:, None]
    settings: dict[str, Any] = {"times": times, "t1": 20.0, "until": None}
    whole = am.simulate(memory(), cues, **settings)
    monkeypatch.setattr(exponential_run, "_CHUNK", 1.0)
    sweep, calls = memory_force.sweep, [0]

    def interrupted(*args: Any) -> Any:
        calls[0] += 1
        if calls[0] > 15:
            raise KeyboardInterrupt
        return sweep(*args)

    monkeypatch.setattr(memory_force, "sweep", interrupted)
    traj = caught(lambda: am.simulate(memory(), cues, **settings))
    assert traj.statuses.tolist() == ["interrupted"] * 20
    assert traj.message == (
        f"interrupted: 0 of 20 cues had settled, 16 were under way, by t = {traj.times[-1]:.4g} "
        f"(cues 0 to 15), 4 had not begun (cues 16 to 19)"
    )
    reached = traj["visible"][-1, :16]
    assert (np.abs(reached - cues[:16]).max(axis=-1) > 1e-3).all()
    # The second group was not begun.
    np.testing.assert_array_equal(
        traj["visible"][:, 16:], np.broadcast_to(cues[16:], traj["visible"][:, 16:].shape)
    )
    for array in (traj.times, traj.energy, *traj.values()):
        assert np.isfinite(array).all()
        assert len(array) == len(traj.times)
    assert 0 < traj.times[-1] < 20.0
    # One cue of the first group got furthest: the others hold their state from where they stood.
    near = traj.times < 0.5 * traj.times[-1]
    np.testing.assert_array_equal(
        traj["visible"][near][:, :16], whole["visible"][: near.sum()][:, :16]
    )


def many_cues() -> Array:
    """Cues of three parts."""
    return np.cos(np.outer(np.arange(1, 41), np.arange(1, 6)))


@pytest.mark.parametrize(
    "options", [{}, {"until": None, "t1": 3.0}, {"solver": am.ExponentialIntegrator(1e-9)}], ids=str
)
def test_workers_change_no_bit(options: dict[str, Any]) -> None:
    one, three = (am.simulate(memory(), many_cues(), workers=n, **options) for n in (1, 3))
    for name, state in one.items():
        np.testing.assert_array_equal(three[name], state)
    np.testing.assert_array_equal(three.settle_times, one.settle_times)
    assert three.stats["rhs"] == one.stats["rhs"]
    assert three.message == one.message


def test_workers_share_the_pieces_of_inputs_that_jump() -> None:
    jumps = am.PiecewiseConstant([0.0, 1.0], [np.zeros(5), np.ones(5)])
    one, two = (
        am.simulate(memory(), many_cues(), inputs=jumps, workers=n).final["visible"] for n in (1, 2)
    )
    np.testing.assert_array_equal(two, one)


@pytest.mark.parametrize("solver", ["RK45", am.FixedPoint(), am.EventDriven(), am.Brian2()])
def test_solvers_of_one_thread_refuse_workers(solver: Any) -> None:
    with pytest.raises(ValueError, match="runs in one thread"):
        am.simulate(memory(), CUES, solver=solver, workers=2)
    with pytest.raises(TypeError, match="workers must be a whole number"):
        am.simulate(memory(), CUES, solver=solver, workers=2.0)  # type: ignore[arg-type]


def test_interrupted_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts that have not begun keep their start, and nothing runs on."""

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    finish = exponential_run._Crew.finish

    def once_stopped(crew: exponential_run._Crew, *part: Any) -> None:
        """Hold both workers until the interrupt is known, so that neither ends its part."""
        patience = time.monotonic() + 30.0
        while not crew.stopped and time.monotonic() < patience:
            time.sleep(0.001)
        finish(crew, *part)

    monkeypatch.setattr(exponential_run, "wait", interrupt)
    monkeypatch.setattr(exponential_run._Crew, "finish", once_stopped)
    cues = many_cues()
    traj = am.simulate(memory(), cues, workers=2, t1=1e4, until=None)
    assert traj.status == "interrupted"
    assert set(traj.statuses) == {"interrupted"}
    np.testing.assert_array_equal(traj.final["visible"][-1], cues[-1])


def test_a_worker_that_fails_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []

    def fail(run: TwoLayerRun) -> float:
        begun.append(run)
        raise MemoryError("no room")

    monkeypatch.setattr(TwoLayerRun, "prepare", fail)
    with pytest.raises(MemoryError, match="no room"):
        am.simulate(memory(), many_cues(), workers=2)
    assert begun


@pytest.mark.parametrize("hidden", [am.Softmax(2.0), am.Tanh()], ids=["attention", "layers"])
@pytest.mark.parametrize("record", [True, False])
def test_interrupted_updates(
    record: bool, hidden: am.Lagrangian, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the fourth of ten updates."""
    net = am.dense_am(0.1 * memory().synapses[0].weights, hidden=hidden)  # type: ignore[attr-defined]
    whole = am.simulate(net, CUES, solver=am.FixedPoint(10, record=True), until=None)
    calls = [0]
    for kind in (fixed_point._Attention, fixed_point._Layers):
        move = kind.move

        def interrupted(self: Any, move: Any = move) -> Any:
            calls[0] += 1
            found = move(self)
            if calls[0] == 4:
                raise KeyboardInterrupt
            return found

        monkeypatch.setattr(kind, "move", interrupted)
    solver = am.FixedPoint(10, record=record)
    traj = caught(lambda: am.simulate(net, CUES, solver=solver, until=None))
    assert traj.statuses.tolist() == ["interrupted"] * 3
    rows = [0, 1, 2, 3] if record else [0, 3]
    assert traj.times.tolist() == rows
    for name in traj:
        np.testing.assert_array_equal(traj[name], whole[name][rows])
        np.testing.assert_array_equal(traj.final[name], whole[name][3])


# Updates


def test_the_first_state_and_the_last_are_kept_unless_more_is_asked() -> None:
    every, ends = (
        am.simulate(memory(), CUES, solver=am.FixedPoint(record=record)) for record in (True, False)
    )
    assert ends.times.tolist() == [0.0, every.times[-1]]
    assert every.times.tolist() == list(range(len(every.times)))
    for name in ("visible", "hidden"):
        np.testing.assert_array_equal(ends[name], every[name][[0, -1]])
        np.testing.assert_array_equal(ends.final[name], every[name][-1])
    np.testing.assert_allclose(ends.energy, every.energy[[0, -1]], rtol=1e-14)
    with pytest.raises(TypeError, match="FixedPoint: record must be True or False"):
        am.FixedPoint(record=1)  # type: ignore[arg-type]


class Renamed(am.Softmax):
    """Softmax by another name, whose layers are updated one by one."""


@pytest.mark.parametrize("until", [None, am.Settled(1e-9)], ids=["as many as asked", "settled"])
@pytest.mark.parametrize("tau", [0.0, 0.1])
@pytest.mark.parametrize("given", [False, True], ids=["", "memories given"])
def test_attention_is_what_updates_by_layers_are(given: bool, tau: float, until: Any) -> None:
    """With biases, an input, a clamp and cues that settle one after the other."""
    start = {"visible": CUES, "hidden": np.sin(np.arange(12.0)).reshape(3, 4)}
    settings: dict[str, Any] = {
        "solver": am.FixedPoint(12, record=True),
        "until": until,
        "clamp": {"visible": [[True] + 4 * [False], 5 * [False], [False, True] + 3 * [False]]},
        "inputs": {"visible": 0.1 * CUES},
    }
    xi = memory().synapses[0].weights  # type: ignore[attr-defined]
    fast, plain = (
        am.simulate(
            am.Network(
                {
                    "visible": am.Layer(5, am.Identity(), bias=np.linspace(0, 0.1, 5)),
                    "hidden": am.Layer(4, kind(2.0), tau=tau, bias=np.linspace(0, 1, 4)),
                },
                [am.Dense(xi, between=("hidden", "visible"))],
            ),
            start if given else CUES,
            **settings,
        )
        for kind in (am.Softmax, Renamed)
    )
    assert fast.stats["rhs_per_cue"].tolist() == plain.stats["rhs_per_cue"].tolist()
    assert fast.statuses.tolist() == plain.statuses.tolist()
    for name in fast:
        np.testing.assert_allclose(fast[name], plain[name], rtol=0, atol=1e-13)
        np.testing.assert_array_equal(fast[name][-1], fast.final[name])
    np.testing.assert_allclose(fast.energy, plain.energy, rtol=1e-12)


@pytest.mark.parametrize("tau", [0.0, 0.1])
def test_updates_in_float32_end_where_float64_does(tau: float) -> None:
    """Many memories of int8: 120,000 weights, in several blocks."""
    patterns = am.patterns.random(600, 200, seed=0)
    cues = am.patterns.corrupt(patterns[:5], flip=0.3, seed=1)
    net, real = (
        am.dense_am(stored, hidden=am.Softmax(0.1), tau_hidden=tau)
        for stored in (patterns, patterns * (1 + 1e-15))
    )
    fast = am.simulate(net, cues, solver=am.FixedPoint(), until=am.Settled(1e-10))
    exact = am.simulate(real, cues, solver=am.FixedPoint(), until=am.Settled(1e-10))
    assert fast.status == exact.status == "settled"
    for name in fast:
        np.testing.assert_allclose(fast.final[name], exact.final[name], rtol=0, atol=1e-9)
    forces = net.force(fast.final)
    assert all(np.abs(force).max() <= 1e-10 + 1e-12 for force in forces.values())


def test_updates_take_no_room_for_all_memories_of_all_cues() -> None:
    """20,000 memories times 64 cues would be 10 MB, of 24 units 12 kB."""
    patterns = am.patterns.random(20_000, 24, seed=0)
    net = am.dense_am(patterns, hidden=am.Softmax(0.5), tau_hidden=0.1)
    cues = am.patterns.corrupt(patterns[:64], flip=0.2, seed=1)
    am.simulate(net, cues[:1], solver=am.FixedPoint())
    tracemalloc.start()
    traj = am.simulate(net, cues, solver=am.FixedPoint())
    _, found = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert traj.status == "settled"
    assert found < 5e6


@pytest.mark.parametrize("updates", [1, 2, 3, 7, 50])
@pytest.mark.parametrize("patterns", ["one memory", "four memories"])
def test_fixed_point_makes_as_many_updates_as_asked(patterns: str, updates: int) -> None:
    """With until=None; also where a state stops changing altogether."""
    net = memory()
    if patterns == "one memory":
        net = am.dense_am([[1.0, -1.0, 1.0, 1.0, -1.0]])
    traj = am.simulate(net, CUES, solver=am.FixedPoint(updates, record=True), until=None)
    assert traj.times.tolist() == list(range(updates + 1))
    assert traj["visible"].shape == (updates + 1, 3, 5)
    assert traj.status == "time_limit"
    assert traj.stats["rhs_per_cue"].tolist() == [updates] * 3


def test_fixed_point_takes_no_notice_of_time() -> None:
    plain = am.simulate(memory(), CUES, solver=am.FixedPoint(5), until=None)
    timed = am.simulate(memory(), CUES, solver=am.FixedPoint(5), until=None, t1=0.1, times=[0.05])
    np.testing.assert_array_equal(plain["visible"], timed["visible"])
    np.testing.assert_array_equal(plain.times, timed.times)


def test_fixed_point_that_runs_out_of_updates() -> None:
    traj = am.simulate(memory(), CUES, solver=am.FixedPoint(2), until=am.Settled(1e-12))
    assert traj.status == "time_limit"
    assert "3 of 3 cues did not settle by update 2, with |tau dx/dt| up to 0.2: " in traj.message
    assert "allow more updates" in traj.message


# Side effects


@every_rough_solver
def test_the_same_call_gives_the_same_arrays(solver: Any) -> None:
    first, second = (am.simulate(memory(), CUES, solver=solver) for _ in range(2))
    assert list(first) == list(second) == ["visible", "hidden"]
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
        np.testing.assert_array_equal(first.final[name], second.final[name])
    for what in ("times", "energy", "settle_times", "statuses"):
        np.testing.assert_array_equal(getattr(first, what), getattr(second, what))
    work = [{k: v for k, v in x.stats.items() if k not in ("wall_time", "rhs_per_cue")}
            for x in (first, second)]  # fmt: skip
    assert work[0] == work[1]


GIVEN_TO: list[tuple[Any, type]] = [
    (None, np.int8),
    (None, np.float32),
    *((solver, np.float64) for solver in [*ROUGH, am.FixedPoint()]),
]


@pytest.mark.parametrize(("solver", "weights"), GIVEN_TO, ids=str)
def test_nothing_that_is_given_changes(solver: Any, weights: type) -> None:
    given: dict[str, Any] = {
        "xi": am.patterns.random(4, 5, seed=0).astype(weights),
        "visible": CUES.copy(),
        "hidden": np.linspace(-1, 1, 12).reshape(3, 4),
        "bias": np.linspace(0, 1, 4),
        "clamp": np.array([True, False, False, False, False]),
        "input": np.linspace(0, 0.1, 5),
        "times": np.array([0.0, 1.0, 4.0]),
    }
    before = {name: value.copy() for name, value in given.items()}
    net = am.dense_am(given["xi"], hidden=am.Softmax(2.0), bias_hidden=given["bias"])
    layers = {name: (x.tau.copy(), x.bias.copy(), x.leak) for name, x in net.layers.items()}
    traj = am.simulate(
        net, {"visible": given["visible"], "hidden": given["hidden"]}, clamp=given["clamp"],
        inputs=given["input"], times=given["times"], solver=solver,
    )  # fmt: skip
    assert np.isfinite(traj.energy).all()
    for name, value in given.items():
        np.testing.assert_array_equal(value, before[name])
    for name, (tau, bias, leak) in layers.items():
        layer = net.layers[name]
        np.testing.assert_array_equal(layer.tau, tau)
        np.testing.assert_array_equal(layer.bias, bias)
        assert layer.leak == leak
    np.testing.assert_array_equal(net.synapses[0].weights, before["xi"])  # type: ignore[attr-defined]


def test_a_result_does_not_follow_what_was_given() -> None:
    """Energies and memories are computed on demand: from what was given then."""
    given: dict[str, Any] = {
        "cue": CUES.copy(),
        "clamp": np.array([True, False, False, False, False]),
        "inputs": np.linspace(0, 0.1, 5),
        "times": np.array([0.0, 1.0, 4.0]),
    }

    def run() -> am.Trajectory:
        return am.simulate(
            memory(), given["cue"], clamp=given["clamp"], inputs=given["inputs"],
            times=given["times"],
        )  # fmt: skip

    expected, traj = run(), run()
    times, energy, visible = expected.times.copy(), expected.energy.copy(), expected["visible"]
    for value in given.values():
        value[...] = 0
    np.testing.assert_array_equal(traj.times, times)
    np.testing.assert_array_equal(traj["visible"], visible)
    np.testing.assert_array_equal(traj.energy, energy)


def test_a_seed_is_accepted_and_not_needed() -> None:
    seeded = am.simulate(memory(), CUE, seed=3)
    np.testing.assert_array_equal(seeded["visible"], am.simulate(memory(), CUE)["visible"])


# Memory

BATCH, UNITS = 64, 784


def peak(count: int, until: am.Settled | None, *, compact: bool) -> tuple[int, int]:
    """Most bytes in use beyond the weights, three times recorded; and those of the weights.

    With `compact`, the int8 copy of the memories exists before.
    """
    patterns = am.patterns.random(count, UNITS, seed=0)
    cues = am.patterns.corrupt(patterns[:BATCH], flip=0.1, seed=1)
    net = am.dense_am(patterns.astype(np.float32), hidden=am.Softmax(0.04))
    synapse: Any = net.synapses[0]
    if compact:
        assert synapse.compact.dtype == np.int8
    del patterns
    tracemalloc.start()
    try:
        traj = am.simulate(net, cues, times=[0.0, 1.0, 5.0], t1=1000.0, until=until)
        found = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert traj.stats["rhs"] > 5 * BATCH
    return found, synapse.weights.nbytes


# What scales with batch times units, in numbers of that size: v and y at three times; the cues; the
# first and last v and y by group and as a whole, and masks of them; and for each group of 16 cues
# some forty rows, the history of the drive among them.
STATE = BATCH * UNITS * 8
SCALES_WITH_BATCH = STATE * (2 * 3 + 1 + 2 * (2 + 2 + 0.25)) + 16 * UNITS * 8 * 40

every_until = pytest.mark.parametrize("until", [am.Settled(), None], ids=["settled", "to t1"])


@pytest.fixture
def loaded() -> None:
    """The compiled loops for these types, which are not what is measured."""
    patterns = am.patterns.random(400, 300, seed=0).astype(np.float32)
    net = am.dense_am(patterns, hidden=am.Softmax(0.04))
    for until in (am.Settled(), None):
        am.simulate(net, np.ones(300), t1=1.0, until=until)


@every_until
@pytest.mark.usefixtures("loaded")
def test_memories_are_copied_once_as_int8(until: am.Settled | None) -> None:
    """5000 float32 memories, 64 cues. A block of 8 MB is worked on while nothing else exists."""
    found, nbytes = peak(5000, until, compact=False)
    assert nbytes == 5000 * UNITS * 4
    assert found <= 0.5 * nbytes + SCALES_WITH_BATCH


@every_until
@pytest.mark.usefixtures("loaded")
def test_nothing_scales_with_batch_times_memories(until: am.Settled | None) -> None:
    """The states of all memories for all cues, 2.6 MB here, never exist."""
    small, _ = peak(2500, until, compact=True)
    large, _ = peak(5000, until, compact=True)
    assert large <= SCALES_WITH_BATCH
    # A few numbers for each memory, such as the bias, but a tenth of one for each cue.
    assert large - small <= 8 * 2500 * (4 + 0.1 * BATCH)


def test_layers_with_tau_zero_only_follow() -> None:
    """A cue has settled when its features have: the memories are no state, whatever their scale."""
    patterns = am.patterns.random(4, 16, seed=0)
    net = am.dense_am(patterns, hidden=am.Softmax(0.1), tau_hidden=0.0)
    cue = am.patterns.corrupt(patterns[0], flip=0.1, seed=1)
    traj = am.simulate(net, cue, solver=am.FixedPoint(record=True), until=am.Settled(1e-3))
    features = np.abs(np.diff(traj["visible"], axis=0)).max(axis=1)
    assert traj.status == "settled"
    assert features[-1] <= 1e-3 < features[-2]
    memories = np.abs(np.diff(traj["hidden"], axis=0)).max(axis=1)
    assert memories[-1] > 1e-3


def test_hidden_states_that_are_given_are_replaced_by_the_first_update() -> None:
    """Memories come before the features, from the features' state; given ones change nothing."""
    net = memory()
    states = {"visible": CUES, "hidden": np.ones((3, len(net.layers["hidden"].tau)))}
    free = am.simulate(net, CUES, solver=am.FixedPoint(3), until=None)
    given = am.simulate(net, states, solver=am.FixedPoint(3), until=None)
    np.testing.assert_array_equal(given["hidden"][0], states["hidden"])
    np.testing.assert_array_equal(given["visible"], free["visible"])
    np.testing.assert_array_equal(given["hidden"][1:], free["hidden"][1:])
