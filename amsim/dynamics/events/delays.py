"""Which delay every link has, and what jitter is drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...compiled import draws
from ...network import Network
from ...synapses import Dense
from .options import EventDriven
from .state import Floats, Records
from .timing import Distribution, Timing

_QUANTILES = 4096  # of a distribution of jitter


@dataclass
class Link:
    """One projection between populations."""

    source: int
    target: int
    weights: int
    largest: float
    # For delays: the layers, and the number of its first link.
    layers: tuple[str, str] = ("", "")
    number: int = 0


def all_delays(
    network: Network,
    options: EventDriven,
    layers: dict[str, slice],
    links: list[Link],
    populations: Records,
    seed: int,
) -> tuple[Floats, list[tuple[int, int, int]]]:
    """All delays, and for each projection the first of them and the strides."""
    timing = options.timing
    delay = timing.delay
    if isinstance(delay, Mapping):
        _check_delay_names(delay, network)
    elif not isinstance(delay, Distribution) and np.ndim(delay):
        delay = _named_delays(np.asarray(delay, np.float64), network, layers, timing.scope)
    blocks, places, place = [], [], 0
    width = populations["stop"] - populations["start"]
    for link in links:
        senders = int(width[link.source])
        receivers = int(width[link.target])
        if link.weights < 0:
            block = np.array([options.normaliser_delay])
        else:
            first = int(populations["start"][link.source])
            block = _delay_block(delay, link, network, timing, senders, receivers, first, seed,
                                 layers)  # fmt: skip
        strides = {0: (0, 0), 1: (1, 0), 2: (receivers, 1)}[block.ndim if block.size > 1 else 0]
        places.append((place, *strides))
        blocks.append(np.ravel(block))
        place += block.size
    return np.concatenate([*blocks, np.zeros(0)]).astype(np.float64), places


def _delay_block(
    delay: Any,
    link: Link,
    network: Network,
    timing: Timing,
    senders: int,
    receivers: int,
    first: int,
    seed: int,
    layers: dict[str, slice],
) -> Floats:
    """Delays of one projection: of shape (), (senders,) or (senders, receivers)."""
    name = link.layers[0]
    if isinstance(delay, Mapping):
        key = link.layers if link.layers in delay else name
        delay = delay.get(key, 0.0)
        if key != name and not isinstance(delay, Distribution) and np.ndim(delay):
            return _link_array(np.asarray(delay, np.float64), link, timing, senders, receivers)
    if isinstance(delay, Distribution):
        if timing.scope == "link":
            u = draws.uniform(seed, draws.DELAY, senders * receivers, 2**40 + link.number)
            return _drawn(delay, u).reshape(senders, receivers)
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
    start = first - layers[name].start
    return array.ravel()[start : start + senders]


def _link_array(array: Floats, link: Link, timing: Timing, senders: int, receivers: int) -> Floats:
    if timing.scope != "link":
        raise ValueError(
            f"Timing: delay of {link.layers} has one entry per link, but a broadcast reaches all "
            f"units at one time; pass scope='link'"
        )
    if array.shape != (senders, receivers):
        raise ValueError(
            f"Timing: delay of {link.layers} has shape {array.shape}; it needs one row per sending "
            f"and one column per receiving unit, {(senders, receivers)}"
        )
    return array


def _drawn(distribution: Distribution, u: Floats) -> Floats:
    """Delays from numbers in (0, 1)."""
    values = np.asarray(distribution.ppf(u), np.float64)
    if not (np.isfinite(values).all() and values.min() >= 0):
        raise ValueError("Timing: the distribution of delay gave a value that is not finite or < 0")
    return values


def _check_delay_names(delay: Mapping[Any, Any], network: Network) -> None:
    pairs = {pair for s in network.synapses for pair in (s.between, s.between[::-1])}
    for key in delay:
        if key not in network.layers and key not in pairs:
            known = ", ".join(map(repr, [*network.layers, *sorted(pairs)]))
            raise ValueError(
                f"Timing: delay names {key!r}; use a layer or a pair (sender, receiver) "
                f"of joined layers: {known}"
            )


def _named_delays(
    array: Floats, network: Network, layers: dict[str, slice], scope: str
) -> dict[Any, Floats]:
    """Give a bare array of delays to layers or links."""
    units = sum(layer.size for layer in network.layers.values())
    if array.shape == (units,):
        return {n: array[s].reshape(network.layers[n].shape) for n, s in layers.items()}
    synapse = network.synapses[0] if len(network.synapses) == 1 else None
    if scope == "link" and isinstance(synapse, Dense) and array.shape == synapse.weights.shape:
        a, b = synapse.between
        return {(b, a): array.T, (a, b): array} if a != b else {(a, a): array}
    raise ValueError(
        f"Timing: delay has shape {array.shape}; give one delay per unit, {(units,)}, with "
        f"scope='link' one per weight of the only synapse, or a mapping by layer names"
    )


def jitter_of(timing: Timing) -> Floats:
    """Nothing, the largest jitter, or quantiles."""
    if isinstance(timing.jitter, Distribution):
        return _drawn(timing.jitter, (np.arange(_QUANTILES) + 0.5) / _QUANTILES)
    return np.array([timing.jitter] if timing.jitter else [], dtype=np.float64)
