"""`train`: mini-batches, an optimiser, early stopping, checkpoints that go on to the same bits."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks
from ..checks import Seed
from ..display import fields_html, fields_repr
from ..files import naming_damage, open_archive, write_atomically
from ..network import Network
from ..parameters import Tree
from ..progress import Bar
from ..synapses import Array
from .chains import Likelihood
from .gradients import gradient
from .optimiser import SGD, Optimiser, leaves, with_leaves

FORMAT = "amsim training 1"
_NEVER = ("tau", "beta")
Cues = Array | Mapping[str, Array]


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


@dataclass(eq=False)
class _State:
    """Everything that a checkpoint holds."""

    parameters: Tree
    optimiser: Any
    best: Tree
    chains: dict[str, Array]
    losses: list[float] = field(default_factory=list)
    left_out: list[int] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)

    @property
    def epoch(self) -> int:
        return len(self.losses)


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
        it had not been interrupted.
    seed : optional
        Of the order of the cues, and, with `solver`, of the timing of each mini-batch.
    **options
        Of `gradient`: clamp, method, nudge, centred, solver, until, t1. Masks of `clamp` may be
        those of each cue, (n, *shape).

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
    given = _cues(cues)
    epochs = checks.count("epochs", epochs)
    batch_size = checks.count("batch_size", batch_size)
    _check(loss, validate, patience, options)
    optimiser = SGD() if optimiser is None else optimiser
    root = checks.seed_number(seed)
    learned = _learned(net, learn)
    chains = loss.start(net) if isinstance(loss, Likelihood) else {}
    state = _State(learned, optimiser.init(learned), learned, chains)
    about = {"seed": root, "batch_size": batch_size, "cues": _count(given)}
    path = None if checkpoint is None else checks.path("checkpoint", checkpoint)
    if path is not None and path.exists():
        state = _load(path, state, about)
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
                _save(path, state, about)
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
    net: Network, cues: Cues, loss: Any, state: _State, optimiser: Optimiser, size: int,
    root: int, options: Mapping[str, Any],
) -> _State:  # fmt: skip
    """One pass through the cues: what is drawn depends on the epoch alone."""
    draws = np.random.SeedSequence(root, spawn_key=(state.epoch,))
    every = _count(cues)
    order = np.random.default_rng(draws).permutation(every)
    seeds = draws.generate_state(-(-every // size))
    parameters, inner, chains = state.parameters, state.optimiser, state.chains
    total, used = 0.0, 0
    for number, start in enumerate(range(0, len(order), size)):
        chosen, here = np.sort(order[start : start + size]), _moved(net, parameters)
        shown, drawn = _rows(cues, chosen), int(seeds[number])
        if isinstance(loss, Likelihood):
            by_chains, value = loss.descend(here, shown, chains, drawn)
            count, chains, tree = len(chosen), by_chains.chains, by_chains.parameters
            total += count * value
        else:
            held = {"clamp": _clamp(net, options.get("clamp"), chosen, cues)}
            found = gradient(here, shown, loss.select(chosen), seed=drawn, **{**options, **held})
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
        left_out=[*state.left_out, every - used],
    )


def _cues(given: Any) -> Cues:
    """States (n, *shape), alone or by layer."""
    if not isinstance(given, Mapping):
        return checks.array("cues", given, empty=False, largest=checks.LARGEST)
    found = {
        name: checks.array(f"cues[{name!r}]", x, empty=False, largest=checks.LARGEST)
        for name, x in given.items()
    }
    if len({x.shape[:1] for x in found.values()}) != 1 or () in {x.shape for x in found.values()}:
        shapes = {name: x.shape for name, x in found.items()}
        raise ValueError(f"cues have shapes {shapes}; the first axis must be that of the cues")
    return found


def _count(cues: Cues) -> int:
    return len(next(iter(cues.values())) if isinstance(cues, Mapping) else cues)


def _rows(cues: Cues, chosen: NDArray[np.int64]) -> Cues:
    if isinstance(cues, Mapping):
        return {name: x[chosen] for name, x in cues.items()}
    return cues[chosen]


def _clamp(net: Network, clamp: Any, chosen: NDArray[np.int64], cues: Cues) -> Any:
    """What is clamped of the chosen cues: of masks by cue their rows, and what all share."""

    def rows(mask: Any, shape: tuple[int, ...]) -> Any:
        return np.asarray(mask)[chosen] if np.shape(mask) == (_count(cues), *shape) else mask

    if isinstance(clamp, Mapping):
        layers = net.layers
        return {n: rows(x, layers[n].shape) if n in layers else x for n, x in clamp.items()}
    alone = cues.get("visible") if isinstance(cues, Mapping) else cues
    return clamp if alone is None else rows(clamp, alone.shape[1:])


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
    known = {"clamp", "method", "nudge", "centred", "solver", "until", "t1"}
    if unknown := [name for name in options if name not in known]:
        raise TypeError(f"train has no argument {unknown[0]!r}; gradient takes {sorted(known)}")


def _save(path: Path, state: _State, about: Mapping[str, Any]) -> None:
    arrays = {
        f"{name}_{k}": array
        for name in ("parameters", "optimiser", "best", "chains")
        for k, array in enumerate(leaves(getattr(state, name)))
    }
    history = {"losses": state.losses, "left_out": state.left_out, "validation": state.validation}
    document = json.dumps({"format": FORMAT, **about, **history})
    write_atomically(path, lambda file: np.savez(file, json=np.array(document), **arrays))  # type: ignore[arg-type]


def _load(path: Path, start: _State, about: Mapping[str, Any]) -> _State:
    with naming_damage(path, "a checkpoint", "train"), open_archive(path) as archive:
        document = archive.json()
        if not isinstance(document, Mapping) or document.get("format") != FORMAT:
            raise ValueError("its JSON is that of something else")
        for name, value in about.items():
            if document.get(name) != value:
                raise ValueError(
                    f"it is of a training with {name} {document.get(name)!r}, not {value!r}: pass "
                    f"another path, or remove it"
                )
        trees = {}
        for name in ("parameters", "optimiser", "best", "chains"):
            old = getattr(start, name)
            arrays = [archive[f"{name}_{k}"] for k, _ in enumerate(leaves(old))]
            for found, expected in zip(arrays, leaves(old), strict=True):
                if found.shape != expected.shape:
                    raise ValueError(f"its {name} do not have the shapes of this network")
            trees[name] = with_leaves(old, iter(arrays))
        losses, left_out, validation = (
            list(document[name]) for name in ("losses", "left_out", "validation")
        )
        return _State(**trees, losses=losses, left_out=left_out, validation=validation)
