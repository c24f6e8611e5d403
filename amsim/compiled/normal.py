"""Normal random numbers by counter, in compiled code: one for each entry of a stream of `draws`."""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math

import numpy as np

from .jit import compiled, inlined
from .streams import mixed, unit_interval

# The quantile of the normal distribution by Wichura 1988, algorithm AS 241 (PPND16): ratios of two
# polynomials near the middle, and further out in the root of -log p. Relative error 1e-16.
_MIDDLE, _BENT, _FAR = 0.425, 1.6, 5.0


@inlined
def _middle(r):
    above = (((((((2.5090809287301226727e3 * r + 3.3430575583588128105e4) * r
                  + 6.7265770927008700853e4) * r + 4.5921953931549871457e4) * r
                + 1.3731693765509461125e4) * r + 1.9715909503065514427e3) * r
              + 1.3314166789178437745e2) * r + 3.3871328727963666080e0)  # fmt: skip
    below = (((((((5.2264952788528545610e3 * r + 2.8729085735721942674e4) * r
                  + 3.9307895800092710610e4) * r + 2.1213794301586595867e4) * r
                + 5.3941960214247511077e3) * r + 6.8718700749205790830e2) * r
              + 4.2313330701600911252e1) * r + 1.0)  # fmt: skip
    return above / below


@inlined
def _bent(r):
    above = (((((((7.74545014278341407640e-4 * r + 2.27238449892691845833e-2) * r
                  + 2.41780725177450611770e-1) * r + 1.27045825245236838258e0) * r
                + 3.64784832476320460504e0) * r + 5.76949722146069140550e0) * r
              + 4.63033784615654529590e0) * r + 1.42343711074968357734e0)  # fmt: skip
    below = (((((((1.05075007164441684324e-9 * r + 5.47593808499534494600e-4) * r
                  + 1.51986665636164571966e-2) * r + 1.48103976427480074590e-1) * r
                + 6.89767334985100004550e-1) * r + 1.67638483018380384940e0) * r
              + 2.05319162663775882187e0) * r + 1.0)  # fmt: skip
    return above / below


@inlined
def _far(r):
    above = (((((((2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r
                  + 1.24266094738807843860e-3) * r + 2.65321895265761230930e-2) * r
                + 2.96560571828504891230e-1) * r + 1.78482653991729133580e0) * r
              + 5.46378491116411436990e0) * r + 6.65790464350110377720e0)  # fmt: skip
    below = (((((((2.04426310338993978564e-15 * r + 1.42151175831644588870e-7) * r
                  + 1.84631831751005468180e-5) * r + 7.86869131145613259100e-4) * r
                + 1.48753612908506148525e-2) * r + 1.36929880922735805310e-1) * r
              + 5.99832206555887937690e-1) * r + 1.0)  # fmt: skip
    return above / below


@inlined
def quantile(p):
    """The number that a standard normal one is below with probability p, 0 < p < 1."""
    q = p - 0.5
    if abs(q) <= _MIDDLE:
        return q * _middle(_MIDDLE * _MIDDLE - q * q)
    r = math.sqrt(-math.log(min(p, 1.0 - p)))
    size = _bent(r - _BENT) if r <= _FAR else _far(r - _FAR)
    return size if q > 0.0 else -size


@inlined
def normal(key, counter):
    """The standard normal number of an entry of a stream; both are uint64."""
    return quantile(unit_interval(mixed(key, counter)))


@compiled
def normals(key, places, out):
    """out[b, j]: a standard normal number for unit j of the cue that stands at places[b]."""
    for b in range(out.shape[0]):
        own = mixed(key, places[b])
        for j in range(out.shape[1]):
            out[b, j] = normal(own, np.uint64(j))
