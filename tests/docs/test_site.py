"""Every page, picture and public module has its place on the site, and a bad site is found out."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from amsim.gallery import FIGURES

HOME = Path(__file__).parents[2]
DOCS = HOME / "docs"
CHECK = runpy.run_path(str(HOME / ".ci" / "site.py"))


def listed(page: str) -> set[str]:
    """What the tables of contents of a page name."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = re.findall(r"```\{toctree\}\n(.*?)```", text, re.DOTALL)
    return {line for toc in found for line in toc.splitlines() if line and line[0] != ":"}


def test_every_page_is_in_a_table_of_contents():
    pages = {path.stem for path in DOCS.glob("*.md")}
    assert pages == {"index", *listed("guide.md")} | (listed("index.md") & pages)


def test_the_gallery_has_every_picture():
    text = (DOCS / "gallery.md").read_text(encoding="utf-8")
    assert re.findall(r"^!\[.+\]\(gallery/(\w+)\.png\)$", text, re.MULTILINE) == [*FIGURES]
    assert {path.stem for path in (DOCS / "gallery").glob("*.png")} == {*FIGURES}


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_formulas_stand_as_math(page: str):
    """In fences of math, which GitHub and the site typeset: not in indented text."""
    text = re.sub(r"```.*?```", "", (DOCS / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    blocks = re.findall(r"(?<=\n\n)(?: {4}.*\n)+", text)
    assert [block for block in blocks if re.search(r" (=|[<>]=?) ", block)] == []


GOOD = '<link rel="canonical" href="https://a.org"/><a href="b.html#c">b</a><a href="https://d.org">d</a>'


def problems(site: Path) -> list[str]:
    return CHECK["problems"](site, CHECK["pages_of"](site))


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        (GOOD, None),
        ('<script src="https://cdn.org/x.js"></script>', "a.html: loads https://cdn.org/x.js"),
        ('<img src="//cdn.org/x.png">', "a.html: loads //cdn.org/x.png"),
        ('<link rel="stylesheet" href="https://cdn.org/x.css">', "loads https://cdn.org/x.css"),
        ('<a href="none.html">x</a>', "a.html: none.html leads nowhere"),
        ('<a href="b.html#none">x</a>', "a.html: b.html#none names a place that is not there"),
        ('<img src="none.png">', "a.html: none.png leads nowhere"),
        ('<a href="https://a.org and more">x</a>', "https://a.org and more is no address"),
        ('<a href="https://">x</a>', "a.html: https:// is no address"),
        (
            '<a href="http://a.org">x</a>',
            "a.html: http://a.org is no address that begins with http",
        ),
        ('<a href="https://localhost/x">x</a>', "https://localhost/x is no address"),
        ('<a href="file:///home/x">x</a>', "file:///home/x is no address"),
        ('<img src="data:image/png;base64,AA==">', None),
    ],
)
def test_a_bad_site_is_found_out(tmp_path: Path, page: str, problem: str | None):
    (tmp_path / "a.html").write_text(page)
    (tmp_path / "b.html").write_text('<h1 id="c">b</h1>')
    found = problems(tmp_path)
    assert not found if problem is None else problem in "\n".join(found)


def test_a_style_that_loads_a_font_is_found_out(tmp_path: Path):
    (tmp_path / "a.html").write_text("<p>a</p>")
    (tmp_path / "a.css").write_text("@font-face { src: url('https://cdn.org/f.woff2') }")
    assert problems(tmp_path) == ["a.css: loads https://cdn.org/f.woff2"]
    assert problems(tmp_path / "none") != []


def test_hosts_that_links_lead_to_are_counted(tmp_path: Path):
    (tmp_path / "a.html").write_text(GOOD + '<a href="https://d.org#x">d</a>')
    assert CHECK["hosts"](CHECK["pages_of"](tmp_path)) == {"a.org": 1, "d.org": 1}
