r"""What do lost messages do to a memory, and what helps?

Every link loses a share p of its messages, of its own. What receivers read then, and when senders
repeat themselves, makes four schemes:

- resend, hold: units repeat their output all the time, receivers keep the last value. Exact for
  every p < 1: what is lost is replaced soon (hold-last-value, Chazan and Miranker 1969);
- resend, zero: receivers read 0 until the next message. On average that is a network with weights
  (1 - p) Xi, whose fixed point is another one, or far from any memory;
- send on delta: units send when they have moved by a quantum q, receivers hold. Nobody repeats the
  last message. If a unit moved one way all the time, the number of last messages that a link lost
  is k with probability (1 - p) p^k, and its register is off by q p / (1 - p) on average, for ever;
- heartbeat: the same, and units that were silent for 5 tau repeat their output.

Measured by events from damaged cues: memories start at 0, so that the output of the one that is
recalled rises from 1 / K to 1. Without loss, send on delta is off by less than a quantum already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .runner.experiment import Claim, Experiment, Quantity

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
            offset = 1 - float(part.overlap.sel(loss=0.0)) + _offset(data, fine)
            left.plot(100 * fine, offset, ":", color=colour, lw=1.5, label="q p / (1 - p) more")
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
    claims = []
    mean = data.mean("repeat")
    if "resend, hold" in data.scheme:
        worst, most = float(data.distance.sel(scheme="resend, hold").max()), float(data.loss.max())
        text = f"resend, hold: largest distance to the fixed point, loss up to {most:.0%}"
        claims.append(Claim(text, worst, 0.0, worst < 1e-6))
    for loss in data.loss.values if "heartbeat" in data.scheme else ():
        missing = float(1 - mean.overlap.sel(scheme="heartbeat", loss=loss))
        lacking = float(loss) ** (_LATE / _HEARTBEAT)
        text = f"heartbeat: overlap that is missing at {loss:.0%} loss"
        if lacking < 1e-2:
            claims.append(Claim(text, missing, 0.0, missing < 0.01))
        else:
            text += f" ({lacking:.0%} of the links missed all beats before {_LATE:g} tau)"
            claims.append(Claim(text, missing))
    for loss in data.loss.values:
        if "resend, zero" in data.scheme and loss > 0:
            part = mean.sel(scheme="resend, zero", loss=loss)
            found, theory = float(part.overlap), float(part.scaled)
            text = f"resend, zero: overlap at {loss:.0%} loss, against weights (1 - p) Xi"
            claims.append(Claim(text, found, theory, abs(found - theory) < 0.05))
    if "send on delta" in data.scheme and 0.0 in data.loss:
        overlap = mean.overlap.sel(scheme="send on delta")
        for loss in data.loss.values[data.loss.values > 0]:
            missing = float(overlap.sel(loss=0.0) - overlap.sel(loss=loss))
            theory = float(_offset(data, loss))
            text = f"send on delta: overlap that {loss:.0%} loss takes away for ever"
            claims.append(Claim(text, missing, theory, abs(missing - theory) < 0.02 + 0.3 * theory))
    return claims


def _offset(data: xr.Dataset, loss: Any) -> Any:
    """Mean error of a register whose last messages may all be lost."""
    return data.attrs["quantum"] * loss / (1 - loss)


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
        "distance": Quantity("largest distance of a feature from the fixed point", "state"),
        "messages": Quantity("messages sent"),
    },
    sizes={
        "toy": {
            "scheme": tuple(_SCHEMES),
            "loss": (0.0, 0.1, 0.3, 0.5, 0.7, 0.9),
            "quantum": 0.05,
            "beta": 0.5,
            "features": 32,
            "memories": 8,
            "repeats": 3,
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
