"""Validation of arguments for all packages: arrays, numbers, counts, seeds, flags, choices, paths.

Each function takes the name of the argument and what the user gave for it, and returns that in the
form the rest of the code works with, or raises: TypeError where the kind is wrong, ValueError where
the value is. The message is one line that names the argument, the rule, and what came instead.
"""

from __future__ import annotations

import inspect
import math
import os
import reprlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Floats = NDArray[np.float64]
Seed = int | np.random.SeedSequence | np.random.Generator

LARGEST_COUNT = 2**53  # beyond, whole numbers are no longer exact as floats
_LINE = 64  # bytes that a cache hands on at once
_PART = 2**20  # values that are checked at a time
LARGEST_ARRAY = 2**31  # values; 16 GB of float64
LARGEST = 1e100  # products of two, and their sums over many units, are finite
SMALLEST = 1e-100
_KINDS = {
    "b": "booleans: convert them, as in np.where(mask, 1.0, -1.0) or mask.astype(float)",
    "c": "complex numbers: pass their real part, if that is meant",
    "M": "dates",
    "m": "time differences: divide them by a unit, as in x / np.timedelta64(1, 's')",
    "O": "objects: numbers of one type in rows of one length are needed",
    "S": "text",
    "U": "text",
    "V": "records: pass one field",
}


def shown(value: Any) -> str:
    """What the user gave, on one short line."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if callable(value) and hasattr(value, "__name__"):
        return f"the function {value.__name__}"
    try:
        text = repr(value) if isinstance(value, (float, np.generic)) else reprlib.repr(value)
    except Exception:  # a repr of the user's own may raise anything, and so do very long integers
        text = f"an object of type {type(value).__name__}"
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def array(
    what: str,
    value: Any,
    *,
    ndim: int | None = None,
    finite: bool = True,
    largest: float | None = None,
    empty: bool = True,
    dtype: DTypeLike = np.float64,
) -> NDArray[Any]:
    """Real numbers in the given precision; not a copy, if they have it already.

    Masked arrays, booleans, complex numbers, text, dates and objects are no real numbers.
    """
    given = real(what, value)
    if ndim is not None and given.ndim != ndim:
        raise ValueError(f"{what} must have {_axes(ndim)}, got shape {given.shape}")
    if not (empty or given.size):
        raise ValueError(f"{what} must not be empty, got shape {given.shape}")
    numbers: NDArray[Any] = given
    if given.dtype != dtype:
        with np.errstate(over="ignore"):
            numbers = given.astype(dtype)
    if finite and largest is not None and within(numbers, largest):
        return numbers
    if (
        finite
        and numbers.dtype.kind == "f"
        and not all(np.isfinite(x).all() for x in parts(numbers))
    ):
        raise ValueError(f"{what} must be finite, but contains NaN or infinity")
    if largest is not None and not within(numbers, largest):
        raise ValueError(
            f"{what} must lie within +-{largest:g}, beyond which products overflow; rescale"
        )
    return numbers


def real(what: str, value: Any) -> NDArray[Any]:
    """Real numbers, of the type that they have."""
    given = plain(what, value)
    if given.dtype.kind not in "iuf":
        raise TypeError(f"{what} must be real numbers, got {_kind(given, value)}")
    return given


def within(numbers: NDArray[Any], largest: float) -> bool:
    """Whether all numbers lie within +-largest, which NaN does not."""
    return all(bool(np.abs(x).max() <= largest) for x in parts(numbers))


def parts(numbers: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """An array in parts of some MB, so that nothing of its size is made beside it."""
    if numbers.size <= _PART:
        yield from (numbers,) if numbers.size else ()
        return
    rows = max(1, _PART * len(numbers) // numbers.size)
    for first in range(0, len(numbers), rows):
        yield numbers[first : first + rows]


def is_mapped(numbers: NDArray[Any]) -> bool:
    """Whether an array is a file that may be read only, as of ``np.load(path, mmap_mode="r")``."""
    base: Any = numbers
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    return isinstance(base, np.memmap) and not (numbers.flags.writeable or base.flags.writeable)


def plain(what: str, value: Any) -> NDArray[Any]:
    """An array of whatever the value holds, unless that is masked, sparse, or of uneven rows."""
    if _holds_masked(value):
        raise TypeError(
            f"{what} is a masked array: fill it (x.filled(0.0)) or leave the masked entries out"
        )
    if hasattr(value, "toarray"):
        raise TypeError(f"{what} is a sparse array: pass its toarray()")
    try:
        found = np.asarray(value)
    except Exception:  # rows of different lengths; whatever __array__ of a foreign object raises
        raise ValueError(
            f"{what} must be an array of numbers with rows of one length, got {shown(value)}"
        ) from None
    if found.dtype.kind in "iuf" and isinstance(value, (list, tuple)) and _holds_booleans(value):
        raise TypeError(f"{what} must be booleans or numbers, not both: write 1 and 0 for numbers")
    return found


def _holds_booleans(rows: Sequence[Any]) -> bool:
    """Whether True or False stands among numbers, which NumPy would read as 1 or 0."""
    kinds = set(map(type, rows))
    if kinds & {bool, np.bool_}:
        return True
    if kinds <= {int, float}:
        return False
    return any(
        row.dtype.kind == "b" if isinstance(row, np.ndarray) else _holds_booleans(row)
        for row in rows
        if isinstance(row, (list, tuple, np.ndarray))
    )


def owned(value: NDArray[Any]) -> NDArray[Any]:
    """A copy that can be changed neither through the caller's array nor through what we show."""
    copy = aligned(value.shape, value.dtype)
    copy[...] = value
    room: Any = copy if copy.base is None else copy.base
    room.flags.writeable = copy.flags.writeable = False
    return copy.view()  # a view of read-only data cannot be made writeable again


