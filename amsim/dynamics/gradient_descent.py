"""`GradientDescent`: recall by a number of equal steps down the energy, as it is published."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .. import checks
from ..synapses import Array
from .fixed_point import Iteration
from .precision import as_float32, in_float32
from .problem import Problem, Reader, Solution

_MOST_STEPS = 10**9


@dataclass(frozen=True)
class GradientDescent:
    """Equal steps against the gradient of the energy by the activations: x <- x - step dE/dg.

    The blocks of the Energy Transformer are 12 such steps (Hoover et al. 2023, arXiv:2302.07253).
    All layers with tau > 0 move at once, whatever their tau; those with tau = 0 follow.

    Parameters
    ----------
    step : float, default 0.1
    steps : int, default 12
        With until=None exactly this many are made.

    Notes
    -----
    `times` counts steps; the arguments t1 and times of `simulate` are not used. A cue settles when
    |dE/dg| is within the tolerance in all units after a step. Nothing controls the error: with a
    step of more than 2 over the largest curvature the energy need not fall, and what rests need not
    be what the differential equation ends at.

    With ``dtype="float32"`` and until=None all numbers are single precision while it descends, as
    they are in other libraries by default: in about half the time.

    Examples
    --------
    >>> import amsim as am
    >>> net = am.dense_am([[1, 1, -1, -1], [1, -1, 1, -1]], hidden=am.Softmax(1.0), tau_hidden=0.0)
    >>> traj = am.simulate(net, [1, 1, -1, 0], solver=am.GradientDescent(0.5, 3), until=None)
    >>> len(traj.times), traj.final["visible"].round(3).tolist()
    (4, [1.0, 0.966, -0.966, -0.875])
    """

    step: float = 0.1
    steps: int = 12

    def __post_init__(self) -> None:
        step = checks.number("GradientDescent: step", self.step, above=0.0, at_most=checks.LARGEST)
        steps = checks.count("GradientDescent: steps", self.steps, at_most=_MOST_STEPS)
        object.__setattr__(self, "step", step)
        object.__setattr__(self, "steps", steps)

    def solve(self, problem: Problem) -> Solution:
        """Descend from all cues of the batch; settled ones rest."""
        if problem.driven:
            raise ValueError(
                "GradientDescent: an input depends on time, and steps have none: give a constant "
                "one, such as its last value, or use an ODE solver"
            )
        if problem.t0:
            raise ValueError(
                "GradientDescent: steps have no time: leave t0 out, and pass the final of a "
                "trajectory"
            )
        solution = _Descent(problem, self.step).solve(self.steps)
        if problem.tolerance:
            solution.rhs += 1  # whether the last state rests
        return solution


class _Descent(Iteration):
    """Steps of the cues that run, and the force where they stand."""

    def __init__(self, problem: Problem, step: float) -> None:
        self.states, self.part, self.step = problem.network.pack(problem.initial), problem, step
        if problem.single:
            self.states, self.part = as_float32("cue", self.states), in_float32(problem)
        self.force: Array | None = None
        super().__init__(problem, self.states, record=True)

    def move(self) -> tuple[Array, Array]:
        force = self.part.force(0.0, self.states) if self.force is None else self.force
        if force.dtype != self.states.dtype:
            raise ValueError(
                "GradientDescent: dtype=float32 does not serve: a force of this network is of "
                "float64; leave dtype out"
            )
        change = self.step * force
        self.states, self.force = self.states + change, None
        return self.states, np.abs(change).max(axis=1)

    def at_rest(self, states: Array, change: Array) -> NDArray[np.bool_]:
        self.force = self.part.force(0.0, states)
        return np.asarray(np.abs(self.force).max(axis=1) <= self.problem.tolerance)

    def keep(self, going: NDArray[np.bool_]) -> None:
        self.states, self.part = self.states[going], self.part.select(np.flatnonzero(going))
        self.force = None if self.force is None else self.force[going]

    def reader(self, times: Array, rows: Array) -> Reader:
        return self.problem.reader(times, rows.astype(np.float64, copy=False))
