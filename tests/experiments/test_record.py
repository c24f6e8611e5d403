import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from small_experiments import EXPERIMENT

import experiments
from experiments.runner import summary
from experiments.runner.conclude import UnitsFailed
from experiments.runner.dataset_file import load, to_netcdf
from experiments.runner.design import Design
from experiments.runner.files import (
    FILES,
    LOCK,
    RUN,
    RecordError,
    in_use,
    locked,
    read_record,
    write_record,
)
from experiments.runner.html_report import page
from experiments.runner.record import run
from experiments.runner.rerun import changed_origin, differences, rerun
from experiments.runner.summary import origin
from experiments.runner.unit_log import UnitLog, read


def design(**options):
    return Design.of(EXPERIMENT, **{"repeats": 2, **options})


def times_measured(marks):
    """How often each unit was measured."""
    names = [path.name.rsplit("-", 2)[0] for path in Path(marks).iterdir()]
    return [names.count(name) for name in sorted(set(names))]


@pytest.fixture
def marks(tmp_path):
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder


@pytest.fixture
def known(monkeypatch):
    """Let records of these tests find their experiment by its name."""
    monkeypatch.setattr("experiments.runner.rerun.find", {"small": EXPERIMENT}.__getitem__)


@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    """A run that is not to be changed."""
    folder = tmp_path_factory.mktemp("small") / "run"
    run(design(), folder)
    return folder


