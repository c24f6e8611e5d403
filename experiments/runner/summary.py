"""The verdict of a run in words and numbers, from its record alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .files import FILES, printable

_NAMED = 5  # failed units in a summary


def markdown(record: Mapping[str, Any]) -> str:
    """Write summary.md."""
    lines = [f"# {record['experiment']}", "", record["question"], "", "## Verdict", ""]
    lines += [verdict(record), ""]
    if predictions(record):
        lines += _table(("prediction", "measured", "predicted", "holds"), predictions(record))
    if observations(record):
        lines += _table(("observation", "measured"), observations(record))
    lines += ["## Parameters", ""]
    lines += _table(("parameter", "meaning", "value", "unit"), parameter_rows(record))
    lines += ["## Units of work", "", units(record), ""]
    lines += [f"- {line}" for line in [*failure_lines(record), *record["problems"]]]
    lines += ["## Origin", "", origin(record), ""]
    return printable("\n".join(lines))


def text(record: Mapping[str, Any], folder: str) -> str:
    """Write what a terminal shows."""
    rows = [("", "measured", "predicted", "holds"), *predictions(record)]
    seen = [("", "measured"), *observations(record)]
    width = max(len(row[0]) for row in (*rows, *seen))
    lines = [record["question"], ""]
    if len(rows) > 1:
        lines += [f"{row[0]:{width}}  {row[1]:>10}  {row[2]:>10}  {row[3]}" for row in rows]
        lines.append("")
    if len(seen) > 1:
        lines += [f"{row[0]:{width}}  {row[1]:>10}" for row in seen]
        lines.append("")
    written = ", ".join(name for name in FILES if (Path(folder) / name).exists())
    lines += [verdict(record), units(record), *failure_lines(record), *record["problems"]]
    return printable("\n".join([*lines, f"written to {folder}: {written}"]))


def verdict(record: Mapping[str, Any]) -> str:
    """Count the predictions that hold."""
    tested, seen = predictions(record), observations(record)
    if not record["claims"]:
        return "Nothing was judged."
    holding = sum(row[3] == "yes" for row in tested)
    words = f"{holding} of {len(tested)} predictions hold" if tested else "Nothing was predicted"
    more = f"; {len(seen)} further observation{'' if len(seen) == 1 else 's'}" if seen else ""
    return f"{words}{more}."


def predictions(record: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return the cells of claims that theory makes: text, measured, predicted, whether it holds."""
    return [
        (
            claim["text"],
            number(claim["measured"]),
            "-" if claim["predicted"] is None else number(claim["predicted"]),
            "yes" if claim["holds"] else "no",
        )
        for claim in record["claims"]
        if claim["holds"] is not None
    ]


def observations(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the cells of claims about which theory says nothing: text, measured."""
    return [
        (claim["text"], number(claim["measured"]))
        for claim in record["claims"]
        if claim["holds"] is None
    ]


def parameter_rows(record: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return the cells of the parameters: name, meaning, value, unit."""
    rows = []
    for name, value in record["parameters"].items():
        label, unit = record["labels"].get(name, ("", ""))
        values = value if isinstance(value, list) else [value]
        rows.append((name, label, ", ".join(map(number, values)), "" if unit == "1" else unit))
    return [
        *rows,
        ("repeats", "seeds at every point of the grid", str(record["repeats"]), ""),
        ("seed", "of all draws", str(record["seed"]), ""),
    ]


def units(record: Mapping[str, Any]) -> str:
    """Count units, failed ones and seconds."""
    count = record["units"]
    failed = f", {count['failed']} failed" if count.get("failed") else ""
    return (
        f"{count.get('measured', 0)} of {count.get('total', 0)} units measured{failed}; "
        f"{count.get('seconds', 0.0):.3g} s of work."
    )


def failure_lines(record: Mapping[str, Any]) -> list[str]:
    """Name the first units that failed."""
    lines = []
    for unit in record["failures"][:_NAMED]:
        at = ", ".join(f"{name} = {number(value)}" for name, value in unit["at"].items())
        lines.append(f"unit {unit['unit']} ({at}, repeat {unit['repeat']}): {unit['error']}")
    more = record["units"].get("failed", 0) - len(lines)
    return [*lines, f"and {more} more"] if more > 0 else lines


def origin(record: Mapping[str, Any]) -> str:
    """Name version and machine of the last session, and the commits of all."""
    last = record["sessions"][-1]
    versions = ", ".join(f"{name} {version}" for name, version in last["versions"].items())
    commits = dict.fromkeys(
        f"commit {x['commit']}" if x["commit"] else "an installed release"
        for x in record["sessions"]
    )
    commit = ", then ".join(commits)
    count = len(record["sessions"])
    return (
        f"{versions}; {commit}; Python {last['python']} on {last['platform']} "
        f"({last['processor']}); {last['started']}, {count} session{'' if count == 1 else 's'}."
    )


def number(value: Any) -> str:
    """Write a number as one reads it."""
    if value is None:
        return "NaN"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Write a Markdown table."""
    cells = [head, ["---"] * len(head), *rows]
    return [
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in cells
    ] + [""]
