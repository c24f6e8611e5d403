"""What coarse weights and coarse messages cost a recall, and save.

Digits, centred per pixel, are compiled for a chip (`hardware.compile`) with weights of some bits,
where features announce changes of at least a quantum, and recalled in the emulator. `compare` says
whether the recall ends in the same basin as the differential equation, `estimate` what it would
cost at the published prices of Loihi 1. Nothing of this has run on a chip.

Predictions (docs/hardware.md):

- A recalled memory is one row of the weights, so its error is that of rounding: at most half a
  weight step (and the little that other memories mix into the equation's state). If roundings are
  spread evenly, the worst of 64 pixels has 2^(-1/64) of that, in the median. The quantum does not
  enter.
- Weights that round by chance, up with the probability of their fraction, are right on average, and
  the worst of 64 pixels has 1.79 half steps in the median. The similarities of cues to memories are
  then off by independent errors, whose mean square follows from the fractions. To the nearest it is
  half of that, for fractions that are spread evenly.
- Roundings that are learned so that damaged cues find their memory let more cues end there.
- From a cue that its memory wins at once, features relax by the leak alone; sampled once a period,
  that tells how many messages a quantum leaves.

No prediction: the share of cues that stay in their basin, and the energy. Messages are a small part
of it, the duration of the recall most: a coarse quantum needs more rounds of the normaliser, since
what arrives in a period may be larger, and costs energy instead of saving it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from .runner.experiment import NOT_NEGATIVE, SHARE, Claim, Experiment, Quantity
from .runner.tolerance import normal_spread

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

_PRICES = "loihi1"
_PIXELS = 64


def measure(
    *,
    seed: np.random.SeedSequence,
    weight_bits: int,
    quantum: float,
    rounding: Literal["nearest", "stochastic", "learned"],
    noise: float,
    memories: int,
    beta: float,
) -> Mapping[str, float]:
    """Compile, recall one cue for each memory, compare and price."""
    from scipy.stats import sem

    import amsim as am
    from amsim import hardware as hw

    draw, damage, chance = seed.spawn(3)
    gray = 2 * am.patterns.digits_gray(memories, int(draw.generate_state(1)[0])) - 1
    stored = (gray - gray.mean(axis=0)) / gray.std()
    rng = np.random.default_rng(damage)
    replaced = rng.random(stored.shape) < noise
    values = rng.uniform(stored.min(), stored.max(), stored.shape)
    cues = np.where(replaced, values, stored)

    net = am.dense_am(stored, hidden=am.Softmax(beta))
    plan = hw.compile(net, weight_bits=weight_bits, quantum=quantum, rounding=rounding, seed=chance)
    assert isinstance(plan, hw.Plan)
    comparison = hw.compare(plan, cues)
    run = hw.run(plan, cues)
    cost = hw.estimate(hw.place(plan), run, prices=_PRICES)
    rounded, step = plan.weights / plan.weight_scale, 1 / plan.weight_scale
    at_memory = np.abs(run.final["visible"] - rounded).max(axis=1) < step / 4
    good = comparison.good & at_memory
    errors = comparison.total[good]
    messages = {name: count[good] for name, count in run.messages.items()}
    expected = messages_of_leak(cues, rounded, plan.dt, quantum)[good]
    similarity = similarity_errors(cues, rounded / step, stored / step)
    return {
        "same_basin": comparison.same_basin.mean(),
        "settled": comparison.settled.mean(),
        "step": step,
        "recalled": at_memory.mean(),
        "error": np.median(errors) if errors.size else np.nan,
        "worst_error": errors.max() if errors.size else np.nan,
        "feature_messages": messages["visible"].mean() if errors.size else np.nan,
        "expected_messages": expected.mean() if errors.size and quantum > 0 else np.nan,
        "messages_error": sem(messages["visible"] - expected) / expected.mean()
        if len(expected) > 1 and quantum > 0
        else np.nan,
        "similarity": similarity.mean(),
        "similarity_error": sem(similarity) if len(similarity) > 1 else np.nan,
        "all_messages": sum(m.mean() for m in messages.values()) if errors.size else np.nan,
        "operations": sum(x.count for x in cost.lines if x.part == "synaptic operations"),
        "energy": 1e6 * sum(cost.energy) / 2,
        "static_energy": 1e6 * sum(cost.by_part["static"][0]) / 2,
        "latency": 1e3 * sum(cost.latency) / 2,
        "steps": plan.steps,
    }


def similarity_errors(
    cues: NDArray[np.float64], weights: NDArray[np.float64], exact: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean square errors of the similarities of all cues to each memory, (K,).

    Over those that independent roundings have, up with the probability of the fraction, on average.
    """
    away = ((weights - exact) @ cues.T) ** 2
    share = exact - np.floor(exact)
    independent = (share * (1 - share)) @ (cues**2).T
    return np.asarray(away.mean(axis=1) / independent.mean())


