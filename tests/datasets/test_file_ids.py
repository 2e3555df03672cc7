"""Ids are the files' ids: one odd one changes no other, and they are shown and taken as they are written."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lusifer import datasets
from lusifer.errors import DatasetError, UnknownIdError
from tests.datasets.tables import ITEMS, RATINGS, accept, lines, rating_of, ratings, title_of, write

ODD = ["tt0114709", "12.0", "-1", "1e3", "00012", "0x10", "٣", "1,5", "twelve", "99999999999"]


def release(folder: Path, odd_rating: tuple[object, ...], *, dat: bool) -> Path:
    """A folder in MovieLens' clothes, the films far from 1, with one rating more."""
    rows = [*((u, 100 + i, r, t) for u, i, r, t in RATINGS), odd_rating]
    films = [(100 + i, f"Film {100 + i} (1990)", "Drama") for i in ITEMS]
    if dat:
        people = [(u, "F", 25, 3, "00000") for u in range(1, 7)]
        tables = {"ratings__dat": rows, "movies__dat": films, "users__dat": people}
        return write(folder, **{n: lines((), table, "::") for n, table in tables.items()})
    return write(
        folder,
        ratings__csv=lines(("userId", "movieId", "rating", "timestamp"), rows),
        movies__csv=lines(("movieId", "title", "genres"), films),
    )


@pytest.mark.parametrize("dat", [False, True], ids=["csv", "dat"])
@pytest.mark.parametrize("odd", [o for o in ODD if "," not in o])
@pytest.mark.parametrize("place", [0, 1], ids=["user", "item"])
def test_an_odd_id_in_a_release_is_left_out_and_renumbers_nothing(
    tmp_path: Path, dat: bool, odd: str, place: int
) -> None:
    row: list[object] = [1, 101, 3, 5]
    row[place] = odd
    data = datasets.load(str(release(tmp_path / "x", tuple(row), dat=dat)), tmp_path)
    assert len(data.ratings) == len(RATINGS) and data.report.read == len(RATINGS) + 1
    assert data.report.problems["id"].count == 1 and data.report.problems["id"].examples[0][2] == odd
    for user, item, rating, _ in RATINGS:
        assert rating_of(data, user, 100 + item) == rating
    assert [title_of(data, 100 + i) for i in ITEMS] == [f"Film {100 + i} (1990)" for i in ITEMS]
    if dat:
        assert data.user(1).gender == "F" and data.user(6).gender == "F"


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_id_in_own_tables_keeps_its_text_and_changes_no_other(tmp_path: Path, odd: str) -> None:
    table = ratings(item=lambda i: 100 + i) + f'{7},"{odd}",4,5\n"{odd}",101,2,6\n'
    items = lines(("item_id", "title"), [(100 + i, f"Thing {100 + i}") for i in ITEMS])
    data = accept(write(tmp_path / "x", ratings__csv=table, items__csv=items))
    assert len(data.ratings) == len(RATINGS) + 2
    assert rating_of(data, 7, odd) == 4 and rating_of(data, odd, 101) == 2
    assert title_of(data, odd) == f"Item {odd}", "what is not described is called by the id of the files"
    for user, item, rating, _ in RATINGS:
        assert data.find_item(100 + item) == 100 + item and rating_of(data, user, 100 + item) == rating
    assert [title_of(data, 100 + i) for i in ITEMS] == [f"Thing {100 + i}" for i in ITEMS]
    assert data.item_label(data.find_item(odd)) == odd and data.user_label(data.find_user(odd)) == odd


@pytest.mark.parametrize(
    ("user", "item"),
    [
        (lambda u: f"A{u}", lambda i: f"{i:010d}"),  # as reviews of products
        (lambda u: f"{u:03d}", lambda i: f"tt{i:07d}"),
        (lambda u: f"u {u}", lambda i: f"B-{i}/é"),
        (lambda u: 10**12 + u, lambda i: f"{i}.0"),
    ],
)
def test_ids_are_taken_and_shown_as_the_files_have_them(tmp_path: Path, user, item) -> None:
    items = lines(("item_id", "title"), [(item(i), f"Thing with {item(i)}") for i in ITEMS])
    data = accept(write(tmp_path / "x", ratings__csv=ratings(user, item), items__csv=items))
    for u, i, rating, _ in RATINGS:
        assert rating_of(data, user(u), item(i)) == rating and title_of(data, item(i)) == f"Thing with {item(i)}"
    assert [data.item_label(int(i)) for i in data.items.index] == [str(item(i)) for i in ITEMS]
    for internal in (int(data.items.index[0]), 1):
        if str(internal) not in data.item_numbers:
            with pytest.raises(UnknownIdError, match=f"no item {internal} "):
                data.find_item(str(internal))


