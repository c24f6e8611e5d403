"""Compile what tests call most, before their workers start: each would compile it for itself."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

import amsim as am
import hardware as hw

PATTERNS = am.patterns.random(6, 24, seed=1)


def recalls() -> None:
    """The integrator, with memories of bytes and of floats, in both precisions."""
    many = np.tile(PATTERNS, (200, 1))
    for patterns in (PATTERNS, 0.5 * PATTERNS):
        am.simulate(am.dense_am(patterns, hidden=am.Softmax(0.5)), many)
    am.simulate(am.dense_am(0.5 * PATTERNS, hidden=am.Tanh(0.1)), many)
    large = am.patterns.random(500, 256, seed=1)
    am.simulate(am.dense_am(large, hidden=am.Softmax(0.05)), large)


def general_recalls() -> None:
    """The integrator over any network."""
    lateral = am.Dense(PATTERNS.T @ PATTERNS / 48, between=("visible", "visible"))
    network = am.Network({"visible": am.Layer(24, am.Tanh())}, [lateral])
    am.simulate(network, np.tile(PATTERNS, (200, 1)))


def noisy_recalls() -> None:
    """Steps with noise whose lengths cues choose, with memories of bytes and of floats."""
    bytes_, floats = PATTERNS, 0.5 * PATTERNS
    for stored, hidden in (
        (bytes_, am.Softmax(0.5)), (floats, am.Softmax(0.5)), (floats, am.Tanh(0.1)),
        (bytes_, am.Entmax(1.5, 0.3)),
    ):  # fmt: skip
        am.simulate(am.dense_am(stored, hidden=hidden), PATTERNS, noise=0.1, t1=1.0)


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
    rests = am.simulate(net, PATTERNS, solver=am.FixedPoint()).final  # not by the integrator
    am.stability.certify(net, PATTERNS, rests)
    hw.run(hw.compile(net), np.tile(PATTERNS, (20, 1)))


# One process for each, which take about the same time: a process pays for its first compilation
# with three seconds more.
STEPS = {"recalls": (recalls, events), "others": (noisy_recalls, general_recalls, the_rest)}


def main() -> None:
    """All that a step compiles, or all steps at once, each in a process of its own."""
    if len(sys.argv) > 1:
        for compile_by_calls in STEPS[sys.argv[1]]:
            compile_by_calls()
        return
    running = [subprocess.Popen([sys.executable, __file__, step]) for step in STEPS]
    if any([each.wait() for each in running]):
        sys.exit("compile_engines: a step failed")


if __name__ == "__main__":
    main()
