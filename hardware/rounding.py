"""Weights as whole numbers: to the nearest, by chance, or so that cues find their memory."""

from __future__ import annotations

from typing import Literal

import numpy as np

from .spec import Floats
from .units import Integers

Rounding = Literal["nearest", "stochastic", "learned"]
ROUNDINGS = ("nearest", "stochastic", "learned")
_WHOLE = 1e-9  # of a weight: what is as near to a whole number is one
# Of "learned": damaged cues of each memory, all together at most, their share of replaced features,
# and how far a memory is above nothing, in natural logarithms, for a cue without damage.
_COPIES, _MOST_CUES, _DAMAGED, _SHARPNESS = 16, 4096, 1 / 3, 12.0


def rounded(
    values: Floats,
    how: Rounding,
    rng: np.random.Generator,
    *,
    symmetric: bool = False,
    bias: Floats | float = 0.0,
) -> Integers:
    """Whole numbers at most 1 away; what is whole stays as it is.

    Parameters
    ----------
    values : ndarray (K, D)
    how : {"nearest", "stochastic", "learned"}
        "nearest": halves to even. "stochastic": up with the probability of the fraction, so that
        the mean over draws is the value. "learned": see `learned`.
    rng : numpy.random.Generator
        Of the last two.
    symmetric : bool
        Whether `values` are a symmetric matrix, which is to stay one.
    bias : float or ndarray (K,)
        As of `learned`.

    Examples
    --------
    >>> rounded(np.array([[0.25, 3.0]]), "stochastic", np.random.default_rng(0))
    array([[0, 3]])
    """
    nearest = np.rint(values)
    if how == "nearest":
        return nearest.astype(np.int64)
    whole = np.abs(values - nearest) <= _WHOLE * np.maximum(1, np.abs(values))
    exact = np.where(whole, nearest, values)
    if how == "learned":
        return learned(exact, np.broadcast_to(bias, len(values)), rng)
    draws = rng.random(exact.shape)
    if symmetric:
        draws = np.triu(draws) + np.triu(draws, 1).T
    return np.floor(exact + draws).astype(np.int64)


def learned(values: Floats, bias: Floats, rng: np.random.Generator) -> Integers:
    """Whole numbers next to the values, such that damaged cues find their memory.

    What decides a recall are the similarities h = W v + bias of the cue to the memories. Over cues
    that are a memory with a third of its features replaced, the loss is -log p of that memory, with
    p the softmax of h at a fixed temperature. From the nearest numbers on, every memory flips the
    rounding that lowers the loss most by its slope, as many of them at once as lower it indeed, and
    so on until no flip does. So roundings are learned for layers of networks, too (Nagel et al.
    2020, arXiv:2004.10568), by another loss and other steps.

    Parameters
    ----------
    values : ndarray (K, D)
    bias : ndarray (K,)
        Of the similarities, in the unit of products of two values.
    rng : numpy.random.Generator
        Of the damage.

    Examples
    --------
    To the nearest, both memories would be 0:

    >>> memories = 0.4 * np.array([[1, 1, 1, 1, 1, 1], [1, -1, 1, -1, 1, -1]])
    >>> learned(memories, np.zeros(2), np.random.default_rng(0))
    array([[ 1,  1,  0,  1,  0,  1],
           [ 1, -1,  0, -1,  1,  0]])
    """
    cues, own = _damaged_cues(values, rng)
    sharpness = _SHARPNESS / np.mean(np.sum(values**2, axis=1))
    chosen = np.rint(values)
    steps = np.sign(values - chosen)  # to the number on the other side
    loss, slopes = _loss(chosen, bias, cues, own, sharpness)
    memories, several = np.arange(len(values)), len(values)
    while several:
        gains = steps * slopes
        which = gains.argmin(axis=1)
        gain = gains[memories, which]
        best = np.argsort(gain)[: np.count_nonzero(gain < 0)]
        several = len(best)
        while several:
            place = best[:several], which[best[:several]]
            flipped = chosen.copy()
            flipped[place] += steps[place]
            found, slopes_there = _loss(flipped, bias, cues, own, sharpness)
            if found < loss:
                chosen, loss, slopes = flipped, found, slopes_there
                steps[place] *= -1
                break
            several //= 2
    return chosen.astype(np.int64)


def _damaged_cues(values: Floats, rng: np.random.Generator) -> tuple[Floats, Integers]:
    """Memories with replaced features, and which memory each one is."""
    count = len(values)
    copies = max(1, min(_COPIES, _MOST_CUES // count))
    own = np.repeat(np.arange(count), copies)
    others = rng.choice(values.ravel(), (len(own), values.shape[1]))
    return np.where(rng.random(others.shape) < _DAMAGED, others, values[own]), own


def _loss(
    weights: Floats, bias: Floats, cues: Floats, own: Integers, sharpness: float
) -> tuple[float, Floats]:
    """Sum of -log p of each cue's own memory, and its slopes by the weights."""
    from scipy.special import log_softmax

    logs = log_softmax(sharpness * (cues @ weights.T + bias), axis=1)
    place = np.arange(len(own)), own
    away = np.exp(logs)
    away[place] -= 1
    return -float(logs[place].sum()), sharpness * (away.T @ cues)
