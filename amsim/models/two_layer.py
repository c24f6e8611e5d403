"""Two-layer memories, features and memories: `dense_am` and models A, B and C."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..lagrangians import Identity, Lagrangian, RectifiedPower, Sign, Softmax, Spherical
from ..network import Layer, Network
from ..patterns import SIMILARITIES, Similarity, directions
from ..synapses import Array, Dense, HyperSynapse, Manhattan

# Keeps the origin, where a direction is undefined, harmless; below rounding elsewhere.
_SMOOTHING = 1e-12


def dense_am(
    patterns: ArrayLike,
    *,
    visible: Lagrangian | None = None,
    hidden: Lagrangian | None = None,
    tau_visible: ArrayLike = 1.0,
    tau_hidden: ArrayLike = 0.1,
    bias_visible: ArrayLike = 0.0,
    bias_hidden: ArrayLike = 0.0,
    similarity: Similarity = "dot",
) -> Network:
    r"""Dense associative memory: features `visible`, one unit of `hidden` per memory.

    .. math::
        \tau_v \dot v = \Xi^\top f(h) + a - v, \qquad \tau_h \dot h = \Xi\, g(v) + b - h

    Parameters
    ----------
    patterns : array_like of shape (K, D)
        The memories, one a row. int8 and float32 are kept as they are.
    visible : Lagrangian, default Identity()
        Gives g; Identity makes v the recalled pattern itself. Cosines are those of
        `Spherical`, which is the default there.
    hidden : Lagrangian, default Softmax(beta=1.0)
        Gives f. Softmax is the modern Hopfield network, ReLU or RectifiedPower(n) the
        polynomial dense associative memory.
    tau_visible, tau_hidden : float or array_like, default 1.0 and 0.1
        Time constants, a number or one per unit; tau_hidden=0 makes the memories algebraic.
    bias_visible, bias_hidden : float or array_like, default 0.0
        Constant inputs a and b.
    similarity : {"dot", "euclidean", "cosine", "manhattan"}, default "dot"
        What the memories compare by: h at rest is `patterns.similarity`, plus b.

        - "euclidean" adds -|xi|^2 / 2 to b, so that with Identity and Softmax(beta) and algebraic
          memories the energy is  -(1/beta) log sum_mu exp(-(beta/2) |v - xi_mu|^2).  (Texts that
          write exp(-beta |v - xi|^2) have half of this beta; h lacks -|v|^2 / 2, which all
          memories have in common.)
        - "cosine" stores the patterns at length 1, and g is v / |v|. What is recalled has the
          direction of a pattern: `Trajectory.nearest` gives the pattern itself.
        - "manhattan" joins the layers by `Manhattan`, which rounds the distance off at its kink;
          the features are Identity, the memories shares (Softmax, Entmax).

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
    given = checks.plain("patterns", patterns)
    if given.ndim != 2 or given.size == 0:
        raise ValueError(
            f"patterns must have shape (memories, units), got {given.shape}; "
            f"flatten images, and put a single pattern in a list"
        )
    checks.choice("similarity", similarity, SIMILARITIES)
    bias = checks.array("bias_hidden", bias_hidden, largest=checks.LARGEST)
    synapse: HyperSynapse
    leak = 1.0
    if similarity == "manhattan":
        synapse = Manhattan(given)
        leak = synapse.leak
        _check_manhattan(visible, bias_visible)
    else:
        synapse = Dense(_directions(given, visible) if similarity == "cosine" else given)
    if similarity == "euclidean":
        bias = bias + own_bias(given)
    if visible is None:
        visible = Spherical(_SMOOTHING) if similarity == "cosine" else Identity()
    count, units = given.shape
    return Network(
        layers={
            "visible": Layer(units, visible, tau_visible, bias_visible, leak),
            "hidden": Layer(count, Softmax() if hidden is None else hidden, tau_hidden, bias),
        },
        synapses=[synapse],
    )


def own_bias(patterns: Array) -> Array:
    """-|xi|^2 / 2 of each memory: what makes a product a distance."""
    return np.asarray(-0.5 * np.einsum("kd,kd->k", patterns, patterns, dtype=np.float64))


def _directions(patterns: Array, visible: Lagrangian | None) -> Array:
    """The patterns at length 1, for features that have it too."""
    if visible is not None and not isinstance(visible, Spherical):
        raise ValueError(
            f"similarity='cosine' needs features of length 1: leave visible out, or pass "
            f"Spherical(); got {checks.shown(visible)}"
        )
    xi = checks.array("patterns", patterns, largest=checks.LARGEST)
    empty = ~xi.any(axis=1)
    if empty.any():
        raise ValueError(
            f"similarity='cosine': pattern {int(np.argmax(empty))} is 0 and has no direction; "
            f"leave it out"
        )
    return directions(xi)


def _check_manhattan(visible: Lagrangian | None, bias_visible: ArrayLike) -> None:
    if visible is not None and not isinstance(visible, Identity):
        raise ValueError(
            f"similarity='manhattan' compares the states themselves: leave visible out, or pass "
            f"Identity(); got {checks.shown(visible)}"
        )
    if checks.array("bias_visible", bias_visible).any():
        raise ValueError(
            "similarity='manhattan' has features whose leak only stands for the distance, and a "
            "bias would act through it: leave bias_visible out"
        )


