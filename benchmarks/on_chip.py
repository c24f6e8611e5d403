"""Recalled and proven on three chips, over how much is stored and how much is damaged.

    python benchmarks/on_chip.py [--tau 2e-4] [--cues 12] [--figure docs/on_chip.png]
    python benchmarks/on_chip.py --attacks 200 [--seed 0]

Random patterns of 64 units, beta = 1: 64 features on four cores (or chips), memories on two more.
"Recalled" is the share of cues that an event-driven run over the links of the chip, as they are,
takes to within 0.5 of the stored pattern; "proven" is what `am.recall_on_chip` proves for every
execution. It is asserted that nothing is proven that is not recalled.

With `--attacks` networks, fabrics, quanta, rounding, noise, drift and mismatch are drawn, and what
is proven is attacked: by executions whose links deliver what hurts most within the age that the
fabric allows, and by event-driven runs over the fabric. None may leave the margin after its time.
"""

from __future__ import annotations

import argparse
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import tubes

import amsim as am
from amsim.stability.certification_problem import CertificationProblem
from amsim.stability.tubes import Executions

CHIPS = ("loihi1", "spinnaker1", "brainscales2")
MEMORIES = (5, 10, 20, 40, 80, 120)
FLIPPED = (4, 8, 12, 16, 18, 20, 22, 24)
QUANTA = {"visible": 0.05, "hidden": 1e-3}
MARGIN, UNITS = 0.5, 64


