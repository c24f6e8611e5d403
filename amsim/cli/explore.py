"""The command ``amsim explore``: a page on this machine where a memory can be watched."""

from __future__ import annotations

import argparse
import os
import webbrowser
from pathlib import Path
from typing import Any

from .console import DONE, UserError, emit, note
from .files import load

_HELP = """\
  amsim explore
  amsim explore --patterns stored.npy --port 8000 --no-browser
"""
# Links to a state keep the port: the next run has the same one.
_PORT = 8737


def add(commands: Any) -> None:
    """Add the command to the parser."""
    text = "a page in the browser: draw a cue, turn the physics, and watch the recall"
    parser = commands.add_parser(
        "explore",
        examples=_HELP,
        help=text,
        description=f"Serve {text}. For this machine only; Ctrl-C ends it.",
    )
    parser.add_argument(
        "--patterns",
        metavar="FILE.npy",
        help="array (memories, units) or (memories, height, width) (default: ten digits)",
    )
    parser.add_argument(
        "--port", type=_port, help=f"of 127.0.0.1 (default: {_PORT}, or any if that is taken)"
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="print the address, and open nothing"
    )
    parser.set_defaults(run=_explore)


def _port(text: str) -> int:
    """Read a port, for argparse."""
    value = int(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"{value} is no port; they go from 0 to 65535")
    return value


_port.__name__ = "port"


def _explore(args: argparse.Namespace) -> int:
    from ..explore import Server

    explorer = _explorer(args.patterns)
    try:
        server = _server(explorer) if args.port is None else Server(explorer, args.port)
    except OSError as error:
        raise UserError(
            f"port {args.port} of 127.0.0.1 cannot be used: {error.strerror}; pass another --port"
        ) from error
    with server:
        server.warm_up()
        emit(server.url)
        if "SSH_CONNECTION" in os.environ:
            there = f"{server.server_port}:127.0.0.1:{server.server_port}"
            note(f"on your own machine run `ssh -L {there} HOST` first, then open the address")
        elif not args.no_browser:
            webbrowser.open(server.url)
        note("Ctrl-C ends it")
        server.serve_forever(poll_interval=0.2)
    return DONE


def _server(explorer: Any) -> Any:
    """At the usual port, if nobody has it."""
    from ..explore import Server

    try:
        return Server(explorer, _PORT)
    except OSError:
        return Server(explorer)


def _explorer(name: str | None) -> Any:
    from ..explore import Explorer

    if name is None:
        return Explorer()
    stored = load(name)
    rows = f".reshape({len(stored)}, -1)" if stored.ndim == 3 else ""
    try:
        return Explorer(stored, f"np.load({str(Path(name))!r}).astype(float){rows}")
    except ValueError as error:
        raise UserError(f"{name}: {error}") from error
