"""The registry of prompt variables: what templates may name, what each is, and how its value is computed.

A new variable is one entry in `VARIABLES`: rendering, validation, the editor's list, the preview's token table and
docs/prompts.md read it from here. What templates may read *of* a value is the sandbox's decision
(`lusifer.prompts.template_allowlist.DATA`).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from lusifer.datasets import Item
from lusifer.prompts import TEMPLATES, PromptSet
from lusifer.simulator.item_rows import columns_of, render_columns, render_row, render_title
from lusifer.simulator.rating_summary import (
    describe_person,
    summarize_ratings,
    without_rating_habits,
)
from lusifer.simulator.taste_facts import item_heading, render_evidence, render_facts, render_item
from lusifer.simulator.types import Context


@dataclass(frozen=True)
class TemplateInput:
    """What the values of variables are computed from.

    Attributes:
        prompts: the set that the template belongs to.
        context: whom it is about, and what is known at this step.
        items: what is to be rated, or was left out of an answer.
        problem: what was wrong with an answer, for ``repair``.
        schema: the JSON schema of that answer.
        purpose: what is asked: ``update`` (the first profile too) or ``rate`` (forecasts too).
    """

    prompts: PromptSet
    context: Context
    items: Sequence[Item] = ()
    problem: str = ""
    schema: str = ""
    purpose: str = "rate"


@dataclass(frozen=True)
class Variable:
    """One variable of some templates.

    Attributes:
        name: as templates write it.
        templates: the templates that have it.
        doc: what it is, for people who write templates.
        value: its value.
        section: what its share of a prompt is called where tokens are counted; empty: part of the wording.
    """

    name: str
    templates: tuple[str, ...]
    doc: str
    value: Callable[[TemplateInput], Any]
    section: str = ""


def _profile(given: TemplateInput) -> str:
    """The profile without its first line, which the prompt shows under its own heading."""
    text, about = given.context.profile.text, given.context.profile.about
    return text.removeprefix(about).strip() if about else text


def _facts_with_batch(given: TemplateInput) -> str:
    seen = given.context.seen + given.context.batch
    return render_facts(seen, given.context.usual_rating, metadata=given.prompts.metadata)


def _facts(given: TemplateInput) -> str:
    return render_facts(given.context.seen, given.context.usual_rating, metadata=given.prompts.metadata)


def _recent(given: TemplateInput) -> Sequence[Any]:
    return given.context.seen[-given.prompts.recent :] if given.prompts.recent else ()


def _evidence(given: TemplateInput) -> dict[int, str]:
    evidence = given.context.item_evidence
    return {i.id: render_evidence(evidence[i.id]) for i in given.items if i.id in evidence}


def _line(given: TemplateInput) -> Callable[[Item], str]:
    return partial(render_item, metadata=given.prompts.metadata)


def _batch_heading(given: TemplateInput) -> str:
    return item_heading((r.item for r in given.context.batch), given.prompts.metadata)


def _items_heading(given: TemplateInput) -> str:
    return item_heading([*given.items, *(r.item for r in _recent(given))], given.prompts.metadata)


def _statements(given: TemplateInput) -> str:
    return replace(without_rating_habits(given.context.profile), about="").text


def _summary(given: TemplateInput) -> str:
    """Facts of all ratings so far; the question lists the batch and the newest ratings before it."""
    context = given.context
    batch = context.batch if given.purpose == "update" else ()
    seen, listed = context.seen + batch, (*batch, *_recent(given))
    return summarize_ratings(seen, context.usual_rating, context.scale, frozenset(listed), given.prompts.metadata)


def _listed_items(given: TemplateInput) -> list[Item]:
    return [*given.items] if given.purpose == "rate" else [r.item for r in given.context.batch]


def _columns(given: TemplateInput) -> str:
    return render_columns(columns_of(_listed_items(given), given.prompts.metadata))


def _row(given: TemplateInput) -> Callable[[Item], str]:
    return partial(render_row, columns_of(_listed_items(given), given.prompts.metadata))


_UPDATING, _RATING = ("first", "update"), ("rate",)
VARIABLES = (
    Variable(
        "scale",
        ("system",),
        "the rating scale: scale.lowest, scale.highest, scale.step",
        lambda given: given.context.scale,
    ),
    Variable("usual", ("system",), "mean of all training ratings", lambda given: given.context.usual_rating),
    Variable(
        "about",
        (*_UPDATING, *_RATING),
        "demographics, one line",
        lambda given: given.context.profile.about,
        section="Demographics",
    ),
    Variable(
        "profile",
        ("update", *_RATING),
        "the profile so far; empty before the first",
        _profile,
        section="Profile",
    ),
    Variable(
        "facts",
        _UPDATING,
        "facts computed from all ratings so far, including the new ones: one per line",
        _facts_with_batch,
        section="Facts",
    ),
    Variable("facts", _RATING, "facts computed from the ratings so far: one per line", _facts, section="Facts"),
    Variable(
        "seen",
        _UPDATING,
        "all ratings so far, including the new ones: each with item, rating, timestamp",
        lambda given: given.context.seen + given.context.batch,
    ),
    Variable(
        "batch",
        _UPDATING,
        "the new ratings, oldest first: each with item, rating, timestamp",
        lambda given: given.context.batch,
        section="New ratings",
    ),
    Variable(
        "recent",
        ("update", *_RATING),
        "the newest ratings (before the new ones), oldest first, as many as this version includes",
        _recent,
        section="Newest ratings",
    ),
    Variable(
        "items",
        _RATING,
        "the movies to rate: each with id, title, year, genres",
        lambda given: given.items,
        section="Movies to rate",
    ),
    Variable(
        "others", _RATING, "community evidence on each movie, by id; empty if off", _evidence, "Community evidence"
    ),
    Variable(
        "line", (*_UPDATING, *_RATING), "line(item): one movie per line, with the metadata of this version", _line
    ),
    Variable("shown", _UPDATING, "the heading of such lines", _batch_heading),
    Variable("shown", _RATING, "the heading of such lines", _items_heading),
    Variable(
        "purpose", ("system",), "what is asked: update (the first profile too) or rate", lambda given: given.purpose
    ),
    Variable(
        "person",
        (*_UPDATING, *_RATING),
        "gender, and age as a decade, one line",
        lambda given: describe_person(given.context.user),
        section="Demographics",
    ),
    Variable(
        "statements",
        ("update", *_RATING),
        "the profile so far without what code wrote into it; empty before the first",
        _statements,
        section="Profile",
    ),
    Variable(
        "summary",
        (*_UPDATING, *_RATING),
        "facts of all ratings so far: mean, spread, tastes; best and worst of what the question does not list",
        _summary,
        section="Facts",
    ),
    Variable(
        "row", (*_UPDATING, *_RATING), "row(item): one movie as columns, only those of which something is known", _row
    ),
    Variable("columns", (*_UPDATING, *_RATING), "the heading of such rows", _columns),
    Variable("title", ("update", *_RATING), "title(item): the title alone", lambda given: partial(render_title)),
    Variable("problem", ("repair",), "the problem with the answer", lambda given: given.problem),
    Variable(
        "items",
        ("repair",),
        "the movies that are requested again; empty for a profile",
        lambda given: given.items,
    ),
    Variable("schema", ("repair",), "the JSON schema of the answer", lambda given: given.schema),
    Variable("noun", TEMPLATES, "item noun: movie, book, album", lambda given: given.context.item_nouns.singular),
    Variable("nouns", TEMPLATES, "plural: movies, books, albums", lambda given: given.context.item_nouns.plural),
    Variable(
        "a_noun",
        TEMPLATES,
        "with an article: a movie, an album",
        lambda given: given.context.item_nouns.with_item_noun("a movie"),
    ),
)
"""Every variable, in the order in which the editor lists them."""


def variables_of(template: str) -> dict[str, Variable]:
    """The variables of a template by name."""
    return {variable.name: variable for variable in VARIABLES if template in variable.templates}


def values_of(template: str, given: TemplateInput, named: Container[str] | None = None) -> dict[str, Any]:
    """The value of each variable of a template; ``named``: of those alone."""
    variables = variables_of(template).items()
    return {name: variable.value(given) for name, variable in variables if named is None or name in named}


def section_titles() -> dict[str, str]:
    """What the share of each variable in a prompt is called."""
    return {variable.name: variable.section for variable in VARIABLES if variable.section}
