"""How many units of which population each neuro-core gets; `core` says when one is full.

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

from ..chips import Chip
from ..errors import LimitError
from .core import Load, Sizes, uses

Rates = tuple[float, float, float, float]


class DoesNotFit(Exception):  # noqa: N818 - caught in this package, where it becomes a LimitError
    """A single unit is too much for a core; the message names the limit."""


def split(
    sizes: Sizes,
    chip: Chip,
    rates: Rates = (1.0, 1.0, 1.0, 1.0),
    cores: int | None = None,
) -> tuple[Load, ...]:
    """Units of each core.

    Parameters
    ----------
    sizes : Sizes
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
    v, h = _least_cores(sizes, chip)
    for total in range(v + h - 1, v + h + 2):
        found = list(_candidates(sizes, chip, total, (v, h)))
        if found:
            break
    else:
        raise DoesNotFit(_excess(sizes, chip, Load(0, 0, True), (v, h)))
    if cores is None or cores == total:
        return min(found, key=lambda loads: cut(sizes, loads, rates))
    spread = _spread(sizes, chip, cores, (v, h), rates)
    if spread is None:
        raise LimitError(
            f"cores={cores} cannot be filled: from {total:,} to at most "
            f"{sizes.features + sizes.memories:,} can, one unit each"
        )
    return spread


def _spread(
    sizes: Sizes, chip: Chip, cores: int, least: tuple[int, int], rates: Rates
) -> tuple[Load, ...] | None:
    """Populations apart on so many cores, the busiest of which do as little as possible."""
    feature, memory, _, normaliser = rates
    to_memories = feature * sizes.features + normaliser

    def in_a_row(f: int) -> float:
        most_features, most_memories = -(-sizes.features // f), -(-sizes.memories // (cores - f))
        return to_memories * most_memories + memory * sizes.memories * most_features

    v, h = least
    every = range(max(v, cores - sizes.memories), min(cores - h, sizes.features) + 1)
    for f in sorted(every, key=in_a_row):
        for place in "mfs" if sizes.normaliser else " ":
            pure = (f, cores - f - (place == "s"))
            for loads in _filled(sizes, chip, pure, place, shared=False):
                return loads
    return None


def cut(sizes: Sizes, loads: tuple[Load, ...], rates: Rates) -> float:
    """Messages between different cores."""
    feature, memory, rounds, normaliser = rates
    v, h = _held(loads)
    sent = feature * sizes.features * h + memory * sizes.memories * v
    local = sum(
        feature * x.features * (x.memories > 0) + memory * x.memories * (x.features > 0)
        for x in loads
    )
    if sizes.normaliser:
        sent += rounds * sizes.memories + normaliser * h
        (beside,) = (x.memories for x in loads if x.normaliser)
        local += rounds * beside + normaliser * (beside > 0)
    return sent - local


def _held(loads: tuple[Load, ...]) -> tuple[int, int]:
    """Numbers of cores that hold features, and that hold memories."""
    return sum(x.features > 0 for x in loads), sum(x.memories > 0 for x in loads)


def _least_cores(sizes: Sizes, chip: Chip) -> tuple[int, int]:
    cores = (1, 1)
    while True:
        a = _most(sizes, chip, cores, lambda n: Load(n, 0, False), sizes.features)
        b = _most(sizes, chip, cores, lambda n: Load(0, n, False), sizes.memories)
        needed = (
            max(cores[0], math.ceil(sizes.features / a)),
            max(cores[1], math.ceil(sizes.memories / b)),
        )
        if needed == cores:
            return cores
        cores = needed


def _most(
    sizes: Sizes,
    chip: Chip,
    cores: tuple[int, int],
    load: Callable[[int], Load],
    top: int,
    least: int = 1,
) -> int:
    """The most units that a core takes, by bisection; `least` have to fit."""
    if _excess(sizes, chip, load(least), cores):
        if least:
            raise DoesNotFit(_excess(sizes, chip, load(least), cores))
        return 0
    low, high = least, top
    while low < high:
        middle = (low + high + 1) // 2
        if _excess(sizes, chip, load(middle), cores):
            high = middle - 1
        else:
            low = middle
    return low


def _excess(sizes: Sizes, chip: Chip, load: Load, cores: tuple[int, int]) -> str:
    """The first limit that a core exceeds, in words; empty if it fits."""
    for use in uses(sizes, chip, load, cores):
        if not use.fits:
            who = (
                "a feature" if load.features else "a memory" if load.memories else "the normaliser"
            )
            return f"{who} needs {use.needed:,} {use.name}, a core of {chip.name} has {use.there:,}"
    return ""


def _candidates(
    sizes: Sizes, chip: Chip, total: int, least: tuple[int, int]
) -> Iterator[tuple[Load, ...]]:
    """Ways to fill so many cores, of which at most one is shared by features and memories.

    The normaliser is in the shared core, beside features or memories, or alone.
    """
    v, h = least
    for place in "xfms" if sizes.normaliser else " ":
        pure = total - (place == "s")
        for f in range(v, pure - h + 1):
            yield from _filled(sizes, chip, (f, pure - f), place, shared=False)
        for f in range(v - 1, pure - h + 1):
            yield from _filled(sizes, chip, (f, pure - 1 - f), place, shared=True)


def _filled(
    sizes: Sizes, chip: Chip, pure: tuple[int, int], place: str, *, shared: bool
) -> Iterator[tuple[Load, ...]]:
    """Units for so many cores of features only and of memories only, and for a shared one.

    The cut is linear in what the shared core holds, so that one of two ends is best: as few
    features as possible or as many.
    """
    f, m = pure
    cores = f + shared, m + shared
    d, k, with_sum = sizes.features, sizes.memories, place == "x"
    if (place == "x" and not shared) or (place == "f" and not f) or (place == "m" and not m):
        return

    def most_features(s: bool, b: int = 0) -> int:
        return _most(sizes, chip, cores, lambda n: Load(n, b, s), d, 0)

    def most_memories(s: bool, a: int = 0) -> int:
        return _most(sizes, chip, cores, lambda n: Load(a, n, s), k, 0)

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
        fits = all(not _excess(sizes, chip, load, cores) for load in set(loads))
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
