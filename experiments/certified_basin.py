"""How much of a basin of attraction no timing can spoil.

A cue with some units flipped is recalled without delays, and `amsim.stability.certify` asks whether
every asynchronous execution from it ends at the same memory: with delays of each link (scope
"link"), or of messages that reach all memories at one time ("broadcast"); with messages of any age,
or of none older than a staleness B.

Prediction (docs/certificates.md): whoever is certified per link is certified in broadcast, whoever
is certified at some age is certified at a smaller one, and whoever is certified is recalled. For
beta to infinity interval images become decisions. Let f of D units be flipped, w the stored pattern
and mu another one. With any age of messages:

    broadcast, all mu:  xi_mu . cue < D - 2 f               w is the nearest memory
    link, all mu:       xi_mu . cue (unflipped units) + f < D - 2 f

since a box per link lets the flipped units look one way to w and another way to mu. For random
patterns the products are sums of D and D - f random signs, and the shares of cues are
P(S_D < D - 2 f)^(K - 1) and P(S_(D-f) < D - 3 f)^(K - 1). At finite beta the limits are reached cue
by cue where the smallest lead of integers, 2, exceeds ln(4 beta D (K - 1)) / beta
(`amsim.stability.radius_bound`).

With a staleness B, as long as w wins, a flipped unit is u(t) = 1 - 2 exp(-t) times what is stored.
Links are worst where w hears the oldest u, and mu the newest of the f+ flipped units that it shares
with w and the oldest of the others. Memories follow what they hear within tau_h, so the least that
w can be ahead of mu is (`worst_lead`, in closed form)

    min over t of the low-pass of  D - f - S + (2 f - f+) u(t - B) - f+ u(t),   u(t) = -1 for t < 0,

with S the product of xi_mu with the intact units of w; for B to infinity it is D - 2 f - S - f. It
is positive where w is certified. For random patterns S and f+ are sums of random signs, and the
share of cues follows. Messages that reach all memories at one time are worst at t = 0, at any B.
Steps of a tube make a staleness longer by a twentieth, so the prediction is that nobody with a lead
below 0 at B is certified, and everybody who leads by ln(4 beta D (K - 1)) / beta at 1.1 B.

At beta to infinity recall and broadcast differ by cues that are as near to another memory: a tie is
broken by rounding, and certified by nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .runner.experiment import NOT_NEGATIVE, SHARE, Claim, Experiment, Quantity
from .runner.tolerance import Mean, judged

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from amsim.network import Network
    from amsim.stability.certification_problem import Scope

SCOPES: tuple[Scope, ...] = ("link", "broadcast")
UNITS = 64
STALENESS = (0.1, 0.3, 1.0)
SLOWER = 1.1  # by how much of the staleness a tube may be off
TAU_HIDDEN = 0.1
_SAME = 1e-3  # distance below which two final states are one


def measure(
    *,
    seed: np.random.SeedSequence,
    patterns: str,
    beta: float,
    flipped: int,
    memories: int,
    cues: int,
) -> Mapping[str, ArrayLike]:
    """Recall and certify one damaged copy of each memory, for some also by staleness."""
    import amsim as am
    from amsim.stability import certify

    draw, damage = (int(word) for word in seed.generate_state(2))
    if patterns == "digits":
        stored = am.patterns.digits(memories, draw)
    elif patterns == "random":
        stored = am.patterns.random(memories, UNITS, draw)
    else:
        raise ValueError(f"patterns is {patterns!r}; use 'random' or 'digits'")
    net = am.dense_am(stored, hidden=am.Softmax(beta), tau_hidden=TAU_HIDDEN)
    damaged = am.patterns.corrupt(stored, flip=flipped / UNITS, seed=damage)
    targets = am.simulate(net, stored, until=am.Settled(1e-10)).final["visible"]
    ends = am.simulate(net, damaged).final["visible"]
    recalled = np.abs(ends - targets).max(axis=1) < _SAME
    link = certify(net, damaged, targets, "link").holds
    broadcast = certify(net, damaged, targets, "broadcast").holds
    link_limit, broadcast_limit = limits(stored, damaged)
    bounded = {
        scope: _certified_by_staleness(net, damaged[:cues], targets[:cues], scope)
        for scope in SCOPES
    }
    leads, later = (
        np.array([least_leads(stored, damaged, x * age)[:cues] for age in STALENESS])
        for x in (1.0, SLOWER)
    )
    missed = ~bounded["link"] & (later > enough(beta, memories))
    any_age = {"link": link[:cues], "broadcast": broadcast[:cues]}
    ages = [np.vstack([bounded[scope], any_age[scope]]) for scope in SCOPES]
    return {
        "recalled": recalled.mean(),
        "broadcast": broadcast.mean(),
        "link": link.mean(),
        "broadcast_limit": broadcast_limit.mean(),
        "link_limit": link_limit.mean(),
        "broadcast_bounded": _shares(bounded["broadcast"]),
        "link_bounded": _shares(bounded["link"]),
        "link_bounded_limit": _shares(leads > 0),
        "astray": _count(
            *(held & ~recalled for held in (broadcast, link)),
            *(held & ~recalled[:cues] for held in bounded.values()),
        ),
        "unnested": _count(link & ~broadcast, bounded["link"] & ~bounded["broadcast"]),
        "older": _count(*(held[1:] & ~held[:-1] for held in ages)),
        "beyond_limit": _count(link != link_limit, broadcast != broadcast_limit),
        "beyond_bounded_limit": _count(
            bounded["link"] & (leads <= 0),
            missed,
            bounded["broadcast"] != broadcast_limit[:cues],
        ),
    }


def _certified_by_staleness(
    net: Network, cues: NDArray[np.float64], targets: NDArray[np.float64], scope: Scope
) -> NDArray[np.bool_]:
    """Who is certified for each of `STALENESS`; (ages, cues)."""
    from amsim.stability import certify

    if not len(cues):
        return np.zeros((len(STALENESS), 0), bool)
    return np.array([certify(net, cues, targets, scope, staleness=x).holds for x in STALENESS])


def _shares(held: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Of each row; NaN of rows without cues."""
    return held.mean(axis=1) if held.shape[1] else np.full(len(held), np.nan)


