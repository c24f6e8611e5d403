"""CPU time of noise, of own events and of a callback, each against the plain run.

    python benchmarks/dynamics.py
    python benchmarks/dynamics.py --only noise --rounds 3

All runs of a group have one network, one batch, one horizon, and the same recorded times. Their
plain run is the default solver with until=None (`ExponentialIntegrator`, adaptive steps), or, for
messages, `EventDriven` without noise.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import harness

SIZES = {"64x10x1": (64, 10, 1), "64x100x16": (64, 100, 16), "784x1000x16": (784, 1000, 16)}
T1, TIMES = 20.0, 101


def problem(units: int, count: int, batch: int) -> tuple[Any, Any, Any]:
    """A softmax memory, cues with three tenths of the units flipped, and the patterns."""
    import amsim as am

    stored = am.patterns.random(count, units, seed=0)
    cues = am.patterns.corrupt(stored[:batch], flip=0.3, seed=1)
    net = am.dense_am(stored, hidden=am.Softmax(beta=12.0 / units), tau_hidden=0.5)
    return net, cues, stored


def noise(size: tuple[int, int, int]) -> dict[str, Callable[[], Any]]:
    """Steps of a fixed length with noise, and the same without, against adaptive ones."""
    import numpy as np

    import amsim as am

    net, cues, _ = problem(*size)
    given: dict[str, Any] = {"times": np.linspace(0.0, T1, TIMES), "until": None}
    heun = am.ExponentialHeun()
    return {
        "plain": lambda: am.simulate(net, cues, **given),
        "fixed steps, no noise": lambda: am.simulate(net, cues, solver=heun, **given),
        "white noise": lambda: am.simulate(net, cues, noise=0.01, **given),
        "coloured noise": lambda: am.simulate(net, cues, noise=am.Noise(0.01, 0.5), **given),
    }


def watches(size: tuple[int, int, int]) -> dict[str, Callable[[], Any]]:
    """Own events, and a callback."""
    import numpy as np

    import amsim as am

    net, cues, stored = problem(*size)
    given: dict[str, Any] = {"times": np.linspace(0.0, T1, TIMES), "until": None}

    def unit(time: float, states: Any) -> float:
        return float(states["visible"][0])

    def overlap(time: float, states: Any) -> float:
        return float(states["visible"] @ stored[0]) / len(stored[0]) - 0.9

    def units(times: Any, states: Any) -> Any:
        return states["visible"][:, 0]

    def overlaps(times: Any, states: Any) -> Any:
        return states["visible"] @ stored[0] / len(stored[0]) - 0.9

    def callback(time: float, states: Any) -> bool:
        return float(states["visible"][0, 0]) > 1e9

    def bare(function: Callable[[Any, Any], Any]) -> Callable[[], None]:
        """Calls of a function as often as a run makes them, and nothing else."""
        seen: list[float] = []
        counted = {"a": lambda time, states: seen.append(time) or function(time, states)}
        am.simulate(net, cues, watch=counted, **given)
        states = {"visible": cues[0]}

        def calls() -> None:
            for time in seen:
                function(time, states)

        return calls

    all_units = am.Watch(units, vectorised=True)
    all_rising = am.Watch(overlaps, direction=1, vectorised=True)
    rising = am.Watch(overlap, direction=1)
    ends = am.Watch(lambda time, states: time - 0.75 * T1, terminal=True)
    return {
        "plain": lambda: am.simulate(net, cues, **given),
        "one unit crosses 0": lambda: am.simulate(net, cues, watch={"a": unit}, **given),
        "overlap rises": lambda: am.simulate(net, cues, watch={"a": rising}, **given),
        "both, terminal": lambda: am.simulate(
            net, cues, watch={"a": rising, "b": ends}, **given
        ),
        "bare calls, one unit": bare(unit),
        "bare calls, overlap": bare(overlap),
        "one unit, vectorised": lambda: am.simulate(net, cues, watch={"a": all_units}, **given),
        "overlap, vectorised": lambda: am.simulate(net, cues, watch={"a": all_rising}, **given),
        "callback": lambda: am.simulate(net, cues, callback=callback, **given),
    }  # fmt: skip


def messages(size: tuple[int, int, int]) -> dict[str, Callable[[], Any]]:
    """Event-driven units, with noise in their states."""
    import amsim as am

    net, cues, _ = problem(*size)
    cues = cues[:2]
    runs = {}
    for name, timing in {
        "broadcast": am.Timing(delay=0.05),
        "by link": am.Timing(delay=0.05, jitter=0.05),
    }.items():
        for text, options in {"plain": {}, "noise": {"noise": 0.01}}.items():
            runs[f"{name}, {text}"] = _events(net, cues, timing, options)
    return runs


def _events(net: Any, cues: Any, timing: Any, options: Any) -> Callable[[], Any]:
    import amsim as am

    solver = am.EventDriven(0.01, timing)
    return lambda: am.simulate(net, cues, solver=solver, t1=T1, until=None, **options)


GROUPS = {"noise": noise, "watch": watches, "messages": messages}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    harness.one_thread()
    print("BLAS kernel:", harness.blas_kernel())
    for group in options.only:
        for name in options.sizes:
            runs = GROUPS[group](SIZES[name])
            timings = harness.interleave(runs, options.rounds)
            print(f"\n{group}, features x memories x cues: {name}")
            rows, plain = [], float("nan")
            for run, timing in timings.items():
                if "plain" in run:
                    plain = timing.cpu_median
                found = runs[run]()
                stats = {"rhs": ""} if found is None else found.stats
                rows.append(
                    {
                        "run": run,
                        "CPU ms": 1e3 * timing.cpu_median,
                        "x plain": timing.cpu_median / plain,
                        "right-hand sides": stats["rhs"],
                        "messages": _sent(stats),
                        "note": timing.note,
                    }
                )
            harness.show(rows)


def _sent(stats: Any) -> str:
    """Messages of all cues, in a run that sends any."""
    found = stats.get("messages")
    return "" if found is None else str(sum(int(count.sum()) for count in found.values()))


if __name__ == "__main__":
    main()
