"""What `import amsim` costs, by what it loads."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = [
    "matplotlib",
    "brian2",
    "lava",
    "networkx",
    "numba",
    "sklearn",
    "scipy.integrate",
    "scipy.stats",
    "tqdm",
]


def loaded(*lines: str) -> list[str]:
    """Modules of a fresh interpreter after these lines."""
    code = "\n".join([*lines, "import json, sys", "print(json.dumps(sorted(sys.modules)))"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names: list[str] = json.loads(done.stdout.splitlines()[-1])
    return names


@pytest.fixture(scope="module")
def modules() -> list[str]:
    return loaded("import amsim; amsim.simulate")


def test_importing_the_name_loads_nothing_that_takes_time() -> None:
    """So that the command line can say a word when Ctrl-C comes early."""
    modules = set(loaded("import amsim, amsim.__main__; amsim.__version__"))
    assert {name for name in modules if name.startswith("amsim")} == {
        "amsim", "amsim.__main__", "amsim.siblings",
    }  # fmt: skip
    assert "numpy" not in modules


def test_modules_come_one_by_one() -> None:
    """Whichever is the first; and attributes are modules, also those that nobody imported."""
    first = ("network", "stability", "synapses", "suggestion", "dynamics.problem", "plot")
    loaded(
        "import importlib, sys",
        f"for name in {first!r}:",
        "    for own in [x for x in sys.modules if x.partition('.')[0] == 'amsim']:",
        "        del sys.modules[own]",
        "    importlib.import_module(f'amsim.{name}')",
        "    assert f'amsim.{name}' in sys.modules and 'amsim.public' not in sys.modules, name",
    )
    modules = loaded("import amsim as am; am.theory.timing; assert not hasattr(am, 'nothing')")
    assert "amsim.theory" in modules


def test_star_import_has_all_that_is_public() -> None:
    lines = "from amsim import *; import amsim; assert set(amsim.__all__) <= set(globals())"
    assert "amsim.public" in loaded(lines)


@pytest.mark.parametrize("heavy", HEAVY)
def test_import_loads_nothing_heavy(heavy: str, modules: list[str]) -> None:
    assert "amsim.dynamics.simulate" in modules
    assert heavy not in modules


def test_building_a_network_loads_nothing_heavy() -> None:
    modules = loaded(
        "import amsim as am",
        "patterns = am.patterns.random(3, 8, seed=0)",
        "net = am.dense_am(patterns)",
        "am.simulate(net, patterns[0], solver=am.FixedPoint()).energy",
    )
    assert not set(HEAVY) & set(modules)


def test_recall_loads_the_compiler_and_no_more() -> None:
    """Which also shows that the lists above can see a module."""
    modules = loaded(
        "import amsim as am",
        "net = am.Network({'x': am.Layer(2, am.Tanh())}, [])",
        "am.simulate(net, [1.0, 2.0])",
    )
    assert set(HEAVY) & set(modules) == {"numba"}


def test_lava_is_named_and_not_imported() -> None:
    modules = loaded("import hardware as hw", "assert hw.lava.build and hw.lava.Session")
    heavy = {"lava", "brian2", "matplotlib", "numba", "networkx", "sklearn", "multiprocessing.pool"}
    assert not heavy & set(modules)
