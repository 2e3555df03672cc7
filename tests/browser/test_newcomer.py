"""The newcomer's path, from an empty folder to a rated movie, in a real browser."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import running, settled
from tests.servers.files import FileServer, wheel_of

pytestmark = pytest.mark.browser


def test_from_the_first_page_to_a_rated_movie(visit, recbole: Path, tmp_path: Path) -> None:
    with FileServer() as index:
        env = {
            "PIP_INDEX_URL": index.add_index(wheel_of(recbole)),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_CACHE_DIR": "1",
            "LUSIFER_ML100K_URL": f"{index.url}/nothing-here.zip",
        }
        with running(tmp_path / "data", **env) as app:
            page = visit(app.url)
            settled(page)
            expect(page.get_by_role("heading", name="Welcome to Lusifer Explorer")).to_be_visible()
            page.get_by_role("button", name="Download MovieLens 100K").click()
            expect(page.get_by_role("heading", name="Watch a language model")).to_be_visible(timeout=90_000)
            settled(page)
            page.get_by_test_id("stSidebarNav").get_by_role("link", name="Users").click()
            expect(page.get_by_role("heading", name="Users", exact=True)).to_be_visible()
            settled(page)

            # A real model's words are there at once, with no key; another recorded user is one entry away.
            expect(page.get_by_text("The profile after 40 ratings")).to_be_visible()
            expect(page.get_by_text("Recorded, not live").first).to_be_visible()
            page.get_by_label("User ID").fill("778")
            page.get_by_label("User ID").press("Enter")
            expect(page.get_by_text("user 778", exact=False).first).to_be_visible()
            settled(page)

            page.get_by_role("link", name=re.compile("Watch|Evolution")).first.click()
            expect(page.get_by_role("heading", name="Evolution")).to_be_visible()
            settled(page)
            expect(page.get_by_role("heading", name="The profile after step 1")).to_be_visible()
            page.get_by_role("button", name="Next").click()
            expect(page.get_by_role("heading", name="The profile after step 2")).to_be_visible()
            page.keyboard.press("ArrowRight")
            expect(page.get_by_role("heading", name="The profile after step 3")).to_be_visible()
            expect(page).to_have_url(re.compile("step=3"))
            expect(page).to_have_url(re.compile("user=778"))

            page.get_by_test_id("stSidebarNav").get_by_role("link", name="Predict ratings").click()
            expect(page.get_by_role("heading", name="Predict ratings")).to_be_visible()
            settled(page)
            expect(page.get_by_label("User ID")).to_have_value("778")
            expect(page.get_by_text("RMSE").first).to_be_visible()
            settled(page)
            assert (tmp_path / "data" / "lusifer.db").is_file()
            expect(page.get_by_test_id("stException")).to_have_count(0)
            page.context.close()
