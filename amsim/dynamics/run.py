"""Runs of the exponential integrator, over any network."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, lru_cache
from threading import Lock
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..compiled.jit import announced, require_compiler
from ..network import Layer, Network
from ..progress import Progress
from ..synapses import Array
from . import adams
from .looks import Ints, Read, read_vectors
from .problem import (
    DIVERGED,
    INTERRUPTED,
    Problem,
    Reader,
    Solution,
    recorded_times,
    shortest_tau,
)
from .recording import sizes
from .runaway import runaways
from .sampled import SampledInputs
from .track import Track

# A time after which nothing happens.
LAST = np.array([np.inf])
# First step in units of the smallest tau.
_FIRST_STEP = 1e-3
# Steps as short as this, relative to the time, are not looked into: an input jumps there.
_INSTANT = 1e-11
# Outputs end near exp(600): where a drive begins there, what follows is not of the network.
_SATURATED = 1e250
# Multiply-adds between two looks at Ctrl-C: some tenths of a second.
_CHUNK = 3e8
# The same of a matrix product in NumPy, which nothing interrupts.
_PRODUCT = 5e9
# The kinds of calls whose code is in memory: asking numba takes longer than a short recall.
_LOADED: set[tuple[str, ...]] = set()
_LOADING = Lock()  # of several threads one compiles, and says so


class Rows(Protocol):
    """An array (T, B, width), or what makes one when it is read."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: Any) -> Array: ...


