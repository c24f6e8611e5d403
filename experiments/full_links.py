r"""How deep must the FIFO of a shared link be, and what should happen when it is full?

All messages of a recall of a scanned digit go over one bus. Units send when their output has moved
by a quantum q, so after the cue N units send about 1.7 N / q messages per tau for a moment; "peak
load" is that rate over the bandwidth. Four buses:

- queue: places without end;
- wait: a unit that finds all places taken holds one message, and sends what its output is when it
  gets a place;
- coalesce: a newer message takes over the place of an older one by the same unit, so that each unit
  has one place;
- drop: what finds all places taken is lost, and its sender does not know.

Predictions, from what a register holds at rest:

- queue, wait and coalesce end with registers that are wrong by q at most, at any load and depth:
  the last message of a unit is never lost;
- wait sends less: what a unit says after waiting sums up what it would have said meanwhile. At peak
  load 6 at least two times fewer messages than the queue;
- drop leaves 8 q and more at peak load 2 and above, and places do not help: a FIFO that is full for
  tau holds bandwidth x tau messages, far more than it has places, so that 64 places leave more than
  half of the error of 16.

Measured by events, from cues with a fifth of the units flipped, until the cue has settled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .runner.experiment import NOT_NEGATIVE, Claim, Experiment, Quantity

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

_PEAK = 1.7  # messages per tau after the cue, in units of N / q
_BUSES = ("queue", "wait", "coalesce", "drop")
_END = 500.0  # tau


def measure(
    *,
    seed: np.random.SeedSequence,
    bus: str,
    places: int,
    peak: float,
    quantum: float,
    memories: int,
) -> Mapping[str, float]:
    """Recall one damaged pattern over one bus."""
    import amsim as am

    if bus not in _BUSES:
        raise ValueError(f"bus is {bus!r}; use {', '.join(map(repr, _BUSES))}")
    draw, damage = (int(word) for word in seed.generate_state(2))
    stored = am.patterns.digits(memories, seed=draw)
    cue = am.patterns.corrupt(stored[0], flip=0.2, seed=damage)
    net = am.dense_am(stored, visible=am.Tanh(), hidden=am.Tanh(), tau_hidden=1.0)
    units = sum(layer.size for layer in net.layers.values())
    bandwidth = _PEAK * units / (quantum * peak)
    policy: Any = "wait" if bus == "queue" else bus
    link = am.Link(bandwidth, fifo=places if bus in ("wait", "drop") else None, on_full=policy)
    solver = am.EventDriven(quantum, am.Timing(fabric=am.Fabric(hop=link)))
    traj = am.simulate(net, cue, solver=solver, t1=_END, until=am.Settled(1e-4))
    return {
        "settled": float(traj.status == "settled"),
        "error": float(traj.stats["register_error"]) / quantum,
        "messages": float(sum(traj.stats["messages"].values())),
        "wait": float(traj.stats["link_mean_wait"]["bus"]),
        "overlap": float(np.sign(traj.final["visible"]) @ stored[0] / len(cue)),
    }


def draw(data: xr.Dataset) -> Figure:
    """Errors of registers and messages over the places of a FIFO, at the highest load."""
    from amsim.gallery.style import BLUE, GREEN, ORANGE, RED, label, panels

    figure, ((left, right),) = panels(1, 2, 3.8)
    part = data.isel(peak=-1).mean("repeat")
    for bus, colour, marker in zip(_BUSES, (GREEN, BLUE, ORANGE, RED), "os^D", strict=True):
        if bus in data.bus:
            style = {"color": colour, "marker": marker, "fillstyle": "none", "ms": 6, "label": bus}
            left.plot(data.places, part.error.sel(bus=bus), **style)
            right.plot(data.places, part.messages.sel(bus=bus), **style)
    left.axhline(1.0, color="black", lw=0.8, ls=":")
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
    right.legend(frameon=False, loc="center left")
    load = float(data.peak[-1])
    label(left, f"places (peak load {load:g})", "largest error of a register, quanta")
    label(right, f"places (peak load {load:g})", "messages until settled")
    return figure


def judge(data: xr.Dataset) -> Sequence[Claim]:
    """What full links leave, against the predictions."""
    claims = []
    for bus in ("queue", "wait", "coalesce"):
        if bus in data.bus:
            worst = float(data.error.sel(bus=bus).max())
            rest = float(data.settled.sel(bus=bus).min())
            text = f"{bus}: largest error of a register at rest, in quanta"
            claims.append(Claim(text, worst, 1.0, worst <= 1 + 1e-9 and rest == 1.0))
    for load in (float(x) for x in data.peak.values):
        part = data.sel(peak=load)
        if load >= 2 and "drop" in data.bus:
            error = part.error.sel(bus="drop").mean("repeat")
            least = float(error.min())
            text = f"drop: error of a register in quanta at peak load {load:g}, best depth"
            claims.append(Claim(text, least, 8.0, least >= 8.0))
            if {16, 64} <= set(data.places.values.tolist()):
                left = float(error.sel(places=64) / error.sel(places=16))
                text = f"drop: error with 64 places over that with 16 at peak load {load:g}"
                claims.append(Claim(text, left, 1.0, left > 0.5))
        if load >= 6 and {"queue", "wait"} <= set(data.bus.values.tolist()):
            sent = part.messages.mean("repeat")
            fewer = float(sent.sel(bus="queue").mean() / sent.sel(bus="wait").mean())
            text = f"wait: messages of the queue over those of units that wait, peak load {load:g}"
            claims.append(Claim(text, fewer, 2.0, fewer >= 2.0))
    return claims


EXPERIMENT = Experiment(
    name="full_links",
    question="How deep must the FIFO of a shared link be, and what should happen when it is full?",
    measure=measure,
    parameters={
        "bus": Quantity("what happens when all places are taken"),
        "places": Quantity("places of the FIFO, for wait and drop"),
        "peak": Quantity("peak load: 1.7 N / q over the bandwidth"),
        "quantum": Quantity("quantum of all outputs", "output"),
        "memories": Quantity("stored digits"),
    },
    results={
        "settled": Quantity("whether the cue settled"),
        "error": Quantity("largest error of a register at the end", "quanta", within=NOT_NEGATIVE),
        "messages": Quantity("messages sent", within=NOT_NEGATIVE),
        "wait": Quantity("mean wait on the bus", "tau", within=NOT_NEGATIVE),
        "overlap": Quantity("overlap of the signs with the pattern"),
    },
    sizes={
        "toy": {
            "bus": _BUSES,
            "places": (1, 16, 64),
            "peak": (0.5, 2.0, 6.0),
            "quantum": 0.02,
            "memories": 10,
            "repeats": 3,
        },
        "paper": {
            "bus": _BUSES,
            "places": (1, 2, 4, 8, 16, 32, 64),
            "peak": (0.5, 1.0, 2.0, 4.0, 6.0),
            "quantum": 0.02,
            "memories": 10,
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
