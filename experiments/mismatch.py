r"""How much may weights deviate, must both directions match, and what do dead units do?

Chips of one design differ: every weight is off by the share s, drawn once and for all, for both
directions of a synapse together ("symmetric", one device) or apart ("apart", two arrays). Or a
share s of the features is dead, and says to the memories for ever what it said of the last pattern
("held") or 0 ("zero"); "flipped" are as many units that say the opposite of what they should.

Predictions:

- which memory wins is decided by sums over many pixels. With the gap L between similarities and D
  pixels, the wrong one wins with the probability that normal errors of variance s^2 D on each
  similarity reverse it, for both kinds of arrays alike;
- a pixel is read back from one memory, so it is off by s (less what weights are cut at 0);
- arrays that are drawn apart cost the energy function, but no recall up to s = 0.3;
- dead units that hold pull to the last memory, and cost recalls like as many flipped units;
- dead units that say 0 cost fewer than those that hold.

Measured with the differential equation.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .runner.experiment import NOT_NEGATIVE, SHARE, Claim, Experiment, Quantity
from .runner.tolerance import Mean, judged

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

_ARRAYS, _DEAD = ("symmetric", "apart"), ("held", "zero", "flipped")


def measure(
    *, seed: np.random.SeedSequence, kind: str, amount: float, features: int, memories: int,
    cues: int, flip: float, beta: float,
) -> Mapping[str, float]:  # fmt: skip
    """Recall damaged patterns in one network that deviates."""
    import amsim as am

    draw, damage, chip = (int(word) for word in seed.generate_state(3))
    stored = am.patterns.random(memories, features, seed=draw)
    goals = stored[:cues]
    cue = am.patterns.corrupt(goals, flip=flip, seed=damage)
    net = am.dense_am(stored, hidden=am.Softmax(beta), tau_hidden=0.1)
    dead = np.zeros(features, dtype=bool)
    if kind in _ARRAYS:
        net = am.Mismatch(weights=amount, symmetric=kind == "symmetric").of(net, seed=chip)
    elif kind in _DEAD:
        dead = np.random.default_rng(chip).permutation(features) < round(amount * features)
        said = {"held": stored[-1] + 0 * goals, "zero": 0 * goals, "flipped": -goals}[kind]
        cue = np.where(dead, said, cue)
    else:
        raise ValueError(f"kind is {kind!r}; use {', '.join(map(repr, _ARRAYS + _DEAD))}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", am.GuaranteeWarning)  # arrays apart have no energy
        final = am.simulate(net, cue, clamp=dead).final
    right = final["hidden"].argmax(axis=1) == np.arange(cues)
    error = ((final["visible"] - goals)[:, ~dead] ** 2).mean(axis=1)
    exact = choices(cue, stored, amount) if kind in _ARRAYS else np.nan
    return {
        "recalled": float(right.mean()),
        "expected": float(exact),
        "error": float(np.sqrt(error[right].mean())) if right.any() else np.nan,
    }


def cut(amount: float) -> tuple[float, float]:
    """Mean and standard deviation of 1 + s z, cut at 0, with z normal."""
    from scipy.stats import norm

    if not amount:
        return 1.0, 0.0
    far = 1 / amount
    mean = norm.cdf(far) + amount * norm.pdf(far)
    square = (1 + amount**2) * norm.cdf(far) + amount * norm.pdf(far)
    return float(mean), float(np.sqrt(square - mean**2))


def choices(cue: NDArray[np.float64], stored: NDArray[np.float64], amount: float) -> float:
    """Share of cues whose memory keeps the largest similarity, with normal errors of weights."""
    from scipy.stats import norm

    mean, deviation = cut(amount)
    spread = deviation * np.sqrt(stored.shape[1])
    similar = mean * (cue @ stored.T)
    own = np.arange(len(cue))
    lead = similar[own, own, None] - similar
    if not spread:
        return float((np.delete(lead, 0, 1) >= 0).all(axis=1).mean())
    z, weights = np.polynomial.hermite_e.hermegauss(41)
    kept = norm.cdf(lead[:, :, None] / spread + z)
    kept[own, own] = 1.0
    return float((kept.prod(axis=1) @ weights).mean() / weights.sum())


def off(amount: float) -> float:
    """How far a pixel is off, root mean square."""
    mean, deviation = cut(amount)
    return float(np.hypot(mean - 1, deviation))


def judge(data: xr.Dataset) -> Sequence[Claim]:
    """Choices, pixels and dead units."""
    claims: list[Claim | Mean] = []
    amounts = [amount for amount in data.amount.values.tolist() if amount > 0]
    for kind in _ARRAYS:
        for amount in amounts if kind in data.kind else ():
            part = data.sel(kind=kind, amount=amount)
            text = f"{kind} {amount:g}: recalls, beyond those that theory expects"
            claims.append(Mean(text, part.recalled - part.expected, 0.0, null=0.1))
            text = f"{kind} {amount:g}: error of a pixel over s"
            claims.append(Mean(text, part.error / off(amount), 1.0, null=0.0))
    kinds = set(data.kind.values.tolist())
    for amount in amounts:
        part = data.recalled.sel(amount=amount)
        if kinds.issuperset(_ARRAYS) and amount <= 0.3:
            cost = part.sel(kind="symmetric") - part.sel(kind="apart")
            text = f"{amount:g}: recalls that arrays apart cost"
            claims.append(Mean(text, cost, 0.0, null=0.1))
        if kinds.issuperset(_DEAD) and amount <= 0.3:
            held, zero, flipped = (part.sel(kind=kind) for kind in _DEAD)
            text = f"{amount:g} dead: recalls by those that hold, beyond as many flipped ones"
            claims.append(Mean(text, held - flipped, 0.0, null=0.1))
            text = f"{amount:g} dead: recalls by those that say 0, beyond those that hold"
            claims.append(Mean(text, zero - held, 0.0, side="above"))
    return judged(claims)


def draw(data: xr.Dataset) -> Figure:
    """Recalls over the deviation, errors of pixels beside theory."""
    from amsim.gallery.style import BLUE, GREEN, ORANGE, PURPLE, RED, label, panels

    figure, ((left, right),) = panels(1, 2, 3.8)
    ways = zip((BLUE, ORANGE, RED, GREEN, PURPLE), "osv^D", strict=True)
    amounts = data.amount.values
    for kind, (colour, marker) in zip(_ARRAYS + _DEAD, ways, strict=True):
        if kind not in data.kind:
            continue
        part = data.sel(kind=kind).mean("repeat")
        style: dict[str, Any] = {"color": colour, "marker": marker, "fillstyle": "none", "ms": 5}
        alone = kind in _ARRAYS
        words = f"weights, {kind}" if alone else f"dead, {kind}"
        left.plot(amounts, 100 * part.recalled, ls="none" if alone else "-", lw=1, **style,
                  label=words)  # fmt: skip
        if alone:
            left.plot(amounts, 100 * part.expected, "-", color=colour, lw=1)
            right.plot(amounts, part.error, ls="none", **style, label=words)
    fine = np.linspace(0.0, float(amounts.max()), 50)
    right.plot(fine, [off(float(s)) for s in fine], "k-", lw=1, label="predicted")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=5,
                  frameon=False, fontsize="small")  # fmt: skip
    right.legend(frameon=False, fontsize="small")
    label(left, "deviation s of weights, or share of dead units", "cues recalled (%)")
    label(right, "deviation s of weights", "error of a pixel (rms)")
    return figure


EXPERIMENT = Experiment(
    name="mismatch",
    question="How much may weights deviate, and what do dead units do?",
    measure=measure,
    parameters={
        "kind": Quantity("what deviates"),
        "amount": Quantity("s: deviation of weights, or share of dead units"),
        "features": Quantity("units of a pattern"),
        "memories": Quantity("stored patterns"),
        "cues": Quantity("cues"),
        "flip": Quantity("share of the units of a cue that are flipped"),
        "beta": Quantity("beta of the memories"),
    },
    results={
        "recalled": Quantity("share of cues whose memory wins", within=SHARE),
        "expected": Quantity("the same, by theory", within=SHARE),
        "error": Quantity("error of a pixel, rms", within=NOT_NEGATIVE),
    },
    sizes={
        "toy": {
            "kind": (*_ARRAYS, *_DEAD), "amount": (0.05, 0.1, 0.2, 0.3, 0.8), "features": 64,
            "memories": 50, "cues": 20, "flip": 0.25, "beta": 1.0, "repeats": 12,
        },
        "paper": {
            "kind": (*_ARRAYS, *_DEAD), "amount": (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8),
            "features": 64, "memories": 50, "cues": 50, "flip": 0.25, "beta": 1.0, "repeats": 100,
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
