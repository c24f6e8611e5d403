"""What runs without the calls of POSIX, as on Windows: taken away in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# Python's library and other packages have a version of their own for each system: they are loaded
# before anything is taken away. What asks for `os.name` cannot be tried: pathlib does, too.
WITHOUT_POSIX = """
import builtins, contextlib, faulthandler, getpass, importlib, multiprocessing, os, pkgutil
import platform, shutil, signal, socket, subprocess, sys, tempfile, threading, traceback, warnings
import filelock, h5netcdf, h5py, joblib, matplotlib.backends.backend_agg, matplotlib.figure
import matplotlib.backends.backend_pdf, networkx, nir, numba, numpy as np, scipy.integrate
import scipy.optimize, scipy.sparse.linalg, scipy.stats, sklearn.datasets, tqdm, xarray
from joblib.externals import loky

for module in ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog"):
    sys.modules[module] = None
POSIX = {
    os: "chown fchmod fchown fork forkpty geteuid getgid getpgid getuid killpg mkfifo O_CLOEXEC "
        "O_DIRECTORY O_NOFOLLOW O_NONBLOCK O_SYNC posix_spawn register_at_fork sched_getaffinity "
        "setsid statvfs sysconf uname wait wait3 wait4",
    signal: "SIGALRM SIGCHLD SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGUSR1 SIGUSR2 alarm "
            "pthread_sigmask setitimer sigpending sigwait",
    faulthandler: "register unregister",
}
for module, names in POSIX.items():
    for name in names.split():
        delattr(module, name) if hasattr(module, name) else None

class Lock:  # the library's own has a branch for each system, which cannot be had elsewhere
    def __init__(self, path): pass
    def acquire(self, timeout): return self
    def release(self): pass
    def __enter__(self): return self
    def __exit__(self, *error): pass

import filelock
filelock.FileLock = Lock
multiprocessing.get_all_start_methods = lambda: ["spawn"]
os.getppid = lambda: 1  # which never changes there
os.process_cpu_count = os.cpu_count  # of Python 3.13, which counts by sched_getaffinity
sys.platform = "win32"
warnings.filterwarnings("error", category=EncodingWarning, module="(amsim|hardware|experiments)[.]")

import amsim as am, hardware, experiments
from amsim.cli import main

def all_modules(package):
    yield package
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if ".lava.graph" in found.name or found.name in NEED_LAVA:
            continue
        yield importlib.import_module(found.name)

NEED_LAVA = {f"amsim.hardware.lava.{name}" for name in ("runtime", "actors", "channels")}
"""


def without_posix(code: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-X", "warn_default_encoding", "-c", WITHOUT_POSIX + code],
        cwd=cwd, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_everything_is_imported_and_says_what_it_does(tmp_path: Path) -> None:
    out = without_posix(
        """
count = sum(1 for p in (am, am.hardware, am.experiments) for _ in all_modules(p))
for command in ("demo recall stability map run experiment report gallery doctor").split():
    assert main([command, "--help"]) == 0
assert main(["--version"]) == main(["experiment", "list"]) == main(["doctor"]) == 0
print(count, "modules")
""",
        tmp_path,
    )
    assert int(out.splitlines()[-1].split()[0]) > 150


RUNS = {
    "recall": """
np.save("stored.npy", am.patterns.random(2, 9, seed=0))
assert main("recall --patterns stored.npy --cues stored.npy --out out".split()) == 0
assert am.Trajectory.load("out/trajectory.npz").status == "settled"
""",
    "events and certificates": """
stored = am.patterns.random(2, 9, seed=0)
net = am.dense_am(stored, hidden=am.Softmax(1.0))
events = am.simulate(net, stored, solver=am.EventDriven(quantum=1e-2), seed=0)
assert events.status == "settled"
assert am.stability.certify(net, stored, am.simulate(net, stored).final).holds.all()
""",
    "plans and the emulator": """
stored = am.patterns.random(2, 9, seed=0)
np.save("stored.npy", stored)
assert main("map --patterns stored.npy --out plan".split()) == 0
assert main("run --plan plan/plan.json --cues stored.npy --out run".split()) == 0
plan = hardware.Plan.load("plan/plan.json")
try:
    hardware.run(plan, stored, backend="lava")
except hardware.BackendUnavailable as error:
    assert "by fork, which this system does not have" in str(error)
else:
    raise AssertionError
""",
    "a sweep and its report": """
SMALL = "asynchrony --memories random --execution equation --flip 0.1 --repeats 1 --out run"
assert main(["experiment", *SMALL.split()]) == 0
assert main("experiment rerun run".split()) == 0
assert main("report run".split()) == 0
""",
}


@pytest.mark.parametrize("name", RUNS)
def test_small_runs(name: str, tmp_path: Path) -> None:
    if "sweep" in name and sys.version_info >= (3, 13):
        pytest.skip(
            "from 3.13 on subprocess itself, which sweeps ask for the commit, needs POSIX here"
        )
    without_posix(RUNS[name], tmp_path)
