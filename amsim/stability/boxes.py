"""Boxes of states: one interval per unit, for some layers and a batch of cues."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import reduce

import numpy as np

from ..synapses import Array

Box = tuple[Array, Array]

LARGEST = 1e30  # boxes beyond are given up
# Of outward rounding.
EPS = float(np.finfo(np.float64).eps)
TINY = 1e-200  # above everything that underflow can lose, and its products are normal numbers
_MARGIN = 1e-4
_CUT = 1e-3  # of a unit's width


class Boxes(dict[str, Box]):
    """Layer names to (lo, hi), each of shape (batch, units)."""

    @classmethod
    def points(cls, states: dict[str, Array]) -> Boxes:
        return cls({name: (state, state) for name, state in states.items()})

    @classmethod
    def joined(cls, parts: Sequence[Boxes]) -> Boxes:
        """The boxes of several batches as one."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            {
                name: (
                    np.concatenate([part[name][0] for part in parts]),
                    np.concatenate([part[name][1] for part in parts]),
                )
                for name in parts[0]
            }
        )

    def of(self, names: Iterable[str]) -> Boxes:
        """The boxes of some layers."""
        return Boxes({name: self[name] for name in names})

    def take(self, rows: Array) -> Boxes:
        """The boxes of some entries of the batch, by a mask or by numbers."""
        if rows.dtype == bool:
            if rows.all():
                return self
            rows = rows.nonzero()[0]
        taken = Boxes()
        for name, (lo, hi) in self.items():
            low = lo.take(rows, axis=0)  # faster than lo[rows]
            taken[name] = low, low if hi is lo else hi.take(rows, axis=0)
        return taken

    def split(self, count: int) -> tuple[Boxes, Boxes]:
        """The boxes of the first entries of the batch, and of the others."""
        return (
            Boxes({name: (lo[:count], hi[:count]) for name, (lo, hi) in self.items()}),
            Boxes({name: (lo[count:], hi[count:]) for name, (lo, hi) in self.items()}),
        )

    def put(self, rows: Array, other: Boxes) -> Boxes:
        """These boxes but for some entries of the batch, by a mask."""
        changed = Boxes()
        for name, box in self.items():
            changed[name] = lo, hi = box[0].copy(), box[1].copy()
            lo[rows], hi[rows] = other[name]
        return changed

    def within(self, outer: Boxes) -> Array:
        """Whether all layers lie in `outer`; shape (batch,)."""
        return self._every(
            lambda name, lo, hi: (lo >= outer[name][0]) & (hi <= outer[name][1]), np.logical_and
        )

    def hull(self, other: Boxes) -> Boxes:
        """The smallest boxes that contain both."""
        return Boxes(
            {
                name: (np.minimum(lo, other[name][0]), np.maximum(hi, other[name][1]))
                for name, (lo, hi) in self.items()
            }
        )

    def meet(self, other: Boxes, anchor: Boxes) -> Boxes:
        """What both contain, and the anchor."""
        return Boxes(
            {
                name: (
                    np.minimum(np.maximum(lo, other[name][0]), anchor[name][0]),
                    np.maximum(np.minimum(hi, other[name][1]), anchor[name][1]),
                )
                for name, (lo, hi) in self.items()
            }
        )

    def growth(self, new: Boxes) -> Array:
        """The largest distance by which `new` exceeds these boxes, shape (batch,)."""
        return self._every(
            lambda name, lo, hi: np.maximum(lo - new[name][0], new[name][1] - hi), np.maximum
        )

    def with_margin(self) -> Boxes:
        """These boxes and the margin of `grow` around them, on the same side of 0."""
        wider = Boxes()
        for name, (lo, hi) in self.items():
            margin = _MARGIN * (hi - lo).max(axis=1, keepdims=True)
            down, up = np.abs(lo), np.abs(hi)
            for part in (down, up):
                part /= 2
                np.minimum(part, margin, out=part)
            wider[name] = lo - down, hi + up
        return wider

    def grow(self, new: Boxes, steps: Array | float = 1.0) -> Boxes:
        """These boxes, grown towards the hull with `new` or beyond, and a little more there.

        `steps`, shape (batch,), is by how many times what `new` adds. The margin, a fraction of
        the layer's largest width, ends a growth that would only converge; it costs next to nothing
        in certified cues.
        """
        grown, steps = Boxes(), np.reshape(steps, (-1, 1))
        for name, (lo, hi) in self.items():
            down, up = np.maximum(lo - new[name][0], 0.0), np.maximum(new[name][1] - hi, 0.0)
            down *= steps
            up *= steps
            margin = _MARGIN * (hi - lo + down + up).max(axis=1, keepdims=True)
            grown[name] = lo - down - margin * (down > 0), hi + up + margin * (up > 0)
        return grown

    def cut(self, new: Boxes) -> Boxes:
        """What is in `new`, too, and a little less where that cuts; not empty."""
        cut = Boxes()
        for name, (lo, hi) in self.items():
            up, down = np.maximum(new[name][0] - lo, 0.0), np.maximum(hi - new[name][1], 0.0)
            centre, margin = (lo + up + hi - down) / 2, _CUT * (hi - lo)
            cut[name] = (
                np.minimum(lo + up + margin * (up > 0), centre),
                np.maximum(hi - down - margin * (down > 0), centre),
            )
        return cut

    def meets(self, other: Boxes) -> Array:
        """Whether the boxes of no layer are apart; (batch,)."""
        return self._every(
            lambda name, lo, hi: (lo <= other[name][1]) & (hi >= other[name][0]), np.logical_and
        )

    def where(self, chosen: Array, other: Boxes) -> Boxes:
        """These boxes where `chosen`, shape (batch,), the other ones elsewhere."""
        pick = chosen[:, None]
        return Boxes(
            {
                name: (np.where(pick, lo, other[name][0]), np.where(pick, hi, other[name][1]))
                for name, (lo, hi) in self.items()
            }
        )

    def reach(self) -> Array:
        """The largest absolute bound, shape (batch,); NaN where a bound is."""
        return self._every(lambda _, lo, hi: np.maximum(-lo, hi), np.maximum)

    def width(self) -> Array:
        """The largest width, shape (batch,)."""
        return self._every(lambda _, lo, hi: hi - lo, np.maximum)

    def deviation(self, centre: Boxes) -> Array:
        """The largest distance of any point from any of `centre`, shape (batch,)."""
        return self._every(
            lambda name, lo, hi: np.maximum(hi - centre[name][0], centre[name][1] - lo), np.maximum
        )

    def distance(self, points: Boxes) -> Array:
        """The largest distance of any of the `points` from these boxes, 0 inside; (batch,)."""
        return self._every(
            lambda name, lo, hi: np.maximum(
                np.maximum(lo - points[name][0], points[name][0] - hi), 0.0
            ),
            np.maximum,
        )

    def _every(self, of: Callable[[str, Array, Array], Array], fold: np.ufunc) -> Array:
        """Fold a value per unit over the units and layers."""
        return reduce(fold, (fold.reduce(of(n, lo, hi), axis=-1) for n, (lo, hi) in self.items()))
