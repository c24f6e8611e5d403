"""Three levels of layers on a chip: digits without a quarter, recalled through their parts.

    python benchmarks/hierarchy.py docs/hierarchy_chip.png --backends lava-fused lava

Below are the pixels; above each quarter of them stands a softmax of the quarters that are known,
and above all four of these one of whole digits, as in the gallery's "hierarchy". What is drawn are
the cue, where the integers end, and the stored digit, and the energy of the integers over time
beside that of the differential equation. Other backends (`--backends`) have to end in the same
integers.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import amsim as am
import hardware as hw
from amsim.gallery.hierarchy import parts_of_digits
from amsim.gallery.style import BLUE, ORANGE, image_rows, label
from amsim.plot import blank

if __name__ == "__main__":  # "import lava" must not find the file of that name beside this one
    sys.path[0] = str(Path(__file__).parent / "lava_empty")

DIGITS, SIDE, COUPLING, TIME = 10, 8, 8.0, 6.0
QUARTERS = [(slice(r, r + 4), slice(c, c + 4)) for r in (0, 4) for c in (0, 4)]


def network() -> am.Network:
    """Six layers: pixels, the quarters at four places, and the digits."""
    _, parts, wholes = parts_of_digits(DIGITS)
    layers = {"visible": am.Layer(SIDE * SIDE, am.Identity())}
    synapses = []
    for place, (rows, columns) in enumerate(QUARTERS):
        name = f"part{place}"
        layers[name] = am.Layer(len(parts), am.Softmax(1.0), tau=0.3)
        pixels = np.zeros((len(parts), SIDE, SIDE))
        pixels[:, rows, columns] = parts.reshape(-1, 4, 4)
        synapses.append(am.Dense(pixels.reshape(len(parts), -1), between=(name, "visible")))
        whole = COUPLING * (wholes[:, [place]] == np.arange(len(parts)))
        synapses.append(am.Dense(whole, between=("wholes", name)))
    layers["wholes"] = am.Layer(DIGITS, am.Softmax(1.0), tau=0.1)
    return am.Network(layers, synapses)


def draw(net: am.Network, result: hw.Result, cues: np.ndarray, stored: np.ndarray) -> Figure:
    """Images of the recalls, and their energies."""
    plan = result.plan
    periods = slice(plan.period - 1, None, plan.period)  # their last steps
    states = {name: result.states(name)[periods] / scale for name, scale in plan.scales.items()}
    times = plan.dt * np.arange(len(states["visible"]))
    ode = am.simulate(net, cues, times=times, until=None)
    figure = blank(6.4)
    top, bottom = figure.subfigures(2, 1, height_ratios=(3.0, 3.4))
    rows = (cues, result.final["visible"], stored)
    axes = top.subplots(3, len(cues))
    image_rows(axes, rows, ("cue", "chip", "stored"), (-1, 1))
    ax = bottom.subplots()
    ax.plot(times, net.energy(states), color=BLUE, lw=1.2)
    ax.plot(times, ode.energy, "--", color=ORANGE, lw=1.2)
    ax.lines[0].set_label(f"{plan.weight_bits}-bit weights, 24-bit states")
    ax.lines[-1].set_label("differential equation")
    label(ax, "time (units of τ of the pixels)", "energy")
    ax.legend(frameon=False)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--backends", nargs="*", default=[])
    args = parser.parse_args()
    net, stored = network(), am.patterns.digits(DIGITS, seed=0)
    cues = stored.reshape(DIGITS, SIDE, SIDE).copy()
    for number, image in enumerate(cues):
        image[QUARTERS[number % 4]] = 0.0
    cues = cues.reshape(DIGITS, -1)
    plan = hw.compile(net)
    print(plan)
    steps = round(TIME / plan.dt) * plan.period
    result = hw.run(plan, cues, steps=steps, record=True)
    overlaps = am.patterns.overlap(result.final["visible"], stored).diagonal()
    print(f"after {steps} steps: overlaps with the digits from {overlaps.min():.4f} on")
    for backend in args.backends:
        found = hw.run(plan, cues, steps=steps, backend=backend).integers
        same = all(np.array_equal(x, result.integers[name]) for name, x in found.items())
        print(f"{backend}: same integers in all layers and normalisers: {same}")
    print(hw.compare(plan, cues).report())
    draw(net, result, cues, stored).savefig(args.path, dpi=130)


if __name__ == "__main__":
    main()
