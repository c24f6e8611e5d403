"""What runs without the names of POSIX that Windows lacks.

The stubs of Python's library that mypy brings say which these are. One test looks for them in all
sources; another hides them from the modules of the project, in a process of its own, and runs what
the project does. Python's library and other packages keep what they need here.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import mypy
import pytest

ROOT = Path(__file__).parents[2]
STUBS = Path(mypy.__file__).with_name("typeshed") / "stdlib"
PACKAGES = ("amsim", "hardware", "experiments")
LAVA = ROOT / "hardware" / "lava"  # needs fork, and says so where there is none


def defined(body: list[ast.stmt], platform: str) -> Iterator[str]:
    """Names that the statements of a stub define on a platform."""
    for node in body:
        if isinstance(node, ast.If):
            system = SimpleNamespace(platform=platform, version_info=sys.version_info)
            holds = eval(compile(ast.Expression(node.test), "stub", "eval"), {"sys": system})
            yield from defined(node.body if holds else node.orelse, platform)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        elif isinstance(node, ast.Assign):
            yield from (each.id for each in node.targets if isinstance(each, ast.Name))
        elif isinstance(node, ast.ImportFrom):  # `import a as a` makes it a name of this module
            yield from (each.name for each in node.names if each.asname == each.name)


def posix_only() -> dict[str, list[str]]:
    """By module of Python's library the names that Windows lacks; none if it lacks the module."""
    found = {}
    for path in [*STUBS.glob("*.pyi"), *STUBS.glob("*/__init__.pyi")]:
        source = path.read_text(encoding="utf-8")
        body = ast.parse(source).body if '"win32"' in source else []
        here, there = (
            {name for name in defined(body, platform) if name[0] != "_"}
            for platform in ("linux", "win32")
        )
        if here - there:
            module = path.parent.name if path.stem == "__init__" else path.stem
            found[module] = sorted(here - there) if there else []
    return found


POSIX = posix_only()
# One of these stands in every source that uses any.
NAMES = {name for module, names in POSIX.items() for name in names or [module]}


def test_the_stubs_know_what_windows_lacks() -> None:
    assert {"fork", "sched_getaffinity", "geteuid", "O_NOFOLLOW", "killpg"} <= set(POSIX["os"])
    assert {"SIGKILL", "SIGUSR1", "setitimer", "pthread_sigmask"} <= set(POSIX["signal"])
    assert {"getpid", "kill", "getppid", "O_BINARY", "open"}.isdisjoint(POSIX["os"])
    for module in ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog", "posix"):
        assert POSIX[module] == []


def uses(node: ast.AST, modules: dict[str, str]) -> Iterator[str]:
    """What Windows lacks and a source names, unless below `if hasattr(module, "name")`.

    What is below such a condition never runs on Windows, if Windows lacks this name.
    `modules` are those of Python's library by their names in the source.
    """
    asked, guarded = [], False
    match node:
        case ast.Import(names):
            asked = [(each.name, "") for each in names]
        case ast.ImportFrom(str(module), names, 0):
            asked = [(module, each.name) for each in names]
        case ast.Attribute(ast.Name(module), name):
            asked = [(modules.get(module, ""), name)]
        case ast.If(
            ast.Call(ast.Name("hasattr"), [ast.Name(module), ast.Constant(str(name))])
        ) | ast.IfExp(ast.Call(ast.Name("hasattr"), [ast.Name(module), ast.Constant(str(name))])):
            guarded = lacks(modules.get(module, ""), name)
    yield from (f"{module}.{name}".strip(".") for module, name in asked if lacks(module, name))
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not (guarded and field == "body"):
                yield from uses(child, modules)


def lacks(module: str, name: str) -> bool:
    return module in POSIX and (name in POSIX[module] or not POSIX[module])


def uses_of(source: str) -> list[str]:
    if NAMES.isdisjoint(re.findall(r"\w+", source)):
        return []
    tree = ast.parse(source)
    imports = [each for each in ast.walk(tree) if isinstance(each, ast.Import)]
    modules = {each.asname or each.name: each.name for node in imports for each in node.names}
    return list(uses(tree, modules))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import os\ndef f(): os.fork()", ["os.fork"]),
        ("def f():\n import os as system\n return system.getuid", ["os.getuid"]),
        ("from os import path, killpg", ["os.killpg"]),
        ("import fcntl", ["fcntl"]),
        ("from resource import getrusage", ["resource.getrusage"]),
        ("import os, signal\nif hasattr(os, 'wait'): os.wait(signal.SIGHUP)", []),
        ("import os\nif hasattr(os, 'getpid'): os.wait()", ["os.wait"]),
        ("import os\nuid = os.getuid() if hasattr(os, 'getuid') else 0", []),
        ("import os\nuid = 0 if hasattr(os, 'getuid') else os.getuid()", ["os.getuid"]),
        ("import os\nos.kill(os.getpid(), 2)\nfork()", []),
        ("from .os import fork", []),
    ],
)
def test_uses_are_found(source: str, found: list[str]) -> None:
    assert uses_of(source) == found


def test_no_source_names_what_windows_lacks() -> None:
    paths = [path for each in PACKAGES for path in (ROOT / each).rglob("*.py")]
    found = {path: uses_of(path.read_text("utf-8")) for path in paths if LAVA not in path.parents}
    assert len(found) > 150
    assert {path: names for path, names in found.items() if names} == {}


