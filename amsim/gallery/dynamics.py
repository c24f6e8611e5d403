"""Figures: recall in time by models A, B and C, and by an analog transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import patterns
from ..dynamics import simulate
from ..models import analog_transformer, model_a, model_b, model_c
from .style import BLUE, GREEN, ORANGE, label, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def models() -> Figure:
    """Energy and overlap of the models of Krotov and Hopfield for the same random patterns."""
    stored = patterns.random(10, 64, seed=0)
    cues = patterns.corrupt(stored, flip=0.2, seed=1)
    figure, axes = panels(1, 2, 3.0)
    energy, overlap = axes[0]
    times = np.append(0.0, np.geomspace(1e-4, 20.0, 250))
    cases = (
        ("A: sign", model_a, BLUE),
        ("B: softmax", model_b, ORANGE),
        ("C: sphere", model_c, GREEN),
    )
    for name, model, color in cases:
        traj = simulate(model(stored), cues, times=times, until=None)
        drop = (traj.energy - traj.energy[-1]) / (traj.energy[0] - traj.energy[-1])
        found = np.sign(traj["visible"])
        right = np.einsum("tnd,nd->tn", found, stored) / stored.shape[1]
        energy.plot(traj.times, drop.mean(axis=1), color=color, label=name)
        overlap.plot(traj.times, right.mean(axis=1), color=color)
    for ax in axes[0]:
        ax.set_xscale("symlog", linthresh=1e-4, linscale=0.6)
        ax.set_xlim(0, 20)
    label(energy, "time (tau of the features)", "energy (1 at the start, 0 at the end)")
    label(overlap, "time (tau of the features)", "overlap of sign(v)")
    energy.legend(fontsize=8)
    return figure


def analog() -> Figure:
    """Voltages of the analog block: the token follows the context that its cue asks for."""
    rng = np.random.default_rng(2)
    context, memories = rng.normal(size=(4, 8)), rng.normal(size=(6, 8))
    memories *= 0.7 / np.linalg.norm(memories, 2)
    net = analog_transformer(context, memories, beta=1.0, bias_memories=-0.1)
    cue = 0.3 * context[1] + 0.3 * rng.normal(size=8)
    traj = simulate(net, {"visible": cue}, times=np.linspace(0, 8, 200), until=None)
    figure, axes = panels(1, 3, 2.8)
    shares = net.layers["attention"].lagrangian.activation(traj["attention"])
    rates = net.layers["memories"].lagrangian.activation(traj["memories"])
    drawn = (
        (traj["visible"], "state of the token", "units", BLUE, "center right"),
        (shares, "attention to the context", "context tokens", ORANGE, "center right"),
        (rates, "activity of the memories", "memories", GREEN, "upper left"),
    )
    for ax, (values, name, kind, color, free) in zip(axes[0], drawn, strict=True):
        lines = ax.plot(traj.times, values, color=color, linewidth=1)
        lines[0].set_label(f"{values.shape[1]} {kind}")
        ax.legend(fontsize=8, loc=free)
        ax.set_xlim(0, 8)
        label(ax, "time (tau of the token)", name)
    return figure
