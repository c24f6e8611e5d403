"""When a recall may stop: the naive rule, one that waits for messages, and the depth of hard cues.

Cues lie on the way from the border between two memories (a saddle) to one of them, all units have
the same delay, and events are followed until |tau dx/dt| <= tolerance everywhere: at once
("naive"), or once no output has moved by a quantum for as long as a message may travel
("windowed").

Predictions (docs/stability.md, docs/events.md):

- Before the first message arrives, the residual of a unit is |F_i| e^(-t/tau), F its force at the
  start. If all are below the tolerance before that, at t = tau ln(max |F| / tolerance), the naive
  rule stops there, however far from rest.
- The windowed rule stops within (tolerance + |W| quantum) / (1 - L) of rest, as computed at the
  memory by `amsim.dynamics.events.distance_bound`. Near the border there is no such L: cues whose
  force is below the tolerance are at rest for every local rule.
- Depth adapts to the cue: near the border the distance from it grows by the factor sigma = beta
  xi . v per update of `FixedPoint`, and in time like e^(lambda t), (1 + lambda)^2 = sigma, if tau
  is 1 in both layers. Updates grow by 1 / ln(sigma), and time by 1 / lambda, for each factor e by
  which a cue is nearer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .runner.experiment import NOT_NEGATIVE, Claim, Experiment, Quantity
from .runner.tolerance import LEVEL

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RULES = ("naive", "windowed")
_SAMPLING = 0.02  # between two looks at the equation, in tau


def measure(
    *,
    seed: np.random.SeedSequence,
    delay: float,
    lead: float,
    jitter: float,
    tolerance: float,
    quantum: float,
    units: int,
    memories: int,
    beta: float,
) -> Mapping[str, float]:
    """Recall one cue by both rules, by updates, and by the differential equation."""
    from scipy.linalg import hadamard

    import amsim as am
    from amsim.dynamics.events import distance_bound

    signs, timing_seed = (int(word) for word in seed.generate_state(2))
    # Orthogonal memories: by symmetry the border between two of them goes through their mixture.
    stored = hadamard(units)[1 : memories + 1] * am.patterns.random(1, units, signs)
    net = am.dense_am(stored, hidden=am.Softmax(beta), tau_hidden=1.0)
    target = am.stability.find(net, stored[0]).states
    rest, border = target["visible"], am.stability.find(net, stored[:2].mean(axis=0)).states
    cue = lead * rest + (1 - lead) * border["visible"]

    sigma = float(beta * stored[0] @ border["visible"])
    if sigma <= 1:
        raise ValueError(f"beta = {beta:g} leaves no border between two memories; use a larger one")
    force = net.force({"visible": cue, "hidden": stored @ cue})
    largest = max(float(np.abs(part).max()) for part in force.values())
    promise = distance_bound(net, target, residual=tolerance, register_error=quantum)
    found = {
        "first_quiet": float(np.log(max(largest / tolerance, 1.0))),
        "promise": float(promise["visible"].max()),
        "sigma": sigma,
    }
    solver = am.EventDriven(quantum, am.Timing(delay=delay, jitter=jitter))
    for rule in RULES:
        until = am.Settled(tolerance, naive=rule == "naive")
        traj = am.simulate(net, cue, solver=solver, until=until, seed=timing_seed)
        found[f"{rule}_time"] = float(traj.settle_times)
        found[f"{rule}_distance"] = float(np.abs(traj.final["visible"] - rest).max())
        found[f"{rule}_messages"] = float(sum(traj.stats["messages"].values()))
    fine = am.Settled(1e-6)
    found["updates"] = float(am.simulate(net, cue, solver=am.FixedPoint(), until=fine).times[-1])
    path = am.simulate(net, cue, times=np.arange(0.0, 100.0, _SAMPLING), until=fine)
    near = np.abs(path["visible"] - rest).max(axis=1) < tolerance
    found["ode_time"] = float(path.times[near.argmax()]) if near.any() else np.nan
    return found


def draw(data: xr.Dataset) -> Figure:
    """Distances and times at which the rules stop, and the depth over the lead of the cue."""
    from amsim.gallery.style import BLUE, GREEN, ORANGE, label, panels

    figure, axes = panels(1, 3, 3.3)
    distance, time, depth = axes[0]
    moving = data.where(data.first_quiet > 0)
    dodge = 0.01 * float(data.delay.max())
    for rule, color, marker, shift in (("naive", ORANGE, "x", dodge), ("windowed", BLUE, "o", 0)):
        for ax, name in ((distance, "distance"), (time, "time")):
            cues = moving[f"{rule}_{name}"].stack(cue=("lead", "repeat"))
            line = {"color": color, "marker": marker, "ms": 4, "ls": ""}
            ax.plot(data.delay + shift, cues.transpose("delay", "cue"), **line)
            line["ls"] = "-" if name == "time" else ""
            ax.plot([], [], label=rule, **line)
            if name == "time":
                ax.plot(data.delay, cues.median("cue"), color=color)
    distance.axhline(float(data.promise.max()), color="k", ls=":", label="promised")
    distance.set_yscale("log")
    distance.legend(fontsize=8, loc="center right")
    time.legend(fontsize=8, loc="upper left")
    label(distance, "delay (τ)", "distance from rest", "where the rules stop")
    label(time, "delay (τ)", "time (τ)", "when (lines: medians)")
    per_lead = data.mean(("delay", "repeat"))
    for name, color, text in (("updates", GREEN, "updates"), ("ode_time", BLUE, "ODE, time (τ)")):
        depth.plot(data.lead, per_lead[name], "o", color=color, ms=4, label=text)
        _draw_slope(depth, data, name)
    depth.plot([], [], "k:", label="theory: slope")
    depth.set(xscale="log", ylim=(0, None))
    depth.legend(fontsize=8, loc="lower left")
    label(depth, "lead over the border", "depth", "harder cues take longer")
    return figure


def judge(data: xr.Dataset) -> Sequence[Claim]:
    """Stops of both rules against the promise, and the growth of the depth."""
    open_cues = data.first_quiet > 0
    broken = {r: (data[f"{r}_distance"] > data.promise) & open_cues for r in RULES}
    deaf = open_cues & (data.first_quiet < data.delay)
    late = abs(data.naive_time - data.first_quiet).where(deaf)
    naive, windowed = (int(broken[rule].sum()) for rule in RULES)
    claims = [Claim("windowed stops farther from rest than promised", windowed, 0.0, windowed == 0)]
    if deaf.any():
        worst = float(late.max())
        text = "naive stops before any message: error of tau ln(|F| / tolerance)"
        claims.append(Claim(text, worst, 0.0, worst < _ROUNDING))
    for name, text in (
        ("updates", "updates per factor e in the lead"),
        ("ode_time", "time to rest of the ODE per factor e in the lead (tau)"),
    ):
        if (data.lead < _NEAR).sum() > 2:
            (measured, slack), predicted = _slope(data, name), _predicted_slope(data, name)
            near = abs(measured - predicted) <= slack
            claims.append(Claim(f"{text} (± {slack:.2g})", measured, predicted, near))
    still = (data.windowed_distance > data.promise) & ~open_cues
    longer = float((data.windowed_time / data.naive_time).where(~broken["naive"] & open_cues).max())
    return [
        *claims,
        Claim("cues within the tolerance of the border: windowed stops there", still.sum()),
        Claim("naive stops farther from rest than promised", naive),
        Claim("all naive stops before any message", int(deaf.sum())),
        Claim(
            "largest distance from rest of a naive stop",
            float(data.naive_distance.where(open_cues).max()),
        ),
        Claim("windowed over naive time where naive is right", longer),
    ]


_ROUNDING = 1e-9  # of a time
_NEAR = 0.05  # leads for which the dynamics near the border is linear


def _slope(data: xr.Dataset, name: str) -> tuple[float, float]:
    """Growth of a depth for each factor e by which the lead is smaller, and how far it may be off.

    A depth is a whole number of updates, or of looks at the equation: each may be off by half of
    one, beside what the points are off the line.
    """
    from scipy.stats import linregress, t

    near = data.where(data.lead < _NEAR, drop=True)
    x = -np.log(near.lead.values)
    fit = linregress(x, near[name].mean(("delay", "repeat")).values)
    away = x - x.mean()
    rounding = (1.0 if name == "updates" else _SAMPLING) / 2 * np.abs(away).sum() / (away**2).sum()
    # Two depths are judged.
    return float(fit.slope), float(rounding + t.ppf(1 - LEVEL / 4, len(x) - 2) * fit.stderr)


def _predicted_slope(data: xr.Dataset, name: str) -> float:
    sigma = float(data.sigma.mean())
    return float(1 / np.log(sigma) if name == "updates" else 1 / (np.sqrt(sigma) - 1))


def _draw_slope(ax: Axes, data: xr.Dataset, name: str) -> None:
    """A line of the predicted slope through the mean of the points to which it applies."""
    near = data.where(data.lead < _NEAR, drop=True)
    if near.lead.size:
        x = np.log(near.lead)
        y = float(near[name].mean()) - _predicted_slope(data, name) * (x - x.mean())
        ax.plot(near.lead, y, "k:", lw=1.3)


EXPERIMENT = Experiment(
    name="halting",
    question="When may a recall stop, and how deep do hard cues go?",
    measure=measure,
    parameters={
        "delay": Quantity("delay of a message", "tau"),
        "lead": Quantity("lead of the cue: 0 at the border, 1 at the memory"),
        "jitter": Quantity("largest further delay of a message", "tau"),
        "tolerance": Quantity("largest residual at rest"),
        "quantum": Quantity("change of an output that is announced"),
        "units": Quantity("features, a power of 2"),
        "memories": Quantity("stored patterns"),
        "beta": Quantity("inverse temperature"),
    },
    results={
        "first_quiet": Quantity(
            "time of small residuals if no message arrives", "tau", within=NOT_NEGATIVE
        ),
        "promise": Quantity("promised distance from rest", within=NOT_NEGATIVE),
        "sigma": Quantity("gain of an update at the border"),
        "naive_time": Quantity("time at which the naive rule stops", "tau", within=NOT_NEGATIVE),
        "naive_distance": Quantity(
            "distance from rest where the naive rule stops", within=NOT_NEGATIVE
        ),
        "naive_messages": Quantity("messages until the naive rule stops", within=NOT_NEGATIVE),
        "windowed_time": Quantity(
            "time at which the windowed rule stops", "tau", within=NOT_NEGATIVE
        ),
        "windowed_distance": Quantity(
            "distance from rest where the windowed rule stops", within=NOT_NEGATIVE
        ),
        "windowed_messages": Quantity(
            "messages until the windowed rule stops", within=NOT_NEGATIVE
        ),
        "updates": Quantity("updates of FixedPoint until settled", within=NOT_NEGATIVE),
        "ode_time": Quantity(
            "time until the ODE is within the tolerance of rest", "tau", within=NOT_NEGATIVE
        ),
    },
    sizes={
        "toy": {
            "delay": (0.0, 1.0, 2.0, 4.0, 8.0),
            "lead": (0.3, 0.1, 0.03, 0.01, 0.003, 1e-3, 1e-4, 1e-5),
            "jitter": 0.2,
            "tolerance": 0.01,
            "quantum": 2e-3,
            "units": 32,
            "memories": 4,
            "beta": 0.2,
            "repeats": 1,
        },
        "paper": {
            "delay": (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 16.0),
            "lead": tuple(float(x) for x in np.geomspace(1e-5, 0.5, 20)),
            "jitter": 0.2,
            "tolerance": 0.01,
            "quantum": 1e-3,
            "units": 128,
            "memories": 20,
            "beta": 0.1,
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