def modern_hopfield(
    patterns: ArrayLike,
    beta: float | None = None,
    *,
    tau_visible: ArrayLike = 1.0,
    tau_hidden: ArrayLike = 0.0,
) -> Network:
    r"""Modern Hopfield network: model B of Krotov & Hopfield with fast memories.

    .. math::
        E(v) = \tfrac{1}{2} |v|^2 - \tfrac{1}{\beta} \log \sum_\mu \exp(\beta\, \xi_\mu \cdot v),
        \qquad v \leftarrow \Xi^\top \mathrm{softmax}(\beta\, \Xi v)

    The update is one step of `FixedPoint`: attention with the patterns as keys and values.

    Parameters
    ----------
    patterns : array_like of shape (K, D)
    beta : float, optional
        1 / sqrt(D) by default, as in a transformer.
    tau_visible, tau_hidden : float or array_like, default 1.0 and 0.0
        Time constants.

    Returns
    -------
    Network
        With layers "visible" (D,) and "hidden" (K,).

    References
    ----------
    Ramsauer et al. 2020, arXiv:2008.02217. Their energy has further terms that do not depend on v.

    Examples
    --------
    >>> import amsim as am
    >>> net = am.models.modern_hopfield([[1, 1, -1, -1], [1, -1, 1, -1]], beta=1.0)
    >>> am.simulate(net, [1, 1, -1, 0]).final["visible"].round(3)
    array([ 1.   ,  0.958, -0.958, -1.   ])
    """
    if beta is None:
        # What has no units is refused below.
        beta = max([1, *np.shape(patterns)[-1:]]) ** -0.5
    return model_b(patterns, beta, tau_visible=tau_visible, tau_hidden=tau_hidden)


def model_a(
    patterns: ArrayLike,
    hidden: Lagrangian | None = None,
    *,
    tau_visible: ArrayLike = 1.0,
    tau_hidden: ArrayLike = 0.1,
) -> Network:
    r"""Model A: two-state features, L_v = sum |v|, with memories L_h = sum F(h).

    With fast memories the energy is that of the dense associative memory of Krotov & Hopfield
    2016, :math:`E = -\sum_\mu F(\xi_\mu \cdot \sigma)` with :math:`\sigma = \mathrm{sign}(v)`.

    Parameters
    ----------
    patterns : array_like of shape (K, D)
    hidden : Lagrangian, default RectifiedPower(3)
        Gives F; `Exponential()` is the memory of Demircigil et al. 2017.
    tau_visible, tau_hidden : float or array_like, default 1.0 and 0.1
        Time constants.

    References
    ----------
    Krotov & Hopfield 2020, arXiv:2008.06996, section 4.

    Examples
    --------
    >>> import amsim as am
    >>> net = am.models.model_a([[1, 1, -1], [-1, 1, 1]], tau_hidden=0.0)
    >>> float(net.energy({"visible": [0.1, 2.0, -3.0]}))
    -9.0
    """
    visible, hidden = Sign(), RectifiedPower(3) if hidden is None else hidden
    return dense_am(
        patterns, visible=visible, hidden=hidden, tau_visible=tau_visible, tau_hidden=tau_hidden
    )


def model_b(
    patterns: ArrayLike,
    beta: float = 1.0,
    *,
    tau_visible: ArrayLike = 1.0,
    tau_hidden: ArrayLike = 0.1,
) -> Network:
    r"""Model B: linear features, L_v = |v|^2 / 2, and memories that compete, L_h = log sum exp(h).

    Parameters
    ----------
    patterns : array_like of shape (K, D)
    beta : float, default 1.0
        Inverse temperature of the competition.
    tau_visible, tau_hidden : float or array_like, default 1.0 and 0.1
        Time constants.

    References
    ----------
    Krotov & Hopfield 2020, arXiv:2008.06996, section 4.

    Examples
    --------
    >>> import amsim as am
    >>> am.models.model_b([[1, 1, -1], [-1, 1, 1]]).layers["hidden"].lagrangian
    Softmax(beta=1.0)
    """
    visible, hidden = Identity(), Softmax(beta)
    return dense_am(
        patterns, visible=visible, hidden=hidden, tau_visible=tau_visible, tau_hidden=tau_hidden
    )


def model_c(
    patterns: ArrayLike,
    hidden: Lagrangian | None = None,
    *,
    tau_visible: ArrayLike = 1.0,
    tau_hidden: ArrayLike = 0.1,
) -> Network:
    r"""Model C: features on a sphere, L_v = |v|, with memories L_h = sum F(h).

    With fast memories the energy is :math:`E = -\sum_\mu F(\xi_\mu \cdot g)` for the direction
    :math:`g = v / |v|`.

    Parameters
    ----------
    patterns : array_like of shape (K, D)
    hidden : Lagrangian, default RectifiedPower(3)
        Gives F.
    tau_visible, tau_hidden : float or array_like, default 1.0 and 0.1
        Time constants.

    References
    ----------
    Krotov & Hopfield 2020, arXiv:2008.06996, section 4.

    Examples
    --------
    >>> import amsim as am
    >>> net = am.models.model_c([[3.0, 4.0]], tau_hidden=0.0)
    >>> round(float(net.energy({"visible": [6.0, 8.0]})), 6)  # -|xi|^3 / 3
    -41.666667
    """
    visible, hidden = Spherical(_SMOOTHING), RectifiedPower(3) if hidden is None else hidden
    return dense_am(
        patterns, visible=visible, hidden=hidden, tau_visible=tau_visible, tau_hidden=tau_hidden
    )
