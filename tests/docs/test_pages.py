"""The examples of pages run, one after the other, and print what the pages say."""

import contextlib
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest

import hardware as hw
from hardware import random_plans

ROOT = Path(__file__).parents[2]


def run(page):
    """The names that the blocks of a page define, and what they print beside what the page says."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", text, re.DOTALL)
    assert blocks
    names, found = {}, []
    for code, expected in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, page, "exec"), names)
        if expected:
            found.append((printed.getvalue(), expected))
    return names, found


@pytest.mark.parametrize("page", ["README.md", "docs/overview.md", "docs/integers.md"])
def test_the_examples_print_what_stands_below_them(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = run(page)[1]
    assert found
    for printed, expected in found:
        assert printed == expected


def test_the_readme_fits_a_screen():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 70


def test_the_page_on_integers_suffices(tmp_path, monkeypatch):
    """Its code replays the golden vectors of twelve plans, every signal of every step."""
    monkeypatch.chdir(tmp_path)
    recall = run("docs/integers.md")[0]["recall"]
    rng, kinds, count = np.random.default_rng(0), set(), 0
    while count < 12:
        try:
            plan = random_plans.plan(rng, random_plans.network(rng))
        except (hw.RangeError, ValueError):
            continue
        count += 1
        kinds.add((plan.visible.kind, plan.hidden.kind))
        cues = random_plans.hard_cues(rng, plan, 2)
        inputs = random_plans.jumping_inputs(rng, plan, 2)
        clamp = rng.random(plan.units[1]) < 0.2
        steps = 4 * plan.period - 1
        path = plan.golden(cues, "golden.npz", steps=steps, force=True, clamp=clamp, inputs=inputs)
        with np.load(path) as file:
            golden = {name: file[name] for name in file.files}
        for cue in range(2):
            replay(recall, golden, cue, steps)
    assert {kind for kind, _ in kinds} == {"identity", "tanh", "sign"}
    assert {kind for _, kind in kinds} == {"softmax", "power"}


def test_the_page_suffices_for_any_layers(tmp_path, monkeypatch):
    """Its code replays the golden vectors of twelve graphs, every signal of every step."""
    monkeypatch.chdir(tmp_path)
    recall = run("docs/integers.md")[0]["recall_layers"]
    rng, kinds, count = np.random.default_rng(0), set(), 0
    while count < 12:
        try:
            plan = random_plans.graph_plan(rng, random_plans.graph(rng))
        except hw.RangeError:
            continue
        if plan.period > 60:
            continue
        count += 1
        kinds |= {units.kind for units in plan.layers.values()}
        cues = random_plans.graph_cues(rng, plan, 2)
        inputs = random_plans.jumping_inputs(rng, plan, 2)
        clamp = {name: rng.random(units.size) < 0.2 for name, units in plan.layers.items()}
        steps = 3 * plan.period - 1
        path = plan.golden(cues, "golden.npz", steps=steps, force=True, clamp=clamp, inputs=inputs)
        with np.load(path) as file:
            golden = {name: file[name] for name in file.files}
        replay_layers(recall, golden, count % 2, steps)
    assert kinds == {"identity", "tanh", "sign", "sigmoid", "power", "softmax"}


def replay_layers(recall, golden, cue, steps):
    plan = json.loads(str(golden["json"]))
    for name, part in plan["layers"].items():
        for array in ("decay", "bias"):
            part[array] = golden[f"layers.{name}.{array}"].tolist()
    for each in plan["projections"]:
        each["weights"] = golden[f"projections.{each['name']}.weights"].tolist()
    start = {n[6:]: x[cue].tolist() for n, x in golden.items() if n.startswith("start.")}

    def inputs(period):
        rows = {name: golden[f"input.{name}"] for name in plan["layers"]}
        return {name: x[min(period, len(x) - 1), cue].tolist() for name, x in rows.items()}

    signals = [name for name in golden if name.startswith("signal.")]
    for t, (now, out) in enumerate(recall(plan, start, inputs, steps)):
        for name in signals:
            np.testing.assert_array_equal(golden[name][t, cue], now[name[7:]], err_msg=name)
        for name, part in plan["layers"].items():
            np.testing.assert_array_equal(golden[name][t, cue], now[f"{name}.x"], err_msg=name)
            softmax = part["normaliser"] is not None
            kinds = (name, *((f"{name}.rounds", f"{name}.normaliser") if softmax else ()))
            for kind in kinds:
                sent = out.get(kind, 0)
                np.testing.assert_array_equal(golden[f"{kind}_out"][t, cue], sent, err_msg=kind)


def replay(recall, golden, cue, steps):
    plan = json.loads(str(golden["json"]))
    for name in ("visible", "hidden"):
        for array in ("decay", "bias"):
            plan[name][array] = golden[f"{name}.{array}"].tolist()
    softmax = "normaliser" in plan
    start = {name: golden[f"start.{name}"][cue].tolist() for name in ("visible", "hidden")}
    start["normaliser"] = int(golden["start.normaliser"][cue, 0]) if softmax else 0

    def inputs(period):
        rows = (golden["input.visible"], golden["input.hidden"])
        return [each[min(period, len(each) - 1), cue].tolist() for each in rows]

    found = recall(plan, golden["weights"].tolist(), start, golden["clamped"][cue], inputs, steps)
    names = [name for name in golden if name.startswith("signal.")]
    for t, signals in enumerate(found):
        for name in ("visible", "hidden") + ("normaliser",) * softmax:
            np.testing.assert_array_equal(golden[name][t, cue], signals[name])
            sent = signals["out"].get(name, 0)
            np.testing.assert_array_equal(golden[f"{name}_out"][t, cue], sent)
        for name in names:
            np.testing.assert_array_equal(golden[name][t, cue], signals[name[7:]], err_msg=name)
