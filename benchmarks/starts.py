"""Certificates of random networks of many layers, against runs from the default start and attacks.

    python benchmarks/starts.py [--networks 2000] [--seed 0]

Draws chains, cycles and lateral synapses, certifies cues, and runs each certified one from the
default start of `simulate`: as an ODE, event by event, and under hostile asynchronous executions.
"outside" counts starts that do not lie in the certified box, "elsewhere" runs that do not end at
the target: both have to be 0. Of the cues that an ODE recalls and that are refused, it counts those
that a hostile execution from the same start takes elsewhere, and those whose images of the
smallest invariant box do not shrink to the target: some execution never settles there.
"""

from __future__ import annotations

import argparse
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import amsim as am
from amsim.stability import certify

Array = NDArray[np.float64]
States = dict[str, Array]
ELSEWHERE = 0.05  # farther than this from the target, relative to max(1, |target|)
CUES = 6
# Sign with a synapse onto itself can slide along its jump: more steps say no more.
ODE = am.ExponentialIntegrator(max_steps=20_000)
SHAPES = ("chain", "cycle", "lateral", "lateral chain", "long chain")


def random_network(rng: np.random.Generator) -> am.Network:
    """Two to four layers of one to five units, with at least one that starts without a force."""
    shape = SHAPES[rng.integers(len(SHAPES))]
    names = ["visible", "a", "b", "c"][: {"lateral": 2, "long chain": 4}.get(shape, 3)]
    sizes = {name: int(rng.integers(1, 6)) for name in names}
    pairs = list(zip(names[1:], names[:-1], strict=True))
    if shape == "cycle":
        pairs.append(("b", "visible"))
    if shape.startswith("lateral"):
        pairs.append(("a", "a"))
    if shape == "lateral chain" and rng.random() < 0.5:
        pairs.append(("visible", "visible"))
    size = rng.uniform(0.4, 1.6)
    synapses = []
    for a, b in pairs:
        weights = size * rng.normal(size=(sizes[a], sizes[b]))
        synapses.append(am.Dense((weights + weights.T) / 2 if a == b else weights, between=(a, b)))
    # Algebraic layers hear no algebraic layer.
    algebraic = [n for n in ("a", "c") if n in names and (n, n) not in pairs]
    instant = {n for n in algebraic if rng.random() < 0.3}
    layers = {n: _layer(rng, sizes[n], n, instant) for n in names}
    order = names if rng.random() < 0.5 else [names[i] for i in rng.permutation(len(names))]
    return am.Network({n: layers[n] for n in order}, synapses)


def _layer(rng: np.random.Generator, size: int, name: str, instant: set[str]) -> am.Layer:
    beta = float(rng.uniform(0.5, 3))
    kinds: list[am.Lagrangian] = [am.Tanh(beta), am.Tanh(beta), am.Sigmoid(beta), am.ReLU()]
    kinds += [am.Softmax(beta), am.Entmax(float(rng.choice([1.5, 2.0])), beta), am.Sign()]
    lagrangian = kinds[rng.integers(2 if name == "visible" else len(kinds))]
    tau = 0.0 if name in instant else 1.0 if name == "visible" else float(rng.choice([0.1, 1.0, 3]))
    bias = rng.normal(size=size) * rng.choice([0.0, 0.5])
    return am.Layer(size, lagrangian, tau=tau, bias=bias, leak=float(rng.choice([1.0, 1.0, 2.0])))


