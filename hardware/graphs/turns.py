"""The schedule of any network: which layers compute what in which step, made from its graph.

Layers without a projection between them take their turns together, in stages; the cued ones come
first, algebraic ones last, when what they follow has moved. A layer has one step; a softmax has one
for its exponentials, two for every round of its normaliser, and the last one for p. Every layer
sends changes m of its output, which arrive in the next step, whoever has a turn in it, and are
added to the sums of the projections.

Signals of a layer, and of a softmax and its normaliser, by names such as "hidden.x":

========= =======================================================================================
x         state
drive     the sums of all projections, in the integers of x
m, sent   the message, a change of the output, and the sum of all so far
a, e, p   logits, messages in a round, probabilities
c_known   the last c that arrived
c, sum    of the population "hidden.normaliser": the logarithm of the sum, and what arrived
========= =======================================================================================

and of a projection "hidden->visible.total", the sum of all that arrived through it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..schedule import Compute, Interpreter, Receive, Turn

if TYPE_CHECKING:
    from .plan import GraphPlan

Step = tuple[Turn, ...]


def stages(plan: GraphPlan) -> list[list[str]]:
    """Groups of layers that take their turns together: no two of them are connected."""
    joined = {frozenset((each.source, each.target)) for each in plan.projections}

    def apart(name: str, group: Iterable[str]) -> bool:
        return not any(frozenset((name, other)) in joined for other in group)

    def algebraic(name: str) -> bool:
        return plan.network.layers[name].algebraic

    found: list[list[str]] = []
    order = sorted(plan.layers, key=lambda name: (algebraic(name), name not in plan.cued))
    for name in order:
        # Algebraic layers come after all others.
        open_ = [g for g in found if algebraic(g[0]) == algebraic(name) and apart(name, g)]
        if open_:
            open_[0].append(name)
        else:
            found.append([name])
    return found


def steps_of(plan: GraphPlan) -> tuple[Step, ...]:
    """The steps of a period."""
    steps: list[dict[str, list[Turn]]] = []
    begins = 0
    for group in stages(plan):
        length = 0
        for name in group:
            turns = list(_turns(plan, name))
            length = max(length, len(turns))
            steps += [{} for _ in range(begins + len(turns) - len(steps))]
            for phase, turn in enumerate(turns, begins):
                steps[phase].setdefault(turn.population, []).append(turn)
        begins += length
    _deliver(plan, steps)
    return tuple(tuple(_joined(turns) for turns in step.values()) for step in steps)


def _deliver(plan: GraphPlan, steps: list[dict[str, list[Turn]]]) -> None:
    """In the step after a message it is added to the sums of all projections of its layer."""
    for name in plan.layers:
        sent = next(
            phase
            for phase, step in enumerate(steps)
            for turn in step.get(name, ())
            if turn.counted == name
        )
        arrives = steps[(sent + 1) % len(steps)]
        for each in plan.projections:
            if each.source == name:
                adds = Receive(f"{each.name}.total", f"{name}.m", each.name, adds=True)
                arrives.setdefault(each.target, []).insert(0, Turn(each.target, (adds,), "", ""))


def _joined(turns: list[Turn]) -> Turn:
    """What a population does in a step, as one turn; one of them at most sends."""
    sender = turns[-1]
    operations = tuple(operation for turn in turns for operation in turn.operations)
    return Turn(sender.population, operations, sender.sends, sender.counted)


def _turns(plan: GraphPlan, name: str) -> Iterable[Turn]:
    """The turns of a layer and of its normaliser, one a step."""
    totals = (f"{each.name}.total" for each in plan.onto(name))
    moves = (
        Compute(f"{name}.drive", f"{name}.gather", (f"{name}.x", *totals)),
        Compute(
            f"{name}.x",
            f"{name}.relax",
            tuple(f"{name}.{x}" for x in ("x", "drive", "input", "clamped")),
            first_period=1,
        ),
    )
    adds = Compute(f"{name}.sent", f"{name}.add", (f"{name}.sent", f"{name}.m"))
    normaliser = plan.layers[name].normaliser
    if normaliser is None:
        message = Compute(f"{name}.m", f"{name}.change", (f"{name}.x", f"{name}.sent"))
        yield Turn(name, (*moves, message, adds), f"{name}.m", name)
        return
    e, c, known = f"{name}.e", f"{name}.c", f"{name}.c_known"
    exponential = Compute(e, f"{name}.exponential", (f"{name}.a", known))
    yield Turn(
        name,
        (
            *moves,
            Compute(f"{name}.a", f"{name}.logit", (f"{name}.x",)),
            Compute(known, f"{name}.rise", (known,)),
            exponential,
        ),
        e,
        f"{name}.rounds",
    )
    rises = (Compute(c, f"{name}.rise", (c,)),)
    heard = Receive(known, c, f"{name}.one")
    for number in range(normaliser.rounds):
        yield Turn(
            f"{name}.normaliser",
            (
                *(rises if number == 0 else ()),
                Receive(f"{name}.sum", e, f"{name}.ones"),
                Compute(c, f"{name}.log_sum", (c, f"{name}.sum")),
            ),
            c,
            f"{name}.normaliser",
        )
        if number < normaliser.rounds - 1:
            yield Turn(name, (heard, exponential), e, f"{name}.rounds")
    yield Turn(
        name,
        (
            heard,
            Compute(f"{name}.p", f"{name}.probability", (f"{name}.a", known)),
            Compute(f"{name}.m", f"{name}.difference", (f"{name}.p", f"{name}.sent")),
            adds,
        ),
        f"{name}.m",
        name,
    )


def table(steps: tuple[Step, ...]) -> str:
    """The steps of a period as text, a line an operation."""
    width = max(len(turn.population) for step in steps for turn in step)
    lines = [f"step  {'population':{width}}  does"]
    for number, step in enumerate(steps):
        first = f"{number:<5} "
        for turn in step:
            first = f"{first}{turn.population:{width}}  "
            sends = (f"send {turn.sends}",) if turn.sends else ()
            for operation in (*turn.operations, *sends):
                lines.append(f"{first}{operation}")
                first = " " * len(first)
            first = " " * 6
    return "\n".join(lines)


def signals(plan: GraphPlan) -> tuple[str, ...]:
    """What can be recorded: states by the names of their populations, and "..._out" messages."""
    names = []
    for name, units in plan.layers.items():
        names += [name, f"{name}_out"]
        if units.normaliser is not None:
            names += [f"{name}.normaliser", f"{name}.normaliser_out", f"{name}.rounds_out"]
    return tuple(names)


def begins(plan: GraphPlan) -> dict[str, int]:
    """The step of a period in which the turns of each layer begin."""
    found: dict[str, int] = {}
    for phase, step in enumerate(plan.schedule):
        for turn in step:
            if turn.sends and turn.population in plan.layers:
                found.setdefault(turn.population, phase)
    return found


def kinds(plan: GraphPlan) -> tuple[str, ...]:
    """What messages are counted as."""
    counted = (turn.counted for step in plan.schedule for turn in step if turn.counted)
    return tuple(dict.fromkeys(counted))


class StepInterpreter(Interpreter):
    """Carries out steps in which several populations have turns.

    Attributes
    ----------
    values : dict of str to Any
        Signals at the end of the last step.
    now : tuple of Turn
        Those of the last step.
    """

    def __init__(
        self,
        steps: tuple[Step, ...],
        values: dict[str, Any],
        functions: Mapping[str, Callable[..., Any]],
        connections: Mapping[str, Callable[[Any, Any], Any]],
        inputs: Callable[[int], Mapping[str, Any]],
    ) -> None:
        turns = tuple(turn for step in steps for turn in step)
        super().__init__(turns, values, functions, connections, inputs)
        bound = iter(self._steps)
        self._each = [[next(bound) for _ in step] for step in steps]
        self.steps, self.now = steps, steps[-1]

    def step(self, t: int) -> None:
        """Step t."""
        number, phase = divmod(t, len(self.steps))
        self.now = self.steps[phase]
        if phase == 0:
            self.values.update(self._inputs(number))
        for operations in self._each[phase]:
            for first_period, operation in operations:
                if number >= first_period:
                    operation()
        sent = {turn.sends: self.values[turn.sends] for turn in self.now if turn.sends}
        self._under_way = [sent, *self._under_way[:-1]]
