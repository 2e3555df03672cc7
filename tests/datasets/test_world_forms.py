"""Files as the world publishes them: every rating is read as it is meant, or the reason is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lusifer.datasets import custom_tables
from lusifer.datasets.id_encoder import clean_id
from lusifer.datasets.rating_texts import read_ratings_column
from lusifer.datasets.timestamps import guess_time_form, read_times
from lusifer.errors import DatasetError, InvalidInputError
from tests.datasets.tables import ITEMS, RATINGS, USERS, accept, lines, rating_of, title_of, write

HEADER = ("user_id", "item_id", "rating", "timestamp")


def written(rating: Callable[[int, int, int], object], header: tuple[str, ...] = HEADER) -> str:
    """The ratings, each as a function of user, item and rating writes it."""
    return lines(header, [(u, i, rating(u, i, r), t) for u, i, r, t in RATINGS])


FORMS: dict[str, tuple[Callable[[int, int, int], object], Callable[[int, int, int], float]]] = {
    "4/5": (lambda u, i, r: f"{r}/5", lambda u, i, r: r),
    "3.5 / 10": (lambda u, i, r: f"{r + 0.5} / 10", lambda u, i, r: r + 0.5),
    "4 out of 5 stars": (lambda u, i, r: f"{r} out of 5 stars", lambda u, i, r: r),
    "4.0 of 5": (lambda u, i, r: f"{r}.0 of 5", lambda u, i, r: r),
    "half stars": (
        lambda u, i, r: "★" * r + ("½" if r < 5 and i % 2 else ""),
        lambda u, i, r: r + 0.5 * (r < 5 and i % 2),
    ),
    "empty stars": (lambda u, i, r: "★" * r + "☆" * (5 - r), lambda u, i, r: r),
    "emoji stars": (lambda u, i, r: "⭐" * r, lambda u, i, r: r),
    "4 stars": (lambda u, i, r: f"{r} star{'s' * (r > 1)}", lambda u, i, r: r),
    "80%": (lambda u, i, r: f"{20 * r}%", lambda u, i, r: 20 * r),
    "60 %": (lambda u, i, r: f"{20 * r} %", lambda u, i, r: 20 * r),
    "true": (lambda u, i, r: str(r > 3).lower(), lambda u, i, r: r > 3),
    "yes": (lambda u, i, r: "Yes" if r > 3 else "No", lambda u, i, r: r > 3),
    "like": (lambda u, i, r: "like" if r > 3 else "dislike", lambda u, i, r: r > 3),
    "thumbs": (lambda u, i, r: "Thumbs Up" if r > 3 else "thumbs down", lambda u, i, r: r > 3),
    "arabic": (lambda u, i, r: "٠١٢٣٤٥"[r], lambda u, i, r: r),
    "full-width": (lambda u, i, r: "０１２３４５"[r], lambda u, i, r: r),
}


@pytest.mark.parametrize("form", FORMS)
def test_ratings_written_as_texts_are_read_as_they_are_meant(tmp_path: Path, form: str) -> None:
    write_rating, meant = FORMS[form]
    data = accept(write(tmp_path / "x", ratings__csv=written(write_rating)))
    assert len(data.ratings) == len(RATINGS) and not data.report.problems.get("number")
    assert all(rating_of(data, u, i) == pytest.approx(float(meant(u, i, r))) for u, i, r, _ in RATINGS)


@pytest.mark.parametrize(
    "write_rating",
    [
        lambda u, i, r: f"{r}/{5 + 5 * (i % 2)}",  # two denominators: no number says the same of both
        lambda u, i, r: "good",
        lambda u, i, r: f"between {r} and 5",
        lambda u, i, r: "",
        lambda u, i, r: f"2024-01-0{r}",
    ],
)
def test_ratings_that_say_no_number_are_not_guessed(tmp_path: Path, write_rating) -> None:
    folder = write(tmp_path / "x", ratings__csv=written(write_rating))
    with pytest.raises((InvalidInputError, DatasetError), match="no rating in rating is a number"):
        custom_tables.accept_mapping(folder, custom_tables.propose_mapping(folder))


@given(st.lists(st.one_of(st.text(max_size=8), st.integers(0, 9).map(lambda n: f"{n}/5")), min_size=1, max_size=30))
def test_any_text_is_a_number_or_none(texts: list[str]) -> None:
    values = read_ratings_column(pa.chunked_array([pa.array(texts, pa.string())]))
    assert len(values) == len(texts)
    for text, value in zip(texts, values.tolist(), strict=True):
        if text.endswith("/5") and text[:1].isdigit() and sum(t.endswith("/5") for t in texts) == len(texts):
            assert value == float(text[:-2])


TURNED: dict[str, Callable[[list[dict[str, Any]]], Any]] = {
    "columns-of-lists": lambda rows: {c: [row[c] for row in rows] for c in rows[0]},
    "columns-of-rows": lambda rows: {c: {str(n): row[c] for n, row in enumerate(rows)} for c in rows[0]},
    "rows-of-columns": lambda rows: {str(n): row for n, row in enumerate(rows)},
    "array": lambda rows: rows,
    "in-an-object": lambda rows: {"count": len(rows), "data": rows},
}


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("order", TURNED)
def test_json_in_the_orders_that_programs_write(tmp_path: Path, order: str, indent: int | None) -> None:
    rows = [{"user_id": u, "item_id": f"B{i}", "rating": r, "timestamp": t} for u, i, r, t in RATINGS]
    data = accept(write(tmp_path / "x", ratings__json=json.dumps(TURNED[order](rows), indent=indent)))
    assert [rating_of(data, u, f"B{i}") for u, i, _, _ in RATINGS] == [r for _, _, r, _ in RATINGS]


@pytest.mark.parametrize(
    "before",
    [
        "# exported yesterday\n",
        "# a, b\n# exported, 2024, by me, with care, and more\n\n",
        "% a comment\n%\n",
        "\n\n# one\n",
    ],
)
@pytest.mark.parametrize("mark", ["", "#", "# "])
@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_comments_before_a_table_are_none_of_it(tmp_path: Path, before: str, mark: str, separator: str) -> None:
    table = mark + lines(HEADER, RATINGS, separator)
    data = accept(write(tmp_path / "x", ratings__csv=before + table))
    assert len(data.ratings) == len(RATINGS) and rating_of(data, 3, 4) == 1 + 12 % 5


@pytest.mark.parametrize("mark", ["\ufeff", "\u200b", "\u2060", "\u200e", "\u00a0"])
def test_marks_that_nobody_sees_are_no_part_of_an_id(tmp_path: Path, mark: str) -> None:
    table = lines(
        HEADER, [(f"{mark}{u}" if u == i else u, f"{i}{mark if u == 2 else ''}", r, t) for u, i, r, t in RATINGS]
    )
    items = lines(("item_id", "title"), [(f"{mark}{i}", f"Thing {i}") for i in ITEMS])
    data = accept(write(tmp_path / "x", ratings__csv=table, items__csv=items))
    assert len(data.user_ids) == len(USERS) and len(data.items) == len(ITEMS) and clean_id(f" {mark} 7 ") == "7"
    assert all(rating_of(data, u, i) == r and title_of(data, i) == f"Thing {i}" for u, i, r, _ in RATINGS)


def test_a_mark_where_files_were_put_together_makes_no_other_user(tmp_path: Path) -> None:
    table = "\ufeff" + lines(HEADER, RATINGS[:20]) + "\ufeff" + lines((), RATINGS[20:])
    data = accept(write(tmp_path / "x", ratings__csv=table))
    assert len(data.ratings) == len(RATINGS) and "renumbered" not in data.report.problems


@pytest.mark.parametrize(
    ("cells", "unit", "first"),
    [
        (["41000.5", "41001", "45000.25"], "excel", "2012-04-01T12:00:00"),
        (["25569", "36526"], "excel", "1970-01-01"),
        (["41000.123456", "44000.9"], "excel", "2012-04-01T02:57:47"),
        (["0", "41000", "86000"], "s", "1970-01-01"),
        (["41000", "41000"], "s", "1970-01-01T11:23:20"),
        (["1400000000123", "1400000000999"], "ms", "2014-05-13T16:53:20"),
        (["1400000000123456", "1400000000999999"], "us", "2014-05-13T16:53:20"),
        (["1.4e9", "1400000001.5"], "s", "2014-05-13T16:53:20"),
    ],
)
def test_days_of_spreadsheets_are_told_from_seconds(cells: list[str], unit: str, first: str) -> None:
    form = guess_time_form(cells)
    seconds = read_times(pa.chunked_array([pa.array(cells)]), form)
    assert form.unit == unit and np.datetime64(int(seconds[0]), "s") == np.datetime64(first, "s")


def test_reviews_are_joined_by_the_column_that_the_other_table_describes(tmp_path: Path) -> None:
    """Reviews name a variant of a product and the product; the other table describes the products."""
    reviews = [
        {"rating": float(r), "title": "Five", "asin": f"V{i:09d}", "parent_asin": f"P{i:09d}", "user_id": f"A{u}"}
        | {"timestamp": 1000 * t, "verified_purchase": True, "images": []}
        for u, i, r, t in RATINGS
    ]
    meta = [
        {"main_category": "Toys", "title": f"Thing {i}", "parent_asin": f"P{i:09d}", "categories": ["Toys", "Games"]}
        for i in ITEMS
    ]
    files = {n: "".join(json.dumps(row) + "\n" for row in rows) for n, rows in (("r", reviews), ("meta", meta))}
    data = accept(write(tmp_path / "x", Toys__jsonl=files["r"], meta_Toys__jsonl=files["meta"]))
    assert all(rating_of(data, f"A{u}", f"P{i:09d}") == r for u, i, r, _ in RATINGS)
    assert title_of(data, "P000000007") == "Thing 7"
    assert {*data.item(data.find_item("P000000007")).genres} == {"Toys", "Games"}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("item", ["{}", "B{}", "{:07d}"])
def test_ratings_below_a_line_with_their_item(tmp_path: Path, end: str, item: str) -> None:
    """The form of the Netflix Prize."""
    text = ""
    for i in ITEMS:
        text += f"{item.format(i)}:{end}"
        text += "".join(f"{u},{r},2005-09-{1 + (u + i) % 28:02d}{end}" for u, j, r, _ in RATINGS if j == i)
    text += f"no rating{end}7,{end}"
    titles = "".join(f"{item.format(i)},{1990 + i},Thing {i}\n" for i in ITEMS)
    data = accept(write(tmp_path / "x", combined_data_1__txt=text, movie_titles__csv=titles))
    assert all(rating_of(data, u, item.format(i)) == r for u, i, r, _ in RATINGS)
    assert title_of(data, item.format(3)) == "Thing 3" and len(data.ratings) == len(RATINGS)
    assert data.report.problems["shape"].count == 2
    assert np.datetime64(int(data.ratings.timestamp.max()), "s") > np.datetime64("2005-09-01")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("jester.csv", lines((), [(3, 1.5, -2.25, 99, 99), (2, 99, 99, 4.5, 7.0), (1, 99, 8.1, 99, 99)])),
        (
            "behaviors.tsv",
            lines((), [(n, f"U{n}", "11/11/2019 9:05:58 AM", "N1 N2", "N3-1 N4-0") for n in range(9)], "\t"),
        ),
        (
            "user_artists.dat",
            lines(("userID", "artistID", "weight"), [(u, i, 100 * r) for u, i, r, _ in RATINGS], "\t"),
        ),
        ("ratings.csv", lines(("Const", "Your Rating", "Title"), [(f"tt{i}", r, "x") for _, i, r, _ in RATINGS])),
        ("ratings.csv", lines(("Name", "Year", "Rating"), [(f"Film {i}", 1990, r) for _, i, r, _ in RATINGS])),
    ],
)
def test_what_holds_no_ratings_of_users_says_which_column_is_missing(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(DatasetError, match=r"no (user|item|rating)|no line names"):
        custom_tables.propose_mapping(write(tmp_path / "x", **{name.replace(".", "__"): content}))


def test_a_rating_that_stands_for_none_is_asked_about(tmp_path: Path) -> None:
    """MyAnimeList writes −1 where somebody has watched and not rated."""
    folder = write(tmp_path / "x", rating__csv=written(lambda u, i, r: 2 * r if i % 4 else -1))
    with pytest.raises(InvalidInputError, match="not on a regular scale"):
        accept(folder)
    data = accept(folder, scale=(1, 10, 1))
    assert data.report.problems["scale"].count == sum(i % 4 == 0 for _, i, _, _ in RATINGS)
