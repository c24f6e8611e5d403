"""The same retrievals and attention as hopfield-layers, the package of Ramsauer et al. 2020.

It is on no registry: put the folder `hflayers` of github.com/ml-jku/hopfield-layers on the path,
and install torch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import amsim as am

REASON = (
    "hopfield-layers is not installed (it is on no registry: github.com/ml-jku/hopfield-layers)"
)
torch = pytest.importorskip("torch", reason=REASON)
hflayers = pytest.importorskip("hflayers", reason=REASON)

Array = npt.NDArray[Any]
EXACT: dict[str, float] = {"rtol": 1e-10, "atol": 1e-10}
NEVER = 1e-300  # update_steps_eps has to be positive


def module(units: int, *, projected: bool = False, **options: Any) -> Any:
    """A layer without normalisation; unless `projected`, states are patterns themselves."""
    norms = ("stored_pattern", "state_pattern", "pattern_projection")
    plain = {f"normalize_{name}{affine}": False for name in norms for affine in ("", "_affine")}
    static = {f"{name}_as_static": not projected for name in norms}
    options = {**plain, **static, **options}
    layer = hflayers.Hopfield(
        input_size=units, disable_out_projection=True, input_bias=False, **options
    )
    return layer.double().eval()


def batched(array: Array) -> Any:
    return torch.from_numpy(array)[None]


def retrieve(keys: Array, queries: Array, **options: Any) -> Array:
    layer = module(keys.shape[1], **options)
    with torch.no_grad():
        return np.asarray(layer((batched(keys), batched(queries), batched(keys)))[0])


def example(seed: int = 0, size: float = 1.0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    return size * rng.normal(size=(12, 16)), size * rng.normal(size=(5, 16))


@pytest.mark.parametrize("beta", [0.05, 0.25, 1.0, 8.0])
@pytest.mark.parametrize("updates", [1, 2, 5, 40])
def test_updates(beta: float, updates: int) -> None:
    """Theirs counts the updates after the first one."""
    keys, queries = example()
    net = am.models.modern_hopfield(keys, beta)
    traj = am.simulate(net, queries, solver=am.FixedPoint(updates), until=None)
    theirs = retrieve(
        keys, queries, scaling=beta, update_steps_max=updates - 1, update_steps_eps=NEVER
    )
    np.testing.assert_allclose(traj["visible"][-1], theirs, **EXACT)


@pytest.mark.parametrize("beta", [0.05, 0.25, 1.0, 8.0])
def test_fixed_points(beta: float) -> None:
    keys, queries = example(1)
    net = am.models.modern_hopfield(keys, beta)
    until = am.Settled(1e-13)
    traj = am.simulate(net, queries, solver=am.FixedPoint(100_000), until=until)
    theirs = retrieve(keys, queries, scaling=beta, update_steps_max=None, update_steps_eps=1e-14)
    assert traj.status == "settled"
    np.testing.assert_allclose(traj.final["visible"], theirs, **EXACT)


def test_digits() -> None:
    """Stored scans come back, by their package and by ours, at the same fixed points."""
    stored = am.patterns.digits(20, seed=0).astype(np.float64)
    cues = am.patterns.corrupt(stored, flip=0.1, seed=1)
    net = am.models.modern_hopfield(stored, 0.5)
    final = am.simulate(net, cues, solver=am.FixedPoint(), until=am.Settled(1e-12)).final["visible"]
    theirs = retrieve(stored, cues, scaling=0.5, update_steps_max=None, update_steps_eps=1e-14)
    np.testing.assert_allclose(final, theirs, **EXACT)


def test_association_matrix() -> None:
    keys, queries = example(2)
    layer = module(16, scaling=0.5)
    with torch.no_grad():
        data = batched(keys), batched(queries), batched(keys)
        theirs = np.asarray(layer.get_association_matrix(data))[0, 0]
    net = am.models.modern_hopfield(keys, 0.5)
    ours = net.activations({"visible": queries})["hidden"]
    np.testing.assert_allclose(ours, theirs, **EXACT)


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_projected_heads(heads: int) -> None:
    """With projections the layer is multi-head attention on projected patterns."""
    keys, queries = example(3)
    layer = module(16, projected=True, num_heads=heads, hidden_size=16 // heads)
    with torch.no_grad():
        theirs = np.asarray(layer((batched(keys), batched(queries), batched(keys)))[0])
        weights = np.asarray(layer.association_core.in_proj_weight)
    wq, wk, wv = np.split(weights, 3)
    ours = am.models.attention(queries @ wq.T, keys @ wk.T, keys @ wv.T, heads=heads)
    np.testing.assert_allclose(ours, theirs, **EXACT)


def test_gradient_of_the_retrieval() -> None:
    """Autograd through one update of theirs is the Jacobian of ours."""
    keys, queries = example(4)
    layer = module(16, scaling=0.5)

    def update(query: Any) -> Any:
        return layer((batched(keys), query[None, None], batched(keys)))[0, 0]

    net = am.models.modern_hopfield(keys, 0.5)
    for query in queries:
        theirs = np.asarray(torch.autograd.functional.jacobian(update, torch.from_numpy(query)))
        ours = net.jacobian({"visible": query}) + np.eye(16)  # the velocity is update - v
        np.testing.assert_allclose(ours, theirs, **EXACT)


def test_gradient_by_the_stored_patterns() -> None:
    """-log sum exp of their association scores, differentiated by the keys."""
    keys, queries = example(5)
    stored = torch.from_numpy(keys).requires_grad_()
    scores = 0.5 * torch.from_numpy(queries) @ stored.T
    (-torch.logsumexp(scores, dim=1) / 0.5).sum().backward()
    net = am.models.modern_hopfield(keys, 0.5)
    ours = net.parameter_gradient({"visible": queries})["hidden-visible"]["weights"]
    np.testing.assert_allclose(ours, np.asarray(stored.grad), **EXACT)


@pytest.mark.parametrize("updates", [1, 3])
@pytest.mark.parametrize("kind", ["Hopfield", "HopfieldLayer", "HopfieldPooling"])
def test_imported_modules(kind: str, updates: int) -> None:
    """With projections, norms and biases that are drawn; their module gets what ours stores."""
    torch.manual_seed(0)
    quantity = {} if kind == "Hopfield" else {"quantity": 4}
    layer = getattr(hflayers, kind)(
        8, hidden_size=3, num_heads=2, output_size=5, update_steps_max=updates - 1,
        update_steps_eps=NEVER, **quantity,
    ).double().eval()  # fmt: skip
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    stored, inputs = torch.randn(2, 1, 6, 8, dtype=torch.float64)
    own = None if kind == "HopfieldLayer" else stored[0]
    imported = am.interop.from_hopfield_layers(layer, own, heads=2)
    given = {
        "Hopfield": (stored, inputs, stored), "HopfieldLayer": inputs, "HopfieldPooling": stored,
    }  # fmt: skip
    with torch.no_grad():
        theirs = np.asarray(layer(given[kind]))
    shown = imported.pooling if kind == "HopfieldPooling" else inputs[0].numpy()
    solver = am.FixedPoint(updates)
    traj = am.simulate(imported.network, imported.cues(shown), solver=solver, until=None)
    np.testing.assert_allclose(imported.output(traj.final), theirs.reshape(-1, 5), **EXACT)
