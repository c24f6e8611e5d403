"""`Loop`: features and memories that act on each other, for which there is a short way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..lagrangians import Identity
from ..network import Network
from ..neurons import neuron
from ..synapses import Array, Dense, Directed


@dataclass(frozen=True, eq=False)
class Loop:
    """Features and memories that act on each other, by one Dense synapse or two directed ones.

    Attributes
    ----------
    hidden, visible : str
    forth : Dense or Directed
        Weights (K, D) onto the memories.
    back : Directed or None
        Those onto the features, (D, K), where they are others.
    """

    hidden: str
    visible: str
    forth: Dense | Directed
    back: Directed | None = None

    @property
    def weights(self) -> Array:
        """Onto the memories, (K, D)."""
        return self.forth.weights

    @property
    def is_compact(self) -> bool:
        """Whether all weights are read as int8 or float32."""
        back = self.forth if self.back is None else self.back
        return self.forth.compact.dtype != np.float64 and back.compact.dtype != np.float64

    @property
    def largest(self) -> float:
        return self.forth.largest

    @property
    def largest_back(self) -> float:
        """The largest weight onto the features."""
        return self.largest if self.back is None else self.back.largest


def loop_of(network: Network) -> Loop | None:
    """The loop that a network is; all of its memories then have one tau."""
    return network.once(_first_loop)


def _first_loop(network: Network) -> Loop | None:
    return next(_loops(network), None)


def _loops(network: Network) -> Iterator[Loop]:
    """The loop that a network is, for each layer that can be the memories; mostly none."""
    synapses = network.synapses
    if len(network.layers) != 2 or any(len(set(x.between)) != 2 for x in synapses):
        return
    if len(synapses) == 1 and type(synapses[0]) is Dense:
        hidden, visible = synapses[0].between
        loops = [Loop(hidden, visible, synapses[0])]
    elif len(synapses) == 2:
        pairs = (synapses, synapses[::-1])
        loops = [
            Loop(forth.target, forth.source, forth, back)
            for forth, back in pairs
            if type(forth) is Directed and type(back) is Directed and forth.between != back.between
        ]
    else:
        return
    yield from (loop for loop in loops if _compilable(network, loop))


def _compilable(network: Network, loop: Loop) -> bool:
    hidden, visible = network.layers[loop.hidden], network.layers[loop.visible]
    return (
        type(visible.lagrangian) is Identity
        and neuron(hidden.lagrangian) is not None
        and len(visible.shape) == 1
        and hidden.leak == visible.leak == 1.0
        and not visible.algebraic
        and len(hidden.tau_runs) == 1
    )
