r"""Does recall end in the same state without a clock as by the differential equation?

Damaged digits and random patterns are recalled by the differential equation, by events
whose messages arrive at once, and by events with everything that hardware does to messages: random
delays of each link, jitter, loss (healed by heartbeats), drifting clocks that allow a message only
at their ticks, and a different time constant for every unit. And as on three chips: over the links
and with the clocks of Loihi 1, SpiNNaker 1 and BrainScaleS-2, as far as they are published, with 64
features in four cores or chips and memories in a fifth, and heartbeats, since links may drop.

Prediction: the interval images of a certified cue shrink to one fixed point, and then every
execution ends there, whatever the delays, losses and clocks (asynchronous convergence theorem:
Bertsekas and Tsitsiklis, Parallel and Distributed Computation, 1989, section 6.2; here
`amsim.stability.certify` for messages link by link). For other cues theory promises nothing.

Measured against the fixed point that Newton's method finds from the end of the differential
equation: whether a run ends in its basin, which the differential equation decides by going on from
where the run ended; how far from it the run rests, since what is less than a quantum is not sent;
since when it is near, and after how many messages.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .runner.experiment import NOT_NEGATIVE, SHARE, Claim, Experiment, Quantity

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    import amsim as am

_RESIDUAL = 1e-3  # |tau dx/dt| at which a run is at rest
_FINE, _SAME = 1e-9, 1e-6  # the same where it is continued, and how near that comes to Newton's
_LONGEST = 200.0  # in units of tau
_STEP = 0.2  # resolution of times, in units of tau
_HEARTBEAT = 5.0  # in units of tau
CHIPS = ("loihi1", "spinnaker1", "brainscales2")
EXECUTIONS = ("equation", "events", "everything", *CHIPS)


def measure(
    *,
    memories: str,
    flip: float,
    execution: str,
    patterns: int,
    cues: int,
    beta: float,
    quantum: float,
    delay: float,
    jitter: float,
    drop: float,
    drift: float,
    tau_spread: float,
    near: float,
    tau: float,
    seed: np.random.SeedSequence,
) -> Mapping[str, ArrayLike]:
    """Recall some damaged patterns of one set."""
    import amsim as am

    draws = [int(number) for number in seed.generate_state(3)]
    if memories == "digits":
        stored = am.patterns.digits(patterns, seed=draws[0])
    else:
        stored = am.patterns.random(patterns, 64, seed=draws[0])
    net = am.dense_am(stored, hidden=am.Softmax(beta), tau_hidden=1.0)
    damaged = am.patterns.corrupt(stored[:cues], flip=flip, seed=draws[1])
    target, certified = _target(net, damaged)
    timing = am.Timing()
    if execution == "everything":
        from scipy.stats import uniform

        timing = am.Timing(
            delay=uniform(0.0, delay),
            scope="link",
            jitter=jitter,
            drop=drop,
            heartbeat=_HEARTBEAT,
            tau_spread=tau_spread,
            clock=am.Periodic(0.1, drift=drift, jitter=0.05),
        )
    elif execution in CHIPS:
        timing = _chip(execution, tau, net)
    elif execution not in EXECUTIONS:
        raise ValueError(f"execution is {execution!r}; use {', '.join(map(repr, EXECUTIONS))}")
    solver = None if execution == "equation" else am.EventDriven(quantum, timing)
    with warnings.catch_warnings():
        # Unequal taus in a softmax group lose the descent of the energy; the certificate remains.
        warnings.simplefilter("ignore", am.GuaranteeWarning)
        traj = am.simulate(
            net,
            damaged,
            solver=solver,
            seed=draws[2],
            times=np.arange(0.0, _LONGEST + _STEP, _STEP),
            until=am.Settled(_RESIDUAL),
        )
    distance = np.abs(traj["visible"] - target).max(axis=2)
    final = np.abs(traj.final["visible"] - target).max(axis=1)
    further = am.simulate(net, traj.final, until=am.Settled(_FINE)).final["visible"]
    messages = traj.stats.get("messages", {})
    return {
        "distance": final,
        "same": np.abs(further - target).max(axis=1) <= _SAME,
        "certified": certified,
        "time": _since(traj.times, distance <= near),
        "messages": sum(messages.values()) if messages else np.full(cues, np.nan),
        "settled": traj.statuses == "settled",
    }


def _chip(name: str, tau: float, net: am.Network) -> am.Timing:
    """Features in four groups, memories in a fifth; tau in seconds."""
    import amsim as am

    size = net.layers["visible"].size
    groups: dict[str, Any] = {"visible": 4 * np.arange(size) // size, "hidden": 4}
    fabric = am.Fabric.chip(name, tau=tau, groups=groups)
    return replace(am.Timing.chip(name, tau=tau, fabric=fabric), heartbeat=_HEARTBEAT)


def _target(net: am.Network, damaged: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Features of the fixed points of the differential equation, and which cues are certified."""
    import amsim as am

    ends = am.simulate(net, damaged).final
    found = [
        am.stability.find(net, {name: state[cue] for name, state in ends.items()})
        for cue in range(len(damaged))
    ]
    states = {name: np.array([point.states[name] for point in found]) for name in net.layers}
    return states["visible"], am.stability.certify(net, damaged, states, scope="link").holds


def _since(times: NDArray[Any], inside: NDArray[Any]) -> NDArray[np.float64]:
    """Time since which each column is true to the end; NaN where it is not."""
    runs = np.logical_and.accumulate(inside[::-1])[::-1]
    return np.where(runs[-1], times[runs.argmax(axis=0)], np.nan)