def unmarked(source: str) -> list[str]:
    """What Windows lacks and tests name, but for those that are skipped somewhere."""
    body, mark = ast.parse(source).body, "pytest.mark.skipif"
    if any(ast.unparse(node).startswith(f"pytestmark = {mark}") for node in body):
        return []
    marks = [" ".join(map(ast.unparse, getattr(node, "decorator_list", ()))) for node in body]
    kept = [node for node, each in zip(body, marks, strict=True) if mark not in each]
    return uses_of("\n".join(map(ast.unparse, kept)))


def test_tests_that_need_posix_are_marked() -> None:
    """Those that the workflow runs on Windows, too."""
    mark = "@pytest.mark.skipif(os.name != 'posix', reason='')"
    own = "import os\n{}\ndef test():\n os.fork()"
    assert (unmarked(own.format("")), unmarked(own.format(mark))) == (["os.fork"], [])
    folders = [ROOT / "tests" / name for name in ("amsim", "properties", "hardware")]
    paths = [path for each in folders for path in each.glob("*.py") if "lava" not in path.name]
    sources = {path: path.read_text("utf-8") for path in paths}
    asked = [path for path in paths if uses_of(sources[path])]
    assert {path: names for path in asked if (names := unmarked(sources[path]))} == {}


# Modules of the project get proxies of Python's, as their statements `import` ask for them.
WINDOWS = """
import builtins, json, multiprocessing, os, sys, types, warnings

class Hiding(types.ModuleType):
    def __init__(self, module, hidden, **other):
        super().__init__(module.__name__)
        vars(self).update(other, _module=module, _hidden=hidden)
    def __getattr__(self, name):
        if name in self._hidden:
            raise AttributeError(f"Windows has no {self.__name__}.{name}")
        return getattr(self._module, name)
    def __setattr__(self, name, value):
        setattr(self._module, name, value)

POSIX = json.loads(sys.argv[1])
real = builtins.__import__
hiding = {
    "multiprocessing": Hiding(multiprocessing, [], get_all_start_methods=lambda: ["spawn"]),
    "os": Hiding(os, POSIX.pop("os"), name="nt", getppid=lambda: 1),
    "sys": Hiding(sys, POSIX.pop("sys", []), platform="win32"),
}

def windows_import(name, globals=None, locals=None, fromlist=(), level=0):
    package = (globals or {}).get("__name__", "").partition(".")[0]
    if package not in ("amsim", "hardware", "experiments") or level:
        return real(name, globals, locals, fromlist, level)
    if POSIX.get(name) == []:
        raise ModuleNotFoundError(f"Windows has no module {name}", name=name)
    module = real(name, globals, locals, fromlist, level)
    if name in POSIX and name not in hiding:
        hiding[name] = Hiding(module, POSIX[name])
    return hiding.get(module.__name__, module)

builtins.__import__ = windows_import
warnings.filterwarnings("error", category=EncodingWarning, module="(amsim|hardware|experiments)[.]")
"""

RUNS = """
import importlib, pkgutil
import numpy as np
import amsim as am, hardware, experiments
from amsim.cli import main
from matplotlib.figure import Figure

# No pictures: matplotlib draws them, and has what it needs here.
Figure.savefig = lambda figure, file, **_: file.write(b"undrawn")

# Modules are there as they are on Windows.
from amsim import doctor
assert doctor.os.name == "nt" and not hasattr(doctor.os, "fork") and hasattr(os, "fork")

# Every module is imported, and every command says what it does.
needy = {f"amsim.hardware.lava.{name}" for name in ("runtime", "actors", "channels")}
needy |= {"amsim.interop.jax", "amsim.interop.torch"}  # they need what may not be installed
for package in (am, am.hardware, am.experiments):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if ".lava.graph" not in found.name and found.name not in needy:
            importlib.import_module(found.name)
commands = "demo recall explore stability map run experiment report gallery doctor lava"
for command in commands.split():
    assert main([command, "--help"]) == 0
assert main(["--version"]) == main(["experiment", "list"]) == main(["doctor"]) == 0

# A recall.
stored = am.patterns.random(2, 9, seed=0)
np.save("stored.npy", stored)
assert main("recall --patterns stored.npy --cues stored.npy --out out".split()) == 0
assert am.Trajectory.load("out/trajectory.npz").status == "settled"

# Events and certificates.
net = am.dense_am(stored, hidden=am.Softmax(1.0))
events = am.simulate(net, stored, solver=am.EventDriven(quantum=1e-2), seed=0)
assert events.status == "settled"
assert am.stability.certify(net, stored, am.simulate(net, stored).final).holds.all()

# Plans and the emulator.
assert main("map --patterns stored.npy --out plan".split()) == 0
assert main("run --plan plan/plan.json --cues stored.npy --out run".split()) == 0
plan = hardware.Plan.load("plan/plan.json")
try:
    hardware.run(plan, stored, backend="lava")
except hardware.BackendUnavailable as error:
    assert "by fork, which this system does not have" in str(error)
else:
    raise AssertionError

# A sweep and its report.
SMALL = "asynchrony --memories random --execution equation --flip 0.1 --repeats 1 --out sweep"
assert main(["experiment", *SMALL.split()]) == 0
assert main("experiment rerun sweep".split()) == 0
assert main("report sweep".split()) == 0
"""


def test_everything_runs_without_what_windows_lacks(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "warn_default_encoding", "-c", WINDOWS + RUNS, json.dumps(POSIX)],
        cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
