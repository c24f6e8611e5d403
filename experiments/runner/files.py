"""The folder of a run: its lock, its files, and run.json."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from amsim.files import as_json, open_regular, parse_json, write_atomically

from .schema import RECORD

if TYPE_CHECKING:
    from filelock import BaseFileLock

RUN, UNITS, DATA, PNG, PDF, SUMMARY = FILES = (
    "run.json", "units.jsonl", "data.nc", "figure.png", "figure.pdf", "summary.md",
)  # fmt: skip
FORMAT = "amsim experiment 1"
LOCK = ".amsim.lock"
_LONGEST = 1 << 26  # bytes of run.json
_LOCK_TIMEOUT = 0.2  # seconds to wait for a lock: longer than `in_use` holds it


class RecordError(ValueError):
    """A folder is not what is needed; the message says what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def printable(text: str) -> str:
    r"""Write what a terminal would obey, or could not show, as an escape of Python.

    Examples
    --------
    >>> print(printable("\x1b[2Jgone, été"))
    \x1b[2Jgone, été
    """
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text
    )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder, and keep others out of it until this block or this process ends.

    Raises
    ------
    RecordError
        If another run is at work in it, or what has the name of its lock is something else.
    """
    from filelock import Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise RecordError(f"{folder} is a file; pass another folder") from error
    try:
        held = _lock(folder).acquire(timeout=_LOCK_TIMEOUT)
    except Timeout as error:
        raise RecordError(
            f"{folder} is in use by {_owner(folder)}; wait for it, or pass another folder"
        ) from error
    with held:
        yield


def _owner(folder: Path) -> str:
    """Name the process that its record names."""
    with suppress(RecordError, KeyError):
        last = read_record(folder)["sessions"][-1]
        return f"process {last['process']} on {last['host']}"
    return "another run"


def in_use(folder: Path) -> bool:
    """Whether a run is at work in a folder."""
    from filelock import Timeout

    if not os.path.lexists(folder / LOCK):
        return False
    lock = _lock(folder)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:  # a folder that may only be read
        return False
    lock.release()
    return False


def _lock(folder: Path) -> BaseFileLock:
    """Return the lock of a folder; it is an empty file, which stays."""
    from filelock import FileLock

    path = folder / LOCK
    with suppress(FileNotFoundError):
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size:
            raise RecordError(f"{path} is no lock of amsim; move it away, or pass another folder")
    return FileLock(path)


def open_file(path: Path) -> BinaryIO:
    """Open a file of a run for reading, as `amsim.files.open_regular` does.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If there is nothing of that name.
    RecordError
        If it is no regular file, or may not be read.
    """
    try:
        return open_regular(path)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise RecordError(
            f"{path} cannot be read: {error.strerror}; move it away, or pass another folder"
        ) from error


def remove(path: Path) -> None:
    """Remove a file of a run, but no folder."""
    try:
        path.unlink()
    except (IsADirectoryError, PermissionError) as error:
        if path.is_dir():
            raise RecordError(f"{path} is a folder; move it away") from error
        raise


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write run.json."""
    text = as_json(record) + "\n"
    write_atomically(folder / RUN, lambda file: file.write(text.encode()))


def read_record(folder: Path) -> dict[str, Any]:
    """Read run.json.

    Raises
    ------
    RecordError
        If there is none, or it is damaged.
    """
    path = folder / RUN
    try:
        with open_file(path) as file:
            text = file.read(_LONGEST + 1)
        if len(text) > _LONGEST:
            raise ValueError(f"it is longer than {_LONGEST} bytes")
        record = parse_json(text, strict=True)
        if not isinstance(record, dict) or record.get("format") != FORMAT:
            raise RecordError(f"{path} is not the record of an experiment; pass another folder")
        RECORD("record", record)
    except FileNotFoundError as error:
        missing = f"has no {RUN}" if folder.is_dir() else "does not exist"
        raise RecordError(f"{folder} {missing}; pass the folder of an experiment") from error
    except NotADirectoryError as error:
        raise RecordError(f"{folder} is a file; pass the folder of an experiment") from error
    except RecordError:
        raise
    except (ValueError, TypeError, RecursionError) as error:
        raise RecordError(
            f"{path} is damaged: {error}; start anew with --force, which deletes {UNITS}, too"
        ) from error
    if record["status"] == "running" and not in_use(folder):
        record["status"] = "broken off"
    return record
