"""The command ``amsim run``: recalls cues with a plan on a backend."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import as_json
from .console import DONE, MISSING, UserError, count, emit, fail, note, positive
from .files import Floats, add_output, load, output, write

if TYPE_CHECKING:
    from ..hardware import Events, GraphPlan, Plan, Result

RECORD, STATES = FILES = "result.json", "states.npz"
_LISTED = 20
_HELP = """\
  amsim run --plan runs/plan/plan.json --cues damaged.npy --out runs/emulated
  amsim run --plan runs/plan/plan.json --cues damaged.npy --backend lava --out runs/lava
  amsim run --plan runs/plan/plan.json --events retina.npz --unit 0.04 --charge 0.1 --out runs/seen
"""


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "run",
        examples=_HELP,
        help="recall your own cues with the integers of a plan",
        description="Recall cues with the integers of a plan that amsim map wrote.",
    )
    add = parser.add_argument
    add("--plan", metavar="FILE.json", required=True, help="plan of amsim map")
    add(
        "--cues",
        metavar="FILE.npy",
        help="array (cues, units), or one cue (units); with --events 0 by default",
    )
    add(
        "--backend",
        default="emulator",
        help="emulator (default), lava, lava-float, lava-fused, or one that a package registered",
    )
    add("--steps", type=int, help="steps of a recall (default: as in the plan)")
    sensor = parser.add_argument_group("address events of a sensor, which drive the cued layer")
    add = sensor.add_argument
    add(
        "--events",
        metavar="FILE.npz",
        help="whole numbers x, y, t (microseconds) and p (polarity), one unit a pixel",
    )
    add("--unit", type=positive, metavar="SECONDS", help="what one unit of tau stands for")
    add("--charge", type=float, metavar="X", help="of an ON event; an OFF event has its negative")
    add(
        "--sensor",
        type=int,
        nargs=2,
        metavar=("ROWS", "COLUMNS"),
        help="pixels (default: a square of all units)",
    )
    add_output(parser, FILES, default=None)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from .. import hardware as hw
    from ..hardware.files import load as load_plan

    try:
        plan = load_plan(args.plan)
    except OSError as error:
        raise UserError(
            f"{error.filename or args.plan} cannot be read: {error.strerror}"
        ) from error
    except ValueError as error:
        raise UserError(str(error)) from error
    if len(plan.cued) > 1:
        raise UserError(
            f"{args.plan} takes cues of several layers ({', '.join(plan.cued)}), and --cues are of "
            f"one: recall them in Python, hardware.run(GraphPlan.load(...), {{layer: cue, ...}})"
        )
    events, cues = _events(plan, args), _cues(plan, args)
    try:
        with output(args.out, FILES, args.force) as folder:
            note(f"recalling {count(cues, 'cue')} on {args.backend} ...")
            given = None if events is None else {plan.cued[0]: events}
            result = hw.run(plan, cues, backend=args.backend, steps=args.steps, inputs=given)
            record = _record(plan, result, folder)
            write(folder / STATES, lambda file: _save_states(file, result))
            write(folder / RECORD, lambda file: file.write(as_json(record).encode() + b"\n"))
    except (hw.BackendUnavailable, hw.lava.LavaError) as error:
        return fail(MISSING, str(error))
    except hw.RangeError as error:
        if events is None or not error.signal.startswith("events of"):
            raise UserError(str(error)) from error
        needed = events.largest(plan.dt, plan.begins[plan.cued[0]] / plan.period)
        raise UserError(
            f"{args.events} drives units by up to {needed:.4g}, more than the plan was made for: "
            f"amsim map --input-limit {needed:.4g}"
        ) from error
    except ValueError as error:
        raise UserError(str(error)) from error
    emit(as_json(record) if args.json else _table(record, folder))
    return DONE


def _cues(plan: Plan | GraphPlan, args: argparse.Namespace) -> Floats:
    import numpy as np

    if args.cues is None:
        if args.events is None:
            raise UserError("there is nothing to recall: give --cues, or --events")
        return np.zeros((1, plan.network.layers[plan.cued[0]].size))
    cues = load(args.cues)
    if cues.ndim not in (1, 2):
        raise UserError(f"{args.cues} has shape {cues.shape}; cues need shape (cues, units)")
    return cues.reshape(-1, cues.shape[-1])


def _events(plan: Plan | GraphPlan, args: argparse.Namespace) -> Events | None:
    from .. import hardware as hw

    given = {"--unit": args.unit, "--charge": args.charge}
    if args.events is None:
        more = [option for option, value in {**given, "--sensor": args.sensor}.items() if value]
        if more:
            raise UserError(f"{', '.join(more)}: of events; give --events FILE.npz as well")
        return None
    if missing := [option for option, value in given.items() if value is None]:
        raise UserError(f"--events needs {' and '.join(missing)}")
    size = plan.network.layers[plan.cued[0]].size
    side = math.isqrt(size)
    if args.sensor is None and side * side != size:
        raise UserError(f"--sensor ROWS COLUMNS is missing: {size} units are no square of pixels")
    shape = rows, columns = tuple(args.sensor or (side, side))
    if rows * columns != size:
        raise UserError(
            f"--sensor {rows} {columns} has {rows * columns} pixels, and the plan has {size} "
            f"units: one unit a pixel"
        )
    try:
        return hw.Events.read_aer(args.events, shape, unit=args.unit, charge=args.charge)
    except OSError as error:
        raise UserError(f"{args.events} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise UserError(str(error)) from error


def _save_states(file: Any, result: Result) -> None:
    import numpy as np

    states: dict[str, Any] = {f"final/{name}": state for name, state in result.final.items()}
    integers: dict[str, Any] = {
        f"integers/{name}": state for name, state in result.integers.items()
    }
    np.savez_compressed(file, **states, **integers)


def _record(plan: Plan | GraphPlan, result: Result, folder: Path) -> dict[str, Any]:
    return {
        "command": "run",
        "backend": result.backend,
        "plan": repr(plan),
        "steps": result.steps,
        "seconds": result.seconds,
        "verified_on_hardware": False,
        "results": _rows(plan, result),
        "files": [str(folder / name) for name in FILES],
    }


def _rows(plan: Plan | GraphPlan, result: Result) -> list[dict[str, Any]]:
    """Make one row per cue; its memory is the unit with the largest state.

    Which units are memories a plan of any layers does not say.
    """
    from ..hardware import GraphPlan

    settled = result.settled
    found: list[dict[str, Any]] = [{"memory": None, "overlap": None}] * math.prod(result.batch)
    if not isinstance(plan, GraphPlan):
        visible, hidden = result.final["visible"], result.final["hidden"]
        memory = hidden.argmax(axis=1)
        stored: Floats = plan.weights[memory] / plan.weight_scale
        overlap = (stored * visible).sum(axis=1) / visible.shape[1]
        found = [
            {"memory": int(k), "overlap": float(m)} for k, m in zip(memory, overlap, strict=True)
        ]
    return [
        {
            "cue": i,
            **what,
            "at_rest_after": None if settled is None or settled[i] < 0 else int(settled[i]),
            "messages": {name: int(number[i]) for name, number in result.messages.items()},
        }
        for i, what in enumerate(found)
    ]


def _table(record: dict[str, Any], folder: Path) -> str:
    rows = record["results"]
    lines = [f"{'cue':>5} {'memory':>7} {'overlap':>8} {'at rest':>8}  messages"]
    for row in rows[:_LISTED]:
        memory = "-" if row["memory"] is None else str(row["memory"])
        overlap = "-" if row["overlap"] is None else f"{row['overlap']:.3f}"
        rest = "-" if row["at_rest_after"] is None else str(row["at_rest_after"])
        messages = ", ".join(f"{name} {number}" for name, number in row["messages"].items())
        lines.append(f"{row['cue']:>5} {memory:>7} {overlap:>8} {rest:>8}  {messages}")
    if len(rows) > _LISTED:
        lines.append(f"  ... and {len(rows) - _LISTED} more in {RECORD}")
    took = record["seconds"].get("run", 0.0)
    return "\n".join(
        [
            *lines,
            "",
            f"{record['steps']} steps on {record['backend']} in {took:.2f} s; "
            f"verified_on_hardware: false",
            f"written to {folder}: {', '.join(FILES)}",
        ]
    )
