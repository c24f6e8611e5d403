"""`hardware` and `experiments` by both names, also where a folder has packages of these names."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import amsim as am

HOME = Path(am.__file__).parents[1]


@pytest.fixture(scope="module")
def decoys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of somebody else, with packages of these names, and patterns."""
    folder = tmp_path_factory.mktemp("project")
    for name in am.siblings.NAMES:
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("mine = True\n")
    np.save(folder / "stored.npy", am.patterns.random(2, 9, seed=0))
    return folder


def python(*arguments: str, cwd: Path) -> str:
    """Run Python in a folder, which comes first among those it searches for packages."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_one_set_of_modules(tmp_path: Path) -> None:
    """Whichever name comes first; and no function is replaced by the module of its name."""
    for first in ("import hardware, experiments", "import amsim.hardware, amsim.experiments"):
        code = f"""
{first}
import amsim as am, hardware, experiments, hardware.run, hardware.lava.workers
import amsim.hardware.run, amsim.experiments.runner.pools, experiments.runner.pools, sys, pickle
from amsim.hardware import export
import experiments.asynchrony, amsim.experiments.asynchrony
assert am.hardware is hardware and am.experiments is experiments
assert export is hardware.export and not hasattr(hardware.run, "__path__")
assert callable(hardware.run) and callable(hardware.place) and callable(hardware.export.nir)
for name, module in list(sys.modules.items()):
    if name.partition(".")[0] in am.siblings.NAMES:
        assert sys.modules["amsim." + name] is module, name
        assert module.__spec__.name == module.__name__ == "amsim." + name, name
assert pickle.loads(pickle.dumps(hardware.Plan)) is am.hardware.Plan
try:
    import hardware.nothing
except ModuleNotFoundError as error:
    print(error)
"""
        assert python("-c", code, cwd=tmp_path) == "No module named 'hardware.nothing'\n"


def test_modules_run_by_both_names(tmp_path: Path) -> None:
    for name in ("experiments.asynchrony", "amsim.experiments.asynchrony"):
        assert "usage: amsim experiment" in python("-m", name, "--help", cwd=tmp_path)


class TestDecoys:
    def test_both_are_there(self, decoys: Path) -> None:
        for first in ("import hardware, experiments", "import amsim"):
            code = f"""
{first}
import amsim.hardware, amsim.experiments.runner.pools
import hardware, experiments
assert hardware.mine and experiments.mine
assert amsim.hardware is not hardware and not hasattr(amsim.experiments, "mine")
assert amsim.experiments.find("precision").name == "precision"
"""
            python("-c", code, cwd=decoys)

    def test_commands(self, decoys: Path) -> None:
        assert "precision" in python("-m", "amsim", "experiment", "list", cwd=decoys)
        run = "run --plan plan/plan.json --cues stored.npy --out run --backend lava"
        children = "experiment asynchrony --memories random --execution equation --flip 0.1,0.2"
        code = f"""
from matplotlib.figure import Figure
from amsim.cli import main
Figure.savefig = lambda figure, file, **_: file.write(b"undrawn")
assert main("map --patterns stored.npy --out plan".split()) == 0
assert main({run.split()}) == 0
assert main([*{children.split()}, "--repeats", "1", "--jobs", "2"]) == 0
"""
        out = python("-c", code, cwd=decoys)
        assert "written to plan" in out and "units measured" in out
        assert "steps on lava" in out


def test_the_project_uses_the_long_names() -> None:
    """The short ones may be those of somebody else."""
    imported = re.compile(rf"\b(import|from)\b.*\b({'|'.join(am.siblings.NAMES)})\b")
    for package in ("amsim", *am.siblings.NAMES):
        for path in (HOME / package).rglob("*.py"):
            source = path.read_text(encoding="utf-8")
            for node in ast.walk(ast.parse(source)) if imported.search(source) else ():
                names = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.level == 0:
                    names = [node.module or ""]
                for name in names:
                    assert name.partition(".")[0] not in am.siblings.NAMES, (path, node.lineno)


def test_stubs_stand_for_modules() -> None:
    stubs = [path.relative_to(HOME / "amsim") for path in (HOME / "amsim").rglob("*.pyi")]
    assert len(stubs) > 20
    for stub in stubs:
        module = HOME / stub.with_suffix(".py")
        assert module.is_file()
        name = ".".join(stub.with_suffix("").parts).removesuffix(".__init__")
        assert (HOME / "amsim" / stub).read_text() == f"from {name} import *\n"
