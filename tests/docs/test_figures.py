"""Figures in the texts are those of docs/figures.json, which benchmarks write."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from benchmarks.figures import PATH, write_figures
from tests.conftest import ROOT

_spec = importlib.util.spec_from_file_location("fill_figures", ROOT / "docs" / "fill_figures.py")
assert _spec and _spec.loader
fill_figures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fill_figures)


def test_texts_hold_the_measured_figures() -> None:
    figures = fill_figures.load_figures()
    for path in fill_figures.list_documents():
        text = path.read_text(encoding="utf-8")
        assert fill_figures.fill(text, figures) == text, f"run: python docs/fill_figures.py ({path.name})"


def test_every_figure_is_dated_and_has_its_benchmark() -> None:
    for benchmark, figures in json.loads(PATH.read_text(encoding="utf-8")).items():
        assert f'write_figures("{benchmark}"' in (ROOT / "benchmarks" / f"{benchmark}.py").read_text(), benchmark
        for name, figure in figures.items():
            assert set(figure) == {"value", "measured"} and figure["value"] and figure["measured"], name


def test_markers_are_filled() -> None:
    text = "<!-- figure: a.b -->1<!-- /figure --> and <!-- figure: a.c --><!-- /figure -->."
    filled = fill_figures.fill(text, {"a.b": "2", "a.c": "3"})
    assert filled == "<!-- figure: a.b -->2<!-- /figure --> and <!-- figure: a.c -->3<!-- /figure -->."
    with pytest.raises(KeyError):
        fill_figures.fill(text, {"a.b": "2"})


def test_the_texts_quote_the_main_figures() -> None:
    """The README and the pages on evaluation, environment and populations hold markers."""
    for name in ("README.md", "docs/evaluation.md", "docs/environment.md", "docs/data.md", "docs/sizing.md"):
        assert "<!-- /" in (ROOT / name).read_text(encoding="utf-8"), name


def test_a_benchmark_writes_its_figures(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    write_figures("accuracy", {"u1.fm": "0.9", "u1.bias": "1.0"}, path)
    write_figures("accuracy", {"u1.fm": "0.8"}, path)
    write_figures("load", {"steps": "7"}, path)
    figures = fill_figures.load_figures(path)
    assert figures == {"accuracy.u1.fm": "0.8", "accuracy.u1.bias": "1.0", "load.steps": "7"}
