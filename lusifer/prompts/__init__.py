"""Prompts: templates in files, named sets of them, and the hash that tells two sets apart."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, astuple, dataclass, fields
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError
from jinja2.sandbox import SandboxedEnvironment

from lusifer.errors import BadRequest

TEMPLATES = ("system", "update", "rate", "repair")
DEFAULT = "grounded"
SHIPPED: dict[str, dict[str, Any]] = {
    "grounded": {},
    # The published procedure's shape: the profile's text and the last ratings, one movie a call.
    "paper": {"items_per_call": 1},
    "concise": {"recent": 5, "rating_tokens": 70, "update_tokens": 1000},
}
"""Shipped sets, and where their parameters differ from the usual ones."""
TITLES = {
    "grounded": "Facts, cited changes, forecasts; ten movies a call.",
    "paper": "The published procedure's shape: profile text alone, one movie a call.",
    "concise": "The same facts in half the tokens.",
}  # fmt: skip
FORMAT, BRIEF = 1, 8


@dataclass(frozen=True)
class PromptSet:
    """Templates and sampling parameters that belong together; immutable, named by its content.

    ``samples`` is how many draws a rating takes where the server gives no token probabilities;
    ``rating_tokens`` (each item) and ``update_tokens`` are the longest answers asked for; ``evidence``
    tells the model what others gave each movie that it is asked about.
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

    @property
    def version(self) -> str:
        """Name and content hash, as it is recorded with every call."""
        text = repr(astuple(self))
        return f"{self.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def render(self, template: str, **values: Any) -> str:
        """One template with its variables filled in.

        Raises:
            BadRequest: it names an unknown variable, or reaches for what it may not.
        """
        try:
            return _compiled(dict(self.templates)[template]).render(**values).strip()
        except TemplateError as error:
            raise BadRequest(
                f"Template {template} of {self.name}: {error}", "Mend the template."
            ) from None


@lru_cache(maxsize=1)
def _environment() -> SandboxedEnvironment:
    # Nothing is escaped: the result is a prompt, never HTML.
    made = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False, trim_blocks=False)
    made.filters["number"] = lambda value: f"{value:g}"
    made.filters["decimal"] = lambda value: f"{value:.2f}"
    # The first lines of some facts: the strongest tastes come first.
    made.filters["brief"] = lambda text: "\n".join(text.splitlines()[:BRIEF])
    return made


@lru_cache(maxsize=256)
def _compiled(text: str) -> Template:
    # Compiling takes ten times as long as filling in, and every call fills two in.
    return _environment().from_string(text)


@lru_cache(maxsize=8)
def load(name: str = DEFAULT) -> PromptSet:
    """A shipped prompt set.

    Raises:
        BadRequest: there is no such set.
    """
    if name not in SHIPPED:
        raise BadRequest(f"There is no prompt set {name!r}.", f"Known: {', '.join(SHIPPED)}.")
    folder = resources.files("lusifer.prompts") / "templates" / name
    texts = tuple((t, (folder / f"{t}.j2").read_text(encoding="utf-8")) for t in TEMPLATES)
    return PromptSet(name, texts, **SHIPPED[name])


def find(name_or_file: str) -> PromptSet:
    """A shipped set by name, or one from a file that `to_json` wrote.

    Raises:
        BadRequest: neither, or the file is none of ours.
    """
    if name_or_file in SHIPPED:
        return load(name_or_file)
    path = Path(name_or_file)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(
            f"{name_or_file!r} is no prompt set and no file that can be read ({type(error).__name__}).",
            f"Known sets: {', '.join(SHIPPED)}; or give the path of an exported one.",
        ) from None
    return from_json(text)


def to_json(prompts: PromptSet) -> str:
    """A prompt set as one file: templates and parameters, readable and editable."""
    said = {**asdict(prompts), "templates": dict(prompts.templates), "format": FORMAT}
    return json.dumps(said, ensure_ascii=False, indent=1)


def from_json(text: str) -> PromptSet:
    """The inverse of `to_json`; every template is read once, so that a mistake in one is found now.

    Raises:
        BadRequest: what is wrong, and where.
    """
    try:
        said = json.loads(text)
    except ValueError as error:
        raise BadRequest(
            f"The prompt file is no JSON ({error}).", "Export one and change that."
        ) from None
    known = {f.name: f for f in fields(PromptSet)}
    if not isinstance(said, dict) or said.pop("format", None) != FORMAT:
        raise BadRequest("The prompt file has no format number that is known here.", f"This version reads {FORMAT}.")  # fmt: skip
    templates = said.pop("templates", None)
    if not isinstance(templates, dict) or set(templates) != set(TEMPLATES) or not all(isinstance(t, str) for t in templates.values()):  # fmt: skip
        raise BadRequest("The prompt file lacks templates.", f"It needs {', '.join(TEMPLATES)}.")
    for name, value in said.items():
        usual = getattr(load(), name, None) if name in known else None
        kind = float | int if isinstance(usual, float) else type(usual)
        if name not in known or isinstance(value, bool) != isinstance(usual, bool) or not isinstance(value, kind):  # fmt: skip
            raise BadRequest(f"The prompt file's {name} can't be {value!r}.", f"Known: {', '.join(known)}.")  # fmt: skip
        if isinstance(value, int | float) and not isinstance(value, bool) and (value < 0 or (value == 0 and name not in {"temperature", "recent"})):  # fmt: skip
            raise BadRequest(f"The prompt file's {name} can't be {value}.", "Give a larger number.")
    for name, template in templates.items():
        try:
            _environment().parse(template)
        except TemplateSyntaxError as error:
            raise BadRequest(f"Template {name}, line {error.lineno}: {error.message}", "Mend the template.") from None  # fmt: skip
    ordered = tuple((t, templates[t]) for t in TEMPLATES)
    return PromptSet(**{"name": "own", **said, "templates": ordered})
