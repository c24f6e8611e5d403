"""Every option that names a file or folder, with files that are none: one line, and code 2."""

import argparse
import contextlib
import os
import sys

import numpy as np
import pytest

import amsim as am
import amsim.hardware as hw
from amsim.cli import _parser, main

UNITS = 12
# What each option that takes a path is called with, beside the strange file.
READ = {
    ("recall", "--patterns"): ["--cues", "cues.npy", "--out", "new"],
    ("recall", "--cues"): ["--patterns", "stored.npy", "--out", "new"],
    ("stability", "--patterns"): ["--cue", "cue.npy"],
    ("stability", "--cue"): ["--patterns", "stored.npy"],
    ("map", "--patterns"): ["--out", "new"],
    ("map", "--chip"): ["--patterns", "stored.npy", "--out", "new"],
    ("map", "--prices"): ["--patterns", "stored.npy", "--out", "new", "--place"],
    ("explore", "--patterns"): ["--no-browser"],
    ("run", "--plan"): ["--cues", "cues.npy", "--out", "new"],
    ("run", "--cues"): ["--plan", "plan.json", "--out", "new"],
    ("run", "--events"): [
        "--plan",
        "plan.json",
        "--out",
        "new",
        "--unit",
        "1",
        "--charge",
        "1",
        "--sensor",
        "3",
        "4",
    ],
}
WRITTEN = {
    ("recall", "--out"): ["--patterns", "stored.npy", "--cues", "cues.npy", "--solver", "RK45"],
    ("map", "--out"): ["--patterns", "stored.npy"],
    ("run", "--out"): ["--plan", "plan.json", "--cues", "cues.npy"],
    ("demo", "--out"): [],
    ("gallery", "--out"): ["capacity"],
    ("experiment asynchrony", "--out"): [],
}
PATH_NAMES = ("FILE", "DIR", "CHIP")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files that commands accept, and files that nothing accepts."""
    folder = tmp_path_factory.mktemp("files")
    stored = am.patterns.random(3, UNITS, seed=2)
    np.save(folder / "stored.npy", stored)
    np.save(folder / "cues.npy", stored[:2])
    np.save(folder / "cue.npy", stored[0])
    hw.compile(am.dense_am(stored, hidden=am.Softmax(1.0))).save(folder / "plan.json")
    for ending in ("npy", "npz", "json", "toml"):
        for name, content in (
            ("empty", b""), ("text", b"[" * 100_000),
            ("noise", np.random.default_rng(0).bytes(4096)),
            ("cut", (folder / "stored.npy").read_bytes()[:100]),
            ("latin", "é".encode("latin-1") * 10),
        ):  # fmt: skip
            (folder / f"{name}.{ending}").write_bytes(content)
        (folder / f"folder.{ending}").mkdir()
        (folder / f"loop.{ending}").symlink_to(f"loop.{ending}")
        (folder / f"dangling.{ending}").symlink_to("nothing")
        (folder / f"zero.{ending}").symlink_to("/dev/zero")
        (folder / f"tty.{ending}").symlink_to("/dev/ptmx")
        (folder / f"unreadable.{ending}").symlink_to("/proc/self/mem")
        if hasattr(os, "mkfifo"):
            os.mkfifo(folder / f"pipe.{ending}")
        with open(folder / f"sparse.{ending}", "wb") as file, contextlib.suppress(OSError):
            file.truncate(1 << 42)
    return folder


STRANGE = (
    "missing", "empty", "noise", "text", "cut", "latin", "folder", "loop", "dangling", "zero",
    "tty", "unreadable", "pipe", "sparse",
)  # fmt: skip


def call(folder, command, option, value, others):
    there = [str(folder / o) if o.endswith((".npy", ".json")) or o == "new" else o for o in others]
    return main([*command.split(), option, str(value), *there])


def one_error(capsys, value):
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = [line for line in err.splitlines() if not line.startswith("amsim: measuring")]
    assert line.startswith("amsim: error: ")
    assert str(value) in line


@pytest.mark.skipif(sys.platform != "linux", reason="devices and files of Linux")
@pytest.mark.timeout(60)
@pytest.mark.parametrize("strange", STRANGE)
@pytest.mark.parametrize(("command", "option"), READ)
def test_a_strange_file_is_one_error(folder, capsys, command, option, strange):
    endings = {"--plan": "json", "--chip": "toml", "--prices": "toml", "--events": "npz"}
    ending = endings.get(option, "npy")
    value = folder / f"{strange}.{ending}"
    assert call(folder, command, option, value, READ[command, option]) == 2
    one_error(capsys, value)
    assert not (folder / "new").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="devices and files of Linux")
@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "value", ["stored.npy", "loop.npy", "zero.npy", "stored.npy/inner", "/proc/nothing", "x" * 300]
)
@pytest.mark.parametrize(("command", "option"), WRITTEN)
def test_a_folder_that_cannot_be_written_is_one_error(folder, capsys, command, option, value):
    assert call(folder, command, option, folder / value, WRITTEN[command, option]) == 2
    one_error(capsys, folder / value)


def test_no_option_that_takes_a_path_is_forgotten():
    commands = next(
        action for action in _parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    ).choices  # fmt: skip
    found = {
        (name, action.option_strings[-1])
        for name, parser in commands.items()
        for action in parser._actions
        if action.option_strings and str(action.metavar or "").startswith(PATH_NAMES)
    }
    # That of a report is a file, and needs the folder of a run: tests/experiments/test_report.py.
    assert found <= {*READ, *WRITTEN, ("report", "--out")}
    assert {*READ, *WRITTEN} - found == {("map", "--chip"), ("experiment asynchrony", "--out")}
