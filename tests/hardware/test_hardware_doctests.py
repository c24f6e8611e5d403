"""The examples in the docstrings of `hardware`; its Lava part is imported on Python 3.10 only."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["chips", "compare", "planner", "run", "validate"])
def test_examples_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"hardware.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
