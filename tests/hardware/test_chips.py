"""Tables of chips: published values, where they come from, and tables of one's own."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import amsim as am
import hardware as hw
from hardware import chips
from hardware.chip_limits import BASES, LIMITS, PLACING, PRICES

PUBLISHED = {
    "loihi1": {
        "cores": 128, "neurons_per_core": 1024, "synapse_bytes_per_core": 131072,
        "axons_in_per_core": 4096, "axons_out_per_core": 4096, "weight_bits": 9,
        "message_bits": 1, "synapse_energy": 23.6, "synapse_time": 3.5,
        "active_update_energy": 81, "active_update_time": 8.4, "idle_update_energy": 52,
        "idle_update_time": 5.3, "delivery_energy": 1.7, "delivery_time": 2.1,
        "hop_x_energy": 3.0, "hop_x_time": 4.1, "hop_y_energy": 4.0, "hop_y_time": 6.5,
        "static_power": 104,
    },
    "loihi2": {
        "cores": 128, "neurons_per_core": 8192, "synapse_bytes_per_core": 131072,
        "weight_bits": 8, "message_bits": 32, "mesh_columns": 8, "mesh_rows": 4,
        "cores_per_router": 4,
    },
}  # fmt: skip
SYSTEMS = {
    "loihi1": {"loihi1-chip": 1, "kapoho-bay": 2, "nahuku": 32, "pohoiki-springs": 768},
    "loihi2": {"oheo-gulch": 1, "kapoho-point": 8, "hala-point": 1152},
}
TOML = """
name = "board"
programmable = true

[limits]
cores = { value = 4, unit = "cores", source = "data sheet", basis = "paper" }
neurons_per_core = { value = 64, unit = "neurons", source = "data sheet", basis = "paper" }
synapse_bytes_per_core = { value = 2000, unit = "bytes", source = "data sheet", basis = "paper" }
weight_bits = { value = 8, unit = "bits", source = "data sheet", basis = "paper" }
mesh_columns = { value = 2, unit = "routers", source = "ours", basis = "assumed" }
mesh_rows = { value = 2, unit = "routers", source = "ours", basis = "assumed" }
cores_per_router = { value = 1, unit = "cores", source = "ours", basis = "assumed" }
axons_in_per_core = { unit = "axons", source = "data sheet", basis = "paper", public = false }
barrier_time = { value = 10, high = 20, unit = "ns", source = "data sheet", basis = "derived" }

