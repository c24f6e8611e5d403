"""Progress bars and compilation notices on stderr."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_SHOWN_AFTER = 1.0  # seconds before progress is shown
# Loading compiled code takes a second, and some on a busy machine: not worth a word.
_LOADING = 4.0


class Progress:
    """A bar over simulated time, shown on a terminal once a run takes more than a moment."""

    def __init__(self, t1: float, cues: int) -> None:
        self._t1, self._cues = t1, cues
        self._start = time.monotonic()
        self._bar: Any = None

    def update(self, reached: float, running: int) -> None:
        """Show the time that the slowest running cue has reached."""
        if self._bar is None:
            if time.monotonic() - self._start < _SHOWN_AFTER or not sys.stderr.isatty():
                return
            from tqdm import tqdm

            self._bar = tqdm(
                total=self._t1,
                desc="recall",
                leave=False,
                bar_format="{desc}: t = {n:.3g} of {total:.3g} |{bar}| {postfix} [{elapsed}]",
            )
        self._bar.n = reached
        self._bar.set_postfix_str(f"{self._cues - running} of {self._cues} cues done")

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()


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
