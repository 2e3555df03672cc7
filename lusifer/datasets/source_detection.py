"""How a table's file is to be read, told by its content: its form, and how its cells are separated and quoted.

Nothing is taken because it is the first thing that parses: the separator is the one that cuts the first lines into
equally many cells; quotation marks count as such only where every one of them that opens a cell closes it too.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from lusifer.datasets.data_quality import DataQualityReport
from lusifer.datasets.headed_records import COLUMNS, is_headed
from lusifer.datasets.json_records import literal_record, record
from lusifer.datasets.record_lines import BLANKS, Dialect, RowShape, quoted_cells
from lusifer.datasets.table_files import (
    ATOMIC,
    JSON,
    TABULAR,
    Source,
    check_file,
    encoding_of,
    open_text,
    scan,
    table_suffix,
)
from lusifer.errors import DatasetError

SEPARATORS = ("\t", ",", ";", "|", "::", "\x01", "^", "~", " ")
"""What may stand between two cells, the likeliest first."""
COMMENTS = ("#", "%")
"""How a comment before a table begins."""
HEAD = 1 << 18
"""Characters by which a file is told."""
HEAD_LINES = 400
"""Lines of these."""
_PYTHON = re.compile(r"\{\s*u?'")
"""How a dictionary that Python has written begins; JSON has no such quotation marks."""
_TYPED = re.compile(r":(?:token|token_seq|float|float_seq)$")
_NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?")
_RUN = re.compile(r"(?:[^\w\r\n]|_)+")
_SEPARATOR_LINE = re.compile(r'"?sep=(\\t|.{1,5}?)"?$', re.I)


def source_of(path: Path, report: DataQualityReport | None = None, encoding: str = "") -> Source:
    """How a file is to be read, told by its content.

    Args:
        path: the file.
        report: takes note of an encoding other than UTF-8.
        encoding: of a text file; empty: told from its bytes.

    Raises:
        DatasetError: it is no table that can be read.
    """
    try:
        check_file(path)
        ending = table_suffix(path)
        if ending not in TABULAR:
            raise DatasetError(f"{path.name} is not a supported table.", "Give CSV, TSV, Parquet or JSON lines.")
        if ending == ".parquet":
            return Source(path, form="parquet")
        if encoding:
            try:
                codecs.lookup(encoding)
            except LookupError:
                raise DatasetError(f"There is no encoding {encoding!r}.", "Such as utf-8, cp1252, shift_jis.") from None
        name = encoding or encoding_of(path, report)
        with open_text(path, name) as file:
            head = file.read(HEAD)
    except FileNotFoundError:
        raise DatasetError(f"{path} is not there.", "Check the path.") from None
    except (OSError, EOFError, UnicodeError) as error:
        raise DatasetError(f"{path} can't be read: {str(error)[:200]}.", "Check the file.") from None
    if not head.strip():
        raise DatasetError(f"{path} is empty.", "Check the file.")
    start = head.lstrip()[:1]
    if ending in JSON or start in "{[":
        return Source(path, encoding=name, form=_json_form(head))
    return _text_source(Source(path, encoding=name), head)


def _json_form(head: str) -> str:
    first, _, rest = head.lstrip().partition("\n")
    if first.startswith("{"):
        value = record(first)
        if value is not None:
            holds_rows = any(isinstance(v, dict) or (isinstance(v, list) and v) for v in value.values())
            return "document" if holds_rows and not rest.strip() else "json"
        return "literals" if _PYTHON.match(first) or isinstance(literal_record(first), dict) else "document"
    return "document" if first.startswith("[") else "json"


def _text_source(source: Source, head: str) -> Source:
    looked = scan(source.path)
    lines = re.split(r"\r\n|\r|\n", head)
    if len(head) >= HEAD and len(lines) > 1:
        lines = lines[:-1]  # the last one is cut
    lines = lines[:HEAD_LINES]
    if is_headed(lines):
        return replace(source, form="headed", columns=COLUMNS)
    skip = 0
    line = _SEPARATOR_LINE.match(lines[0]) if lines else None
    if line:
        skip, separator = 1, "\t" if line.group(1) == "\\t" else line.group(1)
    else:
        separator = _separator_of(_without_comments(lines), table_suffix(source.path))
    while skip < len(lines) and not lines[skip].strip():
        skip += 1
    skip = _behind_comments(lines, skip, separator)
    dialect = Dialect(separator, looked.quotes and len(separator) == 1)
    if dialect.quoted and separator == "\t":
        dialect = Dialect(separator, _tab_quotes(lines[skip:]))
    rows = [row for _, row in dialect.rows(iter(lines[skip:]), dialect.shape(lines[skip:]))]
    if not rows:
        raise DatasetError(f"{source.path} is empty.", "Check the file.")
    columns, header = _columns(rows)
    told = replace(source, separator=separator, columns=tuple(columns), quoted=dialect.quoted, skip=skip + header)
    is_broken = looked.broken > 0 or source.encoding != looked.encoding
    is_broken = is_broken or (told.is_translated and source.encoding not in {"utf-8", "cp1252", "latin-1"})
    if not dialect.quoted or _well_quoted(told, RowShape.of(rows[header:], len(columns))):
        return replace(told, careful=is_broken)
    if separator == "\t":
        return replace(told, quoted=False, careful=is_broken)
    return replace(told, careful=True)


def _without_comments(lines: Sequence[str]) -> Sequence[str]:
    """The lines behind those that begin with a sign for comments."""
    place = next((n for n, line in enumerate(lines) if line.strip() and not line.startswith(COMMENTS)), 0)
    return lines[place:]


def _behind_comments(lines: Sequence[str], skip: int, separator: str) -> int:
    """How many lines stand before the table: comments too, but not one that names as many columns as rows have."""
    end = next((n for n in range(skip, len(lines)) if lines[n].strip() and not lines[n].startswith(COMMENTS)), skip)
    if end == skip:
        return skip
    last = max(n for n in range(skip, end) if lines[n].strip())
    width = lines[end].count(separator)
    return last if width and lines[last].count(separator) == width else end


def _separator_of(lines: Sequence[str], ending: str) -> str:
    """What cuts the first lines into equally many cells, more than one."""
    sample = [line for line in lines[:200] if line.strip()]
    best, best_score = ",", (0.0, 0)
    if ending in ATOMIC and sample and "\t" in sample[0]:
        return "\t"
    has_idle = True
    for separator in SEPARATORS:
        if not sample or separator not in sample[0]:
            continue
        dialect = Dialect(separator, separator not in {"\t", "::"})
        rows = [row for _, row in dialect.rows(iter(sample), dialect.shape(sample))]
        counts = Counter(map(len, rows))
        cells, often = max(counts.items(), key=lambda c: (c[1], c[0]))
        score = (round(often / counts.total(), 1), cells)
        if cells > 1 and (separator != " " or cells > 2) and score > best_score:
            best, best_score = separator, score
            texts = ["".join(column) for column in zip(*(r for r in rows if len(r) == cells), strict=True)]
            has_idle = not all(any(map(str.isalnum, text)) for text in texts)
    runs = {run.strip(" \"'") for line in sample for run in _RUN.findall(line) if best in run}
    is_inside = len(runs) == 1 and best not in runs and best.strip() and best_score[1] > 2
    is_certain = not has_idle and best_score[0] >= 0.9 and not is_inside
    if is_certain and not (ending == ".dat" and best_score[1] == 2):
        return best
    unusual = unusual_delimiter(sample)
    first = sample[0].split(unusual)[0] if unusual else ""
    if unusual and sample[0].count(unusual) > is_certain and (best == " " or best not in first):
        return unusual
    return BLANKS if not is_certain and _is_aligned(sample) else best


def unusual_delimiter(lines: Sequence[str]) -> str:
    """The run of signs that cuts lines into equally many cells, none of them empty; empty for none.

    One of three or more columns must be ratings, or the first one must tell the lines apart. Of several the one that
    gives most cells is taken.
    """
    runs = {run.group() for run in _RUN.finditer(lines[0])} if len(lines) > 1 else set()
    runs |= {form for run in runs for form in (run.rstrip("+-."), run.strip("\"'")) if form}
    found = []
    for run in runs - {""}:
        rows = [[cell.strip() for cell in line.split(run)] for line in lines]
        rows = [row for row in rows if len(row) == len(rows[0]) and all(row)]
        single = run[0] if len(run) > 1 and len(set(run)) == 1 else None
        if len(rows) < 0.95 * len(lines) or (single and _holds_columns(rows, single)):
            continue
        header = not any(_NUMBER.fullmatch(cell) for cell in rows[0])
        columns = list(zip(*rows[header:], strict=True))
        is_rated = len(columns) > 2 and any(_are_ratings(column) for column in columns)
        if is_rated or (len(columns) > 1 and len(set(columns[0])) == len(columns[0])):
            found.append((is_rated, len(columns), len(run), run))
    return max(found)[3] if found else ""


def _is_aligned(lines: Sequence[str]) -> bool:
    """Whether blanks, now more and now fewer, stand between the cells of three columns or more, one of them ratings."""
    rows = [line.split() for line in lines]
    if len(rows) < 2 or len(rows[0]) < 3 or any(len(row) != len(rows[0]) for row in rows):
        return False
    header = not any(_NUMBER.fullmatch(cell) for cell in rows[0])
    return any(_are_ratings(column) for column in zip(*rows[header:], strict=True))


def _holds_columns(rows: Sequence[Sequence[str]], sign: str) -> bool:
    """Whether cells hold more columns, and two of a sign stand around an empty one: not so between genres' names."""
    cells = (cell for row in rows for cell in row if sign in cell)
    return any(sign in ",\t" or not re.search(r"[^\W\d_]", cell) for cell in cells)


