"""What a delivery costs at least: memory traffic, and going through links that differ in delay."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from event_peers import Floats, Problem, Run
from numba import njit

import amsim as am

BYTES = 64  # of a delivery: 5 numbers read, 3 written, all float64


def copy_floor(problem: Problem) -> Run:
    """How many deliveries fit through memory if nothing is computed."""
    source = problem.weights.copy()
    target = np.empty_like(source)

    def run() -> tuple[int, float]:
        begun, rounds = time.process_time(), 60
        for _ in range(rounds):
            np.copyto(target, source)
        seconds = time.process_time() - begun
        return int(rounds * 2 * source.nbytes / BYTES), seconds

    return run


@njit
def _add_arrivals(senders, links, heard, flights, until, targets):  # type: ignore[no-untyped-def]
    """Add up what arrives before `until` by the links of some senders, in no order."""
    count = 0
    for r in range(len(targets)):
        total = 0.0
        for k in range(len(senders)):
            j = senders[k]
            factor, weight, at = links[r, j, 0], links[r, j, 1], heard[r, j]
            while flights[at, 0] * factor < until:
                total += flights[at, 1] * weight
                at += 1
                count += 1
            heard[r, j] = at
        targets[r] += total
    return count


def link_floor(problem: Problem, *, added: bool) -> Run:
    """Windows of the smallest delay that read each link of a sender with messages on their way.

    Without `added` that is all, and links are counted; with it arrivals are added to their targets.
    No unit crosses a level: the messages are those of a run of amsim, which is not timed.
    """
    sent = messages(problem)
    ways = [
        _way(problem, sent, layer, a, weights)
        for a, (layer, weights) in enumerate(
            (("visible", problem.weights), ("hidden", problem.weights.T))
        )
    ]

    def run() -> tuple[int, float]:
        count, seconds = 0, 0.0
        for links, first, flights, windows in ways:
            heard = np.repeat(first[None], len(links), axis=0)
            targets = np.zeros(len(links))
            begun = time.process_time()
            for senders, until in windows:
                last = until if added else 0.0
                count += _add_arrivals(senders, links, heard, flights, last, targets)
            seconds += time.process_time() - begun
        return count if added else visited, seconds

    visited = sum(len(links) * len(busy) for links, _, _, windows in ways for busy, _ in windows)
    return run


def messages(problem: Problem) -> Any:
    """What the units of amsim send until t1."""
    net = am.dense_am(problem.weights, visible=am.Tanh(), hidden=am.Tanh(), tau_hidden=1.0)
    timing = am.Timing(problem.delay(), "link")
    solver = am.EventDriven(problem.quantum, timing, max_events=10**9, record_events=True)
    return am.simulate(net, problem.cue, solver=solver, times=[problem.t1], until=None).events


def _way(problem: Problem, sent: Any, layer: str, seed: int, weights: Floats) -> Any:
    """Links of one direction, messages by sender, and who has some on their way in each window."""
    receivers, senders = weights.shape
    mine = sent.layer == layer
    unit, times = sent.unit[mine], sent.time[mine]
    links = np.empty((receivers, senders, 2))
    links[..., 0] = np.exp(np.transpose(problem.delays(seed, (senders, receivers))))
    links[..., 1] = weights
    first, flights = np.zeros(senders, np.int32), []
    for j in range(senders):
        first[j] = len(flights)
        flights += [(e, problem.quantum) for e in np.exp(times[unit == j])] + [(np.inf, 0.0)]
    windows = []
    for k in range(round(problem.t1 / problem.low)):
        begun = k * problem.low
        busy = np.unique(unit[(times < begun) & (times + problem.high >= begun)])
        windows.append((busy, float(np.exp(begun + problem.low))))
    return links, first, np.array(flights), windows
