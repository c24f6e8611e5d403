"""Which units of work an experiment has, and where their results stand in the dataset."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .experiment import Experiment

if TYPE_CHECKING:
    import xarray as xr

REPEAT = "repeat"


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
        cls, experiment: Experiment, *, size: str = "toy", seed: int = 0, **parameters: Any
    ) -> Design:
        """Take a size, with other values for some parameters.

        Raises
        ------
        ValueError
            If there is no such size or parameter, or a value does not fit.
        """
        if size not in experiment.sizes:
            raise ValueError(f"there is no size {size!r}; choose {_names(experiment.sizes)}")
        defaults = experiment.sizes[size]
        for name in parameters:
            if name not in defaults:
                raise ValueError(
                    f"{experiment.name} has no parameter {name!r}; choose from {_names(defaults)}"
                )
        values = {
            name: _like(name, default, parameters[name]) if name in parameters else default
            for name, default in defaults.items()
        }
        repeats = values.pop("repeats")
        if repeats < 1:
            raise ValueError(f"repeats is {repeats}; use at least 1")
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
            raise ValueError(f"seed is {seed!r}; use an integer of at least 0")
        axes = {name: value for name, value in values.items() if isinstance(value, tuple)}
        fixed = {name: value for name, value in values.items() if name not in axes}
        return cls(experiment, size, int(seed), repeats, axes, fixed)

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

    def unit(self, index: int) -> tuple[dict[str, Any], np.random.SeedSequence]:
        """Parameters and seed of one unit; repeat r has the same draws at every point."""
        *position, repeat = (int(i) for i in np.unravel_index(index, self.shape))
        point = {
            name: values[i] for i, (name, values) in zip(position, self.axes.items(), strict=True)
        }
        return {**self.fixed, **point}, np.random.SeedSequence(self.seed, spawn_key=(repeat,))

    def dataset(self, rows: Iterable[tuple[int, Mapping[str, ArrayLike]]]) -> xr.Dataset:
        """Put the results of units in their places; where there are none stands NaN.

        Parameters
        ----------
        rows : iterable of (int, mapping)
            Number and results of units.

        Raises
        ------
        ValueError
            If a result has another shape than the others.
        """
        import xarray as xr

        results = self.experiment.results
        extra = {
            name: np.asarray(v) for name, v in self.experiment.coordinates(self.parameters).items()
        }
        shapes = {name: _known(quantity.dims, extra) for name, quantity in results.items()}
        arrays: dict[str, Any] = {}
        for index, values in rows:
            for name in results:
                value = np.asarray(values[name], dtype=np.float64)
                if name not in arrays:
                    arrays[name] = np.full((len(self), *value.shape), np.nan)
                if value.shape != arrays[name].shape[1:]:
                    raise ValueError(
                        f"{name} has shape {value.shape} in unit {index}, "
                        f"{arrays[name].shape[1:]} in others"
                    )
                arrays[name][index] = value
        for name, shape in shapes.items():
            arrays.setdefault(name, np.full((len(self), *shape), np.nan))
        grid = (*self.axes, REPEAT)
        variables = {
            name: xr.Variable(
                (*grid, *quantity.dims),
                arrays[name].reshape(*self.shape, *arrays[name].shape[1:]),
                {"long_name": quantity.label, "units": quantity.unit},
            )
            for name, quantity in results.items()
        }
        coordinates = {
            name: xr.Variable(
                name,
                list(values),
                {
                    "long_name": self.experiment.parameters[name].label,
                    "units": self.experiment.parameters[name].unit,
                },
            )
            for name, values in self.axes.items()
        }
        return xr.Dataset(
            variables,
            {**coordinates, REPEAT: np.arange(self.repeats), **extra},
            {
                "experiment": self.experiment.name,
                "question": self.experiment.question,
                "size": self.size,
                "seed": self.seed,
                **self.fixed,
            },
        )


def _names(names: Iterable[str]) -> str:
    return ", ".join(names)


def _known(dims: tuple[str, ...], coordinates: Mapping[str, Any]) -> tuple[int, ...]:
    """Shape of a result of which no unit is there."""
    return tuple(len(coordinates[dim]) if dim in coordinates else 1 for dim in dims)


def _like(name: str, default: Any, value: Any) -> Any:
    """Check a value against the default that it replaces."""
    if isinstance(default, tuple):
        several = isinstance(value, (tuple, list, range, np.ndarray))
        values = tuple(_scalar(name, default[0], v) for v in (value if several else (value,)))
        if not values:
            raise ValueError(f"{name} is empty; give at least one value")
        if len(set(values)) < len(values):
            raise ValueError(f"{name} has a value twice: {', '.join(map(str, values))}")
        return values
    return _scalar(name, default, value)


def _scalar(name: str, default: Any, value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray)) and np.ndim(value) == 0:
        value = value.item()
    if isinstance(default, float) and isinstance(value, Real) and not isinstance(value, bool):
        if math.isfinite(value):
            return float(value)
    elif type(value) is type(default):
        return value
    kind = {float: "a finite number", int: "an integer", str: "a word", bool: "true or false"}
    raise ValueError(f"{name} is {value!r}; use {kind.get(type(default), type(default).__name__)}")
