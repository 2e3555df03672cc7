"""What is made of a language model's answers: the stated rules, one by one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lusifer.errors import ModelError
from lusifer.simulator.answers import (
    find_json,
    ratings_schema,
    read_ratings,
    read_update,
    update_schema,
)
from lusifer.simulator.evolution import history_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def items(ml100k):
    return ml100k.items_of([1, 50, 172])


def _rows(*rows: object) -> str:
    return json.dumps({"ratings": list(rows)})


def _row(item: object, rating: object, expected: object = 3.2, reason: object = "Because.") -> dict:
    return {"item_id": item, "rating": rating, "expected": expected, "reason": reason}


def test_a_good_answer_in_any_order(items, ml100k) -> None:
    made = read_ratings(_rows(_row(172, 5), _row(1, 2, 2.4), _row(50, 4)), items, ml100k.scale)
    assert [(m.item_id, m.rating, m.expected) for m in made] == [
        (1, 2, 2.4),
        (50, 4, 3.2),
        (172, 5, 3.2),
    ]
    assert all(m.reason == "Because." and not m.failure for m in made)


@pytest.mark.parametrize(
    ("row", "rating", "expected"),
    [
        (_row("1", "4"), 4, 3.2),
        (_row(1, "4/5"), 4, 3.2),
        (_row(1, " 4 / 5 "), 4, 3.2),
        (_row(1, 4, None), 4, 4),
        (_row(1, 4, 9), 4, 5),
        (_row(1, 4, -2), 4, 1),
        (_row(1, 4, "nan"), 4, 4),
        (_row(1, 4, "inf"), 4, 4),
        (_row(1, 11), None, None),
        (_row(1, 3.5), None, None),
        (_row(1, None), None, None),
        (_row(1, True), None, None),
        (_row(1, "five"), 5, 3.2),
        (_row(1, "4/10"), None, None),
        (_row(1, [4]), None, None),
        (_row(1, float("nan")), None, None),
    ],
)
def test_rules_for_one_rating(items, ml100k, row, rating, expected) -> None:
    first = read_ratings(_rows(row), items, ml100k.scale)[0]
    assert (first.rating, first.expected) == (rating, expected)
    assert bool(first.failure) == (rating is None)


def test_unknown_repeated_and_missing_ids(items, ml100k) -> None:
    for again, rating in ((4, 4), ("4", 4), (2, None), ("two", None)):  # of two ratings none is taken
        text = _rows(_row(1, 4), _row(1, again), _row(999, 5), _row("x", 5), "text", None, _row(50, 3))
        made = read_ratings(text, items, ml100k.scale)
        assert [m.rating for m in made] == [rating, 3, None]
        assert "left this movie out" in made[2].failure


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"ratings": []}\n```',
        'Sure! {"ratings": []} Hope this helps {not json}.',
        '{broken {"ratings": []}',
        '\ufeff{"ratings": []}',
    ],
)
def test_json_is_found_in_fences_and_text(text: str) -> None:
    assert find_json(text) == {"ratings": []}


@pytest.mark.parametrize("text", ["", "no json", "[1, 2]", '{"a": ', "null", "{}{"])
def test_no_usable_json_is_an_error(text: str, items, ml100k) -> None:
    with pytest.raises(ModelError) as failed:
        read_ratings(text, items, ml100k.scale)
    assert failed.value.kind == "invalid"


@given(JSON)
def test_no_answer_crashes_the_reader_or_invents_a_rating(ml100k, items, value: object) -> None:
    for text in (
        json.dumps(value),
        json.dumps({"ratings": value}),
        json.dumps({"ratings": [value]}),
    ):
        try:
            made = read_ratings(text, items, ml100k.scale)
        except ModelError:
            continue
        assert [m.item_id for m in made] == [1, 50, 172]
        for m in made:
            assert (m.rating is None) == bool(m.failure)
            assert m.rating is None or ml100k.scale.contains(m.rating)


@given(st.text())
def test_no_text_crashes_the_update_reader(ml100k, last10, text: str) -> None:
    batch = history_of(ml100k, last10, 1, 10)
    with pytest.raises(ModelError):
        read_update(text, "A person.", batch)


def _update(**changes: object) -> str:
    profile = {
        "likes": [" Likes\n crime. ", "  "],
        "dislikes": [],
        "people_and_themes": [],
        "mood": [],
        "rating_habits": [],
    }
    return json.dumps({"profile": profile, "explanation": "It\nmoved.", "changes": [], **changes})


def test_an_update_and_its_changes(ml100k, last10) -> None:
    batch = history_of(ml100k, last10, 1, 10)
    known = batch[3].item.id
    made = read_update(
        _update(
            changes=[
                {"aspect": " crime ", "direction": "gained", "item_ids": [known, 99999, known]},
                {"aspect": "nothing cited", "direction": "gained", "item_ids": [99999]},
                {"aspect": " ", "direction": "dropped", "item_ids": [known]},
            ]
        ),
        "A person.",
        batch,
    )
    assert [b.text for b in made.profile.likes] == ["Likes crime."]
    assert made.profile.about == "A person." and made.explanation == "It moved."
    assert [(c.aspect, c.direction, c.item_ids) for c in made.changes] == [("crime", "gained", (known,))]


@pytest.mark.parametrize(
    "wrong",
    [
        {"profile": None},
        {"explanation": 3},
        {"changes": "none"},
        {"extra": 1},
        {"changes": [{"aspect": "a", "direction": "sideways", "item_ids": []}]},
    ],
)
def test_an_update_of_another_shape_says_where(ml100k, last10, wrong: dict) -> None:
    batch = history_of(ml100k, last10, 1, 10)
    with pytest.raises(ModelError, match=f"does not fit: {next(iter(wrong))}"):
        read_update(_update(**wrong), "A person.", batch)


def test_schemas_hold_the_asked_ids_and_the_scale(ml100k, last10, items) -> None:
    row = ratings_schema(items, ml100k.scale)["properties"]["ratings"]["items"]["properties"]
    assert row["item_id"]["enum"] == [1, 50, 172] and row["rating"]["enum"] == [1, 2, 3, 4, 5]
    batch = history_of(ml100k, last10, 1, 10)
    cited = update_schema(batch)["$defs"]["_Change"]["properties"]["item_ids"]["items"]["enum"]
    assert cited == [r.item.id for r in batch]


def test_a_bare_list_and_a_truth_value(ml100k) -> None:
    """No object around the list is no harm; ``true`` is no rating, though Python counts it as 1."""
    text = '[{"item_id": 1, "rating": 4, "expected": 4.2}, {"item_id": 50, "rating": true}]'
    first, second = read_ratings(text, ml100k.items_of([1, 50]), ml100k.scale)
    assert (first.rating, first.expected) == (4, 4.2)
    assert second.rating is None and "'True'" in second.failure
