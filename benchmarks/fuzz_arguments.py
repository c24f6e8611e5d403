"""Random arguments for every public callable: does anything hang, crash, or read data as others?

    python benchmarks/fuzz_arguments.py --calls 20000

Each call is a valid one in which one or two arguments are replaced: wrong types and shapes, NaN,
extremes, masked, complex and boolean arrays, text, None, NumPy scalars, objects. It may return, or
refuse in words of this project: by an error that a `raise` statement of its own packages raised. An
error that came up elsewhere (NumPy's, Python's own TypeError) counts as a refusal in foreign words;
errors that are no ValueError or TypeError are crashes. Calls run in a child process with a limit
of time and memory. Call number i of a seed is the same in every run: ``--only i`` repeats it.

Left out are the constructors of results (a `Trajectory` is made by `simulate`), what implementers
of synapses and solvers override, and Lava's processes, which have tests of their own.
"""

from __future__ import annotations

import argparse
import contextlib
import dis
import functools
import multiprocessing
import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

PACKAGES = ("amsim", "hardware", "experiments")
# What a refusal may be, of whatever words; any other exception counts as a crash.
EXPECTED = (ValueError, TypeError, OSError, ImportError, NotImplementedError)
NEVER_DATA = ("masked", "complex", "dates", "text array", "objects")


