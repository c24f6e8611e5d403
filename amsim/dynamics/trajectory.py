"""`Trajectory`: the result of `simulate`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks
from ..files import MAX_BYTES
from ..network import Network, directed_in_words
from ..patterns import overlap
from ..results import RunResult, Variables, add_variables
from ..synapses import Array
from . import trajectory_file
from .interpolation import states_at
from .nearest import Nearest, check_stored, nearest, odd_layers
from .problem import (
    DIVERGED,
    INTERRUPTED,
    MAX_EVENTS,
    SETTLED,
    STALLED,
    STATUSES,
    STOPPED,
    TIME_LIMIT,
    Problem,
    Reader,
    Solution,
    Stored,
    lines_of,
    of_cues,
)  # fmt: skip
from .recording import Kept
from .sliding import sliding_units

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

    from ..figure import Animation


# Rows of the record that are turned into energies at a time, in numbers of the largest layer.
_ROWS = 1 << 21


class Trajectory(RunResult, Mapping[str, Array]):
    """States over time; a mapping from layer names to arrays (T, *batch, *shape).

    With ``record=`` of `simulate` a mapping from what was recorded: units of a layer
    (T, *batch, units), and functions by their names.

    Arrays have exactly the length of what happened. A cue that settled before the others keeps
    its state to the end (with SciPy's solvers it goes on with the others).

    It can be pickled and copied, with all its arrays; two trajectories are equal only if they are
    the same object.

    Attributes
    ----------
    times : ndarray (T,)
        In the unit of tau; for `FixedPoint` the number of updates (`time_label` says which).
    status : str
        "settled", "stopped" (by a `Watch` or the callback), "time_limit", "diverged", "stalled",
        "interrupted" or "max_events": the worst of the batch.
    codes : ndarray of int (*batch)
        The status of each cue as a number, the higher the worse; 0 is "settled".
    settle_times : ndarray (*batch)
        The first step at which a cue was found settled; NaN where it did not settle.
    end_times : ndarray (*batch)
        When each cue stopped, whatever the reason.
    stats : dict
        "rhs" (right-hand sides over all cues), "rhs_per_cue" (*batch), "accepted" and "rejected"
        steps (None where the solver does not tell), "wall_time" in seconds. `EventDriven` adds
        arrays (*batch): "messages" by layer, "synaptic_operations", "drops", "late" (messages that
        another one overtook), "staleness" (how long a register missed news, at most),
        "last_message" (its time) and "register_error" (how far registers are from the outputs at
        the end, at most).
    directed : tuple of str
        Names of the network's directed synapses: with any there is no `energy`.
    odd : tuple of str
        Names of layers with odd activations and no bias: memories that hold the negative of a
        pattern as well as the pattern.
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

    STATUSES = STATUSES
    codes: NDArray[np.int64]
    settle_times: Array
    end_times: Array
    stats: dict[str, Any]
    time_label: str

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
        end_times: Array,
        message: Callable[[], str],
        stats: dict[str, Any],
        batch: tuple[int, ...],
        time_label: str,
        events: Any = None,
        crossings: Callable[[], Any] | None = None,
        between: Callable[[Array], dict[str, Array]] | None = None,
        directed: Sequence[str] = (),
        odd: Sequence[str] = (),
        network: Network | None = None,
        some: Callable[[NDArray[np.int64]], Trajectory] | None = None,
        kept: Mapping[str, Kept] | None = None,
    ) -> None:
        self.times = times
        self.events, self._compute_crossings = events, crossings
        self._between, self._some = between, some
        self.settle_times = settle_times.reshape(batch)
        self.end_times = end_times.reshape(batch)
        self.stats = stats
        self.codes = codes.reshape(batch)
        self._layers, self._record, self._final = dict(layers), record, final
        self._kept = None if kept is None else dict(kept)
        self._batch = batch
        self.directed, self.odd, self._network = tuple(directed), tuple(odd), network
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
        if "last_message" in stats:
            stats["last_message"] = problem.t0 + stats["last_message"]
        end_times = problem.t0 + solution.ends
        record, kept, recording = solution.record, None, problem.recording
        if recording is not None:
            arrays = recording.of(problem, solution) if solution.kept is None else solution.kept
            record = Stored(arrays)
            kept = {n: Kept(x, recording.units.get(n)) for n, x in recording.shapes.items()}
        return cls(
            times=problem.t0 + solution.times,
            layers={name: layer.shape for name, layer in problem.network.layers.items()},
            record=record,
            final=solution.final,
            kept=kept,
            energy=lambda: _energy(problem, solution),
            codes=solution.codes,
            settle_times=np.where(solution.codes == SETTLED, end_times, np.nan),
            end_times=end_times,
            message=lambda: "; ".join(filter(None, (_message(problem, solution), solution.note))),
            stats=stats,
            batch=batch,
            time_label="updates" if solution.updates else "time (units of τ)",
            events=_shifted(solution.events, problem.t0),
            crossings=solution.crossings,
            between=_interpolation(problem, solution),
            directed=problem.network.directed,
            odd=odd_layers(problem),
            network=problem.network,
            some=lambda cues: cls.from_solution(
                problem.select(cues), solution.select(cues), cues.shape, wall_time
            ),
        )

    def __getitem__(self, name: str) -> Array:
        shapes = self._shapes
        if name not in shapes:
            if name in self._layers:
                raise KeyError(
                    f"layer {name!r} was not recorded (record=); final has its last state"
                )
            raise KeyError(f"no layer {name!r}; the network has {', '.join(self._layers)}")
        record = self._record(name, slice(None))
        return record.reshape(len(self.times), *self._batch, *shapes[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)

    @property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """What is recorded, and its shape for one cue at one time."""
        if self._kept is None:
            return self._layers
        return {name: kept.shape for name, kept in self._kept.items()}

    # As objects, not as mappings: arrays that are compared give no single answer.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __getstate__(self) -> dict[str, Any]:
        """All arrays and words: what computes them holds the network, and functions of the time."""
        computed = {"message": self.message, "crossings": self.crossings}
        if self.has_energy:
            computed["energy"] = self.energy
        state = {**self.__dict__, **computed, "_compute_energy": None, "_compute_message": None,
                 "_compute_crossings": None, "_between": None, "_some": None,
                 "_network": None}  # fmt: skip
        for name, layers in (("_record", self._shapes), ("_final", self._layers)):
            read = state[name]
            state[name] = Stored({layer: read(layer, slice(None)) for layer in layers})
        return state

    def _about(self) -> str:
        return f"{len(self.times)} times, {super()._about()}"

    def _recorded_variables(self) -> Variables:
        rows = ("time", *self._batch_axes())
        record: Variables = {"time": (("time",), self.times)}
        if self.has_energy:
            record["energy"] = rows, self.energy
        for name, shape in self._shapes.items():
            units = self._unit_axes(name, len(shape))[: len(shape)]
            chosen = None if self._kept is None else self._kept[name].units
            if chosen is not None:  # an axis of its own, which says which units
                units = (f"{name}_recorded",)
                add_variables(record, {units[0]: (units, chosen)})
            add_variables(record, {name: ((*rows, *units), self[name])})
        if self.events is not None:
            of = self.events.dtype.names
            add_variables(record, {f"event_{n}": (("event",), self.events[n]) for n in of})
        if self.crossings is not None:
            of = ("time", "name", "cue")
            found: Variables = {f"crossing_{n}": (("crossing",), self.crossings[n]) for n in of}
            add_variables(record, found)
        return record

    @property
    def final(self) -> dict[str, Array]:
        """Last state of each layer, (*batch, *shape)."""
        return {
            name: self._final(name, slice(None)).reshape(*self._batch, *shape)
            for name, shape in self._layers.items()
        }

    @cached_property
    def message(self) -> str:
        """What happened, and the remedy where it is not what one wants."""
        return self._compute_message()

    @cached_property
    def crossings(self) -> Any:
        """With `watch`, every crossing by cue and time: a recarray, else None.

        It has its `time`, the `name` of the function, the `cue` (of the flattened batch), and the
        state of each layer by its name. `stats` then has "first_crossing", the first time of each
        cue (*batch) by name, NaN where there is none.
        """
        return None if self._compute_crossings is None else self._compute_crossings()

    @property
    def recorded(self) -> dict[str, Kept] | None:
        """Shape and units of what was recorded, by name; None where that is all states."""
        return self._kept

    @property
    def has_energy(self) -> bool:
        """Whether there is an `energy`: no synapse is directed, and all states were recorded."""
        return not self.directed and self._kept is None

    @cached_property
    def energy(self) -> Array:
        """Energy of the network at `times`, (T, *batch); with inputs as they were then.

        Raises
        ------
        ValueError
            If synapses of the network are directed: it has no energy; and where only some states
            were recorded.
        """
        if self._kept is not None:
            raise ValueError(
                "energies need all states, and only some were recorded: record them, too, as "
                "record={'energy': lambda time, states: network.energy(states)}"
            )
        if self.directed:
            raise ValueError(
                f"{directed_in_words(self.directed)}, and the network has no energy; "
                f"network.energy(states, symmetric_part=True) is that of the symmetric part of the "
                f"couplings, of states such as {{name: traj[name] for name in traj}}"
            )
        return self._compute_energy().reshape(-1, *self._batch)

    def __call__(self, time: ArrayLike) -> dict[str, Array]:
        """States between recorded times, by the cubics through states and slopes at both.

        Parameters
        ----------
        time : float or array_like (S,)
            From the first recorded time to the last.

        Returns
        -------
        dict of str to ndarray (*batch, *shape) or (S, *batch, *shape)

        Raises
        ------
        ValueError
            If the times are not within the run; if an input jumps between two recorded times, or
            is a function and they are further apart than `max_step`; and where nothing is known:
            with noise, messages or updates, and in copies and files, which hold no network.

        Notes
        -----
        Between times that are h apart a state is off by h^4 / 384 times its fourth derivative at
        most: at default times about 1e-4 of its size. `times` of `simulate` has the accuracy of the
        solver.

        Examples
        --------
        >>> import amsim as am
        >>> unit = am.Network({"x": am.Layer(1, am.Identity())}, [])
        >>> traj = am.simulate(unit, [1.0])
        >>> print(traj(1.0)["x"].round(3))
        [0.368]
        """
        if self._between is None:
            raise ValueError(
                "between recorded times nothing is known of runs with noise, messages or updates, "
                "nor of copies, files, and records of some states: choose times= of simulate"
            )
        moments = checks.array("time", time, empty=False)
        if moments.ndim > 1:
            raise ValueError(f"time must be a number or a list of them, got shape {moments.shape}")
        first, last = float(self.times[0]), float(self.times[-1])
        if moments.min() < first or moments.max() > last:
            raise ValueError(
                f"time must lie within the record, from {first:g} to {last:g}, got "
                f"{checks.shown(time)}"
            )
        found = self._between(np.atleast_1d(moments))
        axes = (*moments.shape, *self._batch)
        return {name: found[name].reshape(*axes, *shape) for name, shape in self._layers.items()}

    def select(self, cues: ArrayLike) -> Trajectory:
        """The run of some of the cues alone, at the same times.

        Parameters
        ----------
        cues : bool array_like (*batch) or int array_like
            A mask, or different positions in the flattened batch, whose order does not count.

        Returns
        -------
        Trajectory
            With the cues in their order here, one batch axis, and with the steps of these cues
            alone unknown (None). What interrupted thousands of cues is small without those that
            had not begun.

        Raises
        ------
        ValueError
            If the trajectory has no such cues, or none are chosen.

        Examples
        --------
        >>> import amsim as am
        >>> patterns = am.patterns.random(3, 16, seed=0)
        >>> traj = am.simulate(am.dense_am(patterns), patterns)
        >>> traj["visible"].shape[1:], traj.select([0, 2])["visible"].shape[1:]
        ((3, 16), (2, 16))
        """
        axes = self._batch if checks.plain("cues", cues).ndim > 1 else self.codes.reshape(-1).shape
        mask = checks.units("cues", cues, axes)
        if mask.shape != axes:
            raise ValueError(f"cues is a mask of shape {mask.shape}, the cues have {axes}")
        chosen = np.flatnonzero(mask)
        if not len(chosen):
            raise ValueError("cues chooses none of the trajectory: choose one at least")
        if self._some is not None:
            return self._some(chosen)
        return self._stored_part(chosen)

    def _stored_part(self, cues: NDArray[np.int64]) -> Trajectory:
        """The same of a file or a copy, whose words are those of the whole run."""
        stats = of_cues(self.stats, cues)
        counts = {"rhs": int(stats["rhs_per_cue"].sum()), "accepted": None, "rejected": None}
        words = f"{len(cues)} of {self.codes.size} cues of a run: {self.message}"
        return Trajectory(
            times=self.times,
            layers=self._layers,
            record=Stored({n: self._record(n, slice(None))[:, cues] for n in self._shapes}),
            kept=self._kept,
            final=Stored({n: self._final(n, slice(None))[:, cues] for n in self._layers}),
            energy=lambda: self.energy.reshape(len(self.times), -1)[:, cues],
            codes=self.codes.reshape(-1)[cues],
            settle_times=self.settle_times.reshape(-1)[cues],
            end_times=self.end_times.reshape(-1)[cues],
            message=lambda: words,
            stats={**stats, **counts},
            batch=cues.shape,
            time_label=self.time_label,
            events=lines_of(self.events, cues),
            crossings=lambda: lines_of(self.crossings, cues),
            directed=self.directed,
            odd=self.odd,
        )

    def overlap(self, patterns: ArrayLike, layer: str | None = None) -> Array:
        """Overlap x . xi / D of the states x of a layer with patterns (K, D): (T, *batch, K).

        By default of layer "visible", or of the only one.
        """
        if layer is None:
            layer = next(iter(self)) if len(self) == 1 else "visible"
        return overlap(self[checks.choice("layer", layer, tuple(self))], patterns)

    def nearest(self, patterns: ArrayLike, layer: str = "hidden") -> Nearest:
        """The stored pattern that each cue ended at, by the network's own similarity.

        That is the state of the memories: of `dense_am`, products with the patterns, distances,
        cosines, with all biases. Overlaps are something else where patterns differ in length.
        Memories with an odd activation (`Identity`, `Tanh`, `Sign`, `Spherical`) and no bias hold
        the negative of each pattern as well: `Nearest.sign` says which of the two it is.

        Parameters
        ----------
        patterns : array_like of shape (K, D)
            The stored patterns, in the order in which the network has them. Those that are found
            are compared with the weights, up to their lengths; of copies and files, which hold no
            network, only the shape is.
        layer : str, default "hidden"
            The layer with one unit for each pattern.

        Returns
        -------
        Nearest

        Raises
        ------
        ValueError
            If the network has no such layer, its units are not as many as the patterns, or a
            pattern that is found is not the one that the network stores there.

        Notes
        -----
        Memories with tau > 0 that have not settled lag behind the features, and so does this.

        Examples
        --------
        >>> import amsim as am
        >>> patterns = [[1.0, 0.0, 0.0], [2.0, 3.0, 2.0]]
        >>> net = am.dense_am(patterns, hidden=am.Softmax(8.0), similarity="euclidean")
        >>> found = am.simulate(net, [0.9, 0.2, 0.0]).nearest(patterns)
        >>> int(found.index), found.pattern.tolist(), round(float(found.margin), 3)
        (0, [1.0, 0.0, 0.0], 7.0)
        """
        xi = checks.array("patterns", patterns, ndim=2, empty=False)
        if checks.text("layer", layer) not in self._layers:
            raise ValueError(
                f"nearest needs the layer of the memories, and there is no {checks.shown(layer)}: "
                f"pass layer= one of {', '.join(self)}, or use overlap"
            )
        if self._layers[layer] != (len(xi),):
            raise ValueError(
                f"there are {len(xi)} patterns, and layer {layer!r} has shape "
                f"{self._layers[layer]}: pass all patterns that the network stores, in its order"
            )
        if self._layers.get("visible", xi.shape[1:])[-1] != xi.shape[1]:
            raise ValueError(
                f"patterns have shape {xi.shape}, layer 'visible' has shape "
                f"{self._layers['visible']}: pass those that the network stores"
            )
        states = self._final(layer, slice(None)).reshape(*self._batch, len(xi))
        found = nearest(states, xi, odd=layer in self.odd)
        if self._network is not None:
            check_stored(self._network, layer, xi, np.unique(found.index))
        return found

    def continued(self, network: Network) -> tuple[dict[str, Array], float]:
        """The states of a network with which a run goes on from here, and their time.

        Raises
        ------
        ValueError
            If the states are not those of the network's layers, or cues stand at different times.
        """
        checks.instance("network", network, Network, "a Network")
        layers = {name: layer.shape for name, layer in network.layers.items()}
        if layers != self._layers:
            raise ValueError(
                f"the trajectory has layers {self._layers}, the network {layers}: go on with the "
                f"network that it is of"
            )
        last = float(self.times[-1])
        if self.time_label == "updates":
            raise ValueError(
                "the trajectory counts updates and has no time to go on from: pass its final"
            )
        behind = (self.codes != SETTLED) & (self.end_times != last)
        if (self.codes == DIVERGED).any() or behind.any():
            raise ValueError(
                f"the trajectory ended early and cannot go on as a whole: {self.message}; pass the "
                f"final states of cues that stand at one time, with t0="
            )
        return {name: self.final[name] for name in network.dynamic}, last

    def plot(self, cue: int = 0) -> Figure:
        """Energy and states of one cue over time; `cue` counts through the flattened batch.

        The figure has two panels, and so takes no ``ax=``: `amsim.plot.energy` and
        `amsim.plot.states` draw one each into axes that they are given.
        """
        from ..plot import trajectory

        return trajectory(self, cue=cue)

    def plot_raster(self, cue: int = 0, ax: Axes | None = None) -> FigureBase:
        """Messages of one cue, a row per unit; needs `EventDriven(record_events=True)`."""
        from ..plot import blank, raster

        ax = blank(4.5).subplots() if ax is None else ax
        return raster(self, ax, cue=cue).figure

    @overload
    def animate(self, path: None = None, cue: int = 0, **options: Any) -> Animation: ...

    @overload
    def animate(self, path: str | Path, cue: int = 0, **options: Any) -> Path: ...

    def animate(
        self, path: str | Path | None = None, cue: int = 0, **options: Any
    ) -> Path | Animation:
        """Show one cue as a moving picture in a notebook, or write it to a .gif or .mp4.

        Options are those of `amsim.plot.animate`.
        """
        from ..plot import animate

        return animate(self, path, cue, **options)

    def save(self, path: str | Path, *, force: bool = False) -> Path:
        """Write everything to a .npz file that needs neither pickle nor the network to be read.

        It is not compressed: that takes ten times as long.

        Parameters
        ----------
        path : str or Path
            As in NumPy, ".npz" is added to a name that does not end in it.
        force : bool, default False
            Whether an existing file may be replaced.

        Returns
        -------
        Path
            Of the file.

        Raises
        ------
        FileExistsError
            If the file exists and force is false.
        """
        return trajectory_file.save(self, path, force=force)

    @classmethod
    def load(cls, path: str | Path, *, max_bytes: int = MAX_BYTES) -> Trajectory:
        """Read a file that `save` wrote; every array is checked.

        Parameters
        ----------
        path : str or Path
        max_bytes : int, default 2**30
            What a compressed file may unpack to; one that is larger itself may unpack to its size.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is damaged, something else, or unpacks to more.
        """
        return cls(**trajectory_file.load(path, max_bytes=max_bytes))


def _interpolation(
    problem: Problem, solution: Solution
) -> Callable[[Array], dict[str, Array]] | None:
    """States between recorded times, where the force says how they move."""
    if not solution.smooth or solution.updates or problem.noise is not None:
        return None
    if problem.recording is not None:
        return None
    if len(solution.times) < 2:
        return None
    last = float(solution.times[-1])
    return lambda times: states_at(problem, solution, np.clip(times - problem.t0, 0.0, last))


def _shifted(events: Any, t0: float) -> Any:
    """Messages at the times of the user's clock."""
    if events is not None and t0:
        events.time += t0
    return events


def _with_batch(value: Any, batch: tuple[int, ...]) -> Any:
    """Give numbers per cue, or a dict of them, the batch axes."""
    if isinstance(value, dict):
        return {name: _with_batch(part, batch) for name, part in value.items()}
    return value.reshape(batch)


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
    """What happened, in words: of the cues that ended worst, and of those that were stopped."""
    codes = solution.codes
    if (codes == INTERRUPTED).any():
        return _interrupted(problem, solution)
    code = int(codes.max())
    words = _of_cues(problem, solution, code)
    if code > STOPPED and (codes == STOPPED).any():
        words = f"{words}; {_of_cues(problem, solution, STOPPED)}"
    return words


def _of_cues(problem: Problem, solution: Solution, code: int) -> str:
    """What happened to the cues with this code."""
    these, count = solution.codes == code, len(solution.codes)
    number = f"{np.sum(these)} of {count} cues"
    last = (
        f"{'update' if solution.updates else 't ='} {problem.t0 + solution.ends[these].max():.4g}"
    )
    if code == MAX_EVENTS:
        return f"{number} sent max_events messages, by {last}{_flood(problem, solution)}"
    if code == STALLED:
        return f"{number} stalled, by {last}, {_stall(problem, solution)}"
    if code == DIVERGED:
        return (
            f"{number} diverged, by {last}: the states grow without bound; bound an activation "
            f"(Tanh, Sigmoid, Softmax) or scale the weights down; steps of a fixed length may "
            f"be too long for the network: shorten them"
        )
    if code == STOPPED:
        return f"{number} stopped, by {last}, as watch or callback asked"
    if code == TIME_LIMIT and problem.noise is not None:
        return (
            f"ran to {last} with noise: states have a distribution and no rest; take averages over "
            f"times and cues"
        )
    if code == TIME_LIMIT and not problem.tolerance:
        return f"ran to {last} as asked (until=None)"
    if code == TIME_LIMIT:
        longer = "more updates" if solution.updates else "a larger t1, a solver with smaller errors"
        return (
            f"{number} did not settle by {last}, with |tau dx/dt| up to "
            f"{_residual(problem, solution):.2g}: allow {longer} or a larger tolerance "
            f"(until=Settled(...)), or look for an oscillation with plot()"
        )
    return f"{number} settled by {last} (|tau dx/dt| <= {problem.tolerance:g})"


def _flood(problem: Problem, solution: Solution) -> str:
    """Why there may be too many messages, and the remedy."""
    if units := sliding_units(problem, solution):
        return (
            f", at a jump of the output of {units}, where messages may follow each other without "
            f"end: take a longer delay (Timing(delay=...)), or Tanh with a large beta there"
        )
    more = "allow more, take a larger quantum or t1"
    return f": {more}, or look for growth or an oscillation with plot()"


def _stall(problem: Problem, solution: Solution) -> str:
    """Why steps may be too short, and the remedy."""
    if units := sliding_units(problem, solution):
        return (
            f"at a jump of the output of {units}, which steps cross again and again: take Tanh "
            f"with a large beta there, EventDriven with a delay, or until=None with a larger rtol"
        )
    return (
        f"where no step was short enough or max_steps were taken, with |tau dx/dt| up to "
        f"{_residual(problem, solution):.2g}: for couplings much faster than every tau take "
        f"solver='Radau'; name the jumps of inputs (breakpoints=...), bound an activation, or "
        f"allow more steps or a larger rtol"
    )


def _interrupted(problem: Problem, solution: Solution) -> str:
    """Which cues had ended, were under way and had not begun, when a run was interrupted."""
    codes, ends = solution.codes, solution.ends
    open_, begun = codes == INTERRUPTED, ends > 0
    reached = problem.t0 + ends[open_ & begun].max(initial=0.0)
    last = f"update {reached:.4g}" if solution.updates else f"t = {reached:.4g}"
    parts = [f"{np.sum(codes == SETTLED)} of {len(codes)} cues had settled"]
    for cues, what in (
        (~open_ & (codes != SETTLED), "had ended otherwise"),
        (open_ & begun, f"were under way, by {last}"),
        (open_ & ~begun, "had not begun"),
    ):
        if cues.any():
            parts.append(f"{cues.sum()} {what}{_which(cues)}")
    return f"interrupted: {', '.join(parts)}"


def _which(cues: NDArray[np.bool_]) -> str:
    """The positions of some cues in the flattened batch, if they are in a row and not all."""
    (found,) = cues.nonzero()
    first, last = found[0], found[-1]
    if len(found) == len(cues) or last - first >= len(found):
        return ""
    return f" (cue {first})" if first == last else f" (cues {first} to {last})"


def _residual(problem: Problem, solution: Solution) -> float:
    """Largest |tau dx/dt| of the cues that ended worst, where they are now."""
    cues = np.flatnonzero(solution.codes == solution.codes.max())
    final = {name: solution.final(name, slice(None))[0][cues] for name in problem.network.dynamic}
    vector = problem.network.pack(final)
    return float(np.abs(problem.select(cues).force(float(solution.ends.max()), vector)).max())
