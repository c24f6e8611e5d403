"""Shared links: messages per CPU second over a bus, and delay against load.

    python benchmarks/fabric.py
    python benchmarks/fabric.py delay --figure docs/fabric.png

`speed` runs 1,000 units, 992 features and 8 memories, whose messages all go over one bus: with a
bus that serves all of them in time, with one that is overloaded after the cue, and without one (the
general engine). A message to one layer is read by every unit of it; compiling is not counted.
`delay` drives one link with messages at random times and compares the mean wait with the formula of
Pollaczek and Khinchine; of links with places, the share that is lost. `chips` recalls random
patterns over the links and with the clocks of chips, for networks of several time constants.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from statistics import median
from typing import Any

import harness


def speed(rounds: int) -> None:
    """Messages per CPU second."""
    import amsim as am

    patterns = am.patterns.random(8, 992, seed=0)
    net = am.dense_am(patterns / 992**0.5, visible=am.Tanh(), hidden=am.Tanh(), tau_hidden=1.0)
    cue = am.patterns.corrupt(patterns[0], flip=0.25, seed=1)
    buses: dict[str, Any] = {
        "no fabric": None,
        "bus without limits": am.Fabric(),
        "bus that serves in time": am.Fabric(hop=am.Link(1e7)),
        "bus overloaded after the cue": am.Fabric(hop=am.Link(5e4)),
        "the same, 16 places, senders wait": am.Fabric(hop=am.Link(5e4, fifo=16)),
        "encoder, bus and decoder": am.Fabric(None, am.Link(1e6), am.Link(1e6), am.Link(1e6)),
    }
    print(f"{'1,000 units, quantum 0.005, t = 0 to 2':44} messages  million per CPU second")
    for name, fabric in buses.items():
        solver = am.EventDriven(0.005, am.Timing(fabric=fabric))
        found = []
        for _ in range(rounds + 1):
            begun = time.process_time()
            traj = am.simulate(net, cue, solver=solver, times=[2.0], until=None)
            seconds = time.process_time() - begun
            count = sum(int(n) for n in traj.stats["messages"].values())
            found.append(count / seconds / 1e6)
        print(f"{name:44} {count:8d}  {median(found[1:]):6.2f}")


def one_link(load: float, link: Any, messages: int = 200_000) -> Any:
    """Counts of one link that messages reach at random times."""
    import numpy as np

    import amsim as am

    silent = am.Directed(np.zeros((1, 5)), source="senders", target="sink")
    layers = {"senders": am.Layer(5, am.Identity()), "sink": am.Layer(1, am.Identity())}
    timing = am.Timing(clock=am.Poisson(load / 5), heartbeat=1e-9, fabric=am.Fabric(hop=link))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", am.GuaranteeWarning)
        return am.simulate(
            am.Network(layers, [silent]), {"senders": np.ones(5), "sink": np.zeros(1)},
            solver=am.EventDriven(1e3, timing), t1=messages / load, until=None, seed=1,
        ).stats  # fmt: skip


def delay(path: Path | None) -> None:
    """Mean waits and losses over the load, beside the formulas."""
    import numpy as np

    import amsim as am

    loads = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95]
    waits: dict[float, list[float]] = {}
    print("\nload   mean wait: constant service (formula)   exponential service (formula)")
    for spread in (0.0, 1.0):
        waits[spread] = [
            float(one_link(load, am.Link(1.0, spread=spread))["link_mean_wait"]["bus"])
            for load in loads
        ]
    for k, load in enumerate(loads):
        rule = load / (2 * (1 - load))
        print(f"{load:4.2f}   {waits[0.0][k]:10.3f} ({rule:.3f})   "
              f"{waits[1.0][k]:24.3f} ({2 * rule:.3f})")  # fmt: skip
    places = (1, 4, 16)
    heavy = [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0]
    lost: dict[int, list[float]] = {}
    for fifo in places:
        link = am.Link(1.0, fifo=fifo, on_full="drop")
        found = [one_link(load, link, 50_000) for load in heavy]
        lost[fifo] = [float(s["link_dropped"]["bus"] / s["link_arrived"]["bus"]) for s in found]
    if path is None:
        return
    from matplotlib.figure import Figure

    from amsim.plot import lettered

    figure = Figure(figsize=(8.5, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    fine = np.linspace(0.02, 0.96, 200)
    styles = ((0.0, "#0072B2", "o", "constant service"), (1.0, "#D55E00", "s", "exponential"))
    for spread, colour, marker, label in styles:
        left.plot(fine, fine * (1 + spread) / (2 * (1 - fine)), color=colour, lw=1)
        left.plot(loads, waits[spread], marker, color=colour, ms=5, label=label)
    left.set(xlabel="load, arrivals x time of service", ylabel="mean wait, times of service",
             yscale="log", ylim=(0.03, 30))  # fmt: skip
    left.legend(frameon=False)
    for fifo, colour, marker in zip(places, ("#0072B2", "#D55E00", "#009E73"), "os^", strict=True):
        right.plot(heavy, lost[fifo], marker=marker, color=colour, ms=5, lw=1,
                   label=f"{fifo} place{'s' * (fifo > 1)}")  # fmt: skip
    bound = np.linspace(1.0, 3.0, 50)
    right.plot(bound, 1 - 1 / bound, "k:", lw=1, label="what cannot be served, 1 - 1/load")
    right.set(xlabel="load, arrivals x time of service", ylabel="share of messages dropped")
    right.set_ylim(-0.03, 1.19)
    right.legend(frameon=False, loc="upper left")
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
    lettered(figure).savefig(path, dpi=130)


ASKED = 100e-9  # s, for times that nobody published


def chips() -> None:
    """Which chip breaks a memory: recalls over links and clocks as they are, and what is proven."""
    import numpy as np

    from amsim.dynamics.events import CLOCKS, FABRICS

    taus = (1e-2, 1e-3, 1e-4, 1e-5)
    print("\nrecalled / proven / lost of 12 cues at tau = "
          + ", ".join(f"{1e3 * tau:g}" for tau in taus) + " ms")  # fmt: skip
    for name in dict.fromkeys((*FABRICS, *CLOCKS)):
        links, clock = FABRICS.get(name, {}), CLOCKS.get(name, {})
        for part in ("", "links", "clock") if links and clock else ("",):
            # Steps that are much shorter than tau are no clock, and take for ever.
            shortest = clock["step"].value if "step" in clock and part != "links" else np.inf
            cells = [
                on_chip(name, tau, part) if shortest > 1e-4 * tau else f"{'left out':>17}"
                for tau in taus
            ]
            print(f"{name:13} {part and 'its ' + part + ' alone':15}", " ".join(cells))
        assumed = [key for key, figure in {**links, **clock}.items() if figure.basis == "assumed"]
        asked = [key for key, figure in links.items() if figure.value is None]
        print(f"    assumed: {', '.join(assumed)}")
        if asked:
            print(f"    asked, here 100 ns each: {', '.join(asked)}")


def on_chip(name: str, tau: float, part: str) -> str:
    """Recalls of 12 cues over what a chip has, or over its links or with its clock alone."""
    from dataclasses import replace

    import numpy as np

    import amsim as am
    from amsim.dynamics.events import FABRICS

    quanta, margin = {"visible": 0.05, "hidden": 1e-3}, 0.5
    patterns = am.patterns.random(20, 64, seed=0)
    damaged = am.patterns.corrupt(patterns[:12], flip=0.25, seed=1)
    cues = {"visible": damaged, "hidden": np.zeros((12, 20))}  # memories have to be told
    net = am.dense_am(patterns, hidden=am.Softmax(1.0))
    groups = {"visible": np.arange(64) // 16, "hidden": 4 + np.arange(20) // 10}
    fabric = None
    if name in FABRICS:
        asked = {key: ASKED for key, figure in FABRICS[name].items() if figure.value is None}
        fabric = am.Fabric.chip(name, tau=tau, groups=groups, **asked)
    timing = am.Timing.chip(name, tau=tau, fabric=fabric)
    if part == "links":
        timing = replace(timing, clock=None)
    if part == "clock":
        timing = replace(timing, fabric=am.Fabric(groups=groups))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = am.simulate(net, cues, solver=am.EventDriven(quanta, timing), t1=500.0)
    recalled = np.abs(run.final["visible"] - patterns[:12]).max(axis=1) <= margin
    lost = sum(int(n.sum()) for n in run.stats["link_dropped"].values())
    proven = "-"
    if timing.clock is None and fabric is not None:
        found = am.recall_on_chip(net, cues, patterns[:12], fabric, quantum=quanta, margin=margin,
                                  attack=False)  # fmt: skip
        proven = str(int(found.proven.sum()))
        if (found.verdicts != "proven")[found.proven].any():  # as long as news are young enough
            proven = f"({proven})"
    return f"{int(recalled.sum()):4d} /{proven:>5} /{lost:6d}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", default=["speed", "delay", "chips"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    harness.one_thread()
    if "speed" in given.parts:
        speed(given.rounds)
    if "delay" in given.parts:
        delay(given.figure)
    if "chips" in given.parts:
        chips()


if __name__ == "__main__":
    main()
