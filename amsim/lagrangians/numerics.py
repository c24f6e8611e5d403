"""Elementwise functions that do not overflow, and interval images rounded outwards."""

from __future__ import annotations

import numpy as np

from .base import Array, Bounds


def largest_exponent(x: Array) -> float:
    """Where exponents saturate: well inside the range, so that sums and products fit too."""
    return 75.0 if x.dtype == np.float32 else 600.0


def logistic(z: Array) -> Array:
    """1 / (1 + exp(-z))."""
    small = np.exp(-np.abs(z))
    return np.asarray(np.where(z >= 0, 1, small) / (1 + small))


def logistic_slope(z: Array) -> Array:
    """s (1 - s) of the logistic function s."""
    small = np.exp(-np.abs(z))
    return np.asarray(small / (1 + small) ** 2)


def eye(x: Array) -> Array:
    """The identity matrix for the units of x, in its precision."""
    return np.eye(x.shape[-1], dtype=x.dtype)


def outer(x: Array) -> Array:
    """x x^T for every entry of the batch."""
    return x[..., :, None] * x[..., None, :]


def fold_others(ufunc: np.ufunc, x: Array, identity: float) -> Array:
    """Fold of all units but the i-th, for each i; no cancellation as in (total - x_i)."""
    before, after = np.full_like(x, identity), np.full_like(x, identity)
    before[..., 1:] = ufunc.accumulate(x[..., :-1], axis=-1)
    after[..., :-1] = ufunc.accumulate(x[..., :0:-1], axis=-1)[..., ::-1]
    return np.asarray(ufunc(before, after))


def log_sum_of_others(x: Array) -> Array:
    """log sum_{j != i} exp(x_j) for each i; below every finite number for a unit alone.

    The largest unit has a sum of its own. For the others the total is at least twice what is
    taken from it, so nothing cancels.
    """
    if x.size == 0:
        return x.copy()
    largest = x.argmax(axis=-1)[..., None]
    without = x.copy()
    np.put_along_axis(without, largest, -float(np.finfo(x.dtype).max) / 8, axis=-1)
    peak, second = x.max(axis=-1, keepdims=True), without.max(axis=-1, keepdims=True)
    weight = np.exp(x - peak)
    np.put_along_axis(weight, largest, 0.0, axis=-1)
    rest = np.asarray(peak + np.log1p(weight.sum(axis=-1, keepdims=True) - weight))
    own = second + np.log(np.exp(without - second).sum(axis=-1, keepdims=True))
    np.put_along_axis(rest, largest, own, axis=-1)
    return rest


# Interval images


def nearest(point: float, lo: Array, hi: Array) -> Array:
    """The point of [lo, hi] nearest to `point`; np.clip(point, ...) would promote float32."""
    return np.asarray(np.maximum(lo, np.minimum(hi, point)))


def slack(x: Array) -> float:
    """A generous relative rounding error of a sum over the last axis."""
    return float(8 * x.shape[-1] * np.finfo(x.dtype).eps)


def outward(lo: Array, hi: Array, relative: float | Array | None = None) -> Bounds:
    """Widen by a few units in the last place: elementwise functions round no worse."""
    step = 4 * float(np.finfo(lo.dtype).eps) if relative is None else relative
    return lo - step * np.abs(lo), hi + step * np.abs(hi)


def bend(square: Array, rest: Array) -> Array:
    """w / (t^2 + w)^(3/2): decreasing in t^2, single-peaked in w at w = 2 t^2."""
    return np.asarray(rest / (square + rest) ** 1.5)
