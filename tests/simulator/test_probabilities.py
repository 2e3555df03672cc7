"""Expected ratings from token probabilities: finding the token, half steps, what is not on the scale."""

from __future__ import annotations

import json
import math
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lusifer.datasets import RatingScale
from lusifer.llm import Token
from lusifer.simulator.probabilities import objects, rating_probabilities

FIVE, HALVES = RatingScale(1, 5, 1), RatingScale(0.5, 5, 0.5)


def tokens(text: str, tops: dict[int, dict[str, float]], pattern: str = r"\d|\.|[^\d.]+") -> list[Token]:
    """The text cut into tokens; ``tops`` gives the alternatives at a place of the text."""
    found = []
    for match in re.finditer(pattern, text):
        top = tops.get(match.start(), {match[0]: 1.0})
        pairs = tuple((t, math.log(p)) for t, p in top.items())
        found.append(Token(match.start(), match[0], pairs[0][1], pairs))
    return found


def answer(*rows: dict) -> str:
    return json.dumps({"ratings": list(rows)})


def test_whole_steps() -> None:
    text = answer({"item_id": 7, "reason": 'He said "rating": 1', "rating": 4, "expected": 3.9})
    at = text.rindex('"rating": ') + 10
    found = rating_probabilities(text, tokens(text, {at: {"4": 0.6, "5": 0.2, "7": 0.1, "x": 0.1}}), FIVE)
    assert found[7].probabilities == pytest.approx({4: 0.75, 5: 0.25})
    assert found[7].scale_probability == pytest.approx(0.8) and found[7].expected == pytest.approx(4.25)
    assert found[7].std == pytest.approx(math.sqrt(0.75 * 0.25))


def test_a_token_that_begins_before_the_digit_or_ends_after_it() -> None:
    text = '{"ratings":[{"item_id": 7, "rating": 4}]}'
    at = text.index(" 4")
    top = {" 4": 0.5, " 3": 0.25, "4": 0.2, " four": 0.05}
    found = rating_probabilities(text, tokens(text, {at: top}, r" \d(?=\})|."), FIVE)
    assert found[7].probabilities == pytest.approx({3: 1 / 3, 4: 2 / 3})
    top = {"4}]}": 0.5, "3}]}": 0.5, "45": 0.2}
    found = rating_probabilities(text, tokens(text, {at + 1: top}, r"4\}\]\}|."), FIVE)
    assert found[7].probabilities == pytest.approx({3: 0.5, 4: 0.5})


def test_half_steps_need_two_tokens() -> None:
    text = answer({"item_id": 7, "rating": 3.5, "expected": 3})
    at = text.index("3.5")
    tops = {
        at: {"3": 0.8, "4": 0.2},
        at + 1: {".": 0.75, ",": 0.25},
        at + 2: {"5": 0.9, "0": 0.1},
    }
    found = rating_probabilities(text, tokens(text, tops), HALVES)[7].probabilities
    half, whole = 0.75 * 0.9, 0.25 + 0.75 * 0.1
    assert found == pytest.approx({3: 0.8 * whole, 3.5: 0.8 * half, 4: 0.2 * whole, 4.5: 0.2 * half})


def test_half_steps_where_a_whole_number_was_written() -> None:
    text = answer({"item_id": 7, "rating": 5, "expected": 3})
    at = text.index('"rating": 5') + 10
    tops = {at: {"5": 0.5, "4": 0.5}, at + 1: {', "expected": ': 0.6, ".": 0.4}}
    found = rating_probabilities(text, tokens(text, tops), HALVES)[7]
    # 5.5 is not on the scale: its share is gone, and the mass says so.
    assert found.scale_probability == pytest.approx(0.8)
    assert found.probabilities == pytest.approx({4: 0.375, 4.5: 0.25, 5: 0.375})


def test_one_token_that_is_the_whole_number() -> None:
    text = answer({"item_id": 7, "rating": 3.5, "expected": 3})
    at = text.index("3.5")
    cut = tokens(text, {at: {"3.5": 0.5, "4": 0.25, "4.0": 0.25}}, r"3\.5|.")
    assert rating_probabilities(text, cut, HALVES)[7].probabilities == pytest.approx({3.5: 0.5, 4: 0.5})


def test_ids_in_any_order_as_strings_and_twice() -> None:
    text = answer({"rating": 2, "item_id": "8"}, {"item_id": 9, "rating": "5"}, {"item_id": 9, "rating": 1})
    found = rating_probabilities(text, tokens(text, {}), FIVE)
    assert {k: v.expected for k, v in found.items()} == {8: 2, 9: 5}


def test_nothing_without_tokens_or_a_number() -> None:
    text = answer({"item_id": 7, "rating": None}, {"item_id": 8})
    assert rating_probabilities(text, tokens(text, {}), FIVE) == {}
    assert rating_probabilities(text, (), FIVE) == {}


@given(
    st.lists(
        st.fixed_dictionaries({"item_id": st.integers(1, 99), "reason": st.text(), "rating": st.integers(1, 5)}),
        max_size=5,
    ),
    st.integers(0, 400),
)
@example([{"reason": "000000", "rating": 1, "item_id": 10}], 59)
def test_any_answer_cut_anywhere(rows, cut) -> None:
    """Whatever the reasons hold and wherever it ends: complete objects are found whole, and read."""
    whole = json.dumps({"ratings": rows}, ensure_ascii=False)
    text = whole[: max(cut, 1)]
    for start, end in objects(text):
        assert text[start] == "{" and end <= len(text)
    first: dict[int, int] = {}
    for row in rows:
        first.setdefault(row["item_id"], row["rating"])
    found = {k: v.expected for k, v in rating_probabilities(text, tokens(text, {}), FIVE).items()}
    assert found.items() <= first.items()
    if text == whole:
        assert found == first