def test_what_a_run_leaves(tmp_path, drawn):
    data = run(design(seed=3), tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {*FILES, LOCK}
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["status"] == "complete"
    assert record["seed"] == 3
    assert record["parameters"]["y"] == [0.5, 1.5]
    assert record["units"]["measured"] == record["units"]["total"] == 16
    assert record["claims"][0] == {
        "text": "draws lie in [0, 1)",
        "measured": float((data["sum"] - data.x - data.y).max()),
        "predicted": 1.0,
        "holds": True,
    }
    (session,) = record["sessions"]
    assert session["versions"]["numpy"] == np.__version__
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True)
    if head.returncode == 0:  # a clone, not a source archive
        assert session["commit"].startswith(head.stdout.strip())
    assert session["seconds"] > 0
    assert xr.load_dataset(tmp_path / "run/data.nc", engine="h5netcdf").identical(data)
    assert (tmp_path / "run/figure.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "run/figure.pdf").read_bytes()[:5] == b"%PDF-"
    summary = (tmp_path / "run/summary.md").read_text()
    assert "1 of 1 predictions hold; 1 further observation" in summary
    assert "| draws lie in [0, 1) |" in summary


def test_a_record_is_the_same_for_any_number_of_workers(tmp_path, drawn):
    one, two = run(design(), tmp_path / "one"), run(design(), tmp_path / "two", jobs=2)
    assert one.identical(two)
    assert (tmp_path / "one/figure.pdf").read_bytes() == (tmp_path / "two/figure.pdf").read_bytes()


def test_a_complete_run_is_not_measured_again(tmp_path, marks):
    first = run(design(marks=str(marks)), tmp_path / "run")
    (tmp_path / "run/data.nc").unlink()
    again = run(design(marks=str(marks)), tmp_path / "run", resume=True)
    assert times_measured(marks) == [1] * 16
    assert again.identical(first)
    assert len(read_record(tmp_path / "run")["sessions"]) == 2


def test_failures_are_listed_kept_and_retried_when_asked(tmp_path, marks):
    # What fails once: the process dies where x is 2, and with it what runs in process.
    folder = tmp_path / "run"
    data = run(design(trouble="error", marks=str(marks)), folder)
    record = read_record(folder)
    assert record["units"] == {
        "total": 16, "measured": 12, "failed": 4, "seconds": record["units"]["seconds"],
    }  # fmt: skip
    assert record["failures"][0]["at"] == {"x": 2, "y": 0.5}
    assert record["failures"][0]["error"] == "ValueError: two is not allowed"
    assert "in measure" in record["failures"][0]["traceback"]
    assert np.isnan(data["sum"].sel(x=2)).all()
    assert "4 failed" in (folder / "summary.md").read_text()
    run(design(trouble="error", marks=str(marks)), folder, resume=True)
    assert sorted(times_measured(marks)) == [1] * 16
    run(design(trouble="error", marks=str(marks)), folder, resume=True, retry=True)
    assert sorted(times_measured(marks)) == [1] * 12 + [2] * 4
    assert read_record(folder)["units"]["failed"] == 4


def test_all_failed_is_an_error_with_a_record(tmp_path):
    with pytest.raises(UnitsFailed, match="all 4 units failed, the first with ValueError: two"):
        run(design(trouble="error", x=2), tmp_path / "run")
    assert read_record(tmp_path / "run")["units"]["failed"] == 4


def test_judges_and_painters_that_fail_do_not_cost_the_data(tmp_path):
    from dataclasses import replace

    def fail(data):
        raise KeyError("colour")

    broken = replace(EXPERIMENT, draw=fail, judge=fail)
    run(Design.of(broken), tmp_path / "run")
    record = read_record(tmp_path / "run")
    assert record["status"] == "complete"
    assert record["problems"] == [
        "the claims could not be judged: KeyError: 'colour'",
        "the figure could not be drawn: KeyError: 'colour'",
    ]
    assert (tmp_path / "run/data.nc").exists()


def test_other_parameters_are_not_mixed_in(tmp_path):
    run(design(), tmp_path / "run")
    for change, words in (
        ({"y": 0.5}, r"y = \[0.5, 1.5\], not \[0.5\]"),
        ({"seed": 1}, "seed = 0, not 1"),
        ({"repeats": 3}, "repeats = 2, not 3"),
    ):
        with pytest.raises(RecordError, match=words):
            run(design(**change), tmp_path / "run", resume=True)


def test_what_a_folder_holds_is_not_replaced_unasked(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    run(design(), tmp_path)
    with pytest.raises(RecordError, match=r"holds run.json.*--resume.*--force"):
        run(design(), tmp_path)
    run(design(seed=1), tmp_path, force=True)
    assert read_record(tmp_path)["seed"] == 1
    assert xr.load_dataset(tmp_path / "data.nc", engine="h5netcdf").attrs["seed"] == 1
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_foreign_and_damaged_folders(tmp_path):
    (tmp_path / "data.nc").write_text("not mine")
    with pytest.raises(RecordError, match=r"has no run\.json"):
        run(design(), tmp_path, resume=True)
    for text, words in (
        ("{", "is damaged"),
        ("[]", "is not the record"),
        ('{"command": "recall"}', "is not the record"),
        ('{"format": "amsim experiment 1"}', "experiment is missing"),
    ):
        (tmp_path / "run.json").write_text(text)
        with pytest.raises(RecordError, match=words):
            read_record(tmp_path)
    with pytest.raises(RecordError, match="does not exist"):
        read_record(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match="is a file"):
        run(design(), tmp_path / "file")
    with pytest.raises(RecordError, match="is a file"):
        read_record(tmp_path / "file")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("claims", [1], r"claims\[0\] must be an object, got 1"),
        ("failures", [{}], r"failures\[0\].unit is missing"),
        ("sessions", [], "sessions must have at least 1 entries"),
        ("sessions", [{"commit": ""}], r"sessions\[0\].versions is missing"),
        ("parameters", {"x": [[1]]}, r"parameters.x\[0\] must be a finite number"),
        ("parameters", {"x": None}, "parameters.x must be a finite number"),
        ("seed", True, "seed must be a whole number"),
        ("repeats", 2.5, "repeats must be a whole number"),
        ("units", {"measured": "16"}, "units.measured must be a whole number"),
        ("labels", {"x": ["one"]}, "labels.x must have at least 2 entries"),
        ("labels", {"x": ["one", "two", "three"]}, "labels.x must have at most 2 entries"),
        ("status", "fine", "status must be 'running'"),
        ("problems", [None], r"problems\[0\] must be text"),
        ("seed", float("nan"), "NaN for a number"),
    ],
)
def test_damage_within_a_record_is_named(small_run, tmp_path, key, value, words):
    record = json.loads((small_run / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**record, key: value}))
    with pytest.raises(RecordError, match=rf"run\.json is damaged: .*{words}"):
        read_record(tmp_path)


