"""Fixed points against a parameter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks
from ..display import fields_html, fields_repr
from ..network import Network
from .fixed_points import find_all
from .linear import Linearisation
from .states import State
from .status import status_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]

# How each status is drawn: colour, marker, filled or not.
_STYLES = {
    "stable": ("#0072B2", "o", "full"),
    "unstable": ("#D55E00", "o", "none"),
    "neutral": ("#000000", "s", "none"),
    "unknown": ("#999999", "x", "full"),
}


@dataclass(frozen=True, eq=False)
class Bifurcation:
    """Fixed points that were found at each value of a parameter.

    Attributes
    ----------
    values : ndarray (N,)
        The parameter, once for each fixed point.
    states : dict of str to ndarray (N, *shape)
        Of all layers.
    status : ndarray (N,) of str
        "stable", "unstable", "neutral" or "unknown", without delays.
    energy : ndarray (N,)
        NaN where synapses are directed.
    """

    values: Floats
    states: dict[str, Floats]
    status: NDArray[np.str_]
    energy: Floats

    __repr__ = fields_repr
    _repr_html_ = fields_html

    def plot(
        self,
        ax: Axes | None = None,
        *,
        unit: tuple[str, int] = ("visible", 0),
        label: str = "parameter",
    ) -> Axes:
        """Draw a unit's states at rest against the parameter.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default the axes of a new figure.
        unit : (str, int)
            A layer, and a place in it.
        label : str
            Name of the parameter.

        Returns
        -------
        Axes
            With full dots for what is stable, and open ones for what is not.

        Raises
        ------
        ValueError, TypeError
            If there is no such unit.
        """
        from ..plot import blank_axes

        layer = checks.choice("the layer of unit", unit[0], tuple(self.states))
        rows = self.states[layer].reshape(len(self.values), -1)
        place = checks.count("the unit", unit[1], at_least=0, at_most=rows.shape[1] - 1)
        ax = blank_axes(ax)
        for status, (colour, marker, fill) in _STYLES.items():
            chosen = self.status == status
            if chosen.any():
                ax.plot(
                    self.values[chosen], rows[chosen, place], marker, color=colour, fillstyle=fill,
                    markersize=4, label=status,
                )  # fmt: skip
        ax.set(xlabel=label, ylabel=f"{layer} {place} at rest")
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False, fontsize="small", loc="best")
        return ax


def bifurcation(make: Callable[[float], Network], values: ArrayLike, starts: State) -> Bifurcation:
    """Find the fixed points of a network at many values of a parameter.

    Parameters
    ----------
    make : callable
        ``make(value)`` returns the network; its layers are the same for every value.
    values : array_like (P,)
    starts : array_like (*batch, *shape) or mapping of layer names to such arrays
        From which `find_all` looks, at every value. Put some near saddles, such as midpoints of
        patterns: a branch is seen only where a start leads to it.

    Returns
    -------
    Bifurcation
        Whose `plot` draws the branches.

    Raises
    ------
    ValueError, TypeError
        If the values or the starts do not fit, or no fixed point was found at any value.

    Examples
    --------
    Two patterns of one feature blend up to beta = 1; from there each is a minimum.

    >>> import amsim as am
    >>> def make(beta):
    ...     return am.dense_am([[1.0], [-1.0]], hidden=am.Softmax(beta), tau_hidden=0.0)
    >>> found = am.stability.bifurcation(make, [0.5, 2.0], [[0.9], [0.0], [-0.9]])
    >>> for value, state, status in zip(found.values, found.states["visible"][:, 0], found.status):
    ...     print(f"{value:.1f} {state.round(2) + 0.0:5.2f} {status}")
    0.5  0.00 stable
    2.0  0.96 stable
    2.0 -0.96 stable
    2.0  0.00 unstable
    """
    if not callable(make):
        raise TypeError(f"make must be a function from a number to a Network, got {make!r}")
    tried = checks.array("values", values, ndim=1, empty=False)
    found = []
    for value in tried.tolist():
        net = make(value)
        checks.instance("what make returns", net, Network, "a Network")
        for rest in find_all(net, starts):
            status = status_of(Linearisation(net, rest.states), rest.residual)
            found.append((value, rest, status))
    if not found:
        raise ValueError("no start led to a fixed point, at any of the values; give other starts")
    names = tuple(found[0][1].states)
    return Bifurcation(
        values=np.array([value for value, _, _ in found]),
        states={name: np.stack([rest.states[name] for _, rest, _ in found]) for name in names},
        status=np.array([str(status) for _, _, status in found]),
        energy=np.array([rest.energy for _, rest, _ in found]),
    )
