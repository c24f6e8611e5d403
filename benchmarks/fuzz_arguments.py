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
import inspect
import multiprocessing
import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

PACKAGES = ("amsim", "hardware", "experiments")
# What a refusal may be, of whatever words; any other exception counts as a crash.
EXPECTED = (ValueError, TypeError, OSError, ImportError)
LEFT_OUT = {
    *("BetaSuggestion", "ChipRecall", "RunResult", "SteadyState", "Trajectory"),
    *("Flips", "Recall"),
    *("Attack", "Bifurcation", "Certificate", "Classification", "Equilibrium", "LossBound"),
    *("LyapunovBasin", "StabilityReport", "StalenessLimits", "Verdict"),
    *("ChainGradient", "LossGradient", "Training", "ImportedAttention"),
    *("Comparison", "CostRow", "CostTable", "Estimate", "GraphPlacement", "GraphPlan", "Job"),
    *("Limit", "Placement", "Plan", "Result", "System", "Trace", "Validation"),
}  # constructors of results, of plans, and of figures of a chip
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
    add("SignedPower", am.SignedPower, n=4)
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
    for more in (_of_timing, _of_dynamics, _of_learning, _of_layers, _of_stability, _of_theory,
                 _of_models, _of_chips):  # fmt: skip
        found += [Recipe(*each) for each in more(net, stored, full)]
    return found


Calls = Iterator[tuple[str, Callable[..., Any], dict[str, Any]]]


def _of_timing(net: Any, stored: Any, full: Any) -> Calls:
    import amsim as am

    def timed(name: str, make: Callable[..., Any] | None = None) -> Callable[..., Any]:
        """Make it, and let a run use it."""

        def call(**given: Any) -> Any:
            value = (make or getattr(am, name[0].upper() + name[1:]))(**given)
            return run(**{name: value})

        return call

    def run(**given: Any) -> Any:
        solver = am.EventDriven(1e-2, am.Timing(**{"delay": 0.1, **given}), max_events=500)
        return am.simulate(net, stored[0], solver=solver, t1=0.5, seed=1)

    def linked(**given: Any) -> Any:
        return run(fabric=am.Fabric(groups, out=am.Link(**given)))

    groups = {"visible": np.arange(8) % 2, "hidden": np.array([2, 3, 2])}
    yield "Link", linked, {"bandwidth": 50.0, "latency": 0.1, "fifo": 3, "on_full": "drop",
                           "spread": 0.1, "per": "message"}  # fmt: skip
    yield "Fabric", timed("fabric"), {
        "groups": groups, "out": am.Link(90.0), "hop": am.Link(90.0), "into": am.Link(),
        "route": "mesh", "columns": 2, "multicast": True, "per_router": 1}  # fmt: skip
    for name in ("loihi1", "spinnaker1"):
        yield f"Fabric.chip ({name})", timed("fabric", am.Fabric.chip), {
            "name": name, "tau": 1e-4, "groups": groups, "columns": 2}  # fmt: skip
        yield f"Timing.chip ({name})", am.Timing.chip, {
            "name": name, "tau": 1e-4, "fabric": am.Fabric()}  # fmt: skip
    yield "Timing.chip", am.Timing.chip, {"name": "loihi1", "tau": 1e-4, "step": 1e-5,
                                          "overhead": 1e-6}  # fmt: skip
    for kind, more in {"stuck": {"value": 1.0}, "babbling": {"rate": 9.0}}.items():
        yield f"Fault ({kind})", lambda **given: run(faults=[am.Fault(**given)]), {
            "kind": kind, "units": {"visible": [0]}, "at": 0.1, **more}  # fmt: skip
    yield (
        "Fault (dead)",
        lambda **given: run(faults=[am.Fault(**given)], fabric=am.Fabric(groups, am.Link(50.0))),
        {"kind": "dead", "links": ["out 0"], "at": 0.1},
    )
    yield "Barrier", timed("clock", am.Barrier), {"step": 0.1, "overhead": 0.01}
    yield "Periodic (all)", lambda **given: run(
        clock=am.Periodic(**given), fabric=am.Fabric(groups)
    ), {
        "period": 0.1, "drift": 0.1, "jitter": 0.01, "skew": 0.5, "per": "group", "latch": True,
        "resync": 0.5}  # fmt: skip
    yield "CommonJitter", timed("common_jitter", am.CommonJitter), {
        "jitter": 0.3, "correlation": 2.0, "at": "out"}  # fmt: skip
    yield "Bursts", timed("bursts", am.Bursts), {
        "good": 9.0, "bad": 1.0, "drop_good": 0.1, "drop_bad": 0.9, "at": "into"}  # fmt: skip
    yield "Drift", timed("drift", am.Drift), {
        "times": np.array([1.0, 2.0]), "tau": np.array([1.1, 1.2]),
        "delay": np.array([1.0, 2.0])}  # fmt: skip
    yield "Timing (late)", run, {
        "fabric": am.Fabric(groups), "faults": (), "common_jitter": am.CommonJitter(0.3, 2.0),
        "bursts": am.Bursts(9.0, 1.0), "refractory": 0.1, "quantum_spread": 0.1}  # fmt: skip


