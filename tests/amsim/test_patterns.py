"""amsim.patterns: exact counts, independence of the batch, and the algebra of the codes."""

import itertools
import sys
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from amsim import patterns
from amsim.errors import MissingDependencyError

SEEDS = st.integers(0, 2**32)


def distinct(rows: NDArray[np.float64]) -> int:
    return len({row.tobytes() for row in rows})


# Digits


def test_all_digits_are_distinct_binary_rows() -> None:
    rows = patterns.digits()
    assert rows.dtype == np.float64
    assert rows.shape[1] == 64
    assert set(np.unique(rows)) == {-1.0, 1.0}
    assert distinct(rows) == len(rows)


def test_digits_are_every_thresholded_scan_once() -> None:
    from sklearn.datasets import load_digits  # type: ignore[import-untyped,unused-ignore]

    expected = {tuple(1.0 if p >= 8 else -1.0 for p in scan) for scan in load_digits().data}
    assert {tuple(row) for row in patterns.digits()} == expected


def test_labels_belong_to_their_rows() -> None:
    from sklearn.datasets import load_digits

    data = load_digits()
    label_of = {tuple(scan / 16): label for scan, label in zip(data.data, data.target, strict=True)}
    rows, labels = patterns.digits_gray(200, seed=3, return_labels=True)
    assert [label_of[tuple(row)] for row in rows] == labels.tolist()
    assert set(labels) == set(range(10))


def test_gray_digits_are_the_same_scans_as_the_binary_ones() -> None:
    gray, gray_labels = patterns.digits_gray(50, seed=7, return_labels=True)
    binary, labels = patterns.digits(50, seed=7, return_labels=True)
    assert gray.min() == 0.0
    assert gray.max() == 1.0
    np.testing.assert_array_equal(np.where(gray >= 0.5, 1.0, -1.0), binary)
    np.testing.assert_array_equal(gray_labels, labels)


def test_the_seed_chooses_the_digits_and_the_count_only_how_many() -> None:
    ten = patterns.digits(10, seed=1)
    np.testing.assert_array_equal(ten, patterns.digits(10, seed=1))
    np.testing.assert_array_equal(ten[:4], patterns.digits(4, seed=1))
    assert not np.array_equal(ten, patterns.digits(10, seed=2))


@pytest.mark.parametrize("make", [patterns.digits, patterns.digits_gray])
def test_too_many_digits_says_how_many_there_are(
    make: Callable[[int], NDArray[np.float64]],
) -> None:
    available = len(patterns.digits())
    assert len(make(available)) == available
    with pytest.raises(ValueError, match=f"count is {available + 1}; there are {available}"):
        make(available + 1)


@pytest.mark.parametrize(
    ("count", "error"), [(0, ValueError), (-1, ValueError), (2.0, TypeError), (True, TypeError)]
)
def test_a_count_is_a_positive_integer(count: int, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"count must be a whole number from 1 to "):
        patterns.digits(count)
    with pytest.raises(error, match=r"count must be a whole number from 1 to "):
        patterns.random(count, 4)


def test_missing_scikit_learn_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.delitem(sys.modules, "sklearn.datasets", raising=False)
    patterns._distinct_scans.cache_clear()  # what was read before would need no file
    with pytest.raises(MissingDependencyError, match="pip install scikit-learn"):
        patterns.digits(3)


# Random patterns


def test_random_patterns_are_balanced_signs_of_the_asked_shape() -> None:
    rows = patterns.random(200, 500, seed=5)
    assert rows.shape == (200, 500)
    assert rows.dtype == np.float64
    assert set(np.unique(rows)) == {-1.0, 1.0}
    assert abs(rows.mean()) < 4 / np.sqrt(rows.size)  # four standard deviations of a fair coin
    np.testing.assert_array_equal(rows, patterns.random(200, 500, seed=5))
    assert not np.array_equal(rows, patterns.random(200, 500, seed=6))


def test_random_refuses_an_empty_row() -> None:
    with pytest.raises(ValueError, match=r"size must be .* got 0"):
        patterns.random(3, 0)


@pytest.mark.parametrize(("seed", "error"), [(None, TypeError), (1.5, TypeError), (-1, ValueError)])
def test_a_seed_is_explicit(seed: int, error: type[Exception]) -> None:
    with pytest.raises(error, match="seed must be"):
        patterns.random(2, 3, seed)
    with pytest.raises(error, match="seed must be"):
        patterns.digits(2, seed)
    with pytest.raises(error, match="seed must be"):
        patterns.corrupt(np.ones(3), flip=0.5, seed=seed)


# Corruption


