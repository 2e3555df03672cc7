"""docs/architecture.md and CONTRIBUTING.md name what is there, and all that is there."""

from __future__ import annotations

import re

import pytest

from tests.conftest import ROOT

ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PATH = re.compile(r"`((?:lusifer|pages|tests|docs|examples|benchmarks)/[\w./-]+)`")


def section(title: str) -> str:
    """The text of one section."""
    return ARCHITECTURE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_the_table_of_packages_is_the_tree() -> None:
    rows = [line for line in section("Packages").splitlines() if line.startswith("| `")]
    named = [name for row in rows for name in re.findall(r"`lusifer/(\w+)(?:\.py|/)`", row.split("|")[1])]
    there = {
        path.stem
        for path in (ROOT / "lusifer").iterdir()
        if path.name not in {"__init__.py", "__pycache__", "_app"} and (path.is_dir() or path.suffix == ".py")
    }
    assert sorted(named) == sorted(set(named)), "a package has two rows"
    assert set(named) == there, (there - set(named), set(named) - there)


def test_the_journeys_lead_through_five_files_at_most() -> None:
    journeys = re.split(r"^\*\*.+\*\*$", section("Five journeys"), flags=re.MULTILINE)[1:]
    assert len(journeys) == 5
    for journey in journeys:
        steps = re.findall(r"^\d\. `([^`]+)`", journey, re.MULTILINE)
        assert 2 <= len(steps) <= 5, steps
        missing = [step for step in steps if not (ROOT / step).is_file()]
        assert not missing, f"these files of a journey are gone: {missing}"


@pytest.mark.parametrize("name", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_files_that_are_named_exist(name: str) -> None:
    named = PATH.findall((ROOT / name).read_text(encoding="utf-8"))
    assert len(named) > 5
    missing = [path for path in named if "PAGE" not in path and not (ROOT / path).exists()]
    assert not missing, missing


def test_a_link_leads_to_a_file() -> None:
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / link).exists(), (path.name, link)