def _of_dynamics(net: Any, stored: Any, full: Any) -> Calls:
    import amsim as am
    from amsim import plot

    traj = am.simulate(net, stored)
    quick = am.simulate(net, stored, solver=am.EventDriven(1e-1, record_events=True), t1=1.0)

    def found(labels: Any) -> Any:
        return am.simulate(net, stored, solver=am.FixedPoint(index=am.Cells(net, labels)))

    def watched(**given: Any) -> Any:
        return am.simulate(net, stored, watch={"x": am.Watch(**given)}, t1=1.0)

    yield "simulate (more)", am.simulate, {
        "network": net, "cue_or_states": stored, "t0": 0.0, "t1": 1.0, "noise": 0.1,
        "inputs": lambda t: np.zeros(8), "breakpoints": [0.5], "max_step": 0.5,
        "record": ["visible"], "wall_limit": 60.0, "seed": 1, "workers": 1,
        "dtype": "float64"}  # fmt: skip
    yield "simulate (single)", am.simulate, {
        "network": net, "cue_or_states": stored, "t1": 1.0, "missing": None,
        "until": None, "dtype": "float32"}  # fmt: skip
    yield "Cells", found, {"labels": np.array([0, 1, 1])}
    yield (
        "FixedPoint (index)",
        lambda **given: am.simulate(net, stored, solver=am.FixedPoint(**given)),
        {"max_updates": 9, "record": True, "index": am.Cells(net, [0, 1, 1])},
    )
    yield (
        "GradientDescent",
        lambda **given: am.simulate(net, stored, solver=am.GradientDescent(**given)),
        {"step": 0.1, "steps": 3},
    )
    for kind in (am.ExponentialAdams, am.ExponentialHeun):
        yield (
            kind.__name__,
            lambda kind=kind, **given: am.simulate(
                net, stored, solver=kind(**given), noise=0.1, t1=1.0
            ),
            {"step": 0.1},
        )
    yield "Noise", lambda **given: am.simulate(net, stored, noise=am.Noise(**given), t1=1.0), {
        "temperature": 0.1, "correlation": 0.5}  # fmt: skip
    yield (
        "PiecewiseConstant",
        lambda **given: am.simulate(net, stored, inputs=am.PiecewiseConstant(**given), t1=1.0),
        {"times": np.array([0.0, 0.5]), "values": np.zeros((2, 8))},
    )
    yield "Watch", watched, {"function": lambda t, states: states["visible"][..., 0],
                             "direction": 1, "terminal": False}  # fmt: skip
    yield "steady_state", am.steady_state, {
        "values": np.sin(np.arange(40.0)), "windows": 10, "level": 0.01}  # fmt: skip
    yield "Trajectory.nearest", traj.nearest, {"patterns": stored, "layer": "hidden"}
    yield "Trajectory.select", traj.select, {"cues": [0, 1]}
    yield "Trajectory.continued", traj.continued, {"network": net}
    yield "plot.raster", plot.raster, {"traj": quick, "ax": None, "cue": 0}
    yield "plot.phase", plot.phase, {
        "net": net, "x": ("visible", 0), "y": ("visible", 1), "ax": None, "at": None,
        "traj": None, "limits": (-1.0, 1.0)}  # fmt: skip
    yield "plot.animate", plot.animate, {
        "traj": traj, "path": "run.gif", "cue": 0, "layer": "visible", "shape": (2, 4), "frames": 2,
        "fps": 15, "force": True}  # fmt: skip
    yield "Mismatch", lambda **given: am.Mismatch(**given).of(net), {
        "weights": 0.1, "bias": 0.1, "gain": 0.1, "tau": 0.1, "leak": 0.1,
        "symmetric": True}  # fmt: skip
    yield "Mismatch.of", am.Mismatch(weights=0.1).of, {"network": net, "seed": 1}
    yield "Network.save", net.save, {"path": "net.npz", "force": True}
    yield "Network.load", am.Network.load, {"path": _saved(net, "net 2.npz"), "max_bytes": 2**20}
    yield "Network.with_parameters", net.with_parameters, {"tree": net.parameters()}
    yield "recall_on_chip", am.recall_on_chip, {
        "net": net, "cue": stored[0], "target": stored[0], "fabric": am.Fabric(), "quantum": 0.1,
        "margin": 0.5, "bits": 8, "noise": 0.0, "delay": 0.01, "drift": 0.0,
        "mismatch": None, "seed": 0, "attack": False}  # fmt: skip
    yield "suggest_beta", am.suggest_beta, {
        "patterns": stored, "cues": stored, "similarity": "dot", "betas": [1.0, 2.0],
        "accuracy": 0.1, "seed": 0}  # fmt: skip
    yield "suggest_beta (damage)", am.suggest_beta, {
        "patterns": stored, "damage": {"flip": 0.1}, "betas": [1.0]}  # fmt: skip


