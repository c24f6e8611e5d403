"""Units that slide: driven back to a jump of their output from both of its sides.

The solution then stays at the jump (Filippov 1988, "Differential equations with discontinuous
righthand sides"). A solver knows only the two sides, and crosses it again and again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..lagrangians import Lagrangian
from ..synapses import Array
from .problem import Problem, Solution

# How near to the jump such a unit is, relative to 1 + |x|, and how far away it is not seen.
_NEAR, _FAR = 1e-3, 1e-2
_NAMED = 5  # units of a layer that are listed


def sliding_units(problem: Problem, solution: Solution) -> str:
    """Units at a jump of their output in the cues that ended worst, in words; "" for none."""
    cues = np.flatnonzero(solution.codes == solution.codes.max())
    found = []
    for name, layer in problem.network.layers.items():
        states = solution.final(name, slice(None))[0][cues].reshape(len(cues), layer.size)
        if layer.lagrangian.separable:
            units = np.flatnonzero(_at_jump(layer.lagrangian, states).any(axis=0))
            kind = type(layer.lagrangian).__name__
            found += [f"{_listed(units)} of layer {name!r} ({kind})"] if len(units) else []
    return " and ".join(found)


def _at_jump(lagrangian: Lagrangian, x: Array) -> NDArray[np.bool_]:
    """Where most of what an output does around x happens next to x."""

    def change(distance: float) -> Array:
        reach = distance * (1.0 + np.abs(x))
        return lagrangian.activation(x + reach) - lagrangian.activation(x - reach)

    near = change(_NEAR)
    return np.asarray((near > 0) & (near > 0.5 * change(_FAR)))


def _listed(units: NDArray[np.int64]) -> str:
    more = f" and {len(units) - _NAMED} more" if len(units) > _NAMED else ""
    return f"unit{'s' if len(units) > 1 else ''} {', '.join(map(str, units[:_NAMED]))}{more}"
