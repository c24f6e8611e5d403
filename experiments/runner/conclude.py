"""The conclusion of a run: dataset, figure and verdict from its units."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amsim.files import write_atomically
from amsim.plot import lettered

from .dataset_file import to_netcdf
from .design import Design
from .experiment import Claim
from .files import DATA, PDF, PNG, SUMMARY, UNITS
from .summary import markdown
from .sweep import Row
from .unit_log import read

if TYPE_CHECKING:
    import xarray as xr

_LISTED = 100  # failed units in run.json; all of them are in the log


class UnitsFailed(RuntimeError):  # noqa: N818 (an end of a run, like KeyboardInterrupt)
    """Not one unit could be measured."""


def count(folder: Path, design: Design, record: dict[str, Any]) -> None:
    """Count units, and list those that failed."""
    measured: set[int] = set()
    failures: dict[int, Row] = {}
    seconds = 0.0
    for row in read(folder / UNITS, design):
        seconds += row["seconds"]
        if "results" in row:
            measured.add(row["unit"])
            failures.pop(row["unit"], None)
        elif row["unit"] not in measured:
            failures[row["unit"]] = row
    record["units"] = {
        "total": len(design),
        "measured": len(measured),
        "failed": len(failures),
        "seconds": round(seconds, 3),
    }
    record["failures"] = [
        {"unit": number, "repeat": number % design.repeats, "at": design.point(number)}
        | {key: row[key] for key in ("error", "traceback")}
        for number, row in sorted(failures.items())[:_LISTED]
    ]


def conclude(folder: Path, design: Design, record: dict[str, Any]) -> xr.Dataset:
    """Write the data, the figure and the verdict."""
    count(folder, design, record)
    record["claims"], record["problems"] = [], []
    if not record["units"]["measured"]:
        first = record["failures"][0]["error"]
        raise UnitsFailed(f"all {len(design)} units failed, the first with {first}")
    data = design.dataset(
        (row["unit"], row["results"]) for row in read(folder / UNITS, design) if "results" in row
    )
    netcdf = to_netcdf(data)
    record["sha256"] = hashlib.sha256(netcdf).hexdigest()
    write_atomically(folder / DATA, lambda file: file.write(netcdf))
    with _noted(record, "the claims could not be judged"):
        record["claims"] = [_plain(claim) for claim in design.experiment.judge(data)]
    with _noted(record, "the figure could not be drawn"):
        figure = lettered(design.experiment.draw(data))
        write_atomically(folder / PNG, lambda file: figure.savefig(file, format="png", dpi=150))
        plain = {"CreationDate": None}
        write_atomically(
            folder / PDF, lambda file: figure.savefig(file, format="pdf", metadata=plain)
        )
    write_atomically(folder / SUMMARY, lambda file: file.write(markdown(record).encode()))
    return data


def _plain(claim: Claim) -> dict[str, Any]:
    """Turn what may be arrays without axes into numbers of JSON."""
    return {
        "text": claim.text,
        "measured": float(claim.measured),
        "predicted": None if claim.predicted is None else float(claim.predicted),
        "holds": None if claim.holds is None else bool(claim.holds),
    }


@contextmanager
def _noted(record: dict[str, Any], what: str) -> Iterator[None]:
    """Put what goes wrong after the measurement into the record: the data are there."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        record["problems"].append(f"{what}: {type(error).__name__}: {error}")
