"""Contraction factors of a network's update on boxes of states."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import numpy as np

from ..synapses import Array
from .boxes import EPS, Boxes
from .certification_problem import CertificationProblem
from .intervals import BoxMap, Image
from .outward import widened

_FLOOR = 1e-2  # of the layer's largest width: weights of units whose box is narrow


def contraction(boxmap: BoxMap, image: Image) -> Array:
    """max |dF| u / u over the boxes of an image, from above; shape (batch,).

    Below 1, the update is a contraction on the box in the max norm with the `weights` u.
    """
    widths = weights(boxmap, image.given)
    return _worst(boxmap.gain(image, widths), widths)


def nearby(
    problem: CertificationProblem, residual: Mapping[str, Array], boxes: Boxes, factor: Array
) -> Boxes:
    """Boxes of all layers that hold the undisturbed fixed point x in some boxes.

    In the max norm in which the update T contracts by `factor` on a box that holds the target t,
    |x - t| <= |T(t) - t| / (1 - factor); |T(t) - t| is the `residual` of the target. Layers
    without a box of their own are images of the others.
    """
    widths = weights(problem.map, boxes)
    times = _worst(residual, widths) / (1 - factor) * (1 + 8 * EPS)
    near = Boxes(
        {
            n: widened(problem.target[n], (times * width.max(axis=1))[:, None])
            for n, width in widths.items()
        }
    )
    return problem.reached(near)


def residual(problem: CertificationProblem) -> dict[str, Array]:
    """How far an undisturbed update may move each unit at the target, from above."""
    moved = problem.map.disturbed({}, {}).image(problem.target).new
    return {  # (batch, units)
        name: np.maximum(hi - problem.target[name][0], problem.target[name][0] - lo)
        for name, (lo, hi) in moved.items()
    }


def weights(boxmap: BoxMap, boxes: Boxes) -> dict[str, Array]:
    """Positive weights near the half-widths of boxes; 0 for the winner, which boxes count from."""
    found = {}
    for name, (lo, hi) in boxes.items():
        half = (hi - lo) / 2
        found[name] = np.maximum(half, _FLOOR * half.max(axis=1, keepdims=True)) + 1e-100
        if name in boxmap.winners:
            np.put_along_axis(found[name], boxmap.winners[name][:, None], 0.0, axis=1)
    return found


def least_gain(problem: CertificationProblem, steps: int = 30) -> Array:
    """A lower bound on the spectral radius of |dF| at the target, shape (batch,).

    For u >= 0, not 0: if |dF| u >= c u then the spectral radius is at least c (Collatz and
    Wielandt). The power method finds u.
    """
    image = problem.map.image(problem.target)
    widths = weights(problem.map, problem.target)
    gain = problem.map.gain(image, widths)
    for _ in range(steps):
        if (_worst(gain, widths) < 1).all():
            break
        widest = np.max([width.max(axis=1) for width in gain.values()], axis=0)[:, None]
        # Small entries are cut to 0: their ratios converge last.
        widths = {n: np.where(x > 1e-3 * widest, x / widest, 0.0) for n, x in gain.items()}
        gain = problem.map.gain(image, widths)
    ratios = [
        np.where(u > 0, gain[name] / np.where(u > 0, u, 1), np.inf).min(axis=1)
        for name, u in widths.items()
    ]
    return np.asarray(np.min(ratios, axis=0))


def _worst(moved: Mapping[str, Array], widths: Mapping[str, Array]) -> Array:
    """The largest ratio over the units that have a weight."""
    ratios = (
        np.divide(moved[name], u, where=u > 0, out=np.zeros_like(u)).max(axis=1)
        for name, u in widths.items()
    )
    return np.asarray(reduce(np.maximum, ratios)) * (1 + 1e-15)