def _count(*found: NDArray[np.bool_]) -> float:
    return float(sum(each.sum() for each in found))


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


def worst_lead(
    flipped: ArrayLike, intact: ArrayLike, shared: ArrayLike, staleness: float
) -> NDArray[np.float64]:
    """How far a memory is ahead of another one at worst, for beta to infinity.

    `intact` is the product of the two over the intact units, `shared` is how many of the flipped
    units are equal in both. Links may be as late as the staleness; time constants are 1 and
    `TAU_HIDDEN`.
    """
    f, same, tau = np.asarray(flipped, float), np.asarray(shared, float), TAU_HIDDEN
    slow = 2 * f - same  # of the other's flipped units, and all of its own
    # Until the staleness has passed: -slow - same u(t), through the low-pass of the memories.
    passed = (np.exp(-staleness) - tau * np.exp(-staleness / tau)) / (1 - tau)
    before = -slow - same * (1 - 2 * passed)
    # Then, at a time s later, rest - 2 most exp(-s) / (1 - tau) + more exp(-s / tau).
    rest, most = slow - same, (slow - same * np.exp(-staleness)) / (1 - tau)
    more = before - rest + 2 * most
    with np.errstate(divide="ignore", invalid="ignore"):
        turn = np.log(more / (2 * most * tau)) / (1 / tau - 1)
    turn = np.where(turn > 0, turn, 0.0)
    after = rest - 2 * most * np.exp(-turn) + more * np.exp(-turn / tau)
    return np.asarray(UNITS - f - np.asarray(intact, float) + np.minimum(before, after))


def least_leads(
    stored: NDArray[np.float64], cues: NDArray[np.float64], staleness: float
) -> NDArray[np.float64]:
    """The `worst_lead` of each row over all other memories; cue mu is of row mu."""
    kept = cues == stored
    flipped = (~kept).sum(axis=1)
    intact, astray = ((stored * part) @ stored.T for part in (kept, ~kept))
    leads = worst_lead(flipped[:, None], intact, (flipped[:, None] + astray) / 2, staleness)
    np.fill_diagonal(leads, np.inf)
    return np.asarray(leads.min(axis=1))


def share_certified(flipped: int, memories: int, scope: str, staleness: float = np.inf) -> float:
    """Expected share of cues of random patterns that are certified as beta goes to infinity."""
    from scipy.stats import binom

    if scope == "link" and np.isfinite(staleness):
        shared = np.arange(flipped + 1)
        each = _sum_below(worst_lead(flipped, 0.0, shared, staleness), UNITS - flipped)
        return float((binom.pmf(shared, flipped, 0.5) @ each) ** (memories - 1))
    signs, limit = UNITS, UNITS - 2 * flipped
    if scope == "link":
        signs, limit = UNITS - flipped, limit - flipped
    return float(_sum_below(limit, signs) ** (memories - 1))


def _sum_below(limit: ArrayLike, signs: int) -> NDArray[np.float64]:
    """Probability that a sum of so many random signs is below a limit."""
    from scipy.stats import binom

    # A sum S of n signs is 2 B - n, B binomial: S < limit where B < (limit + n) / 2.
    return np.asarray(binom.cdf(np.ceil((np.asarray(limit) + signs) / 2) - 1, signs, 0.5))


def enough(beta: float, memories: int) -> float:
    """A lead that suffices for a certificate (`amsim.stability.radius_bound`)."""
    return float(np.log(4 * beta * UNITS * max(memories - 1, 1)) / beta)


def reaches_limit(beta: float, memories: int) -> bool:
    """Whether a lead of 2 suffices for a certificate."""
    return enough(beta, memories) < 2


