"""What `simulate` keeps of the states at recorded times, where that is not all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks
from ..synapses import Array

if TYPE_CHECKING:
    from .problem import Problem, Reader, Solution

Units = ArrayLike | slice | bool
Measure = Callable[[float, dict[str, Array]], ArrayLike]
Record = bool | str | Sequence[str] | Mapping[str, Units | Measure]
# Rows of the record that are looked at together, in numbers of all layers.
_ROWS = 1 << 21


class Kept(NamedTuple):
    """Something that was recorded."""

    shape: tuple[int, ...]  # for one cue at one time
    units: NDArray[np.int64] | None  # positions in the flattened layer, if these are some of it


@dataclass(frozen=True, eq=False)
class Recording:
    """Units of layers, and functions of the time and of the states of a cue, by name.

    Attributes
    ----------
    units : dict of str to ndarray of int, or None
        Positions in the flattened layer; None for all of them.
    measures : dict of str to callable
    shapes : dict of str to tuple of int
        Of everything that is recorded, for one cue at one time.
    t0 : float
        What the user's clock shows at time 0.
    """

    units: dict[str, NDArray[np.int64] | None]
    measures: dict[str, Measure]
    shapes: dict[str, tuple[int, ...]]
    t0: float

    def room(self, rows: int, cues: int) -> dict[str, Array]:
        """Arrays (rows, cues, *shape) to be filled."""
        return {name: np.empty((rows, cues, *shape)) for name, shape in self.shapes.items()}

    def fill(
        self, found: Mapping[str, Array], times: Array, read: Reader, layers: Mapping[str, int]
    ) -> None:
        """Fill arrays (T, B, *shape) by what is read at these times, some rows at a time."""
        wanted = layers if self.measures else self.units
        cues = next((array.shape[1] for array in found.values()), 1)
        size = max(1, cues * sum(layers.values()))
        for rows in _blocks(len(times), max(1, _ROWS // size)):
            states = {name: read(name, rows) for name in wanted}
            for name, units in self.units.items():
                part = states[name].reshape(*states[name].shape[:2], -1)
                part = part if units is None else part[..., units]
                found[name][rows] = part.reshape(found[name][rows].shape)
            for name in self.measures:
                for k, time in enumerate(times[rows]):
                    for b in range(cues):
                        alone = {layer: x[k, b] for layer, x in states.items()}
                        found[name][rows.start + k, b] = self.measure(name, float(time), alone)

    def hold(
        self,
        found: Mapping[str, Array],
        times: Array,
        final: Mapping[str, Array],
        layers: Mapping[str, int],
    ) -> None:
        """Fill arrays (T, B, *shape) by states (B, *shape) that do not change."""
        self.fill(
            found,
            times,
            lambda name, rows: np.broadcast_to(final[name], (len(times[rows]), *final[name].shape)),
            layers,
        )

    def of(self, problem: Problem, solution: Solution) -> dict[str, Array]:
        """What is recorded of a solution that has all states."""
        found = self.room(len(solution.times), problem.batch)
        self.fill(found, solution.times, solution.record, sizes(problem))
        return found

    def measure(self, name: str, time: float, states: dict[str, Array]) -> Array:
        """What a function says of one cue."""
        value = checks.array(
            f"record: what {name!r} returns", self.measures[name](self.t0 + time, states),
            finite=False,
        )  # fmt: skip
        expected = self.shapes.get(name, value.shape)
        if value.shape != expected:
            raise ValueError(
                f"record: {name!r} returned shape {value.shape} at t = {self.t0 + time:g}, and "
                f"{expected} before: return one shape at all times"
            )
        return value


def sizes(problem: Problem) -> dict[str, int]:
    """Units of every layer."""
    return {name: layer.size for name, layer in problem.network.layers.items()}


def recording(given: Record, problem: Problem) -> Recording | None:
    """What `record` of `simulate` means; None where all states are kept.

    Raises
    ------
    TypeError, ValueError
        If it names no layer, or units that there are not, or a function returns no numbers.
    """
    if given is True or given is False:
        if given:
            return None
        given = {}
    layers = problem.network.layers
    named = given if isinstance(given, Mapping) else dict.fromkeys(_names(given), True)
    found = Recording({}, {}, {}, problem.t0)
    for name, chosen in named.items():
        if callable(chosen):
            _check_name(name, layers)
            checks.takes_time_and_states(f"record: {name!r}", chosen)
            found.measures[name] = chosen
            start = {n: x[0] for n, x in _first(problem).items()}
            found.shapes[name] = found.measure(name, 0.0, start).shape
        elif name not in layers:
            raise ValueError(
                f"record names a layer {checks.shown(name)}; the network has {', '.join(layers)}, "
                f"and other names are for functions of the time and the states"
            )
        else:
            units = _units(name, chosen, layers[name].shape)
            found.units[name] = units
            found.shapes[name] = layers[name].shape if units is None else units.shape
    return found


def _names(given: Any) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else given
    if not isinstance(names, list | tuple) or not all(isinstance(n, str) for n in names):
        raise TypeError(
            f"record must be True, names of layers, or a mapping of names to units or functions, "
            f"got {checks.shown(given)}"
        )
    return tuple(names)


def _check_name(name: object, layers: Mapping[str, Any]) -> None:
    if not isinstance(name, str) or not name or not name.isprintable():
        raise ValueError(f"record: a function needs a name, got {checks.shown(name)}")
    if name in layers:
        raise ValueError(f"record: {name!r} is a layer, and a function needs a name of its own")


def _units(name: str, chosen: Any, shape: tuple[int, ...]) -> NDArray[np.int64] | None:
    """Positions in the flattened layer, in the order in which they were given."""
    if chosen is True:
        return None
    size, what = math.prod(shape), f"record of layer {name!r}"
    if isinstance(chosen, slice):
        found = np.arange(size)[chosen]
    else:
        mask = checks.units(what, chosen, shape)
        if mask.shape != shape:
            raise ValueError(f"{what} is a mask of shape {mask.shape}, the layer has {shape}")
        given = np.asarray(chosen)
        found = np.flatnonzero(mask) if given.dtype.kind == "b" else given.astype(np.int64) % size
    if not len(found):
        raise ValueError(f"{what} chooses no unit: leave the layer out")
    return np.asarray(found, np.int64)


def _first(problem: Problem) -> dict[str, Array]:
    """All states at t = 0."""
    return problem.network.complete(problem.initial, problem.inputs_at(0.0))


def _blocks(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))
