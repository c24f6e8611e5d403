"""`Manhattan`: memories that measure how far a state is by the sum of absolute differences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..display import fields_repr
from ..lagrangians import Identity, SimplexLagrangian
from .base import (
    Array,
    HyperSynapse,
    Shape,
    checked_name,
    checked_names,
    checked_weights,
    every_copy,
)

if TYPE_CHECKING:
    from ..network import Layer

# Of the range of the memories: far below what tells them apart.
_WIDTH = 0.01


@dataclass(frozen=True, eq=False, init=False)
class Manhattan(HyperSynapse):
    r"""Memories compete for the nearest by the Manhattan distance, rounded off at its kink.

    .. math::
        E = \sum_\mu f_\mu\, d(g, \xi_\mu) - \frac{g \cdot g}{2 w}, \qquad
        d(g, \xi) = \sum_i \Big(\sqrt{(g_i - \xi_i)^2 + w^2} - w\Big)

    The second term takes back what features with the leak 1 / w add: the network has the energy
    sum f d, and solvers, which follow a leak exactly, have nothing stiff left. With w to 0, d is
    the sum of absolute differences: a unit that is far off counts by how far, not by the square of
    that. Features move at most with the speed 1 / tau, towards a weighted median of the memories.

    Parameters
    ----------
    memories : array_like of shape (K, D)
    between : tuple of two str
        The layer with K units, whose outputs have to be shares (`Softmax`, `Entmax`), and the one
        with D: `Identity()` with `leak`.
    width : float, optional
        w, in units of the state; by default 0.01 of the largest range that a unit has over the
        memories (or of the largest value of a single one).
    name : str, optional

    Raises
    ------
    ValueError
        If the memories are not a finite matrix, or the width is not positive.

    Notes
    -----
    The distance is one of the similarities of Millidge et al. 2022, "Universal Hopfield networks",
    arXiv:2202.04557; there it is read out by an update, here it is an energy that falls.

    Examples
    --------
    >>> import numpy as np
    >>> from amsim.synapses import Manhattan
    >>> synapse = Manhattan([[0.0, 0.0], [1.0, 3.0]], width=1e-9)
    >>> synapse.force_on(0, [None, np.array([1.0, 1.0])]).round(6).tolist()
    [-2.0, -2.0]
    """

    memories: Array
    between: tuple[str, ...]
    width: float
    name: str

    __repr__ = fields_repr
    reads_own = True

    def __init__(
        self,
        memories: ArrayLike,
        between: tuple[str, str] = ("hidden", "visible"),
        width: float | None = None,
        name: str = "",
    ) -> None:
        given = checks.array("Manhattan: memories", memories)
        xi = checked_weights(given, "Manhattan", "memories", ndim=2)
        if width is None:
            width = _WIDTH * (float(np.ptp(xi, axis=0).max()) or float(np.abs(xi).max()) or 1.0)
        names = checked_names(between, 2, "Manhattan")
        if names[0] == names[1]:
            raise ValueError("Manhattan: join two different layers; one was named twice")
        for field, value in {
            "memories": xi,
            "between": names,
            "width": checks.number(
                "Manhattan: width", width, at_least=checks.SMALLEST, at_most=checks.LARGEST
            ),
            "name": checked_name(name, "Manhattan", "-".join(names)),
        }.items():
            object.__setattr__(self, field, value)

    @property
    def leak(self) -> float:
        """The leak that the features need: 1 / width."""
        return 1 / self.width

    def energy(self, *activations: Array) -> Array:
        f, g = activations
        paid = self.leak / 2 * np.sum(g * g, axis=-1)
        return np.asarray(-np.sum(f * self._nearness(g), axis=-1) - paid)

    def force_on(self, slot: int, activations: Sequence[Array | None]) -> Array:
        f, g = activations
        assert g is not None, "the distances are read by both layers"
        if slot == 0:
            return self._nearness(g)
        assert f is not None, "the features read the memories"
        return np.asarray(self.leak * g - np.einsum("...k,...kd->...d", f, self._slope(g)))

    def dependencies(self) -> Iterator[tuple[int, tuple[str, ...]]]:
        memories, features = self.between
        yield 0, (features,)
        yield 1, (memories, features)

    def coupling(self, *activations: Array) -> dict[tuple[int, int], Array]:
        f, g = activations
        apart = g[..., None, :] - self.memories
        bend = self.width**2 / np.hypot(apart, self.width) ** 3
        block = -self._slope(g)
        own = (self.leak - np.einsum("...k,...kd->...d", f, bend))[..., None] * np.eye(g.shape[-1])
        back = every_copy(block.swapaxes(-1, -2), g)
        return {(0, 1): every_copy(block, g), (1, 0): back, (1, 1): every_copy(own, g)}

    def parameter_gradient(self, *activations: Array) -> dict[str, Array]:
        f, g = activations
        pulled = f[..., None] * self._slope(g)
        return {"memories": -pulled.reshape(-1, *self.memories.shape).sum(axis=0)}

    def check_shapes(self, *shapes: Shape) -> None:
        first, second = shapes
        if (first[-1], second[-1]) != self.memories.shape or first[:-1] != second[:-1]:
            raise ValueError(
                f"synapse {self.name!r} has memories {self.memories.shape}; layer "
                f"{self.between[0]!r} has shape {first}, layer {self.between[1]!r} has shape "
                f"{second}: the last axes must match the memories, the other axes each other"
            )

    def check_layers(self, *layers: Layer) -> None:
        memories, features = layers
        if not isinstance(memories.lagrangian, SimplexLagrangian):
            raise ValueError(
                f"synapse {self.name!r} needs shares as outputs of layer {self.between[0]!r}, and "
                f"{type(memories.lagrangian).__name__} gives others: memories that repel have no "
                f"lowest energy; take Softmax or Entmax"
            )
        if not isinstance(features.lagrangian, Identity) or features.leak != self.leak:
            raise ValueError(
                f"synapse {self.name!r} needs a layer {self.between[1]!r} of Identity() with "
                f"leak={self.leak!r}, which is 1 / width; dense_am(similarity='manhattan') makes it"
            )

    def _nearness(self, g: Array) -> Array:
        """-d, shape (..., K)."""
        apart = np.hypot(g[..., None, :] - self.memories, self.width) - self.width
        return np.asarray(-apart.sum(axis=-1))

    def _slope(self, g: Array) -> Array:
        """The derivative of d by g, shape (..., K, D)."""
        apart = g[..., None, :] - self.memories
        return np.asarray(apart / np.hypot(apart, self.width))
