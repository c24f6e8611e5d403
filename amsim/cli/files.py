"""Input and output files of commands: their options, checks and error messages."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from .. import checks
from ..files import open_regular, write_atomically
from .console import Parser, UserError, not_negative, positive

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.floating[Any]]"

# Numbers that memories are made of as they are.
KINDS = ("int8", "float32", "float64")
# Beyond this, products of numbers that are finite themselves overflow.
_LARGEST = 1e100
_LONGEST_HEADER = 10_000  # bytes, as in numpy.load


def add_memories(parser: Parser, *, cue: str, shape: str) -> None:
    """Add patterns, a cue option of that name and shape, and what softmax memories need."""
    add = parser.add_argument
    add("--patterns", metavar="FILE.npy", required=True, help="array (memories, units) to store")
    add(cue, metavar="FILE.npy", required=True, help=shape)
    add(
        "--beta",
        type=positive,
        default=1.0,
        help="inverse temperature of the memories (default: 1)",
    )
    add(
        "--tau-hidden",
        type=not_negative,
        default=0.1,
        metavar="TAU",
        help="time constant of the memories, with 1 for the features; 0: at once (default: 0.1)",
    )
    add(
        "--similarity",
        choices=("dot", "euclidean"),
        default="dot",
        help="how a state is compared with the memories (default: dot)",
    )


def add_output(parser: Parser, files: Sequence[str], *, default: str | None) -> None:
    """Add --out, --force and --json to a command that writes these files."""
    where = f"folder for {', '.join(files)}"
    parser.add_argument(
        "--out",
        metavar="DIR",
        default=default,
        required=default is None,
        help=f"{where} (default: {default})" if default else where,
    )
    parser.add_argument("--force", action="store_true", help="replace existing files")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def load(name: str, *, mapped: bool = False) -> Floats:
    """Read a .npy file of finite numbers that is not empty; if mapped, they stay in the file."""
    import numpy as np

    advice = "write it with numpy.save as an array of numbers"
    try:
        with open_regular(name) as file:
            start = file.read(12)
            if start[:2] == b"PK":
                raise UserError(f"{name} is an archive (.npz) of arrays; save one with numpy.save")
            if start[:6] != b"\x93NUMPY":
                raise UserError(f"{name} is not a .npy file; {advice}")
            if start[6] > 1 and int.from_bytes(start[8:], "little") > _LONGEST_HEADER:
                raise ValueError("NumPy would read all of its header")
            file.seek(0)
            array = np.load(file, allow_pickle=False) if not mapped else _mapped(name, file)
    except OSError as error:
        raise UserError(f"{name} cannot be read: {_reason(error)}") from error
    except (ValueError, EOFError, SyntaxError, TypeError, OverflowError) as error:
        objects = any(word in str(error) for word in ("allow_pickle", "Python objects"))
        problem = "holds Python objects" if objects else "is damaged"
        raise UserError(f"{name} {problem} and cannot be read; {advice}") from error
    except MemoryError as error:
        raise UserError(f"{name} is larger than the memory, or is damaged") from error
    if array.dtype.kind not in "iuf":
        raise UserError(f"{name} has dtype {array.dtype}; convert it with .astype(float)")
    if array.dtype.name not in KINDS:
        with np.errstate(over="ignore"):
            array = array.astype(np.float64)
    if array.size == 0:
        raise UserError(f"{name} is empty: its shape is {array.shape}; it needs numbers")
    if not all(np.isfinite(part).all() for part in checks.parts(array)):
        raise UserError(f"{name} contains NaN or infinity; replace them by numbers")
    if max(max(part.max(), -float(part.min())) for part in checks.parts(array)) > _LARGEST:
        raise UserError(f"{name} contains numbers beyond {_LARGEST:g}; scale them down")
    return np.asarray(array)


def _mapped(name: str, file: BinaryIO) -> Any:
    """The array of a file, read where it is used, or at once if it has another layout."""
    import numpy as np

    array = np.load(name, mmap_mode="r", allow_pickle=False)
    kept = array.dtype.name in KINDS and array.flags.c_contiguous
    return array if kept else np.load(file, allow_pickle=False)


def prepare(out: str, files: Sequence[str], force: bool) -> Path:
    """Make the folder; refuse what could not be written at the end before the work begins."""
    folder = Path(out)
    for name in files:
        path = folder / name
        if path.is_dir():
            raise UserError(f"{path} is a folder; pass another --out")
        if os.path.lexists(path) and not force:
            raise UserError(f"{path} exists; pass --force to replace it, or another --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:
        reason = _reason(error) if isinstance(error, OSError) else str(error)
        raise UserError(f"cannot write to folder {out}: {reason}; pass another --out") from error
    return folder


@contextmanager
def output(out: str, files: Sequence[str], force: bool) -> Iterator[Path]:
    """`prepare`; what was made for work that fails goes again, if it is still empty.

    Ctrl-C says which of the files were written before it came.
    """
    made = [path for path in (Path(out), *Path(out).parents) if not path.exists()]
    folder = prepare(out, files, force)
    before = {name: _stamp(folder / name) for name in files}
    try:
        yield folder
    except BaseException as error:
        written = [name for name in files if _stamp(folder / name) != before[name]]
        for path in made:  # the innermost first
            with suppress(OSError):
                path.rmdir()
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(_written(written, files)) from None
        raise


def _stamp(path: Path) -> tuple[int, int] | None:
    """What tells a file from another one that takes its place."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _written(names: Sequence[str], files: Sequence[str]) -> str:
    if not names:
        return "nothing was written"
    missing = [name for name in files if name not in names]
    return "; ".join(
        f"{what}: {', '.join(some)}"
        for what, some in (("written", names), ("not written", missing))
        if some
    )


def write(path: Path, save: Callable[[BinaryIO], object]) -> None:
    """Write a file whole or not at all."""
    with writing(path):
        write_atomically(path, save)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say which file could not be written."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write {path}: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
