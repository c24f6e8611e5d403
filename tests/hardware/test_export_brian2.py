"""Networks in Brian2, outputs summed at every step, against our own integrator."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import amsim as am
from amsim.dynamics.brian.run_brian2 import _Run
from hardware import export

brian2 = pytest.importorskip("brian2", reason="Brian2 does not install everywhere")
pytestmark = pytest.mark.usefixtures("brian2_without_compiler")
RNG = np.random.default_rng(0)


def normal(*shape: int, size: float = 1.0) -> Any:
    return size * RNG.standard_normal(shape)


def symmetric(weights: Any) -> Any:
    return (weights + weights.T) / 2


NETWORKS: dict[str, tuple[am.Network, dict[str, Any], dict[str, Any]]] = {
    "softmax memories": (
        am.dense_am(normal(5, 8), hidden=am.Softmax(0.7), tau_hidden=1.0),
        {"visible": normal(2, 8)},
        {},
    ),
    "algebraic memories, inputs": (
        am.dense_am(normal(5, 8), visible=am.Tanh(1.3), hidden=am.Softmax(2.0), tau_hidden=0.0),
        {"visible": normal(2, 8)},
        {"inputs": {"visible": normal(8), "hidden": normal(2, 5)}, "clamp": {"visible": [1, 4]}},
    ),
    "three layers": (
        am.Network(
            {
                "low": am.Layer(4, am.Tanh(0.8), tau=np.linspace(1, 2, 4), bias=0.3),
                "middle": am.Layer(3, am.Sigmoid(2.0), leak=1.5),
                "top": am.Layer(2, am.RectifiedPower(2.5), tau=1.2, bias=0.5),
            },
            [
                am.Dense(normal(3, 4), between=("middle", "low")),
                am.Dense(normal(2, 3, size=0.2), between=("top", "middle")),
                am.Dense(normal(2, 3, size=0.2), between=("top", "middle"), name="again"),
                am.Dense(symmetric(normal(3, 3)), between=("middle", "middle")),
            ],
        ),
        {"low": normal(4), "middle": normal(3), "top": normal(2)},
        {"clamp": {"middle": [0]}},
    ),
    "copies, one layer without leak": (
        am.Network(
            {
                "tokens": am.Layer((3, 4), am.Tanh(), leak=0.0),
                "pool": am.Layer((3, 2), am.Softmax(1.0)),
                "rectified": am.Layer((3, 2), am.ReLU(), bias=0.2),
                "alone": am.Layer(2, am.Exponential(0.5)),
            },
            [
                am.Dense(normal(2, 4, size=0.5), between=("pool", "tokens")),
                am.Dense(normal(2, 4, size=0.5), between=("rectified", "tokens")),
            ],
        ),
        {"tokens": normal(2, 3, 4), "pool": normal(2, 3, 2), "rectified": normal(2, 3, 2),
         "alone": normal(2, 2)},
        {"clamp": {"tokens": [5]}},
    ),
    "entmax memories": (
        am.dense_am(normal(5, 8), hidden=am.Entmax(1.3, 0.7), tau_hidden=1.0),
        {"visible": normal(2, 8)},
        {},
    ),
    "directed, within and between": (
        am.Network(
            {"a": am.Layer(4, am.Tanh(), tau=1.5), "b": am.Layer(3, am.Softmax(2.0))},
            [
                am.Directed(normal(4, 4), source="a", target="a"),
                am.Directed(normal(3, 4), source="a", target="b"),
                am.Directed(normal(4, 3), source="b", target="a"),
            ],
        ),
        {"a": normal(2, 4)},
        {},
    ),
}  # fmt: skip
TIMES = [0.0, 0.013, 0.2, 0.5, 1.0, 2.0]
EXACT = am.ExponentialIntegrator(rtol=1e-10, atol=1e-12)


def error(name: str, dt: float | None) -> float:
    """Over all times, relative to the largest state of the layer or 1."""
    network, states, options = NETWORKS[name]
    ours = am.simulate(network, states, times=TIMES, until=None, solver=EXACT, **options)
    theirs = am.simulate(
        network, states, times=TIMES, until=None, solver=am.Brian2(dt=dt), **options
    )
    assert theirs.status == "time_limit"
    np.testing.assert_array_equal(theirs.times, TIMES)
    return max(
        float(np.abs(ours[layer] - theirs[layer]).max() / max(1.0, np.abs(ours[layer]).max()))
        for layer in network.layers
    )


@pytest.mark.filterwarnings("ignore::amsim.errors.GuaranteeWarning")
@pytest.mark.parametrize("name", NETWORKS)
def test_agrees_with_the_ode_and_is_of_second_order(name: str) -> None:
    coarse, fine = error(name, 0.02), error(name, None)  # a hundredth of the smallest tau, 1
    assert fine < 1e-4
    assert 3.4 < coarse / fine < 4.7


@pytest.mark.parametrize("alpha", [1.05, 1.5, 2.0])
@pytest.mark.parametrize("tau", [0.0, 1.0])
def test_shares_that_reach_zero(alpha: float, tau: float) -> None:
    """The threshold follows step by step, also where shares come and go."""
    stored = am.patterns.random(6, 24, seed=3)
    net = am.dense_am(stored, hidden=am.Entmax(alpha, 0.3), tau_hidden=tau)
    cues = am.patterns.corrupt(stored[:2], flip=0.3, seed=4)
    times = np.linspace(0.5, 3.0, 6)
    exact = am.simulate(net, cues, times=times, until=None, solver=EXACT)
    errors = []
    for dt in (0.01, 0.005):
        run = am.simulate(net, cues, times=times, until=None, solver=am.Brian2(dt=dt))
        off = {name: np.abs(run[name] - exact[name]).max() for name in net.layers}
        errors.append(max(off[name] / np.abs(exact[name]).max() for name in net.layers))
    assert errors[1] < 5e-4
    # Of second order, but where memories without a tau make shares come and go at once.
    assert errors[1] < (0.8 if tau == 0 and alpha >= 1.5 else 0.3) * errors[0]
    shares = net.layers["hidden"].lagrangian.activation(exact["hidden"])
    assert (shares == 0).any() == (alpha >= 1.5)


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_xor_by_recall(beta: float) -> None:
    signs = [(a, b) for a in (1.0, -1.0) for b in (1.0, -1.0)]
    net = am.dense_am(np.array([(a, b, a * b) for a, b in signs]), hidden=am.Softmax(beta))
    cues = np.array([(a, b, 0.0) for a, b in signs])
    ours = am.simulate(net, cues, clamp=[0, 1], until=am.Settled(1e-8), solver=EXACT)
    theirs = am.simulate(net, cues, clamp=[0, 1], until=am.Settled(1e-5), solver=am.Brian2(dt=0.01))
    assert theirs.status == "settled" and "settled by" in theirs.message
    np.testing.assert_allclose(theirs.final["visible"], ours.final["visible"], atol=1e-4)
    np.testing.assert_array_equal(theirs.final["visible"][:, :2], cues[:, :2])
    assert (np.sign(theirs.final["visible"][:, 2]) == [a * b for a, b in signs]).all()


def hamming() -> tuple[am.Network, Any, Any]:
    """All words with one error each, and what they should become."""
    words = am.patterns.hamming(7, 4)
    cues = words[:, None] * (1 - 2 * np.eye(7))
    return am.dense_am(words, hidden=am.Softmax(2.0), tau_hidden=0.5), cues, words[:, None]


def digits() -> tuple[am.Network, Any, Any]:
    stored = am.patterns.digits(10, seed=0)
    net = am.dense_am(stored, hidden=am.Softmax(0.75), tau_hidden=0.5)
    return net, am.patterns.corrupt(stored, flip=0.2, seed=1), stored


@pytest.mark.parametrize("task", [hamming, digits])
def test_recall_settles_where_ours_does(task: Any) -> None:
    net, cues, right = task()
    ours = am.simulate(net, cues, solver=EXACT)
    theirs = am.simulate(net, cues, solver="brian2", until=am.Settled(1e-5))
    assert theirs.status == "settled"
    assert theirs.settle_times.shape == cues.shape[:-1] == theirs.statuses.shape
    assert theirs.stats["rhs"] == theirs.stats["rhs_per_cue"].sum() > 0
    np.testing.assert_allclose(theirs.final["visible"], ours.final["visible"], atol=1e-4)
    overlaps = am.patterns.overlap(theirs.final["visible"], right.reshape(-1, right.shape[-1]))
    found = overlaps.reshape(-1, overlaps.shape[-1]).argmax(axis=1)
    expected = np.repeat(np.arange(len(overlaps)), found.size // len(overlaps))
    assert (found == expected).all()


def test_the_exported_network_is_the_one_that_simulate_runs() -> None:
    net, cues, _ = digits()
    model = export.brian2(net, cue=cues[:2], dt=0.02, record_every=0.1, unit=5 * brian2.ms)
    names = {"visible", "hidden", "visible_to_hidden", "hidden_to_visible", "visible_states",
             "hidden_states", "hidden_normaliser", "hidden_sum"}  # fmt: skip
    assert {item.name for item in model.objects} == names
    assert isinstance(model["visible"], brian2.NeuronGroup)
    assert isinstance(model["hidden_to_visible"], brian2.Synapses)
    assert isinstance(model["visible_states"], brian2.StateMonitor)
    model.run(1.0 * 5 * brian2.ms)
    times = 0.1 * np.arange(10)
    traj = am.simulate(net, cues[:2], times=[*times, 1.0], until=None, solver=am.Brian2(dt=0.02))
    for layer in net.layers:
        record = model[f"{layer}_states"]
        np.testing.assert_allclose(record.t / (5 * brian2.ms), times, atol=1e-12)
        rows = np.asarray(record.x).T.reshape(10, 2, -1)
        np.testing.assert_allclose(rows, traj[layer][:-1], rtol=0, atol=1e-9)
        final = np.asarray(model[layer].x).reshape(2, -1)
        np.testing.assert_allclose(final, traj[layer][-1], rtol=0, atol=1e-9)
    shares = np.asarray(model["hidden"].g).reshape(2, 10)
    np.testing.assert_allclose(shares, am.Softmax(0.75).activation(traj["hidden"][-1]), atol=1e-9)


def test_without_a_cue_all_states_are_zero_and_weights_are_the_matrix() -> None:
    weights = normal(3, 4)
    net = am.dense_am(weights, hidden=am.Tanh(), bias_visible=[1.0, 2.0, 3.0, 4.0])
    model = export.brian2(net)
    assert not np.any(model["visible"].x) and not np.any(model["hidden"].x)
    np.testing.assert_array_equal(model["hidden_to_visible"].w, weights.ravel())
    np.testing.assert_array_equal(model["visible_to_hidden"].w, weights.T.ravel())
    np.testing.assert_array_equal(model["visible"].I, [1, 2, 3, 4])


def test_a_cue_of_a_batch_is_as_alone() -> None:
    net, cues, _ = hamming()
    options: dict[str, Any] = {"times": [0.0, 1.0], "until": None, "solver": am.Brian2(dt=0.05)}
    every = am.simulate(net, cues, **options)
    alone = am.simulate(net, cues[3, 2], **options)
    np.testing.assert_allclose(every["visible"][:, 3, 2], alone["visible"], rtol=0, atol=1e-13)


@pytest.mark.filterwarnings("ignore::amsim.errors.GuaranteeWarning")
def test_statuses(monkeypatch: pytest.MonkeyPatch) -> None:
    growing = am.Network(
        {"x": am.Layer(2, am.Identity())}, [am.Dense(3 * np.eye(2), between=("x", "x"))]
    )
    away = am.simulate(growing, [1.0, 0.0], solver=am.Brian2(dt=0.1))
    assert away.status == "diverged" and np.isfinite(away["x"]).all()
    rest = am.simulate(growing, [[0.0, 0.0], [1e-30, 0.0]], t1=1.05, solver=am.Brian2(dt=0.1))
    assert rest.status == "settled" and rest.times[-1] <= 1.05
    late = am.simulate(growing, [[0.0, 0.0], [1.0, 0.0]], t1=1.05, solver=am.Brian2(dt=0.01))
    assert late.statuses.tolist() == ["settled", "time_limit"] and late.times[-1] == 1.05
    assert late.final["x"][1, 0] == pytest.approx(np.exp(2 * 1.05), rel=1e-3)

    def interrupt(run: _Run) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_Run, "check_settled", interrupt)
    stopped = am.simulate(growing, [1.0, 0.0], t1=5.0, solver=am.Brian2(dt=0.1))
    assert stopped.status == "interrupted"
    assert stopped.times[-1] == pytest.approx(1.0) and stopped["x"].shape[0] == len(stopped.times)


def test_preferences_and_the_working_directory_stay_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = brian2.prefs.as_file, brian2.defaultclock.dt, sys.excepthook
    brian2.prefs.codegen.target = "cython"  # would compile
    net = am.dense_am(normal(2, 3))
    am.simulate(net, [1.0, 0.0, 0.0], t1=0.1, until=None, solver="brian2")
    export.brian2(net)
    assert brian2.prefs.codegen.target == "cython"
    brian2.prefs.codegen.target = "numpy"
    assert (brian2.prefs.as_file, brian2.defaultclock.dt, sys.excepthook) == before
    assert list(tmp_path.iterdir()) == []


def test_importing_brian2_for_us_leaves_exceptions_and_warnings_alone() -> None:
    code = (
        "import sys, warnings; before = sys.excepthook, warnings.showwarning\n"
        "import hardware as hw, amsim as am\n"
        "assert not {'brian2', 'nir', 'h5py'} & set(sys.modules)\n"
        "hw.export.brian2(am.dense_am([[1, -1]]))\n"
        "assert 'brian2' in sys.modules\n"
        "assert before == (sys.excepthook, warnings.showwarning)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_without_brian2_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "brian2", None)
    net = am.dense_am([[1, -1]])
    with pytest.raises(am.MissingDependencyError, match="pip install brian2"):
        am.simulate(net, [1.0, 0.0], solver="brian2")
    with pytest.raises(am.MissingDependencyError, match="ExponentialIntegrator"):
        export.brian2(net)


def one(layer: am.Layer, name: str = "x") -> am.Network:
    return am.Network({name: layer, "y": am.Layer(2, am.Tanh())}, [])


JITTER = {"delay": 0.1, "jitter": 0.1}


@pytest.mark.parametrize(
    ("network", "options", "message"),
    [
        (one(am.Layer(3, am.LayerNorm())), {}, "layer 'x' is LayerNorm"),
        (one(am.Layer(3, am.Spherical())), {}, "ExponentialIntegrator"),
        (one(am.Layer(3, am.Tanh()), "a b"), {}, "layer 'a b' has a name"),
        (one(am.Layer(3, am.Tanh()), "y_states"), {}, "two objects the name 'y_states'"),
        (one(am.Layer(3, am.Tanh(), tau=0.0)), {"solver": "events"}, "layer 'x' has tau = 0"),
        (one(am.Layer(3, am.Tanh(), leak=0.0)), {"solver": "events"}, "layer 'x' has no leak"),
        (
            am.Network(
                {"x": am.Layer(3, am.Tanh())},
                [am.MultiBody(np.ones((3, 3, 3)), between=("x", "x", "x"))],
            ),
            {},
            "MultiBody; only Dense",
        ),
        (one(am.Layer(3, am.Tanh())), {"timing": am.Timing(delay=0.1)}, "timing has delay"),
        (one(am.Layer(3, am.Tanh())), {"timing": am.Timing(tau_spread=0.1)}, "has tau_spread"),
        *(
            (
                one(am.Layer(3, am.Tanh())),
                {"solver": "events", "timing": am.Timing(**{name: value})},
                f"timing has {name}=",
            )
            for name, value in (
                ("jitter", 0.1),
                ("drop", 0.1),
                ("heartbeat", 1.0),
                ("clock", am.Poisson(10.0)),
                ("fabric", am.Fabric()),
                ("faults", (am.Fault("dead", links=["bus"]),)),
            )
        ),
        (one(am.Layer(3, am.Tanh())), {"solver": "events", "quantum": {"x": 0.1}}, "one number"),
        (one(am.Layer(3, am.Tanh())), {"solver": "euler"}, "'ode' or 'events'"),
        (one(am.Layer(3, am.Tanh())), {"dt": 0.0}, "dt must be"),
        (one(am.Layer(3, am.Tanh())), {"quantum": -1.0}, "quantum must be"),
        (one(am.Layer(3, am.Tanh())), {"record_every": 0.0}, "record_every must be"),
        (one(am.Layer(3, am.Tanh())), {"unit": 3.0}, "unit must be a time of Brian2"),
        (one(am.Layer(3, am.Tanh())), {"cue": np.zeros(3)}, "no layer is named 'visible'"),
    ],
)
def test_what_brian2_cannot_say_is_refused_by_name(
    network: am.Network, options: dict[str, Any], message: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        export.brian2(network, **options)


def test_wrong_types_and_driven_inputs_are_refused() -> None:
    net = am.dense_am([[1, -1]])
    with pytest.raises(ValueError, match="depends on time"):
        am.simulate(net, [1.0, 0.0], inputs=lambda t: np.full(2, t), solver="brian2")
    with pytest.raises(TypeError, match="network must be a Network"):
        export.brian2("net")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"timing must be .* got 0\.1"):
        export.brian2(net, "events", 0.1)  # type: ignore[arg-type]


def test_the_example_runs() -> None:
    import doctest
    import importlib

    result = doctest.testmod(importlib.import_module("hardware.export.brian2"))
    assert result.attempted > 0 and result.failed == 0


@pytest.mark.parametrize("solver", ["ode", "events"])
def test_inputs_that_jump(solver: Any) -> None:
    """On a step, and where the sum of steps misses it by rounding."""
    rng = np.random.default_rng(2)  # its own: the tests before it draw from the other
    net = am.dense_am(0.3 * rng.normal(size=(3, 4)), hidden=am.Tanh(), tau_hidden=1.0)
    held = am.PiecewiseConstant(np.cumsum([0.1] * 12)[[2, 11]], rng.normal(size=(2, 2, 4)))
    cues = rng.normal(size=(2, 4))
    ours = am.simulate(net, cues, inputs=held, times=[0.3, 1.0, 2.0], until=None, solver=EXACT)
    options = am.Brian2(solver, quantum=5e-3, dt=1e-3 if solver == "events" else 0.01)
    theirs = am.simulate(net, cues, inputs=held, times=[0.3, 1.0, 2.0], until=None, solver=options)
    error = 3e-2 if solver == "events" else 1e-4
    for name in net.layers:
        np.testing.assert_allclose(theirs[name], ours[name], rtol=0, atol=error)


def test_nothing_settles_before_an_input_jumps() -> None:
    net = am.dense_am(0.3 * np.random.default_rng(2).normal(size=(3, 4)), hidden=am.Tanh())
    cues = np.random.default_rng(3).normal(size=(2, 4))
    late = am.PiecewiseConstant([15.0], [1.0])
    traj = am.simulate(
        net, cues, inputs=late, until=am.Settled(1e-2), t1=40.0, solver=am.Brian2(dt=0.04)
    )
    assert traj.status == "settled"
    assert (traj.settle_times > 15.0).all()


def test_jumps_of_algebraic_layers_and_of_exports_are_refused() -> None:
    net = am.dense_am(normal(3, 4), hidden=am.Softmax(1.0), tau_hidden=0.0)
    held = am.PiecewiseConstant([1.0], [1.0])
    with pytest.raises(ValueError, match="'hidden' jumps, and its tau is 0"):
        am.simulate(net, normal(4), inputs={"hidden": held}, solver="brian2")
    with pytest.raises(ValueError, match="inputs of an exported network are constant"):
        export.brian2(net, cue=normal(4), inputs=held)
