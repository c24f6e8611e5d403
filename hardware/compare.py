"""How far the integers are from the differential equation, and why."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amsim import Dense, Directed, GuaranteeWarning, Network, Settled, checks, simulate
from amsim.display import fields_html, fields_repr
from amsim.progress import whole_runs

from .float_schedule import float_schedule
from .graphs.plan import GraphPlan
from .jobs import MOST_STEPS
from .plan import AnyPlan, Plan, require_plan
from .planner import compile
from .run import run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

Floats = NDArray[np.float64]
# Shares of the largest feature: two states of the ODE are one attractor if they are closer than the
# first; integers further away than the second rest somewhere of their own.
_SAME, _NEAR = 1e-2, 0.5


@dataclass(frozen=True, eq=False)
class Comparison:
    """Errors of the features' final states, in the unit of the features.

    Each is the largest over the features of a cue, shape (*batch). Features of a `GraphPlan` are
    the units of the layers that a cue gives.

    Attributes
    ----------
    plan : Plan or GraphPlan
    total : ndarray
        Integers against the ODE.
    rounded : ndarray
        Integers against the ODE with the plan's rounded weights.
    by_cause : dict of str to ndarray
        A chain from the ODE to the integers, so that `total` is at most the sum of its links:
        "weights" (the ODE with rounded weights against the ODE), "schedule" (time in periods, in
        floating point), "state" (integers), "quantum" (sending only changes of the quantum). Of a
        `GraphPlan` "state" has what the schedule adds, too.
    same_basin : ndarray of bool
        Whether the ODE, started where the integers ended, goes where it went from the cue, and
        the integers are nearer to that than half of the largest feature.
    settled : ndarray of bool
        Whether ODE and integers had come to rest. Errors mean little for the others.
    verified_on_hardware : bool
        Always False.
    """

    plan: Plan | GraphPlan
    total: Floats
    rounded: Floats
    by_cause: dict[str, Floats]
    same_basin: NDArray[np.bool_]
    settled: NDArray[np.bool_]
    verified_on_hardware: bool = False

    __repr__ = fields_repr
    _repr_html_ = fields_html

    @property
    def good(self) -> NDArray[np.bool_]:
        """Cues that settled in the same basin."""
        return self.same_basin & self.settled

    @property
    def weight_step(self) -> float:
        """The largest weight that an integer stands for."""
        plan = self.plan
        scales = [plan] if isinstance(plan, Plan) else plan.projections
        return max(1 / each.weight_scale for each in scales)

    def report(self) -> str:
        """The numbers in words."""
        good = self.good
        lines = [
            f"{self.plan}",
            f"same basin           {self.same_basin.mean():8.3f} of {self.same_basin.size} cues",
            f"settled              {self.settled.mean():8.3f}",
            f"one weight step      {self.weight_step:8.2g}",
            f"{'':20} {'median':>8} {'worst':>8}   settled cues of the same basin",
        ]
        rows = {"error": self.total, "with rounded weights": self.rounded, **self.by_cause}
        for name, error in rows.items():
            chosen = error[good]
            median, worst = (np.median(chosen), chosen.max()) if chosen.size else (np.nan, np.nan)
            lines.append(f"{name:20} {median:8.2g} {worst:8.2g}")
        return "\n".join([*lines, "verified_on_hardware: false"])

    def plot(self, ax: Axes | None = None) -> FigureBase:
        """Errors by cause, one point a cue; in a new figure, or in `ax`."""
        from .figures import causes

        return causes(self, ax)


def compare(
    plan: Plan | GraphPlan,
    cues: Mapping[str, ArrayLike] | ArrayLike,
    *,
    steps: int | None = None,
) -> Comparison:
    """Recall cues by the ODE and by the integers, and say where they differ.

    Parameters
    ----------
    plan : Plan or GraphPlan
    cues : array_like (*batch, D), or mapping of layer names to them
        As of `run`.
    steps : int, optional
        Largest number of steps; 10 times `plan.steps` by default, since errors are those of
        recalls at rest. The emulator stops where nothing changes any more.

    Returns
    -------
    Comparison

    Examples
    --------
    >>> import amsim as am
    >>> import hardware as hw
    >>> patterns = am.patterns.random(5, 64, seed=0)
    >>> plan = hw.compile(am.dense_am(patterns))
    >>> comparison = hw.compare(plan, am.patterns.corrupt(patterns, flip=0.2, seed=1))
    >>> bool(comparison.same_basin.all()), bool(comparison.total.max() < 1e-3)
    (True, True)
    """
    if not isinstance(plan, AnyPlan):
        require_plan(plan, "hardware.compare")
    steps = 10 * plan.steps if steps is None else checks.count("steps", steps, at_most=MOST_STEPS)
    integers = run(plan, cues, steps=steps)
    ode, ode_settled = _ode(plan, plan.network, cues)
    ode_rounded, rounded_settled = _ode(plan, rounded_network(plan), cues)
    again, _ = _ode(plan, plan.network, {name: integers.final[name] for name in plan.cued})
    chain = {"": ode, "weights": ode_rounded}
    if isinstance(plan, Plan):
        assert not isinstance(cues, Mapping)  # which `run` refuses
        chain["schedule"] = float_schedule(plan, cues, steps // plan.period - 1)
    every = _announcing_all(plan)
    fine = integers if every == plan else run(every, cues, steps=steps)
    last = _features(plan, integers.final)
    chain |= {"state": _features(plan, fine.final), "quantum": last}
    links = {name: _largest(b - a) for (_, a), (name, b) in pairwise(chain.items())}
    total = _largest(last - ode)
    given = cues.values() if isinstance(cues, Mapping) else (cues,)
    size = max(float(np.abs(x).max()) for x in (ode, *given))
    at_rest = integers.settled
    assert at_rest is not None
    return Comparison(
        plan=plan,
        total=total,
        rounded=_largest(last - ode_rounded),
        by_cause=links,
        same_basin=(_largest(again - ode) <= _SAME * size) & (total <= _NEAR * size),
        settled=ode_settled & rounded_settled & (at_rest >= 0),
    )


def compare_bit_widths(
    network: Network, cues: ArrayLike, widths: Iterable[int] = range(2, 9), **options: Any
) -> list[Comparison]:
    """`compare` for plans with several weight_bits; `options` are those of `compile`.

    `hardware.figures.bit_widths` draws the result.
    """
    checks.instance("widths", widths, Iterable, "a list of weight_bits")
    plans = (compile(network, weight_bits=bits, **options) for bits in widths)
    return [compare(plan, cues) for plan in plans]


def rounded_network(plan: Plan | GraphPlan) -> Network:
    """The network with the weights of the plan."""
    if isinstance(plan, Plan):
        weights = plan.weights / plan.weight_scale
        return Network(plan.network.layers, [Dense(weights, between=("hidden", "visible"))])
    found: list[Dense | Directed] = []
    for place, synapse in enumerate(plan.network.synapses):
        one = next(each for each in plan.projections if each.synapse == place)
        weights = one.weights / one.weight_scale
        ends = one.target, one.source
        found.append(
            Directed(weights, source=one.source, target=one.target, name=synapse.name)
            if isinstance(synapse, Directed)
            else Dense(weights, between=ends, name=synapse.name)
        )
    return Network(plan.network.layers, found)


def _announcing_all(plan: Plan | GraphPlan) -> Plan | GraphPlan:
    """The plan in which every change of an output is sent."""
    if isinstance(plan, Plan):
        return replace(plan, visible=replace(plan.visible, threshold=1))
    return plan.changed(**{name: replace(u, threshold=1) for name, u in plan.layers.items()})


def _ode(
    plan: Plan | GraphPlan, network: Network, cues: Mapping[str, ArrayLike] | ArrayLike
) -> tuple[Floats, NDArray[np.bool_]]:
    """Where cues end, and whether they settled."""
    states = cues if isinstance(cues, Mapping) else {plan.cued[0]: cues}
    with warnings.catch_warnings(), whole_runs():
        # What is lost is a property of the network, not of the comparison.
        warnings.simplefilter("ignore", GuaranteeWarning)
        trajectory = simulate(network, states, until=Settled(1e-7))
    return _features(plan, trajectory.final), trajectory.statuses == "settled"


def _features(plan: Plan | GraphPlan, states: Mapping[str, Floats]) -> Floats:
    """What is compared: the states of the cued layers, (*batch, D)."""
    return np.concatenate([states[name] for name in plan.cued], axis=-1)


def _largest(difference: Floats) -> Floats:
    return np.asarray(np.abs(difference).max(axis=-1))
