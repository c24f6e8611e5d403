"""Golden vectors: what every unit should hold and send, step by step, to check microcode with.

docs/integers.md documents the arrays of the file, and suffices to compute them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from amsim import checks
from amsim.files import refuse_existing, write_atomically

from .emulator import Machine
from .files import require_folder, to_parts
from .graphs.golden import contents as graph_contents
from .graphs.job import prepare as prepare_graph
from .graphs.plan import GraphPlan
from .jobs import prepare
from .plan import Integers, Job, Plan
from .schedule import SIGNALS

FORMAT = "amsim golden vectors 2"
# Signals of `hardware.schedule` that are neither a state nor a message, and of whose size they are.
_INTERMEDIATES = {
    "sent": "visible",
    "arriving": "visible",
    "total": "hidden",
    "a": "hidden",
    "c_hidden": "normaliser",
    "sum": "normaliser",
}


def write_golden(
    plan: Plan | GraphPlan,
    cues: Mapping[str, ArrayLike] | ArrayLike,
    path: str | Path,
    *,
    steps: int | None = None,
    force: bool = False,
    **job_options: Any,
) -> Path:
    """Write golden vectors; see `Plan.golden`."""
    path, force = checks.path("path", path), checks.flag("force", force)
    if path.suffix != ".npz":
        raise ValueError(f"{path}: golden vectors are saved as .npz")
    require_folder(path)
    refuse_existing(path, force=force)
    if isinstance(plan, GraphPlan):
        given, _ = prepare_graph(plan, cues, steps=steps, **job_options)
        arrays = graph_contents(plan, given)
    else:
        arrays = _contents(plan, prepare(plan, cues, steps=steps, **job_options)[0])  # type: ignore[arg-type]
    write_atomically(path, lambda file: np.savez_compressed(file, **arrays))
    return path


def _contents(plan: Plan, job: Job) -> dict[str, Any]:
    """The arrays of the file, by name."""
    softmax = plan.normaliser is not None
    scalars, arrays = to_parts(plan)
    head = {"format": FORMAT, "period": plan.period, "verified_on_hardware": False, **scalars}
    start = {"start.visible": job.visible, "start.hidden": job.hidden}
    if softmax:
        start["start.normaliser"] = job.log_sum
    return {
        "json": np.array(json.dumps(head)),
        **{n: x for n, x in arrays.items() if not n.startswith("network.")},
        **start,
        "clamped": job.clamped,
        "input.visible": job.input_visible,
        "input.hidden": job.input_hidden,
        **_signals(Machine(plan, job)),
    }


def _signals(machine: Machine) -> dict[str, Integers]:
    """States, messages and what lies between them, after every step."""
    softmax = machine.plan.normaliser is not None
    names = [name for name in SIGNALS if softmax or not name.startswith("normaliser")]
    computed = {operation.signal for turn in machine.period for operation in turn.operations}
    between = [name for name in _INTERMEDIATES if name in computed]
    nothing = {name: np.zeros_like(state) for name, state in machine.final().items()}
    rows: dict[str, list[Integers]] = {name: [] for name in names}
    rows |= {f"signal.{name}": [] for name in between}
    for t in range(machine.job.steps):
        machine.step(t)
        for name in names:
            rows[name].append(machine.signal(name))
        for name in between:
            value = machine.values.get(name, nothing[_INTERMEDIATES[name]])
            rows[f"signal.{name}"].append(value)
    return {name: np.array(values) for name, values in rows.items()}
