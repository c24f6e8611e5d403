"""The record of a run: a mapping, its derived arrays, and its file."""

from __future__ import annotations

import copy
import json
import math
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import amsim as am

Array = npt.NDArray[Any]

PATTERNS = am.patterns.random(4, 16, seed=0)
BATCHES = [(), (1,), (3,), (2, 3)]


def network(**settings: Any) -> am.Network:
    return am.dense_am(PATTERNS, hidden=am.Softmax(1.0), **settings)


def run(batch: tuple[int, ...] = (3,), **settings: Any) -> am.Trajectory:
    cues = am.patterns.corrupt(PATTERNS[:1], noise=0.5, seed=1)
    cues = cues * np.linspace(1.0, 1.3, math.prod(batch))[:, None]
    return am.simulate(network(), cues.reshape(*batch, 16), **settings)


RUNS: dict[str, dict[str, Any]] = {
    "settled": {},
    "time limit": {"t1": 1.0},
    "explicit times": {"times": [0.5, 1.0, 200.0]},
    "SciPy": {"solver": "RK45"},
    "SciPy that does not count rejected steps": {"solver": "LSODA", "t1": 2.0},
    "updates": {"solver": am.FixedPoint()},
    "driven": {"inputs": lambda t: math.sin(t), "t1": 3.0, "until": None},
    "one cue": {"batch": ()},
    "two batch axes": {"batch": (2, 3)},
}
every_run = pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)


# The mapping and its arrays


@pytest.mark.parametrize("batch", BATCHES, ids=str)
@pytest.mark.parametrize("solver", [None, "RK45", am.FixedPoint()], ids=["default", "RK45", "map"])
def test_shapes(batch: tuple[int, ...], solver: Any) -> None:
    traj = run(batch, solver=solver)
    count = len(traj.times)
    assert traj["visible"].shape == (count, *batch, 16)
    assert traj["hidden"].shape == (count, *batch, 4)
    assert {name: x.shape for name, x in traj.final.items()} == {
        "visible": (*batch, 16),
        "hidden": (*batch, 4),
    }
    assert traj.energy.shape == (count, *batch)
    assert traj.overlap(PATTERNS).shape == (count, *batch, 4)
    for array in (traj.statuses, traj.settle_times, traj.stats["rhs_per_cue"]):
        assert array.shape == batch
    assert traj.times.ndim == 1
    for array in (traj.times, traj["visible"], traj["hidden"], traj.energy, traj.settle_times):
        assert array.dtype == np.float64


def test_axes_of_a_batch_are_in_the_given_order() -> None:
    flat, table = run((6,)), run((2, 3))
    np.testing.assert_array_equal(table.times, flat.times)
    for name in table:
        np.testing.assert_array_equal(table[name].reshape(flat[name].shape), flat[name])
        np.testing.assert_array_equal(
            table.final[name].reshape(flat.final[name].shape), flat.final[name]
        )
    np.testing.assert_array_equal(table.energy.reshape(-1, 6), flat.energy)
    np.testing.assert_array_equal(table.settle_times.ravel(), flat.settle_times)


def test_layers_with_several_axes() -> None:
    net = am.Network({"tokens": am.Layer((2, 5), am.LayerNorm())}, [])
    start = np.arange(60.0).reshape(3, 2, 2, 5)
    traj = am.simulate(net, start, times=[0.0, 1.0], until=None)
    assert traj["tokens"].shape == (2, 3, 2, 2, 5)
    np.testing.assert_array_equal(traj["tokens"][0], start)
    np.testing.assert_allclose(traj["tokens"][1], start * np.exp(-1.0), rtol=1e-6)


def test_mapping_protocol() -> None:
    traj = run()
    assert isinstance(traj, Mapping)
    assert list(traj) == list(traj.keys()) == ["visible", "hidden"]
    assert len(traj) == 2
    assert "visible" in traj
    assert "memory" not in traj
    assert traj.get("memory") is None
    everything = dict(traj)
    np.testing.assert_array_equal(everything["hidden"], traj["hidden"])
    with pytest.raises(KeyError, match="no layer 'memory'; the network has visible, hidden"):
        traj["memory"]


