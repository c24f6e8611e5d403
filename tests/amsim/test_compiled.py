"""The cache of compiled code follows the sources, and the shared arithmetic is what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amsim.compiled import draws, jit, streams

# A package whose outer function calls one that stands in another file, by another package's name.
SOURCES = {
    "__init__.py": "",
    "outer.py": (
        "from amsim.compiled.jit import compiled\n"
        "from . import inner\n"
        "from .inner import (  # names in brackets, too\n    FACTOR,\n)\n"
        "add = inner.add\n"
        "@compiled\ndef outer(x):\n    return FACTOR * add(x)\n"
    ),
    "inner.py": (
        "from amsim.compiled.jit import compiled\n"
        "FACTOR = 1\n"
        "@compiled\ndef add(x):\n    return x + 1\n"
    ),
    "other.py": "unrelated = 1\n",
}
CALL = (
    "import sys; from amsim.compiled import jit; jit.PACKAGES = ('cached_package',);"
    "from cached_package.outer import outer as f;"
    "kept = jit.on_disk(f, 1), jit.on_disk(f, 1.0); print(f(1), *kept)"
)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "cached_package"
    folder.mkdir()
    for name, text in SOURCES.items():
        (folder / name).write_text(text)
    return folder


def call(package: Path, code: str = CALL, **environment: str) -> str:
    done = start(package, code, **environment).communicate(timeout=120)
    return done[0].strip() or done[1]


def start(package: Path, code: str, **environment: str) -> Any:
    import os

    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=package.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def test_an_edit_of_what_is_called_in_another_file_recompiles(package: Path) -> None:
    assert call(package) == "2 False False"
    assert call(package) == "2 True False"  # kept, for integers and not for floats
    (package / "other.py").write_text("unrelated = 2\n")
    assert call(package) == "2 True False"  # nothing that the function uses
    inner = package / "inner.py"
    inner.write_text(SOURCES["inner.py"].replace("x + 1", "x + 2"))
    assert call(package) == "3 False False"
    inner.write_text(SOURCES["inner.py"].replace("FACTOR = 1", "FACTOR = 7"))
    assert call(package) == "14 False False"


def test_processes_that_compile_at_once_do_not_mix_up_their_code(package: Path) -> None:
    values = ("1", "1.5", "True", "numpy.int8(1)")
    code = "import numpy; " + CALL.partition("kept")[0] + "print(f({}))"
    first = [start(package, code.format(value)) for value in values]
    printed = [process.communicate(timeout=120)[0].strip() for process in first]
    assert printed == ["2", "2.5", "2", "2"]
    again = "kept = [jit.on_disk(f, x) for x in (1, 1.5, True, numpy.int8(1))]; print(kept, f(1.5))"
    assert call(package, code.replace("print(f({}))", again)) == "[True, True, True, True] 2.5"


def test_a_damaged_cache_is_compiled_anew(package: Path) -> None:
    call(package)
    files = [*package.rglob("outer.*.nb[ic]"), *package.rglob("inner.*.nb[ic]")]
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[:50])
    assert call(package) == "2 False False"


def test_without_a_folder_code_stays_in_memory(package: Path) -> None:
    blocked = package.parent / "file"
    blocked.write_text("")
    code = CALL + "; print(jit.cache_folder(f))"
    (package / "__pycache__").write_text("")  # where the folder would be
    environment = {"NUMBA_CACHE_DIR": str(blocked), "XDG_CACHE_HOME": str(blocked)}
    assert call(package, code, **environment, HOME=str(blocked)) == "2 False False\nNone"


def test_the_answer_is_for_the_types_of_a_call() -> None:
    @jit.compiled
    def twice(x: Any) -> Any:
        return 2 * x

    assert not jit.in_memory(twice)
    twice(1.0)
    assert jit.in_memory(twice)
    assert jit.in_memory(twice, 3.5)
    assert not jit.in_memory(twice, 3)
    assert jit.in_memory(len, "anything that is not compiled")


def test_sources_of_the_engines_are_seen() -> None:
    import amsim.dynamics.events.engine.loop  # noqa: F401

    seen = jit.sources("amsim.dynamics.events.engine.loop")
    layout = "amsim.dynamics.events.layout.arrays"
    assert {layout, "amsim.compiled.draws", "amsim.compiled.jit"} <= seen
    assert "amsim.gallery" not in seen


def test_draws_in_compiled_code_equal_those_of_arrays() -> None:
    counters = np.arange(50, dtype=np.uint64)
    key = draws.stream(3, draws.DELAY)
    together = draws.uniform(3, draws.DELAY, 50)
    one_by_one = [streams.unit_interval(np.uint64(streams.mixed(key, c))) for c in counters]
    np.testing.assert_array_equal(together, one_by_one)
