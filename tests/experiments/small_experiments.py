"""Experiments whose units misbehave on demand; also a driver: ``python small_experiments.py DIR``.

A unit leaves a mark per measurement in the folder that the parameter ``marks`` names, so that tests
can count how often each was measured, and by which process.
"""

import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from experiments.runner.design import Design
from experiments.runner.experiment import NOT_NEGATIVE, Claim, Experiment, Quantity

# Unit numbers are not known to `measure`: x and the first draw tell which one it is.


def measure(*, x, y, marks, seconds, trouble, seed):
    draw = np.random.default_rng(seed).random()
    if marks:
        mark(marks, x, y, draw)
    time.sleep(seconds)
    if trouble == "error" and x == 2:
        raise ValueError("two is\nnot allowed")
    if trouble == "shape" and x == 2:
        return {"sum": 0.0, "curve": [1.0]}
    if trouble == "name" and x == 2:
        return {"sum": 0.0}
    if trouble == "domain" and x == 2:
        return {"sum": -5.0, "curve": np.zeros(3)}
    if trouble == "suicide" and x == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    if trouble == "once" and x == 2:
        first = Path(marks) / "died"
        if not first.exists():
            first.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return {"sum": x + y + draw, "curve": np.array([x, y, draw]) / 3}


def mark(folder, x, y, draw):
    name = f"{x}-{y}-{draw:.9f}-{os.getpid()}-{time.monotonic_ns()}"
    (Path(folder) / name).touch()


def draw(data):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 3))
    ax = figure.subplots()
    ax.plot(data.x, data["sum"].mean(("y", "repeat")))
    return figure


def judge(data):
    gap = float(np.abs(data["sum"] - data.x - data.y).max())
    return [
        Claim("draws lie in [0, 1)", gap, 1.0, gap < 1),
        Claim("mean", float(data["sum"].mean())),
    ]


EXPERIMENT = Experiment(
    name="small",
    question="Is the sum the sum?",
    measure=measure,
    parameters={
        "x": Quantity("first term", "tau"),
        "y": Quantity("second term"),
        "marks": Quantity("folder for marks"),
        "seconds": Quantity("work", "s"),
        "trouble": Quantity("what goes wrong where x is 2"),
    },
    results={
        "sum": Quantity("their sum", "tau", within=NOT_NEGATIVE),
        "curve": Quantity("thirds", "1", ("part",)),
    },
    sizes={
        "toy": {
            "x": (0, 1, 2, 3), "y": (0.5, 1.5), "marks": "", "seconds": 0.0, "trouble": "",
            "repeats": 3,
        },
        "paper": {
            "x": (0, 1, 2, 3), "y": (0.5, 1.5), "marks": "", "seconds": 0.0, "trouble": "",
            "repeats": 1000,
        },
    },
    draw=draw,
    judge=judge,
    coordinates=lambda parameters: {"part": [0, 1, 2]},
)  # fmt: skip


class Undrawn:
    """A figure without Matplotlib, whose import takes longer than the run."""

    axes = ()

    def savefig(self, file, **_):
        file.write(b"undrawn")


def main(out, options):
    """Run as a driver of its own, which a test may kill."""
    from experiments.runner import sweep
    from experiments.runner.record import run

    sweep._NOTICE_INTERVAL = options.pop("silence", sweep._NOTICE_INTERVAL)
    keys = ("jobs", "scheduler", "resume", "force")
    how = {key: options.pop(key) for key in keys if key in options}
    if "scheduler" not in how:
        sys.modules["dask"] = None  # xarray would import it, only because it is there
    undrawn = replace(EXPERIMENT, draw=lambda _: Undrawn())
    run(Design.of(undrawn, **options), out, **how)


if __name__ == "__main__":
    # Units are found by workers as those of a module, not of __main__.
    import small_experiments

    small_experiments.main(sys.argv[1], json.loads(sys.argv[2]))
