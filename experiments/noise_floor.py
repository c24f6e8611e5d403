r"""Where is the noise floor of a quantum?

A unit at rest whose state has noise of the standard deviation sigma says every excursion that takes
its output over the next level, a quantum q away from what it said last. These messages carry no
news, and a shared bus has to serve them for ever.

Prediction: noise with the time constant tau is an Ornstein-Uhlenbeck process, and what was said
last is a random walk over levels, with the mean time and the probabilities of its exits (Darling
and Siegert 1953). So a unit sends 7.8, 1.8, 0.36, 0.11 and 0.03 messages per tau for q = 0.5, 1, 2,
3 and 4 sigma, about 2 (sigma / q)^2 below one sigma. It matters where the levels lie: with the mean
state halfway between two of them a unit sends 4 times as much at q = 3 sigma, and 40 times as much
at 4 sigma, as with the mean on one.

Measured by events, with noise that is constant in slots of length h. Excursions within a slot go
unseen, as if levels were farther away by 0.58 sigma sqrt(2 h / tau) (Broadie, Glasserman and Kou
1997), and after a crossing the state is beyond its level by as much; predictions are for these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from .runner.experiment import NOT_NEGATIVE, Claim, Experiment, Quantity
from .runner.tolerance import Mean, judged

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

OFFSETS = {"on the mean": 0.0, "halfway": 0.5, "anywhere": None}  # in quanta
_WIDER = 0.5826  # -zeta(1/2) / sqrt(2 pi)
_WARM = 8.0  # tau


def measure(
    *, seed: np.random.SeedSequence, ratio: float, levels: str, units: int, time: float,
    slot: float,
) -> Mapping[str, float]:  # fmt: skip
    """Let noisy units without synapses run, and count what they say."""
    import amsim as am

    if levels not in OFFSETS:
        raise ValueError(f"levels is {levels!r}; use {', '.join(map(repr, OFFSETS))}")
    draw, noise = (int(word) for word in seed.generate_state(2))
    offset = OFFSETS[levels]
    rng = np.random.default_rng(draw)
    start = ratio * (rng.uniform(0, 1, units) if offset is None else np.full(units, offset))
    net = am.Network({"x": am.Layer(units, am.Identity())}, [])
    solver = am.EventDriven(ratio, noise_step=slot, record_events=True)
    traj = am.simulate(net, {"x": start}, solver=solver, noise=1.0, t1=_WARM + time, seed=noise)
    assert traj.events is not None
    return {"rate": float((traj.events.time > _WARM).sum() / units / time)}


@lru_cache
def rate(ratio: float, offset: float | None, slot: float = 0.0) -> float:
    """Messages per tau with noise of variance 1; offset None: the mean over all offsets."""
    if offset is None:
        return float(np.mean([rate(ratio, (k + 0.5) / 16, slot) for k in range(8)]))
    wider = _WIDER * np.sqrt(2 * slot)
    reach = int(np.ceil(6 / ratio))
    levels = (np.arange(-reach, reach + 1) + offset) * ratio
    times, ups, downs = np.array([_exit(level, ratio, wider) for level in levels]).T
    # A walk by one level at a time is in balance between neighbours.
    weights = np.r_[0.0, np.cumsum(np.log(ups[:-1]) - np.log(downs[1:]))]
    visits = np.exp(weights - weights.max())
    return float(visits.sum() / (visits @ times))


def _exit(level: float, quantum: float, wider: float) -> tuple[float, float, float]:
    """Mean time to leave level +- quantum, and the probabilities to leave upwards and downwards."""
    x = level + np.linspace(-quantum - wider, quantum + wider, 2001)
    step, top = x[1] - x[0], np.max(x * x) / 2
    scale = np.exp(x * x / 2 - top)
    left = np.r_[0.0, np.cumsum((scale[1:] + scale[:-1]) / 2)] * step
    right = np.r_[np.cumsum(((scale[1:] + scale[:-1]) / 2)[::-1])[::-1], 0.0] * step
    found = []
    for start in (level - wider, level + wider):  # the last crossing went too far, on either side
        below, above = float(np.interp(start, x, left)), float(np.interp(start, x, right))
        green = np.minimum(left, below) * np.minimum(right, above) / left[-1]
        inside = green * np.exp(top - x * x / 2)
        time = float((inside[1:] + inside[:-1]).sum() / 2 * step)
        found.append((time, below / left[-1], above / left[-1]))
    time, up, down = np.mean(found, axis=0)
    return float(time), max(float(up), 1e-300), max(float(down), 1e-300)


def judge(data: xr.Dataset) -> Sequence[Claim]:
    """Rates against those of exits."""
    claims: list[Claim | Mean] = []
    slot = float(data.slot)
    for levels in data.levels.values.tolist():
        for ratio in data.ratio.values.tolist():
            found = data.rate.sel(levels=levels, ratio=ratio)
            text = f"levels {levels}: messages per tau at q = {ratio:g} sigma"
            claims.append(Mean(text, found, rate(ratio, OFFSETS[levels], slot), null=0.0))
    return judged(claims)


def draw(data: xr.Dataset) -> Figure:
    """Rates over the quantum, and what theory says of them."""
    from amsim.gallery.style import BLUE, GREEN, ORANGE, label, panels

    figure, ((ax,),) = panels(1, 1, 4.2)
    slot, ratios = float(data.slot), data.ratio.values
    fine = np.linspace(ratios.min(), max(ratios.max(), ratios.min() + 0.1), 25)
    ways = zip(OFFSETS, (BLUE, ORANGE, GREEN), "os^", strict=True)
    for levels, colour, marker in ways:
        if levels in data.levels:
            found = data.rate.sel(levels=levels).mean("repeat").values
            ax.plot(ratios, np.where(found > 0, found, np.nan), marker, color=colour,
                    fillstyle="none", label=levels)  # fmt: skip
            law = [rate(float(q), OFFSETS[levels], slot) for q in fine]
            ax.plot(fine, law, "-", color=colour, lw=1)
    ax.plot(fine, 2 / fine**2, "k:", lw=1, label="$2 (\\sigma / q)^2$")
    ax.set_yscale("log")
    ax.set_ylim(1e-3, 20)
    ax.legend(frameon=False, title="levels lie (lines: exits of the process)")
    label(ax, r"quantum over noise, $q / \sigma$", "messages of a unit per τ")
    return figure


EXPERIMENT = Experiment(
    name="noise_floor",
    question="Where is the noise floor of a quantum?",
    measure=measure,
    parameters={
        "ratio": Quantity("quantum over the standard deviation of the noise"),
        "levels": Quantity("where levels lie beside the mean state"),
        "units": Quantity("units"),
        "time": Quantity("time in which messages are counted", "tau"),
        "slot": Quantity("slots in which noise is constant", "tau"),
    },
    results={"rate": Quantity("messages of a unit per tau", within=NOT_NEGATIVE)},
    sizes={
        "toy": {
            "ratio": (0.5, 1.0, 2.0, 3.0, 4.0), "levels": tuple(OFFSETS), "units": 200,
            "time": 20.0, "slot": 0.01, "repeats": 6,
        },
        "paper": {
            "ratio": (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0), "levels": tuple(OFFSETS),
            "units": 1000, "time": 50.0, "slot": 0.001, "repeats": 10,
        },
    },
    draw=draw,
    judge=judge,
)  # fmt: skip
run = EXPERIMENT.run

if __name__ == "__main__":
    from .runner.command import main

    raise SystemExit(main(EXPERIMENT))