def test_first_and_last_rows() -> None:
    traj = run()
    weights = PATTERNS
    np.testing.assert_allclose(
        traj["hidden"][0], traj["visible"][0] @ weights.T, rtol=1e-13, atol=1e-13
    )
    for name in traj:
        np.testing.assert_array_equal(traj[name][-1], traj.final[name])


@pytest.mark.parametrize("solver", [None, "DOP853", am.FixedPoint()], ids=str)
def test_energy_is_that_of_the_states_and_falls(solver: Any) -> None:
    traj = run(solver=solver)
    np.testing.assert_allclose(traj.energy, network().energy(dict(traj)), rtol=1e-13)
    assert (np.diff(traj.energy, axis=0) <= 1e-9 * np.abs(traj.energy).max()).all()
    assert (traj.energy[-1] < traj.energy[0] - 0.1).all()


def test_energy_with_algebraic_memories() -> None:
    net = network(tau_hidden=0.0)
    traj = am.simulate(net, 1.3 * PATTERNS[:2])
    np.testing.assert_allclose(traj.energy, net.energy({"visible": traj["visible"]}), rtol=1e-13)


def test_energy_of_a_long_record_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run().energy
    monkeypatch.setattr("amsim.dynamics.trajectory._ROWS", 100)
    np.testing.assert_allclose(run().energy, whole, rtol=1e-14)


def test_overlap() -> None:
    traj = run((2, 3))
    overlap = traj.overlap(PATTERNS)
    np.testing.assert_allclose(overlap, traj["visible"] @ PATTERNS.T / 16, rtol=1e-13)
    np.testing.assert_allclose(overlap[-1, ..., 0], 1.0, atol=1e-3)
    rows = np.eye(4)[:2]
    np.testing.assert_allclose(
        traj.overlap(rows, layer="hidden"), traj["hidden"][..., :2] / 4, rtol=1e-13
    )
    with pytest.raises(ValueError, match=r"\(2, 2, 3, 16\).*\(4, 15\)"):
        run((2, 3), times=[0.0, 1.0]).overlap(PATTERNS[:, :15])
    with pytest.raises(ValueError, match="layer must be 'visible' or 'hidden'"):
        traj.overlap(PATTERNS, layer="memory")


def test_status_is_the_worst_of_the_batch() -> None:
    """A cue at rest and one that is not yet."""
    rest = am.simulate(network(), PATTERNS[0]).final["visible"]
    traj = am.simulate(network(), np.array([rest, 2 * PATTERNS[1]]), t1=1.0)
    assert traj.statuses.tolist() == ["settled", "time_limit"]
    assert traj.status == "time_limit"
    assert traj.settle_times[0] < 1.0
    assert np.isnan(traj.settle_times[1])
    assert "1 of 2 cues did not settle by t = 1" in traj.message


def test_stats() -> None:
    traj = run((2, 3))
    assert set(traj.stats) == {"rhs", "rhs_per_cue", "accepted", "rejected", "wall_time"}
    assert traj.stats["rhs"] == traj.stats["rhs_per_cue"].sum()
    assert traj.stats["rhs"] >= traj.stats["accepted"] + traj.stats["rejected"] > 0
    assert traj.stats["wall_time"] > 0
    for name in ("rhs", "accepted", "rejected"):
        assert type(traj.stats[name]) is int


def test_repr() -> None:
    traj = run((2, 3))
    end = f"{traj.times[-1]:.4g}"
    assert repr(traj) == (
        f"Trajectory(6 of 6 cues settled by t = {end} (|tau dx/dt| <= 1e-06); "
        f"{len(traj.times)} times, batch (2, 3))"
    )
    assert "update" in repr(run(solver=am.FixedPoint()))


# The file


