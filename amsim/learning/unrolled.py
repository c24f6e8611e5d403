"""Backpropagation through the updates of `FixedPoint` and the steps of `GradientDescent`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..dynamics import FixedPoint, GradientDescent
from ..dynamics.fixed_point import update_order
from ..dynamics.problem import Problem
from ..parameters import Tree, beta_slope
from ..synapses import Array
from .adjoint import Adjoint

Slopes = Callable[[Mapping[str, Array]], dict[str, Array]]


def unroll(
    problem: Problem, solver: FixedPoint | GradientDescent, slopes: Slopes
) -> tuple[dict[str, Array], Tree, Array]:
    """States after all updates, the derivative of the loss, and the packed states."""
    if isinstance(solver, FixedPoint):
        return _Updates(problem).run(solver.max_updates, slopes)
    return _Steps(problem, solver.step).run(solver.steps, slopes)


class _Chain:
    """Moves of layers, forwards and back."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.network = problem, problem.network
        self.inputs = {n: x for n, x in problem.inputs.items() if isinstance(x, np.ndarray)}
        self.tree: Tree = {
            name: {key: np.zeros(x.shape) for key, x in part.items() if key != "tau"}
            for name, part in self.network.parameters().items()
        }

    def external(self, name: str) -> Array:
        return np.asarray(self.network.layers[name].bias + self.inputs.get(name, 0.0))

    def add(self, system: Adjoint, u: Mapping[str, Array]) -> dict[str, Array]:
        """Account for u . force at these states; returns the derivative by all states."""
        pulled = system.pull_back(u)
        for name, part in pulled.items():
            lagrangian = self.network.layers[name].lagrangian
            if lagrangian.tempered:
                total = np.sum(part * beta_slope(lagrangian, system.states[name]))
                self.tree[name]["beta"] = self.tree[name]["beta"] + total
        for synapse in self.network.synapses:
            if not any(name in u for name in synapse.between):
                continue
            active = [system.activations[name] for name in synapse.between]
            along = [
                u.get(n, np.zeros_like(g)) for n, g in zip(synapse.between, active, strict=True)
            ]
            for key, value in synapse.force_gradient(active, along).items():
                self.tree[synapse.name][key] = self.tree[synapse.name][key] + value
        layers = self.network.layers
        return {
            n: np.asarray(layers[n].lagrangian.hessian_product(system.states[n], part))
            for n, part in pulled.items()
        }

    def add_bias(self, name: str, u: Array) -> None:
        if "bias" in self.tree[name]:
            self.tree[name]["bias"] = self.tree[name]["bias"] + u.sum(axis=0)

    def free(self, name: str, values: Array) -> Array:
        mask = self.problem.clamped.get(name)
        return values if mask is None else np.where(mask, 0.0, values)


class _Updates(_Chain):
    """Layers take their algebraic value one after the other, as `FixedPoint` does it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.order = update_order(problem.network)
        self._check_start()

    def _check_start(self) -> None:
        """Refuse starts that follow from the parameters and are read before they are replaced."""
        known = set(self.problem.given)
        for name in self.order:
            for synapse in self.network.synapses:
                for slot, read in synapse.dependencies():
                    unknown = set(read) - known
                    if synapse.between[slot] == name and unknown:
                        raise ValueError(
                            f"method='unrolled': layer {name!r} reads the start of "
                            f"{', '.join(sorted(unknown))}, which follows from the parameters: "
                            f"give the states of all layers in a mapping"
                        )
            known.add(name)

    def run(self, count: int, slopes: Slopes) -> tuple[dict[str, Array], Tree, Array]:
        layers, order = self.network.layers, self.order
        zero = {n: np.zeros((self.problem.batch, *x.shape)) for n, x in layers.items()}
        states = {**zero, **self.problem.initial}
        seen: list[tuple[str, dict[str, Array]]] = []
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(count):
                for name in order:
                    seen.append((name, states))
                    states = {**states, name: self.moved(name, states)}
        flat = np.concatenate([x.reshape(len(x), -1) for x in states.values()], axis=1)
        back = {**zero, **slopes(states)}
        for name, before in reversed(seen):
            whole = back[name]
            u = self.free(name, whole)
            self.add_bias(name, u)
            back = {**back, name: whole - u}  # what a clamped unit had, it had before
            system = Adjoint(self.network, before, {})
            for other, part in self.add(system, {name: u / layers[name].leak}).items():
                back[other] = back[other] + part
        return states, self.tree, flat

    def moved(self, name: str, states: Mapping[str, Array]) -> Array:
        layer = self.network.layers[name]
        active = {n: x.lagrangian.activation(states[n]) for n, x in self.network.layers.items()}
        force = self.network.synaptic_force(name, active) / layer.leak
        new = np.broadcast_to(force + self.external(name), states[name].shape)
        mask = self.problem.clamped.get(name)
        return np.array(new if mask is None else np.where(mask, states[name], new))


class _Steps(_Chain):
    """Equal steps of all layers with tau > 0 down the energy, as `GradientDescent` takes them."""

    def __init__(self, problem: Problem, step: float) -> None:
        super().__init__(problem)
        self.step = step
        unknown = [name for name in self.network.dynamic if name not in problem.given]
        if unknown:
            raise ValueError(
                f"method='unrolled': the start of {', '.join(unknown)} follows from the "
                f"parameters: give the states of all layers with tau > 0 in a mapping"
            )

    def run(self, count: int, slopes: Slopes) -> tuple[dict[str, Array], Tree, Array]:
        net = self.network
        states, seen = dict(self.problem.initial), []
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(count):
                full = net.complete(states, self.inputs)
                seen.append(full)
                force = net.unchecked_force(states, self.inputs)
                states = {n: x + self.step * self.free(n, force[n]) for n, x in states.items()}
            last = net.complete(states, self.inputs)
        flat = np.concatenate([x.reshape(len(x), -1) for x in last.values()], axis=1)
        given = slopes(last)
        back = {n: given.get(n, np.zeros_like(x)) for n, x in states.items()}
        followed = {n: u for n, u in given.items() if n not in states}
        self.descend(Adjoint(net, last, {}), followed, back)
        for full in reversed(seen):
            u = {n: self.step * self.free(n, x) for n, x in back.items()}
            system = Adjoint(net, full, {})
            for name, part in u.items():
                leak = net.layers[name].leak
                self.add_bias(name, leak * part)
                back[name] = back[name] - leak * part
            followed = {}
            for name, part in self.add(system, u).items():
                place: dict[str, Array] = back if name in back else followed
                place[name] = place[name] + part if name in place else part
            self.descend(system, followed, back)
        return last, self.tree, flat

    def descend(self, system: Adjoint, followed: Mapping[str, Array], back: dict[str, Any]) -> None:
        """Through layers with tau = 0, x = I + force / leak, to those that they follow."""
        for name, u in followed.items():
            self.add_bias(name, u)
            u = u / self.network.layers[name].leak
            for other, part in self.add(system, {name: u}).items():
                back[other] = back[other] + part
