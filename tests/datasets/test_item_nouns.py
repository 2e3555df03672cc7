"""Sentences are written for movies and follow the domain."""

from __future__ import annotations

import hashlib
import random
import re
from pathlib import Path

import pandas as pd
import pytest

from lusifer import datasets, prompts
from lusifer.datasets import MOVIES, ItemNouns, custom_tables, splits
from lusifer.evaluation.audit import audit
from lusifer.simulator import StatisticalUserModel, evolve, make_evolution_spec, prompt_rendering, rate_items
from lusifer.simulator.evolution import context_after
from lusifer.simulator.preview import preview_prompt
from lusifer.simulator.prompt_variables import TemplateInput, values_of
from lusifer.simulator.types import ItemEvidence

ABOUT_MOVIES = re.compile(r"\b(movies?|films?|viewers?)\b", re.I)


@pytest.mark.parametrize(
    ("said", "albums"),
    [
        ("Rate movies", "Rate albums"),
        ("A movie counts in each of its genres.", "An album counts in each of its genres."),
        ("an odd movie's name", "an odd album's name"),
        ("MOVIES TO RATE", "ALBUMS TO RATE"),
        ("films by Bach, film noir", "albums by Bach, film noir"),
        ("a viewer; viewers", "a user; users"),
        (":material/movie: movie_search", ":material/movie: movie_search"),
        ("MovieLens", "MovieLens"),
    ],
)
def test_nouns_are_replaced_with_their_articles(said: str, albums: str) -> None:
    assert ItemNouns("album", "albums").with_item_noun(said) == albums
    assert MOVIES.with_item_noun(said) == said and ItemNouns("movie", "movies").with_item_noun(said) == said


def collection(folder: Path) -> Path:
    """Ratings of albums whose genres are some that movies have too, so that every kind of sentence comes up."""
    folder.mkdir()
    chance = random.Random(4)
    genres = [
        "Rock",
        "Jazz",
        "Drama",
        "War",
        "Fantasy",
        "Crime",
        "Children",
        "Comedy",
        "Action",
        "Animation",
    ]
    albums = [(n, f"Record {n} (19{60 + n % 40})", "|".join(chance.sample(genres, 3))) for n in range(1, 81)]
    rows = [
        (u, a, max(1, min(5, 3 + (a % 5) - 2 + chance.choice((-1, 0, 1)))), 1_600_000_000 + 1000 * t)
        for u in range(1, 9)
        for t, a in enumerate(chance.sample(range(1, 81), 50))
    ]
    pd.DataFrame(albums, columns=["album_id", "title", "genres"]).to_csv(folder / "albums.csv", index=False)
    pd.DataFrame(rows, columns=["listener_id", "album_id", "rating", "timestamp"]).to_csv(
        folder / "ratings.csv", index=False
    )
    return folder


def test_no_sentence_about_albums_speaks_of_movies(tmp_path) -> None:
    custom_tables.save_mapping(collection(tmp_path / "music"), custom_tables.propose_mapping(tmp_path / "music"))
    data = datasets.load("music", tmp_path)
    split = splits.make(data, "last-10")
    model = StatisticalUserModel()
    asked = 0
    for user in split.train.user_ids.tolist():
        what = make_evolution_spec(data, split, user, model)
        steps = list(evolve(data, split, model, what))
        items = data.items_of(split.test.of_user(user).item)
        said = [s.profile.text + s.explanation + "".join(c.aspect for c in s.changes) for s in steps]
        said += [r.reason for r in rate_items(data, split, model, what, steps, items, None)]
        said += [c.why for c in audit(data, steps).claims]
        assert not ABOUT_MOVIES.search("\n".join(said)), said
        for name in prompts.SHIPPED:
            for template, done in (("first", 0), ("update", 1), ("rate", len(steps)), ("repair", len(steps))):
                context = context_after(data, split, user, steps[:done])
                if template in {"first", "update"}:
                    context = context.with_batch(steps[done].batch)
                found = preview_prompt(prompts.load(name), template, context, items)
                assert not found.mistakes
                text = "\n".join(m.content for m in found.messages)
                assert "album" in text and not ABOUT_MOVIES.search(text), (name, template)
                asked += 1
    given = TemplateInput(prompts.load(), context_after(data, split, user, steps))
    named = values_of("system", given)
    assert asked and {name: named[name] for name in ("noun", "nouns", "a_noun")} == {
        "noun": "album",
        "nouns": "albums",
        "a_noun": "an album",
    }


SAID = {
    "grounded": "6ab98477e8bad19c",
    "concise": "d25b56f480ff3940",
    "paper": "200aacce34885574",
}
"""Hashes of the rendered prompts about one user of MovieLens 100K, with the built-in's profile."""


@pytest.mark.parametrize("name", SAID)
def test_shipped_prompts_about_movies_read_as_before(ml100k, last10, name: str) -> None:
    """The same question has the same key, so what was answered before there were nouns is not asked again."""
    chosen, model = prompts.load(name), StatisticalUserModel()
    steps = list(evolve(ml100k, last10, model, make_evolution_spec(ml100k, last10, 405, model)))
    items = ml100k.items_of([50, 172])
    crowd = {50: ItemEvidence(4.3, 580, 0.9, 4.6, 12, 4.4)}
    empty = context_after(ml100k, last10, 405, []).with_batch(steps[0].batch)
    full = context_after(ml100k, last10, 405, steps)
    asked = [
        *prompt_rendering.render_update(chosen, empty),
        *prompt_rendering.render_update(chosen, full.with_batch(steps[0].batch)),
        *prompt_rendering.render_rate(chosen, full, items),
        *prompt_rendering.render_rate(chosen, full.with_evidence(crowd), items),
    ]
    text = "\n".join(m.content for m in asked) + chosen.render(
        "repair", **values_of("repair", TemplateInput(chosen, full, items, "x", "{}"))
    )
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == SAID[name]
