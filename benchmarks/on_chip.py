"""Recalled and proven on three chips, over how much is stored and how much is damaged.

    python benchmarks/on_chip.py [--tau 2e-4] [--cues 12] [--figure docs/on_chip.png]

Random patterns of 64 units, beta = 1: 64 features on four cores (or chips), memories on two more.
"Recalled" is the share of cues that an event-driven run over the links of the chip, as they are,
takes to within 0.5 of the stored pattern; "proven" is what `am.recall_on_chip` proves for every
execution. It is asserted that nothing is proven that is not recalled.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import amsim as am

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
    proven = found.verdicts == "proven"
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


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--tau", type=float, default=2e-4, help="seconds")
    parser.add_argument("--cues", type=int, default=12)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
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
