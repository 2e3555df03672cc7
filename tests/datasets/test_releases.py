"""GroupLens' larger formats and anybody's tables: recognised by content, streamed, every kind of dirt reported."""

from __future__ import annotations

import json
import threading
import zipfile
from dataclasses import replace
from hashlib import md5
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lusifer import datasets
from lusifer.datasets import custom_tables, splits, table_reader
from lusifer.datasets import fetch as fetching
from lusifer.errors import CancelledError, DatasetError, InvalidInputError
from tests.conftest import TEST_DATA

RATINGS = [(1, 10, 4, 100), (1, 20, 3, 200), (2, 10, 5, 50), (2, 30, 1, 60), (3, 20, 2, 70)]
MOVIES = [
    (10, "Usual Suspects, The (1995)", "Crime|Thriller"),
    (20, "Am\u00e9lie (2001)", "Comedy"),
    (30, 'Say "Cheese", Please (1999)', "(no genres listed)"),
]


def one_m(folder: Path, rows=RATINGS) -> Path:
    """A folder as 1M comes: ``::``, latin-1, users with classes of age."""
    folder.mkdir(parents=True)
    (folder / "ratings.dat").write_text("".join("::".join(map(str, r)) + "\n" for r in rows))
    (folder / "movies.dat").write_text("".join(f"{i}::{t}::{g}\n" for i, t, g in MOVIES), encoding="latin-1")
    (folder / "users.dat").write_text("1::F::1::10::48067\n2::M::56::16::70072\n3::M::25::0::55117\n")
    return folder


def big(folder: Path, rows=RATINGS, *, bom: bool = False, end: str = "\n") -> Path:
    """A folder as 20M and later come: CSV with quotes, ``links.csv``."""
    folder.mkdir(parents=True)
    text = end.join(["userId,movieId,rating,timestamp", *(",".join(map(str, r)) for r in rows), ""])
    (folder / "ratings.csv").write_bytes((b"\xef\xbb\xbf" if bom else b"") + text.encode())
    quoted = [f'{i},"{t.replace(chr(34), chr(34) * 2)}",{g}' for i, t, g in MOVIES]
    (folder / "movies.csv").write_text("\n".join(["movieId,title,genres", *quoted]), encoding="utf-8")
    (folder / "links.csv").write_text("movieId,imdbId,tmdbId\n10,0114814,629\n20,0211915,\n")
    return folder


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LUSIFER_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def test_all_formats_say_the_same(root: Path) -> None:
    one_m(root / "anything")
    big(root / "whatever")
    big(root / "windows", bom=True, end="\r\n")
    found = [datasets.load(n) for n in ("anything", "whatever", "windows")]
    assert datasets.list_datasets() == ["anything", "whatever", "windows"]
    first = found[0]
    for data in found:
        assert data.ratings.hash == first.ratings.hash and len(data.ratings) == 5
        assert data.item(10).title == "The Usual Suspects (1995)" and data.item(10).year == 1995
        assert data.item(20).title == "Am\u00e9lie (2001)" and data.item(30).genres == ()
        assert data.item(30).title == 'Say "Cheese", Please (1999)'
        assert data.ratings.of_user(1).item.tolist() == [10, 20]
        assert any("without a genre" in x for x in data.report.lines)
    assert first.user(1).age == 17 and first.user(1).occupation == "K-12 student" and first.user(3).occupation == ""
    assert any("latin-1" in x for x in first.report.lines)
    assert found[1].items.loc[10, "tmdb_id"] == 629 and np.isnan(found[1].items.loc[20, "tmdb_id"])
    again = datasets.load("whatever")
    assert again.hash == found[1].hash and again.report.lines == found[1].report.lines


def test_half_stars_are_told_from_the_ratings(root: Path) -> None:
    big(root / "half", [*RATINGS, (3, 30, 0.5, 80)])
    assert datasets.load("half").scale.values[0] == 0.5
    assert datasets.load(str(big(root / "whole"))).scale.step == 1


