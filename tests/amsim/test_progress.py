"""Progress on terminals, and as lines where nothing can be drawn."""

import sys

import pytest

from amsim import progress


@pytest.fixture
def clock(monkeypatch):
    """The seconds that have passed, for the module and for tqdm."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    return now


def run(clock, seconds):
    """A recall that reports once a second."""
    bar = progress.Progress(100.0, 8)
    for second in range(seconds):
        clock[0] = second
        bar.update(second, 8 - second // 10)
    bar.close()


def test_a_file_gets_a_line_now_and_then(clock, capsys):
    run(clock, 32)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("|")[0].strip() for line in lines] == [
        f"amsim: recall: t = {t} of 100" for t in (5, 15, 25)
    ]
    assert lines[1].endswith("1 of 8 cues done [00:15]")
    assert "\r" not in "".join(lines)


def test_a_moment_has_no_progress(clock, capsys, monkeypatch):
    run(clock, 5)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    clock[0] = 0
    run(clock, 1)
    assert capsys.readouterr().err == ""


def test_a_terminal_has_a_bar_that_goes(clock, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    run(clock, 4)
    shown = capsys.readouterr().err
    assert "recall: t = 3 of 100" in shown
    assert shown.endswith("\r")


@pytest.mark.parametrize("stream", [None, "closed"])
def test_a_stream_that_is_gone_costs_no_run(clock, monkeypatch, tmp_path, stream):
    if stream:
        stream = (tmp_path / "log").open("w", encoding="utf-8")
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    run(clock, 20)
