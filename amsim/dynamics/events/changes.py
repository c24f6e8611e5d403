"""What `Drift` makes of a layout from each of its times on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...network import Network
from ..problem import Problem
from .drift import Drift
from .layout import Layout
from .layout.arrays import Floats
from .layout.populations import note_rates, unit_slices
from .options import EventDriven


@dataclass(frozen=True, eq=False)
class Changes:
    """Rates and delays of each time, as factors of those at the start.

    Attributes
    ----------
    times : ndarray (T,)
    rate : ndarray (T, units)
    delay : ndarray (T, delays)
    """

    times: Floats
    rate: Floats
    delay: Floats

    @classmethod
    def of(cls, problem: Problem, options: EventDriven, layout: Layout) -> Changes | None:
        """The changes of a problem, if there are any; raises ValueError where they do not fit."""
        drift, network = options.timing.drift, problem.network
        if drift is None:
            return None
        if drift.tau is not None and layout.rules["slot"][0] < np.inf:
            raise ValueError(
                "Drift: tau changes, and noise has slots for one tau: leave one of them out"
            )
        times, count = np.asarray(drift.times, np.float64), len(layout.units)
        by_sender = np.column_stack([_by_unit("delay", drift, network, count), np.ones(len(times))])
        return cls(
            times,
            1.0 / _by_unit("tau", drift, network, count),
            by_sender[:, _senders(layout)],
        )

    def longest(self, layout: Layout) -> float:
        """The largest delay of all times."""
        return float((layout.delays * self.delay).max(initial=layout.delays.max(initial=0.0)))

    def fastest(self, layout: Layout) -> Floats:
        """The largest rate of all times, by population."""
        most = layout.units["rate"] * np.maximum(self.rate.max(axis=0), 1.0)
        return np.maximum.reduceat(most, layout.populations["start"])

    def at(self, layout: Layout, row: int) -> Layout:
        """The layout from one of the times on; `layout` is that of the start."""
        units, populations = layout.units.copy(), layout.populations.copy()
        units["rate"] *= self.rate[row]
        note_rates(populations, units["rate"])
        delays = layout.delays * self.delay[row]
        return layout._replace(units=units, populations=populations, delays=delays)


def _by_unit(name: str, drift: Drift, network: Network, count: int) -> Floats:
    """Factors (T, units) of a field; those of normalisers are 1."""
    given: Any = getattr(drift, name)
    factors = np.ones((len(np.asarray(drift.times)), count))
    slices = unit_slices(network)
    if given is None:
        return factors
    if not isinstance(given, Mapping):
        given = dict.fromkeys(slices, given)
    for layer, rows in given.items():
        if layer not in slices:
            raise ValueError(
                f"Drift: {name} names a layer {layer!r}; the network has {', '.join(slices)}"
            )
        shape = network.layers[layer].shape
        if rows.ndim > 1 and rows.shape[1:] != shape:
            raise ValueError(
                f"Drift: {name} of layer {layer!r} has shape {rows.shape}, the layer has shape "
                f"{shape}; give a factor for each time, or for each time and unit"
            )
        factors[:, slices[layer]] = rows.reshape(len(rows), -1)
    return factors


def _senders(layout: Layout) -> Any:
    """The sending unit of every delay; -1 of a normaliser's."""
    owner = np.full(len(layout.delays), -1)
    for projection in layout.projections[layout.projections["weights"] >= 0]:
        source = layout.populations[projection["source"]]
        width = max(int(projection["delay_sender"]), 1)
        count = int(source["stop"] - source["start"]) * width
        if not projection["delay_sender"]:
            count = 1  # of one sender; others have a delay each where delays change
        part = slice(int(projection["delay"]), int(projection["delay"]) + count)
        owner[part] = source["start"] + np.arange(count) // width
    return owner
