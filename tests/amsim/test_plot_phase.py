"""Phase portraits, bifurcations and moving pictures: what they show is the network's."""

import numpy as np
import pytest
from matplotlib.animation import FFMpegWriter
from matplotlib.collections import LineCollection
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure
from PIL import Image

import amsim as am
from amsim import plot

WEIGHT = 1.5


@pytest.fixture(scope="module")
def pair():
    """One feature and one memory of tanh units: dv/dt = w tanh(h) - v, dh/dt = w tanh(v) - h."""
    return am.dense_am([[WEIGHT]], visible=am.Tanh(), hidden=am.Tanh(), tau_hidden=1.0)


@pytest.fixture(scope="module")
def ways(pair):
    starts = {"visible": [[1.0], [-0.5]], "hidden": [[-0.4], [0.1]]}
    return am.simulate(pair, starts, solver="RK45")


UNITS = {"x": ("visible", 0), "y": ("hidden", 0)}


class TestPhase:
    def test_nullclines_are_where_a_unit_stands_still(self, pair):
        ax = plot.phase(pair, **UNITS, limits=(-2.0, 2.0))
        first, second = (x for x in ax.collections if isinstance(x, QuadContourSet))
        x, y = np.concatenate([path.vertices for path in first.get_paths()]).T
        np.testing.assert_allclose(x, WEIGHT * np.tanh(y), atol=5e-3)
        x, y = np.concatenate([path.vertices for path in second.get_paths()]).T
        np.testing.assert_allclose(y, WEIGHT * np.tanh(x), atol=5e-3)
        assert [line.get_label() for line in ax.lines][:2] == ["dx/dt = 0", "dy/dt = 0"]
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("visible 0", "hidden 0")
        assert ax.get_title(loc="right") == ""

    def test_arrows_follow_the_flow(self, pair):
        ax = plot.phase(pair, **UNITS)
        (arrows,) = (x for x in ax.collections if isinstance(x, LineCollection))
        lines = arrows.get_segments()
        middle = np.concatenate([(line[1:] + line[:-1]) / 2 for line in lines])
        step = np.concatenate([np.diff(line, axis=0) for line in lines])
        kept = np.linalg.norm(step, axis=1) > 0
        middle, step = middle[kept], step[kept]
        states = {"visible": middle[:, :1], "hidden": middle[:, 1:]}
        flow = np.concatenate(list(pair.velocity(states).values()), axis=1)
        long = np.linalg.norm(flow, axis=1) > 0.1
        along = (step * flow).sum(axis=1) / (
            np.linalg.norm(step, axis=1) * np.linalg.norm(flow, axis=1)
        )
        assert np.median(along[long]) > 0.99

    def test_ways_are_those_of_the_run(self, pair, ways):
        figure = Figure()
        ax = figure.subplots()
        assert plot.phase(pair, **UNITS, ax=ax, traj=ways) is ax
        lines = ax.lines[2:4]
        for cue, line in enumerate(lines):
            np.testing.assert_array_equal(line.get_xdata(), ways["visible"][:, cue, 0])
            np.testing.assert_array_equal(line.get_ydata(), ways["hidden"][:, cue, 0])
        assert ax.get_xlim()[0] < min(line.get_xdata().min() for line in lines)

    def test_other_units_are_held_and_algebraic_ones_follow(self):
        stored = am.patterns.random(3, 6, seed=0)
        net = am.dense_am(stored, hidden=am.Softmax(1.0), tau_hidden=0.0)
        at = np.array([0.0, 0.0, 0.3, -0.2, 0.1, 0.5])
        ax = plot.phase(net, at={"visible": at})
        first = next(x for x in ax.collections if isinstance(x, QuadContourSet))
        points = np.concatenate([path.vertices for path in first.get_paths()])
        states = np.tile(at, (len(points), 1))
        states[:, :2] = points
        assert np.abs(net.velocity({"visible": states})["visible"][:, 0]).max() < 0.01
        assert ax.get_title(loc="right") == "4 other units are held"

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"x": ("visible", 1)}, "the unit of x must be .*0"),
            ({"x": ("middle", 0)}, "the layer of x must be 'visible' or 'hidden'"),
            ({"x": ("hidden", 0)}, "x and y are both unit 0 of layer 'hidden'"),
            ({"limits": (1.0, 1.0)}, "limits must be two numbers, the smaller first"),
            ({"at": {"visible": [1.0, 2.0]}}, r"at\['visible'\] has shape \(2,\)"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, pair, options, message):
        with pytest.raises(ValueError, match=message):
            plot.phase(pair, **{**UNITS, **options})

    def test_an_algebraic_unit_and_another_network_are_refused(self, ways):
        net = am.dense_am([[1.0, 0.0]], tau_hidden=0.0)
        with pytest.raises(ValueError, match="layer 'hidden' is algebraic"):
            plot.phase(net, y=("hidden", 0))
        with pytest.raises(ValueError, match="traj has other layers than net"):
            plot.phase(net, traj=ways)


