"""Tables are joined by the ids in the files, measured by how many ratings find their item; nothing joins in silence."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lusifer import datasets
from lusifer.datasets import custom_tables, splits
from lusifer.errors import DatasetError, InvalidInputError
from tests.datasets.tables import ITEMS, RATINGS, accept, lines, rating_of, ratings, title_of, write

MOVIE = ("userId", "movieId", "rating", "timestamp")


def check(data, item=lambda i: i) -> None:
    """Every rating and title is that of its own item."""
    for user, i, rating, _ in RATINGS:
        assert rating_of(data, user, item(i)) == rating
    for i in ITEMS:
        assert title_of(data, item(i)) == f"Film {i}"


@pytest.mark.parametrize("column", ["tmdbId", "imdbId", "tmdb_id"])
@pytest.mark.parametrize("name", ["links.csv", "links_small.csv", "ids.csv"])
def test_a_links_table_is_the_way_where_there_is_one(tmp_path: Path, column: str, name: str) -> None:
    """The other ids are the same small numbers in another order: all ratings would meet, none their own film."""
    other = {i: 13 - i for i in ITEMS}
    described = "imdb_id" if column == "imdbId" else "id"
    written = {i: f"tt{other[i]:07d}" if column == "imdbId" else other[i] for i in ITEMS}
    folder = write(
        tmp_path / "x",
        ratings_small__csv=ratings(header=MOVIE),
        movies_metadata__csv=lines(
            (described, "title", "release_date", "genres"),
            [(written[i], f"Film {i}", "1995-10-30", "\"[{'id': 35, 'name': 'Comedy'}]\"") for i in ITEMS],
        ),
        **{
            name.replace(".", "__"): lines(
                ("movieId", column), [(i, f"{other[i]:07d}" if column == "imdbId" else other[i]) for i in ITEMS]
            )
        },
    )
    mapping = custom_tables.propose_mapping(folder)
    assert mapping.links is not None and (mapping.links.rated, mapping.links.described) == ("movieId", column)
    (join,) = custom_tables.preview_mapping(folder, mapping).joins
    assert (join.matched, join.total, join.links) == (72, 72, name)
    data = accept(folder)
    check(data)
    assert data.item(1).year == 1995 and data.item(1).genres == ("Comedy",)


@pytest.mark.parametrize(
    ("rated", "described", "item", "key"),
    [
        ("movieId", "movieId", lambda i: i, lambda i: i),
        ("movieId", "id", lambda i: 1000 + i, lambda i: 1000 + i),
        ("asin", "asin", lambda i: f"B{i:03d}", lambda i: f"B{i:03d}"),
        ("movie_id", "imdb_id", lambda i: 114700 + i, lambda i: f"tt0{114700 + i}"),
        ("movie_id", "id", lambda i: f"{i}.0", lambda i: i),
        ("item_id", "item_id", lambda i: i, lambda i: f"{i:05d}"),
    ],
)
def test_a_table_is_joined_by_the_column_whose_ids_meet(tmp_path: Path, rated: str, described: str, item, key) -> None:
    """A column of other ids, and a rank, stand before the right one."""
    rows = [(99_000 + 7 * i, key(i), f"Film {i}", 13 - i) for i in ITEMS]
    folder = write(
        tmp_path / "x",
        ratings__csv=ratings(item=item, header=("user_id", rated, "rating", "timestamp")),
        items__csv=lines(("other_id", described, "title", "rank"), rows),
    )
    mapping = custom_tables.propose_mapping(folder)
    assert mapping.items is not None and mapping.items.columns["id"] == described
    check(accept(folder), item)


def test_the_ratings_own_name_does_not_count_where_its_ids_do_not_meet(tmp_path: Path) -> None:
    """As in a list of books whose book_id is another site's: the ratings mean its id."""
    rows = [(i, 40_000 + 13 * i, f"Film {i}") for i in ITEMS]
    folder = write(
        tmp_path / "x",
        ratings__csv=ratings(header=("user_id", "book_id", "rating", "timestamp")),
        books__csv=lines(("id", "book_id", "title"), rows),
    )
    preview = custom_tables.preview_mapping(folder, custom_tables.propose_mapping(folder))
    assert (preview.joins[0].described, preview.joins[0].matched) == ("id", 72)
    assert any("two names" in n for n in preview.notes)
    check(accept(folder))


def test_numbers_that_would_become_one_are_not_compared_as_numbers(tmp_path: Path) -> None:
    items = [*((f"{i:04d}", f"Film {i}") for i in ITEMS), *((i, "Another") for i in ITEMS)]
    folder = write(
        tmp_path / "x",
        ratings__csv=ratings(item=lambda i: f"{i:04d}"),
        items__csv=lines(("item_id", "title"), items),
    )
    check(accept(folder), lambda i: f"{i:04d}")


