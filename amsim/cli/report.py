"""The command ``amsim report``: writes an HTML page about runs of experiments."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..files import as_json
from .console import DONE, UserError, emit
from .files import output, write

_HELP = """\
  amsim report runs/asynchrony
  amsim report runs/asynchrony runs/delay_rate --out experiments.html
"""


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "report",
        examples=_HELP,
        help="put the verdicts and figures of experiments on one HTML page",
        description="Write one self-contained HTML page about runs of amsim experiment.",
    )
    parser.add_argument("folders", metavar="DIR", nargs="+", help="folder of a run")
    parser.add_argument(
        "--out", metavar="FILE.html", default="report.html", help="default: report.html"
    )
    parser.add_argument("--force", action="store_true", help="replace an existing file")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=_report)


def _report(args: argparse.Namespace) -> int:
    from ..experiments.runner.files import RecordError
    from ..experiments.runner.html_report import page

    try:
        text = page(args.folders)
    except (RecordError, OSError) as error:
        raise UserError(" ".join(str(error).split())) from error
    path = Path(args.out)
    with output(str(path.parent), [path.name], args.force) as folder:
        write(folder / path.name, lambda file: file.write(text.encode()))
    if args.json:
        emit(as_json({"file": str(path), "runs": args.folders}))
    else:
        emit(f"{path}  {len(text) / 1e3:.0f} kB")
    return DONE
