"""Sequences, noise and the Energy Transformer beside what is published of them.

    python benchmarks/published.py
    python benchmarks/published.py --only sequences

Sequences: the formulas of Chaudhry et al. 2023, arXiv:2306.04532, from the variance of the
crosstalk. Noise: Ornstein-Uhlenbeck, Gibbs and Kramers, closed forms or integrals. Transformer: the
equations of Hoover et al. 2023, arXiv:2302.07253, written out in NumPy here, without amsim; trained
weights of that paper are not part of this project, and no number of the paper depends on random
ones.
"""

from __future__ import annotations

import argparse
from typing import Any

import harness


def _beside(what: str, measured: float, error: float, theory: float) -> dict[str, object]:
    """A row: a measured mean with its standard error, and the theory."""
    return {"what": what, "measured": measured, "+-": error, "theory": theory,
            "/": measured / theory}  # fmt: skip


def sequences(draws: int = 40, units: int = 60) -> list[dict[str, object]]:
    """DenseNet with powers and exp, and MixedNet: crosstalk, wrong units, longest sequences."""
    import numpy as np

    import amsim as am
    from amsim import binary
    from amsim.theory import capacity

    def over_draws(count: int, size: int, **options: Any) -> tuple[Any, Any]:
        """Noise squared and share of wrong units of all transitions, for each draw."""
        found = []
        for seed in range(draws):
            stored = am.patterns.random(count, size, seed=seed)
            wanted = np.roll(stored, -1, axis=0)
            memory = binary.SequenceMemory(stored, **options)
            signal = options.get("strength", 1.0) * wanted
            if options.get("stabiliser") is not None:
                signal = signal + stored
            fields = memory.fields(stored)
            found.append((np.square(fields - signal).mean(), (fields * wanted <= 0).mean()))
        return np.mean(found, axis=0), np.std(found, axis=0) / np.sqrt(draws)

    rows = []
    for name, size, separation, kind in (
        ("x", units, binary.Power(2), {"n": 2}),
        ("x^2", units, binary.Power(3), {"n": 3}),
        ("x^3", 30, binary.Power(4), {"n": 4}),
        ("exp(x)", 12, binary.Exponential(1.0), {"beta": 1.0}),
    ):
        single = capacity.transition_capacity(size, **kind)
        count = max(3, round(3 * single))
        mean, error = over_draws(count, size, separation=separation)
        variance = capacity.crosstalk_variance(size, count, **kind)
        text = f"DenseNet {name}, {size} units, {count} patterns (3 x capacity of a transition)"
        rows.append(_beside(f"{text}: variance", mean[0], error[0], variance))
        rows.append(_beside(f"{text}: wrong units", mean[1], error[1], _tail(1 / variance**0.5)))
        whole = capacity.sequence_capacity(size, **kind)
        if "beta" in kind:  # similar patterns end a sequence before that
            whole = capacity.distinct_capacity(size)
        longest = [_longest(size, separation, seed, whole) for seed in range(max(3, draws // 6))]
        rows.append(
            _beside(f"DenseNet {name}, {size} units: longest sequence without an error",
                    float(np.mean(longest)), float(np.std(longest)) / len(longest) ** 0.5, whole)
        )  # fmt: skip
    strength = 2.5
    for name, size, count, n in (("x", 200, 10, 2), ("x^2", units, 60, 3)):
        separation = binary.Power(n)
        mean, error = over_draws(count, size, separation=separation, stabiliser=separation,
                                 strength=strength)  # fmt: skip
        variance = (1 + strength**2) * capacity.crosstalk_variance(size, count, n)
        if n == 3:  # even ones have a mean, 1 / N: what holds and what drives a pattern add up
            variance += 2 * strength * (count - 2) / (size - 1) ** 2
        wrong = sum(_tail((strength + sign) / variance**0.5) for sign in (-1, 1)) / 2
        text = f"MixedNet {name} and {name}, lambda {strength:g}, {size} units, {count} patterns"
        rows.append(_beside(f"{text}: variance", mean[0], error[0], variance))
        rows.append(_beside(f"{text}: wrong units", mean[1], error[1], wrong))
    return rows


def _tail(x: float) -> float:
    from statistics import NormalDist

    return NormalDist().cdf(-x)


def _longest(size: int, separation: Any, seed: int, capacity: float) -> int:
    """How many patterns a memory replays without an error, found by bisection."""
    import numpy as np

    import amsim as am
    from amsim import binary

    def replays(count: int) -> bool:
        stored = am.patterns.random(count, size, seed=seed)
        memory = binary.SequenceMemory(stored, separation)
        following = memory.replay(stored, 1)[1]
        return bool((following == np.roll(stored, -1, axis=0)).all())

    low, high = 2, max(4, round(8 * capacity))
    while high - low > max(1, low // 50):
        middle = (low + high) // 2
        low, high = (middle, high) if replays(middle) else (low, middle)
    return low


def noise(cues: int = 4000) -> list[dict[str, object]]:
    """A leak, and a double well."""
    import numpy as np
    from scipy.integrate import quad
    from scipy.optimize import brentq

    import amsim as am

    leak = am.Network({"x": am.Layer(1, am.Identity())}, [])
    temperature = 0.5
    traj = am.simulate(leak, np.zeros((cues, 1)), noise=temperature, times=[8.0, 9.0])
    first, then = traj["x"][..., 0]
    error = temperature * (2 / cues) ** 0.5
    rows = [
        _beside("Ornstein-Uhlenbeck: variance", float(first.var()), error, temperature),
        _beside("Ornstein-Uhlenbeck: covariance after tau", float((first * then).mean()),
                error, temperature * np.exp(-1.0)),
    ]  # fmt: skip

    beta, heat = 3.0, 0.07
    well = am.dense_am([[1.0], [-1.0]], hidden=am.Softmax(beta), tau_hidden=0.0)

    def energy(x: float) -> float:
        return float(well.energy({"visible": np.array([x])}))

    def weight(x: float) -> float:
        return float(np.exp(-energy(x) / heat))

    bottom = brentq(lambda x: x - np.tanh(beta * x), 0.5, 1.5)
    # Both wells are filled alike: which is the one part of the density that takes long.
    start = bottom * np.where(np.arange(cues) % 2, 1.0, -1.0)[:, None]
    x = am.simulate(well, start, noise=heat, times=[10.0]).final["visible"][:, 0]
    total = quad(weight, -3, 3)[0]
    for power in (2, 4):
        moment = quad(lambda y, p=power: y**p * weight(y), -3, 3)[0] / total
        spread = float(np.std(x**power)) / cues**0.5
        rows.append(_beside(f"Gibbs, double well: mean of x^{power}",
                            float((x**power).mean()), spread, moment))  # fmt: skip

    height = energy(0.0) - energy(bottom)
    curved = (1 - beta / np.cosh(beta * bottom) ** 2) * (beta - 1)
    kramers = float(np.sqrt(curved) / (2 * np.pi) * np.exp(-height / heat))
    times = [3.0, 60.0]
    traj = am.simulate(well, np.full((cues, 1), bottom), noise=heat, times=times)
    mean = np.sign(traj["visible"][..., 0]).mean(axis=1)
    passed = 2 * (times[1] - times[0])
    rate = float(-np.log(mean[1] / mean[0]) / passed)
    error = float(np.sqrt((1 - mean[1] ** 2) / cues) / mean[1] / passed)
    # The mean time from one bottom to the other, of which Kramers' rate is the limit of high walls.
    grid = np.linspace(-3.0, 3.0, 6001)
    weights = np.array([weight(y) for y in grid])
    between = (grid > -bottom) & (grid < bottom)
    passage = (np.cumsum(weights) / weights)[between].sum() * (grid[1] - grid[0]) ** 2 / heat
    text = f"double well, wall {height / heat:.1f} T: escapes per tau"
    rows.append(_beside(f"{text}, by the mean passage time", rate, error, 1 / float(passage)))
    rows.append(_beside(f"{text}, by Kramers", rate, error, kramers))
    return rows


def transformer(tokens: int = 17, units: int = 48, images: int = 2) -> list[dict[str, object]]:
    """Twelve steps of 0.1, by amsim and by the equations of the paper."""
    import numpy as np

    import amsim as am

    heads, keys, memories, step = 4, 12, 96, 0.1
    rng = np.random.default_rng(0)
    wk, wq = 0.2 * rng.normal(size=(2, heads, keys, units))
    xi, x = 0.2 * rng.normal(size=(memories, units)), rng.normal(size=(images, tokens, units))
    net = am.models.energy_transformer(wk, wq, xi, n_tokens=tokens)
    traj = am.simulate(net, x, solver=am.GradientDescent(step, 12), until=None)
    beta, rows = keys**-0.5, []
    for number in range(13):
        g = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        key, query = (np.einsum("hyd,ntd->nhty", w, g) for w in (wk, wq))
        seen = np.exp(beta * np.einsum("nhcy,nhby->nhcb", query, key))
        seen *= 1 - np.eye(tokens)
        share = seen / seen.sum(-1, keepdims=True)
        hidden = np.maximum(np.einsum("md,ntd->ntm", xi, g), 0)
        energy = -np.log(seen.sum(-1)).sum((1, 2)) / beta - (hidden**2).sum((1, 2)) / 2
        if number in (0, 1, 12):
            off = float(np.abs(traj["tokens"][number] - x).max())
            rows.append({"after steps": number, "tokens differ by": off,
                         "energies differ by": float(np.abs(traj.energy[number] - energy).max()),
                         "energy": float(energy[0])})  # fmt: skip
        x = x + step * (
            np.einsum("hyd,nhcb,nhby->ncd", wq, share, key, optimize=True)
            + np.einsum("hyd,nhcb,nhcy->nbd", wk, share, query, optimize=True)
            + hidden @ xi
        )
    return rows


PARTS = {"sequences": sequences, "noise": noise, "transformer": transformer}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    harness.one_thread()
    for name in options.only:
        print(f"\n{name}")
        harness.show(PARTS[name]())


if __name__ == "__main__":
    main()