class Run:
    """Steps of some cues; the state is all dynamic layers, the drive is evaluated in NumPy.

    Parameters
    ----------
    problem : Problem
    rtol, atol : float
        Error per step.
    max_steps : int
        Steps after which a cue has stalled.
    """

    # The compiled function that takes longest to compile.
    outermost: Any = adams.finish_running

    def __init__(self, problem: Problem, rtol: float, atol: float, max_steps: int) -> None:
        self.problem, self.rtol, self.atol, self.max_steps = problem, rtol, atol, max_steps
        network = problem.network
        segments = segments_of(network.dynamic.values(), _couplings(network))
        self.leak = np.repeat(segments.rate / segments.gain, np.diff(segments.start))
        self.offset = np.zeros((problem.batch, 0))
        self.fixed = problem.clamped_units()
        self.begin(network.pack(problem.initial), segments)

    @staticmethod
    def applies(problem: Problem) -> bool:
        """Whether runs of this kind take the problem."""
        return True

    @staticmethod
    def together(problem: Problem, first: int) -> int:
        """Cues that are integrated side by side, from `first` on: many share matrix products."""
        units = sum(layer.size for layer in problem.network.layers.values())
        return max(1, int(_PRODUCT / units**2))

    @staticmethod
    def width(problem: Problem) -> int:
        """Numbers in the state of a cue."""
        return sum(layer.size for layer in problem.network.dynamic.values())

    def begin(self, state: Array, segments: adams.Segments) -> None:
        """Lay out the working arrays; `state` holds units and, behind them, followers if any."""
        problem = self.problem
        batch, width = state.shape
        self.start, self.segments = state, segments
        units, pieces, layers = int(segments.start[-1]), len(segments.rate), len(segments.couples)
        self.steps = adams.Steps(
            cues=np.zeros(batch, adams.CUE),
            x=state.copy(),
            new=np.zeros((batch, width)),
            used=np.zeros((batch, units)),
            dd=np.zeros((batch, adams.HISTORY, units)),
            past=np.zeros((batch, adams.HISTORY)),
            scale=np.zeros((batch, layers)),
            weight=np.zeros((batch, pieces, 3)),
            gap=np.zeros((batch, pieces, adams.HISTORY)),
            moved=np.zeros((batch, pieces, adams.HISTORY)),
            track=np.zeros(0, adams.TRACK),
            tracked=np.zeros(1, np.int64),
            track_x=np.zeros((0, width)),
            track_drive=np.zeros((0, units)),
        )
        cues = self.steps.cues
        cues["h"] = min(_FIRST_STEP * shortest_tau(problem.network), problem.t1)
        cues["status"], cues["most"] = adams.STARTING, self.max_steps + len(problem.times)
        cues["stop"], cues["settles_from"] = np.inf, problem.settles_from
        cues["jump"] = -np.inf
        if problem.unforeseen:
            self.stops = np.unique([*problem.times, problem.t1])
            alone = [problem.select(np.array([b])) for b in range(batch)]
            self.inputs = [SampledInputs(problem) for problem in alone]
        self.running = np.zeros(batch, np.int64)
        self.outputs = np.empty((batch, 0, width))
        self.scratch = adams.new_scratch(pieces, layers)

    def prepare(self) -> float:
        """Get ready for `sweep`; returns the multiply-adds of one step, roughly."""
        self.compile()
        return self.work_per_cue() * self.problem.batch

    def states(self, cues: Ints, times: Array, vectors: Array) -> Read:
        """Read states (n, width), each of one cue at its own time, by layer."""
        return read_vectors(self.problem, cues, times, vectors)

    def stop(self, b: int, time: float, state: Array) -> None:
        """End cue b at a time that it has passed."""
        steps = self.steps
        cue = steps.cues[b]
        cue["status"], steps.past[b, 0], steps.x[b] = adams.STOPPED, time, state
        cue["written"] = min(cue["written"], np.searchsorted(self.problem.times, time))

    def work_per_cue(self) -> float:
        """Multiply-adds of one step of one cue, roughly."""
        return float(self.steps.x.shape[1]) ** 2

    def besides(self) -> str:
        """What else a person who waits may want to know."""
        return ""

    def compile(self) -> None:
        """Compile or load what is not yet."""
        kind = self.kind
        if kind in _LOADED:
            return
        with _LOADING:
            require_compiler("the integrator")
            with announced("the integrator", self.outermost, *self.arguments(0)):
                self.sweep(0)
            _LOADED.add(kind)

    @property
    def kind(self) -> tuple[str, ...]:
        """What tells the types of one call of `outermost` from those of another."""
        return (type(self).__name__,)

    def drive(self, cues: Array, times: Array, states: Array) -> Array:
        """N = force + leak x of packed states (size, N), at one time per cue."""
        problem = self.problem
        if not problem.driven:
            return np.asarray(problem.select(cues).force(0.0, states) + self.leak * states)
        # Cues have their own times, so an input that depends on time is evaluated for each.
        forces = np.full_like(states, np.nan)  # which rejects a step
        for i, (b, time) in enumerate(zip(cues, times, strict=True)):
            if not self.steps_over(b, time):
                alone = self.inputs[b].problem
                forces[i] = alone.force(float(time), states[i : i + 1])[0]
        return np.asarray(forces + self.leak * states)

    def steps_over(self, b: int, time: float) -> bool:
        """Whether a step of cue b to `time` would miss what its inputs do on the way."""
        steps, cue = self.steps, self.steps.cues[b]
        before = float(steps.past[b, 0])
        if cue["status"] != adams.RUNNING or time - before <= _INSTANT * time:
            return False
        strays = self.inputs[b].strays(steps.past[b, : cue["order"]], float(time))
        share = min(1.0, (time - before) * float(self.segments.gain.max()))
        return bool(share * strays > self.atol + self.rtol * float(steps.scale[b].max()))

    def limit_steps(self) -> None:
        """Let steps end at output times, where the user looks, and not be too long."""
        cues, reached = self.steps.cues, self.steps.past[:, 0]
        cues["h"] = np.minimum(cues["h"], self.problem.max_step)
        ahead = np.searchsorted(self.stops, reached, side="right")
        cues["stop"] = self.stops[np.minimum(ahead, len(self.stops) - 1)]

    def sweep(self, count: int) -> int:
        """Up to `count` steps of every running cue; how many cues still run."""
        steps, running = self.steps, self.running
        drives = np.zeros_like(steps.used)
        size = len(drives)
        for _ in range(count):
            if self.problem.unforeseen:
                self.limit_steps()
            size = adams.predict_running(steps, self.segments, self.scratch, running)
            if size == 0:
                break
            cues = running[:size]
            if self.problem.clamped:  # they do not move by rounding either
                steps.new[cues] = np.where(self.fixed[cues], self.start[cues], steps.new[cues])
            drives[cues] = self.drive(cues, steps.cues["time"][cues], steps.new[cues])
            self.finish(drives, size)
        if count == 0:
            self.finish(drives, 0)
        return size

    def finish(self, drives: Array, size: int) -> None:
        """Use the drives of the cues that predict_running listed."""
        adams.finish_running(*self.arguments(size, drives))

    @property
    def tolerance(self) -> float:
        """Residual of what has settled."""
        return self.problem.tolerance

    def arguments(self, size: int, drives: Array | None = None) -> tuple[Any, ...]:
        """What the function `outermost` is called with."""
        problem = self.problem
        return (
            self.steps, self.segments, self.running, size,
            self.steps.used if drives is None else drives, self.rtol, self.atol,
            self.tolerance, problem.t1, problem.times, self.outputs, self.scratch,
        )  # fmt: skip

    def outcome(self) -> Outcome:
        """What remains of the run once its working arrays are gone."""
        return Outcome(
            cues=self.steps.cues,
            ends=self.steps.past[:, 0].copy(),
            last=self.steps.x,
            start=self.start,
            fixed=self.clamped_units(),
            offset=self.offset,
        )

    def clamped_units(self) -> Array:
        """Mask (B, width) of what must keep its initial value; (B, 0) if nothing must."""
        return self.fixed

    @staticmethod
    def reader(problem: Problem, offset: Array, times: Array, ends: Array, vectors: Rows) -> Reader:
        """Read states of runs (T, B, width) by layer, at `times` (T,) or the `ends` (B,) before."""
        return problem.reader(np.minimum(times, ends.max()), vectors)


