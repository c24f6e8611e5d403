"""How far the integers are from the differential equation, and why."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amsim import Dense, GuaranteeWarning, Network, Settled, checks, simulate
from amsim.display import fields_repr

from .float_schedule import float_schedule
from .graphs.plan import GraphPlan
from .jobs import MOST_STEPS
from .plan import Plan, require_plan
from .planner import compile_two_layers
from .run import run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

Floats = NDArray[np.float64]
CAUSES = ("weights", "schedule", "state", "quantum")
# Shares of the largest feature: two states of the ODE are one attractor if they are closer than the
# first; integers further away than the second rest somewhere of their own.
_SAME, _NEAR = 1e-2, 0.5


@dataclass(frozen=True, eq=False)
class Comparison:
    """Errors of the features' final states, in the unit of the features.

    Each is the largest over the features of a cue, shape (*batch).

    Attributes
    ----------
    plan : Plan
    total : ndarray
        Integers against the ODE.
    rounded : ndarray
        Integers against the ODE with the plan's rounded weights.
    by_cause : dict of str to ndarray
        A chain from the ODE to the integers, so that `total` is at most the sum of its links:
        "weights" (the ODE with rounded weights against the ODE), "schedule" (time in periods, in
        floating point), "state" (integers), "quantum" (sending only changes of the quantum).
    same_basin : ndarray of bool
        Whether the ODE, started where the integers ended, goes where it went from the cue, and
        the integers are nearer to that than half of the largest feature.
    settled : ndarray of bool
        Whether ODE and integers had come to rest. Errors mean little for the others.
    verified_on_hardware : bool
        Always False.
    """

    plan: Plan
    total: Floats
    rounded: Floats
    by_cause: dict[str, Floats]
    same_basin: NDArray[np.bool_]
    settled: NDArray[np.bool_]
    verified_on_hardware: bool = False

    __repr__ = fields_repr

    @property
    def good(self) -> NDArray[np.bool_]:
        """Cues that settled in the same basin."""
        return self.same_basin & self.settled

    def report(self) -> str:
        """The numbers in words."""
        good = self.good
        lines = [
            f"{self.plan}",
            f"same basin           {self.same_basin.mean():8.3f} of {self.same_basin.size} cues",
            f"settled              {self.settled.mean():8.3f}",
            f"one weight step      {1 / self.plan.weight_scale:8.2g}",
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


def compare(plan: Plan | GraphPlan, cues: ArrayLike, *, steps: int | None = None) -> Comparison:
    """Recall cues by the ODE and by the integers, and say where they differ.

    Parameters
    ----------
    plan : Plan
    cues : array_like (*batch, D)
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
    plan = require_plan(plan, "hardware.compare")
    rounded = rounded_network(plan)
    steps = 10 * plan.steps if steps is None else checks.count("steps", steps, at_most=MOST_STEPS)
    integers = run(plan, cues, steps=steps)
    every = replace(plan, visible=replace(plan.visible, threshold=1))
    fine = integers if plan.visible.threshold == 1 else run(every, cues, steps=steps)
    ode, ode_settled = _ode(plan.network, cues)
    ode_rounded, rounded_settled = _ode(rounded, cues)
    scheduled = float_schedule(plan, cues, steps // plan.period - 1)
    again, _ = _ode(plan.network, integers.final["visible"])
    chain = (ode, ode_rounded, scheduled, fine.final["visible"], integers.final["visible"])
    links = {
        cause: _largest(b - a) for cause, a, b in zip(CAUSES, chain[:-1], chain[1:], strict=True)
    }
    total = _largest(chain[-1] - ode)
    size = max(float(np.abs(ode).max()), float(np.abs(cues).max()))
    at_rest = integers.settled
    assert at_rest is not None
    return Comparison(
        plan=plan,
        total=total,
        rounded=_largest(chain[-1] - ode_rounded),
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
    plans = (compile_two_layers(network, weight_bits=bits, **options) for bits in widths)
    return [compare(plan, cues) for plan in plans]


def rounded_network(plan: Plan) -> Network:
    """The network with the weights of the plan."""
    weights = plan.weights / plan.weight_scale
    return Network(plan.network.layers, [Dense(weights, between=("hidden", "visible"))])


def _ode(network: Network, cues: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    with warnings.catch_warnings():
        # What is lost is a property of the network, not of the comparison.
        warnings.simplefilter("ignore", GuaranteeWarning)
        trajectory = simulate(network, cues, until=Settled(1e-7))
    return trajectory.final["visible"], trajectory.statuses == "settled"


def _largest(difference: Floats) -> Floats:
    return np.asarray(np.abs(difference).max(axis=-1))
