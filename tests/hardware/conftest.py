import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import hardware.lava  # noqa: F401 - from here on Lava can be imported, on every Python

# Lava's compiler executes every file beside a process: the processes have a folder of their own,
# which is not collected.
collect_ignore = ["lava_failures"]
sys.path.append(str(Path(__file__).parent / "lava_failures"))


@pytest.fixture
def brian2_without_compiler() -> Iterator[None]:
    """What a user would set who wants none.

    Brian2 collects garbage before each run: what other tests left is taken out of its search.
    """
    import brian2

    before = brian2.prefs.codegen.target
    brian2.prefs.codegen.target = "numpy"
    gc.freeze()
    yield
    brian2.prefs.codegen.target = before
