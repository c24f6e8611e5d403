"""What a command recalls, and where its cues ended."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from .files import Floats

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..network import Network
    from ..ranks import Ranks


@dataclass
class Task:
    """One recall of a batch: what is stored, what is shown, and how it runs.

    `own` says which pattern each cue was made from, where that is known; `large` that states of the
    memories are too many to be kept, and `ranks` which processes share these.
    """

    command: str
    patterns: Floats
    cues: Floats
    parameters: dict[str, Any]
    own: NDArray[np.int64] | None = None
    large: bool = False
    ranks: Ranks | None = None

    @property
    def first(self) -> bool:
        """Whether this process prints and writes."""
        return self.ranks is None or self.ranks.rank == 0

    @cached_property
    def network(self) -> Network:
        """The memory that it recalls from."""
        from ..lagrangians import Softmax
        from ..models import dense_am

        chosen = self.parameters
        return dense_am(
            self.patterns,
            hidden=Softmax(chosen["beta"]),
            tau_hidden=chosen["tau_hidden"],
            similarity=chosen["similarity"],
        )


class Ends(NamedTuple):
    """Where the cues of a task began and ended."""

    before: Floats  # (n,) energies
    after: Floats
    memory: NDArray[np.int64]  # (n,) the strongest in the end
    weight: Floats  # (n,) that it has
