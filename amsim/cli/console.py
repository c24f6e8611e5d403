"""The parser, the exit codes and the messages that all commands share."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Iterator, Sized
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from .. import checks

DONE, NOT_SETTLED, BAD_INPUT, MISSING, INTERRUPTED = 0, 1, 2, 3, 130
# Beyond this, products of numbers that are finite themselves overflow.
_EXTREME = 1e9

_CODES_HELP = """\
exit codes: 0 done; 1 {incomplete}; 2 wrong usage or input; 3 a package is missing;
130 interrupted (Ctrl-C; what was reached is written).
"""


class UserError(Exception):
    """Something that the user can put right; the message says how."""


class Parser(argparse.ArgumentParser):
    """Examples first, and one line for an error; `incomplete` is what exit code 1 means."""

    def __init__(
        self,
        *,
        examples: str = "",
        epilog: str = "",
        incomplete: str = "a cue did not settle",
        **settings: Any,
    ) -> None:
        codes = _CODES_HELP.format(incomplete=incomplete)
        super().__init__(
            epilog="\n".join(filter(None, (epilog, codes))),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **settings,
        )
        self.examples = examples

    def format_help(self) -> str:
        return f"{self.examples}\n{super().format_help()}"

    def _print_message(self, message: str, file: Any = None) -> None:
        emit(message, end="")  # help and version are results, too

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see {self.prog} --help")


def positive(text: str, more: str = "") -> float:
    """Read a positive number, for argparse; `more` is what else may stand there."""
    with _refused():
        return checks.number("it", float(text), at_least=1 / _EXTREME, at_most=_EXTREME, more=more)


def not_negative(text: str) -> float:
    """Read a positive number or 0, for argparse."""
    return 0.0 if float(text) == 0 else positive(text, ", or 0")


def seed(text: str) -> int:
    """Read a seed, for argparse."""
    value = int(text)
    with _refused():
        return checks.seed_number(value, "it")


@contextmanager
def _refused() -> Iterator[None]:
    """Have argparse say what a check says."""
    try:
        yield
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


# What argparse calls the type in "invalid ... value".
positive.__name__ = not_negative.__name__ = "number"
seed.__name__ = "integer"


def count(items: Sized, noun: str) -> str:
    """Write "1 cue" or "8 cues"."""
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"


def emit(text: str, end: str = "\n") -> None:
    """Print a result.

    Raises
    ------
    UserError
        If stdout takes no more. A reader that left early (``| head -1``) has what it wanted.
    """
    with _result():
        print(text, end=end, flush=True)


def flush() -> None:
    """Flush what others printed."""
    with _result():
        sys.stdout.flush()


@contextmanager
def _result() -> Iterator[None]:
    if sys.stdout is None:
        raise UserError("stdout is closed; send the result to a file, or to /dev/null")
    try:
        yield
    except BrokenPipeError:
        discard(sys.stdout)
    except OSError as error:
        discard(sys.stdout)
        raise UserError(f"cannot write the result to stdout: {error.strerror}") from error


def discard(stream: Any) -> None:
    """Send the rest of a stream to nowhere, so that the exit of Python does not complain."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def note(text: str) -> None:
    """Say something that is not the result."""
    print(f"amsim: {text}", file=sys.stderr, flush=True)


def fail(code: int, text: str) -> int:
    """Say what is wrong, and return the exit code."""
    note(f"error: {text}")
    return code


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Show warnings as one line each, without the source line that they come from."""
    from ..errors import GuaranteeWarning

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        note(f"warning: {' '.join(str(message).split())}")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of other libraries, about others
        warnings.simplefilter("always", GuaranteeWarning)
        warnings.showwarning = show
        yield
