"""What people hand on (prompt files, mappings, folders, archives, recordings, tables): checked where it comes in."""

from __future__ import annotations

import gzip
import io
import json
import os
import socket
import zipfile
from pathlib import Path

import pytest
import streamlit as st
from hypothesis import given
from hypothesis import strategies as hs

from lusifer import datasets, prompts
from lusifer.cli.main import main
from lusifer.datasets import ItemNouns, custom_tables, fetch, item_details, table_mapping
from lusifer.datasets.table_mapping import TableMapping, TableSpec
from lusifer.env.recorded_agents import get_world
from lusifer.errors import DatasetError, InvalidInputError, LusiferError
from lusifer.evaluation.imported_predictions import read_predictions
from lusifer.llm import recordings
from lusifer.safe_files import MAX_DEPTH, has_half_characters, parse_json, read_file, write_file
from lusifer.store import Store
from lusifer.ui import state
from lusifer.ui.caching import HASHES
from lusifer.ui.components.uploads import read_upload
from lusifer.ui.formatting import escape_markdown
from lusifer.ui.pages.llm_calls.call_log import parse_answer
from lusifer.ui.pages.what_if_lab.local_user import read_export
from tests.datasets.tables import accept, lines, ratings, write
from tests.servers.files import FileServer

POSIX = pytest.mark.skipif(os.name != "posix", reason="pipes and sockets lie in no folder there")
DEEP = {
    "arrays": "[" * 90_000 + "]" * 90_000,
    "objects": '{"a":' * 90_000 + "1" + "}" * 90_000,
    "both": '[{"a":' * 45_000 + "1" + "}]" * 45_000,
    "open": "[" * 90_000,
    "a little": "[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2),
    "inside": json.dumps({"format": 2})[:-1] + ', "x": ' + "[" * 90_000 + "]" * 90_000 + "}",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset's folder of which only the ratings are not there yet."""
    return write(tmp_path / "set", items__csv=lines(["item_id", "title"], [(i, f"T {i}") for i in range(1, 13)]))


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file of somebody else's that would be readable as ratings."""
    return write(tmp_path / "private", secret__csv=ratings()) / "secret.csv"


# ---- JSON ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_deep_json_is_a_clear_error_wherever_it_is_read(text, tmp_path, folder) -> None:
    with pytest.raises(ValueError, match="nested too deep|Expecting|column"):
        parse_json(text)
    with pytest.raises(InvalidInputError, match="not JSON"):
        prompts.from_json(text)
    write(folder, ratings__csv=ratings(), mapping__json=text)
    with pytest.raises(DatasetError, match=r"mapping\.json can't be read"):
        datasets.load(str(folder), tmp_path)
    with pytest.raises(InvalidInputError, match="line 1 is not that of a recording"):
        recordings.read_recording(text.encode())
    assert parse_answer(text) is None
    for name in ("x.json", "x.jsonl"):
        other = write(tmp_path / f"{name}-set")
        (other / name).write_text(f'{{"user_id": 1, "item_id": 2, "rating": 3, "x": {text}}}\n' * 3)
        with pytest.raises(LusiferError):
            custom_tables.propose_mapping(other)
            accept(other)


@pytest.mark.parametrize("text", [DEEP[kind] for kind in ("arrays", "both", "inside")])
def test_deep_cells_are_no_more_than_cells(text, tmp_path) -> None:
    cell = '"' + text.replace('"', '""') + '"'
    cells = [(i, f"T {i}", *([cell, cell] if i < 3 else ["A|B", "text"])) for i in range(1, 13)]
    items = lines(["item_id", "title", "genres", "description"], cells)
    data = accept(write(tmp_path / "x", r__csv=ratings(), items__csv=items))
    assert data.item(1).title == "T 1"
    table = tmp_path / "details.csv"
    for quoted in (cell, '"[' + "-" * 90_000 + '1]"', '"' + "(" * 90_000 + '"'):
        table.write_text(f"movie_id,overview,keywords,cast,crew\n1,One.,{quoted},{quoted},{quoted}\n2,Two.,,,\n")
        assert item_details.import_csv(data, table, Store(tmp_path / "lusifer.db")).taken >= 1


# ---- folders and paths -----------------------------------------------------------------------------------------------


def lay(kind: str, path: Path) -> None:
    """Put something that is no file at a path."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        before = Path.cwd()
        os.chdir(path.parent)  # a socket's path may have a hundred characters
        try:
            socket.socket(socket.AF_UNIX).bind(path.name)
        finally:
            os.chdir(before)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path.name)
    else:
        path.mkdir()


KINDS = ["pipe", "socket", "device", "loop", "folder"]
NAMES = ["ratings.csv", "u.data", "x.inter", "ratings.dat", "movies.csv", "mapping.json", "ratings.jsonl", "r.parquet"]


@POSIX
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_a_folder_with_something_that_is_no_file_keeps_nobody_waiting(kind, name, folder, tmp_path) -> None:
    lay(kind, folder / name)
    with pytest.raises(LusiferError):
        datasets.load(str(folder), tmp_path)
    with pytest.raises(DatasetError, match=r"No table|can't be read|holds no"):
        custom_tables.propose_mapping(folder)
    assert "set" not in datasets.list_datasets(tmp_path)


@POSIX
@pytest.mark.parametrize("kind", KINDS)
def test_a_path_to_something_that_is_no_file_is_refused(kind, tmp_path, ml100k, monkeypatch, capsys) -> None:
    monkeypatch.setenv("LUSIFER_DATA", str(tmp_path / "data"))
    path = tmp_path / "x"
    lay(kind, path)
    for read in (
        lambda: read_file(path, 1000),
        lambda: read_predictions(ml100k, "mine", path),
        lambda: item_details.import_csv(ml100k, path, Store(tmp_path / "lusifer.db")),
        lambda: recordings.open_recording(path),
        lambda: prompts.find(str(path)),
    ):
        with pytest.raises(LusiferError):
            read()
    for command in (["prompts", "import"], ["cache", "import"], ["recordings", "add"]):
        assert main([*command, str(path)]) == 2
        assert capsys.readouterr().err.count("\n") == 1


LINKS = [
    ("ratings.csv", "a table"),
    ("u.data", "100K"),
    ("x.inter", "an atomic file"),
    ("ratings.tsv.gz", "a packed table"),
    ("mapping.json", "a mapping"),
]


@POSIX
@pytest.mark.parametrize(("name", "what"), LINKS)
@pytest.mark.parametrize("absolute", [True, False])
def test_a_link_out_of_the_folder_is_not_followed(name, what, absolute, folder, outside, tmp_path) -> None:
    before = outside.read_bytes()
    (folder / name).symlink_to(outside if absolute else Path("../private/secret.csv"))
    with pytest.raises(DatasetError) as caught:
        datasets.load(str(folder), tmp_path)
    assert "user_id" not in str(caught.value), "not a word of it is told"
    if name == "mapping.json":
        write(folder, ratings__csv=ratings())
        accept(folder)  # what is accepted takes the link's place
        assert not (folder / name).is_symlink()
    else:
        with pytest.raises(DatasetError, match="outside|No table"):
            custom_tables.propose_mapping(folder)
    assert outside.read_bytes() == before


@POSIX
def test_a_link_inside_the_folder_is(folder, tmp_path) -> None:
    write(folder, all__txt="", kept__csv=ratings())
    (folder / "kept.csv").rename(folder / "kept.bak")
    (folder / "ratings.csv").symlink_to("kept.bak")
    assert len(accept(folder).ratings) == 72


@POSIX
@pytest.mark.parametrize("target", ["private/secret.csv", "private/new.txt"])
def test_what_is_written_takes_a_links_place(target, tmp_path, outside) -> None:
    before = outside.read_bytes()
    (tmp_path / "link").symlink_to(tmp_path / target)
    write_file(tmp_path / "link", b"new")
    assert not (tmp_path / "link").is_symlink() and (tmp_path / "link").read_bytes() == b"new"
    assert outside.read_bytes() == before and os.listdir(outside.parent) == ["secret.csv"]


# ---- mappings --------------------------------------------------------------------------------------------------------

WORDS = [
    "![i](http://127.0.0.1:9977/x)",
    "[x](http://x)",
    "<img src=x>",
    "a*b*",
    "a_b",
    "`a`",
    "$x$",
    ":smile:",
    "www.x.org",
    "a\nb",
    "# a",
    "- a",
    "a -",
    "a--b",
    "a  b",
    "    a",
    "1.",
    "",
    " ",
    "x" * 41,
    "a\u202eb",
    "a\x1b[31m",
    "\u200bx",
    "a|b",
    "a\\b",
    "a&amp;b",
]


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("key", ["one", "many"])
def test_a_mappings_words_are_words(word, key) -> None:
    ratings_table = TableSpec("r.csv", {"user": "u", "item": "i", "rating": "r"})
    whole = TableMapping("t", ratings_table, singular="board game", plural="board games").to_json()
    assert table_mapping.from_json(whole).plural == "board games"
    with pytest.raises(InvalidInputError, match="can't be called"):
        table_mapping.from_json({**whole, key: word})


def test_other_words_come_in_by_no_other_way(folder, tmp_path) -> None:
    write(folder, ratings__csv=ratings())
    accept(folder)
    path, prepared = folder / "mapping.json", next((tmp_path / ".prepared").glob("*/meta.json"))
    whole, meta = path.read_text(), json.loads(prepared.read_text())
    for word in WORDS[:3]:
        path.write_text(json.dumps({**json.loads(whole), "one": word}))
        with pytest.raises(DatasetError, match="can't be called"):
            datasets.load(str(folder), tmp_path)
        path.write_text(whole)
        files = [folder / "ratings.csv", folder / "items.csv", path]
        meta["files"] = [[p.name, p.stat().st_size, p.stat().st_mtime_ns] for p in files]
        prepared.write_text(json.dumps({**meta, "many": word}))
        assert datasets.load(str(folder), tmp_path).item_nouns == ("item", "items"), "a copy came with the folder"


LANGUAGES = ["board game", "children's book", "sci-fi novel", "Spiel", "фильм", "फ़िल्म", "映画", "7 inch"]


@pytest.mark.parametrize("word", LANGUAGES)
def test_other_languages_words_are_words_too(word) -> None:
    table_mapping.check_words("t", word, word)
    assert escape_markdown(word).replace("\\", "") == word and ItemNouns(word, word).with_item_noun("a movie")


@pytest.mark.parametrize("title", ["a\x1b[31m", "a\nb", "a\u202eb", "x" * 201])
def test_a_mappings_title_is_one_line(title) -> None:
    with pytest.raises(InvalidInputError, match="can't be titled"):
        table_mapping.check_words(title, "item", "items")


def test_two_folders_with_the_same_tables_speak_for_themselves(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("LUSIFER_DATA", str(tmp_path))
    rows = [(u, i, 1 + (u * i) % 5, 10**9 + 1000 * i) for u in range(1, 6) for i in range(1, 41)]
    rated = lines(["user_id", "item_id", "rating", "timestamp"], rows)
    items = lines(["item_id", "title"], [(i, f"T {i}") for i in range(1, 41)])
    words = {"first": ("book", "books"), "second": ("board game", "board games"), "third": ("album", "albums")}
    for name, (one, many) in words.items():
        accept(write(tmp_path / name, ratings__csv=rated, items__csv=items), singular=one, plural=many)
    found = {name: state.open_dataset(name) for name in words}
    assert len({data.hash for data in found.values()}) == 1 and len({d.cache_key for d in found.values()}) == 3
    assert {name: tuple(data.item_nouns) for name, data in found.items()} == words
    cached = st.cache_data(lambda data: data.item_nouns, hash_funcs=HASHES)
    assert {name: tuple(cached(data)) for name, data in found.items()} == words
    worlds = [get_world(data, datasets.splits.make(data, "last-2")) for data in found.values()]
    assert [tuple(world.dataset.item_nouns) for world in worlds] == list(words.values())


# ---- prompt files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("template", ["system", "first", "rate"])
@pytest.mark.parametrize("half", ["\ud83d", "\udc00", "a\ud83d b", "\udc00\ud83d"])
def test_half_a_character_in_a_prompt_is_refused_and_named(template, half, tmp_path, monkeypatch, capsys) -> None:
    content = json.loads(prompts.to_json(prompts.load()))
    content["templates"][template] += half
    with pytest.raises(InvalidInputError, match=f"Template {template} has half a character"):
        prompts.from_json(json.dumps(content))
    (tmp_path / "p.json").write_text(json.dumps(content))
    monkeypatch.setenv("LUSIFER_DATA", str(tmp_path))
    assert main(["prompts", "import", str(tmp_path / "p.json")]) == 2
    assert "half a character" in capsys.readouterr().err


@given(hs.text(hs.characters(), max_size=20))
def test_half_characters_are_what_utf_8_cannot_write(text) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        assert has_half_characters(text)
    else:
        assert not has_half_characters(text)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"{", b"[]", b'"text"', b"x" * (prompts.MAX_FILE_BYTES + 1), b""])
def test_a_prompt_file_that_is_none_is_refused(content, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("LUSIFER_DATA", str(tmp_path))
    (tmp_path / "p.json").write_bytes(content)
    assert main(["prompts", "import", str(tmp_path / "p.json")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


# ---- recordings, uploads, archives -----------------------------------------------------------------------------------

HEADER = {"recording": "mine", "dataset": "d", "dataset_hash": "h", "split": "s", "history": 4, "batch_size": 2,
          "prompt_version": "p", "users": [1]}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"recording": "../x"},
        {"recording": "/tmp/x"},
        {"recording": "a\0b"},
        {"recording": "x" * 300},
        {"recording": "a\u202eb"},
        {"users": [10**30]},
        {"users": [-(2**63) - 1]},
        {"users": []},
        {"users": "all"},
        {"history": 10**12},
        {"note": "x" * 10_000},
        {"dataset": "\ud83d"},
    ],
)
def test_a_recordings_first_line_is_checked(change, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("LUSIFER_DATA", str(tmp_path / "data"))
    path = tmp_path / "r.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps({**HEADER, **change}).encode()))
    assert main(["recordings", "add", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "data").exists() or not list((tmp_path / "data").rglob("*.gz"))


@POSIX
def test_a_recording_is_not_written_through_a_link(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("LUSIFER_DATA", str(tmp_path / "data"))
    (tmp_path / "r.jsonl").write_text(json.dumps(HEADER))
    own = recordings.own_folder()
    own.mkdir(parents=True)
    (own / "mine.jsonl.gz").symlink_to(tmp_path / "elsewhere")
    recordings.add_recording(tmp_path / "r.jsonl")
    assert not (tmp_path / "elsewhere").exists() and recordings.find_recording("mine").users == (1,)


def test_a_recording_unpacks_to_so_much_and_no_more(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(recordings, "MAX_BYTES", 100_000)
    for packed in (gzip.compress(b" " * 200_000), b" " * 200_000, gzip.compress(b" " * 60_000) * 3):
        (tmp_path / "r.jsonl.gz").write_bytes(packed)
        with pytest.raises(InvalidInputError, match="more than"):
            recordings.open_recording(tmp_path / "r.jsonl.gz")


@pytest.mark.parametrize(("size", "most"), [(1001, 1000), (10**9, 2_000_000), (1, 0)])
def test_an_upload_is_held_against_its_limit_here(size, most) -> None:
    class Upload:
        name = "x" * 200

        def __init__(self) -> None:
            self.size = size

        def getvalue(self) -> bytes:
            raise AssertionError("too large to be read")

    with pytest.raises(InvalidInputError, match="has more than") as caught:
        read_upload(Upload(), most)  # type: ignore[arg-type]
    assert len(str(caught.value)) < 150


RATING = {"item_id": 1, "title": "T", "rating": 4, "timestamp": 10, "predicted": 3.5}


@pytest.mark.parametrize(
    "change",
    [
        {"timestamp": 10**30},
        {"timestamp": -1},
        {"timestamp": "now"},
        {"timestamp": True},
        {"item_id": 10**30},
        {"item_id": 999_999},
        {"item_id": "one"},
        {"rating": 99},
        {"rating": float("nan")},
        {"rating": None},
        {"rating": [4]},
    ],
)
def test_a_rating_that_nobody_can_give_is_not_imported(change, ml100k) -> None:
    whole = {"format": 1, "name": "Ada \ud83d\x1b[31m", "ratings": [RATING, {**RATING, "predicted": "x"}]}
    name, rows = read_export(ml100k, json.dumps(whole).encode())
    assert rows == [(1, 4.0, 10, 3.5), (1, 4.0, 10, None)] and name == "Ada \ufffd\ufffd[31m"
    with pytest.raises(InvalidInputError, match="can't be imported"):
        read_export(ml100k, json.dumps({**whole, "ratings": [RATING, {**RATING, **change}]}).encode())


@pytest.mark.parametrize(
    "content", [*DEEP.values(), "", "[]", "null", '{"format": 1}', '{"format": 2, "name": "", "ratings": []}']
)
def test_an_export_of_ratings_that_is_none_is_refused(content, ml100k) -> None:
    with pytest.raises(InvalidInputError, match="can't be imported"):
        read_export(ml100k, content.encode())


def archive(**members: bytes) -> bytes:
    """A small archive; a double underscore in a name stands for a dot."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name.replace("__", "."), content)
    return out.getvalue()


def hostile_archives() -> dict[str, tuple[bytes, str]]:
    """Archives in the place of a release of one megabyte, and what is said of them."""
    ratings_csv, movies_csv = b"userId,movieId,rating,timestamp\n1,1,4,1\n", b"movieId,title,genres\n1,A (1999),Drama\n"
    good = {"ml/ratings__csv": ratings_csv, "ml/movies__csv": movies_csv}
    return {
        "a large readme": (archive(**good, **{"ml/README": b" " * 21_000_000}), "20 times"),
        "a large table": (archive(**good, **{"ml/ratings_more": b" " * 21_000_000}), "20 times"),
        "many small": (archive(**good, **{f"ml/README{n}": b" " * 3_000_000 for n in range(8)}), "20 times"),
        "one twice": (archive(**good, **{"other/ratings__csv": ratings_csv}), "twice"),
        "many files": (archive(**good, **{f"ml/x{n}": b"" for n in range(5001)}), "more than 5,000 files"),
        "too long": (archive(**good) + os.urandom(4_000_000), "more than 3 MB"),
        "no archive": (b"PK\x03\x04" + os.urandom(1000), "can't be unpacked"),
        "cut": (archive(**good)[:-30], "can't be unpacked"),
    }


ARCHIVES = hostile_archives()


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_has_its_size_and_files(kind, tmp_path) -> None:
    body, said = ARCHIVES[kind]
    with FileServer() as server, pytest.raises(DatasetError, match=said):
        fetch.fetch("ml-latest-small", tmp_path, url=server.add("/x.zip", body))
    assert not [p for p in tmp_path.iterdir() if p.name != ".prepared"], "nothing is left"


def test_an_archives_paths_lead_nowhere(tmp_path) -> None:
    inner = tmp_path / "data"
    members = {"../../ratings_evil": b"x", "/tmp/ratings_evil2": b"x", "ml\\..\\ratings_evil3": b"x", "..": b"x"}
    body = archive(ml_ratings__csv=b"", **members)
    with FileServer() as server, pytest.raises(DatasetError, match="no supported"):
        fetch.fetch("ml-latest-small", inner, url=server.add("/x.zip", body))
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and p.suffix != ".lock"]
