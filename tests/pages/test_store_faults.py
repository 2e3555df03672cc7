"""Pages over a database that is moved away or replaced while the app runs: a sentence, and nothing created anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from lusifer.store import Store
from tests.pages.test_pages import open_page

PAGES = ("calls", "experiments", "prompts", "evolution")


@pytest.mark.parametrize("replacement", [None, "no database", b"\0" * 5000])
def test_pages_name_a_database_that_is_not_the_one_they_opened(data_dir: Path, replacement) -> None:
    path = data_dir / "lusifer.db"
    call = {"status": "ok", "model": "a:b", "run_id": "r", "purpose": "rate"}
    Store(path).save_call(call)
    assert not open_page("calls").exception
    path.rename(data_dir / "moved.db")
    if replacement:
        path.write_bytes(replacement if isinstance(replacement, bytes) else replacement.encode())
    for page in PAGES:
        app = open_page(page)
        assert not app.exception, page
        said = [f"{e.title or ''} {e.value}" for e in (*app.error, *app.warning)]
        assert any("while it was in use" in text for text in said), (page, said)
    assert path.exists() == bool(replacement)
    (data_dir / "moved.db").replace(path)
    app = open_page("calls", view="All calls")
    assert not app.exception and not app.error and len(app.dataframe) > 0
