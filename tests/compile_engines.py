"""Compile what tests call most, before their workers start: each would compile it for itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np

import amsim as am
import hardware as hw

PATTERNS = am.patterns.random(6, 24, seed=1)


def recalls() -> None:
    """The integrator, with memories of bytes and of floats, in both precisions."""
    many = np.tile(PATTERNS, (200, 1))
    for patterns in (PATTERNS, 0.5 * PATTERNS):
        am.simulate(am.dense_am(patterns, hidden=am.Softmax(0.5)), many)
    large = am.patterns.random(500, 256, seed=1)
    am.simulate(am.dense_am(large, hidden=am.Softmax(0.05)), large)


def general_recalls() -> None:
    """The integrator over any network."""
    lateral = am.Dense(PATTERNS.T @ PATTERNS / 48, between=("visible", "visible"))
    network = am.Network({"visible": am.Layer(24, am.Tanh())}, [lateral])
    am.simulate(network, np.tile(PATTERNS, (200, 1)))


def events() -> None:
    """Messages by a heap, in windows, and over shared links."""
    tanh = am.dense_am(PATTERNS, hidden=am.Tanh(0.1))
    for net in (tanh, am.dense_am(PATTERNS, hidden=am.Softmax(0.5))):
        for delay in (0.0, 0.2):
            timing = am.Timing(delay=delay, scope="link")
            am.simulate(net, PATTERNS[0], solver=am.EventDriven(1e-2, timing), t1=2.0)
    timing = am.Timing(fabric=am.Fabric())
    am.simulate(tanh, PATTERNS[0], solver=am.EventDriven(1e-2, timing), t1=2.0)


def the_rest() -> None:
    """Binary recalls, certificates, the emulator."""
    memory = am.binary.BinaryMemory(PATTERNS)
    memory.recall(PATTERNS, seed=0)
    memory.recall(PATTERNS, seed=0, order="parallel")
    net = am.dense_am(PATTERNS, hidden=am.Softmax(0.5))
    rests = am.simulate(net, PATTERNS).final
    am.stability.certify(net, PATTERNS, rests)
    hw.run(hw.compile(net), np.tile(PATTERNS, (20, 1)))


STEPS: tuple[Callable[[], None], ...] = (recalls, events, the_rest, general_recalls)


def main() -> None:
    """One step, or all, two at a time, each in a process of its own."""
    if len(sys.argv) > 1:
        return next(step for step in STEPS if step.__name__ == sys.argv[1])()
    waiting = [step.__name__ for step in STEPS]
    running: list[subprocess.Popen[bytes]] = []
    while waiting or running:
        if waiting and len(running) < 2:
            running.append(subprocess.Popen([sys.executable, __file__, waiting.pop(0)]))
        elif running[0].wait():
            sys.exit(f"compile_engines: {running[0].args[-1]} failed")
        else:
            running.pop(0)
    return None


if __name__ == "__main__":
    main()
