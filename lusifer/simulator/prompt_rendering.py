"""What a language model is asked: the templates' variables, the messages, and how long each part is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from lusifer.datasets import Item, ItemNouns
from lusifer.llm import Message
from lusifer.prompts import PromptSet
from lusifer.simulator.taste_facts import facts, line, others, shown_fields
from lusifer.simulator.types import Context

VARIABLES = {
    "system": {
        "scale": "the rating scale: scale.lowest, scale.highest, scale.step",
        "usual": "mean of all training ratings",
        "noun": "what one item is called: movie, book, album",
        "nouns": "the same of several: movies, books, albums",
        "a_noun": "with its article: a movie, an album",
    },
    "update": {
        "about": "demographics, one line",
        "profile": "the profile so far; empty before the first",
        "facts": "what was computed from all ratings so far, the new ones included: a line a fact",
        "seen": "all ratings so far, the new ones included: each with item, rating, timestamp",
        "batch": "the new ratings, oldest first: each with item, rating, timestamp",
        "line": "line(item): one movie in a line, with the metadata that this version shows",
        "shown": "the heading of such lines",
        "noun": "what one item is called: movie, book, album",
        "nouns": "the same of several: movies, books, albums",
        "a_noun": "with its article: a movie, an album",
    },
    "rate": {
        "about": "demographics, one line",
        "profile": "the profile so far; empty before the first",
        "facts": "what was computed from the ratings so far: a line a fact",
        "recent": "the newest ratings, oldest first, as many as this version shows",
        "items": "the movies to rate: each with id, title, year, genres",
        "others": "what others say of each movie, by its id; empty without community evidence",
        "line": "line(item): one movie in a line, with the metadata that this version shows",
        "shown": "the heading of such lines",
        "noun": "what one item is called: movie, book, album",
        "nouns": "the same of several: movies, books, albums",
        "a_noun": "with its article: a movie, an album",
    },
    "repair": {
        "problem": "what is wrong with the answer",
        "items": "the movies that are asked for again; empty for a profile",
        "schema": "the JSON schema of the answer",
        "noun": "what one item is called: movie, book, album",
        "nouns": "the same of several: movies, books, albums",
        "a_noun": "with its article: a movie, an album",
    },
}
"""What each template may name, and what that is."""
VARIABLES["first"] = {k: v for k, v in VARIABLES["update"].items() if k != "profile"}


def update(prompts: PromptSet, context: Context) -> list[Message]:
    """The messages that ask for a profile after ``context.batch``: the first one, or a rewritten one."""
    name = "update" if context.seen else "first"
    return _messages(prompts, context, name, update_values(prompts, context))


def rate(prompts: PromptSet, context: Context, items: Sequence[Item]) -> list[Message]:
    """The messages that ask for ratings (or forecasts) of some items."""
    return _messages(prompts, context, "rate", rate_values(prompts, context, items))


def nouns(words: ItemNouns) -> dict[str, str]:
    """The variables that say what items are called."""
    return {"noun": words.one, "nouns": words.many, "a_noun": words.say("a movie")}


def system_values(context: Context) -> dict[str, Any]:
    """Variables of ``system``."""
    return {"scale": context.scale, "usual": context.usual_rating, **nouns(context.words)}


def update_values(prompts: PromptSet, context: Context) -> dict[str, Any]:
    """Variables of ``first`` and ``update``."""
    seen = context.seen + context.batch
    return {
        "about": context.profile.about,
        "profile": _sections(context),
        "facts": facts(seen, context.usual_rating, metadata=prompts.metadata),
        "seen": seen,
        "batch": context.batch,
        "line": partial(line, metadata=prompts.metadata),
        "shown": shown_fields((r.item for r in context.batch), prompts.metadata),
        **nouns(context.words),
    }


def rate_values(prompts: PromptSet, context: Context, items: Sequence[Item]) -> dict[str, Any]:
    """Variables of ``rate``."""
    recent = context.seen[-prompts.recent :] if prompts.recent else ()
    return {
        "about": context.profile.about,
        "profile": _sections(context),
        "facts": facts(context.seen, context.usual_rating, metadata=prompts.metadata),
        "recent": recent,
        "items": items,
        "line": partial(line, metadata=prompts.metadata),
        "shown": shown_fields([*items, *(r.item for r in recent)], prompts.metadata),
        "others": {i.id: others(context.crowd[i.id]) for i in items if i.id in context.crowd},
        **nouns(context.words),
    }


def sizes(messages: Sequence[Message], values: Mapping[str, Any]) -> dict[str, int]:
    """Characters of a question by part: the system message, what stands for each variable in the other
    one, and the wording that is left."""
    system, prompt = messages[0].content, messages[1].content
    found = {"system": len(system)}
    left = prompt
    for name in ("profile", "facts", "about"):
        text = values.get(name) or ""
        if text and text in left:
            found[name] = len(text)
            left = left.replace(text, "", 1)
    shown = values.get("line")
    for name in ("recent", "batch", "items"):
        entries = values.get(name) or ()
        lines = [shown(getattr(e, "item", e)) for e in entries] if shown else []
        used = [text for text in lines if text in left]
        for text in used:
            left = left.replace(text, "", 1)
        if used:
            found[name] = sum(map(len, used))
    for text in (values.get("others") or {}).values():
        if text in left:
            found["others"] = found.get("others", 0) + len(text)
            left = left.replace(text, "", 1)
    return {**found, "wording": len(left)}


def _messages(prompts: PromptSet, context: Context, name: str, values: Mapping[str, Any]) -> list[Message]:
    system = prompts.render("system", **system_values(context))
    return [Message("system", system), Message("user", prompts.render(name, **values))]


def _sections(context: Context) -> str:
    """The profile without its first line, which the prompt shows under its own heading."""
    text, about = context.profile.text, context.profile.about
    return text.removeprefix(about).strip() if about else text
