"""`MultiBody`: synapses between any number of layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
        a three-body tensor on one layer exerts the force T[:, g, g] / 2. The axes of a layer
        must be exchangeable.
    name : str, optional

    Raises
    ------
    ValueError
        If the names do not match the axes, or the tensor is empty, not finite, or not symmetric in
        the axes of one layer.

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

    __repr__ = fields_repr

    def __post_init__(self) -> None:
        tensor = checks.array("MultiBody: tensor", self.tensor)
        tensor = checked_weights(tensor, "MultiBody", "tensor")
        if not 2 <= tensor.ndim <= len(_SLOTS):
            raise ValueError(f"MultiBody: tensor needs 2 to {len(_SLOTS)} axes, has {tensor.ndim}")
        between = checked_names(self.between, tensor.ndim, "MultiBody")
        check_symmetric(tensor, between, "MultiBody")
        name = checked_name(self.name, "MultiBody", "-".join(between))
        for field, value in {"tensor": tensor, "between": between, "name": name}.items():
            object.__setattr__(self, field, value)

    def _contract(self, activations: Sequence[Array | None], free: str) -> Array:
        """Contract the tensor with every activation whose slot is not in `free`."""
        slots = _SLOTS[: self.tensor.ndim]
        used = [(a, g) for a, g in zip(slots, activations, strict=True) if a not in free]
        subscripts = ",".join([slots, *(f"...{a}" for a, _ in used)])
        operands = [self.tensor, *(np.asarray(g) for _, g in used)]
        result = np.einsum(f"{subscripts}->...{free}", *operands, optimize=True)
        return np.asarray(result) / permutations(self.between)

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
                    blocks[a, b] = every_copy(block, activations[a])
        return blocks

    def parameter_gradient(self, *activations: Array) -> dict[str, Array]:
        slots = _SLOTS[: self.tensor.ndim]
        subscripts = ",".join(f"z{slot}" for slot in slots)
        operands = [rows(g) for g in activations]
        total = np.einsum(f"{subscripts}->{slots}", *operands, optimize=True)
        return {"tensor": -np.asarray(total) / permutations(self.between)}

    def check_shapes(self, *shapes: Shape) -> None:
        ends = tuple(shape[-1] for shape in shapes)
        if ends != self.tensor.shape or len({shape[:-1] for shape in shapes}) > 1:
            named = ", ".join(f"{n!r} {s}" for n, s in zip(self.between, shapes, strict=True))
            raise ValueError(
                f"synapse {self.name!r} has a tensor {self.tensor.shape}; its layers are {named}: "
                f"the last axes must match the tensor, the other axes each other"
            )
