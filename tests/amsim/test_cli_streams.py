"""Every command with streams that are closed, full or narrow, and with files that are none.

Commands run in forks of one process that has imported what they need. A fork makes its streams as
Python does at its start, and flushes them as at its end, whose other work takes longer than most
commands; one command runs in a process of its own, too. Figures are not drawn: a few bytes stand in
their files.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import amsim as am

pytestmark = pytest.mark.skipif(os.name != "posix", reason="descriptors and devices of POSIX")

SMALL = [
    "--memories", "random", "--execution", "equation", "--flip", "0.1", "--patterns", "4",
    "--repeats", "1",
]  # fmt: skip


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
    "gallery": ["gallery", "stimulus", "--out", "OUT"],
    "doctor": ["doctor"],
}  # fmt: skip


# Runs the commands of its first line, then forks for each line: arguments and redirections. Names
# in these are paths, None is a stream that is closed; no reader takes what goes to "broken pipe".
FORKS = r"""
import contextlib, json, os, runpy, sys
from matplotlib.figure import Figure
from amsim.cli import main

Figure.savefig = lambda figure, file, **_: file.write(b"drawn elsewhere")

def redirect(number, to):
    if to is None:
        return os.close(number)
    if to == "broken pipe":
        reader, handle = os.pipe()
        os.close(reader)
    else:
        handle = os.open(to, (os.O_WRONLY if number else os.O_RDONLY) | os.O_CREAT)
    os.dup2(handle, number)
    os.close(handle)

def stream(number, encoding):
    try:
        os.fstat(number)
    except OSError:
        return None
    errors = "backslashreplace" if number == 2 else "strict"
    return open(number, "w" if number else "r", encoding=encoding, errors=errors, closefd=False)

with contextlib.redirect_stdout(sys.stderr):
    for command in json.loads(sys.stdin.readline()):
        assert main(command) == 0
print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if not child:
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
else:
    os._exit(0)
order = json.loads(line)
for number, to in enumerate(order["to"]):
    redirect(number, to)
sys.stdin, sys.stdout, sys.stderr = (stream(each, order["encoding"]) for each in range(3))
sys.argv[1:] = order["arguments"]
try:
    runpy.run_module("amsim", run_name="__main__", alter_sys=True)
except SystemExit as end:
    code = end.code
try:
    if sys.stdout is not None:
        sys.stdout.flush()
except OSError:
    code = 120  # as of Python, where this fails at its end
