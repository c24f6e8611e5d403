"""The log of finished units on disk: one line a unit, appended, with a checksum.

One file, written by one process, holds a million units where a million files would overload a
cluster's file system; workers need no access to it. A line is ``CRC32 JSON``, so that a reader
finds its way after any damage: what does not match its checksum is not there. A checksum is no
signature: a line that matches, but is no result of the design, is refused with its number.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from amsim.files import parse_json

from .files import RecordError, open_file
from .schema import ROW

if TYPE_CHECKING:
    from .design import Design

Row: TypeAlias = dict[str, Any]


class UnitLog:
    r"""Appends rows to a file; a row is on disk when `append` returns.

    Parameters
    ----------
    path : Path
        Made if it does not exist.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "units.jsonl"
    >>> with UnitLog(path) as log:
    ...     log.append([{"unit": 0, "results": {"x": 0.1}}])
    >>> path.read_text()
    '5dca47f9 {"unit":0,"results":{"x":0.1}}\n'
    """

    def __init__(self, path: Path) -> None:
        self._file = _open(path)
        try:
            self._end_last_line()
            _sync_folder(path.parent)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> UnitLog:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, rows: Iterable[Row]) -> None:
        """Write rows, and wait until they are on the disk."""
        self._write(b"".join(_line(row) for row in rows))

    def _write(self, data: bytes) -> None:
        while data:
            data = data[self._file.write(data) :]
        os.fsync(self._file.fileno())

    def _end_last_line(self) -> None:
        """Close a line that broke off, so that it does not take the next one with it."""
        if self._file.seek(0, os.SEEK_END):
            self._file.seek(-1, os.SEEK_END)
            if self._file.read(1) != b"\n":
                self._write(b"\n")


def read(path: Path, design: Design) -> Iterator[Row]:
    """Yield the intact rows in the order in which they were written.

    Raises
    ------
    RecordError
        If an intact line holds something else than a result, or the error, of one of the units.
    """
    measured: dict[int, int] = {}  # the line of a unit
    shapes: dict[str, tuple[int, ...]] = {}
    for number, text in _intact(path):
        try:
            row = _row(text, design)
            unit, results = row["unit"], row.get("results")
            if results is not None and measured.setdefault(unit, number) != number:
                raise ValueError(f"unit {unit} has results in line {measured[unit]} already")
            for name, value in (results or {}).items():
                shape = np.shape(value)
                if shapes.setdefault(name, shape) != shape:
                    raise ValueError(f"{name} has shape {shape}, and {shapes[name]} before")
        except (ValueError, TypeError, RecursionError) as error:
            raise RecordError(
                f"{path}, line {number}: {error}; delete that line and go on with --resume, "
                f"or start anew with --force"
            ) from error
        yield row


def damaged(path: Path) -> int:
    """Count the lines that do not match their checksum."""
    with open_file(path) as file:
        return sum(line != b"\n" and _text(line) is None for line in file)


def _intact(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number and JSON of the lines that match their checksum; none if there is no file."""
    try:
        file = open_file(path)
    except FileNotFoundError:
        return
    with file:
        for number, line in enumerate(file, 1):
            text = _text(line)
            if text is not None:
                yield number, text


def _row(text: bytes, design: Design) -> Row:
    """Read the JSON of a line."""
    row: Row = parse_json(text)
    ROW("row", row)
    if row["unit"] >= len(design):
        raise ValueError(f"there is no unit {row['unit']}; the run has {len(design)}")
    if ("results" in row) == ("error" in row):
        raise ValueError("it needs either results or an error")
    if "results" in row:
        if not isinstance(row["results"], dict) or not _are_numbers([*row["results"].values()]):
            raise TypeError("its results are not numbers by name, or lists of numbers")
        design.check(row["results"])
    elif "traceback" not in row:
        raise ValueError("its error has no traceback")
    return row


def _are_numbers(value: Any) -> bool:
    """Whether this is a number of JSON, or lists of them; true is none."""
    return type(value) in (int, float) or (
        isinstance(value, list) and all(map(_are_numbers, value))
    )


def _line(row: Row) -> bytes:
    # Python writes the shortest digits that read back as the same float64.
    text = json.dumps(row, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _text(line: bytes) -> bytes | None:
    """What a line holds, if that matches its checksum."""
    checksum, _, text = line.rstrip(b"\n").partition(b" ")
    return text if len(checksum) == 8 and checksum == b"%08x" % zlib.crc32(text) else None


def _open(path: Path) -> Any:
    """Open for reading and appending without a buffer: a file of ours, not what a link leads to."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):
        flags |= getattr(os, name, 0)
    try:
        handle = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.EISDIR):
            raise _foreign(path) from error
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise _foreign(path)
    return os.fdopen(handle, "r+b", buffering=0)


def _foreign(path: Path) -> RecordError:
    return RecordError(f"{path} is not a regular file; move it away, or pass another folder")


def _sync_folder(folder: Path) -> None:
    """Make the name of a new file last, too, where folders can be opened: not on Windows."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