[systems.pair]
chips = { value = 2, unit = "chips", source = "data sheet", basis = "paper" }
"""


@pytest.mark.parametrize("name", PUBLISHED)
def test_values_are_the_published_ones(name: str) -> None:
    chip = hw.CHIPS[name]
    for limit, value in PUBLISHED[name].items():
        assert chip.limits[limit].value == value
    assert {system.name: system.chips.value for system in chip.systems} == SYSTEMS[name]


def test_ranges_and_the_largest_system() -> None:
    assert hw.CHIPS["loihi1"].price("barrier_time").range == (113, 465)
    assert hw.CHIPS["loihi1"].price("synapse_energy").range == (23.6, 23.6)
    hala = hw.CHIPS["loihi2"].system("hala-point")
    assert hala.power is not None and hala.power.value == 2600
    assert hala.cores_per_chip is not None and hala.cores_per_chip.value == 140_544 / 1152


def test_every_value_says_where_it_comes_from() -> None:
    for chip in hw.CHIPS.values():
        assert set(chip.limits) <= {*LIMITS, *PRICES}
        systems = [x for s in chip.systems for x in (s.chips, s.cores_per_chip, s.power) if x]
        for limit in [*chip.limits.values(), *systems]:
            assert limit.source and limit.unit
            assert limit.basis in BASES
            assert limit.value is not None or not limit.public
            assert limit.public or limit.value is None or limit.basis == "assumed"


def test_a_price_that_nobody_published_is_refused() -> None:
    loihi2 = hw.CHIPS["loihi2"]
    for name in PRICES:
        if name == "barrier_time":
            continue
        with pytest.raises(
            hw.NotPublicError, match=rf"{name} .* of loihi2 is not public.*assuming"
        ):
            loihi2.price(name)
    with pytest.raises(hw.NotPublicError, match="crossing_energy"):
        hw.CHIPS["loihi1"].price("crossing_energy")
    with pytest.raises(hw.NotPublicError):
        _ = loihi2.limits["axons_in_per_core"].range
    with pytest.raises(ValueError, match=r"price must be .* got 'cores'"):
        loihi2.price("cores")


def test_prices_of_ones_own_are_marked() -> None:
    chip = hw.CHIPS["loihi2"].assuming(synapse_energy=5.0, hop_x_time=(1.0, 2.0))
    assert chip.price("synapse_energy").range == (5.0, 5.0)
    assert chip.price("hop_x_time").range == (1.0, 2.0)
    assert chip.price("hop_x_time").basis == "assumed" and not chip.price("hop_x_time").public
    assert hw.CHIPS["loihi2"].limits["synapse_energy"].value is None
    with pytest.raises(ValueError, match="no limit 'synapse'"):
        chip.assuming(synapse=1.0)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (float("nan"), ValueError, "value must be a finite number"),
        (float("inf"), ValueError, "value must be a finite number"),
        (10**400, ValueError, "value must be a finite number"),
        (1e16, ValueError, "value must be a finite number .* <= 1e"),
        (-1.0, ValueError, "value must be a finite number >= 0"),
        ((2.0, 1.0), ValueError, "high is 1.0, below"),
        ((1.0, float("nan")), ValueError, "high must be a finite number"),
        ("free", TypeError, "must be a finite number"),
        (True, TypeError, "must be a finite number"),
    ],
)
def test_values_that_are_no_prices(value: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        hw.CHIPS["loihi1"].assuming(synapse_energy=value)


def test_a_table_is_told_all_that_is_missing() -> None:
    with pytest.raises(ValueError, match="chip 'mine'") as caught:
        hw.Chip("mine", True, {})
    for name, meaning in PLACING.items():
        assert f"{name} ({meaning}) is missing" in str(caught.value)
    limits = dict(hw.CHIPS["loihi2"].limits)
    with pytest.raises(ValueError, match="'speed' is not known"):
        hw.Chip("mine", True, limits | {"speed": limits["cores"]})
    with pytest.raises(ValueError, match="room for 128"):
        hw.CHIPS["loihi2"].assuming(cores=129)
    with pytest.raises(ValueError, match=r"cores must be a whole number .* got 2\.5"):
        hw.CHIPS["loihi2"].assuming(cores=2.5)
    with pytest.raises(
        TypeError, match=r"chips of system 'pair' must be a whole number .* got 2\.0"
    ):
        hw.System("pair", hw.Limit(2.0, "chips", "data sheet", "paper"))
    joules = hw.Limit(1e-12, "J", "data sheet", "paper")
    with pytest.raises(ValueError, match="synapse_energy is in 'J', it has to be in pJ"):
        hw.Chip("mine", True, limits | {"synapse_energy": joules})
    for name, unit, needed in (
        ("synapse_bytes_per_core", "kB", "bytes"), ("cores", "thousand cores", "cores"),
        ("static_power", "mWh", "mW"), ("barrier_time", "ns2", "ns"), ("weight_bits", "B", "bits"),
    ):  # fmt: skip
        limit = hw.Limit(8, unit, "data sheet", "paper")
        with pytest.raises(ValueError, match=f"{name} is in '{unit}', it has to be in {needed}"):
            hw.Chip("mine", True, limits | {name: limit})
    hw.Chip("mine", True, limits | {"weight_bits": hw.Limit(8, "bits, signed", "x", "paper")})
    with pytest.raises(ValueError, match="power is in 'kW', it has to be in W"):
        hw.System("one", hw.Limit(1, "chips", "x", "paper"), power=hw.Limit(2, "kW", "x", "paper"))
    with pytest.raises(ValueError, match="basis must be 'paper', 'brief'"):
        hw.Limit(1, "cores", "data sheet", "guess")
    with pytest.raises(ValueError, match="say where the value comes from"):
        hw.Limit(1, "cores", "", "paper")


def test_tables_do_not_change_and_travel() -> None:
    chip = hw.CHIPS["loihi1"]
    with pytest.raises(TypeError):
        chip.limits["cores"] = hw.Limit(1, "cores", "x", "paper")  # type: ignore[index]
    assert pickle.loads(pickle.dumps(chip)) == chip
    assert copy.deepcopy(chip) == chip


def test_a_chip_from_toml(tmp_path: Path) -> None:
    file = tmp_path / "board.toml"
    file.write_text(TOML)
    chip = hw.Chip.load(file)
    assert chip == chips.chip(file) == chips.chip(str(file))
    assert chip.price("barrier_time").range == (10, 20)
    assert chip.system("pair").chips.value == 2
    plan = hw.compile(am.dense_am(am.patterns.random(20, 48, seed=0)))
    placement = hw.place(plan, file)
    assert (placement.chip.name, placement.n_cores, placement.n_chips) == ("board", 2, 1)
    assert hw.validate(plan, file).chip == "board"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name = ", "name ", "board.toml is not TOML"),
        ('name = "board"', "", "name (str) is missing"),
        ("[limits]", "[bounds]", "limits (dict) is missing"),
        ("programmable = true", "programmable = 1", "programmable (bool) is missing"),
        ("cores = { value = 4,", "cores = {", "limits.cores lacks value"),
        ('cores = { value = 4, unit = "cores",', "cores = {", "limits.cores lacks value, unit"),
        ("cores = { value = 4,", "cores = { valu = 4, value = 4,", "limits.cores has valu"),
        (
            "cores = { value = 4,",
            "cores = { value = nan,",
            "limits.cores: value must be a finite number",
        ),
        ("mesh_rows = ", "mesh_row = ", "mesh_rows (routers of a chip"),
        ("[systems.pair]\nchips", "[systems.pair]\nchip", "systems.pair.chips is missing"),
        ("cores = { value = 4,", "cores = { value = 5,", "its routers have room for 4"),
        (
            "cores = { value = 4,",
            "cores = { value = 1_000_000_000,",
            "cores must be a whole number from 1 to 2**20, got 1000000000",
        ),
        (
            "mesh_rows = { value = 2,",
            "mesh_rows = { value = 1_000_000,",
            "room for 2,000,000 cores",
        ),
        (
            "chips = { value = 2,",
            "chips = { value = 1e9,",
            "chips of system 'pair' must be a whole",
        ),
        (
            "chips = { value = 2,",
            "chips = { value = 0.5,",
            "chips of system 'pair' must be a whole",
        ),
        ('unit = "ns"', "unit = 5", "barrier_time: unit must be text, got 5"),
        ("public = false", 'value = 4, public = "no"', "public must be True or False, got 'no'"),
        ('basis = "derived"', "basis = [1]", "basis must be 'paper', 'brief'"),
    ],
)
def test_a_toml_that_lacks_something(tmp_path: Path, old: str, new: str, message: str) -> None:
    file = tmp_path / "board.toml"
    assert old in TOML
    file.write_text(TOML.replace(old, new, 1))
    with pytest.raises(ValueError, match=r"board\.toml") as caught:
        hw.Chip.load(file)
    assert message in str(caught.value)


def test_names_that_are_not_there() -> None:
    with pytest.raises(ValueError, match="no chip 'loihi9'; there are loihi1, loihi2"):
        chips.chip("loihi9")
    with pytest.raises(TypeError, match="chip must be a name"):
        chips.chip(3)  # type: ignore[arg-type]
    with pytest.raises(
        ValueError, match="loihi1 has no system 'hala-point'; there are loihi1-chip"
    ):
        hw.CHIPS["loihi1"].system("hala-point")
    with pytest.raises(FileNotFoundError):
        chips.chip("none.toml")


def test_validate_with_another_chip() -> None:
    plan = hw.compile(am.dense_am(am.patterns.random(20, 48, seed=0)))
    loihi2 = hw.CHIPS["loihi2"]
    for name, value, message in (
        ("weight_bits", 4, "weight bits: 8 needed, narrow has 4"),
        ("message_bits", 8, "message bits: .* narrow has 8"),
        ("state_bits", 16, "state bits: .* narrow has 16"),
        ("product_bits", 32, "product bits: .* narrow has 32"),
    ):
        narrow = replace(loihi2.assuming(**{name: value}), name="narrow")
        with pytest.raises(hw.LimitError, match=message):
            hw.validate(plan, narrow)
        with pytest.raises(hw.LimitError, match=message):
            hw.place(plan, narrow)
