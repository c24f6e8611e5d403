"""Routers, slots for cores, and the links that messages pass.

A chip is a grid of routers with a few neuro-cores each. Several chips are taken to form one large
grid: the chips stand beside each other in an array that is about square, since their arrangement
is not public. Messages go east or west first, then north or south.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..chips import Chip
from ..errors import LimitError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
_ROUNDING = 1e-12
MOST_ROUTERS = 1 << 22  # of all chips together; there are arrays of them


@dataclass(frozen=True)
class Mesh:
    """The routers of all chips that are used.

    Attributes
    ----------
    columns, rows : int
        Routers of one chip.
    per_router, per_chip : int
        Neuro-cores.
    across, down : int
        Chips side by side, and one below the other; the last row may be incomplete.
    chips : int
    """

    columns: int
    rows: int
    per_router: int
    per_chip: int
    across: int
    down: int
    chips: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of routers, all chips together."""
        return self.down * self.rows, self.across * self.columns

    def chip_of(self, routers: Integers) -> Integers:
        """Numbers of the chips that routers (n, 2), as column and row, are on."""
        column, row = routers.T
        return np.asarray(row // self.rows * self.across + column // self.columns)

    def slots(self) -> Integers:
        """Routers (n, 2), as column and row, one for each neuro-core; those in the middle first."""
        rows, columns = self.shape
        slot = np.arange(self.columns * self.rows * self.per_router)[: self.per_chip]
        router = slot // self.per_router
        chip = np.arange(self.chips)[:, None]
        column = chip % self.across * self.columns + router % self.columns
        row = chip // self.across * self.rows + router // self.columns
        places = np.stack([column.ravel(), row.ravel()], axis=1)
        middle = np.array([columns - 1, rows - 1]) / 2
        distance = np.abs(places - middle).sum(axis=1)
        # Cores of one router stay together.
        return np.asarray(places[np.lexsort((places[:, 0], places[:, 1], distance))])


def of(chip: Chip, cores: int, per_chip: int) -> Mesh:
    """The smallest mesh of whole chips for so many cores."""
    columns, rows, per_router = (
        chip.whole(name) or 0 for name in ("mesh_columns", "mesh_rows", "cores_per_router")
    )
    chips = math.ceil(cores / per_chip)
    # As many routers across as down.
    across = min(chips, max(1, round(math.sqrt(chips * rows / columns))))
    if chips * columns * rows > MOST_ROUTERS:
        raise LimitError(
            f"{chips:,} chips of {columns:,} x {rows:,} routers are more than {MOST_ROUTERS:,} "
            f"routers: take a chip with more cores, or fewer memories or features"
        )
    return Mesh(columns, rows, per_router, per_chip, across, math.ceil(chips / across), chips)


def distances(routers: Integers) -> Integers:
    """Hops between all pairs of places, (n, n)."""
    return np.asarray(np.abs(routers[:, None] - routers[None]).sum(axis=2))


def numbers(mesh: Mesh, routers: Integers) -> Integers:
    """Numbers of cores from those of their routers, row by row, with room for all of a router."""
    node = routers[:, 1] * mesh.shape[1] + routers[:, 0]
    order = np.argsort(node, kind="stable")
    place = np.empty(len(node), np.int64)
    place[order] = np.arange(len(node)) - np.searchsorted(node[order], node[order])
    return np.asarray(node * mesh.per_router + place)


@dataclass(frozen=True, eq=False)
class Links:
    """Messages over the links between neighbouring routers, per cue.

    Attributes
    ----------
    east, west : ndarray (rows, columns - 1)
        From column c to c + 1, and back.
    south, north : ndarray (rows - 1, columns)
        From row r to r + 1, and back.
    """

    east: Floats
    west: Floats
    south: Floats
    north: Floats

    @property
    def hops(self) -> tuple[float, float]:
        """Messages times hops, east-west and north-south."""
        across = float(self.east.sum() + self.west.sum())
        return across, float(self.south.sum() + self.north.sum())

    @property
    def hottest(self) -> float:
        """Messages over the busiest link."""
        return max(
            float(x.max(initial=0.0)) for x in (self.east, self.west, self.south, self.north)
        )

    def crossings(self, mesh: Mesh) -> float:
        """Messages from chip to chip."""
        edge_x = np.arange(1, mesh.across) * mesh.columns - 1
        edge_y = np.arange(1, mesh.down) * mesh.rows - 1
        across = self.east[:, edge_x].sum() + self.west[:, edge_x].sum()
        return float(across + self.south[edge_y].sum() + self.north[edge_y].sum())


def links(mesh: Mesh, routers: Integers, flows: Floats) -> Links:
    """The messages that pass each link.

    Parameters
    ----------
    mesh : Mesh
    routers : ndarray of int (n, 2)
        Column and row of the router of each core.
    flows : ndarray (n, n)
        Messages from core to core.
    """
    shape = mesh.shape
    # Messages between routers first: cores of one router take the same way.
    place = routers[:, 1] * shape[1] + routers[:, 0]
    used, index = np.unique(place, return_inverse=True)
    member = np.zeros((len(used), len(place)))
    member[index, np.arange(len(place))] = 1.0
    sender, receiver, amount = _pairs(member @ flows @ member.T)
    (row_a, column_a), (row_b, column_b) = (
        np.divmod(used[end], shape[1]) for end in (sender, receiver)
    )
    horizontal = _along(column_a, column_b, row_a, amount, (shape[0], shape[1]))
    vertical = _along(row_a, row_b, column_b, amount, (shape[1], shape[0]))
    return Links(east=horizontal[0], west=horizontal[1], south=vertical[0].T, north=vertical[1].T)


def _pairs(between: Floats) -> tuple[Integers, Integers, Floats]:
    sender, receiver = np.nonzero(between)
    return sender, receiver, between[sender, receiver]


def _along(
    start: Integers, stop: Integers, lane: Integers, amount: Floats, shape: tuple[int, int]
) -> tuple[Floats, Floats]:
    """Loads of the links of each lane, upwards and downwards."""
    loads = []
    for low, high in ((start, stop), (stop, start)):
        # A message adds 1 where it enters and takes 1 away where it leaves.
        change, forward = np.zeros(shape), low < high
        np.add.at(change, (lane[forward], low[forward]), amount[forward])
        np.add.at(change, (lane[forward], high[forward]), -amount[forward])
        load = np.cumsum(change, axis=1)[:, :-1]
        # What rounding leaves behind the last message is no message.
        loads.append(np.where(load > _ROUNDING * amount.sum(), load, 0.0))
    return loads[0], loads[1]
