"""Claims about means of draws, and the tolerances that follow from the draws.

All of a verdict's claims about means fail together by luck with a probability of at most `LEVEL`,
if every prediction is exact: each one is judged at `LEVEL` over their number (Bonferroni), by
Student's t. A claim that its draws could not have refuted is not judged.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from .experiment import Claim

LEVEL = 0.01


@dataclass(frozen=True)
class Mean:
    """A prediction about the mean of independent draws.

    Parameters
    ----------
    text : str
    draws : array_like
        One value for each independent draw, such as a repeat; NaN where a unit failed.
    predicted : float
    null : float, optional
        What the claim has to tell from the prediction: it is judged only if the two differ by more
        than the tolerance.
    resolution : float, default 0
        What each draw may be off for a known reason, such as a quantum; added to the tolerance.
    side : {"equal", "above", "below"}
        What is predicted of the mean: that it is this value, or lies on one side of it.
    """

    text: str
    draws: ArrayLike
    predicted: float
    null: float | None = None
    resolution: float = 0.0
    side: Literal["equal", "above", "below"] = "equal"

    def judge(self, comparisons: int) -> Claim:
        """Make the claim, as one of so many."""
        draws = np.asarray(self.draws, dtype=np.float64).ravel()
        draws = draws[np.isfinite(draws)]
        found = float(draws.mean()) if draws.size else float("nan")
        slack = self.resolution + spread_of_mean(draws, comparisons)
        away = found - self.predicted
        holds: bool | None
        if self.side == "equal":
            holds = abs(away) <= slack
            if holds and self.null is not None and abs(self.predicted - self.null) <= slack:
                holds = None
        else:
            beyond = away if self.side == "above" else -away
            holds = beyond > slack if abs(away) > slack else None
        few = holds is None or not np.isfinite(slack)
        text = f"{self.text} (too few draws to tell)" if few else f"{self.text} (± {slack:.2g})"
        return Claim(text, found, self.predicted, None if few else bool(holds))


def spread_of_mean(draws: ArrayLike, comparisons: int) -> float:
    """Half of the confidence interval of a mean, one of so many; infinite for fewer than two.

    Examples
    --------
    >>> f"{spread_of_mean([1.0, 2.0, 3.0, 4.0], 1):.3f}"
    '3.770'
    """
    from scipy.special import stdtrit  # scipy.stats takes half a second to import

    values = np.asarray(draws, dtype=np.float64)
    if values.size < 2:
        return float("inf")
    error = values.std(ddof=1) / np.sqrt(values.size)
    rounding = 8 * np.finfo(np.float64).eps * np.abs(values).max()
    return float(stdtrit(values.size - 1, 1 - LEVEL / comparisons / 2) * error + rounding)


def normal_spread(deviation: float, comparisons: int) -> float:
    """Half of the interval of a normal number of known standard deviation, one of so many."""
    from scipy.special import ndtri

    return float(ndtri(1 - LEVEL / comparisons / 2) * deviation)


def judged(claims: Iterable[Claim | Mean]) -> list[Claim]:
    """Judge the means among some claims, all at one level."""
    listed = list(claims)
    comparisons = sum(isinstance(claim, Mean) for claim in listed)
    return [claim.judge(comparisons) if isinstance(claim, Mean) else claim for claim in listed]


def crossing(x: ArrayLike, y: ArrayLike) -> tuple[float, float]:
    """Where points pass 0 first, and by how much two interpolations differ there; NaN if nowhere.

    Examples
    --------
    >>> root, slack = crossing([0.0, 1.0, 2.0], [-1.0, 0.0, 3.0])
    >>> root, slack
    (1.0, 0.0)
    """
    from scipy.interpolate import PchipInterpolator

    at, value = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    steps = np.flatnonzero(np.sign(value[:-1]) * np.sign(value[1:]) <= 0)
    if not steps.size:
        return float("nan"), float("nan")
    i = steps[0]
    straight = at[i] - value[i] * (at[i + 1] - at[i]) / (value[i + 1] - value[i])
    roots = PchipInterpolator(at, value).roots(extrapolate=False)
    root = roots[np.abs(roots - straight).argmin()]
    return float(root), float(abs(root - straight))
