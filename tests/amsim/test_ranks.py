"""Processes that share memories take the same steps as one, and refuse what would not fit."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import amsim as am
from amsim.cli import main, recall
from amsim.cli.outcome import ends_of
from amsim.cli.task import Task
from amsim.ranks import Ranks
from amsim.stability import certify
from amsim.stability.boxes import Boxes
from amsim.stability.shared import from_winners, shared_problem

UNITS = 24
PATTERNS = am.patterns.random(700, UNITS, seed=3)
CUES = am.patterns.corrupt(PATTERNS[:5], flip=0.1, noise=0.2, seed=1)


class Room:
    """Threads that stand for the processes of a communicator."""

    def __init__(self, size: int) -> None:
        self.size, self.barrier = size, threading.Barrier(size, timeout=60)
        self.left: list[Any] = [None] * size

    def run(self, work: Any) -> list[Any]:
        """What `work(comm)` returns or raises, for each rank."""
        found: list[Any] = [None] * self.size

        def one(rank: int) -> None:
            try:
                found[rank] = work(Comm(self, rank))
            except Exception as error:
                found[rank] = error

        threads = [threading.Thread(target=one, args=(rank,)) for rank in range(self.size)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found


class Comm:
    def __init__(self, room: Room, rank: int) -> None:
        self.room, self.rank, self.size, self.aborted = room, rank, room.size, False

    def allgather(self, own: Any) -> list[Any]:
        self.room.left[self.rank] = own
        self.room.barrier.wait()
        every = list(self.room.left)
        self.room.barrier.wait()
        return every

    def Allgather(self, own: Any, found: Any) -> None:  # noqa: N802
        found[:] = self.allgather(own.copy())

    def Abort(self, code: int) -> None:  # noqa: N802
        self.aborted = True
        self.room.barrier.abort()


def memory(tau: float, patterns: Any = PATTERNS) -> am.Network:
    return am.dense_am(patterns, hidden=am.Softmax(0.8), tau_hidden=tau)


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("tau", [0.0, 0.1])
@pytest.mark.parametrize("solver", [None, am.FixedPoint()], ids=["ode", "updates"])
def test_all_ranks_have_the_result_of_one_process(size: int, tau: float, solver: Any) -> None:
    net = memory(tau)
    alone = am.simulate(net, CUES, solver=solver, t1=30.0)
    found = Room(size).run(lambda comm: am.simulate(net, CUES, solver=solver, t1=30.0, comm=comm))
    for traj in found:
        assert traj.status == alone.status == "settled"
        for name in net.layers:
            np.testing.assert_array_equal(traj[name], found[0][name])
            np.testing.assert_allclose(traj.final[name], alone.final[name], rtol=0, atol=1e-6)


def test_each_rank_reads_its_own_rows() -> None:
    for count, size in ((700, 3), (5, 7), (10**7, 64)):
        room = Room(size)
        rows = [Ranks(Comm(room, rank)).rows(count) for rank in range(size)]
        assert [r for part in rows for r in (part.start, part.stop)][1:-1:2] == [
            part.start for part in rows[1:]
        ]
        assert rows[0].start == 0 and rows[-1].stop == count
        assert max(r.stop - r.start for r in rows) <= count // size + 1


def test_clamps_inputs_and_starts() -> None:
    net = memory(0.1)
    start = {"visible": CUES, "hidden": np.linspace(-1, 1, 3500).reshape(5, 700)}
    options: dict[str, Any] = {"clamp": np.arange(UNITS) < 4, "inputs": np.linspace(-1, 1, UNITS)}
    solver = am.ExponentialIntegrator(rtol=1e-10, atol=1e-12)
    given = {"t1": 5.0, "until": None, "solver": solver, **options}
    alone = am.simulate(net, start, **given)
    for traj in Room(2).run(lambda comm: am.simulate(net, start, comm=comm, **given)):
        for name in net.layers:
            np.testing.assert_allclose(traj[name], alone[name], rtol=0, atol=1e-8)


@pytest.mark.parametrize("solver", [None, am.FixedPoint()], ids=["ode", "updates"])
def test_what_is_recorded_is_that_of_all_ranks(solver: Any) -> None:
    """Units and functions of the states are those of the whole record, in every rank."""
    net, cues = memory(0.1), CUES[:2]
    record: Any = {
        "visible": slice(0, 3),
        "hidden": [699, 0],
        "overlap": lambda time, states: am.patterns.overlap(states["visible"], PATTERNS[:2]),
    }

    def both(comm: Comm) -> tuple[am.Trajectory, am.Trajectory]:
        given: dict[str, Any] = {"solver": solver, "t1": 30.0, "comm": comm}
        full = am.simulate(net, cues, **given)
        return full, am.simulate(net, cues, record=record, **given)

    for full, part in Room(2).run(both):
        np.testing.assert_array_equal(part.times, full.times)
        np.testing.assert_array_equal(part["visible"], full["visible"][..., :3])
        np.testing.assert_array_equal(part["hidden"], full["hidden"][..., [699, 0]])
        np.testing.assert_allclose(part["overlap"], full.overlap(PATTERNS[:2]), atol=1e-14)
        for name in net.layers:
            np.testing.assert_array_equal(part.final[name], full.final[name])


@pytest.mark.parametrize("solver", [None, am.FixedPoint()], ids=["ode", "updates"])
def test_ranks_with_something_else_are_named(solver: Any) -> None:
    def memories(comm: Comm) -> Any:
        net = memory(0.1, PATTERNS * (1 - 2 * (comm.rank == 1)))
        return am.simulate(net, CUES, solver=solver, comm=comm)

    def cues(comm: Comm) -> Any:
        return am.simulate(memory(0.1), CUES + (comm.rank == 2), solver=solver, comm=comm)

    for work, words in ((memories, "rank 1 has other memories"), (cues, "rank 2 has other cues")):
        found = Room(3).run(work)
        assert all(isinstance(each, ValueError) and words in str(each) for each in found)


@pytest.mark.parametrize("row", [699, 350, 349, 1])
def test_one_memory_that_differs_is_found(row: int) -> None:
    """Wherever it is: among those that a process reads, there is none that others do not see."""

    def run(comm: Comm) -> Any:
        patterns = PATTERNS.copy()
        patterns[row, 5] += 1e-9 * (Ranks(comm).rows(700).start <= row < Ranks(comm).rows(700).stop)
        return am.simulate(memory(0.1, patterns), CUES, comm=comm)

    for each in Room(3).run(run):
        assert isinstance(each, ValueError) and "has other memories than" in str(each)


DIFFERENT: dict[str, Any] = {
    "hidden": lambda rank: {"cue": {"visible": CUES, "hidden": np.full((5, 700), 0.1 * rank)}},
    "until": lambda rank: {"until": am.Settled(10.0 ** -(4 + rank))},
    "none": lambda rank: {"until": am.Settled() if rank else None},
    "updates": lambda rank: {"solver": am.FixedPoint(3 + rank)},
    "solver": lambda rank: {"solver": am.FixedPoint() if rank else None},
    "times": lambda rank: {"times": [1.0 + rank]},
}


@pytest.mark.parametrize("options", DIFFERENT.values(), ids=DIFFERENT)
def test_ranks_with_other_options_are_named(options: Any) -> None:
    def run(comm: Comm) -> Any:
        given = {"cue": CUES, "t1": 5.0, **options(comm.rank)}
        return am.simulate(memory(0.5), given.pop("cue"), comm=comm, **given)

    for each in Room(2).run(run):
        assert isinstance(each, ValueError) and "rank 1 has other cues" in str(each)


def test_more_processes_than_memories_are_refused() -> None:
    for each in Room(3).run(lambda comm: am.simulate(memory(0.1, PATTERNS[:2]), CUES, comm=comm)):
        assert isinstance(each, ValueError) and "more than the 2 memories" in str(each)


def test_a_failure_ends_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others would wait for ever."""
    from amsim.dynamics.streamed import StreamedRun

    attend = StreamedRun.attend

    def fails(run: StreamedRun, *given: Any) -> Any:
        if run.problem.ranks is not None and run.problem.ranks.rank == 1:
            raise MemoryError("no room")
        return attend(run, *given)

    monkeypatch.setattr(StreamedRun, "attend", fails)
    found = Room(2).run(lambda comm: am.simulate(memory(0.1), CUES, comm=comm))
    assert isinstance(found[1], MemoryError)
    assert isinstance(found[0], threading.BrokenBarrierError)  # MPI would have ended the process


