"""Associative memories as scikit-learn estimators.

Importing this module imports scikit-learn. beta belongs to exp(-beta |x - xi|^2) throughout: it is
half of the beta of `Softmax` memories.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, ClusterMixin
from sklearn.cluster import kmeans_plusplus
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from . import checks
from .models import clustering

__all__ = ["AssociativeClassifier", "AssociativeClusterer"]


def __dir__() -> list[str]:
    return __all__


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
        _check_kind(X)
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
        _check_kind(X)
        return self._assign(validate_data(self, X, dtype=np.float64, reset=False))

    def score(self, X: Any, y: Any = None) -> float:  # noqa: N803
        """Minus the loss of the points. y is ignored."""
        check_is_fitted(self)
        _check_kind(X)
        points = validate_data(self, X, dtype=np.float64, reset=False)
        return -clustering.loss(points, self.cluster_centers_, **self._options())

    def _options(self) -> dict[str, Any]:
        return {"beta": self.beta, "alpha": self.alpha, "steps": self.steps}

    def _assign(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        found = clustering.recall(points, self.cluster_centers_, **self._options())
        squares = np.sum((found[:, None] - self.cluster_centers_) ** 2, axis=-1)
        return np.asarray(np.argmin(squares, axis=1))

    def _descend(self, points: NDArray[np.float64], random: Any) -> Any:
        from scipy.optimize import minimize

        start, _ = kmeans_plusplus(points, self.n_clusters, random_state=random)

        def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            value, gradient = clustering.loss_and_gradient(
                points, flat.reshape(start.shape), **self._options()
            )
            return value, gradient.ravel()

        options = {"maxiter": self.max_iter}
        return minimize(objective, start.ravel(), jac=True, method="L-BFGS-B", options=options)


class AssociativeClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Recall with labels: the class whose memories attract a point most. Nothing is trained.

    Parameters
    ----------
    beta : float, default 1.0
        Inverse temperature, in units of 1 / squared distance. For large beta this is the nearest
        neighbour.

    Attributes
    ----------
    memories_ : ndarray (K, D)
    labels_ : ndarray (K,)
    classes_ : ndarray (classes,)
    n_features_in_ : int

    Examples
    --------
    >>> from amsim.estimators import AssociativeClassifier
    >>> model = AssociativeClassifier(beta=2.0).fit([[0.0], [1.0], [1.2]], ["a", "b", "b"])
    >>> model.predict([[0.2], [2.0]]).tolist()
    ['a', 'b']
    """

    def __init__(self, beta: float = 1.0) -> None:
        self.beta = beta

    def fit(self, X: Any, y: Any) -> AssociativeClassifier:  # noqa: N803
        """Store the samples and their labels."""
        _check_kind(X)
        points, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        self.memories_, self.labels_ = checks.owned(points), checks.owned(labels)
        self.classes_ = checks.owned(np.unique(labels))
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Share of each class in the attraction, (n, classes)."""
        scores = self._scores(X)
        share = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(share / share.sum(axis=1, keepdims=True))

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """The class with the highest score, (n,)."""
        best = self._scores(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def _scores(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        check_is_fitted(self)
        _check_kind(X)
        points = validate_data(self, X, dtype=np.float64, reset=False)
        return clustering.class_scores(points, self.memories_, self.labels_, beta=self.beta)[0]


def _check_kind(X: Any) -> None:  # noqa: N803
    """Refuse what scikit-learn would read as something else, or in its own words."""
    given = checks.plain("X", X)
    if given.dtype.kind in "MmSUV" or (given.dtype.kind == "O" and given.ndim == 0):
        checks.array("X", X)
