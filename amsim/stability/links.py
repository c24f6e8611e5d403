"""Products of weights with boxes of activations, rounded outwards.

A product W g over a box c +- r is W c +- |W| r. Floating point adds an error of at most
gamma_n |W| |c| to W c and a relative one of gamma_n to |W| r, in any order of summation (Higham,
"Accuracy and Stability of Numerical Algorithms", 2002, section 3.1); both go into the radius.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ..synapses import Array, Dense, project, project_back

EPS = float(np.finfo(np.float64).eps)
TINY = 1e-200  # above everything that underflow can lose, and its products are normal numbers
_BLOCK = 1 << 17  # entries of a matrix that stays in the cache
_KEPT = 1 << 20  # entries of all the magnitudes that a link of small weights keeps
_FEW = 4


@dataclass(frozen=True, eq=False)
class Link:
    """One direction of a Dense synapse; the weights are (sources, targets) if `back`."""

    source: str
    weights: Array
    back: bool
    largest: float
    sizes: Array | None  # |weight| per source, where it is the same for all targets
    kept: dict[int | None, Array] = field(default_factory=dict)  # |W|, or |W - W_w| by w

    @property
    def targets(self) -> int:
        return self.weights.shape[1 if self.back else 0]

    @property
    def relative_error(self) -> float:
        """At least gamma_n, with room for the few operations around the product."""
        return EPS * (self.weights.shape[0 if self.back else 1] + 8)

    def product(self, x: Array) -> Array:
        return project_back(x, self.weights) if self.back else project(x, self.weights)

    def spread(self, radius: Array) -> Array:
        """|W| r from above; shape (batch, targets) or (batch, 1)."""
        if self.sizes is None:
            total = self._magnitude_product(radius)
        else:
            total = (radius @ self.sizes)[:, None]
        return total * (1 + 2 * self.relative_error) + TINY

    def apart(self, radius: Array, winner: Array) -> Array:
        """|W - W_w| r from above, with W_w the weights of the winner; shape (batch, targets)."""
        if self.sizes is not None:
            # |a - b| = |a| - a sign(b) where |a| = |b|.
            own = self.weights[:, winner].T if self.back else self.weights[winner]
            total = self.spread(radius)
            moved = total - self.product(np.sign(own) * radius) + 4 * self.relative_error * total
            moved = np.maximum(moved, 0)
        else:
            moved = np.empty((len(radius), self.targets))
            for w, rows in _groups(winner):
                moved[rows] = self._magnitude_product(radius[rows], w)
            moved = moved * (1 + 2 * self.relative_error) + TINY
        moved[np.arange(len(winner)), winner] = 0.0
        return np.asarray(moved)

    def error(self, centre: Array) -> Array:
        """What floating point may shift an entry of W c; shape (batch, 1)."""
        total: Array = np.abs(centre).sum(axis=1, keepdims=True) + TINY
        return self.relative_error * self.largest * total

    def _magnitude_product(self, x: Array, origin: int | None = None) -> Array:
        """|W| x, or |W - W_origin| x."""
        size = self.weights.size
        if origin not in self.kept and size <= _BLOCK and size * (len(self.kept) + 1) <= _KEPT:
            ((_, block),) = _blocks(self.weights, self.back, origin)
            self.kept[origin] = block if self.back else block.T
        if origin in self.kept:
            return _times(x, self.kept[origin])
        out = np.zeros((len(x), self.targets))
        for rows, block in _blocks(self.weights, self.back, origin):
            if self.back:
                out += _times(x[:, rows], block)
            else:
                out[:, rows] = _times(x, block.T)
        return out


def _groups(winner: Array) -> Iterator[tuple[int, Array]]:
    """The winners that occur, each with the rows that have it."""
    order = np.argsort(winner, kind="stable")
    ordered = winner[order]
    ends = [0, *(np.flatnonzero(np.diff(ordered)) + 1).tolist(), len(order)]
    for start, end in itertools.pairwise(ends):
        yield int(ordered[start]), order[start:end]


def _times(x: Array, matrix: Array) -> Array:
    """x @ matrix; BLAS multiplies very few rows by a large matrix faster one by one."""
    if len(x) > _FEW or matrix.size < _BLOCK // 2:
        return np.asarray(x @ matrix)
    return np.stack([row @ matrix for row in x])


def _blocks(
    weights: Array, back: bool = False, origin: int | None = None
) -> Iterator[tuple[slice, Array]]:
    """|W|, or |W - W_origin|, by blocks of rows that stay in the cache; one buffer for all."""
    step = max(1, _BLOCK // weights.shape[1])
    buffer = np.empty((min(step, len(weights)), weights.shape[1]))
    for start in range(0, len(weights), step):
        rows = slice(start, min(start + step, len(weights)))
        block = buffer[: rows.stop - start]
        if origin is not None:
            own = weights[rows, [origin]] if back else weights[origin]
            np.subtract(weights[rows], own, out=block, dtype=np.float64)
            np.abs(block, out=block)
        elif weights.dtype == np.int8:  # |-128| is no int8
            np.abs(weights[rows].astype(np.float64), out=block)
        else:
            np.abs(weights[rows], out=block)
        yield rows, block


def links_of(synapse: Dense) -> list[tuple[str, Link]]:
    """The target and link of both directions; a layer joined to itself has one."""
    first, second = synapse.between
    weights, largest = synapse.weights, synapse.largest
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
