"""Binary recall: checks per CPU second against other ways to do the same checks; flips needed.

    python benchmarks/binary.py --json binary.json

F = x^3, random memories, a quarter of the units of each cue flipped, the same order of units for
everybody. A check asks one unit whether flipping it lowers the energy, and flips it if so; the
contenders must agree on the state they reach. The slow ones make a part of the checks. A call for
one check shows what every call costs, and one cue has to pay alone.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import harness

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Run = Callable[[int], NDArray[Any]]  # number of checks -> state after them

SWEEPS = 2  # what a recall takes here: one that flips, one that finds nothing to flip
SLOW = 40  # checks of the contenders that compute whole energies


def numpy_incremental(xi: Floats, cue: Floats, order: NDArray[Any]) -> Run:
    """Overlaps kept up to date; F of all overlaps before and after, per check."""
    import numpy as np

    columns = np.ascontiguousarray(xi.T)

    def run(checks: int) -> NDArray[Any]:
        state, x = cue.copy(), xi @ cue
        for check in range(checks):
            i = order[check % len(order)]
            y = x - 2 * state[i] * columns[i]
            if (y * y * y - x * x * x).sum() > 0:
                state[i], x = -state[i], y
        return state

    return run


def numpy_fields(xi: Floats, cue: Floats, order: NDArray[Any]) -> Run:
    """The identity that amsim uses, by hand for cubes: one product per check, O(K) per flip.

    With q = -s_i xi_i: (x + 2q)^3 - x^3 = 12 x + q (6 x^2 + 8).
    """
    import numpy as np

    columns = np.ascontiguousarray(xi.T)

    def run(checks: int) -> NDArray[Any]:
        state, x = cue.copy(), xi @ cue
        even, odd = 6 * x * x + 8, 12 * x.sum()
        for check in range(checks):
            i = order[check % len(order)]
            if odd - state[i] * (columns[i] @ even) > 0:
                x -= 2 * state[i] * columns[i]
                state[i] = -state[i]
                even, odd = 6 * x * x + 8, 12 * x.sum()
        return state

    return run


def numpy_energies(xi: Floats, cue: Floats, order: NDArray[Any]) -> Run:
    """The tutorial's algorithm: the energies of the state with the unit as it is and flipped."""

    def energy(state: Floats) -> Any:
        x = xi @ state
        return -(x * x * x).sum()

    def run(checks: int) -> NDArray[Any]:
        state = cue.copy()
        for check in range(checks):
            i = order[check % len(order)]
            other = state.copy()
            other[i] = -other[i]
            if energy(other) < energy(state):
                state = other
        return state

    return run


def jax_incremental(xi: Floats, cue: Floats, order: NDArray[Any]) -> Run:
    """As numpy_incremental, compiled as one loop, in single precision."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    columns, units = jnp.asarray(xi.T, jnp.float32), jnp.asarray(order)

    def loop(columns: Any, units: Any, start: Any, overlaps: Any, checks: int) -> Any:
        def check(k: Any, carry: Any) -> Any:
            state, x = carry
            i = units[k % len(units)]
            y = x - 2 * state[i] * columns[i]
            flip = jnp.sum(y * y * y - x * x * x) > 0
            return state.at[i].multiply(jnp.where(flip, -1.0, 1.0)), jnp.where(flip, y, x)

        return jax.lax.fori_loop(0, checks, check, (start, overlaps))[0]

    compiled = jax.jit(loop, static_argnums=4)
    start = jnp.asarray(cue, jnp.float32), jnp.asarray(xi @ cue, jnp.float32)

    def run(checks: int) -> NDArray[Any]:
        return np.asarray(compiled(columns, units, *start, checks))

    return run


def jax_energies(xi: Floats, cue: Floats, order: NDArray[Any]) -> Run:
    """The tutorial's algorithm as one compiled loop, in single precision."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    memories, units = jnp.asarray(xi, jnp.float32), jnp.asarray(order)

    def loop(memories: Any, units: Any, start: Any, checks: int) -> Any:
        def energy(state: Any) -> Any:
            x = memories @ state
            return -jnp.sum(x * x * x)

        def check(k: Any, state: Any) -> Any:
            other = state.at[units[k % len(units)]].multiply(-1.0)
            return jnp.where(energy(other) < energy(state), other, state)

        return jax.lax.fori_loop(0, checks, check, start)

    compiled = jax.jit(loop, static_argnums=3)

    def run(checks: int) -> NDArray[Any]:
        return np.asarray(compiled(memories, units, jnp.asarray(cue, jnp.float32), checks))

    return run


def numba_integers(xi: Floats, cue: Floats, order: NDArray[Any]) -> Run:
    """As numpy_fields, in integers: a compiled loop for cubes alone."""
    import numba
    import numpy as np

    @numba.njit
    def loop(columns: Any, x: Any, state: Any, order: Any, checks: int) -> Any:
        even, odd = 6 * x * x + 8, 12 * x.sum()
        for check in range(checks):
            i = order[check % len(order)]
            total, s = 0, state[i]
            for mu in range(len(x)):
                total += columns[i, mu] * even[mu]
            if odd - s * total > 0:
                state[i], odd = -s, 0
                for mu in range(len(x)):
                    x[mu] -= 2 * s * columns[i, mu]
                    even[mu] = 6 * x[mu] * x[mu] + 8
                    odd += 12 * x[mu]
        return state

    columns, overlaps = np.ascontiguousarray(xi.T, np.int8), (xi @ cue).astype(np.int64)
    return lambda checks: loop(columns, overlaps.copy(), cue.astype(np.int64), order, checks)


