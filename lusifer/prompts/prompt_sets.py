"""Prompt sets: templates and parameters that belong together, as files, and the hash that names them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, fields, replace
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError

from lusifer.errors import InvalidInputError
from lusifer.prompts import sandbox
from lusifer.safe_files import has_half_characters, parse_json, read_text

TEMPLATES = ("system", "first", "update", "rate", "repair")
METADATA = ("genres", "people", "overview")
"""What a prompt may show of a movie beside its title; people and overview where they are known."""
DEFAULT = "grounded-2"
SHIPPED: dict[str, dict[str, Any]] = {
    "grounded": {},
    # The published procedure's shape: the profile's text and the last ratings, one movie a call.
    "paper": {"items_per_call": 1},
    "concise": {"recent": 5, "rating_tokens": 70, "update_tokens": 1000, "metadata": ("genres",)},
    "grounded-2": {"anonymous": True, "recent": 40},
}
"""Shipped sets, and where their parameters differ from the usual ones."""
TITLES = {
    "grounded": "Facts, cited changes, forecasts; ten movies per call.",
    "paper": "The published procedure's shape: profile text alone, one movie per call.",
    "concise": "The same facts in half the tokens.",
    "grounded-2": "Profiles that predict, anonymous questions, each thing said once; ten movies per call.",
}
MAX_FILE_BYTES = 2_000_000
"""A prompt file is not read beyond this size."""
FORMAT, FIRST_FORMAT = 2, 1
"""Format of a prompt file; the first had no template for the first profile."""


@dataclass(frozen=True)
class PromptSet:
    """Templates and sampling parameters that belong together; immutable, named by its content.

    ``samples`` is how many draws a rating takes where the server gives no token probabilities;
    ``rating_tokens`` (each item) and ``update_tokens`` are the longest answers asked for; ``recent`` is how
    many of the newest ratings a rating prompt shows; ``evidence`` tells the model what others gave each
    movie that it is asked about; ``history`` ratings are read, ``batch_size`` at a time; ``metadata`` says
    what of `METADATA` is shown of a movie. ``anonymous`` numbers the movies of a question from 1 instead of naming
    their ids, and has code write the counts and means of a profile's rating habits: a strong model remembers rows of a
    published data set by its ids.
    """

    name: str
    templates: tuple[tuple[str, str], ...]
    temperature: float = 0.0
    items_per_call: int = 10
    recent: int = 10
    samples: int = 1
    rating_tokens: int = 120
    update_tokens: int = 2000
    evidence: bool = False
    history: int = 40
    batch_size: int = 10
    metadata: tuple[str, ...] = METADATA
    anonymous: bool = False

    @property
    def version(self) -> str:
        """Name and content hash, as it is recorded with every call."""
        return f"{self.name}-{self.hash[:8]}"

    @cached_property
    def hash(self) -> str:
        """SHA-256 of all that it holds, its name too.

        What older sets had no word for counts only where it is not as they were: their hashes stay.
        """
        values = astuple(self)
        return hashlib.sha256(repr(values if self.anonymous else values[:-1]).encode()).hexdigest()

    def render(self, template: str, **values: Any) -> str:
        """One template with its variables filled in.

        Raises:
            InvalidInputError: it names an unknown variable, or reaches for what it may not.
        """
        try:
            return sandbox.render(dict(self.templates)[template], values)
        except TemplateError as error:
            line = sandbox.line_of(error)
            where = f"Template {template} of {self.name}" + (f", line {line}" if line else "")
            raise InvalidInputError(f"{where}: {error}", "Fix the template.") from None

    def variables_of(self, template: str) -> frozenset[str]:
        """The names that one template takes from outside; none where it can't be read."""
        return sandbox.variables_of(dict(self.templates)[template])

    def with_template(self, template: str, text: str) -> PromptSet:
        """The same set with another text for one template."""
        return replace(self, templates=tuple((t, text if t == template else x) for t, x in self.templates))


@lru_cache(maxsize=8)
def load(name: str = DEFAULT) -> PromptSet:
    """A shipped prompt set.

    Raises:
        InvalidInputError: there is no such set.
    """
    if name not in SHIPPED:
        raise InvalidInputError(f"There is no prompt set {name!r}.", f"Known: {', '.join(SHIPPED)}.")
    folder = resources.files("lusifer.prompts") / "templates" / name
    texts = tuple((t, (folder / f"{t}.j2").read_text(encoding="utf-8")) for t in TEMPLATES)
    return PromptSet(name, texts, **SHIPPED[name])


