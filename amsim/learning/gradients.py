"""`gradient`: the derivative of a loss on the settled state by the parameters of a network."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks
from ..checks import Seed
from ..dynamics import ExponentialIntegrator, FixedPoint, GradientDescent, ScipyODE, Settled
from ..dynamics.build_problem import build_problem
from ..dynamics.inputs import Drive
from ..dynamics.problem import Problem
from ..errors import SettlingWarning
from ..network import Network, directed_in_words
from ..parameters import Tree, beta_slope
from ..synapses import Array
from .adjoint import Adjoint, States
from .losses import Loss
from .phases import Phase, Runner, chosen, worst
from .result import LossGradient
from .unrolled import unroll

METHODS = ("implicit", "equilibrium_propagation", "contrastive", "unrolled")
_SETTLED = Settled(1e-9)
_SOLVED = 1e-11
# Of the residual: above this, relative, the system counts as unsolved.
_UNSOLVED = 1e-6
_FLAT = 1e-12


def gradient(
    net: Network,
    cue: ArrayLike | Mapping[str, ArrayLike],
    loss: Loss,
    *,
    clamp: Mapping[str, ArrayLike] | ArrayLike | None = None,
    inputs: Mapping[str, ArrayLike] | ArrayLike | None = None,
    method: str = "implicit",
    nudge: float | None = None,
    centred: bool = True,
    solver: Any = None,
    until: Settled | None = _SETTLED,
    t1: float | None = None,
    seed: Seed = 0,
) -> LossGradient:
    """The derivative of a loss on what a recall ends with, by all parameters.

    Parameters
    ----------
    net : Network
    cue : array_like (*batch, *shape) or mapping of layer names to such
        As for `simulate`.
    loss : SquaredError, CrossEntropy, or an object with `value` and `gradient` of the states
        Of the states x, not of the activations. An object of yours gets states (*batch, *shape) of
        all layers by name; `gradient` returns the derivatives by the layers that it reads.
    clamp : mapping of layer names to boolean masks or integer indices, optional
        Units that keep the value of the cue.
    inputs : mapping of layer names to array_like, optional
        Constant inputs, added to the biases.
    method : str, default "implicit"
        "implicit": the derivative at the fixed point, by a linear system that is solved without
        forming it. "equilibrium_propagation": the difference of the energy's derivatives between
        two nudged phases. "contrastive": that between a phase with the targets of a `SquaredError`
        clamped and a free one, which is the derivative of another loss, the difference of both
        energies. "unrolled": backpropagation through all updates of a `FixedPoint` or all steps of
        a `GradientDescent`, or, by the adjoint equation, along a trajectory up to t1, which has
        derivatives by tau, too; none of them need have come to rest.
    nudge : float, default 0.1 with "equilibrium_propagation"
        The input -nudge dL/dg is added in one phase and subtracted in the other; dL/dg is that at
        the free rest. The bias falls as nudge^2.
    centred : bool, default True
        False compares one nudged phase with the free one; the bias then falls as nudge.
    solver : optional
        What runs all phases: any solver of `simulate`, also `EventDriven` with a timing, or
        `hardware.Integers()`. "unrolled" needs `FixedPoint(k)`, `GradientDescent(step, k)`, or t1
        and an ODE solver.
    until, t1, seed : optional
        As for `simulate`; settled means 1e-9 here. All phases have the same seed, so that links
        have one delay each. Nothing else is random.

    Returns
    -------
    LossGradient
        Sums over the cues that settled in every phase; `statuses` tells what became of each.

    Raises
    ------
    ValueError, TypeError
        If an argument does not fit; if a directed synapse leaves no energy to compare; if a nudge
        cannot act, since the derivative of an output by its state is 0 there.

    Warns
    -----
    SettlingWarning
        If cues are left out, since they diverged or did not settle.

    References
    ----------
    Scellier & Bengio 2017, "Equilibrium propagation", Frontiers 11; Laborieux et al. 2021 (centred
    nudges), Frontiers 15; Bai, Kolter & Koltun 2019, "Deep equilibrium models"; Movellan 1991,
    "Contrastive Hebbian learning".

    Examples
    --------
    >>> import numpy as np
    >>> import amsim as am
    >>> net = am.dense_am(am.patterns.random(3, 8, seed=0), hidden=am.Softmax(beta=0.5))
    >>> cue, clamp = am.patterns.random(1, 8, seed=1), np.arange(8) < 6
    >>> loss = am.learning.SquaredError("visible", [[1.0, -1.0]], units=slice(6, 8))
    >>> exact = am.learning.gradient(net, cue, loss, clamp=clamp)
    >>> exact.status, exact.parameters["hidden-visible"]["weights"].shape
    ('settled', (3, 8))
    >>> nudged = am.learning.gradient(
    ...     net, cue, loss, clamp=clamp, method="equilibrium_propagation", nudge=0.01
    ... )
    >>> first, second = (x.parameters["hidden-visible"]["weights"] for x in (exact, nudged))
    >>> bool(np.abs(first - second).max() < 1e-4 * np.abs(first).max())
    True
    """
    checks.instance("net", net, Network, "a Network")
    checks.choice("method", method, METHODS)
    nudge = _nudge(method, nudge)
    centred = checks.flag("centred", centred)
    _check_loss(loss)
    _check_energy(net, method)
    problem, batch = build_problem(
        net, cue, clamp=clamp, inputs=inputs, until=until, t1=t1, seed=seed
    )
    constant = {name: x for name, x in problem.inputs.items() if not isinstance(x, Drive)}
    if len(constant) < len(problem.inputs):
        raise ValueError("inputs must be constant: a state that is driven does not settle")
    bound = _Bound(net, loss, batch)
    if method == "unrolled":
        return _unrolled(problem, constant, bound, solver, t1, batch)
    run = Runner(net, problem.clamped, constant, solver, until, t1, problem.seed)
    free = run.run(problem.given)
    if method == "implicit":
        return _implicit(free, bound, batch)
    if method == "contrastive":
        return _contrastive(run, free, bound, loss, batch)
    return _nudged(run, free, bound, nudge, centred, batch)


class _Bound:
    """A loss for one batch of cues, in flattened axes."""

    def __init__(self, net: Network, loss: Any, batch: tuple[int, ...]) -> None:
        self.net, self.batch = net, batch
        self.own = hasattr(loss, "for_network")
        self.loss = loss.for_network(net, batch) if self.own else loss

    def _shaped(self, states: States) -> dict[str, Array]:
        """States as the loss takes them."""
        shapes = {n: ((-1,) if self.own else layer.shape) for n, layer in self.net.layers.items()}
        axes = (int(np.prod(self.batch)),) if self.own else self.batch
        return {n: x.reshape(*axes, *shapes[n]) for n, x in states.items()}

    def values(self, states: States) -> Array:
        """Of each cue, (B,); where the loss has one number for all, it is shared out."""
        with np.errstate(over="ignore", invalid="ignore"):
            found = np.asarray(self.loss.value(self._shaped(states)), np.float64)
        count = int(np.prod(self.batch))
        if found.shape not in {self.batch, (), (count,)}:
            raise ValueError(
                f"loss.value returned shape {found.shape}; it must be {self.batch}, a number for "
                f"each cue, or one number"
            )
        return found.reshape(-1) if found.ndim or count == 1 else np.full(count, found / count)

    def slopes(self, states: States, cues: NDArray[Any]) -> dict[str, Array]:
        """dL/dx by layer, (B, *shape); that of some cues, which did not diverge, is finite."""
        given = self._shaped(states)
        found = self.loss.gradient(given)
        checks.instance("loss.gradient(states)", found, Mapping, "a mapping of layers to arrays")
        out = {}
        for name, value in found.items():
            if name not in self.net.layers:
                raise ValueError(f"loss.gradient names a layer {name!r}, which is not there")
            array = checks.array(f"loss.gradient of layer {name!r}", value, finite=False)
            if array.shape != given[name].shape:
                raise ValueError(
                    f"loss.gradient of layer {name!r} has shape {array.shape}, its states "
                    f"{given[name].shape}"
                )
            out[name] = array.reshape(states[name].shape)
            _check_finite(f"loss.gradient of layer {name!r}", out[name][cues])
        return out


def _implicit(free: Phase, bound: _Bound, batch: tuple[int, ...]) -> LossGradient:
    net, count = free.network, len(free.statuses)
    part = free.select(free.settled)
    residuals, statuses = np.full(count, np.nan), free.statuses.copy()
    tree, back = zeros(net), {n: np.zeros((count, *x.shape)) for n, x in net.layers.items()}
    if free.settled.any():
        system = Adjoint(net, part.states, part.clamp)
        slopes = chosen(bound.slopes(free.states, free.settled), free.settled)
        found, left = system.solve(slopes, _SOLVED)
        residuals[free.settled] = left
        solved = left <= _UNSOLVED
        places = np.flatnonzero(free.settled)
        statuses[places[~solved]] = "unsolved"
        if solved.any():
            system = Adjoint(net, chosen(part.states, solved), chosen(part.clamp, solved))
            found = chosen(found, solved)
            tree = force_gradient(system, found)
            for name, layer in net.layers.items():
                back[name][places[solved]] = layer.leak * found[name]
    return _result(free, bound, tree, statuses, residuals, batch, "implicit", back)


def force_gradient(system: Adjoint, u: Mapping[str, Array]) -> Tree:
    """Derivative of the sum of u . force by all parameters, at held states; summed over cues."""
    net, out = system.network, zeros(system.network)
    pulled = system.pull_back(u)
    for name, layer in net.layers.items():
        if layer.leak:
            out[name]["bias"] = layer.leak * u[name].sum(axis=0)
        if layer.lagrangian.tempered and name in pulled:
            slope = beta_slope(layer.lagrangian, system.states[name])
            out[name]["beta"] = np.asarray(np.sum(pulled[name] * slope))
    for synapse in net.synapses:
        active = [system.activations[name] for name in synapse.between]
        out[synapse.name] = synapse.force_gradient(active, [u[name] for name in synapse.between])
    return out


def zeros(net: Network) -> Tree:
    """A gradient of 0: no loss on a rest depends on tau."""
    return {
        name: {key: np.zeros(x.shape) for key, x in part.items() if key != "tau"}
        for name, part in net.parameters().items()
    }


def _nudged(
    run: Runner, free: Phase, bound: _Bound, nudge: float, centred: bool, batch: tuple[int, ...]
) -> LossGradient:
    """Both nudged phases start at the free rest."""
    forces = _forces(free, bound)
    start = {name: free.states[name] for name in free.network.dynamic}
    up = run.run(start, {name: -nudge * c for name, c in forces.items()})
    down = run.run(start, {name: nudge * c for name, c in forces.items()}) if centred else free
    tree = _difference(up, down, run.inputs, (2 if centred else 1) * nudge)
    return _compared(free, (up, down), bound, tree, batch, "equilibrium_propagation")


def _contrastive(
    run: Runner, free: Phase, bound: _Bound, loss: Any, batch: tuple[int, ...]
) -> LossGradient:
    if not hasattr(loss, "clamped"):
        raise ValueError(
            f"method='contrastive' clamps targets, which {type(loss).__name__} does not have: take "
            f"SquaredError, or another method"
        )
    name = loss.layer
    layer, count = free.network.layers[name], len(free.statuses)
    if layer.algebraic:
        raise ValueError(
            f"method='contrastive' clamps units of layer {name!r}, which has tau = 0: give it tau "
            f"> 0, or take another method"
        )
    flat = {name: free.states[name].reshape(count, -1)}
    targets, mask = (x.reshape(-1, *layer.shape) for x in bound.loss.clamped(flat))
    held = {**run.clamp, name: mask | run.clamp[name] if name in run.clamp else mask}
    start = {n: free.states[n] for n in free.network.dynamic}
    taught = run.run({**start, name: targets}, clamp=held)
    tree = _difference(taught, free, run.inputs, 1.0)
    return _compared(free, (taught,), bound, tree, batch, "contrastive")


def _forces(free: Phase, bound: _Bound) -> dict[str, Array]:
    """What is added to inputs for a nudge of 1: dL/dg / leak, with dL/dg = H^-1 dL/dx."""
    found = {}
    for name, slope in bound.slopes(free.states, free.settled).items():
        layer = free.network.layers[name]
        if layer.leak == 0:
            raise ValueError(
                f"equilibrium_propagation: layer {name!r} has no leak, and no input reaches it; "
                f"take method='implicit' or 'unrolled'"
            )
        if not layer.lagrangian.separable:
            raise ValueError(
                f"equilibrium_propagation: {type(layer.lagrangian).__name__} of layer {name!r} "
                f"does not see all changes of its states, so that no nudge pulls them to a target; "
                f"read the loss from another layer, or take method='implicit'"
            )
        if name in free.clamp:
            slope = np.where(free.clamp[name], 0.0, slope)
        gain = layer.lagrangian.hessian_product(free.states[name], np.ones_like(slope))
        flat = (np.abs(gain) <= _FLAT) & (slope != 0) & np.isfinite(free.states[name])
        if flat[free.settled].any():
            raise ValueError(
                f"equilibrium_propagation: outputs of layer {name!r} are flat where the loss is "
                f"read, and no nudge can act; take method='implicit', or other units"
            )
        safe = np.where(np.abs(gain) > _FLAT, gain, 1.0)
        nudged = np.where(slope != 0, slope / safe / layer.leak, 0.0)
        found[name] = np.where(np.isfinite(nudged), nudged, 0.0)
    return found


def _difference(one: Phase, other: Phase, inputs: States, size: float) -> Tree:
    """Derivatives of the energy by the parameters in one phase, less those in another, over size.

    The energy is that without nudges, in both.
    """
    both = one.settled & other.settled
    if not both.any():
        return zeros(one.network)
    given = chosen(inputs, both)
    first, second = (
        one.network.unchecked_parameter_gradient(chosen(x.states, both), given)
        for x in (one, other)
    )
    return {
        name: {key: (value - second[name][key]) / size for key, value in part.items()}
        for name, part in first.items()
    }


def _compared(
    free: Phase, phases: tuple[Phase, ...], bound: _Bound, tree: Tree, batch: tuple[int, ...],
    method: str,
) -> LossGradient:  # fmt: skip
    every = (free, *phases)
    statuses = worst(*(phase.statuses for phase in every))
    residuals = np.max([phase.residuals for phase in every], axis=0)
    return _result(free, bound, tree, statuses, residuals, batch, method, {})


def _unrolled(
    problem: Problem, constant: States, bound: _Bound, solver: Any, t1: float | None,
    batch: tuple[int, ...],
) -> LossGradient:  # fmt: skip
    updates = isinstance(solver, FixedPoint | GradientDescent)
    flows = solver is None or isinstance(solver, ExponentialIntegrator | ScipyODE | str)
    if updates == (t1 is not None) or not (updates or flows):
        raise ValueError(
            "method='unrolled' goes back through updates, solver=FixedPoint(k) or "
            "GradientDescent(step, k) without t1, or along the trajectory of an ODE solver to t1: "
            "pass one of them"
        )
    kept, every = np.arange(problem.batch), np.arange(problem.batch)

    def slopes(states: States) -> dict[str, Array]:
        """Those of the cues that are kept; any other stands for one that is not."""
        rows = np.searchsorted(kept, every).clip(max=len(kept) - 1)
        found = bound.slopes({name: x[rows] for name, x in states.items()}, kept)
        return {name: x[kept] for name, x in found.items()}

    with np.errstate(over="ignore", invalid="ignore"):
        states, tree, statuses = unroll(problem, solver, slopes, t1)
        ended = statuses
        while (ended != "stopped").any():
            kept = kept[ended == "stopped"]
            if not len(kept):
                tree = zeros(problem.network)
                break
            _, tree, ended = unroll(problem.select(kept), solver, slopes, t1)
            statuses[kept] = ended
    free = Phase(problem.network, states, statuses, constant, problem.clamped)
    residuals = free.residuals
    return _result(free, bound, tree, statuses, residuals, batch, "unrolled", {})


def _result(
    free: Phase, bound: _Bound, tree: Tree, statuses: NDArray[np.str_], residuals: Array,
    batch: tuple[int, ...], method: str, inputs: Mapping[str, Array],
) -> LossGradient:  # fmt: skip
    used = np.asarray((statuses == "settled") | (statuses == "stopped"))
    losses = bound.values(free.states)
    _check_finite("loss.value", losses[used])
    message = _message(statuses, used)
    if not used.all():
        warnings.warn(message, SettlingWarning, stacklevel=4)
    shapes = {name: layer.shape for name, layer in free.network.layers.items()}
    return LossGradient(
        parameters=tree,
        loss=float(losses[used].sum()),
        losses=losses.reshape(batch),
        used=used.reshape(batch),
        statuses=statuses.reshape(batch),
        residuals=residuals.reshape(batch),
        states={n: free.states[n].reshape(*batch, *shape) for n, shape in shapes.items()},
        inputs={n: x.reshape(*batch, *shapes[n]) for n, x in inputs.items()},
        message=message,
        method=method,
    )


def _check_finite(what: str, values: Array) -> None:
    if not np.isfinite(values).all():
        raise ValueError(
            f"{what} is NaN or infinite for cues that did not diverge: look at the loss, and at "
            f"the size of states"
        )


def _message(statuses: NDArray[np.str_], used: NDArray[np.bool_]) -> str:
    count = len(used)
    if used.all():
        return f"{count} of {count} cues are in the gradient"
    words = {
        "unsolved": "the linear system has no clear solution, as near a bifurcation",
        "diverged": "states grew without limit: bound a layer, or take a smaller nudge",
        "time_limit": "more time (t1=), or a looser until=",
        "step_limit": "the integers still changed: more steps, or a coarser quantum",
    }
    left = ", ".join(
        f"{(statuses == each).sum()} {each} ({words[each]})" if each in words else
        f"{(statuses == each).sum()} {each}"
        for each in dict.fromkeys(statuses[~used].tolist())
    )  # fmt: skip
    return f"{used.sum()} of {count} cues are in the gradient and the loss; left out: {left}"


def _nudge(method: str, nudge: float | None) -> float:
    if method != "equilibrium_propagation":
        if nudge is not None:
            raise ValueError(
                f"nudge is for method='equilibrium_propagation'; leave it out with {method!r}"
            )
        return 0.0
    return 0.1 if nudge is None else checks.number("nudge", nudge, above=0.0, at_most=1e6)


def _check_loss(loss: Any) -> None:
    if isinstance(loss, type) or not all(callable(getattr(loss, n, None)) for n in
                                         ("value", "gradient")):  # fmt: skip
        raise TypeError(
            f"loss must be SquaredError(...), CrossEntropy(...) or an object with value(states) "
            f"and gradient(states), got {checks.shown(loss)}"
        )


def _check_energy(net: Network, method: str) -> None:
    if net.directed and method in ("equilibrium_propagation", "contrastive"):
        raise ValueError(
            f"{directed_in_words(net.directed)}, and there is no energy whose derivatives method="
            f"{method!r} could compare: take method='implicit' or 'unrolled'"
        )
