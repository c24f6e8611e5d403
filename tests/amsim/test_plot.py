"""Figures: what is drawn is what was given, labelled, without pyplot."""

import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
from matplotlib.figure import Figure

import amsim as am
from amsim import plot


@pytest.fixture(scope="module")
def stored():
    return am.patterns.random(5, 64, seed=3)


@pytest.fixture(scope="module")
def traj(stored):
    """Three cues; SciPy's solver, so that nothing is compiled here."""
    cues = am.patterns.corrupt(stored[:3], flip=0.2, seed=1)
    return am.simulate(am.dense_am(stored), cues, solver="RK45")


def png(figure):
    """Render, so that a layout that fails fails here."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def drawn(line):
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


class TestRecall:
    def test_images_are_the_data(self, stored, traj):
        final = traj.final["visible"]
        figure = plot.recall(traj["visible"][0], final, stored[:3])
        assert isinstance(figure, Figure)
        rows = [traj["visible"][0], final, stored[:3]]
        for image, data in zip(figure.axes[0].images, np.concatenate(rows), strict=True):
            np.testing.assert_array_equal(image.get_array(), data.reshape(8, 8))
        assert png(figure)[:4] == b"\x89PNG"

    def test_rows_and_columns_are_labelled(self, stored):
        figure = plot.recall(stored, stored, stored, titles=list("abcde"))
        (ax,) = figure.axes
        assert [label.get_text() for label in ax.get_xticklabels()] == list("abcde")
        assert [label.get_text() for label in ax.get_yticklabels()] == ["cue", "recalled", "stored"]
        left, right, bottom, top = np.transpose([image.get_extent() for image in ax.images])
        assert (left < np.tile(ax.get_xticks(), 3)).all()
        assert (np.tile(ax.get_xticks(), 3) < right).all()
        assert (top < np.repeat(ax.get_yticks(), 5)).all()
        assert (np.repeat(ax.get_yticks(), 5) < bottom).all()

    def test_one_gray_scale(self, stored):
        noisy = am.patterns.corrupt(stored, noise=3.0)
        figure = plot.recall(noisy, 0.5 * stored, stored)
        assert {image.get_clim() for image in figure.axes[0].images} == {(-1.0, 1.0)}

    @pytest.mark.parametrize(
        ("size", "shape", "expected"),
        [(64, None, (8, 8)), (63, None, (1, 63)), (63, (7, 9), (7, 9)), (1, None, (1, 1))],
    )
    def test_image_shape(self, size, shape, expected):
        pattern = am.patterns.random(1, size)[0]
        figure = plot.recall(pattern, pattern, pattern, shape=shape)
        assert figure.axes[0].images[0].get_array().shape == expected
        png(figure)

    def test_what_does_not_fit_is_refused(self, stored):
        with pytest.raises(ValueError, match=r"one shape \(n, D\), got \(2, 64\), \(2, 64\), \(5"):
            plot.recall(stored[:2], stored[:2], stored)
        with pytest.raises(ValueError, match=r"shape is \(7, 9\); the patterns have 64 units"):
            plot.recall(stored, stored, stored, shape=(7, 9))
        with pytest.raises(ValueError, match="2 titles for 5 cues"):
            plot.recall(stored, stored, stored, titles=["a", "b"])

    def test_nan_is_drawn_as_nothing(self, stored):
        broken = np.full_like(stored, np.nan)
        png(plot.recall(broken, broken, broken))


class TestEnergy:
    def test_lines_are_the_data(self, traj):
        ax = plot.energy(traj)
        for cue, line in enumerate(ax.lines):
            times, values = drawn(line)
            np.testing.assert_array_equal(times, traj.times)
            np.testing.assert_array_equal(values, traj.energy[:, cue])
        assert len(ax.lines) == 3
        assert [text.get_text() for text in ax.get_legend().get_texts()] == [
            "cue 0", "cue 1", "cue 2",
        ]  # fmt: skip

    def test_labels_and_scale(self, traj):
        ax = plot.energy(traj)
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (units of τ)", "energy")
        # Recorded times are 0 and then geometric: 0 must have a place on the axis.
        assert ax.get_xscale() == "symlog"
        assert ax.get_xlim() == (0.0, traj.times[-1])

    def test_linear_times_stay_linear(self, stored):
        net = am.dense_am(stored)
        run = am.simulate(net, stored[0], times=np.linspace(0, 5, 11), solver="RK45")
        assert plot.energy(run).get_xscale() == "linear"

    def test_chosen_cue_on_given_axes(self, traj):
        given = Figure().subplots()
        ax = plot.energy(traj, given, cue=2)
        assert ax is given
        (line,) = ax.lines
        np.testing.assert_array_equal(drawn(line)[1], traj.energy[:, 2])
        assert ax.get_legend() is None

    @pytest.mark.parametrize("cue", [3, -1])
    def test_no_such_cue(self, traj, cue):
        with pytest.raises(ValueError, match=rf"cue must be a whole number from 0 to 2, got {cue}"):
            plot.energy(traj, cue=cue)

    def test_eight_cues_can_be_told_apart(self, stored):
        cues = am.patterns.corrupt(np.repeat(stored[:1], 8, axis=0), flip=0.1)
        ax = plot.energy(am.simulate(am.dense_am(stored), cues, solver="RK45"))
        looks = {(line.get_color(), line.get_linestyle()) for line in ax.lines}
        assert len(looks) == 8

    def test_updates_of_the_fixed_point(self, stored):
        run = am.simulate(am.dense_am(stored), stored[0], solver=am.FixedPoint())
        assert plot.energy(run).get_xlabel() == "updates"


class TestStates:
    @pytest.mark.parametrize(("layer", "units"), [("visible", 64), ("hidden", 5)])
    def test_lines_are_the_data(self, traj, layer, units):
        ax = plot.states(traj, layer, cue=1)
        assert len(ax.lines) == units
        for unit, line in enumerate(ax.lines):
            np.testing.assert_array_equal(drawn(line)[0], traj.times)
            np.testing.assert_array_equal(drawn(line)[1], traj[layer][:, 1, unit])
        assert ax.get_ylabel() == f"{layer} states"

    def test_many_units_are_thinned_and_it_says_so(self):
        stored = am.patterns.random(2, 500)
        run = am.simulate(am.dense_am(stored), stored[0], solver=am.FixedPoint())
        ax = plot.states(run)
        assert len(ax.lines) == 200
        assert "(200 of 500 units)" in ax.get_ylabel()
        np.testing.assert_array_equal(drawn(ax.lines[-1])[1], run["visible"][:, 499])

    def test_no_such_layer(self, traj):
        with pytest.raises(ValueError, match=r"layer must be .* got 'x'"):
            plot.states(traj, "x")


class TestFigures:
    def test_trajectory_has_energy_above_states(self, traj):
        figure = plot.trajectory(traj, cue=2)
        top, bottom = figure.axes
        assert top.get_ylabel() == "energy"
        assert bottom.get_ylabel() == "visible states"
        assert bottom.get_xlabel() == "time (units of τ)"
        np.testing.assert_array_equal(drawn(top.lines[0])[1], traj.energy[:, 2])
        np.testing.assert_array_equal(drawn(bottom.lines[7])[1], traj["visible"][:, 2, 7])
        png(figure)

    def test_trajectory_is_what_plot_draws(self, traj):
        assert [ax.get_ylabel() for ax in traj.plot(1).figure.axes] == ["energy", "visible states"]

    def test_trajectory_of_a_network_without_visible_layer(self):
        net = am.Network(
            layers={"spins": am.Layer((2, 3), am.Tanh())},
            synapses=[am.Dense(np.ones((3, 3)), between=("spins", "spins"))],
        )
        run = am.simulate(net, np.full((2, 3), 0.1), solver="RK45")
        assert len(plot.trajectory(run).axes[1].lines) == 6

    def test_overview_shows_cue_final_stored_and_energy(self, stored, traj):
        figure = plot.overview(traj, stored[[2, 0]], cues=[2, 0])
        images, energy = figure.axes
        expected = [traj["visible"][0], traj.final["visible"], stored[:3]]
        expected = np.concatenate([rows[[2, 0]] for rows in expected]).reshape(6, 8, 8)
        for image, data in zip(images.images, expected, strict=True):
            np.testing.assert_array_equal(image.get_array(), data)
        assert [label.get_text() for label in images.get_xticklabels()] == ["cue 2", "cue 0"]
        np.testing.assert_array_equal(drawn(energy.lines[0])[1], traj.energy[:, 2])
        png(figure)

    def test_a_single_time_is_a_point(self, stored):
        run = am.simulate(am.dense_am(stored), stored[0], times=[1.0], solver="RK45")
        figure = plot.trajectory(run)
        assert figure.axes[0].lines[0].get_marker() == "o"
        png(figure)

    def test_diverged_run(self):
        net = am.dense_am(np.ones((1, 4)), hidden=am.RectifiedPower(3))
        with pytest.warns(am.GuaranteeWarning):
            run = am.simulate(net, np.full(4, 2.0), solver="RK45")
        assert run.status == "diverged"
        png(plot.trajectory(run))


def test_without_matplotlib_an_error_says_how_to_get_it(traj, monkeypatch):
    monkeypatch.setitem(sys.modules, "amsim.figure", None)
    with pytest.raises(am.MissingDependencyError, match="pip install matplotlib"):
        traj.plot()
    with pytest.raises(am.MissingDependencyError, match="pip install matplotlib"):
        am.simulate(am.dense_am([[1, -1]]), [1, 1], solver="RK45").plot_raster()


def test_pyplot_is_never_touched(tmp_path):
    """No global figure, no display, and `import amsim` alone loads no Matplotlib."""
    code = (
        "import sys, amsim as am\n"
        "import amsim.plot as plot\n"
        "assert 'matplotlib' not in sys.modules\n"
        "p = am.patterns.random(2, 16)\n"
        "run = am.simulate(am.dense_am(p), p, solver=am.FixedPoint())\n"
        "plot.overview(run, p).savefig(sys.argv[1])\n"
        "run.plot().savefig(sys.argv[1])\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "figure.png")], check=True)
