"""Atomic writing of files, reading of archives with limits, and JSON."""

from __future__ import annotations

import errno
import json
import math
import os
import secrets
import stat
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

_FORMAT: Any = np.lib.format  # which NumPy leaves untyped
# What a file may unpack to, in bytes, unless it is larger itself: nothing that is not compressed
# is refused for its size.
MAX_BYTES = 1 << 30
_MOST_TEXT = 1 << 20  # bytes of JSON or TOML; a plan or a table of a chip has some 5,000
_MAX_HEADER = 10_000  # bytes; NumPy evaluates the text of a header
# Bzip2 and LZMA are unpacked without a limit by Python's zipfile, and NumPy writes neither.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class ArchiveError(ValueError):
    """An archive is not what is needed: of which file, and why."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def refuse_existing(path: Path, *, force: bool) -> None:
    """Raise FileExistsError for a name that is taken, also by a link to nothing, without force."""
    if os.path.lexists(path) and not force:
        raise FileExistsError(f"{path} exists; pass force=True to replace it")


def write_atomically(path: str | Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file beside its place and rename it once everything is on the disk.

    Whatever breaks off leaves the old file, or none. The file beside has a name of its own, which
    nobody can foresee, and is never one that exists; a link at `path` is replaced, not followed.

    Parameters
    ----------
    path : str or Path
        Replaced if it is a file or a link.
    write : callable
        Gets the open binary file.

    Raises
    ------
    FileExistsError
        If a folder or a device has this name.
    OSError
        If the file cannot be written; its `filename` is the path.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomically(Path(folder, "note.txt"), lambda file: file.write(b"kept"))
    ...     Path(folder, "note.txt").read_bytes()
    b'kept'
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise FileExistsError(errno.EEXIST, "it is not a file; pass another path", str(path))
    partial = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}.partial")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    made = True  # before it is: Ctrl-C may come at any moment
    try:
        descriptor = os.open(partial, flags, 0o666)  # the user's umask decides, as with open()
        with open(descriptor, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        made = False
    except OSError as error:
        made = made and not isinstance(error, FileExistsError)
        if error.errno is not None and error.filename in (None, str(partial)):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        if made:
            with suppress(OSError):
                partial.unlink()


def open_regular(path: str | Path) -> BinaryIO:
    """Open a file to read its bytes, if it is one: a pipe waits for a writer, a device has no end.

    Raises
    ------
    OSError
        If it is a pipe, a device or a folder, or cannot be read.

    Examples
    --------
    >>> import os
    >>> open_regular(os.devnull)
    Traceback (most recent call last):
    OSError: [Errno 22] it is not a regular file: '/dev/null'
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    kind = os.fstat(descriptor).st_mode
    if stat.S_ISREG(kind):
        return open(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "it is not a regular file", str(path))


def read_text(path: Path, at_most: int = _MOST_TEXT) -> bytes:
    """The content of a file that people write and read, such as JSON and TOML.

    Raises
    ------
    OSError
        If it is no file, which might never end, or cannot be read.
    ValueError
        If it has more than `at_most` bytes.
    """
    with open_regular(path) as file:
        try:
            content = file.read(at_most + 1)
        except OSError as error:  # which does not name the file
            raise OSError(error.errno, error.strerror, str(path)) from error
    if len(content) > at_most:
        raise ValueError(f"it is larger than {at_most:,} bytes, which are enough for any such file")
    return content


class Archive(Mapping[str, NDArray[Any]]):
    """The arrays of an .npz file by name, each read when it is asked for; see `open_archive`."""

    def __init__(self, path: Path, zipped: zipfile.ZipFile, max_bytes: int) -> None:
        self.path, self._zipped = path, zipped
        members = zipped.infolist()
        self._members = {member.filename.removesuffix(".npy"): member for member in members}
        if len(self._members) < len(members):
            raise ArchiveError(path, "two of its members have one name")
        total = sum(member.file_size for member in members)
        if total > max_bytes:
            raise ArchiveError(
                path,
                f"it unpacks to {total:,} bytes, more than max_bytes={max_bytes:,}; raise "
                f"max_bytes if you trust the file",
            )

    @property
    def sizes(self) -> Mapping[str, int]:
        """Bytes that each array unpacks to, with its header."""
        return MappingProxyType({name: x.file_size for name, x in self._members.items()})

    def json(self) -> Any:
        """The JSON document of the member "json", as `parse_json` reads it.

        Raises
        ------
        ValueError
            If there is none.
        """
        if "json" not in self:
            raise ValueError("it lacks 'json'")
        text = self["json"]
        if text.dtype.kind != "U" or text.ndim:
            raise ValueError("its 'json' is not a text")
        return parse_json(str(text))

    def __getitem__(self, name: str) -> NDArray[Any]:
        member = self._members[name]
        try:
            return self._read(member)
        except Exception as error:  # NumPy evaluates headers: text can fail in many ways
            raise ArchiveError(self.path, f"its member {name!r} is damaged: {error}") from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def _read(self, member: zipfile.ZipInfo) -> NDArray[Any]:
        if member.compress_type not in _METHODS:
            raise ValueError("it is compressed by a method that NumPy does not write")
        with self._zipped.open(member) as file:
            shape, dtype = _header(file)
            held = math.prod(shape) * dtype.itemsize
            if min(shape, default=0) < 0 or file.tell() + held != member.file_size:
                raise ValueError(f"{member.file_size} bytes do not hold shape {shape} of {dtype}")
        with self._zipped.open(member) as file:
            array: NDArray[Any] = _FORMAT.read_array(
                file, allow_pickle=False, max_header_size=_MAX_HEADER
            )
            if file.read(1):  # reading to the end compares the checksum
                raise ValueError("it is longer than its array")
        return array


