"""Associative memories as scikit-learn estimators.

Importing this module imports scikit-learn. beta belongs to exp(-beta |x - xi|^2) throughout: it is
half of the beta of `Softmax` memories.
"""

from .memories import AssociativeAutoencoder, AssociativeClassifier, AssociativeClusterer
from .transformer import EnergyTransformerImputer

__all__ = [
    "AssociativeAutoencoder",
    "AssociativeClassifier",
    "AssociativeClusterer",
    "EnergyTransformerImputer",
]


def __dir__() -> list[str]:
    return __all__
