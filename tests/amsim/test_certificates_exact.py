"""Interval images and certificates against exact rational and 60-digit arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal, getcontext, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import amsim as am
from amsim.stability import certify
from amsim.stability.boxes import Boxes
from amsim.stability.certification_problem import CertificationProblem
from amsim.stability.compiled_intervals import difference_product
from amsim.stability.intervals import BoxMap
from amsim.stability.outward import softmax_bounds

Array = npt.NDArray[Any]
Exact = list[Any]
Interval = tuple[Exact, Exact]


@pytest.fixture(autouse=True)
def sixty_digits() -> Iterator[None]:
    with localcontext() as context:
        context.prec = 60
        yield


def image(weights: list[Exact], lo: Exact, hi: Exact, bias: Exact) -> Interval:
    """W [lo, hi] + bias with the sign split, entry by entry."""
    low, high = [], []
    for row, offset in zip(weights, bias):
        low.append(offset + sum(w * (a if w > 0 else b) for w, a, b in zip(row, lo, hi)))
        high.append(offset + sum(w * (b if w > 0 else a) for w, a, b in zip(row, lo, hi)))
    return low, high


def numbers(array: Array, kind: Callable[[float], Any]) -> Any:
    return [numbers(x, kind) if np.ndim(x) else kind(float(x)) for x in array]


def softmax_ends(beta: Any, lo: Exact, hi: Exact) -> Interval:
    def share(own: Any, mu: int, others: Exact) -> Any:
        rest = sum((beta * (x - own)).exp() for j, x in enumerate(others) if j != mu)
        return 1 / (type(beta)(1) + rest)

    low = [share(lo[mu], mu, hi) for mu in range(len(lo))]
    return low, [share(hi[mu], mu, lo) for mu in range(len(lo))]


def tanh(x: Decimal) -> Decimal:
    twice = (2 * x).exp()
    return (twice - 1) / (twice + 1)


def monotone(function: Callable[[Any], Any]) -> Callable[[Exact, Exact], Interval]:
    return lambda lo, hi: ([function(x) for x in lo], [function(x) for x in hi])


SIGMOID = monotone(lambda x: 1 / (1 + (-x).exp()))
TANH = monotone(tanh)
RECTIFIED = monotone(lambda x: max(x, 0) ** 2)
IDENTITY = monotone(lambda x: x)
NETWORKS: list[tuple[Any, ...]] = [
    (am.Identity(), IDENTITY, am.ReLU(), monotone(lambda x: max(x, 0)), Fraction),
    (am.Identity(), IDENTITY, am.RectifiedPower(3), RECTIFIED, Fraction),
    (am.Tanh(), TANH, am.RectifiedPower(3), RECTIFIED, Decimal),
    (am.Sigmoid(), SIGMOID, am.Tanh(), TANH, Decimal),
    (am.Identity(), IDENTITY, am.Softmax(2.0), None, Decimal),
    (am.Tanh(), TANH, am.Softmax(2.0), None, Decimal),
]


def exact_image(net: am.Network, case: tuple[Any, ...], box: Any, winner: int | None) -> Any:
    """The images of a visible box on the memories and back, per link or from the winner."""
    _, visible, _, hidden, kind = case
    xi = numbers(net.synapses[0].weights, kind)
    bias = numbers(net.layers["hidden"].bias, kind)
    if winner is not None:
        bias = [b - bias[winner] for b in bias]
        rows = [[a - w for a, w in zip(row, xi[winner])] for row in xi]
    else:
        rows = xi
    states = image(rows, *visible(*box), bias)
    if hidden is None:
        active = softmax_ends(kind(net.layers["hidden"].lagrangian.beta), *states)
    else:
        active = hidden(*states)
    back = [list(column) for column in zip(*xi)]
    return states, image(back, *active, numbers(net.layers["visible"].bias, kind))


def network(case: tuple[Any, ...], rng: np.random.Generator, binary: bool) -> am.Network:
    xi = rng.choice([-1.0, 1.0], (4, 7)) if binary else rng.normal(size=(4, 7)) / 2
    return am.dense_am(
        xi, visible=case[0], hidden=case[2], bias_hidden=rng.normal(size=4), bias_visible=0.1
    )


@pytest.mark.parametrize("case", NETWORKS, ids=lambda case: f"{case[0]}-{case[2]}")
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("width", [0.0, 1e-14, 1e-3, 1.0, 30.0])
def test_images_contain_the_exact_ones_and_are_tight(
    case: tuple[Any, ...], binary: bool, width: float
) -> None:
    rng = np.random.default_rng(8)
    for _ in range(3):
        net = network(case, rng, binary)
        lo = rng.normal(size=7)
        hi = lo + width * rng.random(7)
        winners = [None, 2] if isinstance(case[2], am.Softmax) else [None]
        for winner in winners:
            boxmap = BoxMap.of(net, "visible", set())
            if winner is not None:
                boxmap = boxmap.at({"hidden": np.array([winner])})
            found = boxmap.image(Boxes({"visible": (lo[None], hi[None])}))
            box = numbers(lo, case[4]), numbers(hi, case[4])
            states, back = exact_image(net, case, box, winner)
            contains(found.states["hidden"], states, case[4])
            contains(found.new["visible"], back, case[4])


def contains(box: Any, exact: Interval, kind: Any) -> None:
    """Outwards of the exact box, by little."""
    scale = max(1.0, *(abs(float(x)) for x in (*exact[0], *exact[1])))
    for got, ends, sign in zip(box, exact, (-1, 1)):
        for x, end in zip(got[0], ends):
            beyond = sign * (kind(float(x)) - end)
            assert 0 <= beyond <= 1e-11 * scale


@pytest.mark.parametrize("units", [1, 2, 7])
@pytest.mark.parametrize("scale", [0.0, 1e-6, 1.0, 100.0, 299.0, 301.0, 1000.0, 1e5])
def test_shares_of_a_softmax(units: int, scale: float) -> None:
    """On both sides of where exponentials are too far apart to be taken as they are."""
    rng = np.random.default_rng(3)
    middle = scale * rng.uniform(-1, 1, (20, units))
    radius = scale * rng.random((20, units)) * rng.choice([0.0, 1e-3, 1.0], (20, 1))
    lo, hi, beta = middle - radius, middle + radius, 1.5
    low, high = softmax_bounds(beta, lo, hi)
    assert ((low >= 0) & (high <= 1)).all()
    np.testing.assert_allclose(am.Softmax(beta).activation_bounds(lo, hi), (low, high), 1e-8)
    for row in range(20):
        ends = softmax_ends(Decimal(beta), numbers(lo[row], Decimal), numbers(hi[row], Decimal))
        for got, end, sign in ((low[row], ends[0], -1), (high[row], ends[1], 1)):
            for x, exact in zip(got, end):
                beyond = sign * (Decimal(float(x)) - exact)
                assert 0 <= beyond <= Decimal("1e-8") * exact + Decimal("3e-308")


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("kind", [np.int8, np.float32, np.float64])
def test_products_with_differences_of_weights(back: bool, kind: Any) -> None:
    rng = np.random.default_rng(4)
    weights = (rng.choice([-128, -1, 3, 127], (6, 9)) * (1 if kind == np.int8 else 0.1)).astype(
        kind
    )
    given = np.ascontiguousarray(weights.T if back else weights)
    given.flags.writeable = False  # as those of a network
    radius, winner = rng.random((3, 9)), np.array([5, 0, 5])
    found = difference_product(given, back, winner, radius)
    exact = numbers(weights, Fraction)
    for row, w in enumerate(winner):
        for target in range(6):
            pairs = zip(exact[target], exact[w], numbers(radius[row], Fraction))
            total = sum(abs(a - b) * r for a, b, r in pairs)
            assert abs(Fraction(float(found[row, target])) - total) <= Fraction(2e-15) * total


@pytest.mark.parametrize("scope", ["link", "broadcast"])
@pytest.mark.parametrize("seed", range(6))
def test_certified_boxes_are_invariant_in_exact_arithmetic(scope: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    case = NETWORKS[4 + seed % 2]
    xi = rng.choice([-1.0, 1.0], (4, 12)) if seed % 3 else 2 * rng.normal(size=(4, 12))
    net = am.dense_am(xi, visible=case[0], hidden=case[2])
    target = am.simulate(net, xi[0], until=am.Settled(1e-12)).final
    held = 0
    for size in (0.0, 0.1, 0.3, 0.5, 0.8):
        cue = target["visible"] + size * rng.choice([-1, 1], 12)
        found = certify(net, cue, target, scope)
        if not found.holds:
            continue
        held += 1
        lo, hi = (numbers(bound, Decimal) for bound in found.box["visible"])
        winner = int(target["hidden"].argmax()) if scope == "broadcast" else None
        _, (low, high) = exact_image(net, case, (lo, hi), winner)
        assert all(a <= x for a, x in zip(lo, low))
        assert all(x <= b for x, b in zip(high, hi))
    assert held >= 2


def test_exact_gain_of_one_or_more_is_never_certified() -> None:
    """v <- (sum_k w_k^2) v for v > 0: floating point says below 1, exact arithmetic does not."""
    rng, tried = np.random.default_rng(0), 0
    while tried < 8:
        w = rng.random(40)
        w /= np.sqrt(w @ w)
        exact = sum(Fraction(x) ** 2 for x in w.tolist())
        if w @ w >= 1 or exact < 1:
            continue
        tried += 1
        for weights, holds in ((w, False), (w * (1 - 1e-12), True)):
            net = am.dense_am(weights[:, None], hidden=am.ReLU())
            assert certify(net, [1.0], [0.0]).holds == holds


@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_contraction_factor_is_not_below_the_exact_one(offset: float) -> None:
    """A linear network: the margin is at most 1 - the largest sum of |Xi|^T |Xi| with weights."""
    rng = np.random.default_rng(4)
    xi = rng.normal(size=(5, 6)) / 8
    net = am.dense_am(xi, hidden=am.Identity(), bias_visible=offset)
    state = offset * np.linalg.solve(np.eye(6) - xi.T @ xi, np.ones(6))
    gain = np.abs(xi).T @ np.abs(xi)
    found = certify(net, state + 1.0, state, tolerance=1e-10)
    assert found.holds
    assert 1 - found.margin >= np.abs(np.linalg.eigvals(gain)).max()
    assert found.distance <= 1e-10 * max(1.0, np.abs(state).max())


def test_context_is_precise() -> None:
    assert getcontext().prec == 60


@pytest.mark.parametrize("winner", [None, 1])
def test_the_least_int8_weight(winner: int | None) -> None:
    """|-128| is no int8."""
    weights = np.array([[-128, 3, 127], [-128, -128, 5]], dtype=np.int8)
    lo, hi = np.array([[-0.1, 0.0, 0.2]]), np.array([[0.1, 0.5, 0.3]])
    found = []
    for kind in (np.int8, np.float64):
        boxmap = BoxMap.of(am.dense_am(weights.astype(kind)), "visible", set())
        if winner is not None:
            boxmap = boxmap.at({"hidden": np.array([winner])})
        image = boxmap.image(Boxes({"visible": (lo, hi)}))
        gain = boxmap.gain(image, {"visible": hi - lo})
        found.append([*image.states["hidden"], *image.new["visible"], gain["visible"]])
    for small, full in zip(*found):
        np.testing.assert_allclose(small, full, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", [am.Sigmoid, am.Tanh, am.Exponential])
@pytest.mark.parametrize("exponent", [-250.0, -40.0, 3.0, 40.0, 250.0])
def test_large_exponents(kind: Any, exponent: float) -> None:
    # Rounding beta x matters more than that of exp.
    for beta in np.random.default_rng(0).uniform(0.1, 3, size=20):
        x = exponent / beta
        e = (Decimal(beta) * Decimal(x)).exp()
        value, slope = {
            am.Sigmoid: (e / (1 + e), e / (1 + e) ** 2),
            am.Tanh: ((e - 1 / e) / (e + 1 / e), 4 / (e + 1 / e) ** 2),
            am.Exponential: (e, e),
        }[kind]
        low, high = kind(beta).activation_bounds([x], [x])
        assert Decimal(low[0]) <= value <= Decimal(high[0])
        low, high = kind(beta).slope_bounds([x], [x])
        assert Decimal(low[0]) <= Decimal(beta) * slope <= Decimal(high[0])


@pytest.mark.parametrize("end", [np.inf, np.nan])
def test_shares_of_states_that_overflowed(end: float) -> None:
    with np.errstate(invalid="ignore"):
        low, high = softmax_bounds(1.0, np.array([[0.0, -end, -end]]), np.array([[0.0, end, end]]))
    assert low.tolist() == [[0, 0, 0]]
    assert high.tolist() == [[1, 1, 1]]


@pytest.mark.parametrize("scope", ["link", "broadcast"])
def test_states_beyond_their_precision_certify_nothing(scope: Any) -> None:
    net = am.dense_am(np.eye(3), hidden=am.Softmax(0.1), bias_hidden=1e100)
    assert not certify(net, np.full(3, 0.9), np.ones(3), scope).holds  # the target is 1 / 3


@pytest.mark.filterwarnings("ignore::amsim.GuaranteeWarning")
def test_rounding_of_many_synapses_is_in_the_image() -> None:
    """1 + 2^-53 + 2^-53 + ... is 1 in floats, however often."""
    weights = [1.0] + [2.0**-53] * 400
    layers = {name: am.Layer(1, am.Identity()) for name in ("visible", "memory")}
    links = [
        am.Directed(np.array([[w]]), source="memory", target="visible", name=f"link {k}")
        for k, w in enumerate(weights)
    ]
    boxmap = BoxMap.of(am.Network(layers, links), "visible", {"visible"}).of_all()
    one = np.ones((1, 1))
    total = sum(Fraction(w) for w in weights)
    for low, high in ((one, one), (-one, one)):
        given = Boxes({"visible": (0 * one, 0 * one), "memory": (low, high)})
        image = boxmap.image(given)
        least, most = (Fraction(float(x[0, 0])) for x in image.new["visible"])
        assert least <= total * int(low[0, 0]) <= total <= most
        assert most - total < Fraction(1, 10**11)
        gained = boxmap.gain(image, {"visible": one, "memory": one})["visible"]
        assert Fraction(float(gained[0, 0])) >= total


def test_a_distance_is_rounded_upwards() -> None:
    """Units rest at their bias: 1 from a target whose largest state is 3; 1 / 3 is no float."""
    net = am.Network({"visible": am.Layer(2, am.Identity(), bias=[0.0, 3.0])}, [])
    found = certify(net, [0.0, 3.0], [1.0, 3.0], tolerance=0.5)
    assert Fraction(1, 3) <= Fraction(float(found.distance)) < Fraction(1, 3) + Fraction(1, 10**14)


@pytest.mark.parametrize("every", [False, True])
def test_boxes_hold_states_that_count_from_a_winner(every: bool) -> None:
    """-1e-17 - 1 is -1 in floats."""
    net = am.Network({"visible": am.Layer(2, am.Softmax(), bias=[1.0, 0.0])}, [])
    state = [1.0, -1e-17]
    problem = CertificationProblem.of(net, state, state, "broadcast", every=every)
    for boxes in (problem.start, problem.goal):
        low, high = (Fraction(float(x[0, 1])) for x in boxes["visible"])
        assert low <= Fraction(-1e-17) - 1 <= high
