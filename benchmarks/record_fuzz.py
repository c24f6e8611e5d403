"""Random edits of the record of a run, with right checksums where there are some.

`amsim report`, `amsim experiment rerun` and `--resume` have to end with a documented code and, if
they refuse, with one line; no exception may leave them, and nothing may take longer than a limit::

    uv run python benchmarks/record_fuzz.py --edits 2000
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import io
import json
import random
import shutil
import sys
import tempfile
import time
import zlib
from collections import Counter
from pathlib import Path
from unittest import mock

from matplotlib.figure import Figure

from amsim.cli import main as amsim
from experiments import capacity

RUN = ["experiment", "capacity", "--separation", "x^2", "--load", "1", "--units", "10"]
RUN += ["--checked", "5", "--repeats", "4"]
LIMIT = 100.0  # seconds of one command: reading data.nc has 60 of them
ODD = (
    None, True, -1, 0, 1, 2**63, 10**30, 0.5, -0.0, 1e308, float("nan"), float("inf"), "", "x",
    "\x1b[2J", "\ud800", "size", [], [1], [[]], {}, {"x": 1}, {"unit": 0},
)  # fmt: skip


def places(value, path=()):
    """Every place within a value of JSON."""
    yield path
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, inner in items:
        yield from places(inner, (*path, key))


def edited(value, rng):
    """A value with one place replaced, removed, renamed or doubled."""
    value = json.loads(json.dumps(value))
    *above, last = rng.choice([path for path in places(value) if path])
    inner = value
    for key in above:
        inner = inner[key]
    action = rng.choice(("replace", "replace", "remove", "add"))
    if action == "replace":
        inner[last] = rng.choice(ODD)
    elif action == "remove":
        del inner[last]
    elif isinstance(inner, list):
        inner.append(rng.choice(ODD))
    else:
        inner[rng.choice(("size", "seed", "x", "\x1b[2J", "unit"))] = rng.choice(ODD)
    return value


def line(row):
    """A line of the log with its checksum."""
    text = json.dumps(row).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def damage(folder, rng, kind):
    """Edit one file of a record."""
    path = folder / {"record": "run.json", "log": "units.jsonl"}.get(kind, "data.nc")
    if kind == "record":
        path.write_text(json.dumps(edited(json.loads(path.read_text()), rng)))
    elif kind == "log":
        lines = path.read_bytes().splitlines()
        at = rng.randrange(len(lines))
        lines[at] = line(edited(json.loads(lines[at][9:]), rng)).rstrip(b"\n")
        path.write_bytes(b"\n".join(lines) + b"\n")
    else:
        data = bytearray(path.read_bytes())
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        if kind == "signed data":
            record = json.loads((folder / "run.json").read_text())
            record["sha256"] = hashlib.sha256(data).hexdigest()
            (folder / "run.json").write_text(json.dumps(record))


def command(arguments):
    """Exit code, lines on stderr and seconds of a command in this process."""
    out, err, start = io.StringIO(), io.StringIO(), time.monotonic()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = amsim(arguments)
    said = [text for text in err.getvalue().splitlines() if "measuring" not in text]
    return code, said, time.monotonic() - start


def find(name):
    """`experiments.find`, of one experiment, whose figures would take most of the time."""
    if name != "capacity":
        raise ValueError(f"there is no experiment {name!r}")
    return dataclasses.replace(capacity.EXPERIMENT, draw=lambda data: Figure())


def fuzz(edits, seed, kinds=("record", "log", "data", "signed data")):
    """What became of each command after each edit; AssertionError at the first that is a fault."""
    rng = random.Random(seed)
    with (
        tempfile.TemporaryDirectory() as place,
        mock.patch("experiments.find", find),
        mock.patch("experiments.runner.rerun.find", find),
    ):
        intact, folder = Path(place, "intact"), Path(place, "run")
        assert command([*RUN, "--out", str(intact)])[0] == 0
        for _ in range(edits):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(intact, folder)
            kind = rng.choice(kinds)
            damage(folder, rng, kind)
            for name, arguments in (
                ("report", ["report", str(folder), "--out", str(Path(place, "r.html")), "--force"]),
                ("rerun", ["experiment", "rerun", str(folder)]),
                ("resume", [*RUN, "--out", str(folder), "--resume"]),
            ):
                code, said, seconds = command(arguments)
                assert code in (0, 1, 2), (kind, name, code)
                assert code != 2 or len(said) == 1, (kind, name, said)
                assert all(text.isprintable() for text in said), (kind, name, said)
                assert seconds < LIMIT, (kind, name, seconds)
                yield kind, name, code


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edits", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    ends, start = Counter(), time.monotonic()
    for commands, end in enumerate(fuzz(given.edits, given.seed), 1):
        ends[end] += 1
        if commands % 30 == 0 or commands == 3 * given.edits:
            done = f"{commands // 3} of {given.edits} edits, {time.monotonic() - start:.0f} s"
            print(done, file=sys.stderr, flush=True)
    for (kind, name, code), count in sorted(ends.items()):
        print(f"{kind:12} {name:7} exit code {code}: {count}")


if __name__ == "__main__":
    main()
