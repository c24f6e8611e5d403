"""Hostile executions with bounded staleness, against the tubes that have to hold them.

    python benchmarks/tubes.py [--executions 100000] [--seed 0]
    python benchmarks/tubes.py --gap [--cues 12]
    python benchmarks/tubes.py --shares [--cues 40]
    python benchmarks/tubes.py --loss [--cues 8]

Draws networks of every kind that certificates cover, lets a tube of each go on step by step, and
runs executions of its class in steps of a sixth of the tube's: what a link delivers may have any
age up to the bound, at any moment, clocks drift, what is received is off by an offset and what
drives a unit by noise. A state that leaves its tube refutes a proof: "left" has to be 0.
"""

from __future__ import annotations

if __name__ == "__main__":  # tests and other benchmarks import this module, too
    import harness

    harness.one_thread()

import argparse
import itertools
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

import amsim as am
from amsim.stability.certification_problem import CertificationProblem, Scope
from amsim.stability.tubes import Executions, Tube

Array = NDArray[np.float64]
SHAPES = ("pair", "pair", "directed pair", "chain", "cycle", "lateral", "parallel", "one layer")
WAYS = ("greedy", "random", "corners", "constant", "turning")
SUB = 6  # steps of an execution within one of the tube
GROUPS = (am.Softmax, am.Entmax)


def random_network(rng: np.random.Generator, scope: str) -> am.Network:
    """One to three layers; in the scope "broadcast" members of a group share one tau."""
    shape = SHAPES[rng.integers(len(SHAPES))]
    count = {"one layer": 1, "chain": 3, "cycle": 3}.get(shape, 2)
    names = ["visible", "a", "b"][:count]
    sizes = {name: int(rng.integers(1, 7)) for name in names}
    pairs = list(zip(names[1:], names[:-1], strict=True))
    pairs += {
        "cycle": [("b", "visible")],
        "lateral": [("a", "a")],
        "parallel": [("a", "visible")],
        "one layer": [("visible", "visible")],
    }.get(shape, [])
    scale = rng.uniform(0.3, 1.8)
    synapses: list[am.HyperSynapse] = []
    for number, (one, other) in enumerate(pairs):
        name = f"s{number}"
        if shape == "directed pair" or rng.random() < 0.2:
            there, back = (scale * rng.normal(size=(sizes[one], sizes[other])) for _ in range(2))
            synapses.append(am.Directed(there, source=other, target=one, name=name))
            if one != other:
                synapses.append(am.Directed(back.T, source=one, target=other, name=f"{name} back"))
            continue
        weights = scale * rng.normal(size=(sizes[one], sizes[other]))
        if rng.random() < 0.4:
            weights = np.sign(weights)
        weights = (weights + weights.T) / 2 if one == other else weights
        synapses.append(am.Dense(weights, between=(one, other), name=name))
    # Algebraic layers hear no algebraic layer.
    instant = {"a"} if shape in ("pair", "chain", "parallel") and rng.random() < 0.3 else set[str]()
    return am.Network({n: _layer(rng, sizes[n], n in instant, scope) for n in names}, synapses)


def _layer(rng: np.random.Generator, size: int, instant: bool, scope: str) -> am.Layer:
    beta = float(rng.uniform(0.5, 3))
    kinds: list[am.Lagrangian] = [am.Tanh(beta), am.Sigmoid(beta), am.ReLU(), am.Identity()]
    kinds += [am.Softmax(beta)] * 4 + [am.Entmax(float(rng.choice([1.5, 2.0])), beta)] * 2
    kinds += [am.Sign(), am.RectifiedPower(3), am.SignedPower(2), am.Exponential(beta / 6)]
    lagrangian = kinds[rng.integers(len(kinds))]
    tau: float | Array = float(rng.choice([0.1, 1.0, 2.0]))
    shared = scope == "broadcast" and isinstance(lagrangian, GROUPS)
    if instant:
        tau = 0.0
    elif not shared and rng.random() < 0.3:
        tau = rng.uniform(0.1, 2.0, size)
    bias = rng.normal(size=size) * rng.choice([0.0, 0.5])
    return am.Layer(size, lagrangian, tau=tau, bias=bias, leak=float(rng.choice([1.0, 1.0, 2.0])))


