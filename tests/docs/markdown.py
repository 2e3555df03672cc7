"""Commands in Markdown: those in indented and fenced blocks, and those in running text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

PROGRAM = re.compile(
    r"(?:\w+=\S* )*(?:python|py|lusifer|make|pip|pipx|uvx|git|docker|cp|ollama|datasette|\.venv[/\\]\S+) "
)
"""How a command begins: with one of these programs, after settings such as ``PORT=8600``."""
MARKER = re.compile(r"<!-- not run: (.+?) -->")
INLINE = re.compile(r"`((?:python -m lusifer|lusifer) [a-z][^`]*)`")


@dataclass(frozen=True)
class Command:
    """One command line of a document.

    ``reason`` says why it is not run: the text of the marker ``<!-- not run: … -->`` before its block, if any.
    """

    file: str
    line: int
    text: str
    reason: str = ""

    @property
    def place(self) -> str:
        """Where it stands and what it is, for the name of a test."""
        return f"{self.file}:{self.line} {self.text[:60]}"


def documents() -> list[Path]:
    """Every Markdown file whose commands a reader may type; docs/api is made from the code."""
    written = sorted(path for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "api")
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *written]


def block_commands(path: Path) -> list[Command]:
    """The commands of all blocks of a document, in order. A marker counts for the block that follows it."""
    commands, reason, fenced, in_block = [], "", False, False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.strip()
        if text.startswith("```"):
            fenced = not fenced
            in_block = True
        elif marker := MARKER.fullmatch(text):
            reason = marker[1]
        elif fenced or (line.startswith("    ") and text):
            in_block = True
            if PROGRAM.match(f"{text} "):
                command = re.split(r"\s{2,}#|\s#\s", text)[0].strip()
                name = path.relative_to(ROOT).as_posix()
                commands += [Command(name, number, part.strip(), reason) for part in command.split(" && ")]
        elif text and in_block:
            reason, in_block = "", False
    return commands


def inline_commands(path: Path) -> list[Command]:
    """The commands of the program in running text, such as ``lusifer where``."""
    return [
        Command(path.relative_to(ROOT).as_posix(), number, " ".join(found.split()))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for found in INLINE.findall(line)
    ]
