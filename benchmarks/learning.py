"""Digits learned by every kind of gradient, and what an implicit gradient costs beside its recall.

    python benchmarks/learning.py digits --route implicit ode events integers
    python benchmarks/learning.py cost
    python benchmarks/learning.py powers
    python benchmarks/learning.py patches
    python benchmarks/learning.py parity
    uv run --with jax python benchmarks/learning.py jax

`digits`: features are the 64 pixels of scikit-learn's digits, which are shown and clamped, and ten
units for the labels; memories begin as training samples with their labels, ten or twenty of each
class. A third is held out, and shown before and after. Rates and sizes were chosen with the split
of seed 0; the default is that of seed 1.

`cost`: the time of `learning.gradient` over that of the recall it contains, for 1000 memories of
784 features and 64 cues.

`powers`: a dense associative memory of rectified powers, trained as in Krotov & Hopfield 2016
(arXiv:1606.01164), beside nearest neighbour and a perceptron of scikit-learn with one hidden layer
of as many units; means over the splits of five seeds.

`patches`: digits of which one patch of four is missing, completed by an Energy Transformer that was
trained on the same digits, by the one whose head is set by hand to the pseudo-inverse of them, and
by the autoencoding memory; and digits that were not shown, beside neighbours and a regression.

`parity`: the analog transformer of Bacvanski et al. 2025 (arXiv:2512.15002) learns parity: tokens
of two kinds, attention without places, 128 rectified memories, and a token to predict
of 16 units, whose first is read. Embeddings, memories and biases are trained by implicit gradients
at rest; the gain of the memories is kept below 1, so that there is a rest. Of the 200 sequences to
train with, which repeat, each has a density of ones of its own; all that were not drawn are held
out. Training stops when it knows what it was shown, and starts again from other weights and
sequences where it does not within 400 steps.

`jax`: recall and gradient by jitted JAX that goes backwards through k updates, in the same
precision, beside the unrolled gradient, and the implicit one after as many updates as it takes to
rest; and the memory that each needs beyond its arguments.
"""

from __future__ import annotations

import argparse
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import harness

SHOWN = 64
ROUTES: dict[str, dict[str, Any]] = {
    "implicit": {"each": 10, "epochs": 40, "size": 100},
    "ode": {"each": 20, "epochs": 10, "size": 50, "nudge": 0.2},
    "events": {"each": 20, "epochs": 4, "size": 50, "nudge": 0.5},
    "integers": {"each": 20, "epochs": 4, "size": 50, "nudge": 0.5},
}


def data(seed: int) -> tuple[Any, Any, Any, Any]:
    """Cues (1797, 74) with pixels from -1 to 1, labels, and the rows of both parts."""
    import numpy as np
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    cues = np.concatenate([pixels / 8 - 1, np.full((len(pixels), 10), 0.1)], axis=1)
    order = np.random.default_rng(seed).permutation(len(cues))
    return cues, labels, order[:1198], order[1198:]


def memory(cues: Any, labels: Any, rows: Any, each: int, seed: int) -> Any:
    """A network that has written so many samples of each class."""
    import numpy as np

    import amsim as am

    rng = np.random.default_rng(seed)
    chosen = np.concatenate([rng.permutation(rows[labels[rows] == c])[:each] for c in range(10)])
    stored = np.concatenate([cues[chosen, :SHOWN], np.eye(10)[labels[chosen]]], axis=1)
    return am.dense_am(stored, hidden=am.Softmax(0.5), tau_hidden=0.1, similarity="euclidean")


def options_of(route: str, timing_seed: int) -> dict[str, Any]:
    """How the gradients of a route are taken."""
    import amsim as am
    import hardware as hw

    if route == "implicit":
        return {"method": "implicit", "solver": am.FixedPoint(), "until": am.Settled(1e-7)}
    nudged = {"method": "equilibrium_propagation", "nudge": ROUTES[route]["nudge"]}
    if route == "ode":
        return {**nudged, "until": am.Settled(1e-4)}
    if route == "integers":
        return {**nudged, "solver": hw.Integers(weight_bits=8)}
    timing = am.Timing(delay=0.1, jitter=0.2)
    return {**nudged, "solver": am.EventDriven(5e-3, timing), "until": am.Settled(2e-2)}