@dataclass(frozen=True)
class Recipe:
    """A callable, and arguments that it takes."""

    name: str
    call: Callable[..., Any]
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What became of one call."""

    kind: str  # "answer", "own words", "foreign words", "crash", "hang"
    name: str
    replaced: tuple[tuple[str, str], ...]
    error: str = ""
    where: str = ""


@functools.cache
def recipes() -> list[Recipe]:
    """Every public callable with a valid call."""
    import amsim as am
    import experiments
    import hardware as hw
    from amsim import binary, estimators, models, patterns, plot, stability, synapses, theory

    stored = patterns.random(3, 8, seed=0)
    net = am.dense_am(stored, hidden=am.Softmax(1.0))
    cue = stored[0] * 0.9
    full = am.simulate(net, cue).final
    wide = am.dense_am(patterns.random(5, 16, seed=0))
    traj = am.simulate(net, stored)
    rest = stability.find(net, full)
    plan = hw.compile(net)
    result = hw.run(plan, stored, steps=40, record=True)
    placement = hw.place(plan)
    memory = binary.BinaryMemory(stored)
    diffusion = models.diffusion_memory(stored)
    features = models.random_feature_memory(stored, 1.0, n_features=20)
    report = stability.analyse(net, full)
    kernel, heads = np.ones((2, 3, 1)), np.ones((1, 2, 4))
    points = np.array([[0.0, 1.0], [0.2, 1.1], [3.0, 2.0], [3.1, 2.2]])
    labels = np.array([0, 0, 1, 1])
    clusterer = estimators.AssociativeClusterer(2, random_state=0).fit(points)
    classifier = estimators.AssociativeClassifier().fit(points, labels)
    frame = hw.compare_costs(net, stored)
    timing = {"delay": 0.1, "scope": "broadcast", "jitter": 0.1, "drop": 0.1, "on_drop": "hold",
              "heartbeat": 2.0, "arrival": "timestamp", "tau_spread": 0.1,
              "clock": am.Poisson(5.0)}  # fmt: skip
    layers = {"visible": am.Layer(8, am.Identity()), "hidden": am.Layer(3, am.Softmax(1.0))}
    brief = {"t1": 2.0, "times": np.array([0.0, 1.0, 2.0]), "until": am.Settled(1e-4),
             "clamp": np.arange(8) < 2, "inputs": np.zeros(8), "seed": 1}  # fmt: skip
    small = _small_experiment()
    found: list[Recipe] = []

    def add(name: str, call: Callable[..., Any], /, **arguments: Any) -> None:
        found.append(Recipe(name, call, arguments))

    for solver in ("exponential", "RK45", "fixed", "events"):
        chosen: Any = {
            "exponential": am.ExponentialIntegrator(),
            "fixed": am.FixedPoint(),
            "events": am.EventDriven(1e-2),
        }.get(solver, solver)
        given = {"network": net, "cue_or_states": stored, "solver": chosen, **brief}
        if solver == "fixed":
            given.pop("inputs"), given.pop("clamp")
        add(f"simulate ({solver})", am.simulate, **given)
    add("simulate (by layer)", am.simulate, network=net, cue_or_states={"visible": cue},
        inputs={"hidden": np.zeros(3)}, clamp={"visible": [0, 1]})  # fmt: skip
    add("ExponentialIntegrator", am.ExponentialIntegrator, rtol=1e-6, atol=1e-9)
    add("ScipyODE", am.ScipyODE, method="RK45", rtol=1e-6, atol=1e-9)
    add("FixedPoint", am.FixedPoint, max_updates=10)
    add("EventDriven", am.EventDriven, quantum=1e-3, timing=am.Timing(), max_events=1000,
        announce="output", normaliser="exact", normaliser_tau=0.1, normaliser_delay=0.0,
        record_events=False)  # fmt: skip
    add("simulate (EventDriven)", _with_events(am, net, cue), quantum=1e-2, max_events=100,
        announce="output", normaliser="neuron", normaliser_tau=0.1, normaliser_delay=0.0,
        record_events=False)  # fmt: skip
    add("simulate (Timing)", _with_timing(am, net, cue), **timing)
    add("Brian2", am.Brian2, solver="ode", timing=am.Timing(), quantum=0.01, dt=0.01)
    add("Settled", am.Settled, tolerance=1e-4, certified=False, naive=False)
    add("Timing", am.Timing, **timing)
    add("Poisson", am.Poisson, rate=5.0)
    add("Periodic", am.Periodic, period=0.1, drift=0.1, jitter=0.01)
    for kind in ("Exponential", "Sigmoid", "Softmax", "Tanh"):
        add(kind, getattr(am, kind), beta=1.0)
    add("RectifiedPower", am.RectifiedPower, n=3)
    add("Spherical", am.Spherical, eps=1e-5)
    add("LayerNorm", am.LayerNorm, gamma=1.0, delta=np.zeros(8), eps=1e-5)
    for lagrangian in (am.Tanh(), am.Softmax(), am.LayerNorm(), am.RectifiedPower(3), am.ReLU()):
        kind = type(lagrangian).__name__
        add(f"{kind}.value", lagrangian.value, x=cue)
        add(f"{kind}.activation", lagrangian.activation, x=cue)
        add(f"{kind}.hessian", lagrangian.hessian, x=cue)
        add(f"{kind}.hessian_product", lagrangian.hessian_product, x=cue, u=cue)
        add(f"{kind}.activation_bounds", lagrangian.activation_bounds, lo=cue - 1, hi=cue)
        add(f"{kind}.slope_bounds", lagrangian.slope_bounds, lo=cue - 1, hi=cue)
    add("Layer", am.Layer, shape=(8,), lagrangian=am.Tanh(), tau=np.ones(8), bias=0.0, leak=1.0)
    add("Network", am.Network, layers=layers, synapses=[am.Dense(stored)])
    add("Dense", am.Dense, weights=stored, between=("hidden", "visible"), name="w")
    add("Dense (lateral)", am.Dense, weights=np.eye(3), between=("v", "v"), name="w")
    add("MultiBody", am.MultiBody, tensor=np.ones((2, 2, 2)), between=("a", "b", "b"), name="w")
    add("Convolution", am.Convolution, kernel=kernel, between=("h", "v"), stride=1, name="w")
    add("Attention", am.Attention, keys=heads, queries=heads, between=("t", "t"), beta=1.0,
        exclude_self=True, name="w")  # fmt: skip
    add("Memories", synapses.Memories, weights=stored, lagrangian=am.ReLU(), between=("visible",),
        bias=0.0, name="w")  # fmt: skip
    add("Epanechnikov", synapses.Epanechnikov, memories=stored, beta=1.0, between=("visible",),
        eps=1e-9, name="w")  # fmt: skip
    states = {name: np.asarray(x) for name, x in full.items()}
    for method in ("complete", "activations", "energy", "energy_tree", "force", "velocity",
                   "jacobian", "parameter_gradient"):  # fmt: skip
        add(f"Network.{method}", getattr(net, method), states=states,
            inputs={"visible": np.zeros(8)})  # fmt: skip
        add(f"Network.{method} (a layer)", _with_layer(getattr(net, method), states), visible=cue,
            inputs=np.zeros(8))  # fmt: skip
    add("Trajectory.overlap", traj.overlap, patterns=stored, layer="visible")
    add("Trajectory.plot", traj.plot, cue=0)
    add("Trajectory.save", traj.save, path="saved.npz", force=True)
    add("Trajectory.load", am.Trajectory.load, path=_saved(traj, "loaded.npz"))
    add("dense_am", am.dense_am, patterns=stored, visible=am.Identity(), hidden=am.Softmax(1.0),
        tau_visible=1.0, tau_hidden=0.1, bias_visible=np.zeros(8), bias_hidden=0.0,
        similarity="dot")  # fmt: skip

    add("BinaryMemory", binary.BinaryMemory, patterns=stored, separation=binary.Power(3),
        similarity=binary.Dot(), scaling=binary.Identity(), self_terms=False)  # fmt: skip
    add("BinaryMemory.energy", memory.energy, states=stored)
    add("BinaryMemory.recall", memory.recall, states=stored, rule="flip", order="random",
        staleness=0, temperature=0.0, max_sweeps=10, clamp=None, seed=0, record=False)  # fmt: skip
    add("BinaryMemory.recall (units)", memory.recall, states=stored, order=np.arange(8),
        temperature=1.0, max_sweeps=3, record=True)  # fmt: skip
    clocked = am.Timing(clock=am.Poisson(2.0), delay=0.1)
    add("BinaryMemory.recall (timing)", memory.recall, states=stored, timing=clocked,
        max_sweeps=3, seed=1)  # fmt: skip
    add("binary.Power", binary.Power, n=3, rectified=False)
    for kind in ("Exponential", "LogSumExp", "Log"):
        add(f"binary.{kind}", getattr(binary, kind), beta=1.0)
    add("binary.Gaussian", binary.Gaussian, width=1.0)
    for kind, key in (("Power", "n"), ("Exponential", "beta"), ("LogSumExp", "beta")):
        add(f"BinaryMemory ({kind})", _binary(binary, kind, stored), **{key: 2})

    add("patterns.corrupt", patterns.corrupt, patterns=stored, flip=0.2, mask=0.1, noise=0.1,
        seed=0)  # fmt: skip
    for kind in ("digits", "digits_gray"):
        add(f"patterns.{kind}", getattr(patterns, kind), count=3, seed=0, return_labels=False)
    add("patterns.hamming", patterns.hamming, n=7, k=4)
    add("patterns.overlap", patterns.overlap, states=stored, patterns=stored)
    add("patterns.random", patterns.random, count=3, size=8, seed=0)

    add("diffusion_memory", models.diffusion_memory, data=stored, sigma=1.0)
    for method, given in {
        "beta": {"tau": 0.5},
        "denoise": {"x": cue, "tau": 0.5},
        "draw": {"count": 3, "tau": 0.5, "seed": 0},
        "energy": {"x": cue, "tau": 0.5},
        "minima": {"tau": 0.5, "starts": stored},
        "network": {"tau": 0.5},
        "reverse_ode": {"x": cue, "taus": np.array([1.0, 0.1])},
        "reverse_sde": {"x": cue, "taus": np.array([1.0, 0.1]), "seed": 0},
        "score": {"x": cue, "tau": 0.5},
    }.items():
        add(f"DiffusionMemory.{method}", getattr(diffusion, method), **given)
    add("random_feature_memory", models.random_feature_memory, data=stored, beta=1.0,
        n_features=10, omega=None, kernel="sincos", seed=0)  # fmt: skip
    add("random_feature_memory (omega)", models.random_feature_memory, data=stored, beta=1.0,
        omega=stored)  # fmt: skip
    add("RandomFeatureMemory.energy", features.energy, x=cue)
    add("RandomFeatureMemory.force", features.force, x=cue)
    add("analog_transformer", models.analog_transformer, context=stored, memories=stored, beta=1.0,
        bias_visible=0.0, bias_attention=0.0, bias_memories=0.0, tau_visible=1.0,
        tau_hidden=0.1)  # fmt: skip
    add("attention", models.attention, queries=stored, keys=stored, values=stored, beta=1.0,
        heads=2)  # fmt: skip
    add("circle_energy", models.circle_energy, radius=np.ones(2), beta=2.0)
    add("circle_radius", models.circle_radius, beta=2.0)
    add("classify_samples", models.classify_samples, samples=stored, data=stored, distance=0.1)
    add("energy_transformer", models.energy_transformer, Wk=heads, Wq=heads,
        memories=np.ones((3, 4)), n_tokens=3, beta=1.0, gamma=1.0, delta=0.0, eps=1e-5,
        exclude_self=True, tau=1.0)  # fmt: skip
    add("hierarchical_memory", models.hierarchical_memory, weights=[np.ones((2, 3))],
        lagrangians=[am.Tanh(), am.Tanh()], tau=1.0)  # fmt: skip
    for model in ("model_a", "model_c"):
        add(model, getattr(models, model), patterns=stored, hidden=None, tau_visible=1.0,
            tau_hidden=0.1)  # fmt: skip
    add("model_b", models.model_b, patterns=stored, beta=1.0, tau_visible=1.0, tau_hidden=0.1)
    add("modern_hopfield", models.modern_hopfield, patterns=stored, beta=1.0, tau_visible=1.0,
        tau_hidden=0.0)  # fmt: skip
    add("transition", models.transition, data=points, sizes=[2, 4], width=0.1, distance=0.1,
        samples=3, shifts=2, seed=0)  # fmt: skip
    for function in ("recall", "loss", "loss_and_gradient"):
        add(f"clustering.{function}", getattr(models.clustering, function), points=points,
            memories=points[:2], beta=1.0, alpha=1.0, steps=2,
            mask=np.zeros((4, 2), bool))  # fmt: skip
    add("clustering.class_scores", models.clustering.class_scores, points=points, memories=points,
        labels=labels, beta=1.0)  # fmt: skip

    one = theory.timing
    add("uniform_delay_rate", one.uniform_delay_rate, sigma=0.5, tau_visible=1.0, tau_hidden=0.1,
        delay=0.5)  # fmt: skip
    add("critical_normaliser_lag", one.critical_normaliser_lag, kappa=4.0)
    add("critical_normaliser_delay", one.critical_normaliser_delay, kappa=4.0)
    add("critical_delay_one_layer", one.critical_delay_one_layer, gain=2.0)
    add("critical_delay_two_layer", one.critical_delay_two_layer, gain=2.0)
    many = theory.capacity
    add("bit_error_rate", many.bit_error_rate, D=100, K=10, n=3, rectified=False)
    add("exponential_bound", many.exponential_bound, D=100, corrupted=0.1)
    add("k_max", many.k_max, D=100, n=3, error=0.005, rectified=False)

    add("analyse", stability.analyse, net=net, state=full)
    add("certify", stability.certify, net=net, cue=stored, target=full, scope="link",
        tolerance=1e-3)  # fmt: skip
    add("classify", stability.classify, net=net, state=full, patterns=stored, layer="visible")
    add("critical_delay", stability.critical_delay, net=net, state=full, links=None)
    add("critical_tau", stability.critical_tau, net=net, state=full, layer="hidden", unit=0)
    add("delay_spectrum", stability.delay_spectrum, net=net, state=full, delay=0.1, count=3)
    add("distance_to_rest", stability.distance_to_rest, net=net, state=full)
    add("find", stability.find, net=net, state=full)
    add("find_all", stability.find_all, net=net, starts=stored)
    add("radius", stability.radius, net=net, state=full, scope="link")
    add("radius_bound", stability.radius_bound, net=net, state=full)
    add("reach", stability.reach, report=report, layer="visible")
    add("t_read", stability.t_read, report=report, margin=0.1, staleness=0.1, distance=0.5,
        layer="visible")  # fmt: skip
    add("StabilityReport.rate", report.rate, delay=0.1)
    del rest

    add("plot.energy", plot.energy, traj=traj, ax=None, cue=0)
    add("plot.overview", plot.overview, traj=traj, stored=stored[:2], cues=[0, 1], shape=(2, 4),
        titles=None)  # fmt: skip
    add("plot.recall", plot.recall, cues=stored, recalled=stored, stored=stored, shape=(2, 4),
        titles=None)  # fmt: skip
    add("plot.states", plot.states, traj=traj, layer="visible", ax=None, cue=0)
    add("plot.trajectory", plot.trajectory, traj=traj, cue=0, layer="visible")

    for name, value in {"n_clusters": 2, "beta": 1.0, "alpha": 1.0, "steps": 1, "n_init": 1,
                        "max_iter": 5, "random_state": 0}.items():  # fmt: skip
        add(f"AssociativeClusterer.fit ({name})", _fitted(estimators, points), **{name: value})
    add("AssociativeClusterer.fit", clusterer.fit, X=points)
    add("AssociativeClusterer.predict", clusterer.predict, X=points)
    add("AssociativeClassifier.fit", classifier.fit, X=points, y=labels)
    add("AssociativeClassifier.predict", classifier.predict, X=points)
    add("AssociativeClassifier.predict_proba", classifier.predict_proba, X=points)

    add("compile", hw.compile, network=net, chip="loihi2", weight_bits=8, dt=0.05, quantum=0.0,
        cue_limit=2.0, input_limits={"visible": 1.0})  # fmt: skip
    add("compile and save", _compiled(hw, net), weight_bits=8, dt=0.05, quantum=0.0)
    add("run", hw.run, plan=plan, cues=stored, backend="emulator", steps=40, record=("visible",),
        clamp=np.arange(8) < 2, inputs={"visible": np.zeros(8)})  # fmt: skip
    add("compare", hw.compare, plan=plan, cues=stored, steps=400)
    add("compare_bit_widths", hw.compare_bit_widths, network=net, cues=stored, widths=[4])
    add("compare_costs", hw.compare_costs, network=net, cues=stored, chips=("loihi2",),
        weight_bits=(8,), quanta=(0.0,), prices=None, cores=None)  # fmt: skip
    add("estimate", hw.estimate, placement=placement, run=result, prices="loihi1")
    add("place", hw.place, plan=plan, chip=None, system=None, cores=1, run=result, seed=0)
    add("Placement.use", placement.use, core=0)
    add("validate", hw.validate, plan=plan, chip="loihi2", chips=1)
    add("Result.states", result.states, name="visible")
    add("Plan.save", plan.save, path="plan.json", force=True)
    add("Plan.load", hw.Plan.load, path=_saved(plan, "plan of its own.json"))
    add("Plan.golden", plan.golden, cues=stored, path="golden.npz", steps=20, force=True)
    add("Chip.load", hw.Chip.load, path="chip.toml")
    add("Chip.price", hw.CHIPS["loihi1"].price, name="synapse_energy")
    add("Chip.system", hw.CHIPS["loihi1"].system, name="loihi1-chip")
    add("Chip.assuming", hw.CHIPS["loihi1"].assuming, synapse_energy=1.0)
    add("export.nir", hw.export.nir, plan=plan, path="plan.nir", lossy="metadata", force=True)
    add("export.read_nir", hw.export.read_nir, path="plan.nir")
    add("export.brian2", hw.export.brian2, network=wide, solver="ode", timing=None,
        cue=np.zeros(16), clamp=None, inputs=None, quantum=0.01, dt=0.01, record_every=0.1,
        seed=0)  # fmt: skip
    del frame
    add("experiments.find", experiments.find, name="asynchrony")
    add("Experiment.run", small.run, size="toy", seed=0, jobs=1, resume=False, out=None, x=1.0,
        repeats=1)  # fmt: skip
    return found


def _with_events(am: Any, net: Any, cue: Any) -> Callable[..., Any]:
    return lambda **given: am.simulate(net, cue, solver=am.EventDriven(**given), t1=2.0, seed=1)


def _with_timing(am: Any, net: Any, cue: Any) -> Callable[..., Any]:
    def call(**given: Any) -> Any:
        solver = am.EventDriven(1e-2, am.Timing(**given), max_events=1000)
        return am.simulate(net, cue, solver=solver, t1=2.0)

    return call


def _with_layer(method: Callable[..., Any], states: Any) -> Callable[..., Any]:
    def call(visible: Any, inputs: Any) -> Any:
        return method({**states, "visible": visible}, {"visible": inputs})

    return call


def _binary(binary: Any, kind: str, stored: Any) -> Callable[..., Any]:
    def call(**given: Any) -> Any:
        memory = binary.BinaryMemory(stored, getattr(binary, kind)(**given))
        return memory.energy(stored), memory.recall(stored, rule="gradient")

    return call


def _fitted(estimators: Any, points: Any) -> Callable[..., Any]:
    def call(**given: Any) -> Any:
        return estimators.AssociativeClusterer(**{"n_clusters": 2, "n_init": 1, **given}).fit(
            points
        )

    return call


def _compiled(hw: Any, net: Any) -> Callable[..., Any]:
    def call(**given: Any) -> None:
        hw.compile(net, **given).save("compiled.json", force=True)
        hw.Plan.load("compiled.json")

    return call


def _saved(what: Any, name: str) -> str:
    what.save(name, force=True)
    return name


def _measure(*, x: float, seed: Any) -> dict[str, float]:
    return {"y": x}


def _small_experiment() -> Any:
    from experiments.runner.experiment import Experiment, Quantity

    size = {"x": (0.0, 1.0), "repeats": 1}
    return Experiment(
        name="small",
        question="Is it itself?",
        measure=_measure,
        parameters={"x": Quantity("number")},
        results={"y": Quantity("the same")},
        sizes={"toy": size, "paper": size},
        draw=lambda data: None,  # type: ignore[arg-type, return-value]
        judge=lambda data: [],
    )


def replacements(valid: Any, rng: np.random.Generator) -> list[tuple[str, Any]]:
    """What may stand in place of a valid argument, by name."""
    import amsim as am

    some = np.array(valid if isinstance(valid, (np.ndarray, float, int)) else [1.0, -1.0, 0.5])
    if some.dtype == bool:
        some = some.astype(float)
    spoiled = np.atleast_1d(some.astype(float)).copy()
    spoiled.flat[rng.integers(spoiled.size)] = np.nan
    shape = tuple(rng.integers(0, 4, rng.integers(0, 4)))
    scalars = [
        None, True, False, "", "no", "visible", b"x", 0, -1, 1, 2, 3, 7, 8.0, 0.5, -0.5, 1e-300,
        1e-9, 1e9, 1e160, 1e300, float("nan"), float("inf"), -float("inf"), 10**30, 2**63, 2**31,
        10**11, -(2**63), 1j, Fraction(1, 2), Decimal("0.5"),
    ]  # fmt: skip
    numpy_scalars = [
        np.int64(2), np.int8(3), np.uint64(2), np.float32(0.5), np.float64(2.0), np.longdouble(1),
        np.bool_(True), np.str_("no"), np.array(2), np.array(2.0), np.datetime64("2020-01-01"),
    ]  # fmt: skip
    things = [
        object(), len, int, lambda t: 0.0, iter([1.0]), range(3), Path("/nowhere/x"), [], (), {},
        set(), [1, 2], ["a", "b"], [None], [[1.0], [1.0, 2.0]], {"visible": 1.0}, {"hidden": None},
        {"nobody": [1.0]}, np.random.default_rng(0), np.random.SeedSequence(1), am.Tanh, am.Tanh(),
        am.Timing(), np.ma.masked, np.array([]), slice(2), NotImplemented, ...,
    ]  # fmt: skip
    arrays = [
        ("masked", np.ma.masked_array(some, mask=np.ones(some.shape, bool))),
        ("complex", some + 1j),
        ("boolean array", some > 0),
        ("text array", some.astype(str)),
        ("dates", np.zeros(some.shape, "datetime64[s]")),
        ("objects", some.astype(object)),
        ("with NaN", spoiled),
        ("times 1e-300", some * 1e-300),
        ("times 1e200", some * 1e200),
        ("times 1e300", some * 1e300),
        ("float32", some.astype(np.float32)),
        ("int8", some.astype(np.int8)),
        ("longdouble", some.astype(np.longdouble)),
        ("fortran", np.asfortranarray(some)),
        ("list", some.tolist()),
        ("first", some[0] if some.ndim else some),
        ("no rows", some[:0] if some.ndim else some),
        ("one more axis", some[None]),
        ("transposed", some.T),
        ("last axis cut", some[..., :-1] if some.ndim else some),
        ("random shape", np.ones(shape)),
        ("random numbers", rng.normal(size=shape) * 10.0 ** rng.integers(-20, 20)),
    ]
    named = [(_name(value), value) for value in (*scalars, *numpy_scalars, *things)]
    return [*named, *arrays]


def _name(value: Any) -> str:
    text = repr(value)
    kind = type(value).__name__
    return f"{kind} {text}" if len(text) < 40 and " at 0x" not in text else kind


def draw(seed: int, number: int) -> tuple[Recipe, dict[str, Any], tuple[tuple[str, str], ...]]:
    """Call number `number`."""
    rng = np.random.default_rng([seed, number])
    every = recipes()
    recipe = every[number % len(every)]
    arguments, replaced = dict(recipe.arguments), []
    names = list(arguments)
    for name in rng.permutation(names)[: 1 + (rng.random() < 0.2)]:
        offered = replacements(arguments[name], rng)
        what, arguments[name] = offered[rng.integers(len(offered))]
        replaced.append((str(name), what))
    return recipe, arguments, tuple(replaced)


def outcome(
    recipe: Recipe, arguments: dict[str, Any], replaced: tuple[tuple[str, str], ...]
) -> Outcome:
    """Make one call."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"), _silent():
            warnings.simplefilter("ignore")
            recipe.call(**arguments)
    except Exception as error:
        kind = "crash"
        if isinstance(error, EXPECTED):
            kind = "own words" if said_by_us(error) else "foreign words"
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{_short(last.filename)}:{last.lineno}"
        ours = [x for x in traceback.extract_tb(error.__traceback__) if _is_ours(x.filename)]
        if ours and ours[-1] is not last:
            where = f"{_short(ours[-1].filename)}:{ours[-1].lineno} > {where}"
        text = " ".join(str(error).split())[:150]
        return Outcome(kind, recipe.name, replaced, f"{type(error).__name__}: {text}", where)
    return Outcome("answer", recipe.name, replaced)


