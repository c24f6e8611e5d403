"""Plans and golden vectors on disk."""

from __future__ import annotations

import copy
import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import amsim as am
import hardware as hw
from amsim.cli import main
from hardware import damaged_plans, domain, files, origin, random_plans, ranges
from hardware.units import values

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


@pytest.mark.parametrize("made", ["compile", "load", "pickle", "copy", "deepcopy", "replace"])
def test_arrays_of_a_plan_are_read_only(made: str, plan: hw.Plan, tmp_path: Path) -> None:
    """The proof that nothing overflows is of these numbers."""
    path = plan.save(tmp_path / "plan.json")
    again = {
        "compile": lambda: plan,
        "load": lambda: hw.Plan.load(path),
        "pickle": lambda: pickle.loads(pickle.dumps(plan)),
        "copy": lambda: copy.copy(plan),
        "deepcopy": lambda: copy.deepcopy(plan),
        "replace": lambda: replace(plan, hidden=replace(plan.hidden, bias=plan.hidden.bias.copy())),
    }[made]()
    arrays = {
        f"{type(part).__name__}.{name}": value
        for part in (again, again.visible, again.hidden)
        for name, value in values(part).items()
        if isinstance(value, np.ndarray)
    }
    assert len(arrays) == 6
    for array in arrays.values():
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 1
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True
    assert again == plan


def test_a_plan_does_not_share_arrays_with_its_maker() -> None:
    plan = hw.compile(NETWORKS["softmax"])
    bias = plan.hidden.bias.copy()
    hidden = replace(plan.hidden, bias=bias)
    bias[...] = 2**40
    np.testing.assert_array_equal(hidden.bias, plan.hidden.bias)


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


@pytest.mark.parametrize(
    ("old", "name"),
    [
        ('"gain": ', "gain"),
        ('"steps": ', "steps"),
        ('"format": ', "format"),
        ('"parameters": {', "parameters"),
        ('"sha256": ', "sha256"),
        ('"verified_on_hardware": ', "verified_on_hardware"),
    ],
)
@pytest.mark.parametrize("escaped", [False, True])
def test_a_name_that_stands_twice_is_refused(
    old: str, name: str, escaped: bool, tmp_path: Path
) -> None:
    """Python keeps the last value of a name, other readers the first: nobody knows which is meant.

    The copy has the same value, so that nothing but the name is wrong; once more it is written with
    an escape, which is the same name to a parser of JSON.
    """
    path = hw.compile(NETWORKS["tanh power"]).save(tmp_path / "plan.json")
    text = path.read_text()
    start = text.index(old)
    end = start + len(old)
    closes = (
        text.index("}", end) + 1
        if old.endswith("{")
        else min(i for i in (text.find(",", end), text.find("\n", end)) if i > 0)
    )
    copy_ = text[start:closes]
    if escaped:
        copy_ = f'"\\u{ord(name[0]):04x}{name[1:]}"{copy_[len(name) + 2 :]}'
    path.write_text(f"{text[:start]}{copy_}, {text[start:]}")
    with pytest.raises(ValueError, match=f"the name '{name}' stands twice"):
        hw.Plan.load(path)
    path.write_text(text)
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


# Files that were edited, with a right checksum


