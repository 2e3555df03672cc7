"""What a screen reader and weak eyes meet: every page held against axe-core, in both themes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import App, running, settled
from tests.conftest import ROOT

PAGES = (
    "",
    "evolution?user=405",
    "rate?user=405",
    "hands",
    "errors",
    "experiments",
    "fidelity",
    "prompts",
    "playground",
    "calls",
)
NOT_OURS = ("stSidebarNavItems", "stSidebarNavLink", "stSidebarNavSectionHeader", "stCode")
"""Parts that Streamlit draws by itself and that no setting reaches: the navigation's list, code blocks that scroll."""


def serious(page: Page) -> list[str]:
    """Serious and critical findings of ours, each with its first place."""
    found = []
    for rule in Axe().run(page).response["violations"]:
        if rule["impact"] not in {"serious", "critical"}:
            continue
        nodes = [n for n in rule["nodes"] if not _streamlits(rule["id"], n)]
        if nodes:
            found.append(
                f"{rule['id']}, {len(nodes)} places: {nodes[0]['html'][:160]} {nodes[0]['any'][:1]}"
            )
    return found


def _streamlits(rule: str, node: dict[str, Any]) -> bool:
    return any(part in f"{node['html']}{node['target']}" for part in NOT_OURS) or rule == "listitem"


@pytest.fixture(scope="module")
def app(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app on MovieLens 100K with a few recorded runs, so that results are looked at too."""
    data = tmp_path_factory.mktemp("data")
    (data / "ml-100k").symlink_to(source, target_is_directory=True)
    for command in (
        ["experiment", "order", "--users", "24"],
        ["experiment", "loop", "--users", "24"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "lusifer", *command], cwd=ROOT, capture_output=True, text=True,
            env={**os.environ, "LUSIFER_DATA": str(data)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    with running(data) as found:
        yield found


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_page_has_a_serious_finding(app: App, visit, dark: bool) -> None:
    met = {}
    for path in PAGES:
        page = visit(f"{app.url}/{path}", dark=dark)
        settled(page)
        met[path] = serious(page)
    assert not any(met.values()), {k: v for k, v in met.items() if v}
