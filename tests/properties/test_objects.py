"""Public objects can be pickled, copied, sent to other processes, compared and hashed: all of them.

Objects of numbers and words compare by value. What holds arrays compares as an object, since
arrays have no single answer to ==; only a Plan, which is a document, compares all its numbers.
"""

from __future__ import annotations

import copy
import inspect
import io
import multiprocessing
import operator
import pickle
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache, cached_property
from importlib import import_module
from types import ModuleType
from typing import Any

import joblib
import numpy as np
import pytest

import amsim as am
import experiments
import hardware as hw
from amsim import binary, estimators, models, stability
from experiments.runner.experiment import Claim, Quantity
from hardware import export
from hardware.run import prepare

MODULES = [am, am.dynamics, am.dynamics.events, binary, estimators, models, stability, am.theory]
MODULES += [hw, export, experiments, am.interop]

PATTERNS = am.patterns.random(3, 16, seed=0)
CUES = am.patterns.corrupt(PATTERNS, flip=0.1, seed=1)


@cache
def network() -> am.Network:
    return am.dense_am(PATTERNS, hidden=am.Softmax(1.0))


@cache
def recalled(solver: Any = None) -> am.Trajectory:
    return am.simulate(network(), CUES, solver=solver)


def loaded() -> am.Trajectory:
    with tempfile.TemporaryDirectory() as folder:
        return am.Trajectory.load(recalled().save(f"{folder}/run.npz"))


@cache
def plan() -> hw.Plan:
    return hw.compile(network(), chip="loihi2", weight_bits=8)


@cache
def graph() -> hw.GraphPlan:
    return hw.compile(am.models.analog_transformer(PATTERNS / 4, PATTERNS[:2] / 64))


@cache
def result() -> hw.Result:
    return hw.run(plan(), CUES, steps=50)


@cache
def placement() -> hw.Placement:
    return hw.place(plan(), run=result())


@cache
def estimate() -> hw.Estimate:
    return hw.estimate(placement(), result(), prices="loihi1")


@cache
def recall() -> binary.Recall:
    return binary.BinaryMemory(PATTERNS.astype(int)).recall(np.sign(CUES), record=True)


@cache
def report() -> stability.StabilityReport:
    return stability.analyse(network(), {n: x[0] for n, x in recalled().final.items()})


def costs() -> hw.CostTable:
    return hw.compare_costs(network(), CUES)


def chain() -> hw.GraphPlan:
    layers = {name: am.Layer(2, am.Tanh()) for name in "abc"}
    synapses = [am.Dense(np.eye(2) / 4, between=tuple(pair)) for pair in ("ab", "bc")]
    return hw.compile(am.Network(layers, synapses))