@dataclass
class Adversary:
    """Many executions of one network at a time, all of a class; exact between changes of registers.

    `past` has outputs, newest last, (times, executions, units), of each layer. What is used
    during a step may be as old at its end as the staleness, and no older.
    """

    net: am.Network
    scope: str
    executions: Executions
    step: float
    state: dict[str, Array]
    rng: np.random.Generator
    past: dict[str, Array] = field(init=False)

    def __post_init__(self) -> None:
        self.count = len(next(iter(self.state.values())))
        self.length = int(np.floor(self.executions.staleness / self.step + 1e-9))
        assert self.length >= 1, "the staleness is shorter than a step"
        self.links: list[tuple[str, str, Array]] = []
        for synapse in self.net.synapses:
            one, other = synapse.between
            weights = np.asarray(synapse.weights, np.float64)  # type: ignore[attr-defined]
            if isinstance(synapse, am.Directed):
                self.links.append((one, other, weights))
            elif one == other:
                self.links.append((one, one, (weights + weights.T) / 2))
            else:
                self.links += [(one, other, weights), (other, one, weights.T)]
        self.way = self.rng.integers(len(WAYS), size=self.count)
        self.push = {
            n: self.rng.choice([-1.0, 1.0], (self.count, layer.size))
            for n, layer in self.net.layers.items()
        }
        self.ages = [self.rng.integers(0, self.length, self._shape(*x)) for x in self.links]
        self.dynamic = [n for n, layer in self.net.layers.items() if not layer.algebraic]
        self.past = {n: self._outputs(n)[None].repeat(self.length, 0) for n in self.state}

    def go_on(self) -> None:
        """One step; registers, rates and noise are constant during it."""
        if self.rng.random() < 0.05:
            for name, push in self.push.items():
                turned = self._is("turning")[:, None] & (self.rng.random((self.count, 1)) < 0.5)
                self.push[name] = np.where(turned, -push, push)
        for name in set(self.net.layers) - set(self.dynamic):
            self.state[name] = self._drive(name)
            self.past[name][-1] = self._outputs(name)
        drives = {name: self._drive(name) for name in self.dynamic}
        for name in self.dynamic:
            layer = self.net.layers[name]
            rate = self._rate(name, drives[name]) * layer.leak / layer.tau
            self.state[name] = self.state[name] - np.expm1(-rate * self.step) * (
                drives[name] - self.state[name]
            )
        for name in self.net.layers:
            self.past[name] = np.concatenate([self.past[name][1:], self._outputs(name)[None]])

    def _outputs(self, name: str) -> Array:
        return np.asarray(self.net.layers[name].lagrangian.activation(self.state[name]))

    def _is(self, *ways: str) -> Array:
        return np.isin(self.way, [WAYS.index(way) for way in ways])

    def _shared(self, name: str) -> bool:
        lagrangian = self.net.layers[name].lagrangian
        return self.scope == "broadcast" and isinstance(lagrangian, GROUPS)

    def _shape(self, target: str, source: str, weights: Array) -> tuple[int, int, int]:
        rows = 1 if self._shared(target) else len(weights)
        return self.count, rows, 1 if self._together(target, source) else weights.shape[1]

    def _together(self, target: str, source: str) -> bool:
        softmax = isinstance(self.net.layers[source].lagrangian, am.Softmax)
        return self.executions.together and softmax and not self._shared(target)

    def _drive(self, name: str) -> Array:
        layer = self.net.layers[name]
        force = np.zeros((self.count, layer.size))
        for position, (target, _, weights) in enumerate(self.links):
            if target == name:
                force += (weights * self._received(position)).sum(axis=2)
        noise = self.executions.noise.get(name, 0.0)
        calm = self._is("greedy", "turning")[:, None]
        shaken = np.where(calm, self.push[name], self.rng.uniform(-1, 1, force.shape))
        return np.asarray(layer.bias + force / layer.leak + noise * shaken)

    def _received(self, position: int) -> Array:
        """What the links of a synapse deliver: (executions, targets or 1, sources)."""
        target, source, weights = self.links[position]
        past, shape = self.past[source], self._shape(target, source, weights)
        ages = np.where(
            self._is("constant")[:, None, None],
            self.ages[position],
            self.rng.integers(0, self.length, shape),
        )
        towards = weights * self.push[target][:, :, None]
        if self._together(target, source):
            forces = np.einsum("tes,rs->ter", past, weights)
            best = self.length - 1 - (forces * self.push[target]).argmax(axis=0)
            ages = np.where(self._is("greedy", "turning")[:, None, None], best[:, :, None], ages)
            chosen = self._of_age(past, ages)
        else:
            if self._shared(target):
                towards = towards.sum(axis=1, keepdims=True)
            low, high = past.min(axis=0)[:, None], past.max(axis=0)[:, None]
            chosen = self._of_age(past, ages)
            greedy = self._is("greedy", "turning")[:, None, None]
            chosen = np.where(greedy, np.where(towards > 0, high, low), chosen)
            corners = self._is("corners")[:, None, None]
            random = np.where(self.rng.random(chosen.shape) < 0.5, low, high)
            chosen = np.where(corners, random, chosen)
        offset = self.executions.offset.get(source, 0.0)
        size = (self.count, shape[1], weights.shape[1])
        off = np.where(
            self._is("greedy", "turning")[:, None, None],
            np.sign(towards),
            self.rng.uniform(-1, 1, size),
        )
        return np.asarray(chosen + offset * off)

    def _of_age(self, past: Array, ages: Array) -> Array:
        execution, unit = np.ogrid[: self.count, : past.shape[2]]
        return past[self.length - 1 - ages, execution[:, None], unit[:, None]]

    def _rate(self, name: str, drive: Array) -> Array:
        """Rates of the clocks; a group has one in the scope "broadcast"."""
        drift = self.executions.drift
        shape = (self.count, 1 if self._shared(name) else drive.shape[1])
        ahead = (drive - self.state[name]) * self.push[name]
        if self._shared(name):
            ahead = ahead.sum(axis=1, keepdims=True)
        fast = np.where(self._is("greedy")[:, None], ahead > 0, self.rng.random(shape) < 0.5)
        return np.asarray(1 + drift * np.where(fast, 1.0, -1.0))


