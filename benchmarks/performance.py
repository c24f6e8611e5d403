"""Where amsim stands: every row of docs/performance.md, in one run.

    uv run --isolated --python 3.10 --group bench python benchmarks/performance.py --markdown
    ... benchmarks/performance.py --rows certify binary --rounds 9

CPU seconds in one thread, contenders in turn, medians; only the rows on both cores are in wall
time. "First" rows run in processes whose folder for compiled code is empty. A goal is a number of
seconds, a multiple of what the peer needs that is allowed ("at most"), or how many times faster
than the peer to be ("at least"); of several peers the fastest counts. Losses stay in the table.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import harness

ROUNDS = 5
SECONDS, AT_MOST, AT_LEAST = "s", "at most", "at least"


@dataclass(frozen=True)
class Measured:
    """What one contender of a row, amsim, and one peer needed; NaN where there is none."""

    work: str
    amsim: float
    peer: str = ""
    other: float = math.nan
    note: str = ""
    peak: float = math.nan  # fraction of the roofline that amsim reaches


@dataclass(frozen=True)
class Row:
    """A kind of goal, the goal itself (least, aim), and what measures it."""

    kind: str
    goal: tuple[float, float]
    measure: Callable[[int], Iterator[Measured]]


# ---------------------------------------------------------------------------- the machine


def roofline(rounds: int) -> dict[str, float]:
    """GF/s of a product of matrices in both precisions, GB/s of reading."""
    import numpy as np

    found = {}
    for name, kind in (("DGEMM", np.float64), ("SGEMM", np.float32)):
        a = np.ones((1024, 1024), kind)
        out = np.empty_like(a)
        timing = harness.interleave({name: lambda a=a, out=out: np.matmul(a, a, out=out)}, rounds)
        found[f"{name} GF/s"] = 2 * 1024**3 / timing[name].cpu_median / 1e9
    wide = np.ones(1 << 26, np.float32)
    timing = harness.interleave({"read": wide.sum}, rounds)
    found["read GB/s"] = wide.nbytes / timing["read"].cpu_median / 1e9
    return found


# ---------------------------------------------------------------------------- first calls

_CALLS = {
    "recall": """
patterns = am.patterns.random(1000, 784, seed=0)
cues = am.patterns.corrupt(patterns[:64], flip=0.25, seed=1)
net = am.dense_am(patterns, hidden=am.Softmax(784**-0.5), tau_hidden=0.1)
call = lambda: am.simulate(net, cues)
""",
    "single": """
patterns = am.patterns.random(10, 64, seed=0)
net = am.dense_am(patterns, hidden=am.Softmax(0.125), tau_hidden=0.1)
call = lambda: am.simulate(net, patterns[0])
""",
    "events": """
patterns = am.patterns.random(10, 64, seed=0)
net = am.dense_am(patterns / 8, visible=am.Tanh(), hidden=am.Tanh())
call = lambda: am.simulate(net, patterns[0], solver=am.EventDriven(0.01), t1=1.0, until=None)
""",
    "certify": """
from amsim.stability import certify
patterns = am.patterns.random(20, 64, seed=0)
net = am.dense_am(patterns)
cues = am.patterns.corrupt(patterns[[0] * 100], flip=0.1, seed=1)
target = {"visible": patterns[0], "hidden": patterns @ patterns[0]}
call = lambda: certify(net, cues, target)
""",
    "binary": """
patterns = am.patterns.random(1000, 784, seed=0)
memory = am.binary.BinaryMemory(patterns, am.binary.Power(3))
call = lambda: memory.recall(patterns[0])
""",
    "emulator": """
