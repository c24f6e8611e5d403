"""What both bridges call: a recall in NumPy, and its derivative at the rest."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..dynamics import Settled, simulate
from ..dynamics.build_problem import build_problem
from ..errors import SettlingWarning
from ..learning.adjoint import Adjoint
from ..learning.gradients import force_gradient
from ..network import Network
from ..parameters import Tree
from ..progress import whole_runs
from ..synapses import Array

_SOLVED, _UNSOLVED = 1e-11, 1e-6


@dataclass(frozen=True, eq=False)
class Rest:
    """Recall with a network of any parameters.

    Attributes
    ----------
    network : Network
    clamp, solver, until, t1
        As for `simulate`.
    """

    network: Network
    clamp: Any
    solver: Any
    until: Settled
    t1: float | None

    def states(self, parameters: Tree, cue: ArrayLike) -> dict[str, Array]:
        """Where cues (*batch, *shape) of layer "visible" end; NaN for those that do not settle."""
        with whole_runs():
            traj = simulate(
                self.network.with_parameters(parameters), np.asarray(cue, np.float64),
                clamp=self.clamp, solver=self.solver, until=self.until, t1=self.t1,
            )  # fmt: skip
        lost = traj.codes != 0
        if lost.any():
            warnings.warn(
                f"{int(lost.sum())} of {lost.size} cues did not settle ({traj.status}): they come "
                f"out as NaN, and have no derivative",
                SettlingWarning,
                stacklevel=2,
            )
        return {
            name: np.where(lost.reshape(*lost.shape, *[1] * (x.ndim - lost.ndim)), np.nan, x)
            for name, x in traj.final.items()
        }

    def pull_back(
        self, parameters: Tree, states: Mapping[str, Array], slopes: Mapping[str, Array]
    ) -> tuple[Tree, Array]:
        """Derivatives by the parameters, and by the cue (*batch, *shape): by its clamped units.

        A free unit of the cue chooses the rest, which does not move with it.
        """
        net = self.network.with_parameters(parameters)
        cue = states["visible"]
        problem, _ = build_problem(net, np.nan_to_num(cue), clamp=self.clamp)
        flat, given = (
            {n: np.asarray(x).reshape(-1, *net.layers[n].shape) for n, x in part.items()}
            for part in (states, slopes)
        )
        good = np.all([np.isfinite(x.reshape(len(x), -1)).all(axis=1) for x in flat.values()], 0)
        tree = {n: {k: np.zeros(x.shape) for k, x in p.items()} for n, p in parameters.items()}
        back = np.zeros(flat["visible"].shape)
        if not good.any():
            return tree, back.reshape(cue.shape)
        held = {name: mask[good] for name, mask in problem.clamped.items()}
        system = Adjoint(net, {n: x[good] for n, x in flat.items()}, held)
        own = {n: x[good] for n, x in given.items()}
        found, left = system.solve(own, _SOLVED)
        if (left > _UNSOLVED).any():
            warnings.warn(
                "the linear system of some cues has no clear solution, as near a bifurcation",
                SettlingWarning,
                stacklevel=2,
            )
        for name, part in force_gradient(system, found).items():
            for key, value in part.items():
                if key in tree.get(name, {}):
                    tree[name][key] = value
        if "visible" in held:
            pulled = system.pull_back(found).get("visible", np.zeros_like(own["visible"]))
            lagrangian = net.layers["visible"].lagrangian
            moved = lagrangian.hessian_product(system.states["visible"], pulled) + own["visible"]
            back[good] = np.where(held["visible"], moved, 0.0)
        return tree, back.reshape(cue.shape)