os._exit(code)
"""


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


class Forks:
    """Runs commands of the table; their output has a strange name."""

    def __init__(self, inputs: Path, server: subprocess.Popen[str]) -> None:
        self.inputs, self._server = inputs, server

    def arguments(self, name: str, folder: Path) -> list[str]:
        out = str(folder / "o_\xe9_\udcff")
        return [part.replace("IN", str(self.inputs)).replace("OUT", out) for part in COMMANDS[name]]

    def run(self, name: str, folder: Path, *to: str | None, encoding: str = "utf-8") -> Done:
        """Redirect stdin, stdout and stderr; "stdout" and "stderr" are files to read."""
        kept = {each: self.inputs / each for each in ("stdout", "stderr")}
        for path in kept.values():
            path.write_bytes(b"")
        paths = [str(kept.get(each, each)) if each else None for each in to]
        order = {"arguments": self.arguments(name, folder), "to": paths, "encoding": encoding}
        code = self.ask(order)
        return Done(int(code), *(path.read_text(encoding) for path in kept.values()))

    def ask(self, order: Any) -> str:
        assert self._server.stdin and self._server.stdout
        print(json.dumps(order), file=self._server.stdin, flush=True)
        return self._server.stdout.readline().strip()


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """With patterns, cues, a plan and the record of a run."""
    folder = tmp_path_factory.mktemp("inputs")
    stored = am.patterns.random(2, 9, seed=0)
    np.save(folder / "stored.npy", stored)
    np.save(folder / "cues.npy", stored)
    np.save(folder / "cue.npy", stored[0])
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", FORKS], **pipes) as server:  # type: ignore[call-overload]
        forks = Forks(folder, server)
        warm_up = [
            ["map", "--patterns", f"{folder}/stored.npy", "--out", f"{folder}/plan"],
            ["experiment", "asynchrony", *SMALL, "--out", f"{folder}/record"],
            *(forks.arguments(each, folder) for each in ("recall", "gallery", "doctor")),
        ]
        assert forks.ask(warm_up) == "ready"
        yield forks


def last_line(stderr: str) -> str:
    """The line on stderr that is no news of the work."""
    said = [line for line in stderr.splitlines() if not line.endswith("...")]
    (line,) = [line for line in said if not line.startswith("amsim: compiled in")]
    return line


CLOSED = "amsim: error: stdout is closed; send the result to a file, or to /dev/null\n"
FULL = "amsim: error: cannot write the result to stdout: No space left on device"


@pytest.mark.parametrize("name", COMMANDS)
class TestStreams:
    def test_closed_stdout_is_known_before_the_work(
        self, name: str, forks: Forks, tmp_path: Path
    ) -> None:
        done = forks.run(name, tmp_path, os.devnull, None, "stderr")
        assert (done.returncode, done.stderr) == (2, CLOSED)
        assert list(tmp_path.iterdir()) == []

    def test_full_stdout(self, name: str, forks: Forks, tmp_path: Path) -> None:
        done = forks.run(name, tmp_path, None, "/dev/full", "stderr")
        assert (done.returncode, last_line(done.stderr)) == (2, FULL)

    def test_notes_that_nobody_takes(self, name: str, forks: Forks, tmp_path: Path) -> None:
        """And signs that the encoding of stdout does not have, in names and in texts."""
        done = forks.run(name, tmp_path, None, "stdout", None, encoding="ascii")
        assert done.returncode == 0
        assert (r"o_\xe9_\udcff" in done.stdout) == any("OUT" in word for word in COMMANDS[name])

    def test_reader_that_leaves(self, name: str, forks: Forks, tmp_path: Path) -> None:
        """As in `amsim recall ... | head -1`; it has left before the first line."""
        done = forks.run(name, tmp_path, os.devnull, "broken pipe", "stderr")
        assert done.returncode == 0
        assert "Traceback" not in done.stderr and "error" not in done.stderr
        assert any(tmp_path.iterdir()) == any("OUT" in word for word in COMMANDS[name])


@pytest.mark.parametrize(
    ("redirections", "code", "stderr"),
    [
        (">&-", 2, CLOSED),
        (">/dev/full <&-", 2, f"{FULL}\n"),
        ("2>&- <&-", 0, ""),
        ("2>/dev/full", 0, ""),
    ],
)
def test_a_process_of_its_own(
    forks: Forks, tmp_path: Path, redirections: str, code: int, stderr: str
) -> None:
    """The same streams as Python itself makes them."""
    reader, writer = os.pipe()
    os.close(reader)
    line = ["/bin/sh", "-c", f'exec "$@" {redirections}', "sh", sys.executable, "-m", "amsim"]
    try:
        done = subprocess.run(
            [*line, *forks.arguments("list", tmp_path)],
            stdout=writer if code == 0 else None,
            stderr=subprocess.PIPE,
            timeout=120,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr.decode()) == (code, stderr)


@pytest.mark.parametrize("to", [">&- 2>&- <&-", ">/dev/full 2>/dev/full"])
def test_wrong_usage_is_not_an_unsettled_cue(to: str) -> None:
    """Where the one line cannot be written either, the code tells."""
    line = f"exec {sys.executable} -m amsim dream {to}"
    assert subprocess.run(["/bin/sh", "-c", line], timeout=120, check=False).returncode == 2
