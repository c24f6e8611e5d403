"""Memories in a file: passes of a recall beside reading the file, NumPy attention and FAISS.

    uv run --group bench python benchmarks/streamed.py --memories 100000 1000000

One thread each, in turn; medians. A pass is one right-hand side of all cues.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import amsim as am

UNITS, CUES, BETA = 64, 64, 0.5


def write(path: Path, count: int) -> None:
    """Random patterns of -1 and +1 as int8, a part at a time."""
    rng = np.random.default_rng(0)
    file = np.lib.format.open_memmap(path, mode="w+", dtype=np.int8, shape=(count, UNITS))
    for first in range(0, count, 1 << 18):
        part = file[first : first + (1 << 18)]
        part[:] = 2 * rng.integers(0, 2, part.shape, np.int8) - 1
    file.flush()


def read(patterns: Any) -> None:
    """What a pass cannot do without."""
    for first in range(0, len(patterns), 1 << 15):
        patterns[first : first + (1 << 15)].view(np.int64).sum()


def attend(patterns: Any, cues: Any) -> Any:
    """One update of attention in NumPy, float32, a part at a time: what a user would write."""
    total, sums = np.zeros((len(cues), 1)), np.zeros(cues.shape)
    queries, top = (BETA * cues).astype(np.float32), np.float32(BETA * UNITS)
    for first in range(0, len(patterns), 1 << 14):
        part = patterns[first : first + (1 << 14)].astype(np.float32)
        shares = np.exp(queries @ part.T - top)
        total += shares.sum(axis=1, keepdims=True)
        sums += shares @ part
    return sums / total


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def faiss_search(patterns: Any, cues: Any) -> Callable[[], object] | None:
    """The nearest memory of each cue by brute force; all memories as float32 in RAM."""
    try:
        import faiss
    except ImportError:
        return None
    index = faiss.IndexFlatIP(UNITS)
    index.add(patterns.astype(np.float32))
    return lambda: index.search(cues.astype(np.float32), 1)


def measure(count: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "patterns.npy"
        write(path, count)
        patterns = np.load(path, mmap_mode="r")
        cues = am.patterns.corrupt(patterns[:CUES].astype(float), flip=0.1, seed=1)
        net = am.dense_am(patterns, hidden=am.Softmax(BETA), tau_hidden=0.1)
        found: dict[str, list[float]] = {}
        search = faiss_search(patterns, cues) if count <= 2_000_000 else None
        for _ in range(rounds):
            start = time.process_time()
            traj = am.simulate(net, cues, t1=1.0, until=None)
            passes = int(traj.stats["rhs_per_cue"].max())
            row = {
                "pass": (time.process_time() - start) / passes,
                "read": seconds(lambda: read(patterns)),
                "NumPy": seconds(lambda: attend(patterns, cues)),
            }
            if search is not None:
                row["FAISS"] = seconds(search)
            for name, value in row.items():
                found.setdefault(name, []).append(value)
        middle = {name: statistics.median(values) for name, values in found.items()}
        speed = patterns.nbytes / middle["pass"] / 1e9
        faiss_ratio = f"{middle['pass'] / middle['FAISS']:.2f}" if search else "-"
        print(
            f"| {count:.0e} | {passes} | {middle['pass']:.3g} s | {speed:.2f} GB/s "
            f"| {middle['pass'] / middle['read']:.1f} | {middle['pass'] / middle['NumPy']:.2f} "
            f"| {faiss_ratio} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memories", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    print(f"{CUES} cues, {UNITS} units, int8, CPU time of one thread")
    print("| memories | passes | a pass | | / reading | / NumPy attention | / FAISS search |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with threadpool_limits(1):
        for count in args.memories:
            measure(count, args.rounds)


if __name__ == "__main__":
    main()
