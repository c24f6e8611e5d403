"""Forces of softmax layers whose shares are heard together: weighted means of weights.

With all shares of one time the force on unit i is sum_mu W_i,mu e_mu / sum_mu e_mu, where
e = exp(beta h). Over a box of h it is greatest where e_mu is greatest for the W_i,mu above some
threshold and least for the others: its derivative by e_mu has the sign of W_i,mu minus the mean.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..synapses import Array
from .boxes import EPS, Box
from .links import Link
from .outward import middle, softmax_bounds, widened

_WIDE = 600.0  # exponents that far apart are not taken as they are


class WeightedMean:
    """The force of one link that starts at a softmax layer, over boxes of that layer's states."""

    def __init__(self, link: Link, beta: float) -> None:
        self.link, self.beta = link, beta

    def bounds(self, box: Box) -> Box:
        """Least and greatest force on each target, rounded outwards; (batch, targets)."""
        lo, hi = box
        peak = hi.max(axis=1, keepdims=True)
        spread = self.beta * (peak[:, 0] - lo.min(axis=1))
        least, most = (np.exp(self.beta * (x - peak)) for x in box)
        low, high = self._least_and_greatest(least, most)
        # 2 eps per unit of an exponent, one per term of a sum, a few for what remains.
        rounding = self.link.largest * 8 * (lo.shape[1] + 8) * EPS * (1 + spread)
        low, high = widened((low, high), rounding[:, None])
        if (far := ~(spread < _WIDE)).any():
            low[far], high[far] = self._plain((lo[far], hi[far]))
        return low, high

    @cached_property
    def _weights(self) -> Array:
        """(sources, targets)."""
        weights = self.link.weights if self.link.back else self.link.weights.T
        return np.asarray(weights, np.float64)

    @cached_property
    def _descending(self) -> tuple[Array, Array]:
        """For each target, the sources by falling weight, and these weights; (sources, targets)."""
        order = np.argsort(-self._weights, axis=0)
        return order, np.take_along_axis(self._weights, order, axis=0)

    @cached_property
    def _signs(self) -> tuple[float, Array, Array] | None:
        """The size of all weights, and where they are positive and negative, if they have one."""
        size = float(np.abs(self._weights).max())
        if size == 0 or (np.abs(self._weights) != size).any():
            return None
        return size, (self._weights > 0).astype(float), (self._weights < 0).astype(float)

    @np.errstate(divide="ignore", invalid="ignore", under="ignore")  # what is far is replaced
    def _least_and_greatest(self, least: Array, most: Array) -> Box:
        if self._signs is not None:
            size, positive, negative = self._signs
            ends = []
            for above, below in ((least, most), (most, least)):
                up, down = above @ positive, below @ negative
                ends.append(size * (up - down) / (up + down))
            return ends[0], ends[1]
        return -self._greatest(least, most, -1), self._greatest(least, most, 1)

    def _greatest(self, least: Array, most: Array, sign: int) -> Array:
        """The greatest mean of sign * weights, over the thresholds between them."""
        order, weights = self._descending
        if sign < 0:
            order, weights = order[::-1], -weights[::-1]
        above, below = most[:, order], least[:, order]  # (batch, sources, targets)
        parts = [_split(above * weights, below * weights), _split(above, below)]
        return np.asarray((parts[0] / parts[1]).max(axis=1))

    def _plain(self, box: Box) -> Box:
        """What holds without hearing the shares together."""
        centre, radius = middle(*softmax_bounds(self.beta, *box))
        force = self.link.product(centre)
        amount = self.link.spread(radius) + 4 * self.link.error(centre)[:, None]
        return widened((force, force), amount + 4 * EPS * np.abs(force))


def _split(above: Array, below: Array) -> Array:
    """Sums of the first k of `above` and the others of `below`, k = 1, 2, ..., along axis 1."""
    first = np.cumsum(above, axis=1)
    rest = np.cumsum(below[:, ::-1], axis=1)[:, ::-1]
    first[:, :-1] += rest[:, 1:]
    return first
