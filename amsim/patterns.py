"""Patterns to store, damaged copies of them, and the overlap of states with them.

Every pattern is a row: arrays have shape ``(..., size)`` and binary patterns hold -1.0 and +1.0.
"""

import importlib.util
from functools import cache
from pathlib import Path
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amsim import checks
from amsim.checks import Seed
from amsim.errors import MissingDependencyError

__all__ = [
    "SIMILARITIES",
    "corrupt",
    "digits",
    "digits_gray",
    "hamming",
    "overlap",
    "random",
    "separation",
    "similarity",
]


def __dir__() -> list[str]:
    return __all__


Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Similarity = Literal["dot", "euclidean", "cosine", "manhattan"]
SIMILARITIES = ("dot", "euclidean", "cosine", "manhattan")
# Numbers of a block of differences between states and patterns.
_BLOCK = 1 << 22


@overload
def digits(
    count: int | None = None, seed: Seed = 0, *, return_labels: Literal[False] = False
) -> Floats: ...
@overload
def digits(
    count: int | None = None, seed: Seed = 0, *, return_labels: Literal[True]
) -> tuple[Floats, Labels]: ...
def digits(
    count: int | None = None, seed: Seed = 0, *, return_labels: bool = False
) -> Floats | tuple[Floats, Labels]:
    """Return handwritten digits as distinct binary patterns.

    The 8 x 8 scans of :func:`sklearn.datasets.load_digits` (Alpaydin and Kaynak, 1998, UCI
    repository), thresholded at half of their range: a pixel of 8 or more out of 16 becomes +1.
    Scans that the threshold makes equal count once.

    Parameters
    ----------
    count : int, optional
        How many patterns; all of them by default.
    seed : int, SeedSequence or Generator
        Chooses which ones, and their order. With one seed, a smaller `count` gives the first rows
        of a larger one.
    return_labels : bool
        Also return the digit that each row shows.

    Returns
    -------
    patterns : ndarray, shape (count, 64)
        Rows of -1.0 and +1.0, no two equal.
    labels : ndarray of int, shape (count,)
        Digits 0 to 9; only with ``return_labels=True``.

    Raises
    ------
    MissingDependencyError
        If scikit-learn cannot be imported.
    TypeError, ValueError
        If `count` is not a positive integer, or exceeds the number of distinct patterns, or `seed`
        is no seed.

    Examples
    --------
    >>> from amsim import patterns
    >>> patterns.digits(10).shape
    (10, 64)
    """
    return_labels = checks.flag("return_labels", return_labels)
    scans, labels = _scans(count, seed)
    binary = np.where(scans >= 0.5, 1.0, -1.0)
    return (binary, labels) if return_labels else binary


@overload
def digits_gray(
    count: int | None = None, seed: Seed = 0, *, return_labels: Literal[False] = False
) -> Floats: ...
@overload
def digits_gray(
    count: int | None = None, seed: Seed = 0, *, return_labels: Literal[True]
) -> tuple[Floats, Labels]: ...
def digits_gray(
    count: int | None = None, seed: Seed = 0, *, return_labels: bool = False
) -> Floats | tuple[Floats, Labels]:
    """Return the scans of :func:`digits` in gray levels from 0 (paper) to 1 (ink).

    Parameters, errors and labels are those of :func:`digits`; the same `count` and `seed` give the
    same scans in the same order.

    Returns
    -------
    patterns : ndarray, shape (count, 64)
        Multiples of 1/16 in [0, 1].
    labels : ndarray of int, shape (count,)
        Digits 0 to 9; only with ``return_labels=True``.

    Examples
    --------
    >>> from amsim import patterns
    >>> gray = patterns.digits_gray(10)
    >>> bool(((gray >= 0.5) == (patterns.digits(10) > 0)).all())
    True
    """
    return_labels = checks.flag("return_labels", return_labels)
    scans, labels = _scans(count, seed)
    return (scans, labels) if return_labels else scans


def random(count: int, size: int, seed: Seed = 0) -> Floats:
    """Return random binary patterns: every unit is -1 or +1 with equal probability.

    Parameters
    ----------
    count, size : int
        How many patterns, and how many units each has.
    seed : int, SeedSequence or Generator
        Seed of the draw.

    Returns
    -------
    ndarray, shape (count, size)
        Rows of -1.0 and +1.0. Short rows can repeat.

    Raises
    ------
    TypeError, ValueError
        If `count` or `size` is not a positive integer, or `seed` no seed.

    Examples
    --------
    >>> from amsim import patterns
    >>> patterns.random(3, 100).shape
    (3, 100)
    """
    shape = checks.count("count", count), checks.count("size", size)
    checks.room("the patterns", *shape)
    return checks.generator(seed).choice((-1.0, 1.0), shape)