@given(
    rows=st.integers(1, 5),
    size=st.integers(1, 40),
    flip=st.floats(0, 1),
    mask=st.floats(0, 1),
    seed=SEEDS,
)
def test_exact_numbers_of_flipped_and_masked_units(
    rows: int, size: int, flip: float, mask: float, seed: int
) -> None:
    clean = patterns.random(rows, size, seed)
    flipped = patterns.corrupt(clean, flip=flip, seed=seed)
    masked = patterns.corrupt(clean, mask=mask, seed=seed)
    assert ((flipped == -clean).sum(axis=1) == round(flip * size)).all()
    assert ((flipped == clean).sum(axis=1) == size - round(flip * size)).all()
    assert ((masked == 0).sum(axis=1) == round(mask * size)).all()
    assert ((masked == clean).sum(axis=1) == size - round(mask * size)).all()
    # Neither damage depends on the other: both at once is one after the other.
    both = patterns.corrupt(clean, flip=flip, mask=mask, seed=seed)
    np.testing.assert_array_equal(both, np.where(masked == 0, 0.0, flipped))


@settings(max_examples=30)
@given(batch=st.integers(2, 8), taken=st.integers(1, 8), seed=SEEDS)
def test_a_row_does_not_depend_on_its_batch(batch: int, taken: int, seed: int) -> None:
    clean = patterns.random(batch, 12, seed)
    damage = {"flip": 0.3, "mask": 0.2, "noise": 0.5, "seed": seed}
    whole = patterns.corrupt(clean, **damage)  # type: ignore[arg-type]
    part = patterns.corrupt(clean[:taken], **damage)  # type: ignore[arg-type]
    np.testing.assert_array_equal(part, whole[:taken])
    single = patterns.corrupt(clean[0], **damage)  # type: ignore[arg-type]
    np.testing.assert_array_equal(single, whole[0])


def test_rows_of_a_batch_are_damaged_differently() -> None:
    damaged = patterns.corrupt(np.ones((20, 64)), flip=0.25, seed=0)
    assert distinct(damaged) == 20


def test_leading_axes_are_a_batch_and_memory_order_does_not_matter() -> None:
    clean = patterns.random(6, 10)
    damaged = patterns.corrupt(clean, flip=0.3, noise=0.1, seed=4)
    stacked = patterns.corrupt(clean.reshape(2, 3, 10), flip=0.3, noise=0.1, seed=4)
    np.testing.assert_array_equal(stacked.reshape(6, 10), damaged)
    fortran = np.asfortranarray(clean.reshape(2, 3, 10))
    damaged_fortran = patterns.corrupt(fortran, flip=0.3, noise=0.1, seed=4)
    np.testing.assert_array_equal(damaged_fortran, stacked)


def test_corruption_is_deterministic_and_leaves_its_input_alone() -> None:
    clean = patterns.random(4, 30)
    before = clean.copy()
    first = patterns.corrupt(clean, flip=0.2, mask=0.2, noise=1.0, seed=9)
    np.testing.assert_array_equal(clean, before)
    np.testing.assert_array_equal(
        first, patterns.corrupt(clean, flip=0.2, mask=0.2, noise=1.0, seed=9)
    )
    assert not np.array_equal(first, patterns.corrupt(clean, flip=0.2, mask=0.2, noise=1.0, seed=8))


def test_no_damage_is_a_copy() -> None:
    clean = patterns.random(2, 5)
    copy = patterns.corrupt(clean)
    np.testing.assert_array_equal(copy, clean)
    assert not np.shares_memory(copy, clean)


def test_noise_is_added_after_the_flip_and_before_the_mask() -> None:
    clean = patterns.random(50, 400)
    flipped = patterns.corrupt(clean, flip=0.5, seed=2)
    noise = patterns.corrupt(clean, flip=0.5, noise=0.3, seed=2) - flipped
    # 20 000 draws: the deviation of the mean is sigma / 141, that of sigma is sigma / 200.
    assert abs(noise.mean()) < 4 * 0.3 / 141
    assert abs(noise.std() - 0.3) < 4 * 0.3 / 200
    masked = patterns.corrupt(clean, flip=0.5, noise=0.3, mask=0.5, seed=2)
    assert ((masked == 0).sum(axis=1) == 200).all()


def test_flipped_and_masked_units_are_uniform_and_independent() -> None:
    rows, size = 4000, 10
    flipped = patterns.corrupt(np.ones((rows, size)), flip=0.3, seed=11) < 0
    masked = patterns.corrupt(np.ones((rows, size)), mask=0.4, seed=11) == 0
    for fraction, hits in ((0.3, flipped), (0.4, masked), (0.12, flipped & masked)):
        deviation = np.sqrt(fraction * (1 - fraction) / rows)
        np.testing.assert_allclose(hits.mean(axis=0), fraction, atol=4 * deviation)


