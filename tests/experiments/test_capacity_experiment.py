"""Errors of stored patterns against closed forms, and against plain sums."""

import numpy as np
import pytest

import amsim as am
from experiments import capacity


@pytest.fixture(scope="module")
def data():
    return capacity.run(load=(0.5, 1.0, 4.0), repeats=20)


def test_claims(data):
    claims = {claim.text.partition(" (")[0]: claim for claim in capacity.judge(data)}
    assert all(claim.holds is not False for claim in claims.values())
    for name in ("x^2", "x^3", "x^4", "exp"):
        assert claims[f"{name}, 4 of the capacity: share of wrong units"].holds
    assert sum("exp" in text for text in claims) == 4


def test_the_capacity_is_half_a_percent_of_wrong_units(data):
    powers = data.sel(load=1.0).mean("repeat")
    for name in ("x^3", "x^4"):
        assert float(powers.sel(separation=name).error) == pytest.approx(0.005, rel=0.2)
    memories = powers.memories.values
    assert memories.tolist() == [9, 181, 2170, 256]


@pytest.mark.parametrize("separation", ["x^2", "x^3", "x^4", "exp"])
def test_errors_are_counted_as_by_plain_sums(separation):
    seed = np.random.SeedSequence(4)
    load = 16.0 if separation == "exp" else 2.0
    found = capacity.measure(
        seed=seed, separation=separation, load=load, units=20, units_exponential=12, checked=10
    )
    size = 12 if separation == "exp" else 20
    memories = int(found["memories"])
    xi = am.patterns.random(memories, size, int(seed.generate_state(1)[0]))
    wrong = 0
    for state in xi[:10]:
        for i in range(size):
            others = xi @ state - xi[:, i] * state[i]
            if separation == "exp":
                # exp(x + s) - exp(x - s) = 2 sinh(1) exp(x) s
                force = np.exp(others)
            else:
                force = others ** (capacity.ORDERS[separation] - 1)
            field = float(xi[:, i] @ force)
            wrong += field * state[i] < -1e-9 * np.abs(force).sum()
    assert found["error"] * found["asked"] == pytest.approx(wrong)
    assert wrong > 0


def test_unknown_separation():
    with pytest.raises(ValueError, match=r"choose from x\^2, x\^3, x\^4, exp"):
        capacity.measure(
            seed=np.random.SeedSequence(0), separation="cos", load=1.0,
            units=60, units_exponential=16, checked=1,
        )  # fmt: skip


def test_figure(data):
    figure = capacity.draw(data)
    assert [ax.get_xlabel() for ax in figure.axes] == ["memories / capacity", "memories"]
