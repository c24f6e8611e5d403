"""The command ``amsim map``: compiles a memory to the integers of a chip."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ..files import as_json
from .console import DONE, UserError, emit, not_negative, positive, seed
from .files import Floats, add_output, load, output

if TYPE_CHECKING:
    from ..network import Network

PLAN, ARRAYS = FILES = "plan.json", "plan.npz"
_HELP = """\
  amsim map --patterns stored.npy --beta 2 --out runs/plan
  amsim map --patterns stored.npy --memories power --power 3 --features tanh --beta-visible 1 \\
      --weight-bits 4 --rounding learned --out runs/plan
  amsim map --patterns stored.npy --place kapoho-point --prices loihi1 --out runs/plan
"""


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "map",
        examples=_HELP,
        help="map your patterns onto a neuromorphic chip",
        description="Map a dense associative memory onto the integers of a chip, prove that "
        "nothing overflows, compare it with the published limits, and write the plan.",
    )
    add = parser.add_argument
    add("--patterns", metavar="FILE.npy", required=True, help="array (memories, units) to store")
    add("--chip", default="loihi2", help="loihi2 (default), or limits of your own in a .toml file")
    add("--memories", choices=("softmax", "power"), default="softmax", help="default: softmax")
    add("--beta", type=positive, default=1.0, help="inverse temperature of softmax (default: 1)")
    add("--power", type=int, default=2, metavar="N", help="rectified power, 2 is ReLU (default: 2)")
    add(
        "--features",
        choices=("identity", "tanh", "sign"),
        default="identity",
        help="default: identity",
    )
    add("--beta-visible", type=positive, default=1.0, help="steepness of tanh (default: 1)")
    add(
        "--tau-hidden",
        type=not_negative,
        default=0.1,
        metavar="TAU",
        help="time constant of the memories, with 1 for the features (default: 0.1)",
    )
    add("--similarity", choices=("dot", "euclidean"), default="dot", help="default: dot")
    add("--weight-bits", type=int, default=8, metavar="BITS", help="2 to 8 (default: 8)")
    add(
        "--rounding",
        choices=("nearest", "stochastic", "learned"),
        default="nearest",
        help="of the weights; learned: so that damaged cues find their memory (default: nearest)",
    )
    add("--seed", type=seed, default=0, help="of the other roundings (default: 0)")
    add("--dt", type=positive, help="time of one period (default: 1/20 of the features' tau)")
    add("--quantum", type=not_negative, default=0.0, help="least change that is sent (default: 0)")
    add("--cue-limit", type=positive, help="largest value in a cue (default: in the patterns)")
    add(
        "--input-limit",
        type=not_negative,
        default=0.0,
        metavar="X",
        help="largest driven input of a feature, for amsim run --events (default: 0)",
    )
    add(
        "--place",
        metavar="SYSTEM",
        nargs="?",
        const="",
        help="say how many cores and chips it takes, of this system or of the smallest one",
    )
    add("--cores", type=int, help="with --place: cores to use (default: as few as possible)")
    add(
        "--prices", metavar="CHIP", help="with --place: price recalls of the patterns; or FILE.toml"
    )
    add_output(parser, FILES, default=None)
    parser.set_defaults(run=_map)


def _map(args: argparse.Namespace) -> int:
    from .. import hardware as hw

    stored = load(args.patterns)
    if stored.ndim != 2:
        raise UserError(
            f"{args.patterns} has shape {stored.shape}; patterns need shape (memories, units): "
            f"flatten images, and put a single pattern in a list"
        )
    # A plan has the integers of a published chip; a table of one's own says where it fits.
    own = args.chip if args.chip.endswith(".toml") else None
    try:
        with output(args.out, FILES, args.force) as folder:
            plan = hw.compile(
                _network(stored, args),
                chip="loihi2" if own else args.chip,
                weight_bits=args.weight_bits,
                dt=args.dt,
                quantum=args.quantum,
                cue_limit=args.cue_limit,
                input_limits={"visible": args.input_limit},
                rounding=args.rounding,
                seed=args.seed,
            )
            placement, cost = _placed(plan, stored, own, args)
            validation = hw.validate(plan, own, chips=placement.n_chips if placement else 1)
            plan.save(folder / PLAN, force=args.force)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UserError(f"{error.filename} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UserError(str(error)) from error
    if args.json:
        emit(as_json(_record(plan, validation, folder) | _costs(placement, cost)))
    else:
        reports = [plan.report(), str(validation)]
        reports += [found.report() for found in (placement, cost) if found]
        emit("\n\n".join(reports) + f"\nwritten to {folder}: {', '.join(FILES)}")
    return DONE


def _placed(
    plan: Any, stored: Floats, own: str | None, args: argparse.Namespace
) -> tuple[Any, Any]:
    """A placement, and what recalls of the stored patterns cost; None where not asked for."""
    from .. import hardware as hw

    if args.place is None:
        if args.prices is not None or args.cores is not None:
            raise UserError("--prices and --cores need --place")
        return None, None
    run = None if args.prices is None else hw.run(plan, stored)
    placement = hw.place(plan, own, system=args.place or None, cores=args.cores, run=run)
    try:
        return placement, None if run is None else hw.estimate(placement, run, args.prices)
    except hw.NotPublicError as error:
        what = str(error).partition(": ")[0]
        raise UserError(
            f"--prices {args.prices}: {what}; take --prices loihi1, or a table of your own in a "
            f"file, --prices FILE.toml"
        ) from error


def _costs(placement: Any, cost: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if placement:
        found["placement"] = {
            "chip": placement.chip.name,
            "system": placement.system.name,
            "cores": placement.n_cores,
            "chips": placement.n_chips,
            "messages_between_cores": placement.cut,
            "hops": placement.hops,
        }
    if cost:
        found["cost"] = {
            "prices": cost.prices.name,
            "energy_joules": cost.energy,
            "latency_seconds": cost.latency,
            "energy_by_part_joules": {part: joules for part, (joules, _) in cost.by_part.items()},
        }
    return found


def _network(stored: Floats, args: argparse.Namespace) -> Network:
    import amsim as am

    softmax = args.memories == "softmax"
    features = {"identity": am.Identity(), "tanh": am.Tanh(args.beta_visible), "sign": am.Sign()}
    return am.dense_am(
        stored,
        visible=features[args.features],
        hidden=am.Softmax(args.beta) if softmax else am.RectifiedPower(args.power),
        tau_hidden=args.tau_hidden,
        similarity=args.similarity,
    )


def _record(plan: Any, validation: Any, folder: Any) -> dict[str, Any]:
    from ..hardware import ranges

    return {
        "command": "map",
        "chip": plan.chip,
        "units": {"hidden": plan.units[0], "visible": plan.units[1]},
        "dt": plan.dt,
        "period": plan.period,
        "steps": plan.steps,
        "signals": [
            {"name": s.name, "largest": s.largest, "bits": s.bits, "available": s.available}
            for s in ranges.check(plan)
        ],
        "limits": [
            {"name": c.name, "needed": c.needed, "limit": c.limit.value, "fits": c.fits}
            for c in validation.checks
        ],
        "verified_on_hardware": False,
        "files": [str(folder / name) for name in FILES],
    }
