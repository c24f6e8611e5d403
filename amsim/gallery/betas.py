"""Figure: which beta recalls half of a gray digit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import patterns
from ..plot import blank
from ..suggestion import suggest_beta

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def beta() -> Figure:
    """Digits at their pattern over beta, and the bounds; the upper half is missing."""
    digits, missing = patterns.digits_gray(100), np.arange(64) < 32
    found = suggest_beta(digits, digits, similarity="euclidean", missing=missing, clamp=~missing)
    figure = blank(3.4)
    found.plot(figure.subplots())
    return figure
