"""Learning: weights from patterns by rules, gradients of losses, training."""

from .chains import ChainGradient, Likelihood, chain_gradient
from .gradients import gradient
from .losses import CrossEntropy, Loss, SquaredError
from .optimiser import SGD, Adam
from .result import LossGradient
from .rules import hebbian, pseudo_inverse, storkey
from .training import Training, train

__all__ = [
    "SGD",
    "Adam",
    "ChainGradient",
    "CrossEntropy",
    "Likelihood",
    "Loss",
    "LossGradient",
    "SquaredError",
    "Training",
    "chain_gradient",
    "gradient",
    "hebbian",
    "pseudo_inverse",
    "storkey",
    "train",
]


def __dir__() -> list[str]:
    return __all__
