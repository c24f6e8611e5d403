"""Spectra at delays of any length: against Lambert's W, residuals, and collocation; or refusals."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import lambertw

import amsim as am
from amsim.stability import (
    analyse,
    classify,
    critical_delay,
    critical_tau,
    delay_spectrum,
    find,
    find_all,
)  # fmt: skip
from amsim.stability.collocation import Collocation
from amsim.stability.delays import DelayedNetwork, link_delays
from amsim.stability.linear import Linearisation
from amsim.stability.long_delays import loop_of

Array = npt.NDArray[Any]


def memories(beta: float = 1.0) -> tuple[am.Network, dict[str, Array]]:
    stored = am.patterns.random(4, 16, seed=0)
    net = am.dense_am(stored, hidden=am.Softmax(beta))
    return net, find(net, stored[0]).states


@pytest.mark.parametrize("delay", [10.0, 20.0, 50.0, 1e3, 1e4])
@pytest.mark.parametrize("beta", [0.06, 1.0])
def test_roots_of_memories_are_roots(beta: float, delay: float) -> None:
    """M(s) is singular there, as far as rounding lets it be, and the rate is that of the report."""
    net, rest = memories(beta)
    roots = delay_spectrum(net, rest, delay)
    system = DelayedNetwork(Linearisation(net, rest), {})
    linear = system.linear
    system = DelayedNetwork(linear, link_delays(linear, delay))
    for s in roots:
        values = np.linalg.svd(system.matrix(complex(s)), compute_uv=False)
        assert values[-1] < 1e-11 * values[0]
    assert roots[0].real == pytest.approx(-analyse(net, rest).rate(delay), rel=1e-9)
    assert (np.diff(roots.real) <= 1e-12 * np.abs(roots[0].real)).all()


@pytest.mark.parametrize("delay", [0.5, 3.0, 40.0])
@pytest.mark.parametrize("gain", [-0.8, 0.6, 1.7])
def test_one_unit_is_lambert(gain: float, delay: float) -> None:
    """tau s + leak = gain e^(-s d): s = W_k(gain d e^(leak d / tau) / tau) / d - leak / tau."""
    tau, leak = 2.0, 1.5
    net = am.Network(
        {"x": am.Layer(1, am.Identity(), tau, leak=leak)}, [am.Dense([[gain]], ("x", "x"))]
    )
    roots = delay_spectrum(net, {"x": [0.0]}, delay, count=5)
    argument = gain * delay / tau * np.exp(leak * delay / tau)
    closed = lambertw(argument, np.arange(-8, 9)) / delay - leak / tau
    closed = closed[np.argsort(-closed.real)][:5]
    np.testing.assert_allclose(roots.real, closed.real, rtol=1e-8)
    np.testing.assert_allclose(np.sort(np.abs(roots.imag)), np.sort(np.abs(closed.imag)), rtol=1e-8)


@pytest.mark.parametrize("seed", range(8))
def test_both_routes_agree_where_both_reach(seed: int) -> None:
    """Scalar equations and collocation, for the delays and taus that both can do."""
    rng = np.random.default_rng(seed)
    units = {
        "visible": am.Layer(3, am.Tanh(), 1.0),
        "hidden": am.Layer(2, am.Tanh(), 0.3, leak=2.0),
    }
    weights = am.Dense(rng.normal(size=(2, 3)), between=("hidden", "visible"))
    net, delay = am.Network(units, [weights]), {"visible": 4.0, "hidden": rng.uniform(0, 8)}
    if seed % 2:
        lateral = rng.normal(size=(4, 4))
        net = am.Network(
            {"visible": am.Layer(4, am.Tanh(), 0.7)},
            [am.Dense((lateral + lateral.T) / 2, between=("visible", "visible"))],
        )
        delay = {"visible": rng.uniform(2, 8)}
    linear = Linearisation(net, {name: np.zeros(x.shape) for name, x in net.layers.items()})
    system = DelayedNetwork(linear, link_delays(linear, delay))
    loop = loop_of(system)
    assert loop is not None
    closed = loop.roots(8)
    assert closed is not None
    general = Collocation(system, 8).roots()
    for root in np.sort_complex(closed[closed.imag >= 0])[::-1][:4]:
        assert np.abs(general - root).min() < 1e-7


def test_what_does_not_reduce_is_refused_by_name() -> None:
    net = am.dense_am(
        am.patterns.random(4, 16, seed=0), hidden=am.Softmax(0.06), tau_hidden=[0.1, 0.2, 0.3, 0.4]
    )
    rest = find(net, np.zeros(16)).states
    for delay in (1e3, 1e4, 1e100):
        with pytest.raises(ValueError, match=r"a delay of .* is too long for these time constants"):
            delay_spectrum(net, rest, delay)
    assert len(delay_spectrum(net, rest, 1.0)) == 10


def test_counts_have_a_limit() -> None:
    net, rest = memories()
    with pytest.raises(ValueError, match="from 1 to 1000, got 1000000000000"):
        delay_spectrum(net, rest, 1.0, count=10**12)
    assert len(delay_spectrum(net, rest, 1e3, count=1000)) > 100


SIZES = st.sampled_from([1e-300, 1e-160, 1e-100, 1e-20, 1.0, 1e20, 1e100, 1e160, 1e300])


@settings(max_examples=100, deadline=None)
@given(*[SIZES] * 5, st.sampled_from(["tanh", "relu", "identity", "softmax"]), st.integers(0, 6))
def test_extremes_end_in_an_answer_or_our_own_words(
    tau: float, other: float, delay: float, state: float, weight: float, kind: str, which: int
) -> None:
    hidden = {
        "tanh": am.Tanh(), "relu": am.ReLU(), "identity": am.Identity(), "softmax": am.Softmax(),
    }[kind]  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            net = am.dense_am(
                weight * np.array([[1.0, 0.5], [0.3, -0.7]]), visible=am.Tanh(), hidden=hidden,
                tau_visible=tau, tau_hidden=other,
            )  # fmt: skip
            x = state * np.array([1.0, -0.5])
            asks = [
                lambda: analyse(net, x).rate(delay),
                lambda: classify(net, x, np.eye(2)).index,
                lambda: find(net, x).residual,
                lambda: len(find_all(net, [x, -x])),
                lambda: delay_spectrum(net, x, delay, count=3).real,
                lambda: critical_delay(net, x),
                lambda: critical_tau(net, x, "hidden", 0),
            ]
            answer = asks[which]()
            assert not np.isnan(answer).any()
        except ValueError as error:
            words = str(error)
            assert "array must not" not in words and "NaN" not in words and len(words) > 40