def said_by_us(error: BaseException) -> bool:
    """Whether a `raise` statement in our packages raised it; sklearn's own checks count for it."""
    tb = error.__traceback__
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    if tb is None:
        return False
    name = tb.tb_frame.f_code.co_filename
    if not (_is_ours(name) or name.endswith("sklearn/utils/validation.py")):
        return False
    return tb.tb_frame.f_code.co_code[tb.tb_lasti] == dis.opmap["RAISE_VARARGS"]


def _is_ours(filename: str) -> bool:
    import amsim

    root = Path(amsim.__file__).parent.parent
    return any(filename.startswith(f"{root / package}{os.sep}") for package in PACKAGES)


def _short(filename: str) -> str:
    return "/".join(Path(filename).parts[-2:])


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    with (
        open(os.devnull, "w", encoding="utf-8") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        yield


def _serve(connection: Any, seed: int, limit: float, memory_gb: float) -> None:
    """The child: make the calls that are asked for."""
    import resource

    os.chdir(tempfile.mkdtemp(dir=os.environ["FUZZ_FOLDER"]))
    for recipe in recipes():
        with _silent(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                recipe.call(**recipe.arguments)
            except Exception as error:
                if not isinstance(error, OSError):  # a file that is not there yet
                    connection.send(f"{recipe.name}: {error!r}")
    addresses = int(memory_gb * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (addresses, addresses))
    connection.send(len(recipes()))
    while True:
        drawn = draw(seed, connection.recv())
        connection.send((drawn[0].name, drawn[2]))  # so that it is known, if this does not end
        # In time of the processor, since others may use it, too; the signal ends the process.
        signal.setitimer(signal.ITIMER_PROF, limit)
        found = outcome(*drawn)
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        connection.send(found)


class Child:
    """A process that makes calls, ended when one takes too long."""

    def __init__(self, seed: int, limit: float, memory_gb: float) -> None:
        self.settings, self.limit = (seed, limit, memory_gb), limit
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("fork")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other, *self.settings), daemon=True)
        self.process.start()
        other.close()
        while isinstance(said := self.connection.recv(), str):
            print("the valid call fails:", said, file=sys.stderr)

    def call(self, number: int) -> Outcome:
        """Make a call; a new child follows one that hangs or dies."""
        self.connection.send(number)
        name, replaced = self.connection.recv()
        try:
            if self.connection.poll(30 * self.limit):  # a call that waits, and computes nothing
                found: Outcome = self.connection.recv()
                return found
        except EOFError:
            self.process.join()
        ended = self.process.exitcode
        kind = "hang" if ended in (None, -signal.SIGPROF) else "crash"
        self.end()
        self._start()
        return Outcome(kind, name, replaced, f"{kind} of the process")

    def end(self) -> None:
        self.process.kill()
        self.process.join()