def escapes(seed: int, count: int, steps: int = 40) -> tuple[int, float] | None:
    """How many executions leave a random tube, and how near to its faces the greedy ones end.

    None if no step was proven.
    """
    rng = np.random.default_rng(seed)
    scope = str(rng.choice(["link", "broadcast"]))
    net = random_network(rng, scope)
    names = list(net.layers)
    executions = Executions(
        float(rng.choice([0.05, 0.2, 0.7])),
        float(rng.choice([0.0, 0.2])),
        {n: float(rng.choice([0.0, 0.02])) for n in names},
        {n: float(rng.choice([0.0, 0.05])) for n in names},
        bool(rng.random() < 0.4),
    )
    cue = {n: rng.normal(size=net.layers[n].size) * 10 ** rng.uniform(-1.5, 0.3) for n in names}
    rest = {n: np.zeros(net.layers[n].size) for n in names}
    problem = CertificationProblem.of(net, cue, rest, scope, every=True)  # type: ignore[arg-type]
    unit = executions.staleness / 4
    tube = Tube(problem, executions, unit)
    state = {n: np.repeat(x[None], count, 0) for n, x in cue.items()}
    adversary = Adversary(net, scope, executions, unit / SUB, state, rng)
    left = np.zeros(count, bool)
    for step in range(steps):
        if not tube.step().all() or tube.boxes.reach().max() > 1e6:
            return None if step < 3 else (int(left.sum()), _nearness(tube, adversary))
        for _ in range(SUB):
            adversary.go_on()
            left |= _outside(tube, tube.last, adversary)
        left |= _outside(tube, tube.boxes, adversary)
    return int(left.sum()), _nearness(tube, adversary)


