"""Cold deep links, foreign text and the keyboard, in a real browser; what every page owes is in `test_paths`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from lusifer.datasets import Dataset, splits
from lusifer.datasets.splits import Split
from lusifer.evaluation import sample_users
from tests.browser.accessibility import COLOURS, serious
from tests.browser.conftest import App, resting_box, running, settled
from tests.conftest import Lay
from tests.conftest import link as link_folder
from tests.servers.openai import KEY, OpenAIServer

pytestmark = pytest.mark.browser
LINKS = {
    "": "Watch a language model get to know somebody",
    "users": "Users",
    "evolution": "Evolution",
    "rate": "Predict ratings",
    "errors": "Accuracy",
    "calls": "LLM calls",
    "prompts": "Prompts",
    "playground": "Environment",
    "fidelity": "Realism",
    "hands": "What-if lab",
    "experiments": "Experiments",
}


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as found:
        yield found


@pytest.fixture(scope="module")
def app(lay: Lay, server: OpenAIServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    data = tmp_path_factory.mktemp("browser")
    lay(data)
    with running(data, OPENAI_BASE_URL=server.url, OPENAI_API_KEY=KEY) as found:
        yield found


class ColdServers:
    """A server a page, so that the page is the first request it ever gets. The next one starts while a page of the one
    before is looked at. One of them meets a data set that was never read."""

    def __init__(self, folder: Path, lay: Lay, source: Path) -> None:
        self.folder, self.lay, self.source = folder, lay, source
        self.pool = ThreadPoolExecutor(2)
        self.begun: dict[str, Future[tuple[App, ExitStack]]] = {}

    def _start(self, link: str) -> tuple[App, ExitStack]:
        data = self.folder / (link or "home")
        data.mkdir()
        if link == "evolution":
            link_folder(data / "ml-100k", self.source)
        else:
            self.lay(data)
        stack = ExitStack()
        return stack.enter_context(running(data)), stack

    def of(self, link: str) -> App:
        """The server of a page; the one of the page behind it begins to start."""
        order = list(LINKS)
        for name in order[order.index(link) :][:2]:
            if name not in self.begun:
                self.begun[name] = self.pool.submit(self._start, name)
        return self.begun[link].result()[0]

    def end(self, link: str) -> None:
        """Stop a server, in the background."""
        self.pool.submit(self.begun[link].result()[1].close)

    def close(self) -> None:
        """Stop them all."""
        for link in self.begun:
            self.end(link)
        self.pool.shutdown()


@pytest.fixture(scope="module")
def cold_servers(source: Path, lay: Lay, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ColdServers]:
    found = ColdServers(tmp_path_factory.mktemp("cold"), lay, source)
    yield found
    found.close()


@pytest.mark.parametrize("link", LINKS)
def test_a_cold_deep_link_opens_its_page(visit, cold_servers: ColdServers, link: str) -> None:
    cold = cold_servers.of(link)
    page = settled(visit(f"{cold.url}/{link}?user=405&step=3"))
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("h1").first).to_contain_text(LINKS[link])
    if link in {"users", "evolution", "rate", "hands", "prompts"}:
        expect(page.get_by_label("User ID")).to_have_value("405")
    if link == "evolution":
        expect(page.get_by_role("heading", name="The profile after step 3")).to_be_visible()
    page.context.close()  # before the server goes, whose end the console would report
    cold_servers.end(link)


def test_a_link_restores_data_set_split_and_model(visit, app: App) -> None:
    page = settled(visit(f"{app.url}/evolution?dataset=ml-100k&split=last-10&model=openai:small&user=13&step=1"))
    expect(page.get_by_label("User ID")).to_have_value("13")
    for label, value in {
        "Dataset": "ml-100k",
        "Split": "last-10",
        "Model": "openai:small",
    }.items():
        expect(page.get_by_test_id("stSidebar").get_by_label(label, exact=True)).to_have_value(value)
    expect(page.get_by_role("button", name=re.compile("Compute 4 steps"))).to_be_visible()
    page.reload()
    settled(page)
    expect(page.get_by_role("button", name=re.compile("Compute 4 steps"))).to_be_visible()


def test_a_model_answers_after_the_button_and_its_text_loads_nothing(visit, app: App, server) -> None:
    """The server's profile holds a Markdown image and a link: both are shown as text."""
    page = settled(visit(f"{app.url}/evolution?user=405&model=openai:small"))
    assert not server.requests, "opening the link spent nothing"
    page.get_by_role("button", name=re.compile("Compute 4 steps")).click()
    expect(page.get_by_role("heading", name="The profile after step 1")).to_be_visible()
    expect(page.get_by_text(re.compile(r"!\[x\]\(http.?://example.invalid/x.png\)")).first).to_be_visible()
    expect(page.locator("[data-testid=stMain] img[src*=invalid]")).to_have_count(0)
    expect(page.locator("[data-testid=stMain] a[href*=invalid]")).to_have_count(0)
    expect(page.get_by_role("button", name=re.compile("^Compute"))).to_have_count(0)
    assert len(server.requests) == 8


