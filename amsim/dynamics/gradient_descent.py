"""`GradientDescent`: recall by a number of equal steps down the energy, as it is published."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import checks
from ..progress import Progress
from .problem import BLOW_UP, DIVERGED, INTERRUPTED, SETTLED, TIME_LIMIT, Problem, Solution

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
    `times` counts steps; the arguments t1 and times of `simulate` are not used. Nothing controls
    the error: with a step of more than 2 over the largest curvature the energy need not fall, and
    what rests need not be what the differential equation ends at.

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
        x = problem.network.pack(problem.initial)
        limit = BLOW_UP * (1.0 + np.abs(x).max())
        codes = np.full(problem.batch, INTERRUPTED)
        counts, rhs = np.zeros((2, problem.batch), np.int64)
        rows, running, part = [x], np.arange(problem.batch), problem
        progress = Progress(self.steps, problem.batch, problem.deadline)
        try:
            for step in range(self.steps + 1):
                last = step == self.steps
                if not len(running) or (last and not problem.tolerance):
                    break
                force = part.force(0.0, x[running])
                rhs[running] += 1
                if problem.tolerance:
                    codes[running[np.abs(force).max(axis=1) <= problem.tolerance]] = SETTLED
                going = codes[running] == INTERRUPTED
                running, force = running[going], force[going]
                if last or not len(running):
                    break
                with np.errstate(over="ignore", invalid="ignore"):
                    moved = x[running] + self.step * force
                    bounded = np.abs(moved).max(axis=1) <= limit
                codes[running[~bounded]] = DIVERGED
                running, moved = running[bounded], moved[bounded]
                x = x.copy()
                x[running] = moved
                counts[running] = step + 1
                rows.append(x)
                part = problem.select(running)
                progress.update(step + 1, len(running))
            codes[codes == INTERRUPTED] = TIME_LIMIT
        except KeyboardInterrupt:
            pass  # reported as a status: what was reached is not lost
        finally:
            progress.close()
        times = np.arange(len(rows), dtype=np.float64)
        return Solution(
            times=times,
            record=problem.reader(times, np.array(rows)),
            final=problem.reader(times[-1:], rows[-1][None]),
            codes=codes,
            ends=counts.astype(np.float64),
            rhs=rhs,
            accepted=int(counts.sum()),
            rejected=0,
            updates=True,
        )
