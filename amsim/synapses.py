"""Hypersynapses: the energy that couples the activations of two or more layers.

A hypersynapse owns one term E_s(g_1, ..., g_n) of the network's energy and the force
-dE_s/dg_a that it exerts on each connected layer. The gradients are written out: they are short,
and event engines and chips need the formulas.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]
Shape = tuple[int, ...]

# Memories that are not float64 are converted block by block in a product, so that int8 or float32
# memories of many GB never exist a second time in float64.
_BLOCK_BYTES = 8 << 20


class HyperSynapse(ABC):
    """One term of the energy, shared by the layers named in `between`.

    Attributes
    ----------
    between : tuple of str
        The connected layers, one name per slot. A layer may fill several slots.
    name : str
        Key of this term in `Network.energy_tree`; "a-b" for between=("a", "b") by default.
    """

    between: tuple[str, ...]
    name: str

    @abstractmethod
    def energy(self, *activations: Array) -> Array:
        """Energy of the activations, one array (..., n_a) per slot; sums over the last axis.

        Axes of copies (tokens, positions) may be left for `Network.energy` to sum.
        """

    @abstractmethod
    def force_on(self, slot: int, activations: Sequence[Array | None]) -> Array:
        """Minus the gradient of the energy by the activation of one slot, (..., n_slot).

        The entry of the slot itself is not read: it may be None.
        """

    def force(self, *activations: Array) -> tuple[Array, ...]:
        """Minus the gradient of the energy, one array (..., n_a) per slot."""
        return tuple(self.force_on(slot, activations) for slot in range(len(self.between)))

    @abstractmethod
    def coupling(self, *activations: Array) -> dict[tuple[int, int], Array]:
        """Derivative of the force on slot a by the activation of slot b.

        Parameters
        ----------
        *activations : arrays of shape (batch, *copies, n_a)
            Exactly one batch axis.

        Returns
        -------
        dict
            {(a, b): array (batch or 1, size_a, size_b)} with size = prod(copies) * n; blocks that
            are zero are left out.
        """

    @abstractmethod
    def check_shapes(self, *shapes: Shape) -> None:
        """Raise ValueError unless layers of these shapes can fill the slots."""


def _names(between: Any, slots: int, kind: str) -> tuple[str, ...]:
    """Validate the layer names of a synapse that has `slots` slots."""
    if isinstance(between, str) or not all(isinstance(name, str) for name in between):
        raise TypeError(f"{kind}: between must be a tuple of layer names, got {between!r}")
    if len(between) != slots:
        raise ValueError(
            f"{kind}: between={tuple(between)!r} names {len(between)} layers, "
            f"its weights have {slots} axes; give one name per axis"
        )
    return tuple(between)


def _permutations(between: tuple[str, ...]) -> int:
    """Orders in which repeated layers can fill their slots: 2 for ("v", "v"), 1 for ("h", "v")."""
    return math.prod(math.factorial(count) for count in Counter(between).values())


def _weights(weights: ArrayLike, kind: str) -> Array:
    """Finite weights as int8, float32 or float64, whichever they came in."""
    array = np.asarray(weights)
    if array.dtype.kind not in "iuf" or array.size == 0:
        raise ValueError(
            f"{kind}: weights must be a non-empty real array, "
            f"got shape {array.shape} and dtype {array.dtype}"
        )
    if array.dtype not in (np.int8, np.float32, np.float64):
        array = array.astype(np.float64)
    if array.dtype != np.int8 and not np.isfinite(array).all():
        raise ValueError(f"{kind}: weights contain NaN or infinity; remove them first")
    return np.ascontiguousarray(array)


def _rows_per_block(weights: Array) -> int:
    return max(1, _BLOCK_BYTES // (8 * weights.shape[1]))


def _floating(activation: Array) -> Array:
    """The activation as floating point: integers would wrap, or round the weights."""
    return activation if activation.dtype.kind == "f" else activation.astype(np.float64)


def project(activation: Array, weights: Array) -> Array:
    """Xi g: (..., D) and weights (K, D) give (..., K)."""
    activation = _floating(activation)
    if weights.dtype == activation.dtype:
        return activation @ weights.T
    out = np.empty((*activation.shape[:-1], len(weights)), activation.dtype)
    step = _rows_per_block(weights)
    for start in range(0, len(weights), step):
        block = weights[start : start + step].astype(activation.dtype)
        out[..., start : start + step] = activation @ block.T
    return out


def project_back(activation: Array, weights: Array) -> Array:
    """Xi^T f: (..., K) and weights (K, D) give (..., D)."""
    activation = _floating(activation)
    if weights.dtype == activation.dtype:
        return activation @ weights
    out = np.zeros((*activation.shape[:-1], weights.shape[1]), activation.dtype)
    step = _rows_per_block(weights)
    for start in range(0, len(weights), step):
        block = weights[start : start + step].astype(activation.dtype)
        out += activation[..., start : start + step] @ block
    return out


@dataclass(frozen=True, eq=False)
class Dense(HyperSynapse):
    r"""Pairwise synapse, :math:`E = -f^\top \Xi\, g` (Krotov & Hopfield 2020, arXiv:2008.06996).

    Parameters
    ----------
    weights : array_like of shape (K, D)
        Row mu holds the weights of unit mu of the first layer; int8, float32 and float64 are kept
        as they are and not copied (do not change them afterwards), anything else becomes float64.
    between : tuple of two str
        The layers with K and with D units. A layer connected to itself,
        between=("v", "v"), has E = -g^T W g / 2, so that a symmetric W exerts the force W g.
    name : str, optional

    Raises
    ------
    ValueError
        If the weights are not two-dimensional, empty, or not finite.

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

    def __post_init__(self) -> None:
        weights = _weights(self.weights, "Dense")
        if weights.ndim != 2:
            raise ValueError(f"Dense: weights must be a matrix, got shape {weights.shape}")
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "between", _names(self.between, 2, "Dense"))
        object.__setattr__(self, "name", self.name or "-".join(self.between))

    @cached_property
    def compact(self) -> Array:
        """The weights, as int8 where that is exact: products then read an eighth of the bytes."""
        if self.weights.dtype == np.int8:
            return self.weights
        out = np.empty(self.weights.shape, np.int8)
        step = _rows_per_block(self.weights)
        for start in range(0, len(out), step):
            block = self.weights[start : start + step]
            # Comparing before casting: what does not fit int8 must not wrap silently.
            if np.abs(block).max() > 127 or (block != np.rint(block)).any():
                return self.weights
            out[start : start + step] = block
        return out

    @cached_property
    def largest(self) -> float:
        """The largest absolute weight."""
        return max(float(self.weights.max()), -float(self.weights.min()))

    def energy(self, *activations: Array) -> Array:
        f, g = activations
        energy: Array = -np.sum(f * project(g, self.weights), axis=-1)
        return energy / _permutations(self.between)

    def force_on(self, slot: int, activations: Sequence[Array | None]) -> Array:
        source = activations[1 - slot]
        assert source is not None, "only the slot's own activation may be missing"
        force = (project, project_back)[slot](source, self.weights)
        return force / _permutations(self.between)

    def coupling(self, *activations: Array) -> dict[tuple[int, int], Array]:
        block = self.weights / _permutations(self.between)
        block = _every_copy(block, activations[0])
        return {(0, 1): block, (1, 0): block.swapaxes(-1, -2)}

    def check_shapes(self, *shapes: Shape) -> None:
        first, second = shapes
        ends = (first[-1], second[-1])
        if ends != self.weights.shape or first[:-1] != second[:-1]:
            raise ValueError(
                f"synapse {self.name!r} has weights {self.weights.shape}; layer "
                f"{self.between[0]!r} has shape {first}, layer {self.between[1]!r} has shape "
                f"{second}: the last axes must match the weights, the other axes each other"
            )


