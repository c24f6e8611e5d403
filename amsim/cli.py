"""The command line: ``amsim demo``, ``amsim recall`` and ``amsim doctor``.

Results go to stdout, everything else to stderr. NumPy, Matplotlib and the solvers are imported by
the functions that use them, so that ``--help`` is there at once.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence, Sized
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from . import __version__

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .dynamics import Trajectory

    Floats = NDArray[np.floating[Any]]

DONE, NOT_SETTLED, BAD_INPUT, MISSING, INTERRUPTED = 0, 1, 2, 3, 130
# Codes of runs that did not end well; every other run is done.
_CODES = {"time_limit": NOT_SETTLED, "diverged": NOT_SETTLED, "interrupted": INTERRUPTED}
_SOLVERS = ("exponential", "RK45", "DOP853", "Radau", "BDF", "LSODA", "fixed-point")
_FIGURE, _TRAJECTORY, _RECORD = _FILES = "recall.png", "trajectory.npz", "run.json"

_STORED, _CUES, _FLIP = 100, 8, 0.2
# Two stored patterns that differ in d units merge into a mixture below beta = 1/d, and near that
# point a recall takes as long as one likes: 0.75 lies between those of d = 1 and d = 2.
_DEMO_BETA = 0.75
_PURE = 0.9  # weight of one memory from which on the state is that memory and not a mixture
_DRAWN = 8  # cues in the figure
_LISTED = 20  # cues in the table
# Beyond these, products of numbers that are finite themselves overflow.
_EXTREME, _LARGEST = 1e9, 1e100

_HELP = """\
  amsim demo
  amsim recall --patterns stored.npy --cues damaged.npy --beta 0.5 --out runs/mine
"""
_DEMO_HELP = """\
  amsim demo
  amsim demo --seed 1 --out runs/second
"""
_RECALL_HELP = """\
  amsim recall --patterns stored.npy --cues damaged.npy --beta 0.5 --out runs/mine
  amsim recall --patterns stored.npy --cues damaged.npy --beta 2 --out runs/fixed \\
      --similarity euclidean --solver fixed-point --json
"""
_DOCTOR_HELP = """\
  amsim doctor
  amsim doctor --deep --json