def _of_learning(net: Any, stored: Any, full: Any) -> Calls:
    import amsim as am

    of = am.learning
    loss, clamp = of.SquaredError("visible", stored[:, :2], units=[0, 1]), np.arange(8) >= 2
    states = {name: np.asarray(x) for name, x in am.simulate(net, stored).final.items()}
    for method in ("implicit", "equilibrium_propagation"):
        yield f"learning.gradient ({method})", of.gradient, {
            "net": net, "cue": stored, "loss": loss, "clamp": clamp, "inputs": np.zeros(8),
            "method": method, "solver": None, "until": am.Settled(1e-9), "t1": 50.0,
            "seed": 0}  # fmt: skip
    yield "learning.gradient (nudged)", of.gradient, {
        "net": net, "cue": stored, "loss": loss, "method": "equilibrium_propagation",
        "nudge": 0.01, "centred": True}  # fmt: skip
    yield "learning.gradient (unrolled)", of.gradient, {
        "net": net, "cue": stored, "loss": loss, "method": "unrolled",
        "solver": am.FixedPoint(3)}  # fmt: skip
    free = am.Network({"visible": am.Layer(2, am.Identity())}, [])
    yield "learning.chain_gradient", of.chain_gradient, {
        "net": free, "data": stored[:, :2], "chains": stored[:, :2], "temperature": 1.0, "t1": 0.5,
        "step": 0.1, "seed": 0}  # fmt: skip
    yield "learning.train", of.train, {
        "net": net, "cues": stored, "loss": loss, "epochs": 1, "batch_size": 2,
        "optimiser": of.SGD(), "learn": {"hidden-visible": ["weights"]},
        "validate": lambda network: 0.0, "patience": 1, "checkpoint": None, "seed": 0}  # fmt: skip
    yield (
        "learning.SGD",
        lambda **given: of.train(net, stored, loss, epochs=1, optimiser=of.SGD(**given)),
        {"rate": 0.1, "momentum": 0.9},
    )
    yield (
        "learning.Likelihood",
        lambda **given: of.train(free, stored[:, :2], of.Likelihood(**given), epochs=1),
        {"chains": stored[:, :2], "temperature": 1.0, "t1": 0.5, "step": 0.1},
    )
    yield (
        "learning.Adam",
        lambda **given: of.train(net, stored, loss, epochs=1, optimiser=of.Adam(**given)),
        {"rate": 0.1, "decay": 0.9, "decay_squares": 0.99},
    )
    for kind, wanted, key in ((of.SquaredError, stored[:, :2], "target"),
                              (of.CrossEntropy, np.array([0, 1, 0]), "labels")):  # fmt: skip
        name, made = kind.__name__, kind("visible", wanted, units=[0, 1])
        yield f"learning.{name}", _learned(of, net, stored, kind), {
            "layer": "visible", key: wanted, "units": [0, 1]}  # fmt: skip
        yield f"{name}.value", made.value, {"states": states}
        yield f"{name}.gradient", made.gradient, {"states": states}
    for rule in ("hebbian", "storkey", "pseudo_inverse"):
        yield f"learning.{rule}", getattr(of, rule), {"patterns": stored}


