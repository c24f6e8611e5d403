"""The cost of a run, estimated from a few of its units."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .design import Design
from .sweep import work


@dataclass(frozen=True)
class Plan:
    """Costs of a run that has not been made.

    Parameters
    ----------
    units : int
        Units of work.
    grid : str
        How they come about.
    loading : float
        Seconds that a process takes once: what its first units took longer than their repetition.
    sampled : tuple of float
        Seconds of units spread over the grid, one after the other on this machine.
    log_bytes, data_bytes : float
        Size of the log and of the dataset.
    workers : int
    hours : float
        Of work, on one worker.
    wall_seconds : float
        On all workers, with what each loads.
    errors : tuple of str
        Of sampled units that failed.
    """

    units: int
    grid: str
    loading: float
    sampled: tuple[float, ...]
    log_bytes: float
    data_bytes: float
    workers: int
    hours: float
    wall_seconds: float
    errors: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}


def plan(design: Design, *, workers: int = 1, samples: int = 8, patience: float = 30.0) -> Plan:
    """Measure some units of a design, and multiply.

    Parameters
    ----------
    design : Design
    workers : int
    samples : int
        Units to measure, twice each: one in each part of the grid, in any order.
    patience : float
        Seconds after which no further unit is begun.
    """
    total = len(design)
    draws = np.random.default_rng(0)
    parts = draws.permutation(min(samples, total))
    numbers = [int(total * (part + draws.random()) / len(parts)) for part in parts]
    start, rows, loading = time.perf_counter(), [], 0.0
    for number in numbers:
        # The first time a unit may load and compile what the second finds ready.
        once, again = _measure(design, number), _measure(design, number)
        rows.append(again)
        loading += max(once["seconds"] - again["seconds"], 0.0)
        if time.perf_counter() - start > patience:
            break
    seconds = [row["seconds"] for row in rows]
    size = sum(len(json.dumps(row)) + 10 for row in rows) / len(rows)
    numbers_per_unit = sum(
        np.size(value)
        for value in next((r["results"] for r in rows if "results" in r), {}).values()
    )
    mean = sum(seconds) / len(seconds)
    per_worker = math.ceil(total / workers)
    lengths = [f"{len(values)} {name}" for name, values in design.axes.items()]
    return Plan(
        units=total,
        grid=" x ".join([*lengths, f"{design.repeats} repeats"]),
        loading=loading,
        sampled=tuple(seconds),
        log_bytes=size * total,
        data_bytes=8.0 * numbers_per_unit * total,
        workers=workers,
        hours=mean * total / 3600,
        wall_seconds=mean * per_worker + loading,
        errors=tuple(row["error"] for row in rows if "error" in row),
    )


def words(plan: Plan) -> str:
    """Put a plan into words."""
    sampled = ", ".join(f"{seconds:.3g}" for seconds in plan.sampled)
    mean = sum(plan.sampled) / len(plan.sampled)
    lines = [
        f"{plan.units} units = {plan.grid}",
        f"{mean:.3g} s per unit, measured here on {len(plan.sampled)} of them: {sampled} s "
        f"(and {plan.loading:.3g} s once in a process, to load and compile)",
        f"{_span(plan.hours * 3600)} of work; on {plan.workers} "
        f"{'worker' if plan.workers == 1 else 'workers'} about {_span(plan.wall_seconds)}, and "
        f"what sending and keeping units takes",
        f"on disk: {_size(plan.log_bytes)} log, {_size(plan.data_bytes)} data",
        *(f"a sampled unit failed: {error}" for error in plan.errors),
    ]
    return "\n".join(lines)


def _measure(design: Design, number: int) -> dict[str, Any]:
    return work(design.experiment.measure, [(number, *design.unit(number))], 0.0)[0]


def _span(seconds: float) -> str:
    for limit, unit in ((86400 * 2, 86400), (7200, 3600), (120, 60)):
        if seconds >= limit:
            return f"{seconds / unit:.3g} {({86400: 'days', 3600: 'hours', 60: 'minutes'})[unit]}"
    return f"{seconds:.3g} s"


def _size(size: float) -> str:
    for power, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= power:
            return f"{size / power:.3g} {unit}"
    return f"{size:.0f} B"
