"""A `Plan`: a two-layer network as integers that provably fit, and the schedule that runs them.

W is `Plan.weights`, (K, D), used by both directions. `hardware.schedule` says which population
computes what in which step, `hardware.units` what the numbers of each population are, and a `Job`
where recalls start.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amsim import Network
from amsim.display import fields_repr, short, table, tabled

from .chips import CHIPS
from .domain import Choice, Count, Positive, Table
from .errors import MappingError
from .schedule import Turn, turns
from .units import TANH_BITS, Hidden, Integers, Normaliser, Owner, Visible

__all__ = ["TANH_BITS", "Hidden", "Integers", "Job", "Normaliser", "Plan", "Visible"]

MOST_STEPS = 1 << 24  # of a recall, as a plan may ask for it


AsPlan = TypeVar("AsPlan", bound="AnyPlan")


class AnyPlan:
    """What the plan of any network has.

    Attributes
    ----------
    network : Network
    chip : str
    weight_bits : int
    dt : float
    steps : int
    layers : mapping of str to the integers of a layer's units
    cued : tuple of str
        Layers whose states a cue gives.
    form : str
        Of what it is a plan, for messages.
    """

    network: Network
    chip: str
    weight_bits: int
    dt: float
    steps: int
    layers: Mapping[str, Any]
    cued: tuple[str, ...]
    form: str

    @property
    @abstractmethod
    def begins(self) -> Mapping[str, int]:
        """The step of a period in which each layer has its first turn, and takes its input."""

    @property
    @abstractmethod
    def period(self) -> int:
        """Steps in a period."""

    @property
    def scales(self) -> dict[str, float]:
        """Integers per unit of state of every layer."""
        return {name: units.scale for name, units in self.layers.items()}

    def save(self, path: str | Path, *, force: bool = False) -> Path:
        """Write `path` (JSON) and, beside it, its arrays as .npz; see `hardware.files.save`."""
        from .files import save

        return save(cast(Any, self), path, force=force)

    @classmethod
    def load(cls: type[AsPlan], path: str | Path) -> AsPlan:
        """Read what `save` wrote.

        Raises
        ------
        ValueError
            If a file is damaged, is something else, or does not belong to the other.
        """
        from .files import load

        plan = load(path)
        if not isinstance(plan, cls):
            raise ValueError(
                f"{path} is a plan {plan.form}: read it with hardware.{type(plan).__name__}.load"
            )
        return plan

    def golden(
        self,
        cues: Mapping[str, ArrayLike] | ArrayLike,
        path: str | Path,
        *,
        steps: int | None = None,
        force: bool = False,
        **job_options: Any,
    ) -> Path:
        """Write inputs, and every signal after every step, to a .npz file; see docs/integers.md.

        Parameters
        ----------
        cues : as of `hardware.run`
        path : str or Path
        steps : int, optional
            `steps` of the plan by default.
        force : bool, default False
            Whether an existing file may be replaced.
        **job_options
            `clamp` and `inputs`, as in `hardware.run`.

        Returns
        -------
        Path
            The file.
        """
        from .golden import write_golden

        return write_golden(cast(Any, self), cues, path, steps=steps, force=force, **job_options)


@dataclass(frozen=True, eq=False)
class Plan(Owner, AnyPlan):
    """What a chip, the emulator or Lava needs to run a network; made by `hardware.compile`.

    Its arrays are read-only, since the proof that nothing overflows is of these numbers.

    Attributes
    ----------
    network : Network
        The network it was made from.
    chip : str
    weight_bits : int
    dt : float
        Time that one period stands for, in the unit of tau.
    steps : int
        Steps that a recall takes unless told otherwise.
    weights : ndarray of int8 (K, D)
    weight_scale : float
        Integers per unit of weight, the same for every weight and both directions.
    visible : Visible
    hidden : Hidden
    normaliser : Normaliser or None
        None for rectified-power memories.
    """

    network: Network
    chip: Annotated[str, Choice(tuple(n for n, chip in CHIPS.items() if chip.programmable))]
    weight_bits: Annotated[int, Count(2, 8)]
    dt: Annotated[float, Positive()]
    steps: Annotated[int, Count(1, MOST_STEPS)]
    weights: Annotated[NDArray[np.int8], Table(("memories", "features"), -127, 127, np.int8)]
    weight_scale: Annotated[float, Positive()]
    visible: Visible
    hidden: Hidden
    normaliser: Normaliser | None
    cued = ("visible",)
    form = "of features and memories"

    @tabled
    def _repr_html_(self) -> str:
        count, size = self.units
        rows: list[tuple[object, ...]] = [
            ("features", f"{size} {self.visible.kind}"),
            ("memories", f"{count} {self.hidden.kind}"),
            ("chip", self.chip),
            ("weight_bits", self.weight_bits),
            ("dt", self.dt),
            ("steps", f"{self.steps}, {self.period} to a period"),
        ]
        return table("Plan", rows)

    @short
    def __repr__(self) -> str:
        count, size = self.units
        return (
            f"Plan({self.visible.kind} ({size},), {self.hidden.kind} ({count},), {self.chip}, "
            f"weight_bits={self.weight_bits}, dt={self.dt:g}, period={self.period}, "
            f"steps={self.steps})"
        )

    @cached_property
    def schedule(self) -> tuple[Turn, ...]:
        """Who computes what in each step of a period; `hardware.schedule.table` prints it."""
        return turns(0 if self.normaliser is None else self.normaliser.rounds)

    @property
    def period(self) -> int:
        """Steps in a period."""
        return len(self.schedule)

    @cached_property
    def layers(self) -> Mapping[str, Any]:  # type: ignore[override] # it is data elsewhere
        """The integers of features and memories, "visible" and "hidden"."""
        return MappingProxyType({"visible": self.visible, "hidden": self.hidden})

    @property
    def begins(self) -> dict[str, int]:
        """The step of a period in which each layer has its first turn, and takes its input."""
        return {"visible": 0, "hidden": 1}

    @property
    def units(self) -> tuple[int, int]:
        """Numbers of memories and of features, (K, D)."""
        count, size = self.weights.shape
        return count, size

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Plan):
            return NotImplemented
        from .files import to_parts

        scalars, arrays = to_parts(self)
        their_scalars, their_arrays = to_parts(other)
        return (
            scalars == their_scalars
            and arrays.keys() == their_arrays.keys()
            and all(np.array_equal(arrays[name], their_arrays[name]) for name in arrays)
        )

    __hash__ = None  # type: ignore[assignment]

    def report(self) -> str:
        """Sizes, schedule, and the proven range of every signal."""
        from .plan_report import describe

        return describe(self)


@dataclass(frozen=True, eq=False)
class Job:
    """Cues as integers: where B recalls start and what drives them.

    Attributes
    ----------
    visible : ndarray of int (B, D)
        v at t = 0.
    hidden : ndarray of int (B, K)
        h at t = 0, stationary for the features' messages: W output(v) + bias + input.
    log_sum : ndarray of int (B, 1)
        c at t = 0, not below the logarithm of the sum; zeros without a normaliser.
    clamped : ndarray of bool (B, D)
        Features that keep their v.
    input_visible, input_hidden : ndarray of int (T, B, D), (T, B, K)
        Driven inputs of period k in row min(k, T - 1).
    steps : int
    """

    visible: Integers
    hidden: Integers
    log_sum: Integers
    clamped: NDArray[np.bool_]
    input_visible: Integers
    input_hidden: Integers
    steps: int

    __repr__ = fields_repr

    @property
    def driven(self) -> int:
        """Periods after which the driven inputs no longer change."""
        return max(len(self.input_visible), len(self.input_hidden)) - 1


def require_plan(plan: object, what: str) -> Plan:
    """The plan; a TypeError for what is none, a MappingError for one of other layers.

    Parameters
    ----------
    plan : object
    what : str
        What is asked for, for the message.
    """
    if isinstance(plan, AnyPlan) and not isinstance(plan, Plan):
        raise MappingError(
            f"{what} takes plans of features and memories (am.dense_am) alone, got {plan!r}"
        )
    if not isinstance(plan, Plan):
        raise TypeError(f"plan must be a hardware.Plan, got {type(plan).__name__}")
    return plan
