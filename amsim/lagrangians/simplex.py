"""The base class of groups whose outputs are shares: p >= 0 with sum 1."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import numpy.typing as npt

from .base import Array, Bounds, Lagrangian, direction, floats
from .numerics import eye, fold_others, outer, slack

# Above everything that underflow can lose; products with it are normal numbers.
_SMALL = 1e-200


class SimplexLagrangian(Lagrangian):
    """A group that sees the differences of its states: H = beta (diag s - s s^T / sum s).

    Derived classes give `value`, `activation`, `activation_bounds` and `slope_bounds`, by the rules
    of `Lagrangian`, and the weights s of the Hessian with bounds on them.

    Of a sum without a unit nothing is subtracted: at a stored memory 1 - p of the winner may be
    1e-30. Since p <= 1 has the sum 1 and s = p^(2 - alpha), 1 <= alpha <= 2, the sum of s is at
    least 1.
    """

    separable = False
    bounded = True
    beta: float

    @abstractmethod
    def _weights(self, x: Array) -> Array:
        """s, (..., n)."""

    @abstractmethod
    def _weight_bounds(self, active: Bounds) -> Bounds:
        """Bounds on s where the outputs lie within `active`."""

    def hessian(self, x: npt.ArrayLike) -> Array:
        s = self._weights(floats(x))
        whole = -self.beta * outer(s) / s.sum(axis=-1)[..., None, None]
        return np.where(eye(s) > 0, self._diagonal(s)[..., None], whole)

    def hessian_product(self, x: npt.ArrayLike, u: npt.ArrayLike) -> Array:
        x = floats(x)
        return self._product(self._weights(x), direction(x, u), -1)

    def magnitude_product(self, x: npt.ArrayLike, u: npt.ArrayLike) -> Array:
        x = floats(x)
        return self._product(self._weights(x), direction(x, u), 1)

    def response_bound(self, box: Bounds, active: Bounds, u: Array) -> Array:
        """|H| u from above for all states in a box, u >= 0; `active` are bounds on the outputs."""
        low, high = self._weight_bounds(active)
        # s_i s_j / sum s rises with s_i and s_j.
        others: Array = fold_others(np.add, high * u, 0.0)
        others /= np.maximum(high + fold_others(np.add, low, 0.0), 1)
        bound = self._diagonal(high) * u + self.beta * high * others
        return self._upward(bound)

    @staticmethod
    def _upward(bound: Array) -> Array:
        """A bound that a few sums and products have rounded."""
        return np.asarray(bound * (1 + 2 * slack(bound) + 16 * np.finfo(bound.dtype).eps) + _SMALL)

    def _diagonal(self, s: Array) -> Array:
        """beta s (1 - s / sum s)."""
        rest = fold_others(np.add, s, 0.0)
        return np.asarray(self.beta * s * (rest / np.maximum(s + rest, np.finfo(s.dtype).tiny)))

    def _product(self, s: Array, u: Array, sign: int) -> Array:
        rest, others = fold_others(np.add, s, 0.0), fold_others(np.add, s * u, 0.0)
        return np.asarray(
            self.beta * s * ((rest * u + sign * others) / s.sum(axis=-1, keepdims=True))
        )
