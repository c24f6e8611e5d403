"""Compiled functions say what each of their arguments is, where these are more than six.

Arguments of compiled code have no types, and a dozen of them meet by position alone.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

HOME = Path(__file__).parents[2]
MOST = 6
JIT = (HOME / "amsim" / "compiled" / "jit.py").read_text(encoding="utf-8")
FAMILY = set(re.findall(r"^(\w+) = _(?:inner_)?decorator\(", JIT, re.MULTILINE))
# Where a decorator of the family may stand: other files need not be parsed.
USES = re.compile(rf"@(?:\w+\.)*(?:{'|'.join(sorted(FAMILY))})\b")


def decorated(function: ast.FunctionDef) -> bool:
    """Whether a decorator of the family, called or not, compiles it."""
    names = (ast.unparse(x).partition("(")[0] for x in function.decorator_list)
    return any(name.rpartition(".")[2] in FAMILY for name in names)


def described(function: ast.FunctionDef) -> set[str]:
    """The names in the section "Parameters" of its docstring."""
    text = ast.get_docstring(function) or ""
    _, _, section = text.partition("Parameters\n----------\n")
    section = re.split(r"\n\n\w+\n-{4,}\n", section)[0]
    heads = (line.partition(" : ")[0] for line in section.splitlines() if line[:1] not in ("", " "))
    return {name.strip() for head in heads for name in head.split(",")}


def undescribed(source: str) -> list[str]:
    """``function: argument`` for all that is missing."""
    if not USES.search(source):
        return []
    functions = (x for x in ast.walk(ast.parse(source)) if isinstance(x, ast.FunctionDef))
    missing = []
    for function in filter(decorated, functions):
        every = function.args
        names = [x.arg for x in (*every.posonlyargs, *every.args, *every.kwonlyargs)]
        if len(names) > MOST:
            known = described(function)
            missing += [f"{function.name}: {name}" for name in names if name not in known]
    return missing


def test_every_argument_is_described():
    files = [
        x for room in ("amsim", "hardware", "experiments") for x in HOME.glob(f"{room}/**/*.py")
    ]
    found = {str(x.relative_to(HOME)): undescribed(x.read_text("utf-8")) for x in files}
    assert {"compiled", "allocating", "inlined", "vectorised"} <= FAMILY
    assert {file: names for file, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("decorator", "text", "missing"),
    [
        ("@compiled", "What it does.", "abcdefg"),
        ("@jit.inlined", "Parameters\n----------\na, b, c, d : int\n    With e, f, g.", "efg"),
        ("@compiled", "Parameters\n----------\na, b, c, d, e, f : int\ng\n    Last.", ""),
        ("@compiled", "Parameters\n----------\na, b, c, d, e, f\n\nReturns\n-------\ng : int", "g"),
        ("@other", "What it does.", ""),
    ],
)
def test_a_missing_description_is_found(decorator: str, text: str, missing: str):
    source = f'{decorator}\ndef f(a, b, c, d, e, f, g):\n    """{text}"""\n'
    assert undescribed(source) == [f"f: {name}" for name in missing]
