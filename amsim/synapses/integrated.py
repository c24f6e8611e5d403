"""`Memories` and `Epanechnikov`: memories without a layer, the limit of fast hidden units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..display import fields_repr
from ..lagrangians import Lagrangian, ReLU
from .base import (
    Array,
    HyperSynapse,
    Shape,
    checked_name,
    checked_names,
    checked_weights,
    every_copy,
    rows,
)

# As `stability` knows a fixed point: relative distances, and changes of slopes within them.
_BESIDE, _JUMP = 1e-9, 1e-3


@dataclass(frozen=True, eq=False, init=False)
class Memories(HyperSynapse):
    r"""Memories whose units are integrated out, :math:`E = -L(\Xi g + b)`.

    What a hidden layer with tau = 0 adds to the energy, for each copy (token) on its own. With
    `ReLU` it is the Hopfield module of the Energy Transformer (Hoover et al. 2023,
    arXiv:2302.07253, eq. 7).

    Parameters
    ----------
    weights : array_like of shape (M, D)
        One memory a row.
    lagrangian : Lagrangian, default ReLU()
    between : tuple of one str
        The layer, of shape (..., D).
    bias : float or array_like of shape (M,), default 0.0
    name : str, optional

    Raises
    ------
    ValueError
        If weights or bias do not fit or are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from amsim.synapses import Memories
    >>> float(Memories([[1.0, 1.0], [1.0, -1.0]]).energy(np.array([1.0, 2.0])))
    -4.5
    """

    weights: Array
    lagrangian: Lagrangian
    between: tuple[str, ...]
    bias: Array
    name: str

    __repr__ = fields_repr
    reads_own = True

    def __init__(
        self,
        weights: ArrayLike,
        lagrangian: Lagrangian | None = None,
        between: tuple[str] = ("visible",),
        bias: ArrayLike = 0.0,
        name: str = "",
    ) -> None:
        xi = checked_weights(checks.array("Memories: weights", weights), "Memories", ndim=2)
        if lagrangian is not None:
            checks.instance(
                "Memories: lagrangian", lagrangian, Lagrangian, "a Lagrangian such as ReLU()"
            )
        b = checked_weights(checks.array("Memories: bias", bias), "Memories", "bias")
        if b.shape not in {(), (1,), xi.shape[:1]}:
            raise ValueError(f"Memories: bias has shape {b.shape}, there are {len(xi)} memories")
        for field, value in {
            "weights": xi,
            "lagrangian": ReLU() if lagrangian is None else lagrangian,
            "between": checked_names(between, 1, "Memories"),
            "bias": np.broadcast_to(b, xi.shape[:1]),
            "name": checked_name(name, "Memories", "memories"),
        }.items():
            object.__setattr__(self, field, value)

    @property
    def growth(self) -> float:
        return self.lagrangian.growth

    def energy(self, *activations: Array) -> Array:
        return -self.lagrangian.value(self._hidden(activations))

    def force_on(self, slot: int, activations: Sequence[Array | None]) -> Array:
        return self.lagrangian.activation(self._hidden(activations)) @ self.weights

    def coupling(self, *activations: Array) -> dict[tuple[int, int], Array]:
        hessian = self.lagrangian.hessian(self._hidden(activations))
        return {(0, 0): every_copy(self.weights.T @ hessian @ self.weights, activations[0])}

    def kinked(self, *activations: Array) -> bool:
        hidden = self._hidden(activations)
        near = _BESIDE * (1 + np.abs(activations[0]) @ np.abs(self.weights).T + np.abs(self.bias))
        low, high = self.lagrangian.slope_bounds(hidden - near, hidden + near)
        return bool((high - low > _JUMP * high).any())

    def parameter_gradient(self, *activations: Array) -> dict[str, Array]:
        f = rows(self.lagrangian.activation(self._hidden(activations)))
        return {"weights": -(f.T @ rows(activations[0])), "bias": -f.sum(axis=0)}

    def pull_back(
        self, activations: Sequence[Array], directions: Sequence[Array | None]
    ) -> list[Array | None]:
        (u,) = directions
        return [None if u is None else self._response(activations, u) @ self.weights]

    def force_gradient(
        self, activations: Sequence[Array], directions: Sequence[Array]
    ) -> dict[str, Array]:
        f = rows(self.lagrangian.activation(self._hidden(activations)))
        g, u = rows(activations[0]), rows(directions[0])
        moved = rows(self._response(activations, directions[0]))
        return {"weights": f.T @ u + moved.T @ g, "bias": moved.sum(axis=0)}

    def _response(self, activations: Sequence[Array], u: Array) -> Array:
        """How the outputs of the memories change where the layer moves by u."""
        hidden = self._hidden(activations)
        return np.asarray(self.lagrangian.hessian_product(hidden, u @ self.weights.T))

    def check_shapes(self, *shapes: Shape) -> None:
        _check_units(self, self.weights, shapes[0])

    def _hidden(self, activations: Sequence[Array | None]) -> Array:
        (g,) = activations
        assert g is not None, "the memories read their layer"
        return g @ self.weights.T + self.bias


@dataclass(frozen=True, eq=False, init=False)
class Epanechnikov(HyperSynapse):
    r"""Log-sum-ReLU energy of distances, with memories that reach no further than their kernel.

    .. math::
        E = -\frac{1}{\beta} \log \Big(\epsilon
            + \sum_\mu \mathrm{relu}(1 - \tfrac{\beta}{2} |g - \xi_\mu|^2)\Big)

    Parameters
    ----------
    memories : array_like of shape (K, D)
    beta : float, default 1.0
        The kernel of a memory ends at the distance sqrt(2 / beta).
    between : tuple of one str
        A layer of shape (D,), usually `Identity()` without leak: the energy is complete.
    eps : float, default 1e-12
        Keeps the energy finite, at -log(eps) / beta, where no kernel reaches; there is no force
        there.
    name : str, optional

    Raises
    ------
    ValueError
        If the memories are not a finite matrix, or beta or eps is not positive.

    Notes
    -----
    Source: Hoover, Shi, Balasubramanian, Krotov & Ram 2025, "Dense associative memory with
    Epanechnikov energy", arXiv:2506.10801. The logarithm of a sum of rectified lines is not convex
    in those lines, so this is no `Lagrangian`, and there is no hidden layer whose dynamics would
    descend: the energy exists for memories that are integrated out.

    Where kernels overlap, the energy has minima of its own besides the memories; within one region
    of overlap there is a single one, at the mean of its memories.

    Examples
    --------
    >>> import numpy as np
    >>> from amsim.synapses import Epanechnikov
    >>> synapse = Epanechnikov([[0.0], [1.0]], beta=2.0)
    >>> round(float(synapse.energy(np.array([0.5]))), 4)
    -0.2027
    """

    memories: Array
    beta: float
    between: tuple[str, ...]
    eps: float
    name: str

    __repr__ = fields_repr
    reads_own = True
    bounded_below = True

    def __init__(
        self,
        memories: ArrayLike,
        beta: float = 1.0,
        between: tuple[str] = ("visible",),
        eps: float = 1e-12,
        name: str = "",
    ) -> None:
        given = checks.array("Epanechnikov: memories", memories)
        xi = checked_weights(given, "Epanechnikov", "memories", ndim=2)
        numbers = {
            what: checks.number(
                f"Epanechnikov: {what}", number, at_least=checks.SMALLEST, at_most=checks.LARGEST
            )
            for what, number in {"beta": beta, "eps": eps}.items()
        }
        for field, value in {
            "memories": xi,
            **numbers,
            "between": checked_names(between, 1, "Epanechnikov"),
            "name": checked_name(name, "Epanechnikov", "memories"),
        }.items():
            object.__setattr__(self, field, value)

    @property
    def learned(self) -> tuple[str, ...]:
        return "memories", "beta"

    def energy(self, *activations: Array) -> Array:
        total = self.eps + np.maximum(self._kernels(activations[0]), 0).sum(axis=-1)
        return np.asarray(-np.log(total) / self.beta)

    def force_on(self, slot: int, activations: Sequence[Array | None]) -> Array:
        (g,) = activations
        assert g is not None, "the memories read their layer"
        share = self._shares(g)
        return np.asarray(share @ self.memories - share.sum(axis=-1, keepdims=True) * g)

    def coupling(self, *activations: Array) -> dict[tuple[int, int], Array]:
        (g,) = activations
        share = self._shares(g)
        force = self.force_on(0, activations)
        slope = -share.sum(axis=-1)[..., None, None] * np.eye(g.shape[-1])
        return {(0, 0): every_copy(slope - self.beta * _outer(force), g)}

    def kinked(self, *activations: Array) -> bool:
        kernels = self._kernels(activations[0])
        return bool((np.abs(kernels) <= _BESIDE * (1 + np.abs(1 - kernels))).any())

    def parameter_gradient(self, *activations: Array) -> dict[str, Array]:
        g = rows(activations[0])
        share, kernels = self._shares(g), self._kernels(g)
        pulled = share.sum(axis=0)[:, None] * self.memories - share.T @ g
        # d kernel / d beta = -d^2 / 2 = (kernel - 1) / beta.
        inner = np.sum(share * (1 - kernels)) / self.beta
        return {
            "memories": pulled,
            "beta": np.asarray((inner - self.energy(g).sum()) / self.beta),
        }

    def check_shapes(self, *shapes: Shape) -> None:
        _check_units(self, self.memories, shapes[0])

    def _kernels(self, g: Array) -> Array:
        """1 - beta d^2 / 2, shape (..., K)."""
        square = np.sum((g[..., None, :] - self.memories) ** 2, axis=-1)
        return np.asarray(1 - self.beta / 2 * square)

    def _shares(self, g: Array) -> Array:
        """1 for memories within reach, over the sum of the kernels."""
        kernels = self._kernels(g)
        total = self.eps + np.maximum(kernels, 0).sum(axis=-1, keepdims=True)
        return np.asarray((kernels > 0) / total)


def _outer(x: Array) -> Array:
    return np.asarray(x[..., :, None] * x[..., None, :])


def _check_units(synapse: HyperSynapse, weights: Array, shape: Shape) -> None:
    if shape[-1] != weights.shape[1]:
        raise ValueError(
            f"synapse {synapse.name!r} has memories {weights.shape}; layer "
            f"{synapse.between[0]!r} has shape {shape}: the last axes must match"
        )