@pytest.mark.parametrize("found", [0, 3, 6, 10])
def test_a_join_that_finds_too_few_is_told_and_not_accepted_without_a_word(tmp_path: Path, found: int) -> None:
    items = lines(("item_id", "title"), [(i if i <= found else 500 + i, f"Film {i}") for i in ITEMS])
    folder = write(tmp_path / "x", ratings__csv=ratings(), items__csv=items)
    mapping = custom_tables.propose_mapping(folder)
    preview = custom_tables.preview_mapping(folder, mapping)
    assert [(j.matched, j.total) for j in preview.joins] == [(6 * found, 72)]
    with pytest.raises(
        InvalidInputError, match=f"only {6 * found} of 72 ratings .* find their item by item_id = item_id"
    ):
        custom_tables.accept_mapping(folder, mapping)
    assert not (folder / custom_tables.MAPPING_FILE).exists()
    custom_tables.accept_mapping(folder, mapping, despite_concerns=True)
    data = datasets.load(str(folder), tmp_path)
    assert data.report.problems["unmatched"].count == 72 - 6 * found


GENRES = ["Drama", "Comedy", "War", "Noir"]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (("item_id", "title", "genre"), lambda i, n: (i, f"Film {i}", GENRES[n])),
        (("title", "genres", "item_id"), lambda i, n: (f"Film {i}", GENRES[n], i)),
        (("id", "title", "year", "category"), lambda i, n: (i, f"Film {i}", 1990, GENRES[n])),
        (("genre_id", "item_id", "title", "tags"), lambda i, n: (n, i, f"Film {i}", f"{GENRES[n]}|{GENRES[3]}")),
        (("column_item", "title", "overview", "genre"), lambda i, n: (i, f"Film {i}", f"About {i}", GENRES[n])),
    ],
)
def test_a_table_with_a_row_for_each_genre_is_joined(tmp_path: Path, header, row) -> None:
    rows = [row(i, n) for n in range(3) for i in ITEMS]
    data = accept(write(tmp_path / "x", ratings__csv=ratings(), items__csv=lines(header, rows)))
    check(data)
    assert data.item(5).genres in {("Comedy", "Drama", "War"), ("Comedy", "Drama", "Noir", "War")}
    assert "item-twice" not in data.report.problems


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (("slug", "title"), lambda i: (f"film-{i}", f"Film {i}")),
        (("handle", "title"), lambda i: (f"film-{i}", f"Film {i}")),
        (("title", "year"), lambda i: (f"Film {i}", 1990)),
        (("item_id", "title"), lambda i: (f"film-{i}", f"Film {i}")),
        (("item_id", "title", "language"), lambda i: (1 + i // 3, f"Film {i}", "en")),
        (("item_id", "title", "text"), lambda i: (1 + i // 3, "Film", f"Review {i}")),
        (("name", "country_code"), lambda i: (f"Film {i}", "de")),
    ],
)
def test_titles_that_are_left_out_are_not_lost_without_a_word(tmp_path: Path, header, row) -> None:
    folder = write(tmp_path / "x", ratings__csv=ratings(), items__csv=lines(header, [row(i) for i in range(1, 37)]))
    mapping = custom_tables.propose_mapping(folder)
    with pytest.raises(InvalidInputError, match=r"items\.csv has titles .*not read|only 0 of 72 ratings"):
        custom_tables.accept_mapping(folder, mapping)
    custom_tables.accept_mapping(folder, mapping, despite_concerns=True)
    folder = write(
        tmp_path / "y",
        ratings__csv=ratings(),
        films__csv=lines(("item_id", "title"), [(i, f"Film {i}") for i in ITEMS]),
        items__csv=lines(header, [row(i) for i in range(1, 37)]),
    )
    check(accept(folder))


def test_tables_of_other_things_are_left_out_as_before(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "x",
        ratings__csv=ratings(),
        tags__csv=lines(("user_id", "movie", "tag"), [(1, i, "good") for i in ITEMS]),
        people__csv=lines(("name", "age"), [(f"Ann {i}", 20 + i) for i in ITEMS]),
        trust__csv=lines(("user", "friend"), [(1, 2), (2, 3)]),
    )
    assert not custom_tables.preview_mapping(folder, custom_tables.propose_mapping(folder)).concerns
    accept(folder)


def test_a_preview_holds_what_a_person_must_see(tmp_path: Path) -> None:
    table = ratings() + "9,1,11,1400000000\n"
    items = lines(("item_id", "title"), [(i, f"Film {i}") for i in ITEMS])
    folder = write(tmp_path / "x", ratings__csv=table, items__csv=items, notes__json="no table", old__xlsx=b"PK")
    preview = custom_tables.preview_mapping(folder, custom_tables.propose_mapping(folder))
    assert preview.scale == (1, 11, 1) and preview.histogram[11] == 1 and sum(preview.histogram.values()) == 73
    assert preview.times[0] == ("1400086401", "2014-05-14 16:53:21")
    assert preview.span is not None and preview.span[0].startswith("2014-05-13")
    assert preview.rows["ratings"][0] == {"user": "1", "item": "1", "rating": "2", "time": "1400086401"}
    assert preview.rows["items"][0] == {"id": "1", "title": "Film 1"}
    assert preview.passed_over.keys() == {"notes.json", "old.xlsx"} and "Excel" in preview.passed_over["old.xlsx"]
    assert json.loads(json.dumps(preview.to_json()))["joins"][0]["share"] == 1
    assert "73 of 73 ratings (100 %) find their item by item_id = item_id" in preview.lines


# ---- other projects in MovieLens' clothes ----------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["dat", "csv"])
@pytest.mark.parametrize(
    "values", [range(11), range(1, 11), range(0, 101, 10), (-1, 0, 1), (1, 2, 3, 4, 5, 6, 7)], ids=str
)
def test_another_scale_is_another_project(tmp_path: Path, form: str, values) -> None:
    rows = [(u, i, values[(u + i) % len(values)], t) for u, i, _, t in RATINGS]
    films = [(i, f"Film {i}", "Drama|Comedy") for i in ITEMS]
    if form == "dat":
        folder = write(
            tmp_path / "x",
            ratings__dat=lines((), rows, "::"),
            movies__dat=lines((), films, "::"),
            users__dat=lines((), [(u, 1000 + u) for u in range(1, 7)], "::"),
        )
    else:
        folder = write(
            tmp_path / "x", ratings__csv=lines(MOVIE, rows), movies__csv=lines(("movieId", "title", "genres"), films)
        )
    assert datasets.detect_kind(folder) is None and datasets.folders_to_map(tmp_path) == [folder]
    data = accept(folder)
    assert len(data.ratings) == 72 and "scale" not in data.report.problems
    for u, i, rating, _ in rows:
        assert rating_of(data, u, i) == rating
    assert [title_of(data, i) for i in ITEMS] == [f"Film {i}" for i in ITEMS]
    assert data.item(data.find_item(1)).genres == ("Comedy", "Drama")


def test_a_scale_that_shows_late_is_not_read_as_stars(tmp_path: Path) -> None:
    """The file's two ends fit MovieLens: what lies between does not."""
    rows = [(u, i, 4, 10**9) for u in range(1, 1001) for i in range(1, 31)]
    rows[10_000:20_000] = [(u, i, 9, 10**9) for u, i, _, _ in rows[10_000:20_000]]
    films = [(i, f"Film {i} (1990)", "Drama") for i in range(1, 31)]
    folder = write(
        tmp_path / "x", ratings__csv=lines(MOVIE, rows), movies__csv=lines(("movieId", "title", "genres"), films)
    )
    with pytest.raises(DatasetError, match="looks like MovieLens and is not.*data map x"):
        datasets.load(str(folder), tmp_path)
    assert accept(folder, scale=(1, 10, 1)).report.kept == 30_000


def test_a_mapping_goes_before_recognition(tmp_path: Path) -> None:
    films = lines(("movieId", "title", "genres"), [(i, f"Film {i} (1990)", "Drama") for i in ITEMS])
    folder = write(tmp_path / "x", ratings__csv=ratings(header=MOVIE), movies__csv=films)
    assert datasets.detect_kind(folder) == "release"
    data = accept(folder, title="Mine", singular="play", plural="plays")
    assert (data.title, data.item_nouns) == ("Mine", ("play", "plays"))
    u_data = write(
        tmp_path / "y", u__data="1\t1\t3\t5\n", ratings__csv=ratings(), items__csv="item_id,title\n1,Film 1\n"
    )
    mapping = replace(custom_tables.propose_mapping(u_data), title="Also mine")
    custom_tables.accept_mapping(u_data, mapping, despite_concerns=True)
    assert datasets.load(str(u_data), tmp_path).title == "Also mine"


# ---- ratings in several files ----------------------------------------------------------------------------------------


def parts(names: list[str], write_one) -> dict[str, str]:
    """The ratings dealt out to files."""
    rng = random.Random(len(names))
    dealt = {n: [] for n in names}
    for row in RATINGS:
        dealt[rng.choice(names)].append(row)
    return {n.replace(".", "__"): write_one(rows) for n, rows in dealt.items()}


def recbole(rows) -> str:
    return lines(("user_id:token", "item_id:token", "rating:float", "timestamp:float"), rows, "\t")


def comma(rows) -> str:
    return lines(("user_id", "item_id", "rating", "timestamp"), rows)


@pytest.mark.parametrize(
    ("names", "write_one"),
    [
        (["x.train.inter", "x.valid.inter", "x.test.inter"], recbole),
        (["x.train.inter", "x.test.inter"], recbole),
        (["train.csv", "val.csv", "test.csv"], comma),
        (["ratings_train.csv", "ratings_dev.csv", "ratings_test.csv"], comma),
        (["Training-ratings.csv", "Testing-ratings.csv"], comma),
    ],
)
def test_files_of_a_split_are_read_together_and_as_a_split(tmp_path: Path, names: list[str], write_one) -> None:
    folder = write(tmp_path / "x", **parts(names, write_one))
    data = datasets.load(str(folder), tmp_path) if names[0].endswith(".inter") else accept(folder)
    assert len(data.ratings) == len(RATINGS) == data.report.read
    assert "provided" in splits.names(data) and "test files" in splits.describe("provided")
    split = splits.make(data, "provided")
    (test_name,) = [n for n in names if "test" in n.lower()]
    separator = "\t" if test_name.endswith("inter") else ","
    told = {tuple(row.split(separator)[:2]) for row in (folder / test_name).read_text().splitlines()[1:]}
    label = data.user_label, data.item_label
    assert {(str(label[0](u)), str(label[1](i))) for u, i in zip(split.test.user, split.test.item, strict=True)} == told
    assert len(split.train) + len(split.test) == len(RATINGS)


def test_other_test_files_are_another_split(tmp_path: Path) -> None:
    """A bug of old: what was stored of a split was taken for one of other test files."""
    ids = []
    for turn in (0, 1):
        files = parts(["train.csv", "valid.csv", "test.csv"], comma)
        if turn:
            files["train__csv"], files["test__csv"] = files["test__csv"], files["train__csv"]
        ids.append(splits.make(accept(write(tmp_path / str(turn) / "x", **files)), "provided").id)
    assert ids[0] != ids[1] and all(i.startswith("provided#") for i in ids)


def test_pieces_of_one_table_are_read_together(tmp_path: Path) -> None:
    folder = write(tmp_path / "x", **parts(["ratings_1.csv", "ratings_2.csv", "ratings_10.csv"], comma))
    mapping = custom_tables.propose_mapping(folder)
    assert mapping.ratings.files == ["ratings_1.csv", "ratings_2.csv", "ratings_10.csv"]
    assert len(accept(folder).ratings) == len(RATINGS)


def test_tables_that_are_not_read_are_named(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "x", ratings__csv=ratings(), ratings_small__csv=comma(RATINGS[:9]), x__inter=recbole(RATINGS[:5])
    )
    preview = custom_tables.preview_mapping(folder, custom_tables.propose_mapping(folder))
    assert preview.passed_over.keys() == {"ratings_small.csv", "x.inter"}
    assert all("ratings.csv" in why for why in preview.passed_over.values())


def test_atomic_files_without_ratings_are_not_ready(tmp_path: Path) -> None:
    folder = write(tmp_path / "x", x__inter="user_id:token\titem_id:token\ttimestamp:float\n1\t2\t3\n")
    assert datasets.list_datasets(tmp_path) == [] and datasets.folders_to_map(tmp_path) == [folder]
    with pytest.raises(DatasetError, match=r"x\.inter: no rating among user_id, item_id, timestamp"):
        custom_tables.propose_mapping(folder)


def test_atomic_files_whose_items_do_not_meet_ask_for_a_mapping(tmp_path: Path) -> None:
    items = lines(("item_id:token", "title:token_seq"), [(500 + i, f"Film {i}") for i in ITEMS], "\t")
    folder = write(tmp_path / "x", x__inter=recbole(RATINGS), x__item=items)
    with pytest.raises(DatasetError, match="72 of 72 ratings have an item that is described nowhere.*data map x"):
        datasets.load(str(folder), tmp_path)


def test_ratings_without_names_find_which_column_is_the_item(tmp_path: Path) -> None:
    rows = [(1000 + i, u, r, t) for u, i, r, t in RATINGS]
    films = lines((), [(1000 + i, f"Film {i}", "Drama") for i in ITEMS], "::")
    folder = write(tmp_path / "x", ratings__dat=lines((), rows, "::"), movies__dat=films)
    mapping = custom_tables.propose_mapping(folder)
    assert (mapping.ratings.columns["item"], mapping.ratings.columns["user"]) == ("column 1", "column 2")
    check(accept(folder), lambda i: 1000 + i)
    assert np.array_equal(datasets.load(str(folder), tmp_path).user_ids, list(range(1, 7)))
