"""Golden vectors: what every unit should hold and send, step by step, to check microcode with.

Format of the .npz file, all integers, B cues, T steps, D features, K memories:

================== =============== ==========================================================
array              shape           meaning
================== =============== ==========================================================
json               ()              text: format, period, and the scalars of the plan by part
weights            (K, D)          int8
visible.decay ...  (D,), (K,)      arrays of the plan, named as in `hardware.files`
start.visible      (B, D)          v before step 0
start.hidden       (B, K)          h before step 0
start.normaliser   (B, 1)          c before step 0, in the normaliser and in every memory
clamped            (B, D)          bool: features that keep their v
input.visible      (P, B, D)       input of period k in row min(k, P - 1)
input.hidden       (P, B, K)
visible            (T, B, D)       v at the end of step t
hidden             (T, B, K)       h at the end of step t
normaliser         (T, B, 1)       c at the end of step t
visible_out        (T, B, D)       message sent in step t, 0 for none; arrives in step t + 1
hidden_out         (T, B, K)
normaliser_out     (T, B, 1)
================== =============== ==========================================================

The arrays of the normaliser are missing for rectified-power memories. `hardware.schedule`
says what is computed in which step.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from amsim import checks
from amsim.files import refuse_existing, write_atomically

from .emulator import emulate
from .files import require_folder, to_parts
from .jobs import prepare
from .plan import Plan
from .schedule import SIGNALS

FORMAT = "amsim golden vectors 1"


def write_golden(
    plan: Plan,
    cues: ArrayLike,
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
    job, _ = prepare(plan, cues, steps=steps, **job_options)
    softmax = plan.normaliser is not None
    record = tuple(name for name in SIGNALS if softmax or not name.startswith("normaliser"))
    trace = emulate(plan, job, record)
    scalars, arrays = to_parts(plan)
    head = {"format": FORMAT, "period": plan.period, "verified_on_hardware": False, **scalars}
    start = {"start.visible": job.visible, "start.hidden": job.hidden}
    if softmax:
        start["start.normaliser"] = job.log_sum
    contents: dict[str, Any] = {
        "json": np.array(json.dumps(head)),
        **{n: x for n, x in arrays.items() if not n.startswith("network.")},
        **start,
        "clamped": job.clamped,
        "input.visible": job.input_visible,
        "input.hidden": job.input_hidden,
        **trace.signals,
    }
    write_atomically(path, lambda file: np.savez_compressed(file, **contents))
    return path
