"""Questions of anonymous prompt sets: numbers instead of ids, each thing once, nothing that says nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from lusifer import prompts
from lusifer.datasets import Item, User
from lusifer.datasets.dataset import Details
from lusifer.evaluation.audit.quantities import read_quantities
from lusifer.evaluation.audit.tokens import tokenize
from lusifer.llm import Completion
from lusifer.llm.recordings import RecordedLLM, find_recording
from lusifer.simulator import LLMUserModel
from lusifer.simulator.evolution import history_of, initial_context, split_into_batches
from lusifer.simulator.item_rows import MAX_SENTENCE, columns_of, render_columns, render_row
from lusifer.simulator.rating_summary import describe_person, rating_habits, summarize_ratings
from lusifer.simulator.types import Bullet, Profile, Rated, Update

USERS = (1, 405, 600)
ANONYMOUS = prompts.load("grounded-2")


class NumberingLLM:
    """Rates number n with 1 + n % 5 and cites the first and last number; keeps its questions. ``skip`` is left out."""

    spec, identity = "openai:numbers", "https://numbers.example/v1|numbers"

    def __init__(self, skip: int = 0) -> None:
        self.questions: list[tuple[str, dict[str, Any]]] = []
        self.skip = skip

    def complete(self, messages: Sequence[Any], **options: Any) -> Completion:
        schema = options["schema"]
        self.questions.append(("\n".join(m.content for m in messages), options))
        if "profile" in schema["properties"]:
            numbers = schema["$defs"]["_Change"]["properties"]["item_ids"]["items"]["enum"]
            sections = {name: [] for name in ("likes", "dislikes", "people_and_themes", "mood", "rating_habits")}
            changes = [{"aspect": "ends", "direction": "gained", "item_ids": [numbers[0], numbers[-1]]}]
            return Completion(json.dumps({"profile": sections, "explanation": "So.", "changes": changes}))
        numbers = schema["properties"]["ratings"]["items"]["properties"]["item_id"]["enum"]
        skipped, self.skip = self.skip, 0
        rows = [
            {"item_id": n, "reason": "So.", "rating": 1 + n % 5, "expected": 1 + n % 5} for n in numbers if n != skipped
        ]
        return Completion(json.dumps({"ratings": rows}))


@pytest.fixture(scope="module")
def contexts(ml100k, last10):
    """Of each user, the context before and with the third batch."""
    found = []
    for user in USERS:
        batches = split_into_batches(history_of(ml100k, last10, user, 40), 10)
        context = initial_context(ml100k, last10, user)
        for batch in batches[:2]:
            profile = Profile(context.profile.about, (Bullet("Likes what is good."),))
            context = context.with_batch(batch).after_update(Update(profile, "", ()))
        found.append((context, batches[2]))
    return found


def test_no_question_names_ids_an_exact_person_or_the_dataset(ml100k, contexts) -> None:
    llm = NumberingLLM()
    model = LLMUserModel(llm, ANONYMOUS)
    for context, batch in contexts:
        model.rate(context, tuple(r.item for r in batch))
        model.update(context.with_batch(batch))
        user = context.user
        for text, options in llm.questions[-2:]:
            assert not re.search(rf"MovieLens|ml-100k|\b{user.age}\b[- ]year|{user.occupation}", text, re.IGNORECASE)
            rows = [line for line in text.splitlines() if re.match(r"\d+ \| ", line)]
            assert [int(row.split(" | ")[0]) for row in rows] == list(range(1, len(batch) + 1))
            assert json.dumps(options["schema"]).count(json.dumps(list(range(1, len(batch) + 1)))) == 1
            assert options["metadata"].items == tuple(r.item.id for r in batch)


@pytest.mark.parametrize("skip", [0, 1, 4, 10])
def test_answers_come_back_to_their_items(contexts, skip) -> None:
    context, batch = contexts[0]
    llm = NumberingLLM(skip)
    model = LLMUserModel(llm, ANONYMOUS)
    items = tuple(r.item for r in batch)[::-1]
    ratings = model.rate(context, items)
    assert [(r.item_id, r.rating) for r in ratings] == [(item.id, 1 + n % 5) for n, item in enumerate(items, 1)]
    assert len(llm.questions) == (2 if skip else 1)
    if skip:
        text, options = llm.questions[-1]
        assert re.search(rf"of these numbers only: {skip}\.", text), "what is asked again keeps its number"
        assert options["metadata"].items == tuple(i.id for i in items)
    update = model.update(context.with_batch(batch))
    assert update.changes[0].item_ids == (batch[0].item.id, batch[-1].item.id)


def test_a_movie_rated_again_counts_once(ml100k) -> None:
    """A bug of old: facts counted both ratings of a movie under two ids, though the question says the newest counts."""
    titles = ml100k.items["title"]
    first, second = titles[titles == titles[titles.duplicated()].iloc[0]].index.tolist()
    other = next(i for i in titles.index if i not in (first, second))
    seen = [Rated(ml100k.item(i), r, t) for t, (i, r) in enumerate([(first, 1.0), (other, 3.0), (second, 5.0)])]
    assert summarize_ratings(seen, 3.5, ml100k.scale).startswith("2 ratings, mean 4.00")
    assert "4.00 over 2 movies" in rating_habits(seen, 3.5, ml100k.scale, "movies")[0].text


def test_an_earlier_item_without_a_year_is_not_taken_for_the_number_of_a_new_one(contexts) -> None:
    """Without a year an item is known by its id alone, and a question's numbers are ids of others."""
    context, _ = contexts[0]
    rated = [Rated(Item(n, f"Book {n}", None, ("Novel",)), 3.0 + 2 * (n > 10), n) for n in range(1, 21)]
    llm, seen = NumberingLLM(), tuple(rated[:10])
    LLMUserModel(llm, ANONYMOUS).update(replace(context, seen=seen).with_batch(tuple(rated[10:])))
    text, options = llm.questions[0]
    assert "20 ratings, mean 4.00" in text and "10 × 5, 10 × 3" in text
    assert options["metadata"].items == tuple(range(11, 21))


