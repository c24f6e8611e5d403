"""Networks in Brian2 that send messages, against our event engine; and as a C++ program."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats

import amsim as am
from hardware import export

brian2 = pytest.importorskip("brian2", reason="Brian2 does not install everywhere")
pytestmark = pytest.mark.usefixtures("brian2_without_compiler")
RNG = np.random.default_rng(1)
XI = RNG.standard_normal((3, 5))
CUE = RNG.standard_normal((2, 5))
TANH = am.dense_am(
    XI, visible=am.Tanh(), hidden=am.Tanh(1.5), tau_hidden=0.5, bias_visible=np.linspace(-1, 1, 5)
)
SOFT = am.dense_am(XI, visible=am.Tanh(), hidden=am.Softmax(2.0), tau_hidden=0.5)
SPARSE = am.dense_am(XI, visible=am.Tanh(), hidden=am.Entmax(1.5, 2.0), tau_hidden=0.5)
COPIES = am.Network(
    {"v": am.Layer((2, 5), am.Sigmoid(2.0), leak=2.0), "h": am.Layer((2, 3), am.ReLU(), tau=0.7)},
    [am.Dense(XI / 2, between=("h", "v")), am.Dense(-np.eye(5), between=("v", "v"))],
)
SIGNS = am.dense_am(np.sign(XI), visible=am.Tanh(), hidden=am.Sign(), tau_hidden=0.5)
DIRECTED = am.Network(
    {"visible": am.Layer(5, am.Tanh()), "hidden": am.Layer(3, am.Tanh(), tau=0.5)},
    [
        am.Directed(XI, source="visible", target="hidden"),
        am.Directed(RNG.standard_normal((5, 5)), source="visible", target="visible"),
    ],
)
T1 = 0.5
STATES = {
    TANH: {"visible": CUE},
    SOFT: {"visible": CUE},
    COPIES: {"v": RNG.standard_normal((2, 2, 5))},
    SIGNS: {"visible": CUE},
    SPARSE: {"visible": CUE},
    DIRECTED: {"visible": CUE},
}
TIMINGS = {
    "none": (TANH, None),
    "a number": (TANH, am.Timing(delay=0.2)),
    "by unit": (TANH, am.Timing(delay=np.linspace(0.0, 0.3, 8))),
    "by link": (
        TANH,
        am.Timing(
            delay={("visible", "hidden"): RNG.uniform(0, 0.3, (5, 3)), "hidden": 0.1},
            scope="link",
        ),
    ),
    "drawn, softmax": (
        SOFT,
        am.Timing(delay=scipy.stats.uniform(0.05, 0.2), scope="link"),
    ),
    "mismatched tau": (TANH, am.Timing(delay={"visible": 0.1}, tau_spread=0.3)),
    "copies by unit": (
        COPIES,
        am.Timing(delay={"v": RNG.uniform(0, 0.3, (2, 5)), ("h", "v"): 0.2}),
    ),
    "directed": (
        DIRECTED,
        am.Timing(delay={("visible", "hidden"): RNG.uniform(0, 0.3, (5, 3))}, scope="link"),
    ),
    "signs": (SIGNS, am.Timing(delay=0.1)),
    "entmax": (SPARSE, am.Timing(delay=0.1)),
}


@pytest.mark.filterwarnings("ignore::amsim.errors.GuaranteeWarning")
@pytest.mark.parametrize("name", TIMINGS)
def test_states_and_messages_are_those_of_the_event_engine(name: str) -> None:
    """On a grid a message leaves, and arrives, up to a step late: errors of the order of dt."""
    (network, timing), quantum, dt = TIMINGS[name], 0.05, 2e-3
    options: dict[str, Any] = {"times": [0.0, 0.1, 0.3, T1], "until": None, "seed": 3}
    solver = am.EventDriven(quantum, timing or am.Timing(), record_events=True)
    ours = am.simulate(network, STATES[network], solver=solver, **options)
    theirs = am.simulate(
        network, STATES[network], solver=am.Brian2("events", timing, quantum, dt), **options
    )
    for layer in network.layers:
        sent = theirs.stats["messages"][layer]
        # A sign that flips by 2 is two quanta of 1 in Brian2.
        if isinstance(network.layers[layer].lagrangian, am.Sign):
            assert sent.tolist() == (2 * ours.stats["messages"][layer]).tolist()
        else:
            assert np.abs(sent - ours.stats["messages"][layer]).max() <= 1
        assert np.abs(theirs[layer] - ours[layer]).max() < 20 * dt
    assert theirs.stats["lag"].max() < 1 + 1e-9 or network is SIGNS


def test_errors_fall_with_the_step_and_delays_matter() -> None:
    network, timing = TIMINGS["by link"]
    options: dict[str, Any] = {"times": [0.0, 1.0], "until": None}
    ours = am.simulate(network, CUE, solver=am.EventDriven(0.05, timing), **options)
    undelayed = am.simulate(network, CUE, solver=am.EventDriven(0.05), **options)

    def error(dt: float) -> float:
        theirs = am.simulate(network, CUE, solver=am.Brian2("events", timing, 0.05, dt), **options)
        return float(np.abs(theirs["visible"][-1] - ours["visible"][-1]).max())

    coarse, fine = error(8e-3), error(1e-3)
    assert fine < 0.4 * coarse  # an eighth, but for single messages before or after t = 1
    assert np.abs(undelayed["visible"][-1] - ours["visible"][-1]).max() > 20 * fine


def test_message_times_of_the_monitors() -> None:
    network, timing = TIMINGS["a number"]
    model = export.brian2(
        network, "events", timing, cue=CUE[0], quantum=0.05, dt=1e-3, record_every=0.5
    )
    names = {item.name for item in model.objects}
    assert {"visible_rise", "visible_fall", "hidden_rise", "hidden_fall"} <= names
    links = model["visible_to_hidden"], model["hidden_to_visible"]
    for link in links:
        np.testing.assert_allclose(link.rise.delay / brian2.second, 0.2)
        np.testing.assert_allclose(link.fall.delay / brian2.second, 0.2)
    model.run(1.0 * brian2.second)
    solver = am.EventDriven(0.05, timing, record_events=True)
    events = am.simulate(network, CUE[0], times=[0.0, 1.0], until=None, solver=solver).events
    for layer in network.layers:
        for kind, direction in (("rise", 1), ("fall", -1)):
            monitor = model[f"{layer}_{kind}"]
            moved = moves(network, events, layer)
            ours = [(u, t) for u, t, way in moved if way == direction]
            theirs = sorted(zip(np.asarray(monitor.i).tolist(), monitor.t / brian2.second))
            assert len(ours) > 1 and [u for u, _ in ours] == [u for u, _ in theirs]
            late = np.array([t for _, t in theirs]) - [t for _, t in ours]
            assert np.abs(late).max() < 0.02


def moves(network: am.Network, events: Any, layer: str) -> list[tuple[int, float, int]]:
    """Unit, time and direction of every message, sorted."""
    start = am.simulate(network, CUE[0], times=[0.0, 1e-9], until=None)[layer][0]
    said = list(network.layers[layer].lagrangian.activation(start))
    found = []
    for event in events[events.layer == layer]:
        way = 1 if event.value > said[event.unit] else -1
        found.append((int(event.unit), float(event.time), way))
        said[event.unit] = event.value
    return sorted(found)


def test_a_recall_with_delays_settles_when_nothing_is_on_its_way() -> None:
    words = am.patterns.hamming(7, 4)
    net = am.dense_am(words, hidden=am.Softmax(2.0), tau_hidden=0.5)
    cues = words * (1 - 2 * np.eye(7)[np.arange(16) % 7])
    timing = am.Timing(delay=0.3)
    ours = am.simulate(net, cues, solver=am.EventDriven(0.02, timing))
    theirs = am.simulate(
        net, cues, solver=am.Brian2("events", timing, 0.02, 5e-3), until=am.Settled(1e-3)
    )
    assert theirs.status == "settled"
    assert np.abs(theirs.final["visible"] - ours.final["visible"]).max() < 0.05
    assert (np.sign(theirs.final["visible"]) == words).all()
    naive = am.simulate(
        net, words[0], solver=am.Brian2("events", am.Timing(delay=50.0), 0.02, 0.05),
        until=am.Settled(0.2, naive=True), t1=100.0,
    )  # fmt: skip
    assert naive.settle_times < 10 and theirs.settle_times.min() > 0.3


def test_xor_and_digits_with_messages() -> None:
    signs = np.array([(a, b, a * b) for a in (1.0, -1.0) for b in (1.0, -1.0)])
    xor = am.dense_am(signs, hidden=am.Softmax(2.0), tau_hidden=0.5)
    stored = am.patterns.digits(10, seed=0)
    digits = am.dense_am(stored, hidden=am.Softmax(0.75), tau_hidden=0.5)
    cues = am.patterns.corrupt(stored, flip=0.2, seed=1)
    for net, start, clamp in ((xor, signs * [1, 1, 0], [0, 1]), (digits, cues, None)):
        options: dict[str, Any] = {"times": [0.0, 2.5], "until": None, "clamp": clamp}
        timing = am.Timing(delay=0.1)
        ours = am.simulate(net, start, solver=am.EventDriven(0.02, timing), **options)
        theirs = am.simulate(net, start, solver=am.Brian2("events", timing, 0.02, 5e-3), **options)
        last = theirs.final["visible"]
        assert np.abs(last - ours.final["visible"]).max() < 0.05
        if clamp:
            np.testing.assert_array_equal(last[:, :2], signs[:, :2])
            assert (np.sign(last) == signs).all()
        else:
            assert (am.patterns.overlap(last, stored).argmax(axis=1) == np.arange(10)).all()


def test_a_quantum_too_fine_for_the_step_is_seen_in_the_lag() -> None:
    """At most one message per step: outputs that move faster are followed late."""
    solver = am.Brian2("events", quantum=1e-3, dt=0.01)
    lag = am.simulate(TANH, CUE, t1=0.5, until=None, solver=solver).stats["lag"]
    assert lag.shape == (2,) and lag.min() > 5


WEIGHTS = np.array([[0.0, 2.0, -1.0], [2.0, 0.0, 1.0], [-1.0, 1.0, 0.0]])
LOOP = am.Network({"x": am.Layer(3, am.Tanh(), bias=0.1)}, [am.Dense(WEIGHTS, between=("x", "x"))])
LATE = am.Timing(delay={("x", "x"): np.linspace(0.0, 0.4, 9).reshape(3, 3)}, scope="link")
# All files of the program as one, in which headers are read once: what each has in a namespace
# without a name gets that of the file.
MAKE = (
    "for f in $(find . -name '*.cpp'); do n=in_$(basename $f .cpp); echo namespace $n '{}'; "
    r'sed -E "s/^namespace \{/namespace $n {/; s/^\{/{ using namespace $n;/" $f; done > all.cc'
    " && g++ -O0 -w -I. -Ibrianlib all.cc -o main && true"
)


def standalone(program: Path, folder: Path, answer: Connection) -> None:
    """What a script does that has set this device: in a process of its own, which has imported."""
    os.chdir(folder)
    brian2.set_device("cpp_standalone", build_on_run=False)
    brian2.prefs.codegen.cpp.extra_compile_args_gcc = ["-O0", "-w"]
    brian2.prefs.devices.cpp_standalone.make_cmd_unix = MAKE
    model = export.brian2(
        LOOP, "events", LATE, cue=[0.5, -1.0, 0.2], quantum=0.02, dt=1e-3, record_every=0.1
    )
    model.run(2 * brian2.second)
    brian2.device.build(directory=str(program), with_output=False)
    with pytest.raises(ValueError, match=r"set_device\('runtime'\)"):
        am.simulate(LOOP, [0.0, 0.0, 0.0], solver="brian2")
    sent = sum(int(model[f"x_{event}"].num_events) for event in ("rise", "fall"))
    answer.send((np.array(model["x"].x), sent, model["x_states"].x.shape))


@pytest.mark.skipif(
    not (shutil.which("g++") and shutil.which("make")), reason="Brian2 asks for g++ and make"
)
def test_it_runs_as_a_standalone_program(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    fork = multiprocessing.get_context("fork")  # a new Python would import Brian2 for two seconds
    answer, its_end = fork.Pipe(duplex=False)
    process = fork.Process(target=standalone, args=(tmp_path / "program", folder, its_end))
    process.start()
    its_end.close()
    x, sent, recorded = answer.recv()  # EOFError if it fails, and says why on stderr
    process.join()
    assert process.exitcode == 0
    assert recorded == (3, 20)
    here = am.simulate(
        LOOP, [0.5, -1.0, 0.2], times=[2.0], until=None,
        solver=am.Brian2("events", LATE, quantum=0.02, dt=1e-3),
    )  # fmt: skip
    assert sent == here.stats["messages"]["x"] > 50
    np.testing.assert_allclose(x, here.final["x"], rtol=0, atol=1e-9)
    assert list(folder.iterdir()) == []
