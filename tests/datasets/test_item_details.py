"""Movie details: TMDB by search, failures, and tables in both layouts, the real wide one included."""

from __future__ import annotations

import csv
import dataclasses
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from lusifer.cli.main import main
from lusifer.datasets import Details, Item, tmdb
from lusifer.datasets.item_details import export_csv, import_csv, load_details, to_json
from lusifer.datasets.title_match import normalized_title, same_title
from lusifer.errors import CancelledError, DatasetError
from lusifer.simulator import StatisticalUserModel, evolve, make_evolution_spec
from lusifer.simulator.taste_facts import render_item
from tests.conftest import TEST_DATA
from tests.servers.tmdb import KEY, TOKEN, TMDBServer

TABLE = TEST_DATA / "tmdb" / "movies_enriched_100k.csv" if TEST_DATA else None
wide = pytest.mark.skipif(
    TABLE is None or not TABLE.is_file(),
    reason="needs a real table of TMDB details (set LUSIFER_TEST_DATA)",
)


@pytest.fixture
def server(monkeypatch) -> Iterator[TMDBServer]:
    monkeypatch.setattr(tmdb, "FIRST_WAIT", 0.005)
    monkeypatch.setattr(tmdb, "MAX_REQUESTS_PER_SECOND", 1000)
    monkeypatch.setenv("TMDB_API_KEY", KEY)
    with TMDBServer() as found:
        monkeypatch.setenv("LUSIFER_TMDB_URL", found.url)
        yield found


# ---- TMDB -----------------------------------------------------------------------------------------


def test_movies_are_found_by_title_and_year(ml100k, store, server) -> None:
    """1 Toy Story; 50 Star Wars; 29 Batman Forever is nothing that this server knows."""
    done = tmdb.enrich(ml100k, store, items=[1, 50, 29])
    assert (done.found, done.not_found, done.known) == (2, 1, 0)
    found = load_details(ml100k, store)
    toys = found[1]
    assert toys.tmdb_id == 862 and toys.overview == "The story of Toy Story."
    assert toys.directors == ("A Director",) and toys.cast == tuple(f"Actor {n}" for n in range(5))
    assert toys.keywords == ("toy", "friendship") and toys.poster == "/poster862.jpg"
    assert found[50].tmdb_id == 11 and 29 not in found


def test_a_movie_of_tmdb_belongs_to_one_movie(ml100k, store, server) -> None:
    """55 The Professional is "Léon" there, by an alternative title; Men in Black (257) is not In & Out (301)."""
    store.save_details(ml100k.hash, [(301, to_json(Details(607, "Aliens")), "tmdb", 0.8)])
    done = tmdb.enrich(ml100k, store, items=[55, 257])
    found = load_details(ml100k, store)
    assert done.found == 2 and found[55].tmdb_id == 13 and found[257].tmdb_id == 607 and 301 not in found
    assert done.left_out == ["In & Out (1997): its id 607 is that of another movie too"]


def test_what_was_not_found_is_remembered(ml100k, store, server) -> None:
    tmdb.enrich(ml100k, store, items=[1, 29])
    asked = len(server.asked)
    again = tmdb.enrich(ml100k, store, items=[1, 29])
    assert again.known == 2 and len(server.asked) == asked


def test_foreign_titles_in_brackets(store, server) -> None:
    client = tmdb.Client()
    for title in (
        "The City of Lost Children (1995)",
        "Cité des enfants perdus, La (1995)",
        "Lost Ones (La Cité des enfants perdus) (1995)",
    ):
        match, likeness = client.search(Item(1, title, 1995, ()))
        assert match == 902 and likeness >= tmdb.MIN_CONFIDENCE, title
    assert client.search(Item(1, "Star Wars (1978)", 1978, ()))[0] == 11, "a year off"
    assert client.search(Item(1, "Star Wars (1990)", 1990, ()))[0] is None, "another film"
    assert client.search(Item(1, "Something (1990)", 1990, ()))[0] is None


