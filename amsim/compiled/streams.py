"""The random numbers of `draws` for scalars in compiled code."""

from __future__ import annotations

from . import draws
from .jit import compiled

mixed = compiled(draws.mixed)
unit_interval = compiled(draws.unit_interval)
