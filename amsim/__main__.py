"""The command ``amsim``, and ``python -m amsim``.

Until `main` guards it, nothing is imported that takes long: Ctrl-C ends a command with one line
whenever it comes.
"""

import signal
import sys
from contextlib import suppress

_SIGNALS = signal.SIGINT, signal.SIGTERM


def main() -> int:
    """Run the command line of this process, which SIGTERM ends as Ctrl-C does.

    Returns
    -------
    int
        As `amsim.cli.main`.
    """
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        from amsim.cli import main as run

        return run()
    except KeyboardInterrupt:
        with suppress(OSError, AttributeError):  # stderr that nobody reads, or none
            sys.stderr.write("amsim: interrupted\n")
        return 130
    finally:
        for each in _SIGNALS:  # all is said: a second one ends the process at once
            if signal.getsignal(each) is signal.default_int_handler:
                signal.signal(each, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main())
