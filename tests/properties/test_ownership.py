"""What is built from arrays owns them: what their giver does to them later changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import amsim as am
import hardware as hw
from amsim import binary, estimators, models, synapses

K, D = 3, 8
STATE = np.linspace(-1.0, 1.0, D)


def shown(value: Any, depth: int = 3) -> Iterator[np.ndarray[Any, Any]]:
    """Arrays among the public attributes of what was built, and of its parts."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (tuple, list)) or hasattr(value, "values"):
        for item in value.values() if hasattr(value, "values") else value:
            yield from shown(item, depth)
    elif depth and type(value).__module__.split(".")[0] in ("amsim", "hardware"):
        for name, item in vars(value).items():
            if not name.startswith("_"):
                yield from shown(item, depth - 1)


def everything(network: am.Network) -> list[Any]:
    """Energy, forces and a recall, which keep compact copies of the weights."""
    state = {name: np.full(layer.shape, 0.3) for name, layer in network.layers.items()}
    recall = am.simulate(network, state, t1=1.0, until=None).final
    return [network.energy(state), *network.force(state).values(), *recall.values()]


def of_layer(lagrangian: am.Lagrangian, tau: Any, bias: Any) -> list[Any]:
    layer = am.Layer(D, lagrangian, tau=tau, bias=bias)
    return [am.Network({"x": layer}, []), everything]


def between(synapse: Any, **layers: int) -> list[Any]:
    made = {name: am.Layer(size, am.Tanh()) for name, size in layers.items()}
    return [am.Network(made, [synapse]), everything]


def drawn(rng: np.random.Generator, shape: tuple[int, ...] | str) -> Any:
    """Numbers of a shape, or the mask of three tokens that see the one before them."""
    return np.roll(np.eye(3), 1, 0) > 0 if isinstance(shape, str) else rng.normal(size=shape)


CASES: dict[str, tuple[Callable[..., list[Any]], tuple[tuple[int, ...] | str, ...]]] = {
    "Layer": (lambda tau, bias: of_layer(am.Tanh(), np.abs(tau, out=tau), bias), ((D,), (D,))),
    "LayerNorm": (lambda delta: of_layer(am.LayerNorm(delta=delta), 1.0, 0.0), ((D,),)),
    "Dense": (lambda w: between(am.Dense(w), hidden=K, visible=D), ((K, D),)),
    "MultiBody": (
        lambda t: between(am.MultiBody(t, ("a", "b", "c")), a=2, b=3, c=4), ((2, 3, 4),),
    ),
    "Convolution": (
        lambda k: [
            am.Network(
                {"hidden": am.Layer((5, 2), am.Tanh()), "visible": am.Layer((6, 1), am.Tanh())},
                [am.Convolution(k)],
            ),
            everything,
        ],
        ((2, 2, 1),),
    ),
    "Attention": (
        lambda k, q: [
            am.Network(
                {"tokens": am.Layer((3, D), am.LayerNorm())}, [am.Attention(k, q, beta=1.0)]
            ),
            everything,
        ],
        ((1, 2, D), (1, 2, D)),
    ),
    "Memories": (
        lambda w, b: between(synapses.Memories(w, am.ReLU(), bias=b), visible=D), ((K, D), (K,)),
    ),
    "Epanechnikov": (lambda w: between(synapses.Epanechnikov(w), visible=D), ((K, D),)),
    "Attention with a mask": (
        lambda k, seen: [
            am.Network(
                {"tokens": am.Layer((3, D), am.LayerNorm())},
                [am.Attention(k, k, mask=seen, exclude_self=True)],
            ),
            everything,
        ],
        ((1, 2, D), "mask"),
    ),
    "Manhattan": (
        lambda w: [am.dense_am(w, hidden=am.Softmax(2.0), similarity="manhattan"), everything],
        ((K, D),),
    ),
    "dense_am": (
        lambda w, a, b: [am.dense_am(w, bias_visible=a, bias_hidden=b), everything],
        ((K, D), (D,), (K,)),
    ),
    "BinaryMemory": (
        lambda w: [
            binary.BinaryMemory(np.sign(w, out=w)),
            lambda memory: [memory.energy(np.ones(D)), memory.recall(np.ones(D)).final],
        ],
        ((K, D),),
    ),
    "DiffusionMemory": (
        lambda w: [
            models.diffusion_memory(w), lambda memory: [memory.denoise(STATE, 0.5)],
        ],
        ((K, D),),
    ),
    "RandomFeatureMemory": (
        lambda w, omega: [
            models.random_feature_memory(w, 1.0, omega=omega),
            lambda memory: [memory.energy(STATE), memory.force(STATE)],
        ],
        ((K, D), (20, D)),
    ),
    "AssociativeClassifier": (
        lambda w: [
            estimators.AssociativeClassifier().fit(w, np.arange(K)),
            lambda model: [model.predict_proba(STATE[None])],
        ],
        ((K, D),),
    ),
    "Plan": (
        lambda w: [
            hw.compile(am.dense_am(np.sign(w, out=w))),
            lambda plan: [hw.run(plan, STATE, steps=40).final["visible"]],
        ],
        ((K, D),),
    ),
    "Timing": (
        lambda d: [
            am.Timing(delay=np.abs(d, out=d)),
            lambda timing: [
                am.simulate(
                    am.dense_am(np.eye(K, D)), STATE, solver=am.EventDriven(1e-2, timing), t1=3.0
                ).final["visible"]
            ],
        ],
        ((K + D,),),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_arrays_are_owned(case: Any) -> None:
    make, shapes = case
    rng = np.random.default_rng(0)
    given = [drawn(rng, shape) for shape in shapes]
    built, results = make(*given)
    before = results(built)
    for array in given:
        array[...] = 7.0
    for old, new in zip(before, results(built), strict=True):
        np.testing.assert_array_equal(old, new)
    # Cached forms and a first result after the change are those of the same weights.
    given = [drawn(rng, shape) for shape in shapes]
    again, results = make(*given)
    copies = [array.copy() for array in given]
    for array in given:
        array[...] = 7.0
    other, _ = make(*copies)
    for old, new in zip(results(again), results(other), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_arrays_that_are_shown_cannot_be_written_to(case: Any) -> None:
    make, shapes = case
    rng = np.random.default_rng(0)
    built, _ = make(*(drawn(rng, shape) for shape in shapes))
    # The integers of a plan are its own, and serve its compiled loops as they are.
    for array in shown(getattr(built, "network", built)):
        assert not array.flags.writeable
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True
