"""What a notebook shows: cells are executed in a kernel of Jupyter."""

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


@pytest.fixture(scope="module")
def execute():
    """A function from cells to their outputs, all in one kernel."""
    client = NotebookClient(nbformat.v4.new_notebook(), timeout=120, kernel_name="python3")
    with client.setup_kernel():

        def outputs(source):
            cell = nbformat.v4.new_code_cell(source)
            client.nb.cells.append(cell)
            client.execute_cell(cell, len(client.nb.cells) - 1)
            return cell.outputs

        assert outputs(START) == []
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
    "am.stability.analyse(net, {k: x[0] for k, x in traj.final.items()}).plot()",
    "hw.place(plan).plot()",
    "gallery.draw('stimulus')",
]


def test_a_figure_is_shown_once_without_pyplot(execute):
    for source in DRAWN:
        assert len(images(execute(source))) == 1, source
    assert text(execute("'matplotlib.pyplot' in sys.modules")) == "False"
    (image,) = images(execute("am.plot.energy(traj)"))
    assert image["metadata"]["image/png"]["width"] == 800


def test_and_once_with_the_inline_backend(execute):
    execute("%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]);")
    for source in DRAWN[:1]:
        assert len(images(execute(source))) == 1, source
    assert len(images(execute("am.plot.energy(traj, plt.subplots()[1])"))) == 1


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
