"""Whether Lava works on this machine."""

from __future__ import annotations

import amsim as am

from ..emulator import emulate
from ..jobs import prepare
from ..plan import Plan
from ..planner import compile
from .backend import run
from .workers import LavaError


def self_test() -> None:
    """Recall a small pattern in Lava, process by process, and compare it with the emulator.

    Raises
    ------
    LavaError
        If the graph fails, or computes other integers.
    MissingDependencyError
        If Lava cannot be imported.

    Examples
    --------
    >>> hardware.lava.self_test()                                      # doctest: +SKIP
    """
    patterns = am.patterns.random(2, 8, seed=0)
    plan = compile(am.dense_am(patterns))
    assert isinstance(plan, Plan)
    job, _ = prepare(plan, am.patterns.corrupt(patterns, flip=0.2, seed=1), steps=10 * plan.period)
    found, expected = run(plan, job).final, emulate(plan, job).final
    for name, state in expected.items():
        if (found[name] != state).any():
            raise LavaError(
                f"Lava computes other states of {name} than the emulator: do not trust it here"
            )