def test_dirt_is_counted_located_and_never_dropped_in_silence(root: Path) -> None:
    rows = [
        *RATINGS,
        (1, 10, 2, 900),
        (4, 10, 9, 1),
        (4, 20, 3.3, 1),
        (4, 10, "five", 2),
        (5, 99, 4, 3),
        (6, 20, 4, ""),
        ("", 20, 4, 5),
        (7, 20, 4, 5, "and more"),
    ]
    big(root / "dirty", rows)
    data = datasets.load("dirty")
    found = {k: p.count for k, p in data.report.problems.items()}
    assert found == {
        "twice": 1,
        "scale": 2,
        "number": 1,
        "unknown-item": 1,
        "time": 1,
        "id": 1,
        "shape": 1,
        "genres": 1,
    }
    assert data.report.read == len(rows) - 1 and data.report.kept == len(data.ratings) == 7
    assert data.ratings.of_user(1).rating.tolist() == [3, 2], "the newest of a pair"
    assert data.item(99).title == "Movie 99" and data.ratings.of_user(6).timestamp.tolist() == [0]
    file, line, said = data.report.problems["number"].examples[0]
    assert (file, line, said) == ("ratings.csv", 10, "five")
    assert data.report.problems["scale"].examples[0][1:] == (8, "9")


def test_a_file_that_holds_nothing_says_so(root: Path) -> None:
    big(root / "empty", [])
    with pytest.raises(DatasetError, match="no usable rating"):
        datasets.load("empty")
    with pytest.raises(InvalidInputError, match="no dataset"):
        datasets.load("nowhere")
    with pytest.raises(CancelledError):
        datasets.load(str(big(root / "stopped")), cancelled=lambda: True)


@pytest.mark.parametrize("rows", [1, 3])
def test_a_separator_cut_by_a_block_is_put_together(tmp_path: Path, monkeypatch, rows: int) -> None:
    folder = one_m(tmp_path / "x", [(u, i, 1 + (u + i) % 5, u * i) for u in range(1, 40) for i in range(1, 40)])
    monkeypatch.setattr(table_reader, "BLOCK", 1024 + rows)
    from lusifer.datasets.data_quality import DataQualityReport

    source = table_reader.Source(folder / "ratings.dat", "::", ("u", "i", "r", "t"), quoted=False)
    report = DataQualityReport()
    seen = [r for line, block in table_reader.blocks(source, report) for r in block.to_pylist()]
    assert len(seen) == 39 * 39 and not report.problems
    assert [r["t"] for r in seen] == [str(u * i) for u in range(1, 40) for i in range(1, 40)]


def test_latest_small_is_whole(root: Path) -> None:
    if TEST_DATA is None or not (TEST_DATA / "ml-latest-small").is_dir():
        pytest.skip("needs GroupLens' own ml-latest-small (set LUSIFER_TEST_DATA)")
    data = datasets.load(str(TEST_DATA / "ml-latest-small"))
    assert data.title == "MovieLens latest-small" and data.scale.step == 0.5
    assert (len(data.users), len(data.items), len(data.ratings)) == (610, 9742, 100_836)
    assert {k: p.count for k, p in data.report.problems.items()} == {"genres": 34, "duplicate": 5}
    assert len(data.duplicate_items) == 5
    assert data.items["tmdb_id"].notna().sum() == 9742 - 8
    split = splits.make(data)
    assert len(split.test) == 6100
    from lusifer.simulator import StatisticalUserModel, evolve, make_evolution_spec

    model = StatisticalUserModel()
    assert len(list(evolve(data, split, model, make_evolution_spec(data, split, 1, model)))) == 4


# ---- fetching -----------------------------------------------------------------------------------------------


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch):
    """A server with archives as GroupLens has them."""
    folder = tmp_path / "shelf"
    folder.mkdir()

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *given, **named) -> None:
            super().__init__(*given, directory=str(folder), **named)

        def log_message(self, *args) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    monkeypatch.setenv("LUSIFER_MOVIELENS_URL", f"http://127.0.0.1:{http.server_port}/")
    yield folder
    http.shutdown()
    http.server_close()


def pack(folder: Path, name: str, source: Path) -> bytes:
    with zipfile.ZipFile(folder / f"{name}.zip", "w") as out:
        for path in source.iterdir():
            out.write(path, f"{name}/{path.name}")
        out.writestr(f"{name}/tags.csv", "userId\n")
        out.writestr("../outside.csv", "no")
    return (folder / f"{name}.zip").read_bytes()


