"""Rules in closed form, each as a `Dense` of layer "visible" onto itself."""

from __future__ import annotations

from numpy.typing import ArrayLike

from ..synapses import Dense
from .weights import Floats, hebbian_weights, pseudo_inverse_weights, storkey_weights


def hebbian(patterns: ArrayLike) -> Dense:
    """Hebb's rule: W = (1/D) sum_mu xi_mu xi_mu^T, without synapses of a unit onto itself.

    Parameters
    ----------
    patterns : array_like of shape (K, D)

    Returns
    -------
    Dense
        Of layer "visible" onto itself.

    Raises
    ------
    ValueError
        If the patterns are not a non-empty, finite matrix.

    References
    ----------
    Hopfield 1982, PNAS 79.

    Examples
    --------
    >>> import amsim as am
    >>> patterns = am.patterns.random(3, 64, seed=0)
    >>> layer = am.Layer(64, am.Tanh(4.0))
    >>> net = am.Network({"visible": layer}, [am.learning.hebbian(patterns)])
    >>> cue = am.patterns.corrupt(patterns[0], flip=0.2, seed=1)
    >>> float(am.simulate(net, cue).overlap(patterns)[-1].argmax())
    0.0
    """
    return _within_visible(hebbian_weights(patterns))


def storkey(patterns: ArrayLike) -> Dense:
    """Storkey's rule: as Hebb's, but each pattern makes up for what those before do to it.

    It is local and incremental, and holds more patterns than Hebb's, also correlated ones.

    Parameters
    ----------
    patterns : array_like of shape (K, D)
        Learned in this order.

    Returns
    -------
    Dense
        Of layer "visible" onto itself.

    Raises
    ------
    ValueError
        If the patterns are not a non-empty, finite matrix.

    References
    ----------
    Storkey 1997, "Increasing the capacity of a Hopfield network without sacrificing functionality".

    Examples
    --------
    >>> import amsim as am
    >>> am.learning.storkey(am.patterns.random(3, 8, seed=0)).between
    ('visible', 'visible')
    """
    return _within_visible(storkey_weights(patterns))


def pseudo_inverse(patterns: ArrayLike) -> Dense:
    """The projection on the span of the patterns: W xi = xi for each of them.

    Parameters
    ----------
    patterns : array_like of shape (K, D)
        Of any correlation; K below D, or every state is kept.

    Returns
    -------
    Dense
        Of layer "visible" onto itself, with synapses of a unit onto itself.

    Raises
    ------
    ValueError
        If the patterns are not a non-empty, finite matrix.

    References
    ----------
    Personnaz, Guyon & Dreyfus 1985, J. Physique Lettres 46.

    Examples
    --------
    >>> import numpy as np
    >>> import amsim as am
    >>> patterns = am.patterns.digits(10, seed=0)
    >>> weights = am.learning.pseudo_inverse(patterns).weights
    >>> bool(np.allclose(patterns @ weights, patterns))
    True
    """
    return _within_visible(pseudo_inverse_weights(patterns))


def _within_visible(weights: Floats) -> Dense:
    return Dense(weights, between=("visible", "visible"))
