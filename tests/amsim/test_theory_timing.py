"""Closed forms of timing against Jacobians, characteristic equations and delayed simulations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from amsim import Dense, Layer, Network, Softmax, Tanh, dense_am
from amsim.stability import critical_delay, delay_spectrum
from amsim.theory import timing

Array = npt.NDArray[np.float64]
Steps = Callable[..., Array]


def grows(states: Array) -> bool:
    """Whether the second half of a run is larger than the first."""
    size = np.abs(states).reshape(len(states), -1).max(axis=1)
    quarter = len(size) // 4
    return bool(size[-quarter:].max() > size[quarter : 2 * quarter].max())


def is_critical(delay: float, unstable: Callable[[float], bool]) -> bool:
    """Whether stability is lost within 1 % of a delay."""
    return not unstable(0.99 * delay) and unstable(1.01 * delay)


# uniform_delay_rate


@given(
    sigma=st.floats(1e-6, 1e3),
    visible=st.floats(1e-3, 1e3),
    hidden=st.just(0.0) | st.floats(1e-3, 1e3),
    delay=st.just(0.0) | st.floats(1e-3, 1e3),
)
@settings(max_examples=50, deadline=None)
def test_the_rate_solves_its_equation(
    sigma: float, visible: float, hidden: float, delay: float
) -> None:
    rate = timing.uniform_delay_rate(sigma, visible, hidden, delay)
    assert rate < 1 / max(visible, hidden)
    product = (1 - rate * visible) * (1 - rate * hidden) * np.exp(-rate * delay)
    assert product == pytest.approx(sigma, rel=1e-8)
    assert (rate > 0) == (sigma < 1)


@pytest.mark.parametrize(
    ("gain", "visible", "hidden", "delay"),
    [(0.3, 1.0, 0.1, 0.5), (0.9, 1.0, 1.0, 3.0), (0.99, 0.2, 2.0, 0.05), (1.5, 1.0, 0.0, 1.0)],
)
def test_the_rate_is_the_rightmost_root(
    gain: float, visible: float, hidden: float, delay: float
) -> None:
    net = dense_am(
        [[1.0, 0.5]], visible=Tanh(), hidden=Tanh(gain / 1.25), tau_visible=visible,
        tau_hidden=hidden,
    )  # fmt: skip
    root = delay_spectrum(net, np.zeros(2), delay / 2)[0]
    assert root == pytest.approx(-timing.uniform_delay_rate(gain, visible, hidden, delay), abs=1e-9)


@pytest.mark.parametrize(("sigma", "hidden"), [(0.2, 0.1), (0.7, 1.0), (3.0, 0.5)])
def test_without_delay_the_rate_is_an_eigenvalue(sigma: float, hidden: float) -> None:
    jacobian = np.array([[-1.0, 1.0], [sigma / hidden, -1 / hidden]])
    rightmost = np.linalg.eigvals(jacobian).real.max()
    assert timing.uniform_delay_rate(sigma, 1.0, hidden, 0.0) == pytest.approx(-rightmost, abs=1e-9)


@pytest.mark.parametrize("delay", [0.5, 2.0, 8.0])
def test_simulated_decay(delay: float, method_of_steps: Steps) -> None:
    gain, hidden = 0.8, 0.5

    def velocity(x: Array, late: Array) -> Array:
        return np.array([late[1] - x[0], (gain * late[0] - x[1]) / hidden])

    step, t1 = 0.05, 20 * (delay + 2)
    states = method_of_steps(velocity, np.ones(2), [delay], t1, step)
    late = states[len(states) // 2 :, 0]
    rate = -np.polyfit(step * np.arange(len(late)), np.log(late), 1)[0]
    assert rate == pytest.approx(timing.uniform_delay_rate(gain, 1.0, hidden, 2 * delay), rel=1e-2)


def test_delay_slows_and_the_estimate_is_close_near_one() -> None:
    delays = np.array([0.0, 1.0, 10.0, 100.0])
    rates = timing.uniform_delay_rate(0.98, 1.0, 0.1, delays)
    assert (np.diff(rates) < 0).all() and (rates > 0).all()
    np.testing.assert_allclose(rates, np.log(1 / 0.98) / (delays + 1.1), rtol=0.02)


def test_no_gain_and_arrays() -> None:
    assert timing.uniform_delay_rate(0.0, 1.0, 0.1, 5.0) == 1.0
    assert isinstance(timing.uniform_delay_rate(0.5, 1, 0, 0), float)
    assert timing.uniform_delay_rate([0.2, 0.5], 1.0, 0.0, 0.0).tolist() == pytest.approx(
        [0.8, 0.5]
    )


@pytest.mark.parametrize(
    "arguments", [(-0.1, 1, 1, 0), (0.5, 0, 0, 1), (0.5, 1, 1, -1), (0.5, np.nan, 1, 0)]
)
def test_bad_rates(arguments: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"negative|needs dynamics|tau_visible must be finite"):
        timing.uniform_delay_rate(*arguments)


# Normalisers that lag


def normalised_memory(beta: float, tau: float, *, divisive: bool = False) -> Any:
    """One memory, |xi| = 1, read out as exp(beta (h - z)): its right-hand side and fixed point."""

    def velocity(x: Array) -> Array:
        v, h, z = x
        out = np.exp(beta * (h - z))
        drive = out - 1 if divisive else h - z  # log-sum-exp of one memory is h
        return np.array([out - v, v - h, drive / tau])

    return velocity, np.ones(3)


def abscissa(velocity: Callable[[Array], Array], x: Array) -> float:
    """Rightmost eigenvalue of a Jacobian by central differences, which are exact to 1e-9."""
    step = 1e-5
    columns = [
        (velocity(x + step * e) - velocity(x - step * e)) / (2 * step) for e in np.eye(len(x))
    ]
    return float(np.linalg.eigvals(np.stack(columns, axis=1)).real.max())


@pytest.mark.parametrize("kappa", [1.2, 2.0, 10.0, 60.0])
@pytest.mark.parametrize("divisive", [False, True])
def test_lagging_normaliser(kappa: float, divisive: bool) -> None:
    def rightmost(tau: float) -> float:
        return abscissa(*normalised_memory(kappa, tau, divisive=divisive))

    unit = kappa if divisive else 1.0  # the divisive form is driven by beta (h - z)
    expected = timing.critical_normaliser_lag(kappa)
    found = brentq(rightmost, 0.5 * unit * expected, 2 * unit * expected, xtol=1e-10)
    assert found / unit == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kappa", [0.1, 0.7, 1.0])
def test_weak_memories_bear_any_lag(kappa: float) -> None:
    assert timing.critical_normaliser_lag(kappa) == np.inf
    assert all(abscissa(*normalised_memory(kappa, tau)) < 0 for tau in np.geomspace(0.01, 1e3, 20))


def test_strong_memories_need_a_lag_of_two_over_kappa() -> None:
    assert timing.critical_normaliser_lag(1e6) == pytest.approx(2e-6, rel=1e-3)


@pytest.mark.parametrize("kappa", [0.7, 2.0, 10.0, 60.0])
def test_delayed_normaliser_has_a_root_on_the_axis(kappa: float) -> None:
    """(1 + s)^2 = kappa (1 - e^(-s d)), followed by Newton's method to where Re s = 0."""

    def root(delay: float, s: complex) -> complex:
        for _ in range(50):
            value = (1 + s) ** 2 - kappa * (1 - np.exp(-s * delay))
            s -= value / (2 * (1 + s) - kappa * delay * np.exp(-s * delay))
        return s

    expected = timing.critical_normaliser_delay(kappa)
    frequency = np.sqrt(-(1 + kappa) + np.sqrt(kappa**2 + 4 * kappa))
    below, above = (root(expected * f, 1j * frequency) for f in (0.99, 1.01))
    assert below.real < 0 < above.real
    assert abs(root(expected, 1j * frequency).real) < 1e-9


