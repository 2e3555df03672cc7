"""Writes the tables in docs/ that list what the registries in the code list.

    python -m docs.make_tables            write them
    python -m docs.make_tables --check    exit with 1 if one is out of date

A table stands between two markers: ``<!-- table: NAME -->`` and ``<!-- end -->``. A new one is one function here,
with ``@table("NAME")``, that returns its lines, and the markers where it belongs.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

DOCS = Path(__file__).parent
TABLES: dict[str, Callable[[], list[str]]] = {}
"""What makes each table, by its name."""


def table(name: str) -> Callable[[Callable[[], list[str]]], Callable[[], list[str]]]:
    """Register a function as what makes the table of this name."""

    def register(make: Callable[[], list[str]]) -> Callable[[], list[str]]:
        TABLES[name] = make
        return make

    return register


def markdown(header: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """A Markdown table's lines; bars in cells are escaped."""
    lines = [list(header), *rows]
    lines.insert(1, ["---"] * len(lines[0]))
    return ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines]


@table("baselines")
def list_baselines() -> list[str]:
    """Every method, with the library that it needs."""
    from lusifer.baselines import BASELINES

    rows = [
        [
            f"`{spec.name}`",
            spec.title,
            spec.group.lower(),
            spec.description,
            spec.library.package if spec.library else "",
        ]
        for spec in BASELINES.values()
    ]
    return markdown(["name", "method", "group", "what it is", "needs"], rows)


@table("prompt-variables")
def list_prompt_variables() -> list[str]:
    """Every variable with the templates that have it."""
    from lusifer.simulator.prompt_variables import VARIABLES

    rows = [[f"`{v.name}`", ", ".join(f"`{name}`" for name in v.templates), v.doc] for v in VARIABLES]
    return markdown(["variable", "templates", "what it is"], rows)


@table("experiments")
def list_experiments() -> list[str]:
    """Every experiment with its question."""
    from lusifer.evaluation.experiments import EXPERIMENTS

    rows = [[f"`{spec.command_name}`", spec.title, spec.question] for spec in EXPERIMENTS.values()]
    return markdown(["name", "experiment", "question"], rows)


@table("pages")
def list_pages() -> list[str]:
    """Every page of the navigation."""
    from lusifer.ui.page_registry import page_rows

    return markdown(["section", "page", "address", "what for"], page_rows())


def update(text: str) -> str:
    """A document with its tables written anew.

    Raises:
        KeyError: a marker names no table.
    """

    def replacement(match: re.Match[str]) -> str:
        return "\n".join([match.group(1), *TABLES[match.group(2)](), match.group(3)])

    return re.sub(r"(?s)(<!-- table: ([\w-]+) -->)\n.*?(<!-- end -->)", replacement, text)


def main() -> int:
    """Write the tables, or only say which documents are out of date."""
    stale = 0
    for path in sorted(DOCS.rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        updated = update(text)
        if updated == text:
            continue
        stale += 1
        print(path.relative_to(DOCS.parent))
        if "--check" not in sys.argv:
            path.write_text(updated, encoding="utf-8")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
