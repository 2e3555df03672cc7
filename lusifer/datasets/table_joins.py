"""How the tables of a folder belong together: by which ids, measured by how many ratings find their item."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from lusifer.datasets.data_quality import DataQualityReport
from lusifer.datasets.folder_tables import FolderTable, plain_name
from lusifer.datasets.id_encoder import bare_number, clean_id, is_structure
from lusifer.datasets.nested_columns import plain_column
from lusifer.datasets.source_detection import source_of
from lusifer.datasets.table_mapping import LinkSpec
from lusifer.datasets.table_reader import blocks
from lusifer.errors import DatasetError

SAMPLE_ROWS = 2_000_000
"""Ratings that are looked at before a mapping is accepted."""
MIN_SHARE = 0.9
"""Share of the ratings that must find their item for a join to be taken without asking."""
UNIQUE_SHARE = 0.8
"""Share of a column's cells that must differ for it to tell rows apart."""
ONE_ITEM = 0.95
"""Share of the ids whose rows must describe one item for a table to have several rows of one."""
_ID_ENDINGS = (
    *("id", "isbn", "isbn13", "asin", "code", "index", "key", "number", "item", "no"),
    *("slug", "sku", "ean", "upc", "gtin", "doi", "uri"),
)


@dataclass(frozen=True)
class Join:
    """A way from the ratings' ids to those of another table, and how many ratings it serves.

    Attributes:
        rated: the column of the ratings.
        described: the column of the other table.
        matched: ratings whose id is in the other table.
        total: ratings that were looked at.
        links: the table between, if there is one.
        loose: ids are compared by `lusifer.datasets.id_encoder.bare_number`.
    """

    rated: str
    described: str
    matched: int
    total: int
    links: LinkSpec | None = None
    loose: bool = False

    @property
    def share(self) -> float:
        """Part of the ratings that find their row; 1 where there is no rating."""
        return self.matched / self.total if self.total else 1.0

    @property
    def is_shared_name(self) -> bool:
        """Whether both tables call the id the same (or the links table does)."""
        pairs = [(self.rated, self.described)]
        if self.links:
            pairs = [(self.rated, self.links.rated)]
        return all(plain_name(a) == plain_name(b) for a, b in pairs)


def column_ids(folder: Path, files: Iterable[str], columns: Sequence[str], encoding: str = "") -> dict[str, pd.Series]:
    """How often each id (as text) stands in some columns of tables, of the first `SAMPLE_ROWS` rows.

    Raises:
        DatasetError: a column holds objects or lists.
    """
    counts: dict[str, list[pd.Series]] = {c: [] for c in columns}
    rows = 0
    for file in files:
        source = source_of(folder / file, encoding=encoding)
        for lines, block in blocks(source, DataQualityReport(), names=list(columns)):
            for column in columns:
                counts[column].append(_texts(block[column]).value_counts())
                if not rows and not len(counts[column][-1]):
                    _check_ids(file, lines, column, block[column])
            rows += block.num_rows
            if rows >= SAMPLE_ROWS:
                break
    return {
        c: (pd.concat(parts).groupby(level=0).sum() if len(parts) > 1 else parts[0]) if parts else pd.Series(dtype=int)
        for c, parts in counts.items()
    }


def _texts(column: pa.ChunkedArray) -> pd.Series:
    if pa.types.is_nested(column.type):
        return pd.Series(dtype=str)
    texts = plain_column(column).cast(pa.string()).to_pandas().dropna().str.strip()
    opens = texts.str.startswith(("{", "["))
    if opens.any():
        texts = texts[~opens | ~texts.map(is_structure)]
    if not texts.map(str.isascii).all():
        texts = texts.map(clean_id)
    return texts[texts != ""]


def _check_ids(file: str, lines: Sequence[int], column: str, cells: pa.ChunkedArray) -> None:
    """Say so where all cells of a column are objects or lists.

    Raises:
        DatasetError: they are.
    """
    for line, cell in zip(lines, plain_column(cells).cast(pa.string()).to_pylist(), strict=True):
        if cell and is_structure(cell):
            raise DatasetError(
                f"{file}, line {line}: {column} is {cell[:60]}, and an object or list is no id.",
                "Write the ids as texts or numbers.",
            )


def find_join(
    folder: Path, rated: pd.Series, rated_column: str, table: FolderTable, links: Sequence[FolderTable], encoding: str
) -> Join | None:
    """The best way from the ratings to a table.

    A column of the same name goes first where it serves `MIN_SHARE` of the ratings; then a links table that has the
    ratings' own column; then whichever column has the most of their ids. Small whole numbers are in many columns by
    chance, which no count can tell: so names go before counts, and a join by two names is told to a person.

    Args:
        folder: of the tables.
        rated: the ratings' ids and how often each was rated, from `column_ids`.
        rated_column: their column's name.
        table: what is joined.
        links: tables that may lead there.
        encoding: of text files; empty: told.
    """
    columns = _id_columns(table)
    counts = column_ids(folder, [table.file], columns, encoding) if columns else {}
    ids = {
        c: set(s.index)
        for c, s in counts.items()
        if len(s) and (len(s) >= UNIQUE_SHARE * s.sum() or _has_rows_a_genre(folder, table, c, encoding))
    }
    direct = [_measure(rated, rated_column, c, found) for c, found in ids.items()]
    shared = max((j for j in direct if j.is_shared_name), key=lambda j: j.share, default=None)
    if shared and shared.share >= MIN_SHARE:
        return shared
    linked = [j for link in links for j in _through(folder, rated, rated_column, link, ids, encoding)]
    linked = [j for j in linked if j.share >= MIN_SHARE / 2]
    if linked:
        return max(linked, key=lambda j: (round(j.share, 2), _names_meet(j)))
    guessed = table.guess("items").get("id")
    best = max(direct, key=lambda j: (round(j.share, 3), j.described == guessed), default=None)
    if shared and best and best.share < MIN_SHARE:
        return shared  # neither serves: the name says what was meant
    return best