def _of_layers(net: Any, stored: Any, full: Any) -> Calls:
    import amsim as am

    rng, taken = np.random.default_rng(0), am.interop
    state = {"in_proj_weight": rng.normal(size=(24, 8)), "out_proj.weight": np.eye(8)}
    layer = taken.from_attention(state, stored)
    run = am.simulate(layer.network, layer.cues(stored), solver=am.FixedPoint(1), until=None)
    given = {"stored": stored, "heads": 2, "values": stored, "beta": 1.0, "prefix": "",
             "tau_hidden": 0.1}  # fmt: skip
    yield "interop.from_attention", taken.from_attention, {"state": state, **given}
    yield "interop.from_hopfield_layers", taken.from_hopfield_layers, {
        "state": {"lookup_weights": stored[None]}, "beta": 0.5, "heads": 1, "static": (),
        "prefix": "", "tau_hidden": 0.1}  # fmt: skip
    yield "ImportedAttention.cues", layer.cues, {"inputs": stored}
    yield "ImportedAttention.output", layer.output, {"states": dict(run.final)}
    neurons = {"v": SimpleNamespace(shape=(2,), lagrangian=None, activations=lambda x: x)}
    yield "interop.from_hamux", taken.from_hamux, {
        "model": SimpleNamespace(neurons=neurons, hypersynapses={}, connections=[],
                                 energy=lambda g, x: (x["v"] ** 2).sum() / 2),
        "lagrangians": {"v": am.Identity()}, "tau": {"v": 1.0}}  # fmt: skip
    Path("no tensors.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{}")
    yield "interop.read_safetensors", taken.read_safetensors, {"path": "no tensors.safetensors"}
    yield "Entmax", lambda **given: am.Entmax(**given).activation(stored), {
        "alpha": 1.5, "beta": 1.0}  # fmt: skip
    yield "Manhattan", am.Manhattan, {"memories": stored, "between": ("hidden", "visible"),
                                      "width": 0.1, "name": "w"}  # fmt: skip
    yield "Directed", am.Directed, {"weights": np.eye(3), "source": "a", "target": "b",
                                    "name": "w"}  # fmt: skip


