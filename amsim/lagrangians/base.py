"""`Lagrangian`, the base class of all neurons, and the checks of their parameters and inputs."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import FunctionType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from .. import checks

Array = npt.NDArray[np.floating[Any]]
Bounds = tuple[Array, Array]
_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))


class Lagrangian(ABC):
    """A convex function L(x) of a layer's state, with its first two derivatives.

    For a sum over units derive from `SeparableLagrangian`, which needs three elementwise functions;
    for outputs that are shares, p >= 0 with sum 1, from `SimplexLagrangian`; else from here. Every
    Lagrangian keeps these rules, and networks, solvers and proofs rely on them:

    1. It is a frozen dataclass of its parameters and has no other state, so that it can be
       compared, hashed and pickled. `__post_init__` checks the parameters: ``require(self,
       "beta")`` raises unless beta is a positive number, and keeps it as a Python float, since a
       scalar of NumPy would promote float32. `Tempered` is a base with a beta that does so. No
       parameter has the name of a method, such as `slope`: the class would be refused.
    2. `separable` and `bounded` are attributes of the class, and true of every instance.
    3. All methods act on the last axis; leading axes are batches, and a batch gives what its rows
       give. They begin with ``x = floats(x)``, which refuses what are no numbers: float32 stays
       float32, any other type becomes float64. They neither change x nor return it.
    4. L is convex. `activation` is its gradient and `hessian` its second derivative, symmetric and
       positive semidefinite, both written out: without that no energy falls.
    5. For |x| up to 1e6 nothing overflows, becomes NaN or warns (``np.errstate(all="raise",
       under="ignore")`` may be set). A function that grows faster than that allows is held at its
       largest value from there on, as `Exponential` is.
    6. Where the slope jumps, `hessian` is that of one side, and `kinked` is True: classes with such
       a kink override it.
    7. `activation_bounds` and `slope_bounds` begin with ``lo, hi = box(lo, hi)`` and hold every
       value that `activation` and the diagonal of `hessian` can return in the box as floats:
       computed bounds are widened by the rounding error of both sides (`numerics.outward`).
       Certificates are proofs because of this rule. For lo = hi only the rounding is left.
    8. If the activation g is unbounded and x . g - L grows like |g|^q with another q than 2,
       `growth` returns 1 / q: a `Network` asks it whether the energy has a lower bound.
    9. `hessian_product` is `hessian` times a vector, and `magnitude_product` that of its absolute
       values, for layers that are too large for a matrix.

    Networks, ODE solvers, `FixedPoint` and the linear theory of stability take any such class.
    Certificates also ask `response_bound`, which the two derived bases have. Engines outside of
    NumPy ask the table in `amsim/neurons.py`, and refuse by name what it leaves out.

    Attributes
    ----------
    separable : bool
        Whether L is a sum over units, so that the Hessian is diagonal.
    bounded : bool
        Whether the activation stays bounded over all inputs.
    kinked : bool
        Whether the slope of the activation jumps somewhere; False unless overridden.
    odd : bool
        Whether activation(-x) = -activation(x); False unless overridden.
    tempered : bool
        Whether there is a parameter beta with L(x) = L_1(beta x) / beta, so that derivatives by
        beta follow from those by x; False unless overridden.
    """

    separable: ClassVar[bool]
    bounded: ClassVar[bool]
    odd: ClassVar[bool] = False
    tempered: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in inspect.get_annotations(cls):
            above = [vars(base)[name] for base in cls.__mro__[1:] if name in vars(base)]
            if any(isinstance(each, (FunctionType, property)) for each in above):
                raise TypeError(
                    f"{cls.__name__}: the parameter {name!r} would hide the method of that name, "
                    f"which others call; give it another name"
                )

    @property
    def kinked(self) -> bool:
        return False

    @property
    def growth(self) -> float:
        """1 / q where the layer's own energy x . g - L grows like |g|^q; 0 for a bounded g."""
        return 0.0 if self.bounded else 0.5

    @abstractmethod
    def value(self, x: npt.ArrayLike) -> Array:
        """L(x): shape (..., n) -> (...)."""

    @abstractmethod
    def activation(self, x: npt.ArrayLike) -> Array:
        """g(x) = dL/dx: shape (..., n) -> (..., n)."""

    @abstractmethod
    def hessian(self, x: npt.ArrayLike) -> Array:
        """H(x) = dg/dx, symmetric and positive semidefinite: shape (..., n) -> (..., n, n)."""

    @abstractmethod
    def hessian_product(self, x: npt.ArrayLike, u: npt.ArrayLike) -> Array:
        """H(x) @ u without forming H: shapes (..., n), (..., n) -> (..., n)."""

    def magnitude_product(self, x: npt.ArrayLike, u: npt.ArrayLike) -> Array:
        """|H(x)| @ u with entrywise absolute values; shapes as in `hessian_product`."""
        u = direction(floats(x), u)
        return np.asarray((np.abs(self.hessian(x)) @ u[..., None])[..., 0])

    @abstractmethod
    def activation_bounds(self, lo: npt.ArrayLike, hi: npt.ArrayLike) -> Bounds:
        """Bounds on ``activation(x)`` over the box lo <= x <= hi, rounded outwards.

        Parameters
        ----------
        lo, hi : array_like, shape (..., n)
            The corners of a finite box.

        Returns
        -------
        lo, hi : ndarray, shape (..., n)
            They contain every value that `activation` can return in the box.

        Raises
        ------
        ValueError
            If the shapes differ, a bound is not finite, or lo > hi somewhere.
        """

    @abstractmethod
    def slope_bounds(self, lo: npt.ArrayLike, hi: npt.ArrayLike) -> Bounds:
        """Bounds on the DIAGONAL of ``hessian(x)`` over a box; as `activation_bounds`."""


