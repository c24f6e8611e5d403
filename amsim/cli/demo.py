"""The command ``amsim demo``: recall of damaged digits, for a first look."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from .console import count, note, seed
from .files import add_output, output, write
from .outcome import COLUMNS_HELP, FILES, OUTCOMES, ends_of, rows_of, summarise
from .recall import SOLVERS, perform, simulated
from .task import Task

if TYPE_CHECKING:
    from pathlib import Path

    from ..dynamics import Trajectory
    from ..hardware import Result

_STORED, _CUES, _FLIP = 20, 8, 0.15
# The second picture: the same digits among so many, and so damaged, that some end elsewhere.
_CROWD, _MORE_FLIP, CROWDED = 100, 0.2, "crowded.png"
# Two stored patterns that differ in d units merge into a mixture below beta = 1/d, and near that
# point a recall takes as long as one likes: 0.75 lies between those of d = 1 and d = 2.
_BETA = 0.75
# Features are -1 or +1 in a digit; integers further than this from the ODE ended elsewhere.
_NEAR = 0.01
_HELP = """\
  amsim demo
  amsim demo --seed 1 --out runs/second
"""


def add(commands: Any) -> None:
    """Add the command to the parser."""
    text = f"store {_STORED} handwritten digits, damage {_CUES} of them, and recall them"
    twice = "by the ODE, among more digits, and by a chip's integers in the emulator and in Lava"
    demo = commands.add_parser(
        "demo",
        examples=_HELP,
        help=text,
        description=f"{text[0].upper()}{text[1:]}: {twice}.",
        epilog=COLUMNS_HELP,
    )
    add_output(demo, (*FILES, CROWDED), default="runs/demo")
    demo.add_argument(
        "--seed", type=seed, default=0, help="chooses the digits and their damage (default: 0)"
    )
    demo.set_defaults(run=_demo)


def _demo(args: argparse.Namespace) -> int:
    with output(args.out, (*FILES, CROWDED), args.force) as folder:

        def crowded(task: Task, _: Trajectory) -> dict[str, Any]:
            return _among_many(args.seed, folder / CROWDED)

        also = crowded, _integers
        return perform(_task(args.seed, _STORED, _FLIP), folder, args.json, also=also)


def _task(seed: int, stored: int, flip: float) -> Task:
    """The same digits first, whatever the number of stored ones."""
    import numpy as np

    from .. import patterns

    digits = patterns.digits(stored, seed=seed)
    cues = patterns.corrupt(digits[:_CUES], flip=flip, seed=seed)
    parameters = {
        "stored": stored,
        "cues": _CUES,
        "flip": flip,
        "seed": seed,
        "beta": _BETA,
        "tau_hidden": 0.1,
        "similarity": "dot",
        "solver": SOLVERS[0],
    }
    return Task("demo", digits, cues, parameters, own=np.arange(_CUES))


def _among_many(seed: int, path: Path) -> dict[str, Any]:
    """Recall the digits among more of them from more damage; draw it, and say what went astray."""
    import numpy as np

    from .. import plot

    task = _task(seed, _CROWD, _MORE_FLIP)
    traj = simulated(task)
    rows = rows_of(task, traj, ends_of(task, traj))
    near = task.cues @ task.patterns.T / task.patterns.shape[1]
    own = near.diagonal().copy()
    near[range(_CUES), range(_CUES)] = -np.inf
    titles = [
        f"{OUTCOMES[row['outcome']]}\nown {mine:.2f}\nother {other:.2f}"
        for row, mine, other in zip(rows, own, near.max(axis=1), strict=True)
    ]
    figure = plot.recall(task.cues, traj.final["visible"], task.patterns[:_CUES], titles=titles)
    figure.set_figheight(figure.get_figheight() + 0.35)
    figure.suptitle(
        f"The same digits among {_CROWD}, {_MORE_FLIP:.0%} of the pixels flipped. Above each cue:\n"
        "its overlap with its own digit, and with the most similar of the others",
        fontsize=10,
    )  # fmt: skip
    write(path, lambda file: figure.savefig(file, format="png", dpi=200))
    summary = summarise(task, traj, rows)
    return {
        "crowded": {
            "parameters": task.parameters,
            "results": rows,
            "summary": f"A harder task, the same {_CUES} digits among {_CROWD} with "
            f"{_MORE_FLIP:.0%} of the pixels flipped:\n{summary}",
        },
        "files": [path],
    }


def _integers(task: Task, traj: Trajectory) -> dict[str, Any]:
    try:
        return _on_a_chip(task, traj)
    except KeyboardInterrupt:
        note("interrupted before the integers were done; the recall by the ODE is kept")
        raise


def _on_a_chip(task: Task, traj: Trajectory) -> dict[str, Any]:
    """Recall the same cues with the integers of a chip, and compare where they end."""
    import numpy as np

    from .. import hardware as hw

    plan = hw.compile(task.network)
    note(f"recalling them again with the integers of {plan.chip}, in the emulator and in Lava ...")
    emulated = hw.run(plan, task.cues)
    distance = np.abs(emulated.final["visible"] - traj.final["visible"]).max(axis=1)
    near = int((distance <= _NEAR).sum())
    lava = _in_lava(emulated, task)
    record = {
        "plan": repr(plan),
        "near_ode": near,
        "distance_to_ode": distance.tolist(),
        "lava": lava,
        "verified_on_hardware": False,
        "summary": f"{plan.weight_bits}-bit weights, emulator: {near} of {count(distance, 'cue')} "
        f"end within {_NEAR} of the ODE, the worst {distance.max():.1g} from it.\n"
        f"{lava['summary']}; verified_on_hardware: false",
    }
    return {"hardware": record}


def _in_lava(emulated: Result, task: Task) -> dict[str, Any]:
    """Count the cues that end in the integers of the emulator, or say why there is no Lava."""
    from .. import hardware as hw

    try:
        found = hw.run(emulated.plan, task.cues, backend="lava-fused").integers
    except (hw.BackendUnavailable, hw.lava.LavaError) as error:
        reason = str(error).splitlines()[0]
        return {"identical": None, "summary": f"Lava did not run: {reason}"}
    same = [(found[name] == state).all(axis=1) for name, state in emulated.integers.items()]
    identical = sum(all(cue) for cue in zip(*same, strict=True))
    text = f"Lava: {identical} of {count(task.cues, 'cue')} end in the integers of the emulator"
    return {"identical": identical, "summary": text}