@dataclass
class Attack:
    """Executions of any delays and clocks from one start, worked out from the weights alone.

    A unit may rest with the registers that suit it best, and each message may be held: what units
    can reach, state by state, grows from round to round to what certificates call the smallest
    invariant box. From its corners, which all units can take at one time, everything is delivered
    and the network goes on without delays.
    """

    net: am.Network
    start: States

    def __post_init__(self) -> None:
        self.links: list[tuple[str, str, Array]] = []
        for synapse in self.net.synapses:
            first, second = synapse.between
            weights = np.asarray(synapse.weights, np.float64)  # type: ignore[attr-defined]
            if first == second:
                self.links.append((first, first, (weights + weights.T) / 2))
            else:
                self.links += [(first, second, weights), (second, first, weights.T)]
        self.low, self.high = dict(self.start), dict(self.start)

    def grow(self, rounds: int = 200) -> bool:
        """Reach what there is to reach; whether that came to an end."""
        for _ in range(rounds):
            low, high = self.image(self.low, self.high)
            low = {n: np.minimum(x, self.low[n]) if self.keeps(n) else x for n, x in low.items()}
            high = {n: np.maximum(x, self.high[n]) if self.keeps(n) else x for n, x in high.items()}
            grown = max(
                max((self.low[n] - low[n]).max(), (high[n] - self.high[n]).max()) for n in low
            )
            self.low, self.high = low, high
            if grown < 1e-12:
                return True
        return False

    def keeps(self, name: str) -> bool:
        """Whether a layer remembers where it was."""
        return not self.net.layers[name].algebraic

    def image(self, low: States, high: States) -> tuple[States, States]:
        """The least and largest rest of every unit, if outputs have any values of a box."""
        out: tuple[States, States] = ({}, {})
        sent = {n: self._outputs(n, low[n], high[n]) for n in low}
        for name, layer in self.net.layers.items():
            ends = [np.zeros(layer.size), np.zeros(layer.size)]
            for target, source, weights in self.links:
                if target == name:
                    a, b = sent[source]
                    ends[0] += np.where(weights > 0, weights * a, weights * b).sum(axis=1)
                    ends[1] += np.where(weights > 0, weights * b, weights * a).sum(axis=1)
            for end, total in zip(out, ends, strict=True):
                end[name] = layer.bias + total / layer.leak
        return out

    def _outputs(self, name: str, low: Array, high: Array) -> tuple[Array, Array]:
        lagrangian = self.net.layers[name].lagrangian
        if isinstance(lagrangian, (am.Softmax, am.Entmax)):
            one = np.eye(len(low), dtype=bool)
            return (
                np.diag(lagrangian.activation(np.where(one, low, high))),
                np.diag(lagrangian.activation(np.where(one, high, low))),
            )
        a, b = lagrangian.activation(low), lagrangian.activation(high)
        return a, b

    def corners(self, rng: np.random.Generator, count: int) -> States:
        """States that all units can take at one time: the two extreme corners, and random ones."""
        found = {}
        for name, low in self.low.items():
            up = rng.random((count, len(low))) < 0.5
            up[0], up[1] = False, True
            found[name] = np.where(up, self.high[name], low)
        return found

    def ends(self, states: States, rounds: int = 600) -> States:
        """Where states go without delays, all units a part of the way at a time."""
        states = dict(states)
        for _ in range(rounds):
            sent = {n: self.net.layers[n].lagrangian.activation(x) for n, x in states.items()}
            moved = 0.0
            for name, layer in self.net.layers.items():
                force = sum(sent[s] @ w.T for t, s, w in self.links if t == name)
                step = layer.bias + force / layer.leak - states[name]
                moved = max(moved, float(np.abs(step).max()))
                states[name] = states[name] + (0.5 if self.keeps(name) else 1.0) * step
            if moved < 1e-9:
                break
        return states

    def shrinks(self, target: States, rounds: int = 3000) -> bool:
        """Whether the images of what was reached shrink to the target."""
        low, high = self.low, self.high
        for _ in range(rounds):
            before = low, high
            low, high = self.image(low, high)
            if _off(low, target) < 1e-3 and _off(high, target) < 1e-3:
                return True
            if _off(low, before[0]) < 1e-9 and _off(high, before[1]) < 1e-9:
                break
        return False


def _off(states: States, target: States) -> float:
    """The largest distance from the target, in its scale."""
    size = max(1.0, *(float(np.abs(x).max()) for x in target.values()))
    return max(float(np.abs(states[n] - target[n]).max()) for n in target) / size