def _outside(tube: Tube, boxes: dict[str, tuple[Array, Array]], adversary: Adversary) -> Array:
    out = np.zeros(adversary.count, bool)
    for name, states in _counted(tube, adversary).items():
        lo, hi = boxes[name]
        tolerance = 1e-11 * (1 + np.abs(adversary.state[name]).max())  # rounding of the executions
        out |= ((states < lo - tolerance) | (states > hi + tolerance)).any(axis=1)
    return out


def _counted(tube: Tube, adversary: Adversary) -> dict[str, Array]:
    """States as boxes count them."""
    states = dict(adversary.state)
    for name, winner in tube.map.winners.items():
        states[name] = states[name] - states[name][:, winner]
    return states


def _nearness(tube: Tube, adversary: Adversary) -> float:
    """Median distance of greedy executions from the nearer face, in widths."""
    greedy, found = adversary._is("greedy"), []
    for name, states in _counted(tube, adversary).items():
        lo, hi = tube.boxes[name]
        each = np.minimum(states - lo, hi - states) / np.maximum(hi - lo, 1e-12)
        found.append(each[greedy].ravel())
    return float(np.median(np.concatenate(found)))


SETTINGS = (
    ("digits", 0.75, 0.12),
    ("digits", 2.0, 0.12),
    ("digits", 2.0, 0.25),
    ("random", 0.5, 0.25),
    ("random", 1.0, 0.25),
    ("random", 1.0, 0.31),
)


def damaged_cues(
    kind: str, beta: float, flip: float, cues: int
) -> tuple[am.Network, Array, dict[str, Array], NDArray[np.bool_]]:
    """A network of 100 memories, cues, the rests at their memories, and who is recalled."""
    stored = am.patterns.digits(100, 0) if kind == "digits" else am.patterns.random(100, 64, 0)
    net = am.dense_am(stored, hidden=am.Softmax(beta))
    damaged = np.array(
        [am.patterns.corrupt(stored[i], flip=flip, seed=100 + i) for i in range(cues)], float
    )
    rests = am.simulate(net, stored[:cues], until=am.Settled(1e-11)).final
    ends = am.simulate(net, damaged, until=am.Settled(1e-8)).final["visible"]
    return net, damaged, rests, np.abs(ends - rests["visible"]).max(axis=1) < 1e-2


def shares(cues: int) -> None:
    """Which share of cues is certified, by staleness; none that is not recalled; CPU seconds."""
    for kind, beta, flip in SETTINGS:
        net, damaged, rests, good = damaged_cues(kind, beta, flip, cues)
        print(f"{kind}, beta = {beta:g}, {flip:.0%} flipped: {good.mean():.0%} recalled")
        for scope in ("link", "broadcast"):
            held, spent = [], []
            for staleness in (None, 1.0, 0.3, 0.1, 0.02):
                before = time.process_time()
                found = am.stability.certify(net, damaged, rests, scope, staleness=staleness)  # type: ignore[arg-type]
                spent.append(time.process_time() - before)
                held.append(found.holds)
            assert not any((x & ~good).any() for x in held), "a cue is certified, but not recalled"
            assert not any((x & ~y).any() for x, y in itertools.pairwise(held)), "not nested"
            print(
                f"    {scope}: " + " ".join(f"{x.mean():.0%}" for x in held) + "; CPU "
                + " ".join(f"{x:.2g}" for x in spent) + " s",
                flush=True,
            )  # fmt: skip


