"""A solver around another one that goes on until the distance from rest is proven."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from ..errors import GuaranteeWarning
from ..network import Layer, Network
from ..stability.certification_problem import check_covered
from ..stability.readout import distance_to_rest
from ..synapses import Array
from .problem import INTERRUPTED, SETTLED, Problem, Solution, Solve

_RUNS = 4
_NEARER = 1e-3  # the least ratio of the residuals of two runs


def check_certifiable(problem: Problem) -> None:
    """Raise ValueError where no distance can be proven, before the work is done."""
    check_covered(problem.network, "link")
    if problem.unforeseen or any(mask.any() for mask in problem.clamped.values()):
        raise ValueError(
            "Settled(certified=True) needs constant inputs, or ones that end so "
            "(PiecewiseConstant), and no clamped units: a strong bias can hold a unit"
        )


def solve_certified(solve: Solve, problem: Problem) -> Solution:
    """Run `solve` until every cue is proven to be near a fixed point.

    Distances are proven when all cues have settled. Where one exceeds the tolerance, all run again
    to a smaller residual; the last run whose cues all settled is returned. "distance_bound" (B,) of
    its statistics is infinite without a proof.
    """
    residual, best = problem.tolerance / 2, None
    for _ in range(_RUNS):
        solution = solve(replace(problem, tolerance=residual))
        bounds = _bounds(problem, solution)
        if best is not None and not _better(solution, bounds, *best):
            break
        best = solution, bounds
        far = (solution.codes == SETTLED) & ~(bounds <= problem.tolerance)
        if not far.any() or (solution.codes == INTERRUPTED).any():
            break
        # The distance is in proportion to the residual; without a proof, try much nearer.
        nearer = problem.tolerance / (2 * bounds[far].max())
        residual *= min(0.5, max(nearer, _NEARER))
    assert best is not None, "there is at least one run"
    solution, bounds = best
    solution.stats["distance_bound"] = bounds
    solution.note = _bounds_in_words(problem, solution, bounds)
    return solution


def _better(solution: Solution, bounds: Array, old: Solution, known: Array) -> bool:
    """Whether no cue was lost, and some distance is now smaller by half at least."""
    lost = (old.codes == SETTLED) & (solution.codes != SETTLED)
    return bool(not lost.any() and (bounds < known / 2).any())


def _bounds(problem: Problem, solution: Solution) -> Array:
    bounds = np.full(problem.batch, np.inf)
    settled = np.flatnonzero(solution.codes == SETTLED)
    if len(settled):
        bounds[settled] = _distances(problem, solution, settled)
    return bounds


def _bounds_in_words(problem: Problem, solution: Solution, bounds: Array) -> str:
    """What was proven, in words, with a warning for cues of which nothing is known."""
    settled = bounds[solution.codes == SETTLED]
    if not len(settled):
        return ""
    open_, near = np.isinf(settled), settled <= problem.tolerance
    parts = []
    if near.any():
        parts.append(f"{near.sum()} proven to be within {settled[near].max():.2g} of rest")
    if (far := ~near & ~open_).any():
        parts.append(
            f"{far.sum()} only within {settled[far].max():.2g}: a run to smaller residuals came no "
            f"nearer; take a larger t1, a smaller quantum or rtol, or a larger tolerance"
        )
    if open_.any():
        reason = "no contraction around them was found; see amsim.stability.analyse"
        parts.append(f"{open_.sum()} without a proof: {reason}")
        warnings.warn(
            f"for {open_.sum()} of {len(settled)} settled cues no distance to a fixed point is "
            f"proven: {reason}",
            GuaranteeWarning,
            stacklevel=4,
        )
    return "; ".join(parts)


def _distances(problem: Problem, solution: Solution, cues: Array) -> Array:
    final = {name: solution.final(name, slice(None))[0][cues] for name in problem.network.layers}
    if not problem.inputs:
        return distance_to_rest(problem.network, final)
    found = []
    for row in range(len(cues)):
        network = _with_inputs(problem.select(cues[row : row + 1]))
        found.append(distance_to_rest(network, {n: x[row] for n, x in final.items()}))
    return np.array(found)


def _with_inputs(problem: Problem) -> Network:
    """The network with the last inputs of its one cue as biases."""
    inputs = problem.inputs_at(problem.t1)
    layers = {
        name: Layer(
            x.shape, x.lagrangian, x.tau, x.bias + inputs[name][0] if name in inputs else x.bias,
            x.leak,
        )
        for name, x in problem.network.layers.items()
    }  # fmt: skip
    return Network(layers, problem.network.synapses)
