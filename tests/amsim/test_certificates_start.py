"""Certificates start where `simulate` starts: chains, cycles, lateral synapses, jumps of Sign."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import amsim as am
from amsim.stability import analyse, certify, distance_to_rest, radius, reach, t_read

Array = npt.NDArray[Any]


def bistable_chain(tau: tuple[float, ...] = (1.0, 0.1, 0.1)) -> am.Network:
    """Three units in a row, at rest at +-0.6997 and unstable at 0."""
    units = [am.Tanh(2.0)] * 3
    return am.models.hierarchical_memory([[[0.7]], [[1.5]]], units, tau=list(tau))


def lateral_pair() -> am.Network:
    """A feature and a hidden unit that excites itself."""
    layers = {"visible": am.Layer(1, am.Tanh(2.0)), "hidden": am.Layer(1, am.Tanh(2.0), tau=0.1)}
    synapses = [
        am.Dense([[0.7]], between=("hidden", "visible")),
        am.Dense([[1.0]], between=("hidden", "hidden")),
    ]
    return am.Network(layers, synapses)


def rest(net: am.Network, start: Any) -> dict[str, Array]:
    return am.simulate(net, start, until=am.Settled(1e-10)).final


@pytest.mark.parametrize("net", [bistable_chain(), bistable_chain((1.0, 0.0, 0.1)), lateral_pair()])
def test_a_cue_that_simulate_takes_elsewhere_is_not_certified(net: am.Network) -> None:
    up = rest(net, [1.0])
    cues = np.linspace(-0.5, 1.5, 41)[:, None]
    ends = am.simulate(net, cues, until=am.Settled(1e-10)).final["visible"]
    recalled = np.abs(ends - up["visible"]).max(axis=1) < 1e-3
    assert 0 < recalled.sum() < len(cues)
    held = certify(net, cues, up).holds
    assert held.any()
    assert recalled[held].all()
    # Units of one sign, weights that are not negative: no timing turns a start above 0 around.
    assert held[cues[:, 0] > 0.01].all()
    found = radius(net, up)
    assert 0.99 * up["visible"][0] < found < up["visible"][0]


def test_a_state_in_the_cue_overrides_the_default_start() -> None:
    net = bistable_chain()
    up = rest(net, [1.0])
    cue = {"visible": np.array([-0.1]), "hidden1": up["hidden1"], "hidden2": up["hidden2"]}
    ends = rest(net, cue)["visible"]
    assert certify(net, cue, up).holds == (np.abs(ends - up["visible"]) < 1e-3).all()
    below = {**cue, "hidden1": -up["hidden1"]}
    assert not certify(net, below, up).holds


def test_a_cue_of_the_memories_alone_starts_the_features_at_their_image() -> None:
    """Two features, two memories: a cue of the memories decides where the features start."""
    net = am.dense_am([[2.0, 2.0], [-2.0, -2.0]], hidden=am.Softmax(1.0))
    up = rest(net, [2.0, 2.0])
    cues = np.array([[3.0, -3.0], [-3.0, 3.0]])
    ends = am.simulate(net, {"hidden": cues}, until=am.Settled(1e-10)).final["visible"]
    assert (np.abs(ends - up["visible"]).max(axis=1) < 1e-3).tolist() == [True, False]
    assert certify(net, {"hidden": cues}, up).holds.tolist() == [True, False]


def test_read_times_count_the_layers_that_start_elsewhere() -> None:
    net = bistable_chain()
    up = rest(net, [1.0])
    report = analyse(net, up)
    assert t_read(report, 0.01, 0.0, distance=0.8) == math.inf
    assert reach(report) <= radius(net, up)


def test_read_times_of_a_chain_are_kept() -> None:
    """The middle layer starts off its fixed point even if the features start at theirs."""
    net = am.models.hierarchical_memory([[[0.5]], [[0.7]]], [am.Tanh()] * 3, tau=[1.0, 0.1, 0.5])
    biased = am.Network(
        {n: am.Layer(1, x.lagrangian, tau=x.tau, bias=0.4) for n, x in net.layers.items()},
        net.synapses,
    )
    state = rest(biased, [0.5])
    report = analyse(biased, state)
    for distance in (1e-6, 0.3):
        time = t_read(report, 1e-4, 0.0, distance=distance)
        assert 0 < time < 100
        start = state["visible"] + distance * np.array([[-1.0], [1.0]])
        run = am.simulate(biased, start, times=np.linspace(0, time + 20, 2000), until=None)
        off = np.abs(run["visible"] - state["visible"]).max(axis=(1, 2))
        assert off[run.times >= time].max() <= 1e-4
        # The start of the middle layer moves the features: this is not 0 for a small distance.
        assert off.max() > 5e-3


def test_the_distance_to_rest_does_not_depend_on_a_start() -> None:
    net = bistable_chain()
    assert distance_to_rest(net, rest(net, [1.0])) < 1e-6


@pytest.mark.parametrize("tau", [0.0, 0.1])
def test_sign_at_its_jump_sends_what_it_likes(tau: float) -> None:
    """x' = -x + 0.2 + tanh(5 sign x) has solutions from 0 that go to 1.2 and to -0.8."""
    layers = {
        "visible": am.Layer(1, am.Sign(), bias=0.2),
        "hidden": am.Layer(1, am.Tanh(5.0), tau=tau),
    }
    net = am.Network(layers, [am.Dense([[1.0]], between=("hidden", "visible"))])
    found = certify(net, [[0.0], [0.001], [-0.001]], rest(net, [1.0]))
    assert found.holds.tolist() == [False, True, False]
    assert radius(net, rest(net, [1.0])) == pytest.approx(0.2 + math.tanh(5), abs=1e-3)


def test_an_erased_pixel_of_sign_units_is_open() -> None:
    patterns = am.patterns.random(3, 24, seed=0)
    net = am.dense_am(patterns / 24, visible=am.Sign(), hidden=am.Tanh(2.0), tau_hidden=0.0)
    target = rest(net, patterns[0])
    whole, erased = patterns[0].copy(), patterns[0].copy()
    erased[3] = 0.0
    assert certify(net, whole, target).holds
    box = certify(net, erased, target).box
    assert box["visible"][0][3] <= 0 <= box["visible"][1][3]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_image_of_sign_is_closed(dtype: Any) -> None:
    lo = np.array([-1.0, -1.0, 0.0, 0.0, 1e-30, -2.0], dtype)
    hi = np.array([1.0, 0.0, 0.0, 1.0, 1.0, -1e-30], dtype)
    low, high = am.Sign().activation_bounds(lo, hi)
    assert low.tolist() == [-1, -1, -1, -1, 1, -1]
    assert high.tolist() == [1, 1, 1, 1, 1, -1]
    assert low.dtype == high.dtype == dtype
