"""Published limits and prices of chips; every value says where it comes from.

`basis` is "paper", "brief" (the vendor's product brief or news), "derived" (computed from published
values) or "assumed" (ours, because nothing is published). The papers were read through quotations
in later work, not in the original; check a value before you build on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from .chip_limits import LIMITS, PRICES, Limit, System
from .chip_tables import Chip

__all__ = ["CHIPS", "LIMITS", "LOIHI1", "LOIHI2", "PRICES", "Chip", "Limit", "System", "chip"]

_DAVIES18 = "Davies et al. 2018, IEEE Micro 38(1), doi:10.1109/MM.2018.112130359"
_TABLE2 = f"{_DAVIES18}, table 2, before silicon, at 0.75 V"
_DAVIES21 = "Davies et al. 2021, Proc. IEEE 109(5), doi:10.1109/JPROC.2021.3067593"
_FRADY20 = "Frady et al. 2020, arXiv:2004.12691"
_BRIEF21 = "Intel, Loihi 2 technology brief, 2021"
_BRIEF22 = "Intel, Kapoho Point, 2022"
_NEWS24 = "Intel, Hala Point, 2024"
_TIMCHECK26 = "Timcheck et al. 2026, arXiv:2601.10035"
_OURS = "amsim"


def _unknown(unit: str, source: str) -> Limit:
    return Limit(None, unit, source, "brief", public=False)


LOIHI1 = Chip(
    "loihi1",
    programmable=False,
    limits={
        "cores": Limit(128, "cores", _DAVIES18, "paper"),
        "neurons_per_core": Limit(1024, "neurons", _DAVIES18, "paper"),
        "synapse_bytes_per_core": Limit(128 * 1024, "bytes", _DAVIES18, "paper"),
        "axons_in_per_core": Limit(4096, "axons", _DAVIES18, "paper"),
        "axons_out_per_core": Limit(4096, "axons", _DAVIES18, "paper"),
        "state_bytes_per_core": _unknown("bytes", _DAVIES18),
        "weight_bits": Limit(9, "bits", _DAVIES18, "paper"),
        "message_bits": Limit(1, "bits", _DAVIES18, "paper"),
        "state_bits": Limit(24, "bits, sign included", _DAVIES18, "paper"),
        "decay_bits": Limit(12, "bits", _DAVIES18, "paper"),
        # 32 tiles of 4 cores are published, their outline is not.
        "mesh_columns": Limit(8, "routers", _OURS, "assumed", public=False),
        "mesh_rows": Limit(4, "routers", _OURS, "assumed", public=False),
        "cores_per_router": Limit(4, "cores", _DAVIES18, "paper"),
        # The paper calls this energy a minimum and the time a maximum.
        "synapse_energy": Limit(23.6, "pJ", _TABLE2, "paper"),
        "synapse_time": Limit(3.5, "ns", _TABLE2, "paper"),
        "active_update_energy": Limit(81.0, "pJ", _TABLE2, "paper"),
        "active_update_time": Limit(8.4, "ns", _TABLE2, "paper"),
        "idle_update_energy": Limit(52.0, "pJ", _TABLE2, "paper"),
        "idle_update_time": Limit(5.3, "ns", _TABLE2, "paper"),
        "delivery_energy": Limit(1.7, "pJ", _TABLE2, "paper"),
        "delivery_time": Limit(2.1, "ns", _TABLE2, "paper"),
        "hop_x_energy": Limit(3.0, "pJ", _TABLE2, "paper"),
        "hop_x_time": Limit(4.1, "ns", _TABLE2, "paper"),
        "hop_y_energy": Limit(4.0, "pJ", _TABLE2, "paper"),
        "hop_y_time": Limit(6.5, "ns", _TABLE2, "paper"),
        "crossing_energy": _unknown("pJ", _DAVIES18),
        "crossing_time": _unknown("ns", _DAVIES18),
        # For 1 and for 32 tiles.
        "barrier_time": Limit(113.0, "ns", _TABLE2, "paper", high=465.0),
        "static_power": Limit(104.0, "mW", _FRADY20, "derived"),
    },
    systems=(
        System("loihi1-chip", Limit(1, "chips", _DAVIES18, "paper")),
        System("kapoho-bay", Limit(2, "chips", _DAVIES21, "paper")),
        System("nahuku", Limit(32, "chips", _DAVIES21, "paper")),
        System("pohoiki-springs", Limit(768, "chips", _FRADY20, "paper")),
    ),
)

LOIHI2 = Chip(
    "loihi2",
    programmable=True,
    limits={
        "cores": Limit(128, "cores", _BRIEF21, "brief"),
        "neurons_per_core": Limit(8192, "neurons", _BRIEF21, "brief"),
        "synapse_bytes_per_core": Limit(128 * 1024, "bytes, of 192 KB", _BRIEF21, "brief"),
        "axons_in_per_core": _unknown("axons", _BRIEF21),
        "axons_out_per_core": _unknown("axons", _BRIEF21),
        "state_bytes_per_core": _unknown("bytes", _BRIEF21),
        "weight_bits": Limit(8, "bits", _BRIEF21, "brief"),
        "message_bits": Limit(32, "bits", _BRIEF21, "brief"),
        "state_bits": Limit(24, "bits, sign included", _OURS, "assumed", public=False),
        "decay_bits": Limit(12, "bits", _OURS, "assumed", public=False),
        "product_bits": Limit(
            40, "bits of a product before its shift", _OURS, "assumed", public=False
        ),
        "mesh_columns": Limit(8, "routers", _TIMCHECK26, "paper"),
        "mesh_rows": Limit(4, "routers", _TIMCHECK26, "paper"),
        "cores_per_router": Limit(4, "cores", _TIMCHECK26, "paper"),
        **{
            name: _unknown(unit, _BRIEF21)
            for name, (unit, _) in PRICES.items()
            if name != "barrier_time"
        },
        # "Below 200 ns" for a whole step with nothing to do.
        "barrier_time": Limit(0.0, "ns", _BRIEF21, "brief", high=200.0),
    },
    systems=(
        System("oheo-gulch", Limit(1, "chips", _BRIEF21, "brief")),
        System("kapoho-point", Limit(8, "chips", _BRIEF22, "brief")),
        System(
            "hala-point",
            Limit(1152, "chips", _NEWS24, "brief"),
            # 140,544 cores in 1,152 chips.
            cores_per_chip=Limit(122, "cores", _NEWS24, "derived"),
            power=Limit(2600.0, "W", _NEWS24, "brief"),
        ),
    ),
)

CHIPS: Mapping[str, Chip] = MappingProxyType({chip.name: chip for chip in (LOIHI1, LOIHI2)})


def chip(which: str | Path | Chip) -> Chip:
    """The table of a chip: one of `CHIPS` by name, or your own as a `Chip` or a .toml file.

    Raises
    ------
    ValueError
        If there is none of this name, or the file lacks something.

    Examples
    --------
    >>> chip("loihi2").limits["weight_bits"].value
    8
    """
    if isinstance(which, Chip):
        return which
    if not isinstance(which, (str, Path)):
        raise TypeError(f"chip must be a name, a Chip or a .toml file, got {type(which).__name__}")
    if Path(which).suffix == ".toml":
        return Chip.load(which)
    if which not in CHIPS:
        raise ValueError(
            f"no chip {str(which)!r}; there are {', '.join(CHIPS)}, or give a Chip or a .toml file"
        )
    return CHIPS[str(which)]