@contextmanager
def open_archive(path: str | Path, *, max_bytes: int = MAX_BYTES) -> Iterator[Archive]:
    """Open an .npz file to read its arrays one by one; nothing is unpickled.

    Sizes are checked before memory is taken for them: those that the file declares, together, and
    that of each array against its shape. No more than the declared bytes are unpacked.

    Parameters
    ----------
    path : str or Path
    max_bytes : int, default 2**30
        What the arrays may take in memory together, unless the file itself is larger.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ArchiveError
        A ValueError: if it is no archive, damaged, or unpacks to more; also when a damaged array
        is read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "two.npz")
    ...     write_atomically(path, lambda file: np.savez(file, a=np.arange(3), b=np.ones(2)))
    ...     with open_archive(path) as archive:
    ...         sorted(archive), archive["a"]
    (['a', 'b'], array([0, 1, 2]))
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # opening a pipe would wait for ever
        raise ArchiveError(path, "it is not a file; pass that of an archive (.npz)")
    with path.open("rb") as file:
        try:
            zipped = zipfile.ZipFile(file)
        except Exception as error:  # zipfile documents only some of what it raises
            raise ArchiveError(path, f"not an archive (.npz), or damaged: {error}") from error
        with zipped:
            yield Archive(path, zipped, max(max_bytes, os.fstat(file.fileno()).st_size))


@contextmanager
def naming_damage(path: Path, what: str, writer: str) -> Iterator[None]:
    """Raise what fails while a file is read as one ValueError: of which file, why, and the remedy.

    Examples
    --------
    >>> with naming_damage(Path("a.npz"), "a plan", "Plan.save"):
    ...     raise ValueError("it is empty")
    Traceback (most recent call last):
    ValueError: a.npz is not a plan or is damaged: it is empty; pass a file that Plan.save wrote, \
or save it again
    """
    try:
        yield
        return
    except FileNotFoundError:
        raise
    except ArchiveError as error:
        reason = error.reason
    except (OSError, TypeError, ValueError, OverflowError, RecursionError) as error:
        reason = str(error)
    raise ValueError(
        f"{path} is not {what} or is damaged: {reason}; pass a file that {writer} wrote, or save "
        f"it again"
    )


def _header(file: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of the array in an open .npy file."""
    versions = {(1, 0): _FORMAT.read_array_header_1_0, (2, 0): _FORMAT.read_array_header_2_0}
    version = _FORMAT.read_magic(file)
    if version not in versions:
        raise ValueError(f"version {version} of the format is not one that is written here")
    shape, _, dtype = versions[version](file, max_header_size=_MAX_HEADER)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    return shape, dtype


def as_json(value: Any) -> str:
    """Write one JSON document; null for numbers that JSON does not have."""
    return json.dumps(_plain(value), indent=2, allow_nan=False)


def parse_json(text: str | bytes, *, strict: bool = False) -> Any:
    """Read one JSON document, in which no object has two values of one name.

    Parameters
    ----------
    text : str or bytes
    strict : bool
        Whether to refuse NaN and Infinity, which Python writes and JSON does not have.

    Raises
    ------
    ValueError
        If a name stands twice; Python's own parser would keep the last value without a word. Also
        if it is no JSON.

    Examples
    --------
    >>> parse_json('{"gain": 2, "gain": 3}')
    Traceback (most recent call last):
    ValueError: the name 'gain' stands twice in one object
    """
    constant = _no_constant if strict else float
    return json.loads(text, object_pairs_hook=_object, parse_constant=constant)


def _no_constant(name: str) -> None:
    raise ValueError(f"it has {name} for a number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the name {name[:60]!r} stands twice in one object")
        found[name] = value
    return found


def _plain(value: Any) -> Any:
    """Replace every float that JSON does not have by null."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
