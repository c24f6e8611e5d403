"""What is counted and priced in an estimate, line by line; `hardware.cost` says how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .chips import CHIPS, Chip
from .errors import NotPublicError
from .graphs.turns import kinds
from .placement import Placement, mesh, traffic
from .placement.layers import GraphPlacement, counts_of, listeners
from .placement.mesh import Floats, Integers
from .run import Result
from .schedule import KINDS, STATES

Range = tuple[float, float]
PARTS = ("synaptic operations", "neuron updates", "mesh", "barrier", "static")


@dataclass(frozen=True)
class Line:
    """One thing that is paid for.

    Attributes
    ----------
    part : str
        One of `PARTS`.
    name : str
    count : float
        How often it happens, per cue.
    in_a_row : float
        How often it happens one after the other, on the way that decides the time.
    energy : (float, float) or None
        Lower and upper end in J; None where it has no price of its own.
    time : (float, float) or None
        In s.
    """

    part: str
    name: str
    count: float
    in_a_row: float
    energy: Range | None
    time: Range | None


_CROSSINGS = ("crossing_energy", "crossing_time")
USED = (
    *("synapse_energy", "synapse_time", "active_update_energy", "active_update_time"),
    *("idle_update_energy", "idle_update_time", "delivery_energy", "delivery_time"),
    *("hop_x_energy", "hop_x_time", "hop_y_energy", "hop_y_time", *_CROSSINGS),
    *("barrier_time", "static_power"),
)


def lines_of(placement: Placement | GraphPlacement, run: Result, table: Chip) -> tuple[Line, ...]:
    """All lines of an estimate.

    Raises
    ------
    NotPublicError
        If a price that is needed is not public; the message names all of them.
    """
    check_prices(table, placement)
    if isinstance(placement, GraphPlacement):
        sent = counts_of(placement.plan, run)
        synapses, flows = _graph_synapses(placement, sent), placement.flows_of(sent)
    else:
        counts = traffic.of_run(run)
        synapses, flows = _synapses(placement, counts), placement.flows_of(counts)
    operations = ("synaptic operations",) * 2
    lines = [
        _line(*operations, *synapses, table, "synapse_energy", "synapse_time"),
        *_updates(placement, run, table),
        *_mesh(placement, flows, run, table),
        _line("barrier", "barriers", run.steps, run.steps, table, None, "barrier_time"),
    ]
    low, high = total([line.time for line in lines])
    power = _times(1e-3 * placement.n_chips, table.price("static_power").range)
    joules = (power[0] * low, power[1] * high)
    return (*lines, Line("static", "power of the chips", placement.n_chips, 0.0, joules, None))


def check_prices(table: Chip, placement: Placement | GraphPlacement) -> None:
    """Raise unless every price that is needed is there."""
    needed = [name for name in USED if placement.n_chips > 1 or name not in _CROSSINGS]
    missing = []
    for name in needed:
        try:
            table.price(name)
        except NotPublicError:
            missing.append(name)
    if missing:
        others = [
            f"take prices={name!r}, or "
            for name, other in CHIPS.items()
            if all(other.whole(price) is not None for price in needed)
        ]
        raise NotPublicError(
            f"nobody published {', '.join(missing)} of {table.name}: {''.join(others)}give your "
            f"own with chip.assuming({missing[0]}=...)"
        )


def _graph_synapses(placement: GraphPlacement, sent: Mapping[str, Floats]) -> tuple[float, float]:
    """Weights that messages meet: all of them, and those in the core that holds most listeners."""
    plan, hears = placement.plan, listeners(placement.plan)
    total = most = 0.0
    for kind, count in sent.items():
        name, _, part = kind.partition(".")
        targets = {"rounds": (), "normaliser": (name,)}.get(part, hears[name])
        per_core = [sum(held.units.get(x, 0) for x in targets) for held in placement.held]
        one = part == "rounds"  # the normaliser
        total += float(count.sum()) * (1 if one else sum(plan.layers[x].size for x in targets))
        most += float(count.sum()) * (1 if one else max(per_core))
    return total, most


def _synapses(placement: Placement, counts: traffic.Counts) -> tuple[float, float]:
    """As `_graph_synapses`."""
    memories, features = placement.plan.units
    most_features = max(load.features for load in placement.loads)
    most_memories = max(load.memories for load in placement.loads)
    from_features, from_memories = counts.visible.sum(), counts.hidden.sum()
    rounds = counts.rounds.sum()
    return (
        (from_features + counts.normaliser) * memories + from_memories * features + rounds,
        (from_features + counts.normaliser) * most_memories
        + from_memories * most_features
        + rounds,
    )


def _updates(placement: Placement | GraphPlacement, run: Result, table: Chip) -> list[Line]:
    """Active and idle updates, in total and on the core that takes longest in each phase."""
    turns, units = _turns(placement)
    period = placement.plan.period
    times = np.bincount(np.arange(run.steps) % period, minlength=period)
    active = units * turns[:, :, None]
    busy, idle = active.sum(axis=1), (units - active).sum(axis=1)
    price = [table.price(f"{kind}_update_time").range[1] for kind in ("active", "idle")]
    slowest = np.argmax(busy * price[0] + idle * price[1], axis=1)
    each = np.arange(period)
    return [
        _line(
            "neuron updates",
            f"{name} updates",
            float(times @ count.sum(axis=1)),
            float(times @ count[each, slowest]),
            table,
            f"{name}_update_energy",
            f"{name}_update_time",
        )
        for name, count in (("active", busy), ("idle", idle))
    ]


def _turns(placement: Placement | GraphPlacement) -> tuple[Integers, Integers]:
    """Which population computes in which phase, (period, p), and their units by core, (p, n)."""
    if isinstance(placement, GraphPlacement):
        return _graph_turns(placement)
    turns = [[turn.population == name for name in STATES] for turn in placement.plan.schedule]
    loads = placement.loads
    units = [
        [load.features for load in loads],
        [load.memories for load in loads],
        [int(load.normaliser) for load in loads],
    ]
    return np.array(turns, dtype=np.int64), np.array(units, dtype=np.int64)


def _graph_turns(placement: GraphPlacement) -> tuple[Integers, Integers]:
    layers = tuple(placement.plan.layers)
    populations = (*layers, *(f"{name}.normaliser" for name in layers))
    computes = [
        {turn.population for turn in step if turn.sends} for step in placement.plan.schedule
    ]
    turns = [[name in now for name in populations] for now in computes]
    units = [[held.units.get(name, 0) for held in placement.held] for name in layers]
    units += [[int(name in held.normalisers) for held in placement.held] for name in layers]
    return np.array(turns, dtype=np.int64), np.array(units, dtype=np.int64)


def _mesh(
    placement: Placement | GraphPlacement, flows: Mapping[str, Floats], run: Result, table: Chip
) -> list[Line]:
    every = np.asarray(sum(flows.values()), np.float64)
    links = mesh.links(placement.mesh, placement.routers, every)
    across, down = links.hops
    steps = _steps_of_kinds(placement, run)
    ways = [
        (min(flow.sum(), steps[kind]), _longest(placement, flow, table))
        for kind, flow in flows.items()
        if flow.any()
    ]
    rows = [
        ("deliveries to cores", every.sum(), sum(n for n, _ in ways), "delivery"),
        ("hops east-west", across, sum(n * way[0] for n, way in ways), "hop_x"),
        ("hops north-south", down, sum(n * way[1] for n, way in ways), "hop_y"),
    ]
    if placement.n_chips > 1:
        crossings = links.crossings(placement.mesh)
        rows.append(
            ("hops between chips", crossings, sum(n * way[2] for n, way in ways), "crossing")
        )
    return [
        _line("mesh", name, count, in_a_row, table, f"{price}_energy", f"{price}_time")
        for name, count, in_a_row, price in rows
    ]


def _steps_of_kinds(placement: Placement | GraphPlacement, run: Result) -> dict[str, int]:
    """Steps of the run in which messages of each kind may be sent."""
    whole, rest = divmod(run.steps, placement.plan.period)
    if isinstance(placement, GraphPlacement):
        found = dict.fromkeys(kinds(placement.plan), 0)
        for phase, step in enumerate(placement.plan.schedule):
            for turn in step:
                if turn.counted:
                    found[turn.counted] += whole + (phase < rest)
        return found
    steps = dict.fromkeys(KINDS, 0)
    for phase, turn in enumerate(placement.plan.schedule):
        steps[turn.counted] += whole + (phase < rest)
    return steps


def _longest(
    placement: Placement | GraphPlacement, flow: Floats, table: Chip
) -> tuple[int, int, int]:
    """Hops east-west, north-south and between chips of the way that takes longest."""
    sender, receiver = np.nonzero(flow)
    hops = np.abs(placement.routers[sender] - placement.routers[receiver])
    chips = np.stack(np.divmod(placement.chips, placement.mesh.across), axis=1)
    crossed = np.abs(chips[sender] - chips[receiver]).sum(axis=1)
    names = ("hop_x_time", "hop_y_time") + ("crossing_time",) * (placement.n_chips > 1)
    price = np.array([table.price(name).range[1] for name in names])
    ways = np.column_stack([hops, crossed])
    x, y, between = ways[np.argmax(ways[:, : len(price)] @ price)]
    return int(x), int(y), int(between)


def _line(
    part: str,
    name: str,
    count: float,
    in_a_row: float,
    table: Chip,
    energy: str | None,
    time: str,
) -> Line:
    pico, nano = 1e-12, 1e-9
    joules = None if energy is None else _times(count * pico, table.price(energy).range)
    seconds = _times(in_a_row * nano, table.price(time).range)
    return Line(part, name, float(count), float(in_a_row), joules, seconds)


def _times(factor: float, ends: Range) -> Range:
    return float(factor * ends[0]), float(factor * ends[1])


def total(ranges: list[Range | None]) -> Range:
    """The sum of lower and of upper ends; what has none is left out."""
    known = [ends for ends in ranges if ends is not None]
    return sum((low for low, _ in known), 0.0), sum((high for _, high in known), 0.0)
