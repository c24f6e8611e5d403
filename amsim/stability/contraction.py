"""Whether the update of a network contracts on a box, and where its fixed point is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..synapses import Array
from .boxes import Boxes
from .claim import Claim
from .intervals import BoxMap, Image

_FLOOR = 1e-2  # of the layer's largest width: weights of units whose box is narrow


def contraction(claim: Claim, image: Image) -> tuple[Array, Array]:
    """The contraction factor over the boxes of an image, and how far the fixed point may be.

    Parameters
    ----------
    claim : Claim
    image : Image
        Of invariant boxes that hold the target.

    Returns
    -------
    factor : ndarray (batch,)
        max |dF| u / u for weights u > 0, rounded up: below 1, the update is a contraction in the
        max norm with these weights.
    distance : ndarray (batch,)
        Bound on |x - target| for the fixed point x in the box; there is one if factor < 1.
    """
    factor = _worst(image.gain, image.widths)
    with np.errstate(divide="ignore"):
        rest = _worst(claim.residual, image.widths) / np.maximum(1 - factor, 0) * (1 + 1e-15)
    widest = np.max([width.max(axis=1) for width in image.widths.values()], axis=0)
    return factor, np.minimum(rest * widest, image.given.deviation(claim.target))


def weights(boxmap: BoxMap, boxes: Boxes) -> dict[str, Array]:
    """Positive weights near the half-widths of boxes; 0 for the winner, which boxes count from."""
    found = {}
    for name, (lo, hi) in boxes.items():
        half = (hi - lo) / 2
        found[name] = np.maximum(half, _FLOOR * half.max(axis=1, keepdims=True)) + 1e-100
        if name in boxmap.winners:
            np.put_along_axis(found[name], boxmap.winners[name][:, None], 0.0, axis=1)
    return found


def least_gain(claim: Claim, steps: int = 30) -> Array:
    """A lower bound on the spectral radius of |dF| at the target, shape (batch,).

    For u >= 0, not 0: if |dF| u >= c u then the spectral radius is at least c (Collatz and
    Wielandt). The power method finds u.
    """
    image = claim.map.image(claim.target, weights(claim.map, claim.target))
    for _ in range(steps):
        if (_worst(image.gain, image.widths) < 1).all():
            break
        widest = np.max([width.max(axis=1) for width in image.gain.values()], axis=0)[:, None]
        # Small entries are cut to 0: their ratios converge last.
        widths = {n: np.where(x > 1e-3 * widest, x / widest, 0.0) for n, x in image.gain.items()}
        image = claim.map.image(claim.target, widths)
    ratios = [
        np.where(u > 0, image.gain[name] / np.where(u > 0, u, 1), np.inf).min(axis=1)
        for name, u in image.widths.items()
    ]
    return np.asarray(np.min(ratios, axis=0))


def _worst(moved: Mapping[str, Array], widths: Mapping[str, Array]) -> Array:
    """The largest ratio over the units that have a weight."""
    ratios = [
        np.where(u > 0, moved[name] / np.where(u > 0, u, 1), 0.0).max(axis=1)
        for name, u in widths.items()
    ]
    return np.asarray(np.max(ratios, axis=0)) * (1 + 1e-15)
