"""Vector instructions against NumPy; a cue has the same bits alone and in a group."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import llvmlite.binding as llvm  # type: ignore[import-untyped]
import numba
import numpy as np
import pytest

from amsim.compiled import products
from amsim.compiled.jit import compiled, inner, inner_elementwise, vectorised
from amsim.compiled.products import (
    LANES,
    ROWS,
    TOGETHER,
    products_of_group,
    products_of_one,
    sum_of_group,
    sum_of_one,
)
from amsim.compiled.vectors import WIDTH, exponential, larger, shift_and_scale

Array = np.ndarray[Any, Any]
TYPES = [
    (np.int8, np.float32), (np.int8, np.float64), (np.float32, np.float32),
    (np.float32, np.float64), (np.float64, np.float64),
]  # fmt: skip
# Below, at and beside whole vectors and tiles, in float32 and in float64.
WIDTHS = [16, 17, 31, 32, 33, 63, 64, 65, 100]


@compiled
def project(alone: Any, weights: Any, first: Any, block: Any, count: Any, query: Any, out: Any):
    if alone:
        for c in range(TOGETHER):
            products_of_one(weights, first, block, count, query, 1 + c, out[c : c + 1])
    else:
        products_of_group(weights, first, block, count, query, 1, out)


@compiled
def combine(alone: Any, weights: Any, first: Any, block: Any, rows: Any, shares: Any, out: Any):
    if alone:
        for c in range(TOGETHER):
            sum_of_one(weights, first, block, rows, len(rows), shares, c, out)
    else:
        sum_of_group(weights, first, block, rows, len(rows), shares, 0, out)


def memories(stored: Any, width: int) -> Array:
    """Twenty rows; those that are read begin with the third."""
    rng = np.random.default_rng(width)
    whole = rng.integers(-127, 128, size=(20, width))
    return (
        whole.astype(stored) if stored == np.int8 else rng.normal(size=whole.shape).astype(stored)
    )


@pytest.mark.parametrize("count", [1, 4, 7, 8, 9, 18])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("stored", "kind"), TYPES)
def test_products(stored: Any, kind: Any, width: int, count: int) -> None:
    check_products(stored, kind, width, count)


@pytest.mark.parametrize("registers", [(128, 16), (128, 32), (256, 16), (512, 32)])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_registers_of_any_kind(kind: Any, registers: tuple[int, int], monkeypatch: Any) -> None:
    """Those of other processors: what this one lacks LLVM takes in parts."""
    monkeypatch.setattr(products, "_registers", lambda context: registers)
    project_anew, combine_anew = numba.njit(project.py_func), numba.njit(combine.py_func)
    for count in (1, 7, 8, 18):
        check_products(np.int8, kind, 33, count, project_anew)
    for width in (*WIDTHS, 47, 48, 49, 95, 96, 97):
        check_sums(np.int8, kind, width, combine_anew)


def assembly(function: Any, processor: str, triple: str) -> list[str]:
    """What the compiled code of a function would be on another processor, with remarks."""
    code = re.sub("target .*", "", next(iter(function.inspect_llvm().values())))
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        target = llvm.Target.from_triple(triple)
    except RuntimeError:
        pytest.skip(f"this LLVM knows no {triple}")
    machine = target.create_target_machine(cpu=processor, opt=3)
    machine.set_asm_verbosity(True)
    module = llvm.parse_assembly(code)
    module.triple, module.data_layout = triple, str(machine.target_data)
    return str(machine.emit_assembly(module)).splitlines()


def innermost_loops(lines: list[str]) -> list[list[str]]:
    """Code from a label to a jump back to it, without a smaller such piece within."""
    labels: dict[str, int] = {}
    loops: list[tuple[int, int]] = []
    for i, line in enumerate(lines):
        if found := re.match(r"(\.LBB\w+):", line):
            labels[found[1]] = i
        elif (found := re.match(r"\s+[a-z.]+\s.*(\.LBB\w+)\b", line)) and found[1] in labels:
            begin = labels[found[1]]
            if not any(begin <= first for first, _ in loops):
                loops.append((begin, i))
    return [lines[begin : end + 1] for begin, end in loops]


@pytest.mark.parametrize(
    ("processor", "triple", "registers"),
    [
        ("haswell", "x86_64-unknown-linux-gnu", (256, 16)),
        ("znver3", "x86_64-unknown-linux-gnu", (256, 16)),
        ("skylake-avx512", "x86_64-unknown-linux-gnu", (512, 32)),
        ("apple-m1", "aarch64-unknown-linux-gnu", (128, 32)),
    ],
)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_sums_of_a_group_stay_in_registers(
    kind: Any, processor: str, triple: str, registers: tuple[int, int]
) -> None:
    for function in group_for(kind, registers):
        loops = innermost_loops(assembly(function, processor, triple))
        loops = [x for x in loops if sum("fma" in y or "fmla" in y for y in x) >= 3 * TOGETHER]
        assert loops
        for loop in loops:
            assert [
                line for line in loop if re.search("(16|32|64)-byte .*(Spill|Reload)", line)
            ] == []


@cache
def group_for(kind: Any, registers: tuple[int, int]) -> tuple[Any, Any]:
    """Both products of a group, compiled for so many registers of this width."""
    plain = numba.njit(_nrt=False)  # what counts arrays has instructions of this processor
    weights, query, rows = np.zeros((64, 64), kind), np.zeros((8, 64), kind), np.arange(64)
    project_anew, combine_anew = plain(project_group), plain(combine_group)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "_registers", lambda context: registers)
        project_anew(weights, weights, 64, query, np.zeros((TOGETHER, 64 + ROWS), kind))
        combine_anew(weights, weights, rows, query, np.zeros((TOGETHER, 64), kind))
    return project_anew, combine_anew


def project_group(weights: Any, block: Any, count: Any, query: Any, out: Any):
    products_of_group(weights, 0, block, count, query, 1, out)


def combine_group(weights: Any, block: Any, rows: Any, shares: Any, out: Any):
    sum_of_group(weights, 0, block, rows, len(rows), shares, 0, out)


def check_products(stored: Any, kind: Any, width: int, count: int, project: Any = project) -> None:
    weights, rng = memories(stored, width), np.random.default_rng(count)
    query = rng.normal(size=(TOGETHER + 2, width)).astype(kind)
    block = weights[2 : 2 + count].astype(kind)
    outs = [np.full((TOGETHER, 18 + ROWS), np.nan, kind) for _ in range(2)]
    for alone, out in enumerate(outs):
        project(bool(alone), weights, 2, block, count, query, out)
    exact = query[1 : 1 + TOGETHER].astype(float) @ weights[2 : 2 + count].T.astype(float)
    scale = np.abs(query[1 : 1 + TOGETHER]).astype(float) @ np.abs(block.T).astype(float)
    assert (np.abs(outs[0][:, :count] - exact) <= 8 * np.finfo(kind).eps * scale).all()
    np.testing.assert_array_equal(outs[0][:, :count], outs[1][:, :count])


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("stored", "kind"), TYPES)
def test_sums(stored: Any, kind: Any, width: int) -> None:
    check_sums(stored, kind, width)


def check_sums(stored: Any, kind: Any, width: int, combine: Any = combine) -> None:
    """Rows that do not count may be left out of the list: no bit of the sum changes."""
    weights, rng = memories(stored, width), np.random.default_rng(0)
    shares = rng.random((TOGETHER, 18)).astype(kind)
    shares[:, [0, 3, 4, 17]] = 0.0
    block = weights[2:].astype(kind)
    whole, listed = np.arange(18), np.flatnonzero(shares[0])
    outs = [np.full((TOGETHER, width), np.nan, kind) for _ in range(3)]
    combine(False, weights, 2, block, whole, shares, outs[0])
    combine(True, weights, 2, block, whole, shares, outs[1])
    combine(True, weights, 2, block, listed, shares, outs[2])
    exact = shares.astype(float) @ weights[2:].astype(float)
    scale = shares.astype(float) @ np.abs(weights[2:]).astype(float)
    assert (np.abs(outs[0] - exact) <= 8 * np.finfo(kind).eps * scale).all()
    np.testing.assert_array_equal(outs[0], outs[1])
    np.testing.assert_array_equal(outs[0], outs[2])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_stays(bad: float) -> None:
    weights = memories(np.int8, LANES)
    query, out = np.ones((TOGETHER + 2, LANES)), np.zeros((TOGETHER, 18 + ROWS))
    query[2, 5] = bad
    project(False, weights, 0, weights.astype(float), 18, query, out)
    assert not np.isfinite(out[1, :18][weights[:18, 5] != 0]).any()
    assert np.isfinite(out[[0, 2, 3]]).all()


@inner_elementwise
def exponentials(x: Any, out: Any):
    for i in range(len(x)):
        out[i] = exponential(x[i])


@vectorised
def largest(x: Any):
    found = x[0]
    for i in range(len(x)):
        found = larger(found, x[i])
    return found


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_exponential(kind: Any) -> None:
    lowest = -87 if kind == np.float32 else -708
    x = np.concatenate([np.linspace(lowest, 0, 200_001), -np.geomspace(1e-30, 1, 5001)])
    x = x.astype(kind)
    out = np.empty_like(x)
    exponentials(x, out)
    exact = np.exp(x.astype(np.longdouble))
    assert (np.abs(out - exact) <= 2 * np.spacing(exact.astype(kind))).all()
    ends = np.array([0.0, -0.0, -np.inf, 10.0 * lowest], kind)
    exponentials(ends, ends)
    assert ends[:2].tolist() == [1.0, 1.0]
    assert (ends[2:] > 0).all()
    assert (ends[2:] < 1e-37).all()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_larger(kind: Any) -> None:
    x = np.random.default_rng(0).normal(size=101).astype(kind)
    for length in range(1, 102):
        assert largest(x[:length]) == x[:length].max()


@compiled
def take_below(x: Any, y: Any, k: Any, stop: Any, shifted: Any, scaled: Any, place: Any):
    return shift_and_scale(x, y, k, 0.1, 3.0, stop, shifted, scaled, place)


def test_shift_and_scale_counts_up_to_the_first_that_is_not_below() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 4 * WIDTH))
    x[5] = np.nan
    for k in range(3 * WIDTH):
        for stop in (-10.0, -0.5, x[k] + 0.1, 0.5, 10.0):
            shifted, scaled = np.zeros((2, 2 * WIDTH))
            found = take_below(x, y, k, stop, shifted, scaled, 3)
            numbers = x[k : k + WIDTH] + 0.1
            assert found == np.argmin([*(numbers < stop), False])
            for out, expected in ((shifted, numbers), (scaled, 3.0 * y[k : k + WIDTH])):
                np.testing.assert_array_equal(out[3 : 3 + WIDTH], expected)
                assert not out[:3].any()
                assert not out[3 + WIDTH :].any()


def test_an_inner_function_can_be_called_from_python_and_by_others() -> None:
    @inner
    def twice(x: Any) -> Any:
        return 2 * x

    @compiled
    def four_times(x: Any) -> Any:
        return twice(twice(x))

    assert four_times(3) == 12
    assert twice(3.5) == 7.0
    assert four_times(1.5) == 6.0
