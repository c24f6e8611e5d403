"""The command ``amsim stability``: a stability report and certificates for the end of a cue."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Literal

from ..files import as_json
from .console import DONE, NOT_SETTLED, UserError, emit, note
from .files import add_memories, load

if TYPE_CHECKING:
    from ..network import Network
    from ..synapses import Array

_SCOPES: tuple[Literal["link"], Literal["broadcast"]] = ("link", "broadcast")
_HELP = """\
  amsim stability --patterns stored.npy --cue damaged.npy --beta 0.5
  amsim stability --patterns stored.npy --cue damaged.npy --beta 0.5 --json
"""


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "stability",
        examples=_HELP,
        help="what timing can do to a recall of your own cue",
        description="Recall one cue from your own patterns, with softmax memories, and analyse "
        "where it ends: gains, decay, and delays under which that is proven or refuted.",
    )
    add = parser.add_argument
    add_memories(parser, cue="--cue", shape="array (units)")
    add("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from ..dynamics import simulate
    from ..progress import whole_runs
    from ..stability import analyse

    stored, cue = load(args.patterns), load(args.cue)
    if stored.ndim != 2:
        raise UserError(
            f"{args.patterns} has shape {stored.shape}; patterns need shape (memories, units)"
        )
    if cue.shape not in ((stored.shape[1],), (1, stored.shape[1])):
        raise UserError(
            f"{args.cue} has shape {cue.shape}, {args.patterns} has shape {stored.shape}; "
            f"give one cue of shape ({stored.shape[1]},)"
        )
    cue = cue.ravel()
    network = _network(args, stored)
    with whole_runs():
        traj = simulate(network, cue)
    if traj.status != "settled":
        note(f"the recall did not settle: {traj.message}")
        return NOT_SETTLED
    report = analyse(network, traj.final)
    basin = _basin(network, cue, report.states)
    if args.json:
        names = ("patterns", "cue", "beta", "tau_hidden", "similarity")
        parameters = {name: getattr(args, name) for name in names}
        record = {"command": "stability", "parameters": parameters, **report.to_dict(), **basin}
        emit(as_json(record))
    else:
        emit(f"{report}\n{_words(basin)}")
    return DONE


def _network(args: argparse.Namespace, stored: Array) -> Network:
    from ..lagrangians import Softmax
    from ..models import dense_am

    try:
        return dense_am(
            stored,
            hidden=Softmax(args.beta),
            tau_hidden=args.tau_hidden,
            similarity=args.similarity,
        )
    except ValueError as error:
        raise UserError(str(error)) from error


def _basin(network: Network, cue: Array, rest: dict[str, Array]) -> dict[str, Any]:
    """Certificates of the cue and radii around its end, by scope."""
    from ..stability import certify, radius

    return {
        "certified": {s: bool(certify(network, cue, rest, scope=s).holds) for s in _SCOPES},
        "radius": {s: radius(network, rest, s) for s in _SCOPES},
    }


def _words(basin: dict[str, Any]) -> str:
    lines = ["  from where every asynchronous execution ends there?"]
    for scope, what in zip(_SCOPES, ("delays of links", "delays of broadcasts"), strict=True):
        cue = "proven" if basin["certified"][scope] else "not proven"
        size = basin["radius"][scope]
        lines.append(f"    {what}: this cue {cue}; all within {size:.3g} of every unit proven")
    return "\n".join(lines)
