"""Basins by Lyapunov-Krasovskii functionals: their bounds, and delayed runs that stay in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import amsim as am
from amsim.stability import LyapunovBasin, analyse, lyapunov_basin, lyapunov_radius, radius

Array = npt.NDArray[Any]
DELAY, STEP = 1.0, 0.05


def softmax_memory() -> tuple[am.Network, dict[str, Array]]:
    stored = am.patterns.random(5, 8, seed=1)
    net = am.dense_am(stored, hidden=am.Softmax(0.2), tau_visible=np.linspace(0.5, 2, 8))
    return net, am.simulate(net, stored[0], until=am.Settled(1e-11)).final


def tanh_memory() -> tuple[am.Network, dict[str, Array]]:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(4, 6))
    weights *= 1.15 / np.linalg.norm(weights, 2)
    tau = [0.3, 0.5, 1.0, 2.0]
    net = am.dense_am(weights, visible=am.Tanh(), hidden=am.Tanh(), tau_hidden=tau)
    return net, am.simulate(net, rng.normal(size=6), until=am.Settled(1e-11)).final


NETWORKS = {"softmax": softmax_memory, "tanh": tanh_memory}


@pytest.fixture(scope="module", params=list(NETWORKS))
def basin(request: pytest.FixtureRequest) -> LyapunovBasin:
    net, rest = NETWORKS[request.param]()
    report = analyse(net, rest)
    assert report.sigma < 1 < report.rho and radius(net, rest) == 0
    return lyapunov_basin(net, rest, DELAY)


def outputs(net: am.Network, x: Array) -> Array:
    """g of visible and hidden states side by side, (..., units)."""
    count = net.layers["visible"].size
    parts = {"visible": x[..., :count], "hidden": x[..., count:]}
    return np.concatenate([net.layers[n].lagrangian.activation(u) for n, u in parts.items()], -1)


def test_bounds_hold_where_the_functional_does(basin: LyapunovBasin) -> None:
    """K >= H between, secants below K, and s >= |K^(1/2) C K^(1/2)|."""
    bounds, net = basin._bounds, basin.network
    whole = bounds.root.T @ bounds.root
    values, vectors = np.linalg.eigh(whole)
    half = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    assert np.linalg.norm(half @ bounds.linear.coupling @ half, 2) <= basin.gain < 1
    rng, count = np.random.default_rng(0), net.layers["visible"].size
    rest = np.concatenate([basin.states["visible"], basin.states["hidden"]])
    for _ in range(100):
        moved = rng.choice([-1, 1, 0.3], len(rest)) * bounds.reach
        moved[count:] += np.where(
            bounds.held[count:], 0, bounds.linear.coupling[count:] @ (outputs(net, rest + moved)
                                                                      - outputs(net, rest))
        )  # fmt: skip
        change = outputs(net, rest + moved) - outputs(net, rest)
        # phi^T K^+ phi <= phi^T u <= u^T K u: all that the proof asks of K.
        work = float(change[count:] @ moved[count:])
        assert 0 <= work <= moved[count:] @ whole[count:, count:] @ moved[count:] + 1e-13
        inverse = np.linalg.pinv(whole[count:, count:], rcond=1e-9)
        assert change[count:] @ inverse @ change[count:] <= work + 1e-13
        own = np.abs(change[:count])
        assert (own <= np.diag(whole)[:count] * np.abs(moved[:count]) + 1e-14).all()


def test_delayed_runs_return(basin: LyapunovBasin, method_of_steps: Callable[..., Array]) -> None:
    """Corners of the certified radius, each unit late by 0, half or all of the delay."""
    net, count = basin.network, basin.network.layers["visible"].size
    rng, linear = np.random.default_rng(1), basin._bounds.linear
    choice = rng.integers(0, 3, (16, linear.size))
    v = basin.states["visible"] + basin.radius * rng.choice([-1, 1], (16, count))
    starts = {"visible": v}
    if basin._bounds.held.all():
        h = basin.states["hidden"] + basin.radius * rng.choice([-1, 1], (16, linear.size - count))
        starts["hidden"] = h
    assert basin.contains(starts).all()
    given = starts.get("hidden", outputs(net, np.pad(v, ((0, 0), (0, linear.size - count))))[
        :, :count] @ net.synapses[0].weights.T)  # fmt: skip
    x = np.concatenate([v, given], axis=1)

    def velocity(x: Array, half: Array, full: Array) -> Array:
        late = np.choose(choice, [outputs(net, x), outputs(net, half), outputs(net, full)])
        return (late @ linear.coupling.T - linear.leak * x) / linear.tau

    run = method_of_steps(velocity, x, [DELAY / 2, DELAY], 60.0, STEP)
    rest = np.concatenate([basin.states["visible"], basin.states["hidden"]])
    assert np.abs(run[-1] - rest).max() < 0.05 * basin.radius
    assert (np.abs(run - rest)[..., basin._bounds.held]
            <= basin._bounds.reach[basin._bounds.held] + 1e-12).all()  # fmt: skip


def test_what_is_not_certified_can_end_elsewhere(basin: LyapunovBasin) -> None:
    far = {name: -x for name, x in basin.states.items()}
    assert not basin.contains(far).any()
    assert basin.contains(basin.states).all()
    assert lyapunov_basin(basin.network, basin.states, 10 * DELAY).radius < basin.radius


def test_a_pair_is_stable_from_everywhere() -> None:
    weights = 0.6 * np.array([[1.0, 1.0], [1.0, -1.0]])
    net = am.dense_am(weights, visible=am.Tanh(), hidden=am.Tanh())
    assert lyapunov_radius(net, [0.0, 0.0], 100.0) == np.inf


def test_refusals() -> None:
    ring = am.Network({"x": am.Layer(2, am.Spherical())}, [am.Dense(np.eye(2), between=("x", "x"))])
    with pytest.raises(ValueError, match="Spherical"):
        lyapunov_basin(ring, {"x": [0.0, 0.0]}, 1.0)
    group = am.Network({"x": am.Layer(3, am.Softmax())}, [am.Dense(np.eye(3), between=("x", "x"))])
    with pytest.raises(ValueError, match="hears 'x'"):
        lyapunov_basin(group, {"x": np.full(3, 1 / 3)}, 1.0)
    kink = am.Network({"x": am.Layer(1, am.ReLU())}, [am.Dense(np.eye(1) * 2, between=("x", "x"))])
    with pytest.raises(ValueError, match="no fixed point is proven"):
        lyapunov_basin(kink, {"x": [0.0]}, 1.0)
    with pytest.raises(ValueError, match="delay"):
        lyapunov_basin(ring, {"x": [0.0, 0.0]}, -1.0)
