"""Inter-event bounds: messages of a unit keep a distance in time, so no Zeno behaviour."""

from __future__ import annotations

import math

import numpy as np

from ...compiled.neurons import steepest
from .layout import Layout
from .layout.arrays import Floats, Records


def inter_event_bounds(
    layout: Layout, messages: Records, x: Floats, target: Floats, y: Floats
) -> Floats:
    """The least time between messages of a unit, by population; 0 where none is known.

    Between two messages of a unit, its output moves by a step q (or half of it, announced ahead).
    Targets |T| <= R and states |x| <= R move it no faster than l rate 2 R, where l bounds the slope
    of the output. `x`, `target` and `y` are states, targets and outputs at t = 0.
    """
    populations, rules = layout.populations, layout.rules[0]
    moved = np.abs(y) if rules["zero"] else np.zeros(len(y))
    unit = messages["unit"]
    np.maximum.at(moved, unit, np.abs(messages["value"] - y[unit]))
    bounds = np.zeros(len(populations))
    for p, population in enumerate(populations):
        part = slice(population["start"], population["stop"])
        change = 0.0
        for projection in layout.projections[layout.projections["target"] == p]:
            source = populations[projection["source"]]
            change += projection["largest"] * moved[source["start"] : source["stop"]].sum()
        reach = np.abs(target[part]).max(initial=0.0) + change / population["leak"]
        reach = max(reach, np.abs(x[part]).max(initial=0.0))
        kind, parameter = int(population["kind"]), float(population["parameter"])
        slope = steepest(kind, parameter, reach)
        step = layout.units["quantum"][part].min() * (0.5 if rules["ahead"] else 1.0)
        if slope < math.inf and reach > 0:
            bounds[p] = step / (slope * population["fastest"] * 2.0 * reach)
    return np.asarray(np.minimum(bounds, rules["heartbeat"]))


def messages_keep_apart(
    layout: Layout, messages: Records, x: Floats, target: Floats, y: Floats
) -> bool:
    """Whether no two messages of a unit are closer than they can be."""
    bounds = inter_event_bounds(layout, messages, x, target, y)[layout.units["population"]]
    time, previous = messages["time"], messages["previous"]
    later = np.flatnonzero(previous >= 0)
    now, least = time[later], (1 - 1e-6) * bounds[messages["unit"][later]]
    return bool((now - time[previous[later]] >= least - 1e-12 * (1.0 + now)).all())
