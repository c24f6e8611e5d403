"""Delays of every projection, and the quantiles from which jitter is drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ....compiled import draws
from ....network import Network
from ....synapses import Pairwise
from ..correlated import CommonJitter, Distribution
from ..timing import Timing
from .arrays import Floats
from .populations import unit_slices

_QUANTILES = 4096  # of a distribution of jitter


def delays_by_name(network: Network, timing: Timing) -> Any:
    """The delay of a timing, checked: a number, a distribution, or a mapping by names."""
    delay = timing.delay
    if isinstance(delay, Mapping):
        _check_delay_names(delay, network)
        return delay
    if isinstance(delay, Distribution) or not np.ndim(delay):
        return delay
    return _named_delays(np.asarray(delay, np.float64), network, timing.scope)


def delay_block(
    delay: Any,
    network: Network,
    timing: Timing,
    ends: tuple[str, str],
    shape: tuple[int, ...],
    first: int,
    seed: int,
    number: int,
) -> Floats:
    """Delays of one projection: of shape (), (senders,) or (senders, receivers).

    Parameters
    ----------
    delay : what `delays_by_name` returned
    network : Network
    timing : Timing
    ends : tuple of str
        Layers of the senders and of the receivers.
    shape : tuple of int
        (senders, receivers)
    first : int
        The first sending unit, among all units of the network.
    seed : int
    number : int
        The first link of the projection, among all links of the network.
    """
    name, senders = ends[0], shape[0]
    if isinstance(delay, Mapping):
        key = ends if ends in delay else name
        delay = delay.get(key, 0.0)
        if key != name and not isinstance(delay, Distribution) and np.ndim(delay):
            return _link_array(np.asarray(delay, np.float64), ends, timing, shape)
    if isinstance(delay, Distribution):
        if timing.scope == "link":
            u = draws.uniform(seed, draws.DELAY, math.prod(shape), 2**40 + number)
            return _drawn(delay, u).reshape(shape)
        return _drawn(delay, draws.uniform(seed, draws.DELAY, senders, first))
    array = np.asarray(delay, np.float64)
    if array.ndim == 0:
        return array.reshape(())
    layer = network.layers[name]
    if array.shape != layer.shape:
        raise ValueError(
            f"Timing: delay of layer {name!r} has shape {array.shape}, the layer has shape "
            f"{layer.shape}; give one delay per sending unit"
        )
    start = first - unit_slices(network)[name].start
    return array.ravel()[start : start + senders]


def _link_array(
    array: Floats, ends: tuple[str, str], timing: Timing, shape: tuple[int, ...]
) -> Floats:
    if timing.scope != "link":
        raise ValueError(
            f"Timing: delay of {ends} has one entry per link, but a broadcast reaches all "
            f"units at one time; pass scope='link'"
        )
    if array.shape != shape:
        raise ValueError(
            f"Timing: delay of {ends} has shape {array.shape}; it needs one row per sending "
            f"and one column per receiving unit, {shape}"
        )
    return array


def _drawn(distribution: Distribution, u: Floats) -> Floats:
    """Delays from numbers in (0, 1)."""
    values = np.asarray(distribution.ppf(u), np.float64)
    if not (np.isfinite(values).all() and values.min() >= 0):
        raise ValueError("Timing: the distribution of delay gave a value that is not finite or < 0")
    return values


def _check_delay_names(delay: Mapping[Any, Any], network: Network) -> None:
    pairs = {way[:2] for s in network.synapses if isinstance(s, Pairwise) for way in s.directions()}
    for key in delay:
        if key not in network.layers and key not in pairs:
            known = ", ".join(map(repr, [*network.layers, *sorted(pairs)]))
            raise ValueError(
                f"Timing: delay names {key!r}; use a layer or a pair (source, target) "
                f"of joined layers: {known}"
            )


def _named_delays(array: Floats, network: Network, scope: str) -> dict[Any, Floats]:
    """Give a bare array of delays to layers or links."""
    units = sum(layer.size for layer in network.layers.values())
    if array.shape == (units,):
        slices = unit_slices(network).items()
        return {name: array[part].reshape(network.layers[name].shape) for name, part in slices}
    synapse = network.synapses[0] if len(network.synapses) == 1 else None
    if scope == "link" and isinstance(synapse, Pairwise) and array.shape == synapse.weights.shape:
        first, second = synapse.between
        by_pair = {(second, first): array.T, (first, second): array}
        return {way[:2]: by_pair[way[:2]] for way in synapse.directions()}
    raise ValueError(
        f"Timing: delay has shape {array.shape}; give one delay per unit, {(units,)}, with "
        f"scope='link' one per weight of the only synapse, or a mapping by layer names"
    )


def jitter_of(timing: Timing | CommonJitter) -> Floats:
    """Nothing, the largest jitter, or quantiles."""
    if isinstance(timing.jitter, Distribution):
        return _drawn(timing.jitter, (np.arange(_QUANTILES) + 0.5) / _QUANTILES)
    return np.array([timing.jitter] if timing.jitter else [], dtype=np.float64)
