"""Tubes: boxes that hold every execution with bounded staleness, step by step.

`docs/certificates.md` states what executions may do and proves each step (theorem 2 there).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np

from .. import checks
from ..lagrangians import Softmax
from ..network import Network
from ..synapses import Array
from .boxes import EPS, TINY, Box, Boxes
from .certification_problem import CertificationProblem
from .intervals import BoxMap
from .outward import middle
from .weighted_means import WeightedMean
from .windows import Window

_TRIES = 25
_AHEAD, _BEYOND = 1.25, 0.3  # of the last step's extension; of what a candidate lacked
_LEAST, _SLACK = 1e-12, 1e-4  # of the largest state: margins of a candidate


@dataclass(frozen=True)
class Executions:
    """What the executions that a tube holds may do.

    Attributes
    ----------
    staleness : float
        Largest age of what a link delivers, in the unit of tau.
    drift : float
        Clocks run at rates between 1 - drift and 1 + drift.
    offset, noise : mapping of layer name to float
        As in `BoxMap`.
    together : bool
        Whether a unit hears the outputs of a Softmax layer of one time.
    """

    staleness: float
    drift: float = 0.0
    offset: Mapping[str, float] = field(default_factory=dict)
    noise: Mapping[str, float] = field(default_factory=dict)
    together: bool = False

    @classmethod
    def of(
        cls, net: Network, staleness: Any, drift: Any, offset: Any, noise: Any, together: Any
    ) -> Executions:
        """Validate what a user gives."""
        return cls(
            checks.number("staleness", staleness, at_least=0.0, at_most=checks.LARGEST),
            checks.number("drift", drift, at_least=0.0, below=1.0),
            _per_layer(net, "offset", offset),
            _per_layer(net, "noise", noise),
            checks.flag("together", together),
        )


def _per_layer(net: Network, what: str, value: Any) -> dict[str, float]:
    """A number for every layer, or those of a mapping."""
    given = value if isinstance(value, Mapping) else dict.fromkeys(net.layers, value)
    for name in given:
        if name not in net.layers:
            raise ValueError(f"{what} names layer {name!r}; there are {', '.join(net.layers)}")
    return {
        name: checks.number(f"{what} of layer {name!r}", x, at_least=0.0, at_most=checks.LARGEST)
        for name, x in given.items()
    }


@dataclass(frozen=True)
class _Known:
    """What is known before a step: the states then, and what may still be received."""

    map: BoxMap
    boxes: Boxes
    outputs: Boxes | None
    forces: Boxes | None

    def take(self, rows: Array) -> _Known:
        past = (None if x is None else x.take(rows) for x in (self.outputs, self.forces))
        return _Known(self.map.take(rows), self.boxes.take(rows), *past)


class Tube:
    """Boxes of the states of all layers at one time, and of what may still be received.

    Parameters
    ----------
    problem : CertificationProblem
        With a box of its own for every layer; executions start in `problem.start`.
    executions : Executions
    unit : float
        The base step. Times are whole multiples of it, so that they are exact.
    """

    def __init__(self, problem: CertificationProblem, executions: Executions, unit: float) -> None:
        net = problem.map.net
        self.map = problem.map.disturbed(executions.offset, executions.noise)
        self.unit, self.now, self.drives = unit, 0, 0
        self._executions = executions
        self._dynamic = tuple(n for n in self.map.order if not net.layers[n].algebraic)
        self._algebraic = tuple(n for n in self.map.order if net.layers[n].algebraic)
        self._means = self._weighted_means() if executions.together else {}
        self._paces: dict[int, dict[str, Box]] = {}
        # Whole steps that cover the staleness.
        length = int(-(-Fraction(executions.staleness) // Fraction(unit)))
        self._states, self._outputs, self._forces = (Window(length) for _ in range(3))
        start = self._with_algebraic(problem.start)
        # Copies: read-only arrays are of another type, for which all would be compiled once more.
        self.boxes = Boxes({name: (low.copy(), high.copy()) for name, (low, high) in start.items()})
        self.last = self.boxes
        self._before, self._stride = self.boxes, 1
        self._remember(1, self.boxes)  # registers may hold it until the age of its end is too large

    def _weighted_means(self) -> dict[str, tuple[str, int, WeightedMean]]:
        """By a name of their own: target, position and force of the links of softmax layers."""
        found = {}
        for target, links in self.map.links.items():
            for position, link in enumerate(links):
                lagrangian = self.map.net.layers[link.source].lagrangian
                if isinstance(lagrangian, Softmax) and target not in self.map.winners:
                    mean = WeightedMean(link, lagrangian.beta)
                    found[f"{target}/{position}"] = target, position, mean
        return found

    def _with_algebraic(self, start: Boxes) -> Boxes:
        """The start, with that of algebraic layers widened to what they will be at once."""
        boxes = Boxes(start)
        self._drive(boxes, _Known(self.map, boxes, None, None))
        widened = start.of(self._algebraic).hull(boxes.of(self._algebraic))
        return Boxes({**start, **widened})

    @property
    def time(self) -> float:
        return self.now * self.unit

    def visited(self) -> Boxes:
        """All states within the staleness before now, and those now."""
        past = self._states.hull(self.now)
        return self.boxes if past is None else self.boxes.hull(past)

    def take(self, rows: Array) -> None:
        """Go on with some entries of the batch, by a mask."""
        if rows.all():  # after nearly every step, and the windows are long
            return
        self.map = self.map.take(rows)
        self.boxes, self.last = self.boxes.take(rows), self.last.take(rows)
        self._before = self._before.take(rows)
        for window in (self._states, self._outputs, self._forces):
            window.take(rows)

    @property
    def count(self) -> int:
        return len(self.boxes[self._dynamic[0]][0])

    def undelayed(self) -> tuple[BoxMap, Boxes]:
        """The map without delays and disturbance, and the boxes that it is of."""
        calm = replace(self.map.disturbed({}, {}), kept=self._dynamic)
        return calm, self.boxes.of(self._dynamic)

    @np.errstate(over="ignore", invalid="ignore")  # boxes that grow without end are not proven
    def step(self, stride: int = 1) -> Array:
        """Go on by some base steps; (batch,) whether the step is proven.

        Entries for which it is not have to be dropped before the next step.
        """
        from .compiled_intervals import moved

        paces, hulls = self._pace(stride), (x.hull(self.now) for x in (self._outputs, self._forces))
        drives, during, proven = self._enclosed(
            self._candidate(stride), _Known(self.map, self.boxes, *hulls), paces, _TRIES
        )
        after = {n: moved(*self.boxes[n], *x, *paces[n]) for n, x in drives.items()}
        self._before, self._stride = self.boxes, stride
        self.boxes = Boxes({**after, **during.of(self._algebraic)})
        self.last = during
        self.now += stride
        self._remember(self.now, self.last)
        return proven

    def _enclosed(
        self, trial: Boxes, known: _Known, paces: Mapping[str, Box], tries: int
    ) -> tuple[Boxes, Boxes, Array]:
        """What drives units, the states within the step, and whether the candidate holds them.

        Where it does not, larger ones are tried.
        """
        from .compiled_intervals import moved

        drives = self._drive(trial, known)
        during = trial.of(self._algebraic)
        for n, (_, most) in paces.items():
            during[n] = moved(*known.boxes[n], *drives[n], np.zeros_like(most), most)
        proven = _inside(during.of(self._dynamic), trial)
        if not proven.all() and tries > 1:
            again = ~proven
            larger = _larger(*(x.take(again) for x in (trial, during, known.boxes)))
            found = self._enclosed(larger, known.take(again), paces, tries - 1)
            drives, during = drives.put(again, found[0]), during.put(again, found[1])
            proven[again] = found[2]
        return drives, during, proven

    def _remember(self, end: int, states: Boxes) -> None:
        self._states.add(end, states)
        self._outputs.add(end, Boxes({n: self.map.activate(n, x) for n, x in states.items()}))
        self._forces.add(end, self._heard(states))

    def _heard(self, states: Boxes) -> Boxes:
        """Forces of softmax layers whose shares are heard together."""
        return Boxes(
            {
                key: mean.bounds(states[mean.link.source])
                for key, (_, _, mean) in self._means.items()
            }
        )

    def _drive(self, trial: Boxes, known: _Known) -> Boxes:
        """What drives the dynamic layers, whatever is received of a trial and of the past.

        The boxes of algebraic layers in `trial` are replaced by what they are.
        """
        self.drives += 1
        sent, drives = Boxes(), Boxes()
        for name in (*self._dynamic, *self._algebraic):
            if name in self._algebraic:
                trial[name] = self._receive(name, sent, trial, known)
            active = known.map.activate(name, trial[name])
            sent[name] = known.map.send(name, _hull(active, known.outputs, name))
        for name in self._dynamic:
            drives[name] = self._receive(name, sent, trial, known)
        return drives

    def _receive(self, name: str, sent: Boxes, trial: Boxes, known: _Known) -> Box:
        heard = {}
        for key, (target, position, mean) in self._means.items():
            if target != name:
                continue
            source = mean.link.source
            centre, radius = middle(*_hull(mean.bounds(trial[source]), known.forces, key))
            if offset := known.map.offset.get(source, 0.0):
                missed = np.full_like(trial[source][0], offset)
                radius = (radius + mean.link.spread(missed)) * (1 + 4 * EPS)
            heard[position] = centre, radius
        return known.map.receive(name, sent, heard)

    def _pace(self, stride: int) -> dict[str, Box]:
        """By layer, how far units move in a step of the way to where they are driven."""
        if stride not in self._paces:
            layers, drift = self.map.net.layers, self._executions.drift
            self._paces[stride] = {
                n: pace(layers[n].tau, layers[n].leak, stride * self.unit, drift)
                for n in self._dynamic
            }
        return self._paces[stride]

    def _candidate(self, stride: int) -> Boxes:
        """A guess of the states during a step, from how far the last one went."""
        from .compiled_intervals import candidate

        trial, ahead = Boxes(self.boxes), _AHEAD * stride / self._stride
        for n, (_, most) in self._pace(stride).items():
            ends = *self.boxes[n], *self._before[n], *self.last[n]
            trial[n] = candidate(*ends, most, ahead, _LEAST, _SLACK)
        return trial


def pace(tau: Array, leak: float, time: float, drift: float) -> Box:
    """1 - exp(-leak time / tau) for the slowest and the fastest clock, rounded outwards."""
    least, most = (-np.expm1(-leak * time * rate / tau) for rate in (1 - drift, 1 + drift))
    slack = 16 * EPS
    return np.clip(least * (1 - slack) - TINY, 0, 1), np.clip(most * (1 + slack) + TINY, 0, 1)


def _larger(trial: Boxes, during: Boxes, before: Boxes) -> Boxes:
    """A candidate that also holds what drove states out of the last one, and more."""
    larger = Boxes()
    for name, (low, high) in during.items():
        lo, hi = before[name]
        margin = _LEAST * _size(lo, hi)
        larger[name] = (
            np.minimum(trial[name][0], low - _BEYOND * (lo - low) - margin),
            np.maximum(trial[name][1], high + _BEYOND * (high - hi) + margin),
        )
    return larger


def _inside(inner: Boxes, outer: Boxes) -> Array:
    """Whether boxes lie in the interior of others; (batch,). NaN does not."""
    each = [((lo > outer[n][0]) & (hi < outer[n][1])).all(axis=1) for n, (lo, hi) in inner.items()]
    return np.asarray(np.logical_and.reduce(each))


def _hull(box: Box, others: Boxes | None, name: str) -> Box:
    if others is None:
        return box
    lo, hi = others[name]
    return np.minimum(box[0], lo), np.maximum(box[1], hi)


def _size(lo: Array, hi: Array) -> Array:
    """The largest state of each entry of the batch; above 0."""
    return np.asarray(np.maximum(-lo, hi).max(axis=1, keepdims=True) + 1e-30)