def judge(data: xr.Dataset) -> list[Claim]:
    """Certified cues have to end in the fixed point; of the others, see what happens."""
    claims = []
    for execution in data.execution.values:
        part = data.sel(execution=execution)
        proven = part.certified == 1
        if proven.any():
            share = float(part.same.where(proven).mean())
            text = f"{execution}: share of certified cues that end in the fixed point"
            claims.append(Claim(text, share, 1.0, share == 1))
        there = part.distance.where(part.same == 1)
        text = f"{execution}: largest distance at rest of cues that end there"
        claims.append(Claim(text, float(there.max())))
    for memories in data.memories.values:
        for execution in data.execution.values:
            part = data.sel(memories=memories, execution=execution)
            text = f"{memories}, {execution}:"
            claims.append(
                Claim(f"{text} share of all cues in the fixed point", float(part.same.mean()))
            )
            claims.append(Claim(f"{text} time to it (tau), median", float(part.time.median())))
            if np.isfinite(part.messages).any():
                claims.append(
                    Claim(f"{text} messages of a cue, median", float(part.messages.median()))
                )
    return claims


def draw(data: xr.Dataset) -> Figure:
    """Draw shares, times and messages over damage, with a row for each set of memories."""
    from amsim.gallery.style import BLUE, GREEN, ORANGE, PURPLE, RED, SKY, label, panels

    sets, executions = data.memories.values, data.execution.values
    figure, axes = panels(len(sets), 3, 1.2 + 2.4 * len(sets), sharey="col")
    styles = dict(
        zip(
            EXECUTIONS,
            zip((BLUE, GREEN, ORANGE, RED, PURPLE, SKY), "osD^vX", strict=True),
            strict=True,
        )
    )
    over, damage = ("repeat", "cue"), 100 * data.flip
    for row, memories in zip(axes, sets, strict=True):
        of_set = data.sel(memories=memories)
        row[0].plot(
            damage, 100 * of_set.certified.mean((*over, "execution")), color="0.5", lw=3, alpha=0.5,
            label="proven",
        )  # fmt: skip
        for place, execution in enumerate(executions):
            part = of_set.sel(execution=execution)
            colour, marker = styles[str(execution)]
            beside = damage + 0.5 * (place - (len(executions) - 1) / 2)  # equal ones can be seen
            style = {"color": colour, "marker": marker, "ms": 4, "lw": 1, "label": execution}
            row[0].plot(beside, 100 * part.same.mean(over), **style)
            row[1].plot(beside, part.time.median(over), **style)
            row[2].plot(beside, part.messages.median(over), **style)
        label(row[0], "flipped units (%)", "cues (%)", f"{memories}: same fixed point")
        label(row[1], "flipped units (%)", "time (units of τ)", "until near it for good")
        label(row[2], "flipped units (%)", "messages per cue", "until at rest")
    axes[0, 0].set_ylim(-3, 103)
    axes[0, 1].set_ylim(bottom=0)
    axes[0, 2].set_ylim(bottom=0)
    lines, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        lines, names, loc="outside lower center", ncols=4, frameon=False, fontsize="small"
    )
    return figure


_FIXED = {
    "quantum": 0.05, "delay": 1.0, "jitter": 0.5, "drop": 0.1, "drift": 0.05, "tau_spread": 0.3,
    "near": 0.5, "tau": 1e-3,
}  # fmt: skip

EXPERIMENT = Experiment(
    name="asynchrony",
    question="Does recall end in the same state without a clock as by the differential equation?",
    measure=measure,
    parameters={
        "memories": Quantity("what is stored: handwritten digits or random patterns of 64 units"),
        "flip": Quantity("flipped share of the units of a cue"),
        "execution": Quantity("differential equation, events at once, with everything, or a chip"),
        "patterns": Quantity("stored patterns"),
        "cues": Quantity("cues of each set"),
        "beta": Quantity("inverse temperature of the memories"),
        "quantum": Quantity("change of an output that is sent"),
        "delay": Quantity("longest delay of a link; they are uniform from 0", "tau"),
        "jitter": Quantity("longest further delay of a message", "tau"),
        "drop": Quantity("probability that a message is lost"),
        "drift": Quantity("spread of the clocks, which tick every 0.1 tau"),
        "tau_spread": Quantity("spread of the logarithm of time constants"),
        "near": Quantity("distance within which a run has arrived"),
        "tau": Quantity("the unit of tau on a chip", "s"),
    },
    results={
        "distance": Quantity(
            "largest distance of a feature from the fixed point", "1", ("cue",), within=NOT_NEGATIVE
        ),
        "same": Quantity(
            "whether it ends in the basin of that fixed point", "1", ("cue",), within=SHARE
        ),
        "certified": Quantity(
            "whether every execution is proven to end there", "1", ("cue",), within=SHARE
        ),
        "time": Quantity(
            "time since which it is near the fixed point", "tau", ("cue",), within=NOT_NEGATIVE
        ),
        "messages": Quantity(
            "messages sent until it is at rest", "1", ("cue",), within=NOT_NEGATIVE
        ),
        "settled": Quantity("whether it came to rest", "1", ("cue",), within=SHARE),
    },
    sizes={
        "toy": {
            "memories": ("digits", "random"),
            "flip": (0.1, 0.2, 0.4),
            "execution": EXECUTIONS,
            "patterns": 30,
            "cues": 4,
            "beta": 0.75,
            **_FIXED,
            "repeats": 2,
        },
        "paper": {
            "memories": ("digits", "random"),
            "flip": (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45),
            "execution": EXECUTIONS,
            "patterns": 200,
            "cues": 10,
            "beta": 0.75,
            **_FIXED,
            "repeats": 1000,
        },
    },
    draw=draw,
    judge=judge,
    at_most={"cues": "patterns"},
)
run = EXPERIMENT.run

if __name__ == "__main__":
    from .runner.command import main

    raise SystemExit(main(EXPERIMENT))
