"""Whatever is killed, filled up or damaged: nothing is lost, and nothing counted twice."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import BrokenExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_experiments import EXPERIMENT

from experiments.runner import pools
from experiments.runner.design import Design
from experiments.runner.files import RecordError, in_use, read_record
from experiments.runner.pools import open_pool
from experiments.runner.record import run
from experiments.runner.sweep import _death
from experiments.runner.unit_log import UnitLog, damaged, read

DRIVER = Path(__file__).with_name("small_experiments.py")
ROOT = DRIVER.parents[2]
OPTIONS = {"seconds": 0.02, "repeats": 3}


def start(out, **options):
    """Start a driver of its own."""
    path = os.pathsep.join([str(ROOT), str(DRIVER.parent)])
    return subprocess.Popen(
        [sys.executable, str(DRIVER), str(out), json.dumps(options)],
        env={**os.environ, "PYTHONPATH": path},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def until(condition, seconds=120.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


def lines(out):
    path = out / "units.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def workers(marks):
    """Processes that have measured a unit."""
    return {int(path.name.split("-")[3]) for path in marks.iterdir() if path.name.count("-") == 4}


def alive(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def session(leader):
    """Processes of a driver that are alive, also workers that have not measured anything yet."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session, *_ = path.read_text().rpartition(")")[2].split()
        except OSError:  # gone meanwhile
            continue
        if int(session) == leader and state != "Z":
            yield int(path.parent.name)


def rows(out, options):
    """What is in the log of a run with these options."""
    return list(read(out / "units.jsonl", Design.of(EXPERIMENT, **options)))


@cache
def undisturbed(options):
    return EXPERIMENT.run(**json.loads(options))


def check(out, options, data):
    """Every unit is in the log once, and the data are those of an undisturbed run."""
    numbers = [row["unit"] for row in rows(out, options)]
    plain = undisturbed(json.dumps({**options, "seconds": 0.0, "marks": ""}))
    assert sorted(numbers) == list(range(plain["sum"].size))
    for name in plain.data_vars:
        assert (data[name].values == plain[name].values).all()
    assert read_record(out)["status"] == "complete"


@pytest.fixture
def marks(tmp_path):
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_driver_is_killed(tmp_path, marks, jobs):
    out = tmp_path / "run"
    options = {**OPTIONS, "marks": str(marks)}
    with start(out, jobs=jobs, **options) as driver:
        until(lambda: lines(out) >= 3)
        driver.kill()
    assert read_record(out)["status"] == "broken off"
    until(lambda: not any(session(driver.pid)))  # nobody works on for nobody
    assert not in_use(out)
    finished = {row["unit"] for row in rows(out, options)}
    assert 3 <= len(finished) < 24
    before = Counter(path.name.rsplit("-", 2)[0] for path in marks.iterdir())
    data = run(Design.of(EXPERIMENT, **options), out, resume=True)
    check(out, options, data)
    # Only what was in flight is measured twice: at most two tasks of 0.2 s for each worker.
    after = Counter(path.name.rsplit("-", 2)[0] for path in marks.iterdir())
    repeated = [name for name, number in after.items() if number > 1]
    assert set(repeated) <= set(before)
    assert len(repeated) <= len(before) - len(finished)


def test_a_worker_is_killed(tmp_path, marks):
    out = tmp_path / "run"
    # Long units, and few: each of those in flight is measured again in a process of its own.
    options = {"seconds": 0.3, "x": [0, 1, 2, 3, 4], "y": [0.5], "repeats": 1, "marks": str(marks)}
    with start(out, jobs=2, **options) as driver:
        until(lambda: lines(out) >= 2 and len(workers(marks)) == 2)
        os.kill(min(workers(marks) - {driver.pid}), signal.SIGKILL)
        _, errors = driver.communicate(timeout=120)
    assert driver.returncode == 0, errors
    assert lines(out) == 5  # the driver itself went on, also with what was in flight
    check(out, options, run(Design.of(EXPERIMENT, **options), out, resume=True))


def test_a_unit_that_kills_its_worker_fails_alone(tmp_path):
    out = tmp_path / "run"
    data = run(Design.of(EXPERIMENT, trouble="suicide", x=[1, 2], y=0.5, repeats=1), out, jobs=2)
    assert np.isnan(data["sum"]).sel(x=2).all()
    assert np.isfinite(data["sum"]).sel(x=1).all()
    record = read_record(out)
    assert [unit["at"]["x"] for unit in record["failures"]] == [2]
    assert "its process died twice" in record["failures"][0]["error"]


