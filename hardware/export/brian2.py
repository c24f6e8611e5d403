"""A network as one of Brian2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

import amsim as am
from amsim import checks
from amsim.dynamics.brian.build import build
from amsim.dynamics.brian.install import require_brian2
from amsim.dynamics.build_problem import build_problem


def brian2(
    network: am.Network,
    solver: Literal["ode", "events"] = "ode",
    timing: am.Timing | None = None,
    *,
    cue: ArrayLike | Mapping[str, ArrayLike] | None = None,
    clamp: Mapping[str, ArrayLike] | ArrayLike | None = None,
    inputs: Mapping[str, ArrayLike] | ArrayLike | None = None,
    quantum: float | Mapping[str, float] = 1e-2,
    dt: float | None = None,
    record_every: float | None = None,
    unit: Any = None,
    seed: checks.Seed = 0,
) -> Any:
    """Write a network with Brian2's groups, synapses and monitors.

    Parameters
    ----------
    network : amsim.Network
        Layers with Lagrangians Identity, Tanh, Sigmoid, Sign, ReLU, RectifiedPower, Exponential,
        Softmax or Entmax, joined by `Dense` or `Directed` synapses.
    solver, timing, quantum, dt
        As of `amsim.Brian2`: outputs summed at every step ("ode"), or messages ("events") with
        the delays of `timing`.
    cue : array_like (*batch, *shape) or mapping of layer names to such arrays, optional
        Where it starts, as in `amsim.simulate`; all states are 0 by default. All cues of a batch
        are in the network: unit u of cue b is number b * size + u of its group.
    clamp, inputs
        As in `amsim.simulate`; inputs are constant.
    record_every : float, optional
        Time between the records of the states, in the unit of tau; every step by default.
    unit : brian2.Quantity, optional
        What one unit of tau, dt, delays and record_every is; 1 second by default.
    seed : int, SeedSequence or Generator, default 0
        Of delays drawn from a distribution, and of `tau_spread`; the draws of `EventDriven`.

    Returns
    -------
    brian2.Network
        With, for layers "visible" and "hidden": the groups "visible" and "hidden" (state x,
        output g), the synapses "visible_to_hidden" and "hidden_to_visible", the state monitors
        "visible_states" and "hidden_states", and for "events" the event monitors "visible_rise",
        "visible_fall", ... of messages. A softmax layer adds "hidden_normaliser" and "hidden_sum".

    Raises
    ------
    MissingDependencyError
        If Brian2 is not installed.
    ValueError, TypeError
        If an argument does not fit the network, or has no counterpart in Brian2; the message
        names it and the remedy.

    Examples
    --------
    >>> import amsim as am
    >>> from hardware import export
    >>> net = am.dense_am(am.patterns.random(3, 16, seed=0))
    >>> model = export.brian2(net, cue=am.patterns.random(3, 16, seed=0)[0])
    >>> len(model["visible"]), len(model["hidden_to_visible"])
    (16, 48)
    """
    checks.instance("network", network, am.Network, "a Network")
    library = require_brian2()
    if unit is not None:
        checks.instance("unit", unit, library.Quantity, "a time of Brian2, such as 10 * brian2.ms")
    if unit is not None and not library.have_same_dimensions(unit, library.second):
        raise ValueError(f"unit is {unit!r}; use a time of Brian2, such as 10 * brian2.ms")
    if record_every is not None:
        record_every = checks.number(
            "record_every", record_every, at_least=checks.SMALLEST, at_most=checks.LARGEST
        )
    options = am.Brian2(solver=solver, timing=timing, quantum=quantum, dt=dt)
    if cue is None:
        cue = {name: np.zeros(layer.shape) for name, layer in network.dynamic.items()}
    problem, _ = build_problem(network, cue, clamp=clamp, inputs=inputs, seed=seed)
    if problem.driven:
        raise ValueError("brian2: inputs of an exported network are constant; give arrays")
    step = options.step(network)
    return build(
        problem, options, unit=unit, record=step if record_every is None else record_every
    ).network
