"""Phases: a network run to rest by any solver, freely, nudged, or with its targets clamped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..dynamics import Settled, simulate
from ..network import Network
from ..progress import whole_runs
from ..results import RunResult
from ..synapses import Array
from .adjoint import Masks, States
from .result import STATUSES


@runtime_checkable
class Settler(Protocol):
    """What runs phases and is no solver of `simulate`, such as `hardware.Integers`."""

    def settle(
        self, network: Network, states: Mapping[str, Array], *, clamp: Masks, inputs: States
    ) -> RunResult:
        """Run cues (B, *shape) of a network until they rest."""


@dataclass(frozen=True, eq=False)
class Runner:
    """How phases are run: all by the same solver, with the same seed.

    Links and clocks of a network with timing have one delay each, in every phase.
    """

    network: Network
    clamp: Masks
    inputs: States
    solver: Any
    until: Settled | None
    t1: float | None
    seed: Any

    def run(self, states: States, added: States | None = None, clamp: Masks | None = None) -> Phase:
        """Go to rest from states (B, *shape), with inputs beside those that there are."""
        inputs = dict(self.inputs)
        for name, extra in (added or {}).items():
            inputs[name] = inputs[name] + extra if name in inputs else extra
        held = self.clamp if clamp is None else clamp
        with whole_runs():  # no gradient is that of half a phase
            if isinstance(self.solver, Settler):
                found = self.solver.settle(self.network, states, clamp=held, inputs=inputs)
            else:
                found = simulate(
                    self.network, states, solver=self.solver, clamp=held, inputs=inputs,
                    until=self.until, t1=self.t1, seed=self.seed,
                )  # fmt: skip
        return Phase(self.network, dict(found.final), found.statuses, inputs, held)


@dataclass(frozen=True, eq=False)
class Phase:
    """Where cues ended.

    Attributes
    ----------
    states : dict of str to ndarray (B, *shape)
        Of all layers.
    statuses : ndarray of str (B,)
    inputs, clamp : mapping
        What the phase was run with.
    """

    network: Network
    states: dict[str, Array]
    statuses: NDArray[np.str_]
    inputs: States
    clamp: Masks = field(default_factory=dict)

    @property
    def settled(self) -> NDArray[np.bool_]:
        """Whether each cue came to rest."""
        return np.asarray(self.statuses == "settled")

    @property
    def residuals(self) -> Array:
        """The largest |tau dx/dt| of a free unit, (B,)."""
        with np.errstate(over="ignore", invalid="ignore"):
            force = self.network.unchecked_force(self.states, self.inputs)
        largest = np.zeros(len(self.statuses))
        for name, part in force.items():
            free = np.where(self.clamp[name], 0.0, part) if name in self.clamp else part
            np.maximum(largest, np.abs(free).reshape(len(free), -1).max(axis=1), out=largest)
        return largest

    def select(self, cues: NDArray[np.bool_]) -> Phase:
        """Some of the cues."""
        return replace(
            self,
            states=chosen(self.states, cues),
            statuses=self.statuses[cues],
            inputs=chosen(self.inputs, cues),
            clamp={name: mask[cues] for name, mask in self.clamp.items()},
        )


def chosen(parts: Mapping[str, Any], cues: NDArray[np.bool_]) -> dict[str, Any]:
    """Rows of every array."""
    return {name: part[cues] for name, part in parts.items()}


def worst(*statuses: NDArray[np.str_]) -> NDArray[np.str_]:
    """The worst status of each cue over several phases."""
    codes = [[STATUSES.index(each) for each in part.tolist()] for part in statuses]
    return np.asarray(np.array(STATUSES)[np.max(codes, axis=0)])
