r"""Do units of unequal speed still find their memory?

With a separable Lagrangian every positive tau is allowed: the energy falls whatever the taus are.
Members of a Softmax group share a normaliser, and a slow one among them can destabilise a minimum
of the energy. Two memories at 3 and 4 on a line, the mixture between them, p = (1/2, 1/2): with
the tau of the first memory t times that of the rest and k = beta / 4, deviations grow like e^(s t')
with

    (1 + s)^2 (1 + s t) = k [1 + (4 t - 3) s].

By Routh and Hurwitz they start to oscillate (a Hopf bifurcation) at

    t = [4 + 3 k + sqrt((4 + 3 k)^2 + 8 (4 k - 1) (2 + 3 k))] / (4 (4 k - 1)),   1/4 < k < 1.

Measured by integrating the full equations. Small pushes of every state say how deviations grow:
what they have become after a while is a matrix, and its eigenvalues the growth rates. A large push
shows where it ends, and whether the energy rises on the way. For comparison: a stored memory of a
Softmax group, and one of tanh units, with one memory as slow as that.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .runner.experiment import Claim, Experiment, Quantity
from .runner.tolerance import crossing

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from amsim import Network
    from amsim.gallery.style import Floats

_LINE = np.array([[3.0], [4.0]])
_MEMORIES, _FEATURES = 4, 12  # of the separable network
_SMALL, _LARGE = 1e-4, 0.1  # pushes of states
_GROWTH_TIME = 4.0  # after which small pushes are looked at
_FOLLOWED_TIME = 200.0  # how long a large one is followed; its last quarter is the end


def measure(
    *, seed: np.random.SeedSequence, group: str, beta: float, ratio: float
) -> Mapping[str, float]:
    """Push one fixed point of a network that has one slow memory."""
    import amsim as am

    net, start = _network(group, beta, ratio, int(seed.generate_state(1)[0]))
    rest = net.pack(am.stability.find(net, start).states)
    with warnings.catch_warnings():
        # That the energy may rise in such a group is the point.
        warnings.simplefilter("ignore", am.GuaranteeWarning)
        pushed = net.unpack(rest + _SMALL * np.eye(len(rest)))
        exact = am.ExponentialIntegrator(rtol=1e-10, atol=1e-12)
        after = am.simulate(net, pushed, t1=_GROWTH_TIME, until=None, solver=exact).final
        times = np.linspace(0, _FOLLOWED_TIME, 801)
        away = net.unpack(rest + _LARGE * np.where(np.arange(len(rest)) % 3, 1, -1))
        traj = am.simulate(net, away, times=times, until=None)
    multipliers = np.linalg.eigvals((net.pack(after) - rest) / _SMALL)
    end = np.concatenate([traj[name][-200:] for name in traj], axis=-1)
    return {
        "growth": float(np.log(np.abs(multipliers).max()) / _GROWTH_TIME),
        "swing": float(np.ptp(end, axis=0).max()),
        "rise": max(0.0, float(np.diff(traj.energy).max())),
    }


def _network(group: str, beta: float, ratio: float, seed: int) -> tuple[Network, Floats]:
    """A network with a slow first memory, and a state near the fixed point."""
    import amsim as am

    if group == "mixture":
        hidden = am.Softmax(beta)
        tau = [ratio, 1.0]
        net = am.dense_am(_LINE, hidden=hidden, similarity="euclidean", tau_hidden=tau)
        return net, np.array([3.5])
    stored = am.patterns.random(_MEMORIES, _FEATURES, seed)
    slow = np.r_[ratio, np.ones(_MEMORIES - 1)]
    if group == "stored":
        return am.dense_am(stored, hidden=am.Softmax(beta), tau_hidden=slow), stored[0]
    if group == "separable":
        weights = stored / np.sqrt(_FEATURES)
        tanh = am.Tanh(beta)
        net = am.dense_am(weights, visible=tanh, hidden=tanh, tau_hidden=slow)
        # Near a pattern, but on no symmetry of the weights that leads to a saddle.
        start = stored[0] + np.random.default_rng(seed).normal(0, 0.1, _FEATURES)
        return net, am.simulate(net, start).final["visible"]
    raise ValueError(f"group is {group!r}; use 'separable', 'stored' or 'mixture'")


def hopf(beta: float) -> float:
    """Ratio of the taus at which the mixture starts to oscillate; infinite for beta <= 1."""
    k = beta / 4
    if k <= 0.25:
        return float("inf")
    half = 4 + 3 * k
    return float((half + np.sqrt(half**2 + 8 * (4 * k - 1) * (2 + 3 * k))) / (4 * (4 * k - 1)))


def draw(data: xr.Dataset) -> Figure:
    """Growth and final swing over the ratio, and the Hopf point over beta."""
    from amsim.gallery.style import BLUE, GREEN, RED, label, panels

    figure, ((left, middle, right),) = panels(1, 3, 3.4, width_ratios=(3, 3, 2))
    styles = {"separable": (BLUE, "s"), "stored": (GREEN, "^"), "mixture": (RED, "o")}
    beta = data.beta.values[len(data.beta) // 2]
    ratio = "τ of one memory / τ of the rest"
    for group, (colour, marker) in styles.items():
        if group not in data.group:
            continue
        part = data.sel(group=group, beta=beta).median("repeat")
        for ax, name in ((left, "growth"), (middle, "swing")):
            ax.plot(
                data.ratio, part[name], marker, color=colour, ls="-", ms=6, fillstyle="none",
                label=_NAMES[group],
            )  # fmt: skip
    for ax in (left, middle):
        ax.axvline(hopf(float(beta)), color="k", ls="--", lw=1, label="Hopf point, theory")
    left.axhline(0, color="0.6", lw=0.8)
    figure.legend(
        *left.get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False,
        fontsize="small",
    )  # fmt: skip
    found = {b: _crossing(data, b)[0] for b in data.beta.values}
    fine = np.linspace(1.3, 4, 101)
    right.plot(fine, [hopf(b) for b in fine], "k--", lw=1)
    right.plot(list(found), list(found.values()), "o", color=RED, ms=5)
    right.set_ylim(1, 8)
    label(left, ratio, "growth of deviations (1/τ)", f"β = {beta:g}")
    label(middle, ratio, "swing at the end (state units)", f"β = {beta:g}")
    label(right, "β", "τ ratio at the Hopf point")
    return figure


def judge(data: xr.Dataset) -> Sequence[Claim]:
    """The Hopf point for each beta, and the groups that know none."""
    claims = []
    if "mixture" in data.group:
        for beta in data.beta.values:
            (found, slack), theory = _crossing(data, beta), hopf(float(beta))
            if not np.isnan(found) or theory < data.ratio.max():
                text = f"ratio of taus at the Hopf point of a mixture, beta = {beta:g}"
                near = abs(found - theory) <= slack
                claims.append(Claim(f"{text} (± {slack:.2g})", found, theory, near))
        mixture = data.sel(group="mixture")
        claims.append(Claim("largest rise of the energy in a mixture", float(mixture.rise.max())))
        claims.append(Claim("largest final swing of a mixture", float(mixture.swing.max())))
    for group in ("separable", "stored"):
        if group in data.group:
            part, name = data.sel(group=group), _NAMES[group]
            rise, growth = float(part.rise.max()), float(part.growth.max())
            claims += [
                Claim(f"{name}: largest growth rate, below", growth, 0.0, growth < 0),
                Claim(f"{name}: largest rise of the energy", rise, 0.0, rise < 1e-8),
            ]
    return claims


def _crossing(data: xr.Dataset, beta: float) -> tuple[float, float]:
    """Ratio at which the mixture's growth rate passes 0, and how sure that is; NaN if nowhere."""
    growth = data.growth.sel(group="mixture", beta=beta).median("repeat")
    known = growth.dropna("ratio")
    return crossing(known.ratio.values, known.values)


