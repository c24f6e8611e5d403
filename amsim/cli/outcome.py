"""The results of recalled cues, for commands: rows of a table, a summary, a picture."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .console import count
from .files import Floats

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..dynamics import Trajectory

FIGURE, TRAJECTORY, RECORD = FILES = "recall.png", "trajectory.npz", "run.json"

OUTCOMES = {"recalled": "recalled", "another": "another digit", "mixture": "mixture"}

_PURE = 0.9  # weight of one memory from which on the state is that memory and not a mixture
_DRAWN = 8  # cues in the figure
_LISTED = 20  # cues in the table
COLUMNS_HELP = """\
columns: energy and overlap before and after; the overlap of a state v with a pattern of D units is
v . pattern / D, 1 for equal patterns of -1 and +1. "settled at" is a time in units of tau (for
fixed-point a number of updates), "RHS" counts right-hand sides. "memory" is the stored pattern with
the largest weight in the final state.
"""


@dataclass
class Task:
    """One recall of a batch: what is stored, what is shown, and how it runs.

    `own` says which pattern each cue was made from, where that is known.
    """

    command: str
    patterns: Floats
    cues: Floats
    parameters: dict[str, Any]
    own: NDArray[np.int64] | None = None


def rows_of(task: Task, traj: Trajectory, weights: Floats) -> list[dict[str, Any]]:
    """Make one row per cue; overlaps are with its own pattern, or with the memory it ended in."""
    import numpy as np

    from ..patterns import overlap

    memory = weights.argmax(axis=1)
    target = memory if task.own is None else task.own
    units = task.patterns.shape[1]
    before, after = (
        np.einsum("nd,nd->n", state, task.patterns[target], dtype=np.float64) / units
        for state in (task.cues, traj.final["visible"])
    )
    rows = []
    for i in range(len(task.cues)):
        row = {
            "cue": i,
            "status": str(traj.statuses[i]),
            "energy_before": float(traj.energy[0, i]),
            "energy_after": float(traj.energy[-1, i]),
            "overlap_before": float(before[i]),
            "overlap_after": float(after[i]),
            "settle_time": float(traj.settle_times[i]),
            "rhs": int(traj.stats["rhs_per_cue"][i]),
            "memory": int(memory[i]),
            "weight": float(weights[i, memory[i]]),
        }
        if task.own is not None:
            own, near = int(task.own[i]), overlap(task.cues[i], task.patterns)
            row["nearest_before"] = own if near[own] == near.max() else int(near.argmax())
            row["outcome"] = _outcome(row, own)
        rows.append(row)
    return rows


def _outcome(row: dict[str, Any], own: int) -> str:
    if not row["weight"] >= _PURE:
        return "mixture"
    return "recalled" if row["memory"] == own else "another"


def summarise(task: Task, traj: Trajectory, results: list[dict[str, Any]]) -> str:
    """Say in one sentence what became of the cues; it hides nothing."""
    number = Counter(row["status"] for row in results)
    text = f"{number['settled']} of {count(results, 'cue')} settled"
    for status, word in (
        ("time_limit", "did not settle in time"),
        ("diverged", "diverged"),
        ("stalled", "stalled"),
        ("interrupted", "were interrupted"),
    ):
        text += f", {number[status]} {word}" if number[status] else ""
    mixed = sum(not row["weight"] >= _PURE for row in results)
    mixtures = f", {mixed} in a mixture of several"
    if task.own is None:
        return f"{text}; {len(results) - mixed} ended in one memory{mixtures}"
    other = [row for row in results if row["outcome"] == "another"]
    right = len(results) - len(other) - mixed
    text += f"; {right} ended in their own digit, {len(other)} in another stored digit{mixtures}"
    astray = sum(row["nearest_before"] != own for row, own in zip(results, task.own, strict=True))
    return f"{text}. Damage left {astray} of them nearer to another digit." if astray else text


def draw(task: Task, traj: Trajectory, results: list[dict[str, Any]]) -> Any:
    """Draw the first cues as images, and their energies."""
    from .. import plot

    shown = results[:_DRAWN]
    if task.own is None:
        target = [row["memory"] for row in shown]
        titles = [f"cue {row['cue']}\nmemory {row['memory']}" for row in shown]
        label = "memory"
    else:
        target = task.own[: len(shown)].tolist()
        titles = [f"cue {row['cue']}\n{OUTCOMES[row['outcome']]}" for row in shown]
        label = "stored"
    return plot.overview(
        traj,
        task.patterns[target],
        cues=range(len(shown)),
        titles=titles,
        labels=("cue", "recalled", label),
    )


def table(record: dict[str, Any]) -> str:
    """Put the table, the summary and the files into words."""
    rows = record["results"]
    lines = [
        f"{'':>5} {'energy':>10} {'':>10} {'overlap':>7} {'':>7} {'settled':>9}",
        f"{'cue':>5} {'before':>10} {'after':>10} {'before':>7} {'after':>7} {'at':>9} {'RHS':>6}"
        f"  memory (weight)",
    ]
    lines += [_line(row) for row in rows[:_LISTED]]
    if len(rows) > _LISTED:
        lines.append(f"  ... and {len(rows) - _LISTED} more in {RECORD}")
    files = [Path(file) for file in record["files"]]
    more = [record[part]["summary"] for part in ("crowded", "hardware") if part in record]
    names = ", ".join(file.name for file in files)
    return "\n".join(
        [*lines, "", record["summary"], *more, f"written to {files[0].parent}: {names}"]
    )


def _line(row: dict[str, Any]) -> str:
    settled = f"{row['settle_time']:.2f}" if row["status"] == "settled" else row["status"]
    remark = {"another": ", another digit", "mixture": ", a mixture"}
    outcome = remark.get(row.get("outcome", ""), "")
    return (
        f"{row['cue']:>5} {row['energy_before']:>10.4g} {row['energy_after']:>10.4g} "
        f"{_short(row['overlap_before']):>7} {_short(row['overlap_after']):>7} {settled:>9} "
        f"{row['rhs']:>6}  {row['memory']} ({row['weight']:.3f}){outcome}"
    )


def _short(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.1e}"