def draw(data: xr.Dataset) -> Figure:
    """Nested curves for each kind of patterns and beta, with their limits."""
    from amsim.gallery.style import BLUE, GREEN, ORANGE, PURPLE, RED, SKY, label, panels

    curves = {
        "recalled": (BLUE, "o", "recalled without delays"),
        "broadcast": (ORANGE, "s", "certified, any age, broadcast"),
        "link": (GREEN, "^", "certified, any age per link"),
    }
    colors = (SKY, PURPLE, RED)
    kinds, betas = data.patterns.values, data.beta.values
    height = 1.3 + 2.3 * len(betas)
    figure, axes = panels(len(betas), len(kinds), height, sharex=True, sharey=True)
    percent = 100 * data.flipped / UNITS
    for row, beta in zip(axes, betas, strict=True):
        for ax, kind in zip(row, kinds, strict=True):
            part = data.sel(beta=beta, patterns=kind).mean("repeat")
            for name, (color, marker, text) in curves.items():
                ax.plot(percent, 100 * part[name], marker, color=color, ms=4, ls="-", label=text)
            for color, staleness in zip(colors, data.staleness.values, strict=True):
                one, text = part.sel(staleness=staleness), f"per link, age ≤ {staleness:g} τ"
                ax.plot(
                    percent, 100 * one.link_bounded, "v", color=color, ms=4, ls="--", label=text
                )
                ax.plot(percent, 100 * one.link_bounded_limit, ":", color=color, lw=1.3)
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
        _none("cues certified for messages of an age, but not of a smaller one", data.older),
    ]
    for beta in data.beta.values:
        part = data.sel(beta=beta)
        if reaches_limit(beta, memories):
            text = f"beta = {beta:g}: cues for which a certificate differs from its limit"
            claims.append(_none(text, part.beyond_limit))
            text = f"beta = {beta:g}: cues for which one by staleness differs from its limit"
            claims.append(_none(text, part.beyond_bounded_limit))
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
        claims += [_by_staleness(part, beta, memories, float(age)) for age in part.staleness]
    first = data.isel(flipped=0).mean("repeat")
    for kind in data.patterns.values:
        share = float(first.sel(patterns=kind).link.min())
        text = f"{kind}: share of cues with {first.flipped.item()} flips certified per link"
        claims.append(Claim(text, share))
    return judged(claims)


def _by_staleness(part: xr.Dataset, beta: float, memories: int, staleness: float) -> Mean:
    """The share of random cues at one staleness, where half of them are predicted."""
    theory, slower = (
        [share_certified(int(f), memories, "link", x * staleness) for f in part.flipped.values]
        for x in (1.0, SLOWER)
    )
    middle = int(np.abs(np.array(theory) - 0.5).argmin())
    flips = int(part.flipped[middle])
    shares = part.sel(patterns="random", staleness=staleness).link_bounded.isel(flipped=middle)
    return Mean(
        f"beta = {beta:g}, {flips} flips: share of random cues certified, link, B = {staleness:g}",
        shares,
        theory[middle],
        null=share_certified(flips, memories, "link"),
        resolution=theory[middle] - slower[middle],
    )


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
        "cues": Quantity("cues that are certified by staleness"),
    },
    results={
        "recalled": Quantity("share of cues recalled without delays", within=SHARE),
        "broadcast": Quantity("share certified for broadcast messages", within=SHARE),
        "link": Quantity("share certified for any delay of links", within=SHARE),
        "broadcast_limit": Quantity(
            "share certified in broadcast for beta to infinity", within=SHARE
        ),
        "link_limit": Quantity("share certified per link for beta to infinity", within=SHARE),
        "broadcast_bounded": Quantity(
            "share certified in broadcast, by staleness", dims=("staleness",), within=SHARE
        ),
        "link_bounded": Quantity(
            "share certified per link, by staleness", dims=("staleness",), within=SHARE
        ),
        "link_bounded_limit": Quantity(
            "share certified per link, by staleness, for beta to infinity",
            dims=("staleness",),
            within=SHARE,
        ),
        "astray": Quantity("certified cues that were recalled elsewhere", within=NOT_NEGATIVE),
        "unnested": Quantity("cues certified per link but not in broadcast", within=NOT_NEGATIVE),
        "older": Quantity(
            "cues certified for an age of messages but not for a smaller one", within=NOT_NEGATIVE
        ),
        "beyond_limit": Quantity(
            "certificates that differ from those for beta to infinity", within=NOT_NEGATIVE
        ),
        "beyond_bounded_limit": Quantity(
            "certificates by staleness that differ from those for beta to infinity",
            within=NOT_NEGATIVE,
        ),
    },
    sizes={
        "toy": {
            "patterns": ("random", "digits"),
            "beta": (1.0, 8.0),
            "flipped": (8, 12, 16, 19, 22),
            "memories": 100,
            "cues": 20,
            "repeats": 4,
        },
        "paper": {
            "patterns": ("random", "digits"),
            "beta": (0.5, 0.75, 1.0, 2.0, 8.0),
            "flipped": tuple(range(33)),
            "memories": 100,
            "cues": 40,
            "repeats": 100,
        },
    },
    draw=draw,
    judge=judge,
    coordinates=lambda parameters: {"staleness": list(STALENESS)},
    at_most={"cues": "memories"},
)
run = EXPERIMENT.run

if __name__ == "__main__":
    from .runner.command import main

    raise SystemExit(main(EXPERIMENT))
