"""How far from rest the cues of a run have settled."""

from __future__ import annotations

import warnings

import numpy as np

from ..errors import GuaranteeWarning
from ..network import Layer, Network
from ..synapses import Array
from .problem import SETTLED, Problem, Solution


def check_certifiable(problem: Problem) -> None:
    """Raise ValueError where no distance can be proven, before the work is done."""
    from ..stability.claim import check_covered

    check_covered(problem.network, "link")
    if problem.driven or any(mask.any() for mask in problem.clamped.values()):
        raise ValueError(
            "Settled(certified=True) needs constant inputs and no clamped units: "
            "a strong bias can hold a unit"
        )


def attach_distances(problem: Problem, solution: Solution) -> None:
    """Put "distance_bound" (B,) into the statistics of a solution; infinite without a proof."""
    bounds = np.full(problem.batch, np.inf)
    settled = np.flatnonzero(solution.codes == SETTLED)
    if len(settled):
        bounds[settled] = _distances(problem, solution, settled)
    solution.stats["distance_bound"] = bounds
    unproven = int(np.isinf(bounds[settled]).sum())
    if unproven:
        warnings.warn(
            f"for {unproven} of {len(settled)} settled cues no distance to a fixed point is "
            f"proven: the network does not contract around them; see amsim.stability.analyse",
            GuaranteeWarning,
            stacklevel=3,
        )


def _distances(problem: Problem, solution: Solution, cues: Array) -> Array:
    from ..stability.readout import distance_to_rest

    final = {name: solution.final(name, slice(None))[0][cues] for name in problem.network.layers}
    if not problem.inputs:
        return distance_to_rest(problem.network, final)
    found = []
    for row in range(len(cues)):
        network = _with_inputs(problem.select(cues[row : row + 1]))
        found.append(distance_to_rest(network, {n: x[row] for n, x in final.items()}))
    return np.array(found)


def _with_inputs(problem: Problem) -> Network:
    """The network with the inputs of its one cue as biases."""
    inputs = problem.inputs_at(0.0)
    layers = {
        name: Layer(
            x.shape, x.lagrangian, x.tau, x.bias + inputs[name][0] if name in inputs else x.bias,
            x.leak,
        )
        for name, x in problem.network.layers.items()
    }  # fmt: skip
    return Network(layers, problem.network.synapses)