PEERS = {
    "Numba, integers": (numba_integers, False),
    "NumPy, overlaps kept": (numpy_incremental, False),
    "NumPy, amsim's identity": (numpy_fields, False),
    "JAX, overlaps kept": (jax_incremental, False),
    "NumPy, two energies": (numpy_energies, True),
    "JAX, two energies": (jax_energies, True),
}


def compare_checks(size: int, count: int, rounds: int) -> list[dict[str, Any]]:
    """One row per contender."""
    import numpy as np

    from amsim import patterns
    from amsim.binary import BinaryMemory, Power

    xi = patterns.random(count, size, seed=0)
    cue = patterns.corrupt(xi[0], flip=0.25, seed=1)
    order = np.random.default_rng(2).permutation(size)
    memory = BinaryMemory(xi, Power(3))
    options = {"order": order, "max_sweeps": SWEEPS}
    expected, many = memory.recall(cue, **options), np.tile(cue, (20, 1))
    part = memory.recall(cue, order=order[:SLOW], max_sweeps=1)

    def missing(name: str | None) -> None:
        raise ImportError(name=name)

    runs: dict[str, Callable[[], object]] = {
        "amsim, 20 cues": lambda: memory.recall(many, **options),
        "amsim, 1 cue": lambda: memory.recall(cue, **options),
        "amsim, 1 check": lambda: memory.recall(cue, order=order[:1], max_sweeps=1),
    }
    checks = {name: SWEEPS * size for name in PEERS} | {
        "amsim, 20 cues": 20 * int(expected.checks), "amsim, 1 cue": int(expected.checks),
        "amsim, 1 check": 1,
    }  # fmt: skip
    for name, (build, slow) in PEERS.items():
        try:
            run = build(xi, cue, order)
        except ImportError as error:
            runs[name] = partial(missing, error.name)
            continue
        checks[name] = SLOW if slow else SWEEPS * size
        if not (run(checks[name]) == (part if slow else expected).final).all():
            raise AssertionError(f"{name} reaches another state")
        runs[name] = partial(run, checks[name])
    timings = harness.interleave(runs, rounds)
    rate = {name: checks[name] / timing.cpu_median for name, timing in timings.items()}

    def faster(ours: str, name: str) -> str:
        return f"{rate[ours] / rate[name]:.3g} x" if rate[name] > 0 else "-"

    return [
        {
            "contender": name,
            "checks/s": rate[name],
            "20 cues are": faster("amsim, 20 cues", name),
            "1 cue is": faster("amsim, 1 cue", name),
            "checks": checks[name],
            "us a call": 1e6 * timings[name].cpu_median,
            "note": timings[name].note,
        }
        for name in runs
    ]


def compare_overlaps(size: int, count: int, rounds: int) -> list[dict[str, Any]]:
    """All overlaps of one state from scratch: packed bits against BLAS."""
    import numpy as np

    from amsim import patterns
    from amsim.binary import BinaryMemory
    from amsim.binary.kernels import agreements, new_fields

    xi = patterns.random(count, size, seed=0)
    state, single = xi[0], xi.astype(np.float32)
    bits, signs = BinaryMemory(xi)._memories.bits, state.astype(np.int8)
    fields = new_fields(count, size)
    agreements(bits, signs, fields)
    if not (2.0 * fields.agree - size == xi @ state).all():
        raise AssertionError("wrong overlaps")
    repeat = max(1, 2 * 10**7 // (size * count))
    runs = {
        "packed bits": lambda: [agreements(bits, signs, fields) for _ in range(repeat)],
        "float32 BLAS": lambda: [single @ single[0] for _ in range(repeat)],
        "float64 BLAS": lambda: [xi @ state for _ in range(repeat)],
    }
    timings = harness.interleave(runs, rounds)
    base = timings["packed bits"].cpu_median
    return [
        {
            "overlaps by": name,
            "us": 1e6 * timing.cpu_median / repeat,
            "/ bits": timing.cpu_median / base,
            "MB read": width * size * count / 8e6,
        }
        for (name, timing), width in zip(timings.items(), (1, 32, 64), strict=True)
    ]


def count_flips(size: int, count: int) -> list[dict[str, Any]]:
    """Flips and checks of one recall against the units that were wrong in the cue."""
    import numpy as np

    from amsim import patterns
    from amsim.binary import BinaryMemory, Power

    xi = patterns.random(count, size, seed=0)
    memory, rows = BinaryMemory(xi, Power(3)), []
    for flip in (0.05, 0.1, 0.2, 0.3, 0.4, 0.45):
        recall = memory.recall(patterns.corrupt(xi[:50], flip=flip, seed=1))
        distance = round(flip * size)
        recalled = (recall.final == xi[:50]).all(axis=1)
        flips = recall.flips[recalled]
        rows.append(
            {
                "flipped": flip,
                "distance": distance,
                "recalled": float(recalled.mean()),
                "flips / distance": float(np.mean(flips) / distance) if len(flips) else math.nan,
                "checks / units": float(recall.checks.mean() / size),
                "flips / checks": float(recall.flips.sum() / recall.checks.sum()),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="784x1000", metavar="DxK")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="also write the tables here")
    options = parser.parse_args()
    harness.one_thread()
    size, count = map(int, options.size.split("x"))
    start = time.process_time()
    results: dict[str, Any] = {"blas kernel": harness.blas_kernel()}
    print("BLAS kernel:", results["blas kernel"])
    for title, table in (
        ("checks", partial(compare_checks, size, count, options.rounds)),
        ("overlaps", partial(compare_overlaps, size, count, options.rounds)),
        ("flips", partial(count_flips, size, count)),
    ):
        print(f"\n{title}, D x K = {size} x {count}", flush=True)
        results[title] = table()
        harness.show(results[title])
    print(f"\n{time.process_time() - start:.0f} CPU s")
    if options.json:
        harness.dump(results, options.json)


if __name__ == "__main__":
    main()
