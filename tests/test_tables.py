"""The tables in the documentation say what the code's registries say."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def make_tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_tables", ROOT / "docs" / "make_tables.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_table_is_up_to_date(make_tables: ModuleType) -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md")}
    stale = [path.name for path, text in texts.items() if make_tables.update(text) != text]
    assert not stale, "run: python -m docs.make_tables"
    for name in make_tables.TABLES:
        assert sum(f"<!-- table: {name} -->" in text for text in texts.values()), f"no document shows the table {name}"


def test_a_table_is_written_between_its_markers(make_tables: ModuleType) -> None:
    text = "before\n<!-- table: baselines -->\nold\n<!-- end -->\nafter"
    updated = make_tables.update(text)
    assert updated.startswith("before\n") and updated.endswith("\nafter") and "\nold\n" not in updated
    assert "| `bias` |" in updated and make_tables.update(updated) == updated
    assert make_tables.markdown(["a"], [["x|y"]]) == ["| a |", "| --- |", r"| x\|y |"]
    with pytest.raises(KeyError):
        make_tables.update("<!-- table: unknown -->\n<!-- end -->")
