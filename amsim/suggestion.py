"""`suggest_beta`: which inverse temperature, by the bounds of the field and by measured recalls."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import checks
from . import patterns as stored_patterns
from .display import fields_html, fields_repr
from .dynamics import Settled, simulate
from .lagrangians import Softmax
from .models import dense_am
from .patterns import SIMILARITIES, Similarity
from .progress import whole_runs
from .theory import capacity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

Floats = NDArray[np.float64]
# Betas times the median separation: from where all memories mix to where one has all of the weight.
_FROM, _TO, _COUNT = 0.3, 300.0, 19
_REST = Settled(1e-4)

# What `patterns.corrupt` can do to a pattern.
_DAMAGES = ("flip", "mask", "noise")


@dataclass(frozen=True, eq=False)
class BetaSuggestion:
    """What `suggest_beta` found.

    Attributes
    ----------
    beta : float
        The smallest of `betas` that recalls the most cues: larger ones only stiffen the memories.
    betas : ndarray (n,)
        Those that were tried, increasing.
    hits : ndarray (n,)
        Share of cues that ended at their own pattern.
    separated : float or None
        Beta from which every pattern is well separated (Ramsauer et al. 2021): far more than is
        needed for most. None for similarities of which it is not proven.
    retrieval : float or None
        Beta from which a typical one of as many random patterns is retrieved (Lucibello and Mezard
        2024); for "dot" alone.
    """

    beta: float
    betas: Floats
    hits: Floats
    separated: float | None
    retrieval: float | None

    __repr__ = fields_repr
    _repr_html_ = fields_html

    def plot(self, ax: Axes | None = None) -> FigureBase:
        """Hits over beta, with the bounds and the suggestion; in a new figure, or in `ax`."""
        from .plot import blank

        ax = blank(3.4).subplots() if ax is None else ax
        ax.semilogx(self.betas, self.hits, "o-", color="#0072B2", label="measured")
        ax.axvline(self.beta, color="#009E73", label=f"suggested: {self.beta:.3g}")
        bounds = {"random patterns retrieved": self.retrieval, "all separated": self.separated}
        for (name, bound), style in zip(bounds.items(), (":", "--"), strict=True):
            if bound is not None and 0 < bound < math.inf:
                ax.axvline(bound, color="#D55E00", linestyle=style, label=f"{name}: {bound:.3g}")
        ax.set(xlabel="beta", ylabel="cues at their pattern", ylim=(-0.03, 1.03))
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        return ax.figure


def suggest_beta(
    patterns: ArrayLike,
    cues: ArrayLike | None = None,
    *,
    damage: Mapping[str, float] | None = None,
    similarity: Similarity = "dot",
    betas: ArrayLike | None = None,
    accuracy: float = 0.1,
    seed: checks.Seed = 0,
    **options: Any,
) -> BetaSuggestion:
    """Recall cues at many betas, and say which beta to take for ``Softmax(beta)`` memories.

    Parameters
    ----------
    patterns : array_like of shape (K, D)
    cues : array_like of shape (..., K, D), optional
        Cues of the k-th pattern at the k-th place before the units.
    damage : mapping, optional
        Instead of cues: what `patterns.corrupt` does to them, as ``{"flip": 0.2}``.
    similarity : {"dot", "euclidean", "cosine", "manhattan"}, default "dot"
        As in `dense_am`.
    betas : array_like, optional
        Those to try; by default from where all memories mix to where one has all of the weight.
    accuracy : float, default 0.1
        How close to its pattern a hit ends: this share of the distance to the nearest other one.
        Of cosines the directions are compared.
    seed : int, SeedSequence or Generator, default 0
        Of the damage.
    **options
        Of `simulate`, as ``clamp=`` and ``missing=``: recalls are those that are meant.

    Returns
    -------
    BetaSuggestion
        With a figure, `plot()`.

    Raises
    ------
    ValueError
        If not exactly one of cues and damage is given, shapes do not fit, two patterns are equal,
        or no beta recalls a single cue.

    Examples
    --------
    >>> import amsim as am
    >>> patterns = am.patterns.random(20, 64, seed=0)
    >>> found = am.suggest_beta(patterns, damage={"flip": 0.2})
    >>> bool(found.hits.max() == 1.0), 0.05 < found.beta < 0.5
    (True, True)
    """
    checks.choice("similarity", similarity, SIMILARITIES)
    xi = checks.array("patterns", patterns, ndim=2, empty=False, largest=checks.LARGEST)
    if (cues is None) == (damage is None):
        raise ValueError("give either cues or damage, and not both")
    accuracy = checks.number("accuracy", accuracy, above=0.0, at_most=1.0)
    if damage is not None:
        checks.instance("damage", damage, Mapping, "a mapping such as {'flip': 0.2}")
        for name in damage:
            checks.choice("a name in damage", name, _DAMAGES)
        cues = stored_patterns.corrupt(xi, **damage, seed=seed)
    # NaN is for `missing` to judge.
    starts = checks.array("cues", cues, finite=False)
    if starts.shape[-2:] != xi.shape:
        raise ValueError(
            f"cues have shape {starts.shape}, patterns {xi.shape}: give a cue of every pattern, in "
            f"their order (further axes in front)"
        )
    goal, reach = _goals(xi, similarity, accuracy)
    tried = _betas(xi, similarity, betas)
    hits = np.empty(len(tried))
    for k, beta in enumerate(tried):
        net = dense_am(xi, hidden=Softmax(beta), similarity=similarity, tau_hidden=0.0)
        with whole_runs():
            end = simulate(net, starts, **{"until": _REST, **options}).final["visible"]
        if similarity == "cosine":
            end = stored_patterns.directions(end)
        hits[k] = np.mean(np.linalg.norm(end - goal, axis=-1) <= reach)
    if not hits.any():
        raise ValueError(
            "no beta recalls a cue: the damage is too large, or the patterns are too alike for "
            f"similarity={similarity!r}; try another similarity, or a larger accuracy"
        )
    return BetaSuggestion(float(tried[np.argmax(hits)]), tried, hits, *_bounds(goal, similarity))


def _goals(xi: Floats, similarity: Similarity, accuracy: float) -> tuple[Floats, Floats]:
    """What is recalled of each pattern, and how far from there a hit ends at most."""
    goal = stored_patterns.directions(xi) if similarity == "cosine" else xi
    apart = np.sqrt(2 * stored_patterns.separation(goal, "euclidean"))
    if not apart.all():
        raise ValueError(
            f"pattern {int(np.argmin(apart))} is the same as another one: no cue can tell them "
            f"apart; leave one out"
        )
    return goal, accuracy * np.where(np.isinf(apart), np.linalg.norm(goal, axis=1), apart)


def _betas(xi: Floats, similarity: Similarity, given: ArrayLike | None) -> Floats:
    if given is not None:
        return np.asarray(np.unique(checks.array("betas", given, ndim=1, empty=False)))
    apart = stored_patterns.separation(xi, similarity)
    apart = apart[(apart > 0) & np.isfinite(apart)]
    scale = float(np.median(apart)) if apart.size else max(float(np.mean(xi**2)) * xi.shape[1], 1.0)
    return np.asarray(np.geomspace(_FROM, _TO, _COUNT) / scale)


def _bounds(goal: Floats, similarity: Similarity) -> tuple[float | None, float | None]:
    """The two bounds; goals are the patterns as the memories hold them."""
    if similarity == "manhattan":
        return None, None
    apart = float(stored_patterns.separation(goal, similarity).min())
    length = float(np.linalg.norm(goal, axis=1).max()) or 1.0
    separated = capacity.separated_beta(apart, len(goal), length)
    if similarity != "dot":
        return separated, None
    count, units = goal.shape
    variance = float(np.mean(goal**2)) or 1.0
    return separated, capacity.retrieval_beta(units, count) / variance
