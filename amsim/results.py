"""`RunResult`: the protocol of all results, from `simulate`, binary recall and `hardware.run`.

`simulate`, `binary.BinaryMemory.recall` and `hardware.run` return results of one protocol, so that
what reads one of them reads all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .display import brief, short, span, table, tabled

if TYPE_CHECKING:
    import pandas
    import xarray

Variables = dict[str, tuple[tuple[str, ...], Any]]


class RunResult(ABC):
    """What `Trajectory`, `binary.Recall` and `hardware.Result` have in common.

    Attributes
    ----------
    final : dict of layer names to ndarray (*batch, *shape)
        The last states; of a memory without layers one array (*batch, D).
    codes : ndarray of int (*batch)
        The status of each cue as its position in `STATUSES`.
    settle_times : ndarray (*batch)
        When each cue was found settled, in the unit that `time_label` names; NaN where it was not.
    message : str
        What happened, and the remedy where it is not what one wants.
    stats : dict
        What it took: numbers, arrays (*batch), and dicts of these; "wall_time", in seconds, always.
    time_label : str
        What times count.
    STATUSES : tuple of str
        From what one wants, "settled", to what one does not.

    Notes
    -----
    A result of a new kind derives from this class, gives the attributes above, and, if it keeps
    more than the end, `_recorded_variables`; `tests/properties/test_results.py` has a line for it.
    """

    STATUSES: ClassVar[tuple[str, ...]]

    if TYPE_CHECKING:  # fields of dataclasses would take properties of this class as defaults

        @property
        def final(self) -> Any:
            """See above."""

        @property
        def codes(self) -> NDArray[np.int64]:
            """See above."""

        @property
        def settle_times(self) -> NDArray[np.float64]:
            """See above."""

        @property
        def stats(self) -> dict[str, Any]:
            """See above."""

        @property
        def time_label(self) -> str:
            """See above."""

    @property
    @abstractmethod
    def message(self) -> str:
        """See above."""

    @property
    def status(self) -> str:
        """The worst status of the batch."""
        return self.STATUSES[int(self.codes.max())]

    @cached_property
    def statuses(self) -> NDArray[np.str_]:
        """Status of each cue, (*batch)."""
        return np.asarray(np.array(self.STATUSES)[self.codes])

    def to_xarray(self) -> xarray.Dataset:
        """Everything as an `xarray.Dataset`, for arithmetic by names, plots and netCDF files.

        Returns
        -------
        xarray.Dataset
            Variables over the cues: "status", "settle_time", and the `stats` of each cue, those in
            dicts as "messages_visible". "final_visible" is the last state of layer "visible", and
            "visible" its states over time, where there are such. Axes of the batch are named
            "cue", or "cue_0", "cue_1", ... if there are several; units "visible_unit", axes of
            copies before them "visible_axis_0" and so on; cues and units have coordinates that
            count them. Variables say what they are and in which unit ("long_name" and "units", as
            plots of xarray show them). Attributes: "message", and numbers of `stats` about all cues
            together, with "wall_time" in seconds.

        Raises
        ------
        ValueError
            If a layer has the name of something else in the dataset.
        """
        import xarray

        variables, ends = self._cue_variables(), self._ends()
        recorded = self._recorded_variables()
        add_variables(variables, recorded)
        add_variables(variables, ends)
        dimensions = {dim for dims, _ in variables.values() for dim in dims}
        for name, (dims, _) in variables.items():
            if name in dimensions and dims != (name,):
                raise _name_taken(name)
        numbers = {k: v for k, v in self.stats.items() if isinstance(v, (int, float, str))}
        words = {"kind": type(self).__name__, "message": self.message, "time": self.time_label}
        found = xarray.Dataset(variables, attrs={**words, **numbers, "wall_time_units": "s"})
        # The first axis of a record counts times, steps or events.
        behind = {dim for dims, _ in recorded.values() for dim in dims[1:]}
        counted = {
            *self._batch_axes(),
            *behind,
            *(dim for dims, _ in ends.values() for dim in dims),
        }
        axes = [dim for dim in found.dims if dim in counted and dim not in variables]
        found = found.assign_coords({dim: np.arange(found.sizes[dim]) for dim in axes})
        for key, variable in found.variables.items():
            variable.attrs.update(self._words(str(key)))
            if variable.dtype.kind == "U":
                del variable.attrs["units"]
        return found

    def to_dataframe(self) -> pandas.DataFrame:
        """One row a cue: status, settle time, and what `stats` has for each cue.

        Returns
        -------
        pandas.DataFrame
            The index counts the cues, with one level for each axis of the batch. States are in
            `to_xarray`, and ``result.to_xarray()[["final_visible"]].to_dataframe()`` has a row for
            each unit.
        """
        import xarray

        cues = xarray.Dataset(self._cue_variables())
        return cues.to_dataframe() if cues.sizes else cues.expand_dims("cue").to_dataframe()

    def _recorded_variables(self) -> Variables:
        """What was kept on the way: dimensions and values by name."""
        return {}

    def _final_by_layer(self) -> Mapping[str, NDArray[Any]]:
        final: Mapping[str, NDArray[Any]] = self.final
        return final

    def _batch_axes(self) -> tuple[str, ...]:
        count = self.codes.ndim
        return ("cue",) if count == 1 else tuple(f"cue_{axis}" for axis in range(count))

    def _unit_axes(self, name: str, count: int) -> tuple[str, ...]:
        """Names of the last `count` axes of the states of a layer."""
        return (*(f"{name}_axis_{axis}" for axis in range(count - 1)), f"{name}_unit")

    def _words(self, name: str) -> dict[str, str]:
        """What a variable of the dataset is, and its unit; states and energies have none."""
        what, _, unit = self.time_label.removesuffix(")").partition(" (")
        layers = self._final_by_layer()
        if name in ("time", "settle_time", "event_time", "last_message", "staleness"):
            words = what if name == "time" else name.replace("_", " ")
            return {"long_name": words, "units": unit or self.time_label}
        if name in layers:
            return {"long_name": f"state of layer {name}", "units": "1"}
        if (layer := name.removeprefix("final_")) in layers and layer != name:
            return {"long_name": f"last state of layer {layer}", "units": "1"}
        return {"long_name": name.replace("_", " "), "units": "1"}

    def _ends(self) -> Variables:
        ends: Variables = {}
        for name, state in self._final_by_layer().items():
            units = self._unit_axes(name, state.ndim - self.codes.ndim)
            add_variables(ends, {f"final_{name}": ((*self._batch_axes(), *units), state)})
        return ends

    def _cue_variables(self) -> Variables:
        axes = self._batch_axes()
        found: Variables = {
            "status": (axes, self.statuses),
            "settle_time": (axes, self.settle_times),
        }
        add_variables(found, {name: (axes, value) for name, value in _per_cue(self.stats)})
        return found

    def _about(self) -> str:
        """What a repr says after the message."""
        return f"batch {self.codes.shape}"

    @short
    def __repr__(self) -> str:
        try:
            message = self.message
        except Exception:  # a user's function may be needed for it
            message = _counted(self.statuses)
        return f"{type(self).__name__}({message}; {self._about()})"

    @tabled
    def _repr_html_(self) -> str:
        times = self.settle_times[np.isfinite(self.settle_times)]
        rows: list[tuple[object, ...]] = [
            ("status", _counted(self.statuses)),
            ("message", self.message),
            ("batch", str(self.codes.shape)),
            (f"settled at, {self.time_label}", span(times) if times.size else "-"),
        ]
        rows += [(f"final {name}", brief(state)) for name, state in self._final_by_layer().items()]
        rows += [(name, value) for name, value in self.stats.items() if value is not None]
        return table(type(self).__name__, rows)


def _per_cue(stats: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, NDArray[Any]]]:
    """The arrays of nested dicts by the names on their way."""
    for name, value in stats.items():
        if isinstance(value, Mapping):
            yield from _per_cue(value, f"{before}{name}_")
        elif isinstance(value, np.ndarray):
            yield f"{before}{name}", value


def _counted(statuses: NDArray[np.str_]) -> str:
    names, counts = np.unique(statuses, return_counts=True)
    found = (f"{count} {name}" for name, count in zip(names, counts, strict=True))
    return f"{', '.join(found)} of {statuses.size} cues"


def add_variables(variables: Variables, more: Variables) -> None:
    """Add variables to a dataset, or raise a ValueError where a name is taken."""
    for name, value in more.items():
        if name in variables:
            raise _name_taken(name)
        variables[name] = value


def _name_taken(name: str) -> ValueError:
    return ValueError(
        f"two variables of the dataset would be named {name!r}: give the layer another name, or "
        f"read the arrays of the result"
    )
