"""Figures: energies of memories in the plane, their merging, and attention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..dynamics import simulate
from ..lagrangians import Identity, Softmax
from ..models import attention as attend
from ..models import dense_am, diffusion_memory
from ..network import Layer, Network
from ..synapses import Epanechnikov
from .style import BLUE, ORANGE, RED, Floats, label, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MEMORIES = np.array([[-1.0, -0.6], [-0.5, 0.9], [0.35, 0.25], [0.9, -0.7], [1.1, 0.6]])


def landscape() -> Figure:
    """Log-sum-exp at three temperatures and log-sum-ReLU, with descents from a grid of cues."""
    from matplotlib.ticker import MaxNLocator

    def gaussian(beta: float) -> Network:
        hidden = Softmax(beta)
        return dense_am(_MEMORIES, hidden=hidden, similarity="euclidean", tau_hidden=0.0)

    compact = Network(
        {"visible": Layer(2, Identity(), leak=0.0)}, [Epanechnikov(_MEMORIES, 4.0, eps=1e-3)]
    )
    cases = [(f"log-sum-exp, beta = {beta}", gaussian(beta)) for beta in (1, 4, 16)]
    cases.append(("log-sum-ReLU, beta = 4", compact))
    figure, axes = panels(2, 2, 6.6, sharex=True, sharey=True)
    grid = np.stack(np.meshgrid(*[np.linspace(-1.7, 1.7, 320)] * 2), axis=-1)
    starts = np.stack(np.meshgrid(*[np.linspace(-1.5, 1.5, 6)] * 2), axis=-1).reshape(-1, 2)
    for ax, (title, net) in zip(axes.flat, cases, strict=True):
        energy = net.energy({"visible": grid})
        shown = np.minimum(energy, np.quantile(energy, 0.95))
        filled = ax.contourf(grid[..., 0], grid[..., 1], shown, levels=24, cmap="cividis")
        figure.colorbar(filled, ax=ax, label="energy", shrink=0.9, ticks=MaxNLocator(5))
        path = simulate(net, starts, t1=60.0)["visible"]
        path = path[:, np.abs(path[-1] - path[0]).max(axis=-1) > 1e-3]  # beyond all kernels
        ax.plot(path[..., 0], path[..., 1], color="w", linewidth=0.7, alpha=0.8)
        ax.plot(*path[-1].T, "o", color=ORANGE, markersize=5, label="where descents end")
        ax.plot(*_MEMORIES.T, "x", color=RED, markersize=7, label="memories")
        ax.set(aspect="equal", xlim=(-1.7, 1.7), ylim=(-1.7, 1.7))
        label(ax, "feature 1", "feature 2", title)
    axes[0, 0].legend(loc="upper left", fontsize=8)
    return figure


def merging() -> Figure:
    """Where nine memories on a circle have their minima, over the inverse temperature."""
    angle = np.arange(9) * np.pi * (3 - np.sqrt(5))
    memory = diffusion_memory(np.stack([np.cos(angle), np.sin(angle)], axis=-1))
    betas = np.geomspace(0.5, 100, 60)
    minima = [memory.minima(1 / (2 * beta)) for beta in betas]
    figure, axes = panels(1, 2, 3.6)
    chosen, count = axes[0]
    for beta, found in zip(betas, minima, strict=True):
        size = np.linalg.norm(found, axis=1)
        turn = _degrees(np.arctan2(found[:, 1], found[:, 0]))
        ring = size > 1e-3
        near = np.linalg.norm(found[:, None] - memory.data, axis=-1).min(axis=1) < 0.05
        for mask, color in ((ring & near, BLUE), (ring & ~near, RED)):
            chosen.plot(np.full(mask.sum(), beta), turn[mask], ".", color=color)
    for name, color in (("memory", BLUE), ("spurious", RED)):
        chosen.plot([], [], ".", color=color, label=f"{name} minimum")
    for mark in _degrees(angle):
        chosen.axhline(mark, color="0.85", linewidth=0.7, zorder=0)
    chosen.set(xscale="log", ylim=(-20, 340), yticks=range(0, 361, 90))
    label(chosen, r"$\beta$ of $\exp(-\beta d^2)$", "angle of the minimum (degrees)")
    chosen.legend(fontsize=8, loc="upper left", framealpha=1)
    count.step(betas, [len(found) for found in minima], where="mid", color="k")
    count.set(xscale="log", ylim=(0, 9.5))
    label(count, r"$\beta$ of $\exp(-\beta d^2)$", "minima")
    count.axhline(9, color="0.85", linewidth=0.7, zorder=0)
    return figure


def attention() -> Figure:
    """What one update does to queries all over the plane."""
    figure, axes = panels(1, 3, 3.2, sharey=True)
    queries = np.stack(np.meshgrid(*[np.linspace(-1.6, 1.6, 9)] * 2), axis=-1).reshape(-1, 2)
    for ax, beta in zip(axes[0], (0.5, 2.0, 20.0), strict=True):
        recalled = attend(queries, _MEMORIES, _MEMORIES, beta=beta)
        _arrows(ax, queries, recalled)
        ax.plot(*_MEMORIES.T, "x", color="k", markersize=7, label="keys = values")
        ax.plot(*recalled.T, "o", color=ORANGE, markersize=3, label="after one step")
        ax.set(aspect="equal", xlim=(-1.75, 1.75), ylim=(-1.75, 1.75))
        label(
            ax,
            "feature 1",
            "feature 2" if beta == 0.5 else "",
            f"one step, beta = {beta:g}",
        )
    axes[0, 0].legend(loc="upper left", fontsize=7)
    return figure


def _degrees(angle: Floats) -> Floats:
    """In [-20, 340), so that no memory lies at the seam."""
    return np.asarray((np.degrees(angle) + 20) % 360 - 20)


def _arrows(ax: Any, start: Floats, end: Floats) -> None:
    move = end - start
    ax.quiver(
        *start.T, *move.T, color=BLUE, alpha=0.35, angles="xy", scale_units="xy", scale=1,
        width=0.004,
    )  # fmt: skip
