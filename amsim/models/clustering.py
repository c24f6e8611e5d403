r"""Clustering by recall, and classes by the memories that carry their label.

Memories rho attract a point x by

.. math::
    x \leftarrow x + \alpha\, m \odot \sum_k (\rho_k - x)\,
        \mathrm{softmax}_k(-\beta\, |\rho_k - x|^2)

beta belongs to exp(-beta d^2): it is half of the beta of `Softmax` memories.

References
----------
Saha, Krotov, Zaki & Ram 2023, "End-to-end differentiable clustering with associative memories"
(ClAM), arXiv:2306.03209.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks
from ..lagrangians import Softmax

__all__ = [
    "class_loss_and_gradient",
    "class_scores",
    "loss",
    "loss_and_gradient",
    "recall",
]


def __dir__() -> list[str]:
    return __all__


Floats = NDArray[np.float64]
_LARGEST_STEP = 1e3  # far beyond 2, from where a point ends further away than it was
_MOST_STEPS = 10**6


def recall(
    points: ArrayLike,
    memories: ArrayLike,
    *,
    beta: float,
    alpha: float = 1.0,
    steps: int = 1,
    mask: ArrayLike | None = None,
) -> Floats:
    """Move points towards the memories.

    Parameters
    ----------
    points : array_like of shape (n, D)
    memories : array_like of shape (K, D)
    beta : float
    alpha : float, default 1.0
        Step; at 1 one step puts x at the weighted mean of the memories.
    steps : int, default 1
    mask : array_like of bool, optional
        Hidden entries, broadcast to the points: they start at 0, and only they are updated. By
        default nothing is hidden and all entries are updated.

    Returns
    -------
    ndarray (n, D)

    Examples
    --------
    >>> import amsim as am
    >>> am.models.clustering.recall([[0.1], [0.8]], [[0.0], [1.0]], beta=50.0).round(3).tolist()
    [[0.0], [1.0]]
    """
    x, rho, hidden = _checked(points, memories, mask)
    _check_steps(alpha, steps)
    for _ in range(steps):
        x = x + alpha * hidden * (_shares(x, rho, beta) @ rho - x)
    return x


def loss(
    points: ArrayLike,
    memories: ArrayLike,
    *,
    beta: float,
    alpha: float = 1.0,
    steps: int = 1,
    mask: ArrayLike | None = None,
) -> float:
    """Squared distance of the points to what is recalled, over the entries that were updated.

    For beta to infinity, alpha = 1 and one step it is the objective of k-means. Arguments as in
    `recall`.

    Examples
    --------
    >>> import amsim as am
    >>> round(am.models.clustering.loss([[0.1], [0.8]], [[0.0], [1.0]], beta=1e4), 6)
    0.05
    """
    return loss_and_gradient(points, memories, beta=beta, alpha=alpha, steps=steps, mask=mask)[0]


def loss_and_gradient(
    points: ArrayLike,
    memories: ArrayLike,
    *,
    beta: float,
    alpha: float = 1.0,
    steps: int = 1,
    mask: ArrayLike | None = None,
) -> tuple[float, Floats]:
    """The loss, and its gradient by the memories (K, D), backwards through the steps.

    Arguments as in `recall`.
    """
    x, rho, hidden = _checked(points, memories, mask)
    _check_steps(alpha, steps)
    path: list[tuple[Floats, Floats]] = []
    for _ in range(steps):
        share = _shares(x, rho, beta)
        path.append((x, share))
        x = x + alpha * hidden * (share @ rho - x)
    error = hidden * (x - checks.array("points", points))
    gradient, pull = np.zeros_like(rho), 2 * error
    for x, share in reversed(path):
        pulled = alpha * hidden * pull
        along = pulled @ rho.T
        # The logits -beta |rho - x|^2 see both ends.
        logits = share * (along - np.sum(share * along, axis=1, keepdims=True))
        gradient += share.T @ pulled
        gradient += -2 * beta * (logits.sum(axis=0)[:, None] * rho - logits.T @ x)
        pull = pull - pulled + 2 * beta * (logits @ rho - logits.sum(axis=1, keepdims=True) * x)
    return float(np.sum(error**2)), gradient


def class_scores(
    points: ArrayLike, memories: ArrayLike, labels: ArrayLike, *, beta: float
) -> tuple[Floats, NDArray[np.generic]]:
    r"""Score classes by their memories, :math:`\log \sum_{\mu \in c} \exp(-\beta |x - \xi_\mu|^2)`.

    Parameters
    ----------
    points : array_like of shape (n, D)
    memories : array_like of shape (K, D)
    labels : array_like of shape (K,)
        The class of each memory.
    beta : float
        For large beta the class of the nearest memory wins.

    Returns
    -------
    scores : ndarray (n, classes)
        Their softmax is the posterior of a mixture of Gaussians.
    classes : ndarray (classes,)
        The labels, in order.

    Examples
    --------
    >>> import amsim as am
    >>> scores, classes = am.models.clustering.class_scores(
    ...     [[0.2]], [[0.0], [1.0], [1.1]], ["a", "b", "b"], beta=10.0
    ... )
    >>> str(classes[scores.argmax()])
    'a'
    """
    x, xi, _ = _checked(points, memories, None)
    classes, index = _classes(labels, len(xi))
    logits = -Softmax(beta).beta * _squares(x, xi)
    log_sum = Softmax(1.0).value
    scores = np.stack([log_sum(logits[:, index == c]) for c in range(len(classes))], axis=-1)
    return np.asarray(scores, np.float64), classes


def class_loss_and_gradient(
    points: ArrayLike,
    targets: ArrayLike,
    memories: ArrayLike,
    labels: ArrayLike,
    *,
    beta: float,
) -> tuple[float, Floats]:
    r"""Minus the log posterior of the right classes, and its gradient by the memories.

    The mean over points of E of the memories of the right class, less E of all, with

    .. math::
        E_S = -\log \sum_{\mu \in S} \exp(-\beta |x - \xi_\mu|^2).

    This is contrastive learning; both of its phases are at rest at once.

    Parameters
    ----------
    points : array_like of shape (n, D)
    targets : array_like of shape (n,)
        The class of each point, one of the labels.
    memories : array_like of shape (K, D)
    labels : array_like of shape (K,)
    beta : float

    Returns
    -------
    loss : float
    gradient : ndarray (K, D)

    Raises
    ------
    ValueError
        If shapes do not fit, or a point has a class that no memory has.

    References
    ----------
    Seo & Obermayer 2003, "Soft learning vector quantization", Neural Computation 15.

    Examples
    --------
    >>> import amsim as am
    >>> loss, gradient = am.models.clustering.class_loss_and_gradient(
    ...     [[0.0]], ["a"], [[0.0], [1.0]], ["a", "b"], beta=2.0
    ... )
    >>> round(loss, 4), gradient.round(4).tolist()  # "b" is pushed away
    (0.1269, [[0.0], [-0.4768]])
    """
    x, xi, _ = _checked(points, memories, None)
    classes, index = _classes(labels, len(xi))
    given = checks.plain("targets", targets)
    if given.shape != (len(x),) or not np.isin(given, classes).all():
        raise ValueError(
            f"targets must have shape ({len(x)},), with the labels of memories, got "
            f"{checks.shown(targets)}"
        )
    own = index == np.searchsorted(classes, given)[:, None]
    logits = -Softmax(beta).beta * _squares(x, xi)
    right, unit = np.where(own, logits, -np.inf), Softmax(1.0)
    change = (unit.activation(logits) - unit.activation(right)) / len(x)
    gradient = 2 * beta * (change.T @ x - change.sum(axis=0)[:, None] * xi)
    return float(np.mean(unit.value(logits) - unit.value(right))), np.asarray(gradient)


def _classes(labels: ArrayLike, count: int) -> tuple[NDArray[np.generic], NDArray[np.int64]]:
    """Labels in order, and the position of that of each memory."""
    given = checks.plain("labels", labels)
    try:
        classes, index = np.unique(given, return_inverse=True)
    except TypeError:
        raise TypeError(
            f"labels must be numbers or words, one kind of them, got {checks.shown(labels)}"
        ) from None
    if index.shape != (count,):
        raise ValueError(f"labels have shape {np.shape(labels)}, there are {count} memories")
    return classes, index


def _shares(x: Floats, rho: Floats, beta: float) -> Floats:
    return np.asarray(Softmax(beta).activation(-_squares(x, rho)))


def _squares(x: Floats, rho: Floats) -> Floats:
    """|x - rho|^2, (n, K), from differences: expanded squares cancel."""
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(x, rho, "sqeuclidean"))


def _check_steps(alpha: float, steps: int) -> None:
    checks.number("alpha", alpha, above=0.0, at_most=_LARGEST_STEP)
    checks.count("steps", steps, at_most=_MOST_STEPS)


def _checked(
    points: ArrayLike, memories: ArrayLike, mask: ArrayLike | None
) -> tuple[Floats, Floats, Floats]:
    """Start, memories, and 1 where entries are updated."""
    x = checks.array("points", points, largest=checks.LARGEST)
    rho = checks.array("memories", memories, largest=checks.LARGEST)
    if x.ndim != 2 or rho.ndim != 2 or x.shape[1] != rho.shape[1] or not rho.size:
        raise ValueError(
            f"points have shape {x.shape}, memories {rho.shape}; both must be (number, units) with "
            f"equal units"
        )
    if mask is None:
        return x, rho, np.ones((1, x.shape[1]))
    given = checks.mask("mask", mask)
    try:
        hidden = np.broadcast_to(given, x.shape)
    except ValueError:
        raise ValueError(f"mask has shape {given.shape}, the points {x.shape}") from None
    return np.where(hidden, 0.0, x), rho, hidden.astype(np.float64)
