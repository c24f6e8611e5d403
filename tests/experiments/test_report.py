import base64
import re
from html.parser import HTMLParser

import pytest
from small_experiments import EXPERIMENT

from amsim.cli import main
from experiments.runner.design import Design
from experiments.runner.files import RecordError, read_record, write_record
from experiments.runner.html_report import page
from experiments.runner.record import run


class Reader(HTMLParser):
    """Collects what a browser would load, and whether elements are closed."""

    def __init__(self):
        super().__init__()
        self.sources, self.text, self.open = [], "", []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href", "srcset")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def parse(text):
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    run(Design.of(EXPERIMENT, repeats=1), folder / "fine")
    run(Design.of(EXPERIMENT, repeats=1, trouble="error"), folder / "<some> failed")
    return folder


def test_the_page_needs_nothing_but_itself(two_runs):
    text = page([two_runs / "fine", two_runs / "<some> failed"])
    reader = parse(text)
    assert all(source.startswith(("data:", "#run-")) for source in reader.sources)
    assert "url(" not in text
    assert "@import" not in text
    assert "<script" not in text
    assert 'name="viewport" content="width=device-width' in text
    images = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    files = [two_runs / name / "figure.png" for name in ("fine", "<some> failed")]
    assert [base64.b64decode(image) for image in images] == [file.read_bytes() for file in files]


def test_the_page_says_what_the_records_say(two_runs):
    text = parse(page([two_runs / "fine", two_runs / "<some> failed"])).text
    assert text.count("Is the sum the sum?") == 3 + 0 * 2 or "Is the sum the sum?" in text
    claim = read_record(two_runs / "fine")["claims"][0]
    assert f"{claim['measured']:.4g}" in text
    assert "1 of 1 predictions hold; 1 further observation." in text
    assert "complete, 2 failed" in text
    assert "unit 4 (x = 2, y = 0.5, repeat 0): ValueError: two is not allowed" in text
    assert str(two_runs / "<some> failed") in text  # and not an element of that name


def test_a_run_that_is_not_complete_is_shown_as_it_is(two_runs, tmp_path):
    record = read_record(two_runs / "fine")
    record |= {"status": "running", "claims": []}
    write_record(tmp_path, record)
    text = parse(page([tmp_path])).text
    assert "The run is broken off." in text
    assert "There is no figure." in text
    assert "Nothing was judged." in text


def test_a_prediction_that_fails_is_seen(two_runs, tmp_path):
    record = read_record(two_runs / "fine")
    record["claims"] = [{"text": "a < b & c", "measured": None, "predicted": 2.0, "holds": False}]
    write_record(tmp_path, record)
    text = page([tmp_path])
    assert "0 of 1 predictions hold." in text
    assert "a &lt; b &amp; c" in text
    assert '<td class="bad" data-label="holds">no</td>' in text
    assert ">NaN<" in text


def test_the_command(two_runs, tmp_path, capsys):
    out = tmp_path / "page.html"
    assert main(["report", str(two_runs / "fine"), "--out", str(out)]) == 0
    assert capsys.readouterr().out.startswith(str(out))
    assert out.read_text() == page([str(two_runs / "fine")])
    assert main(["report", str(two_runs / "fine"), "--out", str(out)]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["report", str(two_runs / "fine"), "--out", str(out), "--force", "--json"]) == 0
    assert '"runs"' in capsys.readouterr().out
    for wrong in (tmp_path / "nowhere", out, tmp_path):
        assert main(["report", str(wrong), "--out", str(tmp_path / "x.html")]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("amsim: error:")
    with pytest.raises(RecordError):
        page([tmp_path])
