"""What every hypersynapse offers, the checks of its arguments, and derivatives of copies."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]
Shape = tuple[int, ...]


class HyperSynapse(ABC):
    """One term of the energy, shared by the layers named in `between`.

    Attributes
    ----------
    between : tuple of str
        The connected layers, one name per slot. A layer may fill several slots.
    name : str
        Key of this term in `Network.energy_tree`; "a-b" for between=("a", "b") by default.
    reads_own : bool
        Whether the force on a slot depends on that slot's own activation. It does not where the
        energy is linear in every slot.
    bounded_below : bool
        Whether the energy has a lower bound for activations of any size.
    growth : float
        `Lagrangian.growth` of units that are integrated out, as memories without a layer; 0 if
        there are none.
    """

    between: tuple[str, ...]
    name: str
    reads_own: ClassVar[bool] = False
    bounded_below: ClassVar[bool] = False

    @property
    def growth(self) -> float:
        """See above."""
        return 0.0

    @abstractmethod
    def energy(self, *activations: Array) -> Array:
        """Energy of the activations, one array (..., n_a) per slot; sums over the last axis.

        Axes of copies (tokens, positions) may be left for `Network.energy` to sum.
        """

    @abstractmethod
    def force_on(self, slot: int, activations: Sequence[Array | None]) -> Array:
        """Minus the gradient of the energy by the activation of one slot, (..., n_slot).

        Unless `reads_own`, the entry of the slot itself is not read: it may be None.
        """

    def heard(self) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Every slot that the synapse acts on, with the layers whose activations act there."""
        for slot, name in enumerate(self.between):
            others = self.between[:slot] + self.between[slot + 1 :]
            yield slot, (*others, name) if self.reads_own else others

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

    def kinked(self, *activations: Array) -> bool:
        """Whether the forces have a kink or step within rounding of these activations.

        Shapes as for `coupling`. There it holds the derivatives of one side.
        """
        return False

    @abstractmethod
    def parameter_gradient(self, *activations: Array) -> dict[str, Array]:
        """Derivative of the energy by the parameters, at given activations.

        Parameters
        ----------
        *activations : arrays (..., n_a)
            As for `energy`.

        Returns
        -------
        dict
            By the name of the parameter, in its shape: the gradient of the energies' sum over the
            batch and all copies. For one gradient per cue, call this per cue.
        """

    @abstractmethod
    def check_shapes(self, *shapes: Shape) -> None:
        """Raise ValueError unless layers of these shapes can fill the slots."""


def checked_names(between: Any, slots: int, kind: str) -> tuple[str, ...]:
    """Validate the layer names of a synapse that has `slots` slots."""
    if isinstance(between, str) or not all(isinstance(name, str) for name in between):
        raise TypeError(f"{kind}: between must be a tuple of layer names, got {between!r}")
    if len(between) != slots:
        raise ValueError(
            f"{kind}: between={tuple(between)!r} names {len(between)} layers, "
            f"its weights have {slots} axes; give one name per axis"
        )
    return tuple(between)


def permutations(between: tuple[str, ...]) -> int:
    """Orders in which repeated layers can fill their slots: 2 for ("v", "v"), 1 for ("h", "v")."""
    return math.prod(math.factorial(count) for count in Counter(between).values())


def checked_weights(weights: ArrayLike, kind: str) -> Array:
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


def rows(x: Array) -> Array:
    """(..., n) as float64 (prod(...), n)."""
    return x.reshape(-1, x.shape[-1]).astype(np.float64, copy=False)


def every_copy(block: Array, activation: Array) -> Array:
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
