"""Memories larger than a machine: ranks of MPI, the disk, other libraries, an index, and a plan.

    python benchmarks/large.py  # where amsim[mpi], jax and faiss-cpu are installed

Seconds of CPU of the slowest rank where a rank works alone, and of the wall where ranks wait for
each other; the smallest of some runs. Ranks share the cores of one machine: ratios, not speeds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from streamed import UNITS, attend, faiss_search, read, write
from threadpoolctl import threadpool_limits

import amsim as am

CUES, BETA = 16, 0.5
# The plan: memories, units, ranks, cues, passes of a recall, and what a network is assumed to do.
PLAN = {"memories": 10**9, "units": 784, "ranks": 100, "cues": 64, "passes": 30}
LATENCY, BANDWIDTH = 5e-6, 10e9


class Timed:
    """A communicator that knows how long its exchanges took, once all ranks were there."""

    def __init__(self, comm: Any) -> None:
        self.comm, self.rank, self.size = comm, comm.rank, comm.size
        self.Abort = comm.Abort
        self.begins()

    def begins(self) -> None:
        self.cpu, self.exchanges = 0.0, []
        self.started, self.began = time.perf_counter(), time.process_time()

    def allgather(self, own: Any) -> Any:
        """Ranks compare their files before the first pass: that is no part of one."""
        found = self.comm.allgather(own)
        self.begins()
        return found

    def Allgather(self, own: Any, found: Any) -> None:  # noqa: N802
        cpu = time.process_time()
        self.comm.Barrier()
        start = time.perf_counter()
        self.comm.Allgather(own, found)
        self.exchanges.append(time.perf_counter() - start)
        self.cpu += time.process_time() - cpu


def work(path: str) -> None:
    """One recall of this rank, with its times as JSON from the first."""
    from mpi4py import MPI

    patterns, comm = np.load(path, mmap_mode="r"), Timed(MPI.COMM_WORLD)
    cues = am.patterns.corrupt(patterns[:CUES].astype(float), flip=0.1, seed=1)
    net = am.dense_am(patterns, hidden=am.Softmax(BETA), tau_hidden=0.1)
    with threadpool_limits(1):
        am.simulate(net, cues, t1=1e-3, until=None, record=["visible"], comm=comm)
        comm.begins()
        traj = am.simulate(net, cues, t1=0.01, until=None, record=["visible"], comm=comm)
    passes = int(traj.stats["rhs_per_cue"].max())
    own = (time.process_time() - comm.began - comm.cpu) / passes
    wall = (time.perf_counter() - comm.started) / passes
    every = MPI.COMM_WORLD.gather((own, wall, min(comm.exchanges)))
    if every is not None:
        own, wall, exchange = np.max(every, axis=0).tolist()
        print(json.dumps({"cpu": own, "wall": wall, "exchange": exchange, "passes": passes}))


def recall(path: Path, ranks: int, rounds: int) -> dict[str, float]:
    """Times of a pass in so many ranks: the smallest of some runs, as others use the machine."""
    beside = Path(sys.executable).with_name("mpiexec")
    mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec")
    if mpiexec is None:
        raise SystemExit("mpiexec is missing: uv run --isolated --extra mpi ...")
    command = [mpiexec, "-n", str(ranks), sys.executable, __file__, "--work", str(path)]
    found = []
    for _ in range(rounds):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        found.append(json.loads(done.stdout))
    return {name: min(run[name] for run in found) for name in found[0]}


def scaling(folder: Path, counts: list[int], crews: list[int], rounds: int) -> float:
    """Strong scaling of each number of memories; CPU seconds for a cue, memory and unit."""
    print(f"\n{CUES} cues, {UNITS} units, int8 in a file. Gain: CPU time of the slowest rank.")
    print("| memories | ranks | a pass, CPU | GB/s | gain | a pass, wall | exchange | its share |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    constant = 0.0
    for count in counts:
        path, alone = folder / f"{count}.npy", 0.0
        write(path, count)
        for ranks in crews:
            took = recall(path, ranks, rounds)
            alone = alone or took["cpu"]
            constant = took["cpu"] * ranks / (count * UNITS * CUES)
            show_ranks(count, ranks, took, alone)
    return constant


def show_ranks(count: int, ranks: int, took: dict[str, float], alone: float) -> None:
    share = took["exchange"] / (took["cpu"] + took["exchange"])
    print(
        f"| {count:.0e} | {ranks} | {took['cpu']:.3g} s | {count * UNITS / took['cpu'] / 1e9:.2f} "
        f"| {alone / took['cpu']:.2f} | {took['wall']:.3g} s | {took['exchange'] * 1e6:.0f} us "
        f"| {share:.1e} |",
        flush=True,
    )


def weak(folder: Path, count: int, crews: list[int], rounds: int) -> None:
    print(f"\nWeak scaling: {count:.0e} memories for each rank. Gain: 1 if the time stays.")
    print("| memories | ranks | a pass, CPU | GB/s | gain | a pass, wall | exchange | its share |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    alone = 0.0
    for ranks in crews:
        path = folder / f"{count * ranks}.npy"
        if not path.exists():
            write(path, count * ranks)
        took = recall(path, ranks, rounds)
        alone = alone or took["cpu"]
        show_ranks(count * ranks, ranks, took, alone)


def speeds(path: Path) -> None:
    """Bytes a second of the disk, of memory, and of a copy in memory."""
    patterns = np.load(path, mmap_mode="r")
    found = {}
    for name in ("disk", "page cache"):
        if name == "disk":
            with open(path, "rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        start = time.perf_counter()
        read(patterns)
        found[name] = patterns.nbytes / (time.perf_counter() - start) / 1e9
    print(f"\nReading {patterns.nbytes / 1e6:.0f} MB by one thread, wall:", end=" ")
    print(", ".join(f"{name} {speed:.2f} GB/s" for name, speed in found.items()), flush=True)


def seconds(function: Any) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def jax_attention(patterns: Any, cues: Any) -> Any:
    """One update in JAX on the CPU, all memories as float32 in RAM."""
    try:
        import jax
    except ImportError:
        return None
    memories = jax.numpy.asarray(patterns, "float32")

    @jax.jit
    def update(queries: Any) -> Any:
        return jax.nn.softmax(BETA * queries @ memories.T, axis=-1) @ memories

    queries = jax.numpy.asarray(cues, "float32")
    update(queries).block_until_ready()
    return lambda: update(queries).block_until_ready()


def peers(path: Path, rounds: int) -> None:
    """One update of all cues: amsim, attention of others, and the search for the nearest."""
    patterns = np.load(path, mmap_mode="r")
    cues = am.patterns.corrupt(patterns[:CUES].astype(float), flip=0.1, seed=1)
    net = am.dense_am(patterns, hidden=am.Softmax(BETA), tau_hidden=0.1)

    def ours() -> None:
        am.simulate(net, cues, t1=0.01, until=None, record=["visible"])

    passes = int(am.simulate(net, cues, t1=0.01, until=None).stats["rhs_per_cue"].max())
    rows = {
        "amsim, a right-hand side": ours,
        "NumPy attention": lambda: attend(patterns, cues),
        "JAX attention": jax_attention(patterns, cues),
        "FAISS, exact search of the nearest": faiss_search(patterns, cues),
    }
    took: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, function in rows.items():
            if function is not None:
                took.setdefault(name, []).append(seconds(function))
    took["amsim, a right-hand side"] = [t / passes for t in took["amsim, a right-hand side"]]
    print(f"\n{len(patterns):.0e} memories, {CUES} cues, one update, CPU:")
    for name in rows:
        best = f"{min(took[name]):.3g} s" if name in took else "not installed"
        print(f"| {name} | {best} |", flush=True)


def index(count: int, rounds: int) -> None:
    """Recalls by cells beside the full pass: of clustered memories, and of random ones."""
    rng, cells = np.random.default_rng(0), 1000
    centres = am.patterns.random(cells, UNITS, seed=0)
    labels = rng.integers(0, cells, count)
    for name, patterns in (
        ("clusters", (centres[labels] + 0.1 * rng.normal(size=(count, UNITS))).astype(np.float32)),
        ("random", am.patterns.random(count, UNITS, seed=1)),
    ):
        net = am.dense_am(patterns, hidden=am.Softmax(2.0), tau_hidden=0.1)
        cues = am.patterns.corrupt(patterns[:CUES].astype(float), flip=0.1, seed=1)
        start = time.process_time()
        built = am.Cells(net, labels)
        made = time.process_time() - start
        solvers = {"full": am.FixedPoint(), "cells": am.FixedPoint(index=built)}
        took: dict[str, list[float]] = {}
        ends: dict[str, Any] = {}
        for _ in range(rounds):
            for kind, solver in solvers.items():
                start = time.process_time()
                ends[kind] = am.simulate(net, cues, solver=solver, record=["visible"])
                took.setdefault(kind, []).append(time.process_time() - start)
        apart = np.abs(ends["full"]["visible"][-1] - ends["cells"]["visible"][-1]).max()
        updates = ends["cells"].stats["rhs"]
        print(
            f"| {count:.0e}, {name} | {min(took['full']):.3g} s | {min(took['cells']):.3g} s "
            f"| {ends['cells'].stats['read'].sum() / (updates * count):.2g} | {made:.2g} s "
            f"| {apart:.1g} |",
            flush=True,
        )


def plan(constant: float) -> None:
    """A recall on paper, from the time for a cue, memory and unit that was measured here."""
    memories, units, ranks = PLAN["memories"], PLAN["units"], PLAN["ranks"]
    cues, passes = PLAN["cues"], PLAN["passes"]
    work = constant * memories * units * cues
    message = 8 * cues * (units + 2)

    def exchange(ranks: int) -> float:
        return np.log2(ranks) * LATENCY + ranks * message / BANDWIDTH

    print(f"\nOn paper, with {constant:.2e} s of a core for a cue, memory and unit:")
    print(f"| {memories:.0e} memories, {units} units, {cues} cues | {ranks} ranks of one core |")
    print("| --- | --- |")
    print(f"| memories of a rank, int8 | {memories * units / ranks / 1e9:.1f} GB |")
    print(f"| two numbers for each memory of all, in each rank | {16 * memories / 1e9:.0f} GB |")
    print(f"| messages of a pass | {ranks} of {message / 1e3:.0f} kB to all |")
    print(f"| a pass | {work / ranks:.3g} s, and {exchange(ranks) * 1e3:.2g} ms for the exchange |")
    print(f"| a recall of {passes} passes | {passes * (work / ranks + exchange(ranks)):.3g} s |")
    most = max(range(1, 10**6), key=lambda n: -(work / n + exchange(n)) if n % 50 == 0 else -1e99)
    print(f"| shortest pass | {work / most + exchange(most):.2g} s at about {most} ranks |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memories", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", metavar="FILE", help="what a rank runs")
    args = parser.parse_args()
    if args.work:
        work(args.work)
        return
    with tempfile.TemporaryDirectory() as name, threadpool_limits(1):
        folder = Path(name)
        constant = scaling(folder, args.memories, args.ranks, args.rounds)
        speeds(folder / f"{args.memories[-1]}.npy")
        weak(folder, args.memories[0] * 5, args.ranks, args.rounds)
        peers(folder / f"{args.memories[min(1, len(args.memories) - 1)]}.npy", args.rounds)
        print("\n| memories | full passes | by cells | of them read | made in | apart |")
        print("| --- | --- | --- | --- | --- | --- |")
        index(args.memories[0], args.rounds)
        plan(constant)


if __name__ == "__main__":
    main()
