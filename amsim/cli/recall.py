"""The command ``amsim recall``: recalls cues from files; `amsim demo` shares its functions."""

from __future__ import annotations

import argparse
import importlib
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import as_json
from .console import (
    DONE,
    INTERRUPTED,
    NOT_SETTLED,
    UserError,
    count,
    emit,
    note,
)
from .files import Floats, add_memories, add_output, load, output, write, writing
from .outcome import (
    COLUMNS_HELP,
    FIGURE,
    FILES,
    RECORD,
    TRAJECTORY,
    draw,
    ends_of,
    rows_of,
    summarise,
    table,
)
from .ranks import agreed, world
from .task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..dynamics import Trajectory
    from ..ranks import Ranks

    Also = Callable[[Task, Trajectory], dict[str, Any]]

# Codes of runs that did not end well; every other run is done.
_CODES = dict.fromkeys(("time_limit", "diverged", "stalled"), NOT_SETTLED)


SOLVERS = ("exponential", "RK45", "DOP853", "Radau", "BDF", "LSODA", "fixed-point")
_HELP = """\
  amsim recall --patterns stored.npy --cues damaged.npy --beta 0.5 --out runs/mine
  amsim recall --patterns stored.npy --cues damaged.npy --beta 2 --out runs/fixed \\
      --similarity euclidean --solver fixed-point --json
"""
# States of memories, of all cues at one time, from which on they are not kept.
_LARGE = 10_000_000


def add(commands: Any) -> None:
    """Add the command to the parser."""
    recall = commands.add_parser(
        "recall",
        examples=_HELP,
        help="recall your own cues from your own patterns",
        description="Recall your own cues from your own patterns, with softmax memories. With "
        "mpiexec -n 4 before the command, processes share the memories.",
        epilog=COLUMNS_HELP,
    )
    add = recall.add_argument
    add_memories(recall, cue="--cues", shape="array (cues, units), or one cue (units)")
    add(
        "--solver",
        choices=SOLVERS,
        default=SOLVERS[0],
        help="method over time, or fixed-point iteration (default: exponential)",
    )
    add_output(recall, FILES, default=None)
    recall.set_defaults(run=_recall, shared=True)


def _recall(args: argparse.Namespace) -> int:
    ranks = world()
    with ExitStack() as stack:
        with agreed(ranks):
            task = _task(args, ranks)
            if ranks is not None:
                _ = task.network  # refused here, before processes wait for each other
            if task.first:
                folder = stack.enter_context(output(args.out, FILES, args.force))
            else:
                folder = Path(args.out)
        return perform(task, folder, args.json)


def _task(args: argparse.Namespace, ranks: Ranks | None) -> Task:
    """What the files and options ask for."""
    import numpy as np

    stored, cues = load(args.patterns, mapped=True), load(args.cues)
    if stored.ndim != 2:
        raise UserError(
            f"{args.patterns} has shape {stored.shape}; patterns need shape (memories, units): "
            f"flatten images, and put a single pattern in a list"
        )
    if cues.ndim not in (1, 2) or cues.shape[-1] != stored.shape[1]:
        raise UserError(
            f"{args.cues} has shape {cues.shape}, {args.patterns} has shape {stored.shape}; "
            f"cues need shape (cues, {stored.shape[1]})"
        )
    names = ("patterns", "cues", "beta", "tau_hidden", "similarity", "solver")
    parameters = {name: getattr(args, name) for name in names}
    cues = _rows(cues)
    large = ranks is not None or len(stored) * len(cues) > _LARGE
    if not large:
        stored = np.array(stored)
    return Task("recall", stored, cues, parameters, large=large, ranks=ranks)


def _rows(cues: Floats) -> Floats:
    return cues.reshape(-1, cues.shape[-1])


