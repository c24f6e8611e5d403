"""Chips in TOML files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from amsim.files import read_text

from .chip_limits import Limit, System

_NEEDED, _OPTIONAL = ("value", "unit", "source", "basis"), ("public", "high")


def read(path: Path) -> dict[str, Any]:
    """The attributes of a `Chip`, from a file that `Chip.load` describes."""
    try:
        table = tomllib.loads(read_text(path).decode())
    except (ValueError, RecursionError) as error:  # TOMLDecodeError is a ValueError
        raise ValueError(f"{path} is not TOML: {error}") from error
    problems: list[str] = []
    for name, kind in (("name", str), ("programmable", bool), ("limits", dict)):
        if not isinstance(table.get(name), kind):
            problems.append(f"{name} ({kind.__name__}) is missing")
    problems += [
        f"{name!r} is not known"
        for name in table
        if name not in ("name", "programmable", "limits", "systems")
    ]
    limits = _limits("limits", table.get("limits"), problems)
    systems = [_system(name, part, problems) for name, part in _tables(table.get("systems"))]
    if problems:
        raise ValueError(f"{path}: {'; '.join(problems)}")
    return {
        "name": table["name"],
        "programmable": table["programmable"],
        "limits": limits,
        "systems": tuple(filter(None, systems)),
    }


def _system(name: str, part: Any, problems: list[str]) -> System | None:
    found = _limits(f"systems.{name}", part, problems)
    known = ("chips", "cores_per_chip", "power")
    problems += [f"systems.{name}: {each!r} is not known" for each in found if each not in known]
    if "chips" not in found:
        problems.append(f"systems.{name}.chips is missing")
        return None
    try:
        return System(name, **{each: found[each] for each in known if each in found})
    except (TypeError, ValueError) as error:
        problems.append(str(error))
        return None


def _limits(where: str, part: Any, problems: list[str]) -> dict[str, Limit]:
    """The entries of a table; what is wrong with them is added to `problems`."""
    found = {}
    for name, entry in _tables(part):
        if not isinstance(entry, dict):
            problems.append(f"{where}.{name} must be a table with {', '.join(_NEEDED)}")
            continue
        # A table that says public = false needs no value.
        needed = [key for key in _NEEDED if key != "value" or entry.get("public", True)]
        missing = [key for key in needed if key not in entry]
        unknown = [key for key in entry if key not in _NEEDED + _OPTIONAL]
        if missing:
            problems.append(f"{where}.{name} lacks {', '.join(missing)}")
        if unknown:
            problems.append(f"{where}.{name} has {', '.join(unknown)}, which is not known")
        if missing or unknown:
            continue
        try:
            found[name] = Limit(**{"value": None, **entry})
        except (TypeError, ValueError) as error:
            problems.append(f"{where}.{name}: {error}")
    return found


def _tables(part: Any) -> list[tuple[str, Any]]:
    return list(part.items()) if isinstance(part, dict) else []