class Outcome(NamedTuple):
    """What became of B cues; every field has a row for each."""

    cues: Any  # (B,) records of the type adams.CUE
    ends: Array  # (B,) last time
    last: Array  # (B, width) state then
    start: Array  # (B, width) state at first
    fixed: Array  # (B, width) whether it was clamped, or (B, 0) where nothing was
    offset: Array  # (B, 0 or K) initial state of memory units beside their followers


def integrate(
    kind: type[Run], problem: Problem, rtol: float, atol: float, max_steps: int
) -> Solution:
    """Run all cues to the end, some at a time, so that their history stays in the cache.

    Which cues run side by side does not depend on the number of workers, nor does what they end
    with. Ctrl-C is noticed between chunks of steps, and reported as a status.
    """
    crew = _Crew(kind, problem, rtol, atol, max_steps)
    outcomes = crew.run_all(_parts(kind, problem))
    crew.progress.close()
    outcome = _joined(outcomes)
    solution = _solution(kind, problem, outcome, crew.outputs)
    solution.codes[outcome.cues["limit"] > adams.BLOW_UP * _SATURATED] = DIVERGED
    solution.codes[runaways(problem, solution)] = DIVERGED
    return solution if problem.recording is None else crew.with_kept(solution)


def _parts(kind: type[Run], problem: Problem) -> list[slice]:
    """The cues that are integrated side by side."""
    parts, first = [], 0
    while first < problem.batch:
        stop = min(first + kind.together(problem, first), problem.batch)
        parts.append(slice(first, stop))
        first = stop
    return parts


