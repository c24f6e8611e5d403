import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from small_experiments import EXPERIMENT

import experiments
from amsim.cli import main
from experiments.runner.dataset_file import load, to_netcdf
from experiments.runner.design import Design
from experiments.runner.files import read_record, write_record
from experiments.runner.plan import plan, words


@pytest.fixture
def small(monkeypatch):
    """Put the small experiment in the place of all others."""
    monkeypatch.setattr(experiments, "find", {"small": EXPERIMENT}.__getitem__)
    monkeypatch.setattr("experiments.runner.rerun.find", {"small": EXPERIMENT}.__getitem__)


def error(capsys):
    """The one line on stderr."""
    lines = capsys.readouterr().err.splitlines()
    (line,) = [line for line in lines if "measuring" not in line]
    assert line.startswith("amsim: error: ")
    return line


def test_every_experiment_is_listed_and_has_both_sizes(capsys):
    assert main(["experiment", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in listed] == experiments.names()
    assert "asynchrony" in experiments.names()
    for entry in listed:
        assert entry["question"].endswith("?")
        assert 0 < entry["toy"] < entry["paper"] <= 10**6
    assert main(["experiment", "list"]) == 0
    assert "asynchrony" in capsys.readouterr().out


@pytest.mark.parametrize("name", experiments.names())
def test_every_experiment_explains_its_parameters(name, capsys):
    experiment = experiments.find(name)
    assert experiment.name == name
    assert main(["experiment", name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"--{parameter} " in shown for parameter in experiment.parameters)


def test_a_run_its_record_and_its_repetition(small, tmp_path, capsys):
    out = str(tmp_path / "run")
    assert main(["experiment", "small", "--y", "0.5,2", "--repeats", "1", "--out", out]) == 0
    shown = capsys.readouterr().out
    assert "1 of 1 predictions hold; 1 further observation." in shown
    assert f"written to {out}: run.json, units.jsonl, data.nc" in shown
    assert load(out).y.values.tolist() == [0.5, 2.0]
    assert main(["experiment", "rerun", out]) == 0
    assert capsys.readouterr().out == "identical: every array, bit for bit\n"
    other = load(out) + 1e-9
    (tmp_path / "run/data.nc").write_bytes(to_netcdf(other))
    sha256 = hashlib.sha256(to_netcdf(other)).hexdigest()
    write_record(tmp_path / "run", {**read_record(tmp_path / "run"), "sha256": sha256})
    assert main(["experiment", "rerun", out, "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["identical"] is False
    assert any(line.startswith("sum differs in 8 of 8 numbers") for line in result["differences"])
    assert main(["experiment", "rerun", out]) == 1
    assert "NOT identical" in capsys.readouterr().out


def test_one_json_document(small, tmp_path, capsys):
    assert main(["experiment", "small", "--out", str(tmp_path), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["status"] == "complete"
    assert record == read_record(tmp_path)


def test_failed_units_give_exit_code_1_and_are_retried_when_asked(small, tmp_path, capsys):
    arguments = ["experiment", "small", "--trouble", "error", "--out", str(tmp_path)]
    assert main(arguments) == 1
    assert "unit 12 (x = 2, y = 0.5, repeat 0): ValueError: two is" in capsys.readouterr().out
    assert main([*arguments, "--resume", "--retry"]) == 1
    assert len(read_record(tmp_path)["sessions"]) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "there is no experiment 'nothing'; choose from asynchrony"),
        (["sweep"], "there is no experiment 'sweep'"),
        (["asynchrony", "--colour", "red"], "unrecognized arguments: --colour red; see"),
        (["asynchrony", "--flip", "much"], "flip is 'much'; use a finite number"),
        (["asynchrony", "--flip", "nan"], "flip is nan; use a finite number"),
        (["asynchrony", "--flip", "0.1,0.1"], "flip has a value twice"),
        (["asynchrony", "--execution", "slow"], "'slow'; choose from equation, events, everything"),
        (["asynchrony", "--cues", "1.5"], "cues is '1.5'; use an integer"),
        (["asynchrony", "--repeats", "0"], "repeats must be a whole number from 1"),
        (["asynchrony", "--repeats", "100000000000"], "from 1 to 10000000, got 100000000000"),
        (["asynchrony", "--cues", "100000000000"], "cues must be a whole number from 0 to 1000000"),
        (["asynchrony", "--jobs", "100000"], "jobs must be a whole number from 1 to 1024"),
        (["asynchrony", "--size", "huge"], "there is no size 'huge'; choose from toy, paper"),
        (["asynchrony", "--seed", "-1"], "--seed: it must be a whole number from 0"),
        (["asynchrony", "--jobs", "0"], "jobs must be a whole number from 1"),
        (["asynchrony", "--jobs", "x"], "invalid int value"),
        (["asynchrony", "--scheduler", "here"], "no Dask scheduler answers at 'here'"),
        (["asynchrony", "--out", "/dev/null/run"], "Not a directory"),
        (["asynchrony", "--beta", "-1", "--repeats", "1"], "units failed, the first with"),
        (["rerun", "/nowhere"], "/nowhere does not exist"),
        (["rerun"], "required: DIR"),
        ([], "required: NAME"),
    ],
)
def test_what_the_user_can_put_right_is_one_line(arguments, message, tmp_path, capsys):
    out = ["--out", str(tmp_path / "run")]
    given = bool(arguments) and arguments[0] != "rerun" and "--out" not in arguments
    assert main(["experiment", *arguments, *(out if given else [])]) == 2
    assert message in error(capsys)


def test_folders_that_do_not_fit(small, tmp_path, capsys):
    arguments = ["experiment", "small", "--repeats", "1", "--out", str(tmp_path)]
    assert main(arguments) == 0
    capsys.readouterr()
    assert main(arguments) == 2
    assert "go on with --resume, replace it with --force" in error(capsys)
    assert main([*arguments, "--resume", "--y", "3"]) == 2
    assert "holds a run with y = [0.5, 1.5], not [3.0]" in error(capsys)
    (tmp_path / "run.json").write_text("{}")
    for command in (["experiment", "rerun", str(tmp_path)], [*arguments, "--resume"]):
        assert main(command) == 2
        assert "run.json is not the record of an experiment" in error(capsys)
    assert main([*arguments, "--force"]) == 0


def test_a_plan_measures_a_few_units_and_writes_nothing(small, tmp_path, capsys):
    out = tmp_path / "run"
    arguments = ["experiment", "small", "--size", "paper", "--seconds", "0.01", "--out", str(out)]
    assert main([*arguments, "--plan", "--jobs", "4", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["units"] == 8000
    assert made["grid"] == "4 x x 2 y x 1000 repeats"
    mean = sum(made["sampled"]) / 8
    assert mean >= 0.01
    assert made["hours"] == pytest.approx(mean * 8000 / 3600)
    assert made["wall_seconds"] == pytest.approx(mean * 2000 + made["loading"])
    assert made["data_bytes"] == 8 * 4 * 8000
    assert not out.exists()
    assert main([*arguments, "--plan"]) == 0
    assert "8000 units = 4 x x 2 y x 1000 repeats" in capsys.readouterr().out
    failing = plan(Design.of(EXPERIMENT, trouble="error", x=2))
    assert "a sampled unit failed: ValueError: two" in words(failing)


def test_python_m_is_the_same_and_ctrl_c_keeps_what_is_finished(tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "experiments.asynchrony", "--out", str(out)]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        log = out / "units.jsonl"
        end = time.monotonic() + 120
        while not (log.exists() and log.read_bytes().count(b"\n") >= 2):
            assert run.poll() is None
            assert time.monotonic() < end
            time.sleep(0.02)
        os.kill(run.pid, signal.SIGINT)
        _, errors = run.communicate(timeout=60)
    assert run.returncode == 130, errors
    kept = read_record(out)["units"]["measured"]
    assert kept >= 2
    units = len(Design.of(experiments.find("asynchrony")))
    assert errors.splitlines()[-2:] == [
        f"amsim: {kept} of {units} units are in {out}; go on with --resume",
        "amsim: interrupted",
    ]
    assert "Traceback" not in errors
