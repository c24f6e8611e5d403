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
        self._extension: Boxes | None = None
        # Whole steps that cover the staleness.
        length = int(-(-Fraction(executions.staleness) // Fraction(unit)))
        self._states, self._outputs, self._forces = (Window(length) for _ in range(3))
        self.boxes = self._with_algebraic(problem.start)
        self.last = self.boxes
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
        self._drive(boxes, None, None)
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
        if self._extension is not None:
            self._extension = self._extension.take(rows)
        for window in (self._states, self._outputs, self._forces):
            window.take(rows)

    def image(self) -> tuple[Boxes, Boxes]:
        """The states of the dynamic layers, and their image without delays and disturbance."""
        calm, own = self.map.disturbed({}, {}), self.boxes.of(self._dynamic)
        return own, replace(calm, kept=self._dynamic).image(own).new

    @np.errstate(over="ignore", invalid="ignore")  # boxes that grow without end are not proven
    def step(self, stride: int = 1) -> Array:
        """Go on by some base steps; (batch,) whether the step is proven.

        Entries for which it is not have to be dropped before the next step.
        """
        outputs, forces = self._outputs.hull(self.now), self._forces.hull(self.now)
        paces, trial = self._pace(stride), self._candidate(stride)
        for _ in range(_TRIES):
            drives = self._drive(trial, outputs, forces)
            moves = {n: _moves(self.boxes[n], drives[n], paces[n]) for n in self._dynamic}
            during = Boxes({n: boxes for n, (boxes, _) in moves.items()})
            proven = _inside(during, trial)
            if proven.all():
                break
            trial = trial.where(proven, self._larger(trial, during))
        self._extension = Boxes(
            {n: _beyond(self.boxes[n], during[n], stride) for n in self._dynamic}
        )
        algebraic = trial.of(self._algebraic)
        after = {n: boxes for n, (_, boxes) in moves.items()}
        self.boxes = Boxes({**after, **algebraic})
        self.last = Boxes({**during, **algebraic})
        self.now += stride
        self._remember(self.now, self.last)
        return proven

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

    def _drive(self, trial: Boxes, outputs: Boxes | None, forces: Boxes | None) -> Boxes:
        """What drives the dynamic layers, whatever is received of a trial and of the past.

        The boxes of algebraic layers in `trial` are replaced by what they are.
        """
        self.drives += 1
        sent, drives = Boxes(), Boxes()
        for name in (*self._dynamic, *self._algebraic):
            if name in self._algebraic:
                trial[name] = self._receive(name, sent, trial, forces)
            active = self.map.activate(name, trial[name])
            sent[name] = self.map.send(name, _hull(active, outputs, name))
        for name in self._dynamic:
            drives[name] = self._receive(name, sent, trial, forces)
        return drives

    def _receive(self, name: str, sent: Boxes, trial: Boxes, forces: Boxes | None) -> Box:
        heard = {}
        for key, (target, position, mean) in self._means.items():
            if target != name:
                continue
            source = mean.link.source
            centre, radius = middle(*_hull(mean.bounds(trial[source]), forces, key))
            if offset := self.map.offset.get(source, 0.0):
                missed = np.full_like(trial[source][0], offset)
                radius = (radius + mean.link.spread(missed)) * (1 + 4 * EPS)
            heard[position] = centre, radius
        return self.map.receive(name, sent, heard)

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
        paces, trial = self._pace(stride), Boxes(self.boxes)
        for name in self._dynamic:
            lo, hi = self.boxes[name]
            down, up = (0.0, 0.0) if self._extension is None else self._extension[name]
            margin = (_LEAST + _SLACK * paces[name][1]) * _size(lo, hi)
            ahead = _AHEAD * stride
            trial[name] = lo - ahead * down - margin, hi + ahead * up + margin
        return trial

    def _larger(self, trial: Boxes, during: Boxes) -> Boxes:
        """A candidate that also holds what drove states out of the last one, and more."""
        larger = Boxes(trial)
        for name, (low, high) in during.items():
            lo, hi = self.boxes[name]
            margin = _LEAST * _size(lo, hi)
            larger[name] = (
                np.minimum(trial[name][0], low - _BEYOND * (lo - low) - margin),
                np.maximum(trial[name][1], high + _BEYOND * (high - hi) + margin),
            )
        return larger


def pace(tau: Array, leak: float, time: float, drift: float) -> Box:
    """1 - exp(-leak time / tau) for the slowest and the fastest clock, rounded outwards."""
    least, most = (-np.expm1(-leak * time * rate / tau) for rate in (1 - drift, 1 + drift))
    slack = 16 * EPS
    return np.clip(least * (1 - slack) - TINY, 0, 1), np.clip(most * (1 + slack) + TINY, 0, 1)


def _moves(box: Box, drive: Box, paces: Box) -> tuple[Box, Box]:
    """States within a step, and at its end: units move towards where they are driven.

    A bound that moves outwards goes the most, one that moves inwards the least. Each is rounded
    outwards, x + p (f - x), 0 <= p <= 1, by three operations on |x| + |f|.
    """
    (lo, hi), (low, high), (least, most) = box, drive, paces
    down, up = low - lo, high - hi
    room = 4 * EPS * (np.abs(lo) + np.abs(low)) + TINY, 4 * EPS * (np.abs(hi) + np.abs(high)) + TINY
    far_down, far_up = most * down, most * up
    return (
        (lo + np.minimum(far_down, 0.0) - room[0], hi + np.maximum(far_up, 0.0) + room[1]),
        (
            lo + np.minimum(far_down, least * down) - room[0],
            hi + np.maximum(far_up, least * up) + room[1],
        ),
    )


def _inside(inner: Boxes, outer: Boxes) -> Array:
    """Whether boxes lie in the interior of others; (batch,). NaN does not."""
    each = [((lo > outer[n][0]) & (hi < outer[n][1])).all(axis=1) for n, (lo, hi) in inner.items()]
    return np.asarray(np.logical_and.reduce(each))


def _beyond(box: Box, during: Box, stride: int) -> Box:
    """How far a step went beyond its start, for each base step."""
    return np.maximum(box[0] - during[0], 0) / stride, np.maximum(during[1] - box[1], 0) / stride


def _hull(box: Box, others: Boxes | None, name: str) -> Box:
    if others is None:
        return box
    lo, hi = others[name]
    return np.minimum(box[0], lo), np.maximum(box[1], hi)


def _size(lo: Array, hi: Array) -> Array:
    """The largest state of each entry of the batch; above 0."""
    return np.asarray(np.maximum(-lo, hi).max(axis=1, keepdims=True) + 1e-30)
