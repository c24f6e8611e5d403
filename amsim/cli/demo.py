"""``amsim demo``: the main job on real digits."""

from __future__ import annotations

import argparse
from typing import Any

from .console import seed
from .files import add_output, prepare
from .outcome import COLUMNS_HELP, FILES, Task
from .recall import SOLVERS, perform

_STORED, _CUES, _FLIP = 100, 8, 0.2
# Two stored patterns that differ in d units merge into a mixture below beta = 1/d, and near that
# point a recall takes as long as one likes: 0.75 lies between those of d = 1 and d = 2.
_BETA = 0.75
_HELP = """\
  amsim demo
  amsim demo --seed 1 --out runs/second
"""


def add(commands: Any) -> None:
    """Add the command to the parser."""
    text = f"store {_STORED} handwritten digits, damage {_CUES} of them, and recall them"
    demo = commands.add_parser(
        "demo",
        examples=_HELP,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=COLUMNS_HELP,
    )
    add_output(demo, FILES, default="runs/demo")
    demo.add_argument(
        "--seed", type=seed, default=0, help="chooses the digits and their damage (default: 0)"
    )
    demo.set_defaults(run=_demo)


def _demo(args: argparse.Namespace) -> int:
    folder = prepare(args.out, FILES, args.force)
    import numpy as np

    from .. import patterns

    stored = patterns.digits(_STORED, seed=args.seed)
    cues = patterns.corrupt(stored[:_CUES], flip=_FLIP, seed=args.seed)
    parameters = {
        "stored": _STORED,
        "cues": _CUES,
        "flip": _FLIP,
        "seed": args.seed,
        "beta": _BETA,
        "tau_hidden": 0.1,
        "similarity": "dot",
        "solver": SOLVERS[0],
    }
    return perform(Task("demo", stored, cues, parameters, own=np.arange(_CUES)), folder, args.json)
