"""Check a built site: ``python .ci/site.py build/site``.

Every link within it leads somewhere, and no page asks another host for anything: styles, scripts,
pictures and fonts are all served with it. Links that a reader follows may lead to other hosts,
which are listed: they have the form of an address, and `sphinx-build -b linkcheck` asks whether
somebody answers there.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

# Attributes that a browser follows by itself; of <link> those that only name another page do not.
LOADS = {"src", "srcset", "poster", "data"}
NAMING = {"canonical", "next", "prev", "search", "author", "index", "genindex", "copyright"}
STYLE = re.compile(r"""(?:url\(\s*['"]?|@import\s+['"])((?:https?:)?//[^'")\s]+)""")
FOREIGN = re.compile(r"(?:https?:)?//")
HOST = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,}")


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


def pages_of(site: Path) -> dict[Path, Page]:
    """All pages, parsed."""
    paths = sorted(path for path in site.rglob("*.html") if "_static" not in path.parts)
    return {path: read(path) for path in paths}


def problems(site: Path, pages: dict[Path, Page]) -> list[str]:
    """What is wrong, one line each."""
    found = [] if pages else [f"no pages in {site}"]
    for path, page in pages.items():
        name = path.relative_to(site)
        found += [f"{name}: loads {load}" for load in page.loads if FOREIGN.match(load)]
        for link in page.links + page.loads:
            away = is_away(link)
            wrong = malformed(link) if away else broken(path, link, pages)
            found += [f"{name}: {problem}" for problem in wrong]
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        found += [f"{style.relative_to(site)}: loads {url}" for url in STYLE.findall(text)]
    return found


def is_away(link: str) -> bool:
    """Whether a link leads out of the site."""
    return bool(re.match(r"[A-Za-z][A-Za-z+.-]*:|//", link))


def malformed(link: str) -> list[str]:
    """Whether a link out of the site is no address; pictures may stand in the page itself."""
    parts = urlsplit(link)
    if parts.scheme == "data":
        return []
    good = parts.scheme == "https" and HOST.fullmatch(parts.netloc) and not re.search(r"\s", link)
    return [] if good else [f"{link} is no address that begins with https://"]


def hosts(pages: dict[Path, Page]) -> Counter[str]:
    """How many different links lead to each other host."""
    links = {urldefrag(link).url for page in pages.values() for link in page.links}
    return Counter(urlsplit(link).netloc for link in links if is_away(link))


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
    pages = pages_of(site)
    found = problems(site, pages)
    for line in found:
        print(line)
    print("links to", ", ".join(f"{host} ({count})" for host, count in hosts(pages).most_common()))
    print(f"{len(pages)} pages, {len(found)} problems")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
