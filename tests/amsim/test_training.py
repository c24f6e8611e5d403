"""Training: what it descends, that it can be resumed to the same bits, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

import amsim as am
from amsim.errors import SettlingWarning
from amsim.learning import SGD, Adam, Likelihood, SquaredError, gradient, train

Array = npt.NDArray[Any]
RNG = np.random.default_rng(0)
CUES = np.concatenate([RNG.choice([-1.0, 1.0], (24, 3)), np.zeros((24, 1))], axis=1)
LOSS = SquaredError("visible", CUES[:, :1] * CUES[:, 1:2], units=[3])
OPTIONS: dict[str, Any] = {"clamp": [0, 1, 2], "solver": am.FixedPoint(), "batch_size": 7}


def network() -> am.Network:
    weights = np.random.default_rng(1).normal(size=(8, 4))
    return am.dense_am(weights, visible=am.Tanh(), hidden=am.Tanh(1.5))


def same(one: am.Network, other: am.Network) -> bool:
    first, second = one.parameters(), other.parameters()
    return all(np.array_equal(x, second[n][k]) for n, p in first.items() for k, x in p.items())


def test_a_product_of_two_units_is_learned() -> None:
    found = train(network(), CUES, LOSS, epochs=40, optimiser=SGD(0.05), **OPTIONS)
    assert found.losses[-1] < 0.1 * found.losses[0]
    assert found.left_out.sum() == 0
    shown = am.simulate(found.network, CUES, clamp=[0, 1, 2], solver=am.FixedPoint())
    assert (np.sign(shown.final["visible"][:, 3]) == CUES[:, 0] * CUES[:, 1]).all()
    assert found.network.layers["hidden"].lagrangian == am.Tanh(1.5)  # beta is not trained unasked


def test_one_step_is_the_mean_gradient_times_the_rate() -> None:
    net = network()
    options = {**OPTIONS, "batch_size": 24}
    found = train(net, CUES, LOSS, epochs=1, optimiser=SGD(0.1), **options)
    step = gradient(net, CUES, LOSS, clamp=[0, 1, 2], solver=am.FixedPoint())
    for name, part in step.parameters.items():
        for key in {*part} - {"beta"}:
            expected = net.parameters()[name][key] - 0.1 * part[key] / 24
            np.testing.assert_allclose(found.network.parameters()[name][key], expected, rtol=1e-12)
    assert found.losses[0] == pytest.approx(step.loss / 24)


def test_momentum_is_that_of_the_formula() -> None:
    one = {"a": {"x": np.array([1.0])}}
    sgd = SGD(0.5, 0.8)
    first, state = sgd.update(one, sgd.init(one), one)
    second, _ = sgd.update(one, state, one)
    assert first["a"]["x"][0] == -0.5 and second["a"]["x"][0] == pytest.approx(-0.9)


def test_cues_of_several_layers_are_a_mapping() -> None:
    options = {**OPTIONS, "epochs": 2}
    alone = train(network(), CUES, LOSS, **options)
    both = {"visible": CUES, "hidden": np.zeros((24, 8))}  # tau > 0, and rest does not depend on it
    found = train(network(), both, LOSS, **{**options, "clamp": {"visible": [0, 1, 2]}})
    one, other = (x.network.parameters()["hidden-visible"]["weights"] for x in (alone, found))
    np.testing.assert_allclose(one, other, rtol=1e-6)
    with pytest.raises(ValueError, match="different batch axes"):
        train(network(), {**both, "hidden": np.zeros((23, 8))}, LOSS, **options)


def test_persistent_chains_learn_a_distribution_and_resume_to_the_same_bits(
    tmp_path: Path,
) -> None:
    data = np.random.default_rng(3).normal([1.0, -2.0], 1.0, size=(200, 2))
    net = am.Network({"visible": am.Layer(2, am.Identity())}, [])
    loss = Likelihood(data[:50], temperature=1.0, t1=1.0, step=0.2)
    options: dict[str, Any] = {"batch_size": 100, "optimiser": SGD(0.3, 0.0)}
    whole = train(net, data, loss, epochs=8, **options)
    # The mean of the units is the bias, and its standard error that of 50 chains.
    bias = whole.network.parameters()["visible"]["bias"]
    np.testing.assert_allclose(bias, data.mean(axis=0), rtol=0, atol=0.4)
    path = tmp_path / "chains.npz"
    train(net, data, loss, epochs=5, checkpoint=path, **options)
    rest = train(net, data, loss, epochs=8, checkpoint=path, **options)
    assert same(whole.network, rest.network)
    np.testing.assert_array_equal(whole.losses, rest.losses)
    one = am.learning.chain_gradient(
        net, data, data[:50], temperature=1.0, t1=1.0, step=0.2,
        seed=int(np.random.SeedSequence(0, spawn_key=(0,)).generate_state(1)[0]),
    )  # fmt: skip
    first = train(net, data, loss, epochs=1, **{**options, "batch_size": 200})
    np.testing.assert_allclose(
        first.network.parameters()["visible"]["bias"], -0.3 * one.parameters["visible"]["bias"]
    )
    with pytest.raises(TypeError, match="takes no argument 'clamp'"):
        train(net, data, loss, clamp=[0])


def test_adam_is_that_of_the_formula() -> None:
    adam, gradients = Adam(0.1, 0.8, 0.9), [np.array([1.0, -2.0]), np.array([3.0, 0.5])]
    state = adam.init({"a": {"x": np.zeros(2)}})
    for gradient_now in gradients:
        tree = {"a": {"x": gradient_now}}
        steps, state = adam.update(tree, state, tree)
    mean = (0.8 * 0.2 * gradients[0] + 0.2 * gradients[1]) / (1 - 0.8**2)
    squares = (0.9 * 0.1 * gradients[0] ** 2 + 0.1 * gradients[1] ** 2) / (1 - 0.9**2)
    np.testing.assert_allclose(steps["a"]["x"], -0.1 * mean / (np.sqrt(squares) + 1e-8))


def test_masks_by_cue_follow_their_cues() -> None:
    masks = np.random.default_rng(2).random((24, 4)) < 0.6
    options = {**OPTIONS, "epochs": 1, "optimiser": SGD(0.1)}
    alone = train(network(), CUES, LOSS, **{**options, "clamp": masks})
    by_layer = train(network(), CUES, LOSS, **{**options, "clamp": {"visible": masks}})
    assert same(alone.network, by_layer.network)
    whole = {**options, "clamp": masks, "batch_size": 24}
    step = gradient(network(), CUES, LOSS, clamp=masks, solver=am.FixedPoint())
    found = train(network(), CUES, LOSS, **whole).network.parameters()["visible"]["bias"]
    np.testing.assert_allclose(found, -0.1 * step.parameters["visible"]["bias"] / 24, rtol=1e-9)


class Count(NamedTuple):
    step: Array
    means: dict[str, dict[str, Array]]
    nothing: tuple[()] = ()


class Averaging:
    """As optax writes optimisers: a state of named tuples, mappings and nothing."""

    def init(self, params: Any) -> Count:
        return Count(np.zeros((), np.int32), SGD().init(params))

    def update(self, updates: Any, state: Count, params: Any) -> tuple[Any, Count]:
        means = {n: {k: state.means[n][k] / 2 + x for k, x in p.items()} for n, p in
                 updates.items()}  # fmt: skip
        steps = {n: {k: -0.05 * x for k, x in p.items()} for n, p in means.items()}
        return steps, Count(state.step + 1, means)


@pytest.mark.parametrize("optimiser", [Adam(0.05), Averaging()], ids=["Adam", "named tuples"])
def test_a_checkpoint_goes_on_to_the_same_bits(tmp_path: Path, optimiser: Any) -> None:
    def value(net: am.Network) -> float:
        return float(np.abs(net.parameters()["hidden-visible"]["weights"]).sum())

    options = {**OPTIONS, "optimiser": optimiser, "validate": value, "seed": 3}
    whole = train(network(), CUES, LOSS, epochs=4, **options)
    path = tmp_path / "training.npz"
    train(network(), CUES, LOSS, epochs=2, checkpoint=path, **options)
    rest = train(network(), CUES, LOSS, epochs=4, checkpoint=path, **options)
    assert same(whole.network, rest.network) and whole.best == rest.best
    for name in ("losses", "left_out", "validation"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(rest, name))
    other = train(network(), CUES, LOSS, epochs=4, **{**options, "seed": 4})
    assert not same(whole.network, other.network)
    with pytest.raises(ValueError, match="seed 3, not 4"):
        train(network(), CUES, LOSS, epochs=4, checkpoint=path, **{**options, "seed": 4})
    path.write_bytes(b"none")
    with pytest.raises(ValueError, match=r"training\.npz"):
        train(network(), CUES, LOSS, epochs=4, checkpoint=path, **options)


def test_a_checkpoint_is_that_of_one_training_alone(tmp_path: Path) -> None:
    path, adam = tmp_path / "training.npz", Adam(0.05)
    options = {**OPTIONS, "optimiser": adam, "checkpoint": path, "learn": {"hidden": ["bias"]}}
    train(network(), CUES, LOSS, epochs=1, **options)
    train(network(), CUES, LOSS, epochs=1, **{**options, "clamp": [0, 1, 2]})
    smaller = am.dense_am(np.ones((2, 4)), visible=am.Tanh(), hidden=am.Tanh(1.5))
    steeper = network().with_parameters({"hidden": {"beta": 2.0}})  # the shapes are the same
    others: list[tuple[am.Network, Any, Any, dict[str, Any], str]] = [
        (smaller, CUES, LOSS, {}, "another network"),
        (steeper, CUES, LOSS, {}, "another network"),
        (network(), CUES, LOSS, {"learn": {"hidden": ["beta"]}}, "another network"),
        (network(), -CUES, LOSS, {}, "another set of cues"),
        (network(), CUES, SquaredError("visible", 0.0, [3]), {}, "another loss"),
        (network(), CUES, LOSS, {"optimiser": SGD()}, "another optimiser"),
        (network(), CUES, LOSS, {"optimiser": Adam(0.1)}, "another optimiser"),
        (network(), CUES, LOSS, {"clamp": [0, 1]}, "another set of options"),
        (network(), CUES, LOSS, {"solver": am.FixedPoint(99)}, "another set of options"),
        (network(), CUES, LOSS, {"batch_size": 8}, "batch_size 7, not 8"),
        (network(), CUES, LOSS, {"validate": lambda net: 0.0}, "0 of them with a value"),
    ]
    for net, cues, loss, changed, message in others:
        with pytest.raises(ValueError, match=message):
            train(net, cues, loss, epochs=2, **{**options, **changed})
    with np.load(path) as file:
        arrays = dict(file)
    for name, wrong in (("optimiser_2", None), ("parameters_0", np.ones(3)),
                        ("best_0", np.full(8, np.nan))):  # fmt: skip
        changed = {**arrays, name: wrong} if wrong is not None else arrays.copy()
        if wrong is None:
            del changed[name]
        np.savez(path, **changed)
        with pytest.raises(ValueError, match="checkpoint or is damaged: it"):
            train(network(), CUES, LOSS, epochs=2, **options)


def test_a_training_that_ctrl_c_stops_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {**OPTIONS, "epochs": 3, "solver": None, "until": am.Settled(1e-4)}
    whole, path = train(network(), CUES, LOSS, **options), tmp_path / "training.npz"
    run, runs = am.dynamics.run.Run, []
    steps = run.sweep

    def interrupt(*given: Any) -> Any:
        runs.append(given)
        if len(runs) == 7:  # in the second epoch
            raise KeyboardInterrupt
        return steps(*given)

    monkeypatch.setattr(run, "sweep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(network(), CUES, LOSS, checkpoint=path, **options)
    monkeypatch.undo()
    assert path.exists()
    rest = train(network(), CUES, LOSS, checkpoint=path, **options)
    assert same(whole.network, rest.network)


def test_targets_and_cues_are_of_one_number() -> None:
    """One row is that of all cues; any other number was that of somebody else's."""
    one = SquaredError("visible", [[0.5]], units=[3])
    all_rows = SquaredError("visible", np.full((24, 1), 0.5), units=[3])
    options = {**OPTIONS, "epochs": 1}
    assert same(*(train(network(), CUES, x, **options).network for x in (one, all_rows)))
    for count in (23, 25):
        with pytest.raises(ValueError, match=r"must fit \(24, 1\)"):
            train(network(), CUES, SquaredError("visible", np.ones((count, 1)), [3]), **options)
        with pytest.raises(ValueError, match=r"must fit \(24,\)"):
            train(network(), CUES, am.learning.CrossEntropy("visible", [0] * count), **options)
    for cues in (CUES[0], CUES.reshape(4, 6, 4)):
        with pytest.raises(ValueError, match="cues must have one axis"):
            train(network(), cues, one, **options)


