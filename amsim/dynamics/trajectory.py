"""What a simulation returns."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..files import refuse_existing, write_atomically
from ..patterns import overlap
from ..synapses import Array
from .problem import SETTLED, STATUSES, Problem, Reader, Solution

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FORMAT = "amsim trajectory 1"
# Rows of the record that are turned into energies at a time, in numbers of the largest layer.
_ROWS = 1 << 21


class Trajectory(Mapping[str, Array]):
    """States over time; a mapping from layer names to arrays (T, *batch, *shape).

    Arrays have exactly the length of what happened. A cue that settled before the others keeps
    its state to the end (with SciPy's solvers it goes on with the others).

    Attributes
    ----------
    times : ndarray (T,)
        In the unit of tau; for `FixedPoint` the number of updates (`time_label` says which).
    status : str
        "settled", "time_limit", "diverged", "interrupted" or "max_events": the worst of the batch.
    settle_times : ndarray (*batch)
        The first step at which a cue was found settled; NaN where it did not settle.
    stats : dict
        "rhs" (right-hand sides over all cues), "rhs_per_cue" (*batch), "accepted" and "rejected"
        steps (None where the solver does not tell), "wall_time" in seconds. `EventDriven` adds
        arrays (*batch): "messages" by layer, "synaptic_operations", "drops", "late" (messages that
        another one overtook), "staleness" (how long a register missed news, at most),
        "last_message" (its time) and "register_error" (how far registers are from the outputs at
        the end, at most).
    events : recarray or None
        Every message that was sent, if `EventDriven(record_events=True)`: its `time`, `layer`,
        `unit` (of the flattened layer), `value` and `cue` (of the flattened batch).

    Examples
    --------
    >>> import amsim as am
    >>> patterns = am.patterns.random(3, 16, seed=0)
    >>> traj = am.simulate(am.dense_am(patterns), patterns[0])
    >>> traj["hidden"].shape == (len(traj.times), 3), traj.final["visible"].shape
    (True, (16,))
    """

    def __init__(
        self,
        *,
        times: Array,
        layers: Mapping[str, tuple[int, ...]],
        record: Reader,
        final: Reader,
        energy: Callable[[], Array],
        codes: NDArray[np.int64],
        settle_times: Array,
        message: Callable[[], str],
        stats: dict[str, Any],
        batch: tuple[int, ...],
        time_label: str,
        events: Any = None,
    ) -> None:
        self.times = times
        self.events = events
        self.settle_times = settle_times.reshape(batch)
        self.status = STATUSES[codes.max()]
        self.stats = stats
        self._codes = codes
        self._layers, self._record, self._final = dict(layers), record, final
        self._batch = batch
        self._compute_energy = energy
        self._compute_message = message
        self.time_label = time_label

    @classmethod
    def from_solution(
        cls, problem: Problem, solution: Solution, batch: tuple[int, ...], wall_time: float
    ) -> Trajectory:
        """Attach the batch axes and the words to a solver's result."""
        stats = {
            "rhs": int(solution.rhs.sum()),
            "rhs_per_cue": solution.rhs.reshape(batch),
            "accepted": solution.accepted,
            "rejected": solution.rejected,
            "wall_time": wall_time,
            **{name: _with_batch(value, batch) for name, value in solution.stats.items()},
        }
        return cls(
            times=solution.times,
            layers={name: layer.shape for name, layer in problem.network.layers.items()},
            record=solution.record,
            final=solution.final,
            energy=lambda: _energy(problem, solution),
            codes=solution.codes,
            settle_times=np.where(solution.codes == SETTLED, solution.ends, np.nan),
            message=lambda: "; ".join(filter(None, (_message(problem, solution), solution.note))),
            stats=stats,
            batch=batch,
            time_label="updates" if solution.updates else "time (units of τ)",
            events=solution.events,
        )

    def __getitem__(self, name: str) -> Array:
        if name not in self._layers:
            raise KeyError(f"no layer {name!r}; the network has {', '.join(self._layers)}")
        record = self._record(name, slice(None))
        return record.reshape(len(self.times), *self._batch, *self._layers[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def __repr__(self) -> str:
        return f"Trajectory({self.message}; {len(self.times)} times, batch {self._batch})"

    @property
    def final(self) -> dict[str, Array]:
        """Last state of each layer, (*batch, *shape)."""
        return {
            name: self._final(name, slice(None)).reshape(*self._batch, *shape)
            for name, shape in self._layers.items()
        }

    @cached_property
    def statuses(self) -> NDArray[np.str_]:
        """Status of each cue, (*batch)."""
        return np.array(STATUSES)[self._codes].reshape(self._batch)

    @cached_property
    def message(self) -> str:
        """What happened, and the remedy where it is not what one wants."""
        return self._compute_message()

    @cached_property
    def energy(self) -> Array:
        """Energy of the network at `times`, (T, *batch); with inputs as they were then."""
        return self._compute_energy().reshape(-1, *self._batch)

    def overlap(self, patterns: ArrayLike, layer: str = "visible") -> Array:
        """Overlap x . xi / D of the states x of a layer with patterns (K, D): (T, *batch, K)."""
        return overlap(self[layer], patterns)

    def plot(self, cue: int = 0) -> Figure:
        """Energy and states of one cue over time; `cue` counts through the flattened batch."""
        from ..plot import trajectory

        return trajectory(self, cue=cue)

    def plot_raster(self, cue: int = 0) -> Figure:
        """Messages of one cue, a row per unit; needs `EventDriven(record_events=True)`."""
        from ..plot import blank, raster

        figure = blank(4.5)
        raster(self, figure.subplots(), cue=cue)
        return figure

    def save(self, path: str | Path, *, force: bool = False) -> Path:
        """Write everything to a .npz file that needs neither pickle nor the network to be read.

        Parameters
        ----------
        path : str or Path
        force : bool, default False
            Whether an existing file may be replaced.

        Raises
        ------
        FileExistsError
            If the file exists and force is false.
        """
        path = Path(path)
        refuse_existing(path, force=force)
        meta = {
            "format": _FORMAT,
            "layers": self._layers,
            "message": self.message,
            "time_label": self.time_label,
            "stats": {k: v for k, v in self.stats.items() if k != "rhs_per_cue"},
        }
        arrays = {
            "times": self.times,
            "energy": self.energy,
            "codes": self._codes.reshape(self._batch),
            "settle_times": self.settle_times,
            "rhs_per_cue": self.stats["rhs_per_cue"],
            "json": np.array(json.dumps(meta, default=np.ndarray.tolist)),
            **{f"state/{name}": self[name] for name in self._layers},
            **{f"final/{name}": state for name, state in self.final.items()},
        }
        if self.events is not None:
            arrays["events"] = np.asarray(self.events)
        # Not compressed: that takes ten times as long, and a person who interrupted a run waits.
        write_atomically(path, lambda file: np.savez(file, **arrays))
        return path

    @classmethod
    def load(cls, path: str | Path) -> Trajectory:
        """Read a file that `save` wrote.

        Raises
        ------
        ValueError
            If the file is damaged or something else.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            meta = json.loads(str(arrays["json"]))
            if meta["format"] != _FORMAT:
                raise ValueError(f"its format is {meta['format']!r}, not {_FORMAT!r}")
            batch = arrays["codes"].shape
            layers = {name: tuple(shape) for name, shape in meta["layers"].items()}
            stats = {name: _loaded(value) for name, value in meta["stats"].items()}
            stats["rhs_per_cue"] = arrays["rhs_per_cue"]
            _check_arrays(arrays, layers, batch)
            return cls(
                times=arrays["times"],
                layers=layers,
                record=lambda name, rows: arrays[f"state/{name}"][rows],
                final=lambda name, rows: arrays[f"final/{name}"],
                energy=lambda: arrays["energy"],
                codes=arrays["codes"].ravel(),
                settle_times=arrays["settle_times"],
                message=lambda: str(meta["message"]),
                stats=stats,
                batch=batch,
                time_label=meta["time_label"],
                events=arrays["events"].view(np.recarray) if "events" in arrays else None,
            )
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise ValueError(f"{path} is not a trajectory: {error}") from error
        except (AttributeError, KeyError, TypeError) as error:  # arrays, but others
            raise ValueError(f"{path} is not a trajectory: Trajectory.save writes them") from error
        except Exception as error:
            raise ValueError(f"{path} is not a trajectory or is damaged: {error}") from error


def _with_batch(value: Any, batch: tuple[int, ...]) -> Any:
    """Give numbers per cue, or a dict of them, the batch axes."""
    if isinstance(value, dict):
        return {name: _with_batch(part, batch) for name, part in value.items()}
    return value.reshape(batch)


def _loaded(value: Any) -> Any:
    """Lists in JSON were arrays."""
    if isinstance(value, dict):
        return {name: _loaded(part) for name, part in value.items()}
    return np.asarray(value) if isinstance(value, list) else value


def _check_arrays(
    arrays: Mapping[str, Array], layers: Mapping[str, tuple[int, ...]], batch: tuple[int, ...]
) -> None:
    """Raise ValueError unless a file has every array, in its shape."""
    count = len(arrays["times"])
    shapes = {
        "times": (count,),
        "energy": (count, *batch),
        "settle_times": batch,
        "rhs_per_cue": batch,
        **{f"state/{name}": (count, *batch, *shape) for name, shape in layers.items()},
        **{f"final/{name}": (*batch, *shape) for name, shape in layers.items()},
    }
    for name, shape in shapes.items():
        if name not in arrays:
            raise ValueError(f"it lacks {name!r}")
        if arrays[name].shape != shape:
            raise ValueError(f"its {name!r} has shape {arrays[name].shape}, expected {shape}")


def _energy(problem: Problem, solution: Solution) -> Array:
    """Energies (T, B), some rows at a time: a hidden layer over all times may not fit in memory."""
    network, times = problem.network, solution.times
    rows = max(1, _ROWS // (problem.batch * max(layer.size for layer in network.layers.values())))
    if problem.driven:
        rows = 1
    energies = []
    for start in range(0, len(times), rows):
        part = slice(start, start + rows)
        states = {name: solution.record(name, part) for name in network.dynamic}
        inputs = problem.inputs_at(float(times[start]))
        energies.append(network.energy(states, inputs))
    return np.concatenate(energies)


def _message(problem: Problem, solution: Solution) -> str:
    """What happened, in words."""
    count = len(solution.codes)
    number = {name: int(np.sum(solution.codes == code)) for code, name in enumerate(STATUSES)}
    last = f"{'update' if solution.updates else 't ='} {solution.ends.max():.4g}"
    if number["interrupted"]:
        return f"interrupted at {last}; {number['settled']} of {count} cues had settled"
    if number["max_events"]:
        return (
            f"{number['max_events']} of {count} cues sent max_events messages, by {last}: allow "
            f"more, take a larger quantum or t1, or look for growth or an oscillation with plot()"
        )
    if number["diverged"]:
        return (
            f"{number['diverged']} of {count} cues diverged, by {last}: the states grow without "
            f"bound; bound an activation (Tanh, Sigmoid, Softmax) or scale the weights down"
        )
    if number["time_limit"] and not problem.tolerance:
        return f"ran to {last} as asked (until=None)"
    if number["time_limit"]:
        longer = "more updates" if solution.updates else "a larger t1"
        return (
            f"{number['time_limit']} of {count} cues did not settle by {last}: allow {longer} or "
            f"a larger tolerance (until=Settled(...)), or look for an oscillation with plot()"
        )
    quiet = "changes" if solution.updates else "|tau dx/dt|"
    return f"{count} of {count} cues settled by {last} ({quiet} <= {problem.tolerance:g})"