def test_what_a_process_could_not_load_is_named():
    error = BrokenExecutor("a task has failed to un-serialize")
    assert str(_death(error)).endswith("the second time alone: a crash, or out of memory")
    text = "Traceback:\n  ...\nModuleNotFoundError: No module named 'a'\n"
    error.__cause__ = RuntimeError(f'\n"""\n{text}"""')
    assert str(_death(error)).endswith("alone: ModuleNotFoundError: No module named 'a'")


def test_ctrl_c_keeps_what_is_finished(tmp_path, marks):
    out = tmp_path / "run"
    options = {**OPTIONS, "marks": str(marks)}
    with start(out, jobs=2, **options) as driver:
        until(lambda: lines(out) >= 3)
        os.killpg(driver.pid, signal.SIGINT)  # what a terminal does
        _, errors = driver.communicate(timeout=120)
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert read_record(out)["status"] == "interrupted"
    assert read_record(out)["units"]["measured"] == lines(out)
    until(lambda: not any(map(alive, workers(marks))))
    check(out, options, run(Design.of(EXPERIMENT, **options), out, resume=True))


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals of POSIX")
def test_processes_are_started_with_ctrl_c_held_back():
    """Else one that still imports would show a traceback of its own."""
    ours = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with open_pool(2, None, None) as pool:
        held = pool.executor.submit(signal.pthread_sigmask, signal.SIG_BLOCK, []).result()
        assert signal.SIGINT in held - ours
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == ours


def test_stopped_workers_are_told_of_and_again(tmp_path, marks):
    """The driver waits, says so, and keeps what is finished at Ctrl-C."""
    out = tmp_path / "run"
    options = {**OPTIONS, "marks": str(marks)}
    with start(out, jobs=2, silence=0.2, **options) as driver:
        until(lambda: lines(out) >= 3 and len(workers(marks)) == 2)
        for pid in workers(marks):
            os.kill(pid, signal.SIGSTOP)
        stopped = (line for line in driver.stderr if re.search("no unit .* [1-9][0-9]* of", line))
        said = [next(stopped) for _ in range(2)]  # not while the workers started
        os.kill(driver.pid, signal.SIGINT)
        driver.communicate(timeout=120)
    for line in said:
        assert re.search(r"no unit has come back for \d+ s; .* of 24 units are done; Ctrl-C", line)
        assert "keeps them, and --resume goes on" in line
    assert not any(map(alive, workers(marks)))
    assert read_record(out)["units"]["measured"] == lines(out)