"""
_CODES_HELP = """\
exit codes: 0 done; 1 a cue did not settle; 2 wrong usage or input; 3 a package is missing;
130 interrupted (Ctrl-C; what was reached is written).
"""
_COLUMNS_HELP = """\
columns: energy and overlap before and after; the overlap of a state v with a pattern of D units is
v . pattern / D, 1 for equal patterns of -1 and +1. "settled at" is a time in units of tau (for
fixed-point a number of updates), "RHS" counts right-hand sides. "memory" is the stored pattern with
the largest weight in the final state.
"""


class _UserError(Exception):
    """Something that the user can put right; the message says how."""


class _Parser(argparse.ArgumentParser):
    """Examples first, and one line for an error."""

    def __init__(self, *, examples: str = "", epilog: str = "", **settings: Any) -> None:
        super().__init__(
            epilog=epilog + ("\n" if epilog else "") + _CODES_HELP,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **settings,
        )
        self.examples = examples

    def format_help(self) -> str:
        return f"{self.examples}\n{super().format_help()}"

    def error(self, message: str) -> NoReturn:
        raise _UserError(f"{message}; see {self.prog} --help")


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
    try:
        with _plain_warnings():
            code = _guarded(argv)
        _flush()
    except BrokenPipeError:
        _drop(sys.stderr)
        code = INTERRUPTED
    except KeyboardInterrupt:
        with suppress(BrokenPipeError):
            _note("interrupted")
        code = INTERRUPTED
    return code


def _guarded(argv: Sequence[str] | None) -> int:
    """Parse, run, and turn what the user can put right into one line and a code."""
    try:
        args = _parse(argv)
        return int(args.run(args)) if args else DONE
    except _UserError as error:
        return _fail(BAD_INPUT, str(error))
    except MemoryError as error:
        return _fail(BAD_INPUT, f"not enough memory ({error}); use fewer cues at a time")
    except ImportError as error:
        return _fail(MISSING, _missing(error))
    except RuntimeError as error:
        from . import doctor

        if not doctor.is_cache_error(error):
            raise
        return _fail(MISSING, f"no folder to keep compiled code in; {doctor.CACHE_REMEDY}")


def _parse(argv: Sequence[str] | None) -> argparse.Namespace | None:
    """Parse the arguments; None where help or the version was all that was asked for."""
    try:
        return _parser().parse_args(argv)
    except SystemExit:
        pass
    except BrokenPipeError:
        _drop(sys.stdout)
    return None


def _parser() -> _Parser:
    parser = _Parser(
        prog="amsim",
        examples=_HELP,
        description="Recall patterns from dense associative memories.",
    )
    parser.add_argument("--version", action="version", version=f"amsim {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_demo(commands)
    _add_recall(commands)
    _add_doctor(commands)
    return parser


def _add_demo(commands: Any) -> None:
    text = f"store {_STORED} handwritten digits, damage {_CUES} of them, and recall them"
    demo = commands.add_parser(
        "demo",
        examples=_DEMO_HELP,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=_COLUMNS_HELP,
    )
    _add_output(demo, default="runs/demo")
    demo.add_argument(
        "--seed", type=_seed, default=0, help="chooses the digits and their damage (default: 0)"
    )
    demo.set_defaults(run=_demo)


def _add_recall(commands: Any) -> None:
    recall = commands.add_parser(
        "recall",
        examples=_RECALL_HELP,
        help="recall your own cues from your own patterns",
        description="Recall your own cues from your own patterns, with softmax memories.",
        epilog=_COLUMNS_HELP,
    )
    add = recall.add_argument
    add("--patterns", metavar="FILE.npy", required=True, help="array (memories, units) to store")
    add("--cues", metavar="FILE.npy", required=True, help="array (cues, units), or one cue (units)")
    add("--beta", type=_positive, required=True, help="inverse temperature of the memories")
    add(
        "--tau-hidden",
        type=_not_negative,
        default=0.1,
        metavar="TAU",
        help="time constant of the memories, with 1 for the features; 0: at once (default: 0.1)",
    )
    add(
        "--similarity",
        choices=("dot", "euclidean"),
        default="dot",
        help="how a state is compared with the memories (default: dot)",
    )
    add(
        "--solver",
        choices=_SOLVERS,
        default=_SOLVERS[0],
        help="method over time, or fixed-point iteration (default: exponential)",
    )
    _add_output(recall, default=None)
    recall.set_defaults(run=_recall)


def _add_doctor(commands: Any) -> None:
    text = "show what works on this machine, what does not, and the remedy"
    doctor = commands.add_parser(
        "doctor", examples=_DOCTOR_HELP, help=text, description=f"{text[0].upper()}{text[1:]}."
    )
    doctor.add_argument("--json", action="store_true", help="print one JSON document")
    doctor.add_argument(
        "--deep", action="store_true", help="also try to import Brian2 and Lava (up to 2 minutes)"
    )
    doctor.set_defaults(run=_doctor)


def _add_output(parser: _Parser, default: str | None) -> None:
    where = f"folder for {', '.join(_FILES)}"
    parser.add_argument(
        "--out",
        metavar="DIR",
        default=default,
        required=default is None,
        help=f"{where} (default: {default})" if default else where,
    )
    parser.add_argument("--force", action="store_true", help="replace existing files")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def _positive(text: str) -> float:
    value = float(text)
    if not 1 / _EXTREME <= value <= _EXTREME:
        raise argparse.ArgumentTypeError(f"{text} is not between {1 / _EXTREME:g} and {_EXTREME:g}")
    return value


def _not_negative(text: str) -> float:
    return 0.0 if float(text) == 0 else _positive(text)


def _seed(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return value


# What argparse calls the type in "invalid ... value".
_positive.__name__ = _not_negative.__name__ = "number"
_seed.__name__ = "integer"


@dataclass
class _Task:
    """One recall of a batch: what is stored, what is shown, and how it runs.

    `own` says which pattern each cue was made from, where that is known.
    """

    command: str
    patterns: Floats
    cues: Floats
    parameters: dict[str, Any]
    own: NDArray[np.int64] | None = None


def _demo(args: argparse.Namespace) -> int:
    folder = _prepare(args.out, args.force)
    import numpy as np

    from . import patterns

    stored = patterns.digits(_STORED, seed=args.seed)
    cues = patterns.corrupt(stored[:_CUES], flip=_FLIP, seed=args.seed)
    parameters = {
        "stored": _STORED,
        "cues": _CUES,
        "flip": _FLIP,
        "seed": args.seed,
        "beta": _DEMO_BETA,
        "tau_hidden": 0.1,
        "similarity": "dot",
        "solver": _SOLVERS[0],
    }
    return _run(_Task("demo", stored, cues, parameters, own=np.arange(_CUES)), folder, args.json)


def _recall(args: argparse.Namespace) -> int:
    stored, cues = _load(args.patterns), _load(args.cues)
    if stored.ndim != 2:
        raise _UserError(
            f"{args.patterns} has shape {stored.shape}; patterns need shape (memories, units): "
            f"flatten images, and put a single pattern in a list"
        )
    if cues.ndim not in (1, 2) or cues.shape[-1] != stored.shape[1]:
        raise _UserError(
            f"{args.cues} has shape {cues.shape}, {args.patterns} has shape {stored.shape}; "
            f"cues need shape (cues, {stored.shape[1]})"
        )
    folder = _prepare(args.out, args.force)
    names = ("patterns", "cues", "beta", "tau_hidden", "similarity", "solver")
    parameters = {name: getattr(args, name) for name in names}
    return _run(_Task("recall", stored, _rows(cues), parameters), folder, args.json)


def _rows(cues: Floats) -> Floats:
    return cues.reshape(-1, cues.shape[-1])


def _doctor(args: argparse.Namespace) -> int:
    from . import doctor

    findings = doctor.diagnose(deep=args.deep)
    _emit(_as_json(doctor.document(findings)) if args.json else doctor.report(findings))
    if doctor.healthy(findings):
        return DONE
    bad = [f.name for f in findings if f.required and f.status in ("missing", "broken")]
    return _fail(MISSING, f"missing or broken: {', '.join(bad)}; the list says what to do")


def _run(task: _Task, folder: Path, as_json: bool) -> int:
    """Recall, write the files, print the result."""
    importlib.import_module("matplotlib.figure")  # one that is missing must not cost the work
    began = datetime.now(timezone.utc)
    cues, stored = _count(task.cues, "cue"), _count(task.patterns, "pattern")
    _note(f"recalling {cues} from {stored} ...")
    traj, weights = _simulate(task)
    results = _results(task, traj, weights)
    record = {
        "command": task.command,
        "status": traj.status,
        "message": traj.message,
        "summary": _summary(task, traj, results),
        "parameters": task.parameters,
        "results": results,
        "stats": {name: traj.stats[name] for name in ("rhs", "accepted", "rejected", "wall_time")},
        **_circumstances(began),
        "files": [str(folder / name) for name in _FILES],
    }
    # The states first: they took the time.
    with _writing(folder / _TRAJECTORY):
        traj.save(folder / _TRAJECTORY, force=True)
    _write(folder / _RECORD, lambda file: file.write(_as_json(record).encode() + b"\n"))
    figure = _figure(task, traj, results)
    _write(folder / _FIGURE, lambda file: figure.savefig(file, format="png", dpi=200))
    _emit(_as_json(record) if as_json else _text(record))
    if traj.status == "interrupted":
        _note("interrupted; what was reached is written")
    elif traj.status != "settled":
        _note("warning: not every cue settled; try another --beta, or am.simulate with a larger t1")
    return _CODES.get(traj.status, DONE)


def _simulate(task: _Task) -> tuple[Trajectory, Floats]:
    """Return the trajectory, and the weights (cues, memories) in the final states."""
    from .dynamics import FixedPoint, simulate
    from .lagrangians import Softmax
    from .models import dense_am

    chosen = task.parameters
    special = {"exponential": None, "fixed-point": FixedPoint()}
    try:
        network = dense_am(
            task.patterns,
            hidden=Softmax(chosen["beta"]),
            tau_hidden=chosen["tau_hidden"],
            similarity=chosen["similarity"],
        )
        traj = simulate(network, task.cues, solver=special.get(chosen["solver"], chosen["solver"]))
    except ValueError as error:  # the combination of arrays and options
        raise _UserError(str(error)) from error
    return traj, network.activations(traj.final)["hidden"]


def _results(task: _Task, traj: Trajectory, weights: Floats) -> list[dict[str, Any]]:
    """Make one row per cue; overlaps are with its own pattern, or with the memory it ended in."""
    import numpy as np

    from .patterns import overlap

    memory = weights.argmax(axis=1)
    target = memory if task.own is None else task.own
    units = task.patterns.shape[1]
    before, after = (
        np.einsum("nd,nd->n", state, task.patterns[target], dtype=np.float64) / units
        for state in (task.cues, traj.final["visible"])
    )
    rows = []
    for i in range(len(task.cues)):
        row = {
            "cue": i,
            "status": str(traj.statuses[i]),
            "energy_before": float(traj.energy[0, i]),
            "energy_after": float(traj.energy[-1, i]),
            "overlap_before": float(before[i]),
            "overlap_after": float(after[i]),
            "settle_time": float(traj.settle_times[i]),
            "rhs": int(traj.stats["rhs_per_cue"][i]),
            "memory": int(memory[i]),
            "weight": float(weights[i, memory[i]]),
        }
        if task.own is not None:
            own, near = int(task.own[i]), overlap(task.cues[i], task.patterns)
            row["nearest_before"] = own if near[own] == near.max() else int(near.argmax())
            row["outcome"] = _outcome(row, own)
        rows.append(row)
    return rows


def _outcome(row: dict[str, Any], own: int) -> str:
    if not row["weight"] >= _PURE:
        return "mixture"
    return "recalled" if row["memory"] == own else "another"


def _summary(task: _Task, traj: Trajectory, results: list[dict[str, Any]]) -> str:
    """Say in one sentence what became of the cues; it hides nothing."""
    number = {s: sum(row["status"] == s for row in results) for s in {"settled", *_CODES}}
    text = f"{number['settled']} of {_count(results, 'cue')} settled"
    for status, word in (
        ("time_limit", "did not settle in time"),
        ("diverged", "diverged"),
        ("interrupted", "were interrupted"),
    ):
        text += f", {number[status]} {word}" if number[status] else ""
    mixed = sum(not row["weight"] >= _PURE for row in results)
    mixtures = f", {mixed} in a mixture of several"
    if task.own is None:
        return f"{text}; {len(results) - mixed} ended in one memory{mixtures}"
    other = [row for row in results if row["outcome"] == "another"]
    right = len(results) - len(other) - mixed
    text += f"; {right} ended in their own digit, {len(other)} in another stored digit{mixtures}"
    astray = sum(row["nearest_before"] != own for row, own in zip(results, task.own, strict=True))
    return f"{text}. Damage left {astray} of them nearer to another digit." if astray else text


def _circumstances(began: datetime) -> dict[str, Any]:
    from . import doctor

    return {
        "time": began.isoformat(timespec="seconds"),
        "versions": doctor.versions(),
        "platform": doctor.system(),
    }


def _figure(task: _Task, traj: Trajectory, results: list[dict[str, Any]]) -> Any:
    """Draw the first cues as images, and their energies."""
    from . import plot

    shown = results[:_DRAWN]
    if task.own is None:
        target = [row["memory"] for row in shown]
        titles = [f"cue {row['cue']}\nmemory {row['memory']}" for row in shown]
        label = "memory"
    else:
        target = task.own[: len(shown)].tolist()
        words = {"recalled": "recalled", "another": "another digit", "mixture": "mixture"}
        titles = [f"cue {row['cue']}\n{words[row['outcome']]}" for row in shown]
        label = "stored"
    return plot.overview(
        traj,
        task.patterns[target],
        cues=range(len(shown)),
        titles=titles,
        labels=("cue", "recalled", label),
    )


def _text(record: dict[str, Any]) -> str:
    """Put the table, the summary and the files into words."""
    rows = record["results"]
    lines = [
        f"{'':>5} {'energy':>10} {'':>10} {'overlap':>7} {'':>7} {'settled':>9}",
        f"{'cue':>5} {'before':>10} {'after':>10} {'before':>7} {'after':>7} {'at':>9} {'RHS':>6}"
        f"  memory (weight)",
    ]
    lines += [_line(row) for row in rows[:_LISTED]]
    if len(rows) > _LISTED:
        lines.append(f"  ... and {len(rows) - _LISTED} more in {_RECORD}")
    written = Path(record["files"][0]).parent
    return "\n".join([*lines, "", record["summary"], f"written to {written}: {', '.join(_FILES)}"])


def _line(row: dict[str, Any]) -> str:
    settled = f"{row['settle_time']:.2f}" if row["status"] == "settled" else row["status"]
    remark = {"another": ", another digit", "mixture": ", a mixture"}
    outcome = remark.get(row.get("outcome", ""), "")
    return (
        f"{row['cue']:>5} {row['energy_before']:>10.4g} {row['energy_after']:>10.4g} "
        f"{_short(row['overlap_before']):>7} {_short(row['overlap_after']):>7} {settled:>9} "
        f"{row['rhs']:>6}  {row['memory']} ({row['weight']:.3f}){outcome}"
    )


def _short(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.1e}"


def _count(items: Sized, noun: str) -> str:
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"


def _load(name: str) -> Floats:
    """Read a .npy file of finite numbers that is not empty."""
    import numpy as np

    advice = "write it with numpy.save as an array of numbers"
    try:
        with open(name, "rb") as file:
            magic = file.read(6)
            if magic[:2] == b"PK":
                raise _UserError(f"{name} is an archive (.npz) of arrays; save one with numpy.save")
            if magic != b"\x93NUMPY":
                raise _UserError(f"{name} is not a .npy file; {advice}")
            file.seek(0)
            array = np.load(file, allow_pickle=False)
    except OSError as error:
        raise _UserError(f"{name} cannot be read: {_reason(error)}") from error
    except (ValueError, EOFError, SyntaxError, TypeError, OverflowError) as error:
        problem = "holds Python objects" if "allow_pickle" in str(error) else "is damaged"
        raise _UserError(f"{name} {problem} and cannot be read; {advice}") from error
    except MemoryError as error:
        raise _UserError(f"{name} is larger than the memory, or is damaged") from error
    if array.dtype.kind not in "iuf":
        raise _UserError(f"{name} has dtype {array.dtype}; convert it with .astype(float)")
    if array.dtype.name not in ("int8", "float32", "float64"):
        with np.errstate(over="ignore"):
            array = array.astype(np.float64)
    if array.size == 0:
        raise _UserError(f"{name} is empty: its shape is {array.shape}; it needs numbers")
    if not np.isfinite(array).all():
        raise _UserError(f"{name} contains NaN or infinity; replace them by numbers")
    if max(array.max(), -float(array.min())) > _LARGEST:
        raise _UserError(f"{name} contains numbers beyond {_LARGEST:g}; scale them down")
    return np.asarray(array)


def _prepare(out: str, force: bool) -> Path:
    """Make the folder; refuse what could not be written at the end before the work begins."""
    folder = Path(out)
    for name in _FILES:
        path = folder / name
        if path.is_dir():
            raise _UserError(f"{path} is a folder; pass another --out")
        if os.path.lexists(path) and not force:
            raise _UserError(f"{path} exists; pass --force to replace it, or another --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:
        reason = _reason(error) if isinstance(error, OSError) else str(error)
        raise _UserError(f"cannot write to folder {out}: {reason}; pass another --out") from error
    return folder


def _write(path: Path, save: Callable[[BinaryIO], object]) -> None:
    """Write beside and rename: what breaks off leaves no half file under the name."""
    partial = path.with_name(path.name + ".partial")
    with _writing(path):
        try:
            with partial.open("wb") as file:
                save(file)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Say which file could not be written."""
    try:
        yield
    except OSError as error:
        raise _UserError(f"cannot write {path}: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _missing(error: ImportError) -> str:
    """Say what is missing and where it comes from."""
    from .errors import MissingDependencyError

    if isinstance(error, MissingDependencyError):
        return str(error)
    name = (error.name or "").partition(".")[0]
    package = {"sklearn": "scikit-learn"}.get(name, name)
    if not package:
        return f"a package cannot be imported: {error}; see amsim doctor"
    return f"{package} cannot be imported ({error}); install it with: pip install {package}"


def _as_json(value: Any) -> str:
    return json.dumps(_plain(value), indent=2, allow_nan=False)


def _plain(value: Any) -> Any:
    """Replace every float that JSON does not have by null."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _emit(text: str) -> None:
    """Print a result; a reader that left early (``| head -1``) has what it wanted."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _drop(sys.stdout)


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _drop(sys.stdout)


def _drop(stream: Any) -> None:
    """Send the rest of a stream to nowhere, so that the exit of Python does not complain."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _note(text: str) -> None:
    print(f"amsim: {text}", file=sys.stderr, flush=True)


def _fail(code: int, text: str) -> int:
    _note(f"error: {text}")
    return code


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Show warnings as one line each, without the source line that they come from."""
    from .errors import GuaranteeWarning

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        _note(f"warning: {' '.join(str(message).split())}")

    with warnings.catch_warnings():
        warnings.simplefilter("always", GuaranteeWarning)
        warnings.showwarning = show
        yield