def cell(chip: str, tau: float, memories: int, flipped: int, cues: int) -> dict[str, Any]:
    """Shares recalled and proven at one load and damage, the age of messages and the losses."""
    stored = am.patterns.random(memories, UNITS, seed=0)
    net = am.dense_am(stored, hidden=am.Softmax(1.0))
    targets = stored[np.arange(cues) % memories]
    damaged = np.array(
        [am.patterns.corrupt(x, flip=flipped / UNITS, seed=i) for i, x in enumerate(targets)]
    )
    groups = {"visible": np.arange(UNITS) // 16, "hidden": 4 + 2 * np.arange(memories) // memories}
    fabric = am.Fabric.chip(chip, tau=tau, groups=groups)
    found = am.recall_on_chip(
        net, damaged, targets, fabric, quantum=QUANTA, margin=MARGIN, attack=False
    )
    timing = am.Timing(fabric=fabric, scope=found.scope)
    run = am.simulate(net, damaged, solver=am.EventDriven(QUANTA, timing), t1=40.0)
    recalled = np.abs(run.final["visible"] - targets).max(axis=1) <= MARGIN
    proven = found.proven
    assert not (proven & ~recalled).any(), "a recall is proven that fails on the links as they are"
    return {
        "recalled": recalled.mean(),
        "proven": proven.mean(),
        "age": found.staleness,
        "dropped": sum(int(n.sum()) for n in run.stats["link_dropped"].values()),
        "assumed": len([x for x in found.assumptions if "one slot" in x]),
    }


def draw(shares: dict[str, Any], ages: dict[str, list[float]], tau: float, path: Path) -> None:
    """A panel for each chip: the share proven in each cell, and whether it is recalled."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    colors = {"proven": "#0072B2", "recalled": "#9CCCE8", "neither": "#E8E8E8"}
    figure = Figure(figsize=(11.5, 4.9), layout="constrained")
    axes = figure.subplots(1, len(CHIPS), sharey=True)
    for ax, chip in zip(axes, CHIPS, strict=True):
        for x in range(len(MEMORIES)):
            for y in range(len(FLIPPED)):
                one = shares[chip][x][y]
                kind = "neither"
                if one["recalled"] >= 0.9:
                    kind = "proven" if one["proven"] >= 0.9 else "recalled"
                ax.fill([x - 0.5, x + 0.5, x + 0.5, x - 0.5], [y - 0.5, y - 0.5, y + 0.5, y + 0.5],
                        color=colors[kind], ec="white", lw=1)  # fmt: skip
                ink = "white" if kind == "proven" else "black"
                text = f"{100 * one['proven']:.0f} / {100 * one['recalled']:.0f}"
                ax.text(x, y, text, ha="center", va="center", fontsize=7.5, color=ink)
        labels = [f"{n}\n{age:.2g}" for n, age in zip(MEMORIES, ages[chip], strict=True)]
        ax.set_xticks(range(len(MEMORIES)), labels)
        ax.set_yticks(range(len(FLIPPED)), [f"{100 * f / UNITS:.0f}" for f in FLIPPED])
        assumed = shares[chip][0][0]["assumed"]
        ax.set_title(chip + (" (one slot per unit assumed)" if assumed else ""), fontsize=10)
        ax.set_xlabel("stored memories\nlargest age of messages (τ)")
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0)
    axes[0].set_ylabel("flipped units of the cue (%)")
    handles = [
        Patch(color=colors["proven"], label="at least 90 % proven, whatever the timing"),
        Patch(color=colors["recalled"], label="at least 90 % recalled over the links as they are"),
        Patch(color=colors["neither"], label="fewer"),
    ]
    figure.suptitle(
        f"64 features, τ = {1e3 * tau:g} ms: % of cues proven / recalled on three chips",
        fontsize=11,
    )
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    figure.savefig(path, dpi=130)


def random_fabric(rng: np.random.Generator, groups: dict[str, Any]) -> am.Fabric:
    """Links of a published chip, or of any order and depth."""
    if rng.random() < 0.4:
        tau = 10 ** rng.uniform(-4.5, -3)
        return am.Fabric.chip(str(rng.choice(CHIPS)), tau=tau, groups=groups)

    def link() -> am.Link:
        full: Any = rng.choice(["wait", "coalesce", "drop"])
        places = int(rng.choice([1, 3, 16])) if full == "wait" else int(rng.choice([16, 10_000]))
        per: Any = rng.choice(["message", "listener"])
        latency = float(rng.choice([0.0, 0.02]))
        return am.Link(10 ** rng.uniform(2.5, 4), latency, places, full, per=per)

    route: Any = rng.choice(["bus", "tree", "mesh"])
    return am.Fabric(groups, link(), link(), link(), route, multicast=bool(rng.random() < 0.5))


def random_recall(rng: np.random.Generator) -> tuple[am.Network, Any, Any]:
    """A network, a cue and the rest of its recall: a memory, or any network with delays."""
    if rng.random() < 0.6:
        stored = am.patterns.random(int(rng.integers(3, 12)), 24, seed=rng)
        visible = am.Identity() if rng.random() < 0.7 else am.Tanh(3.0)
        hidden = am.Softmax(float(rng.uniform(0.5, 2.0)))
        net = am.dense_am(stored, visible=visible, hidden=hidden, tau_hidden=0.2)
        cue: Any = am.patterns.corrupt(stored[0], flip=float(rng.uniform(0, 0.3)), seed=rng)
    else:
        net = tubes.random_network(rng, "link")
        cue = {n: rng.normal(size=x.size) for n, x in net.layers.items()}
    return net, cue, am.simulate(net, cue, t1=60.0).final


def attacks(seed: int, executions: int = 20) -> Counter[str]:
    """What became of one random recall on a random fabric."""
    rng = np.random.default_rng(seed)
    net, cue, rest = random_recall(rng)
    groups = {n: 2 * i + np.arange(x.size) % 2 for i, (n, x) in enumerate(net.layers.items())}
    if rng.random() < 0.5:
        groups = {n: group[0] for n, group in groups.items()}
    fabric = random_fabric(rng, groups)
    quantum = {n: float(rng.choice([1e-3, 0.01])) for n in net.layers}
    drift, noise = float(rng.choice([0.0, 0.1])), float(rng.choice([0.0, 0.01]))
    bits = None if rng.random() < 0.5 else int(rng.integers(8, 14))
    mismatch = None if rng.random() < 0.7 else am.Mismatch(weights=0.02, tau=0.1)
    margin = float(rng.uniform(0.2, 0.8))
    visible = next(iter(net.layers)) if "visible" not in net.layers else "visible"
    try:
        found = am.recall_on_chip(
            net, cue, rest, fabric, quantum=quantum, margin=margin, bits=bits, noise=noise,
            drift=drift, mismatch=mismatch, seed=seed, attack=False,
        )  # fmt: skip
    except ValueError:
        return Counter(refused=1)
    if not found.proven:
        return Counter(open=1)
    chip = net if mismatch is None else mismatch.of(net, seed)
    unit = 0.0 if bits is None else 0.5**bits
    class_ = Executions(
        found.staleness, drift, {n: q + unit / 2 for n, q in quantum.items()},
        dict.fromkeys(net.layers, noise),
    )  # fmt: skip
    starts = CertificationProblem.of(chip, cue, rest, "link", every=True).start
    state = {n: np.repeat((lo + hi) / 2, executions, 0) for n, (lo, hi) in starts.items()}
    step = found.staleness / max(1, min(6, int(found.staleness * 50)))
    adversary = tubes.Adversary(chip, found.scope, class_, step, state, rng)
    slowest = max(float(x.tau.max()) / x.leak for x in net.layers.values())
    left, moment = np.zeros(executions, bool), 0
    while moment * step < float(found.time) + 3 * slowest:
        adversary.go_on()
        moment += 1
        if moment * step >= found.time:
            off = np.abs(adversary.state[visible] - rest[visible]).max(axis=1)
            left |= off > margin * (1 + 1e-9)
    told = Counter(proven=1, executions=executions, left=int(left.sum()))
    told["on an assumption"] = int(str(found.verdicts) != "proven")
    solver = am.EventDriven(quantum, am.Timing(fabric=fabric, scope=found.scope))
    times = float(found.time) + np.linspace(0, 3 * slowest, 30)
    run = am.simulate(chip, cue, solver=solver, times=times, until=None)
    kept = float(run.stats["staleness"]) <= found.staleness
    told["runs"], told["runs with older news"] = int(kept), int(not kept)
    if kept:
        told["runs left"] = int(np.abs(run[visible] - rest[visible]).max() > margin)
    elif not told["on an assumption"]:
        told["runs left"] = 1
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--tau", type=float, default=2e-4, help="seconds")
    parser.add_argument("--cues", type=int, default=12)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--attacks", type=int, help="how many random recalls to attack")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.attacks:
        total: Counter[str] = Counter()
        for seed in range(options.seed, options.seed + options.attacks):
            found = attacks(seed)
            total.update(found)
            if found["left"] or found["runs left"]:
                print(f"seed {seed}: {dict(found)}", flush=True)
            if (seed - options.seed) % 50 == 49:
                print(", ".join(f"{n} {what}" for what, n in total.items()), flush=True)
        print(", ".join(f"{n} {what}" for what, n in total.items()))
        return
    shares: dict[str, Any] = {}
    ages: dict[str, list[float]] = {}
    print("chip, memories: age; proven / recalled in % at flipped units", *FLIPPED, "; dropped")
    for chip in CHIPS:
        shares[chip] = []
        for memories in MEMORIES:
            row = [cell(chip, options.tau, memories, f, options.cues) for f in FLIPPED]
            shares[chip].append(row)
            told = "  ".join(f"{100 * x['proven']:.0f}/{100 * x['recalled']:.0f}" for x in row)
            lost = sum(x["dropped"] for x in row)
            print(f"{chip:13} {memories:4d}: {row[0]['age']:.3g} tau; {told}; {lost}", flush=True)
        ages[chip] = [row[0]["age"] for row in shares[chip]]
    if options.figure is not None:
        draw(shares, ages, options.tau, options.figure)


if __name__ == "__main__":
    main()
