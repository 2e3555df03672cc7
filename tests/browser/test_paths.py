"""The three people's paths through the app, from a cold link on: a stakeholder's, a researcher's, a prompt tuner's.

At each place: axe-core and a walk by Tab; in both themes, and from a phone to a wide screen, nothing is cut.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from lusifer.evaluation import SIMULATOR, RunContext
from lusifer.evaluation.experiments import find
from lusifer.runs.comparison import ComparisonSpec, run_comparison
from lusifer.runs.experiment import ExperimentRequest, run_experiment
from lusifer.runs.realism import run_realism
from lusifer.simulator import BUILTIN, UserModelConfig
from lusifer.simulator.community import offsets_only
from lusifer.simulator.models import recorded_users
from lusifer.store import Store
from tests.browser.accessibility import COLOURS, DARK, misfits, quiet, serious, walked
from tests.browser.conftest import App, running, settled
from tests.conftest import Lay

RECORDING = "recorded:last10-37users-plain"
WIDTHS = (390, 800, 1440)


@pytest.fixture(scope="module")
def app(lay: Lay, ml100k, last10, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app on MovieLens 100K with a few recorded runs, so that results are looked at too."""
    data = tmp_path_factory.mktemp("paths")
    lay(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUSIFER_DATA", str(data))
        ctx = RunContext(ml100k, last10, Store(data / "lusifer.db"))
        recorded, builtin = UserModelConfig(RECORDING), UserModelConfig(BUILTIN)
        offsets, users = offsets_only(ml100k, last10), recorded_users(RECORDING)[:20]
        comparison = ComparisonSpec((SIMULATOR, BUILTIN, "bias", "user-mean"), users, community=offsets)
        run_comparison(ctx, recorded, comparison, "Recorded")
        run_realism(ctx, recorded, users, offsets=offsets)
        for name in ("order", "loop"):
            run_experiment(ctx, builtin, ExperimentRequest(find(name), tuple(range(1, 25))))
    with running(data) as found:
        yield found


class Walk:
    """A person's way through the app: what they meet that they should not, and how long each click took.

    Attributes:
        page: the page, in a session of its own.
        met: what was wrong, and where.
        seconds: from a click until its page rests, by what was clicked. Printed, not held against anything.
    """

    def __init__(self, page: Page) -> None:
        self.page, self.met, self.seconds = page, list[str](), dict[str, float]()

    def click(self, target: Locator, then: Locator) -> None:
        """Click, and wait for what comes of it."""
        name, start = target.inner_text().splitlines()[-1], time.monotonic()
        target.click()
        expect(then).to_be_visible()
        settled(self.page)
        self.seconds[name] = time.monotonic() - start

    def go(self, title: str) -> None:
        """To another page, by the sidebar."""
        link = self.page.get_by_test_id("stSidebarNav").get_by_role("link", name=title, exact=True)
        self.click(link, self.page.get_by_role("heading", name=title, exact=True))

    def choose(self, view: str) -> None:
        """Another view of the page."""
        self.click(self.page.get_by_role("radio", name=view, exact=True), self.page.locator("h1").first)

    def look(self) -> None:
        """Nothing is cut or broken at any width."""
        for width in WIDTHS:
            self.note(misfits(self.page, width))

    def check(self) -> None:
        """Hold the page against all rules and walk it in the light theme; in the dark one, where only colours differ,
        against those of colour."""
        quiet(self.page)
        self.note(serious(self.page) + walked(self.page))
        self.look()
        self.page.emulate_media(color_scheme="dark")
        self.look()
        expect(self.page.locator("[data-testid=stApp]")).to_have_css("background-color", DARK)
        self.note([f"dark: {found}" for found in serious(quiet(self.page), *COLOURS)])
        self.page.emulate_media(color_scheme="light")

    def note(self, wrong: list[str]) -> None:
        """Keep what was wrong, with the place."""
        self.met += [f"{self.page.url}: {found}" for found in wrong]

    def end(self) -> None:
        """What was met, all at once."""
        print({name: round(seconds, 2) for name, seconds in self.seconds.items()})
        assert not self.met, "\n".join(self.met)


def text(page: Page, pattern: str) -> Locator:
    """The first text of the page that fits."""
    return page.get_by_test_id("stMain").get_by_text(re.compile(pattern)).first


def test_a_stakeholders_path(app: App, visit) -> None:
    """From Home to a person, what is predicted of them, what it depends on, what it is worth, and the story."""
    walk = Walk(visit(f"{app.url}/?user=452"))
    page = walk.page
    expect(text(page, "it predicts about as well")).to_be_visible()
    walk.check()
    walk.click(page.get_by_role("link", name="Open user 452").first, text(page, "The profile after step 1"))
    walk.check()
    walk.click(page.get_by_role("button", name="Next"), text(page, "The profile after step 2"))
    walk.go("Predict ratings")
    expect(text(page, "vs. user \\+ item bias")).to_be_visible()
    walk.check()
    walk.go("What-if lab")
    walk.check()
    walk.choose("What if")
    expect(text(page, "ratings move|rating moves|Nothing moves")).to_be_visible()
    walk.look()
    walk.choose("You")
    walk.look()
    walk.go("Accuracy")
    expect(text(page, "^The simulator, calibrated, has")).to_be_visible()
    expect(page.get_by_test_id("stPlotlyChart").first).to_be_visible()
    walk.check()
    walk.go("Evolution")
    with page.expect_download() as story:
        page.get_by_role("button", name="Story as HTML").click()
    assert story.value.suggested_filename == "story-452-last-10.html" and story.value.path().stat().st_size > 10_000
    walk.end()


def test_a_researchers_path(app: App, visit) -> None:
    """From a user to the evidence: figures and their export, realism, experiments, the environment, the calls."""
    walk = Walk(visit(f"{app.url}/users?user=452"))
    page = walk.page
    expect(text(page, "The profile after 40 ratings")).to_be_visible()
    walk.check()
    walk.go("Accuracy")
    for _ in range(5):  # each click is answered, however soon the next one comes
        with page.expect_download() as predictions:
            page.get_by_role("button", name="Predictions as CSV").click()
        assert predictions.value.path().read_text().count("\n") > 150
    for title, found in (
        ("Realism", "^The calibrated simulator is"),
        ("Experiments", "Rating order"),
        ("Environment", "An episode, turn by turn"),
        ("LLM calls", "answers about 37 users"),
    ):
        walk.go(title)
        expect(text(page, found)).to_be_visible()
        walk.check()
    walk.choose("All calls")
    expect(text(page, "calls, newest first")).to_be_visible()
    walk.look()
    walk.end()


def test_a_prompt_tuners_path(app: App, visit) -> None:
    """The versions of the prompts, their comparison, and the calls that they made; all else: `test_prompts`."""
    walk = Walk(visit(f"{app.url}/prompts?user=452"))
    walk.check()
    for view in ("Compare", "Versions"):
        walk.choose(view)
        walk.look()
    walk.go("LLM calls")
    walk.page.go_back()
    expect(walk.page).to_have_url(re.compile("view=Versions"))
    walk.page.goto(f"{app.url}/evolution?user=13&beside=true&other-user=405")
    settled(walk.page)
    walk.look()
    walk.end()


def test_the_main_path_needs_no_mouse(app: App, visit) -> None:
    page: Page = settled(visit(f"{app.url}/users?user=405"))
    page.wait_for_timeout(1500)  # a page that still finds its shape takes the focus away

    def to(name: str) -> None:
        for _ in range(150):
            page.keyboard.press("Tab")
            text = page.evaluate(
                "() => { let e = document.activeElement;"
                " while (e.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;"
                " return e.matches('main') ? '' : (e.getAttribute('aria-label') || e.textContent || '').trim(); }"
            )
            if re.search(name, text):
                return
        raise AssertionError(f"Tab never came to {name}")

    to("Watch the profile evolve")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Why it changed at step 1")).to_be_visible()
    settled(page)
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("Why it changed at step 2")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_text("Why it changed at step 1")).to_be_visible()
    settled(page)
    to("^. (gained|strengthened|weakened|dropped)")
    page.keyboard.press("Enter")
    expect(page.locator(".change[aria-pressed=true]")).to_be_visible()
    page.goto(f"{app.url}/rate?user=405")
    settled(page)
    page.wait_for_timeout(1500)
    to("test movies")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Test movies").first).to_be_visible()
    expect(page.locator("[data-testid=stException]")).to_have_count(0)
