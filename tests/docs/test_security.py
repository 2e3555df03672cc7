"""docs/security.md: each promise names tests, and they exist."""

from __future__ import annotations

import re

from lusifer.ui.server import PUBLIC_UPLOAD_MB
from tests.conftest import ROOT

TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def test_every_promise_names_a_test_that_exists() -> None:
    promises = TEXT.split("## What is not promised")[0]
    rows = [r for r in promises.splitlines() if r.startswith("|") and not re.match(r"\| (promise|---)", r)]
    assert len(rows) > 10
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row.split("|")[2])
        assert named, row
        for path, test in named:
            assert re.search(rf"^def {test}\(", (ROOT / path).read_text(encoding="utf-8"), re.M), (path, test)


def test_the_note_has_its_parts() -> None:
    assert re.findall(r"^## (.+)$", TEXT, re.M)[:3] == ["For the owner", "For strangers", "What is not promised"]


def test_the_proxy_closes_what_is_nobodys() -> None:
    text = (ROOT / "docs" / "how-to" / "deploy.md").read_text(encoding="utf-8")
    proxy = text.partition("lusifer.example.org {")[2].partition("reverse_proxy")[0]
    assert re.search(r"@closed path /_stcore/metrics\*\s+respond @closed 404", proxy)
    assert re.search(r"not header Origin https://lusifer\.example\.org\s+\}\s+respond @foreign 403", proxy)
    size = re.search(r"max_size (\d+)MB", proxy)
    assert size and PUBLIC_UPLOAD_MB < int(size[1]) <= 2 * PUBLIC_UPLOAD_MB
