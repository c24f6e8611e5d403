"""An Energy Transformer that completes the patches of images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import checks, models
from ..dynamics import GradientDescent, simulate
from ..learning import Adam, SquaredError, train
from ..network import Network
from ..progress import whole_runs
from .memories import check_kind

Floats = NDArray[np.float64]
_DESCENT = GradientDescent(step=0.1, steps=12)
_HEAD_UNITS, _BATCH = 16, 100


class EnergyTransformerImputer(
    OneToOneFeatureMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """Missing patches of images, completed by an Energy Transformer that learned to.

    A token holds the pixels of a patch, less their means and in units of their spread, and a unit
    for each place, of which its own is 1. Those of a missing patch begin with pixels of 0, and make
    twelve steps of 0.1 down the energy, while the others are clamped. Training hides patches that
    are known, and goes back through these steps (`amsim.learning.train`).

    Parameters
    ----------
    shape : tuple of int, optional
        (height, width) of the images, whose rows of pixels are the features. By default each
        feature is a patch.
    patch : int, default 1
        Height and width of a patch, in pixels; it divides those of the image.
    heads : int, default 4
        Of the attention, of 16 units.
    n_memories : int, default 64
        Of the Hopfield part.
    masked : float, default 0.25
        Share of the patches that training hides at a time, at least one and not all. In an epoch
        each patch of each image is hidden once.
    epochs : int, default 100
    rate : float, default 0.01
        Of `amsim.learning.Adam`.
    random_state : int, RandomState or None, default None

    Attributes
    ----------
    network_ : Network
        The layer "tokens" (patches, pixels + places), with the parts "attention" and "hopfield".
    losses_ : ndarray (epochs,)
        Half the squared error of what was hidden at a time, in units of the spread.
    mean_ : ndarray (n_features,)
    scale_ : float
        Root mean square of the pixels less their means.
    n_features_in_ : int

    References
    ----------
    Hoover et al. 2023, "Energy Transformer", arXiv:2302.07253.

    Examples
    --------
    >>> import numpy as np
    >>> import amsim as am
    >>> from amsim.estimators import EnergyTransformerImputer
    >>> X = am.patterns.digits(4, seed=0)
    >>> model = EnergyTransformerImputer((8, 8), patch=4, epochs=40, random_state=0).fit(X)
    >>> shown = X.copy().reshape(4, 8, 8)
    >>> shown[:, :4, 4:] = np.nan  # the upper right
    >>> completed = model.transform(shown.reshape(4, 64))
    >>> print((np.sign(completed) == X).mean())
    1.0
    """

    def __init__(
        self,
        shape: tuple[int, int] | None = None,
        patch: int = 1,
        *,
        heads: int = 4,
        n_memories: int = 64,
        masked: float = 0.25,
        epochs: int = 100,
        rate: float = 0.01,
        random_state: Any = None,
    ) -> None:
        self.shape = shape
        self.patch = patch
        self.heads = heads
        self.n_memories = n_memories
        self.masked = masked
        self.epochs = epochs
        self.rate = rate
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> EnergyTransformerImputer:  # noqa: N803
        """Learn to complete these images; those with NaN are left out. y is ignored."""
        check_kind(X)
        given = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        images = given[~np.isnan(given).any(axis=1)]
        if not len(images):
            raise ValueError("X has NaN in every image: training needs some that are whole")
        share = checks.number("masked", self.masked, above=0.0, below=1.0)
        random = check_random_state(self.random_state)
        self.mean_ = images.mean(axis=0)
        self.scale_ = float(np.sqrt(np.mean((images - self.mean_) ** 2))) or 1.0
        tokens = self._tokens(images)
        places = tokens.shape[1]
        if places < 2:
            raise ValueError(
                f"n_features={images.shape[1]} are {places} patch: there must be two or more, so "
                f"that one can be completed from another"
            )
        size = min(max(1, round(share * places)), places - 1)
        hidden = _rounds(len(tokens), places, size, random)
        whole = np.repeat(tokens, len(hidden) // len(tokens), axis=0)
        pixels = tokens.shape[2] - places
        units = np.flatnonzero(np.tile(np.arange(tokens.shape[2]) < pixels, places))
        training = train(
            self._start(tokens.shape[2], places, random),
            self._without(whole, hidden, pixels),
            SquaredError("tokens", whole.reshape(len(whole), -1)[:, units], units=units),
            clamp=np.broadcast_to(~hidden[:, :, None], whole.shape),
            learn={"attention": ["keys", "queries"], "hopfield": ["weights", "bias"]},
            method="unrolled",
            solver=_DESCENT,
            optimiser=Adam(self.rate),
            epochs=self.epochs,
            batch_size=_BATCH,
            seed=random.randint(2**31),
        )
        self.network_, self.losses_ = training.network, training.losses
        return self

    def transform(self, X: Any) -> Floats:  # noqa: N803
        """Images with their NaN completed, (n, features); one NaN makes a patch a missing one."""
        check_is_fitted(self)
        check_kind(X)
        images = validate_data(
            self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False
        )
        missing = np.isnan(images)
        tokens = self._tokens(np.where(missing, self.mean_, images))
        pixels = tokens.shape[2] - tokens.shape[1]
        hidden = np.asarray(self._cut(missing.astype(np.float64)).any(axis=2))
        with whole_runs():
            found = simulate(
                self.network_,
                self._without(tokens, hidden, pixels),
                clamp={"tokens": np.broadcast_to(~hidden[:, :, None], tokens.shape)},
                solver=_DESCENT,
                until=None,
            )
        parts = found.final["tokens"][:, :, :pixels]
        height, width = self._shape(images.shape[1])
        completed = models.from_patches(parts, (height, width, 1)).reshape(images.shape)
        return np.asarray(np.where(missing, self.mean_ + self.scale_ * completed, images))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _start(self, units: int, places: int, random: Any) -> Network:
        heads, count = (
            checks.count(name, getattr(self, name), at_most=10**6)
            for name in ("heads", "n_memories")
        )
        keys, queries = random.normal(size=(2, heads, _HEAD_UNITS, units)) / units**0.5
        memories = random.normal(size=(count, units)) / (2 * units**0.5)
        return models.energy_transformer(keys, queries, memories, n_tokens=places)

    def _shape(self, features: int) -> tuple[int, int]:
        if self.shape is None:
            return 1, features
        height, width = (checks.count("shape", n) for n in self.shape)
        if height * width != features:
            raise ValueError(f"shape={self.shape} are not n_features={features} pixels")
        return height, width

    def _cut(self, images: Any) -> Floats:
        """Patches (n, places, pixels)."""
        shape = (len(images), *self._shape(images.shape[1]), 1)
        return models.patches(images.reshape(shape), self.patch)

    def _tokens(self, images: Floats) -> Floats:
        """Scaled pixels and places, (n, places, pixels + places)."""
        parts = self._cut((images - self.mean_) / self.scale_)
        where = np.broadcast_to(np.eye(parts.shape[1]), (*parts.shape[:2], parts.shape[1]))
        return np.concatenate([parts, where], axis=2)

    @staticmethod
    def _without(tokens: Floats, hidden: NDArray[np.bool_], pixels: int) -> Floats:
        """Tokens whose hidden patches have pixels of 0."""
        cues = tokens.copy()
        cues[:, :, :pixels] *= ~hidden[:, :, None]
        return cues


def _rounds(images: int, places: int, size: int, random: Any) -> NDArray[np.bool_]:
    """What is hidden each time, image by image, (images * times, places): every patch once."""
    times = -(-places // size)
    order = np.argsort(random.random_sample((images, places)), axis=1) // size
    return np.reshape(order[:, None] == np.arange(times)[:, None], (-1, places))
