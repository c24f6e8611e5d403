"""Boxes that grow until they contain their image, then shrink until the update contracts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ..synapses import Array
from .boxes import LARGEST, Boxes
from .certification_problem import CertificationProblem, Scope
from .contraction import contraction, nearby, residual
from .intervals import Image
from .pace import Pace

_PASSES = 200
_STALLED = 0.99  # give up if no unit's box shrinks below this fraction of its width
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
    closed: list[tuple[Array, Image]] = field(default_factory=list)  # cues, their images in boxes
    waiting: list[tuple[Array, Boxes]] = field(default_factory=list)  # cues, their next boxes

    def __post_init__(self) -> None:
        count = self.problem.count
        self.outcome = np.full(count, OPEN)
        self.iterations = np.zeros(count, np.int64)
        self.margin = np.full(count, -np.inf)
        self.distance = np.full(count, np.inf)

    @np.errstate(over="ignore", invalid="ignore")  # boxes that grow without end
    def run(self) -> None:
        for rows, image, invariant in self._grow():
            rows = rows[invariant]
            if self.iterations[rows[0]] == 1:  # easy cues need no further image
                self.closed.append((rows, image.take(invariant)))
            else:
                given, new = image.given.take(invariant), image.new.take(invariant)
                self.waiting.append((rows, self._smaller(rows, given, new)))
        if self.waiting:
            rows, boxes = self.waiting.pop()
            self.closed.append((rows, self._image(rows, boxes)))
        if self.closed:
            rows = np.concatenate([each for each, _ in self.closed])
            self._shrink(rows, Image.joined([each for _, each in self.closed]))

    def _grow(self) -> Iterator[tuple[Array, Image, Array]]:
        """Cues, their images, and which of them have an invariant box by now.

        Those that get none get their outcome.
        """
        rows, boxes = np.arange(self.problem.count), _smallest(self.problem)
        pace = Pace.of(self.problem.map, boxes)
        tried, plain = boxes.with_margin(), False  # easy cues are done with this one
        for left in reversed(range(_PASSES)):
            image = self._image(rows, tried)
            growth = boxes.growth(image.new)
            invariant = growth <= 0 if plain else image.new.within(tried)
            going = ~invariant
            if plain:  # the margin may be what is in the way, or a leap
                settled = pace.leapt == 0
                stuck = settled & within_images(boxes, image.new)
                self.outcome[rows[going & stuck]] = STUCK
                endless = settled & ~(growth < LARGEST) | (left == 0)
                self.outcome[rows[going & endless]] = GROWS
                going &= ~(stuck | endless)
            if not going.all():
                self._keep(rows, image.states, ~going)
            if invariant.any():
                yield rows, image, invariant
            if not going.any():
                return
            rows, growth = rows[going], growth[going]
            boxes, new = boxes.take(going), image.new.take(going)
            pace.keep(going)
            if plain:
                back = pace.overshot(growth)
                boxes = boxes.grow(new, pace.steps(np.where(back, 0.0, growth)))
                if back.any():
                    boxes = boxes.put(back, _smallest(self.problem.take(rows[back])))
            elif pace.shares:
                boxes = boxes.grow(new, pace.leap(growth, boxes))
            tried, plain = boxes, True

    def _shrink(self, rows: Array, image: Image) -> None:
        """Take images until the update contracts."""
        for _ in range(_PASSES):
            smaller = self._smaller(rows, image.given, image.new)
            self._judge(rows, image, smaller)
            going = self.outcome[rows] == OPEN
            if not going.any():
                return
            rows = rows[going]
            image = self._image(rows, smaller.take(going))
        self.outcome[rows] = STUCK

    def _smaller(self, rows: Array, given: Boxes, new: Boxes) -> Boxes:
        return new.meet(given, self.problem.target.take(rows))

    def _image(self, rows: Array, boxes: Boxes) -> Image:
        """The image of boxes, and in passing of those that wait for theirs: one takes less time."""
        waiting, self.waiting = self.waiting, []
        others = np.concatenate([rows, *(each for each, _ in waiting)])
        self.iterations[others] += 1
        image = self.problem.map.take(others).image(
            Boxes.joined([boxes, *(each for _, each in waiting)])
        )
        if not waiting:
            return image
        image, other = image.split(len(rows))
        self.closed.append((others[len(rows) :], other))
        return image

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
        chosen = grown.nonzero()[0]
        rows = rows[chosen]
        for name, (lo, hi) in states.items():
            shape = (self.problem.count, lo.shape[1])
            kept = self.found.setdefault(name, (np.empty(shape), np.empty(shape)))
            kept[0][rows], kept[1][rows] = lo.take(chosen, axis=0), hi.take(chosen, axis=0)

    def _judge(self, rows: Array, image: Image, smaller: Boxes) -> None:
        """Settle the outcome of the cues, with an invariant box, that need no further image."""
        part = self.problem.take(rows)
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


def _smallest(problem: CertificationProblem) -> Boxes:
    """The smallest boxes that hold start and target."""
    return problem.start.hull(problem.target)


def within_images(boxes: Boxes, new: Boxes) -> Array:
    """Whether boxes lie in their images: then larger boxes never shrink below them; (batch,)."""
    inside = boxes.within(new)
    if inside.any():
        few = boxes.take(inside)
        inside[inside] = few.width() > _NARROW * np.maximum(1.0, few.reach())
    return inside


def _best_shrinking(old: Boxes, new: Boxes) -> Array:
    """The smallest ratio of new to old widths, but for units that hardly have one; (batch,)."""
    ratios = []
    for name, (lo, hi) in old.items():
        width = hi - lo
        wide = width > 1e-9 * width.max(axis=1, keepdims=True)
        shrunk = np.divide(new[name][1] - new[name][0], width, where=wide, out=np.ones_like(width))
        ratios.append(shrunk.min(axis=1))
    return np.asarray(np.min(ratios, axis=0))