def _are_ratings(cells: Sequence[str]) -> bool:
    return len(set(cells)) <= 101 and all(_NUMBER.fullmatch(cell) for cell in cells)


def _tab_quotes(lines: Sequence[str]) -> bool:
    """Whether quotation marks in a tab-separated file are its form: where a program has written them.

    Tab-separated files have none as a rule, and titles begin with one ("Heroes" Live). A program that quotes does so
    for all texts of a column, or only where a cell needs it.
    """
    whole = "\n".join(lines)
    quoted = list(quoted_cells(whole, "\t"))
    if not quoted or any(end < 0 for _, end in quoted):
        return False
    if all(re.search(r'""|[\t\r\n]', whole[start + 1 : end - 1]) for start, end in quoted):
        return True
    between = [0, *(place for cell in quoted for place in cell), len(whole)]
    marked = "\0".join(whole[a:b] for a, b in zip(between[::2], between[1::2], strict=True))
    rows = [line.split("\t") for line in marked.split("\n")]  # a quoted cell is a zero
    for column in range(max(map(len, rows))):
        cells = [row[column] for row in rows if column < len(row) and row[column]]
        texts = [c for c in cells if not _NUMBER.fullmatch(c)]
        count = texts.count("\0")
        if 0 < count < len(texts) - 1:  # the header may do without
            return False
    return True