def test_the_process_that_fails_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    def work(comm: Comm) -> None:
        with Ranks(comm).together():
            if comm.rank == 1:
                raise MemoryError("no room")
            comm.room.barrier.wait()

    Room(3).run(work)
    assert capfd.readouterr().err.splitlines().count("amsim: rank 1: no room") == 1


def test_bad_arguments_of_one_process_are_refused_by_all() -> None:
    """Nobody waits for the one that cannot begin."""

    def work(comm: Comm) -> Any:
        return am.simulate(memory(0.1), CUES[:, : UNITS - (comm.rank == 1)], comm=comm)

    for rank, each in enumerate(Room(3).run(work)):
        assert isinstance(each, ValueError) and "cue has shape (5, 23)" in str(each)
        assert str(each).startswith("rank 1: ") == (rank != 1)


@pytest.mark.parametrize("similarity", ["dot", "euclidean"])
def test_ends_of_cues_without_states_of_memories(similarity: str) -> None:
    """Energies, the strongest memory and its weight, as from states that are kept."""
    parameters = {"beta": 0.05, "tau_hidden": 0.0, "similarity": similarity}
    task = Task("recall", PATTERNS, CUES, parameters)
    traj = am.simulate(task.network, CUES, until=None, solver=am.FixedPoint(2))
    expected = ends_of(task, traj)
    shared = replace(task, large=True)
    found = Room(3).run(lambda comm: ends_of(replace(shared, ranks=Ranks(comm)), traj))
    for ends in (*found, ends_of(shared, traj)):
        np.testing.assert_array_equal(ends.memory, expected.memory)
        for name in ("before", "after", "weight"):
            ours, theirs = getattr(ends, name), getattr(expected, name)
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_what_cannot_be_shared_is_refused() -> None:
    comm = Comm(Room(1), 0)
    for options, words in (
        ({"solver": "RK45"}, "runs in one process"),
        ({"solver": am.EventDriven()}, "runs in one process"),
        ({"wall_limit": 5.0}, "wall_limit"),
        ({"inputs": lambda t: 0.0 * t}, "constant inputs"),
    ):
        with pytest.raises(ValueError, match=words):
            am.simulate(memory(0.1), CUES, comm=comm, **options)
    with pytest.raises(ValueError, match="memories with a softmax"):
        am.simulate(am.dense_am(PATTERNS, hidden=am.ReLU()), CUES, comm=comm)
    for wrong in (1, "world", Comm):
        with pytest.raises(TypeError, match="communicator"):
            am.simulate(memory(0.1), CUES, comm=wrong)