def test_what_is_no_file_is_not_opened(small_run, tmp_path, known):
    """Opening a pipe would wait for ever."""
    for name in ("run.json", "data.nc", "units.jsonl"):
        copy = shutil.copytree(small_run, tmp_path / name)
        (copy / name).unlink()
        os.mkfifo(copy / name)
        if name != "units.jsonl":
            with pytest.raises(
                RecordError, match=rf"{name} cannot be read: it is not a regular file"
            ):
                rerun(copy)
        else:
            with pytest.raises(
                RecordError, match=rf"{name} cannot be read: it is not a regular file"
            ):
                run(design(), copy, resume=True)
    copy = shutil.copytree(small_run, tmp_path / "figure")
    (copy / "figure.png").unlink()
    os.mkfifo(copy / "figure.png")
    assert "There is no figure" in page([copy])


def test_one_flipped_bit_never_reaches_hdf5(small_run, tmp_path, known, monkeypatch):
    copy = shutil.copytree(small_run, tmp_path / "run")
    data = bytearray((copy / "data.nc").read_bytes())
    data[len(data) // 2] ^= 1
    (copy / "data.nc").write_bytes(data)
    with monkeypatch.context() as patch:
        patch.setattr("experiments.runner.dataset_file._try", lambda netcdf: 1 / 0)
        with pytest.raises(RecordError, match=r"SHA-256 is not the one in run.json.*--resume"):
            rerun(copy)
    assert run(design(), copy, resume=True).identical(load(copy))


def test_a_matching_hash_is_no_signature(small_run, tmp_path, known, monkeypatch):
    """What crashes or stalls HDF5 does so in a process of its own."""
    copy = shutil.copytree(small_run, tmp_path / "run")
    record = read_record(copy)
    for data, words, patience in (
        (b"nothing", r"damaged: .*signature.*--resume", 60.0),
        (b"", r"damaged: .*--resume", 60.0),
        (b"slow", "cannot read it within 0.01 s", 0.01),
    ):
        monkeypatch.setattr("experiments.runner.dataset_file._READ_TIMEOUT", patience)
        (copy / "data.nc").write_bytes(data)
        write_record(copy, {**record, "sha256": hashlib.sha256(data).hexdigest()})
        with pytest.raises(RecordError, match=words):
            rerun(copy)


def test_links_and_files_of_others_are_not_touched(small_run, tmp_path):
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    for name in (LOCK, "units.jsonl"):
        copy = shutil.copytree(small_run, tmp_path / name)
        (copy / name).unlink()
        (copy / name).symlink_to(mine)
        with pytest.raises(RecordError, match=r"(no lock of amsim|not a regular file).*move it"):
            run(design(), copy, resume=True)
    copy = shutil.copytree(small_run, tmp_path / "used")
    (copy / LOCK).write_text("a lock of somebody else")
    with pytest.raises(RecordError, match="no lock of amsim"):
        run(design(), copy, resume=True)
    for name in ("data.nc", "run.json", "figure.png", "summary.md"):  # replaced, not followed
        copy = shutil.copytree(small_run, tmp_path / f"linked {name}")
        (copy / name).rename(tmp_path / "kept")
        before = (tmp_path / "kept").read_bytes()
        (copy / name).symlink_to(tmp_path / "kept")
        run(design(), copy, resume=True)
        assert (tmp_path / "kept").read_bytes() == before
        assert not (copy / name).is_symlink()
    assert mine.read_text() == "mine"


def test_names_from_files_do_not_reach_a_terminal_raw(small_run, tmp_path, known):
    record = read_record(small_run)
    odd = "\x1b[2J\u202e\ud800"
    write_record(tmp_path, {**record, "experiment": odd, "question": odd})
    for text in (summary.text(read_record(tmp_path), odd), page([tmp_path])):
        assert "\\x1b[2J\\u202e\\ud800" in text
        assert text.encode()
        assert not {"\x1b", "\u202e"} & set(text)
    write_record(tmp_path, {**record, "parameters": {**record["parameters"], odd: 1}})
    with pytest.raises(RecordError) as refusal:
        rerun(tmp_path)
    assert str(refusal.value).isprintable()
    other = EXPERIMENT.run(repeats=1).rename({"curve": "\x1b[2J"})
    assert all(line.isprintable() for line in differences(other, EXPERIMENT.run(repeats=1)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"unit": -1}, "row.unit must be a whole number from 0"),
        ({"unit": 16}, "there is no unit 16; the run has 16"),
        ({"unit": 1.0}, "row.unit must be a whole number"),
        ({"unit": True}, "row.unit must be a whole number"),
        ({"unit": 0}, "unit 0 has results in line 1 already"),
        ({"seconds": -1}, "row.seconds must be a finite number"),
        ({"seconds": None}, "row.seconds must be"),
        ({"seconds": 1.7e308}, "row.seconds must be a finite number"),  # the sum would be none
        ({"results": None}, "results are not numbers"),
        ({"results": {"sum": 1.0}}, "measure returned sum; the experiment has sum, curve"),
        ({"results": {"sum": "1", "curve": [1, 2, 3]}}, "results are not numbers"),
        ({"results": {"sum": -5, "curve": [1, 2, 3]}}, r"sum is -5, and must be in \[0, inf\]"),
        ({"results": {"sum": True, "curve": [1, 2, 3]}}, "results are not numbers"),
        ({"results": {"sum": 1.0, "curve": [1, True, 3]}}, "results are not numbers"),
        ({"results": {"sum": 1.0, "curve": [1, 2]}}, r"curve of shape \(2,\)"),
        ({"results": {"sum": 1.0, "curve": [[1], 2, 3]}}, "rows of one length"),
        ({"results": {"sum": 10**400, "curve": [1, 2, 3]}}, "sum must be real numbers"),
        ({"error": "both"}, "either results or an error"),
    ],
)
def test_intact_lines_of_the_log_that_are_no_results(small_run, tmp_path, change, words):
    copy = shutil.copytree(small_run, tmp_path / "run")
    instead = "results" in change or "error" in change or "seconds" in change
    add_a_line(copy, change, instead)
    before = contents(copy)
    with pytest.raises(RecordError, match=rf"units.jsonl, line 1[67]: .*{words}.*delete that line"):
        run(design(), copy, resume=True)
    assert contents(copy) == before


