"""The schedule of a plan: which population computes what in which step, as data.

Steps t = 0, 1, 2, ... are grouped in periods; one period advances time by `Plan.dt`. In each step
one population has its turn: it receives messages, computes, and sends one message. A message that
is sent in step t arrives in step t + 1, through a connection. A message of 0 is not sent, and where
nothing was sent, 0 arrives.

Populations and their signals, one integer per unit:

============ ================= =================================================================
population   units             signals
============ ================= =================================================================
visible      D features        v the state, m the message (a change of the output), sent the sum
                               of all m so far, arriving the sum from the memories
hidden       K memories        h the state, total the sum of what has arrived, a the logit,
                               c_hidden the last c that arrived, e the message in a round,
                               p the message to the features (f of rectified powers)
normaliser   1, with softmax   c the logarithm of the sum of e, sum what arrives in a round
============ ================= =================================================================

`turns` puts the turns of a period together, and `table` prints them. What is computed are methods
of the parts of a plan, in `hardware.units`. `Interpreter` carries the turns out: the emulator is
one, in NumPy, and the exact oracle another, in Python's integers. Compiled loops and Lava's
populations are written by hand, and are compared with it.

Floats. v = integer / visible.scale, h = integer / hidden.scale, m and sent = integer /
visible.output_scale, p = integer / hidden.output_scale, W = integer / weight_scale, a and c =
integer / 2**logit_bits octaves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import itemgetter
from types import MappingProxyType
from typing import Any

# The state of each population, under whose name it is recorded. What starts as an attribute of a
# `Job`; sent, total and p start at 0.
STATES: Mapping[str, str] = MappingProxyType({"visible": "v", "hidden": "h", "normaliser": "c"})
STARTS: Mapping[str, str] = MappingProxyType(
    {"v": "visible", "h": "hidden", "c": "log_sum", "c_hidden": "log_sum", "clamped": "clamped"}
)
# What can be recorded. "..._out" is the message that a unit sends in the step, 0 if it is silent.
SIGNALS = (*STATES, *(f"{name}_out" for name in STATES))
# What messages are counted as.
KINDS = ("visible", "hidden", "rounds", "normaliser")

CONNECTIONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {  # from a population to another
        "W": ("visible", "hidden"),  # W is `plan.weights`, (K, D)
        "W^T": ("hidden", "visible"),
        "1^T": ("hidden", "normaliser"),  # 1 is (K, 1), all ones
        "1": ("normaliser", "hidden"),
    }
)


@dataclass(frozen=True)
class Receive:
    """A signal becomes what arrives through a connection, or grows by it.

    Attributes
    ----------
    signal : str
    message : str
        By the name of the signal that the sender sent.
    through : str
        One of `CONNECTIONS`.
    adds : bool
    delay : int
        Steps between sending and arrival.
    """

    signal: str
    message: str
    through: str
    adds: bool = False
    delay: int = 1

    def __str__(self) -> str:
        late = "" if self.delay == 1 else f" of {self.delay} steps ago"
        return f"{self.signal} {'+=' if self.adds else '='} {self.through} {self.message}{late}"


@dataclass(frozen=True)
class Compute:
    """A signal becomes a function of signals of the same population.

    Attributes
    ----------
    signal : str
    function : str
        A method of a part of the plan, such as "hidden.logit".
    of : tuple of str
        "input_visible" and "input_hidden" are the driven inputs of the period.
    first_period : int
        Nothing is done in earlier periods: the signal keeps its value.
    """

    signal: str
    function: str
    of: tuple[str, ...]
    first_period: int = 0

    def __str__(self) -> str:
        late = f" from period {self.first_period} on" if self.first_period else ""
        return f"{self.signal} = {self.function}({', '.join(self.of)}){late}"


@dataclass(frozen=True)
class Turn:
    """What a population does in a step.

    Attributes
    ----------
    population : str
    operations : tuple of Receive or Compute
        In this order.
    sends : str
        The signal that is the message.
    counted : str
        What its messages are counted as, one of `KINDS`.
    """

    population: str
    operations: tuple[Receive | Compute, ...]
    sends: str
    counted: str

    @cached_property
    def sets(self) -> frozenset[str]:
        """The signals that it changes."""
        return frozenset(operation.signal for operation in self.operations)

    @cached_property
    def functions(self) -> frozenset[str]:
        """The functions that it computes."""
        return frozenset(x.function for x in self.operations if isinstance(x, Compute))


# In period 0 the states are held: nothing has arrived yet.
_FEATURES = Turn(
    "visible",
    (
        Receive("arriving", "p", "W^T"),
        Compute(
            "v", "visible.relax", ("v", "arriving", "input_visible", "clamped"), first_period=1
        ),
        Compute("m", "visible.change", ("v", "sent")),
        Compute("sent", "visible.add", ("sent", "m")),
    ),
    sends="m",
    counted="visible",
)
_MOVE = (
    Receive("total", "m", "W", adds=True),
    Compute("h", "hidden.relax", ("h", "total", "input_hidden"), first_period=1),
)
_POWER = Turn(
    "hidden", (*_MOVE, Compute("p", "hidden.output", ("h",))), sends="p", counted="hidden"
)
_EXPONENTIAL = Compute("e", "normaliser.exponential", ("a", "c_hidden"))
_LAST_C = Receive("c_hidden", "c", "1")
_FIRST_EXPONENTIALS = Turn(
    "hidden",
    (
        *_MOVE,
        Compute("a", "hidden.logit", ("h",)),
        Compute("c_hidden", "normaliser.rise", ("c_hidden",)),
        _EXPONENTIAL,
    ),
    sends="e",
    counted="rounds",
)
_EXPONENTIALS = Turn("hidden", (_LAST_C, _EXPONENTIAL), sends="e", counted="rounds")
_PROBABILITIES = Turn(
    "hidden",
    (_LAST_C, Compute("p", "normaliser.probability", ("a", "c_hidden"))),
    sends="p",
    counted="hidden",
)
_SUM = (Receive("sum", "e", "1^T"), Compute("c", "normaliser.log_sum", ("c", "sum")))
_ROUND = Turn("normaliser", _SUM, sends="c", counted="normaliser")
_FIRST_ROUND = Turn(
    "normaliser", (Compute("c", "normaliser.rise", ("c",)), *_SUM), sends="c", counted="normaliser"
)


@lru_cache(maxsize=64)
def turns(rounds: int) -> tuple[Turn, ...]:
    """The turns of a period, one a step.

    Parameters
    ----------
    rounds : int
        Of the normaliser; 0 for rectified powers, which have none.
    """
    if rounds == 0:
        return _FEATURES, _POWER
    return (
        _FEATURES,
        _FIRST_EXPONENTIALS,
        _FIRST_ROUND,
        *(_EXPONENTIALS, _ROUND) * (rounds - 1),
        _PROBABILITIES,
    )


def table(period: tuple[Turn, ...]) -> str:
    """The turns of a period as text, a line an operation.

    Examples
    --------
    >>> print(table(turns(0)))
    step  population  does
    0     visible     arriving = W^T p
                      v = visible.relax(v, arriving, input_visible, clamped) from period 1 on
                      m = visible.change(v, sent)
                      sent = visible.add(sent, m)
                      send m
    1     hidden      total += W m
                      h = hidden.relax(h, total, input_hidden) from period 1 on
                      p = hidden.output(h)
                      send p
    """
    lines = ["step  population  does"]
    for step, turn in enumerate(period):
        first = f"{step:<5} {turn.population:<11} "
        for operation in (*turn.operations, f"send {turn.sends}"):
            lines.append(f"{first}{operation}")
            first = " " * len(first)
    return "\n".join(lines)


class Interpreter:
    """Carries out the turns of a period, over and over.

    Parameters
    ----------
    period : tuple of Turn
    values : dict of str to Any
        Signals at the start.
    functions : mapping of str to callable
        The functions of the turns, in some arithmetic.
    connections : mapping of str to callable
        `CONNECTIONS`: from a message, or None if nothing was sent, and what it is added to, or
        None, to the signal.
    inputs : callable
        The driven inputs of a period, by the names of their signals.

    Attributes
    ----------
    values : dict of str to Any
        Signals at the end of the last step.
    turn : Turn
        That of the last step.
    """

    def __init__(
        self,
        period: tuple[Turn, ...],
        values: dict[str, Any],
        functions: Mapping[str, Callable[..., Any]],
        connections: Mapping[str, Callable[[Any, Any], Any]],
        inputs: Callable[[int], Mapping[str, Any]],
    ) -> None:
        self.period, self.values, self.turn = period, values, period[-1]
        self._functions, self._connections, self._inputs = functions, connections, inputs
        received = (x for turn in period for x in turn.operations if isinstance(x, Receive))
        # Messages sent one step ago, two steps ago, ...
        self._under_way: list[dict[str, Any]] = [{}] * max(x.delay for x in received)
        bound = {id(turn): [self._bound(x) for x in turn.operations] for turn in period}
        self._steps = [bound[id(turn)] for turn in period]

    def step(self, t: int) -> None:
        """Step t."""
        number, phase = divmod(t, len(self.period))
        self.turn = self.period[phase]
        if phase == 0:
            self.values.update(self._inputs(number))
        for first_period, operation in self._steps[phase]:
            if number >= first_period:
                operation()
        self.send(self.turn.sends)

    def send(self, message: str) -> None:
        """Put a signal under way, as the message of the last step."""
        self._under_way = [{message: self.values[message]}, *self._under_way[:-1]]

    def _bound(self, operation: Receive | Compute) -> tuple[int, Callable[[], None]]:
        """The first period of an operation, and what it then does to `values`."""
        values, signal = self.values, operation.signal
        if isinstance(operation, Receive):
            through = self._connections[operation.through]
            message, ago, adds = operation.message, operation.delay - 1, operation.adds

            def receive() -> None:
                before = values[signal] if adds else None
                values[signal] = through(self._under_way[ago].get(message), before)

            return 0, receive
        function, names = self._functions[operation.function], operation.of
        read = itemgetter(*names)  # of one name it is the value, of several a tuple

        def compute() -> None:
            found = read(values)
            values[signal] = function(*found) if len(names) > 1 else function(found)

        return operation.first_period, compute
