r"""When does a memory keep its samples, and when does it consolidate them to fewer prototypes?

Samples are prototypes of -1 and +1 with a share p of flipped units. There are as many memories as
prototypes, and m samples for each. Memories are trained to recall the samples (ClAM, Saha et al.
2023). If each becomes the mean of its m samples, a recalled sample is at the squared distances, by
unit,

.. math::
    \sigma^2 (1 - 1/m) \quad\text{from the sample},\qquad
    4 p^2 + \sigma^2 / m \quad\text{from the prototype},\qquad \sigma^2 = 4 p (1 - p).

It is nearer to its prototype from m = 2 (1 - p) / (1 - 2 p) on, and new samples are recalled worse
than those that were shown by 2 \sigma^2 / m: memorisation turns to generalisation by the load m
alone, whatever the number of units and prototypes. Training does not know which sample belongs
where, and soft shares mix memories: both could spoil this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .runner.experiment import NOT_NEGATIVE, Claim, Experiment, Quantity
from .runner.tolerance import Mean, judged

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

_NEW = 400


def measure(
    *, seed: np.random.SeedSequence, samples: int, units: int, prototypes: int, flip: float,
    sharpness: float,
) -> Mapping[str, float]:  # fmt: skip
    """Squared distances, by unit, of what trained memories recall."""
    from scipy.optimize import minimize

    import amsim as am

    rng = np.random.default_rng(seed)
    stored = rng.choice([-1.0, 1.0], (prototypes, units))

    def drawn(count: int) -> tuple[Any, Any]:
        own = stored[np.arange(count) % prototypes]
        return own * np.where(rng.random(own.shape) < flip, -1.0, 1.0), own

    shown, own = drawn(samples * prototypes)
    new, _ = drawn(_NEW)
    beta = sharpness / units

    def objective(flat: Any) -> tuple[float, Any]:
        value, gradient = am.models.clustering.loss_and_gradient(
            shown, flat.reshape(stored.shape), beta=beta
        )
        return value, gradient.ravel()

    # Memories start at one sample of each prototype.
    start = shown[:prototypes].ravel()
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 200})
    memories = found.x.reshape(stored.shape)
    recalled, again = (am.models.clustering.recall(x, memories, beta=beta) for x in (shown, new))
    return {
        "to_sample": float(np.mean((recalled - shown) ** 2)),
        "to_prototype": float(np.mean((recalled - own) ** 2)),
        "to_new": float(np.mean((again - new) ** 2)),
    }


def laws(load: Any, flip: float) -> dict[str, Any]:
    """What means of samples predict."""
    spread = 4 * flip * (1 - flip)
    return {
        "to_sample": spread * (1 - 1 / load),
        "to_prototype": 4 * flip**2 + spread / load,
        "to_new": spread * (1 + 1 / load),
    }


def crossing(data: xr.Dataset) -> Any:
    """The load from which recalled samples are nearer to prototypes, of each repeat; NaN if none.

    Distances are lines over 1 / load, and so is their difference between two loads.
    """
    part = (data.to_prototype - data.to_sample).transpose("samples", "repeat").values
    inverse, found = 1 / data.samples.values, np.full(part.shape[1], np.nan)
    for repeat, column in enumerate(part.T):
        below = np.flatnonzero((column[:-1] > 0) & (column[1:] <= 0))
        if len(below):
            k = below[0]
            share = column[k] / (column[k] - column[k + 1])
            found[repeat] = 1 / (inverse[k] + share * (inverse[k + 1] - inverse[k]))
    return found


def judge(data: xr.Dataset) -> Sequence[Claim]:
    """The load where memorisation ends, and what new samples cost."""
    flip, loads = float(data.flip), data.samples.values
    claims: list[Claim | Mean] = []
    if len(loads) > 1:
        text = "load from which recalls are nearer to prototypes than to samples"
        expected = 2 * (1 - flip) / (1 - 2 * flip)
        claims.append(Mean(text, crossing(data), expected, null=1.0, resolution=0.1))
    spread = 4 * flip * (1 - flip)
    for load in loads.tolist():
        part = data.sel(samples=load)
        gap = (part.to_new - part.to_sample) * load
        text = f"load {load}: excess of new samples, times the load"
        claims.append(Mean(text, gap, 2 * spread, null=0.0))
    return judged(claims)


def draw(data: xr.Dataset) -> Figure:
    """Distances over the load, with those of means of samples."""
    from amsim.gallery.style import BLUE, GREEN, ORANGE, label, panels

    figure, ((ax,),) = panels(1, 1, 4.2)
    loads = data.samples.values
    fine = np.geomspace(loads.min(), max(loads.max(), loads.min() + 1), 100)
    words = {
        "to_sample": "samples recalled, to themselves",
        "to_prototype": "samples recalled, to their prototypes",
        "to_new": "new samples recalled, to themselves",
    }
    for (name, text), colour, marker in zip(
        words.items(), (ORANGE, BLUE, GREEN), "os^", strict=True
    ):
        mean = data[name].mean("repeat").values
        ax.plot(loads, mean, marker, color=colour, ms=6, label=text)
        ax.plot(fine, laws(fine, float(data.flip))[name], "-", color=colour, lw=1)
    ax.set_xscale("log")
    ax.set_xticks(loads, loads)
    ax.minorticks_off()
    ax.legend(frameon=False, fontsize="small", title="squared distance; lines: means of samples")
    label(ax, "load (samples for each memory)", "squared distance by unit")
    return figure


EXPERIMENT = Experiment(
    name="consolidation",
    question="When does a memory keep its samples, and when their prototypes?",
    measure=measure,
    parameters={
        "samples": Quantity("samples for each memory"),
        "units": Quantity("units of a sample"),
        "prototypes": Quantity("prototypes, and as many memories"),
        "flip": Quantity("share of the units of a sample that are flipped"),
        "sharpness": Quantity("beta of exp(-beta d^2), times the units"),
    },
    results={
        "to_sample": Quantity("squared distance of recalls to their samples", within=NOT_NEGATIVE),
        "to_prototype": Quantity("and to their prototypes", within=NOT_NEGATIVE),
        "to_new": Quantity("and of recalls of new samples to these", within=NOT_NEGATIVE),
    },
    sizes={
        "toy": {
            "samples": (1, 2, 3, 4, 8), "units": 64, "prototypes": 8, "flip": 0.15,
            "sharpness": 8.0, "repeats": 20,
        },
        "paper": {
            "samples": (1, 2, 3, 4, 8, 16, 32), "units": 128, "prototypes": 16, "flip": 0.15,
            "sharpness": 16.0, "repeats": 100,
        },
    },
    draw=draw,
    judge=judge,
)  # fmt: skip
run = EXPERIMENT.run

if __name__ == "__main__":
    from .runner.command import main

    raise SystemExit(main(EXPERIMENT))
