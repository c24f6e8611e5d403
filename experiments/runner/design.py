"""`Design`: the grid of units of an experiment, and their places in the dataset."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amsim import checks

from .experiment import Experiment, Quantity

if TYPE_CHECKING:
    import xarray as xr

REPEAT, REPEATS = "repeat", "repeats"  # the axis, and how many there are
MOST_UNITS = 10**7  # of one run: a driver keeps their numbers in memory, and its log has 1 GB
MOST_OF_A_KIND = 10**6  # units, patterns, samples, ... that a parameter asks for


@dataclass(frozen=True)
class Design:
    """Every point of a grid, a number of times.

    Parameters
    ----------
    experiment : Experiment
    size : str
    seed : int
    repeats : int
    axes : mapping of str to tuple
        The values of each axis, in the order of the dimensions.
    fixed : mapping of str to value
    """

    experiment: Experiment
    size: str
    seed: int
    repeats: int
    axes: Mapping[str, tuple[Any, ...]]
    fixed: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        experiment: Experiment,
        *,
        size: str = "toy",
        seed: checks.Seed = 0,
        **parameters: Any,
    ) -> Design:
        """Take a size, with other values for some parameters.

        Raises
        ------
        ValueError
            If there is no such size or parameter, or a value does not fit.
        """
        if checks.text("size", size) not in experiment.sizes:
            raise ValueError(f"there is no size {size!r}; choose {_names(experiment.sizes)}")
        defaults = {name: _native(value) for name, value in experiment.sizes[size].items()}
        for name in parameters:
            if name not in defaults:
                raise ValueError(
                    f"{experiment.name} has no parameter {name!r}; choose from {_names(defaults)}"
                )
        values = {
            name: _like(name, default, parameters[name]) if name in parameters else default
            for name, default in defaults.items()
        }
        for name in parameters:
            _check_words(name, values[name], [size[name] for size in experiment.sizes.values()])
        for name, other in experiment.at_most.items():
            most, limit = np.max(values[name]), np.min(values[other])
            if most > limit:
                raise ValueError(
                    f"{name} is {most}, more than {other}, {limit}; use at most {limit}"
                )
        repeats = checks.count("repeats", values.pop(REPEATS), at_most=MOST_UNITS)
        axes = {name: value for name, value in values.items() if isinstance(value, tuple)}
        fixed = {name: value for name, value in values.items() if name not in axes}
        design = cls(experiment, size, checks.seed_number(seed), repeats, axes, fixed)
        if len(design) > MOST_UNITS:
            grid = " x ".join(map(str, design.shape))
            raise ValueError(
                f"{experiment.name} would have {grid} = {len(design):,} units of work, more than "
                f"the {MOST_UNITS:,} of one run; use fewer repeats or values, or runs of several "
                f"seeds"
            )
        return design

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis, with the repeats last."""
        return (*(len(values) for values in self.axes.values()), self.repeats)

    @property
    def parameters(self) -> dict[str, Any]:
        """Every parameter in the order of the experiment; axes as tuples."""
        both = {**self.axes, **self.fixed}
        return {name: both[name] for name in self.experiment.parameters}

    def __len__(self) -> int:
        return math.prod(self.shape)

    def point(self, index: int) -> dict[str, Any]:
        """Where on the axes a unit stands."""
        *position, _ = np.unravel_index(index, self.shape)
        return {
            name: values[i] for i, (name, values) in zip(position, self.axes.items(), strict=True)
        }

    def unit(self, index: int) -> tuple[dict[str, Any], np.random.SeedSequence]:
        """Parameters and seed of one unit; repeat r has the same draws at every point."""
        seed = np.random.SeedSequence(self.seed, spawn_key=(index % self.repeats,))
        return {**self.fixed, **self.point(index)}, seed

    def check(self, results: Mapping[str, ArrayLike]) -> None:
        """Raise ValueError or TypeError unless these are the results of a unit."""
        expected = self.experiment.results
        if results.keys() != expected.keys():
            raise ValueError(
                f"measure returned {_names(results) or 'nothing'}; "
                f"the experiment has {_names(expected)}"
            )
        for name, value in results.items():
            found = checks.array(name, value, finite=False)
            dims, (least, most), shape = expected[name].dims, expected[name].within, found.shape
            lengths = [self._lengths.get(dim) for dim in dims]
            if len(shape) != len(dims) or any(
                known not in (None, length) for known, length in zip(lengths, shape, strict=True)
            ):
                raise ValueError(f"measure returned {name} of shape {shape}; its dims are {dims}")
            if outside := found[(found < least) | (found > most)].tolist():
                raise ValueError(f"{name} is {outside[0]:g}, and must be in [{least:g}, {most:g}]")

    @cached_property
    def _lengths(self) -> dict[str, int]:
        """Lengths of the dimensions of results, where coordinates tell."""
        coordinates = self.experiment.coordinates(self.parameters)
        return {name: len(np.asarray(value)) for name, value in coordinates.items()}

    def dataset(self, rows: Iterable[tuple[int, Mapping[str, ArrayLike]]]) -> xr.Dataset:
        """Put the results of units in their places; where there are none stands NaN.

        Parameters
        ----------
        rows : iterable of (int, mapping)
            Number and results of units.

        Raises
        ------
        ValueError
            If a result has another shape than those before.
        """
        import xarray as xr

        experiment = self.experiment
        arrays = {
            name: array.reshape(*self.shape, *array.shape[1:])
            for name, array in self._arrays(rows).items()
        }
        grid = (*self.axes, REPEAT)
        return xr.Dataset(
            {
                name: ((*grid, *quantity.dims), arrays[name], _attributes(quantity))
                for name, quantity in experiment.results.items()
            },
            {
                **{
                    name: (name, list(values), _attributes(experiment.parameters[name]))
                    for name, values in self.axes.items()
                },
                REPEAT: np.arange(self.repeats),
                **experiment.coordinates(self.parameters),
            },
            {
                "experiment": experiment.name,
                "question": experiment.question,
                "size": self.size,
                "seed": self.seed,
                # netCDF has no truth values.
                **{k: int(v) if isinstance(v, bool) else v for k, v in self.fixed.items()},
            },
        )

    def _arrays(
        self, rows: Iterable[tuple[int, Mapping[str, ArrayLike]]]
    ) -> dict[str, NDArray[np.float64]]:
        """Results by name, (units, *dims)."""
        arrays: dict[str, NDArray[np.float64]] = {}
        for index, values in rows:
            for name, value in values.items():
                shape = np.shape(value)
                array = arrays.setdefault(name, np.empty(0))
                if not array.size:
                    array = arrays[name] = np.full((len(self), *shape), np.nan)
                if shape != array.shape[1:]:
                    raise ValueError(
                        f"{name} has shape {shape} in unit {index} and {array.shape[1:]} before"
                    )
                array[index] = value
        for name, quantity in self.experiment.results.items():
            shape = tuple(self._lengths.get(dim, 1) for dim in quantity.dims)
            arrays.setdefault(name, np.full((len(self), *shape), np.nan))
        return arrays