from amsim import hardware
patterns = am.patterns.random(100, 64, seed=0)
plan = hardware.compile(am.dense_am(patterns, hidden=am.Softmax(0.5)))
cues = am.patterns.corrupt(patterns, flip=0.2, seed=1)
call = lambda: hardware.run(plan, cues)
""",
}
_CHILD = """
import time
import amsim as am
{setup}
before = time.process_time()
call()
print(time.process_time() - before)
"""


def _child(setup: str, folder: str) -> float:
    """CPU seconds of the first call in a process of its own, with compiled code in a folder."""
    code = _CHILD.format(setup=setup)
    environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return float(found.stdout)


def first_call(name: str) -> Callable[[int], Iterator[Measured]]:
    def measure(_rounds: int) -> Iterator[Measured]:
        with tempfile.TemporaryDirectory() as folder:
            yield Measured(f"first call on a bare machine: {name}", _child(_CALLS[name], folder))

    return measure


def later(_rounds: int) -> Iterator[Measured]:
    """What a process pays before its first recall where the code is on disk."""
    with tempfile.TemporaryDirectory() as folder:
        _child(_CALLS["single"], folder)
        cost = min(_child(_CALLS["single"], folder) for _ in range(3))
    yield Measured("first call of a later process: single", cost)


# ---------------------------------------------------------------------------- recall


def rhs(size: tuple[int, int, int]) -> Callable[[int], Iterator[Measured]]:
    def measure(rounds: int) -> Iterator[Measured]:
        from recall_costs import against_products

        units, count, cues = size
        limits = roofline(3)
        for row in against_products(min(rounds, 5), [size]):
            kind = "SGEMM" if row["products"] == "float32" else "DGEMM"
            rate = 4e-6 * units * count * cues / row["ms / rhs"]
            yield Measured(
                f"right-hand side, {row['D x K x cues']}, {row['products']}",
                row["ms / rhs"] / 1e3, "two products of NumPy", row["ms / pair"] / 1e3,
                peak=rate / limits[f"{kind} GF/s"],
            )  # fmt: skip

    return measure


def fixed_point(rounds: int) -> Iterator[Measured]:
    """Updates at D = 64, K = 10^5 beside attention in float32: in both precisions of amsim."""
    import numpy as np

    import amsim as am

    patterns = am.patterns.random(100_000, 64, seed=0)
    cues = am.patterns.corrupt(patterns[:64], flip=0.25, seed=1)
    net = am.dense_am(patterns, hidden=am.Softmax(0.125))
    single, query = patterns.astype(np.float32), cues.astype(np.float32)

    def attention() -> Any:
        f = query @ single.T
        f *= 0.125
        f -= f.max(axis=1, keepdims=True)
        np.exp(f, out=f)
        f /= f.sum(axis=1, keepdims=True)
        return f @ single

    updates = am.FixedPoint(4)
    peers = {
        "NumPy attention, float32": attention,
        "FAISS, one exact search": _faiss(single, query),
    }
    for dtype in ("float32", "float64"):

        def ours(dtype: str = dtype) -> am.Trajectory:
            return am.simulate(net, cues, solver=updates, until=None, dtype=dtype)

        work = f"FixedPoint({dtype}), per update, 64x100000x64"
        yield from _against(work, {"amsim": ours, **peers}, rounds, scale=0.25)


def _faiss(patterns: Any, cues: Any) -> Callable[[], object]:
    try:
        import faiss
    except ImportError:
        return _missing("faiss")
    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatIP(patterns.shape[1])
    index.add(patterns)
    return lambda: index.search(cues, 1)


def _missing(name: str) -> Callable[[], object]:
    def run() -> object:
        raise ImportError(name=name)

    return run


def _against(
    work: str, runs: dict[str, Callable[[], object]], rounds: int, scale: float = 1.0
) -> Iterator[Measured]:
    """One line for each peer of the contender "amsim", whose time is scaled."""
    timings = harness.interleave(runs, rounds)
    ours = scale * timings.pop("amsim").cpu_median
    for name, timing in timings.items():
        yield Measured(work, ours, name, timing.cpu_median, timing.note)


def solvers(size: str, peers: tuple[str, ...]) -> Callable[[int], Iterator[Measured]]:
    def measure(rounds: int) -> Iterator[Measured]:
        import ode

        rows = ode.compare(ode.make_problem(size, None), 1e-6, rounds, peers)
        ours = next(row["CPU s"] for row in rows if row["contender"] == "amsim")
        for row in rows:
            if row["contender"] in peers:
                name, note = row["contender"], row["note"]
                yield Measured(f"recall to 1e-6, {size}", ours, name, row["CPU s"], note)

    return measure


def energies(rounds: int) -> Iterator[Measured]:
    """`traj.energy` of 100 times beside the recall that recorded them."""
    import numpy as np

    import amsim as am

    patterns = am.patterns.random(1000, 784, seed=0)
    cue = am.patterns.corrupt(patterns[0], flip=0.25, seed=1)
    net = am.dense_am(patterns, hidden=am.Softmax(784**-0.5), tau_hidden=0.1)
    times = np.linspace(0.0, 10.0, 100)

    def recall() -> am.Trajectory:
        return am.simulate(net, cue, times=times, until=None)

    timings = harness.interleave({"both": lambda: recall().energy, "recall": recall}, rounds)
    both, alone = timings["both"].cpu_median, timings["recall"].cpu_median
    yield Measured("traj.energy of 100 times, 784x1000", both - alone, "the recall", alone)


def cores(rounds: int) -> Iterator[Measured]:
    """256 cues with two workers, in wall time."""
    import amsim as am

    patterns = am.patterns.random(1000, 784, seed=0)
    cues = am.patterns.corrupt(patterns[:256], flip=0.25, seed=1)
    net = am.dense_am(patterns, hidden=am.Softmax(784**-0.5), tau_hidden=0.1)
    timings = harness.interleave(
        {str(n): lambda n=n: am.simulate(net, cues, workers=n) for n in (1, 2)}, rounds
    )
    one, two = timings["1"].wall_median, timings["2"].wall_median
    yield Measured("256 cues, 784x1000, workers=2, wall time", two, "workers=1", one)


# ---------------------------------------------------------------------------- events


def deliveries(
    words: str, jitter: float = 0.0, softmax: bool = False
) -> Callable[[int], Iterator[Measured]]:
    def measure(rounds: int) -> Iterator[Measured]:
        from events import amsim_events, make_problem

        problem, beta = make_problem("784x1000", 0.01, 1.0, (0.1, 0.4)), None
        if softmax:  # as stored: a softmax needs no scaled weights
            problem, beta = replace(problem, weights=28 * problem.weights), 1 / 28
        run = amsim_events(problem, "link", jitter, beta)
        run()
        rates = [seconds / count for count, seconds in (run() for _ in range(rounds))]
        yield Measured(f"one delivery by link, delays 0.1 to 0.4{words}", median(rates))

    return measure


def links(rounds: int) -> Iterator[Measured]:
    """Deliveries by links with delays of their own beside those of NEST, which only hears."""
    from events import GRID, amsim_events, make_problem
    from nest_peer import nest

    problem = make_problem("784x1000", 0.01, 1.0, (0.1, 0.4))
    work = "one delivery by link beside spikes, delays 0.1 to 0.4"
    ours, other = amsim_events(problem, "link"), None
    ours()
    try:
        other = nest(GRID, problem)
    except ImportError:
        yield Measured(work, math.nan, "NEST", note="not installed")
        return
    times = [(ours(), other()) for _ in range(rounds)]
    each = [
        median(seconds / count for count, seconds in found) for found in zip(*times, strict=True)
    ]
    yield Measured(work, each[0], "NEST", each[1])


def broadcast(rounds: int) -> Iterator[Measured]:
    """Deliveries of a broadcast beside Brian2 in C++, and beside a copy of 64 bytes each."""
    from event_floors import copy_floor
    from event_peers import brian2
    from events import GRID, amsim_events, make_problem
    from nest_peer import nest

    problem = make_problem("784x1000", 0.01, 1.0, (0.1, 0.1))
    runs = {"amsim": amsim_events(problem), "copy of 64 bytes": copy_floor(problem)}
    note = ""
    try:
        runs["Brian2 C++"] = brian2("cpp_standalone", GRID, problem)
        runs["NEST"] = nest(GRID, problem)
    except ImportError as error:
        note = f"{error.name} is not installed"
    found: dict[str, list[tuple[int, float]]] = {name: [run()] for name, run in runs.items()}
    for _ in range(min(rounds, 3)):
        for name, run in runs.items():
            found[name].append(run())
    # Brian2's program does not count: in the same network it delivers as much.
    arrived = found["amsim"][0][0]
    each = {
        name: median(seconds / (count or arrived) for count, seconds in times[1:])
        for name, times in found.items()
    }
    work, ours = "one delivery of a broadcast, 784x1000", each["amsim"]
    peak = each["copy of 64 bytes"] / ours
    yield Measured(work, ours, "Brian2 C++", each.get("Brian2 C++", math.nan), note, peak)
    yield Measured(work, ours, "NEST", each.get("NEST", math.nan), note)


# ---------------------------------------------------------------------------- the rest


def binary(rounds: int) -> Iterator[Measured]:
    """A check of one unit, beside loops written by hand."""
    from binary import compare_checks

    rows = {row["contender"]: row for row in compare_checks(784, 1000, rounds)}
    for ours in ("20 cues", "1 cue"):
        rate = rows[f"amsim, {ours}"]["checks/s"]
        for name in ("Numba, integers", "NumPy, amsim's identity", "JAX, overlaps kept"):
            row = rows[name]
            other = 1 / row["checks/s"] if row["checks/s"] > 0 else math.nan
            yield Measured(f"binary, one check, {ours}", 1 / rate, name, other, row["note"])


def certificates(rounds: int) -> Iterator[Measured]:
    """100 cues of 100 memories of 64 units, with the code in memory."""
    from stability import SCOPES, random_memory

    import amsim as am
    from amsim.stability import certify

    net = random_memory()
    patterns = net.synapses[0].weights
    targets = am.simulate(net, patterns, until=am.Settled(1e-10)).final
    for flip in (0.1, 0.2):
        cues = am.patterns.corrupt(patterns, flip=flip, seed=1)
        runs = {
            scope: lambda scope=scope, cues=cues: certify(net, cues, targets, scope)
            for scope in SCOPES
        }
        for scope, timing in harness.interleave(runs, rounds).items():
            yield Measured(f"certify 100 cues, {flip:.0%} flipped, {scope}", timing.cpu_median)


def emulator(rounds: int) -> Iterator[Measured]:
    """One cue of 64 units and 100 memories, through all its steps."""
    import amsim as am
    from amsim import hardware

    patterns = am.patterns.random(100, 64, seed=0)
    plan = hardware.compile(am.dense_am(patterns, hidden=am.Softmax(0.5)))
    cue = am.patterns.corrupt(patterns[0], flip=0.2, seed=1)
    timing = harness.interleave({"amsim": lambda: hardware.run(plan, cue)}, rounds)
    yield Measured("emulator, one cue, 64x100", timing["amsim"].cpu_median)


def commands(*kinds: tuple[str, ...]) -> Callable[[int], Iterator[Measured]]:
    """CPU seconds of processes of Python, the third of its kind each; "OUT" is a new folder."""

    def measure(_rounds: int) -> Iterator[Measured]:
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        for arguments in kinds:
            with tempfile.TemporaryDirectory() as folder:
                command = [folder if word == "OUT" else word for word in arguments]
                for _ in range(3):
                    before, begun = os.times(), time.perf_counter()
                    subprocess.run(
                        [sys.executable, *command], env=environment, check=True, capture_output=True
                    )
                    wall, after = time.perf_counter() - begun, os.times()
            seconds = sum(after[2:4]) - sum(before[2:4])
            yield Measured(f"python {' '.join(arguments)}", seconds, note=f"{wall:.2f} s wall time")

    return measure


NONE = (math.nan, math.nan)
ROWS: dict[str, Row] = {
    "first-recall": Row(SECONDS, (1.0, 0.5), first_call("recall")),
    "first-single": Row(SECONDS, (4.0, 1.0), first_call("single")),
    "first-events": Row(SECONDS, (4.0, 1.0), first_call("events")),
    "first-certify": Row(SECONDS, (4.0, 1.0), first_call("certify")),
    "first-binary": Row(SECONDS, (4.0, 1.0), first_call("binary")),
    "first-emulator": Row(SECONDS, (4.0, 1.0), first_call("emulator")),
    "later": Row(SECONDS, (0.2, 0.2), later),
    "rhs": Row(AT_MOST, (1.25, 1.1), rhs((784, 1000, 64))),
    "rhs-many": Row(AT_MOST, (1.5, 1.1), rhs((64, 100_000, 64))),
    "fixed-point": Row(AT_MOST, (1.5, 1.5), fixed_point),
    "recall-small": Row(
        AT_LEAST, (1.2, 2.0),
        solvers("64x10x1", ("SciPy RK45", "SciPy DOP853", "Diffrax Tsit5", "numbalsoda")),
    ),
    "recall-large": Row(
        AT_LEAST, (16.0, 16.0),
        solvers("784x1000x1", ("SciPy RK45", "SciPy DOP853", "Diffrax Tsit5", "CVODE, GMRES")),
    ),
    "recall-digits": Row(
        AT_LEAST, (7.0, 7.0),
        solvers("digits64x1000x1", ("SciPy RK45", "Diffrax Tsit5", "CVODE, GMRES")),
    ),
    "cores": Row(AT_LEAST, (1.8, 1.8), cores),
    "jitter": Row(SECONDS, (40e-9, 20e-9), deliveries(", jitter 0.05", jitter=0.05)),
    "softmax": Row(SECONDS, (40e-9, 20e-9), deliveries(", Softmax memories", softmax=True)),
    "links": Row(SECONDS, (10e-9, 10e-9), deliveries("")),
    "links-nest": Row(AT_LEAST, (1.2, 1.2), links),
    "broadcast": Row(AT_LEAST, (3.0, 3.0), broadcast),
    "binary": Row(AT_LEAST, (1.2, 2.0), binary),
    "certify": Row(SECONDS, (2.5e-3, 2.5e-3), certificates),
    "emulator": Row(SECONDS, (5e-3, 5e-3), emulator),
    "energy": Row(AT_MOST, (1.0, 1.0), energies),
    "demo": Row(SECONDS, (2.0, 1.5), commands(("-m", "amsim", "demo", "--force", "--out", "OUT"))),
    "commands": Row(
        SECONDS, NONE,
        commands(
            ("-c", "import amsim"), ("-m", "amsim", "--help"), ("-m", "amsim", "recall", "--help"),
        ),
    ),
}  # fmt: skip


def judged(name: str, row: Row, rounds: int) -> Iterator[dict[str, object]]:
    """The lines of a row; the fastest peer of each work decides on the goal."""
    lines = list(row.measure(rounds))
    for line in lines:
        rivals = [x.other for x in lines if x.work == line.work and not math.isnan(x.other)]
        decides = row.kind == SECONDS or line.other == min(rivals, default=math.nan)
        ratio = line.amsim / line.other if row.kind == AT_MOST else line.other / line.amsim
        value = line.amsim if row.kind == SECONDS else ratio
        yield {
            "row": name,
            "work": line.work,
            "amsim": _time(line.amsim),
            "peer": line.peer,
            "takes": _time(line.other),
            "ratio": ratio,
            "of peak": line.peak,
            "goal": _goal(row) if decides else "",
            "reached": _verdict(row, value) if decides else "",
            "note": line.note,
        }


def _goal(row: Row) -> str:
    least, aim = (_time(x) if row.kind == SECONDS else f"{x:g} x" for x in row.goal)
    if least == "-":
        return ""
    words = "" if row.kind == SECONDS else f"{row.kind} "
    return words + (least if least == aim else f"{least} / {aim}")


def _verdict(row: Row, value: float) -> str:
    if math.isnan(row.goal[0]):
        return ""
    least, aim = ((value >= x) if row.kind == AT_LEAST else (value <= x) for x in row.goal)
    return "yes" if aim else "the least" if least else "no"


def _time(seconds: float) -> str:
    if math.isnan(seconds):
        return "-"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def machine(rounds: int) -> dict[str, object]:
    """What the numbers are of."""
    import numba
    import numpy as np

    cpu = Path("/proc/cpuinfo")
    models = (
        [x for x in cpu.read_text("utf-8").splitlines() if "model name" in x]
        if cpu.exists()
        else []
    )
    return {
        "processor": models[0].partition(": ")[2] if models else platform.processor(),
        "cores": os.cpu_count(),
        "load": _load(),
        "Python": platform.python_version(),
        "NumPy": np.__version__,
        "numba": numba.__version__,
        "BLAS kernel": harness.blas_kernel(),
        **roofline(rounds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="NAME",
                        help=f"only these: {', '.join(ROWS)}")  # fmt: skip
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="timings of each contender")
    parser.add_argument("--markdown", action="store_true", help="end with the table of the page")
    parser.add_argument("--json", type=Path, help="also write the table here")
    options = parser.parse_args()
    harness.one_thread()
    begun = time.perf_counter()
    results: dict[str, Any] = {"machine": machine(options.rounds), "rows": []}
    for name, value in results["machine"].items():
        print(f"{name}: {value:.3g}" if isinstance(value, float) else f"{name}: {value}")
    for name in options.rows:
        print(f"\n{name}", flush=True)
        try:
            found = list(judged(name, ROWS[name], options.rounds))
        except Exception as error:  # the other rows are worth having
            print(f"{type(error).__name__}: {error}")
            continue
        results["rows"] += found
        harness.show(found)
        if options.json:
            options.json.write_text(json.dumps(results, indent=1, default=str), encoding="utf-8")
    print(f"\n{time.perf_counter() - begun:.0f} s; load {_load()}")
    if options.markdown:
        harness.markdown([{k: v for k, v in x.items() if k != "row"} for x in results["rows"]])


def _load() -> str:
    return " ".join(f"{x:.1f}" for x in os.getloadavg()) if hasattr(os, "getloadavg") else "-"


if __name__ == "__main__":
    main()
