"""`PiecewiseConstant`, and external inputs that depend on time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks
from ..synapses import Array

# Where a function jumps it may be asked this far beside, relative to the time: breakpoints that a
# user adds up are rounded, and nobody knows on which side of its jump a function is closed.
_BESIDE = 1e-14


@dataclass(frozen=True, eq=False, repr=False)
class PiecewiseConstant:
    """An input that jumps at known times and is constant between them.

    Solvers treat the jumps exactly: they begin anew at each, and no step goes over one.

    Parameters
    ----------
    times : array_like (T,)
        Increasing, finite.
    values : array_like (T, ...)
        Row k holds from times[k] on until times[k + 1], the last one for good. Before times[0] the
        input is 0. Rows are broadcast to the states (*batch, *shape); T numbers are the same for
        all units.

    Raises
    ------
    ValueError, TypeError
        If times do not increase, or there is not one row of finite numbers for each.

    Examples
    --------
    A cue that is shown for 3 units of time, and then taken away:

    >>> import amsim as am
    >>> patterns = am.patterns.random(3, 32, seed=0)
    >>> net = am.dense_am(patterns, hidden=am.Softmax(beta=1.0))
    >>> shown = am.PiecewiseConstant([0.0, 3.0], [patterns[1], [0.0] * 32])
    >>> print(shown(2.9)[:3], shown(3.0)[:3])
    [-1.  1. -1.] [0. 0. 0.]
    >>> traj = am.simulate(net, [0.0] * 32, inputs=shown)
    >>> traj.overlap(patterns)[-1].round(3)
    array([ 0.312,  1.   , -0.125])
    """

    times: NDArray[np.float64]
    values: NDArray[np.float64]

    def __init__(self, times: ArrayLike, values: ArrayLike) -> None:
        when = checks.array("PiecewiseConstant: times", times, ndim=1)
        if not len(when) or not (when[1:] > when[:-1]).all():
            raise ValueError(
                f"PiecewiseConstant: times must be one or more, increasing, got {times!r}"
            )
        what = checks.array("PiecewiseConstant: values", _rows(values))
        if not what.ndim or len(what) != len(when):
            raise ValueError(
                f"PiecewiseConstant: values have shape {what.shape}; "
                f"there must be a row for each of the {len(when)} times"
            )
        object.__setattr__(self, "times", checks.owned(when))
        object.__setattr__(self, "values", checks.owned(what))

    def __call__(self, time: float) -> NDArray[np.float64]:
        """The input at a time."""
        row = int(np.searchsorted(self.times, time, side="right")) - 1
        return self.values[row] if row >= 0 else np.zeros_like(self.values[0])

    def __reduce__(self) -> tuple[type, tuple[Array, Array]]:
        return PiecewiseConstant, (self.times, self.values)  # copies own their arrays, too

    def __repr__(self) -> str:
        return (
            f"PiecewiseConstant({len(self.times)} times from {self.times[0]:g} to "
            f"{self.times[-1]:g}, values of shape {self.values.shape[1:]})"
        )


def _rows(values: ArrayLike) -> ArrayLike:
    """Values of which some are numbers and others arrays as arrays of one shape."""
    if not isinstance(values, list | tuple) or len({np.shape(x) for x in values}) < 2:
        return values
    rows = [checks.array("PiecewiseConstant: values", x) for x in values]
    if len({row.shape for row in rows if row.ndim}) > 1:
        return values  # refused where it is read
    return np.stack(np.broadcast_arrays(*rows))


@dataclass(frozen=True, eq=False)
class Drive:
    """The input of one layer that depends on time, for a batch of cues.

    Attributes
    ----------
    function : PiecewiseConstant, or any function of the time
    batch, shape : tuple of int
        Axes of the cues and of the layer.
    what : str
        For messages.
    cues : ndarray of int, optional
        The cues that it is for, of the flattened batch; all by default.
    start : float
        Time at which its clock shows 0.
    after, before : float
        Jumps between which the function is asked.
    """

    function: Callable[[float], ArrayLike]
    batch: tuple[int, ...]
    shape: tuple[int, ...]
    what: str
    cues: NDArray[np.int64] | None = None
    start: float = 0.0
    after: float = -np.inf
    before: float = np.inf

    def __call__(self, time: float) -> Array:
        """The input (B, *shape)."""
        now = min(max(self.start + float(time), self.after), self.before)
        if self.known:  # after a jump at this time, which the sum above may miss by its rounding
            now += _BESIDE * abs(now)
        given = numbers(self.what, self.function(now))
        if self.cues is None:
            return fit(given, self.batch, self.shape, self.what)
        if given.ndim <= len(self.shape):  # the same for all cues
            return fit(given, (len(self.cues),), self.shape, self.what)
        return fit(given, self.batch, self.shape, self.what)[self.cues]

    @property
    def known(self) -> bool:
        """Whether all changes are known beforehand."""
        return isinstance(self.function, PiecewiseConstant)

    def select(self, cues: NDArray[np.int64]) -> Drive:
        """The same for some of its cues."""
        return replace(self, cues=cues if self.cues is None else self.cues[cues])

    def between(self, start: float, stop: float) -> Array | Drive:
        """The part between two breakpoints: an array if it is constant, with a clock of its own."""
        if self.known:
            return self(start + (stop - start) / 2)
        begin, end = self.start + start, self.start + stop
        after = begin + _BESIDE * abs(begin) if start else -np.inf
        return replace(self, start=begin, after=after, before=end - _BESIDE * abs(end))


def numbers(what: str, value: ArrayLike) -> Array:
    """An input as an array."""
    return checks.array(what, value, largest=checks.LARGEST)


def fit(array: Array, batch: tuple[int, ...], shape: tuple[int, ...], what: str) -> Array:
    """Broadcast to (*batch, *shape) and flatten the batch."""
    try:
        full = np.broadcast_to(array, (*batch, *shape))
    except ValueError:
        raise ValueError(
            f"{what} has shape {array.shape}, the states have shape {(*batch, *shape)}"
        ) from None
    # A copy: what the caller does to the array later must not change the result.
    return np.array(full).reshape(-1, *shape)