def messages_of_leak(
    cues: NDArray[np.float64], rests: NDArray[np.float64], dt: float, quantum: float
) -> NDArray[np.int64]:
    """Messages of features that leak from cues to rests with steps of dt, tau = 1.

    At first receivers hold 0, and a feature says what it is in the cue.
    """
    sent = np.zeros(len(cues), np.int64)
    if quantum <= 0:
        return sent
    away, said = cues - rests, -rests
    while np.abs(away - said).max() >= quantum or np.abs(away).max() >= quantum / 10:
        news = np.abs(away - said) >= quantum
        said = np.where(news, away, said)
        sent += news.sum(axis=1)
        away = away * (1 - dt)
    return sent


def draw(data: xr.Dataset) -> Figure:
    """Basin, error, messages and energy over bits and quantum."""
    from amsim.gallery.style import BLUE, GREEN, ORANGE, PURPLE, RED, SKY, label, panels

    figure, axes = panels(2, 2, 5.6)
    basin, error, messages, energy = axes.ravel()
    every = data.mean(("repeat", "quantum"), keep_attrs=True)
    data = _first_rounding(data)
    mean = data.mean("repeat", keep_attrs=True)
    bits = data.weight_bits
    for color, quantum in zip(
        cycle((BLUE, ORANGE, GREEN, PURPLE, RED, SKY)), data["quantum"].values, strict=False
    ):
        part = mean.sel(quantum=quantum)
        line = {"color": color, "marker": "o", "ms": 4, "label": f"{quantum:g}"}
        basin.plot(bits, 100 * part.same_basin, **line)
        error.plot(bits, part.error, **line)
        messages.plot(bits, part.feature_messages, **line)
        messages.plot(bits, part.expected_messages, "k:", lw=1.3, zorder=3)
        energy.plot(bits, part.energy, **line)
    for (marker, color), rounding in zip(
        (("D", "0"), ("^", "0.4"), ("s", "0.65")), every["rounding"].values, strict=False
    ):
        part = every.sel(rounding=rounding)
        line = {"color": color, "marker": marker, "ms": 4, "ls": "--", "label": f"{rounding}"}
        basin.plot(bits, 100 * part.recalled, **line)
        error.plot(bits, part.error, **line)
    error.plot(bits, mean.step.isel(quantum=0) / 2, "k:", label="half a step")
    error.set_yscale("log")
    messages.plot([], [], "k:", label="leak alone")
    messages.set_yscale("log")
    energy.set_ylim(bottom=0)
    basin.set_ylim(0, 105)
    label(basin, "", "cues (%)", "same basin as the ODE; dashed: at their memory")
    label(error, "", "largest error of a pixel", "error of a recall, median")
    label(messages, "weight bits", "messages of features", "messages of a recall")
    label(energy, "weight bits", "energy (µJ)", "energy at prices of Loihi 1")
    basin.legend(fontsize=8, title="quantum, rounding", title_fontsize=8)
    for ax in (error, messages):
        ax.legend(ax.lines[-1:], [ax.lines[-1].get_label()], fontsize=8)
    return figure


def _first_rounding(data: xr.Dataset) -> xr.Dataset:
    """What is not about roundings is about the first of them, "nearest" by default."""
    return data.isel(rounding=0, drop=True)


