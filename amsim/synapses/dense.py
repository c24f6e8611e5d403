"""`Dense`: pairwise synapses, and products with weights of any precision."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .. import checks
from ..display import fields_repr
from .base import (
    Array,
    HyperSynapse,
    Shape,
    check_symmetric,
    checked_name,
    checked_names,
    checked_weights,
    every_copy,
    permutations,
    rows,
)

# Memories that are not float64 are converted block by block in a product, so that int8 or float32
# memories of many GB never exist a second time in float64.
_BLOCK_BYTES = 8 << 20
# Rows that every cue is multiplied with in turn: they stay in a core's cache.
_CACHED_BYTES = 1 << 19
_POWERS = 12


def _rows_per_block(weights: Array, size: int = _BLOCK_BYTES) -> int:
    return max(1, size // (8 * int(weights.shape[1])))


def _floating(activation: Array) -> Array:
    """The activation as floating point: integers would wrap, or round the weights."""
    return activation if activation.dtype.kind == "f" else activation.astype(np.float64)


def project(activation: Array, weights: Array) -> Array:
    """Xi g: (..., D) and weights (K, D) give (..., K)."""
    activation = _floating(activation)
    if activation.ndim == 2 and weights.dtype == activation.dtype:
        return activation @ weights.T
    batch = activation.shape[:-1]
    rows = activation.reshape(-1, weights.shape[1])  # NumPy takes further axes one by one
    if weights.dtype == activation.dtype:
        return (rows @ weights.T).reshape(*batch, -1)
    out = np.empty((len(rows), len(weights)), activation.dtype)
    step = _rows_per_block(weights)
    for start in range(0, len(weights), step):
        block = weights[start : start + step].astype(activation.dtype)
        out[:, start : start + step] = rows @ block.T
    return out.reshape(*batch, -1)


def project_each(activation: Array, weights: Array) -> Array:
    """`project` of rows (B, D), each by a product of its own: its bits do not depend on B."""
    activation = np.ascontiguousarray(_floating(activation))
    out = np.empty((len(activation), len(weights)), activation.dtype)
    if not len(out):
        return out
    step = _rows_per_block(weights, _CACHED_BYTES)
    for start in range(0, len(weights), step):
        block = weights[start : start + step].astype(activation.dtype, copy=False)
        for row, place in zip(activation, out[:, start : start + step], strict=True):
            np.matmul(block, row, out=place)
    return out


def project_back(activation: Array, weights: Array) -> Array:
    """Xi^T f: (..., K) and weights (K, D) give (..., D)."""
    activation = _floating(activation)
    if activation.ndim == 2 and weights.dtype == activation.dtype:
        return activation @ weights
    batch, rows = activation.shape[:-1], activation.reshape(-1, len(weights))
    if weights.dtype == activation.dtype:
        return (rows @ weights).reshape(*batch, -1)
    out = np.zeros((len(rows), weights.shape[1]), activation.dtype)
    step = _rows_per_block(weights)
    for start in range(0, len(weights), step):
        block = weights[start : start + step].astype(activation.dtype)
        out += rows[:, start : start + step] @ block
    return out.reshape(*batch, -1)


def project_back_each(activation: Array, weights: Array) -> Array:
    """`project_back` of rows (B, K), each by a product of its own: its bits do not depend on B."""
    activation = np.ascontiguousarray(_floating(activation))
    out = np.zeros((len(activation), weights.shape[1]), activation.dtype)
    step = _rows_per_block(weights, _CACHED_BYTES)
    for start in range(0, len(weights), step):
        block = weights[start : start + step].astype(activation.dtype, copy=False)
        for row, place in zip(activation, out, strict=True):
            place += row[start : start + step] @ block
    return out


class Pairwise(HyperSynapse):
    """A synapse whose force on a layer is a matrix times the activation of one other layer.

    Engines that send messages along links ask for its `directions`.

    Attributes
    ----------
    weights : ndarray (n_first, n_second)
        By the units of the two slots.
    """

    weights: Array

    @abstractmethod
    def directions(self) -> Iterator[tuple[str, str, Array]]:
        """(source, target, weights with a row for each sender) of every way that messages go."""

    @cached_property
    def compact(self) -> Array:
        """The weights, as int8 where that is exact: products then read an eighth of the bytes."""
        return compacted(self.weights)

    @cached_property
    def largest(self) -> float:
        """The largest absolute weight."""
        return max(float(self.weights.max()), -float(self.weights.min()))

    @cached_property
    def apart(self) -> float:
        """Square of the distance of two rows: of a pair that is as far from the mean as any is."""
        count, step = len(self.weights), _rows_per_block(self.weights)
        blocks = [self.weights[start : start + step] for start in range(0, count, step)]
        mean = sum(block.sum(axis=0, dtype=np.float64) for block in blocks) / count
        furthest = max(float(((block - mean) ** 2).sum(axis=1).max()) for block in blocks)
        return 2.0 * furthest * count / max(count - 1, 1)

    @cached_property
    def scatter(self) -> float:
        """The largest eigenvalue of the scatter of rows about their mean, by the power method."""
        (count, width), unit = self.weights.shape, self.largest or 1.0
        mean = project_back(np.full(count, 1.0 / count), self.weights)
        along: Array = np.random.default_rng(0).standard_normal((width,))
        for _ in range(_POWERS):
            along /= max(float(np.linalg.norm(along)), np.finfo(float).tiny)
            moved: Array = project(along, self.weights) - mean @ along
            along = project_back(moved / unit, self.weights) / unit
        return float(np.linalg.norm(along)) * unit**2

    def check_shapes(self, *shapes: Shape) -> None:
        first, second = shapes
        ends = (first[-1], second[-1])
        if ends != self.weights.shape or first[:-1] != second[:-1]:
            raise ValueError(
                f"synapse {self.name!r} has weights {self.weights.shape}; layer "
                f"{self.between[0]!r} has shape {first}, layer {self.between[1]!r} has shape "
                f"{second}: the last axes must match the weights, the other axes each other"
            )


def compacted(weights: Array) -> Array:
    """Weights as int8 where that is exact, else as they are; those in a file stay there."""
    if weights.dtype == np.int8 or checks.is_mapped(weights):
        return weights
    out = np.empty(weights.shape, np.int8)
    step = _rows_per_block(weights)
    for start in range(0, len(out), step):
        block = weights[start : start + step]
        # Comparing before casting: what does not fit int8 must not wrap silently.
        if np.abs(block).max() > 127 or (block != np.rint(block)).any():
            return weights
        out[start : start + step] = block
    return out


@dataclass(frozen=True, eq=False)
class Dense(Pairwise):
    r"""Pairwise synapse, :math:`E = -f^\top \Xi\, g` (Krotov & Hopfield 2020, arXiv:2008.06996).

    Parameters
    ----------
    weights : array_like of shape (K, D)
        Row mu holds the weights of unit mu of the first layer. Copied; int8 and float32 are kept
        as they are, anything else becomes float64. Not copied is a file that is mapped to be read,
        ``np.load(path, mmap_mode="r")``, of int8, float32 or float64. It must not change, and
        Python crashes where it has become shorter.
    between : tuple of two str
        The layers with K and with D units. A layer connected to itself,
        between=("v", "v"), has E = -g^T W g / 2 and the force W g; W has to be symmetric
        (`Directed` takes any).
    name : str, optional

    Raises
    ------
    ValueError
        If the weights are not two-dimensional, empty, not finite, or not symmetric between a layer
        and itself: pass (W + W.T) / 2 for the symmetric part, or take `Directed`.

    Notes
    -----
    Both layers may carry the same further axes in front (tokens, positions); the weights are then
    shared by all of them.

    Examples
    --------
    >>> import numpy as np
    >>> from amsim import Dense
    >>> synapse = Dense([[1.0, -1.0, 1.0]], between=("hidden", "visible"))
    >>> float(synapse.energy(np.array([2.0]), np.array([1.0, 1.0, 1.0])))
    -2.0
    >>> synapse.force(np.array([2.0]), np.array([1.0, 1.0, 1.0]))
    (array([1.]), array([ 2., -2.,  2.]))
    """

    weights: Array
    between: tuple[str, ...] = ("hidden", "visible")
    name: str = ""

    __repr__ = fields_repr

    def __post_init__(self) -> None:
        weights = checked_weights(self.weights, "Dense", ndim=2)
        between = checked_names(self.between, 2, "Dense")
        check_symmetric(weights, between, "Dense")
        name = checked_name(self.name, "Dense", "-".join(between))
        for field, value in {"weights": weights, "between": between, "name": name}.items():
            object.__setattr__(self, field, value)

    def directions(self) -> Iterator[tuple[str, str, Array]]:
        first, second = self.between
        if first == second:
            yield first, first, (self.weights.astype(np.float64) + self.weights.T) / 2
        else:
            yield first, second, self.weights
            yield second, first, self.weights.T

    def energy(self, *activations: Array) -> Array:
        f, g = activations
        energy: Array = -np.sum(f * project(g, self.weights), axis=-1)
        return energy / permutations(self.between)

    def force_on(self, slot: int, activations: Sequence[Array | None]) -> Array:
        source = activations[1 - slot]
        assert source is not None, "only the slot's own activation may be missing"
        force = (project, project_back)[slot](source, self.weights)
        return force / 2 if self.between[0] == self.between[1] else force

    def coupling(self, *activations: Array) -> dict[tuple[int, int], Array]:
        block = self.weights / permutations(self.between)
        block = every_copy(block, activations[0])
        return {(0, 1): block, (1, 0): block.swapaxes(-1, -2)}

    def parameter_gradient(self, *activations: Array) -> dict[str, Array]:
        f, g = (rows(x) for x in activations)
        return {"weights": -(f.T @ g) / permutations(self.between)}

    def force_gradient(
        self, activations: Sequence[Array], directions: Sequence[Array]
    ) -> dict[str, Array]:
        f, g, u, w = (rows(x) for x in (*activations, *directions))
        return {"weights": (u.T @ g + f.T @ w) / permutations(self.between)}
