"""Runs over shared links: the engine of `loop.py`, and what became of every link."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....compiled.jit import announced, require_compiler
from ....neurons import NORMALISER
from ...problem import TIME_LIMIT, Problem, Solution
from .. import run as events
from ..engine.state import State
from ..engine.windows import longer
from ..layout import Layout
from ..options import EventDriven
from . import loop
from .arrays import (
    BABBLING,
    GROUP,
    HELD,
    MARK,
    SERVER_STATE,
    SLOT,
    STUCK,
    TALLY,
    Traffic,
    Ways,
)
from .ways import lay_ways

_STATS = ("arrived", "served", "dropped", "coalesced", "inside", "most", "mean_wait",
          "mean_number", "time_spent", "utilisation", "blocked")  # fmt: skip


def solve(problem: Problem, options: EventDriven) -> Solution:
    """Run all cues of the batch, one after the other."""
    begin = _Begin(options)
    solution = events.solve(problem, options, begin)
    for name in _STATS:
        solution.stats[f"link_{name}"] = {
            link: solution.stats.pop(f"link_{name} {link}") for link in begin.names
        }
    return solution


class _Begin:
    """Makes the runs of all cues, which share their ways."""

    def __init__(self, options: EventDriven) -> None:
        self.options, self.ready = options, False
        self.names: list[str] = []

    def __call__(self, problem: Problem, layout: Layout, *cue: Any) -> FabricRun:
        if not self.ready:
            counts = problem.tolerance > 0 and not problem.naive
            laid = lay_ways(problem.network, layout, self.options.timing, problem.seed, counts)
            self.layout, self.ways, self.names = laid
            self.ready = True
        return FabricRun(self.ways, self.names, problem, self.layout, *cue)


class FabricRun(events.Run):
    """One cue over shared links."""

    def __init__(
        self, ways: Ways, names: list[str], problem: Problem, layout: Layout, *cue: Any
    ) -> None:
        super().__init__(problem, layout, *cue)
        self.ways, self.names = ways, names
        self.traffic = _begin_traffic(ways, self.state)
        if ways.rules["step"][0] > 0:
            kind = layout.populations["kind"][layout.units["population"]]
            looks = np.isnan(self.state.units["fixed"]) & (kind != NORMALISER)
            self.traffic.tally["under_way"] = looks.sum()  # they look at t = 0

    def finish(self) -> None:
        """Keep the last state and what was counted, of every link, too."""
        super().finish()
        slots = self.traffic.slots[: self.traffic.tally["used"][0]]
        line = slots["next"].tolist(), slots["arrived"].tolist()  # faster than entries of arrays
        for name, server in zip(self.names, self.traffic.servers, strict=True):
            for what, value in _counted(server, *line, self.end).items():
                self.stats[f"link_{what} {name}"] = value
        if self.code == TIME_LIMIT and self.ways.rules["counts"][0]:
            self.why = self._unsettled()
        tally = self.traffic.tally[0]
        self.stats["held_back"] = int(tally["requests"])
        if self.ways.rules["step"][0] > 0:
            count = max(int(tally["barriers"]), 1)
            self.stats["barriers"] = int(tally["barriers"])
            self.stats["step_mean"] = float(tally["began"]) / count
            self.stats["step_longest"] = float(tally["longest"])
            self.stats["delivery_mean"] = float(tally["delivery"]) / count
            self.stats["delivery_longest"] = float(tally["delivery_longest"])
        del self.traffic

    def _unsettled(self) -> str:
        """Why the cue has not settled, if that is known."""
        tally, faults = self.traffic.tally[0], self.ways.faults["at"]
        waited = self.end - float(tally["began"])
        if self.ways.rules["step"][0] > 0 and waited > 2 * max(
            float(tally["longest"]), float(self.ways.rules["step"][0])
        ):
            return (
                "waited for a barrier that did not come: messages never end; let units babble "
                "less, or give links more bandwidth"
            )
        if len(faults) and faults.max() >= self.end:
            return "could not settle before the last fault, which comes later: take a larger t1"
        if tally["news"] > 0:
            return "had news under way at the end: give links more bandwidth, or take a larger t1"
        return ""

    def _prepare(self) -> None:
        require_compiler("the event engine")
        with announced("the event engine", loop.run_fabric):
            self._run(0.0, -1)

    def _run(self, stop: float, effort: int) -> int:
        def to(end: float) -> int:
            arrays = self.layout, self.state, self.ways, self.traffic
            return int(loop.run_fabric(*arrays, end, effort))

        if self.noise is None:
            return to(stop)
        return self.noise.run(to, stop, self.layout, self.state)

    def _check(self) -> None:
        faults = self.ways.faults["at"]
        if len(faults) and self.now < faults.max():  # at rest, but not for good
            self.state.run["check"] = np.inf
            return
        super()._check()

    def _keep_apart(self) -> bool:
        """Units that babble do not, nor those that say once what they are stuck at."""
        failing = np.isin(self.ways.faults["kind"], (BABBLING, STUCK))
        return bool(failing.any()) or super()._keep_apart()

    def _jump(self) -> None:
        super()._jump()
        tally = self.traffic.tally[0]
        tally["since"] = self.now + self.layout.rules[0]["transit"]
        if tally["news"] > 0:
            self.state.run["check"] = np.inf

    def _grow(self, ended: int) -> None:
        """Make room for what is full, messages, packets or slots; or give up."""
        state, traffic, tally = self.state, self.traffic, self.traffic.tally[0]
        room = int(self.ways.rules["room"][0])
        if state.run["messages"][0] == len(state.messages):
            self.state = state._replace(messages=_twice(state.messages))
            self.traffic = traffic._replace(marks=_twice(traffic.marks))
        elif tally["slots"] + room > len(traffic.slots):
            self.traffic = traffic._replace(slots=_twice(traffic.slots))
        else:
            most = max(events.ON_THE_WAY, int(self.layout.rules["limit"][0]))
            if len(state.queue) >= most:
                super()._grow(ended)
                return
            queue = longer(state.queue, max(room, len(state.queue)))
            self.state = state._replace(queue=queue)


def _twice(array: NDArray[Any]) -> NDArray[Any]:
    return longer(array, len(array))


def _begin_traffic(ways: Ways, state: State) -> Traffic:
    """Nothing is under way."""
    servers, tally = np.zeros(len(ways.servers), SERVER_STATE), np.zeros(1, TALLY)
    tally["free"] = tally["first"] = -1
    return Traffic(
        servers=servers,
        slots=np.zeros(256 + int(ways.rules["room"][0]), SLOT),
        table=np.full(int(ways.rules["table"][0]), -1),
        held=np.zeros(len(ways.units), HELD),
        marks=np.zeros(len(state.messages), MARK),
        groups=np.zeros(int(ways.units["group"].max(initial=0)) + 1, GROUP),
        tally=tally,
    )


def _counted(
    server: Any, following: list[int], arrived: list[float], end: float
) -> dict[str, float]:
    """What a server tells of itself at the end of a run; of every slot, the next and its time."""
    count, started = int(server["count"]), int(server["started"])
    spent, k = float(server["sojourn"]), int(server["head"])
    for _ in range(count):
        spent += end - arrived[k]
        k = following[k]
    area = float(server["area"] + count * (end - server["changed"]))
    left = max(float(server["ends"]) - end, 0.0) if count else 0.0
    stopped = float(server["stopped"])
    if server["blocked"]:
        stopped += end - float(server["ends"])
    return {
        "arrived": int(server["arrived"]),
        "served": int(server["served"]),
        "dropped": int(server["dropped"]),
        "coalesced": int(server["coalesced"]),
        "inside": count,
        "most": int(server["most"]),
        "mean_wait": float(server["wait"]) / started if started else 0.0,
        "mean_number": area / end if end > 0 else 0.0,
        "time_spent": spent,
        "utilisation": (float(server["busy"]) - left) / end if end > 0 else 0.0,
        "blocked": stopped / end if end > 0 else 0.0,
    }