def test_ids_that_are_not_there_are_named_with_near_ones(tmp_path: Path) -> None:
    table = ratings(lambda u: f"Ann{u}", lambda i: f"{i:010d}")
    data = accept(write(tmp_path / "x", ratings__csv=table))
    for wanted, near in (("9", "0000000009"), ("000000009", "0000000009"), ("0000000O09", "0000000009")):
        with pytest.raises(UnknownIdError, match=f"no item {wanted} .*{near}"):
            data.find_item(wanted)
    with pytest.raises(UnknownIdError, match="no user ann3 .*Ann3"):
        data.find_user("ann3")
    with pytest.raises(UnknownIdError, match="no user Xaver .*such as"):
        data.find_user("Xaver")


def test_numbers_are_told_with_their_range(ml100k) -> None:
    assert ml100k.find_user("405") == 405 and ml100k.user_label(405) == 405
    with pytest.raises(UnknownIdError, match=r"no user 9999 in MovieLens 100K. User ids range from 1 to 943."):
        ml100k.find_user("9999")


@settings(max_examples=25)
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"), exclude_characters='",'), min_size=1),
        st.integers(1, 5),
        min_size=2,
        max_size=12,
    )
)
def test_any_text_is_an_id(found: dict[str, int]) -> None:
    import tempfile

    from lusifer.datasets.id_encoder import MISSING

    ids = {k: v for k, v in found.items() if k not in MISSING and k == k.strip()}
    if len(set(ids.values())) < 2:
        return
    with tempfile.TemporaryDirectory() as name:
        table = lines(("user_id", "item_id", "rating"), [("u", f'"{k}"', v) for k, v in ids.items()])
        data = accept(write(Path(name) / "x", ratings__csv=table), scale=(1, 5, 1))
        assert {
            str(data.item_label(int(i))): r for i, r in zip(data.ratings.item, data.ratings.rating, strict=True)
        } == ids


def test_half_of_the_ids_being_no_numbers_is_no_movielens(tmp_path: Path) -> None:
    rows = [(u, f"tt{i}", r, t) for u, i, r, t in RATINGS]
    films = [(f"tt{i}", f"Film {i} (1990)", "Drama") for i in ITEMS]
    folder = write(
        tmp_path / "x",
        ratings__csv=lines(("userId", "movieId", "rating", "timestamp"), rows),
        movies__csv=lines(("movieId", "title", "genres"), films),
    )
    with pytest.raises(DatasetError, match="data map"):
        datasets.load(str(folder), tmp_path)
    assert title_of(accept(folder), "tt7") == "Film 7 (1990)"


@pytest.mark.parametrize("layout", ["100k", "csv", "own"])
def test_items_that_stand_twice_are_told(tmp_path: Path, layout: str, request: pytest.FixtureRequest) -> None:
    if layout == "100k":
        data = request.getfixturevalue("ml100k")
        assert len(data.duplicate_items) == 18 and data.duplicate_items[268] == 246
        assert data.report.problems["duplicate"].count == 18
        assert "Chasing Amy (1997): 246 and 268" in "".join(data.report.lines)
        return
    titles = ["Emma (1996)", "Emma (1996)", "Emma (2020)", "EMMA (1996)", "Dune (1984)"]
    films = [(100 + i, titles[i - 1] if i <= 5 else f"Film {i} (1990)", "Drama") for i in ITEMS]
    if layout == "csv":
        write(tmp_path / "x", movies__csv=lines(("movieId", "title", "genres"), films))
        header = ("userId", "movieId", "rating", "timestamp")
        data = datasets.load(
            str(write(tmp_path / "x", ratings__csv=ratings(item=lambda i: 100 + i, header=header))), tmp_path
        )
    else:
        write(tmp_path / "x", items__csv=lines(("item_id", "title", "genres"), films))
        data = accept(write(tmp_path / "x", ratings__csv=ratings(item=lambda i: 100 + i)))
    assert data.duplicate_items == {102: 101, 104: 101} and data.report.problems["duplicate"].count == 2
