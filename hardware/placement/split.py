"""How many units of which population each neuro-core gets.

The synapses of a unit lie in the core of the unit: a feature keeps the weights of all memories, a
memory those of all features. So both directions are stored, each where its messages arrive. A
unit listens to one sender through one axon into its core, and sends to all listeners in a core
through one axon out of its own core. A core is full when one of these is:

- neurons: its units;
- synaptic memory: K weights a feature, D a memory and one more for the normaliser, K in the
  normaliser, of `weight_bits` each. What a chip adds for indices and headers is not public, and
  not counted;
- axons in: K if there are features, D (and the normaliser) if there are memories, K for the
  normaliser;
- axons out: for every unit here, the cores that its listeners are in.

A message goes to every core that holds a listener. Since every feature listens to every memory and
the other way round, the messages between cores depend on little more than the numbers of cores that
hold features and that hold memories. The least numbers are found by iteration from one core each:
more cores of one population leave fewer axons to the units of the other, so that the needed numbers
only rise, to the least ones that fit. The populations are kept apart, but for one core that
may be shared: it saves a core, and messages that stay within it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..chips import Chip
from ..errors import LimitError

Rates = tuple[float, float, float, float]


@dataclass(frozen=True)
class Network:
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
class Use:
    """What a core holds of one kind, and the most that it can; None where that is not public."""

    name: str
    needed: int
    there: int | None

    @property
    def fits(self) -> bool:
        """Whether it fits, as far as is known."""
        return self.there is None or self.needed <= self.there


class DoesNotFit(Exception):  # noqa: N818 - caught in this package, where it becomes a LimitError
    """A single unit is too much for a core; the message names the limit."""


def uses(network: Network, chip: Chip, load: Load, cores: tuple[int, int]) -> tuple[Use, ...]:
    """What a core uses of each limit.

    Parameters
    ----------
    network : Network
    chip : Chip
    load : Load
    cores : (int, int)
        Numbers of cores that hold features, and that hold memories.
    """
    d, k, softmax = network.features, network.memories, int(network.normaliser)
    a, b, s = load.features, load.memories, int(load.normaliser)
    with_features, with_memories = cores
    synapses = a * k + b * (d + softmax) + s * k
    axons_in = k * (a > 0) + (d + softmax) * (b > 0) + k * s
    axons_out = a * with_memories + b * (with_features + softmax) + s * with_memories
    return (
        Use("neurons", a + b + s, chip.whole("neurons_per_core")),
        Use(
            "synaptic bytes",
            math.ceil(synapses * network.weight_bits / 8),
            chip.whole("synapse_bytes_per_core"),
        ),
        Use("axons in", axons_in, chip.whole("axons_in_per_core")),
        Use("axons out", axons_out, chip.whole("axons_out_per_core")),
    )


def split(
    network: Network,
    chip: Chip,
    rates: Rates = (1.0, 1.0, 1.0, 1.0),
    cores: int | None = None,
) -> tuple[Load, ...]:
    """Units of each core.

    Parameters
    ----------
    network : Network
    chip : Chip
    rates : (float, float, float, float)
        Messages of a feature, of a memory to the features and to the normaliser, and of the
        normaliser.
    cores : int, optional
        So many cores, that work in parallel: those numbers of cores for features and for memories
        that leave the fewest synaptic operations one after the other. By default as few cores
        as there can be with one shared core, and then the least cut.

    Raises
    ------
    DoesNotFit
        If a unit alone is too much for a core.
    LimitError
        If so many cores cannot be filled.
    """
    v, h = _least_cores(network, chip)
    for total in range(v + h - 1, v + h + 2):
        found = list(_candidates(network, chip, total, (v, h)))
        if found:
            break
    else:
        raise DoesNotFit(_excess(network, chip, Load(0, 0, True), (v, h)))
    if cores is None or cores == total:
        return min(found, key=lambda loads: cut(network, loads, rates))
    found = list(_candidates(network, chip, cores, (v, h)))
    if not found:
        raise LimitError(
            f"cores={cores} cannot be filled: {total:,} are needed at least, and every one "
            f"gets a unit; what fits: cores={total}"
        )
    return min(
        found, key=lambda loads: (_in_a_row(network, loads, rates), cut(network, loads, rates))
    )


def _in_a_row(network: Network, loads: tuple[Load, ...], rates: Rates) -> float:
    """Synaptic operations of the busiest cores."""
    feature, memory, _, normaliser = rates
    most_features = max(load.features for load in loads)
    most_memories = max(load.memories for load in loads)
    to_memories = feature * network.features + normaliser
    return to_memories * most_memories + memory * network.memories * most_features


def cut(network: Network, loads: tuple[Load, ...], rates: Rates) -> float:
    """Messages between different cores."""
    feature, memory, rounds, normaliser = rates
    v, h = _held(loads)
    sent = feature * network.features * h + memory * network.memories * v
    local = sum(
        feature * x.features * (x.memories > 0) + memory * x.memories * (x.features > 0)
        for x in loads
    )
    if network.normaliser:
        sent += rounds * network.memories + normaliser * h
        (beside,) = (x.memories for x in loads if x.normaliser)
        local += rounds * beside + normaliser * (beside > 0)
    return sent - local


def _held(loads: tuple[Load, ...]) -> tuple[int, int]:
    """Numbers of cores that hold features, and that hold memories."""
    return sum(x.features > 0 for x in loads), sum(x.memories > 0 for x in loads)


def _least_cores(network: Network, chip: Chip) -> tuple[int, int]:
    cores = (1, 1)
    while True:
        a = _most(network, chip, cores, lambda n: Load(n, 0, False), network.features)
        b = _most(network, chip, cores, lambda n: Load(0, n, False), network.memories)
        needed = (
            max(cores[0], math.ceil(network.features / a)),
            max(cores[1], math.ceil(network.memories / b)),
        )
        if needed == cores:
            return cores
        cores = needed


def _most(
    network: Network,
    chip: Chip,
    cores: tuple[int, int],
    load: Callable[[int], Load],
    top: int,
    least: int = 1,
) -> int:
    """The most units that a core takes, by bisection; `least` have to fit."""
    if _excess(network, chip, load(least), cores):
        if least:
            raise DoesNotFit(_excess(network, chip, load(least), cores))
        return 0
    low, high = least, top
    while low < high:
        middle = (low + high + 1) // 2
        if _excess(network, chip, load(middle), cores):
            high = middle - 1
        else:
            low = middle
    return low


def _excess(network: Network, chip: Chip, load: Load, cores: tuple[int, int]) -> str:
    """The first limit that a core exceeds, in words; empty if it fits."""
    for use in uses(network, chip, load, cores):
        if not use.fits:
            who = (
                "a feature" if load.features else "a memory" if load.memories else "the normaliser"
            )
            return f"{who} needs {use.needed:,} {use.name}, a core of {chip.name} has {use.there:,}"
    return ""


def _candidates(
    network: Network, chip: Chip, total: int, least: tuple[int, int]
) -> Iterator[tuple[Load, ...]]:
    """Ways to fill so many cores, of which at most one is shared by features and memories.

    The normaliser is in the shared core, beside features or memories, or alone.
    """
    v, h = least
    for place in "xfms" if network.normaliser else " ":
        pure = total - (place == "s")
        for f in range(v, pure - h + 1):
            yield from _filled(network, chip, (f, pure - f), place, shared=False)
        for f in range(v - 1, pure - h + 1):
            yield from _filled(network, chip, (f, pure - 1 - f), place, shared=True)


def _filled(
    network: Network, chip: Chip, pure: tuple[int, int], place: str, *, shared: bool
) -> Iterator[tuple[Load, ...]]:
    """Units for so many cores of features only and of memories only, and for a shared one.

    The cut is linear in what the shared core holds, so that one of two ends is best: as few
    features as possible or as many.
    """
    f, m = pure
    cores = f + shared, m + shared
    d, k, with_sum = network.features, network.memories, place == "x"
    if (place == "x" and not shared) or (place == "f" and not f) or (place == "m" and not m):
        return

    def most_features(s: bool, b: int = 0) -> int:
        return _most(network, chip, cores, lambda n: Load(n, b, s), d, 0)

    def most_memories(s: bool, a: int = 0) -> int:
        return _most(network, chip, cores, lambda n: Load(a, n, s), k, 0)

    caps_f = [most_features(place == "f")] * (f > 0) + [most_features(False)] * (f - 1)
    caps_m = [most_memories(place == "m")] * (m > 0) + [most_memories(False)] * (m - 1)
    ends = [(0, 0)]
    if shared:
        fewest, least_b = max(1, d - sum(caps_f)), max(1, k - sum(caps_m))
        ends = [
            (a, min(most_memories(with_sum, a), k - m))
            for a in {fewest, min(most_features(with_sum, least_b), d - f)}
            if a >= fewest
        ]
    for a, b in ends:
        features, memories = _even(d - a, caps_f), _even(k - b, caps_m)
        if features is None or memories is None or (shared and b < 1):
            continue
        loads = (
            *([Load(a, b, with_sum)] * shared),
            *(Load(n, 0, place == "f" and i == 0) for i, n in enumerate(features)),
            *(Load(0, n, place == "m" and i == 0) for i, n in enumerate(memories)),
            *([Load(0, 0, True)] * (place == "s")),
        )
        fits = all(not _excess(network, chip, load, cores) for load in set(loads))
        if fits and _held(loads) == cores:
            yield loads


def _even(total: int, caps: list[int]) -> list[int] | None:
    """Distribute units over cores with these caps: level, but where a cap is lower."""
    if not 0 <= total <= sum(caps):
        return None
    given, left, open_ = [0] * len(caps), total, sum(cap > 0 for cap in caps)
    for index in sorted(range(len(caps)), key=caps.__getitem__):
        if caps[index] > 0:
            given[index] = min(caps[index], -(-left // open_))
            left -= given[index]
            open_ -= 1
    return given
