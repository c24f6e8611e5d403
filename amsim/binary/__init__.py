"""Two-state units: memories with exact updates, networks of any weights, sequences.

>>> import amsim as am
>>> words = am.patterns.hamming(7, 4)
>>> memory = am.binary.BinaryMemory(words, separation=am.binary.Power(3, rectified=True))
>>> received = words[5].copy()
>>> received[2] *= -1
>>> bool((memory.recall(received).final == words[5]).all())
True
"""

from .energies import (
    Dot,
    Exponential,
    Gaussian,
    Identity,
    Log,
    LogSumExp,
    Power,
    Separation,
    Similarity,
    SquaredDistance,
)
from .memory import BinaryMemory
from .recall_result import Flips, Recall
from .sequence import SequenceMemory
from .two_state import TwoStateNetwork

__all__ = [
    "BinaryMemory",
    "Dot",
    "Exponential",
    "Flips",
    "Gaussian",
    "Identity",
    "Log",
    "LogSumExp",
    "Power",
    "Recall",
    "Separation",
    "SequenceMemory",
    "Similarity",
    "SquaredDistance",
    "TwoStateNetwork",
]


def __dir__() -> list[str]:
    return __all__
