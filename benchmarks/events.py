"""Event-driven recall: deliveries per CPU second beside other simulators, and messages saved.

    python benchmarks/events.py                      # everything, some minutes
    python benchmarks/events.py speed --rounds 3 --markdown   # ends with the table of the page
    python benchmarks/events.py savings corruption --figure events.png

`speed` runs one network of tanh units everywhere, in turn: the same units, weights, quantum and
delays; laying out links and compiling is not counted. amsim and the plain heap (a smaller network)
are exact in time; Brian2 has a grid of dt. Where all delays are equal, it puts a message into a
queue once for all links, as in a broadcast; with "half of the links longer by dt" it has to keep
links apart. There are two floors in the same run. The copy loop has the memory traffic of a
delivery (a weight, target and gap read and written, two levels, one key: 64 bytes), on arrays of
the size of the weights. The link floor goes through the links of senders that have messages on
their way, in windows of the smallest delay as amsim does, and adds up what arrives: no order, no
levels, no messages of its own; "read only" does not even add, and counts links.
`savings` compares the messages of send-on-delta with those of a clock (exponential Euler, every
unit sends its output at every step) of the same RMS error, by layer, and with the fewest that
send-on-delta can do with. `corruption` counts messages and synaptic operations to settle over
damage of the cue.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import harness

if TYPE_CHECKING:
    from event_peers import Problem, Run

GRID = 1e-3  # Brian2's step, in units of tau
PAIRS = 7  # of a run and its set-up, of which one time is made


def amsim_events(
    problem: Problem, scope: str = "broadcast", jitter: float = 0.0, beta: float | None = None
) -> Run:
    """EventDriven, beyond its set-up; its own draw of delays where they differ between links.

    With `beta` the memories are Softmax(beta): another network, with more messages. A set-up takes
    as long as millions of broadcast deliveries: the median of several runs less several set-ups.
    """
    import amsim as am

    hidden = am.Tanh() if beta is None else am.Softmax(beta)
    net = am.dense_am(problem.weights, visible=am.Tanh(), hidden=hidden, tau_hidden=1.0)
    timing = am.Timing(delay=problem.delay(), scope=scope, jitter=jitter)
    solver = am.EventDriven(problem.quantum, timing, max_events=10**9)

    def until(t1: float) -> tuple[int, float]:
        begun = time.process_time()
        traj = am.simulate(net, problem.cue, solver=solver, times=[t1], until=None)
        return int(traj.stats["synaptic_operations"]), time.process_time() - begun

    def run() -> tuple[int, float]:
        pairs = [(until(1e-6), until(problem.t1)) for _ in range(PAIRS)]
        (early, _), (count, _) = pairs[0]
        return count - early, median(whole - setup for (_, setup), (_, whole) in pairs)

    return run


def make_problem(size: str, quantum: float, t1: float, delays: tuple[float, float]) -> Problem:
    """Weights of random patterns, scaled so that the network recalls; a cue with 25 % flipped."""
    from event_peers import Problem

    from amsim import patterns

    units, count = map(int, size.split("x"))
    stored = patterns.random(count, units, seed=0)
    cue = patterns.corrupt(stored[0], flip=0.25, seed=1)
    return Problem(stored / units**0.5, cue, quantum, t1, *delays)


def speed(size: str, rounds: int, quantum: float) -> list[dict[str, Any]]:
    """Deliveries per CPU second, in turn."""
    from event_floors import copy_floor, link_floor
    from event_peers import brian2, python_heap
    from nest_peer import nest

    rows = []
    for words, delays in (("delay 0.1", (0.1, 0.1)), ("delays 0.1 to 1.2 by link", (0.1, 1.2))):
        problem = make_problem(size, quantum, 1.0, delays)
        small = make_problem("64x80", 0.05, 1.0, delays)
        builders: dict[str, Callable[[], Run]] = {
            "amsim": partial(amsim_events, problem, "broadcast"),
            "amsim, link by link": partial(amsim_events, problem, "link"),
            "amsim, link by link, jitter 0.2": partial(amsim_events, problem, "link", 0.2),
            "amsim, link by link, Softmax(0.4) memories": partial(
                amsim_events, problem, "link", 0.0, 0.4
            ),
            "Brian2 C++ standalone": partial(brian2, "cpp_standalone", GRID, problem),
            "Brian2 C++, half of the links longer by dt": partial(
                brian2, "cpp_standalone", GRID, problem, uneven=True
            ),
            "Brian2 Cython": partial(brian2, "cython", GRID, problem),
            "NEST, amsim's messages": partial(nest, GRID, problem),
            "plain Python heap (64x80)": partial(python_heap, small),
            "copy floor": partial(copy_floor, problem),
            "link floor": partial(link_floor, problem, added=True),
            "link floor, read only": partial(link_floor, problem, added=False),
        }
        if delays[0] < delays[1]:
            del builders["amsim"], builders["Brian2 C++, half of the links longer by dt"]
        rows += [{"delays": words, **row} for row in _rates(builders, rounds)]
    return rows


def _rates(builders: dict[str, Callable[[], Run]], rounds: int) -> list[dict[str, Any]]:
    runs: dict[str, Run] = {}
    notes = dict.fromkeys(builders, "")
    for name, build in builders.items():
        try:
            runs[name] = build()
            runs[name]()
        except ImportError as error:
            notes[name] = f"not installed ({error.name})"
            runs.pop(name, None)
    found: dict[str, list[tuple[int, float]]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            found[name].append(run())
    # Brian2 does not say how much has arrived by the end: in the same network, the same.
    arrived = found["amsim, link by link"][0][0]
    rows = []
    for name in builders:
        count, rate = 0, float("nan")
        if name in found:
            count = arrived if name.startswith("Brian2") else found[name][0][0]
            rate = count / median(seconds for _, seconds in found[name]) / 1e6
        rows.append({"simulator": name, "M deliveries/s": rate, "deliveries": count,
                     "note": notes[name]})  # fmt: skip
    return rows


def by_delays(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table of docs/events.md: a line for each simulator, a column for each kind of delays."""
    first = "million deliveries per CPU second"
    lines: dict[str, dict[str, Any]] = {}
    for row in rows:
        line = lines.setdefault(row["simulator"], {first: row["simulator"]})
        line[row["delays"]] = row["note"] or row["M deliveries/s"]
    columns = [first, *dict.fromkeys(row["delays"] for row in rows)]
    return [{name: line.get(name, "") for name in columns} for line in lines.values()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=["speed", "savings", "corruption"],
                        choices=["speed", "savings", "corruption"])  # fmt: skip
    parser.add_argument("--size", default="784x1000", metavar="DxK")
    parser.add_argument("--rounds", type=int, default=2, help="of speed")
    parser.add_argument("--quantum", type=float, default=0.01, help="of speed")
    parser.add_argument("--markdown", action="store_true", help="of speed: the table of the page")
    parser.add_argument("--figure", type=Path, help="of savings and corruption")
    parser.add_argument("--json", type=Path, help="also write the tables here")
    options = parser.parse_args()
    harness.one_thread()
    tables: dict[str, list[dict[str, Any]]] = {}
    from event_savings import draw, messages_saved, messages_to_settle  # after one_thread

    tables_of = {
        "speed": lambda: speed(options.size, options.rounds, options.quantum),
        "savings": lambda: messages_saved(options.size),
        "corruption": lambda: messages_to_settle(options.size),
    }
    for part in options.parts:
        tables[part] = tables_of[part]()
        print(f"\n{part}, {options.size}")
        harness.show(tables[part])
    if options.markdown and "speed" in tables:
        harness.markdown(by_delays(tables["speed"]))
    if options.figure and {"savings", "corruption"} <= tables.keys():
        draw(tables["savings"], tables["corruption"], options.figure)
    if options.json:
        harness.dump(tables, options.json)


if __name__ == "__main__":
    main()
