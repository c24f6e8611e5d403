"""Attention over stored memories, some of them at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..synapses import Array

Kind = type[np.floating[Any]]

# A block of memories and its logits stay in a core's cache, but products of few rows are slow.
_CACHED, _FEWEST = 1 << 17, 64


def attention(queries: Array, weights: Array, beta: float, bias: Array, kind: Kind) -> Array:
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
    ndarray of float64 (B, D)
    """
    cues, units = queries.shape
    scaled: Array = (beta * queries).astype(kind)
    shift: Array = (beta * bias).astype(kind)
    peak: Array = np.full((cues, 1), -np.inf, kind)
    total = np.zeros((cues, 1))
    average = np.zeros((cues, units))
    step = max(_FEWEST, _CACHED // max(cues, units))
    for first in range(0, len(weights), step):
        block: Array = weights[first : first + step].astype(kind, copy=False)
        logits: Array = scaled @ block.T
        logits += shift[first : first + step]
        higher = np.maximum(peak, logits.max(axis=1, keepdims=True))
        logits -= higher
        np.exp(logits, out=logits)
        old = np.exp(np.subtract(peak, higher, dtype=np.float64))
        total = old * total + logits.sum(axis=1, keepdims=True)
        average *= old
        average += logits @ block
        peak = higher
    return average / total


def largest_products(rows: Array, weights: Array) -> Array:
    """The largest |xi . r| of each row r (B, D) with all memories xi, (B,)."""
    largest, step = np.zeros(len(rows)), max(_FEWEST, _CACHED // max(rows.shape))
    for first in range(0, len(weights), step):
        products = rows @ weights[first : first + step].astype(rows.dtype, copy=False).T
        np.maximum(largest, np.abs(products).max(axis=1), out=largest)
    return largest
