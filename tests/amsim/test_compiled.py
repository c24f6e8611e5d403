"""The cache of compiled code follows the sources, and the shared arithmetic is what it says."""

from __future__ import annotations

import gc
import itertools
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba.core.compiler import Compiler
from numba.core.errors import TypingError

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
    "from amsim.compiled import jit; jit.PACKAGES = ('cached_package',);"
    "from cached_package.outer import outer as f;"
    "kept = jit.on_disk(f, 1), jit.on_disk(f, 1.0); answer((f(1), *kept))"
)

# Each call runs in a new process.
METHODS = multiprocessing.get_all_start_methods()
CONTEXT: Any = multiprocessing.get_context("forkserver" if "forkserver" in METHODS else "spawn")


@pytest.fixture(scope="module", autouse=True)
def numba_is_ready(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Fork processes of one that has compiled: importing most of numba takes longest."""
    if "forkserver" not in METHODS:
        return
    from multiprocessing import forkserver

    folder = tmp_path_factory.mktemp("ready")
    (folder / "ready_to_compile.py").write_text("import numba\nnumba.njit(lambda: None)()\n")
    CONTEXT.set_forkserver_preload(["amsim.compiled.jit", "ready_to_compile"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        forkserver.ensure_running()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "cached_package"
    folder.mkdir()
    for name, text in SOURCES.items():
        (folder / name).write_text(text)
    return folder


def call(package: Path, code: str = CALL) -> Any:
    """What code beside the package hands to `answer`."""
    return start(package, code)()


def start(package: Path, code: str) -> Callable[[], Any]:
    answers, connection = CONTEXT.Pipe(duplex=False)
    beside = (
        f"import sys; sys.path.insert(0, {str(package.parent)!r}); answer = connection.send;"
        "sys.dont_write_bytecode = True;"  # a second edit within a second would be overlooked
        "import numba; numba.config.CACHE_DIR = '';"  # also where NUMBA_CACHE_DIR is set
    )
    process = CONTEXT.Process(target=exec, args=(beside + code, {"connection": connection}))
    process.start()
    connection.close()

    def finish() -> Any:
        process.join(120)
        return answers.recv()

    return finish


def test_an_edit_of_what_is_called_in_another_file_recompiles(package: Path) -> None:
    assert call(package) == (2, False, False)
    assert call(package) == (2, True, False)  # kept, for integers and not for floats
    (package / "other.py").write_text("unrelated = 2\n")
    assert call(package) == (2, True, False)  # nothing that the function uses
    inner = package / "inner.py"
    inner.write_text(SOURCES["inner.py"].replace("x + 1", "x + 2"))
    assert call(package) == (3, False, False)
    inner.write_text(SOURCES["inner.py"].replace("FACTOR = 1", "FACTOR = 7"))
    assert call(package) == (14, False, False)


def test_processes_that_compile_at_once_do_not_mix_up_their_code(package: Path) -> None:
    values = ("1", "1.5", "True", "numpy.int8(1)")
    code = "import numpy; " + CALL.partition("kept")[0]
    running = [start(package, f"{code} answer(f({value}))") for value in values]
    assert [finish() for finish in running] == [2, 2.5, 2, 2]
    again = f"{code} answer(([jit.on_disk(f, x) for x in ({', '.join(values)})], f(1.5)))"
    assert call(package, again) == ([True, True, True, True], 2.5)


LINKED = {
    "shared.py": (
        "from amsim.compiled.jit import linked\n"
        "@linked\ndef shared(x):\n"
        "    if x < 0:\n        raise ValueError('below zero')\n"
        "    return x + 10\n"
    ),
    "middle.py": (
        "from amsim.compiled.jit import compiled, inner\n"
        "from .shared import shared\n"
        "@inner\ndef within(x):\n    return 2 * shared(x)\n"
        "@compiled\ndef middle(x):\n    return within(x)\n"
    ),
    "above.py": (
        "from amsim.compiled.jit import compiled\n"
        "from .middle import middle\n"
        "@compiled\ndef above(x):\n    return middle(x) + 1\n"
    ),
}
LINKS = (
    "from amsim.compiled import jit; from amsim.compiled.linked import library_of;"
    "jit.PACKAGES = ('cached_package',);"
    "from cached_package import shared, middle, above;"
    "kept = [jit.on_disk(f, 1) for f in (shared.shared, middle.middle, above.above)];"
    "defined = lambda f: [x.name for c in f.overloads.values()"
    " for x in library_of(c).get_defined_functions() if 'shared' in x.name];"
)


def test_linked_code_is_loaded_with_its_callers(package: Path) -> None:
    for name, text in LINKED.items():
        (package / name).write_text(text)
    assert call(package, f"{LINKS} answer((middle.middle(1), kept))") == (22, [False] * 3)
    assert call(package, f"{LINKS} answer((middle.middle(1), kept))") == (22, [True, True, False])
    # Compiled with code that comes from the cache, and what that links.
    assert call(package, f"{LINKS} answer((above.above(1), kept))") == (23, [True, True, False])
    assert call(package, f"{LINKS} answer((above.above(1), kept))") == (23, [True] * 3)
    for file in package.rglob("shared.*.nb[ic]"):
        file.unlink()
    assert call(package, f"{LINKS} answer((above.above(1), kept))") == (23, [False, True, True])
    (package / "shared.py").write_text(LINKED["shared.py"].replace("x + 10", "x + 20"))
    assert call(package, f"{LINKS} answer((above.above(1), kept))") == (43, [False] * 3)


def test_linked_code_is_translated_once_and_raises(package: Path) -> None:
    for name, text in LINKED.items():
        (package / name).write_text(text)
    refuse = (
        f"{LINKS} found = (above.above(1), middle.middle(2.5), shared.shared(3))\n"
        "try: above.above(-1)\n"
        "except ValueError as error: said = str(error)\n"
        "answer((found, said, defined(above.above), defined(middle.middle)))"
    )
    assert call(package, refuse) == ((23, 25.0, 13), "below zero", [], [])


def test_a_damaged_cache_is_compiled_anew(package: Path) -> None:
    call(package)
    files = [*package.rglob("outer.*.nb[ic]"), *package.rglob("inner.*.nb[ic]")]
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[:50])
    assert call(package) == (2, False, False)


def test_without_a_folder_code_stays_in_memory(package: Path) -> None:
    blocked = package.parent / "file"
    blocked.write_text("")
    (package / "__pycache__").write_text("")  # where the folder would be
    environment = {
        name: str(blocked) for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "HOME")
    }  # which numba reads when it is imported
    done = subprocess.run(
        [sys.executable, "-c", f"answer = print; {CALL}; print(jit.cache_folder(f))"],
        cwd=package.parent, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip
    assert done.stdout == "(2, False, False)\nNone\n", done.stderr


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


@pytest.mark.parametrize("decorate", [jit.compiled, jit.allocating, jit.inner])
def test_extremes_of_numbers_are_those_of_python(decorate: Any) -> None:
    """Also of NaN, of numbers of several types, and of one that is written out.

    Three numbers are of one type or of three: each pair of types is there, in a third of the time.
    """

    def extremes(a: Any, b: Any, c: Any) -> Any:
        return max(a, b), min(a, b), max(a, b, c), min(c, b, a), max(a, 2), min(1.5, b)

    function = decorate(extremes)
    numbers: list[Any] = [np.nan, -1.5, 0.0, -0.0, 2.0, np.inf, 1, 3, -4, True]
    for a, b, c in itertools.product(numbers, repeat=3):
        if len({type(each) for each in (a, b, c)}) == 2:
            continue
        found, expected = function(a, b, c), extremes(a, b, c)
        np.testing.assert_array_equal(found, expected)
        assert np.signbit(found).tolist() == np.signbit(expected).tolist()


def test_no_garbage_is_searched_while_numba_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where that fails; a user who has switched the search off finds it off."""
    found: list[bool] = []

    def watch(name: str) -> None:
        plain = getattr(Compiler, name)

        def call(self: Compiler, *arguments: Any) -> Any:
            found.append(gc.isenabled())
            return plain(self, *arguments)

        monkeypatch.setattr(Compiler, name, call)

    watch("__init__")  # the first one imports most of numba
    watch("compile_extra")
    try:
        for switch in (gc.enable, gc.disable):
            switch()
            assert jit.compiled(lambda x: x + 1)(1) == 2
            with pytest.raises(TypingError):
                jit.compiled(lambda x: x.nothing)(1)
            assert (found[-4:], gc.isenabled()) == ([False] * 4, switch is gc.enable)
    finally:
        gc.enable()


def test_sources_of_the_engines_are_seen() -> None:
    import amsim.dynamics.events.engine.loop  # noqa: F401

    seen = jit.sources("amsim.dynamics.events.engine.loop")
    layout = "amsim.dynamics.events.layout.arrays"
    assert {layout, "amsim.compiled.draws", "amsim.compiled.jit"} <= seen
    assert {"amsim.public", "amsim.plot", "amsim.dynamics.simulate"}.isdisjoint(seen)


def test_draws_in_compiled_code_equal_those_of_arrays() -> None:
    counters = np.arange(50, dtype=np.uint64)
    key = draws.stream(3, draws.DELAY)
    together = draws.uniform(3, draws.DELAY, 50)
    one_by_one = [streams.unit_interval(np.uint64(streams.mixed(key, c))) for c in counters]
    np.testing.assert_array_equal(together, one_by_one)


def test_engines_without_a_compiler_say_so() -> None:
    code = (
        "import amsim as am; xi = am.patterns.random(2, 4, seed=0)\n"
        "net, memory = am.dense_am(xi, hidden=am.Softmax(1.0)), am.binary.BinaryMemory(xi)\n"
        "for call in (\n"
        "    lambda: am.simulate(net, xi[0]),\n"
        "    lambda: am.simulate(net, xi[0], solver=am.EventDriven()),\n"
        "    lambda: memory.recall(xi[0], seed=0),\n"
        "    lambda: memory.energy(xi[0]),\n"
        "):\n"
        "    try: call()\n"
        "    except RuntimeError as error: print(error)\n"
    )
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    said = ended.stdout.splitlines()
    assert len(said) == 4
    assert all(line.endswith(b" needs compiled code; unset NUMBA_DISABLE_JIT") for line in said)
