"""An HTML page about several runs, complete in one file."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape as escape_html
from pathlib import Path
from typing import Any

from .files import PNG, RecordError, open_file, printable, read_record
from .summary import (
    failure_lines,
    observations,
    origin,
    parameter_rows,
    predictions,
    units,
    verdict,
)

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de;
  --paper: #ffffff; --shade: #f6f8fa; --good: #00664a; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9da7b3; --line: #3d444d;
  --paper: #0d1117; --shade: #161b22; --good: #4cc38a; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem 1rem 4rem; max-width: 56rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.5rem; margin: .5rem 0 0; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 0; }
a { color: inherit; }
p { margin: .4rem 0; }
.soft, figcaption { color: var(--soft); font-size: .9rem; }
article { border-top: 1px solid var(--line); margin-top: 2.2rem; padding-top: 1.4rem; }
.name { font: .9rem ui-monospace, monospace; color: var(--soft); margin: 0 0 .2rem; }
.verdict { font-weight: 600; }
.good { color: var(--good); } .bad { color: var(--bad); }
figure { margin: 1rem 0; }
.wide { overflow-x: auto; background: #ffffff; border: 1px solid var(--line); border-radius: 6px;
  padding: .5rem; }
img { display: block; width: 100%; min-width: 36rem; height: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; margin: .8rem 0; }
th, td { text-align: left; padding: .35rem .6rem .35rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
tr > :last-child { padding-right: 0; }
th { color: var(--soft); font-weight: 500; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
table.cards .number { padding-right: 1.6rem; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .6rem 0; padding: 0 .8rem; }
summary { cursor: pointer; padding: .5rem 0; }
code { font: .88rem ui-monospace, monospace; background: var(--shade); padding: .1rem .3rem;
  border-radius: 4px; overflow-wrap: anywhere; }
.hint { display: none; }
@media (max-width: 40rem) {
  .hint { display: inline; }
  table.cards thead { position: absolute; left: -999rem; }
  table.cards tr { display: grid; grid-template-columns: 1fr 1fr 3.5rem; padding: .5rem 0;
    border-bottom: 1px solid var(--line); }
  table.cards td { border: 0; padding: 0; text-align: left; }
  table.cards td:first-child { grid-column: 1 / -1; }
  table.cards td[data-label]::before { content: attr(data-label); display: block;
    color: var(--soft); font-size: .8rem; }
}
"""


def page(folders: Sequence[str | Path]) -> str:
    """Write the page.

    Parameters
    ----------
    folders : sequence of str or Path
        Of runs; one that is not complete is shown as it is.

    Raises
    ------
    RecordError
        If one of them is not the folder of a run, or its record is damaged.
    """
    runs = [(Path(folder), read_record(Path(folder))) for folder in dict.fromkeys(folders)]
    title = f"{len(runs)} experiment{'' if len(runs) == 1 else 's'}"
    contents = _table(
        "<th>question</th><th>predictions that hold</th><th>run</th>",
        [_entry(number, record) for number, (_, record) in enumerate(runs)],
        "cards",
    )
    articles = "\n".join(_article(number, *run) for number, run in enumerate(runs))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>amsim: {title}</title>
<link rel="icon" href="data:,">
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>amsim: {title}</h1>
{contents}
</header>
<main>
{articles}
</main>
</body>
</html>
"""


def _entry(number: int, record: Mapping[str, Any]) -> str:
    held = [row[3] == "yes" for row in predictions(record)]
    count = f"{sum(held)} of {len(held)}" if held else "-"
    return (
        f'<tr><td><a href="#run-{number}">{escape(record["question"])}</a></td>'
        f'<td class="{_tone(held)}" data-label="predictions that hold">{count}</td>'
        f'<td data-label="run">{escape(_status(record))}</td></tr>'
    )


def _article(number: int, folder: Path, record: Mapping[str, Any]) -> str:
    held = [row[3] == "yes" for row in predictions(record)]
    notes = [*failure_lines(record), *record["problems"]]
    noted = "".join(f"<li>{escape(note)}</li>" for note in notes)
    name = f"{record['experiment']}, {record['size']} size, in {folder}"
    return f"""<article id="run-{number}">
<p class="name">{escape(name)}</p>
<h2>{escape(record["question"])}</h2>
<p class="verdict {_tone(held)}">{escape(verdict(record))}</p>
{_figure(folder, record)}
{_predictions(record)}
{_observations(record)}
<p>{escape(units(record))} The run is {escape(_status(record))}.</p>
{f'<ul class="bad">{noted}</ul>' if notes else ""}
<details><summary>Parameters</summary>
{_parameters(record)}
</details>
<details><summary>Origin</summary>
<p class="soft">{escape(origin(record))}</p>
<p>Again: <code>amsim experiment rerun {escape(str(folder))}</code></p>
</details>
</article>"""


def _status(record: Mapping[str, Any]) -> str:
    failed = record["units"].get("failed", 0)
    return f"{record['status']}, {failed} failed" if failed else str(record["status"])


def _figure(folder: Path, record: Mapping[str, Any]) -> str:
    try:
        with open_file(folder / PNG) as file:
            image = base64.b64encode(file.read()).decode()
    except (OSError, RecordError):
        return '<p class="soft">There is no figure.</p>'
    words = escape(f"Figure of {record['experiment']}: {record['question']}")
    return (
        f'<figure><div class="wide" tabindex="0" role="group" aria-label="figure">'
        f'<img src="data:image/png;base64,{image}" alt="{words}"></div>'
        f'<figcaption class="hint">The figure scrolls sideways.</figcaption></figure>'
    )


def _predictions(record: Mapping[str, Any]) -> str:
    rows = [
        f"<tr><td>{escape(text)}</td>"
        f'<td class="number" data-label="measured">{escape(measured)}</td>'
        f'<td class="number" data-label="predicted">{escape(predicted)}</td>'
        f'<td class="{_tone([holds == "yes"])}" data-label="holds">{holds}</td></tr>'
        for text, measured, predicted, holds in predictions(record)
    ]
    head = (
        '<th>prediction</th><th class="number">measured</th>'
        '<th class="number">predicted</th><th>holds</th>'
    )
    return _table(head, rows, "cards") if rows else ""


def _observations(record: Mapping[str, Any]) -> str:
    rows = [
        f'<tr><td>{escape(text)}</td><td class="number">{escape(measured)}</td></tr>'
        for text, measured in observations(record)
    ]
    return _table('<th>observation</th><th class="number">measured</th>', rows) if rows else ""


def _parameters(record: Mapping[str, Any]) -> str:
    rows = [
        f"<tr><td><code>{escape(name)}</code><br>{escape(label)}</td>"
        f"<td>{escape(value)} {escape(unit)}</td></tr>"
        for name, label, value, unit in parameter_rows(record)
    ]
    return _table("<th>parameter</th><th>value</th>", rows)


def _table(head: str, rows: Sequence[str], kind: str = "") -> str:
    body = "\n".join(rows)
    return (
        f'<table class="{kind}">\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table>"
    )


def escape(text: str) -> str:
    """Write text so that it is nothing else, in HTML and in UTF-8."""
    return escape_html(printable(text))


def _tone(held: Sequence[bool]) -> str:
    """Choose the colour of predictions; there may be none."""
    return ("good" if all(held) else "bad") if held else "soft"