@pytest.mark.parametrize("ways", [["429:0"], ["429", "500"], ["reset"], ["html"], ["503", "503", "503"]])
def test_passing_failures_are_waited_for(ml100k, store, server, ways) -> None:
    server.behave(*ways)
    assert tmdb.enrich(ml100k, store, items=[1]).found == 1


@pytest.mark.parametrize("way", ["500", "429:3600", "reset", "html"])
def test_lasting_failures_keep_what_was_found(ml100k, store, server, way) -> None:
    tmdb.enrich(ml100k, store, items=[1])
    server.always = way
    with pytest.raises(DatasetError, match="TMDB") as failed:
        tmdb.enrich(ml100k, store, items=[1, 50])
    assert KEY not in str(failed.value) and failed.value.fix
    assert set(load_details(ml100k, store)) == {1}
    server.always = "ok"
    assert tmdb.enrich(ml100k, store, items=[1, 50]).found == 1


def test_keys(ml100k, store, server, monkeypatch, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("TMDB_API_KEY", "wrong-0123456789")
    with pytest.raises(DatasetError, match="did not accept the key") as failed:
        tmdb.enrich(ml100k, store, items=[1])
    assert "wrong-0123" not in repr(failed.value)
    monkeypatch.setenv("TMDB_API_KEY", TOKEN)
    assert tmdb.enrich(ml100k, store, items=[1]).found == 1
    assert all(TOKEN not in path for path in server.asked), "a token goes into a header"
    monkeypatch.setenv("TMDB_API_KEY", KEY)
    tmdb.enrich(ml100k, store, items=[50])
    monkeypatch.delenv("TMDB_API_KEY")
    with pytest.raises(DatasetError, match="no key for TMDB"):
        tmdb.enrich(ml100k, store, items=[5])
    store.close()
    for text in [
        caplog.text,
        *(f.read_bytes().decode("latin-1") for f in store.path.parent.iterdir()),
    ]:
        assert KEY not in text and TOKEN not in text


def test_cancel(ml100k, store, server) -> None:
    with pytest.raises(CancelledError):
        tmdb.enrich(ml100k, store, items=[1, 50], cancelled=lambda: len(server.asked) >= 2)
    assert len(load_details(ml100k, store)) == 1


# ---- tables ---------------------------------------------------------------------------------------


def _write(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0].keys())
        table.writeheader()
        table.writerows(rows)
    return path


def test_a_table_is_taken_and_given_back(ml100k, store, tmp_path) -> None:
    path = _write(
        tmp_path / "t.csv",
        [
            {
                "movie_id": "1.0",
                "title": "Toy Story (1995)",
                "id": "862.0",
                "overview": "Toys,\n live",
                "keywords": "[{'id': 1, 'name': 'toy'}]",
                "cast": "['A', 'B']",
                "director": "X, Y",
                "poster_path": "/abcd.jpg",
            },
            {
                "movie_id": "2",
                "title": "Goldeneye",
                "id": "",
                "overview": "Bond",
                "keywords": "",
                "cast": "",
                "director": "",
                "poster_path": "javascript:alert(1)",
            },
            {"movie_id": "3", "title": "Quite another", "overview": "x"},
            {"movie_id": "9999", "title": "x", "overview": "x"},
            {"movie_id": "4", "title": "Get Shorty (1995)", "overview": "nan"},
            {"movie_id": "5", "title": "Copycat (1995)", "overview": "x", "cast": "[__import__('os')]"},
        ],
    )
    report = import_csv(ml100k, path, store)
    assert (report.taken, report.empty) == (2, 1)
    assert [note.kind for note in report.left_out] == ["title", "unknown", "unreadable"]
    assert "2 movies have details now" in report.text and "line 4" in report.lines[0]
    found = load_details(ml100k, store)
    assert found[1] == Details(862, "Toys, live", "", ("toy",), ("X", "Y"), ("A", "B"), "/abcd.jpg")
    assert found[2].poster == "", "an address that is no poster's is no poster"
    assert export_csv(ml100k, tmp_path / "out.csv", store) == 2
    store.delete_details(ml100k.hash)
    assert import_csv(ml100k, tmp_path / "out.csv", store).taken == 2
    assert load_details(ml100k, store) == found


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "movie_id\n\xff\xfe"])
def test_what_is_no_such_table_is_named(ml100k, store, tmp_path, text) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DatasetError):
        import_csv(ml100k, path, store)
    with pytest.raises(DatasetError):
        import_csv(ml100k, tmp_path / "nothing.csv", store)


