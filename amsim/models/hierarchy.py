"""Hierarchical memories: networks of several layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..lagrangians import Lagrangian
from ..network import Layer, Network
from ..synapses import Dense


def hierarchical_memory(
    weights: Sequence[ArrayLike],
    lagrangians: Sequence[Lagrangian],
    *,
    tau: float | Sequence[float] = 1.0,
) -> Network:
    r"""Chain of layers, each connected to the one above: hierarchical associative memory.

    .. math::
        \tau_A \dot x^A = \Xi^{A\,\top} g^{A+1} + \Xi^{A-1} g^{A-1} - x^A

    Parameters
    ----------
    weights : sequence of array_like
        From the bottom up; Xi^A has shape (units above, units below).
    lagrangians : sequence of Lagrangian
        From the bottom up, one more than weights.
    tau : float or sequence of float, default 1.0
        Time constant of all layers, or one per layer. Neighbours cannot both have tau = 0.

    Returns
    -------
    Network
        With layers "visible", "hidden1", "hidden2", and so on.

    Raises
    ------
    ValueError
        If the numbers of weights, Lagrangians and time constants, or neighbouring shapes, do not
        fit.

    References
    ----------
    Krotov 2021, "Hierarchical associative memory", arXiv:2107.06446. Layers with positions take
    `Convolution`, or `Dense` over further axes, in a `Network` of one's own.

    Examples
    --------
    >>> import numpy as np
    >>> import amsim as am
    >>> parts, wholes = np.eye(4), [[1, 1, 0, 0], [0, 0, 1, 1]]
    >>> layers = [am.Identity(), am.Sigmoid(4.0), am.Softmax(4.0)]
    >>> net = am.models.hierarchical_memory([parts, wholes], layers)
    >>> [synapse.name for synapse in net.synapses]
    ['hidden1-visible', 'hidden2-hidden1']
    """
    for what, given in (("weights", weights), ("lagrangians", lagrangians)):
        checks.instance(what, given, Sequence, "a list with one entry per level")
    matrices = [checks.plain("weights", xi) for xi in weights]
    taus = list(tau) if isinstance(tau, (list, tuple)) else [tau] * len(lagrangians)
    if isinstance(tau, np.ndarray) and tau.ndim:
        taus = list(tau)
    if not matrices or len(lagrangians) != len(matrices) + 1 or len(taus) != len(lagrangians):
        raise ValueError(
            f"{len(matrices)} weights need {len(matrices) + 1} lagrangians and as many tau; "
            f"got {len(lagrangians)} and {len(taus)}"
        )
    for xi in matrices:
        if xi.ndim != 2:
            raise ValueError(f"weights must be matrices (units above, units below), got {xi.shape}")
    names = ["visible", *(f"hidden{level}" for level in range(1, len(lagrangians)))]
    sizes = [matrices[0].shape[1], *(len(xi) for xi in matrices)]
    return Network(
        layers={
            name: Layer(size, lagrangian, tau=t)
            for name, size, lagrangian, t in zip(names, sizes, lagrangians, taus, strict=True)
        },
        synapses=[
            Dense(xi, between=(above, below))
            for xi, below, above in zip(matrices, names, names[1:], strict=False)
        ],
    )
