"""Readers: both layouts, and everything that can be wrong with a file."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lusifer import datasets
from lusifer.datasets import movielens
from lusifer.datasets.dataset import RatingScale, RatingTable
from lusifer.datasets.titles import canonical, canonical_genres
from lusifer.errors import DatasetError, DatasetMissingError, InvalidInputError, UnknownIdError
from tests.conftest import link, write_tiny


def test_ml100k_is_whole(ml100k):
    assert (len(ml100k.users), len(ml100k.items), len(ml100k.ratings)) == (943, 1682, 100_000)
    assert ml100k.scale == RatingScale(1, 5, 1)
    assert ml100k.item(172).title == "The Empire Strikes Back (1980)"
    assert ml100k.item(172).genres == ("Action", "Adventure", "Drama", "Romance", "Sci-Fi", "War")
    assert ml100k.user(1).description == "a 24-year-old male technician"
    assert ml100k.item(267).genres == () and ml100k.item(267).year is None


def test_both_sources_give_the_same_data(grouplens: Path, recbole: Path):
    a, b = movielens.read(grouplens), movielens.read(recbole)
    assert a.ratings.hash == b.ratings.hash == datasets.DATASET_SPECS["ml-100k"].ratings_hash
    assert a.items.equals(b.items)
    assert a.users.equals(b.users)


def test_second_load_maps_the_columnar_copy(source: Path, tmp_path: Path):
    link(tmp_path / "ml-100k", source)
    first = datasets.load("ml-100k", tmp_path)
    second = datasets.load("ml-100k", tmp_path)
    assert len(list((tmp_path / ".prepared" / "ml-100k").glob("ratings-*.arrow"))) == 1
    assert first.hash == second.hash and first.items.equals(second.items)
    assert np.array_equal(first.ratings.rating, second.ratings.rating)
    assert not second.ratings.rating.flags.writeable  # mapped from the file, not read into memory
    assert first.user_stats["favourite_genre"].tolist() == second.user_stats["favourite_genre"].tolist()


def test_an_unwritable_data_folder_only_costs_time(source: Path, tmp_path: Path):
    link(tmp_path / "ml-100k", source)
    (tmp_path / ".prepared").write_text("a file where the folder should be")
    assert len(datasets.load("ml-100k", tmp_path).ratings) == 100_000


def test_order_is_time_then_item(ml100k):
    r = ml100k.ratings.of_user(405)
    keys = list(zip(r.timestamp.tolist(), r.item.tolist(), strict=True))
    assert keys == sorted(keys) and len(keys) == 737


def test_unknown_ids_say_what_is_known(ml100k):
    with pytest.raises(UnknownIdError, match=r"no user 9999.*1 to 943"):
        ml100k.user(9999)
    with pytest.raises(UnknownIdError, match="no movie 0"):
        ml100k.item(0)


def test_missing_and_unknown_data_sets(tmp_path: Path):
    with pytest.raises(DatasetMissingError, match="data fetch ml-100k"):
        datasets.load("ml-100k", tmp_path)
    with pytest.raises(InvalidInputError, match="no dataset 'nope'"):
        datasets.load("nope", tmp_path)


RATINGS = [(1, 1, 5, 10), (1, 2, 3, 20), (2, 1, 1, 5)]


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_tiny(tmp_path / "tiny", RATINGS, users=2, items=3)


def test_a_folder_by_path(tiny: Path, tmp_path: Path):
    data = datasets.load(str(tiny), tmp_path)
    assert len(data.ratings) == 3 and data.item(1).title == "The Film 1 (1961)"


@pytest.mark.parametrize(
    ("file", "change", "says"),
    [
        ("u.data", lambda t: t.replace("1\t2\t3\t20", "1\t2\tx\t20"), "line 2: rating is 'x'"),
        ("u.data", lambda t: t.replace("\t10", "\t"), "line 1: timestamp is ''"),
        ("u.data", lambda t: t.replace("1\t2\t3\t20", "1\t2\t3\t20\t9\t9"), "can't be read"),
        (
            "u.data",
            lambda t: t.replace("2\t1\t1\t5", "2.5\t1\t1\t5"),
            "user_id is not a whole number",
        ),
        ("u.data", lambda t: t.replace("1\t2\t3\t20", "1\t2\t9\t20"), "scale is 1 to 5"),
        ("u.data", lambda t: t.replace("2\t1\t1\t5", "7\t1\t1\t5"), "ratings of user 7"),
        (
            "u.data",
            lambda t: t.replace("2\t1\t1\t5\n", ""),
            "holds 2 ratings, but its u.info says 3",
        ),
        ("u.data", lambda t: "", "is empty"),
        ("u.user", lambda t: t.replace("student", "a|b", 1), "u.user, line 1"),
        ("u.item", lambda t: t[: len(t) // 2], "u.item, line"),
    ],
)
def test_damage_is_named(tiny: Path, file: str, change, says: str):
    path = tiny / file
    path.write_text(change(path.read_text(encoding="latin-1")), encoding="latin-1")
    with pytest.raises(DatasetError, match="(?s)" + says.replace("(", r"\(")):
        movielens.read(tiny)


def test_a_missing_part_is_named(tiny: Path):
    (tiny / "u.item").unlink()
    with pytest.raises(DatasetError, match=r"u\.item is missing"):
        movielens.read(tiny)


def test_a_half_downloaded_ml100k_is_refused(source: Path, tmp_path: Path):
    folder = tmp_path / "ml-100k"
    shutil.copytree(source, folder)
    for file in folder.iterdir():
        file.chmod(0o644)
    data = next(p for p in folder.iterdir() if p.name in {"u.data", "ml-100k.inter"})
    raw = data.read_bytes()
    data.write_bytes(raw[: raw.rindex(b"\n", 0, 1_000_000) + 1])
    with pytest.raises(DatasetError, match=r"holds .* ratings.*half-downloaded"):
        datasets.load("ml-100k", tmp_path)


def test_an_altered_ml100k_is_refused(source: Path, tmp_path: Path):
    folder = tmp_path / "ml-100k"
    shutil.copytree(source, folder)
    data = next(p for p in folder.iterdir() if p.name in {"u.data", "ml-100k.inter"})
    data.chmod(0o644)
    data.write_bytes(data.read_bytes().replace(b"196\t242\t3\t", b"196\t242\t4\t", 1))
    with pytest.raises(DatasetError, match="hash differs"):
        datasets.load("ml-100k", tmp_path)


rows = st.lists(
    st.tuples(st.integers(1, 50), st.integers(1, 50), st.sampled_from([0.5, 1, 3, 4.5, 5]), st.integers(0, 10**9)),
    min_size=1,
    max_size=60,
    unique_by=lambda r: (r[0], r[1]),
)


@given(rows, st.randoms())
def test_a_table_is_the_same_from_any_order(rows, random):
    shuffled = rows[:]
    random.shuffle(shuffled)
    a = RatingTable.from_arrays(*zip(*rows, strict=True))
    b = RatingTable.from_arrays(*zip(*shuffled, strict=True))
    assert a.hash == b.hash
    for user in {r[0] for r in rows}:
        mine = a.of_user(user)
        assert sorted(mine.item.tolist()) == sorted(r[1] for r in rows if r[0] == user)
        assert (np.diff(mine.timestamp) >= 0).all()
    assert len(a.of_user(51)) == 0


@given(rows)
@settings(max_examples=25)
def test_csv_files_come_back_as_written(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "r.csv"
    lines = ["user_id,item_id,rating,timestamp", *(",".join(map(str, r)) for r in rows)]
    path.write_text("\n".join(lines))
    table = movielens.read_ratings(path, separator=",", header=True)
    assert table.hash == RatingTable.from_arrays(*zip(*rows, strict=True)).hash


@given(st.floats(-10, 10), st.sampled_from([RatingScale(1, 5, 1), RatingScale(0.5, 5, 0.5)]))
def test_nearest_is_on_the_scale(value: float, scale: RatingScale):
    near = scale.nearest(value)
    assert scale.contains(near) and abs(near - float(scale.clip(value))) <= scale.step / 2 + 1e-9


@pytest.mark.parametrize(
    ("raw", "year", "title"),
    [
        ("Usual Suspects, The (1995)", None, "The Usual Suspects (1995)"),
        ("Usual Suspects, The", "1995", "The Usual Suspects (1995)"),
        ("Heidi Fleiss: Hollywood Madam (1995) ", None, "Heidi Fleiss: Hollywood Madam (1995)"),
        ("Postino, Il", 1994, "Il Postino (1994)"),
        (
            "Shanghai Triad (Yao a yao yao dao waipo qiao) (1995)",
            None,
            "Shanghai Triad (Yao a yao yao dao waipo qiao) (1995)",
        ),
        ("Land Before Time III (1995) (V)", None, "Land Before Time III (1995)"),
        ("Avventura, L' (L'Avventura) (1960)", None, "L'Avventura (L'Avventura) (1960)"),
        ("unkonwn", "unkonwn", "unknown"),
        ("unknown", None, "unknown"),
        ("1-900 (1994)", None, "1-900 (1994)"),
    ],
)
def test_titles(raw: str, year, title: str):
    assert canonical(raw, year)[0] == title


@given(st.text(max_size=40), st.one_of(st.none(), st.integers(1900, 2030)))
def test_a_canonical_title_stays_so(title: str, year):
    once = canonical(title, year)
    assert canonical(*once) == once or canonical(once[0])[1] == once[1]


def test_genres_have_one_spelling():
    assert canonical_genres(["Drama", "Children's", "Children", "unknown"]) == ("Children", "Drama")
