"""Wherever a user or an item is shown or exported, its id is the file's, never the number that it has inside.

The dataset's inner numbers are told from all others: its largest whole ids are 900,000 (users) and 700,000 (items), so
texts and long numbers get the next ones.
"""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from lusifer import settings
from lusifer.cli.main import main
from lusifer.runs.listing import list_runs
from lusifer.store import Store
from tests.datasets.tables import accept, lines, write
from tests.pages.test_pages import PAGES, finish, open_page

USERS = ["ann.lee", "76561198000000001", "0042", "u-é", *(f"A{n}" for n in range(1, 21)), "900000"]
ITEMS = ["B00X", "0000000009", "tt0114709", *(f"ASIN{i:02d}" for i in range(26)), "700000"]
INNER = re.compile(r"(?<![\w.])(9000[0-2]\d|70000[1-9]|7000[1-3]\d|900,0[01]\d|700,0[0-3]\d)(?![\w])")


def inner_numbers(text: str) -> set[str]:
    """The inner numbers that stand in a text."""
    return {n for n in INNER.findall(text) if n not in {"700,000", "900,000", "900000"}}


def write_shop(folder: Path) -> None:
    rows = [
        (user, item, 1 + (3 * u + 7 * i + u * i) % 5, 1_600_000_000 + 86_400 * i + u)
        for u, user in enumerate(USERS)
        for i, item in enumerate(ITEMS)
        if (u + i) % 7
    ]
    genres = ("Drama|Comedy", "Comedy", "Action|Drama", "Horror")
    write(
        folder,
        ratings__csv=lines(("user_id", "item_id", "rating", "timestamp"), rows),
        items__csv=lines(
            ("item_id", "title", "genres"),
            [(item, f"Thing {i} (19{70 + i})", genres[i % 4]) for i, item in enumerate(ITEMS)],
        ),
    )
    accept(folder)


def numbers_in(value: Any) -> Iterator[str]:
    """Every text and number in a JSON value; numbers that charts pack are unpacked."""
    if isinstance(value, dict):
        if "bdata" in value:
            yield from map(str, np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"]).tolist())
            return
        for name, part in value.items():
            if name not in {"id", "key", "open"}:  # by which our own components tell things apart, and never draw
                yield from numbers_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from numbers_in(part)
    else:
        yield str(value)


def everything(app: AppTest) -> Iterator[str]:
    """Every text of a page: of elements and their fields, cells of tables, values of charts, the address."""
    todo: list[Any] = [app._tree]  # noqa: SLF001
    while todo:
        node = todo.pop()
        todo += list(getattr(node, "children", {}).values())
        proto = getattr(node, "proto", None)
        kind = getattr(node, "type", "")
        if kind == "arrow_data_frame":
            yield node.value.to_csv(index=False)
        elif kind == "plotly_chart":
            yield "\n".join(numbers_in(json.loads(proto.spec)))
        elif kind == "bidi_component":
            yield "\n".join(numbers_in(json.loads(proto.json or "null")))
        elif proto is not None and kind != "main":
            yield re.sub(r'(?m)^\s*(id|element_id|key|form_id|url|group_id): ".*"$', "", str(proto))
    yield json.dumps(dict(app.query_params.items()))


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What pages offer as files: contents by label and name."""
    offered: dict[str, Any] = {}

    def offer(label: str, data: Any, file_name: str = "", *rest: Any, **more: Any) -> bool:
        offered[f"{label} {file_name}"] = data
        return False

    monkeypatch.setattr(st, "download_button", offer)
    return offered


def read_file(content: Any) -> str:
    """A file as text, a Parquet file as CSV."""
    content = content() if callable(content) else content
    if isinstance(content, bytes) and content.startswith(b"PAR1"):
        return pd.read_parquet(io.BytesIO(content)).to_csv(index=False)
    return content.decode(errors="replace") if isinstance(content, bytes) else str(content)


COMMANDS = (
    "data info shop",
    "evolve --dataset shop --user ann.lee --json",
    "rate --dataset shop --user ann.lee --items 0000000009,B00X --json",
    "evaluate --dataset shop --predictors bias,simulator --users 8 --seed 1",
    "realism --dataset shop --users 12",
    "simulate --dataset shop --users all --recbole DIR",
    "agents play --dataset shop --steps 40 --seeds 1 --agents random,bias",
    "story DIR/ann.html --dataset shop --user ann.lee",
    "evaluate --dataset shop --predictors simulator --users 2 --model openai:a --prompts grounded --calibrate off",
    "experiment contamination --dataset shop --users 4 --model openai:a --yes",
    "recordings make RUN DIR/shop.jsonl.gz",
    "recordings add DIR/shop.jsonl.gz",
    "recordings list --json",
    "runs list --json",
)
VIEWS: tuple[tuple[str, dict[str, str]], ...] = (
    ("home", {}),
    ("users", {"find": "comedies", "colour": "error"}),
    ("evolution", {"beside": "true", "other-user": "0042"}),
    ("evolution", {}),
    ("rate", {}),
    ("hands", {}),
    ("hands", {"hands": "What if"}),
    ("errors", {"view": "misses"}),
    ("errors", {"view": "audit"}),
    ("experiments", {"experiment": "contamination"}),
    ("fidelity", {}),
    ("prompts", {}),
    ("playground", {}),
    ("calls", {}),
    ("calls", {"view": "All calls", "call": "1"}),
)


def test_every_page_command_and_file_has_the_files_ids(
    data_dir: Path, tmp_path: Path, server, downloads: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    write_shop(data_dir / "shop")
    store, wrong = Store(settings.database_path()), dict[str, Any]()

    def check(where: str, text: str) -> None:
        if found := sorted(inner_numbers(text)):
            wrong[where] = found[:3], [text[max(0, (at := text.find(n)) - 60) : at + 30] for n in found[:2]]

    for line in COMMANDS:
        run = next((r["id"] for r in list_runs(store, "comparison") if r["model"] == "openai:a"), "")
        code = main([w.replace("DIR", str(tmp_path)).replace("RUN", run) for w in line.split()])
        said = capsys.readouterr()
        assert code == 0, (line, said.err)
        check(line, said.out + said.err)
    runs = list_runs(store)
    assert len({run["kind"] for run in runs}) >= 5
    for run in runs:
        assert main(["runs", "show", run["id"], "--json"]) == 0
        check(f"runs show {run['kind']}", capsys.readouterr().out)
    for file in (tmp_path / "ann.html", tmp_path / "shop" / "shop.inter"):
        check(file.name, file.read_text(encoding="utf-8"))
    assert len(server.requests) > 5
    # The titles that the experiment makes up are numbered behind the largest number inside.
    check("questions", json.dumps([r for r in server.requests if "Item 7000" not in json.dumps(r)]))
    texts = {}
    for page, query in VIEWS:
        app = finish(open_page(page, dataset="shop", user="ann.lee", **query))
        assert not app.exception, (page, query)
        texts[page] = texts.get(page, "") + "\n".join(everything(app))
        check(f"{page} {query}", texts[page])
    assert {page for page, _ in VIEWS} == set(PAGES)
    assert all("ann.lee" in texts[page] for page in PAGES if page not in {"experiments", "fidelity", "prompts"})
    for name, content in downloads.items():
        check(name, read_file(content))
    assert len(downloads) > 8
    assert not wrong, "\n".join(f"{k}: {v}" for k, v in wrong.items())
