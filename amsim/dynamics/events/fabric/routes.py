"""Which links lie between two groups: a bus, a tree, a mesh, or what the user says."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from ..links import Fabric


def hops(fabric: Fabric, groups: int, a: int, b: int) -> Iterator[str]:
    """Names of the links from group a to group b, in this order."""
    share = fabric.per_router
    if fabric.route == "bus":
        yield "bus"
    elif a == b:
        return
    elif fabric.route == "tree":
        yield from _tree(a // share, b // share)
    elif fabric.route == "mesh":
        columns = fabric.columns or math.ceil(math.sqrt(math.ceil(groups / share)))
        yield from _mesh(a // share, b // share, columns)
    else:
        assert isinstance(fabric.route, Mapping)
        if (a, b) not in fabric.route:
            raise ValueError(
                f"Fabric: messages go from group {a} to group {b}, but route has no way between "
                f"them; add ({a}, {b}): [...]"
            )
        yield from fabric.route[a, b]


def _tree(a: int, b: int) -> Iterator[str]:
    """Up to the first common node of a binary tree, and down; level 0 are the groups."""
    top = (a ^ b).bit_length()
    for level in range(top):
        yield f"up {level}.{a >> level}"
    for level in reversed(range(top)):
        yield f"down {level}.{b >> level}"


def _mesh(a: int, b: int, columns: int) -> Iterator[str]:
    """Along the row, then along the column: no circle of messages that wait for each other."""
    (row, column), (last_row, last_column) = divmod(a, columns), divmod(b, columns)
    while column != last_column:
        step = 1 if last_column > column else -1
        yield f"x {row * columns + column}>{row * columns + column + step}"
        column += step
    while row != last_row:
        step = 1 if last_row > row else -1
        yield f"y {row * columns + column}>{(row + step) * columns + column}"
        row += step


def check_no_circle(flows: set[tuple[int, int]], names: list[str]) -> None:
    """Raise ValueError where messages may wait for each other for ever."""
    after: dict[int, list[int]] = {}
    for a, b in sorted(flows):
        after.setdefault(a, []).append(b)
    seen: dict[int, bool] = {}  # whether all that follows a link was looked at
    for start in after:
        way = [(start, iter(after[start]))]
        if start in seen:
            continue
        seen[start] = False
        while way:
            here, rest = way[-1]
            following = next(rest, None)
            if following is None:
                seen[here] = True
                way.pop()
            elif following not in seen:
                seen[following] = False
                way.append((following, iter(after.get(following, []))))
            elif not seen[following]:
                raise ValueError(
                    f"Fabric: messages on the links {names[here]!r} and {names[following]!r} may "
                    f"wait for each other for ever; choose ways without circles, or let the links "
                    f'drop (on_full="drop")'
                )
