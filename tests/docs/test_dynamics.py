"""Every line of the table of dynamics.md runs."""

import re
from pathlib import Path

import numpy as np
import pytest

import amsim as am

PAGE = Path(__file__).parents[2] / "docs" / "dynamics.md"
ROW = re.compile(r"^\| (?P<wanted>[^|]+) \| (?P<code>.*`.*) \|$", re.MULTILINE)


def yours():
    """What the names of the table stand for."""
    rng = np.random.default_rng(0)
    patterns = am.patterns.random(3, 16, seed=0)
    cue = am.patterns.corrupt(patterns, flip=0.1, seed=1)
    images = rng.normal(size=(2, 3, 4))
    tokens = rng.normal(size=(2, 4, 8))
    keys, queries = rng.normal(size=(2, 2, 3, 8))
    memories = rng.normal(size=(6, 8))
    weights = rng.normal(size=(4, 4))
    return {
        "am": am, "np": np, "patterns": patterns, "cue": cue, "images": images, "tokens": tokens,
        "net": am.dense_am(patterns, hidden=am.Softmax(0.5), tau_hidden=0.5),
        "weights": weights, "symmetric": weights + weights.T, "targets": np.roll(patterns, 1, 0),
        "amplitudes": np.linspace(0.0, 0.2, 16), "stimulus": 0.5 * patterns[1],
        "drive": lambda time: 0.3 * (time > 5.0) * patterns[0],
        "reached": lambda time, states: patterns[0] @ states["visible"] / 16 - 0.9,
        "overlap": lambda time, states: am.patterns.overlap(states["visible"], patterns),
        "look": lambda time, states: time > 2.0, "known": np.arange(16) > 3,
        "make": lambda beta: am.dense_am([[1.0], [-1.0]], hidden=am.Softmax(beta)),
        "starts": [[-1.0], [0.1], [1.0]], "keys": keys, "queries": queries, "memories": memories,
        "graph": ~np.eye(4, dtype=bool),
        "block": am.models.energy_transformer(keys, queries, memories, n_tokens=4),
    }  # fmt: skip


def test_every_line_of_the_table_runs(tmp_path, monkeypatch):
    """In its order: a line may ask the run of the line before."""
    monkeypatch.chdir(tmp_path)
    names, rows = yours(), ROW.findall(PAGE.read_text(encoding="utf-8"))
    assert len(rows) > 30
    for wanted, code in rows:
        for line in re.findall("`([^`]+)`", code):
            arguments = re.match(r"\w+=[^=]", line)
            whole = f"am.simulate(net, cue, {line})" if arguments else line
            try:
                found = eval(whole, names)
            except Exception as error:
                pytest.fail(f"{wanted}: {whole}: {error!r}")
            if isinstance(found, am.Trajectory) and found.recorded is None and "net" in whole:
                names["traj"] = found
