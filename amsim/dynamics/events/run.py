"""Runs of the compiled engines, one cue after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...compiled.jit import announced, require_compiler
from ...network import Network
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
from .bounds import messages_keep_apart
from .changes import Changes
from .cue import begin_state, jumps_of, outputs_in, registers_of, starts, states_in
from .engine import leak, loop, slots, window_loop, windows
from .engine.state import CROWDED, FLOODED, FULL, MANY, MESSAGE, QUIET, STOPPED
from .layout import Layout, lay_out
from .layout.arrays import Floats, Ints
from .layout.populations import unit_slices
from .noise import Path, Schedule, slot_length
from .options import EventDriven

# Unit updates between two looks at Ctrl-C: some tenths of a second.
_EFFORT = 50_000_000
# Messages by link that may be on their way in the queue: 6 GB. Growth or long delays can fill any
# memory long before max_events messages were sent.
ON_THE_WAY = 1 << 27

_FLOODED = (
    "stopped earlier, with too many deliveries on their way to keep in memory: shorten delays, or "
    "use scope='broadcast'"
)
_Labels = tuple[list[str], Ints, Ints]  # see `_labels`


def solve(
    problem: Problem, options: EventDriven, begin: Callable[..., Run] | None = None
) -> Solution:
    """Run all cues of the batch, one after the other; `begin` makes the run of one, a `Run`."""
    if problem.unforeseen:
        raise ValueError(
            "EventDriven: an input depends on time by a function; units are exact between "
            "jumps at known times only: use am.PiecewiseConstant(times, values), or an ODE solver"
        )
    layout = lay_out(
        problem.network, options, problem.seed, problem.tolerance, problem.naive,
        slot_length(problem, options),
    )  # fmt: skip
    schedule, changes = Schedule.of(problem, layout), Changes.of(problem, options, layout)
    if changes is not None:
        later = max(changes.longest(layout) - float(layout.delays.max(initial=0.0)), 0.0)
        layout.rules["transit"] += 0.0 if problem.naive else later
    progress = Progress(problem.t1, problem.batch, problem.deadline)
    runs: list[Run | _NotBegun] = []
    try:
        for b, start in enumerate(starts(problem)):
            noise = schedule.begin(b) if schedule is not None else None
            run = (begin or Run)(problem, layout, *start, jumps_of(problem, b), noise, changes)
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
    return _solution(problem, layout, options, runs)


class _NotBegun:
    """A cue that was not begun when a run was interrupted."""

    code, end, written, why = INTERRUPTED, 0.0, 0, ""
    messages = np.zeros(0, MESSAGE)

    def __init__(self, first: Floats, stats: Mapping[str, float]) -> None:
        self.last, self.stats = first, stats
        self.outputs = np.empty((0, len(first)))


class Run:
    """One cue: its arrays, and what became of it."""

    def __init__(
        self,
        problem: Problem,
        layout: Layout,
        x: Floats,
        target: Floats,
        fixed: Floats,
        jumps: Floats,
        noise: Path | None,
        changes: Changes | None,
    ) -> None:
        self.problem, self.layout, self.start, self.target = problem, layout, x, target
        self.jumps, self.jumped, self.noise = jumps, 0, noise
        self.first, self.changes, self.changed = layout, changes, 0
        self.state = begin_state(problem.network, layout, x, target, fixed)
        self.windows: windows.Windows | None = None
        if len(layout.links):
            self.windows = windows.begin_windows(layout, self.state)
        size = float(np.abs(x).max()) + (0.0 if noise is None else float(noise.slots.root.max()))
        self.limit = BLOW_UP * (1.0 + size)
        self.code, self.end = INTERRUPTED, 0.0
        self.outputs = np.empty((len(problem.times), len(x)))
        self.written = 0
        self.why = ""  # it ended so, where its status does not say that

    @property
    def now(self) -> float:
        """How far the engine has come."""
        return float(self.state.run["now"][0])

    def to_end(self, progress: Progress, left: int) -> None:
        """Compute all events; Ctrl-C is noticed between calls of the engine."""
        self._prepare()
        stops = [*self.problem.times, self.problem.t1]
        jumps = [*self.problem.breakpoints, np.inf]
        changes = [*(self.changes.times if self.changes is not None else ()), np.inf]
        while True:
            stop, jump, change = stops[self.written], jumps[self.jumped], changes[self.changed]
            ended = self._run(min(stop, jump, change), _EFFORT)
            if not float(np.abs(self.state.target).max()) < self.limit:
                self.code = DIVERGED
            elif ended == MANY:
                self.code = MAX_EVENTS
            elif ended == QUIET:
                self._check()
            elif ended in (FULL, CROWDED, FLOODED):
                self._grow(ended)
            elif ended == STOPPED and change <= min(stop, jump):
                self._change()
            elif ended == STOPPED and jump <= stop:
                self._jump()
            elif ended == STOPPED and self.written == len(self.outputs):
                self.code = TIME_LIMIT
            elif ended == STOPPED:
                self.outputs[self.written] = self.states()[: len(self.start)]
                self.written += 1
            if self.code != INTERRUPTED:
                return
            progress.update(self.now, left)

    def finish(self) -> None:
        """Keep the last state and what was counted, and let the working arrays go."""
        layout, state, run = self.layout, self.state, self.state.run[0]
        self.end, last = self.now, states_in(layout, state)
        self.last = self.states()[: len(self.start)]
        if self.windows is not None:
            windows.settle_registers(layout, state, self.windows)
            if len(self.windows.jitters):
                window_loop.count_late_and_lost(layout, state, self.windows)
        error = np.abs(state.registers["value"] - registers_of(layout, self.outputs_in(last)))
        shifts = layout.projections["weights"] < 0  # their registers are not used
        used = layout.projections["register"][shifts].min(initial=len(error))
        self.messages = state.messages[: run["messages"]].copy()
        assert self._keep_apart(), "messages of a unit are closer than possible"
        self.stats: dict[str, float] = {
            "synaptic_operations": int(run["operations"]),
            "drops": int(run["drops"]),
            "late": int(run["late"]),
            "staleness": float(run["staleness"]),
            "last_message": float(run["last_message"]),
            "register_error": float(error[:used].max(initial=0.0)),
        }
        del self.state, self.windows

    def _keep_apart(self) -> bool:
        first, farthest, layout = self.state.units["first"], self.farthest_targets(), self.layout
        if self.changes is not None:
            layout = layout._replace(populations=layout.populations.copy())
            layout.populations["fastest"] = self.changes.fastest(self.first)
        return messages_keep_apart(layout, self.messages, self.start, farthest, first)

    def states(self) -> Floats:
        """All states now, those of normalisers last."""
        states = states_in(self.layout, self.state)
        if self.now == 0.0:
            states[: len(self.start)] = self.start  # without the rounding of a difference
        return states if self.noise is None else self.noise.states(self.now, states)

    def outputs_in(self, states: Floats) -> Floats:
        """All outputs in given states."""
        shift = self.state.populations["shift"]
        return outputs_in(self.problem.network, self.layout, shift, states)

    def farthest_targets(self) -> Floats:
        """How far inputs and noise alone may have moved the targets from 0."""
        farthest = np.abs(self.target) + np.abs(self.jumps).sum(axis=0)
        return np.asarray(farthest if self.noise is None else farthest + self.noise.slots.farthest)

    def _jump(self) -> None:
        """Let the inputs jump: the targets of their units move with them."""
        change = self.jumps[self.jumped]
        for unit in np.flatnonzero(change):
            leak.receive(self.layout, self.state, unit, change[unit])
        self.jumped += 1
        if self.layout.rules[0]["tolerance"] > 0:
            self.state.run["check"] = self.now + self.layout.rules[0]["transit"]

    def _change(self) -> None:
        """Rates and delays are others from now on; states go on from where they are."""
        assert self.changes is not None
        state, units, row = self.state, self.layout.units, self.changed
        before, self.layout = self.layout, self.changes.at(self.first, row)
        self.changed += 1
        if (before.units["rate"] == self.layout.units["rate"]).all():
            return
        base = state.populations["base"][units["population"]]
        state.gap[:] *= np.exp((base - self.now) * units["rate"])
        state.populations["base"] = self.now
        leak.look_again(self.layout, state)
        if np.isfinite(state.run["check"][0]):
            state.run["check"] = max(self.now, self._last_arrival())

    def _last_arrival(self) -> float:
        """When the last news will have arrived, in an engine without queues."""
        last = float(np.nan_to_num(self.state.run["last_message"][0]))
        return last + float(self.layout.rules["transit"][0])

    def _check(self) -> None:
        """Settle, or look again when the residuals will have decayed.

        No message is on its way now, and none was sent for as long as one may travel.
        """
        layout, state, units = self.layout, self.state, self.state.units
        if self.jumped < len(self.jumps):  # at rest, but not for good
            state.run["check"] = np.inf
            return
        x, free = self.states(), np.isnan(units["fixed"])
        leaks = layout.populations["leak"][layout.units["population"]]
        residual = np.abs(state.target - x) * leaks * free
        waits = np.log(np.maximum(residual / self.problem.tolerance, 1.0)) / layout.units["rate"]
        if layout.rules[0]["clocked"]:
            # A unit may not have had a look at its output yet.
            output = self.outputs_in(x)
            moved = (output >= units["up"]) | (output <= units["down"])
            waits = np.maximum(waits, np.where(moved & free, 0.1 / layout.units["rate"], 0.0))
        if not waits.any():
            self.code = SETTLED
        state.run["check"] = self.now + (1 + 1e-9) * waits.max()

    def _prepare(self) -> None:
        """Set levels; compile, or load what was compiled, on an engine that has no more to do."""
        plain, by_link = loop.run_events, window_loop.run_windows
        if self.noise is not None:
            plain, by_link = slots.run_noisy_events, slots.run_noisy_windows
        require_compiler("the event engine")
        with announced("the event engine", plain if self.windows is None else by_link):
            self._run(0.0, -1)

    def _run(self, stop: float, effort: int) -> int:
        """Call the engine."""
        layout, state, by_link = self.layout, self.state, self.windows
        if self.noise is not None:
            noise = self.noise.slots
            if by_link is None:
                return int(slots.run_noisy_events(layout, state, noise, stop, effort))
            return int(slots.run_noisy_windows(layout, state, by_link, noise, stop, effort))
        if by_link is None:
            return int(loop.run_events(layout, state, stop, effort))
        return int(window_loop.run_windows(layout, state, by_link, stop, effort))

    def _grow(self, ended: int) -> None:
        """Make room for twice as many messages or packets, or give up."""
        state = self.state
        if self.windows is not None:
            self.windows = windows.grown(self.windows, ended)
        if ended != FULL:
            return
        if self.windows is not None or state.run["messages"][0] == len(state.messages):
            messages = state.messages
            self.state = state._replace(messages=windows.longer(messages, len(messages)))
            return
        spare = max(ON_THE_WAY, int(self.layout.rules["limit"][0])) - len(state.queue)
        if spare <= 0:
            self.code, self.why = MAX_EVENTS, _FLOODED
            return
        queue = windows.longer(state.queue, min(spare, len(state.queue)))
        self.state = state._replace(queue=queue)


def _solution(
    problem: Problem, layout: Layout, options: EventDriven, runs: list[Run | _NotBegun]
) -> Solution:
    """Trim the record to what happened; cues that stopped hold their last state."""
    codes = np.array([run.code for run in runs])
    ends = np.array([run.end for run in runs])
    finished = bool((codes <= TIME_LIMIT).all())
    times = recorded_times(problem.times, problem.explicit, finished, float(ends.max()))
    record = np.empty((len(times), problem.batch, len(runs[0].last)))
    for b, run in enumerate(runs):
        held = min(run.written, int(np.searchsorted(times, run.end)))
        record[:held, b] = run.outputs[:held]
        record[held:, b] = run.last
    last = np.array([run.last for run in runs])
    labels = _labels(problem.network, layout)
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
        stats={"messages": _messages(labels, runs), **stats},
        events=_events(labels, runs) if options.record_events else None,
        smooth=False,
        note=_note(runs),
    )


def _note(runs: list[Run | _NotBegun]) -> str:
    """Why cues ended as they did, where their status does not say so."""
    reasons = Counter(run.why for run in runs if run.why)
    return "; ".join(f"{count} of them {why}" for why, count in reasons.items())


def _labels(network: Network, layout: Layout) -> _Labels:
    """Names of layers and normalisers; name and position of each unit."""
    names = list(network.layers)
    label, index = (np.zeros(len(layout.units), np.int64) for _ in range(2))
    units = sum(layer.size for layer in network.layers.values())
    for number, part in enumerate(unit_slices(network).values()):
        label[part] = number
        index[part] = np.arange(part.stop - part.start)
    for share in layout.populations[layout.populations["normaliser"] >= 0]:
        z, owner = share["normaliser"], label[share["start"]]
        name = f"{names[owner]} normaliser"
        if name not in names:
            names.append(name)
        label[z] = names.index(name)
        index[z] = np.sum(label[units:z] == label[z])
    return names, label, index


def _messages(labels: _Labels, runs: list[Run | _NotBegun]) -> dict[str, NDArray[np.int64]]:
    """Messages per layer, (B,)."""
    names, label, _ = labels
    counts = [np.bincount(label[run.messages["unit"]], minlength=len(names)) for run in runs]
    return dict(zip(names, np.array(counts).T, strict=True))


def _events(labels: _Labels, runs: list[Run | _NotBegun]) -> NDArray[Any]:
    """Every message, cue by cue, in the order in which they were sent."""
    names, label, index = labels
    words = np.array(names)
    kind = [("time", "f8"), ("layer", words.dtype), ("unit", "i8"), ("value", "f8"), ("cue", "i8")]
    events = np.recarray(sum(len(run.messages) for run in runs), dtype=kind)
    start = 0
    for cue, run in enumerate(runs):
        part, sent = events[start : start + len(run.messages)], run.messages
        part["time"], part["value"], part["cue"] = sent["time"], sent["value"], cue
        part["layer"], part["unit"] = words[label[sent["unit"]]], index[sent["unit"]]
        start += len(sent)
    return events
