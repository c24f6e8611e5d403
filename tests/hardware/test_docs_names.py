"""Names and files that the documents of hardware mention exist."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import amsim as am
import hardware as hw
from hardware import export

ROOT = Path(__file__).parents[2]
# What begins names in the documents, and what stands behind it.
ROOTS = {"am": am, "hw": hw, "export": export, "Plan": hw.Plan}
PACKAGES = ("amsim", "hardware", "experiments")
# Not names of Python.
OTHERS = ("amsim.backends", "hardware.md", "export.md", "experiments.md")


def resolve(name: str) -> object:
    """An attribute of a known root, or a module of a package and an attribute of it."""
    head, *rest = name.split(".")
    found = ROOTS[head] if head in ROOTS else importlib.import_module(head)
    for i, part in enumerate(rest):
        if not hasattr(found, part):
            importlib.import_module(".".join([head, *rest[: i + 1]]))
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("document", ["lava", "hardware", "placement", "export"])
def test_names_exist(document: str) -> None:
    text = (ROOT / "docs" / f"{document}.md").read_text(encoding="utf-8")
    heads = "|".join([*ROOTS, *PACKAGES])
    names = set(re.findall(rf"(?<![\w./-])(?:{heads})(?:\.[A-Za-z_]\w*)+", text)) - set(OTHERS)
    assert names
    for name in sorted(names):
        try:
            resolve(name)
        except (AttributeError, ImportError):
            pytest.fail(f"docs/{document}.md mentions {name}, which does not exist")


@pytest.mark.parametrize("document", ["lava", "hardware", "placement", "export"])
def test_files_exist(document: str) -> None:
    text = (ROOT / "docs" / f"{document}.md").read_text(encoding="utf-8")
    files = set(re.findall(r"(?<!/)\b(?:benchmarks|hardware|docs|amsim)/[\w/]+\.(?:py|md)", text))
    missing = [name for name in files if not (ROOT / name).exists()]
    assert not missing


def test_a_name_that_does_not_exist_is_noticed() -> None:
    with pytest.raises((AttributeError, ImportError)):
        resolve("hardware.run.prepare")
