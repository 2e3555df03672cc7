"""Bring the measured figures of ``docs/figures.json`` into the README and the documentation.

    python docs/fill_figures.py            rewrites what stands between the markers
    python docs/fill_figures.py --check    changes nothing; exits with 1 and names the files that differ

A text holds one figure as ``<!-- figure: accuracy.u1.fm -->0.888<!-- /figure -->``, and a whole table between
``<!-- figures: accuracy -->`` and ``<!-- /figures -->``. Benchmarks write the file, see ``benchmarks/figures.py``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIGURE = re.compile(r"(<!-- figure: ([\w.-]+) -->)(.*?)(<!-- /figure -->)", re.DOTALL)
TABLE = re.compile(r"(<!-- figures: ([\w-]+) -->\n)(.*?)(<!-- /figures -->)", re.DOTALL)
ACCURACY_ROWS = (
    ("constant · user mean · item mean", ("constant", "user-mean", "item-mean")),
    ("damped bias", ("bias",)),
    ("item kNN · ALS · NCF · RNN4Rec", ("item-knn", "als", "ncf", "rnn4rec")),
    ("SVD++", ("svdpp",)),
    ("factorization machine", ("fm",)),
    ("time-aware factorization machine", ("fm-time",)),
    ("built-in, alone", ("builtin",)),
    ("built-in, calibrated", ("builtin-calibrated",)),
    ("built-in with evidence in the prompt, calibrated", ("builtin-evidence-calibrated",)),
    ("the same without the built-in's contribution", ("builtin-evidence-without-model",)),
)
"""Rows of the table of errors: what a row is called, and the figures in it."""
REALISM_COLUMNS = {
    "calibrated": "calibrated sample",
    "alone": "rounded, alone",
    "user-noise": "user mean + noise",
    "bias-noise": "bias + noise",
    "resampled": "resampled",
}
REALISM_ROWS = (
    ("histogram_user", "histogram per user (lower is better)", min),
    ("user_mean", "correlation of per-user means", max),
    ("auc", "real-vs-simulated AUC (0.5 is chance level)", min),
    ("drift", "drift (correlation of slopes)", max),
    ("repeated", "repeated values (difference)", min),
)
"""Rows of the table of realism: the measure, what it is called, and which value is the best one."""

Figures = Mapping[str, str]


def load_figures(path: Path = ROOT / "docs" / "figures.json") -> dict[str, str]:
    """Every figure as it is printed, by its whole name (``accuracy.u1.fm``)."""
    benchmarks = json.loads(path.read_text(encoding="utf-8"))
    return {f"{name}.{n}": f["value"] for name, figures in benchmarks.items() for n, f in figures.items()}


def make_accuracy_table(figures: Figures) -> str:
    """RMSE of the baselines and the built-in on two splits."""
    head = " | ".join(f"`{s}`, {figures[f'accuracy.{s}.ratings']} ratings" for s in ("u1", "last-10"))
    lines = [f"| | {head} |", "| --- | --- | --- |"]
    for title, names in ACCURACY_ROWS:
        cells = [" · ".join(figures[f"accuracy.{split}.{n}"] for n in names) for split in ("u1", "last-10")]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def make_realism_table(figures: Figures) -> str:
    """How realistic simulated ratings are, the best simulator of each measure in bold."""
    lines = [f"| | {' | '.join(REALISM_COLUMNS.values())} |", "| --- |" + " --- |" * len(REALISM_COLUMNS)]
    for measure, title, best in REALISM_ROWS:
        cells = [figures[f"fidelity.{measure}.{name}"] for name in REALISM_COLUMNS]
        winner = best(cells, key=float)
        lines.append(f"| {title} | {' | '.join(f'**{c}**' if c == winner else c for c in cells)} |")
    return "\n".join(lines)


TABLES: dict[str, Callable[[Figures], str]] = {"accuracy": make_accuracy_table, "realism": make_realism_table}


def fill(text: str, figures: Figures) -> str:
    """A text with the figures and tables of its markers as they were measured last.

    Raises:
        KeyError: a marker names a figure or a table that does not exist.
    """
    text = TABLE.sub(lambda m: f"{m[1]}{TABLES[m[2]](figures)}\n{m[4]}", text)
    return FIGURE.sub(lambda m: f"{m[1]}{figures[m[2]]}{m[4]}", text)


def list_documents() -> list[Path]:
    """The Markdown files that may hold figures."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def main() -> int:
    """Fill all documents, or with ``--check`` name those that differ."""
    figures, differing = load_figures(), []
    for path in list_documents():
        text = path.read_text(encoding="utf-8")
        filled = fill(text, figures)
        if filled != text:
            differing.append(path.relative_to(ROOT).as_posix())
            if "--check" not in sys.argv[1:]:
                path.write_text(filled, encoding="utf-8")
    print(*differing, sep="\n")
    return int(bool(differing) and "--check" in sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