@pytest.mark.parametrize("instead", [True, False])
def test_without_the_line_a_run_goes_on(small_run, tmp_path, instead):
    """So it does with those of the test above: a refusal leaves the same files."""
    copy = shutil.copytree(small_run, tmp_path / "run")
    add_a_line(copy, {"seconds": -1}, instead)
    with pytest.raises(RecordError, match="delete that line"):
        run(design(), copy, resume=True)
    lines = (copy / "units.jsonl").read_bytes().splitlines(keepends=True)
    (copy / "units.jsonl").write_bytes(b"".join(lines[:-1]))
    assert run(design(), copy, resume=True).identical(load(small_run))


def add_a_line(folder, change, instead):
    """Write a changed line at the end of the log, also instead of that of the last unit."""
    first, *_ = read(folder / "units.jsonl", design())
    with UnitLog(folder / "units.jsonl") as log:
        log.append([{**first, "unit": 15, **change}])
    if instead:
        lines = (folder / "units.jsonl").read_bytes().splitlines(keepends=True)
        (folder / "units.jsonl").write_bytes(b"".join(lines[:15] + lines[16:]))


def contents(folder):
    """Of all files but the one that tells of this session, too."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != RUN}


def test_lines_that_are_no_objects(small_run, tmp_path):
    for value in (None, 1, [], "x", [[[]]], {"unit": 0}):
        copy = shutil.copytree(small_run, tmp_path / "run", dirs_exist_ok=True)
        with UnitLog(copy / "units.jsonl") as log:
            log.append([value])
        with pytest.raises(RecordError, match="line 17: row"):
            run(design(), copy, resume=True)


def test_a_folder_of_another_experiment_is_not_resumed(tmp_path):
    from dataclasses import replace

    run(design(), tmp_path)
    other = Design.of(replace(EXPERIMENT, name="other"))
    with pytest.raises(RecordError, match=r"holds a run of .*, not of other"):
        run(other, tmp_path, resume=True)


def test_a_second_run_is_refused_until_the_first_is_gone(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from experiments.runner.files import locked\n"
        "with locked(Path(sys.argv[1])):\n    print('in', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE
    ) as owner:
        owner.stdout.readline()
        assert in_use(tmp_path)
        with pytest.raises(RecordError, match="in use by another run"):
            run(design(), tmp_path)
        with pytest.raises(RecordError, match="in use"):
            run(design(), tmp_path, resume=True)
        owner.kill()
    assert not in_use(tmp_path)
    run(design(), tmp_path)


FORK = """
import os, sys
from pathlib import Path
from experiments.runner.files import in_use, locked
folder = Path(sys.argv[1])
with locked(folder):
    alive, gone = os.pipe(), os.pipe()
    if os.fork() == 0:
        os.close(gone[1])
        os.write(alive[1], b"x")
        os.read(gone[0], 1)  # until the parent is gone
        os._exit(0)
    os.read(alive[0], 1)
    print(in_use(folder))