@pytest.mark.parametrize("name", ["flip", "mask"])
@pytest.mark.parametrize("value", [-0.1, 1.0001, float("nan"), float("inf")])
def test_fractions_outside_the_unit_interval_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must be a finite number >= 0 and <= 1"):
        patterns.corrupt(np.ones(4), **{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("noise", [-0.1, float("nan"), float("inf")])
def test_bad_noise_is_refused(noise: float) -> None:
    with pytest.raises(ValueError, match="noise must be"):
        patterns.corrupt(np.ones(4), noise=noise)


@pytest.mark.parametrize("bad", [[], np.empty((0, 5)), np.empty((5, 0)), 1.0])
def test_empty_patterns_are_refused(bad: object) -> None:
    with pytest.raises(ValueError, match="patterns have shape"):
        patterns.corrupt(bad, flip=0.1)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_patterns_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="NaN or infinity"):
        patterns.corrupt([1.0, bad])


# Overlap


def test_overlap_of_patterns_with_themselves_is_one() -> None:
    rows = patterns.digits(30)
    m = patterns.overlap(rows, rows)
    np.testing.assert_array_equal(np.diag(m), np.ones(30))
    assert (m - np.eye(30) < 1).all()  # the rows are distinct


def test_overlap_counts_the_units_that_differ() -> None:
    clean = patterns.random(1, 64)
    damaged = patterns.corrupt(np.repeat(clean, 3, axis=0), flip=0.25)
    np.testing.assert_array_equal(patterns.overlap(damaged, clean), np.full((3, 1), 0.5))


def test_overlap_keeps_the_leading_axes() -> None:
    rng = np.random.default_rng(0)
    states, rows = rng.normal(size=(2, 3, 5)), rng.normal(size=(4, 5))
    expected = [
        [
            [sum(states[a, b, i] * rows[k, i] for i in range(5)) / 5 for k in range(4)]
            for b in (0, 1, 2)
        ]
        for a in (0, 1)
    ]
    np.testing.assert_allclose(patterns.overlap(states, rows), expected, rtol=1e-13)
    assert patterns.overlap(states[0, 0], rows).shape == (4,)


@pytest.mark.parametrize(
    ("states", "rows"), [((2, 63), (5, 64)), ((64,), (64,)), ((), (5, 64)), ((3, 0), (5, 0))]
)
def test_overlap_errors_name_both_shapes(states: tuple[int, ...], rows: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="states have shape") as error:
        patterns.overlap(np.ones(states), np.ones(rows))
    assert str(states) in str(error.value)
    assert str(rows) in str(error.value)


# Hamming codes


@pytest.mark.parametrize(("n", "k"), [(3, 1), (7, 4), (15, 11)])
def test_hamming_codes_are_perfect_and_linear(n: int, k: int) -> None:
    words = patterns.hamming(n, k)
    assert words.shape == (2**k, n)
    assert set(np.unique(words)) == {-1.0, 1.0}
    members = {tuple(word) for word in words}
    assert len(members) == 2**k
    assert (1.0,) * n in members
    # A linear code is closed under the sum of its generators, here the one-bit messages.
    generators = [words[2**bit] for bit in range(k)]
    assert all(tuple(word * g) in members for word in words for g in generators)
    # The smallest distance of a linear code is the smallest weight of a non-zero word.
    assert sorted((word < 0).sum() for word in words)[1] == 3
    # Perfect: the balls of radius 1 fill the space, each vertex once.
    assert len(words) * (n + 1) == 2**n


def test_hamming_7_4_pair_by_pair() -> None:
    words = patterns.hamming()
    distances = [(a != b).sum() for a, b in itertools.combinations(words, 2)]
    assert min(distances) == 3
    members = {tuple(word) for word in words}
    assert all(tuple(a * b) in members for a in words for b in words)
    # Messages in counting order, the most significant bit first.
    messages = [int("".join("01"[int(u < 0)] for u in word[:4]), 2) for word in words]
    assert messages == list(range(16))


@pytest.mark.parametrize(("n", "k"), [(7, 3), (8, 4), (1, 0), (31, 26), (0, 0)])
def test_other_hamming_codes_are_refused(n: int, k: int) -> None:
    with pytest.raises(ValueError, match=rf"\(n, k\) is \({n}, {k}\)|must be a whole number"):
        patterns.hamming(n, k)
