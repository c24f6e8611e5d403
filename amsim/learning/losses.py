"""Losses of settled states: a value for each cue, and the derivative by the states."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks
from ..display import fields_repr
from ..network import Network
from ..synapses import Array

Units = slice | ArrayLike


class Loss(Protocol):
    """Anything with a value and a gradient.

    States are those of all layers, (*batch, *shape) by name. For the losses here the last axis of
    a layer is its units; `gradient` flattens layers of more axes for them.
    """

    def value(self, states: Mapping[str, Array]) -> Any:
        """The loss of each cue, (*batch), or of all of them together."""

    def gradient(self, states: Mapping[str, Array]) -> Mapping[str, Array]:
        """Its derivative by the states, for the layers that it reads."""


@dataclass(frozen=True, eq=False, init=False)
class SquaredError:
    """Half the sum of squared distances to a target, over units and cues.

    Parameters
    ----------
    layer : str
        Whose states are compared.
    target : array_like, broadcast to (*batch, units)
    units : slice, mask or indices, optional
        The units of the (flattened) layer; all by default.

    Raises
    ------
    ValueError, TypeError
        If the target is not finite, or units are none.

    Examples
    --------
    >>> import numpy as np
    >>> import amsim as am
    >>> loss = am.learning.SquaredError("visible", [1.0, 0.0], units=slice(1, 3))
    >>> states = {"visible": np.array([[5.0, 1.0, 2.0], [5.0, 1.0, 1.0]])}
    >>> loss.value(states)
    array([2. , 0.5])
    >>> loss.gradient(states)["visible"]
    array([[0., 0., 2.],
           [0., 0., 1.]])
    """

    layer: str
    target: Array
    units: Units | None

    __repr__ = fields_repr

    def __init__(self, layer: str, target: ArrayLike, units: Units | None = None) -> None:
        given = checks.array("SquaredError: target", target, largest=checks.LARGEST)
        object.__setattr__(self, "layer", checks.text("SquaredError: layer", layer))
        object.__setattr__(self, "target", checks.owned(given))
        object.__setattr__(self, "units", _owned_units("SquaredError", units))

    def value(self, states: Mapping[str, Array]) -> Array:
        """Half the sum of squares of each cue, (*batch)."""
        return np.asarray(np.sum(self._distance(states) ** 2, axis=-1) / 2)

    def gradient(self, states: Mapping[str, Array]) -> dict[str, Array]:
        """The distances, 0 for other units of the layer."""
        state = _state("SquaredError", self.layer, states)
        return {self.layer: _spread(self.units, state, self._distance(states))}

    def _distance(self, states: Mapping[str, Array]) -> Array:
        x = _chosen(self.units, _state("SquaredError", self.layer, states))
        _check_broadcast("SquaredError: target", self.target.shape, x.shape)
        return np.asarray(x - self.target)

    def select(self, cues: NDArray[np.int64]) -> SquaredError:
        """The same for some of the cues, by their indices along the first axis of the target."""
        target = self.target if self.target.ndim < 2 else self.target[cues]
        return SquaredError(self.layer, target, self.units)

    def for_network(self, network: Network, batch: tuple[int, ...]) -> SquaredError:
        """The same for flattened states (B, units), checked; `gradient` calls it."""
        index = _index("SquaredError", network, self.layer, self.units)
        wide = _fit("SquaredError: target", self.target, (*batch, len(index)))
        return SquaredError(self.layer, wide.reshape(-1, len(index)), index)

    def clamped(self, states: Mapping[str, Array]) -> tuple[Array, NDArray[np.bool_]]:
        """States of the layer with its targets, and where these are: for contrastive learning."""
        state = states[self.layer]
        chosen = _spread(self.units, state, np.ones_like(self._distance(states))) > 0
        return np.where(chosen, _spread(self.units, state, self.target), state), chosen


@dataclass(frozen=True, eq=False, init=False)
class CrossEntropy:
    """Minus the logarithm of the share of the right class, summed over cues.

    Shares are exp(x) / sum exp(x) over the chosen units, of their states x.

    Parameters
    ----------
    layer : str
    labels : array_like of int (*batch), or of shares (*batch, units)
        The right unit among the chosen ones, from 0; or how much of each is right.
    units : slice, mask or indices, optional
        The units of the (flattened) layer that stand for classes; all by default.

    Raises
    ------
    ValueError, TypeError
        If labels or units are none.

    Examples
    --------
    >>> import numpy as np
    >>> import amsim as am
    >>> loss = am.learning.CrossEntropy("visible", [1, 0])
    >>> states = {"visible": np.array([[0.0, 1.0], [0.0, 0.0]])}
    >>> loss.value(states).round(3)
    array([0.313, 0.693])
    >>> loss.gradient(states)["visible"].round(3)
    array([[ 0.269, -0.269],
           [-0.5  ,  0.5  ]])
    """

    layer: str
    labels: Array
    units: Units | None

    __repr__ = fields_repr

    def __init__(self, layer: str, labels: ArrayLike, units: Units | None = None) -> None:
        given = checks.plain("CrossEntropy: labels", labels)
        whole = given.dtype.kind in "iu"
        found = given if whole else checks.array("CrossEntropy: labels", given, largest=1.0)
        if found.size and found.min() < 0:
            raise ValueError("CrossEntropy: labels must not be negative")
        object.__setattr__(self, "layer", checks.text("CrossEntropy: layer", layer))
        object.__setattr__(self, "labels", checks.owned(found))
        object.__setattr__(self, "units", _owned_units("CrossEntropy", units))

    def value(self, states: Mapping[str, Array]) -> Array:
        """The loss of each cue, (*batch)."""
        x, right = self._right(states)
        peak = x.max(axis=-1, keepdims=True)
        total = peak[..., 0] + np.log(np.exp(x - peak).sum(axis=-1))
        return np.asarray(total * right.sum(axis=-1) - np.sum(right * x, axis=-1))

    def gradient(self, states: Mapping[str, Array]) -> dict[str, Array]:
        """Shares minus those that are right, 0 for other units of the layer."""
        x, right = self._right(states)
        share = np.exp(x - x.max(axis=-1, keepdims=True))
        share /= share.sum(axis=-1, keepdims=True)
        found = right.sum(axis=-1, keepdims=True) * share - right
        return {self.layer: _spread(self.units, _state("CrossEntropy", self.layer, states), found)}

    def _right(self, states: Mapping[str, Array]) -> tuple[Array, Array]:
        x = _chosen(self.units, _state("CrossEntropy", self.layer, states))
        whole = self.labels.dtype.kind in "iu"
        shape = (*self.labels.shape, x.shape[-1]) if whole else self.labels.shape
        _check_broadcast("CrossEntropy: labels", shape, x.shape)
        if whole:
            return x, (np.arange(x.shape[-1]) == self.labels[..., None]).astype(np.float64)
        return x, self.labels

    def select(self, cues: NDArray[np.int64]) -> CrossEntropy:
        """The same for some of the cues, by their indices along the first axis of the labels."""
        alone = self.labels.ndim < (1 if self.labels.dtype.kind in "iu" else 2)
        return CrossEntropy(self.layer, self.labels if alone else self.labels[cues], self.units)

    def for_network(self, network: Network, batch: tuple[int, ...]) -> CrossEntropy:
        """The same for flattened states (B, units), checked; `gradient` calls it."""
        index = _index("CrossEntropy", network, self.layer, self.units)
        if self.labels.dtype.kind not in "iu":
            wanted = (*batch, len(index))
            if self.labels.ndim != len(wanted):  # one number a cue may be a class, but no share
                raise ValueError(
                    f"CrossEntropy: labels of shape {self.labels.shape} are shares, which need "
                    f"{wanted}: pass numbers of classes as integers, labels.astype(int)"
                )
            shares = _fit("CrossEntropy: labels", self.labels, wanted)
            return CrossEntropy(self.layer, shares.reshape(-1, len(index)), index)
        wide = _fit("CrossEntropy: labels", self.labels, batch).reshape(-1)
        if wide.size and wide.max() >= len(index):
            raise ValueError(
                f"CrossEntropy: labels must be below {len(index)}, the number of units that "
                f"stand for classes, got {wide.max()}"
            )
        return CrossEntropy(self.layer, wide, index)


def _fit(what: str, values: Array, shape: tuple[int, ...]) -> Array:
    try:
        return np.array(np.broadcast_to(values, shape))
    except ValueError:
        raise ValueError(f"{what} has shape {values.shape}; it must fit {shape}") from None


def _state(kind: str, layer: str, states: Any) -> Array:
    """The state that a loss reads; one that diverged is not finite."""
    example = "a mapping of layer names to states, as traj.final"
    checks.instance(f"{kind}: states", states, Mapping, example)
    if layer not in states:
        raise ValueError(
            f"{kind}: states have no layer {layer!r}, got {', '.join(map(str, states))}"
        )
    found = checks.array(f"{kind}: states[{layer!r}]", states[layer], finite=False)
    if not found.ndim:
        raise ValueError(f"{kind}: states[{layer!r}] must have an axis of units, got one number")
    return found


def _check_broadcast(what: str, given: tuple[int, ...], states: tuple[int, ...]) -> None:
    try:
        np.broadcast_shapes(given, states)
    except ValueError:
        raise ValueError(f"{what} of shape {given} does not fit states of {states}") from None


def _owned_units(kind: str, units: Units | None) -> Units | None:
    if units is None or isinstance(units, slice):
        return units
    given = checks.plain(f"{kind}: units", units)
    if given.dtype.kind not in "biu" or given.ndim == 0:
        raise TypeError(
            f"{kind}: units must be a slice, booleans or indices, got {checks.shown(units)}"
        )
    return checks.owned(given)


def _index(kind: str, network: Network, layer: str, units: Units | None) -> Array:
    """Indices of the chosen units in the flattened layer."""
    if layer not in network.layers:
        raise ValueError(
            f"{kind} names a layer {layer!r}; the network has {', '.join(network.layers)}"
        )
    shape = network.layers[layer].shape
    every = np.arange(math.prod(shape))
    if units is None:
        return every
    if isinstance(units, slice):
        index = every[units]
    else:
        mask = checks.units(f"{kind}: units", units, shape)
        if mask.shape != shape:
            raise ValueError(f"{kind}: units have shape {mask.shape}, layer {layer!r} {shape}")
        given = np.asarray(units)
        index = np.flatnonzero(mask) if given.dtype == bool else every[given]
    if not len(index):
        raise ValueError(f"{kind}: units={checks.shown(units)} are none of layer {layer!r}")
    return index


def _chosen(units: Units | None, state: Array) -> Array:
    try:
        return state if units is None else state[..., _indexing(units)]
    except IndexError:
        raise ValueError(
            f"units={checks.shown(units)} are not among the {state.shape[-1]} units of the states"
        ) from None


def _spread(units: Units | None, state: Array, values: Array) -> Array:
    """Values of the chosen units among zeros, in the shape of the state."""
    out = np.zeros(state.shape)
    out[..., slice(None) if units is None else _indexing(units)] = values
    return out


def _indexing(units: Units) -> Any:
    return units if isinstance(units, slice) else np.asarray(units)