@pytest.fixture(scope="module")
def mpiexec() -> str:
    pytest.importorskip("mpi4py", reason="needs mpi4py: uv run --extra mpi pytest ...")
    found = shutil.which("mpiexec", path=f"{sys.prefix}/bin") or shutil.which("mpiexec")
    if found is None:
        pytest.skip("needs mpiexec, which comes with the extra mpi")
    return found


def run(folder: Any, *command: str) -> subprocess.CompletedProcess[str]:
    allowed = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False,
        env=os.environ | allowed,
    )  # fmt: skip


@pytest.fixture
def files(tmp_path: Any) -> Any:
    """Memories, others, half of them, and cues."""
    np.save(tmp_path / "stored.npy", PATTERNS)
    np.save(tmp_path / "others.npy", -PATTERNS)
    whole = (tmp_path / "stored.npy").read_bytes()
    (tmp_path / "half.npy").write_bytes(whole[: len(whole) // 2])
    np.save(tmp_path / "cues.npy", CUES)
    return tmp_path


def command(patterns: str, *program: str) -> list[str]:
    """A recall that compiles nothing."""
    program = program or ("-m", "amsim")
    options = ["--cues", "cues.npy", "--beta", "0.8", "--solver", "fixed-point", "--json"]
    return [sys.executable, *program, "recall", "--patterns", patterns, "--out", "out", *options]


def certifiable(seed: int, margin: float = 0.06) -> tuple[am.Network, Any, Any]:
    """A memory, cues of which some are certified, and where they end."""
    rng = np.random.default_rng(seed)
    patterns = np.concatenate([PATTERNS[:40, :20], rng.normal(size=(3, 20))])
    bias = rng.normal(size=43)
    net = am.dense_am(patterns, hidden=am.Softmax(1.0), bias_hidden=bias)
    target = am.simulate(net, patterns[:6], until=am.Settled(1e-10)).final
    cues = target["visible"] + margin * np.arange(6)[:, None] * rng.uniform(-1, 1, (6, 20))
    return net, cues, target


@pytest.mark.parametrize("scope", ["link", "broadcast"])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_certificates_over_processes_are_those_of_one(size: int, scope: Any) -> None:
    net, cues, target = certifiable(0, 0.06 if scope == "link" else 0.4)
    alone = certify(net, cues, target, scope)
    assert 0 < alone.holds.sum() < len(cues)
    lo, hi = alone.box["visible"]
    for found in Room(size).run(lambda comm: certify(net, cues, target, scope, comm=comm)):
        np.testing.assert_array_equal(found.holds, alone.holds)
        np.testing.assert_array_equal(found.iterations, alone.iterations)
        np.testing.assert_allclose(found.margin, alone.margin, rtol=0.01)
        assert list(found.box) == ["visible"]
        np.testing.assert_allclose(found.box["visible"], (lo, hi), rtol=1e-9, atol=1e-12)
        assert f"{alone.holds.sum()} of 6 cues" in found.message


@pytest.mark.parametrize("scope", ["link", "broadcast"])
@pytest.mark.parametrize("width", [1e-12, 0.1, 3.0, 100.0])
def test_shared_images_hold_the_exact_ones(width: float, scope: Any) -> None:
    """In quadruple precision, of boxes of all widths; and |dF| u holds differences of the map.

    With broadcasts of the differences to the winner, which one or two of three processes hold.
    """
    net, _, target = certifiable(1)
    rng = np.random.default_rng(2)
    lo = target["visible"] - width * rng.uniform(size=(6, 20))
    hi = target["visible"] + width * rng.uniform(size=(6, 20))
    boxes = Boxes({"visible": (lo, hi)})

    def work(comm: Comm) -> Any:
        problem = shared_problem(net, lo, target, scope, Ranks(comm))
        shared = (from_winners(net, problem) if scope == "broadcast" else problem).map
        image = shared.image(boxes)
        return image.new["visible"], shared.gain(image, {"visible": hi - lo})["visible"]

    exact = np.longdouble
    weights, bias = net.synapses[0].weights.astype(exact), net.layers["hidden"].bias.astype(exact)
    plus, minus = np.maximum(weights, 0), np.minimum(weights, 0)
    winners = np.zeros((6, 0), int)
    if scope == "broadcast":
        winners = (target["visible"] @ weights.T + bias).argmax(axis=1)[:, None]
    apart = weights - weights[winners].sum(axis=1)[:, None]  # (6, 43, 20)
    shift = bias - bias[winners].sum(axis=1)[:, None]
    first, last = lo[:, None], hi[:, None]
    low = (apart * np.where(apart > 0, first, last)).sum(axis=2) + shift
    high = (apart * np.where(apart > 0, last, first)).sum(axis=2) + shift
    least, most = (np.exp(x - high.max(axis=1, keepdims=True)) for x in (low, high))
    own = np.eye(len(bias), dtype=bool)
    others = [np.where(own, 0, x[:, None]).sum(axis=-1) for x in (most, least)]
    shares = least / (least + others[0]), most / (most + others[1])
    expected = shares[0] @ plus + shares[1] @ minus, shares[1] @ plus + shares[0] @ minus
    corners = np.where(rng.random((2, 6, 20)) < 0.5, lo, hi).astype(exact)
    logits = corners @ weights.T + bias
    moved = np.exp(logits - logits.max(axis=-1, keepdims=True))
    values = moved @ weights / moved.sum(axis=-1, keepdims=True)
    for (below, above), gain in Room(3).run(work):
        assert (below <= expected[0]).all() and (above >= expected[1]).all()
        if width < 1:
            np.testing.assert_allclose(below, expected[0], rtol=1e-10, atol=1e-10)
            np.testing.assert_allclose(above, expected[1], rtol=1e-10, atol=1e-10)
        assert (np.abs(values[0] - values[1]) <= gain + 1e-15).all()


def test_certificates_that_processes_do_not_share_are_refused() -> None:
    net, cues, target = certifiable(0)
    comm = Comm(Room(1), 0)
    with pytest.raises(ValueError, match="any age"):
        certify(net, cues, target, staleness=0.1, comm=comm)
    with pytest.raises(ValueError, match="cues of the features"):
        certify(net, {"visible": cues, "hidden": target["hidden"]}, target, comm=comm)
    other = am.dense_am(PATTERNS[:5], hidden=am.ReLU())
    with pytest.raises(ValueError, match="memories with a softmax"):
        certify(other, CUES[0], CUES[0], comm=comm)

    def differs(comm: Comm) -> Any:
        return certify(net, cues + (comm.rank == 1), target, comm=comm)

    for each in Room(2).run(differs):
        assert isinstance(each, ValueError) and "rank 1 has other cues" in str(each)


def started(monkeypatch: pytest.MonkeyPatch, rank: int) -> None:
    monkeypatch.setenv("PMI_RANK", str(rank))
    monkeypatch.setenv("PMI_SIZE", "2")


def test_commands_in_several_processes_speak_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And those that would write the same files are refused."""
    for rank, words in ((0, "this command runs in one process"), (1, "")):
        started(monkeypatch, rank)
        assert main(["doctor"]) == 2
        out, err = capsys.readouterr()
        assert not out and words in err and bool(err) == bool(words)


def test_processes_without_mpi4py_are_told(
    files: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started(monkeypatch, 0)
    monkeypatch.chdir(files)
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    assert main(command("stored.npy")[3:]) == 3
    assert "pip install 'amsim[mpi]'" in capsys.readouterr().err


def test_large_recalls_keep_the_features(files: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files)
    monkeypatch.setattr(recall, "_LARGE", 0)
    assert main([*command("stored.npy")[3:], "--force"]) == 0
    found = am.Trajectory.load("out/trajectory.npz")
    assert list(found) == ["visible"] and list(found.final) == ["visible"]
    traj = am.simulate(memory(0.1), CUES, solver=am.FixedPoint())
    np.testing.assert_allclose(found["visible"], traj["visible"], rtol=0, atol=1e-6)
    rows = json.loads((files / "out/run.json").read_text())["results"]
    assert [row["memory"] for row in rows] == traj["hidden"][-1].argmax(axis=1).tolist()
    energies = [row["energy_after"] for row in rows]
    np.testing.assert_allclose(energies, traj.energy[-1], rtol=1e-6)


SCRIPT = """
import sys
import numpy as np
from mpi4py import MPI
import amsim as am

comm = MPI.COMM_WORLD
patterns = np.load(sys.argv[1], mmap_mode="r")
cues = am.patterns.corrupt(patterns[:5], flip=0.1, noise=0.2, seed=1)
net = am.dense_am(patterns, hidden=am.Softmax(0.8))
traj = am.simulate(net, cues, comm=comm)
same = comm.allgather(traj.final["visible"].tobytes())
if comm.rank == 0:
    alone = am.simulate(net, cues)
    print(len(set(same)), abs(traj.final["visible"] - alone.final["visible"]).max() < 1e-6)
"""


def test_processes_of_mpi(tmp_path: Any, mpiexec: str) -> None:
    np.save(tmp_path / "patterns.npy", PATTERNS)
    (tmp_path / "recall.py").write_text(SCRIPT)
    script = [sys.executable, "-m", "mpi4py", "recall.py", "patterns.npy"]
    done = run(tmp_path, mpiexec, "-n", "2", *script)
    assert done.stdout.split() == ["1", "True"], done.stderr


def test_the_command_in_several_processes(
    files: Any, mpiexec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one prints and writes; the result is that of one process."""
    done = run(files, mpiexec, "-n", "2", *command("stored.npy"))
    assert done.returncode == 0, done.stderr
    assert done.stderr == "amsim: recalling 5 cues from 700 patterns in 2 processes ...\n"
    found = json.loads(done.stdout)
    monkeypatch.chdir(files)
    assert main([*command("stored.npy")[3:], "--force"]) == 0
    alone = json.loads((files / "out/run.json").read_text())
    assert [row["memory"] for row in found["results"]] == [0, 1, 2, 3, 4]
    for ours, other in zip(found["results"], alone["results"], strict=True):
        assert ours.pop("status") == other.pop("status")
        assert ours == pytest.approx(other, rel=1e-9)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ("others.npy", "rank 0 has other memories than rank 1"),
        ("half.npy", "rank 1: half.npy is damaged"),
    ],
)
def test_a_file_that_is_wrong_in_one_process(
    files: Any, mpiexec: str, other: str, words: str
) -> None:
    ranks = ["-n", "1", *command("stored.npy"), ":", "-n", "1", *command(other)]
    done = run(files, mpiexec, *ranks)
    ours = [line for line in done.stderr.splitlines() if line.startswith("amsim: ")]
    errors = [line for line in ours if "recalling" not in line]  # Open MPI adds its own
    assert done.returncode == 2 and not done.stdout
    assert len(errors) == 1 and words in errors[0]
    assert not (files / "out").exists()


DIES = """
import os, signal
from amsim.__main__ import main
from amsim.ranks import Ranks

gathered = Ranks.gathered

def dies(ranks, own):
    if ranks.rank == 1:
        {how}
    return gathered(ranks, own)

Ranks.gathered = dies
main()
"""


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "EXIT CODE: 9|\nsignal 9"),
        ("raise MemoryError('no room')", "amsim: rank 1: no room"),
    ],
    ids=["killed", "failed"],
)
def test_a_process_that_dies_ends_all(files: Any, mpiexec: str, how: str, words: str) -> None:
    done = run(files, mpiexec, "-n", "2", *command("stored.npy", "-c", DIES.format(how=how)))
    assert done.returncode != 0
    assert len(re.findall(words, done.stdout + done.stderr)) == 1  # MPICH speaks on stdout
    assert "Traceback" not in done.stderr
