"""Figure: clusters found by a memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..models import clustering
from .style import BLUE, GREEN, ORANGE, PURPLE, label, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def clusters() -> Figure:
    """Iris: where points are recalled to at three temperatures, and the loss beside k-means."""
    from sklearn.cluster import KMeans
    from sklearn.datasets import load_iris

    from ..estimators import AssociativeClusterer

    data = load_iris().data[:, 2:]
    figure, axes = panels(1, 3, 3.0)
    for ax, beta in zip(axes[0, :2], (0.5, 5.0), strict=True):
        model = AssociativeClusterer(3, beta=beta, steps=4, alpha=0.5, n_init=2, random_state=0)
        model.fit(data)
        found = clustering.recall(data, model.cluster_centers_, beta=beta, steps=4, alpha=0.5)
        for group, color in zip(range(3), (BLUE, ORANGE, GREEN), strict=True):
            own = model.labels_ == group
            moves = np.stack([data[own], found[own]]).transpose(2, 0, 1)
            ax.plot(*moves, color=color, alpha=0.4, linewidth=0.7)
            ax.plot(*data[own].T, ".", color=color, markersize=4)
        ax.plot(*model.cluster_centers_.T, "X", color="k", markersize=8, label="memories")
        label(ax, "petal length (cm)", "petal width (cm)", f"beta = {beta:g}")
    axes[0, 0].legend(fontsize=8)
    means = KMeans(3, n_init=5, random_state=0).fit(data)
    betas = np.geomspace(0.3, 300, 40)
    losses = [clustering.loss(data, means.cluster_centers_, beta=beta) for beta in betas]
    axes[0, 2].plot(betas, losses, color=PURPLE, label="loss at the centres")
    axes[0, 2].axhline(means.inertia_, color="0.5", linestyle=":", label="k-means")
    axes[0, 2].set(xscale="log", ylim=(0, None))
    label(axes[0, 2], "beta", "squared distance (cm$^2$)", "k-means is the limit")
    axes[0, 2].legend(fontsize=8)
    return figure
