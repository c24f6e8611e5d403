"""The mesh of a placement. As in `amsim.plot`, nothing is shown and nothing is saved."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from amsim.plot import blank

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection
    from matplotlib.figure import FigureBase

    from .core import Held
    from .result import AnyPlacement

Floats = NDArray[np.float64]
_WIDTH = 8.0
# Okabe & Ito's, one for each layer, in turn; green for cores that several share.
_COLOURS = ("#0072B2", "#E69F00", "#56B4E9", "#CC79A7", "#F0E442", "#999999")
_SHARED = "#009E73"
_SEVERAL = "several layers"
_HOT = "#D55E00"
_GAP = 0.56  # side of a router, of the distance between two
_NAMED = 12  # with more routers across, cores carry no text


def draw(placement: AnyPlacement, ax: Axes | None = None) -> FigureBase:
    """What `plot` of a placement returns."""
    rows, columns = placement.mesh.shape
    height = min(9.0, max(2.6, 1.0 + (_WIDTH - 1.4) * rows / columns))
    ax = blank(height).subplots() if ax is None else ax
    figure = ax.figure
    ax.set_aspect("equal")
    _routers(ax, placement)
    if placement.links.hottest > 0:
        loads = _draw_links(ax, placement)
        bar = figure.colorbar(loads, cax=ax.inset_axes((1.01, 0.02, 0.02, 0.96)), format="{x:,.0f}")
        bar.set_label("messages per cue over a link")
    _cores(ax, placement)
    ax.set(xlim=(-0.6, columns - 0.4), ylim=(rows - 0.4, -0.6))
    ax.set(xlabel="router, west to east", ylabel="router, north to south")
    for axis, count in ((ax.xaxis, columns), (ax.yaxis, rows)):
        axis.set_ticks(range(0, count, max(1, count // 8)))
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    _legend(ax, placement)
    return figure


def _routers(ax: Axes, placement: AnyPlacement) -> None:
    """Outlines of the routers and of the chips."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    mesh = placement.mesh
    boxes, chips = [], []
    for chip in range(mesh.chips):
        x, y = chip % mesh.across * mesh.columns, chip // mesh.across * mesh.rows
        chips.append(Rectangle((x - 0.47, y - 0.47), mesh.columns - 0.06, mesh.rows - 0.06))
        boxes += [
            Rectangle((x + i - _GAP / 2, y + j - _GAP / 2), _GAP, _GAP)
            for i in range(mesh.columns)
            for j in range(mesh.rows)
        ]
    ax.add_collection(PatchCollection(chips, fc="#f6f6f6", ec="0.6", lw=0.8, zorder=0))
    ax.add_collection(PatchCollection(boxes, fc="white", ec="0.8", lw=0.5, zorder=2))


def _draw_links(ax: Axes, placement: AnyPlacement) -> LineCollection:
    """Links by load; the two directions side by side, the hottest edged."""
    from matplotlib.collections import LineCollection

    links = placement.links
    lines, loads = [], []
    # A message that goes east is drawn above the line, one that goes north to the right of it.
    for name, dx, dy, side in (
        ("east", 1, 0, -1),
        ("west", 1, 0, 1),
        ("south", 0, 1, -1),
        ("north", 0, 1, 1),
    ):
        load: Floats = getattr(links, name)
        for row, column in zip(*np.nonzero(load), strict=True):
            shift = 0.07 * side
            start = np.array([column + shift * dy, row + shift * dx])
            lines.append(
                [start + np.array([dx, dy]) * _GAP / 2, start + np.array([dx, dy]) * (1 - _GAP / 2)]
            )
            loads.append(float(load[row, column]))
    wide = 3.5 if placement.mesh.shape[1] <= _NAMED else 1.2
    drawn = LineCollection(lines, array=np.array(loads), cmap="viridis_r", lw=wide, zorder=1)
    drawn.set_clim(0, links.hottest)
    hot = int(np.argmax(loads))
    edge = LineCollection([lines[hot]], colors=_HOT, lw=wide + 4, zorder=1)
    edge.set_label(f"hottest link, {loads[hot]:,.0f}")
    ax.add_collection(edge)
    ax.add_collection(drawn)
    return drawn


def _cores(ax: Axes, placement: AnyPlacement) -> None:
    """Every core, filled from below by the share of its synaptic memory that is used."""
    from matplotlib.patches import Rectangle

    per_router = placement.mesh.per_router
    side = int(np.ceil(np.sqrt(per_router)))
    size = _GAP / side * 0.86
    seen: dict[tuple[int, int], int] = {}
    named = placement.mesh.shape[1] <= _NAMED
    colours = _colours(placement)
    for core, held in enumerate(placement.held):
        router = (int(placement.routers[core, 0]), int(placement.routers[core, 1]))
        slot = seen.get(router, 0)
        seen[router] = slot + 1
        x = router[0] + ((slot % side) + 0.5) * _GAP / side - _GAP / 2 - size / 2
        y = router[1] + ((slot // side) + 0.5) * _GAP / side - _GAP / 2 - size / 2
        colour = colours[_kind(held)]
        memory = next(use for use in placement.use(core) if use.name == "synaptic bytes")
        full = memory.needed / (memory.there or memory.needed)
        ax.add_patch(Rectangle((x, y), size, size, fc=colour, alpha=0.25, lw=0, zorder=3))
        ax.add_patch(
            Rectangle((x, y + size * (1 - full)), size, size * full, fc=colour, lw=0, zorder=3)
        )
        if held.normalisers:
            ax.add_patch(Rectangle((x, y), size, size, fill=False, ec="black", lw=1.4, zorder=4))
            if named:
                ax.text(
                    x + size / 2, y + size / 2, "N", ha="center", va="center", fontsize=7, zorder=5
                )


def _kind(held: Held) -> str:
    """The layer that a core is for, or that several share it; empty if a normaliser is alone."""
    if len(held.units) > 1:
        return _SEVERAL
    return next(iter(held.units), "")


def _colours(placement: AnyPlacement) -> dict[str, str]:
    """By what `_kind` says."""
    layers = dict(zip(placement.sizes, cycle(_COLOURS), strict=False))
    return {**layers, _SEVERAL: _SHARED, "": "black"}


def _legend(ax: Axes, placement: AnyPlacement) -> None:
    from matplotlib.patches import Patch

    kinds = {_kind(held) for held in placement.held}
    handles: list[Any] = [
        Patch(fc=colour, label=kind)
        for kind, colour in _colours(placement).items()
        if kind and kind in kinds
    ]
    if any(held.normalisers for held in placement.held):
        handles.append(Patch(fc="white", ec="black", label="with a normaliser"))
    handles += [line for line in ax.collections if str(line.get_label()).startswith("hottest")]
    ax.legend(
        handles=handles,
        ncols=5,
        frameon=False,
        fontsize="small",
        loc="lower left",
        bbox_to_anchor=(0, 1),
        borderaxespad=0.2,
    )
