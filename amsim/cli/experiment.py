"""The command ``amsim experiment``: runs, lists and repeats experiments."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..experiments.runner import files, summary
from ..files import as_json
from .console import DONE, Parser, UserError, emit, note, seed
from .files import add_output

if TYPE_CHECKING:
    from ..experiments.runner.experiment import Experiment

INCOMPLETE = 1  # some units failed, or a second run differs from the first
_HELP = """\
  amsim experiment list
  amsim experiment asynchrony --out runs/asynchrony
  amsim experiment asynchrony --help
  amsim experiment rerun runs/asynchrony
"""
_INCOMPLETE = "a unit failed, or a rerun differs"


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "experiment",
        examples=_HELP,
        help="ask a question by experiment: many runs, a record, a verdict in numbers",
        description="Measure a grid of parameters times seeds, and judge it by theory.",
        incomplete=_INCOMPLETE,
    )
    parser.add_argument(
        "name", metavar="NAME", help="list; rerun DIR; or the name of an experiment"
    )
    parser.add_argument(
        "options", nargs=argparse.REMAINDER, metavar="...", help="see amsim experiment NAME --help"
    )
    parser.set_defaults(run=_experiment)


def _experiment(args: argparse.Namespace) -> int:
    from .. import experiments

    if args.name in ("list", "rerun"):
        parser = {"list": _list_parser, "rerun": _rerun_parser}[args.name]()
    else:
        with _one_line(ValueError):
            parser = _run_parser(experiments.find(args.name))
    try:
        chosen = parser.parse_args(args.options)
    except SystemExit:  # help was all that was asked for
        return DONE
    return int(chosen.run(chosen))


def _list_parser() -> Parser:
    parser = Parser(prog="amsim experiment list", description="List the experiments.")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=_list)
    return parser


def _list(args: argparse.Namespace) -> int:
    from .. import experiments
    from ..experiments.runner.design import Design

    listed = []
    for name in experiments.names():
        experiment = experiments.find(name)
        toy, paper = (len(Design.of(experiment, size=size)) for size in ("toy", "paper"))
        listed.append({"name": name, "question": experiment.question, "toy": toy, "paper": paper})
    if args.json:
        emit(as_json(listed))
    else:
        lines = [f"{'':18} {'toy':>5} {'paper':>8}"]
        lines += ["{name:18} {toy:>5} {paper:>8}  {question}".format(**entry) for entry in listed]
        emit("\n".join([*lines, "", "numbers: units of work"]))
    return DONE


def _run_parser(experiment: Experiment) -> Parser:
    """Make the parser of one experiment: its parameters, and the options of all."""
    command = f"amsim experiment {experiment.name}"
    parser = Parser(
        prog=command,
        examples=f"  {command} --jobs 2\n  {command} --size paper --plan\n",
        description=experiment.question,
        incomplete=_INCOMPLETE,
    )
    group = parser.add_argument_group("parameters", "values of an axis are separated by commas")
    toy = experiment.sizes["toy"]
    for name, quantity in experiment.parameters.items():
        unit = "" if quantity.unit == "1" else f" ({quantity.unit})"
        group.add_argument(
            f"--{name}",
            dest=f"parameter {name}",
            metavar="VALUES" if isinstance(toy[name], tuple) else "VALUE",
            help=f"{quantity.label}{unit}; toy: {_written(toy[name])}".replace("%", "%%"),
        )
    group.add_argument(
        "--repeats",
        dest="parameter repeats",
        metavar="N",
        help=f"seeds at every point; toy: {toy['repeats']}",
    )
    add = parser.add_argument
    add("--size", default="toy", help=f"{' or '.join(experiment.sizes)} (default: toy)")
    add("--seed", type=seed, default=0, help="of all draws (default: 0)")
    add("--plan", action="store_true", help="measure a few units, and say what the run would take")
    _add_workers(parser)
    add("--retry", action="store_true", help="with --resume: measure failed units again")
    add_output(parser, files.FILES, default=f"runs/{experiment.name}")
    parser.set_defaults(run=lambda args: _run(experiment, args))
    return parser


def _add_workers(parser: Parser) -> None:
    add = parser.add_argument
    add("--jobs", type=int, default=1, metavar="N", help="processes to use (default: 1)")
    add("--scheduler", metavar="ADDRESS", help="measure on the Dask cluster with this scheduler")
    add("--resume", action="store_true", help="go on with the run that the folder holds")


def _run(experiment: Experiment, args: argparse.Namespace) -> int:
    from ..experiments.runner.design import Design, parse
    from ..experiments.runner.plan import plan, words
    from ..experiments.runner.pools import count_jobs
    from ..experiments.runner.record import run

    given = {
        name.partition(" ")[2]: text
        for name, text in vars(args).items()
        if name.startswith("parameter ") and text is not None
    }
    with _one_line(ValueError, TypeError):
        count_jobs(args.jobs, here=not (args.scheduler or args.plan))
        if args.retry and not args.resume:
            raise ValueError("--retry measures the failed units of an earlier run; add --resume")
        if args.size not in experiment.sizes:
            raise ValueError(
                f"there is no size {args.size!r}; choose from {', '.join(experiment.sizes)}"
            )
        values = experiment.sizes[args.size]
        parameters = {name: parse(name, values[name], text) for name, text in given.items()}
        design = Design.of(experiment, size=args.size, seed=args.seed, **parameters)
    if args.plan:
        result = plan(design, workers=args.jobs)
        emit(as_json(result.as_dict()) if args.json else words(result))
        return DONE
    note(f"measuring {len(design)} units of {experiment.name} ...")
    with _user_errors(args.out):
        run(
            design, args.out, jobs=args.jobs, scheduler=args.scheduler, resume=args.resume,
            retry=args.retry, force=args.force,
        )  # fmt: skip
        record = files.read_record(Path(args.out))
    emit(as_json(record) if args.json else summary.text(record, args.out))
    return INCOMPLETE if record["units"]["failed"] or record["problems"] else DONE


def _rerun_parser() -> Parser:
    parser = Parser(
        prog="amsim experiment rerun",
        description="Repeat a run, and compare all arrays.",
        incomplete=_INCOMPLETE,
    )
    parser.add_argument("folder", metavar="DIR", help="folder of a run")
    parser.add_argument("--out", metavar="DIR", help="keep the second run (default: do not)")
    _add_workers(parser)
    parser.add_argument("--force", action="store_true", help="replace what --out holds")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=_rerun)
    return parser


def _rerun(args: argparse.Namespace) -> int:
    from ..experiments.runner.pools import count_jobs
    from ..experiments.runner.provenance import provenance
    from ..experiments.runner.rerun import changed_origin, rerun

    with _one_line(ValueError):
        count_jobs(args.jobs, here=not args.scheduler)
    with _user_errors(args.out):
        found = rerun(
            args.folder, args.out, jobs=args.jobs, scheduler=args.scheduler, resume=args.resume,
            force=args.force,
        )  # fmt: skip
        session = files.read_record(Path(args.folder))["sessions"][-1]
    origin = changed_origin(session, provenance())
    if args.json:
        emit(as_json({"identical": not found, "differences": found, "changed": origin}))
    elif found:
        emit("\n".join(["NOT identical:", *found, *(f"changed: {line}" for line in origin)]))
    else:
        emit("identical: every array, bit for bit")
    return INCOMPLETE if found else DONE


@contextmanager
def _user_errors(out: str | None) -> Iterator[None]:
    """Turn the ends of a run that a user can do something about into one line."""
    from ..experiments.runner.conclude import UnitsFailed
    from ..experiments.runner.pools import PoolError

    try:
        with _one_line(files.RecordError, UnitsFailed):
            yield
    except PoolError as error:
        raise UserError("; ".join([str(error), *_kept_units(out)])) from error
    except KeyboardInterrupt:
        for line in _kept_units(out):
            note(line)
        raise


def _kept_units(out: str | None) -> list[str]:
    """Say how much of a run is safe, if there is a record of it."""
    try:
        units = files.read_record(Path(out or ""))["units"]
    except files.RecordError:
        return []
    done = units.get("measured", 0) + units.get("failed", 0)
    return [f"{done} of {units.get('total', 0)} units are in {out}; go on with --resume"]


@contextmanager
def _one_line(*kinds: type[Exception]) -> Iterator[None]:
    """Show errors of these kinds as one line."""
    try:
        yield
    except kinds as error:
        raise UserError(" ".join(str(error).split())) from error


def _written(value: Any) -> str:
    """Write a value as the command line takes it."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
