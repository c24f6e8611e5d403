"""Settings for all tests, made before NumPy is imported."""

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The same draws in every run, however busy the machine is: a change is not held up by a fault that
# it did not make. To look for such faults: `uv run pytest --hypothesis-profile=search`.
UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("steady", UNTIMED, derandomize=True)
settings.register_profile("search", UNTIMED, derandomize=False, print_blob=True)
settings.load_profile("steady")

# The arrays of tests are small: on a busy machine the threads of BLAS wait for each other, and a
# test takes ten times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Tests start Python some hundred times; without byte code each compiles NumPy and SciPy anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# In the background of a script Ctrl-C is ignored, and so it would be in the programs tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def leave_sources_alone() -> None:
    """Let Hypothesis draw no numbers that it finds in the sources of what is imported.

    Else an edit anywhere, or a run of fewer files, changes the draws; and each worker reads all
    sources, for two seconds. There is no setting for it, and earlier versions had no such numbers.
    """
    try:
        from hypothesis.internal.conjecture import providers
    except ImportError:
        return
    if hasattr(providers, "_get_local_constants"):
        providers._get_local_constants = providers.Constants


def pytest_configure(config: pytest.Config) -> None:
    """Settle what is drawn, and compile once what all workers of a whole run would compile."""
    if config.getoption("--hypothesis-profile", default=None) != "search":
        leave_sources_alone()
    workers = getattr(config.option, "numprocesses", None)
    if workers and not hasattr(config, "workerinput") and config.args == config.getini("testpaths"):
        step = Path(__file__).with_name("compile_engines.py")
        subprocess.run([sys.executable, step], check=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run graphs of Lava first, and examples last.

    Lava forks for each of its processes, which takes the longer the more memory there is to share,
    and tests compile. Examples are many small files, so that both workers end together.
    """
    folders = (config.rootpath / "tests" / "hardware", config.rootpath / "tests")
    items.sort(key=lambda item: [folder not in item.path.parents for folder in folders])


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Search no garbage among all modules and tests, of which hardly anything becomes garbage.

    Brian2 collects it before each run: that would take longer than the run.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000)
        gc.enable()