@pytest.mark.parametrize(
    ("movie", "row", "problem"),
    [
        ("The Postman (Postino, Il) (1994)", {"original_title": "Il postino", "original_language": "it"}, ""),
        ("Léon (The Professional) (1994)", {"original_title": "Professional, The", "release_date": "1995-01-01"}, ""),
        ("The Sixth Man (1997)", {"original_title": "The 6th Man", "release_date": "1997-03-28"}, ""),
        ("8 1/2 (1963)", {"original_title": "8½", "release_date": "1963-02-14"}, ""),
        ("Ran (1985)", {"original_title": "乱", "release_date": "1985-06-01", "genres": "[{'name': 'Drama'}]"}, ""),
        (
            "Ran (1985)",
            {"original_title": "乱", "release_date": "1985-06-01", "genres": "[{'name': 'Comedy'}]"},
            "genres",
        ),
        ("Ran (1985)", {"original_title": "乱", "release_date": "1988-06-01"}, "of 1988"),
        ("Ran (1985)", {"original_title": "乱"}, "no year"),
        ("Alien (1979)", {"original_title": "Alien", "release_date": "1986-07-18"}, "of 1986"),
        ("Rocky II (1979)", {"original_title": "Rocky III", "release_date": "1979-06-15"}, "Rocky III"),
        ("Blood & Wine (1997)", {"original_title": "Bordello of Blood", "original_language": "en"}, "Bordello"),
        (
            "Independence Day (1996)",
            {"original_title": "Independence Day: The Hoax", "release_date": "1996-06-30"},
            "Hoax",
        ),
        ("unknown", {"original_title": "Unknown", "release_date": "2011-02-16"}, "does not say which"),
    ],
)
def test_details_of_another_movie_are_left_out(ml100k, tmp_path, store, movie, row, problem) -> None:
    year = int(movie[-5:-1]) if movie.endswith(")") else None
    items = ml100k.items.loc[[1]].assign(title=movie, genres=[("Drama",)], year=pd.array([year], dtype="Int64"))
    data = dataclasses.replace(ml100k, items=items, _cache={})
    report = import_csv(data, _write(tmp_path / "t.csv", [{"movie_id": "1", "overview": "x", **row}]), store)
    assert [problem in note.reason for note in report.left_out] == [True] * bool(problem), report.lines
    assert report.taken == (not problem)


def test_one_id_belongs_to_one_movie(ml100k, store, tmp_path) -> None:
    """Who has the id's own title keeps it; where nobody has, nobody does; one movie under two ids is no conflict."""
    row = {"original_language": "fr", "overview": "x", "release_date": "1997-01-01", "genres": ""}
    rows = [
        {"movie_id": "257", "id": "607", "original_title": "Men in Black"},
        {"movie_id": "301", "id": "607", "original_title": "Hommes"},
        {"movie_id": "246", "id": "2255", "original_title": "Chasing Amy"},
        {"movie_id": "268", "id": "2255", "original_title": "Chasing Amy"},
        {"movie_id": "286", "id": "9", "original_title": "Quoi"},
        {"movie_id": "313", "id": "9", "original_title": "Qui"},
    ]
    store.save_details(ml100k.hash, [(301, to_json(Details(607, "Aliens")), "import", 1.0)])
    report = import_csv(ml100k, _write(tmp_path / "t.csv", [row | r for r in rows]), store)
    assert {n.line for n in report.left_out if n.kind == "shared"} == {3, 6, 7} and report.removed == 1
    assert set(load_details(ml100k, store)) == {257, 246, 268}


