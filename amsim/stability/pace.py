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


@dataclass
class Pace:
    """The pace at which the boxes of some cues grow.

    Steps that shrink by a factor q add up to 1 / (1 - q) times the next one (Aitken). Those of one
    layer that get longer again after that (`slowed`) mostly end in boxes without a certificate,
    which should not take long; what goes to and fro between layers varies by itself.

    Shares multiply: where a box is larger by s, its image is beyond the first box by g exp(k s),
    roughly. That is at most s for some s only if it is for s = e g. So small first steps are taken
    e times at once (`leapt`). Shares that saturate, and other units that begin to grow, are not
    like that: boxes that this does not close go on from there where their images are nearer than
    before, and else begin again.
    """

    alone: bool
    shares: bool
    last: Array  # what to compare the next step with; (batch,)
    slowed: Array
    leapt: Array  # small first steps, since the leap over them; else 0

    @classmethod
    def of(cls, boxmap: BoxMap, boxes: Boxes) -> Pace:
        """The pace of boxes that have not grown yet."""
        count, alone = len(next(iter(boxes.values()))[0]), len(boxes) == 1
        layers = boxmap.net.layers.values()
        shares = alone and any(isinstance(x.lagrangian, SimplexLagrangian) for x in layers)
        return cls(alone, shares, np.zeros(count), np.zeros(count, bool), np.zeros(count))

    def keep(self, going: Array) -> None:
        """Forget the other cues."""
        self.last, self.slowed, self.leapt = (
            x[going] for x in (self.last, self.slowed, self.leapt)
        )

    def leap(self, growth: Array, boxes: Boxes) -> Array:
        """By how many times a small first growth boxes should grow, (batch,); else 0."""
        self.leapt = np.where(growth < _SMALL * boxes.width(), growth, 0.0)
        return math.e * (self.leapt > 0)

    def overshot(self, growth: Array) -> Array:
        """Which boxes have just leapt to where their images are no nearer, (batch,)."""
        nearer, leapt = growth < self.leapt, self.leapt > 0
        self.slowed |= nearer
        self.leapt = np.zeros_like(self.leapt)
        return leapt & ~nearer

    def steps(self, growth: Array) -> Array:
        """By how many times what their images add boxes should grow, (batch,)."""
        ratio = np.divide(growth, self.last, where=self.last > 0, out=np.full_like(growth, -np.inf))
        slowed = self.slowed | ((ratio > 0) & (ratio < 1))
        rest = _BEYOND / np.maximum(1 - ratio, _BEYOND / _FARTHEST)
        steps = np.where(slowed, np.maximum(rest, 1.0), 1.0)
        self.last = np.where(steps > 1, 0.0, growth)
        if self.alone:
            self.slowed = slowed
        return steps
