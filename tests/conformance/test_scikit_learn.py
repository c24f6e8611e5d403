"""Energies and memories beside the estimators of scikit-learn that compute the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.kernel_approximation import RBFSampler
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

import amsim as am
from amsim.models import diffusion_memory, random_feature_memory
from amsim.models.clustering import class_scores

RNG = np.random.default_rng(0)
DATA, X = RNG.normal(size=(9, 2)), RNG.normal(size=(6, 2))


@pytest.mark.parametrize("tau", [0.05, 0.7])
def test_diffusion_energy_is_a_gaussian_kernel_density(tau: float) -> None:
    width = 1.4 * math.sqrt(tau)
    density = KernelDensity(kernel="gaussian", bandwidth=width).fit(DATA).score_samples(X)
    energy = diffusion_memory(DATA, 1.4).energy(X, tau)
    log_density = -energy / (2 * width**2) - math.log(9 * 2 * math.pi * width**2)
    np.testing.assert_allclose(log_density, density, rtol=1e-10)


def test_epanechnikov_energy_is_a_kernel_density() -> None:
    beta = 0.6
    width = math.sqrt(2 / beta)
    density = KernelDensity(kernel="epanechnikov", bandwidth=width).fit(DATA).score_samples(X)
    energy = am.Epanechnikov(DATA, beta=beta).energy(X)
    # In two dimensions the kernel integrates to pi width^2 / 2.
    log_density = -beta * energy - math.log(9 * math.pi * width**2 / 2)
    assert np.isfinite(density).all()
    np.testing.assert_allclose(log_density, density, rtol=1e-9)


def test_random_features_of_one_direction_set() -> None:
    """RBFSampler draws exp(-gamma d^2) with cos(w x + b); the mean over b is our pair."""
    beta = 0.8
    sampler = RBFSampler(gamma=beta / 2, n_components=30, random_state=0).fit(DATA)
    omega = sampler.random_weights_.T / math.sqrt(beta)
    total = np.zeros(len(X))
    for shift in (0.0, math.pi / 2):
        sampler.random_offset_ = np.full(30, shift)
        total += sampler.transform(X) @ sampler.transform(DATA).sum(axis=0) / 2
    memory = random_feature_memory(DATA, beta, omega=omega)
    np.testing.assert_allclose(memory.energy(X), -np.log(total) / beta, rtol=1e-10)


def test_class_scores_are_the_posterior_of_a_mixture() -> None:
    beta = 1.1
    mixture = GaussianMixture(9, covariance_type="spherical")
    mixture.weights_, mixture.means_ = np.full(9, 1 / 9), DATA
    mixture.precisions_cholesky_ = np.full(9, math.sqrt(2 * beta))
    mixture.covariances_ = np.full(9, 1 / (2 * beta))
    scores, _ = class_scores(X, DATA, np.arange(9), beta=beta)
    share = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(share, mixture.predict_proba(X), rtol=1e-10)
