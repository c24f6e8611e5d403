"""Figure: errors of memories that are distributed over random features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..lagrangians import Softmax
from ..models import dense_am, random_feature_memory
from .style import BLUE, ORANGE, Floats, label, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..models.random_features import Kernel

_BETA = 10.0
_DATA = np.array([[-1.1], [-0.2], [0.15], [1.0]])


def features() -> Figure:
    """Energy along a line, exact and by features, and the error over their number."""
    x = np.linspace(-1.6, 1.6, 300)[:, None]
    exact = dense_am(_DATA, hidden=Softmax(_BETA), similarity="euclidean", tau_hidden=0.0)
    target = exact.energy({"visible": x})
    figure, axes = panels(1, 2, 3.0)
    line, error = axes[0]
    line.plot(x, target, color="k", label="exact")
    kernels: tuple[tuple[Kernel, str], ...] = (("sincos", BLUE), ("expexp", ORANGE))
    for kernel, color in reversed(kernels):
        memory = random_feature_memory(_DATA, _BETA, n_features=400, kernel=kernel)
        line.plot(x, memory.energy(x), color=color, label=f"{kernel}, 400 directions", linewidth=1)
        counts = np.geomspace(30, 10000, 12).astype(int)
        spread = [
            _error(kernel, int(count), _DATA, exact.energy({"visible": _DATA})) for count in counts
        ]
        error.plot(counts, spread, "o-", color=color, markersize=4, label=kernel)
    error.plot(counts, spread[0] * np.sqrt(counts[0] / counts), ":", color="0.5", label="1 / sqrt")
    line.plot(_DATA, np.full(4, target.min() - 0.05), "x", color="k", label="memories")
    line.set_ylim(target.min() - 0.1, 0.45)
    error.set(xscale="log", yscale="log")
    label(line, "x", "energy", f"beta = {_BETA:g}")
    label(error, "random directions", "rms error at the memories")
    line.legend(fontsize=8, loc="upper center")
    error.legend(fontsize=8)
    return figure


def _error(kernel: Kernel, count: int, x: Floats, target: Floats) -> float:
    """Root mean square over draws; what the features cannot tell is left out."""
    found = np.array(
        [
            random_feature_memory(_DATA, _BETA, n_features=count, kernel=kernel, seed=s).energy(x)
            for s in range(20)
        ]
    )
    return float(np.sqrt(np.mean((found - target)[np.isfinite(found)] ** 2)))
