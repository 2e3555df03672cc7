"""What is looked at holds over clicks, links, reload, Back and Forward, after every kind of cold load."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import App, running
from tests.conftest import Lay

pytestmark = pytest.mark.browser
TITLES = {
    "": "Watch a language model get to know somebody",
    "users": "Users",
    "rate": "Predict ratings",
    "evolution": "Evolution",
    "hands": "What-if lab",
    "prompts": "Prompts",
}


@pytest.fixture(scope="module")
def app(lay: Lay, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    data = tmp_path_factory.mktemp("state")
    lay(data)
    with running(data) as found:
        yield found


def there(page: Page, path: str, **parameters: str | None) -> int:
    """Wait for a page whose address holds some parameters (``None``: not this one); the entries of the history."""
    expect(page.get_by_role("heading", name=TITLES[path], exact=True)).to_be_visible()
    for name, value in parameters.items():
        held = re.compile(rf"/{path}\?(.*&)?{name}=" + (f"{value}(&|$)" if value is not None else ""))
        if value is None:
            expect(page).not_to_have_url(held)
        else:
            expect(page).to_have_url(held)
    if parameters.get("user") and path:  # Home has no field
        expect(page.get_by_label("User ID")).to_have_value(parameters["user"] or "")
    return int(page.evaluate("history.length"))


def navigate(page: Page, path: str) -> None:
    """To another page by the sidebar."""
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=TITLES[path]).click()


def test_a_user_survives_the_first_click_after_any_cold_load(visit, app: App) -> None:
    page = visit(f"{app.url}/?user=452")
    entries = there(page, "", user="452")
    expect(page.get_by_text("User 452 · ")).to_be_visible()
    page.get_by_role("link", name="Open user 452").first.click()
    assert there(page, "evolution", user="452") == entries + 1, "one entry for one navigation"
    page.go_back()
    there(page, "", user="452")
    page.go_forward()
    there(page, "evolution", user="452")
    for path, target in {"rate": "users", "evolution": "hands", "hands": "prompts", "prompts": "rate"}.items():
        page.goto(f"{app.url}/{path}?user=405")
        entries = there(page, path, user="405")
        navigate(page, target)
        assert there(page, target, user="405") == entries + 1, path
    page.reload()
    there(page, "rate", user="405")
    page.get_by_role("link", name="Show this profile").click()
    there(page, "evolution", user="405", step="4")


def test_back_and_forward_land_on_user_history_and_step(visit, app: App) -> None:
    page = visit(f"{app.url}/evolution?user=405&model=builtin&history=100&step=2")
    there(page, "evolution", user="405", history="100", step="2")
    page.get_by_role("button", name="Next").click()
    entries = there(page, "evolution", step="3")
    navigate(page, "rate")
    assert there(page, "rate", user="405", history="100") == entries + 1
    expect(page.get_by_label("Profile after step")).to_have_value("10")
    field = page.get_by_label("User ID")
    field.fill("13")
    field.press("Enter")
    assert there(page, "rate", user="13", history="100", step=None) == entries + 1, "choosing is no navigation"
    page.go_back()
    there(page, "evolution", user="405", history="100", step="3")
    expect(page.get_by_role("heading", name="The profile after step 3")).to_be_visible()
    page.go_forward()
    there(page, "rate", user="13", history="100")
    # By more than one entry at once, to the page that is shown already.
    navigate(page, "evolution")
    there(page, "evolution", user="13", history="100")
    page.evaluate("history.go(-2)")
    there(page, "evolution", user="405", step="3")
    # What plays stops where it is left.
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    navigate(page, "prompts")
    there(page, "prompts", user="405")
    page.get_by_test_id("stButtonGroup").get_by_text("Versions", exact=True).click()
    there(page, "prompts", view="Versions")
    navigate(page, "evolution")
    there(page, "evolution", user="405", view=None)
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    page.go_back()
    there(page, "prompts", view="Versions")


def test_wrong_values_are_said_and_leave_the_address(visit, app: App) -> None:
    page = visit(f"{app.url}/evolution?user=99999&dataset=nonsense&model=nonsense&split=x&step=99&history=0")
    entries = there(page, "evolution", user="943", dataset="ml-100k", model="builtin", split="last-10", history="1")
    for said in (
        "no user 99999",
        "User 943 is shown",
        "no dataset nonsense here; ml-100k is used",
        "'nonsense' names no model",
        "no split x; last-10 is used",
        "no step 99",
        "history length, 0",
    ):
        expect(page.get_by_test_id("stAlert").filter(has_text=said)).to_have_count(1)
    page.reload()
    assert there(page, "evolution", user="943", step=None) == entries
    expect(page.get_by_test_id("stAlert").filter(has_text="no ")).to_have_count(0)
    page.goto(f"{app.url}/users?user=abc")
    there(page, "users", user="479", model="recorded.*")
    expect(page.get_by_test_id("stAlert").filter(has_text="no user abc")).to_contain_text("User 479 is shown")
    navigate(page, "rate")
    there(page, "rate", user="479")
    expect(page.get_by_test_id("stAlert").filter(has_text="no user abc")).to_have_count(0)
