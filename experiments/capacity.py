"""How many random patterns a memory of two-state units holds.

Patterns are stored in `amsim.binary`, and each unit of a stored one is asked once, by the gradient
rule without self terms. The load is the number of memories over a theoretical capacity:
`amsim.theory.capacity.k_max` (0.5 % of the units wrong) for F = x^n, 2^(D/2) for F = exp.

Predictions:

- F = x^n: `capacity.bit_error_rate`, from the variance of the noise, taken as normal (Krotov and
  Hopfield 2016, arXiv:1606.01164). In its tail, which counts at loads below 1, the noise is not
  normal: 1.5 times as many errors for x^3, D = 60 and half of the capacity.
- F = exp: one memory alone outweighs the pattern if it agrees with it in all units but the one that
  is asked; what the others add decides either way. That is an error in (K - 1) 2^(-D) / 2 of the
  units, as long as K is much less than 2^D. A normal distribution would not give it: almost all of
  the variance is in such memories.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .runner.experiment import NOT_NEGATIVE, SHARE, Claim, Experiment, Quantity
from .runner.tolerance import Mean, judged

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

ORDERS = {"x^2": 2, "x^3": 3, "x^4": 4}
EXPONENTIAL = "exp"
_RARE = 20  # wrong units below which a rate is not compared


def measure(
    *,
    seed: np.random.SeedSequence,
    separation: str,
    load: float,
    units: int,
    units_exponential: int,
    checked: int,
) -> Mapping[str, float]:
    """Store one draw of patterns and ask the units of some of them."""
    import amsim as am
    from amsim import binary
    from amsim.theory import capacity

    if separation in ORDERS:
        n, size = ORDERS[separation], units
        function: binary.Power | binary.Exponential = binary.Power(n)
        most = capacity.k_max(size, n)
    elif separation == EXPONENTIAL:
        size, function = units_exponential, binary.Exponential(1.0)
        most = capacity.exponential_bound(size)
    else:
        known = ", ".join((*ORDERS, EXPONENTIAL))
        raise ValueError(f"separation is {separation!r}; choose from {known}")
    memories = max(2, round(load * most))
    stored = am.patterns.random(memories, size, int(seed.generate_state(1)[0]))
    asked = stored[:checked]
    memory = binary.BinaryMemory(stored, separation=function)
    flips = memory.recall(asked, rule="gradient", order="parallel", max_sweeps=1).flips
    return {
        "error": flips.mean() / size,
        "predicted": expected_error(separation, size, memories),
        "damaged": np.mean(flips > 0),
        "memories": memories,
        "asked": asked.size,
    }


def expected_error(separation: str, units: int, memories: int) -> float:
    """Theoretical share of wrong units."""
    from amsim.theory import capacity

    if separation in ORDERS:
        return capacity.bit_error_rate(units, memories, ORDERS[separation])
    return (memories - 1) * 2.0 ** -(units + 1)


def draw(data: xr.Dataset) -> Figure:
    """Errors over the load and over the number of memories."""
    from amsim.gallery.style import BLUE, GREEN, ORANGE, PURPLE, label, panels

    colors = dict(zip((*ORDERS, EXPONENTIAL), (BLUE, ORANGE, GREEN, PURPLE), strict=True))
    figure, axes = panels(1, 2, 3.6, sharey=True)
    mean = data.mean("repeat", keep_attrs=True)
    for name in data.separation.values:
        part = mean.sel(separation=name)
        size = data.attrs["units_exponential" if name == EXPONENTIAL else "units"]
        text = f"exp(x), D = {size}" if name == EXPONENTIAL else f"$x^{name[-1]}$, D = {size}"
        for ax, x in zip(axes[0], (data["load"], part.memories), strict=True):
            ax.plot(x, part.predicted, ":", color=colors[name], lw=1.4)
            seen = part.error.where(part.error > 0)
            ax.plot(x, seen, "o", color=colors[name], ms=4, label=text)
    for ax in axes[0]:
        ax.axhline(0.005, color="0.6", lw=0.8)
        ax.set(xscale="log", yscale="log", ylim=(1e-5, 0.5))
        ax.grid(alpha=0.3)
    axes[0, 0].set_xscale("log", base=2)
    axes[0, 0].xaxis.set_major_formatter("{x:g}")
    axes[0, 0].plot([], [], "k:", label="theory")
    axes[0, 0].legend(fontsize=8)
    label(axes[0, 0], "memories / capacity", "share of wrong units")
    label(axes[0, 1], "memories", "")
    return figure


def judge(data: xr.Dataset) -> Sequence[Claim]:
    """Errors against theory at the capacity, above it, and in the tail."""
    claims: list[Claim | Mean] = []
    for name in data.separation.values:
        part = data.sel(separation=name)
        wrong = (part.error * part.asked).sum("repeat")
        for load in data["load"].values:
            if load in (0.5, 1.0, 4.0) and float(wrong.sel(load=load)) >= _RARE:
                text = f"{name}, {load:g} of the capacity: share of wrong units"
                theory = float(part.predicted.sel(load=load).mean())
                claims.append(Mean(text, part.error.sel(load=load), theory, null=0.0))
        if name == EXPONENTIAL and 1.0 in data["load"]:
            size = int(data.attrs["units_exponential"])
            text = "exp, 1 of the capacity: share of patterns with a wrong unit"
            theory = size * 2.0 ** (-size / 2 - 1)
            claims.append(Mean(text, part.damaged.sel(load=1.0), theory, null=0.0))
    return judged(claims)


EXPERIMENT = Experiment(
    name="capacity",
    question="How many random patterns does a memory hold for each separation function?",
    measure=measure,
    parameters={
        "separation": Quantity("separation function F"),
        "load": Quantity("memories over the theoretical capacity"),
        "units": Quantity("units for F = x^n"),
        "units_exponential": Quantity("units for F = exp"),
        "checked": Quantity("stored patterns whose units are asked"),
    },
    results={
        "error": Quantity("share of wrong units", within=SHARE),
        "predicted": Quantity("theoretical share of wrong units", within=SHARE),
        "damaged": Quantity("share of patterns with a wrong unit", within=SHARE),
        "memories": Quantity("stored patterns", within=NOT_NEGATIVE),
        "asked": Quantity("units that were asked", within=NOT_NEGATIVE),
    },
    sizes={
        "toy": {
            "separation": ("x^2", "x^3", "x^4", "exp"),
            "load": (0.25, 0.5, 1.0, 2.0, 4.0),
            "units": 60,
            "units_exponential": 16,
            "checked": 200,
            "repeats": 40,
        },
        "paper": {
            "separation": ("x^2", "x^3", "x^4", "exp"),
            "load": tuple(float(x) for x in 2.0 ** np.arange(-3, 5, 0.5)),
            "units": 100,
            "units_exponential": 24,
            "checked": 2000,
            "repeats": 100,
        },
    },
    draw=draw,
    judge=judge,
)
run = EXPERIMENT.run

if __name__ == "__main__":
    from .runner.command import main

    raise SystemExit(main(EXPERIMENT))
