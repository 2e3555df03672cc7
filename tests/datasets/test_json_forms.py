"""JSON as programs and databases write it: ids that are the texts of the file, wrappers, and what is no value."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from lusifer.datasets import custom_tables, table_reader
from lusifer.errors import DatasetError, InvalidInputError
from tests.datasets.tables import ITEMS, RATINGS, USERS, accept, lines, rating_of, title_of, write

HEADER = ("user_id", "item_id", "rating", "timestamp")


def records(user=lambda u: u, item=lambda i: i, time=lambda t: t) -> list[dict[str, object]]:
    return [{"user_id": user(u), "item_id": item(i), "rating": r, "timestamp": time(t)} for u, i, r, t in RATINGS]


def check(data, user=str, item=str) -> None:
    """Every rating is there, by the ids as the file has them."""
    assert len(data.ratings) == data.report.read == len(RATINGS), data.report.lines
    assert "time" not in data.report.problems
    for u, i, rating, _ in RATINGS:
        assert rating_of(data, user(u), item(i)) == rating


LARGE = {
    "beyond 64 bits": lambda n: 10**20 + n,
    "2**64": lambda n: 2**64 + n,
    "2**63": lambda n: 2**63 + n,
    "below 64 bits": lambda n: -(2**63) - n,
    "one beyond": lambda n: 2**64 if n == 3 else 2**53 + n,
    "with texts": lambda n: f"a{n}" if n == 2 else 10**20 + n,
    "with decimals": lambda n: 5.0 if n == 2 else 2**53 + 2 * n + 1,
    "400 digits": lambda n: 10**400 + n,
}


@pytest.mark.parametrize(
    ("ids", "form"), [*((ids, "lines") for ids in LARGE), ("beyond 64 bits", "array"), ("beyond 64 bits", "python")]
)
def test_large_whole_numbers_are_ids_as_they_stand(tmp_path: Path, monkeypatch, ids: str, form: str) -> None:
    monkeypatch.setattr(table_reader, "BLOCK", 2000)
    number = LARGE[ids]
    rows = records(number, lambda i: number(i + 20))
    whole = {"lines": "\n".join(map(json.dumps, rows)), "array": json.dumps(rows), "python": "\n".join(map(repr, rows))}
    folder = write(tmp_path / "x", r__jsonl=whole[form], items__csv=lines(
        ("item_id", "title"), [(f"{number(i + 20)}", f"Film {i}") for i in ITEMS]
    ))  # fmt: skip
    text = lambda n: str(number(n)).removesuffix(".0")  # noqa: E731
    data = accept(folder)
    check(data, text, lambda i: text(i + 20))
    assert title_of(data, text(21)) == "Film 1"


def test_large_floats_of_parquet_are_whole_numbers(tmp_path: Path) -> None:
    frame = pd.DataFrame(records(lambda u: 7e15 + u, lambda i: 1e10 + i))
    (tmp_path / "x").mkdir()
    frame.to_parquet(tmp_path / "x" / "r.parquet")
    check(accept(tmp_path / "x"), lambda u: 7 * 10**15 + u, lambda i: 10**10 + i)


@pytest.mark.parametrize("form", ["lines", "array"])
@pytest.mark.parametrize(
    ("user", "item", "time"),
    [
        (lambda u: {"$oid": f"a{u}"}, lambda i: {"$oid": f"b{i}"}, lambda t: {"$date": t * 1000}),
        (lambda u: f"a{u}", lambda i: {"$oid": f"b{i}"} if i % 2 else f"b{i}", lambda t: {"$numberInt": str(t)}),
        (
            lambda u: {"$uuid": f"a{u}"},
            lambda i: {"$oid": f"b{i}"},
            lambda t: {"$date": {"$numberLong": f"{t}000"}} if t % 2 else {"$date": t * 1000},
        ),
        (
            lambda u: {"$oid": f"a{u}"},
            lambda i: f"b{i}",
            lambda t: {"$date": pd.Timestamp(t, unit="s").strftime("%Y-%m-%dT%H:%M:%SZ")},
        ),
    ],
)
def test_what_mongodb_wraps_is_what_it_wraps(tmp_path: Path, form: str, user, item, time) -> None:
    rows = records(user, item, time)
    folder = write(tmp_path / "x", r__json="\n".join(map(json.dumps, rows)) if form == "lines" else json.dumps(rows))
    data = accept(folder)
    check(data, lambda u: f"a{u}", lambda i: f"b{i}")
    assert data.ratings.of_user(data.find_user("a2")).timestamp[0] == RATINGS[12][3]


@pytest.mark.parametrize(("form", "column"), [("lines", "user_id"), ("array", "item_id")])
@pytest.mark.parametrize("wrap", [lambda x: {"id": x}, lambda x: [x], lambda x: {"$a": x, "$b": 1}])
def test_objects_and_lists_are_no_ids(tmp_path: Path, form: str, column: str, wrap) -> None:
    rows = [{**row, column: wrap(row[column])} for row in records()]
    folder = write(tmp_path / "x", r__json="\n".join(map(json.dumps, rows)) if form == "lines" else json.dumps(rows))
    with pytest.raises(DatasetError, match=rf"r\.json, line 1: {column} is .*1.*no id"):
        custom_tables.propose_mapping(folder)
    rows[1:] = records()[1:]
    rows[9][column] = wrap(3)
    content = "\n".join(map(json.dumps, rows)) if form == "lines" else json.dumps(rows)
    data = accept(write(tmp_path / "y", r__json=content))
    assert data.report.problems["id"].count == 2 and data.report.problems["id"].examples[1][:2] == ("r.json", 10)
    assert data.report.read == 72 and len(data.users) == len(USERS) and len(data.items) == len(ITEMS)


def test_an_odd_cell_where_a_number_or_a_time_should_be(tmp_path: Path) -> None:
    rows = records()
    rows[3]["rating"], rows[4]["timestamp"] = {"value": 3}, [1]
    data = accept(write(tmp_path / "x", r__jsonl="\n".join(map(json.dumps, rows))))
    assert (data.report.problems["number"].count, data.report.problems["time"].count) == (1, 1)
    nested = [{**row, "timestamp": [row["timestamp"]]} for row in records()]
    folder = write(tmp_path / "y", r__jsonl="\n".join(map(json.dumps, nested)))
    with pytest.raises(InvalidInputError, match="no time in timestamp can be read"):
        accept(folder)


def test_python_lines_with_what_is_no_plain_value(tmp_path: Path) -> None:
    rows = [repr(row)[:-1] + ", 'note': nan}" for row in records()]
    check(accept(write(tmp_path / "x", r__json="\n".join(rows))))
    rows[7] = rows[7].replace("nan", "datetime.datetime(2014, 5, 17)")
    data = accept(write(tmp_path / "y", r__json="\n".join(rows)))
    (place,) = data.report.problems["shape"].examples
    assert place[:2] == ("r.json", 8) and "datetime.datetime(2014, 5, 17) is no plain value" in place[2]
    rows = [row.replace("nan", "datetime.datetime(2014, 5, 17)") for row in rows]
    with pytest.raises(DatasetError, match=r"r\.json, line 1: datetime\.datetime.* is no plain value"):
        custom_tables.propose_mapping(write(tmp_path / "z", r__json="\n".join(rows)))
    first = [rows[1], *(repr(row) for row in records()[1:])]
    assert accept(write(tmp_path / "first", r__json="\n".join(first))).report.problems["shape"].count == 1


def test_a_missing_value_is_none_wherever_it_stands(tmp_path: Path) -> None:
    rows = [*map(json.dumps, records()), '{"user_id": NaN, "item_id": 1, "rating": 3, "timestamp": 1400000000}']
    films = [{"item_id": i, "title": f"Film {i}" if i > 1 else float("nan"), "year": float("nan")} for i in ITEMS]
    data = accept(write(tmp_path / "x", r__jsonl="\n".join(rows), i__jsonl="\n".join(map(json.dumps, films))))
    assert data.report.problems["id"].count == data.report.problems["item"].count == 1
    assert title_of(data, 2) == "Film 2"


@pytest.mark.parametrize(
    ("orient", "count"),
    [*((o, 72) for o in ("records", "columns", "index", "split", "table")), ("split", 4), ("split", 2)],
)
def test_json_as_pandas_writes_it(tmp_path: Path, orient: str, count: int) -> None:
    frame = pd.DataFrame(records())[:count]
    data = accept(write(tmp_path / "x", r__json=frame.to_json(orient=orient)), scale=(1, 5, 1))
    assert len(data.ratings) == count
    for row in frame.itertuples():
        assert rating_of(data, row.user_id, row.item_id) == row.rating
