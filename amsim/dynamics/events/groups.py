"""Groups of units that share a sum or a threshold, by their kinds. Compiled."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

from ...compiled.jit import compiled
from ...neurons import ENTMAX, SOFTMAX
from .entmax import entmax_output, next_height
from .softmax import next_share, softmax_output


@compiled
def output_of_group(engine, population, i, t):
    """Output of unit i of a group."""
    if population.kind == SOFTMAX:
        return softmax_output(engine, population, i, t)
    if population.kind == ENTMAX:
        return entmax_output(engine, population, i, t)
    raise ValueError("output_of_group: no group is of this kind")


@compiled
def next_of_group(engine, population, t):
    """Look at a group: (unit, direction) if a unit sends now, else (-1, 0.0) and the next look."""
    if population.kind == SOFTMAX:
        return next_share(engine, population, t)
    if population.kind == ENTMAX:
        return next_height(engine, population, t)
    raise ValueError("next_of_group: no group is of this kind")
