"""`SGD`, and trees of arrays as lists of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from .. import checks
from ..parameters import Tree
from ..synapses import Array


class Optimiser(Protocol):
    """What optax calls a gradient transformation, such as ``optax.adam(1e-3)``."""

    def init(self, params: Any, /) -> Any:
        """The state before the first step."""

    def update(self, updates: Any, state: Any, params: Any, /) -> tuple[Any, Any]:
        """What to add to the parameters for this gradient, and the next state."""


@dataclass(frozen=True)
class SGD:
    """Steps against the gradient, with momentum: v <- momentum v + gradient, p <- p - rate v.

    Parameters
    ----------
    rate : float, default 0.1
    momentum : float, default 0.9
        From 0 to below 1.

    Raises
    ------
    ValueError, TypeError
        If a number is out of range, or none.

    Examples
    --------
    >>> import numpy as np
    >>> from amsim.learning import SGD
    >>> optimiser = SGD(rate=0.5, momentum=0.0)
    >>> gradient = {"layer": {"bias": np.array([1.0, -2.0])}}
    >>> optimiser.update(gradient, optimiser.init(gradient), gradient)[0]
    {'layer': {'bias': array([-0.5,  1. ])}}
    """

    rate: float = 0.1
    momentum: float = 0.9

    def __post_init__(self) -> None:
        rate = checks.number("SGD: rate", self.rate, above=0.0, at_most=checks.LARGEST)
        momentum = checks.number("SGD: momentum", self.momentum, at_least=0.0, below=1.0)
        object.__setattr__(self, "rate", rate)
        object.__setattr__(self, "momentum", momentum)

    def init(self, params: Tree) -> Tree:
        """Velocities of 0."""
        return {n: {k: np.zeros(np.shape(x)) for k, x in part.items()} for n, part in
                params.items()}  # fmt: skip

    def update(self, updates: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        """Steps, and the next velocities."""
        moving = {
            n: {k: self.momentum * state[n][k] + x for k, x in part.items()}
            for n, part in updates.items()
        }
        steps = {n: {k: -self.rate * v for k, v in part.items()} for n, part in moving.items()}
        return steps, moving


def leaves(tree: Any) -> Iterator[Array]:
    """The arrays and numbers of nested mappings and sequences, in a fixed order."""
    if isinstance(tree, Mapping):
        for name in sorted(tree):
            yield from leaves(tree[name])
    elif isinstance(tree, (tuple, list)):
        for each in tree:
            yield from leaves(each)
    elif tree is not None:
        yield np.asarray(tree)


def with_leaves(tree: Any, arrays: Iterator[Array]) -> Any:
    """The same tree with other arrays, taken in the order of `leaves`."""
    if isinstance(tree, Mapping):
        found = {name: with_leaves(tree[name], arrays) for name in sorted(tree)}
        return {name: found[name] for name in tree}
    if isinstance(tree, (tuple, list)):
        parts = [with_leaves(each, arrays) for each in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return None if tree is None else next(arrays)