class _Crew:
    """One or more threads that share the parts of a batch."""

    def __init__(
        self, kind: type[Run], problem: Problem, rtol: float, atol: float, max_steps: int
    ) -> None:
        self.kind, self.problem, self.limits = kind, problem, (rtol, atol, max_steps)
        rows, self.kept = len(problem.times), None
        if problem.recording is not None:  # each part has outputs of its own, for a while
            rows, self.kept = 0, problem.recording.room(len(problem.times) + 1, problem.batch)
        self.filled: dict[int, tuple[slice, int]] = {}  # parts, and the rows that they came to
        self.outputs = np.empty((problem.batch, rows, kind.width(problem)))
        shown = problem.ranks is None or problem.ranks.rank == 0
        self.progress = Progress(problem.t1, problem.batch, problem.deadline, shown)
        self.reached: dict[int, float] = {}  # times of the parts that are under way
        self.left = problem.batch  # cues of parts that have not ended
        self.showing, self.keeping = Lock(), Lock()
        self.stopped = False  # the cues that are left keep the state that they have

    def run_all(self, parts: list[slice]) -> list[Outcome]:
        """What became of the cues of each part."""
        alone = self.problem.workers == 1 or self.problem.ranks is not None
        if alone or len(parts) == 1:
            return [self.run(part) for part in parts]
        with ThreadPoolExecutor(self.problem.workers) as pool:
            futures: list[Future[Outcome]] = []
            with suppress(KeyboardInterrupt):
                futures.extend(pool.submit(self.run, part) for part in parts)
                wait(futures, return_when=FIRST_EXCEPTION)
            self.stopped = True  # interrupted, or one failed
            ended = [future.result() for future in futures]
            return ended + [self.run(part) for part in parts[len(ended) :]]

    def run(self, part: slice) -> Outcome:
        """Step until every cue of the part has ended."""
        problem, whole = self.problem, part.stop - part.start == self.problem.batch
        own = problem if whole else problem.select(np.arange(part.start, part.stop))
        run = self.kind(own, *self.limits)
        track = None if own.watched is None else Track(run, own.watched)
        run.outputs = self.outputs[part]
        if self.kept is not None:
            run.outputs = np.empty((own.batch, len(problem.times), run.outputs.shape[2]))
        try:
            if not self.stopped:
                self.finish(run, part, track)
        except KeyboardInterrupt:
            if problem.ranks is not None:  # the others did not stop here
                raise
            self.stopped = True
        if track is not None:
            track.look()
        outcome = run.outcome()
        if self.kept is not None:
            with self.keeping:  # functions of the user are called by one thread at a time
                self.keep(run, part, outcome)
        return outcome

    def keep(self, run: Run, part: slice, outcome: Outcome) -> None:
        """What is recorded of a part, up to its end."""
        problem, recording = run.problem, run.problem.recording
        assert recording is not None
        assert self.kept is not None
        solution = _solution(self.kind, problem, outcome, run.outputs, problem.times)
        rows = int(np.searchsorted(problem.times, outcome.ends.max()))
        self.filled[part.start] = part, rows
        found = {name: array[:rows, part] for name, array in self.kept.items()}
        recording.fill(found, problem.times[:rows], solution.record, sizes(problem))

    def with_kept(self, solution: Solution) -> Solution:
        """The solution with what was recorded; from their ends on, parts hold their last state."""
        recording, count, layers = self.problem.recording, len(solution.times), sizes(self.problem)
        assert recording is not None
        assert self.kept is not None
        wanted = layers if recording.measures else recording.units
        final = {name: solution.final(name, slice(None))[0] for name in wanted}
        for part, rows in self.filled.values():
            found = {name: array[rows:count, part] for name, array in self.kept.items()}
            held = {name: states[part] for name, states in final.items()}
            recording.hold(found, solution.times[rows:], held, layers)
        kept = {name: array[:count] for name, array in self.kept.items()}
        return replace(solution, record=_nothing_else, kept=kept, part=None)

    def finish(self, run: Run, part: slice, track: Track | None) -> None:
        chunk = int(min(max(_CHUNK / run.prepare(), 1), 20000))
        if track is not None:
            chunk = min(chunk, track.steps)
        while not self.stopped:
            running = run.sweep(chunk)
            if track is not None and track.left < chunk:
                track.look(running)
            if not running:
                break
            with self.showing:
                self.reached[part.start] = float(run.steps.past[:, 0].min())
                ended = part.stop - part.start - running
                reached = min(self.reached.values())
                self.progress.update(reached, self.left - ended, run.besides())
        with self.showing:
            self.reached.pop(part.start, None)
            self.left -= part.stop - part.start


def _joined(outcomes: list[Outcome]) -> Outcome:
    """The outcomes of all cues as one."""
    if len(outcomes) == 1:
        return outcomes[0]
    width = max(outcome.offset.shape[1] for outcome in outcomes)
    padded = (
        outcome
        if outcome.offset.shape[1] == width
        else outcome._replace(offset=np.zeros((len(outcome.start), width)))
        for outcome in outcomes
    )
    return Outcome._make(np.concatenate(parts) for parts in zip(*padded, strict=True))


