"""CPU time of the Energy Transformer's published recall: amsim against the same in jitted JAX.

    python benchmarks/transformer.py

Twelve steps x <- x - 0.1 dE/dg on images of 224 x 224: 196 patches of 16 x 16 and a CLS token, 768
units, 12 heads of 64, 3072 memories (Hoover et al. 2023, arXiv:2302.07253). JAX differentiates the
energy itself. Both have float64 and float32, which is the default of JAX. "off by" is the largest
difference of a state from JAX's in float64; states are of size 1, and move by as much.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import harness

HEADS, KEYS, UNITS, MEMORIES, TOKENS, STEP, STEPS = 12, 64, 768, 3072, 197, 0.1, 12


def problem(images: int) -> tuple[Any, ...]:
    """Weights (keys, queries, memories) and tokens, seeded."""
    import numpy as np

    rng = np.random.default_rng(0)
    keys, queries = 0.02 * rng.normal(size=(2, HEADS, KEYS, UNITS))
    return (
        keys,
        queries,
        0.02 * rng.normal(size=(MEMORIES, UNITS)),
        rng.normal(size=(images, TOKENS, UNITS)),
    )


def amsim_descent(
    keys: Any, queries: Any, memories: Any, tokens: Any, dtype: str
) -> Callable[[], Any]:
    """Return the run of amsim."""
    import amsim as am

    net = am.models.energy_transformer(keys, queries, memories, n_tokens=TOKENS)
    solver = am.GradientDescent(STEP, STEPS)
    run = lambda: am.simulate(net, tokens, solver=solver, until=None, dtype=dtype)  # noqa: E731
    return lambda: run().final["tokens"]


def jax_descent(
    keys: Any, queries: Any, memories: Any, tokens: Any, dtype: str
) -> Callable[[], Any]:
    """Return the run of JAX: the gradient of the energy, vectorised over images, compiled."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    jax.config.update("jax_enable_x64", True)
    wk, wq, xi, start = (jnp.asarray(x, dtype) for x in (keys, queries, memories, tokens))
    beta = KEYS**-0.5

    def norm(x: Any) -> Any:
        centred = x - x.mean(-1, keepdims=True)
        return centred / jnp.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)

    def energy(g: Any) -> Any:
        k, q = jnp.einsum("bd,hyd->hby", g, wk), jnp.einsum("cd,hyd->hcy", g, wq)
        scores = beta * jnp.einsum("hcy,hby->hcb", q, k)
        scores = jnp.where(jnp.eye(TOKENS, dtype=bool), -jnp.inf, scores)
        attention = -jax.nn.logsumexp(scores, axis=-1).sum() / beta
        return attention - (jax.nn.relu(g @ xi.T) ** 2).sum() / 2

    slope = jax.vmap(jax.grad(energy))

    @jax.jit
    def descend(x: Any) -> Any:
        return jax.lax.fori_loop(0, STEPS, lambda _, y: y - STEP * slope(norm(y)), x)

    return lambda: np.asarray(descend(start))


def products(images: int, dtype: str) -> Callable[[], Any]:
    """Return the matrix products of the steps, and nothing else: what no run can be faster than."""
    import numpy as np

    rng = np.random.default_rng(0)
    shapes = ((images * TOKENS, UNITS), (HEADS * KEYS, UNITS), (MEMORIES, UNITS),
              (images * TOKENS, HEADS * KEYS), (images * TOKENS, MEMORIES),
              (images, HEADS, TOKENS, KEYS), (images, HEADS, TOKENS, TOKENS))  # fmt: skip
    g, w, xi, flat, hidden, heads, shares = (rng.normal(size=x).astype(dtype) for x in shapes)

    def run() -> None:
        for _ in range(STEPS):
            _ = g @ w.T, g @ w.T, flat @ w, flat @ w, g @ xi.T, hidden @ xi
            _ = heads @ heads.swapaxes(-1, -2), shares @ heads, shares.swapaxes(-1, -2) @ heads

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", nargs="+", type=int, default=[1, 4])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    harness.one_thread()
    print("BLAS kernel:", harness.blas_kernel())
    import numpy as np

    for images in options.images:
        given = problem(images)
        runs = {
            f"{name}, {kind}": make(*given, kind)
            for kind in ("float64", "float32")
            for name, make in (("amsim", amsim_descent), ("JAX", jax_descent))
        }
        exact = runs["JAX, float64"]()
        timings = harness.interleave(runs, options.rounds)
        print(f"\n{images} images")
        harness.show(
            {
                "contender": name,
                "CPU ms": 1e3 * timing.cpu_median,
                "/ JAX": timing.cpu_median / timings["JAX, " + name.split()[1]].cpu_median,
                "off by": float(np.abs(runs[name]() - exact).max()),
                "note": timing.note,
            }
            for name, timing in timings.items()
        )
        alone = {f"{kind} products": products(images, kind) for kind in ("float64", "float32")}
        double, single = (x.cpu_median for x in harness.interleave(alone, options.rounds).values())
        print(f"products alone: {1e3 * double:.0f} ms in double, {1e3 * single:.0f} ms in single "
              f"precision, {double / single:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
