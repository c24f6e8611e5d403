"""CPU time of recall to a given accuracy: amsim against general ODE solvers and a GEMM floor.

    python benchmarks/ode.py --sizes 64x10x1 784x1000x1 --json ode.json

Every contender runs at the loosest tolerance that meets the target at the five output times, in one
thread and in turn with the others. The floor is what two matrix products per right-hand side cost
NumPy in float64, for the fewest right-hand sides per cue that any contender needed. It is a
yardstick and no bound: products that read the patterns once, as integers or in single precision
cost less, and so does a BLAS with a better kernel for these shapes.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import harness

if TYPE_CHECKING:
    from peers import Problem, Solution, Solve

SIZES = ("64x10x1", "784x1000x1", "784x1000x64", "2048x20000x16", "digits64x1000x1")
DIGITS_BETA = 0.75  # between the scans that differ in one unit and those that differ in two
ATOL = 0.1  # atol / rtol; of 1, 0.1, 0.01 and 0.001 the one that suits the peers best
DENSE = 500  # the most unknowns given to a method that factorises a dense Jacobian


@dataclass
class Contender:
    """A solver at its cheapest sufficient tolerance; without `run`, the note says why."""

    run: Callable[[], Solution] | None = None
    rtol: float = math.nan
    error: float = math.nan
    rhs_per_cue: float = math.nan
    note: str = ""


def amsim_exponential(problem: Problem) -> Solve:
    """Return the solve function of amsim, like the builders in peers.py."""
    import numpy as np
    from peers import Solution

    from amsim import ExponentialIntegrator, Softmax, dense_am, simulate

    network = dense_am(
        problem.patterns,
        hidden=Softmax(beta=problem.beta),
        tau_visible=problem.tau_visible,
        tau_hidden=problem.tau_hidden,
    )
    h0 = np.zeros((len(problem.cues), len(problem.patterns)))
    # Peers are timed compiled, and so are we: a job of this size does not go without.
    simulate(network, np.resize(problem.cues, (100, problem.cues.shape[1])), t1=1e-3, until=None)

    def solve(rtol: float, atol: float) -> Solution:
        trajectory = simulate(
            network,
            {"visible": problem.cues, "hidden": h0},
            times=problem.times,
            until=None,
            solver=ExponentialIntegrator(rtol=rtol, atol=atol),
        )
        rhs = trajectory.stats["rhs"] / len(problem.cues)
        return Solution(trajectory["visible"], trajectory["hidden"], rhs)

    return solve


def make_problem(size: str, beta: float | None) -> Problem:
    """Random patterns or digits; cues are the first of them with a quarter of the units flipped."""
    from peers import Problem

    from amsim import patterns

    units, count, batch = map(int, size.removeprefix("digits").split("x"))
    if size.startswith("digits"):
        stored, usual = patterns.digits(count, seed=0), DIGITS_BETA
    else:
        stored, usual = patterns.random(count, units, seed=0), units**-0.5
    cues = patterns.corrupt(stored[:batch], flip=0.25, seed=1)
    return Problem(stored, cues, usual if beta is None else beta)


def prepare(problem: Problem, target: float, peers: Sequence[str]) -> dict[str, Contender]:
    """Find the tolerance of every solver that can take part.

    The walk goes over one cue; the whole batch begins one step looser than that needed.
    """
    from peers import IMPLICIT, PEERS

    one = replace(problem, cues=problem.cues[:1])
    start = time.process_time()
    reference = PEERS["SciPy DOP853"](problem)(1e-12, 1e-12).visible
    budget = max(30.0, 3 * (time.process_time() - start))

    def calibrate(build: Callable[[Problem], Solve]) -> Contender:
        rhs, loosest = math.nan, harness.LADDER[0]

        def states(solve: Solve, rtol: float) -> Any:
            nonlocal rhs
            solution = solve(rtol, ATOL * rtol)
            rhs = solution.rhs_per_cue
            return solution.visible

        try:
            solve = build(problem)
            if len(problem.cues) > 1:
                alone = partial(states, build(one))
                found = harness.tolerance_for(alone, reference[:, :1], target, budget)
                loosest = min(found.rtol * 10**0.51, loosest) if found.reached else loosest
            found = harness.tolerance_for(
                partial(states, solve), reference, target, budget, loosest
            )
        except ImportError as error:
            return Contender(note=f"not installed ({error.name})")
        if not found.reached:
            return Contender(error=found.error, note=f"target not reached: {found.note}")
        run = partial(solve, found.rtol, ATOL * found.rtol)
        return Contender(run, found.rtol, found.error, rhs)

    too_large = Contender(note=f"skipped: dense Jacobian, {problem.unknowns} unknowns")
    skipped = IMPLICIT if problem.unknowns > DENSE else ()
    builders = {"amsim": amsim_exponential, **{name: PEERS[name] for name in peers}}
    return {
        name: too_large if name in skipped else calibrate(build) for name, build in builders.items()
    }


def floor(problem: Problem, rhs: float) -> None:
    """Two float64 matrix products per right-hand side, and nothing else."""
    import numpy as np

    hidden, visible = problem.cues @ problem.patterns.T, problem.cues.copy()
    for _ in range(round(rhs)):
        np.matmul(problem.cues, problem.patterns.T, out=hidden)
        np.matmul(hidden, problem.patterns, out=visible)


def compare(
    problem: Problem, target: float, rounds: int, peers: Sequence[str]
) -> list[dict[str, Any]]:
    """One row per contender, then the floor: its cost, or why there is none."""
    contenders = prepare(problem, target, peers)
    runs = {name: entry.run for name, entry in contenders.items() if entry.run}
    fewest = min(contenders[name].rhs_per_cue for name in runs)
    timings = harness.interleave({**runs, "floor": partial(floor, problem, fewest)}, rounds)
    contenders["floor"] = Contender(rhs_per_cue=fewest)

    rows = []
    for name, entry in contenders.items():
        timing = timings.get(name, harness.Timing())
        rows.append(
            {
                "contender": name,
                "CPU s": timing.cpu_median,
                "wall s": timing.wall_median,
                "/ floor": timing.cpu_median / timings["floor"].cpu_median,
                "rhs/cue": entry.rhs_per_cue,
                "rtol": entry.rtol,
                "error": entry.error,
                "note": entry.note or timing.note,
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=SIZES, metavar="DxKxBATCH")
    parser.add_argument("--beta", type=float, help="inverse temperature, 1/sqrt(D) by default")
    parser.add_argument("--target", type=float, default=1e-6, help="largest error of the states")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--peers", nargs="+", metavar="NAME", help="only these of the table")
    parser.add_argument("--json", type=Path, help="also write the table here")
    options = parser.parse_args()

    harness.one_thread()
    from peers import PEERS

    peers = options.peers or list(PEERS)
    if unknown := set(peers) - PEERS.keys():
        parser.error(f"no peer {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    results: dict[str, Any] = {"blas kernel": harness.blas_kernel()}
    print("BLAS kernel:", results["blas kernel"])
    for size in options.sizes:
        print(f"\nD x K x batch = {size}", flush=True)
        problem = make_problem(size, options.beta)
        results[size] = compare(problem, options.target, options.rounds, peers)
        harness.show(results[size])
        if options.json:
            harness.dump(results, options.json)


if __name__ == "__main__":
    main()
