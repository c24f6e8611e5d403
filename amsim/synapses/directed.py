"""`Directed`: pairwise synapses that act in one direction only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from .. import checks
from ..display import fields_repr
from .base import Array, checked_name, checked_weights, every_copy, rows
from .dense import Pairwise, project, project_back


@dataclass(frozen=True, eq=False)
class Directed(Pairwise):
    r"""Synapses from one layer to another, or within one, whose weights need not be symmetric.

    The force on the target is :math:`W g`, with g the activation of the source; there is none on
    the source. Such forces have no energy in general: networks with one may cycle or be chaotic.

    Parameters
    ----------
    weights : array_like of shape (target units, source units)
        Row i holds the weights onto unit i of the target. Copied; int8 and float32 are kept as they
        are, anything else becomes float64.
    source, target : str
        The layer that sends, and the layer that receives; one layer may be both.
    name : str, optional
        "source->target" by default.

    Attributes
    ----------
    between : tuple of two str
        (target, source), in the order of the axes of the weights.

    Raises
    ------
    ValueError
        If the weights are not two-dimensional, empty or not finite.

    Notes
    -----
    `energy` is that of the symmetric part of the couplings, -f^T W g / 2 for activations f of the
    target and g of the source: within a layer -g^T (W + W^T) g / 4. `Network.energy` refuses it
    unless it is asked for with ``symmetric_part=True``.

    Both layers may carry the same further axes in front (tokens, positions); the weights are then
    shared by all of them.

    Examples
    --------
    Two linear units that turn around each other:

    >>> import numpy as np
    >>> import amsim as am
    >>> turn = am.Directed([[1.0, -2.0], [2.0, 1.0]], source="x", target="x")
    >>> net = am.Network({"x": am.Layer(2, am.Identity())}, [turn])
    >>> np.linalg.eigvals(net.jacobian({"x": np.zeros(2)}))
    array([0.+2.j, 0.-2.j])
    """

    weights: Array
    source: str = field(kw_only=True)
    target: str = field(kw_only=True)
    name: str = field(default="", kw_only=True)

    __repr__ = fields_repr
    directed = True

    def __post_init__(self) -> None:
        weights = checked_weights(self.weights, "Directed", ndim=2)
        source, target = (
            checks.text(f"Directed: {what}", getattr(self, what)) for what in ("source", "target")
        )
        name = checked_name(self.name, "Directed", f"{source}->{target}")
        between = (target, source)
        for key, value in {"weights": weights, "name": name, "between": between}.items():
            object.__setattr__(self, key, value)

    @cached_property
    def turned(self) -> Array:
        """`compact` with a row for each sender."""
        return np.ascontiguousarray(self.compact.T)

    def directions(self) -> Iterator[tuple[str, str, Array]]:
        yield self.source, self.target, self.weights.T

    def energy(self, *activations: Array) -> Array:
        f, g = activations
        return np.asarray(-np.sum(f * project(g, self.weights), axis=-1) / 2)

    def force_on(self, slot: int, activations: Sequence[Array | None]) -> Array:
        target, source = activations
        if slot == 0:
            assert source is not None, "only the slot's own activation may be missing"
            return project(source, self.weights)
        assert target is not None, "only the slot's own activation may be missing"
        return np.zeros((*target.shape[:-1], self.weights.shape[1]), target.dtype)

    def dependencies(self) -> Iterator[tuple[int, tuple[str, ...]]]:
        yield 0, (self.source,)

    def coupling(self, *activations: Array) -> dict[tuple[int, int], Array]:
        return {(0, 1): every_copy(self.weights, activations[0])}

    def parameter_gradient(self, *activations: Array) -> dict[str, Array]:
        f, g = (rows(x) for x in activations)
        return {"weights": -(f.T @ g) / 2}

    def pull_back(
        self, activations: Sequence[Array], directions: Sequence[Array | None]
    ) -> list[Array | None]:
        u = directions[0]
        return [None, None if u is None else project_back(u, self.weights)]

    def force_gradient(
        self, activations: Sequence[Array], directions: Sequence[Array]
    ) -> dict[str, Array]:
        return {"weights": rows(directions[0]).T @ rows(activations[1])}
