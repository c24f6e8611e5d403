"""`Attention`: energy attention, which pulls queries towards keys that they resemble."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..display import fields_repr
from ..lagrangians import Softmax
from .base import Array, HyperSynapse, Shape, checked_name, checked_names, checked_weights


@dataclass(frozen=True, eq=False, init=False)
class Attention(HyperSynapse):
    r"""Energy attention of the Energy Transformer (Hoover et al. 2023, arXiv:2302.07253, eq. 4).

    .. math::
        E = -\frac{1}{\beta} \sum_{h, C} \log \sum_B \exp(\beta\, K_{hB} \cdot Q_{hC}),
        \qquad K_{hB} = W^K_h g_B, \quad Q_{hC} = W^Q_h g_C

    Parameters
    ----------
    keys, queries : array_like of shape (H, Y, D)
        W^K and W^Q for H heads of Y dimensions; the two layers may have different D.
    between : tuple of two str
        The layer whose tokens give keys, and the one whose tokens give queries; both of shape
        (tokens, D). One layer named twice attends to itself.
    beta : float, optional
        1 / sqrt(Y) by default.
    exclude_self : bool, default False
        Leave B = C out of the sum; the layers then need equal numbers of tokens.
    mask : array_like of bool, shape (queries, keys) or (H, queries, keys), optional
        Which keys B (columns) each query C (row) sees; all by default. Causal attention is
        ``np.tri(n, dtype=bool)``, a graph its matrix of neighbours. Every query needs a key.
    name : str, optional

    Raises
    ------
    ValueError
        If the weights do not have three axes or do not match, or beta is not positive.

    Notes
    -----
    The force on a query is attention with the keys as values; the force on a key has no counterpart
    in a transformer, and is what makes the whole a descent.

    Examples
    --------
    >>> import numpy as np
    >>> from amsim.synapses import Attention
    >>> synapse = Attention([[[1.0, 0.0]]], [[[0.0, 1.0]]], beta=1.0)
    >>> tokens = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> float(-np.log(np.exp([2, 6]).sum()) - np.log(np.exp([4, 12]).sum())) == float(
    ...     synapse.energy(tokens, tokens)
    ... )
    True
    """

    keys: Array
    queries: Array
    between: tuple[str, ...]
    beta: float
    exclude_self: bool
    mask: Array | None
    name: str

    __repr__ = fields_repr
    reads_own = True

    def __init__(
        self,
        keys: ArrayLike,
        queries: ArrayLike,
        between: tuple[str, str] = ("tokens", "tokens"),
        beta: float | None = None,
        exclude_self: bool = False,
        mask: ArrayLike | None = None,
        name: str = "",
    ) -> None:
        wk = checked_weights(checks.array("Attention: keys", keys), "Attention", "keys")
        wq = checked_weights(checks.array("Attention: queries", queries), "Attention", "queries")
        if wk.ndim != 3 or wq.ndim != 3 or wk.shape[:2] != wq.shape[:2]:
            raise ValueError(
                f"Attention: keys have shape {wk.shape}, queries {wq.shape}; both must be "
                f"(heads, head dimensions, units) with equal heads and head dimensions"
            )
        beta = Softmax(wk.shape[1] ** -0.5 if beta is None else beta).beta
        names = checked_names(between, 2, "Attention")
        for field, value in {
            "keys": wk,
            "queries": wq,
            "between": names,
            "beta": beta,
            "exclude_self": checks.flag("Attention: exclude_self", exclude_self),
            "mask": None if mask is None else _checked_mask(mask, len(wk), exclude_self),
            "name": checked_name(name, "Attention", "-".join(names)),
        }.items():
            object.__setattr__(self, field, value)

    @property
    def learned(self) -> tuple[str, ...]:
        return "keys", "queries", "beta"

    def energy(self, *activations: Array) -> Array:
        scores = self._scores(*self._project(activations))
        return np.asarray(-Softmax(self.beta).value(scores).sum(axis=(-2, -1)))

    def force(self, *activations: Array | None) -> tuple[Array, ...]:
        _, on_keys, on_queries = self._pulls(*self._project(activations))
        return _from_heads(on_keys, self.keys), _from_heads(on_queries, self.queries)

    def force_on(self, slot: int, activations: Sequence[Array | None]) -> Array:
        keys, queries = self._project(activations)
        share = Softmax(self.beta).activation(self._scores(keys, queries))
        if slot == 0:
            return _from_heads(share.swapaxes(-1, -2) @ queries, self.keys)
        return _from_heads(share @ keys, self.queries)

    def coupling(self, *activations: Array) -> dict[tuple[int, int], Array]:
        keys, queries = self._project(activations)
        share = Softmax(self.beta).activation(self._scores(keys, queries))
        off = keys[:, :, None] - (share @ keys)[:, :, :, None]  # (batch, H, C, B, Y)
        spread = np.einsum("nhcb,nhcby,nhbz->nhcyz", share, off, keys, optimize=True)
        itself = np.eye(queries.shape[-2])
        on_query = np.einsum("nhcyz,cd->nhcydz", self.beta * spread, itself)
        # The derivative of share . keys by key B: through the values and through the scores.
        mixed = np.einsum("nhcb,yz->nhcybz", share, np.eye(keys.shape[-1]))
        weighted = self.beta * share[..., None] * off
        mixed += np.einsum("nhcby,nhcz->nhcybz", weighted, queries)
        # beta sum_C Q_C (diag p - p p^T) Q_C^T, between keys A and B.
        on_key = np.einsum(
            "nhcb,nhcy,nhcz,ab->nhaybz",
            share,
            queries,
            queries,
            np.eye(share.shape[-1]),
            optimize=True,
        )
        on_key -= np.einsum(
            "nhca,nhcb,nhcy,nhcz->nhaybz", share, share, queries, queries, optimize=True
        )
        wk, wq = self.keys, self.queries
        return {
            (0, 0): _between_projections(self.beta * on_key, wk, wk),
            (0, 1): _between_projections(mixed.transpose(0, 1, 4, 5, 2, 3), wk, wq),
            (1, 0): _between_projections(mixed, wq, wk),
            (1, 1): _between_projections(on_query, wq, wq),
        }

    def parameter_gradient(self, *activations: Array) -> dict[str, Array]:
        keys, queries = self._project(activations)
        scores = self._scores(keys, queries)
        share = Softmax(self.beta).activation(scores)
        # A token that does not see itself has the share 0 of the score -inf.
        mean = np.sum(share * np.where(share > 0, scores, 0.0))
        return {
            "keys": -_outer(share.swapaxes(-1, -2) @ queries, activations[0]),
            "queries": -_outer(share @ keys, activations[1]),
            "beta": np.asarray(-(self.energy(*activations).sum() + mean) / self.beta),
        }

    def pull_back(
        self, activations: Sequence[Array], directions: Sequence[Array | None]
    ) -> list[Array | None]:
        on_keys, on_queries = self._along(activations, directions)[:2]
        return [_from_heads(on_keys, self.keys), _from_heads(on_queries, self.queries)]

    def force_gradient(
        self, activations: Sequence[Array], directions: Sequence[Array]
    ) -> dict[str, Array]:
        on_keys, on_queries, on_beta = self._along(activations, directions)
        u, w = directions
        pulled, read = self._pulls(*self._project(activations))[1:]
        return {
            "keys": _outer(on_keys, activations[0]) + _outer(pulled, u),
            "queries": _outer(on_queries, activations[1]) + _outer(read, w),
            "beta": on_beta,
        }

    def _pulls(self, keys: Array, queries: Array) -> tuple[Array, Array, Array]:
        """Shares (..., H, C, B), and what they pull keys and queries to, by head."""
        share = Softmax(self.beta).activation(self._scores(keys, queries))
        return share, share.swapaxes(-1, -2) @ queries, share @ keys

    def _along(
        self, activations: Sequence[Array], directions: Sequence[Array | None]
    ) -> tuple[Array, Array, Array]:
        """Derivative of sum p_CB T_CB by keys, queries and beta; T is the change of the scores.

        With keys moved by U and queries by W the energy falls by sum p T, T = Q U^T + W K^T.
        """
        keys, queries = self._project(activations)
        scores = self._scores(keys, queries)
        share = Softmax(self.beta).activation(scores)
        u, w = (
            np.zeros_like(x) if y is None else _to_heads(y, weights)
            for x, y, weights in zip(
                (keys, queries), directions, (self.keys, self.queries), strict=True
            )
        )
        change = queries @ u.swapaxes(-1, -2) + w @ keys.swapaxes(-1, -2)
        off = share * (change - np.sum(share * change, axis=-1, keepdims=True))
        slope = self.beta * off
        return (
            share.swapaxes(-1, -2) @ w + slope.swapaxes(-1, -2) @ queries,
            share @ u + slope @ keys,
            np.asarray(np.sum(off * np.where(share > 0, scores, 0.0))),
        )

    def check_shapes(self, *shapes: Shape) -> None:
        for layer, shape, weights in zip(
            self.between, shapes, (self.keys, self.queries), strict=True
        ):
            if len(shape) != 2 or shape[1] != weights.shape[2]:
                raise ValueError(
                    f"synapse {self.name!r} has weights {weights.shape}; layer {layer!r} has shape "
                    f"{shape}, it must be (tokens, {weights.shape[2]})"
                )
        if self.mask is not None and self.mask.shape[-2:] != (shapes[1][0], shapes[0][0]):
            raise ValueError(
                f"synapse {self.name!r} has a mask {self.mask.shape} of (queries, keys); there are "
                f"{shapes[1][0]} queries and {shapes[0][0]} keys"
            )
        if self.exclude_self and (shapes[0][0] != shapes[1][0] or shapes[0][0] < 2):
            raise ValueError(
                f"synapse {self.name!r} leaves a token's own key out, which needs as many keys as "
                f"queries and at least two; got {shapes[0][0]} and {shapes[1][0]} tokens"
            )

    def _project(self, activations: Sequence[Array | None]) -> tuple[Array, Array]:
        """Keys (..., H, B, Y) and queries (..., H, C, Y)."""
        g, q = activations
        assert g is not None, "attention reads both slots"
        assert q is not None, "attention reads both slots"
        return _to_heads(g, self.keys), _to_heads(q, self.queries)

    def _scores(self, keys: Array, queries: Array) -> Array:
        """K . Q, shape (..., H, C, B); -inf where a query does not see the key."""
        scores: Array = queries @ keys.swapaxes(-1, -2)
        if self.exclude_self:
            np.einsum("...cc->...c", scores)[...] = -math.inf
        if self.mask is not None:
            np.copyto(scores, -math.inf, where=~self.mask)
        return scores


def _checked_mask(mask: ArrayLike, heads: int, exclude_self: bool) -> Array:
    """A read-only mask in which every query has a key."""
    found = checks.mask("Attention: mask", mask)
    if found.ndim not in (2, 3) or found.size == 0 or (found.ndim == 3 and len(found) != heads):
        raise ValueError(
            f"Attention: mask has shape {found.shape}; it must be (queries, keys), or ({heads}, "
            f"queries, keys) for one per head"
        )
    seen = found & ~np.eye(found.shape[-2], found.shape[-1], dtype=bool) if exclude_self else found
    if not (alone := seen.any(axis=-1)).all():
        query = int(np.argwhere(~alone)[0, -1])
        raise ValueError(
            f"Attention: query {query} sees no key, and has no energy: let it see itself "
            f"(exclude_self=False, and True at its place in mask), or another token"
        )
    return checks.owned(found)


def _to_heads(g: Array, weights: Array) -> Array:
    """(..., tokens, D) to heads (..., H, tokens, Y)."""
    heads, units = weights.shape[:2]
    flat = g @ weights.reshape(heads * units, -1).T  # one product for all heads
    return np.asarray(flat.reshape(*flat.shape[:-1], heads, units).swapaxes(-2, -3))


def _from_heads(x: Array, weights: Array) -> Array:
    """The transpose of `_to_heads`."""
    heads, units = weights.shape[:2]
    flat = x.swapaxes(-2, -3).reshape(*x.shape[:-3], x.shape[-2], heads * units)
    return np.asarray(flat @ weights.reshape(heads * units, -1))


def _outer(heads: Array, tokens: Array) -> Array:
    """Sum over tokens of heads (..., H, tokens, Y) times (..., tokens, D): (H, Y, D)."""
    heads = heads.reshape(-1, *heads.shape[-3:])
    tokens = tokens.reshape(-1, *tokens.shape[-2:])
    return np.asarray(np.einsum("nhty,ntd->hyd", heads, tokens, optimize=True))


def _between_projections(inner: Array, left: Array, right: Array) -> Array:
    """(batch, H, a, Y, b, Y) between the two projections: (batch, a D, b D')."""
    block = np.einsum("nhaybz,hyd,hze->nadbe", inner, left, right, optimize=True)
    return np.asarray(block.reshape(len(block), inner.shape[2] * left.shape[2], -1))
