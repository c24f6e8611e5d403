"""The commands `amsim map` and `amsim run`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import amsim as am
import hardware as hw
from amsim.cli import main

PATTERNS = am.patterns.random(6, 32, seed=0)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("stored.npy", PATTERNS)
    np.save("cues.npy", am.patterns.corrupt(PATTERNS[:3], flip=0.1, seed=1))
    return tmp_path


def mapped(*options: str) -> list[str]:
    return ["map", "--patterns", "stored.npy", "--beta", "0.5", "--out", "plan", *options]


RUN = ["run", "--plan", "plan/plan.json", "--cues", "cues.npy", "--out", "out"]


def test_map_writes_the_plan_that_it_reports(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(mapped("--weight-bits", "4")) == 0
    printed = capsys.readouterr().out
    plan = hw.Plan.load(files / "plan" / "plan.json")
    assert plan == hw.compile(am.dense_am(PATTERNS, hidden=am.Softmax(0.5)), weight_bits=4)
    assert plan.report() in printed
    assert str(hw.validate(plan)) in printed


def test_map_options_reach_the_network(files: Path) -> None:
    options = ["--memories", "power", "--power", "3", "--features", "tanh", "--beta-visible", "0.1"]
    assert main(mapped(*options, "--dt", "0.1", "--tau-hidden", "0", "--quantum", "0.01")) == 0
    network = am.dense_am(
        PATTERNS, visible=am.Tanh(0.1), hidden=am.RectifiedPower(3), tau_hidden=0.0
    )
    expected = hw.compile(network, dt=0.1, quantum=0.01)
    assert hw.Plan.load(files / "plan" / "plan.json") == expected


def test_run_writes_what_hardware_run_computes(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(mapped()) == 0
    capsys.readouterr()
    assert main([*RUN, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    result = hw.run(hw.Plan.load(files / "plan" / "plan.json"), np.load("cues.npy"))
    with np.load(files / "out" / "states.npz") as states:
        np.testing.assert_array_equal(states["final/visible"], result.final["visible"])
        np.testing.assert_array_equal(states["integers/hidden"], result.integers["hidden"])
    assert record["verified_on_hardware"] is False
    assert [row["memory"] for row in record["results"]] == [0, 1, 2]
    assert all(row["overlap"] > 0.99 for row in record["results"])
    counts = [row["messages"]["visible"] for row in record["results"]]
    assert counts == result.messages["visible"].tolist()


def test_run_takes_plans_of_any_layers(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = am.models.analog_transformer(PATTERNS / 8, PATTERNS[:2] / 64, beta=8.0)
    plan = hw.compile(net, cue_limit=1.0)
    (files / "plan").mkdir()
    plan.save(files / "plan" / "plan.json")
    assert main([*RUN, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    result = hw.run(plan, np.load("cues.npy"))
    with np.load(files / "out" / "states.npz") as states:
        np.testing.assert_array_equal(states["final/attention"], result.final["attention"])
        np.testing.assert_array_equal(states["integers/memories"], result.integers["memories"])
    assert [row["memory"] for row in record["results"]] == [None] * 3
    counts = [row["messages"]["attention.rounds"] for row in record["results"]]
    assert counts == result.messages["attention.rounds"].tolist()
    assert main([*RUN, "--force"]) == 0
    assert "attention.rounds" in capsys.readouterr().out


def test_run_refuses_plans_that_take_cues_of_two_layers(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net = am.models.hierarchical_memory([np.eye(2)], [am.Tanh(), am.Tanh()])
    plan = hw.compile(net, cue_limit=dict.fromkeys(net.layers, 1.0))
    plan.save(_made(files / "plan") / "plan.json")
    assert main(RUN) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert f"takes cues of several layers ({', '.join(plan.cued)})" in error
    assert not (files / "out").exists()


def test_events_of_a_sensor_drive_a_recall(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 32, 60)
    np.savez(
        "seen.npz", x=pixels % 8, y=pixels // 8, t=np.sort(rng.integers(0, 20_000, 60)),
        p=PATTERNS[2][pixels] > 0,
    )  # fmt: skip
    options = ["--rounding", "stochastic", "--seed", "3", "--weight-bits", "3"]
    assert main(mapped(*options, "--input-limit", "40")) == 0
    given = ["--events", "seen.npz", "--unit", "0.02", "--charge", "0.5"]
    seen = [*RUN[:3], *RUN[5:], *given, "--sensor", "4", "8"]
    assert main(seen) == 0
    plan = hw.compile(
        am.dense_am(PATTERNS, hidden=am.Softmax(0.5)),
        weight_bits=3,
        rounding="stochastic",
        seed=3,
        input_limits={"visible": 40.0},
    )
    events = hw.Events.read_aer("seen.npz", (4, 8), unit=0.02, charge=0.5)
    expected = hw.run(plan, np.zeros((1, 32)), inputs=events)
    with np.load(files / "out" / "states.npz") as states:
        np.testing.assert_array_equal(states["integers/visible"], expected.integers["visible"])
    capsys.readouterr()
    needed = f"{hw.Events(events.times, events.units, 9 * events.values).largest(plan.dt):.4g}"
    for arguments, message in [
        ([*seen[:-4], "4.5", *seen[-3:]], f"amsim map --input-limit {needed}"),
        (seen[:-3], "--sensor ROWS COLUMNS is missing: 32 units are no square"),
        ([*seen[:-2], "4", "9"], "--sensor 4 9 has 36 pixels, and the plan has 32 units"),
        (seen[:-5], "--events needs --charge"),
        ([*RUN, "--unit", "2"], "--unit: of events; give --events FILE.npz as well"),
        ([*RUN[:3], *RUN[5:]], "give --cues, or --events"),
    ]:
        assert main([*arguments, "--force"]) == 2
        assert message in capsys.readouterr().err


def test_run_prints_a_table(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(mapped("--json")) == 0
    assert json.loads(capsys.readouterr().out)["verified_on_hardware"] is False
    assert main(RUN) == 0
    printed = capsys.readouterr().out
    assert "memory" in printed and "verified_on_hardware: false" in printed


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (mapped("--chip", "loihi9"), 2, "no chip 'loihi9'"),
        (mapped("--weight-bits", "12"), 2, "weight_bits must be"),
        (["map", "--patterns", "stored.npy", "--beta", "1e5", "--out", "o"], 2, "logits needs"),
        (mapped("--memories", "power"), 2, "has no bound"),
        (["map", "--patterns", "none.npy", "--out", "o"], 2, "none.npy cannot be read"),
        ([*RUN[:1], "--plan", "none.json", *RUN[3:]], 2, "none.json cannot be read"),
        ([*RUN[:1], "--plan", "stored.npy", *RUN[3:]], 2, "not a plan or is damaged"),
        ([*RUN, "--backend", "loihi2"], 3, "no backend 'loihi2'"),
        ([*RUN, "--steps", "0"], 2, "steps must be"),
        ([*RUN[:3], "--cues", "wide.npy", *RUN[5:]], 2, r"cue has shape (1, 33)"),
        ([*RUN[:3], "--cues", "large.npy", *RUN[5:]], 2, "cue needs"),
    ],
)
def test_mistakes_end_in_one_line(
    files: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    hw.compile(am.dense_am(PATTERNS)).save(_made(files / "plan0") / "plan.json")
    np.save("wide.npy", np.ones(33))
    np.save("large.npy", np.full(32, 100.0))
    arguments = [text.replace("plan/plan.json", "plan0/plan.json") for text in arguments]
    assert main(arguments) == code
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("amsim: error: ")
    assert message in error
    assert not any((files / folder).exists() for folder in ("plan", "out", "o"))


def test_a_failed_run_leaves_a_folder_that_was_there(files: Path) -> None:
    assert main(mapped()) == 0
    (files / "out").mkdir()
    assert main([*RUN, "--steps", "0"]) == 2
    assert (files / "out").is_dir()
    assert main([*RUN[:5], "--out", "deep/er/out", "--steps", "0"]) == 2
    assert not (files / "deep").exists()


@pytest.mark.parametrize(
    ("fails", "command", "said"),
    [
        ("hardware.compile", "map --patterns stored.npy --out new/o", "; nothing was written"),
        (
            "hardware.files.json.dumps", "map --patterns stored.npy --out new/o",
            "; written: plan.npz; not written: plan.json",
        ),
        (
            "hardware.run", "run --plan plan/plan.json --cues cues.npy --out new/o",
            "; nothing was written",
        ),
        (
            "amsim.cli.run.as_json", "run --plan plan/plan.json --cues cues.npy --out new/o",
            "; written: states.npz; not written: result.json",
        ),
        ("amsim.gallery.draw", "gallery landscape --out new/o", "; nothing was written"),
        (
            "amsim.stability.analyse",
            "stability --patterns stored.npy --cue cue.npy --beta 2", "",
        ),
        ("amsim.doctor.diagnose", "doctor", ""),
    ],
)  # fmt: skip
def test_ctrl_c_ends_with_one_line_about_files(
    fails: str,
    command: str,
    said: str,
    files: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    assert main(mapped()) == 0
    np.save("cue.npy", np.load("cues.npy")[0])
    capsys.readouterr()
    monkeypatch.setattr(fails, interrupted)
    assert main(command.split()) == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1] == f"amsim: interrupted{said}"
    assert [line for line in err.splitlines() if "interrupted" in line] == err.splitlines()[-1:]
    assert Path("new").exists() == ("; written" in said)


def test_demo_interrupted_in_the_integers_keeps_the_ode(
    files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(hw, "run", interrupted)
    assert main(["demo", "--out", "demo"]) == 130
    said = capsys.readouterr().err
    assert "the recall by the ODE is kept" in said
    assert said.splitlines()[-1] == "amsim: interrupted; what was reached is written"
    record = json.loads((files / "demo" / "run.json").read_text())
    assert len(record["results"]) == 8
    assert "hardware" not in record
    assert sorted(map(str, record["files"])) == sorted(map(str, Path("demo").iterdir()))


def test_a_run_that_lava_gave_up_ends_without_our_traceback(
    files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def died(*_: object, **__: object) -> None:
        raise hw.lava.LavaError("FeatureNeurons (process 7) died of signal SIGKILL")

    assert main(mapped()) == 0
    capsys.readouterr()
    monkeypatch.setattr(hw, "run", died)
    assert main(RUN) == 3
    error = "amsim: error: FeatureNeurons (process 7) died of signal SIGKILL"
    assert capsys.readouterr().err.splitlines()[-1] == error


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