def _attributes(quantity: Quantity) -> dict[str, str]:
    return {"long_name": quantity.label, "units": quantity.unit}


def parse(name: str, default: Any, text: str) -> Any:
    """Read a value for a parameter from a command line; several are separated by commas."""
    if isinstance(default, tuple):
        return tuple(parse(name, default[0], part.strip()) for part in text.split(","))
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False}[text.lower()]
        return type(default)(text)
    except (ValueError, KeyError):
        raise _unusable(name, default, text) from None


def _check_words(name: str, value: Any, sizes: Iterable[Any]) -> None:
    """Raise ValueError for a word on an axis that no size has."""
    known = dict.fromkeys(word for size in sizes if isinstance(size, tuple) for word in size)
    for word in value if isinstance(value, tuple) else ():
        if isinstance(word, str) and word not in known:
            raise ValueError(f"{name} is {word!r}; choose from {_names(known)}")


def _native(value: Any) -> Any:
    """Turn numbers of NumPy into those of Python, which JSON and netCDF know."""
    if isinstance(value, tuple):
        return tuple(map(_native, value))
    return value.item() if isinstance(value, (np.generic, np.ndarray)) and not value.ndim else value


def _like(name: str, default: Any, value: Any) -> Any:
    """Check a value against the default that it replaces."""
    if not isinstance(default, tuple):
        return _scalar(name, default, value)
    value = _native(value)  # an array without axes is one value
    several = isinstance(value, (tuple, list, range, np.ndarray))
    values = tuple(_scalar(name, default[0], v) for v in (value if several else (value,)))
    if not values:
        raise ValueError(f"{name} is empty; give at least one value")
    if len(set(values)) < len(values):
        raise ValueError(f"{name} has a value twice: {', '.join(map(str, values))}")
    return values


def _scalar(name: str, default: Any, value: Any) -> Any:
    """Return a number of Python of the default's type; an integer is a float, too."""
    value = _native(value)
    if isinstance(default, float) and isinstance(value, Real) and not isinstance(value, bool):
        if math.isfinite(value):
            return float(value)
    elif type(value) is type(default):
        if type(value) is int and name != REPEATS:
            checks.count(name, value, at_least=0, at_most=MOST_OF_A_KIND)
        return value
    raise _unusable(name, default, value)


def _unusable(name: str, default: Any, value: Any) -> ValueError:
    kinds = {float: "a finite number", int: "an integer", str: "a word", bool: "true or false"}
    kind = kinds.get(type(default), type(default).__name__)
    return ValueError(f"{name} is {value!r}; use {kind}, such as {default}")


def _names(names: Iterable[str]) -> str:
    return ", ".join(names)
