"""What stands in a table of a chip: `Limit`, a number with its source, and `System`, a board."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from amsim import checks

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
        "state_bytes_per_core": "bytes per neuro-core for what neurons keep from step to step",
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

# What each is counted in; a unit may be followed by a remark, as in "bytes, of 192 KB".
UNITS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("cores", "cores_per_router", "cores_per_chip"), "cores"),
        **dict.fromkeys(("mesh_columns", "mesh_rows"), "routers"),
        **dict.fromkeys(("axons_in_per_core", "axons_out_per_core"), "axons"),
        **dict.fromkeys((name for name in LIMITS if name.endswith("_bits")), "bits"),
        **{name: unit for name, (unit, _) in PRICES.items()},
        "neurons_per_core": "neurons",
        **dict.fromkeys(("synapse_bytes_per_core", "state_bytes_per_core"), "bytes"),
        "chips": "chips",
        "power": "W",
    }
)

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

    def require_unit(self, name: str) -> None:
        """Raise unless the unit is the one in which `name` is counted."""
        if re.split("[ ,]", self.unit, maxsplit=1)[0] != UNITS[name]:
            raise ValueError(f"{name} is in {self.unit!r}, it has to be in {UNITS[name]}")


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
        for name in ("chips", "cores_per_chip", "power"):
            if (given := getattr(self, name)) is not None:
                given.require_unit(name)
