"""Recalls of which states of the memories are too many to be kept: what is left to show of them."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from .files import Floats
from .task import Ends, Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..dynamics import Trajectory


def features_alone(traj: Trajectory) -> Trajectory:
    """The trajectory of the layer "visible" that was recorded, as if there were no other."""
    from ..dynamics import Trajectory
    from ..dynamics.problem import Stored

    states = traj["visible"]
    return Trajectory(
        times=traj.times,
        layers={"visible": states.shape[2:]},
        record=Stored({"visible": states}),
        final=Stored({"visible": states[-1:]}),
        energy=lambda: traj.energy,
        codes=traj.codes,
        settle_times=traj.settle_times,
        end_times=traj.end_times,
        message=lambda: traj.message,
        stats=traj.stats,
        batch=traj.codes.shape,
        time_label=traj.time_label,
        kept=traj.recorded,
    )


def ends_of(task: Task, traj: Trajectory) -> Ends:
    """`Ends`, by memories at rest with the features; each process looks at its own."""
    with nullcontext() if task.ranks is None else task.ranks.together():
        before, _, _ = _at_rest(task, task.cues)
        after, memory, weight = _at_rest(task, traj["visible"][-1])
    return Ends(before, after, memory, weight)


def _at_rest(task: Task, states: Floats) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Energies of features, the strongest memory of each, and its weight, each (n,)."""
    import numpy as np

    from ..dynamics.attention import attention, strongest
    from ..dynamics.loops import loop_of

    visible, hidden = (task.network.layers[name] for name in ("visible", "hidden"))
    loop = loop_of(task.network)
    assert loop is not None  # see `Task.network`
    ranks, beta = task.ranks, task.parameters["beta"]
    rows = slice(0, hidden.size) if ranks is None else ranks.rows(hidden.size)
    weights, bias = loop.weights[rows], hidden.bias[rows]
    shares = attention(states, weights, beta, bias, np.float64)
    best, memory = strongest(states, weights, bias)
    memory += rows.start
    if ranks is not None:
        shares, memory = shares.over(ranks), ranks.strongest(best, memory)
    peak, total = shares.peak[:, 0], shares.total[:, 0]
    energy = ((states / 2 - visible.bias) * states).sum(axis=1) - (peak + np.log(total)) / beta
    return energy, memory, 1 / total
