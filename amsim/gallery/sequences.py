"""Figure: a sequence of digits, replayed."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import patterns
from ..dynamics import simulate
from ..errors import GuaranteeWarning
from ..lagrangians import Softmax
from ..models import sequence_memory
from ..plot import blank
from .style import BLUE, GREEN, ORANGE, PURPLE, RED, SKY, Floats, image_rows, label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED)
_DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
_END = 16.0  # tau


def sequence() -> Figure:
    """Six digits, one after the other: each when it is nearest, and cosines over time."""
    stored = patterns.digits(6, seed=0)
    times = np.linspace(0.0, _END, 321)
    nets = {
        "DenseNet": sequence_memory(stored, tau_hidden=3.0),
        "MixedNet": sequence_memory(stored, stabiliser=Softmax(), tau_hidden=3.0),
    }
    figure = blank(5.4)
    halves: Any = figure.subfigures(2, 1, height_ratios=(2.2, 3.2))
    top, bottom = halves
    images, axes = top.subplots(2, len(stored)), bottom.subplots(1, 2, sharey=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GuaranteeWarning)  # there is no energy
        runs = [simulate(net, stored[0], times=times, until=None) for net in nets.values()]
    rows = []
    for ax, row, name, run in zip(axes, images, nets, runs, strict=True):
        states = run["visible"]
        size = np.linalg.norm(states, axis=1, keepdims=True) * stored.shape[1] ** 0.5
        cosines = states @ stored.T / size
        best = cosines.argmax(axis=0)
        rows.append(_scaled(states[best]))
        for image, time in zip(row, times[best], strict=True):
            image.set_title(f"t = {time:.1f}" if time < _END else "at the end", fontsize=9)
        for number, line in enumerate(cosines.T):
            ax.plot(times, line, color=_COLOURS[number], linestyle=_DASHES[number],
                    linewidth=1.4, label=f"digit {number + 1}")  # fmt: skip
        ax.set_xlim(0, _END)
        label(ax, "time (tau of the features)", "", name)
    image_rows(images, rows, list(nets), (-1.0, 1.0))
    axes[0].set_ylabel("cosine with each digit")
    axes[1].legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return figure


def _scaled(states: Floats) -> Floats:
    """States with a largest entry of 1: those of a mixed drive are larger than a pattern."""
    return np.asarray(states / np.abs(states).max(axis=1, keepdims=True))