def _has_rows_a_genre(folder: Path, table: FolderTable, column: str, encoding: str) -> bool:
    """Whether rows of one id describe one item: only their genres, and what has no role, differ."""
    roles = {role: name for role, name in table.item_roles(column).items() if name != column}
    if "title" not in roles:
        return False
    names = [column, *(roles[role] for role in ("title", "year", "text") if role in roles)]
    source = source_of(folder / table.file, encoding=encoding)
    parts = []
    for _, block in blocks(source, DataQualityReport(), names=names):
        texts = [plain_column(block[name]).cast(pa.string()) for name in names]
        parts.append(pa.table(texts, [str(n) for n in range(len(names))]).to_pandas().drop_duplicates())
    rows = pd.concat(parts).drop_duplicates() if parts else pd.DataFrame({"0": []})
    return rows["0"].nunique() >= ONE_ITEM * len(rows) > 0


def _names_meet(join: Join) -> bool:
    return join.links is not None and plain_name(join.links.described) == plain_name(join.described)


def _id_columns(table: FolderTable) -> list[str]:
    """Columns that may hold ids, by their names; all of them where no line names them."""
    guessed = [table.guess(kind).get("id", "") for kind in ("items", "users")]
    likely = [c for c in table.columns if c in guessed or table.unnamed or plain_name(c).endswith(_ID_ENDINGS)]
    return [c for c in likely if not any(isinstance(v, list | dict) for v in table.columns[c][:20])]


def _measure(rated: pd.Series, rated_column: str, column: str, ids: Collection[str]) -> Join:
    total = int(rated.sum())
    exact = Join(rated_column, column, int(rated[rated.index.isin(ids)].sum()), total)
    ours, theirs = bare_ids(rated.index), bare_ids(ids)
    if exact.share >= MIN_SHARE or ours is None or theirs is None:
        return exact
    known = set(theirs.values())
    matched = int(rated[[ours[i] in known for i in rated.index]].sum())
    return Join(rated_column, column, matched, total, None, True) if matched > exact.matched else exact


def bare_ids(ids: Iterable[str]) -> dict[str, str] | None:
    """Id → `bare_number`; ``None`` where two ids would become one."""
    found = {i: bare_number(i) for i in ids}
    return found if len(set(found.values())) == len(found) else None


def read_links(
    folder: Path, links: LinkSpec, encoding: str = "", report: DataQualityReport | None = None
) -> dict[str, str]:
    """The ratings' id → the id of the items' table. An id that stands there twice keeps its first line."""
    found: dict[str, str] = {}
    source = source_of(folder / links.file, report, encoding)
    report = report or DataQualityReport()
    for lines, block in blocks(source, report, names=[links.rated, links.described]):
        pairs = (block[c].cast(pa.string()).fill_null("").to_pylist() for c in (links.rated, links.described))
        for line, rated, described in zip(lines, *pairs, strict=True):
            key, value = rated.strip(), described.strip()
            if not key or not value or key in found:
                report.add("link", 1, links.file, line, f"{key}, {value}")
            else:
                found[key] = value
    return found


def _tells_apart(table: FolderTable, column: str) -> bool:
    values = [v for v in table.columns[column] if v not in (None, "")]
    return len(set(map(str, values))) == len(values) > 0


def _through(
    folder: Path,
    rated: pd.Series,
    rated_column: str,
    link: FolderTable,
    ids: Mapping[str, Collection[str]],
    encoding: str,
) -> Iterable[Join]:
    """Joins by way of a links table that has the ratings' own column."""
    ours = next((c for c in link.columns if plain_name(c) == plain_name(rated_column)), None)
    if ours is None or not _tells_apart(link, ours):
        return
    for other in _id_columns(link):
        if other == ours or not _tells_apart(link, other):
            continue
        spec = LinkSpec(link.file, ours, other)
        there = read_links(folder, spec, encoding)
        reached = {i: there[i] for i in rated.index if i in there}
        for column, known in ids.items():
            exact = sum(rated[i] for i, t in reached.items() if t in known)
            bare = {bare_number(k) for k in known}
            loose = sum(rated[i] for i, t in reached.items() if bare_number(t) in bare)
            is_loose = bool(loose > exact)
            yield Join(rated_column, column, int(max(exact, loose)), int(rated.sum()), spec, is_loose)
