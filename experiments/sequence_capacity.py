"""How long a sequence a memory of two-state units replays.

Patterns are stored in `amsim.binary.SequenceMemory`, as a cycle, with the separation x^(n - 1) or
exp(x), and all units are updated in parallel. The load is the number of patterns over a theoretical
capacity for whole sequences: `amsim.theory.capacity.sequence_capacity` for powers, and
`distinct_capacity` for exp.

Predictions (powers: Chaudhry et al. 2023, arXiv:2306.04532; exp: derived in `capacity`):

- One transition from a stored pattern: `capacity.bit_error_rate`. For powers it follows from the
  variance of the crosstalk, taken as normal, which it is not in the tail that counts at small
  loads. For exp it is the chance that another pattern agrees in all other units.
- The whole sequence, and so the cycle for ever. For powers units err independently: it is replayed
  in exp(-p K D) of the draws, with p the share of wrong units, nearly always at loads well below 1,
  and never well above. The capacity is an asymptotic one; at some tens of units the change is not
  sharp. For exp errors come from pairs of similar patterns, of which there are none in
  exp(-K (K - 1) / C^2) of the draws, C the capacity. A normal crosstalk would allow
  b^(D - 1) / (2 D ln b) patterns, three times C at 12 units.
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

ORDERS = {"x": 2, "x^2": 3, "x^3": 4}
EXPONENTIAL = "exp"
_BETA = 1.0
_RARE = 20  # wrong units below which a rate is not compared
_SURE = 0.1  # shares of whole replays nearer to 0 or 1 have claims of their own


def measure(
    *,
    seed: np.random.SeedSequence,
    separation: str,
    load: float,
    units: int,
    units_exponential: int,
) -> Mapping[str, float]:
    """Store one draw of patterns; make all transitions once, and replay from the first."""
    import amsim as am
    from amsim import binary

    size = units_exponential if separation == EXPONENTIAL else units
    length, predicted, expected = theory(separation, load, size)
    function = binary.Exponential(_BETA) if separation == EXPONENTIAL else None
    stored = am.patterns.random(length, size, int(seed.generate_state(1)[0]))
    memory = binary.SequenceMemory(stored, function or binary.Power(ORDERS[separation]))
    wrong = memory.replay(stored, 1)[1] != np.roll(stored, -1, axis=0)
    states = memory.replay(stored[0], length)
    right = (states[1:] == np.roll(stored, -1, axis=0)).all(axis=1)
    return {
        "error": wrong.mean(),
        "predicted": predicted,
        "whole": float(right.all()),
        "expected": expected,
        "steps": float(length if right.all() else right.argmin()),
        "length": length,
        "wrong": wrong.sum(),
    }


def theory(separation: str, load: float, units: int) -> tuple[int, float, float]:
    """Length at a load, share of wrong units after a transition, share of whole replays."""
    from amsim.theory import capacity

    if separation == EXPONENTIAL:
        most = capacity.distinct_capacity(units)
        length = max(2, round(load * most))
        error = capacity.bit_error_rate(units, length, beta=_BETA)
        return length, error, float(np.exp(-length * (length - 1) / most**2))
    if separation not in ORDERS:
        known = ", ".join((*ORDERS, EXPONENTIAL))
        raise ValueError(f"separation is {separation!r}; choose from {known}")
    order = ORDERS[separation]
    length = max(2, round(load * capacity.sequence_capacity(units, order)))
    error = capacity.bit_error_rate(units, length, order)
    return length, error, float(np.exp(-error * length * units))


def draw(data: xr.Dataset) -> Figure:
    """Wrong units of one transition, and whole replays, over the load."""
    from amsim.gallery.style import BLUE, GREEN, ORANGE, RED, label, panels

    figure, axes = panels(1, 2, 3.4)
    errors, wholes = axes[0]
    mean = data.mean("repeat", keep_attrs=True)
    marks = zip((*ORDERS, EXPONENTIAL), (BLUE, ORANGE, GREEN, RED), "os^D", strict=True)
    for name, color, mark in marks:
        if name not in data.separation:
            continue
        part = mean.sel(separation=name)
        power, _, order = name.partition("^")
        text = f"${power}^{order}$" if order else name
        errors.plot(data["load"], part.predicted, ":", color=color, lw=1.4)
        errors.plot(data["load"], part.error.where(part.error > 0), mark, color=color, ms=5,
                    label=f"separation {text}")  # fmt: skip
        wholes.plot(data["load"], part.expected, ":", color=color, lw=1.4)
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
    """Errors against theory above the capacity, and whole replays against the chance of them."""
    claims: list[Claim | Mean] = []
    for name in data.separation.values:
        part = data.sel(separation=name)
        for load in data["load"].values:
            here = part.sel(load=load)
            if load >= 2 and float(here.wrong.sum()) >= _RARE:
                text = f"{name}, {load:g} of the capacity: share of wrong units"
                claims.append(Mean(text, here.error, float(here.predicted.mean()), null=0.0))
            whole = float(here.expected.mean())
            if _SURE < whole < 1 - _SURE:
                text = f"{name}, {load:g} of the capacity: share of whole replays"
                claims.append(Mean(text, here.whole, whole, null=1.0))
        least, most = (part.sel(load=f(data["load"].values)) for f in (min, max))
        text = f"{name}: whole replays at the smallest load"
        share, expected = float(least.whole.mean()), float(least.expected.mean())
        claims.append(Claim(text, share, expected, share >= 0.9 * expected))
        text = f"{name}: whole replays at the largest load"
        share = float(most.whole.mean())
        claims.append(Claim(text, share, 0.0, share <= 0.1))
    return judged(claims)


EXPERIMENT = Experiment(
    name="sequence_capacity",
    question="How long a sequence does a memory replay for each separation?",
    measure=measure,
    parameters={
        "separation": Quantity("function of the overlaps that separates them"),
        "load": Quantity("patterns over the theoretical capacity for whole sequences"),
        "units": Quantity("units for powers"),
        "units_exponential": Quantity("units for exp"),
    },
    results={
        "error": Quantity("share of wrong units after one transition", within=SHARE),
        "predicted": Quantity("theoretical share of wrong units", within=SHARE),
        "whole": Quantity("whether the whole sequence was replayed", within=SHARE),
        "expected": Quantity("theoretical share of whole replays", within=SHARE),
        "steps": Quantity("transitions before the first error", within=NOT_NEGATIVE),
        "length": Quantity("stored patterns", within=NOT_NEGATIVE),
        "wrong": Quantity("wrong units after one transition of all patterns", within=NOT_NEGATIVE),
    },
    sizes={
        "toy": {
            "separation": ("x", "x^2", "exp"),
            "load": (0.25, 1.0, 2.0, 3.0, 4.0),
            "units": 60,
            "units_exponential": 12,
            "repeats": 30,
        },
        "paper": {
            "separation": ("x", "x^2", "x^3", "exp"),
            "load": (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0),
            "units": 100,
            "units_exponential": 16,
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
