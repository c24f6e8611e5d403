"""Diagnosis of the installation: packages, versions, caches, and a remedy for each fault."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Finding", "diagnose", "document", "examine", "healthy", "report", "system", "versions"]


def __dir__() -> list[str]:
    return __all__


_DEEP_SECONDS = 60
_LOWEST_PYTHON = (3, 10)


@dataclass(frozen=True)
class _Package:
    """A package by the name that pip knows, and what imports show that it works.

    `trial` is Python that shows more; `installer` is the command where it is not pip's.
    """

    name: str
    imports: tuple[str, ...]
    purpose: str
    required: bool = True
    trial: str = ""
    installer: str = ""

    @property
    def install(self) -> str:
        return self.installer or f'pip install "{self.name}"'

    @property
    def top(self) -> str:
        """The name that Python knows."""
        return self.imports[0].partition(".")[0]


_PACKAGES = (
    _Package("numpy", ("numpy",), "arrays"),
    _Package("scipy", ("scipy.integrate", "scipy.special"), "SciPy's ODE solvers"),
    _Package("numba", ("numba",), "the compiled integrator"),
    _Package("matplotlib", ("matplotlib.figure",), "figures"),
    _Package("networkx", ("networkx",), "graphs"),
    _Package("scikit-learn", ("sklearn.datasets",), "scans of digits: amsim demo"),
    _Package("tqdm", ("tqdm",), "progress bars"),
    # These two start compilers or processes as they are imported: only --deep does it, elsewhere.
    _Package("brian2", ("brian2",), "spiking simulation in Brian2", required=False),
    _Package(
        "lava-nc",
        ("lava",),
        "simulation of Intel's Loihi 2 in Lava",
        required=False,
        trial="from amsim.hardware import lava; lava.self_test()",
        installer="amsim lava install",
    ),
)


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis.

    Attributes
    ----------
    name : str
    status : str
        "ok" (it works), "found" (installed, not tried), "missing", or "broken".
    version : str or None
    required : bool
        Whether amsim as a whole needs it.
    detail : str
        What it is for, or what is wrong with it.
    remedy : str
        What to do; empty where nothing is wrong.
    """

    name: str
    status: Literal["ok", "found", "missing", "broken"]
    version: str | None
    required: bool
    detail: str
    remedy: str = ""


def versions() -> dict[str, str | None]:
    """Versions of amsim, Python and the packages that amsim uses; None where one is missing.

    Examples
    --------
    >>> from amsim import doctor
    >>> sorted(doctor.versions())[:3]
    ['amsim', 'brian2', 'lava-nc']
    """
    from . import __version__

    found = {package.name: _version(package) for package in _PACKAGES}
    return {"amsim": __version__, "python": platform.python_version(), **found}


