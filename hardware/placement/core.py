"""What a neuro-core holds, and what it takes.

The synapses of a unit lie in the core of the unit: a feature keeps the weights of all memories, a
memory those of all features. So both directions are stored, each where its messages arrive. A
unit listens to one sender through one axon into its core, and sends to all listeners in a core
through one axon out of its own core. A core is full when one of these is:

- neurons: its units;
- neuron state: what each unit keeps from step to step;
- synaptic memory: K weights a feature, D a memory and one more for the normaliser, K in the
  normaliser, of `weight_bits` each. What a chip adds for indices and headers is not public, and
  not counted;
- axons in: K if there are features, D (and the normaliser) if there are memories, K for the
  normaliser;
- axons out: for every unit here, the cores that its listeners are in.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ..chips import Chip
from ..units import kept_bits


@dataclass(frozen=True)
class Sizes:
    """What has to be placed: D features, K memories, and whether there is a normaliser."""

    features: int
    memories: int
    normaliser: bool
    weight_bits: int


@dataclass(frozen=True)
class Load:
    """Units in one core."""

    features: int
    memories: int
    normaliser: bool


@dataclass(frozen=True)
class Held:
    """Units in one core.

    Attributes
    ----------
    units : mapping of str to int
        By layer; "features" and "memories" of a network of two layers.
    normalisers : tuple of str
        The layers whose normalisers are here.
    """

    units: Mapping[str, int]
    normalisers: tuple[str, ...]

    def with_all_of(self, other: Held) -> Held:
        """Both together."""
        units = dict(Counter(self.units) + Counter(other.units))
        return Held(units, self.normalisers + other.normalisers)


@dataclass(frozen=True)
class Use:
    """What a core holds of one kind, and the most that it can; None where that is not public."""

    name: str
    needed: int
    there: int | None

    @property
    def fits(self) -> bool:
        """Whether it fits, as far as is known."""
        return self.there is None or self.needed <= self.there


def uses(sizes: Sizes, chip: Chip, load: Load, cores: tuple[int, int]) -> tuple[Use, ...]:
    """What a core uses of each limit.

    Parameters
    ----------
    sizes : Sizes
    chip : Chip
    load : Load
    cores : (int, int)
        Numbers of cores that hold features, and that hold memories.
    """
    d, k, softmax = sizes.features, sizes.memories, int(sizes.normaliser)
    a, b, s = load.features, load.memories, int(load.normaliser)
    with_features, with_memories = cores
    synapses = a * k + b * (d + softmax) + s * k
    axons_in = k * (a > 0) + (d + softmax) * (b > 0) + k * s
    axons_out = a * with_memories + b * (with_features + softmax) + s * with_memories
    return (
        Use("neurons", a + b + s, chip.whole("neurons_per_core")),
        Use(
            "state bytes",
            math.ceil(kept_bits(a, b, s, softmax=sizes.normaliser) / 8),
            chip.whole("state_bytes_per_core"),
        ),
        Use(
            "synaptic bytes",
            math.ceil(synapses * sizes.weight_bits / 8),
            chip.whole("synapse_bytes_per_core"),
        ),
        Use("axons in", axons_in, chip.whole("axons_in_per_core")),
        Use("axons out", axons_out, chip.whole("axons_out_per_core")),
    )
