"""Repetition of a run from its record, with a comparison."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import find
from .dataset_file import from_netcdf, load, to_netcdf
from .design import Design
from .files import RecordError, printable, read_record
from .record import identity, run

if TYPE_CHECKING:
    import xarray as xr


def design_of(folder: str | Path) -> Design:
    """Read the design of a recorded run.

    Raises
    ------
    RecordError
        If there is no record, or it is damaged or of another version of the experiment.
    """
    record = read_record(Path(folder))
    try:
        experiment = find(record["experiment"])
        same = record["parameters"].keys() == experiment.parameters.keys()
        design = Design.of(
            experiment,
            size=record["size"],
            seed=record["seed"],
            repeats=record["repeats"],
            **(record["parameters"] if same else {}),
        )
    except (ValueError, TypeError) as error:
        raise RecordError(f"{folder} cannot be run again: {error}") from error
    if not same or any(record[key] != value for key, value in identity(design).items()):
        raise RecordError(
            f"{folder} is of another version of {record['experiment']}: its parameters differ; "
            f"use commit {record['sessions'][0].get('commit')}"
        )
    return design


def rerun(
    folder: str | Path,
    out: str | Path | None = None,
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    executor: Executor | None = None,
    resume: bool = False,
    force: bool = False,
) -> list[str]:
    """Measure every unit of a recorded run again.

    Parameters
    ----------
    folder : str or Path
        Of the recorded run. It stays as it is.
    out : str or Path, optional
        Where the second record goes; by default it is thrown away.
    jobs, scheduler, executor, resume, force
        As in `experiments.runner.record.run`.

    Returns
    -------
    list of str
        What differs; empty if all arrays are identical.
    """
    design = design_of(folder)
    old = load(folder)
    with _folder(out) as place:
        new = run(
            design, place, jobs=jobs, scheduler=scheduler, executor=executor, resume=resume,
            force=force,
        )  # fmt: skip
        return differences(old, from_netcdf(to_netcdf(new)))


def differences(old: xr.Dataset, new: xr.Dataset) -> list[str]:
    """Say which variables of two datasets are not identical, bit for bit or both NaN."""
    return [printable(line) for line in _differences(old, new)]


def _differences(old: xr.Dataset, new: xr.Dataset) -> list[str]:
    found = []
    for name in sorted({*map(str, old.variables), *map(str, new.variables)}):
        if name not in old.variables or name not in new.variables:
            found.append(f"{name} is only in the {'new' if name in new.variables else 'old'} run")
        elif old[name].dims != new[name].dims or old[name].shape != new[name].shape:
            found.append(
                f"{name} has another shape: {dict(old[name].sizes)}, {dict(new[name].sizes)}"
            )
        elif not old[name].identical(new[name]):
            found.append(_difference(name, old[name], new[name]))
    return found


def changed_origin(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Say which versions, commit or processor two sessions do not share."""
    flat = [{**session["versions"], **session} for session in (old, new)]
    keys = [*old["versions"], "commit", "python", "platform", "processor"]
    return [
        printable(f"{key}: {flat[0].get(key)} then, {flat[1].get(key)} now")
        for key in keys
        if flat[0].get(key) != flat[1].get(key)
    ]


def _difference(name: str, old: xr.DataArray, new: xr.DataArray) -> str:
    a, b = old.values, new.values
    if a.dtype.kind != "f":
        return f"{name} differs"
    unequal = ~((a == b) | (np.isnan(a) & np.isnan(b)))
    if not unequal.any():
        return f"{name} has other attributes or coordinates"
    gap = np.abs(a - b)[unequal]
    largest = f", by up to {np.nanmax(gap):.3g}" if np.isfinite(gap).any() else ""
    return f"{name} differs in {unequal.sum()} of {unequal.size} numbers{largest}"


@contextmanager
def _folder(out: str | Path | None) -> Iterator[Path]:
    if out is not None:
        yield Path(out)
        return
    with tempfile.TemporaryDirectory(prefix="amsim-rerun-") as name:
        yield Path(name)
