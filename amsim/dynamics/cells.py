"""`Cells`: groups of similar memories, of which most are proven not to matter to a query."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks
from ..display import short
from ..lagrangians import Softmax
from ..network import Network
from ..synapses import Array
from .attention import attention
from .loops import Loop, loop_of

_EPS = float(np.finfo(np.float64).eps)
# Of all memories: who has to look at more of them looks at all, in one pass.
_MOST = 0.5
_ROUNDED = 1e-6  # of logarithms of sums


class Cells:
    """An index for `FixedPoint`: memories in cells, by an index or a clustering of your choice.

    A query looks into the cells that may matter. That the others do not is proven: a memory xi
    with the bias b, in a cell around c with the radius r, has

        xi . q + b  <=  c . q + max((xi - c) . c + b) + r |q - c|

    so that what is left out of the softmax has a known bound, also in floating point. Where too
    much would be left out, all memories are read. The result does not depend on the cells, up to
    that bound; the time does.

    Parameters
    ----------
    network : Network
        Features and memories that share a softmax, such as `dense_am` makes.
    labels : array_like of int (K,)
        The cell of each memory: from `sklearn.cluster.KMeans`, or from the coarse quantizer of an
        index of FAISS, ``quantizer.search(patterns, 1)[1][:, 0]``.

    Raises
    ------
    ValueError, TypeError
        If the network has no such memories, or the labels do not fit them.

    Notes
    -----
    It holds a copy of the memories, cell by cell. For memories without clusters, such as random
    patterns, no cell can be left out, and it costs more than it saves.

    Examples
    --------
    >>> import numpy as np
    >>> import amsim as am
    >>> centres = am.patterns.random(8, 64, seed=0)
    >>> labels = np.repeat(np.arange(8), 50)
    >>> patterns = am.patterns.corrupt(centres[labels], noise=0.1, seed=1)
    >>> net = am.dense_am(patterns, hidden=am.Softmax(beta=2.0))
    >>> solver = am.FixedPoint(index=am.Cells(net, labels))
    >>> traj = am.simulate(net, patterns[0], solver=solver)
    >>> traj.status, int(traj.stats["read"]) // traj.stats["rhs"]
    ('settled', 50)
    """

    def __init__(self, network: Network, labels: ArrayLike) -> None:
        checks.instance("network", network, Network, "a Network")
        loop = loop_of(network)
        if loop is None or loop.back is not None or not _shares(network, loop):
            raise ValueError(
                "Cells: the network must be features and memories with a softmax that one Dense "
                "joins, such as dense_am(patterns, hidden=Softmax(...))"
            )
        self.network, self.hidden, weights = network, loop.hidden, loop.weights
        given = checks.plain("labels", labels)
        if given.shape != (len(weights),):
            raise ValueError(f"labels have shape {given.shape}; there are {len(weights)} memories")
        found = checks.indices("labels", given, checks.LARGEST_COUNT)
        order = np.argsort(found, kind="stable")
        self.starts = np.r_[0, np.flatnonzero(np.diff(found[order])) + 1, len(order)]
        self.rows = loop.forth.compact[order]
        self.bias = np.array(network.layers[loop.hidden].bias[order])
        self.largest = loop.largest
        shape = len(self.starts) - 1, weights.shape[1]
        self.centres, self.radii = np.empty(shape), np.empty(shape[0])
        self.tops, self.longest = np.empty(shape[0]), 0.0
        for cell in range(shape[0]):
            rows = slice(self.starts[cell], self.starts[cell + 1])
            members = self.rows[rows].astype(np.float64)
            centre = members.mean(axis=0)
            apart = members - centre
            self.centres[cell] = centre
            self.radii[cell] = np.sqrt((apart**2).sum(axis=1).max())
            self.longest = max(self.longest, float(np.sqrt((members**2).sum(axis=1).max())))
            self.tops[cell] = (apart @ centre + self.bias[rows]).max()

    @short
    def __repr__(self) -> str:
        return f"Cells({len(self.radii)} cells of {len(self.rows)} memories)"

    def bounds(self, queries: Array) -> Array:
        """Upper bounds (B, cells) on xi . q + b in each cell, rounded upwards."""
        lengths = np.sqrt((queries**2).sum(axis=1))[:, None]
        sizes = np.sqrt((self.centres**2).sum(axis=1))
        products = queries @ self.centres.T
        rounding = 16 * (queries.shape[1] + 8) * _EPS
        square = lengths**2 - 2 * products + sizes**2 + rounding * (lengths + sizes) ** 2
        apart = self.radii * np.sqrt(np.maximum(square, 0.0))
        scale = lengths * sizes + np.abs(self.tops) + sizes * (sizes + self.radii) + apart
        return np.asarray(products + self.tops + apart + rounding * scale)

    def attention(self, queries: Array, beta: float, error: float) -> tuple[Array, Array]:
        """softmax(beta (Xi q + b)) Xi of queries (B, D), with at most this error in each feature.

        Returns
        -------
        ndarray (B, D)
        ndarray of int (B,)
            How many memories were read.
        """
        counts = np.diff(self.starts)
        bounds = beta * self.bounds(queries) + np.log(counts)
        found, read = np.empty(queries.shape), np.full(len(queries), len(self.rows))
        # What is left out has this share of the sum at most, and moves a mean by its distance.
        share = np.log(error / (2 * self.largest)) if self.largest else 0.0
        share -= _ROUNDED + 8 * _EPS * np.abs(bounds).max()
        for b, query in enumerate(queries):
            order = np.argsort(-bounds[b])
            left = np.logaddexp.accumulate(bounds[b, order[::-1]])[::-1]
            best = self._logits(order[:1], query, beta)[1].max()
            needed = max(1, int((left > best + share).sum()))
            if counts[order[:needed]].sum() > _MOST * len(self.rows):
                continue
            members, logits = self._logits(order[:needed], query, beta)
            weights = np.exp(logits - logits.max())
            found[b] = weights @ members / weights.sum()
            read[b] = len(members)
        if (far := read == len(self.rows)).any():
            whole = attention(queries[far], self.rows, beta, self.bias, np.float64)
            found[far] = whole.average
        return found, read

    def _logits(self, cells: NDArray[np.int64], query: Array, beta: float) -> tuple[Array, Array]:
        """The memories of some cells, and beta (xi . q + b) of each."""
        parts = [slice(self.starts[cell], self.starts[cell + 1]) for cell in cells]
        members = np.concatenate([self.rows[part] for part in parts]).astype(np.float64, copy=False)
        bias = np.concatenate([self.bias[part] for part in parts])
        return members, beta * (members @ query + bias)


def _shares(network: Network, loop: Loop) -> bool:
    """Whether the memories share one softmax."""
    hidden: Any = network.layers[loop.hidden]
    return type(hidden.lagrangian) is Softmax and len(hidden.shape) == 1