def test_a_release_is_fetched_checked_and_read(root: Path, shelf: Path, tmp_path: Path) -> None:
    content = pack(shelf, "ml-latest-small", big(tmp_path / "x"))
    (shelf / "ml-latest-small.zip.md5").write_text(f"MD5 (ml-latest-small.zip) = {md5(content).hexdigest()}\n")
    told: list[str] = []
    folder = fetching.fetch("ml-latest-small", on_progress=lambda done, total, text: told.append(text))
    assert sorted(p.name for p in folder.iterdir()) == ["links.csv", "movies.csv", "ratings.csv"]
    assert len(datasets.load("ml-latest-small").ratings) == 5 and any("MB/s" in t for t in told)
    assert not list(root.glob(".fetch-*")) and not (root / "outside.csv").exists()
    assert fetching.fetch("ml-latest-small") == folder


def test_a_wrong_archive_is_not_taken(root: Path, shelf: Path, tmp_path: Path) -> None:
    pack(shelf, "ml-1m", one_m(tmp_path / "x"))
    with pytest.raises(DatasetError, match="MD5"):
        fetching.fetch("ml-1m")
    pack(shelf, "ml-latest", big(tmp_path / "y"))
    (shelf / "ml-latest.zip.md5").write_text("0" * 32)
    with pytest.raises(DatasetError, match="MD5"):
        fetching.fetch("ml-latest")
    with pytest.raises(DatasetError, match="could not be reached"):
        fetching.fetch("ml-32m")
    with pytest.raises(CancelledError):
        fetching.fetch("ml-latest", cancelled=lambda: True)
    left = [p for p in root.rglob("*") if p.is_file() and p.suffix != ".lock"]
    assert not left, "nothing half-made is left"


# ---- own tables ------------------------------------------------------------------------------------------------


ALBUMS = [
    ("B-1", "Kind of Blue", 1959, "Jazz; Modal"),
    ("B-2", "Blue Train", 1958, "Jazz"),
    ("B-3", "OK Computer", 1997, "Rock"),
]
HEARD = [
    ("ann", "B-1", 10, "2024-05-01 10:00:00"),
    ("ann", "B-3", 2, "2024-05-02"),
    ("bob", "B-1", 8, "2023-01-01"),
    ("bob", "B-2", 6, "2023-01-02"),
    ("cy", "B-9", 4, "nonsense"),
]


def write_albums(folder: Path, form: str) -> Path:
    folder.mkdir(parents=True)
    frames = {
        "listens": pd.DataFrame(HEARD, columns=["listener", "album_id", "stars", "date"]),
        "albums": pd.DataFrame(ALBUMS, columns=["album_id", "album", "released", "style"]).assign(
            description="A record."
        ),
    }
    for name, frame in frames.items():
        if form == "csv":
            frame.to_csv(folder / f"{name}.csv", index=False)
        elif form == "semicolon":
            frame.to_csv(folder / f"{name}.csv", index=False, sep=";" if name == "listens" else "\t")
        elif form == "jsonl":
            frame.to_json(folder / f"{name}.jsonl", orient="records", lines=True)
        else:
            frame.to_parquet(folder / f"{name}.parquet")
    return folder


@pytest.mark.parametrize("form", ["csv", "semicolon", "jsonl", "parquet"])
def test_tables_of_another_domain_are_guessed_accepted_and_read(root: Path, form: str) -> None:
    folder = write_albums(root / "music", form)
    with pytest.raises(DatasetError, match="have not been mapped"):
        datasets.load("music")
    assert "music" not in datasets.list_datasets()
    guess = custom_tables.propose_mapping(folder)
    assert guess.ratings.columns == {"user": "listener", "item": "album_id", "rating": "stars", "time": "date"}
    assert guess.items is not None and guess.items.columns["title"] == "album"
    assert (guess.singular, guess.plural, guess.unit, guess.separator) == ("album", "albums", "date", ";")
    custom_tables.save_mapping(folder, guess)
    data = datasets.load("music")
    assert datasets.list_datasets() == ["music"] and data.item_nouns == ("album", "albums")
    assert data.scale.values.tolist() == [2, 4, 6, 8, 10]
    numbers = {e: n for n, e in data.items["external_id"].items()}
    blue = data.item(numbers["B-1"])
    assert (blue.title, blue.year, blue.genres) == ("Kind of Blue", 1959, ("Jazz", "Modal"))
    assert blue.details is not None and blue.details.overview == "A record."
    assert data.item(numbers["B-9"]).title.startswith("Album ")
    ann = next(n for n, e in data.users["external_id"].items() if e == "ann")
    mine = data.ratings.of_user(ann)
    assert mine.rating.tolist() == [10, 2] and mine.timestamp[1] > mine.timestamp[0] > 1_700_000_000
    kinds = set(data.report.problems)
    assert {"renumbered", "time", "unknown-item"} <= kinds


