"""`amsim.hardware` and `amsim.experiments`: import of the two packages beside this one.

Their folders stand beside that of `amsim`, and in a folder that has an `experiments` of its own
Python finds that one by the short name. So the two are imported by their long names, from where
they stand; `hardware` and `experiments` are further names of the same modules, wherever Python
finds them. Code of the project uses the long names: `from amsim import hardware`, and, where a
relative import cannot be, `from amsim.hardware.plan import Plan`. Stubs (`amsim/hardware/*.pyi`)
tell type checkers what stands behind them.

>>> import amsim.hardware, hardware
>>> hardware is amsim.hardware
True
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

NAMES = ("hardware", "experiments")
_PREFIX = f"{__package__}."
_HOME = Path(__file__).parents[1]


def adopt(name: str) -> None:
    """Give a package that is imported by its short name the modules that it has by its long one.

    The first statement of both packages.
    """
    if name in NAMES:
        sys.modules[name] = importlib.import_module(_PREFIX + name)
        _share(name)


def _share(name: str) -> None:
    """Give the modules below a package their short names, as far as they are loaded.

    One that got its name later would replace a function of the same name in its package.
    """
    below = f"{_PREFIX}{name}."
    for long, module in list(sys.modules.items()):
        if long.startswith(below):
            sys.modules.setdefault(long.removeprefix(_PREFIX), module)


class _Finder(MetaPathFinder):
    """Finds both packages by the long name, and what is in them by the short one."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in (_PREFIX + name for name in NAMES):
            folder = _HOME / fullname.removeprefix(_PREFIX)
            return spec_from_file_location(
                fullname, folder / "__init__.py", submodule_search_locations=[str(folder)]
            )
        top, _, below = fullname.partition(".")
        ours = below and top in NAMES and sys.modules[top] is sys.modules.get(_PREFIX + top)
        if ours and find_spec(_PREFIX + fullname) is not None:
            return ModuleSpec(fullname, _SameModule())
        return None


class _SameModule(Loader):
    """Loads a module by its long name, and gives it the short one as well."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(_PREFIX + spec.name)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # which the import by another name has replaced
        _share(module.__name__.removeprefix(_PREFIX))

    def get_code(self, fullname: str) -> CodeType | None:
        """For ``python -m``, which runs a module by its short name."""
        spec: Any = find_spec(_PREFIX + fullname)
        code: CodeType | None = spec.loader.get_code(_PREFIX + fullname)
        return code


sys.meta_path.insert(0, _Finder())