def hamming(n: int = 7, k: int = 4) -> Floats:
    """Return every codeword of the Hamming code of length `n` with `k` message bits.

    Bit b is stored as (-1)^b, which turns the sum of two codewords modulo 2 into the product of
    their rows. Two distinct codewords differ in at least 3 units (Hamming, 1950).

    Parameters
    ----------
    n, k : int
        (3, 1), (7, 4) or (15, 11).

    Returns
    -------
    ndarray, shape (2**k, n)
        Rows of -1.0 and +1.0: the k message bits in counting order, then the n - k check bits.

    Raises
    ------
    ValueError
        If there is no such code, or it is too large to list.

    Examples
    --------
    >>> from amsim import patterns
    >>> patterns.hamming().shape
    (16, 7)
    """
    n, k = checks.count("n", n), checks.count("k", k)
    if (n, k) not in ((3, 1), (7, 4), (15, 11)):
        raise ValueError(f"(n, k) is ({n}, {k}); it must be (3, 1), (7, 4) or (15, 11)")
    # The columns of a Hamming check matrix are all the non-zero vectors. Those of weight 1 belong
    # to the check bits, so the others say which check bits each message bit enters.
    columns = _bits(n - k)
    messages = _bits(k)
    parity = messages @ columns[columns.sum(axis=1) > 1] % 2
    return 1.0 - 2.0 * np.hstack([messages, parity])


def corrupt(
    patterns: ArrayLike,
    *,
    flip: float = 0.0,
    mask: float = 0.0,
    noise: float = 0.0,
    seed: Seed = 0,
) -> Floats:
    """Return damaged copies of patterns, to be used as cues.

    The damage is applied in the order flip, noise, mask, so masked units are exactly 0. Each row
    has its own random stream, spawned from `seed` by its position: its damage does not depend on
    the rest of the batch. The flipped and the masked units are drawn independently, and a larger
    fraction with the same seed adds units to those of a smaller one.

    Parameters
    ----------
    patterns : array_like, shape (..., size)
        One pattern or a batch of them; left unchanged.
    flip : float
        Fraction of each row, exactly ``round(flip * size)`` units, that changes sign.
    mask : float
        Fraction of each row, exactly ``round(mask * size)`` units, that is set to 0.
    noise : float
        Standard deviation of the Gaussian noise added to every unit.
    seed : int, SeedSequence or Generator
        Seed of the draw.

    Returns
    -------
    ndarray, shape (..., size)

    Raises
    ------
    TypeError, ValueError
        If the patterns are empty or not finite, a fraction is outside [0, 1], the noise is
        negative or not finite, or `seed` is no seed.

    Examples
    --------
    >>> import numpy as np
    >>> from amsim import patterns
    >>> cue = patterns.corrupt(np.ones(8), flip=0.25, seed=1)
    >>> int((cue == -1).sum())
    2
    """
    damaged = np.array(checks.array("patterns", patterns, largest=checks.LARGEST), order="C")
    if damaged.ndim == 0 or damaged.size == 0:
        raise ValueError(f"patterns have shape {damaged.shape}; give at least one row of units")
    noise = checks.number("noise", noise, at_least=0.0, at_most=checks.LARGEST)
    size = damaged.shape[-1]
    flipped, masked = _units("flip", flip, size), _units("mask", mask, size)

    rows = damaged.reshape(-1, size)  # a view: the copy above is contiguous
    children = checks.seed_sequence(seed).spawn(len(rows))
    for row, child in zip(rows, children, strict=True):
        rng = np.random.default_rng(child)
        # All three draws always happen, so that one kind of damage never changes another.
        to_flip, to_mask = rng.permutation(size)[:flipped], rng.permutation(size)[:masked]
        row[to_flip] *= -1.0
        row += noise * rng.standard_normal(size)
        row[to_mask] = 0.0
    return damaged


