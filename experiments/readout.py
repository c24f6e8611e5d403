"""From when on a recall may be read, whenever each unit is looked at.

Every link has its own delay, up to the staleness B in each direction, and features start up
to a distance R from a memory. They are read all at one time, or each at its own within a window.

Prediction (docs/stability.md): the error stays below R e^(-lambda t), with lambda from the factor
of contraction on a box around the memory; from `amsim.stability.t_read` = ln(R / margin) / lambda
on every reading is within the margin, simultaneous or not. Send-on-delta adds at most the distance
of `amsim.dynamics.events.distance_bound`, which is taken off the margin. Beyond `reach` no lambda
is proven, the time is infinite, and nothing is promised. Nor is the time tight: it holds for the
worst delays, and those drawn here are not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .runner.experiment import NOT_NEGATIVE, Claim, Experiment, Quantity

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

STEP = 0.1  # between readings, in tau


def measure(
    *,
    seed: np.random.SeedSequence,
    staleness: float,
    distance: float,
    window: float,
    horizon: float,
    margin: float,
    quantum: float,
    units: int,
    memories: int,
    beta: float,
    cues: int,
) -> Mapping[str, ArrayLike]:
    """Follow some cues of one memory, and read them at many times."""
    import amsim as am
    from amsim.dynamics.events import distance_bound

    rng = np.random.default_rng(seed)
    stored = rng.choice((-1.0, 1.0), (memories, units))
    net = am.dense_am(stored, hidden=am.Softmax(beta), tau_hidden=1.0)
    rest = am.stability.find(net, stored[0]).states
    report = am.stability.analyse(net, rest)
    offset = distance_bound(net, rest, residual=0.0, register_error=quantum)["visible"].max()
    safe, later = (
        am.stability.t_read(report, m - offset, staleness, distance=distance)
        for m in (margin, margin / 2 + offset / 2)
    )

    ends = ("visible", units), ("hidden", memories)
    delay = {
        (sender, receiver): rng.uniform(0, staleness, (n, m))
        for (sender, n), (receiver, m) in (ends, ends[::-1])
    }
    starts = rest["visible"] + distance * rng.uniform(-1, 1, (cues, units))
    late = window * rng.uniform(0, 1, (cues, units))
    solver = am.EventDriven(quantum, am.Timing(delay=delay, scope="link"))
    times = STEP * np.arange(1 + round((horizon + window) / STEP))
    path = am.simulate(net, starts, times=times, until=None, solver=solver)
    errors = np.abs(path["visible"] - rest["visible"])
    at_once, jittered = errors[: _count(horizon)].max(axis=(1, 2)), _read(errors, late, horizon)
    return {
        "error": at_once,
        "error_jittered": jittered,
        "offset": offset,
        "t_read": safe,
        "rate": np.log(2) / (later - safe) if np.isfinite(later) else np.nan,
    }


def _count(horizon: float) -> int:
    return 1 + round(horizon / STEP)


def _read(errors: NDArray[np.float64], late: NDArray[np.float64], horizon: float) -> Any:
    """Largest error over cues and units if every unit is read by its own time later."""
    shift = np.round(late / STEP).astype(int)
    cue, unit = np.indices(shift.shape)
    rows = np.arange(_count(horizon))[:, None, None]
    return errors[rows + shift, cue, unit].max(axis=(1, 2))


def coordinates(parameters: Mapping[str, Any]) -> Mapping[str, ArrayLike]:
    """Times of the readings."""
    return {"time": STEP * np.arange(_count(parameters["horizon"]))}


def bound(data: xr.Dataset) -> xr.DataArray:
    """R e^(-lambda t), and what send-on-delta adds; NaN where nothing is proven."""
    left = (data.attrs["margin"] - data.offset) * np.exp(-data.rate * (data.time - data.t_read))
    above: xr.DataArray = left + data.offset
    return above


def draw(data: xr.Dataset) -> Figure:
    """Errors over time with their bounds, and the time to read over the staleness."""
    from amsim.gallery.style import BLUE, GREEN, ORANGE, PURPLE, RED, SKY, label, panels

    colors = (BLUE, ORANGE, GREEN, PURPLE, RED, SKY)  # and again, if there are more
    figure, axes = panels(1, 2, 3.4)
    decay, safe = axes[0]
    margin = data.attrs["margin"]
    worst = data.max("repeat", keep_attrs=True)
    # The largest distance about which something is proven.
    proven = np.isfinite(worst.t_read).any("staleness")
    shown = worst.isel(distance=int(np.flatnonzero(proven)[-1]) if proven.any() else 0)
    for color, staleness in zip(cycle(colors), data.staleness.values, strict=False):
        part = shown.sel(staleness=staleness)
        decay.plot(data.time, part.error_jittered, color=color, label=f"{staleness:g}")
        decay.plot(data.time, bound(part), color=color, ls=":", lw=1)
    decay.axhline(margin, color="k", lw=0.8, ls="--")
    decay.annotate("margin", (data.time[-1], margin), ha="right", va="bottom", fontsize=8)
    decay.set(yscale="log", ylim=(float(data.error.min()) / 2 + 1e-6, 2 * float(data.error.max())))
    decay.legend(fontsize=8, title="staleness (τ)", title_fontsize=8, ncols=2)
    label(
        decay, "time (τ)", "largest error", f"start within {float(shown.distance):g}, dots: bound"
    )
    for color, distance in zip(cycle(colors), data.distance.values, strict=False):
        part = worst.sel(distance=distance)
        text = f"{distance:g}" + ("" if np.isfinite(part.t_read).any() else ", nothing proven")
        safe.plot(data.staleness, last_unsafe(part), "o", color=color, ms=4, label=text)
        safe.plot(data.staleness, part.t_read.where(np.isfinite(part.t_read)), ":", color=color)
    safe.legend(fontsize=8, title="start within", title_fontsize=8)
    label(safe, "staleness (τ)", "time (τ)", "last reading off the margin, dots: t_read")
    return figure


def last_unsafe(data: xr.Dataset) -> xr.DataArray:
    """Last time at which some reading is off the margin."""
    unsafe = np.maximum(data.error, data.error_jittered) >= data.attrs["margin"]
    last: xr.DataArray = (data.time * unsafe).max("time")
    return last


def judge(data: xr.Dataset) -> Sequence[Claim]:
    """No reading is off the margin after `t_read`, and no error above the bound."""
    error = np.maximum(data.error, data.error_jittered)
    proven = np.isfinite(data.t_read)
    late = data.time >= data.t_read
    unsafe = int((late & (error >= data.attrs["margin"])).sum())
    ratio = float((error / bound(data)).max())
    claims = [
        Claim("readings off the margin after t_read", unsafe, 0.0, unsafe == 0),
        Claim("largest error over its bound, at most 1", ratio, 1.0, ratio <= 1),
        Claim("share of networks and cues with a proven time", float(proven.mean())),
    ]
    last = last_unsafe(data)
    slack = (data.t_read / last).where(proven & (last > 0))
    if slack.notnull().any():
        claims.append(
            Claim("t_read over the last reading off the margin, least", float(slack.min()))
        )
        claims.append(
            Claim("t_read over the last reading off the margin, most", float(slack.max()))
        )
    if not proven.all():
        claims.append(
            Claim(
                "last reading off the margin where nothing is proven",
                float(last.where(~proven).max()),
            )
        )
    return claims


EXPERIMENT = Experiment(
    name="readout",
    question="From when on may a recall be read, by readings that are late and not simultaneous?",
    measure=measure,
    parameters={
        "staleness": Quantity("largest delay of a link, in each direction", "tau"),
        "distance": Quantity("largest deviation of a unit at the start"),
        "window": Quantity("time over which the units are read", "tau"),
        "horizon": Quantity("last reading", "tau"),
        "margin": Quantity("error that a reading may have"),
        "quantum": Quantity("change of an output that is announced"),
        "units": Quantity("features"),
        "memories": Quantity("stored patterns"),
        "beta": Quantity("inverse temperature"),
        "cues": Quantity("cues"),
    },
    results={
        "error": Quantity("largest error, read at one time", dims=("time",), within=NOT_NEGATIVE),
        "error_jittered": Quantity(
            "largest error, read within the window", dims=("time",), within=NOT_NEGATIVE
        ),
        "offset": Quantity("largest error that the quantum may leave", within=NOT_NEGATIVE),
        "t_read": Quantity("time from which on any reading is safe", "tau", within=NOT_NEGATIVE),
        "rate": Quantity("proven rate of decay lambda", "1/tau"),
    },
    sizes={
        "toy": {
            "staleness": (0.0, 1.0, 4.0),
            "distance": (0.05, 0.1, 0.3),
            "window": 2.0,
            "horizon": 40.0,
            "margin": 0.005,
            "quantum": 2e-4,
            "units": 32,
            "memories": 6,
            "beta": 0.25,
            "cues": 2,
            "repeats": 1,
        },
        "paper": {
            "staleness": (0.0, 1.0, 2.0, 4.0, 8.0, 16.0),
            "distance": (0.05, 0.1, 0.15, 0.2, 0.3, 0.4),
            "window": 2.0,
            "horizon": 60.0,
            "margin": 0.005,
            "quantum": 1e-4,
            "units": 64,
            "memories": 20,
            "beta": 0.2,
            "cues": 4,
            "repeats": 50,
        },
    },
    draw=draw,
    judge=judge,
    coordinates=coordinates,
)
run = EXPERIMENT.run

if __name__ == "__main__":
    from .runner.command import main

    raise SystemExit(main(EXPERIMENT))
