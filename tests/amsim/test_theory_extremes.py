"""Every closed form from 1e-300 to 1e300 against arithmetic of many digits: right, or refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf

from amsim.theory import capacity, timing

POSITIVE = st.floats(-300, 300).map(lambda exponent: 10.0**exponent)
NEAR_ONE = st.tuples(st.sampled_from([-1, 1]), st.floats(-16, -1)).map(
    lambda x: 1 + x[0] * 10 ** x[1]
)
mp.dps = 80


def lag(k: Any) -> Any:
    return (4 - k + mp.sqrt(k * k + 8 * k)) / (4 * (k - 1)) if k > 1 else mp.inf


def delay(k: Any) -> Any:
    if k <= mpf("0.5"):
        return mp.inf
    square = -(1 + k) + mp.sqrt(k * k + 4 * k)
    w = mp.sqrt(square)
    return mp.atan2(2 * w / k, 1 - (1 - square) / k) / w


def one_layer(b: Any) -> Any:
    return mp.acos(-1 / b) / mp.sqrt(b * b - 1) if b > 1 else mp.inf


def two_layers(k: Any) -> Any:
    root = mp.sqrt(k - 1) if k > 1 else mpf(0)
    return (mp.pi - 2 * mp.atan(root)) / root if k > 1 else mp.inf


@pytest.mark.parametrize(
    ("function", "exact"),
    [
        (timing.critical_normaliser_lag, lag),
        (timing.critical_normaliser_delay, delay),
        (timing.critical_delay_one_layer, one_layer),
        (timing.critical_delay_two_layer, two_layers),
    ],
)
@given(value=POSITIVE | NEAR_ONE | NEAR_ONE.map(lambda x: x / 2))
@example(value=1e17)
@example(value=1e155)
@example(value=1e300)
@settings(max_examples=60, deadline=None)
def test_critical_times(function: Any, exact: Any, value: float) -> None:
    with mp.workdps(700):  # the differences cancel: 1e300 squared has 600 digits
        expected = float(exact(mpf(value)))
    assert function(value) == pytest.approx(expected, rel=1e-13, abs=0)


def test_strong_memories_bear_a_lag_of_two_over_kappa() -> None:
    for kappa in (1e17, 1e155, 1e300):
        assert timing.critical_normaliser_lag(kappa) == pytest.approx(2 / kappa, rel=1e-15)


def excess(rate: Any, gain: float, visible: float, hidden: float, late: float) -> Any:
    """ln of the left side over the right: it falls with the rate."""
    factors = 1 - rate * mpf(visible), 1 - rate * mpf(hidden)
    if min(factors) <= 0:
        return -mp.inf
    return mp.log(factors[0]) + mp.log(factors[1]) - rate * mpf(late) - mp.log(mpf(gain))


@given(
    gain=POSITIVE | NEAR_ONE,
    visible=POSITIVE,
    hidden=st.just(0.0) | POSITIVE,
    late=st.just(0.0) | POSITIVE,
)
@example(gain=0.5, visible=1e-20, hidden=0.0, late=1.0)
@example(gain=1e300, visible=1e-300, hidden=0.0, late=1e-300)
@example(gain=1e-300, visible=1.0, hidden=1.0, late=1.0)
@example(gain=1.0, visible=1.0, hidden=1e-300, late=1e300)
@settings(max_examples=100, deadline=None)
def test_the_rate_changes_sides_within_its_last_digits(
    gain: float, visible: float, hidden: float, late: float
) -> None:
    arguments = (gain, visible, hidden, late)
    if gain > 1 and excess(mpf(-1.79e308), *arguments) < 0:
        with pytest.raises(ValueError, match="exceeds floating point"):
            timing.uniform_delay_rate(*arguments)
        return
    rate = timing.uniform_delay_rate(*arguments)
    with mp.workdps(700):
        # Below the smallest normal number, digits are absolute.
        slack = abs(mpf(rate)) * mpf(1e-12) + mpf(1e-320)
        assert excess(mpf(rate) - slack, *arguments) > 0 > excess(mpf(rate) + slack, *arguments)


def test_no_gain_decays_at_the_slowest_rate() -> None:
    for tau in (1e-300, 1.0, 1e300):
        assert timing.uniform_delay_rate(0.0, tau, tau / 2, 1e300) == 1 / tau


@given(exponent=st.floats(-17, -0.31), count=st.integers(1, 300))
@settings(max_examples=100, deadline=None)
def test_exponential_bound(exponent: float, count: int) -> None:
    share = 0.5 - 10**exponent / 2 if exponent > -16 else 0.0
    for corrupted in (share, min(10.0 ** (20 * exponent), 0.49)):
        for units in (count, 10**count):
            c = mpf(corrupted)
            lost = sum(p * mp.log(p) for p in (c, 1 - c) if p > 0)
            exact = mp.exp(mpf(units) * (mp.log(2) + lost) / 2)
            found = capacity.exponential_bound(units, corrupted=corrupted)
            assert found == pytest.approx(float(min(exact, mpf(10) ** 400)), rel=1e-11)


@given(
    count=st.integers(2, 300) | st.integers(1, 300).map(lambda n: 10**n),
    order=st.integers(2, 12),
    error=st.floats(-300, -0.4).map(lambda x: 10.0**x) | st.just(0.5 - 1e-16),
)
@settings(max_examples=60, deadline=None)
def test_k_max(count: int, order: int, error: float) -> None:
    alpha = mp.findroot(
        lambda x: mp.log(mp.erfc(x / mp.sqrt(2)) / 2) - mp.log(mpf(error)),
        capacity.NormalDist().inv_cdf(error) * -1,
    )
    exact = mpf(count) ** (order - 1) / (alpha**2 * mp.fac2(2 * order - 3))
    found = capacity.k_max(count, order, error=error)
    assert found == pytest.approx(float(min(exact, mpf(10) ** 400)), rel=1e-9)


@given(
    count=st.integers(2, 300) | st.integers(1, 300).map(lambda n: 10**n),
    stored=st.integers(1, 300) | st.integers(1, 300).map(lambda n: 10**n),
    order=st.integers(2, 4),
)
@settings(max_examples=60, deadline=None)
def test_bit_error_rate(count: int, stored: int, order: int) -> None:
    n = mpf(count - 1)
    moment = {2: n, 3: 3 * n**2 - 2 * n, 4: 15 * n**3 - 30 * n**2 + 16 * n}[order]
    ratio = mp.sqrt((mpf(stored) - 1) * moment) if stored > 1 else mpf(0)
    signal = n ** (order - 1)
    certain = stored == 1 or signal / ratio > 100  # below 1e-2000
    exact = mpf(0) if certain else mp.erfc(signal / ratio / mp.sqrt(2)) / 2
    found = capacity.bit_error_rate(count, stored, order)
    assert found == pytest.approx(float(exact), rel=1e-11, abs=1e-300)


def test_numpy_counts_do_not_wrap() -> None:
    big = np.int64(10**4), np.int64(10**9), np.int64(7)
    assert capacity.bit_error_rate(*big) == capacity.bit_error_rate(10**4, 10**9, 7)
    assert capacity.k_max(np.int64(10**5), np.int8(9)) == capacity.k_max(10**5, 9)
    assert capacity.exponential_bound(np.int8(100)) == pytest.approx(2.0**50)


def test_orders_have_a_limit() -> None:
    for function in (lambda n: capacity.k_max(10, n), lambda n: capacity.bit_error_rate(10, 2, n)):
        assert math.isfinite(function(200))
        with pytest.raises(ValueError, match=r"n is 201.*up to 200"):
            function(201)
