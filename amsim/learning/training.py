"""`train`: mini-batches, an optimiser, early stopping, checkpoints that go on to the same bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks
from ..checks import Seed
from ..display import fields_html, fields_repr
from ..dynamics.build_problem import build_problem
from ..dynamics.problem import Problem
from ..network import Network
from ..parameters import Tree
from ..progress import Bar
from ..synapses import Array
from .chains import Likelihood
from .checkpoint import State, fingerprint, load, save
from .gradients import gradient
from .optimiser import SGD, Optimiser

_NEVER = ("tau", "beta")
_OPTIONS = ("clamp", "inputs", "method", "nudge", "centred", "solver", "until", "t1")


@dataclass(frozen=True, eq=False)
class Training:
    """What training led to.

    Attributes
    ----------
    network : Network
        After the last epoch; with `validate` the one with the lowest value.
    losses : ndarray (epochs,)
        Mean loss of the cues that were used, at the parameters of their mini-batches. Of
        `Likelihood` the mean energy of the data less that of the chains, over the temperature: 0
        where both agree.
    left_out : ndarray of int (epochs,)
        Cues that diverged or did not settle, and were not used.
    validation : ndarray (epochs,)
        What `validate` returned; empty without.
    best : int
        The epoch of `network`, from 0.
    stopped : str
        "epochs", or "patience" where `validate` did not fall any more.
    """

    network: Network
    losses: Array
    left_out: NDArray[np.int64]
    validation: Array
    best: int
    stopped: str

    __repr__ = fields_repr
    _repr_html_ = fields_html


def train(
    net: Network,
    cues: ArrayLike | Mapping[str, ArrayLike],
    loss: Any,
    *,
    epochs: int = 10,
    batch_size: int = 100,
    optimiser: Optimiser | None = None,
    learn: Mapping[str, Sequence[str]] | None = None,
    validate: Callable[[Network], float] | None = None,
    patience: int | None = None,
    checkpoint: str | Path | None = None,
    seed: Seed = 0,
    **options: Any,
) -> Training:
    """Descend a loss of many cues by mini-batches.

    Parameters
    ----------
    net : Network
    cues : array_like (n, *shape) or mapping of layer names to such
        An array has states of layer "visible", or of the only layer with tau > 0.
    loss : SquaredError, CrossEntropy, Likelihood, or an object with `select`
        Of all cues: ``loss.select(indices)`` is that of a mini-batch. `Likelihood` takes none of
        the options.
    epochs : int, default 10
        Passes through the cues.
    batch_size : int, default 100
    optimiser : optional
        `SGD()` by default; `Adam()`, or one of optax, such as ``optax.adamw(1e-3)``. It gets the
        mean gradient of the cues of a mini-batch.
    learn : mapping of layers and synapses to names of parameters, optional
        By default all but "tau" and "beta".
    validate : callable, optional
        A number for a network, the lower the better; asked after every epoch.
    patience : int, optional
        Epochs without a lower value after which training stops.
    checkpoint : path, optional
        Written after every epoch. If it is there, training goes on from it, to the same bits as if
        it had not been interrupted; `epochs` and `patience` may have changed, and what else is
        passed may not. Losses and optimisers of yours count by their `repr`.
    seed : optional
        Of the order of the cues, and, with `solver`, of the timing of each mini-batch.
    **options
        Of `gradient`: clamp, inputs, method, nudge, centred, solver, until, t1. Masks of `clamp`
        and inputs may be those of each cue, (n, *shape).

    Returns
    -------
    Training

    Raises
    ------
    ValueError, TypeError
        If an argument does not fit; if a whole epoch had no cue that settled; if a checkpoint is
        that of another training.

    Warns
    -----
    SettlingWarning
        As `gradient` does.

    Examples
    --------
    >>> import numpy as np
    >>> import amsim as am
    >>> rng = np.random.default_rng(0)
    >>> cues = rng.choice([-1.0, 1.0], (40, 3))
    >>> cues[:, 2] = 0.0
    >>> loss = am.learning.SquaredError("visible", cues[:, :1] * cues[:, 1:2], units=[2])
    >>> net = am.dense_am(rng.normal(size=(8, 3)), visible=am.Tanh(), hidden=am.Tanh(2.0))
    >>> found = am.learning.train(
    ...     net, cues, loss, clamp=[0, 1], epochs=5, batch_size=20, solver=am.FixedPoint()
    ... )
    >>> bool(found.losses[-1] < found.losses[0])
    True
    """
    checks.instance("net", net, Network, "a Network")
    epochs = checks.count("epochs", epochs)
    batch_size = checks.count("batch_size", batch_size)
    _check(loss, validate, patience, options)
    given = _given(net, cues, options)
    if hasattr(loss, "for_network"):
        loss = loss.for_network(net, (given.batch,))
    optimiser = SGD() if optimiser is None else optimiser
    root = checks.seed_number(seed)
    learned = _learned(net, learn)
    chains = loss.start(net) if isinstance(loss, Likelihood) else {}
    state = State(learned, optimiser.init(learned), learned, chains)
    path = None if checkpoint is None else checks.path("checkpoint", checkpoint)
    about = {} if path is None else {
        "seed": root, "batch_size": batch_size,
        "network": fingerprint(net.layers, net.synapses, learned),
        "set of cues": fingerprint(given.given), "loss": fingerprint(loss),
        "optimiser": fingerprint(optimiser), "set of options": fingerprint(options),
    }  # fmt: skip
    if path is not None and path.exists():
        state = load(path, state, about, validated=validate is not None)
    bar = Bar(total=epochs, desc="training", bar_format=_BAR)
    try:
        while state.epoch < epochs and not _patient(state.validation, patience):
            state = _epoch(net, given, loss, state, optimiser, batch_size, root, options)
            if validate is not None:
                value = checks.number("validate(network)", validate(_moved(net, state.parameters)))
                if value < min(state.validation, default=np.inf):
                    state.best = state.parameters
                state.validation.append(value)
            if path is not None:
                save(path, state, about)
            bar.show(state.epoch, f"loss {state.losses[-1]:.4g}")
    finally:
        bar.close()
    best = int(np.argmin(state.validation)) if state.validation else state.epoch - 1
    return Training(
        network=_moved(net, state.best if state.validation else state.parameters),
        losses=np.array(state.losses),
        left_out=np.array(state.left_out, np.int64),
        validation=np.array(state.validation),
        best=best,
        stopped="patience" if _patient(state.validation, patience) else "epochs",
    )


_BAR = "{desc}: epoch {n:.0f} of {total:.0f} |{bar}|{postfix} [{elapsed}]"


def _epoch(
    net: Network, cues: Problem, loss: Any, state: State, optimiser: Optimiser, size: int,
    root: int, options: Mapping[str, Any],
) -> State:  # fmt: skip
    """One pass through the cues: what is drawn depends on the epoch alone."""
    draws = np.random.SeedSequence(root, spawn_key=(state.epoch,))
    order = np.random.default_rng(draws).permutation(cues.batch)
    seeds = draws.generate_state(-(-cues.batch // size))
    parameters, inner, chains = state.parameters, state.optimiser, state.chains
    total, used, here = 0.0, 0, _moved(net, parameters)
    for number, start in enumerate(range(0, len(order), size)):
        chosen = np.sort(order[start : start + size])
        part, drawn = cues.select(chosen), int(seeds[number])
        if isinstance(loss, Likelihood):
            by_chains, value = loss.descend(here, part.given, chains, drawn)
            count, chains, tree = len(chosen), by_chains.chains, by_chains.parameters
            total += count * value
        else:
            held = {**options, "clamp": part.clamped, "inputs": part.inputs}
            found = gradient(here, part.given, loss.select(chosen), seed=drawn, **held)
            count = int(found.used.sum())
            if not count:
                continue
            tree = {n: {k: x / count for k, x in p.items()} for n, p in found.parameters.items()}
            total += found.loss
        mean = {n: {k: tree[n][k] for k in part} for n, part in parameters.items()}
        steps, inner = optimiser.update(mean, inner, parameters)
        parameters = {
            n: {k: x + np.asarray(steps[n][k], np.float64) for k, x in part.items()}
            for n, part in parameters.items()
        }
        try:
            here = _moved(net, parameters)
        except ValueError as error:
            raise ValueError(
                f"in epoch {state.epoch} a step led to what no network has: {error}: take a "
                f"smaller rate"
            ) from error
        used += count
    if not used:
        raise ValueError(
            f"in epoch {state.epoch} no cue settled: start from weights that are nearer to what "
            f"settles, or take a smaller rate or nudge"
        )
    return replace(
        state,
        parameters=parameters,
        optimiser=inner,
        chains=chains,
        losses=[*state.losses, total / used],
        left_out=[*state.left_out, cues.batch - used],
    )


def _given(net: Network, cues: Any, options: Mapping[str, Any]) -> Problem:
    """Cues (n, *shape) with what is clamped and added of each, checked."""
    problem, batch = build_problem(
        net, cues, clamp=options.get("clamp"), inputs=options.get("inputs")
    )
    if problem.driven:
        raise ValueError("inputs must be constant: a state that is driven does not settle")
    if len(batch) != 1:
        raise ValueError(
            f"cues must have one axis before those of their layers, (n, *shape); it is {batch} here"
        )
    return problem


def _moved(net: Network, parameters: Tree) -> Network:
    return net.with_parameters(parameters)


def _learned(net: Network, learn: Mapping[str, Sequence[str]] | None) -> Tree:
    here = net.parameters()
    if learn is None:
        learn = {n: [k for k in part if k not in _NEVER] for n, part in here.items()}
    checks.instance("learn", learn, Mapping, "a mapping of layers and synapses to parameters")
    found: Tree = {}
    for name, keys in learn.items():
        if name not in here:
            raise ValueError(f"learn names {name!r}; the network has {', '.join(here)}")
        checks.instance(f"learn[{name!r}]", keys, (list, tuple), "a list of names of parameters")
        for key in keys:
            if key not in here[name] or key == "tau":
                known = ", ".join(k for k in here[name] if k != "tau") or "nothing"
                raise ValueError(f"learn[{name!r}] has {key!r}; what can be trained is {known}")
        found[name] = {key: here[name][key].astype(np.float64) for key in keys}
    return found


def _patient(values: Sequence[float], patience: int | None) -> bool:
    """Whether the last values were no lower than one before them."""
    return (
        patience is not None and bool(values) and len(values) - 1 - int(np.argmin(values))
        >= patience
    )  # fmt: skip


def _check(loss: Any, validate: Any, patience: Any, options: Mapping[str, Any]) -> None:
    if isinstance(loss, Likelihood):
        if options:
            raise TypeError(
                f"Likelihood runs chains, and takes no argument {next(iter(options))!r}"
            )
    elif not callable(getattr(loss, "select", None)):
        raise TypeError(
            f"loss must be SquaredError(...), CrossEntropy(...) or an object with select(indices), "
            f"got {checks.shown(loss)}"
        )
    if not (validate is None or callable(validate)):
        raise TypeError(
            f"validate must be a function of a network, as lambda network: ..., or None, got "
            f"{checks.shown(validate)}"
        )
    if patience is not None:
        checks.count("patience", patience)
        if validate is None:
            raise ValueError("patience is about validate: pass both, or leave it out")
    if unknown := [name for name in options if name not in _OPTIONS]:
        raise TypeError(f"train has no argument {unknown[0]!r}; gradient takes {sorted(_OPTIONS)}")
