"""A story in a browser: no request, arrow keys through its chapters, no sideways scrolling on a phone."""

from __future__ import annotations

from datetime import UTC, datetime

from playwright.sync_api import expect

from lusifer.simulator import UserModelConfig, make_evolution_spec, run_evolution
from lusifer.ui.story.story_data import build_story
from lusifer.ui.story.story_html import render_story


def test_the_file_asks_for_nothing_and_goes_by_arrow_keys(browser, ml100k, last10, tmp_path) -> None:
    model = UserModelConfig("builtin").build(None)
    spec = make_evolution_spec(ml100k, last10, 405, model)
    steps = list(run_evolution(ml100k, last10, model, spec, None))
    story = build_story(ml100k, last10, model, spec, steps, None, total_steps=len(steps))
    file = tmp_path / "story.html"
    file.write_text(render_story(story, datetime(2026, 1, 2, tzinfo=UTC)), encoding="utf-8")
    context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme="dark")
    page = context.new_page()
    requests, errors = [], []
    page.on("request", lambda r: requests.append(r.url))
    page.on("console", lambda m: errors.append(m.text))
    page.on("pageerror", lambda e: errors.append(str(e)))
    page.goto(file.as_uri())
    current = page.locator("nav a[aria-current]")
    expect(current).to_have_text("Who")
    for key, name in (
        ("ArrowRight", "Growth"),
        ("ArrowRight", "Step 1"),
        ("ArrowRight", "Step 2"),
        ("ArrowLeft", "Step 1"),
    ):
        page.keyboard.press(key)
        expect(current).to_have_text(name)
    assert page.evaluate("document.activeElement.textContent").startswith("Step 1 of")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert requests == [file.as_uri()] and not errors
    context.close()
