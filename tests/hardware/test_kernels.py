"""The integer arithmetic against real arithmetic and against Python's own integers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware import kernels

STATE = st.integers(-(2**23) + 1, 2**23 - 1)
few = settings(max_examples=200, deadline=None)


def nearest(x: Fraction) -> int:
    """Halves away from zero."""
    size = int(abs(x) + Fraction(1, 2))
    return size if x >= 0 else -size


@few
@given(STATE, st.integers(0, 2**16 - 1), st.integers(0, 40))
def test_scale_rounds_to_nearest_and_is_odd(x: int, mantissa: int, shift: int) -> None:
    assert kernels.scale(x, mantissa, shift) == nearest(Fraction(x * mantissa, 2**shift))
    assert kernels.scale(-x, mantissa, shift) == -kernels.scale(x, mantissa, shift)


@few
@given(STATE, st.integers(0, 4096))
def test_decay_rounds_towards_zero(x: int, mantissa: int) -> None:
    assert kernels.decay(x, mantissa) == int(Fraction(x * mantissa, 4096))


@few
@given(STATE, STATE, st.integers(1, 4096))
def test_a_state_never_passes_its_target(x: int, target: int, mantissa: int) -> None:
    moved = kernels.relax(x, target, mantissa)
    assert min(x, target) <= moved <= max(x, target)
    assert kernels.relax(x, target, 4096) == target
    # It stops within 4096 / mantissa of the target.
    if moved == x:
        assert abs(target - x) * mantissa < 4096


def test_delta_sends_only_changes_of_the_threshold() -> None:
    values = np.array([10, 12, 13, 7, 8])
    np.testing.assert_array_equal(kernels.delta(values, 10, 3), [0, 0, 3, -3, 0])


@pytest.mark.parametrize("fraction", [10, 14, 16])
def test_exp2_is_exact_to_its_cubic(fraction: int) -> None:
    x = np.arange(-6 << fraction, 1 << fraction, 7)
    true = 2.0 ** (x / 2**fraction)
    assert np.abs(kernels.exp2(x, fraction, 22) / 2**22 / true - 1).max() < 1.3e-4
    assert kernels.exp2(0, fraction, 22) == 2**22
    assert kernels.exp2(-(30 << fraction), fraction, 22) == 0
    assert kernels.exp2(-(10**6 << fraction), fraction, 22) == 0


def test_exp2_never_falls() -> None:
    x = np.arange(-40 << 14, 1 << 14)
    assert (np.diff(kernels.exp2(x, 14, 22)) >= 0).all()


@pytest.mark.parametrize("fraction", [10, 14])
def test_log2_is_exact_to_its_cubic(fraction: int) -> None:
    x = np.concatenate([np.arange(1, 2**16), np.arange(2**16, 2**24, 97)])
    error = kernels.log2(x, fraction) / 2**fraction - np.log2(x)
    assert np.abs(error).max() < 1e-3 + 2.0 ** -(fraction + 1)
    powers = 2 ** np.arange(24)
    np.testing.assert_array_equal(kernels.log2(powers, fraction), np.arange(24) << fraction)
    assert (np.diff(kernels.log2(np.arange(1, 2**16), fraction)) >= 0).all()


def test_tanh_is_close_odd_in_use_and_saturates() -> None:
    octaves = np.arange(0, 40 << 10)
    true = np.tanh(octaves / 2**10 * np.log(2) / 2)
    assert np.abs(kernels.tanh(octaves, 10) / 2**16 - true).max() < 1e-4
    assert kernels.tanh(0, 10) == 0
    assert 2**16 - 2 <= kernels.tanh(40 << 10, 10) <= 2**16


@few
@given(st.integers(0, 2**15 - 1), st.integers(1, 5))
def test_power_is_close(x: int, exponent: int) -> None:
    true = 2**15 * (x / 2**15) ** exponent
    assert abs(kernels.power(x, exponent) - true) <= exponent / 2


@few
@given(st.lists(st.integers(-(2**16), 2**16), min_size=1, max_size=40))
def test_rounds_find_the_log_sum_from_above(logits: list[int]) -> None:
    fraction, bits = 12, 22
    floor = 1 << max(1, (len(logits) - 1).bit_length())
    true = np.logaddexp2.reduce(np.array(logits) / 2**fraction)
    c = max(logits) + (20 << fraction)
    for _ in range(4):
        total = sum(kernels.boltzmann(a, c, fraction, bits) for a in logits)
        assert total < 2**23
        c = kernels.log_sum(c, total, fraction, bits, floor)
        assert c / 2**fraction > true - 0.6
    assert c / 2**fraction == pytest.approx(true, abs=1e-3)


def test_arrays_and_integers_agree() -> None:
    """One function for every backend: elementwise on arrays what it is on Python's integers."""
    x = np.random.default_rng(0).integers(-(2**22), 2**22, 200)
    for function, arguments in (
        (kernels.scale, (12345, 20)),
        (kernels.decay, (77,)),
        (kernels.relax, (5, 300)),
        (kernels.delta, (1000, 50)),
        (kernels.sign, ()),
    ):
        each = [function(int(value), *arguments) for value in x]
        np.testing.assert_array_equal(function(x, *arguments), each)
    below = -np.abs(x)
    np.testing.assert_array_equal(
        kernels.exp2(below, 14, 22), [kernels.exp2(int(v), 14, 22) for v in below]
    )
    above = 1 + np.abs(x)
    np.testing.assert_array_equal(
        kernels.log2(above, 14), [kernels.log2(int(v), 14) for v in above]
    )
    np.testing.assert_array_equal(
        kernels.tanh(above, 10), [kernels.tanh(int(v), 10) for v in above]
    )
