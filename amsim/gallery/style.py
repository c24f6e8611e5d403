"""Size, colours and image panels that the figures share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..plot import blank

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

BLUE, ORANGE, GREEN, PURPLE, SKY, RED = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00",
)  # fmt: skip


def panels(rows: int, columns: int, height: float, **options: Any) -> tuple[Figure, Any]:
    """Make a figure and its axes (rows, columns)."""
    figure = blank(height)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def label(ax: Axes, x: str, y: str, title: str = "") -> None:
    """Name the axes; leave out the frame where there is no data."""
    ax.set(xlabel=x, ylabel=y)
    ax.set_title(title, fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)


def image_rows(
    axes: NDArray[Any], rows: Sequence[Floats], labels: Sequence[str], limit: tuple[float, float]
) -> None:
    """Draw rows of square images (n, D) into axes (rows, n), with one gray scale."""
    for row, (images, name) in enumerate(zip(rows, labels, strict=True)):
        axes[row, 0].set_ylabel(name, rotation=0, ha="right", va="center")
        for ax, image in zip(axes[row], images, strict=True):
            side = round(len(image) ** 0.5)
            ax.imshow(image.reshape(side, side), cmap="gray_r", vmin=limit[0], vmax=limit[1])
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set(color="0.7", linewidth=0.6)