MAKERS: list[Callable[[], Any]] = [
    lambda: recalled(),
    lambda: recalled("RK45"),
    lambda: recalled(am.FixedPoint()),
    lambda: recalled(am.EventDriven(1e-2, record_events=True)),
    lambda: am.simulate(network(), CUES, inputs=lambda t: np.sin(t), t1=1.0, until=None),
    loaded,
    network,
    lambda: network().layers["hidden"],
    lambda: network().synapses[0],
    lambda: am.MultiBody(np.ones((2, 2, 2)), ("x", "y", "z")),
    lambda: am.Convolution(np.ones((1, 1, 2)), ("hidden", "visible")),
    lambda: am.Attention(np.ones((1, 2, 3)), np.ones((1, 2, 3))),
    lambda: am.Memories(PATTERNS),
    lambda: am.Manhattan(PATTERNS),
    lambda: am.Directed(np.eye(3), source="a", target="b"),
    lambda: am.suggest_beta(PATTERNS, CUES, betas=[1.0]),
    lambda: am.Epanechnikov(PATTERNS, beta=2.0),
    lambda: am.RectifiedPower(3),
    lambda: am.SignedPower(4),
    lambda: am.Cells(network(), np.arange(len(PATTERNS))),
    *(am.Identity, am.ReLU, am.Sigmoid, am.Sign, am.Softmax, am.Spherical),
    *(am.Tanh, am.LayerNorm, am.Exponential, am.Entmax),
    lambda: am.PiecewiseConstant([0.0, 1.0], [0.0, 1.0]),
    *(
        am.ExponentialIntegrator,
        am.FixedPoint,
        am.GradientDescent,
        am.ScipyODE,
        am.Brian2,
        am.EventDriven,
    ),
    *(am.Settled, am.Timing, am.ExponentialHeun, am.ExponentialAdams),
    lambda: am.Noise({"visible": 0.1}, correlation=0.5),
    lambda: am.Watch(operator.contains, direction=1),  # a function that other processes find
    lambda: am.Timing(delay=np.ones((2, 2)), clock=am.Poisson(1.0)),
    lambda: am.Poisson(2.0),
    lambda: am.Periodic(2.0),
    lambda: am.Barrier(2.0),
    lambda: am.steady_state([0.0] * 20),
    lambda: am.Drift([1.0, 2.0], tau=[1.1, 1.2]),
    lambda: am.Bursts(9.0, 1.0),
    lambda: am.CommonJitter(0.3, 2.0),
    lambda: am.Link(2.0, fifo=3),
    lambda: am.Mismatch(weights=0.1),
    lambda: am.Fault("stuck", units={"visible": [0]}, value=1.0),
    lambda: am.Fabric({"visible": [0, 1, 0], "hidden": 1}, hop={"x": am.Link(2.0)}, route="mesh"),
    lambda: binary.BinaryMemory(PATTERNS.astype(int)),
    lambda: binary.TwoStateNetwork(np.eye(2)[::-1]),
    lambda: binary.SequenceMemory(PATTERNS.astype(int)),
    recall,
    lambda: recall().events,
    lambda: binary.Power(3),
    lambda: binary.Gaussian(2.0),
    *(binary.Exponential, binary.LogSumExp, binary.Dot, binary.SquaredDistance),
    *(binary.Identity, binary.Log),
    report,
    lambda: report().verdicts["uniform"],
    lambda: stability.certify(network(), CUES, recalled().final),
    lambda: stability.certify(network(), -CUES, recalled().final).attack(),
    lambda: stability.largest_staleness(network(), CUES, recalled().final, attack=False),
    lambda: stability.loss_bound(network(), CUES, recalled().final, 0.1, 0.1, 0.1, staleness=0.5),
    lambda: am.recall_on_chip(network(), -CUES, PATTERNS[0], am.Fabric(), quantum=0.1),
    lambda: stability.find(network(), PATTERNS[0]),
    lambda: stability.lyapunov_basin(network(), stability.find(network(), PATTERNS[0]).states, 1.0),
    lambda: stability.bifurcation(lambda value: network(), [1.0], PATTERNS),
    lambda: stability.classify(network(), recalled().final["visible"][0], PATTERNS),
    lambda: models.diffusion_memory(PATTERNS),
    lambda: models.random_feature_memory(PATTERNS, 1.0, n_features=8),
    lambda: estimators.AssociativeClassifier().fit(PATTERNS, [0, 1, 0]),
    lambda: estimators.AssociativeClusterer(n_clusters=2).fit(PATTERNS),
    lambda: estimators.AssociativeAutoencoder(2, train=0, random_state=0).fit(PATTERNS),
    lambda: estimators.EnergyTransformerImputer(epochs=1, random_state=0).fit(PATTERNS),
    lambda: am.interop.from_hopfield_layers({"lookup_weights": PATTERNS[None]}),
    plan,
    result,
    lambda: result().trace,
    lambda: prepare(plan(), CUES)[0],
    placement,
    chain,
    lambda: hw.place(chain()),
    estimate,
    costs,
    lambda: costs().rows[0],
    hw.Integers,
    lambda: hw.Events([0.1], [2], [0.5]),
    lambda: hw.compare(plan(), CUES),
    graph,
    lambda: hw.place(graph()),
    lambda: hw.run(graph(), CUES / 4, steps=20),
    lambda: hw.CHIPS["loihi2"],
    lambda: next(iter(hw.CHIPS["loihi2"].limits.values())),
    lambda: hw.CHIPS["loihi2"].systems[0],
    lambda: hw.validate(plan(), "loihi2"),
    lambda: experiments.find("asynchrony"),
    lambda: Quantity("delay", "tau"),
    lambda: Claim("it holds", 1.0, 1.0, True),
]


@cache
def objects() -> tuple[Any, ...]:
    return tuple(make() for make in MAKERS)


def test_every_public_class_is_here() -> None:
    public = {
        value
        for module in MODULES
        for name in getattr(module, "__all__", vars(module))
        if inspect.isclass(value := getattr(module, name))
        and value.__module__.split(".")[0] in ("amsim", "hardware", "experiments")
        and not issubclass(value, BaseException)
        and not inspect.isabstract(value)
        and not getattr(value, "_is_protocol", False)
    }
    assert public - {type(each) for each in objects()} == set()


