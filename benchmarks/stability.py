"""Certificates: how tight, how often, how fast.

    python benchmarks/stability.py tightness
    python benchmarks/stability.py curve --figure docs/certified.png
    python benchmarks/stability.py speed
    python benchmarks/stability.py verdicts --networks 150
    python benchmarks/stability.py basins

`tightness` sets certified radii beside radii at which an attack was found (attacks.py). `curve`
counts the cues that are recalled and those that are certified, over the fraction of flipped units.
`speed` prints CPU times as multiples of one matrix-vector product and of one right-hand side.
`verdicts` counts what `analyse` says on delays at fixed points of random networks that are stable
without, beside what sigma and rho say by themselves. `basins` runs networks with delays of units
from the radii of Lyapunov functionals, and from further away until a run ends elsewhere.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import harness

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    import amsim as am

    Array = NDArray[np.float64]

DIGITS_BETA = 0.75
SCOPES = ("link", "broadcast")


def random_memory(beta: float = 1.0, seed: int = 0) -> am.Network:
    import amsim as am

    return am.dense_am(am.patterns.random(100, 64, seed), hidden=am.Softmax(beta))


def digits_memory(beta: float = DIGITS_BETA, seed: int = 0) -> am.Network:
    import amsim as am

    return am.dense_am(am.patterns.digits(100, seed), hidden=am.Softmax(beta))


def polynomial_memory(count: int, power: int, seed: int = 0) -> am.Network:
    """Tanh features whose input is 3 at a stored pattern, but for the other memories."""
    import amsim as am

    patterns = am.patterns.random(count, 64, seed)
    scale = (3 / 64 ** (power - 1)) ** (1 / power)
    return am.dense_am(scale * patterns, visible=am.Tanh(), hidden=am.RectifiedPower(power))


def fixed_points(net: am.Network) -> Array:
    """Where recall from each stored pattern ends, (K, D)."""
    import numpy as np

    import amsim as am

    patterns = np.sign(net.synapses[0].weights)
    return am.simulate(net, patterns, until=am.Settled(1e-10)).final["visible"]


def tightness(count: int) -> list[dict[str, object]]:
    """Medians over stored memories; the last two columns are the smallest attack / certified."""
    import numpy as np
    from attacks import attack_radius

    import amsim as am
    from amsim.stability import radius, radius_bound
    from amsim.stability.linear import Linearisation

    networks: dict[str, am.Network] = {
        "random, beta 1": random_memory(),
        "random, beta 0.5": random_memory(0.5),
        "digits, beta 0.75": digits_memory(),
        "digits, beta 2": digits_memory(2.0),
        **{
            f"polynomial n={n}, K={k}": polynomial_memory(k, n)
            for n, k in ((2, 10), (2, 30), (3, 30), (3, 100))
        },
    }
    rows = []
    for name, net in networks.items():
        found: dict[str, list[float]] = {}
        for state in fixed_points(net)[:count]:
            softmax = isinstance(net.layers["hidden"].lagrangian, am.Softmax)
            linear = Linearisation(
                net, {"visible": state, "hidden": net.synapses[0].weights @ _output(net, state)}
            )
            values = {
                "sigma": linear.sigma,
                "rho": linear.rho,
                "closed form": radius_bound(net, state) if softmax else np.nan,
                "link": radius(net, state),
                "attack": attack_radius(net, state),
                "broadcast": radius(net, state, "broadcast"),
                "attack b.": attack_radius(net, state, "broadcast"),
                "no timing": attack_radius(net, state, rounds=0),
            }
            for key, value in values.items():
                found.setdefault(key, []).append(value)
        row: dict[str, object] = {"network": name}
        row.update({key: float(np.median(value)) for key, value in found.items()})
        for scope, attack in (("link", "attack"), ("broadcast", "attack b.")):
            certified = np.array(found[scope])
            ratios = np.array(found[attack])[certified > 0] / certified[certified > 0]
            row[f"least {scope}"] = float(ratios.min()) if ratios.size else np.nan
        row["without"] = f"{np.mean(np.array(found['link']) == 0):.0%}"
        rows.append(row)
    return rows


def _output(net: am.Network, state: Array) -> Array:
    import numpy as np

    return np.asarray(net.layers["visible"].lagrangian.activation(state))


def curve(net: am.Network, flips: Sequence[float], repeats: int) -> dict[str, list[float]]:
    """Fractions of cues that are recalled without delays, and certified in the two scopes.

    A cue of a stored pattern counts as recalled if it ends within 1e-3 of where recall from the
    undamaged pattern ends, which is also the target of the certificate.
    """
    import numpy as np

    import amsim as am
    from amsim.stability import certify

    patterns = np.repeat(np.sign(net.synapses[0].weights), repeats, axis=0)
    targets = np.repeat(fixed_points(net), repeats, axis=0)
    fractions: dict[str, list[float]] = {"recalled": [], "broadcast": [], "link": []}
    for flip in flips:
        cues = am.patterns.corrupt(patterns, flip=flip, seed=1)
        end = am.simulate(net, cues).final["visible"]
        recalled = np.abs(end - targets).max(axis=1) < 1e-3
        fractions["recalled"].append(float(recalled.mean()))
        for scope in SCOPES:
            holds = certify(net, cues, targets, scope).holds
            assert not (holds & ~recalled).any(), "a certified cue was recalled elsewhere"
            fractions[scope].append(float(holds.mean()))
    return fractions


def curve_figure(curves: dict[str, dict[str, list[float]]], flips: Sequence[float]) -> Figure:
    import numpy as np
    from matplotlib.figure import Figure

    from amsim.plot import lettered

    figure = Figure(figsize=(8.0, 3.4), layout="constrained")
    panels = figure.subplots(1, len(curves), sharey=True, squeeze=False)[0]
    styles = {
        "recalled": ("#0072B2", "o", "recalled without delays"),
        "broadcast": ("#E69F00", "s", "certified, broadcast messages"),
        "link": ("#009E73", "^", "certified, any delay per link"),
    }
    for ax, (name, fractions) in zip(panels, curves.items(), strict=True):
        for key, (colour, marker, label) in styles.items():
            percent = 100 * np.array(fractions[key])
            ax.plot(100 * np.array(flips), percent, color=colour, marker=marker, ms=4, label=label)
        ax.set(title=name, xlabel="flipped units (%)", ylim=(-3, 103))
        ax.title.set_fontsize(10)
        ax.grid(alpha=0.3)
        ax.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("cues (%)")
    handles = panels[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    return lettered(figure)


def single_speed(units: int, count: int, rounds: int) -> list[dict[str, object]]:
    """One certificate, in matrix-vector products: counted, and by CPU time."""
    import numpy as np

    import amsim as am
    from amsim.stability import certify

    rng = np.random.default_rng(0)
    kinds: dict[str, Any] = {
        "real": rng.normal(size=(count, units)),
        "+-1": rng.choice([-1.0, 1.0], (count, units)),
        "+-1, int8": rng.choice([-1, 1], (count, units)).astype(np.int8),
    }
    rows = []
    for kind, patterns in kinds.items():
        net, state = am.dense_am(patterns), patterns[0].astype(float)
        full, cue = patterns.astype(float), am.patterns.corrupt(state, flip=0.05)
        contenders: dict[str, Callable[[], object]] = {"product": lambda a=full, x=state: a @ x}
        for scope in SCOPES:
            contenders[scope] = lambda net=net, cue=cue, x=state, s=scope: certify(net, cue, x, s)
        timings = harness.interleave(contenders, rounds)
        for scope in SCOPES:
            result = certify(net, cue, state, scope)
            ratio = timings[scope].cpu_median / timings["product"].cpu_median
            products = _count_products(net, contenders[scope])
            images = int(result.iterations)
            rows.append(
                {
                    "memories": kind,
                    "scope": scope,
                    "holds": bool(result.holds),
                    "iterations": images,
                    "products / iteration": products / images,
                    "CPU, in products": ratio,
                    "CPU / iteration": ratio / images,
                    "note": timings[scope].note,
                }
            )
    return rows


def _count_products(net: am.Network, run: Callable[[], object]) -> float:
    """Products of the weights with one vector: passes over Xi, times vectors."""
    from amsim.stability import compiled_intervals, links

    count, size = 0.0, net.synapses[0].weights.size
    plain = [(links, name) for name in ("project", "project_back", "_times")]
    plain.append((compiled_intervals, "difference_product"))
    functions = [getattr(module, name) for module, name in plain]

    def counted(function: Callable[..., Array]) -> Callable[..., Array]:
        def wrapped(*arrays: Any) -> Array:
            nonlocal count
            matrix = max(arrays, key=np.size)
            count += len(arrays[-1] if matrix is arrays[0] else arrays[0]) * matrix.size / size
            return function(*arrays)

        return wrapped

    import numpy as np

    try:
        for (module, name), function in zip(plain, functions, strict=True):
            setattr(module, name, counted(function))
        run()
    finally:
        for (module, name), function in zip(plain, functions, strict=True):
            setattr(module, name, function)
    return count


def batch_speed(rounds: int) -> list[dict[str, object]]:
    """100 cues at (64, 100) against one right-hand side of the same batch."""
    import numpy as np

    import amsim as am
    from amsim.stability import certify

    real = np.random.default_rng(0).normal(size=(100, 64))
    rows = []
    for name, net in {
        "+-1": random_memory(),
        "real": am.dense_am(real),
        "+-1, beta 0.3": random_memory(0.3),
        "+-1, beta 0.5": random_memory(0.5),
        "real, beta 0.4": am.dense_am(real, hidden=am.Softmax(0.4)),
        "digits, beta 0.4": digits_memory(0.4),
        "digits, beta 0.6": digits_memory(0.6),
    }.items():
        patterns = net.synapses[0].weights
        targets = am.simulate(net, patterns, until=am.Settled(1e-10)).final
        for flip in (0.1, 0.2, 0.3):
            cues = am.patterns.corrupt(patterns, flip=flip, seed=1)
            states = {"visible": cues, "hidden": cues @ patterns.T}
            contenders: dict[str, Callable[[], object]] = {
                "right-hand side": lambda net=net, states=states: net.velocity(states)
            }
            for scope in SCOPES:
                contenders[scope] = lambda n=net, c=cues, t=targets, s=scope: certify(n, c, t, s)
            timings = harness.interleave(contenders, rounds)
            for scope in SCOPES:
                result = certify(net, cues, targets, scope)
                base = timings["right-hand side"].cpu_median
                rows.append(
                    {
                        "memories": name,
                        "flipped": f"{flip:.0%}",
                        "scope": scope,
                        "certified": f"{result.holds.mean():.0%}",
                        "iterations": int(result.iterations.max()),
                        "CPU / right-hand side": timings[scope].cpu_median / base,
                        "note": timings[scope].note,
                    }
                )
    return rows


def random_network(seed: int) -> tuple[am.Network, dict[str, Array]]:
    """One to three layers, groups and separable, some synapses directed, half of the taus uneven.

    Also a state to look for a fixed point from.
    """
    import numpy as np

    import amsim as am

    rng = np.random.default_rng(seed)
    kinds: list[Callable[[], am.Lagrangian]] = [
        lambda: am.Tanh(rng.uniform(0.5, 2)), lambda: am.Sigmoid(rng.uniform(1, 4)),
        lambda: am.Softmax(rng.uniform(0.5, 4)), lambda: am.Entmax(1.5, rng.uniform(0.5, 2)),
        lambda: am.Spherical(0.5),
    ]  # fmt: skip
    layers = {}
    for name in "abc"[: rng.integers(1, 4)]:
        size, kind = int(rng.integers(2, 7)), kinds[rng.choice(5, p=[0.3, 0.15, 0.3, 0.15, 0.1])]
        tau = rng.uniform(0.2, 3, size) if rng.random() < 0.5 else float(rng.uniform(0.2, 3))
        leak, bias = float(rng.choice([1.0, 2.0], p=[0.7, 0.3])), 0.5 * rng.normal(size=size)
        layers[name] = am.Layer(size, kind(), tau=tau, leak=leak, bias=bias)
    directed, scale = rng.random() < 0.3, rng.uniform(0.3, 3.0)

    def weights(target: str, source: str) -> Array:
        size = layers[target].size, layers[source].size
        return rng.normal(size=size) * scale / np.sqrt(size[1])

    synapses: list[am.Synapse] = []
    for first in layers:
        for second in layers:
            if second < first or (first == second and len(layers) > 1 and rng.random() < 0.7):
                continue
            own = weights(second, first)
            if directed and rng.random() < 0.6:
                synapses.append(am.Directed(own, source=first, target=second))
                if first != second:
                    back = weights(first, second)
                    synapses.append(am.Directed(back, source=second, target=first))
            else:
                even = (own + own.T) / 2 if first == second else own
                synapses.append(am.Dense(even, between=(second, first)))
    start = {name: rng.normal(size=layer.size) for name, layer in layers.items()}
    return am.Network(layers, synapses), start


def by_gains(report: am.stability.StabilityReport) -> dict[str, str]:
    """What the table of docs/stability.md says on a stable state by sigma and rho alone."""
    import numpy as np

    settings = ("uniform", "per_unit", "per_link", "varying")
    if report.rho < 1:
        return dict.fromkeys(settings, "proven")
    layers, directed = report.network.layers.values(), bool(report.network.directed)
    separable = all(layer.lagrangian.separable for layer in layers)
    even = all(layer.lagrangian.separable or not np.ptp(layer.tau) for layer in layers)
    found = dict.fromkeys(settings, "open")
    if even and not directed:
        found["uniform"] = "proven" if report.sigma < 1 else "refuted"
    if not directed and report.sigma >= 1 and even:
        found["per_unit"] = "refuted"
    elif separable and not directed:
        found["per_unit"] = "proven"
    if separable or found["per_unit"] == "refuted":
        found["per_link"] = found["varying"] = "refuted"
    return found


def verdicts(count: int) -> list[dict[str, object]]:
    """How many of the verdicts are proven, refuted and open, by the gains and by `analyse`."""
    from collections import Counter

    import amsim as am

    told: dict[str, Counter[tuple[str, str]]] = {"sigma and rho": Counter(), "analyse": Counter()}
    seed = above = confirmed = refuted = 0
    while sum(told["analyse"].values()) < 4 * count:
        seed += 1
        net, start = random_network(seed)
        try:
            states = am.stability.find(net, start).states
            report = am.stability.analyse(net, states)
        except ValueError:
            continue  # no fixed point was reached
        if report.status != "stable":
            continue
        above += report.rho > 1
        for setting, status in by_gains(report).items():
            verdict = report.verdicts[setting]
            told["sigma and rho"][setting, status] += 1
            told["analyse"][setting, verdict.status] += 1
            assert {status, verdict.status} != {"proven", "refuted"}, (seed, setting)
            if verdict.status == "refuted" and setting != "varying":
                refuted += 1
                if verdict.delay is not None:
                    root = am.stability.delay_spectrum(net, states, verdict.delay, count=1)[0]
                    assert root.real > 0, (seed, setting, root)
                    confirmed += 1
    print(f"{count} stable states of random networks, rho > 1 in {above}")
    print(f"of {refuted} refutations by constant delays {confirmed} confirmed by delay_spectrum")
    return [
        {"by": by, "status": status}
        | {s: counts[s, status] for s in ("uniform", "per_unit", "per_link", "varying")}
        for by, counts in told.items()
        for status in ("proven", "refuted", "open")
    ]


def delayed_runs(
    net: am.Network, start: dict[str, Array], delays: Array, t1: float, step: float
) -> dict[str, Array]:
    """Last states of a batch under constant delays of units, (batch, units), with a constant past.

    Exponential steps with outputs held, so of first order; delays are rounded up to whole steps.
    """
    import numpy as np

    from amsim.stability.linear import Linearisation

    linear = Linearisation(net, {name: x[0] for name, x in start.items()})
    x = np.concatenate([start[name] for name in net.layers], axis=1)
    decay = np.exp(-step * linear.leak / linear.tau)
    bias = np.concatenate([np.full(n.size, n.bias) for n in net.layers.values()])
    weights = (linear.coupling / linear.leak[:, None]).T

    def outputs(x: Array) -> Array:
        parts = [
            layer.lagrangian.activation(x[:, linear.spans[name]])
            for name, layer in net.layers.items()
        ]
        return np.concatenate(parts, axis=1)

    lags = np.ceil(delays / step).astype(int)
    size = int(lags.max()) + 1
    past = np.repeat(outputs(x)[None], size, axis=0)
    rows, columns = np.indices(x.shape)
    for k in range(round(t1 / step)):
        past[k % size] = outputs(x)
        heard = past[(k - lags) % size, rows, columns] @ weights + bias
        x = heard + (x - heard) * decay
    return {name: x[:, span] for name, span in linear.spans.items()}


def basins(runs: int) -> list[dict[str, object]]:
    """Certified radii with delays up to 0, 1 and 10 tau, and the least from which a run got away.

    Starts are corners of boxes around the fixed point: random ones, towards other stored patterns,
    and along the slowest mode. Each unit has a delay of its own, one in three the longest.
    """
    import numpy as np

    import amsim as am

    rng = np.random.default_rng(0)
    pair = 0.6 * np.array([[1.0, 1.0], [1.0, -1.0]])
    networks: dict[str, tuple[am.Network, Array]] = {
        "tanh pair": (
            am.dense_am(pair, visible=am.Tanh(), hidden=am.Tanh()),
            np.array([[0.5, 0.2]]),
        )
    }
    for seed, scale in ((0, 1.15), (10, 1.3)):
        weights = np.random.default_rng(seed).normal(size=(4, 6))
        weights *= scale / np.linalg.norm(weights, 2)
        tanh = am.dense_am(
            weights, visible=am.Tanh(), hidden=am.Tanh(), tau_hidden=[0.3, 0.5, 1.0, 2.0]
        )
        networks[f"tanh 6 x 4, {seed}"] = tanh, rng.normal(size=(1, 6))
    for beta in (0.35,):
        digits = am.patterns.digits(100, seed=0)
        networks[f"digits, beta {beta}"] = am.dense_am(digits, hidden=am.Softmax(beta)), digits
    rows = []
    for name, (net, patterns) in networks.items():
        rest = am.simulate(net, patterns[0], until=am.Settled(1e-11)).final
        report = am.stability.analyse(net, rest)
        for delay in (0.0, 1.0, 5.0):
            basin = am.stability.lyapunov_basin(net, rest, delay)
            row = {
                "network": name, "sigma": report.sigma, "rho": report.rho, "delay": delay,
                "link": am.stability.radius(net, rest), "radius": basin.radius,
                "left from": np.inf,
            }  # fmt: skip
            certified = basin.radius if np.isfinite(basin.radius) else 100.0
            for factor in (1.0, *2.0 ** np.arange(1, 9)):
                if not _all_return(net, report, certified * factor, delay, patterns, runs, rng):
                    assert factor > 1, "a run left its basin"
                    row["left from"] = certified * factor
                    break
                if not np.isfinite(basin.radius):
                    break
            rows.append(row)
    return rows


def _all_return(
    net: am.Network, report: am.stability.StabilityReport, radius: float, delay: float,
    patterns: Array, runs: int, rng: np.random.Generator,
) -> bool:  # fmt: skip
    import numpy as np

    rest = report.states
    towards = np.sign(patterns[rng.integers(0, len(patterns), runs)] - rest["visible"])
    signs = rng.choice([-1.0, 1.0], towards.shape)
    mode = np.sign(np.real(report.mode["visible"]))
    corners = np.where(rng.random((runs, 1)) < 0.5, towards, signs)
    corners[: runs // 8], corners[runs // 8 : runs // 4] = mode, -mode
    v = rest["visible"] + radius * corners
    hidden, weights = net.layers["hidden"], net.synapses[0].weights
    h = hidden.bias + net.layers["visible"].lagrangian.activation(v) @ weights.T / hidden.leak
    if hidden.lagrangian.separable:
        h = rest["hidden"] + radius * rng.choice([-1.0, 1.0], h.shape)
    size = sum(layer.size for layer in net.layers.values())
    late = delay * np.where(rng.random((runs, size)) < 1 / 3, 1.0, rng.random((runs, size)))
    slow = -1 / report.abscissa
    end = delayed_runs(net, {"visible": v, "hidden": h}, late, 8 * (slow + 2 * delay), 0.1)
    return bool((np.abs(end["visible"] - rest["visible"]).max(axis=1) < 0.3 * radius + 1e-6).all())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("tightness", "curve", "speed", "verdicts", "basins"))
    parser.add_argument("--memories", type=int, default=10, help="states per network (tightness)")
    parser.add_argument("--repeats", type=int, default=5, help="cues per pattern (curve)")
    parser.add_argument("--rounds", type=int, default=15, help="timings per contender (speed)")
    parser.add_argument("--networks", type=int, default=150, help="random networks (verdicts)")
    parser.add_argument("--runs", type=int, default=24, help="delayed runs a radius (basins)")
    parser.add_argument("--figure", type=Path, help="write the figure here (curve)")
    options = parser.parse_args()

    harness.one_thread()
    if options.what == "tightness":
        harness.show(tightness(options.memories))
    elif options.what == "verdicts":
        harness.show(verdicts(options.networks))
    elif options.what == "basins":
        harness.show(basins(options.runs))
    elif options.what == "speed":
        print("one cue, 784 features, 10000 memories")
        harness.show(single_speed(784, 10_000, options.rounds))
        print("\n100 cues, 64 features, 100 memories")
        harness.show(batch_speed(options.rounds))
    else:
        flips = [units / 64 for units in range(0, 33, 2)]
        curves = {
            "100 random patterns of 64 units": curve(random_memory(), flips, options.repeats),
            "100 digits of 64 pixels": curve(digits_memory(), flips, options.repeats),
        }
        for name, fractions in curves.items():
            print(name)
            columns = zip(flips, *fractions.values(), strict=True)
            harness.show(dict(zip(("flipped", *fractions), row, strict=True)) for row in columns)
        if options.figure:
            curve_figure(curves, flips).savefig(options.figure, dpi=100)


if __name__ == "__main__":
    main()