def accuracy(net: Any, cues: Any, labels: Any, rows: Any, options: dict[str, Any]) -> float:
    """The share of right labels, recalled as the network was trained: by the same engine."""
    import numpy as np

    import amsim as am

    clamp = np.arange(cues.shape[1]) < SHOWN
    solver = options.get("solver")
    if hasattr(solver, "settle"):
        final = solver.settle(
            net, {"visible": cues[rows]}, clamp={"visible": clamp}, inputs={}
        ).final
    else:
        until = options.get("until", am.Settled())
        final = am.simulate(net, cues[rows], clamp=clamp, solver=solver, until=until).final
    return float((final["visible"][:, SHOWN:].argmax(axis=1) == labels[rows]).mean())


def learn(route: str, seed: int, epochs: int | None, log: bool) -> dict[str, Any]:
    """One row: accuracy on the held-out third before and after, and the time."""
    import numpy as np

    import amsim as am
    from amsim.errors import SettlingWarning

    about = ROUTES[route]
    cues, labels, rows, held = data(seed)
    net = memory(cues, labels, rows, about["each"], seed)
    options = options_of(route, seed)
    before = accuracy(net, cues, labels, held, options)
    loss = am.learning.SquaredError("visible", np.eye(10)[labels[rows]], units=slice(SHOWN, None))

    def value(moved: Any) -> float:
        wrong = 1 - accuracy(moved, cues, labels, rows[:200], options)
        print(f"  {route}: {wrong:.3f} of 200 training samples wrong", flush=True)
        return wrong

    wall, cpu = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SettlingWarning)  # counted in the last column
        training = am.learning.train(
            net, cues[rows], loss, clamp=np.arange(cues.shape[1]) < SHOWN,
            epochs=epochs or about["epochs"], optimiser=am.learning.SGD(1.0), seed=seed,
            batch_size=about["size"], validate=value if log else None, **options,
        )  # fmt: skip
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    after = accuracy(training.network, cues, labels, held, options)
    return {
        "route": route,
        "memories": 10 * int(about["each"]),
        "epochs": len(training.losses),
        "before": f"{before:.1%}",
        "held out": f"{after:.1%}",
        "CPU s": cpu,
        "wall s": wall,
        "left out": int(training.left_out.sum()),
    }


def cost(rounds: int, batch: int = 64) -> list[dict[str, Any]]:
    """CPU times of a recall, of the gradient after it, and of both."""
    import numpy as np

    import amsim as am

    stored = am.patterns.random(1000, 784, seed=0).astype(np.float64)
    cues = am.patterns.corrupt(stored[:batch], flip=0.2, seed=1).astype(np.float64)
    shown = np.arange(784) < 392
    loss = am.learning.SquaredError("visible", stored[:batch, 392:], units=slice(392, None))
    net, rows = am.dense_am(stored, hidden=am.Softmax(0.02), tau_hidden=0.1), []
    for name, solver in (("ExponentialIntegrator", None), ("FixedPoint", am.FixedPoint())):
        given = {"clamp": shown, "solver": solver, "until": am.Settled(1e-6)}
        timings = harness.interleave(
            {
                "recall": partial(am.simulate, net, cues, **given),
                "both": partial(am.learning.gradient, net, cues, loss, **given),
            },
            rounds,
        )
        recall, both = (timings[part].cpu_median for part in ("recall", "both"))
        rows.append(
            {
                "solver": name,
                "recall ms": 1e3 * recall,
                "gradient ms": 1e3 * (both - recall),
                "gradient / recall": (both - recall) / recall,
            }
        )
    return rows