def perform(task: Task, folder: Path, json: bool, *, also: Sequence[Also] = ()) -> int:
    """Recall, write the files, print the result; each of `also` adds to the record of a run.

    What one of them returns under "files" are paths that it has written.
    """
    with agreed(task.ranks):
        importlib.import_module("matplotlib.figure")  # one that is missing must not cost the work
    began = datetime.now(timezone.utc)
    cues, stored = count(task.cues, "cue"), count(task.patterns, "pattern")
    crew = "" if task.ranks is None else f" in {task.ranks.size} processes"
    note(f"recalling {cues} from {stored}{crew} ...")
    traj = simulated(task)
    status, message = traj.status, traj.message
    if status == "interrupted":
        note(message)
        task, traj = _reached(task, traj)
        note(f"writing {_size(traj)} to {folder}; Ctrl-C again ends that, too")
    ends = ends_of(task, traj)
    if not task.first:
        return _CODES.get(status, DONE)
    results = rows_of(task, traj, ends)
    # The states first: they took the time.
    with writing(folder / TRAJECTORY):
        traj.save(folder / TRAJECTORY, force=True)
    more, interrupted = _more(task, traj, () if status == "interrupted" else also)
    files = [*(folder / name for name in FILES), *more.pop("files", ())]
    stats = {name: traj.stats[name] for name in ("rhs", "accepted", "rejected", "wall_time")}
    record = {
        "command": task.command,
        "status": status,
        "message": message,
        "summary": summarise(task, traj, results),
        "parameters": task.parameters,
        "results": results,
        **more,
        "stats": stats,
        **_circumstances(began),
        "files": [str(path) for path in files],
    }
    write(folder / RECORD, lambda file: file.write(as_json(record).encode() + b"\n"))
    figure = draw(task, traj, results)
    write(folder / FIGURE, lambda file: figure.savefig(file, format="png", dpi=200))
    emit(as_json(record) if json else table(record))
    if interrupted or status == "interrupted":
        note("interrupted; what was reached is written")
        return INTERRUPTED
    if status != "settled":
        note("warning: not every cue settled; try another --beta, or am.simulate with a larger t1")
    return _CODES.get(status, DONE)


def _more(task: Task, traj: Trajectory, also: Sequence[Also]) -> tuple[dict[str, Any], bool]:
    """What further steps add to a record, and whether Ctrl-C ended them."""
    more: dict[str, Any] = {}
    files: list[Path] = []
    try:
        for step in also:
            more |= step(task, traj)
            files += more.pop("files", ())
    except KeyboardInterrupt:
        return {**more, "files": files}, True
    return {**more, "files": files}, False


def _reached(task: Task, traj: Trajectory) -> tuple[Task, Trajectory]:
    """The cues that had begun when a run was interrupted: the first ones, in their order."""
    import numpy as np

    begun = np.flatnonzero((traj.statuses != "interrupted") | (traj.end_times > traj.times[0]))
    if not len(begun):
        raise KeyboardInterrupt  # there is nothing to be written
    cues = np.arange(begun[-1] + 1)
    own = None if task.own is None else task.own[cues]
    return replace(task, cues=task.cues[cues], own=own), traj.select(cues)


def _size(traj: Trajectory) -> str:
    """What was reached, in words."""
    numbers = sum(state.size for state in traj.final.values()) * (len(traj.times) + 1)
    return f"{count(traj.codes, 'cue')}, about {8 * numbers / 1e6:.0f} MB,"


def simulated(task: Task) -> Trajectory:
    """Recall the cues of a task."""
    from ..dynamics import FixedPoint, simulate
    from .large import features_alone

    chosen = task.parameters
    special = {"exponential": None, "fixed-point": FixedPoint()}
    solver = special.get(chosen["solver"], chosen["solver"])
    comm = None if task.ranks is None else task.ranks.comm
    record = ["visible"] if task.large else True
    try:
        traj = simulate(task.network, task.cues, solver=solver, record=record, comm=comm)
    except ValueError as error:  # the combination of arrays and options
        raise UserError(str(error)) from error
    return features_alone(traj) if task.large else traj


def _circumstances(began: datetime) -> dict[str, Any]:
    from .. import doctor

    return {
        "time": began.isoformat(timespec="seconds"),
        "versions": doctor.versions(),
        "platform": doctor.system(),
    }
