"""Capacity formulas beside the networks that they are about."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from scipy.special import factorial2
from scipy.stats import norm

import amsim as am
from amsim.theory import capacity


@pytest.mark.parametrize(
    ("options", "rate"),
    [
        ({"D": 100, "K": 19, "n": 2}, 0.00951),
        ({"D": 60, "K": 180, "n": 3}, 0.0052),
        ({"D": 60, "K": 360, "n": 3, "rectified": True}, 0.0053),
    ],
)
def test_known_rates(options: Any, rate: float) -> None:
    digits = 5e-6 if options["n"] == 2 else 5e-5
    assert capacity.bit_error_rate(**options) == pytest.approx(rate, rel=0, abs=digits)


@pytest.mark.parametrize("size", [2, 7, 60, 301])
def test_moments(size: int) -> None:
    """The closed forms for n = 2, 3, 4, through the rate."""
    N = size - 1  # noqa: N806
    for n, moment in ((2, N), (3, 3 * N**2 - 2 * N), (4, 15 * N**3 - 30 * N**2 + 16 * N)):
        for rectified in (False, True):
            noise = math.sqrt(99 * moment / (1 + rectified))
            rate = capacity.bit_error_rate(size, 100, n, rectified=rectified)
            assert rate == pytest.approx(norm.sf(N ** (n - 1) / noise), rel=1e-11)


@pytest.mark.parametrize(
    ("size", "count", "n", "rectified"),
    [(100, 19, 2, False), (60, 180, 3, False), (60, 360, 3, True), (40, 1500, 4, False)],
)
def test_rate_of_a_network(size: int, count: int, n: int, rectified: bool) -> None:
    """Units of stored patterns that the gradient rule changes, over many networks.

    The normal formula and the network agree within a tenth, or within 4 standard errors of the
    mean over networks.
    """
    rates = []
    for seed in range(max(4, 6000 // count)):
        xi = am.patterns.random(count, size, seed=seed)
        memory = am.binary.BinaryMemory(xi, am.binary.Power(n, rectified=rectified))
        first = memory.recall(xi, rule="gradient", order="parallel", max_sweeps=1)
        rates.append(first.flips.mean() / size)
    measured, error = np.mean(rates), np.std(rates) / math.sqrt(len(rates))
    expected = capacity.bit_error_rate(size, count, n, rectified=rectified)
    assert abs(measured - expected) < 0.1 * expected + 4 * error


def test_two_memories_do_not_disturb_each_other() -> None:
    """With n = 2 the field is N + x times a sign, and x of N signs is at least -N."""
    for other in itertools.product([-1, 1], repeat=4):
        xi = np.array([[1, 1, 1, 1], other])
        recall = am.binary.BinaryMemory(xi).recall(xi[0], rule="gradient", order="parallel")
        assert recall.flips == 0
    assert capacity.bit_error_rate(4, 1, 2) == 0.0


def test_k_max_inverts_the_leading_order() -> None:
    for n, rectified, error in itertools.product((2, 3, 5), (False, True), (1e-6, 0.005, 0.2)):
        memories = capacity.k_max(1000, n, error=error, rectified=rectified)
        alpha = norm.isf(error)
        expected = (1 + rectified) * 1000 ** (n - 1) / (alpha**2 * factorial2(2 * n - 3))
        assert memories == pytest.approx(expected, rel=1e-12)
        # And so the rate of a large network with as many memories is the error, nearly.
        rate = capacity.bit_error_rate(1000, round(memories), n, rectified=rectified)
        assert norm.isf(rate) == pytest.approx(alpha, rel=0.02)


def test_capacity_of_the_hopfield_network() -> None:
    assert capacity.k_max(1000, 2, error=0.005) == pytest.approx(151, abs=0.5)


def test_exponential_bound() -> None:
    assert capacity.exponential_bound(20) == pytest.approx(1024, rel=1e-12)
    for c in (0.05, 0.25, 0.4):
        x = 1 - 2 * c
        rate = ((1 + x) * math.log(1 + x) + (1 - x) * math.log(1 - x)) / 2
        expected = math.exp(30 * rate / 2)
        assert capacity.exponential_bound(30, corrupted=c) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("corrupted", [0.0, 0.1])
def test_exponential_networks_at_the_bound(corrupted: float) -> None:
    """With as many memories as the bound errors vanish as D grows; with its square they do not."""

    def wrong(size: int, exponent: int) -> float:
        """Fraction of units that one update leaves wrong, over 20 networks."""
        count = round(capacity.exponential_bound(size, corrupted=corrupted) ** exponent)
        rates = []
        for seed in range(20):
            xi = am.patterns.random(count, size, seed=seed)
            cues = am.patterns.corrupt(xi[:200], flip=corrupted, seed=seed)
            memory = am.binary.BinaryMemory(xi, am.binary.Exponential())
            first = memory.recall(cues, order="parallel", max_sweeps=1)
            rates.append((first.final != xi[:200]).mean())
        return float(np.mean(rates))

    assert 4 * wrong(20, 1) < wrong(10, 1) < 0.03
    assert wrong(10, 2) > 0.1


@pytest.mark.parametrize(
    ("call", "error", "word"),
    [
        (lambda: capacity.bit_error_rate(1, 5, 2), ValueError, "D is 1"),
        (lambda: capacity.bit_error_rate(10, 0, 2), ValueError, "K is 0"),
        (lambda: capacity.bit_error_rate(10, 5, 1), ValueError, "n is 1"),
        (lambda: capacity.bit_error_rate(10, 5.0, 2), TypeError, "K is 5.0"),  # type: ignore[arg-type]
        (lambda: capacity.k_max(10, 2, error=0.5), ValueError, "error must be"),
        (lambda: capacity.k_max(10, True), TypeError, "n is True"),
        (lambda: capacity.exponential_bound(10, corrupted=0.5), ValueError, "corrupted must be"),
    ],
)
def test_refusals(call: Any, error: Any, word: str) -> None:
    with pytest.raises(error, match=word):
        call()


def test_numbers_beyond_floating_point() -> None:
    assert capacity.exponential_bound(2304) == math.inf
    assert math.log(capacity.exponential_bound(2000)) == pytest.approx(1000 * math.log(2))
    assert capacity.k_max(100_000, 200) == math.inf
    assert capacity.bit_error_rate(100_000, 2, 200) == 0.0
    assert capacity.bit_error_rate(2304, 10**120, 30) == pytest.approx(0.5)


@pytest.mark.parametrize("beta", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("size", [2, 5, 40])
def test_the_crosstalk_of_exponential_separations(size: int, beta: float) -> None:
    """The second moment of exp(beta x), counted over all sums of N signs."""
    N = size - 1  # noqa: N806
    second = sum(math.comb(N, k) * math.exp(-4 * beta * k) for k in range(N + 1)) / 2**N
    found = capacity.crosstalk_variance(size, 8, beta=beta)
    assert found == pytest.approx(7 * second, rel=1e-12)
    # One transition is right up to a variance of 1 / (2 ln D), a sequence up to 1 / (2 ln b^D).
    single = capacity.transition_capacity(size, beta=beta)
    assert single / 7 * found == pytest.approx(1 / (2 * math.log(size)), rel=1e-12)
    base = math.exp(2 * beta) / math.cosh(2 * beta)
    whole = capacity.sequence_capacity(size, beta=beta)
    assert whole / single == pytest.approx(math.log(size) / (size * math.log(base)), rel=1e-12)


def test_exponential_separations_at_the_ends() -> None:
    assert capacity.sequence_capacity(10**6, beta=1.0) == math.inf
    assert capacity.crosstalk_variance(10**400, 8, beta=1.0) == 0.0
    for function in (capacity.sequence_capacity, capacity.transition_capacity):
        for given in ({}, {"n": 2, "beta": 1.0}):
            with pytest.raises(TypeError, match="give one of n"):
                function(10, **given)
        with pytest.raises(ValueError, match="beta"):
            function(10, beta=0.0)


def test_crosstalk_of_a_sequence_with_an_exponential_separation() -> None:
    """Fields of all units at stored patterns have the variance of the formula."""
    size, count, beta = 20, 40, 0.3
    found = []
    for seed in range(200):
        stored = am.patterns.random(count, size, seed=seed)
        memory = am.binary.SequenceMemory(stored, am.binary.Exponential(beta))
        noise = memory.fields(stored) - np.roll(stored, -1, axis=0)
        found.append(np.square(noise).mean())
    error = np.std(found) / np.sqrt(len(found))
    expected = capacity.crosstalk_variance(size, count, beta=beta)
    assert abs(np.mean(found) - expected) < 4 * error < 0.2 * expected


@pytest.mark.parametrize(
    ("beta", "size", "count", "draws"),
    [(1.0, 12, 137, 200), (2.0, 12, 34, 200), (1.0, 16, 483, 80)],
)
def test_wrong_units_with_an_exponential_separation(
    beta: float, size: int, count: int, draws: int
) -> None:
    """After one transition from each pattern of random sequences."""
    found = []
    for seed in range(draws):
        stored = am.patterns.random(count, size, seed=seed)
        memory = am.binary.SequenceMemory(stored, am.binary.Exponential(beta))
        found.append((memory.replay(stored, 1)[1] != np.roll(stored, -1, axis=0)).mean())
    error = np.std(found) / np.sqrt(len(found))
    expected = capacity.bit_error_rate(size, count, beta=beta)
    assert abs(np.mean(found) - expected) < 3 * error < 0.5 * expected


def test_exponential_errors_at_the_ends() -> None:
    few = capacity.bit_error_rate(40, 1000, beta=5.0)
    assert few == pytest.approx(999 / 2**41, rel=1e-6)  # one that agrees in all others, or none
    # So flat a separation that the crosstalk is normal: its variance is that of all patterns.
    flat = capacity.crosstalk_variance(40, 10**6, beta=0.1)
    assert capacity.bit_error_rate(40, 10**6, beta=0.1) == pytest.approx(
        math.erfc(1 / math.sqrt(2 * flat)) / 2, rel=1e-4
    )
    assert capacity.bit_error_rate(10, 10**400, beta=1.0) == 0.5
    assert capacity.bit_error_rate(10, 1, beta=1.0) == 0.0
    # Many agreeing ones are normal, too.
    below, above = (capacity.bit_error_rate(8, k * 2**7, beta=1.0) for k in (99, 102))
    assert below < above < below + 1e-3
    with pytest.raises(ValueError, match="rectified is for F"):
        capacity.bit_error_rate(10, 5, beta=1.0, rectified=True)
    with pytest.raises(TypeError, match="give one of n"):
        capacity.bit_error_rate(10, 5)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_the_pairs_that_end_a_sequence(size: int) -> None:
    """The share of pairs that are alike where their successors differ, counted over all of them."""
    rows = 1 - 2 * (np.arange(2**size)[:, None] >> np.arange(size) & 1)
    differ = (rows[:, None] != rows).astype(int)
    alike = differ.sum(axis=2, keepdims=True) == differ  # in all other units
    ends = np.einsum("abi,cdi->abcd", alike.astype(int), differ) > 0
    share = 2 / capacity.distinct_capacity(size) ** 2
    assert ends.mean() == pytest.approx(
        share - 4.0**-size, rel=1e-12
    )  # equal ones, equal successors
    assert capacity.distinct_capacity(10**400) == math.inf
