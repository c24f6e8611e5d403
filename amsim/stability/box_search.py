"""Boxes that grow until they contain their image, then shrink until the update contracts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..synapses import Array
from .boxes import LARGEST, Boxes
from .certification_problem import CertificationProblem, Scope
from .contraction import contraction, nearby, residual
from .intervals import Image

_PASSES = 200
_STALLED = 0.99  # give up if no unit's box shrinks below this fraction of its width
_BEYOND, _FARTHEST = 1.2, 20.0  # of the estimated rest of a growth; steps at once
_NARROW = 1e-9  # width, relative to max(1, states), of a box that may be all rounding
OPEN, HOLDS, STUCK, GROWS, INEXACT = range(5)
REASONS = {
    STUCK: "the smallest box of cue and target does not shrink to the target",
    GROWS: f"no invariant box of cue and target was found in {_PASSES} images",
    INEXACT: "the fixed point may be farther from the target than the tolerance; take the last "
    "state of a longer run as the target",
}


@dataclass
class BoxSearch:
    """Boxes of all cues at once: they grow until invariant, then shrink until contracting."""

    problem: CertificationProblem
    scope: Scope
    limit: float  # how far the fixed point may be from the target, as `problem.off` measures
    found: Boxes = field(default_factory=Boxes)
    moved: dict[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = self.problem.count
        self.outcome = np.full(count, OPEN)
        self.iterations = np.zeros(count, np.int64)
        self.margin = np.full(count, -np.inf)
        self.distance = np.full(count, np.inf)

    @np.errstate(over="ignore", invalid="ignore")  # boxes that grow without end
    def run(self) -> None:
        waiting: list[tuple[Array, Boxes]] = []
        for rows, image, invariant in self._grow():
            rows = rows[invariant]
            part = self.problem.take(_mask(rows, self.problem.count))
            smaller = image.new.take(invariant).meet(image.given.take(invariant), part.target)
            if self.iterations[rows[0]] == 1:  # easy cues need no further image
                self._judge(rows, part, image.take(invariant), smaller)
                going = self.outcome[rows] == OPEN
                rows, smaller = rows[going], smaller.take(going)
            waiting.append((rows, smaller))
        self._shrink(waiting)

    def _grow(self) -> Iterator[tuple[Array, Image, Array]]:
        """Cues, their images, and which of them have an invariant box by now.

        Those that get none get their outcome.
        """
        problem = self.problem
        rows, boxmap = np.arange(problem.count), problem.map
        boxes = problem.start.hull(problem.target)
        last, slowed = np.zeros(problem.count), np.zeros(problem.count, bool)
        tried, plain = boxes.with_margin(), False  # easy cues are done with this one
        for left in reversed(range(_PASSES)):
            image = boxmap.image(tried)
            self.iterations[rows] += 1
            growth = boxes.growth(image.new)
            invariant = growth <= 0 if plain else image.new.within(tried)
            going = ~invariant
            if plain:  # the margin may be what is in the way
                stuck = within_images(boxes, image.new)
                self.outcome[rows[going & stuck]] = STUCK
                endless = ~(growth < LARGEST) | (left == 0)
                self.outcome[rows[going & endless]] = GROWS
                going &= ~(stuck | endless)
            if not going.all():
                self._keep(rows, image.states, ~going)
            if invariant.any():
                yield rows, image, invariant
            if not going.any():
                return
            rows, boxmap, boxes = rows[going], boxmap.take(going), boxes.take(going)
            growth, last, slowed = growth[going], last[going], slowed[going]
            if plain:
                steps, last, slowed = _steps(growth, last, slowed)
                slowed &= len(boxes) == 1  # what goes to and fro between layers varies by itself
                boxes = boxes.grow(image.new.take(going), steps)
            tried, plain = boxes, True

    def _shrink(self, waiting: list[tuple[Array, Boxes]]) -> None:
        """Take images until the update contracts."""
        if not waiting:
            return
        rows = np.concatenate([each for each, _ in waiting])
        boxes, part = Boxes.joined([each for _, each in waiting]), self.problem.take(rows)
        for _ in range(_PASSES):
            if not len(rows):
                return
            image = part.map.image(boxes)
            self.iterations[rows] += 1
            smaller = image.new.meet(boxes, part.target)
            self._judge(rows, part, image, smaller)
            going = self.outcome[rows] == OPEN
            boxes, rows, part = smaller.take(going), rows[going], part.take(going)
        self.outcome[rows] = STUCK

    def residual(self) -> dict[str, Array]:
        """Of all targets at once: many cues need it, at different times."""
        if not self.moved:  # no property that is cached: before Python 3.12 threads lock these
            self.moved = residual(self.problem)
        return self.moved

    def _keep(self, rows: Array, states: Boxes, grown: Array) -> None:
        """Remember boxes that grow no more, before they shrink."""
        if grown.all() and not self.found:
            self.found = states
            return
        for name, (lo, hi) in states.items():
            shape = (self.problem.count, lo.shape[1])
            kept = self.found.setdefault(name, (np.empty(shape), np.empty(shape)))
            kept[0][rows[grown]], kept[1][rows[grown]] = lo[grown], hi[grown]

    def _judge(self, rows: Array, part: CertificationProblem, image: Image, smaller: Boxes) -> None:
        """Settle the outcome of the cues, with an invariant box, that need no further image."""
        factor = contraction(part.map, image)
        proven = factor < 1
        far = np.full_like(factor, np.inf)
        if proven.any() and not part.map.is_disturbed:  # disturbed boxes never shrink to a point
            there = part.take(proven)
            far[proven] = there.off(there.reached(image.new.take(proven)))
        vague = proven & ~(far <= self.limit)
        if vague.any():
            off = {name: moved[rows[vague]] for name, moved in self.residual().items()}
            bound = nearby(part.take(vague), off, image.given.take(vague), factor[vague])
            far[vague] = np.minimum(far[vague], part.take(vague).off(bound))
        self.margin[rows], self.distance[rows] = 1 - factor, far
        holds = proven & (far <= self.limit)
        self.outcome[rows[holds]] = HOLDS
        if not holds.all():
            stalled = ~holds & (_best_shrinking(image.given, smaller) > _STALLED)
            self.outcome[rows[stalled]] = np.where(proven[stalled], INEXACT, STUCK)


def _mask(rows: Array, count: int) -> NDArray[np.bool_]:
    """Which of the cues are in `rows`."""
    found = np.zeros(count, bool)
    found[rows] = True
    return found


def within_images(boxes: Boxes, new: Boxes) -> Array:
    """Whether boxes lie in their images: then larger boxes never shrink below them; (batch,)."""
    inside = boxes.within(new)
    if inside.any():
        inside &= boxes.width() > _NARROW * np.maximum(1.0, boxes.reach())
    return inside


def _steps(growth: Array, last: Array, slowed: Array) -> tuple[Array, Array, Array]:
    """How many steps of a growth to take at once, what to compare the next with, and `slowed`.

    Steps that shrink by a factor q add up to 1 / (1 - q) times the next one (Aitken). Those of one
    layer that get longer again after that (`slowed`) mostly end in boxes without a certificate,
    which should not take long. An invariant box is one, however it was found.
    """
    ratio = np.divide(growth, last, where=last > 0, out=np.full_like(growth, -np.inf))
    slowed = slowed | ((ratio > 0) & (ratio < 1))
    rest = _BEYOND / np.maximum(1 - ratio, _BEYOND / _FARTHEST)
    steps = np.where(slowed, np.maximum(rest, 1.0), 1.0)
    return steps, np.where(steps > 1, 0.0, growth), slowed


def _best_shrinking(old: Boxes, new: Boxes) -> Array:
    """The smallest ratio of new to old widths, but for units that hardly have one; (batch,)."""
    ratios = []
    for name, (lo, hi) in old.items():
        width = hi - lo
        wide = width > 1e-9 * width.max(axis=1, keepdims=True)
        shrunk = np.divide(new[name][1] - new[name][0], width, where=wide, out=np.ones_like(width))
        ratios.append(shrunk.min(axis=1))
    return np.asarray(np.min(ratios, axis=0))
