r"""Which quantum does a shared bus allow?

Units send when their output has moved by a quantum q, all over one bus that serves a message in the
time S, one after the other. Coarse quanta send what is old by up to q; fine ones send so much that
messages queue, and what arrives is as old as the queue is long.

Prediction: what receivers hold is off by q / 2 and by the slope of the outputs times the wait.
After a cue N tanh units send 1.7 N / q messages per tau for a moment, so queues begin at the
quantum q* = 1.7 N S / tau: the error is smallest there, and grows with q above it and with the wait
below it. One port of BrainScaleS-2 (S = 8 ns, tau = 10 us) gives q* = 0.1 for 74 units.

Measured by events, on digits with a fifth of the pixels flipped: the mean distance of the features'
outputs from what arrived of them last, at its worst moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .runner.experiment import NOT_NEGATIVE, Claim, Experiment, Quantity
from .runner.tolerance import Mean, judged

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

_PEAK = 1.7  # messages per tau after the cue, in units of N / q
_TIMES = np.linspace(0.0, 4.0, 401)  # tau


def measure(
    *, seed: np.random.SeedSequence, star: float, ratio: float, memories: int
) -> Mapping[str, float]:
    """Recall one damaged pattern over one bus."""
    import amsim as am

    draw, damage = (int(word) for word in seed.generate_state(2))
    stored = am.patterns.digits(memories, seed=draw)
    cue = am.patterns.corrupt(stored[0], flip=0.2, seed=damage)
    net = am.dense_am(stored, visible=am.Tanh(), hidden=am.Tanh(), tau_hidden=1.0)
    service = star / (_PEAK * sum(layer.size for layer in net.layers.values()))
    bus = am.Timing(fabric=am.Fabric(hop=am.Link(1 / service)))
    solver = am.EventDriven(ratio * star, bus, record_events=True)
    traj = am.simulate(net, cue, solver=solver, times=_TIMES, until=None)
    assert traj.events is not None
    arrivals = queued(traj.events.time, service)
    outputs = np.tanh(traj["visible"])
    heard = outputs[0] + np.zeros_like(outputs)
    for unit in range(outputs.shape[1]):
        mine = (traj.events.layer == "visible") & (traj.events.unit == unit)
        last = np.searchsorted(arrivals[mine], _TIMES, side="right")
        heard[:, unit] = np.r_[outputs[0, unit], traj.events.value[mine]][last]
    slopes = np.abs(np.gradient(outputs, _TIMES, axis=0)).mean(axis=1)
    wait = float(np.mean(arrivals - traj.events.time)) - service
    return {
        "error": float(np.abs(outputs - heard).mean(axis=1).max()),
        "expected": ratio * star / 2 + float(slopes.max()) * wait,
        "wait": wait,
    }


def queued(sent: NDArray[np.float64], service: float) -> NDArray[np.float64]:
    """When messages arrive that one server serves in turn (Lindley 1952)."""
    work = service * np.arange(1, len(sent) + 1)
    return np.asarray(np.maximum.accumulate(sent - work + service) + work)


def best(data: xr.Dataset) -> Any:
    """The quantum of the smallest error over q*, of each draw."""
    return data.ratio[data.error.fillna(np.inf).argmin("ratio")]


def judge(data: xr.Dataset) -> Sequence[Claim]:
    """Where the error is smallest, and what it is on both sides."""
    claims: list[Claim | Mean] = []
    ratios = data.ratio.values
    for star in data.star.values.tolist():
        part = data.sel(star=star)
        if len(ratios) > 2:
            text = f"q* = {star:g}: log2 of the best quantum over q*"
            step = float(np.log2(ratios[1:] / ratios[:-1]).max()) / 2
            claims.append(Mean(text, np.log2(best(part)), 0.0, null=2.0, resolution=step))
        for ratio in ratios.tolist():
            if ratio in (0.25, 4.0):
                text = f"q* = {star:g}: error at {ratio:g} q* over q / 2 + slope x wait"
                share = part.sel(ratio=ratio)
                claims.append(Mean(text, share.error / share.expected, 1.0, null=2.0))
                if 1.0 in ratios:
                    text = f"q* = {star:g}: error at {ratio:g} q* over that at q*"
                    over = share.error / part.error.sel(ratio=1.0)
                    claims.append(Mean(text, over, 1.0, side="above"))
    return judged(claims)


def draw(data: xr.Dataset) -> Figure:
    """The error over the quantum, one curve for each bus."""
    from amsim.gallery.style import BLUE, GREEN, ORANGE, label, panels

    figure, ((left, right),) = panels(1, 2, 3.8)
    mean = data.mean("repeat")
    ways = zip((BLUE, ORANGE, GREEN), "os^", strict=True)
    for star, (colour, marker) in zip(data.star.values.tolist(), ways, strict=False):
        part = mean.sel(star=star)
        style: dict[str, Any] = {"color": colour, "marker": marker, "ms": 5, "fillstyle": "none"}
        left.plot(star * data.ratio, part.error, **style)
        left.plot(star * data.ratio, part.expected, ":", color=colour, lw=1)
        left.axvline(star, color=colour, lw=0.6, alpha=0.6)
        right.plot(data.ratio, part.wait, **style, label=f"q* = {star:g}")
    for axes in (left, right):
        axes.set_xscale("log", base=10)
        axes.set_yscale("log")
    ratios = data.ratio.values
    right.set_xticks(ratios, [f"{ratio:g}" for ratio in ratios])
    right.set_xticks([], minor=True)
    right.legend(frameon=False, title="dotted (a): q/2 + slope x wait", title_fontsize="small")
    label(left, "quantum q", "error of what is held (output)")
    label(right, "quantum over q*", "mean wait on the bus (τ)")
    return figure


EXPERIMENT = Experiment(
    name="bus_quantum",
    question="Which quantum does a shared bus allow?",
    measure=measure,
    parameters={
        "star": Quantity("q*: the quantum at which the bus is just full after the cue", "output"),
        "ratio": Quantity("quantum over q*"),
        "memories": Quantity("stored digits"),
    },
    results={
        "error": Quantity("mean error of what is held, at its worst", within=NOT_NEGATIVE),
        "expected": Quantity("q / 2 + slope x wait", within=NOT_NEGATIVE),
        "wait": Quantity("mean wait on the bus", "tau"),
    },
    sizes={
        "toy": {
            "star": (0.02, 0.1), "ratio": (0.25, 0.5, 1.0, 2.0, 4.0), "memories": 10,
            "repeats": 5,
        },
        "paper": {
            "star": (0.01, 0.03, 0.1), "memories": 10, "repeats": 20,
            "ratio": tuple(float(x) for x in 2.0 ** np.arange(-4, 4.1, 0.5)),
        },
    },
    draw=draw,
    judge=judge,
)  # fmt: skip
run = EXPERIMENT.run

if __name__ == "__main__":
    from .runner.command import main

    raise SystemExit(main(EXPERIMENT))