def beside_jax(rounds: int, batch: int = 64) -> list[dict[str, Any]]:
    """CPU times and peak memory of one gradient, recall included, after k updates."""
    import tracemalloc

    import jax
    import numpy as np

    import amsim as am

    jax.config.update("jax_enable_x64", True)
    stored = am.patterns.random(1000, 784, seed=0).astype(np.float64)
    cues = am.patterns.corrupt(stored[:batch], flip=0.3, seed=1).astype(np.float64)
    shown, target = np.arange(784) < 392, stored[:batch, 392:]
    loss = am.learning.SquaredError("visible", target, units=slice(392, None))
    net = am.dense_am(stored, hidden=am.Softmax(0.02), tau_hidden=0.0)
    rows = []
    for count in (5, 20):
        solver = am.FixedPoint(count)

        def objective(weights: Any, count: int = count) -> Any:
            def update(v: Any, _: Any) -> Any:
                new = jax.nn.softmax(0.02 * v @ weights.T, axis=-1) @ weights
                return jax.numpy.where(shown, cues, new), None

            end, _ = jax.lax.scan(update, jax.numpy.asarray(cues), length=count)
            return ((end[:, 392:] - target) ** 2).sum() / 2

        compiled = jax.jit(jax.value_and_grad(objective)).lower(stored).compile()
        given = {"clamp": shown, "solver": solver}
        run = partial(am.learning.gradient, net, cues, loss, **given)
        methods = {
            "JAX, through the updates": lambda c=compiled: c(stored)[1].block_until_ready(),
            "amsim, unrolled": partial(run, method="unrolled"),
            "amsim, implicit, at rest": partial(
                run, solver=am.FixedPoint(), until=am.Settled(1e-6)
            ),
        }
        timings = harness.interleave(methods, rounds)
        exact = np.asarray(compiled(stored)[1])
        for name, method in methods.items():
            if name.startswith("JAX"):
                found, peak = exact, compiled.memory_analysis().temp_size_in_bytes
            else:
                tracemalloc.start()
                answer = method()
                peak = tracemalloc.get_traced_memory()[1]
                tracemalloc.stop()
                found = answer.parameters["hidden-visible"]["weights"]
                assert answer.used.all(), answer.message
            rows.append(
                {
                    "updates": count,
                    "gradient": name,
                    "CPU ms": 1e3 * timings[name].cpu_median,
                    "MB": peak / 1e6,
                    "off JAX": float(np.linalg.norm(found - exact) / np.linalg.norm(exact)),
                }
            )
    return rows


def powers(orders: list[int], memories: int = 100, seeds: int = 5) -> list[dict[str, Any]]:
    """Accuracy on the held-out third by rectified powers, and by others."""
    import numpy as np
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier

    rows: dict[str, list[tuple[float, float]]] = {}
    for seed in range(seeds):
        cues, labels, train, held = data(seed)
        cues[:, SHOWN:] = -1.0
        others = {
            "nearest neighbour": KNeighborsClassifier(1),
            f"MLPClassifier(({memories},))": MLPClassifier(
                (memories,), max_iter=1000, random_state=seed
            ),
        }
        for name, model in others.items():
            cpu = time.process_time()
            model.fit(cues[train, :SHOWN], labels[train])
            right = model.score(cues[held, :SHOWN], labels[held])
            rows.setdefault(name, []).append((right, time.process_time() - cpu))
        for order in orders:
            cpu = time.process_time()
            stored = rectified(cues[train], labels[train], order, memories, seed)
            spent = time.process_time() - cpu
            right = float((chosen_label(stored, order, cues[held]) == labels[held]).mean())
            rows.setdefault(f"rectified powers, n = {order}", []).append((right, spent))
    table = []
    for name, found in rows.items():
        right, spent = np.array(found).T
        error = right.std(ddof=1) / np.sqrt(len(right))
        table.append(
            {"model": name, "held out": f"{right.mean():.1%}", "+-": f"{error:.1%}",
             "CPU s": float(spent.mean())}
        )  # fmt: skip
    return table


def patches(counts: list[int], train: int = 1200) -> list[dict[str, Any]]:
    """Shares of wrong pixels in missing patches, of stored digits and of others."""
    import numpy as np
    from sklearn.impute import KNNImputer
    from sklearn.linear_model import Ridge

    import amsim as am
    from amsim.estimators import AssociativeAutoencoder, EnergyTransformerImputer
    from amsim.gallery.transformer import masked_digits

    def row(shown: Any, cues: Any, digits: Any, epochs: int) -> dict[str, Any]:
        missing, spent = np.isnan(cues), time.process_time()
        models = {
            "trained transformer": EnergyTransformerImputer(
                (8, 8), 4, epochs=epochs, random_state=0
            ).fit(shown).transform,
            "autoencoding memory": AssociativeAutoencoder(
                min(len(shown), 100), 0.1, random_state=0
            ).fit(shown).complete,
        }  # fmt: skip
        found: dict[str, Any] = {"CPU s": time.process_time() - spent}
        for name, complete in models.items():
            wrong = np.sign(complete(cues)) != digits
            found[name] = f"{wrong[missing].mean():.1%}"
        return found

    rows = []
    for count in counts:
        digits, cues, recalled, _ = masked_digits(count)
        wrong = f"{(recalled != digits)[cues == 0].mean():.1%}"
        found = row(digits, np.where(cues == 0, np.nan, cues), digits, epochs=300)
        others = {"pseudo-inverse": wrong, "regression": "-", "five neighbours": "-"}
        rows.append({"digits": f"{count} stored", **others, **found})
    every = am.patterns.digits(seed=0)
    shown, others = every[:train], every[train:]
    hidden = np.arange(len(others))[:, None, None] % 4 == np.arange(4)[:, None]
    gaps = np.broadcast_to(hidden, (len(others), 4, 16)).astype(float)
    gaps = am.models.from_patches(gaps, (8, 8, 1)).reshape(others.shape)
    cues = np.where(gaps > 0, np.nan, others)
    missing, filled = np.isnan(cues), np.zeros_like(cues)
    for part in range(4):
        gap, rest = missing[part], slice(part, None, 4)
        model = Ridge(10.0).fit(shown[:, ~gap], shown[:, gap])
        filled[rest, gap] = model.predict(others[rest][:, ~gap])
    near = KNNImputer(n_neighbors=5).fit(shown).transform(cues)
    known = {
        "pseudo-inverse": "-",
        "regression": f"{(np.sign(filled) != others)[missing].mean():.1%}",
        "five neighbours": f"{(np.sign(near) != others)[missing].mean():.1%}",
    }
    found = row(shown, cues, others, epochs=10)
    return [*rows, {"digits": f"{len(others)} of {len(every)}, held out", **known, **found}]