def overlap(states: ArrayLike, patterns: ArrayLike) -> Floats:
    """Return the overlap m of each state g with each pattern xi: m = g . xi / size.

    For states and patterns of -1 and +1, m = 1 means equal and m = 1 - 2d means that a fraction d
    of the units differs.

    Parameters
    ----------
    states : array_like, shape (..., size)
    patterns : array_like, shape (count, size)

    Returns
    -------
    ndarray, shape (..., count)

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> from amsim import patterns
    >>> patterns.overlap([1, 1, -1, 1], [[1, 1, 1, 1], [-1, -1, 1, -1]]).tolist()
    [0.5, -1.0]
    """
    g = checks.array("states", states, largest=checks.LARGEST)
    xi = checks.array("patterns", patterns, largest=checks.LARGEST)
    _check_rows(g, xi)
    return np.asarray(g @ xi.T / xi.shape[1])


def similarity(
    states: ArrayLike,
    patterns: ArrayLike,
    kind: Similarity = "dot",
    *,
    missing: ArrayLike | Literal["nan"] | None = None,
) -> Floats:
    """Return how similar each state v is to each pattern xi, as memories measure it.

    Parameters
    ----------
    states : array_like, shape (..., size)
    patterns : array_like, shape (count, size)
    kind : {"dot", "euclidean", "cosine", "manhattan"}, default "dot"
        xi . v, -|v - xi|^2 / 2, xi . v / (|xi| |v|), or -sum_i |v_i - xi_i|. What is 0 everywhere
        has the cosine 0 with all.
    missing : bool array_like, broadcast to the states, or "nan", optional
        Units that are not known: they, and the same units of the patterns, are left out. "nan" are
        those that are NaN, which is refused without it.

    Returns
    -------
    ndarray, shape (..., count)
        The larger the more similar.

    Raises
    ------
    TypeError, ValueError
        If the shapes do not fit, the kind is not known, or a state that is not missing is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from amsim import patterns
    >>> stored = [[0.0, 1.0, 4.0], [1.0, 0.0, 0.0]]
    >>> patterns.similarity([1.0, 1.0, np.nan], stored, "manhattan", missing="nan").tolist()
    [-1.0, -1.0]
    """
    checks.choice("kind", kind, SIMILARITIES)
    v, absent = known_units("states", states, missing)
    xi = checks.array("patterns", patterns, largest=checks.LARGEST)
    _check_rows(v, xi)
    known = np.where(absent, 0.0, 1.0)
    if kind in ("euclidean", "manhattan"):
        return _distances(v, xi, known, kind)
    if kind == "cosine":
        v, xi = _scaled(v), _scaled(xi)
    dot = v @ xi.T
    if kind == "dot":
        return np.asarray(dot)
    norms = np.linalg.norm(v, axis=-1, keepdims=True) * np.sqrt(known @ (xi * xi).T)
    return np.asarray(np.divide(dot, norms, out=np.zeros_like(dot), where=norms > 0))


