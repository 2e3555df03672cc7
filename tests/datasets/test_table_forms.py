"""Files of every form are read as they say, and what can't be read is named with file, line and reason."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
from pathlib import Path

import pandas as pd
import pytest

from lusifer import datasets
from lusifer.datasets import custom_tables, table_files
from lusifer.datasets.cell_texts import name_list, plain_text, year_of
from lusifer.datasets.data_quality import DataQualityReport
from lusifer.datasets.source_detection import source_of
from lusifer.datasets.table_reader import blocks
from lusifer.datasets.timestamps import guess_time_form
from lusifer.errors import DatasetError, InvalidInputError
from tests.datasets.tables import ITEMS, RATINGS, accept, lines, rating_of, ratings, title_of, write

HEADER = ("user_id", "item_id", "rating", "timestamp")
RECORDS = [dict(zip(HEADER, row, strict=True)) for row in RATINGS]


def read(path: Path, encoding: str = "") -> tuple[list[dict[str, object]], DataQualityReport]:
    """All rows of a table, and what was wrong."""
    report = DataQualityReport()
    source = source_of(path, report, encoding)
    return [row for _, block in blocks(source, report) for row in block.to_pylist()], report


def by_csv(**form) -> str:
    out = io.StringIO()
    writer = csv.writer(out, **form)
    writer.writerows([HEADER, *RATINGS])
    return out.getvalue()


FORMS: dict[str, tuple[str, str | bytes]] = {
    "gzip": ("r.csv.gz", gzip.compress(ratings().encode())),
    "gzip by another name": ("r.csv", gzip.compress(ratings().encode())),
    "gzip of tabs": ("r.tsv.gz", gzip.compress(ratings(separator="\t").encode())),
    "array": ("r.json", json.dumps(RECORDS)),
    "indented array": ("r.json", json.dumps(RECORDS, indent=2)),
    "array in an object": ("r.json", json.dumps({"count": 72, "ratings": RECORDS})),
    "indented object": ("r.json", json.dumps({"ratings": RECORDS}, indent=1)),
    "records one after another": ("r.json", "\n".join(json.dumps(r, indent=1) for r in RECORDS)),
    "lines": ("r.jsonl", "\n".join(map(json.dumps, RECORDS))),
    "lines, packed": ("r.json.gz", gzip.compress("\n".join(map(json.dumps, RECORDS)).encode())),
    "python": ("r.json", "\n".join(map(repr, RECORDS))),
    "python 2": ("r.json", "\n".join(re.sub(r"'(\w+)':", r"u'\1':", repr(r)) for r in RECORDS)),
    "sep=;": ("r.csv", "sep=;\r\n" + by_csv(delimiter=";")),
    "sep=tab": ("r.csv", "sep=\t\n" + by_csv(delimiter="\t")),
    "quoted sep": ("r.csv", '"sep=|"\n' + by_csv(delimiter="|")),
    "a comma at each end": (
        "r.csv",
        ratings().replace("timestamp\n", "timestamp\0").replace("\n", ",\n").replace("\0", "\n"),
    ),
    "a comma at each end, the first too": ("r.csv", ratings().replace("\n", ",\n")),
    "a comma at the first line's end": ("r.csv", ratings().replace("timestamp\n", "timestamp,\n")),
    "R's row names": ("r.csv", lines(HEADER, [(n, *r) for n, r in enumerate(RATINGS, 1)])),
    "pandas' index": ("r.csv", lines(("", *HEADER), [(n, *r) for n, r in enumerate(RATINGS)])),
    "dat of tabs": ("r.dat", ratings(separator="\t")),
    "dat of double colons": ("r.dat", ratings(separator="::")),
    "dat of bars": ("r.dat", ratings(separator="|")),
    "dat of spaces": ("r.dat", ratings(separator=" ")),
    "dat of semicolons": ("r.dat", ratings(separator=";")),
    "txt of carets": ("r.txt", ratings(separator="^")),
    "all quoted": ("r.csv", by_csv(quoting=csv.QUOTE_ALL)),
    "all quoted, tabs": ("r.tsv", by_csv(quoting=csv.QUOTE_ALL, delimiter="\t")),
    "Mac's line ends": ("r.csv", ratings().replace("\n", "\r")),
    "empty lines": ("r.csv", ratings().replace("\n", "\n\n")),
    "UTF-8 with a mark": ("r.csv", b"\xef\xbb\xbf" + ratings().encode()),
    "UTF-16": ("r.csv", ratings(separator="\t").encode("utf-16")),
    "UTF-16, turned": ("r.txt", b"\xfe\xff" + ratings().encode("utf-16-be")),
    "UTF-16 without a mark": ("r.csv", ratings().encode("utf-16-le")),
    "UTF-32": ("r.csv", ratings().encode("utf-32")),
    "JSON in UTF-16": ("r.json", json.dumps(RECORDS).encode("utf-16")),
    "without names": ("r.csv", ratings().split("\n", 1)[1]),
    "types behind the names": (
        "r.csv",
        ratings(header=("user_id:token", "item_id:token", "rating:float", "timestamp:float")),
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_ratings(tmp_path: Path, form: str) -> None:
    name, content = FORMS[form]
    folder = write(tmp_path / "x", **{name.replace(".", "__"): content})
    data = accept(folder)
    assert data.report.read == len(data.ratings) == len(RATINGS), data.report.lines
    for user, item, rating, time in RATINGS:
        assert rating_of(data, user, item) == rating
        assert time in data.ratings.of_user(user).timestamp
    assert data.scale.values.tolist() == [1, 2, 3, 4, 5]


TITLES = [
    '"Heroes" Live',
    'Weird Al" Live',
    '"Low',
    "Plain",
    '7" single',
    '"Quoted whole"',
    '"',
    '""',
    "A 'B' C",
    '"Q": The Movie',
    'x "y" z',
    '"Ten" "Eleven"',
]


@pytest.mark.parametrize("turn", range(0, 12, 3))
@pytest.mark.parametrize("name", ["items.tsv", "items.txt", "x.item"])
def test_quotation_marks_in_tabbed_tables_are_characters(tmp_path: Path, name: str, turn: int) -> None:
    titles = TITLES[turn:] + TITLES[:turn]
    table = lines(("item_id", "title", "genres"), [(i, titles[i - 1], "Rock") for i in ITEMS], "\t")
    folder = write(tmp_path / "x", ratings__tsv=ratings(separator="\t"), **{name.replace(".", "__"): table})
    data = accept(folder)
    assert [title_of(data, i) for i in ITEMS] == titles
    assert not {"shape", "unknown-item", "item"} & data.report.problems.keys()


@pytest.mark.parametrize("quoting", [csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("separator", ["\t", ",", ";", "|"])
def test_what_a_program_has_quoted_is_read_back(tmp_path: Path, separator: str, quoting: int) -> None:
    titles = [f"{t}{separator}{t}\n{t}" if '"' in t else t for t in TITLES]
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, quoting=quoting, lineterminator="\n")
    writer.writerows([("item_id", "title"), *((i, titles[i - 1]) for i in ITEMS)])
    (tmp_path / "t.csv").write_text(out.getvalue(), encoding="utf-8")
    rows, report = read(tmp_path / "t.csv")
    assert [r["title"] for r in rows] == titles and not report.problems


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ('7,"Weird Al" Live,Rock', '"Weird Al" Live'),
        ('7,"Low,Rock', '"Low'),
        ('7,12" mix,Rock', '12" mix'),
        ('7,"A \\"B\\" C",Rock', 'A "B" C'),
        ('7, "Spaced, title" ,Rock', "Spaced, title"),
        ('7,"one, two,Rock', None),
        ("7,Too, many,Rock", None),
    ],
)
def test_one_broken_line_swallows_no_other(tmp_path: Path, line: str, title: str | None) -> None:
    rows = [f'{i},"Title, with ""comma"" {i}",Rock' for i in ITEMS]
    rows[6] = line
    rows[9] = '10,"On two\nlines",Rock'
    (tmp_path / "t.csv").write_text("\n".join(["item_id,title,genres", *rows, ""]), encoding="utf-8")
    found, report = read(tmp_path / "t.csv")
    titles = {r["item_id"]: str(r["title"]).strip() for r in found}
    assert titles.get("7") == title and titles["10"] == "On two\nlines" and titles["12"].startswith("Title, with")
    assert len(found) == (12 if title else 11)
    assert (report.problems["shape"].examples[0][:2] == ("t.csv", 8)) if not title else not report.problems


@pytest.mark.parametrize("ids", ["numbers", "codes"])
def test_a_quotation_mark_that_closes_far_below_swallows_no_rows(tmp_path: Path, ids: str) -> None:
    key = (lambda i: i) if ids == "numbers" else (lambda i: f"B{i:04d}")
    rows = [f"{key(i)},Film {i},Rock" for i in range(1, 100)]
    rows[10], rows[60] = f'{key(11)},"Low,Rock', f'{key(61)},7",Rock'
    (tmp_path / "t.csv").write_text("\n".join(["item_id,title,genres", *rows]), encoding="utf-8")
    found, report = read(tmp_path / "t.csv")
    assert [r["item_id"] for r in found] == [str(key(i)) for i in range(1, 100)] and not report.problems
    assert (found[10]["title"], found[60]["title"]) == ('"Low', '7"')


# ---- encodings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "text", "told"),
    [
        ("utf-8", "Amélie “née” Дом", None),
        ("latin-1", "Amélie née ñ", "latin-1"),
        ("cp1252", "Amélie “née” – €", "cp1252"),
        ("utf-16", "Amélie “née” Дом", "utf-16"),
    ],
)
def test_the_encoding_is_told_from_the_bytes(tmp_path: Path, encoding: str, text: str, told: str | None) -> None:
    items = lines(("item_id", "title"), [(i, f"{text} {i}") for i in ITEMS])
    folder = write(tmp_path / "x", ratings__csv=ratings(), items__csv=items.encode(encoding))
    data = accept(folder)
    assert [title_of(data, i) for i in ITEMS] == [f"{text} {i}" for i in ITEMS]
    problem = data.report.problems.get("encoding")
    assert (problem.examples[0][2] if problem else None) == told


@pytest.mark.parametrize(
    ("encoding", "title"),
    [("cp1251", "Война и мир"), ("koi8-r", "Война"), ("shift_jis", "七人の侍"), ("cp1253", "Ελλάδα")],
)
def test_a_code_page_that_nothing_tells_is_asked_for(tmp_path: Path, encoding: str, title: str) -> None:
    items = lines(("item_id", "title"), [(i, f"{title} {i}") for i in ITEMS]).encode(encoding)
    folder = write(tmp_path / "x", ratings__csv=ratings(), items__csv=items)
    mapping = custom_tables.propose_mapping(folder)
    with pytest.raises(InvalidInputError, match=r"items\.csv is not UTF-8.*--encoding"):
        custom_tables.accept_mapping(folder, mapping)
    assert title_of(accept(folder, encoding=encoding), 3) == f"{title} 3"


def test_a_few_broken_characters_do_not_change_a_files_encoding(tmp_path: Path) -> None:
    items = lines(("item_id", "title"), [(i, f"Amélie née {i}") for i in ITEMS]).encode()
    items = items.replace("née 5".encode(), b"n\xe9e 5")
    data = accept(write(tmp_path / "x", ratings__csv=ratings(), items__csv=items))
    assert title_of(data, 4) == "Amélie née 4" and title_of(data, 5) == "Amélie n\ufffde 5"
    assert data.report.problems["characters"].count == 1
    assert data.report.problems["characters"].examples[0][:2] == ("items.csv", 6)


# ---- numbers, dates, texts -------------------------------------------------------------------------------------------


def test_a_comma_may_be_the_decimal_point(tmp_path: Path) -> None:
    rows = [(u, i, f"{r / 2:.1f}".replace(".", ","), t) for u, i, r, t in RATINGS]
    data = accept(write(tmp_path / "x", r__csv=lines(HEADER, rows, ";")))
    assert data.scale.values.tolist() == [0.5, 1, 1.5, 2, 2.5]
    for u, i, r, _ in RATINGS:
        assert rating_of(data, u, i) == r / 2


DAYS = pd.to_datetime([t for *_, t in RATINGS], unit="s", utc=True).normalize() + pd.to_timedelta(
    [12 * u for u, *_ in RATINGS], unit="D"
)


@pytest.mark.parametrize(
    "form",
    [
        *("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%Y/%m/%d", "%m %d, %Y", "%b %d, %Y", "%d %B %Y"),
        *("%d/%m/%y", "%Y%m%d", "%Y-%m-%dT%H:%M:%SZ", "%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M:%S %p"),
        "%a %b %d %H:%M:%S +0000 %Y",
    ],
)
def test_dates_in_the_usual_orders(tmp_path: Path, form: str) -> None:
    rows = [(u, i, r, f'"{d.strftime(form)}"') for (u, i, r, _), d in zip(RATINGS, DAYS, strict=True)]
    data = accept(write(tmp_path / "x", r__csv=lines(("user_id", "item_id", "rating", "date"), rows)))
    assert "time" not in data.report.problems
    expected = {(u, i): int(d.timestamp()) for (u, i, *_), d in zip(RATINGS, DAYS, strict=True)}
    table = data.ratings
    assert {
        (int(u), int(i)): int(t) for u, i, t in zip(table.user, table.item, table.timestamp, strict=True)
    } == expected


@pytest.mark.parametrize("mark", ["/", "-"])
def test_dates_that_can_be_read_in_two_ways_are_asked_for(tmp_path: Path, mark: str) -> None:
    rows = [(u, i, r, f"{u:02d}{mark}{i:02d}{mark}2014") for u, i, r, _ in RATINGS]
    folder = write(tmp_path / "x", r__csv=lines(("user_id", "item_id", "rating", "date"), rows))
    with pytest.raises(InvalidInputError, match="can be read as .* or .*--date-format"):
        accept(folder)
    month_first = accept(folder, date_format=f"%m{mark}%d{mark}%Y")
    assert pd.Timestamp(int(month_first.ratings.of_user(2).timestamp[0]), unit="s").month == 2
    day_first = accept(folder, date_format=f"%d{mark}%m{mark}%Y")
    assert pd.Timestamp(int(day_first.ratings.of_user(2).timestamp[0]), unit="s").month == 1


def test_years_and_units_are_told() -> None:
    assert guess_time_form(["1995", "2003"]).format == "%Y"
    assert guess_time_form(["1400000000", ""]).unit == "s" and guess_time_form(["1.4e18"]).unit == "ns"
    assert guess_time_form([]).unit == "s" and guess_time_form(["soon"]).unit == "date"


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("Drama|Comedy", ("Comedy", "Drama")),
        ("[{'id': 35, 'name': 'Comedy'}, {'id': 18, 'name': 'Drama'}]", ("Comedy", "Drama")),
        ('[{"id": 35, "name": "Comedy"}]', ("Comedy",)),
        ("['Sci-Fi & Fantasy', \"Kids' TV\"]", ("Kids' TV", "Sci-Fi & Fantasy")),
        ('["a", "b", "a"]', ("a", "b")),
        ("[]", ()),
        ("[Drama|War]", ("Drama", "War")),
        ([["Games", "PC"], ["Games", "Mac"]], ("Games", "Mac", "PC")),
        ([{"name": "Rock &amp; Roll"}], ("Rock & Roll",)),
        ("{'Drama': 3, 'War': 1}", ("Drama", "War")),
        ("{'Action', 'War'}", ("Action", "War")),
        ("Tom &amp; Jerry|R&#39;n&#39;B", ("R'n'B", "Tom & Jerry")),
        ("[" * 90_000, ()),
        (None, ()),
        ("nan", ()),
    ],
)
def test_lists_are_read_however_they_are_written(cell: object, names: tuple[str, ...]) -> None:
    assert name_list(cell) == names


def test_texts_hold_characters_and_no_html() -> None:
    assert plain_text("Tom &amp; Jerry&#x27;s &amp;quot;best&amp;quot;") == 'Tom & Jerry\'s "best"'
    assert plain_text(["One", " two\n three"]) == "One two three" and plain_text("['One', 'two']") == "One two"
    assert plain_text("<p>A<br/>b &lt; c</p> 1 < 2", tags=True) == "A b < c 1 < 2"
    assert plain_text("AT&T <3") == "AT&T <3" and plain_text(None) == ""
    assert (year_of("1995-10-30"), year_of("Oct 30, 1995"), year_of(1995)) == (1995, 1995, 1995)
    assert year_of("199501") is None and year_of("") is None


# ---- what can't be read ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("r.csv", "user_id,item_id,rating,rating\n1,2,3,3\n", r"r\.csv has two columns with the same name \(rating\)"),
        ("r.json", '[{"user_id": 1},\n {"user_id": 2', r"r\.json, line 2: it is no JSON"),
        ("r.json", '[{"user_id": 1}\n {"user_id": 2}]', r"r\.json, line 2: the array breaks off"),
        ("r.json", "[" * 90_000, r"r\.json, line 1: it is nested too deep"),
        ("r.jsonl", '{"a":' * 90_000, r"r\.jsonl, line 1: it is nested too deep"),
        ("r.json", '{"a": [{"x": 1}], "b": [{"x": 2}]}', r"2 lists of records"),
        ("r.parquet", b"PAR1 no", r"r\.parquet can't be read"),
        ("r.csv.gz", gzip.compress(ratings().encode())[:200], r"r\.csv\.gz can't be read"),
        ("r.csv", "", r"r\.csv is empty"),
        ("r.csv", "\n\n", r"r\.csv is empty"),
        ("r.xlsx", b"PK\x03\x04", r"r\.xlsx: an Excel workbook"),
        ("r.zip", b"PK\x03\x04", r"r\.zip: an archive: unpack it"),
        ("r.csv", "film,stars\nHeat,4\n", r"r\.csv: no user among film, stars"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_with_its_reason(
    tmp_path: Path, name: str, content: str | bytes, says: str
) -> None:
    folder = write(tmp_path / "x", **{name.replace(".", "__"): content})
    with pytest.raises(DatasetError, match=says):
        custom_tables.propose_mapping(folder)


def test_a_second_table_that_cannot_be_read_is_named_in_the_preview(tmp_path: Path) -> None:
    folder = write(tmp_path / "x", r__csv=ratings(), items__csv="item_id,title,title\n1,a,b\n", more__json="[1, 2")
    preview = custom_tables.preview_mapping(folder, custom_tables.propose_mapping(folder))
    assert "same name (title)" in preview.passed_over["items.csv"] and "more.json" in preview.passed_over


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
@pytest.mark.parametrize(
    "name",
    ["ratings.csv", "movies.csv", "links.csv", "u.item", "u.user", "x.inter", "r.json", "u.data", "mapping.json"],
)
def test_a_pipe_is_not_waited_for(tmp_path: Path, name: str) -> None:
    folder = write(
        tmp_path / "x",
        ratings__csv=ratings(header=("userId", "movieId", "rating", "timestamp")),
        movies__csv=lines(("movieId", "title", "genres"), [(i, f"Film {i} (1990)", "Drama") for i in ITEMS]),
        links__csv="movieId,imdbId,tmdbId\n1,2,3\n",
    )
    if name.startswith("u."):
        write(folder, u__data="1\t1\t3\t5\n", u__item="", u__user="")
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    for look in (datasets.load, datasets.is_prepared):
        try:
            look(str(folder), tmp_path)
        except DatasetError as error:
            assert error.fix
    assert isinstance(datasets.list_datasets(tmp_path), list) and isinstance(datasets.folders_to_map(tmp_path), list)


@pytest.mark.parametrize("name", ["ratings.csv", "items.csv"])
def test_a_link_to_somewhere_else_is_refused(tmp_path: Path, name: str) -> None:
    secret = write(
        tmp_path / "outside", secret__csv=ratings() if name == "ratings.csv" else "item_id,title\n1,secret\n"
    )
    folder = write(
        tmp_path / "x", ratings__csv=ratings(), items__csv=lines(("item_id", "title"), [(i, "a") for i in ITEMS])
    )
    custom_tables.accept_mapping(folder, custom_tables.propose_mapping(folder))
    (folder / name).unlink()
    (folder / name).symlink_to(secret / "secret.csv")
    with pytest.raises(DatasetError, match="link to a file outside") as raised:
        datasets.load(str(folder), tmp_path)
    assert "secret" not in str(raised.value).replace(str(folder), "")
    whole = tmp_path / "linked"
    whole.symlink_to(folder, target_is_directory=True)  # a folder may stand somewhere else
    (folder / name).unlink()
    (folder / name).write_text(
        ratings() if name == "ratings.csv" else lines(("item_id", "title"), [(i, "a") for i in ITEMS])
    )
    assert len(datasets.load(str(whole), tmp_path).ratings) == len(RATINGS)


def test_a_file_that_unpacks_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_files, "UNPACKED_LEAST", 1 << 20)
    bomb = gzip.compress(("user_id,item_id,rating\n" + "1,1,1\n" * 1_000_000).encode())
    folder = write(tmp_path / "x", ratings__csv__gz=bomb)
    with pytest.raises(DatasetError, match="unpacks to more than 200 times its size"):
        custom_tables.propose_mapping(folder)


MAPPING = {"format": 1, "title": "", "one": "", "many": "", "unit": "s", "separator": "|"}
COLUMNS = {"user": "user_id", "item": "item_id", "rating": "rating"}


@pytest.mark.parametrize(
    "content",
    [
        *("[" * 100_000, "[]", "null", "{", '{"format": 1}', '{"format": 1, "title": 1, "ratings": 5}'),
        json.dumps({**MAPPING, "ratings": {"file": "../r.csv", "columns": COLUMNS}}),
        json.dumps({**MAPPING, "ratings": {"file": "r.csv", "columns": [1]}}),
        json.dumps({**MAPPING, "ratings": {"file": "r.csv", "columns": COLUMNS}, "scale": [1]}),
        json.dumps({**MAPPING, "ratings": {"file": "r.csv", "columns": COLUMNS}, "unit": "weeks"}),
        json.dumps({**MAPPING, "ratings": {"file": "r.csv", "columns": COLUMNS}, "test": ["q"]}),
        json.dumps({**MAPPING, "ratings": {"file": "r.csv", "columns": COLUMNS}, "links": {"file": "r.csv"}}),
    ],
    ids=range(12),
)
def test_a_mapping_that_is_none_says_so(tmp_path: Path, content: str) -> None:
    folder = write(tmp_path / "x", r__csv=ratings(), mapping__json=content)
    with pytest.raises(DatasetError, match="data map"):
        datasets.load(str(folder), tmp_path)
