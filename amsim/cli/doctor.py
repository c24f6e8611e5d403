"""The command ``amsim doctor``: a report on the installation."""

from __future__ import annotations

import argparse
from typing import Any

from ..files import as_json
from .console import DONE, MISSING, emit, fail

_HELP = """\
  amsim doctor
  amsim doctor --deep --json
"""


def add(commands: Any) -> None:
    """Add the command to the parser."""
    text = "show what works on this machine, what does not, and the remedy"
    doctor = commands.add_parser(
        "doctor", examples=_HELP, help=text, description=f"{text[0].upper()}{text[1:]}."
    )
    doctor.add_argument("--json", action="store_true", help="print one JSON document")
    doctor.add_argument(
        "--deep", action="store_true", help="also try Brian2, and a graph in Lava (up to 2 minutes)"
    )
    doctor.set_defaults(run=_doctor)


def _doctor(args: argparse.Namespace) -> int:
    from .. import doctor

    findings = doctor.diagnose(deep=args.deep)
    emit(as_json(doctor.document(findings)) if args.json else doctor.report(findings))
    if doctor.healthy(findings):
        return DONE
    bad = [f.name for f in findings if f.required and f.status in ("missing", "broken")]
    return fail(MISSING, f"missing or broken: {', '.join(bad)}; the list says what to do")