def test_code_writes_the_numbers_of_the_rating_habits(ml100k, last10, contexts) -> None:
    context, batch = contexts[0]
    model = LLMUserModel(NumberingLLM(), ANONYMOUS)
    update = model.update(context.with_batch(batch))
    seen = context.seen + batch
    mean = sum(r.rating for r in seen) / len(seen)
    text = " ".join(b.text for b in update.profile.rating_habits)
    assert f"{mean:.2f} over {len(seen)} movies" in text
    counts = {value: sum(r.rating == value for r in seen) for value in (1, 2, 3, 4, 5)}
    read = read_quantities(tokenize(text), frozenset(), context.scale)
    told = {min(q.values): q.number for q in read if q.kind == "count" and q.values}
    assert told == {value: count for value, count in counts.items() if count}
    after = context.with_batch(batch).after_update(update)
    llm = NumberingLLM()
    LLMUserModel(llm, ANONYMOUS).rate(after, tuple(r.item for r in batch))
    assert llm.questions[0][0].count(f"{mean:.2f}") == 1, "the mean is told once"


def test_a_recording_answers_by_ids_what_is_asked_by_numbers(ml100k, last10) -> None:
    recording = find_recording("last10-37users-plain")
    for user in recording.users[:3]:
        context = initial_context(ml100k, last10, user)
        batch = split_into_batches(history_of(ml100k, last10, user, 40), 10)[0]
        asked_again = tuple(r.item for r in batch)[::-1]
        by_numbers, by_ids = (
            LLMUserModel(RecordedLLM(recording), prompts.load(name), recording=recording)
            for name in ("grounded-2", "grounded")
        )
        assert by_numbers.forecast(context, asked_again) == by_ids.forecast(context, asked_again)
        changes = [m.update(context.with_batch(batch)).changes for m in (by_numbers, by_ids)]
        assert changes[0] == changes[1] and changes[0]


def _rated(*ratings: float, genres: tuple[str, ...] = ("Drama",)) -> tuple[Rated, ...]:
    return tuple(Rated(Item(n, f"Film {n} (1990)", 1990, genres), r, n) for n, r in enumerate(ratings, 1))


@pytest.mark.parametrize(
    ("ratings", "highest", "lowest"),
    [
        (
            (5, 5, 5, 4, 5, 5),
            "Film 6 (1990) 5, Film 5 (1990) 5, Film 3 (1990) 5, Film 2 (1990) 5 and 1 more at 5",
            "Film 4 (1990) 4",
        ),
        ((3, 3, 3), "", ""),
        ((1, 1, 2), "Film 3 (1990) 2", "Film 2 (1990) 1, Film 1 (1990) 1"),
        ((5,), "", ""),
    ],
)
def test_best_lies_above_the_users_mean_and_worst_below(ml100k, ratings, highest, lowest) -> None:
    text = summarize_ratings(_rated(*ratings), 3.5, ml100k.scale)
    found = dict(re.findall(r"^(highest|lowest) of the ratings not listed: (.*)$", text, re.MULTILINE))
    assert (found.get("highest", ""), found.get("lowest", "")) == (highest, lowest)


