"""What a notebook shows: cells are executed in a kernel of Jupyter."""

import base64

import nbformat
import pytest
from nbclient import NotebookClient

START = """
import sys
import numpy as np
import amsim as am
import hardware as hw
from amsim import gallery
patterns = am.patterns.digits(4, seed=0)
net = am.dense_am(patterns, hidden=am.Softmax(0.5), tau_hidden=0.1)
traj = am.simulate(net, patterns[:2], solver="RK45")
plan = hw.compile(net)
small = am.patterns.random(3, 12, seed=0)
tiny = am.dense_am(small, hidden=am.Softmax(1.0), tau_hidden=0.1)
rest = {name: x[0] for name, x in am.simulate(tiny, small).final.items()}
wanted = am.learning.SquaredError("visible", small)
"""
# Figures are counted here, and hardly looked at: without labels, and of few pixels.
COARSE = """
import matplotlib
matplotlib.rcParams |= {'figure.dpi': 20, 'xtick.labelbottom': False, 'ytick.labelleft': False}
"""


@pytest.fixture(scope="module")
def execute():
    """A function from cells to their outputs, all in one kernel."""
    client = NotebookClient(
        nbformat.v4.new_notebook(), timeout=120, kernel_name="python3", shutdown_kernel="immediate"
    )
    with client.setup_kernel():

        def outputs(source):
            tags = {"tags": ["raises-exception"]} if "raise " in source else {}
            cell = nbformat.v4.new_code_cell(source, metadata=tags)
            client.nb.cells.append(cell)
            client.execute_cell(cell, len(client.nb.cells) - 1)
            return cell.outputs

        assert {each["output_type"] for each in outputs(START)} <= {"stream"}  # compiling
        outputs(COARSE)
        yield outputs


def images(outputs):
    return [x for x in outputs if "image/png" in x.get("data", {})]


def text(outputs):
    return "".join(x.get("text", "") + x.get("data", {}).get("text/plain", "") for x in outputs)


DRAWN = [
    "traj.plot()",
    "am.plot.energy(traj)",
    "am.plot.states(traj, 'hidden')",
    "am.plot.overview(traj, patterns[:2])",
    "am.stability.analyse(tiny, rest).plot()",
    "hw.place(plan).plot()",
    "gallery.draw('stimulus')",
]


def test_a_figure_is_shown_once_without_pyplot(execute):
    for source in DRAWN:
        assert len(images(execute(source))) == 1, source
    assert text(execute("'matplotlib.pyplot' in sys.modules")) == "False"
    (image,) = images(
        execute("with matplotlib.rc_context({'figure.dpi': 100}): am.plot.energy(traj)")
    )
    assert image["metadata"]["image/png"]["width"] == 800


# What a cell draws, and how many figures it shows; `axes` and `kept` are of cells before.
PLAIN = {
    "last, and not": ("am.plot.energy(traj)\ntraj.plot()\nam.plot.energy(traj)", 3),
    "loop": ("for cue in range(3):\n    am.plot.energy(traj, cue=cue % 2)", 3),
    "displayed and changed": ("display(kept)\nkept.set_title('a')\ndisplay(kept)", 2),
    "shown before": ("1 + 1", 0),
    "saved": ("am.plot.energy(traj).figure.savefig(io.BytesIO())", 0),
    "cleared": ("am.plot.energy(traj).figure.clear()", 0),
    "error": ("am.plot.energy(traj)\nraise ValueError('wrong')", 1),
    "in a file": (
        "with tempfile.TemporaryDirectory() as f: traj.animate(f + '/a.gif', frames=1)",
        0,
    ),
}
BOTH = {
    "semicolon": ("am.plot.energy(traj);", 1),
    "function": ("def draw():\n    am.plot.energy(traj)\ndraw()", 1),
    "assigned": ("kept = am.plot.energy(traj)", 1),
    "assigned and last": ("kept = am.plot.energy(traj)\nkept", 1),
    "of a cell before": ("kept", 1),
    "own axes": ("am.plot.energy(traj, axes); am.plot.states(traj, ax=axes)", 0),
}
INLINE = {
    "axes of pyplot": ("am.plot.energy(traj, plt.subplots()[1])", 1),
    "one of pyplot, one not": ("am.plot.energy(traj, plt.subplots()[1]); am.plot.energy(traj);", 2),
}


def test_every_figure_is_shown_once(execute):
    """Where it stands in its cell does not matter, nor whether pyplot shows figures too."""
    execute("import io, tempfile, matplotlib.figure\naxes = matplotlib.figure.Figure().subplots()")
    for first, cells in (
        ("", {**BOTH, **PLAIN}),
        (f"%matplotlib inline\nimport matplotlib.pyplot as plt\n{COARSE}", {**BOTH, **INLINE}),
    ):
        execute(first)
        found = {name: len(images(execute(source))) for name, (source, _) in cells.items()}
        assert found == {name: count for name, (_, count) in cells.items()}, first


def test_figures_come_in_the_order_in_which_they_were_drawn(execute):
    shown = images(execute("am.plot.energy(traj)\ntraj.plot()\nam.plot.energy(traj);"))
    first, second, third = (
        int.from_bytes(base64.b64decode(each["data"]["image/png"])[20:24], "big") for each in shown
    )
    assert first == third < second


@pytest.mark.parametrize("call", ["traj.animate(frames=2)", "traj.animate(frames=2);"])
def test_an_animation_is_played_once(execute, call):
    """Without ffmpeg: pictures in the page, which asks no other host."""
    (shown,) = [x["data"]["text/html"] for x in execute(call) if "data" in x]
    assert shown.count("data:image/png;base64,") == 2  # the first picture, and where others go
    assert "://" not in shown


@pytest.mark.parametrize(
    "source",
    [
        "net",
        "traj",
        "plan",
        "am.stability.certify(net, patterns, patterns)",
        "am.stability.analyse(net, {name: x[0] for name, x in traj.final.items()})",
        "hw.run(plan, patterns)",
        "hw.compare(plan, patterns[:1])",
        "am.stability.loss_bound(tiny, small[0], rest, 0.1, heartbeat=0.05, delay=0.05)",
        "am.stability.largest_staleness(tiny, small[0], rest)",
        "am.recall_on_chip(tiny, small[0], rest, am.Fabric.chip('loihi1', tau=1e-3), attack=False)",
        "am.learning.gradient(tiny, small, wanted)",
        "am.learning.train(tiny, small, wanted, epochs=1)",
    ],
)
def test_objects_are_tables(execute, source):
    (shown,) = [x for x in execute(source) if "data" in x]  # beside words about compiling
    assert shown["data"]["text/html"].startswith("<table")
    assert "<script" not in shown["data"]["text/html"]


@pytest.mark.parametrize("of", ["traj", "net.layers"])
def test_tab_completes_the_names_of_layers(execute, of):
    matches = text(execute(f"get_ipython().complete('{of}[\"', cursor_pos={len(of) + 2})[1]"))
    assert "visible" in matches
    assert "hidden" in matches


def test_progress_is_seen(execute):
    execute("from amsim import progress\nprogress._DRAWN_AFTER = 0.0")
    assert "recall: t =" in text(execute("am.simulate(net, patterns[:2], solver='RK45');"))
