"""How much of a basin of attraction no timing can spoil.

A cue with some units flipped is recalled without delays, and `amsim.stability.certify` asks whether
every asynchronous execution from it ends at the same memory: with delays of each link (scope
"link"), or of messages that reach all memories at one time ("broadcast").

Prediction (docs/certificates.md): whoever is certified per link is certified in broadcast, and
whoever is certified is recalled. For beta to infinity interval images become decisions. Let f of D
units be flipped, w the stored pattern and mu another one:

    broadcast, all mu:  xi_mu . cue < D - 2 f               w is the nearest memory
    link, all mu:       xi_mu . cue (unflipped units) + f < D - 2 f

since a box per link lets the flipped units look one way to w and another way to mu. For random
patterns the products are sums of D and D - f random signs, and the shares of cues are
P(S_D < D - 2 f)^(K - 1) and P(S_(D-f) < D - 3 f)^(K - 1). At finite beta the limits are reached cue
by cue where the smallest lead of integers, 2, exceeds ln(4 beta D (K - 1)) / beta
(`amsim.stability.radius_bound`).

At beta to infinity recall and broadcast differ by cues that are as near to another memory: a tie is
broken by rounding, and certified by nobody.
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

UNITS = 64
_SAME = 1e-3  # distance below which two final states are one


def measure(
    *, seed: np.random.SeedSequence, patterns: str, beta: float, flipped: int, memories: int
) -> Mapping[str, float]:
    """Recall and certify one damaged copy of each memory."""
    import amsim as am
    from amsim.stability import certify

    draw, damage = (int(word) for word in seed.generate_state(2))
    if patterns == "digits":
        stored = am.patterns.digits(memories, draw)
    elif patterns == "random":
        stored = am.patterns.random(memories, UNITS, draw)
    else:
        raise ValueError(f"patterns is {patterns!r}; use 'random' or 'digits'")
    net = am.dense_am(stored, hidden=am.Softmax(beta))
    cues = am.patterns.corrupt(stored, flip=flipped / UNITS, seed=damage)
    targets = am.simulate(net, stored, until=am.Settled(1e-10)).final["visible"]
    ends = am.simulate(net, cues).final["visible"]
    recalled = np.abs(ends - targets).max(axis=1) < _SAME
    link = certify(net, cues, targets, "link").holds
    broadcast = certify(net, cues, targets, "broadcast").holds
    link_limit, broadcast_limit = limits(stored, cues)
    return {
        "recalled": recalled.mean(),
        "broadcast": broadcast.mean(),
        "link": link.mean(),
        "broadcast_limit": broadcast_limit.mean(),
        "link_limit": link_limit.mean(),
        "astray": float((broadcast & ~recalled).sum() + (link & ~recalled).sum()),
        "unnested": float((link & ~broadcast).sum()),
        "beyond_limit": float((link != link_limit).sum() + (broadcast != broadcast_limit).sum()),
    }


def limits(
    stored: NDArray[np.float64], cues: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Who is certified per link and in broadcast as beta goes to infinity; cue mu is of row mu."""
    kept = cues == stored
    flipped = (~kept).sum(axis=1)
    lead = stored.shape[1] - 2 * flipped
    per_link = (cues * kept) @ stored.T + flipped[:, None]
    together = cues @ stored.T
    for products in (per_link, together):
        np.fill_diagonal(products, -np.inf)
    return per_link.max(axis=1) < lead, together.max(axis=1) < lead


def share_certified(flipped: int, memories: int, scope: str) -> float:
    """Expected share of cues of random patterns that are certified as beta goes to infinity."""
    from scipy.stats import binom

    signs, limit = UNITS, UNITS - 2 * flipped
    if scope == "link":
        signs, limit = UNITS - flipped, limit - flipped
    # A sum S of n signs is 2 B - n, B binomial: S < limit where B < (limit + n) / 2.
    return float(binom.cdf(np.ceil((limit + signs) / 2) - 1, signs, 0.5) ** (memories - 1))


def reaches_limit(beta: float, memories: int) -> bool:
    """Whether a lead of 2 suffices for a certificate."""
    return float(np.log(4 * beta * UNITS * max(memories - 1, 1)) / beta) < 2