def _of_stability(net: Any, stored: Any, full: Any) -> Calls:
    import amsim as am

    of = am.stability
    tiny = am.dense_am([[1.0, -1.0]], hidden=am.Tanh())
    near = {"net": tiny, "cue": [[1.0, -1.0]], "target": of.find(tiny, [1.0, -1.0]).states}
    errors = {"drift": 0.01, "offset": 0.01, "noise": 0.01, "together": False}
    yield "certify (errors)", of.certify, {
        **near, "scope": "link", "staleness": 0.05, **errors, "tolerance": 1e-2,
        "comm": None}  # fmt: skip
    yield "largest_staleness", of.largest_staleness, {
        **near, "scope": "link", **errors, "tolerance": 0.1, "attack": False}  # fmt: skip
    yield "loss_bound", of.loss_bound, {
        **near, "drop": 0.1, "heartbeat": 0.1, "delay": 0.1, "scope": "link", "staleness": 0.5,
        "drift": 0.0, "together": False, "tolerance": 1e-2}  # fmt: skip
    yield "read_time", of.read_time, {
        **near, "staleness": 0.05, "margin": 0.5, "scope": "link", **errors}  # fmt: skip
    yield "Certificate.attack", of.certify(net, -stored, full).attack, {"cue": 0}
    rest = of.find(net, full).states
    yield "lyapunov_radius", of.lyapunov_radius, {"net": net, "state": rest, "delay": 0.01}
    yield "lyapunov_basin", of.lyapunov_basin, {"net": net, "state": rest, "delay": 0.01}
    basin = of.lyapunov_basin(net, rest, 0.01)
    yield "LyapunovBasin.contains", basin.contains, {"cue": stored}
    yield "energy_staleness", of.energy_staleness, {"net": net, "scope": "link"}
    yield "bifurcation", of.bifurcation, {
        "make": lambda beta: am.dense_am(stored, hidden=am.Softmax(beta)), "values": [1.0, 1.1],
        "starts": stored[:1]}  # fmt: skip
    report = of.analyse(net, full)
    yield "t_read", of.t_read, {"report": report, "margin": 0.5, "staleness": 0.05,
                                "distance": 0.1, "layer": "visible"}  # fmt: skip
    yield "StabilityReport.rate", report.rate, {"delay": 0.1}


def _of_theory(net: Any, stored: Any, full: Any) -> Calls:
    import amsim as am

    of = am.theory.capacity
    yield "crosstalk_variance", of.crosstalk_variance, {"D": 100, "K": 10, "n": 3}
    yield "crosstalk_variance (beta)", of.crosstalk_variance, {"D": 100, "K": 10, "beta": 0.1}
    yield "bit_error_rate (beta)", of.bit_error_rate, {"D": 100, "K": 10, "beta": 1.0}
    yield "distinct_capacity", of.distinct_capacity, {"D": 100}
    yield "retrieval_beta", of.retrieval_beta, {"D": 100, "K": 10}
    yield "separated_beta", of.separated_beta, {"separation": 9.0, "count": 10, "length": 8.0}
    for name in ("sequence_capacity", "transition_capacity"):
        yield name, getattr(of, name), {"D": 100, "n": 3}
        yield f"{name} (beta)", getattr(of, name), {"D": 100, "beta": 0.1}
    for name in ("separation", "similarity"):
        more = {} if name == "separation" else {"states": stored, "missing": None}
        yield f"patterns.{name}", getattr(am.patterns, name), {
            "patterns": stored, "kind": "euclidean", **more}  # fmt: skip


