"""The progress bar of a sweep on stderr."""

from __future__ import annotations

import sys
import time
from typing import Any

_SHOWN_AFTER = 1.0  # seconds before progress is shown


class Progress:
    """A bar over units with the time left, on a terminal once a run takes more than a moment.

    Parameters
    ----------
    total : int
        Units of the whole run.
    done : int
        Those that an earlier session measured.
    kept : bool, default True
        Whether finished units are on disk.
    """

    def __init__(self, total: int, done: int = 0, *, kept: bool = True) -> None:
        self._kept = kept
        self._total, self._done, self._failed = total, done, 0
        self._earlier, self._start = done, time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def add(self, done: int, failed: int) -> None:
        """Count units."""
        self._done += done
        self._failed += failed
        if self._bar is None:
            if time.monotonic() - self._start < _SHOWN_AFTER or not sys.stderr.isatty():
                return
            self._bar = self._open()
            self._bar.n = self._done
            self._bar.refresh()
        if self._failed:
            self._bar.set_postfix_str(f"{self._failed} failed", refresh=False)
        self._bar.update(self._done - self._bar.n)

    def silent(self, seconds: float, workers: str) -> None:
        """Say that no unit has come back for a while, and what Ctrl-C would keep."""
        end = "keeps them, and --resume goes on" if self._kept else "loses them: there is no folder"
        line = (
            f"amsim: no unit has come back for {seconds:.0f} s; {workers}. {self._done} of "
            f"{self._total} units are done; Ctrl-C {end}"
        )
        if self._bar is None:
            print(line, file=sys.stderr, flush=True)
        else:
            self._bar.write(line, file=sys.stderr)

    def _open(self) -> Any:
        from tqdm import tqdm

        bar = tqdm(
            total=self._total,
            initial=self._earlier,
            desc="measuring",
            unit="unit",
            leave=False,
            miniters=1,
            smoothing=0,  # units of a grid differ: the last few say little about the rest
            bar_format="{desc}: {n} of {total} units |{bar}| {elapsed}, "
            "{remaining} left ({rate_fmt}){postfix}",
        )
        # The bar appears late; the units before it took their time, too.
        bar.start_t -= time.monotonic() - self._start
        return bar
