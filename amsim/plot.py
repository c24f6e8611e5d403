"""Figures of a recall: images, energy and states over time.

Nothing here touches pyplot: every function builds a plain `matplotlib.figure.Figure` or draws into
axes that it is given, and saves nothing: use ``figure.savefig(path)``. A notebook shows each figure
once, at the end of its cell at the latest, unless it was saved or cleared. A function with one
panel takes ``ax=`` and returns it; one with several makes a figure of its own and returns that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import checks
from .display import kernel
from .errors import MissingDependencyError
from .network import Network
from .starts import algebraic_start

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

    from .dynamics import Trajectory
    from .figure import Animation

__all__ = ["animate", "energy", "overview", "phase", "raster", "recall", "states", "trajectory"]


def __dir__() -> list[str]:
    return __all__


Floats = NDArray[np.float64]

_LABELS = ("cue", "recalled", "stored")
_WIDTH = 8.0  # inches: the text keeps its size where a page shows the figure at 800 pixels
# Okabe & Ito's colours without the yellow, which is too light for lines on white.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
_MAX_LINES = 200  # more lines than this are one blot
_NAMED = 8  # lines beyond this number have no legend
_GAP = 0.15  # between images, of their size
_GRID = 61  # points of a phase portrait along each axis
_DECADES = 1.7  # a longer span of times is drawn on a logarithmic axis


def blank(height: float) -> Figure:
    """Make an empty figure, 8 inches wide.

    Raises
    ------
    MissingDependencyError
        If Matplotlib cannot be imported.
    """
    try:
        from .figure import Figure
    except ImportError as error:
        raise MissingDependencyError(
            f"matplotlib cannot be imported ({error}); install it with: pip install matplotlib"
        ) from error
    return Figure(figsize=(_WIDTH, height), layout="constrained")


def lettered(figure: Figure) -> Figure:
    """Name the panels a, b, c, ... where there are several; images and colour bars are none."""
    named = [
        ax for ax in figure.axes if ax.get_xlabel() and ax.axison and ax.get_label() != "<colorbar>"
    ]
    for ax, letter in zip(named, "abcdefgh" if len(named) > 1 else "", strict=False):
        ax.set_title(letter, loc="left", fontsize=10, fontweight="bold")
    return figure


def recall(
    cues: ArrayLike,
    recalled: ArrayLike,
    stored: ArrayLike,
    *,
    shape: tuple[int, int] | None = None,
    titles: Sequence[str] | None = None,
    labels: tuple[str, str, str] = _LABELS,
) -> Figure:
    """Draw cues, recalls and stored patterns as three rows of images, one column per cue.

    Parameters
    ----------
    cues, recalled, stored : array_like, shape (n, D) or (D,)
    shape : (int, int), optional
        Height and width of an image; by default a square if D is one, else a single row of pixels.
    titles : sequence of str, optional
        One per column; "cue 0", "cue 1", ... by default.
    labels : (str, str, str)
        Names of the rows.

    Returns
    -------
    Figure
        With one axes, whose `images` are the 3 n, row by row. They share the gray scale of the
        recalled and stored ones: noise beyond their range is shown as black or white.

    Raises
    ------
    ValueError
        If the arrays have different shapes, or D is not height times width.

    Examples
    --------
    >>> import amsim as am
    >>> patterns = am.patterns.random(2, 64, seed=0)
    >>> figure = am.plot.recall(am.patterns.corrupt(patterns, flip=0.2), patterns, patterns)
    >>> len(figure.axes[0].images)
    6
    """
    rows = _rows(cues, recalled, stored)
    return _images_alone(rows, shape, titles, labels)


def energy(
    traj: Trajectory,
    ax: Axes | None = None,
    *,
    cue: int | Sequence[int] | None = None,
) -> Axes:
    """Draw the energy over time.

    Parameters
    ----------
    traj : Trajectory
    ax : matplotlib Axes, optional
        Where to draw; by default the axes of a new figure, ``ax.figure``.
    cue : int or sequence of int, optional
        Which cues of the flattened batch, all by default. Up to 8 are named in a legend.

    Returns
    -------
    Axes
        One line per cue. Times that span decades are logarithmic, with 0 at the left end.

    Raises
    ------
    ValueError
        If there is no such cue, or the network has no energy.

    Examples
    --------
    >>> import amsim as am
    >>> patterns = am.patterns.random(2, 64, seed=0)
    >>> traj = am.simulate(am.dense_am(patterns), patterns)
    >>> ax = am.plot.energy(traj)
    >>> len(ax.lines), ax.get_ylabel()
    (2, 'energy')
    """
    _check_trajectory(traj)
    ax = blank_axes(ax)
    values = traj.energy.reshape(len(traj.times), -1)
    chosen = _cues(cue, values.shape[1])
    named = 1 < len(chosen) <= _NAMED
    for index, number in enumerate(chosen):
        style: dict[str, Any] = {"color": _COLOURS[0], "linewidth": 0.8, "alpha": 0.4}
        if len(chosen) <= _NAMED:
            # The eighth line repeats the first colour: dashes tell them apart.
            turn, colour = divmod(index, len(_COLOURS))
            style = {"color": _COLOURS[colour], "linestyle": "--" if turn else "-"}
        _plot(ax, traj.times, values[:, number], label=f"cue {number}", **style)
    _label(ax, traj.times, traj.time_label, "energy")
    if named:
        ax.legend(ncols=2, frameon=False, fontsize="small", loc="best")
    return ax


def states(
    traj: Trajectory,
    layer: str = "visible",
    ax: Axes | None = None,
    cue: int = 0,
) -> Axes:
    """Draw the states of a layer's units over time.

    Parameters
    ----------
    traj : Trajectory
    layer : str
    ax : matplotlib Axes, optional
        Where to draw; by default the axes of a new figure, ``ax.figure``.
    cue : int
        Which cue of the flattened batch.

    Returns
    -------
    Axes
        One line per unit, coloured by its last value. Of more than 200 units 200 are drawn, evenly
        spaced, and the label says so.

    Raises
    ------
    KeyError, ValueError
        If there is no such layer or cue.

    Examples
    --------
    >>> import amsim as am
    >>> patterns = am.patterns.random(2, 64, seed=0)
    >>> traj = am.simulate(am.dense_am(patterns), patterns)
    >>> len(am.plot.states(traj, "hidden").lines)
    2
    """
    from matplotlib import colormaps

    _check_trajectory(traj)
    ax = blank_axes(ax)
    batch = math.prod(traj.statuses.shape)
    number = checks.count("cue", cue, at_least=0, at_most=batch - 1)
    values = traj[checks.choice("layer", layer, tuple(traj))].reshape(len(traj.times), batch, -1)[
        :, number
    ]
    units = values.shape[1]
    drawn = np.unique(np.linspace(0, units - 1, min(units, _MAX_LINES)).round().astype(int))
    # The light end of viridis is left out: it would not show on white.
    colours = colormaps["viridis"](0.85 * _unit_interval(values[-1, drawn]))
    for unit, colour in zip(drawn, colours, strict=True):
        _plot(ax, traj.times, values[:, unit], color=colour, linewidth=0.9, alpha=0.8)
    some = "" if len(drawn) == units else f"\n({len(drawn)} of {units} units)"
    _label(ax, traj.times, traj.time_label, f"{layer} states{some}")
    return ax


def trajectory(traj: Trajectory, cue: int = 0, *, layer: str | None = None) -> Figure:
    """Draw one cue: its energy over time above, the states of a layer over time below.

    Of a network without an energy, whose synapses are directed, the states alone.

    Parameters
    ----------
    traj : Trajectory
    cue : int
        Which cue of the flattened batch.
    layer : str, optional
        "visible" by default, or the first layer where none has that name.

    Returns
    -------
    Figure
        With two axes, or one.

    Raises
    ------
    KeyError, ValueError
        If there is no such layer or cue.

    Examples
    --------
    >>> import amsim as am
    >>> patterns = am.patterns.random(2, 64, seed=0)
    >>> figure = am.plot.trajectory(am.simulate(am.dense_am(patterns), patterns[0]))
    >>> [ax.get_ylabel() for ax in figure.axes]
    ['energy', 'visible states']
    """
    _check_trajectory(traj)
    if layer is None:
        layer = "visible" if "visible" in traj else next(iter(traj))
    if traj.directed:
        figure = blank(3.0)
        states(traj, layer, figure.subplots(), cue)
        return figure
    figure = blank(5.0)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
    energy(traj, top, cue=cue)
    states(traj, layer, bottom, cue)
    top.set_xlabel("")
    figure.align_ylabels([top, bottom])
    return figure


def raster(traj: Trajectory, ax: Axes | None = None, *, cue: int = 0) -> Axes:
    """Draw the messages of one cue: time to the right, one row per unit, layers above each other.

    Parameters
    ----------
    traj : Trajectory
        Of `EventDriven(record_events=True)`.
    ax : matplotlib Axes, optional
        Where to draw; by default the axes of a new figure.
    cue : int
        Which cue of the flattened batch.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If the messages were not recorded, or there is no such cue.

    Examples
    --------
    >>> import amsim as am
    >>> patterns = am.patterns.random(2, 64, seed=0)
    >>> solver = am.EventDriven(0.1, record_events=True)
    >>> traj = am.simulate(am.dense_am(patterns), patterns[0], t1=5.0, solver=solver)
    >>> am.plot.raster(traj).get_ylabel()
    'unit'
    """
    _check_trajectory(traj)
    if traj.events is None:
        raise ValueError("no messages were recorded; pass EventDriven(record_events=True)")
    (number,) = _cues(cue, math.prod(traj.statuses.shape))
    ax = blank_axes(ax)
    events = traj.events[traj.events.cue == number]
    sizes = {name: math.prod(traj.final[name].shape[traj.statuses.ndim :]) for name in traj}
    sizes.update({str(name): 1 for name in np.unique(events.layer) if name not in sizes})
    first = 0
    for index, (name, size) in enumerate(sizes.items()):
        part = events[events.layer == name]
        ax.scatter(
            part.time, first + part.unit, s=min(9.0, 4000 / (1 + len(part))) + 0.5, marker="|",
            linewidths=0.8, color=_COLOURS[index % len(_COLOURS)],
            label=f"{name}: {len(part)} messages",
        )  # fmt: skip
        first += size
    last = max(float(traj.times[-1]), float(events.time.max(initial=0.0)))
    ax.set(xlabel=traj.time_label, ylabel="unit", ylim=(first - 0.5, -0.5), xlim=(0, last or 1.0))
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(
        ncols=3, frameon=False, fontsize="small", loc="lower left", bbox_to_anchor=(0, 1),
        scatterpoints=1, markerscale=3,
    )  # fmt: skip
    return ax


Unit = tuple[str, int]


def phase(
    net: Network,
    x: Unit = ("visible", 0),
    y: Unit = ("visible", 1),
    ax: Axes | None = None,
    *,
    at: Mapping[str, ArrayLike] | None = None,
    traj: Trajectory | None = None,
    limits: tuple[float, float] | None = None,
) -> Axes:
    """Draw the phase portrait of two units: where they move, and where each of them stands still.

    All other units are held, but for those of algebraic layers (tau = 0), which follow. Of a
    network of two dynamic units that is all there is; of a larger one it is a cut.

    Parameters
    ----------
    net : Network
    x, y : (str, int)
        Two units: their layer, which needs tau > 0, and their place in it.
    ax : matplotlib Axes, optional
        Where to draw; by default the axes of a new figure, ``ax.figure``.
    at : mapping of layer names to array_like (*shape), optional
        Where the other units are held. Layers that are not named have their stationary value; by
        default all of this is the last state of the first cue of `traj`, or the features are 0.
    traj : Trajectory, optional
        Of this network: the ways of all its cues are drawn. In a cut they may cross the flow.
    limits : (float, float), optional
        Of both axes; by default a frame around `traj`, or -1.5 to 1.5.

    Returns
    -------
    Axes
        With the flow as arrows, and the two nullclines (dx/dt = 0, dy/dt = 0) as named lines; they
        cross where both units rest. Of a cut the title says how many units are held.

    Raises
    ------
    ValueError, TypeError
        If there is no such unit, its layer is algebraic, or the states do not fit.

    Examples
    --------
    >>> import amsim as am
    >>> net = am.dense_am([[1.0, 0.2], [-0.3, 1.0]], hidden=am.Softmax(4.0), tau_hidden=0.0)
    >>> traj = am.simulate(net, [[0.5, -0.5], [-0.5, 0.2]])
    >>> ax = am.plot.phase(net, traj=traj)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('visible 0', 'visible 1')
    """
    checks.instance("net", net, Network, "a Network")
    units = [_dynamic_unit(net, name, unit) for name, unit in (("x", x), ("y", y))]
    if units[0] == units[1]:
        raise ValueError(f"x and y are both unit {units[0][1]} of layer {x[0]!r}; choose two")
    ways = [] if traj is None else [_way(traj, net, unit) for unit in units]
    low, high = _frame(limits, ways)
    side = np.linspace(low, high, _GRID)
    grid = np.meshgrid(side, side)
    states = {
        name: np.broadcast_to(value, (_GRID, _GRID, *value.shape)).copy()
        for name, value in _held(net, at, traj).items()
    }
    for (layer, place), values in zip(units, grid, strict=True):
        states[layer].reshape(_GRID, _GRID, -1)[..., place] = values
    velocity = net.velocity(states)
    flow = [velocity[layer].reshape(_GRID, _GRID, -1)[..., place] for layer, place in units]
    ax = blank_axes(ax, 4.8)
    arrows: dict[str, Any] = {"color": "0.8", "linewidth": 0.7, "arrowsize": 0.8, "density": 1.1}
    ax.streamplot(side, side, flow[0], flow[1], **arrows)
    for name, rate, colour in zip("xy", flow, _COLOURS, strict=False):
        if rate.min() < 0 < rate.max():
            ax.contour(side, side, rate, levels=[0.0], colors=[colour], linewidths=1.4)
        ax.plot([], [], color=colour, label=f"d{name}/dt = 0")
    held = sum(int(np.sum(layer.tau > 0)) for layer in net.layers.values()) - 2
    if held:
        ax.set_title(f"{held} other units are held", fontsize="small", loc="right")
    if ways:
        ax.plot(*ways, color="0.25", linewidth=0.9)
        ax.plot(*(way[-1] for way in ways), "o", color="k", markersize=4, label="last state")
    ax.set(xlim=(low, high), ylim=(low, high))
    ax.set(xlabel=f"{x[0]} {x[1]}", ylabel=f"{y[0]} {y[1]}")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(ncols=3, frameon=False, fontsize="small", loc="lower left", bbox_to_anchor=(0.0, 1.0))
    return ax


def _dynamic_unit(net: Network, name: str, unit: Any) -> Unit:
    if not isinstance(unit, tuple) or len(unit) != 2:
        raise TypeError(f"{name} must be (layer, unit), such as ('visible', 0), got {unit!r}")
    layer = checks.choice(f"the layer of {name}", unit[0], tuple(net.layers))
    if layer not in net.dynamic:
        raise ValueError(
            f"layer {layer!r} is algebraic (tau = 0) and follows; {name} needs another"
        )
    last = net.layers[layer].size - 1
    return layer, checks.count(f"the unit of {name}", unit[1], at_least=0, at_most=last)


def _way(traj: Trajectory, net: Network, unit: Unit) -> Floats:
    """States of a unit of all cues (T, cues)."""
    _check_trajectory(traj)
    if {name: traj[name].shape[traj.statuses.ndim + 1 :] for name in traj} != {
        name: layer.shape for name, layer in net.layers.items()
    }:
        raise ValueError("traj has other layers than net; simulate this network")
    return traj[unit[0]].reshape(len(traj.times), traj.statuses.size, -1)[..., unit[1]]


def _frame(limits: tuple[float, float] | None, ways: Sequence[Floats]) -> tuple[float, float]:
    if limits is not None:
        pair = checks.array("limits", limits)
        if pair.shape != (2,) or not pair[0] < pair[1]:
            raise ValueError(f"limits must be two numbers, the smaller first, got {limits!r}")
        return float(pair[0]), float(pair[1])
    if not ways:
        return -1.5, 1.5
    low, high = (float(edge) for edge in (np.min(ways), np.max(ways)))
    if not math.isfinite(high - low):
        raise ValueError("traj has states that are not finite; give limits")
    edge = 0.15 * (high - low) or 1.0
    return low - edge, high + edge


def _held(
    net: Network, at: Mapping[str, ArrayLike] | None, traj: Trajectory | None
) -> dict[str, Floats]:
    """States (*shape) of the dynamic layers, without a batch."""
    if at is None and traj is not None:
        batch = traj.statuses.ndim
        first = {name: traj.final[name][(0,) * batch] for name in net.dynamic}
    else:
        if at is not None:
            checks.instance("at", at, Mapping, "a mapping of layer names to arrays")
        layer = "visible" if "visible" in net.layers else next(iter(net.layers))
        given = {layer: np.zeros(net.layers[layer].shape)} if at is None else dict(at)
        for name in given:
            checks.choice("a layer of at", name, tuple(net.layers))
        known = {name: checks.array(f"at[{name!r}]", value) for name, value in given.items()}
        for name, value in known.items():
            if value.shape != net.layers[name].shape:
                shape = net.layers[name].shape
                raise ValueError(f"at[{name!r}] has shape {value.shape}, the layer has {shape}")
        first = algebraic_start(net, known, {})
    full = net.complete({name: first[name] for name in net.dynamic})
    return {name: np.asarray(full[name], np.float64) for name in net.dynamic}


@overload
def animate(
    traj: Trajectory,
    path: None = None,
    cue: int = 0,
    *,
    layer: str | None = None,
    shape: tuple[int, int] | None = None,
    frames: int = 60,
    fps: int = 15,
) -> Animation: ...


@overload
def animate(
    traj: Trajectory,
    path: str | Path,
    cue: int = 0,
    *,
    layer: str | None = None,
    shape: tuple[int, int] | None = None,
    frames: int = 60,
    fps: int = 15,
    force: bool = False,
) -> Path: ...


def animate(
    traj: Trajectory,
    path: str | Path | None = None,
    cue: int = 0,
    *,
    layer: str | None = None,
    shape: tuple[int, int] | None = None,
    frames: int = 60,
    fps: int = 15,
    force: bool = False,
) -> Path | Animation:
    """Show or write one cue as a moving picture: a layer as an image, and its energy over time.

    Of a network without an energy the states over time.

    Parameters
    ----------
    traj : Trajectory
    path : str or Path, optional
        Ends in .gif, or in .mp4 where ffmpeg is installed. Without one a notebook plays the
        picture, which needs no ffmpeg.
    cue : int
        Which cue of the flattened batch.
    layer : str, optional
        "visible" by default, or the first layer where none has that name.
    shape : (int, int), optional
        Of the image, as in `recall`.
    frames : int, default 60
        At most so many, evenly spaced among the recorded times: choose these with ``times=``.
    fps : int, default 15
        Frames in a second.
    force : bool, default False
        Whether an existing file may be replaced.

    Returns
    -------
    Path or Animation
        Of the file; without a path what a notebook shows, once.

    Raises
    ------
    ValueError, KeyError
        If there is no such layer or cue, the file has another ending, or there is neither a path
        nor a notebook.
    FileExistsError
        If the file exists and force is false.
    MissingDependencyError
        For .mp4 without ffmpeg.

    Examples
    --------
    >>> import tempfile
    >>> import amsim as am
    >>> patterns = am.patterns.random(2, 64, seed=0)
    >>> traj = am.simulate(am.dense_am(patterns), am.patterns.corrupt(patterns[0], flip=0.2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = am.plot.animate(traj, f"{folder}/recall.gif", frames=3)
    ...     path.read_bytes()[:3]
    b'GIF'
    """
    _check_trajectory(traj)
    (number,) = _cues(cue, traj.statuses.size)
    if layer is None:
        layer = "visible" if "visible" in traj else next(iter(traj))
    checks.choice("layer", layer, tuple(traj))
    steps = np.linspace(0, len(traj.times) - 1, checks.count("frames", frames)).round()
    kept = np.unique(steps.astype(int))
    rate = checks.count("fps", fps)
    if path is None:
        if kernel() is None:
            raise ValueError(
                "there is no notebook that could show the animation; pass a path that ends in "
                ".gif, or in .mp4 where ffmpeg is installed"
            )
        figure, show = _moving(traj, number, layer, shape)
        images = []
        for step in kept:
            show(step)
            images.append(BytesIO())
            figure.savefig(images[-1], format="png", dpi=150)
        from .figure import Animation

        width = round(figure.get_figwidth() * figure.dpi)
        title = f"layer {layer} of cue {number} over time"
        return Animation([image.getvalue() for image in images], rate, width, title)
    target = checks.path("path", path)
    writer = _writer(target, rate)
    if target.exists() and not checks.flag("force", force):
        raise FileExistsError(f"{target} exists; pass force=True to replace it")
    figure, show = _moving(traj, number, layer, shape)
    with writer.saving(figure, str(target), dpi=100):
        for step in kept:
            show(step)
            writer.grab_frame()
    return target


def _moving(
    traj: Trajectory, cue: int, layer: str, shape: tuple[int, int] | None
) -> tuple[Figure, Callable[[int], None]]:
    """A figure of one cue, and what moves it to a recorded time."""
    images = traj[layer].reshape(len(traj.times), traj.statuses.size, -1)[:, cue]
    shape = _image_shape(images.shape[1], shape)
    figure = blank(3.4)
    left, right = figure.subplots(1, 2, width_ratios=(2, 3))
    size = float(np.nanmax(np.abs(images[-1]))) or 1.0
    shown = left.imshow(
        images[0].reshape(shape), cmap="gray_r", vmin=-size, vmax=size, interpolation="nearest",
        aspect="auto" if shape[0] == 1 else "equal",
    )  # fmt: skip
    left.set(xticks=[], yticks=[])
    if traj.directed:
        states(traj, layer, right, cue)
    else:
        energy(traj, right, cue=cue)
    cursor = right.axvline(traj.times[0], color=_COLOURS[5], linewidth=1.0)

    def show(step: int) -> None:
        shown.set_data(images[step].reshape(shape))
        cursor.set_xdata([traj.times[step]] * 2)
        left.set_title(f"{layer} at t = {traj.times[step]:.3g}", fontsize=10)

    return figure, show


def _writer(path: Path, fps: int) -> Any:
    """Who writes a moving picture of that ending."""
    from matplotlib import animation

    ending = path.suffix.lower()
    if ending == ".gif":
        return animation.PillowWriter(fps=fps)
    if ending != ".mp4":
        raise ValueError(f"{path} must end in .gif or .mp4")
    if not animation.FFMpegWriter.isAvailable():
        raise MissingDependencyError(
            "ffmpeg, which writes .mp4, is not installed; install it, or write a .gif"
        )
    return animation.FFMpegWriter(fps=fps)


def overview(
    traj: Trajectory,
    stored: ArrayLike,
    *,
    cues: Sequence[int] | None = None,
    shape: tuple[int, int] | None = None,
    titles: Sequence[str] | None = None,
    labels: tuple[str, str, str] = _LABELS,
) -> Figure:
    """Draw first and last states as images, and below them the energies over time.

    The images alone where there is no energy: synapses are directed, or some states were recorded.

    Parameters
    ----------
    traj : Trajectory
        Of a network with a layer "visible", recorded from time 0.
    stored : array_like, shape (n, D)
        The pattern to compare each of the n cues with.
    cues : sequence of int, optional
        The n cues of the flattened batch, all by default.
    shape, titles, labels
        As in `recall`.

    Returns
    -------
    Figure
        With the axes of the images, as of `recall`, and those of `energy`, where there is one.

    Raises
    ------
    ValueError
        If there is no such cue, or the shapes do not fit.

    Examples
    --------
    >>> import amsim as am
    >>> patterns = am.patterns.random(2, 64, seed=0)
    >>> traj = am.simulate(am.dense_am(patterns), am.patterns.corrupt(patterns, flip=0.2))
    >>> [len(ax.images) for ax in am.plot.overview(traj, patterns).axes]
    [6, 0]
    """
    _check_trajectory(traj)
    batch = math.prod(traj.statuses.shape)
    chosen = _cues(cues, batch)
    first = traj["visible"][0].reshape(batch, -1)[chosen]
    last = traj.final["visible"].reshape(batch, -1)[chosen]
    rows = _rows(first, last, stored)
    if titles is None:
        titles = [f"cue {number}" for number in chosen]
    if not traj.has_energy:
        return _images_alone(rows, shape, titles, labels)
    heights = _images_height(rows, shape, titles), 2.8
    figure = blank(sum(heights))
    halves: Any = figure.subfigures(2, 1, height_ratios=heights)
    top, bottom = halves
    _draw_images(top, rows, shape, titles, labels)
    energy(traj, bottom.subplots(), cue=chosen)
    return figure


def _rows(*arrays: ArrayLike) -> Floats:
    """Stack the rows of images: (rows, n, D)."""
    rows = [
        np.atleast_2d(checks.array("cues, recalled and stored", array, finite=False))
        for array in arrays
    ]
    if len({row.shape for row in rows}) > 1 or rows[0].ndim != 2 or rows[0].size == 0:
        shapes = ", ".join(str(row.shape) for row in rows)
        raise ValueError(
            f"cues, recalled and stored must have one shape (n, D), got {shapes}; "
            f"pick the stored pattern of each cue first"
        )
    return np.stack(rows)


def _images_alone(
    rows: Floats,
    shape: tuple[int, int] | None,
    titles: Sequence[str] | None,
    labels: Sequence[str],
) -> Figure:
    """A figure of nothing but rows (rows, n, D) of images."""
    figure = blank(_images_height(rows, shape, titles))
    _draw_images(figure, rows, shape, titles, labels)
    return figure


def _draw_images(
    figure: FigureBase,
    rows: Floats,
    shape: tuple[int, int] | None,
    titles: Sequence[str] | None,
    labels: Sequence[str],
) -> None:
    """Fill a figure with rows (rows, n, D) of images, all in one pair of axes: many are slow."""
    from matplotlib.collections import PolyCollection

    count, size = rows.shape[1:]
    titles = [f"cue {number}" for number in range(count)] if titles is None else titles
    checks.instance("titles", titles, Sequence, "a list of words")
    if len(titles) != count:
        raise ValueError(f"{len(titles)} titles for {count} cues; give one per cue")
    shape = _image_shape(size, shape)
    scale = rows[1:]
    finite = scale[np.isfinite(scale)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    height, width = shape
    tops, lefts = (
        (1 + _GAP) * length * np.arange(number)
        for length, number in ((height, len(rows)), (width, count))
    )
    ax = figure.subplots()
    frames = []
    for top, images in zip(tops, rows, strict=True):
        for left, image in zip(lefts, images, strict=True):
            right, bottom = left + width, top + height
            ax.imshow(
                image.reshape(shape),
                cmap="gray_r",
                vmin=low,
                vmax=high,
                interpolation="nearest",
                extent=(left, right, bottom, top),
            )
            frames.append([(left, top), (right, top), (right, bottom), (left, bottom)])
    ax.add_collection(
        PolyCollection(frames, facecolors="none", edgecolors="0.7", linewidths=0.6, clip_on=False)
    )
    ax.set(xlim=(0, right), ylim=(bottom, 0), aspect="auto" if height == 1 else "equal")
    ax.xaxis.tick_top()
    ax.set_xticks(lefts + width / 2, titles, fontsize=9)
    ax.set_yticks(tops + height / 2, labels)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def _image_shape(size: int, shape: tuple[int, int] | None) -> tuple[int, int]:
    if shape is None:
        side = math.isqrt(size)
        return (side, side) if side * side == size else (1, size)
    checks.instance("shape", shape, Sequence, "(rows, columns)")
    axes = tuple(checks.count("shape", axis) for axis in shape)
    if len(axes) != 2 or math.prod(axes) != size:
        raise ValueError(f"shape is {axes}; the patterns have {size} units, in (rows, columns)")
    return axes[0], axes[1]


def _images_height(
    rows: Floats, shape: tuple[int, int] | None, titles: Sequence[str] | None
) -> float:
    """Inches for rows (rows, n, D) of images, with their titles."""
    flat = _image_shape(rows.shape[2], shape)[0] == 1
    lines = 1 + max((str(title).count("\n") for title in titles or ()), default=0)
    image = min(0.5 if flat else 1.2, (_WIDTH - 1) / float(rows.shape[1]))
    return len(rows) * image + 0.37 + 0.13 * lines


def _cues(cue: int | Sequence[int] | None, batch: int) -> list[int]:
    """Check the positions asked for."""
    if cue is None:
        return list(range(batch))
    # A plain sequence is tried first: rows of different lengths have no shape.
    listed = isinstance(cue, (list, tuple, range)) or np.ndim(cue) > 0
    chosen = list(cue) if listed else [cue]  # type: ignore[arg-type]
    return [checks.count("cue", number, at_least=0, at_most=batch - 1) for number in chosen]


def _check_trajectory(traj: Any) -> None:
    from .dynamics import Trajectory

    checks.instance("traj", traj, Trajectory, "what simulate returns")


def blank_axes(ax: Axes | None, height: float = 3.2) -> Axes:
    """The axes to draw in; those of a new figure for None."""
    if ax is None:
        figure = blank(height)
        from .figure import Axes as Shown

        return figure.add_subplot(axes_class=Shown)
    from matplotlib.axes import Axes as Kind

    checks.instance("ax", ax, Kind, "axes of Matplotlib or None")
    return ax


def _plot(ax: Axes, times: Floats, values: Floats, **style: Any) -> None:
    """One line; a run that broke off at its first time is a point."""
    ax.plot(times, values, marker="o" if len(times) == 1 else None, **style)


def _label(ax: Axes, times: Floats, time_label: str, value_label: str) -> None:
    """Scale the time axis and name both."""
    positive = times[times > 0]
    if len(positive) > 2 and math.log10(positive[-1] / positive[0]) > _DECADES and _early(positive):
        # Recorded times are geometric, but for the 0 in front: linear up to the first of them.
        ax.set_xscale("symlog", linthresh=positive[0], linscale=0.3)
    if len(times) > 1:
        ax.set_xlim(times[0], times[-1])
    ax.set(xlabel=time_label, ylabel=value_label)
    ax.spines[["top", "right"]].set_visible(False)


def _early(times: Floats) -> bool:
    """Whether most times are early ones; equally spaced times are not."""
    return bool(np.median(times) < 0.25 * times[-1])


def _unit_interval(values: Floats) -> Floats:
    """Map values linearly to [0, 1]; what is not finite goes to 0."""
    finite = values[np.isfinite(values)]
    if not finite.size or not np.ptp(finite) > 0:
        return np.zeros_like(values)
    scaled: Floats = (values - finite.min()) / np.ptp(finite)
    return np.clip(np.nan_to_num(scaled, nan=0.0), 0.0, 1.0)