def _of_models(net: Any, stored: Any, full: Any) -> Calls:
    import amsim as am
    from amsim import estimators

    of, points = am.models, np.array([[0.0, 1.0], [0.2, 1.1], [3.0, 2.0], [3.1, 2.2]])
    parts = of.patches(np.ones((2, 4, 4, 1)), 2)
    yield "context_transformer", of.context_transformer, {
        "memories": stored, "n_context": 2, "beta": 1.0, "bias_visible": 0.0, "bias_memories": 0.0,
        "tau": 1.0}  # fmt: skip
    yield "embed", of.embed, {"parts": parts, "weights": np.ones((3, 4)), "bias": 0.0,
                              "cls": np.ones(3), "positions": 0.0}  # fmt: skip
    yield "patches", of.patches, {"images": np.ones((2, 4, 4, 1)), "size": 2}
    yield "from_patches", of.from_patches, {"parts": parts, "shape": (4, 4, 1)}
    for rule in ("interpolation", "logistic"):
        yield f"kernel_memory ({rule})", of.kernel_memory, {
            "patterns": stored, "targets": None, "learning": rule, "beta": 1.0, "ridge": 1e-3,
            "gain": 20.0, "tau_visible": 1.0, "tau_hidden": 0.1}  # fmt: skip
    yield "random_network", of.random_network, {"units": 9, "gain": 1.5, "tau": 1.0, "seed": 0}
    yield "ring_attractor", of.ring_attractor, {"units": 9, "strength": 3.0, "speed": 0.1,
                                                "tau": 1.0}  # fmt: skip
    yield "sequence_memory", of.sequence_memory, {
        "patterns": stored, "hidden": am.Softmax(1.0), "stabiliser": am.Softmax(1.0),
        "visible": am.Tanh(), "strength": 1.0, "cyclic": True, "scale": 1.0, "tau_visible": 1.0,
        "tau_hidden": 2.0, "tau_stabiliser": 0.1}  # fmt: skip
    yield "clustering.class_loss_and_gradient", of.clustering.class_loss_and_gradient, {
        "points": points, "targets": np.array([0, 0, 1, 1]), "memories": points,
        "labels": np.array([0, 0, 1, 1]), "beta": 1.0}  # fmt: skip
    for kind in ("SequenceMemory", "TwoStateNetwork"):
        yield f"binary.{kind}", getattr(am.binary, kind), {
            "SequenceMemory": {"patterns": stored, "separation": am.binary.Power(3),
                               "stabiliser": am.binary.Power(2), "strength": 1.0, "delay": 2,
                               "cyclic": True},
            "TwoStateNetwork": {"weights": 1.0 - np.eye(4), "thresholds": 0.0, "zero_one": False},
        }[kind]  # fmt: skip
    sequence = am.binary.SequenceMemory(stored)
    yield "SequenceMemory.fields", sequence.fields, {"states": stored}
    yield "SequenceMemory.replay", sequence.replay, {"states": stored, "steps": 3,
                                                     "order": "parallel", "seed": 0}  # fmt: skip
    two = am.binary.TwoStateNetwork.hebbian(stored)
    yield "TwoStateNetwork.energy", two.energy, {"states": stored}
    yield "TwoStateNetwork.recall", two.recall, {
        "states": stored, "order": "random", "temperature": 0.1, "max_sweeps": 3, "clamp": None,
        "seed": 0}  # fmt: skip
    for rule in ("hebbian", "storkey", "pseudo_inverse"):
        yield f"TwoStateNetwork.{rule}", getattr(am.binary.TwoStateNetwork, rule), {
            "patterns": stored}  # fmt: skip
    yield (
        "AssociativeClassifier",
        lambda **given: estimators.AssociativeClassifier(**given).fit(points, [0, 0, 1, 1]),
        {"beta": 1.0, "train": 1, "n_memories": 2, "random_state": 0},
    )
    yield (
        "AssociativeAutoencoder",
        lambda **given: estimators.AssociativeAutoencoder(**given).fit(points),
        {"n_memories": 2, "beta": 1.0, "hidden": 0.25, "train": 1, "random_state": 0},
    )
    yield (
        "EnergyTransformerImputer",
        lambda **given: estimators.EnergyTransformerImputer(**given).fit(points),
        {"shape": (1, 2), "patch": 1, "heads": 2, "n_memories": 3, "masked": 0.5, "epochs": 1,
         "rate": 0.01, "random_state": 0},
    )  # fmt: skip


