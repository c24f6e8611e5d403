"""`ScipyODE`: SciPy's ODE solvers, for independent checks and stiff networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import checks
from ..lagrangians.base import require
from ..progress import Progress
from ..synapses import Array
from .pieces import in_pieces
from .problem import (
    BLOW_UP,
    DIVERGED,
    INTERRUPTED,
    SETTLED,
    STALLED,
    TIME_LIMIT,
    Problem,
    Solution,
    recorded_times,
)  # fmt: skip
from .runaway import runaways

METHODS = ("RK45", "DOP853", "Radau", "BDF", "LSODA")
_RK45_STAGES = 6


@dataclass(frozen=True)
class ScipyODE:
    """A solver of `scipy.integrate`; the cues of a batch share its steps.

    Parameters
    ----------
    method : {"RK45", "DOP853", "Radau", "BDF", "LSODA"}
    rtol, atol : float, default 1e-8 and 1e-10
        SciPy's tolerances: error per step, relative to each unit's |x| and absolute.
    max_steps : int, default 100_000
        Steps after which cues that have not settled end with status "stalled". They are counted
        anew after each jump of an input.

    Examples
    --------
    >>> import amsim as am
    >>> net = am.dense_am([[1, 1, -1, -1]])
    >>> am.simulate(net, [1, 1, -1, 0], solver=am.ScipyODE("DOP853")).status
    'settled'
    """

    method: str = "RK45"
    rtol: float = 1e-8
    atol: float = 1e-10
    max_steps: int = 100_000

    def __post_init__(self) -> None:
        checks.choice("solver", self.method, METHODS, " (of SciPy), 'brian2', or a solver")
        require(self, "rtol", "atol")
        object.__setattr__(self, "max_steps", checks.count("ScipyODE: max_steps", self.max_steps))

    def solve(self, problem: Problem) -> Solution:
        """Solve for all cues of the batch as one system."""
        stops = problem.breakpoints
        if problem.unforeseen:
            # Steps end at output times, so that what a function does there is seen.
            stops = np.append(stops, problem.times)
        return in_pieces(problem, stops, self._solve_piece)

    def _solve_piece(self, problem: Problem) -> Solution:
        """Solve where no input is known to jump."""
        run = _Run(self, problem)
        progress = Progress(problem.t1, problem.batch, problem.deadline)
        try:
            while run.step():
                progress.update(run.stepper.t, int(np.sum(run.codes == INTERRUPTED)))
        except KeyboardInterrupt:
            pass  # reported as a status: what was reached is not lost
        finally:
            progress.close()
        solution = run.solution()
        if runaways(problem, solution).any():  # whose steps the others share
            run.end(DIVERGED)
        return solution


class _Run:
    """One run; `codes` says INTERRUPTED until a cue has ended otherwise."""

    def __init__(self, solver: ScipyODE, problem: Problem) -> None:
        import scipy.integrate

        self.solver, self.problem = solver, problem
        initial = problem.network.pack(problem.initial)
        self.shape, self.initial = initial.shape, initial
        self.fixed = problem.clamped_units()
        self.asking = False  # the network for a force
        self.limit = BLOW_UP * (1.0 + float(np.abs(initial).max()))
        longest = problem.max_step if problem.unforeseen else np.inf
        kind: Any = getattr(scipy.integrate, solver.method)
        with np.errstate(all="ignore"):
            self.stepper = kind(
                self.velocity, 0.0, initial.ravel(), problem.t1, rtol=solver.rtol,
                atol=solver.atol, max_step=longest,
            )  # fmt: skip
        self.outputs = [initial] * int(np.searchsorted(problem.times, 0.0, side="right"))
        self.codes = np.full(problem.batch, INTERRUPTED)
        self.ends, self.accepted = np.zeros(problem.batch), 0
        self.quiet_since = np.full(problem.batch, np.nan)
        self.reached = 0.0
        self.x = initial

    def velocity(self, time: float, flat: Array) -> Array:
        """dx/dt of the flattened batch."""
        self.asking = True
        force = self.problem.force(time, flat.reshape(self.shape))
        self.asking = False
        return (force / self.problem.tau).ravel()

    def step(self) -> bool:
        """One step of the whole batch; whether there is another."""
        problem, stepper = self.problem, self.stepper
        try:
            with np.errstate(all="ignore"):
                stepper.step()
        except ValueError:
            if self.asking:  # of an input that is a function of the user's
                raise
            return self.end(DIVERGED)  # SciPy's linear algebra refuses what is not finite
        if not np.abs(stepper.y).max() < self.limit:
            return self.end(DIVERGED)
        if stepper.status == "failed":
            return self.end(STALLED)
        self.accepted += 1
        self.x = self.hold(stepper.y)
        self.record()
        self.ends[:] = self.reached = stepper.t
        if problem.tolerance and stepper.t >= problem.settles_from:
            residual = np.abs(problem.force(stepper.t, self.x)).max(axis=1)
            quiet = residual <= problem.tolerance
            # The batch goes on together: a cue may leave a saddle where it seemed to rest.
            self.quiet_since = np.where(quiet, np.fmin(self.quiet_since, stepper.t), np.nan)
            if quiet.all():
                return self.end(SETTLED)
        if stepper.status == "finished":
            return self.end(TIME_LIMIT)
        if self.accepted == self.solver.max_steps:
            return self.end(STALLED)
        return True

    def hold(self, flat: Array) -> Array:
        """States (B, N); the linear algebra of implicit methods moves clamped units by rounding."""
        return np.where(self.fixed, self.initial, flat.reshape(self.shape))

    def end(self, code: int) -> bool:
        """Stop the batch: cues at rest have settled, the others get the code. Returns False."""
        quiet = ~np.isnan(self.quiet_since)
        self.codes[:] = np.where(quiet, SETTLED, code)
        self.ends[quiet] = self.quiet_since[quiet]
        return False

    def record(self) -> None:
        """Interpolate the output times within the last step."""
        times, stepper = self.problem.times, self.stepper
        stop = int(np.searchsorted(times, stepper.t, side="right"))
        if stop > len(self.outputs):
            with np.errstate(all="ignore"):  # it asks for velocities again
                dense = stepper.dense_output()
            for time in times[len(self.outputs) : stop]:
                self.outputs.append(self.hold(dense(time)))

    def solution(self) -> Solution:
        """Assemble the record; after the end every row holds the last state."""
        problem = self.problem
        finished = bool((self.codes <= TIME_LIMIT).all())
        last = self.reached
        times = recorded_times(problem.times, problem.explicit, finished, last)
        rows = [*self.outputs[: len(times)], *[self.x] * (len(times) - len(self.outputs))]
        if times[-1] >= last:
            rows[-1] = self.x
        evaluations, rejected = self.stepper.nfev, None
        if self.solver.method == "RK45":  # two evaluations at the start, then six per attempt
            rejected = (evaluations - 2) // _RK45_STAGES - self.accepted
        return Solution(
            times=times,
            record=problem.reader(times, np.array(rows)),
            final=problem.reader(np.array([last]), self.x[None]),
            codes=self.codes,
            ends=self.ends,
            rhs=np.full(problem.batch, evaluations, np.int64),
            accepted=self.accepted,
            rejected=rejected,
        )
