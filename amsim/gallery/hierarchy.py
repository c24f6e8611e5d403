"""Figure: three layers that recall a digit through its quarters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..lagrangians import Identity, Softmax
from ..network import Layer, Network
from ..synapses import Convolution, Dense
from .style import Floats, image_rows, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def part_whole_network(
    parts: Floats, wholes: NDArray[np.int64], *, coupling: float = 8.0
) -> Network:
    """Three layers set by hand (Krotov 2021, arXiv:2107.06446).

    Parameters
    ----------
    parts : ndarray (K, D)
        What can stand at a position; shared by all of them.
    wholes : ndarray of int (M, P)
        Which part each whole has at each position.
    coupling : float, default 8.0
        Weight between a whole and its parts; 0 leaves the positions on their own.

    Returns
    -------
    Network
        With layers "visible" (P, D), "parts" (P, K) and "wholes" (1, M).
    """
    (count, units), (number, positions) = parts.shape, wholes.shape
    kernel = coupling * (wholes[..., None] == np.arange(count))
    return Network(
        layers={
            "visible": Layer((positions, units), Identity()),
            "parts": Layer((positions, count), Softmax(1.0), tau=0.3),
            "wholes": Layer((1, number), Softmax(1.0), tau=0.1),
        },
        synapses=[
            Dense(parts, between=("parts", "visible")),
            Convolution(kernel, between=("wholes", "parts")),
        ],
    )


def parts_of_digits(count: int) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Digits as quarters (count, 4, 16), the distinct quarters, and which digit has which."""
    from .. import patterns

    digits = patterns.digits(count, seed=0).reshape(count, 2, 4, 2, 4)
    quarters = digits.swapaxes(2, 3).reshape(count, 4, 16)
    parts, index = np.unique(quarters.reshape(-1, 16), axis=0, return_inverse=True)
    return quarters, parts, index.reshape(count, 4)


def hierarchy() -> Figure:
    """Digits without a quarter, recalled with and without the layer of the wholes."""
    from ..dynamics import simulate

    digits, parts, wholes = parts_of_digits(10)
    cues = digits.copy()
    cues[np.arange(10)[:, None] % 4 == np.arange(4)] = 0.0
    ends = [
        simulate(part_whole_network(parts, wholes, coupling=coupling), cues).final["visible"]
        for coupling in (0.0, 8.0)
    ]
    rows = [_image(quarters) for quarters in (cues, *ends, digits)]
    figure, axes = panels(4, 10, 3.6)
    image_rows(axes, rows, ("cue", "parts alone", "with wholes", "stored"), (-1, 1))
    return figure


def _image(quarters: Floats) -> Floats:
    """(count, 4, 16) to (count, 64)."""
    return quarters.reshape(-1, 2, 2, 4, 4).swapaxes(2, 3).reshape(-1, 64)
