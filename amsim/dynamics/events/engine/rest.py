"""Whether a cue has settled, as far as the engines can see. Compiled."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math

import numpy as np

from ....compiled.jit import inner
from .leak import sends_at_levels, state_at


@inner
def at_rest(layout, state, t):
    """Whether all units are as close to their targets as they have to be; if not, look later.

    Up to the next message one unit that is not close enough says it for all, unless heartbeats
    come before.
    """
    run, longest, due = state.run[0], 0.0, np.inf
    for p in range(len(layout.populations)):
        if sends_at_levels(layout, p) and layout.rules[0].heartbeat == np.inf:
            due = min(due, state.populations[p].due)
    for i in range(len(layout.units)):
        if np.isnan(state.units[i].fixed):
            leak = layout.populations[layout.units[i].population].leak
            residual = abs(state.target[i] - state_at(layout, state, i, t)) * leak
            run.steps += 1
            if residual > layout.rules[0].tolerance:
                wait = math.log(residual / layout.rules[0].tolerance) / layout.units[i].rate
                longest = max(longest, wait)
                if t + longest > due:
                    break
    if longest > 0.0:
        run.check = t + (1.0 + 1e-9) * longest
    return longest == 0.0
