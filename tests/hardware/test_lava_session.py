"""Every way in which a Lava graph can go wrong ends in one error and leaves nothing."""

import errno
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from failures import Counter, Doubler, pair

from hardware.lava import LavaError, LavaTimeoutError, Session, config
from hardware.lava.workers import WorkerGroup, WorkerStatus

FAILURES = Path(__file__).parent / "lava_failures"
pytestmark = pytest.mark.timeout(60)


def children():
    """Ids of the children of this process, the ended ones that nobody waited for included."""
    task = Path(f"/proc/{os.getpid()}/task")
    return {pid for t in task.iterdir() for pid in (t / "children").read_text().split()}


def running(pid):
    """Whether a process exists and is not a zombie that waits for its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def named_memory(pid):
    """Shared memory with a name in /dev/shm that a process has mapped."""
    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return [line for line in maps if "/dev/shm" in line and "(deleted)" not in line]


@pytest.fixture(autouse=True)
def nothing_left():
    before = children(), set(threading.enumerate()), list(logging.getLogger().handlers)
    files = set(os.listdir("/proc/self/fd"))
    yield
    assert children() == before[0]
    assert [t for t in threading.enumerate() if t not in before[1]] == []
    assert logging.getLogger().handlers == before[2]
    assert logging.getLogger("lava.magma.compiler.compiler").handlers == []
    assert named_memory(os.getpid()) == []
    assert len(os.listdir("/proc/self/fd")) <= len(files)


# What works


def test_runs_add_up_and_variables_are_read_between_them():
    first, second = pair()
    with Session(first) as session:
        session.run(2)
        session.run(3)
        np.testing.assert_array_equal(first.total.get(), [5, 5, 5])
        np.testing.assert_array_equal(second.total.get(), [5, 5, 5])


def test_graph_uses_no_named_memory():
    first, _ = pair()
    with Session(first) as session:
        session.run(1)
        assert [named_memory(pid) for pid in [os.getpid(), *session.pids]] == [[]] * 4


def test_set_is_seen_by_the_next_run():
    first, second = pair()
    with Session(first) as session:
        first.total.set(np.array([10, 20, 30]))
        second.total.set(np.array([7]), np.array([2]))
        session.run(1)
        np.testing.assert_array_equal(first.total.get(), [11, 21, 31])
        np.testing.assert_array_equal(second.total.get(np.array([2, 0])), [8, 1])
        first.scale.set(np.array([2.5]))
        assert first.scale.get() == [2.5]


def test_large_variable_is_read_exactly():
    process = Counter(size=300_000)
    values = np.random.default_rng(0).integers(-(2**40), 2**40, 300_000)
    with Session(process):
        process.total.set(values)
        np.testing.assert_array_equal(process.total.get(), values)


def test_methods_of_lava_work_on_the_process():
    from lava.magma.core.run_conditions import RunContinuous, RunSteps

    first, _ = pair()
    with Session(first):
        first.run(RunSteps(num_steps=4))
        first.run(RunSteps(num_steps=4, blocking=False))
        with pytest.raises(LavaError, match=r"running: call wait\(\)"):
            first.total.get()
        first.wait()
        assert first.total.get()[0] == 8
        first.run(RunContinuous())
        first.pause()
        assert first.total.get()[0] >= 8
        first.run(RunContinuous())
        first.stop()
        first.stop()


def test_monitor_of_lava_reads_through_ports():
    from lava.proc.monitor.process import Monitor

    first, second = pair()
    monitor = Monitor()
    monitor.probe(second.total, 5)
    with Session(first) as session:
        session.run(5)
        (recorded,) = monitor.get_data()[second.name].values()
    np.testing.assert_array_equal(recorded[:, 0], [1, 2, 3, 4, 5])


def test_asynchronous_process_with_a_selector_of_lava():
    first, doubler = Counter(), Doubler()
    first.s_out.connect(doubler.a_in)
    with Session(first) as session:
        session.run(7)
        np.testing.assert_array_equal(doubler.doubled.get(), [14, 14, 14])


def test_sender_waits_for_a_full_channel():
    first, doubler = Counter(), Doubler()
    first.s_out.connect(doubler.a_in)
    with Session(first) as session:
        session.run(300)  # channels have 64 slots
        np.testing.assert_array_equal(doubler.doubled.get(), [600, 600, 600])


def test_two_sessions_side_by_side():
    (one, _), (two, _) = pair(), pair()
    with Session(one) as a, Session(two) as b:
        a.run(2)
        b.run(3)
        assert (one.total.get()[0], two.total.get()[0]) == (2, 3)


def test_log_handlers_of_others_stay():
    mine = logging.StreamHandler()
    logging.getLogger().addHandler(mine)
    try:
        with Session(pair()[0]) as session:
            session.run(1)
        assert mine in logging.getLogger().handlers
    finally:
        logging.getLogger().removeHandler(mine)


# What fails


def test_exception_in_a_constructor():
    with pytest.raises(LavaError, match=r"(?s)CounterModel failed.*__init__.*bad constant"):
        Session(pair("init")[0])


def test_exception_in_a_step():
    with Session(pair("step")[0]) as session:
        with pytest.raises(LavaError, match=r"(?s)CounterModel failed.*run_spk.*bad step"):
            session.run(10)
        with pytest.raises(LavaError, match="over: it ended with LavaError"):
            session.run(1)


def test_exception_that_cannot_be_pickled():
    with Session(pair("unpicklable")[0]) as session, pytest.raises(LavaError, match="Unpicklable"):
        session.run(10)


def test_exception_with_a_very_long_message():
    status = WorkerStatus()
    try:
        raise ValueError("long " * 100_000 + "end")
    except ValueError:
        status.report()
    _, report = status.failure
    status.close()
    assert "in test_exception_with_a_very_long_message" in report
    assert report.rstrip().endswith("end")


def test_model_that_calls_exit():
    with Session(pair("exit")[0]) as session, pytest.raises(LavaError, match="SystemExit: 7"):
        session.run(10)


def test_killed_child():
    with Session(pair("killed")[0]) as session, pytest.raises(LavaError, match="signal SIGKILL"):
        session.run(10)


@pytest.mark.parametrize("victim", [0, 2])
def test_child_killed_between_runs(victim):
    first, _ = pair()
    with Session(first) as session:
        session.run(1)
        os.kill(session.pids[victim], signal.SIGKILL)
        with pytest.raises(LavaError, match="signal SIGKILL"):
            session.run(1)
        with pytest.raises(LavaError, match="over"):
            first.total.get()


def test_endless_step():
    expected = pytest.raises(LavaTimeoutError, match=r"(?s)nothing for 0.5 s.*in endless_loop")
    with Session(pair("endless")[0], timeout=0.5) as session, expected:
        session.run(10)


def test_endless_constructor():
    with pytest.raises(LavaTimeoutError, match="in endless_loop"):
        Session(pair("endless init")[0], timeout=0.5)


def test_deadlock_names_both():
    both = r"(?s)CounterModel.*recv.*CounterModel.*recv"
    expected = pytest.raises(LavaTimeoutError, match=both)
    with Session(pair("deadlock")[0], timeout=0.5) as session, expected:
        session.run(1)


def test_stop_of_an_endless_step():
    from lava.magma.core.run_conditions import RunContinuous

    first, _ = pair("endless")
    with Session(first):
        first.run(RunContinuous())
        time.sleep(0.2)


def test_exception_in_the_users_code():
    def use():
        with Session(pair()[0]) as session:
            session.run(1)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        use()


def test_run_after_stop():
    first, _ = pair()
    session = Session(first)
    session.stop()
    session.stop()
    with pytest.raises(LavaError, match=r"over: it was stopped. Build a new process"):
        session.run(1)
    with pytest.raises(LavaError, match="over"):
        first.total.set(np.zeros(3))
    with pytest.raises(LavaError, match="run before"):
        Session(first)


def test_wrong_shape():
    first, _ = pair()
    with Session(first) as session:
        session.run(1)
        with pytest.raises(ValueError, match=r"'total' of Counter has shape \(3,\), .* \(4,\)"):
            first.total.set(np.zeros(4))
        session.run(1)
        assert first.total.get()[0] == 2


@pytest.mark.parametrize("value", [1e20, -1e20, np.nan, np.inf])
def test_value_that_integers_cannot_hold(value):
    first, _ = pair()
    with Session(first) as session:
        session.run(1)
        with pytest.raises(ValueError, match="'total' of Counter keeps its value"):
            first.total.set(np.array([5.0, value, 5.0]))
        first.scale.set(np.array([1e20]))
        session.run(1)
        np.testing.assert_array_equal(first.total.get(), [2, 2, 2])


@pytest.mark.parametrize("steps", [0, -1, 1.5, True])
def test_steps_must_be_whole_and_positive(steps):
    with (
        Session(Counter()) as session,
        pytest.raises((TypeError, ValueError), match="steps must be"),
    ):
        session.run(steps)


def test_timeout_must_be_positive():
    with pytest.raises(ValueError, match="timeout must be positive"):
        Session(Counter(), timeout=0)


def test_forgotten_session_is_ended_when_it_is_dropped():
    with pytest.warns(RuntimeWarning, match="not stopped"):
        Session(pair()[0]).run(1)


NESTED = """
import numpy as np
from hardware.lava import Session
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.decorator import implements, requires
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