def gap(cues: int) -> None:
    """Largest staleness proven and smallest attacked, of cues that a run recalls."""
    for kind, beta, flip in SETTINGS:
        net, damaged, rests, good = damaged_cues(kind, beta, flip, cues)
        rests = {n: x[good] for n, x in rests.items()}
        found = am.stability.largest_staleness(net, damaged[good], rests)
        some = found.proven > 0
        ratio = (found.attacked / found.proven)[some]
        print(
            f"{kind}, beta = {beta:g}, {flip:.0%} flipped: {good.sum()} recalled, "
            f"{(~some).sum()} never proven; quartiles proven {_quartiles(found.proven)}, attacked "
            f"{_quartiles(found.attacked)}, ratio {_quartiles(ratio)}",
            flush=True,
        )


LOSSES: tuple[tuple[str, float, float, Scope, float], ...] = (
    ("digits", 0.75, 0.12, "broadcast", 0.3),
    ("digits", 2.0, 0.12, "link", 0.1),
    ("random", 1.0, 0.25, "link", 0.05),
    ("random", 1.0, 0.25, "link", 0.3),
)


def loss(cues: int, runs: int = 40) -> None:
    """Bounds on failures by loss, and failures of event-driven runs, for heartbeats of 0.05 tau."""
    heartbeat = delay = 0.05
    for kind, beta, flip, scope, drop in LOSSES:
        net, damaged, rests, _ = damaged_cues(kind, beta, flip, cues)
        found = am.stability.loss_bound(net, damaged, rests, drop, heartbeat, delay, scope)
        row = int(np.abs(found.failure - np.median(found.failure)).argmin())
        timing = am.Timing(
            delay=delay / 2, jitter=delay / 2, drop=drop, heartbeat=heartbeat, scope=scope
        )
        failed = 0
        for seed in range(runs):
            solver = am.EventDriven({"visible": 0.05, "hidden": 0.01}, timing)
            run = am.simulate(net, damaged[row], solver=solver, times=[5.0], until=None, seed=seed)
            failed += np.abs(run.final["visible"] - rests["visible"][row]).max() > 0.1
        print(
            f"{kind}, beta = {beta:g}, {flip:.0%} flipped, {scope}, p = {drop:g}: "
            f"{(found.failure < 1).sum()} of {cues} cues, quartiles {_quartiles(found.failure)}; "
            f"{failed} of {runs} runs of a median cue fail (95 %: below {_most(failed, runs):.2g})",
            flush=True,
        )


def _most(failed: int, runs: int) -> float:
    """The largest chance of failure that so few failures leave, at a confidence of 95 %."""
    from scipy.stats import beta

    return float(beta.ppf(0.95, failed + 1, runs - failed))


def _quartiles(values: Array) -> str:
    return " ".join(f"{x:.2g}" for x in np.quantile(values, [0.25, 0.5, 0.75], method="nearest"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--executions", type=int, default=100_000)
    parser.add_argument("--each", type=int, default=100, help="executions of a network")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--gap", action="store_true", help="proven against attacked staleness")
    parser.add_argument("--shares", action="store_true", help="shares certified, by staleness")
    parser.add_argument("--loss", action="store_true", help="failures by loss, bounds and runs")
    parser.add_argument("--cues", type=int, default=12)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.shares:
        shares(options.cues)
        return
    if options.loss:
        loss(options.cues)
        return
    if options.gap:
        gap(options.cues)
        return
    total: Counter[str] = Counter()
    near, seed = [], options.seed
    while total["executions"] < options.executions:
        found = escapes(seed, options.each)
        seed += 1
        if found is None:
            total["not proven"] += 1
            continue
        if found[0]:
            print(f"seed {seed - 1}: {found[0]} executions left")
        total.update(networks=1, executions=options.each, left=found[0])
        near.append(found[1])
    print(f"{total['networks']} networks, {total['executions']} executions, {total['left']} left")
    print(f"{total['not proven']} further networks without a proven step")
    print(f"greedy executions end within {np.median(near):.2f} widths of a face (median)")


if __name__ == "__main__":
    main()
