"""Tables as nobody would write them: never a traceback, never a row lost in silence, never a wrong join."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
from pathlib import Path

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from lusifer import datasets
from lusifer.datasets import custom_tables, splits
from lusifer.datasets.cell_texts import plain_text
from lusifer.errors import LusiferError
from tests.datasets.tables import ITEMS, RATINGS, lines, write

HEADER = ("user_id", "item_id", "rating", "timestamp")
LEFT_OUT = ("shape", "id", "number", "scale", "twice")
"""Kinds of dirt that leave a row of ratings out."""
TITLE = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=20).filter(
    lambda t: plain_text(t) == t and t.strip() == t and not t.startswith("[")
)
IDS = {
    "numbers": str,
    "padded": lambda i: f"{i:06d}",
    "codes": lambda i: f"B{i:04d}",
    "large": lambda i: str(10**12 + i),
    "floats": lambda i: f"{i}.0",
    "imdb": lambda i: f"tt{i:07d}",
}


@st.composite
def layouts(draw: st.DrawFn) -> dict[str, object]:
    """How a table is written."""
    form = draw(st.sampled_from(["text", "text", "text", "lines", "array", "literals", "parquet"]))
    return {
        "form": form,
        "separator": draw(st.sampled_from([",", ";", "\t", "|"])),
        "quoting": draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])),
        "end": draw(st.sampled_from(["\n", "\r\n"])),
        "encoding": draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16"])),
        "packed": draw(st.booleans()),
    }


def as_file(
    name: str, header: tuple[str, ...], rows: list[tuple[object, ...]], how: dict[str, object]
) -> dict[str, bytes]:
    """A table in a layout: file name → bytes."""
    form = how["form"]
    if form == "parquet":
        out = io.BytesIO()
        pd.DataFrame([[str(c) for c in r] for r in rows], columns=list(header)).to_parquet(out)
        return {f"{name}.parquet": out.getvalue()}
    records = [dict(zip(header, row, strict=True)) for row in rows]
    if form == "lines":
        text, ending = "".join(json.dumps(r) + "\n" for r in records), "jsonl"
    elif form == "array":
        text, ending = json.dumps(records, indent=1, ensure_ascii=False), "json"
    elif form == "literals":
        text, ending = "".join(repr(r) + "\n" for r in records), "json"
    else:
        out = io.StringIO()
        separator, quoting, end = how["separator"], how["quoting"], how["end"]
        csv.writer(out, delimiter=separator, quoting=quoting, lineterminator=end).writerows([header, *rows])  # type: ignore[arg-type]
        text, ending = out.getvalue(), "tsv" if separator == "\t" else "csv"
    data = text.encode(str(how["encoding"]))
    return {f"{name}.{ending}.gz": gzip.compress(data)} if how["packed"] else {f"{name}.{ending}": data}


DIRT = st.sampled_from(
    [
        (1, "", 3, 5),
        ("", 1, 3, 5),
        (1, 2, "five", 5),
        (3, 2, "", 5),
        (1, 2, "nan", 7),
        (2, 1, 1e12, 3),
        (5, 5, "3 stars", 1),
    ]
)


@settings(max_examples=60)
@given(
    st.lists(TITLE, min_size=12, max_size=12, unique=True),
    st.sampled_from(sorted(IDS)),
    layouts(),
    layouts(),
    st.lists(DIRT, max_size=4),
    st.randoms(use_true_random=False),
)
def test_what_is_written_is_read_or_reported(titles, ids, ratings_how, items_how, dirt, rng) -> None:
    write_id = IDS[ids]
    rows = [(f"u{u}", write_id(i), r, t) for u, i, r, t in RATINGS]
    for user, item, rating, time in dirt:
        rows.insert(rng.randrange(len(rows)), (user and f"u{user}", item and write_id(item), rating, time))
    items = [(write_id(i), titles[i - 1]) for i in ITEMS]
    rng.shuffle(items)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "x"
        folder.mkdir()
        files = as_file("ratings", HEADER, rows, ratings_how) | as_file("items", ("item_id", "title"), items, items_how)
        for file, data in files.items():
            (folder / file).write_bytes(data)
        mapping = custom_tables.propose_mapping(folder)
        custom_tables.accept_mapping(folder, mapping)
        found = datasets.load(str(folder), Path(name))
        lost = sum(found.report.problems[k].count for k in LEFT_OUT if k in found.report.problems)
        assert len(found.ratings) + lost == len(rows), found.report.lines
        written = {(f"u{u}", write_id(i)): r for u, i, r, _ in RATINGS}
        told = {
            (str(found.user_label(int(u))), str(found.item_label(int(i)))): r
            for u, i, r in zip(found.ratings.user, found.ratings.item, found.ratings.rating, strict=True)
        }
        assert told == written
        for item, title in items:
            assert found.item(found.find_item(item)).title == title


def a_folder(kind: str) -> dict[str, bytes]:
    """Whole tables, to be damaged."""
    movie = ("userId", "movieId", "rating", "timestamp")
    films = [(i, f'"Film, {i} (1990)"', "Drama|War") for i in ITEMS]
    found = {
        "release": {"ratings.csv": lines(movie, RATINGS), "movies.csv": lines(("movieId", "title", "genres"), films)},
        "dat": {
            "ratings.dat": lines((), RATINGS, "::"),
            "movies.dat": lines((), films, "::"),
            "users.dat": lines((), [(u, "F", 25, 3, "00000") for u in range(1, 7)], "::"),
        },
        "own": {
            "reviews.json": "".join(json.dumps(dict(zip(HEADER, r, strict=True))) + "\n" for r in RATINGS),
            "books.csv": lines(("id", "title", "genres", "description"), [(*f, "<b>x</b>") for f in films], ";"),
            "users.tsv": lines(("user_id", "age", "gender"), [(u, 20 + u, "F") for u in range(1, 7)], "\t"),
        },
        "linked": {
            "ratings.csv": lines(movie, RATINGS),
            "metadata.json": json.dumps(
                [{"id": 13 - i, "title": f"Film {i}", "genres": [{"name": "War"}]} for i in ITEMS]
            ),
            "links.csv": lines(("movieId", "tmdbId"), [(i, 13 - i) for i in ITEMS]),
        },
        "recbole": {
            f"x.{part}.inter": lines([f"{c}:token" if "id" in c else f"{c}:float" for c in HEADER], RATINGS[n::3], "\t")
            for n, part in enumerate(("train", "valid", "test"))
        },
    }
    return {name: text.encode() for name, text in found[kind].items()}


PIECES = st.sampled_from(
    [
        *(
            b'"',
            b"'",
            b",",
            b";",
            b"\t",
            b"\n",
            b"\r",
            b"\0",
            b"::",
            b"{",
            b"[" * 500,
            b"]",
            b"\\",
            b"-1",
            b"1e999",
            b"NaN",
        ),
        *(b"\xff\xfe", b"\xe9", b"\xf0\x9f", b"\xef\xbb\xbf", b"\x1f\x8b", b"99999999999999999999", b"tt0114709"),
        *(b"sep=;\n", b"2014-13-45"),
    ]
)


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, dict[str, bytes]]:
    """A folder some of whose bytes are others, gone, doubled, or in the wrong file."""
    kind = draw(st.sampled_from(["release", "dat", "own", "linked", "recbole"]))
    files = a_folder(kind)
    for _ in range(draw(st.integers(1, 4))):
        name = draw(st.sampled_from(sorted(files)))
        data = files[name]
        start = draw(st.integers(0, len(data)))
        stop = min(len(data), start + draw(st.integers(0, 60)))
        way = draw(st.sampled_from(["put", "put", "cut", "twice", "end", "replace", "other"]))
        piece = draw(PIECES)
        files[name] = {
            "put": data[:start] + piece + data[start:],
            "cut": data[:start] + data[stop:],
            "twice": data[:stop] + data[start:],
            "end": data[:start],
            "replace": data[:start] + piece + data[stop:],
            "other": files[draw(st.sampled_from(sorted(files)))],
        }[way]
    return kind, files


@settings(max_examples=120)
@given(damaged())
def test_damaged_tables_are_read_or_refused_with_a_sentence(given_files: tuple[str, dict[str, bytes]]) -> None:
    kind, files = given_files
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "x"
        write(folder)
        for file, data in files.items():
            (folder / file).write_bytes(data)
        datasets.list_datasets(Path(name))
        datasets.folders_to_map(Path(name))
        try:
            if datasets.detect_kind(folder) is None:
                mapping = custom_tables.propose_mapping(folder)
                custom_tables.preview_mapping(folder, mapping)
                custom_tables.accept_mapping(folder, mapping, despite_concerns=True)
            found = datasets.load(str(folder), Path(name))
            for split in found.fixed_splits:
                splits.make(found, split)
        except LusiferError as error:
            assert error.message and len(str(error)) < 3000
            return
        report = found.report
        lost = sum(report.problems[k].count for k in LEFT_OUT[1:] if k in report.problems)
        assert len(found.ratings) + lost == report.read, report.lines
        _check_join(kind, found)


def _check_join(kind: str, found: datasets.Dataset) -> None:
    """An item whose description came through whole is that of its own id."""
    for item in ITEMS:
        title = found.items["title"].get(found.item_numbers.get(str(item), -1))
        known = {f"Film, {n} (1990)": n for n in ITEMS} | {f"Film {n}": n for n in ITEMS}
        if title in known and kind != "linked":  # a damaged table of links leads elsewhere, by what it says
            assert known[title] == item, (item, title)
