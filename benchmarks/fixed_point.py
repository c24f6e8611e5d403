"""CPU time of recall by iteration to convergence: amsim's FixedPoint against hopfield-layers.

    python benchmarks/fixed_point.py --sizes 784x1000x1 784x1000x64 --json fixed_point.json

Both iterate v <- Xi^T softmax(beta Xi v) in float64 until the state changes little, each at the
loosest threshold that leaves an error of at most the target. hopfield-layers is on no registry: put
the folder `hflayers` of github.com/ml-jku/hopfield-layers on the path and install torch. For the
updates that amsim made there is the cost of attention in NumPy, in float32 and with all logits in
memory, and of two matrix products in float64, the floor.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import harness

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

SIZES = ("64x10x1", "64x100x64", "784x1000x1", "784x1000x64", "64x100000x64")
MOST = 10_000  # updates


def amsim_iteration(patterns: Array, cues: Array, beta: float) -> Callable[[float], Any]:
    """Return the solve function of amsim."""
    import amsim as am

    net = am.models.modern_hopfield(patterns, beta)

    def solve(tolerance: float) -> am.Trajectory:
        return am.simulate(net, cues, solver=am.FixedPoint(MOST), until=am.Settled(tolerance))

    return solve


def hopfield_layers(patterns: Array, cues: Array, beta: float) -> Callable[[float], Array]:
    """Return the solve function of hopfield-layers: patterns as they are, no normalisation."""
    import numpy as np
    import torch
    from hflayers import Hopfield

    torch.set_num_threads(1)
    names = ("stored_pattern", "state_pattern", "pattern_projection")
    options = {f"normalize_{name}{affine}": False for name in names for affine in ("", "_affine")}
    options |= {f"{name}_as_static": True for name in names}
    # One batch entry of many states: the stored patterns are then shared, and not copied per cue.
    stored, states = torch.from_numpy(patterns)[None], torch.from_numpy(cues)[None]

    def solve(tolerance: float) -> Array:
        layer = Hopfield(
            input_size=patterns.shape[1], scaling=beta, update_steps_max=None,
            update_steps_eps=tolerance, disable_out_projection=True, **options,
        ).eval()  # fmt: skip
        with torch.no_grad():
            return np.asarray(layer((stored, states, stored))[0])

    return solve


def compare(size: str, beta: float | None, target: float, rounds: int) -> list[dict[str, Any]]:
    """One row per contender, then the floor."""
    import numpy as np

    from amsim import patterns

    units, count, batch = map(int, size.split("x"))
    stored = patterns.random(count, units, seed=0).astype(np.float64)
    cues = patterns.corrupt(stored[:batch], flip=0.25, seed=1).astype(np.float64)
    beta = units**-0.5 if beta is None else beta
    ours = amsim_iteration(stored, cues, beta)
    exact = ours(1e-13)["visible"][-1]
    solvers: dict[str, Callable[[float], Array]] = {"amsim": lambda tol: ours(tol)["visible"][-1]}
    rows: dict[str, dict[str, Any]] = {"amsim": {}, "hopfield-layers": {}}
    try:
        solvers["hopfield-layers"] = hopfield_layers(stored, cues, beta)
    except ImportError as error:
        rows["hopfield-layers"]["note"] = f"not installed ({error.name})"
    runs: dict[str, Callable[[], object]] = {}
    for name, solve in solvers.items():
        found = harness.tolerance_for(solve, exact, target)
        rows[name] |= {"threshold": found.rtol, "error": found.error, "note": found.note}
        if found.reached:
            runs[name] = partial(solve, found.rtol)
    updates = int(ours(rows["amsim"]["threshold"]).times[-1])
    runs["attention float32"] = partial(attention, stored, cues, beta, updates)
    runs["floor"] = partial(floor, stored, cues, updates)
    timings = harness.interleave(runs, rounds)
    rows |= {"attention float32": {}, "floor": {}}
    return [
        {
            "contender": name,
            "CPU ms": 1e3 * timings[name].cpu_median if name in timings else float("nan"),
            "/ amsim": timings[name].cpu_median / timings["amsim"].cpu_median
            if name in timings
            else float("nan"),
            "threshold": row.get("threshold", float("nan")),
            "error": row.get("error", float("nan")),
            "updates": float(updates) if name != "hopfield-layers" else float("nan"),
            "note": row.get("note") or (timings[name].note if name in timings else ""),
        }
        for name, row in rows.items()
    ]


def attention(stored: Array, cues: Array, beta: float, updates: int) -> Any:
    """Updates as one writes them down, in float32."""
    import numpy as np

    keys, state = stored.astype(np.float32), cues.astype(np.float32)
    for _ in range(updates):
        share = np.float32(beta) * (state @ keys.T)
        share -= share.max(axis=1, keepdims=True)
        np.exp(share, out=share)
        share /= share.sum(axis=1, keepdims=True)
        state = share @ keys
    return state


def floor(stored: Array, cues: Array, updates: int) -> None:
    """Two matrix products per update, and nothing else."""
    for _ in range(updates):
        (cues @ stored.T) @ stored


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=SIZES, metavar="DxKxBATCH")
    parser.add_argument("--beta", type=float, help="inverse temperature, 1/sqrt(D) by default")
    parser.add_argument("--target", type=float, default=1e-6, help="largest error of the states")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, help="also write the table here")
    options = parser.parse_args()

    harness.one_thread()
    results: dict[str, Any] = {"blas kernel": harness.blas_kernel()}
    print("BLAS kernel:", results["blas kernel"])
    for size in options.sizes:
        print(f"\nD x K x batch = {size}", flush=True)
        results[size] = compare(size, options.beta, options.target, options.rounds)
        harness.show(results[size])
        if options.json:
            harness.dump(results, options.json)


if __name__ == "__main__":
    main()
