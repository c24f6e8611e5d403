"""The pictures of `amsim gallery`, one function a figure.

Nothing is shown or saved here: each function returns a `matplotlib.figure.Figure`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ..plot import lettered
from ..progress import whole_runs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Name of the figure: the module that draws it, and what it shows.
__all__ = ["FIGURES", "draw"]

FIGURES = {
    "landscape": ("landscapes", "energy landscapes of five memories in the plane"),
    "merging": ("landscapes", "memories merge into spurious minima as beta falls"),
    "attention": ("landscapes", "attention is one step of recall"),
    "beta": ("betas", "digits recalled from their lower half over beta, and the bounds"),
    "models": ("dynamics", "models A, B and C recall damaged patterns"),
    "double_well": ("driven", "noise in a double well, beside the density of Gibbs"),
    "stimulus": ("driven", "a stimulus comes and goes"),
    "analog": ("dynamics", "the analog transformer block settles"),
    "capacity": ("capacity", "bit errors of stored patterns, theory and count"),
    "transformer": ("transformer", "masked patches completed by an Energy Transformer"),
    "hierarchy": ("hierarchy", "recall through the middle of three layers"),
    "diffusion": ("generation", "digits denoised by the reverse diffusion"),
    "transition": ("generation", "from memorised to generalised samples"),
    "sequence": ("sequences", "a sequence of digits, replayed"),
    "features": ("features", "random features: energy and error"),
    "clusters": ("clusters", "clusters as memories, and k-means as their limit"),
}


def __dir__() -> list[str]:
    return __all__


def draw(name: str) -> Figure:
    """Draw one figure.

    Parameters
    ----------
    name : str
        One of `FIGURES`.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If there is no such figure.

    Examples
    --------
    >>> from amsim import gallery
    >>> len(gallery.draw("attention").axes)
    3
    """
    if name not in FIGURES:
        raise ValueError(f"there is no figure {name!r}; choose from {', '.join(FIGURES)}")
    module = import_module(f".{FIGURES[name][0]}", __name__)
    with whole_runs():
        figure: Figure = getattr(module, name)()
    return lettered(figure)
