"""Every text of every page of a first start, in ``visible_texts.json``, so that a change of words is seen in review.

Numbers are masked. Where a change is meant, write the file anew::

    LUSIFER_RENEW_VISIBLE_TEXTS=1 python -m pytest tests/pages/test_visible_texts.py
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from streamlit.testing.v1 import AppTest

from tests.pages.test_pages import PAGES, open_page

FILE = Path(__file__).with_name("visible_texts.json")
KINDS = ("title", "header", "subheader", "markdown", "caption", "error", "warning", "info", "success")
FIELDS = ("button", "button_group", "checkbox", "metric", "multiselect", "number_input", "radio", "select_slider")
FIELDS += ("selectbox", "slider", "text_area", "text_input", "toggle")


def visible_texts(app: AppTest, known: set[str], folder: str) -> list[str]:
    """What a page says, each text once, numbers masked; without texts that ``known`` pages have said,
    and without lists that begin with a dash, which tell of the data."""
    found = [str(element.value) for kind in KINDS for element in app.get(kind)]
    for element in (element for kind in FIELDS for element in app.get(kind)):
        found += [str(getattr(element.proto, part, "")) for part in ("label", "help", "placeholder")]
    for kind in ("expandable", "popover"):
        found += [str(getattr(block, "label", "")) for block in app.get(kind)]
    found = [text.replace("\\", "").replace(folder, "DATA").strip() for text in found if "<style" not in text]
    masked = {re.sub(r"\d[\d.,:]*", "#", text) for text in found if not text.startswith("- ")}
    return sorted(masked - known - {""})


def test_words_change_only_where_they_are_meant_to(data_dir: Path) -> None:
    now: dict[str, list[str]] = {}
    for page in PAGES:
        app = open_page(page, user="405")
        assert not app.exception
        now[page] = visible_texts(app, {text for texts in now.values() for text in texts}, str(data_dir))
    assert all(now.values())
    if os.environ.get("LUSIFER_RENEW_VISIBLE_TEXTS"):
        FILE.write_text(json.dumps(now, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    before = json.loads(FILE.read_text(encoding="utf-8"))
    changed = {page: sorted(set(before.get(page, ())) ^ set(texts)) for page, texts in now.items()}
    assert not any(changed.values()), {page: texts for page, texts in changed.items() if texts}
