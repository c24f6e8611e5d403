r"""What do clocks that run freely change, against a barrier after each step?

Sign units in two cores look at their outputs once in a step P, and send them if they have changed:
all together at a barrier, or each core at the ticks of its own clock, of which one is skewed (a
random phase) and drifts.

Predictions:

- with messages that are up to half a step late, a barrier gives every seed the same recall;
- pairs of units that inhibit each other swing for ever if they look together and start alike, as
  half of them do (a cycle of length 2, as parallel updates have: Goles and Olivos 1981). Updates
  one by one have none, so any skew ends them;
- but units with a time constant do not follow at once. A unit that swings between -1 and +1 crosses
  0 a time tau ln(2 / (1 + exp(-P / tau))) after what drives it. Clocks that are less apart read the
  old sign, as if they were together: cycles are possible up to this gap, and not beyond;
- drifts of 6.25 and 100 ppm (SpiNNaker's boards; a cheap quartz) change overlaps by less than 0.01
  in 1000 tau.

Measured by events: pairs from random states (P at least tau ln 2), and a Hopfield network of 64
units with 4 patterns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .runner.experiment import NOT_NEGATIVE, SHARE, Claim, Experiment, Quantity
from .runner.tolerance import Mean, judged

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    import amsim as am

_STEPS, _LONG = 60, 1000.0  # steps of the pairs; tau of the recalls under drift
_NEAR = 0.1  # tau: gaps so near below the largest one are not judged; few starts lead to a cycle


def measure(
    *, seed: np.random.SeedSequence, period: float, skew: float, drift: float, pairs: int,
    features: int, patterns: int,
) -> Mapping[str, float]:  # fmt: skip
    """Let pairs swing, and recall a pattern, at barriers and by free clocks."""
    import amsim as am

    first, second, draw, damage = (int(word) for word in seed.generate_state(4))
    swap = np.roll(np.eye(2 * pairs), pairs, axis=1)
    start = np.random.default_rng(draw).uniform(-1, 1, 2 * pairs)
    found: dict[str, float] = {}
    clocks: dict[str, Any] = {
        "barrier": am.Barrier(period), "free": am.Periodic(period, skew=skew, per="group"),
    }  # fmt: skip
    for name, clock in clocks.items():
        timing = am.Timing(clock=clock, heartbeat=period / 2)  # every unit says at every tick
        events = _run(-swap, start, timing, _STEPS * period, first).events
        assert events is not None
        late = events[events.time > (_STEPS - 10) * period]
        found[f"cycles_{name}"] = float(
            np.mean([np.ptp(late.value[late.unit == unit]) > 0 for unit in range(pairs)])
        )
        ticks = (late.time[late.unit == unit][-1] for unit in (0, pairs))
        gap = float(np.subtract(*ticks) % period)
        found[f"gap_{name}"] = min(gap, period - gap)
    stored = am.patterns.random(patterns, features, seed=draw)
    cue = am.patterns.corrupt(stored[0], flip=0.25, seed=damage)
    weights = np.asarray(am.learning.hebbian(stored).weights)
    for name, clock in clocks.items():
        timing = am.Timing(clock=clock, scope="link", jitter=period / 2)
        ends = [_run(weights, cue, timing, 4 * period, k).final["v"] for k in (first, second)]
        found[f"differs_{name}"] = float(np.abs(ends[0] - ends[1]).max())
    overlaps = []
    for drifting in (0.0, drift):
        clock = am.Periodic(period, skew=skew, drift=drifting, per="group")
        final = _run(weights, cue, am.Timing(clock=clock), _LONG, first).final["v"]
        overlaps.append(float(np.sign(final) @ stored[0]) / features)
    return found | {"overlap": overlaps[1], "changed": abs(overlaps[1] - overlaps[0])}


def _run(weights: Any, start: Any, timing: Any, end: float, seed: int) -> am.Trajectory:
    """Sign units, one half in each of two cores."""
    import dataclasses

    import amsim as am

    size = len(start)
    net = am.Network({"v": am.Layer(size, am.Sign())}, [am.Dense(weights, between=("v", "v"))])
    fabric = am.Fabric(groups={"v": np.arange(size) * 2 // size})
    solver = am.EventDriven(
        0.5, dataclasses.replace(timing, fabric=fabric), record_events=timing.heartbeat is not None
    )
    return am.simulate(net, {"v": start}, solver=solver, t1=end, until=None, seed=seed)


def largest_gap(period: Any) -> Any:
    """How far apart clocks may be with which pairs still swing, in tau."""
    return np.log(2 / (1 + np.exp(-period)))


def judge(data: xr.Dataset) -> Sequence[Claim]:
    """Seeds, cycles and drifts."""
    differs = float(data.differs_barrier.max())
    claims: list[Claim | Mean] = [
        Claim("barrier: largest difference between seeds", differs, 0.0, differs < 1e-12),
        Claim("free clocks: mean of that difference", float(data.differs_free.mean())),
    ]
    swinging = data.cycles_barrier.mean(("period", "skew", "drift"))
    claims.append(Mean("barrier: share of pairs that swing for ever", swinging, 0.5, null=0.0))
    swing, gap, edge = data.cycles_free > 0, data.gap_free, largest_gap(data.period)
    for text, where, predicted in (
        ("any gap", gap > 1e-9, 0.0),
        ("gaps up to tau ln(2 / (1 + exp(-P / tau)))", gap < edge - _NEAR, 1.0),
        ("gaps beyond that", gap > edge, 0.0),
    ):
        if where.any():
            share = float(swing.where(where & data.gap_free.notnull()).mean())
            text = f"{text}: share of runs in which pairs swing for ever"
            claims.append(Claim(text, share, predicted, share == predicted))
    for drift in data.drift.values.tolist():
        if drift:
            changed = float(data.changed.sel(drift=drift).max())
            text = f"largest change of an overlap by a drift of {1e6 * drift:g} ppm"
            claims.append(Claim(text, changed, 0.0, changed < 0.01))
    return judged(claims)


def draw(data: xr.Dataset) -> Figure:
    """Pairs that swing on, over the gap between the clocks."""
    from amsim.gallery.style import BLUE, GREEN, ORANGE, RED, label, panels

    figure, ((left, right),) = panels(1, 2, 3.8)
    colours = (BLUE, ORANGE, GREEN, RED)
    for period, colour in zip(data.period.values.tolist(), colours, strict=False):
        part = data.sel(period=period)
        style: dict[str, Any] = {"color": colour, "ls": "none", "fillstyle": "none", "ms": 4}
        shares = 100 * part.cycles_free.values.ravel()
        text = f"P = {period:g} τ"
        left.plot(part.gap_free.values.ravel(), shares, "o", **style, label=text)
        left.axvline(largest_gap(period), color=colour, lw=1)
        at = (part.differs_free.values.ravel(), part.differs_barrier.values.ravel())
        right.plot(part.skew.values, part.differs_free.mean(("repeat", "drift")).values, "o-",
                   color=colour, ms=4, lw=1)  # fmt: skip
        right.axhline(at[1].max(), color="black", lw=1, ls="--")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=4,
                  frameon=False, title="vertical lines: predicted largest gap")  # fmt: skip
    label(left, "gap between the clocks of two cores (τ)", "pairs that swing for ever (%)")
    label(right, "skew of the clocks (share of a step)",
          "difference of a state between seeds\n(dashed: barrier)")  # fmt: skip
    return figure


EXPERIMENT = Experiment(
    name="free_clocks",
    question="What do clocks that run freely change, against a barrier after each step?",
    measure=measure,
    parameters={
        "period": Quantity("step P", "tau"),
        "skew": Quantity("spread of the first ticks", "step"),
        "drift": Quantity("spread of the periods"),
        "pairs": Quantity("pairs of units that inhibit each other"),
        "features": Quantity("units of the Hopfield network"),
        "patterns": Quantity("its patterns"),
    },
    results={
        "cycles_barrier": Quantity("share of pairs that swing for ever, barrier", within=SHARE),
        "cycles_free": Quantity("the same, free clocks", within=SHARE),
        "gap_barrier": Quantity("gap between the looks of two cores, barrier", "tau"),
        "gap_free": Quantity("the same, free clocks", "tau"),
        "differs_barrier": Quantity("difference of a state between two seeds, barrier"),
        "differs_free": Quantity("the same, free clocks", within=NOT_NEGATIVE),
        "overlap": Quantity("overlap with the pattern under drift"),
        "changed": Quantity("what the drift changed of it", within=NOT_NEGATIVE),
    },
    sizes={
        "toy": {
            "period": (1.0, 4.0), "skew": (0.0, 0.1, 0.5, 1.0), "drift": (1e-4,), "pairs": 64,
            "features": 64, "patterns": 4, "repeats": 5,
        },
        "paper": {
            "period": (1.0, 2.0, 4.0), "skew": (0.0, 0.01, 0.03, 0.1, 0.3, 0.5, 1.0),
            "drift": (6.25e-6, 1e-4), "pairs": 64, "features": 64, "patterns": 4, "repeats": 20,
        },
    },
    draw=draw,
    judge=judge,
)  # fmt: skip
run = EXPERIMENT.run

if __name__ == "__main__":
    from .runner.command import main

    raise SystemExit(main(EXPERIMENT))
