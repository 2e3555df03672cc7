"""The tables of a folder: which files may be some, their columns and first rows, and why others can't be read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from lusifer.datasets.data_quality import DataQualityReport
from lusifer.datasets.source_detection import header_is_missing, source_of
from lusifer.datasets.table_files import TABULAR, is_regular, table_suffix
from lusifer.datasets.table_mapping import MAPPING_FILE, ROLES
from lusifer.datasets.table_reader import blocks
from lusifer.errors import DatasetError

PREVIEW_ROWS = 200
_NO_TABLE = re.compile(r"readme|licen[sc]e|changelog|notes?\b|copying|citation", re.I)
_UNREAD = {
    ".zip": "an archive: unpack it",
    ".bz2": "packed: unpack it",
    ".xz": "packed: unpack it",
    ".7z": "an archive: unpack it",
    ".tar": "an archive: unpack it",
    ".tgz": "an archive: unpack it",
    ".gz": "packed: unpack it",
    ".xlsx": "an Excel workbook: save its sheet as CSV",
    ".xls": "an Excel workbook: save its sheet as CSV",
    ".feather": "Arrow's own format: save it as Parquet",
    ".pkl": "a Python pickle, which may run code: save it as Parquet",
}
"""Files that hold tables and are not read, and what to do about it."""


@dataclass(frozen=True)
class FolderTable:
    """A table: its file's name, and its columns with their first values.

    ``unnamed``: no line names the columns; they are called ``column 1`` and so on.
    """

    file: str
    columns: Mapping[str, Sequence[Any]]
    unnamed: bool = False
    size: int = 0

    def guess(self, table: str) -> dict[str, str]:
        """Role → column of a kind of table, told by the columns' names."""
        plain = {c: plain_name(c) for c in self.columns}
        roles_found: dict[str, str] = {}
        for role, names in ROLES[table].items():
            for name in names:
                column = next((c for c, p in plain.items() if p == name and c not in roles_found.values()), None)
                if column:
                    roles_found[role] = column
                    break
        return roles_found

    def item_roles(self, id_column: str = "") -> dict[str, str]:
        """Role → column of a table of items; ``id_column`` is none of the others where no line names the columns."""
        if not self.unnamed:
            return self.guess("items")
        roles: dict[str, str] = {}
        for name, values in self.columns.items():
            if name == id_column:
                continue
            texts = [str(v) for v in values if v not in (None, "")]
            words = sum(any(ch.isalpha() for ch in t) for t in texts)
            if not texts or 2 * words < len(texts):
                continue
            if "title" not in roles:
                roles["title"] = name
            elif "genres" not in roles and len({g for t in texts for g in t.split("|")}) <= 60:
                roles["genres"] = name
        return roles


@dataclass(frozen=True)
class FolderTables:
    """What a folder holds: tables, and files that were passed over with the reason."""

    tables: Mapping[str, FolderTable] = field(default_factory=dict)
    passed_over: Mapping[str, str] = field(default_factory=dict)


def plain_name(name: str) -> str:
    """A column's name for comparing: its letters and digits alone."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def list_tables(folder: Path) -> list[Path]:
    """Files of a folder that may be tables. Pipes and devices are none: to read one is to wait for ever."""
    try:
        files = sorted(p for p in folder.iterdir() if is_regular(p))
    except OSError:
        return []
    return [
        p
        for p in files
        if table_suffix(p) in TABULAR
        and p.name != MAPPING_FILE
        and not p.name.startswith(".")
        and not (table_suffix(p) in {".txt", ".data"} and _NO_TABLE.match(p.name))
    ]


def read_folder(folder: Path, encoding: str = "") -> FolderTables:
    """The tables of a folder with their first rows."""
    tables, passed_over = {}, {}
    candidates = list_tables(folder)
    for path in candidates:
        try:
            tables[path.name] = read_preview(path, encoding)
        except DatasetError as error:
            passed_over[path.name] = error.message.replace(f"{path}", path.name).rstrip(".")
    try:
        others = sorted(p for p in folder.iterdir() if p not in candidates and not p.name.startswith("."))
    except OSError:
        others = []
    for path in others:
        if path.suffix.lower() in _UNREAD:
            passed_over[path.name] = _UNREAD[path.suffix.lower()]
        elif table_suffix(path) in TABULAR and not is_regular(path) and path.name != MAPPING_FILE:
            passed_over[path.name] = "not a regular file (a folder, a pipe, a device, or a link to nowhere)"
    return FolderTables(tables, passed_over)


def read_preview(path: Path, encoding: str = "") -> FolderTable:
    """A table with its first rows.

    Raises:
        DatasetError: it can't be read, or two of its columns have the same name.
    """
    report = DataQualityReport()
    try:
        source = source_of(path, encoding=encoding)
        names = list(source.columns or ())
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise DatasetError(f"{path.name} has two columns with the same name ({twice[0]}).", "Rename one of them.")
        for _, block in blocks(source, report):
            names = block.column_names
            if len(set(names)) < len(names):
                raise DatasetError(f"{path.name} has two columns with the same name.", "Rename one of them.")
            values = {str(n): block[n].slice(0, PREVIEW_ROWS).to_pylist() for n in names}
            return FolderTable(path.name, values, header_is_missing(source), path.stat().st_size)
    except (ValueError, OverflowError, RecursionError, pa.ArrowException) as error:
        raise DatasetError(f"{path.name} can't be read ({str(error)[:100]}).", "Check the file.") from None
    if report.lines:
        raise DatasetError(f"{path.name} has no readable row: {report.lines[0]}.", "Check the file.")
    return FolderTable(path.name, {n: [] for n in names}, header_is_missing(source), path.stat().st_size)


def preview_columns(path: Path, encoding: str = "") -> dict[str, list[Any]]:
    """A table's columns with their first few values.

    Raises:
        DatasetError: it can't be read.
    """
    return {name: list(values) for name, values in read_preview(path, encoding).columns.items()}
