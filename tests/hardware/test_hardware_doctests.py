"""The examples in the docstrings of `hardware`, but for its Lava part."""

from __future__ import annotations

import doctest
import importlib

import pytest

NAMES = [
    "chip_tables",
    "chips",
    "compare",
    "cost",
    "cost_table",
    "placement.place",
    "placement.result",
    "planner",
    "run",
    "validate",
]


@pytest.mark.parametrize("name", NAMES)
def test_examples_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"hardware.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
