"""What a memory of points on a circle has for minima: memories, spurious states, or the circle.

Random points of the unit circle are stored with the energy -(1/beta) log sum exp(-beta |x - xi|^2).
A minimum is a memory if one point has more than 0.9 of the attention there, else it is spurious.
Samples that follow the diffusion back and descend for 20 mean shifts are memorised, spurious or
generalised (Pham et al. 2025, arXiv:2505.21777; `amsim.models.transition`).

Predictions:

- Two points merge at the distance d = sqrt(2 / beta). So a point keeps a minimum of its own if its
  two neighbours are farther away: (1 - d / pi)^(K - 1) of K points, approximately.
- For many points the minima lie at the radius of a continuum of them,
  R = I1(2 beta R) / I0(2 beta R) (`amsim.models.circle_radius`).
- There are still minima then, sqrt(3 beta) of them however many points there are: the maxima of a
  random density that is smooth on the scale s = 1 / sqrt(2 beta) (Rice's formula). What vanishes is
  their depth: beta times the energy varies along the circle by (sqrt(pi) / (K s))^(1/2).

The last point is why generalisation is a matter of time: whoever waits for ever ends in a minimum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from .runner.experiment import NOT_NEGATIVE, SHARE, Claim, Experiment, Quantity
from .runner.tolerance import Mean, judged

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

_OWN = 0.9  # attention to one point that makes a minimum its memory
_DENSE = 1.5  # points on the length s from which on the density is smooth
_KINDS = ("memorised", "spurious", "generalised")


def measure(
    *,
    seed: np.random.SeedSequence,
    beta: float,
    memories: int,
    samples: int,
    distance: float,
) -> Mapping[str, float]:
    """Find the minima of one draw of points, and where samples end."""
    import amsim as am

    draw, noise = seed.spawn(2)
    angles = np.random.default_rng(draw).uniform(0, 2 * np.pi, memories)
    points = on_circle(angles)
    width = float(width_of(beta))
    shares = am.models.transition(
        points, [memories], width=width, distance=distance, samples=samples,
        seed=int(noise.generate_state(1)[0]),
    )  # fmt: skip
    return {
        **minima_of(points, beta),
        "variation": variation(points, beta),
        **{f"samples_{kind}": float(shares[kind][0]) for kind in _KINDS},
    }


def on_circle(angles: Any) -> Any:
    """Points (n, 2) of the unit circle."""
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def width_of(beta: Any) -> Any:
    """Standard deviation s of the Gaussian exp(-beta d^2)."""
    return 1 / np.sqrt(2 * beta)


def minima_of(points: Any, beta: float) -> dict[str, float]:
    """Number and mean radius of the minima, and the share of points that have their own."""
    import amsim as am

    memory = am.models.diffusion_memory(points, 1.0)
    minima = memory.minima(tau=float(width_of(beta)) ** 2)
    squares = ((minima[:, None] - points) ** 2).sum(axis=2)
    attention = am.Softmax(beta).activation(-squares)
    own = attention.max(axis=1) > _OWN
    return {
        "minima": float(len(minima)),
        "kept": own.sum() / len(points),
        "spurious": float((~own).sum()),
        "radius": float(np.linalg.norm(minima, axis=1).mean()),
    }


def variation(points: Any, beta: float) -> float:
    """Standard deviation of beta E along the circle of the continuum's minima."""
    import amsim as am

    ring = am.models.circle_radius(beta) * on_circle(np.linspace(0, 2 * np.pi, 500, endpoint=False))
    memory = am.models.diffusion_memory(points, float(width_of(beta)))
    # The energy of diffusion at tau = 1 is (1 / beta) log of the same sum.
    return float(np.std(beta * memory.energy(ring, 1.0)))


def expected_kept(beta: Any, memories: Any) -> Any:
    """Share of points whose neighbours on both sides are too far to merge with."""
    return np.maximum(1 - np.sqrt(2 / beta) / np.pi, 0) ** (memories - 1)


def expected_variation(beta: Any, memories: Any) -> Any:
    """Standard deviation of the logarithm of a density of so many points, to leading order."""
    return np.sqrt(np.sqrt(np.pi) / (memories * width_of(beta)))


