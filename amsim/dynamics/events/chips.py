"""Published numbers on the links of chips; every value says where it comes from.

`basis` is "paper", "code" (public code or configuration of the chip's own tools, or of a simulator
that was calibrated), "derived" (from published values) or "assumed" (ours, because nothing is
published). Papers were read through quotations and abstracts; check a value before you build on
it. A value of None was looked for and not found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

BASES = ("paper", "code", "derived", "assumed")
_DAVIES18 = "Davies et al. 2018, IEEE Micro 38(1), table 2, before silicon, at 0.75 V"
_SANAFE = "SLAM-Lab/SANA-FE, arch/loihi.yaml, calibrated on Loihi 1"
_TEMPLE15 = "Temple, SpiNNaker Chip Resources, workshop 2015, slide Packet Limits"
_OURS = "amsim"


@dataclass(frozen=True)
class Figure:
    """One number of a chip.

    Attributes
    ----------
    value : float, int, str, bool or None
        None where nobody published it.
    unit : str
    source : str
    basis : {"paper", "code", "derived", "assumed"}
    """

    value: Any
    unit: str
    source: str
    basis: str


def _assumed(value: Any, unit: str = "", source: str = _OURS) -> Figure:
    return Figure(value, unit, source, "assumed")


def _unknown(unit: str, source: str) -> Figure:
    return Figure(None, unit, source, "paper")


_NEUROGRID = "Merolla et al. 2014, IEEE TCAS-I 61(3), abstract"
_DYNAPSE = "Su et al. 2023, arXiv:2308.04171, abstract: no number for DYNAP-SE"
_ILMBERGER = "Ilmberger and Schemmel 2025, arXiv:2512.03781, abstract"
_DEMOS = "electronicvisions/brainscales2-demos, tp_00 and fp_brainscales"

# Names are those of `Fabric.chip`. Times are for one message.
FABRICS: Mapping[str, Mapping[str, Figure]] = MappingProxyType({
    "loihi1": {
        "route": _assumed("mesh", "", "Davies et al. 2018: a mesh; that rows come first is ours"),
        "per_router": Figure(4, "cores", "Davies et al. 2018", "paper"),
        "multicast": _assumed(False, "", "one message for each core that has receivers"),
        "out_time": Figure(30e-9, "s", _SANAFE, "code"),
        "hop_time": Figure(1 / 3.44e9, "s", f"{_DAVIES18}: 3.44 G spikes/s", "derived"),
        "x_latency": Figure(4.1e-9, "s", _DAVIES18, "paper"),
        "y_latency": Figure(6.5e-9, "s", _DAVIES18, "paper"),
        "into_time": Figure(3.5e-9, "s", f"{_DAVIES18}: a synaptic operation, at most", "paper"),
        "into_per": _assumed("listener", "", "a synaptic operation for each receiving unit"),
        "places": Figure(16, "messages", _SANAFE, "code"),
        "on_full": _assumed("wait", "", "no drops are published; the logic is asynchronous"),
    },
    "spinnaker1": {
        "route": _assumed("mesh", "", "six links a chip in truth; here rows, then columns"),
        "per_router": Figure(1, "chips", "a group is a chip", "derived"),
        "multicast": Figure(True, "", "multicast routers; Temple 2015", "paper"),
        "out_time": Figure(1e-6, "s", f"{_TEMPLE15}: 200 to 1000 ns of software", "paper"),
        "hop_time": Figure(1 / 3e6, "s", f"{_TEMPLE15}: 3 M packets/s with payload", "derived"),
        "x_latency": _assumed(0.2e-6, "s"),
        "y_latency": _assumed(0.2e-6, "s"),
        "into_time": Figure(1e-6, "s", f"{_TEMPLE15}: 200 to 1000 ns of software", "paper"),
        "into_per": Figure("message", "", _TEMPLE15, "paper"),
        "into_places": Figure(256, "messages", "sPyNNaker, incoming_spike_buffer_size", "code"),
        "places": Figure(
            6, "messages", "rtr_wait 0x40 of spinnaker_tools: 240 cycles or 1.8 us, in which 5.4 "
            "packets leave", "derived"
        ),
        "on_full": Figure("drop", "", f"{_TEMPLE15}: packets can get lost", "paper"),
    },
    "brainscales2": {
        "route": _assumed("mesh", "", "chips over FPGAs; here rows, then columns"),
        "per_router": Figure(1, "chips", "a group is a chip, or a port of one", "derived"),
        "multicast": _assumed(True),
        "out_time": Figure(8e-9, "s", f"{_DEMOS}: 125 M events/s", "derived"),
        "hop_time": _assumed(8e-9, "s", "as into the array"),
        "x_latency": Figure(1.3e-6, "s", f"{_ILMBERGER}: chip to chip, at most", "paper"),
        "y_latency": Figure(1.3e-6, "s", f"{_ILMBERGER}: chip to chip, at most", "paper"),
        "into_time": Figure(8e-9, "s", f"{_DEMOS}: 125 M events/s", "derived"),
        "into_per": Figure("message", "", _DEMOS, "code"),
        "places": _assumed(1, "messages", "drop counters are there (haldls); depths are not"),
        "on_full": Figure("drop", "", "haldls: counters of drops at crossbar and merger", "code"),
    },
    "neurogrid": {
        "route": Figure("tree", "", _NEUROGRID, "paper"),
        "per_router": Figure(1, "chips", "a group is a chip", "derived"),
        "multicast": Figure(True, "", _NEUROGRID, "paper"),
        "out_time": _unknown("s", _NEUROGRID),
        "hop_time": Figure(1 / 1.17e9, "s", f"{_NEUROGRID}: 1.17 G words/s in all", "derived"),
        "hop_latency": _unknown("s", _NEUROGRID),
        "into_time": _unknown("s", _NEUROGRID),
        "into_per": _assumed("message"),
        "places": _assumed(1, "messages"),
        "on_full": Figure("wait", "", f"{_NEUROGRID}: no drops, no deadlock", "paper"),
    },
    "dynapse": {
        "route": _assumed("mesh"),
        "per_router": Figure(4, "cores", "Moradi et al. 2018, IEEE TBioCAS 12(1)", "paper"),
        "multicast": _assumed(True),
        "out_time": _unknown("s", _DYNAPSE),
        "hop_time": _unknown("s", _DYNAPSE),
        "x_latency": _unknown("s", _DYNAPSE),
        "y_latency": _unknown("s", _DYNAPSE),
        "into_time": _unknown("s", _DYNAPSE),
        "into_per": _assumed("message"),
        "places": _assumed(1, "messages"),
        "on_full": _assumed("wait"),
    },
})  # fmt: skip

_FRADY20 = "Frady et al. 2020, NICE, sections 4.3 and 5.1"
_SCAMP = "spinnaker_tools, scamp/scamp-isr.c and scamp_spin1_sync.h"

# When units send, where a clock or a barrier says so. Names are those of `Timing.chip`.
CLOCKS: Mapping[str, Mapping[str, Figure]] = MappingProxyType({
    "loihi1": {
        "step": _assumed(5.8e-6, "s", f"{_FRADY20}: a step of a search, not throttled"),
        "overhead": Figure(465e-9, "s", f"{_DAVIES18}: barrier of 32 tiles", "paper"),
    },
    "spinnaker1": {
        "period": Figure(1e-3, "s", f"{_SCAMP}: timer tick", "code"),
        "drift": Figure(6.25e-6, "", f"{_SCAMP}: at most about 1 ms in 160 s", "derived"),
        "resync": Figure(2.0, "s", f"{_SCAMP}: a beacon every 2 s", "code"),
        "skew": _assumed(1.0, "", "timers start at any phase"),
        "latch": _assumed(True, "", "spikes are read at the next timer tick"),
    },
    "truenorth": {
        "period": Figure(1e-3, "s", "NeuroScale 2025, Nat. Commun., s41467-025-65268-z, figure 4: "
                         "fixed, whatever the load", "paper"),
        "drift": Figure(0.0, "", "NeuroScale 2025, figure 4: a global tick", "derived"),
        "resync": _assumed(None, "s", "one clock: there is nothing to set"),
        "skew": Figure(0.0, "", "NeuroScale 2025, figure 4: a global tick", "derived"),
        "latch": _assumed(True, "", "spikes are read at the next tick"),
    },
})  # fmt: skip
