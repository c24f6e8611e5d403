"""Messages saved by events: against a clock of the same accuracy, and over damage of a cue.

`messages_saved` and `messages_to_settle` are the tables `savings` and `corruption` of events.py.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

import amsim as am
from amsim.plot import lettered

TIMES = np.array([0.5, 1.0, 2.0, 4.0])
STEPS = np.array([0.1, 0.05, 0.02, 0.01, 0.005, 0.0025, 0.001, 0.0005])  # of the clock
QUANTA = (0.1, 0.03, 0.01, 0.003)
# Visible and memory units, their quanta, and the quantum of a reference that is ten times finer.
# Shares of a softmax among a thousand memories are small, and so are their quanta.
PAIRS = (
    ("tanh", "tanh", QUANTA, 3e-4),
    ("tanh", "sign", QUANTA, 3e-4),
    ("sign", "tanh", QUANTA, 3e-4),
    ("sign", "softmax", (0.01, 1e-3, 3e-4, 1e-4), 1e-5),
    ("sign", "sign", (0.1,), 3e-4),
)


def _network(visible: str, hidden: str, stored: Any) -> Any:
    """Memories; the weights of a softmax are whole, its inverse temperature is small."""
    units = {"tanh": am.Tanh, "sign": am.Sign}
    if hidden == "softmax":
        return am.dense_am(stored, visible=units[visible](), hidden=am.Softmax(0.02),
                           tau_hidden=1.0)  # fmt: skip
    return am.dense_am(stored / stored.shape[1] ** 0.5, visible=units[visible](),
                       hidden=units[hidden](), tau_hidden=1.0)  # fmt: skip


def euler(network: Any, states: dict[str, Any], step: float) -> Any:
    """Visible states by exponential Euler: every unit sends its output at every step."""
    decay = {n: np.exp(-step / layer.tau) for n, layer in network.layers.items()}
    now, found = {n: x.copy() for n, x in states.items()}, []
    for index in range(round(TIMES[-1] / step) + 1):
        found += [now["visible"].copy() for t in TIMES if index == round(t / step)]
        force = network.unchecked_force(now)
        now = {n: x + force[n] * (1 - decay[n]) for n, x in now.items()}
    return np.array(found)


def rms(found: Any, exact: Any) -> float:
    return float(np.sqrt(np.mean((found - exact) ** 2)))


def clock_errors(net: Any, cue: Any, exact: Any) -> list[float]:
    """RMS error of the clock with each of its steps."""
    first = am.simulate(net, cue, times=[0.0, 1e-9], until=None, solver=am.EventDriven(0.5))
    start = {name: first[name][0] for name in net.layers}
    return [rms(euler(net, start, float(step)), exact) for step in STEPS]


def variation(network: Any, cue: Any, smooth: list[str], quantum: float) -> float:
    """How far the outputs of smooth units move in all, there and back."""
    times = np.linspace(0.0, TIMES[-1], 801)
    solver = am.EventDriven(quantum, announce="ahead", max_events=10**9)
    traj = am.simulate(network, cue, times=times, until=None, solver=solver)
    outputs = (network.layers[name].lagrangian.activation(traj[name]) for name in smooth)
    return float(sum(np.abs(np.diff(y, axis=0)).sum() for y in outputs))


def messages_saved(size: str) -> list[dict[str, Any]]:
    """Messages of events and of a clock at equal RMS error of the visible states.

    Send-on-delta cannot do with fewer messages than outputs move, in quanta: the column `needed`.
    `smooth saved` counts the messages of smooth units alone, on both sides.
    """
    units, count = map(int, size.split("x"))
    stored = am.patterns.random(count, units, seed=0)
    # Uneven, since signs of features that are exactly 0 would be decided by rounding.
    cue = am.patterns.corrupt(stored[0], flip=0.25, seed=1)
    cue = cue * np.random.default_rng(2).uniform(0.5, 1.5, units)
    return [row for pair in PAIRS for row in _one_pair(*pair, stored, cue)]


def _one_pair(
    visible: str, hidden: str, quanta: tuple[float, ...], finest: float, stored: Any, cue: Any
) -> list[dict[str, Any]]:
    net, rows = _network(visible, hidden, stored), []
    # No ODE solver here finds the jumps of signs: their reference is a run with small quanta.
    solver: Any = am.EventDriven(finest, announce="ahead", max_events=10**9)
    if "sign" not in (visible, hidden):
        solver = am.ExponentialIntegrator(1e-10, 1e-11)
    exact = am.simulate(net, cue, times=TIMES, until=None, solver=solver)["visible"]
    reached = clock_errors(net, cue, exact)
    smooth = [n for n, kind in (("visible", visible), ("hidden", hidden)) if kind != "sign"]
    moved = variation(net, cue, smooth, finest) if smooth else 0.0
    sizes = {name: layer.size for name, layer in net.layers.items()}
    for quantum in quanta:
        for announce in ("output", "ahead"):
            solver = am.EventDriven(quantum, announce=announce)
            begun = time.process_time()
            traj = am.simulate(net, cue, times=TIMES, until=None, solver=solver)
            seconds, error = time.process_time() - begun, rms(traj["visible"], exact)
            sent = {name: int(n) for name, n in traj.stats["messages"].items()}
            step = step_for(error, reached)
            ticks = TIMES[-1] / (step or STEPS[-1])
            more = "" if step else "> "  # than with the smallest step, which is not as accurate
            part = sum(sent[name] for name in smooth)
            rows.append({
                "visible": visible, "memories": hidden, "announce": announce, "quantum": quantum,
                "RMS error": error, "by visible": sent["visible"], "by memories": sent["hidden"],
                "needed": moved / quantum if smooth else float("nan"),
                "clock's step": step or float("nan"), "clock's error": min(reached),
                "clock's messages": f"{more}{ticks * sum(sizes.values()):.3g}",
                "saved": f"{more}{ticks * sum(sizes.values()) / sum(sent.values()):.3g}",
                "smooth saved": ticks * sum(sizes[n] for n in smooth) / part if part else
                float("nan"), "CPU s": seconds,
            })  # fmt: skip
    if visible == hidden == "tanh":
        rows += [{**dict.fromkeys(rows[0], ""), **row} for row in _without_events(net, cue, exact)]
    return rows


def step_for(error: float, reached: list[float]) -> float | None:
    """The step with which the clock is as accurate; None if it never is.

    Of first order beyond the largest step, up to the first of the times at which it has to have a
    state. Where its errors go up and down, the best one counts.
    """
    best = np.minimum.accumulate(reached)
    if error < best[-1]:
        return None
    step = float(np.exp(np.interp(np.log(error), np.log(best[::-1]), np.log(STEPS[::-1]))))
    return min(step * max(error / best[0], 1.0), float(TIMES[0]))


def _without_events(net: Any, cue: Any, exact: Any) -> list[dict[str, Any]]:
    """What the CPU time buys with an ODE solver."""
    rows = []
    for rtol in (1e-1, 1e-2, 1e-3):
        begun = time.process_time()
        solver = am.ExponentialIntegrator(rtol, rtol)
        traj = am.simulate(net, cue, times=TIMES, until=None, solver=solver)
        seconds = time.process_time() - begun
        rows.append({"visible": "tanh", "memories": "tanh", "announce": f"(ODE, rtol {rtol:g})",
                     "RMS error": rms(traj["visible"], exact), "CPU s": seconds})  # fmt: skip
    return rows


def messages_to_settle(size: str) -> list[dict[str, Any]]:
    """Messages and synaptic operations until a damaged cue has settled.

    Those of a clock of the same RMS error go on for as long. At rest it is as accurate with any
    step, so that errors are taken on the way there, at `TIMES`.
    """
    units, count = map(int, size.split("x"))
    stored, rows = am.patterns.random(count, units, seed=0), []
    net = am.dense_am(stored, visible=am.Tanh(), hidden=am.Softmax(0.1), tau_hidden=1.0)
    accurate, settled = am.ExponentialIntegrator(1e-10, 1e-11), am.Settled(1e-3)
    for flip in (0.0, 0.1, 0.2, 0.3, 0.4):
        cue = am.patterns.corrupt(stored[0], flip=flip, seed=1)
        exact = am.simulate(net, cue, times=TIMES, until=None, solver=accurate)["visible"]
        reached = clock_errors(net, cue, exact)
        for quantum in (0.1, 0.01, 0.001):
            traj = am.simulate(net, cue, times=TIMES, t1=1000.0, until=settled,
                               solver=am.EventDriven(quantum, announce="ahead"))  # fmt: skip
            error = rms(traj["visible"], exact)
            sent = sum(int(n) for n in traj.stats["messages"].values())
            operations = int(traj.stats["synaptic_operations"])
            step, end = step_for(error, reached), float(traj.settle_times)
            ticks, more = end / (step or STEPS[-1]), "" if step else "> "
            rows.append({
                "flipped": flip, "quantum": quantum, "status": traj.status, "settled at": end,
                "RMS error": error, "clock's step": step or float("nan"), "messages": sent,
                "clock's messages": f"{more}{ticks * (units + count):.3g}",
                "synaptic operations": operations,
                "clock's": f"{more}{ticks * 2 * units * count:.3g}",
                "saved": f"{more}{ticks * (units + count) / max(sent, 1):.3g}",
            })  # fmt: skip
    return rows


def draw(saved: list[dict[str, Any]], damaged: list[dict[str, Any]], path: Path) -> None:
    """Savings over the quantum, messages over the damage."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogFormatter

    figure = Figure(figsize=(8.0, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for announce, style in (("output", "o-"), ("ahead", "s--")):
        kind = ("tanh", "tanh", announce)
        part = [r for r in saved if (r["visible"], r["memories"], r["announce"]) == kind]
        left.loglog(
            [row["quantum"] for row in part],
            [float(row["saved"].strip("> ")) for row in part],
            style,
            color="#0072B2" if announce == "output" else "#E69F00",
            label=f'announce="{announce}"',
        )
    left.set(xlabel="quantum (units of the output)", ylabel="messages of a clock / of events")
    left.legend(frameon=False, fontsize="x-small")
    for quantum, colour in ((0.1, "#0072B2"), (0.01, "#E69F00"), (0.001, "#009E73")):
        part = [row for row in damaged if row["quantum"] == quantum]
        flips = [row["flipped"] for row in part]
        clocked = [float(row["clock's messages"].strip("> ")) for row in part]
        right.plot(flips, [row["messages"] for row in part], "o-", color=colour,
                   label=f"events, quantum {quantum}")  # fmt: skip
        right.plot(flips, clocked, "s:", markersize=4, color=colour)
    right.set_yscale("symlog", linthresh=100)
    right.plot([], [], "s:", markersize=4, color="0.4", label="a clock, as accurate")
    right.set(xlabel="share of flipped units in the cue", ylabel="messages until settled")
    right.legend(frameon=False, fontsize="x-small")
    left.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
    lettered(figure).savefig(path, dpi=100)
