"""The command `amsim stability`: the report of a cue's end, as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import amsim as am
from amsim.cli import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    stored = am.patterns.random(4, 36, seed=2)
    np.save(tmp_path / "stored.npy", stored)
    np.save(tmp_path / "cue.npy", am.patterns.corrupt(stored[0], flip=0.1, seed=1))
    return tmp_path


def run(folder: Path, *more: str, cue: str = "cue.npy", beta: str = "1") -> int:
    files = ["--patterns", str(folder / "stored.npy"), "--cue", str(folder / cue)]
    return main(["stability", *files, "--beta", beta, *more])


def test_json_is_the_report_of_the_library(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, "--json", "--tau-hidden", "0.5") == 0
    read: dict[str, Any] = json.loads(capsys.readouterr().out)
    net = am.dense_am(np.load(folder / "stored.npy"), tau_hidden=0.5)
    cue = np.load(folder / "cue.npy")
    report = am.stability.analyse(net, am.simulate(net, cue).final)
    for name in ("sigma", "rho"):
        assert read[name] == pytest.approx(getattr(report, name), rel=1e-6)
    assert {name: verdict["status"] for name, verdict in read["verdicts"].items()} == {
        name: verdict.status for name, verdict in report.verdicts.items()
    }
    np.testing.assert_allclose(read["states"]["visible"], report.states["visible"], atol=1e-9)
    for scope in ("link", "broadcast"):
        expected = am.stability.radius(net, report.states, scope)  # type: ignore[arg-type]
        assert read["radius"][scope] == pytest.approx(expected, rel=1e-3)
        certificate = am.stability.certify(net, cue, report.states, scope=scope)  # type: ignore[arg-type]
        assert read["certified"][scope] is bool(certificate.holds)
    assert read["parameters"]["tau_hidden"] == 0.5


def test_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder) == 0
    out = capsys.readouterr().out
    for words in ("stable fixed point", "rho", "proven", "this cue", "of every unit"):
        assert words in out


def test_memories_at_once_and_other_similarity(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, "--tau-hidden", "0", "--similarity", "euclidean", "--json") == 0
    assert json.loads(capsys.readouterr().out)["stable"] is True


def test_weak_memories_have_no_certificate(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, "--json", beta="0.05") == 0
    read = json.loads(capsys.readouterr().out)
    assert read["sigma"] < 1 < read["rho"]
    assert read["radius"]["link"] == 0.0 and read["certified"]["link"] is False


@pytest.mark.parametrize(
    ("shape", "words"), [((35,), "(35,)"), ((2, 36), "one cue"), ((3,), "(36,)")]
)
def test_cues_that_do_not_fit(
    folder: Path, shape: tuple[int, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(folder / "bad.npy", np.ones(shape))
    assert run(folder, cue="bad.npy") == 2
    captured = capsys.readouterr()
    assert captured.out == "" and words in captured.err


def test_missing_file_and_flat_patterns(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, cue="nowhere.npy") == 2
    assert "nowhere.npy" in capsys.readouterr().err
    np.save(folder / "stored.npy", np.ones(36))
    assert run(folder) == 2
    assert "(memories, units)" in capsys.readouterr().err


def test_beta_is_1_unless_given(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--patterns", str(folder / "stored.npy"), "--cue", str(folder / "cue.npy")]
    assert main(["stability", *files]) == 0
    plain = capsys.readouterr().out
    assert run(folder, beta="1") == 0
    assert capsys.readouterr().out == plain


def test_an_interrupted_recall_is_no_unsettled_one(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("amsim.dynamics.two_layer.TwoLayerRun.sweep", interrupt)
    monkeypatch.setattr("amsim.dynamics.run.Run.compile", lambda run: None)
    assert run(folder) == 130
    assert capsys.readouterr().err.endswith("interrupted\n")
