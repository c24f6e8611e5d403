"""The command ``amsim``, and ``python -m amsim``.

Until `main` guards it, nothing is imported that takes long: Ctrl-C ends a command with one line
whenever it comes.
"""

import signal
import sys
from contextlib import suppress
from types import FrameType

# Functions whose exceptions Python shows and drops: called when an object goes.
_DROPPED = "__del__", "cb"


def main(argv: list[str] | None = None) -> int:
    """Run the command line of this process, which SIGTERM ends as Ctrl-C does.

    Parameters
    ----------
    argv : list of str, optional
        By default the arguments of this process.

    Returns
    -------
    int
        As `amsim.cli.main`.
    """
    ours = [x for x in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(x) != signal.SIG_IGN]
    came: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        came.append(number)
        _interrupt(number, frame)

    try:
        for each in ours:
            signal.signal(each, interrupt)
        from amsim.cli import main as run

        return run(argv)
    except (KeyboardInterrupt, ImportError):
        if not came:  # by a signal an import of C may end in an error of its own
            raise
        with suppress(OSError, AttributeError):  # stderr that nobody reads, or none
            sys.stderr.write("amsim: interrupted\n")
        return 130
    finally:
        for each in ours:  # all is said: another one ends the process at once
            signal.signal(each, signal.SIG_DFL)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, a moment later where Python would drop it and the command go on."""
    while frame is not None:
        if frame.f_code.co_name in _DROPPED:
            from threading import Timer, get_ident

            Timer(0.01, _send, [number, get_ident()]).start()
            return
        frame = frame.f_back
    raise KeyboardInterrupt


def _send(number: int, thread: int) -> None:
    """Send a signal to a thread that may sleep: one that the sender itself gets wakes no other."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(thread, number)
    else:
        signal.raise_signal(number)


if __name__ == "__main__":
    sys.exit(main())