def test_a_recipe_is_checked_and_changed(root: Path) -> None:
    folder = write_albums(root / "music", "csv")
    guess = custom_tables.propose_mapping(folder)
    with pytest.raises(InvalidInputError, match="no column for rating"):
        custom_tables.save_mapping(folder, custom_tables.with_columns(guess, {"ratings.rating": ""}))
    with pytest.raises(InvalidInputError, match="no role"):
        custom_tables.with_columns(guess, {"ratings.colour": "x"})
    custom_tables.save_mapping(folder, custom_tables.with_columns(guess, {"ratings.time": "", "items.genres": ""}))
    data = datasets.load("music")
    assert data.ratings.timestamp.tolist() == [0] * 5 and data.genres == ()
    custom_tables.save_mapping(folder, custom_tables.with_columns(guess, {"ratings.rating": "nowhere"}))
    with pytest.raises(DatasetError, match="no column 'nowhere'"):
        datasets.load("music")
    (folder / custom_tables.MAPPING_FILE).write_text(json.dumps({"format": 9}))
    with pytest.raises(DatasetError, match="can't be read"):
        datasets.load("music")
    with pytest.raises(DatasetError, match="users, items and ratings"):
        custom_tables.propose_mapping(root)


def test_times_are_told_by_their_size() -> None:
    assert [custom_tables.guess_time_unit([x]) for x in (1.7e9, 1.7e12, 1.7e15, 1.7e18, "2024-01-01", "")] == [
        "s",
        "ms",
        "us",
        "ns",
        "date",
        "s",
    ]


def test_recbole_files_of_another_domain_need_no_mapping(root: Path) -> None:
    folder = root / "books"
    folder.mkdir()
    (folder / "books.inter").write_text(
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\nu1\tb1\t5.0\t10\nu1\tb2\t3.0\t20\nu2\tb1\t4.0\t30\n"
    )
    (folder / "books.item").write_text(
        "item_id:token\ttitle:token_seq\tcategories:token_seq\nb1\tDune\tScience Fiction\nb2\tEmma\tClassics\n"
    )
    data = datasets.load("books")
    assert {data.item(int(i)).title for i in data.items.index} == {"Dune", "Emma"}
    assert len(data.ratings) == 3 and data.scale.values.tolist() == [3, 4, 5]


def test_lines_of_items_and_hard_ids_are_not_dropped_in_silence(root: Path) -> None:
    folder = root / "odd"
    folder.mkdir()
    pd.DataFrame({"user_id": [-5, 7, 7], "item_id": [1, 1, 2], "rating": [4, 5, 3], "timestamp": [1, 2, 3]}).to_parquet(
        folder / "ratings.parquet"
    )
    (folder / "items.csv").write_text('item_id,title\n1,"A title\nover two lines"\n2,Good, Bad\n3,\n')
    custom_tables.save_mapping(folder, custom_tables.propose_mapping(folder))
    data = datasets.load("odd")
    assert len(data.ratings) == 3 and set(data.users["external_id"]) == {"-5", "7"}
    assert data.item(1).title == "A title over two lines"
    found = {k: p.count for k, p in data.report.problems.items()}
    assert found["shape"] == 1 and found["item"] == 1 and found["unknown-item"] == 1


@pytest.mark.parametrize(
    "text",
    [
        "user_id,item_id,rating,rating\n1,2,3,4\n",
        "user_id,item_id,rating\n\u00b2,9999999999999999999999,4\n",
        "",
    ],
)
def test_hopeless_tables_say_why(root: Path, text: str) -> None:
    folder = root / "bad"
    folder.mkdir()
    (folder / "ratings.csv").write_text(text, encoding="utf-8")
    try:
        custom_tables.save_mapping(folder, custom_tables.propose_mapping(folder))
        datasets.load("bad")
    except DatasetError as error:
        assert error.fix
    assert datasets.is_prepared("bad") in {True, False}


def test_a_time_in_the_wrong_unit_is_told(root: Path) -> None:
    big(root / "late", [*RATINGS, (4, 10, 4, 10**18)])
    data = datasets.load("late")
    assert data.report.problems["time"].count == 1 and data.ratings.of_user(4).timestamp.tolist() == [0]


