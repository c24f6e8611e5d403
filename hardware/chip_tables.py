"""A table of a chip, `Chip`; your own chip is one such table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from amsim import checks
from amsim.display import fields_repr

from . import chip_files
from .chip_limits import LIMITS, MOST_CORES, PLACING, PRICES, UNITS, Limit, System
from .errors import NotPublicError

_OF_THE_MESH = ("cores", "mesh_columns", "mesh_rows", "cores_per_router")
_KNOWN = (*LIMITS, *PRICES)


@dataclass(frozen=True)
class Chip:
    """A chip as a table.

    Attributes
    ----------
    name : str
    programmable : bool
        Whether neurons are microcode; a fixed leaky integrate-and-fire chip cannot run a plan.
    limits : mapping of str to Limit
        Under the names of `chips.LIMITS` and `chips.PRICES`. Those of `chip_limits.PLACING` are
        needed; others that are not there count as not public. A chip has at most 2**20 cores.
    systems : tuple of System
        From small to large; a single chip by default.

    Raises
    ------
    ValueError
        If a name is not known, or something that is needed is missing; the message names all of it.

    Examples
    --------
    A chip of your own, here Loihi 2 with eight cores and prices that you assume:

    >>> from dataclasses import replace
    >>> import hardware as hw
    >>> eight = {"cores": hw.Limit(8, "cores", "our simulator", "assumed")}
    >>> mine = replace(hw.CHIPS["loihi2"], name="mine", limits=hw.CHIPS["loihi2"].limits | eight)
    >>> mine.assuming(synapse_energy=(5.0, 10.0)).price("synapse_energy").range
    (5.0, 10.0)
    """

    name: str
    programmable: bool
    limits: Mapping[str, Limit]
    systems: tuple[System, ...] = ()

    __repr__ = fields_repr

    def __post_init__(self) -> None:
        problems = [
            *(f"{name!r} is not known" for name in self.limits if name not in _KNOWN),
            *(
                f"{name} ({meaning}) is missing"
                for name, meaning in PLACING.items()
                if name not in self.limits or self.limits[name].value is None
            ),
            *_wrong_values(self.limits),
        ]
        if problems:
            raise ValueError(f"chip {self.name!r}: {'; '.join(problems)}")
        object.__setattr__(self, "limits", MappingProxyType(dict(self.limits)))
        if not self.systems:
            alone = System(f"{self.name}-chip", Limit(1, "chips", "one chip", "derived"))
            object.__setattr__(self, "systems", (alone,))

    def __reduce__(self) -> tuple[type[Chip], tuple[Any, ...]]:
        return Chip, (self.name, self.programmable, dict(self.limits), self.systems)

    def whole(self, name: str) -> int | None:
        """A limit as a whole number, or None where it is not public."""
        limit = self.limits.get(name)
        return None if limit is None or limit.value is None else int(limit.value)

    def price(self, name: str) -> Limit:
        """A price.

        Raises
        ------
        NotPublicError
            If nobody published it.
        """
        checks.choice("price", name, tuple(PRICES))
        limit = self.limits.get(name)
        if limit is None or limit.value is None:
            raise NotPublicError(
                f"{name} ({PRICES[name][1]}) of {self.name} is not public: take the prices of "
                f"another chip, or your own with chip.assuming({name}=...)"
            )
        return limit

    def assuming(self, **values: float | tuple[float, float]) -> Chip:
        """The same chip with values of your own, marked as assumed.

        Parameters
        ----------
        **values : float or (float, float)
            By the names of `limits`; two numbers are a range.
        """
        limits = dict(self.limits)
        for name, given in values.items():
            if name not in _KNOWN:
                raise ValueError(f"no limit {name!r}; there are {', '.join(_KNOWN)}")
            if isinstance(given, tuple) and len(given) != 2:
                raise ValueError(f"{name} must be one number or two, got {checks.shown(given)}")
            low, high = given if isinstance(given, tuple) else (given, None)
            limits[name] = Limit(low, UNITS[name], "assumed by the caller", "assumed", False, high)
        return replace(self, limits=limits)

    def system(self, name: str) -> System:
        """One of its systems.

        Raises
        ------
        ValueError
            If there is none of this name.
        """
        checks.text("system", name)
        for system in self.systems:
            if system.name == name:
                return system
        known = ", ".join(system.name for system in self.systems)
        raise ValueError(f"{self.name} has no system {name!r}; there are {known}")

    @classmethod
    def load(cls, path: str | Path) -> Chip:
        """Read a chip from TOML; docs/placement.md shows one.

        Raises
        ------
        ValueError
            If it is no TOML; if entries are wrong, or if some are missing: the message names all of
            them.
        """
        path = checks.path("path", path)
        table = chip_files.read(path)
        try:
            return cls(**table)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def _wrong_values(limits: Mapping[str, Limit]) -> list[str]:
    wrong = []
    for name, limit in limits.items():
        if name in _KNOWN:
            try:
                limit.require_unit(name)
            except ValueError as error:
                wrong.append(str(error))
        most = MOST_CORES if name in _OF_THE_MESH else checks.LARGEST_COUNT
        if name in LIMITS and limit.value is not None:
            try:
                checks.count(name, limit.value, at_most=most)
            except (TypeError, ValueError) as error:
                wrong.append(str(error))
    known = {n: limits[n].value for n in PLACING if n in limits}
    if len(known) == len(PLACING) and not wrong and None not in known.values():
        numbers: dict[str, Any] = known
        slots = numbers["mesh_columns"] * numbers["mesh_rows"] * numbers["cores_per_router"]
        if numbers["cores"] > slots:
            wrong.append(f"cores is {numbers['cores']:g}, its routers have room for {slots:g}")
        if slots > MOST_CORES:
            wrong.append(f"its routers have room for {slots:,.0f} cores, more than {MOST_CORES:,}")
    return wrong
