"""The linearised network with a delay on every link.

    tau_a du_a/dt = -leak_a u_a(t) + sum_b C_ab H_b u_b(t - d_ab)

A solution e^(s t) x has M(s) x = 0 with M(s) = s tau + leak - (C * e^(-s d)) H.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks
from ..synapses import Array
from .linear import Floats, Linearisation

Pair = tuple[str, str]  # (source, target), as in `Timing`
Delay: TypeAlias = ArrayLike | Mapping[Any, ArrayLike]
Links: TypeAlias = Iterable[Any] | Mapping[Any, ArrayLike]

_FEW = 8  # distinct delays up to which each has a matrix of its own


def link_delays(linear: Linearisation, delay: Delay) -> dict[Pair, Floats]:
    """Delays by (source, target), each of the shape of the block."""
    spec = delay if isinstance(delay, Mapping) else dict.fromkeys(linear.blocks, delay)
    delays = {pair: np.zeros(block.shape) for pair, block in linear.blocks.items()}
    for pair, value in _spread(linear, spec, "delay"):
        array = checks.array(f"delays of {pair}", value, largest=checks.LARGEST)
        if (array < 0).any():
            raise ValueError(f"delays of {pair} must not be negative")
        delays[pair] = array
    return delays


def by_link(delays: Mapping[Pair, Array]) -> dict[Pair, Array]:
    """What `link_delays` made, as a user gives it: a row for each sender."""
    return {pair: value.T for pair, value in delays.items()}


def chosen_links(linear: Linearisation, links: Links | None) -> dict[Pair, NDArray[np.bool_]]:
    """Masks by (source, target), each of the shape of the block; all of them for None."""
    if links is None:
        return {pair: np.ones(block.shape, bool) for pair, block in linear.blocks.items()}
    spec = links if isinstance(links, Mapping) else dict.fromkeys(_keys(linear, links), np.True_)
    masks = {pair: np.zeros(block.shape, bool) for pair, block in linear.blocks.items()}
    for pair, value in _spread(linear, spec, "links"):
        if value.dtype != bool:
            raise TypeError(f"links of {pair} must be chosen by booleans")
        masks[pair] = value
    if not any(mask.any() for mask in masks.values()):
        raise ValueError("links chooses no link")
    return masks


def _keys(linear: Linearisation, links: Iterable[Any]) -> list[Any]:
    """What a sequence chooses; a tuple that is a pair (source, target) is one choice."""
    checks.instance("links", links, Iterable, "names of layers or pairs (source, target)")
    single = isinstance(links, str) or (isinstance(links, tuple) and links in linear.blocks)
    return [links] if single else list(links)


def _spread(
    linear: Linearisation, spec: Mapping[Any, ArrayLike], what: str
) -> Iterable[tuple[Pair, Array]]:
    """Values for pairs (source, target), of the shape (target units, source units) of the block.

    A layer's name stands for all links that leave it; as in `Timing`, a pair counts before it.
    """
    for key in spec:
        if not any(key in (pair, pair[0]) for pair in linear.blocks):
            known = ", ".join(map(repr, linear.blocks))
            raise ValueError(
                f"{what} names {key!r}; give the name of a layer, for all links that leave it, or "
                f"a pair (source, target) out of {known}"
            )
    for pair, block in linear.blocks.items():
        if pair in spec:
            yield pair, _of_links(np.asarray(spec[pair]), pair, block.shape[::-1], what).T
        elif pair[0] in spec:
            shape = linear.network.layers[pair[0]].shape
            units = _of_units(np.asarray(spec[pair[0]]), pair[0], shape, what)
            yield pair, np.broadcast_to(units, block.shape)


def _of_links(value: Array, pair: Pair, shape: tuple[int, ...], what: str) -> Array:
    if value.ndim and value.shape != shape:
        turned = value.shape == shape[::-1]
        raise ValueError(
            f"{what} of {pair} has shape {value.shape}; it needs one row per unit of {pair[0]!r}, "
            f"which sends, and one column per unit of {pair[1]!r}, {shape}, or be a number"
            + ("; transpose it, or name the pair (source, target)" if turned else "")
        )
    return np.broadcast_to(value, shape)


def _of_units(value: Array, name: str, shape: tuple[int, ...], what: str) -> Array:
    if value.ndim and value.shape not in (shape, (math.prod(shape),)):
        raise ValueError(
            f"{what} of layer {name!r} has shape {value.shape}, the layer has shape {shape}; give "
            f"a number or one per sending unit"
        )
    return value.ravel()


class DelayedNetwork:
    """M(s), its derivative, and what bounds its roots.

    Attributes
    ----------
    linear : Linearisation
    delays : dict of (source, target) to ndarray (target units, source units)
    longest : float
    """

    def __init__(self, linear: Linearisation, delays: Mapping[Pair, Floats]) -> None:
        self.linear, self.delays = linear, dict(delays)
        used = [d[linear.blocks[pair] != 0] for pair, d in delays.items()]
        self.distinct = np.unique(np.concatenate([np.zeros(0), *used]))
        self.longest = float(self.distinct.max(initial=0.0))

    @cached_property
    def terms(self) -> list[tuple[float, Floats]]:
        """(d, A_d) with M(s) = s tau + leak - sum_d e^(-s d) A_d."""
        return [(float(d), self.weighted(partial(np.equal, d))) for d in self.distinct]

    @property
    def few(self) -> bool:
        """Whether the delays take few values."""
        return len(self.distinct) <= _FEW

    def weighted(self, weight: Callable[[Floats], Array]) -> Any:
        """(C * weight(d)) H."""
        linear = self.linear
        blocks = {pair: block * weight(self.delays[pair]) for pair, block in linear.blocks.items()}
        return linear.assemble(blocks) @ linear.hessian

    def matrix(self, s: complex) -> Any:
        """M(s)."""
        linear = self.linear
        diagonal = np.diag(s * linear.tau + linear.leak)
        if self.few:
            return diagonal - sum(np.exp(-s * d) * a for d, a in self.terms)
        return diagonal - self.weighted(lambda d: np.exp(-s * d))

    def derivative(self, s: complex) -> Any:
        """dM/ds."""
        diagonal = np.diag(self.linear.tau)
        if self.few:
            return diagonal + sum(d * np.exp(-s * d) * a for d, a in self.terms)
        return diagonal + self.weighted(lambda d: d * np.exp(-s * d))

    def bound(self, s: complex) -> float:
        """Spectral radius of the magnitudes of M's terms: where it is below 1, M is regular.

        It falls along every ray to the right and along every line up; so does what it bounds.
        """
        linear = self.linear
        growth = float(np.exp(min(-s.real * self.longest, 700.0))) if s.real < 0 else 1.0
        size = np.abs(s * linear.tau + linear.leak)
        # At s = 0 a layer without leak has nothing that its inputs could be compared with.
        return growth * linear.magnitude_radius(size) if size.all() else np.inf

    def rightmost_possible(self) -> float:
        """No root lies to the right of this real number, for these delays or shorter ones."""
        return self._where_bound_is_one(lambda x: complex(x, 0.0))

    def highest_frequency(self, real: float) -> float:
        """Roots whose real part is at least `real` have imaginary parts within +- this."""
        if self.bound(complex(real, 0.0)) <= 1:
            return 0.0
        return self._where_bound_is_one(lambda w: complex(real, w))

    def _where_bound_is_one(self, path: Callable[[float], complex]) -> float:
        """Follow a path along which the bound falls until it is 1, to one part in a hundred."""
        low, high = 0.0, 1.0 / float(self.linear.tau.max())
        if self.bound(path(low)) <= 1:
            return low
        while self.bound(path(high)) > 1:
            low, high = high, 2 * high
        while high - low > 0.01 * high:
            middle = (low + high) / 2
            low, high = (middle, high) if self.bound(path(middle)) > 1 else (low, middle)
        return high