def assert_equal(first: am.Trajectory, second: am.Trajectory) -> None:
    assert list(first) == list(second)
    assert list(first.final) == list(second.final)
    arrays = [(first[name], second[name]) for name in first]
    arrays += [(first.final[name], second.final[name]) for name in first]
    arrays += [
        (first.times, second.times),
        (first.energy, second.energy),
        (first.statuses, second.statuses),
        (first.settle_times, second.settle_times),
        (first.stats["rhs_per_cue"], second.stats["rhs_per_cue"]),
    ]
    for a, b in arrays:
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    for stats in (first.stats, second.stats):
        assert set(stats) == {"rhs", "rhs_per_cue", "accepted", "rejected", "wall_time"}
    for name in ("rhs", "accepted", "rejected", "wall_time"):
        assert first.stats[name] == second.stats[name]
    for word in ("status", "message", "time_label"):
        assert getattr(first, word) == getattr(second, word)
    assert repr(first) == repr(second)


@every_run
def test_a_saved_run_comes_back_whole(settings: dict[str, Any], tmp_path: Path) -> None:
    traj = run(**settings)
    path = tmp_path / "run.npz"
    assert traj.save(path) == path
    assert [file.name for file in tmp_path.iterdir()] == ["run.npz"]
    loaded = am.Trajectory.load(path)
    assert_equal(loaded, traj)
    np.testing.assert_array_equal(loaded.overlap(PATTERNS), traj.overlap(PATTERNS))
    # And once more, from what was loaded; a str is a path, too.
    again = tmp_path / "again.npz"
    loaded.save(str(again))
    assert_equal(am.Trajectory.load(str(again)), traj)


def test_a_diverged_run_can_be_saved(tmp_path: Path) -> None:
    net = am.dense_am([[3.0]], hidden=am.Identity(), tau_hidden=1.0)
    traj = am.simulate(net, [[1.0], [0.0]])
    assert traj.status == "diverged"
    assert_equal(am.Trajectory.load(traj.save(tmp_path / "run.npz")), traj)


def test_names_of_layers_may_be_any_text(tmp_path: Path) -> None:
    names = ["a/b", "json", "times", "état", "x.npy"]
    net = am.Network({name: am.Layer(2, am.Tanh()) for name in names}, [])
    start = {name: np.full(2, float(i)) for i, name in enumerate(names)}
    traj = am.simulate(net, start, times=[0.0, 1.0], until=None)
    assert_equal(am.Trajectory.load(traj.save(tmp_path / "run.npz")), traj)


@pytest.mark.parametrize("name", ["run", "run.data", "beta_0.5"])
def test_names_get_the_suffix_as_in_numpy(name: str, tmp_path: Path) -> None:
    path = run().save(tmp_path / name)
    assert path == tmp_path / f"{name}.npz"
    assert list(tmp_path.iterdir()) == [path]
    assert am.Trajectory.load(path).status == "settled"
    with pytest.raises(FileExistsError, match=rf"{name}\.npz exists"):
        run().save(tmp_path / name)


def test_the_file_needs_no_pickle(tmp_path: Path) -> None:
    path = run().save(tmp_path / "run.npz")
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    assert all(array.dtype != object for array in arrays.values())
    assert json.loads(str(arrays["json"]))["format"] == "amsim trajectory 2"