def aligned(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Room for an array that begins where a line of the cache does.

    Rows of 64 bytes, as many as vector registers hold, then lie in one line each. What NumPy
    allocates begins 16 bytes further on, and each of them needs two.
    """
    kind = np.dtype(dtype)
    if kind.hasobject:  # references to objects, which bytes may not become
        return np.empty(shape, kind)
    size = math.prod(shape) * kind.itemsize
    room = np.empty(size + _LINE, np.uint8)
    first = -room.__array_interface__["data"][0] % _LINE
    return room[first : first + size].view(kind).reshape(shape)


def mask(what: str, value: Any) -> NDArray[np.bool_]:
    """Booleans."""
    given = plain(what, value)
    if given.dtype.kind != "b":
        raise TypeError(f"{what} must be booleans, got {_kind(given, value)}")
    return given


def indices(what: str, value: Any, size: int) -> NDArray[np.int64]:
    """Whole numbers that index `size` things, negative ones from the end."""
    given = plain(what, value)
    if given.dtype.kind not in "iu" and given.size:
        raise TypeError(f"{what} must be whole numbers, got {_kind(given, value)}")
    if given.size and (given.min() < -size or given.max() >= size):
        raise ValueError(f"{what} must lie between {-size} and {size - 1}, got {shown(value)}")
    return given.astype(np.int64)


def takes_time_and_states(what: str, function: Any) -> None:
    """Raise TypeError for a function that cannot be called as function(time, states)."""
    if inspect.isfunction(function):  # asking for a signature takes ten times as long
        code = function.__code__
        if code.co_argcount == 2 and not code.co_kwonlyargcount:
            return
    if inspect.isclass(function):
        raise TypeError(
            f"{what} must be a function of time and states, as lambda time, states: ..., "
            f"got the class {function.__name__}"
        )
    try:
        inspect.signature(function).bind(0.0, {})
    except TypeError as error:
        raise TypeError(
            f"{what} must be a function of time and states, as lambda time, states: ...; {error}"
        ) from error
    except ValueError:  # one that does not tell
        pass


def units(what: str, value: Any, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Units of a layer, chosen by a mask or by their indices in the flattened layer: a mask.

    A mask may have batch axes, and is returned as it came. Zeros and ones that could be either
    are refused.
    """
    given, size = plain(what, value), math.prod(shape)
    if given.dtype.kind == "b":
        return given
    index = indices(what, value, size)
    like_mask = given.shape == shape and given.size and bool(((index == 0) | (index == 1)).all())
    if index.ndim > 1 or like_mask or len(np.unique(index % size)) < index.size:
        raise ValueError(
            f"{what} must be booleans, or different indices in one list; got whole numbers of "
            f"shape {given.shape} that may be meant as a mask: pass them as booleans"
        )
    chosen = np.zeros(size, bool)
    chosen[index] = True
    return chosen.reshape(shape)


def number(
    what: str,
    value: Any,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    more: str = "",
) -> float:
    """A finite real number, Python's or NumPy's, as a float; `more` is a remedy."""
    item = _scalar(value)
    real = isinstance(item, (int, float, np.integer, np.floating)) and not isinstance(item, bool)
    try:
        found = float(item) if real else math.nan
    except OverflowError:
        found = math.inf
    if (
        math.isfinite(found)
        and (above is None or found > above)
        and (at_least is None or found >= at_least)
        and (below is None or found < below)
        and (at_most is None or found <= at_most)
    ):
        return found
    # The rule is put into words for those who break it: that takes longer than the check.
    kind, limits = ValueError if real else TypeError, _limits(above, at_least, below, at_most)
    raise kind(f"{what} must be a finite number{limits}{more}, got {shown(value)}")


def count(what: str, value: Any, *, at_least: int = 1, at_most: int = LARGEST_COUNT) -> int:
    """A whole number, Python's or NumPy's, as an int. 8.0 is none: floats are not counted with."""
    item = _scalar(value)
    whole = isinstance(item, (int, np.integer)) and not isinstance(item, bool)
    if whole and at_least <= item <= at_most:
        return int(item)
    kind = ValueError if whole else TypeError
    rule = f"a whole number from {at_least} to {_short(at_most)}"
    raise kind(f"{what} must be {rule}, got {shown(value)}")


def room(what: str, *axes: int) -> None:
    """Raise ValueError if an array with these axes is larger than any that is made here."""
    if math.prod(axes) > LARGEST_ARRAY:
        raise ValueError(
            f"{what} would have {' x '.join(map(_short, axes))} values, "
            f"more than {_short(LARGEST_ARRAY)}"
        )


def flag(what: str, value: Any) -> bool:
    """True or False. Anything else is refused: "no" is true, and an array is neither."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{what} must be True or False, got {shown(value)}")
    return bool(value)


def choice(what: str, value: Any, known: Sequence[str], more: str = "") -> str:
    """One of the known words; `more` says what else there is."""
    if isinstance(value, str) and value in known:
        return str(value)
    kind = ValueError if isinstance(value, str) else TypeError
    *words, last = map(repr, known)
    listed = f"{', '.join(words)} or {last}" if words else last
    raise kind(f"{what} must be {listed}{more}, got {shown(value)}")


def float_type(what: str, value: Any) -> np.dtype[Any]:
    """float32 or float64, however NumPy lets one say it."""
    with suppress(TypeError):
        found: np.dtype[Any] = np.dtype(value)
        if found in (np.float32, np.float64):
            return found
    raise ValueError(f"{what} must be 'float32' or 'float64', got {shown(value)}")


def text(what: str, value: Any) -> str:
    """Text; "" as well."""
    if not isinstance(value, str):
        raise TypeError(f"{what} must be text, got {shown(value)}")
    return str(value)


def instance(what: str, value: Any, kind: Any, example: str) -> None:
    """Raise TypeError unless the value is an object of a class; `example` shows how to make one."""
    if not isinstance(value, kind):
        raise TypeError(f"{what} must be {example}, got {shown(value)}")


def path(what: str, value: Any) -> Path:
    """A name of a file or folder."""
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{what} must be a path, as text or pathlib.Path, got {shown(value)}")
    name = os.fspath(value)
    if not isinstance(name, str) or not name or "\0" in name:
        raise ValueError(f"{what} must be a path with a name in it, got {shown(value)}")
    return Path(name)


# Seeds. A whole number or a SeedSequence gives the same result in every call, and is not changed. A
# Generator is drawn from, and so gives another result in the next call. None would be entropy of
# the operating system, which nobody can repeat, and is refused.


def seed_sequence(value: Any, what: str = "seed") -> np.random.SeedSequence:
    """A sequence to spawn from."""
    if isinstance(value, np.random.Generator):
        return np.random.SeedSequence(_draw(value))
    if isinstance(value, np.random.SeedSequence):
        # A copy: spawning counts the children in the object that is asked.
        entropy: Any = value.entropy
        return np.random.SeedSequence(
            entropy,
            spawn_key=value.spawn_key,
            pool_size=value.pool_size,
            n_children_spawned=value.n_children_spawned,
        )
    return np.random.SeedSequence(seed_number(value, what))


def generator(value: Any, what: str = "seed") -> np.random.Generator:
    """A generator to draw from; the user's own, if that is what came."""
    if isinstance(value, np.random.Generator):
        return value
    return np.random.default_rng(seed_sequence(value, what))


def seed_number(value: Any, what: str = "seed") -> int:
    """A whole number >= 0 that stands for the seed: in hashes, and in records of a run."""
    if isinstance(value, np.random.Generator):
        return _draw(value)
    if isinstance(value, np.random.SeedSequence):
        return int(value.generate_state(1, np.uint64)[0])
    item = _scalar(value)
    if isinstance(item, bool) or not isinstance(item, (int, np.integer)):
        raise TypeError(
            f"{what} must be a whole number >= 0, a numpy.random.SeedSequence or a "
            f"numpy.random.Generator, got {shown(value)}"
        )
    if not 0 <= item < 2**64:
        raise ValueError(
            f"{what} must be a whole number from 0 to 2**64 - 1 (numpy.random.SeedSequence takes "
            f"longer ones), got {shown(value)}"
        )
    return int(item)


def _draw(given: np.random.Generator) -> int:
    return int(given.integers(2**63))


def _scalar(value: Any) -> Any:
    """The only value of an array without axes."""
    is_array = isinstance(value, np.ndarray) and not isinstance(value, np.ma.MaskedArray)
    return value[()] if is_array and value.ndim == 0 and value.dtype.kind in "iuf" else value


def _kind(given: NDArray[Any], value: Any) -> str:
    """What an array holds, in words, where it should have held something else."""
    if given.ndim == 0 and given.dtype.kind == "O":
        return shown(value)
    if given.dtype.kind in "iuf":
        return f"numbers of dtype {given.dtype}"
    return _KINDS.get(given.dtype.kind, f"dtype {given.dtype}")


def _holds_masked(value: Any) -> bool:
    """Whether there is a masked array in it, at any depth: NumPy would drop the mask."""
    if not isinstance(value, (list, tuple)):
        return isinstance(value, np.ma.MaskedArray)
    kinds = set(map(type, value))  # few of many
    if not any(issubclass(kind, (list, tuple, np.ma.MaskedArray)) for kind in kinds):
        return False
    return any(map(_holds_masked, value))


def _axes(ndim: int) -> str:
    return "1 axis" if ndim == 1 else f"{ndim} axes"


def _short(value: int) -> str:
    """A count as people write it: 1000, 2**53 - 1."""
    for power in range(20, value.bit_length() + 1):
        if value in (2**power, 2**power - 1):
            return f"2**{power}" + (" - 1" if value < 2**power else "")
    return str(value) if value < 10**15 else f"{value:.3e}"


def _limits(
    above: float | None, at_least: float | None, below: float | None, at_most: float | None
) -> str:
    sides = ((">", above), (">=", at_least), ("<", below), ("<=", at_most))
    found = [f"{sign} {limit:g}" for sign, limit in sides if limit is not None]
    return "".join(f" {side}" if not i else f" and {side}" for i, side in enumerate(found))
