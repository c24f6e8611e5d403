"""Figures: noise in a double well, and a stimulus that comes and goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import patterns
from ..dynamics import PiecewiseConstant, simulate
from ..lagrangians import Softmax
from ..models import dense_am
from .style import BLUE, GREEN, ORANGE, label, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def double_well() -> Figure:
    """A unit with two memories under noise: its path, and its density beside that of Gibbs."""
    beta, temperature = 3.0, 0.1
    net = dense_am([[1.0], [-1.0]], hidden=Softmax(beta), tau_hidden=0.0)
    path = simulate(net, [1.0], noise=temperature, times=np.linspace(0, 200, 2001), seed=5)
    start = np.where(np.arange(4000) % 2, 1.0, -1.0)[:, None]
    states = simulate(net, start, noise=temperature, times=[8.0]).final["visible"][:, 0]
    figure, axes = panels(1, 2, 2.8, width_ratios=(1.7, 1.0))
    time, density = axes[0]
    time.plot(path.times, path["visible"][:, 0], color=BLUE, linewidth=0.7)
    time.set_xlim(0, 200)
    label(time, "time (tau)", "state")
    grid = np.linspace(-2.2, 2.2, 400)
    gibbs = np.exp(-net.energy({"visible": grid[:, None]}) / temperature)
    gibbs /= gibbs.sum() * (grid[1] - grid[0])
    density.hist(states, bins=44, range=(-2.2, 2.2), density=True, color=BLUE, alpha=0.4,
                 label="4000 runs")  # fmt: skip
    density.plot(grid, gibbs, color=ORANGE, label="exp(-E / T)")
    density.set_ylim(0, 1.5 * gibbs.max())
    label(density, "state", "density")
    density.legend(fontsize=8, frameon=False)
    return figure


def stimulus() -> Figure:
    """Overlaps while a stimulus moves a noisy memory from one pattern to another."""
    stored = patterns.random(3, 64, seed=0)
    net = dense_am(stored, hidden=Softmax(beta=0.2), tau_hidden=0.1)
    shown = PiecewiseConstant([5.0, 8.0, 18.0, 18.5], [1.5 * stored[1], np.zeros(64),
                                                       1.5 * stored[2], np.zeros(64)])  # fmt: skip
    traj = simulate(net, stored[0], inputs=shown, noise=0.05, times=np.linspace(0, 30, 601))
    figure, axes = panels(1, 1, 2.8)
    ax = axes[0, 0]
    for k, color in enumerate((BLUE, ORANGE, GREEN)):
        ax.plot(traj.times, traj.overlap(stored)[:, k], color=color, label=f"pattern {k + 1}")
    for (start, stop), color in (((5.0, 8.0), ORANGE), ((18.0, 18.5), GREEN)):
        ax.axvspan(start, stop, color=color, alpha=0.2, linewidth=0)
    ax.set_xlim(0, 30)
    ax.legend(fontsize=8, frameon=False, loc="upper right")
    label(
        ax,
        "time (tau of the features)",
        "overlap",
        "a stimulus long enough for a switch, and one that is too short",
    )
    return figure
