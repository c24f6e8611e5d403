"""Associative memories with one layer of features and one of memories."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from ..lagrangians import Identity, Lagrangian, Softmax
from ..network import Layer, Network
from ..synapses import Dense


def dense_am(
    patterns: ArrayLike,
    *,
    visible: Lagrangian | None = None,
    hidden: Lagrangian | None = None,
    tau_visible: ArrayLike = 1.0,
    tau_hidden: ArrayLike = 0.1,
    bias_visible: ArrayLike = 0.0,
    bias_hidden: ArrayLike = 0.0,
    similarity: Literal["dot", "euclidean"] = "dot",
) -> Network:
    r"""Dense associative memory: features `visible`, one unit of `hidden` per memory.

    .. math::
        \tau_v \dot v = \Xi^\top f(h) + a - v, \qquad \tau_h \dot h = \Xi\, g(v) + b - h

    Parameters
    ----------
    patterns : array_like of shape (K, D)
        The memories, one a row. int8 and float32 are kept as they are.
    visible : Lagrangian, default Identity()
        Gives g; Identity makes v the recalled pattern itself.
    hidden : Lagrangian, default Softmax(beta=1.0)
        Gives f. Softmax is the modern Hopfield network, ReLU or RectifiedPower(n) the
        polynomial dense associative memory.
    tau_visible, tau_hidden : float or array_like, default 1.0 and 0.1
        Time constants, a number or one per unit; tau_hidden=0 makes the memories algebraic.
    bias_visible, bias_hidden : float or array_like, default 0.0
        Constant inputs a and b.
    similarity : {"dot", "euclidean"}, default "dot"
        "euclidean" adds -|xi|^2 / 2 to b, so that with Identity and Softmax(beta) and algebraic
        memories the energy is  -(1/beta) log sum_mu exp(-(beta/2) |v - xi_mu|^2).  (Texts that
        write exp(-beta |v - xi|^2) have half of this beta.)

    Returns
    -------
    Network
        With layers "visible" (D,) and "hidden" (K,).

    Raises
    ------
    ValueError
        If the patterns are not a non-empty, finite matrix, or tau or bias do not fit.

    References
    ----------
    Krotov & Hopfield 2020, arXiv:2008.06996; Ramsauer et al. 2020, arXiv:2008.02217.

    Examples
    --------
    >>> import amsim as am
    >>> net = am.dense_am([[1, 1, -1], [1, -1, 1]], hidden=am.Softmax(beta=2.0))
    >>> net
    Network(layers={visible: (3,), hidden: (2,)}, synapses=[hidden-visible])
    """
    given = np.asarray(patterns)
    if given.ndim != 2 or given.size == 0:
        raise ValueError(
            f"patterns must have shape (memories, units), got {given.shape}; "
            f"flatten images, and put a single pattern in a list"
        )
    if similarity not in ("dot", "euclidean"):
        raise ValueError(f"similarity must be 'dot' or 'euclidean', got {similarity!r}")
    synapse = Dense(given, between=("hidden", "visible"))
    bias = np.asarray(bias_hidden, dtype=np.float64)
    if similarity == "euclidean":
        bias = bias - 0.5 * np.einsum("kd,kd->k", given, given, dtype=np.float64)
    count, units = given.shape
    return Network(
        layers={
            "visible": Layer(units, visible or Identity(), tau=tau_visible, bias=bias_visible),
            "hidden": Layer(count, hidden or Softmax(), tau=tau_hidden, bias=bias),
        },
        synapses=[synapse],
    )