@pytest.mark.parametrize("kappa", [0.8, 2.0, 10.0])
def test_delayed_normaliser_simulated(kappa: float, method_of_steps: Steps) -> None:
    def velocity(x: Array, late: Array) -> Array:
        return np.array([kappa * (x[1] - late[1]) - x[0], x[0] - x[1]])

    expected = timing.critical_normaliser_delay(kappa)

    def unstable(delay: float) -> bool:
        return grows(method_of_steps(velocity, np.array([1.0, 0.0]), [delay], 150.0, delay / 20))

    assert is_critical(expected, unstable)


def test_weak_memories_bear_any_delay_of_the_normaliser(method_of_steps: Steps) -> None:
    assert timing.critical_normaliser_delay([0.1, 0.5]).tolist() == [np.inf, np.inf]

    def velocity(x: Array, late: Array) -> Array:
        return np.array([0.45 * (x[1] - late[1]) - x[0], x[0] - x[1]])

    for delay in (1.0, 10.0):
        run = method_of_steps(velocity, np.array([1.0, 0.0]), [delay], 100.0, 0.05)
        assert not grows(run)


# Negative feedback


@pytest.mark.parametrize("gain", [1.1, 2.0, 5.0])
def test_one_layer(gain: float, method_of_steps: Steps) -> None:
    expected = timing.critical_delay_one_layer(gain)
    net = Network({"x": Layer(1, Tanh())}, [Dense([[-gain]], between=("x", "x"))])
    assert critical_delay(net, np.zeros(1)) == pytest.approx(expected, rel=1e-9)
    assert abs(delay_spectrum(net, np.zeros(1), expected)[0].real) < 1e-6

    def velocity(x: Array, late: Array) -> Array:
        return -x - gain * late

    def unstable(delay: float) -> bool:
        run = method_of_steps(velocity, np.ones(1), [delay], 60 * delay, delay / 20)
        return grows(run)

    assert is_critical(expected, unstable)


