"""The folder of a run: one driver at a time, and no half files."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

RUN, UNITS, DATA, PNG, PDF, SUMMARY = FILES = (
    "run.json", "units.jsonl", "data.nc", "figure.png", "figure.pdf", "summary.md",
)  # fmt: skip
FORMAT = "amsim experiment 1"
_LOCK = ".lock"
_KEYS = {
    "format": str, "experiment": str, "question": str, "size": str, "seed": int, "repeats": int,
    "parameters": dict, "labels": dict, "status": str, "units": dict, "failures": list,
    "claims": list, "problems": list, "sessions": list,
}  # fmt: skip

_ENTRIES = {
    "failures": {"unit", "at", "repeat", "error"},
    "claims": {"text", "measured", "predicted", "holds"},
    "sessions": {"versions", "commit", "python", "platform", "processor", "started"},
}


class RecordError(ValueError):
    """A folder is not what is needed; the message says what to do."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder, and keep others out of it until this block or this process ends.

    Raises
    ------
    RecordError
        If another run is at work in it.
    """
    import fcntl

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise RecordError(f"{folder} is a file; pass another folder") from error
    with (folder / _LOCK).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            owner = file.read().strip() or "another process"
            raise RecordError(
                f"{folder} is in use by {owner}; wait for it, or pass another folder"
            ) from error
        _held.add(file)
        try:
            with suppress(OSError):  # a full disk is reported where something gets lost
                os.truncate(file.fileno(), 0)
                os.write(file.fileno(), f"process {os.getpid()} on {socket.gethostname()}".encode())
            yield
        finally:
            _held.discard(file)


# The kernel drops a lock with its last file handle, however a process ends; but a forked worker
# has a copy of each, and may outlive the driver.
_held: set[IO[str]] = set()


def _let_go() -> None:
    for file in _held:
        file.close()
    _held.clear()


os.register_at_fork(after_in_child=_let_go)


def in_use(folder: Path) -> bool:
    """Whether a run is at work in a folder."""
    import fcntl

    try:
        with (folder / _LOCK).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def write(path: Path, save: Callable[[Path], object]) -> None:
    """Save beside and rename, once everything is on the disk."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        save(partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write run.json."""
    from amsim.cli.console import as_json

    write(folder / RUN, lambda path: path.write_text(as_json(record) + "\n"))


def read_record(folder: Path) -> dict[str, Any]:
    """Read run.json.

    Raises
    ------
    RecordError
        If there is none, or it is damaged.
    """
    path = folder / RUN
    try:
        record = json.loads(path.read_text())
    except FileNotFoundError as error:
        missing = f"has no {RUN}" if folder.is_dir() else "does not exist"
        raise RecordError(f"{folder} {missing}; pass the folder of an experiment") from error
    except NotADirectoryError as error:
        raise RecordError(f"{folder} is a file; pass the folder of an experiment") from error
    except (ValueError, RecursionError) as error:
        raise RecordError(
            f"{path} is damaged: {error}; start anew with --force, which deletes {UNITS}, too"
        ) from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise RecordError(f"{path} is not the record of an experiment; pass another folder")
    for key, kind in _KEYS.items():
        if not isinstance(record.get(key), kind):
            raise RecordError(f"{path} is damaged: {key!r} is missing or of the wrong kind")
    for key, needed in _ENTRIES.items():
        if not all(isinstance(entry, dict) and needed <= entry.keys() for entry in record[key]):
            raise RecordError(f"{path} is damaged: an entry of {key!r} is not complete")
    if not record["sessions"]:
        raise RecordError(f"{path} is damaged: it names no session")
    if record["status"] == "running" and not in_use(folder):
        record["status"] = "broken off"
    return record
