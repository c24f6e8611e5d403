"""`place`: neuro-cores for the units of a plan, on as many chips as it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from amsim import checks

from ..chips import Chip, System
from ..chips import chip as chip_named
from ..errors import LimitError
from ..graphs.plan import GraphPlan
from ..plan import Plan
from ..run import Result
from ..validate import validate
from . import mesh as meshes
from . import traffic
from .arrange import arrange
from .core import Load, Sizes
from .layers import GraphPlacement, place_graph
from .result import Placement, check_run, cores_per_chip, sizes_of, total
from .split import DoesNotFit, Rates, split

_LEAST_BITS = 2


def place(
    plan: Plan | GraphPlan,
    chip: str | Path | Chip | None = None,
    *,
    system: str | None = None,
    cores: int | None = None,
    run: Result | None = None,
    seed: checks.Seed = 0,
) -> Placement | GraphPlacement:
    """Distribute the units of a plan over neuro-cores, and the cores over the mesh.

    Parameters
    ----------
    plan : Plan or GraphPlan
    chip : str, Path or Chip, optional
        A name, a .toml file or a table; the chip that the plan was made for by default.
        "loihi1" cannot run these neurons, and can be asked for to compare costs.
    system : str, optional
        A system of this chip; the smallest one that is large enough by default.
    cores : int, optional
        Neuro-cores to use, as few as possible by default. More of them work in parallel: a recall
        takes less time, and less of the power that flows anyway.
    run : Result, optional
        Cores that talked much in it are put near each other; without, no unit is taken to be
        silent on its turn.
    seed : int, SeedSequence or Generator, default 0
        Of the search for places.

    Returns
    -------
    Placement or GraphPlacement

    Raises
    ------
    LimitError
        If the plan does not fit; the message names the limit and the nearest changes that fit.
    ValueError, TypeError
        If there is no such chip or system, or the run is one of another plan.

    Examples
    --------
    >>> import amsim as am
    >>> import hardware as hw
    >>> plan = hw.compile(am.dense_am(am.patterns.random(200, 400, seed=0)))
    >>> hw.place(plan)
    Placement(400 x 200, oheo-gulch, n_cores=2, n_chips=1, verified_on_hardware=False)
    """
    if not isinstance(plan, GraphPlan):
        checks.instance("plan", plan, Plan, "what hardware.compile returns")
    number = checks.seed_number(seed)
    if cores is not None:
        cores = checks.count("cores", cores)
    table = chip_named(plan.chip if chip is None else chip)
    candidates = table.systems if system is None else (table.system(system),)
    if isinstance(plan, GraphPlan):
        placement = place_graph(plan, table, candidates, cores, run, number)
        if table.programmable:
            validate(plan, table, chips=placement.n_chips)
        return placement
    if run is not None:
        check_run(plan, run)
    sizes = sizes_of(plan)
    counts = traffic.dense(plan) if run is None else traffic.of_run(run)
    loads, found = _loads(sizes, table, candidates, counts.rates, cores)
    per_chip = int(cores_per_chip(table, found).value or 0)
    mesh = meshes.of(table, len(loads), per_chip)
    if table.programmable:
        validate(plan, table, chips=mesh.chips)
    visible = np.repeat(np.arange(len(loads)), [load.features for load in loads])
    hidden = np.repeat(np.arange(len(loads)), [load.memories for load in loads])
    normaliser = next((core for core, load in enumerate(loads) if load.normaliser), None)
    flows = total(traffic.between_cores(counts, visible, hidden, normaliser, len(loads)))
    return Placement(
        plan=plan,
        chip=table,
        system=found,
        visible=visible,
        hidden=hidden,
        normaliser=normaliser,
        loads=loads,
        mesh=mesh,
        routers=arrange(flows, mesh.slots(), mesh.per_router, number),
        counts=counts,
        measured=run is not None,
    )


def _loads(
    sizes: Sizes,
    chip: Chip,
    candidates: tuple[System, ...],
    rates: Rates,
    cores: int | None,
) -> tuple[tuple[Load, ...], System]:
    """Units of each core, and the first system that has so many."""
    largest = candidates[-1]
    try:
        loads = split(sizes, chip, rates, cores)
    except DoesNotFit as error:
        raise LimitError(_with_remedies(str(error), sizes, chip, largest)) from None
    for system in candidates:
        if len(loads) <= _cores(chip, system):
            return loads, system
    least, there = len(split(sizes, chip, rates)), _cores(chip, largest)
    if least <= there:
        raise LimitError(_too_many(sizes, chip, rates, largest, len(loads), least))
    what = (
        f"{sizes.features:,} features and {sizes.memories:,} memories at "
        f"{sizes.weight_bits} bits need {least:,} cores, {largest.name} has {there:,}"
    )
    raise LimitError(_with_remedies(what, sizes, chip, largest, len(loads)))


def _too_many(
    sizes: Sizes, chip: Chip, rates: Rates, system: System, cores: int, least: int
) -> str:
    """The message where more cores are asked for than there are, and fewer would do."""

    def filled(number: int) -> bool:
        try:
            return bool(split(sizes, chip, rates, number))
        except LimitError:
            return False

    there = _cores(chip, system)
    nearest = next(n for n in range(there, least - 1, -1) if filled(n))
    remedies = ", or ".join([*_larger(chip, cores), f"cores={nearest}"])
    return f"cores={cores} are asked for, {system.name} has {there:,}; what fits: {remedies}"


def _larger(chip: Chip, cores: int) -> list[str]:
    """The smallest system with so many cores, as a remedy; empty if there is none."""
    return [f"system={each.name!r}" for each in chip.systems if _cores(chip, each) >= cores][:1]


def _cores(chip: Chip, system: System) -> int:
    return int((system.chips.value or 0) * (cores_per_chip(chip, system).value or 0))


def _with_remedies(
    what: str, sizes: Sizes, chip: Chip, system: System, needed: int | None = None
) -> str:
    """The message of an error, with the nearest changes that do fit."""

    def fits(changed: Sizes) -> bool:
        try:
            return len(split(changed, chip)) <= _cores(chip, system)
        except DoesNotFit:
            return False

    remedies = [] if needed is None else _larger(chip, needed)
    bits = _largest(lambda n: fits(replace(sizes, weight_bits=n)), _LEAST_BITS, sizes.weight_bits)
    memories = _largest(lambda n: fits(replace(sizes, memories=n)), 1, sizes.memories)
    features = _largest(lambda n: fits(replace(sizes, features=n)), 1, sizes.features)
    if bits:
        remedies.append(f"weight_bits={bits}")
    if memories:
        remedies.append(f"at most {memories:,} memories of {sizes.features:,}")
    if features and not memories:
        remedies.append(f"at most {features:,} features")
    nothing = "neither fewer bits nor fewer units of one kind are enough"
    return f"{what}; what fits: {', or '.join(remedies) or nothing}"


def _largest(fits: Callable[[int], bool], least: int, above: int) -> int:
    """The largest number below `above` that fits, by bisection; 0 if `least` does not."""
    if least >= above or not fits(least):
        return 0
    low, high = least, above
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
