"""The command line: exit codes, streams, files, and one clear line for everything that is wrong."""

import json
import os
import pickle
import signal
import subprocess
import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

import amsim as am
from amsim import cli, doctor
from amsim.cli import main

FILES = {"recall.png", "trajectory.npz", "run.json"}
HEAVY = ("matplotlib", "numba", "sklearn", "scipy.integrate", "brian2", "lava", "networkx")


@pytest.fixture
def drawn():
    """Asked for by tests of pictures; in the others a few bytes stand in the files of figures."""


@pytest.fixture(autouse=True)
def undrawn(request, monkeypatch):
    if "drawn" not in request.fixturenames:
        monkeypatch.setattr(Figure, "savefig", lambda _, file, **__: file.write(b"undrawn"))


@pytest.fixture
def arrays(tmp_path):
    """Four stored patterns of 36 units and three damaged ones, as files."""
    stored = am.patterns.random(4, 36, seed=2)
    cues = am.patterns.corrupt(stored[:3], flip=0.1, seed=1)
    np.save(tmp_path / "stored.npy", stored)
    np.save(tmp_path / "cues.npy", cues)
    return SimpleNamespace(stored=stored, cues=cues, folder=tmp_path)


def recall(folder, *more, patterns="stored.npy", cues="cues.npy", beta="1"):
    """Arguments of a recall that compiles nothing."""
    options = [] if "--solver" in more else ["--solver", "RK45"]
    return [
        "recall", "--patterns", str(folder / patterns), "--cues", str(folder / cues),
        "--beta", beta, "--out", str(folder / "out"), *options, *more,
    ]  # fmt: skip


def strict_json(text):
    """Parse one document; NaN and Infinity are not JSON."""

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def assert_one_error(capsys, *fragments):
    """Nothing on stdout, one line "amsim: error: ..." on stderr."""
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if not line.startswith("amsim: recalling")]
    assert out == ""
    assert len(lines) == 1, err
    assert lines[0].startswith("amsim: error: ")
    for fragment in fragments:
        assert fragment in lines[0]


def child(*arguments, code=None, **settings):
    """Run the command line in a process of its own."""
    start = ["-c", code] if code else ["-m", "amsim"]
    return subprocess.run(
        [sys.executable, *start, *map(str, arguments)],
        capture_output=True, text=True, timeout=120, check=False, **settings,
    )  # fmt: skip