class Own(AbstractProcess):
    def __init__(self):
        super().__init__()
        self.x = Var(shape=(1,), init=0)

@implements(proc=Own, protocol=LoihiProtocol)
@requires(CPU)
class OwnModel(PyLoihiProcessModel):
    x: np.ndarray = LavaPyType(np.ndarray, int)

    def run_spk(self):
        self.x += 1
"""


def test_session_in_a_file_that_lava_imports(tmp_path):
    """Without a main guard the script would open a session in its session, and so on."""
    script = tmp_path / "script.py"
    script.write_text(NESTED + "with Session(Own()) as session: session.run(1)\n")
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=50)
    assert run.returncode == 1
    last = run.stderr.strip().splitlines()[-1]
    assert "LavaError" in last and "script.py opens a Session when it is imported" in last
    assert "__main__" in last
    guarded = "if __name__ == '__main__':\n    with Session(Own()) as s: s.run(1); print('done')\n"
    script.write_text(NESTED + guarded)
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=50)
    assert (run.returncode, run.stdout) == (0, "done\n")


def test_a_report_that_comes_late_is_waited_for():
    """The child that ended with code 0 because another failed is not blamed."""
    workers = WorkerGroup()
    late = WorkerStatus()

    class Child:
        pid, exitcode = 1, 0

        def is_alive(self):
            return False

    def report():
        time.sleep(0.1)
        try:
            raise ArithmeticError("the cause")
        except ArithmeticError:
            late.report()

    workers._children = [("innocent", Child(), WorkerStatus()), ("guilty", Child(), late)]
    reporter = threading.Thread(target=report)
    reporter.start()
    with pytest.raises(LavaError, match=r"(?s)guilty failed.*the cause"):
        workers.check()
    reporter.join()
    for _, _, status in workers._children:
        status.close()


def test_who_was_killed_is_blamed_first():
    workers = WorkerGroup()

    class Child:
        pid = 1

        def __init__(self, code):
            self.exitcode = code

        def is_alive(self):
            return False

    statuses = [WorkerStatus() for _ in range(3)]
    codes = zip("abc", (0, 1, -9), strict=True)
    workers._children = [(n, Child(c), b) for (n, c), b in zip(codes, statuses, strict=True)]
    with pytest.raises(LavaError, match=r"c \(process 1\) died of signal SIGKILL"):
        workers.check()
    for status in statuses:
        status.close()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.ENOENT])
def test_shared_memory_that_is_full_or_read_only(number, monkeypatch):
    """Semaphores lie in /dev/shm."""

    def refused(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("multiprocessing.synchronize.SemLock.__init__", refused)
    with pytest.raises(LavaError, match=rf"{os.strerror(number)}\. .* /dev/shm") as caught:
        Session(pair()[0])
    assert "\n" not in str(caught.value)


def test_start_method_that_is_not_fork():
    try:
        multiprocessing.set_start_method("spawn", force=True)
        with pytest.raises(RuntimeError, match=r"start method is 'spawn'. Do not"):
            Session(Counter())
    finally:
        multiprocessing.set_start_method("fork", force=True)


# What ends the program


def program(code):
    """A Python that runs code after these lines, in its own process group."""
    start = "from hardware.lava import Session; from failures import pair; first, _ = pair()\n"
    process = subprocess.Popen(
        [sys.executable, "-c", start + code],
        env={**os.environ, "PYTHONPATH": str(FAILURES)},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    return process


def finish(process, first_line=""):
    """Output and errors; none of the printed process ids may be running."""
    try:
        out, err = process.communicate(timeout=50)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    pids = (first_line + out).split()
    limit = time.monotonic() + 5  # a child looks for its parent every half second
    while any(map(running, pids)) and time.monotonic() < limit:
        time.sleep(0.05)
    assert len(pids) == 3
    assert not any(map(running, pids))
    return err


def test_program_that_forgets_to_stop():
    process = program("session = Session(first); print(*session.pids); session.run(1)")
    assert "Session was not stopped" in finish(process)
    assert process.returncode == 0


def test_program_that_exits():
    code = "with Session(first) as session: print(*session.pids); session.run(1); sys.exit(3)"
    process = program("import sys\n" + code)
    finish(process)
    assert process.returncode == 3


def test_program_with_an_exception():
    process = program("session = Session(first); print(*session.pids); session.run(1); 1 / 0")
    assert "ZeroDivisionError" in finish(process)
    assert process.returncode == 1


LONG_RUN = "session = Session(first); print(*session.pids, flush=True); session.run(10**9)"


def test_interrupt_of_the_terminal():
    process = program(LONG_RUN)
    line = process.stdout.readline()
    time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # the children get it too
    err = finish(process, line)
    assert err.count("KeyboardInterrupt") == 1
    assert err.count("Traceback") == 1
    assert process.returncode == -signal.SIGINT


def test_killed_parent_takes_its_children_along():
    process = program(LONG_RUN)
    line = process.stdout.readline()
    process.kill()
    finish(process, line)


def test_failing_test(tmp_path):
    test = tmp_path / "test_failing.py"
    test.write_text(
        "from hardware.lava import Session\n"
        "from failures import pair\n"
        "def test():\n"
        "    session = Session(pair()[0])\n"
        "    open('pids', 'w').write(' '.join(map(str, session.pids)))\n"
        "    session.run(1)\n"
        "    assert False\n"
    )
    path = f"{FAILURES}{os.pathsep}{Path(__file__).parents[2]}"
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)],
        env={**os.environ, "PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert "1 failed" in result.stdout
    assert not any(map(running, (tmp_path / "pids").read_text().split()))


def test_start_method_set_before_lava_is_imported():
    code = (
        "import multiprocessing, sys; multiprocessing.set_start_method('spawn')\n"
        "from hardware.lava.install import require_lava\n"
        "try:\n"
        "    require_lava()\n"
        "except RuntimeError as error:\n"
        "    print(error)\n"
        "print('lava.magma.core.process.process' in sys.modules)\n"
        "multiprocessing.set_start_method('fork', force=True); require_lava()\n"
        "print(multiprocessing.get_start_method())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)
    refused, *rest = run.stdout.splitlines()
    assert "start method is 'spawn'" in refused
    assert rest == ["False", "fork"]


def test_file_that_hides_lava(tmp_path):
    (tmp_path / "lava.py").write_text("")
    program = tmp_path / "program.py"
    program.write_text("from hardware.lava import require_lava; require_lava()")
    run = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=50)
    assert f"the file {tmp_path / 'lava.py'} hides the package lava; rename it" in run.stderr


def test_backend_without_lava():
    code = (
        "import sys; sys.modules['lava'] = None\n"
        "import amsim as am, hardware as hw\n"
        "plan = hw.compile(am.dense_am([[1.0, -1.0]]))\n"
        "hw.run(plan, [1.0, 1.0], backend='lava')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)
    assert "MissingDependencyError: The Lava backend needs lava-nc 0.10.0" in run.stderr
    assert "BackendUnavailable: backend 'lava' is not available" in run.stderr
    assert "`amsim lava install` installs it" in run.stderr


def unbuilt(kind):
    process = object.__new__(kind)
    process._runtime = None  # its end asks for that
    return process


@pytest.mark.parametrize("backend", ["lava", "lava-float", "lava-fused"])
def test_models_of_ours_are_those_that_lava_finds(backend):
    """In fewer files: a process without a model for a backend has none in either way."""
    from lava.magma.compiler.compiler_graphs import ProcGroupDiGraphs

    from hardware.lava.graph import processes as populations
    from hardware.lava.known_models import knowing_ours
    from hardware.lava.layers import processes as layers

    run_config = config(backend)
    known = knowing_ours(run_config).exception_proc_model_map
    kinds = [
        kind
        for module in (populations, layers)
        for kind in vars(module).values()
        if isinstance(kind, type) and kind.__module__ == module.__name__
    ]
    assert len(kinds) == 9
    for kind in kinds:
        process = unbuilt(kind)
        found = ProcGroupDiGraphs._find_proc_models(process)
        try:
            model = ProcGroupDiGraphs._select_proc_models(process, found, run_config)
        except Exception as refused:
            with pytest.raises(type(refused)):
                known[process]
        else:
            assert process in known and known[process] is model


def test_exceptions_of_a_run_config_come_first():
    from hardware.lava.known_models import knowing_ours

    first, run_config = unbuilt(Counter), config("lava")
    assert first not in knowing_ours(run_config).exception_proc_model_map
    run_config.exception_proc_model_map = {first: int}
    known = knowing_ours(run_config)
    assert known.exception_proc_model_map[first] is int
    assert run_config.exception_proc_model_map == {first: int}  # of the user: it stays
    own = SimpleNamespace()
    assert knowing_ours(own) is own
