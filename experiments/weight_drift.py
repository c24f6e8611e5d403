r"""How long does a memory last in devices whose conductance drifts?

Phase-change memory loses conductance as (t / 20 s)^(-nu). In a published fit (Nandakumar et al.
2019, as in aihwkit) nu is 0.05 with a spread of 0.008 among devices: after a day 34 % are gone, and
devices differ by 7 %.

- drift: both;
- common: every device drifts with the mean nu;
- one gain: both, and all weights of the array are multiplied by what they lost in the mean.

Predictions: a memory fails by what devices lose in common, not by what they differ: "drift" and
"common" are alike, and one gain restores all at any age. With weights that are left to the share a
the memory that wins has the output f = 1 / (1 + (K - 1) exp(-beta D a^2 f)), and features are a f
times the pattern (other memories being at right angles to it). The largest solution vanishes where
beta a^2 is too small: an aged memory fails at once, and later with a larger beta.

Measured with the differential equation, from cues with a fifth of the units flipped; a device is
read from both sides, so weights are symmetric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .runner.experiment import Claim, Experiment, Quantity
from .runner.tolerance import Mean, judged

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

_KINDS = ("drift", "common", "one gain")
_BEGIN, _NU, _SPREAD = 20.0, 0.05, 0.008  # s; the exponent, and its spread
_HOUR, _DAY, _YEAR = 3600.0, 86400.0, 365 * 86400.0


def measure(
    *, seed: np.random.SeedSequence, kind: str, age: float, beta: float, features: int,
    memories: int, cues: int,
) -> Mapping[str, float]:  # fmt: skip
    """Recall damaged patterns with weights of some age."""
    import amsim as am

    if kind not in _KINDS:
        raise ValueError(f"kind is {kind!r}; use {', '.join(map(repr, _KINDS))}")
    draw, damage, devices = (int(word) for word in seed.generate_state(3))
    stored = am.patterns.random(memories, features, seed=draw)
    cue = am.patterns.corrupt(stored[:cues], flip=0.2, seed=damage)
    spread = _SPREAD * np.random.default_rng(devices).standard_normal(stored.shape)
    left = max(age / _BEGIN, 1.0) ** -(_NU + (kind != "common") * spread)
    weights = stored * (left / left.mean() if kind == "one gain" else left)
    net = am.dense_am(weights, hidden=am.Softmax(beta), tau_hidden=0.1)
    final = am.simulate(net, cue).final["visible"]
    return {"overlap": float((final * stored[:cues]).mean())}


def remaining(kind: str, age: Any) -> Any:
    """The mean share a of the weights."""
    return np.ones_like(age) if kind == "one gain" else np.maximum(age / _BEGIN, 1.0) ** -_NU


def expected(left: float, beta: float, features: int, memories: int) -> float:
    """The overlap a f."""
    output = 1.0
    for _ in range(500):
        output = 1 / (1 + (memories - 1) * np.exp(-beta * features * left**2 * output))
    return float(left * output)


def judge(data: xr.Dataset) -> Sequence[Claim]:
    """Overlaps against those of the share that is left."""
    claims: list[Claim | Mean] = []
    sizes = {name: int(data.attrs[name]) for name in ("features", "memories")}
    kinds = data.kind.values.tolist()
    for beta in data.beta.values.tolist():
        for age in data.age.values.tolist():
            part = data.overlap.sel(beta=beta, age=age)
            when = f"beta {beta:g}, {age:.3g} s"
            for kind in kinds:
                law = expected(float(remaining(kind, age)), beta, **sizes)
                away = 0.0 if law > 0.3 else 1.0
                text = f"{kind}, {when}: overlap"
                claims.append(Mean(text, part.sel(kind=kind), law, null=away, resolution=0.02))
            if {"drift", "common"} <= set(kinds):
                gap = part.sel(kind="drift") - part.sel(kind="common")
                text = f"{when}: overlap that differences between devices cost"
                claims.append(Mean(text, gap, 0.0, null=0.1))
    return judged(claims)


def draw(data: xr.Dataset) -> Figure:
    """Overlaps over the age, beside those of the share that is left."""
    from amsim.gallery.style import BLUE, GREEN, RED, label, panels

    betas, ages = data.beta.values.tolist(), data.age.values
    figure, (axes,) = panels(1, len(betas), 3.8, sharey=True)
    sizes = {name: int(data.attrs[name]) for name in ("features", "memories")}
    fine = np.geomspace(ages.min(), max(ages.max(), 1.01 * ages.min()), 200)
    for ax, beta in zip(axes, betas, strict=True):
        for kind, colour, marker in zip(_KINDS, (RED, BLUE, GREEN), "os^", strict=True):
            if kind not in data.kind:
                continue
            mean = data.overlap.sel(kind=kind, beta=beta).mean("repeat")
            ax.plot(ages / _DAY, mean, marker, color=colour, fillstyle="none", ms=6, label=kind)
            law = [expected(float(a), beta, **sizes) for a in remaining(kind, fine)]
            ax.plot(fine / _DAY, law, "--" if kind == "common" else "-", color=colour, lw=1)
        ax.set_xscale("log", base=10)
        label(ax, "age of the weights (days)", "overlap" if ax is axes[0] else "", f"β = {beta:g}")
    axes[0].legend(frameon=False, fontsize="small", title="lines: a f")
    return figure


EXPERIMENT = Experiment(
    name="weight_drift",
    question="How long does a memory last in devices whose conductance drifts?",
    measure=measure,
    parameters={
        "kind": Quantity("what changes in devices"),
        "age": Quantity("age of the weights", "s"),
        "beta": Quantity("beta of the memories"),
        "features": Quantity("units of a pattern"),
        "memories": Quantity("stored patterns"),
        "cues": Quantity("cues"),
    },
    results={"overlap": Quantity("overlap with the pattern at the end")},
    sizes={
        "toy": {
            "kind": _KINDS, "age": (20.0, _DAY, _YEAR), "beta": (0.12, 0.2, 0.5),
            "features": 64, "memories": 20, "cues": 10, "repeats": 10,
        },
        "paper": {
            "kind": _KINDS, "age": (20.0, 200.0, _HOUR, _DAY, 30 * _DAY, _YEAR, 10 * _YEAR),
            "beta": (0.12, 0.2, 0.5), "features": 64, "memories": 20, "cues": 20, "repeats": 50,
        },
    },
    draw=draw,
    judge=judge,
    at_most={"cues": "memories"},
)  # fmt: skip
run = EXPERIMENT.run

if __name__ == "__main__":
    from .runner.command import main

    raise SystemExit(main(EXPERIMENT))