class Bounded:
    """An optimiser that keeps the largest eigenvalue of Xi^T Xi of some memories."""

    def __init__(self, optimiser: Any, name: str, largest: float) -> None:
        self.optimiser, self.name, self.largest = optimiser, name, largest
        self.init = optimiser.init

    def update(self, updates: Any, state: Any, params: Any) -> Any:
        import numpy as np

        steps, state = self.optimiser.update(updates, state, params)
        old = params[self.name]["weights"]
        moved = old + steps[self.name]["weights"]
        scale = min(1.0, self.largest**0.5 / np.linalg.norm(moved, 2))
        bounded = {**steps[self.name], "weights": scale * moved - old}
        return {**steps, self.name: bounded}, state


def analog(bits: int, units: int, memories: int, rng: Any) -> Any:
    """An untrained analog transformer that embeds its tokens, which are of two kinds."""
    import numpy as np

    import amsim as am

    embedding = 8.0 * rng.normal(size=(units, 2))
    stored = rng.normal(size=(memories, units))
    stored *= 0.9**0.5 / np.linalg.norm(stored, 2)
    # Memories begin to respond somewhere between both embeddings.
    first, second = embedding.T
    between = first + rng.random((memories, 1)) * (second - first)
    keys, queries, pair = embedding[None], np.eye(units)[None], ("context", "visible")
    return am.Network(
        {"visible": am.Layer((1, units), am.Identity()),
         "context": am.Layer((bits, 2), am.Identity())},
        [am.Attention(keys, queries, pair, beta=2e-4, name="attention"),
         am.Memories(stored, am.ReLU(), bias=-(stored * between).sum(axis=1), name="memories")],
    )  # fmt: skip


def parity(bits: int, samples: int = 200, steps: int = 400, starts: int = 12) -> list[Any]:
    """Right answers to sequences trained with and to all others, at rest; until a start learns."""
    import tempfile

    import numpy as np

    import amsim as am

    tokens = np.arange(2**bits)[:, None] >> np.arange(bits) & 1
    odd = tokens.sum(axis=1) % 2
    clamp, rest = {"context": np.ones((bits, 2), bool)}, am.Settled(1e-6)

    def cues(rows: Any) -> Any:
        return {"visible": np.zeros((len(rows), 1, 16)), "context": np.eye(2)[tokens[rows]]}

    def right(net: Any, rows: Any, solver: Any) -> int:
        if not len(rows):
            return 0
        traj = am.simulate(net, cues(rows), clamp=clamp, solver=solver, until=rest)
        answers = (traj.final["visible"][:, 0, 0] > 0) == odd[rows]
        return int((answers & (traj.statuses == "settled")).sum())

    table = []
    for start in range(starts):
        cpu, rng = time.process_time(), np.random.default_rng(start)
        net = analog(bits, 16, 128, np.random.default_rng(start))
        drawn = (rng.random((samples, bits)) < rng.random((samples, 1))) @ (1 << np.arange(bits))
        seen, held = np.unique(drawn), np.setdiff1d(np.arange(2**bits), drawn)
        loss = am.learning.SquaredError("visible", 0.1 * odd[drawn, None] - 0.05, units=[0])
        with tempfile.TemporaryDirectory() as folder:
            for done in range(50, steps + 1, 50):
                training = am.learning.train(
                    net, cues(drawn), loss, clamp=clamp, epochs=done, batch_size=samples,
                    solver=am.FixedPoint(2000), until=rest, checkpoint=f"{folder}/training.npz",
                    optimiser=Bounded(am.learning.Adam(0.01), "memories", 0.95),
                    learn={"attention": ["keys"], "memories": ["weights", "bias"],
                           "visible": ["bias"]},
                )  # fmt: skip
                known = right(training.network, seen, am.FixedPoint(2000))
                if known == len(seen):
                    break
        table.append(
            {
                "start": start,
                "steps": done,
                "CPU s": time.process_time() - cpu,
                "trained with": f"{known} of {len(seen)}",
                "held out": f"{right(training.network, held, am.FixedPoint(2000))} of {len(held)}",
                "all, ODE": f"{right(training.network, np.arange(2**bits), None)} of {2**bits}",
            }
        )
        print(table[-1], flush=True)
        if known == len(seen):
            break
    return table


