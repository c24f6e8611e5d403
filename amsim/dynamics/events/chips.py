"""Published numbers on the links and clocks of chips, each with what `Figure` says of it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ...devices import Figure, assumed, unknown

_DAVIES18 = "Davies et al. 2018, IEEE Micro 38(1), table 2, before silicon, at 0.75 V"
_SANAFE = "SLAM-Lab/SANA-FE, arch/loihi.yaml, calibrated on Loihi 1"
_TEMPLE15 = "Temple, SpiNNaker Chip Resources, workshop 2015, slide Packet Limits"
_BRIEF21 = "Intel, Loihi 2 technology brief, 2021"
_TIMCHECK26 = "Timcheck et al. 2026, arXiv:2601.10035"
_SPINNAKER2 = "SpiNNaker2 data sheet, v0.03, 2021"
_NEUROGRID = "Merolla et al. 2014, IEEE TCAS-I 61(3), abstract"
_DYNAPSE = "Su et al. 2023, arXiv:2308.04171, abstract: no number for DYNAP-SE"
_ILMBERGER = "Ilmberger and Schemmel 2025, arXiv:2512.03781, abstract"
_DEMOS = "electronicvisions/brainscales2-demos, tp_00 and fp_brainscales"

# Names are those of `Fabric.chip`. Times are for one message.
_LOIHI1 = {
    "route": assumed("mesh", "", "Davies et al. 2018: a mesh; that rows come first is ours"),
    "per_router": Figure(4, "cores", "Davies et al. 2018", "paper"),
    "multicast": assumed(False, "", "one message for each core that has receivers"),
    "out_time": Figure(30e-9, "s", _SANAFE, "code"),
    "hop_time": Figure(1 / 3.44e9, "s", f"{_DAVIES18}: 3.44 G spikes/s", "derived"),
    "x_latency": Figure(4.1e-9, "s", _DAVIES18, "paper"),
    "y_latency": Figure(6.5e-9, "s", _DAVIES18, "paper"),
    "into_time": Figure(3.5e-9, "s", f"{_DAVIES18}: a synaptic operation, at most", "paper"),
    "into_per": assumed("listener", "", "a synaptic operation for each receiving unit"),
    "places": Figure(16, "messages", _SANAFE, "code"),
    "on_full": assumed("wait", "", "no drops are published; the logic is asynchronous"),
}  # fmt: skip

FABRICS: Mapping[str, Mapping[str, Figure]] = MappingProxyType({
    "loihi1": _LOIHI1,
    # Of the second chip only the cores of a router are published.
    "loihi2": {
        name: Figure(4, "cores", _TIMCHECK26, "paper") if name == "per_router"
        else assumed(figure.value, figure.unit, f"as Loihi 1 ({figure.source})")
        for name, figure in _LOIHI1.items()
    },
    "spinnaker1": {
        "route": assumed("mesh", "", "six links a chip in truth; here rows, then columns"),
        "per_router": Figure(1, "chips", "a group is a chip", "derived"),
        "multicast": Figure(True, "", "multicast routers; Temple 2015", "paper"),
        "out_time": Figure(1e-6, "s", f"{_TEMPLE15}: 200 to 1000 ns of software", "paper"),
        "hop_time": Figure(1 / 3e6, "s", f"{_TEMPLE15}: 3 M packets/s with payload", "derived"),
        "x_latency": assumed(0.2e-6, "s"),
        "y_latency": assumed(0.2e-6, "s"),
        "into_time": Figure(1e-6, "s", f"{_TEMPLE15}: 200 to 1000 ns of software", "paper"),
        "into_per": Figure("message", "", _TEMPLE15, "paper"),
        "into_places": Figure(256, "messages", "sPyNNaker, incoming_spike_buffer_size", "code"),
        "places": Figure(
            6, "messages", "rtr_wait 0x40 of spinnaker_tools: 240 cycles or 1.8 us, in which 5.4 "
            "packets leave", "derived"
        ),
        "on_full": Figure("drop", "", f"{_TEMPLE15}: packets can get lost", "paper"),
    },
    "spinnaker2": {
        "route": assumed("mesh", "", f"{_SPINNAKER2}: six links a chip; here rows, then columns"),
        "per_router": Figure(1, "chips", "a group is a chip", "derived"),
        "multicast": Figure(True, "", f"{_SPINNAKER2}: a router with 16,384 routes", "brief"),
        "out_time": unknown("s", _SPINNAKER2),
        "hop_time": unknown("s", _SPINNAKER2),
        "x_latency": unknown("s", _SPINNAKER2),
        "y_latency": unknown("s", _SPINNAKER2),
        "into_time": unknown("s", _SPINNAKER2),
        "into_per": assumed("message", "", "as SpiNNaker 1"),
        "places": assumed(6, "messages", "as SpiNNaker 1"),
        "on_full": assumed("drop", "", "as SpiNNaker 1"),
    },
    "brainscales2": {
        "route": assumed("mesh", "", "chips over FPGAs; here rows, then columns"),
        "per_router": Figure(1, "chips", "a group is a chip, or a port of one", "derived"),
        "multicast": assumed(True),
        "out_time": Figure(8e-9, "s", f"{_DEMOS}: 125 M events/s", "derived"),
        "hop_time": assumed(8e-9, "s", "as into the array"),
        "x_latency": Figure(1.3e-6, "s", f"{_ILMBERGER}: chip to chip, at most", "paper"),
        "y_latency": Figure(1.3e-6, "s", f"{_ILMBERGER}: chip to chip, at most", "paper"),
        "into_time": Figure(8e-9, "s", f"{_DEMOS}: 125 M events/s", "derived"),
        "into_per": Figure("message", "", _DEMOS, "code"),
        "places": assumed(1, "messages", "drop counters are there (haldls); depths are not"),
        "on_full": Figure("drop", "", "haldls: counters of drops at crossbar and merger", "code"),
    },
    "neurogrid": {
        "route": Figure("tree", "", _NEUROGRID, "paper"),
        "per_router": Figure(1, "chips", "a group is a chip", "derived"),
        "multicast": Figure(True, "", _NEUROGRID, "paper"),
        "out_time": unknown("s", _NEUROGRID),
        "hop_time": Figure(1 / 1.17e9, "s", f"{_NEUROGRID}: 1.17 G words/s in all", "derived"),
        "hop_latency": unknown("s", _NEUROGRID),
        "into_time": unknown("s", _NEUROGRID),
        "into_per": assumed("message"),
        "places": assumed(1, "messages"),
        "on_full": Figure("wait", "", f"{_NEUROGRID}: no drops, no deadlock", "paper"),
    },
    "dynapse": {
        "route": assumed("mesh"),
        "per_router": Figure(4, "cores", "Moradi et al. 2018, IEEE TBioCAS 12(1)", "paper"),
        "multicast": assumed(True),
        "out_time": unknown("s", _DYNAPSE),
        "hop_time": unknown("s", _DYNAPSE),
        "x_latency": unknown("s", _DYNAPSE),
        "y_latency": unknown("s", _DYNAPSE),
        "into_time": unknown("s", _DYNAPSE),
        "into_per": assumed("message"),
        "places": assumed(1, "messages"),
        "on_full": assumed("wait"),
    },
})  # fmt: skip

_FRADY20 = "Frady et al. 2020, NICE, sections 4.3 and 5.1"
_SCAMP = "spinnaker_tools, scamp/scamp-isr.c and scamp_spin1_sync.h"

# When units send, where a clock or a barrier says so. Names are those of `Timing.chip`.
CLOCKS: Mapping[str, Mapping[str, Figure]] = MappingProxyType({
    "loihi1": {
        "step": assumed(5.8e-6, "s", f"{_FRADY20}: a step of a search, not throttled"),
        "overhead": Figure(465e-9, "s", f"{_DAVIES18}: barrier of 32 tiles", "paper"),
    },
    "loihi2": {
        "step": Figure(200e-9, "s", f"{_BRIEF21}: below, for a step with nothing to do", "brief"),
        "overhead": assumed(200e-9, "s", "all of a step with nothing to do"),
    },
    "spinnaker1": {
        "period": Figure(1e-3, "s", f"{_SCAMP}: timer tick", "code"),
        "drift": Figure(6.25e-6, "", f"{_SCAMP}: at most about 1 ms in 160 s", "derived"),
        "resync": Figure(2.0, "s", f"{_SCAMP}: a beacon every 2 s", "code"),
        "skew": assumed(1.0, "", "timers start at any phase"),
        "latch": assumed(True, "", "spikes are read at the next timer tick"),
    },
    "truenorth": {
        "period": Figure(1e-3, "s", "NeuroScale 2025, Nat. Commun., s41467-025-65268-z, figure 4: "
                         "fixed, whatever the load", "paper"),
        "drift": Figure(0.0, "", "NeuroScale 2025, figure 4: a global tick", "derived"),
        "resync": assumed(None, "s", "one clock: there is nothing to set"),
        "skew": Figure(0.0, "", "NeuroScale 2025, figure 4: a global tick", "derived"),
        "latch": assumed(True, "", "spikes are read at the next tick"),
    },
})  # fmt: skip