def find(name_or_file: str) -> PromptSet:
    """A shipped set by name, or one from a file that `to_json` wrote.

    Raises:
        InvalidInputError: neither, or the file is none of ours.
    """
    if name_or_file in SHIPPED:
        return load(name_or_file)
    try:
        text = read_text(Path(name_or_file), MAX_FILE_BYTES)
    except InvalidInputError as error:
        raise InvalidInputError(
            f"{name_or_file!r} is neither a prompt set nor a readable file ({error.message.rstrip('.')}).",
            f"Known sets: {', '.join(SHIPPED)}; or give the path of an exported file.",
        ) from None
    return from_json(text)


def to_json(prompts: PromptSet) -> str:
    """A prompt set as one file: templates and parameters, readable and editable."""
    content = {**asdict(prompts), "templates": dict(prompts.templates), "format": FORMAT}
    return json.dumps(content, ensure_ascii=False, indent=1)


def from_json(text: str, *, draft: bool = False) -> PromptSet:
    """The inverse of `to_json`.

    Every template is read once, so that a mistake in one is found now; not in a draft, which may be half written.

    Raises:
        InvalidInputError: what is wrong, and where.
    """
    try:
        content = parse_json(text)
    except ValueError as error:
        raise InvalidInputError(f"The prompt file is not JSON ({error}).", "Export one and edit that.") from None
    if not isinstance(content, dict) or content.get("format") not in {FORMAT, FIRST_FORMAT}:
        raise InvalidInputError(
            "The prompt file has no known format number.",
            f"This version reads formats {FIRST_FORMAT} and {FORMAT}.",
        )
    templates = content.pop("templates", None)
    if content.pop("format") == FIRST_FORMAT and isinstance(templates, dict) and "update" in templates:
        templates = {"first": templates["update"], **templates}
    if (
        not isinstance(templates, dict)
        or set(templates) != set(TEMPLATES)
        or not all(isinstance(t, str) for t in templates.values())
    ):
        raise InvalidInputError("The prompt file lacks templates.", f"It needs {', '.join(TEMPLATES)}.")
    if broken := next((name for name, template in templates.items() if has_half_characters(template)), None):
        raise InvalidInputError(
            f"Template {broken} has half a character (a surrogate without its other half).", "Fix the template."
        )
    if isinstance(content.get("metadata"), list):
        content["metadata"] = tuple(m if isinstance(m, str) else "?" for m in content["metadata"])
    if isinstance(content.get("temperature"), int) and not isinstance(content["temperature"], bool):
        content["temperature"] = float(content["temperature"])  # else the same content had two hashes
    if not draft:
        check_parameters(content)
    for name, template in () if draft else templates.items():
        try:
            sandbox.compile_template(template)
        except TemplateSyntaxError as error:
            raise InvalidInputError(
                f"Template {name}, line {error.lineno}: {error.message}", "Fix the template."
            ) from None
    ordered = tuple((t, templates[t]) for t in TEMPLATES)
    return PromptSet(**{"name": "own", **content, "templates": ordered})


MAX_VALUES = {
    "temperature": 2,
    "items_per_call": 50,
    "recent": 200,
    "samples": 20,
    "rating_tokens": 2000,
    "update_tokens": 20_000,
    "history": 500,
    "batch_size": 100,
}
"""The most that a parameter may be; the least is 1, and 0 of temperature and recent."""


def check_parameters(parameters: Mapping[str, Any]) -> None:
    """Whether values are ones that a prompt set can have.

    Raises:
        InvalidInputError: which is not, and what can be.
    """
    known = {f.name for f in fields(PromptSet)} - {"templates"}
    value: Any
    for name, value in parameters.items():
        usual: Any = getattr(load(), name, None) if name in known else None
        kind: Any = float | int if isinstance(usual, float) else type(usual)
        if name not in known or isinstance(value, bool) != isinstance(usual, bool) or not isinstance(value, kind):
            raise InvalidInputError(
                f"The prompt set's {name} can't be {value!r}.", f"Known: {', '.join(sorted(known))}."
            )
        if name in MAX_VALUES:
            least = 0 if name in {"temperature", "recent"} else 1
            if not least <= value <= MAX_VALUES[name]:
                raise InvalidInputError(
                    f"The prompt set's {name} can't be {value}.", f"Give {least} to {MAX_VALUES[name]}."
                )
        if name == "metadata" and not set(value) <= set(METADATA):
            raise InvalidInputError(
                f"The prompt set's metadata can't be {', '.join(map(str, value))}.", f"Known: {', '.join(METADATA)}."
            )
        if name == "name" and not re.fullmatch(r"[\w .+-]{1,40}", value):
            raise InvalidInputError(
                f"A prompt set can't be named {value[:60]!r}.", "Use at most 40 letters, digits, spaces and . + - _."
            )
