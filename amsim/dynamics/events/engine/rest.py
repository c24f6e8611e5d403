"""Whether a cue has settled, as far as the engines can see. Compiled."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math

import numpy as np

from ....compiled.jit import inner
from .leak import state_at


@inner
def at_rest(layout, state, t):
    """Whether all units are as close to their targets as they have to be; if not, look later."""
    run, longest = state.run[0], 0.0
    for i in range(len(layout.units)):
        if np.isnan(state.units[i].fixed):
            leak = layout.populations[layout.units[i].population].leak
            residual = abs(state.target[i] - state_at(layout, state, i, t)) * leak
            if residual > layout.rules[0].tolerance:
                wait = math.log(residual / layout.rules[0].tolerance) / layout.units[i].rate
                longest = max(longest, wait)
    run.steps += len(layout.units)
    if longest > 0.0:
        run.check = t + (1.0 + 1e-9) * longest
    return longest == 0.0
