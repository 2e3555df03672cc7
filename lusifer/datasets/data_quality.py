"""What was found wrong in a data set's files, and what was done about it: nothing is dropped in silence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

EXAMPLES = 5
PROBLEM_KINDS: dict[str, tuple[str, str]] = {
    "shape": ("lines with too few or too many fields", "left out"),
    "number": ("ratings that are not numbers", "left out"),
    "id": ("ratings without a user or item, or with an id that can't be one", "left out"),
    "scale": ("ratings off the scale", "left out"),
    "time": ("ratings without a readable time", "kept, treated as oldest"),
    "twice": ("earlier ratings of a user-item pair", "skipped, the newest kept"),
    "unknown-item": ("items with ratings but no description", "kept, described by their id"),
    "unknown-user": ("users with ratings but no description", "kept, without demographics"),
    "item": ("descriptions of items that can't be read", "left out"),
    "item-twice": ("items that are described twice", "the first description kept"),
    "user": ("descriptions of users that can't be read", "left out"),
    "user-twice": ("users who are described twice", "the first description kept"),
    "genres": ("items without a genre", "kept"),
    "duplicate": ("items that have the title and year of an earlier one", "kept"),
    "unlinked": ("descriptions of items that the links table does not name", "left out"),
    "link": ("lines of the links table without both ids, or with an id that stands there before", "left out"),
    "unmatched": ("ratings whose item has no description", "kept"),
    "renumbered": ("ids that are not whole numbers", "numbered inside, shown and taken as in the files"),
    "encoding": ("files that are not UTF-8", "read in the encoding named"),
    "characters": ("characters that can't be read in the file's encoding", "replaced by \ufffd"),
}
"""Each kind of dirt: what it is, and what is done about it."""


@dataclass
class Problem:
    """One kind of dirt: how often, and where first (file, line or row, what stood there)."""

    kind: str
    count: int = 0
    examples: list[tuple[str, int, str]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """In words: ``12 ratings off the scale: left out (first: ratings.csv, line 7: 9)``."""
        description, treatment = PROBLEM_KINDS[self.kind]
        first = ""
        if self.examples:
            file, line, value = self.examples[0]
            place = f"{file}, line {line}" if line else file
            first = f" (first: {': '.join(filter(None, (place, value)))})"
        return f"{self.count:,} {description}: {treatment}{first}"


@dataclass
class DataQualityReport:
    """What an ingest met. ``read`` counts ratings read, ``kept`` those that are in the data set."""

    read: int = 0
    kept: int = 0
    problems: dict[str, Problem] = field(default_factory=dict)

    def add(self, kind: str, count: int = 1, file: str = "", line: int = 0, said: object = "") -> None:
        """Count some dirt; the first few places are kept."""
        if not count:
            return
        problem = self.problems.setdefault(kind, Problem(kind))
        problem.count += count
        if len(problem.examples) < EXAMPLES and (file or said != ""):
            problem.examples.append((file, line, str(said)[:60]))

    def add_examples(self, kind: str, count: int, examples: Iterable[tuple[str, int, object]]) -> None:
        """Count dirt of which only the first few places (file, line, value) are worth looking up."""
        for file, line, value in islice(examples, min(count, EXAMPLES)):
            self.add(kind, 1, file, line, value)
        self.add(kind, max(count - EXAMPLES, 0))

    def places(self, file: str) -> list[tuple[Problem, int]]:
        """Where the examples in a file are kept: (problem, position among its examples)."""
        return [(p, index) for p in self.problems.values() for index, e in enumerate(p.examples) if e[0] == file]

    @property
    def lines(self) -> list[str]:
        """Every problem in words, worst first."""
        return [p.text for p in sorted(self.problems.values(), key=lambda p: -p.count)]

    def to_json(self) -> dict[str, Any]:
        """As plain values, for `from_json`."""
        return {"read": self.read, "kept": self.kept, "problems": [asdict(p) for p in self.problems.values()]}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> DataQualityReport:
        """The inverse of `to_json`."""
        problems = {
            p["kind"]: Problem(p["kind"], p["count"], [tuple(e) for e in p["examples"]])  # type: ignore[misc]
            for p in content.get("problems", ())
        }
        return cls(content.get("read", 0), content.get("kept", 0), problems)