def test_an_existing_file_is_kept_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    path.write_text("precious")
    with pytest.raises(FileExistsError, match=r"run\.npz exists; pass force=True"):
        run().save(path)
    assert path.read_text() == "precious"
    traj = run()
    assert traj.save(path, force=True) == path
    assert_equal(am.Trajectory.load(path), traj)
    assert [file.name for file in tmp_path.iterdir()] == ["run.npz"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
@pytest.mark.parametrize("existing", [False, True])
def test_an_interrupted_write_leaves_no_half_file(
    existing: bool, error: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.npz"
    if existing:
        path.write_text("precious")
    write = np.savez

    def fail(file: Any, **arrays: Any) -> None:
        write(file, **{name: arrays[name] for name in list(arrays)[:2]})
        file.flush()
        raise error

    monkeypatch.setattr(np, "savez", fail)
    expected = error if isinstance(error, type) else type(error)
    raised = False
    try:
        run().save(path, force=existing)
    except expected:
        raised = True
    assert raised
    assert [file.name for file in tmp_path.iterdir()] == (["run.npz"] if existing else [])
    assert not existing or path.read_text() == "precious"


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        run().save(tmp_path / "nowhere" / "run.npz")


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.npz"):
        am.Trajectory.load(tmp_path / "nothing.npz")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("saved") / "run.npz"
    return run(times=[0.0, 0.1, 1.0]).save(path).read_bytes()


def refused(path: Path) -> None:
    with pytest.raises(ValueError, match=path.name.replace(".", r"\.")) as caught:
        am.Trajectory.load(path)
    assert "is not a trajectory" in str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.9999])
