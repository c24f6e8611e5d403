"""The command line `amsim`: a module for each command, named like it, with ``add(commands)``.

Results go to stdout, everything else to stderr. NumPy, Matplotlib and the solvers are imported by
the functions that use them, so that ``--help`` is there at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import suppress

from .. import __version__
from . import (
    demo,
    doctor,
    experiment,
    explore,
    gallery,
    lava,
    mapping,
    recall,
    report,
    run,
    stability,
)
from .console import (
    BAD_INPUT,
    DONE,
    INTERRUPTED,
    MISSING,
    Parser,
    UserError,
    fail,
    flush,
    note,
    plain_warnings,
)
from .ranks import launched, only_first
from .streams import streams

_HELP = """\
  amsim demo
  amsim recall --patterns stored.npy --cues damaged.npy --beta 0.5 --out runs/mine
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after the name of the program; by default those of this process.

    Returns
    -------
    int
        0 done, 1 a cue did not settle, 2 wrong usage or input, 3 a package is missing,
        130 interrupted.

    Examples
    --------
    >>> from amsim.cli import main
    >>> main(["--version"])  # doctest: +ELLIPSIS
    amsim ...
    0
    """
    with streams(), only_first(), plain_warnings():
        return _guarded(argv)


def _guarded(argv: Sequence[str] | None) -> int:
    """Parse, run, and turn what the user can put right into one line and a code."""
    try:
        flush()  # a result that nothing takes is known before the work
        args = _parse(argv)
        _refuse_several(args)
        code = int(args.run(args)) if args else DONE
        flush()
        return code
    except UserError as error:
        return fail(BAD_INPUT, str(error))
    except KeyboardInterrupt as error:
        note("; ".join(("interrupted", *map(str, error.args))))
        return INTERRUPTED
    except MemoryError as error:
        return fail(BAD_INPUT, f"not enough memory ({error}); use fewer cues at a time")
    except ImportError as error:
        return fail(MISSING, _missing(error))
    except OSError as error:  # that no command has words of its own for
        culprit = f"{error.filename}: " if error.filename else ""
        return fail(BAD_INPUT, f"{culprit}{error.strerror or error}")


def _parse(argv: Sequence[str] | None) -> argparse.Namespace | None:
    """Parse the arguments; None where help or the version was all that was asked for."""
    with suppress(SystemExit):
        return _parser().parse_args(argv)
    return None


def _refuse_several(args: argparse.Namespace | None) -> None:
    """Several processes would write the same files."""
    if launched()[1] > 1 and args is not None and not args.shared:
        raise UserError(
            "this command runs in one process: start it without mpiexec; only amsim recall shares "
            "its memories among several"
        )


def _parser() -> Parser:
    parser = Parser(
        prog="amsim",
        examples=_HELP,
        description="Recall patterns from dense associative memories.",
    )
    parser.add_argument("--version", action="version", version=f"amsim {__version__}")
    parser.set_defaults(shared=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (
        demo, recall, explore, stability, mapping, run, experiment, report, gallery, doctor, lava,
    ):  # fmt: skip
        command.add(commands)
    return parser


def _missing(error: ImportError) -> str:
    """Say what is missing and where it comes from."""
    from ..errors import MissingDependencyError

    if isinstance(error, MissingDependencyError):
        return str(error)
    name = (error.name or "").partition(".")[0]
    package = {"sklearn": "scikit-learn"}.get(name, name)
    if not package:
        return f"a package cannot be imported: {error}; see amsim doctor"
    return f"{package} cannot be imported ({error}); install it with: pip install {package}"