def _well_quoted(source: Source, shape: RowShape) -> bool:
    """Whether every quotation mark that opens a cell closes it, and no cell swallows rows. All of the file is seen."""
    for text in _pieces(source):
        if not text:
            return False
        for start, end in quoted_cells(text, source.separator):
            if end < 0:
                return False
            if "\n" in text[start:end]:
                line_end = text.find("\n", end)
                if shape.swallows(text[start : line_end if line_end >= 0 else len(text)], source.dialect):
                    return False
    return True


def _pieces(source: Source) -> Iterator[str]:
    """The file in pieces that end where a line ends outside of quotation marks; an empty one where none does."""
    rest = ""
    with open_text(source.path, source.encoding) as file:
        while block := file.read(1 << 22):
            text = rest + block
            cut = _cut(text)
            if cut < 0:
                if len(text) > 1 << 25:
                    yield ""
                    return
                rest = text
                continue
            yield text[:cut]
            rest = text[cut:]
    if rest:
        yield rest if rest.count('"') % 2 == 0 else ""


def _cut(text: str) -> int:
    """Behind the last line that ends with an even number of quotation marks before it; −1 for none near the end."""
    end = len(text)
    for _ in range(1000):
        end = text.rfind("\n", 0, end)
        if end < 0:
            return -1
        if text.count('"', 0, end) % 2 == 0:
            return end + 1
    return -1


def _columns(rows: Sequence[Sequence[str]]) -> tuple[list[str], int]:
    """Names of the columns, and how many rows name them (1 or 0)."""
    first = [cell.strip() for cell in rows[0]]
    usual = Counter(len(row) for row in rows[1:]).most_common(1)
    width = usual[0][0] if usual else len(first)
    if any(_NUMBER.fullmatch(cell) for cell in first):
        return [f"column {n}" for n in range(1, len(first) + 1)], 0
    names = [_TYPED.sub("", cell).lstrip("#% ") for cell in first]
    body = [row for row in rows[1:] if len(row) == width]
    if width == len(names) - 1 and not names[-1]:
        names.pop()  # the header ends with a separator, the rows don't
    elif width > len(names) and all(not any(c.strip() for c in row[len(names) :]) for row in body):
        names += [""] * (width - len(names))  # every row ends with one
    elif width == len(names) + 1 and [row[0] for row in body] == [str(n + 1) for n in range(len(body))]:
        names.insert(0, "")  # R numbers the rows and does not name that column
    return [name or f"column {n}" for n, name in enumerate(names, 1)], 1


def header_is_missing(source: Source) -> bool:
    """Whether no line names the columns: they are called by their place."""
    return bool(source.columns) and all(re.fullmatch(r"column \d+", c) for c in source.columns or ())