@pytest.mark.parametrize("gain", [1.2, 2.0, 9.0])
def test_two_layers(gain: float, method_of_steps: Steps) -> None:
    expected = timing.critical_delay_two_layer(gain)

    def velocity(x: Array, first: Array, second: Array) -> Array:
        return np.array([first[1] - x[0], -gain * second[0] - x[1]])

    def unstable(delay: float) -> bool:
        # Only the sum of both delays counts: one is three times the other.
        parts = [delay / 4, 3 * delay / 4]
        run = method_of_steps(velocity, np.ones(2), parts, 60 * max(delay, 1.0), delay / 20)
        return grows(run)

    assert is_critical(expected, unstable)
    frequency = np.sqrt(gain - 1)
    rest = (1 + 1j * frequency) ** 2 + gain * np.exp(-1j * frequency * expected)
    assert abs(rest) < 1e-12 * gain


@pytest.mark.parametrize(
    "closed_form", [timing.critical_delay_one_layer, timing.critical_delay_two_layer]
)
def test_weak_feedback_bears_any_delay(closed_form: Callable[[Any], Any]) -> None:
    assert closed_form([0.5, 1.0]).tolist() == [np.inf, np.inf]
    assert np.isfinite(closed_form(1.0 + 1e-9))
    with pytest.raises(ValueError, match="gain"):
        closed_form(-2.0)


def test_softmax_memory_has_gain_kappa_p() -> None:
    """sigma = beta |xi|^2 p (1 - p) for two opposite memories, so 4 times that for +-xi."""
    pattern = np.array([0.6, 0.3])
    net = dense_am([pattern, -pattern], hidden=Softmax(1.5), tau_hidden=0.4)
    sigma = 1.5 * pattern @ pattern
    root = delay_spectrum(net, np.zeros(2), 0.7)[0]
    assert root == pytest.approx(-timing.uniform_delay_rate(sigma, 1.0, 0.4, 1.4), abs=1e-9)
