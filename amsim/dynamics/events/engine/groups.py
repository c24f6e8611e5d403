"""Groups of units that share a sum or a threshold. Compiled."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math

from ....compiled.jit import inner
from ....neurons import SOFTMAX
from .entmax import entmax_output, next_height
from .softmax import next_share, softmax_output


@inner
def output_of_group(layout, state, p, i, t):
    """Output of unit i of a group."""
    if layout.populations[p].kind == SOFTMAX:
        return softmax_output(layout, state, p, i, t)
    return entmax_output(layout, state, p, i, t)  # which raises for any other kind


@inner
def next_of_group(layout, state, p, t):
    """Look at a group: (unit, direction) if a unit sends now, else (-1, 0.0) and the next look."""
    if layout.populations[p].kind == SOFTMAX:
        return next_share(layout, state, p, t)
    return next_height(layout, state, p, t)  # which raises for any other kind


@inner
def log_sum_exp(layout, state, p):
    """What a normaliser neuron follows: LSE of the states in which its units last sent."""
    population, units = layout.populations[p], state.units
    peak, total = units[population.start].last_sent, 0.0
    for i in range(population.start, population.stop):
        peak = max(peak, units[i].last_sent)
    for i in range(population.start, population.stop):
        total += math.exp(population.parameter * (units[i].last_sent - peak))
    return peak + math.log(total) / population.parameter