def test_cancel_stops_and_keeps(visit, app: App, server) -> None:
    server.delay = 0.7
    try:
        page = settled(visit(f"{app.url}/evolution?user=13&model=openai:slow"))
        page.get_by_role("button", name=re.compile("Compute 4 steps")).click()
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_text(re.compile(r"Stopped after \d of 4 steps; they are saved"))).to_be_visible()
        expect(page.get_by_role("button", name=re.compile(r"Compute \d steps?"))).to_be_visible()
    finally:
        server.delay = 0.0


def test_the_keyboard_alone(visit, app: App) -> None:
    page = settled(visit(f"{app.url}/evolution?user=405"))
    expect(page.get_by_role("heading", name="The profile after step 1")).to_be_visible()
    expect(page.get_by_role("button", name="Next")).to_be_enabled()
    page.locator("body").press("ArrowRight")
    expect(page.get_by_role("heading", name="The profile after step 2")).to_be_visible()
    page.locator("body").press("ArrowLeft")
    expect(page.get_by_role("heading", name="The profile after step 1")).to_be_visible()
    page.locator("body").press("Space")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.get_by_role("heading", name="The profile after step 2")).to_be_visible()
    page.locator("body").press("Space")
    expect(page.get_by_role("button", name="Play")).to_be_visible()


def lit(page: Page, kind: str) -> list[str]:
    """Texts of what is lit in the linked view."""
    return page.locator(f".linked-evolution .{kind}.lit").all_inner_texts()


def test_the_linked_view_of_an_evolution(visit, app: App) -> None:
    page = settled(visit(f"{app.url}/evolution?model=recorded:last10-37users-plain&user=452&step=3"))
    tabs, drama = page.get_by_role("tab"), page.locator(".statement", has_text="Slow, inward drama")

    # What caused a statement is lit, of earlier steps too, and the other way round; by pointer and by focus.
    drama.hover()
    assert [title.split("\n")[0] for title in lit(page, "movie")] == [
        "Three Colors: Blue",
        "Three Colors: White",
        "Career Girls",
    ]
    expect(tabs.nth(1).locator("i.lit")).to_have_count(1)  # Nell, of step 2
    page.locator(".movie", has_text="Liar Liar").hover()
    assert any("rubber-faced comedy" in text for text in lit(page, "statement"))
    page.locator(".statement").first.focus()
    for _ in range(7):
        page.keyboard.press("ArrowDown")
    expect(drama).to_be_focused()
    page.mouse.move(0, 0)
    assert len(lit(page, "movie")) == 3, "focus lights as the pointer does"

    # Enter pins it with its evidence in place; it stays pinned where the next step says it anew, and Escape frees it.
    page.keyboard.press("Enter")
    expect(drama).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".details .evidence")).to_contain_text("Career Girls 2")
    place = resting_box(page.get_by_text("Dislikes", exact=True))
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("heading", name="The profile after step 4")).to_be_visible()
    moved = resting_box(page.get_by_text("Dislikes", exact=True))
    assert abs(place["y"] - moved["y"]) < 2, "no place is lost"
    expect(page.locator(".statement[aria-pressed=true]")).to_contain_text("Slow, inward drama is weak")
    expect(page.locator(".details del")).to_contain_text("his lowest point")
    page.keyboard.press("Escape")
    expect(page.locator("[aria-pressed=true]")).to_have_count(0)

    # The timeline by click, drag and keys; the address follows.
    tabs.nth(0).click()
    expect(page.get_by_role("heading", name="The profile after step 1")).to_be_visible()
    start, end = resting_box(tabs.nth(0)), resting_box(tabs.nth(2))
    page.mouse.move(start["x"] + 20, start["y"] + 20)
    page.mouse.down()
    page.mouse.move(end["x"] + 20, end["y"] + 20, steps=8)
    page.mouse.up()
    expect(tabs.nth(2)).to_have_attribute("aria-selected", "true")
    expect(page).to_have_url(re.compile("step=3"))
    tabs.nth(2).focus()
    page.keyboard.press("End")
    expect(tabs.nth(3)).to_be_focused()
    expect(page).to_have_url(re.compile("step=4"))
    page.get_by_role("button", name="Previous").click()  # the page's own control: the view follows
    expect(tabs.nth(2)).to_have_attribute("aria-selected", "true")

    page.set_viewport_size({"width": 390, "height": 850})
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    page.locator(".movie").first.click()
    settled(page)
    main = page.locator("[data-testid=stMain]")
    assert main.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
    assert not serious(page, *COLOURS)  # all rules at full width: test_paths