def memory(beta):
    return am.dense_am([[1.0], [-1.0]], hidden=am.Softmax(beta), tau_hidden=0.0)


class TestBifurcation:
    def test_the_branches_are_the_closed_form(self):
        values = [0.5, 0.8, 1.3, 2.0, 3.0]
        found = am.stability.bifurcation(memory, values, [[0.9], [0.0], [-0.9]])
        v = found.states["visible"][:, 0]
        np.testing.assert_allclose(v, np.tanh(found.values * v), atol=1e-9)
        for value in values:
            status = sorted(found.status[found.values == value])
            assert status == (["stable"] if value < 1 else ["stable", "stable", "unstable"])
        middle = np.abs(v) < 1e-9
        assert set(found.status[middle & (found.values > 1)]) == {"unstable"}
        energy = [memory(b).energy({"visible": [x]}) for b, x in zip(found.values, v, strict=True)]
        np.testing.assert_allclose(found.energy, energy)

    def test_the_figure_is_the_data(self):
        found = am.stability.bifurcation(memory, [0.5, 2.0], [[0.9], [0.0], [-0.9]])
        ax = Figure().subplots()
        assert found.plot(ax, label="beta") is ax
        stable, unstable = ax.lines
        assert (stable.get_label(), unstable.get_label()) == ("stable", "unstable")
        np.testing.assert_array_equal(stable.get_xdata(), [0.5, 2.0, 2.0])
        np.testing.assert_allclose(unstable.get_xydata(), [[2.0, 0.0]], atol=1e-9)
        assert ax.get_xlabel() == "beta"
        with pytest.raises(ValueError, match="the unit must be"):
            found.plot(unit=("visible", 1))

    def test_bad_arguments(self):
        with pytest.raises(TypeError, match="make must be a function"):
            am.stability.bifurcation(memory(1.0), [1.0], [[0.5]])
        with pytest.raises(TypeError, match="what make returns must be a Network"):
            am.stability.bifurcation(lambda value: value, [1.0], [[0.5]])


class TestAnimate:
    def test_a_gif_shows_the_last_state_last(self, tmp_path):
        stored = am.patterns.random(2, 16, seed=0)
        traj = am.simulate(am.dense_am(stored), 0.2 * stored, solver="RK45")
        path = traj.animate(tmp_path / "one.gif", 1, frames=3, fps=10)
        with Image.open(path) as film:
            assert film.n_frames == 3
            assert film.info["duration"] == 100
            frames = []
            for number in range(film.n_frames):
                film.seek(number)
                frames.append(np.asarray(film.convert("L"), np.float64))
        assert not np.array_equal(frames[0], frames[-1])
        with pytest.raises(FileExistsError, match="pass force=True"):
            traj.animate(path)
        assert traj.animate(path, frames=2, force=True) == path

    def test_endings(self, tmp_path, monkeypatch):
        traj = am.simulate(am.dense_am([[1.0]]), [0.5], solver="RK45")
        with pytest.raises(ValueError, match=r"must end in .gif or .mp4"):
            traj.animate(tmp_path / "one.avi")
        monkeypatch.setattr(FFMpegWriter, "isAvailable", classmethod(lambda cls: False))
        with pytest.raises(am.MissingDependencyError, match="ffmpeg"):
            traj.animate(tmp_path / "one.mp4")
        with pytest.raises(ValueError, match="layer must be"):
            traj.animate(tmp_path / "one.gif", layer="middle")
        with pytest.raises(ValueError, match="no notebook that could show the animation; pass a"):
            traj.animate()
        assert list(tmp_path.iterdir()) == []
        assert traj.animate(tmp_path / "one.gif", frames=1).exists()

    @pytest.mark.skipif(not FFMpegWriter.isAvailable(), reason="needs ffmpeg")
    def test_a_film(self, tmp_path):
        traj = am.simulate(am.dense_am([[1.0]]), [0.5], solver="RK45")
        assert b"ftyp" in traj.animate(tmp_path / "one.mp4", frames=2).read_bytes()[:16]


def test_one_panel_takes_axes(tmp_path):
    import hardware as hw

    stored = am.patterns.random(3, 32, seed=0)
    plan = hw.compile(am.dense_am(stored))
    solver = am.EventDriven(0.1, record_events=True)
    traj = am.simulate(am.dense_am(stored), stored[0], t1=2.0, solver=solver)
    drawn = [
        am.suggest_beta(stored, stored, betas=[0.1, 1.0]).plot,
        hw.compare(plan, stored).plot,
        hw.place(plan).plot,
        lambda ax: traj.plot_raster(ax=ax),
    ]
    for draw in drawn:
        figure = Figure()
        ax = figure.subplots()
        assert draw(ax) is figure
        assert ax.get_xlabel() or ax.get_ylabel()
        figure.savefig(tmp_path / "x.png")
