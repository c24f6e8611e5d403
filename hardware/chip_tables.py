"""What a table of a chip holds: `Limit`, `System`, `Chip`; your own chip is one such table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from amsim import checks
from amsim.display import fields_repr

from .errors import NotPublicError

BASES = ("paper", "brief", "derived", "assumed")

# What each value means; those of the first group are needed to place a plan.
PLACING: Mapping[str, str] = MappingProxyType(
    {
        "cores": "neuro-cores per chip",
        "neurons_per_core": "neurons per neuro-core",
        "synapse_bytes_per_core": "bytes of synaptic memory per neuro-core",
        "weight_bits": "largest width of a weight",
        "mesh_columns": "routers of a chip from west to east",
        "mesh_rows": "routers of a chip from north to south",
        "cores_per_router": "neuro-cores at a router",
    }
)
LIMITS: Mapping[str, str] = MappingProxyType(
    {
        **PLACING,
        "axons_in_per_core": "senders that a neuro-core can listen to",
        "axons_out_per_core": "pairs of a neuron here and a neuro-core that it sends to",
        "message_bits": "largest width of a message",
        "state_bits": "width of states and sums, sign included",
        "decay_bits": "width of the mantissa of a leak",
        "product_bits": "width of a product before its shift",
    }
)
PRICES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "synapse_energy": ("pJ", "one synaptic operation"),
        "synapse_time": ("ns", "one synaptic operation"),
        "active_update_energy": ("pJ", "one update of a neuron that computes"),
        "active_update_time": ("ns", "one update of a neuron that computes"),
        "idle_update_energy": ("pJ", "one update of a neuron that waits"),
        "idle_update_time": ("ns", "one update of a neuron that waits"),
        "delivery_energy": ("pJ", "one message handed to a neuro-core at its router"),
        "delivery_time": ("ns", "one message handed to a neuro-core at its router"),
        "hop_x_energy": ("pJ", "one message to the next router east or west"),
        "hop_x_time": ("ns", "one message to the next router east or west"),
        "hop_y_energy": ("pJ", "one message to the next router north or south"),
        "hop_y_time": ("ns", "one message to the next router north or south"),
        "crossing_energy": ("pJ", "one message from chip to chip, beyond the hop"),
        "crossing_time": ("ns", "one message from chip to chip, beyond the hop"),
        "barrier_time": ("ns", "one synchronisation of all cores at the end of a step"),
        "static_power": ("mW", "a chip that does nothing"),
    }
)

_OF_THE_MESH = ("cores", "mesh_columns", "mesh_rows", "cores_per_router")
_KNOWN = (*LIMITS, *PRICES)
# A chip may have so many cores, routers and chips beside it: `place` makes arrays of them.
MOST_CORES = 1 << 20
_LARGEST = 1e15  # of any value


@dataclass(frozen=True)
class Limit:
    """One published (or assumed) number.

    Attributes
    ----------
    value : float or None
        None where nobody published one.
    unit, source : str
    basis : str
        "paper", "brief", "derived" or "assumed".
    public : bool
        Whether the value is published.
    high : float, optional
        The upper end, where the source gives a range; `value` is then the lower one.
    """

    value: float | None
    unit: str
    source: str
    basis: str
    public: bool = True
    high: float | None = None

    def __post_init__(self) -> None:
        checks.choice("basis", self.basis, BASES)
        checks.flag("public", self.public)
        checks.text("unit", self.unit)
        if not isinstance(self.source, str) or not self.source:
            raise ValueError("source is empty: say where the value comes from")
        for name, number in (("value", self.value), ("high", self.high)):
            if number is not None:
                checks.number(name, number, at_least=0.0, at_most=_LARGEST)
        if self.high is not None and (self.value is None or self.high < self.value):
            raise ValueError(f"high is {self.high!r}, below the value {self.value!r}")

    @property
    def range(self) -> tuple[float, float]:
        """Lower and upper end.

        Raises
        ------
        NotPublicError
            If there is no value.
        """
        if self.value is None:
            raise NotPublicError(f"the value is not public ({self.source})")
        return self.value, self.value if self.high is None else self.high


@dataclass(frozen=True)
class System:
    """A board or a rack of chips of one kind.

    Attributes
    ----------
    name : str
    chips : Limit
    cores_per_chip : Limit, optional
        Where fewer can be used than a chip has.
    power : Limit, optional
        Of the whole system at full load, in W.
    """

    name: str
    chips: Limit
    cores_per_chip: Limit | None = None
    power: Limit | None = None

    def __post_init__(self) -> None:
        for name, limit in (("chips", self.chips), ("cores_per_chip", self.cores_per_chip)):
            if limit is not None:
                what = f"{name} of system {self.name!r}"
                checks.count(what, limit.value, at_most=MOST_CORES)


@dataclass(frozen=True)
class Chip:
    """A chip as a table.

    Attributes
    ----------
    name : str
    programmable : bool
        Whether neurons are microcode; a fixed leaky integrate-and-fire chip cannot run a plan.
    limits : mapping of str to Limit
        Under the names of `chips.LIMITS` and `chips.PRICES`. Those of `chip_tables.PLACING` are
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
            unit = PRICES[name][0] if name in PRICES else LIMITS[name]
            limits[name] = Limit(low, unit, "assumed by the caller", "assumed", False, high)
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
            If it is no TOML, or lacks something; the message names all of it.
        """
        from .chip_files import read

        return read(checks.path("path", path))


def _wrong_values(limits: Mapping[str, Limit]) -> list[str]:
    wrong = []
    for name, limit in limits.items():
        if name in PRICES and not limit.unit.startswith(PRICES[name][0]):
            wrong.append(f"{name} is in {limit.unit!r}, it has to be in {PRICES[name][0]}")
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
