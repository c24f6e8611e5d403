"""Worker processes have to find the experiments of these tests; data are tried once.

In the files of figures stand a few bytes, but where a test asks for `drawn`.
"""

import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from experiments.runner import dataset_file

SAVEFIG = Figure.savefig
TRIED = lru_cache(dataset_file._try)
HERE = str(Path(__file__).parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)


# For a module at a time: a worker that ran these tests goes on with those of other folders.
@pytest.fixture(autouse=True, scope="module")
def tried_once() -> Iterator[None]:
    """Most tests read intact data again and again; a process for each takes a second of imports."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset_file, "_try", TRIED)
        yield


@pytest.fixture(autouse=True, scope="module")
def undrawn() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", lambda _, file, **__: file.write(b"undrawn"))
        yield


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are drawn in a test that asks for this."""
    monkeypatch.setattr(Figure, "savefig", SAVEFIG)
