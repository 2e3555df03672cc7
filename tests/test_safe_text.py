"""Foreign text on its way to a terminal or into a spreadsheet: it is shown, and does nothing."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
import unicodedata

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lusifer import settings
from lusifer.cli.main import main
from lusifer.datasets.item_details import export_csv, import_csv, load_details
from lusifer.safe_text import escape_json, for_terminal, hold_formula, release_formula, to_safe_csv
from lusifer.store import Store
from tests.conftest import ROOT
from tests.datasets.tables import accept, lines, ratings, write

EMBEDDINGS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
DIRECTION = [
    "\u200e",
    "\u200f",
    "\u061c",
    *map(chr, range(0x206A, 0x2070)),  # what came before them, of no class any more
    *(c for c in map(chr, range(65536)) if unicodedata.bidirectional(c) in EMBEDDINGS),
]
CONTROLS = [chr(n) for n in (*range(9), *range(11, 32), *range(127, 160))]
ATTACKS = [
    "\x1b[31m\x1b]0;owned\x07\x1b[2J",
    "\x9b31m",
    "a\rb",
    "a\x08\x08\x08\x08b",
    "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\",
    "\x1bP1;2|x\x1b\\",
    "\u202egnp.exe",
    "\u2066a\u2069",
    "a\u2028b\x85c",
    "\ud83d",
]


def is_plain(text: str) -> bool:
    """Whether no character of a text is a control character (line feeds and tabs apart) or changes the direction."""
    text.encode()  # half characters can't be written
    return not set(text) & {*CONTROLS, *DIRECTION, "\u2028", "\u2029"}


@pytest.mark.parametrize("text", [*ATTACKS, "".join(DIRECTION), "".join(CONTROLS)])
def test_no_control_character_reaches_a_terminal(text) -> None:
    assert is_plain(for_terminal(text)) and "\ufffd" in for_terminal(text)
    assert is_plain(escape_json(json.dumps(text, ensure_ascii=False)))
    assert json.loads(escape_json(json.dumps(text, ensure_ascii=False))) == text


@given(st.text(st.characters(), max_size=40))
def test_any_text_is_plain_and_the_rest_of_it_stays(text) -> None:
    shown = for_terminal(text)
    assert is_plain(shown)
    assert shown.replace("\ufffd", "") == re.sub("[\ufffd" + "".join(map(re.escape, [*CONTROLS, *DIRECTION])) +
                                                 "\u2028\u2029\ud800-\udfff]", "", text)  # fmt: skip
    written = escape_json(json.dumps(text, ensure_ascii=False))
    assert is_plain(written) and json.loads(written) == text


def test_every_command_prints_through_the_filter(data_dir, capsys, monkeypatch) -> None:
    store = Store(settings.database_path())
    attack = "".join(ATTACKS[:-1])
    run = store.start_run("validity", f"T {attack}", model=f"m {attack}", params={"x": attack})
    store.finish_run(run, "done", {"y": attack})
    for command in (["runs", "list"], ["runs", "show", run], ["runs", "show", f"no{attack}"], [f"no{attack}"]):
        for more in ([], ["--json"]):
            try:
                main([*command, *more])
            except SystemExit as error:
                assert error.code == 2
            said = capsys.readouterr()
            assert said.out + said.err and is_plain(said.out) and is_plain(said.err), command
    assert main(["runs", "show", run, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["params"] == {"x": attack}, "what JSON says stays as it is"
    settings.configure_logging()
    logging.getLogger("lusifer.test").warning("a server said %s", attack)
    assert is_plain(capsys.readouterr().err)


def test_nothing_of_ours_writes_to_the_terminal_another_way() -> None:
    for path in [*(ROOT / "lusifer" / "cli").glob("*.py"), ROOT / "lusifer" / "__main__.py"]:
        code = path.read_text(encoding="utf-8")
        assert not re.search(r"sys\.(__)?std(out|err)(__)?\.(write|buffer)|os\.write|getLogger|basicConfig", code), path


UNSEEN = ("\ufeff", "\u200b", "\x00", "\x01", "\x7f", "\xa0", "\xad", "\u2060", "\u3164", "\U000e0020")
LINE_ENDS = ("\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029")
CELLS = [
    "=1",
    "+1",
    "-2+3",
    "@SUM(1)",
    "\r=1",
    "\n=1",
    "x\r=1",
    "x\n=cmd|' /C calc'!A0",
    "x\r\n\t=1",
    " =1",
    "\t=1",
    '"=1',
    "a;=1",
    "a,=1",
    "a|@x",
    "\uff1d1",
    "x\n\uff0b1",
    "'=1",
    "x\r\n'-1",
    *(f"{unseen}=1" for unseen in UNSEEN),
    "\ufeff' \u200b@SUM(1)",
    *(f"x{end}=1" for end in LINE_ENDS),
    "x\u2028\u200b+1",
]


def cells_of(text: str) -> list[str]:
    """All that any spreadsheet could take for a cell of a CSV: whichever the separator, read with quotes or without."""
    pieces = [p for piece in text.splitlines() for p in re.split(r"[,;\t|]", piece)]
    for separator in ",;\t|":
        pieces += [c for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) for c in row]
    return [piece.strip(' "' + "".join(UNSEEN)) for piece in pieces]


@pytest.mark.parametrize("cell", CELLS)
def test_no_cell_header_or_category_is_a_formula(cell) -> None:
    frame = pd.DataFrame(
        {cell: [cell, "fine"], "category": pd.Categorical([cell, "fine"]), "list": [[cell], None], "n": [-1.5, 2]}
    )
    frame["mixed"] = pd.Series([cell, -3], dtype=object)
    text = to_safe_csv(frame)
    found = [c for c in cells_of(text) if re.match(r"[=+\-@\uff1d\uff0b\uff0d\uff20]", c) and c not in {"-1.5", "-3"}]
    assert not found, text
    read = pd.read_csv(io.StringIO(text.replace("\r", "\ue000")))  # pandas itself ends lines at CR
    assert read["n"].tolist() == [-1.5, 2], "numbers stay numbers"
    assert release_formula(read["category"][0].replace("\ue000", "\r")) == cell


@given(st.text(st.sampled_from("=+-@' \t\r\n\x0b\u2028\x00\ufeff;,|\"ax\uff1d1"), max_size=12))
def test_a_held_cell_is_released_to_what_it_was(text) -> None:
    assert release_formula(hold_formula(text)) == text
    assert not any(
        re.match(r"[=+\-@\uff1d]", piece.strip(" \x00\ufeff"))
        for piece in re.split(r"[\r\n\x0b\u2028,;\t|\"]", hold_formula(text))
    )


def test_a_long_run_of_blanks_is_looked_at_once() -> None:
    blanks = "\n " * 200_000  # looked at again from each of them, it would take hours
    assert hold_formula(blanks) == blanks and hold_formula(blanks + "=").count("'") == 200_001


def test_exported_details_are_no_formulas_and_come_back(tmp_path, store) -> None:
    cells = ["=cmd|' /C calc'!A0", "@SUM(1) x", "-2+3", "+1", "x;=1", "fine"]
    items = lines(["item_id", "title"], [(n, f'"{cell} {n}"') for n, cell in enumerate(cells * 2, 1)])
    data = accept(write(tmp_path / "x", r__csv=ratings(), items__csv=items))
    table = pd.DataFrame({"movie_id": range(1, 7), "overview": cells, "tagline": cells, "keywords": cells})
    table.to_csv(tmp_path / "in.csv", index=False)
    assert import_csv(data, tmp_path / "in.csv", store).taken == 6
    before = load_details(data, store)
    assert {details.overview for details in before.values()} == set(cells)
    assert export_csv(data, tmp_path / "out.csv", store) == 6
    text = (tmp_path / "out.csv").read_text(encoding="utf-8")
    assert not [c for c in cells_of(text) if re.match(r"[=+\-@]", c)], text
    store.delete_details(data.hash)
    assert import_csv(data, tmp_path / "out.csv", store).taken == 6 and load_details(data, store) == before


def test_plain_tables_are_csv_as_ever() -> None:
    frame = pd.DataFrame({"n": [-1.5, None], "t": ["=HYPERLINK(1)", "fine"], "b": [True, False]})
    assert to_safe_csv(frame).splitlines() == ['"n","t","b"', '-1.5,"\'=HYPERLINK(1)",True', '"","fine",False']
    assert to_safe_csv(pd.DataFrame({"t": pd.Series(["half \ud83d"], dtype=object)})).encode() == b'"t"\n"half ?"\n'


def test_tables_of_pages_have_no_download_of_their_own() -> None:
    config = (ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8")
    assert re.search(r"^disableDataExport = true$", config, re.M)
    for path in [*(ROOT / "pages").rglob("*.py"), *(ROOT / "lusifer").rglob("*.py")]:
        if path.name != "safe_text.py":
            assert ".to_csv(" not in path.read_text(encoding="utf-8"), f"{path} writes CSV by itself"
