r"""How slow, or how late, may the normaliser of a Softmax group be?

On hardware the sum of a Softmax is a neuron too: f = exp(beta (h - z)) with

    tau_z dz/dt = log sum exp(beta h) / beta - z.

Near a stored memory (p ~ 1, tau_v = tau_h = 1), with k = beta |xi|^2 > 1, recall is stable for

    tau_z < (4 - k + sqrt(k^2 + 8 k)) / (4 (k - 1)),    about 2 / k.

A prompt normaliser whose messages are late has a threshold of its own, for k > 1/2; both are in
`amsim.theory.timing`.

Measured by events. A memory is pushed, and its deviation grows or shrinks under messages; the time
constant (or the delay) at which it does neither is found by bisection. That is done again with half
of the push and of the quantum: what changes says how sure the threshold is. With one memory p is 1.
With others it is less, and the thresholds are compared with those that the theory gives for p = 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .runner.experiment import SHARE, Claim, Experiment, Quantity

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from amsim import Network
    from amsim.gallery.style import Floats

_PERTURBATION, _QUANTUM = 0.01, 7e-5  # of the features and of all outputs
_PROMPT = 2e-3  # time constant of a normaliser that is late only
_LONGEST = 30.0  # tau: the slowest normaliser that is tried
_WINDOW, _WINDOWS, _SAMPLES = 16.0, 6, 100  # time (for kappa = 1), number, and looks in each
_STEP, _TOLERANCE = 2.0, 1e-3  # relative, of the search


def measure(
    *, seed: np.random.SeedSequence, kind: str, kappa: float, memories: int, features: int
) -> Mapping[str, float]:
    """Find the threshold at one memory, and how pure that is."""
    import amsim as am

    stored = am.patterns.random(memories, features, int(seed.generate_state(1)[0]))
    net = am.dense_am(stored, hidden=am.Softmax(kappa / features), tau_hidden=1.0)
    rest = am.stability.find(net, stored[0]).states
    options = {"slow": _slow, "late": _late}
    if kind not in options:
        raise ValueError(f"kind is {kind!r}; use 'slow' or 'late'")

    def threshold(scale: float) -> float:
        window = _WINDOW / np.sqrt(kappa)
        return _threshold(
            lambda value: _growth(net, rest, *options[kind](value), window=window, scale=scale),
            0.7 / kappa,
        )

    coarse, fine = threshold(1.0), threshold(0.5)
    return {
        "threshold": fine,
        "change": abs(coarse - fine) if np.isfinite(coarse) and np.isfinite(fine) else np.nan,
        "purity": float(net.activations(rest)["hidden"][0]),
    }


def _slow(value: float) -> tuple[float, float]:
    return value, 0.0


def _late(value: float) -> tuple[float, float]:
    # What a late normaliser has in time constant counts as delay, to first order.
    return _PROMPT, value - _PROMPT


def _growth(
    net: Network, rest: Mapping[str, Floats], tau: float, delay: float, *, window: float,
    scale: float,
) -> float:  # fmt: skip
    """Growth rate of a deviation along the memory, with a part of the push and of the quantum."""
    import amsim as am

    push, quantum = scale * _PERTURBATION, scale * _QUANTUM
    solver = am.EventDriven(
        quantum,
        announce="ahead",
        normaliser="neuron",
        normaliser_tau=tau,
        normaliser_delay=delay,
        max_events=50_000,
    )
    times = np.linspace(0, window * _WINDOWS, _WINDOWS * _SAMPLES + 1)
    start = {**rest, "visible": (1 + push) * rest["visible"]}
    traj = am.simulate(net, start, times=times, until=None, solver=solver)
    away = (traj["visible"][1:] - rest["visible"]) @ rest["visible"] / (rest["visible"] ** 2).sum()
    away = away[: len(away) // _SAMPLES * _SAMPLES]
    size = np.sqrt((away.reshape(-1, _SAMPLES) ** 2).mean(axis=1))
    count = max(2, int(np.cumprod((size > 5 * quantum) & (size < 10 * push)).sum()))
    if len(size) < 2:
        return np.inf  # so many messages in so little time: it grows
    return float(np.polyfit(np.arange(count), np.log(size[:count]), 1)[0] / window)


def _threshold(growth: Callable[[float], float], value: float) -> float:
    """Where the growth rate passes 0, looked for upwards; infinite if it does not."""
    from scipy.optimize import brentq

    low, high = value / _STEP**2, value
    while growth(high) < 0:
        low, high = high, _STEP * high
        if high > _LONGEST:
            return np.inf
    return float(brentq(growth, low, high, xtol=_TOLERANCE * high))


def draw(data: xr.Dataset) -> Figure:
    """Thresholds over kappa with the theory's curves, and relative to them."""
    from amsim.gallery.style import BLUE, RED, label, panels

    figure, ((left, right),) = panels(1, 2, 3.6)
    kappas = data.kappa.values
    fine = np.geomspace(max(1.05, 0.8 * kappas.min()), 1.2 * kappas.max(), 101)
    styles = {"slow": (BLUE, "time constant"), "late": (RED, "delay")}
    fills = dict(zip(data.memories.values, ("full", "none", "left", "right"), strict=False))
    for kind, (colour, words) in styles.items():
        if kind not in data.kind:
            continue
        left.plot(fine, _theory(kind, fine), color=colour, lw=1.2, label=f"{words}, theory")
        for memories, fill in fills.items():
            part = data.threshold.sel(kind=kind, memories=memories).median("repeat")
            part = part.where(np.isfinite(part))
            marks = {"color": colour, "fillstyle": fill, "ms": 6, "ls": "none", "marker": "o"}
            left.plot(kappas, part, **marks, label=f"{words}, {_stored(memories)}")
            right.plot(kappas, part / _theory(kind, kappas), **marks)
    right.axhline(1, color="k", lw=1)
    left.set(xscale="log", yscale="log")
    right.set(xscale="log")
    left.legend(frameon=False, fontsize="small")
    for axis in (left.xaxis, left.yaxis, right.xaxis):
        low, high = axis.get_view_interval()
        axis.set_ticks([tick for tick in _TICKS if low <= tick <= high])
        axis.set_ticks([], minor=True)
        axis.set_major_formatter("{x:g}")
    gain = "κ = β|ξ|²"
    label(left, gain, "largest stable value (units of τ)")
    label(right, gain, "measured / theory for p = 1")
    return figure


