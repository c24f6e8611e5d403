"""Hostile executions with bounded staleness: at every moment each link delivers what hurts most.

What they reach, executions can reach; that they do not end elsewhere proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ..lagrangians import SimplexLagrangian, Softmax
from ..network import Network
from ..synapses import Array
from .boxes import Box, Boxes
from .certification_problem import CertificationProblem, Scope
from .fixed_points import find
from .intervals import BoxMap
from .links import Link
from .outward import middle
from .windows import Window

ELSEWHERE = 0.05  # farther than this from the target, relative to max(1, |target|)
_RIVALS = 3
_HOSTILE, _FAIR = 10.0, 10.0  # slowest taus of an attack, and of the recall until the next look
_LOOKS = 10
_REST = 1e-6  # what a unit at rest may still be driven to move, relative as above

States = dict[str, Array]


@dataclass(frozen=True)
class Plan:
    """Where an adversary drives each unit: 1 up, -1 down, 0 where it would go by itself."""

    push: States  # (units,)


def plans(problem: CertificationProblem, start: States, goal: States) -> Iterator[Plan]:
    """Plans against the recall of one cue; `start` and `goal` are (units,) by layer."""
    boxmap, visible = problem.map, problem.visible
    away = np.sign(np.where(np.abs(start[visible] - goal[visible]) > 1e-6, start[visible], 0.0))
    away -= np.sign(goal[visible]) * (away == 0)
    aims = [away]
    for name, links in boxmap.links.items():
        if not is_group(boxmap, name):
            continue
        winner, order = int(goal[name].argmax()), np.argsort(-start[name])
        for link in (x for x in links if x.source == visible):
            rivals = [mu for mu in order if mu != winner][:_RIVALS]
            weights = weights_of(link)
            aims += [np.sign(weights[rival] - weights[winner]) for rival in rivals]
    for aim in aims:
        for alone in (False, True):
            yield Plan(_spread_out(boxmap, visible, aim, goal, alone))


def _spread_out(boxmap: BoxMap, visible: str, aim: Array, goal: States, alone: bool) -> States:
    """Where all layers have to go for the visible one to go somewhere."""
    push = {visible: aim}
    for _ in boxmap.links:
        for name, links in boxmap.links.items():
            heard = [link for link in links if link.source in push]
            if name in push or not heard:
                continue
            score = sum((weights_of(link) @ push[link.source] for link in heard), np.zeros(1))
            if not is_group(boxmap, name):
                push[name] = np.sign(score)
                continue
            winner = int(goal[name].argmax())
            push[name] = np.zeros(len(score)) if alone else np.ones(len(score))
            push[name][score == np.delete(score, winner).max(initial=-np.inf)] = 1.0
            push[name][winner] = -1.0
    return {n: push.get(n, np.zeros(boxmap.net.layers[n].size)) for n in boxmap.net.layers}


def is_group(boxmap: BoxMap, name: str) -> bool:
    """Whether the outputs of a layer are shares."""
    return isinstance(boxmap.net.layers[name].lagrangian, SimplexLagrangian)


def weights_of(link: Link) -> Array:
    """The weights of a link, (targets, sources)."""
    return np.asarray(link.weights.T if link.back else link.weights, np.float64)


@dataclass(frozen=True)
class Turning:
    """Executions that at every moment aim at what is nearest to winning against the target.

    For one layer of shares that hears features: these are driven along the gradient of the
    winner's lead over the mean of the others, and shares that lead there are raised.
    """

    rows: Array  # executions
    visible: str
    group: str
    weights: Array  # (members, features)
    beta: float
    winner: Array  # (rows,)

    def aim(self, state: States, push: States) -> None:
        """Write where units are driven from now on."""
        here, exponents = np.arange(len(self.rows)), self.beta * state[self.group][self.rows]
        shares = _softmax(exponents)
        exponents[here, self.winner] = -np.inf
        aim = np.sign(_softmax(exponents) @ self.weights - self.weights[self.winner])
        leads = aim @ self.weights.T
        push[self.visible][self.rows] = aim
        push[self.group][self.rows] = np.sign(leads - (shares * leads).sum(axis=1)[:, None])


def _softmax(exponents: Array) -> Array:
    each = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    return np.asarray(each / each.sum(axis=1, keepdims=True))


@dataclass
class Hostile:
    """Executions from the same or different starts at a time, each by its own plan.

    Parameters
    ----------
    boxmap : BoxMap
        Without winners.
    scope : {"link", "broadcast"}
    together : bool
    staleness, step : float
        What is used in a step may be as old, at its end, as the staleness.
    state : dict of (executions, units)
    push : dict of (executions, units)
    turning : Turning, optional
        Executions that do not keep to their plan.
    """

    boxmap: BoxMap
    scope: Scope
    together: bool
    staleness: float
    step: float
    state: States
    push: States
    turning: Turning | None = None
    _now: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        layers = self.boxmap.net.layers
        length = max(1, int(np.floor(self.staleness / self.step + 1e-9)))
        self._sent, self._instant, self._forces = (Window(length) for _ in range(3))
        self._algebraic = [n for n, layer in layers.items() if layer.algebraic]
        self._dynamic = [n for n, layer in layers.items() if not layer.algebraic]
        self._send()

    def go_on(self, time: float, fair: bool = False) -> None:
        """Some time of hostile delays, or of none."""
        for _ in range(int(np.ceil(time / self.step))):
            if self.turning is not None and not fair:
                self.turning.aim(self.state, self.push)
            for name in self._algebraic:
                self.state[name] = self._drive(name, fair)
            self._instant.add(self._now, Boxes.points(self._outputs(self._algebraic)))
            drives = {name: self._drive(name, fair) for name in self._dynamic}
            for name, drive in drives.items():
                layer = self.boxmap.net.layers[name]
                far = -np.expm1(-layer.leak * self.step / layer.tau)
                self.state[name] = self.state[name] + far * (drive - self.state[name])
            self._now += 1
            self._send()

    def elsewhere(self, target: Array, visible: str, time: float) -> Array:
        """Which executions come to rest away from their target, with no more delays."""
        size = np.maximum(1.0, np.abs(target).max(axis=1))
        for _ in range(_LOOKS):
            self.go_on(time, fair=True)
            away = np.abs(self.state[visible] - target).max(axis=1) / size > ELSEWHERE
            rests = self._rests()
            if (rests | ~away).all():
                break
        claimed = np.flatnonzero(away & rests)
        away[:] = False
        away[claimed] = self._rest_far_off(claimed, target, visible, size)
        return np.asarray(away)

    def _rest_far_off(self, rows: Array, target: Array, visible: str, size: Array) -> list[bool]:
        """Whether the fixed points near some executions are away, too; many share one."""
        known = dict[bytes, States]()
        far = []
        for row in rows:
            state = {n: self.state[n][row] for n in self._dynamic}
            key = b"".join(np.round(x, 4).tobytes() for x in state.values())
            if key not in known:
                known[key] = rest_near(self.boxmap.net, state)
            gap = np.abs(known[key][visible] - target[row]).max() / size[row]
            far.append(bool(gap > ELSEWHERE))
        return far

    def _rests(self) -> Array:
        for name in self._algebraic:
            self.state[name] = self._drive(name, True)
        moves = [
            np.abs(self._drive(n, True) - self.state[n]).max(axis=1)
            / np.maximum(1.0, np.abs(self.state[n]).max(axis=1))
            for n in self._dynamic
        ]
        return np.asarray(np.max(moves, axis=0) < _REST)

    def _outputs(self, names: list[str]) -> States:
        layers = self.boxmap.net.layers
        return {n: np.asarray(layers[n].lagrangian.activation(self.state[n])) for n in names}

    def _send(self) -> None:
        self._sent.add(self._now, Boxes.points(self._outputs(self._dynamic)))
        forces = {
            f"{target}/{position}": link.product(self._outputs([link.source])[link.source])
            for target, links in self.boxmap.links.items()
            for position, link in enumerate(links)
            if self._is_together(target, link.source)
        }
        self._forces.add(self._now, Boxes.points(forces))

    def _is_together(self, target: str, source: str) -> bool:
        softmax = isinstance(self.boxmap.net.layers[source].lagrangian, Softmax)
        return self.together and softmax and not self._is_shared(target)

    def _is_shared(self, target: str) -> bool:
        return self.scope == "broadcast" and is_group(self.boxmap, target)

    def _drive(self, name: str, fair: bool) -> Array:
        """Where units are driven, with what the adversary lets them receive."""
        layer, push = self.boxmap.net.layers[name], self.push[name]
        force = np.zeros((len(push), layer.size))
        for position, link in enumerate(self.boxmap.links[name]):
            now = self._outputs([link.source])[link.source]
            if fair:
                force += link.product(now)
                continue
            if self._is_shared(name):  # one and the same for all members
                towards = push @ weights_of(link)
                force += link.product(_pick(towards, self._past(link.source), now))
                continue
            if self._is_together(name, link.source):
                forces = self._forces.hull(self._now)
                assert forces is not None
                low, high = forces[f"{name}/{position}"]
            else:
                centre, radius = middle(*self._past(link.source))
                reach = link.spread(radius)
                low, high = link.product(centre) - reach, link.product(centre) + reach
            force += _pick(push, (low, high), link.product(now))
        return np.asarray(layer.bias + force / layer.leak)

    def _past(self, source: str) -> Box:
        window = self._instant if source in self._algebraic else self._sent
        past = window.hull(self._now)
        assert past is not None
        return past[source]


def rest_near(net: Network, state: States) -> States:
    """States of the fixed point near one, (units,) by layer; NaN where there is none.

    What moves a little, and for long, may still be on its way far off.
    """
    layers = net.layers
    found = find(net, {n: x.reshape(layers[n].shape) for n, x in state.items()})
    return {n: x.ravel() if found.converged else np.full(x.size, np.nan)
            for n, x in found.states.items()}  # fmt: skip


def _pick(push: Array, ends: Box, now: Array) -> Array:
    return np.where(push > 0, ends[1], np.where(push < 0, ends[0], now))


def strays(problem: CertificationProblem, slowest: float) -> Array:
    """Which cues end elsewhere without delays."""
    boxmap = problem.map.at({}).disturbed({}, {})
    starts, goals = states_of(problem, problem.start), states_of(problem, problem.target)
    none = {n: np.zeros_like(x) for n, x in starts.items()}
    run = Hostile(boxmap, "link", False, 0.0, slowest / 50, dict(starts), none)
    return run.elsewhere(goals[problem.visible], problem.visible, 2 * _FAIR * slowest)


def attacked(
    problem: CertificationProblem, scope: Scope, staleness: float, together: bool, slowest: float
) -> Array:
    """Which cues some hostile execution takes elsewhere, of those that a fair one does not.

    The problem has a box of its own for every layer.
    """
    boxmap = problem.map.at({}).disturbed({}, {})
    starts, goals = states_of(problem, problem.start), states_of(problem, problem.target)
    cues, rows = [], list[Plan]()
    for cue in range(problem.count):
        start, goal = ({n: x[cue] for n, x in each.items()} for each in (starts, goals))
        for plan in plans(problem, start, goal):
            cues.append(cue)
            rows.append(plan)
    turned = _leader(problem)
    if turned is not None:
        cues += range(problem.count)
        rows += [Plan({n: np.zeros(x.shape[1]) for n, x in starts.items()})] * problem.count
    names, which = list(boxmap.net.layers), np.array(cues)
    turning = None
    if turned is not None:
        name, link, beta = turned
        last = np.arange(len(which) - problem.count, len(which))
        turning = Turning(
            last, problem.visible, name, weights_of(link), beta, goals[name].argmax(axis=1)
        )
    execution = Hostile(
        boxmap,
        scope,
        together,
        staleness,
        min(staleness / 4, slowest / 50),
        {n: starts[n][which].copy() for n in names},
        {n: np.stack([plan.push[n] for plan in rows]) for n in names},
        turning,
    )
    execution.go_on(_HOSTILE * slowest)
    goal = goals[problem.visible][which]
    away = execution.elsewhere(goal, problem.visible, _FAIR * slowest)
    return np.asarray(np.bincount(which[away], minlength=problem.count) > 0)


def _leader(problem: CertificationProblem) -> tuple[str, Link, float] | None:
    """The one softmax layer that hears the features, by one link, if others hear them not."""
    heard = [
        (name, link)
        for name, links in problem.map.links.items()
        for link in links
        if link.source == problem.visible
    ]
    if len(heard) != 1 or heard[0][0] == problem.visible:
        return None
    ((name, link),) = heard
    lagrangian = problem.map.net.layers[name].lagrangian
    if not isinstance(lagrangian, Softmax) or lagrangian.beta == 0 or link.targets < 2:
        return None
    return name, link, lagrangian.beta


def states_of(problem: CertificationProblem, boxes: Boxes) -> States:
    """The middles of boxes; of a layer that counts from its winner, up to a common constant."""
    return {name: (lo + hi) / 2 for name, (lo, hi) in boxes.items()}
