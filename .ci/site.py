"""Check a built site: ``python .ci/site.py build/site``.

Every link within it leads somewhere, and no page asks another host for anything: styles, scripts,
pictures and fonts are all served with it. Links that a reader follows may lead elsewhere.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

# Attributes that a browser follows by itself; of <link> those that only name another page do not.
LOADS = {"src", "srcset", "poster", "data"}
NAMING = {"canonical", "next", "prev", "search", "author", "index", "genindex", "copyright"}
STYLE = re.compile(r"""(?:url\(\s*['"]?|@import\s+['"])((?:https?:)?//[^'")\s]+)""")
FOREIGN = re.compile(r"(?:https?:)?//")


class Page(HTMLParser):
    """Links of a page, what it loads, and the places that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.places: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Sort the attributes of a tag."""
        given = {name: value or "" for name, value in attrs}
        self.places.update(given[name] for name in ("id", "name") if name in given)
        naming = NAMING.intersection(given.get("rel", "").split())
        for name, value in given.items():
            if name in LOADS or (name == "href" and tag == "link" and not naming):
                self.loads.append(value)
            elif name == "href":
                self.links.append(value)


def read(path: Path) -> Page:
    """Parse one page."""
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def problems(site: Path) -> list[str]:
    """What is wrong, one line each."""
    pages = {
        path: read(path) for path in sorted(site.rglob("*.html")) if "_static" not in path.parts
    }
    found = [] if pages else [f"no pages in {site}"]
    for path, page in pages.items():
        name = path.relative_to(site)
        found += [f"{name}: loads {load}" for load in page.loads if FOREIGN.match(load)]
        for link in page.links + page.loads:
            if not re.match(r"[a-z][a-z+.-]*:|//", link):
                found += [f"{name}: {problem}" for problem in broken(path, link, pages)]
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        found += [f"{style.relative_to(site)}: loads {url}" for url in STYLE.findall(text)]
    return found


def broken(path: Path, link: str, pages: dict[Path, Page]) -> list[str]:
    """Whether a link leads to a file that is not there, or to a place that the page lacks."""
    target, place = urldefrag(link)
    file = (path.parent / unquote(target.partition("?")[0])).resolve() if target else path
    if not file.exists():
        return [f"{link} leads nowhere"]
    if place and file in pages and unquote(place) not in pages[file].places:
        return [f"{link} names a place that is not there"]
    return []


def main() -> int:
    """Print what is wrong."""
    site = Path(sys.argv[1]).resolve()
    found = problems(site)
    for line in found:
        print(line)
    pages = len(list(site.rglob("*.html")))
    print(f"{pages} pages, {len(found)} problems")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
