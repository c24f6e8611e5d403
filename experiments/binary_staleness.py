"""What units that read old states do to a memory of two-state units.

Units are checked one at a time and read what the others were a number of checks before
(`amsim.binary`, F(x) = relu(x)^n / n). Two rules: the sign of the difference of energies, and the
gradient rule with self terms.

Predictions (docs/binary.md):

- With current reads no flip raises the energy: the difference rule compares energies, and for the
  gradient rule F lies above its tangent, F being convex.
- With stale reads some flips do, more so under the difference rule, and recalls take longer, while
  what is recalled hardly changes. This was seen, not proven.
- Inside the basin a recall takes as many flips as the cue has wrong units: its Hamming distance.

The second one needs an exception, which `judge` measures: at the edge of the basin the difference
rule recalls more cues with stale reads than with current ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from .runner.experiment import NOT_NEGATIVE, SHARE, Claim, Experiment, Quantity
from .runner.tolerance import Mean, judged

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

_INSIDE = 0.2  # flipped share up to which every cue is well inside the basin


def measure(
    *,
    seed: np.random.SeedSequence,
    rule: str,
    flipped: int,
    staleness: int,
    power: int,
    units: int,
    memories: int,
    cues: int,
    max_sweeps: int,
) -> Mapping[str, float]:
    """Recall damaged copies of the first memories."""
    import amsim as am
    from amsim import binary

    draw, damage, order = (int(word) for word in seed.generate_state(3))
    stored = am.patterns.random(memories, units, draw)
    memory = binary.BinaryMemory(
        stored, separation=binary.Power(power, rectified=True), self_terms=rule == "gradient"
    )
    right = stored[:cues]
    starts = am.patterns.corrupt(right, flip=flipped / units, seed=damage)
    recall = memory.recall(
        starts, rule=rule, staleness=staleness, max_sweeps=max_sweeps, seed=order, record=True
    )
    energy, flip = recall.energy, recall.events
    before, after = energy[flip.check, flip.cue], energy[flip.check + 1, flip.cue]
    recalled = (recall.final == right).all(axis=1)
    # Less is rounding of the sums.
    raised = after - before > 1e-12 * np.abs(energy).max()
    return {
        "raising": raised.mean() if raised.size else 0.0,
        "recalled": recalled.mean(),
        "flips_per_error": recall.flips[recalled].mean() / flipped if recalled.any() else np.nan,
        "checks": recall.checks.mean() / units,
        "settled": float(np.mean(recall.statuses == "settled")),
    }


def draw(data: xr.Dataset) -> Figure:
    """Flips that raise the energy, recalled cues, and flips for each wrong unit."""
    from amsim.gallery.style import BLUE, GREEN, ORANGE, PURPLE, RED, SKY, label, panels

    colors = (BLUE, ORANGE, GREEN, PURPLE, RED, SKY)  # and again, if there are more
    styles = {"difference": ("o-", "difference rule"), "gradient": ("s--", "gradient rule")}
    figure, axes = panels(1, 3, 3.6)
    mean = data.mean("repeat", keep_attrs=True)
    percent = 100 * data.flipped / data.attrs["units"]
    sweeps = data.staleness / data.attrs["units"]
    for rule in data.rule.values:
        part, (style, _) = mean.sel(rule=rule), styles[rule]
        for color, flipped in zip(cycle(colors), data.flipped.values, strict=False):
            share = 100 * part.raising.sel(flipped=flipped)
            axes[0, 0].plot(sweeps, share, style, color=color, ms=3.5)
        for color, staleness in zip(cycle(colors), data.staleness.values, strict=False):
            late = part.sel(staleness=staleness)
            axes[0, 1].plot(percent, 100 * late.recalled, style, color=color, ms=3.5)
            axes[0, 2].plot(percent, late.flips_per_error, style, color=color, ms=3.5)
    for color, share in zip(cycle(colors), percent.values, strict=False):
        axes[0, 0].plot([], [], color=color, label=f"{share:.0f} % flipped")
    for color, late in zip(cycle(colors), sweeps.values, strict=False):
        axes[0, 1].plot([], [], color=color, label=f"{late:g} sweeps late")
    for rule in data.rule.values:
        axes[0, 2].plot([], [], styles[rule][0], color="k", ms=3.5, label=styles[rule][1])
    axes[0, 2].axhline(1, color="k", ls=":", lw=1)
    for ax in axes[0]:
        ax.legend(fontsize=7.5)
    axes[0, 0].set_ylim(top=1.4 * axes[0, 0].get_ylim()[1])
    axes[0, 1].set_ylim(0, 105)
    label(axes[0, 0], "staleness (sweeps)", "flips (%)", "flips that raise the energy")
    label(axes[0, 1], "flipped units of the cue (%)", "cues (%)", "recalled exactly")
    label(
        axes[0, 2], "flipped units of the cue (%)", "flips / wrong units", "cost of exact recalls"
    )
    return figure


def judge(data: xr.Dataset) -> Sequence[Claim]:
    """Energy, recall and cost with current and with stale reads."""
    current = data.sel(staleness=0) if 0 in data.staleness else None
    claims: list[Claim | Mean] = []
    if current is not None:
        for rule in data.rule.values:
            share = float(current.raising.sel(rule=rule).max())
            text = f"{rule} rule, current reads: flips that raise the energy, share"
            claims.append(Claim(text, share, 0.0, share == 0))
    raising = data.raising.mean("flipped")
    for rule in data.rule.values:
        if data.sizes["staleness"] > 1:
            steps = raising.sel(rule=rule).diff("staleness").min("staleness")
            text = f"{rule} rule: least growth of that share with the staleness, above"
            claims.append(Mean(text, steps, 0.0, side="above"))
    latest = raising.isel(staleness=-1)
    if data.sizes["rule"] == 2:
        more = latest.sel(rule="difference") - latest.sel(rule="gradient")
        text = "that share, difference less gradient rule, above"
        claims.append(Mean(text, more, 0.0, side="above"))
    if current is not None:
        claims += _recall_claims(
            data, current, data.flipped <= np.ceil(_INSIDE * data.attrs["units"])
        )
    mean = data.checks.mean("repeat")
    longest = float((mean.isel(staleness=-1) / mean.isel(staleness=0)).max())
    return judged([*claims, Claim("checks with the most stale reads over current ones", longest)])


def _recall_claims(
    data: xr.Dataset, current: xr.Dataset, inside: xr.DataArray
) -> list[Claim | Mean]:
    """What stale reads change of recall, and flips for each wrong unit inside the basin."""
    claims: list[Claim | Mean] = []
    late = data.recalled.sel(staleness=data.staleness > 0) - current.recalled
    for rule in data.rule.values:
        for flipped in data.flipped.values[~inside.values] if late.size else ():
            change = late.sel(rule=rule, flipped=flipped).mean("staleness")
            share = flipped / data.attrs["units"]
            text = f"{rule} rule, {share:.0%} flipped: change of the recalled share by stale reads"
            claims.append(Mean(text, change, 0.0))
    if inside.any():
        least = float(data.recalled.where(inside).min())
        text = f"up to {_INSIDE:.0%} flipped: least recalled share, any staleness"
        claims.append(Claim(text, least, 1.0, least == 1))
        cost = current.flips_per_error.where(inside)
        text = f"up to {_INSIDE:.0%} flipped: flips for each wrong unit, current reads"
        claims.append(Mean(text, cost.mean(("rule", "flipped")), 1.0))
    return claims


EXPERIMENT = Experiment(
    name="binary_staleness",
    question="What do stale reads change in two-state memories?",
    measure=measure,
    parameters={
        "rule": Quantity("rule by which a unit takes its value"),
        "flipped": Quantity("flipped units of the cue"),
        "staleness": Quantity("age of what a unit reads", "checks"),
        "power": Quantity("order n of F"),
        "units": Quantity("units"),
        "memories": Quantity("stored patterns"),
        "cues": Quantity("cues, one for each of so many memories"),
        "max_sweeps": Quantity("longest recall", "sweeps"),
    },
    results={
        "raising": Quantity("share of flips that raise the energy", within=SHARE),
        "recalled": Quantity("share of cues recalled exactly", within=SHARE),
        "flips_per_error": Quantity(
            "flips per flipped unit of exactly recalled cues", within=NOT_NEGATIVE
        ),
        "checks": Quantity("checks until settled", "sweeps", within=NOT_NEGATIVE),
        "settled": Quantity("share of cues that settled", within=SHARE),
    },
    sizes={
        "toy": {
            "rule": ("difference", "gradient"),
            "flipped": (13, 26, 38, 45),
            "staleness": (0, 32, 128, 256),
            "power": 3,
            "units": 128,
            "memories": 300,
            "cues": 150,
            "max_sweeps": 200,
            "repeats": 10,
        },
        "paper": {
            "rule": ("difference", "gradient"),
            "flipped": (13, 26, 38, 51, 64, 70, 77, 83, 90, 102),
            "staleness": (0, 32, 64, 128, 256, 1024),
            "power": 3,
            "units": 256,
            "memories": 1200,
            "cues": 200,
            "max_sweeps": 200,
            "repeats": 20,
        },
    },
    draw=draw,
    judge=judge,
    at_most={"cues": "memories"},
)
run = EXPERIMENT.run

if __name__ == "__main__":
    from .runner.command import main

    raise SystemExit(main(EXPERIMENT))