def test_a_truncated_file_is_refused(share: float, saved: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cut.npz"
    path.write_bytes(saved[: int(share * len(saved))])
    refused(path)


def load_or_refuse(path: Path) -> tuple[am.Trajectory | None, str]:
    try:
        return am.Trajectory.load(path), ""
    except ValueError as error:
        return None, str(error)


def test_a_damaged_file_is_refused_or_whole(saved: bytes, tmp_path: Path) -> None:
    """One byte changed, anywhere; some bytes of the archive carry nothing, such as its dates."""
    original, path = tmp_path / "whole.npz", tmp_path / "damaged.npz"
    original.write_bytes(saved)
    whole, refusals = am.Trajectory.load(original), 0
    for position in np.linspace(0, len(saved) - 1, 300).astype(int):
        damaged = bytearray(saved)
        damaged[position] ^= 0x55
        path.write_bytes(damaged)
        loaded, message = load_or_refuse(path)
        if loaded is None:
            assert "damaged.npz" in message
            refusals += 1
        else:
            assert_equal(loaded, whole)
    assert refusals > 200


@pytest.mark.parametrize(
    "content", [b"", b"hello, world\n", b"\x93NUMPY\x01\x00", b"PK\x03\x04", bytes(range(256)) * 9]
)
def test_foreign_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "foreign.npz"
    path.write_bytes(content)
    refused(path)


def test_other_files_of_numpy_are_refused(tmp_path: Path) -> None:
    array, archive, pickled = (tmp_path / name for name in ("a.npy", "b.npz", "c.npz"))
    np.save(array, np.ones(3))
    np.savez(archive, times=np.ones(3))
    np.savez(pickled, json=np.array({"format": "amsim trajectory 2"}, dtype=object))
    for path in (array, archive, pickled):
        refused(path)
    for path in (array, archive):
        with pytest.raises(ValueError, match=r"Trajectory\.save"):
            am.Trajectory.load(path)
    refused(tmp_path)


def rewrite(saved: bytes, path: Path, **changed: Array | None) -> None:
    """The file with some members replaced, or left out."""
    source = path.with_name("source.npz")
    source.write_bytes(saved)
    with np.load(source, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    for name, array in changed.items():
        arrays.pop(name, None)
        if array is not None:
            arrays[name] = array
    np.savez(path, **arrays)


def meta(saved: bytes, path: Path, **changed: Any) -> Array:
    source = path.with_name("meta.npz")
    source.write_bytes(saved)
    with np.load(source, allow_pickle=False) as file:
        return np.array(json.dumps({**json.loads(str(file["json"])), **changed}))


MEMBERS = ["times", "energy", "codes", "settle_times", "end_times", "rhs_per_cue", "json"]
MEMBERS += [f"{kind}/{layer}" for kind in ("state", "final") for layer in ("visible", "hidden")]


def test_members_of_the_file(saved: bytes, tmp_path: Path) -> None:
    (tmp_path / "run.npz").write_bytes(saved)
    with zipfile.ZipFile(tmp_path / "run.npz") as file:
        names = sorted(name.removesuffix(".npy") for name in file.namelist())
    assert names == sorted(MEMBERS)


@pytest.mark.parametrize("name", MEMBERS)
def test_a_file_that_lacks_a_member_is_refused(name: str, saved: bytes, tmp_path: Path) -> None:
    path = tmp_path / "lacking.npz"
    rewrite(saved, path, **{name: None})
    refused(path)


def test_a_file_of_another_format_is_refused(saved: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    rewrite(saved, path, json=meta(saved, path, format="amsim trajectory 99"))
    with pytest.raises(ValueError, match=r"other\.npz.*amsim trajectory 99"):
        am.Trajectory.load(path)
    for bad in (np.array("[]"), np.array("{"), np.array("3"), np.array('{"format": 1}')):
        rewrite(saved, path, json=bad)
        refused(path)


NUMBERS = np.arange(3)
BAD: dict[str, tuple[str, Array]] = {
    "a code beyond all": ("codes", np.array([0, 0, 7])),
    "a negative code": ("codes", np.array([0, -3, 0])),
    "codes that the message denies": ("codes", np.array([3, 3, 3])),
    "codes of floats": ("codes", np.zeros(3)),
    "short codes": ("codes", np.array([0, 0, 0], np.int8)),
    "few times": ("times", np.arange(2.0)),
    "no times": ("times", np.zeros(0)),
    "NaN times": ("times", np.array([0.0, np.nan, 1.0])),
    "infinite times": ("times", np.array([0.0, 1.0, np.inf])),
    "falling times": ("times", np.array([0.0, 1.0, 0.5])),
    "times after the end": ("times", np.array([2000.0, 2001.0, 2002.0])),
    "times as text": ("times", np.array(["0", "1", "2"])),
    "complex times": ("times", np.arange(3.0) + 1j),
    "a table of times": ("times", np.zeros((3, 3))),
    "energies of others": ("energy", np.zeros((3, 2))),
    "settle times of others": ("settle_times", np.zeros(2)),
    "a settle time without": ("settle_times", np.zeros(3)),
    "an infinite settle time": ("settle_times", np.full(3, np.inf)),
    "counts of others": ("rhs_per_cue", np.zeros(2, int)),
    "negative counts": ("rhs_per_cue", np.array([-1, 1, 1])),
    "counts that do not add up": ("rhs_per_cue", np.zeros(3, int)),
    "states of others": ("state/visible", np.zeros((3, 3, 15))),
    "states in half precision": ("state/visible", np.zeros((3, 3, 16), np.float32)),
    "dates as states": ("final/hidden", np.zeros((3, 4), "datetime64[s]")),
    "last states of others": ("final/hidden", np.zeros((2, 4))),
    "a member too many": ("state/other", np.zeros((3, 3, 2))),
    "events of numbers": ("events", np.zeros(3)),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_with_an_array_that_does_not_fit_is_refused(
    name: str, saved: bytes, tmp_path: Path
) -> None:
    """It must not fail later, when the array is used."""
    path = tmp_path / "bad.npz"
    member, array = BAD[name]
    rewrite(saved, path, **{member: array})
    refused(path)
    with pytest.raises(ValueError, match=r"its '\w+|its count 'rhs'|'state/other'\] are none"):
        am.Trajectory.load(path)


STATS = {"rhs": 3, "accepted": 1, "rejected": 0, "wall_time": 0.1}
BAD_TEXTS: dict[str, dict[str, Any]] = {
    "layers in a list": {"layers": ["visible", "hidden"]},
    "no layers": {"layers": {}},
    "a layer without a shape": {"layers": {"visible": 16, "hidden": [4]}},
    "a negative shape": {"layers": {"visible": [-16], "hidden": [4]}},
    "a shape of text": {"layers": {"visible": ["16"], "hidden": [4]}},
    "a flag as a shape": {"layers": {"visible": [16], "hidden": [4], "x": [True]}},
    "no message": {"message": None},
    "a message that moves the cursor": {"message": "\x1b[2J"},
    "no label": {"time_label": 3},
    "no counts": {"stats": {}},
    "counts in a list": {"stats": [3]},
    "a count of text": {"stats": {**STATS, "rhs": "x"}},
    "a negative count": {"stats": {**STATS, "accepted": -1}},
    "a count beyond integers": {"stats": {**STATS, "accepted": 10**400}},
    "a layer that moves the cursor": {"layers": {"\x1b[2J": [16], "hidden": [4]}},
    "a message of more cues": {"message": "5 of 5 cues settled by t = 1"},
    "a flag as a count": {"stats": {**STATS, "rejected": True}},
    "no wall time": {"stats": {**STATS, "wall_time": float("nan")}},
    "a statistic of text": {"stats": {**STATS, "drops": ["a", "b", "c"]}},
    "a statistic of others": {"stats": {**STATS, "drops": [1, 2]}},
    "an uneven statistic": {"stats": {**STATS, "drops": [1, [2], 3]}},
    "a deep statistic": {"stats": {**STATS, "messages": {"visible": {"a": ["b"]}}}},
}


@pytest.mark.parametrize("name", BAD_TEXTS)
def test_a_file_with_a_text_that_does_not_fit_is_refused(
    name: str, saved: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "bad.npz"
    rewrite(saved, path, json=meta(saved, path, **BAD_TEXTS[name]))
    refused(path)


def test_settled_states_are_finite(tmp_path: Path) -> None:
    path = am.simulate(am.dense_am(PATTERNS), PATTERNS[:2]).save(tmp_path / "settled.npz")
    rewrite(path.read_bytes(), path, **{"final/hidden": np.full((2, 4), np.nan)})
    with pytest.raises(ValueError, match="final states of layer 'hidden' are not finite"):
        am.Trajectory.load(path)


def test_a_text_that_nests_without_end_is_refused(saved: bytes, tmp_path: Path) -> None:
    path = tmp_path / "deep.npz"
    rewrite(saved, path, json=np.array("[" * 100_000))
    refused(path)


EVENTS = [("time", "f8"), ("layer", "U7"), ("unit", "i8"), ("value", "f8"), ("cue", "i8")]


@pytest.mark.parametrize(
    "event",
    [
        (np.inf, "visible", 0, 1.0, 0),
        (0.5, "memory", 0, 1.0, 0),
        (0.5, "visible", 16, 1.0, 0),
        (0.5, "visible", -1, 1.0, 0),
        (0.5, "visible", 0, 1.0, 3),
    ],
)
def test_messages_of_what_there_is_not_are_refused(
    event: tuple[Any, ...], saved: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "events.npz"
    good = np.array([(0.5, "visible", 15, 1.0, 2), (0.5, "hidden", 3, 1.0, 0)], EVENTS)
    rewrite(saved, path, events=good)
    assert am.Trajectory.load(path).events.unit.tolist() == [15, 3]
    rewrite(saved, path, events=np.array([event], EVENTS))
    refused(path)


def test_a_small_file_that_unpacks_to_much_is_refused(saved: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    source = tmp_path / "source.npz"
    source.write_bytes(saved)
    with np.load(source) as file:
        arrays = dict(file)
    zeros = np.zeros((3, 3, 1 << 16))
    np.savez_compressed(path, **{**arrays, "state/visible": zeros})
    assert path.stat().st_size < zeros.nbytes / 100
    with pytest.raises(ValueError, match=r"bomb\.npz.*max_bytes=1,000,000; raise max_bytes"):
        am.Trajectory.load(path, max_bytes=10**6)
    with pytest.raises(ValueError, match=r"bomb\.npz.*'state/visible' has shape"):
        am.Trajectory.load(path)


def test_files_of_before_that_are_compressed_are_read(saved: bytes, tmp_path: Path) -> None:
    source, path = tmp_path / "source.npz", tmp_path / "old.npz"
    source.write_bytes(saved)
    with np.load(source) as file:
        np.savez_compressed(path, **file)
    assert_equal(am.Trajectory.load(path), am.Trajectory.load(source))


# Copies


COPIES: dict[str, Any] = {
    "pickle": lambda traj: pickle.loads(pickle.dumps(traj)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("way", COPIES)
@every_run
def test_copies_are_whole(settings: dict[str, Any], way: str, tmp_path: Path) -> None:
    traj = run(**settings)
    for original in (traj, am.Trajectory.load(traj.save(tmp_path / "run.npz"))):
        again = COPIES[way](original)
        assert_equal(again, traj)
        assert_equal(COPIES[way](again), traj)


def test_trajectories_compare_as_objects() -> None:
    first, second = run(), run()
    assert (first == first, first == second, first != second) == (True, False, True)
    assert first != dict(first)
    assert len({first, second, first}) == 2


def _all_of(traj: am.Trajectory) -> dict[str, Array]:
    """Every array of a trajectory, by name."""
    found = {name: traj[name] for name in traj} | {f"final {n}": x for n, x in traj.final.items()}
    for name in ("energy", "codes", "settle_times", "end_times"):
        found[name] = getattr(traj, name)
    return found


@pytest.mark.parametrize("source", ["run", "copy", "driven"])
def test_some_cues_alone_are_what_they_are_among_the_others(source: str) -> None:
    patterns = am.patterns.random(3, 16, seed=0)
    cues = am.patterns.corrupt(np.tile(patterns, (12, 1)), flip=0.2, seed=1).reshape(4, 9, 16)
    net = am.dense_am(patterns, hidden=am.Softmax(beta=0.3))
    options: dict[str, Any] = {}
    if source == "driven":
        options["inputs"] = am.PiecewiseConstant([2.0], [0.1 * patterns[0]])
        options["watch"] = {"up": lambda time, states: states["visible"][0]}
    traj = am.simulate(net, cues, **options)
    if source == "copy":
        traj = pickle.loads(pickle.dumps(traj))
    chosen = np.arange(36).reshape(4, 9) % 5 == 2
    for cues in (chosen, np.flatnonzero(chosen)):
        part = traj.select(cues)
        np.testing.assert_array_equal(part.times, traj.times)
        for name, array in _all_of(part).items():
            whole = _all_of(traj)[name]
            expected = whole[:, chosen] if name in ("energy", *traj) else whole[chosen]
            np.testing.assert_allclose(array, expected, rtol=1e-13, atol=1e-13, err_msg=name)
        assert part.stats["rhs"] == traj.stats["rhs_per_cue"][chosen].sum()
    if source == "driven":
        times = [traj.crossings.time[traj.crossings.cue == cue] for cue in np.flatnonzero(chosen)]
        np.testing.assert_array_equal(part.crossings.time, np.concatenate(times))
        assert part.crossings.cue.max(initial=0) < len(times)


def test_some_cues_are_saved_and_read(tmp_path: Path) -> None:
    patterns = am.patterns.random(3, 16, seed=0)
    traj = am.simulate(am.dense_am(patterns, hidden=am.Softmax(0.3)), patterns)
    path = traj.select([0, 2]).save(tmp_path / "two.npz")
    two = am.Trajectory.load(path)
    assert two.message.startswith("2 of 2 cues settled by t = ")
    one = am.Trajectory.load(two.select([1]).save(tmp_path / "one.npz"))
    assert one.message == f"1 of 2 cues of a run: {two.message}"
    np.testing.assert_array_equal(one["visible"][:, 0], traj["visible"][:, 2])


def test_cues_that_there_are_not_cannot_be_selected() -> None:
    traj = am.simulate(am.dense_am([[1.0, -1.0]]), np.ones((3, 2)))
    for cues, words in (
        ([], "chooses none"),
        ([3], "3"),
        (np.ones((2, 2), bool), r"mask of shape \(2, 2\), the cues have \(3,\)"),
        ([1, 1], "different indices"),
    ):
        with pytest.raises((ValueError, IndexError), match=words):
            traj.select(cues)
