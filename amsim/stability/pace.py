"""How fast boxes grow: how many steps of a growth are taken at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..lagrangians import SimplexLagrangian
from ..synapses import Array
from .boxes import Boxes
from .intervals import BoxMap

_BEYOND, _FARTHEST = 1.2, 20.0  # of the estimated rest of a growth; steps at once
_SMALL = 1e-2  # first steps to leap over, of a box's width
_CLOSED = 0.1  # of the first step: what is left of a growth that a leap has all but ended


@dataclass
class Pace:
    """The pace at which the boxes of some cues grow.

    Steps that shrink by a factor q add up to 1 / (1 - q) times the next one (Aitken). Those of one
    layer that get longer again after that (`slowed`) mostly end in boxes without a certificate,
    which should not take long; what goes to and fro between layers varies by itself.

    Shares multiply: where a box is larger by s, its image is beyond the first box by g exp(k s),
    roughly. That is at most s for some s only if it is for s = e g. So small first steps are taken
    e times at once (`leapt`). Boxes that this does not nearly close are not closed by other steps;
    they go 4 e g further, where their images have grown exp(4) times or more and tell.
    """

    alone: bool
    shares: bool
    last: Array  # what to compare the next step with; (batch,)
    slowed: Array
    leapt: Array

    @classmethod
    def of(cls, boxmap: BoxMap, boxes: Boxes) -> Pace:
        """The pace of boxes that have not grown yet."""
        count, alone = len(next(iter(boxes.values()))[0]), len(boxes) == 1
        layers = boxmap.net.layers.values()
        shares = alone and any(isinstance(x.lagrangian, SimplexLagrangian) for x in layers)
        return cls(alone, shares, np.zeros(count), np.zeros(count, bool), np.zeros(count, bool))

    def keep(self, going: Array) -> None:
        """Forget the other cues."""
        self.last, self.slowed, self.leapt = (
            x[going] for x in (self.last, self.slowed, self.leapt)
        )

    def leap(self, growth: Array, boxes: Boxes) -> Array:
        """By how many times a small first growth boxes should grow, (batch,); else 0."""
        self.leapt = growth < _SMALL * boxes.width()
        self.last = np.where(self.leapt, growth, 0.0)
        return math.e * self.leapt

    def steps(self, growth: Array) -> Array:
        """By how many times what their images add boxes should grow, (batch,)."""
        ratio = np.divide(growth, self.last, where=self.last > 0, out=np.full_like(growth, -np.inf))
        slowed = self.slowed | self.leapt | ((ratio > 0) & (ratio < 1))
        rest = _BEYOND / np.maximum(1 - ratio, _BEYOND / _FARTHEST)
        if self.leapt.any():
            after = np.where(ratio < _CLOSED, _BEYOND * math.e, 4 * math.e / ratio)
            rest = np.where(self.leapt, after, rest)
            self.leapt = np.zeros_like(self.leapt)
        steps = np.where(slowed, np.maximum(rest, 1.0), 1.0)
        self.last = np.where(steps > 1, 0.0, growth)
        if self.alone:
            self.slowed = slowed
        return steps
