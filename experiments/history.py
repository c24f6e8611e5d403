r"""Does the history of memories before a cue matter?

With one delay d for all messages nothing destabilises a memory of gain sigma < 1. Yet states of the
two layers that do not fit each other live on: what the memories make of the cue and what the
features make of the memories' start pass each other, round after round, and mix only where one has
not yet faded when the other arrives. What is left by then is about e^(-d), so that transients grow
about threefold (e = 2.7) per tau of delay. Memories that start at what the cue makes of them,
h = Xi g(v), as after a long constant cue, have nothing to argue with: that is how `amsim.simulate`
starts by default. Memories that start at 0 are in between: at first they favour none.

Measured by events from damaged cues: how long until the recall settles (no message sent or under
way, small residuals), and whether the pattern was recalled, if memories start consistently, at 0,
or at random with the size of a consistent start. Registers hold the outputs of the start: the
history is constant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .runner.experiment import NOT_NEGATIVE, SHARE, Claim, Experiment, Quantity
from .runner.tolerance import Mean, judged

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

_QUANTA = {"visible": 0.02, "hidden": 0.01}
_TOLERANCE, _FLIP = 0.05, 0.15
_MESSAGES = 3_000_000  # after which a run is given up
_LONGEST = 1e5  # tau


def measure(
    *,
    seed: np.random.SeedSequence,
    start: str,
    delay: float,
    beta: float,
    features: int,
    memories: int,
) -> Mapping[str, float]:
    """Recall one damaged pattern."""
    import amsim as am

    rng = np.random.default_rng(seed)
    draw, damage = (int(word) for word in seed.generate_state(2))
    stored = am.patterns.random(memories, features, draw)
    cue = am.patterns.corrupt(stored[0], flip=_FLIP, seed=damage)
    net = am.dense_am(stored, hidden=am.Softmax(beta), tau_hidden=1.0)
    consistent = stored @ cue
    noise = rng.normal(size=memories)
    starts = {
        "consistent": consistent,
        "zero": np.zeros(memories),
        "random": noise * np.linalg.norm(consistent) / np.linalg.norm(noise),
    }
    if start not in starts:
        raise ValueError(f"start is {start!r}; use {', '.join(map(repr, starts))}")
    traj = am.simulate(
        net,
        {"visible": cue, "hidden": starts[start]},
        t1=_LONGEST,
        times=[_LONGEST],
        solver=am.EventDriven(_QUANTA, am.Timing(delay), announce="ahead", max_events=_MESSAGES),
        until=am.Settled(_TOLERANCE),
    )
    settled = traj.status == "settled"
    return {
        "settled": float(settled),
        "time": float(traj.settle_times),
        "recalled": float(settled and traj.final["visible"] @ stored[0] > 0.9 * features),
    }


def draw(data: xr.Dataset) -> Figure:
    """Settling time and recalled share over the delay."""
    from amsim.gallery.style import BLUE, ORANGE, RED, label, panels

    figure, ((left, right),) = panels(1, 2, 3.8)
    styles = {"consistent": (BLUE, "o"), "zero": (ORANGE, "s"), "random": (RED, "^")}
    for start, (colour, marker) in styles.items():
        if start not in data.start:
            continue
        part = data.sel(start=start)
        style = {"color": colour, "fillstyle": "none", "ms": 6, "marker": marker}
        times = part.time.quantile([0.1, 0.5, 0.9], "repeat")
        left.plot(data.delay, times.sel(quantile=0.5), **style, label=_WORDS[start])
        left.fill_between(data.delay, times[0], times[-1], color=colour, alpha=0.15, lw=0)
        right.plot(data.delay, 100 * part.recalled.mean("repeat"), **style)
    last = float(data.delay.max())
    fine = np.linspace(0.4 * last, last, 20)
    worst = float(data.time.median("repeat").max())
    left.plot(fine, 3 * worst * np.exp(fine - last), "k--", lw=1, label="threefold per τ")
    left.set_yscale("log")
    right.set_ylim(-3, 105)
    figure.legend(
        *left.get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False,
        fontsize="small", title="memories start",
    )  # fmt: skip
    label(left, "delay of every message (units of τ)", "time to settle (units of τ)")
    label(right, "delay of every message (units of τ)", "cues recalled (%)")
    return figure


def judge(data: xr.Dataset) -> Sequence[Claim]:
    """Consistent starts settle in some round trips; others take longer by a factor per tau."""
    claims: list[Claim | Mean] = []
    last = float(data.delay.max())
    trip = 2 * last + 2
    for start in data.start.values:
        part = data.sel(start=start)
        trips = float(part.time.sel(delay=last).median("repeat")) / trip
        if start == "consistent":
            for name in ("settled", "recalled"):
                share = float(part[name].mean())
                text = f"memories start {_WORDS[start]}: share of cues that are {name}"
                claims.append(Claim(text, share, 1.0, share == 1))
        elif len(data.delay) > 2:
            text = f"memories start {_WORDS[start]}: growth of ln(settling time) per tau of delay"
            if start == "random":
                claims.append(Mean(text, _growth(part.time), 1.0, null=0.0))
            else:
                claims.append(Claim(text, float(np.mean(_growth(part.time)))))
            share = float(part.recalled.sel(delay=last).mean())
            text = f"memories start {_WORDS[start]}: share of cues recalled at delay {last:g}"
            claims.append(Claim(text, share))
        text = f"memories start {_WORDS[start]}: round trips until settled at delay {last:g}"
        claims.append(Claim(text, trips))
    return judged(claims)


def _growth(times: xr.DataArray) -> NDArray[np.float64]:
    """Slope of the logarithm over the three longest delays, of each draw."""
    far = times.isel(delay=slice(-3, None))
    slopes: NDArray[np.float64] = np.polyfit(far.delay, np.log(far.transpose("delay", ...)), 1)[0]
    return slopes


_WORDS = {"consistent": "consistently", "zero": "at 0", "random": "at random"}
EXPERIMENT = Experiment(
    name="history",
    question="Does the history of memories before a cue matter?",
    measure=measure,
    parameters={
        "start": Quantity("where memories start"),
        "delay": Quantity("delay of every message", "tau"),
        "beta": Quantity("beta of the memories"),
        "features": Quantity("units of a pattern"),
        "memories": Quantity("stored patterns"),
    },
    results={
        "settled": Quantity("whether the recall settled", within=SHARE),
        "time": Quantity("time to settle", "tau", within=NOT_NEGATIVE),
        "recalled": Quantity("whether the pattern was recalled", within=SHARE),
    },
    sizes={
        "toy": {
            "start": ("consistent", "zero", "random"),
            "delay": (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0),
            "beta": 0.3,
            "features": 32,
            "memories": 5,
            "repeats": 24,
        },
        "paper": {
            "start": ("consistent", "zero", "random"),
            "delay": tuple(float(d) for d in np.linspace(0, 10, 21)),
            "beta": 0.3,
            "features": 128,
            "memories": 20,
            "repeats": 200,
        },
    },
    draw=draw,
    judge=judge,
)
run = EXPERIMENT.run

if __name__ == "__main__":
    from .runner.command import main

    raise SystemExit(main(EXPERIMENT))
