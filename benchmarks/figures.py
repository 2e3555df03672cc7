"""Figures that the documentation quotes: benchmarks write them to ``docs/figures.json``.

Run a benchmark with ``--write-figures`` to measure its figures again, then ``python docs/fill_figures.py`` to bring
them into the texts. Figures are kept as they are printed (``0.888``), so that text and file can be compared.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

PATH = Path(__file__).resolve().parent.parent / "docs" / "figures.json"
OPTION = "--write-figures"


def take_option(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """The other arguments of a benchmark, and whether its figures are to be written."""
    return [a for a in arguments if a != OPTION], OPTION in arguments


def write_figures(benchmark: str, figures: Mapping[str, str], path: Path = PATH) -> None:
    """Write what a benchmark measured, dated today; figures that it did not measure this time stay as they are.

    Args:
        benchmark: the module's name, under which its figures are named (``accuracy`` gives ``accuracy.u1.fm``).
        figures: printed values by name.
        path: the file of figures.
    """
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    today = datetime.now(UTC).date().isoformat()
    before = known.get(benchmark, {})
    known[benchmark] = {**before, **{n: {"value": v, "measured": today} for n, v in figures.items()}}
    ordered = {name: dict(sorted(values.items())) for name, values in sorted(known.items())}
    text = json.dumps(ordered, indent=1, ensure_ascii=False)
    # One line for each figure: a new measurement is then one changed line.
    text = text.replace('{\n   "value"', '{"value"').replace(',\n   "measured"', ', "measured"').replace('"\n  }', '"}')
    path.write_text(text + "\n", encoding="utf-8")
