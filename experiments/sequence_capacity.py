"""How long a sequence a memory of two-state units replays.

Patterns are stored in `amsim.binary.SequenceMemory`, as a cycle, with the separation x^(n - 1), and
all units are updated in parallel. The load is the number of patterns over a theoretical capacity
for whole sequences, `amsim.theory.capacity.sequence_capacity`.

Predictions (Chaudhry et al. 2023, arXiv:2306.04532):

- One transition from a stored pattern: `capacity.bit_error_rate`, from the variance of the
  crosstalk, taken as normal. In its tail, which counts at small loads, the crosstalk is not normal.
- The whole sequence, and so the cycle for ever, is replayed in exp(-p K D) of the draws, with p the
  share of wrong units: nearly always at loads well below 1, and never well above. The capacity is
  an asymptotic one; at some tens of units the change is not sharp.
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

_RARE = 20  # wrong units below which a rate is not compared
_SURE = 0.1  # shares of whole replays nearer to 0 or 1 have claims of their own


def measure(
    *, seed: np.random.SeedSequence, order: int, load: float, units: int
) -> Mapping[str, float]:
    """Store one draw of patterns; make all transitions once, and replay from the first."""
    import amsim as am
    from amsim import binary
    from amsim.theory import capacity

    length = max(2, round(load * capacity.sequence_capacity(units, order)))
    stored = am.patterns.random(length, units, int(seed.generate_state(1)[0]))
    memory = binary.SequenceMemory(stored, binary.Power(order))
    wrong = memory.replay(stored, 1)[1] != np.roll(stored, -1, axis=0)
    states = memory.replay(stored[0], length)
    right = (states[1:] == np.roll(stored, -1, axis=0)).all(axis=1)
    return {
        "error": wrong.mean(),
        "predicted": capacity.bit_error_rate(units, length, order),
        "whole": float(right.all()),
        "steps": float(length if right.all() else right.argmin()),
        "length": length,
        "wrong": wrong.sum(),
    }


def expected_whole(data: xr.Dataset, units: int) -> xr.DataArray:
    """Share of replays without an error, if units of all transitions err independently."""
    share: xr.DataArray = np.exp(-data.predicted * data.length * units)
    return share


def draw(data: xr.Dataset) -> Figure:
    """Wrong units of one transition, and whole replays, over the load."""
    from amsim.gallery.style import BLUE, GREEN, ORANGE, label, panels

    figure, axes = panels(1, 2, 3.4)
    errors, wholes = axes[0]
    mean = data.mean("repeat", keep_attrs=True)
    marks = zip(data["order"].values, (BLUE, ORANGE, GREEN), "os^", strict=False)
    for order, color, mark in marks:
        part = mean.sel(order=order)
        text = f"$x^{order - 1}$" if order > 2 else "x"
        errors.plot(data["load"], part.predicted, ":", color=color, lw=1.4)
        errors.plot(data["load"], part.error.where(part.error > 0), mark, color=color, ms=5,
                    label=f"separation {text}")  # fmt: skip
        wholes.plot(
            data["load"], expected_whole(part, data.attrs["units"]), ":", color=color, lw=1.4
        )
        wholes.plot(data["load"], part.whole, mark, color=color, ms=5)
    errors.plot([], [], "k:", label="theory")
    errors.legend(fontsize=8)
    for ax in (errors, wholes):
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:g}")
        ax.grid(alpha=0.3)
    errors.set(yscale="log", ylim=(1e-7, 0.1))
    label(errors, "patterns / capacity", "share of wrong units, one transition")
    label(wholes, "patterns / capacity", "share of whole replays")
    return figure


def judge(data: xr.Dataset) -> Sequence[Claim]:
    """Errors against theory above the capacity; whole replays as independent errors would have."""
    claims: list[Claim | Mean] = []
    for order in data["order"].values:
        part = data.sel(order=order)
        for load in data["load"].values:
            here = part.sel(load=load)
            if load >= 2 and float(here.wrong.sum()) >= _RARE:
                text = f"order {order}, {load:g} of the capacity: share of wrong units"
                claims.append(Mean(text, here.error, float(here.predicted.mean()), null=0.0))
            whole = float(expected_whole(here, data.attrs["units"]).mean())
            if _SURE < whole < 1 - _SURE:
                text = f"order {order}, {load:g} of the capacity: share of whole replays"
                claims.append(Mean(text, here.whole, whole, null=1.0))
        least, most = (part.whole.sel(load=f(data["load"].values)) for f in (min, max))
        text = f"order {order}: whole replays at the smallest load"
        share = float(least.mean())
        claims.append(Claim(text, share, 1.0, share >= 0.9))
        text = f"order {order}: whole replays at the largest load"
        share = float(most.mean())
        claims.append(Claim(text, share, 0.0, share <= 0.1))
    return judged(claims)


EXPERIMENT = Experiment(
    name="sequence_capacity",
    question="How long a sequence does a memory replay for each separation?",
    measure=measure,
    parameters={
        "order": Quantity("n of F = x^n, whose slope separates the overlaps"),
        "load": Quantity("patterns over the theoretical capacity for whole sequences"),
        "units": Quantity("units"),
    },
    results={
        "error": Quantity("share of wrong units after one transition", within=SHARE),
        "predicted": Quantity("theoretical share of wrong units", within=SHARE),
        "whole": Quantity("whether the whole sequence was replayed", within=SHARE),
        "steps": Quantity("transitions before the first error", within=NOT_NEGATIVE),
        "length": Quantity("stored patterns", within=NOT_NEGATIVE),
        "wrong": Quantity("wrong units after one transition of all patterns", within=NOT_NEGATIVE),
    },
    sizes={
        "toy": {
            "order": (2, 3),
            "load": (0.25, 1.0, 2.0, 3.0, 4.0),
            "units": 60,
            "repeats": 30,
        },
        "paper": {
            "order": (2, 3, 4),
            "load": (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0),
            "units": 100,
            "repeats": 20,
        },
    },
    draw=draw,
    judge=judge,
)
run = EXPERIMENT.run

if __name__ == "__main__":
    from .runner.command import main

    raise SystemExit(main(EXPERIMENT))