def chosen_label(memories: Any, order: int, cues: Any) -> Any:
    """The label unit whose flip to +1 lowers the energy most."""
    import numpy as np

    import amsim as am

    net = am.dense_am(memories, hidden=am.RectifiedPower(order), tau_hidden=0.0)
    flipped = np.repeat(cues[:, None], 10, axis=1)
    flipped[:, np.arange(10), SHOWN + np.arange(10)] = 1.0
    return np.asarray(net.energy({"visible": flipped})).argmin(axis=1)


def rectified(
    cues: Any, labels: Any, order: int, memories: int, seed: int,
    epochs: int = 100, rate: float = 0.02, momentum: float = 0.6, power: int = 6,
) -> Any:  # fmt: skip
    """Memories by the rule of the paper.

    c_a = tanh(b [sum_mu F(xi_mu . v with label a on) - F(... off)]), F(x) = relu(x)^n, and the loss
    sum |c - t|^6; steps are divided by the largest of each memory, whose entries stay within -1, 1.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    stored = rng.normal(-0.3, 0.3, (memories, cues.shape[1]))
    moving, target = np.zeros_like(stored), 2.0 * np.eye(10)[labels] - 1
    sharpness = 35.0**-order
    for epoch in range(epochs):
        order_of_cues = rng.permutation(len(cues))
        for start in range(0, len(cues), 100):
            rows = order_of_cues[start : start + 100]
            shown = cues[rows]
            off = np.maximum(shown @ stored.T, 0.0)[:, :, None]
            on = np.maximum((shown @ stored.T)[:, :, None] + 2 * stored[None, :, SHOWN:], 0.0)
            c = np.tanh(sharpness * (on**order - off**order).sum(axis=1))
            slope = power * (c - target[rows]) ** (power - 1) * (1 - c**2)
            pull_on, pull_off = (order * x ** (order - 1) for x in (on, off))
            each = np.einsum("bka,ba->bk", pull_on - pull_off, slope)
            gradient = each.T @ shown
            gradient[:, SHOWN:] += 2 * np.einsum("bka,ba->ka", pull_on, slope)
            gradient /= np.abs(gradient).max(axis=1, keepdims=True) + 1e-300
            moving = momentum * moving - rate * 0.98**epoch * gradient
            stored = np.clip(stored + moving, -1.0, 1.0)
    return stored


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("digits", "cost", "powers", "patches", "parity", "jax"))
    parser.add_argument("--route", nargs="+", default=list(ROUTES), choices=list(ROUTES))
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--log", action="store_true", help="training errors after every epoch")
    parser.add_argument("--orders", nargs="+", type=int, default=[2, 3, 5, 10, 20])
    parser.add_argument("--bits", type=int, default=8, help="of parity")
    parser.add_argument("--json", type=Path, help="also write the table here")
    options = parser.parse_args()

    harness.one_thread()
    if options.what == "cost":
        rows = cost(options.rounds)
    elif options.what == "jax":
        rows = beside_jax(options.rounds)
    elif options.what == "patches":
        rows = patches([10, 20, 50])
    elif options.what == "parity":
        rows = parity(options.bits)
    elif options.what == "powers":
        rows = powers(options.orders)
    else:
        rows = []
        for route in options.route:
            rows.append(learn(route, options.seed, options.epochs, options.log))
            harness.show(rows[-1:])
    harness.show(rows)
    if options.json:
        harness.dump(rows, options.json)


if __name__ == "__main__":
    main()