def judge(data: xr.Dataset) -> Sequence[Claim]:
    """Thresholds of pure memories against theory; mixed ones are reported."""
    claims = []
    words = {"slow": "time constant", "late": "delay"}
    for kind in data.kind.values:
        for memories in data.memories.values:
            for kappa in data.kappa.values:
                part = data.sel(kind=kind, memories=memories, kappa=kappa).median("repeat")
                found, purity = float(part.threshold), float(part.purity)
                theory = float(_theory(kind, kappa))
                text = (
                    f"largest stable {words[kind]} of the normaliser, kappa = {kappa:g}, "
                    f"{_stored(memories)}, p = {purity:.3f}"
                )
                if purity > _PURE:
                    # The search ends within its tolerance, of up to twice the threshold, and what
                    # one half of push and quantum changes, the other half may change again.
                    slack = 2 * (_TOLERANCE * _STEP * found + float(part.change))
                    near = abs(found - theory) <= slack
                    claims.append(Claim(f"{text} (± {slack:.2g})", found, theory, near))
                else:
                    text += f" (for p = 1 it is {theory:.4g})"
                    claims.append(Claim(text, found))
    return claims


def _theory(kind: str, kappa: Any) -> Any:
    """Threshold for p = 1."""
    from amsim.theory.timing import critical_normaliser_delay, critical_normaliser_lag

    return (critical_normaliser_lag if kind == "slow" else critical_normaliser_delay)(kappa)


def _stored(memories: int) -> str:
    return "1 memory" if memories == 1 else f"{memories} memories"


_PURE = 0.995  # share of the memory from which on the theory for p = 1 is judged
_TICKS = (0.05, 0.1, 0.2, 0.5, 1, 2, 4, 8, 16, 32)
EXPERIMENT = Experiment(
    name="normaliser_lag",
    question="How slow, or how late, may the normaliser of a Softmax group be?",
    measure=measure,
    parameters={
        "kind": Quantity("what is wrong with the normaliser"),
        "memories": Quantity("stored patterns"),
        "kappa": Quantity("beta |xi|^2"),
        "features": Quantity("units of a pattern"),
    },
    results={
        "threshold": Quantity("largest stable time constant or delay of the normaliser", "tau"),
        "change": Quantity("its change with half of the push and of the quantum", "tau"),
        "purity": Quantity("share p of the memory in the retrieved state", within=SHARE),
    },
    sizes={
        "toy": {
            "kind": ("slow", "late"),
            "memories": (1, 4),
            "kappa": (2.0, 4.0, 8.0),
            "features": 8,
            "repeats": 1,
        },
        "paper": {
            "kind": ("slow", "late"),
            "memories": (1, 4, 16),
            "kappa": tuple(float(k) for k in np.geomspace(1.2, 32, 25)),
            "features": 64,
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
