"""Input that arrives event by event: spikes, graded events, the events of a silicon retina.

A unit integrates what arrives between two of its turns, so that the driven input of a period is the
sum of its events: none is lost, and what `compile(..., input_limits=...)` proves holds for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amsim import checks
from amsim.display import short
from amsim.files import Archive, naming_damage, open_archive

from .errors import RangeError
from .plan import AnyPlan, require_plan

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
# Of an integer, and of a step: what the rounding of times and charges may take from it.
_ROUNDING = 2.0**-30
_MICROSECOND = 1e-6
_MOST = 2.0**52  # steps, and integers in a step: floats hold sums of so much exactly
_AER = "x", "y", "t", "p"


@dataclass(frozen=True, eq=False)
class Events:
    """Charges that arrive at single units, in no order: I(t) = sum of value delta(t - time).

    An event moves a unit by value / tau at once, and a plan to within one period of its time.

    Attributes
    ----------
    times : ndarray (N,)
        Not negative, in the unit of tau.
    units : ndarray of int (N,)
        Addresses in the layer.
    values : ndarray (N,)
        Charges, in units of state times units of tau.

    Examples
    --------
    >>> import amsim as am
    >>> import hardware as hw
    >>> stored = am.patterns.random(3, 8, seed=0)
    >>> events = hw.Events(times=[0.2, 0.21, 0.5], units=[0, 0, 3], values=[0.1, 0.1, -0.1])
    >>> plan = hw.compile(am.dense_am(stored), input_limits={"visible": events.largest(0.05)})
    >>> hw.run(plan, stored[0], inputs=events).status
    'settled'
    """

    times: Floats
    units: Integers
    values: Floats

    def __post_init__(self) -> None:
        times = checks.array("times", self.times, largest=checks.LARGEST)
        values = checks.array("values", self.values, largest=checks.LARGEST)
        units = np.asarray(checks.plain("units", self.units))
        if units.size == 0:
            units = units.astype(np.int64)
        shapes = times.shape, units.shape, values.shape
        if times.ndim != 1 or len(set(shapes)) > 1:
            raise ValueError(
                f"times, units and values must be lists of one length, got shapes {shapes}"
            )
        if units.dtype.kind not in "iu" or (units < 0).any():
            raise ValueError(f"units must be whole numbers from 0, got {checks.shown(self.units)}")
        if int(units.max(initial=0)) > np.iinfo(np.int64).max:
            raise ValueError(f"units must be below 2**63, got {units.max()}")
        if (times < 0).any():
            raise ValueError(f"times must not be negative, got {float(times.min())}")
        for name, array in (("times", times), ("units", units), ("values", values)):
            kind = np.int64 if name == "units" else np.float64
            object.__setattr__(self, name, checks.owned(array.astype(kind)))

    @short
    def __repr__(self) -> str:
        return f"Events({len(self.times)} at {len(np.unique(self.units))} units)"

    @classmethod
    def read_aer(
        cls, path: str | Path, shape: tuple[int, int], *, unit: float, charge: float
    ) -> Events:
        """Address events of a sensor of pixels: one unit a pixel, row after row.

        Parameters
        ----------
        path : str or Path
            An .npz file with whole numbers of one length: "x" and "y" the column and the row, "t"
            in microseconds, "p" the polarity, 1 for ON and 0 or -1 for OFF.
        shape : (int, int)
            Rows and columns.
        unit : float
            Seconds that one unit of tau stands for.
        charge : float
            Of an ON event; an OFF event has its negative.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is damaged or something else, or an event lies outside of the sensor.
        """
        path = checks.path("path", path)
        unit = checks.number("unit", unit, above=0.0)
        charge = checks.number("charge", charge)
        if not (isinstance(shape, (tuple, list)) and len(shape) == 2):
            raise TypeError(f"shape must be (rows, columns), got {checks.shown(shape)}")
        rows, columns = (checks.count("shape", size) for size in shape)
        checks.count("rows times columns", rows * columns)
        with (
            naming_damage(path, "a recording of address events", "np.savez(x=, y=, t=, p=)"),
            open_archive(path) as archive,
        ):
            x, y, t, p = (_whole_numbers(archive, name) for name in _AER)
            if not x.shape == y.shape == t.shape == p.shape:
                raise ValueError("x, y, t and p have different lengths")
            if not (_inside(x, columns) and _inside(y, rows)):
                raise ValueError(f"an event lies outside of {rows} rows and {columns} columns")
            if not (np.isin(p, (0, 1)).all() or np.isin(p, (-1, 1)).all()):
                raise ValueError("p must be 1 for ON, and 0 or -1 for OFF")
        times = t.astype(np.float64) * (_MICROSECOND / unit)
        values = np.where(p > 0, charge, -charge)
        return cls(times, y * columns + x, values.astype(np.float64))

    @classmethod
    def from_integers(cls, plan: AnyPlan, arriving: ArrayLike, layer: str = "visible") -> Events:
        """The events of which a layer hears these integers; `integers` is the way back.

        Parameters
        ----------
        plan : Plan or GraphPlan
        arriving : array_like of int (T, n)
            What arrives in step 0, 1, ..., in the integers of the layer: what a process of Lava
            has sent to its port, say.
        layer : str
        """
        _check(plan, layer, "Events.from_integers")
        rows = np.asarray(checks.plain("arriving", arriving))
        if rows.ndim != 2 or rows.dtype.kind not in "iu":
            raise ValueError(
                f"arriving must be whole numbers (steps, units), got {checks.shown(arriving)}"
            )
        steps, units = np.nonzero(rows)
        # In the middle of the step before; nobody has a turn between steps 0 and 1.
        times = (np.maximum(steps, 1) - 0.5) * (plan.dt / plan.period)
        values = rows[steps, units] * (plan.dt / _scale(plan, layer))
        return cls(times, units, values)

    def integers(self, plan: AnyPlan, steps: int, layer: str = "visible") -> Integers:
        """What arrives in every step, (steps, n), in the integers of a layer.

        An event arrives in the step after that in which it happens, as any message. Charges round
        towards zero.

        Raises
        ------
        ValueError
            If an event would come too late, names a unit that the layer has not, or is smaller
            than an integer.
        RangeError
            If the events of a step add up to more than 2**52.
        """
        _check(plan, layer, "Events.integers")
        steps = checks.count("steps", steps)
        checks.room("what arrives", steps, _size(plan, layer))
        arrives = self._steps(plan)
        if (arrives >= steps).any():
            raise self._too_late(int(arrives.max()), steps)
        charges = self._charges(plan, layer)
        sizes = self._sums(arrives, np.abs(charges), (steps, _size(plan, layer)))
        if (most := float(sizes.max())) > _MOST:
            raise RangeError(
                f"events of {layer} in a step",
                int(most).bit_length() + 1,
                53,
                "take smaller values",
            )
        return self._sums(arrives, charges, sizes.shape).astype(np.int64)

    def largest(self, dt: float, begins: float = 0.0) -> float:
        """The input limit that suffices: no unit gets more in any period of `dt`, in any order.

        Parameters
        ----------
        dt : float
            That of the plan.
        begins : float
            When in a period the layer has its first turn, ``plan.begins[layer] / plan.period``: 0
            of the features of `am.dense_am`; 1 suffices for any layer. What arrives before that
            in the first period, where states are held, counts in the second.

        Returns
        -------
        float
            For `compile(..., dt=dt, input_limits={layer: ...})`.
        """
        dt = checks.number("dt", dt, above=0.0)
        begins = checks.number("begins", begins, at_least=0.0, at_most=1.0)
        if not len(self.times):
            return 0.0
        order = np.lexsort((self.times, self.units))
        span = float(self.times.max()) + 3 * dt
        units = self.units[order] * span
        keys = units + self.times[order]
        sums = np.concatenate([[0.0], np.cumsum(np.abs(self.values[order]))])
        until = np.maximum(keys, units + dt * begins) + dt * (1 + _ROUNDING)
        ends = np.searchsorted(keys, until, side="right")
        return float(np.max(sums[ends] - sums[:-1])) / dt

    def by_period(self, plan: AnyPlan, layer: str, steps: int) -> Integers:
        """The driven input of every period, (T, n), the last row 0.

        What arrives up to the first turn of a layer, where states are held, counts in the second.

        Raises
        ------
        RangeError
            If the events of a period, in any order, are more than the plan was made for.
        ValueError
            As of `integers`.
        """
        _check(plan, layer, "Events.by_period")
        steps = checks.count("steps", steps)
        length, first = plan.period, plan.begins[layer]
        arrives = self._steps(plan)
        periods = np.maximum(1, -((first - arrives) // length))
        if len(periods) and periods.max() * length + first >= steps:
            raise self._too_late(periods.max() * length + first, steps)
        charges = self._charges(plan, layer)
        shape = int(periods.max(initial=0)) + 2, _size(plan, layer)
        # As floats, which do not wrap: up to the limit, they are exact.
        sizes = self._sums(periods, np.abs(charges), shape)
        limit, most = int(plan.layers[layer].input_limit), int(sizes.max(initial=0))
        if most > limit:
            needed = most / _scale(plan, layer)
            raise RangeError(
                f"events of {layer} in a period",
                most.bit_length() + 1,
                (limit + 1).bit_length(),
                f"compile(..., input_limits={{{layer!r}: {needed:.4g}}}); Events.largest(dt) says "
                f"how much events need, Events.largest(dt, 1) for any layer",
            )
        return self._sums(periods, charges, shape).astype(np.int64)

    def _sums(self, places: Integers, charges: Floats, shape: tuple[int, ...]) -> Floats:
        """Charges of each place and unit, added up."""
        rows = np.zeros(shape)
        np.add.at(rows, (places, self.units), charges)
        return rows

    def _steps(self, plan: AnyPlan) -> Integers:
        """The step in which each event arrives."""
        happens = self.times / plan.dt * plan.period
        if happens.max(initial=0.0) > _MOST:
            raise ValueError(
                f"an event at {self.times.max():g} comes after 2**52 steps of {plan.dt:g} / "
                f"{plan.period}: leave out what comes later than the run"
            )
        return np.asarray(np.floor(happens + _ROUNDING * np.maximum(1.0, happens)) + 1, np.int64)

    def _charges(self, plan: AnyPlan, layer: str) -> Floats:
        """The integer of each event, however large."""
        size = _size(plan, layer)
        if (self.units >= size).any():
            raise ValueError(
                f"an event is of unit {self.units.max()}, layer {layer!r} has {size} units"
            )
        exact = self.values * (_scale(plan, layer) / plan.dt) * (1 + _ROUNDING)
        charges: Floats = np.trunc(exact)
        lost = (charges == 0) & (self.values != 0)
        if lost.any():
            least = plan.dt / _scale(plan, layer)
            raise ValueError(
                f"an event of {self.values[lost][0]:g} is lost in the rounding: layer {layer!r} "
                f"has charges from {least:.3g} on"
            )
        return charges

    def _too_late(self, step: int, steps: int) -> ValueError:
        return ValueError(
            f"the last event, at {self.times.max():g}, counts in step {step}, and the run has "
            f"{steps}: run more (steps=...), or leave out what comes later"
        )


def _whole_numbers(archive: Archive, name: str) -> Integers:
    if name not in archive:
        raise ValueError(f"it lacks {name!r}")
    found = archive[name]
    if found.ndim != 1 or found.dtype.kind not in "iub":
        raise ValueError(f"{name!r} is {checks.shown(found)}, not a list of whole numbers")
    if found.dtype == np.uint64 and (found > np.iinfo(np.int64).max).any():
        raise ValueError(f"{name!r} has numbers beyond 2**63")
    return found.astype(np.int64)


def _inside(addresses: Integers, size: int) -> bool:
    return bool(((addresses >= 0) & (addresses < size)).all())


def _check(plan: Any, layer: Any, caller: str) -> None:
    if not isinstance(plan, AnyPlan):
        require_plan(plan, caller)
    checks.choice("layer", layer, tuple(plan.layers))


def _scale(plan: AnyPlan, layer: str) -> float:
    return plan.scales[layer]


def _size(plan: AnyPlan, layer: str) -> int:
    return plan.network.layers[layer].size
