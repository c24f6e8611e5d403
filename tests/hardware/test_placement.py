"""Placements are legal: checked unit by unit against the limits, by code that shares nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import amsim as am
import hardware as hw
from hardware import random_plans
from hardware.placement import split
from hardware.placement.core import Sizes

UNKNOWN = float("inf")


def limit(chip: hw.Chip, name: str) -> float:
    found = chip.limits.get(name)
    return UNKNOWN if found is None or found.value is None else found.value


def assert_legal(placement: hw.Placement, chip: hw.Chip) -> None:
    """Every synapse, axon and place, one by one."""
    plan = placement.plan
    memories, features = plan.units
    home = {("v", i): int(core) for i, core in enumerate(placement.visible)}
    home |= {("h", i): int(core) for i, core in enumerate(placement.hidden)}
    assert len(home) == memories + features
    if plan.normaliser is not None:
        assert placement.normaliser is not None
        home["n", 0] = placement.normaliser
    else:
        assert placement.normaliser is None
    # Messages by kind: who speaks, and who listens.
    kinds = [("v", "h"), ("h", "v")] + [("h", "n"), ("n", "h")] * (plan.normaliser is not None)
    synapses: Counter[int] = Counter()
    heard: dict[int, set[Any]] = defaultdict(set)
    spoken: dict[int, set[Any]] = defaultdict(set)
    for speakers, listeners in kinds:
        places = Counter(core for unit, core in home.items() if unit[0] == listeners)
        for sender, core in home.items():
            if sender[0] != speakers:
                continue
            for place, receivers in places.items():
                synapses[place] += receivers
                heard[place].add((sender, listeners))
                spoken[core].add((sender, listeners, place))
    neurons = Counter(home.values())
    # v, sent and bias; h, total and bias, with softmax a and c; c: 24 bits each. A leak has 12.
    bits_of = {"v": 84, "h": 132 if plan.normaliser else 84, "n": 24}
    kept: Counter[int] = Counter()
    for (kind, _), core in home.items():
        kept[core] += bits_of[kind]
    assert set(neurons) == set(range(placement.n_cores))
    for core in range(placement.n_cores):
        assert neurons[core] <= limit(chip, "neurons_per_core")
        assert kept[core] <= 8 * limit(chip, "state_bytes_per_core")
        bits = synapses[core] * plan.weight_bits
        assert bits <= 8 * limit(chip, "synapse_bytes_per_core")
        assert len(heard[core]) <= limit(chip, "axons_in_per_core")
        assert len(spoken[core]) <= limit(chip, "axons_out_per_core")
    assert_places(placement, chip)


def assert_places(placement: hw.Placement, chip: hw.Chip) -> None:
    columns, rows = int(limit(chip, "mesh_columns")), int(limit(chip, "mesh_rows"))
    routers = Counter(map(tuple, placement.routers.tolist()))
    assert len(placement.routers) == placement.n_cores
    assert max(routers.values()) <= limit(chip, "cores_per_router")
    on_chip: Counter[tuple[int, int]] = Counter()
    for (column, row), cores in routers.items():
        assert column >= 0 and row >= 0
        on_chip[column // columns, row // rows] += cores
    assert len(on_chip) <= placement.n_chips <= int(placement.system.chips.value or 0)
    usable = placement.system.cores_per_chip or chip.limits["cores"]
    assert max(on_chip.values()) <= (usable.value or 0)
    assert len(set(placement.chips.tolist())) == len(on_chip)


def toy(rng: np.random.Generator, memories: int, features: int) -> hw.Chip:
    """A small chip with limits that bind."""
    loihi2 = hw.CHIPS["loihi2"]
    most = max(memories, features) + 1
    columns, rows, per_router = (int(rng.integers(1, n)) for n in (4, 4, 5))
    values = {
        "mesh_columns": columns,
        "mesh_rows": rows,
        "cores_per_router": per_router,
        "neurons_per_core": int(rng.integers(1, 8)),
        "synapse_bytes_per_core": int(rng.integers(most, 4 * most + 10)),
    }
    # One after the other: a chip whose cores exceed its routers cannot be.
    chip = loihi2.assuming(cores=1).assuming(**values)
    chip = chip.assuming(cores=int(rng.integers(1, columns * rows * per_router + 1)))
    if rng.random() < 0.5:
        low = memories + features
        chip = chip.assuming(axons_in_per_core=int(rng.integers(low, 2 * low + 2)))
    if rng.random() < 0.5:
        chip = chip.assuming(axons_out_per_core=int(rng.integers(4, 40)))
    if rng.random() < 0.5:
        chip = chip.assuming(state_bytes_per_core=int(rng.integers(17, 100)))
    systems = (
        hw.System("one", hw.Limit(1, "chips", "toy", "assumed")),
        hw.System("many", hw.Limit(3, "chips", "toy", "assumed")),
    )
    return replace(chip, name="toy", systems=systems)


def random_plan(rng: np.random.Generator) -> hw.Plan:
    while True:
        try:
            return random_plans.plan(rng, random_plans.network(rng))
        except hw.RangeError:
            continue


def test_random_plans_are_placed_legally() -> None:
    placed: list[hw.Placement] = []
    refused = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        plan = random_plan(rng)
        chip = toy(rng, *plan.units)
        try:
            placement = hw.place(plan, chip, seed=seed)
        except hw.LimitError:
            refused += 1
            continue
        assert_legal(placement, chip)
        placed.append(placement)
    # The limits bind, and do not forbid everything.
    assert len(placed) > 40 and refused > 2
    assert sum(p.n_cores > 2 for p in placed) > 20
    assert sum(p.n_chips > 1 for p in placed) > 10
    assert sum(p.normaliser is None for p in placed) > 10


@pytest.mark.parametrize("chip", ["loihi1", "loihi2"])
@pytest.mark.parametrize(("memories", "features", "bits"), [(300, 700, 8), (5, 2100, 4)])
def test_plans_on_published_chips_are_legal(
    chip: str, memories: int, features: int, bits: int
) -> None:
    patterns = am.patterns.random(memories, features, seed=0)
    plan = hw.compile(am.dense_am(patterns, hidden=am.Softmax(0.1)), weight_bits=bits)
    assert_legal(hw.place(plan, chip), hw.CHIPS[chip])
    assert_legal(hw.place(plan, chip, cores=20), hw.CHIPS[chip])


def small_plan(**options: Any) -> hw.Plan:
    patterns = am.patterns.random(8, 12, seed=0)
    return hw.compile(am.dense_am(patterns, **options))


def tight(**limits: float) -> hw.Chip:
    """A chip of two routers with two cores each, in systems of 1 and of 3."""
    values = {"cores": 4, "mesh_columns": 2, "mesh_rows": 1, "cores_per_router": 2, **limits}
    systems = tuple(
        hw.System(name, hw.Limit(n, "chips", "toy", "assumed"))
        for name, n in (("small", 1), ("large", 3))
    )
    return replace(
        hw.CHIPS["loihi2"].assuming(cores=1).assuming(**values), name="tight", systems=systems
    )


def test_more_than_one_chip_when_one_is_not_enough() -> None:
    plan = small_plan()
    for memory, cores, chips in ((4000, 1, 1), (60, 4, 1), (40, 6, 2), (24, 12, 3)):
        chip = tight(synapse_bytes_per_core=memory)
        placement = hw.place(plan, chip)
        assert (placement.n_cores, placement.n_chips) == (cores, chips)
        assert placement.system.name == ("small" if chips == 1 else "large")
        assert_legal(placement, chip)


def test_limit_errors_name_changes_that_fit() -> None:
    plan, chip = small_plan(), tight(synapse_bytes_per_core=40)
    with pytest.raises(hw.LimitError, match="need 6 cores, small has 4") as caught:
        hw.place(plan, chip, system="small")
    message = str(caught.value)
    assert "what fits: system='large', or weight_bits=" in message
    bits = int(message.split("weight_bits=")[1].split(",")[0])
    most = int(message.split("at most ")[1].split()[0])

    def fits(memories: int, bits: int) -> bool:
        patterns = am.patterns.random(memories, 12, seed=0)
        plan = hw.compile(am.dense_am(patterns), weight_bits=bits)
        try:
            assert_legal(hw.place(plan, chip, system="small"), chip)
        except hw.LimitError:
            return False
        return True

    assert fits(8, bits) and not fits(8, bits + 1)
    assert fits(most, 8) and not fits(most + 1, 8)


def test_a_unit_that_is_too_much_for_a_core() -> None:
    plan = small_plan()
    for name, value, what in (
        ("synapse_bytes_per_core", 12, "a memory needs 13 synaptic bytes, a core of tight has 12"),
        ("axons_in_per_core", 11, "a memory needs 13 axons in, a core of tight has 11"),
        ("axons_out_per_core", 1, "a memory needs 2 axons out, a core of tight has 1"),
    ):
        with pytest.raises(hw.LimitError, match=f"{what}; what fits: "):
            hw.place(plan, tight(**{name: value}))
    with pytest.raises(hw.LimitError, match="neither fewer bits nor fewer units"):
        hw.place(plan, tight(synapse_bytes_per_core=1))
    with pytest.raises(
        hw.LimitError, match="a memory needs 17 state bytes, a core of tight has 16"
    ):
        hw.place(plan, tight(state_bytes_per_core=16))


def test_state_of_neurons_is_counted_where_its_room_is_known() -> None:
    plan = hw.compile(am.dense_am(am.patterns.random(6, 40, seed=0), hidden=am.Softmax(0.1)))
    bits = 40 * 84 + 6 * 132 + 24
    for chip in hw.CHIPS.values():  # nobody published it
        (kept,) = [use for use in hw.place(plan, chip).use(0) if use.name == "state bytes"]
        assert (kept.needed, kept.there) == (bits // 8, None)
    for room, cores in ((bits // 8, 1), (bits // 8 - 1, 2), (21, 20 + 6)):  # pairs; alone or with c
        chip = hw.CHIPS["loihi2"].assuming(state_bytes_per_core=room)
        placement = hw.place(plan, chip)
        assert_legal(placement, chip)
        assert placement.n_cores == cores
    with pytest.raises(hw.LimitError, match=r"bytes of neuron state of a chip: 522 needed"):
        hw.validate(plan, hw.CHIPS["loihi2"].assuming(state_bytes_per_core=4))


def test_published_limits_are_met_at_their_edge() -> None:
    """4,096 axons into a core of Loihi 1: so many memories, and not one more."""
    for memories, fits in ((4096, True), (4097, False)):
        network = Sizes(64, memories, False, 8)
        if fits:
            assert len(split.split(network, hw.CHIPS["loihi1"])) > 1
        else:
            with pytest.raises(split.DoesNotFit, match="a feature needs 4,097 axons in"):
                split.split(network, hw.CHIPS["loihi1"])
    # 128 KB a core: as many memories of 8 bits as a feature can listen to.
    for memories, fits in ((131_072, True), (131_073, False)):
        network = Sizes(2, memories, False, 8)
        if fits:
            split.split(network, hw.CHIPS["loihi2"])
        else:
            with pytest.raises(split.DoesNotFit, match="a feature needs 131,073 synaptic bytes"):
                split.split(network, hw.CHIPS["loihi2"])


def test_the_largest_systems() -> None:
    assert len(split.split(Sizes(784, 2000, True, 8), hw.CHIPS["loihi2"])) == 25
    cores = len(split.split(Sizes(784, 131_072, True, 8), hw.CHIPS["loihi2"]))
    assert 8 * 128 < cores <= 1152 * 122


def test_an_own_number_of_cores() -> None:
    plan = small_plan()
    for cores in (2, 5, 20):
        placement = hw.place(plan, cores=cores)
        assert placement.n_cores == cores
        assert_legal(placement, hw.CHIPS["loihi2"])
    with pytest.raises(hw.LimitError, match="cores=22 cannot be filled"):
        hw.place(plan, cores=22)
    with pytest.raises(hw.LimitError, match="cores=5 cannot be filled: from 6 to at most 20"):
        hw.place(plan, tight(synapse_bytes_per_core=40), cores=5)


def test_more_cores_than_a_system_has() -> None:
    """The plan fits on fewer: neither fewer bits nor fewer memories are the remedy."""
    plan = hw.compile(am.dense_am(am.patterns.random(100, 100, seed=0)))
    message = "cores=129 are asked for, oheo-gulch has 128; what fits: (.*)"
    with pytest.raises(hw.LimitError, match=message) as caught:
        hw.place(plan, system="oheo-gulch", cores=129)
    assert str(caught.value).endswith("what fits: system='kapoho-point', or cores=128")
    assert hw.place(plan, system="kapoho-point", cores=129).n_chips == 2
    assert hw.place(plan, system="oheo-gulch", cores=128).n_chips == 1


def test_traffic_is_that_of_the_run() -> None:
    """Flows from what was recorded, message by message, against the counts."""
    patterns = am.patterns.random(8, 12, seed=0)
    plan = hw.compile(am.dense_am(patterns, hidden=am.Softmax(0.5)))
    chip = tight(synapse_bytes_per_core=40)
    cues = am.patterns.corrupt(patterns[:3], flip=0.2, seed=1)
    run = hw.run(plan, cues, record=("visible_out", "hidden_out", "normaliser_out"))
    placement = hw.place(plan, chip, run=run)
    expected = np.zeros((placement.n_cores, placement.n_cores))
    with_memories, with_features = set(placement.hidden), set(placement.visible)
    signals = {name: run.states(f"{name}_out") for name in ("visible", "hidden", "normaliser")}
    for step in range(run.steps):
        last = step % plan.period == plan.period - 1
        for cue in range(3):
            for unit in np.flatnonzero(signals["visible"][step, cue]):
                for core in with_memories:
                    expected[placement.visible[unit], core] += 1 / 3
            for unit in np.flatnonzero(signals["hidden"][step, cue]):
                for core in with_features if last else {placement.normaliser}:
                    expected[placement.hidden[unit], core] += 1 / 3
            if signals["normaliser"][step, cue].any():
                for core in with_memories:
                    expected[placement.normaliser, core] += 1 / 3
    np.testing.assert_allclose(placement.flows, expected, rtol=1e-9)
    # Without the recorded messages the same totals, spread evenly.
    evenly = hw.place(plan, chip, run=hw.run(plan, cues))
    assert evenly.flows.sum() == pytest.approx(expected.sum())
    assert placement.measured and not hw.place(plan, chip).measured


def test_links_carry_what_xy_routing_sends_over_them() -> None:
    plan, chip = small_plan(), tight(synapse_bytes_per_core=24, mesh_columns=1, mesh_rows=2)
    cues = am.patterns.corrupt(am.patterns.random(8, 12, seed=0)[:3], flip=0.2, seed=1)
    placement = hw.place(plan, chip, run=hw.run(plan, cues))  # messages in thirds
    assert placement.n_chips == 3
    walked: Counter[tuple[tuple[int, int], tuple[int, int]]] = Counter()
    crossed = 0.0
    for a in range(placement.n_cores):
        for b in range(placement.n_cores):
            x, y = placement.routers[a].tolist()
            to_x, to_y = placement.routers[b].tolist()
            while (x, y) != (to_x, to_y):
                step = (int(np.sign(to_x - x)), 0) if x != to_x else (0, int(np.sign(to_y - y)))
                after = (x + step[0], y + step[1])
                walked[(x, y), after] += placement.flows[a, b]
                crossed += placement.flows[a, b] * ((x, y // 2) != (after[0], after[1] // 2))
                x, y = after
    links = placement.links
    for (x, y), (to_x, to_y) in walked:
        name = {(1, 0): "east", (-1, 0): "west", (0, 1): "south", (0, -1): "north"}
        load = getattr(links, name[to_x - x, to_y - y])[min(y, to_y), min(x, to_x)]
        assert load == pytest.approx(walked[(x, y), (to_x, to_y)])
    used = sum(int((load > 0).sum()) for load in vars(links).values())
    assert used == sum(load > 0 for load in walked.values())
    assert sum(links.hops) == pytest.approx(sum(walked.values())) == pytest.approx(placement.hops)
    assert links.hottest == pytest.approx(max(walked.values()))
    assert links.crossings(placement.mesh) == pytest.approx(crossed)
    assert crossed > 0


def test_graph_and_report_say_the_same() -> None:
    plan, chip = small_plan(), tight(synapse_bytes_per_core=40)
    placement = hw.place(plan, chip)
    graph = placement.to_networkx()
    assert len(graph) == placement.n_cores
    assert sum(node["features"] for _, node in graph.nodes(data=True)) == 12
    assert sum(node["memories"] for _, node in graph.nodes(data=True)) == 8
    assert sum(node["normaliser"] for _, node in graph.nodes(data=True)) == 1
    edges = [edge for _, _, edge in graph.edges(data=True)]
    assert sum(edge["messages"] for edge in edges) == pytest.approx(placement.cut)
    hops = sum(edge["messages"] * edge["hops"] for edge in edges)
    assert hops == pytest.approx(placement.hops)
    report = placement.report()
    assert "6 on 2 chips" in report and f"{placement.cut:,.0f}" in report
    assert "verified_on_hardware: false" in report
    assert not placement.verified_on_hardware
    assert "for prices only" in hw.place(plan, "loihi1").report()
    assert "not public" in hw.place(plan).report()


def test_the_figure_shows_every_core() -> None:
    from matplotlib.patches import Rectangle

    placement = hw.place(small_plan(), tight(synapse_bytes_per_core=40))
    figure = placement.plot()
    ax = figure.axes[0]
    filled = [p.get_height() for p in ax.patches if p.get_facecolor()[3] == 1]  # type: ignore[attr-defined]
    shares = [placement.use(core)[2] for core in range(placement.n_cores)]
    assert {use.name for use in shares} == {"synaptic bytes"}
    expected = [use.needed / (use.there or 1) for use in shares]
    np.testing.assert_allclose(np.divide(filled, max(filled)), np.divide(expected, max(expected)))
    boxes = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    assert len(boxes) == 2 * placement.n_cores + 1  # light, filled, and around the normaliser
    assert ax.get_xlabel() == "router, west to east"
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert f"hottest link, {placement.links.hottest:,.0f}" in labels
    assert len(hw.place(small_plan()).plot().axes) == 1  # one core: no links, no colour bar


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"plan": "plan.json"}, TypeError, "plan must be what hardware.compile returns"),
        ({"chip": "loihi9"}, ValueError, "no chip 'loihi9'"),
        ({"chip": 2}, TypeError, "chip must be a name"),
        ({"system": "nahuku"}, ValueError, "loihi2 has no system 'nahuku'; there are oheo-gulch"),
        ({"seed": -1}, ValueError, "seed must be a whole number"),
        ({"seed": 0.5}, TypeError, "seed must be a whole number"),
        ({"cores": 0}, ValueError, "cores must be a whole number from 1"),
        ({"cores": True}, TypeError, "cores must be a whole number"),
        ({"run": "run"}, TypeError, "run must be what hardware.run returns"),
    ],
)
def test_wrong_arguments_are_named(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        hw.place(**{"plan": small_plan(), **arguments})


def test_a_run_of_another_plan_is_refused() -> None:
    plan = small_plan()
    other = hw.run(small_plan(hidden=am.Softmax(2.0)), np.ones(12), steps=10)
    with pytest.raises(ValueError, match="the run is one of another plan"):
        hw.place(plan, run=other)
    same = hw.run(small_plan(), np.ones(12), steps=10)
    assert hw.place(plan, run=same).measured


def test_the_checker_notices_what_is_illegal() -> None:
    """The checks above can fail."""
    chip = tight(synapse_bytes_per_core=40)
    placement = hw.place(small_plan(), chip)
    assert_legal(placement, chip)
    crowded = replace(placement, visible=np.full(12, placement.visible[0]))
    elsewhere = replace(placement, routers=placement.routers + np.array([2, 0]))
    piled = replace(placement, routers=np.zeros_like(placement.routers))
    for wrong, limits in (
        (crowded, chip),
        (elsewhere, replace(chip, systems=chip.systems[:1])),
        (piled, chip),
        (placement, chip.assuming(synapse_bytes_per_core=30)),
        (placement, chip.assuming(axons_in_per_core=12)),
        (placement, chip.assuming(axons_out_per_core=3)),
        (placement, chip.assuming(neurons_per_core=2)),
    ):
        moved = replace(wrong, system=limits.systems[-1])
        with pytest.raises(AssertionError):
            assert_legal(moved, limits)
