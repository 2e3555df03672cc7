"""Prompts: templates in files, named sets of them, and the hash that tells two sets apart."""

from __future__ import annotations

import hashlib
from dataclasses import astuple, dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from jinja2 import StrictUndefined, Template
from jinja2.sandbox import SandboxedEnvironment

from lusifer.errors import BadRequest

TEMPLATES = ("system", "update", "rate", "repair")
DEFAULT = "grounded"
SHIPPED = ("grounded",)


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
        """One template with its variables filled in; an unknown variable is an error."""
        return _compiled(dict(self.templates)[template]).render(**values).strip()


@lru_cache(maxsize=1)
def _environment() -> SandboxedEnvironment:
    # Nothing is escaped: the result is a prompt, never HTML.
    made = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False, trim_blocks=False)
    made.filters["number"] = lambda value: f"{value:g}"
    made.filters["decimal"] = lambda value: f"{value:.2f}"
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
    return PromptSet(
        name, tuple((t, (folder / f"{t}.j2").read_text(encoding="utf-8")) for t in TEMPLATES)
    )