def edit(path: Path, place: str, value: object) -> None:
    """Change one number of a saved plan, and write the checksum anew."""
    document = json.loads(path.read_text())
    part, _, name = place.partition(".")
    beside = path.with_suffix(".npz")
    with np.load(beside) as file:
        arrays = {each: file[each] for each in file.files}
    if place in arrays:
        arrays[place] = (
            value(arrays[place]) if callable(value) else np.full_like(arrays[place], value)
        )
    else:
        document[part][name] = value
    np.savez(beside, **arrays)
    document["arrays"]["sha256"] = files.digest(beside)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        ("visible.gain", 63, "visible.gain must be a whole number from 0 to 23, got 63"),
        ("visible.gain", 4097, "visible.gain must be"),
        ("visible.gain", -1, "visible.gain must be"),
        ("visible.decay", 12288, r"visible.decay\[0\] must be from 1 to 4096, got 12288"),
        ("visible.decay", -4096, r"visible.decay\[0\] must be from 1 to 4096, got -4096"),
        ("hidden.decay", 12288, r"hidden.decay\[0\] must be from 1 to 4096"),
        ("normaliser.floor", 2**40, "normaliser.floor must be"),
        ("normaliser.floor", 2**22, "normaliser.floor is 4194304, it has to be from"),
        ("normaliser.logit_bits", 3, "normaliser.logit_bits must be"),
        ("visible.shift", 10**9, "visible.shift must be a whole number from 0 to 40"),
        ("hidden.shift", 2**70, "hidden.shift must be"),
        (
            "visible.kind",
            "banana",
            "visible.kind must be 'identity', 'tanh' or 'sign', got 'banana'",
        ),
        ("visible.kind", "sign", "visible.kind is 'sign', that of the network is 'identity'"),
        ("hidden.kind", "power", "a normaliser belongs to softmax memories"),
        ("plan.dt", float("nan"), "dt must be a finite number > 0, got nan"),
        ("plan.dt", -1.0, "dt must be a finite number > 0, got -1.0"),
        ("plan.steps", -5, "steps must be a whole number from 1 to"),
        ("plan.steps", "x", "steps must be a whole number from 1 to .*, got 'x'"),
        ("plan.steps", 1e9, "steps must be a whole number"),
        ("plan.steps", 10**9, "steps must be a whole number"),
        ("plan.chip", "board.toml", "chip must be 'loihi2', got 'board.toml'"),
        ("plan.weight_bits", 40, "weight_bits must be a whole number from 2 to 8, got 40"),
        ("plan.weight_bits", True, "weight_bits must be a whole number from 2 to 8, got True"),
        ("visible.scale", 0, "visible.scale must be a finite number > 0, got 0"),
        ("visible.scale", [1], r"visible.scale must be a finite number > 0, got \[1\]"),
        ("visible.scale", 3.0, "visible.output_scale is .*, by the other numbers it is 0.09"),
        ("visible.limit", 1, "state of visible has no bound"),
        ("visible.new", 1, "visible has 'new', which is not known"),
        ("weights", lambda w: w.astype(float), "weights must be an array of int8"),
        ("weights", lambda w: -w, r"weights\[0, 0\] is -?1, the pattern of the network is"),
        ("weights", -128, r"weights\[0, 0\] must be from -127 to 127, got -128"),
        ("hidden.bias", lambda b: b.astype(">i8"), "hidden.bias must be an array of int64"),
        (
            "hidden.bias",
            lambda b: b[1:],
            r"hidden.bias must be an array of int64 with shape \(5,\)",
        ),
        ("plan.dt", 0.5, "visible.decay is .* by the network, dt and the scales it is .*: compile"),
        ("network.visible.tau", lambda tau: 10 * tau, "visible.decay is"),
        ("network.hidden.tau", 0.3, "hidden.decay is"),
        ("network.visible.bias", 0.1, "visible.bias is"),
        ("visible.decay", 1, "visible.decay is"),
        ("visible.bias", 500, "visible.bias is"),
        (
            "network.hidden",
            {"name": "Softmax", "parameters": {"beta": 0.51}},
            "hidden.mantissa is .*, by the network, dt and the scales it is",
        ),
        ("hidden.mantissa", 30_000, "hidden.mantissa is 30000, by the network"),
        ("network.visible.tau", float("nan"), "network.visible.tau must be finite"),
        ("network.visible", {"name": "Sign"}, "network.visible lacks parameters"),
        ("network.hidden", {"name": "Softmax", "parameters": {"beta": "x"}}, "network.hidden.beta"),
    ],
)
def test_a_number_outside_its_domain_is_refused(
    tmp_path: Path, place: str, value: object, problem: str
) -> None:
    path = hw.compile(NETWORKS["softmax"]).save(tmp_path / "plan.json")
    edit(path, place, value)
    with pytest.raises(ValueError, match=problem) as caught:
        hw.Plan.load(path)
    assert "\n" not in str(caught.value)


