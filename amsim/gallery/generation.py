"""Figures: samples of diffusion, and the transition from memorisation to generalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import patterns
from ..models import diffusion_memory
from ..models import transition as count_kinds
from .style import BLUE, GREEN, ORANGE, Floats, image_rows, label, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def diffusion() -> Figure:
    """Six samples of the reverse diffusion over 500 scanned digits, from noise to a memory."""
    memory = diffusion_memory(patterns.digits_gray(500, seed=0))
    shown, taus = [0, 30, 50, 65, 80, 120], np.geomspace(4.0, 1e-4, 121)
    path = memory.reverse_sde(memory.draw(6, taus[0], seed=3), taus, seed=4)
    figure, axes = panels(6, len(shown), 6.0)
    stages = [path[step] for step in shown]
    samples = np.stack(stages, axis=1)
    image_rows(axes, list(samples), [f"sample {i}" for i in range(6)], (0, 1))
    for ax, step in zip(axes[0], shown, strict=True):
        ax.set_title(f"tau = {taus[step]:.2g}", fontsize=9)
    return figure


def transition() -> Figure:
    """Kinds of samples over the amount of data, on the circle and on scanned digits."""
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 4096)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    digits = patterns.digits_gray(1700, seed=0)
    cases: tuple[tuple[str, Floats, list[int], float, float], ...] = (
        ("unit circle, noise 0.1", circle, [4**i for i in range(7)], 0.1, 1e-3),
        ("scanned digits, noise 0.4", digits, [2, 8, 32, 128, 512, 1700], 0.4, 0.05),
    )
    figure, axes = panels(1, 2, 3.0, sharey=True)
    for ax, (title, data, sizes, width, distance) in zip(axes[0], cases, strict=True):
        shares = count_kinds(data, sizes, width=width, distance=distance)
        for (kind, share), color in zip(shares.items(), (BLUE, ORANGE, GREEN), strict=True):
            ax.plot(sizes, share, "o-", color=color, label=kind, markersize=4)
        ax.set(xscale="log", ylim=(-0.03, 1.03))
        label(ax, "data", "share of samples" if ax is axes[0, 0] else "", title)
    axes[0, 1].legend(fontsize=8, loc="center left")
    return figure
