"""A recall on a chip: ages of messages against runs over links, and verdicts against executions."""

from __future__ import annotations

import importlib.util
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import amsim as am
from amsim.dynamics.events.fabric.ages import ages

QUANTA = {"visible": 0.02, "hidden": 1e-3}
SLOTS = 10_000
pytestmark = pytest.mark.filterwarnings("ignore::amsim.GuaranteeWarning")


def memory(count: int = 10, size: int = 32) -> tuple[Any, Any, Any]:
    patterns = am.patterns.random(count, size, seed=0)
    return am.dense_am(patterns), patterns, am.patterns.corrupt(patterns[0], flip=0.2, seed=1)


# Ages


def random_fabric(rng: np.random.Generator) -> am.Fabric:
    """Links of any order and depth; all units of a layer in two groups."""

    def link() -> am.Link:
        full: Any = rng.choice(["wait", "coalesce", "free"])
        latency = float(rng.choice([0.0, 0.02]))
        if full == "free":
            return am.Link(latency=latency)
        places = int(rng.choice([1, 3, 16])) if full == "wait" else SLOTS
        per: Any = rng.choice(["message", "listener"])
        return am.Link(float(rng.uniform(100, 2000)), latency, places, full, per=per)

    route: Any = rng.choice(["bus", "tree", "mesh"])
    out = am.Link(float(rng.uniform(100, 2000)), 0.0, int(rng.choice([1, 16])))
    groups = {"visible": np.arange(16) % 2, "hidden": 2 + np.arange(6) % 2}
    return am.Fabric(groups, out, link(), link(), route, multicast=bool(rng.random() < 0.5))


def test_no_news_is_older_than_the_bound() -> None:
    patterns = am.patterns.random(6, 16, seed=0)
    net = am.dense_am(patterns, visible=am.Tanh(2.0), hidden=am.Tanh(0.3), tau_hidden=0.5)
    rng, ratios = np.random.default_rng(0), []
    for _ in range(8):
        timing = am.Timing(delay=float(rng.choice([0.0, 0.01])), fabric=random_fabric(rng))
        solver = am.EventDriven(0.05, timing)
        found = ages(net, solver)
        assert found.assumed == () and np.isfinite(found.most)
        cue = am.patterns.corrupt(patterns[0], flip=0.25, seed=1)
        run = am.simulate(net, cue, solver=solver, times=[2.0], until=None)
        assert run.stats["staleness"] <= found.most
        ratios.append(float(run.stats["staleness"]) / found.most)
    assert max(ratios) > 0.25  # the bound is no wild one


def crowd(link: am.Link, units: int = 20) -> tuple[am.Network, am.EventDriven]:
    """Units that reach their level at one time, once, on a bus."""
    net = am.Network(
        {"senders": am.Layer(units, am.Identity()), "sink": am.Layer(1, am.Identity())},
        [am.Directed(np.ones((1, units)), source="senders", target="sink")],
    )
    return net, am.EventDriven(0.75, am.Timing(fabric=am.Fabric(hop=link)))


@pytest.mark.parametrize(
    ("link", "factor"),
    [
        (am.Link(10.0, 0.3, SLOTS, "coalesce"), 21 / 20),  # one may be in service
        (am.Link(10.0, 0.3, 1), 21 / 20),  # 20 may stand in line
        (am.Link(10.0, 0.3, 4), 24 / 20),
    ],
)
def test_a_crowd_at_a_link(link: am.Link, factor: float) -> None:
    """The last of n is there after n services, which with places of its own the bound is near."""
    net, solver = crowd(link)
    start = {"senders": np.ones(20), "sink": np.zeros(1)}
    run = am.simulate(net, start, solver=solver, times=[6.0], until=None)
    found, last = ages(net, solver).most, 20 / 10.0 + 0.3
    assert found == pytest.approx(20 / 10.0 * factor + 0.3, rel=1e-6)
    assert last <= found
    if link.on_full == "coalesce":  # what waits for a place was not sent yet
        assert run.stats["staleness"] == pytest.approx(last)
    assert run.stats["staleness"] <= last * (1 + 1e-9)


def test_links_that_drop_and_queues_without_end_need_a_slot_for_each_unit() -> None:
    for link in (am.Link(10.0), am.Link(10.0, fifo=3, on_full="drop"),
                 am.Link(10.0, fifo=20, on_full="coalesce")):  # fmt: skip
        found = ages(*crowd(link))
        assert found.most == pytest.approx(21 / 10, rel=1e-6)
        assert len(found.assumed) == 1 and "one slot per unit" in found.assumed[0]
    enough = ages(*crowd(am.Link(10.0, fifo=21, on_full="coalesce")))
    assert enough.assumed == () and enough.most == pytest.approx(21 / 10, rel=1e-6)


def test_times_of_service_without_a_bound() -> None:
    found = ages(*crowd(am.Link(10.0, fifo=4, spread=0.5)))
    assert found.most == np.inf and "spread > 0" in found.assumed[0]


# Verdicts


@pytest.fixture(scope="module")
def attacks() -> Any:
    """benchmarks/on_chip.py, which imports benchmarks/tubes.py by its name."""
    folder, found = Path(__file__).parents[2] / "benchmarks", dict[str, Any]()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("tubes", "on_chip"):
            spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
            assert spec is not None and spec.loader is not None
            found[name] = importlib.util.module_from_spec(spec)
            patch.setitem(sys.modules, name, found[name])
            spec.loader.exec_module(found[name])
    return found["on_chip"]


