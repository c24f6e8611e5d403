"""Runs of the compiled engine, one cue after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...compiled.jit import announced
from ...progress import Progress
from ..problem import (
    BLOW_UP,
    DIVERGED,
    INTERRUPTED,
    MAX_EVENTS,
    SETTLED,
    TIME_LIMIT,
    Problem,
    Solution,
    recorded_times,
)  # fmt: skip
from . import leak, loop, state, window_loop, window_unit, windows
from .gaps import messages_keep_apart
from .initial import begin_engine, jumps_of, outputs_in, registers_of, starts
from .options import EventDriven
from .state import Floats, Ints
from .wiring import Wiring, wire

# Unit updates between two looks at Ctrl-C: some tenths of a second.
_EFFORT = 50_000_000
# Messages by link that may be on their way in the queue: 6 GB. Growth or long delays can fill any
# memory long before max_events messages were sent.
_ON_THE_WAY = 1 << 27


def solve(problem: Problem, options: EventDriven) -> Solution:
    """Run all cues of the batch, one after the other."""
    if problem.unforeseen:
        raise ValueError(
            "EventDriven: an input depends on time by a function; units are exact between "
            "jumps at known times only: use am.PiecewiseConstant(times, values), or an ODE solver"
        )
    wiring = wire(problem.network, options, problem.seed, problem.tolerance > 0, problem.naive)
    progress = Progress(problem.t1, problem.batch)
    links = windows.links_by_receiver(wiring) if windows.applies(wiring) else None
    runs: list[_Run | _NotBegun] = []
    try:
        for b, start in enumerate(starts(problem)):
            run = _Run(problem, wiring, links, *start, jumps_of(problem, wiring.units, b))
            runs.append(run)
            try:
                run.to_end(progress, problem.batch - b)
            finally:
                run.finish()
    except KeyboardInterrupt:
        if not runs:
            raise
    progress.close()
    left = np.arange(len(runs), problem.batch)
    if len(left):  # they keep their first state
        nothing = dict.fromkeys(runs[0].stats, 0)
        first = problem.network.pack(problem.select(left).initial)
        runs += [_NotBegun(x, nothing) for x in first]
    return _solution(problem, wiring, options, runs)


class _NotBegun:
    """A cue that was not begun when a run was interrupted."""

    code, end, written, flooded = INTERRUPTED, 0.0, 0, False
    messages = np.zeros(0, state.MESSAGE)

    def __init__(self, first: Floats, stats: Mapping[str, float]) -> None:
        self.last, self.stats = first, stats
        self.outputs = np.empty((0, len(first)))


class _Run:
    """One cue: its engine, and what became of it."""

    def __init__(
        self,
        problem: Problem,
        wiring: Wiring,
        links: Any,
        x: Floats,
        target: Floats,
        fixed: Floats,
        jumps: Floats,
    ) -> None:
        self.problem, self.wiring, self.start, self.target = problem, wiring, x, target
        self.jumps, self.jumped = jumps, 0
        self.engine = begin_engine(wiring, x, target, fixed)
        self.first = outputs_in(wiring, self.engine.populations, self.states())
        self.windows: windows.Windows | None = None
        if links is not None:
            self.windows = windows.begin_windows(wiring, self.engine, links, self.first)
        self.limit = BLOW_UP * (1.0 + float(np.abs(x).max()))
        self.code, self.end = INTERRUPTED, 0.0
        self.outputs = np.empty((len(problem.times), len(x)))
        self.written = 0
        self.flooded = False

    def to_end(self, progress: Progress, left: int) -> None:
        """Compute all events; Ctrl-C is noticed between calls of the engine."""
        self._prepare()
        stops = [*self.problem.times, self.problem.t1]
        jumps = [*self.problem.breakpoints, np.inf]
        while True:
            stop, jump = stops[self.written], jumps[self.jumped]
            ended = self._run(min(stop, jump), _EFFORT)
            if not float(np.abs(self.engine.units[state.TARGET]).max()) < self.limit:
                self.code = DIVERGED
            elif ended == state.MANY:
                self.code = MAX_EVENTS
            elif ended == state.QUIET:
                self._check()
            elif ended in (state.FULL, window_unit.CROWDED):
                self._grow(ended)
            elif ended == state.STOPPED and jump <= stop:
                self._jump()
            elif ended == state.STOPPED and self.written == len(self.outputs):
                self.code = TIME_LIMIT
            elif ended == state.STOPPED:
                self.outputs[self.written] = self.states()[: self.wiring.units]
                self.written += 1
            if self.code != INTERRUPTED:
                return
            progress.update(float(self.engine.clock[state.NOW]), left)

    def finish(self) -> None:
        """Keep the last state and what was counted, and let the working arrays go."""
        engine, clock, count = self.engine, self.engine.clock, self.engine.counts
        self.end, last = float(clock[state.NOW]), self.states()
        self.last = last[: self.wiring.units]
        if self.windows is not None:
            windows.settle_registers(self.wiring, engine, self.windows)
        outputs = outputs_in(self.wiring, engine.populations, last)
        error = np.abs(engine.register - registers_of(self.wiring, outputs))
        shifts = self.wiring.projections["weights"] < 0  # their registers are not used
        used = self.wiring.projections["register"][shifts].min(initial=len(error))
        self.messages = engine.messages[: count[state.MESSAGES]].copy()
        assert messages_keep_apart(
            self.wiring, self.messages, self.start, self.farthest_targets(), self.first
        ), "messages of a unit are closer than possible"
        self.stats: dict[str, float] = {
            "synaptic_operations": int(count[state.OPERATIONS]),
            "drops": int(count[state.DROPS]),
            "late": int(count[state.LATE]),
            "staleness": float(clock[state.STALENESS]),
            "last_message": float(clock[state.SENT_LAST]),
            "register_error": float(error[:used].max(initial=0.0)),
        }
        del self.engine, self.windows

    def states(self) -> Floats:
        """All states now, those of normalisers last."""
        engine, units = self.engine, self.engine.units
        base = engine.populations["base"][engine.ranks[state.OWNER]]
        decay = np.exp((base - engine.clock[state.NOW]) * units[state.RATE])
        free = units[state.TARGET] - units[state.GAP] * decay
        now = np.where(np.isnan(units[state.FIXED]), free, units[state.FIXED])
        if engine.clock[state.NOW] == 0.0:
            now[: len(self.start)] = self.start  # without the rounding of a difference
        return now

    def farthest_targets(self) -> Floats:
        """How far inputs alone may have moved the targets from 0."""
        return np.asarray(np.abs(self.target) + np.abs(self.jumps).sum(axis=0))

    def _jump(self) -> None:
        """Let the inputs jump: the targets of their units move with them."""
        engine, change = self.engine, self.jumps[self.jumped]
        for unit in np.flatnonzero(change):
            leak.receive(engine, unit, change[unit])
        self.jumped += 1
        if engine.rules["settles"][0]:
            engine.clock[state.CHECK] = engine.clock[state.NOW] + engine.rules["transit"][0]

    def _check(self) -> None:
        """Settle, or look again when the residuals will have decayed.

        No message is on its way now, and none was sent for as long as one may travel.
        """
        engine, units, tolerance = self.engine, self.engine.units, self.problem.tolerance
        if self.jumped < len(self.jumps):  # at rest, but not for good
            engine.clock[state.CHECK] = np.inf
            return
        x, owner = self.states(), engine.ranks[state.OWNER]
        free = np.isnan(units[state.FIXED])
        residual = np.abs(units[state.TARGET] - x) * engine.populations["leak"][owner] * free
        waits = np.log(np.maximum(residual / tolerance, 1.0)) / units[state.RATE]
        if engine.rules["clocked"][0]:
            # A unit may not have had a look at its output yet.
            output = outputs_in(self.wiring, engine.populations, x)
            moved = (output >= units[state.UP]) | (output <= units[state.DOWN])
            waits = np.maximum(waits, np.where(moved & free, 0.1 / units[state.RATE], 0.0))
        if not waits.any():
            self.code = SETTLED
        engine.clock[state.CHECK] = engine.clock[state.NOW] + (1 + 1e-9) * waits.max()

    def _prepare(self) -> None:
        """Begin; compile, or load what was compiled, on an engine that has nothing to do."""
        engine = loop.run if self.windows is None else window_loop.run_windows
        with announced("the event engine", engine):
            self._run(0.0, -1)
            loop.begin(self.engine)

    def _run(self, stop: float, effort: int) -> int:
        """Call the engine."""
        if self.windows is None:
            return int(loop.run(self.engine, stop, effort))
        return int(window_loop.run_windows(self.engine, self.windows, stop, effort))

    def _grow(self, ended: int) -> None:
        """Make room for twice as many messages or packets, or give up."""
        engine = self.engine
        if self.windows is not None:
            self.windows = windows.grown(self.windows, ended)
        if ended != state.FULL:
            return
        if self.windows is not None or engine.counts[state.MESSAGES] == len(engine.messages):
            messages = np.concatenate([engine.messages, np.zeros_like(engine.messages)])
            self.engine = engine._replace(messages=messages)
            return
        spare = max(_ON_THE_WAY, int(self.wiring.rules["limit"][0])) - len(engine.queue)
        if spare <= 0:
            self.code, self.flooded = MAX_EVENTS, True
            return
        more = np.zeros(min(spare, len(engine.queue)), state.PACKET)
        self.engine = engine._replace(queue=np.concatenate([engine.queue, more]))


def _solution(
    problem: Problem, wiring: Wiring, options: EventDriven, runs: list[_Run | _NotBegun]
) -> Solution:
    """Trim the record to what happened; cues that stopped hold their last state."""
    codes = np.array([run.code for run in runs])
    ends = np.array([run.end for run in runs])
    finished = bool((codes <= TIME_LIMIT).all())
    times = recorded_times(problem.times, problem.explicit, finished, float(ends.max()))
    record = np.empty((len(times), problem.batch, wiring.units))
    for b, run in enumerate(runs):
        held = min(run.written, int(np.searchsorted(times, run.end)))
        record[:held, b] = run.outputs[:held]
        record[held:, b] = run.last
    last = np.array([run.last for run in runs])
    stats: dict[str, Any] = {
        name: np.array([run.stats[name] for run in runs]) for name in runs[0].stats
    }
    return Solution(
        times=times,
        record=problem.reader(times, record),
        final=problem.reader(ends[:1], last[None]),
        codes=codes,
        ends=ends,
        rhs=np.zeros(problem.batch, np.int64),
        accepted=None,
        rejected=None,
        stats={"messages": _messages(wiring, runs), **stats},
        events=_events(wiring, runs) if options.record_events else None,
        note=_note(runs),
    )


def _note(runs: list[_Run | _NotBegun]) -> str:
    """Which cues ended although they had not sent so many messages."""
    flooded = sum(run.flooded for run in runs)
    if not flooded:
        return ""
    return (
        f"{flooded} of them stopped earlier, with too many deliveries on their way to keep in "
        f"memory: shorten delays, or use scope='broadcast'"
    )


def _labels(wiring: Wiring) -> tuple[list[str], Ints, Ints]:
    """Names of layers and normalisers; name and position of each unit."""
    names = list(wiring.layers)
    label, index = np.zeros(len(wiring.rate), np.int64), np.zeros(len(wiring.rate), np.int64)
    for number, part in enumerate(wiring.layers.values()):
        label[part] = number
        index[part] = np.arange(part.stop - part.start)
    for share in wiring.populations[wiring.populations["normaliser"] >= 0]:
        z, owner = share["normaliser"], label[share["start"]]
        name = f"{names[owner]} normaliser"
        if name not in names:
            names.append(name)
        label[z] = names.index(name)
        index[z] = np.sum(label[wiring.units : z] == label[z])
    return names, label, index


def _messages(wiring: Wiring, runs: list[_Run | _NotBegun]) -> dict[str, NDArray[np.int64]]:
    """Messages per layer, (B,)."""
    names, label, _ = _labels(wiring)
    counts = [np.bincount(label[run.messages["unit"]], minlength=len(names)) for run in runs]
    return dict(zip(names, np.array(counts).T, strict=True))


def _events(wiring: Wiring, runs: list[_Run | _NotBegun]) -> NDArray[Any]:
    """Every message, cue by cue, in the order in which they were sent."""
    names, label, index = _labels(wiring)
    words = np.array(names)
    kind = [("time", "f8"), ("layer", words.dtype), ("unit", "i8"), ("value", "f8"), ("cue", "i8")]
    events = np.recarray(sum(len(run.messages) for run in runs), dtype=kind)
    start = 0
    for cue, run in enumerate(runs):
        part, sent = events[start : start + len(run.messages)], run.messages
        part.time, part.value, part.cue = sent["time"], sent["value"], cue
        part.layer, part.unit = words[label[sent["unit"]]], index[sent["unit"]]
        start += len(sent)
    return events
