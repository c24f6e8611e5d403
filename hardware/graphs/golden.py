"""What golden vectors of a `GraphPlan` hold; docs/integers.md documents the arrays."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ..errors import MappingError
from .files import to_parts
from .job import GraphJob
from .machine import GraphMachine
from .plan import GraphPlan
from .turns import signals

FORMAT = "amsim golden vectors of a graph 1"
# What NumPy calls the arguments of `savez_compressed`, beside our own array of that name.
_TAKEN = "json", "file", "allow_pickle"
_OF_LAYERS = ("sent", "drive", "a", "c_known", "sum")


def contents(plan: GraphPlan, job: GraphJob) -> dict[str, Any]:
    """The arrays of the file, by name.

    Raises
    ------
    MappingError
        If two arrays would have one name.
    """
    _check_names(plan)
    scalars, arrays = to_parts(plan)
    numbers = {name: scalars[name] for name in ("graph", "layers", "projections")}
    head = {"format": FORMAT, "period": plan.period, "begins": plan.begins, **numbers}
    return {
        "json": np.array(json.dumps(head | {"verified_on_hardware": False})),
        **{n: x for n, x in arrays.items() if not n.startswith("network.")},
        **{f"start.{name}": rows for name, rows in job.start.items()},
        **{f"input.{name}": rows for name, rows in job.inputs.items()},
        **_signals(GraphMachine(plan, job)),
    }


def _check_names(plan: GraphPlan) -> None:
    for name in _TAKEN:
        if name in plan.layers:
            raise MappingError(
                f"layer {name!r}: golden vectors cannot hold an array of this name beside their "
                f"own; give it another name"
            )
    if {"input", "normaliser"} <= set(plan.layers) and plan.layers["input"].normaliser:
        raise MappingError(
            "layers 'input' and 'normaliser': golden vectors would hold two arrays "
            "'input.normaliser'; give one of the layers another name"
        )


def _signals(machine: GraphMachine) -> dict[str, Any]:
    """States, messages and what lies between them, after every step; 0 before they are set."""
    rows: dict[str, list[Any]] = {name: [] for name in signals(machine.plan)}
    between = [f"{name}.{part}" for name in machine.plan.layers for part in _OF_LAYERS]
    between += [f"{each.name}.total" for each in machine.plan.projections]
    computed = {x.signal for step in machine.steps for turn in step for x in turn.operations}
    between = [name for name in between if name in computed]
    rows |= {f"signal.{name}": [] for name in between}
    for t in range(machine.job.steps):
        machine.step(t)
        for name in signals(machine.plan):
            rows[name].append(machine.signal(name))
        for name in between:
            found = machine.values.get(name)
            rows[f"signal.{name}"].append(_like(machine, name) if found is None else found)
    return {name: np.array(values) for name, values in rows.items()}


def _like(machine: GraphMachine, name: str) -> Any:
    """Zeros of the shape of a signal that has not been set."""
    layer, _, part = name.partition(".")
    return np.zeros_like(machine.values[f"{layer}.c" if part == "sum" else f"{layer}.x"])