def test_what_the_question_lists_is_not_told_again(ml100k) -> None:
    seen = _rated(5, 1, 4, 2, 3)
    assert "Film" not in summarize_ratings(seen, 3.5, ml100k.scale, frozenset(seen))
    assert "Film 1" in summarize_ratings(seen, 3.5, ml100k.scale, frozenset(seen[1:]))


def test_tastes_that_say_nothing_are_left_out(contexts, ml100k) -> None:
    for context, batch in contexts:
        text = summarize_ratings(context.seen + batch, context.usual_rating, ml100k.scale)
        assert not re.search(r"[+-]0\.0|[+-]0\.1 ", text)
        assert all(int(count) >= 2 for count in re.findall(r"[+-]\d\.\d \((\d+)\)", text))
    assert summarize_ratings((), 3.5, ml100k.scale) == "" and rating_habits((), 3.5, ml100k.scale, "movies") == ()


@pytest.mark.parametrize(
    ("age", "gender", "words"),
    [
        (23, "M", "male, in the 20s"),
        (7, "F", "female, a child"),
        (13, "", "in the teens"),
        (None, "", "nothing is known beside the ratings"),
        (None, "F", "female"),
    ],
)
def test_a_person_is_told_by_decade(age, gender, words) -> None:
    assert describe_person(User(1, age, gender, "writer", "")) == words


LONG = "A first sentence of some length about a house. " * 3 + "And then one that goes on " * 12 + "to its end."


@pytest.mark.parametrize("overview", [LONG, "One sentence without an end " * 40, "Short.", "Dr. No. " + LONG, ""])
def test_an_overview_ends_where_a_sentence_does(overview) -> None:
    item = Item(1, "Film | one (1990)", 1990, ("Drama",), Details(overview=overview))
    columns = columns_of([item])
    row = render_row(columns, item)
    assert row.startswith("Film / one (1990) | Drama")
    if overview:
        about = row.split(" | ")[2]
        assert len(about) <= MAX_SENTENCE + 2 and about[-1] in ".…"
        assert " ".join(overview.split()).startswith(about.rstrip(" …"))
    assert ("about" in render_columns(columns)) == bool(overview) and "people" not in render_columns(columns)


REST = " He then goes on to find what he had looked for." * 6
ONE = (
    "A sentence of more than two hundred and twenty characters is told whole"
    + ", since half of one tells little" * 6
    + "."
)


@pytest.mark.parametrize(
    "first",
    [
        "A young agent is sent to interview Dr. Lecter, who may know where the killer of five women hides.",
        "A boy leaves his home in the U.S. Virgin Islands and finds work with J. P. Morgan and Sons of St. Louis!",
        'They ask one another: "Who of us is it?"',
        "Short." + " It has a second sentence that says what the first has left out of this story.",
        ONE,
    ],
)
def test_an_abbreviation_ends_no_sentence(first: str) -> None:
    item = Item(1, "Film (1990)", 1990, (), Details(overview=first + REST))
    (_, about) = render_row(columns_of([item]), item).split(" | ")
    assert about.startswith(first) and (first + REST).startswith(about)
    assert about == first or about.endswith("looked for.")


def test_a_column_stands_where_something_is_known(ml100k) -> None:
    bare = Item(1, "Bare (1990)", 1990, ())
    known = replace(bare, id=2, details=Details(directors=("A", "B", "C"), cast=("D", "E", "F", "G")))
    assert render_columns(columns_of([bare])) == "title"
    columns = columns_of([bare, known])
    assert render_columns(columns) == "title | people"
    assert render_row(columns, known) == "Bare (1990) | dir. A, B, D, E, F" and render_row(columns, bare).endswith(
        "| -"
    )
    assert render_columns(columns_of([bare, known], metadata=())) == "title"


def test_with_nothing_known_no_reason_from_ratings_is_asked_for(ml100k, last10) -> None:
    llm = NumberingLLM()
    context = initial_context(ml100k, last10, 1)
    LLMUserModel(llm, ANONYMOUS).rate(context, tuple(ml100k.items_of([1, 50])))
    text = llm.questions[0][0]
    assert "no rating of this user is known" in text and "FACTS" not in text and "PROFILE" not in text