def summary(outcomes: list[Outcome], show: int) -> str:
    """The figures, and what is most frequent among the faults."""
    kinds = Counter(outcome.kind for outcome in outcomes)
    refusals = len(outcomes) - kinds["answer"]
    odd = [
        x for x in outcomes if x.kind == "answer" and any(w in NEVER_DATA for _, w in x.replaced)
    ]
    lines = [
        f"{len(outcomes)} calls of {len({x.name for x in outcomes})} callables",
        f"answers {kinds['answer']}, of them to masked, complex, dates, text, objects: {len(odd)}",
        f"refusals {refusals}, in own words {kinds['own words']} "
        f"({100 * kinds['own words'] / max(refusals, 1):.2f} %), in foreign words "
        f"{kinds['foreign words']}, crashes {kinds['crash']}, hangs {kinds['hang']}",
    ]
    for kind in ("hang", "crash", "foreign words"):
        faults = Counter((x.name, x.replaced[0][0], x.where, x.error[:100]) for x in outcomes
                         if x.kind == kind)  # fmt: skip
        lines += [f"  {n:4} {kind}: {' | '.join(key)}" for key, n in faults.most_common(show)]
    strange = Counter((x.name, *x.replaced[0]) for x in odd)
    lines += [f"  {n:4} taken: {' | '.join(key)}" for key, n in strange.most_common(show)]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--limit", type=float, default=20.0, help="seconds of the processor for a call"
    )
    parser.add_argument("--memory", type=float, default=8.0, help="GB of addresses")
    parser.add_argument("--show", type=int, default=20, help="how many kinds of faults to list")
    parser.add_argument("--only", type=int, help="make this call here, with its traceback")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FUZZ_FOLDER"] = folder
        if options.only is not None:
            os.chdir(folder)
            recipe, arguments, replaced = draw(options.seed, options.only)
            print(recipe.name, replaced)
            print(recipe.call(**arguments))
            return
        child = Child(options.seed, options.limit, options.memory)
        start, outcomes = time.monotonic(), []
        try:
            for number in range(options.first, options.first + options.calls):
                outcomes.append(child.call(number))
                if sys.stderr.isatty():
                    print(f"\r{number}", end="", file=sys.stderr)
        except KeyboardInterrupt:
            pass
        child.end()
        print(summary(outcomes, options.show))
        print(f"{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