def contents(value: Any) -> Any:
    """What an object holds, as nested tuples of plain things; what is computed is left out."""
    if isinstance(value, np.ndarray):
        return value.shape, str(value.dtype), value.tobytes()
    if isinstance(value, am.Trajectory):
        parts = {name: value[name] for name in value}
        more = {n: getattr(value, n) for n in ("times", "energy", "message", "stats", "events")}
        return contents([parts, value.final, more, value.codes, value.settle_times])
    if isinstance(value, Mapping):
        return tuple((str(key), contents(part)) for key, part in value.items())
    if isinstance(value, (tuple, list)):
        return tuple(contents(part) for part in value)
    if isinstance(value, (str, bytes, int, float, complex, type(None), np.generic)):
        return repr(value)
    if callable(value) and hasattr(value, "__qualname__"):
        return value.__qualname__
    if not hasattr(value, "__dict__"):
        return sorted(map(repr, value)) if isinstance(value, (set, frozenset)) else repr(value)
    names = getattr(value, "__dataclass_fields__", None) or [
        name
        for name in sorted(vars(value))
        if not isinstance(inspect.getattr_static(type(value), name, None), cached_property)
    ]
    public = (name for name in names if not name.startswith("_"))
    return type(value), tuple((name, contents(getattr(value, name, None))) for name in public)


def by_joblib(value: Any) -> Any:
    buffer = io.BytesIO()
    joblib.dump(value, buffer)
    buffer.seek(0)
    return joblib.load(buffer)


COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "joblib": by_joblib,
}


@pytest.mark.parametrize("way", COPIES)
def test_copies_hold_the_same(way: str) -> None:
    for value in objects():
        again = COPIES[way](value)
        assert type(again) is type(value)
        assert contents(again) == contents(value), type(value)
        repr(again)


def test_other_processes_get_and_return_them() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        returned = pool.map(copy.copy, objects())
    for value, again in zip(objects(), returned, strict=True):
        assert contents(again) == contents(value), type(value)


def others() -> Iterator[Any]:
    yield from objects()
    yield from (None, 0, "text", np.zeros(3), object())


def hash_of(value: Any) -> int | None:
    try:
        return hash(value)
    except TypeError:
        return None


def test_comparing_and_hashing_never_fail() -> None:
    for value in objects():
        again = copy.deepcopy(value)
        assert (value == value) is True
        assert isinstance(value == again, bool)
        assert (value != again) is not (value == again)
        if value == again:
            assert hash_of(value) == hash_of(again)
        for other in others():
            if type(other) is not type(value) and not isinstance(other, np.ndarray):
                assert (value == other) is False


def test_objects_show_themselves_in_a_line() -> None:
    for value in objects():
        text = repr(value)
        assert len(text) <= 500, text
        assert "\n" not in text
        assert "array([" not in text, text


def test_objects_that_were_never_finished_can_be_shown() -> None:
    for value in (network(), network().layers["hidden"], network().synapses[0], report(), plan()):
        unfinished = object.__new__(type(value))
        assert type(value).__name__ in repr(unfinished)
        if hasattr(unfinished, "_repr_html_"):
            assert type(value).__name__ in unfinished._repr_html_()


LAZY = {
    "__version__",
    "estimators",
    "interop",
    "hardware",
    "experiments",
}  # `import *` need not import them


def public_modules() -> list[ModuleType]:
    """The three packages, the modules whose names users write, and all that completion leads to."""
    rooms = ("dynamics", "lagrangians", "synapses", "gallery", "doctor")
    found = [am, experiments, *(import_module(f"amsim.{room}") for room in rooms)]
    for module in found:
        # Those of `interop` need frameworks of their own, whose tests look at them.
        names = (name for name in dir(module) if name != "interop")
        inside = (getattr(module, name) for name in names)
        found += [x for x in inside if isinstance(x, ModuleType) and x not in found]
    return found


def test_completion_shows_what_is_public() -> None:
    names = {module.__name__ for module in public_modules()}
    assert names >= {"amsim.hardware", "amsim.hardware.lava", "amsim.stability", "amsim.estimators"}
    for module in public_modules():
        shown = set(dir(module)) - (LAZY if module is am else set())
        assert shown == set(module.__all__), module.__name__
        assert not any(name.startswith("_") for name in shown), module.__name__
        assert all(hasattr(module, name) for name in shown), module.__name__
