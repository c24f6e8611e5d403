"""The random numbers of `draws` for scalars in compiled code."""

from __future__ import annotations

from . import draws
from .jit import inner_inlined

mixed = inner_inlined(draws.mixed)
unit_interval = inner_inlined(draws.unit_interval)
