"""The prompt lab in a real browser: the whole way round, a reload, two tabs, and a model's text that loads nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from lusifer.store import Store
from tests.browser.conftest import App, running, settled
from tests.conftest import Lay
from tests.servers.openai import KEY, OpenAIServer

pytestmark = pytest.mark.browser


class Hostile(OpenAIServer):
    """Says Markdown images, links, HTML and a script wherever a model may say something."""

    @classmethod
    def content(cls, body, way):
        text = super().content(body, way)
        evil = (
            "<img src=http://example.invalid/a.png onerror=alert(1)><script>alert(2)</script> "
            "![i](http://example.invalid/b.png) [l](http://example.invalid) $x$ :smile:"
        )
        return (
            text.replace("Reason for movie", f"{evil} movie")
            .replace("Enjoys films that the server made up.", evil)
            .replace("made the difference.", f"{evil}")
        )


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with Hostile() as found:
        yield found


@pytest.fixture(scope="module")
def data(lay: Lay, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lab")
    lay(folder)
    return folder


@pytest.fixture(scope="module")
def app(data: Path, server: OpenAIServer) -> Iterator[App]:
    with running(data, OPENAI_BASE_URL=server.url, OPENAI_API_KEY=KEY) as found:
        yield found


def _type(page: Page, more: str) -> None:
    field = page.get_by_role("textbox", name=re.compile("^Template: "))
    field.click()
    page.keyboard.press("Control+End")
    page.keyboard.type(more)
    page.keyboard.press("Control+Enter")
    settled(page)


def _press(page: Page, button: str, sign: Locator) -> None:
    """Press a button once the page rests, and again if its price changed under the finger: then the click
    was for another price and is meant to count for nothing."""
    for _ in range(4):
        page.wait_for_timeout(600)
        settled(page)
        page.get_by_role("button", name=re.compile(button)).first.click()
        try:
            expect(sign).to_be_visible(timeout=8000)
        except AssertionError:
            continue
        return
    expect(sign).to_be_visible()


def _harmless(page: Page) -> None:
    expect(page.locator("[data-testid=stMain] img[src*=invalid]")).to_have_count(0)
    expect(page.locator("[data-testid=stMain] a[href*=invalid]")).to_have_count(0)
    scripts = page.locator("[data-testid=stMain] script").all_text_contents()
    assert all("replaceState" in script for script in scripts), "the page's own, which writes the address"


def test_the_whole_way_round(visit, app: App, data: Path, server) -> None:
    page = settled(visit(f"{app.url}/prompts?model=openai:small&user=405"))
    dialogs: list[str] = []
    page.on("dialog", lambda d: (dialogs.append(d.message), d.dismiss()))
    _type(page, "\n{{ oops }}")
    expect(page.get_by_text(re.compile("there is no variable oops"))).to_be_visible()
    for _ in range(11):
        page.get_by_role("textbox", name=re.compile("^Template: ")).press("Backspace")
    _type(page, "\nName two movies.")
    expect(page.get_by_text("The prompt has errors")).to_have_count(0)
    expect(page.locator("[data-testid=stCode]", has_text="Name two movies.").first).to_be_visible()
    # a reload goes on where it was
    page.reload()
    settled(page)
    expect(page.get_by_role("textbox", name=re.compile("^Template: "))).to_have_value(re.compile(r"Name two movies\.$"))
    _press(page, "Write this profile", page.get_by_text(re.compile("New answer")).first)
    _harmless(page)
    page.get_by_label("Note", exact=True).fill("two movies")
    page.get_by_label("Note", exact=True).press("Enter")
    settled(page)
    _press(page, "Save as a version", page.get_by_text(re.compile("Saved as v5")))
    page.get_by_role("radio", name="Compare").click()
    settled(page)
    for label, value in (("Users", "2"), ("Movies per user", "2")):
        page.get_by_label(label, exact=True).fill(value)
        page.get_by_label(label, exact=True).press("Enter")
        settled(page)
    _press(page, "Compare 2 candidates", page.get_by_text(re.compile("2 development users")))
    settled(page)
    _harmless(page)
    _press(page, "Make active", page.get_by_text(re.compile("v5 is active")).first)
    store = Store(data / "lusifer.db")
    assert store.list_prompt_labels()["active"] == 5
    page.get_by_role("radio", name="Versions").click()
    settled(page)
    page.get_by_role("button", name="Roll back to grounded").click()
    expect(page.get_by_text("Active: v4")).to_be_visible()
    assert store.list_prompt_labels()["active"] == 4
    assert not dialogs


def test_two_tabs_on_one_draft(visit, app: App, data: Path) -> None:
    one = settled(visit(f"{app.url}/prompts?model=openai:small&user=13"))
    _type(one, "\nFrom the first tab.")
    expect(one).to_have_url(re.compile("draft="))
    two = settled(visit(one.url))
    expect(two.get_by_role("textbox", name=re.compile("^Template: "))).to_have_value(
        re.compile(r"From the first tab\.$")
    )
    _type(one, " And further.")
    _type(two, " And otherwise.")
    expect(two.get_by_text(re.compile("continue as a separate draft"))).to_be_visible()
    store = Store(data / "lusifer.db")
    kept = "\n".join(store.get_draft(d["id"])["data"] for d in store.list_drafts())
    two.reload()
    settled(two)
    two.get_by_role("button", name=re.compile(r"^Drafts \(")).click()
    two.get_by_role("button", name=re.compile(r", from v\d+$")).first.click()
    settled(two)
    expect(two.get_by_role("button", name=re.compile(r", from v\d+$"))).to_have_count(0)  # choosing closes it
    assert "From the first tab. And further." in kept and "From the first tab. And otherwise." in kept


def test_calls_show_what_a_model_said_as_text(visit, app: App, data: Path) -> None:
    calls, _ = Store(data / "lusifer.db").list_calls({"model": "openai:small", "status": "ok"}, limit=1)
    page = settled(visit(f"{app.url}/calls?call={calls[0]['id']}"))
    page.get_by_role("tab", name="Answer").click()
    settled(page)
    answer = page.get_by_role("tabpanel", name="Answer")
    expect(answer.get_by_text(re.compile("onerror=alert")).first).to_be_visible()
    _harmless(page)


def test_a_person_rates_with_the_keyboard(visit, app: App, data: Path) -> None:
    page = settled(visit(f"{app.url}/hands?hands=You"))
    page.get_by_role("button", name="New user").click()
    page.get_by_label(re.compile("^Name or nickname")).fill("Ada")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text("0 of at least 10 movies rated")).to_be_visible()
    settled(page)
    mark = page.get_by_role("radiogroup").filter(has=page.get_by_role("radio", name="5", exact=True)).first
    mark.get_by_role("radio").first.focus()
    page.keyboard.press("Space")
    expect(page.get_by_text("1 of at least 10 movies rated")).to_be_visible()
