"""Any delimiter is told by what it makes of the first lines, and read block by block like the usual ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from lusifer.datasets import custom_tables, table_reader
from lusifer.datasets.source_detection import source_of
from lusifer.errors import DatasetError
from tests.datasets.tables import ITEMS, RATINGS, accept, lines, rating_of, ratings, title_of, write

HEADER = ("user_id", "item_id", "rating", "timestamp")
UNUSUAL = [
    *("@@", ":", "!", "#", "/", "%", "$", "_", "§", "<|>", "\x1e", "\x1f", " - ", "||", ";;", "\t\t", "  ", "     "),
    *("|||", "&", "=", "-", "*", "+", "->", "::::", ", ", " , ", "; ", " | ", "|;|", "¦", "→", "\x02", "##", " :: "),
]


def content(separator: str, named: bool, half: bool = False) -> str:
    rows = [(u, i, r + (0.5 if half else 0), t) for u, i, r, t in RATINGS]
    return lines(HEADER if named else (), rows, separator)


@pytest.mark.parametrize("separator", UNUSUAL, ids=repr)
def test_a_delimiter_is_told_without_names_of_columns(tmp_path: Path, monkeypatch, separator: str) -> None:
    monkeypatch.setattr(table_reader, "BLOCK", 101)
    data = accept(write(tmp_path / "x", r__dat=content(separator, False, half=True)))
    assert len(data.ratings) == data.report.read == 72, data.report.lines
    for user, item, rating, time in RATINGS:
        assert rating_of(data, user, item) == rating + 0.5
        assert time in data.ratings.of_user(user).timestamp


@pytest.mark.parametrize("separator", ["@@", "§", " - ", "||", "\t\t", "  ", "<|>"], ids=repr)
def test_a_delimiter_is_told_with_names_of_columns(tmp_path: Path, separator: str) -> None:
    path = write(tmp_path / "x", r__dat=content(separator, True, half=True)) / "r.dat"
    source = source_of(path)
    assert [c.strip() for c in source.columns or ()] == list(HEADER)
    data = accept(tmp_path / "x")
    assert len(data.ratings) == 72 and rating_of(data, 2, 3) == 2.5


@pytest.mark.parametrize(
    ("encoding", "separator"),
    [("cp1252", "§"), ("utf-8", "§"), ("utf-16", "§"), ("utf-16", "::"), ("shift_jis", "§"), ("shift_jis", "@@")],
)
def test_a_delimiter_is_told_in_any_encoding(tmp_path: Path, encoding: str, separator: str) -> None:
    films = lines(
        (), [(i, f"Film {i}" if encoding == "shift_jis" else f"Fílm {i}", "Drama|War") for i in ITEMS], separator
    )
    folder = write(tmp_path / "x", r__dat=content(separator, False).encode(encoding), m__dat=films.encode(encoding))
    data = accept(folder, encoding=encoding)
    assert len(data.ratings) == 72 and title_of(data, 3)[-6:] in {"Film 3", "Fílm 3"}
    assert data.item(3).genres == ("Drama", "War")


@pytest.mark.parametrize("separator", ["@@", "#", " - ", "||", "\x1f"], ids=repr)
def test_a_delimiter_of_items_is_told_too(tmp_path: Path, separator: str) -> None:
    titles = [f"Film: {i}" + i % 3 * ", the best" + f" (19{60 + i})" for i in ITEMS]
    films = lines((), [(i, titles[i - 1], "Drama|War") for i in ITEMS], separator)
    data = accept(write(tmp_path / "x", r__dat=content(separator, False), m__dat=films))
    assert [title_of(data, i) for i in ITEMS] == titles


@pytest.mark.parametrize("time", ["2014-05-{:02d} 12:30:{:02d}", "2014/05/{:02d}", "{:02d}.05.2014 12:30"])
@pytest.mark.parametrize("separator", ["@", "||", ",", ";", "\t"])
def test_what_stands_in_dates_is_no_delimiter(tmp_path: Path, separator: str, time: str) -> None:
    rows = [(u, i, r, time.format(12 + i, u)) for u, i, r, _ in RATINGS]
    path = write(tmp_path / "x", r__dat=lines(HEADER, rows, separator)) / "r.dat"
    assert source_of(path).separator == separator
    assert source_of(write(tmp_path / "y", r__dat=lines((), rows, separator)) / "r.dat").separator == separator


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("row", ["{:>5} {:>6} {:>6} {:>12}", "{:<9} {:<9} {:<9} {:<10}  ", " {}\t{:>7}  {}\t\t{}"])
def test_columns_may_be_aligned_by_blanks(tmp_path: Path, monkeypatch, row: str, named: bool) -> None:
    monkeypatch.setattr(table_reader, "BLOCK", 101)
    table = "\n".join(
        row.format(*r) for r in ([HEADER] if named else []) + [(u, 7 * i, r, t) for u, i, r, t in RATINGS]
    )
    data = accept(write(tmp_path / "x", r__dat=table))
    assert len(data.ratings) == data.report.read == 72, data.report.lines
    assert all(rating_of(data, u, 7 * i) == r for u, i, r, _ in RATINGS)


@pytest.mark.parametrize("separator", ["@@", "<|>", "§"])
def test_a_first_line_names_the_delimiter(tmp_path: Path, separator: str) -> None:
    data = accept(write(tmp_path / "x", r__csv=f"sep={separator}\n" + content(separator, True)))
    assert len(data.ratings) == 72


def test_empty_columns_and_prose_are_no_reason_for_another_delimiter(tmp_path: Path) -> None:
    empty = lines((*HEADER, "note"), [(*row, "") for row in RATINGS])
    assert source_of(write(tmp_path / "x", r__csv=empty) / "r.csv").separator == ","
    assert len(accept(write(tmp_path / "y", r__csv=ratings(), about__txt="One - two.\nThree - four.\n")).ratings) == 72
    for table, separator in (
        ([f"{n}::2014-05-{10 + n}" for n in range(12)], "::"),
        ([f"Film{n} ({1980 + n}),{n}" for n in range(12)], ","),
        ([f"{n},Film-{n}-of-{n}" for n in range(12)], ","),
    ):
        assert source_of(write(tmp_path / "w", t__dat="\n".join(table)) / "t.dat").separator == separator
    odd = "".join(f"{u}{'@@' if n % 3 else '##'}{i}@@{r}\n" for n, (u, i, r, _) in enumerate(RATINGS))
    with pytest.raises(DatasetError):
        custom_tables.propose_mapping(write(tmp_path / "z", r__dat=odd))