def draw(data: xr.Dataset) -> Figure:
    """Minima, memories that are left, variation of the energy, and samples."""
    from amsim.gallery.style import BLUE, GREEN, ORANGE, PURPLE, RED, SKY, label, panels

    colors = (BLUE, ORANGE, GREEN, PURPLE, RED, SKY)  # and again, if there are more
    figure, axes = panels(2, 2, 5.8)
    minima, kept, depth, ends = axes.ravel()
    mean, count = data.mean("repeat", keep_attrs=True), data.memories
    fine = np.geomspace(int(count.min()), int(count.max()), 100)
    for color, beta in zip(cycle(colors), data.beta.values, strict=False):
        part = mean.sel(beta=beta)
        dots = {"color": color, "marker": "o", "ms": 4, "ls": "", "label": f"β = {beta:g}"}
        minima.plot(count, part.minima, **{**dots, "ls": "-"})
        minima.axhline(np.sqrt(3 * beta), color=color, ls=":")
        kept.plot(count, 100 * part.kept, **dots)
        kept.plot(fine, 100 * expected_kept(beta, fine), ":", color=color)
        depth.plot(count, part.variation, **dots)
        depth.plot(fine, expected_variation(beta, fine), ":", color=color)
    shown = mean.isel(beta=data.sizes["beta"] // 2)
    for color, kind in zip((BLUE, RED, GREEN), _KINDS, strict=True):
        share = 100 * shown[f"samples_{kind}"]
        ends.plot(count, share, "o-", color=color, ms=4, label=kind)
    minima.plot([], [], "k:", label="theory")
    for ax in (minima, kept, depth, ends):
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:.0f}")
    minima.set(yscale="log", ylim=(0.8, None))
    depth.set_yscale("log")
    minima.legend(fontsize=8)
    ends.legend(fontsize=8)
    label(minima, "", "minima", "minima of the energy")
    label(kept, "", "points (%)", "points with a minimum of their own")
    label(depth, "stored points", "standard deviation of β E", "energy along the circle")
    label(ends, "stored points", "samples (%)", f"samples, β = {float(shown.beta):g}")
    return figure


def judge(data: xr.Dataset) -> Sequence[Claim]:
    """Memories, minima, radius and variation for each beta."""
    import amsim as am

    counts = data.memories.values
    claims: list[Claim | Mean] = []
    for beta in data.beta.values:
        part = data.sel(beta=beta)
        theory = expected_kept(beta, counts)
        middle = int(np.abs(theory - 0.5).argmin())
        one_side = (1 - np.sqrt(2 / beta) / (2 * np.pi)) ** (counts[middle] - 1)
        text = f"beta = {beta:g}, {counts[middle]} points: share with a minimum of their own"
        kept = part.kept.isel(memories=middle)
        claims.append(Mean(text, kept, float(theory[middle]), null=float(one_side)))
        most = int(counts[-1])
        if most * width_of(beta) / (2 * np.pi) < _DENSE:
            continue  # too few points for a smooth density
        dense = part.isel(memories=-1)
        where, radius = f"beta = {beta:g}, {most} points:", am.models.circle_radius(beta)
        waves = float(np.sqrt(3 * beta))
        variance = float(expected_variation(beta, most)) ** 2
        claims += [
            Mean(f"{where} minima", dense.minima, waves, null=float(np.sqrt(beta))),
            Mean(f"{where} radius of the minima", dense.radius, radius, null=1.0),
            Mean(f"{where} variance of beta E", dense.variation**2, variance, null=variance / 2),
        ]
    mean = data.mean("repeat").isel(beta=data.sizes["beta"] // 2)
    for kind in _KINDS:
        share = mean[f"samples_{kind}"]
        text = f"beta = {float(mean.beta):g}: points with the most {kind} samples"
        claims.append(Claim(text, float(counts[share.values.argmax()])))
    return judged(claims)


EXPERIMENT = Experiment(
    name="spurious",
    question="When do memories give way to spurious states, and these to the circle they lie on?",
    measure=measure,
    parameters={
        "beta": Quantity("inverse temperature, of exp(-beta |x - xi|^2)"),
        "memories": Quantity("stored points"),
        "samples": Quantity("samples of the diffusion"),
        "distance": Quantity("distance below which samples are one"),
    },
    results={
        "minima": Quantity("minima of the energy", within=NOT_NEGATIVE),
        "kept": Quantity("share of points with a minimum of their own", within=SHARE),
        "spurious": Quantity("minima that are no memories", within=NOT_NEGATIVE),
        "radius": Quantity("mean radius of the minima", within=NOT_NEGATIVE),
        "variation": Quantity("standard deviation of beta E along the circle", within=NOT_NEGATIVE),
        "samples_memorised": Quantity("share of samples at a stored point", within=SHARE),
        "samples_spurious": Quantity(
            "share of samples at another place where several end", within=SHARE
        ),
        "samples_generalised": Quantity(
            "share of samples that end where no other does", within=SHARE
        ),
    },
    sizes={
        "toy": {
            "beta": (5.0, 20.0, 80.0),
            "memories": (2, 4, 8, 16, 32, 64, 128, 256),
            "samples": 60,
            "distance": 1e-3,
            "repeats": 24,
        },
        "paper": {
            "beta": (2.0, 5.0, 10.0, 20.0, 50.0, 100.0),
            "memories": tuple(int(x) for x in 2 ** np.arange(1, 10)),
            "samples": 1000,
            "distance": 1e-3,
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