def judge_roundings(data: xr.Dataset) -> list[Claim]:
    """Claims about how weights are rounded."""
    claims: list[Claim] = []
    names = list(data["rounding"].values)
    bits = data.weight_bits.values
    seen = data.mean("quantum")
    # Of errors y in half steps 1 - (1 - y / 2)^2 are smaller.
    share = 2.0 ** (-1 / _PIXELS)
    typical = 2 - 2 * (1 - share) ** 0.5
    density = _PIXELS / 2 / share * (1 - typical / 2)
    if "stochastic" in names:
        chance = data.sel(rounding="stochastic")
        cues = data.attrs["memories"] * chance.recalled.mean("quantum").sum("repeat")
        for width in bits:
            found = float((2 * chance.error / chance.step).sel(weight_bits=width).median())
            deviation = 1 / (2 * density * np.sqrt(float(cues.sel(weight_bits=width))))
            slack = normal_spread(deviation, len(bits))
            text = f"{width} bits, by chance: median error over half a weight step (± {slack:.2g})"
            # With 2 bits all may end too far from the equation to count.
            holds = None if np.isnan(found) else abs(found - typical) <= slack
            claims.append(Claim(text, found, typical, holds))
    for name, predicted in (("stochastic", 1.0), ("nearest", 0.5)):
        if name not in names:
            continue
        part = seen.sel(rounding=name)
        for width in bits:
            one = part.sel(weight_bits=width)
            found = float(one.similarity.mean())
            deviation = float(np.sqrt((one.similarity_error**2).sum())) / one.sizes["repeat"]
            slack = normal_spread(deviation, 2 * len(bits))
            text = f"{width} bits, {name}: error of similarities over independent (± {slack:.2g})"
            claims.append(Claim(text, found, predicted, abs(found - predicted) <= slack))
    if {"learned", "nearest"} <= set(names):
        for width in bits:
            one, other = (
                data.sel(rounding=name, weight_bits=width).recalled.isel(quantum=0)
                for name in ("learned", "nearest")
            )
            # Both recall the same cues; of n of them some 2 p (1 - p) n would change by chance.
            share, count = float((one + other).mean()) / 2, data.attrs["memories"] * one.size
            deviation = np.sqrt(2 * share * (1 - share) / count)
            slack = normal_spread(deviation, len(bits))
            gained = float((one - other).mean())
            text = f"{width} bits, learned: recalled, less those of nearest (above, ± {slack:.2g})"
            holds = gained > 0 if abs(gained) > slack else None
            claims.append(Claim(text, gained, 0.0, holds))
    for name in names:
        for width in (bits[0], bits[-1]):
            text = f"share of cues that end at their memory, {width} bits, {name}"
            claims.append(
                Claim(text, float(seen.recalled.sel(rounding=name, weight_bits=width).mean()))
            )
    return claims


def judge(data: xr.Dataset) -> Sequence[Claim]:
    """Errors against half a weight step, messages against a leak, and what is seen of the rest."""
    roundings = judge_roundings(data)
    data = _first_rounding(data)
    half = data.step / 2
    worst = float((data.worst_error / half).max())
    # Of n numbers spread evenly up to 1, the largest has the median 2^(-1/n); that of m such ones
    # has a standard deviation of 1 / (2 f sqrt(m)), f = n 2^(1/n) / 2 its density there.
    typical = 2.0 ** (-1 / _PIXELS)
    cues = data.attrs["memories"] * data.recalled.mean("quantum").sum("repeat")
    claims = []
    for bits in data.weight_bits.values:
        found = float((data.error / half).sel(weight_bits=bits).median())
        deviation = 1 / (_PIXELS / typical * np.sqrt(float(cues.sel(weight_bits=bits))))
        slack = normal_spread(deviation, data.sizes["weight_bits"])
        text = f"{bits} bits: median error over half a weight step (± {slack:.2g})"
        claims.append(Claim(text, found, typical, abs(found - typical) <= slack))
    # Fails by a little: states round, too, and other memories keep a share.
    text = "largest error over half a weight step (at most 1)"
    claims.append(Claim(text, worst, 1.0, worst <= 1))
    announced = data["quantum"].values[data["quantum"].values > 0]
    finest = data.isel(weight_bits=-1).mean("repeat")
    for quantum in announced:
        part = finest.sel(quantum=quantum)
        ratio = float(part.feature_messages / part.expected_messages)
        deviation = float(part.messages_error) / np.sqrt(data.sizes["repeat"])
        slack = normal_spread(deviation, len(announced))
        text = f"quantum = {quantum:g}: messages of features over the leak's (± {slack:.2g})"
        claims.append(Claim(text, ratio, 1.0, abs(ratio - 1) <= slack))
    mean = data.mean("repeat")
    for bits in (data.weight_bits.values[0], data.weight_bits.values[-1]):
        share = float(mean.same_basin.sel(weight_bits=bits).mean())
        claims.append(Claim(f"share of cues in the same basin, {bits} bits", share))
    fine, coarse = mean.isel(weight_bits=-1, quantum=0), mean.isel(weight_bits=-1, quantum=-1)
    which = "coarsest over finest quantum"
    claims += [
        Claim(f"{text}, {which}", float(coarse[name] / fine[name]))
        for name, text in (
            ("same_basin", "cues in the same basin"),
            ("feature_messages", "messages of features"),
            ("all_messages", "all messages"),
            ("energy", "energy"),
        )
    ]
    static = float((mean.static_energy / mean.energy).mean())
    claims.append(Claim("share of the energy that is static power", static))
    return [*claims, *roundings]


