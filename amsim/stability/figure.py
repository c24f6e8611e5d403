"""The figure of a stability report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..plot import blank, lettered
from .spectrum import rightmost_roots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .stability_report import StabilityReport

# Okabe & Ito; see amsim/plot.py.
_COLOURS = ("#000000", "#0072B2", "#D55E00")
_MARKERS = ("o", "^", "s")
_DELAYS = (0.0, 0.5, 2.0)  # in units of the largest tau
_ROOTS = 16


def stability(report: StabilityReport) -> Figure:
    """Draw the characteristic roots for three uniform delays, and the rate over the delay."""
    figure = blank(3.6)
    left, right = figure.subplots(1, 2)
    _draw_roots(report, left)
    _draw_rate(report, right)
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
    return lettered(figure)


def _draw_roots(report: StabilityReport, ax: Axes) -> None:
    unit = float(report.linear.tau.max())
    for delay, colour, marker in zip(_DELAYS, _COLOURS, _MARKERS, strict=True):
        roots = rightmost_roots(report.linear, delay * unit, _ROOTS)
        roots = np.concatenate([roots, roots.conj()])  # of the last pair there may be only one
        ax.plot(
            roots.real, roots.imag, marker, color=colour, fillstyle="none", markersize=6,
            label=f"{delay * unit:.3g}",
        )  # fmt: skip
    ax.axvline(0, color="0.6", linewidth=0.8)
    ax.set(xlabel="growth rate Re s (1/unit of τ)", ylabel="frequency Im s (1/unit of τ)")
    ax.legend(
        title="roots for a delay of (units of τ)", ncols=3, frameon=False, fontsize="small",
        loc="lower center", bbox_to_anchor=(0.5, 1.0),
    )  # fmt: skip


def _draw_rate(report: StabilityReport, ax: Axes) -> None:
    unit = float(report.linear.tau.max())
    delays = unit * np.linspace(0, 5, 26)
    rates = [report.rate(float(delay)) for delay in delays]
    ax.plot(delays, rates, color=_COLOURS[1])
    ax.axhline(0, color="0.6", linewidth=0.8)
    ax.set_xlim(0, delays[-1])
    ax.set(xlabel="delay of every message (units of τ)", ylabel="rate of decay (1/unit of τ)")