def test_a_product_that_wraps_in_64_bits_is_refused() -> None:
    """The proof is in integers without a width: 2**64 is not 0."""
    plan = hw.compile(NETWORKS["tanh power"])
    for gain in (plan.visible.gain + 3, 23, 63, 64, 128):
        fine = replace(plan, visible=replace(plan.visible, gain=gain))
        with pytest.raises(hw.RangeError, match="sum arriving at visible needs"):
            ranges.prove(fine)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("proof", [False, True])
def test_edited_files_are_refused_or_do_not_overflow(
    kind: str, proof: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`benchmarks/plan_files.py` makes 10,000 of these edits.

    Few pass the comparison with the network. Without it the proof alone decides, about many.
    """
    if proof:
        monkeypatch.setattr(origin, "check_origin", lambda _: None)
    loaded, refusals = 0, []
    plan = small_plan(kind)
    for seed in range(20):
        rng = np.random.default_rng([seed, len(kind)])
        path, what = damaged_plans.edited(rng, plan, tmp_path)
        try:
            found = hw.Plan.load(path)
        except ValueError as error:
            refusals.append(str(error).removeprefix(f"{path} is not a plan or is damaged: "))
            continue
        loaded += 1
        assert damaged_plans.overflow(rng, found) == "", what
    assert loaded > 0 or not proof
    assert all(reason and "\n" not in reason for reason in refusals)
    assert not any(reason.startswith(str(path)) for reason in refusals)


def small_plan(kind: str) -> hw.Plan:
    net = NETWORKS[kind]
    small = am.dense_am(
        PATTERNS[:3, :4] / 8, visible=net.layers["visible"].lagrangian,
        hidden=net.layers["hidden"].lagrangian,
    )  # fmt: skip
    return hw.compile(small, input_limits={"visible": 0.1})


def test_reading_and_compiling_agree_about_domains() -> None:
    """What the planner makes is in the domain: `compile` checks it with the same rules."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        try:
            plan = random_plans.plan(rng, random_plans.network(rng))
        except hw.RangeError:
            continue
        domain.check(plan)
        origin.check_origin(plan)


def test_numpy_numbers_are_saved(tmp_path: Path) -> None:
    plan = hw.compile(
        am.dense_am(PATTERNS, hidden=am.Softmax(np.float32(0.5))),
        weight_bits=np.int64(8),
        dt=np.float32(0.125),
        quantum=np.float64(0.0),
    )
    assert type(plan.weight_bits) is int and type(plan.dt) is float
    assert hw.Plan.load(plan.save(tmp_path / "plan.json")) == plan
    with pytest.raises(TypeError, match=r"weight_bits must be a whole number .*, got 8\.0"):
        hw.compile(NETWORKS["softmax"], weight_bits=8.0)


def test_links_and_strangers_files_are_left_alone(plan: hw.Plan, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for name in ("plan.json.partial", "plan.npz.partial", "golden.npz.partial"):
        (tmp_path / name).symlink_to(victim)
    plan.save(tmp_path / "plan.json")
    plan.golden(np.zeros(24), tmp_path / "golden.npz", steps=2)
    assert victim.read_text() == "mine"
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "nowhere.json")
    with pytest.raises(FileExistsError, match="force=True"):
        plan.save(link)
    plan.save(link, force=True)
    assert not link.is_symlink() and not (tmp_path / "nowhere.json").exists()


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
def test_a_file_without_an_end_is_not_read(plan: hw.Plan, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="it is not a regular file"):
        hw.Plan.load(pipe)
    path = plan.save(tmp_path / "plan.json")
    path.write_text(path.read_text() + " " * (1 << 20))
    with pytest.raises(ValueError, match="it is larger than 1,048,576 bytes"):
        hw.Plan.load(path)


def test_a_damaged_plan_ends_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = hw.compile(NETWORKS["softmax"]).save(tmp_path / "plan.json")
    edit(path, "visible.scale", [1])
    np.save(tmp_path / "cues.npy", PATTERNS)
    cues = str(tmp_path / "cues.npy")
    code = main(["run", "--plan", str(path), "--cues", cues, "--out", str(tmp_path / "out")])
    captured = capsys.readouterr()
    assert code == 2 and captured.out == ""
    assert captured.err.count("\n") == 1
    assert "visible.scale must be a finite number > 0, got [1]" in captured.err
