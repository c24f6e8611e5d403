"""Projections of a network: every direction of its synapses, with its weights and delays."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....network import Network
from ....synapses import Pairwise
from ..options import EventDriven
from .arrays import PROJECTION, Floats, Records
from .delays import delay_block, delays_by_name


def project(
    network: Network, options: EventDriven, populations: Records, seed: int
) -> tuple[Records, Floats, Floats]:
    """Projections, weights and delays; those of normalisers to their shares come last."""
    delay = delays_by_name(network, options.timing)
    begin = _first_populations(network)
    single = options.timing.scope == "link"
    rows: list[Records] = []
    blocks: list[Floats] = []
    place = number = 0
    for ends, matrix, largest in _directions(network):
        for copy in range(math.prod(network.layers[ends[0]].shape[:-1])):
            source, target = (begin[name] + copy for name in ends)
            first = int(populations["start"][source])
            block = delay_block(delay, network, options.timing, ends, matrix.shape, first,
                                seed, number)  # fmt: skip
            if options.timing.drift is not None and not block.ndim:  # each sender may change it
                block = np.full(matrix.shape[0], float(block))
            blocks.append(block)
            rows.append(_projection(source, target, place, largest))
            number += matrix.size
        place += matrix.size
    for receiver in np.flatnonzero(populations["normaliser"] >= 0):
        start = populations["normaliser"][receiver]
        source = int(np.flatnonzero(populations["start"] == start)[0])
        blocks.append(np.array(options.normaliser_delay))
        rows.append(_projection(source, int(receiver), -1, 0.0))
    projections = np.array(rows, PROJECTION)
    _set_delays(projections, blocks)
    _set_registers(projections, populations, single)
    _chain(projections, populations)
    delays = np.concatenate([np.zeros(0), *(np.ravel(block) for block in blocks)])
    return projections, _weights(network, place), delays


def _directions(
    network: Network,
) -> Iterator[tuple[tuple[str, str], NDArray[Any], float]]:
    """Layers of senders and receivers, weights with a row per sender, and the largest of them."""
    for synapse in network.synapses:
        assert isinstance(synapse, Pairwise)
        for source, target, weights in synapse.directions():
            yield (source, target), weights, synapse.largest


def _weights(network: Network, count: int) -> Floats:
    """All weights, one matrix after the other."""
    weights, place = np.empty(count), 0
    for _, matrix, _ in _directions(network):
        weights[place : place + matrix.size].reshape(matrix.shape)[...] = matrix
        place += matrix.size
    return weights


def _first_populations(network: Network) -> dict[str, int]:
    first, found = 0, {}
    for name, layer in network.layers.items():
        found[name] = first
        first += math.prod(layer.shape[:-1])
    return found


def _projection(source: int, target: int, weights: int, largest: float) -> Records:
    row = np.zeros((), PROJECTION)
    row["source"], row["target"], row["weights"], row["largest"] = source, target, weights, largest
    return row


def _set_delays(projections: Records, blocks: list[Floats]) -> None:
    """Where the delays of each projection are; of one, or by sender, or by link."""
    place = 0
    for projection, block in zip(projections, blocks, strict=True):
        receivers = block.shape[-1] if block.ndim else 0
        strides = {0: (0, 0), 1: (1, 0), 2: (receivers, 1)}[block.ndim if block.size > 1 else 0]
        projection["delay"] = place
        projection["delay_sender"], projection["delay_receiver"] = strides
        place += block.size


def _set_registers(projections: Records, populations: Records, single: bool) -> None:
    """Where the registers are: of each sender one, or one for each of its receivers."""
    width, place = populations["stop"] - populations["start"], 0
    for projection in projections:
        own = single and projection["weights"] >= 0
        receivers = int(width[projection["target"]]) if own else 1
        projection["register"] = place
        projection["register_sender"], projection["register_receiver"] = receivers, int(own)
        place += int(width[projection["source"]]) * receivers


def _chain(projections: Records, populations: Records) -> None:
    """Make the projections of each source a list."""
    populations["outgoing"] = -1
    for q in reversed(range(len(projections))):
        source = projections["source"][q]
        projections["following"][q] = populations["outgoing"][source]
        populations["outgoing"][source] = q


def fan_out(projections: Records, populations: Records) -> int:
    """The largest number of packets of one message."""
    packets = np.zeros(len(populations), np.int64)
    np.add.at(packets, projections["source"], projections["register_sender"])
    return int(packets.max(initial=0))