_SLOTS = "abcdefghijklmnopqrstuvw"


@dataclass(frozen=True, eq=False)
class MultiBody(HyperSynapse):
    r"""Many-body synapse, :math:`E = -\sum T_{ijk\dots} g^1_i g^2_j g^3_k \dots`.

    Parameters
    ----------
    tensor : array_like
        One axis per connected layer, at least two.
    between : tuple of str
        One layer per axis. Where a layer is named m times the energy is divided by m!, so that
        a symmetric three-body tensor on one layer exerts the force T[:, g, g] / 2.
    name : str, optional

    Raises
    ------
    ValueError
        If the names do not match the axes, or the tensor is empty or not finite.

    Notes
    -----
    Hypersynapses between any number of layers: Hoover et al. 2022, "A universal abstraction for
    hierarchical Hopfield networks" (HAMUX); Krotov et al. 2025, arXiv:2507.06211, chapter 3.

    Examples
    --------
    >>> import numpy as np
    >>> from amsim import MultiBody
    >>> synapse = MultiBody(np.ones((1, 2, 1)), between=("x", "y", "z"))
    >>> float(synapse.energy(np.array([2.0]), np.array([1.0, 3.0]), np.array([5.0])))
    -40.0
    """

    tensor: Array
    between: tuple[str, ...]
    name: str = ""

    def __post_init__(self) -> None:
        tensor = _weights(self.tensor, "MultiBody").astype(np.float64, copy=False)
        if not 2 <= tensor.ndim <= len(_SLOTS):
            raise ValueError(f"MultiBody: tensor needs 2 to {len(_SLOTS)} axes, has {tensor.ndim}")
        object.__setattr__(self, "tensor", tensor)
        object.__setattr__(self, "between", _names(self.between, tensor.ndim, "MultiBody"))
        object.__setattr__(self, "name", self.name or "-".join(self.between))

    def _contract(self, activations: Sequence[Array | None], free: str) -> Array:
        """Contract the tensor with every activation whose slot is not in `free`."""
        slots = _SLOTS[: self.tensor.ndim]
        used = [(a, g) for a, g in zip(slots, activations, strict=True) if a not in free]
        subscripts = ",".join([slots, *(f"...{a}" for a, _ in used)])
        operands = [self.tensor, *(np.asarray(g) for _, g in used)]
        result = np.einsum(f"{subscripts}->...{free}", *operands, optimize=True)
        return np.asarray(result) / _permutations(self.between)

    def energy(self, *activations: Array) -> Array:
        return -self._contract(activations, "")

    def force_on(self, slot: int, activations: Sequence[Array | None]) -> Array:
        return self._contract(activations, _SLOTS[slot])

    def coupling(self, *activations: Array) -> dict[tuple[int, int], Array]:
        blocks = {}
        for a in range(self.tensor.ndim):
            for b in range(self.tensor.ndim):
                if a != b:
                    block = self._contract(activations, _SLOTS[a] + _SLOTS[b])
                    blocks[a, b] = _every_copy(block, activations[a])
        return blocks

    def check_shapes(self, *shapes: Shape) -> None:
        ends = tuple(shape[-1] for shape in shapes)
        if ends != self.tensor.shape or len({shape[:-1] for shape in shapes}) > 1:
            named = ", ".join(f"{n!r} {s}" for n, s in zip(self.between, shapes, strict=True))
            raise ValueError(
                f"synapse {self.name!r} has a tensor {self.tensor.shape}; its layers are {named}: "
                f"the last axes must match the tensor, the other axes each other"
            )


def _every_copy(block: Array, activation: Array) -> Array:
    """The derivative of one copy's force, (n, m) or (batch, *copies, n, m), for all copies."""
    if block.ndim == 2:
        return np.kron(np.eye(math.prod(activation.shape[1:-1])), block)[None]
    return block_diagonal(block)


def block_diagonal(blocks: Array) -> Array:
    """(batch, *copies, n, m) as block-diagonal matrices (batch, prod(copies) n, prod(copies) m)."""
    batch, (n, m) = len(blocks), blocks.shape[-2:]
    flat = blocks.reshape(batch, -1, n, m)
    copies = flat.shape[1]
    out = np.zeros((batch, copies, n, copies, m), blocks.dtype)
    index = np.arange(copies)
    out[:, index, :, index, :] = flat.swapaxes(0, 1)
    return out.reshape(batch, copies * n, copies * m)
