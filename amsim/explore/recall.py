"""One recall as a page shows it: a cue and some knobs in, numbers to be drawn out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks, patterns
from ..dynamics import EventDriven, FixedPoint, Settled, Timing, Trajectory, simulate
from ..lagrangians import Softmax
from ..models import dense_am
from ..network import Network
from ..stability import certify

Array = NDArray[np.float64]

# What a page can show and a person can wait for.
MOST_MEMORIES, MOST_UNITS, MOST_PAINTED = 200, 4096, 32
_MOST_MESSAGES, _MOST_DRAWN = 200_000, 4000
_T1 = 60.0
_TIMES = np.concatenate([[0.0], np.geomspace(0.02, _T1, 70)])
# Seconds that the messages of a recall, and the search for a rest state, may take.
_PATIENCE = 1.5
# Up to this share of the way to the closest other pattern a person would call it recalled.
_RECALLED = 0.1


@dataclass(frozen=True)
class Knobs:
    """What a person can turn.

    Parameters
    ----------
    beta : float
        Inverse temperature of the memories; in (0, 1e6].
    tau_hidden : float
        Time constant of the memories, with 1 for the features; in [0.001, 100].
    delay, jitter : float
        Travel time of messages, and how much longer a message takes at most; in [0, 10].
    drop : float
        Share of the messages that are lost; in [0, 0.9]. A unit that has been silent for a time of
        1 then sends again.
    quantum : float
        How far an output moves before it is sent; in [0.002, 1]. Outputs of features count in
        halves of the range of the patterns, which is 1 for patterns of -1 and +1.
    scope : {"broadcast", "link"}
        Whether a message reaches all its receivers at one time, or each at its own.
    seed : int
        Of jitter and losses.

    Raises
    ------
    TypeError, ValueError
        If a value is not usable.

    Examples
    --------
    >>> Knobs(beta=0.5, delay=0.2).jitter
    0.0
    """

    beta: float
    tau_hidden: float = 0.1
    delay: float = 0.0
    jitter: float = 0.0
    drop: float = 0.0
    quantum: float = 0.02
    scope: str = "broadcast"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, (lowest, highest) in RANGES.items():
            value = checks.number(name, getattr(self, name), at_least=lowest, at_most=highest)
            object.__setattr__(self, name, value)
        checks.choice("scope", self.scope, ("broadcast", "link"))
        seed = checks.count("seed", self.seed, at_least=0, at_most=2**31 - 1)
        object.__setattr__(self, "seed", seed)

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Knobs:
        """Knobs from names and values, refused if a name is unknown."""
        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known:
                raise ValueError(f"there is no knob {name!r}; there are {', '.join(known)}")
        if "beta" not in given:
            raise ValueError("knob beta is missing")
        return cls(**given)

    @property
    def timing(self) -> Timing:
        """The timing of the messages."""
        return Timing(
            delay=self.delay,
            jitter=self.jitter,
            drop=self.drop,
            heartbeat=1.0 if self.drop else None,
            scope="link" if self.scope == "link" else "broadcast",
        )


RANGES = {
    "beta": (1e-6, 1e6),
    "tau_hidden": (1e-3, 100.0),
    "delay": (0.0, 10.0),
    "jitter": (0.0, 10.0),
    "drop": (0.0, 0.9),
    "quantum": (0.002, 1.0),
}


class Explorer:
    """Recalls of one set of patterns.

    Parameters
    ----------
    stored : array_like (K, N) or (K, h, w)
        At most 200 patterns of at most 4096 numbers; by default ten digits of 8 x 8 pixels.
        Patterns without a shape are shown as the rectangle that is closest to a square.
    source : str, optional
        How Python gets the same patterns, for the lines that repeat a recall.

    Raises
    ------
    TypeError, ValueError
        If the patterns are not usable, or too many.

    Examples
    --------
    >>> explorer = Explorer()
    >>> cue, knobs = explorer.stored[2], Knobs(beta=0.5)
    >>> found = explorer.recall(cue, knobs)
    >>> found["recalled"], found["memory"]
    (True, 2)
    >>> explorer.certify(cue, knobs, found["states"][-1])["certified"]
    True
    """

    def __init__(self, stored: ArrayLike | None = None, source: str | None = None) -> None:
        if stored is None:
            self.source = source or "am.patterns.digits(10, seed=0)"
            array = patterns.digits(10, seed=0)
        else:
            self.source = source or "..."
            array = checks.array("patterns", stored, empty=False, largest=1e6)
        if array.ndim not in (2, 3):
            raise ValueError(
                f"patterns have shape {array.shape}; give (memories, units), or "
                f"(memories, height, width)"
            )
        self.shape = array.shape[1:] if array.ndim == 3 else _rectangle(array.shape[1])
        self.stored = checks.owned(array.reshape(len(array), -1))
        for name, size, most in (
            ("patterns", len(self.stored), MOST_MEMORIES),
            ("units", self.stored.shape[1], MOST_UNITS),
        ):
            if size > most:
                raise ValueError(
                    f"{size} {name} are more than a page can show; give at most {most}"
                )
        largest = float(np.abs(self.stored).max())
        if not largest > 0:
            raise ValueError("all patterns are zero; give some that differ from 0")
        low, high = RANGES["beta"]
        if not low <= self.beta <= high:
            raise ValueError(
                f"patterns with numbers up to {largest:g} need beta = {self.beta:g}, a page has "
                f"{low:g} to {high:g}; scale the patterns"
            )
        self.scale = float(np.ptp(self.stored)) / 2 or largest
        # As many as a picture shows: a thousandth of the largest number.
        self.digits = 3 - int(np.floor(np.log10(largest)))

    def describe(self) -> dict[str, Any]:
        """What a page needs before the first recall: patterns, their shape, and knobs."""
        height, width = self.shape
        low, high = float(self.stored.min()), float(self.stored.max())
        knobs = asdict(Knobs(beta=self.beta))
        return {
            "memories": np.round(self.stored, self.digits + 1).tolist(),
            "shape": [int(height), int(width)],
            "ranges": {name: list(limits) for name, limits in RANGES.items()},
            "painted": bool(max(height, width) <= MOST_PAINTED),
            "low": low,
            "high": high if high > low else low + 1.0,
            "knobs": knobs,
            "first": int(min(2, len(self.stored) - 1)),
            "source": self.source,
            # A link that holds it is of these patterns.
            "fingerprint": hashlib.sha256(self.stored.tobytes()).hexdigest()[:16],
        }

    @property
    def beta(self) -> float:
        """Where memories are told apart: 32 over the mean squared length of the patterns."""
        return float(f"{32 / np.square(self.stored).sum(axis=1).mean():.2g}")

    def network(self, knobs: Knobs) -> Network:
        """The memory with these knobs."""
        hidden = Softmax(beta=knobs.beta)
        return dense_am(self.stored, hidden=hidden, tau_hidden=knobs.tau_hidden)

    def answer(self, question: Any) -> dict[str, Any]:
        """What a page is told that asks for a recall, or with its "end" for the certificate.

        Parameters
        ----------
        question : mapping
            With "cue" and "knobs", and "end" if a recall has settled there.

        Raises
        ------
        TypeError, ValueError
            If the question is another one, or its numbers are not usable.
        """
        if not isinstance(question, dict) or {*question} - {"end"} != {"cue", "knobs"}:
            raise ValueError('a question is {"cue": [...], "knobs": {...}}, and may have an "end"')
        if not isinstance(question["knobs"], dict):
            raise ValueError("knobs are names with values")
        knobs = Knobs.read(question["knobs"])
        if "end" in question:
            return self.certify(question["cue"], knobs, question["end"])
        return self.recall(question["cue"], knobs)

    def recall(self, cue: ArrayLike, knobs: Knobs) -> dict[str, Any]:
        """Recall a cue by messages; all that a page draws, as plain numbers.

        Parameters
        ----------
        cue : array_like (N,)
        knobs : Knobs

        Returns
        -------
        dict
            "status" ("interrupted" if it took more than 1.5 s), "message", "end" (when it did),
            "times" (T,), "states" (T, N), "energy" (T,), "shares" (T, K), "events" (up to 4000 of
            the "messages"), "final" (N,) (not rounded), "memory" (the pattern at the smallest
            Euclidean distance), its "distance" in units of that from it to the closest other
            pattern, "recalled" (at rest, and a distance below 0.1) and "python".

        Raises
        ------
        TypeError, ValueError
            If the cue is not usable.
        """
        state, net = self._state("cue", cue), self.network(knobs)
        _compile(knobs.scope)
        solver = EventDriven(
            self._quantum(knobs), knobs.timing, max_events=_MOST_MESSAGES, record_events=True
        )
        traj = simulate(
            net, state, solver=solver, t1=_T1, times=_TIMES, until=self._rest, seed=knobs.seed,
            wall_limit=_PATIENCE,
        )  # fmt: skip
        final = traj.final["visible"]
        return {
            "status": traj.status,
            "message": traj.message,
            **self._drawn(net, traj),
            "final": final.tolist(),
            **self._nearest(final, traj.status == "settled"),
            "python": self.python(state, knobs),
        }

    def certify(self, cue: ArrayLike, knobs: Knobs, end: ArrayLike) -> dict[str, Any]:
        """Whether timing can change where a cue ends.

        Parameters
        ----------
        cue : array_like (N,)
        knobs : Knobs
        end : array_like (N,)
            Where its recall has settled: the rest state is sought from there.

        Returns
        -------
        dict
            "certified", and "certificate": what is proven, or why not, in words.

        Raises
        ------
        TypeError, ValueError
            If the cue or the end is not usable.
        """
        state, start, net = self._state("cue", cue), self._state("end", end), self.network(knobs)
        rest = simulate(net, start, solver=FixedPoint(), until=self._rest, wall_limit=_PATIENCE)
        if rest.status != "settled":
            return {"certified": False, "certificate": "No rest state was found where it ended."}
        scope = knobs.timing.scope
        found = certify(net, state, target=rest.final, scope=scope)
        if found.holds:
            far = float(np.abs(rest.final["visible"] - start).max())
            return {"certified": True, "certificate": _CERTIFIED.format(_SENT_BY[scope], far)}
        # Of one cue: the counts say nothing.
        reasons = re.sub(r"(^|; )\d+: ", r"\1", found.message.partition("; ")[2])
        return {"certified": False, "certificate": f"No proof was found: {reasons}."}

    def _quantum(self, knobs: Knobs) -> float | dict[str, float]:
        """The quantum of outputs, which are of the size of the patterns, and shares of 1."""
        if self.scale == 1:
            return knobs.quantum
        return {"visible": float(f"{self.scale * knobs.quantum:.6g}"), "hidden": knobs.quantum}

    @property
    def _rest(self) -> Settled:
        return Settled() if self.scale == 1 else Settled(float(f"{1e-6 * self.scale:.2g}"))

    def _state(self, name: str, given: ArrayLike) -> Array:
        """A checked state of the features."""
        state, units = checks.array(name, given, largest=1e6), self.stored.shape[1]
        if state.shape != (units,):
            raise ValueError(f"the {name} has shape {state.shape}, the patterns have ({units},)")
        return state

    def _drawn(self, net: Network, traj: Trajectory) -> dict[str, Any]:
        """States, energy, shares and messages until the recall ended."""
        end = float(traj.end_times)
        kept = slice(np.searchsorted(traj.times, end) + 1)
        shares = net.layers["hidden"].lagrangian.activation(traj["hidden"])
        events = traj.events
        drawn = np.linspace(0, len(events) - 1, min(len(events), _MOST_DRAWN)).astype(int)
        offset = np.where(events.layer[drawn] == "visible", 0, self.stored.shape[1])
        return {
            "end": end,
            "times": np.round(traj.times[kept], 4).tolist(),
            "states": np.round(traj["visible"][kept], self.digits).tolist(),
            "energy": [float(f"{value:.6g}") for value in traj.energy[kept]],
            "shares": np.round(shares[kept], 4).tolist(),
            "messages": len(events),
            "events": {
                "times": np.round(events.time[drawn], 4).tolist(),
                "units": (events.unit[drawn] + offset).tolist(),
            },
        }

    def _nearest(self, final: Array, settled: bool) -> dict[str, Any]:
        """Which pattern the recall ended next to."""
        distances = np.linalg.norm(self.stored - final, axis=1)
        memory = int(np.argmin(distances))
        pattern = self.stored[memory]
        others = np.linalg.norm(self.stored - pattern, axis=1)
        # Copies are no others; without any, zero is.
        scale = min(others[others > 0], default=np.linalg.norm(pattern))
        distance = float(distances[memory] / scale)
        return {
            "memory": memory,
            "distance": distance,
            "recalled": settled and distance < _RECALLED,
        }

    def python(self, cue: Array, knobs: Knobs) -> str:
        """Lines of Python that repeat the recall."""
        nearest = int(np.argmin(np.abs(self.stored - cue).sum(axis=1)))
        changed = np.flatnonzero(self.stored[nearest] != cue)
        lines = [f"cue = patterns[{nearest}].copy()"]
        if len(changed):
            values = cue[changed]
            same = np.ptp(values) == 0
            lines.append(f"cue[{changed.tolist()}] = {values[0] if same else values.tolist()}")
        timing = ", ".join(
            f"{name}={value!r}"
            for name, value in (
                ("delay", knobs.delay),
                ("jitter", knobs.jitter),
                ("drop", knobs.drop),
                ("heartbeat", knobs.timing.heartbeat),
                ("scope", knobs.scope),
            )
            if value and value != "broadcast"
        )
        run = f"t1={_T1!r}, seed={knobs.seed!r}"
        if self.scale != 1:
            run += f", until=am.Settled({self._rest.tolerance!r})"
        return "\n".join(
            [
                "import amsim as am",
                *(["import numpy as np"] if "np." in self.source else []),
                f"patterns = {self.source}",
                *lines,
                f"net = am.dense_am(patterns, hidden=am.Softmax(beta={knobs.beta!r}), "
                f"tau_hidden={knobs.tau_hidden!r})",
                f"solver = am.EventDriven({self._quantum(knobs)!r}, am.Timing({timing}))",
                f"traj = am.simulate(net, cue, solver=solver, {run})",
            ]
        )


@cache
def _compile(scope: str) -> None:
    """Have the engines compiled, which is no part of the time of a recall."""
    net = dense_am(np.eye(2), hidden=Softmax(beta=1.0))
    for delay in (0.01, 1.0):  # with the longer one, links run in windows
        timing = Knobs(1.0, delay=delay, jitter=0.01, drop=0.1, scope=scope).timing
        simulate(net, [1.0, 0.0], solver=EventDriven(0.1, timing, record_events=True), t1=0.1)


_CERTIFIED = (
    "Whatever the delay of each {}, and whatever is lost while the last value holds, exact "
    "messages end at one rest state. Quanta are not covered: with them this run ended {:.2g} from "
    "it."
)
_SENT_BY = {"broadcast": "sender", "link": "link"}


def _rectangle(units: int) -> tuple[int, int]:
    """Height and width of the rectangle of so many pixels that is closest to a square."""
    height = next(h for h in range(int(units**0.5), 0, -1) if units % h == 0)
    return height, units // height
