"""What a function of the time does within a step, compared with what the step takes it to do."""

from __future__ import annotations

import numpy as np

from ..synapses import Array
from .inputs import Drive
from .problem import Problem

# Where functions are asked besides the ends of a step, as shares of it.
_WITHIN = (0.25, 0.5, 0.75)


class SampledInputs:
    """The inputs of one cue at the times of its steps.

    Parameters
    ----------
    problem : Problem
        Of one cue.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.functions = [value for value in problem.inputs.values() if isinstance(value, Drive)]
        self.known: dict[float, Array] = {}

    def strays(self, past: Array, time: float) -> float:
        """How far inputs are, within a step to `time`, from the polynomial through what was seen.

        `past` are the times (k,) that the step extrapolates from, latest first.
        """
        nodes = [time, *map(float, past)]
        self.known = {node: self._values(node) for node in nodes}
        seen = np.array([self.known[node] for node in nodes])
        start = nodes[1]
        places = [start + share * (time - start) for share in _WITHIN]
        found = np.array([self._asked(place) for place in places])
        return float(np.abs(found - _weights(np.array(nodes), np.array(places)) @ seen).max())

    def _values(self, time: float) -> Array:
        return self.known[time] if time in self.known else self._asked(time)

    def _asked(self, time: float) -> Array:
        """All inputs that are functions, as one vector."""
        return np.concatenate([function(time).ravel() for function in self.functions])


def _weights(nodes: Array, places: Array) -> Array:
    """Values at `places` (P,) of Lagrange's polynomials of the nodes: (P, k)."""
    weights = np.ones((len(places), len(nodes)))
    for j, node in enumerate(nodes):
        for other in np.delete(nodes, j):
            weights[:, j] *= (places - other) / (node - other)
    return weights
