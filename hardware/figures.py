"""Figures of the mapping. As in `amsim.plot`, nothing is shown and nothing is saved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from amsim.plot import blank, lettered

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

    from .compare import Comparison

Floats = NDArray[np.float64]
_BLUE, _ORANGE, _GREEN = "#0072B2", "#E69F00", "#009E73"
_LEAST = 1e-9  # errors below are drawn here: a logarithmic axis has no 0


def causes(comparison: Comparison, ax: Axes | None = None) -> FigureBase:
    """Draw the errors of every settled cue of the same basin, by cause; one point a cue."""
    ax = blank(3.4).subplots() if ax is None else ax
    rows = {"all": comparison.total, **comparison.by_cause}
    spread = np.linspace(-0.25, 0.25, max(1, int(comparison.good.sum())))
    for position, error in enumerate(rows.values()):
        points = np.maximum(error[comparison.good], _LEAST)
        ax.plot(position + spread, np.sort(points), ".", ms=4, color=_BLUE)
    _weight_step(ax, comparison.weight_step)
    ax.set(yscale="log", ylabel="largest error of a feature", xticks=range(len(rows)))
    ax.set_xticklabels(list(rows))
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    return ax.figure


def bit_widths(comparisons: Sequence[Comparison]) -> Figure:
    """Draw errors and the share of cues in the right basin over the width of the weights.

    Parameters
    ----------
    comparisons : sequence of Comparison
        As `compare_bit_widths` returns.
    """
    figure = blank(3.4)
    errors, basins = figure.subplots(1, 2)
    bits = [c.plan.weight_bits for c in comparisons]
    for label, name, colour, marker in (
        ("against the ODE", "total", _BLUE, "o"),
        ("against the ODE of the rounded weights", "rounded", _ORANGE, "s"),
    ):
        chosen = [np.maximum(getattr(c, name)[c.good], _LEAST) for c in comparisons]
        middle = [float(np.median(e)) if e.size else np.nan for e in chosen]
        worst = [float(e.max()) if e.size else np.nan for e in chosen]
        errors.plot(bits, middle, marker=marker, color=colour, label=f"{label}, median")
        errors.plot(
            bits, worst, ":", marker=marker, mfc="none", color=colour, label=f"{label}, worst"
        )
    step = [c.weight_step for c in comparisons]
    errors.plot(bits, step, "--", color="0.4", label="one weight step")
    errors.set(yscale="log", xlabel="weight bits", ylabel="largest error of a feature")
    figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize="small")
    share = [float(c.same_basin.mean()) for c in comparisons]
    basins.plot(bits, share, marker="o", color=_GREEN)
    basins.set(xlabel="weight bits", ylabel="share of cues in the same basin", ylim=(0, 1.05))
    for ax in (errors, basins):
        ax.set_xticks(bits)
        ax.spines[["top", "right"]].set_visible(False)
    return lettered(figure)


def _weight_step(ax: Axes, step: float) -> None:
    ax.axhline(step, ls="--", color=_ORANGE, lw=1, label="one weight step")
