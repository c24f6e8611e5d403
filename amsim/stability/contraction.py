"""Whether the update of a network contracts on a box, and where its fixed point is."""

from __future__ import annotations

import numpy as np

from ..synapses import Array
from .claim import Claim
from .intervals import Image

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
    widths = {
        name: _weights(width, claim.map.winners.get(name))
        for name, width in image.given.half_widths().items()
    }
    factor = _worst(claim.map.gain(image, widths), widths)
    with np.errstate(divide="ignore"):
        rest = _worst(claim.residual, widths) / np.maximum(1 - factor, 0) * (1 + 1e-15)
    widest = np.max([width.max(axis=1) for width in widths.values()], axis=0)
    return factor, np.minimum(rest * widest, image.given.deviation(claim.target))


def least_gain(claim: Claim, steps: int = 30) -> Array:
    """A lower bound on the spectral radius of |dF| at the target, shape (batch,).

    For u >= 0, not 0: if |dF| u >= c u then the spectral radius is at least c (Collatz and
    Wielandt). The power method finds u.
    """
    image = claim.map.image(claim.target)
    widths = {
        name: _weights(np.ones_like(state), claim.map.winners.get(name))
        for name, (state, _) in claim.target.items()
    }
    for _ in range(steps):
        moved = claim.map.gain(image, widths)
        if (_worst(moved, widths) < 1).all():
            break
        widest = np.max([width.max(axis=1) for width in moved.values()], axis=0)[:, None]
        # Small entries are cut to 0: their ratios converge last.
        widths = {n: np.where(x > 1e-3 * widest, x / widest, 0.0) for n, x in moved.items()}
    moved = claim.map.gain(image, widths)
    ratios = [
        np.where(u > 0, moved[name] / np.where(u > 0, u, 1), np.inf).min(axis=1)
        for name, u in widths.items()
    ]
    return np.asarray(np.min(ratios, axis=0))


def _weights(width: Array, winner: Array | None) -> Array:
    """Positive weights of the units; 0 for the winner, which boxes count from."""
    weights = np.maximum(width, _FLOOR * width.max(axis=1, keepdims=True)) + 1e-100
    if winner is not None:
        np.put_along_axis(weights, winner[:, None], 0.0, axis=1)
    return np.asarray(weights)


def _worst(moved: dict[str, Array], widths: dict[str, Array]) -> Array:
    """The largest ratio over the units that have a weight."""
    ratios = [
        np.where(u > 0, moved[name] / np.where(u > 0, u, 1), 0.0).max(axis=1)
        for name, u in widths.items()
    ]
    return np.asarray(np.max(ratios, axis=0)) * (1 + 1e-15)