def system() -> dict[str, Any]:
    """Operating system, processor and number of usable cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"system": platform.platform(), "machine": platform.machine(), "cores": cores}


def diagnose(*, deep: bool = False) -> list[Finding]:
    """Look at Python, every package and the compiled integrator.

    Parameters
    ----------
    deep : bool, default False
        Also import Brian2, and run a graph in Lava, each in a process of its own with 60 s to do
        so. Importing them has side effects, so this process never does.

    Returns
    -------
    list of Finding
    """
    packages = [_package(package, deep=deep) for package in _PACKAGES]
    return [_python(sys.version_info[:2]), *packages, _integrator()]


def examine(name: str) -> Finding:
    """Look at one package as ``diagnose(deep=True)`` does.

    Parameters
    ----------
    name : str
        As pip knows it.
    """
    (package,) = [package for package in _PACKAGES if package.name == name]
    return _package(package, deep=True)


def healthy(findings: Sequence[Finding]) -> bool:
    """Whether everything that amsim needs is there and works."""
    return not any(f.required and f.status in ("missing", "broken") for f in findings)


def document(findings: Sequence[Finding]) -> dict[str, Any]:
    """Turn the diagnosis into plain data."""
    return {
        "ok": healthy(findings),
        "platform": system(),
        "findings": [asdict(finding) for finding in findings],
    }


def report(findings: Sequence[Finding]) -> str:
    """Put the diagnosis into words, one line per finding and one per remedy."""
    from . import __version__

    here = system()
    lines = [f"amsim {__version__} on {here['system']}, {here['cores']} cores", ""]
    for finding in findings:
        version = finding.version or "-"
        line = f"  {finding.status:<8} {finding.name:<13} {version:<10} {finding.detail}"
        lines.append(line.rstrip())
        if finding.remedy:
            lines.append(f"{'':11}-> {finding.remedy}")
    verdict = "everything that amsim needs works"
    if not healthy(findings):
        verdict = "amsim does not work here: see the arrows above"
    elif any(finding.status in ("missing", "broken") for finding in findings):
        verdict += "; what is optional and does not is marked above"
    return "\n".join([*lines, "", verdict])


def _python(version: tuple[int, int]) -> Finding:
    lowest = ".".join(map(str, _LOWEST_PYTHON))
    detail, remedy, known = f"amsim runs on {lowest} and later", "", True
    if version < _LOWEST_PYTHON:
        known, remedy = False, f"make an environment with Python {lowest} or later"
    return Finding(
        "python", "ok" if known else "broken", platform.python_version(), True, detail, remedy
    )


def _version(package: _Package) -> str | None:
    try:
        return importlib.metadata.version(package.name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _package(package: _Package, *, deep: bool) -> Finding:
    if not _exists(package.top):
        return _finding(package, "missing", f"not installed: {package.purpose}", package.install)
    if not (package.required or deep):
        return _finding(package, "found", f"{package.purpose} (not tried; --deep does)")
    problem = _import_here(package) if package.required else _try_elsewhere(package)
    if problem:
        remedy = package.installer or f'pip install --force-reinstall "{package.name}"'
        return _finding(package, "broken", f"does not work: {problem}", remedy)
    return _finding(package, "ok", package.purpose)


def _finding(
    package: _Package,
    status: Literal["ok", "found", "missing", "broken"],
    detail: str,
    remedy: str = "",
) -> Finding:
    return Finding(package.name, status, _version(package), package.required, detail, remedy)


def _exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _import_here(package: _Package) -> str:
    """Import a package; return what is wrong with it, empty if nothing is."""
    try:
        for name in package.imports:
            importlib.import_module(name)
    except Exception as error:  # a broken package may raise anything
        return _first_line(str(error)) or type(error).__name__
    return ""


def _try_elsewhere(package: _Package) -> str:
    """Import or try a package in a process of its own, with a limit on the time."""
    code = package.trial or "; ".join(f"import {name}" for name in package.imports)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_DEEP_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no end within {_DEEP_SECONDS} s"
    except OSError as error:
        return f"cannot start {sys.executable}: {error}"
    if done.returncode == 0:
        return ""
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"ended with code {done.returncode}"


def _integrator() -> Finding:
    """Whether the integrator can be compiled, and kept, and has been."""
    try:
        from .compiled import jit
        from .dynamics import memory_force
    except ImportError as error:
        remedy = "install what is missing above"
        return Finding("integrator", "broken", None, True, _first_line(str(error)), remedy)
    sweep = memory_force.softmax_sweep
    if not jit.is_compiled(sweep):
        return Finding(
            "integrator", "broken", None, True, "cannot be compiled", "unset NUMBA_DISABLE_JIT"
        )
    folder = jit.cache_folder(sweep)
    if folder is None:
        detail = "each process compiles anew, for want of a folder to keep the code in"
        return Finding("integrator", "ok", None, True, detail, _CACHE_REMEDY)
    state = "compiled by the first recall, which takes some seconds"
    if jit.on_disk(sweep):
        state = "compiled"
    return Finding("integrator", "ok", None, True, f"{state}; cache in {folder}")


_CACHE_REMEDY = "set NUMBA_CACHE_DIR to a folder that you may write to"


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
