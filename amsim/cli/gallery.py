"""The command ``amsim gallery``: writes the pictures of `amsim.gallery`."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from ..files import as_json
from ..gallery import FIGURES
from .console import DONE, UserError, emit, note
from .files import add_output, output, write

_HELP = """\
  amsim gallery
  amsim gallery landscape diffusion --out pictures
"""


def add(commands: Any) -> None:
    """Add the command to the parser."""
    text = "draw the systems: landscapes, capacity, attention, diffusion, and more"
    gallery = commands.add_parser(
        "gallery",
        examples=_HELP,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog="\n".join(f"{name:12} {about}" for name, (_, about) in FIGURES.items()),
    )
    gallery.add_argument("names", metavar="NAME", nargs="*", help="which figures (default: all)")
    gallery.add_argument("--pdf", action="store_true", help="write .pdf in place of .png")
    add_output(gallery, ["NAME.png"], default="runs/gallery")
    gallery.set_defaults(run=_gallery)


def _gallery(args: argparse.Namespace) -> int:
    names = list(dict.fromkeys(args.names)) or list(FIGURES)
    for name in names:
        if name not in FIGURES:
            raise UserError(f"there is no figure {name!r}; choose from {', '.join(FIGURES)}")
    ending = "pdf" if args.pdf else "png"
    with output(args.out, [f"{name}.{ending}" for name in names], args.force) as folder:
        written = _drawn(names, folder, ending)
    if args.json:
        emit(as_json(written))
    else:
        emit("\n".join(f"{entry['file']}  {entry['shows']}" for entry in written.values()))
    return DONE


def _drawn(names: list[str], folder: Path, ending: str) -> dict[str, dict[str, str]]:
    """Draw and write figures; what they show, and where."""
    from ..gallery import draw

    written = {}
    for name in names:
        note(f"drawing {name} ...")
        figure, path = draw(name), folder / f"{name}.{ending}"
        write(path, partial(figure.savefig, format=ending, dpi=150))
        written[name] = {"file": str(path), "shows": FIGURES[name][1]}
    return written
