"""From cues to the integers that a `GraphPlan` starts from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amsim import checks
from amsim.display import fields_repr
from amsim.starts import start_order

from .. import given as reading
from ..errors import RangeError
from ..given import MOST_STEPS, Clamp, Floats, Inputs
from ..units import Integers
from .plan import GraphPlan, Units
from .turns import signals


@dataclass(frozen=True, eq=False)
class GraphJob:
    """Cues as integers: where B recalls start and what drives them.

    Attributes
    ----------
    start : dict of str to ndarray (B, n)
        By signals of `hardware.graphs.turns`: x and clamped of every layer, c and c_known (B, 1) of
        softmax layers; everything else starts at 0.
    inputs : dict of str to ndarray of int (T, B, n)
        By layer; that of period k in row min(k, T - 1).
    steps : int
    """

    start: dict[str, Any]
    inputs: dict[str, Integers]
    steps: int

    __repr__ = fields_repr

    @property
    def driven(self) -> int:
        """Periods after which the driven inputs no longer change."""
        return max(len(rows) for rows in self.inputs.values()) - 1


def prepare(
    plan: GraphPlan,
    cues: Mapping[str, ArrayLike] | ArrayLike,
    *,
    steps: int | None = None,
    clamp: Clamp | None = None,
    inputs: Inputs | None = None,
) -> tuple[GraphJob, tuple[int, ...]]:
    """The integers that a backend starts from, and the batch axes; arguments as in `run`."""
    states, batch = _cued(plan, cues)
    steps = plan.steps if steps is None else checks.count("steps", steps, at_most=MOST_STEPS)
    order = (*plan.cued, *(name for name in plan.layers if name not in plan.cued))
    drives = reading.by_layer("inputs", inputs, order)
    driven = {x: reading.driven(plan, x, drives.get(x), batch, steps) for x in plan.layers}
    start: dict[str, Any] = {}
    for name, state in _started(plan, states, driven).items():
        start[f"{name}.x"] = state
        if plan.layers[name].normaliser is not None:
            start[f"{name}.c"] = start[f"{name}.c_known"] = _log_sum(plan.layers[name], state)
    held = reading.by_layer("clamp", clamp, order)
    for name, units in plan.layers.items():
        shape = (*batch, units.size)
        mask: NDArray[Any] = np.zeros(shape, bool)
        if name in held:
            chosen = checks.units("clamp", held[name], (units.size,))
            mask = np.array(reading.broadcast("clamp", chosen, shape))
        start[f"{name}.clamped"] = mask.reshape(-1, units.size)
    return GraphJob(start=start, inputs=driven, steps=steps), batch


def chosen_signals(plan: GraphPlan, record: bool | Iterable[str]) -> tuple[str, ...]:
    """The names of the signals that `record` chooses."""
    every = signals(plan)
    states = [name for name in every if not name.endswith("_out")]
    return tuple(dict.fromkeys(reading.names(record, every, states)))


def _cued(plan: GraphPlan, cues: Any) -> tuple[dict[str, Integers], tuple[int, ...]]:
    """States of the cued layers (B, n), and the batch axes."""
    if not isinstance(cues, Mapping):
        if len(plan.cued) > 1:
            raise TypeError(
                f"cue must be a mapping of {', '.join(plan.cued)} to states: the plan was made for "
                f"cues of these layers"
            )
        cues = {plan.cued[0]: cues}
    if set(cues) != set(plan.cued):
        raise ValueError(
            f"cue has states of {', '.join(map(str, cues)) or 'nothing'}, the plan was made for "
            f"cues of {', '.join(plan.cued)}: compile(..., cue_limit={{layer: largest value}})"
        )
    found, axes = {}, {}
    for name in plan.cued:
        values, axes[name] = reading.cue(cues[name], plan.layers[name].size, name)
        found[name] = _within(plan.layers[name], name, values)
    if len(set(axes.values())) > 1:
        raise ValueError(f"cues have the batch axes {axes}; give all layers the same")
    return found, axes[plan.cued[0]]


def _within(units: Units, name: str, values: Floats) -> Integers:
    """A cue as integers that the proof allows."""
    scaled = np.rint(np.clip(values * units.scale, -(2.0**52), 2.0**52)).astype(np.int64)
    if (scaled < units.low).any() or (scaled > units.high).any():
        bits = int(np.abs(scaled).max()).bit_length() + 1
        there = int(min(units.high.min(), -units.low.max()) + 1).bit_length()
        largest = float(np.abs(values).max())
        remedy = f"compile(..., cue_limit={{{name!r}: {largest:.4g}}})"
        raise RangeError("cue", max(bits, there + 1), max(there, 1), remedy)
    return scaled


def _started(
    plan: GraphPlan, states: dict[str, Integers], driven: Mapping[str, Integers]
) -> dict[str, Integers]:
    """States of all layers: outwards from the cued ones, each where those before put it."""
    found = dict(states)
    sent = {name: _sent(plan.layers[name], state) for name, state in found.items()}
    for group in start_order(plan.network, states):
        for name in group:
            units = plan.layers[name]
            state = driven[name][0] + units.bias
            for each in plan.onto(name):
                if each.source in sent:
                    total = sent[each.source] @ each.weights.T.astype(np.int64)
                    state = state + each.scaled(total)
            found[name] = state
        sent |= {name: _sent(plan.layers[name], found[name]) for name in group}
    return {name: found[name] for name in plan.layers}


def _sent(units: Units, state: Integers) -> Integers:
    """What a layer announces first."""
    n = units.normaliser
    if n is None:
        return units.change(state, np.zeros_like(state))
    return n.probability(units.logit(state), _log_sum(units, state))


def _log_sum(units: Units, state: Integers) -> Integers:
    """c at the start: the log-sum, found by the normaliser's own rounds from above."""
    n = units.normaliser
    assert n is not None
    a = units.logit(state)
    c: Integers = a.max(axis=1, keepdims=True) + ((units.size - 1).bit_length() << n.logit_bits)
    for _ in range(3):
        c = n.log_sum(c, n.exponential(a, c).sum(axis=1, keepdims=True))
    return c