def default_start(net: am.Network, cues: Array) -> States:
    """The states of all layers in the first record of a run."""
    run = am.simulate(net, cues, times=[0.0, 1e-9], until=None)
    return {name: run[name][0] for name in net.layers}


def questions(seed: int) -> Iterator[tuple[am.Network, States, Array]]:
    """Networks with a fixed point that an ODE found, and cues around it."""
    while True:
        rng, seed = np.random.default_rng(seed), seed + 1
        net = random_network(rng)
        units = net.layers["visible"].size
        cue, rest = 2 * rng.normal(size=units), am.Settled(1e-9)
        found = am.simulate(net, cue, t1=400.0, until=rest, solver=ODE)
        if found.status == "settled":
            target = found.final
            spread = 10 ** rng.uniform(-1.5, 0.5, (CUES, 1))
            yield net, target, target["visible"] + spread * rng.normal(size=(CUES, units))


def check(net: am.Network, target: States, cues: Array, seed: int) -> Counter[str]:
    """What became of the cues of one network; see above."""
    rng, count = np.random.default_rng(seed), Counter(networks=1, cues=len(cues))
    start = default_start(net, cues)
    run = am.simulate(net, cues, t1=400.0, until=am.Settled(1e-7), solver=ODE)
    ends = [{n: x[row] for n, x in run.final.items()} for row in range(len(cues))]
    recalled = np.array([_off(end, target) < ELSEWHERE for end in ends])
    count["recalled"] += int(recalled.sum())
    found = certify(net, cues, target, "link")
    for row in np.flatnonzero(found.holds):
        count["certified"] += 1
        outside = any(
            ((start[n][row] < lo[row] - 1e-9) | (start[n][row] > hi[row] + 1e-9)).any()
            for n, (lo, hi) in found.box.items()
        )
        count["start outside"] += outside
        stalled = run.statuses[row] == "stalled"
        count["ODE stalled"] += stalled
        count["ODE elsewhere"] += not stalled and not recalled[row]
        if not any(layer.algebraic for layer in net.layers.values()):
            count["event runs"] += 1
            count["events elsewhere"] += _events_escape(net, cues[row], target, seed)
    for row in np.flatnonzero(found.holds | recalled):
        attack = Attack(net, {n: x[row] for n, x in start.items()})
        done = attack.grow()
        ends_at = attack.ends(attack.corners(rng, 24))
        escaped = _off(ends_at, target) > ELSEWHERE
        if found.holds[row]:
            count["attacks elsewhere"] += escaped
            continue
        count["recalled, refused"] += 1
        count["refused: attack found"] += escaped
        count["refused: never settles"] += not escaped and not (done and attack.shrinks(target))
    broadcast = certify(net, cues, target, "broadcast").holds
    count["broadcast certified"] += int(broadcast.sum())
    elsewhere = ~recalled & (run.statuses != "stalled")
    count["broadcast ODE elsewhere"] += int((broadcast & elsewhere).sum())
    return count


def _events_escape(net: am.Network, cue: Array, target: States, seed: int) -> bool:
    timing = am.Timing(delay=0.05, jitter=0.05)
    for quantum in (1e-3, 1e-4):  # next to a bifurcation a quantum moves the rest by many of it
        solver = am.EventDriven(quantum=quantum, timing=timing)
        until = am.Settled(5 * quantum)
        run = am.simulate(net, cue, t1=400.0, solver=solver, seed=seed, until=until)
        if _off(run.final, target) < ELSEWHERE:
            return False
    return True


def total(networks: int, seed: int) -> Counter[str]:
    """The counts of so many networks."""
    count: Counter[str] = Counter()
    for number, question in zip(range(networks), questions(seed), strict=False):
        count.update(check(*question, seed=number))
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore", am.errors.GuaranteeWarning)
    for name, value in total(options.networks, options.seed).items():
        print(f"{name:24} {value}")


if __name__ == "__main__":
    main()
