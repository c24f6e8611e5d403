"""Figure: patterns that a binary memory holds, measured and predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..theory.capacity import bit_error_rate
from .style import BLUE, GREEN, ORANGE, Floats, label, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_UNITS = 60


def capacity() -> Figure:
    """Share of the bits of a stored pattern whose flip lowers the energy, counted and predicted."""
    figure, axes = panels(1, 1, 3.4)
    ax = axes[0, 0]
    for n, color, top in ((2, BLUE, 60), (3, ORANGE, 1500), (4, GREEN, 10000)):
        counts = np.unique(np.geomspace(4, top, 16).astype(int))
        counted = [_counted(count, n) for count in counts]
        fine = np.unique(np.geomspace(4, top, 80).astype(int))
        predicted = [bit_error_rate(_UNITS, int(count), n) for count in fine]
        ax.plot(fine, predicted, color=color, label=f"$F = x^{n}$, theory")
        ax.plot(counts, counted, "o", color=color, markersize=4, label="counted")
    ax.axhline(0.005, color="0.6", linewidth=0.8, linestyle=":")
    ax.annotate("0.5 %", (4.2, 0.0054), fontsize=8, color="0.4")
    ax.set(xscale="log", yscale="log", ylim=(3e-5, 2))
    label(ax, "stored random patterns", "bits that flip", f"{_UNITS} units")
    ax.legend(fontsize=8, ncols=3, loc="upper left")
    return figure


def _counted(memories: int, n: int) -> float:
    """Average over the bits of the first pattern of many draws."""
    rng = np.random.default_rng([memories, n])
    draws = int(np.clip(3_000_000 // memories // _UNITS, 8, 1500))
    return float(np.mean([_errors(memories, n, rng) for _ in range(draws)]))


def _errors(memories: int, n: int, rng: np.random.Generator) -> float:
    xi = np.asarray(rng.integers(0, 2, (memories, _UNITS)) * 2.0 - 1, np.float64)
    xi *= xi[0]  # the stored pattern becomes all ones
    overlap = xi.sum(axis=1, keepdims=True)
    flipped = overlap - 2 * xi
    gain = np.sum(overlap**n, axis=0) - np.sum(_power(flipped, n), axis=0)
    return float(np.mean(gain < 0))


def _power(x: Floats, n: int) -> Floats:
    """x^n for small whole n: the power of NumPy takes ten times as long."""
    out = x * x
    for _ in range(n - 2):
        out = out * x
    return out
