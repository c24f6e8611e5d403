"""Results of finished units on disk: one line a unit, appended, with a checksum.

One file, written by one process, holds a million units where a million files would overload a
cluster's file system; workers need no access to it. A line is ``CRC32 JSON``, so that a reader
finds its way after any damage: what does not match its checksum is not there.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

Row: TypeAlias = dict[str, Any]


class UnitLog:
    """Appends rows to a file; a row is on disk when `append` returns.

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
    >>> list(read(path))
    [{'unit': 0, 'results': {'x': 0.1}}]
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)
        try:
            self._end_last_line(path)
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

    def _end_last_line(self, path: Path) -> None:
        """Close a line that broke off, so that it does not take the next one with it."""
        with path.open("rb") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read() != b"\n":
                    self._write(b"\n")


def read(path: Path) -> Iterator[Row]:
    """Yield the intact rows in the order in which they were written."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            row = _row(line)
            if row is not None:
                yield row


def damaged(path: Path) -> int:
    """Count the lines that do not match their checksum."""
    if not path.exists():
        return 0
    with path.open("rb") as file:
        return sum(line != b"\n" and _row(line) is None for line in file)


def _line(row: Row) -> bytes:
    # Python writes the shortest digits that read back as the same float64.
    text = json.dumps(row, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _row(line: bytes) -> Any:
    checksum, _, text = line.rstrip(b"\n").partition(b" ")
    if len(checksum) != 8 or checksum != b"%08x" % zlib.crc32(text):
        return None
    return json.loads(text)


def _sync_folder(folder: Path) -> None:
    """Make the name of a new file last, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
