"""Places for networks of any layers: neuro-cores for their units, and what passes between.

As `core` says for features and memories, the weights of a unit lie in its core, and a message goes
once to each core that holds listeners. Every layer gets the fewest cores that hold it alone, its
normaliser in the first of them; cores that fit into one are then put together.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amsim import checks
from amsim.display import fields_html, fields_repr

from ..chips import Chip, System
from ..errors import LimitError
from ..graphs.plan import GraphPlan
from ..graphs.turns import kinds
from ..kernels import DECAY_BITS
from ..run import Result
from . import mesh as meshes
from .arrange import arrange
from .core import Held, Use
from .mesh import Mesh
from .result import AnyPlacement, check_run, cores_per_chip, total

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Counts = dict[str, Floats]  # messages per cue of each unit, by kind
_WIDTH = 24  # of a state or a sum
_MOST_MERGED = 256  # cores, beyond which putting them together would take long


@dataclass(frozen=True, eq=False)
class GraphPlacement(AnyPlacement):
    """Neuro-cores for the units of a `GraphPlan`, and their places; made by `hardware.place`.

    Attributes
    ----------
    plan : GraphPlan
    chip : Chip
    system : System
    held : tuple of Held
        Units of each core; those of a layer are in cores in their order.
    mesh : Mesh
        The routers of the chips that are used.
    routers : ndarray of int (n_cores, 2)
        Column and row of the router of each core, over all chips.
    counts : dict of str to ndarray
        Messages per cue of each unit, by kind, that the places were chosen for.
    measured : bool
        Whether the counts are those of a run, or those of units that are never silent.
    verified_on_hardware : bool
        Always False.
    """

    plan: GraphPlan
    chip: Chip
    system: System
    held: tuple[Held, ...]
    mesh: Mesh
    routers: Integers
    counts: Counts
    measured: bool
    verified_on_hardware: bool = False

    __repr__ = fields_repr
    _repr_html_ = fields_html

    @property
    def sizes(self) -> dict[str, int]:
        """Units of the network, by layer."""
        return {name: units.size for name, units in self.plan.layers.items()}

    @cached_property
    def cores(self) -> dict[str, Integers]:
        """The core of every unit of each layer, (n,)."""
        numbers = np.arange(self.n_cores)
        return {
            name: np.repeat(numbers, [held.units.get(name, 0) for held in self.held])
            for name in self.plan.layers
        }

    def flows_of(self, counts: Counts) -> dict[str, Floats]:
        """The messages from core to core, by kind, for other counts."""
        return _flows(self.plan, self.held, counts)

    def use(self, core: int) -> tuple[Use, ...]:
        """What a core holds of each limit."""
        core = checks.count("core", core, at_least=0, at_most=self.n_cores - 1)
        return uses(self.plan, self.chip, self.held[core], self.held)

    def _node(self, core: int) -> dict[str, Any]:
        held = self.held[core]
        return {"units": dict(held.units), "normalisers": held.normalisers}


def place_graph(
    plan: GraphPlan,
    table: Chip,
    candidates: tuple[System, ...],
    cores: int | None,
    run: Result | None,
    seed: int,
) -> GraphPlacement:
    """`hardware.place` for networks of any layers."""
    counts = never_silent(plan) if run is None else counts_of(plan, run)
    held = _merged(plan, table, _apart(plan, table))
    if cores is not None and cores != len(held):
        held = _spread(plan, table, cores, len(held))
    for system in candidates:
        there = int((system.chips.value or 0) * (cores_per_chip(table, system).value or 0))
        if len(held) <= there:
            break
    else:
        raise LimitError(
            f"{', '.join(f'{u.size:,} {n}' for n, u in plan.layers.items())} at "
            f"{plan.weight_bits} bits need {len(held):,} cores, {system.name} has {there:,}: take "
            f"fewer units or weight_bits, or a larger system"
        )
    mesh = meshes.of(table, len(held), int(cores_per_chip(table, system).value or 0))
    flows = total(_flows(plan, held, counts))
    return GraphPlacement(
        plan=plan,
        chip=table,
        system=system,
        held=held,
        mesh=mesh,
        routers=arrange(flows, mesh.slots(), mesh.per_router, seed),
        counts=counts,
        measured=run is not None,
    )


def never_silent(plan: GraphPlan) -> Counts:
    """What would be sent if no unit were ever silent on its turn."""
    periods = plan.steps // plan.period
    turns = Counter(turn.counted for step in plan.schedule for turn in step if turn.counted)
    return {kind: np.full(_size(plan, kind), float(periods * turns[kind])) for kind in kinds(plan)}


def counts_of(plan: GraphPlan, run: Result) -> Counts:
    """What was sent in a run; unit by unit where its messages were recorded, else evenly."""
    check_run(plan, run)
    found = {}
    for kind in kinds(plan):
        if f"{kind}_out" in run.trace.signals:
            sent = run.trace.signals[f"{kind}_out"] != 0
            found[kind] = np.asarray(sent.sum(axis=0).mean(axis=0), np.float64)
        else:
            size = _size(plan, kind)
            found[kind] = np.full(size, float(np.mean(run.messages[kind])) / size)
    return found


def _size(plan: GraphPlan, kind: str) -> int:
    """Units that send messages of a kind."""
    name, _, part = kind.partition(".")
    return 1 if part == "normaliser" else plan.layers[name].size


def listeners(plan: GraphPlan) -> dict[str, tuple[str, ...]]:
    """The layers that hear each layer, those that hear it twice twice."""
    return {name: tuple(x.target for x in plan.projections if x.source == name)
            for name in plan.layers}  # fmt: skip


def kept_bits(plan: GraphPlan, held: Held) -> int:
    """Bits that units keep from step to step, weights and codes not counted.

    A unit keeps x, sent, its bias and a sum for each projection onto it, with a softmax a and c as
    well, each as wide as a state, and the mantissa of its leak; a normaliser keeps c.
    """
    bits = _WIDTH * len(held.normalisers)
    for name, count in held.units.items():
        softmax = plan.layers[name].normaliser is not None
        bits += count * (_WIDTH * (3 + len(plan.onto(name)) + 2 * softmax) + DECAY_BITS)
    return bits


def uses(plan: GraphPlan, chip: Chip, held: Held, every: tuple[Held, ...]) -> tuple[Use, ...]:
    """What a core uses of each limit, among all cores."""
    synapses = axons_out = 0
    senders: set[str] = set()
    hears = listeners(plan)
    for name, count in held.units.items():
        softmax = plan.layers[name].normaliser is not None
        onto = plan.onto(name)
        synapses += count * (sum(x.weights.shape[1] for x in onto) + softmax)
        senders |= {x.source for x in onto} | ({f"{name}.normaliser"} if softmax else set())
        cores = sum(any(other.units.get(x) for x in hears[name]) for other in every)
        axons_out += count * (cores + softmax)
    for name in held.normalisers:
        synapses += plan.layers[name].size
        senders.add(f"{name}.rounds")
        axons_out += sum(bool(other.units.get(name)) for other in every)
    neurons = sum(held.units.values()) + len(held.normalisers)
    return (
        Use("neurons", neurons, chip.whole("neurons_per_core")),
        Use(
            "state bytes",
            math.ceil(kept_bits(plan, held) / 8),
            chip.whole("state_bytes_per_core"),
        ),
        Use(
            "synaptic bytes",
            math.ceil(synapses * plan.weight_bits / 8),
            chip.whole("synapse_bytes_per_core"),
        ),
        Use("axons in", sum(_size(plan, x) for x in senders), chip.whole("axons_in_per_core")),
        Use("axons out", axons_out, chip.whole("axons_out_per_core")),
    )


def _filled(plan: GraphPlan, numbers: Mapping[str, int]) -> tuple[Held, ...]:
    """So many cores for each layer, as level as can be."""
    found = []
    for name, cores in numbers.items():
        size, softmax = plan.layers[name].size, plan.layers[name].normaliser is not None
        for core in range(cores):
            count = size // cores + (core < size % cores)
            found.append(Held({name: count}, (name,) if softmax and core == 0 else ()))
    return tuple(found)


def _excess(plan: GraphPlan, chip: Chip, held: Held, every: tuple[Held, ...]) -> Use | None:
    """The first limit that a core exceeds."""
    return next((use for use in uses(plan, chip, held, every) if not use.fits), None)


def _apart(plan: GraphPlan, chip: Chip) -> tuple[Held, ...]:
    """The fewest cores with units of one layer each; the numbers only rise, to the least that fit.

    Raises
    ------
    LimitError
        If a unit alone is too much for a core.
    """
    numbers = dict.fromkeys(plan.layers, 1)
    while True:
        every = _filled(plan, numbers)
        full = [(held, use) for held in every if (use := _excess(plan, chip, held, every))]
        if not full:
            return every
        for name in {name for held, _ in full for name in held.units}:
            needed = max(use.needed / (use.there or 1) for held, use in full if name in held.units)
            size = plan.layers[name].size
            if numbers[name] == size:
                use = next(use for held, use in full if name in held.units)
                raise LimitError(
                    f"a unit of {name} needs {use.needed:,} {use.name}, a core of {chip.name} has "
                    f"{use.there:,}: take fewer units in the layers that it hears"
                )
            numbers[name] = min(size, max(numbers[name] + 1, int(numbers[name] * needed)))


def _merged(plan: GraphPlan, chip: Chip, every: tuple[Held, ...]) -> tuple[Held, ...]:
    """Cores put together where that fits: it takes nothing from the others."""
    if len(every) > _MOST_MERGED:
        return every
    done: list[Held] = []
    for number, held in enumerate(every):
        rest = every[number + 1 :]
        for place, other in enumerate(done):
            both = other.with_all_of(held)
            together = (*done[:place], both, *done[place + 1 :], *rest)
            if _excess(plan, chip, both, together) is None:
                done[place] = both
                break
        else:
            done.append(held)
    return tuple(done)


def _spread(plan: GraphPlan, chip: Chip, cores: int, least: int) -> tuple[Held, ...]:
    """So many cores, with units of one layer each; the layer that does most in a core gets more."""
    numbers = Counter(next(iter(held.units)) for held in _apart(plan, chip))
    most = sum(units.size for units in plan.layers.values())
    if not max(numbers.total(), 1) <= cores <= most:
        raise LimitError(
            f"cores={cores} cannot be filled: {least:,}, and from {numbers.total():,} to at most "
            f"{most:,} can, one unit each"
        )

    def work(name: str) -> float:
        size = plan.layers[name].size
        if numbers[name] == size:
            return -1.0
        heard = sum(x.weights.shape[1] for x in plan.onto(name))
        return float(math.ceil(size / numbers[name]) * (1 + heard))

    while numbers.total() < cores:
        numbers[max(plan.layers, key=work)] += 1
    every = _filled(plan, {name: numbers[name] for name in plan.layers})
    if use := next((u for held in every if (u := _excess(plan, chip, held, every))), None):
        raise LimitError(
            f"cores={cores}: a core would need {use.needed:,} {use.name}, there are {use.there:,}: "
            f"take cores={least}"
        )
    return every


def _flows(plan: GraphPlan, held: tuple[Held, ...], counts: Counts) -> dict[str, Floats]:
    """Messages from core to core, one for each core that holds listeners, by kind."""
    numbers, found = np.arange(len(held)), {}
    hears = listeners(plan)

    def sent(name: str, count: Floats) -> Floats:
        core = np.repeat(numbers, [each.units.get(name, 0) for each in held])
        return np.asarray(np.bincount(core, count, len(held)), np.float64)

    for kind, count in counts.items():
        name, _, part = kind.partition(".")
        beside = np.array([float(name in each.normalisers) for each in held])
        own = np.array([float(bool(each.units.get(name))) for each in held])
        heard = np.array([float(any(each.units.get(x) for x in hears[name])) for each in held])
        if part == "normaliser":
            found[kind] = np.asarray(np.outer(count[0] * beside, own), np.float64)
        else:
            to = beside if part == "rounds" else heard
            found[kind] = np.asarray(np.outer(sent(name, count), to), np.float64)
    return found