def nearest(states, stored):
    """The stored pattern that is nearest to each state."""
    return [int(((state - stored) ** 2).sum(axis=1).argmin()) for state in states]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The folder and the result of one demo."""
    out = tmp_path_factory.mktemp("demo") / "new" / "folder"
    return out, child("demo", "--out", out)


class TestDemo:
    def test_it_works_and_separates_the_streams(self, demo):
        out, done = demo
        assert done.returncode == 0, done.stderr
        table = done.stdout.splitlines()
        assert [int(line.split()[0]) for line in table[2:10]] == list(range(8))
        assert "8 of 8 cues settled" in done.stdout
        assert all(line.startswith("amsim: ") for line in done.stderr.splitlines())
        assert {path.name for path in out.iterdir()} == {*FILES, "crowded.png"}

    def test_record_agrees_with_the_trajectory(self, demo):
        out, _ = demo
        record = strict_json((out / "run.json").read_text())
        traj = am.Trajectory.load(out / "trajectory.npz")
        stored = am.patterns.digits(20, seed=0)
        own = traj.overlap(stored)[:, range(8), range(8)]
        for i, row in enumerate(record["results"]):
            assert row["energy_before"] == traj.energy[0, i]
            assert row["energy_after"] == traj.energy[-1, i] < row["energy_before"]
            assert row["overlap_before"] == pytest.approx(own[0, i])
            assert row["overlap_after"] == pytest.approx(own[-1, i])
            assert row["settle_time"] == traj.settle_times[i]
            assert row["rhs"] == traj.stats["rhs_per_cue"][i]
        cues = am.patterns.corrupt(stored[:8], flip=0.15, seed=0)
        np.testing.assert_array_equal(traj["visible"][0], cues)
        assert record["versions"]["numpy"] == np.__version__
        assert record["parameters"]["seed"] == 0
        assert record["status"] == "settled"
        assert record["time"].endswith("+00:00")

    def test_a_newcomer_sees_a_success_first(self, demo):
        """Outcomes follow from the final states alone."""
        out, done = demo
        rows = strict_json((out / "run.json").read_text())["results"]
        final = am.Trajectory.load(out / "trajectory.npz").final["visible"]
        stored = am.patterns.digits(20, seed=0)
        assert nearest(final, stored) == [row["memory"] for row in rows] == [*range(8)]
        assert {row["outcome"] for row in rows} == {"recalled"}
        assert "8 ended in their own digit" in done.stdout

    def test_what_goes_wrong_among_more_digits_is_told_with_its_reason(self, demo):
        out, done = demo
        crowd = strict_json((out / "run.json").read_text())["crowded"]
        stored = am.patterns.digits(100, seed=0)
        np.testing.assert_array_equal(stored[:20], am.patterns.digits(20, seed=0))
        cues = am.patterns.corrupt(stored[:8], flip=0.2, seed=0)
        net = am.dense_am(stored, hidden=am.Softmax(0.75), tau_hidden=0.1)
        memories = nearest(am.simulate(net, cues).final["visible"], stored)
        assert [row["memory"] for row in crowd["results"]] == memories
        wrong = sum(memory != own for own, memory in enumerate(memories))
        assert wrong == sum(row["outcome"] == "another" for row in crowd["results"]) > 0
        # They end where the damaged cue was nearest before anything moved.
        assert wrong == sum(near != own for own, near in enumerate(nearest(cues, stored)))
        assert crowd["summary"] in done.stdout
        assert f"{wrong} in another stored digit" in crowd["summary"]
        assert f"Damage left {wrong} of them nearer to another digit" in crowd["summary"]

    def test_integers_end_where_the_ode_does(self, demo):
        import hardware as hw

        out, done = demo
        chip = strict_json((out / "run.json").read_text())["hardware"]
        traj = am.Trajectory.load(out / "trajectory.npz")
        stored = am.patterns.digits(20, seed=0)
        plan = hw.compile(am.dense_am(stored, hidden=am.Softmax(0.75), tau_hidden=0.1))
        final = hw.run(plan, traj["visible"][0]).final["visible"]
        distance = np.abs(final - traj.final["visible"]).max(axis=1)
        assert chip["plan"] == repr(plan)
        np.testing.assert_array_equal(chip["distance_to_ode"], distance)
        assert chip["near_ode"] == 8
        assert distance.max() < 1e-3
        assert chip["verified_on_hardware"] is False
        assert chip["summary"] in done.stdout

    def test_lava_computes_the_integers_of_the_emulator(self, demo):
        lava = strict_json((demo[0] / "run.json").read_text())["hardware"]["lava"]
        assert lava["identical"] == 8

    def test_integers_that_differ_are_counted(self, tmp_path, capsys, monkeypatch):
        import hardware as hw

        run = hw.run

        def wrong_in_one_cue(plan, cues, *, backend="emulator"):
            result = run(plan, cues)
            result.integers["hidden"][3, 5] += backend != "emulator"
            return result

        monkeypatch.setattr(hw, "run", wrong_in_one_cue)
        assert main(["demo", "--out", str(tmp_path / "one")]) == 0
        assert "Lava: 7 of 8 cues end in the integers of the emulator" in capsys.readouterr().out

    def test_without_lava_one_line_says_why(self, tmp_path, capsys, monkeypatch):
        monkeypatch.setitem(sys.modules, "lava.magma.core.process.process", None)
        assert main(["demo", "--json", "--out", str(tmp_path / "none")]) == 0
        chip = strict_json(capsys.readouterr().out)["hardware"]
        assert chip["near_ode"] == 8
        assert chip["lava"]["identical"] is None
        assert "Lava did not run: backend 'lava-fused' is not available" in chip["summary"]
        assert len(chip["summary"].splitlines()) == 2

    def test_a_mixture_is_called_one(self, tmp_path, capsys):
        assert main(["demo", "--seed", "2", "--json", "--out", str(tmp_path / "m")]) == 0
        record = strict_json(capsys.readouterr().out)
        crowd = record["crowded"]
        (mixed,) = [row for row in crowd["results"] if row["outcome"] == "mixture"]
        assert mixed["weight"] == pytest.approx(0.5, abs=0.01)  # two digits in equal shares
        assert "1 in a mixture of several" in crowd["summary"]

    def test_figure_is_a_picture(self, demo):
        from matplotlib.image import imread

        height, width = imread(demo[0] / "recall.png").shape[:2]
        assert width == 1600
        assert 900 < height < 1600
        assert imread(demo[0] / "crowded.png").shape[1] == 1600


class TestRecall:
    def test_arrays_of_the_user(self, arrays, capsys, drawn):
        assert main(recall(arrays.folder, "--json")) == 0
        out, err = capsys.readouterr()
        record = strict_json(out)
        assert record == strict_json((arrays.folder / "out" / "run.json").read_text())
        assert [row["memory"] for row in record["results"]] == [0, 1, 2]
        assert all(row["weight"] > 0.99 for row in record["results"])
        assert err == "amsim: recalling 3 cues from 4 patterns ...\n"
        final = am.Trajectory.load(arrays.folder / "out" / "trajectory.npz").final["visible"]
        np.testing.assert_allclose(final, arrays.stored[:3], atol=1e-3)
        assert (arrays.folder / "out" / "recall.png").read_bytes()[:4] == b"\x89PNG"

    def test_options_reach_the_network(self, arrays, capsys):
        options = ("--similarity", "euclidean", "--tau-hidden", "0", "--json")
        assert main(recall(arrays.folder, *options, beta="0.3")) == 0
        record = strict_json(capsys.readouterr().out)
        network = am.dense_am(
            arrays.stored, hidden=am.Softmax(0.3), tau_hidden=0, similarity="euclidean"
        )
        expected = network.energy({"visible": arrays.cues})
        found = [row["energy_before"] for row in record["results"]]
        np.testing.assert_allclose(found, expected, rtol=1e-12)

    @pytest.mark.parametrize("solver", ["exponential", "DOP853", "BDF", "fixed-point"])
    def test_solvers_agree(self, arrays, capsys, solver):
        assert main(recall(arrays.folder, "--solver", solver, "--json")) == 0
        record = strict_json(capsys.readouterr().out)
        final = am.Trajectory.load(arrays.folder / "out" / "trajectory.npz").final["visible"]
        weights = am.Softmax(1.0).activation(final @ arrays.stored.T)
        np.testing.assert_allclose(final, weights @ arrays.stored, atol=1e-5)  # a fixed point
        assert record["parameters"]["solver"] == solver

    @pytest.mark.parametrize("dtype", ["int8", "float32", "uint16", "float16", ">f8"])
    def test_number_types(self, arrays, dtype):
        np.save(arrays.folder / "stored.npy", np.abs(arrays.stored).astype(dtype))
        assert main(recall(arrays.folder)) == 0

    def test_one_cue_of_a_size_that_is_no_square(self, tmp_path, capsys):
        np.save(tmp_path / "stored.npy", am.patterns.random(3, 30))
        np.save(tmp_path / "cues.npy", am.patterns.random(3, 30)[1])
        assert main(recall(tmp_path)) == 0
        assert "1 of 1 cue settled" in capsys.readouterr().out

    def test_long_tables_are_cut_and_the_record_is_not(self, arrays, capsys):
        np.save(arrays.folder / "cues.npy", np.repeat(arrays.cues[:1], 50, axis=0))
        assert main(recall(arrays.folder)) == 0
        assert "... and 30 more in run.json" in capsys.readouterr().out
        record = strict_json((arrays.folder / "out" / "run.json").read_text())
        assert len(record["results"]) == 50

    def test_not_settled_gives_1_and_null(self, arrays, capsys):
        """Two memories that differ in one unit, at beta = 1, approach their mixture as 1/t."""
        pair = np.ones((2, 9))
        pair[1, 0] = -1
        np.save(arrays.folder / "stored.npy", pair)
        np.save(arrays.folder / "cues.npy", pair[0])
        assert main(recall(arrays.folder, "--json", "--solver", "fixed-point")) == 1
        out, err = capsys.readouterr()
        record = strict_json(out)
        assert record["status"] == record["results"][0]["status"] == "time_limit"
        assert record["results"][0]["settle_time"] is None
        assert "amsim: warning: not every cue settled" in err
        assert {path.name for path in (arrays.folder / "out").iterdir()} == FILES

    def test_guarantee_warning_is_one_line(self, arrays, capsys, monkeypatch):
        real = am.dynamics.simulate

        def warning(*args, **settings):
            warnings.warn("the energy\n may rise", am.GuaranteeWarning, stacklevel=2)
            return real(*args, **settings)

        monkeypatch.setattr(am.dynamics, "simulate", warning)
        shown = warnings.showwarning
        assert main(recall(arrays.folder)) == 0
        err = capsys.readouterr().err.splitlines()
        assert err[1:] == ["amsim: warning: the energy may rise"]
        assert warnings.showwarning is shown


class TestBadInput:
    """Everything exits with 2, one line that names the culprit, and no files."""

    @pytest.fixture(autouse=True)
    def _leaves_nothing(self, tmp_path):
        yield
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        ("content", "fragment"),
        [
            (b"", "is not a .npy file"),
            (b"1 2 3\n4 5 6\n", "is not a .npy file"),
            (pickle.dumps([1, 2]), "is not a .npy file"),
            (b"PK\x03\x04 and so on", "is an archive (.npz)"),
            (b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran", "is damaged"),
            (b"\x93NUMPY\x01\x00", "is damaged"),
            (b"\x93NUMPY\x09\x09 from the future", "is damaged"),
        ],
        ids=["empty", "text", "pickle", "archive", "header", "stump", "version"],
    )
    @pytest.mark.parametrize("which", ["stored.npy", "cues.npy"])
    def test_files_that_are_no_arrays(self, arrays, capsys, content, fragment, which):
        (arrays.folder / which).write_bytes(content)
        assert main(recall(arrays.folder)) == 2
        assert_one_error(capsys, str(arrays.folder / which), fragment, "numpy.save")

    def test_truncated(self, arrays, capsys):
        path = arrays.folder / "stored.npy"
        path.write_bytes(path.read_bytes()[:-10])
        assert main(recall(arrays.folder)) == 2
        assert_one_error(capsys, str(path), "is damaged")

    def test_header_that_promises_too_much(self, arrays, capsys):
        path = arrays.folder / "stored.npy"
        path.write_bytes(path.read_bytes().replace(b"(4, 36), }   ", b"(10**15, 36)}"))
        assert main(recall(arrays.folder)) == 2
        assert_one_error(capsys, str(path), "is damaged")

    @pytest.mark.parametrize(
        ("array", "fragment"),
        [
            (np.array([[1, None]], dtype=object), "holds Python objects"),
            (np.array([["a", "b"]]), "has dtype <U1"),
            (np.ones((2, 36), dtype=complex), "has dtype complex128"),
            (np.ones((2, 36), dtype=bool), "has dtype bool; convert it with .astype(float)"),
            (np.zeros((0, 36)), "is empty"),
            (np.zeros((3, 0)), "is empty"),
            (np.full((2, 36), np.nan), "contains NaN or infinity"),
            (np.full((2, 36), -np.inf), "contains NaN or infinity"),
            (np.full((2, 36), -1e200), "contains numbers beyond 1e+100"),
            (np.ones((2, 2, 36)), "has shape (2, 2, 36)"),
            (np.ones(()), "has shape ()"),
            (np.ones((2, 35)), "has shape (2, 35)"),
        ],
    )
    @pytest.mark.parametrize("which", ["stored.npy", "cues.npy"])
    def test_arrays_that_do_not_serve(self, arrays, capsys, array, fragment, which):
        np.save(arrays.folder / which, array, allow_pickle=True)
        assert main(recall(arrays.folder)) == 2
        assert_one_error(capsys, str(arrays.folder / which), fragment)

    def test_missing_file_and_folder(self, arrays, capsys):
        assert main(recall(arrays.folder, cues="nowhere.npy")) == 2
        assert_one_error(capsys, "nowhere.npy cannot be read: No such file")
        assert main(recall(arrays.folder, cues=".")) == 2
        assert_one_error(capsys, "cannot be read: Is a directory")

    @pytest.mark.parametrize(
        ("arguments", "fragment"),
        [
            ([], "required: COMMAND"),
            (["dream"], "invalid choice: 'dream'"),
            (["demo", "--sed", "1"], "unrecognized arguments"),
            (["demo", "--seed", "-1"], "--seed: it must be a whole number from 0 to 2**64 - 1"),
            (["demo", "--seed", "one"], "invalid integer value: 'one'"),
            (["recall"], "required: --patterns, --cues, --out"),
            (["doctor", "now"], "unrecognized arguments: now"),
        ],
    )
    def test_usage(self, capsys, arguments, fragment):
        assert main(arguments) == 2
        assert_one_error(capsys, fragment, "--help")

    @pytest.mark.parametrize("beta", ["0", "-1", "nan", "inf", "1e+300", "much"])
    def test_beta(self, arrays, capsys, beta):
        assert main(recall(arrays.folder, beta=beta)) == 2
        assert_one_error(capsys, "--beta", beta)

    @pytest.mark.parametrize(
        "option", [("--tau-hidden", "-1"), ("--solver", "Euler"), ("--similarity", "cosine")]
    )
    def test_options(self, arrays, capsys, option):
        assert main(recall(arrays.folder, *option)) == 2
        assert_one_error(capsys, *option)

    def test_a_time_constant_may_be_0(self, arrays, capsys):
        assert main(recall(arrays.folder, "--tau-hidden", "-1")) == 2
        assert_one_error(capsys, "it must be a finite number >= 1e-09 and <= 1e+09, or 0, got -1.0")


class TestOutput:
    @pytest.mark.parametrize("name", sorted(FILES))
    def test_nothing_is_overwritten(self, arrays, capsys, name, monkeypatch):
        path = arrays.folder / "out" / name
        path.parent.mkdir()
        path.write_text("precious")
        with monkeypatch.context() as patch:
            patch.setattr(am.dynamics, "simulate", None)  # found out before the work begins
            assert main(recall(arrays.folder)) == 2
        assert_one_error(capsys, str(path), "--force")
        assert path.read_text() == "precious"
        assert list(path.parent.iterdir()) == [path]
        assert main(recall(arrays.folder, "--force")) == 0
        assert path.read_bytes() != b"precious"
        assert {path.name for path in path.parent.iterdir()} == FILES  # no temporary ones

    def test_dangling_link_counts_as_a_file(self, arrays, capsys):
        (arrays.folder / "out").mkdir()
        (arrays.folder / "out" / "run.json").symlink_to(arrays.folder / "nowhere")
        assert main(recall(arrays.folder)) == 2
        assert_one_error(capsys, "run.json exists")

    def test_out_is_a_file(self, arrays, capsys):
        (arrays.folder / "out").write_text("precious")
        assert main(recall(arrays.folder)) == 2
        assert_one_error(capsys, str(arrays.folder / "out"), "pass another --out")
        assert main([*recall(arrays.folder), "--out", str(arrays.folder / "out" / "below")]) == 2
        assert_one_error(capsys, "pass another --out")
        assert (arrays.folder / "out").read_text() == "precious"

    def test_a_folder_in_the_place_of_a_file(self, arrays, capsys):
        (arrays.folder / "out" / "run.json").mkdir(parents=True)
        assert main(recall(arrays.folder, "--force")) == 2
        assert_one_error(capsys, "run.json is a folder")

    def test_folder_that_is_not_writable(self, arrays, capsys, monkeypatch):
        def refuse(**_):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(cli.files.tempfile, "TemporaryFile", refuse)  # root may write anywhere
        assert main(recall(arrays.folder)) == 2
        assert_one_error(capsys, "out: Permission denied; pass another --out")

    def test_full_disk(self, arrays, capsys, monkeypatch):
        def full(*_, **__):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(am.Trajectory, "save", full)
        assert main(recall(arrays.folder)) == 2
        assert_one_error(capsys, "trajectory.npz: No space left on device")
        assert not (arrays.folder / "out").exists()

    def test_a_write_that_breaks_off_leaves_nothing(self, arrays, capsys, monkeypatch):
        def half(_, file, **__):
            file.write(b"\x89PNG")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("matplotlib.figure.Figure.savefig", half)
        assert main(recall(arrays.folder)) == 2
        assert_one_error(capsys, "recall.png: No space left on device")
        left = {path.name for path in (arrays.folder / "out").iterdir()}
        assert left == FILES - {"recall.png"}

    def test_memory(self, arrays, capsys, monkeypatch):
        def large(*_, **__):
            raise MemoryError("Unable to allocate 72 GiB")

        monkeypatch.setattr(am.dynamics, "simulate", large)
        assert main(recall(arrays.folder)) == 2
        assert_one_error(capsys, "not enough memory (Unable to allocate 72 GiB)")


class TestInterrupt:
    def test_what_was_reached_is_written(self, arrays, capsys, monkeypatch):
        calls = iter(range(6))

        def stop(*_):
            if next(calls) == 5:
                raise KeyboardInterrupt

        monkeypatch.setattr("amsim.progress.Progress.update", stop)
        assert main(recall(arrays.folder, "--json")) == 130
        out, err = capsys.readouterr()
        assert strict_json(out)["status"] == "interrupted"
        assert err.endswith("amsim: interrupted; what was reached is written\n")
        traj = am.Trajectory.load(arrays.folder / "out" / "trajectory.npz")
        assert traj.status == "interrupted"
        assert 0 < traj.times[-1] < 100
        assert {path.name for path in (arrays.folder / "out").iterdir()} == FILES

    def test_cues_that_had_not_begun_are_left_out(self, arrays, capsys, monkeypatch):
        from amsim.dynamics.two_layer import TwoLayerRun

        calls, real = iter(range(9)), TwoLayerRun.prepare

        def stop(run):
            if next(calls) == 2:
                raise KeyboardInterrupt
            return real(run)

        monkeypatch.setattr(TwoLayerRun, "prepare", stop)
        np.save(arrays.folder / "cues.npy", am.patterns.random(50, 36, seed=1))
        assert main(recall(arrays.folder, "--solver", "exponential", "--json")) == 130
        out, err = capsys.readouterr()
        record = strict_json(out)
        assert record["status"] == "interrupted"
        assert "32 of 50 cues had settled, 18 had not begun (cues 32 to 49)" in record["message"]
        assert record["message"] in err and "writing 32 cues, about " in err
        assert [row["cue"] for row in record["results"]] == list(range(32))
        assert {row["status"] for row in record["results"]} == {"settled"}
        traj = am.Trajectory.load(arrays.folder / "out" / "trajectory.npz")
        assert traj["visible"].shape == (len(traj.times), 32, 36)

    @pytest.mark.parametrize("fails", ["draw", "as_json", "rows_of"])
    def test_again_while_files_are_written(self, arrays, capsys, monkeypatch, fails):
        def stop(*_, **__):
            raise KeyboardInterrupt

        monkeypatch.setattr(f"amsim.cli.recall.{fails}", stop)
        assert main(recall(arrays.folder)) == 130
        said = capsys.readouterr().err.splitlines()[-1]
        files = {
            "draw": ["trajectory.npz", "run.json"], "as_json": ["trajectory.npz"], "rows_of": []
        }[fails]  # fmt: skip
        missing = [name for name in ("recall.png", "trajectory.npz", "run.json")]
        missing = [name for name in missing if name not in files]
        words = f"written: {', '.join(files)}; not written: {', '.join(missing)}"
        assert said == f"amsim: interrupted; {words if files else 'nothing was written'}"
        out = arrays.folder / "out"
        assert out.exists() == bool(files)
        assert not files or {path.name for path in out.iterdir()} == set(files)

    def test_before_anything_was_reached(self, arrays, capsys, monkeypatch):
        from amsim.dynamics.two_layer import TwoLayerRun

        def stop(run):
            raise KeyboardInterrupt

        monkeypatch.setattr(TwoLayerRun, "prepare", stop)
        assert main(recall(arrays.folder, "--solver", "exponential")) == 130
        assert "nothing was written" in capsys.readouterr().err
        assert not (arrays.folder / "out").exists()

    def test_elsewhere(self, arrays, capsys, monkeypatch):
        def stop(*_, **__):
            raise KeyboardInterrupt

        monkeypatch.setattr(am.dynamics, "simulate", stop)
        assert main(recall(arrays.folder)) == 130
        assert capsys.readouterr().err.endswith("amsim: interrupted; nothing was written\n")

    @pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
    def test_signal(self, tmp_path):
        """A long recall in another process, told when it is under way, gets a real SIGINT."""
        np.save(tmp_path / "stored.npy", am.patterns.random(20, 16, seed=0))
        np.save(tmp_path / "cues.npy", am.patterns.random(5, 16, seed=1))
        code = (
            "import signal, sys, os, time\n"
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "from amsim.progress import Progress\n"
            "def slowly(*_):\n"
            "    os.write(2, b'under way\\n')\n"
            "    time.sleep(1)\n"
            "Progress.update = slowly\n"
            "from matplotlib.figure import Figure\n"
            "Figure.savefig = lambda _, file, **__: file.write(b'undrawn')\n"
            "from amsim.cli import main\n"
            "sys.exit(main(sys.argv[1:]))\n"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code, *recall(tmp_path, beta="0.001")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert any("under way" in line for line in process.stderr)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=120)
        finally:
            process.kill()
            process.wait()
        assert process.returncode == 130, err
        assert "Traceback" not in err
        assert "interrupted" in out
        traj = am.Trajectory.load(tmp_path / "out" / "trajectory.npz")
        assert traj.status == "interrupted"
        assert traj["visible"].shape == (len(traj.times), 5, 16)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["amsim.cli", "numpy", "amsim.cli.lava"])
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_signal_while_python_imports(name, number):
    code = (
        "import os, runpy, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "class Finder:\n"
        "    def find_spec(name, *_):\n"
        f"        if name == {name!r}:\n"
        f"            os.kill(os.getpid(), signal.{number})\n"
        "sys.meta_path.insert(0, Finder)\n"
        "runpy.run_module('amsim', run_name='__main__', alter_sys=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "amsim: interrupted\n")


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_signal_where_python_drops_exceptions():
    """In what is called when an object goes: the command ends a moment later, by the same line."""
    code = (
        "import os, runpy, signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import amsim.cli\n"
        "class Going:\n"
        "    def __del__(self):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        time.sleep(0)\n"
        "def slow(argv=None):\n"
        "    Going()\n"
        "    time.sleep(20)\n"
        "amsim.cli.main = slow\n"
        "runpy.run_module('amsim', run_name='__main__', alter_sys=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (130, "amsim: interrupted\n")


class TestMissing:
    """A package that is not there gives 3 and its remedy, never a traceback."""

    @staticmethod
    def without(name, *arguments):
        code = (
            "import sys\n"
            f"sys.modules[{name!r}] = None\n"
            "from amsim.cli import main\n"
            "sys.exit(main(sys.argv[1:]))\n"
        )
        return child(*arguments, code=code)

    @pytest.mark.parametrize(
        ("module", "package"),
        [("numba", "numba"), ("sklearn", "scikit-learn"), ("matplotlib", "matplotlib")],
    )
    def test_demo(self, tmp_path, module, package):
        done = self.without(module, "demo", "--out", tmp_path / "out")
        assert done.returncode == 3
        assert done.stdout == ""
        assert f"pip install {package}" in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "out").exists()

    def test_doctor(self):
        code = (
            "import sys\n"
            "sys.modules['numba'] = None\n"
            "from amsim import cli, doctor\n"
            "doctor._PACKAGES = doctor._PACKAGES[:3]\n"  # the others need not be imported
            "sys.exit(cli.main(['doctor']))\n"
        )
        done = child(code=code)
        assert done.returncode == 3
        assert "ok       scipy" in done.stdout
        assert "missing  numba" in done.stdout
        assert "broken   integrator" in done.stdout
        assert done.stderr == (
            "amsim: error: missing or broken: numba, integrator; the list says what to do\n"
        )

    def test_no_folder_for_compiled_code(self):
        """What the project compiles is then compiled in memory, and doctor says what to do."""
        code = (
            "import sys, tempfile\n"
            "import numba\n"
            "def refuse(**_):\n"
            "    raise PermissionError(13, 'Permission denied')\n"
            "tempfile.TemporaryFile = refuse\n"
            "from amsim import cli, doctor\n"
            "from amsim.compiled import draws, jit, streams\n"
            "import numpy as np\n"
            "key, counters = draws.stream(3, draws.DELAY), np.arange(2, dtype=np.uint64)\n"
            "assert streams.mixed(key, counters[1]) == draws.mixed(key, counters)[1]\n"
            "assert jit.in_memory(streams.mixed) and not jit.on_disk(streams.mixed)\n"
            "doctor._PACKAGES = doctor._PACKAGES[:3]\n"
            "sys.exit(cli.main(['doctor']))\n"
        )
        done = child(code=code)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        assert "set NUMBA_CACHE_DIR to a folder" in done.stdout
        assert "each process compiles anew" in done.stdout


class TestDoctor:
    def test_report(self, capsys):
        assert main(["doctor"]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        for name in ("python", "numpy", "scipy", "numba", "matplotlib", "networkx", "scikit-learn",
                     "brian2", "lava-nc", "tqdm", "integrator"):  # fmt: skip
            assert f" {name} " in out

    def test_json(self, capsys):
        assert main(["doctor", "--json"]) == 0
        found = strict_json(capsys.readouterr().out)
        assert found["ok"] is True
        by_name = {finding["name"]: finding for finding in found["findings"]}
        assert by_name["numpy"]["version"] == np.__version__
        assert by_name["integrator"]["status"] == "ok"

    @pytest.mark.parametrize("deep", [False, True])
    def test_lava_and_brian2_are_never_imported_here(self, monkeypatch, deep):
        imported, elsewhere = [], []
        monkeypatch.setattr(doctor.importlib, "import_module", imported.append)
        monkeypatch.setattr(doctor, "_exists", lambda _: True)
        monkeypatch.setattr(doctor, "_try_elsewhere", lambda p: elsewhere.append(p.name) or "")
        doctor.diagnose(deep=deep)
        assert "numba" in imported
        assert not [name for name in imported if name.startswith(("lava", "brian2"))]
        assert elsewhere == (["brian2", "lava-nc"] if deep else [])

    def test_deep_runs_a_graph_of_lava(self):
        lava = doctor.examine("lava-nc")
        assert (lava.status, lava.version) == ("ok", "0.10.0")

    def test_without_lava(self, monkeypatch):
        monkeypatch.setattr(doctor, "_exists", lambda name: name != "lava")
        lava = doctor.examine("lava-nc")
        assert (lava.status, lava.remedy) == ("missing", "amsim lava install")
        assert doctor.healthy([lava])  # Lava is optional

    def test_deep_tells_what_is_broken(self, monkeypatch):
        package = doctor._Package("numpy", ("no_such_module",), "nothing", required=False)
        assert "No module named 'no_such_module'" in doctor._try_elsewhere(package)
        slow = doctor._Package("numpy", ("time; time.sleep(60)",), "nothing", required=False)
        monkeypatch.setattr(doctor, "_DEEP_SECONDS", 0.5)
        assert "no end within 0.5 s" in doctor._try_elsewhere(slow)

    def test_a_package_that_breaks_on_import(self, monkeypatch):
        def broken(name):
            raise RuntimeError("module was compiled against another NumPy\nand more")

        monkeypatch.setattr(doctor.importlib, "import_module", broken)
        (package,) = [p for p in doctor._PACKAGES if p.name == "tqdm"]
        finding = doctor._package(package, deep=False)
        assert finding.status == "broken"
        assert finding.detail == "does not work: module was compiled against another NumPy"
        assert not doctor.healthy([finding])


class TestLava:
    """`amsim lava install`, with a command that installs nothing in place of pip."""

    @staticmethod
    def install(monkeypatch, statuses, code=0, installers=("pip", "uv")):
        commands = []
        found = [doctor.Finding("lava-nc", s, "0.10.0", False, f"it is {s}") for s in statuses]
        monkeypatch.setattr(doctor, "examine", lambda _: found.pop(0))
        monkeypatch.setattr(
            cli.lava.importlib.util, "find_spec", lambda name: name in installers or None
        )
        monkeypatch.setattr(
            cli.lava.shutil, "which", lambda name: name if name in installers else None
        )
        monkeypatch.setattr(
            cli.lava.subprocess,
            "run",
            lambda command, **_: commands.append(command) or SimpleNamespace(returncode=code),
        )
        return main(["lava", "install"]), commands

    def test_what_works_is_left_alone(self, monkeypatch, capsys):
        assert self.install(monkeypatch, ["ok"]) == (0, [])
        assert "Lava 0.10.0 is installed" in capsys.readouterr().out

    def test_says_what_it_does(self, monkeypatch, capsys):
        code, (command,) = self.install(monkeypatch, ["missing", "ok"])
        assert code == 0
        options = ["--ignore-requires-python", "--no-deps"]
        assert command[1:] == ["-m", "pip", "install", *options, "lava-nc==0.10.0", "asteval"]
        err = capsys.readouterr().err
        assert " ".join(command) in err
        assert "its maintainers do not support that" in err

    def test_environment_of_uv(self, monkeypatch):
        _, (command,) = self.install(monkeypatch, ["missing", "ok"], installers=("uv",))
        assert command[:5] == ["uv", "pip", "install", "--python", sys.executable]

    @pytest.mark.parametrize(
        ("statuses", "options", "code", "words"),
        [
            (["missing"], {"installers": ()}, 2, "neither pip nor uv is here"),
            (["missing"], {"code": 7}, 2, "ended with code 7"),
            (["missing", "broken"], {}, 3, "Lava is installed, but it is broken"),
        ],
    )
    def test_what_goes_wrong(self, monkeypatch, capsys, statuses, options, code, words):
        assert self.install(monkeypatch, statuses, **options)[0] == code
        assert words in capsys.readouterr().err


class TestHelp:
    @pytest.mark.parametrize("command", [[], ["demo"], ["recall"], ["doctor"], ["lava"]])
    def test_opens_with_two_examples(self, capsys, command):
        assert main([*command, "--help"]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        examples = out.partition("usage:")[0].replace("\\\n", "").strip().splitlines()
        assert len(examples) == 2
        for line in examples:  # each of them parses
            assert cli._parser().parse_args(line.split()[1:]).run
        assert "exit codes" in out

    def test_version(self, capsys):
        assert main(["--version"]) == 0
        assert capsys.readouterr().out == f"amsim {am.__version__}\n"

    def test_help_loads_nothing_heavy(self):
        code = (
            "import sys\n"
            "from amsim.cli import main\n"
            "assert main(['recall', '--help']) == 0\n"
            f"heavy = sorted(set(sys.modules) & {set(HEAVY)!r})\n"
            "assert not heavy, heavy\n"
        )
        done = child(code=code)
        assert done.returncode == 0, done.stderr
