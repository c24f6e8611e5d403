"""Published limits of chips; every value says where it comes from and whether it is public.

`basis` is "paper", "brief" (the vendor's product brief), "derived" (computed from published
values) or "assumed" (ours, because nothing is published). The papers were read through quotations
in later work, not in the original; check a value before you build on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Limit:
    """One published (or assumed) number.

    Attributes
    ----------
    value : float or None
        None where nobody published one.
    unit, source, basis : str
    public : bool
        Whether the value is published.
    """

    value: float | None
    unit: str
    source: str
    basis: str
    public: bool = True


@dataclass(frozen=True)
class Chip:
    """A chip as a table of limits.

    Attributes
    ----------
    name : str
    programmable : bool
        Whether neurons are microcode; a fixed leaky integrate-and-fire chip cannot run a plan.
    limits : mapping of str to Limit
    """

    name: str
    programmable: bool
    limits: Mapping[str, Limit]


_DAVIES18 = "Davies et al. 2018, IEEE Micro 38(1), doi:10.1109/MM.2018.112130359"
_BRIEF21 = "Intel, Loihi 2 technology brief, 2021"
_OURS = "amsim"


def _table(**limits: Limit) -> Mapping[str, Limit]:
    return MappingProxyType(limits)


LOIHI1 = Chip(
    "loihi1",
    programmable=False,
    limits=_table(
        cores=Limit(128, "neuro-cores per chip", _DAVIES18, "paper"),
        neurons_per_core=Limit(1024, "neurons", _DAVIES18, "paper"),
        synapse_bytes_per_core=Limit(128 * 1024, "bytes", _DAVIES18, "paper"),
        axons_in_per_core=Limit(4096, "axons", _DAVIES18, "paper"),
        axons_out_per_core=Limit(4096, "axons", _DAVIES18, "paper"),
        weight_bits=Limit(9, "bits", _DAVIES18, "paper"),
        message_bits=Limit(1, "bits", _DAVIES18, "paper"),
        state_bits=Limit(24, "bits, sign included", _DAVIES18, "paper"),
        decay_bits=Limit(12, "bits", _DAVIES18, "paper"),
    ),
)

LOIHI2 = Chip(
    "loihi2",
    programmable=True,
    limits=_table(
        cores=Limit(128, "neuro-cores per chip", _BRIEF21, "brief"),
        neurons_per_core=Limit(8192, "neurons", _BRIEF21, "brief"),
        synapse_bytes_per_core=Limit(128 * 1024, "bytes, of 192 KB", _BRIEF21, "brief"),
        axons_in_per_core=Limit(None, "axons", _BRIEF21, "brief", public=False),
        axons_out_per_core=Limit(None, "axons", _BRIEF21, "brief", public=False),
        weight_bits=Limit(8, "bits", _BRIEF21, "brief"),
        message_bits=Limit(32, "bits", _BRIEF21, "brief"),
        state_bits=Limit(24, "bits, sign included", _OURS, "assumed", public=False),
        decay_bits=Limit(12, "bits", _OURS, "assumed", public=False),
        product_bits=Limit(
            40, "bits of a product before its shift", _OURS, "assumed", public=False
        ),
    ),
)

CHIPS: Mapping[str, Chip] = MappingProxyType({chip.name: chip for chip in (LOIHI1, LOIHI2)})


def chip(name: str) -> Chip:
    """The table of a chip.

    Raises
    ------
    ValueError
        If there is none of this name.

    Examples
    --------
    >>> chip("loihi2").limits["weight_bits"].value
    8
    """
    if name not in CHIPS:
        raise ValueError(f"no chip {name!r}; there are {', '.join(CHIPS)}")
    return CHIPS[name]
