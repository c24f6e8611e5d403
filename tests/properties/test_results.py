"""Every run returns a result of one protocol: the same names, types and shapes, whatever ran."""

from __future__ import annotations

import html.parser
import math
import pickle
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest

import amsim as am
import hardware as hw
from amsim import binary
from amsim.display import LONGEST
from amsim.results import RunResult

PATTERNS = am.patterns.random(3, 16, seed=0)
BATCHES = [(), (2,), (2, 3), (1, 1, 2)]


@cache
def network() -> am.Network:
    return am.dense_am(PATTERNS, hidden=am.Softmax(1.0))


@cache
def plan() -> hw.Plan:
    return hw.compile(network(), chip="loihi2")


def cues(batch: tuple[int, ...]) -> Any:
    chosen = np.resize(PATTERNS, (*batch, 16))
    return am.patterns.corrupt(chosen, flip=0.1, seed=1)


def simulated(**options: Any) -> Callable[[Any], am.Trajectory]:
    return lambda states: am.simulate(network(), states, **options)


def recalled(**options: Any) -> Callable[[Any], binary.Recall]:
    return lambda states: binary.BinaryMemory(PATTERNS).recall(states, **options)


def on_chip(**options: Any) -> Callable[[Any], hw.Result]:
    return lambda states: hw.run(plan(), states, **options)


RUNS: dict[str, Callable[[Any], RunResult]] = {
    "simulate": simulated(),
    "updates": simulated(solver=am.FixedPoint()),
    "at times that end before rest": simulated(times=[0.0, 0.5], until=None, t1=0.5),
    "events": simulated(solver=am.EventDriven(1e-2, record_events=True)),
    "binary": recalled(seed=1),
    "binary, recorded": recalled(record=True),
    "binary, parallel": recalled(order="parallel", rule="gradient"),
    "binary, clocked": recalled(timing=am.Timing(clock=am.Poisson(2.0)), record=True),
    "binary, hot": recalled(temperature=1e6, max_sweeps=2),
    "chip": on_chip(),
    "chip, recorded": on_chip(record=True),
    "chip, messages": on_chip(record=["visible", "visible_out"]),
    "chip, too short": on_chip(steps=3),
}
every_run = pytest.mark.parametrize("name", RUNS)


@cache
def result(name: str, batch: tuple[int, ...]) -> RunResult:
    return RUNS[name](cues(batch))


def test_every_class_of_results_is_here() -> None:
    assert {type(result(name, ())) for name in RUNS} == set(RunResult.__subclasses__())


@every_run
@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_the_protocol(name: str, batch: tuple[int, ...]) -> None:
    got = result(name, batch)
    assert got.STATUSES[0] == "settled"
    assert got.codes.shape == got.statuses.shape == got.settle_times.shape == batch
    assert got.codes.dtype.kind == "i"
    assert got.settle_times.dtype == np.float64
    flat = zip(got.codes.ravel(), got.statuses.ravel(), got.settle_times.ravel(), strict=True)
    for code, status, time in flat:
        assert got.STATUSES[code] == status
        assert np.isfinite(time) == (status == "settled")
        assert not time < 0
    assert type(got.status) is str
    assert got.status == got.STATUSES[got.codes.max()]
    assert type(got.message) is str
    assert str(math.prod(batch)) in got.message or got.message.startswith("ran to")
    assert type(got.time_label) is str
    assert got.stats["wall_time"] >= 0
    final = got.final
    assert isinstance(final, (dict, np.ndarray))
    states = final if isinstance(final, dict) else {"visible": final}
    for layer, units in {"visible": 16, "hidden": 3}.items():
        if layer in states:
            assert states[layer].shape == (*batch, units)
            assert states[layer].dtype == np.float64