def _of_chips(net: Any, stored: Any, full: Any) -> Calls:
    import amsim as am
    import hardware as hw

    wide = am.models.analog_transformer(stored / 4, stored[:2] / 64)
    graph = hw.compile(wide)
    cue, plan = stored[0] / 4, hw.compile(net, input_limits={"visible": 100.0})
    events = hw.Events([0.001, 0.002], [2, 3], [0.5, 0.5])
    np.savez("aer.npz", x=[0], y=[1], t=[5], p=[1])
    yield "compile (rounding)", hw.compile, {
        "network": net, "rounding": "stochastic", "seed": 0, "weight_bits": 4}  # fmt: skip
    yield "compile (graph)", hw.compile, {
        "network": wide, "chip": "loihi2", "weight_bits": 8, "dt": 0.05, "quantum": 0.0,
        "cue_limit": 2.0, "input_limits": None, "rounding": "nearest", "seed": 0}  # fmt: skip
    yield "run (graph)", hw.run, {
        "plan": graph, "cues": cue, "steps": 9, "record": True, "clamp": np.arange(8) < 2,
        "inputs": None}  # fmt: skip
    yield "compare (graph)", hw.compare, {"plan": graph, "cues": cue, "steps": 99}
    yield "place (graph)", hw.place, {"plan": graph, "chip": None, "cores": None, "seed": 0}
    yield "validate (graph)", hw.validate, {"plan": graph, "chip": "loihi2", "chips": 1}
    yield "GraphPlan.save", graph.save, {"path": "graph.json", "force": True}
    yield "GraphPlan.load", hw.GraphPlan.load, {"path": _saved(graph, "graph 2.json")}
    yield "GraphPlan.golden", graph.golden, {"cues": cue, "path": "golden 2.npz", "steps": 9,
                                             "force": True}  # fmt: skip
    yield "GraphPlan.onto", graph.onto, {"layer": "visible"}
    yield "GraphPlacement.use", hw.place(graph).use, {"core": 0}
    yield "run (events)", hw.run, {"plan": plan, "cues": cue, "steps": 60, "inputs": events}
    yield "Events", lambda **given: hw.run(plan, cue, steps=60, inputs=hw.Events(**given)), {
        "times": np.array([0.001, 0.002]), "units": np.array([2, 3]),
        "values": np.array([0.5, 0.5])}  # fmt: skip
    yield "Events.largest", events.largest, {"dt": 0.05, "begins": 0.5}
    yield "Events.by_period", events.by_period, {"plan": plan, "layer": "visible", "steps": 60}
    yield "Events.integers", events.integers, {"plan": plan, "steps": 60, "layer": "visible"}
    yield "Events.from_integers", hw.Events.from_integers, {
        "plan": plan, "arriving": np.zeros((60, 8), int), "layer": "visible"}  # fmt: skip
    yield "Events.read_aer", hw.Events.read_aer, {
        "path": "aer.npz", "shape": (2, 4), "unit": 1e-3, "charge": 0.5}  # fmt: skip
    yield "Integers", lambda **given: am.learning.gradient(
        net, stored, am.learning.SquaredError("visible", stored),
        method="equilibrium_propagation", solver=hw.Integers(**given)
    ), {"weight_bits": 8, "chip": "loihi2", "dt": 0.05, "quantum": 0.0, "steps": 99,
        "backend": "emulator"}  # fmt: skip


def without_recipe() -> list[str]:
    """Public callables that no call reaches; none should be left."""
    import amsim as am
    import experiments
    import hardware as hw
    from amsim import binary, estimators, models, stability

    reached = {recipe.name.split(" (")[0].split(".")[-1] for recipe in recipes()}
    reached |= {recipe.name.split(" (")[0].split(".")[0] for recipe in recipes()}
    modules = (am, binary, estimators, models, models.clustering, stability, am.learning,
               am.interop, am.patterns, am.plot, am.theory.capacity, am.theory.timing, hw,
               hw.export, experiments)  # fmt: skip
    return [
        f"{module.__name__}.{name}"
        for module in modules
        for name in getattr(module, "__all__", None) or _own(module)
        if callable(value := getattr(module, name))
        and name not in reached | LEFT_OUT
        and not _is_left_out(value)
    ]


def _own(module: Any) -> list[str]:
    """What a module without ``__all__`` defines."""
    return [
        name
        for name, value in vars(module).items()
        if name[0] != "_" and getattr(value, "__module__", "") == module.__name__
    ]


def _is_left_out(value: Any) -> bool:
    """Exceptions, what implementers override, and what takes no arguments."""
    if inspect.isabstract(value) or getattr(value, "_is_protocol", False):
        return True
    if isinstance(value, type) and issubclass(value, Exception):
        return True
    return callable(value) and not inspect.signature(value).parameters


def _learned(learning: Any, net: Any, stored: Any, kind: Any) -> Callable[..., Any]:
    return lambda **given: learning.gradient(net, stored, kind(**given))


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
    every = recipes()
    turn, place = divmod(number, len(every))
    recipe = every[place]
    # By the name, so that a new recipe leaves the calls of the others as they are.
    rng = np.random.default_rng([seed, zlib.crc32(recipe.name.encode()), turn])
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