def test_inputs_by_cue_follow_their_cues() -> None:
    """An input to a clamped-free unit is a bias of its cue."""
    inputs = np.random.default_rng(4).normal(size=(24, 8))
    options = {**OPTIONS, "epochs": 1, "optimiser": SGD(0.1), "batch_size": 24}
    step = gradient(network(), CUES, LOSS, clamp=[0, 1, 2], inputs={"hidden": inputs},
                    solver=am.FixedPoint())  # fmt: skip
    found = train(network(), CUES, LOSS, inputs={"hidden": inputs}, **options)
    moved = found.network.parameters()["hidden"]["bias"]
    np.testing.assert_allclose(moved, -0.1 * step.parameters["hidden"]["bias"] / 24, rtol=1e-9)
    with pytest.raises(ValueError, match="inputs must be constant"):
        train(network(), CUES, LOSS, inputs={"hidden": lambda time: time}, **options)


def test_patience_stops_and_the_best_network_is_returned() -> None:
    values = iter([3.0, 1.0, 2.0, 2.0, 0.0])
    seen: list[am.Network] = []

    def value(net: am.Network) -> float:
        seen.append(net)
        return next(values)

    found = train(network(), CUES, LOSS, epochs=9, validate=value, patience=2, **OPTIONS)
    assert (found.stopped, found.best, len(found.losses)) == ("patience", 1, 4)
    assert same(found.network, seen[1])


