"""Compiled update loop of two-state units with weights: one unit after another."""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import numpy as np

from ..compiled.jit import compiled
from .kernels import heated_state, next_state, uniform
from .loops import SETTLED, SWEEP_LIMIT


@compiled
def one_by_one(weights, outgoing, thresholds, ties, low, gain, states, seeds, fields, turns,
               order, random, sweeps, results):  # fmt: skip
    """Check one unit after another until a whole sweep changes none.

    Parameters
    ----------
    weights, outgoing : float64 (D, D)
        Onto unit i in row i; from unit i in row i.
    thresholds, ties : float64 (D,)
        Fields no larger than a tie's are 0.
    low : int
        The lower of the two values: -1 or 0.
    gain : float
        Log odds of the upper value by the field; 0 without a temperature.
    states : int8 (B, D)
        The cues, as -1 and +1; become the final states.
    seeds : uint64 (B,)
        Of each cue's random numbers; change.
    fields : float64 (D,)
        Working memory, as are the turns.
    turns : int64 (N,)
    order : int64 (N,)
        Units to check in a sweep.
    random : bool
        Whether every sweep has an order of its own.
    sweeps : int
        The most that a cue gets.
    results : int64 (B, 4)
        Become code, period, checks and flips of each cue.
    """
    size, step = len(thresholds), 2.0 if low < 0 else 1.0
    for b in range(len(states)):
        state, generator = states[b], seeds[b : b + 1]
        for k in range(len(order)):
            turns[k] = order[k]
        code, checks, flips, moved = SWEEP_LIMIT, 0, 0, True
        for _ in range(sweeps):
            if moved:  # afresh, so that no rounding adds up
                for i in range(size):
                    total = -thresholds[i]
                    for j in range(size):
                        total += weights[i, j] * (state[j] if low < 0 else (state[j] + 1) // 2)
                    fields[i] = total
            if random:
                for k in range(len(turns) - 1, 0, -1):
                    other = np.int64(uniform(generator) * (k + 1))
                    turns[k], turns[other] = turns[other], turns[k]
            moved = False
            for i in turns:
                h = fields[i]
                if gain > 0.0:
                    new = heated_state(gain * h, generator)
                else:
                    new = next_state(h if abs(h) > ties[i] else 0.0, state[i])
                if new != state[i]:
                    change = step * new
                    for j in range(size):
                        fields[j] += change * outgoing[i, j]
                    state[i] = new
                    flips += 1
                    moved = True
                checks += 1
            if gain == 0.0 and not moved:
                code = SETTLED
                break
        results[b, 0], results[b, 1] = code, code == SETTLED
        results[b, 2], results[b, 3] = checks, flips