def flat_stats(stats: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found = {}
    for name, value in stats.items():
        if isinstance(value, dict):
            found.update(flat_stats(value, f"{before}{name}_"))
        else:
            found[f"{before}{name}"] = value
    return found


@every_run
@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_datasets_hold_the_arrays(name: str, batch: tuple[int, ...]) -> None:
    got = result(name, batch)
    data = got.to_xarray()
    axes = ("cue",) if len(batch) == 1 else tuple(f"cue_{k}" for k in range(len(batch)))

    def same(variable: str, array: Any, *dims: str) -> None:
        assert data[variable].dims == dims, variable
        np.testing.assert_array_equal(data[variable].values, array)

    same("status", got.statuses, *axes)
    same("settle_time", got.settle_times, *axes)
    final = got.final if isinstance(got.final, dict) else {"visible": got.final}
    for layer, state in final.items():
        same(f"final_{layer}", state, *axes, f"{layer}_unit")
    for what, value in flat_stats(got.stats).items():
        if isinstance(value, np.ndarray):
            same(what, value, *axes)
        elif value is not None:
            assert data.attrs[what] == value
    assert data.attrs["message"] == got.message
    if isinstance(got, am.Trajectory):
        same("time", got.times, "time")
        same("energy", got.energy, "time", *axes)
        for layer in got:
            same(layer, got[layer], "time", *axes, f"{layer}_unit")
    if isinstance(got, binary.Recall) and got.recorded is not None:
        same("energy", got.energy, "check", *axes)
        same("flip_unit", got.events.unit, "flip")
    if isinstance(got, hw.Result):
        for signal in got.trace.signals:
            scale = getattr(plan(), signal).scale if signal in final else 1
            units = f"{signal.removesuffix('_out')}_unit"
            same(signal, got.states(signal) / scale, "step", *axes, units)


@every_run
def test_datasets_say_what_their_axes_and_units_are(name: str) -> None:
    got = result(name, (2, 3))
    data = got.to_xarray()
    for dim in ("cue_0", "cue_1", "visible_unit"):
        assert data.coords[dim].values.tolist() == list(range(data.sizes[dim]))
    unit = data["settle_time"].attrs["units"]
    assert unit in got.time_label
    assert ("units of" in unit) == ("units of" in got.time_label)
    assert data["final_visible"].attrs == {
        "long_name": "last state of layer visible",
        "units": "1",
    }
    for variable in data.variables.values():
        words = {"long_name"} if variable.dtype.kind == "U" else {"long_name", "units"}
        assert set(variable.attrs) == words
    assert data.attrs["wall_time_units"] == "s"
    if isinstance(got, am.Trajectory):
        assert data["time"].attrs["units"] == unit
        chosen = data["visible"].sel(cue_0=1, cue_1=2, visible_unit=3)
        np.testing.assert_array_equal(chosen, got["visible"][:, 1, 2, 3])


@every_run
@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_frames_have_a_row_for_each_cue(name: str, batch: tuple[int, ...]) -> None:
    got = result(name, batch)
    frame = got.to_dataframe()
    assert len(frame) == math.prod(batch)
    assert frame.index.nlevels == max(1, len(batch))
    assert frame["status"].tolist() == got.statuses.ravel().tolist()
    np.testing.assert_array_equal(frame["settle_time"], got.settle_times.ravel())
    per_cue = {n: v for n, v in flat_stats(got.stats).items() if isinstance(v, np.ndarray)}
    assert set(frame) == {"status", "settle_time", *per_cue}
    for what, value in per_cue.items():
        np.testing.assert_array_equal(frame[what], value.ravel())


# Those whose datasets have other variables than the ones before them.
KINDS = [
    "simulate",
    "events",
    "binary",
    "binary, recorded",
    "binary, clocked",
    "chip",
    "chip, recorded",
    "chip, messages",
]


@pytest.mark.parametrize("name", KINDS)
def test_datasets_are_written_and_read(name: str, tmp_path: Any) -> None:
    import xarray

    data = result(name, (2,)).to_xarray()
    data.to_netcdf(tmp_path / "run.nc", engine="h5netcdf")
    with xarray.open_dataset(tmp_path / "run.nc", engine="h5netcdf") as again:
        assert again.load().equals(data)


@every_run
def test_results_show_themselves_in_a_line_and_a_table(name: str) -> None:
    got = result(name, (2, 3))
    assert repr(got).startswith(f"{type(got).__name__}(")
    assert len(repr(got)) <= LONGEST
    assert "\n" not in repr(got)
    assert repr(got) == repr(pickle.loads(pickle.dumps(got)))
    check_html(got._repr_html_())
    assert got.message.split("'")[0][:40] in got._repr_html_()


class Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: set[tuple[str, str | None]] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.seen.add(tag)
        self.attributes |= set(attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check_html(text: str) -> None:
    """Well-formed, of our tags alone, in the colours of the page, and short."""
    tags = Tags()
    tags.feed(text)
    assert not tags.open
    assert tags.seen <= {"table", "caption", "b", "tr", "td", "th", "pre"}
    assert tags.attributes <= {("style", "text-align:left")}
    assert len(text) < 20_000


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "&amp;\n\x00",
    "x" * 10_000,
]


def strange_network(name: str) -> am.Network:
    layers = {name: am.Layer(4, am.Identity()), "hidden": am.Layer(3, am.Softmax(1.0), tau=0.1)}
    return am.Network(layers, [am.Dense(np.eye(3, 4), between=("hidden", name))])


@pytest.mark.parametrize("name", HOSTILE, ids=["script", "attribute", "entity", "long"])
def test_names_of_layers_are_text(name: str) -> None:
    net = strange_network(name)
    traj = am.simulate(net, {name: np.ones(4)}, t1=1.0, until=None)
    check_html(traj._repr_html_())
    check_html(net._repr_html_())
    assert len(repr(net)) <= LONGEST
    assert traj.to_xarray()[name].shape == traj[name].shape


@pytest.mark.parametrize("name", ["time", "energy", "status", "hidden_unit", "final_hidden"])
def test_names_that_are_taken_are_refused(name: str) -> None:
    traj = am.simulate(strange_network(name), {name: np.ones(4)}, t1=1.0, until=None)
    with pytest.raises(ValueError, match=f"'{name}': give the layer another name"):
        traj.to_xarray()
    assert traj.to_dataframe()["status"].tolist() == ["time_limit"]


def test_axes_of_copies_have_names() -> None:
    net = am.Network({"x": am.Layer((2, 3, 4), am.Tanh())}, [])
    data = am.simulate(net, np.ones((5, 2, 3, 4)), t1=1.0, until=None).to_xarray()
    assert data["final_x"].dims == ("cue", "x_axis_0", "x_axis_1", "x_unit")


def test_a_repr_does_not_need_the_functions_of_the_user() -> None:
    def fails(t: float) -> float:
        if t > 0.9:
            raise RuntimeError("no more input")
        return 0.0

    net = am.Network({"x": am.Layer(2, am.Tanh())}, [])
    traj = am.simulate(net, [1.0, 2.0], t1=0.5, inputs=fails)
    traj._compute_message = lambda: fails(1.0) and ""
    assert repr(traj).startswith("Trajectory(1 time_limit of 1 cues; ")
    check_html(traj._repr_html_())


@pytest.mark.parametrize("kind", RunResult.__subclasses__())
def test_what_was_never_finished_can_be_shown(kind: type[RunResult]) -> None:
    """Debuggers and tracebacks show objects whose constructor failed."""
    unfinished = kind.__new__(kind)
    assert repr(unfinished) == f"<{kind.__name__} that cannot be shown>"
    check_html(unfinished._repr_html_())


def test_sweeps_are_counted_by_the_units_that_may_change() -> None:
    memory = binary.BinaryMemory([[1, 1, 1, 1]])
    start = [-1, 1, 1, 1]
    assert memory.recall(start, order="parallel").settle_times == 2.0
    assert memory.recall(start, order="sweep").settle_times == 5 / 4
    assert memory.recall(start, order=[0, 1]).settle_times == 3 / 2
    assert np.isnan(memory.recall(start, temperature=1.0, max_sweeps=3).settle_times)


@pytest.mark.parametrize("steps", [1, 40, 41, 2001])
def test_recording_does_not_change_what_settled(steps: int) -> None:
    driven = hw.compile(network(), chip="loihi2", input_limits={"visible": 0.1})
    states = np.concatenate([cues((3,)), np.zeros((1, 16))])
    inputs = {"visible": lambda t: np.full(16, 0.1 * (t < 0.3))}
    apart, kept = (
        hw.run(driven, states, steps=steps, inputs=inputs, record=record)
        for record in (False, ["visible"])
    )
    np.testing.assert_array_equal(apart.settled, kept.settled)
    assert apart.status == kept.status == ("settled" if steps > 1000 else "step_limit")
