"""Memories that cluster, classify, and give back what they are shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.cluster import kmeans_plusplus
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import checks
from ..lagrangians import Softmax
from ..models import clustering, dense_am
from ..network import Network

Objective = Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]]
# How often each sample is shown, with other features hidden.
_COPIES = 4


class AssociativeClusterer(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Clusters as memories that recall their points (ClAM).

    Minimises `amsim.models.clustering.loss` over the memories with L-BFGS, from k-means++ starts.

    Parameters
    ----------
    n_clusters : int, default 8
    beta : float, default 10.0
        Inverse temperature, in units of 1 / squared distance: standardise the features first. For
        large beta and one step the result is that of k-means.
    alpha : float, default 1.0
        Step of the recall.
    steps : int, default 1
    n_init : int, default 5
        Starts; the lowest loss wins.
    max_iter : int, default 200
    random_state : int, RandomState or None, default None

    Attributes
    ----------
    cluster_centers_ : ndarray (n_clusters, D)
        The memories.
    labels_ : ndarray (n,)
    loss_ : float
    n_iter_ : int
    n_features_in_ : int

    References
    ----------
    Saha et al. 2023, arXiv:2306.03209.

    Examples
    --------
    >>> from amsim.estimators import AssociativeClusterer
    >>> X = [[0.0], [0.1], [5.0], [5.1]]
    >>> labels = AssociativeClusterer(2, random_state=0).fit_predict(X)
    >>> bool(labels[0] == labels[1] != labels[2] == labels[3])
    True
    """

    def __init__(
        self,
        n_clusters: int = 8,
        beta: float = 10.0,
        *,
        alpha: float = 1.0,
        steps: int = 1,
        n_init: int = 5,
        max_iter: int = 200,
        random_state: Any = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.beta = beta
        self.alpha = alpha
        self.steps = steps
        self.n_init = n_init
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> AssociativeClusterer:  # noqa: N803
        """Find the memories. y is ignored."""
        check_kind(X)
        points = validate_data(self, X, dtype=np.float64)
        for name in ("n_clusters", "n_init", "max_iter"):
            checks.count(name, getattr(self, name), at_most=10**6)
        if self.n_clusters > len(points):
            raise ValueError(
                f"n_clusters={self.n_clusters} must be between 1 and the number of samples, "
                f"n_samples={len(points)}"
            )
        random = check_random_state(self.random_state)
        runs = [self._descend(points, random) for _ in range(self.n_init)]
        best = min(runs, key=lambda run: float(run.fun))
        self.cluster_centers_ = best.x.reshape(self.n_clusters, -1)
        self.loss_, self.n_iter_ = float(best.fun), max(1, int(best.nit))
        self.labels_ = self._assign(points)
        return self

    def predict(self, X: Any) -> NDArray[np.int64]:  # noqa: N803
        """The memory nearest to what each point recalls, (n,)."""
        check_is_fitted(self)
        check_kind(X)
        return self._assign(validate_data(self, X, dtype=np.float64, reset=False))

    def score(self, X: Any, y: Any = None) -> float:  # noqa: N803
        """Minus the loss of the points. y is ignored."""
        check_is_fitted(self)
        check_kind(X)
        points = validate_data(self, X, dtype=np.float64, reset=False)
        return -clustering.loss(points, self.cluster_centers_, **self._options())

    def _options(self) -> dict[str, Any]:
        return {"beta": self.beta, "alpha": self.alpha, "steps": self.steps}

    def _assign(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        found = clustering.recall(points, self.cluster_centers_, **self._options())
        squares = np.sum((found[:, None] - self.cluster_centers_) ** 2, axis=-1)
        return np.asarray(np.argmin(squares, axis=1))

    def _descend(self, points: NDArray[np.float64], random: Any) -> Any:
        start, _ = kmeans_plusplus(points, self.n_clusters, random_state=random)
        return _descend(
            start,
            self.max_iter,
            lambda memories: clustering.loss_and_gradient(points, memories, **self._options()),
        )


class AssociativeClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Recall with labels: the class whose memories attract a point most.

    The memories are the samples, or a few of each class, which training then moves to where they
    make the labels likely.

    Parameters
    ----------
    beta : float, default 1.0
        Inverse temperature, in units of 1 / squared distance. For large beta this is the nearest
        neighbour.
    train : int, default 0
        Steps of L-BFGS down `amsim.models.clustering.class_loss_and_gradient`, by the memories; 0
        trains nothing. Few steps are a remedy against overfitting.
    n_memories : int, optional
        Of each class, samples far from each other (k-means++); all by default.
    random_state : int, RandomState or None, default None
        Chooses these samples.

    Attributes
    ----------
    memories_ : ndarray (K, D)
    labels_ : ndarray (K,)
    classes_ : ndarray (classes,)
    loss_ : float
        What was trained, minus the mean log posterior of the labels; NaN without training.
    n_iter_ : int
        Steps that were taken.
    n_features_in_ : int

    Examples
    --------
    >>> from amsim.estimators import AssociativeClassifier
    >>> model = AssociativeClassifier(beta=2.0).fit([[0.0], [1.0], [1.2]], ["a", "b", "b"])
    >>> model.predict([[0.2], [2.0]]).tolist()
    ['a', 'b']
    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> few = AssociativeClassifier(train=20, n_memories=1, random_state=0).fit(x, y)
    >>> few.memories_.shape, few.score(x, y) > 0.97
    ((3, 4), True)
    """

    def __init__(
        self,
        beta: float = 1.0,
        *,
        train: int = 0,
        n_memories: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.beta = beta
        self.train = train
        self.n_memories = n_memories
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> AssociativeClassifier:  # noqa: N803
        """Store the samples and their labels, and train the memories."""
        check_kind(X)
        points, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        checks.number("beta", self.beta, above=0.0, at_most=checks.LARGEST)
        steps = checks.count("train", self.train, at_least=0)
        kept = self._chosen(points, labels)
        self.labels_ = checks.owned(labels[kept])
        self.classes_ = checks.owned(np.unique(labels))
        self.loss_, self.n_iter_, memories = float("nan"), 0, points[kept]
        if steps:
            found = _descend(memories, steps, self._objective(points, labels))
            self.loss_, self.n_iter_ = float(found.fun), int(found.nit)
            memories = found.x.reshape(memories.shape)
        self.memories_ = checks.owned(memories)
        return self

    def network(self) -> Network:
        """The memory behind the scores, to simulate, certify and compile.

        Shown and clamped a point, its softmax units "hidden" sum to `predict_proba` by class.
        """
        check_is_fitted(self)
        return dense_am(
            self.memories_, hidden=Softmax(2 * self.beta), tau_hidden=0.1, similarity="euclidean"
        )

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Share of each class in the attraction, (n, classes)."""
        scores = self._scores(X)
        share = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(share / share.sum(axis=1, keepdims=True))

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """The class with the highest score, (n,)."""
        best = self._scores(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def _chosen(self, points: NDArray[np.float64], labels: NDArray[Any]) -> NDArray[np.int64]:
        """Which samples are stored."""
        if self.n_memories is None:
            return np.arange(len(points))
        count = checks.count("n_memories", self.n_memories)
        random, kept = check_random_state(self.random_state), []
        for label in np.unique(labels):
            own = np.flatnonzero(labels == label)
            _, chosen = kmeans_plusplus(points[own], min(count, len(own)), random_state=random)
            kept.append(own[chosen])
        return np.concatenate(kept)

    def _objective(self, points: NDArray[np.float64], labels: NDArray[Any]) -> Objective:
        return lambda memories: clustering.class_loss_and_gradient(
            points, labels, memories, self.labels_, beta=self.beta
        )

    def _scores(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        check_is_fitted(self)
        check_kind(X)
        points = validate_data(self, X, dtype=np.float64, reset=False)
        return clustering.class_scores(points, self.memories_, self.labels_, beta=self.beta)[0]


class AssociativeAutoencoder(
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    r"""Memories that give back what they are shown, also where features are hidden or missing.

    .. math::
        p_\mu \propto \exp\Big(-\beta \sum_{i\ \text{known}} (x_i - \xi_{\mu i})^2\Big),
        \qquad \hat x = \sum_\mu p_\mu \xi_\mu

    Features that are NaN are not known. The code of a sample is p; training moves the memories to
    where the squared distance of samples to what is given back is least.

    Parameters
    ----------
    n_memories : int, default 8
        They start at samples far from each other (k-means++).
    beta : float, default 1.0
        Inverse temperature, in units of 1 / squared distance.
    hidden : float, default 0.25
        Share of the features that are hidden in training, others each of four times. Below 1; with
        0 samples are shown as they are.
    train : int, default 100
        Steps of L-BFGS; 0 trains nothing.
    random_state : int, RandomState or None, default None
        Chooses samples to start at, and what is hidden.

    Attributes
    ----------
    memories_ : ndarray (n_memories, D)
    loss_ : float
        What was trained, the mean squared error of known features; NaN without training.
    n_iter_ : int
        Steps that were taken.
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np
    >>> from amsim.estimators import AssociativeAutoencoder
    >>> X = np.repeat([[0.0, 0.0, 1.0], [1.0, 1.0, 0.0]], 10, axis=0)
    >>> model = AssociativeAutoencoder(2, beta=10.0, random_state=0).fit(X)
    >>> model.complete([[0.0, np.nan, 1.0]]).round(1).tolist()
    [[0.0, 0.0, 1.0]]
    >>> codes = model.transform(X)
    >>> bool(np.abs(model.inverse_transform(codes) - X).max() < 0.01)
    True
    """

    def __init__(
        self,
        n_memories: int = 8,
        beta: float = 1.0,
        *,
        hidden: float = 0.25,
        train: int = 100,
        random_state: Any = None,
    ) -> None:
        self.n_memories = n_memories
        self.beta = beta
        self.hidden = hidden
        self.train = train
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> AssociativeAutoencoder:  # noqa: N803
        """Find the memories. y is ignored."""
        points, known = self._points(X, reset=True)
        steps = checks.count("train", self.train, at_least=0)
        hidden = checks.number("hidden", self.hidden, at_least=0.0, below=1.0)
        count = checks.count("n_memories", self.n_memories)
        if count > len(points):
            raise ValueError(
                f"n_memories={count} must be at most the number of samples, n_samples={len(points)}"
            )
        random = check_random_state(self.random_state)
        means = points.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        memories, _ = kmeans_plusplus(np.where(known, points, means), count, random_state=random)
        self.loss_, self.n_iter_ = float("nan"), 0
        if steps:
            copies = _COPIES if hidden else 1
            points, known = np.tile(points, (copies, 1)), np.tile(known, (copies, 1))
            shown = known & (random.random_sample(known.shape) >= hidden)
            beta = self._beta()
            found = _descend(
                memories, steps, lambda rho: _completion(points, known, shown, rho, beta)
            )
            self.loss_, self.n_iter_ = float(found.fun), int(found.nit)
            memories = found.x.reshape(memories.shape)
        self.memories_ = checks.owned(memories)
        self._n_features_out = count
        return self

    def network(self) -> Network:
        """The memory behind the codes, to simulate, certify and compile.

        Its first update from a point is what `inverse_transform` makes of the code.
        """
        check_is_fitted(self)
        return dense_am(
            self.memories_, hidden=Softmax(2 * self.beta), tau_hidden=0.1, similarity="euclidean"
        )

    def transform(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """The share of each memory in each sample, (n, n_memories)."""
        check_is_fitted(self)
        points, known = self._points(X)
        return _shares(points, known, self.memories_, self._beta())

    def inverse_transform(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """The samples that these shares (n, n_memories) stand for, (n, D)."""
        check_is_fitted(self)
        codes = checks.array("X", X, ndim=2, largest=checks.LARGEST)
        if codes.shape[1] != len(self.memories_):
            raise ValueError(
                f"X has shape {codes.shape}; it must be (n, {len(self.memories_)}), a share for "
                f"each memory"
            )
        return np.asarray(codes @ self.memories_)

    def complete(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Samples with their NaN filled in, (n, D)."""
        check_is_fitted(self)
        points, known = self._points(X)
        return np.where(known, points, self.inverse_transform(self.transform(X)))

    def score(self, X: Any, y: Any = None) -> float:  # noqa: N803
        """Minus the mean squared error of known features as they are given back. y is ignored."""
        check_is_fitted(self)
        points, known = self._points(X)
        return -_completion(points, known, known, self.memories_, self._beta())[0]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _beta(self) -> float:
        return checks.number("beta", self.beta, above=0.0, at_most=checks.LARGEST)

    def _points(
        self,
        X: Any,  # noqa: N803
        reset: bool = False,
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Samples with 0 for what is not known, and what is."""
        check_kind(X)
        points = validate_data(
            self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=reset
        )
        known = ~np.isnan(points)
        return np.where(known, points, 0.0), known


def _shares(
    points: NDArray[np.float64], shown: NDArray[np.bool_], memories: NDArray[np.float64],
    beta: float,
) -> NDArray[np.float64]:  # fmt: skip
    """Softmax of -beta times the squared distances of shown features, (n, K)."""
    far = shown @ (memories**2).T - 2 * (shown * points) @ memories.T
    return np.asarray(Softmax(beta).activation(-far))


def _completion(
    points: NDArray[np.float64], known: NDArray[np.bool_], shown: NDArray[np.bool_],
    memories: NDArray[np.float64], beta: float,
) -> tuple[float, NDArray[np.float64]]:  # fmt: skip
    """Mean squared error of known features, of which some are shown; gradient by the memories."""
    share = _shares(points, shown, memories, beta)
    error, count = known * (share @ memories - points), max(1, int(known.sum()))
    pull = 2 * error / count
    along = pull @ memories.T
    scores = share * (along - np.sum(share * along, axis=1, keepdims=True))
    gradient = share.T @ pull
    gradient += 2 * beta * (scores.T @ (shown * points) - (scores.T @ shown) * memories)
    return float(np.sum(error**2) / count), gradient


def _descend(start: NDArray[np.float64], steps: int, objective: Objective) -> Any:
    """L-BFGS from these memories."""
    from scipy.optimize import minimize

    def flat(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value, gradient = objective(x.reshape(start.shape))
        return value, gradient.ravel()

    return minimize(flat, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": steps})


def check_kind(X: Any) -> None:  # noqa: N803
    """Refuse what scikit-learn would read as something else, or in its own words."""
    given = checks.plain("X", X)
    if given.dtype.kind in "MmSUV" or (given.dtype.kind == "O" and given.ndim == 0):
        checks.array("X", X)