@pytest.mark.parametrize("seed", [1000, 1001, 1002, 1003])
def test_hostile_executions_keep_the_margin_of_a_proof(attacks: Any, seed: int) -> None:
    """Random networks on random fabrics; the command draws some hundred of them."""
    told = attacks.attacks(seed, executions=10)
    assert told["left"] == told["runs left"] == 0


@pytest.fixture(scope="module")
def loihi() -> am.ChipRecall:
    net, patterns, cue = memory()
    fabric = am.Fabric.chip("loihi1", tau=1e-4)
    return am.recall_on_chip(net, [cue, -cue], patterns[0], fabric, quantum=QUANTA)


def test_proven_and_refuted(loihi: am.ChipRecall) -> None:
    assert loihi.verdicts.tolist() == ["proven", "refuted"]
    assert loihi.scope == "broadcast" and 0.01 < loihi.staleness < 0.1
    assert 1.3 < loihi.time[0] < 1.6 and np.isinf(loihi.time[1])
    assert np.isnan(loihi.off[0]) and loihi.off[1] == pytest.approx(2, abs=0.1)
    assert loihi.attacks == {} and "1 proven, 1 refuted, 0 open" in str(loihi)
    again = pickle.loads(pickle.dumps(loihi))
    assert again.message == loihi.message and "ChipRecall" in again._repr_html_()


def test_runs_over_the_links_keep_to_the_margin(loihi: am.ChipRecall) -> None:
    net, patterns, cue = memory()
    solver = am.EventDriven(QUANTA, am.Timing(fabric=am.Fabric.chip("loihi1", tau=1e-4)))
    times = loihi.time[0] + np.linspace(0, 5, 60)
    run = am.simulate(net, cue, solver=solver, times=times, until=None)
    assert run.stats["staleness"] <= loihi.staleness
    assert np.abs(run["visible"] - patterns[0]).max() <= 0.5


def test_mismatch_and_bits() -> None:
    net, patterns, cue = memory()
    given: Any = (cue, patterns[0], am.Fabric.chip("loihi1", tau=1e-4))
    mismatch = am.Mismatch(weights=0.1, bias=0.02, tau=0.1)
    found = am.recall_on_chip(net, *given, quantum=QUANTA, bits=12, mismatch=mismatch, seed=3)
    assert found.verdicts == "proven" and found.scope == "link"  # tau differ within the softmax
    assert "seed 3" in found.message and "12 fraction bits" in found.message
    chip = mismatch.of(net, 3)
    times = found.time + np.linspace(0, 5, 40)
    run = am.simulate(chip, cue, times=times, until=None)
    assert np.abs(run["visible"] - patterns[0]).max() <= 0.5
    coarse = am.recall_on_chip(net, *given, quantum=QUANTA, bits=1, attack=False)
    assert coarse.verdicts == "open" and np.isinf(coarse.time)


def test_delays_within_the_age_refute() -> None:
    """Recalled over the links as they are, but not with every delay that they may have."""
    digits = am.patterns.digits(30, seed=0)
    net = am.dense_am(digits, hidden=am.Softmax(0.5))
    cue = am.patterns.corrupt(digits[0], flip=0.25, seed=0)
    groups = {"visible": 0, "hidden": np.arange(30) % 2}
    fabric = am.Fabric(groups, hop=am.Link(latency=1.0))
    found = am.recall_on_chip(net, cue, digits[0], fabric, quantum=0.01)
    assert found.verdicts == "refuted" and found.scope == "link" and list(found.attacks) == [0]
    assert max(x.max() for x in found.attacks[0].delay.values()) <= found.staleness
    assert np.abs(found.attacks[0].end["visible"] - digits[0]).max() == found.off > 0.5


def test_a_verdict_over_links_that_drop_says_what_it_needs() -> None:
    net, patterns, cue = memory()
    fabric = am.Fabric(hop=am.Link(1e4, fifo=8, on_full="drop"))
    found = am.recall_on_chip(net, cue, patterns[0], fabric, quantum=QUANTA, attack=False)
    assert found.verdicts == f"proven if no news is older than {found.staleness:.3g} tau"
    assert found.proven and "1 proven if no news is older" in repr(found) and found.message


def test_what_has_no_bound_is_open() -> None:
    net, patterns, cue = memory()
    fabric = am.Fabric(hop=am.Link(1e4, spread=1.0))
    found = am.recall_on_chip(net, cue, patterns[0], fabric, quantum=0.02)
    assert found.verdicts == "open" and found.staleness == np.inf
    assert "no bound" in found.message


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ({"fabric": "loihi1"}, TypeError, "Fabric.chip"),
        ({"cue": None}, TypeError, "cue is None"),
        ({"margin": 0.0}, ValueError, "margin"),
        ({"bits": 1.5}, TypeError, "bits"),
        ({"delay": -1.0}, ValueError, "delay"),
        ({"mismatch": 0.1}, TypeError, "Mismatch"),
        ({"quantum": {"nobody": 0.1}}, ValueError, "nobody"),
        ({"attack": 1}, TypeError, "attack"),
    ],
)
def test_bad_arguments(wrong: Any, error: type[Exception], words: str) -> None:
    net, patterns, cue = memory(4, 8)
    given = {"cue": cue, "target": patterns[0], "fabric": am.Fabric(), **wrong}
    with pytest.raises(error, match=words):
        am.recall_on_chip(net, **given)
