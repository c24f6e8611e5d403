"""Progress bars and compilation notices on stderr."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from importlib.util import find_spec
from typing import Any

from .display import kernel

_WHOLE: ContextVar[bool] = ContextVar("whole runs", default=False)
_DRAWN_AFTER, _LINE_AFTER = 1.0, 5.0  # seconds before a bar is drawn, and before a line is printed
_BETWEEN_LINES = 10.0
# Loading compiled code takes a second, and some on a busy machine: not worth a word.
_LOADING = 4.0


@contextmanager
def whole_runs() -> Iterator[None]:
    """Ctrl-C in a run raises KeyboardInterrupt, for code that does not look at its status.

    Elsewhere a run returns what was reached, with the status "interrupted".
    """
    token = _WHOLE.set(True)
    try:
        yield
    finally:
        _WHOLE.reset(token)


def check_whole() -> None:
    """Raise KeyboardInterrupt, of a run that was interrupted, where only whole ones will do."""
    if _WHOLE.get():
        raise KeyboardInterrupt


class Progress:
    """A bar over simulated time, shown once a run takes more than a moment.

    From `deadline` on, by `time.monotonic()`, it interrupts the run as Ctrl-C does.
    """

    def __init__(
        self, t1: float, cues: int, deadline: float = math.inf, shown: bool = True
    ) -> None:
        self._cues, self._deadline, self._shown = cues, deadline, shown
        self._bar = Bar(
            total=t1,
            desc="recall",
            bar_format="{desc}: t = {n:.3g} of {total:.3g} |{bar}|{postfix} [{elapsed}]",
        )

    def update(self, reached: float, running: int, besides: str = "") -> None:
        """Show the time that the slowest running cue has reached."""
        if self._shown:  # by one of several processes
            self._bar.show(reached, f"{self._cues - running} of {self._cues} cues done{besides}")
        if time.monotonic() > self._deadline:
            raise KeyboardInterrupt

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()


class Bar:
    """A bar of tqdm on stderr that appears late: none for what ends within a moment.

    A terminal and a notebook have it from the first second on. Anything else, such as the file of a
    batch job, gets a line after some seconds, and then every so often.

    Parameters
    ----------
    **options
        Of tqdm: total, desc, unit, bar_format, ...
    """

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._start = time.monotonic()
        self._bar: Any = None

    def show(self, count: float, postfix: str = "") -> None:
        """Say how far it is."""
        if self._bar is None and not self._open():
            return
        self._bar.set_postfix_str(postfix, refresh=False)
        self._bar.update(count - self._bar.n)

    def say(self, line: str) -> None:
        """A line of its own, above the bar."""
        if self._bar is None:
            print(line, file=sys.stderr, flush=True)
        else:
            self._bar.write(line, file=sys.stderr)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()

    def _open(self) -> bool:
        elapsed = time.monotonic() - self._start
        if elapsed < _DRAWN_AFTER:
            return False
        options = {"leave": False, "miniters": 0, "smoothing": 0, **self._options}
        if kernel() and find_spec("ipywidgets"):
            from tqdm.notebook import tqdm
        else:
            from tqdm import tqdm
        if kernel() or _on_terminal():
            self._bar = tqdm(**options)
        elif elapsed >= _LINE_AFTER:
            lines = {"file": _Lines(), "mininterval": _BETWEEN_LINES, "delay": 1e-3}
            self._bar = tqdm(ascii=True, ncols=100, **lines, **options)
            self._bar.last_print_t -= _BETWEEN_LINES  # the first line at once
        else:
            return False
        self._bar.start_t -= elapsed
        return True


class _Lines:
    """What tqdm draws over and over, as lines of stderr; a stream that is closed costs no run."""

    def write(self, text: str) -> None:
        if text.strip() and sys.stderr is not None:
            with suppress(OSError, ValueError):
                print(f"amsim: {text.strip()}", file=sys.stderr, flush=True)

    def flush(self) -> None:
        pass


def _on_terminal() -> bool:
    return sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty()


@contextmanager
def announce_compilation(what: str) -> Iterator[None]:
    """Say so on stderr if the block, which compiles or loads machine code, takes long."""
    start = time.monotonic()
    note = f"amsim: compiling {what} for this machine; kept for the next time ..."
    timer = threading.Timer(_LOADING, lambda: print(note, file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if time.monotonic() - start > _LOADING:
        print(f"amsim: compiled in {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