def test_fields_that_come_later_in_json_lines_are_no_error(root: Path, monkeypatch) -> None:
    folder = root / "later"
    folder.mkdir()
    lines = [{"user_id": u, "item_id": i, "rating": 1 + (u + i) % 5} for u in range(40) for i in range(20)]
    lines[-1]["vote"] = 7
    (folder / "ratings.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    monkeypatch.setattr(table_reader, "BLOCK", 4096)
    custom_tables.save_mapping(folder, custom_tables.propose_mapping(folder))
    assert len(datasets.load("later").ratings) == 800


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False], ids=["ended", "unended"])
def test_lines_are_those_of_the_file(root: Path, end: str, last: bool) -> None:
    """Behind lines of a wrong shape, empty lines and cells of several lines too."""
    folder = root / "music"
    folder.mkdir(parents=True)
    fine = ["listener,album_id,stars,note", "ann,1,4,fine", "cid,2", "ann,3,nothing,x"]
    more = ["", 'ann,2,5,"two', 'lines"', "ann,4,none,x", "", "bob,1,2,y", "bob,3", "bob,2,99,z"]
    for lines, places in (
        (fine, {"shape": [3], "number": [4]}),
        ([*fine[:3], "", fine[3]], {"shape": [3], "number": [5]}),
        (fine + more, {"shape": [3, 11], "number": [4, 8], "scale": [12]}),
    ):
        (folder / "listens.csv").write_bytes((end.join(lines) + end * last).encode())
        custom_tables.save_mapping(folder, replace(custom_tables.propose_mapping(folder), scale=(1, 5, 1)))
        problems = datasets.load("music").report.problems
        told = {k: [e[1] for e in p.examples] for k, p in problems.items() if p.examples and p.examples[0][1]}
        assert told == places


def test_json_lines_whose_values_change_their_kind(root: Path, monkeypatch) -> None:
    """Whole numbers that become decimals or texts, and a line that is no JSON, far behind the first block."""
    monkeypatch.setattr(table_reader, "BLOCK", 2000)
    folder = root / "music"
    folder.mkdir(parents=True)
    said = [{"listener": f"u{n % 41}", "album_id": n % 50, "stars": 1 + n % 5, "tags": ["a", "b"]} for n in range(400)]
    said[300]["stars"] = 2.5
    said[301]["stars"] = "3.5"
    said[302] |= {"album_id": "forty", "tags": "c"}
    lines = [json.dumps(s) for s in said]
    lines[303] = '{"listener": "u3", "al'
    (folder / "listens.jsonl").write_text("\n".join(lines) + "\n")
    guess = custom_tables.propose_mapping(folder)
    custom_tables.save_mapping(folder, replace(guess, scale=(0.5, 5, 0.5)))
    data = datasets.load("music")
    assert data.report.read == 399 and data.report.problems["shape"].examples == [
        ("listens.jsonl", 304, lines[303][:60])
    ]
    ratings = data.ratings.rating.tolist()
    assert 2.5 in ratings and 3.5 in ratings
    assert "forty" in set(data.items["external_id"])
    turned = "\n".join(lines[300:] + lines[:300]) + "\n"
    (folder / "listens.jsonl").write_text(turned)  # now the first block has it already
    again = datasets.load("music")
    assert sorted(again.ratings.rating.tolist()) == sorted(ratings) and len(ratings) == 399
    assert again.report.problems["shape"].examples[0][1] == 4
    (folder / "listens.jsonl").write_text("no json\n" * 3)
    with pytest.raises(DatasetError, match="can't be read"):
        datasets.load("music")


def test_json_lines_keep_their_ids_whatever_kind_they_are(root: Path, monkeypatch) -> None:
    """5, 5.0 and "5" are one item; a nested monster and half a character are no reason to stop."""
    monkeypatch.setattr(table_reader, "BLOCK", 2000)
    folder = root / "music"
    folder.mkdir(parents=True)
    kinds = (int, float, str)
    said = [
        {"listener": kinds[n // 100 % 3](n % 41), "album_id": kinds[n // 150 % 3](n % 50), "stars": 1 + n % 5}
        for n in range(400)
    ]
    lines = [json.dumps(s) for s in said]
    lines[390] = '{"listener": "\\ud83d", "album_id": 3, "stars": 2}'
    lines[391] = '{"listener": ' + "[" * 100_000
    (folder / "listens.jsonl").write_text("\n".join(lines) + "\n")
    custom_tables.save_mapping(folder, replace(custom_tables.propose_mapping(folder), scale=(1, 5, 1)))
    data = datasets.load("music")
    assert len(data.users) == 42 and len(data.items) == 50
    assert data.report.problems["shape"].count == 1
