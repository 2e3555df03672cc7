"""docs/security.md: each promise names tests, and they exist."""

from __future__ import annotations

import re

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
