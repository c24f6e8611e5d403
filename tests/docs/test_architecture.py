"""Who imports whom: the contracts of pyproject.toml hold; docs/architecture.md has their map."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import grimp
import networkx as nx
import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HOME = Path(__file__).parents[2]
CHECK = runpy.run_path(str(HOME / ".ci" / "layers.py"))
CONFIG = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))
CONTRACTS = {each["id"]: each for each in CONFIG["tool"]["importlinter"]["contracts"]}
IGNORED = {
    tuple(each.split(" -> "))
    for contract in CONTRACTS.values()
    for each in contract["ignore_imports"]
}
PAGE = (HOME / "docs" / "architecture.md").read_text(encoding="utf-8")


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A folder with all sources as parts of amsim."""
    CHECK["copy_sources"](tmp_path)
    return tmp_path


@pytest.fixture
def imports(sources: Path, monkeypatch: pytest.MonkeyPatch) -> nx.DiGraph:
    """Modules and whom they import, in functions too, but for the exceptions of the contracts."""
    monkeypatch.delitem(sys.modules, "amsim")  # else it would be found where it was loaded from
    monkeypatch.syspath_prepend(sources)
    graph = grimp.build_graph("amsim", cache_dir=None, exclude_type_checking_imports=True)
    found = nx.DiGraph()
    found.add_nodes_from(graph.modules)
    for module in graph.modules:
        found.add_edges_from((module, x) for x in graph.find_modules_directly_imported_by(module))
    assert set(found.edges) >= IGNORED
    found.remove_edges_from(IGNORED)
    return found


def test_modules_keep_to_the_contracts(sources: Path):
    assert CHECK["lint"](sources) == 0


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("files.py", "from .patterns import corrupt"),
        ("hardware/units.py", "from .ranges import check"),
        ("experiments/runner/schema.py", "from amsim.experiments.runner.record import run"),
        ("stability/boxes.py", "from .links import Link"),
    ],
)
def test_an_import_upwards_in_a_function_breaks_them(sources: Path, file: str, line: str):
    with open(sources / "amsim" / file, "a", encoding="utf-8") as module:
        module.write(f"\n\ndef late():\n    {line}\n")
    assert CHECK["lint"](sources) == 1


def test_no_package_is_imported_from_below(imports: nx.DiGraph):
    # What `__init__` of a package offers, its own modules take from where it is.
    assert [each for each in nx.strongly_connected_components(imports) if len(each) > 1] == []


def table_below(heading: str) -> list[list[str]]:
    """The cells of the first table after some words."""
    lines = PAGE[PAGE.index(heading) :].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| Module"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def test_the_map_is_that_of_the_contract(imports: nx.DiGraph):
    rooms = [*reversed(CONTRACTS["layers"]["layers"])]
    whom: dict[str, set[str]] = {room: set() for room in rooms}
    for importer, imported in imports.edges:
        room, other = (name.partition(".")[2].split(".")[0] for name in (importer, imported))
        if room and room != other:
            whom[room].add(other)
    expected = {}
    for room, found in whom.items():
        names = [other for other in rooms if other in found] + ["the public API"] * ("" in found)
        expected[room] = ", ".join(names) or "nothing"
    rows = table_below("## Who imports whom")
    assert {Path(name.strip("`")).stem: cell for name, _, cell in rows} == expected
    assert [Path(name.strip("`")).stem for name, _, _ in rows] == rooms


@pytest.mark.parametrize(
    "folder",
    [
        "amsim/dynamics", "amsim/dynamics/events", "amsim/dynamics/events/layout",
        "amsim/dynamics/events/engine", "amsim/stability", "amsim/learning", "amsim/binary",
        "hardware", "hardware/lava", "experiments/runner",
    ],
)  # fmt: skip
def test_every_module_of_a_room_is_in_its_table(folder: str):
    named = re.findall(r"`(\S+?)`", " ".join(row[0] for row in table_below(f"ithin `{folder}/`:")))
    assert len(set(named)) == len(named)
    missing = [name for name in named if not (HOME / folder / name).exists()]
    assert missing == []
    there = {
        path.name
        for path in (HOME / folder).iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert {name.split("/")[0] for name in named} == there - {"__init__.py"}


def test_a_message_is_followed_in_fewer_than_800_lines():
    section = PAGE.partition("### A message from its sender to its receivers\n")[2]
    steps = re.findall(r"^(\d+)\. `(\S+?)`(.*(?:\n   .*)*)", section.partition("\nWithin")[0], re.M)
    assert [int(number) for number, *_ in steps] == [*range(1, len(steps) + 1)]
    files = {Path(file).stem: (HOME / file).read_text(encoding="utf-8") for _, file, _ in steps}
    assert len(files) > 4
    assert sum(len(text.splitlines()) for text in files.values()) < 800
    every = "\n".join(files.values())
    named = {name for *_, text in steps for name in re.findall(r"`(\w+)`", text)}
    assert {name for name in named if not re.search(rf"\b{name}\b", every)} == set()
    # No file on the way is left out; these have other causes of events, units, sums, or the end.
    others = {*re.findall(r"^from \.(\w+) import", every, re.M)} - {*files}
    assert others == {"clocks", "groups", "rest", "rows"}
