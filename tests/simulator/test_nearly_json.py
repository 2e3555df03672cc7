"""Answers that are nearly JSON: what is mended by which rule, what is ambiguous; no rating is ever invented."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lusifer.errors import ModelError
from lusifer.llm import Token
from lusifer.simulator.answers import TWO_ANSWERS, read_ratings, read_update
from lusifer.simulator.evolution import history_of
from lusifer.simulator.json_candidates import candidates, prepare
from lusifer.simulator.number_words import read_id, read_number
from tests.servers.openai import OpenAIServer

IDS = [1, 50, 172]
ROWS = [{"item_id": i, "reason": f"It's number {i}, mostly.", "rating": 4, "expected": 3.5} for i in IDS]
GOOD = json.dumps({"ratings": ROWS})
DRAFT = GOOD.replace('"rating": 4', '"rating": 1')


@pytest.fixture(scope="module")
def items(ml100k):
    return ml100k.items_of(IDS)


@pytest.fixture(scope="module")
def batch(ml100k, last10):
    return history_of(ml100k, last10, 1, 10)


@pytest.fixture(scope="module")
def update(batch) -> str:
    from lusifer.simulator.answers import update_schema

    body = {"messages": [], "response_format": {"json_schema": {"schema": update_schema(batch)}}}
    return OpenAIServer.content(body, "ok")


MENDED = {
    "trailing-commas": lambda t: re.sub(r"([\]}])", r",\1", t),
    "line-comments": lambda t: t.replace("{", '{ // it\'s "so"\n', 1),
    "block-comments": lambda t: t.replace(": 4", ": 4 /* liked */"),
    "hash-comments": lambda t: t.replace("{", "{ # a comment {\n", 1),
    "python": lambda t: repr(json.loads(t)),
    "single-quotes": lambda t: t.replace("It's", "Its").replace('"', "'"),
    "raw-newlines": lambda t: t.replace("mostly", "most\nly").replace("films", "fi\n\tlms"),
    "bad-escape": lambda t: t.replace("mostly", "most\\dly").replace("films", "\\films"),
    "bare-names": lambda t: re.sub(r'"(item_id|rating|expected|reason|profile|explanation|changes)":', r"\1:", t),
    "missing-commas": lambda t: t.replace('", "rating"', '" "rating"').replace('", "direction"', '" "direction"'),
    "wrapped": lambda t: json.dumps({"answer": json.loads(t)}),
    "wrapped-twice": lambda t: json.dumps({"status": "ok", "result": {"data": [json.loads(t)]}}),
    "in-a-string": lambda t: json.dumps(t),
    "in-a-field": lambda t: json.dumps({"output": t}),
    "fenced": lambda t: f"Here:\n```json\n{t}\n```\nBye {{now}}.",
    "thought": lambda t: f"<think>{t.replace(': 4', ': 1')}</think>{t}",
    "said-twice": lambda t: f"{t}\n\nAgain:\n{t}",
    "float-ids": lambda t: re.sub(r'("item_id": |(?<=[\[ ]))(\d+)(?=[,\]])(?!\.)', r"\1\2.0", t),
    "other-spelling": lambda t: t.replace("item_id", "itemId"),
    "half-a-character": lambda t: t.replace("mostly", "\\ud83d").replace("films", "\\ud83d"),
}


@pytest.mark.parametrize("spoil", MENDED.values(), ids=MENDED)
def test_ratings_that_are_nearly_json(items, ml100k, spoil) -> None:
    made = read_ratings(spoil(GOOD), items, ml100k.scale)
    assert [(m.item_id, m.rating, m.expected) for m in made] == [(i, 4, 3.5) for i in IDS]
    for m in made:
        m.reason.encode()


@pytest.mark.parametrize("spoil", MENDED.values(), ids=MENDED)
def test_an_update_that_is_nearly_json(batch, update, spoil) -> None:
    right, made = read_update(update, "A.", batch), read_update(spoil(update), "A.", batch)
    assert len(made.profile.bullets) == len(right.profile.bullets)
    assert [c.item_ids for c in made.changes] == [c.item_ids for c in right.changes]


@pytest.mark.parametrize(
    ("written", "rating"),
    [
        ("4 stars", 4), ("4.0 stars", 4), ("4,0", 4), ("four", 4), ("Four stars", 4), ("4 out of 5", 4),
        ("four out of five", 4), ("4.0 / 5 stars", 4), ("★★★★☆", 4), ("⭐⭐⭐⭐", 4), ("**4**", 4), ("4★", 4),
        ("4 points", 4), ("4/10", None), ("four out of ten", None), ("★★☆", None), ("★★★★★★", None), ("4-5", None),
        ("4 or 5", None),
        ("about 4", None), ("4 stars, maybe 3", None), ("fourteen", None), ("-4", None), ("3½", None), ("", None),
        ("nan", None), ("1e0", 1), ("٤", None), ("4" + "0" * 5000, None),
    ],
)  # fmt: skip
def test_numbers_as_they_are_written(items, ml100k, written, rating) -> None:
    text = json.dumps({"ratings": [{**ROWS[0], "rating": written}]}, ensure_ascii=False)
    assert read_ratings(text, items, ml100k.scale)[0].rating == rating


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("3½", 3.5),
        ("three and a half", 3.5),
        ("★★★½", 3.5),
        ("★★★½☆", 3.5),
        ("3,5", 3.5),
        (3.5, 3.5),
        ("½", None),
        (10**400, None),
    ],
)
def test_halves(value, number) -> None:
    assert read_number(value, 5) == number


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (50, 50),
        (50.0, 50),
        ("50", 50),
        ("50.0", 50),
        ("#50", 50),
        (50.5, None),
        ("50.5", None),
        (True, None),
        ("x", None),
        (None, None),
        (float("inf"), None),
        ("9" * 5000, None),
    ],
)
def test_ids(value, number) -> None:
    assert read_id(value) == number


def test_ratings_by_id(items, ml100k) -> None:
    by_id = {"ratings": {str(r["item_id"]): {k: v for k, v in r.items() if k != "item_id"} for r in ROWS}}
    assert [m.rating for m in read_ratings(json.dumps(by_id), items, ml100k.scale)] == [4, 4, 4]
    assert [m.rating for m in read_ratings('{"ratings": {"1": 4, "50": "3"}}', items, ml100k.scale)] == [4, 3, None]


@pytest.mark.parametrize("tag", ["</think>", "<think>", "<|end|>", "<cot>", "</thought_process>", "&lt;/think&gt;"])
@pytest.mark.parametrize("spoil", [str, repr, MENDED["trailing-commas"], lambda t: t[: t.index('"item_id": 172') + 40]])
def test_a_tag_in_a_reason_is_a_word(items, ml100k, tag, spoil) -> None:
    rows = [{**row, "reason": f"a {tag} b"} for row in ROWS]
    text = spoil(json.dumps({"ratings": rows}) if spoil is not repr else {"ratings": rows})
    made = read_ratings(f"<think>{DRAFT} but</think>{text}", items, ml100k.scale)
    assert [m.rating for m in made][:2] == [4, 4] and made[0].reason == f"a {tag} b"
    assert [m.rating for m in read_ratings(json.dumps(text), items, ml100k.scale)][:2] == [4, 4]


@pytest.mark.parametrize(
    "tag", ["<longcat_think>", "<cot>", '<details type="reasoning">', "Thinking…\n", "&lt;think&gt;"]
)
def test_a_draft_in_a_thought_is_no_rating(items, ml100k, tag) -> None:
    with pytest.raises(ModelError) as failed:
        read_ratings(f"{tag}Draft: {DRAFT} but", items, ml100k.scale)
    assert failed.value.kind == "invalid"


TWO = {
    "draft-first": f"{DRAFT}\nHmm, too harsh. So:\n{GOOD}",
    "draft-is-json-answer-is-not": f"{DRAFT}\nSo:\n{re.sub(r'([}])', r',}', GOOD)}",
    "answer-cut-off": f"{DRAFT}\nHmm, too harsh. So:\n{GOOD[:60]}",
    "answer-cut-off-early": f'{DRAFT}\nSo:\n{{"ratings": [{{"item_id": 1',
    "both-in-one": json.dumps({"draft": json.loads(DRAFT), "final": json.loads(GOOD)}),
    "one-name-twice": f'{{"ratings": {json.dumps(json.loads(DRAFT)["ratings"])}, {GOOD[1:]}',
    "list-and-object": f"{json.dumps(json.loads(DRAFT)['ratings'])} or rather {GOOD}",
    "unclosed-draft": f"{DRAFT[:-2]}\nNo.\n{GOOD}",
    "python-draft": f"{json.loads(DRAFT)!r} then {GOOD}",
}


@pytest.mark.parametrize("text", TWO.values(), ids=TWO)
def test_two_different_answers_are_none(items, ml100k, text) -> None:
    with pytest.raises(ModelError, match=TWO_ANSWERS) as failed:
        read_ratings(text, items, ml100k.scale)
    assert failed.value.kind == "invalid"


def test_two_different_updates_are_none(batch, update) -> None:
    other = update.replace("Enjoys films", "Hates films")
    for text in (
        f"{other} no: {update}",
        f"{other} no: {update[:50]}",
        json.dumps({"a": json.loads(other), "b": json.loads(update)}),
    ):
        with pytest.raises(ModelError, match=TWO_ANSWERS):
            read_update(text, "A.", batch)
    stray = f'The movie {{"item_id": 1, "title": "x"}} is not there. {update}'
    assert read_update(stray, "A.", batch) == read_update(update, "A.", batch)


AMBIGUOUS = {
    "rating-twice": '{"ratings": [{"item_id": 1, "rating": 1, "rating": 4}]}',
    "two-numbers": '{"ratings": [{"item_id": 1, "rating": 4 5}]}',
    "rating-twice-mended": '{"ratings": [{"item_id": 1, "rating": 1, "rating": 4,}]}',
    "two-spellings": '{"ratings": [{"item_id": 1, "Rating": 1, "rating": 4}]}',
    "id-twice": '{"ratings": [{"item_id": 50, "item_id": 1, "rating": 4}]}',
    "word-behind": '{"ratings": [{"item_id": 1, "rating": 4 minus one}]}',
}


@pytest.mark.parametrize("text", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_an_ambiguous_rating_is_missing(items, ml100k, text) -> None:
    assert read_ratings(text, items, ml100k.scale)[0].rating is None


@pytest.mark.parametrize("depth", [100, 1_400, 50_000])
@pytest.mark.parametrize("bracket", ["[", "{", '{"a":', '{"ratings":[', '[{"item_id":'])
def test_runaway_brackets_are_an_invalid_answer(items, ml100k, batch, depth, bracket) -> None:
    for text in (bracket * depth, '{"ratings":' + bracket * depth, bracket * depth + "]" * depth):
        with pytest.raises(ModelError) as failed:
            read_ratings(text, items, ml100k.scale)
        assert failed.value.kind == "invalid"
        with pytest.raises(ModelError):
            read_update(text, "A.", batch)


def test_of_an_answer_that_was_cut_off_complete_ratings_count(items, ml100k) -> None:
    cut = GOOD[: GOOD.index('"item_id": 172') + 40]
    assert [m.rating for m in read_ratings(cut, items, ml100k.scale)] == [4, 4, None]
    mended = cut.replace('"item_id": 50', "item_id: 50")
    assert [m.rating for m in read_ratings(mended, items, ml100k.scale)] == [4, None, None], "nothing cut off is mended"


def test_probabilities_stand_behind_the_thought(items, ml100k) -> None:
    """The draft's tokens are not the answer's."""
    text = f"<think>{DRAFT}</think>{GOOD}"
    tokens = [Token(m.start(), m[0], -0.1, ((m[0], -0.1),)) for m in re.finditer(r"\d|[^\d]+", text)]
    made = read_ratings(text, items, ml100k.scale, tokens)
    assert all(m.how == "tokens" and m.expected == pytest.approx(4) for m in made)


# ---- whatever a model may write -----------------------------------------------------------------------

SNIPPETS = st.sampled_from(
    [
        *(
            GOOD,
            DRAFT,
            GOOD[:70],
            GOOD[30:],
            '{"ratings": [',
            "]}",
            "}",
            "{",
            "[",
            '"',
            "'",
            "\\",
            ",",
            "// x\n",
            "/* ",
            "# ",
        ),
        *("null", "<think>", "</think>", "```json\n", "```", '{"item_id": 1, "rating": 2}', "\ud83d", "\0", "\n", " "),
        *(
            '{"item_id": 50, "rating": "3 stars"',
            "'item_id': 172, 'rating': 5",
            '"rating": 4',
            '"item_id": 1',
            "rating: 3",
        ),
        *("four", "★★★☆☆", "5/5", "1e999", "NaN"),
    ]
)


def _spoilt(data: st.DataObject) -> str:
    text = data.draw(st.sampled_from([GOOD, DRAFT, json.dumps(ROWS), repr({"ratings": ROWS})]))
    for _ in range(data.draw(st.integers(0, 4))):
        at, length = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 12))
        text = text[:at] + data.draw(st.one_of(SNIPPETS, st.text(max_size=4))) + text[at + length :]
    return text


FENCED_NAMES = [
    '{"ratings": [{"```json\n50, "rating": 4, "r```x"}, {"item_id": 172, "rating": 5, "reason": "x"}]}',
    """{'```json\n: [{'itefour0, 'rating': 4, 'reason'}, y'"{'item_id': 172, 'rating': 2```n': 'x'}]}""",
    '[{"item_id": 50, "rating": 4}, {"item_id": 1, , "```json\n.5, "r```"}]',
    '{"a": {"```json\n[1, 2]```": 3}',
]
"""Fences inside of names, on which the repairing library fails an assertion of its own."""


@pytest.mark.parametrize("text", FENCED_NAMES)
def test_whatever_the_repairing_library_raises_is_no_answer(text) -> None:
    found, _ = candidates(text)
    assert all(isinstance(candidate.value, dict | list) for candidate in found)


@settings(max_examples=3000)
@given(st.data())
def test_any_text_gives_ratings_that_stand_in_it_or_an_invalid_answer(ml100k, items, batch, data) -> None:
    text = data.draw(st.one_of(st.lists(SNIPPETS, max_size=8).map("".join), st.builds(lambda: _spoilt(data))))
    try:
        made = read_ratings(text, items, ml100k.scale)
    except ModelError as error:
        assert error.kind == "invalid"
        made = ()
    for m in made:
        m.reason.encode()
        assert (m.rating is None) == bool(m.failure)
        if m.rating is not None:
            beside = [text[max(at.start() - 60, 0) : at.end() + 120] for at in re.finditer(str(m.item_id), text)]
            assert any(_is_written(m.rating, part) for part in beside), (m, text)
    try:
        read_update(text, "A.", batch)
    except ModelError as error:
        assert error.kind == "invalid"


def _is_written(rating: float, text: str) -> bool:
    """Whether a number stands in a text: as a digit, as a word, or as stars."""
    words = "zero one two three four five".split()
    stars = [len(run) for run in re.findall("★+", text)]
    return f"{rating:g}" in text or words[int(rating)] in text.lower() or rating in stars


@settings(max_examples=400)
@given(st.text(alphabet="{}[]\"',:\\/ #*item_idratng0145\n", max_size=200))
def test_reading_never_fails(text) -> None:
    found, _ = candidates(prepare(text))
    assert all(text[c.start] in "{[" and c.end <= len(text) for c in found)
