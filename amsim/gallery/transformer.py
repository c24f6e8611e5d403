"""Figure: masked patches completed by an Energy Transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .style import BLUE, Floats, image_rows, label, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..dynamics import Trajectory


def masked_digits(count: int = 10) -> tuple[Floats, Floats, Floats, Trajectory]:
    """Complete digits of which one patch in four is missing.

    A digit is four tokens: each holds its patch of 4 x 4 pixels in its own block of 64 units, and
    zeros in the others. The head is set by hand: keys are the pseudo-inverse of the digits and
    queries the digits, so that summed over tokens the attention is the projection on their span.

    Returns
    -------
    stored, cues, recalled : ndarray (count, 64)
        As images of 8 x 8 pixels, row by row; masked pixels are 0 in the cues.
    traj : Trajectory
    """
    from .. import patterns
    from ..dynamics import simulate
    from ..models import energy_transformer

    stored = patterns.digits(count, seed=0)
    patches = stored.reshape(count, 2, 4, 2, 4).swapaxes(2, 3).reshape(count, 4, 16)
    block = np.repeat(np.eye(4), 16, axis=1)
    tokens = np.tile(patches, 4) * block
    memories = patches.reshape(count, 64)
    net = energy_transformer(
        np.linalg.pinv(memories).T[None], memories[None], 0.03 * memories, n_tokens=4, beta=0.01
    )
    masked = np.repeat(np.arange(count)[:, None] % 4 == np.arange(4), 64).reshape(tokens.shape)
    noise = 0.01 * np.random.default_rng(0).normal(size=tokens.shape)
    cues = np.where(masked, noise, tokens)
    # Whole tokens are clamped: units within a normalised group would cost the descent.
    times = np.append(0.0, np.geomspace(1e-3, 50.0, 100))
    traj = simulate(net, cues, clamp={"tokens": ~masked}, times=times, until=None)
    recalled = np.where(masked, np.sign(traj.final["tokens"]), tokens) * block
    return stored, _images(np.where(masked, 0.0, tokens)), _images(recalled), traj


def _images(tokens: Floats) -> Floats:
    """Tokens (count, 4, 64) back to images (count, 64)."""
    patches = tokens.sum(axis=1).reshape(-1, 2, 2, 4, 4).swapaxes(2, 3)
    return np.asarray(patches.reshape(-1, 64))


def transformer() -> Figure:
    """Digits with a masked quarter, what the transformer makes of it, and its energy."""
    stored, cues, recalled, traj = masked_digits()
    figure, axes = panels(4, len(stored), 4.6, gridspec_kw={"height_ratios": [1, 1, 1, 2.4]})
    image_rows(axes[:3], (cues, recalled, stored), ("masked", "completed", "stored"), (-1, 1))
    for ax in axes[3]:
        ax.remove()
    below = figure.add_subplot(axes[3, 0].get_gridspec()[3, :])
    lines = below.plot(traj.times, traj.energy, color=BLUE, linewidth=1)
    lines[0].set_label(f"{len(stored)} digits")
    below.legend(fontsize=8)
    below.set_xscale("symlog", linthresh=1e-3, linscale=0.3)
    below.set_xlim(0, traj.times[-1])
    label(below, "time (tau of the tokens)", "energy")
    return figure
