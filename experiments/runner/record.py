"""The run of an experiment on disk, from its folder to its verdict; `--resume` goes on with it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amsim import checks

from .conclude import UnitsFailed, conclude, count
from .design import Design
from .files import (
    FILES,
    FORMAT,
    UNITS,
    RecordError,
    locked,
    read_record,
    remove,
    write_record,
)
from .pools import open_pool
from .progress import Progress
from .provenance import provenance
from .sweep import Row, Sweep, failure
from .unit_log import UnitLog, read

if TYPE_CHECKING:
    import xarray as xr


def run(
    design: Design,
    out: str | Path | None = None,
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    executor: Executor | None = None,
    resume: bool = False,
    retry: bool = False,
    force: bool = False,
) -> xr.Dataset:
    """Measure every unit of a design, and leave a record in a folder if one is given.

    Parameters
    ----------
    design : Design
    out : str or Path, optional
    jobs, scheduler, executor
        Where the units are measured; see `Experiment.run`.
    resume : bool, default False
        Go on with the units that the folder lacks, if it holds a part of this run.
    retry : bool, default False
        With resume: also those that failed.
    force : bool, default False
        Replace the run that the folder holds.

    Raises
    ------
    RecordError
        If the folder is in use, holds something else, or cannot be written.
    PoolError
        If the workers cannot be reached or are gone.
    UnitsFailed
        If every unit failed.
    """
    resume, force = checks.flag("resume", resume), checks.flag("force", force)
    with open_pool(jobs, scheduler, executor) as pool:
        if out is None:
            rows: list[Row] = []
            with Progress(len(design), kept=False) as progress:
                _sweep(design, pool, range(len(design)), rows.extend, progress)
            return _dataset(design, rows)
        folder = checks.path("out", out)
        with _disk_errors(folder), locked(folder):
            record = _begin(folder, design, resume=resume, force=force)
            session = {
                **provenance(), "process": os.getpid(), "started": _now(), "jobs": jobs,
                "scheduler": scheduler,
            }  # fmt: skip
            start = time.monotonic()
            record["sessions"].append(session)
            try:
                write_record(folder, record)
                _measure(folder, design, pool, retry)
                data = conclude(folder, design, record)
                record["status"] = "complete"
                return data
            except KeyboardInterrupt:
                record["status"] = "interrupted"
                raise
            except BaseException:
                record["status"] = "broken off"
                raise
            finally:
                session["seconds"] = round(time.monotonic() - start, 3)
                with suppress(OSError, RecordError):
                    count(folder, design, record)
                    write_record(folder, record)


def _begin(folder: Path, design: Design, *, resume: bool, force: bool) -> dict[str, Any]:
    """Take up the record of a folder, or make a new one."""
    found = [name for name in FILES if os.path.lexists(folder / name)]
    if resume and found:
        record = read_record(folder)
        _check_same(folder, record, design)
        record["status"] = "running"
        return record
    if found and not force:
        raise RecordError(
            f"{folder} holds {', '.join(found)}; go on with --resume, replace it with --force, "
            f"or pass another folder"
        )
    for name in found:
        remove(folder / name)
    return {
        "format": FORMAT,
        **identity(design),
        "question": design.experiment.question,
        "labels": {
            name: [quantity.label, quantity.unit]
            for name, quantity in design.experiment.parameters.items()
        },
        "status": "running",
        "units": {},
        "failures": [],
        "claims": [],
        "problems": [],
        "sessions": [],
    }


def identity(design: Design) -> dict[str, Any]:
    """What the results are a function of, but for the code."""
    parameters = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in design.parameters.items()
    }
    return {
        "experiment": design.experiment.name,
        "size": design.size,
        "seed": design.seed,
        "repeats": design.repeats,
        "parameters": parameters,
    }


def _check_same(folder: Path, record: Mapping[str, Any], design: Design) -> None:
    """Raise RecordError unless the units of the folder are units of this design."""
    ours = identity(design)
    theirs = {key: record[key] for key in ours}
    if theirs["experiment"] != ours["experiment"]:
        raise RecordError(
            f"{folder} holds a run of {theirs['experiment']}, not of {ours['experiment']}; "
            f"pass another folder"
        )
    pairs = {**theirs.pop("parameters"), **theirs}, {**ours.pop("parameters"), **ours}
    for name in [*pairs[0], *(name for name in pairs[1] if name not in pairs[0])]:
        old, new = (pair.get(name) for pair in pairs)
        # The same grid under another name of its size is the same grid.
        if old != new and name != "size":
            raise RecordError(
                f"{folder} holds a run with {name} = {old}, not {new}; resume it with the same "
                f"parameters, or pass another folder"
            )


def _measure(folder: Path, design: Design, pool: Any, retry: bool) -> None:
    """Measure the units that are not in the log, into the log."""
    done = {row["unit"] for row in read(folder / UNITS, design) if "results" in row or not retry}
    todo = [number for number in range(len(design)) if number not in done]
    with (
        UnitLog(folder / UNITS) as log,
        Progress(len(design), len(design) - len(todo)) as progress,
    ):

        def keep(rows: Sequence[Row]) -> None:
            with _disk_errors(folder):
                log.append(rows)

        _sweep(design, pool, todo, keep, progress)


def _sweep(design: Design, pool: Any, todo: Any, keep: Any, progress: Progress) -> None:
    def checked(row: Row) -> Row:
        if "results" in row:
            try:
                design.check(row["results"])
            except (ValueError, TypeError) as error:
                return failure(row["unit"], error)
        return row

    def keep_and_count(rows: Sequence[Row]) -> None:
        rows = [checked(row) for row in rows]
        keep(rows)
        progress.add(len(rows), sum("error" in row for row in rows))

    Sweep(design.experiment.measure, design.unit, keep_and_count, pool, progress).run(todo)


def _dataset(design: Design, rows: Sequence[Row]) -> xr.Dataset:
    """Arrange rows that are in memory."""
    failed = [row for row in rows if "error" in row]
    if failed:
        first = f"{len(failed)} of {len(rows)} units failed, the first with {failed[0]['error']}"
        if len(failed) == len(rows):
            raise UnitsFailed(first)
        import warnings

        warnings.warn(f"{first}; they are NaN", RuntimeWarning, stacklevel=4)
    return design.dataset((row["unit"], row["results"]) for row in rows if "results" in row)


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """Say what to do about a disk that is full or gone."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise RecordError(
            f"cannot write to {folder}: {reason}; what was measured is kept, "
            f"put it right and go on with --resume"
        ) from error


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
