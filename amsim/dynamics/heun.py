"""`ExponentialAdams` and `ExponentialHeun`: steps with noise in the state."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .. import checks
from ..lagrangians import Sign
from ..network import Layer
from ..synapses import Array
from .pieces import in_pieces
from .problem import Problem, Solution

if TYPE_CHECKING:
    from .heun_runs import Steps

# Steps of a run at most: hours for the smallest network.
_MOST_STEPS = 1e9
# Default steps of Heun, in units of the smallest tau.
_STEP = 0.1
# Default steps of Adams, in units of the smallest and of the largest tau, where units exert little
# on each other; and the share by which they are shorter for a coupling of strength 1.
_OF_SMALLEST, _OF_LARGEST, _SHORTER = 0.5, 0.25, 0.75
# Power iterations for the strength of coupling, and those of them that are taken.
_ITERATIONS, _TAKEN = 12, 8
_SMALL = 1e-6  # a difference of states
# What the bend of the drive may move units by, relative to the noise, without a warning.
_MOST_BENT = 0.1


@dataclass(frozen=True)
class ExponentialAdams:
    """Exponential Adams steps: the solver of runs with noise.

    Parameters
    ----------
    step : float, optional
        Length of all steps, in the unit of tau; at most the smallest tau and the correlation time
        of the noise. By default features of memories that share a softmax take steps of lengths
        that each cue chooses. Others take half of the smallest tau and of the correlation time or,
        if that is smaller, a quarter of the largest tau. Where units act on
        each other otherwise than as memories on Identity features, these are divided by 1 + 3/4 s,
        with s the strength of the coupling at state 0: the spectral radius of what drives move in
        the smallest tau.

    Notes
    -----
    The decay and the noise that it smooths are exact, white or coloured: a unit without synapses
    has the right variance and autocorrelation for any step. What other units exert has errors of
    order 2 in `step`, in means and variances as well (weak order 2), and of order 3 without noise
    (2 for memories on Identity features without `step`); a single path has the order 1. A step
    costs one right-hand side, and the first of each run two.

    Steps of a given length begin at the multiples of `step`, at t0 and where inputs jump. Random
    numbers belong to a moment, a unit and the place of a cue in the batch, and are those of
    `ExponentialHeun`: a path does not depend on `times` or on the other cues. Where a run ends and
    goes on, or an input jumps, the first step is one of Heun, since what was before is not known.
    Between the ends of steps states are drawn as the noise would have gone there (white), or read
    from a cubic (coloured). Another step is another path. Where the drive bends so much within
    steps of one length that variances may be wrong by more than some per cent it warns. What
    happens in few steps it does not see, as where a steep output passes its wall: pass a short step
    there. Where `Sign` jumped within steps that were not passed it warns.

    Lengths that a cue chooses are limited by how steep the drive of the features may get within
    the step: by the odds against the leading memory, the noise that is to come, of known variance,
    and the last change of these odds; and, where noise of memories stirs features, by half the tau
    of memories. They are at most twice the largest tau of the features. Of memories on Identity
    features, of any kind, without `step`: what memories with tau > 0 see of features and of noise
    is exact, and so is noise between the ends of steps, white or coloured. Random numbers belong to
    the beginning of a run besides, and states at multiples of that tau do not depend on
    other `times`, on t1 or on the other cues.

    It takes no `until`: it does not look for rest.

    Examples
    --------
    >>> import amsim as am
    >>> net = am.dense_am(am.patterns.random(3, 16, seed=0))
    >>> traj = am.simulate(net, [0.0] * 16, noise=0.1, t1=5.0, solver=am.ExponentialAdams(0.05))
    >>> traj.status, traj.stats["accepted"], traj.stats["rhs"]
    ('time_limit', 100, 101)
    """

    step: float | None = None
    takes_noise: ClassVar = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "step", _checked_step("ExponentialAdams", self.step))

    def solve(self, problem: Problem) -> Solution:
        """Solve for all cues of the batch."""
        steps = _steps(self.length(problem), reuse=True, free=self.step is None)
        solution = _solve("ExponentialAdams", steps, problem)
        length = steps.length
        if steps.bent > _MOST_BENT**2 * steps.jolted > 0.0:
            share = np.sqrt(steps.bent / steps.jolted)
            warnings.warn(
                f"ExponentialAdams: within steps of {length:g} the forces between units bend by "
                f"{share:.0%} of the noise: means and variances may be wrong by more than some "
                f"per cent; pass a shorter step, as ExponentialAdams({length / 4:.2g})",
                RuntimeWarning,
                stacklevel=3,
            )
        elif self.step is None:
            _warn_of_jumps("ExponentialAdams", steps, problem)
        return solution

    def length(self, problem: Problem) -> float:
        """Of the steps of a problem."""
        shortest = _shortest(problem)
        default = min(_OF_SMALLEST * shortest[1], _OF_LARGEST * float(problem.tau.max()))
        if self.step is None and not _memories_alone(problem):
            default /= 1.0 + _SHORTER * _strength(problem)
        return _length("ExponentialAdams", self.step or default, problem, shortest)


def _jumps(layer: Layer) -> bool:
    return isinstance(layer.lagrangian, Sign)


def _warn_of_jumps(name: str, steps: Steps, problem: Problem) -> None:
    """Warn where noise moved units across jumps of outputs within default steps."""
    layers = problem.network.layers.values()
    if problem.noise is not None and steps.bent > 0.0 and any(map(_jumps, layers)):
        warnings.warn(
            f"{name}: outputs of Sign jumped within steps of {steps.length:g}, which see too few "
            f"of the crossings that noise makes; pass a shorter step, as "
            f"{name}({steps.length / 10:.2g})",
            RuntimeWarning,
            stacklevel=4,
        )


@dataclass(frozen=True)
class ExponentialHeun:
    """Exponential Heun steps of one length, with noise or without.

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
    or read from a cubic (coloured). Another step is another path. Where `Sign` jumped within steps
    that were not passed it warns, if there is noise: such steps see too few of the crossings.

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
        object.__setattr__(self, "step", _checked_step("ExponentialHeun", self.step))

    def solve(self, problem: Problem) -> Solution:
        """Solve for all cues of the batch."""
        steps = _steps(self.length(problem), reuse=False, free=False)
        solution = _solve("ExponentialHeun", steps, problem)
        if self.step is None:
            _warn_of_jumps("ExponentialHeun", steps, problem)
        return solution

    def length(self, problem: Problem) -> float:
        """Of the steps of a problem."""
        shortest = _shortest(problem)
        return _length("ExponentialHeun", self.step or _STEP * shortest[1], problem, shortest)


