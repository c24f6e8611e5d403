"""Places and costs of networks of any layers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import amsim as am
import hardware as hw
from hardware import chips
from hardware.graphs import turns
from hardware.placement import layers

RNG = np.random.default_rng(0)
PATTERNS = am.patterns.random(6, 16, seed=0) / 4
NET = am.models.analog_transformer(PATTERNS, 0.1 * RNG.standard_normal((5, 16)), beta=8.0)
PLAN = hw.compile(NET)
SIGNALS = turns.signals(PLAN)
RUN = hw.run(PLAN, PATTERNS[:2], steps=30 * PLAN.period, record=SIGNALS)


def _unit(name: str) -> str:
    return {"state_bits": "bits"}.get(name) or next(
        word for word in ("neurons", "axons", "bytes") if word in name
    )


def small_chip(**limits: int) -> hw.Chip:
    """Loihi 2 with other limits of a core."""
    given = {
        name: hw.Limit(value, _unit(name), "test", "assumed") for name, value in limits.items()
    }
    return replace(chips.LOIHI2, limits=dict(chips.LOIHI2.limits) | given)


def test_what_fits_into_one_core_is_put_there() -> None:
    placement = hw.place(PLAN)
    assert (placement.n_cores, placement.n_chips, placement.cut) == (1, 1, 0.0)
    (held,) = placement.held
    assert dict(held.units) == {"visible": 16, "attention": 6, "memories": 5}
    assert held.normalisers == ("attention",)
    needed = {use.name: use.needed for use in placement.use(0)}
    # 16 hear 11, 6 and 5 hear 16, 6 one normaliser, which hears 6: at 8 bits a byte each.
    assert needed["synaptic bytes"] == 16 * 11 + 11 * 16 + 6 + 6
    # 11 units are heard by the features, 16 by both, c by 6 units, and e by the normaliser.
    assert needed["axons in"] == 11 + 16 + 1 + 6
    assert needed["axons out"] == 27 + 6 + 1
    assert needed["neurons"] == 28
    # x, sent, bias, a sum for each projection; a and c of the softmax; the leak; c.
    bits = 16 * (5 * 24 + 12) + 6 * (6 * 24 + 12) + 5 * (4 * 24 + 12) + 24
    assert needed["state bytes"] == -(-bits // 8)
    assert "verified_on_hardware: false" in placement.report()


@pytest.mark.parametrize(
    "limits",
    [
        {"neurons_per_core": 7},
        {"synapse_bytes_per_core": 100},
        {"axons_in_per_core": 28},
        {"axons_out_per_core": 40},
        {"state_bytes_per_core": 90},
    ],
)
def test_every_core_keeps_to_its_limits(limits: dict[str, int]) -> None:
    chip = small_chip(**limits)
    placement = hw.place(PLAN, chip)
    assert placement.n_cores > 1
    for core in range(placement.n_cores):
        for use in placement.use(core):
            assert use.fits, use
    total: Counter[str] = sum((Counter(held.units) for held in placement.held), Counter())
    assert total == {"visible": 16, "attention": 6, "memories": 5}
    assert [name for held in placement.held for name in held.normalisers] == ["attention"]
    for name, cores in placement.cores.items():
        assert len(cores) == PLAN.layers[name].size


def test_what_no_core_holds_is_refused() -> None:
    with pytest.raises(hw.LimitError, match=r"a unit of \w+ needs \d+ synaptic bytes, a core"):
        hw.place(PLAN, small_chip(synapse_bytes_per_core=10))


def brute_flows(placement: hw.GraphPlacement) -> Any:
    """Messages from core to core, unit by unit and message by message."""
    plan, cores = placement.plan, placement.cores
    flows = np.zeros((placement.n_cores, placement.n_cores))
    home = {name: core for core, held in enumerate(placement.held) for name in held.normalisers}
    for kind, counts in placement.counts.items():
        name, _, part = kind.partition(".")
        for unit, count in enumerate(counts):
            if part == "normaliser":
                source, targets = home[name], set(cores[name])
            elif part == "rounds":
                source, targets = cores[name][unit], {home[name]}
            else:
                heard = [x.target for x in plan.projections if x.source == name]
                source, targets = cores[name][unit], {c for x in heard for c in cores[x]}
            for target in targets:
                flows[source, target] += count
    return flows


@pytest.mark.parametrize("run", [None, RUN], ids=["dense", "run"])
def test_flows_are_those_of_single_messages(run: hw.Result | None) -> None:
    placement = hw.place(PLAN, small_chip(neurons_per_core=7), run=run)
    np.testing.assert_allclose(placement.flows, brute_flows(placement), rtol=1e-12)


def test_counts_are_those_of_the_run() -> None:
    counts = layers.counts_of(PLAN, RUN)
    for kind, count in counts.items():
        assert count.sum() == pytest.approx(RUN.messages[kind].mean())
    evenly = layers.counts_of(PLAN, hw.run(PLAN, PATTERNS[:2], steps=RUN.steps))
    for kind, count in evenly.items():
        assert count.sum() == pytest.approx(counts[kind].sum())


def test_an_estimate_counts_operations_and_updates() -> None:
    """On one core all happens one after the other; sums over all messages and steps."""
    placement = hw.place(PLAN)
    cost = hw.estimate(placement, RUN, prices="loihi1")
    lines = {line.name: line for line in cost.lines}
    sent = {kind: float(count.mean()) for kind, count in RUN.messages.items()}
    operations = (
        sent["visible"] * 11 + (sent["attention"] + sent["memories"]) * 16
        + sent["attention.rounds"] + sent["attention.normaliser"] * 6
    )  # fmt: skip
    assert lines["synaptic operations"].count == pytest.approx(operations)
    assert lines["synaptic operations"].in_a_row == pytest.approx(operations)
    rounds = PLAN.layers["attention"].normaliser.rounds  # type: ignore[union-attr]
    active = 30 * (16 + 5 + 6 * (rounds + 1) + rounds)
    assert lines["active updates"].count == active
    assert lines["active updates"].count + lines["idle updates"].count == RUN.steps * 28
    assert lines["barriers"].count == RUN.steps
    assert cost.energy[0] > 0
    with pytest.raises(hw.NotPublicError):
        hw.estimate(placement, RUN)


def test_more_cores_can_be_asked_for() -> None:
    placement = hw.place(PLAN, cores=9)
    assert placement.n_cores == 9
    assert (
        hw.estimate(placement, RUN, "loihi1").latency
        < hw.estimate(hw.place(PLAN, cores=3), RUN, "loihi1").latency
    )
    with pytest.raises(
        hw.LimitError, match=r"cores=28 cannot be filled: 1, and from 3 to at most 27"
    ):
        hw.place(PLAN, cores=28)


def test_runs_of_other_plans_are_refused() -> None:
    other = hw.compile(NET, dt=0.1)
    with pytest.raises(ValueError, match="one of another plan"):
        hw.place(other, run=RUN)
    with pytest.raises(ValueError, match="one of another plan"):
        hw.estimate(hw.place(other), RUN, "loihi1")


def test_a_plan_is_compared_with_the_limits_of_a_chip() -> None:
    checks = {check.name: check for check in hw.validate(PLAN).checks}
    assert checks["units of a chip"].needed == 28
    assert checks["synaptic bytes of a chip"].needed == 2 * 16 * 11
    assert all(check.fits is not False for check in checks.values())
    with pytest.raises(hw.LimitError, match="state bits: 24 needed"):
        hw.validate(PLAN, small_chip(state_bits=16))


def test_costs_of_several_plans() -> None:
    table = hw.compare_costs(
        NET, PATTERNS[:1], chips=("loihi2",), weight_bits=(4, 8), quanta=(0.0,), prices="loihi1"
    )
    assert [row.weight_bits for row in table.rows] == [4, 8]
    assert all(row.estimate is not None for row in table.rows)


def test_graph_figure_and_report_say_the_same() -> None:
    placement = hw.place(PLAN, small_chip(synapse_bytes_per_core=100), run=RUN)
    graph = placement.to_networkx()
    assert [node["units"] for _, node in graph.nodes(data=True)] == [
        dict(held.units) for held in placement.held
    ]
    assert sum(x["messages"] for *_, x in graph.edges(data=True)) == pytest.approx(placement.cut)
    report = placement.report()
    assert f"{placement.links.hottest:,.0f}" in report
    assert "16 visible, 6 attention, 5 memories" in report
    axes = placement.plot().axes[0]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels[:3] == ["visible", "attention", "memories"]
    assert "with a normaliser" in labels
