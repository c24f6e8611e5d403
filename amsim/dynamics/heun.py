"""`ExponentialHeun`: steps of one length, with noise in the state."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from .. import checks
from ..synapses import Array
from .pieces import in_pieces
from .problem import Problem, Solution

# The default step, in units of the smallest tau.
_STEP = 0.1
# Steps of a run at most: hours for the smallest network.
_MOST_STEPS = 1e9


@dataclass(frozen=True)
class ExponentialHeun:
    """Exponential Heun steps of one length: the solver of runs with noise.

    Parameters
    ----------
    step : float, optional
        Length of a step, in the unit of tau; by default a tenth of the smallest tau or, if that is
        smaller, of the correlation time of the noise. These are also the longest step.

    Notes
    -----
    Steps begin at the multiples of `step`, at t0 and where inputs jump. The decay and the noise
    that it smooths are exact, white or coloured: a unit without synapses has the right variance and
    autocorrelation for any step. What other units exert has errors of order 2 in `step`, in means
    and variances as well (weak order 2); a single path has the order 1. A step costs two right-hand
    sides.

    Random numbers belong to a moment, a unit and the place of a cue in the batch: a path does not
    depend on `times`, on the other cues, or on whether a run ended and went on at a multiple of
    `step`. Between the ends of steps states are drawn as the noise would have gone there (white),
    or read from a cubic (coloured). Another step is another path.

    It takes no `until`: it does not look for rest.

    Examples
    --------
    >>> import amsim as am
    >>> net = am.dense_am(am.patterns.random(3, 16, seed=0))
    >>> traj = am.simulate(net, [0.0] * 16, noise=0.1, t1=5.0, solver=am.ExponentialHeun(0.02))
    >>> traj.status, traj.stats["accepted"]
    ('time_limit', 250)
    """

    step: float | None = None
    takes_noise: ClassVar = True

    def __post_init__(self) -> None:
        if self.step is not None:
            step = checks.number("ExponentialHeun: step", self.step, at_least=checks.SMALLEST)
            object.__setattr__(self, "step", step)

    def solve(self, problem: Problem) -> Solution:
        """Solve for all cues of the batch."""
        if problem.tolerance:
            raise ValueError(
                "ExponentialHeun: steps of one length do not look for rest: pass until=None, or "
                "another solver"
            )
        # Imported here: numba takes longer to load than the rest of amsim together.
        from .heun_runs import solve_all

        step = self.length(problem)
        carried: dict[int, Array] = {}  # coloured noise of each cue, from piece to piece
        return in_pieces(problem, problem.breakpoints, partial(solve_all, step, carried))

    def length(self, problem: Problem) -> float:
        """Of the steps of a problem."""
        times = {"tau": float(problem.tau.min())}
        if problem.noise is not None and problem.noise.correlation:
            times["correlation time of the noise"] = problem.noise.correlation
        what, smallest = min(times.items(), key=lambda item: item[1])
        step = _STEP * smallest if self.step is None else self.step
        if step > smallest:
            raise ValueError(
                f"ExponentialHeun: step must be at most the smallest {what}, {smallest:g}, got "
                f"{step:g}"
            )
        if problem.unforeseen:
            step = min(step, problem.max_step)
        if not problem.t1 / step <= _MOST_STEPS:
            raise ValueError(
                f"ExponentialHeun: {problem.t1:g} / {step:g} are more than {_MOST_STEPS:g} steps: "
                f"take a smaller t1 or a longer step"
            )
        return step