print(in_use(folder))
"""


def test_a_forked_worker_does_not_hold_the_lock(tmp_path):
    with locked(tmp_path), pytest.raises(RecordError, match="in use"), locked(tmp_path):
        pass
    done = subprocess.run(
        [sys.executable, "-c", FORK, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "False"]  # the child is still there then


def test_a_rerun_is_identical_or_says_what_differs(tmp_path, known):
    data = run(design(), tmp_path / "run")
    assert rerun(tmp_path / "run") == []
    assert rerun(tmp_path / "run", tmp_path / "second") == []
    assert load(tmp_path / "second").identical(data)
    path = tmp_path / "run/data.nc"
    other = data.copy(deep=True)
    other["sum"][1, 0, 1] += 1e-12
    other["curve"][:, :, :, 2] = np.nan
    path.write_bytes(to_netcdf(other))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    write_record(tmp_path / "run", {**read_record(tmp_path / "run"), "sha256": sha256})
    curve, total = rerun(tmp_path / "run")
    assert curve == "curve differs in 16 of 48 numbers"
    assert total.startswith("sum differs in 1 of 16 numbers, by up to 1e-12")


def test_what_a_comparison_sees():
    one = EXPERIMENT.run(repeats=1)
    assert differences(one, one.copy(deep=True)) == []
    assert differences(one, one.drop_vars("curve")) == ["curve is only in the old run"]
    assert "another shape" in differences(one, one.isel(x=slice(2)))[0]
    other = one.copy(deep=True)
    other["sum"].attrs["units"] = "s"
    assert differences(one, other) == ["sum has other attributes or coordinates"]
    old = {
        "versions": {"numpy": "1"},
        "commit": "a",
        "python": "3",
        "platform": "p",
        "processor": "q",
    }
    assert changed_origin(old, {**old, "versions": {"numpy": "2"}, "commit": "b"}) == [
        "numpy: 1 then, 2 now",
        "commit: a then, b now",
    ]


def test_the_commits_of_all_sessions_are_named(tmp_path):
    run(design(), tmp_path / "run")
    record = read_record(tmp_path / "run")
    (session,) = record["sessions"]
    record["sessions"] = [{**session, "commit": x} for x in ("aaa", "bbb", None, "bbb")]
    text = origin(record)
    assert "commit aaa, then commit bbb, then an installed release; Python" in text
    assert text.endswith(", 4 sessions.")


def test_a_record_with_a_name_twice_is_refused(tmp_path):
    run(design(), tmp_path / "run")
    path = tmp_path / "run/run.json"
    path.write_text(path.read_text().replace("{", '{"seed": 1,', 1))
    with pytest.raises(RecordError, match="'seed' stands twice"):
        read_record(tmp_path / "run")


def test_reruns_of_what_cannot_be_rerun(tmp_path, known, monkeypatch):
    run(design(), tmp_path / "run")
    (tmp_path / "run/data.nc").unlink()
    with pytest.raises(RecordError, match=r"no data.nc.*--resume"):
        rerun(tmp_path / "run")
    monkeypatch.setattr("experiments.runner.rerun.find", experiments.find)
    with pytest.raises(RecordError, match="there is no experiment 'small'"):
        rerun(tmp_path / "run")
