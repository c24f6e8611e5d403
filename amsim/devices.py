"""Published numbers on memory devices, and what is kept of any published number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

BASES = ("paper", "brief", "code", "derived", "assumed")


@dataclass(frozen=True)
class Figure:
    """One number of a chip or of a device, and where it comes from.

    Papers were read through quotations and abstracts; check a value before you build on it.

    Attributes
    ----------
    value : float, int, str, bool or None
        None was looked for and not found.
    unit : str
    source : str
    basis : {"paper", "brief", "code", "derived", "assumed"}
        A brief or data sheet is the vendor's. Code is that of the chip's own tools, or of a
        simulator that was calibrated. Derived from published values. Assumed is ours, because
        nothing is published.
    """

    value: Any
    unit: str
    source: str
    basis: str


def assumed(value: Any, unit: str = "", source: str = "amsim") -> Figure:
    """A number of ours."""
    return Figure(value, unit, source, "assumed")


def unknown(unit: str, source: str) -> Figure:
    """A number that this source does not have, nor any other that was found."""
    return Figure(None, unit, source, "paper")


_PCM = "IBM/aihwkit, inference/noise/pcm.py, a fit of Nandakumar et al. 2019, ICECS"
_WAN = "IBM/aihwkit, inference/noise/reram.py, a fit of Wan et al. 2022, Nature"
_GONG = "IBM/aihwkit, presets/devices.py, from Gong, Rasch et al. 2022, IEDM"
_OF_WEIGHT = "of a weight of the largest conductance"

# Names are those of `Mismatch.device`. Spreads are standard deviations.
DEVICES: Mapping[str, Mapping[str, Figure]] = MappingProxyType({
    "pcm": {
        "programming": Figure(0.042, _OF_WEIGHT, f"{_PCM}: 1.055 of 25 uS", "derived"),
        "read": Figure(
            0.0088, f"{_OF_WEIGHT}, times sqrt(ln(age / 500 ns))",
            f"{_PCM}: 1/f noise; smaller ones have more, as g^-0.65", "code",
        ),
        "drift": Figure(
            0.049, "exponent of the age", f"{_PCM}: up to 0.1 for smaller ones", "code"
        ),
        "drift_spread": Figure(
            0.008, "of the exponent", f"{_PCM}: up to 0.045 for smaller ones", "code"
        ),
        "begin": Figure(20.0, "s", f"{_PCM}: the first reading", "code"),
        "dead": assumed(0.0, "of devices"),
    },
    "reram": {
        "programming": Figure(
            0.028, f"{_OF_WEIGHT}, 1 s after programming",
            f"{_WAN}: 1.10 of 40 uS, at most 2.2 uS for smaller ones; 0.066 after a day", "derived",
        ),
        "read": Figure(0.01, _OF_WEIGHT, f"{_WAN}: about 1 %", "code"),
        "dead": Figure(
            0.1348, "of devices",
            f"{_GONG}: stuck within 1 % of 0; 0.0977 in the array of plain HfO2", "code",
        ),
    },
})  # fmt: skip
