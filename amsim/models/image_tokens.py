"""Images as tokens: patches and back, and the embedding with positions and a CLS token."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..synapses import Array


def patches(images: ArrayLike, size: int) -> Array:
    """Cut images into square patches.

    Parameters
    ----------
    images : array_like of shape (..., height, width, channels)
        Gray images have one channel: ``images[..., None]``.
    size : int
        Of a patch, in pixels; it divides height and width.

    Returns
    -------
    ndarray (..., height / size * width / size, size * size * channels)
        Row by row.

    Raises
    ------
    ValueError
        If the size does not divide the image.

    Examples
    --------
    >>> import numpy as np
    >>> import amsim as am
    >>> image = np.arange(16.0).reshape(4, 4, 1)
    >>> am.models.patches(image, 2).tolist()[1]
    [2.0, 3.0, 6.0, 7.0]
    """
    x = checks.array("images", images, largest=checks.LARGEST)
    size = checks.count("size", size)
    if x.ndim < 3 or x.size == 0 or x.shape[-3] % size or x.shape[-2] % size:
        raise ValueError(
            f"images have shape {x.shape}; they must be (..., height, width, channels), with "
            f"height and width multiples of size={size}"
        )
    *batch, height, width, channels = x.shape
    cut = x.reshape(*batch, height // size, size, width // size, size, channels)
    return cut.swapaxes(-4, -3).reshape(*batch, -1, size * size * channels)


def from_patches(parts: ArrayLike, shape: tuple[int, int, int]) -> Array:
    """Put patches together again: the inverse of `patches`.

    Parameters
    ----------
    parts : array_like of shape (..., patches, size * size * channels)
    shape : tuple of int
        (height, width, channels) of an image.

    Returns
    -------
    ndarray (..., height, width, channels)

    Raises
    ------
    ValueError
        If square patches of this number do not make such an image.
    """
    x = checks.array("parts", parts, largest=checks.LARGEST)
    checks.instance("shape", shape, (tuple, list), "(height, width, channels)")
    height, width, channels = (checks.count("shape", n) for n in _three(shape))
    pixels = x.shape[-1] // channels if x.ndim > 1 else 0
    size = round(pixels**0.5)
    fits = size > 0 and x.shape[-1] == size * size * channels
    if not fits or height % size or width % size or x.shape[-2] * size**2 != height * width:
        raise ValueError(
            f"parts have shape {x.shape}; they must be (..., patches, size * size * {channels}) "
            f"and fill an image of {height} x {width}"
        )
    grid = x.reshape(*x.shape[:-2], height // size, width // size, size, size, channels)
    return grid.swapaxes(-4, -3).reshape(*x.shape[:-2], height, width, channels)


def embed(
    parts: ArrayLike,
    weights: ArrayLike,
    *,
    bias: ArrayLike = 0.0,
    cls: ArrayLike | None = None,
    positions: ArrayLike = 0.0,
) -> Array:
    """Tokens of patches: W patch + bias, a CLS token in front, and positions added.

    Parameters
    ----------
    parts : array_like of shape (..., N, P)
    weights : array_like of shape (D, P)
    bias : float or array_like of shape (D,), default 0.0
    cls : array_like of shape (D,), optional
        A token that stands for the whole image; the tokens are then N + 1, and it is the first.
    positions : float or array_like of shape (N, D), with cls (N + 1, D), default 0.0

    Returns
    -------
    ndarray (..., N, D), with cls (..., N + 1, D)
        States for `energy_transformer(..., n_tokens=)`.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    References
    ----------
    Hoover et al. 2023, "Energy Transformer", arXiv:2302.07253, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> import amsim as am
    >>> am.models.embed(np.ones((2, 9, 4)), np.ones((6, 4)), cls=np.zeros(6)).shape
    (2, 10, 6)
    """
    x = checks.array("parts", parts, largest=checks.LARGEST)
    w = checks.array("weights", weights, ndim=2, empty=False, largest=checks.LARGEST)
    if x.ndim < 2 or x.shape[-1] != w.shape[1]:
        raise ValueError(f"parts have shape {x.shape}, weights {w.shape}: the last axes must match")
    tokens = x @ w.T + _fitting("bias", bias, (len(w),))
    if cls is not None:
        first = np.broadcast_to(_fitting("cls", cls, (len(w),)), (*tokens.shape[:-2], 1, len(w)))
        tokens = np.concatenate([first, tokens], axis=-2)
    return np.asarray(tokens + _fitting("positions", positions, tokens.shape[-2:]))


def _fitting(what: str, value: ArrayLike, shape: tuple[int, ...]) -> Array:
    found = checks.array(what, value, largest=checks.LARGEST)
    if found.shape not in {(), shape}:
        raise ValueError(f"{what} has shape {found.shape}, it must be {shape}")
    return found


def _three(shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) != 3:
        raise ValueError(f"shape must be (height, width, channels), got {checks.shown(shape)}")
    return tuple(shape)
