"""Attention over stored memories, some of them at a time."""

from __future__ import annotations

from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..ranks import Ranks
from ..synapses import Array

Kind = type[np.floating[Any]]

# A block of memories and its logits stay in a core's cache, but products of few rows are slow.
_CACHED, _FEWEST = 1 << 17, 64


class Partial(NamedTuple):
    """What some of the memories contribute to the attention of B queries."""

    peak: Array  # (B, 1) largest logit
    total: Array  # (B, 1) sum of exp(logit - peak)
    sums: Array  # (B, D) sum of exp(logit - peak) xi

    def joined(self, other: Partial) -> Partial:
        """The contribution of both."""
        peak = np.maximum(self.peak, other.peak)
        own, others = np.exp(self.peak - peak), np.exp(other.peak - peak)
        return Partial(
            peak, own * self.total + others * other.total, own * self.sums + others * other.sums
        )

    def over(self, ranks: Ranks) -> Partial:
        """The contribution of the memories of all processes, in their order."""
        packed = np.concatenate(self, axis=-1)
        parts = (np.split(x, [1, 2], axis=-1) for x in ranks.gathered(packed))
        return reduce(Partial.joined, (Partial(*part) for part in parts))

    @property
    def average(self) -> Array:
        """The attention, if these are all memories."""
        return self.sums / self.total


def attention(queries: Array, weights: Array, beta: float, bias: Array, kind: Kind) -> Partial:
    """softmax(beta (Xi q + b)) Xi for every row q; nothing of the size rows x memories is made.

    Parameters
    ----------
    queries : ndarray (B, D)
    weights : ndarray (K, D)
        Xi, of any type.
    beta : float
    bias : ndarray (K,)
    kind : type
        Of the products; sums over blocks of memories are float64.

    Returns
    -------
    Partial
        Of float64 (B, 1) and (B, D); its `average` is the attention.
    """
    scaled: Array = (beta * queries).astype(kind)
    step, shift = max(_FEWEST, _CACHED // max(queries.shape)), (beta * bias).astype(kind)
    biased, room = bool(shift.any()), np.empty((len(queries), min(step, len(weights))), kind)
    peak: Array = np.full((len(queries), 1), -np.inf, kind)
    total, sums = np.zeros((len(queries), 1)), np.zeros(queries.shape)
    for first in range(0, len(weights), step):
        block: Array = weights[first : first + step].astype(kind, copy=False)
        logits: Array = np.matmul(scaled, block.T, out=room[:, : len(block)])
        if biased:
            logits += shift[first : first + step]
        higher = np.maximum(peak, logits.max(axis=-1, keepdims=True))
        logits -= higher
        np.exp(logits, out=logits)
        old = np.exp(np.subtract(peak, higher, dtype=np.float64))
        total = old * total + logits.sum(axis=-1, keepdims=True)
        sums *= old
        sums += logits @ block
        peak = higher
    return Partial(peak.astype(np.float64), total, sums)


def strongest(queries: Array, weights: Array, bias: Array) -> tuple[Array, NDArray[np.int64]]:
    """The largest xi . q + b of each query (B, D), (B,), and the first memory that has it."""
    best, where = np.full(len(queries), -np.inf), np.zeros(len(queries), np.int64)
    step = max(_FEWEST, _CACHED // max(queries.shape))
    for first in range(0, len(weights), step):
        block = weights[first : first + step].astype(np.float64, copy=False)
        states = queries @ block.T + bias[first : first + step]
        largest = states.max(axis=1)
        higher = largest > best
        best[higher] = largest[higher]
        where[higher] = first + states[higher].argmax(axis=1)
    return best, where


def largest_products(rows: Array, weights: Array) -> Array:
    """The largest |xi . r| of each row r (B, D) with all memories xi, (B,)."""
    largest, step = np.zeros(len(rows)), max(_FEWEST, _CACHED // max(rows.shape))
    for first in range(0, len(weights), step):
        products = rows @ weights[first : first + step].astype(rows.dtype, copy=False).T
        np.maximum(largest, np.abs(products).max(axis=1), out=largest)
    return largest
