"""One place decides what an argument is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amsim import checks

MASKED = np.ma.masked_array([1.0, 2.0], mask=[False, True])
NOT_REAL = {
    "masked": MASKED,
    "list of masked rows": [MASKED, MASKED],
    "list of lists of masked rows": [[[MASKED]], [[MASKED]]],
    "masked entry": [1.0, np.ma.masked],
    "complex": np.array([1 + 0j]),
    "boolean": np.array([True]),
    "boolean among numbers": [1.0, True],
    "boolean in a row": [(1, 2), (np.False_, 2)],
    "row of booleans": [np.array([True, False]), np.array([0.5, 1.0])],
    "text": ["1", "2"],
    "bytes": [b"1"],
    "date": np.array(["2020-01-01"], dtype="datetime64[D]"),
    "difference": np.array([1], dtype="timedelta64[s]"),
    "object": [1.0, None],
    "long integers": [10**30],
    "none": None,
    "uneven": [[1.0], [1.0, 2.0]],
    "record": np.zeros(1, dtype=[("x", float)]),
    "function": len,
}


@pytest.mark.parametrize("value", NOT_REAL.values(), ids=NOT_REAL)
def test_what_holds_no_real_numbers_is_refused_by_name(value: object) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^the cue "):
        checks.array("the cue", value)


@pytest.mark.parametrize("dtype", [np.int8, np.uint64, np.float16, np.float32, np.longdouble])
def test_real_numbers_of_any_precision_become_float64(dtype: type) -> None:
    found = checks.array("x", np.array([[1, 2]], dtype=dtype), ndim=2)
    assert found.dtype == np.float64
    assert found.tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize("value", [np.nan, np.inf, np.longdouble(10) ** 400])
def test_numbers_beyond_the_range_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"^x must be finite"):
        checks.array("x", [value])


def test_an_owned_array_cannot_be_changed() -> None:
    given = np.arange(3.0)
    kept = checks.owned(given)
    given[:] = 7
    assert kept.tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        kept.flags.writeable = True


@pytest.mark.parametrize("shape", [(), (0, 3), (7,), (5, 3)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int8, bool, "M8[s]"])
def test_an_owned_array_begins_a_line_of_the_cache(shape: tuple[int, ...], dtype: Any) -> None:
    given = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    for order in (given, given.copy("F")):
        kept = checks.owned(order)
        assert kept.dtype == given.dtype
        assert kept.flags.c_contiguous
        assert kept.size == 0 or kept.ctypes.data % 64 == 0
        np.testing.assert_array_equal(kept, given)


def test_an_owned_array_of_objects_cannot_be_changed() -> None:
    given = np.array([["a", None], ["b", 2]], dtype=object)
    kept = checks.owned(given)
    given[0, 0] = "c"
    assert kept.tolist() == [["a", None], ["b", 2]]
    with pytest.raises(ValueError, match="read-only"):
        kept[0, 0] = "c"
    with pytest.raises(ValueError, match="WRITEABLE"):
        kept.flags.writeable = True


@pytest.mark.parametrize("value", [8, np.int64(8), np.uint8(8), np.array(8)])
def test_whole_numbers_become_ints(value: object) -> None:
    assert type(checks.count("bits", value)) is int
    assert checks.count("bits", value) == 8
    assert type(checks.number("bits", value)) is float


@pytest.mark.parametrize("value", [8.0, np.float64(8), True, np.True_, "8", None, [8], 8 + 0j])
def test_what_is_no_whole_number_is_no_count(value: object) -> None:
    with pytest.raises(TypeError, match=r"^bits must be a whole number from 1 to 2"):
        checks.count("bits", value)


@pytest.mark.parametrize("value", [0, -1, 2**53 + 1, 10**30, pytest.param(10**5000, id="long")])
def test_counts_have_limits_that_are_said(value: int) -> None:
    with pytest.raises(ValueError, match=r"^steps must be a whole number from 1 to 2\*\*53, got "):
        checks.count("steps", value)


@pytest.mark.parametrize("value", [True, "1", None, 1j, [1.0], MASKED[:1], np.array(["1"])])
def test_what_is_no_number(value: object) -> None:
    with pytest.raises(TypeError, match=r"^tau must be a finite number > 0, got"):
        checks.number("tau", value, above=0)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0, -1.0, 10**400])
def test_numbers_have_limits(value: float) -> None:
    with pytest.raises(ValueError, match=r"^tau must be a finite number > 0, got"):
        checks.number("tau", value, above=0)


@pytest.mark.parametrize("value", ["no", "", 1, 0, None, np.ones(2), []])
def test_flags_are_true_or_false(value: object) -> None:
    with pytest.raises(TypeError, match=r"^certified must be True or False, got"):
        checks.flag("certified", value)
    assert checks.flag("certified", np.True_) is True


@pytest.mark.parametrize("value", ["", "c", None, 1, np.array(["a", "b"]), ["a"]])
def test_choices_are_listed(value: object) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^order must be 'a' or 'b', got"):
        checks.choice("order", value, ("a", "b"))
    assert checks.choice("order", np.str_("a"), ("a", "b")) == "a"


@pytest.mark.parametrize("value", ["", None, 3, b"a", "a\0b", True])
def test_paths_have_a_name(value: object) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^path must be a path"):
        checks.path("path", value)
    assert checks.path("path", "a") == Path("a")


def test_one_seed_gives_the_same_draws_in_every_call() -> None:
    for seed in (7, np.int64(7), np.random.SeedSequence(7), np.random.SeedSequence(7).spawn(2)[1]):
        draws = [checks.generator(seed).random(3).tolist() for _ in range(2)]
        assert draws[0] == draws[1]
        children = [checks.seed_sequence(seed).spawn(1)[0].generate_state(1) for _ in range(2)]
        assert children[0] == children[1]
        assert checks.seed_number(seed) == checks.seed_number(seed)
    assert np.random.default_rng(7).random() == checks.generator(7).random()


def test_a_generator_moves_on() -> None:
    rng = np.random.default_rng(1)
    assert checks.generator(rng) is rng
    assert checks.seed_number(rng) != checks.seed_number(rng)
    again = np.random.default_rng(1)
    assert checks.seed_number(again) == checks.seed_number(np.random.default_rng(1))


@pytest.mark.parametrize("value", [None, -1, 2**64, 1.0, True, "1", [1, 2], np.random])
def test_other_seeds_are_refused(value: object) -> None:
    for read in (checks.seed_sequence, checks.generator, checks.seed_number):
        with pytest.raises((TypeError, ValueError), match=r"^seed must be a whole number"):
            read(value)


def test_units_are_a_mask_or_different_indices() -> None:
    assert checks.units("clamp", [0, -1], (3,)).tolist() == [True, False, True]
    assert checks.units("clamp", [], (3,)).tolist() == [False, False, False]
    assert checks.units("clamp", [True, False, True], (3,)).tolist() == [True, False, True]
    for odd in ([0, 1, 1], [0, 1, 1, 0], [1, -2], [[0, 1]], [0, 1.0], [5]):
        with pytest.raises((TypeError, ValueError), match=r"^clamp must "):
            checks.units("clamp", odd, (3,))
    with pytest.raises(ValueError, match="pass them as booleans"):
        checks.units("clamp", [0, 1], (2,))


def test_sizes_that_no_machine_holds_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^the patterns would have 100000 x 100000 values"):
        checks.room("the patterns", 10**5, 10**5)
