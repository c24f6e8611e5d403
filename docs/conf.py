"""The site: `uv run --group docs sphinx-build -W -b html docs build/site`."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import shutil
import tempfile
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path
from typing import Any

import jupytext

import amsim
from amsim.explore import Explorer

HERE = Path(__file__).parent

project = "amsim"
copyright = "The amsim developers"
version = release = amsim.__version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
]
exclude_patterns = ["conf.py", "conftest.py"]
default_role = "py:obj"  # a name in `backticks` links to its place, where it has one
suppress_warnings = ["mystnb.unknown_mime_type"]

html_theme = "pydata_sphinx_theme"
html_title = "amsim"
html_static_path = ["_static"]
html_favicon = "_static/icon.svg"
html_css_files = ["site.css"]
html_show_sourcelink = False
html_context = {"default_mode": "auto"}  # the system says whether pages are dark
html_theme_options = {
    "logo": {"text": "amsim"},
    "navigation_with_keys": False,
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": [], "try": [], "gallery": [], "changes": []}

myst_enable_extensions = ["dollarmath"]
myst_fence_as_directive = ["math"]
myst_heading_anchors = 4
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "cache"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_ipywidgets_js: dict[str, Any] = {}  # nothing from another host
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True

numpydoc_show_class_members = False
numpydoc_use_plots = False
autodoc_typehints = "none"  # the docstrings say it
autodoc_member_order = "groupwise"
autosummary_generate = False

_NOTEBOOKS = Path(tempfile.mkdtemp())
html_extra_path = [str(_NOTEBOOKS)]
mathjax_path = "mathjax/tex-chtml.js"  # served with the site

# What the reference has: each module, whose `__all__` is what is public, and its title.
REFERENCE = {
    "amsim": "Networks, simulation, results",
    "amsim.patterns": "Patterns",
    "amsim.models": "Models",
    "amsim.models.clustering": "Models: clustering",
    "amsim.learning": "Learning",
    "amsim.stability": "Stability and certificates",
    "amsim.theory.timing": "Theory of timing",
    "amsim.theory.capacity": "Theory of capacity",
    "amsim.binary": "Two-state units",
    "amsim.plot": "Figures",
    "amsim.estimators": "Estimators for scikit-learn",
    "hardware": "Chips",
    "hardware.export": "Chips: export",
    "hardware.lava": "Chips: Lava",
    "experiments": "Experiments",
    "experiments.runner.experiment": "Experiments: your own",
}


# Bases whose members the reference leaves out.
_FOREIGN = (
    "Exception, dict, object, BaseEstimator, ClusterMixin, ClassifierMixin, TransformerMixin, "
    "ClassNamePrefixFeaturesOutMixin, OneToOneFeatureMixin"
)


def names_of(module: Any) -> list[str]:
    """The public names of a module that are no modules."""
    listed = getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
    ]
    return sorted(name for name in listed if not inspect.ismodule(getattr(module, name)))


def write_reference() -> None:
    """One page a module, with its public names."""
    folder = HERE / "reference"
    folder.mkdir(exist_ok=True)
    pages = []
    for path, title in REFERENCE.items():
        module = importlib.import_module(path)
        names = names_of(module)
        lines = [f"# {title}", "", f"`{path}`", "", "```{eval-rst}", f".. currentmodule:: {path}"]
        lines += ["", ".. autosummary::", "", *(f"   {name}" for name in names), ""]
        for name in names:
            lines += _directive(name, getattr(module, name))
        _write(folder / f"{path}.md", [*lines, "```", ""])
        pages.append(path)
    head = [
        "# Reference",
        "",
        "All public names, by module.",
        "",
        "```{toctree}",
        ":maxdepth: 1",
        "",
    ]
    _write(folder / "index.md", [*head, *pages, "```", ""])


def _directive(name: str, value: Any) -> list[str]:
    if inspect.isclass(value):
        options = ["   :members:", f"   :inherited-members: {_FOREIGN}"]
        options.append("   :exclude-members: get_metadata_routing, set_output, set_score_request")
        return [f".. autoclass:: {name}", *options, ""]
    return [f".. {'autofunction' if callable(value) else 'autodata'}:: {name}", ""]


def _write(path: Path, lines: list[str]) -> None:
    """Write what is new, so that an unchanged page is not read again."""
    text = "\n".join(lines)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def write_notebooks() -> None:
    """Each tutorial as a notebook, for download."""
    for script in sorted((HERE / "tutorials").glob("*.py")):
        target = _NOTEBOOKS / "tutorials" / f"{script.stem}.ipynb"
        target.parent.mkdir(exist_ok=True)
        jupytext.write(jupytext.read(script), target)


def copy_view(app: Any, _: Any) -> None:
    """The view of `amsim explore`, and what it shows, beside the recalls of the site."""
    if app.builder.name != "html":
        return
    target = Path(app.outdir) / "_static" / "try"
    for name in ("explore.js", "explore.css"):
        shutil.copy(str(files("amsim.explore").joinpath("page", name)), target / name)
    described = json.dumps(Explorer().describe())
    (target / "described.json").write_text(described, encoding="utf-8")


def copy_mathjax(app: Any, _: Any) -> None:
    """MathJax and its fonts, out of the package that brings them."""
    if app.builder.name != "html":
        return
    target = Path(app.outdir) / "_static" / "mathjax"
    for file in distribution("sphinx-mathjax-offline").files or ():
        place = str(file).partition("/static/mathjax/")[2]
        if place == "tex-chtml.js" or place.startswith("output/chtml/fonts/"):
            (target / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(str(file.locate()), target / place)


# Pages of the root of the repository have other names here, or none.
_ROOT = {"CHANGELOG.md": "changes.md", "CONTRIBUTING.md": "contributing.md"}
_LINK = re.compile(r"\[([^\]]+)\]\((?:\.\./)?(CHANGELOG\.md|CONTRIBUTING\.md|LICENSE)\)")


def _relink(match: re.Match[str]) -> str:
    text, target = match.groups()
    return f"[{text}]({{UP}}{_ROOT[target]})" if target in _ROOT else text


def read(_: Any, docname: str, source: list[str]) -> None:
    """Turn links to files of the root; tell where a tutorial can be had as a notebook."""
    source[0] = _LINK.sub(_relink, source[0]).replace("{UP}", "")
    if docname.startswith("tutorials/") and "# %%" in source[0]:
        file = docname.partition("/")[2] + ".ipynb"
        link = f'# <a href="{file}" download>Download this page as a notebook</a>'
        source[0] = re.sub(r"^(# # .*)$", rf"\1\n#\n{link}", source[0], count=1, flags=re.M)


def read_included(_: Any, path: Path, docname: str, source: list[str]) -> None:
    """As `read`; links of an included page are relative to the root, where it stands."""
    source[0] = _LINK.sub(_relink, source[0]).replace("{UP}", "docs/")


_CODE = re.compile(r"(``.*?``|`.*?`)")


def _plain(text: str) -> str:
    """Shapes such as (*batch, D) are no emphasis, and |x| is no substitution."""
    return re.sub(r"(?<![*\\\w])\*(?=[a-zA-Z])|(?<!\\)\|", r"\\\g<0>", text)


def escape(_: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Escape what docstrings mean as it stands, outside of code, examples and formulas."""
    inside = -1  # indentation of the directive that the line stands in
    for number, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if line.strip() and indent <= inside:
            inside = -1
        if line.lstrip().startswith(".. math"):
            inside = indent
        elif inside < 0 and not line.lstrip().startswith((">>>", "...")):
            parts = _CODE.split(line)
            parts[::2] = [_plain(part) for part in parts[::2]]
            lines[number] = "".join(parts)


def setup(app: Any) -> None:
    """Register what is done while pages are read."""
    write_reference()
    write_notebooks()
    app.connect("source-read", read)
    app.connect("include-read", read_included)
    app.connect("autodoc-process-docstring", escape, priority=100)
    app.connect("build-finished", copy_view)
    app.connect("build-finished", copy_mathjax)
