"""Products of weights with boxes of activations, rounded outwards.

A product W g over a box c +- r is W c +- |W| r. Floating point adds an error of at most
gamma_n |W| |c| to W c and a relative one of gamma_n to |W| r, in any order of summation (Higham,
"Accuracy and Stability of Numerical Algorithms", 2002, section 3.1); both go into the radius.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ..synapses import Array, Directed, Pairwise, project, project_back
from .boxes import EPS, TINY

_BLOCK = 1 << 17  # entries of a matrix that stays in the cache
_FEW = 4


@dataclass(frozen=True, eq=False)
class Link:
    """One direction of a synapse; the weights are (sources, targets) if `back`."""

    source: str
    weights: Array
    back: bool
    largest: float
    sizes: Array | None  # |weight| per source, where it is the same for all targets
    kept: list[Array] = field(default_factory=list)  # |W|, if it is small

    @property
    def targets(self) -> int:
        return int(self.weights.shape[1 if self.back else 0])

    @property
    def relative_error(self) -> float:
        """At least gamma_n, with room for the few operations around the product."""
        return EPS * (int(self.weights.shape[0 if self.back else 1]) + 8)

    def product(self, x: Array) -> Array:
        return project_back(x, self.weights) if self.back else project(x, self.weights)

    def spread(self, radius: Array) -> Array:
        """|W| r from above; shape (batch, targets) or (batch, 1)."""
        if self.sizes is None:
            total = self._magnitude_product(radius)
        else:
            total = (radius @ self.sizes)[:, None]
        return total * (1 + 2 * self.relative_error) + TINY

    def spread_from_winner(self, radius: Array, winner: Array) -> Array:
        """|W - W_w| r from above, with W_w the weights of the winner; shape (batch, targets)."""
        if self.sizes is not None:
            # |a - b| = |a| - a sign(b) where |a| = |b|.
            own = self.weights[:, winner].T if self.back else self.weights[winner]
            total = self.spread(radius)
            moved = total - self.product(np.sign(own) * radius) + 4 * self.relative_error * total
            moved = np.maximum(moved, 0)
        else:
            from ..compiled.jit import announced
            from .compiled_intervals import difference_product

            with announced("certificates", difference_product):
                moved = difference_product(self.weights, self.back, winner, radius)
            moved = moved * (1 + 2 * self.relative_error) + TINY
        moved[np.arange(len(winner)), winner] = 0.0
        return np.asarray(moved)

    def error(self, centre: Array) -> Array:
        """What floating point may shift an entry of W c; shape (batch,)."""
        total = np.abs(centre).sum(axis=1) + TINY
        return np.asarray(self.relative_error * self.largest * total)

    def _magnitude_product(self, x: Array) -> Array:
        """|W| x."""
        if self.weights.size <= _BLOCK and not self.kept:
            ((_, block),) = _blocks(self.weights)
            self.kept.append(block if self.back else block.T)
        if self.kept:
            return _times(x, self.kept[0])
        out = np.zeros((len(x), self.targets))
        for rows, block in _blocks(self.weights):
            if self.back:
                out += _times(x[:, rows], block)
            else:
                out[:, rows] = _times(x, block.T)
        return out


def _times(x: Array, matrix: Array) -> Array:
    """x @ matrix; BLAS multiplies very few rows by a large matrix faster one by one."""
    if len(x) > _FEW or matrix.size < _BLOCK // 2:
        return np.asarray(x @ matrix)
    return np.stack([row @ matrix for row in x])


def _blocks(weights: Array) -> Iterator[tuple[slice, Array]]:
    """|W| by blocks of rows that stay in the cache; one buffer for all."""
    step = max(1, _BLOCK // weights.shape[1])
    buffer = np.empty((min(step, len(weights)), weights.shape[1]))
    for start in range(0, len(weights), step):
        rows = slice(start, min(start + step, len(weights)))
        block = buffer[: rows.stop - start]
        if weights.dtype == np.int8:  # |-128| is no int8
            np.abs(weights[rows].astype(np.float64), out=block)
        else:
            np.abs(weights[rows], out=block)
        yield rows, block


def links_of(synapse: Pairwise) -> list[tuple[str, Link]]:
    """The target and link of every direction; a layer joined to itself has one."""
    first, second = synapse.between
    weights, largest = synapse.weights, synapse.largest
    if isinstance(synapse, Directed):
        return [(first, Link(second, weights, False, largest, _sizes(weights)))]
    if first == second:
        weights = (weights + weights.T.astype(np.float64)) / 2
        return [(first, Link(first, weights, False, largest, _sizes(weights)))]
    forward = _sizes(weights)
    if forward is not None and np.ptp(forward) == 0:
        backward: Array | None = np.full(len(weights), forward[0])
    else:
        backward = _sizes(weights, back=True)
    return [
        (first, Link(second, weights, False, largest, forward)),
        (second, Link(first, weights, True, largest, backward)),
    ]


def _sizes(weights: Array, *, back: bool = False) -> Array | None:
    """|weight| per source, if that is the same for all targets."""
    one: Array = np.abs((weights[:, :1] if back else weights[:1]).astype(np.float64))
    for rows, block in _blocks(weights):
        if (block != (one[rows] if back else one)).any():
            return None
    return one.ravel()
