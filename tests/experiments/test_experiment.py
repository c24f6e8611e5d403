import warnings

import numpy as np
import pytest
from small_experiments import EXPERIMENT

from experiments.runner.conclude import UnitsFailed
from experiments.runner.design import Design, parse
from experiments.runner.experiment import Experiment


def test_every_unit_stands_in_its_place():
    data = EXPERIMENT.run(seed=5)
    assert dict(data.sizes) == {"x": 4, "y": 2, "repeat": 3, "part": 3}
    for repeat in range(3):
        # Written out: the draw of a repeat is the same at every point of the grid.
        draw = np.random.default_rng(np.random.SeedSequence(5, spawn_key=(repeat,))).random()
        for x in range(4):
            for y in (0.5, 1.5):
                point = data.sel(x=x, y=y, repeat=repeat)
                assert float(point["sum"]) == x + y + draw
                assert (point.curve.values == np.array([x, y, draw]) / 3).all()


def test_names_units_and_parameters_are_in_the_dataset():
    data = EXPERIMENT.run(y=0.25, repeats=1)
    assert data["sum"].attrs == {"long_name": "their sum", "units": "tau"}
    assert data.x.attrs == {"long_name": "first term", "units": "tau"}
    assert data.y.values.tolist() == [0.25]
    assert data.part.values.tolist() == [0, 1, 2]
    assert data.attrs["seed"] == 0
    assert data.attrs["seconds"] == 0.0
    assert data.attrs["experiment"] == "small"


def test_draws_do_not_depend_on_the_grid():
    whole = EXPERIMENT.run()
    part = EXPERIMENT.run(x=[3, 1], repeats=2)
    expected = whole.sel(x=[3, 1], repeat=[0, 1])
    assert (part["sum"].values == expected["sum"].values).all()


def test_a_failed_unit_is_nan_and_named():
    with pytest.warns(
        RuntimeWarning, match=r"6 of 24 units failed.*ValueError: two is not allowed"
    ):
        data = EXPERIMENT.run(trouble="error")
    assert np.isnan(data["sum"].sel(x=2)).all()
    assert np.isfinite(data["sum"].sel(x=[0, 1, 3])).all()


@pytest.mark.parametrize(
    ("trouble", "words"),
    [("shape", r"curve of shape \(1,\)"), ("name", "sum;"), ("domain", "sum is -5")],
)
def test_results_of_another_shape_name_or_domain_are_failures(trouble, words):
    with pytest.warns(RuntimeWarning, match=words):
        EXPERIMENT.run(trouble=trouble, repeats=1)


def test_nothing_measured_is_an_error():
    with pytest.raises(UnitsFailed, match="two is not allowed"):
        EXPERIMENT.run(trouble="error", x=2)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"size": "huge"}, "there is no size 'huge'; choose toy, paper"),
        ({"z": 1}, "no parameter 'z'"),
        ({"x": "many"}, "x is 'many'; use an integer"),
        ({"x": 1.5}, "x is 1.5; use an integer"),
        ({"x": True}, "use an integer"),
        ({"x": []}, "x is empty"),
        ({"x": np.array(None)}, "x is None; use an integer"),
        ({"x": np.array("two")}, "x is 'two'; use an integer"),
        ({"x": [1, 1]}, "a value twice"),
        ({"y": float("nan")}, "y is nan; use a finite number"),
        ({"trouble": 3}, "use a word"),
        ({"seconds": [0.1, 0.2]}, "seconds is .* use a finite number"),
        ({"repeats": 0}, "repeats must be a whole number from 1 to 1"),
        (
            {"repeats": 10**11},
            "from 1 to 10000000, got 100000000000",
        ),
        ({"repeats": 10**7}, "4 x 2 x 10000000 = 80,000,000 units .* 10,000,000 of one run"),
        ({"x": 10**6 + 1}, "x must be a whole number from 0 to 1000000"),
        ({"x": -1}, "x must be a whole number from 0"),
        ({"seed": -1}, "seed must be .* got -1"),
        ({"seed": 2**64}, "seed must be"),
        ({"seed": 0.5}, "seed must be .* got 0.5"),
    ],
)
def test_bad_input_is_named(given, words):
    with pytest.raises((ValueError, TypeError), match=words):
        EXPERIMENT.run(**given)


def test_numbers_of_numpy_are_numbers():
    design = Design.of(
        EXPERIMENT, x=np.arange(3), y=np.float32(0.5), repeats=np.int64(2), seed=np.int8(4)
    )
    assert design.shape == (3, 1, 2)
    assert {type(value) for value in (*design.axes["x"], design.repeats, design.seed)} == {int}


def test_words_of_a_command_line_are_values():
    assert parse("x", (0, 1), "3,-4") == (3, -4)
    assert parse("y", 0.5, "1e-3") == 1e-3
    assert parse("flag", False, "true") is True
    for default, text in ((0, "0.5"), (False, "maybe"), (0.5, ""), ((1, 2), "1,,2")):
        with pytest.raises(ValueError, match=r"it is|use"):
            parse("it", default, text)


def test_sizes_name_every_parameter():
    with pytest.raises(ValueError, match="differ in y"):
        Experiment("e", "?", dict, {}, {}, {"toy": {"y": 1, "repeats": 1}}, dict, dict)


def test_an_empty_dataset_has_its_shape():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = Design.of(EXPERIMENT).dataset([])
    assert data.curve.shape == (4, 2, 3, 3)
    assert np.isnan(data.curve).all()


def test_copies_of_patterns_are_no_more_than_these() -> None:
    from experiments import asynchrony, binary_staleness

    with pytest.raises(ValueError, match="cues is 4, more than patterns, 3; use at most 3"):
        asynchrony.run(patterns=3)
    with pytest.raises(ValueError, match="cues is 500, more than memories, 300"):
        binary_staleness.run(cues=500)


def test_flags_are_flags() -> None:
    from experiments import asynchrony

    with pytest.raises(TypeError, match="resume must be True or False"):
        asynchrony.run(resume="no")
