"""Attention as recall, and transformers with an energy: constructors of their networks."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..lagrangians import Identity, LayerNorm, ReLU, Softmax
from ..network import Layer, Network
from ..synapses import Array, Attention, Dense, Memories


def attention(
    queries: ArrayLike,
    keys: ArrayLike,
    values: ArrayLike,
    *,
    beta: float | None = None,
    heads: int = 1,
) -> Array:
    r"""Scaled dot-product attention: one update of a modern Hopfield network, read out by values.

    .. math::
        \mathrm{softmax}(\beta\, Q K^\top)\, V

    Parameters
    ----------
    queries : array_like of shape (..., M, D)
    keys : array_like of shape (..., N, D)
    values : array_like of shape (..., N, C)
    beta : float, optional
        1 / sqrt(D / heads) by default.
    heads : int, default 1
        Split the last axes into this many parts, which attend separately; their results stand side
        by side. Projections are left to the caller.

    Returns
    -------
    ndarray of shape (..., M, C)

    Raises
    ------
    ValueError
        If the shapes do not fit, or heads does not divide D and C.

    References
    ----------
    Vaswani et al. 2017, arXiv:1706.03762; Ramsauer et al. 2020, arXiv:2008.02217, eq. 10.

    Examples
    --------
    >>> import numpy as np
    >>> import amsim as am
    >>> keys = np.random.default_rng(0).normal(size=(5, 16))
    >>> query = np.random.default_rng(1).normal(size=(1, 16))
    >>> net = am.models.modern_hopfield(keys)
    >>> step = am.simulate(net, query, solver=am.FixedPoint(1), until=None)["visible"][-1]
    >>> bool(np.allclose(am.models.attention(query, keys, keys), step, rtol=1e-12))
    True
    """
    q, k, v = (_tokens(name, x) for name, x in zip("qkv", (queries, keys, values), strict=True))
    if q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ValueError(
            f"attention: queries {q.shape}, keys {k.shape} and values {v.shape} do not fit; "
            f"queries and keys share the last axis, keys and values the one before"
        )
    try:
        np.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
    except ValueError:
        raise ValueError(
            f"attention: the batch axes of queries {q.shape}, keys {k.shape} and values {v.shape} "
            f"do not fit"
        ) from None
    heads = checks.count("attention: heads", heads)
    if q.shape[-1] % heads or v.shape[-1] % heads:
        raise ValueError(
            f"attention: {heads} heads do not divide {q.shape[-1]} and {v.shape[-1]} units"
        )
    q, k, v = (_split(x, heads) for x in (q, k, v))
    share = Softmax(q.shape[-1] ** -0.5 if beta is None else beta).activation(
        q @ k.swapaxes(-1, -2)
    )
    out = (share @ v).swapaxes(-2, -3)
    return out.reshape(*out.shape[:-2], -1)


def _tokens(name: str, x: ArrayLike) -> Array:
    array = checks.array(f"attention: {name}", x, largest=checks.LARGEST)
    if array.ndim < 2 or array.size == 0:
        raise ValueError(
            f"attention: {name} has shape {array.shape}; it must be (..., tokens, units)"
        )
    return array


def _split(x: Array, heads: int) -> Array:
    """(..., N, D) to (..., heads, N, D / heads)."""
    return x.reshape(*x.shape[:-1], heads, -1).swapaxes(-2, -3)


def energy_transformer(
    Wk: ArrayLike,  # noqa: N803 (the field's names)
    Wq: ArrayLike,  # noqa: N803
    memories: ArrayLike,
    *,
    n_tokens: int,
    beta: float | None = None,
    gamma: float = 1.0,
    delta: ArrayLike = 0.0,
    eps: float = 1e-5,
    exclude_self: bool = True,
    mask: ArrayLike | None = None,
    leak: float = 0.0,
    tau: float = 1.0,
) -> Network:
    r"""Energy Transformer: layer-normalised tokens that descend attention plus Hopfield energy.

    .. math::
        E = -\frac{1}{\beta} \sum_{h, C} \log \sum_{B \ne C} \exp(\beta\, K_{hB} \cdot Q_{hC})
            - \frac{1}{2} \sum_{B, \mu} \mathrm{relu}(\xi_\mu \cdot g_B)^2,
        \qquad \tau \dot x = -\partial E / \partial g

    Parameters
    ----------
    Wk, Wq : array_like of shape (H, Y, D)
        Keys K_h = Wk_h g and queries Q_h = Wq_h g of H heads.
    memories : array_like of shape (M, D)
        One memory xi a row.
    n_tokens : int
    beta : float, optional
        1 / sqrt(Y) by default.
    gamma, delta, eps : float, default 1.0, 0.0 and 1e-5
        Of `LayerNorm`, which makes g of x.
    exclude_self : bool, default True
        Whether tokens do not attend to themselves.
    mask : array_like of bool, shape (n_tokens, n_tokens) or (H, n_tokens, n_tokens), optional
        Which tokens (columns) each one (row) attends to: neighbours in a graph, or those before it.
    leak : float, default 0.0
        Anchors the length of the tokens: with 1, as in circuits, they settle. Without, only their
        direction does, and the length grows for ever.
    tau : float, default 1.0

    Returns
    -------
    Network
        With one layer "tokens" (n_tokens, D) that has no leak, and the parts "attention" and
        "hopfield" of the energy.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    Without leak the tokens have no energy of their own, and no decay: only the direction of
    x - mean(x) counts. A leak adds leak (x . g - L(x)) = -leak gamma D eps / S per token, with S
    the normaliser, which is next to nothing: tokens rest where their length equals the force, in
    directions in which they would rest without. Clamp the known tokens to complete masked ones;
    batch axes of the states are images, graphs or contexts. The published recall is
    ``am.GradientDescent(step=0.1, steps=12)``.

    References
    ----------
    Hoover et al. 2023, "Energy Transformer", arXiv:2302.07253; Bacvanski et al. 2025,
    arXiv:2512.15002, for tokens with leak.

    Examples
    --------
    >>> import numpy as np
    >>> import amsim as am
    >>> rng = np.random.default_rng(0)
    >>> weights = rng.normal(size=(2, 1, 3, 8))
    >>> net = am.models.energy_transformer(*weights, rng.normal(size=(5, 8)), n_tokens=4)
    >>> tokens = rng.normal(size=(4, 8))
    >>> sorted(net.energy_tree({"tokens": tokens}))
    ['attention', 'hopfield', 'tokens']
    """
    heads = Attention(
        Wk,
        Wq,
        between=("tokens", "tokens"),
        beta=beta,
        exclude_self=exclude_self,
        mask=mask,
        name="attention",
    )
    hopfield = Memories(memories, ReLU(), between=("tokens",), name="hopfield")
    units, n_tokens = heads.keys.shape[-1], checks.count("n_tokens", n_tokens)
    tokens = Layer((n_tokens, units), LayerNorm(gamma, delta, eps), tau=tau, leak=leak)
    return Network({"tokens": tokens}, [heads, hopfield])


def analog_transformer(
    context: ArrayLike,
    memories: ArrayLike,
    *,
    beta: float = 1.0,
    bias_visible: ArrayLike = 0.0,
    bias_attention: ArrayLike = 0.0,
    bias_memories: ArrayLike = 0.0,
    tau_visible: float = 1.0,
    tau_hidden: float = 0.1,
) -> Network:
    r"""Block of the analog Energy Transformer: a token, its context, and memories with biases.

    .. math::
        \tau_v \dot v &= \Xi_A^\top \mathrm{softmax}(\beta h)
            + \Xi_M^\top \mathrm{relu}(z) + a - v \\
        \tau_h \dot h &= \Xi_A v + b - h, \qquad \tau_h \dot z = \Xi_M v + c - z

    Every synapse is a crossbar and every unit an RC circuit: v is the token to predict, h attends
    to the L tokens of the context, and z holds the M memories.

    Parameters
    ----------
    context : array_like of shape (L, D)
        Embedded tokens Xi_A.
    memories : array_like of shape (M, D)
        Xi_M. Keep the largest eigenvalue of Xi_M^T Xi_M below 1: rectified memories with more gain
        outgrow the leak.
    beta : float, default 1.0
        Inverse temperature of the attention.
    bias_visible, bias_attention, bias_memories : float or array_like, default 0.0
        a (D,), b (L,) and c (M,).
    tau_visible, tau_hidden : float, default 1.0 and 0.1

    Returns
    -------
    Network
        With layers "visible" (D,), "attention" (L,) and "memories" (M,).

    Raises
    ------
    ValueError
        If the shapes do not fit.

    References
    ----------
    Bacvanski, You, Hopfield & Krotov 2025, "Dense associative memories with analog circuits",
    arXiv:2512.15002.

    Examples
    --------
    >>> import amsim as am
    >>> net = am.models.analog_transformer([[1, 0], [0, 1]], [[0.5, 0.5]], bias_memories=-0.2)
    >>> am.simulate(net, [1.0, 0.0]).status
    'settled'
    """
    heads = Dense(checks.plain("context", context), between=("attention", "visible"))
    hopfield = Dense(checks.plain("memories", memories), between=("memories", "visible"))
    tokens, units = heads.weights.shape
    return Network(
        layers={
            "visible": Layer(units, Identity(), tau=tau_visible, bias=bias_visible),
            "attention": Layer(tokens, Softmax(beta), tau=tau_hidden, bias=bias_attention),
            "memories": Layer(len(hopfield.weights), ReLU(), tau=tau_hidden, bias=bias_memories),
        },
        synapses=[heads, hopfield],
    )


def context_transformer(
    memories: ArrayLike,
    n_context: int,
    *,
    beta: float = 1.0,
    bias_visible: ArrayLike = 0.0,
    bias_memories: ArrayLike = 0.0,
    tau: float = 1.0,
) -> Network:
    r"""`analog_transformer` with fast memories whose context is a state: one for each cue.

    .. math::
        E = \frac{|v - a|^2}{2} - \frac{1}{\beta} \log \sum_A \exp(\beta\, u_A \cdot v)
            - L(\Xi_M v + c), \qquad L(z) = \tfrac12 |\mathrm{relu}(z)|^2

    Parameters
    ----------
    memories : array_like of shape (M, D)
        Keep the largest eigenvalue of Xi_M^T Xi_M below 1.
    n_context : int
        Tokens u_A of the context.
    beta : float, default 1.0
    bias_visible, bias_memories : float or array_like, default 0.0
        a (D,) and c (M,).
    tau : float, default 1.0

    Returns
    -------
    Network
        With layers "visible" (1, D), the token to predict, and "context" (n_context, D). Give both
        in the cue, and keep the context: ``clamp={"context": np.ones((n_context, D), bool)}``.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    References
    ----------
    Bacvanski, You, Hopfield & Krotov 2025, arXiv:2512.15002.

    Examples
    --------
    >>> import numpy as np
    >>> import amsim as am
    >>> net = am.models.context_transformer([[0.5, 0.5]], 3)
    >>> contexts = np.random.default_rng(0).normal(size=(4, 3, 2))
    >>> cue = {"visible": contexts[:, -1:], "context": contexts}
    >>> am.simulate(net, cue, clamp={"context": np.ones((3, 2), bool)}).final["visible"].shape
    (4, 1, 2)
    """
    hopfield = Memories(memories, ReLU(), ("visible",), bias=bias_memories, name="hopfield")
    units = hopfield.weights.shape[1]
    itself = np.eye(units)[None]
    heads = Attention(itself, itself, ("context", "visible"), beta=beta, name="attention")
    return Network(
        layers={
            "visible": Layer((1, units), Identity(), tau=tau, bias=bias_visible),
            "context": Layer((checks.count("n_context", n_context), units), Identity(), tau=tau),
        },
        synapses=[heads, hopfield],
    )
