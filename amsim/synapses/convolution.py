"""`Convolution`: one window of weights, shared by all positions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import checks
from ..display import fields_repr
from .base import Array, HyperSynapse, Shape, checked_name, checked_names, checked_weights, rows


@dataclass(frozen=True, eq=False)
class Convolution(HyperSynapse):
    r"""Pairwise synapse with weights that repeat at every position.

    .. math::
        E = -\sum_p \sum_{k, o, c} f_{p k}\, W_{k o c}\, g_{s p + o, c}

    for positions p of the first layer, offsets o within the window, and the stride s.

    Parameters
    ----------
    kernel : array_like of shape (K, *window, C)
        Weights of K units of the first layer for a window of C channels each; one axis of `window`
        per axis of positions. No padding, no flip (a cross-correlation).
    between : tuple of two str
        Layers of shapes (*positions, K) and (*pixels, C), with
        pixels = (positions - 1) stride + window.
    stride : int, default 1
        Distance of neighbouring windows, in pixels.
    name : str, optional

    Raises
    ------
    ValueError
        If the kernel has fewer than three axes, or the stride is not a positive integer.

    Notes
    -----
    Source: Krotov 2021, "Hierarchical associative memory", arXiv:2107.06446; HAMUX.

    Examples
    --------
    >>> import numpy as np
    >>> from amsim.synapses import Convolution
    >>> edge = Convolution([[[-1.0], [1.0]]])
    >>> edge.force_on(0, [None, np.array([[0.0], [0.0], [1.0], [1.0]])]).ravel()
    array([0., 1., 0.])
    """

    kernel: Array
    between: tuple[str, ...] = ("hidden", "visible")
    stride: int = 1
    name: str = ""

    __repr__ = fields_repr

    def __post_init__(self) -> None:
        kernel = checks.array("Convolution: kernel", self.kernel)
        kernel = checked_weights(kernel, "Convolution", "kernel")
        if kernel.ndim < 3:
            raise ValueError(
                f"Convolution: kernel has shape {kernel.shape}; it must be "
                f"(units, *window, channels) with at least one axis of the window"
            )
        between = checked_names(self.between, 2, "Convolution")
        for field, value in {
            "kernel": kernel,
            "between": between,
            "stride": checks.count("Convolution: stride", self.stride, at_most=2**31),
            "name": checked_name(self.name, "Convolution", "-".join(between)),
        }.items():
            object.__setattr__(self, field, value)
        if len(set(self.between)) == 1:
            raise ValueError("Convolution: join two different layers; one was named twice")

    @property
    def window(self) -> Shape:
        """Extent of the window."""
        return self.kernel.shape[1:-1]

    def energy(self, *activations: Array) -> Array:
        f, g = activations
        return np.asarray(-np.sum(f * self._read(g), axis=-1))

    def force_on(self, slot: int, activations: Sequence[Array | None]) -> Array:
        source = activations[1 - slot]
        assert source is not None, "only the slot's own activation may be missing"
        return self._write(source) if slot else self._read(source)

    def coupling(self, *activations: Array) -> dict[tuple[int, int], Array]:
        pixels = activations[1].shape[1:]
        units = np.eye(math.prod(pixels)).reshape(-1, *pixels)
        block = self._read(units).reshape(len(units), -1)[None]
        return {(0, 1): block.swapaxes(-1, -2), (1, 0): block}

    def parameter_gradient(self, *activations: Array) -> dict[str, Array]:
        f, g = activations
        axes = len(self.window)
        positions = f.shape[-1 - axes : -1]
        parts = [rows(f).T @ rows(g[seen]) for seen, _ in self._offsets(positions)]
        return {"kernel": -np.stack(parts, axis=1).reshape(self.kernel.shape)}

    def check_shapes(self, *shapes: Shape) -> None:
        first, second = shapes
        axes = self.kernel.ndim - 1
        if len(first) == axes:
            pixels = (*self._pixels(first[:-1]), self.kernel.shape[-1])
            if (first[-1], second) == (self.kernel.shape[0], pixels):
                return
        raise ValueError(
            f"synapse {self.name!r} has a kernel {self.kernel.shape} and stride {self.stride}; "
            f"layer {self.between[0]!r} has shape {first}, layer {self.between[1]!r} has shape "
            f"{second}: they must be (*positions, {self.kernel.shape[0]}) and "
            f"(*pixels, {self.kernel.shape[-1]}) with "
            f"pixels = (positions - 1) * {self.stride} + {self.window}"
        )

    def _pixels(self, positions: Shape) -> Shape:
        return tuple((p - 1) * self.stride + w for p, w in zip(positions, self.window, strict=True))

    def _offsets(self, positions: Shape) -> Iterator[tuple[Any, Array]]:
        """What each offset in the window sees of the pixels, with its weights (K, C)."""
        kernel = np.moveaxis(self.kernel, 0, -2)
        for offset in itertools.product(*(range(extent) for extent in self.window)):
            seen = tuple(
                slice(o, o + (p - 1) * self.stride + 1, self.stride)
                for o, p in zip(offset, positions, strict=True)
            )
            yield (..., *seen, slice(None)), kernel[offset]

    def _read(self, g: Array) -> Array:
        """The windows of (..., *pixels, C) times the kernel: (..., *positions, K)."""
        pixels = g.shape[-1 - len(self.window) : -1]
        positions = tuple(
            (n - w) // self.stride + 1 for n, w in zip(pixels, self.window, strict=True)
        )
        return np.asarray(sum(g[seen] @ weights.T for seen, weights in self._offsets(positions)))

    def _write(self, f: Array) -> Array:
        """The transpose of `_read`."""
        axes = len(self.window)
        positions, batch = f.shape[-1 - axes : -1], f.shape[: f.ndim - 1 - axes]
        out = np.zeros((*batch, *self._pixels(positions), self.kernel.shape[-1]))
        for seen, weights in self._offsets(positions):
            out[seen] += f @ weights
        return out
