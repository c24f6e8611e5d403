"""`amsim map --place`: cores, chips and costs on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import amsim as am
import hardware as hw
from amsim.cli import main

PATTERNS = am.patterns.random(6, 32, seed=0)
MAP = ["map", "--patterns", "stored.npy", "--beta", "0.5", "--out", "plan"]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("stored.npy", PATTERNS)


def test_map_reports_the_placement_and_the_costs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*MAP, "--place", "kapoho-point", "--cores", "3", "--prices", "loihi1"]) == 0
    printed = capsys.readouterr().out
    plan = hw.Plan.load("plan/plan.json")
    run = hw.run(plan, PATTERNS)
    placement = hw.place(plan, system="kapoho-point", cores=3, run=run)
    assert placement.report() in printed
    assert hw.estimate(placement, run, "loihi1").report() in printed


def test_map_writes_them_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*MAP, "--place", "--prices", "loihi1", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["placement"]["system"] == "oheo-gulch"
    assert (record["placement"]["cores"], record["placement"]["chips"]) == (1, 1)
    low, high = record["cost"]["energy_joules"]
    assert 0 < low < high
    assert record["verified_on_hardware"] is False


BOARD = """
name = "board"
programmable = true

[limits]
cores = { value = 4, unit = "cores", source = "data sheet", basis = "paper" }
neurons_per_core = { value = 16, unit = "neurons", source = "data sheet", basis = "paper" }
synapse_bytes_per_core = { value = 2000, unit = "bytes", source = "data sheet", basis = "paper" }
weight_bits = { value = 8, unit = "bits", source = "data sheet", basis = "paper" }
mesh_columns = { value = 2, unit = "routers", source = "ours", basis = "assumed" }
mesh_rows = { value = 2, unit = "routers", source = "ours", basis = "assumed" }
cores_per_router = { value = 1, unit = "cores", source = "ours", basis = "assumed" }
"""


def test_map_places_on_a_chip_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    Path("board.toml").write_text(BOARD)
    own = ["--chip", "board.toml", "--place", "--prices", "loihi1"]
    assert main([*MAP, *own, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["chip"], record["placement"]["chip"]) == ("loihi2", "board")
    # 32 features, 6 memories and a normaliser, 16 a core.
    assert (record["placement"]["system"], record["placement"]["cores"]) == ("board-chip", 3)
    assert {limit["name"]: limit["limit"] for limit in record["limits"]}["units of a chip"] == 64
    Path("board.toml").write_text(BOARD.replace("value = 16", "value = 9"))
    assert main([*MAP, *own, "--force"]) == 2
    assert "board-chip has 4" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--place", "hala-poin"], "loihi2 has no system 'hala-poin'; there are oheo-gulch"),
        (["--prices", "loihi1"], "--prices and --cores need --place"),
        (["--place", "--prices", "loihi2"], "nobody published synapse_energy"),
        (["--place", "--prices", "loihi2"], "take --prices loihi1, or a table of your own"),
        (["--place", "--prices", "none.toml"], "none.toml cannot be read: No such file"),
        (["--place", "--prices", "folder.toml"], "folder.toml cannot be read: Is a directory"),
        (["--chip", "none.toml", "--place"], "none.toml cannot be read"),
        (["--chip", "loihi9"], "no chip 'loihi9'"),
        (["--place", "--cores", "0"], "cores must be a whole number from 1"),
        (["--place", "--cores", "500"], "cores=500 cannot be filled"),
    ],
)
def test_mistakes_end_in_one_line(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("folder.toml").mkdir()
    assert main([*MAP, *options]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("amsim: error: ")
    assert message in error
    assert not Path("plan").exists()
