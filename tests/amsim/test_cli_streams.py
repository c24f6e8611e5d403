"""Every command with streams that are closed, full or narrow, and with files that are none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import amsim as am
from amsim.cli import main

pytestmark = pytest.mark.skipif(os.name != "posix", reason="descriptors and devices of POSIX")

SMALL = [
    "--memories", "random", "--execution", "equation", "--flip", "0.1", "--patterns", "4",
    "--repeats", "1",
]  # fmt: skip


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Patterns, cues, a plan and the record of a run."""
    folder = tmp_path_factory.mktemp("inputs")
    stored = am.patterns.random(2, 9, seed=0)
    np.save(folder / "stored.npy", stored)
    np.save(folder / "cues.npy", stored)
    np.save(folder / "cue.npy", stored[0])
    for command in (
        ["map", "--patterns", f"{folder}/stored.npy", "--out", f"{folder}/plan"],
        ["experiment", "asynchrony", *SMALL, "--out", f"{folder}/record"],
    ):
        assert main(command) == 0
    return folder


# Arguments of each command that end with 0; IN and OUT are replaced.
COMMANDS = {
    "help": ["--help"],
    "version": ["--version"],
    "help of a command": ["experiment", "asynchrony", "--help"],
    "demo": ["demo", "--out", "OUT"],
    "recall": ["recall", "--patterns", "IN/stored.npy", "--cues", "IN/cues.npy", "--solver", "RK45",
               "--out", "OUT"],
    "stability": ["stability", "--patterns", "IN/stored.npy", "--cue", "IN/cue.npy"],
    "map": ["map", "--patterns", "IN/stored.npy", "--out", "OUT"],
    "run": ["run", "--plan", "IN/plan/plan.json", "--cues", "IN/cues.npy", "--out", "OUT"],
    "experiment": ["experiment", "asynchrony", *SMALL, "--out", "OUT"],
    "list": ["experiment", "list"],
    "report": ["report", "IN/record", "--out", "OUT.html"],
    "gallery": ["gallery", "landscape", "--out", "OUT"],
    "doctor": ["doctor"],
}  # fmt: skip


def shell(
    name: str,
    inputs: Path,
    tmp_path: Path,
    redirections: str,
    stdout: int = subprocess.PIPE,
    **env: str,
) -> subprocess.CompletedProcess[str]:
    """Run a command of the table with redirections of the shell; its output has a strange name."""
    out = tmp_path / "o_\xe9_\udcff"
    arguments = [
        part.replace("IN", str(inputs)).replace("OUT", str(out)) for part in COMMANDS[name]
    ]
    script = f'exec "$@" {redirections}'
    return subprocess.run(
        ["/bin/sh", "-c", script, "sh", sys.executable, "-m", "amsim", *arguments],
        stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=120, check=False,
        env={**os.environ, **env},
    )  # fmt: skip


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    """The line on stderr that is no news of the work."""
    said = [line for line in done.stderr.splitlines() if not line.endswith("...")]
    (line,) = [line for line in said if not line.startswith("amsim: compiled in")]
    return line


@pytest.mark.parametrize("name", COMMANDS)
class TestStreams:
    def test_closed_stdout_is_known_before_the_work(
        self, name: str, inputs: Path, tmp_path: Path
    ) -> None:
        done = shell(name, inputs, tmp_path, ">&-")
        assert done.returncode == 2
        assert done.stderr == (
            "amsim: error: stdout is closed; send the result to a file, or to /dev/null\n"
        )
        assert list(tmp_path.iterdir()) == []

    def test_full_stdout(self, name: str, inputs: Path, tmp_path: Path) -> None:
        done = shell(name, inputs, tmp_path, ">/dev/full <&-")
        assert done.returncode == 2
        reason = "cannot write the result to stdout: No space left on device"
        assert last_line(done) == f"amsim: error: {reason}"

    def test_notes_that_nobody_takes(self, name: str, inputs: Path, tmp_path: Path) -> None:
        """And signs that the encoding of stdout does not have, in names and in texts."""
        done = shell(name, inputs, tmp_path, "2>&- <&-", PYTHONIOENCODING="ascii")
        assert done.returncode == 0
        assert done.stdout.isascii()
        assert (r"o_\xe9_\udcff" in done.stdout) == any("OUT" in word for word in COMMANDS[name])

    def test_reader_that_leaves(self, name: str, inputs: Path, tmp_path: Path) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        try:
            done = shell(name, inputs, tmp_path, "2>/dev/full", stdout=writer)
        finally:
            os.close(writer)
        assert done.returncode == 0


@pytest.mark.parametrize("to", [">&- 2>&- <&-", ">/dev/full 2>/dev/full"])
def test_wrong_usage_is_not_an_unsettled_cue(to: str) -> None:
    """Where the one line cannot be written either, the code tells."""
    line = f"exec {sys.executable} -m amsim dream {to}"
    assert subprocess.run(["/bin/sh", "-c", line], timeout=120, check=False).returncode == 2