def draw(data: xr.Dataset) -> Figure:
    """Three nested curves for each kind of patterns and beta, with their limits."""
    from amsim.gallery.style import BLUE, GREEN, ORANGE, label, panels

    curves = {
        "recalled": (BLUE, "o", "recalled without delays"),
        "broadcast": (ORANGE, "s", "certified, broadcast"),
        "link": (GREEN, "^", "certified, any delay per link"),
    }
    kinds, betas = data.patterns.values, data.beta.values
    height = 0.9 + 2.3 * len(betas)
    figure, axes = panels(len(betas), len(kinds), height, sharex=True, sharey=True)
    percent = 100 * data.flipped / UNITS
    for row, beta in zip(axes, betas, strict=True):
        for ax, kind in zip(row, kinds, strict=True):
            part = data.sel(beta=beta, patterns=kind).mean("repeat")
            for name, (color, marker, text) in curves.items():
                ax.plot(percent, 100 * part[name], marker, color=color, ms=4, ls="-", label=text)
            for name, text in (("broadcast_limit", "limits of large β"), ("link_limit", "")):
                ax.plot(percent, 100 * part[name], "k:", lw=1.3, label=text)
            words = "digits" if kind == "digits" else f"{kind} patterns"
            label(ax, "", "", f"{data.attrs['memories']} {words}, β = {beta:g}")
            ax.grid(alpha=0.3)
        row[0].set_ylabel("cues (%)")
    for ax in axes[-1]:
        ax.set_xlabel("flipped units (%)")
    handles = axes[0][0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    return figure


def judge(data: xr.Dataset) -> Sequence[Claim]:
    """Nesting, and the limits of large beta."""
    memories = int(data.attrs["memories"])
    claims: list[Claim | Mean] = [
        _none("certified cues that were recalled elsewhere", data.astray),
        _none("cues certified per link, but not in broadcast", data.unnested),
    ]
    for beta in data.beta.values:
        part = data.sel(beta=beta)
        if reaches_limit(beta, memories):
            text = f"beta = {beta:g}: cues for which a certificate differs from its limit"
            claims.append(_none(text, part.beyond_limit))
        if "random" not in data.patterns:
            continue
        for scope, other in (("link", "broadcast"), ("broadcast", "link")):
            theory = [share_certified(int(f), memories, scope) for f in part.flipped.values]
            middle = int(np.abs(np.array(theory) - 0.5).argmin())
            flips = int(part.flipped[middle])
            text = f"beta = {beta:g}, {flips} flips: share of random cues certified, {scope}"
            shares = part.sel(patterns="random")[scope].isel(flipped=middle)
            null = share_certified(flips, memories, other)
            claims.append(Mean(text, shares, theory[middle], null=null))
    first = data.isel(flipped=0).mean("repeat")
    for kind in data.patterns.values:
        share = float(first.sel(patterns=kind).link.min())
        text = f"{kind}: share of cues with {first.flipped.item()} flips certified per link"
        claims.append(Claim(text, share))
    return judged(claims)


def _none(text: str, counts: xr.DataArray) -> Claim:
    total = float(counts.sum())
    return Claim(text, total, 0.0, total == 0)


EXPERIMENT = Experiment(
    name="certified_basin",
    question="How many cues are recalled, and for how many is that certain whatever the timing?",
    measure=measure,
    parameters={
        "patterns": Quantity("kind of patterns"),
        "beta": Quantity("inverse temperature"),
        "flipped": Quantity("flipped units of a cue"),
        "memories": Quantity("stored patterns"),
    },
    results={
        "recalled": Quantity("share of cues recalled without delays", within=SHARE),
        "broadcast": Quantity("share certified for broadcast messages", within=SHARE),
        "link": Quantity("share certified for any delay of links", within=SHARE),
        "broadcast_limit": Quantity(
            "share certified in broadcast for beta to infinity", within=SHARE
        ),
        "link_limit": Quantity("share certified per link for beta to infinity", within=SHARE),
        "astray": Quantity("certified cues that were recalled elsewhere", within=NOT_NEGATIVE),
        "unnested": Quantity("cues certified per link but not in broadcast", within=NOT_NEGATIVE),
        "beyond_limit": Quantity(
            "certificates that differ from those for beta to infinity", within=NOT_NEGATIVE
        ),
    },
    sizes={
        "toy": {
            "patterns": ("random", "digits"),
            "beta": (1.0, 8.0),
            "flipped": (0, 2, 4, 6, 8, 11, 14, 16, 18, 20, 22, 24, 28),
            "memories": 100,
            "repeats": 10,
        },
        "paper": {
            "patterns": ("random", "digits"),
            "beta": (0.5, 0.75, 1.0, 2.0, 8.0),
            "flipped": tuple(range(33)),
            "memories": 100,
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
