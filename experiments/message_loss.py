r"""What do lost messages do to a memory, and what helps?

Every link loses a share p of its messages, of its own. What receivers read then, and when senders
repeat themselves, makes four schemes:

- resend, hold: units repeat their output all the time, receivers keep the last value. Exact for
  every p < 1: what is lost is replaced soon (hold-last-value, Chazan and Miranker 1969);
- resend, zero: receivers read 0 until the next message. On average that is a network with weights
  (1 - p) Xi, whose fixed point is another one, or far from any memory;
- send on delta: units send when they have moved by a quantum q, receivers hold. Nobody repeats the
  last message. If a unit moved one way all the time, by n quanta, the number of last messages that
  a link lost is k < n with probability (1 - p) p^k, and its register is off by
  q p (1 - p^n) / (1 - p) on average, for ever;
- heartbeat: the same, and units that were silent for 5 tau repeat their output. A share p^m of the
  links has lost all of the m beats since then, and no more overlap than that can be missing.

Measured by events from damaged cues: memories start at 0, so that the output of the one that is
recalled rises from 1 / K to 1. Without loss, send on delta is off by less than a quantum already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .runner.experiment import NOT_NEGATIVE, Claim, Experiment, Quantity
from .runner.tolerance import Mean, judged

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

_RESEND, _HEARTBEAT = 0.5, 5.0  # tau
_SCHEMES: Mapping[str, Mapping[str, Any]] = {
    "resend, hold": {"heartbeat": _RESEND},
    "resend, zero": {"heartbeat": _RESEND, "on_drop": "zero"},
    "send on delta": {},
    "heartbeat": {"heartbeat": _HEARTBEAT},
}
_DELAY, _FLIP = 0.1, 0.1
_END, _LATE = 150.0, 100.0  # tau; means are taken over what follows the second


def measure(
    *,
    seed: np.random.SeedSequence,
    scheme: str,
    loss: float,
    quantum: float,
    beta: float,
    features: int,
    memories: int,
) -> Mapping[str, float]:
    """Recall one damaged pattern."""
    import amsim as am

    if scheme not in _SCHEMES:
        raise ValueError(f"scheme is {scheme!r}; use {', '.join(map(repr, _SCHEMES))}")
    draw, damage, losses = (int(word) for word in seed.generate_state(3))
    stored = am.patterns.random(memories, features, draw)
    cue = am.patterns.corrupt(stored[0], flip=_FLIP, seed=damage)
    hidden = am.Softmax(beta)
    net = am.dense_am(stored, hidden=hidden, tau_hidden=1.0)
    timing = am.Timing(_DELAY, scope="link", drop=loss, **_SCHEMES[scheme])
    traj = am.simulate(
        net,
        {"visible": cue, "hidden": np.zeros(memories)},
        times=np.linspace(_LATE, _END, 101),
        until=None,
        solver=am.EventDriven(quantum, timing),
        seed=losses,
    )
    rest = am.stability.find(net, stored[0]).states["visible"]
    weaker = am.dense_am((1 - loss) * stored, hidden=hidden, tau_hidden=1.0)
    scaled = am.stability.find(weaker, cue).states["visible"]
    late = traj["visible"].mean(axis=0)
    return {
        "overlap": float(late @ stored[0] / features),
        "scaled": float(scaled @ stored[0] / features),
        "distance": float(np.abs(late - rest).max()),
        "messages": float(sum(traj.stats["messages"].values())),
    }


def draw(data: xr.Dataset) -> Figure:
    """Lost overlap and messages over the share of lost messages."""
    from amsim.gallery.style import BLUE, GREEN, ORANGE, RED, label, panels

    figure, ((left, right),) = panels(1, 2, 3.8)
    styles = zip(_SCHEMES, (BLUE, RED, ORANGE, GREEN), ("o", "s", "^", "D"), strict=True)
    percent = 100 * data.loss.values
    for scheme, colour, marker in styles:
        if scheme not in data.scheme:
            continue
        part = data.sel(scheme=scheme).mean("repeat")
        style: dict[str, Any] = {"marker": marker, "color": colour, "fillstyle": "none", "ms": 6}
        theory = scheme in ("resend, zero", "send on delta")
        style["ls"] = "none" if theory else "-"
        left.plot(percent, 1 - part.overlap, **style, label=scheme)
        right.plot(percent, part.messages, **{**style, "ls": "-"})
        if scheme == "resend, zero":
            left.plot(percent, 1 - part.scaled, "--", color=colour, lw=1, label="weights (1 - p) Ξ")
        if scheme == "send on delta" and 0.0 in data.loss:
            fine = np.linspace(0, percent.max() / 100, 101)
            expected = 1 - float(part.overlap.sel(loss=0.0)) + offset(data, fine)
            words = "q p (1 - pⁿ) / (1 - p) more"
            left.plot(100 * fine, expected, ":", color=colour, lw=1.5, label=words)
    left.set_ylim(-0.03, 1.1)
    right.set_yscale("log")
    figure.legend(
        *left.get_legend_handles_labels(), loc="outside upper center", ncols=6, frameon=False,
        fontsize="small", columnspacing=1.2, handlelength=1.5,
    )  # fmt: skip
    lost = "lost messages p (%)"
    label(left, lost, "overlap that is missing, 1 - m")
    label(right, lost, f"messages in {_END:g} τ")
    return figure


def judge(data: xr.Dataset) -> Sequence[Claim]:
    """What each scheme leaves missing, against its prediction."""
    claims: list[Claim | Mean] = []
    losses = [float(loss) for loss in data.loss.values if loss > 0]
    if "resend, hold" in data.scheme:
        worst, most = float(data.distance.sel(scheme="resend, hold").max()), float(data.loss.max())
        text = f"resend, hold: largest distance to the fixed point, loss up to {most:.0%}"
        claims.append(Claim(text, worst, 0.0, worst < _EXACT))
    if "resend, zero" in data.scheme:
        for loss in losses:
            part = data.sel(scheme="resend, zero", loss=loss)
            text = f"resend, zero: overlap at {loss:.0%} loss beyond that of weights (1 - p) Xi"
            other = float(1 - part.scaled.mean())  # that of weights Xi
            claims.append(Mean(text, part.overlap - part.scaled, 0.0, null=other))
    for scheme in ("heartbeat", "send on delta"):
        if scheme not in data.scheme or 0.0 not in data.loss:
            continue
        overlap = data.overlap.sel(scheme=scheme)
        for loss in losses:
            taken = overlap.sel(loss=0.0) - overlap.sel(loss=loss)
            text = f"{scheme}: overlap that {loss:.0%} loss takes away"
            theory = float(offset(data, loss))
            if scheme == "heartbeat":
                lacking = loss ** (_LATE / _HEARTBEAT)
                claims.append(Mean(text, taken, 0.0, null=theory, resolution=lacking))
            else:
                claims.append(Mean(f"{text} for ever", taken, theory, null=0.0))
    return judged(claims)


def offset(data: xr.Dataset, loss: Any) -> Any:
    """Mean error of a register of the recalled memory, any of whose last messages may be lost."""
    quantum = data.attrs["quantum"]
    quanta = np.floor((1 - 1 / data.attrs["memories"]) / quantum)
    return quantum * loss * (1 - loss**quanta) / (1 - loss)


_EXACT = 1e-6  # what 100 tau leave of the start at 90 % loss is 1e-9, and of a lost quantum 1e-3
EXPERIMENT = Experiment(
    name="message_loss",
    question="What do lost messages do to a memory, and what helps?",
    measure=measure,
    parameters={
        "scheme": Quantity("what is sent and what is read"),
        "loss": Quantity("share of messages that are lost"),
        "quantum": Quantity("quantum of all outputs", "output"),
        "beta": Quantity("beta of the memories"),
        "features": Quantity("units of a pattern"),
        "memories": Quantity("stored patterns"),
    },
    results={
        "overlap": Quantity("overlap with the pattern at the end"),
        "scaled": Quantity("overlap at the fixed point with weights (1 - p) Xi"),
        "distance": Quantity(
            "largest distance of a feature from the fixed point", "state", within=NOT_NEGATIVE
        ),
        "messages": Quantity("messages sent", within=NOT_NEGATIVE),
    },
    sizes={
        "toy": {
            "scheme": tuple(_SCHEMES),
            "loss": (0.0, 0.1, 0.3, 0.5, 0.7, 0.9),
            "quantum": 0.05,
            "beta": 0.5,
            "features": 32,
            "memories": 8,
            "repeats": 30,
        },
        "paper": {
            "scheme": tuple(_SCHEMES),
            "loss": tuple(float(p) for p in np.linspace(0, 0.95, 20).round(2)),
            "quantum": 0.05,
            "beta": 0.5,
            "features": 256,
            "memories": 64,
            "repeats": 200,
        },
    },
    draw=draw,
    judge=judge,
)
run = EXPERIMENT.run

if __name__ == "__main__":
    from .runner.command import main

    raise SystemExit(main(EXPERIMENT))
