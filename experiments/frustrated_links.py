r"""Are delays of single links harmless if the weights are symmetric?

Two features and two memories of tanh units with weights a [[1, 1], [1, -1]] rest at 0. There
sigma = 2 a^2 and, without the cancellation of links, rho = 4 a^2. For rho < 1 no delays of links
destabilise (Hofbauer and So, Appl. Math. Lett. 13, 2000), for sigma < 1 no delays of units do.
Between the two, the negative link, late by d in both directions, does: for mirrored modes of
features and memories

    (1 + s - a) (1 + s + a e^(-s d)) = a^2,

which has a root s = i w, w^2 = x, where

    x^2 + (2 c + (1 + b)^2 - a^2) x + c^2 - a^2 b^2 = 0,    b = 1 - a,   c = a^2 - b,

at the delay d = arg(...)/w of `critical_delay`.

Measured by events: from a random start near 0, how fast the states grow or fall, and how large they
are at the end, if late are: the negative link; all messages of one feature and one memory; every
link, by a fixed random time; every message, by a random time of its own (jitter). The mean delay of
the last two, and of what is late in the others, is the same. For fixed delays also by the roots of
the linearised network, for some draws of the random ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .runner.experiment import SHARE, Claim, Experiment, Quantity
from .runner.tolerance import Mean, crossing, judged

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from amsim import Network, Timing

_SIGNS = np.array([[1.0, 1.0], [1.0, -1.0]])
_QUANTUM = 5e-4
_DRAWS = 10  # of random delays, for roots
_START, _LINEAR = 0.1, 0.15  # of the states; below the second they grow linearly
_TRIPS, _WINDOWS, _SAMPLES = 36, 9, 160  # times (delay + 2 tau), parts of it, looks in each


def measure(
    *, seed: np.random.SeedSequence, late: str, rho: float, delay: float
) -> Mapping[str, float]:
    """Follow one start of one network."""
    import amsim as am

    rng = np.random.default_rng(seed)
    timing = _timing(late, delay, rng)
    start = _START * rng.choice([-1, 1], 4) * rng.uniform(0.5, 1, 4)
    tanh = am.Tanh()
    net = am.dense_am(np.sqrt(rho) / 2 * _SIGNS, visible=tanh, hidden=tanh, tau_hidden=1.0)
    times = np.linspace(0, _TRIPS * (delay + 2), _WINDOWS * _SAMPLES + 1)
    traj = am.simulate(
        net,
        {"visible": start[:2], "hidden": start[2:]},
        times=times,
        until=None,
        solver=am.EventDriven(_QUANTUM, timing, announce="ahead"),
        seed=int(seed.generate_state(1)[0]),
    )
    states = np.concatenate([traj["visible"], traj["hidden"]], axis=-1)[1:]
    size = np.sqrt((states**2).reshape(_WINDOWS, -1).mean(axis=1))
    linear = int(np.cumprod((size > 5 * _QUANTUM) & (size < _LINEAR)).sum())
    used = np.arange(min(1, linear - 2) if linear > 2 else 0, max(2, linear))
    slope = np.polyfit(used, np.log(size[used]), 1)[0]
    return {
        "growth": float(slope * _WINDOWS / times[-1]),
        "swing": float(np.ptp(states[-2 * _SAMPLES :], axis=0).max()),
        "unstable": _unstable(net, late, delay, rng),
    }


def _unstable(net: Network, late: str, delay: float, rng: np.random.Generator) -> float:
    """Share of draws of fixed delays with a root to the right; NaN for delays that vary."""
    from amsim.stability import delay_spectrum

    if late == "jitter":
        return float("nan")
    roots = []
    for _ in range(_DRAWS if late == "links at random" else 1):
        delays: Any = _timing(late, delay, rng).delay
        roots.append(delay_spectrum(net, np.zeros(2), delays, count=1)[0].real)
    return float(np.mean(np.array(roots) > 0))


def _timing(late: str, delay: float, rng: np.random.Generator) -> Timing:
    """Who is late, and by how much."""
    from amsim import Timing

    pairs = (("visible", "hidden"), ("hidden", "visible"))
    if late == "negative link":
        return Timing(dict.fromkeys(pairs, delay * (_SIGNS < 0)), scope="link")
    if late == "unit":
        unit = np.array([0.0, delay])
        return Timing({"visible": unit, "hidden": unit})
    if late == "links at random":
        links = {pair: rng.uniform(0.2 * delay, 1.8 * delay, (2, 2)) for pair in pairs}
        return Timing(links, scope="link")
    if late == "jitter":
        return Timing(jitter=2 * delay, scope="link")
    raise ValueError(f"late is {late!r}; use {', '.join(map(repr, _STYLES))}")


def critical_delay(rho: float) -> float:
    """Smallest delay of the negative link that destabilises; infinite for rho <= 1."""
    a = np.sqrt(rho) / 2
    b = 1 - a
    c = a**2 - b
    squares = np.roots([1, 2 * c + (1 + b) ** 2 - a**2, c**2 - (a * b) ** 2])
    delays = []
    for square in squares[np.isreal(squares) & (squares.real > 0)].real:
        s = 1j * np.sqrt(square)
        late = (a**2 / (1 + s - a) - (1 + s)) / a  # e^(-s d)
        delays.append(-np.angle(late) % (2 * np.pi) / np.sqrt(square))
    return float(min(delays, default=np.inf))


def draw(data: xr.Dataset) -> Figure:
    """Growth and final swing over the delay, and the critical delay over rho."""
    from amsim.gallery.style import label, panels

    figure, ((left, middle, right),) = panels(1, 3, 3.4, width_ratios=(3, 3, 2))
    rho = data.rho.values[len(data.rho) // 2]
    for late, (colour, marker, words) in _STYLES.items():
        if late not in data.late:
            continue
        part = data.sel(late=late, rho=rho)
        for ax, name in ((left, "growth"), (middle, "swing")):
            ax.plot(
                data.delay, part[name].median("repeat"), marker, color=colour, ls="-", ms=6,
                fillstyle="none", label=words,
            )  # fmt: skip
    for ax in (left, middle):
        ax.axvline(critical_delay(float(rho)), color="k", ls="--", lw=1, label="theory")
    left.axhline(0, color="0.6", lw=0.8)
    handles, names = left.get_legend_handles_labels()
    figure.legend(
        handles, names, loc="outside upper center", ncols=5, frameon=False, fontsize="small",
        columnspacing=1.2, handlelength=1.5,
    )  # fmt: skip
    fine = np.linspace(1.001, max(2.0, data.rho.values.max()), 201)[:-1]
    right.plot(fine, [critical_delay(r) for r in fine], "k--", lw=1)
    if "negative link" in data.late:
        seen = [rho for rho in data.rho.values if critical_delay(float(rho)) < data.delay.max()]
        found = [np.mean(_crossings(data, rho)[0]) for rho in seen]
        right.plot(seen, found, "o", color=_RED, ms=5)
    right.axvline(1, color="0.6", lw=0.8)
    right.set_ylim(0, 40)
    delay = "delay of what is late (units of τ)"
    label(left, delay, "growth of the states (1/τ)", f"$\\rho$ = {rho:g}")
    label(middle, delay, "swing at the end (state units)", f"$\\rho$ = {rho:g}")
    label(right, "$\\rho$", "critical delay (units of τ)", "negative link")
    return figure


def judge(data: xr.Dataset) -> Sequence[Claim]:
    """The critical delay of the negative link, and who is harmless."""
    claims: list[Claim | Mean] = []
    for rho in data.rho.values if "negative link" in data.late else ():
        theory = critical_delay(float(rho))
        if theory < data.delay.max():
            found, slack = _crossings(data, rho)
            text = f"critical delay of the negative link (tau), rho = {rho:g}"
            claims.append(Mean(text, found, theory, resolution=slack))
        elif theory == np.inf:
            growth = data.growth.sel(late="negative link", rho=rho).max("delay")
            text = f"largest growth rate with a late negative link, rho = {rho:g}, below"
            claims.append(Mean(text, growth, 0.0, side="below"))
    if "unit" in data.late:
        growth = data.growth.sel(late="unit", rho=data.rho < 2).max(("delay", "rho"))
        text = "largest growth rate with late units, sigma < 1, below"
        claims.append(Mean(text, growth, 0.0, side="below"))
    if "links at random" in data.late:
        for rho in data.rho.values:
            worst = data.unstable.sel(late="links at random", rho=rho).mean("repeat").max()
            text = f"share of random delays of links that destabilise, rho = {rho:g}, at most"
            if rho < 1:
                claims.append(Claim(text, float(worst), 0.0, float(worst) == 0))
            else:
                claims.append(Claim(text, float(worst)))
    if "jitter" in data.late:
        share = float((data.swing.sel(late="jitter") > _OSCILLATING).mean())
        claims.append(Claim("share of runs that jitter keeps swinging (nothing is proven)", share))
    return judged(claims)


def _crossings(data: xr.Dataset, rho: float) -> tuple[list[float], float]:
    """Delays of the negative link at which the growth rate of a draw passes 0, and how sure.

    Of a draw that does not pass it is the longest delay.
    """
    growth = data.growth.sel(late="negative link", rho=rho).dropna("delay")
    draws = [crossing(growth.delay.values, draw.values) for draw in growth.transpose("repeat", ...)]
    roots = [root if np.isfinite(root) else float(growth.delay.max()) for root, _ in draws]
    return roots, max((slack for _, slack in draws if np.isfinite(slack)), default=np.nan)


# Okabe & Ito's colours, as in amsim.gallery.style.
_RED = "#D55E00"
_STYLES = {
    "negative link": (_RED, "o", "negative link late"),
    "unit": ("#0072B2", "s", "one unit per layer late"),
    "links at random": ("#009E73", "^", "each link late by its own time"),
    "jitter": ("#CC79A7", "D", "jitter"),
}
_OSCILLATING = 0.05
EXPERIMENT = Experiment(
    name="frustrated_links",
    question="Are delays of single links harmless if the weights are symmetric?",
    measure=measure,
    parameters={
        "late": Quantity("what is late"),
        "rho": Quantity("gain of a round trip without cancellation of links"),
        "delay": Quantity("mean delay", "tau"),
    },
    results={
        "growth": Quantity("growth rate of the states from near 0", "1/tau"),
        "swing": Quantity("swing of the states at the end", "state"),
        "unstable": Quantity("share of fixed delays with a growing root", within=SHARE),
    },
    sizes={
        "toy": {
            "late": tuple(_STYLES),
            "rho": (0.9, 1.44, 1.75),
            "delay": (4.0, 8.0, 10.0, 12.0, 16.0),
            "repeats": 6,
        },
        "paper": {
            "late": tuple(_STYLES),
            "rho": tuple(float(r) for r in np.linspace(0.8, 1.95, 24).round(3)),
            "delay": tuple(float(d) for d in np.geomspace(2, 40, 25).round(2)),
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
