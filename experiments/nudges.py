r"""How far is the gradient that nudged phases measure from that of the loss?

Equilibrium propagation compares the rests of two phases, with the inputs -nudge dL/dg and +nudge
dL/dg. The rest is a smooth function of the nudge, so the centred difference is off by O(nudge^2),
and the difference from the free rest by O(nudge).

Messages know outputs to a quantum q. A phase by events rests within some quanta of the rest of the
equation, and the difference of two phases is divided by the nudge: beside the bias of the nudge
there is an error of the order of q / nudge.

Measured on random networks of linear features, half of them clamped, and Tanh memories. Events have
delays; their error is the distance from what the equation measures with the same nudge.
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

_PHASES = ("centred", "one-sided", "events")
_DELAY, _GAIN = 0.1, 0.4


def measure(
    *, seed: np.random.SeedSequence, phases: str, nudge: float, quantum: float, units: int
) -> Mapping[str, float]:
    """Relative error of one gradient."""
    import amsim as am

    if phases not in _PHASES:
        raise ValueError(f"phases is {phases!r}; use {', '.join(map(repr, _PHASES))}")
    rng = np.random.default_rng(seed)
    net = am.dense_am(
        _GAIN * rng.normal(size=(units, 2 * units)) / np.sqrt(units),
        hidden=am.Tanh(),
        tau_hidden=0.5,
        bias_visible=rng.normal(size=2 * units),
    )
    cue, target = rng.normal(size=2 * units), rng.normal(size=units)
    loss = am.learning.SquaredError("visible", target, units=slice(units, None))
    given: dict[str, Any] = {"clamp": np.arange(2 * units) < units}
    exactly = {**given, "solver": am.FixedPoint(100_000), "until": am.Settled(1e-12)}
    nudged: dict[str, Any] = {"method": "equilibrium_propagation", "nudge": nudge}
    gradient = am.learning.gradient
    if phases == "events":
        reference = gradient(net, cue, loss, **exactly, **nudged)
        events = am.EventDriven(quantum, am.Timing(_DELAY))
        found = gradient(
            net, cue, loss, **given, **nudged, solver=events, until=am.Settled(20 * quantum)
        )
    else:
        reference = gradient(net, cue, loss, **exactly)
        found = gradient(net, cue, loss, **exactly, **nudged, centred=phases == "centred")
    one, other = (x.parameters["hidden-visible"]["weights"] for x in (found, reference))
    used = found.used.all() and reference.used.all()
    size = float(np.linalg.norm(other))
    return {"error": float(np.linalg.norm(one - other)) / size if used else float("nan")}


def slopes(data: xr.Dataset, phases: str, axis: str) -> Any:
    """Powers of the nudge, or of the quantum, by which errors grow: one of each repeat."""
    part = np.log(data.error.sel(phases=phases))
    other = "quantum" if axis == "nudge" else "nudge"
    chosen = part.isel({other: 0}) if phases == "events" else part.isel(quantum=0)
    chosen = chosen if axis == "nudge" else part.isel(nudge=0)
    steps = np.log(data[axis].values[:2])
    ends = chosen.isel({axis: 1}) - chosen.isel({axis: 0})
    return ends / (steps[1] - steps[0])


def judge(data: xr.Dataset) -> Sequence[Claim]:
    """The powers of the smallest nudges and quanta, against their predictions."""
    claims: list[Claim | Mean] = []
    laws = {"centred": (2.0, 1.0, 0.02), "one-sided": (1.0, 2.0, 0.05), "events": (-1.0, 0.0, 0.1)}
    for phases, (power, null, resolution) in laws.items():
        if phases in data.phases and data.sizes["nudge"] > 1:
            text = f"{phases}: power of the nudge by which the error grows"
            found = slopes(data, phases, "nudge")
            claims.append(Mean(text, found, power, null=null, resolution=resolution))
    if "events" in data.phases and data.sizes["quantum"] > 1:
        text = "events: power of the quantum by which the error grows"
        claims.append(Mean(text, slopes(data, "events", "quantum"), 1.0, null=0.0, resolution=0.1))
    return judged(claims)


def draw(data: xr.Dataset) -> Figure:
    """Errors over the nudge."""
    from amsim.gallery.style import BLUE, GREEN, ORANGE, RED, label, panels

    figure, ((ax,),) = panels(1, 1, 4.2)
    nudge = data.nudge.values
    mean = np.exp(np.log(data.error).mean("repeat"))
    for phases, colour, marker, power in (("centred", BLUE, "o", 2), ("one-sided", ORANGE, "s", 1)):
        if phases in data.phases:
            error = mean.sel(phases=phases).isel(quantum=0).values
            ax.loglog(nudge, error, marker, color=colour, ms=6, label=f"{phases}: nudge^{power}")
            ax.loglog(nudge, error[0] * (nudge / nudge[0]) ** power, "-", color=colour, lw=1)
    if "events" in data.phases:
        for quantum, colour, marker in zip(data.quantum.values, (GREEN, RED), "^D", strict=False):
            error = mean.sel(phases="events", quantum=quantum).values
            ax.loglog(nudge, error, marker, color=colour, ms=6,
                      label=f"events, quantum {quantum:g}: quantum / nudge")  # fmt: skip
            ax.loglog(nudge, error[0] * nudge[0] / nudge, "--", color=colour, lw=1)
    ax.legend(frameon=False, fontsize="small")
    label(ax, "nudge", "relative error of the gradient")
    return figure


EXPERIMENT = Experiment(
    name="nudges",
    question="How far is the gradient that nudged phases measure from that of the loss?",
    measure=measure,
    parameters={
        "phases": Quantity("how both phases are run and compared"),
        "nudge": Quantity("size of the nudge"),
        "quantum": Quantity("quantum of all outputs, of events", "output"),
        "units": Quantity("free units, and as many memories"),
    },
    results={
        "error": Quantity("relative error of the gradient by the weights", within=NOT_NEGATIVE)
    },
    sizes={
        "toy": {
            "phases": _PHASES,
            "nudge": (0.02, 0.04, 0.08, 0.16, 0.32),
            "quantum": (0.0001, 0.0004),
            "units": 4,
            "repeats": 20,
        },
        "paper": {
            "phases": _PHASES,
            "nudge": (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64),
            "quantum": (0.0001, 0.0004),
            "units": 16,
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
