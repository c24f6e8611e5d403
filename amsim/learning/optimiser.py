"""`SGD` and `Adam`, and trees of arrays as lists of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from .. import checks
from ..parameters import Tree
from ..synapses import Array

_LEAST = 1e-8


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
        return _zeros(params)

    def update(self, updates: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        """Steps, and the next velocities."""
        moving = _each(lambda v, x: self.momentum * v + x, state, updates)
        return {
            n: {k: -self.rate * v for k, v in part.items()} for n, part in moving.items()
        }, moving


@dataclass(frozen=True)
class Adam:
    """Steps of one size for all parameters: the mean gradient over its root mean square.

    Parameters
    ----------
    rate : float, default 0.001
    decay : float, default 0.9
        Of the mean of gradients, m <- decay m + (1 - decay) gradient.
    decay_squares : float, default 0.999
        Of the mean of their squares, v. Steps are -rate m / (sqrt(v) + 1e-8), both means divided by
        the weight that they have had so far.

    Raises
    ------
    ValueError, TypeError
        If a number is out of range, or none.

    References
    ----------
    Kingma & Ba 2015, arXiv:1412.6980.

    Examples
    --------
    >>> import numpy as np
    >>> from amsim.learning import Adam
    >>> optimiser = Adam(rate=0.5)
    >>> gradient = {"layer": {"bias": np.array([1.0, -2.0])}}
    >>> optimiser.update(gradient, optimiser.init(gradient), gradient)[0]["layer"]["bias"].round(6)
    array([-0.5,  0.5])
    """

    rate: float = 0.001
    decay: float = 0.9
    decay_squares: float = 0.999

    def __post_init__(self) -> None:
        rate = checks.number("Adam: rate", self.rate, above=0.0, at_most=checks.LARGEST)
        object.__setattr__(self, "rate", rate)
        for name in ("decay", "decay_squares"):
            share = checks.number(f"Adam: {name}", getattr(self, name), at_least=0.0, below=1.0)
            object.__setattr__(self, name, share)

    def init(self, params: Tree) -> tuple[Array, Tree, Tree]:
        """Steps so far, and both means."""
        return np.zeros((), np.int64), _zeros(params), _zeros(params)

    def update(
        self, updates: Tree, state: tuple[Array, Tree, Tree], params: Tree
    ) -> tuple[Tree, tuple[Array, Tree, Tree]]:
        """Steps, and the next means."""
        count, one, two = state[0] + 1, self.decay, self.decay_squares
        mean = _each(lambda m, x: one * m + (1 - one) * x, state[1], updates)
        squares = _each(lambda v, x: two * v + (1 - two) * x**2, state[2], updates)
        rate = self.rate / (1 - one**count)
        steps = _each(
            lambda m, v: -rate * m / (np.sqrt(v / (1 - two**count)) + _LEAST), mean, squares
        )
        return steps, (np.asarray(count), mean, squares)


def _each(function: Callable[[Any, Any], Any], tree: Tree, other: Tree) -> Tree:
    """The function of every two arrays of the same place."""
    return {n: {k: function(x, other[n][k]) for k, x in part.items()} for n, part in tree.items()}


def _zeros(tree: Tree) -> Tree:
    return {n: {k: np.zeros(np.shape(x)) for k, x in part.items()} for n, part in tree.items()}


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