def separation(patterns: ArrayLike, kind: Similarity = "dot") -> Floats:
    r"""Return by how much each pattern is more similar to itself than to any other.

    .. math::
        \Delta_\mu = \min_{\nu \ne \mu} \big[s(\xi_\mu, \xi_\mu) - s(\xi_\mu, \xi_\nu)\big]

    with the similarity s; for dot products it is the separation of Ramsauer et al. 2021. A softmax
    memory with beta Delta far above 1 recalls the pattern alone; where Delta is not positive, it
    cannot.

    Parameters
    ----------
    patterns : array_like, shape (count, size)
    kind : {"dot", "euclidean", "cosine", "manhattan"}, default "dot"
        As in `similarity`.

    Returns
    -------
    ndarray, shape (count,)
        Infinite for a single pattern.

    Raises
    ------
    ValueError
        If the patterns are no finite matrix.

    References
    ----------
    Ramsauer et al. 2021, "Hopfield networks is all you need", arXiv:2008.02217, definition 2.

    Examples
    --------
    >>> from amsim import patterns
    >>> patterns.separation([[1, 1, 1], [1, 1, -1], [3, 3, 3]]).tolist()
    [-6.0, 0.0, 18.0]
    """
    xi = checks.array("patterns", patterns, ndim=2, empty=False, largest=checks.LARGEST)
    checks.choice("kind", kind, SIMILARITIES)
    found = np.empty(len(xi))
    for start in range(0, len(xi), rows := max(1, _BLOCK // len(xi))):
        part = similarity(xi[start : start + rows], xi, kind)
        each = np.arange(len(part))
        own = part[each, start + each].copy()
        part[each, start + each] = -np.inf
        found[start : start + rows] = own - part.max(axis=1)
    return found


def known_units(
    what: str, states: ArrayLike, missing: ArrayLike | Literal["nan"] | None
) -> tuple[Floats, NDArray[np.bool_]]:
    """The states, and which of their units are missing; those are 0 in the states."""
    if isinstance(missing, str):
        checks.choice("missing", missing, ("nan",), " or a mask of booleans")
    v = checks.array(what, states, finite=missing is None)
    if missing is None:
        absent = np.zeros(v.shape, bool)
    elif isinstance(missing, str):
        absent = np.isnan(v)
    else:
        given = checks.mask("missing", missing)
        try:
            absent = np.broadcast_to(given, v.shape)
        except ValueError:
            raise ValueError(f"missing has shape {given.shape}, {what} {v.shape}") from None
    filled = np.where(absent, 0.0, v)
    return checks.array(what, filled, largest=checks.LARGEST), absent


def directions(rows: Floats) -> Floats:
    """Rows at length 1; those of zeros stay."""
    x = _scaled(rows)
    norms = np.linalg.norm(x, axis=-1, keepdims=True)
    return np.asarray(x / np.where(norms > 0, norms, 1.0))


def _scaled(rows: Floats) -> Floats:
    """Rows whose largest value is 1 in size, so that no square underflows; those of zeros stay."""
    largest = np.abs(rows).max(axis=-1, keepdims=True)
    return np.asarray(rows / np.where(largest > 0, largest, 1.0))


def _distances(v: Floats, xi: Floats, known: Floats, kind: str) -> Floats:
    """-|v - xi|^2 / 2, or -sum |v - xi|, over known units; from differences, as squares cancel."""
    out = np.empty((*v.shape[:-1], len(xi)))
    rows = max(1, _BLOCK // max(1, v.size))
    for start in range(0, len(xi), rows):
        apart = v[..., None, :] - xi[start : start + rows]
        each = np.abs(apart) if kind == "manhattan" else apart * apart / 2
        out[..., start : start + rows] = -np.einsum("...kd,...d->...k", each, known)
    return out


def _check_rows(states: Floats, patterns: Floats) -> None:
    rows = states.ndim > 0 and patterns.ndim == 2
    if not rows or states.shape[-1] != patterns.shape[1] or patterns.shape[1] == 0:
        raise ValueError(
            f"states have shape {states.shape} and patterns have shape {patterns.shape}; "
            "they must be (..., size) and (count, size) with the same size > 0"
        )


def _scans(count: int | None, seed: Seed) -> tuple[Floats, Labels]:
    """Return scans in [0, 1], distinct after the threshold, and their labels, in seeded order."""
    scans, labels = _distinct_scans()
    if count is not None and checks.count("count", count) > len(scans):
        raise ValueError(f"count is {checks.shown(count)}; there are {len(scans)} distinct digits")
    chosen = checks.generator(seed).permutation(len(scans))[:count]
    return scans[chosen], labels[chosen]


@cache
def _distinct_scans() -> tuple[Floats, Labels]:
    """All scans that are distinct after the threshold, in the order of the file, and their labels.

    They are kept, since to read the text takes longer than most recalls of it.
    """
    table = np.loadtxt(_digits_file(), delimiter=",")
    scans, labels = table[:, :-1] / 16.0, table[:, -1].astype(np.int64)
    _, first = np.unique(scans >= 0.5, axis=0, return_index=True)
    first.sort()
    return scans[first], labels[first]


def _digits_file() -> Path:
    """The file behind scikit-learn's load_digits(), since importing that takes seconds."""
    found = importlib.util.find_spec("sklearn")
    folders = found.submodule_search_locations if found else None
    for folder in folders or ():
        path = Path(folder, "datasets", "data", "digits.csv.gz")
        if path.exists():
            return path
    raise MissingDependencyError(
        "scikit-learn, which holds the scans of digits, is not installed; "
        "install it with: pip install scikit-learn"
    )


def _bits(width: int) -> NDArray[np.int64]:
    """Return all the binary words of `width` bits in counting order, shape (2**width, width)."""
    words = np.arange(2**width, dtype=np.int64)
    return np.stack([words >> bit & 1 for bit in reversed(range(width))], axis=1)


def _units(name: str, fraction: float, size: int) -> int:
    """Turn a fraction of the units of a row into their number."""
    return round(checks.number(name, fraction, at_least=0.0, at_most=1.0) * size)
