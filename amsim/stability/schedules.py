"""Schedules of delays that spoil a recall: `Certificate.attack`.

Each link has one delay for the whole run: none if what its source does helps the adversary, the
longest allowed if it does not. `simulate` can execute that event by event.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..display import short
from ..synapses import Array
from .certification_problem import CertificationProblem, Scope
from .hostile import ELSEWHERE, Plan, States, is_group, plans, rest_near, states_of, weights_of
from .tube_search import slowest_tau

_TAUS, _DELAYS = 20.0, 10.0  # how long a run takes at most: slowest taus, and delays
_STILL = 1e-6  # how far a unit that rests may be from where it is driven
_SAME = 0.02  # of its range: how little a distance that recurs differs from before
_ANY = (1.0, 3.0, 10.0)  # delays to try where any is allowed, in slowest taus
Pair = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Attack:
    """What `Certificate.attack` found.

    Attributes
    ----------
    found : bool
        Whether there is a schedule with which the recall ends elsewhere.
    delay : dict of (source, target) to ndarray (sources, targets)
        Travel times, for ``am.Timing(delay=attack.delay, scope="link")``; empty if none was found.
    rests : bool
        Whether the recall comes to rest; otherwise it oscillates, or goes on as slowly.
    off : float
        How far from the target a unit of the visible layer ends, or, without rest, at least stays.
    end : dict of layer name to ndarray (units,)
        Where the recall ends, by steps of a delay differential equation; of one that does not rest,
        its last state.
    message : str
        What was found or tried.
    """

    found: bool
    delay: Mapping[Pair, Array] = field(repr=False)
    end: Mapping[str, Array] = field(repr=False)
    message: str
    rests: bool = False
    off: float = np.nan

    @short
    def __repr__(self) -> str:
        return f"Attack(found={self.found}; {self.message})"


def attack(
    problem: CertificationProblem, scope: Scope, together: bool, staleness: float | None
) -> Attack:
    """A schedule against the recall of one cue; the problem has a box for every layer."""
    if any(layer.algebraic for layer in problem.map.net.layers.values()):
        return Attack(False, {}, {}, "simulate has no delays for layers with tau = 0: none tried")
    slowest = slowest_tau(problem)
    start, goal = (
        {n: x[0] for n, x in states_of(problem, boxes).items()}
        for boxes in (problem.start, problem.target)
    )
    longest = [staleness] if staleness is not None else [slowest * x for x in _ANY]
    tried = list(plans(problem, start, goal))
    size = max(1.0, float(np.abs(goal[problem.visible]).max()))
    for delay in (x for x in longest if x > 0):
        for plan in tried:
            late = _late(problem, plan, start, goal, scope, together)
            end, off, rests = _run(problem, late, start, goal, delay, slowest)
            if off > ELSEWHERE * size:
                delays = {pair: delay * x for pair, x in late.items()}
                how = "ends" if rests else "does not rest, and stays at least"
                text = (
                    f"with delays of 0 and {delay:.4g} the recall {how} {off:.3g} from the target"
                )
                return Attack(True, delays, end, text, rests, off)
    most = max(longest)
    return Attack(
        False, {}, {}, f"{len(tried)} schedules with delays of 0 and up to {most:.4g} were tried"
    )


def _late(
    problem: CertificationProblem,
    plan: Plan,
    start: States,
    goal: States,
    scope: Scope,
    together: bool,
) -> dict[Pair, Array]:
    """Which links are late, (sources, targets) of 0 and 1: those whose sources help the recall."""
    boxmap, late = problem.map, dict[Pair, Array]()
    for target, links in boxmap.links.items():
        for source in {link.source for link in links}:
            weights = sum((weights_of(x) for x in links if x.source == source), np.zeros((1, 1)))
            lagrangian = boxmap.net.layers[source].lagrangian
            moved = lagrangian.activation(goal[source]) - lagrangian.activation(start[source])
            gain = plan.push[target][:, None] * weights * moved
            if scope == "broadcast" and is_group(boxmap, target):
                gain = np.broadcast_to(gain.sum(axis=0), gain.shape)
            elif together and is_group(boxmap, source):
                gain = np.broadcast_to(gain.sum(axis=1)[:, None], gain.shape)
            late[source, target] = (gain.T < 0).astype(float)
    return late


def _run(
    problem: CertificationProblem,
    late: Mapping[Pair, Array],
    start: States,
    goal: States,
    delay: float,
    slowest: float,
) -> tuple[States, float, bool]:
    """The last states of a run with these delays, how far from the goal it stays, whether it rests.

    How far: the smallest distance of the visible layer in the last quarter of the run, or at rest.
    0 if the run neither rests nor recurs: it may be on its way, slowly.
    """
    layers, count = problem.map.net.layers, int(np.ceil(max(10.0, 50 * delay / slowest)))
    step = delay / count
    forces = []
    for target, links in problem.map.links.items():
        for link in links:
            weights, old = weights_of(link), late[link.source, target].T
            forces.append((target, link.source, weights * (1 - old), weights * old))
    paces = {n: -np.expm1(-layer.leak * step / layer.tau) for n, layer in layers.items()}
    state = dict(start)
    sent = {n: layers[n].lagrangian.activation(x) for n, x in state.items()}
    past, still = deque([sent] * (count + 1), maxlen=count + 1), 0
    distances = list[float]()
    for _ in range(int((_TAUS * slowest + _DELAYS * delay) / step)):
        drive = {n: np.zeros(layer.size) for n, layer in layers.items()}
        for target, source, soon, old in forces:
            drive[target] += soon @ past[-1][source] + old @ past[0][source]
        gaps = {n: layer.bias + drive[n] / layer.leak - state[n] for n, layer in layers.items()}
        state = {n: x + paces[n] * gaps[n] for n, x in state.items()}
        past.append({n: layers[n].lagrangian.activation(x) for n, x in state.items()})
        still = still + 1 if max(np.abs(x).max() for x in gaps.values()) < _STILL else 0
        distances.append(float(np.abs(state[problem.visible] - goal[problem.visible]).max()))
        if still > 2 * count:  # all that is under way has been sent at rest
            return _at_rest(problem, state, goal)
    return state, _recurring(np.array(distances)), False


def _at_rest(
    problem: CertificationProblem, state: States, goal: States
) -> tuple[States, float, bool]:
    """The same for a run that hardly moves: it may still be on its way, slowly."""
    net, visible = problem.map.net, problem.visible
    rest = rest_near(net, {n: state[n] for n in net.dynamic})
    off = float(np.abs(rest[visible] - goal[visible]).max())
    return (rest, off, True) if np.isfinite(off) else (state, 0.0, False)


def _recurring(distances: Array) -> float:
    """The smallest distance in the last quarter, if the quarter before it has the same range."""
    before, last = (x[[x.argmin(), x.argmax()]] for x in np.array_split(distances, 4)[2:])
    recurs = np.abs(last - before).max() < _SAME * np.ptp(last)
    return float(last[0]) if recurs else 0.0
