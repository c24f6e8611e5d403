"""Hypersynapses: the energy that couples the activations of two or more layers.

`Directed` alone has forces without an energy.

A hypersynapse owns one term E_s(g_1, ..., g_n) of the network's energy and the force
-dE_s/dg_a that it exerts on each connected layer. The gradients are written out: they are short,
and event engines and chips need the formulas.
"""

from .attention import Attention
from .base import Array, HyperSynapse, Shape, block_diagonal
from .convolution import Convolution
from .dense import (
    Dense,
    Pairwise,
    compacted,
    project,
    project_back,
    project_back_each,
    project_each,
)
from .directed import Directed
from .integrated import Epanechnikov, Memories
from .manhattan import Manhattan
from .multibody import MultiBody

__all__ = [
    "Array",
    "Attention",
    "Convolution",
    "Dense",
    "Directed",
    "Epanechnikov",
    "HyperSynapse",
    "Manhattan",
    "Memories",
    "MultiBody",
    "Pairwise",
    "Shape",
    "block_diagonal",
    "compacted",
    "project",
    "project_back",
    "project_back_each",
    "project_each",
]


def __dir__() -> list[str]:
    return __all__