def test_a_full_disk(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        # A real disk that fills up; writes that fail in mid-line are tested for everybody.
        pytest.skip("mounting a small disk needs root")
    try:
        ballast = small / "ballast"
        ballast.write_bytes(bytes((1 << 20) - 4 * 4096))
        design = Design.of(EXPERIMENT, size="paper", repeats=20)
        with pytest.raises(RecordError, match=r"No space left on device.*kept.*--resume"):
            run(design, small / "run")
        finished = len(list(read(small / "run/units.jsonl", design)))
        assert 0 < finished < 160
        ballast.unlink()
        # Still no room for the dataset and the figure: every unit is kept nevertheless.
        ballast.write_bytes(bytes((1 << 20) - 9 * 4096))
        with pytest.raises(RecordError, match="No space left on device"):
            run(design, small / "run", resume=True)
        assert len(list(read(small / "run/units.jsonl", design))) == 160
        assert not (small / "run/data.nc").exists()
        ballast.unlink()
        subprocess.run([*mount[:4], "remount,size=8m", *mount[5:]], check=True)
        data = run(design, small / "run", resume=True)
        check(small / "run", {"repeats": 20}, data)
        assert read_record(small / "run")["sessions"][-1]["seconds"] > 0
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.parametrize("full", [1, 2, 5])
def test_a_disk_that_is_full_after_some_writes(tmp_path, monkeypatch, full):
    """The write that fails leaves half of its bytes."""
    plain, calls = UnitLog._write, []

    def write(self, data):
        calls.append(len(data))
        if len(calls) == full:
            plain(self, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        plain(self, data)

    design = Design.of(EXPERIMENT, seconds=0.05, repeats=1)
    with monkeypatch.context() as patch:
        patch.setattr(UnitLog, "_write", write)
        with pytest.raises(RecordError, match="No space left on device"):
            run(design, tmp_path)
    finished = len(list(read(tmp_path / "units.jsonl", design)))
    assert read_record(tmp_path)["status"] == "broken off"
    assert read_record(tmp_path)["units"]["measured"] == finished
    check(tmp_path, {"repeats": 1}, run(design, tmp_path, resume=True))


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory):
    out = tmp_path_factory.mktemp("finished") / "run"
    run(Design.of(EXPERIMENT, repeats=2), out)
    return out, (out / "units.jsonl").read_bytes()


@settings(max_examples=8, deadline=None)
@given(damage=st.data())
def test_a_damaged_log_is_seen_and_measured_again(finished_run, damage):
    out, intact = finished_run
    log = bytearray(intact)
    for _ in range(damage.draw(st.integers(1, 3))):
        at = damage.draw(st.integers(0, len(log) - 1))
        if damage.draw(st.booleans()):
            log[at] ^= damage.draw(st.integers(1, 255))
        else:
            del log[at:]
        if not log:
            break
    (out / "units.jsonl").write_bytes(log)
    left = {row["unit"]: row for row in rows(out, {"repeats": 2})}
    whole = {row["unit"]: row for row in _rows(intact)}
    assert all(whole[unit] == row for unit, row in left.items())  # nothing corrupt is believed
    assert len(left) < 16 or log == intact or bytes(log).strip() == intact.strip()
    data = run(Design.of(EXPERIMENT, repeats=2), out, resume=True)
    check(out, {"repeats": 2}, data)


def _rows(log):
    for line in log.splitlines():
        yield json.loads(line[9:])


def test_damage_is_counted(finished_run):
    out, intact = finished_run
    (out / "units.jsonl").write_bytes(intact.replace(b'"sum":', b'"sum": ', 1))
    assert damaged(out / "units.jsonl") == 1
    (out / "units.jsonl").write_bytes(intact)
    assert damaged(out / "units.jsonl") == 0


def test_a_dask_worker_is_lost_and_then_the_scheduler(tmp_path, marks):
    """One cluster for both: the first run is finished all the same, the second is one error."""
    distributed = pytest.importorskip("distributed", reason="Dask is in the extra 'cluster'")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", host="127.0.0.1",
        silence_logs=50,
    ) as cluster:  # fmt: skip
        out = tmp_path / "lost worker"
        options = {**OPTIONS, "marks": str(marks)}
        with start(out, scheduler=cluster.scheduler_address, **options) as driver:
            until(lambda: lines(out) >= 3)
            os.kill(min(workers(marks)), signal.SIGKILL)
            _, errors = driver.communicate(timeout=120)
        assert driver.returncode == 0, errors
        assert len(workers(marks)) >= 2
        data = run(Design.of(EXPERIMENT, **options), out, resume=True)
        check(out, options, data)
        assert re.match("tcp://", read_record(out)["sessions"][0]["scheduler"])

        out = tmp_path / "lost scheduler"
        options = {"seconds": 0.3, "repeats": 3, "marks": str(marks)}
        driver = start(out, scheduler=cluster.scheduler_address, silence=1.0, **options)
        until(lambda: lines(out) >= 2)
        cluster.close()
        _, errors = driver.communicate(timeout=120)
    # A scheduler that goes is one error, without logs of Dask.
    assert driver.returncode == 1
    assert "distributed." not in errors.partition("Traceback")[0]
    assert "PoolError: " in errors.splitlines()[-1]
    assert read_record(out)["units"]["measured"] == lines(out) >= 2


def test_a_scheduler_that_answers_late_is_told_of_and_waited_for(monkeypatch):
    monkeypatch.setattr(pools, "_POLL_INTERVAL", 0.2)
    distributed = pytest.importorskip("distributed", reason="Dask is in the extra 'cluster'")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, protocol="tcp://",
            dashboard_address=":0", silence_logs=50,
        ) as cluster,
        open_pool(scheduler=cluster.scheduler_address) as pool,
    ):  # fmt: skip
        assert pool.width() == 1
        held, free = threading.Event(), threading.Event()
        cluster.loop.add_callback(lambda: (held.set(), free.wait(60)))
        assert held.wait(60)
        assert pool.poll().endswith("does not answer")
        assert pool.width() == 1  # as last heard of
        free.set()
        until(lambda: pool.poll().endswith("has 1 worker threads"))