def test_a_row_of_the_users_table_opens_that_user(visit, app: App) -> None:
    page = settled(visit(f"{app.url}/users?user=405"))
    table = page.get_by_test_id("stDataFrame").last
    table.scroll_into_view_if_needed()
    box = resting_box(table)
    page.mouse.click(box["x"] + 14, box["y"] + 35 * 2 + 16)
    expect(page.get_by_label("User ID")).not_to_have_value("405")
    expect(page).to_have_url(re.compile(r"user=\d+"))


def test_uploaded_predictions_and_the_person_behind_a_point(
    visit, app: App, ml100k: Dataset, last10: Split, tmp_path: Path
) -> None:
    """A file that lacks rows is counted and refused, and imputed on request; a point of its errors leads to people."""
    users = sample_users(last10, 100, 0, splits.development(ml100k.user_ids))
    test = last10.test.of_users(users)
    ids = [(ml100k.user_label(u), ml100k.item_label(i)) for u, i in zip(test.user, test.item, strict=True)]
    lines = ["user,item,prediction", *(f"{user},{item},3.5" for user, item in ids[3:])]
    (tmp_path / "mine.csv").write_text("\n".join(lines), encoding="utf-8")

    page = settled(visit(f"{app.url}/errors?model=builtin&view=groups"))
    for title in ("Simulator (alone, calibrated)", "Factorization machine", "SVD++", "ALS"):  # what takes its time
        page.get_by_role("button", name=title, exact=True).click()
    page.get_by_role("button", name="Import predictions").click()
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(tmp_path / "mine.csv")
    expect(page.get_by_text(f"mine: {len(ids) - 3:,} predictions.")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Compare", exact=True).click()
    lacks = f"mine lacks 3 of {len(ids):,} test ratings, the first of user {ids[0][0]} and item {ids[0][1]}."
    expect(page.get_by_text(lacks)).to_be_visible()

    page.get_by_role("button", name="Import predictions").click()
    page.get_by_text("Impute missing rows by the user and item bias").click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.get_by_text("they are imputed by the user and item bias")).to_be_visible()
    names = page.locator(".js-plotly-plot").first.locator(".ytick text")
    expect(names.filter(has_text="mine")).to_be_visible()

    point = settled(page).locator(".js-plotly-plot").nth(4).locator(".points path").first
    point.evaluate("e => e.scrollIntoView({block: 'center'})")
    place = resting_box(point)
    page.mouse.click(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    expect(page).to_have_url(re.compile("slice=activity"))
    link = settled(page).get_by_role("link", name=re.compile("the profile after step"))
    user = re.findall(r"User (\d+)", link.inner_text())[0]
    link.click()
    expect(page.get_by_role("heading", name=re.compile("The profile after step"))).to_be_visible()
    expect(page.get_by_label("User ID")).to_have_value(user)


def test_presenting_goes_by_keys_and_keeps_its_place(visit, app: App) -> None:
    page = settled(visit(f"{app.url}/evolution?user=405&step=2", width=390, height=800))
    page.get_by_role("button", name="Present").click()
    story = page.frame_locator(".presentation iframe")
    place, shown = story.locator("#place"), story.locator(".chapter:not([hidden])")
    expect(place).to_have_text("1 of 10")

    def expect_focus(heading: str) -> None:  # which a screen reader reads
        starts = f"() => document.activeElement.textContent.startsWith('{heading}')"
        page.frames[-1].wait_for_function(starts)

    expect_focus("A 22-year-old")
    for key, number in (
        ("ArrowRight", 2),
        ("PageDown", 3),
        ("PageUp", 2),
        ("End", 10),
        ("ArrowRight", 10),
        ("Home", 1),
    ):
        page.keyboard.press(key)
        expect(place).to_have_text(f"{number} of 10")
    story.get_by_role("button", name="Next chapter").click()
    expect(shown).to_have_count(1)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(place).to_have_text("5 of 10")
    expect_focus("Step 3 of 4")
    assert shown.evaluate("e => document.documentElement.scrollWidth") == 390
    expect(page).to_have_url(re.compile("view=present&chapter=5"))
    page.reload()
    expect(place).to_have_text("5 of 10")
    expect_focus("Step 3 of 4")
    page.keyboard.press("Escape")
    expect(page.locator("dialog:visible")).to_have_count(0)
    expect(page.get_by_text("Forecast error over steps")).to_be_visible()
    expect(page).to_have_url(re.compile(r"step=3$"))
