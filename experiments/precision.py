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
- From a cue that its memory wins at once, features relax by the leak alone; sampled once a period,
  that tells how many messages a quantum leaves.

No prediction: the share of cues that stay in their basin, and the energy. Messages are a small part
of it, the duration of the recall most: a coarse quantum needs more rounds of the normaliser, since
what arrives in a period may be larger, and costs energy instead of saving it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

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
    noise: float,
    memories: int,
    beta: float,
) -> Mapping[str, float]:
    """Compile, recall one cue for each memory, compare and price."""
    from scipy.stats import sem

    import amsim as am
    from amsim import hardware as hw

    draw, *damage = seed.spawn(2)
    gray = 2 * am.patterns.digits_gray(memories, int(draw.generate_state(1)[0])) - 1
    stored = (gray - gray.mean(axis=0)) / gray.std()
    rng = np.random.default_rng(damage[0])
    replaced = rng.random(stored.shape) < noise
    values = rng.uniform(stored.min(), stored.max(), stored.shape)
    cues = np.where(replaced, values, stored)

    net = am.dense_am(stored, hidden=am.Softmax(beta))
    plan = hw.compile(net, weight_bits=weight_bits, quantum=quantum)
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
        "all_messages": sum(m.mean() for m in messages.values()) if errors.size else np.nan,
        "operations": sum(x.count for x in cost.lines if x.part == "synaptic operations"),
        "energy": 1e6 * sum(cost.energy) / 2,
        "static_energy": 1e6 * sum(cost.by_part["static"][0]) / 2,
        "latency": 1e3 * sum(cost.latency) / 2,
        "steps": plan.steps,
    }


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
    error.plot(bits, mean.step.isel(quantum=0) / 2, "k:", label="half a step")
    error.set_yscale("log")
    messages.plot([], [], "k:", label="leak alone")
    messages.set_yscale("log")
    energy.set_ylim(bottom=0)
    basin.set_ylim(0, 105)
    label(basin, "", "cues (%)", "same basin as the ODE")
    label(error, "", "largest error of a pixel", "error of a recall, median")
    label(messages, "weight bits", "messages of features", "messages of a recall")
    label(energy, "weight bits", "energy (µJ)", "energy at prices of Loihi 1")
    basin.legend(fontsize=8, title="quantum", title_fontsize=8)
    for ax in (error, messages):
        ax.legend(ax.lines[-1:], [ax.lines[-1].get_label()], fontsize=8)
    return figure


def judge(data: xr.Dataset) -> Sequence[Claim]:
    """Errors against half a weight step, messages against a leak, and what is seen of the rest."""
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
    return [*claims, Claim("share of the energy that is static power", static)]


EXPERIMENT = Experiment(
    name="precision",
    question="What do few bits and coarse messages change in recall, messages and energy?",
    measure=measure,
    parameters={
        "weight_bits": Quantity("width of the weights", "bit"),
        "quantum": Quantity("change of a feature that is announced"),
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
            "noise": 0.3,
            "memories": 30,
            "beta": 2.0,
            "repeats": 1,
        },
        "paper": {
            "weight_bits": (2, 3, 4, 5, 6, 7, 8),
            "quantum": (0.0, 0.02, 0.05, 0.1, 0.2, 0.8),
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
