"""The Energy Transformer with masks, contexts, images, leak, and its published descent."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import amsim as am

H, Y, D, M, N = 2, 3, 6, 7, 4
RNG = np.random.default_rng(0)
WK, WQ = RNG.normal(size=(2, H, Y, D))
XI = RNG.normal(size=(M, D))
TOKENS = RNG.normal(size=(2, N, D))
CAUSAL = np.tri(N, dtype=bool)


def transformer(**options: Any) -> am.Network:
    return am.models.energy_transformer(WK, WQ, XI, n_tokens=N, **options)


def by_hand(g: Any, allowed: Any) -> float:
    """Eqs. 4 and 7 of the paper, token by token."""
    beta, total = Y**-0.5, 0.0
    for h in range(H):
        for c in range(N):
            seen = [np.exp(beta * (WK[h] @ g[b]) @ (WQ[h] @ g[c])) for b in allowed(h, c)]
            total -= np.log(sum(seen)) / beta
    return float(total - (np.maximum(g @ XI.T, 0) ** 2).sum() / 2)


@pytest.mark.parametrize("per_head", [False, True])
@pytest.mark.parametrize("exclude_self", [False, True])
def test_energies_of_masked_attention(per_head: bool, exclude_self: bool) -> None:
    graph = np.array([[1, 1, 0, 1], [1, 1, 1, 0], [0, 1, 1, 1], [1, 0, 1, 1]], bool)
    mask = np.stack([graph, np.ones_like(graph)]) if per_head else graph
    net = transformer(mask=mask, exclude_self=exclude_self)
    layer = net.layers["tokens"].lagrangian

    def allowed(h: int, c: int) -> list[int]:
        row = (mask[h] if per_head else mask)[c]
        return [b for b in range(N) if row[b] and not (exclude_self and b == c)]

    expected = [by_hand(layer.activation(x), allowed) for x in TOKENS]
    parts = net.energy_tree({"tokens": TOKENS})
    np.testing.assert_allclose(parts["attention"] + parts["hopfield"], expected, rtol=1e-12)


def test_forces_and_jacobians_of_masked_attention_are_derivatives() -> None:
    net = transformer(mask=CAUSAL, exclude_self=False)
    (synapse, _) = net.synapses
    g = RNG.normal(size=(1, N, D))
    energy = lambda x: float(synapse.energy(x, x)[0])  # noqa: E731
    force = synapse.force(g, g)
    np.testing.assert_allclose(force[0], synapse.force_on(0, (g, g)), rtol=1e-14)
    np.testing.assert_allclose(force[1], synapse.force_on(1, (g, g)), rtol=1e-14)
    step, total = 1e-6, sum(force)
    for c, d in ((0, 1), (2, 3), (3, 5)):
        move = np.zeros_like(g)
        move[0, c, d] = step
        slope = (energy(g + move) - energy(g - move)) / (2 * step)
        assert total[0, c, d] == pytest.approx(-slope, rel=1e-7)
    jacobian = net.jacobian({"tokens": TOKENS[0]})
    flat = TOKENS[0].ravel()
    for unit in (0, 9, 23):
        move = np.zeros(N * D)
        move[unit] = step
        ends = [
            net.velocity({"tokens": (flat + s * move).reshape(N, D)})["tokens"] for s in (1, -1)
        ]
        slope = (ends[0] - ends[1]).ravel() / (2 * step)
        np.testing.assert_allclose(jacobian[:, unit], slope, rtol=1e-6, atol=1e-8)


def test_causal_tokens_do_not_feel_later_queries_keys() -> None:
    """A query's energy has no term of later keys; the force on keys is of later queries."""
    (synapse, _) = transformer(mask=CAUSAL, exclude_self=False).synapses
    later = TOKENS.copy()
    later[:, 3] += 1.0
    kept, moved = (synapse.force_on(1, (x, x)) for x in (TOKENS, later))
    np.testing.assert_array_equal(kept[:, :3], moved[:, :3])
    assert (kept[:, 3] != moved[:, 3]).any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mask": CAUSAL}, "query 0 sees no key"),
        ({"mask": np.zeros((N, N), bool), "exclude_self": False}, "sees no key"),
        ({"mask": np.ones((N, N))}, "must be booleans"),
        ({"mask": np.ones((3, N, N), bool)}, r"or \(2, queries, keys\)"),
        ({"mask": np.ones((N, N + 1), bool), "exclude_self": False}, "4 queries and 4 keys"),
        ({"mask": np.ones(N, bool)}, "must be"),
        ({"leak": -1.0}, "leak"),
    ],
)
def test_masks_that_do_not_fit_are_refused(options: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        transformer(**options)


def test_masks_are_kept_in_files(tmp_path: Any) -> None:
    net = transformer(mask=CAUSAL, exclude_self=False)
    for name in ("net.json", "net.npz"):
        again = am.Network.load(net.save(tmp_path / name))
        np.testing.assert_array_equal(again.synapses[0].mask, CAUSAL)  # type: ignore[attr-defined]
        np.testing.assert_array_equal(
            again.force({"tokens": TOKENS})["tokens"], net.force({"tokens": TOKENS})["tokens"]
        )


def test_tokens_with_leak_settle_where_those_without_only_turn_no_more() -> None:
    free, anchored = transformer(), transformer(leak=1.0)
    traj = am.simulate(anchored, TOKENS, t1=300.0)
    assert traj.status == "settled"
    assert am.simulate(free, TOKENS, t1=300.0).status == "time_limit"
    # There the force without leak is along the token: its direction rests.
    rest = traj.final["tokens"]
    force = free.force({"tokens": rest})["tokens"]
    turned = anchored.layers["tokens"].lagrangian.hessian_product(rest, force)
    assert np.abs(turned).max() < 1e-5 * np.abs(force).max()
    parts = [net.energy({"tokens": rest}) for net in (free, anchored)]
    np.testing.assert_allclose(parts[0], parts[1], atol=N * D * 1e-5)
    assert (np.diff(traj.energy, axis=0) <= 1e-8).all()


def test_the_published_descent() -> None:
    """x <- x - 0.1 dE/dg, twelve times, the gradient by finite differences of the energy."""
    net = transformer()
    layer = net.layers["tokens"].lagrangian
    attention, hopfield = net.synapses

    def energy(g: Any) -> float:
        return float(attention.energy(g, g) + hopfield.energy(g).sum())

    x, step = TOKENS[0].copy(), 1e-5
    for _ in range(12):
        g = layer.activation(x)
        slope = np.zeros_like(g)
        for index in np.ndindex(*g.shape):
            move = np.zeros_like(g)
            move[index] = step
            slope[index] = (energy(g + move) - energy(g - move)) / (2 * step)
        x = x - 0.1 * slope
    traj = am.simulate(net, TOKENS, solver=am.GradientDescent(0.1, 12), until=None)
    assert len(traj.times) == 13
    assert traj.time_label == "updates"
    np.testing.assert_allclose(traj.final["tokens"][0], x, rtol=1e-6, atol=1e-7)
    alone = am.simulate(net, TOKENS[0], solver=am.GradientDescent(), until=None)
    np.testing.assert_array_equal(alone["tokens"], traj["tokens"][:, 0])


def test_a_descent_in_float32_is_off_by_its_rounding() -> None:
    """Of any network, with inputs and clamps; nothing is computed in double on the way."""
    tokens = RNG.normal(size=(2, N, D))
    descent = am.GradientDescent(0.1, 12)
    nets = [
        (
            transformer(),
            {"inputs": 0.1 * TOKENS[0], "clamp": np.arange(N)[:, None] + np.zeros(D) < 1},
        ),
        (am.dense_am(XI, hidden=am.Softmax(1.0), tau_hidden=0.0), {}),
        (am.dense_am(XI, hidden=am.ReLU()), {}),
    ]
    for net, given in nets:
        cue: Any = tokens if "tokens" in net.layers else XI[:2] + 0.1
        given = {"solver": descent, "until": None, **given}
        double, single = (am.simulate(net, cue, dtype=x, **given) for x in (None, "float32"))
        for name, state in double.final.items():
            off = np.abs(single.final[name] - state).max() / np.abs(state).max()
            assert 0 < off < 1e-5, name
            assert single.final[name].dtype == np.float64
    with pytest.raises(ValueError, match="does not look for rest"):
        am.simulate(net, cue, solver=descent, dtype="float32")
    huge = am.dense_am(1e50 * XI, hidden=am.Softmax(1.0), tau_hidden=0.0)
    for given, what in ((huge, "weights"), (am.dense_am(XI), "cue")):
        with pytest.raises(ValueError, match=f"{what} has numbers too large for float32"):
            am.simulate(given, 1e39 * (what == "cue") + cue, solver=descent, dtype="float32",
                        until=None)  # fmt: skip


def test_small_steps_follow_the_differential_equation() -> None:
    """Of first order: half the step, half the error."""
    net = am.dense_am(XI, hidden=am.Softmax(1.0), tau_hidden=0.0)
    exact = am.simulate(net, XI[0] + 1.0, times=[0.0, 1.0], until=None, solver="DOP853")
    errors = []
    for steps in (50, 100):
        solver = am.GradientDescent(1 / steps, steps)
        end = am.simulate(net, XI[0] + 1.0, solver=solver, until=None).final["visible"]
        errors.append(np.abs(end - exact["visible"][-1]).max())
    assert 1.9 < errors[0] / errors[1] < 2.1


def test_descents_end_settled_or_not_or_diverged() -> None:
    net = am.dense_am(XI, hidden=am.Softmax(1.0), tau_hidden=0.0)
    rest = am.simulate(net, XI[0], solver=am.GradientDescent(0.5, 1000), until=am.Settled(1e-10))
    assert rest.status == "settled"
    assert 0 < rest.settle_times < 1000
    again = am.simulate(net, rest.final["visible"], solver=am.GradientDescent(0.5, 5))
    assert (again.settle_times, len(again.times)) == (1.0, 2)
    short = am.simulate(net, XI[:2], solver=am.GradientDescent(0.1, 2))
    assert short.status == "time_limit"
    assert short.times.tolist() == [0.0, 1.0, 2.0]
    wild = am.simulate(net, [XI[0], rest.final["visible"]], solver=am.GradientDescent(50.0, 50))
    assert wild.statuses.tolist() == ["diverged", "settled"]
    assert np.isfinite(wild["visible"]).all()
    held = np.arange(D) < 2
    clamped = am.simulate(net, XI[0], clamp=held, solver=am.GradientDescent(0.5, 3), until=None)
    np.testing.assert_array_equal(clamped.final["visible"][held], XI[0][held])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"inputs": lambda t: np.sin(t)}, "depends on time"),
        ({"t0": 1.0}, "steps have no time"),
        ({"noise": 0.1, "t1": 1.0}, "noise"),
        ({"workers": 2}, "workers"),
    ],
)
def test_descents_refuse_what_has_a_time(options: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        am.simulate(am.dense_am(XI), XI[0], solver=am.GradientDescent(), **options)
    for given in ({"step": 0.0}, {"step": "1"}, {"steps": 0}, {"steps": 1.0}):
        with pytest.raises((TypeError, ValueError), match="GradientDescent: step"):
            am.GradientDescent(**given)


def test_contexts_of_a_batch_are_those_of_their_networks() -> None:
    contexts = RNG.normal(size=(3, 5, D)) / 2
    memories = XI / 6
    net = am.models.context_transformer(memories, 5, beta=2.0, bias_memories=-0.1, bias_visible=0.2)
    cue = {"visible": contexts[:, -1:], "context": contexts}
    keep = {"context": np.ones((5, D), bool)}
    together = am.simulate(net, cue, clamp=keep, until=am.Settled(1e-9))
    np.testing.assert_array_equal(together.final["context"], contexts)
    for k, context in enumerate(contexts):
        alone = am.models.analog_transformer(
            context, memories, beta=2.0, bias_memories=-0.1, bias_visible=0.2, tau_hidden=0.0
        )
        end = am.simulate(alone, context[-1], until=am.Settled(1e-9)).final["visible"]
        np.testing.assert_allclose(together.final["visible"][k, 0], end, atol=1e-7)


def test_patches_and_back() -> None:
    images = RNG.normal(size=(2, 6, 4, 3))
    parts = am.models.patches(images, 2)
    assert parts.shape == (2, 6, 12)
    np.testing.assert_array_equal(parts[1, 3].reshape(2, 2, 3), images[1, 2:4, 2:4])
    np.testing.assert_array_equal(am.models.from_patches(parts, (6, 4, 3)), images)
    with pytest.raises(ValueError, match="multiples of size=4"):
        am.models.patches(images, 4)
    for shape in ((6, 6, 3), (6, 4, 1), (4, 6)):
        with pytest.raises(ValueError, match=r"parts have shape|shape must be"):
            am.models.from_patches(parts, shape)  # type: ignore[arg-type]


def test_tokens_of_images() -> None:
    parts, weights = RNG.normal(size=(2, N - 1, 5)), RNG.normal(size=(D, 5))
    cls, places = RNG.normal(size=D), RNG.normal(size=(N, D))
    tokens = am.models.embed(parts, weights, bias=1.0, cls=cls, positions=places)
    np.testing.assert_allclose(tokens[:, 0], np.tile(cls + places[0], (2, 1)))
    np.testing.assert_allclose(tokens[1, 2], weights @ parts[1, 1] + 1.0 + places[2])
    traj = am.simulate(transformer(), tokens, solver=am.GradientDescent(), until=None)
    assert traj.final["tokens"].shape == (2, N, D)
    for wrong in ({"positions": places[1:]}, {"cls": cls[1:]}, {"bias": np.ones(2)}):
        with pytest.raises(ValueError, match="it must be"):
            am.models.embed(parts, weights, **{"cls": cls, **wrong})