def test_only_what_is_named_learns() -> None:
    found = train(network(), CUES, LOSS, epochs=1, learn={"hidden": ["beta"]}, **OPTIONS)
    before, after = network().parameters(), found.network.parameters()
    assert after["hidden"]["beta"] != before["hidden"]["beta"]
    np.testing.assert_array_equal(
        after["hidden-visible"]["weights"], before["hidden-visible"]["weights"]
    )


def test_cues_that_do_not_settle_are_counted_and_not_used() -> None:
    options = {**OPTIONS, "solver": am.FixedPoint(1), "batch_size": 24}
    with (
        pytest.warns(SettlingWarning, match="0 of 24 cues"),
        pytest.raises(ValueError, match="in epoch 0 no cue settled"),
    ):
        train(network(), CUES, LOSS, epochs=1, **options)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"loss": lambda rows: LOSS}, TypeError, "an object with select"),
        ({"patience": 2}, ValueError, "patience is about validate"),
        ({"learn": {"h": ["bias"]}}, ValueError, "learn names 'h'"),
        ({"learn": {"hidden": ["tau"]}}, ValueError, "what can be trained is bias, beta"),
        ({"speed": 1}, TypeError, "no argument 'speed'"),
        ({"epochs": 0}, ValueError, "epochs must be"),
        ({"optimiser": SGD(1e90), "epochs": 2}, ValueError, "take a smaller rate"),
        ({"optimiser": SGD(50.0), "learn": {"hidden": ["beta"]}}, ValueError, "a smaller rate"),
    ],
)
def test_what_does_not_fit_is_refused(
    options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    given = {"loss": LOSS, **OPTIONS, **options}
    with pytest.raises(kind, match=message):
        train(network(), CUES, given.pop("loss"), **given)


def test_rates_are_checked() -> None:
    for kind, wrong in ((SGD, {"rate": 0.0}), (SGD, {"momentum": 1.0}), (Adam, {"decay": 1.0})):
        with pytest.raises(ValueError, match=kind.__name__):
            kind(**wrong)
