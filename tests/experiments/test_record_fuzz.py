"""A few of the edits of `benchmarks/record_fuzz.py`, which has a command for many."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_edited_records_end_with_a_code_and_a_line():
    spec = importlib.util.spec_from_file_location("fuzz", ROOT / "benchmarks/record_fuzz.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    ends = list(module.fuzz(6, seed=1, kinds=("record", "log", "data")))
    assert len(ends) == 3 * 6
    assert sum(code == 2 for _, _, code in ends) > 6
