r"""Do losses and delays that units share hurt more than those that each unit has for itself?

All features of a memory sit on one board. Their messages are lost or late one by one, or together:

- own jitter: each message is late by a time of its own, uniform in [0, 1] tau;
- common jitter: all that leave the board are late by the same, which changes every 100 tau;
- single losses: each message is lost with the probability p;
- bursts: the board is cut off for 100 tau in the mean, a share p of all times (Gilbert, Elliott);
- short bursts, heartbeat: for 20 tau, and units repeat themselves after 2 tau of silence.

Predictions: as many messages are lost by bursts as one by one. What a memory hears adds up N
messages, so own jitter and single losses spread it as N^(-1/2), and what is shared as N^0. A run in
which a board is cut off fails as a whole: if 5 % of wrong units are tolerable, single losses never
fail, long bursts fail in the share p of the runs, and with a heartbeat those fail in which a burst
lasts to the end T, p exp(-T / 20).

Measured by events: the overlap with the recalled pattern as its memory hears it, after 1.5 tau,
when features are moving, and after T = 20 tau. A run fails if the last is below 0.9.
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

_LONG, _SHORT, _HEARTBEAT, _EARLY, _END = 100.0, 20.0, 2.0, 1.5, 20.0  # tau
POWERS = {
    "own jitter": -0.5, "common jitter": 0.0, "single losses": -0.5, "bursts": 0.0,
    "short bursts, heartbeat": 0.0,
}  # fmt: skip
_HEAL = 1.0  # tau that a recall takes once messages come through


def timing(kind: str, loss: float) -> Any:
    """The `amsim.Timing` of one kind."""
    import amsim as am

    def bursts(bad: float) -> am.Bursts:
        return am.Bursts(good=bad * (1 - loss) / loss, bad=bad)

    if kind == "own jitter":
        return am.Timing(jitter=1.0)
    if kind == "common jitter":
        return am.Timing(common_jitter=am.CommonJitter(1.0, correlation=_LONG))
    if kind == "single losses":
        return am.Timing(drop=loss)
    if kind == "bursts":
        return am.Timing(bursts=bursts(_LONG))
    if kind == "short bursts, heartbeat":
        return am.Timing(bursts=bursts(_SHORT), heartbeat=_HEARTBEAT)
    raise ValueError(f"kind is {kind!r}; use {', '.join(map(repr, POWERS))}")


def measure(
    *, seed: np.random.SeedSequence, kind: str, features: int, loss: float, runs: int
) -> Mapping[str, float]:
    """Recall one damaged pattern some times."""
    import amsim as am

    draw, damage, *seeds = (int(word) for word in seed.generate_state(2 + runs))
    stored = am.patterns.random(4, features, seed=draw)
    cue = am.patterns.corrupt(stored[0], flip=0.25, seed=damage)
    net = am.dense_am(stored, hidden=am.Softmax(40 / features), tau_hidden=0.1)
    solver = am.EventDriven(0.05, timing(kind, loss))
    heard, lost, sent = np.empty((runs, 2)), 0.0, 0.0
    for k, each in enumerate(seeds):
        traj = am.simulate(net, cue, solver=solver, times=[_EARLY, _END], until=None, seed=each)
        heard[k] = traj["hidden"][:, 0] / features
        lost += float(traj.stats.get("drops", 0.0))
        sent += float(sum(traj.stats["messages"].values()))
    return {
        "spread": float(heard[:, 0].std(ddof=1)),
        "failed": float((heard[:, 1] < 0.9).mean()),
        "lost": lost / sent,
    }


def failing(kind: str, loss: float) -> float:
    """The predicted share of runs that fail."""
    if kind == "bursts":
        return loss
    return loss * float(np.exp(-(_END - _HEAL) / _SHORT)) if "heartbeat" in kind else 0.0


def judge(data: xr.Dataset) -> Sequence[Claim]:
    """Powers of the number of units, losses, and runs that fail."""
    claims: list[Claim | Mean] = []
    sizes, loss = data.features.values, float(data.loss)
    for kind in data.kind.values.tolist():
        part = data.sel(kind=kind)
        if len(sizes) > 1:
            first, last = (part.spread.sel(features=size) for size in (sizes.min(), sizes.max()))
            power = np.log(last / first) / np.log(sizes.max() / sizes.min())
            null = -0.5 - POWERS[kind]
            text = f"{kind}: power of the number of units in the spread"
            claims.append(Mean(text, power, POWERS[kind], null=null, resolution=0.001))
        if "jitter" in kind:
            continue
        text = f"{kind}: share of runs that fail"
        failed, expected = part.failed.mean("features"), failing(kind, loss)
        if expected:
            claims.append(Mean(text, failed, expected, null=0.0))
        else:
            most = float(failed.max())
            claims.append(Claim(text, most, 0.0, most == 0.0))
        if "heartbeat" not in kind:
            text = f"{kind}: share of messages that are lost"
            claims.append(Mean(text, part.lost.mean("features"), loss, null=0.0))
    return judged(claims)


def draw(data: xr.Dataset) -> Figure:
    """Spreads over the number of units, and runs that fail."""
    from amsim.gallery.style import BLUE, GREEN, ORANGE, PURPLE, RED, label, panels

    figure, ((left, right),) = panels(1, 2, 3.8)
    loss, sizes = float(data.loss), data.features.values
    ways = zip((BLUE, RED, GREEN, ORANGE, PURPLE), "os^Dv", strict=True)
    styles = dict(zip(POWERS, ways, strict=True))
    kinds = data.kind.values.tolist()
    for place, kind in enumerate(kinds):
        colour, marker = styles[kind]
        part = data.sel(kind=kind)
        spread = part.spread.mean("repeat").values
        left.plot(sizes, spread, marker, color=colour, fillstyle="none", label=kind)
        law = spread[0] * (sizes / sizes[0]) ** POWERS[kind]
        left.plot(sizes, law, "-", color=colour, lw=1)
        failed = part.failed.mean("features")
        error = float(failed.std("repeat")) / max(failed.sizes["repeat"] - 1, 1) ** 0.5
        right.errorbar(place, 100 * failed.mean(), 100 * error, fmt=marker, color=colour)
        if "jitter" not in kind:
            right.plot(place, 100 * failing(kind, loss), "k_", ms=16)
    left.set_xscale("log", base=2)
    left.set_yscale("log")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=5,
                  frameon=False, fontsize="small")  # fmt: skip
    right.set_xticks(range(len(kinds)), [kind.replace(" ", "\n") for kind in kinds],
                     fontsize="small")  # fmt: skip
    label(left, "features (lines: powers 0 and -1/2)", "spread of what is heard (overlap)")
    label(right, "", "runs that fail (%); bar: predicted")
    return figure


EXPERIMENT = Experiment(
    name="shared_losses",
    question="Do losses and delays that units share hurt more than those of each unit?",
    measure=measure,
    parameters={
        "kind": Quantity("what is lost or late, and who shares it"),
        "features": Quantity("units of a pattern"),
        "loss": Quantity("share of messages that are lost"),
        "runs": Quantity("runs of a pattern"),
    },
    results={
        "spread": Quantity("standard deviation of the overlap that is heard", within=NOT_NEGATIVE),
        "failed": Quantity("share of runs that fail", within=SHARE),
        "lost": Quantity("share of messages that were lost", within=SHARE),
    },
    sizes={
        "toy": {
            "kind": tuple(POWERS), "features": (64, 256), "loss": 0.1, "runs": 40, "repeats": 12,
        },
        "paper": {
            "kind": tuple(POWERS), "features": (64, 128, 256, 512), "loss": 0.05, "runs": 200,
            "repeats": 20,
        },
    },
    draw=draw,
    judge=judge,
)  # fmt: skip
run = EXPERIMENT.run

if __name__ == "__main__":
    from .runner.command import main

    raise SystemExit(main(EXPERIMENT))