EXPERIMENT = Experiment(
    name="precision",
    question="What do few bits and coarse messages change in recall, messages and energy?",
    measure=measure,
    parameters={
        "weight_bits": Quantity("width of the weights", "bit"),
        "quantum": Quantity("change of a feature that is announced"),
        "rounding": Quantity("how weights are rounded"),
        "noise": Quantity("share of pixels that are replaced by noise"),
        "memories": Quantity("stored digits"),
        "beta": Quantity("inverse temperature"),
    },
    results={
        "same_basin": Quantity("share of cues that end where the ODE does", within=SHARE),
        "settled": Quantity("share of cues that settled", within=SHARE),
        "recalled": Quantity("share of cues that end at their memory", within=SHARE),
        "step": Quantity("weight step"),
        "error": Quantity("largest error of a pixel, median of recalled cues", within=NOT_NEGATIVE),
        "worst_error": Quantity(
            "largest error of a pixel, worst recalled cue", within=NOT_NEGATIVE
        ),
        "feature_messages": Quantity("messages of features for a cue", within=NOT_NEGATIVE),
        "expected_messages": Quantity("messages of features that only leak", within=NOT_NEGATIVE),
        "messages_error": Quantity(
            "standard error of their ratio, from cue to cue", within=NOT_NEGATIVE
        ),
        "similarity": Quantity(
            "mean square error of similarities, over that of independent roundings",
            within=NOT_NEGATIVE,
        ),
        "similarity_error": Quantity(
            "standard error of it, from memory to memory", within=NOT_NEGATIVE
        ),
        "all_messages": Quantity("messages for a cue", within=NOT_NEGATIVE),
        "operations": Quantity("synaptic operations for a cue", within=NOT_NEGATIVE),
        "energy": Quantity(
            "energy of a recall at prices of Loihi 1, middle of the range",
            "uJ",
            within=NOT_NEGATIVE,
        ),
        "static_energy": Quantity("energy of static power", "uJ", within=NOT_NEGATIVE),
        "latency": Quantity("duration of a recall at times of Loihi 1", "ms", within=NOT_NEGATIVE),
        "steps": Quantity("steps of a recall", within=NOT_NEGATIVE),
    },
    sizes={
        "toy": {
            "weight_bits": (2, 3, 4, 8),
            "quantum": (0.0, 0.2, 0.8),
            "rounding": ("nearest", "stochastic", "learned"),
            "noise": 0.3,
            "memories": 30,
            "beta": 2.0,
            "repeats": 1,
        },
        "paper": {
            "weight_bits": (2, 3, 4, 5, 6, 7, 8),
            "quantum": (0.0, 0.02, 0.05, 0.1, 0.2, 0.8),
            "rounding": ("nearest", "stochastic", "learned"),
            "noise": 0.3,
            "memories": 200,
            "beta": 2.0,
            "repeats": 50,
        },
    },
    draw=draw,
    judge=judge,
)
run = EXPERIMENT.run

if __name__ == "__main__":
    from .runner.command import main

    raise SystemExit(main(EXPERIMENT))
