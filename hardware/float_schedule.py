"""The schedule of a plan in floating point: what is left when nothing is rounded but time."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amsim.synapses import project, project_back

from .kernels import DECAY_BITS
from .plan import Plan

Floats = NDArray[np.float64]
_AT_REST = 1e-12


def float_schedule(plan: Plan, cues: ArrayLike, updates: int) -> Floats:
    """Features after so many updates, (*batch, D), with the plan's weights and leaks.

    v and h take turns, once a period, as in `hardware.schedule`; activations are exact.
    """
    layers = plan.network.layers
    visible, hidden = layers["visible"], layers["hidden"]
    weights = plan.weights / plan.weight_scale
    share_v = plan.visible.decay / (1 << DECAY_BITS)
    share_h = plan.hidden.decay / (1 << DECAY_BITS)
    v = np.asarray(cues, dtype=np.float64)
    g = _output(plan, v)
    h = project(g, weights) + hidden.bias
    for _ in range(updates):
        before = v, h
        target = project_back(hidden.lagrangian.activation(h), weights) + visible.bias
        v = v + share_v * (target - v)
        h = h + share_h * (project(_output(plan, v), weights) + hidden.bias - h)
        moved = max(np.abs(v - before[0]).max(), np.abs(h - before[1]).max())
        if moved <= _AT_REST * max(1.0, float(np.abs(h).max())):
            break
    return v


def _output(plan: Plan, v: Floats) -> Floats:
    if plan.visible.kind == "sign":
        return np.sign(v)
    return np.asarray(plan.network.layers["visible"].lagrangian.activation(v))
