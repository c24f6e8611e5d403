"""Figures and axes that a notebook shows by themselves: once, and without pyplot.

IPython shows a plain `matplotlib.figure.Figure` only after pyplot has made one. These say what they
look like themselves; where ``%matplotlib inline`` has set a way of its own, IPython prefers that.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import matplotlib.axes
import matplotlib.figure

Png = tuple[bytes, dict[str, int]]
_SHARPNESS = 2  # pixels of the image for each that a notebook shows


class Figure(matplotlib.figure.Figure):
    """A figure that is an image in a notebook."""

    def _repr_png_(self) -> Png:
        buffer = BytesIO()
        self.savefig(buffer, format="png", dpi=_SHARPNESS * self.dpi)
        width, height = (round(inches * self.dpi) for inches in self.get_size_inches())
        return buffer.getvalue(), {"width": width, "height": height}


class Axes(matplotlib.axes.Axes):
    """The only axes of a figure of their own: in a notebook they are that figure."""

    if TYPE_CHECKING:
        figure: Figure

    def _repr_png_(self) -> Png:
        return self.figure._repr_png_()
