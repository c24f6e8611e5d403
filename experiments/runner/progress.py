"""The progress bar of a sweep on stderr."""

from __future__ import annotations

from amsim.progress import Bar


class Progress:
    """A bar over units with the time left.

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
        self._bar = Bar(
            total=total,
            initial=done,
            desc="measuring",
            unit="unit",
            bar_format="{desc}: {n} of {total} units |{bar}| {elapsed}, "
            "{remaining} left ({rate_fmt}){postfix}",
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def add(self, done: int, failed: int) -> None:
        """Count units."""
        self._done += done
        self._failed += failed
        self._bar.show(self._done, f"{self._failed} failed" if self._failed else "")

    def silent(self, seconds: float, workers: str) -> None:
        """Say that no unit has come back for a while, and what Ctrl-C would keep."""
        end = "keeps them, and --resume goes on" if self._kept else "loses them: there is no folder"
        line = (
            f"amsim: no unit has come back for {seconds:.0f} s; {workers}. {self._done} of "
            f"{self._total} units are done; Ctrl-C {end}"
        )
        self._bar.say(line)