def _solution(
    kind: type[Run], problem: Problem, outcome: Outcome, outputs: Array, times: Array | None = None
) -> Solution:
    """Trim the record (B, T, width) to what happened; cues that stopped hold their last state."""
    cues, ends, fixed, start = outcome.cues, outcome.ends, outcome.fixed, outcome.start
    last = float(ends.max())
    early = last < problem.t1 and bool((cues["status"] == adams.STOPPED).any())
    finished = bool((cues["status"] <= adams.TIME_LIMIT).all()) and not early
    if times is None:
        times = recorded_times(problem.times, problem.explicit, finished, last)

    def part(cues: Array) -> Solution:
        chosen = Outcome._make(field[cues] for field in outcome)
        rows = outputs[:, : len(times)][_consecutive(cues)]
        return _solution(kind, problem.select(cues), chosen, rows, times)

    states = np.where(fixed, start, outcome.last) if problem.clamped else outcome.last
    record = _Record(outputs, len(times), outcome, states)
    return Solution(
        times=times,
        record=kind.reader(problem, outcome.offset, times, ends, record),
        final=kind.reader(problem, outcome.offset, LAST, ends, states[None]),
        codes=np.minimum(cues["status"], INTERRUPTED),
        ends=ends,
        rhs=cues["evaluated"].copy(),
        accepted=int(cues["accepted"].sum()),
        rejected=int(cues["rejected"].sum()),
        part=part,
    )


def _nothing_else(name: str, rows: slice) -> Array:
    raise LookupError(f"states of {name!r} were not kept")


def _consecutive(cues: Array) -> Any:
    """The same as a slice, which copies nothing, if the cues follow each other."""
    first, count = int(cues[0]), len(cues)
    return slice(first, first + count) if (np.diff(cues) == 1).all() else cues


class _Record:
    """The rows (T, B, width) of all cues, filled up when they are first read.

    Many cues at many times are gigabytes: who interrupts a run must not wait for that.
    """

    def __init__(self, outputs: Array, count: int, outcome: Outcome, last: Array) -> None:
        self._outputs, self._outcome, self._last = outputs, outcome, last
        self.shape = count, *last.shape

    def __getitem__(self, rows: Any) -> Array:
        return np.asarray(self._rows[rows])

    @cached_property
    def _rows(self) -> Array:
        outputs, outcome, last, count = self._outputs, self._outcome, self._last, self.shape[0]
        if 10 * count < outputs.shape[1]:  # of a run that broke off early: pages that nobody needs
            outputs = outputs[:, :count].copy()
        if count > outputs.shape[1]:
            outputs = np.concatenate([outputs, last[:, None]], axis=1)
        written = outcome.cues["written"]
        for b in (written < count).nonzero()[0]:
            outputs[b, written[b] : count] = last[b]
        if outcome.fixed.size and outcome.fixed.any():
            np.copyto(outputs, outcome.start[:, None], where=outcome.fixed[:, None])
        return outputs[:, :count].swapaxes(0, 1)


def segments_of(
    layers: Iterable[Layer], couples: NDArray[np.bool_], lag: float = 0.0
) -> adams.Segments:
    """Runs of units with equal tau; those of followers, if any, decay at the rate `lag`."""
    runs = tuple(
        (index, length, population.leak / tau, 1.0 / tau)
        for index, population in enumerate(layers)
        for length, tau in population.tau_runs
    )
    start, rate, gain, lags, layer = _columns(runs, lag)
    return adams.Segments(start, rate, gain, lags, layer, couples)


@lru_cache(maxsize=16)
def _columns(runs: tuple[tuple[int, int, float, float], ...], lag: float) -> tuple[Array, ...]:
    """Start, rate, gain, lag and layer of the segments; nobody writes to them."""
    layer, length, rate, gain = zip(*runs, strict=True)
    start = np.concatenate([[0], np.cumsum(length)])
    return start, np.array(rate), np.array(gain), np.full(len(runs), lag), np.array(layer)


def _couplings(network: Network) -> NDArray[np.bool_]:
    """Whether the drive of one layer depends on another, directly or through an algebraic one."""
    neighbours: dict[str, set[str]] = {name: set() for name in network.layers}
    for synapse in network.synapses:
        for slot, name in enumerate(synapse.between):
            neighbours[name].update(synapse.between[:slot] + synapse.between[slot + 1 :])
    for name, layer in network.layers.items():
        if layer.algebraic:  # it passes on what it sees without delay
            for other in neighbours[name]:
                neighbours[other] |= neighbours[name]
    names = list(network.dynamic)
    return np.array([[other in neighbours[name] for other in names] for name in names])
