"""A recording of a silicon retina, and a memory that recalls the digit in it, event by event.

    python benchmarks/retina.py record docs/retina.npz
    python benchmarks/retina.py recall docs/retina.npz --backends emulator lava lava-fused

`record` lets a digit of 8 x 8 pixels appear before a simulated sensor: the logarithm of a pixel's
intensity goes from 0 towards +1 or -1, exponentially, and each time that it has changed by the
pixel's threshold an ON or an OFF event is sent (Lichtsteiner et al. 2008, IEEE JSSC 43:566).
Thresholds differ from pixel to pixel, and pixels also send without a cause. `recall` lets the
events drive the features of a memory of ten digits that starts with nothing, and prints which one
it finds, and whether all backends compute the same integers.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import amsim as am
import hardware as hw
from amsim.files import write_atomically

if __name__ == "__main__":  # "import lava" must not find the file of that name beside this one
    sys.path[0] = str(Path(__file__).parent / "lava_empty")

SIDE = 8
DIGITS, SHOWN = 10, 3  # stored, and the one that appears
THRESHOLD, MISMATCH = 0.1, 0.1  # of the logarithm, and its spread from pixel to pixel
RISE, SECONDS, FALSE_RATE = 0.010, 0.040, 30.0  # seconds, seconds, events a second and pixel
UNIT, CHARGE = 0.040, 0.125  # seconds that tau stands for, charge of an event


def record(seed: int = 0) -> dict[str, NDArray[np.integer]]:
    """The address events: columns, rows, microseconds, polarities."""
    rng = np.random.default_rng(seed)
    image = am.patterns.digits(DIGITS, seed=0)[SHOWN].reshape(SIDE, SIDE)
    found = []
    for y, x in np.ndindex(SIDE, SIDE):
        threshold = THRESHOLD * (1 + MISMATCH * rng.standard_normal())
        levels = np.arange(threshold, 1, threshold)
        times = -RISE * np.log1p(-levels)
        found += [(t, x, y, image[y, x] > 0) for t in times if t < SECONDS]
        for _ in range(rng.poisson(FALSE_RATE * SECONDS)):
            found.append((rng.uniform(0, SECONDS), x, y, rng.random() < 0.5))
    found.sort()
    t, x, y, p = zip(*found, strict=True)
    return {
        "x": np.array(x, np.uint8),
        "y": np.array(y, np.uint8),
        "t": np.rint(1e6 * np.array(t)).astype(np.uint32),
        "p": np.array(p, np.uint8),
    }


def recall(path: Path, backends: list[str]) -> None:
    """Print what the memory finds."""
    events = hw.Events.read_aer(path, (SIDE, SIDE), unit=UNIT, charge=CHARGE)
    stored = am.patterns.digits(DIGITS, seed=0)
    dt = 0.1
    limit = events.largest(dt)
    net = am.dense_am(stored, hidden=am.Softmax(beta=0.5))
    plan = hw.compile(net, dt=dt, input_limits={"visible": limit})
    nothing = np.zeros(SIDE * SIDE)
    print(f"{events}, until {events.times.max():.2f} tau; input limit {limit:.3g}; {plan}")
    results = {each: hw.run(plan, nothing, inputs=events, backend=each) for each in backends}
    for name, result in results.items():
        overlaps = am.patterns.overlap(result.final["visible"], stored)
        first = next(iter(results.values()))
        same = all(np.array_equal(x, first.integers[n]) for n, x in result.integers.items())
        print(
            f"{name:11} digit {overlaps.argmax()} (shown: {SHOWN}), overlap {overlaps.max():.4f}, "
            f"{result.status}; same integers as {backends[0]}: {same}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("do", choices=("record", "recall"))
    parser.add_argument("path", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--backends", nargs="+", default=["emulator"])
    args = parser.parse_args()
    if args.do == "recall":
        recall(args.path, args.backends)
        return
    arrays = record(args.seed)
    write_atomically(args.path, lambda file: np.savez_compressed(file, **arrays))
    print(f"{args.path}: {len(arrays['t'])} events")


if __name__ == "__main__":
    main()
