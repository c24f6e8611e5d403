"""Estimates equal calculations by hand and step by step; what is not public is not invented."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import amsim as am
import hardware as hw
from hardware.cost_lines import PARTS

PATTERNS = am.patterns.random(8, 12, seed=0)
CUES = am.patterns.corrupt(PATTERNS[:3], flip=0.2, seed=1)
# Davies et al. 2018, table 2, once more: energies in pJ, times in ns.
SYNAPSE, ACTIVE, IDLE = (23.6, 3.5), (81.0, 8.4), (52.0, 5.3)
DELIVERY, HOP_X, HOP_Y = (1.7, 2.1), (3.0, 4.1), (4.0, 6.5)
BARRIER, STATIC = (113.0, 465.0), 104.0  # ns; mW


def softmax_plan(**options: Any) -> hw.Plan:
    return hw.compile(am.dense_am(PATTERNS, hidden=am.Softmax(0.5)), **options)


def chip_of(memory: int, **limits: int) -> hw.Chip:
    """Loihi 1 with little memory: small networks need many cores."""
    values = {"synapse_bytes_per_core": memory, **limits}
    return replace(hw.CHIPS["loihi1"].assuming(**values), name="small")


def lines_by_name(cost: hw.Estimate) -> dict[str, Any]:
    return {line.name: line for line in cost.lines}


def test_a_network_on_one_core_by_hand() -> None:
    """12 features, 8 memories and a normaliser on one core; every line as one would write it."""
    plan = softmax_plan()
    run = hw.run(plan, CUES)
    placement = hw.place(plan, "loihi1")
    assert placement.n_cores == 1
    cost = hw.estimate(placement, run)
    messages = {name: count.mean() for name, count in run.messages.items()}
    steps, period = run.steps, plan.period
    assert steps % period == 0
    lines = lines_by_name(cost)

    synaptic = (
        messages["visible"] * 8 + messages["normaliser"] * 8 + messages["hidden"] * 12
    ) + messages["rounds"]
    # Features have 1 turn in a period, memories all odd steps, the normaliser the other even ones.
    turns = 12 + 8 * period // 2 + (period // 2 - 1)
    active = steps // period * turns
    idle = steps * 21 - active
    for name, count, (energy, time) in (
        ("synaptic operations", synaptic, SYNAPSE),
        ("active updates", active, ACTIVE),
        ("idle updates", idle, IDLE),
    ):
        assert lines[name].count == lines[name].in_a_row == pytest.approx(count)
        assert lines[name].energy == pytest.approx((count * energy * 1e-12,) * 2)
        assert lines[name].time == pytest.approx((count * time * 1e-9,) * 2)

    sent = sum(messages.values())
    deliveries = lines["deliveries to cores"]
    assert deliveries.count == pytest.approx(sent)
    assert deliveries.energy == pytest.approx((sent * DELIVERY[0] * 1e-12,) * 2)
    # A step waits once for its messages, if it has any.
    waits = sum(
        min(messages[kind], steps // period * times)
        for kind, times in (
            ("visible", 1),
            ("hidden", 1),
            ("rounds", period // 2 - 1),
            ("normaliser", period // 2 - 1),
        )
    )
    assert deliveries.in_a_row == pytest.approx(waits)
    assert deliveries.time == pytest.approx((waits * DELIVERY[1] * 1e-9,) * 2)
    assert lines["hops east-west"].count == lines["hops north-south"].count == 0

    assert lines["barriers"].energy is None
    assert lines["barriers"].time == pytest.approx((steps * 113e-9, steps * 465e-9))
    busy = synaptic * 3.5e-9 + active * 8.4e-9 + idle * 5.3e-9 + waits * 2.1e-9
    latency = (busy + steps * 113e-9, busy + steps * 465e-9)
    assert cost.latency == pytest.approx(latency)
    static = lines["power of the chips"]
    assert static.time is None and static.count == 1
    assert static.energy == pytest.approx((0.104 * latency[0], 0.104 * latency[1]))
    energy = synaptic * 23.6e-12 + active * 81e-12 + idle * 52e-12 + sent * 1.7e-12
    assert cost.energy == pytest.approx((energy + 0.104 * latency[0], energy + 0.104 * latency[1]))


def test_numbers_that_one_can_check_by_eye() -> None:
    """One feature, one memory, ReLU: a period has two steps, and everything is sent at first."""
    plan = hw.compile(am.dense_am(np.array([[0.5]]), hidden=am.ReLU()))
    run = hw.run(plan, np.array([0.5]), steps=2)
    assert {name: int(n) for name, n in run.messages.items()} == {"visible": 1, "hidden": 1}
    cost = hw.estimate(hw.place(plan, "loihi1"), run)
    lines = lines_by_name(cost)
    assert [line.count for line in cost.lines] == [2, 2, 2, 2, 0, 0, 2, 1]
    assert lines["synaptic operations"].energy == pytest.approx((47.2e-12,) * 2)
    assert lines["active updates"].energy == pytest.approx((162e-12,) * 2)
    assert lines["idle updates"].energy == pytest.approx((104e-12,) * 2)
    assert lines["deliveries to cores"].energy == pytest.approx((3.4e-12,) * 2)
    assert cost.latency == pytest.approx((264.6e-9, 968.6e-9))  # 7 + 16.8 + 10.6 + 4.2 + 226, 930
    assert cost.by_part["static"][0] == pytest.approx((0.104 * 264.6e-9, 0.104 * 968.6e-9))


def busiest(work: Any) -> float:
    return float(np.max(work))


@pytest.mark.parametrize("hidden", [am.Softmax(0.5), am.ReLU()])
@pytest.mark.parametrize(("memory", "extra_steps"), [(60, 0), (40, 3), (26, 1)])
def test_many_cores_step_by_step(hidden: am.Lagrangian, memory: int, extra_steps: int) -> None:
    """Replay every step of a recorded run, message by message, and add up what it costs."""
    patterns = PATTERNS if isinstance(hidden, am.Softmax) else PATTERNS / 12
    plan = hw.compile(am.dense_am(patterns, hidden=hidden))
    chip = chip_of(memory, cores_per_router=1, cores=32)
    steps = 6 * plan.period + extra_steps
    softmax = plan.normaliser is not None
    names = ["visible_out", "hidden_out"] + ["normaliser_out"] * softmax
    run = hw.run(plan, patterns[0], steps=steps, record=names)
    placement = hw.place(plan, chip, run=run)
    assert placement.n_cores >= 4
    cost = hw.estimate(placement, run)

    n = placement.n_cores
    units = np.zeros((3, n), int)
    np.add.at(units[0], placement.visible, 1)
    np.add.at(units[1], placement.hidden, 1)
    if placement.normaliser is not None:
        units[2, placement.normaliser] = 1
    homes = [placement.visible, placement.hidden, np.array([placement.normaliser or 0])]
    energy = {"synaptic operations": 0.0, "neuron updates": 0.0, "mesh": 0.0}
    time = dict.fromkeys(energy, 0.0)
    for step in range(steps):
        phase = step % plan.period
        turn = 0 if phase == 0 else 1 if phase % 2 else 2
        price = np.where(np.arange(3)[:, None] == turn, ACTIVE[0], IDLE[0])
        energy["neuron updates"] += float((units * price).sum())
        price = np.where(np.arange(3)[:, None] == turn, ACTIVE[1], IDLE[1])
        time["neuron updates"] += busiest((units * price).sum(axis=0))
        sent = run.states(names[turn])[step]
        to = {0: 1, 1: 0 if phase == plan.period - 1 else 2, 2: 1}[turn]
        listeners = units[to]
        operations = np.zeros(n)
        longest = 0.0
        for unit in np.flatnonzero(sent):
            operations += listeners
            for core in np.flatnonzero(listeners):
                a, b = placement.routers[homes[turn][unit]], placement.routers[core]
                x, y = np.abs(a - b)
                energy["mesh"] += DELIVERY[0] + x * HOP_X[0] + y * HOP_Y[0]
        if sent.any():
            # The way that takes longest from any sender of this kind.
            for home in set(homes[turn].tolist()):
                for core in np.flatnonzero(listeners):
                    x, y = np.abs(placement.routers[home] - placement.routers[core])
                    longest = max(longest, DELIVERY[1] + x * HOP_X[1] + y * HOP_Y[1])
        time["mesh"] += longest
        energy["synaptic operations"] += operations.sum() * SYNAPSE[0]
        time["synaptic operations"] += operations.max() * SYNAPSE[1]
    for part in energy:
        found_energy, found_time = cost.by_part[part]
        assert found_energy == pytest.approx((energy[part] * 1e-12,) * 2)
        if part != "mesh":
            assert found_time == pytest.approx((time[part] * 1e-9,) * 2)
        else:  # whether a step has a message is not counted: at least one step a message
            assert found_time[0] >= time[part] * 1e-9 * (1 - 1e-12)
    chips = placement.n_chips
    assert cost.by_part["static"][0][1] == pytest.approx(chips * 0.104 * cost.latency[1])


def test_totals_are_the_sums_of_the_parts() -> None:
    plan = softmax_plan()
    cost = hw.estimate(hw.place(plan), hw.run(plan, CUES), prices="loihi1")
    assert set(cost.by_part) == set(PARTS) == {line.part for line in cost.lines}
    for end in (0, 1):
        assert cost.energy[end] == pytest.approx(sum(e[end] for e, _ in cost.by_part.values()))
        assert cost.latency[end] == pytest.approx(sum(t[end] for _, t in cost.by_part.values()))
    report = cost.report()
    assert "verified_on_hardware: false" in report and "Davies et al. 2018" in report
    assert not cost.verified_on_hardware and cost.assumed == ()


def test_more_steps_cost_more_and_cues_are_averaged() -> None:
    plan = softmax_plan()
    placement = hw.place(plan, "loihi1")
    each = [hw.estimate(placement, hw.run(plan, cue)).energy[1] for cue in CUES]
    assert hw.estimate(placement, hw.run(plan, CUES)).energy[1] == pytest.approx(np.mean(each))
    short = hw.estimate(placement, hw.run(plan, CUES, steps=plan.steps // 2))
    assert short.energy[1] < hw.estimate(placement, hw.run(plan, CUES)).energy[1]


def test_sparse_messages_save() -> None:
    network = am.dense_am(am.patterns.digits(100), hidden=am.Softmax(1.0))
    cues = am.patterns.corrupt(am.patterns.digits(100)[:4], flip=0.2, seed=1)
    table = hw.compare_costs(network, cues, chips=["loihi1"], quanta=(0.0, 0.01), cores=16)
    exact, sparse = table.rows
    assert exact.estimate is not None and sparse.estimate is not None
    assert sparse.messages < 0.8 * exact.messages
    for part in ("synaptic operations", "mesh"):
        full, saved = (row.estimate.by_part[part][0][0] for row in (exact, sparse))
        assert saved < 0.7 * full
    assert sparse.estimate.energy[0] < exact.estimate.energy[0]
    # And they recall the same.
    found, again = (row.run.final["visible"] for row in table.rows)
    assert np.abs(found - again).max() < 0.05


def test_the_table_names_what_is_missing() -> None:
    network = am.dense_am(PATTERNS, hidden=am.Softmax(0.5))
    tight = replace(hw.CHIPS["loihi2"].assuming(synapse_bytes_per_core=12), name="tight")
    table = hw.compare_costs(
        network, CUES, chips=["loihi1", "loihi2", tight], weight_bits=(8, 4), quanta=(0.0, 0.1)
    )
    assert len(table.rows) == 3 * 2 * 2
    priced, not_public, too_small = table.rows[:3]
    assert priced.estimate is not None and priced.note == ""
    assert not_public.placement is not None and not_public.estimate is None
    assert not_public.note == "prices not public"
    assert too_small.placement is None and "does not fit: a memory needs 13" in too_small.note
    # 4 bits need half of the memory: there they fit.
    assert [row.placement is not None for row in table.rows if row.chip == "tight"] == [
        *(False, False),
        *(True, True),
    ]
    text = str(table)
    assert text.count("prices not public") == 6 and "verified_on_hardware: false" in text
    everywhere = hw.compare_costs(network, CUES, chips=["loihi1", "loihi2"], prices="loihi1")
    assert all(row.estimate is not None for row in everywhere.rows)


def test_what_nobody_published_is_not_invented() -> None:
    plan = softmax_plan()
    run = hw.run(plan, CUES)
    placement = hw.place(plan)
    with pytest.raises(hw.NotPublicError, match=r"synapse_energy, .*static_power of loihi2"):
        hw.estimate(placement, run)
    missing = ("hop_x", "hop_y", "delivery", "synapse", "active_update", "idle_update")
    values = {f"{name}_{what}": 1.0 for name in missing for what in ("energy", "time")}
    with pytest.raises(hw.NotPublicError, match="published static_power of loihi2"):
        hw.estimate(placement, run, hw.CHIPS["loihi2"].assuming(**values))
    mine = hw.CHIPS["loihi2"].assuming(**values, static_power=(10.0, 20.0))
    cost = hw.estimate(placement, run, mine)
    assert set(cost.assumed) == {*values, "static_power"}
    assert "assumed, not published: " in cost.report()
    low, high = cost.by_part["static"][0]
    assert low == pytest.approx(0.01 * cost.latency[0])
    assert high == pytest.approx(0.02 * cost.latency[1])


def test_links_between_chips_have_no_published_price() -> None:
    plan = softmax_plan()
    run = hw.run(plan, CUES)
    chip = chip_of(26, cores=4, mesh_columns=2, mesh_rows=1, cores_per_router=2)
    placement = hw.place(plan, chip)
    assert placement.n_chips > 1
    with pytest.raises(
        hw.NotPublicError, match="crossing_energy, crossing_time of small"
    ) as caught:
        hw.estimate(placement, run)
    assert "take prices=" not in str(caught.value)  # no chip has them
    with pytest.raises(
        hw.NotPublicError, match="of loihi2: take prices='loihi1', or give your own"
    ):
        hw.estimate(hw.place(plan), run)
    cost = hw.estimate(placement, run, chip.assuming(crossing_energy=50.0, crossing_time=100.0))
    line = lines_by_name(cost)["hops between chips"]
    measured = hw.place(plan, chip, run=run)
    assert line.count > 0
    again = hw.estimate(measured, run, chip.assuming(crossing_energy=50.0, crossing_time=100.0))
    crossings = measured.links.crossings(measured.mesh)
    assert lines_by_name(again)["hops between chips"].count == pytest.approx(crossings)
    assert line.energy == pytest.approx((line.count * 50e-12,) * 2)
    free = hw.estimate(placement, run, chip.assuming(crossing_energy=0.0, crossing_time=0.0))
    assert free.energy[0] < cost.energy[0]
    assert lines_by_name(free)["power of the chips"].count == placement.n_chips


def test_more_cores_take_less_time() -> None:
    plan = hw.compile(am.dense_am(am.patterns.random(60, 64, seed=0)))
    run = hw.run(plan, am.patterns.random(2, 64, seed=1), steps=10 * plan.period)
    times = [
        hw.estimate(hw.place(plan, "loihi1", run=run, cores=cores), run).latency[0]
        for cores in (1, 4, 16, 64)
    ]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("price", [float("nan"), float("inf"), -1.0])
def test_prices_that_are_no_numbers(price: float) -> None:
    with pytest.raises(ValueError, match="value must be a finite number"):
        hw.CHIPS["loihi1"].assuming(static_power=price)
    with pytest.raises(ValueError, match="high must be a finite number"):
        hw.CHIPS["loihi1"].assuming(static_power=(1.0, float("nan")))


def test_wrong_arguments_are_named() -> None:
    plan = softmax_plan()
    run, placement = hw.run(plan, CUES, steps=20), hw.place(plan, "loihi1")
    with pytest.raises(
        TypeError, match=r"placement must be what hardware\.place returns, got Plan"
    ):
        hw.estimate(plan, run)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"run must be what hardware\.run returns, got ndarray"):
        hw.estimate(placement, CUES)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the run is one of another plan"):
        hw.estimate(placement, hw.run(softmax_plan(quantum=0.5), CUES, steps=20))
    with pytest.raises(ValueError, match="no chip 'loihi9'"):
        hw.estimate(placement, run, prices="loihi9")
    with pytest.raises(TypeError, match="chip must be a name"):
        hw.estimate(placement, run, prices=5.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="static_power must be one number or two"):
        hw.CHIPS["loihi1"].assuming(static_power=(1.0, 2.0, 3.0))  # type: ignore[arg-type]
    nothing = {name: count[:0] for name, count in run.trace.messages.items()}
    for trace in (replace(run.trace, messages=nothing), replace(run.trace, steps=0)):
        empty = replace(run, trace=trace, batch=(len(trace.messages["visible"]),))
        with pytest.raises(ValueError, match="the run is empty"):
            hw.estimate(placement, empty)
    uncounted = replace(run, trace=replace(run.trace, messages={}))
    with pytest.raises(ValueError, match="did not count messages of visible, hidden, rounds"):
        hw.estimate(placement, uncounted)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"chips": "loihi1"}, TypeError, "chips must be a list, got 'loihi1'"),
        ({"weight_bits": 8}, TypeError, "weight_bits must be a list, got 8"),
        ({"chips": ()}, ValueError, "chips is empty"),
        ({"quanta": []}, ValueError, "quanta is empty"),
    ],
)
def test_a_comparison_needs_lists(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    net = am.dense_am(am.patterns.random(3, 8, seed=0))
    with pytest.raises(error, match=message):
        hw.compare_costs(net, am.patterns.random(1, 8, seed=1), **options)