_NAMES = {
    "separable": "tanh units",
    "stored": "stored memory, Softmax",
    "mixture": "mixture, Softmax",
}
EXPERIMENT = Experiment(
    name="heterogeneous_tau",
    question="Do units of unequal speed still find their memory?",
    measure=measure,
    parameters={
        "group": Quantity("fixed point and its network"),
        "beta": Quantity("beta of the memories"),
        "ratio": Quantity("time constant of one memory, relative to all others"),
    },
    results={
        "growth": Quantity("growth rate of small deviations", "1/tau"),
        "swing": Quantity("swing of the states at the end", "state"),
        "rise": Quantity("largest rise of the energy between two looks", "energy"),
    },
    sizes={
        "toy": {
            "group": ("separable", "stored", "mixture"),
            "beta": (2.0, 2.5, 3.0),
            "ratio": (1.0, 1.5, 2.0, 2.5, 3.0, 4.0),
            "repeats": 1,
        },
        "paper": {
            "group": ("separable", "stored", "mixture"),
            "beta": tuple(float(b) for b in np.linspace(1.6, 3.9, 24)),
            "ratio": tuple(float(r) for r in np.geomspace(1, 10, 41)),
            "repeats": 30,
        },
    },
    draw=draw,
    judge=judge,
)
run = EXPERIMENT.run

if __name__ == "__main__":
    from .runner.command import main

    raise SystemExit(main(EXPERIMENT))
