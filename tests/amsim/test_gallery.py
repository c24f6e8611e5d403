"""The gallery: every figure is drawn, labelled, and written by the command."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from amsim import gallery
from amsim.cli import main

# Drawn in a second or two; the others run the same code as the tests of their models.
QUICK = [
    "attention",
    "beta",
    "models",
    "analog",
    "transformer",
    "hierarchy",
    "features",
    "sequence",
]


drawn = cache(gallery.draw)


@pytest.mark.parametrize("name", QUICK)
def test_axes_have_names(name: str) -> None:
    figure = drawn(name)
    for ax in figure.axes:
        if not ax.images:
            assert ax.get_xlabel()
            assert ax.lines or ax.collections
    assert 7 <= figure.get_figwidth() <= 9


def test_panels_have_letters_where_there_are_several() -> None:
    letters = [ax.get_title(loc="left") for ax in drawn("attention").axes]
    assert letters == ["a", "b", "c"]
    assert {ax.get_title(loc="left") for ax in drawn("transformer").axes} == {""}


def test_every_figure_has_its_function() -> None:
    from importlib import import_module

    for name, (module, about) in gallery.FIGURES.items():
        assert callable(getattr(import_module(f"amsim.gallery.{module}"), name))
        assert about


def test_an_unknown_figure_is_named() -> None:
    with pytest.raises(ValueError, match="no figure 'portrait'; choose from landscape"):
        gallery.draw("portrait")


def test_command_writes_the_figures_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "pictures"
    assert main(["gallery", "attention", "attention", "--out", str(out), "--json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert list(written) == ["attention"]
    assert [path.name for path in out.iterdir()] == ["attention.png"]
    assert Path(written["attention"]["file"]).read_bytes()[:4] == b"\x89PNG"
    assert main(["gallery", "attention", "--pdf", "--out", str(out)]) == 0
    assert (out / "attention.pdf").read_bytes()[:4] == b"%PDF"
    assert main(["gallery", "attention", "--out", str(out)]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["gallery", "portrait", "--out", str(out)]) == 2
    assert "no figure 'portrait'" in capsys.readouterr().err
