"""Plans and golden vectors on disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import amsim as am
import hardware as hw

PATTERNS = am.patterns.random(5, 24, seed=0)
NETWORKS = {
    "softmax": am.dense_am(PATTERNS, hidden=am.Softmax(0.5), tau_visible=np.linspace(1, 2, 24)),
    "tanh power": am.dense_am(PATTERNS, visible=am.Tanh(0.1), hidden=am.RectifiedPower(3)),
    "sign": am.dense_am(PATTERNS, visible=am.Sign(), hidden=am.Softmax(0.1)),
    "identity relu": am.dense_am(PATTERNS.astype(np.float32) / 16, hidden=am.ReLU()),
}


@pytest.fixture(params=NETWORKS)
def plan(request: pytest.FixtureRequest) -> hw.Plan:
    return hw.compile(NETWORKS[request.param])


def test_a_saved_plan_comes_back_equal(plan: hw.Plan, tmp_path: Path) -> None:
    path = plan.save(tmp_path / "plan.json")
    loaded = hw.Plan.load(path)
    assert loaded == plan
    assert repr(loaded) == repr(plan)
    cue = np.clip(PATTERNS[0], -0.05, 0.05)
    one, other = hw.run(plan, cue, steps=200), hw.run(loaded, cue, steps=200)
    np.testing.assert_array_equal(one.integers["visible"], other.integers["visible"])
    document = json.loads(path.read_text())
    assert document["verified_on_hardware"] is False
    assert all(signal["bits"] <= signal["available"] for signal in document["ranges"])


def test_plans_differ_if_anything_does(plan: hw.Plan) -> None:
    assert plan != hw.compile(plan.network, dt=0.01)
    assert plan != hw.compile(plan.network, quantum=0.3)
    assert plan != "plan"
    assert plan == hw.compile(plan.network)


def test_files_are_not_overwritten(plan: hw.Plan, tmp_path: Path) -> None:
    plan.save(tmp_path / "plan.json")
    with pytest.raises(FileExistsError, match="force=True"):
        plan.save(tmp_path / "plan.json")
    plan.save(tmp_path / "plan.json", force=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["plan.json", "plan.npz"]
    with pytest.raises(ValueError, match=r"\.json"):
        plan.save(tmp_path / "plan.txt")


def test_damaged_files_are_refused(plan: hw.Plan, tmp_path: Path) -> None:
    path = plan.save(tmp_path / "plan.json")
    with pytest.raises(FileNotFoundError):
        hw.Plan.load(tmp_path / "none.json")
    text, arrays = path.read_text(), path.with_suffix(".npz").read_bytes()
    for broken in ("", "{}", "[1]", text[: len(text) // 2], text.replace("amsim plan 1", "x")):
        path.write_text(broken)
        with pytest.raises(ValueError, match="not a plan or is damaged"):
            hw.Plan.load(path)
    path.write_text(text)
    path.with_suffix(".npz").write_bytes(arrays[:-1])
    with pytest.raises(ValueError, match="arrays are those of another plan"):
        hw.Plan.load(path)


def test_a_plan_edited_to_overflow_is_refused(tmp_path: Path) -> None:
    path = hw.compile(NETWORKS["tanh power"]).save(tmp_path / "plan.json")
    document = json.loads(path.read_text())
    document["visible"]["gain"] += 3
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match="sum arriving at visible needs"):
        hw.Plan.load(path)


def test_golden_vectors_are_the_recall(plan: hw.Plan, tmp_path: Path) -> None:
    cues = np.clip(PATTERNS[:2], -0.05, 0.05)
    path = plan.golden(cues, tmp_path / "golden.npz", steps=45, clamp=[1])
    result = hw.run(plan, cues, steps=45, clamp=[1])
    with np.load(path) as file:
        golden = {name: file[name] for name in file.files}
    for name, state in result.integers.items():
        np.testing.assert_array_equal(golden[name][-1], state)
        assert golden[f"{name}_out"].shape == golden[name].shape
    head = json.loads(str(golden["json"]))
    assert head["period"] == plan.period
    assert head["verified_on_hardware"] is False
    np.testing.assert_array_equal(golden["weights"], plan.weights)
    # What the features have sent by then adds up to their output, as far as it was sent.
    sent = golden["visible_out"].sum(axis=0)
    last = plan.visible.output(golden["visible"][-1])
    assert (np.abs(last - sent) < plan.visible.threshold).all()
    with pytest.raises(FileExistsError, match="force"):
        plan.golden(cues, path)
    with pytest.raises(ValueError, match=r"\.npz"):
        plan.golden(cues, tmp_path / "golden.json")


def test_arrays_that_are_missing_are_named(plan: hw.Plan, tmp_path: Path) -> None:
    path = plan.save(tmp_path / "plan.json")
    path.with_suffix(".npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"it holds the arrays of plan\.json") as caught:
        hw.Plan.load(path)
    assert caught.value.filename == str(path.with_suffix(".npz"))


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    plan = hw.compile(NETWORKS["softmax"])
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*none; make it"):
        plan.golden(PATTERNS[0], tmp_path / "none" / "golden.npz", steps=5)
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*none; make it"):
        plan.save(tmp_path / "none" / "plan.json")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("hello", "it is not JSON"),
        ('{"nodes": 3}', "it is JSON of something else"),
        ('{"format": "nir"}', "its format is 'nir', not 'amsim plan 1'"),
        ('{"format": "amsim plan 1"}', "'arrays' is missing"),
    ],
)
def test_another_json_file_is_not_a_plan(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"plan.json is not a plan or is damaged: {problem}"):
        hw.Plan.load(path)