@wide
def test_the_real_wide_table(ml100k, store) -> None:
    report = import_csv(ml100k, TABLE, store)
    found = load_details(ml100k, store)
    assert report.taken == len(found) > 1500 and {n.kind for n in report.left_out} == {"movie"}
    assert not found.keys() & {121, 301, 465, 803, 985, 1192, 1346, 1384, 1389, 1410, 1627}, (
        "details of another movie, read by hand"
    )
    assert found[1].tmdb_id == 862 and found[1].overview.startswith("Led by Woody")
    assert sum(bool(d.poster) for d in found.values()) > 1400
    with_details = ml100k.with_details(found)
    assert with_details.hash == ml100k.hash and with_details.item(1).details == found[1]
    assert "Led by Woody" in render_item(with_details.item(1)) and "|" not in found[1].overview


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The Matrix (1999)", "Matrix, The"),
        ("Amélie", "Amelie (2001)"),
        ("Cité des enfants perdus, La", "La Cité des Enfants Perdus"),
        ("Good, The Bad and The Ugly, The (1966)", "The Good, The Bad and The Ugly (1966)"),
        ("Seven (Se7en) (1995)", "Seven"),
        ("Fast & Furious", "Fast and Furious"),
        ("Oeil de Vichy, L'", "L'Œil de Vichy"),
        ("乱", "乱 (1985)"),
    ],
)
def test_same_titles(one, other) -> None:
    assert same_title(one, other) and same_title(other, one)
    assert not same_title(one, "Something else")
    assert normalized_title(one)


def test_other_details_are_another_evolution(ml100k, last10) -> None:
    model = StatisticalUserModel()
    before = make_evolution_spec(ml100k, last10, 405, model)
    items = [r.item.id for s in evolve(ml100k, last10, model, before) for r in s.batch]
    known = ml100k.with_details({items[0]: Details(1, "A story", directors=("Somebody",))})
    assert make_evolution_spec(known, last10, 405, model).id != before.id
    other = ml100k.with_details({10**6: Details(1, "A story")})
    assert make_evolution_spec(other, last10, 405, model).id == before.id


def test_the_command_line(data_dir, server, tmp_path, capsys) -> None:
    table = tmp_path / "t.csv"
    table.write_text("movie_id,title,overview\n1,Toy Story,Toys live\n")
    assert main(["data", "enrich", "ml-100k", "--from", str(table), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["movies_with_details"] == 1
    assert main(["data", "enrich", "--export", str(tmp_path / "o.csv"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["exported"] == 1
    server.always = "500"
    assert main(["data", "enrich", "--json"]) == 2
    assert "TMDB answered 500" in capsys.readouterr().err
    assert main(["data", "enrich", "--from", str(tmp_path / "none.csv")]) == 2


def test_details_are_taken_by_the_ids_in_the_files(tmp_path: Path, store) -> None:
    from tests.datasets.tables import accept, ratings, write

    data = accept(write(tmp_path / "x", r__csv=ratings(lambda u: f"A{u}", lambda i: f"{i:05d}")))
    table = tmp_path / "details.csv"
    deep = "[" + "-" * 90_000 + "1]"
    table.write_text(f"movie_id,overview,keywords\n00007,Seven.,\n7,Not this one.,\n00008,Eight.,{deep}\n")
    report = import_csv(data, table, store)
    assert report.taken == 1 and [(n.movie, n.kind) for n in report.left_out] == [
        ("7", "unknown"),
        ("Item 00008", "unreadable"),
    ]
    assert load_details(data, store)[data.find_item("00007")].overview == "Seven."
    assert (
        export_csv(data, tmp_path / "out.csv", store) == 1 and "00007,Item 00007" in (tmp_path / "out.csv").read_text()
    )