def _checked_step(name: str, step: float | None) -> float | None:
    return None if step is None else checks.number(f"{name}: step", step, at_least=checks.SMALLEST)


def _steps(length: float, reuse: bool, free: bool) -> Steps:
    # Imported here: numba takes longer to load than the rest of amsim together.
    from .heun_runs import Steps

    return Steps(length, reuse, free)


def _solve(name: str, steps: Steps, problem: Problem) -> Solution:
    if problem.tolerance:
        raise ValueError(
            f"{name}: steps of one length do not look for rest: pass until=None, or another solver"
        )
    from .heun_runs import solve_all

    return in_pieces(problem, problem.breakpoints, partial(solve_all, steps))


def _shortest(problem: Problem) -> tuple[str, float]:
    """The time that no step may exceed, and what it is."""
    times = {"tau": float(problem.tau.min())}
    if problem.noise is not None and problem.noise.correlation:
        times["correlation time of the noise"] = problem.noise.correlation
    return min(times.items(), key=lambda item: item[1])


def _length(name: str, step: float, problem: Problem, shortest: tuple[str, float]) -> float:
    """A step, if it is none too long."""
    what, smallest = shortest
    if step > smallest:
        raise ValueError(
            f"{name}: step must be at most the smallest {what}, {smallest:g}, got {step:g}"
        )
    if problem.unforeseen:
        step = min(step, problem.max_step)
    if not problem.t1 / step <= _MOST_STEPS:
        raise ValueError(
            f"{name}: {problem.t1:g} / {step:g} are more than {_MOST_STEPS:g} steps: take a "
            f"smaller t1 or a longer step"
        )
    return step


def _memories_alone(problem: Problem) -> bool:
    """Whether units act on each other as memories on Identity features, with one energy.

    Such a coupling drives no state back beyond its decay, however strong it is.
    """
    return problem.loop is not None and not problem.network.directed


def _strength(problem: Problem) -> float:
    """Spectral radius of the derivative of the drives at state 0, in units of the smallest tau.

    By the power method, on differences of forces: the mean growth over some iterations. Between
    states that are as far apart as noise moves units where outputs jump, which have no derivative.
    """
    network, apart = problem.network, _SMALL
    if any(map(_jumps, network.layers.values())):
        hottest = 0.0 if problem.noise is None else float(problem.noise.temperature.max())
        apart = np.sqrt(hottest) or 1.0
    leak = np.concatenate([np.full(x.size, x.leak) for x in network.dynamic.values()])

    def drive(state: Array) -> Array:
        force = network.unchecked_force(network.unpack(state))
        return np.asarray(network.pack(force) + leak * state)

    step = float(problem.tau.min()) / problem.tau / apart
    rest, growth = drive(np.zeros_like(step)), np.zeros(_ITERATIONS)
    moved = np.random.default_rng(0).standard_normal(len(step))
    for number in range(_ITERATIONS):
        size = np.linalg.norm(moved)
        if size == 0.0:  # directed synapses that lead nowhere
            return 0.0
        with np.errstate(over="ignore", invalid="ignore"):
            new = step * (drive(apart / size * moved) - rest)
        growth[number], moved = np.linalg.norm(new), new
    return float(np.exp(np.log(growth[-_TAKEN:]).mean()))
