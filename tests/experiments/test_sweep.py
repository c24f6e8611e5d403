import itertools
import sys
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import numpy as np
import pytest
import threadpoolctl
from small_experiments import EXPERIMENT

from experiments.runner.design import Design
from experiments.runner.pools import PoolError, open_pool
from experiments.runner.progress import Progress
from experiments.runner.sweep import Sweep, work


def same(one, other):
    assert one.identical(other)


class Recorder(Executor):
    """Works at once, and remembers how many units each task had."""

    def __init__(self):
        self.sizes = []

    def submit(self, fn, /, *args, **kwargs):
        self.sizes.append(len(args[1]))
        future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def test_results_do_not_depend_on_the_workers():
    serial = EXPERIMENT.run(seed=1)
    same(serial, EXPERIMENT.run(seed=1, jobs=2))
    with ThreadPoolExecutor(3) as threads:
        same(serial, EXPERIMENT.run(seed=1, executor=threads, jobs=3))


@pytest.fixture
def steady_clock(monkeypatch):
    """Each look at the clock is 0.2 ms later: units take as long on every machine."""
    monkeypatch.setattr(time, "perf_counter", itertools.count(0.0, 2e-4).__next__)


def test_short_units_share_tasks(steady_clock):
    executor = Recorder()
    EXPERIMENT.run(size="paper", executor=executor, repeats=100)
    assert sum(executor.sizes) >= 800  # more, where a task ran out of time
    assert len(executor.sizes) < 100
    assert executor.sizes[0] == 1


def test_long_units_do_not_wait_for_each_other():
    design = Design.of(EXPERIMENT, seconds=0.03)
    units = [(number, *design.unit(number)) for number in range(10)]
    rows = work(EXPERIMENT.measure, units, 0.05)
    assert [row["unit"] for row in rows] == list(range(len(rows)))
    assert 1 <= len(rows) < 10
    assert len(work(EXPERIMENT.measure, units, 0.0)) == 1


def test_what_a_task_did_not_get_to_is_sent_again():
    class Impatient(Recorder):
        def submit(self, fn, /, measure, units, budget):
            return super().submit(fn, measure, units, 0.0)

    executor = Impatient()
    kept = []
    design = Design.of(EXPERIMENT)
    with open_pool(executor=executor, jobs=4) as pool:
        Sweep(EXPERIMENT.measure, design.unit, kept.extend, pool, Progress(24)).run(range(24))
    assert sorted(row["unit"] for row in kept) == list(range(24))


def test_rows_are_kept_before_more_is_sent():
    kept = []

    class Watching(Recorder):
        def submit(self, fn, /, *args, **kwargs):
            assert len(kept) == sum(self.sizes)
            return super().submit(fn, *args, **kwargs)

    design = Design.of(EXPERIMENT, seconds=0.21, x=[0, 1], y=0.5, repeats=2)
    with open_pool(executor=Watching()) as pool:
        Sweep(EXPERIMENT.measure, design.unit, kept.extend, pool, Progress(4)).run(range(4))
    assert len(kept) == 4


def test_an_executor_that_breaks_is_an_error_after_everything_is_kept(steady_clock):
    from concurrent.futures.process import BrokenProcessPool

    class Breaking(Recorder):
        def submit(self, fn, /, *args, **kwargs):
            if len(self.sizes) < 3:
                return super().submit(fn, *args, **kwargs)
            future = Future()
            future.set_exception(BrokenProcessPool("gone"))
            return future

    kept = []
    design = Design.of(EXPERIMENT)
    executor = Breaking()
    with (
        open_pool(executor=executor) as pool,
        pytest.raises(PoolError, match="pass a new executor"),
    ):
        Sweep(EXPERIMENT.measure, design.unit, kept.extend, pool, Progress(24)).run(range(24))
    assert sorted(row["unit"] for row in kept) == list(range(sum(executor.sizes)))


def test_one_thread_in_linear_algebra():
    from threadpoolctl import threadpool_info

    def measure(seed):
        np.dot(np.ones((2, 2)), np.ones((2, 2)))
        return {"threads": max(pool["num_threads"] for pool in threadpool_info())}

    (row,) = work(measure, [(0, {}, np.random.SeedSequence(0))], 0.0)
    assert row["results"] == {"threads": 1.0}


def test_workers_that_do_not_exist():
    for jobs in (0, -1, 1.5, True, 10**5):
        with pytest.raises((ValueError, TypeError), match="jobs must be a whole number from 1"):
            EXPERIMENT.run(jobs=jobs)
    with pytest.raises(ValueError, match="exclude each other"):
        EXPERIMENT.run(executor=Recorder(), scheduler="tcp://127.0.0.1:1")
    with pytest.raises(PoolError, match="no Dask scheduler answers at 'nonsense'"):
        EXPERIMENT.run(scheduler="nonsense")


def test_progress_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr("amsim.progress._DRAWN_AFTER", 0.0)
    with Progress(10, 2) as bar:
        bar.add(1, 0)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with Progress(10, 2) as bar:
        bar.add(3, 1)
        time.sleep(0.15)  # bars are not drawn more often than that
        bar.add(2, 0)
    shown = capsys.readouterr().err
    assert "7 of 10 units" in shown
    assert "1 failed" in shown
    assert "left" in shown


def test_libraries_are_looked_for_again_after_an_import(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A unit may load some, which have to be limited in the next."""
    looked: list[int] = []

    class Controller(threadpoolctl.ThreadpoolController):
        def __init__(self) -> None:
            looked.append(len(sys.modules))
            super().__init__()

    def measure(new: str, seed: np.random.SeedSequence) -> dict[str, float]:
        if new:
            monkeypatch.setitem(sys.modules, new, sys)
        return {"done": 1.0}

    def run(new: str = "") -> int:
        work(measure, [(0, {"new": new}, np.random.SeedSequence(0))], 0.0)
        return len(looked)

    monkeypatch.setattr(threadpoolctl, "ThreadpoolController", Controller)
    run(), run()  # the first imports what it needs
    before = run("a_new_library")
    assert run() == before + 1 == run()
