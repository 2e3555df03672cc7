"""What a language model is asked: the templates' variables, the messages, and how long each part is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from lusifer.datasets import Item, ItemNouns
from lusifer.llm import Message
from lusifer.prompts import PromptSet
from lusifer.simulator.taste_facts import item_heading, render_evidence, render_facts, render_item
from lusifer.simulator.types import Context

VARIABLES = {
    "system": {
        "scale": "the rating scale: scale.lowest, scale.highest, scale.step",
        "usual": "mean of all training ratings",
        "noun": "item noun: movie, book, album",
        "nouns": "plural: movies, books, albums",
        "a_noun": "with an article: a movie, an album",
    },
    "update": {
        "about": "demographics, one line",
        "profile": "the profile so far; empty before the first",
        "facts": "facts computed from all ratings so far, including the new ones: one per line",
        "seen": "all ratings so far, including the new ones: each with item, rating, timestamp",
        "batch": "the new ratings, oldest first: each with item, rating, timestamp",
        "line": "line(item): one movie per line, with the metadata of this version",
        "shown": "the heading of such lines",
        "noun": "item noun: movie, book, album",
        "nouns": "plural: movies, books, albums",
        "a_noun": "with an article: a movie, an album",
    },
    "rate": {
        "about": "demographics, one line",
        "profile": "the profile so far; empty before the first",
        "facts": "facts computed from the ratings so far: one per line",
        "recent": "the newest ratings, oldest first, as many as this version includes",
        "items": "the movies to rate: each with id, title, year, genres",
        "others": "community evidence on each movie, by id; empty if off",
        "line": "line(item): one movie per line, with the metadata of this version",
        "shown": "the heading of such lines",
        "noun": "item noun: movie, book, album",
        "nouns": "plural: movies, books, albums",
        "a_noun": "with an article: a movie, an album",
    },
    "repair": {
        "problem": "the problem with the answer",
        "items": "the movies that are requested again; empty for a profile",
        "schema": "the JSON schema of the answer",
        "noun": "item noun: movie, book, album",
        "nouns": "plural: movies, books, albums",
        "a_noun": "with an article: a movie, an album",
    },
}
"""What each template may name, and what that is."""
VARIABLES["first"] = {k: v for k, v in VARIABLES["update"].items() if k != "profile"}


def render_update(prompts: PromptSet, context: Context) -> list[Message]:
    """The messages that ask for a profile after ``context.batch``: the first one, or a rewritten one."""
    name = "update" if context.seen else "first"
    return _messages(prompts, context, name, update_values(prompts, context))


def render_rate(prompts: PromptSet, context: Context, items: Sequence[Item]) -> list[Message]:
    """The messages that ask for ratings (or forecasts) of some items."""
    return _messages(prompts, context, "rate", rate_values(prompts, context, items))


def noun_variables(item_nouns: ItemNouns) -> dict[str, str]:
    """The variables that say what items are called."""
    return {"noun": item_nouns.singular, "nouns": item_nouns.plural, "a_noun": item_nouns.with_item_noun("a movie")}


def system_values(context: Context) -> dict[str, Any]:
    """Variables of ``system``."""
    return {"scale": context.scale, "usual": context.usual_rating, **noun_variables(context.item_nouns)}


def update_values(prompts: PromptSet, context: Context) -> dict[str, Any]:
    """Variables of ``first`` and ``update``."""
    seen = context.seen + context.batch
    return {
        "about": context.profile.about,
        "profile": _sections(context),
        "facts": render_facts(seen, context.usual_rating, metadata=prompts.metadata),
        "seen": seen,
        "batch": context.batch,
        "line": partial(render_item, metadata=prompts.metadata),
        "shown": item_heading((r.item for r in context.batch), prompts.metadata),
        **noun_variables(context.item_nouns),
    }


def rate_values(prompts: PromptSet, context: Context, items: Sequence[Item]) -> dict[str, Any]:
    """Variables of ``rate``."""
    recent = context.seen[-prompts.recent :] if prompts.recent else ()
    return {
        "about": context.profile.about,
        "profile": _sections(context),
        "facts": render_facts(context.seen, context.usual_rating, metadata=prompts.metadata),
        "recent": recent,
        "items": items,
        "line": partial(render_item, metadata=prompts.metadata),
        "shown": item_heading([*items, *(r.item for r in recent)], prompts.metadata),
        "others": {i.id: render_evidence(context.item_evidence[i.id]) for i in items if i.id in context.item_evidence},
        **noun_variables(context.item_nouns),
    }


def part_sizes(messages: Sequence[Message], values: Mapping[str, Any]) -> dict[str, int]:
    """Characters of a question by part: the system message, what stands for each variable in the other
    one, and the wording that is left."""
    system, prompt = messages[0].content, messages[1].content
    by_part = {"system": len(system)}
    rest = prompt
    for name in ("profile", "facts", "about"):
        text = values.get(name) or ""
        if text and text in rest:
            by_part[name] = len(text)
            rest = rest.replace(text, "", 1)
    render_line = values.get("line")
    for name in ("recent", "batch", "items"):
        entries = values.get(name) or ()
        lines = [render_line(getattr(e, "item", e)) for e in entries] if render_line else []
        found_lines = [text for text in lines if text in rest]
        for text in found_lines:
            rest = rest.replace(text, "", 1)
        if found_lines:
            by_part[name] = sum(map(len, found_lines))
    for text in (values.get("others") or {}).values():
        if text in rest:
            by_part["others"] = by_part.get("others", 0) + len(text)
            rest = rest.replace(text, "", 1)
    return {**by_part, "wording": len(rest)}


def _messages(prompts: PromptSet, context: Context, name: str, values: Mapping[str, Any]) -> list[Message]:
    system = prompts.render("system", **system_values(context))
    return [Message("system", system), Message("user", prompts.render(name, **values))]


def _sections(context: Context) -> str:
    """The profile without its first line, which the prompt shows under its own heading."""
    text, about = context.profile.text, context.profile.about
    return text.removeprefix(about).strip() if about else text
