"""The results of recalled cues, for commands: rows of a table, a summary, a picture."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .console import count
from .task import Ends, Task

if TYPE_CHECKING:
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
the largest weight in the final state. Where cues x memories are more than 10 million, and in
several processes, patterns stay in their file, states of memories are not kept, and energies and
weights are those of memories at rest with the features.
"""


def ends_of(task: Task, traj: Trajectory) -> Ends:
    """The ends of cues; in all processes of the task together."""
    import numpy as np

    if task.large:
        from .large import ends_of

        return ends_of(task, traj)
    weights = task.network.activations(traj.final)["hidden"]
    memory = weights.argmax(axis=1)
    weight = weights[np.arange(len(memory)), memory]
    return Ends(traj.energy[0], traj.energy[-1], memory, weight)


def rows_of(task: Task, traj: Trajectory, ends: Ends) -> list[dict[str, Any]]:
    """Make one row per cue; overlaps are with its own pattern, or with the memory it ended in."""
    import numpy as np

    from ..patterns import overlap

    target = ends.memory if task.own is None else task.own
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
            "energy_before": float(ends.before[i]),
            "energy_after": float(ends.after[i]),
            "overlap_before": float(before[i]),
            "overlap_after": float(after[i]),
            "settle_time": float(traj.settle_times[i]),
            "rhs": int(traj.stats["rhs_per_cue"][i]),
            "memory": int(ends.memory[i]),
            "weight": float(ends.weight[i]),
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
