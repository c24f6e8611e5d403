"""Learning: weights from patterns by rules, and gradients of losses on what recalls end with."""

from .gradients import gradient
from .losses import CrossEntropy, Loss, SquaredError
from .result import LossGradient
from .rules import hebbian, pseudo_inverse, storkey

__all__ = [
    "CrossEntropy",
    "Loss",
    "LossGradient",
    "SquaredError",
    "gradient",
    "hebbian",
    "pseudo_inverse",
    "storkey",
]


def __dir__() -> list[str]:
    return __all__