@dataclass(frozen=True)
class Tempered:
    """The parameter beta: an inverse temperature, finite and > 0; L(x) = L_1(beta x) / beta."""

    beta: float = 1.0
    tempered: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(self, "beta")

    def _error(self, lo: Array, hi: Array) -> Array:
        """Rounding beta x moves exp(beta x) by a relative |beta x| eps / 2, exp(2 beta x) by twice.

        Beyond 1000 they have saturated.
        """
        exponent = np.minimum(self.beta * np.maximum(np.abs(lo), np.abs(hi)), 1000)
        return np.asarray((4 + exponent) * float(np.finfo(lo.dtype).eps))


def require(owner: object, *names: str, at_least: float = checks.SMALLEST) -> None:
    """Check parameters of a frozen dataclass: positive numbers, whose products do not overflow.

    Keep them as Python floats, since a NumPy float64 scalar would promote float32 states.
    """
    for name in names:
        what, value = f"{type(owner).__name__}: {name}", getattr(owner, name)
        found = checks.number(what, value, at_least=at_least, at_most=checks.LARGEST)
        object.__setattr__(owner, name, found)


def floats(x: npt.ArrayLike) -> Array:
    """x as float32 (if it is) or float64, with at least one unit on the last axis."""
    if type(x) is np.ndarray and x.dtype in _FLOATS:  # in the loops of solvers
        array = x
    else:
        keep = isinstance(x, np.generic | np.ndarray) and x.dtype == np.float32
        array = checks.array("the state", x, finite=False, dtype=np.float32 if keep else np.float64)
    if array.ndim == 0 or array.shape[-1] == 0:
        raise ValueError(f"the state has shape {array.shape}; it needs units on its last axis")
    return array


def direction(x: Array, u: npt.ArrayLike) -> Array:
    """u as floats; it needs as many entries on its last axis as the state x."""
    vector = floats(u)
    if vector.shape[-1] != x.shape[-1]:
        raise ValueError(
            f"u has shape {vector.shape}, the state has shape {x.shape}: make their last axes equal"
        )
    return vector


def box(lo: npt.ArrayLike, hi: npt.ArrayLike) -> Bounds:
    """The corners of a finite box, checked."""
    low, high = floats(lo), floats(hi)
    if low.shape != high.shape:
        raise ValueError(f"lo has shape {low.shape}, hi has shape {high.shape}; make them equal")
    if not (np.all(np.isfinite(low)) and np.all(np.isfinite(high))):
        raise ValueError("the box has a bound that is not finite; give every unit finite bounds")
    if not np.all(low <= high):
        unit = tuple(int(i) for i in np.argwhere(low > high)[0])
        raise ValueError(f"lo exceeds hi at index {unit}: {low[unit]} > {high[unit]}; swap them")
    return low, high
